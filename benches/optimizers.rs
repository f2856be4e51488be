//! `ask` and `tell` of every registered strategy after 10, 100 and 1000 trials, on a grid of 289
//! configurations.
//!
//!     cargo bench --bench optimizers -- --quick

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use hyperq::optimizer::{Context, Optimizer, Problem};
use hyperq::persist::Snapshot;
use hyperq::space::{Grid, GridSize, Parameter, SearchSpace};
use hyperq::strategy::{Strategy, registry};
use hyperq::streams::Streams;
use hyperq::trial::{Direction, History, Outcome, Trial, TrialId};
use hyperq::value::{ContinuousValueConfig, ValueConfig};

fn problem() -> Problem {
    let space = SearchSpace::new([
        Parameter::float("learning_rate", 1e-5, 1e-1).log(),
        Parameter::float("dropout", 0.0, 0.5),
    ])
    .expect("a valid space");
    let grid = Grid::new(&space, GridSize::AtMost(300)).expect("a small grid");
    Problem { grid: Some(Arc::new(grid)), ..Problem::new(space) }
}

/// The strategy with a single update a trial, which reaches the same kind of state in less time.
fn hasty(strategy: &Strategy) -> Strategy {
    let mut strategy = strategy.clone();
    match &mut strategy {
        Strategy::Q(discrete) => match &mut discrete.agent.value {
            ValueConfig::Table(_) => {}
            ValueConfig::Dqn(network) => network.updates_per_trial = 1,
            ValueConfig::Ensemble(ensemble) => ensemble.network.updates_per_trial = 1,
        },
        Strategy::ContinuousQ(continuous) => match &mut continuous.value {
            ContinuousValueConfig::Critics(critics) => critics.updates_per_trial = 1,
            ContinuousValueConfig::Kernel(kernel) => {
                (kernel.evidence_steps, kernel.most_trials) = (0, 2);
            }
            ContinuousValueConfig::GaussianProcess(process) => {
                (process.steps, process.most_trials) = (1, 2);
            }
        },
        Strategy::ActorCritic(control) => control.updates_per_trial = 1,
        _ => {}
    }
    strategy
}

/// A history of so many trials, the trial that comes next and the state of the optimizer that made them.
struct Situation {
    problem: Problem,
    history: History,
    snapshot: Snapshot,
    next: Trial,
}

const STREAMS: u64 = 1;

impl Situation {
    fn after(trials: u64, strategy: &Strategy) -> Self {
        let problem = problem();
        let mut optimizer =
            hasty(strategy).build(&problem, Streams::new(STREAMS)).expect("a registered strategy");
        let mut history = History::default();
        let mut next = None;
        for id in (0..=trials).map(TrialId) {
            let streams = Streams::new(STREAMS);
            let space = &problem.space;
            let cx = Context { id, space, history: &history, pending: &[], streams };
            let configuration = optimizer.ask(&cx).expect("ask");
            let unit = space.to_unit(&configuration);
            let value: f64 = unit.iter().map(|u| (u - 0.3).powi(2)).sum();
            let outcome = Outcome::Complete(Direction::Minimize.score(value).expect("finite"));
            let trial = Trial { id, configuration, outcome };
            if id.0 == trials {
                next = Some(trial);
                break;
            }
            history.push(trial.clone());
            let cx = Context { id, space, history: &history, pending: &[], streams };
            optimizer.tell(&trial, &cx).expect("tell");
        }
        let next = next.expect("the last trial is asked for");
        let mut snapshot = Snapshot::default();
        optimizer.save("o", &mut snapshot).expect("save");
        Self { problem, history, snapshot, next }
    }

    fn optimizer(&self, strategy: &Strategy) -> Box<dyn Optimizer> {
        let mut optimizer =
            strategy.build(&self.problem, Streams::new(STREAMS)).expect("a registered strategy");
        optimizer.load("o", &self.snapshot).expect("its own snapshot");
        optimizer
    }

    fn context<'a>(&'a self, history: &'a History) -> Context<'a> {
        Context {
            id: self.next.id,
            space: &self.problem.space,
            history,
            pending: &[],
            streams: Streams::new(STREAMS),
        }
    }
}

fn optimizers(c: &mut Criterion) {
    for registered in registry() {
        let strategy = &registered.strategy;
        let mut group = c.benchmark_group(&registered.name);
        group.sample_size(10).warm_up_time(Duration::from_millis(50));
        group.measurement_time(Duration::from_millis(250));
        for trials in [10, 100, 1000] {
            let situation = Situation::after(trials, strategy);
            let mut optimizer = situation.optimizer(strategy);
            group.bench_function(BenchmarkId::new("ask", trials), |b| {
                b.iter(|| black_box(optimizer.ask(&situation.context(&situation.history))));
            });
            let mut told = situation.history.clone();
            told.push(situation.next.clone());
            group.bench_function(BenchmarkId::new("tell", trials), |b| {
                b.iter_batched_ref(
                    || situation.optimizer(strategy),
                    |optimizer| {
                        black_box(optimizer.tell(&situation.next, &situation.context(&told)))
                    },
                    BatchSize::PerIteration,
                );
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    // Criterion draws several plots for every figure, which takes seconds each where nobody looks at them.
    config = Criterion::default().without_plots();
    targets = optimizers
}
criterion_main!(benches);
