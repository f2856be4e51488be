//! RMSProp in one pass over memory.

use serde::{Deserialize, Serialize};

use super::adam::clip_factor;
use super::kernel;
use crate::error::{Error, Result};
use crate::persist::{Array, Persist, Snapshot};

/// The settings of [`RmsProp`]. The defaults are those of PyTorch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct RmsPropSettings {
    /// The learning rate, above 0.
    pub learning_rate: f32,
    /// The decay of the averages, in [0, 1).
    pub alpha: f32,
    /// Added to the root of the mean square, above 0.
    pub epsilon: f32,
    /// What of the weights is added to the gradient, at least 0.
    pub weight_decay: f32,
    /// The decay of the velocity, in [0, 1); 0 for none.
    pub momentum: f32,
    /// Whether the variance of the gradient takes the place of its mean square.
    pub centered: bool,
    /// The norm that the whole gradient is scaled down to where it is longer, above 0.
    pub clip_norm: Option<f32>,
}

impl Default for RmsPropSettings {
    fn default() -> Self {
        Self {
            learning_rate: 1e-2,
            alpha: 0.99,
            epsilon: 1e-8,
            weight_decay: 0.0,
            momentum: 0.0,
            centered: false,
            clip_norm: None,
        }
    }
}

impl RmsPropSettings {
    /// Checks every setting against its range.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] with the first one outside its range.
    pub fn check(&self) -> Result<()> {
        let rule = |holds: bool, setting: &str, rule: &str, found: f32| {
            if holds { Ok(()) } else { Err(Error::setting("rmsprop", setting, rule, found)) }
        };
        let positive = |x: f32| x > 0.0 && x.is_finite();
        let decay = |x: f32| (0.0..1.0).contains(&x);
        rule(positive(self.learning_rate), "learning-rate", "above 0", self.learning_rate)?;
        rule(decay(self.alpha), "alpha", "in [0, 1)", self.alpha)?;
        rule(positive(self.epsilon), "epsilon", "above 0", self.epsilon)?;
        let decays = self.weight_decay >= 0.0 && self.weight_decay.is_finite();
        rule(decays, "weight-decay", "at least 0", self.weight_decay)?;
        rule(decay(self.momentum), "momentum", "in [0, 1)", self.momentum)?;
        if let Some(norm) = self.clip_norm {
            rule(positive(norm), "clip-norm", "above 0", norm)?;
        }
        Ok(())
    }
}

/// RMSProp, with momentum and centering as options.
///
/// With the gradient `g` of a step:
///
/// ```text
/// g <- g + decay p
/// v <- alpha v + (1 - alpha) g^2
/// u <- alpha u + (1 - alpha) g                            where centered, else u = 0
/// b <- momentum b + g / (sqrt(v - u^2) + epsilon)
/// p <- p - lr b
/// ```
///
/// as PyTorch's `RMSprop` places the epsilon. Sources: Tieleman & Hinton 2012, lecture 6.5; Graves 2013,
/// equations 38 to 42, for the centered one.
///
/// ```
/// use hyperq::nn::{RmsProp, RmsPropSettings};
/// let mut weights = [1.0];
/// let settings = RmsPropSettings { learning_rate: 0.1, alpha: 0.75, ..Default::default() };
/// let mut optimizer = RmsProp::new(settings, 1)?;
/// optimizer.step(&mut weights, &[4.0]);
/// assert!((weights[0] - 0.8).abs() < 1e-6); // 0.1 * 4 / sqrt(0.25 * 16)
/// # Ok::<(), hyperq::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RmsProp {
    settings: RmsPropSettings,
    square: Vec<f32>,
    /// Empty where it is not centered.
    mean: Vec<f32>,
    /// Empty without momentum.
    velocity: Vec<f32>,
}

impl RmsProp {
    /// An optimizer of `len` weights.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting is outside its range.
    pub fn new(settings: RmsPropSettings, len: usize) -> Result<Self> {
        settings.check()?;
        let where_used = |used: bool| vec![0.0; if used { len } else { 0 }];
        Ok(Self {
            settings,
            square: vec![0.0; len],
            mean: where_used(settings.centered),
            velocity: where_used(settings.momentum > 0.0),
        })
    }

