//! The critical-difference diagram (Demsar 2006, "Statistical comparisons of classifiers over multiple data sets", figure 1).

use super::drawing::{Anchor, Canvas, Drawing, Drawn, width_of};
use super::figure::{Figure, Rows, cell, header};
use super::ink::Ink;
use super::page::Page;
use super::section::{Section, Width};
use super::text::p_value;
use crate::error::Result;
use crate::experiment::{FriedmanSummary, NemenyiSummary};
use crate::report::{counted, escaped};

/// The width of the axis, in pixels.
const AXIS: f64 = 430.0;
/// How far apart bars and names are, in pixels.
const BAR: f64 = 7.0;
const ROW: f64 = 19.0;

/// Average ranks, and which of them do not differ.
pub(super) fn section(page: &Page<'_>) -> Result<Option<Section>> {
    let (Some(friedman), Some(nemenyi)) = (&page.summary.friedman, &page.summary.nemenyi) else {
        return Ok(None);
    };
    let ranked: Vec<Ranked> = friedman
        .strategies
        .iter()
        .zip(&friedman.test.average_ranks)
        .filter_map(|(name, rank)| Some(Ranked { place: page.place_of(name)?, rank: *rank }))
        .collect();
    let bars = bars(&ranked, friedman, nemenyi);
    let diagram =
        Diagram { page, ranked: &ranked, bars: &bars, difference: nemenyi.critical_difference };
    let (width, height) = diagram.size();
    let drawing =
        Drawing::new("critical differences", (width, height), |canvas| diagram.draw(canvas))?;
    let caption = format!(
        "Average ranks over {} (1 is best). A bar joins strategies whose ranks differ by less than the critical \
         difference of {:.2} of Nemenyi's test at the level {}.",
        counted(friedman.surfaces, "surface", "surfaces"),
        nemenyi.critical_difference,
        nemenyi.alpha,
    );
    let title = ("Critical-difference diagram", caption.as_str());
    let figure =
        Figure::new(page, "critical-difference", title, &drawing, &rows(page, &ranked, &bars))?;
    let mut section = Section::new("critical-difference", "Which ranks differ");
    section.note(&format!(
        "Friedman's test of equal ranks: chi-squared {:.2}, p {}; Iman and Davenport's refinement: p {}. Seeds are averaged \
         first, so the tests speak of the choice of surfaces. Nemenyi's test guards against one false difference among all \
         pairs and is conservative where there are many strategies.",
        friedman.test.statistic,
        p_value(friedman.test.p),
        p_value(friedman.test.iman_davenport_p),
    ));
    section.figure(figure, Width::Full);
    if !friedman.left_out.is_empty() {
        section.note(&format!(
            "Left out, since they did not finish every surface: {}.",
            escaped(&friedman.left_out.join(", "))
        ));
    }
    Ok(Some(section))
}

/// A strategy by its place in the leaderboard, with its average rank.
struct Ranked {
    place: usize,
    rank: f64,
}

/// The groups that do not differ, as first and last position among the ranked.
fn bars(
    ranked: &[Ranked],
    friedman: &FriedmanSummary,
    nemenyi: &NemenyiSummary,
) -> Vec<(usize, usize)> {
    let position = |name: &String| friedman.strategies.iter().position(|other| other == name);
    nemenyi
        .groups
        .iter()
        .filter_map(|group| Some((position(group.first()?)?, position(group.last()?)?)))
        .filter(|(_, last)| *last < ranked.len())
        .collect()
}

fn rows(page: &Page<'_>, ranked: &[Ranked], bars: &[(usize, usize)]) -> Rows {
    let mut rows = vec![header(["strategy", "average_rank", "groups"])];
    for (position, Ranked { place, rank }) in ranked.iter().enumerate() {
        let groups: Vec<String> = bars
            .iter()
            .enumerate()
            .filter(|(_, (first, last))| (first..=last).contains(&&position))
            .map(|(number, _)| (number + 1).to_string())
            .collect();
        rows.push(vec![page.strategy(*place).name.clone(), cell(*rank), groups.join(" ")]);
    }
    rows
}

