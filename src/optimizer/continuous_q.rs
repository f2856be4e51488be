//! Q-learning over configurations as points: a value function fitted to all trials, and an exploration
//! policy that chooses among candidates.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Context, Optimizer, Problem, sobol_point};
use crate::error::{Error, Result};
use crate::explore::{Candidates, Exploration, Explore, Moment, Pool, Selection};
use crate::mdp::{Reward, RewardKind};
use crate::persist::{Persist, Snapshot};
use crate::space::{Configuration, Grid, SearchSpace};
use crate::streams::Streams;
use crate::trial::{Score, Trial};
use crate::value::{ContinuousValue, ContinuousValueConfig, Estimates, Examples};

/// How many trials the initial design has: `per_parameter * parameters + constant`, but at most a third of
/// the budget where that is known, and at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DesignSize {
    /// Trials for each parameter.
    pub per_parameter: usize,
    /// Further trials.
    pub constant: usize,
}

impl DesignSize {
    /// The number of trials for a problem.
    pub fn of(self, problem: &Problem) -> usize {
        let full = self.per_parameter.saturating_mul(problem.space.len());
        let most = problem.budget.map_or(usize::MAX, |budget| budget / 3);
        full.saturating_add(self.constant).min(most).max(1)
    }
}

/// The framing *select* with discount 0 where actions are points: a value function over configurations x
/// exploration over candidates, as plain data.
///
/// The first trials are Sobol points. Then in every trial the rewards of all trials are computed anew,
/// the value function is fitted to them, candidates are made ([`Candidates`]; on a table all its rows), and
/// the exploration policy chooses one that was not tried yet. A pending trial counts as one of reward 0, the
/// middle of normalized rewards (a "constant liar", Ginsbourger, Le Riche & Carraro 2010), so that
/// parallel suggestions spread out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ContinuousQ {
    /// What is expected of a configuration.
    pub value: ContinuousValueConfig,
    /// Which candidate is taken.
    pub exploration: Exploration,
    /// What the candidates are.
    pub candidates: Candidates,
    /// What a trial was worth.
    pub reward: Reward,
    /// How many trials come before the first decision.
    pub design: DesignSize,
}

impl ContinuousQ {
    /// Builds the optimizer; `streams` are those of its study.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting is out of its range; [`Error::Unsuited`] where parts do not
    /// fit together or do not fit the problem.
    pub fn build(&self, problem: &Problem, streams: Streams) -> Result<ContinuousQSearch> {
        self.reward.check(problem.optimum)?;
        if self.reward.kind == RewardKind::Improvement {
            return Err(Error::unsuited(
                "reward `improvement`",
                "a value of configurations alone cannot depend on when they were tried; use `score`",
            ));
        }
        self.candidates.check()?;
        let draws = matches!(self.exploration, Exploration::Thompson(_));
        let improves = matches!(self.exploration, Exploration::ExpectedImprovement(_));
        Ok(ContinuousQSearch {
            policy: self.exploration.build(self.value.name(), self.value.supplies())?,
            value: self.value.build(&problem.space, draws, streams)?,
            candidates: self.candidates.clone(),
            reward: self.reward,
            design: self.design.of(problem),
            optimum: problem.optimum,
            grid: problem.grid.clone(),
            improves,
            selection: None,
        })
    }
}

/// [`ContinuousQ`] at work.
pub struct ContinuousQSearch {
    value: Box<dyn ContinuousValue>,
    policy: Box<dyn Explore>,
    candidates: Candidates,
    reward: Reward,
    design: usize,
    optimum: Option<Score>,
    grid: Option<Arc<Grid>>,
    /// Whether the policy reads the incumbent's value, which costs estimates of all trials.
    improves: bool,
    selection: Option<Selection>,
}

impl ContinuousQSearch {
    /// The configuration at a point; on a table the row nearest to it.
    fn at(&self, space: &SearchSpace, point: &[f64]) -> Configuration {
        let configuration = space.from_unit(point);
        match self.grid.as_ref().and_then(|grid| Some(grid.get(grid.nearest(&configuration)?))) {
            Some(row) => row.clone(),
            None => configuration,
        }
    }

    /// Learns from all trials there are. Returns the highest value that is expected of a finished one, where the policy
    /// reads it.
    fn fit(&mut self, cx: &Context<'_>) -> Option<f32> {
        let trials = cx.history.trials();
        let scores: Vec<f64> =
            trials.iter().map(|trial| trial.score().map_or(f64::NAN, Score::get)).collect();
        let mut rewards = self.reward.of(&scores, self.optimum);
        rewards.resize(trials.len() + cx.pending.len(), 0.0);
        let tried = trials.iter().map(|trial| &trial.configuration);
        let pending = cx.pending.iter().map(|trial| &trial.configuration);
        let width = cx.space.features();
        let mut inputs = vec![0.0; rewards.len() * width];
        for (configuration, into) in tried.chain(pending).zip(inputs.chunks_exact_mut(width)) {
            cx.space.encode(configuration, into);
        }
        let mut rng = cx.streams.at("value", cx.id.0);
        let pending = cx.pending.len();
        self.value.fit(Examples { inputs: &inputs, rewards: &rewards, pending }, &mut rng);
        if !self.improves {
            return None;
        }
        let mut finished = Estimates::default();
        self.value.estimate(&inputs[..trials.len() * width], trials.len(), &mut finished);
        finished.mean.into_iter().reduce(f32::max)
    }

    /// The points of the best trials, best first; of equally good ones the first.
    fn parents(&self, cx: &Context<'_>) -> Vec<Vec<f64>> {
        let mut complete: Vec<&Trial> =
            cx.history.trials().iter().filter(|trial| trial.score().is_some()).collect();
        complete.sort_by_key(|trial| std::cmp::Reverse(trial.score()));
        // As many as the candidates are made of.
        let most = 2 * self.candidates.parents;
        complete.iter().take(most).map(|trial| cx.space.to_unit(&trial.configuration)).collect()
    }
}

