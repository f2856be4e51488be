//! Multilayer perceptrons: forward and backward on slices.

use std::ops::Range;

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::kernel::{self, Mode};
use super::product::Panel;
use crate::error::{Error, Result};
use crate::persist::{Array, Persist, Snapshot};
use crate::streams::Generator;

/// What stands between two layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// `max(x, 0)`. Its derivative at 0 is 0, as in PyTorch.
    Relu,
    /// The hyperbolic tangent, to an absolute error of [`super::TANH_ERROR`].
    Tanh,
}

/// The shape of a multilayer perceptron:
/// `h_0 = x`, `h_l = activation(norm(h_(l-1) W_l + b_l))`, `y = h_L W + b`.
///
/// The parameters of one network are one slice. Layer after layer it holds `W` (inputs x outputs,
/// row-major), `b` and, after a hidden layer where `layer_norm` is set, the gain and the shift of
/// `norm(z) = gain (z - mean(z)) / sqrt(var(z) + 1e-5) + shift` (Ba et al. 2016, equation 4).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlpShape {
    /// How many numbers go in, at least 1.
    pub inputs: usize,
    /// The width of every hidden layer, each at least 1; none makes a linear map.
    pub hidden: Vec<usize>,
    /// How many numbers come out, at least 1.
    pub outputs: usize,
    /// The activation of every hidden layer. The outputs have none.
    pub activation: Activation,
    /// Whether every hidden layer is normalized before its activation.
    pub layer_norm: bool,
}

impl Default for MlpShape {
    /// Two hidden layers of 64 with ReLU between one input and one output.
    fn default() -> Self {
        Self {
            inputs: 1,
            hidden: vec![64, 64],
            outputs: 1,
            activation: Activation::Relu,
            layer_norm: false,
        }
    }
}

/// Where one layer's parameters lie within a member's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layer {
    pub inputs: usize,
    pub outputs: usize,
    pub weight: Range<usize>,
    pub bias: Range<usize>,
    /// The gain, then the shift.
    pub norm: Option<[Range<usize>; 2]>,
}

/// The most weights of a network, and of all members together: a gigabyte with the target network,
/// the gradient and Adam's moments.
pub(super) const MOST_WEIGHTS: usize = 1 << 26;

impl MlpShape {
    /// Checks that no layer is empty and that the weights fit into memory.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] with the width that is 0, or with the widths where there are more than 2^26
    /// weights.
    pub fn check(&self) -> Result<()> {
        let widths = [("inputs", self.inputs), ("outputs", self.outputs)];
        let hidden = self.hidden.iter().map(|width| ("hidden", *width));
        match widths.into_iter().chain(hidden).find(|(_, width)| *width == 0) {
            Some((setting, _)) => Err(Error::setting("network", setting, "at least 1", 0)),
            None if self.weights() > MOST_WEIGHTS => Err(Error::setting(
                "network",
                "hidden",
                format!("so narrow that a network has at most {MOST_WEIGHTS} weights"),
                format!(
                    "{:?} between {} inputs and {} outputs",
                    self.hidden, self.inputs, self.outputs
                ),
            )),
            None => Ok(()),
        }
    }

    /// How many weights there are, without biases; saturating, since widths are the user's.
    fn weights(&self) -> usize {
        let mut inputs = self.inputs;
        self.hidden.iter().chain([&self.outputs]).fold(0usize, |sum, &outputs| {
            sum.saturating_add(std::mem::replace(&mut inputs, outputs).saturating_mul(outputs))
        })
    }

    /// How many parameters one network of this shape has.
    pub fn len(&self) -> usize {
        self.layers().last().map_or(0, |layer| layer.bias.end)
    }

