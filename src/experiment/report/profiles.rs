//! Performance profiles (Agarwal et al. 2021, section 4.2).

use super::chart::{Chart, Series};
use super::figure::{Figure, Rows, cell, ends, header};
use super::page::Page;
use super::section::{Section, Width};
use crate::error::Result;
use crate::experiment::{PROFILE, ProfilePoint};
use crate::report::Axis;

/// The share of runs that end at a regret or below, for each regret.
pub(super) fn section(page: &Page<'_>) -> Result<Option<Section>> {
    let series: Vec<Series> = page.places().filter_map(|place| series(page, place)).collect();
    if series.is_empty() {
        return Ok(None);
    }
    let rows = rows(page, &series);
    let lowest = PROFILE.into_iter().find(|threshold| *threshold > 0.0).unwrap_or(1e-4);
    let chart = Chart {
        size: (760, 400),
        x: (Axis::range(lowest, 1.0, true), "normalized regret after the last trial"),
        y: (Axis::range(0.0, 1.0, false), "share of runs at it or below"),
        series,
    };
    let caption = format!(
        "For each regret the share of runs that end there or below, averaged over surfaces: higher is better, and a strategy \
         whose curve is above another's throughout is better in every respect. Bands are \
         {:.0} % bootstrap intervals over seeds.",
        page.level()
    );
    let figure = Figure::new(
        page,
        "performance-profiles",
        ("Performance profiles", &caption),
        &chart.drawing("performance profiles")?,
        &rows,
    )?;
    let mut section = Section::new("profiles", "How often how good");
    section.figure(figure, Width::Full);
    Ok(Some(section))
}

fn series(page: &Page<'_>, place: usize) -> Option<Series> {
    // A log scale has no place for the regret 0, which is in the file.
    let profile: Vec<&ProfilePoint> =
        page.strategy(place).profile.iter().filter(|point| point.threshold > 0.0).collect();
    let emphasized = page.emphasized(place);
    (!profile.is_empty()).then(|| Series {
        place,
        label: page.label(place),
        emphasized,
        points: profile.iter().map(|point| (point.threshold, point.share)).collect(),
        band: profile
            .iter()
            .filter(|_| emphasized)
            .filter_map(|point| point.interval.map(|[low, high]| (point.threshold, low, high)))
            .collect(),
    })
}

fn rows(page: &Page<'_>, series: &[Series]) -> Rows {
    let names = ["strategy", "normalized_regret", "share_of_runs", "interval_low", "interval_high"];
    let mut rows = vec![header(names)];
    for strategy in series.iter().map(|series| page.strategy(series.place)) {
        for point in &strategy.profile {
            let [low, high] = ends(point.interval);
            rows.push(vec![
                strategy.name.clone(),
                cell(point.threshold),
                cell(point.share),
                low,
                high,
            ]);
        }
    }
    rows
}
