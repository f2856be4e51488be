//! The rule of the median.

use serde::{Deserialize, Serialize};

use super::{Peer, Progress, Pruner, at_least, best, better};
use crate::error::Result;
use crate::storage::TrialState;
use crate::trial::Direction;

/// Gives a trial up where its best intermediate value so far is worse than the median of the values that
/// the complete trials reported at the same step, and where all of its values are NaN (Golovin et al.
/// 2017; Optuna's `MedianPruner`).
///
/// Deviations from Optuna: the median of an even number of values of which the middle two are infinite
/// and equal is that infinity; Optuna's is NaN, which prunes nothing.
///
/// A decision takes `O(n log s)` time for `n` peers of `s` reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Median {
    /// No trial is given up before this many trials are complete.
    pub startup_trials: u64,
    /// No trial is given up before this step.
    pub warmup_steps: u64,
    /// A trial is judged once in each interval of this many steps, at the first report in it; intervals
    /// begin at `warmup_steps`. At least 1.
    pub interval_steps: u64,
    /// How many complete trials must have reported at the step, at least 1.
    pub min_trials: u64,
}

impl Default for Median {
    fn default() -> Self {
        Self { startup_trials: 5, warmup_steps: 0, interval_steps: 1, min_trials: 1 }
    }
}

impl Median {
    pub(super) fn check(&self) -> Result<()> {
        let owner = "pruner `median`";
        at_least(owner, "interval-steps", 1, self.interval_steps)?;
        at_least(owner, "min-trials", 1, self.min_trials)
    }

    /// Whether the latest report is the first one in an interval after the warm-up.
    fn is_due(&self, last: i64, previous: Option<i64>) -> bool {
        let interval = |step: i64| {
            let after = u64::try_from(step).ok()?.checked_sub(self.warmup_steps)?;
            Some(after / self.interval_steps)
        };
        let current = interval(last);
        current.is_some() && previous.and_then(interval) != current
    }
}

impl Pruner for Median {
    fn name(&self) -> &'static str {
        "median"
    }

    fn prune(&self, direction: Direction, trial: Progress<'_>, peers: &[Peer<'_>]) -> bool {
        let Some((step, _)) = trial.last() else { return false };
        if !self.is_due(step, trial.previous_step()) {
            return false;
        }
        let complete = || {
            peers
                .iter()
                .filter(|peer| peer.state == TrialState::Complete && peer.number != trial.number)
        };
        if (complete().count() as u64) < self.startup_trials.max(1) {
            return false;
        }
        let Some(best) = best(direction, trial.intermediate.values()) else { return true };
        let mut values: Vec<f64> =
            complete().filter_map(|peer| peer.intermediate.get(&step).copied()).collect();
        if (values.len() as u64) < self.min_trials {
            return false;
        }
        values.retain(|value| !value.is_nan());
        median(&mut values).is_some_and(|median| better(direction, median, best))
    }
}

/// The median of values that are not NaN; NaN between the two infinities, `None` of no values.
fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    let even = values.len().is_multiple_of(2);
    let (lower, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = *upper;
    if !even {
        return Some(upper);
    }
    lower.iter().copied().reduce(f64::max).map(|lower| f64::midpoint(lower, upper))
}
