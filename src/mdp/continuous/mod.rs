//! The framings in continuous form, for agents whose actions are vectors of numbers.
//!
//! | framing | state | action | an episode ends |
//! |---|---|---|---|
//! | [`ContinuousSelect`] | meta-features, and a summary of the history if wanted | a configuration | at the budget |
//! | [`ContinuousRefine`] | the configuration to move from, and the summary | a bounded move | after some moves |

mod action;
mod refine;
mod select;
mod summary;
#[cfg(test)]
mod tests;

pub use action::{ActionEncoding, ActionSpace};
pub use refine::{ContinuousRefine, ContinuousRefineFraming, MoveFrom};
pub use select::{ContinuousSelect, ContinuousSelectFraming};

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::optimizer::{Context, Problem};
use crate::persist::Persist;
use crate::space::Configuration;
use crate::trial::Trial;

/// States, actions and episodes over a search space.
///
/// A framing keeps no history: the context has it.
pub trait ContinuousFraming: Persist + Send {
    /// The length of a state.
    fn states(&self) -> usize;

    /// The actions.
    fn actions(&self) -> &ActionSpace;

    /// The state before the next decision. Begins an episode where none is under way.
    fn observe(&mut self, cx: &Context<'_>) -> Vec<f32>;

    /// Whether what is observed now can be decided in; where it cannot (there is nothing to move from
    /// yet), the next configuration is drawn.
    fn decides(&self) -> bool;

    /// The configuration that an action leads to from where the process stands.
    fn decode(&self, action: &[f32]) -> Configuration;

    /// The action that leads to a configuration from where the process stands, as critics see it.
    fn encode(&self, configuration: &Configuration) -> Vec<f32>;

    /// Actions that candidates are drawn around, at most `count`, best first.
    fn anchors(&self, cx: &Context<'_>, count: usize) -> Vec<Vec<f32>>;

    /// Takes note of a finished trial, which the context's history has already, and returns the state
    /// that it led to; `None` where the episode ended. `decided` says whether an action led to it.
    fn advance(&mut self, trial: &Trial, decided: bool, cx: &Context<'_>) -> Option<Vec<f32>>;

    /// The state that a trial with a score of `z` deviations would lead to from a state.
    fn imagined(&self, state: &[f32], configuration: &Configuration, z: f32) -> Vec<f32>;

    /// The episode at hand, from 0.
    fn episode(&self) -> u64;
}

/// A continuous framing and its choices, as plain data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContinuousFramingConfig {
    /// The action is a configuration.
    Select(ContinuousSelect),
    /// The action is a bounded move.
    Refine(ContinuousRefine),
}

impl ContinuousFramingConfig {
    /// The name as it stands in names of strategies.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Select(_) => "select",
            Self::Refine(_) => "refine",
        }
    }

    /// Builds the framing.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) where a setting is out of its range.
    pub fn build(
        &self,
        problem: &Problem,
        encoding: ActionEncoding,
    ) -> Result<Box<dyn ContinuousFraming>> {
        let actions = ActionSpace::new(&problem.space, encoding);
        Ok(match self {
            Self::Select(config) => {
                Box::new(ContinuousSelectFraming::new(config, problem, actions)?)
            }
            Self::Refine(config) => {
                Box::new(ContinuousRefineFraming::new(config, problem, actions)?)
            }
        })
    }
}
