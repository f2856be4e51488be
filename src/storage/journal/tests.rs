use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;
use crate::space::{Choice, Domain};
use crate::storage::{OWNER, StoredParameter, Timestamp};

/// A journal in a directory of its own.
struct Place {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { path: directory.path().join("journal.log"), _directory: directory }
    }

    fn of(lines: &[Json]) -> Self {
        let place = Self::new();
        std::fs::write(&place.path, text(lines)).unwrap();
        place
    }

    fn add(&self, bytes: impl AsRef<[u8]>) {
        use std::io::Write;
        let mut file =
            std::fs::OpenOptions::new().append(true).create(true).open(&self.path).unwrap();
        file.write_all(bytes.as_ref()).unwrap();
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(&self.path).unwrap()
    }

    fn open(&self) -> Journal {
        Journal::open(&self.path).unwrap()
    }

    fn bound(&self, study: &str) -> Journal {
        let mut journal = self.open();
        journal.bind(study, Some(&[Direction::Minimize])).unwrap();
        journal
    }
}

fn text(lines: &[Json]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn changes(journal: &mut Journal) -> Vec<Change> {
    std::iter::from_fn(|| journal.next()).collect()
}

fn float(low: f64, high: f64) -> Domain {
    Domain::Float { low, high, log: false, step: None }
}

fn parameter(trial: u64, name: &str, domain: Domain, internal: f64) -> Write {
    Write::Parameter {
        trial,
        name: name.to_owned(),
        parameter: StoredParameter { domain, internal },
    }
}

fn finish(trial: u64, value: f64) -> Write {
    Write::Finish { trial, state: TrialState::Complete, values: Some(vec![value]) }
}

// Records as Optuna writes them.

fn study(name: &str) -> Json {
    json!({"op_code": 0, "worker_id": "p", "study_name": name, "directions": [1]})
}

fn trial(study: u64, worker: &str) -> Json {
    json!({"op_code": 4, "worker_id": worker, "study_id": study,
        "datetime_start": "2026-11-23T10:00:00.000000+00:00"})
}

fn waiting(study: u64) -> Json {
    json!({"op_code": 4, "worker_id": "p", "study_id": study, "datetime_start": null, "state": 4,
        "system_attrs": {"fixed_params": {"x": 1}}})
}

fn state(trial: u64, state: u64, worker: &str) -> Json {
    let moment = "2026-11-23T10:00:01.000000+00:00";
    json!({"op_code": 6, "worker_id": worker, "trial_id": trial, "state": state, "values": [0.5],
        "datetime_start": moment, "datetime_complete": moment})
}

fn param(trial: u64, name: &str, distribution: Json, internal: f64) -> Json {
    json!({"op_code": 5, "worker_id": "p", "trial_id": trial, "param_name": name,
        "param_value_internal": internal, "distribution": distribution.to_string()})
}

fn float_distribution(log: bool) -> Json {
    json!({"name": "FloatDistribution",
        "attributes": {"step": null, "low": 0.5, "high": 2.0, "log": log}})
}

#[test]
fn what_is_written_is_handed_out_and_read_back_by_another_handle() {
    let place = Place::new();
    let mut journal = place.open();
    journal.bind("s", Some(&[Direction::Minimize, Direction::Maximize])).unwrap();
    journal.set_attribute("hyperq:space", json!({"x": [0, 1]})).unwrap();
    let first = journal.create(NewTrial::Running).unwrap();
    let choices = Domain::Categorical { choices: vec!["ä\n".into(), Choice::Null, true.into()] };
    let text = |key: &str| key.to_owned();
    journal
        .write(&[
            parameter(first, "x", float(0.0, 1.0), 0.1f64.next_up()),
            parameter(first, "c", choices.clone(), 2.0),
            Write::Report { trial: first, step: -3, value: 1e-300 },
            Write::UserAttribute { trial: first, key: text("u"), value: json!({"a": [1, null]}) },
            Write::SystemAttribute { trial: first, key: text("k"), value: json!("v") },
            Write::Finish { trial: first, state: TrialState::Pruned, values: None },
        ])
        .unwrap();
    let fixed: Map<String, Json> = [(text("x"), json!(0.5))].into_iter().collect();
    let waiting = NewTrial::Waiting { fixed: fixed.clone(), user_attributes: Map::new() };
    assert_eq!(journal.create(waiting).unwrap(), 1);
    let imported = StoredTrial {
        number: 77,
        state: TrialState::Complete,
        owner: None,
        values: Some(vec![1.0, -2.0]),
        parameters: vec![(text("x"), StoredParameter { domain: float(0.0, 1.0), internal: 0.25 })],
        intermediate: [(0, 3.0), (10, 2.0)].into_iter().collect(),
        user_attributes: fixed.clone(),
        system_attributes: Map::new(),
        started: Some(Timestamp(1_000_000)),
        completed: Some(Timestamp(2_000_001)),
    };
    assert_eq!(journal.create(NewTrial::Finished(Box::new(imported.clone()))).unwrap(), 2);

    assert!(journal.trials().is_empty(), "nothing was handed out yet");
    let expected = [
        Change::Study,
        Change::Created(0),
        Change::Parameter(0),
        Change::Parameter(0),
        Change::Reported(0, -3),
        Change::Attribute(0),
        Change::Attribute(0),
        Change::Finished(0),
        Change::Created(1),
        Change::Created(2),
        Change::Finished(2),
    ];
    for (count, change) in (1..).zip(expected) {
        assert_eq!(journal.next(), Some(change));
        assert_eq!(journal.position().unwrap().changes, count);
        if change == Change::Created(2) {
            assert_eq!(journal.trials()[2].state, TrialState::Running);
            assert_eq!(journal.trials()[2].values, None);
        }
    }
    assert_eq!(journal.next(), None);
    let trials = journal.trials();
    assert_eq!(trials[0].state, TrialState::Pruned);
    assert_eq!(trials[0].owner.as_ref(), Some(journal.owner()));
    assert_eq!(trials[0].parameters[0].1.internal, 0.1f64.next_up());
    assert_eq!(trials[0].parameters[1].1, StoredParameter { domain: choices, internal: 2.0 });
    assert_eq!(trials[0].intermediate[&-3], 1e-300);
    assert_eq!(trials[0].user_attributes["u"], json!({"a": [1, null]}));
    assert!(trials[0].started.unwrap() <= trials[0].completed.unwrap());
    assert_eq!(trials[1].state, TrialState::Waiting);
    assert_eq!((&trials[1].owner, trials[1].started), (&None, None));
    assert_eq!(trials[1].system_attributes["fixed_params"], Json::Object(fixed));
    let owner = Some(journal.owner().clone());
    assert_eq!(trials[2], StoredTrial { number: 2, owner, ..imported });

    let mut other = place.open();
    assert_eq!(other.studies().unwrap(), ["s"]);
    other.bind("s", None).unwrap();
    assert_eq!(other.directions(), [Direction::Minimize, Direction::Maximize]);
    assert_eq!(changes(&mut other), expected);
    assert_eq!(other.trials(), trials);
    assert_eq!(other.attribute("hyperq:space"), Some(&json!({"x": [0, 1]})));
    assert_eq!(other.position(), journal.position());
    let mut different = Place::of(&[study("s"), trial(0, "w")]).bound("s");
    changes(&mut different);
    assert_ne!(different.position().unwrap().fingerprint, other.position().unwrap().fingerprint);
}

#[test]
fn records_that_optuna_ignores_change_nothing() {
    let place = Place::of(&[study("s"), trial(0, "w"), waiting(0), trial(0, "w")]);
    place.add(text(&[param(0, "x", float_distribution(true), 1.0), state(2, 1, "w")]));
    let mut journal = place.bound("s");
    changes(&mut journal);
    let (trials, position) = (journal.trials().to_vec(), journal.position());
    let other_choices = json!({"name": "CategoricalDistribution", "attributes": {"choices": [1]}});
    for ignored in [
        study("s"),
        json!({"op_code": 1, "worker_id": "p", "study_id": 9}),
        json!({"op_code": 2, "worker_id": "p", "study_id": -1, "user_attr": {"a": 1}}),
        trial(1, "w"),
        json!({"op_code": 4, "worker_id": "p", "study_id": 1e300, "datetime_start": null}),
        param(0, "x", float_distribution(false), 1.0),
        param(0, "x", other_choices.clone(), 0.0),
        param(0, "x", other_choices, 9.0),
        param(2, "y", float_distribution(false), 1.0),
        param(3, "y", float_distribution(false), 1.0),
        state(0, 0, "thief"),
        state(2, 2, "w"),
        state(u64::MAX, 1, "w"),
        json!({"op_code": 7, "worker_id": "p", "trial_id": 2, "step": 0,
            "intermediate_value": 1}),
        json!({"op_code": 8, "worker_id": "p", "trial_id": 2, "user_attr": {"a": 1}}),
        json!({"op_code": 9, "worker_id": "p", "trial_id": 2, "system_attr": {OWNER: "thief"}}),
        json!({"op_code": 10, "worker_id": "p", "trial_ids": [0]}),
    ] {
        place.add(text(std::slice::from_ref(&ignored)));
        journal.refresh().unwrap();
        assert_eq!(journal.next(), None, "{ignored}");
    }
    assert_eq!(journal.trials(), trials);
    assert_eq!(journal.position(), position);
    // A later line counts again, and numbers go on without a gap.
    place.add(text(&[trial(0, "w"), param(0, "x", float_distribution(true), 2.0)]));
    journal.refresh().unwrap();
    assert_eq!(changes(&mut journal), [Change::Created(3), Change::Parameter(0)]);
    assert_eq!(journal.trials()[0].parameters.len(), 1);
    assert_eq!(journal.trials()[0].parameters[0].1.internal, 2.0);
}

#[test]
fn ids_count_over_all_studies_and_are_never_reused() {
    let place = Place::of(&[
        study("gone"),
        study("other"),
        trial(0, "a"),
        trial(1, "b"),
        json!({"op_code": 1, "worker_id": "p", "study_id": 0}),
        trial(0, "ignored"),
        study("gone"),
        trial(2, "c"),
        state(2, 1, "c"),
        json!({"op_code": 3, "worker_id": "p", "study_id": 2, "system_attr": {"k": "new"}}),
        json!({"op_code": 3, "worker_id": "p", "study_id": 0, "system_attr": {"k": "old"}}),
    ]);
    let mut journal = place.open();
    assert_eq!(journal.studies().unwrap(), ["other", "gone"]);
    journal.bind("gone", None).unwrap();
    let expected = [Change::Created(0), Change::Finished(0), Change::Study];
    assert_eq!(changes(&mut journal), expected);
    assert_eq!(journal.trials()[0].owner, Some(Owner("c".into())));
    assert_eq!(journal.attribute("k"), Some(&json!("new")));
    let number = journal.create(NewTrial::Running).unwrap();
    journal.write(&[finish(number, 1.0)]).unwrap();
    assert_eq!(changes(&mut journal), [Change::Created(1), Change::Finished(1)]);
    assert_eq!(journal.trials()[1].values, Some(vec![1.0]));

    place.add(text(&[json!({"op_code": 1, "worker_id": "p", "study_id": 2}), study("gone")]));
    let error = journal.refresh().unwrap_err().to_string();
    assert!(error.contains("study `gone`: a study must stay while it is in use"), "{error}");
    assert!(journal.create(NewTrial::Running).is_err());
    journal.bind("gone", None).unwrap();
    assert_eq!(changes(&mut journal), []);
}

#[test]
fn a_study_is_created_once_and_keeps_its_directions() {
    let place = Place::new();
    let error = place.open().bind("s", None).unwrap_err().to_string();
    assert!(error.contains("study `s`: a study that is to be opened must exist"), "{error}");
    assert!(place.open().bind("s", Some(&[])).is_err());
    assert!(place.bytes().is_empty());
    assert!(place.open().create(NewTrial::Running).is_err());
    place.bound("s");
    place.bound("s");
    assert_eq!(place.bytes().iter().filter(|byte| **byte == b'\n').count(), 1);
    let error = place.open().bind("s", Some(&[Direction::Maximize])).unwrap_err().to_string();
    assert!(error.contains("must be those of the study, [Minimize], found [Maximize]"), "{error}");
}

#[test]
fn a_waiting_trial_goes_to_the_first_and_a_dead_workers_to_one() {
    let place = Place::of(&[study("s"), waiting(0), trial(0, "python")]);
    let (mut one, mut two) = (place.bound("s"), place.bound("s"));
    two.set_owner(Owner("two".into()));
    assert!(one.claim(0, None).unwrap());
    assert!(!two.claim(0, None).unwrap());
    assert!(!two.claim(1, None).unwrap(), "it runs");
    assert!(matches!(two.claim(2, None), Err(Error::Trial { id: 2, .. })));
    // A claim of Python's that was written later.
    place.add(text(&[state(0, 0, "python")]));

    let dead = Owner("python".into());
    assert!(!two.claim(0, Some(&dead)).unwrap(), "it has another owner");
    assert!(two.claim(1, Some(&dead)).unwrap());
    assert!(!one.claim(1, Some(&dead)).unwrap());
    two.write(&[finish(1, 0.0)]).unwrap();
    assert!(!one.claim(1, Some(&Owner("two".into()))).unwrap());

    one.refresh().unwrap();
    let expected = [
        Change::Created(0),
        Change::Created(1),
        Change::Claimed(0),
        Change::Claimed(1),
        Change::Finished(1),
    ];
    assert_eq!(changes(&mut one), expected);
    assert_eq!(one.trials()[0].owner.as_ref(), Some(one.owner()));
    assert!(one.trials()[0].started.is_some());
    assert_eq!(one.trials()[1].owner, Some(Owner("two".into())));
    assert_eq!(one.trials()[1].system_attributes[OWNER], json!("two"));
}

#[test]
fn what_must_not_be_written_is_refused_and_nothing_is_written() {
    let place = Place::of(&[study("s"), trial(0, "w"), trial(0, "w"), state(1, 1, "w")]);
    place.add(text(&[param(0, "x", float_distribution(true), 1.0)]));
    let mut journal = place.bound("s");
    let before = place.bytes();
    let nested = serde_json::from_str(&format!("{}{}", "[".repeat(126), "]".repeat(126))).unwrap();
    let end =
        |state, values: &[f64]| Write::Finish { trial: 0, state, values: Some(values.to_vec()) };
    for (write, reason) in [
        (finish(1, 0.0), "trial 1: is finished already"),
        (finish(2, 0.0), "trial 2: is unknown to"),
        (finish(0, f64::NAN), "a value must be finite, found NaN"),
        (end(TrialState::Complete, &[1.0, 2.0]), "needs a value for each of 1, has 2"),
        (end(TrialState::Running, &[1.0]), "not as running"),
        (
            Write::Finish { trial: 0, state: TrialState::Complete, values: None },
            "is complete without values",
        ),
        (
            Write::Report { trial: 0, step: 1, value: f64::INFINITY },
            "the value of step 1 must be finite, found inf",
        ),
        (parameter(0, "x", float(0.0, 1.0), 0.5), "parameter `x` keeps kind, scale and choices"),
        (parameter(0, "y", float(0.0, f64::INFINITY), 0.5), "its domain must be finite"),
        (parameter(0, "y", float(2.0, 1.0), 1.5), "Optuna must be able to read its domain"),
        (parameter(0, "y", float(0.0, 1.0), f64::NAN), "its number must be one of"),
        (
            parameter(0, "y", Domain::Categorical { choices: vec![Choice::Null] }, 1.0),
            "its number must be one of",
        ),
        (
            Write::UserAttribute { trial: 0, key: "deep".into(), value: nested },
            "a record must be readable, found recursion limit exceeded",
        ),
    ] {
        let good = Write::Report { trial: 0, step: 0, value: 0.0 };
        let error = journal.write(&[good, write]).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}\n{reason}");
    }
    let twice = journal.write(&[finish(0, 1.0), finish(0, 2.0)]).unwrap_err().to_string();
    assert_eq!(twice, "trial 0: is finished already");
    let kinds = [
        parameter(0, "z", float(0.0, 1.0), 0.5),
        parameter(0, "z", Domain::Int { low: 0, high: 1, log: false, step: 1 }, 0.0),
    ];
    assert!(journal.write(&kinds).is_err());
    let infinite = StoredTrial {
        number: 0,
        state: TrialState::Failed,
        owner: None,
        values: None,
        parameters: Vec::new(),
        intermediate: [(0, f64::NAN)].into_iter().collect(),
        user_attributes: Map::new(),
        system_attributes: Map::new(),
        started: None,
        completed: None,
    };
    assert!(journal.create(NewTrial::Finished(Box::new(infinite.clone()))).is_err());
    let unfinished = StoredTrial { state: TrialState::Waiting, ..infinite.clone() };
    assert!(journal.create(NewTrial::Finished(Box::new(unfinished))).is_err());
    let timeless = StoredTrial {
        intermediate: Default::default(),
        started: Some(Timestamp(i64::MIN)),
        ..infinite
    };
    assert!(journal.create(NewTrial::Finished(Box::new(timeless))).is_err());
    journal.write(&[]).unwrap();
    assert_eq!(place.bytes(), before);
    assert!(!with_suffix(&place.path, ".lock").exists());
}

