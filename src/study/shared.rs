//! Studies that live in a storage.
//!
//! The agent's state is a function of the storage's changes: it is asked where a trial of its own is created,
//! and told where any trial is finished, in the order of the storage. A study that begins where another
//! process ended replays the changes since the last snapshot, calling the agent at the same places, and so
//! has the same state bit for bit.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::worker::{self, Worker};
use super::{Record, Study, Suggestion, checkpoint};
use crate::error::{Error, Result};
use crate::persist::Snapshot;
use crate::space::{Configuration, SearchSpace, Value};
use crate::storage::{
    Change, NewTrial, Owner, Position, REASON, Storage, StoredParameter, StoredTrial, Timestamp,
    TrialState, Write,
};
use crate::streams::fnv1a;
use crate::trial::{Direction, PendingTrial, TrialId};

/// The attribute of the study that holds its space.
pub(crate) const SPACE: &str = "hyperq:space";
/// The attribute of a trial that counts the workers that died over it.
const DEATHS: &str = "hyperq:deaths";
/// A trial over which this many workers died is not evaluated again.
const MOST_DEATHS: u64 = 3;
/// The path under which the optimizer writes.
const OPTIMIZER: &str = "optimizer";
/// Snapshots take at most this share of the time: 1 in so many.
const SNAPSHOT_SHARE: u32 = 20;

/// What makes an agent the same as one before it: a text of its strategy, seed, space and problem.
pub(super) struct Identity(String);

impl Identity {
    pub(super) fn of(study: &Study) -> Result<Self> {
        #[derive(Serialize)]
        struct Parts<'a> {
            strategy: &'a Option<crate::strategy::Strategy>,
            seed: u64,
            space: &'a SearchSpace,
            directions: &'a [Direction],
            grid: Option<&'a [Configuration]>,
            meta_features: &'a [f64],
            budget: Option<usize>,
        }
        let parts = Parts {
            strategy: &study.strategy,
            seed: study.streams.seed(),
            space: &study.problem.space,
            directions: &study.directions,
            grid: study.problem.grid.as_ref().map(|grid| grid.configurations()),
            meta_features: &study.problem.meta_features,
            budget: study.problem.budget,
        };
        let text = serde_json::to_vec(&parts)
            .map_err(|error| Error::snapshot("strategy", error.to_string()))?;
        Ok(Self(format!("{:016x}", fnv1a(&text))))
    }
}

/// A study's side of its storage.
pub(super) struct Shared {
    storage: Box<dyn Storage>,
    /// Of which agent the trials of this worker are.
    lineage: String,
    slot: u32,
    /// `None` where nothing can lie beside the storage.
    worker: Option<Worker>,
    /// What the agent proposed for trials whose parameters are not written yet.
    proposals: HashMap<u64, Configuration>,
    waiting: BTreeSet<u64>,
    running: BTreeSet<u64>,
    /// Whether changes are only read, since a snapshot holds what the agent made of them.
    muted: bool,
    /// The changes at the last snapshot, when it was written and how long that took.
    saved: (u64, Instant, Duration),
}

impl Shared {
    pub(super) fn bind(
        mut storage: Box<dyn Storage>,
        name: &str,
        directions: &[Direction],
        identity: Identity,
        held: bool,
    ) -> Result<Self> {
        storage.bind(name, Some(directions))?;
        let mut worker = match storage.beside() {
            Some(beside) => Some(Worker::take(&beside.join(file_name(name)))?),
            None => None,
        };
        let slot = worker.as_ref().map_or(0, |worker| worker.slot);
        // Where no state can be kept, every process begins an agent of its own.
        let lineage = match &worker {
            Some(_) => identity.0,
            None => storage.owner().0.replace(':', "-"),
        };
        let owner = worker::new_owner(&lineage, slot, held || worker.is_none());
        if let Some(worker) = &mut worker {
            worker.sign(&owner)?;
        }
        storage.set_owner(owner);
        Ok(Self {
            storage,
            lineage,
            slot,
            worker,
            proposals: HashMap::new(),
            waiting: BTreeSet::new(),
            running: BTreeSet::new(),
            muted: false,
            saved: (0, Instant::now(), Duration::ZERO),
        })
    }

    pub(super) fn is_muted(&self) -> bool {
        self.muted
    }

    fn trial(&self, number: u64) -> &StoredTrial {
        &self.storage.trials()[number as usize]
    }

