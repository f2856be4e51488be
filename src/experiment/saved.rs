//! Finished runs in a file, so that a comparison that was killed goes on where it was.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::plan::{Entrant, Plan};
use super::runner::{End, Record, Run};
use crate::error::{Error, Result};
use crate::explore::Selection;
use crate::streams::fnv1a;
use crate::surface::Spec;

/// A file of finished runs, one a line, each under a key of all that it depends on: the version of this crate,
/// the strategy with its settings, the surface, the trials, the master seed and the number of the seed. So a plan
/// with more seeds, strategies or surfaces finds the runs that it shares with an earlier one.
///
/// Of a surface the key has the name, the space, the grid, the range and the meta-features. A table whose values
/// were changed between its best and its worst is not noticed: delete the file then.
///
/// ```
/// use hyperq::experiment::{Entrant, Plan, SavedRuns, run_saved};
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("runs.jsonl");
/// let mut plan = Plan {
///     surfaces: hyperq::surface::open("branin")?,
///     strategies: vec![Entrant::named("random")?],
///     seeds: 1,
///     ..Plan::default()
/// };
/// run_saved(&plan, &SavedRuns::open(&path)?, &|_| (), &Default::default())?;
/// plan.seeds = 2;
/// let saved = SavedRuns::open(&path)?;
/// assert_eq!(saved.len(), 1);
/// // Only the second seed is run.
/// let results = run_saved(&plan, &saved, &|_| (), &Default::default())?;
/// assert_eq!(results.runs.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SavedRuns {
    path: PathBuf,
    file: Mutex<File>,
    runs: HashMap<String, Line>,
}

/// A line of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    key: String,
    /// For the reader of the file.
    surface: String,
    /// As well.
    strategy: String,
    seed: usize,
    records: Vec<SavedRecord>,
    first_failure: Option<String>,
}

/// A [`Record`]: value, repeated, exploratory and spread, evaluations, microseconds of ask and tell.
type SavedRecord = (Option<f64>, bool, Option<(bool, f32)>, u32, f32, f32);

impl SavedRuns {
    /// Opens a file, which is made where it is missing. A last line that was not finished, as a killed process
    /// leaves one, is cut off.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the file cannot be read or written; [`Error::File`] with the line where another one is no
    /// run.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::io(&path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(Error::io(&path))?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let mut runs = HashMap::new();
        for (number, line) in bytes[..whole].split(|byte| *byte == b'\n').enumerate() {
            if line.is_empty() {
                continue;
            }
            let line: Line = serde_json::from_slice(line).map_err(|error| {
                let rule =
                    "every line must be a run of a comparison; delete the file to begin anew";
                Error::file(&path, number as u64 + 1, rule, error.to_string())
            })?;
            runs.insert(line.key.clone(), line);
        }
        file.set_len(whole as u64).map_err(Error::io(&path))?;
        file.seek(SeekFrom::End(0)).map_err(Error::io(&path))?;
        Ok(Self { path, file: Mutex::new(file), runs })
    }

    /// The number of runs in the file when it was opened.
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    /// Whether there were none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The run of these places in a plan, if it is kept.
    pub(super) fn find(
        &self,
        key: &str,
        [surface, strategy, seed]: [usize; 3],
        trials: usize,
    ) -> Option<Run> {
        let line = self.runs.get(key).filter(|line| line.records.len() == trials)?;
        let records =
            line.records.iter().map(|&(value, repeated, chosen, evaluations, ask, tell)| Record {
                value,
                repeated,
                selection: chosen.map(|(exploratory, spread)| Selection { exploratory, spread }),
                evaluations,
                ask_micros: ask,
                tell_micros: tell,
            });
        Some(Run {
            surface,
            strategy,
            seed,
            records: records.collect(),
            end: End::Finished,
            first_failure: line.first_failure.clone(),
        })
    }

    /// Adds a finished run.
    pub(super) fn keep(&self, key: String, run: &Run, plan: &Plan) -> Result<()> {
        let records = run.records.iter().map(|record| {
            // A value function that diverged has no spread, and JSON no NaN.
            let selection = record.selection.filter(|selection| selection.spread.is_finite());
            (
                record.value,
                record.repeated,
                selection.map(|selection| (selection.exploratory, selection.spread)),
                record.evaluations,
                record.ask_micros,
                record.tell_micros,
            )
        });
        let line = Line {
            key,
            surface: plan.surfaces[run.surface].spec().name.clone(),
            strategy: plan.strategies[run.strategy].name.clone(),
            seed: run.seed,
            records: records.collect(),
            first_failure: run.first_failure.clone(),
        };
        let mut text = serde_json::to_vec(&line)
            .map_err(|error| Error::Io { path: self.path.clone(), source: error.into() })?;
        text.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&text).map_err(Error::io(&self.path))
    }
}

