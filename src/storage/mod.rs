//! Storages: where the trials of a study live while workers come and go.
//!
//! A study without a storage lives in memory. With one, every trial is written before it counts, several
//! workers (threads, processes, hosts; Rust or Python) share the study, and a worker that dies loses
//! nothing that was acknowledged. The formats are Optuna's, so that its samplers and its dashboard open
//! the same study.
//!
//! A storage is a log of changes. [`Storage::next`] hands them out one at a time, and everything that a
//! storage says of a trial is as of the changes handed out so far. A study that is replayed from its
//! storage therefore sees, at each change, what it saw when the change was new: that is why it resumes
//! bit for bit.

mod distribution;
#[cfg(feature = "optuna-grpc")]
mod grpc;
mod journal;
mod python_json;
mod rules;
mod timestamp;
mod trial;

#[cfg(feature = "optuna-grpc")]
pub use grpc::GrpcProxy;
pub use journal::{Journal, JournalOptions, Repair, Unreadable};
pub use trial::{Owner, StoredParameter, StoredTrial, Timestamp, TrialState};

use std::path::Path;

use serde_json::Value as Json;

use crate::error::Result;
use crate::trial::Direction;

/// The user attribute of a trial that says why it failed.
pub const REASON: &str = "failure";
/// The user attribute of a failed trial that holds the end of its program's standard error.
pub const STDERR: &str = "stderr";

/// Optuna's attribute of a study for the names of its objectives.
pub const METRIC_NAMES: &str = "study:metric_names";

/// The names of the bound study's objectives where somebody gave them; else `value`, of several `value 0`,
/// `value 1`, ...
pub fn objective_names(storage: &dyn Storage) -> Vec<String> {
    let given = storage.attribute(METRIC_NAMES).and_then(Json::as_array);
    let names: Vec<String> = given
        .map(|names| names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
        .unwrap_or_default();
    let count = storage.directions().len();
    match (names.len() == count, count) {
        (true, _) => names,
        (false, 1) => vec!["value".to_owned()],
        (false, _) => (0..count).map(|index| format!("value {index}")).collect(),
    }
}

/// The system attribute of a trial that names its owner. In a journal, by which a worker takes over the running
/// trial of a dead one.
const OWNER: &str = "hyperq:owner";

/// What changed in a study, in the order in which the storage holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The trial of this number was created, running or waiting.
    Created(u64),
    /// A waiting trial was claimed, or the trial of a dead worker was taken over: it has a new owner. Or,
    /// since Optuna allows it, a running trial was put back to wait: it has none.
    Claimed(u64),
    /// A parameter of the trial was set.
    Parameter(u64),
    /// An intermediate value of the trial was reported, at this step.
    Reported(u64, i64),
    /// An attribute of the trial was set.
    Attribute(u64),
    /// The trial is complete, pruned or failed. It never changes again.
    Finished(u64),
    /// An attribute of the study was set.
    Study,
}

/// What a worker writes about one of its trials. [`Storage::write`] takes several at once: they are
/// durable together, at the cost of one.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Sets a parameter of a running trial.
    Parameter {
        /// The trial's number.
        trial: u64,
        /// The parameter's name.
        name: String,
        /// Its domain and value.
        parameter: StoredParameter,
    },
    /// Reports an intermediate value; one reported for the same step before is replaced. The value must be
    /// finite.
    Report {
        /// The trial's number.
        trial: u64,
        /// The step, such as an epoch.
        step: i64,
        /// The value.
        value: f64,
    },
    /// Sets an attribute that the user sees.
    UserAttribute {
        /// The trial's number.
        trial: u64,
        /// The attribute's name.
        key: String,
        /// Its value.
        value: Json,
    },
    /// Sets an attribute of the machinery.
    SystemAttribute {
        /// The trial's number.
        trial: u64,
        /// The attribute's name.
        key: String,
        /// Its value.
        value: Json,
    },
    /// Ends a trial. Values must be finite; `None` where there are none.
    Finish {
        /// The trial's number.
        trial: u64,
        /// [`TrialState::Complete`], [`TrialState::Pruned`] or [`TrialState::Failed`].
        state: TrialState,
        /// One value an objective.
        values: Option<Vec<f64>>,
    },
}

