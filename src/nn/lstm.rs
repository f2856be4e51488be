//! Recurrent Q-networks: an LSTM over a history, forward and backward on slices.

use std::ops::Range;

use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::Activation;
use super::kernel::{self, Mode};
use super::mlp::{MOST_WEIGHTS, first};
use super::product::Panel;
use super::sequences::{Packed, Sequences};
use crate::error::{Error, Result};
use crate::persist::{Array, Persist, Snapshot};
use crate::streams::Generator;

/// The shape of a recurrent Q-network: the values of all actions after the inputs `x_1, ..., x_T`.
///
/// ```text
/// h_0 = context W_c                                       c_0 = 0
/// [i f g o] = x_t W_x + h_(t-1) W_h + b                   i, f, o through the sigmoid, g through tanh
/// c_t = f c_(t-1) + i g                                   h_t = o tanh(c_t)
/// q = W_2 tanh(h_T W_1 + b_1) + b_2
/// ```
///
/// The parameters are one slice: `W_c` (context x cells), `W_x` (inputs x 4 cells), `W_h` (cells x
/// 4 cells), `b`, `W_1` (cells x hidden), `b_1`, `W_2` (outputs x hidden, a row an action), `b_2`; all
/// row-major.
///
/// Sources: Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000 for the forget gate; the order
/// of the gates is PyTorch's, of whose two biases there is the sum. That a data set's meta-features give
/// `h_0`: Jomaa, Grabocka & Schmidt-Thieme 2019 (Hyp-RL), section 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LstmShape {
    /// How many numbers go in at each step, at least 1.
    pub inputs: usize,
    /// How many numbers the first hidden state is made of; 0 where it is zero.
    pub context: usize,
    /// The cells of the LSTM, at least 1.
    pub cells: usize,
    /// The width of the hidden layer behind it, at least 1.
    pub hidden: usize,
    /// How many values come out, at least 1.
    pub outputs: usize,
}

impl Default for LstmShape {
    /// The 32 cells and 128 hidden units of Hyp-RL between one input and one output.
    fn default() -> Self {
        Self { inputs: 1, context: 0, cells: 32, hidden: 128, outputs: 1 }
    }
}

/// Where the parameters lie.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts {
    start: Range<usize>,
    input: Range<usize>,
    recurrent: Range<usize>,
    bias: Range<usize>,
    hidden: Range<usize>,
    hidden_bias: Range<usize>,
    output: Range<usize>,
    output_bias: Range<usize>,
}

impl LstmShape {
    /// Checks that no layer is empty and that the weights fit into memory.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] with the width that is 0, or with the shape where there are more than 2^26
    /// weights.
    pub fn check(&self) -> Result<()> {
        let Self { inputs, context, cells, hidden, outputs } = *self;
        let widths =
            [("inputs", inputs), ("cells", cells), ("hidden", hidden), ("outputs", outputs)];
        if let Some((setting, _)) = widths.into_iter().find(|(_, width)| *width == 0) {
            return Err(Error::setting("lstm", setting, "at least 1", 0));
        }
        // Saturating, since widths are the user's.
        let gates = inputs.saturating_add(cells).saturating_mul(cells.saturating_mul(4));
        let weights = gates
            .saturating_add(context.saturating_mul(cells))
            .saturating_add(hidden.saturating_mul(cells.saturating_add(outputs)));
        if weights > MOST_WEIGHTS {
            let rule = format!("so few that the network has at most {MOST_WEIGHTS} weights");
            return Err(Error::setting("lstm", "cells", rule, format!("{self:?}")));
        }
        Ok(())
    }

    /// How many parameters a network of this shape has.
    pub fn len(&self) -> usize {
        self.parts().output_bias.end
    }

    /// Whether it has no parameters, which no checked shape does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn parts(&self) -> Parts {
        let Self { inputs, context, cells, hidden, outputs } = *self;
        let mut end = 0;
        let mut take = |count: usize| {
            end += count;
            end - count..end
        };
        Parts {
            start: take(context * cells),
            input: take(inputs * 4 * cells),
            recurrent: take(cells * 4 * cells),
            bias: take(4 * cells),
            hidden: take(cells * hidden),
            hidden_bias: take(hidden),
            output: take(outputs * hidden),
            output_bias: take(outputs),
        }
    }
}

