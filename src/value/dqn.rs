//! The deep Q-network (Mnih et al. 2015), with double Q-learning (van Hasselt, Guez & Silver 2016),
//! dueling streams (Wang et al. 2016) and prioritized replay (Schaul et al. 2016) as options.

use serde::{Deserialize, Serialize};

use super::network::{Diversity, Head, Networks, Target};
use super::{QFunction, Setting};
use crate::error::{Error, Result};
use crate::nn::Activation;
use crate::replay::ReplayConfig;
use crate::streams::Streams;

/// The settings of a deep Q-network.
///
/// Deviations from Mnih et al. 2015, which trained for millions of steps where a study has some tens of
/// trials: many updates a trial instead of one every four steps, Adam instead of RMSProp, tanh instead
/// of ReLU (smooth interpolation between few points), and by default a [`Head`] that sees the
/// features of the configuration that an action leads to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct DeepQ {
    /// What the network puts out.
    pub head: Head,
    /// The widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Their activation.
    pub activation: Activation,
    /// Whether hidden layers are normalized (Ba, Kiros & Hinton 2016).
    pub layer_norm: bool,
    /// Whether the target takes the target network's value of the online network's best action.
    pub double: bool,
    /// Whether the network puts out a state value and advantages; needs the head `per-action`.
    pub dueling: bool,
    /// Adam's step size, above 0.
    pub learning_rate: f32,
    /// Adam's decoupled weight decay, at least 0.
    pub weight_decay: f32,
    /// The largest norm of a gradient, above 0.
    pub gradient_clip: Option<f32>,
    /// Whether the loss is Huber's with threshold 1 (error clipping in Mnih et al. 2015) instead of
    /// squared.
    pub huber: bool,
    /// The most transitions of an update, in `1..=65536`. A prioritized replay draws this many in every
    /// update, however few it holds.
    pub batch: usize,
    /// The updates after every trial, in `1..=100000`.
    pub updates_per_trial: usize,
    /// How the target network follows.
    pub target: Target,
    /// Which transitions are learned from again.
    pub replay: ReplayConfig,
    /// The most transitions in the replay.
    pub capacity: usize,
    /// The head `action-features` looks for the best next action among a random subset of this many (in `1..=65536`),
    /// since it must evaluate each one; a deviation that lowers the maximum a little.
    pub bootstrap_actions: usize,
    /// The length scale of the generalized counts ([`super::LinearCounts`]), above 0.
    pub count_length_scale: f64,
}

impl Default for DeepQ {
    fn default() -> Self {
        Self {
            head: Head::ActionFeatures,
            hidden: vec![64, 64],
            activation: Activation::Tanh,
            layer_norm: false,
            double: true,
            dueling: false,
            learning_rate: 3e-3,
            weight_decay: 1e-4,
            gradient_clip: None,
            huber: false,
            batch: 64,
            updates_per_trial: 40,
            target: Target::Every(40),
            replay: ReplayConfig::Uniform,
            capacity: 10_000,
            bootstrap_actions: 32,
            count_length_scale: 0.7,
        }
    }
}

/// Above the largest batch size in common use; the buffers of an update grow with it.
const LARGEST_BATCH: usize = 1 << 16;

/// Seconds to minutes of a trial. A study cannot be interrupted within a trial, so far more would look
/// like a program that hangs.
const MOST_UPDATES: usize = 100_000;

impl DeepQ {
    /// Refuses settings out of their ranges and options that exclude each other.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] and [`Error::Unsuited`].
    pub fn check(&self) -> Result<()> {
        let owner = "value function `dqn`";
        for (name, value, most) in [
            ("updates-per-trial", self.updates_per_trial, MOST_UPDATES),
            ("bootstrap-actions", self.bootstrap_actions, LARGEST_BATCH),
            ("batch", self.batch, LARGEST_BATCH),
        ] {
            if !(1..=most).contains(&value) {
                return Err(Error::setting(owner, name, format!("in 1..={most}"), value));
            }
        }
        if self.dueling && self.head != Head::PerAction {
            return Err(Error::unsuited(
                "a dueling network",
                "dueling streams need one output an action: set the head to `per-action`",
            ));
        }
        match self.target {
            Target::Every(0) => return Err(Error::setting(owner, "target.every", "at least 1", 0)),
            Target::Soft(tau) if !(tau > 0.0 && tau <= 1.0) => {
                return Err(Error::setting(owner, "target.soft", "in (0, 1]", tau));
            }
            _ => {}
        }
        if !(self.count_length_scale > 0.0 && self.count_length_scale.is_finite()) {
            return Err(Error::setting(
                owner,
                "count-length-scale",
                "above 0",
                self.count_length_scale,
            ));
        }
        Ok(())
    }
}

impl DeepQ {
    /// Builds the network; `streams` give its initial weights.
    ///
    /// # Errors
    ///
    /// As [`DeepQ::check`].
    pub fn build(&self, setting: Setting, streams: Streams) -> Result<Box<dyn QFunction>> {
        let alone = Diversity { members: 1, prior_scale: 0.0, bootstrap: 1.0 };
        Ok(Box::new(Networks::new(self, setting, alone, streams)?))
    }
}
