//! Runs a plan on all cores.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::explore::Selection;
use crate::optimizer::{GridCache, Optimizer, Problem};
use crate::space::Configuration;
use crate::streams::Streams;
use crate::study::Study;
use crate::surface::{Spec, Surface};
use crate::trial::Direction;

use super::metrics::{Point, curve};
use super::plan::{Plan, run_seed};
use super::saved::{self, SavedRuns};

/// One trial of a run; of an entrant with several evaluations a trial, all of them together.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The value in the surface's own unit, the best of several; `None` where every evaluation failed.
    pub value: Option<f64>,
    /// Whether the configuration (the last of several) had been tried before in this run.
    pub repeated: bool,
    /// How it was chosen, where values of actions were compared.
    pub selection: Option<Selection>,
    /// The evaluations of the trial.
    pub evaluations: u32,
    /// The time that the strategy took to propose the configuration, in microseconds.
    pub ask_micros: f32,
    /// The time that the strategy took to learn from the outcome, in microseconds.
    pub tell_micros: f32,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With its last trial.
    Finished,
    /// Before its last trial, or never begun: the comparison was cancelled.
    Interrupted,
    /// Before its first trial: the strategy cannot be built for the surface, for this reason.
    Refused(String),
    /// With an error that the strategy itself reported.
    Broken(String),
}

/// One strategy on one surface with one seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The surface's place in the plan.
    pub surface: usize,
    /// The strategy's place in the plan.
    pub strategy: usize,
    /// The number of the seed, from 0.
    pub seed: usize,
    /// The trials in their order.
    pub records: Vec<Record>,
    /// How it ended.
    pub end: End,
    /// Why the first failed evaluation failed.
    pub first_failure: Option<String>,
}

/// What came out of a plan.
#[derive(Debug, Clone)]
pub struct Results {
    /// What was run.
    pub plan: Plan,
    /// Every run, in the order surface, strategy, seed, whichever was done first.
    pub runs: Vec<Run>,
    /// Whether the comparison was cancelled before its end.
    pub interrupted: bool,
    /// The wall-clock time of the whole.
    pub elapsed: Duration,
}

impl Results {
    /// The runs of a strategy on a surface, by their places in the plan, seed by seed.
    pub fn cell(&self, surface: usize, strategy: usize) -> &[Run] {
        let seeds = self.plan.seeds;
        &self.runs[(surface * self.plan.strategies.len() + strategy) * seeds..][..seeds]
    }

    /// How good one of the runs is after each of its trials.
    pub fn points(&self, run: &Run) -> Vec<Point> {
        let spec = self.plan.surfaces[run.surface].spec();
        curve(spec, run.records.iter().map(|record| record.value))
    }

    /// The normalized regret of one of the runs after each of its trials; 1 where the surface has no range.
    pub fn regrets(&self, run: &Run) -> Vec<f64> {
        self.points(run).iter().map(|point| point.normalized_regret.unwrap_or(1.0)).collect()
    }
}

/// How far a comparison is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Trials done, those of refused and broken runs included.
    pub trials: u64,
    /// Trials in all.
    pub total: u64,
    /// The time left by the durations measured so far; `None` before the first run is done.
    pub remaining: Option<Duration>,
}

/// Runs a plan with `plan.jobs` runs at the same time, or all of its runs where that is fewer.
///
/// `progress` is called after every trial, from several threads. Once `cancel` is set, runs stop
/// before their next trial and the results are those of the trials done so far. The results (times
/// aside) do not depend on the number of jobs.
///
/// A strategy that cannot be built for a surface, or that reports an error, is recorded with the
/// reason in [`Run::end`], and the others go on.
///
/// # Errors
///
/// [`Error::Setting`] where the plan cannot be run; [`Error::Unsuited`] where the threads cannot be
/// started.
pub fn run(
    plan: &Plan,
    progress: &(dyn Fn(Progress) + Sync),
    cancel: &AtomicBool,
) -> Result<Results> {
    run_own(plan, None, progress, cancel)
}

/// [`run()`] that takes over the finished runs of `saved` and adds those that it finishes.
///
/// # Errors
///
/// As [`run()`]; [`Error::Io`] where the file cannot be written.
pub fn run_saved(
    plan: &Plan,
    saved: &SavedRuns,
    progress: &(dyn Fn(Progress) + Sync),
    cancel: &AtomicBool,
) -> Result<Results> {
    run_own(plan, Some(saved), progress, cancel)
}

