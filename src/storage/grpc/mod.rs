//! Optuna's storage proxy as a storage: many hosts, one study in a database.
//!
//! `optuna.storages.run_grpc_proxy_server` stands before a database (PostgreSQL, MySQL, SQLite) and speaks
//! gRPC. It keeps the state of trials, not the order in which it came about. A study that lives there is
//! therefore shared and lost by no crash, but it does not resume bit for bit: each process begins an agent of its
//! own, which is told all finished trials. Nor does the proxy take signs of life, so that the trial of a killed worker
//! stays running until somebody ends it (`hyperq tell --failed`).
//!
//! Each write is a call. What can be known to be refused is refused before the first one; where the connection is
//! lost among several, those before it are written.
//!
//! Whether a claim was the first is the database's word. SQLite has no locks on rows: workers that claim one trial
//! within milliseconds may all be told so.

mod client;
mod messages;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value as Json};
use tonic::Code;

use self::client::{Client, Refusal, Repeat};
use super::python_json::quote_non_finite;
use super::rules::Rules;
use super::{
    Change, NewTrial, OWNER, Owner, Position, Storage, StoredParameter, StoredTrial, Timestamp,
    TrialState, Write, distribution,
};
use crate::error::{Error, Result};
use crate::space::Domain;
use crate::trial::Direction;

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
    /// By number, as of the changes handed out.
    trials: Vec<StoredTrial>,
    /// The changes that were read and not handed out, each with its trial as of then.
    queue: VecDeque<(Change, Option<StoredTrial>)>,
    /// The proxy's own numbers of all trials that were read.
    ids: Vec<i64>,
    /// Those of them that were not finished, as they were read.
    open: BTreeMap<u64, StoredTrial>,
    /// The first domain that each parameter had in the study.
    domains: HashMap<String, Domain>,
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
            queue: VecDeque::new(),
            ids: Vec::new(),
            open: BTreeMap::new(),
            domains: HashMap::new(),
        })
    }

    /// Lets each call take at most this long, instead of 30 s. A call that the proxy heard may have been
    /// done nevertheless.
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.client.deadline = deadline;
        self
    }

    fn call<Q, A>(&self, method: &'static str, request: &Q, repeat: Repeat) -> Result<A>
    where
        Q: prost::Message + Clone + 'static,
        A: prost::Message + Default + 'static,
    {
        let called = self.client.call(method, request, repeat);
        called.map_err(|refusal| self.client.error(method, &refusal.status))
    }

    /// A call about a trial: that it is finished, or was never there, is the caller's error.
    fn call_on<Q, A>(&self, trial: u64, method: &'static str, request: &Q) -> Result<A>
    where
        Q: prost::Message + Clone + 'static,
        A: prost::Message + Default + 'static,
    {
        let called = self.client.call(method, request, Repeat::Safe);
        called.map_err(|refusal| self.refused(trial, method, &refusal))
    }

    fn refused(&self, trial: u64, method: &'static str, refusal: &Refusal) -> Error {
        match refusal.status.code() {
            Code::FailedPrecondition => finished_already(trial),
            Code::NotFound => unknown(trial),
            _ => self.client.error(method, &refusal.status),
        }
    }

    fn bound(&self) -> Result<&Bound> {
        self.study.as_ref().ok_or_else(|| {
            Error::storage(&self.client.address, "the handle must be bound to a study", "none")
        })
    }

    fn id(&self, trial: u64) -> Result<i64> {
        let id = usize::try_from(trial).ok().and_then(|number| self.ids.get(number));
        id.copied().ok_or_else(|| unknown(trial))
    }

    fn rules(&self) -> Result<Rules> {
        let study = self.bound()?;
        let at = format!("{}: study `{}`", self.client.address, study.name);
        Ok(Rules { at, objectives: study.directions.len() })
    }

    /// Refuses what cannot be written, as far as that is known here.
    fn check(&self, writes: &[Write]) -> Result<()> {
        let rules = self.rules()?;
        let mut finished = HashSet::new();
        let mut domains: HashMap<&str, &Domain> = HashMap::new();
        for write in writes {
            let number = write.trial();
            self.id(number)?;
            if !self.open.contains_key(&number) || finished.contains(&number) {
                return Err(finished_already(number));
            }
            match write {
                Write::Parameter { name, parameter, .. } => {
                    rules.parameter(number, name, parameter)?;
                    let old = self.domains.get(name).unwrap_or(&parameter.domain);
                    let old = *domains.entry(name).or_insert(old);
                    rules.compatible(number, name, old, &parameter.domain)?;
                }
                Write::Report { step, value, .. } => {
                    rules.finite(number, &format!("the value of step {step}"), *value)?;
                }
                Write::UserAttribute { .. } | Write::SystemAttribute { .. } => {}
                Write::Finish { state, values, .. } => {
                    rules.end(number, *state, values.as_deref())?;
                    finished.insert(number);
                }
            }
        }
        Ok(())
    }

    fn find(&self, study: &str) -> Result<Option<i64>> {
        let name = messages::StudyName { study_name: study.to_owned() };
        match self.client.call::<_, messages::StudyId>(STUDY_ID, &name, Repeat::Safe) {
            Ok(found) => Ok(Some(found.study_id)),
            Err(refusal) if refusal.status.code() == Code::NotFound => Ok(None),
            Err(refusal) => Err(self.client.error(STUDY_ID, &refusal.status)),
        }
    }

    fn create_study(&self, study: &str, directions: &[Direction]) -> Result<i64> {
        let request = messages::CreateStudy {
            directions: directions
                .iter()
                .map(|direction| match direction {
                    Direction::Minimize => messages::StudyDirection::Minimize as i32,
                    Direction::Maximize => messages::StudyDirection::Maximize as i32,
                })
                .collect(),
            study_name: study.to_owned(),
        };
        match self.client.call::<_, messages::StudyId>(CREATE_STUDY, &request, Repeat::Safe) {
            Ok(created) => Ok(created.study_id),
            // Another worker was faster.
            Err(refusal) if refusal.status.code() == Code::AlreadyExists => {
                self.find(study)?.ok_or_else(|| self.client.error(CREATE_STUDY, &refusal.status))
            }
            Err(refusal) => Err(self.client.error(CREATE_STUDY, &refusal.status)),
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
        let trial = write.trial();
        let trial_id = self.id(trial)?;
        match write {
            Write::Parameter { name, parameter, .. } => {
                let request = messages::Parameter {
                    trial_id,
                    name: name.clone(),
                    internal: parameter.internal,
                    distribution: distribution::to_text(&parameter.domain),
                };
                self.call_on::<_, messages::Empty>(trial, SET_PARAMETER, &request)?;
            }
            Write::Report { step, value, .. } => {
                let request = messages::Intermediate { trial_id, step: *step, value: *value };
                self.call_on::<_, messages::Empty>(trial, SET_INTERMEDIATE, &request)?;
            }
            Write::UserAttribute { key, value, .. } => {
                self.set_trial_attribute(trial, SET_USER_ATTRIBUTE, key, value)?;
            }
            Write::SystemAttribute { key, value, .. } => {
                self.set_trial_attribute(trial, SET_SYSTEM_ATTRIBUTE, key, value)?;
            }
            Write::Finish { state, values, .. } => {
                self.finish(trial, *state, values.as_deref().unwrap_or_default())?;
            }
        }
        Ok(())
    }

    fn finish(&self, trial: u64, state: TrialState, values: &[f64]) -> Result<()> {
        let (trial_id, state) = (self.id(trial)?, state as i32);
        let request = messages::StateValues { trial_id, state, values: values.to_vec() };
        match self.client.call::<_, messages::Updated>(SET_STATE, &request, Repeat::Safe) {
            Ok(_) => Ok(()),
            // The call before may have been heard, and its answer lost.
            Err(refusal)
                if refusal.repeated && refusal.status.code() == Code::FailedPrecondition =>
            {
                let stored = self.read(vec![trial_id], i64::MAX)?;
                match stored.iter().any(|t| t.state == state && t.values == values) {
                    true => Ok(()),
                    false => Err(finished_already(trial)),
                }
            }
            Err(refusal) => Err(self.refused(trial, SET_STATE, &refusal)),
        }
    }

    /// Reads the trials of these numbers of the proxy's, and those beyond `greater_than`.
    fn read(&self, ids: Vec<i64>, greater_than: i64) -> Result<Vec<messages::Trial>> {
        let request = messages::GetTrials {
            study_id: self.bound()?.id,
            included_trial_ids: ids,
            trial_id_greater_than: greater_than,
        };
        let answer: messages::Trials = self.call(GET_TRIALS, &request, Repeat::Safe)?;
        let mut trials = answer.trials;
        trials.sort_by_key(|trial| trial.number);
        Ok(trials)
    }

    /// Reads the trials that may have changed.
    fn read_changed(&mut self) -> Result<()> {
        let unfinished = self.open.keys().map(|number| self.id(*number)).collect::<Result<_>>()?;
        let messages = self.read(unfinished, self.ids.last().copied().unwrap_or(-1))?;
        // All are understood before the first one is taken in: an error leaves none of them half told.
        let mut read = Vec::with_capacity(messages.len());
        let mut known = self.ids.len() as u64;
        for message in &messages {
            let trial = self.read_trial(message)?;
            // One that is not visible yet lies before it: the next reading has both.
            if trial.number > known {
                break;
            }
            known += u64::from(trial.number == known);
            read.push((message.trial_id, trial));
        }
        let (mut changes, mut finished) = (Vec::new(), Vec::new());
        for (id, trial) in read {
            if trial.number as usize == self.ids.len() {
                self.ids.push(id);
                self.queue.push_back((Change::Created(trial.number), Some(trial.clone())));
            } else if let Some(old) = self.open.get(&trial.number) {
                changes
                    .extend(steps(old, &trial).map(|change| (change, until_its_end(old, &trial))));
            } else {
                continue;
            }
            for (name, parameter) in &trial.parameters {
                if !self.domains.contains_key(name) {
                    self.domains.insert(name.clone(), parameter.domain.clone());
                }
            }
            if trial.state.is_finished() {
                self.open.remove(&trial.number);
                finished.push(trial);
            } else {
                self.open.insert(trial.number, trial);
            }
        }
        finished.sort_by_key(|trial| (trial.completed, trial.number));
        self.queue.extend(changes.into_iter().map(|(change, trial)| (change, Some(trial))));
        self.queue.extend(finished.into_iter().map(|t| (Change::Finished(t.number), Some(t))));
        Ok(())
    }

    fn read_attributes(&mut self) -> Result<()> {
        let request = messages::StudyId { study_id: self.bound()?.id };
        let found: messages::Attributes = self.call(STUDY_ATTRIBUTES, &request, Repeat::Safe)?;
        let attributes = attributes(&found.attributes);
        if attributes != self.attributes {
            self.attributes = attributes;
            self.queue.push_back((Change::Study, None));
        }
        Ok(())
    }

    fn read_trial(&self, message: &messages::Trial) -> Result<StoredTrial> {
        let at = || format!("{}: trial {}", self.client.address, message.number);
        let number = u64::try_from(message.number).map_err(|_| {
            Error::storage(at(), "a trial's number must not be negative", message.number)
        })?;
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
        // What waits is nobody's, whoever had it before.
        let owner = system_attributes
            .get(OWNER)
            .filter(|_| state != TrialState::Waiting)
            .and_then(Json::as_str);
        Ok(StoredTrial {
            number,
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

    /// Moves what was read of trials before this new one before its creation.
    fn let_others_go_first(&mut self, number: u64) {
        let own = Change::Created(number);
        let Some(at) = self.queue.iter().position(|(change, _)| *change == own) else { return };
        let (before, after): (Vec<_>, Vec<_>) = self
            .queue
            .split_off(at)
            .into_iter()
            .partition(|(_, trial)| trial.as_ref().is_none_or(|trial| trial.number < number));
        self.queue.extend(before.into_iter().chain(after));
    }

    fn template(&self, trial: NewTrial) -> Result<messages::Trial> {
        let now = Timestamp::now();
        let rules = self.rules()?;
        let moment = |time: Timestamp| {
            time.to_local().ok_or_else(|| {
                let found = format!("{} microseconds since 1970", time.0);
                Error::storage(&rules.at, "a time must lie in the years 1 to 9999", found)
            })
        };
        let texts = |map: Map<String, Json>| {
            map.into_iter().map(|(key, value)| (key, value.to_string())).collect()
        };
        let owner = || (OWNER.to_owned(), Json::String(self.owner.0.clone()));
        Ok(match trial {
            NewTrial::Running => messages::Trial {
                state: TrialState::Running as i32,
                datetime_start: moment(now)?,
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
                let number = self.ids.len() as u64;
                rules.end(number, trial.state, trial.values.as_deref())?;
                for (name, parameter) in &trial.parameters {
                    rules.parameter(number, name, parameter)?;
                    let old = self.domains.get(name).unwrap_or(&parameter.domain);
                    rules.compatible(number, name, old, &parameter.domain)?;
                }
                for (step, value) in &trial.intermediate {
                    rules.finite(number, &format!("the value of step {step}"), *value)?;
                }
                let mut system_attributes = trial.system_attributes;
                system_attributes.extend([owner()]);
                messages::Trial {
                    state: trial.state as i32,
                    values: trial.values.unwrap_or_default(),
                    datetime_start: moment(trial.started.unwrap_or(now))?,
                    datetime_complete: moment(trial.completed.unwrap_or(now))?,
                    params: trial.parameters.iter().map(|(n, p)| (n.clone(), p.internal)).collect(),
                    distributions: trial
                        .parameters
                        .iter()
                        .map(|(name, p)| (name.clone(), distribution::to_text(&p.domain)))
                        .collect(),
                    user_attributes: texts(trial.user_attributes),
                    system_attributes: texts(system_attributes),
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
            (None, Some([])) => {
                let at = format!("{}: study `{study}`", self.client.address);
                return Err(Error::storage(at, "a study has at least one objective", "none"));
            }
            (None, Some(directions)) => self.create_study(study, directions)?,
            (None, None) => {
                let at = format!("{}: study `{study}`", self.client.address);
                return Err(Error::storage(at, "a study of this name must exist", "none"));
            }
        };
        let request = messages::StudyId { study_id: id };
        let stored: messages::Directions = self.call(DIRECTIONS, &request, Repeat::Safe)?;
        let stored = stored
            .directions
            .iter()
            .map(|number| match messages::StudyDirection::try_from(*number) {
                Ok(messages::StudyDirection::Minimize) => Ok(Direction::Minimize),
                Ok(messages::StudyDirection::Maximize) => Ok(Direction::Maximize),
                Err(_) => {
                    let at = format!("{}: study `{study}`", self.client.address);
                    Err(Error::storage(at, "a direction must be 0 or 1", number))
                }
            })
            .collect::<Result<Vec<_>>>()?;
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
        (self.trials, self.queue, self.attributes) = Default::default();
        (self.ids, self.open, self.domains) = Default::default();
        self.read_attributes()?;
        self.queue.clear();
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
        self.queue.push_back((Change::Study, None));
        Ok(())
    }

    fn refresh(&mut self) -> Result<()> {
        self.read_attributes()?;
        self.read_changed()
    }

    fn next(&mut self) -> Option<Change> {
        let (change, trial) = self.queue.pop_front()?;
        if let Some(trial) = trial {
            match self.trials.get_mut(trial.number as usize) {
                Some(old) => *old = trial,
                None => self.trials.push(trial),
            }
        }
        Some(change)
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
        self.read_changed()?;
        let number = self.ids.iter().rposition(|id| *id == created.trial_id);
        let number = number.ok_or_else(|| {
            Error::storage(
                &self.client.address,
                "a trial that was created must be among the study's",
                format!("none with the id {}", created.trial_id),
            )
        })? as u64;
        self.let_others_go_first(number);
        Ok(number)
    }

    fn claim(&mut self, trial: u64, from: Option<&Owner>) -> Result<bool> {
        let trial_id = self.id(trial)?;
        let won = match from {
            None => {
                let state = TrialState::Running as i32;
                let request = messages::StateValues { trial_id, state, values: Vec::new() };
                let called =
                    self.client.call::<_, messages::Updated>(SET_STATE, &request, Repeat::Unsafe);
                match called {
                    Ok(updated) => updated.trial_updated,
                    Err(refusal) if refusal.status.code() == Code::FailedPrecondition => false,
                    Err(refusal) => return Err(self.client.error(SET_STATE, &refusal.status)),
                }
            }
            Some(from) => {
                self.read_changed()?;
                let stored = self.open.get(&trial);
                stored.is_some_and(|stored| {
                    stored.state == TrialState::Running && stored.owner.as_ref() == Some(from)
                })
            }
        };
        if won {
            let owner = Json::String(self.owner.0.clone());
            self.set_trial_attribute(trial, SET_SYSTEM_ATTRIBUTE, OWNER, &owner)?;
        }
        self.read_changed()?;
        // Where several were told that they won, the last to sign is the owner.
        let owner = self.open.get(&trial).and_then(|stored| stored.owner.as_ref());
        Ok(won && owner == Some(&self.owner))
    }

    fn write(&mut self, writes: &[Write]) -> Result<()> {
        self.check(writes)?;
        for write in writes {
            self.write_one(write)?;
        }
        self.read_changed()
    }

    fn beside(&self) -> Option<&Path> {
        None
    }
}

fn unknown(trial: u64) -> Error {
    Error::Trial { id: trial, rule: "is unknown".to_owned() }
}

fn finished_already(trial: u64) -> Error {
    Error::Trial { id: trial, rule: "is finished already".to_owned() }
}

/// Attributes in the order of their names. Python's NaN and infinities become the texts `NaN`, `Infinity`
/// and `-Infinity`, and what is no JSON stays the text that it is.
fn attributes(map: &HashMap<String, String>) -> Map<String, Json> {
    let mut sorted: Vec<_> = map.iter().collect();
    sorted.sort();
    let read = |text: &String| {
        let quoted = quote_non_finite(text, "");
        serde_json::from_str(quoted.as_ref().unwrap_or(text))
            .unwrap_or_else(|_| Json::String(text.clone()))
    };
    sorted.into_iter().map(|(key, text)| (key.clone(), read(text))).collect()
}

/// What changed in an unfinished trial, but for its end.
fn steps(old: &StoredTrial, new: &StoredTrial) -> impl Iterator<Item = Change> {
    let number = new.number;
    let begun_or_put_back = old.state != new.state && !new.state.is_finished();
    let claimed = begun_or_put_back || old.owner != new.owner;
    let parameters = new.parameters.len().saturating_sub(old.parameters.len());
    // By their bits, since NaN is no other NaN.
    let bits = |value: &f64| value.to_bits();
    let reported: Vec<i64> = new
        .intermediate
        .iter()
        .filter(|(step, value)| old.intermediate.get(step).map(bits) != Some(bits(value)))
        .map(|(step, _)| *step)
        .collect();
    let attributes = new.user_attributes != old.user_attributes
        || new.system_attributes != old.system_attributes;
    (claimed.then_some(Change::Claimed(number)).into_iter())
        .chain(std::iter::repeat_n(Change::Parameter(number), parameters))
        .chain(reported.into_iter().map(move |step| Change::Reported(number, step)))
        .chain(attributes.then_some(Change::Attribute(number)))
}

/// The new trial, running where it is finished: its end is a change of its own.
fn until_its_end(old: &StoredTrial, new: &StoredTrial) -> StoredTrial {
    let mut trial = new.clone();
    if new.state.is_finished() {
        trial.state = if old.owner == new.owner { old.state } else { TrialState::Running };
        (trial.values, trial.completed) = (old.values.clone(), None);
    }
    trial
}
