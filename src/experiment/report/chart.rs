//! Curves with bands on two axes.

use plotters::coord::ranged1d::{KeyPointHint, Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::drawing::{Anchor, Canvas, Drawing, Drawn, FINENESS, FONT, printable};
use super::ink::Ink;
use crate::error::Result;
use crate::report::Axis;

/// A curve with its band.
pub(super) struct Series {
    /// The strategy's place in the leaderboard.
    pub place: usize,
    /// What stands at the curve's end.
    pub label: String,
    /// Whether it is one of those that the reader should see first.
    pub emphasized: bool,
    pub points: Vec<(f64, f64)>,
    /// Place on the horizontal axis, low and high; empty where there is no band.
    pub band: Vec<(f64, f64, f64)>,
}

/// A chart with the names of emphasized curves at their ends.
pub(super) struct Chart<'a> {
    /// Width and height in pixels, without the names.
    pub size: (u32, u32),
    pub x: (Axis, &'a str),
    pub y: (Axis, &'a str),
    pub series: Vec<Series>,
}

/// The room for names at the right.
pub(super) const LABELS: u32 = 185;
/// The room above the chart, for the name of the vertical axis.
const TOP: u32 = 28;
const BOTTOM: u32 = 46;
const LEFT: u32 = 52;
/// Between the end of the axis and the names.
const MARGIN: u32 = 10;
/// Values that span more than this factor are shown on a log scale.
const LOG_FROM: f64 = 30.0;
/// A log scale shows at most this many decades: below, curves run along the bottom.
const DECADES: f64 = 6.0;

/// The axis of what curves show, by the emphasized ones: from 0 or on a log scale where values are 0 or above and
/// `nonnegative` says that this is no chance.
pub(super) fn value_axis(series: &[Series], nonnegative: bool) -> Axis {
    let front = || series.iter().filter(|s| s.emphasized);
    let values = || front().flat_map(|s| &s.points).map(|p| p.1);
    let bands = || front().flat_map(|s| &s.band).flat_map(|b| [b.1, b.2]);
    let high = values().chain(bands()).fold(f64::NEG_INFINITY, f64::max);
    let low = values().chain(bands()).fold(f64::INFINITY, f64::min);
    if !(low.is_finite() && high.is_finite()) {
        return Axis::range(0.0, 1.0, false);
    }
    let margin = if high > low { 0.04 * (high - low) } else { 0.5 };
    if !nonnegative {
        return Axis::range(low - margin, high + margin, false);
    }
    let positive = values().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
    if high / positive > LOG_FROM && low >= 0.0 {
        let floor = positive.max(high * 10f64.powf(-DECADES));
        return Axis::range(0.8 * floor, 1.12 * high, true);
    }
    Axis::range(0.0, high + margin, false)
}

/// The axis of trials.
pub(super) fn trial_axis(trials: usize) -> Axis {
    Axis::range(1.0, (trials as f64).max(2.0), false)
}

/// An axis as plotters takes it: from 0 to 1, with the places and labels of its ticks.
struct Ticks(Vec<(f64, String)>);

impl Ranged for Ticks {
    type FormatOption = plotters::coord::ranged1d::NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        (f64::from(limit.0) + value * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.0.iter().map(|(at, _)| *at).collect()
    }

    fn range(&self) -> std::ops::Range<f64> {
        0.0..1.0
    }
}

impl ValueFormatter<f64> for Ticks {
    fn format_ext(&self, value: &f64) -> String {
        let found = self.0.iter().find(|(at, _)| at == value);
        found.map_or_else(String::new, |(_, label)| label.clone())
    }
}

impl Chart<'_> {
    /// The picture, with the room for names at its right. `what` names it in an error.
    ///
    /// # Errors
    ///
    /// [`Error::Unsuited`](crate::Error::Unsuited) where plotters refuses to draw it.
    pub(super) fn drawing(&self, what: &str) -> Result<Drawing> {
        let size = (self.size.0 + LABELS, self.size.1);
        Drawing::new(what, size, |canvas| self.draw(canvas))
    }

    /// The same, of which the page shows no names: it has a legend instead.
    ///
    /// # Errors
    ///
    /// As [`Chart::drawing`].
    pub(super) fn drawing_with_legend(&self, what: &str) -> Result<Drawing> {
        // Names begin right of the margin, of which half is shown.
        Ok(self.drawing(what)?.showing(self.size.0 - MARGIN / 2))
    }

    fn draw(&self, canvas: &Canvas<'_>) -> Drawn {
        let fine = |pixels: u32| pixels * FINENESS;
        let (width, height) = self.size;
        let x_ticks = (f64::from(width - LEFT) / 60.0) as usize;
        let mut chart = ChartBuilder::on(&canvas.area)
            .margin_top(fine(TOP))
            .margin_right(fine(LABELS + MARGIN))
            .x_label_area_size(fine(BOTTOM))
            .y_label_area_size(fine(LEFT))
            .build_cartesian_2d(
                Ticks(self.x.0.ticks(x_ticks)),
                Ticks(self.y.0.ticks((height / 45) as usize)),
            )?;
        let fine_stroke = |ink: Ink| ink.color().stroke_width(FINENESS);
        let style =
            ("sans-serif", FONT * f64::from(FINENESS)).into_font().color(&Ink::Soft.color());
        chart
            .configure_mesh()
            .disable_x_mesh()
            .max_light_lines(0)
            .bold_line_style(fine_stroke(Ink::Rule))
            .axis_style(fine_stroke(Ink::Rule))
            .set_all_tick_mark_size(fine(4))
            .label_style(style.clone())
            .draw()?;
        canvas.text(self.y.1, (2.0, 10.0), Anchor::Start, Ink::Soft)?;
        let corner = (f64::from(width - MARGIN), f64::from(height) - 8.0);
        canvas.text(self.x.1, corner, Anchor::End, Ink::Soft)?;

        let at = |x: f64, y: f64| (self.x.0.fraction(x), self.y.0.fraction(y));
        // The emphasized curves lie on top of the others, the best on top of all.
        let (mut front, rest): (Vec<&Series>, Vec<&Series>) =
            self.series.iter().partition(|series| series.emphasized);
        front.reverse();
        for series in &front {
            let above = series.band.iter().map(|(x, _, high)| at(*x, *high));
            let below = series.band.iter().rev().map(|(x, low, _)| at(*x, *low));
            let outline: Vec<(f64, f64)> = above.chain(below).collect();
            if !outline.is_empty() {
                let fill = Ink::Strategy(series.place).color().mix(0.15).filled();
                chart.draw_series(std::iter::once(Polygon::new(outline, fill)))?;
            }
        }
        for series in rest.iter().chain(&front) {
            let points = series.points.iter().map(|(x, y)| at(*x, *y));
            let width = if series.emphasized { 2 * FINENESS } else { FINENESS };
            let style = Ink::Strategy(series.place).color().stroke_width(width);
            chart.draw_series(LineSeries::new(points, style))?;
        }

        let end = |series: &&Series| {
            let (x, y) = series.points.last()?;
            let (x, y) = chart.backend_coord(&at(*x, *y));
            Some((x, f64::from(y), series.place, series.label.clone()))
        };
        let mut labels: Vec<_> = front.iter().filter_map(end).collect();
        labels.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.2.cmp(&b.2)));
        let wanted: Vec<f64> = labels.iter().map(|label| label.1).collect();
        let gap = (FONT + 1.0) * f64::from(FINENESS);
        let bottom = f64::from(fine(height - BOTTOM));
        for ((x, _, place, label), y) in labels.into_iter().zip(spread(&wanted, gap, bottom)) {
            let style = ("sans-serif", FONT * f64::from(FINENESS))
                .into_font()
                .color(&Ink::Strategy(place).color())
                .pos(Pos::new(HPos::Left, VPos::Center));
            let x = x.max((fine(width) - fine(MARGIN)) as i32) + fine(6) as i32;
            canvas.area.draw_text(&printable(&label), &style, (x, y.round() as i32))?;
        }
        Ok(())
    }
}

