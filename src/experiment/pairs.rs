//! Strategies in pairs, surface by surface.

use serde::{Deserialize, Serialize};

use super::metrics::log_area;
use super::runner::{End, Results};
use super::statistics::{Interval, RESAMPLES, Statistic, bootstrap, mean, wilcoxon};
use super::summary::checkpoints;
use crate::streams::Streams;

/// One strategy against another on the surfaces that both finished. The unit is the surface: seeds are
/// averaged first, so intervals and tests speak of the choice of surfaces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The strategy.
    pub strategy: String,
    /// What it is compared with.
    pub against: String,
    /// The surfaces that both finished.
    pub surfaces: usize,
    /// The mean over surfaces of `(A' - A) / A'`, where `A` is the area under the strategy's curve of normalized
    /// regret over the logarithm of time ([`log_area`]), and `A'` that of the other; 0 where both are 0, and -1
    /// where only `A'` is.
    pub relative_improvement: f64,
    /// Its bootstrap interval over surfaces; `None` with one surface.
    pub relative_improvement_interval: Option<Interval>,
    /// The surfaces on which the strategy's area is larger, that is worse.
    pub hurt: Vec<String>,
    /// Differences of normalized regret at the checkpoints.
    pub differences: Vec<Difference>,
}

/// How much normalized regret differs after some trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// After how many trials.
    pub trial: usize,
    /// The mean over surfaces of the strategy's regret less the other's: below 0 it is better.
    pub mean: f64,
    /// Its bootstrap interval over surfaces; `None` with one surface.
    pub interval: Option<Interval>,
    /// The two-sided p-value of the signed-rank test (Wilcoxon 1945); `None` where all differences are 0.
    pub p: Option<f64>,
}

impl Pair {
    /// Compares two strategies by their names; `None` where no surface with a range was finished by both.
    pub fn of(results: &Results, strategy: &str, against: &str) -> Option<Self> {
        let plan = &results.plan;
        let place = |name: &str| plan.strategies.iter().position(|entrant| entrant.name == name);
        let (ours, theirs) = (place(strategy)?, place(against)?);
        let mut names = Vec::new();
        let mut curves = Vec::new();
        for (surface, open) in plan.surfaces.iter().enumerate() {
            let mean = |strategy| mean_curve(results, surface, strategy);
            if let (Some(own), Some(other)) = (mean(ours), mean(theirs)) {
                names.push(open.spec().name.clone());
                curves.push((own, other));
            }
        }
        let improvements: Vec<f64> = curves
            .iter()
            .map(|(own, other)| match (log_area(own), log_area(other)) {
                (0.0, 0.0) => 0.0,
                (_, 0.0) => -1.0,
                (own, other) => (other - own) / other,
            })
            .collect();
        let streams = Streams::new(plan.seed);
        let interval = |values: &[f64], purpose: u64| {
            let strata = [values.to_vec()];
            bootstrap(&strata, Statistic::Mean, RESAMPLES, &mut streams.at("pairs", purpose))
        };
        let differences = checkpoints(plan.trials)
            .into_iter()
            .map(|trial| {
                let at = |(own, other): &(Vec<f64>, Vec<f64>)| own[trial - 1] - other[trial - 1];
                let differences: Vec<f64> = curves.iter().map(at).collect();
                Some(Difference {
                    trial,
                    mean: mean(&differences)?,
                    interval: interval(&differences, trial as u64),
                    p: wilcoxon(&differences),
                })
            })
            .collect::<Option<_>>()?;
        Some(Self {
            strategy: strategy.to_owned(),
            against: against.to_owned(),
            surfaces: names.len(),
            relative_improvement: mean(&improvements)?,
            relative_improvement_interval: interval(&improvements, 0),
            hurt: names
                .into_iter()
                .zip(&improvements)
                .filter(|(_, improvement)| **improvement < 0.0)
                .map(|(name, _)| name)
                .collect(),
            differences,
        })
    }
}

/// The mean over finished runs of normalized regret, trial by trial, 1 before the first complete trial; `None`
/// without a finished run or a range.
fn mean_curve(results: &Results, surface: usize, strategy: usize) -> Option<Vec<f64>> {
    let plan = &results.plan;
    plan.surfaces[surface].spec().range?;
    let runs: Vec<_> =
        results.cell(surface, strategy).iter().filter(|run| run.end == End::Finished).collect();
    if runs.is_empty() {
        return None;
    }
    let mut sum = vec![0.0; plan.trials];
    for run in &runs {
        for (sum, regret) in sum.iter_mut().zip(results.regrets(run)) {
            *sum += regret / runs.len() as f64;
        }
    }
    Some(sum)
}
