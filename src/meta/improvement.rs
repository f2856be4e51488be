//! Expected improvement, in logarithms.

use statrs::function::erf::erfc;

/// `ln(phi(z) + z Phi(z))`, the logarithm of the expected improvement of a standard normal variable shifted by
/// `z` (Ament et al. 2023, "Unexpected improvements to expected improvement for Bayesian optimization", equation
/// 9). Far below 0, where both terms cancel, it is `ln(phi(z) / z^2 (1 - 3 / z^2))`, with a relative error
/// below `15 / z^4`.
pub(super) fn log_expected_improvement(z: f64) -> f64 {
    let log_phi = -0.5 * z * z - 0.5 * std::f64::consts::TAU.ln();
    if z > -8.0 {
        let below = 0.5 * erfc(-z / std::f64::consts::SQRT_2);
        return (log_phi.exp() + z * below).ln();
    }
    log_phi - 2.0 * z.abs().ln() + (-3.0 / (z * z)).ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_branches_agree_with_the_integral() {
        // scipy.integrate.quad(lambda x: (x + z) * norm.pdf(x), -z, inf)
        for (z, expected) in [(0.0, -0.918_938_533_2f64), (2.0, 0.697_381_136)] {
            assert!((log_expected_improvement(z) - expected).abs() < 1e-3, "{z}");
        }
        let (above, below) = (log_expected_improvement(-7.999), log_expected_improvement(-8.001));
        assert!((above - below - 0.002 * 8.25).abs() < 0.005, "{above} {below}");
        assert!(log_expected_improvement(-40.0).is_finite());
    }
}
