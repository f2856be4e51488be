//! Critics: networks that value `[state | action]`, with targets that follow slowly.

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use super::control::{ControlBatch, adam};
use crate::error::Result;
use crate::nn::{Activation, Adam, Init, MlpShape, Network, Workspace, polyak};
use crate::persist::{Persist, Snapshot};
use crate::streams::{Generator, Streams};

/// How critics are made and how they learn.
pub(super) struct Design<'a> {
    pub states: usize,
    pub actions: usize,
    pub hidden: &'a [usize],
    pub activation: Activation,
    pub layer_norm: bool,
    pub members: usize,
    pub learning_rate: f32,
    pub weight_decay: f32,
    pub gradient_clip: Option<f32>,
    pub tau: f32,
    /// What the mean squared error is multiplied with: 1, or 1/2 in soft actor-critic.
    pub coefficient: f32,
    /// The weight of the fixed random network that is added to each critic.
    pub prior_scale: f32,
    /// The probability that a critic sees a transition of a batch.
    pub bootstrap: f32,
}

/// Critics that learn side by side from the same targets.
///
/// A value is that of the trained network plus `prior_scale` times that of a fixed random one (Osband,
/// Aslanides & Cassirer 2018), which keeps critics apart where there are no transitions.
pub(super) struct Critics {
    states: usize,
    online: Network,
    target: Network,
    /// Derived from the streams, like the initial weights, and not stored.
    prior: Option<Network>,
    prior_scale: f32,
    bootstrap: f32,
    adam: Adam,
    weight_decay: f32,
    tau: f32,
    coefficient: f32,
    scratch: Scratch,
}

/// Buffers that are used again in every update.
#[derive(Default)]
struct Scratch {
    /// One a member, since the minimum of all is differentiated.
    workspaces: Vec<Workspace>,
    prior_workspaces: Vec<Workspace>,
    gradient: Vec<f32>,
    targets: Vec<f32>,
    errors: Vec<f32>,
    /// The values of a batch's next inputs, `members x rows`.
    next: Vec<f32>,
    /// Those of the inputs by the priors.
    prior_values: Vec<f32>,
    /// Which critic sees which row, `members x rows`.
    seen: Vec<bool>,
    d_outputs: Vec<f32>,
    /// The gradients at the actions of the rows that count for a member.
    d_chosen: Vec<f32>,
    values: Vec<f32>,
    /// How much each critic's value of each row counts, `members x rows`.
    shares: Vec<f32>,
    d_actions: Vec<f32>,
}

/// Which value an actor climbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Climb {
    /// That of the first critic.
    First,
    /// The smallest of all critics', row by row.
    Smallest,
}

impl Critics {
    pub fn new(design: &Design<'_>, streams: Streams, rng: &mut Generator) -> Result<Self> {
        let shape = MlpShape {
            inputs: design.states + design.actions,
            hidden: design.hidden.to_vec(),
            outputs: 1,
            activation: design.activation,
            layer_norm: design.layer_norm,
        };
        let prior = match design.prior_scale > 0.0 {
            true => Some(draw_prior(
                MlpShape { layer_norm: false, ..shape.clone() },
                design.members,
                &mut streams.at("agent/prior", 0),
            )?),
            false => None,
        };
        let online = Network::new(shape, design.members, Init::TorchLinear, rng)?;
        let len = online.params().len();
        Ok(Self {
            states: design.states,
            target: online.clone(),
            adam: adam(design.learning_rate, design.gradient_clip, len)?,
            weight_decay: design.weight_decay,
            tau: design.tau,
            coefficient: design.coefficient,
            prior,
            prior_scale: design.prior_scale,
            bootstrap: design.bootstrap,
            scratch: Scratch {
                workspaces: vec![Workspace::default(); design.members],
                prior_workspaces: vec![Workspace::default(); design.members],
                gradient: vec![0.0; len],
                ..Scratch::default()
            },
            online,
        })
    }

    /// Draws the last layers' weights anew, uniform in `+-bound`; the targets are the same again.
    pub fn draw_outputs(&mut self, bound: f32, rng: &mut Generator) {
        for member in 0..self.online.members() {
            super::deterministic::draw_outputs(&mut self.online, member, bound, rng);
        }
        self.target.params_mut().copy_from_slice(self.online.params());
    }

    pub fn members(&self) -> usize {
        self.online.members()
    }

    /// How many updates were made.
    pub fn updates(&self) -> u64 {
        self.adam.steps()
    }

    pub fn errors(&self) -> &[f32] {
        &self.scratch.errors
    }

