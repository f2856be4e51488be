//! Studies in a storage: workers that come, go and die.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use hyperq::objectives;
use hyperq::prelude::*;
use hyperq::prune::PrunerConfig;
use hyperq::storage::{Journal, JournalOptions, NewTrial, Owner, Storage, TrialState, Write};
use hyperq::study::{Evaluated, Stop, StudyBuilder};
use rand::RngExt;

fn space() -> SearchSpace {
    SearchSpace::new([
        Parameter::categorical("kernel", ["rbf", "linear"]),
        Parameter::float("C", 1e-3, 1e3).log(),
        Parameter::float("gamma", 1e-4, 1e1).log().when("kernel", ["rbf"]),
        Parameter::int("folds", 2, 10).step(2.0),
    ])
    .unwrap()
}

fn objective(at: &Configuration) -> f64 {
    let unit = at.space().to_unit(at);
    unit.iter().enumerate().map(|(i, u)| (i + 1) as f64 * (u - 0.3).powi(2)).sum()
}

fn builder(path: &Path) -> StudyBuilder {
    Study::builder(space())
        .strategy("ensemble-refine-ucb")
        .seed(7)
        .budget(40)
        .storage(Journal::open(path).unwrap())
}

fn log() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("study.log");
    (directory, path)
}

/// Everything in a journal's study.
fn stored(path: &Path, name: &str) -> Journal {
    let mut journal = Journal::open(path).unwrap();
    journal.bind(name, None).unwrap();
    journal.refresh().unwrap();
    while journal.next().is_some() {}
    journal
}

// ---- One worker after the other ---------------------------------------------------------------------

