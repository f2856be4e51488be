//! DDPG, TD3 and SAC learn to control on a well-known task, so that we know that the agents are right
//! before we blame what they are used for.

use std::f32::consts::PI;

use hyperq::agent::{ActorCriticConfig, ControlBatch, Ddpg, Sac, Td3};
use hyperq::streams::{Generator, Streams};
use rand::RngExt;
use rayon::prelude::*;

/// The pendulum of the usual benchmark (`Pendulum-v1`): swing it up and hold it there. The angle is 0
/// when it stands; mass, length and gravity are 1, 1 and 10, a step is 0.05, the torque at most 2, the
/// speed at most 8. The cost of a step is `angle^2 + 0.1 speed^2 + 0.001 torque^2`, for 200 steps.
///
/// It begins anywhere. On the ten beginnings of [`mean_return`] a policy that does nothing gets -1052,
/// the best that any agent found is -124.
struct Pendulum {
    angle: f32,
    speed: f32,
}

/// An episode is cut short after so many steps, and does not end: the last state still has a value.
const STEPS: usize = 200;

impl Pendulum {
    fn begin(rng: &mut Generator) -> Self {
        Self { angle: rng.random_range(-PI..PI), speed: rng.random_range(-1.0..1.0) }
    }

    fn state(&self) -> [f32; 3] {
        [self.angle.cos(), self.angle.sin(), self.speed]
    }

    /// Takes an action in `[-1, 1]` and returns the reward.
    fn step(&mut self, action: f32) -> f32 {
        let torque = 2.0 * action;
        let angle = (self.angle + PI).rem_euclid(2.0 * PI) - PI;
        let cost = angle * angle + 0.1 * self.speed * self.speed + 0.001 * torque * torque;
        let push = 1.5 * 10.0 * self.angle.sin() + 3.0 * torque;
        self.speed = (self.speed + 0.05 * push).clamp(-8.0, 8.0);
        self.angle += 0.05 * self.speed;
        -cost
    }
}

/// Learns for 8000 steps, the first 500 at random and then one update a step, and returns the mean
/// return of ten episodes without noise.
fn learn(config: &ActorCriticConfig, seed: u64) -> f32 {
    let streams = Streams::new(seed);
    let mut agent = config.build(3, 1, streams).unwrap();
    let mut rng = streams.at("task", 0);
    let mut memory: Vec<([f32; 3], f32, f32, [f32; 3])> = Vec::new();
    let (mut batch, mut action) = (ControlBatch::default(), Vec::new());
    let mut pendulum = Pendulum::begin(&mut rng);
    for step in 0..8000 {
        if step % STEPS == 0 {
            pendulum = Pendulum::begin(&mut rng);
            agent.begin_episode(&mut rng);
        }
        let state = pendulum.state();
        if step < 500 {
            action.clear();
            action.push(rng.random_range(-1.0..=1.0));
        } else {
            agent.explore(&state, step as u64, &mut rng, &mut action);
        }
        let reward = pendulum.step(action[0]);
        memory.push((state, action[0], reward, pendulum.state()));
        if step >= 500 {
            batch.clear();
            for _ in 0..config.batch() {
                let (state, action, reward, next) = &memory[rng.random_range(0..memory.len())];
                batch.push(state, &[*action], *reward, next, 0.99, 1.0);
            }
            agent.update(&batch, &mut rng);
        }
    }
    mean_return(|state| {
        agent.act(state, &mut action);
        action[0]
    })
}

/// The mean return of a policy over ten episodes, the same for all policies.
fn mean_return(mut policy: impl FnMut(&[f32]) -> f32) -> f32 {
    let mut sum = 0.0;
    for episode in 0..10 {
        let mut pendulum = Pendulum::begin(&mut Streams::new(99).at("test", episode));
        for _ in 0..STEPS {
            sum += pendulum.step(policy(&pendulum.state()));
        }
    }
    sum / 10.0
}

/// The median of what three seeds learn: a single run may stop at an unlucky moment.
fn median_return(config: &ActorCriticConfig) -> f32 {
    let mut returns: Vec<f32> = [1, 2, 3].into_par_iter().map(|seed| learn(config, seed)).collect();
    returns.sort_by(f32::total_cmp);
    returns[1]
}

/// What counts as solved: a swing up and little after it. Medians are -136 (TD3), -138 (SAC, DDPG).
const SOLVED: f32 = -160.0;

#[test]
fn doing_nothing_is_far_from_it() {
    let idle = mean_return(|_| 0.0);
    assert!(idle < -900.0, "{idle}");
}

#[test]
fn ddpg_swings_up_the_pendulum() {
    let found = median_return(&ActorCriticConfig::Ddpg(Ddpg {
        hidden: vec![64, 64],
        actor_learning_rate: 1e-3,
        weight_decay: 0.0,
        tau: 5e-3,
        ..Ddpg::default()
    }));
    assert!(found > SOLVED, "{found}");
}

#[test]
fn td3_swings_up_the_pendulum() {
    let found = median_return(&ActorCriticConfig::Td3(Td3 {
        hidden: vec![64, 64],
        batch: 64,
        actor_learning_rate: 3e-3,
        critic_learning_rate: 3e-3,
        ..Td3::default()
    }));
    assert!(found > SOLVED, "{found}");
}

#[test]
fn sac_swings_up_the_pendulum() {
    let found = median_return(&ActorCriticConfig::Sac(Sac {
        hidden: vec![64, 64],
        batch: 64,
        actor_learning_rate: 1e-3,
        critic_learning_rate: 1e-3,
        temperature_learning_rate: 1e-3,
        ..Sac::default()
    }));
    assert!(found > SOLVED, "{found}");
}
