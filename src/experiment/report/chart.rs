//! Curves as SVG.
//!
//! Colours are placeholders ([`series_color`], [`INK`], [`GRID`]) that the page's style sheet replaces,
//! so that one picture serves a light and a dark page and the page can bring one curve to the front.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::error::{Error, Result};

/// Stands for the colour of text and axes.
pub const INK: RGBColor = RGBColor(2, 0, 0);
/// Stands for the colour of grid lines.
pub const GRID: RGBColor = RGBColor(2, 0, 1);

/// Stands for the colour of a strategy, by its place in the leaderboard.
pub fn series_color(place: usize) -> RGBColor {
    RGBColor(1, (place / 256) as u8, (place % 256) as u8)
}

/// The placeholder as it stands in the SVG.
pub fn css_name(color: RGBColor) -> String {
    format!("#{:02X}{:02X}{:02X}", color.0, color.1, color.2)
}

/// A curve with its band.
pub struct Series {
    /// The strategy's place in the leaderboard.
    pub place: usize,
    /// What stands at the curve's end, where the chart has room for it.
    pub label: String,
    /// Whether it is one of those that the reader should see first.
    pub emphasized: bool,
    /// Trial and value.
    pub points: Vec<(f64, f64)>,
    /// Trial, low and high; empty where there is no band.
    pub band: Vec<(f64, f64, f64)>,
}

/// A chart of values over trials.
pub struct Chart {
    /// Width and height in the SVG's own unit.
    pub size: (u32, u32),
    /// What the vertical axis shows.
    pub value: String,
    /// Whether values may be shown on a log scale, which is then used where they span decades.
    pub log_allowed: bool,
    /// Whether the curves' names stand at their ends.
    pub labelled: bool,
    /// The curves.
    pub series: Vec<Series>,
}

/// Values that span more than this factor are shown on a log scale.
const LOG_FROM: f64 = 30.0;
/// A log scale shows at most this many decades: below, curves run along the bottom.
const DECADES: f64 = 6.0;
/// The room for names at the right.
const LABELS: u32 = 190;
const FONT: f64 = 14.0;

impl Chart {
    /// The SVG.
    ///
    /// # Errors
    ///
    /// [`Error::Unsuited`] where plotters refuses to draw it.
    pub fn svg(&self) -> Result<String> {
        let mut text = String::new();
        self.draw(&mut text)
            .map_err(|error| Error::unsuited(format!("the chart of {}", self.value), error))?;
        Ok(text)
    }

    fn draw(&self, text: &mut String) -> std::result::Result<(), String> {
        let refuse = |error: DrawingAreaErrorKind<_>| -> String {
            let error: DrawingAreaErrorKind<std::io::Error> = error;
            error.to_string()
        };
        let scale = Scale::of(self);
        let (low, high) = scale.range;
        let last = self.series.iter().flat_map(|s| &s.points).fold(1.0f64, |m, p| m.max(p.0));
        let root = SVGBackend::with_string(text, self.size).into_drawing_area();
        let labels = if self.labelled { LABELS } else { 8 };
        let mut chart = ChartBuilder::on(&root)
            .margin_top(12)
            .margin_right(labels)
            .margin_left(4)
            .x_label_area_size(34)
            .y_label_area_size(50)
            .build_cartesian_2d(1.0..last.max(2.0), low..high)
            .map_err(refuse)?;
        let style = ("sans-serif", FONT).into_font().color(&INK);
        chart
            .configure_mesh()
            .disable_x_mesh()
            .max_light_lines(0)
            .bold_line_style(GRID)
            .axis_style(GRID)
            .label_style(style.clone())
            .axis_desc_style(style)
            .x_labels(6)
            .y_labels(5)
            .x_desc("trials")
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| scale.label(*y))
            .draw()
            .map_err(refuse)?;
        let at = |value: f64| scale.place(value);
        // The emphasized curves lie on top of the others, the best on top of all.
        let (mut front, rest): (Vec<&Series>, Vec<&Series>) =
            self.series.iter().partition(|series| series.emphasized);
        front.reverse();
        for series in &front {
            let above = series.band.iter().map(|(trial, _, high)| (*trial, at(*high)));
            let below = series.band.iter().rev().map(|(trial, low, _)| (*trial, at(*low)));
            let outline: Vec<(f64, f64)> = above.chain(below).collect();
            if !outline.is_empty() {
                let fill = series_color(series.place).mix(0.13).filled();
                chart.draw_series(std::iter::once(Polygon::new(outline, fill))).map_err(refuse)?;
            }
        }
        for series in rest.iter().chain(&front) {
            let points = series.points.iter().map(|(trial, value)| (*trial, at(*value)));
            chart
                .draw_series(LineSeries::new(points, series_color(series.place).stroke_width(2)))
                .map_err(refuse)?;
        }
        if self.labelled {
            let ends = |series: &&Series| {
                let (trial, value) = series.points.last()?;
                let (x, y) = chart.backend_coord(&(*trial, at(*value)));
                Some((x + 8, f64::from(y), series.place, series.label.clone()))
            };
            let mut labels: Vec<_> = front.iter().filter_map(ends).collect();
            labels.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.2.cmp(&b.2)));
            let wanted: Vec<f64> = labels.iter().map(|label| label.1).collect();
            let bottom = f64::from(self.size.1) - 40.0;
            for ((x, _, place, label), y) in
                labels.into_iter().zip(spread(&wanted, FONT + 3.0, bottom))
            {
                let style = ("sans-serif", FONT)
                    .into_font()
                    .color(&series_color(place))
                    .pos(Pos::new(HPos::Left, VPos::Center));
                root.draw_text(&label, &style, (x, y.round() as i32)).map_err(refuse)?;
            }
        }
        root.present().map_err(refuse)
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

