//! Every trial's value over its number, and the best so far.

use std::fmt::Write;

use crate::storage::{StoredTrial, TrialState};
use crate::trial::Direction;

use super::axis::Axis;
use super::digest::Digest;
use super::picture::Picture;
use super::text::{name, number};

/// Charts of at most this many objectives.
const OBJECTIVES: usize = 6;

/// The section.
pub(super) fn section(digest: &Digest<'_>) -> String {
    let mut html = "<h2>History</h2>\n<p class=\"soft\">Each point is a trial, the line the \
                    best value so far. Pruned trials are hollow, at their last intermediate \
                    value; red ticks at the bottom are trials without a finite value.</p>\n"
        .to_owned();
    let single = digest.is_single();
    html.push_str(if single { "" } else { "<div class=\"grid\">\n" });
    for index in 0..digest.report.objectives.len().min(OBJECTIVES) {
        html.push_str(&chart(digest, index, if single { (960, 380) } else { (460, 300) }));
    }
    html.push_str(if single { "" } else { "</div>\n" });
    html
}

/// The value that a pruned trial is shown at.
fn pruned_value(trial: &StoredTrial, objective: usize) -> Option<f64> {
    let own = trial.values.as_ref().and_then(|values| values.get(objective)).copied();
    let last = || trial.intermediate.values().next_back().copied();
    own.or_else(last).filter(|value| value.is_finite())
}

fn chart(digest: &Digest<'_>, objective: usize, size: (u32, u32)) -> String {
    let (objective_name, direction) = &digest.report.objectives[objective];
    let trials = digest.report.trials;
    let (mut complete, mut pruned, mut without) = (Vec::new(), Vec::new(), Vec::new());
    for trial in trials {
        let at = trial.number as f64;
        let value = trial.values.as_ref().and_then(|values| values.get(objective)).copied();
        match trial.state {
            TrialState::Complete => match value.filter(|value| value.is_finite()) {
                Some(value) => complete.push((at, value, trial.number)),
                None => without.push(at),
            },
            TrialState::Pruned => match pruned_value(trial, objective) {
                Some(value) => pruned.push((at, value, trial.number)),
                None => without.push(at),
            },
            TrialState::Failed => without.push(at),
            TrialState::Running | TrialState::Waiting => {}
        }
    }
    let incumbents = incumbents(&complete, *direction);
    let last = trials.iter().map(|trial| trial.number as f64).fold(1.0, f64::max);
    let values = complete.iter().chain(&pruned).map(|(_, value, _)| *value);
    let (y, beyond) = Axis::of_values(values, *direction);
    let scale = if y.is_log() { ", log scale" } else { "" };
    let mut picture = Picture::new(
        size,
        (Axis::range(0.0, last, false), "trial"),
        (y, &format!("{objective_name}{scale}")),
    );
    picture.dots("ring", pruned.iter().copied());
    picture.dots("hole", pruned.iter().copied());
    picture.dots("dot", complete.iter().copied());
    picture.ticks("failed", without.iter().copied());
    picture.steps("incumbent", &incumbents, last);
    if let Some((at, value)) = incumbents.last() {
        let title = format!("trial {at}: {}", number(*value));
        picture.ring("best-ring", (*at, *value), 0, &title);
    }
    let svg = picture.svg(&format!("{objective_name} of every trial, and the best so far"));
    let mut caption = String::new();
    if !digest.is_single() {
        let goal = match direction {
            Direction::Minimize => "minimized",
            Direction::Maximize => "maximized",
        };
        let _ =
            write!(caption, "<h3>{}</h3><figcaption>{goal}</figcaption>", name(objective_name, 60));
    }
    let wide = if digest.is_single() { " wide" } else { "" };
    format!(
        "<figure class=\"card chart plot{wide}\">{caption}{svg}{}</figure>\n",
        beyond_note(beyond)
    )
}

/// What a chart says about values that lie beyond its axis.
pub(super) fn beyond_note(beyond: usize) -> String {
    match beyond {
        0 => String::new(),
        1 => "<figcaption>1 value is far worse than the others and drawn at the edge.</figcaption>"
            .to_owned(),
        _ => format!(
            "<figcaption>{beyond} values are far worse than the others and drawn at the \
             edge.</figcaption>"
        ),
    }
}

/// Where the best value changes.
fn incumbents(complete: &[(f64, f64, u64)], direction: Direction) -> Vec<(f64, f64)> {
    let mut best: Vec<(f64, f64)> = Vec::new();
    for (at, value, _) in complete {
        let better = best.last().is_none_or(|(_, best)| match direction {
            Direction::Minimize => value < best,
            Direction::Maximize => value > best,
        });
        if better {
            best.push((*at, *value));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::trial;

    #[test]
    fn the_best_so_far_changes_only_for_the_better() {
        let values = [(0.0, 2.0, 0), (1.0, 2.0, 1), (2.0, 3.0, 2), (3.0, 1.0, 3)];
        assert_eq!(incumbents(&values, Direction::Minimize), [(0.0, 2.0), (3.0, 1.0)]);
        assert_eq!(incumbents(&values, Direction::Maximize), [(0.0, 2.0), (2.0, 3.0)]);
        assert!(incumbents(&[], Direction::Maximize).is_empty());
    }

    #[test]
    fn pruned_trials_stand_at_their_last_report() {
        let mut pruned = trial(0, &[3.0]);
        assert_eq!(pruned_value(&pruned, 0), Some(3.0));
        pruned.values = None;
        assert_eq!(pruned_value(&pruned, 0), None);
        pruned.intermediate.extend([(1, 5.0), (7, 4.0)]);
        assert_eq!(pruned_value(&pruned, 0), Some(4.0));
        pruned.values = Some(vec![f64::NAN]);
        assert_eq!(pruned_value(&pruned, 0), None);
    }
}
