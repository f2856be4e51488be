//! What a trial may hold, whichever storage keeps it: what Optuna's readers accept.

use super::{StoredParameter, TrialState, distribution};
use crate::error::{Error, Result};
use crate::space::Domain;

/// The rules of one study.
pub(super) struct Rules {
    /// The study, for messages.
    pub(super) at: String,
    /// How many values a complete trial has.
    pub(super) objectives: usize,
}

impl Rules {
    pub(super) fn parameter(
        &self,
        trial: u64,
        name: &str,
        parameter: &StoredParameter,
    ) -> Result<()> {
        let StoredParameter { domain, internal } = parameter;
        let refuse = |rule: &str, found: String| {
            Err(Error::storage(self.of(trial), format!("parameter `{name}`: {rule}"), found))
        };
        if let Err(found) = distribution::check(domain) {
            return refuse("Optuna must be able to read its domain", found);
        }
        if !distribution::is_finite(domain) {
            return refuse("its domain must be finite", format!("{domain:?}"));
        }
        if !internal.is_finite() || !distribution::admits(domain, *internal) {
            return refuse(&format!("its number must be one of {domain:?}"), internal.to_string());
        }
        Ok(())
    }

    /// Checks a parameter's domain against the one that it had in the study so far.
    pub(super) fn compatible(
        &self,
        trial: u64,
        name: &str,
        old: &Domain,
        new: &Domain,
    ) -> Result<()> {
        if distribution::compatible(old, new) {
            return Ok(());
        }
        Err(Error::storage(
            self.of(trial),
            format!("parameter `{name}` keeps kind, scale and choices of {old:?}"),
            format!("{new:?}"),
        ))
    }

    /// Checks what a trial is finished with.
    pub(super) fn end(&self, trial: u64, state: TrialState, values: Option<&[f64]>) -> Result<()> {
        if !state.is_finished() {
            let rule = format!("must be finished as complete, pruned or failed, not as {state}");
            return Err(Error::Trial { id: trial, rule });
        }
        match values {
            None if state == TrialState::Complete => {
                Err(Error::Trial { id: trial, rule: "is complete without values".to_owned() })
            }
            Some(values) if values.len() != self.objectives => Err(Error::Trial {
                id: trial,
                rule: format!(
                    "needs a value for each of {}, has {}",
                    self.objectives,
                    values.len()
                ),
            }),
            values => values
                .unwrap_or_default()
                .iter()
                .try_for_each(|value| self.finite(trial, "a value", *value)),
        }
    }

    pub(super) fn finite(&self, trial: u64, what: &str, value: f64) -> Result<()> {
        match value.is_finite() {
            true => Ok(()),
            false => Err(Error::storage(self.of(trial), format!("{what} must be finite"), value)),
        }
    }

    fn of(&self, trial: u64) -> String {
        format!("{}: trial {trial}", self.at)
    }
}
