//! `hyperq ablate`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use hyperq::experiment::ablation::{Ablation, Combinations, Effects, Measure, Refused};
use hyperq::experiment::{self, Plan, Results, Summary, Written};
use hyperq::surface::{self, Surface};
use serde::Serialize;

use super::compare::{Format, conclude, distinct, quoted, saved_in, watched};
use super::{Failure, print};

/// Run every combination of lists of settings and say what each setting is worth
///
/// The file lists factors and their levels; combinations that cannot run are left out and listed with the reason. A
/// command that was killed goes on where it was.
#[derive(Args)]
pub struct Ablate {
    /// The factors, and the numbers below
    #[arg(long, value_name = "FILE.toml")]
    pub(super) config: PathBuf,
    /// A built-in surface, a directory of tables, or one table of it as DIR#TASK; repeatable [default: the file's, else
    /// all built-in ones]
    #[arg(long = "surface", value_name = "NAME|DIR|DIR#TASK")]
    pub(super) surfaces: Vec<String>,
    /// Trials of a run [default: the file's, else 30]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(super) trials: Option<usize>,
    /// Runs of each combination on each surface [default: the file's, else 3]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(super) seeds: Option<usize>,
    /// The master seed [default: the file's, else 0]
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    pub(super) seed: Option<u64>,
    /// Runs at the same time; results do not depend on it [default: one a core]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(super) jobs: Option<usize>,
    /// Where trials.csv, summary.json, effects.json, report.html and the finished runs (runs.jsonl) go
    #[arg(long, value_name = "DIR", default_value = "hyperq-ablation")]
    pub(super) out: PathBuf,
    /// What to print: tables, or the content of effects.json
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(super) format: Format,
    /// No progress on stderr
    #[arg(long)]
    pub(super) quiet: bool,
}

/// The content of `effects.json`.
#[derive(Serialize)]
struct Findings<'a> {
    /// By the measures that there are: after the last trial, and over all trials.
    effects: Vec<&'a Effects>,
    refused: &'a [Refused],
}

/// What an ablation came to.
pub(super) struct Ablated {
    pub results: Results,
    pub summary: Summary,
    pub effects: Vec<Effects>,
    pub command: String,
    written: Written,
    findings: String,
}

impl Ablate {
    /// Runs the ablation, writes the files and prints the tables.
    pub fn run(&self) -> Result<(), Failure> {
        let Ablated { results, summary, effects, written, findings, .. } = self.execute()?;
        match self.format {
            Format::Json => print(&findings)?,
            Format::Table => {
                for effects in &effects {
                    print(&format!("{}\n\n", effects_table(effects)))?;
                }
                conclude(&results, &summary, &written, &self.out, self.format, self.quiet)?;
            }
        }
        if results.interrupted { Err(Failure::Interrupted) } else { Ok(()) }
    }

    /// Runs the ablation and writes the files.
    pub(super) fn execute(&self) -> Result<Ablated, Failure> {
        let ablation = Ablation::read(&self.config).map_err(Failure::usage)?;
        let mut names = self.surfaces.clone();
        if names.is_empty() {
            names.clone_from(&ablation.surfaces);
        }
        if names.is_empty() {
            names = surface::builtin_names();
        }
        let mut surfaces: Vec<Arc<dyn Surface>> = Vec::new();
        for name in distinct(&names) {
            surfaces.extend(surface::open(name).map_err(Failure::usage)?);
        }
        let default = Plan::default();
        let trials = self.trials.or(ablation.trials).unwrap_or(default.trials);
        let all = ablation.combinations(&surfaces, trials).map_err(Failure::usage)?;
        let plan = all
            .plan(Plan {
                surfaces,
                trials,
                seeds: self.seeds.or(ablation.seeds).unwrap_or(default.seeds),
                seed: self.seed.or(ablation.seed).unwrap_or(default.seed),
                jobs: self.jobs.or(ablation.jobs).unwrap_or(default.jobs),
                ..default
            })
            .map_err(Failure::usage)?;
        plan.check().map_err(Failure::usage)?;
        std::fs::create_dir_all(&self.out)
            .map_err(|error| Failure::Usage(format!("{}: {error}", self.out.display())))?;
        let saved = saved_in(&self.out)?;
        if !self.quiet {
            self.announce(&all, saved.len());
        }
        let results = watched(&plan, Some(&saved), self.quiet)?;
        let summary = Summary::of(&results);
        let effects: Vec<Effects> = [Measure::Last, Measure::Area]
            .into_iter()
            .filter_map(|measure| Effects::of(&results, &all, measure))
            .collect();
        let findings = Findings { effects: effects.iter().collect(), refused: &all.refused };
        let findings = serde_json::to_string_pretty(&findings).map_err(Failure::failed)? + "\n";
        let path = self.out.join("effects.json");
        std::fs::write(&path, &findings)
            .map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))?;
        let command = self.command(&plan);
        let written = experiment::write_ablation(&results, &summary, &effects, &command, &self.out)
            .map_err(Failure::failed)?;
        Ok(Ablated { results, summary, effects, command, written, findings })
    }

    /// Says what runs and what does not.
    fn announce(&self, all: &Combinations, saved: usize) {
        let mut stderr = std::io::stderr().lock();
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        all.refused.iter().for_each(|one| *reasons.entry(&one.reason).or_default() += 1);
        for (reason, count) in reasons {
            let _ = writeln!(stderr, "left out, {count} combination(s): {reason}");
        }
        if saved > 0 {
            let path = self.out.join("runs.jsonl");
            let _ = writeln!(stderr, "{saved} finished runs are in {}", path.display());
        }
    }

    fn command(&self, plan: &Plan) -> String {
        let mut words = vec!["hyperq".to_owned(), "ablate".to_owned()];
        let mut option =
            |name: &str, value: String| words.extend([name.to_owned(), quoted(&value)]);
        option("--config", self.config.display().to_string());
        self.surfaces.iter().for_each(|surface| option("--surface", surface.clone()));
        option("--trials", plan.trials.to_string());
        option("--seeds", plan.seeds.to_string());
        option("--seed", plan.seed.to_string());
        words.join(" ")
    }
}

/// The factors with their levels, and what each is worth.
pub(super) fn effects_table(effects: &Effects) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "factor",
        "level",
        "regret",
        "effect",
        "95% interval",
        "blocks",
        "p",
    ]);
    for factor in &effects.factors {
        if factor.levels.is_empty() {
            let nothing = "a combination that cannot run is in every comparison";
            table.add_row([&factor.factor, nothing]);
        }
        for (place, level) in factor.levels.iter().enumerate() {
            let first = |text: String| if place == 0 { text } else { String::new() };
            let interval = level
                .interval
                .map_or_else(|| "-".to_owned(), |[low, high]| format!("{low:+.4} to {high:+.4}"));
            let p = factor.p.map_or_else(|| "-".to_owned(), p_value);
            table.add_row([
                first(factor.factor.clone()),
                level.level.clone(),
                format!("{:.4}", level.mean),
                format!("{:+.4}", level.effect),
                interval,
                first(factor.blocks.to_string()),
                first(p),
            ]);
        }
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index > 1 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let what = match effects.measure {
        Measure::Last => "after the last trial",
        Measure::Area => "averaged over the trials",
    };
    format!(
        "normalized regret {what}; an effect is the difference from the mean over the factor's levels,\n\
         the other factors alike ({} {}s)\n\n{}",
        effects.units,
        effects.unit,
        table.trim_fmt()
    )
}

pub(super) fn p_value(p: f64) -> String {
    if p < 0.001 { "<0.001".to_owned() } else { format!("{p:.3}") }
}
