//! What a study knows of each trial beside its configuration.

use std::collections::BTreeMap;

use super::Evaluated;
use crate::storage::TrialState;

/// What a study knows of a trial beside its configuration, in the objectives' own units.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Where the trial stands.
    pub state: TrialState,
    /// One value an objective where it is complete. Of a pruned trial the last intermediate value, where
    /// there is one. Empty otherwise.
    pub values: Vec<f64>,
    /// The intermediate values by step. A Python worker may have reported NaN or an infinity.
    pub intermediate: BTreeMap<i64, f64>,
    /// Why it failed.
    pub reason: Option<String>,
}

impl Record {
    pub(super) fn new(state: TrialState) -> Self {
        Self { state, values: Vec::new(), intermediate: BTreeMap::new(), reason: None }
    }

    /// The state, values and reason that an evaluation ends with.
    pub(super) fn ending(
        &self,
        evaluated: Evaluated,
        objectives: usize,
    ) -> (TrialState, Vec<f64>, Option<String>) {
        let failed = |reason: String| (TrialState::Failed, Vec::new(), Some(reason));
        match evaluated {
            Evaluated::Failed(reason) => failed(reason),
            Evaluated::Pruned => {
                let last = self.intermediate.values().next_back();
                let values = last.filter(|value| value.is_finite() && objectives == 1);
                (TrialState::Pruned, values.copied().into_iter().collect(), None)
            }
            Evaluated::Values(values) => {
                if values.len() != objectives {
                    let numbers = if objectives == 1 { "number" } else { "numbers" };
                    return failed(format!(
                        "the objective must be {objectives} {numbers}, found {}",
                        values.len()
                    ));
                }
                match values.iter().find(|value| !value.is_finite()) {
                    Some(value) => {
                        failed(format!("the objective must be a finite number, found {value}"))
                    }
                    // Adding 0.0 turns -0.0 into 0.0, as scores do.
                    None => (
                        TrialState::Complete,
                        values.iter().map(|value| value + 0.0).collect(),
                        None,
                    ),
                }
            }
        }
    }
}
