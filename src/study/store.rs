//! Studies in memory, written to disk as a whole.
//!
//! A directory holds `study.json` (readable: the space, the strategy, every trial and the small
//! state) and `arrays-<n>.safetensors` (weights, moments, replay). `study.json` names the arrays file
//! that belongs to it and is renamed into place last, so a crash leaves the older snapshot whole.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::builder::DEFAULT_NAME;
use super::scalarization::Scalarization;
use super::{Pruning, Record, Study};
use crate::error::{Error, Result};
use crate::optimizer::{GridCache, Optimizer, Problem};
use crate::persist::{Snapshot, write_atomically};
use crate::prune::PrunerConfig;
use crate::space::{Configuration, Grid, SearchSpace};
use crate::storage::TrialState;
use crate::strategy::Strategy;
use crate::streams::Streams;
use crate::trial::{Direction, History, PendingTrial, Trial, TrialId};

/// The format's number; a change that old readers would misread raises it.
const FORMAT: u32 = 1;
/// The path under which the optimizer writes.
const OPTIMIZER: &str = "optimizer";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StudyFile {
    format: u32,
    arrays: String,
    direction: Direction,
    /// Where there are several objectives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    objectives: Vec<Direction>,
    seed: u64,
    next: TrialId,
    space: SearchSpace,
    strategy: Option<Strategy>,
    grid: Option<Vec<serde_json::Value>>,
    meta_features: Vec<f64>,
    budget: Option<usize>,
    optimum: Option<f64>,
    trials: Vec<TrialLine>,
    pending: Vec<PendingLine>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    queue: Vec<serde_json::Map<String, serde_json::Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pruner: Option<PrunerConfig>,
    #[serde(default = "default_name")]
    name: String,
    state: BTreeMap<String, serde_json::Value>,
}