    /// Whether it has no parameters, which no checked shape does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn layers(&self) -> Vec<Layer> {
        let widths: Vec<usize> = std::iter::once(self.inputs)
            .chain(self.hidden.iter().copied())
            .chain([self.outputs])
            .collect();
        let mut end = 0;
        let mut take = |count: usize| {
            end += count;
            end - count..end
        };
        widths
            .windows(2)
            .enumerate()
            .map(|(index, pair)| Layer {
                inputs: pair[0],
                outputs: pair[1],
                weight: take(pair[0] * pair[1]),
                bias: take(pair[1]),
                norm: (self.layer_norm && index < self.hidden.len())
                    .then(|| [take(pair[1]), take(pair[1])]),
            })
            .collect()
    }
}

/// How weights are drawn. `in` and `out` are a layer's inputs and outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// Weights and biases uniform in `±1 / sqrt(in)`: the default of PyTorch's `Linear`.
    TorchLinear,
    /// Weights uniform in `±sqrt(6 / in)`, biases 0 (He et al. 2015, equation 10).
    HeUniform,
    /// Weights normal with variance `2 / (in + out)`, biases 0 (Glorot & Bengio 2010, equation 12).
    XavierNormal,
    /// Weights normal with variance `1 / in`, biases 0 (LeCun et al. 1998, section 4.6).
    LecunNormal,
}

/// Buffers of forward and backward passes, grown on demand and then kept.
///
/// A workspace holds the activations of the last [`Network::forward`] made with it, which the next
/// [`Network::backward`] reads. Use one for every forward pass that is still to be differentiated.
#[derive(Debug, Clone, Default)]
pub struct Workspace {
    /// What every layer put out, one block of `rows x outputs` a layer.
    activations: Vec<f32>,
    /// The normalized rows of every hidden layer, laid out as the activations.
    normalized: Vec<f32>,
    /// One over the standard deviation of every row of every hidden layer.
    inverse: Vec<f32>,
    /// The gradients of two neighbouring layers.
    deltas: [Vec<f32>; 2],
    /// What the matrix products copy to where it is near.
    panel: Panel,
    /// What the shared part of the inputs adds to the first layer.
    shared: Vec<f32>,
    /// The outputs of all members.
    outputs: Vec<f32>,
    /// What the last forward pass was for: member, rows.
    last: Option<(usize, usize)>,
}

/// The rows that [`Network::forward_all`] takes through all layers at a time: a multiple of the rows of a
/// tile of the products, and few enough for activations of a width of 64 to stay in the first cache.
const READ_ROWS: usize = 48;

/// The first `len` entries, after growing the buffer to hold them.
pub(super) fn first(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}

/// Networks of one shape, the members, with all their parameters in one vector: the members one
/// after the other, each as [`MlpShape`] says.
///
/// A target network is a clone that follows by [`super::polyak`].
///
/// ```
/// use hyperq::nn::{Init, MlpShape, Network, Workspace};
/// use hyperq::streams::Streams;
///
/// let shape = MlpShape { inputs: 3, outputs: 2, ..MlpShape::default() };
/// let twins = Network::new(shape, 2, Init::TorchLinear, &mut Streams::new(1).at("critics", 0))?;
/// let mut workspace = Workspace::default();
/// let rows = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6];
/// assert_eq!(twins.forward(1, &rows, 2, &mut workspace).len(), 2 * 2);
/// # Ok::<(), hyperq::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    shape: MlpShape,
    layers: Vec<Layer>,
    members: usize,
    params: Vec<f32>,
}

impl Network {
    /// Draws the weights of `members` networks; gains are 1, shifts 0.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a layer or the ensemble is empty, or where the members have more than
    /// 2^26 weights together.
    pub fn new(shape: MlpShape, members: usize, init: Init, rng: &mut Generator) -> Result<Self> {
        shape.check()?;
        if members == 0 {
            return Err(Error::setting("network", "members", "at least 1", members));
        }
        if shape.weights().saturating_mul(members) > MOST_WEIGHTS {
            return Err(Error::setting(
                "network",
                "members",
                format!("so few that they have at most {MOST_WEIGHTS} weights together"),
                format!("{members} of {} each", shape.weights()),
            ));
        }
        let layers = shape.layers();
        let mut params = vec![0.0; members * shape.len()];
        for member in params.chunks_exact_mut(shape.len()) {
            for layer in &layers {
                draw(layer, init, member, rng);
            }
        }
        Ok(Self { shape, layers, members, params })
    }

