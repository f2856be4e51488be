//! Portfolios: a fixed order of configurations, learned from the training tasks.

use std::sync::Arc;

use super::learner::MetaLearner;
use super::prior::LearnedPrior;
use super::tried::Tried;
use crate::error::Result;
use crate::experiment::statistics::ranks;
use crate::optimizer::{Context, Optimizer, Problem};
use crate::persist::{Array, Persist, Snapshot};
use crate::space::{Configuration, Grid};
use crate::streams::Streams;
use crate::trial::Trial;
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// How a portfolio is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// By the mean over training tasks of the configuration's rank within the task, the best first
    /// (Brazdil & Soares 2000, "A comparison of ranking methods for classification algorithm selection").
    AverageRank,
    /// Greedily: each next configuration is the one with which the mean over training tasks of the regret of
    /// the best configuration so far falls most (Xu, Hoos & Leyton-Brown 2010, "Hydra"; Feurer et al. 2022,
    /// "Auto-sklearn 2.0", section 4.1). Equal ones, and all once no regret is left, go by average rank.
    GreedyComplementary,
}

/// The training tasks' portfolio.
#[derive(Debug, Clone)]
pub struct Portfolio {
    grid: Arc<Grid>,
    order: Order,
    rows: Vec<u32>,
}

impl Portfolio {
    /// The portfolio of the tasks of a prior; without tasks it is empty, and what is left is random.
    pub fn new(prior: &LearnedPrior, order: Order) -> Self {
        let rows = if prior.tasks() == 0 {
            Vec::new()
        } else {
            let by_rank = average_rank(prior);
            match order {
                Order::AverageRank => by_rank,
                Order::GreedyComplementary => greedy(prior, &by_rank),
            }
        };
        Self { grid: Arc::clone(prior.grid()), order, rows }
    }

    /// The rows of the prior's grid in their order.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }
}

/// The rows by their mean rank, the best first and equal ones in the order of the grid.
fn average_rank(prior: &LearnedPrior) -> Vec<u32> {
    let count = prior.grid().len();
    let mut sums = vec![0.0; count];
    for source in prior.sources() {
        let negative: Vec<f64> = source.values.iter().map(|value| -value).collect();
        sums.iter_mut().zip(ranks(&negative)).for_each(|(sum, rank)| *sum += rank);
    }
    let mut rows: Vec<u32> = (0..count as u32).collect();
    rows.sort_by(|&a, &b| sums[a as usize].total_cmp(&sums[b as usize]).then(a.cmp(&b)));
    rows
}

fn greedy(prior: &LearnedPrior, by_rank: &[u32]) -> Vec<u32> {
    let sources = prior.sources();
    let mut best = vec![0.0f64; sources.len()];
    let mut left = by_rank.to_vec();
    let mut rows = Vec::with_capacity(left.len());
    loop {
        let gain = |row: u32| -> f64 {
            let values = sources.iter().map(|source| source.values[row as usize]);
            values.zip(&best).map(|(value, best)| (value - best).max(0.0)).sum()
        };
        let mut most = (0.0, None);
        for (place, &row) in left.iter().enumerate() {
            let gain = gain(row);
            if gain > most.0 {
                most = (gain, Some(place));
            }
        }
        let Some(place) = most.1 else { break };
        let row = left.remove(place);
        for (best, source) in best.iter_mut().zip(sources) {
            *best = best.max(source.values[row as usize]);
        }
        rows.push(row);
    }
    rows.extend(left);
    rows
}

impl MetaLearner for Portfolio {
    fn steps(&self) -> u64 {
        0
    }

    fn train(&mut self, _step: u64, _streams: Streams) -> Result<()> {
        Ok(())
    }

    fn optimizer(
        self: Arc<Self>,
        problem: &Problem,
        _streams: Streams,
        _fine_tune: bool,
    ) -> Result<Box<dyn Optimizer>> {
        let grid = problem.grid.clone().unwrap_or_else(|| Arc::clone(&self.grid));
        let order = self
            .rows
            .iter()
            .filter_map(|&row| grid.position(self.grid.get(row as usize)))
            .collect();
        Ok(Box::new(PortfolioSearch { order, tried: Tried::new(grid.len()), grid }))
    }

