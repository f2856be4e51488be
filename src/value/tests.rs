//! Q-learning as a whole: against a computation of its own, and on a problem whose values are known.

use super::*;
use crate::agent::{Agent, QAgent, QLearning, Step};
use crate::explore::{Exploration, Greedy};
use crate::mdp::ActionSet;
use crate::replay::{Prioritized, ReplayConfig};
use crate::space::{GridSize, Parameter, SearchSpace};

fn set(len: usize, actions: &[usize]) -> ActionSet {
    let mut set = ActionSet::none(len);
    actions.iter().for_each(|&action| set.insert(action));
    set
}

/// The integers from 0 to `last`.
fn line(last: i64) -> Arc<Grid> {
    let space = SearchSpace::new([Parameter::int("x", 0, last)]).unwrap();
    Arc::new(Grid::new(&space, GridSize::AtMost(last as usize + 1)).unwrap())
}

fn moment(trial: usize) -> Moment {
    Moment { trial: trial as u64, episode: 0, streams: Streams::new(4) }
}

// ---- Tables against tests/fixtures/q_learning.py ------------------------------------------------

#[derive(Deserialize)]
struct Fixture {
    tables: Vec<TableCase>,
}

#[derive(Deserialize)]
struct TableCase {
    name: String,
    steps: usize,
    discount: f32,
    learning_rate: f32,
    initial: f32,
    states: usize,
    actions: usize,
    rewards: Vec<f32>,
    /// How much of themselves all rewards grow by with each trial.
    reward_growth: f32,
    episodes: Vec<Episode>,
    q: Vec<Vec<f32>>,
    counts: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Episode {
    /// Whether it was cut short instead of ending in a terminal state.
    cut: bool,
    steps: Vec<Taken>,
}

#[derive(Deserialize)]
struct Taken {
    state: usize,
    action: usize,
    next: Option<usize>,
    /// The actions allowed in `next`.
    allowed: Vec<usize>,
}

#[test]
fn tables_are_those_of_the_reference() {
    let fixture: Fixture =
        serde_json::from_str(include_str!("../../tests/fixtures/q_learning.json")).unwrap();
    assert!(fixture.tables.iter().any(|case| case.steps > 1));
    for case in &fixture.tables {
        let name = &case.name;
        let table = Table { learning_rate: case.learning_rate, initial: case.initial };
        let observe = |state: usize, allowed: &[usize]| Observation {
            state,
            features: vec![],
            allowed: set(case.actions, allowed),
        };
        let learning = QLearning {
            value: ValueConfig::Table(table),
            exploration: Exploration::Greedy(Greedy {}),
            discount: case.discount,
            steps: case.steps,
        };
        let setting = Setting {
            states: case.states,
            actions: case.actions,
            features: 0,
            grid: line(case.actions as i64 - 1),
            targets: Targets::Configurations,
            discount: case.discount,
        };
        let mut agent = learning.build(setting, Streams::new(0)).unwrap();
        let mut trial = 0;
        for episode in &case.episodes {
            for (place, taken) in episode.steps.iter().enumerate() {
                let growth = 1.0 + case.reward_growth * trial as f32;
                let rewards: Vec<f32> =
                    case.rewards[..=trial].iter().map(|reward| reward * growth).collect();
                let step = Step {
                    // Which actions were allowed where one was taken does not matter.
                    observation: observe(taken.state, &[taken.action]),
                    action: taken.action,
                    reached: taken.action,
                    trial,
                    next: taken.next.map(|state| observe(state, &taken.allowed)),
                };
                agent.learn(step, &rewards, moment(trial)).unwrap();
                if episode.cut && place + 1 == episode.steps.len() {
                    agent.interrupt(&rewards, moment(trial)).unwrap();
                }
                trial += 1;
            }
        }
        assert_eq!(trial, case.rewards.len(), "{name}");
        for (state, (q, counts)) in case.q.iter().zip(&case.counts).enumerate() {
            let known = agent.estimates(&observe(state, &[0]));
            assert_eq!(&known.counts, counts, "{name}, state {state}");
            for (found, expected) in known.mean.iter().zip(q) {
                // Some tens of roundings of sums of order 1.
                let near = (found - expected).abs() <= 1e-6 * expected.abs().max(1.0);
                assert!(near, "{name}, state {state}: {found}, expected {expected}");
            }
        }
    }
}

// ---- A chain whose values are known -------------------------------------------------------------

/// A walk over the integers 0 to 6 that ends at either end: 0.6 is earned at the left end, 1 at the
/// right one and nothing between. With a discount of 0.8 the near reward is worth taking from 1 alone:
/// from 2 it is worth 0.48, and the far one 0.8^3 = 0.512.
const CHAIN: usize = 7;
const DISCOUNT: f32 = 0.8;

fn observe(state: usize) -> Observation {
    let mut features = vec![0.0; CHAIN];
    features[state] = 1.0;
    Observation { state, features, allowed: ActionSet::all(2) }
}

/// Where a move leads, what it earns and whether the walk ends there.
fn walk(state: usize, action: usize) -> (usize, f32, bool) {
    match state + 2 * action - 1 {
        0 => (0, 0.6, true),
        to if to == CHAIN - 1 => (to, 1.0, true),
        to => (to, 0.0, false),
    }
}

/// `Q*` of the states between the ends, by value iteration.
fn optimal() -> Vec<[f32; 2]> {
    let mut q = vec![[0.0f32; 2]; CHAIN];
    for _ in 0..2 * CHAIN {
        for state in 1..CHAIN - 1 {
            for action in 0..2 {
                let (to, reward, ended) = walk(state, action);
                let next = if ended { 0.0 } else { q[to][0].max(q[to][1]) };
                q[state][action] = reward + DISCOUNT * next;
            }
        }
    }
    q
}

/// Lets an agent learn from walks that begin with every state and action in turn and go on greedily,
/// so that n-step returns, which carry no importance weights, are those of the greedy policy.
fn learned(value: ValueConfig, steps: usize, sweeps: usize) -> QAgent {
    let learning =
        QLearning { value, exploration: Exploration::Greedy(Greedy {}), discount: DISCOUNT, steps };
    let setting = Setting {
        states: CHAIN,
        actions: 2,
        features: CHAIN,
        grid: line(CHAIN as i64 - 1),
        targets: Targets::Moves,
        discount: DISCOUNT,
    };
    let mut agent = learning.build(setting, Streams::new(1)).unwrap();
    let mut rewards: Vec<f32> = Vec::new();
    for start in 0..sweeps * 2 * (CHAIN - 2) {
        let (mut state, mut action) = (1 + start / 2 % (CHAIN - 2), start % 2);
        for _ in 0..CHAIN {
            let trial = rewards.len();
            let (reached, reward, ended) = walk(state, action);
            rewards.push(reward);
            let next = (!ended).then(|| observe(reached));
            let step = Step { observation: observe(state), action, reached, trial, next };
            agent.learn(step, &rewards, moment(trial)).unwrap();
            if ended {
                break;
            }
            let mut rng = Streams::new(2).at("act", trial as u64);
            state = reached;
            action = agent.act(&observe(state), moment(trial), &mut rng).unwrap();
        }
        agent.interrupt(&rewards, moment(rewards.len())).unwrap();
    }
    agent
}

fn assert_solved(agent: &mut QAgent, tolerance: f32, name: &str) {
    for (state, expected) in optimal().iter().enumerate().take(CHAIN - 1).skip(1) {
        let found = agent.estimates(&observe(state)).mean.clone();
        assert_eq!(
            found[0] > found[1],
            expected[0] > expected[1],
            "{name}: state {state}: {found:?}, expected {expected:?}"
        );
        for (found, expected) in found.iter().zip(expected) {
            let near = (found - expected).abs() <= tolerance;
            assert!(near, "{name}: state {state}: {found}, expected {expected}");
        }
    }
}

#[test]
fn the_chain_asks_for_foresight() {
    let greedy: Vec<bool> = optimal()[1..CHAIN - 1].iter().map(|q| q[1] > q[0]).collect();
    assert_eq!(greedy, [false, true, true, true, true]);
}

#[test]
fn tables_find_the_values_of_the_chain() {
    for steps in [1, 3] {
        let table = Table { learning_rate: 0.5, initial: 0.0 };
        let mut agent = learned(ValueConfig::Table(table), steps, 60);
        // The chain is deterministic, so the error halves with each update of an entry.
        assert_solved(&mut agent, 1e-3, &format!("{steps} steps"));
    }
}

#[test]
fn networks_find_the_values_of_the_chain() {
    // Enough for a network that sees each state apart; the newest walks alone, as n-step returns of an
    // older policy are wrong.
    let base = DeepQ {
        hidden: vec![16],
        learning_rate: 4e-3,
        weight_decay: 0.0,
        batch: 32,
        updates_per_trial: 6,
        target: Target::Every(20),
        capacity: 64,
        double: false,
        ..DeepQ::default()
    };
    let per_action = DeepQ { head: Head::PerAction, ..base.clone() };
    let prioritized = ReplayConfig::Prioritized(Prioritized::default());
    let variants = [
        ("action features", base.clone(), 1),
        ("action features, double", DeepQ { double: true, ..base.clone() }, 1),
        ("action features, three steps", base.clone(), 3),
        ("action features, prioritized", DeepQ { replay: prioritized.clone(), ..base }, 1),
        ("per action", per_action.clone(), 1),
        ("per action, double", DeepQ { double: true, ..per_action.clone() }, 1),
        ("dueling", DeepQ { dueling: true, ..per_action.clone() }, 1),
        ("per action, soft target", DeepQ { target: Target::Soft(0.05), ..per_action.clone() }, 1),
        ("per action, three steps", per_action.clone(), 3),
        ("dueling, prioritized", DeepQ { dueling: true, replay: prioritized, ..per_action }, 1),
    ];
    for (name, config, steps) in variants {
        let mut agent = learned(ValueConfig::Dqn(config), steps, 24);
        // Less than half of 0.512 - 0.48, the least difference between the best action and the other.
        assert_solved(&mut agent, 0.015, name);
    }
}

// ---- The spread of an ensemble ------------------------------------------------------------------

#[test]
fn the_spread_shrinks_where_data_is_and_stays_where_none_is() {
    let grid = line(20);
    let setting = Setting {
        states: 1,
        actions: 21,
        features: 0,
        grid,
        targets: Targets::Configurations,
        discount: 0.0,
    };
    let network = DeepQ { hidden: vec![16], updates_per_trial: 60, ..DeepQ::default() };
    let config = Ensemble { members: 5, prior_scale: 1.0, network, ..Ensemble::default() };
    let mut ensemble = config.build(setting, Streams::new(6)).unwrap();
    let observation = Observation { state: 0, features: vec![], allowed: ActionSet::all(21) };
    let spread = |ensemble: &mut Box<dyn QFunction>| {
        let mut known = Estimates::default();
        ensemble.estimate(&observation, &mut known);
        known.spread
    };
    let mean = |spread: &[f32]| spread.iter().sum::<f32>() / spread.len() as f32;
    let before = spread(&mut ensemble);
    // The left third is tried again and again, the rest never.
    let tried = 0..=6;
    let (mut memory, mut rewards) = (Memory::default(), Vec::new());
    let mut after_few = Vec::new();
    for trial in 0..28 {
        let action = 3 * trial % 7;
        memory.push(Transition {
            state: 0,
            features: vec![],
            action,
            reached: action,
            trials: vec![trial],
            next: None,
        });
        rewards.push((action as f32 - 3.0) / 3.0);
        ensemble.learn(&memory, trial, &rewards, moment(trial)).unwrap();
        if trial == 1 {
            after_few = spread(&mut ensemble);
        }
    }
    let after = spread(&mut ensemble);
    let (seen, unseen) = (mean(&after[tried.clone()]), mean(&after[14..]));
    assert!(seen < 0.2 * mean(&before[tried.clone()]), "{seen} of {before:?}");
    assert!(seen < 0.5 * mean(&after_few[tried]), "{seen} of {after_few:?}");
    assert!(unseen > 5.0 * seen, "{unseen} and {seen}");
    assert!(unseen > 0.3 * mean(&before[14..]), "{unseen} of {before:?}");
}
