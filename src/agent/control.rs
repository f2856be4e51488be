//! Continuous control: what agents that act with vectors have in common.
//!
//! A state is a vector of numbers, an action one of numbers in `[-1, 1]`. An actor network chooses
//! actions, critic networks value them. Nothing here knows of hyperparameters.

use serde::{Deserialize, Serialize};

use super::{Ddpg, Sac, Td3};
use crate::error::{Error, Result};
use crate::nn::{Adam, AdamSettings};
use crate::persist::Persist;
use crate::streams::{Generator, Streams};

/// Transitions to learn from. Its buffers are used again: [`Self::clear`], then [`Self::push`].
///
/// ```
/// use hyperq::agent::ControlBatch;
///
/// let mut batch = ControlBatch::default();
/// batch.push(&[0.1, 0.2, 0.3], &[-1.0], 0.5, &[0.2, 0.3, 0.4], 0.99, 1.0);
/// assert_eq!((batch.rows(), batch.inputs.len()), (1, 4));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ControlBatch {
    /// What was done where: rows of `[state | action]`.
    pub inputs: Vec<f32>,
    /// The rewards; with n-step returns, `r_t + ... + gamma^(n-1) r_(t+n-1)`.
    pub rewards: Vec<f32>,
    /// The states reached. They are not read where the discount is 0, but must be there.
    pub next_states: Vec<f32>,
    /// How much the value of the state reached counts: `gamma^n`, and 0 where the episode ended.
    pub discounts: Vec<f32>,
    /// Importance weights of the critics' squared errors; 1 for uniform replay.
    pub weights: Vec<f32>,
}

impl ControlBatch {
    /// Forgets all rows and keeps the buffers.
    pub fn clear(&mut self) {
        let Self { inputs, rewards, next_states, discounts, weights } = self;
        [inputs, rewards, next_states, discounts, weights].into_iter().for_each(Vec::clear);
    }

    /// The number of transitions.
    pub fn rows(&self) -> usize {
        self.rewards.len()
    }

    /// Adds a transition.
    pub fn push(
        &mut self,
        state: &[f32],
        action: &[f32],
        reward: f32,
        next_state: &[f32],
        discount: f32,
        weight: f32,
    ) {
        self.inputs.extend_from_slice(state);
        self.inputs.extend_from_slice(action);
        self.rewards.push(reward);
        self.next_states.extend_from_slice(next_state);
        self.discounts.push(discount);
        self.weights.push(weight);
    }

    /// Adds a row of another batch, whose states and actions must have the same lengths.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    pub fn copy(&mut self, other: &Self, row: usize) {
        let rows = other.rows();
        let (width, states) = (other.inputs.len() / rows, other.next_states.len() / rows);
        self.inputs.extend_from_slice(&other.inputs[row * width..][..width]);
        self.rewards.push(other.rewards[row]);
        self.next_states.extend_from_slice(&other.next_states[row * states..][..states]);
        self.discounts.push(other.discounts[row]);
        self.weights.push(other.weights[row]);
    }

    /// Panics unless there is a row and every array has the length that goes with it.
    pub(super) fn assert_fits(&self, states: usize, actions: usize) {
        let rows = self.rows();
        assert!(rows > 0, "a batch must have a row");
        assert_eq!(self.inputs.len(), rows * (states + actions), "inputs must be [state | action]");
        assert_eq!(self.next_states.len(), rows * states, "next states must be rows x {states}");
        assert_eq!(self.discounts.len(), rows, "every row must have a discount");
        assert_eq!(self.weights.len(), rows, "every row must have a weight");
    }

    /// Writes the states (`rows x states`) out of the inputs.
    pub(super) fn states(&self, states: usize, into: &mut Vec<f32>) {
        into.clear();
        for row in self.inputs.chunks_exact(self.inputs.len() / self.rows()) {
            into.extend_from_slice(&row[..states]);
        }
    }
}

/// What an update minimized, for reports.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Losses {
    /// The critics' weighted squared error, before the step: a mean over rows and critics.
    pub critic: f32,
    /// The actor's loss, before the step; `None` where an update leaves the actor alone.
    pub actor: Option<f32>,
    /// The temperature after the step, where there is one.
    pub temperature: Option<f32>,
}

/// An agent whose actor acts and whose critics value.
///
/// Actions lie in `[-1, 1]`; where a network has diverged to NaN, an action is 0. Methods panic where a
/// slice has another length than the agent was built for.
pub trait ActorCritic: Persist + Send {
    /// What the agent thinks best: overwrites `into`.
    fn act(&mut self, state: &[f32], into: &mut Vec<f32>);

    /// What the agent tries: overwrites `into`. `trial` is what schedules of noise go by.
    fn explore(&mut self, state: &[f32], trial: u64, rng: &mut Generator, into: &mut Vec<f32>);

    /// Begins an episode: noise with memory starts again, noise on weights is drawn anew.
    fn begin_episode(&mut self, rng: &mut Generator);

    /// Learns from a batch, which must have a row.
    fn update(&mut self, batch: &ControlBatch, rng: &mut Generator) -> Losses;

    /// The sizes of the temporal-difference errors of the last batch, row by row, before its step and
    /// averaged over the critics: for prioritized replay.
    fn errors(&self) -> &[f32];

    /// How many critics there are.
    fn critics(&self) -> usize;

    /// The value of `rows` of `[state | action]` by every critic: overwrites `into` with
    /// `critics x rows` numbers.
    fn values(&mut self, inputs: &[f32], rows: usize, into: &mut Vec<f32>);

