//! A small neural network: its shape and how it is trained.

use candle_core::{D, Device, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW, loss, ops};
use rand::seq::SliceRandom;

use super::data::{DataSet, Fold, Part, Scaling};
use super::{FOLDS, Model, Objective, failed};
use crate::error::{Error, Result};
use crate::nn::{Activation, Init, MlpOp, MlpShape, Network};
use crate::space::{Choice, Configuration, Parameter, SearchSpace};
use crate::streams::Streams;

/// The seed of the initial weights and of the order of the rows.
const SEED: u64 = 20_240_718;

/// Log loss takes no probability for less than this.
const LEAST_PROBABILITY: f64 = 0.01;

/// One or two hidden layers, trained with AdamW (Loshchilov and Hutter 2019).
pub(super) fn space() -> Result<SearchSpace> {
    SearchSpace::new([
        Parameter::categorical("layers", [1, 2]),
        Parameter::int("width", 4, 64).log(),
        Parameter::int("second_width", 4, 64).log().when("layers", [2]),
        Parameter::categorical("activation", ["relu", "tanh"]),
        Parameter::categorical("layer_norm", [false, true]),
        Parameter::float("learning_rate", 1e-4, 0.3).log(),
        Parameter::float("weight_decay", 1e-5, 1.0).log(),
        Parameter::categorical("batch_size", [32, 64, 128]),
    ])
}

/// The folds on standardized features, and how long a network is trained.
pub(super) struct Mlp {
    folds: Vec<Fold>,
    classes: usize,
    objective: Objective,
    epochs: u64,
}

impl Mlp {
    pub(super) fn new(data: &DataSet, objective: Objective, epochs: u64) -> Self {
        let folds = data.folds(FOLDS, Scaling::Standard);
        Self { folds, classes: data.classes, objective, epochs }
    }

    /// The logarithms of the predicted probabilities, one row a test row.
    fn predict(&self, fold: &Fold, index: u64, at: &Configuration) -> Result<Vec<Vec<f32>>> {
        let streams = Streams::new(SEED).child("fold", index);
        let mut hidden = vec![at.int("width")? as usize];
        if *at.choice("layers")? == Choice::Int(2) {
            hidden.push(at.int("second_width")? as usize);
        }
        let shape = MlpShape {
            inputs: fold.train.columns,
            hidden,
            outputs: self.classes,
            activation: match at.text("activation")? {
                "relu" => Activation::Relu,
                _ => Activation::Tanh,
            },
            layer_norm: *at.choice("layer_norm")? == Choice::Bool(true),
        };
        let initial =
            Network::new(shape.clone(), 1, Init::XavierNormal, &mut streams.at("weights", 0))?;
        let network = MlpOp::new(shape)?;
        let settings = ParamsAdamW {
            lr: at.float("learning_rate")?,
            weight_decay: at.float("weight_decay")?,
            ..ParamsAdamW::default()
        };
        let Choice::Int(batch) = *at.choice("batch_size")? else {
            return Err(Error::configuration("batch_size", "must be an integer", at));
        };
        let train = || -> candle_core::Result<Vec<Vec<f32>>> {
            let params = Var::from_slice(initial.params(), initial.params().len(), &Device::Cpu)?;
            let mut optimizer = AdamW::new(vec![params.clone()], settings)?;
            for epoch in 0..self.epochs {
                let mut rows: Vec<usize> = (0..fold.train.rows()).collect();
                rows.shuffle(&mut streams.at("order", epoch));
                for rows in rows.chunks(batch as usize) {
                    let (features, labels) = tensors(&fold.train, rows)?;
                    let loss = loss::cross_entropy(&network.forward(&features, &params)?, &labels)?;
                    optimizer.backward_step(&loss)?;
                }
            }
            let all: Vec<usize> = (0..fold.test.rows()).collect();
            let (features, _) = tensors(&fold.test, &all)?;
            ops::log_softmax(&network.forward(&features, &params)?, D::Minus1)?.to_vec2()
        };
        let found = train().map_err(failed)?;
        if found.iter().flatten().any(|value| value.is_nan()) {
            return Err(Error::Evaluation("the training of the network diverged".into()));
        }
        Ok(found)
    }
}

impl Model for Mlp {
    fn value(&self, at: &Configuration) -> Result<f64> {
        let (mut sum, mut rows) = (0.0, 0);
        for (index, fold) in self.folds.iter().enumerate() {
            let found = self.predict(fold, index as u64, at)?;
            for (found, &label) in found.iter().zip(&fold.test.labels) {
                let right = found[label as usize];
                sum += match self.objective {
                    Objective::LogLoss => -f64::from(right).max(LEAST_PROBABILITY.ln()),
                    // Two classes with the same highest probability count as a mistake.
                    Objective::Accuracy => {
                        let best = found
                            .iter()
                            .enumerate()
                            .all(|(class, &other)| class == label as usize || other < right);
                        f64::from(u8::from(best))
                    }
                };
            }
            rows += fold.test.rows();
        }
        Ok(sum / rows as f64)
    }
}

/// The features and labels of some rows.
fn tensors(part: &Part, rows: &[usize]) -> candle_core::Result<(Tensor, Tensor)> {
    let features: Vec<f32> =
        rows.iter().flat_map(|&row| part.row(row)).map(|&value| value as f32).collect();
    let labels: Vec<u32> = rows.iter().map(|&row| part.labels[row]).collect();
    Ok((
        Tensor::from_vec(features, (rows.len(), part.columns), &Device::Cpu)?,
        Tensor::from_vec(labels, rows.len(), &Device::Cpu)?,
    ))
}
