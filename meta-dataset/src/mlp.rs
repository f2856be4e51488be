//! Multilayer perceptrons: their products are candle's, the rest runs on slices.
//!
//! `h_0 = x`, `h_l = drop(activation(h_(l-1) W_l + b_l))`, `p = softmax(h_L W + b)`, trained by AdamW
//! (Loshchilov and Hutter 2019) on the mean of `-ln p` of the right class over batches of rows in a
//! new order each epoch. The gradient is written out here: for networks this small a graph of tensors
//! costs several times what the arithmetic does. Weights, orders and masks come from the fold's seed.

use std::ops::Range;
use std::time::Instant;

use candle_core::{Device, Tensor};
use hyperq::space::{Configuration, Objective, Parameter, SearchSpace, SpaceDocument};
use hyperq::streams::{Generator, Streams};
use hyperq::trial::Direction;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

use crate::data::{Fold, Part, Scaling};
use crate::error::{Error, Result};
use crate::learner::{self, FRACTIONS, Learner, Stage, iterations_at};

/// The passes over the training rows.
const EPOCHS: usize = 24;

/// The number of configurations.
const CONFIGURATIONS: u32 = 256;

/// The seed of the scramble of the configurations.
const SCRAMBLE: u64 = 13;

/// The learner `mlp`.
///
/// Hyperparameters: `layers`, 1 to 3 hidden ones; `width` of each, 8 to 128 (log); `activation`;
/// `dropout`, the probability that a hidden unit is left out of a step, 0 to 0.5; `learning_rate`,
/// 1e-4 to 0.1 (log); `weight_decay`, 1e-6 to 0.1 (log); `batch`, 16 to 128 rows (log).
#[derive(Debug, Clone, Copy, Default)]
pub struct Mlp;

impl Learner for Mlp {
    fn name(&self) -> &'static str {
        "mlp"
    }

    fn document(&self) -> Result<SpaceDocument> {
        Ok(SpaceDocument {
            name: self.name().into(),
            description:
                "Multilayer perceptrons trained with AdamW (Loshchilov and Hutter 2019) for \
                24 epochs: measured accuracy."
                    .into(),
            objective: Objective { name: "accuracy".into(), direction: Direction::Maximize },
            parameters: SearchSpace::new([
                Parameter::int("layers", 1, 3),
                Parameter::int("width", 8, 128).log(),
                Parameter::categorical("activation", ["relu", "tanh", "silu"]),
                Parameter::float("dropout", 0.0, 0.5),
                Parameter::float("learning_rate", 1e-4, 0.1).log(),
                Parameter::float("weight_decay", 1e-6, 0.1).log(),
                Parameter::int("batch", 16, 128).log(),
            ])?,
        })
    }

    fn configurations(&self) -> Result<Vec<Configuration>> {
        Ok(learner::sobol(&self.document()?.parameters, CONFIGURATIONS, SCRAMBLE))
    }

    fn scaling(&self) -> Scaling {
        Scaling::Standard
    }

    fn train(&self, configuration: &Configuration, fold: &Fold) -> Result<Vec<Stage>> {
        let clock = Instant::now();
        let streams = Streams::new(fold.seed);
        let shape = Shape::new(configuration, fold)?;
        let dropout = configuration.float("dropout")?;
        let batch = whole(configuration, "batch")?;
        let mut network = Network::new(shape, &streams);
        let mut optimizer = AdamW::new(
            network.params.len(),
            configuration.float("learning_rate")?,
            configuration.float("weight_decay")?,
        );
        let (train, test) = (Rows::all(&fold.train), Rows::all(&fold.test));
        let mut order: Vec<usize> = (0..fold.train.rows()).collect();
        let mut masks = streams.at("dropout", 0);
        let mut stages = Vec::with_capacity(FRACTIONS.len());
        for epoch in 0..EPOCHS {
            order.shuffle(&mut streams.at("order", epoch as u64));
            for rows in order.chunks(batch) {
                let rows = train.select(rows);
                let drop = (dropout > 0.0).then_some((dropout, &mut masks));
                let pass = network.forward(&rows, drop)?;
                let gradient = network.gradient(&rows, &pass)?;
                optimizer.step(&mut network.params, &gradient);
            }
            while let Some(&fraction) = FRACTIONS
                .get(stages.len())
                .filter(|&&fraction| iterations_at(fraction, EPOCHS) == epoch + 1)
            {
                let probabilities = network.forward(&test, None)?.probabilities;
                let labels = probabilities.chunks(fold.classes).map(most).collect();
                let probabilities = probabilities.into_iter().map(f64::from).collect();
                let seconds = clock.elapsed().as_secs_f64();
                stages.push(Stage { fraction, labels, probabilities, seconds });
            }
        }
        Ok(stages)
    }
}