    /// Whether the trial was created or claimed by this agent, now or in a process before.
    fn is_own(&self, number: u64) -> bool {
        let owner = self.trial(number).owner.as_ref();
        owner.is_some_and(|owner| worker::is_of(owner, &self.lineage, self.slot))
    }

    /// The owner of a running trial that lives no more.
    fn dead_owner(&self, number: u64) -> Option<Owner> {
        let worker = self.worker.as_ref()?;
        let owner = self.trial(number).owner.as_ref()?;
        let beside = worker.directory.parent()?;
        (owner != self.storage.owner() && worker::is_dead(owner, beside)).then(|| owner.clone())
    }
}

/// A name that is a file name on every system, and another for another study.
fn file_name(study: &str) -> String {
    let plain: String = study
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' })
        .take(64)
        .collect();
    format!("{plain}-{:08x}", fnv1a(study.as_bytes()) as u32)
}

impl Study {
    /// Where the study's trials are kept, `None` where in memory only.
    pub fn location(&self) -> Option<String> {
        self.shared.as_ref().map(|shared| shared.storage.location())
    }

    /// Sets attributes of a trial that users see, in the dashboard for instance, all at once. Without a
    /// storage there is nowhere to see them, and nothing happens.
    ///
    /// # Errors
    ///
    /// [`Error::Trial`] where the trial is unknown or finished; what the storage reports.
    pub fn annotate(&mut self, id: TrialId, attributes: Map<String, Json>) -> Result<()> {
        let Some(shared) = &mut self.shared else { return Ok(()) };
        let writes: Vec<Write> = attributes
            .into_iter()
            .map(|(key, value)| Write::UserAttribute { trial: id.0, key, value })
            .collect();
        shared.storage.write(&writes)?;
        self.drain()
    }

    /// Reads what other workers wrote since the last call. [`Study::ask`] does so by itself.
    ///
    /// # Errors
    ///
    /// What the optimizer and the storage report.
    pub fn sync(&mut self) -> Result<()> {
        let Some(shared) = &mut self.shared else { return Ok(()) };
        shared.storage.refresh()?;
        self.drain()
    }

    /// Writes the agent's state beside the storage, so that the next process need not replay the trials so
    /// far. Done now and then by itself, and when a study is dropped. Without a storage nothing happens:
    /// see [`Study::save`].
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the directory beside the storage cannot be written.
    pub fn checkpoint(&mut self) -> Result<()> {
        let Some(shared) = &mut self.shared else { return Ok(()) };
        let (Some(worker), Some(position)) = (&shared.worker, shared.storage.position()) else {
            return Ok(());
        };
        if position.changes == shared.saved.0 || !shared.proposals.is_empty() {
            return Ok(());
        }
        let begun = Instant::now();
        let mut snapshot = Snapshot::default();
        self.optimizer.save(OPTIMIZER, &mut snapshot)?;
        checkpoint::write(&worker.directory, &shared.lineage, position, &snapshot)?;
        shared.saved = (position.changes, Instant::now(), begun.elapsed());
        Ok(())
    }

    /// Begins where the storage ends.
    pub(super) fn resume(&mut self) -> Result<()> {
        let Some(shared) = &mut self.shared else { return Ok(()) };
        let mut saved = None;
        if let Some(worker) = &shared.worker
            && let Some((position, snapshot)) = checkpoint::read(&worker.directory, &shared.lineage)
        {
            match self.optimizer.load(OPTIMIZER, &snapshot) {
                Ok(()) => saved = Some(position),
                // A part may have taken over what another then refused.
                Err(error) => self.build_anew(error)?,
            }
        }
        let Some(shared) = &mut self.shared else { return Ok(()) };
        shared.muted = saved.is_some();
        shared.storage.refresh()?;
        self.replay(saved)?;
        self.settle_space()
    }

    /// Replays what was read. Up to the position at which the optimizer's state was saved, nothing is told
    /// to it.
    fn replay(&mut self, saved: Option<Position>) -> Result<()> {
        loop {
            let Some(shared) = &mut self.shared else { return Ok(()) };
            if shared.muted
                && let Some(saved) = saved
                && let Some(now) = shared.storage.position()
                && now.changes >= saved.changes
            {
                shared.muted = false;
                if now == saved {
                    shared.saved.0 = now.changes;
                } else {
                    self.forget()?;
                }
            }
            let Some(shared) = &mut self.shared else { return Ok(()) };
            match shared.storage.next() {
                Some(change) => self.apply(change)?,
                None if shared.muted => {
                    shared.muted = false;
                    return self.forget();
                }
                None => return Ok(()),
            }
        }
    }

