//! Agents: they act, and learn from what came of it.
//!
//! [`Agent`] acts in a process of tuning. [`ActorCritic`] is the level below: continuous control with
//! vectors, by [`Ddpg`], [`Td3`] or [`Sac`]. [`HypRlLearner`] learns over many tasks from the histories of
//! their episodes.

mod control;
mod critics;
mod ddpg;
mod deterministic;
mod hyp_rl;
mod q;
mod sac;
mod td3;
#[cfg(test)]
mod tests;

pub use control::{ActorCritic, ActorCriticConfig, ControlBatch, Losses};
pub use ddpg::Ddpg;
pub use deterministic::DeterministicAgent;
pub use hyp_rl::{Descent, HypRl, HypRlLearner};
pub use q::{QAgent, QLearning};
pub use sac::{Sac, SacAgent};
pub use td3::Td3;

use crate::error::Result;
use crate::explore::Moment;
use crate::mdp::Observation;
use crate::persist::Persist;
use crate::streams::Generator;

/// One step of a process, as an agent learns from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Step<A> {
    /// What the agent saw.
    pub observation: Observation,
    /// What it did.
    pub action: A,
    /// The configuration of the grid that this led to.
    pub reached: usize,
    /// The position of the trial in the order of telling; its reward is `rewards[trial]`.
    pub trial: usize,
    /// What was seen then; `None` where the episode ended.
    pub next: Option<Observation>,
}

/// Acts in a process and learns from its steps.
pub trait Agent: Persist + Send {
    /// What the agent does.
    type Action;

    /// Chooses an action.
    ///
    /// # Errors
    ///
    /// What the agent's own parts report.
    fn act(
        &mut self,
        observation: &Observation,
        moment: Moment,
        rng: &mut Generator,
    ) -> Result<Self::Action>;

    /// Learns from a step. `rewards` are those of all finished trials, since their normalization
    /// changes with every trial.
    ///
    /// # Errors
    ///
    /// What the agent's own parts report.
    fn learn(&mut self, step: Step<Self::Action>, rewards: &[f32], moment: Moment) -> Result<()>;

    /// Ends the episode without a step, as where the process is put elsewhere.
    ///
    /// # Errors
    ///
    /// What the agent's own parts report.
    fn interrupt(&mut self, rewards: &[f32], moment: Moment) -> Result<()>;
}
