//! Trains real models on public classification data sets and records how well each configuration of
//! their hyperparameters did. hyperq's measured surfaces replay the result.
#![deny(missing_docs)]

pub mod build;
pub mod data;
pub mod error;
pub mod learner;
pub mod mlp;
pub mod partial;
pub mod registry;
pub mod score;
pub mod source;
pub mod svm;
pub mod tables;
pub mod trees;
pub mod verify;

pub use error::{Error, Result};
