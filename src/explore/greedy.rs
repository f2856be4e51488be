//! Always the highest value: no exploration but what ties and the value function's errors bring.

use serde::{Deserialize, Serialize};

use super::{Explore, Moment, argmax};
use crate::mdp::ActionSet;
use crate::streams::Generator;
use crate::value::Estimates;

/// `a = argmax Q(s, a)`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Greedy {}

impl Explore for Greedy {
    fn choose(
        &mut self,
        estimates: &Estimates,
        allowed: &ActionSet,
        _moment: Moment,
        rng: &mut Generator,
    ) -> usize {
        argmax(allowed, |action| estimates.mean[action], rng)
    }
}
