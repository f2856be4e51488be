//! Surfaces by name.

use std::path::Path;
use std::sync::Arc;

use super::{Noise, Shift, Surface, Table, synthetic, yahpo};
use crate::error::{Error, Result};

/// What any surface may be decorated with.
const DECORATORS: [&str; 2] = ["noise", "shift"];

/// How names of surrogates of YAHPO Gym begin.
const YAHPO: &str = "yahpo:";

/// The built-in surfaces, each function in its usual dimension.
///
/// A new kind of built-in surface is a line here and a line in `builtin`.
pub fn builtin_names() -> Vec<String> {
    let names = synthetic::names();
    #[cfg(feature = "live")]
    let names =
        names.into_iter().chain(super::live::names().into_iter().map(String::from)).collect();
    names
}

/// Opens a built-in surface; `None` where no kind of surface knows the name.
fn builtin(name: &str) -> Option<Result<Arc<dyn Surface>>> {
    let surface = synthetic::open(name);
    #[cfg(feature = "live")]
    let surface = surface.or_else(|| super::live::open(name));
    surface
}

/// Opens what a name stands for:
///
/// - a built-in surface: `branin`, or a function in a dimension of your choice, `ackley-12`;
/// - `DIR`: every task of a directory of tables (see [`Table`]), sorted by name;
/// - `DIR#TASK`: one of them;
/// - `yahpo:DIR/SCENARIO` or `yahpo:DIR/SCENARIO#INSTANCE`, perhaps with options: surrogates of
///   YAHPO Gym (see [`yahpo`]);
/// - any of these with decorators, applied from left to right: `branin+shift=3+noise=0.1` is Branin's
///   function [shifted](Shift) with seed 3, then with [noise](Noise) of standard deviation 0.1.
///
/// A directory that has the name of a built-in surface is opened as `./branin`.
///
/// ```
/// let surface = &hyperq::surface::open("rosenbrock-4")?[0];
/// assert_eq!(surface.spec().space.len(), 4);
/// assert!(hyperq::surface::open("rosenbrok-4").err().unwrap().to_string().contains("did you mean"));
/// # Ok::<(), hyperq::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Unknown`] with the nearest name for an unknown surface, task or decorator;
/// [`Error::Setting`] for a dimension or a decorator's number that is out of range; what reading a
/// table reports.
pub fn open(name: &str) -> Result<Vec<Arc<dyn Surface>>> {
    // A directory may have a plus in its name.
    if Path::new(name).is_dir() && builtin(name).is_none() {
        return tables(name, None);
    }
    if let Some((inner, decorator)) = name.rsplit_once('+')
        && let Some((kind, number)) = decorator.split_once('=')
        // A scenario has options of its own.
        && (DECORATORS.contains(&kind) || !name.starts_with(YAHPO))
    {
        return open(inner)?.into_iter().map(|s| decorate(s, kind, number)).collect();
    }
    if let Some(scenario) = name.strip_prefix(YAHPO) {
        return yahpo::open(scenario);
    }
    if let Some(surface) = builtin(name) {
        return Ok(vec![surface?]);
    }
    if let Some((directory, task)) = name.rsplit_once('#') {
        return tables(directory, Some(task));
    }
    let known = builtin_names();
    Err(Error::unknown(
        "surface",
        name,
        known.iter().map(String::as_str),
        "it is neither a built-in surface (`hyperq surfaces` lists them) nor a directory of tables",
    ))
}

fn tables(directory: &str, task: Option<&str>) -> Result<Vec<Arc<dyn Surface>>> {
    let tables = match task {
        None => Table::read_all(directory)?,
        Some(task) => vec![Table::read(directory, task)?],
    };
    Ok(tables.into_iter().map(|table| Arc::new(table) as Arc<dyn Surface>).collect())
}

fn decorate(inner: Arc<dyn Surface>, kind: &str, number: &str) -> Result<Arc<dyn Surface>> {
    let refuse = |rule: &str| Error::setting(&inner.spec().name, kind, rule, format!("`{number}`"));
    match kind {
        "noise" => {
            let deviation = number.parse().map_err(|_| refuse("a standard deviation"))?;
            Ok(Arc::new(Noise::new(inner, deviation)?))
        }
        "shift" => {
            let seed = number.parse().map_err(|_| refuse("a seed, an integer from 0"))?;
            Ok(Arc::new(Shift::new(inner, seed)?))
        }
        _ => Err(Error::unknown(
            "decorator",
            kind,
            DECORATORS,
            "a surface takes `+noise=DEVIATION` and `+shift=SEED`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_name_opens_the_surface_of_that_name() {
        let names = builtin_names();
        assert!(names.len() >= 12, "{names:?}");
        for name in &names {
            let surfaces = open(name).unwrap();
            assert_eq!(surfaces.len(), 1);
            assert_eq!(&surfaces[0].spec().name, name);
        }
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
    }

    #[test]
    fn unknown_names_are_refused_with_the_nearest_one() {
        let message = |name: &str| open(name).err().unwrap().to_string();
        assert!(
            message("brannin").starts_with("unknown surface `brannin`; did you mean `branin`?")
        );
        assert!(message("ackley").contains("did you mean `ackley-5`?"));
        assert!(message("branin+noize=0.1").contains("unknown decorator `noize`; did you mean"));
        assert!(message("branin+shift=-1").contains("branin: `shift` must be a seed"));
        assert!(message("branin+noise=").contains("branin: `noise` must be a standard deviation"));
        assert!(message("branin+noise").contains("unknown surface `branin+noise`"));
        assert!(message("no-such-directory#task").contains("no-such-directory"));
    }
}
