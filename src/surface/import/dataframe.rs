//! The CSV export of Optuna's `study.trials_dataframe()`.
//!
//! Its columns are `number`, `value` (`value_NAME` where the objective has a name, `values_0`, ... or
//! `values_NAME`, ... of several), `params_NAME`, `state` and others, which say nothing about the surface.

use super::Options;
use super::sheet::{Layout, Sheet};
use super::source::Source;
use crate::error::Result;

const PARAMETER: &str = "params_";

/// Whether a sheet is such an export: it has parameters and values under Optuna's names.
pub(super) fn is_export(sheet: &Sheet) -> bool {
    sheet.header.iter().any(|name| name.starts_with(PARAMETER))
        && sheet.header.iter().any(|name| objective(name).is_some())
}

pub(super) fn source(sheet: Sheet, options: &Options) -> Result<Source> {
    let named = |of: &dyn Fn(&str) -> Option<String>| {
        sheet.header.iter().enumerate().filter_map(|(i, name)| Some((i, of(name)?))).collect()
    };
    let layout = Layout {
        parameters: named(&|name| name.strip_prefix(PARAMETER).map(str::to_owned)),
        objectives: named(&objective),
        state: sheet.header.iter().position(|name| name == "state"),
    };
    let mut source = sheet.source(layout, options)?;
    source.parameters_only = true;
    Ok(source)
}

/// The name of the objective whose values a column holds.
fn objective(column: &str) -> Option<String> {
    if column == "value" {
        return Some(column.to_owned());
    }
    if let Some(name) = column.strip_prefix("value_") {
        return Some(name.to_owned());
    }
    let name = column.strip_prefix("values_")?;
    let number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    Some(if number { format!("value {name}") } else { name.to_owned() })
}