/// What a run depends on, as a number in hexadecimal digits; of the surface its [`fingerprint`].
pub(super) fn key(plan: &Plan, surface: &str, entrant: &Entrant, seed: usize) -> String {
    hashed(&json!([
        env!("CARGO_PKG_VERSION"),
        surface,
        entrant.strategy,
        entrant.evaluations,
        plan.trials,
        plan.seed,
        seed,
    ]))
}

/// What is known of a surface, as a number in hexadecimal digits.
pub(super) fn fingerprint(spec: &Spec) -> String {
    let grid = spec.grid.as_ref().map(|grid| {
        let rows = grid.configurations().iter().map(ToString::to_string).collect::<Vec<_>>();
        fnv1a(rows.join("\n").as_bytes())
    });
    let range = spec.range.map(|range| [range.best, range.worst].map(f64::to_bits));
    hashed(&json!([
        spec.name,
        spec.space,
        format!("{:?}", spec.direction),
        grid,
        range,
        spec.optimum.map(f64::to_bits),
        spec.meta_features.iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
    ]))
}

fn hashed(parts: &serde_json::Value) -> String {
    format!("{:016x}", fnv1a(parts.to_string().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Progress, run, run_saved, trials_csv};
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    fn plan() -> Plan {
        Plan {
            surfaces: crate::surface::open("branin").unwrap(),
            strategies: ["random", "kernel-select-softmax", "random-2x"]
                .map(|name| Entrant::named(name).unwrap())
                .into(),
            trials: 9,
            seeds: 2,
            jobs: 1,
            ..Plan::default()
        }
    }

    /// The trials without their times.
    fn untimed(results: &crate::experiment::Results) -> Vec<String> {
        let csv = String::from_utf8(trials_csv(results).unwrap()).unwrap();
        csv.lines().map(|line| line.rsplitn(3, ',').last().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_comparison_that_stopped_goes_on_to_the_same_trials() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("runs.jsonl");
        let whole = run(&plan(), &|_| (), &AtomicBool::new(false)).unwrap();
        let cancel = AtomicBool::new(false);
        let stop = |progress: Progress| cancel.store(progress.trials >= 20, Ordering::Relaxed);
        let saved = SavedRuns::open(&path).unwrap();
        let part = run_saved(&plan(), &saved, &stop, &cancel).unwrap();
        assert!(part.interrupted);
        // As a process leaves it that is killed while it writes.
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(b"{\"key\":\"12");
        std::fs::write(&path, bytes).unwrap();
        let saved = SavedRuns::open(&path).unwrap();
        assert_eq!(saved.len(), 2);
        let shown = AtomicU64::new(0);
        let show = |progress: Progress| {
            shown.store(progress.trials, Ordering::Relaxed);
        };
        let rest = run_saved(&plan(), &saved, &show, &AtomicBool::new(false)).unwrap();
        assert_eq!(untimed(&rest), untimed(&whole));
        assert_eq!(shown.into_inner(), 3 * 2 * 9);
        assert_eq!(SavedRuns::open(&path).unwrap().len(), 6);
    }

    #[test]
    fn runs_that_depend_on_something_else_are_run() {
        let plan = plan();
        let spec = plan.surfaces[0].spec();
        let surface = fingerprint(spec);
        let own = key(&plan, &surface, &plan.strategies[0], 0);
        assert_eq!(own, key(&Plan { seeds: 9, ..plan.clone() }, &surface, &plan.strategies[0], 0));
        let mut moved = spec.clone();
        moved.range = spec.range.map(|r| crate::surface::Range { worst: r.worst + 1.0, ..r });
        for other in [
            key(&plan, &surface, &plan.strategies[0], 1),
            key(&plan, &surface, &plan.strategies[2], 0),
            key(&plan, &fingerprint(&moved), &plan.strategies[0], 0),
            key(&Plan { trials: 10, ..plan.clone() }, &surface, &plan.strategies[0], 0),
            key(&Plan { seed: 1, ..plan.clone() }, &surface, &plan.strategies[0], 0),
        ] {
            assert_ne!(own, other);
        }
    }

    #[test]
    fn a_file_of_something_else_is_refused_with_the_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("runs.jsonl");
        std::fs::write(&path, "\n{\"key\":1}\n").unwrap();
        let error = SavedRuns::open(&path).unwrap_err().to_string();
        assert!(error.contains("runs.jsonl:2: every line must be a run"), "{error}");
    }
}
