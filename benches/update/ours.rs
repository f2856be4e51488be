//! Updates through the crate's public interface.

use std::hint::black_box;
use std::sync::Arc;

use hyperq::agent::{ActorCritic, ControlBatch, Ddpg, Sac, Td3};
use hyperq::explore::Moment;
use hyperq::mdp::{ActionSet, Observation, Targets};
use hyperq::nn::{
    Activation, Adam, AdamSettings, Init, Lstm, LstmGradient, LstmShape, LstmWorkspace, MlpShape,
    Network, Sequences, Workspace,
};
use hyperq::space::{Grid, GridSize, Parameter, SearchSpace};
use hyperq::streams::Streams;
use hyperq::value::{DeepQ, Head, Memory, Setting, Target, Transition};

use super::{
    ACTIONS, BEHIND, CLIP, CONFIGURATIONS, DISCOUNT, FEATURES, LEARNING_RATE, MEMBERS, META,
    STATES, STEP_INPUTS, STEPS, Size, TAU, Update, numbers,
};

/// The choice of a single action, by names.
/// Makes an update that is ready to be timed.
type Make = fn() -> Update;

pub const ACTS: [(&str, Make); 2] = [("act", act), ("act-network", act_network)];

/// Updates of the deep Q-network include the draw of the batch from the replay.
pub fn dqn(Size { hidden, batch }: Size) -> Update {
    let config = DeepQ {
        head: Head::PerAction,
        hidden: vec![hidden; 2],
        activation: Activation::Relu,
        double: false,
        learning_rate: LEARNING_RATE,
        weight_decay: 0.0,
        batch,
        updates_per_trial: 1,
        target: Target::Every(500),
        ..DeepQ::default()
    };
    let space = SearchSpace::new([Parameter::float("x", 0.0, 1.0)]).expect("a valid space");
    let grid = Arc::new(Grid::new(&space, GridSize::AtMost(ACTIONS)).expect("a small grid"));
    let setting = Setting {
        states: 1,
        actions: ACTIONS,
        // The network adds a constant.
        features: STATES - 1,
        grid,
        targets: Targets::Configurations,
        discount: DISCOUNT,
    };
    let streams = Streams::new(1);
    let mut learner = config.build(setting, streams).expect("valid settings");
    let stored = 1000;
    let rewards = numbers("rewards", stored);
    let features = numbers("states", (stored + 1) * (STATES - 1));
    let mut features = features.chunks_exact(STATES - 1).map(<[f32]>::to_vec);
    let mut memory = Memory::default();
    let mut here = features.next().expect("there is one more than transitions");
    for (trial, next) in features.enumerate() {
        let allowed = ActionSet::all(ACTIONS);
        memory.push(Transition {
            state: 0,
            features: std::mem::replace(&mut here, next.clone()),
            action: trial % ACTIONS,
            reached: trial % ACTIONS,
            trials: vec![trial],
            next: Some(Observation { state: 0, features: next, allowed }),
        });
    }
    let (mut trial, mut fresh) = (0, 0);
    Box::new(move || {
        let moment = Moment { trial, episode: 0, streams };
        learner.learn(&memory, fresh, &rewards, moment).expect("an update");
        (trial, fresh) = (trial + 1, memory.len());
    })
}

/// Updates of an agent with a batch that lies ready; noise is drawn.
fn updates(mut agent: impl ActorCritic + 'static, rows: usize) -> Update {
    let states = numbers("states", rows * STATES);
    let next_states = numbers("next states", rows * STATES);
    let actions = numbers("actions", rows * ACTIONS);
    let rewards = numbers("rewards", rows);
    let mut batch = ControlBatch::default();
    for (row, reward) in rewards.iter().enumerate() {
        let (state, next) =
            (&states[row * STATES..][..STATES], &next_states[row * STATES..][..STATES]);
        batch.push(state, &actions[row * ACTIONS..][..ACTIONS], *reward, next, DISCOUNT, 1.0);
    }
    let mut rng = Streams::new(1).at("noise", 0);
    Box::new(move || {
        black_box(agent.update(black_box(&batch), &mut rng));
    })
}

pub fn ddpg(Size { hidden, batch }: Size) -> Update {
    let settings = Ddpg {
        hidden: vec![hidden; 2],
        actor_learning_rate: LEARNING_RATE,
        critic_learning_rate: LEARNING_RATE,
        weight_decay: 0.0,
        tau: TAU,
        ..Ddpg::default()
    };
    updates(settings.build(STATES, ACTIONS, Streams::new(1)).expect("valid settings"), batch)
}

fn td3_agent(hidden: usize) -> impl ActorCritic + 'static {
    let settings = Td3 {
        hidden: vec![hidden; 2],
        actor_learning_rate: LEARNING_RATE,
        critic_learning_rate: LEARNING_RATE,
        tau: TAU,
        ..Td3::default()
    };
    settings.build(STATES, ACTIONS, Streams::new(1)).expect("valid settings")
}

pub fn td3(Size { hidden, batch }: Size) -> Update {
    updates(td3_agent(hidden), batch)
}

pub fn sac(Size { hidden, batch }: Size) -> Update {
    let settings = Sac { hidden: vec![hidden; 2], tau: TAU, ..Sac::default() };
    updates(settings.build(STATES, ACTIONS, Streams::new(1)).expect("valid settings"), batch)
}

/// Critics with tanh that each learn from a part of the same rows.
fn ensemble_network(hidden: usize) -> Network {
    let shape = MlpShape {
        inputs: FEATURES,
        hidden: vec![hidden; 2],
        outputs: 1,
        activation: Activation::Tanh,
        layer_norm: false,
    };
    let mut rng = Streams::new(1).at("ensemble", 0);
    Network::new(shape, MEMBERS, Init::LecunNormal, &mut rng).expect("a valid shape")
}

