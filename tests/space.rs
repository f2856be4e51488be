//! Search spaces: properties of arbitrary ones, exactness at the extremes, and how each malformed one is
//! refused.

use std::collections::HashSet;
use std::path::Path;

use hyperq::space::{
    Choice, Configuration, Domain, Grid, GridSize, Parameter, SearchSpace, SpaceDocument, Value,
};
use hyperq::surface::open;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;
use serde_json::json;

// ---- Arbitrary valid domains and spaces ------------------------------------------------------------

fn float(low: f64, high: f64, log: bool, step: Option<f64>) -> Domain {
    Domain::Float { low, high, log, step }
}

fn int(low: i64, high: i64, log: bool, step: i64) -> Domain {
    Domain::Int { low, high, log, step }
}

/// Numbers of every magnitude and both signs.
fn magnitudes() -> impl Strategy<Value = f64> {
    (-1.0f64..1.0, -300i32..300).prop_map(|(mantissa, exponent)| mantissa * 10f64.powi(exponent))
}

fn floats() -> impl Strategy<Value = Domain> {
    let ends = prop_oneof![magnitudes(), -10.0f64..10.0, Just(0.0), Just(1.0)];
    (ends.clone(), ends, any::<bool>()).prop_filter_map("the bounds differ", |(a, b, log)| {
        let (a, b) = if log { (a.abs(), b.abs()) } else { (a, b) };
        let log = log && a.min(b) > 0.0 && a.min(b).ln() < a.max(b).ln();
        (a != b).then(|| float(a.min(b), a.max(b), log, None))
    })
}

/// Stepped floats with up to 2^40 values, a step that seldom ends at the upper bound, and one value.
fn stepped_floats() -> impl Strategy<Value = Domain> {
    let low = prop_oneof![Just(0.0), magnitudes(), -10.0f64..10.0];
    (low, 0.001f64..1.0, -39i32..3).prop_filter_map("the step is coarse enough", |(low, a, e)| {
        let scale = if low == 0.0 { 1.0 } else { low.abs() };
        let step = scale * 2f64.powi(e);
        let high = low + scale * a;
        (low < high && step >= low.abs().max(high.abs()) / 2f64.powi(40))
            .then(|| float(low, high, false, Some(step)))
    })
}

fn ints() -> impl Strategy<Value = Domain> {
    let limit = (1i64 << 50) - 1;
    let low = prop_oneof![-20i64..20, -limit..limit];
    let width = prop_oneof![1i64..30, 1..limit];
    let step = prop_oneof![Just(1i64), 1i64..12, 1..limit];
    (low, width, step).prop_filter_map("within the limits", move |(low, width, step)| {
        (low + width <= limit).then(|| int(low, low + width, false, step))
    })
}

fn log_ints() -> impl Strategy<Value = Domain> {
    let low = prop_oneof![1i64..20, 1i64..(1 << 40)];
    let width = prop_oneof![1i64..30, 1i64..(1 << 40)];
    (low, width)
        .prop_map(|(low, width)| int(low.min((1 << 40) - 1), (low + width).min(1 << 40), true, 1))
}

/// Choices of every kind, distinct when printed.
fn categoricals() -> impl Strategy<Value = Domain> {
    let choices = vec![
        Choice::Null,
        Choice::Bool(true),
        Choice::Bool(false),
        Choice::Int(-3),
        Choice::Int(1),
        Choice::Float(0.1),
        Choice::Float(-1e300),
        Choice::Float(2.0),
        Choice::Text("rbf".into()),
        Choice::Text("RBF".into()),
        Choice::Text("a, \"b\"=\u{e9}\n".into()),
    ];
    proptest::sample::subsequence(choices, 1..=5)
        .prop_shuffle()
        .prop_map(|choices| Domain::Categorical { choices })
}

fn domains() -> impl Strategy<Value = Domain> {
    prop_oneof![
        2 => floats(),
        2 => stepped_floats(),
        2 => ints(),
        1 => log_ints(),
        4 => categoricals(),
    ]
}

/// Domains of at most a few values when they are discrete, for grids.
fn small_domains() -> impl Strategy<Value = Domain> {
    prop_oneof![
        1 => floats(),
        1 => (1i32..6).prop_map(|n| float(-0.5, -0.5 + 0.1 * f64::from(n), false, Some(0.1))),
        1 => (1i64..7, 1i64..9).prop_map(|(width, step)| int(-2, -2 + width, false, step)),
        1 => (1i64..4, 1i64..40).prop_map(|(low, width)| int(low, low + width, true, 1)),
        3 => categoricals(),
    ]
}

