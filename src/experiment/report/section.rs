//! A section of the report.

use std::fmt::Write;

use super::figure::Figure;
use crate::report::escaped;

/// A heading and what stands below it.
pub(super) struct Section {
    pub id: &'static str,
    pub title: &'static str,
    pub html: String,
    pub figures: Vec<Figure>,
}

/// How wide a picture is in the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    /// The page's.
    Full,
    /// One of two in a row.
    Half,
    /// One of three in a row.
    Cell,
}

impl Width {
    /// The style sheet's class. On a narrow screen a picture is scrolled rather than made illegible.
    fn class(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Half => "half",
            Self::Cell => "cell",
        }
    }
}

impl Section {
    pub(super) fn new(id: &'static str, title: &'static str) -> Self {
        Self { id, title, html: String::new(), figures: Vec::new() }
    }

    /// How to read what follows. `text` is markup.
    pub(super) fn note(&mut self, text: &str) {
        let _ = writeln!(self.html, "<p class=\"soft\">{text}</p>");
    }

    /// A figure with its title, its caption and links to its files.
    pub(super) fn figure(&mut self, figure: Figure, width: Width) {
        let _ = writeln!(
            self.html,
            "<figure class=\"card chart\" id=\"figure-{}\"><h3>{}</h3><figcaption>{} {}</figcaption>\
             <div class=\"scroll {}\">{}</div></figure>",
            escaped(&figure.name),
            escaped(&figure.title),
            escaped(&figure.caption),
            figure.links(),
            width.class(),
            figure.in_page(),
        );
        self.figures.push(figure);
    }

    /// The figures of a width that `fill` adds, side by side where there is room.
    pub(super) fn grid<E>(
        &mut self,
        width: Width,
        fill: impl FnOnce(&mut Self) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let _ = writeln!(self.html, "<div class=\"grid {}\">", width.class());
        fill(self)?;
        self.html.push_str("</div>\n");
        Ok(())
    }

    /// The section as it stands in the page.
    pub(super) fn markup(&self) -> String {
        format!("<section id=\"{}\"><h2>{}</h2>\n{}</section>\n", self.id, self.title, self.html)
    }
}
