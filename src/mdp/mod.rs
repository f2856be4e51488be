//! Hyperparameter optimization as a Markov decision process.
//!
//! A *framing* says what a state, an action and an episode are; a *reward* says what a trial was
//! worth. Both are chosen apart from the agent that acts in them.
//!
//! | framing | state | action | an episode ends |
//! |---|---|---|---|
//! | [`Select`] | meta-features and the history of (configuration, score) | a configuration of the grid | at the budget or at a repeated action |
//! | [`Refine`] | the current configuration | one parameter one level up or down | after some steps; the next begins at a chosen configuration |

mod actions;
mod continuous;
mod ledger;
mod power;
mod refine;
mod reward;
mod select;
#[cfg(test)]
mod tests;

pub use actions::ActionSet;
pub use continuous::{
    ActionEncoding, ActionSpace, ContinuousFraming, ContinuousFramingConfig, ContinuousRefine,
    ContinuousRefineFraming, ContinuousSelect, ContinuousSelectFraming, MoveFrom,
};
pub use ledger::Ledger;
pub use refine::{Refine, RefineFraming, Start};
pub use reward::{Normalization, Reward, RewardKind};
pub use select::{Select, SelectFraming, SelectState};

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::optimizer::{Context, Problem};
use crate::persist::Persist;
use crate::space::Grid;
use crate::streams::Generator;

/// What an agent sees before it acts.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The number of the state, below [`Framing::states`]: what tables see.
    pub state: usize,
    /// The state in numbers, [`Framing::features`] of them: what networks see.
    pub features: Vec<f32>,
    /// The actions that may be taken, at least one.
    pub allowed: ActionSet,
}

/// What a framing wants to be evaluated next.
#[derive(Debug, Clone, PartialEq)]
pub enum Situation {
    /// The agent decides.
    Decide(Observation),
    /// A state that must be entered without a decision, such as an episode's initial configuration:
    /// the number of a configuration of the grid.
    Enter(usize),
}

/// What a finished trial did to the process.
#[derive(Debug, Clone, PartialEq)]
pub struct Advance {
    /// What is seen after it; `None` where the episode has ended.
    pub next: Option<Observation>,
}

/// States, actions and episodes over a grid.
pub trait Framing: Persist + Send {
    /// The number of actions.
    fn actions(&self) -> usize;

    /// The number of states that a table tells apart.
    fn states(&self) -> usize;

    /// The length of [`Observation::features`].
    fn features(&self) -> usize;

    /// Which configuration of the grid each action leads to.
    fn targets(&self) -> Targets;

    /// What is to be evaluated next.
    fn situation(&mut self, cx: &Context<'_>, ledger: &Ledger, rng: &mut Generator) -> Situation;

    /// Takes note of a finished trial: `reached` is its configuration (`None` where it lies outside
    /// the grid), `decided` whether an action of this framing led to it. The ledger has it already.
    fn advance(
        &mut self,
        cx: &Context<'_>,
        ledger: &Ledger,
        reached: Option<usize>,
        decided: bool,
    ) -> Advance;

    /// The episode at hand, from 0.
    fn episode(&self) -> u64;

    /// Refuses a state just loaded from the path `at` that does not fit the ledger loaded with it.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`](crate::Error::Snapshot) with what does not fit.
    fn check_loaded(&self, at: &str, ledger: &Ledger) -> Result<()>;
}

/// Which configuration of the grid an action leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Targets {
    /// Action `a` leads to configuration `a`.
    Configurations,
    /// Action `a` is the move `a` from the configuration that is the state ([`Grid::step`]).
    Moves,
}

impl Targets {
    /// The configuration that an action leads to; `None` where it leads nowhere.
    ///
    /// # Panics
    ///
    /// If there is no such state or action.
    pub fn reached(self, grid: &Grid, state: usize, action: usize) -> Option<usize> {
        match self {
            Self::Configurations => Some(action),
            Self::Moves => grid.step(state, action),
        }
    }
}

/// A framing and its choices, as plain data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FramingConfig {
    /// The action is a configuration.
    Select(Select),
    /// The action is a move.
    Refine(Refine),
}

impl FramingConfig {
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
    pub fn build(&self, problem: &Problem, grid: Arc<Grid>) -> Result<Box<dyn Framing>> {
        Ok(match self {
            Self::Select(config) => Box::new(SelectFraming::new(config, problem, grid)?),
            Self::Refine(config) => Box::new(RefineFraming::new(config, problem, grid)?),
        })
    }
}

/// Meta-features as a network sees them: `sign(x) ln(1 + |x|)`, since their scales differ by
/// orders of magnitude and a single study cannot tell how they spread over data sets. A value that is
/// not finite becomes 0.
fn squash(meta_features: &[f64]) -> impl Iterator<Item = f32> + '_ {
    meta_features
        .iter()
        .map(|x| if x.is_finite() { x.signum() * x.abs().ln_1p() } else { 0.0 } as f32)
}