    /// One network with parameters of a checked shape, which must be as many as it has.
    pub(crate) fn from_params(shape: MlpShape, params: Vec<f32>) -> Self {
        let layers = shape.layers();
        assert_eq!(params.len(), shape.len(), "the parameters must be those of the shape");
        Self { shape, layers, members: 1, params }
    }

    /// The shape of every member.
    pub fn shape(&self) -> &MlpShape {
        &self.shape
    }

    /// How many networks these are.
    pub fn members(&self) -> usize {
        self.members
    }

    /// All parameters.
    pub fn params(&self) -> &[f32] {
        &self.params
    }

    /// All parameters, to be changed.
    pub fn params_mut(&mut self) -> &mut [f32] {
        &mut self.params
    }

    /// Where a member's parameters lie, in [`Self::params`] as well as in gradients and moments.
    pub fn range(&self, member: usize) -> Range<usize> {
        let len = self.layers.last().map_or(0, |layer| layer.bias.end);
        member * len..(member + 1) * len
    }

    /// Where a member's output layer lies: its weights (inputs x outputs), then its biases. For small
    /// initial outputs and the like.
    pub fn output_range(&self, member: usize) -> Range<usize> {
        let start = self.range(member).start;
        self.layers
            .last()
            .map_or(start..start, |layer| start + layer.weight.start..start + layer.bias.end)
    }

    /// Where the biases of a member's layers lie, from the inputs to the outputs.
    pub(crate) fn bias_ranges(&self, member: usize) -> Vec<Range<usize>> {
        let start = self.range(member).start;
        let bias = |layer: &Layer| start + layer.bias.start..start + layer.bias.end;
        self.layers.iter().map(bias).collect()
    }