/// Snapshots that were written before studies had names.
fn default_name() -> String {
    DEFAULT_NAME.to_owned()
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrialLine {
    id: TrialId,
    configuration: serde_json::Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    /// Where there are several objectives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    values: Vec<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pruned: bool,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    intermediate: BTreeMap<i64, f64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PendingLine {
    id: TrialId,
    configuration: serde_json::Value,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    intermediate: BTreeMap<i64, f64>,
}

/// What every format has in common.
#[derive(Deserialize)]
struct FormatNumber {
    format: u32,
}

impl Study {
    /// Writes a snapshot into a directory, which is made where it is missing. An older snapshot there
    /// is replaced; a crash in the middle leaves it whole. Observers and criteria for stopping are not part
    /// of it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the directory cannot be written; [`Error::Unsuited`] where the study has a
    /// storage, which keeps it by itself.
    pub fn save(&self, directory: impl AsRef<Path>) -> Result<()> {
        let directory = directory.as_ref();
        if let Some(location) = self.location() {
            return Err(Error::unsuited(
                "a snapshot of the study",
                format!("its storage, {location}, keeps it already"),
            ));
        }
        std::fs::create_dir_all(directory).map_err(Error::io(directory))?;
        let mut snapshot = Snapshot::default();
        self.optimizer.save(OPTIMIZER, &mut snapshot)?;
        let json = |configuration: &Configuration| {
            serde_json::to_value(configuration)
                .map_err(|e| Error::snapshot("configuration", e.to_string()))
        };
        let arrays = free_arrays(directory);
        let several = self.directions.len() > 1;
        let file = StudyFile {
            format: FORMAT,
            arrays: arrays.clone(),
            direction: self.direction(),
            objectives: if several { self.directions.clone() } else { Vec::new() },
            seed: self.streams.seed(),
            next: TrialId(self.records.len() as u64),
            space: self.problem.space.clone(),
            strategy: self.strategy.clone(),
            grid: match &self.problem.grid {
                Some(grid) => Some(grid.configurations().iter().map(json).collect::<Result<_>>()?),
                None => None,
            },
            meta_features: self.problem.meta_features.clone(),
            budget: self.problem.budget,
            optimum: self.problem.optimum.map(|score| self.direction().value(score)),
            trials: self
                .history
                .trials()
                .iter()
                .map(|trial| {
                    let record = &self.records[trial.id.0 as usize];
                    let values = record.values.clone();
                    Ok(TrialLine {
                        id: trial.id,
                        configuration: json(&trial.configuration)?,
                        value: if several { None } else { values.first().copied() },
                        values: if several { values } else { Vec::new() },
                        failed: match record.state {
                            TrialState::Failed => Some(record.reason.clone().unwrap_or_default()),
                            _ => None,
                        },
                        pruned: record.state == TrialState::Pruned,
                        intermediate: record.intermediate.clone(),
                    })
                })
                .collect::<Result<_>>()?,
            pending: self
                .pending
                .iter()
                .map(|trial| {
                    Ok(PendingLine {
                        id: trial.id,
                        configuration: json(&trial.configuration)?,
                        intermediate: self.records[trial.id.0 as usize].intermediate.clone(),
                    })
                })
                .collect::<Result<_>>()?,
            queue: self.queue.iter().cloned().collect(),
            pruner: self.pruning.as_ref().map(|pruning| pruning.config.clone()),
            name: self.name.clone(),
            state: snapshot.json().clone(),
        };
        write_atomically(&directory.join(&arrays), &snapshot.arrays_to_bytes()?)?;
        let text = serde_json::to_string_pretty(&file)
            .map_err(|e| Error::snapshot("study.json", e.to_string()))?;
        write_atomically(&directory.join("study.json"), text.as_bytes())?;
        remove_others(directory, &arrays);
        Ok(())
    }

    /// Reads a study back that was built with a [`Strategy`]; it goes on bit for bit.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where a file is missing, [`Error::File`] where `study.json` is damaged or of
    /// another format, [`Error::Snapshot`] where its trials are not those of one study in its space,
    /// the state does not fit or the study was built with an optimizer of the caller's own.
    pub fn load(directory: impl AsRef<Path>) -> Result<Self> {
        Self::read(directory.as_ref(), None)
    }

    /// Reads a study back that was built with an optimizer of the caller's own: `optimizer`, freshly
    /// built with the same settings, takes over the saved state.
    ///
    /// # Errors
    ///
    /// As [`Study::load`], but [`Error::Snapshot`] where the study was built with a [`Strategy`], whose
    /// state no other optimizer can take over.
    pub fn load_with(directory: impl AsRef<Path>, optimizer: Box<dyn Optimizer>) -> Result<Self> {
        Self::read(directory.as_ref(), Some(optimizer))
    }

    fn read(directory: &Path, own: Option<Box<dyn Optimizer>>) -> Result<Self> {
        let path = directory.join("study.json");
        let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
        let wrong_format =
            |format| Error::file(&path, 1, format!("format {FORMAT} is needed"), format);
        let file: StudyFile = serde_json::from_str(&text).map_err(|e| {
            // Another format has other fields: its number says more than the first of them does.
            match serde_json::from_str::<FormatNumber>(&text) {
                Ok(FormatNumber { format }) if format != FORMAT => wrong_format(format),
                _ => Error::file(
                    &path,
                    e.line() as u64,
                    "a study of this version of hyperq is needed",
                    e,
                ),
            }
        })?;
        if file.format != FORMAT {
            return Err(wrong_format(file.format));
        }
        if !is_arrays(&file.arrays) {
            return Err(Error::file(
                &path,
                1,
                "`arrays` must name a file `arrays-<n>.safetensors` of the same directory",
                format!("`{}`", file.arrays),
            ));
        }
        check_ids(&file)?;
        let arrays = directory.join(&file.arrays);
        let bytes = std::fs::read(&arrays).map_err(Error::io(&arrays))?;
        let snapshot = Snapshot::from_parts(file.state, &bytes)?;
        let space = file.space;
        let configuration = |at: String, json: &serde_json::Value| {
            Configuration::from_json(&space, json).map_err(|e| Error::snapshot(at, e.to_string()))
        };
        let grid = match &file.grid {
            None => None,
            Some(rows) => {
                let rows = rows
                    .iter()
                    .enumerate()
                    .map(|(row, json)| configuration(format!("grid/{row}"), json))
                    .collect::<Result<_>>()?;
                Some(Arc::new(Grid::from_configurations(&space, rows)?))
            }
        };
        let streams = Streams::new(file.seed);
        let problem = Problem {
            direction: file.direction,
            space: space.clone(),
            grid,
            meta_features: file.meta_features,
            budget: file.budget,
            optimum: file.optimum.map(|value| file.direction.score(value)).transpose()?,
            grids: GridCache::default(),
        };
        let mut optimizer = match (own, &file.strategy) {
            (Some(optimizer), None) => optimizer,
            (Some(_), Some(_)) => {
                return Err(Error::snapshot(
                    "strategy",
                    "the study was built with a strategy of this crate; load it with `Study::load`",
                ));
            }
            (None, Some(strategy)) => strategy.build(&problem, streams)?,
            (None, None) => {
                return Err(Error::snapshot(
                    "strategy",
                    "the study was built with an optimizer of the caller's own; load it with `Study::load_with`",
                ));
            }
        };
        optimizer.load(OPTIMIZER, &snapshot)?;
        let directions = match file.objectives.as_slice() {
            [] => vec![file.direction],
            several => several.to_vec(),
        };
        let scalarization =
            (directions.len() > 1).then(|| Scalarization::new(&directions, streams));
        let mut study = Self {
            name: file.name.clone(),
            problem,
            directions,
            streams,
            strategy: file.strategy,
            optimizer,
            history: History::default(),
            pending: Vec::new(),
            records: vec![Record::new(TrialState::Running); file.next.0 as usize],
            queue: file.queue.into(),
            pruning: file.pruner.map(|pruner| Pruning::new(pruner, &file.name)).transpose()?,
            scalarization,
            shared: None,
            observers: Vec::new(),
            stops: Vec::new(),
        };
        for line in file.trials {
            let at = format!("trials/{}", line.id);
            let configuration = configuration(at.clone(), &line.configuration)?;
            let record = study.read_record(line)?;
            let id = record.0;
            study.records[id.0 as usize] = record.1;
            let outcome = study.outcome(id)?;
            study.history.push(Trial { id, configuration, outcome });
            study.rescale_history()?;
        }
        for line in file.pending {
            let at = format!("pending/{}", line.id);
            let configuration = configuration(at, &line.configuration)?;
            study.records[line.id.0 as usize].intermediate = line.intermediate;
            study.pending.push(PendingTrial { id: line.id, configuration });
        }
        Ok(study)
    }

    fn read_record(&self, line: TrialLine) -> Result<(TrialId, Record)> {
        let mut record = Record::new(TrialState::Complete);
        record.intermediate = line.intermediate;
        record.values = match line.value {
            Some(value) => vec![value],
            None => line.values,
        };
        record.state = match (&line.failed, line.pruned) {
            (Some(_), false) if record.values.is_empty() => TrialState::Failed,
            (None, true) => TrialState::Pruned,
            (None, false) if record.values.len() == self.directions.len() => TrialState::Complete,
            _ => {
                return Err(Error::snapshot(
                    format!("trials/{}", line.id),
                    "must have either a value or the reason of its failure",
                ));
            }
        };
        record.reason = line.failed;
        Ok((line.id, record))
    }
}

/// Refuses trials that no study can have: every number below `next` is that of one trial, which is
/// either finished or pending.
fn check_ids(file: &StudyFile) -> Result<()> {
    let finished = file.trials.iter().map(|line| ("trials", line.id));
    let pending = file.pending.iter().map(|line| ("pending", line.id));
    let mut seen = BTreeSet::new();
    for (list, id) in finished.chain(pending) {
        if id >= file.next {
            let problem = format!("must be below `next`, which is {}", file.next);
            return Err(Error::snapshot(format!("{list}/{id}"), problem));
        }
        if !seen.insert(id) {
            return Err(Error::snapshot(
                format!("{list}/{id}"),
                "is the second trial of this number",
            ));
        }
    }
    if seen.len() as u64 != file.next.0 {
        let problem = format!("must be the number of trials, {}, found {}", seen.len(), file.next);
        return Err(Error::snapshot("next", problem));
    }
    Ok(())
}

/// A name for the arrays that no file has yet.
pub(super) fn free_arrays(directory: &Path) -> String {
    (0u64..)
        .map(|n| format!("arrays-{n}.safetensors"))
        .find(|name| !directory.join(name).exists())
        .expect("some number is free")
}

/// Whether a name is one that [`free_arrays`] gives. No path to elsewhere is.
pub(super) fn is_arrays(name: &str) -> bool {
    name.strip_prefix("arrays-")
        .and_then(|rest| rest.strip_suffix(".safetensors"))
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// Removes the arrays of older snapshots. One that stays behind does no harm, so errors are no
/// reason to fail a save that has succeeded.
pub(super) fn remove_others(directory: &Path, keep: &str) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if is_arrays(&name) && name != keep {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
