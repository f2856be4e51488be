//! Studies: the ask/tell loop with an optimizer of the user's own, and studies on disk, whole and damaged.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use hyperq::error::{Error, Result};
use hyperq::optimizer::{Context, Optimizer, Problem};
use hyperq::persist::{Array, Persist, Snapshot};
use hyperq::space::{Configuration, Grid, GridSize, Parameter, SearchSpace, Value};
use hyperq::study::{Study, StudyBuilder, Suggestion};
use hyperq::trial::{Direction, Outcome, Trial, TrialId};
use rand::RngExt;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

// ---- An optimizer of the user's own ------------------------------------------------------------------

/// A (1 + lambda) evolution strategy in the unit cube: steps around the best point, wider after success.
/// Its state is an array and numbers, and it draws from the streams.
struct Evolution {
    center: Vec<f64>,
    best: Option<f64>,
    width: f64,
}

impl Evolution {
    fn boxed(space: &SearchSpace) -> Box<Self> {
        Box::new(Self { center: vec![0.5; space.len()], best: None, width: 0.3 })
    }
}

impl Optimizer for Evolution {
    fn ask(&mut self, cx: &Context<'_>) -> Result<Configuration> {
        let mut rng = cx.streams.at("evolution", cx.id.0);
        let point: Vec<f64> = self
            .center
            .iter()
            .map(|c| (c + self.width * (rng.random::<f64>() - 0.5)).clamp(0.0, 1.0))
            .collect();
        Ok(cx.space.from_unit(&point))
    }

    fn tell(&mut self, trial: &Trial, cx: &Context<'_>) -> Result<()> {
        assert_eq!(cx.history.trials().last(), Some(trial), "the told trial is the last");
        assert!(cx.pending.iter().all(|pending| pending.id != trial.id));
        match trial.score().map(|score| score.get()) {
            Some(score) if self.best.is_none_or(|best| score > best) => {
                self.best = Some(score);
                self.center = cx.space.to_unit(&trial.configuration);
                self.width = (1.5 * self.width).min(1.0);
            }
            _ => self.width *= 0.9,
        }
        Ok(())
    }
}

impl Persist for Evolution {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        snapshot.put(at, "best", &self.best)?;
        snapshot.put(at, "width", &self.width)?;
        snapshot.put_array(at, "center", Array::F64(self.center.clone()));
        Ok(())
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        self.best = snapshot.get(at, "best")?;
        self.width = snapshot.get(at, "width")?;
        self.center = snapshot.f64s(at, "center", self.center.len())?.to_vec();
        Ok(())
    }
}

fn space() -> SearchSpace {
    SearchSpace::new([
        Parameter::categorical("kernel", ["rbf", "poly"]),
        Parameter::float("gamma", 1e-3, 1e3).log().when("kernel", ["rbf"]),
        Parameter::int("degree", 2, 9).when("kernel", ["poly"]),
        Parameter::float("C", 0.0, 2.0).step(0.1),
    ])
    .unwrap()
}

fn own(space: &SearchSpace) -> StudyBuilder {
    Study::builder(space.clone()).optimizer(Evolution::boxed(space)).seed(5)
}

fn objective(at: &Configuration) -> f64 {
    let rest = match at.text("kernel").unwrap() {
        "rbf" => at.float("gamma").unwrap().ln().powi(2),
        _ => 1.0 + at.float("degree").unwrap(),
    };
    rest + (at.float("C").unwrap() - 0.7).powi(2)
}

/// The message of an error, whose kind is checked as well.
macro_rules! refused {
    ($result:expr, $kind:pat) => {{
        let error = match $result {
            Ok(_) => panic!("{} was accepted", stringify!($result)),
            Err(error) => error,
        };
        assert!(matches!(error, $kind), "{error:?}");
        error.to_string()
    }};
}

// ---- Asking and telling ------------------------------------------------------------------------------

