//! After warm-up, updates do not allocate.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use hyperq::agent::{ActorCriticConfig, ControlBatch, Ddpg, HypRl, HypRlLearner, Sac, Td3};
use hyperq::explore::Moment;
use hyperq::mdp::{ActionSet, Observation, Targets};
use hyperq::nn::{Activation, Adam, AdamSettings, Init, MlpShape, Network, Workspace, polyak};
use hyperq::noise::{NoiseConfig, ParameterNoise};
use hyperq::replay::{Prioritized, ReplayConfig};
use hyperq::space::{Grid, GridSize, Parameter, SearchSpace};
use hyperq::streams::Streams;
use hyperq::value::{DeepQ, Ensemble, Head, Memory, Setting, Target, Transition, ValueConfig};

/// The system's allocator, which counts the calls of every thread.
struct Counting;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    CALLS.with(|calls| calls.set(calls.get() + 1));
}

// SAFETY: everything is handed on to the system's allocator as it came; counting does not allocate, since
// the counter is initialized at compile time and needs no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often the allocator was called.
fn calls(what: impl FnOnce()) -> usize {
    let before = CALLS.get();
    what();
    CALLS.get() - before
}

#[test]
fn the_allocator_counts() {
    assert_eq!(calls(|| drop(std::hint::black_box(vec![0u8; 100]))), 2);
    assert_eq!(calls(|| {}), 0);
}

#[test]
fn updates_of_networks_do_not_allocate() {
    for (members, hidden, activation, layer_norm) in [
        (1, vec![64, 64], Activation::Relu, false),
        (1, vec![256, 256], Activation::Relu, false),
        (5, vec![64, 33], Activation::Tanh, true),
        (2, vec![], Activation::Relu, false),
    ] {
        let case = format!("{members} {hidden:?}");
        let shape = MlpShape { inputs: 24, hidden, outputs: 3, activation, layer_norm };
        let mut rng = Streams::new(1).at("weights", 0);
        let mut network = Network::new(shape, members, Init::TorchLinear, &mut rng).unwrap();
        let mut target = network.clone();
        let len = network.params().len();
        let clip_norm = Some(1.0);
        let mut adam = Adam::new(AdamSettings { clip_norm, ..Default::default() }, len).unwrap();
        let (mut gradient, mut workspace) = (vec![0.0; len], Workspace::default());
        let x: Vec<f32> = (0..512 * 24).map(|i| (i as f32).sin()).collect();
        let (mut d_x, mut d_y) = (vec![0.0; x.len()], vec![0.0; 512 * 3]);
        let mut update = |rows: usize| {
            let (x, d_x, d_y) = (&x[..rows * 24], &mut d_x[..rows * 24], &mut d_y[..rows * 3]);
            target.forward_all(x, rows, &mut workspace);
            target.forward_split(0, &x[..4], &x[4..24], 1, &mut workspace);
            for member in 0..members {
                d_y.copy_from_slice(network.forward(member, x, rows, &mut workspace));
                network.backward(
                    member,
                    x,
                    rows,
                    d_y,
                    Some(&mut gradient),
                    Some(d_x),
                    &mut workspace,
                );
            }
            adam.step(network.params_mut(), &gradient);
            polyak(target.params_mut(), network.params(), 0.01);
        };
        update(512);
        for rows in [1, 7, 64, 256, 512] {
            assert_eq!(calls(|| update(rows)), 0, "{case}, {rows} rows");
        }
    }
}

/// A grid of eight configurations and a memory of steps among them.
fn process() -> (Setting, Memory) {
    let space = SearchSpace::new([Parameter::float("x", 0.0, 1.0)]).unwrap();
    let grid = Arc::new(Grid::new(&space, GridSize::AtMost(8)).unwrap());
    let setting = Setting {
        states: 8,
        actions: 8,
        features: 3,
        grid,
        targets: Targets::Configurations,
        discount: 0.9,
    };
    let features = |i: usize| (0..3).map(|j| ((3 * i + j) as f32).sin()).collect::<Vec<_>>();
    let mut memory = Memory::default();
    for i in 0..100 {
        let next = Observation {
            state: (i + 1) % 8,
            features: features(i + 1),
            allowed: ActionSet::all(8),
        };
        memory.push(Transition {
            state: i % 8,
            features: features(i),
            action: i % 5,
            reached: i % 5,
            trials: vec![i],
            next: (i % 7 != 0).then_some(next),
        });
    }
    (setting, memory)
}