    /// The settings.
    pub fn settings(&self) -> &RmsPropSettings {
        &self.settings
    }

    /// Moves the weights one step against the gradient.
    ///
    /// # Panics
    ///
    /// Where `params` or `gradient` have another length than the optimizer.
    pub fn step(&mut self, params: &mut [f32], gradient: &[f32]) {
        let RmsPropSettings { learning_rate, alpha, epsilon, weight_decay, momentum, .. } =
            self.settings;
        kernel::rms_prop(
            params,
            gradient,
            &mut self.square,
            self.settings.centered.then_some(&mut self.mean),
            (momentum > 0.0).then_some(&mut self.velocity),
            kernel::RmsPropStep {
                scale: self.settings.clip_norm.map_or(1.0, |limit| clip_factor(gradient, limit)),
                size: learning_rate,
                alpha,
                epsilon,
                weight_decay,
                momentum,
            },
        );
    }
}

impl Persist for RmsProp {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        for (key, moments) in
            [("square", &self.square), ("mean", &self.mean), ("velocity", &self.velocity)]
        {
            snapshot.put_array(at, key, Array::F32(moments.clone()));
        }
        Ok(())
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        for (key, moments) in [
            ("square", &mut self.square),
            ("mean", &mut self.mean),
            ("velocity", &mut self.velocity),
        ] {
            let len = moments.len();
            moments.copy_from_slice(snapshot.f32s(at, key, len)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::clip_by_norm;

    #[test]
    fn settings_outside_their_range_are_refused() {
        let refused = |settings| RmsProp::new(settings, 1).unwrap_err().to_string();
        let base = RmsPropSettings::default();
        assert_eq!(
            refused(RmsPropSettings { learning_rate: 0.0, ..base }),
            "rmsprop: `learning-rate` must be above 0, found 0"
        );
        assert!(refused(RmsPropSettings { alpha: 1.0, ..base }).contains("alpha"));
        assert!(refused(RmsPropSettings { epsilon: f32::NAN, ..base }).contains("epsilon"));
        assert!(refused(RmsPropSettings { weight_decay: -1.0, ..base }).contains("weight-decay"));
        assert!(refused(RmsPropSettings { momentum: 1.0, ..base }).contains("momentum"));
        assert!(refused(RmsPropSettings { clip_norm: Some(0.0), ..base }).contains("clip-norm"));
    }

    #[test]
    fn the_clip_option_equals_clipping_first() {
        let gradient: Vec<f32> = (0..21).map(|i| (i as f32 - 10.0) * 0.3).collect();
        let mut clipped = gradient.clone();
        clip_by_norm(&mut clipped, 0.5);
        let settings = RmsPropSettings { epsilon: 1.0, ..RmsPropSettings::default() };
        let (mut a, mut b) = (vec![1.0; 21], vec![1.0; 21]);
        let clipping = RmsPropSettings { clip_norm: Some(0.5), ..settings };
        RmsProp::new(clipping, 21).unwrap().step(&mut a, &gradient);
        RmsProp::new(settings, 21).unwrap().step(&mut b, &clipped);
        assert_eq!(a, b);
    }

    #[test]
    fn a_loaded_optimizer_goes_on_bit_for_bit() {
        let settings =
            RmsPropSettings { momentum: 0.9, centered: true, ..RmsPropSettings::default() };
        let mut optimizer = RmsProp::new(settings, 3).unwrap();
        let mut params = vec![0.5; 3];
        (0..3).for_each(|i| optimizer.step(&mut params, &[0.1, -0.2, i as f32]));
        let mut snapshot = Snapshot::default();
        optimizer.save("rmsprop", &mut snapshot).unwrap();
        let mut other = RmsProp::new(settings, 3).unwrap();
        other.load("rmsprop", &snapshot).unwrap();
        assert_eq!(optimizer, other);
        let plain = RmsPropSettings::default();
        assert!(RmsProp::new(plain, 3).unwrap().load("rmsprop", &snapshot).is_err());
        assert!(RmsProp::new(settings, 4).unwrap().load("rmsprop", &snapshot).is_err());
    }
}
