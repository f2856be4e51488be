//! Hyperband.

use std::io::Write;

use serde::{Deserialize, Serialize};

use super::successive_halving::{Ladder, highest_complete_step};
use super::{Peer, Progress, Pruner, Resource, at_least};
use crate::error::{Error, Result};
use crate::trial::Direction;

/// Hyperband: brackets of asynchronous successive halving that differ in the step from which they judge,
/// so that neither many trials of few steps nor few trials of many steps must be decided for (Li et al.
/// 2018; Optuna's `HyperbandPruner`).
///
/// ```text
/// brackets  = floor(log_reduction_factor(max_resource / min_resource)) + 1
/// budget(b) = ceil(brackets reduction_factor^s / (s + 1)),   s = brackets - 1 - b
/// ```
///
/// Bracket `b` is [`SuccessiveHalving`](super::SuccessiveHalving) with `min_early_stopping_rate` `b` among
/// the trials of this bracket. A trial belongs to the bracket that `CRC-32("{study}_{number}")` modulo the
/// sum of the budgets falls into when the budgets are laid end to end: brackets get trials in proportion
/// to their budgets, and every worker, Optuna's included, finds the same bracket.
///
/// Deviations from Optuna, beside those of successive halving:
///
/// - The number of brackets is computed in whole numbers. Optuna's floating-point logarithm comes out one
///   bracket short for some powers, such as 243 and 3.
/// - With `auto`, Optuna takes `max_resource` once in each process, this pruner anew for each decision,
///   from the trials that are complete by then; and what was reported before counts at no rung in Optuna,
///   but does here.
/// - `max_resource` below `min_resource` is refused; Optuna then prunes nothing.
///
/// A decision takes the time of successive halving, and a hash for each trial that has reached the rung.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Hyperband {
    /// The step of the lowest rung of bracket 0, at least 1.
    pub min_resource: u64,
    /// The highest step of a trial, at least `min_resource`. `auto` is one more than the highest step that a
    /// complete trial has reported; until a trial is complete, none is given up.
    pub max_resource: Resource,
    /// One in so many trials goes on at a rung, at least 2.
    pub reduction_factor: u64,
    /// A rung lets no trial go on before more than this many of the bracket have reached it. Must be 0
    /// where `max_resource` is `auto`.
    pub bootstrap_count: u64,
}

impl Default for Hyperband {
    fn default() -> Self {
        Self {
            min_resource: 1,
            max_resource: Resource::Auto,
            reduction_factor: 3,
            bootstrap_count: 0,
        }
    }
}

impl Hyperband {
    /// Builds the pruner for the study of a name.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting is out of its range.
    pub fn build(&self, study: &str) -> Result<HyperbandPruner> {
        let owner = "pruner `hyperband`";
        at_least(owner, "min-resource", 1, self.min_resource)?;
        at_least(owner, "reduction-factor", 2, self.reduction_factor)?;
        match self.max_resource {
            Resource::Steps(steps) if steps < self.min_resource => {
                let rule = format!("at least `min-resource`, {}", self.min_resource);
                return Err(Error::setting(owner, "max-resource", rule, steps));
            }
            Resource::Auto if self.bootstrap_count > 0 => {
                let rule = "0 where `max-resource` is auto";
                return Err(Error::setting(owner, "bootstrap-count", rule, self.bootstrap_count));
            }
            _ => {}
        }
        let mut prefix = crc32fast::Hasher::new();
        prefix.update(study.as_bytes());
        prefix.update(b"_");
        Ok(HyperbandPruner { settings: self.clone(), prefix })
    }
}

/// [`Hyperband`] for one study.
#[derive(Debug, Clone)]
pub struct HyperbandPruner {
    settings: Hyperband,
    /// Has seen what all trials' hashes begin with: the study's name.
    prefix: crc32fast::Hasher,
}

impl HyperbandPruner {
    /// The number of trials of each bracket, in proportion; empty where `max_resource` is `auto` and no peer
    /// is complete, or none came as far as `min_resource`.
    pub fn budgets(&self, peers: &[Peer<'_>]) -> Vec<u64> {
        self.brackets(peers).map(|brackets| brackets.budgets).unwrap_or_default()
    }

    /// The bracket of a trial, from 0; `None` where there are none yet (see [`HyperbandPruner::budgets`]).
    pub fn bracket(&self, number: u64, peers: &[Peer<'_>]) -> Option<u32> {
        self.brackets(peers).map(|brackets| self.bracket_among(number, &brackets))
    }

    fn brackets(&self, peers: &[Peer<'_>]) -> Option<Brackets> {
        let max_resource = match self.settings.max_resource {
            Resource::Steps(steps) => steps,
            Resource::Auto => u64::try_from(highest_complete_step(peers)?).ok()?.checked_add(1)?,
        };
        Brackets::new(self.settings.min_resource, max_resource, self.settings.reduction_factor)
    }

    fn bracket_among(&self, number: u64, brackets: &Brackets) -> u32 {
        let mut hasher = self.prefix.clone();
        let mut digits = [0; u64::MAX.ilog10() as usize + 1];
        let mut rest = digits.as_mut_slice();
        // Every u64 fits, so that nothing is cut off.
        let _ = write!(rest, "{number}");
        let unused = rest.len();
        hasher.update(&digits[..digits.len() - unused]);
        brackets.of_hash(hasher.finalize())
    }
}

impl Pruner for HyperbandPruner {
    fn name(&self) -> &'static str {
        "hyperband"
    }

    fn prune(&self, direction: Direction, trial: Progress<'_>, peers: &[Peer<'_>]) -> bool {
        let Some(brackets) = self.brackets(peers) else { return false };
        let bracket = self.bracket_among(trial.number, &brackets);
        let ladder = Ladder {
            min_resource: self.settings.min_resource,
            reduction_factor: self.settings.reduction_factor,
            min_early_stopping_rate: bracket,
            bootstrap_count: self.settings.bootstrap_count,
        };
        ladder.prune(direction, trial, peers, |peer| {
            self.bracket_among(peer.number, &brackets) == bracket
        })
    }
}

/// The budgets of the brackets.
struct Brackets {
    budgets: Vec<u64>,
}

impl Brackets {
    /// `None` where `max_resource` lies below `min_resource`.
    fn new(min_resource: u64, max_resource: u64, reduction_factor: u64) -> Option<Self> {
        let most = (max_resource / min_resource).checked_ilog(reduction_factor)?;
        let brackets = u128::from(most) + 1;
        let budget = |s: u32| {
            let trials = brackets * u128::from(reduction_factor).pow(s);
            u64::try_from(trials.div_ceil(u128::from(s) + 1)).unwrap_or(u64::MAX)
        };
        Some(Self { budgets: (0..=most).rev().map(budget).collect() })
    }

    fn of_hash(&self, hash: u32) -> u32 {
        let total: u128 = self.budgets.iter().copied().map(u128::from).sum();
        let place = u128::from(hash) % total;
        let mut end = 0;
        let passed = self.budgets.iter().take_while(|budget| {
            end += u128::from(**budget);
            end <= place
        });
        passed.count() as u32
    }
}