#[test]
fn an_enqueued_configuration_comes_first_and_its_gaps_are_the_optimizers() {
    let (_directory, path) = log();
    let fixed = serde_json::json!({"kernel": "rbf", "folds": 4});
    for storage in [false, true] {
        let mut study = match storage {
            true => builder(&path).build().unwrap(),
            false => Study::builder(space()).seed(7).build().unwrap(),
        };
        study.enqueue(&fixed).unwrap();
        let first = study.ask().unwrap();
        assert_eq!((first.text("kernel").unwrap(), first.int("folds").unwrap()), ("rbf", 4));
        assert!(first.get("gamma").unwrap().is_some());
        study.tell(first.id, 1.0).unwrap();
        let second = study.ask().unwrap();
        study.tell(second.id, 2.0).unwrap();
        assert_eq!(study.history().len(), 2);
    }
    // What another process enqueues is claimed here, once.
    builder(&path).build().unwrap().enqueue(&fixed).unwrap();
    let (mut one, mut other) = (builder(&path).build().unwrap(), builder(&path).build().unwrap());
    let claimed = one.ask().unwrap();
    assert_eq!((claimed.id, claimed.int("folds").unwrap()), (TrialId(2), 4));
    assert_eq!(other.ask().unwrap().id, TrialId(3));

    let mut study = Study::builder(space()).build().unwrap();
    for (fixed, message) in [
        (serde_json::json!({"folds": 5}), "parameter `folds`: must be 2 plus a multiple of 2"),
        (serde_json::json!({"fold": 4}), "unknown parameter `fold`; did you mean `folds`?"),
        (
            serde_json::json!({"kernel": "linear", "gamma": 1.0}),
            "parameter `gamma`: is inactive here and takes no value",
        ),
        (serde_json::json!([1]), "a configuration must be a JSON object"),
    ] {
        let error = study.enqueue(&fixed).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn a_warm_start_is_learned_from_and_counts() {
    let (_directory, path) = log();
    let past: Vec<Configuration> =
        (1..6).map(|i| space().from_unit(&[0.2, i as f64 / 6.0, 0.5, 0.5])).collect();
    let warm = |mut study: Study| {
        for configuration in &past {
            let evaluated = Evaluated::Values(vec![objective(configuration)]);
            study.add(configuration.clone(), evaluated).unwrap();
        }
        study.add(past[0].clone(), Evaluated::Failed("no data".into())).unwrap();
        assert_eq!(study.history().len(), 6);
        assert_eq!(study.history().trials()[5].score(), None);
        let asked: Vec<Configuration> = (0..4)
            .map(|_| {
                let suggestion = study.ask().unwrap();
                study.tell(suggestion.id, objective(&suggestion)).unwrap();
                suggestion.configuration
            })
            .collect();
        asked
    };
    let memory = Study::builder(space()).strategy("ensemble-refine-ucb").seed(7).budget(40);
    let in_memory = warm(memory.build().unwrap());
    assert_eq!(warm(builder(&path).build().unwrap()), in_memory);
    assert_eq!(builder(&path).build().unwrap().history().len(), 10);
}

#[test]
fn a_study_with_another_space_or_direction_is_refused_by_name() {
    let (_directory, path) = log();
    builder(&path).build().unwrap();
    let refusal = |builder: StudyBuilder| {
        builder.storage(Journal::open(&path).unwrap()).build().unwrap_err().to_string()
    };
    let other = SearchSpace::new(space().parameters().iter().cloned().map(|mut parameter| {
        if parameter.name == "C" {
            parameter = Parameter::float("C", 1e-3, 1e2).log();
        }
        parameter
    }));
    let error = refusal(Study::builder(other.unwrap()));
    assert!(error.contains("another domain or condition of `C`"), "{error}");
    let error = refusal(Study::builder(space()).direction(Direction::Maximize));
    assert!(error.contains("direction") && error.contains("study.log"), "{error}");
    // Under another name it is another study.
    let study = Study::builder(space()).direction(Direction::Maximize).name("other");
    study.storage(Journal::open(&path).unwrap()).build().unwrap();
    assert_eq!(Journal::open(&path).unwrap().studies().unwrap(), ["hyperq", "other"]);
}

#[test]
fn foreign_trials_are_learned_from_where_they_are_of_the_space_and_kept_where_not() {
    let (_directory, path) = log();
    builder(&path).build().unwrap();
    let mut foreign = stored(&path, "hyperq");
    let parameter = |name: &str, internal: f64| {
        let domain = match name {
            "else" => Parameter::float("else", 0.0, 1.0).domain,
            _ => space().parameters()[space().position(name).unwrap()].domain.clone(),
        };
        (name.to_owned(), hyperq::storage::StoredParameter { domain, internal })
    };
    for parameters in [
        vec![parameter("C", 2.0), parameter("kernel", 1.0), parameter("folds", 6.0)],
        vec![parameter("C", 2.0), parameter("kernel", 1.0), parameter("else", 0.5)],
        vec![parameter("C", 2.0)],
    ] {
        let trial = foreign.create(NewTrial::Running).unwrap();
        let mut writes: Vec<Write> = parameters
            .into_iter()
            .map(|(name, parameter)| Write::Parameter { trial, name, parameter })
            .collect();
        let state = TrialState::Complete;
        writes.push(Write::Finish { trial, state, values: Some(vec![0.5]) });
        foreign.write(&writes).unwrap();
    }
    let mut study = builder(&path).build().unwrap();
    assert_eq!(study.history().len(), 1);
    assert_eq!(study.history().trials()[0].configuration.int("folds").unwrap(), 6);
    assert_eq!(study.ask().unwrap().id, TrialId(3));
    assert_eq!(stored(&path, "hyperq").trials()[1].values, Some(vec![0.5]));
}

#[test]
fn what_a_dead_worker_left_is_taken_over_and_given_up_after_three_deaths() {
    let (_directory, path) = log();
    let configuration = {
        let mut first = builder(&path).build().unwrap();
        first.ask().unwrap().configuration
    };
    // The worker is gone; its trial is running. The next one takes it over, twice.
    for _ in 0..2 {
        let mut next = builder(&path).build().unwrap();
        let taken = next.ask().unwrap();
        assert_eq!((taken.id, &taken.configuration), (TrialId(0), &configuration));
    }
    let mut last = builder(&path).build().unwrap();
    assert_eq!(last.ask().unwrap().id, TrialId(1));
    let record = last.record(TrialId(0)).unwrap();
    assert_eq!(record.state, TrialState::Failed);
    assert_eq!(record.reason.as_deref(), Some("3 workers died over it"));
    // While a worker lives, its trial is its own; a trial that is held waits for whoever was handed it.
    let mut beside = builder(&path).build().unwrap();
    assert_eq!(beside.ask().unwrap().id, TrialId(2));
    drop((last, beside));
    let (_directory, path) = log();
    builder(&path).held().build().unwrap().ask().unwrap();
    let mut next = builder(&path).build().unwrap();
    assert_eq!(next.ask().unwrap().id, TrialId(1));
    next.tell(TrialId(0), 0.25).unwrap();
    assert_eq!(next.history().len(), 1);
}

#[test]
fn a_trial_whose_worker_died_before_its_parameters_is_completed() {
    let (_directory, path) = log();
    let whole: Vec<Configuration> = {
        let (_directory, path) = log();
        let mut study = builder(&path).build().unwrap();
        (0..3).map(|_| study.ask().unwrap().configuration).collect()
    };
    builder(&path).build().unwrap();
    let owner = {
        let mut study = builder(&path).build().unwrap();
        study.ask().unwrap();
        stored(&path, "hyperq").trials()[0].owner.clone().unwrap()
    };
    // The next trial of the same worker, which died after its creation.
    let mut journal = stored(&path, "hyperq");
    journal.set_owner(owner);
    journal.create(NewTrial::Running).unwrap();
    drop(journal);
    let mut study = builder(&path).build().unwrap();
    let taken: Vec<_> = (0..3).map(|_| study.ask().unwrap()).collect();
    assert_eq!(taken.iter().map(|t| t.id.0).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(taken.into_iter().map(|t| t.configuration).collect::<Vec<_>>(), whole);
    // Of a Python worker nothing is known, so its trials are left alone.
    let mut python = stored(&path, "hyperq");
    python.set_owner(Owner("b1946ac9-0".into()));
    python.create(NewTrial::Running).unwrap();
    assert_eq!(study.ask().unwrap().id, TrialId(4));
}

#[test]
fn a_trial_that_was_put_back_to_wait_is_evaluated_by_the_next_worker() {
    let (_directory, path) = log();
    let mut study = builder(&path).build().unwrap();
    let asked = study.ask().unwrap();
    // As a Python worker or a script does it: state 4 is waiting.
    let line =
        r#"{"op_code": 6, "worker_id": "python", "trial_id": 0, "state": 4, "values": null}"#;
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    writeln!(file, "{line}").unwrap();
    study.sync().unwrap();
    assert_eq!(study.record(asked.id).unwrap().state, TrialState::Waiting);
    assert!(study.pending().is_empty());
    let mut other = builder(&path).build().unwrap();
    let taken = other.ask().unwrap();
    assert_eq!((taken.id, &taken.configuration), (asked.id, &asked.configuration));
    other.tell(taken.id, 0.5).unwrap();
    study.sync().unwrap();
    assert_eq!((study.history().len(), study.ask().unwrap().id), (1, TrialId(1)));
}

// ---- Several workers ----------------------------------------------------------------------------------

#[test]
fn two_studies_on_one_file_see_each_other_and_lose_nothing() {
    let (_directory, path) = log();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut study = builder(&path).build().unwrap();
                study.optimize(20, |trial| objective(trial)).unwrap();
            });
        }
    });
    let study = builder(&path).build().unwrap();
    assert_eq!((study.history().len(), study.pending().len()), (40, 0));
    let mut numbers: Vec<u64> = study.history().trials().iter().map(|t| t.id.0).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..40).collect::<Vec<_>>());
    for trial in study.history().trials() {
        assert_eq!(study.value(trial), Some(objective(&trial.configuration)));
    }
}