#[test]
fn non_finite_numbers_of_python_are_read() {
    let place = Place::of(&[study("s"), trial(0, "w")]);
    place.add(
        "{\"op_code\":7,\"worker_id\":\"w\",\"trial_id\":0,\"step\":2,\"intermediate_value\":NaN}\n\
         {\"op_code\":8,\"worker_id\":\"w\",\"trial_id\":0,\"user_attr\":{\"NaN\":[-Infinity]}}\n\
         {\"op_code\":6,\"worker_id\":\"w\",\"trial_id\":0,\"state\":1,\"values\":[Infinity],\
         \"datetime_complete\":\"2026-11-23T10:00:00\"}\n",
    );
    let mut journal = place.bound("s");
    changes(&mut journal);
    let trial = &journal.trials()[0];
    assert!(trial.intermediate[&2].is_nan());
    assert_eq!(trial.values, Some(vec![f64::INFINITY]));
    assert_eq!(trial.user_attributes["NaN"], json!(["-Infinity"]));
}

#[test]
fn a_trial_may_wait_again() {
    let place = Place::of(&[study("s"), trial(0, "w"), state(0, 4, "w"), state(0, 0, "v")]);
    let mut journal = place.bound("s");
    assert_eq!(journal.next(), Some(Change::Created(0)));
    assert_eq!(journal.next(), Some(Change::Claimed(0)));
    assert_eq!(journal.trials()[0].state, TrialState::Waiting);
    assert_eq!(journal.trials()[0].owner, None);
    assert_eq!(journal.next(), Some(Change::Claimed(0)));
    assert_eq!(journal.trials()[0].owner, Some(Owner("v".into())));
}

