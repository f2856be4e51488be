//! The pruners against Optuna's (tests/fixtures/pruners.py), and what Optuna leaves open.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Fixture {
    studies: Vec<StudyCase>,
    brackets: Vec<BracketCase>,
}

#[derive(Deserialize)]
struct StudyCase {
    pruner: PrunerConfig,
    direction: Direction,
    study: String,
    events: Vec<Event>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Event {
    Report(u64, i64, Number, Option<u8>),
    Complete([u64; 1]),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Other(String),
}

impl Number {
    fn get(&self) -> f64 {
        match self {
            Self::Finite(value) => *value,
            Self::Other(text) => text.parse().unwrap(),
        }
    }
}

#[derive(Deserialize)]
struct BracketCase {
    study: String,
    pruner: PrunerConfig,
    budgets: Vec<u64>,
    numbers: Vec<u64>,
    brackets: Vec<u32>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../../tests/fixtures/pruners.json")).unwrap()
}

/// A trial of a study, whose number is its position.
#[derive(Debug, Clone)]
struct Told {
    state: TrialState,
    intermediate: BTreeMap<i64, f64>,
}

fn told(state: TrialState, reports: &[(i64, f64)]) -> Told {
    Told { state, intermediate: reports.iter().copied().collect() }
}

fn peers(trials: &[Told]) -> Vec<Peer<'_>> {
    let numbered = (0..).zip(trials);
    numbered
        .map(|(number, trial)| Peer {
            number,
            state: trial.state,
            intermediate: &trial.intermediate,
            value: None,
        })
        .collect()
}

fn decide(pruner: &dyn Pruner, direction: Direction, trials: &[Told], number: usize) -> bool {
    let intermediate = &trials[number].intermediate;
    let trial = Progress { number: number as u64, intermediate };
    pruner.prune(direction, trial, &peers(trials))
}

fn built(json: &str) -> Box<dyn Pruner> {
    serde_json::from_str::<PrunerConfig>(json).unwrap().build("study").unwrap()
}

#[test]
fn decisions_are_those_of_optuna() {
    let mut names = std::collections::BTreeSet::new();
    for case in fixture().studies {
        let pruner = case.pruner.build(&case.study).unwrap();
        assert_eq!(pruner.name(), case.pruner.name());
        names.insert(pruner.name());
        let mut trials: Vec<Told> = Vec::new();
        let mut given_up = 0;
        for event in &case.events {
            match event {
                Event::Complete([number]) => {
                    trials[*number as usize].state = TrialState::Complete;
                }
                Event::Report(number, step, value, pruned) => {
                    let index = *number as usize;
                    // Optuna's later trials may report first.
                    if trials.len() <= index {
                        trials.resize(index + 1, told(TrialState::Running, &[]));
                    }
                    trials[index].intermediate.insert(*step, value.get());
                    let Some(pruned) = pruned else { continue };
                    let found = decide(&*pruner, case.direction, &trials, index);
                    assert_eq!(
                        found,
                        *pruned == 1,
                        "{:?}, {:?}: trial {number} at step {step}",
                        case.pruner,
                        case.direction
                    );
                    if found {
                        trials[index].state = TrialState::Pruned;
                        given_up += 1;
                    }
                }
            }
        }
        assert!(given_up > 2, "{:?} hardly gives up", case.pruner);
    }
    assert_eq!(names, PrunerConfig::NAMES.into_iter().collect());
}

#[test]
fn budgets_and_brackets_are_those_of_optuna() {
    for case in fixture().brackets {
        let PrunerConfig::Hyperband(hyperband) = &case.pruner else { panic!("{:?}", case.pruner) };
        let pruner = hyperband.build(&case.study).unwrap();
        assert_eq!(pruner.budgets(&[]), case.budgets);
        let found = case.numbers.iter().map(|number| pruner.bracket(*number, &[]).unwrap());
        assert_eq!(found.collect::<Vec<_>>(), case.brackets);
    }
}

#[test]
fn a_power_of_the_reduction_factor_makes_its_exponent_and_one_brackets() {
    for exponent in 0..=20 {
        let max_resource = Resource::Steps(3u64.pow(exponent));
        let hyperband = Hyperband { max_resource, ..Hyperband::default() };
        let budgets = hyperband.build("study").unwrap().budgets(&[]);
        assert_eq!(budgets.len(), exponent as usize + 1);
    }
}

