//! What is known of a task before its first trial.

pub mod features;
