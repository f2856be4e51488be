//! Real programs, by the shell.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::*;
use crate::error::{Error, Result};
use crate::space::{Configuration, Parameter, SearchSpace};

/// Longer than any test takes, shorter than any program that must be ended would run.
const SOON: Duration = Duration::from_secs(20);

fn shell(script: &str) -> (CommandTemplate, Configuration) {
    let space = SearchSpace::new([
        Parameter::categorical("kernel", ["rbf", "linear"]),
        Parameter::float("gamma", 0.0, 1.0).when("kernel", ["rbf"]),
        Parameter::int("n", 1, 4),
    ])
    .unwrap();
    let argv = ["sh", "-c", script, "sh", "{n}"].map(String::from).to_vec();
    (CommandTemplate::new(argv, &space).unwrap(), space.from_unit(&[0.9, 0.5, 0.6]))
}

fn run_with(
    script: &str,
    limits: &Limits,
    report: &mut dyn FnMut(Report) -> Result<Decision>,
) -> Result<Run> {
    let (template, configuration) = shell(script);
    template.run(7, &configuration, limits, &AtomicBool::new(false), report)
}

fn no_report(report: Report) -> Result<Decision> {
    panic!("{report:?} was not expected")
}

fn run(script: &str) -> Run {
    run_with(script, &Limits::default(), &mut no_report).unwrap()
}

fn reason(run: &Run) -> String {
    match &run.ending {
        Ending::Failed(failure) => failure.to_string(),
        other => panic!("it ended with {other:?}"),
    }
}

/// The number of the process group, which the scripts print to standard error.
fn group_of(errors: &str) -> Pid {
    let number = errors.lines().next().unwrap().parse().unwrap();
    Pid::from_raw(number).unwrap()
}

/// Processes die a moment after they are killed.
fn assert_nobody_is_left(group: Pid) {
    let begun = Instant::now();
    while is_alive(group) {
        assert!(begun.elapsed() < SOON, "somebody of group {group:?} lives");
        thread::sleep(Duration::from_millis(10));
    }
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let awaited = waitid(WaitId::Pid(group), options);
    assert!(matches!(awaited, Err(Errno::CHILD)), "a zombie is left: {awaited:?}");
}

/// Orphans that are dead stay in the group until their new parent looks, which is not to be waited for.
#[cfg(target_os = "linux")]
fn is_alive(group: Pid) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { return false };
        // The name, in parentheses, may hold anything.
        let Some((_, fields)) = stat.rsplit_once(") ") else { return false };
        let fields: Vec<&str> = fields.split(' ').collect();
        fields[2] == group.as_raw_nonzero().to_string() && !matches!(fields[0], "Z" | "X")
    })
}

#[cfg(not(target_os = "linux"))]
fn is_alive(group: Pid) -> bool {
    rustix::process::test_kill_process_group(group).is_ok()
}