#[test]
fn only_pending_trials_can_be_told_and_only_once() {
    let mut study = own(&space()).build().unwrap();
    let never = "trial 0: was never asked for";
    assert_eq!(refused!(study.tell(TrialId(0), 1.0), Error::Trial { id: 0, .. }), never);
    assert_eq!(refused!(study.fail(TrialId(0), "broken"), Error::Trial { .. }), never);
    let id = study.ask().unwrap().id;
    assert_eq!(id, TrialId(0));
    study.tell(id, 1.0).unwrap();
    let twice = "trial 0: is finished already";
    assert_eq!(refused!(study.tell(id, 2.0), Error::Trial { .. }), twice);
    assert_eq!(refused!(study.fail(id, "broken"), Error::Trial { .. }), twice);
    let id = study.ask().unwrap().id;
    study.fail(id, "broken").unwrap();
    assert!(refused!(study.tell(id, 2.0), Error::Trial { .. }).starts_with("trial 1: is finished"));
    assert!(
        refused!(study.tell(TrialId(u64::MAX), 2.0), Error::Trial { .. }).ends_with("asked for")
    );
    // What is refused leaves no trace.
    assert_eq!((study.history().len(), study.pending().len()), (2, 0));
    assert_eq!(study.value(study.best().unwrap()), Some(1.0));
    assert_eq!(study.ask().unwrap().id, TrialId(2));
}

#[test]
fn numbers_that_are_not_finite_are_recorded_as_failures() {
    for direction in [Direction::Minimize, Direction::Maximize] {
        let mut study = own(&space()).direction(direction).build().unwrap();
        for (value, found) in
            [(f64::NAN, "NaN"), (f64::INFINITY, "inf"), (f64::NEG_INFINITY, "-inf")]
        {
            let id = study.ask().unwrap().id;
            study.tell(id, value).unwrap();
            let trial = study.history().trials().last().unwrap();
            let reason = format!("the objective must be a finite number, found {found}");
            let Outcome::Failed(recorded) = &trial.outcome else { panic!("{trial:?}") };
            assert!(recorded.ends_with(&reason), "{recorded}");
            assert_eq!((study.value(trial), study.best()), (None, None));
        }
        let id = study.ask().unwrap().id;
        study.tell(id, f64::MAX).unwrap();
        assert_eq!(study.best().unwrap().id, id);
    }
}

#[test]
fn trials_are_told_in_any_order_and_the_best_is_right_in_both_directions() {
    for (direction, best) in [(Direction::Minimize, 3), (Direction::Maximize, 0)] {
        let mut study = own(&space()).direction(direction).build().unwrap();
        let asked: Vec<Suggestion> = (0..5).map(|_| study.ask().unwrap()).collect();
        let values = [8.0, 2.0, 4.0, -1.0];
        for (pending, id) in [(4, 2), (3, 0), (2, 3), (1, 1)] {
            study.tell(TrialId(id), values[id as usize]).unwrap();
            assert_eq!(study.pending().len(), pending);
        }
        study.fail(TrialId(4), "out of memory").unwrap();
        let told: Vec<u64> = study.history().trials().iter().map(|trial| trial.id.0).collect();
        assert_eq!(told, [2, 0, 3, 1, 4]);
        for trial in study.history().trials() {
            assert_eq!(trial.configuration, asked[trial.id.0 as usize].configuration);
            assert_eq!(study.value(trial), values.get(trial.id.0 as usize).copied());
        }
        assert_eq!(study.best().unwrap().id, TrialId(best));
        let last = study.history().trials().last().unwrap();
        assert_eq!(last.outcome, Outcome::Failed("out of memory".into()));
    }
}

