//! What every registered strategy and every built-in surface must do. Both are found by name, so a
//! newly registered one is held to all of this without a line here.

use std::path::Path;
use std::sync::Arc;

use hyperq::error::Result;
use hyperq::optimizer::Problem;
use hyperq::space::{Configuration, Grid, GridSize, Parameter, SearchSpace};
use hyperq::storage::Journal;
use hyperq::strategy::{Kind, Registered, Strategy, registry};
use hyperq::streams::Streams;
use hyperq::study::Study;
use hyperq::surface::{open, representative_names};
use hyperq::trial::{Direction, TrialId};
use rayon::prelude::*;

// ---- What the strategies are tried on -------------------------------------------------------------

/// Conditions two levels deep, beside each other, with every kind of domain below them.
fn nested() -> SearchSpace {
    SearchSpace::new([
        Parameter::categorical("model", ["svm", "forest", "linear"]),
        Parameter::categorical("kernel", ["rbf", "poly"]).when("model", ["svm"]),
        Parameter::float("gamma", 1e-4, 1e2).log().when("kernel", ["rbf"]),
        Parameter::int("degree", 2, 5).when("kernel", ["poly"]),
        Parameter::float("C", 0.03, 64.0).log().when("model", ["svm", "linear"]),
        Parameter::int("depth", 1, 64).log().when("model", ["forest"]),
        Parameter::categorical("bootstrap", [true, false]).when("model", ["forest"]),
    ])
    .unwrap()
}

/// Every scale of a number, with and without a step.
fn scales() -> SearchSpace {
    SearchSpace::new([
        Parameter::float("rate", 1e-5, 1.0).log(),
        Parameter::float("dropout", 0.0, 0.5).step(0.125),
        Parameter::int("layers", 1, 10).step(3.0),
        Parameter::int("width", 1, 1024).log(),
    ])
    .unwrap()
}

/// A space of a single configuration.
fn single() -> SearchSpace {
    SearchSpace::new([Parameter::categorical("only", ["one"])]).unwrap()
}

/// Too many parameters for a full factorial grid, and numbers only: no two draws are equal.
fn wide() -> SearchSpace {
    SearchSpace::new((0..12).map(|i| Parameter::float(format!("x{i}"), -1.0, 1.0))).unwrap()
}

/// Six configurations.
fn small() -> SearchSpace {
    SearchSpace::new([
        Parameter::categorical("a", ["x", "y", "z"]),
        Parameter::categorical("b", [true, false]),
    ])
    .unwrap()
}

