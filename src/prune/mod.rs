//! Pruners: whether to give a trial up on the strength of its intermediate values.
//!
//! | pruner | gives a trial up where | source |
//! |---|---|---|
//! | [`Median`] | its best value so far is worse than the median of the others' at the same step | Golovin et al. 2017, section 3.1 |
//! | [`SuccessiveHalving`] | it is not among the best `1 / reduction-factor` of those that got as far | Li et al. 2020 |
//! | [`Hyperband`] | successive halving of its bracket gives it up; brackets begin to judge at different steps | Li et al. 2018 |
//! | [`Patience`] | its values have not improved for some reports (and another pruner agrees) | Prechelt 1998 |
//!
//! They decide as Optuna 5.0's pruners of these names do, whose decisions the tests repeat; each says
//! where it deviates. A decision is a pure function of the intermediate values of the trial and of its
//! peers: a pruner stores nothing, neither in itself nor in the study, and decides the same when a study
//! is replayed. It speaks of the latest report, so ask after every report.
//!
//! NaN is no value. Infinities are the best or the worst values, as the direction has it.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use hyperq::prune::{Peer, Progress, PrunerConfig};
//! use hyperq::storage::TrialState;
//! use hyperq::trial::Direction;
//!
//! let curves = [0.1, 0.2, 0.3, 0.4, 0.5].map(|error| BTreeMap::from([(1, error)]));
//! let peers: Vec<Peer<'_>> = (0..)
//!     .zip(&curves)
//!     .map(|(number, intermediate)| Peer {
//!         number,
//!         state: TrialState::Complete,
//!         intermediate,
//!         value: intermediate.get(&1).copied(),
//!     })
//!     .collect();
//! let pruner = PrunerConfig::named("median")?.expect("a pruner").build("iris")?;
//! for (error, given_up) in [(0.29, false), (0.31, true)] {
//!     let intermediate = BTreeMap::from([(1, error)]);
//!     let trial = Progress { number: 5, intermediate: &intermediate };
//!     assert_eq!(pruner.prune(Direction::Minimize, trial, &peers), given_up);
//! }
//! # Ok::<(), hyperq::Error>(())
//! ```
//!
//! Sources:
//!
//! - Golovin, Solnik, Moitra, Kochanski, Karro & Sculley 2017, "Google Vizier: a service for black-box
//!   optimization".
//! - Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht & Talwalkar 2020, "A system for massively
//!   parallel hyperparameter tuning" (ASHA).
//! - Li, Jamieson, DeSalvo, Rostamizadeh & Talwalkar 2018, "Hyperband: a novel bandit-based approach to
//!   hyperparameter optimization".
//! - Prechelt 1998, "Early stopping, but when?".
//! - Akiba, Sano, Yanase, Ohta & Koyama 2019, "Optuna: a next-generation hyperparameter optimization
//!   framework".

mod hyperband;
mod median;
mod patience;
mod resource;
mod successive_halving;
#[cfg(test)]
mod tests;

pub use hyperband::{Hyperband, HyperbandPruner};
pub use median::Median;
pub use patience::{Patience, PatiencePruner};
pub use resource::Resource;
pub use successive_halving::SuccessiveHalving;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::storage::TrialState;
use crate::trial::Direction;

/// The trial in question, as far as it has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress<'a> {
    /// Its number.
    pub number: u64,
    /// Its intermediate values by step, in the objective's own unit. The latest report is the one of the
    /// highest step.
    pub intermediate: &'a BTreeMap<i64, f64>,
}

impl Progress<'_> {
    /// The step and the value of the latest report.
    fn last(&self) -> Option<(i64, f64)> {
        self.intermediate.last_key_value().map(|(step, value)| (*step, *value))
    }

    /// The step of the report before the latest one.
    fn previous_step(&self) -> Option<i64> {
        self.intermediate.keys().nth_back(1).copied()
    }
}

/// A trial of the same study that the one in question is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peer<'a> {
    /// Its number.
    pub number: u64,
    /// Where it stands.
    pub state: TrialState,
    /// Its intermediate values by step, in the objective's own unit.
    pub intermediate: &'a BTreeMap<i64, f64>,
    /// The value that it ended with, in the objective's own unit. The pruners here go by intermediate
    /// values alone.
    pub value: Option<f64>,
}