    fn findings(&self) -> Vec<String> {
        let first = self.rows.first().map(|&row| self.grid.get(row as usize).to_string());
        first.map(|first| format!("The first configuration: {first}.")).into_iter().collect()
    }
}

impl Persist for Portfolio {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        snapshot.put(at, "order", &self.order)?;
        snapshot.put_array(at, "rows", Array::U64(self.rows.iter().map(|&r| r.into()).collect()));
        Ok(())
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        let refuse = |problem: &str| Err(crate::Error::snapshot(format!("{at}/rows"), problem));
        if snapshot.get::<Order>(at, "order")? != self.order {
            return refuse("are of another portfolio");
        }
        let Array::U64(rows) = snapshot.array(at, "rows")? else {
            return refuse("must be integers");
        };
        let mut seen = vec![false; self.grid.len()];
        for &row in rows {
            match seen.get_mut(row as usize) {
                Some(seen) if !*seen => *seen = true,
                _ => return refuse("must be different rows of the grid"),
            }
        }
        self.rows = rows.iter().map(|&row| row as u32).collect();
        Ok(())
    }
}

/// Plays a portfolio, then what is left of the grid at random; once all is tried, all of it again.
struct PortfolioSearch {
    grid: Arc<Grid>,
    order: Vec<usize>,
    tried: Tried,
}

impl Optimizer for PortfolioSearch {
    fn ask(&mut self, cx: &Context<'_>) -> Result<Configuration> {
        let allowed = self.tried.allowed(cx, |configuration| self.grid.position(configuration));
        let row = match self.order.iter().copied().find(|&row| allowed.contains(row)) {
            Some(row) => row,
            None => {
                let place = cx.streams.at("portfolio", cx.id.0).random_range(0..allowed.count());
                allowed.iter().nth(place).expect("the place is below the count")
            }
        };
        Ok(self.grid.get(row).clone())
    }

    fn tell(&mut self, _trial: &Trial, _cx: &Context<'_>) -> Result<()> {
        Ok(())
    }
}

impl Persist for PortfolioSearch {
    fn save(&self, _at: &str, _snapshot: &mut Snapshot) -> Result<()> {
        Ok(())
    }

    fn load(&mut self, _at: &str, _snapshot: &Snapshot) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::Corpus;

    /// Three tasks over four configurations, by their scores.
    fn prior(tables: [[f64; 4]; 3]) -> LearnedPrior {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("tasks")).unwrap();
        let space = r#"{"name": "p", "objective": {"name": "y", "direction": "maximize"}, "parameters": [
            {"name": "x", "type": "int", "low": 0, "high": 3}]}"#;
        std::fs::write(directory.path().join("space.json"), space).unwrap();
        for (task, table) in tables.iter().enumerate() {
            let rows: String =
                table.iter().enumerate().map(|(x, y)| format!("{x},{y}\n")).collect();
            let path = directory.path().join(format!("tasks/t{task}.csv"));
            std::fs::write(path, format!("x,y\n{rows}")).unwrap();
        }
        LearnedPrior::new(&Corpus::read(directory.path()).unwrap())
    }

    #[test]
    fn a_good_all_rounder_is_first_by_rank_and_complements_follow() {
        // Configuration 2 is second everywhere; 0 wins twice and 1 once, each bad elsewhere.
        let prior = prior([[10.0, 0.0, 9.0, 1.0], [10.0, 0.0, 9.0, 5.0], [0.0, 10.0, 6.0, 1.0]]);
        // Sums of ranks: 1 + 1 + 4, 4 + 4 + 1, 2 + 2 + 2, 3 + 3 + 3; equal ones as in the grid.
        assert_eq!(Portfolio::new(&prior, Order::AverageRank).rows(), [0, 2, 1, 3]);
        // Gains: 2.0, 1.0, 2.4, 0.7; then 0.2 and 0.4 are left to 0 and 1.
        assert_eq!(Portfolio::new(&prior, Order::GreedyComplementary).rows(), [2, 1, 0, 3]);
    }

    #[test]
    fn without_tasks_a_portfolio_is_empty() {
        let grid = Arc::clone(prior([[0.0, 1.0, 2.0, 3.0]; 3]).grid());
        let ignorant = LearnedPrior::ignorant(grid, 0);
        assert!(Portfolio::new(&ignorant, Order::GreedyComplementary).rows().is_empty());
    }
}
