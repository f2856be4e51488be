//! `summary.json`: what a comparison amounts to.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::streams::{Generator, Streams};
use crate::trial::Direction;

use super::anytime::{Area, RangedRuns, WallClock, budgets};
use super::metrics::{Point, SOLVED};
use super::pairs::Pair;
use super::plan::Entrant;
use super::runner::{End, Results, Run};
use super::significance::{Comparison, Ends, FriedmanSummary, NemenyiSummary, Significance};
use super::statistics::{
    Interval, LEVEL, RESAMPLES, Statistic, TimeToTarget, bootstrap, mean, median,
    performance_profile, profile_intervals, ranks,
};

/// The trials after which regret is summarized, besides the last one.
pub const CHECKPOINTS: [usize; 15] =
    [1, 3, 5, 10, 15, 20, 30, 50, 60, 100, 150, 200, 300, 500, 1000];

/// The thresholds of performance profiles: 0, then six a decade from 0.0001 to 1.
pub const PROFILE: [f64; 26] = [
    0.0, 0.0001, 0.00015, 0.0002, 0.0003, 0.0005, 0.0007, 0.001, 0.0015, 0.002, 0.003, 0.005,
    0.007, 0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0,
];

/// What a comparison amounts to: the content of `summary.json`.
///
/// Only finished runs count. Everything except the times, and what is measured by the clock, depends on the plan
/// alone.
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
    /// Whether strategies differ at all; `None` with fewer than three of them, or two surfaces, that all of those
    /// finished.
    pub friedman: Option<FriedmanSummary>,
    /// Which of them differ; `None` where `friedman` is.
    pub nemenyi: Option<NemenyiSummary>,
    /// Every strategy against [`REFERENCE`](super::REFERENCE), where it takes part, then against the best, in
    /// the order of `strategies`.
    pub pairwise: Vec<Comparison>,
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
    /// One line on what it is; of a table it says what configurations have that it lacks.
    #[serde(default)]
    pub description: String,
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

/// A point of a performance profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProfilePoint {
    /// The normalized regret.
    pub threshold: f64,
    /// The share of runs that ended at it or below, averaged over surfaces.
    pub share: f64,
    /// Its confidence interval; `None` with one seed.
    pub interval: Option<Interval>,
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
    /// The performance profile of the last trial, at the thresholds of [`PROFILE`]; empty where no surface has a range.
    pub profile: Vec<ProfilePoint>,
    /// The trials to 1 % and 5 % normalized regret; empty where no surface has a range.
    pub time_to: Vec<TimeToTarget>,
    /// Normalized regret over whole runs; `None` where no surface has a range.
    pub area: Option<Area>,
    /// Normalized regret by the clock, for evaluations of 0.1, 1 and 60 seconds; empty where no surface has a range.
    pub wall_clock: Vec<WallClock>,
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
    /// The trials to 1 % and 5 % normalized regret; empty where the surface has no range.
    pub time_to: Vec<TimeToTarget>,
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

impl<'a> Cell<'a> {
    fn of(results: &'a Results, surface: usize, strategy: usize) -> Self {
        let own = results.cell(surface, strategy).iter();
        let runs: Vec<&Run> = own.filter(|run| run.end == End::Finished).collect();
        let curves = runs.iter().map(|run| results.points(run)).collect();
        Self { runs, curves }
    }

    /// The runs on a surface with a range.
    fn ranged(&self, surface: usize) -> Option<RangedRuns<'_>> {
        let regrets = |points: &Vec<Point>| points.iter().map(|p| p.normalized_regret).collect();
        let curves: Vec<Vec<f64>> = self.curves.iter().map(regrets).collect::<Option<_>>()?;
        (!curves.is_empty()).then_some(RangedRuns { surface, runs: &self.runs, curves })
    }

    /// How its runs end.
    fn ends(&self, direction: Direction) -> Vec<RunEnd> {
        let points = self.runs.iter().zip(&self.curves).filter_map(|(run, curve)| {
            let point = curve.last()?;
            let cost = cost(point, direction);
            let regret = point.normalized_regret.unwrap_or(cost);
            Some(RunEnd { seed: run.seed, cost, regret })
        });
        points.collect()
    }
}

