//! Numbers that change over the trials.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A number that depends on the trial `t = 0, 1, ...`.
///
/// ```
/// use hyperq::explore::Schedule;
/// let schedule = Schedule::Linear { from: 1.0, to: 0.0, trials: 10 };
/// assert_eq!(schedule.at(0), 1.0);
/// assert_eq!(schedule.at(5), 0.5);
/// assert_eq!(schedule.at(99), 0.0);
/// assert_eq!(Schedule::RootLog(0.5).at(0), 0.0);
/// assert_eq!(Schedule::RootLog(0.5).scaled(2.0).at(9), 10f64.ln().sqrt());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// The same number always.
    Constant(f64),
    /// `from + (to - from) min(1, t / trials)`.
    Linear {
        /// The number in trial 0.
        from: f64,
        /// The number from trial `trials` on.
        to: f64,
        /// How long the change takes.
        trials: u64,
    },
    /// `from (to / from)^min(1, t / trials)`.
    Exponential {
        /// The number in trial 0, above 0.
        from: f64,
        /// The number from trial `trials` on, above 0.
        to: f64,
        /// How long the change takes.
        trials: u64,
    },
    /// `factor sqrt(ln(t + 1))`: what upper confidence bounds grow by (Auer et al. 2002; Srinivas et al.
    /// 2010).
    RootLog(f64),
}

/// More trials than any study has, for the end of schedules that have none.
const LONGEST_STUDY: f64 = 1e9;

impl Schedule {
    /// From 0.5 to 0.02 over a hundred trials: noise on actions that is wide at first and fine at last.
    pub const FADING: Self = Self::Exponential { from: 0.5, to: 0.02, trials: 100 };

    /// The number in trial `trial`.
    pub fn at(&self, trial: u64) -> f64 {
        let share =
            |trials: u64| if trials == 0 { 1.0 } else { (trial as f64 / trials as f64).min(1.0) };
        match *self {
            Self::Constant(value) => value,
            Self::Linear { from, to, trials } => from + (to - from) * share(trials),
            Self::Exponential { from, to, trials } => from * (to / from).powf(share(trials)),
            Self::RootLog(factor) => factor * ((trial + 1) as f64).ln().sqrt(),
        }
    }

    /// The schedule with every number multiplied.
    #[must_use]
    pub fn scaled(self, by: f64) -> Self {
        match self {
            Self::Constant(value) => Self::Constant(by * value),
            Self::Linear { from, to, trials } => {
                Self::Linear { from: by * from, to: by * to, trials }
            }
            Self::Exponential { from, to, trials } => {
                Self::Exponential { from: by * from, to: by * to, trials }
            }
            Self::RootLog(factor) => Self::RootLog(by * factor),
        }
    }

    /// Refuses a schedule that leaves `[low, high]`.
    pub(crate) fn check(&self, owner: &str, setting: &str, low: f64, high: f64) -> Result<()> {
        let (ends, positive) = match *self {
            Self::Constant(value) => ([value, value], false),
            Self::Linear { from, to, .. } => ([from, to], false),
            Self::Exponential { from, to, .. } => ([from, to], true),
            Self::RootLog(factor) => ([0.0, factor * LONGEST_STUDY.ln().sqrt()], false),
        };
        for end in ends {
            if !(low..=high).contains(&end) {
                let rule = match (low, high) {
                    (0.0, f64::MAX) => "a finite number of at least 0".to_owned(),
                    (f64::MIN_POSITIVE, f64::MAX) => "a finite number above 0".to_owned(),
                    _ => format!("in [{low}, {high}]"),
                };
                return Err(Error::setting(owner, setting, rule, end));
            }
            if positive && end <= 0.0 {
                return Err(Error::setting(
                    owner,
                    setting,
                    "above 0 in an exponential schedule",
                    end,
                ));
            }
        }
        Ok(())
    }
}
