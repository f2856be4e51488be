//! The replay of a journal: which of its records count, and what they change.
//!
//! Ids are implicit in a journal, and a record counts only where the trials and studies that it speaks
//! of allow it, so that all of its studies have to be followed to understand one.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value as Json};

use super::record::{CreateStudy, CreateTrial, Id, Line, Number, Record, Text, TrialStateValues};
use crate::space::Domain;
use crate::storage::{
    OWNER, Owner, StoredParameter, StoredTrial, Timestamp, TrialState, distribution,
};
use crate::trial::Direction;

/// What the records so far say, as far as it decides about further ones.
#[derive(Debug, Default)]
pub(super) struct Replay {
    studies: Vec<Study>,
    trials: Vec<Trial>,
    /// Distributions recur in every trial.
    domains: HashMap<String, Domain>,
}

/// A study; its id is its position.
#[derive(Debug)]
pub(super) struct Study {
    pub name: String,
    /// `None` where an objective has no direction.
    pub directions: Option<Vec<Direction>>,
    pub deleted: bool,
    /// The ids of its trials by number.
    trials: Vec<usize>,
    /// The first domain of each parameter.
    domains: HashMap<String, Domain>,
}

/// A trial; its id is its position.
#[derive(Debug)]
pub(super) struct Trial {
    study: usize,
    number: u64,
    pub state: TrialState,
    pub owner: Option<Owner>,
}

/// What came of a record.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once, never stored")]
pub(super) enum Applied {
    /// A study of this id was created.
    Study(usize),
    /// A study was changed, in one step or in two.
    Changed { study: usize, first: Effect, second: Option<Effect> },
    /// It does not count: the trial is finished, the study deleted, its name taken...
    Ignored,
    /// It does not count, for it speaks of a trial or study that was never created.
    Unknown,
}

/// A change of a study with its content. Trials are given by number.
#[derive(Debug)]
pub(super) enum Effect {
    Created(Box<StoredTrial>),
    /// An attempt begins, with the trial's new owner; or, rarely, it waits again.
    Claimed {
        trial: u64,
        owner: Option<Owner>,
        state: TrialState,
        started: Option<Timestamp>,
        values: Option<Vec<f64>>,
    },
    TakenOver {
        trial: u64,
        owner: Owner,
    },
    Parameter {
        trial: u64,
        name: String,
        parameter: StoredParameter,
    },
    Reported {
        trial: u64,
        step: i64,
        value: f64,
    },
    UserAttribute {
        trial: u64,
        key: String,
        value: Json,
    },
    SystemAttribute {
        trial: u64,
        key: String,
        value: Json,
    },
    Finished {
        trial: u64,
        state: TrialState,
        values: Option<Vec<f64>>,
        completed: Option<Timestamp>,
    },
    StudyUserAttribute,
    StudySystemAttribute {
        key: String,
        value: Json,
    },
}

impl Replay {
    pub(super) fn studies(&self) -> &[Study] {
        &self.studies
    }

    /// The id of a study that is not deleted.
    pub(super) fn study(&self, name: &str) -> Option<usize> {
        self.studies.iter().position(|study| !study.deleted && study.name == name)
    }

    /// A trial of a study, with its id.
    pub(super) fn trial(&self, study: usize, number: u64) -> Option<(usize, &Trial)> {
        let number = usize::try_from(number).ok()?;
        let id = *self.studies.get(study)?.trials.get(number)?;
        Some((id, self.trials.get(id)?))
    }

    /// The number of trials of a study.
    pub(super) fn trials(&self, study: usize) -> u64 {
        self.studies.get(study).map_or(0, |study| study.trials.len() as u64)
    }

    /// The domain that a parameter's further ones must be compatible with.
    pub(super) fn domain(&self, study: usize, parameter: &str) -> Option<&Domain> {
        self.studies.get(study)?.domains.get(parameter)
    }

