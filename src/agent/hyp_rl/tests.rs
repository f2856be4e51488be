use super::*;
use crate::persist::Array;
use proptest::prelude::*;
use rand::RngExt;

const ACTIONS: usize = 6;

/// Small and quick.
fn settings() -> HypRl {
    HypRl {
        cells: 8,
        hidden: 16,
        batch: 16,
        learning_rate: 1e-2,
        learning_starts: 32,
        ..HypRl::default()
    }
}

fn learner(settings: &HypRl, seed: u64) -> HypRlLearner {
    HypRlLearner::new(settings, 2, 1, ACTIONS, Streams::new(seed)).unwrap()
}

/// The reward of an action on a task: its meta-feature says which action is best.
fn reward(task: f32, action: usize) -> f32 {
    let place = action as f32 / (ACTIONS - 1) as f32;
    1.0 - (place - task).abs()
}

fn input(task: f32, action: usize) -> [f32; 2] {
    [action as f32 / ACTIONS as f32, reward(task, action)]
}

/// Random episodes of `lengths`, one a task.
fn store(learner: &mut HypRlLearner, lengths: impl IntoIterator<Item = usize>, seed: u64) {
    let mut rng = Streams::new(seed).at("episodes", 0);
    for steps in lengths {
        let task = rng.random::<f32>();
        learner.begin_episode(&[task]);
        for _ in 0..steps {
            let action = rng.random_range(0..ACTIONS);
            learner.push_step(action, reward(task, action), &input(task, action));
        }
        learner.end_episode();
    }
}

fn best(values: &[f32]) -> usize {
    (0..values.len()).fold(0, |best, a| if values[a] > values[best] { a } else { best })
}

/// The mean reward of three greedy steps on tasks that were not trained on.
fn greedy_reward(learner: &mut HypRlLearner) -> f32 {
    let tasks = 20;
    let mut sum = 0.0;
    for index in 0..tasks {
        let task = (index as f32 + 0.5) / tasks as f32;
        learner.begin(&[task]);
        let mut action = best(learner.values());
        for _ in 0..3 {
            sum += reward(task, action) / 3.0;
            action = best(learner.step(&input(task, action)));
        }
    }
    sum / tasks as f32
}

#[test]
fn it_learns_which_action_suits_a_task() {
    // Drawing evenly is worth 0.63 on average over the tasks and 0.95 is the most.
    for (seed, optimizer, double, mask_repeats) in [
        (1, Descent::Adam, false, false),
        (2, Descent::RmsProp, false, false),
        (3, Descent::Adam, true, false),
    ] {
        let learning_rate = if optimizer == Descent::Adam { 1e-2 } else { 3e-3 };
        let settings =
            HypRl { optimizer, double, mask_repeats, learning_rate, discount: 0.5, ..settings() };
        let mut learner = learner(&settings, seed);
        store(&mut learner, std::iter::repeat_n(3, 300), seed);
        for update in 0..600 {
            learner.update(&mut Streams::new(seed).at("update", update)).unwrap();
        }
        let reward = greedy_reward(&mut learner);
        assert!(reward > 0.85, "seed {seed}: {reward}");
    }
}

#[test]
fn without_a_discount_values_are_mean_rewards() {
    let mut learner = learner(&HypRl { discount: 0.0, ..settings() }, 1);
    store(&mut learner, std::iter::repeat_n(2, 300), 1);
    for update in 0..1500 {
        learner.update(&mut Streams::new(1).at("update", update)).unwrap();
    }
    for task in [0.1, 0.5, 0.8] {
        for (action, q) in learner.q(&[task], &[]).iter().enumerate() {
            assert!((q - reward(task, action)).abs() < 0.15, "{task} {action}: {q}");
        }
    }
}

