//! Whole pages.

use std::collections::BTreeMap;

use serde_json::{Map, json};

use super::*;
use crate::space::{Choice, Domain};
use crate::storage::{StoredParameter, Timestamp, TrialState};

const MINIMIZED: Direction = Direction::Minimize;

/// A complete trial without parameters.
pub(in crate::report) fn trial(number: u64, values: &[f64]) -> StoredTrial {
    StoredTrial {
        number,
        state: TrialState::Complete,
        owner: None,
        values: Some(values.to_vec()),
        parameters: Vec::new(),
        intermediate: BTreeMap::new(),
        user_attributes: Map::new(),
        system_attributes: Map::new(),
        started: Some(Timestamp(60_000_000 * number as i64)),
        completed: Some(Timestamp(60_000_000 * number as i64 + 45_000_000)),
    }
}

pub(in crate::report) fn parameter(
    name: &str,
    domain: Domain,
    internal: f64,
) -> (String, StoredParameter) {
    (name.to_owned(), StoredParameter { domain, internal })
}

fn page(objectives: &[(&str, Direction)], trials: &[StoredTrial]) -> String {
    let objectives: Vec<(String, Direction)> =
        objectives.iter().map(|(name, direction)| ((*name).to_owned(), *direction)).collect();
    let report =
        StudyReport { name: "sine", location: "sine.log", objectives: &objectives, trials };
    study_html(&report).unwrap()
}

fn float(low: f64, high: f64, log: bool) -> Domain {
    Domain::Float { low, high, log, step: None }
}

fn choices(names: &[&str]) -> Domain {
    Domain::Categorical { choices: names.iter().map(|name| Choice::from(*name)).collect() }
}

/// The fractional parts of multiples of irrational numbers: evenly spread and the same each time.
fn spread(number: u64, which: u32) -> f64 {
    (number as f64
        * [0.618_033_988_7, 0.414_213_562_4, 0.732_050_807_6, 0.236_067_977_5][which as usize]
        + 0.37)
        .fract()
}

/// A study with conditions, categories, curves, pruned and failed trials; the search narrows with time.
fn synthetic(count: u64, objectives: usize) -> Vec<StoredTrial> {
    (0..count)
        .map(|number| {
            let focus = number as f64 / count as f64;
            let toward = |unit: f64, best: f64| unit + 0.8 * focus * (best - unit);
            let rate_unit = toward(spread(number, 0), 0.6);
            let rate = 10f64.powf(-5.0 + 5.0 * rate_unit);
            let kind = (toward(spread(number, 1), 0.4) * 3.0) as usize;
            let depth = (1.0 + 8.0 * toward(spread(number, 2), 0.5)).floor();
            let dropout = 0.5 * spread(number, 3);
            let loss = 0.02
                + 2.0 * (rate_unit - 0.6).powi(2)
                + 0.15 * (kind as f64 - 1.0).abs()
                + 0.01 * (depth - 5.0).abs()
                + if kind == 1 { 0.3 * (dropout - 0.1).powi(2) } else { 0.1 }
                + 0.02 * spread(number, 3);
            let mut trial = trial(number, &[]);
            let int = Domain::Int { low: 1, high: 9, log: false, step: 1 };
            trial.parameters = vec![
                parameter("learning rate", float(1e-5, 1.0, true), rate),
                parameter("network", choices(&["plain", "residual", "dense"]), kind as f64),
                parameter("depth", int, depth),
            ];
            if kind == 1 {
                trial.parameters.push(parameter("dropout", float(0.0, 0.5, false), dropout));
            }
            let values =
                [loss, 3.0 + 2.0 * depth + 5.0 * spread(number, 1), 0.9 - loss * rate_unit];
            trial.values = Some(values[..objectives].to_vec());
            if objectives == 1 {
                for step in 1..=20 {
                    let left = (-0.25 * f64::from(step)).exp();
                    let value = loss + left * (1.0 + 0.3 * spread(number + step as u64, 2));
                    trial.intermediate.insert(i64::from(step), value);
                }
            }
            if objectives == 1 && number % 5 == 4 && loss > 0.3 {
                trial.state = TrialState::Pruned;
                trial.intermediate = trial.intermediate.split_off(&0).into_iter().take(6).collect();
                trial.values = trial.intermediate.values().next_back().map(|value| vec![*value]);
            }
            if number % 17 == 3 {
                trial.state = TrialState::Failed;
                trial.values = None;
                trial.intermediate.clear();
                let reason = ["exit status 1", "no number in the output"][(number % 2) as usize];
                trial.user_attributes.insert("failure".to_owned(), reason.into());
                trial.user_attributes.insert(
                    "stderr".to_owned(),
                    "Traceback (most recent call last):\n  File \"train.py\", line 3\nMemoryError"
                        .into(),
                );
            }
            if number + 2 >= count && count > 10 {
                trial.state =
                    [TrialState::Running, TrialState::Waiting][(count - 1 - number) as usize];
                (trial.values, trial.completed) = (None, None);
            }
            trial
        })
        .collect()
}