    /// The outputs (`rows x outputs`) of a member at `x` (`rows x inputs`).
    ///
    /// # Panics
    ///
    /// Where `x` has another length, or there is no such member.
    pub fn forward<'w>(
        &self,
        member: usize,
        x: &[f32],
        rows: usize,
        workspace: &'w mut Workspace,
    ) -> &'w [f32] {
        let layer = &self.layers[0];
        assert_eq!(x.len(), rows * layer.inputs, "x must be {rows} x {}", layer.inputs);
        let params = &self.params[self.range(member)];
        self.reserve(rows, workspace);
        let first = First {
            x,
            inputs: layer.inputs,
            weight: &params[layer.weight.clone()],
            bias: &params[layer.bias.clone()],
        };
        run(&self.layers, self.shape.activation, params, first, rows, workspace);
        workspace.last = Some((member, rows));
        &workspace.activations[block(&self.layers, self.layers.len() - 1, rows)]
    }

    /// The outputs (`members x rows x outputs`) of every member at the same `x` (`rows x inputs`), for
    /// reading only: no backward pass may follow.
    ///
    /// # Panics
    ///
    /// Where `x` has another length.
    pub fn forward_all<'w>(
        &self,
        x: &[f32],
        rows: usize,
        workspace: &'w mut Workspace,
    ) -> &'w [f32] {
        let Self { members, shape: MlpShape { inputs, outputs, .. }, .. } = self;
        assert_eq!(x.len(), rows * inputs, "x must be {rows} x {inputs}");
        let size = rows * outputs;
        // Taken out and put back, so that the passes may borrow the workspace.
        let mut all = std::mem::take(&mut workspace.outputs);
        first(&mut all, members * size);
        for member in 0..*members {
            // Block by block, so that what a layer puts out is still in the cache when the next reads it.
            for (block, x) in x.chunks(READ_ROWS * inputs).enumerate() {
                let out = self.forward(member, x, x.len() / inputs, workspace);
                all[member * size + block * READ_ROWS * outputs..][..out.len()]
                    .copy_from_slice(out);
            }
        }
        workspace.last = None;
        workspace.outputs = all;
        &workspace.outputs[..members * size]
    }

    /// The outputs (`rows x outputs`) of a member at inputs `[shared | own]`, where the first part is
    /// the same in all rows: a state beside the features of every action. What it adds to the first
    /// layer is computed once. For reading only: no backward pass may follow.
    ///
    /// # Panics
    ///
    /// Where `shared` and a row of `own` together are no input of the network.
    pub fn forward_split<'w>(
        &self,
        member: usize,
        shared: &[f32],
        own: &[f32],
        rows: usize,
        workspace: &'w mut Workspace,
    ) -> &'w [f32] {
        let layer = &self.layers[0];
        assert!(shared.len() <= layer.inputs, "at most {} inputs can be shared", layer.inputs);
        let inputs = layer.inputs - shared.len();
        assert_eq!(own.len(), rows * inputs, "the rows' own inputs must be {rows} x {inputs}");
        let params = &self.params[self.range(member)];
        self.reserve(rows, workspace);
        let (top, rest) = params[layer.weight.clone()].split_at(shared.len() * layer.outputs);
        let mut offset = std::mem::take(&mut workspace.shared);
        let bias = first(&mut offset, layer.outputs);
        bias.copy_from_slice(&params[layer.bias.clone()]);
        let product = [1, shared.len(), layer.outputs];
        kernel::product(product, shared, top, bias, Mode::Add, &mut workspace.panel);
        let first = First { x: own, inputs, weight: rest, bias };
        run(&self.layers, self.shape.activation, params, first, rows, workspace);
        workspace.shared = offset;
        workspace.last = None;
        &workspace.activations[block(&self.layers, self.layers.len() - 1, rows)]
    }

    /// Forgets all rows of the last [`Self::forward`] with this workspace but those that are asked for, and
    /// returns how many are left, for a loss that depends on no other. [`Self::backward`] then takes and
    /// gives the rows that are left, in their order.
    ///
    /// # Panics
    ///
    /// Where the workspace holds no such pass.
    pub fn keep(&self, workspace: &mut Workspace, asked_for: impl Fn(usize) -> bool) -> usize {
        let (member, rows) = workspace.last.expect("the workspace must hold a forward pass");
        let left = (0..rows).filter(|row| asked_for(*row)).count();
        if left == rows {
            return rows;
        }
        let Workspace { activations, normalized, inverse, .. } = workspace;
        for (index, layer) in self.layers.iter().enumerate() {
            let width = layer.outputs;
            let old = block(&self.layers, index, rows).start;
            let mut new = block(&self.layers, index, left).start;
            let mut inverses = index * left;
            for row in (0..rows).filter(|row| asked_for(*row)) {
                let from = old + row * width..old + (row + 1) * width;
                activations.copy_within(from.clone(), new);
                if layer.norm.is_some() {
                    normalized.copy_within(from, new);
                    inverse[inverses] = inverse[index * rows + row];
                    inverses += 1;
                }
                new += width;
            }
        }
        workspace.last = Some((member, left));
        left
    }

    /// The gradients of a loss, from `d_outputs` (`rows x outputs`), its gradient at the outputs of the
    /// last [`Self::forward`] of this `member` at the same `x` and parameters with this workspace.
    ///
    /// With `d_params` (as long as [`Self::params`]) the member's part of it is overwritten. With
    /// `d_inputs` (`rows x j`, `j <= inputs`) the gradient at the last `j` numbers of every row of `x` is
    /// written there: at all, or at the action beside a state. What is not asked for is not computed, and
    /// `x` is read for `d_params` only.
    ///
    /// # Panics
    ///
    /// Where a length is wrong, or the workspace holds another forward pass.
    #[expect(clippy::too_many_arguments, reason = "each is one array of the same pass")]
    pub fn backward(
        &self,
        member: usize,
        x: &[f32],
        rows: usize,
        d_outputs: &[f32],
        d_params: Option<&mut [f32]>,
        d_inputs: Option<&mut [f32]>,
        workspace: &mut Workspace,
    ) {
        assert_eq!(
            workspace.last,
            Some((member, rows)),
            "the workspace must hold the forward pass of this member and these rows"
        );
        if d_params.is_some() {
            assert_eq!(x.len(), rows * self.shape.inputs, "x must be rows x inputs");
        }
        assert_eq!(d_outputs.len(), rows * self.shape.outputs, "d_outputs must be rows x outputs");
        let range = self.range(member);
        let mut d_params = d_params.map(|d| {
            assert_eq!(d.len(), self.params.len(), "d_params must be as long as the parameters");
            &mut d[range.clone()]
        });
        let params = &self.params[range];
        let Workspace { activations, normalized, inverse, panel, deltas: [ahead, behind], .. } =
            workspace;
        let (mut ahead, mut behind) = (ahead, behind);
        ahead[..d_outputs.len()].copy_from_slice(d_outputs);
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let delta = &ahead[..rows * layer.outputs];
            let input = match index {
                0 => x,
                _ => &activations[block(&self.layers, index - 1, rows)],
            };
            if let Some(d) = d_params.as_deref_mut() {
                kernel::product_transposed_left(
                    [layer.inputs, rows, layer.outputs],
                    input,
                    delta,
                    &mut d[layer.weight.clone()],
                    panel,
                );
                kernel::column_sums(delta, &mut d[layer.bias.clone()]);
            }
            if index == 0 {
                break;
            }
            let below = &self.layers[index - 1];
            let back = &mut behind[..rows * layer.inputs];
            kernel::product_transposed_right(
                [rows, layer.outputs, layer.inputs],
                delta,
                &params[layer.weight.clone()],
                back,
                panel,
            );
            kernel::deactivate(back, input, self.shape.activation);
            if let Some([gain, shift]) = &below.norm {
                let normalized = &normalized[block(&self.layers, index - 1, rows)];
                if let Some(d) = d_params.as_deref_mut() {
                    kernel::product_column_sums(back, normalized, &mut d[gain.clone()]);
                    kernel::column_sums(back, &mut d[shift.clone()]);
                }
                let inverse = &inverse[(index - 1) * rows..index * rows];
                kernel::denormalize(back, normalized, &params[gain.clone()], inverse);
            }
            std::mem::swap(&mut ahead, &mut behind);
        }
        if let Some(d) = d_inputs {
            let layer = &self.layers[0];
            let last = d.len() / rows.max(1);
            assert!(
                d.len() == rows * last && last <= layer.inputs,
                "d_inputs must be rows x at most {}",
                layer.inputs
            );
            kernel::product_transposed_right(
                [rows, layer.outputs, last],
                &ahead[..rows * layer.outputs],
                &params[layer.weight.clone()][(layer.inputs - last) * layer.outputs..],
                d,
                panel,
            );
        }
    }

    /// Grows the buffers for a pass of `rows`.
    fn reserve(&self, rows: usize, workspace: &mut Workspace) {
        let last = self.layers.len() - 1;
        first(&mut workspace.activations, block(&self.layers, last, rows).end);
        if self.shape.layer_norm {
            first(&mut workspace.normalized, block(&self.layers, last, rows).start);
            first(&mut workspace.inverse, last * rows);
        }
        let widest = self.layers.iter().map(|layer| layer.outputs).max().unwrap_or(0);
        for delta in &mut workspace.deltas {
            first(delta, rows * widest);
        }
    }
}

