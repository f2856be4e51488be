//! What a deep Q-network and an ensemble of them share: inputs, estimates and updates.

use serde::{Deserialize, Serialize};

use super::dqn::DeepQ;
use super::{Estimates, LinearCounts, Memory, QFunction, Setting};
use crate::error::{Error, Result};
use crate::explore::Moment;
use crate::mdp::{Observation, Targets};
use crate::nn::{Adam, AdamSettings, Init, MlpShape, Network, Workspace, polyak};
use crate::persist::{Array, Persist, Snapshot};
use crate::replay::{Batch, Replay};
use crate::streams::{Generator, Streams};
use rand::RngExt;

#[cfg(test)]
mod tests;

/// What a Q-network puts out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// One number for `[state | features of the configuration that the action leads to]`, so that
    /// what is learned of one configuration carries over to similar ones.
    #[default]
    ActionFeatures,
    /// One number an action for a state, as in Mnih et al. 2015 and Hyp-RL: what is learned of one
    /// action says nothing of another.
    PerAction,
}

/// How the target network follows the online network.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// A copy every so many updates (Mnih et al. 2015), at least 1.
    Every(u64),
    /// `target = (1 - tau) target + tau online` after every update (Lillicrap et al. 2016), tau in
    /// `(0, 1]`.
    Soft(f32),
}

/// What makes several networks differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Diversity {
    pub members: usize,
    /// The weight of the fixed random prior network added to each member.
    pub prior_scale: f32,
    /// The probability that a member sees a transition.
    pub bootstrap: f32,
}

/// Deep Q-networks that learn side by side from one replay.
pub(super) struct Networks {
    config: DeepQ,
    setting: Setting,
    diversity: Diversity,
    online: Network,
    target: Network,
    /// Derived from the streams, like the initial weights, and not stored.
    prior: Option<Network>,
    adam: Adam,
    replay: Box<dyn Replay>,
    counts: LinearCounts,
    /// Which members see each transition of the memory, one bit a member.
    seen_by: Vec<u64>,
    scratch: Scratch,
}

/// Buffers that are used again in every update.
#[derive(Default)]
struct Scratch {
    workspace: Workspace,
    prior_workspace: Workspace,
    batch: Batch,
    inputs: Vec<f32>,
    values: Vec<f32>,
    d_outputs: Vec<f32>,
    gradient: Vec<f32>,
    errors: Vec<f32>,
    state: Vec<f32>,
    own: Vec<f32>,
    next_inputs: Vec<f32>,
    next_rows: Vec<std::ops::Range<usize>>,
    candidates: Vec<usize>,
    judged: Vec<f32>,
    targets: Vec<f32>,
    prior_values: Vec<f32>,
}

impl Networks {
    pub fn new(
        config: &DeepQ,
        setting: Setting,
        diversity: Diversity,
        streams: Streams,
    ) -> Result<Self> {
        config.check()?;
        let state = 1 + setting.features;
        let shape = MlpShape {
            inputs: match config.head {
                Head::ActionFeatures => state + setting.grid.space().features(),
                Head::PerAction => state,
            },
            hidden: config.hidden.clone(),
            outputs: match (config.head, config.dueling) {
                (Head::ActionFeatures, _) => 1,
                (Head::PerAction, false) => setting.actions,
                (Head::PerAction, true) => setting.actions + 1,
            },
            activation: config.activation,
            layer_norm: config.layer_norm,
        };
        let weights = |purpose, init| {
            Network::new(shape.clone(), diversity.members, init, &mut streams.at(purpose, 0))
        };
        let online = weights("value/weights", Init::TorchLinear)?;
        let prior = match diversity.prior_scale > 0.0 {
            true => Some(weights("value/prior", Init::LecunNormal)?),
            false => None,
        };
        let adam = AdamSettings {
            learning_rate: config.learning_rate,
            weight_decay: config.weight_decay,
            clip_norm: config.gradient_clip,
            ..AdamSettings::default()
        };
        let scratch = Scratch { gradient: vec![0.0; online.params().len()], ..Scratch::default() };
        Ok(Self {
            counts: LinearCounts::new(&setting.grid, config.count_length_scale, streams),
            adam: Adam::new(adam, online.params().len())?,
            replay: config.replay.build(config.capacity)?,
            target: online.clone(),
            config: config.clone(),
            setting,
            diversity,
            online,
            prior,
            seen_by: Vec::new(),
            scratch,
        })
    }

