//! The page's beginning: what came out, and the best configuration.

use std::fmt::Write;

use crate::storage::{StoredTrial, Timestamp, TrialState};
use crate::trial::Direction;

use super::digest::{Column, Digest};
use super::text::{NONE, counted, domain, duration, escaped, name, number, shortened, value};

/// Longest name of an objective in a sentence, and longest value in a table, in characters.
const LONGEST: usize = 60;
/// A value in the table of the best configuration is shown up to this many characters.
const WHOLE: usize = 2_000;
/// The table of a Pareto front has at most this many rows and parameters.
const FRONT: usize = 100;
const PARAMETERS: usize = 30;

/// What came out, in words.
pub(super) fn opening(digest: &Digest<'_>) -> String {
    format!("<p class=\"lead\">{}</p>\n<p>{}</p>\n", result(digest), course(digest))
}

/// The result in a sentence.
fn result(digest: &Digest<'_>) -> String {
    let objectives = digest.report.objectives;
    let Some(best) = digest.best.first() else {
        return match digest.count(TrialState::Complete) {
            0 => "No trial is complete yet, so there is no result.".to_owned(),
            _ => {
                "No trial has a finite value for each objective, so there is no result.".to_owned()
            }
        };
    };
    let complete = digest.complete.len();
    if let [(objective, direction)] = objectives {
        let extreme = match direction {
            Direction::Minimize => "lowest",
            Direction::Maximize => "highest",
        };
        return format!(
            "The {extreme} <b>{}</b> is <b>{}</b>, of trial {}, among {}.",
            name(objective, LONGEST),
            number(digest.values(*best)[0]),
            digest.trial(*best).number,
            counted(complete, "complete trial", "complete trials"),
        );
    }
    let mut html = format!(
        "{} among {} on the Pareto front: no other trial is as good in every objective and \
         better in one.",
        match digest.best.len() {
            1 => "<b>1</b> trial".to_owned(),
            count => format!("<b>{count}</b> trials"),
        },
        match digest.best.len() {
            1 => format!("{complete} is"),
            _ => format!("{complete} are"),
        },
    );
    for (index, (objective, direction)) in objectives.iter().enumerate() {
        let values =
            digest.best.iter().map(|position| (digest.values(*position)[index], *position));
        let best = values.reduce(|a, b| match direction {
            Direction::Minimize if b.0 < a.0 => b,
            Direction::Maximize if b.0 > a.0 => b,
            _ => a,
        });
        if let Some((value, position)) = best {
            let extreme = match direction {
                Direction::Minimize => "lowest",
                Direction::Maximize => "highest",
            };
            let (objective, trial) = (name(objective, LONGEST), digest.trial(position).number);
            let value = number(value);
            let _ = write!(html, " The {extreme} <b>{objective}</b> is {value}, of trial {trial}.");
        }
    }
    html
}

/// How the study went, in a sentence.
fn course(digest: &Digest<'_>) -> String {
    let trials = digest.report.trials;
    let verb = |count: usize, one: &str, many: &str| {
        format!("{count} {}", if count == 1 { one } else { many })
    };
    let mut parts = Vec::new();
    for (state, one, many) in [
        (TrialState::Complete, "is complete", "are complete"),
        (TrialState::Pruned, "was pruned", "were pruned"),
        (TrialState::Failed, "failed", "failed"),
        (TrialState::Running, "is running", "are running"),
        (TrialState::Waiting, "waits for a worker", "wait for a worker"),
    ] {
        let count = digest.count(state);
        if count > 0 {
            parts.push(verb(count, one, many));
        }
    }
    let mut html = format!("Of {}, {}.", counted(trials.len(), "trial", "trials"), listed(&parts));
    let odd = digest.count(TrialState::Complete) - digest.complete.len();
    if odd > 0 {
        let _ = write!(
            html,
            " {} without a finite value for each objective and cannot be compared.",
            verb(odd, "complete trial is", "complete trials are")
        );
    }
    if let Some(elapsed) = elapsed(trials) {
        let _ = write!(html, " From the first start to the last end it took {}", duration(elapsed));
        if let Some(median) = median_duration(trials) {
            let _ = write!(html, "; the median of a complete trial is {}", duration(median));
        }
        html.push('.');
    }
    html
}

