//! A bootstrapped ensemble of critic networks with randomized priors, over configurations as points.

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::Estimates;
use super::continuous::{ContinuousValue, Examples};
use crate::error::{Error, Result};
use crate::nn::{Activation, Adam, AdamSettings, Init, MlpShape, Network, Workspace};
use crate::persist::{Persist, Snapshot};
use crate::space::SearchSpace;
use crate::streams::{Generator, Streams};

/// The settings of an ensemble of critics: `Q_k(a) = f_k(a) + beta p_k(a)` for members k, with trained
/// networks `f_k` and fixed random networks `p_k`.
///
/// In every trial each `f_k` makes `updates` steps of AdamW down the mean squared distance to the
/// rewards, each step on a random part `bootstrap` of the trials, going on from the weights of the
/// trial before. The mean over the members is the value, their standard deviation the spread.
///
/// Sources: Osband et al. 2016, "Deep exploration via bootstrapped DQN"; Osband, Aslanides & Cassirer
/// 2018, "Randomized prior functions for deep reinforcement learning". Deviations: members see a random
/// part of the trials anew in every step instead of one bootstrap sample for good, and share one Adam
/// step over all their weights, which treats each weight alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Critics {
    /// The number of members, in `2..=64`.
    pub members: usize,
    /// The widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Their activation.
    pub activation: Activation,
    /// Whether hidden layers are normalized (Ba, Kiros & Hinton 2016).
    pub layer_norm: bool,
    /// The weight beta of the random priors, at least 0.
    pub prior_scale: f32,
    /// The part of the trials that a member sees in a step, in `(0, 1]`.
    pub bootstrap: f32,
    /// At most so many trials a step; at least 1.
    pub batch: usize,
    /// Steps a trial, at least 1.
    pub updates_per_trial: usize,
    /// Adam's step size, above 0.
    pub learning_rate: f32,
    /// AdamW's weight decay, at least 0.
    pub weight_decay: f32,
}

impl Default for Critics {
    fn default() -> Self {
        Self {
            members: 6,
            hidden: vec![64, 64],
            activation: Activation::Tanh,
            layer_norm: false,
            prior_scale: 0.3,
            bootstrap: 0.8,
            batch: 128,
            updates_per_trial: 120,
            learning_rate: 3e-3,
            weight_decay: 1e-4,
        }
    }
}

/// The standard deviation of initial biases: members must differ in where they bend, not only in how.
const BIAS: f32 = 0.5;

impl Critics {
    /// Builds the ensemble; `streams` give its initial weights and priors.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting is out of its range.
    pub fn build(&self, space: &SearchSpace, streams: Streams) -> Result<CriticEnsemble> {
        let owner = "value function `critics`";
        if !(2..=64).contains(&self.members) {
            return Err(Error::setting(owner, "members", "in 2..=64", self.members));
        }
        if !(self.prior_scale >= 0.0 && self.prior_scale.is_finite()) {
            return Err(Error::setting(owner, "prior-scale", "at least 0", self.prior_scale));
        }
        if !(self.bootstrap > 0.0 && self.bootstrap <= 1.0) {
            return Err(Error::setting(owner, "bootstrap", "in (0, 1]", self.bootstrap));
        }
        for (setting, value) in
            [("batch", self.batch), ("updates-per-trial", self.updates_per_trial)]
        {
            if value == 0 {
                return Err(Error::setting(owner, setting, "at least 1", value));
            }
        }
        let shape = MlpShape {
            inputs: space.features(),
            hidden: self.hidden.clone(),
            outputs: 1,
            activation: self.activation,
            layer_norm: self.layer_norm,
        };
        let draw = |purpose| -> Result<Network> {
            let mut rng = streams.at(purpose, 0);
            let mut network =
                Network::new(shape.clone(), self.members, Init::LecunNormal, &mut rng)?;
            for member in 0..self.members {
                for range in network.bias_ranges(member) {
                    network.params_mut()[range].iter_mut().for_each(|bias| {
                        let z: f32 = StandardNormal.sample(&mut rng);
                        *bias = BIAS * z;
                    });
                }
            }
            Ok(network)
        };
        let online = draw("value/weights")?;
        let adam = AdamSettings {
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            ..AdamSettings::default()
        };
        Ok(CriticEnsemble {
            config: self.clone(),
            prior: draw("value/prior")?,
            adam: Adam::new(adam, online.params().len())?,
            scratch: Scratch { gradient: vec![0.0; online.params().len()], ..Scratch::default() },
            online,
        })
    }
}

