//! `hyperq tune` and its companions as processes.
#![cfg(all(feature = "cli", unix))]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const SPACE: &str = r#"{
    "name": "quadratic",
    "objective": {"name": "error", "direction": "minimize"},
    "parameters": [
        {"name": "kind", "type": "categorical", "choices": ["flat", "steep", null]},
        {"name": "x", "type": "float", "low": -4.0, "high": 4.0},
        {"name": "rate", "type": "float", "low": 1e-4, "high": 1.0, "log": true},
        {"name": "share", "type": "float", "low": 0.0, "high": 1.0, "step": 0.25},
        {"name": "depth", "type": "int", "low": 1, "high": 9, "step": 2},
        {"name": "width", "type": "int", "low": 1, "high": 512, "log": true},
        {"name": "slope", "type": "float", "low": 0.0, "high": 2.0, "condition": {"kind": ["steep"]}}
    ]
}"#;

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("space.json"), SPACE).unwrap();
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn hyperq(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hyperq"));
        command.args(arguments).current_dir(self.directory.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.hyperq(arguments).output().unwrap()
    }

    /// The standard output of a command that succeeds.
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    }

    fn tune(&self, more: &[&str], script: &str) -> Output {
        let mut arguments = vec!["tune", "--space", "space.json", "--study", "s.log"];
        arguments.extend(more);
        arguments
            .extend(["--", "sh", "-c", script, "train", "{x}", "{rate}", "--slope", "{slope}"]);
        self.run(&arguments)
    }

    fn trials(&self) -> Vec<Value> {
        serde_json::from_str(&self.ok(&["trials", "--study", "s.log", "--format", "json"])).unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn refused(output: &Output, code: i32) -> String {
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    error
}

/// The distance of x to 1, by awk.
const SQUARE: &str = r#"echo "x is $1"; awk -v x="$1" 'BEGIN { print "error=" (x - 1) ^ 2 }'"#;

#[test]
fn a_program_is_tuned_and_the_best_is_a_table_and_json() {
    let place = Place::new();
    let output = place.tune(&["--trials", "12", "--seed", "3"], SQUARE);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(err.contains("new study in s.log") && err.contains("12/12 trials"), "{err}");
    assert!(out.contains("best trial"), "{out}");
    let best: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    let x = best["configuration"]["x"].as_f64().unwrap();
    let error = best["values"]["error"].as_f64().unwrap();
    assert!((error - (x - 1.0).powi(2)).abs() < 1e-4, "{best}");
    let trials = place.trials();
    assert_eq!(trials.len(), 12);
    assert!(trials.iter().all(|trial| trial["state"] == "complete"));
    let least = trials.iter().map(|t| t["values"]["error"].as_f64().unwrap()).fold(9e9, f64::min);
    assert_eq!(error, least);
    assert_eq!(
        text(&place.run(&["best", "--study", "s.log", "--format", "json"]).stdout).trim(),
        best.to_string()
    );
    let csv = place.ok(&["trials", "--study", "s.log", "--format", "csv"]);
    assert!(csv.starts_with("trial,state,error,") && csv.lines().count() == 13, "{csv}");
    assert!(place.ok(&["trials", "--study", "s.log"]).contains("complete"));
    let report = place.ok(&["report", "--study", "s.log"]);
    assert_eq!(report, "report: quadratic.html\n");
    let page = fs::read_to_string(place.path("quadratic.html")).unwrap();
    assert!(page.contains("</html>") && page.contains("among 12 complete trials"));
}

#[test]
fn stopped_in_the_middle_and_run_again_the_trials_are_those_of_one_run() {
    let (whole, parts) = (Place::new(), Place::new());
    let run = |place: &Place, trials: &str| {
        let more = ["--trials", trials, "--seed", "1", "--strategy", "table-refine-ucb", "--quiet"];
        let output = place.tune(&more, SQUARE);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(output.stderr.is_empty());
    };
    let configurations = |place: &Place| {
        place.trials().iter().map(|trial| trial["configuration"].clone()).collect::<Vec<_>>()
    };
    // The budget is part of a strategy's problem, so each part is stopped by its program.
    run(&whole, "9");
    let stop = r#"test -e enough || exit 3; awk -v x="$1" 'BEGIN { print (x - 1) ^ 2 }'"#;
    fs::write(parts.path("enough"), "").unwrap();
    let mut child = parts
        .hyperq(&[
            "tune",
            "--space",
            "space.json",
            "--study",
            "s.log",
            "--trials",
            "9",
            "--seed",
            "1",
        ])
        .args(["--strategy", "table-refine-ucb", "--quiet", "--", "sh", "-c"])
        .args([&format!("sleep 0.2; {stop}"), "train", "{x}"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // Killed soon after a trial began, so in the middle of it and not between two.
    std::thread::sleep(Duration::from_millis(500));
    let (begun, count) = (Instant::now(), parts.trials().len());
    while parts.trials().len() == count {
        assert!(begun.elapsed() < Duration::from_secs(60), "no further trial begins");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let before = parts.trials();
    assert!(before.iter().any(|trial| trial["state"] == "running"), "{before:?}");
    assert!(before.len() < 9, "{before:?}");
    run(&parts, "9");
    assert_eq!(configurations(&parts), configurations(&whole));
    assert!(parts.trials().iter().all(|trial| trial["state"] == "complete"));
}

#[test]
fn failures_are_kept_with_their_reason_and_stderr_and_the_study_goes_on() {
    let place = Place::new();
    let script = r#"case $HYPERQ_TRIAL in
        0) echo "no data" >&2; exit 3;;
        1) echo nothing here;;
        2) echo nan;;
        3) sleep 60;;
        4) kill -9 $$;;
        *) echo $HYPERQ_PARAM_X;;
    esac"#;
    let begun = Instant::now();
    let output = place.tune(&["--trials", "7", "--timeout", "0.5"], script);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(begun.elapsed() < Duration::from_secs(30));
    let err = text(&output.stderr);
    assert!(err.contains("trial 0 failed: ") && err.contains("5 failed"), "{err}");
    let trials = place.trials();
    let failure = |trial: usize| trials[trial]["attributes"]["failure"].as_str().unwrap();
    for (trial, words) in [(0, "3"), (1, "no number"), (2, "finite"), (3, "0.5 s"), (4, "9")] {
        assert_eq!(trials[trial]["state"], "failed");
        assert!(failure(trial).contains(words), "{}", failure(trial));
    }
    assert_eq!(trials[0]["attributes"]["stderr"], "no data");
    assert_eq!(trials[5]["state"], "complete");
    let nothing = Place::new();
    let output = nothing.run(&[
        "tune",
        "--space",
        "space.json",
        "--study",
        "s.log",
        "--trials",
        "2",
        "--",
        "/no/such/program",
    ]);
    assert!(text(&output.stderr).contains("could not be started"), "{}", text(&output.stderr));
}

