//! `hyperq compare`.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use clap::{Args, ValueEnum};
use comfy_table::{CellAlignment, Table, presets};
use hyperq::experiment::config::Config;
use hyperq::experiment::{self, Entrant, Plan, Progress, Results, StrategySummary, Summary};
use hyperq::strategy::registry;
use hyperq::surface::{self, Surface};
use indicatif::{ProgressBar, ProgressStyle};

use super::{Failure, print};

/// Compare strategies on surfaces and write a report
///
/// Without arguments: one strategy of each kind on every built-in surface, in about two minutes. With
/// surfaces but no strategies: every registered strategy on them.
#[derive(Args)]
pub struct Compare {
    /// A built-in surface, a directory of tables, or one table of it as DIR#TASK; repeatable
    #[arg(long = "surface", value_name = "NAME|DIR|DIR#TASK")]
    surfaces: Vec<String>,
    /// A registered strategy or one that the configuration file defines; repeatable
    #[arg(long = "strategy", value_name = "NAME")]
    strategies: Vec<String>,
    /// Read surfaces, strategies with settings, and the numbers below from a file
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    /// Trials of a run [default: 30]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    trials: Option<usize>,
    /// Runs of each strategy on each surface [default: 3]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    seeds: Option<usize>,
    /// The master seed [default: 0]
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    seed: Option<u64>,
    /// Runs at the same time; results do not depend on it [default: one a core]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    jobs: Option<usize>,
    /// Where trials.csv, summary.json and report.html go
    #[arg(long, value_name = "DIR", default_value = "hyperq-results")]
    out: PathBuf,
    /// What to print: a table, or the content of summary.json
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// No progress on stderr
    #[arg(long)]
    quiet: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    Table,
    Json,
}

/// The strategies of the comparison without arguments: the baselines, and each exploration policy on
/// value functions and framings that it tells something of, and each continuous agent. All of them
/// would take a quarter of an hour.
const DEFAULT_STRATEGIES: [&str; 19] = [
    "random",
    "grid",
    "sobol",
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
        let (plan, command) = self.plan()?;
        // Found out now rather than after minutes of work.
        std::fs::create_dir_all(&self.out)
            .map_err(|error| Failure::Usage(format!("{}: {error}", self.out.display())))?;
        let cancel = Arc::new(AtomicBool::new(false));
        let handler = Arc::clone(&cancel);
        ctrlc::set_handler(move || {
            if handler.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        })
        .map_err(Failure::failed)?;

        let display = Display::new(self.quiet, &plan);
        let results = experiment::run(&plan, &|progress| display.show(progress), &cancel)
            .map_err(Failure::failed)?;
        display.finish();
        let summary = Summary::of(&results);
        let written =
            experiment::write(&results, &summary, &command, &self.out).map_err(Failure::failed)?;

        if !self.quiet {
            complain(&summary, &results);
        }
        if results.interrupted {
            let finished: usize = summary.strategies.iter().map(|strategy| strategy.runs).sum();
            let _ = writeln!(
                std::io::stderr(),
                "interrupted: {finished} of {} runs are finished and count; partial results are in {}",
                results.runs.len(),
                self.out.display()
            );
        } else if let Some(first) = summary.stopped.first()
            && summary.strategies.iter().all(|strategy| strategy.runs == 0)
        {
            return Err(Failure::Failed(format!(
                "no run could be finished; the first: {} on {}: {}",
                first.strategy, first.surface, first.reason
            )));
        }
        match self.format {
            Format::Json => print(&summary.to_json().map_err(Failure::failed)?)?,
            Format::Table => {
                let place = written.report.unwrap_or(written.summary);
                print(&format!("{}\n\nreport: {}\n", leaderboard(&summary), place.display()))?;
            }
        }
        if results.interrupted { Err(Failure::Interrupted) } else { Ok(()) }
    }

    /// What to run, and the command that runs it again.
    fn plan(&self) -> Result<(Plan, String), Failure> {
        let config = match &self.config {
            Some(path) => Config::read(path).map_err(Failure::usage)?,
            None => Config::default(),
        };
        let mut names = self.surfaces.clone();
        if names.is_empty() {
            names.clone_from(&config.surfaces);
        }
        let nothing_named =
            names.is_empty() && self.strategies.is_empty() && config.strategies.is_empty();
        if names.is_empty() {
            names = surface::builtin_names();
        }
        let mut surfaces: Vec<Arc<dyn Surface>> = Vec::new();
        for name in distinct(&names) {
            surfaces.extend(surface::open(name).map_err(Failure::usage)?);
        }
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
                .map(|registered| Entrant {
                    name: registered.name.clone(),
                    strategy: registered.strategy.clone(),
                })
                .collect()
        };
        let default = Plan::default();
        let plan = Plan {
            surfaces,
            strategies,
            trials: self.trials.or(config.trials).unwrap_or(default.trials),
            seeds: self.seeds.or(config.seeds).unwrap_or(default.seeds),
            seed: self.seed.or(config.seed).unwrap_or(default.seed),
            jobs: self.jobs.or(config.jobs).unwrap_or(default.jobs),
        };
        plan.check().map_err(Failure::usage)?;
        let command = self.command(&plan);
        Ok((plan, command))
    }

    fn command(&self, plan: &Plan) -> String {
        let mut words = vec!["hyperq".to_owned(), "compare".to_owned()];
        let mut option =
            |name: &str, value: String| words.extend([name.to_owned(), quoted(&value)]);
        self.surfaces.iter().for_each(|surface| option("--surface", surface.clone()));
        self.strategies.iter().for_each(|strategy| option("--strategy", strategy.clone()));
        if let Some(config) = &self.config {
            option("--config", config.display().to_string());
        }
        option("--trials", plan.trials.to_string());
        option("--seeds", plan.seeds.to_string());
        option("--seed", plan.seed.to_string());
        words.join(" ")
    }
}

