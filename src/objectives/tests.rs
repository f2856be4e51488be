//! Fronts, ranks and hypervolumes against Optuna's (tests/fixtures/objectives.py) and against what they
//! mean.

use proptest::prelude::*;
use rand::RngExt;
use serde::Deserialize;

use super::*;
use crate::streams::Streams;
use crate::trial::Direction::{Maximize, Minimize};

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    directions: Vec<Direction>,
    points: Vec<Vec<f64>>,
    reference: Vec<f64>,
    front: Vec<usize>,
    ranks: Vec<usize>,
    hypervolume: f64,
}

#[track_caller]
fn close(found: f64, wanted: f64) {
    assert!((found - wanted).abs() <= 1e-10 * wanted.abs().max(1.0), "{found} is not {wanted}");
}

#[test]
fn fronts_ranks_and_hypervolumes_are_those_of_optuna() {
    let fixture: Fixture =
        serde_json::from_str(include_str!("../../tests/fixtures/objectives.json")).unwrap();
    assert_eq!(fixture.cases.len(), 37);
    for case in fixture.cases {
        assert_eq!(front(&case.points, &case.directions).unwrap(), case.front);
        assert_eq!(ranks(&case.points, &case.directions).unwrap(), case.ranks);
        let found = hypervolume(&case.points, &case.reference, &case.directions).unwrap();
        close(found, case.hypervolume);
    }
}

/// Points of small whole numbers, many of them equal, with directions.
fn points(objectives: std::ops::Range<usize>) -> impl Strategy<Value = Points> {
    objectives.prop_flat_map(|objectives| {
        let value = (0..6u8).prop_map(f64::from);
        let point = proptest::collection::vec(value, objectives);
        let direction = proptest::sample::select(vec![Minimize, Maximize]);
        (proptest::collection::vec(point, 0..20), proptest::collection::vec(direction, objectives))
    })
}

type Points = (Vec<Vec<f64>>, Vec<Direction>);

/// The reference that is worse than every value of [`points`] in every objective.
fn worst(directions: &[Direction]) -> Vec<f64> {
    directions.iter().map(|direction| if *direction == Minimize { 6.0 } else { -1.0 }).collect()
}

proptest! {
    #[test]
    fn no_point_dominates_one_of_the_front_and_the_front_dominates_all_others(
        (points, directions) in points(1..5),
    ) {
        let front = front(&points, &directions).unwrap();
        prop_assert!(front.is_sorted_by(|a, b| a < b));
        for (index, point) in points.iter().enumerate() {
            let mut members = front.iter().map(|member| &points[*member]);
            let dominated = members.any(|member| dominates(member, point, &directions));
            prop_assert_eq!(!dominated, front.contains(&index));
        }
    }

    #[test]
    fn a_rank_is_one_more_than_the_greatest_of_those_that_dominate(
        (points, directions) in points(1..5),
    ) {
        let ranks = ranks(&points, &directions).unwrap();
        for (index, point) in points.iter().enumerate() {
            let dominating = (0..points.len())
                .filter(|other| dominates(&points[*other], point, &directions))
                .map(|other| ranks[other] + 1)
                .max();
            prop_assert_eq!(ranks[index], dominating.unwrap_or(0));
        }
    }

    #[test]
    fn the_hypervolume_of_whole_numbers_is_a_count_of_unit_cubes(
        (points, directions) in points(1..5),
    ) {
        let volume = hypervolume(&points, &worst(&directions), &directions).unwrap();
        let objectives = directions.len() as u32;
        // The corner of a unit cube that is the best, as gains over the reference.
        let corner = |cube: u32| (0..objectives).map(move |j| f64::from(cube / 6u32.pow(j) % 6 + 1));
        let gain = |value: f64, direction: &Direction| match direction {
            Minimize => 6.0 - value,
            Maximize => value + 1.0,
        };
        let covered = (0..6u32.pow(objectives)).filter(|cube| {
            points.iter().any(|point| {
                let mut gains = point.iter().zip(&directions).zip(corner(*cube));
                gains.all(|((value, direction), corner)| gain(*value, direction) >= corner)
            })
        });
        prop_assert_eq!(volume, covered.count() as f64);
    }

    #[test]
    fn the_hypervolume_grows_with_every_point_and_has_no_order(
        seed in 0..1000u64,
        objectives in 1..6usize,
    ) {
        let mut rng = Streams::new(seed).at("points", 0);
        let mut points: Vec<Vec<f64>> =
            (0..9).map(|_| (0..objectives).map(|_| rng.random()).collect()).collect();
        for point in &mut points {
            // Points are visited by the last objective, in which some are equal.
            point[objectives - 1] = (3.0 * point[objectives - 1]).floor() / 4.0;
        }
        let directions = vec![Minimize; objectives];
        let reference = vec![0.9; objectives];
        let volume =
            |points: &[Vec<f64>]| hypervolume(points, &reference, &directions).unwrap();
        let mut smaller = 0.0;
        for count in 1..=points.len() {
            let larger = volume(&points[..count]);
            prop_assert!(larger >= smaller - 1e-12, "{larger} is less than {smaller}");
            smaller = larger;
        }
        points.rotate_left(4);
        points.swap(0, 2);
        prop_assert_eq!(volume(&points).to_bits(), smaller.to_bits());
        points.extend_from_within(..);
        prop_assert_eq!(volume(&points).to_bits(), smaller.to_bits());
        let front: Vec<Vec<f64>> = front(&points, &directions)
            .unwrap()
            .into_iter()
            .map(|index| points[index].clone())
            .collect();
        prop_assert_eq!(volume(&front).to_bits(), smaller.to_bits());
    }

    #[test]
    fn a_third_objective_that_is_equal_multiplies_the_area(
        (mut points, mut directions) in points(2..3),
    ) {
        let mut reference = worst(&directions);
        let area = hypervolume(&points, &reference, &directions).unwrap();
        points.iter_mut().for_each(|point| point.push(2.0));
        directions.push(Maximize);
        reference.push(-0.5);
        prop_assert_eq!(hypervolume(&points, &reference, &directions).unwrap(), 2.5 * area);
    }

    #[test]
    fn what_dominates_scores_higher_under_weights_above_zero(
        (points, directions) in points(1..5),
        seed in 0..1000u64,
    ) {
        let mut ranges = Ranges::new(&directions);
        for point in &points {
            ranges.include(point).unwrap();
        }
        let chebyshev = Chebyshev::draw(directions.len(), &mut Streams::new(seed).at("weights", 0));
        prop_assume!(chebyshev.weights().iter().all(|weight| *weight > 1e-9));
        let scores: Vec<_> =
            points.iter().map(|point| chebyshev.score(point, &ranges).unwrap()).collect();
        for (a, first) in points.iter().zip(&scores) {
            prop_assert!((-1.05 - 1e-12..=0.0).contains(&first.get()));
            for (b, second) in points.iter().zip(&scores) {
                prop_assert!(!dominates(a, b, &directions) || first > second);
            }
        }
    }
}