#[test]
fn optimize_takes_numbers_and_results_and_goes_on_after_failures() {
    let mut study = own(&space()).direction(Direction::Maximize).build().unwrap();
    study.optimize(3, |trial| trial.float("C")).unwrap();
    study.optimize(2, |trial| -trial.float("C").unwrap()).unwrap();
    study
        .optimize(4, |trial| match trial.id.0 {
            5 => Err("disk full".to_owned()),
            6 => Ok(f64::NAN),
            _ => Ok(100.0),
        })
        .unwrap();
    // An error of this crate passes through `?` and is recorded as its message.
    study.optimize(1, |trial| trial.float("gama")).unwrap();
    let failed: Vec<(u64, &str)> = study
        .history()
        .trials()
        .iter()
        .filter_map(|trial| match &trial.outcome {
            Outcome::Failed(reason) => Some((trial.id.0, reason.as_str())),
            Outcome::Complete(_) | Outcome::Pruned(_) => None,
        })
        .collect();
    assert_eq!(failed.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [5, 6, 9]);
    assert_eq!(failed[0].1, "disk full");
    let hint = "unknown parameter `gama`; did you mean `gamma`?";
    assert!(failed[2].1.starts_with(hint), "{}", failed[2].1);
    assert_eq!((study.history().len(), study.pending().len()), (10, 0));
    assert_eq!(study.best().unwrap().id, TrialId(7));
}

/// Proposes configurations of a space of its own.
struct Elsewhere(SearchSpace);

impl Optimizer for Elsewhere {
    fn ask(&mut self, _cx: &Context<'_>) -> Result<Configuration> {
        Ok(self.0.from_unit(&vec![0.75; self.0.len()]))
    }

    fn tell(&mut self, _trial: &Trial, _cx: &Context<'_>) -> Result<()> {
        Ok(())
    }
}

impl Persist for Elsewhere {
    fn save(&self, _at: &str, _snapshot: &mut Snapshot) -> Result<()> {
        Ok(())
    }

