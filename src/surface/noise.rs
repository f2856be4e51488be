//! Noisy evaluations.

use std::sync::Arc;

use rand_distr::{Distribution, StandardNormal};

use super::{Spec, Surface};
use crate::error::{Error, Result};
use crate::space::Configuration;
use crate::streams::Generator;

/// A surface whose values carry Gaussian noise: `f(x) + deviation * N(0, 1)`.
///
/// The noise is drawn from the generator of the evaluation, so a configuration evaluated twice has
/// two values and a run repeated with its seed has the same ones. Optimum and range stay those of
/// the surface without noise: a lucky draw may lie beyond them.
///
/// ```
/// let noisy = &hyperq::surface::open("branin+noise=0.5")?[0];
/// assert_eq!(noisy.spec().name, "branin+noise=0.5");
/// # Ok::<(), hyperq::Error>(())
/// ```
pub struct Noise {
    inner: Arc<dyn Surface>,
    deviation: f64,
    spec: Spec,
}

impl Noise {
    /// Adds noise of a standard deviation, in the unit of the surface's value.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where the deviation is negative or not finite.
    pub fn new(inner: Arc<dyn Surface>, deviation: f64) -> Result<Self> {
        if !deviation.is_finite() || deviation < 0.0 {
            return Err(Error::setting(
                &inner.spec().name,
                "noise",
                "a finite standard deviation of at least 0",
                deviation,
            ));
        }
        let mut spec = inner.spec().clone();
        spec.name = format!("{}+noise={deviation}", spec.name);
        spec.description =
            format!("{}, with noise of standard deviation {deviation}", spec.description);
        Ok(Self { inner, deviation, spec })
    }
}

impl std::fmt::Debug for Noise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Noise").field("spec", &self.spec).finish_non_exhaustive()
    }
}

impl Surface for Noise {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn evaluate(&self, configuration: &Configuration, rng: &mut Generator) -> Result<f64> {
        let value = self.inner.evaluate(configuration, rng)?;
        let draw: f64 = StandardNormal.sample(rng);
        Ok(value + self.deviation * draw)
    }
}

#[cfg(test)]
mod tests {
    use crate::streams::Streams;
    use crate::surface::open;

    #[test]
    fn noise_has_the_given_mean_and_deviation_and_follows_the_generator() {
        let noisy = open("branin+noise=0.5").unwrap().remove(0);
        let plain = open("branin").unwrap().remove(0);
        let at = plain.spec().space.from_unit(&[0.3, 0.6]);
        let truth = plain.evaluate(&at, &mut Streams::new(0).at("noise", 0)).unwrap();
        let value = |trial| noisy.evaluate(&at, &mut Streams::new(0).at("noise", trial)).unwrap();
        assert_eq!(value(3), value(3));
        assert_ne!(value(3), value(4));
        let errors: Vec<f64> = (0..4000).map(|trial| value(trial) - truth).collect();
        let mean = errors.iter().sum::<f64>() / 4000.0;
        let deviation = (errors.iter().map(|e| e * e).sum::<f64>() / 4000.0).sqrt();
        // Five standard errors: 0.5 / sqrt(4000) = 0.008 and 0.5 / sqrt(8000) = 0.0056.
        assert!(mean.abs() < 0.04, "{mean}");
        assert!((deviation - 0.5).abs() < 0.028, "{deviation}");
        assert_eq!(noisy.spec().optimum, plain.spec().optimum);
        assert_eq!(noisy.spec().range, plain.spec().range);
    }

    #[test]
    fn a_deviation_that_is_none_is_refused() {
        for text in ["-1", "NaN", "inf"] {
            let error = open(&format!("branin+noise={text}")).err().unwrap().to_string();
            assert!(
                error.contains("branin: `noise` must be a finite standard deviation"),
                "{error}"
            );
        }
    }
}
