//! The range of normal variables: largest less smallest.

use std::f64::consts::PI;

use crate::normal;

/// The largest quantile that is looked for; beyond it every probability is below 1e-100.
const MOST: f64 = 40.0;

/// The probability that the range of so many independent standard normal variables is above `q`: the studentized
/// range distribution with infinitely many degrees of freedom,
///
/// ```text
/// 1 - k  integral  phi(z) (Phi(z) - Phi(z - q))^(k - 1)  dz
/// ```
///
/// with the largest of them at `z`. Since the integral without `Phi(z - q)` is `1 / k`, the difference of the two is
/// integrated, which keeps small probabilities exact. The trapezoidal rule converges exponentially here: the integrand
/// is smooth and vanishes at both ends.
pub(super) fn survival(q: f64, count: usize) -> f64 {
    if q <= 0.0 || count < 2 {
        return 1.0;
    }
    let others = (count - 1) as f64;
    let (step, end) = (1.0 / 32.0, 12.0);
    let points = (2.0 * end / step) as i32;
    let sum: f64 = (0..=points)
        .map(|point| {
            let z = f64::from(point) * step - end;
            let below = normal::cdf(z);
            let outside = normal::cdf(z - q) / below;
            let density = (-0.5 * z * z).exp() / (2.0 * PI).sqrt();
            -density * (others * below.ln()).exp() * (others * (-outside).ln_1p()).exp_m1()
        })
        .sum();
    (count as f64 * step * sum).clamp(0.0, 1.0)
}

/// The range that is exceeded with the probability `alpha`, which must be between 0 and 1, by bisection.
pub(super) fn upper_quantile(alpha: f64, count: usize) -> f64 {
    let (mut low, mut high) = (0.0, MOST);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if survival(middle, count) > alpha { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use statrs::function::erf::erfc;

    use super::*;
    use crate::experiment::statistics::tests::{close, tests_fixture};

    #[test]
    fn it_agrees_with_scipy() {
        let cases = tests_fixture().studentized_ranges;
        assert!(cases.len() > 20);
        for case in cases {
            close(survival(case.q, case.count), case.p, 1e-8);
            if case.p > 1e-6 && case.p < 0.999 {
                close(upper_quantile(case.p, case.count), case.q, 1e-6);
            }
        }
    }

    /// Of two variables the range is `|x - y|`, normal with variance 2.
    #[test]
    fn two_variables_have_the_range_of_their_difference_far_out_too() {
        for q in [0.1, 1.0, 3.0, 10.0] {
            let wanted = erfc(q / 2.0);
            close(survival(q, 2), wanted, 1e-10 * wanted);
        }
        assert_eq!(survival(0.0, 5), 1.0);
    }
}