#[test]
fn weights_are_uniform_on_the_simplex() {
    // Of Dirichlet(1, 1, 1): means 1/3, variances 1/18; a share (1 - t)^2 of a weight exceeds t.
    let streams = Streams::new(3);
    let draws: Vec<Vec<f64>> = (0..20_000)
        .map(|trial| Chebyshev::draw(3, &mut streams.at("weights", trial)).weights().to_vec())
        .collect();
    for weights in &draws {
        assert!(weights.iter().all(|weight| *weight >= 0.0));
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-15);
    }
    for objective in 0..3 {
        let of = || draws.iter().map(|weights| weights[objective]);
        let mean = of().sum::<f64>() / draws.len() as f64;
        let variance = of().map(|w| (w - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        assert!((mean - 1.0 / 3.0).abs() < 0.01, "{mean}");
        assert!((variance - 1.0 / 18.0).abs() < 0.002, "{variance}");
        let beyond = of().filter(|weight| *weight > 0.6).count() as f64 / draws.len() as f64;
        assert!((beyond - 0.16).abs() < 0.01, "{beyond}");
    }
    assert_eq!(Chebyshev::draw(1, &mut streams.at("weights", 0)).weights(), [1.0]);
}

#[test]
fn a_score_is_the_greatest_weighted_loss_and_a_twentieth_of_their_sum() {
    let mut ranges = Ranges::new(&[Minimize, Maximize]);
    for point in [[1.0, 10.0], [5.0, 30.0]] {
        ranges.include(&point).unwrap();
    }
    let chebyshev = Chebyshev::draw(2, &mut Streams::new(1).at("weights", 0));
    let [first, second] = chebyshev.weights() else { panic!("{chebyshev:?}") };
    // The losses are a quarter and three quarters of the ranges.
    let weighted: [f64; 2] = [first * 0.25, second * 0.75];
    let wanted = -(weighted[0].max(weighted[1]) + 0.05 * (weighted[0] + weighted[1]));
    let found = chebyshev.score(&[2.0, 15.0], &ranges).unwrap().get();
    assert!((found - wanted).abs() < 1e-15, "{found} is not {wanted}");
    let worst = chebyshev.score(&[5.0, 10.0], &ranges).unwrap();
    assert!((worst.get() + first.max(*second) + 0.05).abs() < 1e-15);
    // Beyond the range counts, as far as its width.
    let score = |point: [f64; 2]| chebyshev.score(&point, &ranges).unwrap();
    assert!(score([6.0, 9.0]) < worst && score([0.5, 31.0]) > score([1.0, 30.0]));
    assert_eq!(score([99.0, -99.0]), score([9.0, -10.0]));
}

#[test]
fn an_objective_without_a_range_tells_nothing_apart() {
    let mut ranges = Ranges::new(&[Minimize, Minimize]);
    let chebyshev = Chebyshev::draw(2, &mut Streams::new(1).at("weights", 0));
    assert_eq!(chebyshev.score(&[3.0, 4.0], &ranges).unwrap().get(), 0.0);
    for value in [f64::MIN, f64::MAX] {
        ranges.include(&[value, 4.0]).unwrap();
    }
    let first = chebyshev.weights()[0];
    for (value, share) in [(f64::MIN, 0.0), (0.0, 0.5), (f64::MAX, 1.0)] {
        let found = chebyshev.score(&[value, 4.0], &ranges).unwrap().get();
        assert!((found + 1.05 * first * share).abs() < 1e-15, "{found}");
    }
}

#[test]
fn infinities_are_the_best_or_the_worst() {
    let directions = [Minimize, Maximize];
    let points = [
        vec![f64::INFINITY, 1.0],
        vec![0.0, 0.0],
        vec![f64::NEG_INFINITY, f64::NEG_INFINITY],
        vec![1.0, f64::INFINITY],
    ];
    assert_eq!(front(&points, &directions).unwrap(), [1, 2, 3]);
    let volume = |points: &[Vec<f64>]| hypervolume(points, &[2.0, -1.0], &directions).unwrap();
    assert_eq!(volume(&points[..3]), 2.0);
    assert_eq!(volume(&points), f64::INFINITY);
    let directions = [Minimize; 4];
    let points: Vec<Vec<f64>> = (0..4)
        .map(|j| (0..4).map(|i| if i == j { f64::NEG_INFINITY } else { 0.0 }).collect())
        .collect();
    assert_eq!(hypervolume(&points, &[1.0; 4], &directions).unwrap(), f64::INFINITY);
}

#[test]
fn a_volume_beyond_the_range_of_numbers_is_infinite() {
    let points = [vec![-1e200, -1e200, 0.0], vec![-0.9e200, -1e200, -1.0]];
    assert_eq!(hypervolume(&points, &[1.0; 3], &[Minimize; 3]).unwrap(), f64::INFINITY);
}

#[test]
fn zeros_of_either_sign_are_equal() {
    let points = [vec![0.0, 1.0], vec![-0.0, 1.0], vec![0.0, 2.0], vec![-0.0, 2.0]];
    assert_eq!(ranks(&points, &[Minimize, Minimize]).unwrap(), [0, 0, 1, 1]);
    assert_eq!(front(&points, &[Maximize, Minimize]).unwrap(), [0, 1]);
}

#[test]
fn what_is_at_the_reference_or_beyond_contributes_nothing() {
    let directions = [Minimize, Maximize];
    let points = [vec![1.0, 0.0], vec![0.0, 1.0], vec![0.5, 0.5], vec![-9.0, -0.1]];
    let volume = |points: &[Vec<f64>]| hypervolume(points, &[1.0, 0.0], &directions).unwrap();
    assert_eq!(volume(&points), 1.0);
    assert_eq!(volume(&points[..1]), 0.0);
    assert_eq!(volume(&[]), 0.0);
}

#[test]
fn points_that_do_not_fit_are_refused() {
    let directions = [Minimize, Minimize];
    for (point, found) in [(vec![1.0], "[1.0]"), (vec![1.0, f64::NAN], "[1.0, NaN]")] {
        let points = [vec![0.0, 0.0], point.clone()];
        let rule = format!("a point must be one number for each of 2 objectives, found {found}");
        for (what, refused) in [
            ("a Pareto front", front(&points, &directions).err()),
            ("ranks of domination", ranks(&points, &directions).err()),
            ("a hypervolume", hypervolume(&points, &[1.0, 1.0], &directions).err()),
            ("ranges of objectives", Ranges::new(&directions).include(&point).err()),
        ] {
            assert_eq!(refused.unwrap().to_string(), format!("{what} cannot be built: {rule}"));
        }
    }
    for reference in [vec![1.0], vec![1.0, f64::INFINITY]] {
        let error = hypervolume(&[], &reference, &directions).unwrap_err().to_string();
        assert!(error.contains("the reference point must be one finite number"), "{error}");
    }
    assert!(hypervolume(&[], &[], &[]).is_err());
    let mut ranges = Ranges::new(&directions);
    assert!(ranges.include(&[0.0, f64::INFINITY]).is_err());
    assert_eq!(ranges, Ranges::new(&directions));
    let chebyshev = Chebyshev::draw(3, &mut Streams::new(1).at("weights", 0));
    assert_eq!(
        chebyshev.score(&[0.0, 0.0], &ranges).unwrap_err().to_string(),
        "a Chebyshev scalarization cannot be built: there are 3 weights, with 2 objectives"
    );
}
