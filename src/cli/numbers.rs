//! The numbers of a comparison, on the command line and in its file.

use clap::Args;
use hyperq::experiment::Plan;

/// The numbers that `compare` and `ablate` take alike.
#[derive(Args)]
pub(super) struct Numbers {
    /// Trials of a run [default: the file's, else 30]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub trials: Option<usize>,
    /// Runs of each strategy on each surface [default: the file's, else 3]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub seeds: Option<usize>,
    /// The master seed [default: the file's, else 0]
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    pub seed: Option<u64>,
    /// Runs at the same time; results do not depend on it [default: the file's, else one a core]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub jobs: Option<usize>,
}

impl Numbers {
    /// A plan of nothing yet with these numbers, else with those of a file, else with the default ones.
    pub fn plan(&self, file: &Self) -> Plan {
        let default = Plan::default();
        Plan {
            trials: self.trials.or(file.trials).unwrap_or(default.trials),
            seeds: self.seeds.or(file.seeds).unwrap_or(default.seeds),
            seed: self.seed.or(file.seed).unwrap_or(default.seed),
            jobs: self.jobs.or(file.jobs).unwrap_or(default.jobs),
            ..default
        }
    }
}
