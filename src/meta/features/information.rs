//! Entropies of the classes and of the columns, in bits.
//!
//! Numeric columns become at most `floor(n^(1/3))` bins, with edges at the quantiles `k / bins` for
//! `k = 1 .. bins` (linear interpolation, type 7 of Hyndman & Fan 1996). A bin reaches from above one edge up to the
//! next, that included; an edge within 1e-8 of the one before is left out. These are pymfe's bins, rounding included:
//! where many rows have one value, the last bit of an edge decides where they belong.
//!
//! A missing cell is a value of its own: that something was not recorded is information.

use super::data::Cells;
use super::{DataSet, Found, average, parts};

/// Edges that are no farther apart are one.
const TOLERANCE: f64 = 1e-8;

/// Mutual information below it is rounding.
const NOTHING: f64 = 1e-12;

pub(super) fn describe(data: &DataSet, found: &mut Found) {
    let rows = data.rows();
    let classes = data.classes().len();
    let of_class = entropy(&data.counts(), rows);
    found.push("class_entropy", of_class);
    found.push("class_entropy_normalized", of_class / (classes as f64).log2());

    let mut of_column = Vec::new();
    let mut joint = Vec::new();
    let mut shared = Vec::new();
    for column in data.columns() {
        let (levels, count) = match column.cells() {
            Cells::Numeric(cells) => discretize(cells),
            Cells::Categorical { levels, cells } => {
                let missing = levels.len();
                (cells.iter().map(|cell| cell.unwrap_or(missing)).collect(), missing + 1)
            }
        };
        let mut alone = vec![0; count];
        let mut with_class = vec![0; count * classes];
        for (&level, &label) in levels.iter().zip(data.labels()) {
            alone[level] += 1;
            with_class[level * classes + label] += 1;
        }
        let (alone, with_class) = (entropy(&alone, rows), entropy(&with_class, rows));
        let information = alone + of_class - with_class;
        of_column.push(alone);
        joint.push(with_class);
        shared.push(if information > NOTHING { information } else { 0.0 });
    }
    found.summary(parts!("feature_entropy"), &of_column);
    found.summary(parts!("joint_entropy"), &joint);
    found.summary(parts!("mutual_information"), &shared);
    let signal = average(&shared).filter(|signal| *signal > 0.0);
    let noise = average(&of_column).zip(signal).map(|(entropy, signal)| entropy - signal);
    found.push("equivalent_features", signal.map(|signal| of_class / signal));
    found.push("noise_to_signal", noise.zip(signal).map(|(noise, signal)| noise / signal));
}

/// `-sum_i p_i log2 p_i` of counts that add up to `total`.
fn entropy(counts: &[usize], total: usize) -> f64 {
    let terms = counts.iter().filter(|count| **count > 0).map(|&count| {
        let share = count as f64 / total as f64;
        share * share.log2()
    });
    // Not -0 where one value has everything.
    terms.sum::<f64>().abs()
}

/// The bin of each cell, and how many there can be. Missing cells have the last one.
fn discretize(cells: &[f64]) -> (Vec<usize>, usize) {
    let mut sorted: Vec<f64> = cells.iter().copied().filter(|cell| !cell.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let bins = ((cells.len() as f64).powf(1.0 / 3.0) as usize).max(1);
    let edges = edges(&sorted, bins);
    // What lies above the last edge has a bin, too: the last edge can have been left out.
    let missing = edges.len() + 1;
    let bin = |cell: &f64| match cell.is_nan() {
        true => missing,
        false => edges.partition_point(|edge| edge < cell),
    };
    (cells.iter().map(bin).collect(), missing + 1)
}

/// The upper edges of bins of equal frequency, rounded as NumPy rounds them.
fn edges(sorted: &[f64], bins: usize) -> Vec<f64> {
    let Some(last) = sorted.len().checked_sub(1) else { return Vec::new() };
    let step = 1.0 / bins as f64;
    let quantile = |place: usize| {
        let share = if place == bins { 1.0 } else { place as f64 * step };
        let at = last as f64 * share;
        let below = (at as usize).min(last);
        let (a, b) = (sorted[below], sorted[(below + 1).min(last)]);
        let weight = at - below as f64;
        if weight >= 0.5 { b - (b - a) * (1.0 - weight) } else { a + (b - a) * weight }
    };
    let quantiles: Vec<f64> = (1..=bins).map(quantile).collect();
    let mut edges = vec![quantiles[0]];
    edges.extend(
        quantiles.windows(2).filter(|pair| pair[1] - pair[0] > TOLERANCE).map(|pair| pair[1]),
    );
    edges
}

#[cfg(test)]
mod tests {
    use super::super::Column;
    use super::*;

    #[test]
    fn entropy_is_that_computed_by_hand() {
        assert_eq!(entropy(&[1, 1, 2], 4), 1.5);
        assert_eq!(entropy(&[4, 0], 4), 0.0);
        assert!(entropy(&[4], 4).is_sign_positive());
    }

    #[test]
    fn bins_have_equal_frequencies_where_they_can() {
        // 27 rows, 3 bins; the quantiles are 26 / 3 and 52 / 3.
        let cells: Vec<f64> = (0..27).rev().map(f64::from).collect();
        let (levels, _) = discretize(&cells);
        let counts = |levels: &[usize], of: usize| levels.iter().filter(|l| **l == of).count();
        assert_eq!([0, 1, 2].map(|bin| counts(&levels, bin)), [9, 9, 9]);
        // 8 rows, 2 bins, the median 0: the zeros are together.
        let (levels, count) = discretize(&[0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, f64::NAN]);
        assert_eq!(levels, [0, 0, 0, 0, 0, 1, 1, count - 1]);
        // Closer than the tolerance: one edge, and what is above it.
        assert_eq!(edges(&[0.0, 0.0, 0.0, 1e-9], 2), [0.0]);
        assert_eq!(edges(&[], 2), [0.0; 0]);
        assert_eq!(discretize(&[f64::NAN; 3]).0, [1; 3]);
    }

    #[test]
    fn features_are_those_computed_by_hand() {
        let classes = ["p", "p", "q", "q"];
        let data = DataSet::new(
            vec![
                Column::categorical("copy", classes.map(Some)),
                Column::categorical("independent", [Some("x"), None, Some("x"), None]),
            ],
            &classes,
        )
        .unwrap();
        let found = super::super::MetaFeatures::of(&data);
        for (name, wanted) in [
            ("class_entropy", 1.0),
            ("class_entropy_normalized", 1.0),
            ("feature_entropy_mean", 1.0),
            ("joint_entropy_min", 1.0),
            ("joint_entropy_max", 2.0),
            ("mutual_information_min", 0.0),
            ("mutual_information_max", 1.0),
            ("equivalent_features", 2.0),
            ("noise_to_signal", 1.0),
        ] {
            assert_eq!(found.get(name), Some(wanted), "{name}");
        }
    }
}