/// Runs a plan with the optimizers of its strategies.
fn run_own(
    plan: &Plan,
    saved: Option<&SavedRuns>,
    progress: &(dyn Fn(Progress) + Sync),
    cancel: &AtomicBool,
) -> Result<Results> {
    let build = |_surface: usize, strategy: usize, problem: &Problem, streams: Streams| {
        plan.strategies[strategy].strategy.build(problem, streams)
    };
    run_with(plan, &build, saved, progress, cancel)
}

/// Makes the optimizer of a run from the surface's and the strategy's places in the plan.
pub(crate) type Build<'a> =
    dyn Fn(usize, usize, &Problem, Streams) -> Result<Box<dyn Optimizer>> + Sync + 'a;

/// [`run()`] with optimizers that `build` makes, such as policies that differ from surface to surface.
pub(crate) fn run_with(
    plan: &Plan,
    build: &Build<'_>,
    saved: Option<&SavedRuns>,
    progress: &(dyn Fn(Progress) + Sync),
    cancel: &AtomicBool,
) -> Result<Results> {
    plan.check()?;
    let started = Instant::now();
    let cells = plan.surfaces.len() * plan.strategies.len();
    let jobs = plan.jobs.min(cells * plan.seeds);
    let schedule = Mutex::new(Schedule::new(cells, plan.seeds, jobs, plan.trials));
    let mut runs: Vec<Option<Run>> = vec![None; cells * plan.seeds];
    let done = Mutex::new(&mut runs);

    let trial_done = |trials: usize| {
        let now = lock(&schedule).advance(trials);
        progress(now);
    };
    // A surface's grids are made once, whichever strategy needs them first.
    let grids = plan.surfaces.iter().map(|_| GridCache::default()).collect::<Vec<_>>();
    // A grid may have thousands of rows, so a surface's share of its runs' keys is made once.
    let fingerprints: Vec<String> = match saved {
        Some(_) => plan.surfaces.iter().map(|surface| saved::fingerprint(surface.spec())).collect(),
        None => Vec::new(),
    };
    let unwritten: Mutex<Option<Error>> = Mutex::new(None);
    let worker = || {
        while !cancel.load(Ordering::Relaxed) && lock(&unwritten).is_none() {
            let Some((cell, seed)) = lock(&schedule).next() else { break };
            let (surface, strategy) = (cell / plan.strategies.len(), cell % plan.strategies.len());
            let kept = saved.map(|saved| {
                let entrant = &plan.strategies[strategy];
                (saved, saved::key(plan, &fingerprints[surface], entrant, seed))
            });
            let places = [surface, strategy, seed];
            if let Some((saved, key)) = &kept
                && let Some(run) = saved.find(key, places, plan.trials)
            {
                lock(&schedule).recalled(cell);
                trial_done(plan.trials);
                lock(&done)[cell * plan.seeds + seed] = Some(run);
                continue;
            }
            let begun = Instant::now();
            let run = one(plan, build, (surface, strategy, seed), &grids[surface], cancel, &|| {
                trial_done(1);
            });
            let left = plan.trials - run.records.len();
            if run.end != End::Interrupted {
                lock(&schedule).finished(cell, begun.elapsed());
                if left > 0 {
                    trial_done(left);
                }
            }
            if let Some((saved, key)) = kept
                && run.end == End::Finished
                && let Err(error) = saved.keep(key, &run, plan)
            {
                lock(&unwritten).get_or_insert(error);
            }
            lock(&done)[cell * plan.seeds + seed] = Some(run);
        }
    };
    // Workers take whole runs from the queue instead of iterating in parallel, since a thread of a
    // parallel iterator that waits inside a run (for a parallel matrix product) would begin another
    // run there and charge its time to the first.
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(jobs)
        .build()
        .map_err(|error| Error::unsuited("the pool of threads", error.to_string()))?;
    pool.scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|_| worker());
        }
    });
    if let Some(error) = unwritten.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }

    let runs: Vec<Run> = runs
        .into_iter()
        .enumerate()
        .map(|(index, run)| {
            let (cell, seed) = (index / plan.seeds, index % plan.seeds);
            run.unwrap_or_else(|| Run {
                surface: cell / plan.strategies.len(),
                strategy: cell % plan.strategies.len(),
                seed,
                records: Vec::new(),
                end: End::Interrupted,
                first_failure: None,
            })
        })
        .collect();
    let interrupted = runs.iter().any(|run| run.end == End::Interrupted);
    Ok(Results { plan: plan.clone(), runs, interrupted, elapsed: started.elapsed() })
}

