//! Optuna's storage proxy as a storage: many hosts, one study in a database.
//!
//! `optuna.storages.run_grpc_proxy_server` stands before a database (PostgreSQL, MySQL, SQLite) and speaks
//! gRPC. It keeps the state of trials, not the order in which it came about. A study that lives there is
//! therefore shared and lost by no crash, but it does not resume bit for bit: each process begins an agent of its
//! own, which is told all finished trials. Nor does the proxy take signs of life, so that the trial of a killed worker
//! stays running until somebody ends it (`hyperq tell --failed`).

mod client;
mod messages;

use std::collections::VecDeque;
use std::path::Path;

use serde_json::{Map, Value as Json};
use tonic::Code;

use self::client::{Client, Repeat};
use super::journal::distribution;
use super::{
    Change, NewTrial, Owner, Position, Storage, StoredParameter, StoredTrial, Timestamp,
    TrialState, Write,
};
use crate::error::{Error, Result};
use crate::trial::Direction;

/// The system attribute of a trial that names its owner.
const OWNER: &str = "hyperq:owner";

const CREATE_STUDY: &str = "/optuna.StorageService/CreateNewStudy";
const STUDY_ID: &str = "/optuna.StorageService/GetStudyIdFromName";
const DIRECTIONS: &str = "/optuna.StorageService/GetStudyDirections";
const STUDY_ATTRIBUTES: &str = "/optuna.StorageService/GetStudySystemAttributes";
const SET_STUDY_ATTRIBUTE: &str = "/optuna.StorageService/SetStudySystemAttribute";
const ALL_STUDIES: &str = "/optuna.StorageService/GetAllStudies";
const CREATE_TRIAL: &str = "/optuna.StorageService/CreateNewTrial";
const SET_PARAMETER: &str = "/optuna.StorageService/SetTrialParameter";
const SET_STATE: &str = "/optuna.StorageService/SetTrialStateValues";
const SET_INTERMEDIATE: &str = "/optuna.StorageService/SetTrialIntermediateValue";
const SET_USER_ATTRIBUTE: &str = "/optuna.StorageService/SetTrialUserAttribute";
const SET_SYSTEM_ATTRIBUTE: &str = "/optuna.StorageService/SetTrialSystemAttribute";
const GET_TRIALS: &str = "/optuna.StorageService/GetTrials";

/// A study behind Optuna's storage proxy.
///
/// ```no_run
/// use hyperq::prelude::*;
/// use hyperq::storage::GrpcProxy;
///
/// let space = SearchSpace::new([Parameter::float("x", -5.0, 5.0)])?;
/// let proxy = GrpcProxy::connect("http://proxy.example:13000")?;
/// let mut study = Study::builder(space).storage(proxy).name("shared").build()?;
/// study.optimize(10, |trial| trial.float("x").map(f64::abs))?;
/// # Ok::<(), hyperq::Error>(())
/// ```
#[derive(Debug)]
pub struct GrpcProxy {
    client: Client,
    owner: Owner,
    study: Option<Bound>,
    attributes: Map<String, Json>,
    /// By number, as of the last reading.
    trials: Vec<StoredTrial>,
    /// The proxy's own numbers of the trials.
    ids: Vec<i64>,
    queue: VecDeque<Change>,
}

#[derive(Debug)]
struct Bound {
    id: i64,
    name: String,
    directions: Vec<Direction>,
}

impl GrpcProxy {
    /// A handle on the proxy at an address such as `http://host:13000`. The first call connects.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`] where that is no address.
    pub fn connect(address: &str) -> Result<Self> {
        Ok(Self {
            client: Client::new(address)?,
            owner: Owner(uuid::Uuid::new_v4().to_string()),
            study: None,
            attributes: Map::new(),
            trials: Vec::new(),
            ids: Vec::new(),
            queue: VecDeque::new(),
        })
    }