/// Buffers of forward and backward passes, grown on demand and then kept.
///
/// Rows of steps are packed: step after step, in each the longest sequence first. Where the sequences stand in
/// their own order, it says so.
#[derive(Debug, Clone, Default)]
pub struct LstmWorkspace {
    packed: Packed,
    /// The gates of every step, on the way back their gradients.
    gates: Vec<f32>,
    /// `h_(t-1)`, `c_t` and `tanh(c_t)` of every step.
    previous: Vec<f32>,
    cells: Vec<f32>,
    squashed: Vec<f32>,
    /// `h_t`, then its gradient.
    h: Vec<f32>,
    d_c: Vec<f32>,
    /// `c_0`, which nothing writes to.
    zeros: Vec<f32>,
    /// `h_T` and the hidden layer and their gradients, in the sequences' own order.
    last: Vec<f32>,
    hidden: Vec<f32>,
    d_last: Vec<f32>,
    d_hidden: Vec<f32>,
    /// Values, actions by rows or rows by actions.
    values: Vec<f32>,
    best: Vec<f32>,
    places: Vec<u32>,
    panel: Panel,
    /// Whether a forward pass awaits its way back, which uses it up.
    ready: bool,
}

/// A gradient in the layout of the parameters, of which most rows of the output layer are 0: only those of
/// the actions that were taken are written, and cleared before the next.
#[derive(Debug, Clone, PartialEq)]
pub struct LstmGradient {
    flat: Vec<f32>,
    /// The actions whose rows are not 0, each once.
    touched: Vec<usize>,
    hidden: usize,
    output: Range<usize>,
}

impl LstmGradient {
    /// The gradient of a network, all 0.
    pub fn new(network: &Lstm) -> Self {
        Self {
            flat: vec![0.0; network.params.len()],
            touched: Vec::new(),
            hidden: network.shape.hidden,
            output: network.parts.output.clone(),
        }
    }

    /// What may not be 0, part by part.
    fn written(&self) -> impl Iterator<Item = Range<usize>> {
        let Self { flat, touched, hidden, output } = self;
        let row = move |action: &usize| output.start + action * hidden;
        let rows = touched.iter().map(move |action| row(action)..row(action) + hidden);
        [0..output.start, output.end..flat.len()].into_iter().chain(rows)
    }

    /// Scales the gradient down to the Euclidean norm `limit` where it is longer, and returns the norm that
    /// it had, as [`clip_by_norm`](super::clip_by_norm) does, but passes over what is 0.
    pub fn clip(&mut self, limit: f32) -> f32 {
        let square = self.written().map(|part| kernel::square_sum(&self.flat[part])).sum::<f32>();
        let norm = square.sqrt();
        let factor = limit / (norm + 1e-6);
        if factor < 1.0 {
            let Self { touched, hidden, output, .. } = self;
            let (head, rest) = self.flat.split_at_mut(output.start);
            let (rows, bias) = rest.split_at_mut(output.len());
            let scale = |part: &mut [f32]| part.iter_mut().for_each(|g| *g *= factor);
            scale(head);
            scale(bias);
            touched.iter().for_each(|action| scale(&mut rows[action * *hidden..][..*hidden]));
        }
        norm
    }

    /// One number a parameter.
    pub fn flat(&self) -> &[f32] {
        &self.flat
    }
}

/// The state of a network in the course of one history, and what it says there.
#[derive(Debug, Clone, Default)]
pub struct LstmMemory {
    h: Vec<f32>,
    c: Vec<f32>,
    before: Vec<f32>,
    squashed: Vec<f32>,
    gates: Vec<f32>,
    hidden: Vec<f32>,
    values: Vec<f32>,
    panel: Panel,
}

/// The actions whose values are computed at a time in [`Lstm::best`]: a multiple of the rows of a tile of
/// the products, and few enough for their values for a batch of 32 to stay in the first cache.
const ACTIONS_AT_A_TIME: usize = 192;