fn spaces() -> [(&'static str, SearchSpace); 4] {
    [("nested", nested()), ("scales", scales()), ("single", single()), ("wide", wide())]
}

/// A smooth function of the unit cube, with no two parameters alike.
fn objective(at: &Configuration) -> f64 {
    let unit = at.space().to_unit(at);
    unit.iter().enumerate().map(|(i, u)| (i + 1) as f64 * (u - 0.3).powi(2)).sum()
}

// ---- How they are driven ------------------------------------------------------------------------

/// The strategy with hidden layers of `width`, so many updates a trial and grids of at most `limit`
/// configurations: the same code in a fraction of the time. Settings are found by name in the plain
/// data, whatever the strategy is made of.
fn resized(strategy: &Strategy, width: usize, updates: usize, limit: usize) -> Strategy {
    fn resize(json: &mut serde_json::Value, sizes: &serde_json::Value) {
        let Some(object) = json.as_object_mut() else { return };
        for (name, value) in object {
            match sizes.get(name) {
                Some(size) => *value = size.clone(),
                None => resize(value, sizes),
            }
        }
    }
    let mut sizes = serde_json::json!(
        { "hidden": [width], "updates-per-trial": updates, "at-most": limit }
    );
    // Candidates by the hundred are for quality; a part of them is the same code.
    if width < 16 {
        for (setting, count) in FEW {
            sizes[setting] = count.into();
        }
    }
    let mut json = serde_json::to_value(strategy).unwrap();
    resize(&mut json, &sizes);
    serde_json::from_value(json).unwrap()
}

const FEW: [(&str, usize); 11] = [
    ("scattered", 16),
    ("around-anchor", 2),
    ("around-actor", 2),
    ("polish-steps", 2),
    ("imagined-per-trial", 8),
    ("quasi-random", 64),
    ("children", 4),
    ("crossovers", 8),
    ("redrawn", 16),
    ("offspring", 4),
    ("elites", 3),
];

/// The strategy as small as what is tested here allows.
fn quick(strategy: &Strategy) -> Strategy {
    resized(strategy, 8, 3, 96)
}

fn study(strategy: &Strategy, space: &SearchSpace, seed: u64) -> Study {
    Study::builder(space.clone())
        .configured(strategy.clone())
        .seed(seed)
        .budget(40)
        .build()
        .unwrap()
}

/// One call of a study. Pending trials are named by their place in the order of asking.
#[derive(Debug, Clone, Copy)]
enum Call {
    Ask,
    Tell(usize),
    TellValue(usize, f64),
    Fail(usize),
}

use Call::{Ask, Fail, Tell, TellValue};

/// `n` trials, one after the other.
fn sequential(n: usize) -> Vec<Call> {
    (0..n).flat_map(|_| [Ask, Tell(0)]).collect()
}

/// Up to four trials pending at once, told out of order, some failed; every round of six asks leaves
/// one more pending for ever.
fn overlapping(rounds: usize) -> Vec<Call> {
    (0..rounds)
        .flat_map(|round| {
            [
                Ask,
                Ask,
                Ask,
                Tell(round + 2),
                Ask,
                Fail(round),
                Ask,
                Tell(round + 1),
                Ask,
                Tell(round + 2),
                Tell(round),
            ]
        })
        .collect()
}

/// Makes the calls, holds every asked configuration against the space and returns them in order.
fn drive(study: &mut Study, calls: &[Call]) -> Result<Vec<Configuration>> {
    let mut asked = Vec::new();
    for &call in calls {
        let pending = |study: &Study, place: usize| -> (TrialId, f64) {
            let trial = &study.pending()[place];
            (trial.id, objective(&trial.configuration))
        };
        match call {
            Ask => {
                let configuration = study.ask()?.configuration;
                let json = serde_json::to_value(&configuration).unwrap();
                let admitted = Configuration::from_json(study.space(), &json)?;
                assert_eq!(admitted, configuration, "{json}");
                asked.push(configuration);
            }
            Tell(place) => {
                let (id, value) = pending(study, place);
                study.tell(id, value)?;
            }
            TellValue(place, value) => {
                let (id, _) = pending(study, place);
                study.tell(id, value)?;
            }
            Fail(place) => {
                let (id, _) = pending(study, place);
                study.fail(id, "out of memory")?;
            }
        }
    }
    Ok(asked)
}

/// Runs a check for every strategy on every space, in parallel; names what it fails for.
fn for_all(check: impl Fn(&Registered, &Strategy, &str, &SearchSpace) + Sync) {
    let spaces = spaces();
    registry().par_iter().for_each(|registered| {
        let strategy = quick(&registered.strategy);
        for (name, space) in &spaces {
            check(registered, &strategy, &format!("{} on `{name}`", registered.name), space);
        }
    });
}

// ---- Strategies ------------------------------------------------------------------------------------

#[test]
fn the_quick_strategies_differ_from_the_registered_ones_only_in_size() {
    for registered in registry() {
        let json = serde_json::to_string(&registered.strategy).unwrap();
        let changed = quick(&registered.strategy) != registered.strategy;
        let sized = ["hidden", "at-most", "quasi-random"].iter().any(|name| json.contains(name));
        assert_eq!(changed, sized, "{json}");
        let problem = Problem::new(nested());
        assert!(registered.strategy.build(&problem, Streams::new(0)).is_ok());
    }
}

#[test]
fn the_seed_decides_every_configuration_and_all_are_in_the_space() {
    for_all(|_, strategy, what, space| {
        let calls = [sequential(9), overlapping(2)].concat();
        // `Tell` counts from the oldest pending trial, and the sequential ones leave none.
        let run = |seed| drive(&mut study(strategy, space, seed), &calls).unwrap();
        let first = run(1);
        assert_eq!(first, run(1), "{what}");
        if space.cardinality(2) != Some(1) {
            assert_ne!(first, run(2), "{what}");
        }
    });
}

/// The snapshot's files and their bytes.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// `first`, save, load, `second` is the same as both without a break, in every byte of the files too.
fn assert_resumes(strategy: &Strategy, what: &str, space: &SearchSpace, calls: [&[Call]; 2]) {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);

    let mut whole = study(strategy, space, 5);
    drive(&mut whole, calls[0]).unwrap();
    let expected = drive(&mut whole, calls[1]).unwrap();
    whole.save(at("whole")).unwrap();

    let mut begun = study(strategy, space, 5);
    drive(&mut begun, calls[0]).unwrap();
    begun.save(at("begun")).unwrap();
    drop(begun);
    let mut resumed = Study::load(at("begun")).unwrap();
    let found = drive(&mut resumed, calls[1]).unwrap();
    resumed.save(at("resumed")).unwrap();

    assert_eq!(found, expected, "{what}");
    let (whole, resumed) = (files(&at("whole")), files(&at("resumed")));
    assert_eq!(whole.len(), 2);
    assert_eq!(whole.len(), resumed.len());
    for ((name, a), (other, b)) in whole.iter().zip(&resumed) {
        assert_eq!(name, other);
        assert!(a == b, "{what}: `{name}` differs");
    }
}