#[test]
fn a_program_sees_its_values_and_its_score_is_read() {
    let run =
        run(r#"test -z "$HYPERQ_PARAM_GAMMA" && test "${{HYPERQ_PARAM_GAMMA-unset}}" = unset &&
           test "$HYPERQ_PARAM_KERNEL" = linear && test "$HYPERQ_PARAM_N" = "$1" &&
           test "$HYPERQ_CONFIGURATION" = '{"kernel":"linear","n":3}' && ! read -r line &&
           echo "{\"score\": $1.5, \"trial\": $HYPERQ_TRIAL}""#);
    assert_eq!(run.ending, Ending::Complete(vec![3.5]));
    assert_eq!(Json::Object(run.attributes), serde_json::json!({"trial": 7}));
}

#[test]
fn a_failure_has_the_code_or_the_signal_and_the_last_lines_of_standard_error() {
    let failed = run("echo 0.5; echo first >&2; echo second >&2; exit 3");
    assert_eq!(reason(&failed), "the program ended with exit status: 3");
    assert_eq!(failed.errors, "first\nsecond");
    let killed = run("echo 0.5; kill -9 $$");
    assert_eq!(reason(&killed), "the program ended with signal: 9 (SIGKILL)");
}

#[test]
fn a_program_that_is_not_there_could_not_be_started() {
    let space = SearchSpace::new([Parameter::int("n", 1, 4)]).unwrap();
    let argv = vec!["./no-such-program".to_owned()];
    let template = CommandTemplate::new(argv, &space).unwrap();
    let (limits, stop) = (Limits::default(), AtomicBool::new(false));
    let run = template.run(0, &space.from_unit(&[0.5]), &limits, &stop, &mut no_report).unwrap();
    let reason = reason(&run);
    assert!(
        reason.starts_with("`./no-such-program` could not be started: No such file"),
        "{reason}"
    );
}

#[test]
fn numbers_that_are_none_fail_the_trial() {
    assert_eq!(reason(&run("echo nothing")), "the program printed no number");
    assert_eq!(reason(&run("echo loss: nan")), "a score must be finite, found NaN");
    let two = Limits { objectives: 2, ..Limits::default() };
    let run = run_with("echo 1; echo 2", &two, &mut no_report).unwrap();
    assert_eq!(reason(&run), "the program printed no line with 2 numbers");
    let none = Limits { objectives: 0, ..Limits::default() };
    assert!(matches!(run_with("echo 1", &none, &mut no_report), Err(Error::Setting { .. })));
}

#[test]
fn bytes_that_are_no_text_do_no_harm() {
    let run = run(r"printf '\377\376 0.5 \303\n'; printf '\377 error\n' >&2");
    assert_eq!(run.ending, Ending::Complete(vec![0.5]));
    assert_eq!(run.errors, "\u{fffd} error");
}

#[test]
fn any_amount_of_output_is_read() {
    let run = run(
        "head -c 20000000 /dev/zero | tr '\\0' 1; echo; yes a line of text | head -c 5000000; \
         yes 'a mistake' | head -c 5000000 >&2; echo; echo 0.25",
    );
    assert_eq!(run.ending, Ending::Complete(vec![0.25]));
    assert!(run.errors.starts_with("a mistake\n") && run.errors.len() <= 4096);
}

#[test]
fn over_its_time_the_whole_group_is_killed() {
    let limits = Limits {
        timeout: Some(Duration::from_millis(900)),
        grace: Duration::from_millis(900),
        ..Limits::default()
    };
    let stubborn = "echo $$ >&2; trap '' TERM; sleep 600 & (sleep 600; echo) > /dev/null 2>&1 & \
                    while :; do sleep 600; done";
    let run = run_with(stubborn, &limits, &mut no_report).unwrap();
    assert_eq!(reason(&run), "the program ran for longer than 0.9 s");
    assert!(run.duration >= Duration::from_millis(1800) && run.duration < SOON, "{run:?}");
    assert_nobody_is_left(group_of(&run.errors));
}

#[test]
fn over_its_time_a_program_may_clean_up() {
    let limits = Limits {
        timeout: Some(Duration::from_millis(900)),
        grace: Duration::MAX,
        ..Limits::default()
    };
    let tidy = "trap 'echo cleaned up >&2; exit 0' TERM; echo $$ >&2; sleep 600 & wait; wait";
    let run = run_with(tidy, &limits, &mut no_report).unwrap();
    assert_eq!(run.ending, Ending::Failed(Failure::Timeout(Duration::from_millis(900))));
    assert!(run.errors.ends_with("cleaned up"), "{run:?}");
    assert_nobody_is_left(group_of(&run.errors));
}

#[test]
fn a_report_may_prune() {
    let script = r#"echo $$ >&2; for i in 1 2 3; do echo "{\"score\": $i, \"step\": $i}"; done
                    sleep 600"#;
    let mut steps = Vec::new();
    let run = run_with(script, &Limits::default(), &mut |report| {
        assert_eq!(report.values, [f64::from(report.step)]);
        steps.push(report.step);
        Ok(if report.step == 2 { Decision::Prune } else { Decision::Continue })
    })
    .unwrap();
    assert_eq!(run.ending, Ending::Pruned { step: 2 });
    assert!(run.duration < SOON);
    assert_eq!(steps, [1, 2]);
    assert_nobody_is_left(group_of(&run.errors));
}

#[test]
fn a_flood_of_reports_is_ended_too() {
    let script = r#"echo $$ >&2; while :; do echo '{"score": 1, "step": 1}'; done"#;
    let prune = &mut |_| Ok(Decision::Prune);
    let run = run_with(script, &Limits::default(), prune).unwrap();
    assert_eq!(run.ending, Ending::Pruned { step: 1 });
    assert_nobody_is_left(group_of(&run.errors));
    let limits = Limits { timeout: Some(Duration::from_millis(900)), ..Limits::default() };
    let run = run_with(script, &limits, &mut |_| Ok(Decision::Continue)).unwrap();
    assert_eq!(reason(&run), "the program ran for longer than 0.9 s");
    assert_nobody_is_left(group_of(&run.errors));
}

#[test]
fn a_report_that_is_no_number_ends_the_program() {
    let script = r#"echo $$ >&2; echo '{"score": NaN, "step": 4}'; sleep 600"#;
    let run = run_with(script, &Limits::default(), &mut no_report).unwrap();
    assert_eq!(reason(&run), "a score must be finite, found NaN at step 4");
    assert!(run.duration < SOON);
    assert_nobody_is_left(group_of(&run.errors));
}

#[test]
fn errors_and_panics_of_the_caller_end_the_program() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { output: Some(directory.path().to_owned()), ..Limits::default() };
    let script = r#"echo $$ >&2; sleep 0.9; echo '{"score": 1, "step": 1}'; sleep 600"#;
    let group = || group_of(&std::fs::read_to_string(directory.path().join("7.err")).unwrap());
    let error = run_with(script, &limits, &mut |_| Err(Error::Evaluation("full".to_owned())));
    assert_eq!(error.unwrap_err().to_string(), "evaluation failed: full");
    assert_nobody_is_left(group());
    let panic = || run_with(script, &limits, &mut |_| panic!("in the report"));
    assert!(catch_unwind(AssertUnwindSafe(panic)).is_err());
    assert_nobody_is_left(group());
}