/// A recurrent Q-network with all its parameters in one vector, as [`LstmShape`] says.
///
/// A target network is a clone. One step towards the best action's value:
///
/// ```
/// use hyperq::nn::{Adam, AdamSettings, Lstm, LstmGradient, LstmShape, LstmWorkspace, Sequences};
/// use hyperq::streams::Streams;
///
/// let shape = LstmShape { inputs: 2, context: 1, outputs: 5, ..LstmShape::default() };
/// let mut network = Lstm::new(shape, &mut Streams::new(1).at("weights", 0))?;
/// let mut adam = Adam::new(AdamSettings::default(), network.params().len())?;
/// let (mut gradient, mut workspace) = (LstmGradient::new(&network), LstmWorkspace::default());
///
/// let mut sequences = Sequences::new(1, 2);
/// sequences.push(&[0.5], &[0.0, 0.0]);
/// sequences.push(&[-0.5], &[0.0, 0.0, 0.3, 0.8, 0.1, 0.9]);
/// network.forward(&sequences, &mut workspace);
/// let (values, _) = network.best(&[], &mut workspace);
/// let target = values[1];
/// let actions = [3, 0];
/// let errors: Vec<f32> = network.taken(&actions, &workspace).map(|q| q - target).collect();
/// network.backward(&actions, &errors, &mut gradient, &mut workspace);
/// adam.step(network.params_mut(), gradient.flat());
/// # Ok::<(), hyperq::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Lstm {
    shape: LstmShape,
    parts: Parts,
    params: Vec<f32>,
}

impl Lstm {
    /// Draws the weights as PyTorch does: uniform in `±1 / sqrt(cells)` in the LSTM, in `±1 / sqrt(in)` in
    /// the layers, biases likewise.
    ///
    /// # Errors
    ///
    /// As [`LstmShape::check`].
    pub fn new(shape: LstmShape, rng: &mut Generator) -> Result<Self> {
        shape.check()?;
        let parts = shape.parts();
        let mut params = vec![0.0; shape.len()];
        let mut uniform = |range: &Range<usize>, inputs: usize| {
            let bound = (inputs as f32).sqrt().recip();
            params[range.clone()].iter_mut().for_each(|w| *w = rng.random_range(-bound..bound));
        };
        uniform(&parts.start, shape.context);
        for range in [&parts.input, &parts.recurrent, &parts.bias] {
            uniform(range, shape.cells);
        }
        for range in [&parts.hidden, &parts.hidden_bias] {
            uniform(range, shape.cells);
        }
        for range in [&parts.output, &parts.output_bias] {
            uniform(range, shape.hidden);
        }
        Ok(Self { shape, parts, params })
    }

    /// The shape.
    pub fn shape(&self) -> &LstmShape {
        &self.shape
    }

    /// All parameters.
    pub fn params(&self) -> &[f32] {
        &self.params
    }

    /// All parameters, to be changed.
    pub fn params_mut(&mut self) -> &mut [f32] {
        &mut self.params
    }

    fn part(&self, range: &Range<usize>) -> &[f32] {
        &self.params[range.clone()]
    }