    /// The members' values of every action, the generalized counts and, for several members, mean
    /// and spread.
    fn estimate_all(&mut self, observation: &Observation, into: &mut Estimates) {
        let actions = self.setting.actions;
        let members = self.diversity.members;
        state_input(&observation.features, &mut self.scratch.state);
        into.members.clear();
        for member in 0..members {
            self.values_of_all(member, observation.state, &mut into.members);
        }
        into.mean.clear();
        into.spread.clear();
        if members == 1 {
            std::mem::swap(&mut into.mean, &mut into.members);
            into.members.clear();
        } else {
            into.mean.resize(actions, 0.0);
            into.spread.resize(actions, 0.0);
            for q in into.members.chunks_exact(actions) {
                into.mean.iter_mut().zip(q).for_each(|(mean, q)| *mean += q / members as f32);
            }
            for q in into.members.chunks_exact(actions) {
                for ((spread, q), mean) in into.spread.iter_mut().zip(q).zip(&into.mean) {
                    *spread += (q - mean).powi(2);
                }
            }
            into.spread.iter_mut().for_each(|s| *s = (*s / (members - 1) as f32).sqrt());
        }
        into.counts.clear();
        into.counts.extend((0..actions).map(|action| {
            self.setting
                .reached(observation.state, action)
                .map_or(0.0, |row| self.counts.count(row))
        }));
    }

    /// Appends one member's values of all actions; the state's input lies in `scratch.state`.
    fn values_of_all(&mut self, member: usize, state: usize, into: &mut Vec<f32>) {
        let scratch = &mut self.scratch;
        let (actions, width) = (self.setting.actions, self.setting.grid.space().features());
        let scale = self.diversity.prior_scale;
        let start = into.len();
        match self.config.head {
            Head::ActionFeatures => {
                let encoding = self.setting.grid.encoding();
                let own = match self.setting.targets {
                    Targets::Configurations => encoding,
                    Targets::Moves => {
                        scratch.own.clear();
                        for action in 0..actions {
                            // A move that leads nowhere is never allowed; its value is not read.
                            let row = self.setting.reached(state, action).unwrap_or(state);
                            scratch.own.extend_from_slice(&encoding[row * width..][..width]);
                        }
                        &scratch.own
                    }
                };
                let q = self.online.forward_split(
                    member,
                    &scratch.state,
                    own,
                    actions,
                    &mut scratch.workspace,
                );
                into.extend_from_slice(q);
                if let Some(prior) = &self.prior {
                    let p = prior.forward_split(
                        member,
                        &scratch.state,
                        own,
                        actions,
                        &mut scratch.workspace,
                    );
                    add_scaled(&mut into[start..], p, scale);
                }
            }
            Head::PerAction => {
                let q = self.online.forward(member, &scratch.state, 1, &mut scratch.workspace);
                push_action_values(q, self.config.dueling, into);
                if let Some(prior) = &self.prior {
                    let p = prior.forward(member, &scratch.state, 1, &mut scratch.workspace);
                    scratch.prior_values.clear();
                    push_action_values(p, self.config.dueling, &mut scratch.prior_values);
                    add_scaled(&mut into[start..], &scratch.prior_values, scale);
                }
            }
        }
    }

    /// Takes note of new transitions, then makes the trial's updates.
    fn learn_from(&mut self, memory: &Memory, fresh: usize, rewards: &[f32], moment: Moment) {
        for (position, transition) in memory.transitions().iter().enumerate().skip(fresh) {
            self.replay.push(position);
            self.counts.add(transition.reached);
            let mut rng = moment.streams.at("value/bootstrap", position as u64);
            let seen = (0..self.diversity.members)
                .filter(|_| rng.random::<f32>() < self.diversity.bootstrap)
                .fold(0u64, |bits, member| bits | 1 << member);
            self.seen_by.push(seen);
        }
        if self.replay.is_empty() {
            return;
        }
        let mut rng = moment.streams.at("value/learn", moment.trial);
        for _ in 0..self.config.updates_per_trial {
            self.update(memory, rewards, &mut rng);
        }
    }

