//! Every policy against its definition.

use proptest::prelude::*;

use super::*;

const DRAWS: u64 = 20_000;

fn policy(exploration: Exploration) -> Box<dyn Explore> {
    let all = Signals { counts: true, spread: true, members: true, incumbent: true };
    exploration.build("all", all).unwrap()
}

fn moment(trial: u64, episode: u64) -> Moment {
    Moment { trial, episode, streams: Streams::new(11) }
}

fn set(len: usize, actions: &[usize]) -> ActionSet {
    let mut set = ActionSet::none(len);
    actions.iter().for_each(|&action| set.insert(action));
    set
}

/// How often each action is chosen.
fn frequencies(policy: &mut dyn Explore, of: &Estimates, allowed: &ActionSet) -> Vec<f64> {
    let mut counts = vec![0.0; of.mean.len()];
    for draw in 0..DRAWS {
        let mut rng = Streams::new(5).at("choose", draw);
        counts[policy.choose(of, allowed, moment(0, draw), &mut rng)] += 1.0;
    }
    counts
}

/// Holds counts against probabilities by a chi-squared test that errs once in ten thousand; actions
/// of probability 0 must not occur. `critical` is the quantile for (possible actions - 1) degrees.
fn assert_distributed(counts: &[f64], probabilities: &[f64], critical: f64) {
    let mut chi = 0.0;
    for (&count, &p) in counts.iter().zip(probabilities) {
        let expected = p * DRAWS as f64;
        if p == 0.0 {
            assert_eq!(count, 0.0, "{counts:?}");
        } else {
            chi += (count - expected).powi(2) / expected;
        }
    }
    assert!(chi < critical, "{chi} of {counts:?}, expected {probabilities:?}");
}

/// The quantile 0.9999 of chi-squared with 1, 2, 3 degrees of freedom.
const CHI: [f64; 3] = [15.14, 18.42, 21.11];

fn mean(mean: &[f32]) -> Estimates {
    Estimates { mean: mean.to_vec(), ..Estimates::default() }
}

#[test]
fn softmax_draws_by_the_boltzmann_distribution_of_the_allowed_actions() {
    let q = [0.3f32, -0.5, 1.0, 0.9, 0.2];
    for temperature in [0.3f64, 1.0, 10.0] {
        let mut softmax =
            policy(Exploration::Softmax(Softmax { temperature: Schedule::Constant(temperature) }));
        let allowed = set(5, &[0, 1, 3, 4]);
        let weight = |a: usize| if a == 2 { 0.0 } else { (f64::from(q[a]) / temperature).exp() };
        let sum: f64 = (0..5).map(weight).sum();
        let expected: Vec<f64> = (0..5).map(|a| weight(a) / sum).collect();
        assert_distributed(&frequencies(softmax.as_mut(), &mean(&q), &allowed), &expected, CHI[2]);
    }
}

#[test]
fn epsilon_greedy_explores_uniformly_with_probability_epsilon() {
    let mut greedy =
        policy(Exploration::EpsilonGreedy(EpsilonGreedy { epsilon: Schedule::Constant(0.3) }));
    // The highest value of all is not allowed.
    let allowed = set(5, &[0, 1, 3]);
    let counts = frequencies(greedy.as_mut(), &mean(&[0.0, 0.5, 9.0, -1.0, 7.0]), &allowed);
    assert_distributed(&counts, &[0.1, 0.8, 0.0, 0.1, 0.0], CHI[1]);
}

#[test]
fn greedy_breaks_ties_evenly_and_takes_nan_for_the_lowest_value() {
    let mut greedy = policy(Exploration::Greedy(Greedy::default()));
    let tied = mean(&[1.0, 0.0, 1.0, f32::NAN, 1.0]);
    let third = 1.0 / 3.0;
    let counts = frequencies(greedy.as_mut(), &tied, &ActionSet::all(5));
    assert_distributed(&counts, &[third, 0.0, third, 0.0, third], CHI[1]);
    // Where nothing is known, anything goes.
    let counts = frequencies(greedy.as_mut(), &mean(&[f32::NAN; 3]), &ActionSet::all(3));
    assert_distributed(&counts, &[third; 3], CHI[1]);
}

#[test]
fn ucb_takes_unvisited_actions_first_and_then_the_highest_bound() {
    let bound = Ucb { coefficient: Schedule::Constant(1.0), bonus: Bonus::Counts };
    let mut ucb = policy(Exploration::Ucb(bound));
    let mut known = mean(&[5.0, 0.0, 0.0]);
    known.counts = vec![1.0, 0.0, 0.0];
    let counts = frequencies(ucb.as_mut(), &known, &ActionSet::all(3));
    assert_distributed(&counts, &[0.0, 0.5, 0.5], CHI[0]);
    // Trial 99: ln 100 = 4.60517, so the bounds are 0.5 + 0.67861 = 1.17861 (n = 10),
    // 0.2 + 0.95971 = 1.15971 (n = 5) and -0.35 + 1.51743 = 1.16743 (n = 2).
    let mut choose = |mean: [f32; 3], allowed: &[usize]| {
        let known =
            Estimates { mean: mean.to_vec(), counts: vec![10.0, 5.0, 2.0], ..Estimates::default() };
        let mut rng = Streams::new(0).at("choose", 0);
        ucb.choose(&known, &set(3, allowed), moment(99, 0), &mut rng)
    };
    assert_eq!(choose([0.5, 0.2, -0.35], &[0, 1, 2]), 0);
    assert_eq!(choose([0.5, 0.2, -0.35], &[1, 2]), 2);
    assert_eq!(choose([0.48, 0.2, -0.35], &[0, 1, 2]), 2);
    assert_eq!(choose([0.48, 0.21, -0.35], &[0, 1, 2]), 1);
}