/// The end of a finished run, low numbers being better.
struct RunEnd {
    seed: usize,
    /// The incumbent.
    cost: f64,
    /// The normalized regret; the cost where there is none.
    regret: f64,
}

/// The incumbent with the sign of minimization, infinite where there is none.
fn cost(point: &Point, direction: Direction) -> f64 {
    match (point.best, direction) {
        (None, _) => f64::INFINITY,
        (Some(best), Direction::Minimize) => best,
        (Some(best), Direction::Maximize) => -best,
    }
}

impl Summary {
    /// Summarizes results.
    pub fn of(results: &Results) -> Self {
        let plan = &results.plan;
        let (surfaces, strategies) = (plan.surfaces.len(), plan.strategies.len());
        let checkpoints = checkpoints(plan.trials);
        // The curves of all runs at once would take more memory than the runs themselves, so cells are made where
        // they are needed, a strategy at a time, and only how runs end is kept.
        let run_ends: Vec<Vec<RunEnd>> = (0..surfaces * strategies)
            .into_par_iter()
            .map(|cell| {
                let (surface, strategy) = (cell / strategies, cell % strategies);
                let direction = plan.surfaces[surface].spec().direction;
                Cell::of(results, surface, strategy).ends(direction)
            })
            .collect();
        let ranks = average_ranks(results, &run_ends);
        let budgets: Vec<_> = results
            .runs
            .par_chunks(strategies * plan.seeds)
            .map(|runs| budgets(runs.iter().filter(|run| run.end == End::Finished)))
            .collect();
        // The interval of the first stratum is that of the surface alone, so streams are numbered from
        // 1 for surfaces and 0 is the aggregate's. Strategies share resamples, as they share seeds.
        let streams = Streams::new(plan.seed);
        let mut summaries: Vec<StrategySummary> = (0..strategies)
            .into_par_iter()
            .map(|strategy| {
                let cells: Vec<Cell<'_>> =
                    (0..surfaces).map(|surface| Cell::of(results, surface, strategy)).collect();
                let cell = |surface: usize| &cells[surface];
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
                        let stream = 1 + surface as u64;
                        let ranged: Vec<_> = cell.ranged(surface).into_iter().collect();
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
                            normalized_regret: regrets(&only, &checkpoints, streams, stream),
                            time_to: RangedRuns::time_to(&ranged, plan.trials, || {
                                streams.at("bootstrap", stream)
                            }),
                        }
                    })
                    .collect();
                let all: Vec<&Cell<'_>> = present.iter().map(|surface| cell(*surface)).collect();
                let own_ranks: Vec<f64> =
                    per_surface.iter().map(|surface| surface.average_rank).collect();
                let (ask_micros, tell_micros) = times(&all);
                let entrant = &plan.strategies[strategy];
                let ranged: Vec<_> =
                    present.iter().filter_map(|surface| cell(*surface).ranged(*surface)).collect();
                let rng = || streams.at("bootstrap", 0);
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
                    profile: profile(&RangedRuns::last(&ranged), &mut rng()),
                    time_to: RangedRuns::time_to(&ranged, plan.trials, rng),
                    area: RangedRuns::area(&ranged, rng),
                    wall_clock: RangedRuns::wall_clock(&ranged, &budgets, rng),
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
        let ends: Vec<Ends> = summaries
            .iter()
            .filter_map(|summary| {
                let own = |entrant: &Entrant| entrant.name == summary.name;
                let strategy = plan.strategies.iter().position(own)?;
                let costs = (0..surfaces).map(|surface| {
                    let ends = &run_ends[surface * strategies + strategy];
                    ends.iter().map(|end| end.regret).collect()
                });
                Some(Ends { name: summary.name.clone(), costs: costs.collect() })
            })
            .collect();
        let ranged: Vec<bool> =
            plan.surfaces.iter().map(|surface| surface.spec().range.is_some()).collect();
        let Significance { friedman, nemenyi, pairwise } =
            Significance::of(&ends, &ranged, streams);
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
                        description: spec.description.clone(),
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
            friedman,
            nemenyi,
            pairwise,
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
fn average_ranks(results: &Results, ends: &[Vec<RunEnd>]) -> Vec<Option<f64>> {
    let strategies = results.plan.strategies.len();
    ends.par_chunks(strategies)
        .flat_map_iter(|cells| {
            let mut own: Vec<Vec<f64>> = vec![Vec::new(); strategies];
            for seed in 0..results.plan.seeds {
                let (who, costs): (Vec<usize>, Vec<f64>) = cells
                    .iter()
                    .enumerate()
                    .filter_map(|(strategy, ends)| {
                        let end = ends.iter().find(|end| end.seed == seed)?;
                        Some((strategy, end.cost))
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

fn profile(last: &[Vec<f64>], rng: &mut Generator) -> Vec<ProfilePoint> {
    if last.is_empty() {
        return Vec::new();
    }
    let intervals = profile_intervals(last, &PROFILE, RESAMPLES, rng);
    let shares = PROFILE.into_iter().zip(performance_profile(last, &PROFILE)).enumerate();
    shares
        .map(|(place, (threshold, share))| ProfilePoint {
            threshold,
            share,
            interval: intervals.as_ref().map(|intervals| intervals[place]),
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
    let ask: Vec<f64> = records().map(|record| f64::from(record.ask_micros)).collect();
    let tell: Vec<f64> = records().map(|record| f64::from(record.tell_micros)).collect();
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
                            evaluations: 1,
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
    fn the_way_to_the_end_is_summarized_too() {
        let results = results(&[
            &[&[300.0, 10.0, 0.4], &[2.0, 2.0, 2.0]],
            &[&[250.0, 0.4, 0.4], &[f64::NAN, f64::NAN, f64::NAN]],
        ]);
        let summary = Summary::of(&results);
        let random = summary.strategy("random").unwrap();
        let [one, five] = &random.time_to[..] else { panic!("two targets") };
        assert_eq!((one.target, one.solved, one.restricted_mean), (0.01, 1.0, 2.0));
        assert_eq!((five.restricted_mean, five.expected_running_time), (1.5, Some(1.5)));
        assert_eq!(random.per_surface[0].time_to, random.time_to);
        let grid = summary.strategy("grid").unwrap();
        assert_eq!(grid.time_to[0].expected_running_time, Some((2.0 + 3.0) / 1.0));
        let share = |strategy: &StrategySummary, threshold: f64| {
            let mut points = strategy.profile.iter();
            points.find(|point| point.threshold == threshold).unwrap().share
        };
        assert_eq!([0.0, 0.0001, 0.01, 1.0].map(|t| share(random, t)), [0.0, 0.5, 1.0, 1.0]);
        assert_eq!([0.01, 0.7, 1.0].map(|t| share(grid, t)), [0.5, 0.5, 1.0]);
        let area = grid.area.as_ref().unwrap();
        let [first, last] = [0, 1].map(|place| grid.normalized_regret[place].mean);
        assert!((area.linear - (first + 2.0 * last) / 3.0).abs() < 1e-12, "{}", area.linear);
        assert!(area.logarithmic > area.linear);
        for clock in &random.wall_clock {
            // All runs take the same time, 3 microseconds a trial.
            assert!((clock.budget_seconds - 3.0 * (clock.evaluation_seconds + 3e-6)).abs() < 1e-9);
            assert!((clock.trials - 3.0).abs() < 1e-9);
            let end = random.normalized_regret.last().unwrap();
            assert!((clock.regret - end.mean).abs() < 1e-9);
        }
        // One surface says nothing about the choice of surfaces.
        assert_eq!((&summary.friedman, &summary.nemenyi), (&None, &None));
        let [pair] = &summary.pairwise[..] else {
            panic!("random is the best, and there is one other")
        };
        assert_eq!((pair.strategy.as_str(), pair.against.as_str()), ("grid", "random"));
        assert_eq!((pair.p, pair.rank_biserial), (Some(1.0), Some(-1.0)));
        assert_eq!(pair.probability_of_improvement, Some(1.5 / 4.0));
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
