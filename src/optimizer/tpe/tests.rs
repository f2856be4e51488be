//! Densities and splits against Optuna's (tests/fixtures/tpe.py), and what a proposal must be.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::space::{GridSize, Parameter};
use crate::streams::Streams;
use crate::study::Study;
use crate::trial::{Direction, History, PendingTrial, TrialId};

#[derive(Deserialize)]
struct Fixture {
    densities: Vec<Density>,
    splits: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Density {
    domains: SearchSpace,
    prior_weight: f64,
    magic_clip: bool,
    rows: Vec<Vec<serde_json::Value>>,
    queries: Vec<Vec<serde_json::Value>>,
    ln_densities: Vec<f64>,
}

#[derive(Deserialize)]
struct Case {
    trials: Vec<(String, f64)>,
    good: Vec<u64>,
    others: Vec<u64>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../../../tests/fixtures/tpe.json")).unwrap()
}

fn domains(space: &SearchSpace) -> Vec<&Domain> {
    space.parameters().iter().map(|parameter| &parameter.domain).collect()
}

/// Every kind of domain.
fn mixed() -> SearchSpace {
    SearchSpace::new([
        Parameter::float("x", -2.0, 3.0),
        Parameter::float("rate", 1e-4, 1e2).log(),
        Parameter::int("n", 1, 10).step(3.0),
        Parameter::int("width", 1, 1024).log(),
        Parameter::categorical("c", ["a", "b", "c"]),
    ])
    .unwrap()
}

fn values(space: &SearchSpace, unit: &[f64]) -> Vec<Value> {
    space.from_unit(unit).values().iter().map(|value| value.unwrap()).collect()
}

#[test]
fn densities_are_those_of_optuna() {
    for (number, case) in fixture().densities.into_iter().enumerate() {
        let domains = domains(&case.domains);
        let read = |rows: &[Vec<serde_json::Value>]| -> Vec<Vec<Value>> {
            let value = |(domain, json): (&&Domain, &serde_json::Value)| match domain {
                Domain::Categorical { .. } => Value::Category(json.as_u64().unwrap() as usize),
                _ => domain.read_json("", json).unwrap(),
            };
            rows.iter().map(|row| domains.iter().zip(row).map(value).collect()).collect()
        };
        let settings =
            Tpe { prior_weight: case.prior_weight, magic_clip: case.magic_clip, ..Tpe::default() };
        let parzen = Parzen::new(&domains, &read(&case.rows), &settings);
        for (query, expected) in read(&case.queries).iter().zip(case.ln_densities) {
            let found = parzen.ln_density(query);
            assert!(
                (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
                "case {number} at {query:?}: {found} and not {expected}"
            );
        }
    }
}

#[test]
fn good_trials_are_those_of_optuna() {
    let space = SearchSpace::new([Parameter::int("number", 0, 1000)]).unwrap();
    for case in fixture().splits {
        let (mut history, mut pending) = (History::default(), Vec::new());
        // Told in another order than asked for: only the numbers count.
        for (number, (state, value)) in case.trials.iter().enumerate().rev() {
            let id = TrialId(number as u64);
            let value_of = Value::Int(number as i64);
            let configuration = space.configuration([("number", value_of)]).unwrap();
            let score = Direction::Minimize.score(*value).unwrap();
            let outcome = match state.as_str() {
                "complete" => Outcome::Complete(score),
                "pruned" => Outcome::Pruned(score),
                "fail" => Outcome::Failed("broken".into()),
                _ => {
                    pending.push(PendingTrial { id, configuration });
                    continue;
                }
            };
            history.push(Trial { id, configuration, outcome });
        }
        let cx = Context {
            id: TrialId(1000),
            space: &space,
            history: &history,
            pending: &pending,
            streams: Streams::new(0),
        };
        let split = Split::of(&cx, &Tpe { startup_trials: 0, ..Tpe::default() }).unwrap();
        let numbers = |trials: &[&Configuration]| -> Vec<u64> {
            trials.iter().map(|trial| trial.int("number").unwrap() as u64).collect()
        };
        assert_eq!(numbers(&split.good), case.good);
        assert_eq!(numbers(&split.others), case.others);
        let late = Tpe { startup_trials: history.len() + 1, ..Tpe::default() };
        assert!(Split::of(&cx, &late).is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn densities_integrate_to_one(
        points in prop::collection::vec(prop::collection::vec(0.0..=1.0, 5), 0..12),
        magic_clip: bool,
    ) {
        let space = mixed();
        let rows: Vec<Vec<Value>> = points.iter().map(|unit| values(&space, unit)).collect();
        for (index, parameter) in space.parameters().iter().enumerate() {
            let domains = [&parameter.domain];
            let rows: Vec<Vec<Value>> = rows.iter().map(|row| vec![row[index]]).collect();
            let parzen = Parzen::new(&domains, &rows, &Tpe { magic_clip, ..Tpe::default() });
            let total: f64 = match parameter.domain.cardinality() {
                Some(count) => {
                    let levels = parameter.domain.levels(count as usize);
                    prop_assert_eq!(levels.len() as u64, count);
                    levels.into_iter().map(|value| parzen.ln_density(&[value]).exp()).sum()
                }
                // Without the clip a kernel may be narrower than any rule's steps.
                None if !magic_clip => continue,
                None => {
                    let steps = 4000;
                    let middle = |k: i32| parameter.domain.from_unit((f64::from(k) + 0.5) / f64::from(steps));
                    (0..steps).map(|k| parzen.ln_density(&[middle(k)]).exp()).sum::<f64>() / f64::from(steps)
                }
            };
            prop_assert!((total - 1.0).abs() < 1e-5, "{}: {}", parameter.name, total);
        }
    }

    #[test]
    fn samples_have_the_density_that_is_said_of_them(
        points in prop::collection::vec(prop::collection::vec(0.0..=1.0, 5), 0..6),
        seed: u64,
    ) {
        let space = mixed();
        let domains = domains(&space);
        let rows: Vec<Vec<Value>> = points.iter().map(|unit| values(&space, unit)).collect();
        let parzen = Parzen::new(&domains, &rows, &Tpe::default());
        let mut rng = Streams::new(seed).at("samples", 0);
        let drawn: Vec<Vec<Value>> = (0..2000).map(|_| parzen.sample(&mut rng)).collect();
        for values in &drawn {
            for (domain, &value) in domains.iter().zip(values) {
                prop_assert_eq!(domain.admit("", value).unwrap(), value);
            }
        }
        // The share of the lower half of each parameter against the density's: four standard errors.
        for (index, domain) in domains.iter().enumerate() {
            let rows: Vec<Vec<Value>> = rows.iter().map(|row| vec![row[index]]).collect();
            let domains = [*domain];
            let parzen = Parzen::new(&domains, &rows, &Tpe::default());
            let low = |value: Value| domain.to_unit(value) < 0.5;
            let expected: f64 = match domain.cardinality() {
                Some(count) => domain
                    .levels(count as usize)
                    .into_iter()
                    .filter(|&value| low(value))
                    .map(|value| parzen.ln_density(&[value]).exp())
                    .sum(),
                None => (0..2000)
                    .map(|k| domain.from_unit((f64::from(k) + 0.5) / 4000.0))
                    .map(|value| parzen.ln_density(&[value]).exp() / 4000.0)
                    .sum(),
            };
            let found = drawn.iter().filter(|values| low(values[index])).count() as f64 / 2000.0;
            let error = (expected * (1.0 - expected) / 2000.0).sqrt();
            prop_assert!((found - expected).abs() < 5.0 * error + 1e-3, "{}: {} {}", index, found, expected);
        }
    }
}

#[test]
fn weights_rise_to_those_of_the_newest_trials() {
    // By hand, as in Bergstra, Yamins & Cox 2013.
    let space = SearchSpace::new([Parameter::categorical("c", ["a", "b"])]).unwrap();
    let domains = domains(&space);
    let settings = Tpe { full_weight: 1, prior_weight: 1e-9, ..Tpe::default() };
    let rows = [0, 1, 1].map(|choice| vec![Value::Category(choice)]);
    let parzen = Parzen::new(&domains, &rows, &settings);
    // Weights 1/3, 1 and 1 and hardly any prior.
    let share = parzen.ln_density(&[Value::Category(0)]).exp();
    assert!((share - 1.0 / 7.0).abs() < 1e-6, "{share}");
}

#[test]
fn joint_draws_keep_together_what_fits_together() {
    // Good trials lie in two corners; each parameter alone shows both ends.
    let space =
        SearchSpace::new([Parameter::float("x", 0.0, 1.0), Parameter::float("y", 0.0, 1.0)])
            .unwrap();
    let at = |x: f64, y: f64| space.from_unit(&[x, y]);
    let good: Vec<Configuration> =
        (0..20).map(|k| f64::from(k % 2).mul_add(0.8, 0.1)).map(|x| at(x, x)).collect();
    let others: Vec<Configuration> =
        (0..100).map(|k| at(f64::from(k / 10) / 9.0, f64::from(k % 10) / 9.0)).collect();
    let split = Split { good: good.iter().collect(), others: others.iter().collect() };
    let same_corner = |multivariate: bool| {
        let settings = Tpe { multivariate, ..Tpe::default() };
        let search = settings.build(&Problem::new(space.clone())).unwrap();
        let mut rng = Streams::new(1).at("draws", 0);
        let densities = search.densities(&space, &split);
        let drawn = (0..200).map(|_| search.draw(&space, &densities, &mut rng).unwrap());
        drawn
            .filter(|trial| (trial.float("x").unwrap() - trial.float("y").unwrap()).abs() < 0.5)
            .count()
    };
    let (alone, jointly) = (same_corner(false), same_corner(true));
    assert!(alone < 130 && jointly > 190, "alone {alone}, jointly {jointly}");
}

#[test]
fn without_repeats_every_row_of_a_table_is_proposed_once() {
    let space =
        SearchSpace::new([Parameter::float("x", 0.0, 1.0), Parameter::int("n", 1, 3)]).unwrap();
    let grid = Arc::new(Grid::new(&space, GridSize::Resolution(4)).unwrap());
    let run = |repeats: bool| {
        let problem = Problem { grid: Some(Arc::clone(&grid)), ..Problem::new(space.clone()) };
        let mut study = Study::builder(space.clone())
            .problem(problem)
            .configured(Tpe { repeats, ..Tpe::default() })
            .build()
            .unwrap();
        let mut rows = HashSet::new();
        study
            .optimize(grid.len() + 2, |trial| {
                rows.insert(grid.nearest(trial).unwrap());
                trial.float("x")
            })
            .unwrap();
        rows.len()
    };
    assert_eq!(run(false), grid.len());
    assert!(run(true) < grid.len());
}

#[test]
fn what_is_left_of_a_table_is_taken_by_the_ratio_of_the_densities() {
    let space = SearchSpace::new([
        Parameter::categorical("kind", ["a", "b"]),
        Parameter::float("x", 0.0, 1.0).when("kind", ["a"]),
        Parameter::float("y", 0.0, 1.0),
    ])
    .unwrap();
    let search =
        Tpe { repeats: false, ..Tpe::default() }.build(&Problem::new(space.clone())).unwrap();
    let all: Vec<Configuration> = (0..60)
        .map(|index| {
            let unit = [(index % 2) as f64 * 0.9, (index % 7) as f64 / 7.0, index as f64 / 60.0];
            space.from_unit(&unit)
        })
        .collect();
    // Good is `a` with a small x, whatever y.
    let is_good = |trial: &&Configuration| trial.float("x").is_ok_and(|x| x < 0.3);
    let (good, others) = all.iter().partition(is_good);
    let densities = search.densities(&space, &Split { good, others });
    let left: Vec<Configuration> =
        [[0.9, 0.5, 0.5], [0.0, 0.8, 0.5], [0.0, 0.1, 0.5], [0.0, 0.5, 0.5]]
            .iter()
            .map(|unit| space.from_unit(unit))
            .collect();
    let left: Vec<&Configuration> = left.iter().collect();
    assert_eq!(search.likeliest(&left, &densities), left[2]);
    assert_eq!(search.likeliest(&left[..1], &densities), left[0]);
}

#[test]
fn settings_out_of_range_are_refused() {
    let refused = |settings: Tpe, rule: &str| {
        let error = settings.build(&Problem::new(mixed())).err().unwrap().to_string();
        assert_eq!(error, format!("optimizer `tpe`: {rule}"));
    };
    let tpe = Tpe::default;
    refused(Tpe { candidates: 0, ..tpe() }, "`candidates` must be at least 1, found 0");
    refused(Tpe { gamma: 0.0, ..tpe() }, "`gamma` must be in (0, 1], found 0");
    refused(Tpe { gamma: f64::NAN, ..tpe() }, "`gamma` must be in (0, 1], found NaN");
    refused(Tpe { most_good: 0, ..tpe() }, "`most-good` must be at least 1, found 0");
    refused(Tpe { prior_weight: 0.0, ..tpe() }, "`prior-weight` must be above 0, found 0");
}
