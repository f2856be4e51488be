//! `hyperq trials`.

use clap::{Args, ValueEnum};
use comfy_table::{Table, presets};
use hyperq::storage::{REASON, StoredTrial, Timestamp, TrialState};
use serde_json::{Map, Value as Json, json};

use super::storage::{Stored, StudyOptions};
use super::{Failure, print};

/// List the trials of a study
#[derive(Args)]
pub struct Trials {
    #[command(flatten)]
    study: StudyOptions,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    Table,
    Csv,
    Json,
}

impl Trials {
    /// Lists them.
    pub fn run(&self) -> Result<(), Failure> {
        let stored = Stored::read(&self.study)?;
        let objectives = stored.objectives();
        let text = match self.format {
            Format::Json => {
                let all: Vec<Json> =
                    stored.trials().iter().map(|t| object(t, &objectives)).collect();
                let text = serde_json::to_string_pretty(&all).map_err(Failure::failed)?;
                format!("{text}\n")
            }
            Format::Csv => csv(stored.trials(), &objectives)?,
            Format::Table => {
                let (header, rows) = rows(stored.trials(), &objectives, decimal);
                let mut table = Table::new();
                table.load_style(presets::NOTHING).set_header(header);
                table.add_rows(rows);
                format!("{table}\n")
            }
        };
        print(&text)
    }
}

/// The parameters by name, as people write them.
pub(super) fn parameters(trial: &StoredTrial) -> impl Iterator<Item = (String, Json)> + '_ {
    trial.parameters.iter().map(|(name, parameter)| (name.clone(), parameter.external()))
}

/// A number for people: six significant digits.
pub(super) fn decimal(value: f64) -> String {
    let magnitude = value.abs();
    if !value.is_finite() || value == 0.0 {
        return value.to_string();
    }
    if (1e-4..1e7).contains(&magnitude) {
        let digits = (5 - magnitude.log10().floor() as i32).clamp(0, 10) as usize;
        let text = format!("{value:.digits$}");
        if text.contains('.') {
            return text.trim_end_matches('0').trim_end_matches('.').to_owned();
        }
        return text;
    }
    format!("{value:.5e}")
}

fn object(trial: &StoredTrial, objectives: &[String]) -> Json {
    let values: Map<String, Json> = objectives
        .iter()
        .zip(trial.values.iter().flatten())
        .map(|(name, value)| (name.clone(), finite_or_text(*value)))
        .collect();
    let intermediate: Map<String, Json> = trial
        .intermediate
        .iter()
        .map(|(step, value)| (step.to_string(), finite_or_text(*value)))
        .collect();
    json!({
        "trial": trial.number,
        "state": trial.state.to_string(),
        "values": values,
        "configuration": parameters(trial).collect::<Map<_, _>>(),
        "intermediate": intermediate,
        "attributes": trial.user_attributes,
        "started": trial.started.and_then(Timestamp::to_iso),
        "completed": trial.completed.and_then(Timestamp::to_iso),
    })
}

/// JSON has no NaN and no infinities, which Python workers may report.
fn finite_or_text(value: f64) -> Json {
    serde_json::Number::from_f64(value).map_or_else(|| value.to_string().into(), Json::Number)
}

fn csv(trials: &[StoredTrial], objectives: &[String]) -> Result<String, Failure> {
    let (header, rows) = rows(trials, objectives, |value| value.to_string());
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&header).map_err(Failure::failed)?;
    for row in rows {
        writer.write_record(&row).map_err(Failure::failed)?;
    }
    let bytes = writer.into_inner().map_err(Failure::failed)?;
    String::from_utf8(bytes).map_err(Failure::failed)
}

/// Number, state, objectives, parameters, reason; a column for each parameter that any trial has.
fn rows(
    trials: &[StoredTrial],
    objectives: &[String],
    number: impl Fn(f64) -> String,
) -> (Vec<String>, Vec<Vec<String>>) {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in trials.iter().flat_map(|trial| &trial.parameters) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let header = ["trial", "state"]
        .into_iter()
        .chain(objectives.iter().map(String::as_str))
        .chain(names.iter().copied())
        .chain([REASON])
        .map(str::to_owned)
        .collect();
    let rows = trials
        .iter()
        .map(|trial| {
            let values = trial.values.as_deref().unwrap_or_default();
            let mut row = vec![trial.number.to_string(), trial.state.to_string()];
            row.extend(
                (0..objectives.len()).map(|i| values.get(i).map_or(String::new(), |v| number(*v))),
            );
            row.extend(names.iter().map(|name| {
                match trial.parameters.iter().find(|(other, _)| other == name) {
                    None => String::new(),
                    Some((_, parameter)) => match parameter.external() {
                        Json::String(text) => text,
                        Json::Number(value) if value.is_f64() => {
                            number(value.as_f64().unwrap_or(f64::NAN))
                        }
                        other => other.to_string(),
                    },
                }
            }));
            let failure = trial.user_attributes.get(REASON).and_then(Json::as_str);
            let failed = trial.state == TrialState::Failed;
            row.push(if failed { failure.unwrap_or_default().to_owned() } else { String::new() });
            row
        })
        .collect();
    (header, rows)
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn numbers_have_six_digits_and_no_needless_ones() {
        for (value, text) in [
            (0.0, "0"),
            (0.5, "0.5"),
            (1234.0, "1234"),
            (0.123_456_789, "0.123457"),
            (-2.0e-7, "-2.00000e-7"),
            (123_456_789.0, "1.23457e8"),
            (99.999_999, "100"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(decimal(value), text);
        }
    }
}
