//! `summary.json`: what a comparison amounts to.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::streams::Streams;
use crate::trial::Direction;

use super::metrics::{Point, SOLVED, curve};
use super::pairs::Pair;
use super::runner::{End, Results, Run};
use super::statistics::{Interval, LEVEL, RESAMPLES, Statistic, bootstrap, mean, median, ranks};

/// The trials after which regret is summarized, besides the last one.
pub const CHECKPOINTS: [usize; 15] =
    [1, 3, 5, 10, 15, 20, 30, 50, 60, 100, 150, 200, 300, 500, 1000];

/// What a comparison amounts to: the content of `summary.json`.
///
/// Only finished runs count. Everything except the times depends on the plan alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The version of this crate that ran the comparison.
    pub version: String,
    /// Trials of a run.
    pub trials: usize,
    /// Runs of each strategy on each surface.
    pub seeds: usize,
    /// The master seed.
    pub seed: u64,
    /// Whether it was cancelled before its end.
    pub interrupted: bool,
    /// How the intervals were made.
    pub confidence: Confidence,
    /// The trials after which regret is summarized.
    pub checkpoints: Vec<usize>,
    /// The surfaces in the order of the plan.
    pub surfaces: Vec<SurfaceSummary>,
    /// The strategies, best first: by mean normalized regret after the last trial, then by average
    /// rank.
    pub strategies: Vec<StrategySummary>,
    /// Strategies in pairs, where a comparison asks for them ([`Summary::compare`]).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<Pair>,
    /// The pairs of a strategy and a surface that have no or not all runs, with the reason.
    pub stopped: Vec<Stopped>,
}

/// How confidence intervals are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Confidence {
    /// Always the percentile bootstrap over seeds, stratified by surface.
    pub method: String,
    /// The confidence level.
    pub level: f64,
    /// The number of resamples.
    pub resamples: usize,
}

/// A surface of the comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SurfaceSummary {
    /// Its name.
    pub name: String,
    /// The number of parameters.
    pub dimension: usize,
    /// Whether its value is minimized or maximized.
    pub direction: Direction,
    /// What its value is.
    pub objective: String,
    /// The best value that can be reached, where it is known.
    pub optimum: Option<f64>,
    /// The value of normalized regret 0.
    pub best: Option<f64>,
    /// The value of normalized regret 1.
    pub worst: Option<f64>,
}

/// Normalized regret after some trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// After how many trials.
    pub trial: usize,
    /// The mean over surfaces of the mean over seeds.
    pub mean: f64,
    /// Its confidence interval; `None` with one seed.
    pub mean_interval: Option<Interval>,
    /// The interquartile mean over all runs.
    pub interquartile_mean: f64,
    /// Its confidence interval; `None` with one seed.
    pub interquartile_mean_interval: Option<Interval>,
}

/// A strategy over all surfaces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StrategySummary {
    /// Its name.
    pub name: String,
    /// Its settings.
    pub settings: serde_json::Value,
    /// The number of surfaces with a finished run.
    pub surfaces: usize,
    /// The number of finished runs.
    pub runs: usize,
    /// The number of failed evaluations in them.
    pub failed_trials: usize,
    /// The rank by the incumbent after the last trial among the strategies of the same surface and
    /// seed (1 is best, equals share their ranks), averaged over seeds, then over surfaces. `None`
    /// where no run is finished.
    pub average_rank: Option<f64>,
    /// The share of runs whose normalized regret ended at 1 % or below, averaged over surfaces.
    /// `None` where no surface has a range.
    pub solved: Option<f64>,
    /// The median time of a proposal, in microseconds.
    pub ask_micros: Option<f64>,
    /// The median time of learning from an outcome, in microseconds.
    pub tell_micros: Option<f64>,
    /// Normalized regret at the checkpoints; empty where no surface has a range.
    pub normalized_regret: Vec<Checkpoint>,
    /// The same for each surface.
    pub per_surface: Vec<StrategyOnSurface>,
}