#[test]
fn parallel_evaluations_differ_and_panics_are_failures() {
    let (_directory, path) = log();
    let study = builder(&path).build().unwrap();
    for mut study in [study, Study::builder(space()).build().unwrap()] {
        let barrier = std::sync::Barrier::new(8);
        study
            .optimize_parallel(8, 8, |trial| {
                barrier.wait();
                assert!(trial.id.0 != 5, "the fifth breaks");
                objective(trial)
            })
            .unwrap();
        let trials = study.history().trials();
        for (i, trial) in trials.iter().enumerate() {
            assert!(trials[..i].iter().all(|other| other.configuration != trial.configuration));
        }
        let record = study.record(TrialId(5)).unwrap();
        assert_eq!(record.reason.as_deref(), Some("panicked: the fifth breaks"));
        assert_eq!(study.best().is_some(), trials.len() == 8);
        assert!(study.optimize_parallel(1, 0, |trial| objective(trial)).is_err());
    }
}

#[test]
fn observers_see_every_trial_and_criteria_stop() {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let watch = std::sync::Arc::clone(&seen);
    let study = |stop: Stop| Study::builder(space()).strategy("random").stop(stop);
    let mut first = study(Stop::Trials(7))
        .observer(move |study, id| watch.lock().unwrap().push((study.history().len(), id.0)))
        .build()
        .unwrap();
    first.optimize(100, |trial| objective(trial)).unwrap();
    assert_eq!(*seen.lock().unwrap(), (0..7).map(|i| (i + 1, i as u64)).collect::<Vec<_>>());
    first.optimize_parallel(100, 3, |trial| objective(trial)).unwrap();
    assert_eq!(first.history().len(), 7);

    let mut second = study(Stop::NoImprovement(4)).build().unwrap();
    second.optimize(100, |trial| if trial.id.0 == 3 { 0.0 } else { 1.0 }).unwrap();
    assert_eq!(second.history().len(), 8);
    let mut third = study(Stop::Value(0.5)).direction(Direction::Maximize).build().unwrap();
    third.optimize(100, |trial| trial.id.0 as f64 / 10.0).unwrap();
    assert_eq!(third.history().len(), 6);
    let mut fourth = study(Stop::Time(Duration::from_millis(30))).build().unwrap();
    fourth
        .optimize(100, |trial| {
            std::thread::sleep(Duration::from_millis(10));
            objective(trial)
        })
        .unwrap();
    assert!((1..=4).contains(&fourth.history().len()));
}