/// The first layer of a pass: what its rows bring and what is added to all of them.
struct First<'a> {
    x: &'a [f32],
    inputs: usize,
    weight: &'a [f32],
    bias: &'a [f32],
}

/// Where the outputs of a layer lie among the activations of a pass.
fn block(layers: &[Layer], index: usize, rows: usize) -> Range<usize> {
    let start: usize = layers[..index].iter().map(|layer| layer.outputs).sum();
    rows * start..rows * (start + layers[index].outputs)
}

/// The forward pass of one network, with its first layer given apart.
fn run(
    layers: &[Layer],
    activation: Activation,
    params: &[f32],
    first: First<'_>,
    rows: usize,
    workspace: &mut Workspace,
) {
    let Workspace { activations, normalized, inverse, panel, .. } = workspace;
    for (index, layer) in layers.iter().enumerate() {
        let (below, here) = activations.split_at_mut(block(layers, index, rows).start);
        let out = &mut here[..rows * layer.outputs];
        let First { x, inputs, weight, bias } = match index {
            0 => First { ..first },
            _ => First {
                x: &below[block(layers, index - 1, rows)],
                inputs: layer.inputs,
                weight: &params[layer.weight.clone()],
                bias: &params[layer.bias.clone()],
            },
        };
        let product = [rows, inputs, layer.outputs];
        if let Some([gain, shift]) = &layer.norm {
            let z = &mut normalized[block(layers, index, rows)];
            kernel::product(product, x, weight, z, Mode::Overwrite, panel);
            let affine = [&params[gain.clone()], &params[shift.clone()]];
            let inverse = &mut inverse[index * rows..(index + 1) * rows];
            kernel::normalize(z, bias, affine, inverse, out, activation);
            continue;
        }
        kernel::product(product, x, weight, out, Mode::Overwrite, panel);
        if index + 1 < layers.len() {
            kernel::activate(out, bias, activation);
        } else {
            kernel::add_bias(out, bias);
        }
    }
}

