//! Intermediate values over steps.

use std::fmt::Write;

use crate::storage::{StoredTrial, TrialState};

use super::axis::Axis;
use super::digest::{Digest, thinned};
use super::history::beyond_note;
use super::picture::Picture;
use super::text::name;

/// At most this many curves.
const CURVES: usize = 150;
/// A curve has at most this many points.
const POINTS: usize = 120;
/// So many of the best trials' curves are shown in any case.
const BEST: usize = 10;

/// The section; empty where no intermediate value was reported.
pub(super) fn section(digest: &Digest<'_>) -> String {
    let reported = |trial: &StoredTrial| trial.intermediate.values().any(|value| value.is_finite());
    let all: Vec<usize> =
        (0..digest.report.trials.len()).filter(|at| reported(digest.trial(*at))).collect();
    let Some((objective, direction)) = digest.report.objectives.first() else {
        return String::new();
    };
    if all.is_empty() {
        return String::new();
    }
    let single = digest.is_single();
    let best: Vec<usize> = match single {
        true => digest.ranking.iter().copied().filter(|at| reported(digest.trial(*at))).collect(),
        // Intermediate values of several objectives have no agreed meaning.
        false => Vec::new(),
    };
    let mut shown = thinned(&all, CURVES);
    shown.extend(best.iter().take(BEST));
    shown.sort_unstable();
    shown.dedup();

    let curves: Vec<(usize, Vec<(f64, f64)>)> = shown
        .iter()
        .map(|position| {
            let points: Vec<(f64, f64)> = digest
                .trial(*position)
                .intermediate
                .iter()
                .filter(|(_, value)| value.is_finite())
                .map(|(step, value)| (*step as f64, *value))
                .collect();
            (*position, thinned(&points, POINTS))
        })
        .collect();
    let points = || curves.iter().flat_map(|(_, points)| points);
    let first = points().map(|(step, _)| *step).fold(f64::INFINITY, f64::min);
    let last = points().map(|(step, _)| *step).fold(f64::NEG_INFINITY, f64::max);
    let (y, beyond) = Axis::of_values(points().map(|(_, value)| *value), *direction);
    let y_name = match (single, y.is_log()) {
        (true, false) => objective.clone(),
        (true, true) => format!("{objective}, log scale"),
        (false, false) => "intermediate value".to_owned(),
        (false, true) => "intermediate value, log scale".to_owned(),
    };
    let mut picture =
        Picture::new((960, 380), (Axis::range(first, last, false), "step"), (y, &y_name));
    let top = best.first();
    let others = curves.iter().filter(|(position, _)| Some(position) != top);
    for (position, points) in others.chain(curves.iter().filter(|(p, _)| Some(p) == top)) {
        let state = digest.trial(*position).state;
        let class = match state {
            _ if Some(position) == top => "chosen",
            TrialState::Complete => "complete",
            TrialState::Failed => "failed",
            _ => "pruned",
        };
        picture.line(&format!("curve {class}"), points.iter().copied());
        // Where it ended early, and what would not be seen as a line.
        if state != TrialState::Complete || points.len() == 1 {
            let end = points.last().map(|(step, value)| (*step, *value, 0));
            picture.dots(&format!("end {class}"), end);
        }
    }

    let mut html = format!(
        "<h2>Intermediate values</h2>\n<p class=\"soft\">Reports of {} trials. Complete trials are \
         blue, others grey with a point where they ended, failed ones red{}.",
        all.len(),
        if top.is_some() { "; the best is orange" } else { "" }
    );
    if curves.len() < all.len() {
        let _ = write!(html, " {} are shown, evenly chosen", curves.len());
        html.push_str(if single { " besides the best." } else { "." });
    }
    let svg = picture.svg(&format!("intermediate values of {}", name(objective, 60)));
    let _ = writeln!(
        html,
        "</p>\n<figure class=\"card chart plot wide\">{svg}{}</figure>",
        beyond_note(beyond)
    );
    html
}
