//! Surface by surface.

use std::fmt::Write;

use rayon::prelude::*;

use super::chart::{Chart, Series, trial_axis, value_axis};
use super::curves::{rows, series};
use super::figure::{Figure, file_name};
use super::page::{Measure, Page};
use super::section::Section;
use super::text::{or_dash, regret, short};
use crate::error::Result;
use crate::experiment::{StrategyOnSurface, SurfaceSummary};
use crate::report::{escaped, shortened};
use crate::trial::Direction;

/// Width and height of a chart, in pixels.
const SIZE: (u32, u32) = (420, 290);

/// A chart and a table for each surface.
pub(super) fn section(page: &Page<'_>) -> Result<Section> {
    let surfaces = &page.summary.surfaces;
    let figures: Vec<Figure> = (0..surfaces.len())
        .into_par_iter()
        .map(|surface| figure(page, surface))
        .collect::<Result<_>>()?;
    let mut section = Section::new("surfaces", "Surface by surface");
    section.html.push_str(&page.legend());
    section.html.push_str("<div class=\"grid cell\">\n");
    for (surface, figure) in surfaces.iter().zip(figures) {
        let _ = writeln!(
            section.html,
            "<figure class=\"card chart\" id=\"figure-{}\"><h3>{}</h3><figcaption>{} {}</figcaption>{}\
             <details><summary>all strategies</summary>{}</details></figure>",
            figure.name,
            escaped(&surface.name),
            escaped(&figure.caption),
            figure.links(),
            figure.in_page(),
            table(page, surface),
        );
        section.figures.push(figure);
    }
    section.html.push_str("</div>\n");
    Ok(section)
}

/// The name of the files of a surface, by its place in the plan.
pub(super) fn name(page: &Page<'_>, surface: usize) -> String {
    format!("surface-{:02}-{}", surface + 1, file_name(&page.summary.surfaces[surface].name, 60))
        .trim_end_matches('-')
        .to_owned()
}

fn figure(page: &Page<'_>, surface: usize) -> Result<Figure> {
    let known = &page.summary.surfaces[surface];
    let (measure, value, column): (Measure, &str, &str) =
        match (known.optimum.is_some(), known.best.is_some()) {
            (true, _) => (|point| point.regret, "simple regret", "mean_regret"),
            (false, true) => {
                (|point| point.normalized_regret, "normalized regret", "mean_normalized_regret")
            }
            (false, false) => (|point| point.best, "best score", "mean_best_score"),
        };
    let series: Vec<Series> =
        page.places().filter_map(|place| series(page, &[surface], place, measure)).collect();
    let rows = rows(page, &series, column);
    let chart = Chart {
        size: SIZE,
        x: (trial_axis(page.results.plan.trials), "trials"),
        y: (value_axis(&series, value != "best score"), value),
        series,
    };
    let drawing = chart.drawing_with_legend(&known.name)?;
    let title = shortened(&known.name, 100);
    Figure::new(page, name(page, surface), (&title, &caption(known, value)), &drawing, &rows)
}

fn caption(surface: &SurfaceSummary, value: &str) -> String {
    let goal = match surface.direction {
        Direction::Minimize => "minimized",
        Direction::Maximize => "maximized",
    };
    let optimum = surface.optimum.map_or_else(
        || "optimum unknown".to_owned(),
        |optimum| format!("optimum {}", short(optimum)),
    );
    format!(
        "{} · {value} · {} {goal} · {} · {optimum}",
        surface.description,
        surface.objective,
        crate::report::counted(surface.dimension, "parameter", "parameters"),
    )
}

/// All strategies on a surface, best first.
fn table(page: &Page<'_>, surface: &SurfaceSummary) -> String {
    let mut html = format!(
        "<div class=\"scroll\"><table><thead><tr><th class=\"name\">strategy</th><th>best score</th>\
         <th>regret</th><th>normalized</th><th>{:.0} % interval</th><th>rank</th></tr></thead><tbody>\n",
        page.level()
    );
    let on_surface = |place: usize| {
        let on = page.strategy(place).per_surface.iter().find(|on| on.surface == surface.name)?;
        Some((place, on))
    };
    let mut rows: Vec<(usize, &StrategyOnSurface)> = page.places().filter_map(on_surface).collect();
    let key = |on: &StrategyOnSurface| {
        on.normalized_regret.last().map_or(on.average_rank, |end| end.mean)
    };
    rows.sort_by(|a, b| key(a.1).total_cmp(&key(b.1)));
    for (place, on) in rows {
        let end = on.normalized_regret.last();
        let _ = writeln!(
            html,
            "<tr>{}<td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.2}</td></tr>",
            page.name_cell(place),
            or_dash(on.mean_best_score, short),
            or_dash(on.mean_regret, short),
            or_dash(end, |end| regret(end.mean)),
            or_dash(end.and_then(|end| end.mean_interval), |[low, high]| {
                format!("{}–{}", regret(low), regret(high))
            }),
            on.average_rank
        );
    }
    html.push_str("</tbody></table></div>");
    html
}