/// A space of the given domains in which parameters depend on up to two others that are categorical, at
/// any depth, declared in any order.
fn spaces(
    domain: impl Strategy<Value = Domain>,
    most: usize,
) -> impl Strategy<Value = SearchSpace> {
    let parameter = (domain, proptest::collection::vec((any::<Index>(), any::<u8>()), 0..3));
    proptest::collection::vec(parameter, 1..=most)
        .prop_map(|drawn| {
            let mut parameters: Vec<Parameter> = Vec::new();
            for (i, (domain, conditions)) in drawn.into_iter().enumerate() {
                let mut parameter = Parameter::new(format!("p{i}"), domain);
                let parents: Vec<(&String, &Vec<Choice>)> = parameters
                    .iter()
                    .filter_map(|earlier| match &earlier.domain {
                        Domain::Categorical { choices } => Some((&earlier.name, choices)),
                        _ => None,
                    })
                    .collect();
                for (parent, mask) in conditions {
                    if parents.is_empty() {
                        continue;
                    }
                    let (name, choices) = parents[parent.index(parents.len())];
                    let mut wanted: Vec<Choice> = (0..choices.len())
                        .filter(|bit| mask >> bit & 1 == 1)
                        .map(|bit| choices[bit].clone())
                        .collect();
                    if wanted.is_empty() {
                        wanted = vec![choices[0].clone()];
                    }
                    if parameter.condition.iter().all(|(other, _)| other != name) {
                        parameter = parameter.when(name.clone(), wanted);
                    }
                }
                parameters.push(parameter);
            }
            parameters
        })
        .prop_shuffle()
        .prop_map(|parameters| SearchSpace::new(parameters).unwrap())
}

/// A point of the unit cube of up to eight dimensions, its faces and corners included.
fn points() -> impl Strategy<Value = Vec<f64>> {
    let coordinate = prop_oneof![6 => 0.0f64..=1.0, 1 => Just(0.0), 1 => Just(1.0)];
    proptest::collection::vec(coordinate, 8)
}

// ---- What they are held to, said once more and independently ------------------------------------------

/// Whether a value is of a domain.
fn contains(domain: &Domain, value: Value) -> bool {
    match (domain, value) {
        (Domain::Float { low, high, step, .. }, Value::Float(x)) => {
            let k = step.map_or(0.0, |step| ((x - low) / step).round());
            let off = step.map_or(0.0, |step| ((low + k * step - x) / step).abs());
            (*low..=*high).contains(&x) && off < 2e-3
        }
        (Domain::Int { low, high, step, .. }, Value::Int(x)) => {
            (*low..=*high).contains(&x) && (x - low) % step == 0
        }
        (Domain::Categorical { choices }, Value::Category(index)) => index < choices.len(),
        _ => false,
    }
}

/// Whether exactly those parameters have a value whose conditions hold, and each one of its domain.
fn belongs(space: &SearchSpace, configuration: &Configuration) -> bool {
    space.parameters().iter().all(|parameter| {
        let active = parameter.condition.iter().all(|(parent, choices)| {
            configuration.choice(parent).is_ok_and(|choice| choices.contains(choice))
        });
        match configuration.get(&parameter.name).unwrap() {
            Some(value) => active && contains(&parameter.domain, value),
            None => !active,
        }
    })
}