#[test]
fn the_loss_is_that_of_the_definition() {
    for (double, mask_repeats, huber) in
        [(false, false, false), (true, false, false), (false, true, true), (true, true, true)]
    {
        let settings = HypRl {
            double,
            mask_repeats,
            huber,
            learning_starts: 1,
            batch: 3,
            target_every: 1000,
            // So that online and target network differ after a step.
            learning_rate: 0.05,
            ..settings()
        };
        let mut learner = learner(&settings, 4);
        // A single episode in which every action but one is taken, one twice.
        let task = 0.3;
        let actions = [2, 4, 1, 2, 5, 0];
        learner.begin_episode(&[task]);
        for action in actions {
            learner.push_step(action, 3.0 * reward(task, action), &input(task, action));
        }
        learner.end_episode();
        let start = learner.clone();
        learner.update(&mut Streams::new(1).at("update", 0)).unwrap();
        let mut online = learner.clone();
        let mut target = start;
        let loss = learner.update(&mut Streams::new(1).at("update", 1)).unwrap();

        let mut rng = Streams::new(1).at("update", 1);
        let history: Vec<f32> = actions.iter().flat_map(|a| input(task, *a)).collect();
        let mut expected = 0.0;
        for _ in 0..3 {
            let step = rng.random_range(0..actions.len() as u64) as usize;
            let mut y = 3.0 * reward(task, actions[step]);
            if step + 1 < actions.len() {
                let history = &history[..2 * (step + 1)];
                let values = target.q(&[task], history).to_vec();
                let mut judge =
                    if double { online.q(&[task], history).to_vec() } else { values.clone() };
                if mask_repeats {
                    actions[..=step].iter().for_each(|a| judge[*a] = f32::NEG_INFINITY);
                }
                y += 0.99 * values[best(&judge)];
            }
            let error = online.q(&[task], &history[..2 * step])[actions[step]] - y;
            expected += match huber {
                true if error.abs() > 1.0 => error.abs() - 0.5,
                true => 0.5 * error * error,
                false => error * error,
            } / 3.0;
        }
        assert!((loss - expected).abs() < 1e-4 * expected.max(1.0), "{loss} {expected}");
    }
}

#[test]
fn where_every_action_was_taken_nothing_is_left_to_earn() {
    for double in [false, true] {
        let settings =
            HypRl { double, mask_repeats: true, learning_starts: 1, batch: 32, ..settings() };
        let mut learner = learner(&settings, 4);
        learner.begin_episode(&[0.5]);
        for action in (0..ACTIONS).chain(0..ACTIONS) {
            learner.push_step(action, 1.0, &[0.0, 1.0]);
        }
        learner.end_episode();
        for update in 0..20 {
            let loss = learner.update(&mut Streams::new(1).at("update", update)).unwrap();
            assert!(loss.is_finite());
        }
    }
}

#[test]
fn a_loaded_learner_goes_on_bit_for_bit() {
    for optimizer in [Descent::Adam, Descent::RmsProp] {
        let settings = HypRl { optimizer, target_every: 7, capacity: 200, ..settings() };
        let updates = |learner: &mut HypRlLearner, updates: std::ops::Range<u64>| {
            updates
                .map(|update| {
                    store(learner, [1 + update as usize % 5], update);
                    learner.update(&mut Streams::new(1).at("update", update)).map(f32::to_bits)
                })
                .collect::<Vec<_>>()
        };
        let mut whole = learner(&settings, 1);
        updates(&mut whole, 0..100);
        whole.begin(&[0.3]);
        whole.step(&[0.1, 0.2]);
        whole.begin_episode(&[0.4]);
        whole.push_step(3, 0.5, &[0.1, 0.5]);
        let mut snapshot = Snapshot::default();
        whole.save("learner", &mut snapshot).unwrap();
        // Other weights and another past.
        let mut other = learner(&settings, 2);
        updates(&mut other, 0..50);
        other.load("learner", &snapshot).unwrap();
        for learner in [&mut whole, &mut other] {
            learner.push_step(4, 0.25, &[0.2, 0.25]);
            learner.end_episode();
        }
        assert_eq!(updates(&mut whole, 100..200), updates(&mut other, 100..200));
        assert_eq!(whole.online, other.online);
        assert_eq!(whole.target, other.target);
        assert_eq!(whole.values(), other.values());
        assert_eq!(whole.replay.len(), other.replay.len());
    }
}

