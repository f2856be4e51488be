//! What a learner is: a space of hyperparameters, the configurations to try, and a training.

use hyperq::space::{Configuration, SearchSpace, SpaceDocument};
use hyperq::streams::Streams;
use rand::Rng;

use crate::data::{Fold, Scaling};
use crate::error::Result;

/// The shares of its iterations after which an iterative learner is judged.
pub const FRACTIONS: [f64; 5] = [0.0625, 0.125, 0.25, 0.5, 1.0];

/// The number of iterations at a share of `all`: rounded up, at least 1.
pub fn iterations_at(fraction: f64, all: usize) -> usize {
    ((fraction * all as f64).ceil() as usize).max(1)
}

/// What a model says of the test rows after a share of its iterations.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// The share, one of [`FRACTIONS`].
    pub fraction: f64,
    /// The predicted class of each test row.
    pub labels: Vec<u32>,
    /// The probabilities of the classes, row by row: rows x classes, each row sums to 1.
    pub probabilities: Vec<f64>,
    /// Training and prediction up to here, in seconds.
    pub seconds: f64,
}

/// A learner with hyperparameters.
///
/// A training is a function of the configuration and the fold, `Fold::seed` included: it runs on one
/// thread, draws from no other source and gives the same numbers each time, except for the seconds.
pub trait Learner: Sync {
    /// The name, such as `random-forest`.
    fn name(&self) -> &'static str;

    /// The hyperparameters and what is measured.
    fn document(&self) -> Result<SpaceDocument>;

    /// The configurations, the same for every data set.
    fn configurations(&self) -> Result<Vec<Configuration>>;

    /// How numeric columns are scaled for this learner.
    fn scaling(&self) -> Scaling;

    /// The shares that [`Learner::train`] gives a [`Stage`] for, rising; the last is 1.
    fn fractions(&self) -> &'static [f64] {
        &FRACTIONS
    }

    /// Trains on a fold's training part and judges its test part: one stage for each of
    /// [`Learner::fractions`], in their order.
    ///
    /// # Errors
    ///
    /// [`Error::Training`](crate::Error::Training) where the training fails or diverges.
    fn train(&self, configuration: &Configuration, fold: &Fold) -> Result<Vec<Stage>>;

    /// [`Learner::train`] of several configurations on one fold, for learners that share work among
    /// neighbours in [`Learner::configurations`].
    fn train_all(&self, configurations: &[Configuration], fold: &Fold) -> Vec<Result<Vec<Stage>>> {
        configurations.iter().map(|configuration| self.train(configuration, fold)).collect()
    }
}

/// The configurations at `count` points of a scrambled Sobol sequence (Burley 2020); `seed` is that of
/// the scramble.
///
/// `count` must not exceed the 65,536 points and the space not the 256 dimensions of `sobol_burley`.
pub fn sobol(space: &SearchSpace, count: u32, seed: u64) -> Vec<Configuration> {
    let scramble = (Streams::new(seed).at("meta-dataset/sobol", 0).next_u64() >> 32) as u32;
    (0..count)
        .map(|index| {
            let point: Vec<f64> = (0..space.len() as u32)
                .map(|dimension| {
                    f64::from(sobol_burley::sample(index, dimension, scramble)).clamp(0.0, 1.0)
                })
                .collect();
            space.from_unit(&point)
        })
        .collect()
}
