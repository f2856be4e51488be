//! `report.html`: one page without external resources, and its figures as files.
//!
//! Each section is a file here. A [`Figure`] stands in the page and is written as SVG and as CSV.

mod chart;
mod critical_difference;
mod curves;
mod diagnostics;
mod dots;
mod drawing;
mod effects;
mod figure;
mod files;
mod heat_map;
mod ink;
mod opening;
mod page;
mod pairs;
mod problems;
mod profiles;
mod ranking;
mod reproduction;
mod section;
mod signatures;
mod significance;
mod surfaces;
#[cfg(test)]
mod tests;
mod text;
mod wall_clock;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::Summary;
use super::ablation::Effects;
use super::runner::Results;
use crate::error::Result;
use crate::persist::write_atomically;

pub use figure::Figure;

use files::write_figures;
use page::Page;
use section::Section;

const STYLE: &str = include_str!("comparison.css");
const SCRIPT: &str = include_str!("focus.js");

/// What a comparison looks like.
#[derive(Debug, Clone)]
pub struct Report {
    /// The page.
    pub html: String,
    /// Its figures, in the order of the page.
    pub figures: Vec<Figure>,
}

impl Report {
    /// Draws a report. `effects` are those of an ablation (none where it is a comparison), `command` is what it gives as the way to reproduce it.
    ///
    /// # Errors
    ///
    /// [`Error::Unsuited`](crate::Error::Unsuited) where a chart cannot be drawn; [`Error::Io`](crate::Error::Io) where
    /// the numbers behind it cannot be put together.
    pub fn of(
        results: &Results,
        summary: &Summary,
        effects: &[Effects],
        command: &str,
    ) -> Result<Self> {
        let page = Page::new(results, summary);
        let sections: Vec<Section> = [
            curves::section(&page)?,
            Some(ranking::section(&page)),
            effects::section(&page, effects)?,
            critical_difference::section(&page)?,
            significance::section(&page),
            profiles::section(&page)?,
            significance::speed(&page),
            wall_clock::section(&page)?,
            pairs::section(&page),
            heat_map::section(&page)?,
            Some(signatures::section(&page)),
            diagnostics::section(&page)?,
            Some(surfaces::section(&page)?),
            Some(problems::section(&page)),
            Some(reproduction::section(&page, command)),
        ]
        .into_iter()
        .flatten()
        .collect();
        let title = "Strategies compared";
        let mut html = format!("<main>\n<h1>{title}</h1>\n{}", opening::opening(&page));
        html.push_str(&contents(&sections));
        for section in &sections {
            html.push_str(&section.markup());
        }
        let _ = writeln!(html, "</main>\n<script>\n{SCRIPT}</script>");
        let style = format!("{STYLE}{}", page.looks.css());
        let html = crate::report::page(title, &style, &html);
        let figures = sections.into_iter().flat_map(|section| section.figures).collect();
        Ok(Self { html, figures })
    }

    /// Writes `report.html` into a directory, which is made where it is missing, and each figure as SVG and as CSV below
    /// `figures/`, with an index of them. Figures that an earlier report left there and that are no more are removed;
    /// nothing else is. The path is that of the page.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) where the directory cannot be written.
    pub fn write(&self, directory: &Path) -> Result<PathBuf> {
        write_figures(&self.figures, &directory.join("figures"))?;
        let page = directory.join("report.html");
        write_atomically(&page, self.html.as_bytes())?;
        Ok(page)
    }
}

/// Links to the sections.
fn contents(sections: &[Section]) -> String {
    let mut html = "<nav aria-label=\"Contents\">".to_owned();
    for section in sections {
        let _ = write!(html, "<a href=\"#{}\">{}</a>", section.id, section.title);
    }
    html.push_str("</nav>\n");
    html
}

/// The page of a [`Report`] without effects.
///
/// # Errors
///
/// As [`Report::of`].
pub fn report_html(results: &Results, summary: &Summary, command: &str) -> Result<String> {
    Report::of(results, summary, &[], command).map(|report| report.html)
}