#[test]
fn a_resumed_study_goes_on_in_every_byte() {
    for_all(|_, strategy, what, space| {
        assert_resumes(strategy, what, space, [&sequential(8), &sequential(8)]);
    });
}

#[test]
fn a_study_resumed_with_pending_trials_goes_on_in_every_byte() {
    for_all(|_, strategy, what, space| {
        let calls = [sequential(6), overlapping(2)].concat();
        // The cut leaves trials pending that the second part tells.
        for cut in [13, 15, 18, 21] {
            assert_resumes(strategy, what, space, [&calls[..cut], &calls[cut..]]);
        }
    });
}

#[test]
fn a_study_in_a_journal_goes_on_in_every_byte_with_its_snapshot_and_without() {
    for_all(|_, strategy, what, space| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("study.log");
        let shared = || {
            Study::builder(space.clone())
                .configured(strategy.clone())
                .seed(5)
                .budget(40)
                .storage(Journal::open(&path).unwrap())
                // What is pending at a cut is told after it, not evaluated again.
                .held()
                .build()
                .unwrap()
        };
        let calls = [sequential(4), overlapping(1)].concat();
        let mut whole = study(strategy, space, 5);
        let expected = drive(&mut whole, &calls).unwrap();
        let mut asked = Vec::new();
        for (part, keep) in [(0..9, true), (9..10, false), (10..calls.len(), true)] {
            asked.extend(drive(&mut shared(), &calls[part]).unwrap());
            if !keep {
                std::fs::remove_dir_all(directory.path().join("study.log.hyperq")).unwrap();
            }
        }
        assert_eq!(asked, expected, "{what}");
        assert_eq!(shared().history().trials(), whole.history().trials(), "{what}");
    });
}

#[test]
fn failed_and_infinite_trials_stop_nothing() {
    for_all(|_, strategy, what, space| {
        let bad = [
            Ask,
            Fail(0),
            Ask,
            TellValue(0, f64::NAN),
            Ask,
            TellValue(0, f64::INFINITY),
            Ask,
            TellValue(0, f64::NEG_INFINITY),
            // Finite, but squares and differences of them are not.
            Ask,
            TellValue(0, 1e308),
            Ask,
            TellValue(0, -1e308),
        ];
        let calls = [&sequential(3)[..], &bad, &sequential(6), &bad, &sequential(3)].concat();
        let mut mixed = study(strategy, space, 3);
        drive(&mut mixed, &calls).unwrap();
        assert_eq!(mixed.history().len(), 24, "{what}");
        let failed = mixed.history().trials().iter().filter(|t| t.score().is_none()).count();
        assert_eq!(failed, 8, "{what}");
        assert_eq!(mixed.value(mixed.best().unwrap()), Some(-1e308), "{what}");

        let mut hopeless = study(strategy, space, 3);
        hopeless.optimize(14, |_| Err::<f64, _>("no data")).unwrap();
        assert_eq!((hopeless.history().len(), hopeless.best()), (14, None), "{what}");
    });
}