// ---- Pruned trials and several objectives ---------------------------------------------------------------

#[test]
fn pruned_trials_are_kept_with_their_last_value_and_are_never_the_best() {
    let (directory, path) = log();
    let pruner = || PrunerConfig::named("median").unwrap();
    let run = |mut study: Study, until: u64| {
        while study.record(TrialId(until)).is_none_or(|r| !r.state.is_finished()) {
            let trial = study.ask().unwrap();
            let last = objective(&trial) + (trial.id.0 % 3) as f64;
            let mut pruned = false;
            for step in 1..=4 {
                study.report(trial.id, step, last * f64::from(5 - step)).unwrap();
                pruned = study.should_prune(trial.id);
                if pruned {
                    break;
                }
            }
            let evaluated = if pruned { Evaluated::Pruned } else { Evaluated::Values(vec![last]) };
            study.finish(trial.id, evaluated).unwrap();
        }
        study
    };
    let shared = run(builder(&path).pruner(pruner()).build().unwrap(), 29);
    let memory = Study::builder(space()).strategy("ensemble-refine-ucb").seed(7).budget(40);
    let memory = run(memory.pruner(pruner()).build().unwrap(), 29);
    assert_eq!(shared.history().trials(), memory.history().trials());
    let records: Vec<_> = (0..30).map(|id| shared.record(TrialId(id)).unwrap().clone()).collect();
    let pruned: Vec<_> = records.iter().filter(|r| r.state == TrialState::Pruned).collect();
    assert!((3..27).contains(&pruned.len()), "{}", pruned.len());
    for record in pruned {
        assert_eq!(record.values.first(), record.intermediate.values().next_back());
    }
    let best = shared.best().unwrap();
    assert_eq!(shared.record(best.id).unwrap().state, TrialState::Complete);
    // Both kinds of study come back whole, with what the pruner saw, and go on alike.
    drop(shared);
    let snapshot = directory.path().join("snapshot");
    memory.save(&snapshot).unwrap();
    let shared = run(builder(&path).pruner(pruner()).build().unwrap(), 39);
    let memory = run(Study::load(&snapshot).unwrap(), 39);
    assert_eq!(shared.history().trials(), memory.history().trials());
    assert!(shared.save(&snapshot).unwrap_err().to_string().contains("keeps it already"));
    let two = [Direction::Minimize, Direction::Maximize];
    let refused = Study::builder(space()).objectives(two).pruner(pruner()).build();
    assert!(refused.unwrap_err().to_string().contains("pruners compare one objective"));
}

