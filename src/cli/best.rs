//! `hyperq best`.

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use hyperq::storage::StoredTrial;
use serde_json::{Map, Value as Json, json};

use super::compare::Format;
use super::storage::{Stored, StudyOptions};
use super::trials::{decimal, parameters};
use super::{Failure, print};

/// Print the best configuration of a study, or the Pareto front of several objectives
#[derive(Args)]
pub struct BestCommand {
    #[command(flatten)]
    study: StudyOptions,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

impl BestCommand {
    /// Prints the best.
    pub fn run(&self) -> Result<(), Failure> {
        let best = best_of(&self.study)?;
        if best.trials.is_empty() {
            return Err(Failure::Failed(format!("{}: no trial is complete", best.study)));
        }
        match self.format {
            Format::Table => print(&best.table()),
            Format::Json => print(&format!("{}\n", best.json())),
        }
    }
}

/// The best trials of a study, ready to be printed.
pub(super) struct Best {
    study: String,
    objectives: Vec<String>,
    trials: Vec<StoredTrial>,
}

pub(super) fn best_of(study: &StudyOptions) -> Result<Best, Failure> {
    let stored = Stored::read(study)?;
    let best = stored.best().map_err(Failure::failed)?;
    let trials = best.into_iter().cloned().collect();
    Ok(Best { study: stored.name.clone(), objectives: stored.objectives(), trials })
}

impl Best {
    /// A table: one trial from top to bottom, several side by side.
    pub(super) fn table(&self) -> String {
        if self.trials.is_empty() {
            return "no trial is complete\n".to_owned();
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let [trial] = self.trials.as_slice() else { return self.front(table) };
        table.set_header(vec!["best trial".to_owned(), trial.number.to_string()]);
        for (name, value) in self.objectives.iter().zip(trial.values.iter().flatten()) {
            table.add_row(vec![name.clone(), decimal(*value)]);
        }
        for (name, value) in parameters(trial) {
            table.add_row(vec![name, text(&value)]);
        }
        if let Some(column) = table.column_mut(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        format!("{table}\n")
    }

    fn front(&self, mut table: Table) -> String {
        let mut names: Vec<String> = Vec::new();
        for (name, _) in self.trials.iter().flat_map(parameters) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let header = ["trial".to_owned()].into_iter();
        table.set_header(header.chain(self.objectives.iter().cloned()).chain(names.clone()));
        for trial in &self.trials {
            let given: Map<String, Json> = parameters(trial).collect();
            let values = trial.values.iter().flatten().map(|value| decimal(*value));
            let cells = names.iter().map(|name| given.get(name).map_or(String::new(), text));
            table.add_row([trial.number.to_string()].into_iter().chain(values).chain(cells));
        }
        format!("{} best compromises\n{table}\n", self.trials.len())
    }

    /// One line: an object, or an array of them where there are several objectives.
    pub(super) fn json(&self) -> Json {
        let one = |trial: &StoredTrial| {
            let values: Map<String, Json> = self
                .objectives
                .iter()
                .zip(trial.values.iter().flatten())
                .map(|(name, value)| (name.clone(), (*value).into()))
                .collect();
            json!({
                "trial": trial.number,
                "values": values,
                "configuration": parameters(trial).collect::<Map<_, _>>(),
            })
        };
        match (self.objectives.len(), self.trials.as_slice()) {
            (1, [trial]) => one(trial),
            (1, _) => Json::Null,
            _ => self.trials.iter().map(one).collect(),
        }
    }
}

fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Number(number) => number.as_f64().map_or(number.to_string(), |value| {
            if number.is_f64() { decimal(value) } else { number.to_string() }
        }),
        other => other.to_string(),
    }
}
