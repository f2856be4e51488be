//! All trials as a table.

use std::fmt::Write;

use super::digest::Digest;
use super::overview::{parameter_cell, trial_duration};
use super::text::{NONE, counted, duration, name, number};

/// At most this many rows and parameters.
const ROWS: usize = 1_000;
const PARAMETERS: usize = 30;
/// Longest value, in characters.
const LONGEST: usize = 30;

/// The section.
pub(super) fn section(digest: &Digest<'_>) -> String {
    let trials = digest.report.trials;
    // A name that has a column of numbers and one of choices is one column here.
    let mut names: Vec<&str> = digest.columns.iter().map(|column| column.name).collect();
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(*name));
    let mut html = "<h2>Trials</h2>\n".to_owned();
    let _ = write!(html, "<details><summary>{}", counted(trials.len(), "trial", "trials"));
    if trials.len() > ROWS {
        let _ = write!(html, ", the first {ROWS} of them");
    }
    if names.len() > PARAMETERS {
        let _ = write!(html, ", with the first {PARAMETERS} of {} parameters", names.len());
    }
    names.truncate(PARAMETERS);
    html.push_str(
        "</summary><div class=\"card scroll\"><table><thead><tr><th>trial</th>\
         <th class=\"name\">state</th>",
    );
    let objectives = digest.report.objectives.iter().map(|(name, _)| name.as_str());
    for header in objectives.chain(names.iter().copied()) {
        let _ = write!(html, "<th>{}</th>", name(header, LONGEST));
    }
    html.push_str("<th>time</th></tr></thead><tbody>\n");
    for (position, trial) in trials.iter().enumerate().take(ROWS) {
        let class = if digest.best.contains(&position) { " class=\"best\"" } else { "" };
        let _ = write!(html, "<tr{class}><td>{}<td class=name>{}", trial.number, trial.state);
        for index in 0..digest.report.objectives.len() {
            let value = digest.values(position).get(index);
            let text = value.map_or_else(|| NONE.to_owned(), |value| number(*value));
            let _ = write!(html, "<td>{text}");
        }
        for parameter in &names {
            let _ = write!(html, "<td>{}", parameter_cell(trial, parameter, LONGEST));
        }
        let time = trial_duration(trial).map_or_else(|| NONE.to_owned(), duration);
        let _ = writeln!(html, "<td>{time}");
    }
    html.push_str("</tbody></table></div></details>\n");
    html
}
