//! `hyperq transfer`.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Mutex;

use clap::Args;
use hyperq::experiment::{self, Entrant, Plan, RANDOM_TWICE, Results, Summary, Written};
use hyperq::meta::{
    Contender, Corpus, MetaAgent, SourceChoice, Sources, Split, Stage, Transfer, signal,
};
use hyperq::strategy::Strategy;
use rayon::prelude::*;

use super::command_line::CommandLine;
use super::compare::{Format, cancelled_by_interrupt, conclude, distinct};
use super::leaderboard::leaderboard;
use super::progress::Display;
use super::train::agent;
use super::{Failure, print};

/// Train agents on some tasks of a corpus, tune the others with them, and write a report
///
/// Without agents: every registered one. Random search, and what the agents reach from scratch on the held-out
/// task alone, are always there.
#[derive(Args)]
pub struct TransferCommand {
    /// A directory of tables of one search space, or `builtin:svm`, `builtin:random-forest`, `builtin:gradient-boosting`,
    /// `builtin:mlp`
    #[arg(long, value_name = "CORPUS")]
    pub(super) corpus: String,
    /// Hold the tasks out in so many parts [default: 5]
    #[arg(long, value_name = "N", conflicts_with_all = ["leave_one_out", "test"])]
    pub(super) folds: Option<usize>,
    /// Hold each task out on its own
    #[arg(long, conflicts_with = "test")]
    pub(super) leave_one_out: bool,
    /// Train on the whole corpus and tune the tasks of another one of the same space
    #[arg(long, value_name = "CORPUS")]
    pub(super) test: Option<String>,
    /// An agent (`hyperq agents` lists them) or one that the configuration file defines; repeatable
    #[arg(long = "agent", value_name = "NAME")]
    pub(super) agents: Vec<String>,
    /// Train every agent on only so many of the training tasks too, as NAME-from-N: drawn at random, or such as differ
    /// or resemble each other most in their meta-features; repeatable
    #[arg(long, value_name = "N|N:diverse|N:alike", value_delimiter = ',')]
    pub(super) sources: Vec<Sources>,
    /// Read agents with settings from a file
    #[arg(long, value_name = "FILE.toml")]
    pub(super) config: Option<PathBuf>,
    /// Trials of a run
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub(super) trials: usize,
    /// Runs of each agent on each held-out task
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(super) seeds: usize,
    /// The master seed, of folds and trainings too
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(super) seed: u64,
    /// Trainings or runs at the same time; results do not depend on it [default: one a core]
    #[arg(long, value_name = "N")]
    pub(super) jobs: Option<usize>,
    /// Where trials.csv, summary.json and report.html go
    #[arg(long, value_name = "DIR", default_value = "hyperq-transfer")]
    pub(super) out: PathBuf,
    /// What to print: a table, or the content of summary.json
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(super) format: Format,
    /// No progress on stderr
    #[arg(long)]
    pub(super) quiet: bool,
}

/// The agents whose counterpart from scratch takes part unless agents are named.
const FROM_SCRATCH: [&str; 2] = ["prior-ucb", "hyp-rl"];
/// What agents are compared with one by one, where it takes part.
const REFERENCES: [&str; 3] = ["prior-ucb", "average-rank", "greedy-portfolio"];

impl TransferCommand {
    /// Runs the measurement, writes the files and prints the tables.
    pub fn run(&self) -> Result<(), Failure> {
        let (results, summary, written, more) = self.execute()?;
        if self.format == Format::Table && !results.interrupted {
            print(&more)?;
        }
        conclude(&results, &summary, &written, &self.out, self.format, self.quiet)
    }

