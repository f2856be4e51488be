//! CSV files of any making: a row a trial, a column a parameter, and columns of values.

use super::Options;
use super::sheet::{Layout, Sheet};
use super::source::Source;
use crate::error::Result;

/// The column of values where nothing is said.
const VALUE: &str = "value";

pub(super) fn source(sheet: Sheet, options: &Options) -> Result<Source> {
    // pandas writes the numbers of rows into a column without a name.
    let columns: Vec<(usize, String)> = sheet
        .header
        .iter()
        .enumerate()
        .filter(|(_, name)| !name.is_empty())
        .map(|(column, name)| (column, name.clone()))
        .collect();
    let said =
        options.objective.is_some() || options.document.is_some() || !options.objectives.is_empty();
    let default: Vec<(usize, String)> =
        columns.iter().filter(|(_, name)| !said && name == VALUE).cloned().collect();
    let objectives = if default.is_empty() { columns.clone() } else { default };
    sheet.source(Layout { parameters: columns, objectives, state: None }, options)
}
