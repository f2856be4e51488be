//! What each level of an ablation's factors is worth.

use super::dots::{DotChart, Line, axis_of};
use super::drawing::{Anchor, Canvas, Drawing, Drawn, width_of};
use super::figure::{Figure, Rows, cell, ends, file_name, header, optional};
use super::ink::Ink;
use super::page::Page;
use super::section::{Section, Width};
use super::text::{p_value, regret};
use crate::error::Result;
use crate::experiment::ablation::{Cell, Effects, Interaction, Measure};
use crate::report::{counted, escaped, shortened};

/// The longest name of a level, in characters.
const NAME: usize = 28;
/// Width and height of a cell, in pixels.
const CELL: (f64, f64) = (86.0, 28.0);
/// How dark the cell furthest from 0 is.
const DARKEST: f64 = 0.7;

/// The main effects by each measure, and the interactions by the first.
pub(super) fn section(page: &Page<'_>, effects: &[Effects]) -> Result<Option<Section>> {
    let Some(first) = effects.first() else { return Ok(None) };
    let mut section = Section::new("effects", "What settings are worth");
    section.note(&format!(
        "An effect is the difference of normalized regret from the mean over the levels of the factor, the other factors \
         alike: below 0 the level is better than the others. Intervals ({:.0} %) are over {}.",
        page.level(),
        counted(first.units, &escaped(&first.unit), &format!("{}s", escaped(&first.unit))),
    ));
    section.grid(Width::Half, |section| {
        for effects in effects {
            if effects.factors.iter().any(|factor| !factor.levels.is_empty()) {
                section.figure(main_effects(page, effects)?, Width::Half);
            }
        }
        Ok::<(), crate::Error>(())
    })?;
    if !first.interactions.is_empty() {
        section.note(&format!(
            "Two factors at a time, by normalized regret {}: what two levels do together beyond the sum of what each does; \
             orange is better (below 0), blue is worse.",
            described(first.measure)
        ));
        section.grid(Width::Half, |section| {
            for interaction in &first.interactions {
                section.figure(interaction_figure(page, interaction)?, Width::Half);
            }
            Ok::<(), crate::Error>(())
        })?;
    }
    Ok(Some(section))
}

fn described(measure: Measure) -> &'static str {
    match measure {
        Measure::Last => "after the last trial",
        Measure::Area => "averaged over the trials",
    }
}

/// For each level of each factor its effect.
fn main_effects(page: &Page<'_>, effects: &Effects) -> Result<Figure> {
    let mut lines = Vec::new();
    let names =
        ["factor", "level", "mean", "effect", "interval_low", "interval_high", "blocks", "p"];
    let mut rows = vec![header(names)];
    for factor in &effects.factors {
        let p = factor.p.map_or_else(String::new, |p| format!(", p {}", p_value(p)));
        let p = p.replace("&lt;", "<");
        lines.push(Line::Heading(format!("{}{p}", shortened(&factor.factor, NAME))));
        let best = factor.levels.iter().map(|level| level.effect).fold(f64::INFINITY, f64::min);
        for level in &factor.levels {
            lines.push(Line::Mean {
                label: shortened(&level.level, NAME),
                mean: level.effect,
                interval: level.interval,
                text: format!("{:+.4} ({})", level.effect, regret(level.mean)),
                ink: if level.effect <= best { Ink::Heat } else { Ink::Soft },
            });
            let [low, high] = ends(level.interval);
            rows.push(vec![
                factor.factor.clone(),
                level.level.clone(),
                cell(level.mean),
                cell(level.effect),
                low,
                high,
                factor.blocks.to_string(),
                optional(factor.p),
            ]);
        }
    }
    let chart = DotChart {
        axis: axis_of(&lines, true),
        measure: "effect on normalized regret",
        reference: Some(0.0),
        lines,
    };
    let title = format!("Main effects {}", described(effects.measure));
    let caption = "Effects, and means in parentheses; the best level of each factor is coloured, p tells whether its levels \
                   differ.";
    let name = match effects.measure {
        Measure::Last => "effects",
        Measure::Area => "effects-area",
    };
    Figure::new(page, name, (&title, caption), &chart.drawing(&title)?, &rows)
}

