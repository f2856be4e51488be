//! Actors that put out one action: what DDPG and TD3 are both made of.

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use super::control::{ActorCritic, ControlBatch, Losses, adam, bound, join};
use super::critics::{Climb, Critics, Design};
use crate::error::Result;
use crate::nn::{Adam, Init, MlpShape, Network, Workspace, polyak, tanh_in_place};
use crate::noise::{ActionNoise, NoiseConfig, Perturbation};
use crate::persist::{Persist, Snapshot};
use crate::streams::{Generator, Streams};

/// What tells one agent of this kind from another.
pub(super) struct Plan<'a> {
    pub critics: Design<'a>,
    pub actor_layer_norm: bool,
    pub actor_learning_rate: f32,
    /// The bound of the last layers' initial weights, if they are to be small.
    pub final_init: Option<f32>,
    pub noise: &'a NoiseConfig,
    pub policy_delay: u64,
    pub smoothing: Option<Smoothing>,
}

/// Noise on the action that the target takes: `clip(N(0, sigma^2), -clip, clip)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Smoothing {
    pub sigma: f32,
    pub clip: f32,
}

/// An agent with a deterministic actor `pi(s) = tanh(network(s))`: [DDPG](super::Ddpg) or
/// [TD3](super::Td3).
pub struct DeterministicAgent {
    actor: Network,
    target: Network,
    adam: Adam,
    critics: Critics,
    exploration: Exploration,
    policy_delay: u64,
    smoothing: Option<Smoothing>,
    tau: f32,
    scratch: Scratch,
}

/// What makes the agent try something else.
enum Exploration {
    Actions(Box<dyn ActionNoise>),
    Weights(Box<Perturbation>),
}

/// Buffers that are used again in every update.
#[derive(Default)]
struct Scratch {
    workspace: Workspace,
    states: Vec<f32>,
    actions: Vec<f32>,
    inputs: Vec<f32>,
    noise: Vec<f32>,
    disturbed: Vec<f32>,
    d_outputs: Vec<f32>,
    gradient: Vec<f32>,
}

impl DeterministicAgent {
    pub(super) fn new(plan: &Plan<'_>, streams: Streams) -> Result<Self> {
        let shape = MlpShape {
            inputs: plan.critics.states,
            hidden: plan.critics.hidden.to_vec(),
            outputs: plan.critics.actions,
            activation: plan.critics.activation,
            layer_norm: plan.actor_layer_norm,
        };
        let mut rng = streams.at("agent/actor", 0);
        let mut actor = Network::new(shape, 1, Init::TorchLinear, &mut rng)?;
        let mut critic_rng = streams.at("agent/critics", 0);
        let mut critics = Critics::new(&plan.critics, streams, &mut critic_rng)?;
        if let Some(bound) = plan.final_init {
            draw_outputs(&mut actor, 0, bound, &mut rng);
            critics.draw_outputs(bound, &mut critic_rng);
        }
        let exploration = match plan.noise {
            NoiseConfig::Gaussian(noise) => Exploration::Actions(Box::new(noise.clone())),
            NoiseConfig::OrnsteinUhlenbeck(noise) => {
                Exploration::Actions(Box::new(noise.build(plan.critics.actions)?))
            }
            NoiseConfig::Parameter(noise) => Exploration::Weights(Box::new(Perturbation::new(
                noise,
                &actor,
                &mut streams.at("agent/perturbation", 0),
            )?)),
        };
        let len = actor.params().len();
        Ok(Self {
            adam: adam(plan.actor_learning_rate, plan.critics.gradient_clip, len)?,
            target: actor.clone(),
            actor,
            critics,
            exploration,
            policy_delay: plan.policy_delay,
            smoothing: plan.smoothing,
            tau: plan.critics.tau,
            scratch: Scratch { gradient: vec![0.0; len], ..Scratch::default() },
        })
    }

    /// The standard deviation of the noise on the actor's weights; `None` without such noise.
    pub fn perturbation_scale(&self) -> Option<f32> {
        match &self.exploration {
            Exploration::Actions(_) => None,
            Exploration::Weights(perturbation) => Some(perturbation.scale()),
        }
    }

