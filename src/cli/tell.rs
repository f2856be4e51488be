//! `hyperq tell`.

use clap::Args;
use hyperq::storage::{REASON, Storage, TrialState, Write};

use super::storage::{Stored, StudyOptions};
use super::{Failure, print};

/// Tell a study what the evaluation of a trial came to
#[derive(Args)]
pub struct Tell {
    #[command(flatten)]
    study: StudyOptions,
    /// The trial's number
    #[arg(long, value_name = "N")]
    trial: u64,
    /// The value; of several objectives one each, in their order
    #[arg(value_name = "VALUE", allow_negative_numbers = true, required_unless_present_any = ["failed", "pruned"])]
    values: Vec<f64>,
    /// The value is an intermediate one, of this step; the trial goes on
    #[arg(long, value_name = "N", conflicts_with_all = ["failed", "pruned"])]
    step: Option<u32>,
    /// The evaluation failed, for this reason
    #[arg(long, value_name = "REASON", conflicts_with_all = ["values", "pruned"])]
    failed: Option<String>,
    /// The evaluation was given up
    #[arg(long, conflicts_with = "values")]
    pruned: bool,
}

impl Tell {
    /// Tells.
    pub fn run(&self) -> Result<(), Failure> {
        let mut stored = Stored::read(&self.study)?;
        let trial = self.trial;
        let objectives = stored.directions().len();
        let reason = match &self.failed {
            Some(reason) => Some(reason.clone()),
            None => self
                .values
                .iter()
                .find(|value| !value.is_finite())
                .map(|value| format!("the objective must be a finite number, found {value}")),
        };
        if let Some(step) = self.step {
            let [value] = self.values.as_slice() else {
                return Err(Failure::usage("an intermediate value is one number"));
            };
            if let Some(reason) = reason {
                return Err(Failure::Usage(reason));
            }
            let report = Write::Report { trial, step: i64::from(step), value: *value };
            return stored.storage.write(&[report]).map_err(Failure::failed);
        }
        let mut writes = Vec::new();
        let (state, values) = match (&reason, self.pruned) {
            (Some(reason), _) => {
                let key = REASON.to_owned();
                writes.push(Write::UserAttribute { trial, key, value: reason.clone().into() });
                (TrialState::Failed, None)
            }
            (None, true) => (TrialState::Pruned, last_report(&*stored.storage, trial)),
            (None, false) if self.values.len() == objectives => {
                (TrialState::Complete, Some(self.values.clone()))
            }
            (None, false) => {
                return Err(Failure::Usage(format!(
                    "the study has {objectives} objectives, found {} values",
                    self.values.len()
                )));
            }
        };
        writes.push(Write::Finish { trial, state, values });
        stored.storage.write(&writes).map_err(Failure::failed)?;
        print(&format!("trial {trial} of {} is {state}\n", stored.name))
    }
}

/// The value of a pruned trial, as Optuna has it: its last intermediate value.
fn last_report(storage: &dyn Storage, trial: u64) -> Option<Vec<f64>> {
    let trial = storage.trials().get(usize::try_from(trial).ok()?)?;
    let last = trial.intermediate.values().next_back().copied()?;
    (storage.directions().len() == 1 && last.is_finite()).then(|| vec![last])
}