    fn load(&mut self, _at: &str, _snapshot: &Snapshot) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_configuration_that_leaves_the_space_is_refused_when_it_is_asked_for() {
    let space =
        |name: &str, high: f64| SearchSpace::new([Parameter::float(name, 0.0, high)]).unwrap();
    let study = |other: SearchSpace| {
        let optimizer = Box::new(Elsewhere(other));
        Study::builder(space("x", 1.0)).optimizer(optimizer).build().unwrap()
    };
    let mut outside = study(space("x", 2.0));
    assert_eq!(
        refused!(outside.ask(), Error::Configuration { .. }),
        "configuration: parameter `x`: must lie in [0, 1], found 1.5"
    );
    assert!(outside.pending().is_empty());
    let renamed = refused!(study(space("y", 1.0)).ask(), Error::Unknown { .. });
    assert!(renamed.starts_with("unknown parameter `y`; "), "{renamed}");
    let choice = SearchSpace::new([Parameter::categorical("x", ["low", "high"])]).unwrap();
    assert_eq!(
        refused!(study(choice).ask(), Error::Configuration { .. }),
        "configuration: parameter `x`: must be a number, found \"high\""
    );
    // Inside it is welcome, and becomes one of the study's space.
    for (high, expected) in [(1.0, 0.75), (0.5, 0.375)] {
        let mut inside = study(space("x", high));
        let suggestion = inside.ask().unwrap();
        assert_eq!(suggestion.float("x").unwrap(), expected);
        assert_eq!(suggestion.space(), inside.space());
        inside.tell(suggestion.id, 1.0).unwrap();
    }
}

#[test]
fn problems_that_no_study_can_have_are_refused() {
    let problem = Problem { meta_features: vec![0.5, f64::NAN], ..Problem::new(space()) };
    assert_eq!(
        refused!(own(&space()).problem(problem).build(), Error::Setting { .. }),
        "study: `meta-features` must be finite numbers, found NaN"
    );
    let other = SearchSpace::new([Parameter::float("C", 0.0, 1.0)]).unwrap();
    let grid = Some(Arc::new(Grid::new(&other, GridSize::Resolution(3)).unwrap()));
    let problem = Problem { grid, ..Problem::new(space()) };
    assert_eq!(
        refused!(own(&space()).problem(problem).build(), Error::Unsuited { .. }),
        "the study cannot be built: the problem's grid is one of another space"
    );
}

// ---- On disk -----------------------------------------------------------------------------------------

/// The files of a directory by name.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// What `save` writes into a fresh directory (into one with a snapshot the arrays' name differs).
fn saved(study: &Study) -> Vec<(String, Vec<u8>)> {
    let directory = tempfile::tempdir().unwrap();
    study.save(directory.path()).unwrap();
    files(directory.path())
}

/// Trials that fail, are told out of order and stay pending.
fn work(study: &mut Study, rounds: u64) {
    for round in 0..rounds {
        let first = study.ask().unwrap();
        let second = study.ask().unwrap();
        study.tell(second.id, objective(&second)).unwrap();
        match round % 3 {
            0 => study.fail(first.id, "a \"quoted\"\nreason").unwrap(),
            1 => study.tell(first.id, f64::NAN).unwrap(),
            _ => {}
        }
    }
}

#[test]
fn a_study_of_the_users_own_goes_on_bit_for_bit() {
    for direction in [Direction::Minimize, Direction::Maximize] {
        let space = space();
        let grid = Arc::new(Grid::new(&space, GridSize::Resolution(3)).unwrap());
        let problem = || Problem {
            grid: Some(Arc::clone(&grid)),
            meta_features: vec![0.1, 1e-300, -7.0],
            budget: Some(12),
            optimum: Some(direction.score(-0.1).unwrap()),
            ..Problem::new(space.clone())
        };
        let build = || own(&space).problem(problem()).direction(direction).build().unwrap();
        let mut whole = build();
        work(&mut whole, 6);
        work(&mut whole, 6);

        let directory = tempfile::tempdir().unwrap();
        let mut begun = build();
        work(&mut begun, 6);
        begun.save(directory.path()).unwrap();
        let load = || Study::load_with(directory.path(), Evolution::boxed(&space)).unwrap();
        let mut resumed = load();
        assert_eq!(saved(&resumed), saved(&begun));
        assert_eq!(resumed.history().trials(), begun.history().trials());
        assert_eq!(resumed.pending(), begun.pending());
        assert_eq!((resumed.direction(), resumed.space()), (direction, &space));
        work(&mut resumed, 6);
        assert_eq!(resumed.history().trials(), whole.history().trials());
        assert_eq!(saved(&resumed), saved(&whole));
        // The pending trial of before can still be told.
        let id = resumed.pending()[0].id;
        resumed.tell(id, 0.5).unwrap();
        assert_ne!(saved(&resumed), saved(&whole));
    }
}

#[test]
fn a_snapshot_is_replaced_whole_and_one_that_was_cut_short_does_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    let names = || files(directory.path()).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let space = space();
    let load = || Study::load_with(directory.path(), Evolution::boxed(&space)).unwrap();
    let mut study = own(&space).build().unwrap();
    for arrays in ["arrays-0.safetensors", "arrays-1.safetensors", "arrays-0.safetensors"] {
        work(&mut study, 1);
        study.save(directory.path()).unwrap();
        assert_eq!(names(), [arrays, "study.json"]);
        assert_eq!(saved(&load()), saved(&study));
    }
    // The arrays of the next snapshot were written, but not the file that names them.
    let bytes = std::fs::read(directory.path().join("arrays-0.safetensors")).unwrap();
    std::fs::write(directory.path().join("arrays-1.safetensors"), &bytes[..20]).unwrap();
    std::fs::write(directory.path().join("arrays-mine.safetensors"), b"not of a study").unwrap();
    assert_eq!(saved(&load()), saved(&study));
    work(&mut study, 1);
    study.save(directory.path()).unwrap();
    assert_eq!(names(), ["arrays-2.safetensors", "arrays-mine.safetensors", "study.json"]);
    assert_eq!(saved(&load()), saved(&study));
    let file = directory.path().join("study.json");
    assert!(refused!(study.save(&file), Error::Io { .. }).contains("study.json"));
}

