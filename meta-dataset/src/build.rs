//! Trains everything that is asked for, as many trainings at a time as there are jobs, and keeps what
//! is done in [`Partial`] files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use hyperq::space::Configuration;

use crate::data::{DataSet, SEED};
use crate::error::Result;
use crate::learner::Learner;
use crate::partial::Partial;
use crate::score::{self, Row};

/// The configurations of a chunk, the most that a killed run loses of each job. The support vector
/// machines of one kernel make one chunk.
const CHUNK: usize = 12;

/// The results of learners on data sets: by learner and data set.
pub type Results = BTreeMap<(&'static str, String), Vec<Row>>;

/// Where partial results lie and how many trainings run at a time. The results do not depend on it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The folder of the partial results.
    pub work: PathBuf,
    /// The most trainings at a time.
    pub jobs: usize,
}

/// Trains what is not in the folder of partial results yet: learner after learner, data set after data
/// set. `progress` is told how many configurations are done, of how many, and of what.
///
/// # Errors
///
/// Those of [`score::rows`] and of [`Partial`]; what is done by then is kept.
pub fn build(
    learners: &[&'static dyn Learner],
    data_sets: &[DataSet],
    plan: &Plan,
    progress: &(dyn Fn(usize, usize, &str) + Sync),
) -> Result<Results> {
    let mut tasks = Vec::new();
    for &learner in learners {
        let configurations = learner.configurations()?;
        for used in data_sets {
            let of = identity(learner, &configurations, used)?;
            let partial = Partial::open(path(&plan.work, learner, used), &of)?;
            tasks.push((learner, configurations.clone(), used, partial));
        }
    }
    let all: usize = tasks.iter().map(|(_, configurations, ..)| configurations.len()).sum();
    let done = AtomicUsize::new(
        tasks.iter().map(|(learner, .., partial)| configurations_in(*learner, partial)).sum(),
    );
    progress(done.load(Ordering::Relaxed), all, "");
    let found: Mutex<Results> = Mutex::default();
    let failure = Mutex::new(None);
    let stop = AtomicBool::new(false);
    let queue = Mutex::new(tasks.into_iter());
    let work = || {
        while let Some((learner, configurations, used, mut partial)) =
            queue.lock().ok().and_then(|mut queue| queue.next())
        {
            let name = format!("{}/{}", learner.name(), used.name);
            let folds = used.folds(learner.scaling());
            loop {
                let first = configurations_in(learner, &partial);
                if stop.load(Ordering::Relaxed) || first >= configurations.len() {
                    break;
                }
                let chunk = &configurations[first..configurations.len().min(first + CHUNK)];
                let rows = score::rows(learner, first, chunk, &folds);
                if let Err(error) = rows.and_then(|rows| partial.append(rows)) {
                    stop.store(true, Ordering::Relaxed);
                    if let Ok(mut failure) = failure.lock() {
                        failure.get_or_insert(error);
                    }
                    return;
                }
                let done = done.fetch_add(chunk.len(), Ordering::Relaxed) + chunk.len();
                progress(done, all, &name);
            }
            if let Ok(mut found) = found.lock() {
                found.insert((learner.name(), used.name.clone()), partial.rows);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..plan.jobs.max(1) {
            scope.spawn(work);
        }
    });
    match failure.into_inner() {
        Ok(Some(error)) => Err(error),
        _ => Ok(found.into_inner().unwrap_or_default()),
    }
}

/// The partial results of a learner on a data set that are there, none where they were not begun.
///
/// # Errors
///
/// As [`Partial::open`].
pub fn begun(learner: &dyn Learner, used: &DataSet, work: &Path) -> Result<Vec<Row>> {
    let path = path(work, learner, used);
    if !path.exists() {
        return Ok(Vec::new());
    }
    Ok(Partial::open(path, &identity(learner, &learner.configurations()?, used)?)?.rows)
}

fn path(work: &Path, learner: &dyn Learner, used: &DataSet) -> PathBuf {
    work.join(learner.name()).join(format!("{}.csv", used.name))
}

/// What the results are of: names, seed, and checksums of the configurations and of the rows.
fn identity(
    learner: &dyn Learner,
    configurations: &[Configuration],
    used: &DataSet,
) -> Result<String> {
    let texts: String =
        configurations.iter().map(|configuration| format!("{configuration}\n")).collect();
    let data = format!("{:?}{:?}", used.columns, used.labels);
    Ok(format!(
        "of,{},{},seed {SEED},configurations {:08x},data {:08x}",
        learner.name(),
        used.name,
        crc32fast::hash(texts.as_bytes()),
        crc32fast::hash(data.as_bytes()),
    ))
}

fn configurations_in(learner: &dyn Learner, partial: &Partial) -> usize {
    partial.rows.len() / learner.fractions().len()
}