#[test]
fn hyperband_has_brackets_as_soon_as_a_trial_is_complete() {
    let pruner = Hyperband::default().build("study").unwrap();
    let mut trials = [told(TrialState::Running, &[(1, 0.5), (8, 0.5)])];
    assert!(pruner.budgets(&peers(&trials)).is_empty());
    assert_eq!(pruner.bracket(u64::MAX, &peers(&trials)), None);
    trials[0].state = TrialState::Complete;
    assert_eq!(pruner.budgets(&peers(&trials)), [9, 5, 3]);
    assert!(pruner.bracket(u64::MAX, &peers(&trials)).is_some());
}

#[test]
fn settings_come_back_from_json_and_lack_nothing_by_name() {
    for name in PrunerConfig::NAMES {
        let config = PrunerConfig::named(name).unwrap().unwrap();
        assert_eq!(config.name(), name);
        assert_eq!(config.build("study").unwrap().name(), name);
        let json = serde_json::to_value(&config).unwrap();
        assert_eq!(json["name"], name);
        assert_eq!(serde_json::from_value::<PrunerConfig>(json).unwrap(), config);
        let short = format!(r#"{{ "name": "{name}" }}"#);
        assert_eq!(serde_json::from_str::<PrunerConfig>(&short).unwrap(), config);
    }
    assert_eq!(PrunerConfig::named("none").unwrap(), None);
    assert_eq!(
        PrunerConfig::named("hyperbanb").unwrap_err().to_string(),
        "unknown pruner `hyperbanb`; did you mean `hyperband`? the names are none, median, \
         successive-halving, hyperband, patience"
    );
}

#[test]
fn what_is_out_of_range_is_refused_by_name() {
    for (json, message) in [
        (
            r#"{ "name": "median", "interval-steps": 0 }"#,
            "pruner `median`: `interval-steps` must be at least 1, found 0",
        ),
        (
            r#"{ "name": "median", "min-trials": 0 }"#,
            "pruner `median`: `min-trials` must be at least 1, found 0",
        ),
        (
            r#"{ "name": "successive-halving", "min-resource": 0 }"#,
            "pruner `successive-halving`: `min-resource` must be at least 1, found 0",
        ),
        (
            r#"{ "name": "successive-halving", "reduction-factor": 1 }"#,
            "pruner `successive-halving`: `reduction-factor` must be at least 2, found 1",
        ),
        (
            r#"{ "name": "successive-halving", "bootstrap-count": 2 }"#,
            "pruner `successive-halving`: `bootstrap-count` must be 0 where `min-resource` is auto, \
             found 2",
        ),
        (
            r#"{ "name": "hyperband", "min-resource": 9, "max-resource": 8 }"#,
            "pruner `hyperband`: `max-resource` must be at least `min-resource`, 9, found 8",
        ),
        (
            r#"{ "name": "hyperband", "bootstrap-count": 2 }"#,
            "pruner `hyperband`: `bootstrap-count` must be 0 where `max-resource` is auto, found 2",
        ),
        (
            r#"{ "name": "hyperband", "min-resource": 0 }"#,
            "pruner `hyperband`: `min-resource` must be at least 1, found 0",
        ),
        (
            r#"{ "name": "hyperband", "reduction-factor": 0 }"#,
            "pruner `hyperband`: `reduction-factor` must be at least 2, found 0",
        ),
        (
            r#"{ "name": "patience", "min-delta": -1.0 }"#,
            "pruner `patience`: `min-delta` must be a finite number of at least 0, found -1",
        ),
        (
            r#"{ "name": "patience", "wrapped": { "name": "median", "min-trials": 0 } }"#,
            "pruner `median`: `min-trials` must be at least 1, found 0",
        ),
    ] {
        let config: PrunerConfig = serde_json::from_str(json).unwrap();
        assert_eq!(config.build("study").err().unwrap().to_string(), message);
    }
}

#[test]
fn documents_that_do_not_follow_the_format_are_refused() {
    for (json, rule) in [
        (r#"{ "name": "median", "steps": 1 }"#, "unknown field `steps`"),
        (r#"{ "name": "mean" }"#, "unknown variant `mean`"),
        (
            r#"{ "name": "hyperband", "max-resource": "all" }"#,
            "invalid value: string \"all\", expected \"auto\" or a number of steps of at least 1",
        ),
        (
            r#"{ "name": "hyperband", "max-resource": -3 }"#,
            "invalid value: integer `-3`, expected \"auto\" or a number of steps of at least 1",
        ),
        (r#"{ "name": "hyperband", "max-resource": 1.5 }"#, "invalid type: floating point `1.5`"),
    ] {
        let error = serde_json::from_str::<PrunerConfig>(json).unwrap_err().to_string();
        assert!(error.contains(rule), "{error}");
    }
}

#[test]
fn a_trial_without_reports_goes_on() {
    let mut trials = vec![told(TrialState::Complete, &[(1, 0.0)]); 9];
    trials.push(told(TrialState::Running, &[]));
    for config in PrunerConfig::NAMES.map(|name| PrunerConfig::named(name).unwrap().unwrap()) {
        assert!(!decide(&*config.build("study").unwrap(), Direction::Minimize, &trials, 9));
    }
}

#[test]
fn a_trial_is_no_peer_of_itself() {
    let halving = built(
        r#"{ "name": "successive-halving", "min-resource": 1, "reduction-factor": 2,
             "bootstrap-count": 1 }"#,
    );
    let alone = [told(TrialState::Running, &[(1, 0.5)])];
    assert!(decide(&*halving, Direction::Minimize, &alone, 0));
}

#[test]
fn infinities_are_the_best_or_the_worst_and_nan_is_given_up() {
    let median = built(r#"{ "name": "median", "startup-trials": 1 }"#);
    let halving = built(r#"{ "name": "successive-halving", "min-resource": 1 }"#);
    let infinity = f64::INFINITY;
    for (direction, worst) in [(Direction::Minimize, infinity), (Direction::Maximize, -infinity)] {
        for (value, given_up) in [(worst, true), (-worst, false), (f64::NAN, true)] {
            let trials = [
                told(TrialState::Complete, &[(1, 0.0)]),
                told(TrialState::Complete, &[(1, 0.0)]),
                told(TrialState::Running, &[(1, value)]),
            ];
            for pruner in [&median, &halving] {
                let found = decide(&**pruner, direction, &trials, 2);
                assert_eq!(found, given_up, "{} {direction:?} {value}", pruner.name());
            }
        }
    }
}

#[test]
fn nothing_is_given_up_while_there_is_nothing_to_compare_with() {
    let trials = [told(TrialState::Running, &[(1, f64::NAN)]), told(TrialState::Failed, &[])];
    let median = built(r#"{ "name": "median", "startup-trials": 0 }"#);
    let halving = built(r#"{ "name": "successive-halving" }"#);
    let hyperband = built(r#"{ "name": "hyperband" }"#);
    for pruner in [median, halving, hyperband] {
        assert!(!decide(&*pruner, Direction::Minimize, &trials, 0), "{}", pruner.name());
    }
}

#[test]
fn the_median_of_infinities_is_infinite() {
    let median = built(r#"{ "name": "median", "startup-trials": 1 }"#);
    for (values, given_up) in [
        ([f64::NEG_INFINITY; 2], true),
        ([f64::INFINITY; 2], false),
        ([f64::NEG_INFINITY, f64::INFINITY], false),
    ] {
        let mut trials = values.map(|value| told(TrialState::Complete, &[(1, value)])).to_vec();
        trials.push(told(TrialState::Running, &[(1, 0.0)]));
        assert_eq!(decide(&*median, Direction::Minimize, &trials, 2), given_up, "{values:?}");
    }
}

#[test]
fn a_rung_is_judged_by_the_report_that_completes_it_only() {
    let halving =
        built(r#"{ "name": "successive-halving", "min-resource": 4, "reduction-factor": 2 }"#);
    let best = told(TrialState::Complete, &[(4, 0.0), (8, 0.0), (16, 0.0)]);
    for (reports, given_up) in [
        (&[(3, 1.0)][..], false),
        (&[(3, 1.0), (4, 1.0)], true),
        (&[(3, 1.0), (6, 1.0)], true),
        (&[(4, 1.0), (7, 1.0)], false),
        (&[(4, 1.0), (7, 1.0), (9, 1.0)], true),
        (&[(-1, 1.0)], false),
    ] {
        let trials = [best.clone(), told(TrialState::Running, reports)];
        assert_eq!(decide(&*halving, Direction::Minimize, &trials, 1), given_up, "{reports:?}");
    }
}

#[test]
fn a_pruned_trial_counts_at_the_lowest_rung_that_its_last_report_completed() {
    // Four others at rung 0 let the second best go on; at rung 1, one other lets only the best.
    let halving =
        built(r#"{ "name": "successive-halving", "min-resource": 1, "reduction-factor": 2 }"#);
    let mut trials = vec![told(TrialState::Pruned, &[(2, 9.0)]); 3];
    trials.push(told(TrialState::Running, &[(1, 0.0), (2, 0.0)]));
    trials.push(told(TrialState::Running, &[(1, 1.0)]));
    assert!(!decide(&*halving, Direction::Minimize, &trials, 4));
    trials[4].intermediate.insert(2, 1.0);
    assert!(decide(&*halving, Direction::Minimize, &trials, 4));
    // Had they gone on at rung 0, they would count at rung 1 too.
    for trial in &mut trials[..3] {
        trial.intermediate.insert(1, 9.0);
    }
    assert!(!decide(&*halving, Direction::Minimize, &trials, 4));
}

fn settings() -> impl Strategy<Value = PrunerConfig> {
    let median = (0..4u64, 0..5u64, 1..4u64, 1..3u64).prop_map(
        |(startup_trials, warmup_steps, interval_steps, min_trials)| {
            let median = Median { startup_trials, warmup_steps, interval_steps, min_trials };
            PrunerConfig::Median(median)
        },
    );
    let halving = (1..4u64, 2..5u64, 0..2u32, 0..3u64).prop_map(
        |(steps, reduction_factor, min_early_stopping_rate, bootstrap_count)| {
            PrunerConfig::SuccessiveHalving(SuccessiveHalving {
                min_resource: Resource::Steps(steps),
                reduction_factor,
                min_early_stopping_rate,
                bootstrap_count,
            })
        },
    );
    let hyperband = (1..3u64, 2..4u64).prop_map(|(min_resource, reduction_factor)| {
        let hyperband = Hyperband { min_resource, reduction_factor, ..Hyperband::default() };
        PrunerConfig::Hyperband(hyperband)
    });
    let single = prop_oneof![median, halving, hyperband].boxed();
    let wrapped = proptest::option::of(single.clone().prop_map(Box::new));
    let patience = (0..3u64, 0..3u8, wrapped).prop_map(|(patience, delta, wrapped)| {
        let min_delta = f64::from(delta);
        PrunerConfig::Patience(Patience { patience, min_delta, wrapped })
    });
    prop_oneof![single, patience]
}

fn trials() -> impl Strategy<Value = Vec<Told>> {
    let value = prop_oneof![
        9 => (-5..5i8).prop_map(f64::from),
        1 => proptest::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY]),
    ];
    let state = proptest::sample::select(vec![
        TrialState::Running,
        TrialState::Complete,
        TrialState::Complete,
        TrialState::Pruned,
        TrialState::Failed,
    ]);
    let trial = (state, proptest::collection::btree_map(-1..12i64, value, 0..8))
        .prop_map(|(state, intermediate)| Told { state, intermediate });
    proptest::collection::vec(trial, 1..12)
}

proptest! {
    #[test]
    fn the_direction_is_a_change_of_sign_and_the_order_of_peers_is_none(
        config in settings(),
        trials in trials(),
    ) {
        let pruner = config.build("study").unwrap();
        let mut negated = trials.clone();
        for value in negated.iter_mut().flat_map(|trial| trial.intermediate.values_mut()) {
            *value = -*value;
        }
        for number in 0..trials.len() {
            let found = decide(&*pruner, Direction::Minimize, &trials, number);
            prop_assert_eq!(decide(&*pruner, Direction::Maximize, &negated, number), found);
            let intermediate = &trials[number].intermediate;
            let trial = Progress { number: number as u64, intermediate };
            let mut backwards = peers(&trials);
            backwards.reverse();
            prop_assert_eq!(pruner.prune(Direction::Minimize, trial, &backwards), found);
        }
    }
}