fn listed(parts: &[String]) -> String {
    match parts {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// From the first start to the last completion, in microseconds.
fn elapsed(trials: &[StoredTrial]) -> Option<i64> {
    let first = trials.iter().filter_map(|trial| trial.started).min()?;
    let last = trials.iter().filter_map(|trial| trial.completed).max()?;
    span(first, last)
}

/// The duration of a trial in microseconds.
pub(super) fn trial_duration(trial: &StoredTrial) -> Option<i64> {
    span(trial.started?, trial.completed?)
}

/// `None` where clocks contradict each other.
fn span(Timestamp(from): Timestamp, Timestamp(to): Timestamp) -> Option<i64> {
    to.checked_sub(from).filter(|span| *span >= 0)
}

/// The median duration of complete trials, the lower one of two.
fn median_duration(trials: &[StoredTrial]) -> Option<i64> {
    let complete = trials.iter().filter(|trial| trial.state == TrialState::Complete);
    let mut durations: Vec<i64> = complete.filter_map(trial_duration).collect();
    let middle = durations.len().checked_sub(1)? / 2;
    Some(*durations.select_nth_unstable(middle).1)
}

/// The best configuration, or the Pareto front.
pub(super) fn best(digest: &Digest<'_>) -> String {
    match (digest.is_single(), digest.best.as_slice()) {
        (_, []) => String::new(),
        (true, [best, ..]) => configuration(digest, *best),
        (false, front) => front_table(digest, front),
    }
}

fn configuration(digest: &Digest<'_>, best: usize) -> String {
    let trial = digest.trial(best);
    let mut html = format!(
        "<h2>Best configuration</h2>\n<p class=\"soft\">Trial {}{}.</p>\n",
        trial.number,
        trial_duration(trial)
            .map_or_else(String::new, |span| format!(", which took {}", duration(span))),
    );
    if trial.parameters.is_empty() {
        html.push_str("<p>It has no parameters.</p>\n");
        return html;
    }
    html.push_str(
        "<div class=\"card scroll\"><table class=\"configuration\">\
         <thead><tr><th class=\"name\">parameter</th>\
         <th class=\"name\">value</th><th class=\"name\">searched</th></tr></thead><tbody>\n",
    );
    for (parameter, stored) in &trial.parameters {
        let _ = writeln!(
            html,
            "<tr><td class=\"name\">{}</td><td class=\"name best\">{}</td>\
             <td class=\"name soft\">{}</td></tr>",
            name(parameter, 200),
            escaped(&shortened(&value(stored), WHOLE)),
            escaped(&domain(&stored.domain)),
        );
    }
    html.push_str("</tbody></table></div>\n");
    html
}

fn front_table(digest: &Digest<'_>, front: &[usize]) -> String {
    let used = |column: &&Column<'_>| front.iter().any(|position| column.get(*position).is_some());
    let columns: Vec<_> = digest.columns.iter().filter(used).take(PARAMETERS).collect();
    let mut html = "<h2>Pareto front</h2>\n<p class=\"soft\">The best compromises".to_owned();
    if let Some((objective, _)) = digest.report.objectives.first() {
        let _ = write!(html, ", by {}", name(objective, LONGEST));
    }
    if front.len() > FRONT {
        let _ = write!(html, "; the first {FRONT} of {}", front.len());
    }
    if digest.columns.iter().filter(used).count() > PARAMETERS {
        let _ = write!(html, "; the first {PARAMETERS} parameters");
    }
    html.push_str(".</p>\n<div class=\"card scroll\"><table><thead><tr><th>trial</th>");
    for (objective, direction) in digest.report.objectives {
        let arrow = match direction {
            Direction::Minimize => "↓",
            Direction::Maximize => "↑",
        };
        let _ = write!(html, "<th>{} {arrow}</th>", name(objective, LONGEST));
    }
    for column in &columns {
        let _ = write!(html, "<th>{}</th>", name(column.name, LONGEST));
    }
    html.push_str("</tr></thead><tbody>\n");
    for position in front.iter().take(FRONT) {
        let trial = digest.trial(*position);
        let _ = write!(html, "<tr><td>{}</td>", trial.number);
        for value in digest.values(*position) {
            let _ = write!(html, "<td class=\"best\">{}</td>", number(*value));
        }
        for column in &columns {
            let _ = write!(html, "<td>{}</td>", parameter_cell(trial, column.name, 40));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    html
}

/// A trial's value of a parameter, or a dash.
pub(super) fn parameter_cell(trial: &StoredTrial, parameter: &str, longest: usize) -> String {
    let found = trial.parameters.iter().find(|(other, _)| other == parameter);
    found.map_or_else(|| NONE.to_owned(), |(_, stored)| name(&value(stored), longest))
}