/// Up to 40 values of a discrete domain by their number, both ends included; none for a continuous one.
fn some_values(domain: &Domain) -> Vec<(u64, Value)> {
    let Some(count) = domain.cardinality() else { return Vec::new() };
    (0..count.min(20))
        .chain(count.saturating_sub(20).max(20)..count)
        .map(|k| {
            let value = match domain {
                Domain::Float { low, high, step, .. } => {
                    let x = low + k as f64 * step.unwrap();
                    let units = 4.0 * f64::EPSILON * low.abs().max(high.abs());
                    let near = units.max(1e-9 * (high - low)).min(1e-3 * step.unwrap());
                    Value::Float(if x < high - near { x } else { *high })
                }
                Domain::Int { low, step, .. } => Value::Int(low + step * k as i64),
                Domain::Categorical { .. } => Value::Category(k as usize),
            };
            (k, value)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_discrete_value_comes_back_from_the_unit_interval(domain in domains()) {
        let mut last = -1.0;
        let values = some_values(&domain);
        for (k, value) in &values {
            let unit = domain.to_unit(*value);
            prop_assert!(last < unit && unit <= 1.0, "number {k}, {value:?} at {unit}");
            prop_assert_eq!(domain.from_unit(unit), *value, "number {}", k);
            last = unit;
        }
        if let (Some((_, first)), Some((_, last))) = (values.first(), values.last()) {
            prop_assert_eq!(domain.from_unit(0.0), *first);
            prop_assert_eq!(domain.from_unit(1.0), *last);
        }
    }

    #[test]
    fn every_point_is_a_configuration_of_the_space_and_finds_its_way_back(
        space in spaces(domains(), 8),
        point in points(),
    ) {
        let configuration = space.from_unit(&point[..space.len()]);
        prop_assert!(belongs(&space, &configuration), "{configuration}");
        let unit = space.to_unit(&configuration);
        prop_assert!(unit.iter().all(|u| (0.0..=1.0).contains(u)), "{unit:?}");
        prop_assert_eq!(&space.from_unit(&unit), &configuration);
        let named = space
            .parameters()
            .iter()
            .zip(configuration.values())
            .filter_map(|(parameter, value)| Some((parameter.name.as_str(), (*value)?)));
        prop_assert_eq!(&space.configuration(named).unwrap(), &configuration);
    }

    #[test]
    fn spaces_and_configurations_come_back_from_json(
        space in spaces(domains(), 6),
        point in points(),
    ) {
        let text = serde_json::to_string_pretty(&json!({
            "name": "arbitrary",
            "objective": {"name": "error", "direction": "minimize"},
            "parameters": &space,
        }))
        .unwrap();
        let document: SpaceDocument = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&document.parameters, &space);
        let again = serde_json::to_string(&document).unwrap();
        prop_assert_eq!(&serde_json::from_str::<SpaceDocument>(&again).unwrap(), &document);

        let configuration = space.from_unit(&point[..space.len()]);
        let text = serde_json::to_string(&configuration).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let back = Configuration::from_json(&document.parameters, &json).unwrap();
        prop_assert_eq!(&back, &configuration);
        prop_assert_eq!(json.as_object().unwrap().len(), configuration.entries().count());
    }

    #[test]
    fn a_value_too_many_or_too_few_is_refused(space in spaces(domains(), 6), point in points()) {
        let configuration = space.from_unit(&point[..space.len()]);
        for (i, parameter) in space.parameters().iter().enumerate() {
            let mut values = configuration.values().to_vec();
            let rule = match values[i].take() {
                Some(_) => "is active and needs a value, found none",
                None => {
                    values[i] = Some(parameter.domain.from_unit(0.5));
                    "is inactive here and takes no value, found "
                }
            };
            let named = space
                .parameters()
                .iter()
                .zip(values)
                .filter_map(|(parameter, value)| Some((parameter.name.as_str(), value?)));
            let error = space.configuration(named).unwrap_err().to_string();
            // Without a parent its children must not have a value: whichever comes first is named.
            prop_assert!(
                error.contains(&format!("`{}`: {rule}", parameter.name))
                    || error.contains("is inactive here and takes no value"),
                "{}", error
            );
        }
    }

    #[test]
    fn grids_hold_each_combination_of_levels_once(
        space in spaces(small_domains(), 4),
        resolution in 1usize..4,
    ) {
        let grid = Grid::new(&space, GridSize::Resolution(resolution)).unwrap();
        let rows: HashSet<Configuration> = grid.configurations().iter().cloned().collect();
        prop_assert_eq!(rows.len(), grid.len());
        for (index, row) in grid.configurations().iter().enumerate() {
            prop_assert!(belongs(&space, row), "{row}");
            prop_assert_eq!(grid.position(row), Some(index));
        }
        // Every combination of levels, active or not: what is left after inactive ones are ignored.
        let mut units: Vec<Vec<f64>> = vec![vec![]];
        for parameter in space.parameters() {
            let levels = parameter.domain.levels(resolution);
            if !matches!(parameter.domain, Domain::Categorical { .. }) {
                prop_assert!((1..=resolution).contains(&levels.len()), "{levels:?}");
            }
            units = units
                .iter()
                .flat_map(|unit| {
                    levels.iter().map(|level| {
                        unit.iter().copied().chain([parameter.domain.to_unit(*level)]).collect()
                    })
                })
                .collect();
        }
        let all: HashSet<Configuration> = units.iter().map(|unit| space.from_unit(unit)).collect();
        prop_assert_eq!(rows, all);
    }

    #[test]
    fn a_grid_of_limited_size_is_the_finest_that_fits(
        space in spaces(small_domains(), 4),
        limit in 1usize..80,
    ) {
        let grid = Grid::new(&space, GridSize::AtMost(limit)).unwrap();
        let rows: HashSet<&Configuration> = grid.configurations().iter().collect();
        prop_assert_eq!(rows.len(), grid.len());
        prop_assert!((1..=limit).contains(&grid.len()));
        prop_assert!(grid.configurations().iter().all(|row| belongs(&space, row)));
        let full = |resolution| Grid::new(&space, GridSize::Resolution(resolution)).unwrap();
        let finest = (2..=256).take_while(|&r| full(r).len() <= limit).last();
        if let Some(resolution) = finest {
            let full = full(resolution);
            prop_assert_eq!(grid.configurations(), full.configurations());
        }
    }

    #[test]
    fn a_move_changes_one_parameter_by_one_step_and_can_be_undone(
        space in spaces(small_domains(), 4),
        resolution in 1usize..4,
    ) {
        let grid = Grid::new(&space, GridSize::Resolution(resolution)).unwrap();
        assert_moves(&space, &grid, &|p| space.parameters()[p].domain.levels(resolution));
    }
}

/// Every move of a grid changes its parameter to the next level and nothing else that stays active, and
/// the opposite move leads back.
fn assert_moves(space: &SearchSpace, grid: &Grid, levels: &dyn Fn(usize) -> Vec<Value>) {
    let active =
        |row: usize| -> Vec<bool> { grid.get(row).values().iter().map(Option::is_some).collect() };
    for p in 0..space.len() {
        let all = levels(p);
        // A level that no row has is none of the grid.
        let levels: Vec<Value> = all
            .into_iter()
            .filter(|level| grid.configurations().iter().any(|row| row.values()[p] == Some(*level)))
            .collect();
        let circle =
            matches!(space.parameters()[p].domain, Domain::Categorical { .. }) && levels.len() > 2;
        for from in 0..grid.len() {
            for (action, up) in [(2 * p, false), (2 * p + 1, true)] {
                let expected = grid.get(from).values()[p].and_then(|value| {
                    let at = levels.iter().position(|level| *level == value).unwrap() as i64;
                    let to = if up { at + 1 } else { at - 1 };
                    let last = levels.len() as i64;
                    let to = if circle { to.rem_euclid(last) } else { to };
                    (0..last).contains(&to).then(|| levels[to as usize])
                });
                let what = || format!("move {action} from {}", grid.get(from));
                let to = grid.step(from, action);
                assert_eq!(to.and_then(|to| grid.get(to).values()[p]), expected, "{}", what());
                assert_eq!(to.is_some(), expected.is_some(), "{}", what());
                let Some(to) = to else { continue };
                for q in (0..space.len()).filter(|&q| q != p) {
                    let (before, after) = (grid.get(from).values()[q], grid.get(to).values()[q]);
                    assert!(
                        before == after || before.is_none() || after.is_none(),
                        "{} leads to {}",
                        what(),
                        grid.get(to)
                    );
                }
                let back = grid.step(to, action ^ 1).unwrap();
                assert_eq!(grid.get(back).values()[p], grid.get(from).values()[p], "{}", what());
                // What was inactive in between has forgotten its value.
                if active(from) == active(to) {
                    assert_eq!(back, from, "{} and back", what());
                }
            }
        }
    }
}

// ---- Extremes --------------------------------------------------------------------------------------

/// The message with which a space of one parameter `x` is refused.
fn refused(domain: Domain) -> String {
    match SearchSpace::new([Parameter::new("x", domain.clone())]) {
        Ok(_) => panic!("{domain:?} was accepted"),
        Err(error) => {
            let message = error.to_string();
            let rule = message.strip_prefix("search space: parameter `x`: ");
            rule.unwrap_or_else(|| panic!("`{message}` does not name the parameter")).to_owned()
        }
    }
}

/// Checks that a domain is accepted and that a value of it comes back from the unit interval.
fn exact(domain: &Domain, value: Value) {
    let space = SearchSpace::new([Parameter::new("x", domain.clone())]).unwrap();
    let configuration = space.configuration([("x", value)]).unwrap();
    assert_eq!(configuration.values(), [Some(value)], "{domain:?}");
    let unit = space.to_unit(&configuration);
    assert_eq!(space.from_unit(&unit), configuration, "{domain:?} at {unit:?}");
}

#[test]
fn integers_are_exact_up_to_the_limit_and_refused_beyond() {
    let limit = (1i64 << 50) - 1;
    for value in [-limit, 1 - limit, -1, 0, 1, 12_345_678_901, limit - 1, limit] {
        exact(&int(-limit, limit, false, 1), Value::Int(value));
    }
    for k in [0, 1, limit / 3, 2 * limit / 3] {
        exact(&int(-limit, limit, false, 3), Value::Int(-limit + 3 * k));
    }
    let rule = "integers must lie strictly between -2^50 and 2^50, found ";
    for (low, high) in [(-limit - 1, 0), (0, limit + 1), (i64::MIN, i64::MAX), (0, i64::MAX)] {
        assert_eq!(refused(int(low, high, false, 1)), format!("{rule}low {low}, high {high}"));
    }
}

#[test]
fn integers_on_a_log_scale_are_exact_up_to_the_limit_and_refused_beyond() {
    let limit = 1i64 << 40;
    for domain in [int(1, limit, true, 1), int(limit - 9, limit, true, 1), int(77, limit, true, 1)]
    {
        for value in (limit - 9..=limit).chain(
            [limit - 1_000_003 * 9]
                .into_iter()
                .filter(|value| matches!(domain, Domain::Int { low, .. } if low <= *value)),
        ) {
            exact(&domain, Value::Int(value));
        }
    }
    for value in [1, 2, 3, 1 << 20, (1 << 39) - 1, 1 << 39] {
        exact(&int(1, limit, true, 1), Value::Int(value));
    }
    assert_eq!(
        refused(int(1, limit + 1, true, 1)),
        "integers on a log scale must be at most 2^40, found high 1099511627777"
    );
}

#[test]
fn steps_of_floats_are_exact_down_to_the_limit_and_refused_beyond() {
    let step = 2f64.powi(-40);
    for k in [0.0, 1.0, 2.0, 1e9, 2f64.powi(40) - 1.0, 2f64.powi(40)] {
        exact(&float(0.0, 1.0, false, Some(step)), Value::Float(k * step));
        exact(&float(-1.0, 1.0, false, Some(step)), Value::Float(-1.0 + k * step));
    }
    // The spacing of floats near 1e8 is 1.5e-8: 0.1 is far from its multiples, and yet 3 steps fit.
    let domain = float(1e8, 1e8 + 0.3, false, Some(0.1));
    assert_eq!(domain.cardinality(), Some(4));
    exact(&domain, Value::Float(1e8 + 0.3));
    // 1e7 steps of a tenth of a millionth end at 1, though 1 / 1e-7 is no integer in every rounding.
    assert_eq!(float(0.0, 1.0, false, Some(1e-7)).cardinality(), Some(10_000_001));
    assert_eq!(float(0.0, 0.7, false, Some(1e-9)).cardinality(), Some(700_000_001));
    exact(&float(0.0, 1e-320, false, Some(5e-324)), Value::Float(1.5e-323));
    exact(&float(-1e308, 7e307, false, Some(1e307)), Value::Float(7e307));

    let rule = "step must be at least 2^-40 of the larger bound's magnitude, found ";
    for (low, high, step) in [
        (0.0, 1.0, step.next_down()),
        (1e16, 1e16 + 64.0, 0.5),
        (-1e300, 0.0, 1.0),
        (0.0, 1.0, 5e-324),
    ] {
        assert_eq!(
            refused(float(low, high, false, Some(step))),
            format!("{rule}step {step:?}, low {low:?}, high {high:?}")
        );
    }
}

#[test]
fn a_number_between_two_steps_is_refused_however_fine_they_are() {
    let space = |step: f64| {
        SearchSpace::new([Parameter::new("x", float(0.0, 1.0, false, Some(step)))]).unwrap()
    };
    for step in [0.1, 1e-4, 1e-8, 1e-9, 1e-11] {
        let (space, at) = (space(step), 0.5 + 0.01 * step);
        let error = space.configuration([("x", Value::Float(at))]).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "configuration: parameter `x`: must be 0 plus a multiple of {step}, found {at}"
            )
        );
        let near = space.configuration([("x", Value::Float(0.5 + 1e-4 * step.min(1e-6)))]).unwrap();
        assert_eq!(near, space.configuration([("x", Value::Float(0.5))]).unwrap());
    }
}

