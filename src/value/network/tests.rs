//! The networks against a computation of their own (tests/fixtures/q_learning.py), and what a loaded
//! snapshot must hold.

use std::sync::{Arc, Mutex};

use super::*;
use crate::mdp::ActionSet;
use crate::space::{Grid, GridSize, Parameter, SearchSpace};
use crate::value::Transition;

#[derive(Deserialize)]
struct Fixture {
    encoding: Vec<Vec<f32>>,
    networks: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    config: DeepQ,
    targets: String,
    actions: usize,
    discount: f32,
    members: usize,
    prior_scale: f32,
    online: Vec<f32>,
    target: Vec<f32>,
    prior: Option<Vec<f32>>,
    transitions: Vec<Stored>,
    rewards: Vec<f32>,
    seen_by: Vec<u64>,
    positions: Vec<usize>,
    weights: Vec<f32>,
    updates: Vec<Update>,
    final_target: Vec<f32>,
    estimate: Known,
}

#[derive(Deserialize)]
struct Stored {
    state: usize,
    features: Vec<f32>,
    action: usize,
    reached: usize,
    trials: Vec<usize>,
    next: Option<Next>,
}

#[derive(Deserialize)]
struct Next {
    state: usize,
    features: Vec<f32>,
    allowed: Vec<usize>,
}

#[derive(Deserialize)]
struct Update {
    /// Row by row for each member.
    targets: Vec<Vec<f32>>,
    errors: Vec<f32>,
    online: Vec<f32>,
}

#[derive(Deserialize)]
struct Known {
    state: usize,
    features: Vec<f32>,
    /// The actions that lead somewhere; mean and spread are theirs.
    actions: Vec<usize>,
    mean: Vec<f32>,
    spread: Option<Vec<f32>>,
}

/// A replay that always gives the same batch and takes note of the errors.
struct Fixed {
    batch: Batch,
    errors: Arc<Mutex<Vec<f32>>>,
}

impl Replay for Fixed {
    fn push(&mut self, _position: usize) {}

    fn positions(&self) -> &[u64] {
        &[]
    }

    fn sample(&mut self, _count: usize, _rng: &mut Generator, into: &mut Batch) {
        into.clone_from(&self.batch);
    }

    fn update(&mut self, _batch: &Batch, errors: &[f32]) {
        *self.errors.lock().unwrap() = errors.to_vec();
    }
}

impl Persist for Fixed {
    fn save(&self, _at: &str, _snapshot: &mut Snapshot) -> Result<()> {
        Ok(())
    }

    fn load(&mut self, _at: &str, _snapshot: &Snapshot) -> Result<()> {
        Ok(())
    }
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../../../tests/fixtures/q_learning.json")).unwrap()
}

/// Three levels of a number and two choices: row `2 i + j` is level i and choice j.
fn grid() -> Arc<Grid> {
    let space = SearchSpace::new([
        Parameter::float("x", 0.0, 1.0),
        Parameter::categorical("c", ["first", "second"]),
    ]);
    Arc::new(Grid::new(&space.unwrap(), GridSize::Resolution(3)).unwrap())
}

fn set(len: usize, actions: &[usize]) -> ActionSet {
    let mut set = ActionSet::none(len);
    actions.iter().for_each(|&action| set.insert(action));
    set
}

impl Case {
    fn setting(&self) -> Setting {
        let targets = match self.targets.as_str() {
            "moves" => Targets::Moves,
            _ => Targets::Configurations,
        };
        let (states, actions, features) = (6, self.actions, self.estimate.features.len());
        Setting { states, actions, features, grid: grid(), targets, discount: self.discount }
    }

    fn memory(&self) -> Memory {
        let mut memory = Memory::default();
        for stored in &self.transitions {
            memory.push(Transition {
                state: stored.state,
                features: stored.features.clone(),
                action: stored.action,
                reached: stored.reached,
                trials: stored.trials.clone(),
                next: stored.next.as_ref().map(|next| Observation {
                    state: next.state,
                    features: next.features.clone(),
                    allowed: set(self.actions, &next.allowed),
                }),
            });
        }
        memory
    }

