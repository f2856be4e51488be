//! How well a configuration did on a data set: one row of the tables for each of its stages.

use std::time::Instant;

use hyperq::space::Configuration;

use crate::data::Fold;
use crate::error::{Error, Result};
use crate::learner::{Learner, Stage};

/// Log loss takes no probability for less than this: one certain mistake must not outweigh all else.
pub const LEAST_PROBABILITY: f64 = 1e-7;

/// The decimals of accuracy and log loss.
const DECIMALS: i32 = 5;

/// A row of a table of results without the data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The place of the configuration among the learner's.
    pub configuration: usize,
    /// The share of the iterations.
    pub fraction: f64,
    /// Accuracy and log loss; none where a training failed or diverged.
    pub scores: Option<Scores>,
    /// Training and prediction in all folds up to here, to three digits.
    pub seconds: f64,
}

/// What was measured over all held-out rows, rounded to five decimals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// The share of the rows whose class was predicted.
    pub accuracy: f64,
    /// The mean of `-ln max(p, 1e-7)`, `p` the probability of the row's class.
    pub log_loss: f64,
}

/// Trains configurations in all folds; `first` is the place of the first of them.
///
/// # Errors
///
/// Those of [`Learner::train`] other than [`Error::Training`], which makes a row without scores.
pub fn rows(
    learner: &dyn Learner,
    first: usize,
    configurations: &[Configuration],
    folds: &[Fold],
) -> Result<Vec<Row>> {
    let mut trained: Vec<Trained> = configurations.iter().map(|_| Trained::default()).collect();
    for fold in folds {
        let begin = Instant::now();
        let found = learner.train_all(configurations, fold);
        let each = begin.elapsed().as_secs_f64() / configurations.len() as f64;
        for (trained, found) in trained.iter_mut().zip(found) {
            match found {
                Ok(stages) => trained.stages.push(stages),
                // What failed did not take its own time; it is given the mean of its neighbours'.
                Err(Error::Training(_)) => trained.lost += each,
                Err(error) => return Err(error),
            }
        }
    }
    let rows = trained.iter().enumerate().flat_map(|(place, trained)| {
        learner
            .fractions()
            .iter()
            .enumerate()
            .map(move |(stage, &fraction)| trained.row(first + place, stage, fraction, folds))
    });
    Ok(rows.collect())
}

/// What the folds of one configuration gave.
#[derive(Default)]
struct Trained {
    /// Of the folds that did not fail.
    stages: Vec<Vec<Stage>>,
    /// The seconds of the folds that failed.
    lost: f64,
}

impl Trained {
    fn row(&self, configuration: usize, stage: usize, fraction: f64, folds: &[Fold]) -> Row {
        let stages: Vec<&Stage> = self.stages.iter().filter_map(|fold| fold.get(stage)).collect();
        let seconds = stages.iter().map(|stage| stage.seconds).sum::<f64>() + self.lost;
        let scores = if stages.len() == folds.len() { scores(&stages, folds) } else { None };
        Row { configuration, fraction, scores, seconds: three_digits(seconds) }
    }
}

/// None where a probability is not finite: the model diverged.
fn scores(stages: &[&Stage], folds: &[Fold]) -> Option<Scores> {
    let (mut right, mut loss, mut rows) = (0usize, 0.0, 0usize);
    for (stage, fold) in stages.iter().zip(folds) {
        if !stage.probabilities.iter().all(|probability| probability.is_finite()) {
            return None;
        }
        let predicted = stage.labels.iter().zip(&fold.test.labels);
        right += predicted.filter(|(found, label)| found == label).count();
        for (row, &label) in stage.probabilities.chunks(fold.classes).zip(&fold.test.labels) {
            loss -= row[label as usize].max(LEAST_PROBABILITY).ln();
        }
        rows += fold.test.rows();
    }
    let rows = rows as f64;
    Some(Scores { accuracy: rounded(right as f64 / rows), log_loss: rounded(loss / rows) })
}

fn rounded(value: f64) -> f64 {
    let scale = 10f64.powi(DECIMALS);
    (value * scale).round() / scale
}

/// The nearest number of three significant decimal digits.
fn three_digits(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}

impl Row {
    /// `configuration,fraction,accuracy,log_loss,seconds`.
    pub fn line(&self) -> String {
        let Self { configuration, fraction, scores, seconds } = self;
        match scores {
            Some(Scores { accuracy, log_loss }) => {
                format!("{configuration},{fraction},{accuracy},{log_loss},{seconds}")
            }
            None => format!("{configuration},{fraction},,,{seconds}"),
        }
    }

    /// Reads what [`Row::line`] writes.
    pub fn parse(line: &str) -> Option<Self> {
        let mut cells = line.split(',');
        let mut cell = || cells.next();
        let configuration = cell()?.parse().ok()?;
        let fraction = number(cell()?)?;
        let scores = match (cell()?, cell()?) {
            ("", "") => None,
            (accuracy, log_loss) => {
                Some(Scores { accuracy: number(accuracy)?, log_loss: number(log_loss)? })
            }
        };
        let row = Self { configuration, fraction, scores, seconds: number(cell()?)? };
        cell().is_none().then_some(row)
    }
}

fn number(cell: &str) -> Option<f64> {
    cell.parse().ok().filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Part;

    fn fold() -> Fold {
        let part = |labels: Vec<u32>| Part { columns: 0, features: Vec::new(), labels };
        Fold { train: part(vec![]), test: part(vec![0, 1]), test_rows: vec![], classes: 2, seed: 0 }
    }

    fn stage(probabilities: [f64; 4]) -> Stage {
        Stage {
            fraction: 1.0,
            labels: vec![0, 0],
            probabilities: probabilities.into(),
            seconds: 1.0,
        }
    }

    #[test]
    fn scores_follow_their_formulas_over_all_folds() {
        let (first, second) = (stage([0.5, 0.5, 0.75, 0.25]), stage([1.0, 0.0, 1.0, 0.0]));
        let found = scores(&[&first, &second], &[fold(), fold()]).unwrap();
        assert_eq!(found.accuracy, 0.5);
        // The certain mistake counts as a probability of 1e-7.
        let wanted = (2f64.ln() + 4f64.ln() + 1e7f64.ln()) / 4.0;
        assert!((found.log_loss - wanted).abs() < 5e-6, "{found:?}");
        let diverged = stage([f64::NAN, 0.5, 0.5, 0.5]);
        assert_eq!(scores(&[&first, &diverged], &[fold(), fold()]), None);
    }

    #[test]
    fn lines_are_read_as_they_were_written() {
        let scores = Some(Scores { accuracy: 0.96667, log_loss: 0.12 });
        for scores in [scores, None] {
            let row = Row { configuration: 7, fraction: 0.0625, scores, seconds: 0.0123 };
            assert_eq!(Row::parse(&row.line()), Some(row));
        }
        for broken in ["", "7,1,0.5,0.5", "7,1,0.5,0.5,1,1", "7,1,,0.5,1", "x,1,,,1", "7,1,NaN,1,1"]
        {
            assert_eq!(Row::parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn seconds_have_three_digits() {
        let found = [0.012_345_6, 1.0, 123.45, 0.0].map(three_digits);
        assert_eq!(found, [0.0123, 1.0, 123.0, 0.0]);
    }
}