struct Diagram<'a> {
    page: &'a Page<'a>,
    ranked: &'a [Ranked],
    bars: &'a [(usize, usize)],
    difference: f64,
}

impl Diagram<'_> {
    /// The room for names at either side.
    fn margin(&self) -> f64 {
        let widest = |r: &Ranked| width_of(&self.page.label(r.place));
        self.ranked.iter().map(widest).fold(60.0, f64::max) + 52.0
    }

    /// The better half stands at the left.
    fn left(&self) -> usize {
        self.ranked.len().div_ceil(2)
    }

    fn axis(&self) -> f64 {
        66.0
    }

    fn names_from(&self) -> f64 {
        self.axis() + 20.0 + BAR * self.bars.len() as f64
    }

    fn size(&self) -> (u32, u32) {
        let width = 2.0 * self.margin() + AXIS;
        let height = self.names_from() + ROW * self.left() as f64 + 6.0;
        (width.ceil() as u32, height.ceil() as u32)
    }

    fn x(&self, rank: f64) -> f64 {
        let count = self.ranked.len() as f64;
        self.margin() + AXIS * (rank - 1.0) / (count - 1.0).max(1.0)
    }

    fn draw(&self, canvas: &Canvas<'_>) -> Drawn {
        let (start, end) = (self.x(1.0), self.x(self.ranked.len() as f64));
        let axis = self.axis();
        let reach = (start + self.x(1.0 + self.difference) - self.x(1.0)).min(end);
        for points in [
            [(start, 18.0), (reach, 18.0)],
            [(start, 14.0), (start, 22.0)],
            [(reach, 14.0), (reach, 22.0)],
        ] {
            canvas.line(&points, Ink::Text, 1.5)?;
        }
        let text = format!("critical difference {:.2}", self.difference);
        match reach + 10.0 + width_of(&text) < end + self.margin() {
            true => canvas.text(&text, (reach + 10.0, 18.0), Anchor::Start, Ink::Text)?,
            false => canvas.text(&text, (start - 10.0, 18.0), Anchor::End, Ink::Text)?,
        }
        canvas.line(&[(start, axis), (end, axis)], Ink::Soft, 1.0)?;
        let step = self.ranked.len().div_ceil(16);
        for rank in (1..=self.ranked.len()).step_by(step) {
            let x = self.x(rank as f64);
            canvas.line(&[(x, axis - 5.0), (x, axis)], Ink::Soft, 1.0)?;
            canvas.text(&rank.to_string(), (x, axis - 14.0), Anchor::Middle, Ink::Soft)?;
        }
        for (position, ranked) in self.ranked.iter().enumerate() {
            self.name(canvas, position, ranked)?;
        }
        for (number, (first, last)) in self.bars.iter().enumerate() {
            let y = axis + 9.0 + BAR * number as f64;
            let (from, to) = (self.x(self.ranked[*first].rank), self.x(self.ranked[*last].rank));
            canvas.rectangle((from - 3.0, y - 1.75), (to + 3.0, y + 1.75), Ink::Text, 1.0)?;
        }
        Ok(())
    }

    /// A line from the rank on the axis to the name at the side, the outermost ones uppermost.
    fn name(&self, canvas: &Canvas<'_>, position: usize, ranked: &Ranked) -> Drawn {
        let at_left = position < self.left();
        let row = if at_left { position } else { self.ranked.len() - 1 - position };
        let y = self.names_from() + ROW * (row as f64 + 0.5);
        let x = self.x(ranked.rank);
        let (side, anchor, gap) = match at_left {
            true => (self.x(1.0) - 14.0, Anchor::End, -5.0),
            false => (self.x(self.ranked.len() as f64) + 14.0, Anchor::Start, 5.0),
        };
        let emphasized = self.page.emphasized(ranked.place);
        let ink = if emphasized { Ink::Strategy(ranked.place) } else { Ink::Soft };
        canvas.line(&[(x, self.axis()), (x, y), (side, y)], ink, 1.2)?;
        let label = self.page.label(ranked.place);
        let text = match at_left {
            true => format!("{label}  {:.2}", ranked.rank),
            false => format!("{:.2}  {label}", ranked.rank),
        };
        canvas.text(&text, (side + gap, y), anchor, ink)
    }
}