#[test]
fn trials_may_be_told_in_any_order_or_never() {
    for_all(|_, strategy, what, space| {
        let mut study = study(strategy, space, 4);
        drive(&mut study, &overlapping(4)).unwrap();
        assert_eq!((study.history().len(), study.pending().len()), (20, 4), "{what}");
        // What was never told does not keep the rest from going on.
        for _ in 0..4 {
            let suggestion = study.ask().unwrap();
            study.tell(suggestion.id, objective(&suggestion)).unwrap();
        }
    });
}

#[test]
fn pending_trials_are_not_asked_for_again() {
    for_all(|registered, strategy, what, space| {
        // Draws that ignore what is pending may meet where values are few; everywhere else every
        // strategy must spread out. Learned strategies and grid search leave out what is pending.
        let avoids = registered.kind != Kind::Baseline || registered.name == "grid";
        if space.cardinality(1000).is_some_and(|n| n < 24) || !(avoids || space == &wide()) {
            return;
        }
        for warm in [0, 9] {
            let mut study = study(strategy, space, 6);
            drive(&mut study, &sequential(warm)).unwrap();
            let asked = drive(&mut study, &[Ask; 8]).unwrap();
            for (i, configuration) in asked.iter().enumerate() {
                assert!(!asked[..i].contains(configuration), "{what}: {configuration} twice");
            }
        }
    });
}

#[test]
fn a_grid_that_is_used_up_stops_nothing() {
    let space = small();
    registry().par_iter().for_each(|registered| {
        let strategy = quick(&registered.strategy);
        let mut sequentially = study(&strategy, &space, 7);
        let asked = drive(&mut sequentially, &sequential(20)).unwrap();
        if registered.kind != Kind::Baseline || registered.name == "grid" {
            for (i, configuration) in asked[..6].iter().enumerate() {
                assert!(!asked[..i].contains(configuration), "{}", registered.name);
            }
        }
        let mut at_once = study(&strategy, &space, 7);
        drive(&mut at_once, &[Ask; 10]).unwrap();
        drive(&mut at_once, &[Tell(3), Tell(0), Ask, Tell(7), Ask, Tell(0)]).unwrap();
    });
}

#[test]
fn maximizing_the_negative_is_minimizing() {
    for_all(|_, strategy, what, space| {
        let run = |direction: Direction, sign: f64| {
            let mut study = Study::builder(space.clone())
                .configured(strategy.clone())
                .direction(direction)
                .seed(8)
                .build()
                .unwrap();
            let mut asked = Vec::new();
            study
                .optimize(14, |trial| {
                    asked.push(trial.configuration.clone());
                    sign * objective(trial)
                })
                .unwrap();
            asked
        };
        assert_eq!(run(Direction::Minimize, 1.0), run(Direction::Maximize, -1.0), "{what}");
    });
}

