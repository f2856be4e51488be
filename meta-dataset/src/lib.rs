//! Trains real models on public classification data sets and records how well each configuration of
//! their hyperparameters did. hyperq's measured surfaces replay the result.
#![deny(missing_docs)]

pub mod data;
pub mod error;
pub mod learner;
pub mod trees;

pub use error::{Error, Result};
