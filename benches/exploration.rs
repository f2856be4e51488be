//! Exploration policies: the cost of one choice, and what each policy finds in 50 trials.
//!
//!     cargo bench --bench exploration -- --quick
//!
//! The group `exploration` times 50 trials of every policy over every value function that supplies it,
//! selecting and refining on a synthetic surface and selecting on a live one (where most of the time is the
//! surface's), and prints what they found: criterion measures time, and the median normalized regret over
//! seeds stands beside it.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use hyperq::experiment::{Entrant, Plan, run};
use hyperq::explore::{
    EpsilonGreedy, ExpectedImprovement, Exploration, Explore, Greedy, Moment, Softmax, Thompson,
    Ucb,
};
use hyperq::mdp::ActionSet;
use hyperq::strategy::{Kind, Registered, Strategy, registry};
use hyperq::streams::Streams;
use hyperq::value::{Estimates, Signals};
use rand::RngExt;

const ALL: Signals = Signals { counts: true, spread: true, members: true, incumbent: true };

/// Estimates of so many actions by five members.
fn estimates(actions: usize) -> Estimates {
    let mut rng = Streams::new(2).at("bench", 0);
    let mut numbers = |count: usize| (0..count).map(|_| rng.random::<f32>()).collect::<Vec<_>>();
    Estimates {
        mean: numbers(actions),
        spread: numbers(actions),
        counts: numbers(actions),
        members: numbers(5 * actions),
        incumbent: Some(0.9),
    }
}

fn choices(c: &mut Criterion) {
    let policies = [
        Exploration::Greedy(Greedy::default()),
        Exploration::EpsilonGreedy(EpsilonGreedy::default()),
        Exploration::Softmax(Softmax::default()),
        Exploration::Ucb(Ucb::default()),
        Exploration::Thompson(Thompson::default()),
        Exploration::ExpectedImprovement(ExpectedImprovement::default()),
    ];
    let mut group = c.benchmark_group("choice");
    for actions in [300, 3000] {
        let estimates = estimates(actions);
        let allowed = ActionSet::all(actions);
        for policy in &policies {
            let mut explore: Box<dyn Explore> =
                policy.build("bench", ALL).expect("all is supplied");
            let streams = Streams::new(1);
            let mut trial = 0;
            group.bench_function(BenchmarkId::new(policy.name(), actions), |b| {
                b.iter(|| {
                    trial += 1;
                    let moment = Moment { trial, episode: trial / 10, streams };
                    let mut rng = streams.at("bench", trial);
                    black_box(explore.choose(&estimates, &allowed, moment, &mut rng))
                });
            });
        }
    }
    group.finish();
}

/// Every policy over every value function that supplies it.
fn exploration(c: &mut Criterion) {
    let surfaces =
        if cfg!(feature = "live") { vec!["branin", "live/knn-digits"] } else { vec!["branin"] };
    for surface in surfaces {
        let mut group = c.benchmark_group(format!("exploration/{surface}"));
        group.sample_size(10).warm_up_time(Duration::from_millis(1));
        group.measurement_time(Duration::from_millis(100));
        let suited = |r: &&Registered| {
            let learned = matches!(r.strategy, Strategy::Q(_) | Strategy::ContinuousQ(_));
            let own = learned && r.kind != Kind::Baseline;
            own && (surface == "branin" || r.name.contains("-select-"))
        };
        let all = std::thread::available_parallelism().map_or(1, usize::from);
        for registered in registry().iter().filter(suited) {
            let plan = |seeds, jobs| Plan {
                surfaces: hyperq::surface::open(surface).expect("a built-in surface"),
                strategies: vec![Entrant::named(&registered.name).expect("a registered strategy")],
                trials: 50,
                seeds,
                jobs,
                ..Plan::default()
            };
            let never = std::sync::atomic::AtomicBool::new(false);
            let results = run(&plan(3, all), &|_| {}, &never).expect("the plan runs");
            let spec = results.plan.surfaces[0].spec();
            let mut regrets: Vec<f64> = results
                .runs
                .iter()
                .filter_map(|run| {
                    let values = run.records.iter().map(|record| record.value);
                    hyperq::experiment::metrics::curve(spec, values).last()?.normalized_regret
                })
                .collect();
            regrets.sort_by(f64::total_cmp);
            println!(
                "{surface}: {} finds a median normalized regret of {:.4} in 50 trials ({} seeds)",
                registered.name,
                regrets[regrets.len() / 2],
                regrets.len()
            );
            group.bench_function(&registered.name, |b| {
                b.iter(|| black_box(run(&plan(1, 1), &|_| {}, &never)));
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    // Criterion draws several plots for every figure, which takes seconds each where nobody looks at them.
    config = Criterion::default().without_plots();
    targets = choices, exploration
}
criterion_main!(benches);