const ONE: &[(&str, Direction)] = &[("loss", MINIMIZED)];
const THREE: &[(&str, Direction)] =
    &[("loss", MINIMIZED), ("seconds", MINIMIZED), ("share", Direction::Maximize)];

/// The elements that are open at the end of a page, innermost last; panics where one is closed that is
/// not the innermost.
fn open_elements(html: &str) -> Vec<String> {
    let without_style = html.split_once("</style>").unwrap().1;
    let mut open: Vec<String> = Vec::new();
    for tag in without_style.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').unwrap_or_else(|| panic!("`<{tag}` has no end"));
        let name: String =
            tag.chars().skip_while(|c| *c == '/').take_while(|c| c.is_alphanumeric()).collect();
        // The cells and rows of the long table end where the next begins.
        if tag.ends_with('/') || ["td", "th", "tr"].contains(&name.as_str()) {
            continue;
        }
        if tag.starts_with('/') {
            assert_eq!(open.pop().as_deref(), Some(name.as_str()), "</{name}>");
        } else {
            open.push(name);
        }
    }
    open
}

fn check(html: &str) {
    for outside in ["http:", "https:", "src=", "@import", "url(", "<script"] {
        assert!(!html.contains(outside), "{outside}");
    }
    let body = html.split_once("</style>").unwrap().1;
    for odd in ["NaN\"", "inf\"", "d=\"L", "NaN ", "MNaN", "Minf"] {
        assert!(!body.contains(odd), "{odd}");
    }
    // `head` and `html` were opened before the style's end.
    let open = open_elements(&html.replacen("</style></head>", "</style><html><head></head>", 1));
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn a_study_has_all_parts() {
    let html = page(ONE, &synthetic(120, 1));
    check(&html);
    for part in [
        "The lowest <b>loss</b> is",
        "Best configuration",
        "History",
        "Importance of parameters",
        "learning rate",
        "Parameter by parameter",
        "active in",
        "Configurations",
        ">inactive<",
        "Intermediate values",
        "Failures",
        "MemoryError",
        "prefers-color-scheme: dark",
        "<summary>120 trials</summary>",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("Hypervolume") && !html.contains("Pareto"));
    assert_eq!(html, page(ONE, &synthetic(120, 1)));
}

#[test]
fn several_objectives_have_a_front_and_a_hypervolume() {
    let trials = synthetic(80, 3);
    let html = page(THREE, &trials);
    check(&html);
    for part in [
        "Pareto front",
        "Hypervolume",
        "worst values of any complete trial",
        "seconds ↓",
        "share ↑",
    ] {
        assert!(html.contains(part), "{part}");
    }
    // A history and the importance for each.
    assert_eq!(html.matches("<h3>share</h3>").count(), 2);
    let two = page(&THREE[..2], &synthetic(80, 2));
    check(&two);
    assert!(two.contains("class=\"front\""));
}

#[test]
fn a_report_is_written_to_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let report = StudyReport { name: "s", location: "s.log", objectives: &[], trials: &[] };
    let path = directory.path().join("s.html");
    std::fs::write(&path, "old").unwrap();
    write_study(&report, &path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), study_html(&report).unwrap());
    let missing = directory.path().join("missing/s.html");
    assert!(write_study(&report, &missing).unwrap_err().to_string().contains("missing"));
}

#[test]
fn an_empty_study_says_so() {
    let html = page(ONE, &[]);
    check(&html);
    assert!(html.contains("The study has no trials yet.") && !html.contains("<svg"));
}

#[test]
fn one_trial_is_enough_for_a_page() {
    for state in [
        TrialState::Complete,
        TrialState::Pruned,
        TrialState::Failed,
        TrialState::Running,
        TrialState::Waiting,
    ] {
        for objectives in [1, 3] {
            let mut trials = synthetic(1, objectives);
            trials[0].state = state;
            let html = page(&THREE[..objectives], &trials);
            check(&html);
            assert!(html.contains("Too few trials to tell"));
            assert_eq!(html.contains("there is no result"), state != TrialState::Complete);
        }
    }
}