#[test]
fn a_wish_to_stop_interrupts() {
    let stop = AtomicBool::new(false);
    let (template, configuration) = shell("echo $$ >&2; sleep 600 & sleep 600; echo 0.5");
    let run = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(900));
            stop.store(true, Ordering::Relaxed);
        });
        template.run(7, &configuration, &Limits::default(), &stop, &mut no_report).unwrap()
    });
    assert_eq!(run.ending, Ending::Interrupted);
    assert!(run.duration < SOON);
    assert_nobody_is_left(group_of(&run.errors));
}

#[test]
fn children_that_hold_the_output_open_are_not_waited_for() {
    let run = run("echo $$ >&2; sleep 600 & (trap '' TERM; sleep 600 > /dev/null 2>&1) & echo 0.5");
    assert_eq!(run.ending, Ending::Complete(vec![0.5]));
    assert!(run.duration < SOON);
    assert_nobody_is_left(group_of(&run.errors));
}

#[cfg(target_os = "linux")]
#[test]
fn a_child_that_has_left_the_group_is_left_alone() {
    // It goes on printing, and would fail if nobody held the other end of its pipe.
    let run =
        run("setsid sh -c 'while sleep 0.05; do echo 1; done' & echo 0.5; sleep 0.2; echo 0.5");
    assert!(matches!(&run.ending, Ending::Complete(values) if values.len() == 1), "{run:?}");
    assert!(run.duration < SOON);
}

#[test]
fn output_is_kept_in_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kept");
    let limits = Limits { output: Some(path.clone()), ..Limits::default() };
    for score in ["0.5", "2"] {
        let script = format!("printf 'a\\n{score}'; echo b >&2");
        run_with(&script, &limits, &mut no_report).unwrap();
        let read = |name: &str| std::fs::read_to_string(path.join(name)).unwrap();
        assert_eq!(read("7.out"), format!("a\n{score}"));
        assert_eq!(read("7.err"), "b\n");
    }
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let limits = Limits { output: Some(file.clone()), ..Limits::default() };
    match run_with("echo 1", &limits, &mut no_report) {
        Err(Error::Io { path, .. }) => assert_eq!(path, file),
        other => panic!("{other:?}"),
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_copy_that_cannot_be_written_is_an_error_and_ends_the_program() {
    let directory = tempfile::tempdir().unwrap();
    let full = directory.path().join("7.out");
    std::os::unix::fs::symlink("/dev/full", &full).unwrap();
    let limits = Limits { output: Some(directory.path().to_owned()), ..Limits::default() };
    let begun = Instant::now();
    match run_with("echo 1; sleep 600", &limits, &mut no_report) {
        Err(Error::Io { path, .. }) => assert_eq!(path, full),
        other => panic!("{other:?}"),
    }
    assert!(begun.elapsed() < SOON);
}

#[test]
fn trials_run_side_by_side() {
    let (template, configuration) = shell("sleep 0.1; echo $HYPERQ_TRIAL");
    let (limits, stop) = (Limits::default(), AtomicBool::new(false));
    thread::scope(|scope| {
        for trial in 0..16u32 {
            let (template, configuration, limits, stop) =
                (&template, &configuration, &limits, &stop);
            scope.spawn(move || {
                let number = u64::from(trial);
                let run = template.run(number, configuration, limits, stop, &mut no_report);
                assert_eq!(run.unwrap().ending, Ending::Complete(vec![f64::from(trial)]));
            });
        }
    });
}