    fn call<Q, A>(&self, method: &'static str, request: &Q, repeat: Repeat) -> Result<A>
    where
        Q: prost::Message + Clone + 'static,
        A: prost::Message + Default + 'static,
    {
        self.client.call(method, request, repeat).map_err(|s| self.client.error(method, &s))
    }

    /// A call about a trial: that it is finished, or was never there, is the caller's error.
    fn call_on<Q, A>(&self, trial: u64, method: &'static str, request: &Q) -> Result<A>
    where
        Q: prost::Message + Clone + 'static,
        A: prost::Message + Default + 'static,
    {
        self.client.call(method, request, Repeat::Unsafe).map_err(|status| match status.code() {
            Code::FailedPrecondition => {
                Error::Trial { id: trial, rule: "is finished already".to_owned() }
            }
            Code::NotFound => Error::Trial { id: trial, rule: "is unknown".to_owned() },
            _ => self.client.error(method, &status),
        })
    }

    fn bound(&self) -> Result<&Bound> {
        self.study.as_ref().ok_or_else(|| {
            Error::storage(&self.client.address, "the handle must be bound to a study", "none")
        })
    }

    fn id(&self, trial: u64) -> Result<i64> {
        let id = usize::try_from(trial).ok().and_then(|number| self.ids.get(number));
        id.copied().ok_or_else(|| Error::Trial { id: trial, rule: "is unknown".to_owned() })
    }

    fn find(&self, study: &str) -> Result<Option<i64>> {
        let name = messages::StudyName { study_name: study.to_owned() };
        match self.client.call::<_, messages::StudyId>(STUDY_ID, &name, Repeat::Safe) {
            Ok(found) => Ok(Some(found.study_id)),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(self.client.error(STUDY_ID, &status)),
        }
    }

    fn create_study(&self, study: &str, directions: &[Direction]) -> Result<i64> {
        let request = messages::CreateStudy {
            directions: directions.iter().map(|direction| *direction as i32).collect(),
            study_name: study.to_owned(),
        };
        match self.client.call::<_, messages::StudyId>(CREATE_STUDY, &request, Repeat::Unsafe) {
            Ok(created) => Ok(created.study_id),
            // Another worker was faster.
            Err(status) if status.code() == Code::AlreadyExists => {
                self.find(study)?.ok_or_else(|| self.client.error(CREATE_STUDY, &status))
            }
            Err(status) => Err(self.client.error(CREATE_STUDY, &status)),
        }
    }

    fn set_trial_attribute(
        &self,
        trial: u64,
        method: &'static str,
        key: &str,
        value: &Json,
    ) -> Result<()> {
        let id = self.id(trial)?;
        let request = messages::Attribute { id, key: key.to_owned(), value: value.to_string() };
        self.call_on::<_, messages::Empty>(trial, method, &request).map(|_| ())
    }

    fn write_one(&self, write: &Write) -> Result<()> {
        let finite = |what: &str, value: f64| {
            if value.is_finite() {
                return Ok(());
            }
            Err(Error::storage(&self.client.address, format!("{what} must be finite"), value))
        };
        match write {
            Write::Parameter { trial, name, parameter } => {
                finite(&format!("parameter `{name}`"), parameter.internal)?;
                let request = messages::Parameter {
                    trial_id: self.id(*trial)?,
                    name: name.clone(),
                    internal: parameter.internal,
                    distribution: distribution::to_text(&parameter.domain),
                };
                self.call_on::<_, messages::Empty>(*trial, SET_PARAMETER, &request)?;
            }
            Write::Report { trial, step, value } => {
                finite("an intermediate value", *value)?;
                let trial_id = self.id(*trial)?;
                let request = messages::Intermediate { trial_id, step: *step, value: *value };
                self.call_on::<_, messages::Empty>(*trial, SET_INTERMEDIATE, &request)?;
            }
            Write::UserAttribute { trial, key, value } => {
                self.set_trial_attribute(*trial, SET_USER_ATTRIBUTE, key, value)?;
            }
            Write::SystemAttribute { trial, key, value } => {
                self.set_trial_attribute(*trial, SET_SYSTEM_ATTRIBUTE, key, value)?;
            }
            Write::Finish { trial, state, values } => {
                let values = values.clone().unwrap_or_default();
                values.iter().try_for_each(|value| finite("a value", *value))?;
                let trial_id = self.id(*trial)?;
                let request = messages::StateValues { trial_id, state: *state as i32, values };
                self.call_on::<_, messages::Updated>(*trial, SET_STATE, &request)?;
            }
        }
        Ok(())
    }

    /// Takes in what the proxy says of a trial; `true` where that finished it.
    fn update(&mut self, message: &messages::Trial) -> Result<bool> {
        let number = message.number as u64;
        let new = self.read_trial(message)?;
        let Some(old) = self.trials.get(message.number as usize) else {
            let finished = new.state.is_finished();
            self.ids.push(message.trial_id);
            self.trials.push(new);
            self.queue.push_back(Change::Created(number));
            return Ok(finished);
        };
        if old.state.is_finished() {
            return Ok(false);
        }
        let claimed = new.state == TrialState::Running
            && (old.state == TrialState::Waiting || old.owner != new.owner);
        let parameters = new.parameters.len() > old.parameters.len();
        let reported: Vec<i64> = new
            .intermediate
            .iter()
            .filter(|(step, value)| old.intermediate.get(step) != Some(value))
            .map(|(step, _)| *step)
            .collect();
        let attributes = new.user_attributes != old.user_attributes
            || new.system_attributes != old.system_attributes;
        let finished = new.state.is_finished();
        self.trials[message.number as usize] = new;
        let changes = claimed
            .then_some(Change::Claimed(number))
            .into_iter()
            .chain(parameters.then_some(Change::Parameter(number)))
            .chain(reported.into_iter().map(|step| Change::Reported(number, step)))
            .chain(attributes.then_some(Change::Attribute(number)));
        self.queue.extend(changes);
        Ok(finished)
    }

    fn read_trial(&self, message: &messages::Trial) -> Result<StoredTrial> {
        let at = || format!("{}: trial {}", self.client.address, message.number);
        let attributes = |map: &std::collections::HashMap<String, String>| {
            let mut sorted: Vec<_> = map.iter().collect();
            sorted.sort();
            sorted
                .into_iter()
                .map(|(key, text)| {
                    // Python's JSON has NaN and infinities; an attribute with them is kept as its text.
                    let value = serde_json::from_str(text);
                    (key.clone(), value.unwrap_or_else(|_| Json::String(text.clone())))
                })
                .collect::<Map<String, Json>>()
        };
        let mut parameters = Vec::with_capacity(message.params.len());
        for (name, internal) in &message.params {
            let text = message.distributions.get(name).ok_or_else(|| {
                Error::storage(at(), format!("parameter `{name}` must have a distribution"), "none")
            })?;
            let domain = distribution::parse(text).map_err(|found| {
                Error::storage(at(), format!("parameter `{name}` must have a distribution"), found)
            })?;
            parameters.push((name.clone(), StoredParameter { domain, internal: *internal }));
        }
        parameters.sort_by(|a, b| a.0.cmp(&b.0));
        let state = u64::try_from(message.state).ok().and_then(TrialState::from_number);
        let state = state.ok_or_else(|| {
            Error::storage(at(), "a state must be one of Optuna's", message.state)
        })?;
        let system_attributes = attributes(&message.system_attributes);
        let owner = system_attributes.get(OWNER).and_then(Json::as_str);
        Ok(StoredTrial {
            number: message.number as u64,
            state,
            owner: owner.map(|owner| Owner(owner.to_owned())),
            values: (!message.values.is_empty()).then(|| message.values.clone()),
            parameters,
            intermediate: message.intermediate_values.iter().map(|(s, v)| (*s, *v)).collect(),
            user_attributes: attributes(&message.user_attributes),
            system_attributes,
            started: Timestamp::parse(&message.datetime_start),
            completed: Timestamp::parse(&message.datetime_complete),
        })
    }

    fn template(&self, trial: NewTrial) -> Result<messages::Trial> {
        let now = Timestamp::now();
        let moment = |time: Timestamp| time.to_local().unwrap_or_default();
        let texts = |map: Map<String, Json>| {
            map.into_iter().map(|(key, value)| (key, value.to_string())).collect()
        };
        let owner = || (OWNER.to_owned(), Json::String(self.owner.0.clone()));
        Ok(match trial {
            NewTrial::Running => messages::Trial {
                state: TrialState::Running as i32,
                datetime_start: moment(now),
                system_attributes: texts([owner()].into_iter().collect()),
                ..Default::default()
            },
            NewTrial::Waiting { fixed, user_attributes } => messages::Trial {
                state: TrialState::Waiting as i32,
                user_attributes: texts(user_attributes),
                system_attributes: texts(
                    [("fixed_params".to_owned(), Json::Object(fixed))].into_iter().collect(),
                ),
                ..Default::default()
            },
            NewTrial::Finished(trial) => {
                let values = trial.values.unwrap_or_default();
                if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                    let at = &self.client.address;
                    return Err(Error::storage(at, "a value must be finite", value));
                }
                messages::Trial {
                    state: trial.state as i32,
                    values,
                    datetime_start: moment(trial.started.unwrap_or(now)),
                    datetime_complete: moment(trial.completed.unwrap_or(now)),
                    params: trial.parameters.iter().map(|(n, p)| (n.clone(), p.internal)).collect(),
                    distributions: trial
                        .parameters
                        .iter()
                        .map(|(name, p)| (name.clone(), distribution::to_text(&p.domain)))
                        .collect(),
                    user_attributes: texts(trial.user_attributes),
                    system_attributes: texts(trial.system_attributes),
                    intermediate_values: trial.intermediate.into_iter().collect(),
                    ..Default::default()
                }
            }
        })
    }
}

impl Storage for GrpcProxy {
    fn location(&self) -> String {
        self.client.address.clone()
    }

