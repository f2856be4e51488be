//! Trials as storages hold them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::space::Domain;

/// Where a stored trial stands. The numbers are Optuna's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrialState {
    /// A worker evaluates it.
    Running = 0,
    /// The evaluation gave one value an objective.
    Complete = 1,
    /// The evaluation was given up, since its intermediate values promised little.
    Pruned = 2,
    /// The evaluation failed.
    Failed = 3,
    /// It waits for a worker.
    Waiting = 4,
}

impl TrialState {
    /// Whether the trial never changes again.
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Complete | Self::Pruned | Self::Failed)
    }

    /// The state of Optuna's number.
    pub fn from_number(number: u64) -> Option<Self> {
        [Self::Running, Self::Complete, Self::Pruned, Self::Failed, Self::Waiting]
            .into_iter()
            .find(|state| *state as u64 == number)
    }
}

impl std::fmt::Display for TrialState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Pruned => "pruned",
            Self::Failed => "failed",
            Self::Waiting => "waiting",
        })
    }
}

/// The name of a worker in the trials that it creates or claims: unique among workers, in an Optuna journal
/// its `worker_id`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(pub String);

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A moment, as microseconds since 1970-01-01 00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// A parameter of a stored trial, as Optuna holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredParameter {
    /// Its domain. It need not be one that a [`SearchSpace`](crate::space::SearchSpace) admits: Optuna allows `low == high`.
    pub domain: Domain,
    /// The number of its value: itself, or the position of a choice.
    pub internal: f64,
}

impl StoredParameter {
    /// The value as people write it: a number, or the choice itself. `null` where the number is the
    /// position of no choice.
    pub fn external(&self) -> Json {
        match &self.domain {
            Domain::Float { .. } => self.internal.into(),
            Domain::Int { .. } => (self.internal as i64).into(),
            Domain::Categorical { choices } => choices
                .get(self.internal as usize)
                .and_then(|choice| serde_json::to_value(choice).ok())
                .unwrap_or(Json::Null),
        }
    }
}

/// A trial as a storage holds it. Python workers write any parameters they like, so these need not be of
/// the study's space, and values may be NaN or infinite.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTrial {
    /// Its number in its study, from 0 in the order of creation.
    pub number: u64,
    /// Where it stands.
    pub state: TrialState,
    /// Who evaluates it or did so, `None` where that is unknown.
    pub owner: Option<Owner>,
    /// One value an objective, `None` where there are none (yet).
    pub values: Option<Vec<f64>>,
    /// The parameters in the order in which they were set.
    pub parameters: Vec<(String, StoredParameter)>,
    /// Intermediate values by step.
    pub intermediate: BTreeMap<i64, f64>,
    /// Attributes that the user sees.
    pub user_attributes: Map<String, Json>,
    /// Attributes of the machinery.
    pub system_attributes: Map<String, Json>,
    /// When its evaluation began.
    pub started: Option<Timestamp>,
    /// When it was finished.
    pub completed: Option<Timestamp>,
}