    fn update(&mut self, memory: &Memory, rewards: &[f32], rng: &mut Generator) {
        let mut batch = std::mem::take(&mut self.scratch.batch);
        self.replay.sample(self.config.batch, rng, &mut batch);
        let rows = batch.positions.len();
        self.fill_inputs(memory, &batch);
        self.fill_next_inputs(memory, &batch, rng);
        self.scratch.errors.clear();
        self.scratch.errors.resize(rows, 0.0);
        let mut targets = std::mem::take(&mut self.scratch.targets);
        for member in 0..self.diversity.members {
            self.targets(member, memory, &batch, rewards, &mut targets);
            self.member_gradient(member, memory, &batch, &targets);
        }
        self.scratch.targets = targets;
        let members = self.diversity.members as f32;
        self.scratch.errors.iter_mut().for_each(|error| *error /= members);
        self.replay.update(&batch, &self.scratch.errors);
        self.adam.step(self.online.params_mut(), &self.scratch.gradient);
        match self.config.target {
            Target::Soft(tau) => polyak(self.target.params_mut(), self.online.params(), tau),
            Target::Every(every) if self.adam.steps().is_multiple_of(every) => {
                self.target.params_mut().copy_from_slice(self.online.params());
            }
            Target::Every(_) => {}
        }
        self.scratch.batch = batch;
    }

    /// Writes the batch's network inputs into `scratch.inputs`.
    fn fill_inputs(&mut self, memory: &Memory, batch: &Batch) {
        let width = self.setting.grid.space().features();
        let inputs = &mut self.scratch.inputs;
        inputs.clear();
        for &position in &batch.positions {
            let transition = &memory[position];
            inputs.push(1.0);
            inputs.extend_from_slice(&transition.features);
            if self.config.head == Head::ActionFeatures {
                inputs.extend_from_slice(
                    &self.setting.grid.encoding()[transition.reached * width..][..width],
                );
            }
        }
    }

    /// Writes the inputs at which the next states' values are read into `scratch.next_inputs`, and
    /// which rows belong to which transition into `scratch.next_rows`. Without a discount there is
    /// nothing to read.
    ///
    /// A network with one output an action needs a row a state. One that sees the action's features
    /// needs a row an action: all allowed ones or a random subset of `bootstrap_actions`, the same for
    /// all members.
    fn fill_next_inputs(&mut self, memory: &Memory, batch: &Batch, rng: &mut Generator) {
        let width = self.setting.grid.space().features();
        let scratch = &mut self.scratch;
        scratch.next_inputs.clear();
        scratch.next_rows.clear();
        let mut rows = 0;
        for &position in &batch.positions {
            let start = rows;
            if let (Some(next), true) = (&memory[position].next, self.setting.discount > 0.0) {
                let mut push = |own: &[f32]| {
                    scratch.next_inputs.push(1.0);
                    scratch.next_inputs.extend_from_slice(&next.features);
                    scratch.next_inputs.extend_from_slice(own);
                    rows += 1;
                };
                match self.config.head {
                    Head::PerAction => push(&[]),
                    Head::ActionFeatures => {
                        let all = &mut scratch.candidates;
                        all.clear();
                        all.extend(next.allowed.iter());
                        let wanted = self.config.bootstrap_actions;
                        if wanted < all.len() {
                            for place in 0..wanted {
                                let other = rng.random_range(place..all.len());
                                all.swap(place, other);
                            }
                            all.truncate(wanted);
                        }
                        for &action in all.iter() {
                            let row =
                                self.setting.reached(next.state, action).unwrap_or(next.state);
                            push(&self.setting.grid.encoding()[row * width..][..width]);
                        }
                    }
                }
            }
            scratch.next_rows.push(start..rows);
        }
    }

