//! Ablations: the product of lists of settings, what of it can run, and what each setting is worth.
//!
//! ```toml
//! trials = 30
//! seeds = 3
//! surfaces = ["branin", "hartmann-6"]
//!
//! [[factor]]
//! name = "value"                  # the value function, by name
//! levels = ["dqn", "ensemble"]
//!
//! [[factor]]
//! name = "exploration"            # the policy, by name
//! levels = ["greedy", "ucb", "thompson"]
//!
//! [[factor]]
//! name = "schedule"               # settings of the policy, for each that the level speaks of
//! levels = [
//!     { name = "bold", ucb = { coefficient = { constant = 2.0 } }, thompson = {}, greedy = {} },
//!     { name = "shy", ucb = { coefficient = { constant = 0.5 } } },
//! ]
//!
//! [[factor]]
//! name = "reward"                 # any other name: settings of the strategy, as in a [[strategy]] table
//! levels = [{ name = "score", reward = { kind = "score" } }, { name = "gain", reward = { kind = "improvement" } }]
//! ```
//!
//! `framing`, `value` and `exploration` name the parts of a registered strategy; those that the file leaves out are
//! those of `base` (`dqn-select-ucb` where it is not given). A combination that is no strategy, or one that a surface
//! refuses, is left out and listed with the reason.

mod combination;
mod effects;
mod file;
mod findings;

pub use combination::{Combination, Combinations, Refused};
pub use effects::{Cell, Effects, FactorEffect, Interaction, LevelEffect, Measure};
pub use findings::Findings;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::plan::{Entrant, Plan, RANDOM_TWICE};
use crate::error::{Error, Result};
use crate::strategy::Strategy;
use crate::surface::Surface;

/// A product of settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Ablation {
    /// The strategy whose parts stand where no factor names others.
    pub base: Strategy,
    /// What varies.
    pub factors: Vec<Factor>,
    /// The surfaces, as on the command line; empty where the file names none.
    pub surfaces: Vec<String>,
    /// Trials of a run.
    pub trials: Option<usize>,
    /// Runs of each combination on each surface.
    pub seeds: Option<usize>,
    /// The master seed.
    pub seed: Option<u64>,
    /// Runs at the same time.
    pub jobs: Option<usize>,
}

/// Something that varies.
#[derive(Debug, Clone, PartialEq)]
pub struct Factor {
    /// Its name.
    pub name: String,
    /// What it may be.
    pub levels: Vec<Level>,
}

/// A level of a factor.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// Its name, different from those of all other levels of the ablation.
    pub name: String,
    /// What it sets.
    pub sets: Sets,
}

/// What a level sets.
#[derive(Debug, Clone, PartialEq)]
pub enum Sets {
    /// The framing of this name.
    Framing,
    /// The value function of this name.
    Value,
    /// The exploration policy of this name.
    Exploration,
    /// For each policy that it speaks of, the policy's settings.
    Schedule(Map<String, Value>),
    /// Settings of the strategy.
    Settings(Map<String, Value>),
}

impl Ablation {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where it cannot be read; [`Error::File`] with the line where it is no TOML, where a key or a name is
    /// unknown, a name occurs twice, or a factor has no level.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        Self::parse(&text, path)
    }

    /// Reads a file's text; `path` names it in errors.
    ///
    /// # Errors
    ///
    /// As [`Ablation::read`].
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        file::parse(text, path)
    }

    /// The combinations that can run on these surfaces with this many trials, and those that cannot.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where the product has more than [`Ablation::MOST`] combinations.
    pub fn combinations(
        &self,
        surfaces: &[Arc<dyn Surface>],
        trials: usize,
    ) -> Result<Combinations> {
        combination::product(self, surfaces, trials)
    }

    /// The most combinations.
    pub const MOST: usize = 10_000;
}

impl Combinations {
    /// What runs: every combination, random search, and random search at twice the budget.
    ///
    /// # Errors
    ///
    /// As [`Entrant::named`].
    pub fn entrants(&self) -> Result<Vec<Entrant>> {
        let own = self.runnable.iter();
        let mut entrants: Vec<Entrant> =
            own.map(|one| Entrant::new(&one.name, one.strategy.clone())).collect();
        for reference in ["random", RANDOM_TWICE] {
            entrants.push(Entrant::named(reference)?);
        }
        Ok(entrants)
    }

    /// A plan of what runs; `plan` gives the rest.
    ///
    /// # Errors
    ///
    /// [`Error::Unsuited`] where no combination can run.
    pub fn plan(&self, plan: Plan) -> Result<Plan> {
        if self.runnable.is_empty() {
            let first = self.refused.first().map_or(String::new(), |refused| {
                format!("; the first: {}: {}", refused.levels.join(" + "), refused.reason)
            });
            let reason = format!("none of {} combinations can run{first}", self.refused.len());
            return Err(Error::unsuited("the ablation", reason));
        }
        Ok(Plan { strategies: self.entrants()?, ..plan })
    }
}