/// Where a thread panicked while it held the lock, the panic goes on in [`run`] anyway.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a strategy may know of a surface.
fn problem(spec: &Spec, trials: usize, grids: &GridCache) -> Result<Problem> {
    Ok(Problem {
        space: spec.space.clone(),
        grid: spec.grid.clone(),
        meta_features: spec.meta_features.clone(),
        budget: Some(trials),
        direction: spec.direction,
        optimum: spec.optimum.map(|value| spec.direction.score(value)).transpose()?,
        grids: grids.clone(),
    })
}

fn one(
    plan: &Plan,
    build: &Build<'_>,
    (surface, strategy, seed): (usize, usize, usize),
    grids: &GridCache,
    cancel: &AtomicBool,
    trial_done: &dyn Fn(),
) -> Run {
    let mut run = Run {
        surface,
        strategy,
        seed,
        records: Vec::new(),
        end: End::Finished,
        first_failure: None,
    };
    let place = surface;
    let surface = &plan.surfaces[place];
    let spec = surface.spec();
    let seed = run_seed(plan.seed, &spec.name, seed);
    let evaluations = plan.strategies[strategy].evaluations;
    let study = problem(spec, plan.trials * evaluations, grids).and_then(|problem| {
        let optimizer = build(place, strategy, &problem, Streams::new(seed))?;
        Study::builder(spec.space.clone())
            .problem(problem)
            .optimizer(optimizer)
            .direction(spec.direction)
            .seed(seed)
            .build()
    });
    let study = match study {
        Ok(study) => study,
        Err(error) => {
            run.end = End::Refused(error.to_string());
            return run;
        }
    };
    let mut running = Running {
        study,
        surface: surface.as_ref(),
        seed,
        tried: HashSet::new(),
        first_failure: None,
    };
    run.records.reserve_exact(plan.trials);
    for _ in 0..plan.trials {
        if cancel.load(Ordering::Relaxed) {
            run.end = End::Interrupted;
            break;
        }
        let (record, broken) = running.trial(evaluations);
        if let Some(record) = record {
            run.records.push(record);
            trial_done();
        }
        if let Some(reason) = broken {
            run.end = End::Broken(reason);
            break;
        }
    }
    run.first_failure = running.first_failure;
    run
}

/// A run at work.
struct Running<'a> {
    study: Study,
    surface: &'a dyn Surface,
    seed: u64,
    tried: HashSet<Configuration>,
    first_failure: Option<String>,
}

impl Running<'_> {
    /// A trial of so many evaluations, as far as it came, and why the strategy could not go on.
    fn trial(&mut self, evaluations: usize) -> (Option<Record>, Option<String>) {
        let mut whole: Option<Record> = None;
        for _ in 0..evaluations {
            let (record, told) = match self.evaluation() {
                Ok(done) => done,
                Err(error) => return (whole, Some(error.to_string())),
            };
            whole = Some(match whole {
                None => record,
                Some(earlier) => together(earlier, record, self.surface.spec().direction),
            });
            if let Err(error) = told {
                return (whole, Some(error.to_string()));
            }
        }
        (whole, None)
    }

    /// One evaluation, and whether the strategy could learn from it.
    fn evaluation(&mut self) -> Result<(Record, Result<()>)> {
        let spec = self.surface.spec();
        let begun = Instant::now();
        let suggestion = self.study.ask()?;
        let ask_micros = micros(begun);
        let selection = self.study.selection();
        let mut rng = Streams::new(self.seed).at("evaluation", suggestion.id.0);
        // A value that is not finite is no score: the study records it as failed, and so do we.
        let value = self
            .surface
            .evaluate(&suggestion.configuration, &mut rng)
            .and_then(|value| spec.direction.score(value).map(|_| value));
        let begun = Instant::now();
        let (told, value) = match value {
            Ok(value) => (self.study.tell(suggestion.id, value), Some(value)),
            Err(error) => {
                let reason = error.to_string();
                self.first_failure.get_or_insert_with(|| reason.clone());
                (self.study.fail(suggestion.id, reason), None)
            }
        };
        let tell_micros = micros(begun);
        let repeated = !self.tried.insert(suggestion.configuration);
        Ok((Record { value, repeated, selection, evaluations: 1, ask_micros, tell_micros }, told))
    }
}

