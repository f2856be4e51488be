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

/// As files and options write it: `minimize` or `maximize`.
impl std::fmt::Display for Direction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Minimize => "minimize",
            Self::Maximize => "maximize",
        })
    }
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
        // Adding 0.0 turns -0.0 into 0.0, so that equal scores are equal in every order too.
        Ok(Score(match self {
            Self::Minimize => -value + 0.0,
            Self::Maximize => value + 0.0,
        }))
    }

    /// The value of a score, in the objective's own unit: the inverse of [`Direction::score`].
    pub fn value(self, score: Score) -> f64 {
        match self {
            Self::Minimize => -score.0 + 0.0,
            Self::Maximize => score.0 + 0.0,
        }
    }
}

/// A finite number of which more is always better: the sign of the direction is applied once, when a
/// trial is told. It is never -0.0.
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
    /// The evaluation was given up; the score is that of its last intermediate value. Optimizers learn
    /// from it, but it is never the incumbent.
    Pruned(Score),
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
            Outcome::Complete(score) | Outcome::Pruned(score) => Some(score),
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
        if let Outcome::Complete(score) = trial.outcome
            && best.is_none_or(|best| score > best)
        {
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

    /// How many trials were told since the incumbent, `None` where there is none.
    pub fn since_incumbent(&self) -> Option<usize> {
        self.incumbent.map(|index| self.trials.len() - 1 - index)
    }

    /// The best trial so far, the first among equals; `None` where none is complete.
    pub fn incumbent(&self) -> Option<&Trial> {
        self.incumbent.map(|index| &self.trials[index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{Parameter, SearchSpace};
    use std::cmp::Ordering;

    fn trial(id: u64, outcome: Outcome) -> Trial {
        let space = SearchSpace::new([Parameter::float("x", 0.0, 1.0)]).unwrap();
        Trial { id: TrialId(id), configuration: space.from_unit(&[0.5]), outcome }
    }

    fn complete(id: u64, direction: Direction, value: f64) -> Trial {
        trial(id, Outcome::Complete(direction.score(value).unwrap()))
    }

    #[test]
    fn zeros_of_either_sign_are_one_score_and_one_value() {
        for direction in [Direction::Minimize, Direction::Maximize] {
            let (minus, plus) = (direction.score(-0.0).unwrap(), direction.score(0.0).unwrap());
            assert_eq!(minus, plus);
            assert_eq!(minus.cmp(&plus), Ordering::Equal);
            assert_eq!(minus.partial_cmp(&plus), Some(Ordering::Equal));
            assert!(direction.value(plus).is_sign_positive());
            assert!(direction.value(minus).is_sign_positive());
        }
    }

    #[test]
    fn more_score_is_better_in_both_directions_and_values_come_back() {
        let (low, high) = (Direction::Minimize.score(1.0), Direction::Minimize.score(2.0));
        assert!(low.unwrap() > high.unwrap());
        let (low, high) = (Direction::Maximize.score(1.0), Direction::Maximize.score(2.0));
        assert!(low.unwrap() < high.unwrap());
        for direction in [Direction::Minimize, Direction::Maximize] {
            for value in [1.5, -1.5, f64::MIN, f64::MAX, f64::MIN_POSITIVE, 5e-324] {
                assert_eq!(direction.value(direction.score(value).unwrap()), value);
            }
        }
    }

    #[test]
    fn numbers_that_are_not_finite_have_no_score() {
        for (value, found) in
            [(f64::NAN, "NaN"), (f64::INFINITY, "inf"), (f64::NEG_INFINITY, "-inf")]
        {
            for direction in [Direction::Minimize, Direction::Maximize] {
                assert_eq!(
                    direction.score(value).unwrap_err().to_string(),
                    format!(
                        "evaluation failed: the objective must be a finite number, found {found}"
                    )
                );
            }
        }
    }

    #[test]
    fn the_incumbent_is_the_first_of_the_best_and_never_a_failure() {
        let mut history = History::default();
        assert!(history.is_empty() && history.incumbent().is_none());
        history.push(trial(0, Outcome::Failed("broken".into())));
        assert!(history.incumbent().is_none());
        for (id, value, best) in [(3, 2.0, 3), (1, 3.0, 3), (4, 1.0, 4), (2, 1.0, 4)] {
            history.push(complete(id, Direction::Minimize, value));
            assert_eq!(history.incumbent().unwrap().id, TrialId(best));
        }
        history.push(trial(5, Outcome::Failed("broken".into())));
        assert_eq!(history.incumbent().unwrap().id, TrialId(4));
        assert_eq!(history.len(), 6);
    }
}