    /// Applies a record. The error says what makes it unreadable; nothing has changed then.
    pub(super) fn apply(&mut self, line: Line<'_>) -> Result<Applied, String> {
        let worker = line.worker.map(|Text(worker)| Owner(worker.into_owned()));
        match line.record {
            Record::CreateStudy(record) => self.create_study(record),
            Record::DeleteStudy(record) => {
                let Some(study) = self.existing(record.study_id) else {
                    return Ok(self.missing(record.study_id));
                };
                self.studies[study].deleted = true;
                Ok(Applied::Ignored)
            }
            Record::StudyUserAttribute(record) => {
                let Some(study) = self.existing(record.study_id) else {
                    return Ok(self.missing(record.study_id));
                };
                single("user_attr", record.user_attr)?;
                Ok(Applied::Changed { study, first: Effect::StudyUserAttribute, second: None })
            }
            Record::StudySystemAttribute(record) => {
                let Some(study) = self.existing(record.study_id) else {
                    return Ok(self.missing(record.study_id));
                };
                let (key, value) = single("system_attr", record.system_attr)?;
                let first = Effect::StudySystemAttribute { key, value };
                Ok(Applied::Changed { study, first, second: None })
            }
            Record::CreateTrial(record) => self.create_trial(worker, *record),
            Record::Parameter(record) => self.update(record.trial_id, |replay, study, trial| {
                let domain = replay.read_domain(&record.distribution)?;
                let internal = record.param_value_internal.0;
                let domains = &mut replay.studies[study].domains;
                let old = domains.get(record.param_name.as_ref());
                if old.is_some_and(|old| !distribution::compatible(old, &domain)) {
                    return Ok(None);
                }
                admit(&record.param_name, &domain, internal)?;
                if old.is_none() {
                    domains.insert(record.param_name.clone().into_owned(), domain.clone());
                }
                Ok(Some(Effect::Parameter {
                    trial: replay.trials[trial].number,
                    name: record.param_name.into_owned(),
                    parameter: StoredParameter { domain, internal },
                }))
            }),
            Record::State(record) => self.update(record.trial_id, |replay, _, trial| {
                replay.trials[trial].change_state(worker, record)
            }),
            Record::Intermediate(record) => self.update(record.trial_id, |replay, _, trial| {
                Ok(Some(Effect::Reported {
                    trial: replay.trials[trial].number,
                    step: record.step,
                    value: record.intermediate_value.0,
                }))
            }),
            Record::UserAttribute(record) => self.update(record.trial_id, |replay, _, trial| {
                let (key, value) = single("user_attr", record.user_attr)?;
                let trial = replay.trials[trial].number;
                Ok(Some(Effect::UserAttribute { trial, key, value }))
            }),
            Record::SystemAttribute(record) => self.update(record.trial_id, |replay, _, trial| {
                let (key, value) = single("system_attr", record.system_attr)?;
                let trial = &mut replay.trials[trial];
                Ok(Some(match value {
                    Json::String(owner) if key == OWNER && trial.state == TrialState::Running => {
                        trial.owner = Some(Owner(owner.clone()));
                        Effect::TakenOver { trial: trial.number, owner: Owner(owner) }
                    }
                    value => Effect::SystemAttribute { trial: trial.number, key, value },
                }))
            }),
            Record::DiscardTrials => Ok(Applied::Ignored),
        }
    }

    /// The study of an id, unless it is deleted.
    fn existing(&self, id: Id) -> Option<usize> {
        id.0.filter(|id| self.studies.get(*id).is_some_and(|study| !study.deleted))
    }

    /// What comes of a record whose study does not exist (any more).
    fn missing(&self, id: Id) -> Applied {
        match id.0.is_some_and(|id| id < self.studies.len()) {
            true => Applied::Ignored,
            false => Applied::Unknown,
        }
    }

    /// Applies a record to a trial that is not finished. `effect` is given its study and its id.
    fn update(
        &mut self,
        id: Id,
        effect: impl FnOnce(&mut Self, usize, usize) -> Result<Option<Effect>, String>,
    ) -> Result<Applied, String> {
        let found = id.0.and_then(|id| Some((id, self.trials.get(id)?)));
        let Some((id, trial)) = found else { return Ok(Applied::Unknown) };
        if trial.state.is_finished() {
            return Ok(Applied::Ignored);
        }
        let study = trial.study;
        Ok(match effect(self, study, id)? {
            Some(first) => Applied::Changed { study, first, second: None },
            None => Applied::Ignored,
        })
    }

    fn create_study(&mut self, record: CreateStudy<'_>) -> Result<Applied, String> {
        let directions = record
            .directions
            .iter()
            .map(|number| match number {
                0 => Ok(None),
                1 => Ok(Some(Direction::Minimize)),
                2 => Ok(Some(Direction::Maximize)),
                other => Err(format!("the unknown direction {other}")),
            })
            .collect::<Result<Vec<_>, _>>()?;
        if self.study(&record.study_name).is_some() {
            return Ok(Applied::Ignored);
        }
        self.studies.push(Study {
            name: record.study_name.into_owned(),
            directions: directions.into_iter().collect(),
            deleted: false,
            trials: Vec::new(),
            domains: HashMap::new(),
        });
        Ok(Applied::Study(self.studies.len() - 1))
    }