/// Two objectives that pull in opposite directions along the first parameters.
fn compromise(at: &Configuration) -> Vec<f64> {
    let unit = at.space().to_unit(at);
    let rest: f64 = unit[1..].iter().map(|u| (u - 0.5).powi(2)).sum();
    vec![unit[0] + rest, 1.0 - unit[0].sqrt() + rest]
}

fn cube() -> SearchSpace {
    SearchSpace::new((0..4).map(|i| Parameter::float(format!("x{i}"), 0.0, 1.0))).unwrap()
}

#[test]
fn scalarized_strategies_find_a_larger_front_than_random_search() {
    let both = [Direction::Minimize; 2];
    let hypervolume = |strategy: &str, seed: u64| {
        let mut study =
            Study::builder(cube()).objectives(both).strategy(strategy).seed(seed).build().unwrap();
        study.optimize(40, |trial| compromise(trial)).unwrap();
        let front: Vec<Vec<f64>> = study
            .pareto_front()
            .iter()
            .map(|trial| study.record(trial.id).unwrap().values.clone())
            .collect();
        assert!(front.len() > 1 && study.best().is_none());
        objectives::hypervolume(&front, &[2.0, 2.0], &both).unwrap()
    };
    let mean = |strategy: &str| {
        let volumes: Vec<f64> = (0..8).map(|seed| hypervolume(strategy, seed)).collect();
        eprintln!("{strategy}: {volumes:.3?}");
        volumes.iter().sum::<f64>() / 8.0
    };
    let (learned, random) = (mean("kernel-select-ucb"), mean("random"));
    assert!(learned > random, "{learned} against {random}");
}

#[test]
fn several_objectives_resume_in_every_byte() {
    let both = [Direction::Minimize, Direction::Maximize];
    let (directory, path) = log();
    let make = |shared: bool| {
        let builder =
            Study::builder(cube()).objectives(both).strategy("dqn-select-ucb").seed(3).budget(30);
        match shared {
            true => builder.storage(Journal::open(&path).unwrap()).build().unwrap(),
            false => builder.build().unwrap(),
        }
    };
    let mut whole = make(false);
    whole.optimize(21, |trial| compromise(trial)).unwrap();
    for n in [5, 3, 7, 6] {
        make(true).optimize(n, |trial| compromise(trial)).unwrap();
    }
    assert_eq!(make(true).history().trials(), whole.history().trials());
    let mut saved = make(false);
    saved.optimize(11, |trial| compromise(trial)).unwrap();
    saved.save(directory.path().join("snapshot")).unwrap();
    let mut saved = Study::load(directory.path().join("snapshot")).unwrap();
    saved.optimize(10, |trial| compromise(trial)).unwrap();
    assert_eq!(saved.history().trials(), whole.history().trials());
    let mut wrong = make(false);
    wrong.optimize(2, |_| 1.0).unwrap();
    let reason = wrong.record(TrialId(0)).unwrap().reason.clone().unwrap();
    assert_eq!(reason, "the objective must be 2 numbers, found 1");
}

