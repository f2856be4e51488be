//! Meta-features on a common scale.

use crate::error::{Error, Result};
use crate::persist::{Array, Snapshot};

/// `(f - mean) / sd` for each meta-feature, fitted on the training tasks and stored with what was trained
/// on them. A meta-feature that does not vary there says nothing and becomes 0, as does one of a new task
/// that is not a finite number.
#[derive(Debug, Clone, PartialEq)]
pub struct Standardizer {
    mean: Vec<f64>,
    sd: Vec<f64>,
}

impl Standardizer {
    /// Fits mean and (population) standard deviation of each of `width` meta-features.
    ///
    /// # Panics
    ///
    /// If a task has another number of meta-features.
    pub fn fit(tasks: &[&[f64]], width: usize) -> Self {
        assert!(tasks.iter().all(|task| task.len() == width), "one number a meta-feature");
        let of = |column: usize| -> (f64, f64) {
            let finite: Vec<f64> =
                tasks.iter().map(|task| task[column]).filter(|x| x.is_finite()).collect();
            let count = finite.len().max(1) as f64;
            let mean = finite.iter().sum::<f64>() / count;
            let variance = finite.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
            (mean, variance.sqrt())
        };
        let (mean, sd) = (0..width).map(of).unzip();
        Self { mean, sd }
    }

    /// The number of meta-features.
    pub fn len(&self) -> usize {
        self.mean.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.mean.is_empty()
    }

    /// The standardized meta-features.
    ///
    /// # Panics
    ///
    /// If there are not [`Standardizer::len`] of them.
    pub fn apply(&self, meta_features: &[f64]) -> Vec<f64> {
        assert_eq!(meta_features.len(), self.len(), "one number a meta-feature");
        let scaled = meta_features.iter().zip(&self.mean).zip(&self.sd).map(|((x, mean), sd)| {
            // Rounding leaves a little spread in columns of equal numbers.
            let varies = *sd > 1e-9 * mean.abs().max(1e-9);
            if varies && x.is_finite() { (x - mean) / sd } else { 0.0 }
        });
        scaled.collect()
    }

    pub(super) fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        snapshot.put(at, "count", &self.len())?;
        snapshot.put_array(at, "mean", Array::F64(self.mean.clone()));
        snapshot.put_array(at, "sd", Array::F64(self.sd.clone()));
        Ok(())
    }

    pub(super) fn load(at: &str, snapshot: &Snapshot) -> Result<Self> {
        let count = snapshot.get(at, "count")?;
        let mean = snapshot.f64s(at, "mean", count)?.to_vec();
        let sd = snapshot.f64s(at, "sd", count)?.to_vec();
        if mean.iter().chain(&sd).any(|x| !x.is_finite()) {
            return Err(Error::snapshot(at, "must be finite numbers"));
        }
        Ok(Self { mean, sd })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_and_undefined_meta_features_say_nothing() {
        let tasks: [&[f64]; 2] = [&[1.0, 0.1, 5.0], &[3.0, 0.1, f64::NAN]];
        let standardizer = Standardizer::fit(&tasks, 3);
        assert_eq!(standardizer.apply(&[3.0, 0.7, 9.0]), [1.0, 0.0, 0.0]);
        assert_eq!(standardizer.apply(&[f64::INFINITY, 0.0, 0.0]), [0.0; 3]);
        let mut snapshot = Snapshot::default();
        standardizer.save("s", &mut snapshot).unwrap();
        assert_eq!(Standardizer::load("s", &snapshot).unwrap(), standardizer);
    }
}