#[test]
fn an_optimizer_of_the_users_own_and_a_strategy_are_not_taken_for_each_other() {
    let space = space();
    let directory = tempfile::tempdir().unwrap();
    own(&space).build().unwrap().save(directory.path()).unwrap();
    assert_eq!(
        refused!(Study::load(directory.path()), Error::Snapshot { .. }),
        "snapshot: `strategy`: the study was built with an optimizer of the caller's own; \
         load it with `Study::load_with`"
    );
    let strategy = Study::builder(space.clone()).strategy("random").build().unwrap();
    strategy.save(directory.path()).unwrap();
    assert_eq!(
        refused!(
            Study::load_with(directory.path(), Evolution::boxed(&space)),
            Error::Snapshot { .. }
        ),
        "snapshot: `strategy`: the study was built with a strategy of this crate; \
         load it with `Study::load`"
    );
    // An optimizer of another size finds that the state is not its own.
    own(&space).build().unwrap().save(directory.path()).unwrap();
    let narrow = Box::new(Evolution { center: vec![0.5], best: None, width: 0.3 });
    assert_eq!(
        refused!(Study::load_with(directory.path(), narrow), Error::Snapshot { .. }),
        "snapshot: `optimizer/center`: must be 1 64-bit floats, found 4 64-bit floats"
    );
}

// ---- Damage ------------------------------------------------------------------------------------------

/// A saved study of the user's own with failed, complete and pending trials and a grid.
struct Saved {
    directory: TempDir,
    space: SearchSpace,
}