fn draw(layer: &Layer, init: Init, params: &mut [f32], rng: &mut Generator) {
    let (inputs, outputs) = (layer.inputs as f32, layer.outputs as f32);
    let mut uniform = |range: Range<usize>, bound: f32| {
        params[range].iter_mut().for_each(|w| *w = rng.random_range(-bound..bound));
    };
    match init {
        Init::TorchLinear => {
            uniform(layer.weight.clone(), inputs.sqrt().recip());
            uniform(layer.bias.clone(), inputs.sqrt().recip());
        }
        Init::HeUniform => uniform(layer.weight.clone(), (6.0 / inputs).sqrt()),
        Init::XavierNormal | Init::LecunNormal => {
            let variance = match init {
                Init::XavierNormal => 2.0 / (inputs + outputs),
                _ => 1.0 / inputs,
            };
            for weight in &mut params[layer.weight.clone()] {
                let normal: f32 = StandardNormal.sample(rng);
                *weight = variance.sqrt() * normal;
            }
        }
    }
    if let Some([gain, shift]) = &layer.norm {
        params[gain.clone()].fill(1.0);
        params[shift.clone()].fill(0.0);
    }
}

impl Persist for Network {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::Streams;

    fn network(shape: MlpShape, members: usize, init: Init) -> Network {
        Network::new(shape, members, init, &mut Streams::new(5).at("weights", 0)).unwrap()
    }

    #[test]
    fn the_layout_is_weights_bias_gain_shift_layer_by_layer() {
        let shape = MlpShape {
            inputs: 2,
            hidden: vec![3],
            outputs: 1,
            layer_norm: true,
            ..MlpShape::default()
        };
        assert_eq!(shape.len(), 6 + 3 + 3 + 3 + 3 + 1);
        let mut network = network(shape, 2, Init::HeUniform);
        assert_eq!(network.params()[6..9], [0.0; 3]);
        assert_eq!(network.params()[9..12], [1.0; 3]);
        assert_eq!(network.output_range(1), 34..38);
        // h = relu(gain norm(x W) + shift), y = sum h + 0.5
        let params = network.params_mut();
        params[..6].copy_from_slice(&[1.0, 0.0, -1.0, 0.0, 0.0, 0.0]);
        params[15..].fill(1.0);
        params[18] = 0.5;
        let y = network.forward(0, &[2.0, 9.0], 1, &mut Workspace::default())[0];
        let norm = 2.0 / (8.0f32 / 3.0 + 1e-5).sqrt();
        assert!((y - norm - 0.5).abs() < 1e-6, "{y}");
    }

