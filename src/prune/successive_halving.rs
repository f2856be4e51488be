//! Asynchronous successive halving.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Peer, Progress, Pruner, Resource, at_least, better};
use crate::error::{Error, Result};
use crate::storage::TrialState;
use crate::trial::Direction;

/// Asynchronous successive halving (ASHA): at each rung of a ladder of steps, only the best
/// `1 / reduction_factor` of the trials that have reached it go on (Li et al. 2020; Optuna's
/// `SuccessiveHalvingPruner`).
///
/// ```text
/// step(r)  = min_resource reduction_factor^(min_early_stopping_rate + r),   r = 0, 1, ...
/// value(r) = the value of a trial's first report at step(r) or later
/// ```
///
/// The report that gives a trial its value of rung `r` decides whether the trial goes on. It does where
/// at most `max(1, floor(n / reduction_factor)) - 1` of the `n` values at the rung, its own included, are
/// better. A trial whose value is NaN is given up, and counts for nobody. Trials in every state count:
/// what a trial did before it was pruned or failed remains a fact.
///
/// Optuna notes the rungs that a trial has completed in its attributes. Here they follow from the
/// intermediate values, so that nothing has to be stored; the decisions differ where
///
/// - not every report is followed by a decision: Optuna takes the value of the first *decision* at the
///   rung's step or later, this pruner that of the first report, and it never judges a rung late;
/// - one report completes several rungs and its trial is pruned: Optuna knows at which of them, this
///   pruner takes the lowest, so that the trial does not count at the others;
/// - `min_resource` is `auto`: Optuna estimates it once in each process, this pruner anew for each
///   decision, from the trials that are complete by then; and what was reported before the estimate was
///   possible counts at no rung in Optuna, but does here.
///
/// A decision takes `O(n log s)` time for `n` peers of `s` reports where the report completes a rung, and
/// constant time otherwise (with `auto`, `O(n)`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SuccessiveHalving {
    /// The step of the lowest rung (where `min_early_stopping_rate` is 0), at least 1. `auto` is a
    /// hundredth of the highest step that a complete trial has reported, rounded down, at least 1; until a
    /// trial is complete, none is given up.
    pub min_resource: Resource,
    /// One in so many trials goes on, at least 2.
    pub reduction_factor: u64,
    /// How many of the lowest rungs are left out.
    pub min_early_stopping_rate: u32,
    /// A rung lets no trial go on before more than this many have reached it. Must be 0 where
    /// `min_resource` is `auto`.
    pub bootstrap_count: u64,
}

impl Default for SuccessiveHalving {
    fn default() -> Self {
        Self {
            min_resource: Resource::Auto,
            reduction_factor: 4,
            min_early_stopping_rate: 0,
            bootstrap_count: 0,
        }
    }
}

impl SuccessiveHalving {
    pub(super) fn check(&self) -> Result<()> {
        let owner = "pruner `successive-halving`";
        match self.min_resource {
            Resource::Steps(steps) => at_least(owner, "min-resource", 1, steps)?,
            Resource::Auto if self.bootstrap_count > 0 => {
                let rule = "0 where `min-resource` is auto";
                return Err(Error::setting(owner, "bootstrap-count", rule, self.bootstrap_count));
            }
            Resource::Auto => {}
        }
        at_least(owner, "reduction-factor", 2, self.reduction_factor)
    }
}

impl Pruner for SuccessiveHalving {
    fn name(&self) -> &'static str {
        "successive-halving"
    }

    fn prune(&self, direction: Direction, trial: Progress<'_>, peers: &[Peer<'_>]) -> bool {
        let min_resource = match self.min_resource {
            Resource::Steps(steps) => steps,
            Resource::Auto => match highest_complete_step(peers) {
                Some(step) => u64::try_from(step / 100).unwrap_or(0).max(1),
                None => return false,
            },
        };
        let ladder = Ladder {
            min_resource,
            reduction_factor: self.reduction_factor,
            min_early_stopping_rate: self.min_early_stopping_rate,
            bootstrap_count: self.bootstrap_count,
        };
        ladder.prune(direction, trial, peers, |_| true)
    }
}

/// The highest step that a complete trial has reported.
pub(super) fn highest_complete_step(peers: &[Peer<'_>]) -> Option<i64> {
    let complete = peers.iter().filter(|peer| peer.state == TrialState::Complete);
    complete.filter_map(Peer::last_step).max()
}

/// The settings of successive halving with the resource known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ladder {
    pub(super) min_resource: u64,
    pub(super) reduction_factor: u64,
    pub(super) min_early_stopping_rate: u32,
    pub(super) bootstrap_count: u64,
}

impl Ladder {
    /// Whether to give the trial up, compared with those peers that `competes` admits.
    pub(super) fn prune(
        &self,
        direction: Direction,
        trial: Progress<'_>,
        peers: &[Peer<'_>],
        competes: impl Fn(&Peer<'_>) -> bool,
    ) -> bool {
        let Some((last, value)) = trial.last() else { return false };
        let previous = trial.previous_step();
        let mut below = None;
        for rung in 0.. {
            let Some(step) = self.step(rung).filter(|step| *step <= last) else { return false };
            if previous.is_none_or(|previous| previous < step) {
                let rivals = peers
                    .iter()
                    .filter(|peer| peer.number != trial.number)
                    .filter_map(|peer| Some((peer, value_at(peer, step, below)?)))
                    .filter(|(peer, _)| competes(peer))
                    .map(|(_, rival)| rival);
                if !self.goes_on(direction, value, rivals) {
                    return true;
                }
            }
            below = Some(step);
        }
        false
    }

    /// The step of a rung, `None` where it lies beyond every step.
    fn step(&self, rung: u32) -> Option<i64> {
        let exponent = self.min_early_stopping_rate.checked_add(rung)?;
        let step = self.reduction_factor.checked_pow(exponent)?.checked_mul(self.min_resource)?;
        i64::try_from(step).ok()
    }

    /// Whether a value is among the best at a rung that these others have reached too.
    fn goes_on(&self, direction: Direction, value: f64, rivals: impl Iterator<Item = f64>) -> bool {
        if value.is_nan() {
            return false;
        }
        let (mut reached, mut ahead) = (1, 0);
        for rival in rivals {
            reached += 1;
            ahead += u64::from(better(direction, rival, value));
        }
        reached > self.bootstrap_count && ahead < (reached / self.reduction_factor).max(1)
    }
}

/// A peer's value at the rung of `step`; `below` is the step of the rung below it.
fn value_at(peer: &Peer<'_>, step: i64, below: Option<i64>) -> Option<f64> {
    let first_from = |step: i64| -> Option<(i64, f64)> {
        let values: &BTreeMap<i64, f64> = peer.intermediate;
        values.range(step..).next().map(|(step, value)| (*step, *value))
    };
    let (reported, value) = first_from(step)?;
    // The last report of a pruned trial is the one that it was pruned at, at the lowest rung that it
    // completed: the trial never came to the rungs above.
    let ended_below = peer.state == TrialState::Pruned
        && peer.last_step() == Some(reported)
        && below.and_then(first_from).is_some_and(|(at_below, _)| at_below == reported);
    (!value.is_nan() && !ended_below).then_some(value)
}
