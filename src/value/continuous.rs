//! Values of configurations as points: what is expected of any configuration of a space, not only of
//! those of a grid.

use serde::{Deserialize, Serialize};

use super::{Critics, Estimates, Kernel, Signals};
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
    /// A Gaussian process.
    Kernel(Kernel),
}

impl ContinuousValueConfig {
    /// The name as it stands in names of strategies.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Critics(_) => "critics",
            Self::Kernel(_) => "kernel",
        }
    }

    /// What it will supply beside the mean, known before it is built.
    pub fn supplies(&self) -> Signals {
        Signals { counts: false, spread: true, members: true }
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
        })
    }
}
