//! Learners made of decision trees: random forests and gradient-boosted trees.

pub mod bins;
pub mod boosting;
pub mod forest;
pub mod learners;
pub mod tree;

#[cfg(test)]
mod tests;

pub use learners::{GradientBoosting, RandomForest};

use crate::error::{Error, Result};

/// Labels must be classes, at least two of them.
fn check_labels(labels: &[u32], classes: usize) -> Result<()> {
    if let Some((row, label)) =
        labels.iter().enumerate().find(|&(_, &label)| label as usize >= classes)
    {
        return Err(Error::Training(format!(
            "labels must be below the number of classes, {classes}, found {label} in training row {row}"
        )));
    }
    if labels.iter().all(|label| label == &labels[0]) {
        return Err(Error::Training(format!(
            "trees need training rows of at least two classes, found {} rows of one",
            labels.len()
        )));
    }
    Ok(())
}

/// Moves the rows whose code is at most `bin` to the front, both sides in their order, and gives their
/// number.
fn partition(rows: &mut [u32], right: &mut Vec<u32>, codes: &[u8], bin: u8) -> usize {
    right.clear();
    let mut left = 0;
    for place in 0..rows.len() {
        let row = rows[place];
        if codes[row as usize] <= bin {
            rows[left] = row;
            left += 1;
        } else {
            right.push(row);
        }
    }
    rows[left..].copy_from_slice(right);
    left
}
