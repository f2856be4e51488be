//! The standard normal distribution: masses and quantiles that stay exact in the tails.

use std::f64::consts::{LN_2, PI, SQRT_2};

use statrs::function::erf::{erf, erfc, erfc_inv};

/// `P(Z <= z)`.
pub(crate) fn cdf(z: f64) -> f64 {
    0.5 * erfc(-z / SQRT_2)
}

/// The `z` with `P(Z <= z) = p`.
pub(crate) fn quantile(p: f64) -> f64 {
    -SQRT_2 * erfc_inv(2.0 * p)
}

/// `ln` of the density at `z`.
pub(crate) fn ln_density(z: f64) -> f64 {
    -0.5 * z * z - 0.5 * (2.0 * PI).ln()
}

/// `ln P(a <= Z <= b)` for `a < b`.
pub(crate) fn ln_mass(a: f64, b: f64) -> f64 {
    // The tails are equal, and only the right one is far from 1.
    let (a, b) = if b <= 0.0 { (-b, -a) } else { (a, b) };
    let middle = 0.5 * (a + b);
    if (b - a) * middle.abs().max(1.0) < 1e-5 {
        // The density hardly changes, while a difference of masses would lose digits.
        ln_density(middle) + (b - a).ln()
    } else if a < 0.0 {
        (0.5 * (erf(b / SQRT_2) - erf(a / SQRT_2))).ln()
    } else {
        let tail = ln_tail(a);
        tail + (-(ln_tail(b) - tail).exp()).ln_1p()
    }
}

/// `ln P(Z >= z)` for `z >= 0`.
fn ln_tail(z: f64) -> f64 {
    if z < 25.0 {
        return erfc(z / SQRT_2).ln() - LN_2;
    }
    // Abramowitz & Stegun (1964), 26.2.12.
    let square = 1.0 / (z * z);
    let series = -square * (1.0 - square * (3.0 - square * (15.0 - square * 105.0)));
    ln_density(z) - z.ln() + series.ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-10 * b.abs().max(1.0)
    }

    #[test]
    fn masses_are_those_of_scipy() {
        // scipy.stats.norm.logsf of SciPy 1.17.
        for (a, b, expected) in [
            (0.0, f64::INFINITY, -LN_2),
            (3.0, f64::INFINITY, -6.607_726_221_510_35),
            (24.9, f64::INFINITY, -314.140_412_761_613_3),
            (25.1, f64::INFINITY, -319.148_387_405_888_57),
            (100.0, f64::INFINITY, -5_005.524_208_694_205),
        ] {
            assert!(close(ln_mass(a, b), expected), "{a} {b}: {}", ln_mass(a, b));
            assert!(close(ln_mass(-b, -a), expected), "{a} {b} mirrored");
        }
    }

    #[test]
    fn the_mass_of_an_interval_is_the_sum_over_its_parts() {
        for (a, b) in [(-3.0, 2.0), (-1e-3, 4.0), (0.5, 0.6), (20.0, 30.0), (-8.0, -7.0)] {
            for parts in [2, 7, 1000, 2_000_000] {
                let width = (b - a) / f64::from(parts);
                let edge = |k: i32| a + f64::from(k) * width;
                let whole = ln_mass(a, b);
                let sum: f64 =
                    (0..parts).map(|k| (ln_mass(edge(k), edge(k + 1)) - whole).exp()).sum();
                assert!((sum - 1.0).abs() < 1e-7, "[{a}, {b}] in {parts}: {sum}");
            }
        }
    }

    #[test]
    fn quantiles_invert_probabilities() {
        for z in [-7.0, -2.0, -1e-9, 0.0, 0.3, 4.0] {
            assert!((quantile(cdf(z)) - z).abs() < 1e-7, "{z}");
        }
        assert_eq!((quantile(0.0), quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
    }
}