    /// One update with the given standard normal numbers (`rows x actions`) as the smoothing's noise.
    fn step(&mut self, batch: &ControlBatch, noise: &[f32]) -> Losses {
        let rows = batch.rows();
        let (states, actions) = (self.actor.shape().inputs, self.actor.shape().outputs);
        batch.assert_fits(states, actions);
        let Scratch {
            workspace, states: seen, actions: taken, inputs, d_outputs, gradient, ..
        } = &mut self.scratch;

        policy(&self.target, &batch.next_states, rows, workspace, taken);
        if let Some(Smoothing { sigma, clip }) = self.smoothing {
            for (action, noise) in taken.iter_mut().zip(noise) {
                *action = (*action + (sigma * noise).clamp(-clip, clip)).clamp(-1.0, 1.0);
            }
        }
        join(&batch.next_states, taken, rows, inputs);
        let critic = self.critics.learn(batch, inputs, None);
        if !self.critics.updates().is_multiple_of(self.policy_delay) {
            return Losses { critic, ..Losses::default() };
        }

        batch.states(states, seen);
        policy(&self.actor, seen, rows, workspace, taken);
        join(seen, taken, rows, inputs);
        let (values, d_actions) = self.critics.slope(Climb::First, inputs, rows);
        let actor = -values.iter().sum::<f32>() / rows as f32;
        d_outputs.clear();
        // d tanh(x) / dx = 1 - tanh(x)^2
        d_outputs
            .extend(taken.iter().zip(d_actions).map(|(a, d)| -d * (1.0 - a * a) / rows as f32));
        self.actor.backward(0, seen, rows, d_outputs, Some(gradient), None, workspace);
        self.adam.step(self.actor.params_mut(), gradient);
        polyak(self.target.params_mut(), self.actor.params(), self.tau);
        self.critics.follow();
        Losses { critic, actor: Some(actor), temperature: None }
    }

    /// Adapts the scale of noise on weights, where there is such noise and it is due.
    fn adapt(&mut self, batch: &ControlBatch, rng: &mut Generator) {
        let Exploration::Weights(perturbation) = &mut self.exploration else { return };
        if !perturbation.is_due(self.critics.updates()) {
            return;
        }
        let rows = batch.rows();
        let Scratch { workspace, states, actions, disturbed, .. } = &mut self.scratch;
        batch.states(self.actor.shape().inputs, states);
        policy(&self.actor, states, rows, workspace, actions);
        policy(perturbation.probe(&self.actor, rng), states, rows, workspace, disturbed);
        let square: f32 = actions.iter().zip(&*disturbed).map(|(a, b)| (a - b) * (a - b)).sum();
        perturbation.adapt((square / actions.len() as f32).sqrt());
    }
}

/// Writes `tanh(network(state))` for all rows.
fn policy(
    network: &Network,
    states: &[f32],
    rows: usize,
    workspace: &mut Workspace,
    into: &mut Vec<f32>,
) {
    into.clear();
    into.extend_from_slice(network.forward(0, states, rows, workspace));
    tanh_in_place(into);
}

/// Draws the weights and biases of a member's last layer uniformly in `+-bound`.
pub(super) fn draw_outputs(network: &mut Network, member: usize, bound: f32, rng: &mut Generator) {
    let range = network.output_range(member);
    network.params_mut()[range].iter_mut().for_each(|w| *w = rng.random_range(-bound..=bound));
}

impl ActorCritic for DeterministicAgent {
    fn act(&mut self, state: &[f32], into: &mut Vec<f32>) {
        policy(&self.actor, state, 1, &mut self.scratch.workspace, into);
        bound(into);
    }

    fn explore(&mut self, state: &[f32], trial: u64, rng: &mut Generator, into: &mut Vec<f32>) {
        let workspace = &mut self.scratch.workspace;
        match &mut self.exploration {
            Exploration::Actions(noise) => {
                policy(&self.actor, state, 1, workspace, into);
                bound(into);
                noise.add(trial, rng, into);
            }
            Exploration::Weights(noise) => policy(noise.actor(), state, 1, workspace, into),
        }
        bound(into);
    }

    fn begin_episode(&mut self, rng: &mut Generator) {
        match &mut self.exploration {
            Exploration::Actions(noise) => noise.begin_episode(),
            Exploration::Weights(noise) => noise.redraw(&self.actor, rng),
        }
    }

