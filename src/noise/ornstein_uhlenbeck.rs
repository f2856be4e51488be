//! Noise with memory (Uhlenbeck & Ornstein 1930; Lillicrap et al. 2016).

use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::ActionNoise;
use crate::error::{Error, Result};
use crate::explore::Schedule;
use crate::persist::{Array, Persist, Snapshot};
use crate::streams::Generator;

/// The settings of an Ornstein-Uhlenbeck process around 0, a step of time being 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct OrnsteinUhlenbeck {
    /// How fast the process returns to 0, in `(0, 1]`; 1 is independent noise.
    pub theta: f32,
    /// The standard deviation sigma of one step's push, at least 0, where actions span `[-1, 1]`.
    pub sigma: Schedule,
}

impl Default for OrnsteinUhlenbeck {
    /// Those of Lillicrap et al. 2016, section 7.
    fn default() -> Self {
        Self { theta: 0.15, sigma: Schedule::Constant(0.2) }
    }
}

impl OrnsteinUhlenbeck {
    pub(super) fn check(&self) -> Result<()> {
        let owner = "noise `ornstein-uhlenbeck`";
        if !(self.theta > 0.0 && self.theta <= 1.0) {
            return Err(Error::setting(owner, "theta", "in (0, 1]", self.theta));
        }
        self.sigma.check(owner, "sigma", 0.0, f64::MAX)
    }

    /// The process for so many actions, at 0.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting is outside its range.
    pub fn build(&self, actions: usize) -> Result<OrnsteinUhlenbeckNoise> {
        self.check()?;
        Ok(OrnsteinUhlenbeckNoise { settings: self.clone(), state: vec![0.0; actions] })
    }
}

/// `a + x` with `x <- x - theta x + sigma N(0, 1)`, each action by itself.
///
/// Started from 0 in every episode. Its variance tends to `sigma^2 / (theta (2 - theta))`, which for
/// small theta is the continuous process's `sigma^2 / (2 theta)`; steps that lie `k` apart correlate by
/// `(1 - theta)^k`.
///
/// ```
/// use hyperq::noise::{ActionNoise, OrnsteinUhlenbeck};
/// use hyperq::streams::Streams;
///
/// let mut noise = OrnsteinUhlenbeck::default().build(1)?;
/// let mut rng = Streams::new(1).at("noise", 0);
/// let mut steps = [[0.0]; 3];
/// steps.iter_mut().for_each(|action| noise.add(0, &mut rng, action));
/// # assert!(steps[0] != steps[1]);
/// # Ok::<(), hyperq::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct OrnsteinUhlenbeckNoise {
    settings: OrnsteinUhlenbeck,
    state: Vec<f32>,
}

impl ActionNoise for OrnsteinUhlenbeckNoise {
    fn begin_episode(&mut self) {
        self.state.fill(0.0);
    }

    fn add(&mut self, trial: u64, rng: &mut Generator, action: &mut [f32]) {
        assert_eq!(action.len(), self.state.len(), "the noise must have the action's length");
        let sigma = self.settings.sigma.at(trial) as f32;
        for (a, x) in action.iter_mut().zip(&mut self.state) {
            let normal: f32 = StandardNormal.sample(rng);
            *x += sigma * normal - self.settings.theta * *x;
            *a += *x;
        }
    }
}

impl Persist for OrnsteinUhlenbeckNoise {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        snapshot.put_array(at, "state", Array::F32(self.state.clone()));
        Ok(())
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        let state = snapshot.f32s(at, "state", self.state.len())?;
        if let Some(x) = state.iter().find(|x| !x.is_finite()) {
            return Err(Error::snapshot(
                format!("{at}/state"),
                format!("must be finite, found {x}"),
            ));
        }
        self.state.copy_from_slice(state);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::Streams;

    #[test]
    fn variance_and_correlation_are_those_of_the_process() {
        let mut noise = OrnsteinUhlenbeck::default().build(1).unwrap();
        let mut rng = Streams::new(5).at("test", 0);
        let path: Vec<f64> = (0..200_000)
            .map(|_| {
                let mut action = [0.0];
                noise.add(0, &mut rng, &mut action);
                f64::from(action[0])
            })
            .collect();
        let product = |apart: usize| {
            path.iter().zip(&path[apart..]).map(|(a, b)| a * b).sum::<f64>() / path.len() as f64
        };
        // 200000 steps are worth about 16000 independent ones, whose variance is known to 1.1 %.
        let expected = 0.2f64.powi(2) / (0.15 * (2.0 - 0.15));
        assert!((product(0) / expected - 1.0).abs() < 0.05, "{}", product(0));
        for apart in [1, 5] {
            let correlation = product(apart) / product(0);
            assert!((correlation - 0.85f64.powi(apart as i32)).abs() < 0.02, "{correlation}");
        }
    }

    #[test]
    fn an_episode_begins_at_zero() {
        let mut noise = OrnsteinUhlenbeck::default().build(2).unwrap();
        let draw = |noise: &mut OrnsteinUhlenbeckNoise| {
            let mut action = [0.0; 2];
            noise.add(0, &mut Streams::new(5).at("test", 0), &mut action);
            action
        };
        let first = draw(&mut noise);
        assert_ne!(draw(&mut noise), first, "the second step remembers the first");
        noise.begin_episode();
        assert_eq!(draw(&mut noise), first);
    }

    #[test]
    fn a_loaded_process_goes_on() {
        let mut noise = OrnsteinUhlenbeck::default().build(2).unwrap();
        noise.add(0, &mut Streams::new(5).at("test", 0), &mut [0.0; 2]);
        let mut snapshot = Snapshot::default();
        noise.save("noise", &mut snapshot).unwrap();
        let mut loaded = OrnsteinUhlenbeck::default().build(2).unwrap();
        loaded.load("noise", &snapshot).unwrap();
        assert_eq!(loaded, noise);
        assert!(OrnsteinUhlenbeck::default().build(3).unwrap().load("noise", &snapshot).is_err());
        snapshot.put_array("noise", "state", Array::F32(vec![0.0, f32::NAN]));
        assert_eq!(
            loaded.load("noise", &snapshot).unwrap_err().to_string(),
            "snapshot: `noise/state`: must be finite, found NaN"
        );
        assert_eq!(loaded, noise, "a refused snapshot changes nothing");
    }

    #[test]
    fn settings_outside_their_range_are_refused() {
        let refused = |theta, sigma| {
            OrnsteinUhlenbeck { theta, sigma: Schedule::Constant(sigma) }
                .build(1)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            refused(0.0, 0.2),
            "noise `ornstein-uhlenbeck`: `theta` must be in (0, 1], found 0"
        );
        assert!(refused(f32::NAN, 0.2).contains("theta"));
        assert!(refused(0.1, f64::INFINITY).contains("sigma"));
    }
}
