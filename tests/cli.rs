//! The program as a process.
#![cfg(feature = "cli")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const HEADER: &str = "surface,strategy,seed,trial,score,best_score,regret,normalized_regret,repeated,exploratory,value_spread,ask_micros,tell_micros";

fn hyperq(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hyperq")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A small comparison into a directory, with more arguments.
fn compare(out: &Path, more: &[&str]) -> Output {
    let out = out.to_str().unwrap();
    let mut arguments = vec!["compare", "--out", out];
    if !more.contains(&"--surface") && !more.contains(&"--config") {
        arguments.extend(["--surface", "branin"]);
    }
    arguments.extend(more);
    hyperq(&arguments)
}

const SMALL: [&str; 9] =
    ["--strategy", "random", "--strategy", "grid", "--trials", "6", "--seeds", "3", "--quiet"];

/// `trials.csv` without the two columns of times.
fn trials(out: &Path) -> Vec<String> {
    fs::read_to_string(out.join("trials.csv"))
        .unwrap()
        .lines()
        .map(|line| line.rsplitn(3, ',').nth(2).unwrap().to_owned())
        .collect()
}

/// The one line of a failure, checked for its code.
fn refused(output: &Output, code: i32) -> String {
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert!(output.stdout.is_empty());
    assert!(error.starts_with("error: ") && error.lines().count() == 1, "{error}");
    error
}

#[test]
fn compare_writes_three_files_and_a_narrow_table() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("new/results");
    let output = compare(&out, &SMALL);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(output.stderr.is_empty(), "--quiet is quiet");
    let csv = fs::read_to_string(out.join("trials.csv")).unwrap();
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some(HEADER));
    assert_eq!(lines.clone().count(), 3 * 3 * 6);
    assert!(lines.all(|line| line.split(',').count() == 13 && line.starts_with("branin,")));
    let summary: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(out.join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary["checkpoints"], serde_json::json!([1, 3, 5, 6]));
    let html = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(html.contains("<svg") && html.contains("--trials 6 --seeds 3 --seed 0"));
    let table = text(&output.stdout);
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    assert!(table.contains("random") && table.contains("report.html"), "{table}");
}

#[test]
fn the_same_seed_gives_the_same_trials_for_any_number_of_jobs() {
    let directory = tempfile::tempdir().unwrap();
    let run = |name: &str, more: &[&str]| {
        let out = directory.path().join(name);
        assert!(compare(&out, &[&SMALL, more].concat()).status.success());
        trials(&out)
    };
    let one = run("one", &["--jobs", "1", "--seed", "4"]);
    assert_eq!(one, run("two", &["--jobs", "2", "--seed", "4"]));
    assert_ne!(one, run("other", &["--jobs", "2", "--seed", "5"]));
}

#[test]
fn json_on_stdout_is_the_summary_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let output = compare(directory.path(), &[&SMALL[..8], &["--format", "json"]].concat());
    assert!(output.status.success());
    let file = fs::read_to_string(directory.path().join("summary.json")).unwrap();
    assert_eq!(text(&output.stdout), file);
    let summary: serde_json::Value = serde_json::from_str(&file).unwrap();
    assert_eq!(summary["strategies"].as_array().unwrap().len(), 3);
    let progress = text(&output.stderr);
    assert!(progress.contains("100 %"), "plain progress where stderr is no terminal: {progress}");
    assert!(!progress.contains('\u{1b}') && !progress.contains('\r'));
}

