//! A learned model of the surface, and trials imagined with it (Dyna).

use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::agent::{ActorCritic, ControlBatch};
use crate::error::{Error, Result};
use crate::mdp::{ContinuousFraming, Reward, RewardKind};
use crate::optimizer::Context;
use crate::persist::{Persist, Snapshot};
use crate::space::SearchSpace;
use crate::streams::{Generator, Streams};
use crate::value::{ContinuousValue, ContinuousValueConfig, Critics, Estimates, Examples};

/// Learning from imagined trials (Sutton 1990; in the form of Janner et al. 2019, algorithm 2: an
/// ensemble of models, and short rollouts from states of the real process).
///
/// After every trial the model is fitted to the scores so far, and `imagined-per-trial` steps are
/// imagined from the state at hand: every other action is the agent's own, the rest are uniform; a
/// member drawn for each step says what the trial would be worth. Every update of the agent then
/// takes as many imagined steps as transitions.
///
/// Deviations from Janner et al. 2019: the model predicts a score and not the next state, which is
/// known; rollouts have one step; members are deterministic and differ by initial weights and by
/// which trials they see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Dyna {
    /// The imagined steps after every trial, in `1..=2^20`.
    pub imagined_per_trial: usize,
    /// The model: what is expected of a configuration.
    pub model: ContinuousValueConfig,
}

impl Default for Dyna {
    fn default() -> Self {
        let critics = Critics { members: 4, updates_per_trial: 60, ..Critics::default() };
        Self { imagined_per_trial: 256, model: ContinuousValueConfig::Critics(critics) }
    }
}

impl Dyna {
    pub(super) fn build(&self, space: &SearchSpace, streams: Streams) -> Result<SurfaceModel> {
        if !(1..=1 << 20).contains(&self.imagined_per_trial) {
            let found = self.imagined_per_trial;
            return Err(Error::setting("dyna", "imagined-per-trial", "in 1..=2^20", found));
        }
        Ok(SurfaceModel {
            imagined_per_trial: self.imagined_per_trial,
            value: self.model.build(space, true, streams.child("dyna", 0))?,
            inputs: Vec::new(),
            estimates: Estimates::default(),
        })
    }
}

/// What is expected of a configuration, and how much of it is imagined.
pub(super) struct SurfaceModel {
    imagined_per_trial: usize,
    value: Box<dyn ContinuousValue>,
    inputs: Vec<f32>,
    estimates: Estimates,
}

/// What an imagined step needs to know beside the process.
pub(super) struct Imagining<'a> {
    pub state: &'a [f32],
    pub reward: Reward,
    /// The normalized scores of all trials.
    pub scores: &'a [f32],
    pub discount: f32,
}

impl SurfaceModel {
    /// Fits the model to the history and imagines steps; `into` is overwritten.
    pub fn imagine(
        &mut self,
        what: &Imagining<'_>,
        framing: &dyn ContinuousFraming,
        agent: &mut dyn ActorCritic,
        cx: &Context<'_>,
        rng: &mut Generator,
        into: &mut ControlBatch,
    ) {
        into.clear();
        let trials = cx.history.trials();
        if trials.is_empty() || trials.len() != what.scores.len() {
            return;
        }
        let width = cx.space.features();
        self.inputs.clear();
        self.inputs.resize(trials.len() * width, 0.0);
        for (trial, row) in trials.iter().zip(self.inputs.chunks_exact_mut(width)) {
            cx.space.encode(&trial.configuration, row);
        }
        self.value.fit(Examples { inputs: &self.inputs, rewards: what.scores, pending: 0 }, rng);

        let rows = self.imagined_per_trial;
        let mut action = Vec::new();
        let mut configurations = Vec::with_capacity(rows);
        self.inputs.clear();
        self.inputs.resize(rows * width, 0.0);
        for (step, row) in self.inputs.chunks_exact_mut(width).enumerate() {
            if step % 2 == 0 {
                agent.explore(what.state, cx.id.0, rng, &mut action);
            } else {
                action.clear();
                let len = framing.actions().len();
                action.extend((0..len).map(|_| rng.random_range(-1.0f32..=1.0)));
            }
            let configuration = framing.decode(&action);
            cx.space.encode(&configuration, row);
            configurations.push(configuration);
        }
        self.value.estimate(&self.inputs, rows, &mut self.estimates);
        let members = self.estimates.members.len() / rows;
        let best = what.scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        for (row, configuration) in configurations.iter().enumerate() {
            let z = match members {
                0 => self.estimates.mean[row],
                _ => self.estimates.members[rng.random_range(0..members) * rows + row],
            };
            let z = if z.is_finite() { z } else { 0.0 };
            let worth = match what.reward.kind {
                RewardKind::Score => z,
                RewardKind::Improvement => (z - best).max(0.0),
                RewardKind::NegativeRegret => (z - best).min(0.0),
            };
            let next = framing.imagined(what.state, configuration, z);
            let action = framing.encode(configuration);
            into.push(what.state, &action, worth, &next, what.discount, 1.0);
        }
    }
}

impl Persist for SurfaceModel {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        self.value.save(at, snapshot)
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        self.value.load(at, snapshot)
    }
}