/// What a new trial begins with.
#[derive(Debug, Clone, PartialEq)]
pub enum NewTrial {
    /// The caller is going to evaluate it; its parameters follow by [`Storage::write`].
    Running,
    /// Somebody is to evaluate these values first (Optuna's `enqueue_trial`): names and external values,
    /// all parameters or some.
    Waiting {
        /// Names and external values.
        fixed: serde_json::Map<String, Json>,
        /// Attributes that the user sees.
        user_attributes: serde_json::Map<String, Json>,
    },
    /// A trial of another time or place, finished already (Optuna's `add_trial`): its number is given
    /// anew.
    Finished(Box<StoredTrial>),
}

/// Where the trials of a study live.
///
/// One handle serves one worker; a worker with several threads shares one handle behind a lock. Every
/// handle has an identity of its own, [`Storage::owner`], which the trials that it creates or claims carry.
pub trait Storage: Send {
    /// Where it is, for messages: a path or an address.
    fn location(&self) -> String;

    /// The names of the studies it holds, in the order of their creation.
    ///
    /// # Errors
    ///
    /// As [`Storage::refresh`].
    fn studies(&mut self) -> Result<Vec<String>>;

    /// Binds the handle to a study, which is created where it is missing: `directions` are then its
    /// objectives. Where it exists, `directions` must be its own; `None` takes them as they are. All
    /// further methods speak of this study. Bound again, the handle begins anew.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`](crate::Error::Storage) where the study has other directions, or is missing and no directions are given;
    /// as [`Storage::refresh`] else.
    fn bind(&mut self, study: &str, directions: Option<&[Direction]>) -> Result<()>;

    /// Names this handle in the trials that it creates or claims. Before it is called, the handle has an
    /// owner that nobody else has. An owner is at most one live handle's.
    fn set_owner(&mut self, owner: Owner);

    /// The name of this handle in the trials that it creates or claims.
    fn owner(&self) -> &Owner;

    /// The directions of the study's objectives.
    fn directions(&self) -> &[Direction];

    /// An attribute of the study's machinery.
    fn attribute(&self, key: &str) -> Option<&Json>;

    /// Sets an attribute of the study's machinery.
    ///
    /// # Errors
    ///
    /// As [`Storage::write`].
    fn set_attribute(&mut self, key: &str, value: Json) -> Result<()>;

    /// Reads what was written since, by anybody, to be handed out by [`Storage::next`].
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) where the storage cannot be reached,
    /// [`Error::File`](crate::Error::File) or [`Error::Storage`](crate::Error::Storage) where it holds what it must not.
    fn refresh(&mut self) -> Result<()>;

    /// Applies the next change and hands it out; `None` where all that was read so far is handed out.
    /// The handle's own writes are handed out too, in their place.
    fn next(&mut self) -> Option<Change>;

    /// The trials by number, as of the changes handed out.
    fn trials(&self) -> &[StoredTrial];

    /// How many changes were handed out, and a fingerprint of them and of their order, where the storage
    /// keeps the order for ever. A snapshot of an agent notes both, and belongs to every log that agrees
    /// so far.
    fn position(&self) -> Option<Position>;

    /// Creates a trial and returns its number. All that others wrote before it is handed out by
    /// [`Storage::next`] before its creation is. A running trial need not be durable yet when this
    /// returns: the parameters that follow make it so.
    ///
    /// # Errors
    ///
    /// As [`Storage::write`].
    fn create(&mut self, trial: NewTrial) -> Result<u64>;

    /// Claims a trial that is waiting, or takes over the running trial of a dead worker, `from`. `false`
    /// where somebody else was first.
    ///
    /// # Errors
    ///
    /// As [`Storage::write`].
    fn claim(&mut self, trial: u64, from: Option<&Owner>) -> Result<bool>;

    /// Writes about running trials; durable when it returns.
    ///
    /// # Errors
    ///
    /// [`Error::Trial`](crate::Error::Trial) where a trial is unknown or finished already: nothing is written then;
    /// [`Error::Io`](crate::Error::Io) where the storage cannot be written, for want of space for instance: what was written is
    /// taken back; [`Error::Storage`](crate::Error::Storage) for what the storage cannot hold, NaN for
    /// instance, or a parameter whose kind, scale or choices are not those it had in the study so far:
    /// nothing is written then.
    fn write(&mut self, writes: &[Write]) -> Result<()>;

    /// A directory beside the storage for what has no place in it (snapshots of agents, signs of life),
    /// where there can be one.
    fn beside(&self) -> Option<&Path>;
}

/// A place in a storage's log: how many changes lie before it, and their fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// The number of changes.
    pub changes: u64,
    /// A hash of the changes and of their order.
    pub fingerprint: u64,
}