    /// Decides which critic sees which of so many rows in the next [`Self::learn`]. Where all see all,
    /// nothing is drawn.
    pub fn draw_seen(&mut self, rows: usize, rng: &mut Generator) {
        let seen = &mut self.scratch.seen;
        seen.clear();
        if self.bootstrap < 1.0 {
            let count = self.online.members() * rows;
            seen.extend((0..count).map(|_| rng.random::<f32>() < self.bootstrap));
        }
    }

    /// One step down the mean squared distance to
    /// `r + discount * (min_j Q'_j(next input) + bonus)`, and returns that distance.
    pub fn learn(
        &mut self,
        batch: &ControlBatch,
        next_inputs: &[f32],
        bonus: Option<&[f32]>,
    ) -> f32 {
        let rows = batch.rows();
        let members = self.online.members();
        let Scratch {
            workspaces,
            prior_workspaces,
            gradient,
            targets,
            errors,
            next,
            prior_values,
            seen,
            d_outputs,
            ..
        } = &mut self.scratch;
        let workspace = &mut workspaces[0];
        next.clear();
        next.extend_from_slice(self.target.forward_all(next_inputs, rows, workspace));
        prior_values.clear();
        if let Some(prior) = &self.prior {
            let values = prior.forward_all(next_inputs, rows, &mut prior_workspaces[0]);
            next.iter_mut().zip(values).for_each(|(q, p)| *q += self.prior_scale * p);
            let values = prior.forward_all(&batch.inputs, rows, &mut prior_workspaces[0]);
            prior_values.extend_from_slice(values);
        }
        targets.clear();
        for row in 0..rows {
            let smallest = (0..members).map(|j| next[j * rows + row]).fold(f32::INFINITY, f32::min);
            let value = smallest + bonus.map_or(0.0, |bonus| bonus[row]);
            // Where the episode ended, there is no state whose value could be infinite or NaN.
            let discounted = match batch.discounts[row] {
                0.0 => 0.0,
                discount => discount * value,
            };
            targets.push(batch.rewards[row] + discounted);
        }
        errors.clear();
        errors.resize(rows, 0.0);
        let mut loss = 0.0;
        for member in 0..members {
            let q = self.online.forward(member, &batch.inputs, rows, workspace);
            d_outputs.clear();
            for (row, (q, target)) in q.iter().zip(&*targets).enumerate() {
                let place = member * rows + row;
                let prior = prior_values.get(place).map_or(0.0, |p| self.prior_scale * p);
                let (error, weight) = (q + prior - target, batch.weights[row]);
                errors[row] += error.abs() / members as f32;
                loss += weight * error * error;
                let sees = seen.get(place).is_none_or(|sees| *sees);
                d_outputs.push(if sees {
                    2.0 * self.coefficient * weight * error / rows as f32
                } else {
                    0.0
                });
            }
            self.online.backward(
                member,
                &batch.inputs,
                rows,
                d_outputs,
                Some(gradient),
                None,
                workspace,
            );
        }
        if self.weight_decay > 0.0 {
            for (d, weight) in gradient.iter_mut().zip(self.online.params()) {
                *d += self.weight_decay * weight;
            }
        }
        self.adam.step(self.online.params_mut(), gradient);
        loss / (rows * members) as f32
    }

    /// The targets follow.
    pub fn follow(&mut self) {
        polyak(self.target.params_mut(), self.online.params(), self.tau);
    }

    /// The values of rows of `[state | action]` and their gradients at the actions (`rows x actions`).
    pub fn slope(&mut self, climb: Climb, inputs: &[f32], rows: usize) -> (&[f32], &[f32]) {
        let members = match climb {
            Climb::First => 1,
            Climb::Smallest => self.online.members(),
        };
        self.forward(members, inputs, rows);
        let Scratch { values, shares, .. } = &mut self.scratch;
        shares.clear();
        shares.resize(members * rows, 0.0);
        for row in 0..rows {
            // NaN is no number to be smaller than: the first critic is taken then.
            let smallest = (1..members).fold(0, |best, member| {
                match values[member * rows + row] < values[best * rows + row] {
                    true => member,
                    false => best,
                }
            });
            values[row] = values[smallest * rows + row];
            shares[smallest * rows + row] = 1.0;
        }
        values.truncate(rows);
        self.backward(members, rows);
        (&self.scratch.values, &self.scratch.d_actions)
    }

