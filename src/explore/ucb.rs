//! Upper confidence bounds: optimism in the face of uncertainty.

use serde::{Deserialize, Serialize};

use super::{Explore, Moment, Schedule, argmax};
use crate::mdp::ActionSet;
use crate::streams::Generator;
use crate::value::{Estimates, Signals};

/// What the bonus of [`Ucb`] is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bonus {
    /// `c sqrt(ln(t + 1) / n(s, a))`: UCB1 (Auer, Cesa-Bianchi & Fischer 2002). An action that was
    /// never taken comes first. With the linear counts of a network n is a generalized count, and the
    /// bonus that of LinUCB (Li et al. 2010).
    Counts,
    /// `c sd(s, a)`: the spread of an ensemble (Chen et al. 2017, "UCB exploration via Q-ensembles").
    Spread,
    /// The spread where the value function supplies one, else the counts.
    #[default]
    Auto,
}

/// `a = argmax Q(s, a) + bonus(s, a)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ucb {
    /// The weight c of the bonus, at least 0.
    pub coefficient: Schedule,
    /// What the bonus is made of.
    pub bonus: Bonus,
}

impl Default for Ucb {
    fn default() -> Self {
        Self { coefficient: Schedule::Constant(1.0), bonus: Bonus::Auto }
    }
}

impl Ucb {
    /// The policy with its bonus decided; `None` where the value function does not supply it.
    pub(super) fn resolve(&self, supplies: Signals) -> Option<Resolved> {
        let spread = match self.bonus {
            Bonus::Auto if supplies.spread => true,
            Bonus::Auto | Bonus::Counts if supplies.counts => false,
            Bonus::Spread if supplies.spread => true,
            _ => return None,
        };
        Some(Resolved { coefficient: self.coefficient, spread })
    }
}

/// [`Ucb`] at work.
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    coefficient: Schedule,
    spread: bool,
}

impl Explore for Resolved {
    fn choose(
        &mut self,
        estimates: &Estimates,
        allowed: &ActionSet,
        moment: Moment,
        rng: &mut Generator,
    ) -> usize {
        let c = self.coefficient.at(moment.trial) as f32;
        let q = &estimates.mean;
        if self.spread {
            return argmax(allowed, |action| q[action] + c * estimates.spread[action], rng);
        }
        let numerator = ((moment.trial + 1) as f32).ln();
        argmax(
            allowed,
            |action| match estimates.counts[action] {
                n if n <= 0.0 => f32::INFINITY,
                n => q[action] + c * (numerator / n).sqrt(),
            },
            rng,
        )
    }
}