/// [`Critics`] at work.
pub struct CriticEnsemble {
    config: Critics,
    online: Network,
    /// Derived from the streams, like the initial weights, and not stored.
    prior: Network,
    adam: Adam,
    scratch: Scratch,
}

/// Buffers that are used again in every update.
#[derive(Default)]
struct Scratch {
    workspace: Workspace,
    gradient: Vec<f32>,
    order: Vec<usize>,
    inputs: Vec<f32>,
    d_outputs: Vec<f32>,
    /// What the priors say of the examples, member after member.
    prior_values: Vec<f32>,
}

impl CriticEnsemble {
    /// One step of every member.
    fn update(&mut self, examples: Examples<'_>, rng: &mut Generator) {
        let Self { config, online, adam, scratch, .. } = self;
        let Scratch { workspace, gradient, order, inputs, d_outputs, prior_values } = scratch;
        let count = examples.rewards.len();
        let width = online.shape().inputs;
        let rows = ((count as f32 * config.bootstrap) as usize).clamp(1, config.batch);
        for member in 0..config.members {
            // The first places of a shuffle: a random part without repeats.
            for place in 0..rows {
                order.swap(place, rng.random_range(place..count));
            }
            inputs.clear();
            for &example in &order[..rows] {
                inputs.extend_from_slice(&examples.inputs[example * width..][..width]);
            }
            let values = online.forward(member, inputs, rows, workspace);
            let priors = &prior_values[member * count..][..count];
            d_outputs.clear();
            d_outputs.extend(order[..rows].iter().zip(values).map(|(&example, value)| {
                2.0 * (value + priors[example] - examples.rewards[example]) / rows as f32
            }));
            online.backward(member, inputs, rows, d_outputs, Some(gradient), None, workspace);
        }
        adam.step(online.params_mut(), gradient);
    }
}

impl ContinuousValue for CriticEnsemble {
    fn fit(&mut self, examples: Examples<'_>, rng: &mut Generator) {
        let count = examples.rewards.len();
        let scratch = &mut self.scratch;
        let priors = self.prior.forward_all(examples.inputs, count, &mut scratch.workspace);
        scratch.prior_values.clear();
        scratch.prior_values.extend(priors.iter().map(|value| self.config.prior_scale * value));
        scratch.order.clear();
        scratch.order.extend(0..count);
        for _ in 0..self.config.updates_per_trial {
            self.update(examples, rng);
        }
    }

    fn estimate(&mut self, inputs: &[f32], rows: usize, into: &mut Estimates) {
        let members = self.config.members;
        let workspace = &mut self.scratch.workspace;
        into.counts.clear();
        into.members.clear();
        into.members.extend_from_slice(self.online.forward_all(inputs, rows, workspace));
        let priors = self.prior.forward_all(inputs, rows, workspace);
        for (value, prior) in into.members.iter_mut().zip(priors) {
            *value += self.config.prior_scale * prior;
        }
        into.mean.clear();
        into.spread.clear();
        for row in 0..rows {
            let values = || (0..members).map(|member| into.members[member * rows + row]);
            let mean = values().sum::<f32>() / members as f32;
            let variance = values().map(|value| (value - mean).powi(2)).sum::<f32>();
            into.mean.push(mean);
            into.spread.push((variance / members as f32).sqrt());
        }
    }
}