/// A strategy on one surface.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StrategyOnSurface {
    /// The surface.
    pub surface: String,
    /// The number of finished runs.
    pub runs: usize,
    /// The number of failed evaluations in them.
    pub failed_trials: usize,
    /// The average rank on this surface.
    pub average_rank: f64,
    /// The share of runs that ended at 1 % normalized regret or below.
    pub solved: Option<f64>,
    /// The median time of a proposal, in microseconds.
    pub ask_micros: Option<f64>,
    /// The median time of learning from an outcome, in microseconds.
    pub tell_micros: Option<f64>,
    /// The mean incumbent after the last trial, in the surface's own unit, over the runs that have one.
    pub mean_best_score: Option<f64>,
    /// The mean simple regret after the last trial, over the runs that have an incumbent.
    pub mean_regret: Option<f64>,
    /// Normalized regret at the checkpoints.
    pub normalized_regret: Vec<Checkpoint>,
}

/// A strategy that did not finish all its runs on a surface.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stopped {
    /// The strategy.
    pub strategy: String,
    /// The surface.
    pub surface: String,
    /// How many runs.
    pub runs: usize,
    /// `refused`, `broken` or `interrupted`.
    pub how: String,
    /// Why.
    pub reason: String,
}

/// The finished runs of one strategy on one surface.
struct Cell<'a> {
    runs: Vec<&'a Run>,
    curves: Vec<Vec<Point>>,
}

