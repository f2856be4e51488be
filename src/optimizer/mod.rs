//! Optimizers: whatever proposes configurations and learns from what came out.

mod actor_critic;
mod cma_es;
mod continuous_q;
mod grid;
mod random;
mod rl;
mod sobol;
mod tpe;

pub use actor_critic::{Acting, ActionCandidates, ActorCriticSearch, ContinuousControl, Dyna};
pub use cma_es::{CmaEs, CmaEsSearch};
pub use continuous_q::{ContinuousQ, ContinuousQSearch, DesignSize};
pub use grid::{GridOrder, GridSearch};
pub use random::RandomSearch;
pub use rl::{Design, Discrete, Reinforced};
pub use sobol::SobolSearch;
pub use tpe::{Tpe, TpeSearch};

pub(crate) use sobol::sobol_point;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Result;
use crate::explore::Selection;
use crate::persist::Persist;
use crate::space::{Configuration, Grid, GridSize, SearchSpace};
use crate::streams::Streams;
use crate::trial::{Direction, History, PendingTrial, Score, Trial, TrialId};

/// What an optimizer is built for.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The search space.
    pub space: SearchSpace,
    /// Whether the objective is minimized or maximized. Scores have the sign of it already; a trained policy
    /// is held to the direction that it was trained for. A study sets it.
    pub direction: Direction,
    /// The configurations to choose from, where they are given (the rows of a table).
    pub grid: Option<Arc<Grid>>,
    /// The data set's meta-features, empty where there are none.
    pub meta_features: Vec<f64>,
    /// The number of trials that will be run, where it is known.
    pub budget: Option<usize>,
    /// The best score that can be reached, where it is known. Only the reward `negative-regret`
    /// reads it.
    pub optimum: Option<Score>,
    /// The grids made of the space so far, so that studies of the same problem share them.
    pub grids: GridCache,
}

/// Grids by size. Clones share what they hold: a grid is made once, however many studies use it.
#[derive(Debug, Clone, Default)]
pub struct GridCache(Arc<Mutex<HashMap<GridSize, Arc<Grid>>>>);

impl Problem {
    /// A problem of which nothing but the space is known.
    pub fn new(space: SearchSpace) -> Self {
        Self {
            space,
            direction: Direction::default(),
            grid: None,
            meta_features: Vec::new(),
            budget: None,
            optimum: None,
            grids: GridCache::default(),
        }
    }

    /// The given grid, or the space's own of the given size.
    ///
    /// # Errors
    ///
    /// As [`Grid::new`].
    pub fn grid(&self, size: GridSize) -> Result<Arc<Grid>> {
        if let Some(grid) = &self.grid {
            return Ok(Arc::clone(grid));
        }
        // A panic elsewhere cannot leave the map in a bad state, so a poisoned lock is still good.
        let mut grids = self.grids.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(grid) = grids.get(&size) {
            return Ok(Arc::clone(grid));
        }
        let grid = Arc::new(Grid::new(&self.space, size)?);
        grids.insert(size, Arc::clone(&grid));
        Ok(grid)
    }
}

/// What an optimizer sees when it is asked or told.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The trial that is asked for or told.
    pub id: TrialId,
    /// The search space.
    pub space: &'a SearchSpace,
    /// The finished trials; in `tell` the told one is the last.
    pub history: &'a History,
    /// The trials asked for and not told yet; in `ask` without the new one, in `tell` without the
    /// told one.
    pub pending: &'a [PendingTrial],
    /// The source of randomness.
    pub streams: Streams,
}

/// Proposes configurations and learns from what came out.
///
/// Trials may be told in any order, some never; several may be pending at once. All randomness comes
/// from `cx.streams`, and all state that a later call reads is in the snapshot, so that a study
/// resumes bit for bit.
pub trait Optimizer: Persist + Send {
    /// Proposes the configuration of trial `cx.id`.
    ///
    /// # Errors
    ///
    /// What the optimizer's own parts report; a well-built one does not fail here.
    fn ask(&mut self, cx: &Context<'_>) -> Result<Configuration>;

    /// Learns from a finished trial, complete or failed. The configuration may be one that this
    /// optimizer did not propose.
    ///
    /// # Errors
    ///
    /// What the optimizer's own parts report; a well-built one does not fail here.
    fn tell(&mut self, trial: &Trial, cx: &Context<'_>) -> Result<()>;

    /// How the configuration of the last [`ask`](Optimizer::ask) was chosen; `None` where no values of actions were
    /// compared, as in an initial design. It is no state: a loaded optimizer need not know it.
    fn selection(&self) -> Option<Selection> {
        None
    }
}
