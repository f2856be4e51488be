//! Thompson sampling (Thompson 1933; Osband et al. 2016 for ensembles).

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::{Explore, Moment, argmax};
use crate::mdp::ActionSet;
use crate::streams::Generator;
use crate::value::Estimates;

/// How long [`Thompson`] keeps to one draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Draw {
    /// A new draw for every trial.
    #[default]
    Trial,
    /// One draw for an episode, so that exploration is deep (Osband et al. 2016).
    Episode,
}

/// `a = argmax Q_k(s, a)` for a member `k` of an ensemble drawn uniformly; where a value function has
/// a mean and a spread but no members, for a draw `Q_k(s, a) ~ N(mean, sd^2)` that is independent
/// between actions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Thompson {
    /// How long one draw lasts.
    pub draw: Draw,
}

impl Explore for Thompson {
    fn choose(
        &mut self,
        estimates: &Estimates,
        allowed: &ActionSet,
        moment: Moment,
        rng: &mut Generator,
    ) -> usize {
        let mut of_episode = moment.streams.at("thompson/episode", moment.episode);
        let source = match self.draw {
            Draw::Trial => &mut *rng,
            Draw::Episode => &mut of_episode,
        };
        let actions = estimates.mean.len();
        if estimates.members.is_empty() {
            let noise: Vec<f32> = (0..actions).map(|_| StandardNormal.sample(source)).collect();
            let drawn =
                |action: usize| estimates.mean[action] + estimates.spread[action] * noise[action];
            return argmax(allowed, drawn, rng);
        }
        let member = source.random_range(0..estimates.members.len() / actions);
        let q = &estimates.members[member * actions..][..actions];
        argmax(allowed, |action| q[action], rng)
    }
}