    /// Goes through all sequences up to the hidden layer behind their last steps. What comes out is asked
    /// for by [`Self::values`], [`Self::taken`] and [`Self::best`], which speak of the sequences in the order
    /// in which they were pushed.
    ///
    /// # Panics
    ///
    /// Where the sequences have other widths than the network.
    pub fn forward(&self, sequences: &Sequences, workspace: &mut LstmWorkspace) {
        let LstmShape { inputs, context, cells, hidden, .. } = self.shape;
        assert_eq!(sequences.widths(), (context, inputs), "sequences must fit the network");
        let LstmWorkspace { packed, gates, previous, squashed, h, zeros, last, panel, .. } =
            workspace;
        packed.pack(sequences);
        let (rows, steps) = (packed.rows(), packed.steps());
        let gates = first(gates, steps * 4 * cells);
        let states = first(&mut workspace.cells, steps * cells);
        let [previous, squashed] = [previous, squashed].map(|buffer| first(buffer, steps * cells));
        let [h, zeros, last] = [h, zeros, last].map(|buffer| first(buffer, rows * cells));

        let start = self.part(&self.parts.start);
        let first_h = &mut previous[..rows * cells];
        let size = [rows, context, cells];
        kernel::product(size, packed.contexts(), start, first_h, Mode::Overwrite, panel);
        let size = [steps, inputs, 4 * cells];
        let weight = self.part(&self.parts.input);
        kernel::product(size, packed.inputs(), weight, gates, Mode::Overwrite, panel);

        let (weight, bias) = (self.part(&self.parts.recurrent), self.part(&self.parts.bias));
        let mut before: &[f32] = zeros;
        let (mut rest, mut here) = (states, 0);
        for (step, &active) in packed.active().iter().enumerate() {
            let (from, to) = (here * cells, (here + active) * cells);
            let z = &mut gates[4 * from..4 * to];
            let size = [active, cells, 4 * cells];
            kernel::product(size, &previous[from..to], weight, z, Mode::Add, panel);
            let (c, later) = rest.split_at_mut(active * cells);
            let h = &mut h[..active * cells];
            let after = [&mut *c, &mut squashed[from..to], &mut *h];
            kernel::lstm_gates(z, bias, &before[..active * cells], after);
            let going_on = packed.active().get(step + 1).copied().unwrap_or(0);
            let (next, ended) = h.split_at(going_on * cells);
            previous[to..][..next.len()].copy_from_slice(next);
            for (rank, h) in (going_on..).zip(ended.chunks_exact(cells)) {
                last[packed.order()[rank] * cells..][..cells].copy_from_slice(h);
            }
            (before, rest, here) = (c, later, here + active);
        }

        let (weight, bias) = (self.part(&self.parts.hidden), self.part(&self.parts.hidden_bias));
        let layer = first(&mut workspace.hidden, rows * hidden);
        kernel::product([rows, cells, hidden], last, weight, layer, Mode::Overwrite, panel);
        kernel::activate(layer, bias, Activation::Tanh);
        workspace.ready = true;
    }