#[test]
fn equal_values_make_no_one_important() {
    let mut trials = synthetic(60, 1);
    for trial in &mut trials {
        trial.values = trial.values.as_ref().map(|_| vec![-3.5]);
    }
    let html = page(ONE, &trials);
    check(&html);
    assert!(html.contains("Nothing to tell: no trial is better than the others"));
    assert!(html.contains("The lowest <b>loss</b> is <b>-3.5</b>, of trial 0"));
}

#[test]
fn numbers_that_are_not_finite_are_told_apart() {
    let mut trials = synthetic(60, 1);
    for (number, value) in [(0, f64::NAN), (1, f64::INFINITY), (2, f64::NEG_INFINITY)] {
        trials[number].values = Some(vec![value]);
        trials[number].state = TrialState::Complete;
        trials[number].intermediate.insert(3, value);
    }
    trials[4].values = Some(Vec::new());
    trials[5].parameters[0].1.internal = f64::NAN;
    trials[6].values = Some(vec![f64::MAX]);
    trials[7].values = Some(vec![f64::MIN]);
    trials[8].started = Some(Timestamp(i64::MIN));
    trials[9].completed = Some(Timestamp(i64::MAX));
    trials[10].parameters[1].1.internal = 17.0;
    trials[11].parameters[2].1.domain =
        Domain::Int { low: i64::MIN, high: i64::MAX, log: true, step: 0 };
    trials[12].intermediate.extend([(i64::MIN, f64::MAX), (i64::MAX, f64::MIN)]);
    let html = page(ONE, &trials);
    check(&html);
    assert!(html.contains("without a finite value for each objective and cannot"));
    assert!(html.contains("<td>NaN") && html.contains("<td>inf") && html.contains("<td>-inf"));
    assert!(html.contains("is <b>-1.79769e308</b>, of trial 7"));
    for values in [[f64::NAN, 1.0, f64::INFINITY], [f64::MAX, f64::MIN, 0.0]] {
        let mut trials = synthetic(30, 3);
        trials[0].values = Some(values.to_vec());
        check(&page(THREE, &trials));
    }
}

#[test]
fn hostile_names_and_values_are_escaped() {
    let hostile = "</script><img src=x onerror=alert(1)>'\"&\u{202e}\u{0}";
    let mut trials = synthetic(40, 1);
    for trial in &mut trials {
        trial.parameters[0].0 = hostile.to_owned();
        trial.parameters[1].1.domain = choices(&[hostile, "b<", "c"]);
        trial.user_attributes.clear();
        trial.user_attributes.insert("failure".to_owned(), json!({ hostile: [hostile] }));
        trial.user_attributes.insert("stderr".to_owned(), hostile.into());
    }
    let objectives = [(hostile.to_owned(), MINIMIZED)];
    let report =
        StudyReport { name: hostile, location: hostile, objectives: &objectives, trials: &trials };
    let html = study_html(&report).unwrap();
    assert!(!html.contains("<img") && !html.contains("</script") && !html.contains('\u{202e}'));
    check(&html.replace("src=x", ""));
    let two = [(hostile.to_owned(), MINIMIZED), (hostile.to_owned(), Direction::Maximize)];
    let trials = synthetic(40, 2);
    let report = StudyReport { objectives: &two, trials: &trials, ..report };
    let html = study_html(&report).unwrap();
    assert!(!html.contains("<img"));
    check(&html.replace("src=x", ""));
}

#[test]
fn objectives_and_parameters_without_number_are_limited() {
    let mut trials = synthetic(60, 1);
    for trial in &mut trials {
        for index in 0..80 {
            let value = spread(trial.number + index, 1);
            trial.parameters.push(parameter(&format!("p{index}"), float(0.0, 1.0, false), value));
        }
    }
    let html = page(ONE, &trials);
    check(&html);
    for part in [
        "The first 48 of 84 parameters are shown.",
        "The first 24 of 84 parameters are shown.",
        "59 more parameters have",
        "with the first 30 of 84 parameters",
    ] {
        assert!(html.contains(part), "{part}");
    }
    // A study of no objectives has no values.
    check(&page(&[], &synthetic(5, 0)));
}

#[test]
fn ten_thousand_trials_make_a_small_page() {
    let mut trials = synthetic(10_000, 1);
    for trial in &mut trials {
        for index in 0..12 {
            let value = spread(trial.number * (index + 2), (index % 4) as u32);
            trial.parameters.push(parameter(&format!("p{index}"), float(0.0, 1.0, false), value));
        }
    }
    let html = page(ONE, &trials);
    check(&html);
    assert!(html.len() < 3_000_000, "{} bytes", html.len());
    for part in [
        "10000 trials, the first 1000 of them",
        "evenly chosen by rank",
        "A chart shows at most 2000 trials",
        "evenly chosen besides the best",
    ] {
        assert!(html.contains(part), "{part}");
    }
}