    /// The gradient at the actions (`rows x actions`) of a weighted sum of all values, with a weight for
    /// each critic's value of each row (`members x rows`).
    pub fn weighted_slope(&mut self, inputs: &[f32], rows: usize, weights: &[f32]) -> &[f32] {
        let members = self.online.members();
        assert_eq!(weights.len(), members * rows, "there must be a weight for every value");
        self.forward(members, inputs, rows);
        self.scratch.shares.clear();
        self.scratch.shares.extend_from_slice(weights);
        self.backward(members, rows);
        &self.scratch.d_actions
    }

    /// The values of rows of `[state | action]` by every critic: `members x rows`.
    pub fn values(&mut self, inputs: &[f32], rows: usize) -> &[f32] {
        self.forward(self.online.members(), inputs, rows);
        &self.scratch.values
    }

    /// Writes the values of the first so many critics, and leaves workspaces to go back through.
    fn forward(&mut self, members: usize, inputs: &[f32], rows: usize) {
        let Scratch { workspaces, prior_workspaces, values, .. } = &mut self.scratch;
        values.clear();
        for (member, workspace) in workspaces.iter_mut().enumerate().take(members) {
            values.extend_from_slice(self.online.forward(member, inputs, rows, workspace));
            if let Some(prior) = &self.prior {
                let p = prior.forward(member, inputs, rows, &mut prior_workspaces[member]);
                let q = &mut values[member * rows..];
                q.iter_mut().zip(p).for_each(|(q, p)| *q += self.prior_scale * p);
            }
        }
    }

    /// Writes the gradient at the actions of the values of the last [`Self::forward`], weighted by the
    /// shares.
    fn backward(&mut self, members: usize, rows: usize) {
        let width = self.online.shape().inputs;
        let actions = width - self.states;
        let Scratch {
            workspaces, prior_workspaces, d_outputs, d_chosen, shares, d_actions, ..
        } = &mut self.scratch;
        d_actions.clear();
        d_actions.resize(rows * actions, 0.0);
        for member in 0..members {
            let share = &shares[member * rows..][..rows];
            let mut add = |network: &Network, scale: f32, workspace: &mut Workspace| {
                // Rows that do not count have no gradient, which spares most of the passes.
                let kept = network.keep(workspace, |row| share[row] != 0.0);
                let counting = share.iter().filter(|share| **share != 0.0);
                d_outputs.clear();
                d_outputs.extend(counting.map(|share| scale * share));
                d_chosen.resize(kept * actions, 0.0);
                network.backward(member, &[], kept, d_outputs, None, Some(d_chosen), workspace);
                let mut d_chosen = d_chosen.chunks_exact(actions);
                for (sum, share) in d_actions.chunks_exact_mut(actions).zip(share) {
                    if *share != 0.0 {
                        let d = d_chosen.next().expect("one row for each that was kept");
                        sum.iter_mut().zip(d).for_each(|(sum, d)| *sum += d);
                    }
                }
            };
            add(&self.online, 1.0, &mut workspaces[member]);
            if let Some(prior) = &self.prior {
                add(prior, self.prior_scale, &mut prior_workspaces[member]);
            }
        }
    }
}

/// Random networks whose biases are as random as their weights: without them all priors would be odd
/// functions around 0.
fn draw_prior(shape: MlpShape, members: usize, rng: &mut Generator) -> Result<Network> {
    let mut prior = Network::new(shape, members, Init::LecunNormal, rng)?;
    for range in (0..members).flat_map(|member| prior.bias_ranges(member)).collect::<Vec<_>>() {
        for bias in &mut prior.params_mut()[range] {
            let normal: f32 = StandardNormal.sample(rng);
            *bias = 0.5 * normal;
        }
    }
    Ok(prior)
}

impl Persist for Critics {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        self.online.save(&format!("{at}/online"), snapshot)?;
        self.target.save(&format!("{at}/target"), snapshot)?;
        self.adam.save(&format!("{at}/adam"), snapshot)
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        self.online.load(&format!("{at}/online"), snapshot)?;
        self.target.load(&format!("{at}/target"), snapshot)?;
        self.adam.load(&format!("{at}/adam"), snapshot)
    }
}

#[cfg(test)]
impl Critics {
    /// Starts from given weights, the targets too.
    pub fn set(&mut self, weights: &[f32]) {
        self.online.params_mut().copy_from_slice(weights);
        self.target.params_mut().copy_from_slice(weights);
    }

    pub fn assert_are(&self, online: &[f32], target: &[f32], case: &str) {
        super::tests::assert_near(self.online.params(), online, &format!("{case}: critics"));
        super::tests::assert_near(self.target.params(), target, &format!("{case}: their targets"));
    }
}
