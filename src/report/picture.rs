//! Charts as SVG.
//!
//! Written by hand rather than with plotters, which gives every point an element of its own: the charts of
//! ten thousand trials would be tens of megabytes. Here all points of a kind are one path of strokes of
//! no length with round ends. What things look like is the style sheet's, by class.

use std::collections::HashSet;
use std::fmt::Write;

use super::axis::Axis;
use super::text::{escaped, name};

/// Longest name of an axis, in characters.
const NAME: usize = 40;
/// More points than these are smaller ones.
const MANY: usize = 1_000;

/// A chart with two axes.
pub(super) struct Picture {
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: Axis,
    y: Axis,
    body: String,
}

impl Picture {
    /// The frame of a chart, with the axes' names.
    pub(super) fn new(
        (width, height): (u32, u32),
        (x, x_name): (Axis, &str),
        (y, y_name): (Axis, &str),
    ) -> Self {
        let (width, height) = (f64::from(width), f64::from(height));
        let y_ticks = y.ticks(((height - 60.0) / 30.0) as usize);
        let widest = y_ticks.iter().map(|(_, label)| label.chars().count()).max().unwrap_or(0);
        let left = 14.0 + 7.5 * widest as f64;
        let (right, top, bottom) = (width - 12.0, 26.0, height - 40.0);
        let mut picture =
            Self { width, height, left, right, top, bottom, x, y, body: String::new() };
        for (at, label) in y_ticks {
            let y = short(picture.bottom - at * (picture.bottom - picture.top));
            let _ = write!(
                picture.body,
                "<path class=\"rule\" d=\"M{} {y}H{}\"/><text x=\"{}\" y=\"{y}\" dy=\".35em\" \
                 text-anchor=\"end\">{}</text>",
                short(left),
                short(right),
                short(left - 6.0),
                escaped(&label)
            );
        }
        picture.x_ticks();
        let _ = write!(
            picture.body,
            "<text class=\"axis\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\
             <text class=\"axis\" x=\"4\" y=\"14\">{}</text>",
            short(right),
            short(height - 6.0),
            name(x_name, NAME),
            name(y_name, NAME)
        );
        picture
    }

    fn x_ticks(&mut self) {
        let room = self.right - self.left;
        let ticks = self.x.ticks((room / 50.0) as usize);
        let widest = ticks.iter().map(|(_, label)| label.chars().count()).max().unwrap_or(0);
        // Every so many of them, so that they do not overlap.
        let needed = (ticks.len() as f64 * (7.5 * widest as f64 + 8.0) / room).ceil() as usize;
        for (at, label) in ticks.into_iter().step_by(needed.max(1)) {
            let x = self.left + at * room;
            let half = 3.75 * label.chars().count() as f64;
            // Labels at the ends stay within the picture.
            let at = x.clamp(half.min(self.width / 2.0), (self.width - half).max(self.width / 2.0));
            let _ = write!(
                self.body,
                "<path class=\"rule\" d=\"M{} {}v4\"/><text x=\"{}\" y=\"{}\" \
                 text-anchor=\"middle\">{}</text>",
                short(x),
                short(self.bottom),
                short(at),
                short(self.bottom + 17.0),
                escaped(&label)
            );
        }
    }

    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let x = self.left + self.x.fraction(x) * (self.right - self.left);
        (x, self.bottom - self.y.fraction(y) * (self.bottom - self.top))
    }

    /// How far from the middle of a category's cell the point of this number is drawn; 0 for numbers.
    fn offset(&self, number: u64) -> f64 {
        let cell = self.x.cells().map_or(0.0, |cells| (self.right - self.left) / cells as f64);
        // Multiples of the golden ratio spread successive numbers evenly.
        0.6 * cell * ((number as f64 * 0.618_033_988_749_894_9).fract() - 0.5)
    }

    /// Points, those that would cover each other once. In a category they are spread over its cell; the
    /// third number decides where.
    pub(super) fn dots(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64, u64)>) {
        let (mut path, mut seen) = (String::new(), HashSet::new());
        for (x, y, number) in points {
            let (x, y) = self.at(x, y);
            let x = x + self.offset(number);
            if seen.insert(((2.0 * x).round() as i64, (2.0 * y).round() as i64)) {
                let _ = write!(path, "M{} {}h0", short(x), short(y));
            }
        }
        match seen.len() > MANY {
            true => self.path(&format!("{class} small"), &path),
            false => self.path(class, &path),
        }
    }

    /// A line through the points.
    pub(super) fn line(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64)>) {
        let mut path = String::new();
        for (index, (x, y)) in points.into_iter().enumerate() {
            let (x, y) = self.at(x, y);
            let _ = write!(path, "{}{} {}", if index == 0 { "M" } else { "L" }, short(x), short(y));
        }
        self.path(class, &path);
    }

    /// A line that keeps each point's height until the next, and the last one's until `end`.
    pub(super) fn steps(&mut self, class: &str, points: &[(f64, f64)], end: f64) {
        let Some(first) = points.first() else { return };
        let (x, y) = self.at(first.0, first.1);
        let mut path = format!("M{} {}", short(x), short(y));
        for point in &points[1..] {
            let (x, y) = self.at(point.0, point.1);
            let _ = write!(path, "H{}V{}", short(x), short(y));
        }
        let _ = write!(path, "H{}", short(self.at(end, 0.0).0));
        self.path(class, &path);
    }

    /// Ticks that stand on the horizontal axis.
    pub(super) fn ticks(&mut self, class: &str, places: impl IntoIterator<Item = f64>) {
        let (mut path, mut last) = (String::new(), String::new());
        for x in places {
            let x = short(self.at(x, 0.0).0);
            if x != last {
                let _ = write!(path, "M{x} {}v-9", short(self.bottom));
                last = x;
            }
        }
        self.path(class, &path);
    }

    /// A ring around a point.
    pub(super) fn ring(&mut self, class: &str, (x, y): (f64, f64), number: u64, title: &str) {
        let (x, y) = self.at(x, y);
        let x = x + self.offset(number);
        let _ = write!(
            self.body,
            "<circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"6\"><title>{}</title></circle>",
            short(x),
            short(y),
            escaped(title)
        );
    }

    fn path(&mut self, class: &str, path: &str) {
        if !path.is_empty() {
            let _ = write!(self.body, "<path class=\"{class}\" d=\"{path}\"/>");
        }
    }

    /// The SVG; `label` says what it shows.
    pub(super) fn svg(self, label: &str) -> String {
        svg((self.width, self.height), label, &self.body)
    }
}