    /// The values (`sequences x outputs`) of all actions after the last [`Self::forward`].
    pub fn values<'w>(&self, workspace: &'w mut LstmWorkspace) -> &'w [f32] {
        let LstmShape { hidden, outputs, .. } = self.shape;
        let LstmWorkspace { packed, hidden: layer, values, panel, .. } = workspace;
        let rows = packed.rows();
        let values = first(values, rows * outputs);
        let weight = self.part(&self.parts.output);
        let layer = &layer[..rows * hidden];
        kernel::product_transposed_right([rows, hidden, outputs], layer, weight, values, panel);
        kernel::add_bias(values, self.part(&self.parts.output_bias));
        values
    }

    /// The value of one action a sequence, of which nothing else is computed.
    ///
    /// # Panics
    ///
    /// Where there are not as many actions as sequences, or one does not exist.
    pub fn taken<'a>(
        &'a self,
        actions: &'a [usize],
        workspace: &'a LstmWorkspace,
    ) -> impl Iterator<Item = f32> + 'a {
        let hidden = self.shape.hidden;
        assert_eq!(actions.len(), workspace.packed.rows(), "there must be an action a sequence");
        let (weight, bias) = (self.part(&self.parts.output), self.part(&self.parts.output_bias));
        actions.iter().zip(workspace.hidden.chunks_exact(hidden)).map(move |(&action, h)| {
            kernel::dot(h, &weight[action * hidden..][..hidden]) + bias[action]
        })
    }

    /// The largest value of every sequence and the first action that has it, without those pairs of a
    /// sequence and an action that are `excluded`; minus infinity where all are.
    pub fn best<'w>(
        &self,
        excluded: &[(usize, usize)],
        workspace: &'w mut LstmWorkspace,
    ) -> (&'w [f32], &'w [u32]) {
        let LstmShape { hidden, outputs, .. } = self.shape;
        let LstmWorkspace { packed, hidden: layer, values, best, places, panel, .. } = workspace;
        let rows = packed.rows();
        let layer = &layer[..rows * hidden];
        let best = first(best, rows);
        best.fill(f32::NEG_INFINITY);
        if places.len() < rows {
            places.resize(rows, 0);
        }
        let places = &mut places[..rows];
        places.fill(0);
        let (weight, bias) = (self.part(&self.parts.output), self.part(&self.parts.output_bias));
        // The weights are the left factor, read where they lie, and the hidden layer of a few rows is what is
        // copied for the product; a value is compared with the best so far while it is in the cache.
        let blocks = weight.chunks(ACTIONS_AT_A_TIME * hidden).zip(bias.chunks(ACTIONS_AT_A_TIME));
        for (from, (weight, bias)) in (0..outputs).step_by(ACTIONS_AT_A_TIME).zip(blocks) {
            let values = first(values, bias.len() * rows);
            let size = [bias.len(), hidden, rows];
            kernel::product_transposed_right(size, weight, layer, values, panel);
            for &(row, action) in excluded {
                if (from..from + bias.len()).contains(&action) {
                    values[(action - from) * rows + row] = f32::NEG_INFINITY;
                }
            }
            // A checked shape has fewer than 2^26 outputs.
            kernel::largest(values, bias, from as u32, best, places);
        }
        (best, places)
    }

    /// The gradient of a loss, from `d_values`, its gradient at the value of one action a sequence after
    /// the last [`Self::forward`] with this workspace. It goes back through time and uses the pass up.
    ///
    /// # Panics
    ///
    /// Where the workspace holds no pass, a length is wrong, or an action does not exist.
    pub fn backward(
        &self,
        actions: &[usize],
        d_values: &[f32],
        gradient: &mut LstmGradient,
        workspace: &mut LstmWorkspace,
    ) {
        let LstmShape { inputs, context, cells, hidden, .. } = self.shape;
        assert!(std::mem::take(&mut workspace.ready), "the workspace must hold a forward pass");
        let LstmWorkspace { packed, gates, previous, squashed, h: d_h, d_c, zeros, .. } = workspace;
        let LstmWorkspace { cells: states, last, hidden: layer, panel, .. } = workspace;
        let (rows, steps) = (packed.rows(), packed.steps());
        assert_eq!((actions.len(), d_values.len()), (rows, rows), "one action a sequence");
        assert_eq!(gradient.flat.len(), self.params.len(), "the gradient must be of this network");
        let LstmGradient { flat, touched, .. } = gradient;
        let (layer, last) = (&layer[..rows * hidden], &last[..rows * cells]);

        // The output layer: only what was taken.
        let at = |action: usize| self.parts.output.start + action * hidden;
        for action in touched.drain(..) {
            flat[at(action)..][..hidden].fill(0.0);
        }
        flat[self.parts.output_bias.clone()].fill(0.0);
        let d_hidden = first(&mut workspace.d_hidden, rows * hidden);
        d_hidden.fill(0.0);
        let each = actions.iter().zip(d_values).zip(layer.chunks_exact(hidden));
        for (((&action, &d), h), d_hidden) in each.zip(d_hidden.chunks_exact_mut(hidden)) {
            kernel::add_scaled(&self.params[at(action)..][..hidden], d, d_hidden);
            kernel::add_scaled(h, d, &mut flat[at(action)..][..hidden]);
            flat[self.parts.output_bias.clone()][action] += d;
            touched.push(action);
        }
        touched.sort_unstable();
        touched.dedup();

        // The hidden layer.
        kernel::deactivate(d_hidden, layer, Activation::Tanh);
        let parts = &self.parts;
        let size = [cells, rows, hidden];
        kernel::product_transposed_left(
            size,
            last,
            d_hidden,
            &mut flat[parts.hidden.clone()],
            panel,
        );
        kernel::column_sums(d_hidden, &mut flat[parts.hidden_bias.clone()]);
        let d_last = first(&mut workspace.d_last, rows * cells);
        let weight = self.part(&parts.hidden);
        kernel::product_transposed_right([rows, hidden, cells], d_hidden, weight, d_last, panel);

        // Back through time. The gradient at h_T waits in its row until the step at which the sequence ends.
        let [d_h, d_c] = [d_h, d_c].map(|buffer| first(buffer, rows * cells));
        for (&row, d_h) in packed.order().iter().zip(d_h.chunks_exact_mut(cells)) {
            d_h.copy_from_slice(&d_last[row * cells..][..cells]);
        }
        d_c.fill(0.0);
        let gates = &mut gates[..steps * 4 * cells];
        let weight = self.part(&parts.recurrent);
        let mut here = steps;
        for (step, &active) in packed.active().iter().enumerate().rev() {
            here -= active;
            let (from, to) = (here * cells, (here + active) * cells);
            let before = match step.checked_sub(1) {
                None => &zeros[..active * cells],
                Some(before) => {
                    &states[(here - packed.active()[before]) * cells..][..active * cells]
                }
            };
            let (d_h, d_c) = (&mut d_h[..active * cells], &mut d_c[..active * cells]);
            let z = &mut gates[4 * from..4 * to];
            kernel::lstm_gates_back(z, before, &squashed[from..to], d_h, d_c, cells);
            kernel::product_transposed_right([active, 4 * cells, cells], z, weight, d_h, panel);
        }
        let mut learn = |[rows, terms, columns]: [usize; 3], x, d, range: &Range<usize>| {
            let into = &mut flat[range.clone()];
            kernel::product_transposed_left([rows, terms, columns], x, d, into, panel);
        };
        learn([inputs, steps, 4 * cells], packed.inputs(), &*gates, &parts.input);
        learn([cells, steps, 4 * cells], &previous[..steps * cells], &*gates, &parts.recurrent);
        learn([context, rows, cells], packed.contexts(), &*d_h, &parts.start);
        kernel::column_sums(gates, &mut flat[parts.bias.clone()]);
    }

    /// Begins a history: sets the memory to `h_0` and `c_0`.
    ///
    /// # Panics
    ///
    /// Where the context has another length than the network's.
    pub fn begin(&self, context: &[f32], memory: &mut LstmMemory) {
        let cells = self.shape.cells;
        let LstmMemory { h, c, panel, .. } = memory;
        let size = [1, self.shape.context, cells];
        let start = self.part(&self.parts.start);
        kernel::product(size, context, start, first(h, cells), Mode::Overwrite, panel);
        first(c, cells).fill(0.0);
    }

    /// Takes one input into the memory.
    ///
    /// # Panics
    ///
    /// Where the input has another length than the network's, or nothing was begun.
    pub fn step(&self, input: &[f32], memory: &mut LstmMemory) {
        let LstmShape { inputs, cells, .. } = self.shape;
        let LstmMemory { h, c, before, squashed, gates, panel, .. } = memory;
        let gates = first(gates, 4 * cells);
        let weight = self.part(&self.parts.input);
        kernel::product([1, inputs, 4 * cells], input, weight, gates, Mode::Overwrite, panel);
        let weight = self.part(&self.parts.recurrent);
        kernel::product([1, cells, 4 * cells], &h[..cells], weight, gates, Mode::Add, panel);
        std::mem::swap(c, before);
        let after = [first(c, cells), first(squashed, cells), &mut h[..cells]];
        kernel::lstm_gates(gates, self.part(&self.parts.bias), &before[..cells], after);
    }

    /// The values of all actions where the memory stands.
    ///
    /// # Panics
    ///
    /// Where nothing was begun.
    pub fn read<'m>(&self, memory: &'m mut LstmMemory) -> &'m [f32] {
        let LstmShape { cells, hidden, outputs, .. } = self.shape;
        let LstmMemory { h, hidden: layer, values, panel, .. } = memory;
        let layer = first(layer, hidden);
        let weight = self.part(&self.parts.hidden);
        kernel::product([1, cells, hidden], &h[..cells], weight, layer, Mode::Overwrite, panel);
        kernel::activate(layer, self.part(&self.parts.hidden_bias), Activation::Tanh);
        let values = first(values, outputs);
        let weight = self.part(&self.parts.output);
        kernel::product_transposed_right([1, hidden, outputs], layer, weight, values, panel);
        kernel::add_bias(values, self.part(&self.parts.output_bias));
        values
    }
}

impl Persist for Lstm {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        snapshot.put_array(at, "params", Array::F32(self.params.clone()));
        Ok(())
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        let len = self.params.len();
        self.params.copy_from_slice(snapshot.f32s(at, "params", len)?);
        Ok(())
    }
}