/// The first class of the largest probability.
fn most(probabilities: &[f32]) -> u32 {
    let mut best = 0;
    for (class, probability) in probabilities.iter().enumerate() {
        if *probability > probabilities[best] {
            best = class;
        }
    }
    best as u32
}

fn whole(configuration: &Configuration, name: &str) -> Result<usize> {
    usize::try_from(configuration.int(name)?)
        .ok()
        .filter(|value| *value > 0)
        .ok_or_else(|| Error::Training(format!("`{name}` must be at least 1")))
}

/// Rows as the network reads them.
struct Rows {
    columns: usize,
    features: Vec<f32>,
    labels: Vec<u32>,
}

impl Rows {
    fn all(part: &Part) -> Self {
        let features = part.features.iter().map(|&value| value as f32).collect();
        Self { columns: part.columns, features, labels: part.labels.clone() }
    }

    fn select(&self, rows: &[usize]) -> Self {
        let mut features = Vec::with_capacity(rows.len() * self.columns);
        for &row in rows {
            features
                .extend_from_slice(&self.features[row * self.columns..(row + 1) * self.columns]);
        }
        let labels = rows.iter().map(|&row| self.labels[row]).collect();
        Self { columns: self.columns, features, labels }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activation {
    Relu,
    Tanh,
    Silu,
}

impl Activation {
    /// The value and the derivative at `z`.
    fn at(self, z: f32) -> (f32, f32) {
        match self {
            Self::Relu => (z.max(0.0), if z > 0.0 { 1.0 } else { 0.0 }),
            Self::Tanh => {
                let value = z.tanh();
                (value, 1.0 - value * value)
            }
            Self::Silu => {
                let sigmoid = 1.0 / (1.0 + (-z).exp());
                (z * sigmoid, sigmoid * (1.0 + z * (1.0 - sigmoid)))
            }
        }
    }
}

#[derive(Debug, Clone)]
struct Shape {
    /// The inputs, the hidden layers, the outputs.
    widths: Vec<usize>,
    activation: Activation,
}

impl Shape {
    fn new(configuration: &Configuration, fold: &Fold) -> Result<Self> {
        let activation = match configuration.text("activation")? {
            "relu" => Activation::Relu,
            "tanh" => Activation::Tanh,
            _ => Activation::Silu,
        };
        let hidden = vec![whole(configuration, "width")?; whole(configuration, "layers")?];
        let widths = [vec![fold.train.columns], hidden, vec![fold.classes]].concat();
        Ok(Self { widths, activation })
    }
}

/// Where a layer's weights (inputs x outputs, row by row) and biases lie among the parameters.
#[derive(Debug, Clone)]
struct Layer {
    inputs: usize,
    outputs: usize,
    weights: Range<usize>,
    biases: Range<usize>,
}

#[derive(Debug)]
struct Network {
    activation: Activation,
    layers: Vec<Layer>,
    params: Vec<f32>,
}

/// What a pass over rows leaves for the gradient.
struct Pass {
    /// The inputs of each layer but the first.
    hidden: Vec<Vec<f32>>,
    /// For each hidden layer the derivative of its output by its weighted sum.
    slopes: Vec<Vec<f32>>,
    probabilities: Vec<f32>,
}

impl Network {
    /// Weights uniform within `sqrt(6 / (inputs + outputs))` of 0 (Glorot and Bengio 2010), biases 0.
    fn new(shape: Shape, streams: &Streams) -> Self {
        let (mut layers, mut params) = (Vec::new(), Vec::new());
        for (index, pair) in shape.widths.windows(2).enumerate() {
            let (inputs, outputs) = (pair[0], pair[1]);
            let begin = params.len();
            let middle = begin + inputs * outputs;
            let bound = (6.0 / (inputs + outputs) as f64).sqrt();
            let mut rng = streams.at("weights", index as u64);
            let mut draw = || ((2.0 * rng.random::<f64>() - 1.0) * bound) as f32;
            params.extend((begin..middle).map(|_| draw()));
            params.resize(middle + outputs, 0.0);
            layers.push(Layer {
                inputs,
                outputs,
                weights: begin..middle,
                biases: middle..middle + outputs,
            });
        }
        Self { activation: shape.activation, layers, params }
    }

    /// `dropout` is the share of hidden units to leave out, the others multiplied by
    /// `1 / (1 - share)`, and what decides.
    fn forward(&self, rows: &Rows, mut dropout: Option<(f64, &mut Generator)>) -> Result<Pass> {
        let count = rows.labels.len();
        let (mut hidden, mut slopes): (Vec<Vec<f32>>, Vec<Vec<f32>>) = (Vec::new(), Vec::new());
        let last = self.layers.len() - 1;
        for (index, layer) in self.layers.iter().enumerate() {
            let inputs = hidden.last().unwrap_or(&rows.features);
            let mut sums = product(
                &tensor(inputs, count, layer.inputs)?,
                &tensor(&self.params[layer.weights.clone()], layer.inputs, layer.outputs)?,
            )?;
            let biases = &self.params[layer.biases.clone()];
            for row in sums.chunks_mut(layer.outputs) {
                for (sum, bias) in row.iter_mut().zip(biases) {
                    *sum += bias;
                }
            }
            if index == last {
                sums.chunks_mut(layer.outputs).for_each(softmax);
                return Ok(Pass { hidden, slopes, probabilities: sums });
            }
            let mut slope = vec![0.0; sums.len()];
            for (value, slope) in sums.iter_mut().zip(&mut slope) {
                (*value, *slope) = self.activation.at(*value);
            }
            if let Some((share, rng)) = &mut dropout {
                let scale = (1.0 / (1.0 - *share)) as f32;
                let below = (*share * 2f64.powi(32)) as u32;
                for (value, slope) in sums.iter_mut().zip(&mut slope) {
                    let factor = if rng.next_u32() < below { 0.0 } else { scale };
                    *value *= factor;
                    *slope *= factor;
                }
            }
            hidden.push(sums);
            slopes.push(slope);
        }
        Err(Error::Training("a network without layers".into()))
    }

    /// The gradient of the mean of `-ln p` of the right classes by the parameters.
    fn gradient(&self, rows: &Rows, pass: &Pass) -> Result<Vec<f32>> {
        let count = rows.labels.len();
        let classes = pass.probabilities.len() / count.max(1);
        let mut gradient = vec![0.0; self.params.len()];
        // The derivative by the weighted sums of the layer in hand.
        let mut errors = pass.probabilities.clone();
        for (row, &label) in errors.chunks_mut(classes).zip(&rows.labels) {
            row[label as usize] -= 1.0;
            row.iter_mut().for_each(|error| *error /= count as f32);
        }
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let before = index.checked_sub(1);
            let inputs = before.map_or(&rows.features, |before| &pass.hidden[before]);
            let here = tensor(&errors, count, layer.outputs)?;
            let weights = product(&tensor(inputs, count, layer.inputs)?.t()?, &here)?;
            gradient[layer.weights.clone()].copy_from_slice(&weights);
            for row in errors.chunks(layer.outputs) {
                for (sum, error) in gradient[layer.biases.clone()].iter_mut().zip(row) {
                    *sum += error;
                }
            }
            if let Some(before) = before {
                let weights = &self.params[layer.weights.clone()];
                let weights = tensor(weights, layer.inputs, layer.outputs)?;
                errors = product(&here, &weights.t()?)?;
                for (error, slope) in errors.iter_mut().zip(&pass.slopes[before]) {
                    *error *= slope;
                }
            }
        }
        Ok(gradient)
    }
}

fn tensor(values: &[f32], rows: usize, columns: usize) -> Result<Tensor> {
    Ok(Tensor::from_slice(values, (rows, columns), &Device::Cpu)?)
}

fn product(left: &Tensor, right: &Tensor) -> Result<Vec<f32>> {
    Ok(left.matmul(right)?.flatten_all()?.to_vec1()?)
}

fn softmax(row: &mut [f32]) {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter_mut().for_each(|value| *value = (*value - largest).exp());
    let sum: f32 = row.iter().sum();
    row.iter_mut().for_each(|value| *value /= sum);
}

/// Adam with decoupled weight decay, which takes weights and biases alike: `theta <- theta - rate
/// (decay theta + m / (sqrt(v) + 1e-8))` with the bias-corrected means `m` and `v` of the gradient and
/// its square, of the rates 0.9 and 0.999.
struct AdamW {
    rate: f64,
    decay: f64,
    steps: i32,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl AdamW {
    const FIRST: f32 = 0.9;
    const SECOND: f32 = 0.999;

    fn new(len: usize, rate: f64, decay: f64) -> Self {
        Self { rate, decay, steps: 0, first: vec![0.0; len], second: vec![0.0; len] }
    }

    fn step(&mut self, params: &mut [f32], gradient: &[f32]) {
        self.steps += 1;
        let kept = (1.0 - self.rate * self.decay) as f32;
        let second = 1.0 - f64::from(Self::SECOND).powi(self.steps);
        let rate = (self.rate / (1.0 - f64::from(Self::FIRST).powi(self.steps))) as f32;
        let second = (1.0 / second.sqrt()) as f32;
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((param, (m, v)), g) in params.iter_mut().zip(moments).zip(gradient) {
            *m = Self::FIRST * *m + (1.0 - Self::FIRST) * g;
            *v = Self::SECOND * *v + (1.0 - Self::SECOND) * g * g;
            *param = *param * kept - rate * *m / (v.sqrt() * second + 1e-8);
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{D, Var};

    use super::*;

    /// Three classes in the plane around corners of a triangle.
    fn part(rows: usize, purpose: &str) -> Part {
        let mut rng = Streams::new(5).at(purpose, 0);
        let labels: Vec<u32> = (0..rows as u32).map(|row| row % 3).collect();
        let corners = [[0.0, 2.0], [2.0, -1.0], [-2.0, -1.0]];
        let features = labels
            .iter()
            .flat_map(|&label| corners[label as usize])
            .map(|center| center + 2.0 * rng.random::<f64>() - 1.0)
            .collect();
        Part { columns: 2, features, labels }
    }

    fn fold() -> Fold {
        let (train, test) = (part(120, "train"), part(60, "test"));
        Fold { train, test, test_rows: (0..60).collect(), classes: 3, seed: 7 }
    }

    #[test]
    fn the_gradient_is_that_of_candle() {
        for activation in [Activation::Relu, Activation::Tanh, Activation::Silu] {
            let shape = Shape { widths: vec![2, 5, 4, 3], activation };
            let network = Network::new(shape, &Streams::new(3));
            let rows = Rows::all(&part(9, "rows"));
            let pass = network.forward(&rows, None).unwrap();
            let found = network.gradient(&rows, &pass).unwrap();

            let vars: Vec<(Var, Var)> = network
                .layers
                .iter()
                .map(|layer| {
                    let take = |range: &Range<usize>| network.params[range.clone()].to_vec();
                    let shape = (layer.inputs, layer.outputs);
                    let weights = Var::from_vec(take(&layer.weights), shape, &Device::Cpu).unwrap();
                    let biases = take(&layer.biases);
                    (weights, Var::from_vec(biases, layer.outputs, &Device::Cpu).unwrap())
                })
                .collect();
            let mut hidden = tensor(&rows.features, 9, 2).unwrap();
            for (index, (weights, biases)) in vars.iter().enumerate() {
                hidden = hidden.matmul(weights).unwrap().broadcast_add(biases).unwrap();
                if index < 2 {
                    hidden = match activation {
                        Activation::Relu => hidden.relu(),
                        Activation::Tanh => hidden.tanh(),
                        Activation::Silu => hidden.silu(),
                    }
                    .unwrap();
                }
            }
            let largest = hidden.max_keepdim(D::Minus1).unwrap();
            let shifted = hidden.broadcast_sub(&largest).unwrap();
            let sums = shifted.exp().unwrap().sum_keepdim(D::Minus1).unwrap();
            let logs = shifted.broadcast_sub(&sums.log().unwrap()).unwrap();
            let labels = Tensor::from_slice(&rows.labels, (9, 1), &Device::Cpu).unwrap();
            let loss = logs.gather(&labels, 1).unwrap().mean_all().unwrap().neg().unwrap();
            let gradients = loss.backward().unwrap();
            let wanted: Vec<f32> = vars
                .iter()
                .flat_map(|(weights, biases)| [weights.as_tensor(), biases.as_tensor()])
                .flat_map(|var| {
                    let gradient = gradients.get(var).unwrap();
                    gradient.flatten_all().unwrap().to_vec1::<f32>().unwrap()
                })
                .collect();
            assert_eq!(found.len(), wanted.len());
            for (found, wanted) in found.iter().zip(&wanted) {
                assert!((found - wanted).abs() < 1e-6, "{activation:?}: {found} for {wanted}");
            }
        }
    }

    #[test]
    fn dropped_units_have_no_part_and_the_others_more() {
        let shape = Shape { widths: vec![2, 400, 3], activation: Activation::Silu };
        let network = Network::new(shape, &Streams::new(3));
        let rows = Rows::all(&part(3, "rows"));
        let all = network.forward(&rows, None).unwrap();
        let mut rng = Streams::new(4).at("dropout", 0);
        let some = network.forward(&rows, Some((0.25, &mut rng))).unwrap();
        let dropped = some.hidden[0].iter().filter(|value| **value == 0.0).count();
        // 1,200 draws of 0.25: 300 give or take five standard deviations of 15.
        assert!((225..=375).contains(&dropped), "{dropped}");
        for (some, all) in some.hidden[0].iter().zip(&all.hidden[0]) {
            assert!(*some == 0.0 || (some - all / 0.75).abs() < 1e-5, "{some} {all}");
        }
    }

    #[test]
    fn decay_and_first_step_follow_their_formulas() {
        // The first step of Adam is the sign of the gradient times the rate.
        let mut optimizer = AdamW::new(2, 0.1, 0.5);
        let mut params = [2.0, -1.0];
        optimizer.step(&mut params, &[0.3, -4.0]);
        assert!((params[0] - (2.0 * 0.95 - 0.1)).abs() < 1e-5, "{params:?}");
        assert!((params[1] - (-0.95 + 0.1)).abs() < 1e-5, "{params:?}");
    }

    #[test]
    fn some_configuration_learns_and_the_same_numbers_come_again() {
        let fold = fold();
        let all = Mlp.configurations().unwrap();
        assert_eq!(all.len(), CONFIGURATIONS as usize);
        let mut best = 0;
        for configuration in &all[..8] {
            let stages = Mlp.train(configuration, &fold).unwrap();
            let again = Mlp.train(configuration, &fold).unwrap();
            assert_eq!(stages.len(), FRACTIONS.len());
            for ((stage, again), fraction) in stages.iter().zip(&again).zip(FRACTIONS) {
                assert_eq!(stage.fraction, fraction);
                assert_eq!(stage.labels, again.labels);
                assert_eq!(stage.probabilities, again.probabilities);
                for row in stage.probabilities.chunks(3) {
                    assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{row:?}");
                }
            }
            assert!(stages.is_sorted_by(|a, b| a.seconds <= b.seconds));
            let right = stages[4].labels.iter().zip(&fold.test.labels).filter(|(a, b)| a == b);
            best = best.max(right.count());
        }
        assert!(best >= 55, "{best} of 60");
    }
}
