//! Patience: early stopping, alone or as a condition of another pruner.

use serde::{Deserialize, Serialize};

use super::{Peer, Progress, Pruner, PrunerConfig, best};
use crate::error::{Error, Result};
use crate::trial::Direction;

/// Gives a trial up only where the best of its last `patience + 1` intermediate values is worse than the
/// best of those before by more than `min_delta`, and where the wrapped pruner, if there is one, gives it
/// up too (Optuna's `PatientPruner`; alone, the early stopping of Prechelt 1998).
///
/// NaN is no value; where all values before or all values since are NaN, the trial goes on.
///
/// A decision takes `O(s)` time for `s` reports, and the wrapped pruner's where it is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Patience {
    /// For how many reports beyond the latest one the trial may be worse than before. Optuna has no
    /// default; 3 is that of PyTorch Lightning's `EarlyStopping`.
    pub patience: u64,
    /// By how much it may be worse, in the objective's own unit, at least 0.
    pub min_delta: f64,
    /// The pruner that must agree; without one, patience decides alone.
    pub wrapped: Option<Box<PrunerConfig>>,
}

impl Default for Patience {
    fn default() -> Self {
        Self { patience: 3, min_delta: 0.0, wrapped: None }
    }
}

impl Patience {
    /// Builds the pruner for the study of a name.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting of its own or of the wrapped pruner is out of its range.
    pub fn build(&self, study: &str) -> Result<PatiencePruner> {
        if !(0.0..=f64::MAX).contains(&self.min_delta) {
            let rule = "a finite number of at least 0";
            return Err(Error::setting("pruner `patience`", "min-delta", rule, self.min_delta));
        }
        Ok(PatiencePruner {
            // No trial has more reports than fit into memory.
            window: usize::try_from(self.patience).unwrap_or(usize::MAX).saturating_add(1),
            min_delta: self.min_delta,
            wrapped: self.wrapped.as_ref().map(|wrapped| wrapped.build(study)).transpose()?,
        })
    }
}

/// [`Patience`] with its wrapped pruner built.
pub struct PatiencePruner {
    /// How many of the latest values are compared with those before.
    window: usize,
    min_delta: f64,
    wrapped: Option<Box<dyn Pruner>>,
}

impl std::fmt::Debug for PatiencePruner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PatiencePruner")
            .field("window", &self.window)
            .field("min_delta", &self.min_delta)
            .field("wrapped", &self.wrapped.as_ref().map(|wrapped| wrapped.name()))
            .finish()
    }
}

impl Pruner for PatiencePruner {
    fn name(&self) -> &'static str {
        "patience"
    }

    fn prune(&self, direction: Direction, trial: Progress<'_>, peers: &[Peer<'_>]) -> bool {
        let values = trial.intermediate.values();
        let since = best(direction, values.clone().rev().take(self.window));
        let before = best(direction, values.rev().skip(self.window));
        let (Some(before), Some(since)) = (before, since) else { return false };
        let worse = match direction {
            Direction::Minimize => before + self.min_delta < since,
            Direction::Maximize => before - self.min_delta > since,
        };
        worse && self.wrapped.as_ref().is_none_or(|wrapped| wrapped.prune(direction, trial, peers))
    }
}
