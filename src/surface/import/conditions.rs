//! When parameters are active, from the trials that have them and those that lack them.

use super::fit;
use super::source::Source;
use crate::error::{Error, Result};
use crate::space::{Choice, Domain, Parameter, Value};

/// Gives every parameter that some rows lack its condition. `columns` are the parameters' columns.
pub(super) fn settle(
    source: &Source,
    parameters: &mut [Parameter],
    columns: &[usize],
) -> Result<()> {
    let present: Vec<Vec<bool>> = columns
        .iter()
        .map(|column| source.rows.iter().map(|row| row.cells[*column].is_some()).collect())
        .collect();
    let categories: Vec<Option<Vec<Option<usize>>>> = parameters
        .iter()
        .zip(columns)
        .map(|(parameter, column)| categories(source, parameter, *column))
        .collect();
    for child in 0..parameters.len() {
        if present[child].iter().all(|present| *present) {
            continue;
        }
        // Parents that every row has first; both in the order of the columns.
        let mut parents: Vec<usize> =
            (0..parameters.len()).filter(|other| *other != child).collect();
        parents.sort_by_key(|parent| present[*parent].contains(&false));
        let found = parents.iter().find_map(|parent| {
            let active = active(&present[child], categories[*parent].as_ref()?)?;
            Some((*parent, active))
        });
        let Some((parent, active)) = found else {
            return Err(unexplained(source, parameters, columns, child, &present));
        };
        let Domain::Categorical { choices } = &parameters[parent].domain else { continue };
        let choices: Vec<Choice> =
            active.into_iter().map(|choice| choices[choice].clone()).collect();
        let name = parameters[parent].name.clone();
        parameters[child].condition.push((name, choices));
    }
    Ok(())
}

/// By row, which choice of a categorical parameter it has.
fn categories(source: &Source, parameter: &Parameter, column: usize) -> Option<Vec<Option<usize>>> {
    if !matches!(parameter.domain, Domain::Categorical { .. }) {
        return None;
    }
    let choice = |text: &str| match fit::value(&parameter.domain, &parameter.name, text) {
        Ok(Value::Category(choice)) => Some(choice),
        _ => None,
    };
    Some(source.rows.iter().map(|row| choice(row.cells[column].as_deref()?)).collect())
}

/// The choices of a parent with which the child is present, where it is present with exactly those.
///
/// Some row must have the parent and lack the child. Else the child would be present just where the
/// parent is, what explains the parent explains the child, and two such parameters would be each
/// other's parents.
fn active(present: &[bool], parent: &[Option<usize>]) -> Option<Vec<usize>> {
    let mut active: Vec<usize> = Vec::new();
    for (present, choice) in present.iter().zip(parent) {
        if *present {
            active.push((*choice)?);
        }
    }
    active.sort_unstable();
    active.dedup();
    let mut absent = parent
        .iter()
        .zip(present)
        .filter(|(_, present)| !**present)
        .filter_map(|(choice, _)| *choice)
        .peekable();
    absent.peek()?;
    absent.all(|choice| active.binary_search(&choice).is_err()).then_some(active)
}

fn unexplained(
    source: &Source,
    parameters: &[Parameter],
    columns: &[usize],
    child: usize,
    present: &[Vec<bool>],
) -> Error {
    let first = |wanted: bool| {
        let row = present[child].iter().position(|present| *present == wanted);
        row.map_or_else(String::new, |row| source.place(source.rows[row].number))
    };
    let deciding = (0..parameters.len()).find(|other| {
        *other != child && decides(source, columns[*other], &present[child], &present[*other])
    });
    let hint = deciding.map_or_else(String::new, |number| {
        let name = &parameters[number].name;
        format!("; the number `{name}` decides it, which a space can make categorical")
    });
    Error::space(
        &parameters[child].name,
        "must be there for some choices of one categorical parameter and for no others, unless a \
         space says when it is active (`--space`)",
        format!("it in {} but not in {}{hint}", first(true), first(false)),
    )
}

/// Whether the values of a number in rows with the child differ from all those in rows without it.
fn decides(source: &Source, column: usize, child: &[bool], present: &[bool]) -> bool {
    if present.contains(&false) {
        return false;
    }
    let values = |wanted: bool| {
        let rows = source.rows.iter().zip(child).filter(move |(_, present)| **present == wanted);
        rows.filter_map(|(row, _)| row.cells[column].as_deref()?.parse::<f64>().ok())
    };
    let with: Vec<f64> = values(true).collect();
    // Numbers that hardly repeat tell any two sets of rows apart.
    let mut distinct: Vec<u64> = values(true).chain(values(false)).map(f64::to_bits).collect();
    distinct.sort_unstable();
    distinct.dedup();
    !with.is_empty()
        && distinct.len() * 2 <= source.rows.len()
        && values(false).all(|value| !with.contains(&value))
}