    /// Writes `r + gamma^n max_a Q_target(s', a)` into a buffer, with double Q-learning
    /// `r + gamma^n Q_target(s', argmax_a Q_online(s', a))`.
    fn targets(
        &mut self,
        member: usize,
        memory: &Memory,
        batch: &Batch,
        rewards: &[f32],
        into: &mut Vec<f32>,
    ) {
        let mut values = std::mem::take(&mut self.scratch.values);
        let mut judged = std::mem::take(&mut self.scratch.judged);
        self.next_values(member, true, &mut values);
        if self.config.double {
            self.next_values(member, false, &mut judged);
        }
        let judge = if self.config.double { &judged } else { &values };
        let discount = self.setting.discount;
        into.clear();
        for (&position, rows) in batch.positions.iter().zip(&self.scratch.next_rows) {
            let transition = &memory[position];
            let mut target = transition.rewards(rewards, discount);
            if let (Some(next), false) = (&transition.next, rows.is_empty()) {
                let better = |best, place| if judge[place] > judge[best] { place } else { best };
                let best = match self.config.head {
                    Head::ActionFeatures => rows.clone().reduce(better),
                    Head::PerAction => {
                        let first = rows.start * self.setting.actions;
                        next.allowed.iter().map(|action| first + action).reduce(better)
                    }
                };
                let value = best.map_or(0.0, |place| values[place]);
                target += discount.powi(transition.trials.len() as i32) * value;
            }
            into.push(target);
        }
        self.scratch.values = values;
        self.scratch.judged = judged;
    }

    /// One member's values at `scratch.next_inputs`, of the target or the online network.
    fn next_values(&mut self, member: usize, target: bool, into: &mut Vec<f32>) {
        let network = if target { &self.target } else { &self.online };
        let scratch = &mut self.scratch;
        let rows = scratch.next_rows.last().map_or(0, |last| last.end);
        into.clear();
        if rows == 0 {
            return;
        }
        let outputs = network.shape().outputs;
        let (dueling, inputs) = (self.config.dueling, &scratch.next_inputs);
        let q = network.forward(member, inputs, rows, &mut scratch.workspace);
        push_rows(q, outputs, dueling, into);
        if let Some(prior) = &self.prior {
            let p = prior.forward(member, inputs, rows, &mut scratch.workspace);
            scratch.prior_values.clear();
            push_rows(p, outputs, dueling, &mut scratch.prior_values);
            add_scaled(into, &scratch.prior_values, self.diversity.prior_scale);
        }
    }

    /// The gradient of the weighted mean squared (or Huber) error of one member, into its part of
    /// `scratch.gradient`; absolute errors are added to `scratch.errors`.
    fn member_gradient(&mut self, member: usize, memory: &Memory, batch: &Batch, targets: &[f32]) {
        let rows = batch.positions.len();
        let outputs = self.online.shape().outputs;
        let scratch = &mut self.scratch;
        let (dueling, actions) = (self.config.dueling, self.setting.actions);
        let taken = |out: &[f32], action: usize| match (self.config.head, dueling) {
            (Head::ActionFeatures, _) => out[0],
            (Head::PerAction, false) => out[action],
            (Head::PerAction, true) => {
                out[0] + out[1 + action] - out[1..].iter().sum::<f32>() / actions as f32
            }
        };
        scratch.values.clear();
        scratch.values.resize(rows, 0.0);
        if let Some(prior) = &self.prior {
            let p = prior.forward(member, &scratch.inputs, rows, &mut scratch.prior_workspace);
            for (row, value) in scratch.values.iter_mut().enumerate() {
                let action = memory[batch.positions[row]].action;
                *value = self.diversity.prior_scale * taken(&p[row * outputs..][..outputs], action);
            }
        }
        let q = self.online.forward(member, &scratch.inputs, rows, &mut scratch.workspace);
        scratch.d_outputs.clear();
        scratch.d_outputs.resize(rows * outputs, 0.0);
        for row in 0..rows {
            let position = batch.positions[row];
            let action = memory[position].action;
            let error =
                scratch.values[row] + taken(&q[row * outputs..][..outputs], action) - targets[row];
            scratch.errors[row] += error.abs();
            if self.seen_by[position] >> member & 1 == 0 {
                continue;
            }
            // The derivative of the Huber loss with threshold 1 is the error, clipped.
            let slope = if self.config.huber { error.clamp(-1.0, 1.0) } else { error };
            let d = batch.weights[row] * slope / rows as f32;
            let out = &mut scratch.d_outputs[row * outputs..][..outputs];
            match (self.config.head, dueling) {
                (Head::ActionFeatures, _) => out[0] = d,
                (Head::PerAction, false) => out[action] = d,
                (Head::PerAction, true) => {
                    out[0] = d;
                    out[1..].fill(-d / actions as f32);
                    out[1 + action] += d;
                }
            }
        }
        self.online.backward(
            member,
            &scratch.inputs,
            rows,
            &scratch.d_outputs,
            Some(&mut scratch.gradient),
            None,
            &mut scratch.workspace,
        );
    }
}

