//! Grid search.

use std::sync::Arc;

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::{Context, Optimizer};
use crate::error::Result;
use crate::persist::{Persist, Snapshot};
use crate::space::{Configuration, Grid};
use crate::streams::Generator;
use crate::trial::Trial;

/// The order in which grid search visits its grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GridOrder {
    /// A random order without replacement, so that a budget below the grid's size sees all of it
    /// evenly.
    #[default]
    Shuffled,
    /// The first parameter slowest, as nested loops do.
    Lexicographic,
}

/// Visits every configuration of a grid once, then begins again.
#[derive(Debug, Clone)]
pub struct GridSearch {
    grid: Arc<Grid>,
    order: GridOrder,
    /// The permutation of the pass at hand, derived from the streams and not stored.
    pass: Option<(u64, Vec<u32>)>,
}

impl GridSearch {
    /// A search of `grid` in `order`.
    pub fn new(grid: Arc<Grid>, order: GridOrder) -> Self {
        Self { grid, order, pass: None }
    }
}

impl Optimizer for GridSearch {
    fn ask(&mut self, cx: &Context<'_>) -> Result<Configuration> {
        let rows = self.grid.len() as u64;
        let (pass, place) = (cx.id.0 / rows, (cx.id.0 % rows) as usize);
        if self.order == GridOrder::Lexicographic {
            return Ok(self.grid.get(place).clone());
        }
        if self.pass.as_ref().is_none_or(|(current, _)| *current != pass) {
            let mut permutation: Vec<u32> = (0..rows as u32).collect();
            let mut rng: Generator = cx.streams.at("grid", pass);
            permutation.shuffle(&mut rng);
            self.pass = Some((pass, permutation));
        }
        let (_, permutation) = self.pass.as_ref().expect("the permutation was made above");
        Ok(self.grid.get(permutation[place] as usize).clone())
    }

    fn tell(&mut self, _trial: &Trial, _cx: &Context<'_>) -> Result<()> {
        Ok(())
    }
}

impl Persist for GridSearch {
    fn save(&self, _at: &str, _snapshot: &mut Snapshot) -> Result<()> {
        Ok(())
    }

    fn load(&mut self, _at: &str, _snapshot: &Snapshot) -> Result<()> {
        Ok(())
    }
}