    fn studies(&mut self) -> Result<Vec<String>> {
        let all: messages::Studies = self.call(ALL_STUDIES, &messages::Empty {}, Repeat::Safe)?;
        let mut studies = all.studies;
        studies.sort_by_key(|study| study.study_id);
        Ok(studies.into_iter().map(|study| study.study_name).collect())
    }

    fn bind(&mut self, study: &str, directions: Option<&[Direction]>) -> Result<()> {
        let id = match (self.find(study)?, directions) {
            (Some(id), _) => id,
            (None, Some(directions)) => self.create_study(study, directions)?,
            (None, None) => {
                let at = format!("{}: study `{study}`", self.client.address);
                return Err(Error::storage(at, "a study of this name must exist", "none"));
            }
        };
        let request = messages::StudyId { study_id: id };
        let stored: messages::Directions = self.call(DIRECTIONS, &request, Repeat::Safe)?;
        let stored: Vec<Direction> = stored
            .directions
            .iter()
            .map(|number| match *number {
                1 => Direction::Maximize,
                _ => Direction::Minimize,
            })
            .collect();
        if let Some(given) = directions
            && given != stored
        {
            return Err(Error::storage(
                format!("{}: study `{study}`", self.client.address),
                format!("the directions must be the study's own, {stored:?}"),
                format!("{given:?}"),
            ));
        }
        self.study = Some(Bound { id, name: study.to_owned(), directions: stored });
        (self.trials, self.ids, self.queue) = Default::default();
        let found: messages::Attributes = self.call(STUDY_ATTRIBUTES, &request, Repeat::Safe)?;
        self.attributes = found
            .attributes
            .into_iter()
            .filter_map(|(key, text)| Some((key, serde_json::from_str(&text).ok()?)))
            .collect();
        Ok(())
    }