/// Two evaluations of one trial as one record.
fn together(earlier: Record, later: Record, direction: Direction) -> Record {
    let value = match (earlier.value, later.value, direction) {
        (Some(a), Some(b), Direction::Minimize) => Some(a.min(b)),
        (Some(a), Some(b), Direction::Maximize) => Some(a.max(b)),
        (a, b, _) => a.or(b),
    };
    Record {
        value,
        evaluations: earlier.evaluations + later.evaluations,
        ask_micros: earlier.ask_micros + later.ask_micros,
        tell_micros: earlier.tell_micros + later.tell_micros,
        ..later
    }
}

fn micros(since: Instant) -> f32 {
    since.elapsed().as_nanos() as f32 / 1000.0
}

/// Which run is next, and how long the rest will take.
///
/// Seeds are rounds: all strategies and surfaces have their first run before any has its second, so an
/// interrupted comparison is balanced. The first round strides through the cells (pairs of a surface
/// and a strategy), so that slow ones are spread evenly and the estimate of the time left is fair. Later
/// rounds begin with the cells that took longest: the short ones fill up the end, where an idle core
/// would have nothing else to do.
struct Schedule {
    /// The cells of the rounds not begun yet are given by `seed` alone; these are the rest of the
    /// current one, last first.
    round: Vec<usize>,
    seed: usize,
    seeds: usize,
    jobs: usize,
    /// Total seconds and number of finished runs of each cell.
    measured: Vec<(f64, u32)>,
    /// The runs of each cell that are not finished yet.
    unfinished: Vec<usize>,
    done: u64,
    total: u64,
    ends: Option<Instant>,
}

impl Schedule {
    fn new(cells: usize, seeds: usize, jobs: usize, trials: usize) -> Self {
        let mut round = strided(cells);
        round.reverse();
        Self {
            round,
            seed: 0,
            seeds,
            jobs,
            measured: vec![(0.0, 0); cells],
            unfinished: vec![seeds; cells],
            done: 0,
            total: (cells * seeds * trials) as u64,
            ends: None,
        }
    }

    /// The next cell and seed.
    fn next(&mut self) -> Option<(usize, usize)> {
        if self.round.is_empty() {
            if self.seed + 1 >= self.seeds {
                return None;
            }
            self.seed += 1;
            let mean = self.mean();
            let mut round: Vec<(f64, usize)> =
                (0..self.measured.len()).map(|cell| (self.expected(cell, mean), cell)).collect();
            round.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
            self.round = round.into_iter().map(|(_, cell)| cell).collect();
        }
        self.round.pop().map(|cell| (cell, self.seed))
    }

    fn finished(&mut self, cell: usize, took: Duration) {
        self.measured[cell].0 += took.as_secs_f64();
        self.measured[cell].1 += 1;
        self.unfinished[cell] -= 1;
        let mean = self.mean();
        let left: f64 = (0..self.measured.len())
            .map(|cell| self.unfinished[cell] as f64 * self.expected(cell, mean))
            .sum();
        let left = Duration::try_from_secs_f64(left / self.jobs as f64).unwrap_or(Duration::MAX);
        self.ends = Instant::now().checked_add(left);
    }

    /// A run was taken over: it says nothing about the time that others take.
    fn recalled(&mut self, cell: usize) {
        self.unfinished[cell] -= 1;
    }

    fn advance(&mut self, trials: usize) -> Progress {
        self.done += trials as u64;
        Progress {
            trials: self.done,
            total: self.total,
            remaining: self.ends.map(|ends| ends.saturating_duration_since(Instant::now())),
        }
    }

    /// The mean seconds of a run.
    fn mean(&self) -> f64 {
        let (seconds, runs) =
            self.measured.iter().fold((0.0, 0), |(s, n), (seconds, runs)| (s + seconds, n + runs));
        if runs == 0 { 0.0 } else { seconds / f64::from(runs) }
    }

