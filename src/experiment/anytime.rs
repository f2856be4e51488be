//! How good runs are on their way, by trials and by the clock.

use serde::{Deserialize, Serialize};

use super::metrics::{area, log_area, regret_after, trials_within};
use super::runner::Run;
use super::statistics::{Interval, RESAMPLES, Statistic, TimeToTarget, bootstrap, mean, trials_to};
use crate::streams::Generator;

/// The normalized regrets that a summary gives the time to.
pub const TARGETS: [f64; 2] = [0.01, 0.05];

/// The lengths of an evaluation, in seconds, that a summary compares strategies for by the clock.
pub const EVALUATION_SECONDS: [f64; 3] = [0.1, 1.0, 60.0];

/// The normalized regret over the whole of a run, averaged over surfaces and seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Area {
    /// The mean over trials ([`area`]).
    pub linear: f64,
    /// Its confidence interval; `None` with one seed.
    pub linear_interval: Option<Interval>,
    /// The mean over the logarithm of trials ([`log_area`]).
    pub logarithmic: f64,
    /// Its confidence interval; `None` with one seed.
    pub logarithmic_interval: Option<Interval>,
}

/// What a strategy reaches within a time on the clock, if each evaluation took so many seconds. The strategy's own time
/// for proposals and for learning, as it was measured, is added. On each surface the time is that of the shortest
/// whole run of any strategy, so that none is asked for more trials than it has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WallClock {
    /// The seconds of an evaluation.
    pub evaluation_seconds: f64,
    /// The seconds that a run has, averaged over surfaces.
    pub budget_seconds: f64,
    /// The trials done by then, averaged over surfaces and seeds; the one under way counts in part.
    pub trials: f64,
    /// The mean normalized regret by then, interpolated between trials.
    pub regret: f64,
    /// Its confidence interval; `None` with one seed.
    pub regret_interval: Option<Interval>,
}

/// The finished runs of one strategy on a surface with a range.
pub(super) struct RangedRuns<'a> {
    /// The surface's place in the plan.
    pub surface: usize,
    pub runs: &'a [&'a Run],
    /// The normalized regret after each trial, run by run.
    pub curves: Vec<Vec<f64>>,
}

impl RangedRuns<'_> {
    fn of_curves(list: &[Self], get: impl Fn(&[f64]) -> f64) -> Vec<Vec<f64>> {
        list.iter().map(|own| own.curves.iter().map(|curve| get(curve)).collect()).collect()
    }

    /// The normalized regret at the end of each run, surface by surface.
    pub fn last(list: &[Self]) -> Vec<Vec<f64>> {
        Self::of_curves(list, |curve| curve.last().copied().unwrap_or(1.0))
    }

    /// How long the runs took to reach each of [`TARGETS`].
    pub fn time_to(list: &[Self], trials: usize, rng: impl Fn() -> Generator) -> Vec<TimeToTarget> {
        TARGETS
            .into_iter()
            .filter_map(|target| {
                let times: Vec<Vec<Option<usize>>> = list
                    .iter()
                    .map(|own| own.curves.iter().map(|curve| trials_to(curve, target)).collect())
                    .collect();
                TimeToTarget::of(target, &times, trials, &mut rng())
            })
            .collect()
    }

    /// The areas under the curves.
    pub fn area(list: &[Self], rng: impl Fn() -> Generator) -> Option<Area> {
        let interval =
            |strata: &[Vec<f64>]| bootstrap(strata, Statistic::Mean, RESAMPLES, &mut rng());
        let linear = Self::of_curves(list, area);
        let logarithmic = Self::of_curves(list, log_area);
        Some(Area {
            linear: Statistic::Mean.of(&linear)?,
            linear_interval: interval(&linear),
            logarithmic: Statistic::Mean.of(&logarithmic)?,
            logarithmic_interval: interval(&logarithmic),
        })
    }

    /// What the runs reach by the clock, given the [`budgets`] of the plan's surfaces.
    pub fn wall_clock(
        list: &[Self],
        budgets: &[Option<Budgets>],
        rng: impl Fn() -> Generator,
    ) -> Vec<WallClock> {
        EVALUATION_SECONDS
            .into_iter()
            .enumerate()
            .filter_map(|(place, evaluation_seconds)| {
                let (mut seconds, mut trials, mut regrets) = (Vec::new(), Vec::new(), Vec::new());
                for own in list {
                    let budget = budgets[own.surface]?[place];
                    let done: Vec<f64> = own
                        .runs
                        .iter()
                        .map(|run| trials_within(&ends(run, evaluation_seconds), budget))
                        .collect();
                    let reached = own.curves.iter().zip(&done);
                    regrets.push(reached.map(|(curve, done)| regret_after(curve, *done)).collect());
                    seconds.push(budget);
                    trials.push(done);
                }
                Some(WallClock {
                    evaluation_seconds,
                    budget_seconds: mean(&seconds)?,
                    trials: Statistic::Mean.of(&trials)?,
                    regret: Statistic::Mean.of(&regrets)?,
                    regret_interval: bootstrap(&regrets, Statistic::Mean, RESAMPLES, &mut rng()),
                })
            })
            .collect()
    }
}