    /// Runs the measurement and writes the files. What comes last are further tables.
    pub(super) fn execute(&self) -> Result<(Results, Summary, Written, String), Failure> {
        let transfer = self.transfer()?;
        std::fs::create_dir_all(&self.out)
            .map_err(|error| Failure::Usage(format!("{}: {error}", self.out.display())))?;
        let cancel = cancelled_by_interrupt()?;
        let display: Mutex<Option<Display>> = Mutex::new(None);
        let tasks = match &transfer.split {
            Split::Test(test) => test.tasks().len(),
            _ => transfer.corpus.tasks().len(),
        };
        let show = |stage: Stage| match stage {
            Stage::Training { done, total } => {
                if !self.quiet {
                    let back = if std::io::stderr().is_terminal() { "\r" } else { "" };
                    let end = if back.is_empty() || done == total { "\n" } else { "" };
                    let _ =
                        write!(std::io::stderr(), "{back}{done} of {total} policies trained{end}");
                }
            }
            Stage::Tuning(now) => {
                let mut display = display.lock().unwrap_or_else(|error| error.into_inner());
                display
                    .get_or_insert_with(|| {
                        let size = [transfer.contenders.len(), tasks, self.seeds, self.trials];
                        Display::new(self.quiet, size, transfer.jobs)
                    })
                    .show(now);
            }
        };
        let results = transfer.run(&show, &cancel).map_err(Failure::failed)?;
        if let Some(display) = display.into_inner().unwrap_or_else(|error| error.into_inner()) {
            display.finish();
        }
        let mut summary = Summary::of(&results);
        let pairs = pairs(&transfer.contenders);
        summary.compare(&results, pairs.iter().map(|(a, b)| (a.as_str(), b.as_str())));
        let written = experiment::write(&results, &summary, &self.command(), &self.out)
            .map_err(Failure::failed)?;
        let more = match results.interrupted {
            true => String::new(),
            false => format!("{}\n{}", from_scratch(&summary), by_signal(&transfer, &results)),
        };
        Ok((results, summary, written, more))
    }

    fn transfer(&self) -> Result<Transfer, Failure> {
        let corpus = Corpus::open(&self.corpus).map_err(Failure::usage)?;
        let split = match (&self.test, self.leave_one_out) {
            (Some(test), _) => Split::Test(Corpus::open(test).map_err(Failure::usage)?),
            (None, true) => Split::LeaveOneOut,
            (None, false) => Split::Folds(self.folds.unwrap_or(5)),
        };
        let own = match &self.config {
            Some(path) => MetaAgent::read_all(path).map_err(Failure::usage)?,
            None => Vec::new(),
        };
        let names: Vec<String> = if !self.agents.is_empty() {
            distinct(&self.agents).into_iter().map(str::to_owned).collect()
        } else if !own.is_empty() {
            own.iter().map(|(name, _)| name.clone()).collect()
        } else {
            hyperq::meta::registered().iter().map(|agent| agent.name.clone()).collect()
        };
        let named = !self.agents.is_empty() || !own.is_empty();
        let mut contenders = Vec::new();
        for name in names {
            let agent = agent(&name, &own)?;
            let scratch = agent.learns_alone() && (named || FROM_SCRATCH.contains(&name.as_str()));
            for sources in &self.sources {
                contenders.push(Contender::Trained {
                    name: format!("{name}{}", suffix(sources)),
                    agent: agent.clone(),
                    sources: Some(*sources),
                });
            }
            contenders.push(Contender::Trained {
                name: name.clone(),
                agent: agent.clone(),
                sources: None,
            });
            if scratch {
                let strategy = Strategy::Untrained(agent);
                contenders
                    .push(Contender::Fresh(Entrant::new(format!("{name}-scratch"), strategy)));
            }
        }
        for name in ["random", RANDOM_TWICE] {
            contenders.push(Contender::Fresh(Entrant::named(name).map_err(Failure::failed)?));
        }
        Ok(Transfer {
            corpus,
            split,
            contenders,
            trials: self.trials,
            seeds: self.seeds,
            seed: self.seed,
            jobs: self.jobs.unwrap_or(Plan::default().jobs),
        })
    }

    pub(super) fn command(&self) -> String {
        let mut command = CommandLine::new("transfer");
        command.option("corpus", &self.corpus);
        if let Some(test) = &self.test {
            command.option("test", test);
        } else if !self.leave_one_out {
            command.option("folds", self.folds.unwrap_or(5));
        }
        command.options("agent", &self.agents);
        command.options("sources", &self.sources);
        if let Some(config) = &self.config {
            command.option("config", config.display());
        }
        command.option("trials", self.trials);
        command.option("seeds", self.seeds);
        command.option("seed", self.seed);
        if self.leave_one_out {
            command.flag("leave-one-out");
        }
        command.into_text()
    }
}

/// What the name of an agent ends with that is trained on a part of the tasks: `-from-5`, `-from-5-diverse`.
fn suffix(sources: &Sources) -> String {
    format!("-from-{}", sources.to_string().replace(':', "-"))
}

