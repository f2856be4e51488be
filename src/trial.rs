//! Trials: what was tried, what came out, and the best so far.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::space::Configuration;

/// Whether less or more of the objective is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Less is better, as of an error.
    #[default]
    Minimize,
    /// More is better, as of an accuracy.
    Maximize,
}

impl Direction {
    /// The score of a value: the value where it is maximized, its negative where it is minimized.
    ///
    /// # Errors
    ///
    /// [`Error::Evaluation`] for NaN and infinities, which studies record as failed trials.
    pub fn score(self, value: f64) -> Result<Score> {
        if !value.is_finite() {
            return Err(Error::Evaluation(format!(
                "the objective must be a finite number, found {value}"
            )));
        }
        Ok(Score(match self {
            Self::Minimize => -value,
            Self::Maximize => value,
        }))
    }

    /// The value of a score, in the objective's own unit: the inverse of [`Direction::score`].
    pub fn value(self, score: Score) -> f64 {
        match self {
            Self::Minimize => -score.0,
            Self::Maximize => score.0,
        }
    }
}

/// A finite number of which more is always better: the sign of the direction is applied once, when a
/// trial is told.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Score(f64);

impl Score {
    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Eq for Score {}
#[allow(clippy::derive_ord_xor_partial_ord)] // A score is finite, so the partial order is total.
impl Ord for Score {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// The number of a trial in its study, from 0 in the order of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrialId(pub u64);

impl std::fmt::Display for TrialId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What came out of a trial.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The evaluation gave a finite value.
    Complete(Score),
    /// The evaluation failed or gave NaN or an infinity.
    Failed(String),
}

/// A finished trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Its number.
    pub id: TrialId,
    /// What was tried.
    pub configuration: Configuration,
    /// What came out.
    pub outcome: Outcome,
}

impl Trial {
    /// The score, `None` where the trial failed.
    pub fn score(&self) -> Option<Score> {
        match self.outcome {
            Outcome::Complete(score) => Some(score),
            Outcome::Failed(_) => None,
        }
    }
}

/// A trial that was asked for and not told yet.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingTrial {
    /// Its number.
    pub id: TrialId,
    /// What is being tried.
    pub configuration: Configuration,
}

/// The finished trials in the order in which they were told.
#[derive(Debug, Clone, Default)]
pub struct History {
    trials: Vec<Trial>,
    incumbent: Option<usize>,
}

impl History {
    /// Adds a finished trial.
    pub fn push(&mut self, trial: Trial) {
        let best = self.incumbent.and_then(|index| self.trials[index].score());
        if trial.score().is_some_and(|score| best.is_none_or(|best| score > best)) {
            self.incumbent = Some(self.trials.len());
        }
        self.trials.push(trial);
    }

    /// The trials in the order in which they were told.
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// The number of finished trials.
    pub fn len(&self) -> usize {
        self.trials.len()
    }

    /// Whether no trial is finished.
    pub fn is_empty(&self) -> bool {
        self.trials.is_empty()
    }

    /// The best trial so far, the first among equals; `None` where none is complete.
    pub fn incumbent(&self) -> Option<&Trial> {
        self.incumbent.map(|index| &self.trials[index])
    }
}
