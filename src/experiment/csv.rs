//! `trials.csv`: every trial, one a line.

use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

use super::runner::Results;

/// The columns of `trials.csv`. `seed` is the number of the seed from 0, `trial` counts from 1. Scores
/// are in the surface's own unit and direction; a failed evaluation has none. `repeated` says whether
/// the configuration had been tried before in the run, `exploratory` whether an action of a higher value was passed
/// over, and `value_spread` is the standard deviation of the values compared ([`Selection`](crate::explore::Selection));
/// both are empty where no values of actions were compared. The two last columns are
/// wall-clock times and the only ones that differ from one execution to the next.
pub const HEADER: [&str; 13] = [
    "surface",
    "strategy",
    "seed",
    "trial",
    "score",
    "best_score",
    "regret",
    "normalized_regret",
    "repeated",
    "exploratory",
    "value_spread",
    "ask_micros",
    "tell_micros",
];

/// The bytes of `trials.csv`, as [`write_trials`] writes them.
///
/// # Errors
///
/// [`Error::Io`] where the lines cannot be put together.
pub fn trials_csv(results: &Results) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write_trials(results, &mut bytes).map_err(Error::io(Path::new("trials.csv")))?;
    Ok(bytes)
}

/// Writes `trials.csv`, in the order surface, strategy, seed, trial, line by line: a large comparison has millions.
/// Numbers are written with as many digits as it takes to read the same number back. Of a run that was interrupted, or in
/// which the strategy reported an error, the trials up to there are written.
///
/// # Errors
///
/// What `into` reports.
pub fn write_trials(results: &Results, into: impl Write) -> std::io::Result<()> {
    let mut writer = csv::Writer::from_writer(into);
    writer.write_record(HEADER)?;
    for run in &results.runs {
        let spec = results.plan.surfaces[run.surface].spec();
        let strategy = &results.plan.strategies[run.strategy].name;
        let points = results.points(run);
        for (index, (record, point)) in run.records.iter().zip(points).enumerate() {
            writer.write_record([
                spec.name.as_str(),
                strategy,
                &run.seed.to_string(),
                &(index + 1).to_string(),
                &number(record.value),
                &number(point.best),
                &number(point.regret),
                &number(point.normalized_regret),
                &record.repeated.to_string(),
                &record.selection.map_or(String::new(), |s| s.exploratory.to_string()),
                &number(record.selection.map(|s| f64::from(s.spread))),
                &format!("{:.3}", record.ask_micros),
                &format!("{:.3}", record.tell_micros),
            ])?;
        }
    }
    writer.flush()
}

/// The shortest form that reads back as the same number; nothing for an unknown one.
fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| format!("{value:?}"))
}