    fn set_owner(&mut self, owner: Owner) {
        self.owner = owner;
    }

    fn owner(&self) -> &Owner {
        &self.owner
    }

    fn directions(&self) -> &[Direction] {
        self.study.as_ref().map_or(&[], |study| &study.directions)
    }

    fn attribute(&self, key: &str) -> Option<&Json> {
        self.attributes.get(key)
    }

    fn set_attribute(&mut self, key: &str, value: Json) -> Result<()> {
        let id = self.bound()?.id;
        let request = messages::Attribute { id, key: key.to_owned(), value: value.to_string() };
        self.call::<_, messages::Empty>(SET_STUDY_ATTRIBUTE, &request, Repeat::Safe)?;
        self.attributes.insert(key.to_owned(), value);
        self.queue.push_back(Change::Study);
        Ok(())
    }

    fn refresh(&mut self) -> Result<()> {
        let unfinished =
            |(trial, id): (&StoredTrial, &i64)| (!trial.state.is_finished()).then_some(*id);
        let request = messages::GetTrials {
            study_id: self.bound()?.id,
            included_trial_ids: self.trials.iter().zip(&self.ids).filter_map(unfinished).collect(),
            trial_id_greater_than: self.ids.last().copied().unwrap_or(-1),
        };
        let answer: messages::Trials = self.call(GET_TRIALS, &request, Repeat::Safe)?;
        let mut trials = answer.trials;
        trials.sort_by_key(|trial| trial.number);
        let mut finished = Vec::new();
        for trial in &trials {
            let Ok(number) = usize::try_from(trial.number) else {
                let at = format!("{}: study `{}`", self.client.address, self.bound()?.name);
                return Err(Error::storage(
                    at,
                    "a trial's number must not be negative",
                    trial.number,
                ));
            };
            // One that is not visible yet lies before it: the next reading has both.
            if number > self.trials.len() {
                break;
            }
            if self.update(trial)? {
                finished.push(number);
            }
        }
        finished.sort_by_key(|number| (self.trials[*number].completed, *number));
        self.queue.extend(finished.into_iter().map(|number| Change::Finished(number as u64)));
        Ok(())
    }