#[test]
fn what_is_wrong_on_the_command_line_is_one_line_and_code_2() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path();
    let strategy = refused(&compare(out, &["--strategy", "sobl"]), 2);
    assert!(strategy.contains("did you mean `sobol`?"), "{strategy}");
    let surface = refused(&compare(out, &["--surface", "brannin"]), 2);
    assert!(surface.contains("did you mean `branin`?"), "{surface}");
    assert!(refused(&compare(out, &["--trials", "0"]), 2).contains("`trials` must be at least 1"));
    assert!(refused(&compare(out, &["--trials", "many"]), 2).contains("--trials"));
    assert!(
        refused(&compare(out, &["--trials", "-1"]), 2).contains("invalid value '-1' for '--trials")
    );
    assert!(
        refused(&compare(out, &["--jobs", "100000"]), 2).contains("`jobs` must be in 1..=1024")
    );
    assert!(refused(&compare(out, &["--no-such-option"]), 2).contains("--no-such-option"));
    assert!(refused(&hyperq(&["comapre"]), 2).contains("compare"));
    assert!(refused(&hyperq(&[]), 2).contains("--help"));
    assert!(refused(&hyperq(&["strategies", "--kind", "magic"]), 2).contains("baseline"));
    assert!(!out.join("trials.csv").exists());
}

#[test]
fn a_directory_that_cannot_be_made_is_refused_before_the_work() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(refused(&compare(&file.join("results"), &SMALL), 2).contains("results"));
}

