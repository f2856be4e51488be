//! Epsilon-greedy exploration (Watkins 1989; Sutton & Barto 2018, section 2.2).

use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::{Explore, Moment, Schedule, argmax, uniform};
use crate::mdp::ActionSet;
use crate::streams::Generator;
use crate::value::Estimates;

/// With probability epsilon any allowed action, else `argmax Q(s, a)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EpsilonGreedy {
    /// The probability of an exploratory action, in `[0, 1]`.
    pub epsilon: Schedule,
}

impl Default for EpsilonGreedy {
    /// From 0.5 to 0.05 in 30 trials: Hyp-RL's 1.0 to 0.01 over a tenth of tens of thousands of steps
    /// has no counterpart in a study of some tens of trials.
    fn default() -> Self {
        Self { epsilon: Schedule::Linear { from: 0.5, to: 0.05, trials: 30 } }
    }
}

impl Explore for EpsilonGreedy {
    fn choose(
        &mut self,
        estimates: &Estimates,
        allowed: &ActionSet,
        moment: Moment,
        rng: &mut Generator,
    ) -> usize {
        if rng.random::<f64>() < self.epsilon.at(moment.trial) {
            uniform(allowed, rng)
        } else {
            argmax(allowed, |action| estimates.mean[action], rng)
        }
    }
}
