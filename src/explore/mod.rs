//! Exploration: which action to take, given what is known of each.
//!
//! | policy | takes | needs |
//! |---|---|---|
//! | [`Greedy`](Exploration::Greedy) | the highest value | nothing |
//! | [`EpsilonGreedy`](Exploration::EpsilonGreedy) | the highest value, with probability epsilon any | nothing |
//! | [`Softmax`](Exploration::Softmax) | each with probability proportional to `exp(Q / temperature)` | nothing |
//! | [`Ucb`](Exploration::Ucb) | the highest value plus bonus | counts or a spread |
//! | [`Thompson`](Exploration::Thompson) | the highest value of one draw from the posterior | members or a spread |
//! | [`ExpectedImprovement`](Exploration::ExpectedImprovement) | the highest expected improvement | a spread and an incumbent |

mod candidates;
mod epsilon_greedy;
mod expected_improvement;
mod greedy;
mod schedule;
mod selection;
mod softmax;
#[cfg(test)]
mod tests;
mod thompson;
mod ucb;

pub use candidates::Candidates;
pub(crate) use candidates::Pool;
pub use epsilon_greedy::EpsilonGreedy;
pub use expected_improvement::ExpectedImprovement;
pub(crate) use expected_improvement::log_expected_improvement;
pub use greedy::Greedy;
pub use schedule::Schedule;
pub use selection::Selection;
pub use softmax::Softmax;
pub use thompson::{Draw, Thompson};
pub use ucb::{Bonus, Ucb};

use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::mdp::ActionSet;
use crate::persist::Persist;
use crate::streams::{Generator, Streams};
use crate::value::{Estimates, Signals};

/// When an action is chosen: what schedules and episode-wise draws go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The number of the trial, from 0.
    pub trial: u64,
    /// The number of the episode, from 0.
    pub episode: u64,
    /// The study's streams, for draws that last an episode.
    pub streams: Streams,
}

/// Chooses an action.
pub trait Explore: Persist + Send {
    /// Chooses one of the allowed actions; ties are broken at random.
    ///
    /// # Panics
    ///
    /// If no action is allowed or `estimates` lack what the policy needs; both are refused when an
    /// agent is built.
    fn choose(
        &mut self,
        estimates: &Estimates,
        allowed: &ActionSet,
        moment: Moment,
        rng: &mut Generator,
    ) -> usize;
}

/// A policy and its settings, as plain data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exploration {
    /// Always the highest value.
    Greedy(Greedy),
    /// The highest value, with probability epsilon any.
    EpsilonGreedy(EpsilonGreedy),
    /// Boltzmann exploration.
    Softmax(Softmax),
    /// Optimism in the face of uncertainty.
    Ucb(Ucb),
    /// A draw from the posterior.
    Thompson(Thompson),
    /// The expected gain over the best configuration so far.
    ExpectedImprovement(ExpectedImprovement),
}

impl Exploration {
    /// The name as it stands in names of strategies.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Greedy(_) => "greedy",
            Self::EpsilonGreedy(_) => "epsilon-greedy",
            Self::Softmax(_) => "softmax",
            Self::Ucb(_) => "ucb",
            Self::Thompson(_) => "thompson",
            Self::ExpectedImprovement(_) => "expected-improvement",
        }
    }

    /// Builds the policy for a value function.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting is out of its range; [`Error::Unsuited`] where the value
    /// function `value` does not supply what the policy needs.
    pub fn build(&self, value: &str, supplies: Signals) -> Result<Box<dyn Explore>> {
        let lacking = |what: &str| {
            Err(Error::unsuited(
                format!("exploration `{}`", self.name()),
                format!(
                    "{} needs {what}, which value function `{value}` does not supply",
                    self.name()
                ),
            ))
        };
        Ok(match self {
            Self::Greedy(policy) => Box::new(policy.clone()),
            Self::EpsilonGreedy(policy) => {
                policy.epsilon.check("exploration `epsilon-greedy`", "epsilon", 0.0, 1.0)?;
                Box::new(policy.clone())
            }
            Self::Softmax(policy) => {
                policy.temperature.check(
                    "exploration `softmax`",
                    "temperature",
                    f64::MIN_POSITIVE,
                    f64::MAX,
                )?;
                Box::new(policy.clone())
            }
            Self::Ucb(policy) => {
                policy.coefficient.check("exploration `ucb`", "coefficient", 0.0, f64::MAX)?;
                let Some(policy) = policy.resolve(supplies) else {
                    return lacking(match policy.bonus {
                        Bonus::Counts => "counts",
                        Bonus::Spread => "a spread",
                        Bonus::Auto => "counts or a spread",
                    });
                };
                Box::new(policy)
            }
            Self::Thompson(policy) => {
                if !supplies.members && !supplies.spread {
                    return lacking("a spread");
                }
                Box::new(policy.clone())
            }
            Self::ExpectedImprovement(policy) => {
                if !supplies.spread {
                    return lacking("a spread");
                }
                if !supplies.incumbent {
                    return lacking("an incumbent");
                }
                Box::new(policy.clone())
            }
        })
    }
}

/// The allowed action with the highest key; of equally high ones each with the same probability.
pub(crate) fn argmax(
    allowed: &ActionSet,
    mut key: impl FnMut(usize) -> f32,
    rng: &mut Generator,
) -> usize {
    let mut best: Option<(usize, f32)> = None;
    let mut ties = 0u32;
    for action in allowed.iter() {
        // A value function that diverged to NaN is taken to know nothing.
        let value = key(action);
        let value = if value.is_nan() { f32::NEG_INFINITY } else { value };
        match best {
            Some((_, highest)) if value < highest => {}
            Some((_, highest)) if value == highest => {
                ties += 1;
                if rng.random_range(0..=ties) == 0 {
                    best = Some((action, value));
                }
            }
            _ => {
                ties = 0;
                best = Some((action, value));
            }
        }
    }
    best.expect("at least one action is allowed").0
}

/// One of the allowed actions, each with the same probability.
fn uniform(allowed: &ActionSet, rng: &mut Generator) -> usize {
    let place = rng.random_range(0..allowed.count());
    allowed.iter().nth(place).expect("the place is below the count")
}

/// Implements [`Persist`] for policies whose every choice depends on the moment alone.
macro_rules! stateless {
    ($($policy:ty),+) => {$(
        impl crate::persist::Persist for $policy {
            fn save(&self, _at: &str, _snapshot: &mut crate::persist::Snapshot) -> crate::error::Result<()> {
                Ok(())
            }

            fn load(&mut self, _at: &str, _snapshot: &crate::persist::Snapshot) -> crate::error::Result<()> {
                Ok(())
            }
        }
    )+};
}
stateless!(Greedy, EpsilonGreedy, Softmax, Thompson, ExpectedImprovement, ucb::Resolved);
