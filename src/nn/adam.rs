//! Adam and AdamW in one pass over memory.

use serde::{Deserialize, Serialize};

use super::kernel;
use crate::error::{Error, Result};
use crate::persist::{Array, Persist, Snapshot};

/// The settings of [`Adam`]. The defaults are those of Kingma & Ba 2015, section 2, algorithm 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamSettings {
    /// The learning rate, above 0.
    pub learning_rate: f32,
    /// The decay of the first moment, in [0, 1).
    pub beta1: f32,
    /// The decay of the second moment, in [0, 1).
    pub beta2: f32,
    /// Added to the root of the second moment, above 0.
    pub epsilon: f32,
    /// Decoupled weight decay (AdamW, Loshchilov & Hutter 2019, algorithm 2), at least 0; 0 is Adam.
    pub weight_decay: f32,
    /// The norm that the whole gradient is scaled down to where it is longer, above 0.
    pub clip_norm: Option<f32>,
}

impl Default for AdamSettings {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            clip_norm: None,
        }
    }
}

impl AdamSettings {
    /// Checks every setting against its range.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] with the first one outside its range.
    pub fn check(&self) -> Result<()> {
        let rule = |holds: bool, setting: &str, rule: &str, found: f32| {
            if holds { Ok(()) } else { Err(Error::setting("adam", setting, rule, found)) }
        };
        let positive = |x: f32| x > 0.0 && x.is_finite();
        let decay = |x: f32| (0.0..1.0).contains(&x);
        rule(positive(self.learning_rate), "learning_rate", "above 0", self.learning_rate)?;
        rule(decay(self.beta1), "beta1", "in [0, 1)", self.beta1)?;
        rule(decay(self.beta2), "beta2", "in [0, 1)", self.beta2)?;
        rule(positive(self.epsilon), "epsilon", "above 0", self.epsilon)?;
        let decays = self.weight_decay >= 0.0 && self.weight_decay.is_finite();
        rule(decays, "weight_decay", "at least 0", self.weight_decay)?;
        if let Some(norm) = self.clip_norm {
            rule(positive(norm), "clip_norm", "above 0", norm)?;
        }
        Ok(())
    }
}

/// Adam with bias correction, and AdamW where the weight decay is not 0.
///
/// With the gradient `g` of step `t`:
///
/// ```text
/// p <- p (1 - lr * decay)
/// m <- beta1 m + (1 - beta1) g
/// v <- beta2 v + (1 - beta2) g^2
/// p <- p - lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
/// ```
///
/// as PyTorch's `Adam` and `AdamW` place the epsilon. Sources: Kingma & Ba 2015, algorithm 1;
/// Loshchilov & Hutter 2019, algorithm 2.
///
/// ```
/// use hyperq::nn::{Adam, AdamSettings};
/// let mut weights = [1.0];
/// let mut adam = Adam::new(AdamSettings { learning_rate: 0.1, ..Default::default() }, 1)?;
/// adam.step(&mut weights, &[4.0]);
/// assert!((weights[0] - 0.9).abs() < 1e-6); // the first step has the length of the learning rate
/// # Ok::<(), hyperq::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Adam {
    settings: AdamSettings,
    m: Vec<f32>,
    v: Vec<f32>,
    step: u64,
}

impl Adam {
    /// An optimizer of `len` weights.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting is outside its range.
    pub fn new(settings: AdamSettings, len: usize) -> Result<Self> {
        settings.check()?;
        Ok(Self { settings, m: vec![0.0; len], v: vec![0.0; len], step: 0 })
    }

    /// The settings.
    pub fn settings(&self) -> &AdamSettings {
        &self.settings
    }

    /// Changes the learning rate, for schedules.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where it is not above 0.
    pub fn set_learning_rate(&mut self, learning_rate: f32) -> Result<()> {
        let settings = AdamSettings { learning_rate, ..self.settings };
        settings.check()?;
        self.settings = settings;
        Ok(())
    }

    /// How many steps were made.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Forgets the moments and starts at step 0 again.
    pub fn reset(&mut self) {
        self.m.fill(0.0);
        self.v.fill(0.0);
        self.step = 0;
    }

    /// Moves the weights one step against the gradient.
    ///
    /// # Panics
    ///
    /// Where `params` or `gradient` have another length than the optimizer.
    pub fn step(&mut self, params: &mut [f32], gradient: &[f32]) {
        self.step += 1;
        let AdamSettings { learning_rate, beta1, beta2, epsilon, weight_decay, clip_norm } =
            self.settings;
        // Corrections in f64, as PyTorch has them: 1 - beta2^t cancels badly in f32.
        let t = self.step as f64;
        let correction1 = 1.0 - f64::from(beta1).powf(t);
        let correction2 = 1.0 - f64::from(beta2).powf(t);
        kernel::adam(
            params,
            gradient,
            &mut self.m,
            &mut self.v,
            kernel::AdamStep {
                scale: clip_norm.map_or(1.0, |limit| clip_factor(gradient, limit)),
                beta1,
                beta2,
                size: (f64::from(learning_rate) / correction1) as f32,
                root_correction: (1.0 / correction2.sqrt()) as f32,
                epsilon,
                keep: (1.0 - f64::from(learning_rate) * f64::from(weight_decay)) as f32,
            },
        );
    }
}

