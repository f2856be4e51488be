//! The colours of the pages.

use std::fmt::Write;

/// A colour that style sheets know as `--NAME`.
struct Color {
    name: &'static str,
    light: &'static str,
    dark: &'static str,
}

const fn color(name: &'static str, light: &'static str, dark: &'static str) -> Color {
    Color { name, light, dark }
}

/// All of them. The eight of curves, `c0` to `c7`, differ in lightness as well as in hue, so that those who see fewer
/// hues can tell neighbours apart.
const COLORS: [Color; 17] = [
    color("page", "#fbfbf9", "#151514"),
    color("card", "#ffffff", "#1e1e1c"),
    color("ink", "#1c1c1a", "#efeee8"),
    color("soft", "#64635d", "#a3a299"),
    color("line", "#e3e2dc", "#34332f"),
    color("faint", "#cfcdc5", "#4a4943"),
    color("heat", "#2a78d6", "#6eaaff"),
    color("accent", "#2a78d6", "#7ab2ff"),
    color("c0", "#2a6fd0", "#76b0ff"),
    color("c1", "#d9541e", "#ff8a5c"),
    color("c2", "#12876a", "#4fcfa8"),
    color("c3", "#b23a94", "#ec8ad1"),
    color("c4", "#8f6b00", "#e0b84a"),
    color("c5", "#6a4fc4", "#b3a0ff"),
    color("c6", "#0e8499", "#57cfe3"),
    color("c7", "#b3261e", "#ff8079"),
    color("reference", "#1c1c1a", "#efeee8"),
];

/// The style sheet's variables, for light and for dark screens.
pub(crate) fn variables() -> String {
    let mut light = String::new();
    let mut dark = String::new();
    for color in &COLORS {
        let _ = write!(light, " --{}: {};", color.name, color.light);
        let _ = write!(dark, " --{}: {};", color.name, color.dark);
    }
    format!(
        ":root {{ color-scheme: light dark;{light} }}\n\
         @media (prefers-color-scheme: dark) {{ :root {{{dark} }} }}\n"
    )
}

/// What a colour is on paper.
pub(crate) fn on_paper(name: &str) -> &'static str {
    COLORS.iter().find(|color| color.name == name).map_or("#000000", |color| color.light)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_has_a_light_and_a_dark_colour() {
        let css = variables();
        for color in &COLORS {
            assert_eq!(css.matches(&format!(" --{}: #", color.name)).count(), 2, "{}", color.name);
        }
        assert_eq!(on_paper("card"), "#ffffff");
    }
}
