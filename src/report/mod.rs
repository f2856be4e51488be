//! The report of one study: one HTML page without external resources.
//!
//! It says what came out and shows how: the history of values, what the parameters contribute, where the
//! good configurations lie, what failed. Everything in a study may come from any worker, so names and
//! texts are escaped and shortened, and no number is taken to be finite. The same trials give the same
//! page, byte by byte. Charts of large studies are thinned and say so: ten thousand trials of ten
//! parameters take about a megabyte.
//!
//! ```
//! use hyperq::report::{StudyReport, study_html};
//! use hyperq::trial::Direction;
//!
//! let objectives = [("loss".to_owned(), Direction::Minimize)];
//! let report = StudyReport {
//!     name: "first <try>",
//!     location: "study.log",
//!     objectives: &objectives,
//!     trials: &[],
//! };
//! let html = study_html(&report)?;
//! assert!(html.contains("first &lt;try&gt;") && html.contains("no trials yet"));
//! # Ok::<(), hyperq::Error>(())
//! ```

mod axis;
mod bars;
mod compromises;
mod curves;
mod digest;
mod failures;
mod history;
mod importance;
mod listing;
mod overview;
mod page;
mod palette;
mod parallel;
mod picture;
mod slices;
#[cfg(test)]
mod tests;
mod text;

pub use importance::importances;

use std::path::Path;

use crate::error::Result;
use crate::persist::write_atomically;
use crate::storage::StoredTrial;
use crate::trial::Direction;

use digest::Digest;
use text::name;

pub(crate) use axis::Axis;
pub(crate) use page::page;
pub(crate) use palette::on_paper;
pub(crate) use text::{counted, escaped, shortened, without_zeros};

const STYLE: &str = include_str!("study.css");

/// What a report is about.
#[derive(Debug, Clone, Copy)]
pub struct StudyReport<'a> {
    /// The study's name.
    pub name: &'a str,
    /// Where it is stored, as the page gives it.
    pub location: &'a str,
    /// The objectives' names and directions.
    pub objectives: &'a [(String, Direction)],
    /// The trials in the order of their numbers.
    pub trials: &'a [StoredTrial],
}

/// The report as one HTML page. A study without trials has a page that says so.
///
/// # Errors
///
/// [`Error::Unsuited`](crate::Error::Unsuited) where the Pareto front or its hypervolume cannot be computed,
/// which no study of any storage leads to.
pub fn study_html(report: &StudyReport<'_>) -> Result<String> {
    let mut html = format!(
        "<main>\n<h1>{}</h1>\n<p class=\"soft where\">Study in {}</p>\n",
        name(report.name, 200),
        escaped(&shortened(report.location, 500)),
    );
    if report.trials.is_empty() {
        html.push_str("<p class=\"lead\">The study has no trials yet.</p>\n");
    } else {
        let digest = Digest::of(report)?;
        html.push_str(&overview::opening(&digest));
        html.push_str(&overview::best(&digest));
        html.push_str(&history::section(&digest));
        html.push_str(&compromises::section(&digest)?);
        html.push_str(&bars::section(&digest));
        html.push_str(&slices::section(&digest));
        html.push_str(&parallel::section(&digest));
        html.push_str(&curves::section(&digest));
        html.push_str(&failures::section(&digest));
        html.push_str(&listing::section(&digest));
    }
    html.push_str("</main>");
    Ok(page(&shortened(report.name, 100), STYLE, &html))
}

/// Writes the report to a file. What was there before is replaced as a whole, so that nobody reads half a
/// page.
///
/// # Errors
///
/// As [`study_html`]; [`Error::Io`](crate::Error::Io) where the file cannot be written.
pub fn write_study(report: &StudyReport<'_>, path: &Path) -> Result<()> {
    write_atomically(path, study_html(report)?.as_bytes())
}
