//! `hyperq compare`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use clap::{Args, ValueEnum};
use hyperq::experiment::config::Config;
use hyperq::experiment::{self, Entrant, Plan, RANDOM_TWICE, Results, SavedRuns, Summary, Written};
use hyperq::strategy::registry;
use hyperq::surface::{self, Surface};

use super::command_line::CommandLine;
use super::leaderboard::{complain, leaderboard};
use super::numbers::Numbers;
use super::progress::Display;
use super::{Failure, print};

/// Compare strategies on surfaces and write a report
///
/// Without arguments: one strategy of each kind on the test functions, on models that are trained on the spot, and on two
/// measured surfaces a learner, in some minutes. With surfaces but no strategies: every registered strategy on them.
#[derive(Args)]
pub struct Compare {
    /// A built-in surface (`hyperq surfaces` lists them; `builtin:svm` is all of a learner), a directory of tables, or one
    /// table of it as DIR#TASK; repeatable
    #[arg(long = "surface", value_name = "NAME|DIR|DIR#TASK")]
    pub(super) surfaces: Vec<String>,
    /// A registered strategy or one that the configuration file defines; repeatable
    #[arg(long = "strategy", value_name = "NAME")]
    pub(super) strategies: Vec<String>,
    /// Read surfaces, strategies with settings, and the numbers below from a file
    #[arg(long, value_name = "FILE.toml")]
    pub(super) config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) numbers: Numbers,
    /// Where trials.csv, summary.json and report.html go
    #[arg(long, value_name = "DIR", default_value = "hyperq-results")]
    pub(super) out: PathBuf,
    /// Keep finished runs in runs.jsonl there, and take over those that it has
    #[arg(long)]
    pub(super) resume: bool,
    /// What to print: a table, or the content of summary.json
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(super) format: Format,
    /// No progress on stderr
    #[arg(long)]
    pub(super) quiet: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(super) enum Format {
    Table,
    Json,
}

/// The strategies of the comparison without arguments: the baselines, and each exploration policy on
/// value functions and framings that it tells something of, and each continuous agent. All of them
/// would take many times as long.
const DEFAULT_STRATEGIES: [&str; 22] = [
    "random",
    "grid",
    "sobol",
    "gp",
    "tpe",
    "cma-es",
    "table-refine-epsilon-greedy",
    "table-refine-softmax",
    "table-refine-ucb",
    "dqn-select-epsilon-greedy",
    "dqn-select-ucb",
    "dqn-refine-greedy",
    "dqn-refine-softmax",
    "ensemble-select-ucb",
    "ensemble-select-thompson",
    "kernel-select-softmax",
    "kernel-select-ucb",
    "kernel-select-thompson",
    "critics-select-ucb",
    "ddpg-select-gaussian",
    "td3-select-ucb",
    "sac-select-policy",
];

impl Compare {
    /// Runs the comparison, writes the files and prints the table.
    pub fn run(&self) -> Result<(), Failure> {
        let (results, summary, written, _) = self.execute()?;
        conclude(&results, &summary, &written, &self.out, self.format, self.quiet)
    }

    /// Runs the comparison and writes the files. What comes last is the command that runs it again.
    pub(super) fn execute(&self) -> Result<(Results, Summary, Written, String), Failure> {
        let (plan, command) = self.plan()?;
        // Found out now rather than after minutes of work.
        std::fs::create_dir_all(&self.out)
            .map_err(|error| Failure::Usage(format!("{}: {error}", self.out.display())))?;
        let saved = self.resume.then(|| saved_in(&self.out)).transpose()?;
        let results = watched(&plan, saved.as_ref(), self.quiet)?;
        let summary = Summary::of(&results);
        let written =
            experiment::write(&results, &summary, &command, &self.out).map_err(Failure::failed)?;
        Ok((results, summary, written, command))
    }

    /// What to run, and the command that runs it again.
    fn plan(&self) -> Result<(Plan, String), Failure> {
        let config = match &self.config {
            Some(path) => Config::read(path).map_err(Failure::usage)?,
            None => Config::default(),
        };
        let names = if self.surfaces.is_empty() { &config.surfaces } else { &self.surfaces };
        let nothing_named =
            names.is_empty() && self.strategies.is_empty() && config.strategies.is_empty();
        let surfaces = opened(names)?;
        let strategies = if !self.strategies.is_empty() {
            distinct(&self.strategies)
                .into_iter()
                .map(|name| config.entrant(name))
                .collect::<Result<_, _>>()
                .map_err(Failure::usage)?
        } else if !config.strategies.is_empty() {
            config.strategies.clone()
        } else if nothing_named {
            DEFAULT_STRATEGIES
                .into_iter()
                .map(Entrant::named)
                .collect::<Result<_, _>>()
                .map_err(Failure::usage)?
        } else {
            registry()
                .iter()
                .map(|registered| Entrant::new(&registered.name, registered.strategy.clone()))
                .collect()
        };
        let file = Numbers {
            trials: config.trials,
            seeds: config.seeds,
            seed: config.seed,
            jobs: config.jobs,
        };
        let plan = Plan {
            surfaces,
            strategies: with_random_twice(strategies),
            ..self.numbers.plan(&file)
        };
        plan.check().map_err(Failure::usage)?;
        let command = self.command(&plan);
        Ok((plan, command))
    }

