//! Expected improvement (Mockus 1975; Jones, Schonlau & Welch 1998), by its logarithm.

use serde::{Deserialize, Serialize};

use super::{Explore, Moment, argmax};
use crate::mdp::ActionSet;
use crate::normal;
use crate::streams::Generator;
use crate::value::Estimates;

/// `a = argmax E[max(0, Q(s, a) - best)]` with `Q(s, a) ~ N(mean, sd^2)` and the incumbent's value `best`:
///
/// ```text
/// ln EI = ln sd + ln h((mean - best) / sd)        h(z) = phi(z) + z Phi(z)
/// ```
///
/// Logarithms still tell candidates apart where the improvement itself is too small for a float.
///
/// The incumbent's value is what is expected of the best trial, not the reward that it had, which noise may
/// have lifted (Picheny, Wagner & Ginsbourger 2013, "A benchmark of kriging-based infill criteria for noisy
/// optimization", section 2.2).
///
/// Source: Ament et al. 2023, "Unexpected improvements to expected improvement for Bayesian optimization",
/// equations 8 and 9.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedImprovement {}

impl Explore for ExpectedImprovement {
    fn choose(
        &mut self,
        estimates: &Estimates,
        allowed: &ActionSet,
        _moment: Moment,
        rng: &mut Generator,
    ) -> usize {
        let best = estimates.incumbent.expect("checked when the policy was built");
        let key = |action: usize| {
            let gain = f64::from(estimates.mean[action]) - f64::from(best);
            let sd = f64::from(estimates.spread[action]);
            // Where nothing is uncertain the improvement is certain too.
            let log =
                if sd > 0.0 { log_expected_improvement(gain / sd) + sd.ln() } else { gain.ln() };
            log as f32
        };
        argmax(allowed, key, rng)
    }
}

/// `ln(phi(z) + z Phi(z))`, the logarithm of the expected improvement of a standard normal variable shifted by
/// `z`, to a relative error of 1e-9 (Ament et al. 2023, equation 9).
///
/// Below -1, where both terms cancel, it is `ln phi(z) + ln(1 - |z| Phi(z) / phi(z))`; below -25, where those cancel
/// too, `ln(phi(z) / z^2)` and the asymptotic series `1 - 3 / z^2 + 15 / z^4 - ...` of what is missing.
pub(crate) fn log_expected_improvement(z: f64) -> f64 {
    let log_density = normal::ln_density(z);
    let below = || normal::cdf(z);
    if z > -1.0 {
        return (log_density.exp() + z * below()).ln();
    }
    if z > -25.0 {
        let ratio = below() / log_density.exp();
        return log_density + (z * ratio).ln_1p();
    }
    let u = 1.0 / (z * z);
    let series = u * (-3.0 + u * (15.0 + u * (-105.0 + u * 945.0)));
    log_density + u.ln() + series.ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::Streams;

    #[test]
    fn the_logarithm_is_that_of_60_digits() {
        let cases: Vec<(f64, f64)> =
            serde_json::from_str(include_str!("../../tests/fixtures/expected_improvement.json"))
                .unwrap();
        assert!(cases.len() > 20);
        for (z, expected) in cases {
            let found = log_expected_improvement(z);
            let error = (found - expected).abs();
            assert!(error < 1e-9 * expected.abs().max(0.1), "{z}: {found} instead of {expected}");
        }
    }

    #[test]
    fn the_highest_expected_improvement_is_taken() {
        let streams = Streams::new(1);
        let moment = Moment { trial: 3, episode: 0, streams };
        let choose = |mean: &[f32], spread: &[f32], allowed: &ActionSet| {
            let estimates = Estimates {
                mean: mean.to_vec(),
                spread: spread.to_vec(),
                incumbent: Some(1.0),
                ..Estimates::default()
            };
            let mut rng = streams.at("choose", 0);
            ExpectedImprovement::default().choose(&estimates, allowed, moment, &mut rng)
        };
        // At the incumbent's value EI is sd phi(0); 0.3 below it with sd 1 it is 0.2668.
        let all = ActionSet::all(3);
        assert_eq!(choose(&[1.0, 0.7, 1.2], &[0.6, 1.0, 0.1], &all), 1);
        assert_eq!(choose(&[1.0, 0.7, 1.2], &[0.7, 1.0, 0.1], &all), 0);
        // Certain gains are gains; certain losses come last, and far from any hope the nearest is taken.
        assert_eq!(choose(&[1.0, 0.7, 1.5], &[0.0, 1.0, 0.0], &all), 2);
        assert_eq!(choose(&[0.0, -90.0, -80.0], &[0.0, 1.0, 1.0], &all), 2);
        let mut two = ActionSet::all(3);
        two.remove(2);
        assert_eq!(choose(&[1.0, 0.7, 9.0], &[0.6, 1.0, 1.0], &two), 1);
    }
}