/// Moves sorted positions as little as it takes for them to be `gap` apart and not below `bottom`.
fn spread(wanted: &[f64], gap: f64, bottom: f64) -> Vec<f64> {
    let mut placed = wanted.to_vec();
    for index in 1..placed.len() {
        placed[index] = placed[index].max(placed[index - 1] + gap);
    }
    let mut limit = bottom;
    for place in placed.iter_mut().rev() {
        *place = place.min(limit);
        limit = *place - gap;
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> Vec<Series> {
        let points = values.iter().enumerate().map(|(i, v)| (i as f64 + 1.0, *v)).collect();
        vec![Series { place: 3, label: "a < b".into(), emphasized: true, points, band: Vec::new() }]
    }

    #[test]
    fn values_over_decades_are_shown_on_a_log_scale() {
        let log = |values: &[f64]| value_axis(&series(values), true).is_log();
        assert!(log(&[100.0, 1.0, 0.1]));
        assert!(log(&[1.0, 0.001, 0.0]));
        assert!(!log(&[1.0, 0.5]));
        assert!(!log(&[]));
        let zero = value_axis(&series(&[1.0, 0.001, 0.0]), true);
        assert_eq!(zero.fraction(0.0), 0.0);
        assert!(!value_axis(&series(&[100.0, 1.0]), false).is_log());
    }

    #[test]
    fn names_at_the_ends_do_not_overlap() {
        assert_eq!(spread(&[10.0, 12.0, 90.0, 99.0], 10.0, 100.0), [10.0, 20.0, 90.0, 100.0]);
        assert_eq!(spread(&[98.0, 99.0], 10.0, 100.0), [90.0, 100.0]);
    }

    #[test]
    fn any_values_can_be_drawn() {
        for values in [&[3.0, 2.0, 1.0][..], &[], &[1.0], &[2.0, 2.0], &[1.0, f64::NAN]] {
            let series = series(values);
            let chart = Chart {
                size: (400, 300),
                x: (trial_axis(values.len()), "trials"),
                y: (value_axis(&series, true), "regret"),
                series,
            };
            let svg = chart.drawing("it").unwrap().in_page("it");
            assert_eq!(svg.contains("a &lt; b"), !values.is_empty());
            assert_eq!(svg.contains(&Ink::Strategy(3).placeholder()), !values.is_empty());
        }
    }
}