    fn command(&self, plan: &Plan) -> String {
        let mut command = CommandLine::new("compare");
        command.options("surface", &self.surfaces);
        command.options("strategy", &self.strategies);
        if let Some(config) = &self.config {
            command.option("config", config.display());
        }
        command.numbers(plan);
        command.into_text()
    }
}

/// The surfaces of these names, each once; without names all built-in ones.
pub(super) fn opened(names: &[String]) -> Result<Vec<Arc<dyn Surface>>, Failure> {
    let builtin = if names.is_empty() { surface::representative_names() } else { Vec::new() };
    let mut surfaces = Vec::new();
    for name in distinct(if names.is_empty() { &builtin } else { names }) {
        surfaces.extend(surface::open(name).map_err(Failure::usage)?);
    }
    Ok(surfaces)
}

/// The strategies and, where it is none of them, random search at twice the budget.
fn with_random_twice(mut strategies: Vec<Entrant>) -> Vec<Entrant> {
    if strategies.iter().all(|entrant| entrant.name != RANDOM_TWICE) {
        strategies.extend(Entrant::named(RANDOM_TWICE));
    }
    strategies
}

/// The finished runs of a directory of results.
pub(super) fn saved_in(out: &Path) -> Result<SavedRuns, Failure> {
    SavedRuns::open(out.join("runs.jsonl")).map_err(Failure::usage)
}

/// Runs a plan with its progress on stderr, until it is done or the user interrupts it.
pub(super) fn watched(
    plan: &Plan,
    saved: Option<&SavedRuns>,
    quiet: bool,
) -> Result<Results, Failure> {
    let cancel = cancelled_by_interrupt()?;
    let size = [plan.strategies.len(), plan.surfaces.len(), plan.seeds, plan.trials];
    let display = Display::new(quiet, size, plan.jobs);
    let show = |progress| display.show(progress);
    let results = match saved {
        Some(saved) => experiment::run_saved(plan, saved, &show, &cancel),
        None => experiment::run(plan, &show, &cancel),
    };
    display.finish();
    results.map_err(Failure::failed)
}

/// Set by the first Ctrl-C; the second ends the program.
pub(super) fn cancelled_by_interrupt() -> Result<Arc<AtomicBool>, Failure> {
    // A program can listen for it once, and may run several comparisons.
    static CANCEL: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    if let Some(cancel) = CANCEL.get() {
        return Ok(Arc::clone(cancel));
    }
    let cancel = Arc::clone(CANCEL.get_or_init(Arc::default));
    let handler = Arc::clone(&cancel);
    ctrlc::set_handler(move || {
        if handler.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })
    .map_err(Failure::failed)?;
    Ok(cancel)
}

/// Says what came out and what did not run, and how the program ends.
pub(super) fn conclude(
    results: &Results,
    summary: &Summary,
    written: &Written,
    out: &Path,
    format: Format,
    quiet: bool,
) -> Result<(), Failure> {
    if !quiet {
        complain(summary, results);
    }
    if results.interrupted {
        let finished: usize = summary.strategies.iter().map(|strategy| strategy.runs).sum();
        let _ = writeln!(
            std::io::stderr(),
            "interrupted: {finished} of {} runs are finished and count; partial results are in {}",
            results.runs.len(),
            out.display()
        );
    } else if let Some(first) = summary.stopped.first()
        && summary.strategies.iter().all(|s| s.runs == 0 || s.name == RANDOM_TWICE)
    {
        return Err(Failure::Failed(format!(
            "no run could be finished; the first: {} on {}: {}",
            first.strategy, first.surface, first.reason
        )));
    }
    match format {
        Format::Json => print(&summary.to_json().map_err(Failure::failed)?)?,
        Format::Table => {
            let place = written.report.as_ref().unwrap_or(&written.summary);
            print(&format!("{}\n\nreport: {}\n", leaderboard(summary), place.display()))?;
        }
    }
    if results.interrupted { Err(Failure::Interrupted) } else { Ok(()) }
}

pub(super) fn distinct(names: &[String]) -> Vec<&str> {
    let mut distinct: Vec<&str> = Vec::new();
    for name in names {
        if !distinct.contains(&name.as_str()) {
            distinct.push(name);
        }
    }
    distinct
}