impl Summary {
    /// Summarizes results.
    pub fn of(results: &Results) -> Self {
        let plan = &results.plan;
        let (surfaces, strategies) = (plan.surfaces.len(), plan.strategies.len());
        let checkpoints = checkpoints(plan.trials);
        let cells: Vec<Cell<'_>> = results
            .runs
            .par_chunks(plan.seeds)
            .map(|runs| {
                let runs: Vec<&Run> = runs.iter().filter(|run| run.end == End::Finished).collect();
                let curves = runs
                    .iter()
                    .map(|run| {
                        let spec = plan.surfaces[run.surface].spec();
                        curve(spec, run.records.iter().map(|record| record.value))
                    })
                    .collect();
                Cell { runs, curves }
            })
            .collect();
        let ranks = average_ranks(results, &cells);
        // The interval of the first stratum is that of the surface alone, so streams are numbered from
        // 1 for surfaces and 0 is the aggregate's. Strategies share resamples, as they share seeds.
        let streams = Streams::new(plan.seed);
        let mut summaries: Vec<StrategySummary> = (0..strategies)
            .into_par_iter()
            .map(|strategy| {
                let cell = |surface: usize| &cells[surface * strategies + strategy];
                let present: Vec<usize> =
                    (0..surfaces).filter(|surface| !cell(*surface).runs.is_empty()).collect();
                let per_surface: Vec<StrategyOnSurface> = present
                    .iter()
                    .map(|&surface| {
                        let (cell, only) = (cell(surface), [cell(surface)]);
                        let last = |get: fn(&Point) -> Option<f64>| -> Option<f64> {
                            let values: Vec<f64> = cell
                                .curves
                                .iter()
                                .filter_map(|curve| curve.last().and_then(get))
                                .collect();
                            mean(&values)
                        };
                        let (ask_micros, tell_micros) = times(&only);
                        StrategyOnSurface {
                            surface: plan.surfaces[surface].spec().name.clone(),
                            runs: cell.runs.len(),
                            failed_trials: failed(&only),
                            average_rank: ranks[surface * strategies + strategy]
                                .expect("a cell with a finished run has a rank"),
                            solved: solved(&only),
                            ask_micros,
                            tell_micros,
                            mean_best_score: last(|point| point.best),
                            mean_regret: last(|point| point.regret),
                            normalized_regret: regrets(
                                &only,
                                &checkpoints,
                                streams,
                                1 + surface as u64,
                            ),
                        }
                    })
                    .collect();
                let all: Vec<&Cell<'_>> = present.iter().map(|surface| cell(*surface)).collect();
                let own_ranks: Vec<f64> =
                    per_surface.iter().map(|surface| surface.average_rank).collect();
                let (ask_micros, tell_micros) = times(&all);
                let entrant = &plan.strategies[strategy];
                StrategySummary {
                    name: entrant.name.clone(),
                    settings: serde_json::to_value(&entrant.strategy).unwrap_or_default(),
                    surfaces: present.len(),
                    runs: all.iter().map(|cell| cell.runs.len()).sum(),
                    failed_trials: failed(&all),
                    average_rank: mean(&own_ranks),
                    solved: solved(&all),
                    ask_micros,
                    tell_micros,
                    normalized_regret: regrets(&all, &checkpoints, streams, 0),
                    per_surface,
                }
            })
            .collect();
        // A strategy with nothing to show comes last; the sort is stable, so equals keep their order.
        summaries.sort_by(|a, b| {
            let key = |s: &StrategySummary| {
                let regret = s.normalized_regret.last().map_or(f64::INFINITY, |last| last.mean);
                (regret, s.average_rank.unwrap_or(f64::INFINITY))
            };
            let ((a_regret, a_rank), (b_regret, b_rank)) = (key(a), key(b));
            a_regret.total_cmp(&b_regret).then(a_rank.total_cmp(&b_rank))
        });
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            trials: plan.trials,
            seeds: plan.seeds,
            seed: plan.seed,
            interrupted: results.interrupted,
            confidence: Confidence {
                method: "percentile bootstrap over seeds, stratified by surface".to_owned(),
                level: LEVEL,
                resamples: RESAMPLES,
            },
            checkpoints,
            surfaces: plan
                .surfaces
                .iter()
                .map(|surface| {
                    let spec = surface.spec();
                    SurfaceSummary {
                        name: spec.name.clone(),
                        dimension: spec.space.len(),
                        direction: spec.direction,
                        objective: spec.objective.clone(),
                        optimum: spec.optimum,
                        best: spec.range.map(|range| range.best),
                        worst: spec.range.map(|range| range.worst),
                    }
                })
                .collect(),
            strategies: summaries,
            pairs: Vec::new(),
            stopped: stopped(results),
        }
    }

    /// Adds the comparison of pairs of strategies, by their names.
    pub fn compare<'a>(
        &mut self,
        results: &Results,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) {
        let pairs = pairs.into_iter().filter_map(|(a, b)| Pair::of(results, a, b));
        self.pairs.extend(pairs);
    }

    /// The text of `summary.json`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where it has no JSON form.
    pub fn to_json(&self) -> Result<String> {
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|error| Error::Io { path: "summary.json".into(), source: error.into() })?;
        text.push('\n');
        Ok(text)
    }

    /// A strategy by name.
    pub fn strategy(&self, name: &str) -> Option<&StrategySummary> {
        self.strategies.iter().find(|strategy| strategy.name == name)
    }
}

/// The checkpoints up to the last trial, and the last trial itself.
pub(super) fn checkpoints(trials: usize) -> Vec<usize> {
    let mut checkpoints: Vec<usize> =
        CHECKPOINTS.into_iter().filter(|trial| *trial < trials).collect();
    checkpoints.push(trials);
    checkpoints
}

