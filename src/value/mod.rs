//! Value functions: what each action is expected to bring.

mod cholesky;
mod continuous;
mod cosines;
mod counts;
mod critics;
mod dqn;
mod ensemble;
mod gaussian_process;
mod kernel;
mod memory;
mod network;
mod table;
#[cfg(test)]
mod tests;

pub use continuous::{ContinuousValue, ContinuousValueConfig, Examples};
pub use counts::LinearCounts;
pub use critics::{CriticEnsemble, Critics};
pub use dqn::DeepQ;
pub use ensemble::Ensemble;
pub use gaussian_process::{GaussianProcess, GaussianProcessValue};
pub use kernel::{Kernel, KernelValue};
pub use memory::{Memory, Transition};
pub use network::{Head, Target};
pub use table::{QTable, Table};

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::explore::Moment;
use crate::mdp::{Framing, Observation, Targets};
use crate::persist::Persist;
use crate::space::Grid;
use crate::streams::Streams;

/// What a value function supplies beside the mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Signals {
    /// How often each action was taken.
    pub counts: bool,
    /// The standard deviation of each action's value.
    pub spread: bool,
    /// Several values for each action, one a member of an ensemble.
    pub members: bool,
    /// The value of the best configuration so far.
    pub incumbent: bool,
}

/// What is known of every action in one state. What a value function does not supply is empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Estimates {
    /// `Q(s, a)`.
    pub mean: Vec<f32>,
    /// The standard deviation of `Q(s, a)`.
    pub spread: Vec<f32>,
    /// How often `(s, a)` was taken; a generalized count need not be whole.
    pub counts: Vec<f32>,
    /// `Q_k(s, a)` for every member `k`, member after member.
    pub members: Vec<f32>,
    /// The highest value that is expected of any configuration tried so far.
    pub incumbent: Option<f32>,
}

/// A learned function `Q(s, a)`: the expected discounted sum of rewards after taking `a` in `s`.
pub trait QFunction: Persist + Send {
    /// The estimates of all actions in a state, allowed or not. `into` is overwritten; its buffers are
    /// used again.
    fn estimate(&mut self, observation: &Observation, into: &mut Estimates);

    /// Learns, after the transitions `memory[fresh..]` were added. `rewards` are those of all finished
    /// trials, which transitions point into.
    ///
    /// # Errors
    ///
    /// What the value function's own parts report.
    fn learn(
        &mut self,
        memory: &Memory,
        fresh: usize,
        rewards: &[f32],
        moment: Moment,
    ) -> Result<()>;

    /// Refuses a state just loaded from the path `at` that does not fit the memory loaded with it.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`](crate::Error::Snapshot) with what does not fit.
    fn check_loaded(&self, at: &str, memory: &Memory) -> Result<()>;
}

/// What a value function needs to know of the process that it is built for.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The number of states that a table tells apart.
    pub states: usize,
    /// The number of actions.
    pub actions: usize,
    /// The length of a state's features.
    pub features: usize,
    /// The grid that actions lead to.
    pub grid: Arc<Grid>,
    /// Which configuration each action leads to.
    pub targets: Targets,
    /// The discount factor of one step.
    pub discount: f32,
}

impl Setting {
    /// The setting of a framing.
    pub fn of(framing: &dyn Framing, grid: Arc<Grid>, discount: f32) -> Self {
        Self {
            states: framing.states(),
            actions: framing.actions(),
            features: framing.features(),
            grid,
            targets: framing.targets(),
            discount,
        }
    }

    /// The configuration that an action leads to; `None` where it leads nowhere.
    pub fn reached(&self, state: usize, action: usize) -> Option<usize> {
        self.targets.reached(&self.grid, state, action)
    }
}

/// A value function and its settings, as plain data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueConfig {
    /// A table.
    Table(Table),
    /// A deep Q-network.
    Dqn(DeepQ),
    /// A bootstrapped ensemble of deep Q-networks.
    Ensemble(Ensemble),
}

impl ValueConfig {
    /// The name as it stands in names of strategies.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Table(_) => "table",
            Self::Dqn(_) => "dqn",
            Self::Ensemble(_) => "ensemble",
        }
    }

    /// What it will supply beside the mean, known before it is built.
    pub fn supplies(&self) -> Signals {
        match self {
            Self::Table(_) => Signals { counts: true, ..Signals::default() },
            Self::Dqn(_) => Signals { counts: true, ..Signals::default() },
            Self::Ensemble(_) => {
                Signals { counts: true, spread: true, members: true, incumbent: false }
            }
        }
    }

    /// Builds the value function; `streams` give its initial weights.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) where a setting is out of its range;
    /// [`Error::Unsuited`](crate::Error::Unsuited) where options exclude each other.
    pub fn build(&self, setting: Setting, streams: Streams) -> Result<Box<dyn QFunction>> {
        Ok(match self {
            Self::Table(config) => Box::new(QTable::new(config, setting)?),
            Self::Dqn(config) => config.build(setting, streams)?,
            Self::Ensemble(config) => config.build(setting, streams)?,
        })
    }
}