/// An SVG with its content.
pub(super) fn svg((width, height): (f64, f64), label: &str, body: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">{body}</svg>",
        short(width),
        short(height),
        escaped(label)
    )
}

/// A place with one digit after the point.
pub(super) fn short(place: f64) -> String {
    let text = format!("{place:.1}");
    match text.strip_suffix(".0") {
        Some("-0") => "0".to_owned(),
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Picture {
        let axis = || Axis::range(0.0, 10.0, false);
        Picture::new((400, 200), (axis(), "x < y"), (axis(), "<script>"))
    }

    #[test]
    fn names_are_escaped() {
        let svg = picture().svg("\"<");
        assert!(svg.contains("x &lt; y") && svg.contains("&lt;script&gt;"));
        assert!(svg.contains("aria-label=\"&quot;&lt;\""));
    }

    #[test]
    fn points_that_cover_each_other_are_drawn_once() {
        let mut twice = picture();
        twice.dots("a", [(1.0, 1.0, 0), (1.0, 1.0, 1), (2.0, 1.0, 2)]);
        assert_eq!(twice.svg("").matches("h0").count(), 2);
        // In a category they do not cover each other.
        let x = Axis::categories(vec!["a".into(), "b".into()]);
        let y = Axis::range(0.0, 1.0, false);
        let mut spread = Picture::new((400, 200), (x, ""), (y, ""));
        spread.dots("a", (0..10).map(|i| (1.0, 0.5, i)));
        assert_eq!(spread.svg("").matches("h0").count(), 10);
    }

    #[test]
    fn steps_keep_their_height_until_the_next() {
        let mut steps = picture();
        let (left, top) = (steps.left, steps.top);
        steps.steps("s", &[(0.0, 0.0), (5.0, 10.0)], 10.0);
        let middle = short(left + (388.0 - left) / 2.0);
        let wanted = format!("d=\"M{} 160H{middle}V{}H388\"", short(left), short(top));
        assert!(steps.svg("").contains(&wanted), "{wanted}");
        picture().steps("s", &[], 1.0);
    }

    #[test]
    fn places_have_one_digit() {
        assert_eq!([short(-0.01), short(3.0), short(2.25), short(1.96)], ["0", "3", "2.2", "2"]);
    }
}