    fn expected(&self, cell: usize, mean: f64) -> f64 {
        match self.measured[cell] {
            (_, 0) => mean,
            (seconds, runs) => seconds / f64::from(runs),
        }
    }
}

/// The numbers below `count`, each once, neighbours far apart: steps of about 0.618 of the whole.
fn strided(count: usize) -> Vec<usize> {
    fn divisor(a: usize, b: usize) -> usize {
        if b == 0 { a } else { divisor(b, a % b) }
    }
    let golden = (count as f64 * 0.618) as usize;
    let stride = (golden.max(1)..).find(|s| divisor(*s, count) == 1).unwrap_or(1);
    (0..count).scan(0, |at, _| Some(std::mem::replace(at, (*at + stride) % count))).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::experiment::{Entrant, trials_csv};
    use crate::space::{Configuration, GridSize, Parameter, SearchSpace};
    use crate::strategy::Strategy;
    use crate::streams::Generator;
    use crate::surface::{Spec, Surface};
    use crate::trial::Direction;

    /// `x`, with noise; fails above 0.9 and is NaN below 0.1.
    struct Line(Spec);

    impl Line {
        fn named(name: &str) -> Arc<dyn Surface> {
            Arc::new(Self(Spec {
                name: name.into(),
                description: String::new(),
                space: SearchSpace::new([Parameter::float("x", 0.0, 1.0)]).unwrap(),
                direction: Direction::Maximize,
                objective: "value".into(),
                optimum: None,
                range: None,
                grid: None,
                meta_features: Vec::new(),
            }))
        }
    }

    impl Surface for Line {
        fn spec(&self) -> &Spec {
            &self.0
        }

        fn evaluate(&self, at: &Configuration, rng: &mut Generator) -> Result<f64> {
            use rand::RngExt;
            match at.float("x")? {
                x if x > 0.9 => Err(Error::Evaluation("too steep".into())),
                x if x < 0.1 => Ok(f64::NAN),
                x => Ok(x + rng.random_range(0.0..0.01)),
            }
        }
    }

    fn plan(jobs: usize) -> Plan {
        let impossible = Strategy::Grid {
            order: crate::optimizer::GridOrder::Shuffled,
            size: GridSize::Resolution(0),
        };
        Plan {
            surfaces: vec![Line::named("a"), Line::named("b")],
            strategies: vec![
                Entrant::named("random").unwrap(),
                Entrant::new("impossible", impossible),
                Entrant::named("grid").unwrap(),
            ],
            trials: 40,
            seeds: 3,
            seed: 5,
            jobs,
        }
    }

    fn without_times(results: &Results) -> Vec<String> {
        let text = String::from_utf8(trials_csv(results).unwrap()).unwrap();
        text.lines().map(|line| line.rsplitn(3, ',').nth(2).unwrap().to_owned()).collect()
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_jobs() {
        let cancel = AtomicBool::new(false);
        let one = run(&plan(1), &|_| (), &cancel).unwrap();
        let four = run(&plan(4), &|_| (), &cancel).unwrap();
        let lines = without_times(&one);
        assert_eq!(lines, without_times(&four));
        assert_eq!(lines.len(), 1 + 2 * 2 * 3 * 40);
    }

    #[test]
    fn failures_and_refusals_are_recorded_and_the_others_go_on() {
        let last = AtomicU64::new(0);
        let progress = |progress: Progress| {
            last.fetch_max(progress.trials, Ordering::Relaxed);
        };
        let results = run(&plan(2), &progress, &AtomicBool::new(false)).unwrap();
        assert!(!results.interrupted);
        assert_eq!(last.into_inner(), 2 * 3 * 3 * 40);
        for run in &results.runs {
            if run.strategy == 1 {
                assert!(matches!(&run.end, End::Refused(reason) if reason.contains("at least 1")));
                assert!(run.records.is_empty());
                continue;
            }
            assert_eq!(run.end, End::Finished);
            let failed = run.records.iter().filter(|record| record.value.is_none()).count();
            assert!(failed > 0 && failed < 40);
            assert!(run.first_failure.is_some());
        }
    }

    #[test]
    fn strategies_share_random_numbers_and_seeds_do_not() {
        let mut plan = plan(2);
        plan.strategies = ["x", "y"].map(|name| Entrant::new(name, Strategy::Random {})).to_vec();
        let results = run(&plan, &|_| (), &AtomicBool::new(false)).unwrap();
        let values = |index: usize| -> Vec<Option<f64>> {
            results.runs[index].records.iter().map(|record| record.value).collect()
        };
        assert_eq!(values(0), values(3), "seed 0 of both strategies");
        assert_ne!(values(0), values(1), "seeds 0 and 1 of the first strategy");
    }

    #[test]
    fn a_cancelled_comparison_keeps_what_is_done() {
        let cancel = AtomicBool::new(false);
        let progress = |progress: Progress| {
            if progress.trials >= 130 {
                cancel.store(true, Ordering::Relaxed);
            }
        };
        let results = run(&plan(1), &progress, &cancel).unwrap();
        assert!(results.interrupted);
        assert_eq!(results.runs.len(), 2 * 3 * 3);
        let whole = results.runs.iter().filter(|run| run.end == End::Finished);
        assert!(whole.clone().count() > 0);
        assert!(whole.clone().all(|run| run.records.len() == 40));
        assert!(results.runs.iter().any(|run| run.end == End::Interrupted));
        assert_eq!(
            trials_csv(&results).unwrap().iter().filter(|byte| **byte == b'\n').count(),
            1 + results.runs.iter().map(|run| run.records.len()).sum::<usize>()
        );
    }

    #[test]
    fn several_evaluations_a_trial_are_the_best_of_twice_as_many() {
        let plan = |strategies: &[&str], trials| Plan {
            strategies: strategies.iter().map(|name| Entrant::named(name).unwrap()).collect(),
            trials,
            seeds: 2,
            ..plan(1)
        };
        let run = |plan: &Plan| run(plan, &|_| (), &AtomicBool::new(false)).unwrap();
        let twice = run(&plan(&["random-2x"], 10));
        let once = run(&plan(&["random"], 20));
        for (twice, once) in twice.runs.iter().zip(&once.runs) {
            assert_eq!(twice.records.len(), 10);
            for (record, pair) in twice.records.iter().zip(once.records.chunks_exact(2)) {
                let best = pair.iter().filter_map(|r| r.value).reduce(f64::max);
                assert_eq!(record.value, best);
            }
        }
    }

    #[test]
    fn records_tell_repeats_and_how_configurations_were_chosen() {
        let surfaces = crate::surface::open("branin").unwrap();
        let strategies = ["random", "dqn-select-greedy", "kernel-select-softmax"];
        let strategies = strategies.map(|name| Entrant::named(name).unwrap()).into();
        let plan = Plan { surfaces, strategies, trials: 12, seeds: 1, ..Plan::default() };
        let results = run(&plan, &|_| (), &AtomicBool::new(false)).unwrap();
        let [random, greedy, softmax] = &results.runs[..] else { panic!() };
        assert!(random.records.iter().all(|record| record.selection.is_none() && !record.repeated));
        let chosen: Vec<_> = greedy.records.iter().filter_map(|record| record.selection).collect();
        assert_eq!(chosen.len(), 7, "five trials are the initial design");
        assert!(chosen.iter().all(|selection| !selection.exploratory));
        let chosen = softmax.records.iter().filter_map(|record| record.selection);
        assert!(chosen.clone().any(|selection| selection.exploratory));
        assert!(chosen.clone().all(|selection| selection.spread > 0.0));
    }

    #[test]
    fn the_schedule_gives_every_run_once_and_slow_cells_first() {
        let mut schedule = Schedule::new(7, 2, 1, 1);
        let first: Vec<_> = (0..7).map(|_| schedule.next().unwrap()).collect();
        let mut cells: Vec<_> = first.iter().map(|(cell, _)| *cell).collect();
        cells.sort_unstable();
        assert_eq!(cells, [0, 1, 2, 3, 4, 5, 6]);
        for cell in 0..7 {
            schedule.finished(cell, Duration::from_secs(1 + (cell as u64 * 3) % 7));
        }
        let second: Vec<_> = std::iter::from_fn(|| schedule.next()).collect();
        assert_eq!(second.iter().map(|(cell, _)| *cell).collect::<Vec<_>>(), [2, 4, 6, 1, 3, 5, 0]);
        assert!(second.iter().all(|(_, seed)| *seed == 1));
    }
}
