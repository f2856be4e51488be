//! Several tests at once.

/// The p-values of a family of tests, adjusted so that the chance of one false finding among them stays below the
/// level (Holm 1979): the `i`-th smallest of `m` times `m - i + 1`, at most 1, and at least the adjusted one before
/// it.
///
/// ```
/// use hyperq::experiment::statistics::holm;
/// assert_eq!(holm(&[0.25, 0.01, 0.02]), [0.25, 0.03, 0.04]);
/// ```
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut adjusted = vec![0.0; p.len()];
    let mut least: f64 = 0.0;
    for (place, index) in order.into_iter().enumerate() {
        least = least.max((p[index] * (p.len() - place) as f64).min(1.0));
        adjusted[index] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::statistics::tests::{close, tests_fixture};

    #[test]
    fn it_agrees_with_statsmodels() {
        for case in tests_fixture().holm {
            for (found, wanted) in holm(&case.p).into_iter().zip(case.adjusted) {
                close(found, wanted, 1e-12);
            }
        }
        assert!(holm(&[]).is_empty());
    }
}