/// The seconds that runs on one surface have, for each of [`EVALUATION_SECONDS`].
pub(super) type Budgets = [f64; EVALUATION_SECONDS.len()];

/// The time of the shortest of these runs of one surface; `None` of none.
pub(super) fn budgets<'a>(runs: impl Iterator<Item = &'a Run>) -> Option<Budgets> {
    runs.map(|run| {
        EVALUATION_SECONDS.map(|seconds| ends(run, seconds).last().copied().unwrap_or(0.0))
    })
    .reduce(|shortest, run| std::array::from_fn(|place| shortest[place].min(run[place])))
}

/// When each trial of a run would have ended, in seconds.
fn ends(run: &Run, evaluation_seconds: f64) -> Vec<f64> {
    run.records
        .iter()
        .scan(0.0, |now, record| {
            *now += (f64::from(record.ask_micros) + f64::from(record.tell_micros)) * 1e-6
                + f64::from(record.evaluations) * evaluation_seconds;
            Some(*now)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{End, Record};
    use crate::streams::Streams;

    /// A run whose trials take the strategy so many seconds each.
    fn run(own_seconds: f64, trials: usize) -> Run {
        let record = Record {
            value: Some(0.0),
            repeated: false,
            selection: None,
            evaluations: 1,
            ask_micros: (own_seconds * 0.75e6) as f32,
            tell_micros: (own_seconds * 0.25e6) as f32,
        };
        Run {
            surface: 0,
            strategy: 0,
            seed: 0,
            records: vec![record; trials],
            end: End::Finished,
            first_failure: None,
        }
    }

    #[test]
    fn a_slow_strategy_has_fewer_trials_by_the_clock() {
        let (fast, slow) = (run(0.0, 10), run(0.1, 10));
        let budgets = [budgets([&fast, &slow].into_iter())];
        for (found, wanted) in budgets[0].unwrap().iter().zip([1.0, 10.0, 600.0]) {
            assert!((found - wanted).abs() < 1e-9);
        }
        let curve: Vec<f64> = (1..=10).map(|trial| 1.0 - f64::from(trial) / 10.0).collect();
        let clock = |run: &Run| {
            let list = [RangedRuns { surface: 0, runs: &[run], curves: vec![curve.clone()] }];
            RangedRuns::wall_clock(&list, &budgets, || Streams::new(0).at("test", 0))
        };
        let (fast, slow) = (clock(&fast), clock(&slow));
        let close = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-9, "{found}");
        for (place, trials) in [5.0, 10.0 / 1.1, 600.0 / 60.1].into_iter().enumerate() {
            close(fast[place].trials, 10.0);
            close(fast[place].regret, 0.0);
            close(slow[place].trials, trials);
            close(slow[place].regret, 1.0 - trials / 10.0);
            assert_eq!(slow[place].regret_interval, None);
        }
    }

    #[test]
    fn without_runs_there_is_nothing() {
        let rng = || Streams::new(0).at("test", 0);
        assert_eq!(budgets(std::iter::empty()), None);
        assert!(RangedRuns::wall_clock(&[], &[], rng).is_empty());
        assert!(RangedRuns::time_to(&[], 10, rng).is_empty());
        assert_eq!(RangedRuns::area(&[], rng), None);
    }
}
