//! How long runs take to reach a target.

use super::{Interval, RESAMPLES, Statistic, bootstrap, mean};
use crate::streams::Generator;
use serde::{Deserialize, Serialize};

/// The number of trials after which a curve of regret is at the target or below; `None` where it never is.
///
/// ```
/// use hyperq::experiment::statistics::trials_to;
/// assert_eq!(trials_to(&[0.4, 0.1, 0.04], 0.1), Some(2));
/// assert_eq!(trials_to(&[0.4, 0.1, 0.04], 0.01), None);
/// ```
pub fn trials_to(curve: &[f64], target: f64) -> Option<usize> {
    curve.iter().position(|regret| *regret <= target).map(|place| place + 1)
}

/// How long runs took to reach a regret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimeToTarget {
    /// The regret to be reached.
    pub target: f64,
    /// The share of runs that reached it, averaged over surfaces.
    pub solved: f64,
    /// The trials that a run spent on its way, averaged over surfaces: those until the target, and all of them where it
    /// was not reached. It is the mean time restricted to the length of a run, which censoring does not distort.
    pub restricted_mean: f64,
    /// Its confidence interval; `None` with one seed.
    pub restricted_mean_interval: Option<Interval>,
    /// The expected running time of a strategy that starts anew after each run that misses the target: the trials
    /// that all runs spent over the number that reached it (Price 1997; Auger & Hansen 2005), each surface counting
    /// alike. `None` where no run did.
    pub expected_running_time: Option<f64>,
}

impl TimeToTarget {
    /// Summarizes the times of runs of so many trials, surface by surface, as [`trials_to`] gives them. Surfaces
    /// without runs do not count; `None` where none has any.
    pub fn of(
        target: f64,
        times: &[Vec<Option<usize>>],
        trials: usize,
        rng: &mut Generator,
    ) -> Option<Self> {
        let spent: Vec<Vec<f64>> = times
            .iter()
            .map(|times| times.iter().map(|time| time.unwrap_or(trials) as f64).collect())
            .collect();
        let shares: Vec<f64> = times
            .iter()
            .filter(|times| !times.is_empty())
            .map(|times| times.iter().flatten().count() as f64 / times.len() as f64)
            .collect();
        let solved = mean(&shares)?;
        let restricted_mean = Statistic::Mean.of(&spent)?;
        Some(Self {
            target,
            solved,
            restricted_mean,
            restricted_mean_interval: bootstrap(&spent, Statistic::Mean, RESAMPLES, rng),
            expected_running_time: (solved > 0.0).then(|| restricted_mean / solved),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::Streams;

    #[test]
    fn the_first_trial_counts_and_equality_suffices() {
        assert_eq!(trials_to(&[0.0], 0.0), Some(1));
        assert_eq!(trials_to(&[], 0.5), None);
    }

    #[test]
    fn the_expected_running_time_is_all_trials_over_the_runs_that_arrived() {
        let mut rng = Streams::new(1).at("bootstrap", 0);
        let times = vec![vec![Some(4), None, Some(6)], vec![], vec![None, Some(10), None]];
        let found = TimeToTarget::of(0.01, &times, 20, &mut rng).unwrap();
        assert_eq!(found.solved, 0.5);
        let all = 4.0 + 20.0 + 6.0 + 20.0 + 10.0 + 20.0;
        assert!((found.restricted_mean - all / 6.0).abs() < 1e-12);
        assert!((found.expected_running_time.unwrap() - all / 3.0).abs() < 1e-12);
        let [low, high] = found.restricted_mean_interval.unwrap();
        assert!(low < found.restricted_mean && found.restricted_mean < high && high <= 20.0);
        let never = TimeToTarget::of(0.01, &[vec![None]], 20, &mut rng).unwrap();
        assert_eq!((never.restricted_mean, never.expected_running_time), (20.0, None));
        assert_eq!(TimeToTarget::of(0.01, &[vec![]], 20, &mut rng), None);
    }
}
