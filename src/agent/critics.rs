//! Critics: networks that value `[state | action]`, with targets that follow slowly.

use super::control::{ControlBatch, adam, load_adam};
use crate::error::Result;
use crate::nn::{Activation, Adam, Init, MlpShape, Network, Workspace, polyak};
use crate::persist::{Persist, Snapshot};
use crate::streams::Generator;

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
}

/// Critics that learn side by side from the same targets.
pub(super) struct Critics {
    states: usize,
    online: Network,
    target: Network,
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
    gradient: Vec<f32>,
    targets: Vec<f32>,
    errors: Vec<f32>,
    d_outputs: Vec<f32>,
    /// The gradients at the actions of the rows that one member is chosen for.
    d_chosen: Vec<f32>,
    values: Vec<f32>,
    /// Which member's value that is.
    chosen: Vec<usize>,
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
    pub fn new(design: &Design<'_>, rng: &mut Generator) -> Result<Self> {
        let shape = MlpShape {
            inputs: design.states + design.actions,
            hidden: design.hidden.to_vec(),
            outputs: 1,
            activation: design.activation,
            layer_norm: design.layer_norm,
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
            scratch: Scratch {
                workspaces: vec![Workspace::default(); design.members],
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
        let Scratch { workspaces, gradient, targets, errors, d_outputs, .. } = &mut self.scratch;
        let workspace = &mut workspaces[0];
        let next = self.target.forward_all(next_inputs, rows, workspace);
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
                let (error, weight) = (q - target, batch.weights[row]);
                errors[row] += error.abs() / members as f32;
                loss += weight * error * error;
                d_outputs.push(2.0 * self.coefficient * weight * error / rows as f32);
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
        let actions = self.online.shape().inputs - self.states;
        let Scratch { workspaces, d_outputs, d_chosen, values, chosen, d_actions, .. } =
            &mut self.scratch;
        values.clear();
        values.resize(rows, f32::INFINITY);
        chosen.clear();
        chosen.resize(rows, 0);
        for (member, workspace) in workspaces.iter_mut().enumerate().take(members) {
            let q = self.online.forward(member, inputs, rows, workspace);
            for (row, q) in q.iter().enumerate() {
                if *q < values[row] {
                    (values[row], chosen[row]) = (*q, member);
                }
            }
        }
        d_actions.resize(rows * actions, 0.0);
        d_outputs.clear();
        d_outputs.resize(rows, 1.0);
        for (member, workspace) in workspaces.iter_mut().enumerate().take(members) {
            // A row has a gradient through the member that values it least only.
            let kept = self.online.keep(workspace, |row| chosen[row] == member);
            d_chosen.resize(kept * actions, 0.0);
            let d_outputs = &d_outputs[..kept];
            self.online.backward(member, &[], kept, d_outputs, None, Some(d_chosen), workspace);
            let mut d_chosen = d_chosen.chunks_exact(actions);
            for (d, chosen) in d_actions.chunks_exact_mut(actions).zip(&*chosen) {
                if *chosen == member {
                    d.copy_from_slice(d_chosen.next().expect("one row for each that was kept"));
                }
            }
        }
        (values, d_actions)
    }

    /// The values of rows of `[state | action]` by every critic: `members x rows`.
    pub fn values(&mut self, inputs: &[f32], rows: usize) -> &[f32] {
        self.online.forward_all(inputs, rows, &mut self.scratch.workspaces[0])
    }
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
        load_adam(&mut self.adam, &format!("{at}/adam"), snapshot)
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