#[test]
fn ucb_adds_the_weighted_spread() {
    let known = Estimates { spread: vec![0.0, 0.3, 0.5], ..mean(&[1.0, 0.8, 0.5]) };
    for (c, best) in [(0.0, 0), (0.9, 1), (1.6, 2)] {
        let bound = Ucb { coefficient: Schedule::Constant(c), bonus: Bonus::Auto };
        let mut ucb = policy(Exploration::Ucb(bound));
        let mut rng = Streams::new(0).at("choose", 0);
        assert_eq!(ucb.choose(&known, &ActionSet::all(3), moment(3, 0), &mut rng), best);
    }
}

/// Four members: three prefer action 0, one action 1; all prefer action 2, which is not allowed.
fn members() -> Estimates {
    let members = [[2.0, 1.0, 9.0], [2.0, 0.0, 9.0], [3.0, 1.0, 9.0], [0.0, 8.0, 9.0]].concat();
    Estimates { members, ..mean(&[1.75, 2.5, 9.0]) }
}

#[test]
fn thompson_sampling_draws_every_member_evenly() {
    for draw in [Draw::Trial, Draw::Episode] {
        let mut thompson = policy(Exploration::Thompson(Thompson { draw }));
        let counts = frequencies(thompson.as_mut(), &members(), &set(3, &[0, 1]));
        assert_distributed(&counts, &[0.75, 0.25, 0.0], CHI[0]);
    }
}

#[test]
fn thompson_sampling_without_members_draws_from_the_normal_distribution() {
    // P(N(0, 3^2) > N(2, 4^2)) = Phi(-2 / 5) = 0.34458.
    let known = Estimates { spread: vec![3.0, 4.0], ..mean(&[0.0, 2.0]) };
    let mut thompson = policy(Exploration::Thompson(Thompson::default()));
    let counts = frequencies(thompson.as_mut(), &known, &ActionSet::all(2));
    assert_distributed(&counts, &[0.344_578, 0.655_422], CHI[0]);
}

#[test]
fn a_draw_for_an_episode_lasts_as_long_as_the_episode() {
    let spread = Estimates { spread: vec![1.0; 3], ..mean(&[0.0; 3]) };
    for known in [members(), spread] {
        let mut thompson = policy(Exploration::Thompson(Thompson { draw: Draw::Episode }));
        let mut seen = std::collections::BTreeSet::new();
        for episode in 0..40 {
            let mut choose = |trial| {
                let mut rng = Streams::new(5).at("choose", 40 * episode + trial);
                thompson.choose(&known, &set(3, &[0, 1]), moment(trial, episode), &mut rng)
            };
            let first = choose(0);
            assert!((1..10).all(|trial| choose(trial) == first));
            seen.insert(first);
        }
        assert_eq!(seen.len(), 2);
    }
}

#[test]
fn schedules_follow_their_closed_forms() {
    let linear = Schedule::Linear { from: 0.8, to: 0.2, trials: 30 };
    let exponential = Schedule::Exponential { from: 8.0, to: 0.5, trials: 4 };
    for trial in 0..60u64 {
        let share = (trial as f64 / 30.0).min(1.0);
        assert!((linear.at(trial) - (0.8 - 0.6 * share)).abs() < 1e-12);
        // Sixteenfold in four steps is a halving in each.
        assert!((exponential.at(trial) - 8.0 / 2f64.powi(trial.min(4) as i32)).abs() < 1e-12);
        assert_eq!(Schedule::Constant(0.1).at(trial), 0.1);
    }
    assert_eq!(Schedule::Linear { from: 1.0, to: 0.5, trials: 0 }.at(0), 0.5);
    assert_eq!(Schedule::Exponential { from: 1.0, to: 0.5, trials: 0 }.at(0), 0.5);
}

proptest! {
    #[test]
    fn no_policy_chooses_what_is_not_allowed(
        values in prop::collection::vec(
            (prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY), -9.0f32..9.0],
             any::<bool>()), 1..80),
        trial in 0u64..100,
    ) {
        let q: Vec<f32> = values.iter().map(|(q, _)| *q).collect();
        let mut actions: Vec<usize> = (0..q.len()).filter(|&a| values[a].1).collect();
        if actions.is_empty() { actions.push(trial as usize % q.len()); }
        let allowed = set(q.len(), &actions);
        for members in [Vec::new(), [q.clone(), q.clone()].concat()] {
            let known = Estimates {
                mean: q.clone(),
                spread: q.clone(),
                counts: q.clone(),
                members,
                incumbent: Some(q[0]),
            };
            for exploration in [
                Exploration::Greedy(Greedy::default()),
                Exploration::EpsilonGreedy(EpsilonGreedy::default()),
                Exploration::Softmax(Softmax::default()),
                Exploration::Ucb(Ucb { bonus: Bonus::Counts, ..Ucb::default() }),
                Exploration::Ucb(Ucb { bonus: Bonus::Spread, ..Ucb::default() }),
                Exploration::Thompson(Thompson::default()),
                Exploration::Thompson(Thompson { draw: Draw::Episode }),
                Exploration::ExpectedImprovement(ExpectedImprovement::default()),
            ] {
                let mut rng = Streams::new(1).at("choose", trial);
                let chosen = policy(exploration).choose(&known, &allowed, moment(trial, 0), &mut rng);
                prop_assert!(allowed.contains(chosen));
            }
        }
    }
}
