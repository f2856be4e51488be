//! A learned model of the surface, and trials imagined with it (Dyna).

use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::agent::{ActorCritic, ControlBatch};
use crate::error::{Error, Result};
use crate::mdp::{ActionSpace, ContinuousFraming, Reward, RewardKind};
use crate::nn::{Activation, Adam, AdamSettings, Init, MlpShape, Network, Workspace};
use crate::optimizer::Context;
use crate::persist::{Persist, Snapshot};
use crate::streams::{Generator, Streams};

/// Learning from imagined trials (Sutton 1990; in the form of Janner et al. 2019, algorithm 2: an
/// ensemble of models, and short rollouts from states of the real process).
///
/// After every trial the models are fitted to the scores so far, and `imagined-per-trial` steps are
/// imagined from the state at hand: every other action is the agent's own, the rest are uniform; a
/// member drawn for each step says what the trial would be worth. Every update of the agent then
/// takes as many imagined steps as transitions.
///
/// Deviations from Janner et al. 2019: the models predict a score and not the next state, which is
/// known; rollouts have one step; members are deterministic and differ by initial weights and by
/// which trials they see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Dyna {
    /// The imagined steps after every trial, at least 1.
    pub imagined_per_trial: usize,
    /// The number of models, in `1..=64`.
    pub members: usize,
    /// The widths of their hidden layers.
    pub hidden: Vec<usize>,
    /// Their steps of Adam after every trial, at least 1.
    pub model_updates: usize,
    /// The size of these steps, above 0.
    pub learning_rate: f32,
    /// The decoupled weight decay, at least 0.
    pub weight_decay: f32,
    /// The probability that a model sees a trial in a step, in `(0, 1]`.
    pub bootstrap: f32,
}

impl Default for Dyna {
    fn default() -> Self {
        Self {
            imagined_per_trial: 256,
            members: 4,
            hidden: vec![64, 64],
            model_updates: 40,
            learning_rate: 3e-3,
            weight_decay: 1e-4,
            bootstrap: 0.8,
        }
    }
}

impl Dyna {
    pub(super) fn build(&self, actions: usize, streams: Streams) -> Result<SurfaceModel> {
        const OWNER: &str = "dyna";
        for (name, value) in
            [("imagined-per-trial", self.imagined_per_trial), ("model-updates", self.model_updates)]
        {
            if !(1..=1 << 20).contains(&value) {
                return Err(Error::setting(OWNER, name, "in 1..=2^20", value));
            }
        }
        if !(1..=64).contains(&self.members) {
            return Err(Error::setting(OWNER, "members", "in 1..=64", self.members));
        }
        if self.hidden.contains(&0) {
            return Err(Error::setting(OWNER, "hidden", "widths of at least 1", 0));
        }
        if !(self.bootstrap > 0.0 && self.bootstrap <= 1.0) {
            return Err(Error::setting(OWNER, "bootstrap", "in (0, 1]", self.bootstrap));
        }
        let shape = MlpShape {
            inputs: actions,
            hidden: self.hidden.clone(),
            outputs: 1,
            activation: Activation::Tanh,
            layer_norm: false,
        };
        let mut rng = streams.at("dyna/model", 0);
        let network = Network::new(shape, self.members, Init::TorchLinear, &mut rng)?;
        let len = network.params().len();
        let adam = AdamSettings {
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            ..AdamSettings::default()
        };
        Ok(SurfaceModel {
            config: self.clone(),
            adam: Adam::new(adam, len)?,
            network,
            gradient: vec![0.0; len],
            workspace: Workspace::default(),
        })
    }
}

/// What the models see and what they are to say of it, for all trials so far.
struct Lessons {
    inputs: Vec<f32>,
    targets: Vec<f32>,
}

/// Networks that say what a configuration is worth.
pub(super) struct SurfaceModel {
    config: Dyna,
    network: Network,
    adam: Adam,
    gradient: Vec<f32>,
    workspace: Workspace,
}

impl SurfaceModel {
    /// Fits the models to the history; `scores` are its scores.
    pub fn fit(
        &mut self,
        cx: &Context<'_>,
        scores: &[f64],
        reward: Reward,
        actions: &ActionSpace,
        rng: &mut Generator,
    ) {
        let trials = cx.history.trials();
        let lessons = Lessons {
            inputs: trials.iter().flat_map(|trial| actions.encode(&trial.configuration)).collect(),
            targets: Reward { kind: RewardKind::Score, ..reward }.of(scores, None),
        };
        let rows = trials.len().min(lessons.targets.len());
        if rows == 0 || lessons.targets.len() != trials.len() {
            return;
        }
        let mut d_outputs = Vec::new();
        for _ in 0..self.config.model_updates {
            for member in 0..self.network.members() {
                let outputs =
                    self.network.forward(member, &lessons.inputs, rows, &mut self.workspace);
                d_outputs.clear();
                d_outputs.extend(outputs.iter().zip(&lessons.targets).map(|(output, target)| {
                    match rng.random::<f32>() < self.config.bootstrap {
                        true => 2.0 * (output - target) / rows as f32,
                        false => 0.0,
                    }
                }));
                self.network.backward(
                    member,
                    &lessons.inputs,
                    rows,
                    &d_outputs,
                    Some(&mut self.gradient),
                    None,
                    &mut self.workspace,
                );
            }
            self.adam.step(self.network.params_mut(), &self.gradient);
        }
    }

    /// Imagines steps from a state; `into` is overwritten.
    #[expect(clippy::too_many_arguments, reason = "a step needs the process and the agent whole")]
    pub fn imagine(
        &mut self,
        state: &[f32],
        best: f32,
        reward: Reward,
        discount: f32,
        framing: &dyn ContinuousFraming,
        agent: &mut dyn ActorCritic,
        cx: &Context<'_>,
        rng: &mut Generator,
        into: &mut ControlBatch,
    ) {
        into.clear();
        let mut action = Vec::new();
        for step in 0..self.config.imagined_per_trial {
            if step % 2 == 0 {
                agent.explore(state, cx.id.0, rng, &mut action);
            } else {
                action.clear();
                let len = framing.actions().len();
                action.extend((0..len).map(|_| rng.random_range(-1.0f32..=1.0)));
            }
            let configuration = framing.decode(&action);
            let input = framing.actions().encode(&configuration);
            let member = rng.random_range(0..self.network.members());
            let z = self.network.forward(member, &input, 1, &mut self.workspace)[0];
            let z = if z.is_finite() { z } else { 0.0 };
            let worth = match reward.kind {
                RewardKind::Score => z,
                RewardKind::Improvement => (z - best).max(0.0),
                RewardKind::NegativeRegret => (z - best).min(0.0),
            };
            let next = framing.imagined(state, &configuration, z);
            into.push(state, &framing.encode(&configuration), worth, &next, discount, 1.0);
        }
    }
}

impl Persist for SurfaceModel {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        self.network.save(&format!("{at}/network"), snapshot)?;
        self.adam.save(&format!("{at}/adam"), snapshot)
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        self.network.load(&format!("{at}/network"), snapshot)?;
        crate::agent::load_adam(&mut self.adam, &format!("{at}/adam"), snapshot)
    }
}