#[test]
fn a_line_without_end_is_skipped_until_it_has_one() {
    let place = Place::of(&[study("s")]);
    let mut journal = place.bound("s");
    let line = text(&[trial(0, "w")]);
    let (begin, end) = line.split_at(30);
    place.add(begin);
    journal.refresh().unwrap();
    assert_eq!(journal.next(), None);
    place.add(end);
    journal.refresh().unwrap();
    assert_eq!(changes(&mut journal), [Change::Created(0)]);
}

#[test]
fn an_unreadable_line_stops_every_reader_with_its_number() {
    for line in [
        "",
        "{",
        "\u{feff}{}",
        r#"{"op_code":99,"worker_id":"w"}"#,
        r#"{"op_code":0,"worker_id":"w","study_name":"t","directions":[3]}"#,
        r#"{"op_code":2,"worker_id":"w","study_id":0,"user_attr":{"a":1,"b":2}}"#,
        r#"{"op_code":3,"worker_id":"w","study_id":0,"system_attr":{}}"#,
        r#"{"op_code":4,"study_id":0,"datetime_start":null}"#,
        r#"{"op_code":4,"worker_id":"w","study_id":0,"datetime_start":"now"}"#,
        r#"{"op_code":4,"worker_id":"w","study_id":0,"datetime_start":null,"state":5}"#,
        r#"{"op_code":4,"worker_id":"w","study_id":0,"datetime_start":null,"params":{"x":1}}"#,
        r#"{"op_code":4,"worker_id":"w","study_id":0,"datetime_start":null,"value":1,"values":[1]}"#,
        r#"{"op_code":4,"worker_id":"w","study_id":0,"datetime_start":null,"intermediate_values":{"a":1}}"#,
        r#"{"op_code":5,"worker_id":"w","trial_id":0,"param_name":"x","param_value_internal":1,"distribution":"{}"}"#,
        r#"{"op_code":5,"worker_id":"w","trial_id":0,"param_name":"x","param_value_internal":1,"distribution":"{\"type\":\"categorical\",\"choices\":[0]}"}"#,
        r#"{"op_code":6,"worker_id":"w","trial_id":0,"state":1,"values":null}"#,
        r#"{"op_code":6,"worker_id":"w","trial_id":0,"state":-1,"values":null}"#,
        r#"{"op_code":8,"worker_id":"w","trial_id":0,"user_attr":1}"#,
    ] {
        let place = Place::of(&[study("s"), trial(0, "w")]);
        let mut journal = place.bound("s");
        place.add(text(&[trial(0, "w")]));
        place.add(format!("{line}\n"));
        place.add(text(&[trial(0, "w")]));
        for _ in 0..2 {
            let error = journal.refresh().unwrap_err();
            let Error::File { path, line: number, rule, .. } = &error else { panic!("{error}") };
            assert_eq!((path, *number), (&place.path, 4), "{line}");
            assert!(rule.contains("hyperq repair"), "{rule}");
        }
        // What stands before it counts.
        assert_eq!(changes(&mut journal), [Change::Created(0), Change::Created(1)], "{line}");
        let before = place.bytes();
        assert!(journal.create(NewTrial::Running).is_err());
        assert_eq!(place.bytes(), before, "nothing is written behind it");
    }
}

