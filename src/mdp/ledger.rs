//! Which configurations of a grid were tried, and how the trials came out.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::optimizer::Context;
use crate::persist::{Array, Persist, Snapshot};
use crate::space::Grid;
use crate::trial::Trial;

/// The finished trials of a study in terms of a grid, kept up to date trial by trial so that asking
/// does not read the history again.
#[derive(Debug, Clone)]
pub struct Ledger {
    grid: Arc<Grid>,
    /// The configuration of each finished trial, in the order of telling.
    rows: Vec<Option<u32>>,
    /// The score of each finished trial; NaN where it failed.
    scores: Vec<f64>,
    visits: Vec<u32>,
    /// The position of the best trial.
    incumbent: Option<usize>,
    /// Running mean and sum of squared deviations of the complete scores (Welford 1962).
    complete: u64,
    mean: f64,
    deviations: f64,
}

impl Ledger {
    /// The ledger of a study without trials.
    pub fn new(grid: Arc<Grid>) -> Self {
        let visits = vec![0; grid.len()];
        Self {
            grid,
            rows: Vec::new(),
            scores: Vec::new(),
            visits,
            incumbent: None,
            complete: 0,
            mean: 0.0,
            deviations: 0.0,
        }
    }

    /// The grid.
    pub fn grid(&self) -> &Arc<Grid> {
        &self.grid
    }

    /// Adds a finished trial and says which configuration of the grid it tried.
    pub fn push(&mut self, trial: &Trial) -> Option<usize> {
        let row = self.grid.position(&trial.configuration);
        self.enter(row, trial.score().map_or(f64::NAN, |score| score.get()));
        row
    }

    fn enter(&mut self, row: Option<usize>, score: f64) {
        if let Some(row) = row {
            self.visits[row] += 1;
        }
        if !score.is_nan() {
            if self.incumbent.is_none_or(|best| score > self.scores[best]) {
                self.incumbent = Some(self.scores.len());
            }
            self.complete += 1;
            let delta = score - self.mean;
            self.mean += delta / self.complete as f64;
            self.deviations += delta * (score - self.mean);
        }
        self.rows.push(row.map(|row| row as u32));
        self.scores.push(score);
    }

    /// The number of finished trials.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether no trial is finished.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The configuration of a finished trial, by its position in the order of telling.
    pub fn row(&self, position: usize) -> Option<usize> {
        self.rows[position].map(|row| row as usize)
    }

    /// The scores in the order of telling, NaN where a trial failed.
    pub fn scores(&self) -> &[f64] {
        &self.scores
    }

    /// How often a configuration was tried.
    pub fn visits(&self, row: usize) -> u32 {
        self.visits[row]
    }

    /// The position of the best trial, `None` where none is complete.
    pub fn incumbent(&self) -> Option<usize> {
        self.incumbent
    }

    /// A score in standard deviations from the mean of the scores so far; 0 where they do not differ.
    pub fn standardized(&self, score: f64) -> f32 {
        let sd = if self.complete > 1 {
            (self.deviations / (self.complete - 1) as f64).sqrt()
        } else {
            0.0
        };
        if sd > 0.0 && score.is_finite() { ((score - self.mean) / sd) as f32 } else { 0.0 }
    }

    /// The configurations that are tried or being tried.
    pub fn taken(&self, cx: &Context<'_>) -> Taken<'_> {
        let pending = cx
            .pending
            .iter()
            .filter_map(|trial| self.grid.position(&trial.configuration))
            .collect();
        Taken { visits: &self.visits, pending }
    }
}

/// The configurations that are tried or being tried.
#[derive(Debug)]
pub struct Taken<'a> {
    visits: &'a [u32],
    pending: Vec<usize>,
}

impl Taken<'_> {
    /// Whether a configuration is one of them.
    pub fn contains(&self, row: usize) -> bool {
        self.visits[row] > 0 || self.pending.contains(&row)
    }
}

impl Persist for Ledger {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        let rows = self.rows.iter().map(|row| row.map_or(u64::MAX, u64::from)).collect();
        snapshot.put_array(at, "rows", Array::U64(rows));
        snapshot.put_array(at, "scores", Array::F64(self.scores.clone()));
        Ok(())
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        let Array::U64(rows) = snapshot.array(at, "rows")? else {
            return Err(Error::snapshot(format!("{at}/rows"), "must be integers"));
        };
        let scores = snapshot.f64s(at, "scores", rows.len())?;
        if scores.iter().any(|score| score.is_infinite()) {
            return Err(Error::snapshot(format!("{at}/scores"), "must be finite, or NaN"));
        }
        let mut fresh = Self::new(Arc::clone(&self.grid));
        for (&row, &score) in rows.iter().zip(scores) {
            let row = match row {
                u64::MAX => None,
                row if (row as usize) < self.grid.len() => Some(row as usize),
                row => {
                    return Err(Error::snapshot(
                        format!("{at}/rows"),
                        format!("configuration {row} of a grid of {}", self.grid.len()),
                    ));
                }
            };
            fresh.enter(row, score);
        }
        *self = fresh;
        Ok(())
    }
}