/// The average rank of each cell that has a finished run: among the strategies that have finished the
/// same seed, by the incumbent after the last trial. No incumbent is worst.
fn average_ranks(results: &Results, cells: &[Cell<'_>]) -> Vec<Option<f64>> {
    let strategies = results.plan.strategies.len();
    cells
        .par_chunks(strategies)
        .zip(results.plan.surfaces.par_iter())
        .flat_map_iter(|(cells, surface)| {
            let direction = surface.spec().direction;
            let mut own: Vec<Vec<f64>> = vec![Vec::new(); strategies];
            for seed in 0..results.plan.seeds {
                let (who, costs): (Vec<usize>, Vec<f64>) = cells
                    .iter()
                    .enumerate()
                    .filter_map(|(strategy, cell)| {
                        let at = cell.runs.iter().position(|run| run.seed == seed)?;
                        let best = cell.curves[at].last().and_then(|point| point.best);
                        let cost = match (best, direction) {
                            (None, _) => f64::INFINITY,
                            (Some(best), Direction::Minimize) => best,
                            (Some(best), Direction::Maximize) => -best,
                        };
                        Some((strategy, cost))
                    })
                    .unzip();
                for (strategy, rank) in who.into_iter().zip(ranks(&costs)) {
                    own[strategy].push(rank);
                }
            }
            own.into_iter().map(|ranks| mean(&ranks)).collect::<Vec<_>>()
        })
        .collect()
}

/// The cells whose surface has a range.
fn ranged<'a>(cells: &'a [&Cell<'a>]) -> impl Iterator<Item = &'a Cell<'a>> {
    cells.iter().copied().filter(|cell| {
        cell.curves.iter().flat_map(|curve| curve.last()).any(|p| p.normalized_regret.is_some())
    })
}

fn regrets(
    cells: &[&Cell<'_>],
    checkpoints: &[usize],
    streams: Streams,
    stream: u64,
) -> Vec<Checkpoint> {
    checkpoints
        .iter()
        .filter_map(|&trial| {
            let strata: Vec<Vec<f64>> = ranged(cells)
                .map(|cell| {
                    cell.curves.iter().filter_map(|c| c[trial - 1].normalized_regret).collect()
                })
                .collect();
            let interval = |statistic| {
                let mut rng = streams.at("bootstrap", stream);
                bootstrap(&strata, statistic, RESAMPLES, &mut rng)
            };
            Some(Checkpoint {
                trial,
                mean: Statistic::Mean.of(&strata)?,
                mean_interval: interval(Statistic::Mean),
                interquartile_mean: Statistic::InterquartileMean.of(&strata)?,
                interquartile_mean_interval: interval(Statistic::InterquartileMean),
            })
        })
        .collect()
}

fn solved(cells: &[&Cell<'_>]) -> Option<f64> {
    let shares: Vec<f64> = ranged(cells)
        .map(|cell| {
            let solved = cell
                .curves
                .iter()
                .filter(|c| c.last().and_then(|p| p.normalized_regret).is_some_and(|r| r <= SOLVED))
                .count();
            solved as f64 / cell.curves.len() as f64
        })
        .collect();
    mean(&shares)
}

fn failed(cells: &[&Cell<'_>]) -> usize {
    let records = cells.iter().flat_map(|cell| &cell.runs).flat_map(|run| &run.records);
    records.filter(|record| record.value.is_none()).count()
}

/// The median times of ask and tell.
fn times(cells: &[&Cell<'_>]) -> (Option<f64>, Option<f64>) {
    let records = || cells.iter().flat_map(|cell| &cell.runs).flat_map(|run| &run.records);
    let ask: Vec<f64> = records().map(|record| record.ask_micros).collect();
    let tell: Vec<f64> = records().map(|record| record.tell_micros).collect();
    (median(&ask), median(&tell))
}

fn stopped(results: &Results) -> Vec<Stopped> {
    let mut list: Vec<Stopped> = Vec::new();
    for run in &results.runs {
        let (how, reason) = match &run.end {
            End::Finished => continue,
            End::Interrupted => ("interrupted", "the comparison was cancelled"),
            End::Refused(reason) => ("refused", reason.as_str()),
            End::Broken(reason) => ("broken", reason.as_str()),
        };
        let strategy = &results.plan.strategies[run.strategy].name;
        let surface = &results.plan.surfaces[run.surface].spec().name;
        match list.last_mut() {
            Some(last)
                if last.strategy == *strategy
                    && last.surface == *surface
                    && last.how == how
                    && last.reason == reason =>
            {
                last.runs += 1;
            }
            _ => list.push(Stopped {
                strategy: strategy.clone(),
                surface: surface.clone(),
                runs: 1,
                how: how.to_owned(),
                reason: reason.to_owned(),
            }),
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::experiment::{Entrant, Plan, Record};

    /// Results on Branin (best 0.3979, worst 308.13) with given values: strategies x seeds x trials.
    fn results(values: &[&[&[f64]]]) -> Results {
        let plan = Plan {
            surfaces: crate::surface::open("branin").unwrap(),
            strategies: ["random", "grid", "sobol"][..values.len()]
                .iter()
                .map(|name| Entrant::named(name).unwrap())
                .collect(),
            trials: values[0][0].len(),
            seeds: values[0].len(),
            ..Plan::default()
        };
        let runs = values
            .iter()
            .enumerate()
            .flat_map(|(strategy, seeds)| {
                seeds.iter().enumerate().map(move |(seed, trials)| Run {
                    surface: 0,
                    strategy,
                    seed,
                    records: trials
                        .iter()
                        .map(|value| Record {
                            value: value.is_finite().then_some(*value),
                            repeated: false,
                            selection: None,
                            ask_micros: 1.0,
                            tell_micros: 2.0,
                        })
                        .collect(),
                    end: End::Finished,
                    first_failure: None,
                })
            })
            .collect();
        Results { plan, runs, interrupted: false, elapsed: Duration::ZERO }
    }

    #[test]
    fn checkpoints_end_with_the_last_trial() {
        assert_eq!(checkpoints(30), [1, 3, 5, 10, 15, 20, 30]);
        assert_eq!(checkpoints(7), [1, 3, 5, 7]);
        assert_eq!(checkpoints(1), [1]);
        assert_eq!(checkpoints(2000).last_chunk(), Some(&[500, 1000, 2000]));
    }

    #[test]
    fn the_best_comes_first_with_ranks_over_seeds() {
        let results = results(&[
            &[&[200.0, 100.0], &[200.0, 50.0]],
            &[&[90.0, 80.0], &[60.0, 50.0]],
            &[&[f64::NAN, f64::NAN], &[f64::NAN, 1.0]],
        ]);
        let summary = Summary::of(&results);
        let names: Vec<_> = summary.strategies.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["grid", "random", "sobol"]);
        let ranks: Vec<_> = summary.strategies.iter().map(|s| s.average_rank.unwrap()).collect();
        assert_eq!(ranks, [(1.0 + 2.5) / 2.0, (2.0 + 2.5) / 2.0, (3.0 + 1.0) / 2.0]);
        let sobol = summary.strategy("sobol").unwrap();
        assert_eq!(sobol.failed_trials, 3);
        assert_eq!(sobol.solved, Some(0.5));
        assert_eq!(sobol.normalized_regret[0].mean, 1.0);
        assert_eq!((sobol.ask_micros, sobol.tell_micros), (Some(1.0), Some(2.0)));
        let last = &summary.strategies[0].normalized_regret.last().unwrap();
        let [low, high] = last.mean_interval.unwrap();
        assert!(low < last.mean && last.mean < high);
    }

    #[test]
    fn unfinished_runs_do_not_count_and_are_listed() {
        let mut results = results(&[&[&[9.0], &[9.0]], &[&[8.0], &[8.0]]]);
        results.runs[2].end = End::Interrupted;
        results.runs[3].end = End::Interrupted;
        results.interrupted = true;
        let summary = Summary::of(&results);
        assert_eq!(summary.strategies[0].name, "random");
        assert_eq!(summary.strategies[1].runs, 0);
        assert_eq!(summary.strategies[1].average_rank, None);
        assert_eq!(summary.stopped.len(), 1);
        assert_eq!((summary.stopped[0].runs, summary.stopped[0].how.as_str()), (2, "interrupted"));
    }

    #[test]
    fn the_summary_reads_back() {
        let summary = Summary::of(&results(&[&[&[1.0, 2.0]]]));
        assert_eq!(summary.strategies[0].normalized_regret[0].mean_interval, None);
        let back: Summary = serde_json::from_str(&summary.to_json().unwrap()).unwrap();
        assert_eq!(back, summary);
    }
}
