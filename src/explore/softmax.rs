//! Boltzmann exploration (Sutton & Barto 2018, section 2.8 and exercise 13.1).

use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::{Explore, Moment, Schedule, argmax};
use crate::mdp::ActionSet;
use crate::streams::Generator;
use crate::value::Estimates;

/// `P(a) = exp(Q(s, a) / T) / sum_b exp(Q(s, b) / T)` over the allowed actions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Softmax {
    /// The temperature T, above 0, in units of the reward: high is uniform, low is greedy.
    pub temperature: Schedule,
}

impl Default for Softmax {
    fn default() -> Self {
        Self { temperature: Schedule::Exponential { from: 0.5, to: 0.05, trials: 30 } }
    }
}

impl Explore for Softmax {
    /// Draws by the Gumbel-max trick: `argmax Q / T + G` with independent standard Gumbel `G` has
    /// exactly the softmax's distribution, and neither overflows nor needs a second pass.
    fn choose(
        &mut self,
        estimates: &Estimates,
        allowed: &ActionSet,
        moment: Moment,
        rng: &mut Generator,
    ) -> usize {
        let temperature = self.temperature.at(moment.trial);
        let gumbel: Vec<f64> =
            allowed.iter().map(|_| -(-(1.0 - rng.random::<f64>()).ln()).ln()).collect();
        let mut place = 0;
        argmax(
            allowed,
            |action| {
                let noise = gumbel[place];
                place += 1;
                // Scaled by T once more, which leaves the order as it is and keeps small T finite.
                (f64::from(estimates.mean[action]) + temperature * noise) as f32
            },
            rng,
        )
    }
}
