//! `hyperq ablate`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use hyperq::experiment::ablation::{Ablation, Combinations, Effects, Findings, Measure};
use hyperq::experiment::{self, Plan, Results, Summary, Written};

use super::command_line::CommandLine;
use super::compare::{Format, conclude, opened, saved_in, watched};
use super::numbers::Numbers;
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
    #[command(flatten)]
    pub(super) numbers: Numbers,
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

/// What an ablation came to.
pub(super) struct Ablated {
    pub results: Results,
    pub summary: Summary,
    pub findings: Findings,
    pub command: String,
    written: Written,
}

impl Ablate {
    /// Runs the ablation, writes the files and prints the tables.
    pub fn run(&self) -> Result<(), Failure> {
        let Ablated { results, summary, findings, written, .. } = self.execute()?;
        match self.format {
            Format::Json => print(&findings.to_json().map_err(Failure::failed)?)?,
            Format::Table => {
                for effects in &findings.effects {
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
        let names = if self.surfaces.is_empty() { &ablation.surfaces } else { &self.surfaces };
        let file = Numbers {
            trials: ablation.trials,
            seeds: ablation.seeds,
            seed: ablation.seed,
            jobs: ablation.jobs,
        };
        let plan = Plan { surfaces: opened(names)?, ..self.numbers.plan(&file) };
        let all = ablation.combinations(&plan.surfaces, plan.trials).map_err(Failure::usage)?;
        let plan = all.plan(plan).map_err(Failure::usage)?;
        plan.check().map_err(Failure::usage)?;
        std::fs::create_dir_all(&self.out)
            .map_err(|error| Failure::Usage(format!("{}: {error}", self.out.display())))?;
        let saved = saved_in(&self.out)?;
        if !self.quiet {
            self.announce(&all, saved.len());
        }
        let results = watched(&plan, Some(&saved), self.quiet)?;
        let summary = Summary::of(&results);
        let findings = Findings::of(&results, all);
        let command = self.command(&plan);
        let written =
            experiment::write_ablation(&results, &summary, &findings, &command, &self.out)
                .map_err(Failure::failed)?;
        Ok(Ablated { results, summary, findings, command, written })
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
        let mut command = CommandLine::new("ablate");
        command.option("config", self.config.display());
        command.options("surface", &self.surfaces);
        command.numbers(plan);
        command.into_text()
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