fn distinct(names: &[String]) -> Vec<&str> {
    let mut distinct: Vec<&str> = Vec::new();
    for name in names {
        if !distinct.contains(&name.as_str()) {
            distinct.push(name);
        }
    }
    distinct
}

/// A word as a POSIX shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=+:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Progress on stderr.
enum Display {
    Quiet,
    Bar(ProgressBar),
    /// Where stderr is no terminal: a line about every tenth.
    Lines {
        tenths: AtomicU64,
        writing: Mutex<()>,
    },
}

impl Display {
    fn new(quiet: bool, plan: &Plan) -> Self {
        if quiet {
            return Self::Quiet;
        }
        let (surfaces, strategies) = (plan.surfaces.len(), plan.strategies.len());
        let total = (surfaces * strategies * plan.seeds * plan.trials) as u64;
        let _ = writeln!(
            std::io::stderr(),
            "{strategies} strategies x {surfaces} surfaces x {} seeds x {} trials = {total} trials on {} {}",
            plan.seeds,
            plan.trials,
            plan.jobs,
            if plan.jobs == 1 { "core" } else { "cores" },
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

    fn show(&self, progress: Progress) {
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

    fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn left(remaining: Option<Duration>) -> String {
    match remaining.map(|left| left.as_secs()) {
        None => String::new(),
        Some(seconds @ 0..60) => format!("{seconds} s left"),
        Some(seconds @ 60..3600) => format!("{} min {} s left", seconds / 60, seconds % 60),
        Some(seconds) => format!("{} h {} min left", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Says on stderr what did not run, a line for each strategy and reason.
fn complain(summary: &Summary, results: &Results) {
    let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
    for stopped in summary.stopped.iter().filter(|stopped| stopped.how != "interrupted") {
        let line = format!("{} was {}: {}", stopped.strategy, stopped.how, stopped.reason);
        match lines.iter_mut().find(|(other, _)| *other == line) {
            Some((_, surfaces)) => surfaces.push(&stopped.surface),
            None => lines.push((line, vec![&stopped.surface])),
        }
    }
    let mut stderr = std::io::stderr().lock();
    for (line, surfaces) in lines {
        let more = if surfaces.len() > 1 {
            format!(" and {} more", surfaces.len() - 1)
        } else {
            String::new()
        };
        let _ = writeln!(stderr, "warning: {line} (on {}{more})", surfaces[0]);
    }
    let failed: usize = summary.strategies.iter().map(|strategy| strategy.failed_trials).sum();
    if failed > 0
        && let Some(reason) = results.runs.iter().find_map(|run| run.first_failure.as_ref())
    {
        let _ = writeln!(stderr, "warning: {failed} evaluations failed; one of them: {reason}");
    }
}

/// The widest table that is printed.
const WIDTH: usize = 80;

/// The table, best first. Where a name is long, the earlier checkpoints give way.
fn leaderboard(summary: &Summary) -> String {
    let last = summary.trials;
    let mut early: Vec<usize> = [10, 30, 60, 100, 300]
        .into_iter()
        .filter(|trial| summary.checkpoints.contains(trial) && *trial < last)
        .collect();
    early = early.split_off(early.len().saturating_sub(2));
    loop {
        let text = table(summary, &early, usize::MAX);
        if widest(&text) <= WIDTH {
            return text;
        }
        if early.is_empty() {
            let excess = widest(&text) - WIDTH;
            let longest = summary.strategies.iter().map(|s| s.name.chars().count()).max();
            return table(summary, &early, longest.unwrap_or(0).saturating_sub(excess).max(8));
        }
        early.remove(0);
    }
}

fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

fn table(summary: &Summary, early: &[usize], longest: usize) -> String {
    let last = summary.trials;
    let ranged = summary.strategies.iter().any(|strategy| !strategy.normalized_regret.is_empty());
    let mut header = vec!["#".to_owned(), "strategy".to_owned()];
    if ranged {
        header.extend(early.iter().map(|trial| format!("@{trial}")));
        header.extend([format!("@{last}"), "95% interval".to_owned(), "solved".to_owned()]);
    }
    header.extend(["rank".to_owned(), "ask+tell".to_owned()]);
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for (place, strategy) in summary.strategies.iter().enumerate() {
        let unknown = || "-".to_owned();
        let at = |trial: usize| {
            let mut points = strategy.normalized_regret.iter();
            points.find(|point| point.trial == trial)
        };
        let mut row = vec![(place + 1).to_string(), shortened(&strategy.name, longest)];
        if ranged {
            row.extend(
                early
                    .iter()
                    .chain([&last])
                    .map(|trial| at(*trial).map_or_else(unknown, |p| format!("{:.4}", p.mean))),
            );
            row.push(
                at(last)
                    .and_then(|point| point.mean_interval)
                    .map_or_else(unknown, |[low, high]| format!("{low:.4}-{high:.4}")),
            );
            row.push(strategy.solved.map_or_else(unknown, |s| format!("{:.0} %", 100.0 * s)));
        }
        row.push(strategy.average_rank.map_or_else(unknown, |rank| format!("{rank:.1}")));
        row.push(time(strategy).unwrap_or_else(unknown));
        table.add_row(row);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index != 1 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = if ranged {
        "mean normalized regret after @ trials (0 is best)\n\n".to_owned()
    } else {
        String::new()
    };
    text.push_str(&table.trim_fmt());
    if summary.strategies.iter().any(|s| s.surfaces != summary.surfaces.len()) {
        text.push_str(
            "\n\nNot every strategy has finished every surface; summary.json says which.",
        );
    }
    text
}

/// A name of at most `longest` characters, the middle left out.
fn shortened(name: &str, longest: usize) -> String {
    let count = name.chars().count();
    if count <= longest {
        return name.to_owned();
    }
    let kept = longest.saturating_sub(1);
    let front: String = name.chars().take(kept.div_ceil(2)).collect();
    let back: String = name.chars().skip(count - kept / 2).collect();
    format!("{front}…{back}")
}

/// The median time of a proposal and of learning, together.
fn time(strategy: &StrategySummary) -> Option<String> {
    let micros = strategy.ask_micros? + strategy.tell_micros?;
    Some(match micros {
        micros if micros < 1.0 => "<1 µs".to_owned(),
        micros if micros < 1000.0 => format!("{micros:.0} µs"),
        micros if micros < 1e6 => format!("{:.1} ms", micros / 1e3),
        micros => format!("{:.1} s", micros / 1e6),
    })
}