    fn networks(&self, errors: &Arc<Mutex<Vec<f32>>>) -> Networks {
        let diversity =
            Diversity { members: self.members, prior_scale: self.prior_scale, bootstrap: 1.0 };
        let mut networks =
            Networks::new(&self.config, self.setting(), diversity, Streams::new(0)).unwrap();
        networks.online.params_mut().copy_from_slice(&self.online);
        networks.target.params_mut().copy_from_slice(&self.target);
        if let Some(prior) = &self.prior {
            networks.prior.as_mut().unwrap().params_mut().copy_from_slice(prior);
        }
        networks.seen_by.clone_from(&self.seen_by);
        let batch = Batch {
            positions: self.positions.clone(),
            slots: self.positions.clone(),
            weights: self.weights.clone(),
        };
        networks.replay = Box::new(Fixed { batch, errors: Arc::clone(errors) });
        networks
    }
}

fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (f, e)) in found.iter().zip(expected).enumerate() {
        // Relative, down to where rounding of sums of numbers of order 1 begins.
        assert!((f - e).abs() <= 1e-4 * e.abs().max(1e-2), "{what}, {index}: {f}, expected {e}");
    }
}

#[test]
fn targets_errors_weights_and_values_are_those_of_the_reference() {
    let fixture = fixture();
    assert_eq!(grid().encoding(), fixture.encoding.concat());
    assert!(fixture.networks.len() > 10);
    for case in &fixture.networks {
        let name = &case.name;
        let (memory, told) = (case.memory(), Arc::new(Mutex::new(Vec::new())));
        let mut networks = case.networks(&told);
        let mut rng = Streams::new(0).at("test", 0);
        for (step, expected) in case.updates.iter().enumerate() {
            // The same targets as the update will take, member by member.
            let mut batch = Batch::default();
            networks.replay.sample(8, &mut rng, &mut batch);
            networks.fill_next_inputs(&memory, &batch, &mut rng);
            let mut targets = Vec::new();
            for (member, expected) in expected.targets.iter().enumerate() {
                networks.targets(member, &memory, &batch, &case.rewards, &mut targets);
                assert_close(&targets, expected, &format!("{name}: targets {step}/{member}"));
            }
            networks.update(&memory, &case.rewards, &mut rng);
            let errors = told.lock().unwrap().clone();
            assert_close(&errors, &expected.errors, &format!("{name}: errors {step}"));
            let weights = networks.online.params();
            assert_close(weights, &expected.online, &format!("{name}: weights {step}"));
        }
        assert_close(networks.target.params(), &case.final_target, &format!("{name}: target"));

        let Known { state, features, actions, mean, spread } = &case.estimate;
        let observation = Observation {
            state: *state,
            features: features.clone(),
            allowed: set(case.actions, actions),
        };
        let mut estimates = Estimates::default();
        networks.estimate(&observation, &mut estimates);
        let of = |values: &[f32]| actions.iter().map(|&a| values[a]).collect::<Vec<_>>();
        assert_close(&of(&estimates.mean), mean, &format!("{name}: mean"));
        match spread {
            Some(spread) => {
                assert_close(&of(&estimates.spread), spread, &format!("{name}: spread"));
                assert_eq!(estimates.members.len(), case.members * case.actions, "{name}");
            }
            None => assert!(estimates.spread.is_empty() && estimates.members.is_empty(), "{name}"),
        }
    }
}