impl Persist for CriticEnsemble {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        self.online.save(&format!("{at}/online"), snapshot)?;
        self.adam.save(&format!("{at}/adam"), snapshot)
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        self.online.load(&format!("{at}/online"), snapshot)?;
        self.adam.load(&format!("{at}/adam"), snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Parameter;

    fn line() -> SearchSpace {
        SearchSpace::new([Parameter::float("x", 0.0, 1.0)]).unwrap()
    }

    /// Fits twelve trials on the left two thirds of a line for a while.
    fn fitted(config: &Critics) -> CriticEnsemble {
        let mut critics = config.build(&line(), Streams::new(4)).unwrap();
        let inputs: Vec<f32> = (0..12).map(|i| -1.0 + i as f32 / 9.0).collect();
        let rewards: Vec<f32> = inputs.iter().map(|x| (3.0 * x).sin()).collect();
        for trial in 0..5 {
            let examples = Examples { inputs: &inputs, rewards: &rewards, pending: 0 };
            critics.fit(examples, &mut Streams::new(4).at("fit", trial));
        }
        critics
    }

    fn estimates(critics: &mut CriticEnsemble, at: &[f32]) -> Estimates {
        let mut estimates = Estimates::default();
        critics.estimate(at, at.len(), &mut estimates);
        estimates
    }

    #[test]
    fn members_agree_where_trials_are_and_differ_where_none_are() {
        let mut critics = fitted(&Critics::default());
        let found = estimates(&mut critics, &[-0.9, -0.4, 0.1, 1.0]);
        for (x, mean) in [(-0.9f32, found.mean[0]), (-0.4, found.mean[1]), (0.1, found.mean[2])] {
            assert!((mean - (3.0 * x).sin()).abs() < 0.1, "{x}: {mean}");
        }
        let seen = found.spread[..3].iter().copied().fold(0.0, f32::max);
        assert!(found.spread[3] > 3.0 * seen, "{:?}", found.spread);
        assert_eq!(found.members.len(), 6 * 4);
        let mean = (0..6).map(|member| found.members[member * 4 + 3]).sum::<f32>() / 6.0;
        assert!((mean - found.mean[3]).abs() < 1e-6);
    }

    #[test]
    fn a_loaded_ensemble_goes_on_bit_for_bit_and_a_damaged_one_is_refused() {
        let config = Critics { hidden: vec![16], updates_per_trial: 5, ..Critics::default() };
        let mut critics = fitted(&config);
        let mut snapshot = Snapshot::default();
        critics.save("value", &mut snapshot).unwrap();
        let mut loaded = config.build(&line(), Streams::new(4)).unwrap();
        loaded.load("value", &snapshot).unwrap();
        for critics in [&mut critics, &mut loaded] {
            let examples = Examples { inputs: &[0.5, -0.5], rewards: &[1.0, -1.0], pending: 0 };
            critics.fit(examples, &mut Streams::new(4).at("fit", 9));
        }
        assert_eq!(estimates(&mut critics, &[0.3]), estimates(&mut loaded, &[0.3]));
        let other = Critics { hidden: vec![17], ..config };
        assert!(other.build(&line(), Streams::new(4)).unwrap().load("value", &snapshot).is_err());
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let refused =
            |critics: Critics| critics.build(&line(), Streams::new(0)).err().unwrap().to_string();
        assert_eq!(
            refused(Critics { members: 1, ..Critics::default() }),
            "value function `critics`: `members` must be in 2..=64, found 1"
        );
        assert!(refused(Critics { bootstrap: 0.0, ..Critics::default() }).contains("bootstrap"));
        assert!(
            refused(Critics { prior_scale: -1.0, ..Critics::default() }).contains("prior-scale")
        );
        assert!(refused(Critics { batch: 0, ..Critics::default() }).contains("batch"));
        assert!(
            refused(Critics { updates_per_trial: 0, ..Critics::default() }).contains("updates")
        );
        assert!(refused(Critics { learning_rate: 0.0, ..Critics::default() }).contains("rate"));
        assert!(refused(Critics { hidden: vec![0], ..Critics::default() }).contains("hidden"));
    }
}