#[test]
fn continuous_bounds_of_any_magnitude_are_exact() {
    let domains = [
        float(0.0, 5e-324, false, None),
        float(1.0, 1.0f64.next_up(), false, None),
        float(-8e307, 8e307, false, None),
        float(1e16, 1e16 + 8.0, false, None),
        float(5e-324, f64::MAX, true, None),
        float(1e300, 1.001e300, true, None),
        float(5e-324, 1e-323, true, None),
    ];
    for domain in domains {
        let Domain::Float { low, high, .. } = domain else { unreachable!("all are floats") };
        exact(&domain, Value::Float(low));
        exact(&domain, Value::Float(high));
        for k in 0..=64 {
            exact(&domain, domain.from_unit(f64::from(k) / 64.0));
        }
    }
    assert_eq!(
        refused(float(1e300, 1e300f64.next_up(), true, None)),
        "a log scale needs bounds with different logarithms in 64-bit floats, \
         found low 1e300, high 1.0000000000000002e300"
    );
}

// ---- Refusals --------------------------------------------------------------------------------------

#[test]
fn domains_without_a_sound_meaning_are_refused() {
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    let order = "low must be below high (a constant is a categorical with one choice), found ";
    let cases = [
        (float(1.0, 1.0, false, None), format!("{order}low 1, high 1")),
        (float(2.0, 1.0, false, None), format!("{order}low 2, high 1")),
        (float(0.0, -0.0, false, None), format!("{order}low 0, high -0")),
        (float(nan, 1.0, false, None), "bounds must be finite, found low NaN, high 1".into()),
        (float(0.0, nan, false, None), "bounds must be finite, found low 0, high NaN".into()),
        (float(0.0, inf, false, None), "bounds must be finite, found low 0, high inf".into()),
        (float(-inf, 0.0, true, None), "bounds must be finite, found low -inf, high 0".into()),
        (
            float(-1e308, 1e308, false, None),
            format!("high - low must be finite, found low {}, high {}", -1e308, 1e308),
        ),
        (float(0.0, 1.0, true, None), "a log scale needs low > 0, found low 0".into()),
        (float(-1.0, 1.0, true, None), "a log scale needs low > 0, found low -1".into()),
        (float(1.0, 2.0, true, Some(0.5)), "a log scale takes no step, found step 0.5".into()),
        (float(0.0, 1.0, false, Some(0.0)), "step must be finite and positive, found 0".into()),
        (float(0.0, 1.0, false, Some(-1.0)), "step must be finite and positive, found -1".into()),
        (float(0.0, 1.0, false, Some(nan)), "step must be finite and positive, found NaN".into()),
        (float(0.0, 1.0, false, Some(inf)), "step must be finite and positive, found inf".into()),
        (int(3, 3, false, 1), format!("{order}low 3, high 3")),
        (int(3, 2, true, 1), format!("{order}low 3, high 2")),
        (int(0, 9, true, 1), "a log scale needs low > 0, found low 0".into()),
        (int(1, 9, true, 2), "a log scale takes no step, found step 2".into()),
        (int(1, 9, false, 0), "step must be at least 1, found 0".into()),
        (int(1, 9, false, -1), "step must be at least 1, found -1".into()),
        (
            Domain::Categorical { choices: vec![] },
            "a categorical needs at least one choice, found no choices".into(),
        ),
        (
            Domain::Categorical { choices: vec![1.into(), 2.into(), 1.into()] },
            "choices must be distinct, found `1` twice".into(),
        ),
        (
            Domain::Categorical { choices: vec![1.into(), 1.0.into()] },
            "choices must be distinct, found `1` twice".into(),
        ),
        (
            Domain::Categorical { choices: vec![nan.into()] },
            "a choice that is a number must be finite, found NaN".into(),
        ),
    ];
    for (domain, expected) in cases {
        assert_eq!(refused(domain), expected);
    }
    let rounded = Parameter::int("x", 0, 9).step(0.4);
    assert_eq!(refused(rounded.domain), "step must be at least 1, found 0");
}