impl Saved {
    fn new() -> Self {
        let space = space();
        let grid = Some(Arc::new(Grid::new(&space, GridSize::Resolution(2)).unwrap()));
        let problem = Problem { grid, meta_features: vec![0.25], ..Problem::new(space.clone()) };
        let mut study = own(&space).problem(problem).build().unwrap();
        work(&mut study, 3);
        let directory = tempfile::tempdir().unwrap();
        study.save(directory.path()).unwrap();
        Self { directory, space }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn load(&self) -> Result<Study> {
        Study::load_with(self.directory.path(), Evolution::boxed(&self.space))
    }

    /// The message with which the study is refused after a change of its `study.json`.
    fn changed(&self, change: impl FnOnce(&mut Json)) -> String {
        let path = self.path("study.json");
        let text = std::fs::read_to_string(&path).unwrap();
        let mut json: Json = serde_json::from_str(&text).unwrap();
        change(&mut json);
        std::fs::write(&path, json.to_string()).unwrap();
        let message = match self.load() {
            Ok(_) => panic!("accepted: {json}"),
            Err(error) => error.to_string(),
        };
        std::fs::write(&path, text).unwrap();
        message.replace(&format!("{}/", self.directory.path().display()), "")
    }
}

#[test]
fn missing_files_are_named() {
    let saved = Saved::new();
    for name in ["arrays-0.safetensors", "study.json"] {
        std::fs::remove_file(saved.path(name)).unwrap();
        assert!(refused!(saved.load(), Error::Io { .. }).contains(name));
    }
    std::fs::write(saved.path("study.json"), b"\xff\xfe").unwrap();
    assert!(refused!(saved.load(), Error::Io { .. }).contains("study.json"));
    assert!(refused!(Study::load("/nowhere"), Error::Io { .. }).contains("/nowhere/study.json"));
}

#[test]
fn other_formats_and_unknown_fields_are_refused() {
    let saved = Saved::new();
    let format = |number: Json| saved.changed(|json| json["format"] = number);
    assert_eq!(format(json!(2)), "study.json:1: format 1 is needed, found 2");
    assert_eq!(format(json!(0)), "study.json:1: format 1 is needed, found 0");
    assert!(format(json!("1")).starts_with("study.json:1: a study of this version"));
    // A later format says so, whatever else has changed in it.
    let later = saved.changed(|json| {
        json["format"] = json!(2);
        json["clock"] = json!(0);
    });
    assert_eq!(later, "study.json:1: format 1 is needed, found 2");
    for pointer in ["", "/trials/0", "/pending/0", "/space/0"] {
        let message = saved.changed(|json| {
            json.pointer_mut(pointer).unwrap()["extra"] = json!(1);
        });
        assert!(message.contains("unknown field `extra`"), "{message}");
    }
    for field in ["format", "arrays", "direction", "seed", "next", "space", "trials", "state"] {
        let message = saved.changed(|json| {
            json.as_object_mut().unwrap().remove(field);
        });
        assert!(message.contains(&format!("missing field `{field}`")), "{message}");
    }
}

#[test]
fn arrays_elsewhere_are_refused() {
    let saved = Saved::new();
    let outside = saved.directory.path().parent().unwrap().join("arrays-0.safetensors");
    let absolute = outside.display().to_string();
    for name in [
        "",
        ".",
        "..",
        "/",
        "study.json",
        "../arrays-0.safetensors",
        "./arrays-0.safetensors",
        "a/../arrays-0.safetensors",
        "arrays-../x.safetensors",
        "arrays-.safetensors",
        "arrays-0.safetensors/",
        "arrays-0.safetensors\0",
        &absolute,
    ] {
        assert_eq!(
            saved.changed(|json| json["arrays"] = json!(name)),
            format!(
                "study.json:1: `arrays` must name a file `arrays-<n>.safetensors` of the same \
                 directory, found `{name}`"
            )
        );
    }
    let message = saved.changed(|json| json["arrays"] = json!("arrays-7.safetensors"));
    assert!(message.starts_with("arrays-7.safetensors: "), "{message}");
}

#[test]
fn trials_that_no_study_has_are_refused() {
    // Trials 1, 0, 3, 2, 5 are finished in this order, and 4 is pending.
    let saved = Saved::new();
    type Change = fn(&mut Json);
    let cases: [(Change, &str); 14] = [
        (
            |json| json["trials"][1]["id"] = json!(1),
            "trials/1`: is the second trial of this number",
        ),
        (
            |json| json["pending"][0]["id"] = json!(1),
            "pending/1`: is the second trial of this number",
        ),
        (|json| json["trials"][0]["id"] = json!(6), "trials/6`: must be below `next`, which is 6"),
        (
            |json| json["pending"][0]["id"] = json!(9),
            "pending/9`: must be below `next`, which is 6",
        ),
        (|json| json["next"] = json!(5), "trials/5`: must be below `next`, which is 5"),
        (|json| json["next"] = json!(7), "next`: must be the number of trials, 6, found 7"),
        (
            |json| json["next"] = json!(u64::MAX),
            "next`: must be the number of trials, 6, found 18446744073709551615",
        ),
        (|json| json["pending"] = json!([]), "next`: must be the number of trials, 5, found 6"),
        (
            |json| json["trials"][1]["value"] = json!(1.0),
            "trials/0`: must have either a value or the reason of its failure",
        ),
        (
            |json| {
                json["trials"][1].as_object_mut().unwrap().remove("failed");
            },
            "trials/0`: must have either a value or the reason of its failure",
        ),
        (
            |json| json["trials"][0]["configuration"]["C"] = json!(3.0),
            "trials/1`: configuration: parameter `C`: must lie in [0, 2], found 3",
        ),
        (
            |json| json["pending"][0]["configuration"] = json!({"kernel": "linear", "C": 1.0}),
            "pending/4`: configuration: parameter `kernel`: must be one of `rbf`, `poly`, \
             found \"linear\"",
        ),
        (
            |json| json["grid"][1]["C"] = json!(0.15),
            "grid/1`: configuration: parameter `C`: must be 0 plus a multiple of 0.1, found 0.15",
        ),
        (|json| json["state"] = json!({}), "optimizer/best`: is missing"),
    ];
    for (change, expected) in cases {
        assert_eq!(saved.changed(change), format!("snapshot: `{expected}"));
    }
    let twice = saved.changed(|json| json["grid"][1] = json["grid"][0].clone());
    assert!(twice.contains("configurations of a grid must be distinct, found kernel="), "{twice}");
    let space = saved.changed(|json| json["space"][3]["low"] = json!(5));
    assert!(space.starts_with("study.json:1: a study of this version"), "{space}");
    assert!(space.contains("parameter `C`: low must be below high"), "{space}");
}

/// Loads a damaged study and uses it where that succeeds; whether there was no panic.
fn survives(load: impl FnOnce() -> Result<Study>) -> bool {
    catch_unwind(AssertUnwindSafe(|| {
        let Ok(mut study) = load() else { return };
        for pending in study.pending().to_vec() {
            study.tell(pending.id, 1.0).unwrap();
        }
        let space = study.space().clone();
        study
            .optimize(3, |trial| {
                let named = space.parameters().iter().zip(trial.values());
                let named = named.filter_map(|(p, value)| Some((p.name.as_str(), (*value)?)));
                assert_eq!(space.configuration(named).unwrap(), trial.configuration);
                0.5
            })
            .unwrap();
        study.save(tempfile::tempdir().unwrap().path()).unwrap();
    }))
    .is_ok()
}

/// Truncates each file of a study at many lengths and flips bits at many places.
fn assert_damage_is_survived(directory: &Path, stride: usize, load: impl Fn() -> Result<Study>) {
    for (name, bytes) in files(directory) {
        let path = directory.join(&name);
        let survives = |what: String, damaged: &[u8]| {
            std::fs::write(&path, damaged).unwrap();
            assert!(survives(&load), "{name}: {what}");
        };
        for length in (0..bytes.len()).step_by(4 * stride) {
            survives(format!("cut to {length} bytes"), &bytes[..length]);
        }
        for (i, place) in (0..bytes.len()).step_by(stride).enumerate() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1 << (i % 8);
            survives(format!("bit {} of byte {place} flipped", i % 8), &damaged);
        }
        for (what, garbage) in [("zeros", vec![0; 64]), ("ones", vec![255; 64])] {
            survives(format!("overwritten with {what}"), &garbage);
        }
        std::fs::write(&path, &bytes).unwrap();
        assert!(load().is_ok(), "{name} is whole again");
    }
}

