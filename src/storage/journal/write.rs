//! What a handle writes: records that Optuna's readers accept, or none.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value as Json, json};

use super::Journal;
use super::record::{self, Operation};
use super::state::Trial;
use crate::error::{Error, Result};
use crate::space::Domain;
use crate::storage::rules::Rules;
use crate::storage::{NewTrial, OWNER, StoredTrial, Timestamp, TrialState, Write, distribution};
use crate::trial::Direction;

impl Journal {
    /// The record that creates a study.
    pub(super) fn study_line(&self, name: &str, directions: &[Direction]) -> Result<String> {
        let numbers: Vec<u64> = directions
            .iter()
            .map(|direction| match direction {
                Direction::Minimize => 1,
                Direction::Maximize => 2,
            })
            .collect();
        self.line(
            Operation::CreateStudy,
            [("study_name", name.into()), ("directions", numbers.into())],
        )
    }

    /// The record that sets a system attribute of a study.
    pub(super) fn attribute_line(&self, study: usize, key: &str, value: Json) -> Result<String> {
        self.line(
            Operation::SetStudySystemAttribute,
            [("study_id", study.into()), ("system_attr", json!({ key: value }))],
        )
    }

    /// The record that claims a waiting trial.
    pub(super) fn claim_line(&self, id: usize) -> Result<String> {
        self.line(
            Operation::SetTrialState,
            [
                ("trial_id", id.into()),
                ("state", (TrialState::Running as u64).into()),
                ("values", Json::Null),
                ("datetime_start", self.moment(Timestamp::now())?),
            ],
        )
    }

    /// The record that takes a running trial over.
    pub(super) fn takeover_line(&self, id: usize) -> Result<String> {
        let attribute = json!({ OWNER: self.owner.0 });
        self.line(
            Operation::SetTrialSystemAttribute,
            [("trial_id", id.into()), ("system_attr", attribute)],
        )
    }

    /// The record that creates a trial.
    pub(super) fn trial_line(&self, study: usize, number: u64, trial: NewTrial) -> Result<String> {
        let study = ("study_id", study.into());
        match trial {
            NewTrial::Running => self.line(
                Operation::CreateTrial,
                [study, ("datetime_start", self.moment(Timestamp::now())?)],
            ),
            NewTrial::Waiting { fixed, user_attributes } => self.line(
                Operation::CreateTrial,
                [
                    study,
                    ("datetime_start", Json::Null),
                    ("state", (TrialState::Waiting as u64).into()),
                    ("value", Json::Null),
                    ("values", Json::Null),
                    ("distributions", json!({})),
                    ("params", json!({})),
                    ("user_attrs", user_attributes.into()),
                    ("system_attrs", json!({ "fixed_params": fixed })),
                    ("intermediate_values", json!({})),
                ],
            ),
            NewTrial::Finished(trial) => self.finished_line(study, number, *trial),
        }
    }

    fn finished_line(
        &self,
        study: (&str, Json),
        number: u64,
        trial: StoredTrial,
    ) -> Result<String> {
        let rules = self.rules();
        rules.end(number, trial.state, trial.values.as_deref())?;
        let (mut distributions, mut params) = (Map::new(), Map::new());
        for (name, parameter) in &trial.parameters {
            rules.parameter(number, name, parameter)?;
            distributions.insert(name.clone(), distribution::to_text(&parameter.domain).into());
            params.insert(name.clone(), parameter.internal.into());
        }
        let mut intermediate = Map::new();
        for (step, value) in &trial.intermediate {
            rules.finite(number, &format!("the value of step {step}"), *value)?;
            intermediate.insert(step.to_string(), (*value).into());
        }
        let (value, values) = match trial.values {
            Some(values) if values.len() == 1 => (values[0].into(), Json::Null),
            values => (Json::Null, values.into()),
        };
        // Optuna copies no finished trial without both times.
        let completed = trial.completed.unwrap_or_else(Timestamp::now);
        let started = trial.started.unwrap_or(completed);
        self.line(
            Operation::CreateTrial,
            [
                study,
                ("datetime_start", self.moment(started)?),
                ("state", (trial.state as u64).into()),
                ("value", value),
                ("values", values),
                ("datetime_complete", self.moment(completed)?),
                ("distributions", distributions.into()),
                ("params", params.into()),
                ("user_attrs", trial.user_attributes.into()),
                ("system_attrs", trial.system_attributes.into()),
                ("intermediate_values", intermediate.into()),
            ],
        )
    }

