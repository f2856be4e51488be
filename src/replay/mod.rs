//! Experience replay: which past transitions to learn from again.
//!
//! A replay holds positions in the [`Memory`](crate::value::Memory), the newest `capacity` of them.

mod episodes;
mod prioritized;
mod uniform;

pub use episodes::{Episode, EpisodeReplay};
pub(crate) use episodes::{read as read_episodes, write as write_episodes};
pub use prioritized::{Prioritized, PrioritizedReplay};
pub use uniform::UniformReplay;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::persist::Persist;
use crate::streams::Generator;

/// A batch: positions in the memory, their slots in the replay and their importance weights.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// Positions in the memory.
    pub positions: Vec<usize>,
    /// The slots of the replay that they were drawn from, for [`Replay::update`].
    pub slots: Vec<usize>,
    /// Weights of the squared errors, in `(0, 1]`.
    pub weights: Vec<f32>,
}

/// Draws past transitions.
pub trait Replay: Persist + Send {
    /// Adds a transition; the oldest leaves where the replay is full.
    fn push(&mut self, position: usize);

    /// The positions that the replay holds, one a slot.
    fn positions(&self) -> &[u64];

    /// The number of transitions in the replay.
    fn len(&self) -> usize {
        self.positions().len()
    }

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Draws `count` transitions with replacement; `into` is overwritten, its buffers are used again.
    /// A uniform replay that holds no more than `count` gives each of them once, since a draw would
    /// only add noise.
    ///
    /// # Panics
    ///
    /// If the replay is empty.
    fn sample(&mut self, count: usize, rng: &mut Generator, into: &mut Batch);

    /// Takes note of the temporal-difference errors of a batch.
    fn update(&mut self, batch: &Batch, errors: &[f32]);
}

/// A replay and its settings, as plain data.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplayConfig {
    /// Every transition with the same probability (Lin 1992; Mnih et al. 2015).
    #[default]
    Uniform,
    /// Transitions with large errors more often (Schaul et al. 2016).
    Prioritized(Prioritized),
}

impl ReplayConfig {
    /// Builds an empty replay.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a capacity of 0 or exponents out of range.
    pub fn build(&self, capacity: usize) -> Result<Box<dyn Replay>> {
        if capacity == 0 || capacity > 1 << 30 {
            return Err(Error::setting("replay", "capacity", "in 1..=2^30", capacity));
        }
        Ok(match self {
            Self::Uniform => Box::new(UniformReplay::new(capacity)),
            Self::Prioritized(config) => Box::new(PrioritizedReplay::new(config, capacity)?),
        })
    }
}