impl Peer<'_> {
    /// The step of the latest report.
    fn last_step(&self) -> Option<i64> {
        self.intermediate.last_key_value().map(|(step, _)| *step)
    }
}

/// Decides whether to give a trial up.
pub trait Pruner: Send {
    /// The name, as in [`PrunerConfig::named`].
    fn name(&self) -> &'static str;

    /// Whether to give `trial` up after its latest report. `peers` are the trials of the study in any
    /// order and in any state; one with the number of `trial` is passed over.
    fn prune(&self, direction: Direction, trial: Progress<'_>, peers: &[Peer<'_>]) -> bool;
}

/// A pruner and its settings, as plain data.
///
/// ```
/// use hyperq::prune::{Hyperband, PrunerConfig, Resource};
///
/// let config: PrunerConfig =
///     serde_json::from_str(r#"{ "name": "hyperband", "max-resource": 81 }"#).unwrap();
/// let max_resource = Resource::Steps(81);
/// assert_eq!(config, PrunerConfig::Hyperband(Hyperband { max_resource, ..Hyperband::default() }));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum PrunerConfig {
    /// The rule of the median.
    Median(Median),
    /// Asynchronous successive halving (ASHA).
    SuccessiveHalving(SuccessiveHalving),
    /// Several brackets of successive halving.
    Hyperband(Hyperband),
    /// Another pruner, or none, where the trial does not improve.
    Patience(Patience),
}

impl PrunerConfig {
    /// The names that [`PrunerConfig::named`] knows, beside `none`.
    pub const NAMES: [&str; 4] = ["median", "successive-halving", "hyperband", "patience"];

    /// The pruner of a name, with its default settings; `None` for `none`.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] with the nearest name.
    pub fn named(name: &str) -> Result<Option<Self>> {
        Ok(Some(match name {
            "none" => return Ok(None),
            "median" => Self::Median(Median::default()),
            "successive-halving" => Self::SuccessiveHalving(SuccessiveHalving::default()),
            "hyperband" => Self::Hyperband(Hyperband::default()),
            "patience" => Self::Patience(Patience::default()),
            _ => {
                let known = Self::NAMES.into_iter().chain(["none"]);
                let listing = format!("the names are none, {}", Self::NAMES.join(", "));
                return Err(Error::unknown("pruner", name, known, &listing));
            }
        }))
    }

    /// The name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Median(_) => "median",
            Self::SuccessiveHalving(_) => "successive-halving",
            Self::Hyperband(_) => "hyperband",
            Self::Patience(_) => "patience",
        }
    }

    /// Builds the pruner for the study of a name, by which Hyperband spreads trials over its brackets.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting is out of its range.
    pub fn build(&self, study: &str) -> Result<Box<dyn Pruner>> {
        Ok(match self {
            Self::Median(median) => {
                median.check()?;
                Box::new(median.clone())
            }
            Self::SuccessiveHalving(halving) => {
                halving.check()?;
                Box::new(halving.clone())
            }
            Self::Hyperband(hyperband) => Box::new(hyperband.build(study)?),
            Self::Patience(patience) => Box::new(patience.build(study)?),
        })
    }
}

/// Whether the value `a` is better than `b`; `false` where either is NaN.
fn better(direction: Direction, a: f64, b: f64) -> bool {
    match direction {
        Direction::Minimize => a < b,
        Direction::Maximize => a > b,
    }
}

/// The best of the values that are not NaN, `None` where there is none.
fn best<'a>(direction: Direction, values: impl Iterator<Item = &'a f64>) -> Option<f64> {
    values.copied().filter(|value| !value.is_nan()).reduce(match direction {
        Direction::Minimize => f64::min,
        Direction::Maximize => f64::max,
    })
}

/// Refuses a whole number below `least`.
fn at_least(owner: &str, setting: &str, least: u64, found: u64) -> Result<()> {
    if found < least {
        return Err(Error::setting(owner, setting, format!("at least {least}"), found));
    }
    Ok(())
}