pub fn ensemble(Size { hidden, batch }: Size) -> Update {
    let mut network = ensemble_network(hidden);
    let len = network.params().len();
    let settings = AdamSettings { learning_rate: LEARNING_RATE, ..AdamSettings::default() };
    let mut adam = Adam::new(settings, len).expect("valid settings");
    let (mut gradient, mut workspace) = (vec![0.0; len], Workspace::default());
    let (x, targets) = (numbers("x", batch * FEATURES), numbers("targets", batch));
    let seen: Vec<f32> =
        numbers("seen", MEMBERS * batch).iter().map(|x| f32::from(u8::from(*x > -0.6))).collect();
    let mut d_outputs = vec![0.0; batch];
    Box::new(move || {
        for (member, seen) in seen.chunks_exact(batch).enumerate() {
            let q = network.forward(member, black_box(&x), batch, &mut workspace);
            for (((d, q), target), seen) in d_outputs.iter_mut().zip(q).zip(&targets).zip(seen) {
                *d = 2.0 * seen * (q - target) / batch as f32;
            }
            let gradient = Some(&mut gradient[..]);
            network.backward(member, &x, batch, &d_outputs, gradient, None, &mut workspace);
        }
        adam.step(network.params_mut(), &gradient);
    })
}

/// The mean and the spread of the values of every row.
pub fn candidates(Size { hidden, batch }: Size) -> Update {
    let network = ensemble_network(hidden);
    let mut workspace = Workspace::default();
    let x = numbers("x", batch * FEATURES);
    let (mut means, mut spreads) = (vec![0.0; batch], vec![0.0; batch]);
    Box::new(move || {
        let values = network.forward_all(black_box(&x), batch, &mut workspace);
        means.fill(0.0);
        spreads.fill(0.0);
        for q in values.chunks_exact(batch) {
            means.iter_mut().zip(q).for_each(|(mean, q)| *mean += q / MEMBERS as f32);
        }
        for q in values.chunks_exact(batch) {
            for ((spread, q), mean) in spreads.iter_mut().zip(q).zip(&means) {
                *spread += (q - mean) * (q - mean);
            }
        }
        spreads.iter_mut().for_each(|s| *s = (*s / (MEMBERS - 1) as f32).sqrt());
        black_box((&means, &spreads));
    })
}

/// The update of `HypRlLearner` with a batch that lies ready, all of whose histories are of full length.
pub fn lstm(Size { hidden, batch }: Size) -> Update {
    let shape = LstmShape {
        inputs: STEP_INPUTS,
        context: META,
        cells: hidden,
        hidden: BEHIND,
        outputs: CONFIGURATIONS,
    };
    let mut online = Lstm::new(shape, &mut Streams::new(1).at("lstm", 0)).expect("a valid shape");
    let target = online.clone();
    let settings = AdamSettings { learning_rate: LEARNING_RATE, ..AdamSettings::default() };
    let mut adam = Adam::new(settings, shape.len()).expect("valid settings");
    let (mut gradient, mut workspace) = (LstmGradient::new(&online), LstmWorkspace::default());
    let metas = numbers("metas", batch * META);
    let histories = |steps: usize| {
        let mut sequences = Sequences::new(META, STEP_INPUTS);
        let x = numbers("steps", batch * steps * STEP_INPUTS);
        for (meta, x) in metas.chunks_exact(META).zip(x.chunks_exact(steps * STEP_INPUTS)) {
            sequences.push(meta, x);
        }
        sequences
    };
    let (states, nexts) = (histories(STEPS), histories(STEPS + 1));
    let rewards = numbers("rewards", batch);
    let actions: Vec<usize> = (0..batch).map(|row| row * 991 % CONFIGURATIONS).collect();
    let (mut goals, mut d_values) = (vec![0.0; batch], vec![0.0; batch]);
    Box::new(move || {
        target.forward(black_box(&nexts), &mut workspace);
        let (best, _) = target.best(&[], &mut workspace);
        for ((goal, reward), best) in goals.iter_mut().zip(&rewards).zip(best) {
            *goal = reward + DISCOUNT * best;
        }
        online.forward(black_box(&states), &mut workspace);
        let values = online.taken(&actions, &workspace);
        for ((d, q), goal) in d_values.iter_mut().zip(values).zip(&goals) {
            *d = 2.0 * (q - goal) / batch as f32;
        }
        online.backward(&actions, &d_values, &mut gradient, &mut workspace);
        gradient.clip(CLIP);
        adam.step(online.params_mut(), gradient.flat());
    })
}

/// The whole choice of an actor with two hidden layers of 64.
fn act() -> Update {
    let mut agent = td3_agent(64);
    let (state, mut action) = (numbers("state", STATES), Vec::new());
    Box::new(move || {
        agent.act(black_box(&state), &mut action);
        black_box(&action);
    })
}

/// One row through a network with two hidden layers of 64, and nothing else.
fn act_network() -> Update {
    let shape = MlpShape { inputs: STATES, outputs: ACTIONS, ..MlpShape::default() };
    let mut rng = Streams::new(1).at("act", 0);
    let network = Network::new(shape, 1, Init::TorchLinear, &mut rng).expect("a valid shape");
    let state = numbers("state", STATES);
    let mut workspace = Workspace::default();
    Box::new(move || {
        black_box(network.forward(0, black_box(&state), 1, &mut workspace));
    })
}