    /// The saved state was not of this log, which somebody must have cut or changed: the agent is told what
    /// the log says.
    fn forget(&mut self) -> Result<()> {
        self.build_anew(Error::snapshot(
            "position",
            "is not one of this storage, and an optimizer of your own cannot be built anew",
        ))?;
        self.relearn()
    }

    /// The optimizer as it was before its first trial; `error` where it is the caller's own.
    fn build_anew(&mut self, error: Error) -> Result<()> {
        let Some(strategy) = &self.strategy else { return Err(error) };
        self.optimizer = strategy.build(&self.problem, self.streams)?;
        Ok(())
    }

    /// Tells the fresh optimizer the whole history, since it saw none of it.
    pub(super) fn relearn(&mut self) -> Result<()> {
        let history = std::mem::take(&mut self.history);
        for trial in history.trials() {
            self.history.push(trial.clone());
            self.learn(trial)?;
        }
        Ok(())
    }

    /// Checks that the study's space is this one, or says so where it has none yet.
    fn settle_space(&mut self) -> Result<()> {
        let Some(shared) = &mut self.shared else { return Ok(()) };
        let space = &self.problem.space;
        match shared.storage.attribute(SPACE) {
            Some(json) => {
                let at = shared.storage.location();
                let stored: SearchSpace =
                    serde_json::from_value(json.clone()).map_err(|error| {
                        Error::storage(&at, format!("attribute `{SPACE}` must be a space"), error)
                    })?;
                if stored != *space {
                    return Err(Error::storage(
                        at,
                        "the study's space must be the one that it was begun with",
                        stored.difference(space),
                    ));
                }
                Ok(())
            }
            None => {
                let json = serde_json::to_value(space)
                    .map_err(|error| Error::snapshot(SPACE, error.to_string()))?;
                shared.storage.set_attribute(SPACE, json)?;
                self.drain()
            }
        }
    }

    fn drain(&mut self) -> Result<()> {
        while let Some(change) = self.shared.as_mut().and_then(|shared| shared.storage.next()) {
            self.apply(change)?;
        }
        Ok(())
    }

    fn apply(&mut self, change: Change) -> Result<()> {
        let Some(shared) = &mut self.shared else { return Ok(()) };
        match change {
            Change::Created(number) => {
                let trial = shared.trial(number);
                let mut record = Record::new(trial.state);
                record.intermediate = trial.intermediate.clone();
                self.records.push(record);
                match trial.state {
                    TrialState::Waiting => {
                        shared.waiting.insert(number);
                    }
                    TrialState::Running => {
                        shared.running.insert(number);
                        if shared.is_own(number) && !shared.muted {
                            let configuration = self.propose(TrialId(number))?;
                            self.remember(number, configuration);
                        }
                        self.read_parameters(number);
                    }
                    _ => self.read_parameters(number),
                }
                Ok(())
            }
            Change::Claimed(number) => {
                let state = shared.trial(number).state;
                self.records[number as usize].state = state;
                if state == TrialState::Waiting {
                    // Somebody put it back: it is whoever asks next's.
                    shared.running.remove(&number);
                    shared.proposals.remove(&number);
                    shared.waiting.insert(number);
                    self.pending.retain(|trial| trial.id != TrialId(number));
                    return Ok(());
                }
                shared.waiting.remove(&number);
                shared.running.insert(number);
                self.read_parameters(number);
                self.complete_claimed(number)
            }
            Change::Parameter(number) => {
                self.read_parameters(number);
                Ok(())
            }
            Change::Reported(number, step) => {
                if let Some(value) = shared.trial(number).intermediate.get(&step) {
                    self.records[number as usize].intermediate.insert(step, *value);
                }
                Ok(())
            }
            Change::Finished(number) => {
                shared.waiting.remove(&number);
                shared.running.remove(&number);
                shared.proposals.remove(&number);
                let trial = shared.trial(number);
                let values = trial.values.clone().unwrap_or_default();
                let state = trial.state;
                let reason = trial.user_attributes.get(REASON).and_then(Json::as_str);
                let reason = (state == TrialState::Failed)
                    .then(|| reason.unwrap_or("failed elsewhere").to_owned());
                self.settle(TrialId(number), state, values, reason)
            }
            Change::Attribute(_) | Change::Study => Ok(()),
        }
    }