    /// The gradient at the actions of a weighted sum of all values of `rows` of `[state | action]`, with
    /// one weight for each value ([`Self::values`] has their order): overwrites `into` with
    /// `rows x actions` numbers.
    fn gradient(&mut self, inputs: &[f32], rows: usize, weights: &[f32], into: &mut Vec<f32>);
}

/// An actor-critic agent and its settings, as plain data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActorCriticConfig {
    /// Deep deterministic policy gradient.
    Ddpg(Ddpg),
    /// Twin delayed deep deterministic policy gradient.
    Td3(Td3),
    /// Soft actor-critic.
    Sac(Sac),
}

impl ActorCriticConfig {
    /// The name as it stands in names of strategies.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ddpg(_) => "ddpg",
            Self::Td3(_) => "td3",
            Self::Sac(_) => "sac",
        }
    }

    /// How many transitions an update is made for.
    pub fn batch(&self) -> usize {
        match self {
            Self::Ddpg(config) => config.batch,
            Self::Td3(config) => config.batch,
            Self::Sac(config) => config.batch,
        }
    }

    /// How many critics there will be.
    pub fn critics(&self) -> usize {
        match self {
            Self::Ddpg(config) => config.critics,
            Self::Td3(config) => config.critics,
            Self::Sac(config) => config.critics,
        }
    }

    /// Builds the agent for states of so many numbers and actions of so many; `streams` give its
    /// initial weights.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting is out of its range; [`Error::Unsuited`] where options exclude
    /// each other.
    pub fn build(
        &self,
        states: usize,
        actions: usize,
        streams: Streams,
    ) -> Result<Box<dyn ActorCritic>> {
        Ok(match self {
            Self::Ddpg(config) => Box::new(config.build(states, actions, streams)?),
            Self::Td3(config) => Box::new(config.build(states, actions, streams)?),
            Self::Sac(config) => Box::new(config.build(states, actions, streams)?),
        })
    }
}

macro_rules! from_settings {
    ($($agent:ident),+) => {$(
        impl From<$agent> for ActorCriticConfig {
            fn from(agent: $agent) -> Self {
                Self::$agent(agent)
            }
        }
    )+};
}
from_settings!(Ddpg, Td3, Sac);

/// What the settings of all three agents must fulfil, checked in one place.
pub(super) struct Common<'a> {
    pub owner: &'a str,
    pub hidden: &'a [usize],
    pub critics: usize,
    pub critics_at_least: usize,
    pub actor_learning_rate: f32,
    pub critic_learning_rate: f32,
    pub weight_decay: f32,
    pub gradient_clip: Option<f32>,
    pub tau: f32,
    pub batch: usize,
    pub prior_scale: f32,
    pub bootstrap: f32,
}

impl Common<'_> {
    pub fn check(&self) -> Result<()> {
        if self.hidden.contains(&0) {
            return Err(Error::setting(self.owner, "hidden", "widths of at least 1", 0));
        }
        if !(self.critics_at_least..=64).contains(&self.critics) {
            let rule = format!("in {}..=64", self.critics_at_least);
            return Err(Error::setting(self.owner, "critics", rule, self.critics));
        }
        above_0(self.owner, "actor-learning-rate", self.actor_learning_rate)?;
        above_0(self.owner, "critic-learning-rate", self.critic_learning_rate)?;
        at_least_0(self.owner, "weight-decay", self.weight_decay)?;
        if let Some(norm) = self.gradient_clip {
            above_0(self.owner, "gradient-clip", norm)?;
        }
        if !(self.tau > 0.0 && self.tau <= 1.0) {
            return Err(Error::setting(self.owner, "tau", "in (0, 1]", self.tau));
        }
        if self.batch == 0 {
            return Err(Error::setting(self.owner, "batch", "at least 1", 0));
        }
        at_least_0(self.owner, "prior-scale", self.prior_scale)?;
        if !(self.bootstrap > 0.0 && self.bootstrap <= 1.0) {
            return Err(Error::setting(self.owner, "bootstrap", "in (0, 1]", self.bootstrap));
        }
        Ok(())
    }
}

pub(super) fn above_0(owner: &str, setting: &str, value: f32) -> Result<()> {
    match value > 0.0 && value.is_finite() {
        true => Ok(()),
        false => Err(Error::setting(owner, setting, "a finite number above 0", value)),
    }
}

pub(super) fn at_least_0(owner: &str, setting: &str, value: f32) -> Result<()> {
    match value >= 0.0 && value.is_finite() {
        true => Ok(()),
        false => Err(Error::setting(owner, setting, "a finite number of at least 0", value)),
    }
}

/// Adam for `len` weights.
pub(super) fn adam(learning_rate: f32, clip_norm: Option<f32>, len: usize) -> Result<Adam> {
    Adam::new(AdamSettings { learning_rate, clip_norm, ..AdamSettings::default() }, len)
}

/// Clamps to `[-1, 1]`; NaN, which a diverged network may put out, becomes 0.
pub(super) fn bound(actions: &mut [f32]) {
    for action in actions {
        *action = if action.is_nan() { 0.0 } else { action.clamp(-1.0, 1.0) };
    }
}

/// Writes rows of `[state | action]`.
pub(super) fn join(states: &[f32], actions: &[f32], rows: usize, into: &mut Vec<f32>) {
    into.clear();
    let (state, action) = (states.len() / rows, actions.len() / rows);
    for (s, a) in states.chunks_exact(state).zip(actions.chunks_exact(action)) {
        into.extend_from_slice(s);
        into.extend_from_slice(a);
    }
}