#[test]
fn next_actions_are_drawn_from_the_allowed_ones_without_repetition() {
    let mut case = fixture().networks.remove(0);
    case.config.bootstrap_actions = 2;
    let memory = case.memory();
    let mut networks = case.networks(&Arc::default());
    let mut drawn = std::collections::BTreeSet::new();
    for trial in 0..40 {
        let (mut rng, mut batch) = (Streams::new(3).at("test", trial), Batch::default());
        networks.replay.sample(8, &mut rng, &mut batch);
        networks.fill_next_inputs(&memory, &batch, &mut rng);
        let width = networks.online.shape().inputs;
        for (&position, rows) in batch.positions.iter().zip(&networks.scratch.next_rows) {
            let Some(next) = &memory[position].next else {
                assert!(rows.is_empty());
                continue;
            };
            assert_eq!(rows.len(), next.allowed.count().min(2));
            let encoding =
                grid().encoding().chunks_exact(3).map(<[f32]>::to_vec).collect::<Vec<_>>();
            let actions: std::collections::BTreeSet<usize> = rows
                .clone()
                .map(|row| {
                    let input = &networks.scratch.next_inputs[row * width..][..width];
                    assert_eq!(input[1..3], next.features);
                    encoding.iter().position(|own| own == &input[3..]).unwrap()
                })
                .collect();
            assert_eq!(actions.len(), rows.len());
            assert!(actions.iter().all(|&action| next.allowed.contains(action)));
            drawn.extend(actions.into_iter().map(|action| (position, action)));
        }
    }
    // Over many draws each allowed action of each transition comes up.
    let all = memory.transitions().iter().filter_map(|t| t.next.as_ref());
    assert_eq!(drawn.len(), all.map(|next| next.allowed.count()).sum::<usize>());
}

#[test]
fn huge_rewards_leave_the_values_finite() {
    let case = fixture().networks.remove(0);
    let memory = case.memory();
    let mut networks = case.networks(&Arc::default());
    let rewards: Vec<f32> = (0..case.rewards.len()).map(|i| [1e12, -1e12][i % 2]).collect();
    let mut rng = Streams::new(0).at("test", 0);
    (0..50).for_each(|_| networks.update(&memory, &rewards, &mut rng));
    assert!(networks.online.params().iter().all(|weight| weight.is_finite()));
}

/// Networks that learned from the memory of a case, and their snapshot under `q`.
fn learned() -> (Networks, Memory, Snapshot) {
    let mut case = fixture().networks.remove(0);
    case.config.replay = crate::replay::ReplayConfig::Prioritized(Default::default());
    case.config.updates_per_trial = 2;
    let memory = case.memory();
    let alone = Diversity { members: 1, prior_scale: 0.0, bootstrap: 1.0 };
    let mut networks = Networks::new(&case.config, case.setting(), alone, Streams::new(0)).unwrap();
    let moment = Moment { trial: 0, episode: 0, streams: Streams::new(0) };
    networks.learn(&memory, 0, &case.rewards, moment).unwrap();
    let mut snapshot = Snapshot::default();
    networks.save("q", &mut snapshot).unwrap();
    (networks, memory, snapshot)
}

#[test]
fn a_snapshot_that_does_not_fit_the_memory_is_refused() {
    let (mut networks, memory, snapshot) = learned();
    let mut refused = |key: &str, array: Array| {
        let mut damaged = snapshot.clone();
        damaged.put_array("q", key, array);
        let loaded = networks.load("q", &damaged);
        loaded.and_then(|()| networks.check_loaded("q", &memory)).unwrap_err().to_string()
    };
    assert_eq!(
        refused("seen-by", Array::U64(vec![1; 7])),
        "snapshot: `q/seen-by`: must have one entry for each of 8 transitions, found 7"
    );
    assert_eq!(
        refused("replay/ring", Array::U64(vec![0, 1, 2, 3, 4, 5, 6, 8])),
        "snapshot: `q/replay/ring`: holds transition 8 of 8"
    );
    for weights in [[0.0; 8], [-1.0; 8], [f64::NAN; 8], [f64::INFINITY; 8]] {
        let message = refused("replay/weights", Array::F64(weights.to_vec()));
        assert!(message.contains("`q/replay/weights`: must be finite and above 0"), "{message}");
    }
    let message = refused("replay/largest", Array::F32(vec![f32::NAN]));
    assert!(message.contains("`q/replay/largest`: must be finite and above 0"), "{message}");
    let mut damaged = snapshot.clone();
    damaged.put("q/adam", "step", &17u64).unwrap();
    networks.load("q", &damaged).unwrap();
    let message = networks.check_loaded("q", &memory).unwrap_err().to_string();
    assert_eq!(message, "snapshot: `q/adam/step`: 17 updates after 8 transitions, at 2 a trial");
    networks.load("q", &snapshot).unwrap();
    networks.check_loaded("q", &memory).unwrap();
}