    fn create_trial(
        &mut self,
        worker: Option<Owner>,
        record: CreateTrial<'_>,
    ) -> Result<Applied, String> {
        let Some(study) = self.existing(record.study_id) else {
            return Ok(self.missing(record.study_id));
        };
        let worker = worker.ok_or("a trial without `worker_id`")?;
        let state = record.state.map_or(Ok(TrialState::Running), read_state)?;
        let values = match (record.value, record.values) {
            (Some(_), Some(_)) => return Err("a trial with both `value` and `values`".to_owned()),
            (Some(Number(value)), None) => Some(vec![value]),
            (None, values) => numbers(values),
        };
        let started = record.datetime_start.map(read_moment).transpose()?;
        let completed = record.datetime_complete.map(read_moment).transpose()?;
        let mut parameters = Vec::with_capacity(record.params.len());
        for (name, internal) in record.params {
            let text = record.distributions.get(&name).and_then(Json::as_str);
            let text = text.ok_or_else(|| format!("parameter `{name}` without a distribution"))?;
            let domain = self.read_domain(text)?;
            let internal = number(&format!("parameter `{name}`"), internal)?;
            admit(&name, &domain, internal)?;
            parameters.push((name, StoredParameter { domain, internal }));
        }
        let intermediate = record
            .intermediate_values
            .into_iter()
            .map(|(step, value)| {
                let read = step.trim().parse().map_err(|_| format!("the step `{step}`"))?;
                Ok((read, number(&format!("the value of step `{step}`"), value)?))
            })
            .collect::<Result<BTreeMap<i64, f64>, String>>()?;

        let id = self.trials.len();
        let of = &mut self.studies[study];
        let number = of.trials.len() as u64;
        of.trials.push(id);
        for (name, parameter) in &parameters {
            if !of.domains.contains_key(name) {
                of.domains.insert(name.clone(), parameter.domain.clone());
            }
        }
        let owner = (state != TrialState::Waiting).then_some(worker);
        self.trials.push(Trial { study, number, state, owner: owner.clone() });
        let mut trial = StoredTrial {
            number,
            state,
            owner,
            values,
            parameters,
            intermediate,
            user_attributes: record.user_attrs,
            system_attributes: record.system_attrs,
            started,
            completed,
        };
        // A trial that is finished from the beginning is created first, then finished.
        let second = state.is_finished().then(|| {
            trial.state = TrialState::Running;
            let (values, completed) = (trial.values.take(), trial.completed.take());
            Effect::Finished { trial: number, state, values, completed }
        });
        Ok(Applied::Changed { study, first: Effect::Created(Box::new(trial)), second })
    }

    fn read_domain(&mut self, text: &str) -> Result<Domain, String> {
        if let Some(domain) = self.domains.get(text) {
            return Ok(domain.clone());
        }
        let domain = distribution::parse(text)?;
        self.domains.insert(text.to_owned(), domain.clone());
        Ok(domain)
    }
}

impl Trial {
    fn change_state(
        &mut self,
        worker: Option<Owner>,
        record: TrialStateValues<'_>,
    ) -> Result<Option<Effect>, String> {
        let state = read_state(record.state)?;
        // Whoever claims a trial that runs already was not the first.
        if state == TrialState::Running && self.state == TrialState::Running {
            return Ok(None);
        }
        let (trial, values) = (self.number, numbers(record.values));
        let effect = if state.is_finished() {
            let completed = record.datetime_complete.ok_or("no `datetime_complete`")?;
            Effect::Finished { trial, state, values, completed: Some(read_moment(completed)?) }
        } else {
            let (owner, started) = match state {
                TrialState::Running => {
                    let started = record.datetime_start.ok_or("no `datetime_start`")?;
                    (worker, Some(read_moment(started)?))
                }
                _ => (None, None),
            };
            self.owner = owner.clone();
            Effect::Claimed { trial, owner, state, started, values }
        };
        self.state = state;
        Ok(Some(effect))
    }
}

fn read_state(number: u64) -> Result<TrialState, String> {
    TrialState::from_number(number).ok_or_else(|| format!("the unknown state {number}"))
}

fn read_moment(Text(text): Text<'_>) -> Result<Timestamp, String> {
    Timestamp::parse(&text).ok_or_else(|| format!("`{text}`, which is no time"))
}

fn numbers(values: Option<Vec<Number>>) -> Option<Vec<f64>> {
    values.map(|values| values.into_iter().map(|Number(value)| value).collect())
}

fn number(what: &str, json: Json) -> Result<f64, String> {
    serde_json::from_value::<Number>(json)
        .map(|Number(value)| value)
        .map_err(|e| format!("{what}: {e}"))
}

fn admit(name: &str, domain: &Domain, internal: f64) -> Result<(), String> {
    match distribution::admits(domain, internal) {
        true => Ok(()),
        false => Err(format!("parameter `{name}` = {internal}, of none of {domain:?}")),
    }
}

/// The one entry of an attribute's record.
fn single(field: &str, attributes: Map<String, Json>) -> Result<(String, Json), String> {
    let count = attributes.len();
    let mut entries = attributes.into_iter();
    match (entries.next(), entries.next()) {
        (Some(entry), None) => Ok(entry),
        _ => Err(format!("{count} keys in `{field}`")),
    }
}
