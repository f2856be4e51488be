//! Who wins where.

use std::fmt::Write;

use super::drawing::{Anchor, Canvas, Drawing, Drawn, width_of};
use super::figure::{Figure, Rows, header, optional};
use super::ink::Ink;
use super::page::Page;
use super::section::Section;
use super::surfaces;
use super::text::regret;
use crate::error::Result;
use crate::experiment::StrategyOnSurface;
use crate::report::{escaped, shortened};

/// How dark the worst is.
const DARKEST: f64 = 0.75;
/// Width and height of a cell, in pixels.
const CELL: (f64, f64) = (58.0, 22.0);
/// The longest name of a surface, in characters.
const NAME: usize = 32;

/// Surfaces by strategies: as a table, which is read aloud, copied and searched, and as files. The page has the strategies
/// with a colour, the files have all.
pub(super) fn section(page: &Page<'_>) -> Result<Option<Section>> {
    let ranged = page.ranged();
    let places: Vec<usize> =
        page.places().filter(|place| !page.strategy(*place).normalized_regret.is_empty()).collect();
    if ranged.len() < 2 || places.is_empty() {
        return Ok(None);
    }
    let (width, height, drawn) = picture(page, &ranged, &places);
    let drawing = Drawing::new("surfaces by strategies", (width, height), drawn)?;
    let caption = format!(
        "Mean normalized regret after {} trials; darker is worse, and the best of a row is framed.",
        page.summary.trials
    );
    let title = ("Regret by surface and strategy", caption.as_str());
    let figure = Figure::new(page, "heat-map", title, &drawing, &rows(page, &ranged, &places))?;
    let mut section = Section::new("surfaces-by-strategies", "Who wins where");
    section.note(&format!(
        "Mean normalized regret after the last trial; the more colour the worse, bold is the best of the row (of all strategies). {}",
        figure.links()
    ));
    section.html.push_str(&table(page, &ranged));
    section.figures.push(figure);
    Ok(Some(section))
}

/// The mean normalized regret of a strategy after the last trial on a surface.
fn end(page: &Page<'_>, surface: usize, place: usize) -> Option<f64> {
    let name = &page.summary.surfaces[surface].name;
    let on: &StrategyOnSurface =
        page.strategy(place).per_surface.iter().find(|on| on.surface == *name)?;
    on.normalized_regret.last().map(|end| end.mean)
}

/// The lowest of all strategies.
fn best(page: &Page<'_>, surface: usize) -> f64 {
    page.places().filter_map(|place| end(page, surface, place)).fold(f64::INFINITY, f64::min)
}

/// The square root keeps differences among small regrets visible.
fn shade(mean: f64) -> f64 {
    DARKEST * mean.abs().sqrt()
}

fn table(page: &Page<'_>, surfaces: &[usize]) -> String {
    let places: Vec<usize> = page.front().collect();
    let mut html = "<div class=\"card scroll\"><table class=\"heat\"><thead><tr>\
                    <th class=\"name\">surface</th>"
        .to_owned();
    for place in &places {
        let name = escaped(&page.strategy(*place).name);
        let _ = write!(html, "<th class=\"turned\"><div>{name}</div></th>");
    }
    html.push_str("</tr></thead><tbody>\n");
    for surface in surfaces {
        let best = best(page, *surface);
        let _ = write!(
            html,
            "<tr><td class=\"name\"><a href=\"#figure-{}\">{}</a></td>",
            surfaces::name(page, *surface),
            escaped(&page.summary.surfaces[*surface].name)
        );
        for place in &places {
            match end(page, *surface, *place) {
                None => html.push_str("<td>–</td>"),
                Some(mean) => {
                    let _ = write!(
                        html,
                        "<td{} style=\"background:color-mix(in srgb, var(--heat) {:.0}%, transparent)\">{}</td>",
                        if mean <= best { " class=\"best\"" } else { "" },
                        100.0 * shade(mean),
                        regret(mean)
                    );
                }
            }
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    html
}

fn rows(page: &Page<'_>, surfaces: &[usize], places: &[usize]) -> Rows {
    let mut rows = vec![header(["surface", "strategy", "mean_normalized_regret"])];
    for surface in surfaces {
        for place in places {
            rows.push(vec![
                page.summary.surfaces[*surface].name.clone(),
                page.strategy(*place).name.clone(),
                optional(end(page, *surface, *place)),
            ]);
        }
    }
    rows
}

/// The size of the picture and how it is drawn.
fn picture<'a>(
    page: &'a Page<'_>,
    surfaces: &'a [usize],
    places: &'a [usize],
) -> (u32, u32, impl FnOnce(&Canvas<'_>) -> Drawn + 'a) {
    let names: Vec<String> = surfaces
        .iter()
        .map(|surface| shortened(&page.summary.surfaces[*surface].name, NAME))
        .collect();
    let labels: Vec<String> = places.iter().map(|place| page.label(*place)).collect();
    let widest = |names: &[String]| names.iter().map(|name| width_of(name)).fold(0.0, f64::max);
    let (left, top) = (widest(&names) + 20.0, widest(&labels) + 20.0);
    let width = left + CELL.0 * places.len() as f64 + 10.0;
    let height = top + CELL.1 * surfaces.len() as f64 + 10.0;
    let draw = move |canvas: &Canvas<'_>| {
        for (column, label) in labels.iter().enumerate() {
            let x = left + CELL.0 * (column as f64 + 0.5);
            canvas.upwards(label, (x, top - 8.0), Ink::Text)?;
        }
        for (row, (surface, name)) in surfaces.iter().zip(&names).enumerate() {
            let y = top + CELL.1 * row as f64;
            canvas.text(name, (left - 8.0, y + 0.5 * CELL.1), Anchor::End, Ink::Text)?;
            let best = best(page, *surface);
            for (column, place) in places.iter().enumerate() {
                let x = left + CELL.0 * column as f64;
                let Some(mean) = end(page, *surface, *place) else { continue };
                canvas.rectangle(
                    (x, y),
                    (x + CELL.0 - 1.0, y + CELL.1 - 1.0),
                    Ink::Heat,
                    shade(mean),
                )?;
                if mean <= best {
                    let (right, bottom) = (x + CELL.0 - 2.0, y + CELL.1 - 2.0);
                    let (x, y) = (x + 1.0, y + 1.0);
                    let frame = [(x, y), (right, y), (right, bottom), (x, bottom), (x, y)];
                    canvas.line(&frame, Ink::Text, 1.5)?;
                }
                let middle = (x + 0.5 * CELL.0, y + 0.5 * CELL.1);
                canvas.text(&regret(mean), middle, Anchor::Middle, Ink::Text)?;
            }
        }
        Ok(())
    };
    (width.ceil() as u32, height.ceil() as u32, draw)
}
