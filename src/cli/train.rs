//! `hyperq train`.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::Args;
use hyperq::meta::{Corpus, MetaAgent, Training};
use indicatif::{ProgressBar, ProgressStyle};

use super::compare::cancelled_by_interrupt;
use super::{Failure, print};

/// Train an agent over a corpus of tasks and write the policy
///
/// An interrupted training goes on from its last checkpoint when the same command is given again, to the same
/// bytes.
#[derive(Args)]
pub struct Train {
    /// A directory of tables of one search space, or `builtin:svm`, `builtin:random-forest`, `builtin:gradient-boosting`,
    /// `builtin:mlp`
    #[arg(long, value_name = "CORPUS")]
    corpus: String,
    /// An agent (`hyperq agents` lists them) or one that the configuration file defines
    #[arg(long, value_name = "NAME", default_value = "prior-control")]
    agent: String,
    /// Where the policy goes
    #[arg(long, value_name = "POLICY_DIR")]
    out: PathBuf,
    /// How long to train, in the agent's own steps: candidate settings, episodes or trials
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// The seed of the training
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Read agents with settings from a file
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    /// No progress on stderr
    #[arg(long)]
    quiet: bool,
}

/// How often a checkpoint is written.
const CHECKPOINTS: Duration = Duration::from_secs(20);

impl Train {
    /// Trains and writes the policy.
    pub fn run(&self) -> Result<(), Failure> {
        let own = match &self.config {
            Some(path) => MetaAgent::read_all(path).map_err(Failure::usage)?,
            None => Vec::new(),
        };
        let mut agent = agent(&self.agent, &own)?;
        if let Some(steps) = self.steps {
            agent = agent.with_steps(steps).map_err(Failure::usage)?;
        }
        let corpus = Corpus::open(&self.corpus).map_err(Failure::usage)?;
        let mut training = Training::resume(&self.agent, &agent, &corpus, self.seed, &self.out)
            .map_err(Failure::usage)?;
        let cancel = cancelled_by_interrupt()?;
        let bar = self.bar(&training);
        if training.step() > 0 && !self.quiet {
            let _ = writeln!(
                std::io::stderr(),
                "going on from step {} of {}",
                training.step(),
                training.steps()
            );
        }
        let mut written = Instant::now();
        while !cancel.load(Ordering::Relaxed) && training.advance().map_err(Failure::failed)? {
            bar.set_position(training.step());
            if written.elapsed() > CHECKPOINTS {
                training.checkpoint(&self.out).map_err(Failure::failed)?;
                written = Instant::now();
            }
        }
        bar.finish_and_clear();
        if training.step() < training.steps() {
            training.checkpoint(&self.out).map_err(Failure::failed)?;
            let _ = writeln!(
                std::io::stderr(),
                "interrupted after step {} of {}; the same command goes on from there",
                training.step(),
                training.steps()
            );
            return Err(Failure::Interrupted);
        }
        let policy = training.finish().map_err(Failure::failed)?;
        policy.save(&self.out).map_err(Failure::failed)?;
        let provenance = policy.provenance();
        let mut text = format!(
            "{} trained on {} tasks of {}\n",
            provenance.name,
            provenance.tasks.len(),
            provenance.corpus
        );
        for finding in policy.findings() {
            text.push_str(&format!("{finding}\n"));
        }
        print(&format!("{text}\npolicy: {}\n", self.out.display()))
    }

    fn bar(&self, training: &Training) -> ProgressBar {
        if self.quiet || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(training.steps()).with_position(training.step());
        let template = "{bar:32} {percent:>3} %  step {pos} of {len}  {eta} left";
        match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        }
    }
}

/// An agent by its name: of the configuration file, else registered.
pub(super) fn agent(name: &str, own: &[(String, MetaAgent)]) -> Result<MetaAgent, Failure> {
    match own.iter().find(|(other, _)| other == name) {
        Some((_, agent)) => Ok(agent.clone()),
        None => MetaAgent::named(name).map_err(Failure::usage),
    }
}