#[test]
fn damaged_snapshots_are_refused() {
    let mut learner = learner(&settings(), 1);
    store(&mut learner, [5; 10], 1);
    learner.update(&mut Streams::new(1).at("update", 0)).unwrap();
    let mut good = Snapshot::default();
    learner.save("l", &mut good).unwrap();
    let refused = |snapshot: &Snapshot, name: &str| {
        let mut learner = learner.clone();
        let error = learner.load("l", snapshot).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    };
    refused(&Snapshot::default(), "l/online/params");
    for (name, key, array) in [
        ("l/online", "params", Array::F32(vec![0.0])),
        ("l/target", "params", Array::U64(vec![0])),
        ("l/adam", "m", Array::F32(vec![])),
        ("l/replay", "actions", Array::U64(vec![ACTIONS as u64; 50])),
        ("l/replay", "lengths", Array::U64(vec![50, 1])),
        ("l/episodes", "lengths", Array::U64(vec![])),
        ("l/episodes", "inputs", Array::F32(vec![0.0; 3])),
    ] {
        let mut bad = good.clone();
        bad.put_array(name, key, array);
        refused(&bad, &name[..4]);
    }
    let mut bad = good.clone();
    bad.put("l", "updates", &u64::MAX).unwrap();
    refused(&bad, "l/updates");
    bad.put("l", "updates", &"many").unwrap();
    refused(&bad, "l/updates");
    learner.load("l", &good).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn values_are_those_of_the_newest_history_and_the_present_weights(
        max_steps in 1usize..6,
        steps in 0usize..12,
        updates_at in 0usize..12,
    ) {
        let mut learner = learner(&HypRl { max_steps, ..settings() }, 1);
        store(&mut learner, [10; 5], 1);
        let history: Vec<f32> = (0..2 * steps).map(|i| (i as f32).sin()).collect();
        learner.begin(&[0.7]);
        for (step, input) in history.chunks_exact(2).enumerate() {
            if step == updates_at {
                learner.update(&mut Streams::new(1).at("update", 0)).unwrap();
            }
            learner.step(input);
        }
        let values = learner.values().to_vec();
        prop_assert_eq!(&values, learner.q(&[0.7], &history));
        if steps > max_steps {
            let mut cut = vec![9.0, 9.0];
            cut.extend_from_slice(&history[2..]);
            prop_assert_eq!(&values, learner.q(&[0.7], &cut));
        }
    }
}

#[test]
fn learning_starts_when_there_is_enough() {
    let mut learner = learner(&settings(), 1);
    let mut rng = Streams::new(1).at("update", 0);
    store(&mut learner, [31], 1);
    assert_eq!(learner.update(&mut rng), None);
    learner.begin_episode(&[0.5]);
    learner.push_step(0, 1.0, &[0.0, 1.0]);
    assert_eq!((learner.update(&mut rng), learner.stored()), (None, 31));
    learner.end_episode();
    learner.end_episode();
    assert_eq!(learner.stored(), 32);
    assert!(learner.update(&mut rng).is_some());
    assert_eq!(learner.updates(), 1);
}

#[test]
fn settings_outside_their_range_are_refused() {
    let refused = |settings: HypRl| settings.check().unwrap_err().to_string();
    let base = HypRl::default;
    base().check().unwrap();
    assert_eq!(
        refused(HypRl { batch: 0, ..base() }),
        "agent `hyp-rl`: `batch` must be in 1..=4096, found 0"
    );
    assert!(refused(HypRl { cells: 0, ..base() }).contains("cells"));
    assert!(refused(HypRl { hidden: 0, ..base() }).contains("hidden"));
    assert!(refused(HypRl { discount: 1.5, ..base() }).contains("discount"));
    assert!(refused(HypRl { epsilon_from: -0.1, ..base() }).contains("epsilon-from"));
    assert!(refused(HypRl { epsilon_to: f64::NAN, ..base() }).contains("epsilon-to"));
    assert!(refused(HypRl { epsilon_share: 2.0, ..base() }).contains("epsilon-share"));
    assert!(refused(HypRl { target_every: 0, ..base() }).contains("target-every"));
    assert!(refused(HypRl { learning_rate: 0.0, ..base() }).contains("learning-rate"));
    assert!(refused(HypRl { gradient_clip: Some(0.0), ..base() }).contains("gradient-clip"));
    assert!(refused(HypRl { capacity: 0, ..base() }).contains("capacity"));
    assert!(refused(HypRl { learning_starts: 0, ..base() }).contains("learning-starts"));
    assert!(refused(HypRl { max_steps: 5000, ..base() }).contains("max-steps"));
    let parsed: HypRl = toml::from_str("learning-rate = 0.01\noptimizer = \"rms-prop\"").unwrap();
    assert_eq!(parsed.optimizer, Descent::RmsProp);
    assert!(toml::from_str::<HypRl>("cell = 3").is_err());
    assert_eq!(base().epsilon(0, 0), 0.01);
}
