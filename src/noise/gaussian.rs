//! Independent normal noise (Fujimoto et al. 2018).

use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::ActionNoise;
use crate::error::Result;
use crate::explore::Schedule;
use crate::persist::{Persist, Snapshot};
use crate::streams::Generator;

/// `a + N(0, sigma^2)`, each action by itself.
///
/// ```
/// use hyperq::explore::Schedule;
/// use hyperq::noise::{ActionNoise, Gaussian};
/// use hyperq::streams::Streams;
///
/// let mut noise = Gaussian { sigma: Schedule::Constant(0.5) };
/// let mut action = [0.0, 0.0];
/// noise.add(0, &mut Streams::new(1).at("noise", 0), &mut action);
/// assert!(action[0] != 0.0 && action[0] != action[1]);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Gaussian {
    /// The standard deviation sigma, at least 0, where actions span `[-1, 1]`.
    pub sigma: Schedule,
}

impl Default for Gaussian {
    /// 0.1, as Fujimoto et al. 2018, section 6.1.
    fn default() -> Self {
        Self { sigma: Schedule::Constant(0.1) }
    }
}

impl Gaussian {
    pub(super) fn check(&self) -> Result<()> {
        self.sigma.check("noise `gaussian`", "sigma", 0.0, f64::MAX)
    }
}

impl ActionNoise for Gaussian {
    fn begin_episode(&mut self) {}

    fn add(&mut self, trial: u64, rng: &mut Generator, action: &mut [f32]) {
        let sigma = self.sigma.at(trial) as f32;
        for a in action {
            let normal: f32 = StandardNormal.sample(rng);
            *a += sigma * normal;
        }
    }
}

impl Persist for Gaussian {
    fn save(&self, _at: &str, _snapshot: &mut Snapshot) -> Result<()> {
        Ok(())
    }

    fn load(&mut self, _at: &str, _snapshot: &Snapshot) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::Streams;

    #[test]
    fn has_the_scheduled_deviation() {
        let sigma = Schedule::Linear { from: 0.5, to: 0.25, trials: 10 };
        let mut noise = Gaussian { sigma };
        let mut rng = Streams::new(3).at("test", 0);
        for (trial, expected) in [(0, 0.5), (10, 0.25)] {
            let mut sum = 0.0f64;
            for _ in 0..10_000 {
                let mut action = [1.0, -1.0];
                noise.add(trial, &mut rng, &mut action);
                sum += f64::from((action[0] - 1.0).powi(2) + (action[1] + 1.0).powi(2));
            }
            // The standard error of a variance over 20000 draws is 1 % of it.
            let variance = sum / 20_000.0;
            assert!((variance / (expected * expected) - 1.0).abs() < 0.04, "{variance}");
        }
    }

    #[test]
    fn a_negative_deviation_is_refused() {
        let noise = Gaussian { sigma: Schedule::Constant(-0.1) };
        assert_eq!(
            noise.check().unwrap_err().to_string(),
            "noise `gaussian`: `sigma` must be a finite number of at least 0, found -0.1"
        );
    }
}
