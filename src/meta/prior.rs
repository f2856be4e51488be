//! The learned prior: what earlier data sets say of a new one, before its first trial.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::corpus::Corpus;
use super::standardizer::Standardizer;
use crate::error::{Error, Result};
use crate::persist::{Array, Snapshot};
use crate::space::{Configuration, Grid};
use crate::trial::Trial;

/// The settings of the learned prior: a Gaussian prior over the normalized scores `z` of a new task,
///
/// ```text
/// w_k       proportional to  base_weight + exp(-d_k^2 / bandwidth)        sum_k w_k = 1
/// m(x)    = sum_k w_k z_k(x)
/// C(x,x') = (1 - blend) sum_k w_k (z_k(x) - m(x)) (z_k(x') - m(x'))
///           + blend v exp(-|x - x'|^2 / (2 length^2))
/// ```
///
/// where `z_k` is the table of training task `k`, scaled so that its worst score is 0 and its best 1,
/// `d_k^2` the mean squared difference between the standardized meta-features of task `k` and of the new
/// one, `v` the mean of the first term's variance over the table's configurations, and `x` encoded
/// configurations ([`SearchSpace::encode`](crate::space::SearchSpace::encode)). The first term knows which
/// configurations do well together; the second allows for what no training task has shown, and serves
/// configurations that no table has.
///
/// Sources: the mean and covariance over tasks as a Gaussian prior: Schwaighofer, Tresp & Yu 2005,
/// "Learning Gaussian process kernels via hierarchical Bayes"; Wang, Kim & Kaelbling 2018, "Regret bounds
/// for meta Bayesian optimization with an unknown Gaussian process prior". Weights by meta-features:
/// Wistuba, Schilling & Schmidt-Thieme 2016, "Two-stage transfer surrogate model".
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PriorSettings {
    /// The share of the kernel over configurations in the covariance, in `[0, 1]`.
    pub blend: f64,
    /// The length of that kernel, above 0; numeric parameters span 2.
    pub length: f64,
    /// The weight of tasks whatever their meta-features are, above 0.
    pub base_weight: f64,
    /// Which squared distance between meta-features counts as far, above 0.
    pub bandwidth: f64,
    /// The standard deviation of a trial's normalized score, above 0.
    pub noise: f64,
}

impl Default for PriorSettings {
    fn default() -> Self {
        Self { blend: 0.05, length: 0.5, base_weight: 0.05, bandwidth: 2.0, noise: 0.03 }
    }
}

impl PriorSettings {
    /// Refuses settings out of their range.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        let owner = "learned prior";
        if !(0.0..=1.0).contains(&self.blend) {
            return Err(Error::setting(owner, "blend", "in [0, 1]", self.blend));
        }
        for (setting, value) in [
            ("length", self.length),
            ("base-weight", self.base_weight),
            ("bandwidth", self.bandwidth),
            ("noise", self.noise),
        ] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::setting(owner, setting, "a finite number above 0", value));
            }
        }
        Ok(())
    }
}

/// A training task as the prior keeps it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Source {
    pub name: String,
    /// Standardized.
    pub meta_features: Vec<f64>,
    pub best: f64,
    pub worst: f64,
    /// The normalized score of each row of the grid.
    pub values: Vec<f64>,
}

impl Source {
    pub fn range(&self) -> f64 {
        self.best - self.worst
    }
}

/// The tables of the training tasks, from which the prior of any new task is made.
#[derive(Debug, Clone)]
pub struct LearnedPrior {
    grid: Arc<Grid>,
    standardizer: Standardizer,
    sources: Vec<Source>,
}

impl LearnedPrior {
    /// Learns from a corpus. A task whose scores are all equal says nothing and is left out. A
    /// configuration that a task lacks takes the mean of the other tasks' normalized scores there.
    pub fn new(corpus: &Corpus) -> Self {
        let meta_features: Vec<&[f64]> =
            corpus.tasks().iter().map(super::corpus::Task::meta_features).collect();
        let standardizer = Standardizer::fit(&meta_features, corpus.meta_features());
        let mut sources: Vec<Source> = corpus
            .tasks()
            .iter()
            .filter_map(|task| {
                let (best, worst) = task.best_and_worst();
                (best > worst).then(|| Source {
                    name: task.name().to_owned(),
                    meta_features: standardizer.apply(task.meta_features()),
                    best,
                    worst,
                    values: task.scores.iter().map(|s| (s - worst) / (best - worst)).collect(),
                })
            })
            .collect();
        fill_gaps(&mut sources, corpus.grid().len());
        Self { grid: Arc::clone(corpus.grid()), standardizer, sources }
    }

