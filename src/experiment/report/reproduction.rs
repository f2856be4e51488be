//! How to get the same numbers again.

use std::fmt::Write;

use super::page::Page;
use super::section::Section;
use super::text::time;
use crate::report::{counted, escaped};

/// The command, the version and the settings.
pub(super) fn section(page: &Page<'_>, command: &str) -> Section {
    let summary = page.summary;
    let mut settings = String::new();
    for s in &summary.strategies {
        let _ = writeln!(settings, "{}: {}", escaped(&s.name), escaped(&s.settings.to_string()));
    }
    let mut section = Section::new("reproduction", "How to reproduce it");
    let _ = writeln!(
        section.html,
        "<pre>{}</pre>\n<p>hyperq {}, master seed {}. The same version, command and seed give the same \
         <code>trials.csv</code>, times aside, for any number of jobs; strategies share random numbers, seed by seed. \
         This took {} with {}. Every trial is in <code>trials.csv</code>, the statistics are in <code>summary.json</code>, the \
         numbers of each figure below <code>figures/</code>. Intervals: {}, {:.0} %, {} \
         resamples.</p>\n\
         <details><summary>settings of every strategy</summary><pre>{settings}</pre></details>",
        escaped(command),
        escaped(&summary.version),
        summary.seed,
        time(page.results.elapsed.as_secs_f64() * 1e6),
        counted(page.results.plan.jobs, "job", "jobs"),
        escaped(&summary.confidence.method),
        page.level(),
        summary.confidence.resamples,
    );
    section
}
