//! Regret over trials.

use std::fmt::Write;

use rayon::prelude::*;

use super::chart::{Chart, Series, trial_axis, value_axis};
use super::figure::{Figure, Rows, cell, ends, header};
use super::page::{BANDS, Measure, Page};
use super::section::{Section, Width};
use crate::error::Result;
use crate::experiment::statistics::{RESAMPLES, Statistic, bootstrap};
use crate::streams::Streams;

/// The mean curve of every strategy over all surfaces with a range.
pub(super) fn section(page: &Page<'_>) -> Result<Option<Section>> {
    let ranged = page.ranged();
    let measure: Measure = |point| point.normalized_regret;
    let series: Vec<Series> = page
        .places()
        .into_par_iter()
        .filter_map(|place| series(page, &ranged, place, measure))
        .collect();
    if series.is_empty() {
        return Ok(None);
    }
    let rows = rows(page, &series, "mean_normalized_regret");
    let chart = Chart {
        size: (760, 420),
        x: (trial_axis(page.results.plan.trials), "trials"),
        y: (value_axis(&series, true), "mean normalized regret"),
        series,
    };
    let caption = format!(
        "Mean over {} of the mean over seeds, after each trial. Bands are {:.0} % bootstrap intervals over seeds.",
        crate::report::counted(ranged.len(), "surface", "surfaces"),
        page.level(),
    );
    let figure = Figure::new(
        page,
        "regret",
        ("Normalized regret over trials", &caption),
        &chart.drawing("regret")?,
        &rows,
    )?;
    let mut section = Section::new("regret", "All surfaces");
    section.note(&format!("0 is the best value of a surface, 1 its worst.{}", colors_note(page)));
    section.figure(figure, Width::Full);
    Ok(Some(section))
}

/// What the charts leave in the background.
fn colors_note(page: &Page<'_>) -> String {
    let alive = page.summary.strategies.iter().filter(|s| s.runs > 0).count();
    let front = page.front().count();
    let colored = front - usize::from(page.reference.is_some());
    let mut note = String::new();
    if colored > BANDS {
        let _ = write!(note, " The bands of the best {BANDS}");
        note.push_str(if page.reference.is_some() { " and of random search" } else { "" });
        note.push_str(" are shown.");
    }
    if alive > front {
        let _ = write!(note, " The best {colored} have colours, the others are grey.");
    }
    if page.reference.is_some() {
        note.push_str(" Random search is dashed.");
    }
    note.push_str(
        " Point at or tap a name in the ranking to bring its curve and band to the front.",
    );
    note
}

/// The mean over surfaces of the mean over the runs that have the measure, with intervals over seeds for the strategies
/// with a colour; `None` where no run has it.
pub(super) fn series(
    page: &Page<'_>,
    surfaces: &[usize],
    place: usize,
    measure: Measure,
) -> Option<Series> {
    // Surface by run by trial.
    let all: Vec<Vec<Vec<Option<f64>>>> = surfaces
        .iter()
        .map(|surface| {
            page.runs(*surface, place)
                .map(|run| {
                    let points = page.results.points(run);
                    page.trials.iter().map(|trial| measure(&points[trial - 1])).collect()
                })
                .collect()
        })
        .collect();
    let at = |index: usize| {
        let surfaces = all.iter();
        surfaces.map(|runs| runs.iter().filter_map(|run| run[index]).collect()).collect()
    };
    let trials = page.trials.iter().enumerate();
    curve_of(page, place, trials.map(|(index, trial)| (*trial as f64, at(index))))
}

/// The mean over surfaces of the mean over runs at each place of the horizontal axis, given the values of the runs surface
/// by surface, with intervals for the strategies with a colour; `None` where there are no values.
pub(super) fn curve_of(
    page: &Page<'_>,
    place: usize,
    values: impl Iterator<Item = (f64, Vec<Vec<f64>>)>,
) -> Option<Series> {
    let (mut points, mut band) = (Vec::new(), Vec::new());
    let streams = Streams::new(page.results.plan.seed);
    for (x, mut strata) in values {
        strata.retain(|stratum| !stratum.is_empty());
        let Some(mean) = Statistic::Mean.of(&strata) else { continue };
        points.push((x, mean));
        if page.emphasized(place) {
            let mut rng = streams.at("bootstrap", 0);
            if let Some([low, high]) = bootstrap(&strata, Statistic::Mean, RESAMPLES, &mut rng) {
                band.push((x, low, high));
            }
        }
    }
    (!points.is_empty()).then(|| Series {
        place,
        label: page.label(place),
        emphasized: page.emphasized(place),
        points,
        band,
    })
}

/// The numbers behind curves over trials; intervals are those of the curves with a colour.
pub(super) fn rows(page: &Page<'_>, series: &[Series], measure: &str) -> Rows {
    let mut rows = vec![header(["strategy", "trial", measure, "interval_low", "interval_high"])];
    for series in series {
        let name = &page.strategy(series.place).name;
        for (trial, mean) in &series.points {
            let found = series.band.iter().find(|(at, _, _)| at == trial);
            let [low, high] = ends(found.map(|(_, low, high)| [*low, *high]));
            rows.push(vec![name.clone(), format!("{trial:.0}"), cell(*mean), low, high]);
        }
    }
    rows
}