    fn next(&mut self) -> Option<Change> {
        self.queue.pop_front()
    }

    fn trials(&self) -> &[StoredTrial] {
        &self.trials
    }

    fn position(&self) -> Option<Position> {
        None
    }

    fn create(&mut self, trial: NewTrial) -> Result<u64> {
        let request = messages::CreateTrial {
            study_id: self.bound()?.id,
            template_trial: Some(self.template(trial)?),
            template_trial_is_none: false,
        };
        let created: messages::TrialId = self.call(CREATE_TRIAL, &request, Repeat::Unsafe)?;
        self.refresh()?;
        let number = self.ids.iter().position(|id| *id == created.trial_id);
        number.map(|number| number as u64).ok_or_else(|| {
            Error::storage(
                &self.client.address,
                "a trial that was created must be among the study's",
                format!("none with the id {}", created.trial_id),
            )
        })
    }

    fn claim(&mut self, trial: u64, from: Option<&Owner>) -> Result<bool> {
        let trial_id = self.id(trial)?;
        let won = match from {
            None => {
                let state = TrialState::Running as i32;
                let request = messages::StateValues { trial_id, state, values: Vec::new() };
                match self.client.call::<_, messages::Updated>(SET_STATE, &request, Repeat::Unsafe)
                {
                    Ok(updated) => updated.trial_updated,
                    Err(status) if status.code() == Code::FailedPrecondition => false,
                    Err(status) => return Err(self.client.error(SET_STATE, &status)),
                }
            }
            Some(from) => {
                self.refresh()?;
                let stored = &self.trials[trial as usize];
                stored.state == TrialState::Running && stored.owner.as_ref() == Some(from)
            }
        };
        if won {
            let owner = Json::String(self.owner.0.clone());
            self.set_trial_attribute(trial, SET_SYSTEM_ATTRIBUTE, OWNER, &owner)?;
        }
        self.refresh()?;
        Ok(won)
    }

    fn write(&mut self, writes: &[Write]) -> Result<()> {
        for write in writes {
            self.write_one(write)?;
        }
        self.refresh()
    }

    fn beside(&self) -> Option<&Path> {
        None
    }
}
