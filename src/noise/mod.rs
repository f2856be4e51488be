//! Noise that makes agents with continuous actions try something else than what they think best.
//!
//! | noise | what is disturbed | source |
//! |---|---|---|
//! | [`Gaussian`] | each action, independently | Fujimoto et al. 2018 |
//! | [`OrnsteinUhlenbeck`] | each action, with memory of the last step | Lillicrap et al. 2016 |
//! | [`ParameterNoise`] | the actor's weights, for an episode | Plappert et al. 2018 |

mod gaussian;
mod ornstein_uhlenbeck;
mod parameter;

pub use gaussian::Gaussian;
pub use ornstein_uhlenbeck::{OrnsteinUhlenbeck, OrnsteinUhlenbeckNoise};
pub use parameter::{ParameterNoise, Perturbation};

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::persist::Persist;
use crate::streams::Generator;

/// Noise that is added to actions.
pub trait ActionNoise: Persist + Send {
    /// Forgets the steps of the last episode.
    fn begin_episode(&mut self);

    /// Adds noise to an action. `trial` is what schedules go by.
    ///
    /// # Panics
    ///
    /// Where the action has another length than the noise was built for.
    fn add(&mut self, trial: u64, rng: &mut Generator, action: &mut [f32]);
}

/// Noise and its settings, as plain data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoiseConfig {
    /// Independent normal numbers, added to actions.
    Gaussian(Gaussian),
    /// An Ornstein-Uhlenbeck process, added to actions.
    OrnsteinUhlenbeck(OrnsteinUhlenbeck),
    /// Normal numbers, added to the actor's weights.
    Parameter(ParameterNoise),
}

impl NoiseConfig {
    /// The name as it stands in settings.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Gaussian(_) => "gaussian",
            Self::OrnsteinUhlenbeck(_) => "ornstein-uhlenbeck",
            Self::Parameter(_) => "parameter",
        }
    }

    /// Refuses settings outside their ranges.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) with the first one outside its range.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Gaussian(noise) => noise.check(),
            Self::OrnsteinUhlenbeck(noise) => noise.check(),
            Self::Parameter(noise) => noise.check(),
        }
    }
}
