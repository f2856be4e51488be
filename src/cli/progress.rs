//! Progress of a comparison, on stderr.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyperq::experiment::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// Progress on stderr.
pub(super) enum Display {
    Quiet,
    Bar(ProgressBar),
    /// Where stderr is no terminal: a line about every tenth.
    Lines {
        tenths: AtomicU64,
        writing: Mutex<()>,
    },
}

impl Display {
    /// The display of so many strategies, surfaces, seeds and trials.
    pub(super) fn new(quiet: bool, size: [usize; 4], jobs: usize) -> Self {
        if quiet {
            return Self::Quiet;
        }
        let [strategies, surfaces, seeds, trials] = size;
        let total = (surfaces * strategies * seeds * trials) as u64;
        let _ = writeln!(
            std::io::stderr(),
            "{strategies} strategies x {surfaces} surfaces x {seeds} seeds x {trials} trials = {total} trials on \
             {jobs} {}",
            if jobs == 1 { "core" } else { "cores" },
        );
        if !std::io::stderr().is_terminal() {
            return Self::Lines { tenths: AtomicU64::new(0), writing: Mutex::new(()) };
        }
        let bar = ProgressBar::new(total);
        if let Ok(style) =
            ProgressStyle::with_template("{bar:32} {percent:>3} %  {pos}/{len} trials  {msg}")
        {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        Self::Bar(bar)
    }

    pub(super) fn show(&self, progress: Progress) {
        match self {
            Self::Quiet => {}
            Self::Bar(bar) => {
                // Trials are counted in order but may be shown out of order by several threads.
                if progress.trials > bar.position() {
                    bar.set_position(progress.trials);
                }
                bar.set_message(left(progress.remaining));
            }
            Self::Lines { tenths, writing } => {
                let tenth = progress.trials * 10 / progress.total.max(1);
                if tenths.fetch_max(tenth, Ordering::Relaxed) < tenth {
                    let _guard = writing.lock();
                    let _ = writeln!(
                        std::io::stderr(),
                        "{:>3} % ({}/{} trials){}{}",
                        tenth * 10,
                        progress.trials,
                        progress.total,
                        if progress.remaining.is_some() { ", " } else { "" },
                        left(progress.remaining)
                    );
                }
            }
        }
    }

    pub(super) fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

pub(super) fn left(remaining: Option<Duration>) -> String {
    match remaining.map(|left| left.as_secs()) {
        None => String::new(),
        Some(seconds @ 0..60) => format!("{seconds} s left"),
        Some(seconds @ 60..3600) => format!("{} min {} s left", seconds / 60, seconds % 60),
        Some(seconds) => format!("{} h {} min left", seconds / 3600, seconds % 3600 / 60),
    }
}
