//! Means with their intervals, one below the other.

use super::drawing::{Anchor, Canvas, Drawing, Drawn, width_of};
use super::ink::Ink;
use crate::error::Result;
use crate::report::Axis;

/// A line of the chart.
pub(super) enum Line {
    /// The name of what follows.
    Heading(String),
    /// A mean with its interval.
    Mean { label: String, mean: f64, interval: Option<[f64; 2]>, text: String, ink: Ink },
}

/// A chart of means.
pub(super) struct DotChart<'a> {
    pub axis: Axis,
    /// What the axis shows.
    pub measure: &'a str,
    /// A value to compare with.
    pub reference: Option<f64>,
    pub lines: Vec<Line>,
}

/// The width of the axis, the height of a line and the room below, in pixels.
const AXIS: f64 = 240.0;
const LINE: f64 = 20.0;
const BOTTOM: f64 = 44.0;

/// An axis from 0 (or the lowest, where it is below) to the highest of means and intervals.
pub(super) fn axis_of(lines: &[Line], from_zero: bool) -> Axis {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for line in lines {
        if let Line::Mean { mean, interval, .. } = line {
            let [from, to] = interval.unwrap_or([*mean; 2]);
            low = low.min(from).min(*mean);
            high = high.max(to).max(*mean);
        }
    }
    if from_zero {
        low = low.min(0.0);
    }
    let margin = 0.03 * (high - low);
    let low = if from_zero && low == 0.0 { 0.0 } else { low - margin };
    Axis::range(low, high + margin, false)
}

impl DotChart<'_> {
    /// The picture. `what` names it in an error.
    ///
    /// # Errors
    ///
    /// [`Error::Unsuited`](crate::Error::Unsuited) where plotters refuses to draw it.
    pub(super) fn drawing(&self, what: &str) -> Result<Drawing> {
        let (left, right) = self.margins();
        let width = left + AXIS + right;
        let height = 8.0 + LINE * self.lines.len() as f64 + BOTTOM;
        Drawing::new(what, (width.ceil() as u32, height.ceil() as u32), |canvas| {
            self.draw(canvas, left, height - BOTTOM)
        })
    }

    /// The room for labels and for numbers.
    fn margins(&self) -> (f64, f64) {
        let (mut left, mut right) = (40.0f64, 30.0f64);
        for line in &self.lines {
            match line {
                Line::Heading(text) => left = left.max(width_of(text)),
                Line::Mean { label, text, .. } => {
                    left = left.max(width_of(label) + 10.0);
                    right = right.max(width_of(text));
                }
            }
        }
        (left + 14.0, right + 18.0)
    }

    fn draw(&self, canvas: &Canvas<'_>, left: f64, bottom: f64) -> Drawn {
        let x = |value: f64| left + AXIS * self.axis.fraction(value);
        for (at, label) in self.axis.ticks(4) {
            let x = left + AXIS * at;
            canvas.line(&[(x, 4.0), (x, bottom)], Ink::Rule, 1.0)?;
            canvas.text(&label, (x, bottom + 12.0), Anchor::Middle, Ink::Soft)?;
        }
        canvas.text(self.measure, (left + AXIS, bottom + 31.0), Anchor::End, Ink::Soft)?;
        if let Some(reference) = self.reference {
            let x = x(reference);
            canvas.line(&[(x, 4.0), (x, bottom)], Ink::Soft, 1.2)?;
        }
        for (number, line) in self.lines.iter().enumerate() {
            let y = 8.0 + LINE * (number as f64 + 0.5);
            match line {
                Line::Heading(text) => canvas.text(text, (2.0, y), Anchor::Start, Ink::Soft)?,
                Line::Mean { label, mean, interval, text, ink } => {
                    canvas.text(label, (left - 10.0, y), Anchor::End, Ink::Text)?;
                    if let Some([low, high]) = interval {
                        canvas.line(&[(x(*low), y), (x(*high), y)], *ink, 2.2)?;
                    }
                    canvas.dot((x(*mean), y), 4.2, *ink)?;
                    canvas.text(text, (left + AXIS + 10.0, y), Anchor::Start, Ink::Soft)?;
                }
            }
        }
        Ok(())
    }
}