/// A state as the networks see it: a constant 1, which gives priors their offsets and stateless
/// processes an input, then the features.
fn state_input(features: &[f32], into: &mut Vec<f32>) {
    into.clear();
    into.push(1.0);
    into.extend_from_slice(features);
}

/// Appends the values of all actions; with dueling streams (Wang et al. 2016, equation 9)
/// `Q = V + A - mean A` of outputs `[V, A_1, ...]`.
fn push_action_values(outputs: &[f32], dueling: bool, into: &mut Vec<f32>) {
    if dueling {
        let (value, advantages) = (outputs[0], &outputs[1..]);
        let mean = advantages.iter().sum::<f32>() / advantages.len() as f32;
        into.extend(advantages.iter().map(|a| value + a - mean));
    } else {
        into.extend_from_slice(outputs);
    }
}

/// [`push_action_values`] of many rows.
fn push_rows(rows: &[f32], outputs: usize, dueling: bool, into: &mut Vec<f32>) {
    if dueling {
        rows.chunks_exact(outputs).for_each(|row| push_action_values(row, dueling, into));
    } else {
        into.extend_from_slice(rows);
    }
}

fn add_scaled(values: &mut [f32], other: &[f32], scale: f32) {
    values.iter_mut().zip(other).for_each(|(value, other)| *value += scale * other);
}

impl QFunction for Networks {
    fn estimate(&mut self, observation: &Observation, into: &mut Estimates) {
        self.estimate_all(observation, into);
    }

    fn learn(
        &mut self,
        memory: &Memory,
        fresh: usize,
        rewards: &[f32],
        moment: Moment,
    ) -> Result<()> {
        self.learn_from(memory, fresh, rewards, moment);
        Ok(())
    }

    fn check_loaded(&self, at: &str, memory: &Memory) -> Result<()> {
        if self.seen_by.len() != memory.len() {
            return Err(Error::snapshot(
                format!("{at}/seen-by"),
                format!(
                    "must have one entry for each of {} transitions, found {}",
                    memory.len(),
                    self.seen_by.len()
                ),
            ));
        }
        if let Some(position) =
            self.replay.positions().iter().find(|position| **position >= memory.len() as u64)
        {
            return Err(Error::snapshot(
                format!("{at}/replay/ring"),
                format!("holds transition {position} of {}", memory.len()),
            ));
        }
        // Updates are made only where a transition was added.
        let (updates, per_trial) = (self.adam.steps(), self.config.updates_per_trial);
        if updates > (memory.len() as u64).saturating_mul(per_trial as u64) {
            return Err(Error::snapshot(
                format!("{at}/adam/step"),
                format!(
                    "{updates} updates after {} transitions, at {per_trial} a trial",
                    memory.len()
                ),
            ));
        }
        Ok(())
    }
}

impl Persist for Networks {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        self.online.save(&format!("{at}/online"), snapshot)?;
        self.target.save(&format!("{at}/target"), snapshot)?;
        self.adam.save(&format!("{at}/adam"), snapshot)?;
        self.replay.save(&format!("{at}/replay"), snapshot)?;
        self.counts.save(&format!("{at}/counts"), snapshot)?;
        snapshot.put_array(at, "seen-by", Array::U64(self.seen_by.clone()));
        Ok(())
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        self.online.load(&format!("{at}/online"), snapshot)?;
        self.target.load(&format!("{at}/target"), snapshot)?;
        self.adam.load(&format!("{at}/adam"), snapshot)?;
        self.replay.load(&format!("{at}/replay"), snapshot)?;
        self.counts.load(&format!("{at}/counts"), snapshot)?;
        match snapshot.array(at, "seen-by")? {
            Array::U64(bits) => self.seen_by.clone_from(bits),
            _ => return Err(Error::snapshot(format!("{at}/seen-by"), "must be integers")),
        }
        Ok(())
    }
}
