//! Journals of 100, 1,000 and 10,000 trials: opening, appending, asking. `benches/optuna/storage.py` measures
//! Optuna on the same files.

use std::path::{Path, PathBuf};

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use hyperq::prelude::*;
use hyperq::storage::{Journal, NewTrial, Storage, TrialState, Write};

const TRIALS: [usize; 3] = [100, 1_000, 10_000];

fn space() -> SearchSpace {
    SearchSpace::new([
        Parameter::float("learning_rate", 1e-5, 1.0).log(),
        Parameter::float("momentum", 0.0, 0.99),
        Parameter::int("layers", 1, 8),
        Parameter::int("width", 8, 1024).log(),
        Parameter::categorical("optimizer", ["adam", "sgd"]),
    ])
    .unwrap()
}

/// The directory that `benches/optuna/storage.py` reads too.
fn directory() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("storage-bench");
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

/// A journal with so many trials, each with five parameters and a value; made once.
fn journal(trials: usize) -> PathBuf {
    let path = directory().join(format!("{trials}.log"));
    if path.exists() {
        return path;
    }
    let temporary = directory().join("unfinished.log");
    let _ = std::fs::remove_file(&temporary);
    let configuration = |i: usize| {
        let unit: Vec<f64> = (1..=5).map(|j| (i * j) as f64 * 0.618 % 1.0).collect();
        space().from_unit(&unit)
    };
    let study =
        Study::builder(space()).strategy("random").storage(Journal::open(&temporary).unwrap());
    let mut study = study.build().unwrap();
    for i in 0..trials {
        let evaluated = hyperq::study::Evaluated::Values(vec![i as f64 * 0.618 % 1.0]);
        study.add(configuration(i), evaluated).unwrap();
    }
    drop(study);
    std::fs::rename(&temporary, &path).unwrap();
    path
}

fn copy(path: &Path) -> (tempfile::TempDir, PathBuf) {
    let place = tempfile::tempdir_in(directory()).unwrap();
    let copy = place.path().join("journal.log");
    std::fs::copy(path, &copy).unwrap();
    (place, copy)
}

fn open(path: &Path) -> Journal {
    let mut journal = Journal::open(path).unwrap();
    journal.bind("hyperq", None).unwrap();
    journal.refresh().unwrap();
    while journal.next().is_some() {}
    journal
}

fn storage(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("journal");
    group.sample_size(10);
    for trials in TRIALS {
        let path = journal(trials);
        group.bench_function(BenchmarkId::new("open", trials), |bencher| {
            bencher.iter(|| assert_eq!(open(&path).trials().len(), trials));
        });
        let (_place, appended) = copy(&path);
        let mut journal = open(&appended);
        group.bench_function(BenchmarkId::new("append", trials), |bencher| {
            bencher.iter(|| {
                let trial = journal.create(NewTrial::Running).unwrap();
                let values = Some(vec![0.5]);
                let state = TrialState::Complete;
                journal.write(&[Write::Finish { trial, state, values }]).unwrap();
                while journal.next().is_some() {}
            });
        });
        let (_place, asked) = copy(&path);
        group.bench_function(BenchmarkId::new("ask-and-tell", trials), |bencher| {
            bencher.iter_batched_ref(
                || {
                    let study = Study::builder(space()).strategy("random");
                    study.storage(Journal::open(&asked).unwrap()).build().unwrap()
                },
                |study| {
                    let trial = study.ask().unwrap();
                    study.tell(trial.id, 0.5).unwrap();
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().without_plots();
    targets = storage
}
criterion_main!(benches);