/// Two factors as a heat map.
fn interaction_figure(page: &Page<'_>, interaction: &Interaction) -> Result<Figure> {
    let [first, second] = &interaction.factors;
    let title = format!("{} and {}", shortened(first, NAME), shortened(second, NAME));
    let map = Map::of(interaction);
    let drawing = Drawing::new(&title, map.size(), |canvas| map.draw(canvas))?;
    let name = format!("interaction-{}-{}", file_name(first, 30), file_name(second, 30));
    let caption = "What both levels do beyond the sum of what each does.";
    Figure::new(page, name, (&title, caption), &drawing, &rows(interaction))
}

fn rows(interaction: &Interaction) -> Rows {
    let ([first, second], [outer, inner]) = (&interaction.factors, &interaction.levels);
    let columns = ["mean", "interaction", "interval_low", "interval_high"].map(str::to_owned);
    let mut rows = vec![[vec![first.clone(), second.clone()], columns.to_vec()].concat()];
    for (level, cells) in outer.iter().zip(&interaction.cells) {
        for (other, cell) in inner.iter().zip(cells) {
            let [low, high] = ends(cell.interval);
            let (mean, beyond) = (optional(cell.mean), optional(cell.interaction));
            rows.push(vec![level.clone(), other.clone(), mean, beyond, low, high]);
        }
    }
    rows
}

/// How an interaction is laid out.
struct Map<'a> {
    factors: [String; 2],
    rows: Vec<String>,
    columns: Vec<String>,
    cells: &'a [Vec<Cell>],
    /// Whether the columns' names run upwards.
    turned: bool,
    left: f64,
    top: f64,
}

impl<'a> Map<'a> {
    fn of(interaction: &'a Interaction) -> Self {
        let [first, second] = &interaction.factors;
        let factors = [shortened(first, NAME), shortened(second, NAME)];
        let [rows, columns] = &interaction.levels;
        let short = |names: &[String]| -> Vec<String> {
            names.iter().map(|name| shortened(name, NAME)).collect()
        };
        let widest = |names: &[String]| names.iter().map(|name| width_of(name)).fold(0.0, f64::max);
        let (rows, columns) = (short(rows), short(columns));
        let turned = widest(&columns) > CELL.0 - 6.0;
        Self {
            left: widest(&rows).max(width_of(&factors[0])) + 20.0,
            top: 36.0 + if turned { widest(&columns) } else { 14.0 },
            factors,
            rows,
            columns,
            cells: &interaction.cells,
            turned,
        }
    }

    fn size(&self) -> (u32, u32) {
        let width = self.left + CELL.0 * self.columns.len() as f64 + 10.0;
        let height = self.top + CELL.1 * self.rows.len() as f64 + 8.0;
        (width.ceil() as u32, height.ceil() as u32)
    }

    fn draw(&self, canvas: &Canvas<'_>) -> Drawn {
        let (left, top) = (self.left, self.top);
        canvas.text(&self.factors[0], (left - 10.0, top - 12.0), Anchor::End, Ink::Soft)?;
        canvas.text(&self.factors[1], (left, 11.0), Anchor::Start, Ink::Soft)?;
        for (column, label) in self.columns.iter().enumerate() {
            let x = left + CELL.0 * (column as f64 + 0.5);
            match self.turned {
                true => canvas.upwards(label, (x, top - 8.0), Ink::Text)?,
                false => canvas.text(label, (x, top - 12.0), Anchor::Middle, Ink::Text)?,
            }
        }
        let known = self.cells.iter().flatten().filter_map(|cell| cell.interaction);
        let furthest = known.fold(0.0f64, |most, value| most.max(value.abs()));
        for (row, (name, cells)) in self.rows.iter().zip(self.cells).enumerate() {
            let y = top + CELL.1 * row as f64;
            canvas.text(name, (left - 10.0, y + 0.5 * CELL.1), Anchor::End, Ink::Text)?;
            for (column, cell) in cells.iter().enumerate() {
                let Some(value) = cell.interaction else { continue };
                let x = left + CELL.0 * column as f64;
                // What is better has the colour that the best level has above.
                let ink = if value < 0.0 { Ink::Heat } else { Ink::Cold };
                let shade = if furthest > 0.0 { DARKEST * value.abs() / furthest } else { 0.0 };
                let corner = (x + CELL.0 - 1.0, y + CELL.1 - 1.0);
                canvas.rectangle((x, y), corner, ink, shade)?;
                let middle = (x + 0.5 * CELL.0, y + 0.5 * CELL.1);
                // No digit of it is left: then it has no sign either.
                let shown = if value.abs() < 5e-5 { 0.0 } else { value };
                canvas.text(&format!("{shown:+.4}"), middle, Anchor::Middle, Ink::Text)?;
            }
        }
        Ok(())
    }
}