    /// A prior that knows no task: every normalized score is expected to be one half, and nothing but the
    /// kernel relates configurations.
    pub fn ignorant(grid: Arc<Grid>, meta_features: usize) -> Self {
        Self { grid, standardizer: Standardizer::fit(&[], meta_features), sources: Vec::new() }
    }

    /// The configurations of the training tasks.
    pub fn grid(&self) -> &Arc<Grid> {
        &self.grid
    }

    /// The number of training tasks.
    pub fn tasks(&self) -> usize {
        self.sources.len()
    }

    /// The names of the training tasks.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(|source| source.name.as_str())
    }

    pub(super) fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The number of meta-features that a new task must have, unless it has none.
    pub fn meta_features(&self) -> usize {
        self.standardizer.len()
    }

    /// Standardized meta-features of a new task; `None` where it has none.
    pub fn standardized(&self, meta_features: &[f64]) -> Option<Vec<f64>> {
        (!meta_features.is_empty()).then(|| self.standardizer.apply(meta_features))
    }

    /// The weight of each training task for a new one with these standardized meta-features, 0 for the
    /// excluded ones; the others sum to 1 where there are any.
    pub(super) fn weights(
        &self,
        settings: &PriorSettings,
        meta_features: Option<&[f64]>,
        excluded: &[usize],
    ) -> Vec<f64> {
        let mut weights: Vec<f64> = (0..self.sources.len())
            .map(|place| {
                if excluded.contains(&place) {
                    return 0.0;
                }
                let distance = meta_features.map_or(0.0, |own| {
                    let theirs = &self.sources[place].meta_features;
                    let sum: f64 = own.iter().zip(theirs).map(|(a, b)| (a - b).powi(2)).sum();
                    sum / own.len().max(1) as f64
                });
                settings.base_weight + (-distance / settings.bandwidth).exp()
            })
            .collect();
        let sum: f64 = weights.iter().sum();
        if sum > 0.0 {
            weights.iter_mut().for_each(|weight| *weight /= sum);
        }
        weights
    }

    pub(super) fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        self.standardizer.save(&format!("{at}/meta-features"), snapshot)?;
        let names: Vec<&str> = self.names().collect();
        snapshot.put(at, "tasks", &names)?;
        let flat = |of: fn(&Source) -> &[f64]| {
            Array::F64(self.sources.iter().flat_map(|source| of(source).iter().copied()).collect())
        };
        snapshot.put_array(at, "values", flat(|source| &source.values));
        snapshot.put_array(at, "task-meta-features", flat(|source| &source.meta_features));
        let ends = self.sources.iter().flat_map(|source| [source.best, source.worst]).collect();
        snapshot.put_array(at, "best-and-worst", Array::F64(ends));
        Ok(())
    }

    /// Reads a prior over `grid` back.
    pub(super) fn load(grid: Arc<Grid>, at: &str, snapshot: &Snapshot) -> Result<Self> {
        let standardizer = Standardizer::load(&format!("{at}/meta-features"), snapshot)?;
        let names: Vec<String> = snapshot.get(at, "tasks")?;
        let (rows, width) = (grid.len(), standardizer.len());
        let values = snapshot.f64s(at, "values", names.len() * rows)?;
        let meta = snapshot.f64s(at, "task-meta-features", names.len() * width)?;
        let ends = snapshot.f64s(at, "best-and-worst", names.len() * 2)?;
        let finite = |key: &str, numbers: &[f64]| match numbers.iter().all(|x| x.is_finite()) {
            true => Ok(()),
            false => Err(Error::snapshot(format!("{at}/{key}"), "must be finite numbers")),
        };
        finite("values", values)?;
        finite("task-meta-features", meta)?;
        finite("best-and-worst", ends)?;
        let sources = names
            .into_iter()
            .enumerate()
            .map(|(place, name)| {
                let [best, worst] = [ends[2 * place], ends[2 * place + 1]];
                if best <= worst {
                    let problem = format!("the best of `{name}`, {best}, must be above its worst");
                    return Err(Error::snapshot(format!("{at}/best-and-worst"), problem));
                }
                Ok(Source {
                    name,
                    meta_features: meta[place * width..][..width].to_vec(),
                    best,
                    worst,
                    values: values[place * rows..][..rows].to_vec(),
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self { grid, standardizer, sources })
    }
}

/// Replaces NaN by the mean of the other tasks at the same row, or where none has it by the task's own
/// mean.
fn fill_gaps(sources: &mut [Source], rows: usize) {
    let mean = |numbers: &mut dyn Iterator<Item = f64>| {
        let (sum, count) = numbers
            .filter(|number| !number.is_nan())
            .fold((0.0, 0u32), |(sum, count), number| (sum + number, count + 1));
        (count > 0).then(|| sum / f64::from(count))
    };
    for row in 0..rows {
        if sources.iter().all(|source| !source.values[row].is_nan()) {
            continue;
        }
        let of_row = mean(&mut sources.iter().map(|source| source.values[row]));
        for source in sources.iter_mut().filter(|source| source.values[row].is_nan()) {
            source.values[row] = of_row
                .or_else(|| mean(&mut source.values.iter().copied()))
                .expect("a task with a range has values");
        }
    }
}

/// The configurations that a choice is made among, in terms of the prior's own.
#[derive(Debug, Clone)]
pub struct Points {
    configurations: Vec<Configuration>,
    places: HashMap<Configuration, usize>,
    /// Encoded, one after the other.
    encoding: Vec<f32>,
    features: usize,
    /// What each point is made of: rows of the prior's grid with weights that sum to 1.
    parts: Vec<Vec<(u32, f64)>>,
}

/// A configuration that no table has is made of so many of the nearest ones.
const NEIGHBORS: usize = 8;

impl Points {
    /// The prior's own rows.
    pub fn own(prior: &LearnedPrior) -> Self {
        Self::new(prior, prior.grid.configurations().to_vec())
    }

    /// Any configurations of the prior's space. One that no training table has is taken for the mean of
    /// the nearest ones' rows, weighted by a Gaussian in the distance whose width is the distance to the
    /// nearest (Nadaraya 1964; Watson 1964).
    pub fn new(prior: &LearnedPrior, configurations: Vec<Configuration>) -> Self {
        let space = prior.grid.space();
        let features = space.features();
        let mut encoding = vec![0.0; configurations.len() * features];
        let mut parts = Vec::with_capacity(configurations.len());
        for (configuration, into) in configurations.iter().zip(encoding.chunks_exact_mut(features))
        {
            space.encode(configuration, into);
            parts.push(match prior.grid.position(configuration) {
                Some(row) => vec![(row as u32, 1.0)],
                None => nearest(prior.grid.encoding(), into),
            });
        }
        let places = configurations.iter().cloned().enumerate().map(|(p, c)| (c, p)).collect();
        Self { configurations, places, encoding, features, parts }
    }

    /// Adds the configurations of trials that are not among the points, as where the caller tried something
    /// else; says whether there were any.
    pub(super) fn admit(&mut self, prior: &LearnedPrior, trials: &[Trial]) -> bool {
        let mut unknown: Vec<Configuration> = Vec::new();
        for trial in trials {
            let configuration = &trial.configuration;
            if self.position(configuration).is_none() && !unknown.contains(configuration) {
                unknown.push(configuration.clone());
            }
        }
        if unknown.is_empty() {
            return false;
        }
        let all = self.configurations.iter().cloned().chain(unknown).collect();
        *self = Self::new(prior, all);
        true
    }

    /// The configurations.
    pub fn configurations(&self) -> &[Configuration] {
        &self.configurations
    }

    /// The number of points.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The place of a configuration.
    pub fn position(&self, configuration: &Configuration) -> Option<usize> {
        self.places.get(configuration).copied()
    }

    pub(super) fn encoded(&self, point: usize) -> &[f32] {
        &self.encoding[point * self.features..][..self.features]
    }

    /// What a function given by its values at the prior's rows is at a point.
    pub(super) fn value(&self, point: usize, rows: &[f64]) -> f64 {
        self.parts[point].iter().map(|&(row, weight)| weight * rows[row as usize]).sum()
    }
}

fn nearest(rows: &[f32], point: &[f32]) -> Vec<(u32, f64)> {
    let mut distances: Vec<(f64, u32)> = rows
        .chunks_exact(point.len())
        .enumerate()
        .map(|(row, own)| (square_distance(own, point), row as u32))
        .collect();
    distances.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    distances.truncate(NEIGHBORS);
    let least = distances[0].0.max(f64::MIN_POSITIVE);
    let mut parts: Vec<(u32, f64)> = distances
        .iter()
        .map(|&(distance, row)| (row, (-(distance - least) / (2.0 * least)).exp()))
        .collect();
    let sum: f64 = parts.iter().map(|(_, weight)| weight).sum();
    parts.iter_mut().for_each(|(_, weight)| *weight /= sum);
    parts
}

pub(super) fn square_distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum()
}