// ---- Kills ------------------------------------------------------------------------------------------------

const WORKER: &str = "HYPERQ_TEST_WORKER";

/// A study whose agent has a state and whose snapshots are small. A worker that is killed while it holds the
/// journal's lock keeps the others waiting for the grace, by default half a minute.
fn killable(path: &Path) -> Study {
    let options = JournalOptions { grace: Duration::from_millis(200) };
    builder(path)
        .strategy("table-refine-ucb")
        .storage(Journal::open_with(path, options).unwrap())
        .build()
        .unwrap()
}

/// Not a test of its own: the process that the next tests kill. It acknowledges each trial on stdout
/// once it was told.
#[test]
#[ignore = "the process that other tests start and kill"]
fn worker_process() {
    let path = std::env::var(WORKER).expect("another test starts this one");
    let mut study = killable(Path::new(&path));
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nbegun").unwrap();
    out.flush().unwrap();
    loop {
        let trial = study.ask().unwrap();
        study.tell(trial.id, objective(&trial)).unwrap();
        study.checkpoint().unwrap();
        writeln!(out, "told {}", trial.id).unwrap();
        out.flush().unwrap();
    }
}

/// Runs workers and kills each at a random time after the line that begins with `after`; what they
/// acknowledged.
fn kill_workers(path: &Path, kills: u64, after: &str) -> Vec<u64> {
    use hyperq::streams::Streams;
    let mut acknowledged = Vec::new();
    for kill in 0..kills {
        let mut worker = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "worker_process", "--ignored", "--nocapture"])
            .env(WORKER, path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(worker.stdout.take().unwrap()).lines();
        for line in lines.by_ref() {
            let line = line.unwrap();
            acknowledged.extend(told(&line));
            if line.starts_with(after) {
                break;
            }
        }
        let wait: f64 = Streams::new(11).at("kill", kill).random();
        std::thread::sleep(Duration::from_secs_f64(0.3 * wait));
        worker.kill().unwrap();
        worker.wait().unwrap();
        acknowledged.extend(lines.map_while(|line| told(&line.ok()?)));
    }
    acknowledged
}

fn told(line: &str) -> Option<u64> {
    line.strip_prefix("told ")?.parse().ok()
}

#[test]
fn two_hundred_kills_lose_nothing_that_was_acknowledged() {
    let (_directory, path) = log();
    let acknowledged = std::thread::scope(|scope| {
        let half = || kill_workers(&path, 100, "begun");
        let (one, other) = (scope.spawn(half), scope.spawn(half));
        [one.join().unwrap(), other.join().unwrap()].concat()
    });
    assert!(acknowledged.len() > 20, "{} trials were acknowledged", acknowledged.len());
    let journal = stored(&path, "hyperq");
    let values: BTreeMap<u64, f64> = journal
        .trials()
        .iter()
        .filter(|trial| trial.state == TrialState::Complete)
        .map(|trial| (trial.number, trial.values.as_ref().unwrap()[0]))
        .collect();
    for number in &acknowledged {
        assert!(values.contains_key(number), "trial {number} was acknowledged and is gone");
    }
    let mut study = killable(&path);
    for trial in study.history().trials().iter().filter(|trial| trial.score().is_some()) {
        assert_eq!(values[&trial.id.0], objective(&trial.configuration));
    }
    let before = study.history().len();
    study.optimize(3, |trial| objective(trial)).unwrap();
    assert_eq!(study.history().len(), before + 3);
    if let Some(python) = python() {
        let seen = run_python(&python, "study_read.py", &[path.to_str().unwrap(), "hyperq"]);
        let seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
        let trials = seen["trials"].as_array().unwrap();
        let complete = trials.iter().filter(|trial| trial["state"] == "COMPLETE").count();
        assert_eq!(complete, values.len() + 3);
    }
}

