//! The benchmark runner: strategies on surfaces, compared over seeds.
//!
//! A [`Plan`] says what to run, [`run()`] runs it on all cores, [`Results`] holds every trial and
//! [`Summary`] what they amount to; [`write()`] puts `trials.csv`, `summary.json`, `report.html` and its figures
//! into a directory.
//!
//! ```
//! use hyperq::experiment::{self, Entrant, Plan};
//!
//! let plan = Plan {
//!     surfaces: hyperq::surface::open("branin")?,
//!     strategies: vec![Entrant::named("random")?, Entrant::named("sobol")?],
//!     trials: 10,
//!     seeds: 3,
//!     ..Plan::default()
//! };
//! let results = experiment::run(&plan, &|_| (), &Default::default())?;
//! let summary = experiment::Summary::of(&results);
//! println!("best: {}", summary.strategies[0].name);
//! # Ok::<(), hyperq::Error>(())
//! ```

pub mod ablation;
mod anytime;
pub mod config;
mod csv;
pub mod metrics;
mod pairs;
mod plan;
#[cfg(feature = "report")]
mod report;
mod runner;
mod saved;
mod significance;
pub mod statistics;
mod summary;

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::persist::{write_atomically, write_atomically_with};

pub use self::csv::{HEADER, trials_csv, write_trials};
pub use anytime::{Area, EVALUATION_SECONDS, TARGETS, WallClock};
pub use pairs::{Difference, Pair};
pub use plan::{Entrant, Plan, RANDOM_TWICE, run_seed};
#[cfg(feature = "report")]
pub use report::{Figure, Report, report_html};
pub(crate) use runner::run_with;
pub use runner::{End, Progress, Record, Results, Run, run, run_saved};
pub use saved::SavedRuns;
pub use significance::{ALPHA, Comparison, FriedmanSummary, NemenyiSummary, REFERENCE};
pub use summary::{
    CHECKPOINTS, Checkpoint, Confidence, PROFILE, ProfilePoint, Stopped, StrategyOnSurface,
    StrategySummary, Summary, SurfaceSummary,
};

/// Where [`write()`] put its files.
#[derive(Debug, Clone)]
pub struct Written {
    /// Every trial, one a line.
    pub trials: PathBuf,
    /// The statistics.
    pub summary: PathBuf,
    /// The report, `None` in builds without the feature `report`.
    pub report: Option<PathBuf>,
}

/// Writes `trials.csv`, `summary.json` and, with the feature `report`, `report.html` and its figures below `figures/`
/// into a directory, which is made where it is missing. Each file is written whole or not at all. `command` is what the
/// report gives as the way to reproduce it. Figures that an earlier report left there and that are no more are removed.
///
/// # Errors
///
/// [`Error::Io`] where the directory cannot be written.
pub fn write(
    results: &Results,
    summary: &Summary,
    command: &str,
    directory: &Path,
) -> Result<Written> {
    write_with(results, summary, &[], command, directory)
}

/// As [`write()`], with the effects of an ablation in the report, and `effects.json`.
///
/// # Errors
///
/// [`Error::Io`] where the directory cannot be written.
pub fn write_ablation(
    results: &Results,
    summary: &Summary,
    findings: &ablation::Findings,
    command: &str,
    directory: &Path,
) -> Result<Written> {
    let written = write_with(results, summary, &findings.effects, command, directory)?;
    write_atomically(&directory.join("effects.json"), findings.to_json()?.as_bytes())?;
    Ok(written)
}

fn write_with(
    results: &Results,
    summary: &Summary,
    effects: &[ablation::Effects],
    command: &str,
    directory: &Path,
) -> Result<Written> {
    std::fs::create_dir_all(directory).map_err(Error::io(directory))?;
    let trials = directory.join("trials.csv");
    write_atomically_with(&trials, |file| write_trials(results, file))?;
    let statistics = directory.join("summary.json");
    write_atomically(&statistics, summary.to_json()?.as_bytes())?;
    #[cfg(feature = "report")]
    let report = Some(Report::of(results, summary, effects, command)?.write(directory)?);
    #[cfg(not(feature = "report"))]
    let report = {
        let _ = (effects, command);
        None
    };
    Ok(Written { trials, summary: statistics, report })
}
