//! `hyperq ask`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::storage::open;
use super::tune::ProblemOptions;
use super::{Failure, print};

/// Ask for the next configuration of a study, for scripts and schedulers that run it themselves
///
/// Prints one JSON line a trial: {"trial": 7, "configuration": {...}}. `hyperq tell` tells what came out; until
/// then the trial is running, however long that takes.
#[derive(Args)]
pub struct Ask {
    #[command(flatten)]
    problem: ProblemOptions,
    /// Where the study is kept; made where it is missing
    #[arg(long, value_name = "FILE.log|grpc://HOST:PORT")]
    study: PathBuf,
    /// How many configurations, for a batch that is evaluated side by side
    #[arg(long, value_name = "N", default_value_t = 1)]
    count: usize,
    /// The trials that the study will have, where that is known; schedules use it
    #[arg(long, value_name = "N")]
    budget: Option<usize>,
}

impl Ask {
    /// Asks and prints.
    pub fn run(&self) -> Result<(), Failure> {
        let problem = self.problem.read()?;
        let mut study = problem.study(open(&self.study)?, |builder| match self.budget {
            Some(trials) => builder.held().budget(trials),
            None => builder.held(),
        })?;
        for _ in 0..self.count {
            let suggestion = study.ask().map_err(Failure::failed)?;
            let line = json!({"trial": suggestion.id, "configuration": suggestion.configuration});
            print(&format!("{line}\n"))?;
        }
        study.checkpoint().map_err(Failure::failed)
    }
}
