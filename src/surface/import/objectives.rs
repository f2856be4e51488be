//! Which of a source's values count, and whether less or more of them is better.

use super::Options;
use crate::error::{Error, Result};
use crate::space::Objective;
use crate::trial::Direction;

/// An objective as the source has it.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub name: String,
    pub direction: Option<Direction>,
}

/// The positions of the objectives that the options ask for, with the names and directions that they
/// are to have.
pub(super) fn select(
    at: &str,
    known: &[Known],
    options: &Options,
) -> Result<Vec<(usize, Objective)>> {
    let wanted: Vec<Objective> = match (&options.document, options.objectives.as_slice()) {
        (Some(document), []) => vec![document.objective.clone()],
        (_, objectives) => objectives.to_vec(),
    };
    let positions = match (&options.objective, wanted.as_slice(), known.len()) {
        (Some(name), _, _) => vec![position(known, name, true)?],
        (None, [] | [_], 1) => vec![0],
        (None, [], _) => {
            let names: Vec<String> =
                known.iter().map(|known| format!("`{}`", known.name)).collect();
            return Err(Error::setting(
                at,
                "objective",
                format!("one of {}", names.join(", ")),
                "none (--objective NAME)",
            ));
        }
        (None, wanted, _) => wanted
            .iter()
            .map(|objective| position(known, &objective.name, false))
            .collect::<Result<_>>()?,
    };
    positions
        .into_iter()
        .enumerate()
        .map(|(index, position)| {
            let (known, wanted) = (&known[position], wanted.get(index));
            let name = wanted.map_or(&known.name, |wanted| &wanted.name).trim().to_owned();
            let direction =
                direction(at, known, wanted.map(|wanted| wanted.direction), options.direction)?;
            Ok((position, Objective { name, direction }))
        })
        .collect()
}

fn position(known: &[Known], name: &str, or_number: bool) -> Result<usize> {
    let number = || name.parse().ok().filter(|number| or_number && *number < known.len());
    known.iter().position(|known| known.name == name).or_else(number).ok_or_else(|| {
        let names: Vec<String> = known.iter().map(|known| format!("`{}`", known.name)).collect();
        let listing = format!("there are {}", names.join(", "));
        Error::unknown("objective", name, known.iter().map(|known| known.name.as_str()), &listing)
    })
}

/// The one direction that all agree on.
fn direction(
    at: &str,
    known: &Known,
    wanted: Option<Direction>,
    given: Option<Direction>,
) -> Result<Direction> {
    let mut said = [known.direction, wanted, given].into_iter().flatten();
    let Some(first) = said.next() else {
        return Err(Error::setting(
            at,
            "direction",
            format!("minimize or maximize, since the file does not say it of `{}`", known.name),
            "none (--direction)",
        ));
    };
    match said.find(|other| *other != first) {
        None => Ok(first),
        Some(other) => Err(Error::setting(
            at,
            "direction",
            format!("`{first}`, as of the objective `{}`", known.name),
            format!("`{other}`"),
        )),
    }
}
