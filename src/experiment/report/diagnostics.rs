//! How strategies explore.

use std::ops::RangeInclusive;

use rayon::prelude::*;

use super::chart::{Chart, Series, trial_axis, value_axis};
use super::curves::{curve_of, rows};
use super::figure::Figure;
use super::page::Page;
use super::section::{Section, Width};
use crate::error::Result;
use crate::experiment::runner::Run;
use crate::experiment::statistics::mean;
use crate::report::{Axis, escaped};

/// Trials are put together so that a curve has at most this many points.
const BINS: usize = 40;

/// What a run shows in some trials (counted from 0); `None` where it shows nothing.
type Diagnostic = fn(&Run, &RangeInclusive<usize>) -> Option<f64>;

/// A diagnostic and how it is shown.
struct Kind {
    name: &'static str,
    title: &'static str,
    caption: &'static str,
    axis: &'static str,
    column: &'static str,
    share: bool,
    read: Diagnostic,
}

const KINDS: [Kind; 3] = [
    Kind {
        name: "exploration",
        title: "Exploratory actions",
        caption: "The share of choices in which an action of a higher value was passed over.",
        axis: "share of choices",
        column: "share_of_choices",
        share: true,
        read: exploratory,
    },
    Kind {
        name: "distinct-configurations",
        title: "Distinct configurations",
        caption: "The share of the trials so far whose configuration had not been tried before in the run.",
        axis: "share of trials so far",
        column: "share_of_trials_so_far",
        share: true,
        read: distinct,
    },
    Kind {
        name: "value-spread",
        title: "Spread of action values",
        caption: "The standard deviation of the values of the actions that could be taken, in the unit of the strategy's \
                  rewards: how far it tells them apart.",
        axis: "standard deviation",
        column: "standard_deviation",
        share: false,
        read: spread,
    },
];

/// Three charts over trials.
pub(super) fn section(page: &Page<'_>) -> Result<Option<Section>> {
    if page.places().all(|place| page.strategy(place).runs == 0) {
        return Ok(None);
    }
    let mut section = Section::new("exploration", "How they explore");
    let silent: Vec<String> = page
        .places()
        .filter(|place| page.strategy(*place).runs > 0 && !chooses(page, *place))
        .map(|place| escaped(&page.strategy(place).name))
        .collect();
    let mut note = "Means over surfaces of the mean over seeds, a few trials taken together where there are many."
        .to_owned();
    if !silent.is_empty() {
        note.push_str(&format!(
            " Without values of actions to choose by, and so only among the distinct configurations: {}.",
            silent.join(", ")
        ));
    }
    section.note(&note);
    section.html.push_str(&page.legend());
    section.grid(Width::Cell, |section| {
        for kind in &KINDS {
            if let Some(figure) = figure(page, kind)? {
                section.figure(figure, Width::Cell);
            }
        }
        Ok(())
    })?;
    Ok(Some(section))
}

/// Whether a strategy compares values of actions.
fn chooses(page: &Page<'_>, place: usize) -> bool {
    let surfaces = 0..page.summary.surfaces.len();
    surfaces
        .flat_map(|surface| page.runs(surface, place))
        .any(|run| run.records.iter().any(|record| record.selection.is_some()))
}

fn figure(page: &Page<'_>, kind: &Kind) -> Result<Option<Figure>> {
    let bins = bins(page.results.plan.trials);
    let series: Vec<Series> = page
        .places()
        .into_par_iter()
        .filter_map(|place| series(page, place, kind, &bins))
        .collect();
    if series.is_empty() {
        return Ok(None);
    }
    let rows = rows(page, &series, kind.column);
    let axis = if kind.share { Axis::range(0.0, 1.0, false) } else { value_axis(&series, true) };
    let chart = Chart {
        size: (420, 290),
        x: (trial_axis(page.results.plan.trials), "trials"),
        y: (axis, kind.axis),
        series,
    };
    let drawing = chart.drawing_with_legend(kind.name)?;
    Figure::new(page, kind.name, (kind.title, kind.caption), &drawing, &rows).map(Some)
}

fn series(
    page: &Page<'_>,
    place: usize,
    kind: &Kind,
    bins: &[RangeInclusive<usize>],
) -> Option<Series> {
    let runs: Vec<Vec<&Run>> = (0..page.summary.surfaces.len())
        .map(|surface| page.runs(surface, place).collect())
        .collect();
    let within = |bin: &RangeInclusive<usize>| {
        let surfaces = runs.iter();
        surfaces.map(|runs| runs.iter().filter_map(|run| (kind.read)(run, bin)).collect()).collect()
    };
    curve_of(page, place, bins.iter().map(|bin| ((bin.end() + 1) as f64, within(bin))))
}

/// Trials in at most [`BINS`] ranges of about the same size.
fn bins(trials: usize) -> Vec<RangeInclusive<usize>> {
    let count = trials.min(BINS);
    (0..count).map(|bin| bin * trials / count..=(bin + 1) * trials / count - 1).collect()
}

fn exploratory(run: &Run, bin: &RangeInclusive<usize>) -> Option<f64> {
    let selections = run.records[bin.clone()].iter().filter_map(|record| record.selection);
    let shares: Vec<f64> = selections.map(|s| f64::from(u8::from(s.exploratory))).collect();
    mean(&shares)
}

fn spread(run: &Run, bin: &RangeInclusive<usize>) -> Option<f64> {
    let selections = run.records[bin.clone()].iter().filter_map(|record| record.selection);
    let spreads: Vec<f64> =
        selections.map(|s| f64::from(s.spread)).filter(|spread| spread.is_finite()).collect();
    mean(&spreads)
}

/// The share of distinct configurations from the first trial on.
fn distinct(run: &Run, bin: &RangeInclusive<usize>) -> Option<f64> {
    let so_far = &run.records[..=*bin.end()];
    Some(so_far.iter().filter(|record| !record.repeated).count() as f64 / so_far.len() as f64)
}

/// The share of distinct configurations of a whole run.
pub(super) fn distinct_share(run: &Run) -> Option<f64> {
    let last = run.records.len().checked_sub(1)?;
    distinct(run, &(0..=last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_cover_every_trial_once() {
        for trials in [1, 7, 40, 41, 99, 1000] {
            let bins = bins(trials);
            assert!(bins.len() <= BINS && !bins.is_empty());
            let covered: Vec<usize> = bins.into_iter().flatten().collect();
            assert_eq!(covered, (0..trials).collect::<Vec<_>>());
        }
    }
}
