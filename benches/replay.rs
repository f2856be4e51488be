//! Replay: pushing a transition and drawing a batch of 64, at 100, 1000 and 10 000 transitions.
//!
//!     cargo bench --bench replay -- --quick

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use hyperq::replay::{Batch, Prioritized, ReplayConfig};
use hyperq::streams::Streams;

fn replay(c: &mut Criterion) {
    let kinds = [
        ("uniform", ReplayConfig::Uniform),
        ("prioritized", ReplayConfig::Prioritized(Prioritized::default())),
    ];
    for (name, config) in kinds {
        let mut group = c.benchmark_group(format!("replay/{name}"));
        for size in [100, 1000, 10_000] {
            let mut replay = config.build(size).expect("a valid capacity");
            (0..size).for_each(|position| replay.push(position));
            let mut position = size;
            group.bench_function(BenchmarkId::new("push", size), |b| {
                b.iter(|| {
                    position += 1;
                    replay.push(black_box(position));
                });
            });
            let mut rng = Streams::new(1).at("bench", 0);
            let mut batch = Batch::default();
            group.bench_function(BenchmarkId::new("sample", size), |b| {
                b.iter(|| replay.sample(64, &mut rng, black_box(&mut batch)));
            });
            let errors = vec![0.5; 64];
            group.bench_function(BenchmarkId::new("update", size), |b| {
                b.iter(|| replay.update(black_box(&batch), &errors));
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    // Criterion draws several plots for every figure, which takes seconds each where nobody looks at them.
    config = Criterion::default().without_plots();
    targets = replay
}
criterion_main!(benches);