/// Each trained agent against its counterpart from scratch and against the references.
fn pairs(contenders: &[Contender]) -> Vec<(String, String)> {
    let present = |name: &str| contenders.iter().any(|contender| contender.name() == name);
    let mut pairs = Vec::new();
    for contender in contenders {
        let Contender::Trained { name, sources, .. } = contender else { continue };
        // What is trained on a part of the tasks is compared with what is on all, and with what is on none.
        let whole = match sources {
            Some(sources) => name.strip_suffix(&suffix(sources)).unwrap_or(name),
            None => name,
        };
        if whole != name {
            pairs.push((name.clone(), whole.to_owned()));
        }
        if let Some(sources) = sources
            && sources.choice == SourceChoice::Diverse
        {
            let alike = Sources { choice: SourceChoice::Alike, ..*sources };
            let alike = format!("{whole}{}", suffix(&alike));
            if present(&alike) {
                pairs.push((name.clone(), alike));
            }
        }
        let scratch = format!("{whole}-scratch");
        let references = REFERENCES.iter().map(|reference| (*reference).to_owned());
        for against in std::iter::once(scratch).chain(references) {
            // The portfolios are compared with, not compared.
            let portfolio = REFERENCES[1..].contains(&name.as_str());
            if present(&against) && against != whole && !portfolio {
                pairs.push((name.clone(), against));
            }
        }
    }
    pairs
}

/// Below this share of explained variance a table is mostly noise.
const NOISE: f64 = 0.1;

/// The mean regret on tasks with and without signal apart, where there are both.
fn by_signal(transfer: &Transfer, results: &Results) -> String {
    let corpus = match &transfer.split {
        Split::Test(test) => test,
        _ => &transfer.corpus,
    };
    let shares: Vec<(&str, f64)> =
        corpus.tasks().par_iter().map(|task| (task.name(), signal(task, corpus.grid()))).collect();
    let noisy: Vec<&str> =
        shares.iter().filter(|(_, share)| *share < NOISE).map(|(name, _)| *name).collect();
    if noisy.is_empty() || noisy.len() == shares.len() {
        return String::new();
    }
    let mut text = String::new();
    for (what, noise) in [("with signal", false), ("mostly noise", true)] {
        let mut part = results.clone();
        let kept: Vec<bool> = results
            .plan
            .surfaces
            .iter()
            .map(|surface| noisy.contains(&surface.spec().name.as_str()) == noise)
            .collect();
        part.runs.retain(|run| kept[run.surface]);
        let places: Vec<usize> = kept
            .iter()
            .scan(0, |next, kept| {
                let place = *next;
                *next += usize::from(*kept);
                Some(place)
            })
            .collect();
        part.runs.iter_mut().for_each(|run| run.surface = places[run.surface]);
        let mut keep = kept.iter();
        part.plan.surfaces.retain(|_| *keep.next().expect("one for each surface"));
        let mut summary = Summary::of(&part);
        let pairs = pairs(&transfer.contenders);
        summary.compare(&part, pairs.iter().map(|(a, b)| (a.as_str(), b.as_str())));
        text.push_str(&format!(
            "{} tasks {what} (a pairwise ridge regression explains {} a tenth of the variance)\n\n{}\n\n",
            part.plan.surfaces.len(),
            if noise { "less than" } else { "at least" },
            leaderboard(&summary)
        ));
        for pair in
            summary.pairs.iter().filter(|pair| REFERENCES[1..].contains(&pair.against.as_str()))
        {
            let at = |trial: usize| pair.differences.iter().find(|d| d.trial == trial);
            let shown: Vec<String> = [10, 30, 100]
                .into_iter()
                .filter_map(at)
                .map(|d| {
                    let p = d.p.map_or_else(|| "-".to_owned(), |p| format!("{p:.3}"));
                    format!("@{} {:+.4} (p {p})", d.trial, d.mean)
                })
                .collect();
            text.push_str(&format!(
                "{} against {}: {}\n",
                pair.strategy,
                pair.against,
                shown.join(", ")
            ));
        }
        text.push('\n');
    }
    text.push_str(&format!("mostly noise: {}\n\n", noisy.join(", ")));
    text
}

/// A share of regret that was saved, in words: `57 % less`, `12 % more`.
fn less_or_more(share: f64) -> String {
    format!("{:.0} % {}", 100.0 * share.abs(), if share < 0.0 { "more" } else { "less" })
}

/// What training on other tasks gained over all trials, and where it hurt.
fn from_scratch(summary: &Summary) -> String {
    let mut text = String::new();
    for pair in &summary.pairs {
        if !pair.against.ends_with("-scratch") {
            continue;
        }
        let interval =
            pair.relative_improvement_interval.map_or_else(String::new, |[low, high]| {
                let [low, high] = [low, high].map(less_or_more);
                format!(" ({low} to {high})")
            });
        text.push_str(&format!(
            "{}: {}{interval} regret than from scratch; worse on {} of {} tasks{}{}\n",
            pair.strategy,
            less_or_more(pair.relative_improvement),
            pair.hurt.len(),
            pair.surfaces,
            if pair.hurt.is_empty() { "" } else { ": " },
            pair.hurt.join(", ")
        ));
    }
    text
}
