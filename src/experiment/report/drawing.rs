//! Pictures as SVG, drawn with plotters.

use std::io;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::error::{Error, Result};
use crate::report::escaped;

use super::ink::{Ink, Looks};

/// Units of the SVG in a pixel. plotters draws at whole numbers, which would be seen in curves that are printed large.
pub(super) const FINENESS: u32 = 10;
/// The size of letters, in pixels, as plotters counts: it makes them smaller by a fifth.
pub(super) const FONT: f64 = 15.5;

/// How drawing ends.
pub(super) type Drawn = std::result::Result<(), DrawingAreaErrorKind<io::Error>>;

/// A picture with placeholders for colours.
#[derive(Debug, Clone)]
pub(super) struct Drawing {
    elements: String,
    width: u32,
    height: u32,
    /// The part of the width that the page shows.
    shown: u32,
}

/// What is drawn on. Places and sizes are in pixels.
pub(super) struct Canvas<'a> {
    pub area: DrawingArea<SVGBackend<'a>, Shift>,
}

/// Where text is in relation to its place; vertically it is in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Drawing {
    /// A picture of so many pixels. `what` names it in an error.
    ///
    /// # Errors
    ///
    /// [`Error::Unsuited`] where plotters refuses to draw it.
    pub(super) fn new(
        what: &str,
        (width, height): (u32, u32),
        draw: impl FnOnce(&Canvas<'_>) -> Drawn,
    ) -> Result<Self> {
        let mut svg = String::new();
        let size = (width * FINENESS, height * FINENESS);
        let canvas = Canvas { area: SVGBackend::with_string(&mut svg, size).into_drawing_area() };
        draw(&canvas).and_then(|()| canvas.area.present()).map_err(|error| {
            Error::unsuited(format!("the picture of {what}"), error.to_string())
        })?;
        drop(canvas);
        // The first line is plotters' `<svg ...>`, the last its end.
        let elements = svg.split_once('\n').map_or("", |(_, rest)| rest);
        let elements = elements.trim_end().trim_end_matches("</svg>").to_owned();
        Ok(Self { elements, width, height, shown: width })
    }

    /// The page shows only so many pixels of the width, since it has something in place of the rest.
    pub(super) fn showing(mut self, width: u32) -> Self {
        self.shown = width;
        self
    }

    /// For the page; its style sheet replaces the placeholders.
    pub(super) fn in_page(&self, label: &str) -> String {
        format!(
            "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n{}</svg>",
            self.shown * FINENESS,
            self.height * FINENESS,
            escaped(label),
            self.elements
        )
    }

    /// A file of its own, on white.
    pub(super) fn file(&self, looks: &Looks, title: &str, description: &str) -> String {
        let (width, height) = (self.width * FINENESS, self.height * FINENESS);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" \
             viewBox=\"0 0 {width} {height}\">\n<title>{}</title>\n<desc>{}</desc>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n{}</svg>\n",
            self.width,
            self.height,
            escaped(title),
            escaped(description),
            looks.on_paper(&self.elements)
        )
    }
}

fn place((x, y): (f64, f64)) -> (i32, i32) {
    let fine = |at: f64| (at * f64::from(FINENESS)).round() as i32;
    (fine(x), fine(y))
}

fn stroke(ink: Ink, width: f64) -> ShapeStyle {
    ink.color().stroke_width((width * f64::from(FINENESS)).round() as u32)
}

impl Canvas<'_> {
    /// A line through the points.
    pub(super) fn line(&self, points: &[(f64, f64)], ink: Ink, width: f64) -> Drawn {
        let points: Vec<(i32, i32)> = points.iter().map(|point| place(*point)).collect();
        self.area.draw(&PathElement::new(points, stroke(ink, width)))
    }

    /// A filled rectangle.
    pub(super) fn rectangle(
        &self,
        from: (f64, f64),
        to: (f64, f64),
        ink: Ink,
        opacity: f64,
    ) -> Drawn {
        let style = ink.color().mix(opacity).filled();
        self.area.draw(&Rectangle::new([place(from), place(to)], style))
    }

    /// A filled circle.
    pub(super) fn dot(&self, at: (f64, f64), radius: f64, ink: Ink) -> Drawn {
        let radius = (radius * f64::from(FINENESS)).round() as u32;
        self.area.draw(&Circle::new(place(at), radius, ink.color().filled()))
    }

    /// One line of text.
    pub(super) fn text(&self, text: &str, at: (f64, f64), anchor: Anchor, ink: Ink) -> Drawn {
        let anchor = match anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        self.written(text, at, Pos::new(anchor, VPos::Center), ink, FontTransform::None)
    }

    /// Text that runs upwards from its place.
    pub(super) fn upwards(&self, text: &str, at: (f64, f64), ink: Ink) -> Drawn {
        let anchor = Pos::new(HPos::Left, VPos::Center);
        self.written(text, at, anchor, ink, FontTransform::Rotate270)
    }

    fn written(
        &self,
        text: &str,
        at: (f64, f64),
        anchor: Pos,
        ink: Ink,
        transform: FontTransform,
    ) -> Drawn {
        let style = ("sans-serif", FONT * f64::from(FINENESS))
            .into_font()
            .transform(transform)
            .color(&ink.color())
            .pos(anchor);
        self.area.draw_text(&printable(text), &style, place(at))
    }
}

/// plotters escapes markup; control characters have no place in XML.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// About how many pixels a text takes.
pub(super) fn width_of(text: &str) -> f64 {
    0.46 * FONT * text.chars().count() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_escaped_and_has_a_frame_of_its_own_as_a_file() {
        let drawing = Drawing::new("it", (100, 50), |canvas| {
            canvas.text("a < b\u{1b}", (10.0, 20.0), Anchor::Start, Ink::Text)?;
            canvas.line(&[(0.0, 0.0), (1.25, 2.0)], Ink::Rule, 1.0)
        })
        .unwrap();
        let page = drawing.clone().showing(60).in_page("\"<");
        assert!(
            page.starts_with(
                "<svg viewBox=\"0 0 600 500\" role=\"img\" aria-label=\"&quot;&lt;\">"
            )
        );
        assert!(page.contains("a &lt; b\u{fffd}") && page.contains("0,0 13,20"));
        let file = drawing.file(&Looks(Vec::new()), "t < u", "d");
        assert!(file.contains("width=\"100\" height=\"50\" viewBox=\"0 0 1000 500\""));
        assert!(file.contains("<title>t &lt; u</title>") && file.contains("fill=\"#ffffff\""));
        assert_eq!(file.matches("<svg").count(), file.matches("</svg>").count());
    }
}