#[test]
fn lists_are_bare_names_or_tables() {
    let names = text(&hyperq(&["surfaces", "--names"]).stdout);
    assert!(names.lines().any(|name| name == "branin"));
    assert!(names.lines().all(|name| !name.contains(char::is_whitespace)));
    let table = text(&hyperq(&["surfaces"]).stdout);
    assert!(table.contains("0.397887"), "{table}");
    let baselines = text(&hyperq(&["strategies", "--kind", "baseline", "--names"]).stdout);
    for name in ["random", "grid", "sobol"] {
        assert!(baselines.lines().any(|line| line == name), "{baselines}");
    }
    let all = text(&hyperq(&["strategies"]).stdout);
    for list in [table, all] {
        assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hyperq"))
        .args(["strategies", "--names"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    assert!(output.status.success());
}

#[test]
fn a_file_describes_a_comparison_and_options_win_over_it() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("ablation.toml");
    fs::write(
        &config,
        "trials = 50\nseeds = 2\nsurfaces = ['branin']\nstrategies = ['random']\n\
         [[strategy]]\nname = 'in-order'\nbase = 'grid'\norder = 'lexicographic'\n",
    )
    .unwrap();
    let out = directory.path().join("results");
    let output = compare(&out, &["--config", config.to_str().unwrap(), "--trials", "5"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = trials(&out);
    assert_eq!(lines.len(), 1 + 3 * 2 * 5);
    let ordered: Vec<_> =
        lines.iter().filter(|line| line.starts_with("branin,in-order,")).collect();
    let score = |line: &str| line.split(',').nth(4).unwrap().to_owned();
    assert_eq!(ordered.len(), 10);
    assert_eq!(score(ordered[0]), score(ordered[5]), "an ordered grid is the same for every seed");

    fs::write(&config, "seeds = 2\n\n[[strategy]]\nname = 'x'\nbase = 'grid'\nsise = 3\n").unwrap();
    let error = refused(&compare(&out, &["--config", config.to_str().unwrap()]), 2);
    for part in ["ablation.toml:3", "`x`", "`sise`", "`order`", "`size`"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let missing = refused(&compare(&out, &["--config", "no-such-file.toml"]), 2);
    assert!(missing.contains("no-such-file.toml"), "{missing}");
}

#[test]
fn the_example_file_runs() {
    let directory = tempfile::tempdir().unwrap();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/ablation.toml");
    let more = ["--config", example, "--trials", "3", "--seeds", "1", "--surface", "branin"];
    let output = compare(directory.path(), &more);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn strategies_that_cannot_be_built_are_named_and_the_others_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("c.toml");
    let impossible = "[[strategy]]\nname = 'none'\nbase = 'grid'\nsize = { resolution = 0 }\n";
    fs::write(&config, impossible).unwrap();
    let out = directory.path().join("results");
    let config = config.to_str().unwrap();
    let more = ["--config", config, "--surface", "branin", "--trials", "3", "--seeds", "2"];
    let mixed =
        compare(&out, &[&more[..], &["--strategy", "none", "--strategy", "random"]].concat());
    assert!(mixed.status.success());
    assert!(text(&mixed.stderr).contains("warning: none was refused: grid: `size`"));
    assert_eq!(trials(&out).len(), 1 + 2 * 2 * 3);
    let alone = compare(&out, &[&more[..], &["--quiet"]].concat());
    assert!(refused(&alone, 1).contains("none on branin"));
}

#[test]
fn an_ablation_says_what_levels_are_worth_and_goes_on_from_finished_runs() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("a.toml");
    let factors = "surfaces = ['branin', 'six-hump-camel']\ntrials = 7\nseeds = 2\n\
                   [[factor]]\nname = 'value'\nlevels = ['table', 'dqn']\n\
                   [[factor]]\nname = 'exploration'\nlevels = ['greedy', 'thompson']\n";
    fs::write(&config, factors).unwrap();
    let out = directory.path().join("results");
    let run = || {
        let arguments = ["ablate", "--config", config.to_str().unwrap(), "--out"];
        hyperq(&[&arguments[..], &[out.to_str().unwrap()]].concat())
    };
    let first = run();
    assert!(first.status.success(), "{}", text(&first.stderr));
    let said = text(&first.stderr);
    assert!(said.contains("thompson needs a spread, which value function `table`"), "{said}");
    let table = text(&first.stdout);
    assert!(table.contains("exploration") && table.contains("table+greedy"), "{table}");
    let effects: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(out.join("effects.json")).unwrap()).unwrap();
    assert_eq!(effects["refused"].as_array().unwrap().len(), 2);
    assert_eq!(effects["effects"][0]["factors"][0]["levels"][1]["level"], "dqn");
    let html = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(html.contains("table+greedy") && html.contains("hyperq ablate --config"));
    let before = trials(&out);
    let runs = fs::read_to_string(out.join("runs.jsonl")).unwrap();
    // Two combinations and two random searches on two surfaces with two seeds.
    assert_eq!(runs.lines().count(), 4 * 2 * 2);
    // As a process leaves the file that is killed in the middle of a line.
    fs::write(out.join("runs.jsonl"), &runs[..runs.len() * 2 / 3]).unwrap();
    let second = run();
    assert!(text(&second.stderr).contains("finished runs are in"), "{}", text(&second.stderr));
    assert_eq!(trials(&out), before);
    fs::write(&config, "[[factor]]\nname = 'value'\nlevels = ['dqm']\n").unwrap();
    let error = text(&run().stderr);
    assert!(error.contains("a.toml:3: unknown value function `dqm`"), "{error}");
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_a_valid_partial_result() {
    use std::io::{BufRead, BufReader};

    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("results");
    let mut child = Command::new(env!("CARGO_BIN_EXE_hyperq"))
        .args(["compare", "--surface", "branin", "--strategy", "random", "--jobs", "2"])
        .args(["--trials", "5000", "--seeds", "2000", "--out", out.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The first line says what is run, the second that a tenth of it is done.
    let mut progress = BufReader::new(child.stderr.take().unwrap()).lines();
    progress.next().unwrap().unwrap();
    let tenth = progress.next().unwrap().unwrap();
    assert!(tenth.contains("10 %"), "{tenth}");
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let rest: Vec<String> = progress.map(Result::unwrap).collect();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{rest:?}");
    assert!(rest.iter().any(|line| line.starts_with("interrupted: ")), "{rest:?}");
    let csv = fs::read_to_string(out.join("trials.csv")).unwrap();
    assert!(csv.ends_with('\n'));
    assert!(csv.lines().all(|line| line.split(',').count() == 13));
    assert!(csv.lines().count() > 1 && csv.lines().count() < 1 + 5000 * 2000);
    let summary: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(out.join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary["interrupted"], true);
    let runs = summary["strategies"][0]["runs"].as_u64().unwrap();
    assert!((1..2000).contains(&runs));
    assert!(out.join("report.html").exists());
}