    fn remember(&mut self, number: u64, configuration: Configuration) {
        if let Some(shared) = &mut self.shared {
            shared.proposals.insert(number, configuration);
        }
    }

    /// Makes a trial pending as soon as its parameters are a configuration of the study's space.
    fn read_parameters(&mut self, number: u64) {
        let Some(shared) = &mut self.shared else { return };
        let id = TrialId(number);
        if self.pending.iter().any(|trial| trial.id == id) {
            return;
        }
        if let Some(configuration) = configuration_of(&self.problem.space, shared.trial(number)) {
            shared.proposals.remove(&number);
            self.pending.push(PendingTrial { id, configuration });
        }
    }

    /// What a trial that this agent claimed lacks: an enqueued one, or one whose worker died early.
    fn complete_claimed(&mut self, number: u64) -> Result<()> {
        let Some(shared) = &self.shared else { return Ok(()) };
        let known = shared.proposals.contains_key(&number)
            || self.pending.iter().any(|trial| trial.id == TrialId(number));
        if shared.muted || known || !shared.is_own(number) {
            return Ok(());
        }
        let trial = shared.trial(number);
        let mut fixed = match trial.system_attributes.get("fixed_params") {
            Some(Json::Object(fixed)) => fixed.clone(),
            _ => Map::new(),
        };
        for (name, parameter) in &trial.parameters {
            fixed.insert(name.clone(), parameter.external());
        }
        match self.fix(TrialId(number), &fixed) {
            Ok(configuration) => {
                self.remember(number, configuration);
                Ok(())
            }
            // Somebody enqueued what is not of the space: the trial fails when it is begun.
            Err(Error::Configuration { .. } | Error::Unknown { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) fn ask_shared(&mut self) -> Result<Suggestion> {
        self.sync()?;
        if let Some(suggestion) = self.take_over()? {
            return Ok(suggestion);
        }
        while let Some(shared) = &mut self.shared
            && let Some(number) = shared.waiting.pop_first()
        {
            let won = shared.storage.claim(number, None)?;
            self.drain()?;
            if won && let Some(suggestion) = self.begin(number)? {
                return Ok(suggestion);
            }
        }
        let Some(shared) = &mut self.shared else { return self.ask() };
        let number = shared.storage.create(NewTrial::Running)?;
        if let Err(error) = self.drain() {
            // The optimizer's error is what the caller must see.
            let _ = self.give_up(number, error.to_string());
            return Err(error);
        }
        self.begin(number)?.ok_or_else(|| Error::Trial {
            id: number,
            rule: "was asked for, but the optimizer proposed nothing".to_owned(),
        })
    }

    /// The first trial that a dead worker left, now this worker's.
    fn take_over(&mut self) -> Result<Option<Suggestion>> {
        let running: Vec<u64> = self.shared.iter().flat_map(|s| s.running.clone()).collect();
        for number in running {
            let Some(shared) = &mut self.shared else { return Ok(None) };
            let Some(dead) = shared.dead_owner(number) else { continue };
            let deaths = shared.trial(number).system_attributes.get(DEATHS).and_then(Json::as_u64);
            let deaths = deaths.unwrap_or(0) + 1;
            if !shared.storage.claim(number, Some(&dead))? {
                self.drain()?;
                continue;
            }
            shared.storage.write(&[Write::SystemAttribute {
                trial: number,
                key: DEATHS.to_owned(),
                value: deaths.into(),
            }])?;
            self.drain()?;
            if deaths >= MOST_DEATHS {
                self.give_up(number, format!("{deaths} workers died over it"))?;
                continue;
            }
            if let Some(suggestion) = self.begin(number)? {
                return Ok(Some(suggestion));
            }
        }
        Ok(None)
    }

    /// Writes the parameters of a trial of this worker's; `None` where it has no configuration and failed.
    fn begin(&mut self, number: u64) -> Result<Option<Suggestion>> {
        let id = TrialId(number);
        if let Some(trial) = self.pending.iter().find(|trial| trial.id == id) {
            let configuration = trial.configuration.clone();
            return Ok(Some(Suggestion { id, configuration }));
        }
        let Some(shared) = &mut self.shared else { return Ok(None) };
        let Some(configuration) = shared.proposals.get(&number).cloned() else {
            self.give_up(number, "its values are not of the study's space".to_owned())?;
            return Ok(None);
        };
        let writes: Vec<Write> = parameters_of(&configuration)
            .map(|(name, parameter)| Write::Parameter { trial: number, name, parameter })
            .collect();
        shared.storage.write(&writes)?;
        self.drain()?;
        Ok(Some(Suggestion { id, configuration }))
    }

    /// Fails a trial of this worker's that has no evaluation.
    fn give_up(&mut self, number: u64, reason: String) -> Result<()> {
        self.finish_shared(TrialId(number), (TrialState::Failed, Vec::new(), Some(reason)))
    }

    pub(super) fn finish_shared(
        &mut self,
        id: TrialId,
        (state, values, reason): (TrialState, Vec<f64>, Option<String>),
    ) -> Result<()> {
        let Some(shared) = &mut self.shared else { return Ok(()) };
        let reason = reason.map(|reason| Write::UserAttribute {
            trial: id.0,
            key: REASON.to_owned(),
            value: reason.into(),
        });
        let values = (!values.is_empty()).then_some(values);
        let writes: Vec<Write> =
            reason.into_iter().chain([Write::Finish { trial: id.0, state, values }]).collect();
        shared.storage.write(&writes)?;
        self.drain()?;
        let Some(shared) = &self.shared else { return Ok(()) };
        let (_, when, cost) = shared.saved;
        if when.elapsed() > Duration::from_millis(500).max(cost * SNAPSHOT_SHARE) {
            self.checkpoint()?;
        }
        Ok(())
    }

    pub(super) fn report_shared(&mut self, id: TrialId, step: i64, value: f64) -> Result<()> {
        let Some(shared) = &mut self.shared else { return Ok(()) };
        shared.storage.write(&[Write::Report { trial: id.0, step, value }])?;
        self.drain()
    }

    pub(super) fn enqueue_shared(&mut self, fixed: &Map<String, Json>) -> Result<()> {
        let Some(shared) = &mut self.shared else { return Ok(()) };
        shared
            .storage
            .create(NewTrial::Waiting { fixed: fixed.clone(), user_attributes: Map::new() })?;
        self.drain()
    }

    pub(super) fn add_shared(
        &mut self,
        configuration: &Configuration,
        state: TrialState,
        values: Vec<f64>,
        reason: Option<String>,
    ) -> Result<TrialId> {
        let Some(shared) = &mut self.shared else { return Ok(TrialId(0)) };
        let now = Timestamp::now();
        let user_attributes =
            reason.map(|reason| (REASON.to_owned(), Json::String(reason))).into_iter().collect();
        let number = shared.storage.create(NewTrial::Finished(Box::new(StoredTrial {
            number: 0,
            state,
            owner: None,
            values: (!values.is_empty()).then_some(values),
            parameters: parameters_of(configuration).collect(),
            intermediate: Default::default(),
            user_attributes,
            system_attributes: Map::new(),
            started: Some(now),
            completed: Some(now),
        })))?;
        self.drain()?;
        Ok(TrialId(number))
    }
}

impl Drop for Study {
    fn drop(&mut self) {
        // A snapshot only saves time: one that cannot be written loses nothing.
        let _ = self.checkpoint();
    }
}

/// The active parameters of a configuration as storages hold them.
fn parameters_of(
    configuration: &Configuration,
) -> impl Iterator<Item = (String, StoredParameter)> + '_ {
    configuration.space().parameters().iter().zip(configuration.values()).filter_map(
        |(parameter, value)| {
            let internal = match (*value)? {
                Value::Float(value) => value,
                Value::Int(value) => value as f64,
                Value::Category(index) => index as f64,
            };
            let domain = parameter.domain.clone();
            Some((parameter.name.clone(), StoredParameter { domain, internal }))
        },
    )
}

/// The configuration that a trial's parameters are, where they are one of this space.
pub(crate) fn configuration_of(space: &SearchSpace, trial: &StoredTrial) -> Option<Configuration> {
    let mut values = vec![None; space.len()];
    for (name, parameter) in &trial.parameters {
        let index = space.position(name).ok()?;
        let domain = &space.parameters()[index].domain;
        values[index] = Some(domain.read_json(name, &parameter.external()).ok()?);
    }
    space.admit(values).ok()
}
