//! Hyperparameter optimization by reinforcement learning.
#![deny(missing_docs)]
#![deny(unsafe_op_in_unsafe_fn)]

pub mod agent;
pub mod error;
pub mod experiment;
pub mod explore;
pub mod mdp;
pub mod nn;
pub mod optimizer;
pub mod persist;
pub mod replay;
pub mod space;
pub mod strategy;
pub mod streams;
pub mod study;
pub mod surface;
pub mod trial;
pub mod value;

pub use error::{Error, Result};

/// What most programs need.
pub mod prelude {
    pub use crate::error::{Error, Result};
    pub use crate::space::{Configuration, Parameter, SearchSpace, Value};
    pub use crate::strategy::Strategy;
    pub use crate::study::{Study, Suggestion};
    pub use crate::surface::{Range, Spec, Surface};
    pub use crate::trial::{Direction, Trial, TrialId};
}
