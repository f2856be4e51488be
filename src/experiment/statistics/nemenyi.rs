//! Which strategies differ, over surfaces: what follows a Friedman test.

use std::f64::consts::SQRT_2;

use super::studentized_range;

/// The p-values of Nemenyi's test (1963) for each pair of strategies, by their average ranks over so many
/// surfaces: the difference of two ranks over `sqrt(k (k + 1) / (6 n))` for `k` strategies on `n` surfaces, times
/// `sqrt(2)`, against the studentized range of `k` normal variables (Demsar 2006, section 3.2.2). 1 on the
/// diagonal. The test guards against one false difference among all pairs, so it is conservative where there are
/// many strategies.
pub fn nemenyi(average_ranks: &[f64], surfaces: usize) -> Vec<Vec<f64>> {
    let strategies = average_ranks.len();
    let unit = standard_error(strategies, surfaces);
    let mut table = vec![vec![1.0; strategies]; strategies];
    for first in 0..strategies {
        for second in first + 1..strategies {
            let difference = (average_ranks[first] - average_ranks[second]).abs();
            let p = studentized_range::survival(difference / unit * SQRT_2, strategies);
            table[first][second] = p;
            table[second][first] = p;
        }
    }
    table
}

/// The difference from which on two average ranks over so many surfaces differ at the level `alpha`, by Nemenyi's
/// test: `q / sqrt(2) * sqrt(k (k + 1) / (6 n))` with the upper quantile `q` of the studentized range.
///
/// `None` with fewer than two strategies, without surfaces, or where `alpha` is not between 0 and 1.
///
/// ```
/// use hyperq::experiment::statistics::critical_difference;
/// // Demsar (2006), section 3.2.3: four classifiers on 14 data sets.
/// let difference = critical_difference(4, 14, 0.05).unwrap();
/// assert!((difference - 1.25).abs() < 0.005);
/// ```
pub fn critical_difference(strategies: usize, surfaces: usize, alpha: f64) -> Option<f64> {
    if strategies < 2 || surfaces == 0 || !(alpha > 0.0 && alpha < 1.0) {
        return None;
    }
    let quantile = studentized_range::upper_quantile(alpha, strategies);
    Some(quantile / SQRT_2 * standard_error(strategies, surfaces))
}

fn standard_error(strategies: usize, surfaces: usize) -> f64 {
    let (k, n) = (strategies as f64, surfaces as f64);
    (k * (k + 1.0) / (6.0 * n)).sqrt()
}

/// The largest groups of at least two strategies whose average ranks differ by less than the critical difference,
/// the bars of a critical-difference diagram (Demsar 2006, figure 1). Each group is a list of places in
/// `average_ranks`, best first; groups overlap, and none is part of another.
///
/// ```
/// use hyperq::experiment::statistics::groups;
/// assert_eq!(groups(&[3.0, 1.0, 2.2, 5.0], 1.5), [vec![1, 2], vec![2, 0]]);
/// ```
pub fn groups(average_ranks: &[f64], critical_difference: f64) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..average_ranks.len()).collect();
    order.sort_by(|a, b| average_ranks[*a].total_cmp(&average_ranks[*b]));
    let mut groups = Vec::new();
    let mut covered = 0;
    for start in 0..order.len() {
        let reach = average_ranks[order[start]] + critical_difference;
        let end = start + order[start..].partition_point(|place| average_ranks[*place] < reach);
        if end > start + 1 && end > covered {
            groups.push(order[start..end].to_vec());
            covered = end;
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::statistics::tests::{close, tests_fixture};

    #[test]
    fn p_values_agree_with_scikit_posthocs() {
        let cases = tests_fixture().friedman;
        for case in cases {
            let found = nemenyi(&case.average_ranks, case.table.len());
            for (found, wanted) in found.iter().flatten().zip(case.nemenyi.iter().flatten()) {
                close(*found, *wanted, 1e-6);
            }
        }
    }

    #[test]
    fn critical_differences_agree_with_scipy() {
        for case in tests_fixture().critical_differences {
            let found = critical_difference(case.strategies, case.surfaces, case.alpha).unwrap();
            close(found, case.difference, 1e-6);
        }
        assert_eq!(critical_difference(1, 10, 0.05), None);
        assert_eq!(critical_difference(3, 0, 0.05), None);
        assert_eq!(critical_difference(3, 10, 1.0), None);
    }

    #[test]
    fn groups_are_the_largest_ones() {
        let none: [Vec<usize>; 0] = [];
        assert_eq!(groups(&[], 1.0), none);
        assert_eq!(groups(&[1.0, 2.0, 3.0], 1.0), none);
        assert_eq!(groups(&[1.0, 2.0, 3.0], 1.01), [[0, 1], [1, 2]]);
        assert_eq!(groups(&[1.0, 1.5, 2.0, 4.0, 4.0], 1.5), [vec![0, 1, 2], vec![3, 4]]);
        assert_eq!(groups(&[2.0, 2.0], 0.5), [[0, 1]]);
    }
}