#[test]
fn updates_of_value_functions_do_not_allocate() {
    let (setting, memory) = process();
    let rewards: Vec<f32> = (0..100).map(|i| (i as f32).cos()).collect();
    let base = DeepQ { updates_per_trial: 5, target: Target::Every(2), ..DeepQ::default() };
    let prioritized = ReplayConfig::Prioritized(Prioritized::default());
    for value in [
        ValueConfig::Dqn(base.clone()),
        ValueConfig::Dqn(DeepQ {
            head: Head::PerAction,
            dueling: true,
            layer_norm: true,
            target: Target::Soft(0.01),
            replay: prioritized,
            ..base.clone()
        }),
        ValueConfig::Ensemble(Ensemble { network: base, ..Ensemble::default() }),
    ] {
        let streams = Streams::new(1);
        let mut learner = value.build(setting.clone(), streams).unwrap();
        let mut learn = |trial: u64, fresh: usize| {
            let moment = Moment { trial, episode: 0, streams };
            learner.learn(&memory, fresh, &rewards, moment).unwrap();
        };
        // The number of rows at which next states are valued varies from batch to batch.
        learn(0, 0);
        (1..50).for_each(|trial| learn(trial, memory.len()));
        assert_eq!(calls(|| (50..60).for_each(|trial| learn(trial, memory.len()))), 0, "{value:?}");
    }
}

#[test]
fn updates_of_actor_critic_agents_do_not_allocate() {
    let noise = NoiseConfig::Parameter(ParameterNoise { every: 3, ..ParameterNoise::default() });
    let hidden = vec![64, 64];
    for config in [
        ActorCriticConfig::Ddpg(Ddpg { hidden: hidden.clone(), ..Ddpg::default() }),
        ActorCriticConfig::Td3(Td3 { hidden: hidden.clone(), ..Td3::default() }),
        ActorCriticConfig::Td3(Td3 {
            hidden: vec![40],
            activation: Activation::Tanh,
            actor_layer_norm: true,
            critic_layer_norm: true,
            critics: 5,
            gradient_clip: Some(1.0),
            weight_decay: 0.01,
            noise,
            ..Td3::default()
        }),
        ActorCriticConfig::Sac(Sac { hidden: hidden.clone(), ..Sac::default() }),
        ActorCriticConfig::Sac(Sac {
            hidden: vec![256, 256],
            critics: 3,
            critic_layer_norm: true,
            ..Sac::default()
        }),
    ] {
        let streams = Streams::new(1);
        let mut agent = config.build(16, 8, streams).unwrap();
        let mut rng = streams.at("test", 0);
        let value = |i: usize| (i as f32).sin();
        let batches = [256, 1, 7, 64, 256].map(|rows| {
            let mut batch = ControlBatch::default();
            for row in 0..rows {
                let state: Vec<f32> = (0..16).map(|i| value(16 * row + i)).collect();
                let action: Vec<f32> = (0..8).map(|i| value(8 * row + 3 * i)).collect();
                let next: Vec<f32> = (0..16).map(|i| value(16 * row + 5 * i)).collect();
                batch.push(&state, &action, value(row), &next, 0.9, 1.0);
            }
            batch
        });
        let state: Vec<f32> = (0..16).map(value).collect();
        let (mut action, mut values, mut gradient) = (Vec::new(), Vec::new(), Vec::new());
        let mut live = |batch: &ControlBatch| {
            agent.begin_episode(&mut rng);
            agent.explore(&state, 0, &mut rng, &mut action);
            agent.act(&state, &mut action);
            agent.update(batch, &mut rng);
            agent.values(&batch.inputs, batch.rows(), &mut values);
            // Weights as long as the values: the values themselves.
            agent.gradient(&batch.inputs, batch.rows(), &values, &mut gradient);
        };
        // Which critic is the smallest for how many rows varies from update to update.
        (0..6).for_each(|_| live(&batches[0]));
        for batch in &batches {
            assert_eq!(calls(|| (0..6).for_each(|_| live(batch))), 0, "{config:?}");
        }
    }
}

#[test]
fn learning_from_episodes_does_not_allocate() {
    for (double, mask_repeats) in [(false, false), (true, true)] {
        let settings = HypRl {
            double,
            mask_repeats,
            capacity: 200,
            learning_starts: 1,
            target_every: 3,
            ..HypRl::default()
        };
        let streams = Streams::new(1);
        let mut learner = HypRlLearner::new(&settings, 4, 3, 300, streams).unwrap();
        let mut rng = streams.at("test", 0);
        let mut live = || {
            learner.begin_episode(&[0.1, 0.2, 0.3]);
            learner.begin(&[0.1, 0.2, 0.3]);
            for action in 0..20 {
                let input = [0.5, 0.1, action as f32 / 20.0, 0.3];
                learner.push_step(action, input[2], &input);
                learner.step(&input);
            }
            learner.end_episode();
            (0..4).for_each(|_| {
                learner.update(&mut rng);
            });
        };
        // A batch has up to 32 histories of 20 steps, but seldom: buffers grow to that slowly.
        (0..200).for_each(|_| live());
        assert_eq!(calls(|| (0..10).for_each(|_| live())), 0);
    }
}
