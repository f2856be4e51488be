//! Whether strategies differ at all, over surfaces.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ChiSquared, ContinuousCDF, FisherSnedecor};

use super::{ranks, tied};

/// The test of Friedman (1937) and its refinement by Iman and Davenport (1980).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Friedman {
    /// The statistic, corrected for ties; chi-squared with one degree of freedom less than strategies.
    pub statistic: f64,
    /// Its p-value: how likely ranks that differ this much are where no strategy is better than another.
    pub p: f64,
    /// The p-value of Iman and Davenport's `F = (n - 1) X / (n (k - 1) - X)` with the statistic `X` of `k`
    /// strategies on `n` surfaces, by the F distribution with `k - 1` and `(k - 1) (n - 1)` degrees of freedom.
    /// Less conservative on few surfaces.
    pub iman_davenport_p: f64,
    /// The average rank of each strategy, 1 for the best.
    pub average_ranks: Vec<f64>,
}

/// Friedman's test of a table with a row for each surface and a column for each strategy, low values being
/// better. Equal values of a row share their ranks, and the statistic is corrected for them, as SciPy's
/// `friedmanchisquare` does (Hollander, Wolfe & Chicken 2014, section 7.1).
///
/// `None` with fewer than three strategies (two are [`wilcoxon`](super::wilcoxon()) tests) or two surfaces,
/// where rows differ in length, and where all values of every row are equal.
///
/// ```
/// use hyperq::experiment::statistics::friedman;
/// let table = [vec![0.1, 0.2, 0.3], vec![0.0, 0.5, 0.9], vec![0.2, 0.1, 0.3]];
/// assert_eq!(friedman(&table).unwrap().average_ranks[2], 3.0);
/// ```
pub fn friedman(table: &[Vec<f64>]) -> Option<Friedman> {
    let (surfaces, strategies) = (table.len(), table.first()?.len());
    if surfaces < 2 || strategies < 3 || table.iter().any(|row| row.len() != strategies) {
        return None;
    }
    let mut sums = vec![0.0; strategies];
    let mut ties = 0.0;
    for row in table {
        let ranks = ranks(row);
        sums.iter_mut().zip(&ranks).for_each(|(sum, rank)| *sum += rank);
        ties += tied(ranks);
    }
    let (n, k) = (surfaces as f64, strategies as f64);
    let correction = 1.0 - ties / (n * k * (k * k - 1.0));
    if correction <= 0.0 {
        return None;
    }
    let squares: f64 = sums.iter().map(|sum| sum * sum).sum();
    let statistic =
        ((12.0 / (n * k * (k + 1.0)) * squares - 3.0 * n * (k + 1.0)) / correction).max(0.0);
    let rest = n * (k - 1.0) - statistic;
    let f = (n - 1.0) * statistic / rest;
    Some(Friedman {
        statistic,
        p: ChiSquared::new(k - 1.0).ok()?.sf(statistic),
        // With the same order on every surface nothing is left, up to rounding.
        iman_davenport_p: if rest <= 1e-9 * n {
            0.0
        } else {
            FisherSnedecor::new(k - 1.0, (k - 1.0) * (n - 1.0)).ok()?.sf(f)
        },
        average_ranks: sums.into_iter().map(|sum| sum / n).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::statistics::tests::{close, tests_fixture};

    #[test]
    fn it_agrees_with_scipy() {
        let cases = tests_fixture().friedman;
        assert_eq!(cases.len(), 5);
        for case in cases {
            let found = friedman(&case.table).unwrap();
            close(found.statistic, case.statistic, 1e-9 * case.statistic.max(1.0));
            close(found.p, case.p, 1e-9);
            close(found.iman_davenport_p, case.iman_davenport_p, 1e-9);
            for (found, wanted) in found.average_ranks.iter().zip(&case.average_ranks) {
                close(*found, *wanted, 1e-12);
            }
        }
    }

    #[test]
    fn the_same_order_everywhere_is_certain_and_no_order_is_none() {
        let same = vec![vec![0.1, 0.2, 0.3]; 6];
        let found = friedman(&same).unwrap();
        assert_eq!((found.statistic, found.iman_davenport_p), (12.0, 0.0));
        assert_eq!(friedman(&vec![vec![0.5; 3]; 6]), None);
        assert_eq!(friedman(&vec![vec![0.1, 0.2]; 6]), None);
        assert_eq!(friedman(&same[..1]), None);
        assert_eq!(friedman(&[vec![0.1, 0.2, 0.3], vec![0.1, 0.2]]), None);
        assert_eq!(friedman(&[]), None);
    }
}