impl Optimizer for ContinuousQSearch {
    fn ask(&mut self, cx: &Context<'_>) -> Result<Configuration> {
        self.selection = None;
        let tried = cx.history.trials().iter().map(|trial| &trial.configuration);
        let pending = cx.pending.iter().map(|trial| &trial.configuration);
        let taken: HashSet<&Configuration> = tried.chain(pending).collect();
        let sobol = sobol_point(cx.streams, cx.id.0, cx.space.len());
        let untold = cx.history.is_empty();
        if untold || cx.id.0 < self.design as u64 {
            let designed = self.at(cx.space, &sobol);
            if untold || !taken.contains(&designed) {
                return Ok(designed);
            }
        }
        let incumbent = self.fit(cx);
        let parents = self.parents(cx);
        let mut rng = cx.streams.at("candidates", cx.id.0);
        let moment = Moment { trial: cx.id.0, episode: 0, streams: cx.streams };
        let Self { value, policy, candidates, grid, .. } = self;
        let mut estimate = |inputs: &[f32], rows: usize, into: &mut Estimates| {
            value.estimate(inputs, rows, into);
            into.incumbent = incumbent;
        };
        let mut pool = Pool::new(cx.space, &mut estimate);
        match grid {
            Some(grid) => {
                let rows = grid.configurations().iter().filter(|row| !taken.contains(row));
                pool.extend(Vec::new(), rows.cloned().collect());
            }
            None => {
                let id = cx.id.0;
                let first = candidates.first(cx.space, &parents, id, cx.streams, &mut rng);
                pool.extend_points(first);
                pool.evolve(candidates, policy.as_mut(), moment, &mut rng);
            }
        }
        let chosen = pool.choose(policy.as_mut(), |candidate| taken.contains(candidate), moment);
        Ok(match chosen {
            Some((configuration, selection)) => {
                self.selection = Some(selection);
                configuration
            }
            // Where every configuration was tried, one is tried again.
            None => self.at(cx.space, &sobol),
        })
    }

    fn selection(&self) -> Option<Selection> {
        self.selection
    }

    fn tell(&mut self, _trial: &Trial, _cx: &Context<'_>) -> Result<()> {
        // The history is all there is to know, and is read when the next trial is asked for.
        Ok(())
    }
}

impl Persist for ContinuousQSearch {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        self.value.save(&format!("{at}/value"), snapshot)?;
        self.policy.save(&format!("{at}/policy"), snapshot)
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        self.value.load(&format!("{at}/value"), snapshot)?;
        self.policy.load(&format!("{at}/policy"), snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{GridSize, Parameter};
    use crate::strategy::Strategy;
    use crate::study::Study;

    fn space() -> SearchSpace {
        SearchSpace::new([Parameter::float("x", 0.0, 1.0), Parameter::int("n", 1, 3)]).unwrap()
    }

    fn settings(name: &str) -> ContinuousQ {
        match Strategy::named(name).unwrap() {
            Strategy::ContinuousQ(settings) => *settings,
            other => panic!("{name} is {other:?}"),
        }
    }

    #[test]
    fn the_design_is_at_most_a_third_of_the_budget_and_never_empty() {
        let size = DesignSize { per_parameter: 2, constant: 2 };
        let of = |budget| size.of(&Problem { budget, ..Problem::new(space()) });
        assert_eq!([of(None), of(Some(100)), of(Some(12)), of(Some(1))], [6, 6, 4, 1]);
        let none = DesignSize { per_parameter: 0, constant: 0 };
        assert_eq!(none.of(&Problem::new(space())), 1);
    }

    #[test]
    fn rewards_that_depend_on_the_order_of_trials_are_refused() {
        let mut settings = settings("kernel-select-ucb");
        settings.reward.kind = RewardKind::Improvement;
        let error = settings.build(&Problem::new(space()), Streams::new(0)).err().unwrap();
        assert!(error.to_string().contains("cannot depend on when they were tried"), "{error}");
    }

    #[test]
    fn on_a_table_every_row_is_proposed_once_and_nothing_else() {
        let grid = Arc::new(Grid::new(&space(), GridSize::Resolution(4)).unwrap());
        for name in ["kernel-select-ucb", "kernel-select-thompson"] {
            let problem = Problem { grid: Some(Arc::clone(&grid)), ..Problem::new(space()) };
            let strategy = Strategy::named(name).unwrap();
            let mut study =
                Study::builder(space()).problem(problem).configured(strategy).build().unwrap();
            let mut seen = HashSet::new();
            study
                .optimize(grid.len(), |trial| {
                    assert!(grid.position(&trial.configuration).is_some(), "{trial:?}");
                    assert!(seen.insert(trial.configuration.clone()), "{trial:?} twice");
                    trial.float("x")
                })
                .unwrap();
        }
    }

    #[test]
    fn pending_trials_push_the_next_ones_away() {
        let mut study = Study::builder(space()).strategy("kernel-select-ucb").build().unwrap();
        study.optimize(12, |trial| (trial.float("x").unwrap() - 0.3).powi(2)).unwrap();
        let asked: Vec<f64> = (0..4).map(|_| study.ask().unwrap().float("x").unwrap()).collect();
        let apart = |a: f64, b: f64| (a - b).abs() > 1e-3;
        let pairs = (0..4).flat_map(|i| (0..i).map(move |j| (i, j)));
        let close = pairs.filter(|&(i, j)| !apart(asked[i], asked[j])).count();
        // The integer may differ where x does not.
        assert!(close <= 1, "{asked:?}");
    }
}
