//! Whether paired differences lean to one side, and how much.

use super::{ranks, tied};
use crate::normal;

/// The two-sided p-value of the signed-rank test for paired differences (Wilcoxon 1945): whether they are
/// symmetric around 0. Zeros are left out. Up to 50 differences without equal sizes the distribution is exact, else
/// normal with the correction for ties and without one for continuity (Hollander, Wolfe & Chicken 2014, section
/// 3.1), as SciPy's `wilcoxon` by default. `None` where no difference is left.
///
/// ```
/// use hyperq::experiment::statistics::wilcoxon;
/// assert_eq!(wilcoxon(&[1.0, 2.0, 3.0, -4.0]), Some(0.875));
/// ```
pub fn wilcoxon(differences: &[f64]) -> Option<f64> {
    let SignedRanks { ranks, positive, total } = SignedRanks::of(differences)?;
    let count = ranks.len();
    let statistic = positive.min(total - positive);
    let ties = tied(ranks);
    if count <= 50 && count == differences.len() && ties == 0.0 {
        // The number of subsets of 1..=count by their sum, as shares of all.
        let mut shares = vec![0.0; total as usize + 1];
        shares[0] = 1.0;
        for rank in 1..=count {
            for sum in (0..shares.len()).rev() {
                let with = if sum >= rank { shares[sum - rank] } else { 0.0 };
                shares[sum] = 0.5 * (shares[sum] + with);
            }
        }
        let below: f64 = shares[..=statistic as usize].iter().sum();
        return Some((2.0 * below).min(1.0));
    }
    let n = count as f64;
    let variance = (n * (n + 1.0) * (2.0 * n + 1.0) - ties / 2.0) / 24.0;
    if variance <= 0.0 {
        return Some(1.0);
    }
    let z = (statistic - total / 2.0) / variance.sqrt();
    Some((2.0 * normal::cdf(z)).min(1.0))
}

/// The matched-pairs rank-biserial correlation, the effect size of the [signed-rank test](wilcoxon()): the share of the
/// sum of ranks that belongs to positive differences less the share of negative ones (King, Rosopa & Minium 2011;
/// Kerby 2014). From -1, where all are negative, to 1; 0 where the sides balance. Zeros are left out; `None` where
/// nothing else is there.
///
/// ```
/// use hyperq::experiment::statistics::rank_biserial;
/// assert_eq!(rank_biserial(&[1.0, 2.0, 3.0, -4.0]), Some(0.2));
/// ```
pub fn rank_biserial(differences: &[f64]) -> Option<f64> {
    let SignedRanks { positive, total, .. } = SignedRanks::of(differences)?;
    Some((positive - (total - positive)) / total)
}

/// The ranks of the sizes of all differences but zeros, and the sums of positive ones' and of all.
struct SignedRanks {
    ranks: Vec<f64>,
    positive: f64,
    total: f64,
}

impl SignedRanks {
    fn of(differences: &[f64]) -> Option<Self> {
        let kept: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
        if kept.is_empty() {
            return None;
        }
        let sizes: Vec<f64> = kept.iter().map(|d| d.abs()).collect();
        let ranks = ranks(&sizes);
        let positive =
            kept.iter().zip(&ranks).filter(|(d, _)| **d > 0.0).map(|(_, rank)| rank).sum();
        let total = (kept.len() * (kept.len() + 1)) as f64 / 2.0;
        Some(Self { ranks, positive, total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::statistics::tests::{close, tests_fixture};

    #[test]
    fn signed_rank_tests_agree_with_scipy() {
        #[derive(serde::Deserialize)]
        struct Case {
            differences: Vec<f64>,
            p: f64,
        }
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../../../tests/fixtures/wilcoxon.json")).unwrap();
        assert_eq!(cases.len(), 6);
        for Case { differences, p } in cases {
            close(wilcoxon(&differences).unwrap(), p, 1e-9);
        }
        assert_eq!(wilcoxon(&[0.0, 0.0]), None);
    }

    #[test]
    fn rank_biserial_correlations_agree_with_the_rank_sums_of_scipy() {
        for case in tests_fixture().rank_biserials {
            close(rank_biserial(&case.differences).unwrap(), case.correlation, 1e-12);
        }
        assert_eq!(rank_biserial(&[0.0]), None);
        assert_eq!(rank_biserial(&[-0.5, 0.0]), Some(-1.0));
    }
}
