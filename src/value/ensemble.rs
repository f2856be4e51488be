//! A bootstrapped ensemble with randomized priors (Osband et al. 2016; Osband, Aslanides & Cassirer
//! 2018): several Q-networks that see different transitions and start from different beliefs, so that
//! they differ where little was tried.

use serde::{Deserialize, Serialize};

use super::network::{Diversity, Networks};
use super::{DeepQ, Estimates, Memory, QFunction, Setting, Signals};
use crate::error::{Error, Result};
use crate::explore::Moment;
use crate::mdp::Observation;
use crate::persist::{Persist, Snapshot};
use crate::streams::Streams;

/// The settings of an ensemble: `Q_k(s, a) = f_k(s, a) + beta p_k(s, a)` for members k, with trained
/// networks `f_k` and fixed random networks `p_k`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Ensemble {
    /// The number of members, in `2..=64`.
    pub members: usize,
    /// The weight beta of the random priors, at least 0.
    pub prior_scale: f32,
    /// The probability that a member sees a transition, in `(0, 1]`.
    pub bootstrap: f32,
    /// The settings that all members share.
    pub network: DeepQ,
}

impl Default for Ensemble {
    fn default() -> Self {
        Self { members: 5, prior_scale: 0.3, bootstrap: 0.8, network: DeepQ::default() }
    }
}

/// An ensemble at work.
pub struct BootstrappedEnsemble(Networks);

impl BootstrappedEnsemble {
    /// Builds the ensemble; `streams` give its initial weights and priors.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting is out of its range, and as [`DeepQ::check`].
    pub fn new(config: &Ensemble, setting: Setting, streams: Streams) -> Result<Self> {
        let owner = "value function `ensemble`";
        if !(2..=64).contains(&config.members) {
            return Err(Error::setting(owner, "members", "in 2..=64", config.members));
        }
        if !(config.prior_scale >= 0.0 && config.prior_scale.is_finite()) {
            return Err(Error::setting(owner, "prior-scale", "at least 0", config.prior_scale));
        }
        if !(config.bootstrap > 0.0 && config.bootstrap <= 1.0) {
            return Err(Error::setting(owner, "bootstrap", "in (0, 1]", config.bootstrap));
        }
        let diversity = Diversity {
            members: config.members,
            prior_scale: config.prior_scale,
            bootstrap: config.bootstrap,
        };
        Ok(Self(Networks::new(&config.network, setting, diversity, streams)?))
    }
}

impl QFunction for BootstrappedEnsemble {
    fn supplies(&self) -> Signals {
        Signals { counts: true, spread: true, members: true }
    }

    fn estimate(&mut self, observation: &Observation, into: &mut Estimates) {
        self.0.estimate(observation, into);
    }

    fn learn(
        &mut self,
        memory: &Memory,
        fresh: usize,
        rewards: &[f32],
        moment: Moment,
    ) -> Result<()> {
        self.0.learn(memory, fresh, rewards, moment);
        Ok(())
    }
}

impl Persist for BootstrappedEnsemble {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        self.0.save(at, snapshot)
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        self.0.load(at, snapshot)
    }
}