/// The simple regret that is left after 40 trials on a smooth bowl, for each of so many seeds.
///
/// Every strategy is judged by the configuration of one grid of 16 x 16 that is nearest to what it asked
/// for, and discrete ones choose from that grid, so none gains from a finer resolution. `random` draws
/// from the whole square, which hits a configuration on the border half as often as an inner one. The
/// optimum lies inside, so this favours it a little: the bar is not lowered.
fn regrets(strategy: &Strategy, seeds: u64) -> Vec<f64> {
    let trials = 40;
    let space =
        SearchSpace::new([Parameter::float("x", 0.0, 1.0), Parameter::float("y", 0.0, 1.0)])
            .unwrap();
    let grid = Arc::new(Grid::new(&space, GridSize::Resolution(16)).unwrap());
    let bowl = |at: &Configuration| {
        let (x, y) = (at.float("x").unwrap() - 0.71, at.float("y").unwrap() - 0.23);
        x * x + 2.0 * y * y + x * y
    };
    let least = grid.configurations().iter().map(bowl).fold(f64::INFINITY, f64::min);
    (0..seeds)
        .into_par_iter()
        .map(|seed| {
            let problem = Problem {
                grid: Some(Arc::clone(&grid)),
                budget: Some(trials),
                ..Problem::new(space.clone())
            };
            let mut study = Study::builder(space.clone())
                .problem(problem)
                .configured(strategy.clone())
                .seed(seed)
                .build()
                .unwrap();
            study.optimize(trials, |at| bowl(grid.get(grid.nearest(at).unwrap()))).unwrap();
            study.value(study.best().unwrap()).unwrap() - least
        })
        .collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard error of the mean.
fn error(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let m = mean(values);
    (values.iter().map(|v| (v - m).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt()
}

#[test]
fn learned_strategies_beat_random_search() {
    let random = regrets(&Strategy::named("random").unwrap(), 500);
    let grid = regrets(&Strategy::named("grid").unwrap(), 500);
    let mut failures = Vec::new();
    registry().iter().filter(|registered| registered.kind != Kind::Baseline).for_each(|learned| {
        // A table over configurations, none of which is repeated, has an entry for every one that was
        // tried and knows nothing of the others: it is grid search in a random order, and no
        // exploration policy can make it better. Nor do forty updates of a textbook agent, whose papers
        // make a million: these are there to be compared with, and must not be worse.
        let baseline = match learned.name.as_str() {
            name if name.starts_with("table-select-") => Some(&grid),
            name if name.ends_with("-textbook") => Some(&random),
            _ => None,
        };
        if let Some(baseline) = baseline {
            let found = regrets(&learned.strategy, 100);
            let noise = error(&found).hypot(error(baseline));
            if mean(&found) >= mean(baseline) + 3.0 * noise {
                failures.push(format!("{}: {} +- {}", learned.name, mean(&found), error(&found)));
            }
            return;
        }
        // A quarter of the updates: what is to be shown shows with less learning too. Ten runs show it for
        // most; those that differ much from run to run get forty.
        let strategy = resized(&learned.strategy, 32, 10, 1024);
        let beats = |found: &[f64]| mean(found) + 2.0 * error(found) < mean(&random);
        if !beats(&regrets(&strategy, 10)) {
            let found = regrets(&strategy, 40);
            if !beats(&found) {
                failures.push(format!("{}: {} +- {}", learned.name, mean(&found), error(&found)));
            }
        }
    });
    let (random, grid) = (mean(&random), mean(&grid));
    assert!(failures.is_empty(), "random search {random}, grid search {grid}: {failures:#?}");
}

// ---- Surfaces --------------------------------------------------------------------------------------

#[test]
fn every_built_in_surface_keeps_what_it_says_of_itself() {
    representative_names().par_iter().for_each(|name| {
        let surface = &open(name).unwrap()[0];
        let spec = surface.spec();
        let sign = if spec.direction == Direction::Minimize { 1.0 } else { -1.0 };
        if let Some(range) = spec.range {
            assert!(sign * range.best < sign * range.worst, "{name}: {range:?}");
            if let Some(optimum) = spec.optimum {
                assert!(
                    sign * optimum <= sign * range.best + 1e-6 * (1.0 + optimum.abs()),
                    "{name}"
                );
            }
        }
        for trial in 0..5 {
            let at = match &spec.grid {
                Some(grid) => grid.get(trial as usize * grid.len() / 5).clone(),
                None => spec.space.sample(&mut Streams::new(9).at("sample", trial)),
            };
            let value =
                |seed| surface.evaluate(&at, &mut Streams::new(seed).at("noise", trial)).unwrap();
            let found = value(1);
            assert!(found.is_finite(), "{name} at {at}: {found}");
            assert_eq!(found.to_bits(), value(1).to_bits(), "{name} at {at}");
            if let Some(optimum) = spec.optimum {
                assert!(
                    sign * found >= sign * optimum - 1e-6 * (1.0 + optimum.abs()),
                    "{name} at {at}: {found}"
                );
            }
        }
        let problem = Problem {
            grid: spec.grid.clone(),
            meta_features: spec.meta_features.clone(),
            ..Problem::new(spec.space.clone())
        };
        for registered in registry() {
            let built = quick(&registered.strategy).build(&problem, Streams::new(0));
            assert!(built.is_ok(), "{} on {name}: {:?}", registered.name, built.err());
        }
    });
}