/// From values to the vertical axis.
struct Scale {
    log: bool,
    /// The smallest value that a log scale shows.
    floor: f64,
    /// The ends of the axis, after the logarithm.
    range: (f64, f64),
    /// Digits after the point of the labels.
    digits: usize,
}

impl Scale {
    fn of(chart: &Chart) -> Self {
        let visible = |series: &&Series| series.emphasized;
        let values = || {
            let series = chart.series.iter().filter(visible);
            series.flat_map(|s| &s.points).map(|p| p.1)
        };
        let bands = || chart.series.iter().flat_map(|s| &s.band).flat_map(|b| [b.1, b.2]);
        let high = values().chain(bands()).fold(f64::NEG_INFINITY, f64::max);
        let low = values().chain(bands()).fold(f64::INFINITY, f64::min);
        let positive = values().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
        if !(low.is_finite() && high.is_finite()) {
            return Self { log: false, floor: 0.0, range: (0.0, 1.0), digits: 1 };
        }
        if chart.log_allowed && high / positive > LOG_FROM && low >= 0.0 {
            let floor = positive.max(high * 10f64.powf(-DECADES));
            let range = (floor.log10() - 0.1, high.log10() + 0.05);
            return Self { log: true, floor: 10f64.powf(range.0), range, digits: 0 };
        }
        let margin = if high > low { 0.04 * (high - low) } else { 0.5 };
        let bottom = if chart.log_allowed { 0.0 } else { low - margin };
        let span = high + margin - bottom;
        let digits = (1.0 - (span / 4.0).log10()).ceil().clamp(0.0, 8.0) as usize;
        Self { log: false, floor: 0.0, range: (bottom, high + margin), digits }
    }

    fn place(&self, value: f64) -> f64 {
        let value = if self.log { value.max(self.floor).log10() } else { value };
        value.clamp(self.range.0, self.range.1)
    }

    fn label(&self, at: f64) -> String {
        if !self.log {
            return format!("{at:.*}", self.digits);
        }
        let value = 10f64.powf(at);
        match at.floor() as i32 {
            _ if (at - at.round()).abs() < 1e-6 && !(-3.5..3.5).contains(&at) => {
                format!("1e{}", at.round() as i32)
            }
            power @ -4..=3 => {
                // Two digits, without the zeros that they end with.
                let text = format!("{value:.*}", (1 - power).max(0) as usize);
                match text.contains('.') {
                    true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
                    false => text,
                }
            }
            _ => format!("{value:.1e}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(values: &[f64]) -> Chart {
        let points = values.iter().enumerate().map(|(i, v)| (i as f64 + 1.0, *v)).collect();
        Chart {
            size: (400, 300),
            value: "regret".into(),
            log_allowed: true,
            labelled: true,
            series: vec![Series {
                place: 3,
                label: "a < b".into(),
                emphasized: true,
                points,
                band: Vec::new(),
            }],
        }
    }

    #[test]
    fn values_over_decades_are_shown_on_a_log_scale() {
        let scale = Scale::of(&chart(&[100.0, 1.0, 0.1]));
        assert!(scale.log);
        assert_eq!(
            (scale.label(1.0), scale.label(-2.0), scale.label(0.5)),
            ("10".into(), "0.01".into(), "3.2".into())
        );
        assert!(!Scale::of(&chart(&[1.0, 0.5])).log);
        let zero = Scale::of(&chart(&[1.0, 0.001, 0.0]));
        assert_eq!(zero.place(0.0), zero.range.0);
        assert!(!Scale::of(&chart(&[])).log);
    }

    #[test]
    fn names_at_the_ends_do_not_overlap() {
        assert_eq!(spread(&[10.0, 12.0, 90.0, 99.0], 10.0, 100.0), [10.0, 20.0, 90.0, 100.0]);
        assert_eq!(spread(&[98.0, 99.0], 10.0, 100.0), [90.0, 100.0]);
    }

    #[test]
    fn the_picture_uses_placeholders_and_escapes_names() {
        let svg = chart(&[3.0, 2.0, 1.0]).svg().unwrap();
        assert!(svg.contains(&css_name(series_color(3))));
        assert!(svg.contains("a &lt; b"));
        chart(&[]).svg().unwrap();
        chart(&[1.0]).svg().unwrap();
        chart(&[2.0, 2.0]).svg().unwrap();
    }
}
