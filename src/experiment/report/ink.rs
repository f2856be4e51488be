//! Colours of pictures.
//!
//! Pictures are drawn with placeholders. In the page the style sheet replaces them, so that one picture serves a light and
//! a dark page and the page can bring one strategy to the front; a file of its own has the colours of the light page.

use std::fmt::Write;

use plotters::style::RGBColor;

use super::drawing::FINENESS;
use crate::report::on_paper;

/// What a part of a picture stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    /// What is read first.
    Text,
    /// Axes and their numbers.
    Soft,
    /// Grid lines.
    Rule,
    /// What lies behind the picture.
    Card,
    /// The shade of a heat map.
    Heat,
    /// The other end of a heat map with two ends.
    Cold,
    /// A strategy, by its place in the leaderboard.
    Strategy(usize),
}

/// Inks that do not depend on the strategies, with the style sheet's variable.
const COMMON: [(Ink, &str); 6] = [
    (Ink::Text, "ink"),
    (Ink::Soft, "soft"),
    (Ink::Rule, "line"),
    (Ink::Card, "card"),
    (Ink::Heat, "heat"),
    (Ink::Cold, "c1"),
];

impl Ink {
    /// The placeholder.
    pub(super) fn color(self) -> RGBColor {
        match self {
            Self::Strategy(place) => RGBColor(1, (place / 256) as u8, (place % 256) as u8),
            Self::Text => RGBColor(2, 0, 0),
            Self::Soft => RGBColor(2, 0, 1),
            Self::Rule => RGBColor(2, 0, 2),
            Self::Card => RGBColor(2, 0, 3),
            Self::Heat => RGBColor(2, 0, 4),
            Self::Cold => RGBColor(2, 0, 5),
        }
    }

    /// The placeholder as it stands in the SVG.
    pub(super) fn placeholder(self) -> String {
        let RGBColor(red, green, blue) = self.color();
        format!("#{red:02X}{green:02X}{blue:02X}")
    }
}

/// How a strategy is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// The style sheet's variable of its colour.
    pub variable: &'static str,
    /// Whether it is one of those that the reader should see first.
    pub emphasized: bool,
    pub dashed: bool,
    /// Whether its bands are shown before the reader asks for them.
    pub banded: bool,
}

/// The looks of all strategies by their places.
pub(super) struct Looks(pub Vec<Look>);

impl Looks {
    /// The style sheet's rules that replace the placeholders.
    pub(super) fn css(&self) -> String {
        let mut css = String::new();
        for (ink, variable) in COMMON {
            let name = ink.placeholder();
            let _ = writeln!(
                css,
                ".chart svg [fill=\"{name}\"] {{ fill: var(--{variable}) }} \
                 .chart svg [stroke=\"{name}\"] {{ stroke: var(--{variable}) }}"
            );
        }
        for (place, look) in self.0.iter().enumerate() {
            let (name, color) = (Ink::Strategy(place).placeholder(), look.variable);
            let _ = writeln!(
                css,
                ".chart svg [stroke=\"{name}\"] {{ stroke: var(--{color}) }} \
                 .chart svg [fill=\"{name}\"] {{ fill: var(--{color}) }}"
            );
            if look.dashed {
                let dash = dash();
                let _ = writeln!(
                    css,
                    ".chart svg polyline[stroke=\"{name}\"] {{ stroke-dasharray: {dash} }}"
                );
            }
            if look.emphasized {
                if !look.banded {
                    let _ = writeln!(css, ".chart svg polygon[fill=\"{name}\"] {{ opacity: 0 }}");
                }
                let _ = writeln!(css, ":root {{ --focus-{place}: var(--{color}) }}");
            }
        }
        css
    }

    /// A picture's elements with the colours of paper; bands that the page hides at first are left out.
    pub(super) fn on_paper(&self, elements: &str) -> String {
        let mut paper = String::with_capacity(elements.len());
        for line in elements.lines() {
            let mut line = line.to_owned();
            let mut hidden = false;
            for (ink, variable) in COMMON {
                if line.contains("\"#0200") {
                    line = line.replace(&ink.placeholder(), on_paper(variable));
                }
            }
            if let Some(place) = strategy_of(&line)
                && let Some(look) = self.0.get(place)
            {
                hidden = line.starts_with("<polygon") && !look.banded;
                let name = Ink::Strategy(place).placeholder();
                let color = on_paper(look.variable);
                if look.dashed && line.starts_with("<polyline") {
                    let dashed = format!("\"{color}\" stroke-dasharray=\"{}\"", dash());
                    line = line.replace(&format!("\"{name}\""), &dashed);
                } else {
                    line = line.replace(&name, color);
                }
            }
            if !hidden {
                paper.push_str(&line);
                paper.push('\n');
            }
        }
        paper
    }
}

/// How long dashes and gaps are, in the units of pictures.
fn dash() -> String {
    format!("{} {}", 6 * FINENESS, 4 * FINENESS)
}

/// The strategy whose placeholder a line of SVG has.
fn strategy_of(line: &str) -> Option<usize> {
    let at = line.find("\"#01")? + 4;
    usize::from_str_radix(line.get(at..at + 4)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks() -> Looks {
        let look =
            |variable, emphasized, dashed, banded| Look { variable, emphasized, dashed, banded };
        Looks(vec![
            look("c0", true, false, true),
            look("c1", true, false, false),
            look("reference", true, true, true),
            look("faint", false, false, false),
        ])
    }

    #[test]
    fn a_file_has_the_colours_of_paper_and_no_placeholder_is_left() {
        let element = |kind: &str, attribute: &str, place| {
            format!("<{kind} {attribute}=\"{}\"/>\n", Ink::Strategy(place).placeholder())
        };
        let mut svg =
            format!("<text fill=\"{}\">\n#020000 in #1\n</text>\n", Ink::Text.placeholder());
        for place in 0..4 {
            svg.push_str(&element("polygon", "fill", place));
            svg.push_str(&element("polyline", "stroke", place));
        }
        let paper = looks().on_paper(&svg);
        assert!(!paper.contains("\"#01") && !paper.contains("\"#02"), "{paper}");
        assert!(paper.contains("#020000 in #1"), "a name is no placeholder");
        assert_eq!(paper.matches("<polygon").count(), 2, "the bands that are shown");
        assert!(paper.contains("stroke=\"#1c1c1a\" stroke-dasharray=\"60 40\""));
        assert!(paper.contains("stroke=\"#2a6fd0\""));
    }

    #[test]
    fn the_page_replaces_every_placeholder() {
        let css = looks().css();
        for (ink, _) in COMMON {
            assert!(css.contains(&ink.placeholder()));
        }
        for place in 0..4 {
            assert!(css.contains(&format!("[stroke=\"{}\"]", Ink::Strategy(place).placeholder())));
        }
        assert_eq!(css.matches("stroke-dasharray").count(), 1);
        assert_eq!(css.matches("--focus-").count(), 3);
    }
}