/// Scales a gradient down to the Euclidean norm `limit` where it is longer, and returns the norm
/// that it had (Pascanu et al. 2013, algorithm 1; like PyTorch's `clip_grad_norm_`, 1e-6 is added to
/// the norm that it is divided by).
///
/// ```
/// let mut gradient = [3.0, 4.0];
/// assert_eq!(hyperq::nn::clip_by_norm(&mut gradient, 1.0), 5.0);
/// assert!((gradient[0] - 0.6).abs() < 1e-6);
/// ```
pub fn clip_by_norm(gradient: &mut [f32], limit: f32) -> f32 {
    let norm = kernel::square_sum(gradient).sqrt();
    let factor = limit / (norm + 1e-6);
    if factor < 1.0 {
        gradient.iter_mut().for_each(|g| *g *= factor);
    }
    norm
}

pub(super) fn clip_factor(gradient: &[f32], limit: f32) -> f32 {
    (limit / (kernel::square_sum(gradient).sqrt() + 1e-6)).min(1.0)
}

/// The most steps that a snapshot may tell of: the count must not overflow.
const MOST_STEPS: u64 = 1 << 53;

impl Persist for Adam {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        snapshot.put(at, "step", &self.step)?;
        snapshot.put(at, "learning_rate", &self.settings.learning_rate)?;
        snapshot.put_array(at, "m", Array::F32(self.m.clone()));
        snapshot.put_array(at, "v", Array::F32(self.v.clone()));
        Ok(())
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        let len = self.m.len();
        self.m.copy_from_slice(snapshot.f32s(at, "m", len)?);
        self.v.copy_from_slice(snapshot.f32s(at, "v", len)?);
        let step: u64 = snapshot.get(at, "step")?;
        if step > MOST_STEPS {
            let rule = format!("must be at most 2^53, found {step}");
            return Err(Error::snapshot(format!("{at}/step"), rule));
        }
        self.step = step;
        // What is refused here is a damaged snapshot and not a setting.
        self.set_learning_rate(snapshot.get(at, "learning_rate")?)
            .map_err(|error| Error::snapshot(at, error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_outside_their_range_are_refused() {
        let refused = |settings| Adam::new(settings, 1).unwrap_err().to_string();
        let base = AdamSettings::default();
        assert_eq!(
            refused(AdamSettings { learning_rate: 0.0, ..base }),
            "adam: `learning_rate` must be above 0, found 0"
        );
        assert!(refused(AdamSettings { beta1: 1.0, ..base }).contains("beta1"));
        assert!(refused(AdamSettings { beta2: f32::NAN, ..base }).contains("beta2"));
        assert!(refused(AdamSettings { epsilon: -1.0, ..base }).contains("epsilon"));
        assert!(refused(AdamSettings { weight_decay: -1.0, ..base }).contains("weight_decay"));
        assert!(refused(AdamSettings { clip_norm: Some(0.0), ..base }).contains("clip_norm"));
    }

    #[test]
    fn the_clip_option_equals_clipping_first() {
        let gradient: Vec<f32> = (0..21).map(|i| (i as f32 - 10.0) * 0.3).collect();
        let mut clipped = gradient.clone();
        clip_by_norm(&mut clipped, 0.5);
        let settings = AdamSettings { epsilon: 1.0, ..AdamSettings::default() };
        let mut a = vec![1.0; 21];
        let mut b = a.clone();
        Adam::new(AdamSettings { clip_norm: Some(0.5), ..settings }, 21)
            .unwrap()
            .step(&mut a, &gradient);
        Adam::new(settings, 21).unwrap().step(&mut b, &clipped);
        assert_eq!(a, b);
    }

    #[test]
    fn a_loaded_optimizer_goes_on_bit_for_bit() {
        let mut adam = Adam::new(AdamSettings::default(), 5).unwrap();
        let mut params = vec![0.5; 5];
        for i in 0..3 {
            adam.step(&mut params, &[0.1, -0.2, 0.3, i as f32, 1e-9]);
        }
        adam.set_learning_rate(0.0123).unwrap();
        let mut snapshot = Snapshot::default();
        adam.save("adam", &mut snapshot).unwrap();
        let mut other = Adam::new(AdamSettings::default(), 5).unwrap();
        other.load("adam", &snapshot).unwrap();
        assert_eq!(adam, other);
        assert!(Adam::new(AdamSettings::default(), 4).unwrap().load("adam", &snapshot).is_err());
    }
}
