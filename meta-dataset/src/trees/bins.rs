//! Columns in at most 64 bins: what the growing of trees looks at instead of numbers.

use crate::data::Part;
use crate::error::{Error, Result};

/// The most bins of a column: the bins that occur in a node are then the bits of a `u64`.
pub const MOST_BINS: usize = 64;

/// The columns of a training part in bins.
///
/// A column with at most [`MOST_BINS`] distinct values has a bin for each of them. Otherwise its bins
/// hold about equally many rows: the cuts lie at the ranks `q n / 64`, and above the values that equal
/// the one below the rank. A threshold is the midpoint of the values on both sides of a cut, so a tree
/// judges rows by their numbers and needs no bins.
#[derive(Debug, Clone, PartialEq)]
pub struct Bins {
    rows: usize,
    /// Where the thresholds of each column start; one more entry than columns.
    starts: Vec<usize>,
    thresholds: Vec<f64>,
    /// The bin of each row, column by column.
    codes: Vec<u8>,
}

impl Bins {
    /// Puts the columns of `part` in bins.
    ///
    /// # Errors
    ///
    /// [`Error::Training`] where the part has no rows or no columns or a cell is not finite.
    pub fn new(part: &Part) -> Result<Self> {
        let rows = part.rows();
        if rows == 0 || part.columns == 0 {
            return Err(Error::Training(format!(
                "trees need a training part with rows and columns, found {rows} x {}",
                part.columns
            )));
        }
        let mut bins = Self {
            rows,
            starts: vec![0],
            thresholds: Vec::new(),
            codes: Vec::with_capacity(rows * part.columns),
        };
        let mut values = Vec::with_capacity(rows);
        let mut sorted = Vec::with_capacity(rows);
        for column in 0..part.columns {
            values.clear();
            values.extend((0..rows).map(|row| part.row(row)[column]));
            if let Some(row) = values.iter().position(|value| !value.is_finite()) {
                return Err(Error::Training(format!(
                    "trees need finite numbers, found {} in training row {row}, column {column}",
                    values[row]
                )));
            }
            sorted.clone_from(&values);
            sorted.sort_unstable_by(f64::total_cmp);
            let start = bins.thresholds.len();
            push_thresholds(&sorted, &mut bins.thresholds);
            bins.starts.push(bins.thresholds.len());
            let thresholds = &bins.thresholds[start..];
            bins.codes.extend(
                values.iter().map(|&value| thresholds.partition_point(|&cut| cut < value) as u8),
            );
        }
        Ok(bins)
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.starts.len() - 1
    }

    /// The thresholds of a column, rising; a value is in bin `b` if it is above just `b` of them.
    pub fn thresholds(&self, column: usize) -> &[f64] {
        &self.thresholds[self.starts[column]..self.starts[column + 1]]
    }

    /// The number of thresholds of the columns before `column`.
    pub(super) fn thresholds_before(&self, column: usize) -> usize {
        self.starts[column]
    }

    /// The bin of each row in a column.
    pub fn codes(&self, column: usize) -> &[u8] {
        &self.codes[column * self.rows..(column + 1) * self.rows]
    }
}

/// Appends the thresholds of a column whose values are `sorted`.
fn push_thresholds(sorted: &[f64], thresholds: &mut Vec<f64>) {
    let rows = sorted.len();
    // A cut is the place of the first value above it.
    let is_cut = |&place: &usize| sorted[place - 1] != sorted[place];
    let threshold = |place: usize| midpoint(sorted[place - 1], sorted[place]);
    let distinct = 1 + (1..rows).filter(is_cut).count();
    if distinct <= MOST_BINS {
        thresholds.extend((1..rows).filter(is_cut).map(threshold));
        return;
    }
    let mut last = 0;
    for quantile in 1..MOST_BINS {
        let rank = quantile * rows / MOST_BINS;
        if let Some(place) = (rank.max(last + 1)..rows).find(is_cut)
            && rank > last
        {
            thresholds.push(threshold(place));
            last = place;
        }
    }
}

/// A number `t` with `low <= t < high` in the middle, also where the two are neighbours.
fn midpoint(low: f64, high: f64) -> f64 {
    let middle = low / 2.0 + high / 2.0;
    if low <= middle && middle < high { middle } else { low }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(columns: usize, features: Vec<f64>) -> Part {
        Part { columns, labels: vec![0; features.len() / columns], features }
    }

    #[test]
    fn few_distinct_values_have_a_bin_each_and_thresholds_between_them() {
        let bins = Bins::new(&part(2, vec![3.0, 7.0, 1.0, 7.0, 2.0, 7.0, 1.0, 7.0])).unwrap();
        assert_eq!((bins.rows(), bins.columns()), (4, 2));
        assert_eq!(bins.thresholds(0), [1.5, 2.5]);
        assert_eq!(bins.codes(0), [2, 0, 1, 0]);
        assert!(bins.thresholds(1).is_empty());
        assert_eq!(bins.codes(1), [0, 0, 0, 0]);
    }

    #[test]
    fn many_distinct_values_are_cut_at_quantiles() {
        let bins = Bins::new(&part(1, (0..640).rev().map(f64::from).collect())).unwrap();
        assert_eq!(bins.thresholds(0).len(), 63);
        assert_eq!(bins.thresholds(0)[..2], [9.5, 19.5]);
        for (row, &code) in bins.codes(0).iter().enumerate() {
            assert_eq!(usize::from(code), (639 - row) / 10);
        }
    }

    #[test]
    fn half_the_rows_with_one_value_take_one_bin() {
        let values = (0..200).map(|row| if row < 100 { 0.0 } else { f64::from(row) });
        let bins = Bins::new(&part(1, values.collect())).unwrap();
        assert_eq!(bins.thresholds(0)[0], 50.0);
        assert!(bins.thresholds(0).windows(2).all(|pair| pair[0] < pair[1]));
        assert!((30..=33).contains(&bins.thresholds(0).len()));
        assert!(bins.codes(0)[..100].iter().all(|&code| code == 0));
    }

    #[test]
    fn neighbouring_numbers_are_told_apart() {
        let high = 1.0 + f64::EPSILON;
        let bins = Bins::new(&part(1, vec![1.0, high, -f64::MAX, f64::MAX])).unwrap();
        assert_eq!(bins.codes(0), [1, 2, 0, 3]);
    }

    #[test]
    fn what_cannot_be_put_in_bins_is_an_error() {
        let error = Bins::new(&part(2, vec![0.0, 1.0, 2.0, f64::NAN])).unwrap_err();
        assert!(error.to_string().contains("NaN in training row 1, column 1"), "{error}");
        assert!(Bins::new(&part(1, Vec::new())).is_err());
    }
}