    /// The records of writes, each of which the ones before it allow.
    pub(super) fn lines(&self, study: usize, writes: &[Write]) -> Result<String> {
        let rules = self.rules();
        let mut lines = String::new();
        let mut finished = HashSet::new();
        let mut domains: HashMap<&str, &Domain> = HashMap::new();
        for write in writes {
            let number = write.trial();
            let (id, known) = self.known(study, number)?;
            if known.state.is_finished() || finished.contains(&number) {
                return Err(Error::Trial { id: number, rule: "is finished already".to_owned() });
            }
            let trial = ("trial_id", id.into());
            lines += &match write {
                Write::Parameter { name, parameter, .. } => {
                    rules.parameter(number, name, parameter)?;
                    let old = self.replay.domain(study, name);
                    let old = *domains.entry(name).or_insert(old.unwrap_or(&parameter.domain));
                    rules.compatible(number, name, old, &parameter.domain)?;
                    self.line(
                        Operation::SetTrialParameter,
                        [
                            trial,
                            ("param_name", name.as_str().into()),
                            ("param_value_internal", parameter.internal.into()),
                            ("distribution", distribution::to_text(&parameter.domain).into()),
                        ],
                    )?
                }
                Write::Report { step, value, .. } => {
                    rules.finite(number, &format!("the value of step {step}"), *value)?;
                    self.line(
                        Operation::SetTrialIntermediate,
                        [trial, ("step", (*step).into()), ("intermediate_value", (*value).into())],
                    )?
                }
                Write::UserAttribute { key, value, .. } => self.line(
                    Operation::SetTrialUserAttribute,
                    [trial, ("user_attr", json!({ key: value }))],
                )?,
                Write::SystemAttribute { key, value, .. } => self.line(
                    Operation::SetTrialSystemAttribute,
                    [trial, ("system_attr", json!({ key: value }))],
                )?,
                Write::Finish { state, values, .. } => {
                    rules.end(number, *state, values.as_deref())?;
                    finished.insert(number);
                    self.line(
                        Operation::SetTrialState,
                        [
                            trial,
                            ("state", (*state as u64).into()),
                            ("values", values.clone().into()),
                            ("datetime_complete", self.moment(Timestamp::now())?),
                        ],
                    )?
                }
            };
        }
        Ok(lines)
    }

    /// A trial of the study, with its id.
    pub(super) fn known(&self, study: usize, number: u64) -> Result<(usize, &Trial)> {
        self.replay.trial(study, number).ok_or_else(|| Error::Trial {
            id: number,
            rule: format!("is unknown to {}", self.at_bound()),
        })
    }

    /// A line of this handle, once it is certain that it can be read back.
    fn line<const N: usize>(
        &self,
        operation: Operation,
        fields: [(&str, Json); N],
    ) -> Result<String> {
        let fields = fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let line = record::line(operation, &self.owner.0, fields);
        match record::read(line.trim_ascii_end().as_bytes(), &mut String::new()) {
            Ok(_) => Ok(line),
            Err(found) => Err(Error::storage(self.at_bound(), "a record must be readable", found)),
        }
    }

    fn rules(&self) -> Rules {
        let objectives = self.bound.as_ref().map_or(0, |bound| bound.directions.len());
        Rules { at: self.at_bound(), objectives }
    }

    /// The bound study, for messages.
    fn at_bound(&self) -> String {
        match &self.bound {
            Some(bound) => self.at(&bound.name),
            None => self.path.display().to_string(),
        }
    }

    fn moment(&self, moment: Timestamp) -> Result<Json> {
        moment.to_iso().map(Json::String).ok_or_else(|| {
            let found = format!("{} microseconds since 1970", moment.0);
            Error::storage(self.at_bound(), "a time must lie in the years 1 to 9999", found)
        })
    }
}

impl Write {
    /// The number of the trial that it speaks of.
    pub fn trial(&self) -> u64 {
        match self {
            Self::Parameter { trial, .. }
            | Self::Report { trial, .. }
            | Self::UserAttribute { trial, .. }
            | Self::SystemAttribute { trial, .. }
            | Self::Finish { trial, .. } => *trial,
        }
    }
}