#[test]
fn spaces_whose_parameters_do_not_fit_together_are_refused() {
    let on = || Parameter::categorical("a", ["on", "off"]);
    let x = || Parameter::float("x", 0.0, 1.0);
    let cases = [
        (vec![], "parameter ``: a search space needs at least one parameter, found none"),
        (
            vec![on(), Parameter::int("", 0, 1)],
            "parameter ``: a name must not be empty, found parameter number 2",
        ),
        (vec![x(), on(), x()], "parameter `x`: names must be unique, found the name twice"),
        (
            vec![on(), x().when("b", ["on"])],
            "parameter `x`: a condition must name a parameter of the space, found `b`",
        ),
        (
            vec![on(), x(), Parameter::int("y", 0, 1).when("x", [1])],
            "parameter `y`: a condition's parent must be categorical, found `x`, which is a number",
        ),
        (
            vec![on(), x().when("a", ["on", "of"])],
            "parameter `x`: a condition on `a` must use its choices `on`, `off`, found `of`",
        ),
        (
            vec![on(), x().when("a", Vec::<Choice>::new())],
            "parameter `x`: a condition on `a` needs at least one choice, found none",
        ),
        (
            vec![on(), x().when("a", ["on"]).when("a", ["off"])],
            "parameter `x`: a condition names each parent once, found `a` twice",
        ),
        (
            vec![on().when("a", ["on"])],
            "parameter `a`: conditions must not form a cycle, found a -> a",
        ),
        // `x` and `d` only depend on the cycle, of which neither is a part.
        (
            vec![
                x().when("d", [1]),
                Parameter::categorical("d", [1]).when("c", [1]),
                Parameter::categorical("c", [1]).when("b", [1]),
                Parameter::categorical("b", [1]).when("e", [1]).when("c", [1]),
                Parameter::categorical("e", [1]),
            ],
            "parameter `c`: conditions must not form a cycle, found c -> b -> c",
        ),
    ];
    for (parameters, expected) in cases {
        let error = SearchSpace::new(parameters).unwrap_err().to_string();
        assert_eq!(error, format!("search space: {expected}"));
    }
}

