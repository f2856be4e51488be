//! `hyperq surfaces import` and `hyperq tune --warm-start` as processes.
#![cfg(feature = "cli")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_hyperq"))
            .args(arguments)
            .current_dir(self.0.path())
            .output()
            .unwrap()
    }

    fn import(&self, arguments: &[&str]) -> Output {
        self.run(&[["surfaces", "import"].as_slice(), arguments].concat())
    }

    /// The standard output of an import that succeeds.
    fn imported(&self, arguments: &[&str]) -> String {
        let output = self.import(arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    }

    /// The one line of an import that is refused.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.import(arguments);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(output.stdout.is_empty());
        assert!(error.starts_with("error: ") && error.lines().count() == 1, "{error}");
        error
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/histories").join(name);
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_study_and_its_export_become_tasks_that_strategies_are_compared_on() {
    let place = Place::new();
    let out = place.imported(&[&fixture("studies.log"), "--study", "svm", "--out", "svm"]);
    for line in [
        "read      15 trials of ",
        "left out  2 failed (the first is trial 3)\n",
        "left out  1 running (the first is trial 14)\n",
        "tasks/svm.csv: 9 rows, 1 of them the mean of several trials\n",
        "space     C [0.1, 10] log, folds 2..6 step 2, kernel {rbf, linear, poly}",
        "gamma [0.001, 1] log (conditional)",
        "best      accuracy 0.8827 at C=2.3101522250182382, folds=4, kernel=linear",
        "next      hyperq compare --surface svm\n",
    ] {
        assert!(out.contains(line), "`{line}` in {out}");
    }
    let export = fixture("svm.csv");
    let more = ["--out", "svm", "--task", "again", "--space", "svm/space.json"];
    place.imported(&[[export.as_str()].as_slice(), &more].concat());
    let task = |name: &str| fs::read_to_string(place.path("svm/tasks").join(name)).unwrap();
    assert_eq!(task("again.csv"), task("svm.csv"));
    let compare = ["compare", "--surface", "svm", "--strategy", "random", "--trials", "5"];
    let output = place.run(&[compare.as_slice(), &["--seeds", "1", "--quiet"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("random"));

    let error = place.refused(&[&fixture("studies.log"), "--study", "svm", "--out", "svm"]);
    assert!(error.contains("--force replaces it"), "{error}");
    place.imported(&[&fixture("studies.log"), "--study", "svm", "--out", "svm", "--force"]);
    let error = place.refused(&[&export, "--out", "svm", "--task", "x", "--direction", "maximize"]);
    assert!(error.contains("instead of [0.1, 10] log; --space svm/space.json"), "{error}");
}

#[test]
fn a_plain_file_has_types_conditions_and_log_scales() {
    let place = Place::new();
    let rows = "model,rate,depth,early,error\n\
                forest,0.1,3,true,0.5\n\
                linear,1,,false,0.25\n\
                forest,0.001,7,false,0.75\n";
    place.write("wine.csv", rows);
    let arguments = ["wine.csv", "--out", "t", "--objective", "error", "--direction", "minimize"];
    let out = place.imported(&[arguments.as_slice(), &["--log", "rate"]].concat());
    assert!(
        out.contains(
            "model {forest, linear}, rate [0.001, 1] log, depth 3..7 (conditional), early {false, true}"
        ),
        "{out}"
    );
    let space: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(place.path("t/space.json")).unwrap()).unwrap();
    assert_eq!(space["parameters"][2]["condition"], serde_json::json!({"model": ["forest"]}));
    assert_eq!(fs::read_to_string(place.path("t/tasks/wine.csv")).unwrap(), rows);
}

#[test]
fn what_cannot_be_read_is_refused_in_one_line() {
    let place = Place::new();
    let log = fixture("studies.log");
    place.write("bad.csv", "x,value\n1,2\n3,fast\n");
    place.write("short.csv", "x,value\n1,2\n3\n");
    place.write("empty.csv", "");
    let out = ["--out", "t", "--direction", "minimize"];
    let cases: [(&str, &[&str], &str); 9] = [
        ("bad.csv", &[], "bad.csv:3: `value` must be a number, found `fast`"),
        ("short.csv", &[], "short.csv:3: a row must have 2 fields, found 1"),
        ("empty.csv", &[], "empty.csv:1: a history needs a header and rows, found an empty file"),
        ("bad.csv", &["--objective", "valu"], "unknown objective `valu`; did you mean `value`?"),
        ("none.csv", &[], "none.csv: "),
        (&log, &["--study", "twos"], "unknown study `twos`; did you mean `two`?"),
        (&log, &["--study", "failed"], "needs at least one complete trial, found none among 3"),
        (&log, &[], "`study` must be one of `svm`, `two`, `failed`, found none (--study NAME)"),
        (&log, &["--study", "two"], "`objective` must be one of `value 0`, `value 1`"),
    ];
    for (source, more, expected) in cases {
        let error = place.refused(&[[source].as_slice(), &out, more].concat());
        assert!(error.contains(expected), "`{expected}` in {error}");
    }
    assert!(!place.path("t").exists(), "nothing is written where nothing is read");
}

#[cfg(unix)]
const SPACE: &str = r#"{
    "name": "svm",
    "objective": {"name": "accuracy", "direction": "maximize"},
    "parameters": [
        {"name": "C", "type": "float", "low": 0.2, "high": 10.0, "log": true},
        {"name": "folds", "type": "int", "low": 2, "high": 6, "step": 2},
        {"name": "kernel", "type": "categorical", "choices": ["linear", "rbf", "poly"]},
        {"name": "shrinking", "type": "categorical", "choices": [false, true]},
        {"name": "tolerance", "type": "float", "low": 0.0, "high": 1.0},
        {"name": "gamma", "type": "float", "low": 0.001, "high": 1.0, "condition": {"kernel": ["rbf"]}},
        {"name": "degree", "type": "int", "low": 2, "high": 5, "condition": {"kernel": ["poly"]}}
    ]
}"#;

#[cfg(unix)]
#[test]
fn a_warm_start_is_told_once_and_the_same_command_goes_on() {
    let place = Place::new();
    place.write("space.json", SPACE);
    let source = format!("{}#svm", fixture("studies.log"));
    let tune = |source: &str, trials: &str| {
        let more = ["--study", "new.log", "--trials", trials, "--warm-start", source];
        let command = ["--", "sh", "-c", "echo 0.5; : {C} {folds}"];
        place.run(&[["tune", "--space", "space.json"].as_slice(), &more, &command].concat())
    };
    let error = text(&tune(&source, "9").stderr);
    assert!(error.contains("count among them, and with them the study has 9"), "{error}");
    let output = tune(&source, "12");
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("warm start: 9 of 15 trials of "), "{said}");
    assert!(
        said.contains("1 outside of the space (the first is trial 4: `C` must lie in"),
        "{said}"
    );
    assert!(text(&output.stdout).contains("0.8827"), "the best is among those that were told");
    let trials = || {
        let output = place.run(&["trials", "--study", "new.log", "--format", "json"]);
        serde_json::from_slice::<Vec<serde_json::Value>>(&output.stdout).unwrap()
    };
    assert_eq!(trials().len(), 12);
    assert_eq!(trials()[0]["values"]["accuracy"], 0.86);
    let said = text(&tune(&source, "13").stderr);
    assert!(
        said.contains("warm start: 0 of 15 trials") && said.contains("9 were told before"),
        "{said}"
    );
    assert_eq!(trials().len(), 13);
    // The export says the same.
    let said = text(&tune(&fixture("svm.csv"), "13").stderr);
    assert!(
        said.contains("warm start: 0 of 15 trials") && said.contains("9 were told before"),
        "{said}"
    );
    let refused = tune(&format!("{}#two", fixture("studies.log")), "20");
    assert!(text(&refused.stderr).contains("unknown objective `accuracy`"));
}