#[test]
fn reports_lead_to_pruning_and_several_objectives_to_a_front() {
    let place = Place::new();
    let script = r#"for step in 1 2 3 4; do
        awk -v x="$1" -v step=$step 'BEGIN { printf "{\"score\": %f, \"step\": %d}\n", (x - 1) ^ 2 + 4 - step, step }'
        sleep 0.02
    done; awk -v x="$1" 'BEGIN { printf "{\"score\": %f, \"epochs\": 4}\n", (x - 1) ^ 2 }'"#;
    let output = place.tune(
        &["--trials", "24", "--pruner", "median", "--jobs", "2", "--strategy", "random"],
        script,
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let trials = place.trials();
    let pruned: Vec<&Value> = trials.iter().filter(|trial| trial["state"] == "pruned").collect();
    assert!(!pruned.is_empty() && pruned.len() < 24, "{}", pruned.len());
    let complete = trials.iter().find(|trial| trial["state"] == "complete").unwrap();
    assert_eq!(complete["intermediate"].as_object().unwrap().len(), 4);
    assert_eq!(complete["attributes"]["epochs"], 4);

    let both = Place::new();
    let objectives = ["--objective", "error:minimize", "--objective", "size:maximize"];
    let script = r#"awk -v x="$1" 'BEGIN { print (x - 1) ^ 2, x }'"#;
    let output = both.tune(&[&objectives[..], &["--trials", "10"]].concat(), script);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let front: Value =
        serde_json::from_str(&both.ok(&["best", "--study", "s.log", "--format", "json"])).unwrap();
    let front = front.as_array().unwrap();
    assert!(
        !front.is_empty() && front.iter().all(|t| t["values"]["size"].is_number()),
        "{front:?}"
    );
    assert!(both.ok(&["best", "--study", "s.log"]).contains("best compromises"));
}

#[test]
fn an_interrupt_kills_the_programs_and_leaves_trials_for_the_next_run() {
    let place = Place::new();
    let mut child = place
        .hyperq(&[
            "tune",
            "--space",
            "space.json",
            "--study",
            "s.log",
            "--trials",
            "4",
            "--jobs",
            "2",
        ])
        .args(["--", "sh", "-c", "echo $$ >> pids; sleep 30 & wait; echo 1"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while fs::read_to_string(place.path("pids")).map_or(0, |pids| pids.lines().count()) < 2 {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(20));
    }
    let kill = |pid: &str| Command::new("kill").args(["-INT", pid]).status().unwrap();
    kill(&child.id().to_string());
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    for pid in fs::read_to_string(place.path("pids")).unwrap().lines() {
        assert!(!Path::new("/proc").join(pid).exists(), "{pid} is alive");
    }
    assert!(place.trials().iter().all(|trial| trial["state"] == "running"));
    let output = place.tune(&["--trials", "4"], "echo 2");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let trials = place.trials();
    assert_eq!(trials.len(), 4);
    assert!(trials.iter().all(|trial| trial["state"] == "complete"), "{trials:?}");
}

#[test]
fn scripts_ask_and_tell() {
    let place = Place::new();
    let ask = ["ask", "--space", "space.json", "--study", "s.log", "--count", "3"];
    let asked = place.ok(&ask);
    let lines: Vec<Value> = asked.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|l| l["trial"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(lines[0]["configuration"]["x"].is_number());
    let tell =
        |more: &[&str]| place.run(&[&["tell", "--study", "s.log", "--trial"], more].concat());
    assert!(tell(&["1", "0.5"]).status.success());
    assert!(tell(&["0", "--step", "3", "0.75"]).status.success());
    assert!(tell(&["0", "--pruned"]).status.success());
    assert!(tell(&["2", "--failed", "out of memory"]).status.success());
    let trials = place.trials();
    let states: Vec<&str> = trials.iter().map(|t| t["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["pruned", "complete", "failed"]);
    assert_eq!(trials[0]["values"]["error"], 0.75);
    assert!(refused(&tell(&["1", "0.5"]), 1).contains("trial 1"));
    assert!(refused(&tell(&["9", "0.5"]), 1).contains("trial 9"));
    assert!(refused(&tell(&["1", "0.5", "0.6"]), 2).contains("1 objectives, found 2 values"));
    // A script that asks one at a time gets what a study in one process gets.
    let place_of_one = Place::new();
    let mut one_by_one = Vec::new();
    for _ in 0..3 {
        one_by_one.push(place_of_one.ok(&ask[..5]).trim().to_owned());
    }
    assert_eq!(one_by_one, asked.lines().collect::<Vec<_>>());
}

#[test]
fn a_full_disk_is_a_clear_error_and_the_file_stays_readable() {
    let place = Place::new();
    let hyperq = env!("CARGO_BIN_EXE_hyperq");
    let script = format!(
        "trap '' XFSZ; ulimit -f 16; exec {hyperq} tune --space space.json --study s.log --trials 200 \
         --strategy random --quiet -- echo 1"
    );
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(place.directory.path())
        .output()
        .unwrap();
    let error = refused(&output, 1);
    assert!(error.contains("s.log") && error.contains("large"), "{error}");
    let trials = place.trials();
    assert!(trials.len() > 3 && trials.len() < 200, "{}", trials.len());
    let complete = |trials: &[Value]| trials.iter().filter(|t| t["state"] == "complete").count();
    let before = complete(&trials);
    // With room again, the study goes on.
    let more = (trials.len() + 2).to_string();
    let output = place.tune(&["--trials", &more, "--strategy", "random"], "echo 1");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(complete(&place.trials()) > before);
}

#[test]
fn a_torn_journal_is_repaired_and_an_unreadable_one_is_named() {
    let place = Place::new();
    assert!(place.tune(&["--trials", "3"], "echo 1").status.success());
    let path = place.path("s.log");
    let whole = fs::read(&path).unwrap();
    let mut torn = whole.clone();
    torn.extend_from_slice(b"{\"op_code\": 4, \"worker");
    fs::write(&path, &torn).unwrap();
    let said = place.ok(&["repair", "--study", "s.log"]);
    assert!(said.contains("22 bytes of a torn last line"), "{said}");
    assert_eq!(fs::read(&path).unwrap(), whole);
    let mut broken = whole.clone();
    broken.extend_from_slice(b"not json\n");
    fs::write(&path, &broken).unwrap();
    let lines = whole.iter().filter(|byte| **byte == b'\n').count();
    let error = refused(&place.run(&["trials", "--study", "s.log"]), 1);
    assert!(error.contains(&format!("s.log:{}", lines + 1)), "{error}");
    assert!(refused(&place.run(&["repair", "--study", "s.log"]), 1).contains("--move-unreadable"));
    place.ok(&["repair", "--study", "s.log", "--move-unreadable"]);
    assert_eq!(fs::read(&path).unwrap(), whole);
    assert_eq!(place.trials().len(), 3);
}

/// Every domain, conditions, failures, pruned trials, intermediate values and two objectives, as Optuna and its
/// dashboard read them.
#[test]
fn optuna_reads_what_tune_writes_and_its_dashboard_shows_it() {
    let Ok(python) = std::env::var("HYPERQ_PYTHON") else {
        eprintln!("HYPERQ_PYTHON names no Python with Optuna: skipped");
        return;
    };
    let place = Place::new();
    let script = |name: &str, study: &str| -> Value {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name);
        let log = place.path("s.log");
        let output = Command::new(&python).arg(script).arg(&log).arg(study).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let program = r#"test $((HYPERQ_TRIAL % 7)) = 3 && exit 1
        for step in 1 2 3; do
            awk -v x="$1" -v step=$step 'BEGIN { printf "{\"score\": %f, \"step\": %d}\n", (x - 1) ^ 2 + 3 - step, step }'
            sleep 0.02
        done; awk -v x="$1" 'BEGIN { printf "{\"score\": %f, \"epochs\": 3}\n", (x - 1) ^ 2 }'"#;
    let more = ["--trials", "30", "--strategy", "random", "--pruner", "median"];
    assert!(place.tune(&more, program).status.success());
    let ours = place.trials();
    let theirs = script("study_read.py", "quadratic");
    let theirs = theirs["trials"].as_array().unwrap();
    assert_eq!(theirs.len(), ours.len());
    let mut states = std::collections::BTreeSet::new();
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert_eq!(ours["trial"], theirs["number"]);
        let state = theirs["state"].as_str().unwrap();
        let expected = match ours["state"].as_str().unwrap() {
            "failed" => "FAIL".to_owned(),
            other => other.to_uppercase(),
        };
        assert_eq!(state, expected);
        states.insert(state.to_owned());
        assert_eq!(ours["configuration"], theirs["params"], "the parameters of {}", ours["trial"]);
        assert_eq!(ours["intermediate"], theirs["intermediate_values"]);
        assert_eq!(ours["attributes"], theirs["user_attrs"]);
        let value = ours["values"]["error"].as_f64();
        assert_eq!(value, theirs["values"].as_array().and_then(|values| values[0].as_f64()));
    }
    assert_eq!(states.into_iter().collect::<Vec<_>>(), ["COMPLETE", "FAIL", "PRUNED"]);
    let shown = script("dashboard.py", "quadratic");
    assert_eq!(shown.as_array().unwrap().len(), ours.len());

    let objectives =
        ["--objective", "error:minimize", "--objective", "size:maximize", "--name", "two"];
    let both = place.tune(
        &[&objectives[..], &["--trials", "6"]].concat(),
        r#"awk -v x="$1" 'BEGIN { print (x - 1) ^ 2, x }'"#,
    );
    assert!(both.status.success(), "{}", text(&both.stderr));
    let theirs = script("study_read.py", "two");
    assert_eq!(theirs["directions"], serde_json::json!(["MINIMIZE", "MAXIMIZE"]));
    let ours: Vec<Value> = serde_json::from_str(
        &place.ok(&["trials", "--study", "s.log", "--name", "two", "--format", "json"]),
    )
    .unwrap();
    for (ours, theirs) in ours.iter().zip(theirs["trials"].as_array().unwrap()) {
        assert_eq!(
            serde_json::json!([ours["values"]["error"], ours["values"]["size"]]),
            theirs["values"]
        );
    }
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_is_written() {
    let place = Place::new();
    for (arguments, words) in [
        (&["--trials", "3", "--strategy", "randm"][..], "did you mean `random`?"),
        (&["--trials", "3", "--pruner", "medium"], "did you mean `median`?"),
        (&["--trials", "3", "--timeout", "-1"], "positive number of seconds"),
        (&["--trials", "3", "--jobs", "0"], "--jobs must be at least 1"),
        (&["--trials", "3", "--direction", "up"], "minimize or maximize"),
        (&["--trials", "3", "--objective", "error"], "NAME:minimize or NAME:maximize"),
    ] {
        let output = place.tune(arguments, "echo 1");
        assert!(!output.status.success());
        let error = text(&output.stderr);
        assert!(error.contains(words), "{error}");
        assert!(!place.path("s.log").exists(), "{words}");
    }
    let arguments = ["tune", "--space", "space.json", "--trials", "1", "--", "echo", "{rat}"];
    assert!(refused(&place.run(&arguments), 2).contains("did you mean `rate`?"));
    assert!(refused(&place.run(&["best", "--study", "none.log"]), 2).contains("none.log"));
    assert!(place.tune(&["--trials", "1"], "echo 1").status.success());
    let again = place.tune(&["--trials", "2", "--no-resume"], "echo 1");
    assert!(refused(&again, 2).contains("exists already"));
    let other = SPACE.replace("512", "256");
    fs::write(place.path("space.json"), other).unwrap();
    let error = refused(&place.tune(&["--trials", "2"], "echo 1"), 2);
    assert!(error.contains("another domain or condition of `width`"), "{error}");
}
