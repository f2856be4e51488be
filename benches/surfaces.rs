//! An evaluation of a surrogate of YAHPO Gym, which `HYPERQ_DATA` must have, and the reading of one.
//!
//!     HYPERQ_DATA=DIR cargo bench --bench surfaces -- --quick

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use hyperq::space::Configuration;
use hyperq::streams::Streams;
use hyperq::surface::Surface;
use hyperq::surface::yahpo::Scenario;

fn yahpo(c: &mut Criterion) {
    let Ok(data) = std::env::var("HYPERQ_DATA") else {
        println!("skipped: HYPERQ_DATA does not name the published tables");
        return;
    };
    let mut group = c.benchmark_group("yahpo");
    for (name, instance) in [("rbv2_rpart", "14"), ("iaml_glmnet", "1067")] {
        let directory = format!("{data}/yahpo/{name}");
        let scenario = Scenario::read(&directory).expect("a published scenario");
        let surface = scenario.surface(instance, &[]).expect("a published instance");
        let mut rng = Streams::new(1).at("bench", 0);
        let configurations: Vec<Configuration> =
            (0..256).map(|_| surface.space().sample(&mut rng)).collect();
        let mut next = configurations.iter().cycle();
        group.bench_function(BenchmarkId::new("evaluate", name), |b| {
            b.iter(|| surface.evaluate(black_box(next.next().expect("a cycle")), &mut rng));
        });
        group.bench_function(BenchmarkId::new("read", name), |b| {
            b.iter(|| Scenario::read(black_box(&directory)).expect("a published scenario"));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    // Criterion draws several plots for every figure, which takes seconds each where nobody looks at them.
    config = Criterion::default().without_plots();
    targets = yahpo
}
criterion_main!(benches);