    #[test]
    fn a_split_pass_equals_the_whole_one() {
        for hidden in [vec![], vec![7], vec![64, 33]] {
            let shape = MlpShape { inputs: 11, hidden, outputs: 3, ..MlpShape::default() };
            let network = network(shape, 2, Init::TorchLinear);
            let value = |i: usize| ((i * 29 % 83) as f32 - 40.0) / 30.0;
            let state: Vec<f32> = (0..7).map(value).collect();
            let actions: Vec<f32> = (0..40 * 4).map(|i| value(i + 5)).collect();
            let rows: Vec<f32> =
                actions.chunks(4).flat_map(|a| state.iter().chain(a).copied()).collect();
            let (mut a, mut b) = (Workspace::default(), Workspace::default());
            let all = network.forward_all(&rows, 40, &mut a).to_vec();
            for member in 0..2 {
                let whole = network.forward(member, &rows, 40, &mut a);
                let split = network.forward_split(member, &state, &actions, 40, &mut b);
                assert_eq!(whole, &all[member * 120..(member + 1) * 120]);
                for (whole, split) in whole.iter().zip(split) {
                    assert!((whole - split).abs() < 1e-5, "{whole} {split}");
                }
            }
        }
    }

    #[test]
    fn weights_have_the_documented_spread() {
        let shape = MlpShape { inputs: 100, hidden: vec![200], ..MlpShape::default() };
        for (init, variance) in [
            (Init::TorchLinear, 0.01 / 3.0),
            (Init::HeUniform, 0.06 / 3.0),
            (Init::XavierNormal, 2.0 / 300.0),
            (Init::LecunNormal, 0.01),
        ] {
            let network = network(shape.clone(), 1, init);
            let weights = &network.params()[..20_000];
            let found = weights.iter().map(|w| w * w).sum::<f32>() / 20_000.0;
            assert!((found / variance - 1.0).abs() < 0.05, "{init:?}: {found} {variance}");
        }
    }

    #[test]
    fn empty_shapes_are_refused() {
        let refused = |shape: MlpShape, members| {
            let mut rng = Streams::new(5).at("weights", 0);
            Network::new(shape, members, Init::TorchLinear, &mut rng).unwrap_err().to_string()
        };
        let shape = MlpShape::default();
        assert_eq!(
            refused(MlpShape { inputs: 0, ..shape.clone() }, 1),
            "network: `inputs` must be at least 1, found 0"
        );
        assert!(refused(MlpShape { hidden: vec![4, 0], ..shape.clone() }, 1).contains("hidden"));
        assert!(refused(MlpShape { outputs: 0, ..shape.clone() }, 1).contains("outputs"));
        assert!(refused(shape, 0).contains("members"));
    }

    #[test]
    #[should_panic(expected = "the workspace must hold the forward pass")]
    fn a_backward_pass_without_its_forward_pass_panics() {
        let network = network(MlpShape::default(), 2, Init::TorchLinear);
        let mut workspace = Workspace::default();
        network.forward(0, &[1.0], 1, &mut workspace);
        network.backward(1, &[1.0], 1, &[1.0], None, None, &mut workspace);
    }

    #[test]
    fn a_loaded_network_has_every_bit() {
        let saved = network(MlpShape::default(), 3, Init::TorchLinear);
        let mut snapshot = Snapshot::default();
        saved.save("net", &mut snapshot).unwrap();
        let mut loaded = network(MlpShape::default(), 3, Init::HeUniform);
        loaded.load("net", &snapshot).unwrap();
        assert_eq!(saved, loaded);
        let mut other = network(MlpShape::default(), 2, Init::HeUniform);
        assert!(other.load("net", &snapshot).is_err());
    }
}