#[test]
fn a_torn_line_is_cut_off_before_the_next_is_appended() {
    let place = Place::of(&[study("s"), trial(0, "w")]);
    let whole = place.bytes();
    place.add(r#"{"op_code":4,"worker_id":"crash"#);
    let mut journal = place.bound("s");
    assert_eq!(journal.create(NewTrial::Running).unwrap(), 1);
    let bytes = place.bytes();
    assert!(bytes.starts_with(&whole) && bytes.ends_with(b"}\n"));
    assert_eq!(changes(&mut place.bound("s")), [Change::Created(0), Change::Created(1)]);
}

#[test]
fn a_journal_that_was_shortened_or_replaced_is_noticed() {
    let place = Place::of(&[study("s"), trial(0, "w"), trial(0, "w")]);
    let whole = place.bytes();
    let mut journal = place.bound("s");
    std::fs::write(&place.path, &whole[..whole.len() - 10]).unwrap();
    assert!(matches!(journal.refresh(), Err(Error::Storage { .. })));
    std::fs::write(&place.path, text(&[study("t"), study("u"), study("s"), study("v")]).repeat(9))
        .unwrap();
    assert!(matches!(journal.refresh(), Err(Error::Storage { .. })));
    assert!(matches!(journal.create(NewTrial::Running), Err(Error::Storage { .. })));
}

#[test]
fn repair_cuts_breaks_and_moves_out() {
    let place = Place::of(&[study("s"), trial(0, "w")]);
    let options = JournalOptions { grace: Duration::from_millis(50) };
    let repair = |unreadable| Journal::repair(&place.path, unreadable, &options);
    let sound = Repair { records: 2, ..Repair::default() };
    assert_eq!(repair(Unreadable::Move).unwrap(), sound);

    // Optuna's next append after a crash in mid-line.
    let merged = "{\"op_code\":4,\"worker{\"op_code\":4}\n\n";
    place.add(merged);
    place.add(text(&[state(0, 1, "w")]));
    let good = place.bytes();
    place.add("{\"op_code\":");
    std::fs::write(with_suffix(&place.path, ".lock"), "").unwrap();
    let kept = repair(Unreadable::Keep).unwrap();
    assert_eq!((kept.torn, kept.stale_lock, kept.records), (11, true, 3));
    assert_eq!(kept.unreadable.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(kept.rejected, None);
    assert_eq!(place.bytes(), good);

    let moved = repair(Unreadable::Move).unwrap();
    assert_eq!((moved.torn, moved.stale_lock, moved.unreadable), (0, false, kept.unreadable));
    let beside = with_suffix(&place.path, ".rejected");
    assert_eq!(moved.rejected.as_ref(), Some(&beside));
    assert_eq!(std::fs::read_to_string(&beside).unwrap(), merged);
    let expected = text(&[study("s"), trial(0, "w"), state(0, 1, "w")]);
    assert_eq!(place.bytes(), expected.as_bytes());
    assert!(!with_suffix(&place.path, ".lock").exists());
    assert!(
        Journal::repair(place.path.with_extension("missing"), Unreadable::Keep, &options).is_err()
    );
}

#[test]
fn repair_moves_no_line_whose_trial_later_records_speak_of() {
    let place = Place::of(&[study("s")]);
    place.add("{\"op_code\":4,\"worker_id\":\"bit rot\x07\n");
    place.add(text(&[state(0, 1, "w")]));
    let before = place.bytes();
    let options = JournalOptions::default();
    let error = Journal::repair(&place.path, Unreadable::Move, &options).unwrap_err().to_string();
    assert!(error.contains("(line 2), found line 3"), "{error}");
    assert_eq!(place.bytes(), before);
}

#[test]
fn two_handles_in_two_threads_make_contiguous_trials() {
    let place = Place::new();
    place.bound("s");
    let worker = || {
        let mut journal = place.bound("s");
        let mut numbers = Vec::new();
        for _ in 0..50 {
            let trial = journal.create(NewTrial::Running).unwrap();
            let x = parameter(trial, "x", float(0.0, 1.0), 0.5);
            journal.write(&[x, finish(trial, trial as f64)]).unwrap();
            numbers.push(trial);
        }
        numbers
    };
    let mut numbers = std::thread::scope(|scope| {
        let (one, two) = (scope.spawn(worker), scope.spawn(worker));
        [one.join().unwrap(), two.join().unwrap()].concat()
    });
    numbers.sort_unstable();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
    let mut journal = place.bound("s");
    assert_eq!(changes(&mut journal).len(), 300);
    for (number, trial) in (0..).zip(journal.trials()) {
        assert_eq!((trial.number, trial.values.as_deref()), (number, Some(&[number as f64][..])));
    }
}

#[test]
fn what_is_no_regular_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    for path in [directory.path().to_owned(), directory.path().join("missing/journal.log")] {
        let error = Journal::open(&path).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}

/// Runs itself again in a shell that limits the size of files.
#[cfg(unix)]
#[test]
fn what_finds_no_space_is_taken_back() {
    const FILE: &str = "HYPERQ_TEST_LIMITED_JOURNAL";
    const NAME: &str = "storage::journal::tests::what_finds_no_space_is_taken_back";
    if let Some(path) = std::env::var_os(FILE) {
        let mut journal = Journal::open(&path).unwrap();
        journal.bind("s", Some(&[Direction::Minimize])).unwrap();
        let trial = journal.create(NewTrial::Running).unwrap();
        let before = std::fs::read(&path).unwrap();
        let large = json!("x".repeat(500));
        let write = |key: &str, value: &Json| Write::UserAttribute {
            trial,
            key: key.to_owned(),
            value: value.clone(),
        };
        let writes = [write("a", &large), write("b", &large), write("c", &large)];
        let error = journal.write(&writes).unwrap_err();
        assert!(matches!(&error, Error::Io { path: at, .. } if at.as_os_str() == path), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
        // A small record has room.
        journal.write(&[finish(trial, 1.0)]).unwrap();
        assert_eq!(changes(&mut journal), [Change::Created(0), Change::Finished(0)]);
        return;
    }
    let place = Place::new();
    // bash counts blocks of 1024 bytes. The signal must be ignored, or it ends the process.
    let status = std::process::Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" --exact \"$1\""])
        .arg(std::env::current_exe().unwrap())
        .arg(NAME)
        .env(FILE, &place.path)
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(place.open().studies().unwrap(), ["s"], "the test ran");
}

/// Records of all kinds about few studies, trials, workers and parameters.
fn any_record() -> impl Strategy<Value = Json> {
    let distributions = prop::sample::select(vec![
        float_distribution(true),
        float_distribution(false),
        json!({"type": "int", "low": 0, "high": 9}),
        json!({"name": "CategoricalDistribution", "attributes": {"choices": ["a", null]}}),
    ]);
    let id = || 0..4u64;
    let worker = || prop::sample::select(vec!["v", "w"]);
    let name = || prop::sample::select(vec!["s", "t", "x"]);
    prop_oneof![
        2 => name().prop_map(study),
        1 => id().prop_map(|id| json!({"op_code": 1, "worker_id": "p", "study_id": id})),
        1 => (2..=3, id(), name()).prop_map(|(op, id, key)| json!({"op_code": op, "worker_id": "p",
            "study_id": id, "user_attr": {key: id}, "system_attr": {key: id}})),
        6 => (id(), worker()).prop_map(|(id, worker)| trial(id, worker)),
        1 => id().prop_map(waiting),
        1 => (id(), 0..5u64).prop_map(|(id, state)| json!({"op_code": 4, "worker_id": "v",
            "study_id": id, "datetime_start": null, "state": state, "value": 2,
            "params": {"x": 1.0}, "distributions": {"x": float_distribution(false).to_string()},
            "intermediate_values": {"3": 0.5}})),
        4 => (id(), name(), distributions, 0..2u8)
            .prop_map(|(id, name, of, value)| param(id, name, of, f64::from(value))),
        4 => (id(), 0..5u64, worker()).prop_map(|(id, to, worker)| state(id, to, worker)),
        2 => (id(), 0..3u8).prop_map(|(id, step)| json!({"op_code": 7, "worker_id": "p",
            "trial_id": id, "step": step, "intermediate_value": step})),
        3 => (8..=9, id(), prop::sample::select(vec!["a", OWNER]), worker()).prop_map(
            |(op, id, key, value)| json!({"op_code": op, "worker_id": "p", "trial_id": id,
                "user_attr": {key: value}, "system_attr": {key: value}})
        ),
    ]
}

fn any_log() -> impl Strategy<Value = Vec<Json>> {
    prop::collection::vec(any_record(), 0..60).prop_map(|mut records| {
        records.insert(0, study("s"));
        records
    })
}

/// Reads all of a journal by a handle that is bound to whatever study it holds.
fn drained(journal: &mut Journal) -> Vec<(Change, Position)> {
    std::iter::from_fn(|| journal.next().map(|change| (change, journal.position().unwrap())))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn reading_bit_by_bit_is_reading_in_one_go(
        log in any_log(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        // A deletion ends a handle; reading in one go never sees it.
        let log: Vec<Json> = log.into_iter().filter(|record| record["op_code"] != 1).collect();
        let whole = text(&log).into_bytes();
        let head = text(&log[..1]).len();
        let mut cuts: Vec<usize> =
            cuts.iter().map(|cut| head + cut.index(whole.len() - head + 1)).collect();
        cuts.push(whole.len());
        cuts.sort_unstable();

        let place = Place::new();
        place.add(&whole[..head]);
        let mut journal = place.bound("s");
        let (mut seen, mut at) = (Vec::new(), head);
        for cut in cuts {
            place.add(&whole[at..cut]);
            at = cut;
            journal.refresh().unwrap();
            seen.extend(drained(&mut journal));
        }
        let mut once = place.bound("s");
        prop_assert_eq!(seen, drained(&mut once));
        prop_assert_eq!(journal.trials(), once.trials());
        prop_assert_eq!(journal.position(), once.position());
        prop_assert_eq!(&journal.view.attributes, &once.view.attributes);
        // What decides about writes agrees with what was handed out.
        let study = once.study().unwrap();
        prop_assert_eq!(once.replay.trials(study), once.trials().len() as u64);
        for trial in once.trials() {
            let (_, known) = once.replay.trial(study, trial.number).unwrap();
            prop_assert_eq!(&known.owner, &trial.owner);
            prop_assert_eq!(known.state, trial.state);
        }
    }

    #[test]
    fn damage_gives_an_error_or_a_view(
        log in any_log(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        kept in any::<prop::sample::Index>(),
    ) {
        let mut bytes = text(&log).into_bytes();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= byte;
        }
        bytes.truncate(kept.index(bytes.len() + 1));
        let place = Place::new();
        place.add(&bytes);
        let mut journal = place.open();
        match journal.studies() {
            Ok(studies) => for study in studies {
                match journal.bind(&study, None) {
                    Ok(()) => {
                        drained(&mut journal);
                        journal.create(NewTrial::Running).unwrap();
                    }
                    Err(error) => prop_assert!(error.to_string().contains("direction"), "{}", error),
                }
            },
            Err(error) => {
                let is_of_file = matches!(&error, Error::File { path, .. } if *path == place.path);
                prop_assert!(is_of_file, "{}", error);
            }
        }
        let options = JournalOptions::default();
        if Journal::repair(&place.path, Unreadable::Move, &options).is_ok() {
            let repaired = Journal::repair(&place.path, Unreadable::Keep, &options).unwrap();
            prop_assert_eq!((repaired.torn, repaired.unreadable.len()), (0, 0));
            place.open().studies().unwrap();
        }
    }

    #[test]
    fn any_json_gives_an_error_or_a_view(
        lines in prop::collection::vec(any_line(), 0..6),
    ) {
        let place = Place::of(&[study("s"), trial(0, "w")]);
        for line in lines {
            place.add(format!("{line}\n"));
        }
        let mut journal = place.open();
        match journal.bind("s", None) {
            Ok(()) => prop_assert!(!drained(&mut journal).is_empty()),
            Err(error) => prop_assert!(
                matches!(error, Error::File { .. } | Error::Storage { .. }), "{}", error
            ),
        }
    }

    #[test]
    fn a_crash_in_mid_line_loses_that_line_only(
        log in any_log(),
        kept in any::<prop::sample::Index>(),
    ) {
        let log: Vec<Json> = log.into_iter().filter(|record| record["op_code"] != 1).collect();
        let whole = text(&log).into_bytes();
        let head = text(&log[..1]).len();
        let kept = head + kept.index(whole.len() - head + 1);
        let place = Place::new();
        place.add(&whole[..kept]);
        let mut journal = place.bound("s");
        let number = journal.create(NewTrial::Running).unwrap();
        journal.write(&[finish(number, 0.0)]).unwrap();
        let complete = whole[..kept].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
        let bytes = place.bytes();
        prop_assert_eq!(&bytes[..complete], &whole[..complete]);
        let mut once = place.bound("s");
        prop_assert_eq!(drained(&mut journal), drained(&mut once));
        prop_assert_eq!(once.trials().len() as u64, number + 1);
    }
}

/// JSON with the keys of records, and values of any kind.
fn any_line() -> impl Strategy<Value = String> {
    let keys = prop::sample::select(vec![
        "op_code",
        "worker_id",
        "study_id",
        "trial_id",
        "study_name",
        "directions",
        "state",
        "values",
        "value",
        "step",
        "intermediate_value",
        "param_name",
        "param_value_internal",
        "distribution",
        "user_attr",
        "system_attr",
        "datetime_start",
        "datetime_complete",
        "params",
    ]);
    let leaf = prop_oneof![
        (-1..12i64).prop_map(|value| value.to_string()),
        any::<f64>().prop_map(|value| json!(value).to_string()),
        any::<String>().prop_map(|value| json!(value).to_string()),
        prop::sample::select(vec!["null", "true", "NaN", "-Infinity", "1e999", "[1]", "{\"a\":0}"])
            .prop_map(str::to_owned),
    ];
    (0..12u8, prop::collection::vec((keys, leaf), 0..9)).prop_map(|(op, fields)| {
        let fields: String =
            fields.iter().map(|(key, value)| format!(",\"{key}\":{value}")).collect();
        format!("{{\"op_code\":{op}{fields}}}")
    })
}
