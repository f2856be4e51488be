//! A bootstrapped ensemble with randomized priors (Osband et al. 2016; Osband, Aslanides & Cassirer
//! 2018): several Q-networks that see different transitions and start from different beliefs, so that
//! they differ where little was tried.

use serde::{Deserialize, Serialize};

use super::network::{Diversity, Networks};
use super::{DeepQ, QFunction, Setting};
use crate::error::{Error, Result};
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

impl Ensemble {
    /// Builds the ensemble; `streams` give its initial weights and priors.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting is out of its range, and as [`DeepQ::check`].
    pub fn build(&self, setting: Setting, streams: Streams) -> Result<Box<dyn QFunction>> {
        let owner = "value function `ensemble`";
        if !(2..=64).contains(&self.members) {
            return Err(Error::setting(owner, "members", "in 2..=64", self.members));
        }
        if !(self.prior_scale >= 0.0 && self.prior_scale.is_finite()) {
            return Err(Error::setting(owner, "prior-scale", "at least 0", self.prior_scale));
        }
        if !(self.bootstrap > 0.0 && self.bootstrap <= 1.0) {
            return Err(Error::setting(owner, "bootstrap", "in (0, 1]", self.bootstrap));
        }
        let diversity = Diversity {
            members: self.members,
            prior_scale: self.prior_scale,
            bootstrap: self.bootstrap,
        };
        Ok(Box::new(Networks::new(&self.network, setting, diversity, streams)?))
    }
}