    fn update(&mut self, batch: &ControlBatch, rng: &mut Generator) -> Losses {
        let mut noise = std::mem::take(&mut self.scratch.noise);
        noise.clear();
        if self.smoothing.is_some() {
            let count = batch.rows() * self.actor.shape().outputs;
            noise.extend((0..count).map(|_| -> f32 { StandardNormal.sample(rng) }));
        }
        self.critics.draw_seen(batch.rows(), rng);
        let losses = self.step(batch, &noise);
        self.scratch.noise = noise;
        self.adapt(batch, rng);
        losses
    }

    fn errors(&self) -> &[f32] {
        self.critics.errors()
    }

    fn critics(&self) -> usize {
        self.critics.members()
    }

    fn values(&mut self, inputs: &[f32], rows: usize, into: &mut Vec<f32>) {
        into.clear();
        into.extend_from_slice(self.critics.values(inputs, rows));
    }

    fn gradient(&mut self, inputs: &[f32], rows: usize, weights: &[f32], into: &mut Vec<f32>) {
        into.clear();
        into.extend_from_slice(self.critics.weighted_slope(inputs, rows, weights));
    }
}

impl Persist for DeterministicAgent {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        self.actor.save(&format!("{at}/actor"), snapshot)?;
        self.target.save(&format!("{at}/target"), snapshot)?;
        self.adam.save(&format!("{at}/adam"), snapshot)?;
        self.critics.save(&format!("{at}/critics"), snapshot)?;
        match &self.exploration {
            Exploration::Actions(noise) => noise.save(&format!("{at}/noise"), snapshot),
            Exploration::Weights(noise) => noise.save(&format!("{at}/noise"), snapshot),
        }
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        self.actor.load(&format!("{at}/actor"), snapshot)?;
        self.target.load(&format!("{at}/target"), snapshot)?;
        self.adam.load(&format!("{at}/adam"), snapshot)?;
        self.critics.load(&format!("{at}/critics"), snapshot)?;
        match &mut self.exploration {
            Exploration::Actions(noise) => noise.load(&format!("{at}/noise"), snapshot),
            Exploration::Weights(noise) => noise.load(&format!("{at}/noise"), snapshot),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Case, assert_near, fixture};
    use super::super::{Ddpg, Td3};
    use super::*;

    fn assert_ten_steps_agree<Settings>(mut agent: DeterministicAgent, case: &Case<Settings>) {
        agent.actor.params_mut().copy_from_slice(&case.start.actor);
        agent.target.params_mut().copy_from_slice(&case.start.actor);
        agent.critics.set(&case.start.critics);
        for (number, step) in case.steps.iter().enumerate() {
            let losses = agent.step(&step.batch.batch(), &step.noise);
            step.assert_reported(losses, agent.errors(), &format!("{} step {number}", case.name));
        }
        let name = &case.name;
        assert_near(agent.actor.params(), &case.end.actor, &format!("{name}: actor"));
        assert_near(agent.target.params(), &case.end.actor_target, &format!("{name}: its target"));
        agent.critics.assert_are(&case.end.critics, &case.end.critic_targets, name);
    }

    #[test]
    fn ten_updates_of_ddpg_agree_with_pytorch() {
        for case in fixture::<Ddpg>("ddpg").cases {
            assert_ten_steps_agree(case.settings.build(3, 2, Streams::new(1)).unwrap(), &case);
        }
    }

    #[test]
    fn ten_updates_of_td3_agree_with_pytorch() {
        for case in fixture::<Td3>("td3").cases {
            assert_ten_steps_agree(case.settings.build(3, 2, Streams::new(1)).unwrap(), &case);
        }
    }

    #[test]
    fn the_last_layers_of_ddpg_begin_small() {
        let agent = Ddpg::default().build(3, 2, Streams::new(1)).unwrap();
        let range = agent.actor.output_range(0);
        let (hidden, last) = agent.actor.params().split_at(range.start);
        assert_eq!(last.len(), 300 * 2 + 2);
        let largest = last.iter().fold(0.0f32, |largest, w| largest.max(w.abs()));
        assert!(largest <= 3e-3 && largest > 2.9e-3, "{largest}");
        assert!(hidden.iter().any(|w| w.abs() > 0.1));
        let target = agent.target.params();
        assert_eq!(target, agent.actor.params());
    }
}
