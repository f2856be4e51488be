//! Rows as configurations of a space.

use super::source::{Row, Source};
use crate::error::{Error, Result};
use crate::space::{Choice, Configuration, Domain, SearchSpace, Value};

/// The configuration that a row is, or why it lies outside of the space.
///
/// # Errors
///
/// [`Error::File`] where a file has a text in the place of a number.
pub(super) fn configuration(
    space: &SearchSpace,
    source: &Source,
    row: &Row,
) -> Result<Result<Configuration, String>> {
    let mut cells: Vec<Option<&str>> = vec![None; space.len()];
    for (column, cell) in source.columns.iter().zip(&row.cells) {
        let Some(text) = cell.as_deref() else { continue };
        match space.position(&column.name) {
            Ok(position) => cells[position] = Some(text),
            Err(_) if !source.parameters_only => {}
            Err(_) => return Ok(Err(format!("the space has no parameter `{}`", column.name))),
        }
    }
    let mut values = vec![None; space.len()];
    for &index in space.order() {
        let parameter = &space.parameters()[index];
        if !space.is_active(index, &values) {
            continue;
        }
        values[index] = match cells[index] {
            Some(text) => match value(&parameter.domain, &parameter.name, text) {
                Ok(value) => Some(value),
                Err(error) => {
                    malformed(source, row, &parameter.domain, &parameter.name, text)?;
                    return Ok(Err(in_words(error)));
                }
            },
            None => null(&parameter.domain),
        };
    }
    Ok(space.admit(values).map_err(in_words))
}

/// Reads a value as other programs print it: beside hyperq's own forms `True`, a number that is a
/// choice with another number of zeros, and `None`.
pub(super) fn value(domain: &Domain, name: &str, text: &str) -> Result<Value> {
    let parsed = domain.parse(name, text);
    let (Err(_), Domain::Categorical { choices }) = (&parsed, domain) else { return parsed };
    let same = |choice: &Choice| match choice {
        Choice::Null => text == "None",
        Choice::Bool(truth) => text.eq_ignore_ascii_case(&truth.to_string()),
        Choice::Int(number) => text.parse() == Ok(*number as f64),
        Choice::Float(number) => text.parse() == Ok(*number),
        Choice::Text(_) => false,
    };
    choices.iter().position(same).map_or(parsed, |choice| Ok(Value::Category(choice)))
}

/// What an empty field means where its parameter is active.
fn null(domain: &Domain) -> Option<Value> {
    let Domain::Categorical { choices } = domain else { return None };
    choices.iter().position(|choice| *choice == Choice::Null).map(Value::Category)
}

/// Refuses a text in the place of a number, where the source is a file that somebody can correct.
fn malformed(source: &Source, row: &Row, domain: &Domain, name: &str, text: &str) -> Result<()> {
    match (&source.file, domain) {
        (Some(path), Domain::Float { .. } | Domain::Int { .. }) if text.parse::<f64>().is_err() => {
            let rule = format!("`{name}` must be a number");
            Err(Error::file(path, row.number, rule, format!("`{text}`")))
        }
        _ => Ok(()),
    }
}

/// What is wrong with a configuration, without the name of the rule's kind.
fn in_words(error: Error) -> String {
    match error {
        Error::Configuration { parameter, rule, found } => {
            format!("`{parameter}` {rule}, found {found}")
        }
        other => other.to_string(),
    }
}
