//! The value over each parameter.

use std::fmt::Write;

use super::axis::Axis;
use super::digest::{Column, Digest, thinned};
use super::history::beyond_note;
use super::picture::Picture;
use super::text::{counted, name, number};

/// Charts of at most this many parameters.
const PARAMETERS: usize = 48;
/// A chart has at most this many points.
const POINTS: usize = 2_000;
/// Trials are coloured in this many steps from early to late.
pub(super) const SHADES: usize = 6;

/// The section.
pub(super) fn section(digest: &Digest<'_>) -> String {
    let Some((objective, direction)) = digest.report.objectives.first() else {
        return String::new();
    };
    let columns: Vec<&Column<'_>> =
        digest.columns.iter().filter(|column| column.complete > 0).collect();
    if columns.is_empty() {
        return String::new();
    }
    let values = digest.complete.iter().map(|position| digest.values(*position)[0]);
    let (y, beyond) = Axis::of_values(values, *direction);
    let mut html = format!(
        "<h2>Parameter by parameter</h2>\n<p class=\"soft\">The complete trials by <b>{}</b> \
         over each parameter, from <span class=\"ramp\"></span> early to late trials; \
         the ring is the best{}.",
        name(objective, 60),
        if digest.is_single() { "" } else { " in this objective" }
    );
    if columns.len() > PARAMETERS {
        let _ = write!(html, " The first {PARAMETERS} of {} parameters are shown.", columns.len());
    }
    if digest.complete.len() > POINTS {
        let _ = write!(html, " A chart shows at most {POINTS} trials, evenly chosen.");
    }
    let _ = writeln!(
        html,
        "</p>\n{}<div class=\"grid\">",
        beyond_note(beyond).replace("figcaption", "p")
    );
    for column in columns.into_iter().take(PARAMETERS) {
        html.push_str(&chart(digest, column, objective, &y));
    }
    html.push_str("</div>\n");
    html
}

fn chart(digest: &Digest<'_>, column: &Column<'_>, objective: &str, y: &Axis) -> String {
    let having: Vec<(usize, f64)> =
        digest.complete.iter().filter_map(|p| Some((*p, column.get(*p)?))).collect();
    let scale = |axis: &Axis| if axis.is_log() { ", log scale" } else { "" };
    let x = column.axis.clone();
    let (x_name, y_name) =
        (scale(&x).trim_start_matches(", ").to_owned(), format!("{objective}{}", scale(y)));
    let mut picture = Picture::new((420, 280), (x, &x_name), (y.clone(), &y_name));
    let last = digest.report.trials.len().max(1);
    let mut shades = vec![Vec::new(); SHADES];
    for (position, value) in thinned(&having, POINTS) {
        let point = (value, digest.values(position)[0], digest.trial(position).number);
        shades[position * SHADES / last].push(point);
    }
    for (shade, points) in shades.into_iter().enumerate() {
        picture.dots(&format!("dot t{shade}"), points);
    }
    let best = digest.ranking.iter().find_map(|p| Some((*p, column.get(*p)?)));
    if let (Some((position, value)), Some(first)) = (best, digest.ranking.first())
        && position == *first
    {
        let (trial, found) = (digest.trial(position).number, digest.values(position)[0]);
        let title = format!("trial {trial}: {}", number(found));
        picture.ring("best-ring", (value, found), trial, &title);
    }
    let mut caption = String::new();
    if having.len() < digest.complete.len() {
        let _ = write!(
            caption,
            "<figcaption>active in {} of {}</figcaption>",
            having.len(),
            counted(digest.complete.len(), "complete trial", "complete trials")
        );
    }
    format!(
        "<figure class=\"card chart plot\"><h3>{}</h3>{caption}{}</figure>\n",
        name(column.name, 200),
        picture.svg(&format!("{objective} over {}", column.name))
    )
}
