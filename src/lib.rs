//! Hyperparameter optimization by reinforcement learning.
//!
//! Tuning is a decision process: an agent picks the next configuration, is rewarded by the score that
//! came out, and learns which choices pay. This crate implements the two ways in which the
//! literature frames it, the value functions and the exploration policies that act in them, and a
//! benchmark runner that compares them with each other and with plain baselines.
//!
//! # A study
//!
//! A [`Study`](study::Study) is the loop around all of it: ask for a configuration, evaluate it,
//! tell what came out. [`Study::optimize`](study::Study::optimize) does so with a closure.
//!
//! ```
//! use hyperq::prelude::*;
//!
//! let space = SearchSpace::new([
//!     Parameter::float("rate", 1e-5, 1.0).log(),
//!     Parameter::int("depth", 1, 8),
//!     Parameter::categorical("model", ["plain", "deep"]),
//!     Parameter::float("dropout", 0.0, 0.5).when("model", ["deep"]),
//! ])?;
//! let mut study =
//!     Study::builder(space).strategy("table-select-epsilon-greedy").budget(20).seed(1).build()?;
//! study.optimize(20, |trial| -> Result<f64> {
//!     let dropout = match trial.text("model")? {
//!         "deep" => trial.float("dropout")?,
//!         _ => 0.4,
//!     };
//!     Ok((trial.float("rate")?.log10() + 3.0).powi(2) + (dropout - 0.1).abs())
//! })?;
//! let best = study.best().expect("at least one trial is complete");
//! println!("{:?} at {}", study.value(best), best.configuration);
//! # assert_eq!(study.history().len(), 20);
//! # Ok::<(), hyperq::Error>(())
//! ```
//!
//! Loops of your own call [`ask`](study::Study::ask), [`tell`](study::Study::tell) and
//! [`fail`](study::Study::fail), with several trials pending if they like;
//! [`save`](study::Study::save) and [`load`](study::Study::load) continue a study in another process,
//! bit for bit. A study in a [`storage`] needs neither: every trial is on the disk before it counts, and other
//! workers, Optuna's among them, share it.
//!
//! # Framing x value function x exploration
//!
//! A learned strategy is a product of three parts, and its name says which:
//! `ensemble-select-thompson`, `table-refine-epsilon-greedy`.
//!
//! | part | what it decides | where | choices |
//! |---|---|---|---|
//! | framing | what a state, an action and the end of an episode are | [`mdp`] | `select` a configuration, `refine` the current one |
//! | value function | what each action is expected to bring | [`value`] | `table`, `dqn`, `ensemble`; over points `critics`, `kernel` |
//! | exploration | which action to take, given that | [`explore`] | `greedy`, `epsilon-greedy`, `softmax`, `ucb`, `thompson` |
//!
//! A policy that needs what a value function does not supply is refused when the strategy is built:
//!
//! ```
//! use hyperq::explore::{Exploration, Thompson};
//! use hyperq::value::{Table, ValueConfig};
//!
//! let thompson = Exploration::Thompson(Thompson::default());
//! let table = ValueConfig::Table(Table::default());
//! let error = thompson.build(table.name(), table.supplies()).err().unwrap();
//! assert!(error.to_string().contains("which value function `table` does not supply"));
//! ```
//!
//! [`strategy::registry`] lists every combination that works, and the baselines. Every setting of
//! every part is plain data ([`strategy::Strategy`]): build it in Rust and hand it to
//! [`StudyBuilder::configured`](study::StudyBuilder::configured), or write it as TOML
//! ([`experiment::config`]).
//!
//! # Surfaces and experiments
//!
//! A [`Surface`](surface::Surface) is something that can be tuned and be compared on: test functions,
//! models that are really trained, tables of values measured beforehand. The [`experiment`] module
//! runs strategies on surfaces over seeds, and says with which certainty one is better:
//!
//! ```
//! use hyperq::experiment::{self, Entrant, Plan, Summary};
//!
//! let plan = Plan {
//!     surfaces: hyperq::surface::open("six-hump-camel")?,
//!     strategies: vec![Entrant::named("random")?, Entrant::named("table-select-ucb")?],
//!     trials: 10,
//!     seeds: 2,
//!     ..Plan::default()
//! };
//! let summary = Summary::of(&experiment::run(&plan, &|_| (), &Default::default())?);
//! assert_eq!(summary.strategies.len(), 2);
//! # Ok::<(), hyperq::Error>(())
//! ```
//!
//! # The modules
//!
//! | module | what it holds |
//! |---|---|
//! | [`space`] | parameters, conditions, configurations, the way to the unit cube and back, grids |
//! | [`study`] | the ask/tell loop: in memory, in a storage, on several threads |
//! | [`storage`] | where the trials of shared studies live: Optuna's journal file |
//! | [`command`] | programs as objectives |
//! | [`prune`] | which evaluations to give up early |
//! | [`objectives`] | several objectives: Pareto fronts, hypervolume, scalarization |
//! | [`trial`] | trials, scores, directions, histories |
//! | [`strategy`] | optimizers by name, with every setting as plain data |
//! | [`optimizer`] | the trait behind all of them; baselines; reinforcement learning as an optimizer |
//! | [`mdp`] | framings, rewards |
//! | [`agent`] | Q-learning: a value function and an exploration policy; actor-critic agents (DDPG, TD3, SAC); Hyp-RL |
//! | [`value`] | Q-tables, deep Q-networks, bootstrapped ensembles; critics and Gaussian processes over points |
//! | [`explore`] | exploration policies and their schedules |
//! | [`replay`] | uniform and prioritized experience replay; replay of whole episodes |
//! | [`noise`] | what makes continuous actions explore: Gaussian, Ornstein-Uhlenbeck, parameter noise |
//! | [`nn`] | perceptrons and a recurrent network: forward and backward passes, Adam, RMSProp, averages of weights |
//! | [`surface`] | test functions, tables, live surfaces, noise and shifts; others' histories |
//! | `report` | the report of one study (feature `report`) |
//! | [`experiment`] | the benchmark runner, metrics, statistics, the report |
//! | [`meta`] | transfer: agents trained over many data sets, policies, meta-features of data sets |
//! | [`streams`] | randomness without stored generators |
//! | [`persist`] | snapshots of every part's state |
//! | [`error`] | the one error type |
//!
//! # Features
//!
//! `cli` (default) builds the program `hyperq`; `report` (part of `cli`) the HTML reports; `live`
//! (default) the surfaces that train models. Without them the library is the optimizers, the test
//! functions, tables and the runner. `cuda`, `metal` and `mkl` are handed on to candle.
//!
//! # Sources
//!
//! - M. T. Hasan 2024, "HyperQ-Opt: Q-learning for hyperparameter optimization", arXiv 2412.17765: the
//!   view of tuning as a decision process, and the gaps that this crate works on.
//! - X. Qi & B. Xu 2022, "Hyperparameter optimization of neural networks based on Q-learning", Signal,
//!   Image and Video Processing: actions move one hyperparameter; the basis of [`mdp::Refine`].
//! - H. S. Jomaa, J. Grabocka & L. Schmidt-Thieme 2019, "Hyp-RL: Hyperparameter optimization by
//!   reinforcement learning", arXiv 1906.11527: actions are configurations; the basis of
//!   [`mdp::Select`].
//!
//! Each algorithm's own documentation names its source and what differs from it.
#![deny(missing_docs)]
#![deny(unsafe_op_in_unsafe_fn)]

pub mod agent;
pub mod command;
pub mod error;
pub mod experiment;
pub mod explore;
mod lines;
pub mod mdp;
pub mod meta;
pub mod nn;
pub mod noise;
mod normal;
pub mod objectives;
pub mod optimizer;
pub mod persist;
pub mod prune;
pub mod replay;
#[cfg(feature = "report")]
pub mod report;
pub mod space;
pub mod storage;
pub mod strategy;
pub mod streams;
pub mod study;
pub mod surface;
pub mod trial;
pub mod value;

pub use error::{Error, Result};

/// The README's example, compiled and run with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// What most programs need.
pub mod prelude {
    pub use crate::error::{Error, Result};
    pub use crate::space::{Configuration, Parameter, SearchSpace, Value};
    pub use crate::strategy::Strategy;
    pub use crate::study::{Study, Suggestion};
    pub use crate::surface::{Range, Spec, Surface};
    pub use crate::trial::{Direction, Trial, TrialId};
}