#[test]
fn flipped_bits_and_cut_files_are_refused_or_do_no_harm() {
    let saved = Saved::new();
    assert_damage_is_survived(saved.directory.path(), 7, || saved.load());
}

#[test]
fn damaged_studies_of_the_baselines_are_refused_or_do_no_harm() {
    for name in ["random", "sobol", "grid"] {
        let mut study = Study::builder(space()).strategy(name).seed(3).build().unwrap();
        work(&mut study, 3);
        let directory = tempfile::tempdir().unwrap();
        study.save(directory.path()).unwrap();
        assert_damage_is_survived(directory.path(), 17, || Study::load(directory.path()));
    }
}

#[test]
fn truncated_text_and_arrays_are_refused_with_their_names() {
    let saved = Saved::new();
    for name in ["study.json", "arrays-0.safetensors"] {
        let bytes = std::fs::read(saved.path(name)).unwrap();
        for length in [0, 1, 8, bytes.len() / 2, bytes.len() - 1] {
            std::fs::write(saved.path(name), &bytes[..length]).unwrap();
            let message = refused!(saved.load(), Error::File { .. } | Error::Snapshot { .. });
            let expected =
                if name == "study.json" { "study.json:" } else { "snapshot: `arrays`: " };
            assert!(message.contains(expected), "{message}");
        }
        std::fs::write(saved.path(name), bytes).unwrap();
    }
    let other = Snapshot::default().arrays_to_bytes().unwrap();
    std::fs::write(saved.path("arrays-0.safetensors"), other).unwrap();
    assert_eq!(
        refused!(saved.load(), Error::Snapshot { .. }),
        "snapshot: `optimizer/center`: is missing"
    );
}

#[test]
fn numbers_of_every_size_come_back() {
    let space = SearchSpace::new([
        Parameter::float("x", 5e-324, f64::MAX).log(),
        Parameter::int("n", 1 - (1 << 50), (1 << 50) - 1),
    ])
    .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut study =
        Study::builder(space.clone()).strategy("random").seed(u64::MAX).build().unwrap();
    let values = [-0.0, 5e-324, f64::MAX, f64::MIN, 0.1, -1.0 / 3.0];
    for value in values {
        let id = study.ask().unwrap().id;
        study.tell(id, value).unwrap();
    }
    study.save(directory.path()).unwrap();
    let back = Study::load(directory.path()).unwrap();
    for (trial, value) in back.history().trials().iter().zip(values) {
        assert_eq!(back.value(trial), Some(value));
        let kept =
            matches!(trial.configuration.values(), [Some(Value::Float(_)), Some(Value::Int(_))]);
        assert!(kept, "{trial:?}");
    }
    assert_eq!(back.history().trials(), study.history().trials());
    assert_eq!(saved(&back), saved(&study));
}