#[test]
fn killed_and_resumed_the_suggestions_are_those_of_an_uninterrupted_run() {
    let (_directory, path) = log();
    // Each worker finishes a trial before it is killed, so none is given up for its workers' deaths.
    kill_workers(&path, 12, "told");
    let mut killed = killable(&path);
    killed.optimize(4, |trial| objective(trial)).unwrap();
    let (_directory, path) = log();
    let mut whole = killable(&path);
    whole.optimize(killed.history().len(), |trial| objective(trial)).unwrap();
    assert_eq!(killed.history().trials(), whole.history().trials());
}

// ---- Optuna -----------------------------------------------------------------------------------------------

/// A Python with Optuna, named by the environment. Without one the parts that need it are left out.
fn python() -> Option<String> {
    let python = std::env::var("HYPERQ_PYTHON").ok();
    if python.is_none() {
        eprintln!("HYPERQ_PYTHON names no Python with Optuna: what needs it is skipped");
    }
    python
}

fn run_python(python: &str, script: &str, arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(script);
    let output = Command::new(python).arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn two_rust_and_two_python_workers_share_a_study_and_lose_nothing() {
    let Some(python) = python() else { return };
    let (_directory, path) = log();
    builder(&path).build().unwrap();
    let name = path.to_str().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| run_python(&python, "journal_worker.py", &[name, "hyperq", "60"]));
            scope.spawn(|| {
                let mut study = builder(&path).strategy("random").build().unwrap();
                study.optimize(60, |trial| objective(trial)).unwrap();
            });
        }
    });
    let journal = stored(&path, "hyperq");
    assert_eq!(journal.trials().len(), 240);
    assert!(journal.trials().iter().all(|trial| trial.state == TrialState::Complete));
    let seen = run_python(&python, "study_read.py", &[name, "hyperq"]);
    let seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
    let numbers: Vec<u64> =
        seen["trials"].as_array().unwrap().iter().map(|t| t["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..240).collect::<Vec<_>>());
}

#[test]
fn a_study_begun_in_optuna_goes_on_here() {
    let Some(python) = python() else { return };
    let (_directory, path) = log();
    run_python(&python, "journal_write.py", &[path.to_str().unwrap(), "begun"]);
    let before = stored(&path, "begun");
    let count = before.trials().len();
    let mut study = Study::builder(space())
        .strategy("random")
        .name("begun")
        .direction(before.directions()[0])
        .storage(Journal::open(&path).unwrap())
        .build()
        .unwrap();
    study.optimize(5, |trial| objective(trial)).unwrap();
    assert!(stored(&path, "begun").trials().len() >= count + 4);
}

#[test]
fn optunas_trials_of_the_same_space_are_learned_from() {
    let Some(python) = python() else { return };
    let (_directory, path) = log();
    let name = path.to_str().unwrap();
    run_python(&python, "journal_worker.py", &[name, "begun", "12"]);
    let space = SearchSpace::new([
        Parameter::float("x", 0.0, 1.0),
        Parameter::int("depth", 1, 8),
        Parameter::categorical("kernel", ["rbf", "linear"]),
    ])
    .unwrap();
    let product = |at: &Configuration| at.float("x").unwrap() * at.float("depth").unwrap();
    let journal = Journal::open(&path).unwrap();
    let mut study = Study::builder(space).name("begun").storage(journal).build().unwrap();
    assert_eq!(study.history().len(), 12);
    let of_python: Vec<_> = study.history().trials().to_vec();
    for trial in &of_python {
        assert_eq!(study.value(trial), Some(product(&trial.configuration)));
        assert_eq!(study.record(trial.id).unwrap().intermediate.len(), 1);
    }
    study.optimize(5, |trial| product(trial)).unwrap();
    assert_eq!(study.history().len(), 17);
    let seen = run_python(&python, "study_read.py", &[name, "begun"]);
    let seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
    for trial in study.history().trials() {
        let seen = &seen["trials"][trial.id.0 as usize];
        assert_eq!(seen["params"], serde_json::to_value(&trial.configuration).unwrap());
        assert_eq!(seen["values"], serde_json::json!([product(&trial.configuration)]));
    }
}
