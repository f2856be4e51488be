//! Progress of a study, on stderr: trials, incumbent, failures, the time left.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hyperq::study::Study;
use hyperq::trial::{Outcome, TrialId};
use indicatif::{ProgressBar, ProgressStyle};

use super::progress::left;
use super::trials::decimal;

/// Failures that are told one by one; a program that always fails says the same each time.
const FAILURES_TOLD: usize = 5;

pub(super) struct TrialProgress {
    /// `None` where nothing is to be said.
    bar: Option<ProgressBar>,
    lines: bool,
    total: usize,
    /// Trials that were finished when this run began.
    before: usize,
    begun: Instant,
    failures: AtomicUsize,
    tenths: AtomicUsize,
}

impl TrialProgress {
    pub(super) fn new(quiet: bool, study: &Study, total: usize, jobs: usize, path: &Path) -> Self {
        let before = study.history().len();
        let lines = !std::io::stderr().is_terminal();
        let bar = (!quiet).then(|| {
            let bar = if lines {
                ProgressBar::hidden()
            } else {
                ProgressBar::new(total as u64).with_position(before as u64)
            };
            if let Ok(style) =
                ProgressStyle::with_template("{bar:32} {pos}/{len} trials  {wide_msg}")
            {
                bar.set_style(style);
            }
            bar
        });
        let progress = Self {
            bar,
            lines,
            total,
            before,
            begun: Instant::now(),
            failures: AtomicUsize::new(0),
            tenths: AtomicUsize::new(0),
        };
        let programs = if jobs == 1 { "1 program".to_owned() } else { format!("{jobs} programs") };
        let beginning = match before {
            0 => format!("new study in {}", path.display()),
            _ => format!("going on after {before} trials in {}", path.display()),
        };
        progress.say(&format!("{beginning}; {programs} at a time"));
        progress
    }

    /// A line above the bar.
    pub(super) fn say(&self, line: &str) {
        let Some(bar) = &self.bar else { return };
        if self.lines {
            let _ = writeln!(std::io::stderr(), "{line}");
        } else {
            bar.println(line);
        }
    }

    /// Tells why a trial failed, the first few times.
    pub(super) fn failed(&self, study: &Study, id: TrialId) {
        let told = self.failures.fetch_add(1, Ordering::Relaxed);
        let reason = study.record(id).and_then(|record| record.reason.as_deref()).unwrap_or("");
        if told < FAILURES_TOLD {
            self.say(&format!("trial {id} failed: {reason}"));
        } else if told == FAILURES_TOLD {
            self.say("further failures are only counted; `hyperq trials` lists them");
        }
    }

    /// Shows where the study stands.
    pub(super) fn show(&self, study: &Study) {
        let Some(bar) = &self.bar else { return };
        let finished = study.history().len();
        let tenth = finished * 10 / self.total.max(1);
        if self.lines && self.tenths.fetch_max(tenth, Ordering::Relaxed) >= tenth {
            return;
        }
        let failures = study
            .history()
            .trials()
            .iter()
            .filter(|trial| matches!(trial.outcome, Outcome::Failed(_)))
            .count();
        let mut message = match study.best() {
            Some(best) => {
                let value = study.value(best).map(decimal).unwrap_or_default();
                format!("best {value} in trial {}", best.id)
            }
            None if study.directions().len() > 1 => {
                format!("{} best compromises", study.pareto_front().len())
            }
            None => "none complete".to_owned(),
        };
        if failures > 0 {
            message.push_str(&format!(", {failures} failed"));
        }
        let done = finished.saturating_sub(self.before);
        if done > 0 && finished < self.total {
            let each = self.begun.elapsed().as_secs_f64() / done as f64;
            let remaining = Duration::from_secs_f64(each * (self.total - finished) as f64);
            message.push_str(&format!(", {}", left(Some(remaining))));
        }
        if self.lines {
            self.say(&format!("{finished}/{} trials  {message}", self.total));
        } else {
            bar.set_position(finished as u64);
            bar.set_message(message);
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
