//! Values of configurations as points: what is expected of any configuration of a space, not only of
//! those of a grid.

use serde::{Deserialize, Serialize};

use super::{Critics, Estimates, GaussianProcess, Kernel, Signals};
use crate::error::Result;
use crate::persist::Persist;
use crate::space::SearchSpace;
use crate::streams::{Generator, Streams};

/// What a value function learns from: encoded configurations and what they were worth.
#[derive(Debug, Clone, Copy)]
pub struct Examples<'a> {
    /// One configuration after the other, [`SearchSpace::features`] numbers each.
    pub inputs: &'a [f32],
    /// The reward of each.
    pub rewards: &'a [f32],
    /// So many of them, the last ones, are pending trials, whose rewards are assumed.
    pub pending: usize,
}

/// A value function `Q(a)` whose actions are the configurations of a space, in the framing *select*
/// with discount 0: the value of a configuration is the reward that is expected of it.
///
/// What it knows comes from the examples of the last [`fit`](ContinuousValue::fit). What it keeps from
/// trial to trial (weights, hyperparameters) is where the next fit starts from, and is in the snapshot.
pub trait ContinuousValue: Persist + Send {
    /// Learns from all examples there are, at least one.
    fn fit(&mut self, examples: Examples<'_>, rng: &mut Generator);

    /// The estimates for `rows` encoded configurations, as the last fit left them. `into` is
    /// overwritten; its buffers are used again.
    ///
    /// # Panics
    ///
    /// Where `inputs` has another length than `rows` configurations, or before the first fit.
    fn estimate(&mut self, inputs: &[f32], rows: usize, into: &mut Estimates);
}

/// A value function over configurations and its settings, as plain data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContinuousValueConfig {
    /// A bootstrapped ensemble of critic networks.
    Critics(Critics),
    /// A Gaussian process of main and joint effects, its hyperparameters integrated out.
    Kernel(Kernel),
    /// A Gaussian process with its most likely hyperparameters.
    GaussianProcess(GaussianProcess),
}

impl ContinuousValueConfig {
    /// The name as it stands in names of strategies.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Critics(_) => "critics",
            Self::Kernel(_) => "kernel",
            Self::GaussianProcess(_) => "gaussian-process",
        }
    }

    /// What it will supply beside the mean, known before it is built.
    pub fn supplies(&self) -> Signals {
        Signals { counts: false, spread: true, members: true, incumbent: true }
    }

    /// Builds the value function for a space. `streams` give its initial weights; `draws` says whether
    /// [`Estimates::members`] will be read.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) where a setting is out of its range.
    pub fn build(
        &self,
        space: &SearchSpace,
        draws: bool,
        streams: Streams,
    ) -> Result<Box<dyn ContinuousValue>> {
        Ok(match self {
            Self::Critics(config) => Box::new(config.build(space, streams)?),
            Self::Kernel(config) => Box::new(config.build(space, draws)?),
            Self::GaussianProcess(config) => Box::new(config.build(space, draws)?),
        })
    }
}

/// The places of at most so many examples, in their order: the better half of `most` by reward, the rest the
/// latest of the others.
pub(super) fn thinned(rewards: &[f32], most: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..rewards.len()).collect();
    if places.len() <= most {
        return places;
    }
    places.sort_by(|&a, &b| rewards[b].total_cmp(&rewards[a]).then(a.cmp(&b)));
    let mut kept = places.split_off(most / 2);
    // The others by age, the latest first.
    kept.sort_by(|a, b| b.cmp(a));
    places.extend_from_slice(&kept[..most - most / 2]);
    places.sort_unstable();
    places
}