/// The error of a `space.json`, without its directory.
fn refused_file(text: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("space.json");
    std::fs::write(&path, text).unwrap();
    let error = SpaceDocument::read(&path).unwrap_err().to_string();
    error.replace(&format!("{}/", directory.path().display()), "")
}

#[test]
fn malformed_documents_are_refused_with_file_line_and_reason() {
    let cases = [
        (r#"{"name": "x", "type": "float", "low": 2, "high": 1}"#, "low must be below high"),
        (r#"{"name": "x", "type": "float", "high": 1}"#, "`x`: `low` is needed, found none"),
        (r#"{"name": "x", "type": "int", "low": 1}"#, "`x`: `high` is needed, found none"),
        (r#"{"name": "x", "type": "categorical"}"#, "`x`: `choices` are needed, found none"),
        (
            r#"{"name": "x", "type": "int", "low": 0.5, "high": 2}"#,
            "`x`: `low` of an int must be an integer, found 0.5",
        ),
        (
            r#"{"name": "x", "type": "int", "low": 0, "high": 1e16}"#,
            "`x`: `high` of an int must be an integer, found 1e+16",
        ),
        (
            r#"{"name": "x", "type": "float", "low": 0, "high": 1, "choices": [1]}"#,
            "`x`: a float parameter takes no `choices`, found `choices`",
        ),
        (
            r#"{"name": "x", "type": "categorical", "choices": [1], "log": false}"#,
            "`x`: a categorical parameter takes no `log`, found `log`",
        ),
        (
            r#"{"name": "x", "type": "categorical", "choices": [1, [2]]}"#,
            "did not match any variant of untagged enum Choice",
        ),
        (r#"{"name": "x", "type": "real", "low": 0, "high": 1}"#, "unknown variant `real`"),
        (r#"{"name": "x", "type": "int", "min": 0, "high": 1}"#, "unknown field `min`"),
        (r#"{"type": "int", "low": 0, "high": 1}"#, "missing field `name`"),
        (r#"["x", "int", 0, 1]"#, "invalid type: sequence, expected an object that describes a"),
        (r#"{"name": "x", "type": "float", "low": "0", "high": 1}"#, "invalid type: string"),
        (r#"{"name": "x", "type": "float", "low": 0, "high": 1e999}"#, "number out of range"),
        (r#"{"name": "x", "type": "int", "low": 0, "high": }"#, "expected value"),
        (
            r#"{"name": "x", "type": "int", "low": 0, "high": 1, "condition": {"y": [1]}}"#,
            "`x`: a condition must name a parameter of the space, found `y`",
        ),
        (
            r#"{"name": "x", "type": "int", "low": 0, "high": 1, "condition": {"a": [1], "a": [2]}}"#,
            "`x`: a condition names each parent once, found `a` twice",
        ),
    ];
    let head = "{\n\"name\": \"n\",\n\"objective\": {\"name\": \"e\", \"direction\": \"minimize\"},\n\
                \"parameters\": [\n{\"name\": \"a\", \"type\": \"categorical\", \"choices\": [1, 2]},\n";
    let tail = ",\n{\"name\": \"z\", \"type\": \"categorical\", \"choices\": [1]}\n]}";
    for (parameter, expected) in cases {
        let message = refused_file(&format!("{head}{parameter}{tail}"));
        // Rules of one parameter are seen on its line, those on how parameters depend on each other at
        // the end of the list.
        let line = if expected.contains("a condition") { 8 } else { 6 };
        let begin = format!("space.json:{line}: a space document is needed, found ");
        assert!(message.starts_with(&begin), "{message}");
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains(" at line "), "the place stands there once: {message}");
    }
    assert_eq!(
        refused_file(""),
        "space.json:1: a space document is needed, found EOF while parsing a value"
    );
    let truncated = refused_file("{\n\"name\": \"n\",\n\"objective\"");
    assert!(truncated.starts_with("space.json:3: a space document is needed, "), "{truncated}");
    assert!(refused_file("[]").contains("invalid length 0, expected struct SpaceDocument"));
    let missing = SpaceDocument::read("/nowhere/space.json").unwrap_err();
    assert!(matches!(missing, hyperq::Error::Io { .. }), "{missing}");
}

#[test]
fn configurations_that_leave_the_space_are_refused() {
    let space = SearchSpace::new([
        Parameter::categorical("kernel", ["rbf", "poly"]),
        Parameter::float("gamma", 0.5, 2.0).log().when("kernel", ["rbf"]),
        Parameter::int("degree", 2, 8).step(2.0).when("kernel", ["poly"]),
    ])
    .unwrap();
    let unknown = "unknown parameter `gama`; did you mean `gamma`? \
                   the space has `kernel`, `gamma`, `degree`";
    let cases = [
        (json!([]), "parameter ``: a configuration must be a JSON object, found []"),
        (json!({}), "parameter `kernel`: is active and needs a value, found none"),
        (
            json!({"kernel": "RBF"}),
            "parameter `kernel`: must be one of `rbf`, `poly`, found \"RBF\"",
        ),
        (json!({"kernel": ["rbf"]}), "parameter `kernel`: must be a choice, found [\"rbf\"]"),
        (json!({"kernel": "rbf", "gama": 1}), unknown),
        (json!({"kernel": "rbf"}), "parameter `gamma`: is active and needs a value, found none"),
        (
            json!({"kernel": "rbf", "gamma": "1"}),
            "parameter `gamma`: must be a number, found \"1\"",
        ),
        (
            json!({"kernel": "rbf", "gamma": null}),
            "parameter `gamma`: must be a number, found null",
        ),
        (
            json!({"kernel": "rbf", "gamma": 2.5}),
            "parameter `gamma`: must lie in [0.5, 2], found 2.5",
        ),
        (
            json!({"kernel": "poly", "degree": 2.5}),
            "parameter `degree`: must be an integer, found 2.5",
        ),
        (
            json!({"kernel": "poly", "degree": 3}),
            "parameter `degree`: must be 2 plus a multiple of 2, found 3",
        ),
        (
            json!({"kernel": "poly", "degree": 10}),
            "parameter `degree`: must lie in [2, 8], found 10",
        ),
        (
            json!({"kernel": "poly", "degree": 4, "gamma": 1.0}),
            "parameter `gamma`: is inactive here and takes no value, found Float(1.0)",
        ),
    ];
    for (json, expected) in cases {
        let error = Configuration::from_json(&space, &json).unwrap_err().to_string();
        assert_eq!(error.strip_prefix("configuration: ").unwrap_or(&error), expected);
    }

    let cases = [
        (
            vec![("kernel", Value::Category(0)), ("gamma", Value::Float(f64::NAN))],
            "gamma",
            "must lie in [0.5, 2], found NaN",
        ),
        (
            vec![("kernel", Value::Category(0)), ("gamma", Value::Int(1))],
            "gamma",
            "must be a float, found Int(1)",
        ),
        (
            vec![("kernel", Value::Category(1)), ("degree", Value::Float(4.0))],
            "degree",
            "must be an integer, found Float(4.0)",
        ),
        (
            vec![("kernel", Value::Category(2))],
            "kernel",
            "must be one of 2 choices, found choice 2",
        ),
        (vec![("kernel", Value::Int(0))], "kernel", "must be a choice, found Int(0)"),
        (
            vec![("kernel", Value::Category(0)), ("kernel", Value::Category(0))],
            "kernel",
            "must be given once, found the name twice",
        ),
    ];
    for (values, name, expected) in cases {
        let error = space.configuration(values).unwrap_err().to_string();
        assert_eq!(error, format!("configuration: parameter `{name}`: {expected}"));
    }
}

#[test]
fn values_are_read_as_what_they_are() {
    let space = SearchSpace::new([
        Parameter::categorical("c", [Choice::from("text"), Choice::from(7)]),
        Parameter::float("x", 0.0, 1.0).when("c", ["text"]),
        Parameter::int("n", 0, 1).when("c", [7]),
    ])
    .unwrap();
    let text = space.from_unit(&[0.0, 0.5, 1.0]);
    let number = space.from_unit(&[1.0, 0.5, 1.0]);
    assert_eq!((text.text("c").unwrap(), text.float("x").unwrap()), ("text", 0.5));
    assert_eq!((number.int("n").unwrap(), number.float("n").unwrap()), (1, 1.0));
    assert_eq!(number.choice("c").unwrap(), &Choice::Int(7));
    let says = |result: hyperq::Result<()>, expected: &str| {
        let error = result.unwrap_err().to_string();
        assert_eq!(error, format!("configuration: parameter {expected}"));
    };
    says(text.int("n").map(drop), "`n`: must be an integer, found an inactive parameter");
    says(text.int("x").map(drop), "`x`: must be an integer, found Float(0.5)");
    says(text.float("c").map(drop), "`c`: must be a number, found Category(0)");
    says(number.float("x").map(drop), "`x`: must be a number, found an inactive parameter");
    says(number.choice("n").map(drop), "`n`: must be a choice, found Int(1)");
    says(number.text("c").map(drop), "`c`: must be a text, found 7");
    let error = text.get("y").unwrap_err().to_string();
    assert!(error.starts_with("unknown parameter `y`; "), "{error}");
}

#[test]
fn grids_out_of_range_are_refused() {
    let space =
        SearchSpace::new([Parameter::float("x", 0.0, 1.0), Parameter::float("y", 0.0, 1.0)])
            .unwrap();
    let cases = [
        (GridSize::Resolution(0), "`size` must be at least 1, found 0"),
        (GridSize::AtMost(0), "`size` must be at least 1, found 0"),
        (GridSize::AtMost(1 << 21), "`at-most` must be at most 1048576, found 2097152"),
        (
            GridSize::Resolution(1025),
            "`resolution` must be so small that the grid has at most 1048576 configurations, found 1025",
        ),
        (
            GridSize::Resolution(usize::MAX),
            "`resolution` must be so small that the grid has at most 1048576 configurations, \
             found 18446744073709551615",
        ),
    ];
    for (size, expected) in cases {
        let error = Grid::new(&space, size).unwrap_err().to_string();
        assert_eq!(error, format!("grid: {expected}"));
    }
    let error = Grid::from_configurations(&space, vec![]).unwrap_err().to_string();
    assert_eq!(error, "grid: `configurations` must be 1 to 1048576 in number, found 0");
    let row = |x: f64| space.from_unit(&[x, 0.0]);
    let error = Grid::from_configurations(&space, vec![row(0.0), row(1.0), row(0.0)])
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "configuration: parameter ``: configurations of a grid must be distinct, found x=0, y=0"
    );
}

// ---- A published space -----------------------------------------------------------------------------

#[test]
fn the_published_svm_space_has_its_rows_and_moves_on_them() {
    let Ok(root) = std::env::var("HYPERQ_DATA") else {
        println!("skipped: HYPERQ_DATA does not name the published tables");
        return;
    };
    let directory = Path::new(&root).join("svm");
    let space = SpaceDocument::read(directory.join("space.json")).unwrap().parameters;
    // Twelve levels of C, as many of gamma, and nine degrees.
    let full = Grid::new(&space, GridSize::Resolution(12)).unwrap();
    assert_eq!(full.len(), 12 * 12 + 12 * 9 + 12);

    let surface = open(&format!("{}#wine", directory.display())).unwrap().remove(0);
    let grid = surface.spec().grid.as_ref().unwrap();
    // Fourteen values of gamma that are not evenly spread.
    assert_eq!(grid.len(), 12 * 14 + 12 * 9 + 12);
    assert_eq!(grid.len(), 288);
    for row in grid.configurations() {
        assert!(belongs(&space, row), "{row}");
        let again = space.from_unit(&space.to_unit(row));
        for ((a, b), parameter) in row.values().iter().zip(again.values()).zip(space.parameters()) {
            match (a, b) {
                // A number that `from_unit` does not give has a neighbour that it gives.
                (Some(Value::Float(a)), Some(Value::Float(b))) => {
                    assert!((a - b).abs() <= 8.0 * f64::EPSILON * a, "{} of {row}", parameter.name);
                }
                _ => assert_eq!(a, b, "{} of {row}", parameter.name),
            }
        }
        let json = serde_json::to_value(row).unwrap();
        assert_eq!(&Configuration::from_json(&space, &json).unwrap(), row);
    }
    let levels = |p: usize| {
        let mut values: Vec<Value> =
            grid.configurations().iter().filter_map(|row| row.values()[p]).collect();
        let place = |value: &Value| match value {
            Value::Float(x) => *x,
            Value::Int(n) => *n as f64,
            Value::Category(index) => *index as f64,
        };
        values.sort_by(|a, b| place(a).total_cmp(&place(b)));
        values.dedup();
        values
    };
    assert_moves(&space, grid, &levels);
}
