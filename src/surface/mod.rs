//! Surfaces: what is being tuned, as a function from configurations to values.

mod extra_trees;
pub mod import;
#[cfg(feature = "live")]
pub mod live;
pub mod measured;
mod noise;
mod registry;
mod sample;
mod shift;
pub mod synthetic;
mod table;
pub mod yahpo;

pub use noise::Noise;
pub use registry::{builtin_names, open, representative_names};
pub use shift::Shift;
pub use table::{OffGrid, Table};

pub(crate) use registry::open_tables;

use sample::searched_range;

use std::sync::Arc;

use crate::error::Result;
use crate::space::{Configuration, Grid, SearchSpace};
use crate::streams::Generator;
use crate::trial::Direction;

/// The values between which regret is normalized: 0 at `best`, 1 at `worst`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The best value.
    pub best: f64,
    /// The worst value.
    pub worst: f64,
}

/// What is known of a surface before its first evaluation.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The name, such as `branin` or `svm/wine`.
    pub name: String,
    /// One line on what it is.
    pub description: String,
    /// The search space.
    pub space: SearchSpace,
    /// Whether the value is minimized or maximized.
    pub direction: Direction,
    /// What the value is, such as `accuracy`.
    pub objective: String,
    /// The best value that can be reached, `None` where it is unknown.
    pub optimum: Option<f64>,
    /// The best and the worst value that regret is normalized with, `None` where it cannot be. Where
    /// they are not known exactly they are those of a fixed sample of configurations.
    pub range: Option<Range>,
    /// The configurations that discrete strategies choose from, `None` for the space's own grid.
    pub grid: Option<Arc<Grid>>,
    /// The data set's meta-features, empty where there are none.
    pub meta_features: Vec<f64>,
}

/// Something that can be tuned.
pub trait Surface: Send + Sync {
    /// What is known before the first evaluation.
    fn spec(&self) -> &Spec;

    /// The value of a configuration, in the surface's own unit. Only noise draws from `rng`.
    ///
    /// # Errors
    ///
    /// [`Error::Evaluation`](crate::Error::Evaluation) where the evaluation fails; the study records
    /// it and goes on.
    fn evaluate(&self, configuration: &Configuration, rng: &mut Generator) -> Result<f64>;
}
