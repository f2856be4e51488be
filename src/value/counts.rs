//! Generalized counts: how often something *like* a configuration was tried.

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use crate::error::Result;
use crate::persist::{Array, Persist, Snapshot};
use crate::space::Grid;
use crate::streams::Streams;

/// The number of random features.
const FEATURES: usize = 64;

/// Counts over the configurations of a grid that generalize: `n(x) = 1 / (phi(x)' A^-1 phi(x))` with
/// `A = I + sum_t phi(x_t) phi(x_t)'`, the elliptical potential of LinUCB (Li et al. 2010, equation
/// 5), on random Fourier features `phi` of a Gaussian kernel of the given length scale (Rahimi & Recht
/// 2007), so that a trial counts for its neighbours too. A configuration far from all trials has
/// `n = 1 / |phi|^2`, about 1.
///
/// `A^-1` is updated by the formula of Sherman & Morrison (1950): O(features^2 + configurations x
/// features) a trial, and reading a count is free.
#[derive(Debug, Clone)]
pub struct LinearCounts {
    /// `configurations x FEATURES`.
    phi: Vec<f64>,
    inverse: Vec<f64>,
    /// `phi(x)' A^-1 phi(x)` of every configuration.
    uncertainty: Vec<f64>,
}

impl LinearCounts {
    /// Counts without trials. `length_scale` is in units of [`Grid::encoding`], whose numbers span
    /// `[-1, 1]`.
    pub fn new(grid: &Grid, length_scale: f64, streams: Streams) -> Self {
        let width = grid.space().features();
        let mut rng = streams.at("counts", 0);
        let frequencies: Vec<f64> = (0..FEATURES * width)
            .map(|_| {
                let z: f64 = StandardNormal.sample(&mut rng);
                z / length_scale
            })
            .collect();
        let phases: Vec<f64> =
            (0..FEATURES).map(|_| rng.random_range(0.0..std::f64::consts::TAU)).collect();
        let norm = (2.0 / FEATURES as f64).sqrt();
        let mut phi = Vec::with_capacity(grid.len() * FEATURES);
        for x in grid.encoding().chunks_exact(width) {
            for (w, b) in frequencies.chunks_exact(width).zip(&phases) {
                let angle: f64 = w.iter().zip(x).map(|(w, x)| w * f64::from(*x)).sum();
                phi.push(norm * (angle + b).cos());
            }
        }
        let mut inverse = vec![0.0; FEATURES * FEATURES];
        for i in 0..FEATURES {
            inverse[i * FEATURES + i] = 1.0;
        }
        let uncertainty =
            phi.chunks_exact(FEATURES).map(|row| row.iter().map(|v| v * v).sum()).collect();
        Self { phi, inverse, uncertainty }
    }

    /// Counts one more trial of a configuration.
    pub fn add(&mut self, configuration: usize) {
        let x = &self.phi[configuration * FEATURES..][..FEATURES];
        let direction: Vec<f64> =
            self.inverse.chunks_exact(FEATURES).map(|row| dot(row, x)).collect();
        let scale = 1.0 + dot(&direction, x);
        for (row, &u) in self.inverse.chunks_exact_mut(FEATURES).zip(&direction) {
            for (entry, &v) in row.iter_mut().zip(&direction) {
                *entry -= u * v / scale;
            }
        }
        for (row, uncertainty) in self.phi.chunks_exact(FEATURES).zip(&mut self.uncertainty) {
            // Rounding must not make a variance negative.
            *uncertainty = (*uncertainty - dot(row, &direction).powi(2) / scale).max(1e-9);
        }
    }

    /// The generalized count of a configuration, above 0.
    pub fn count(&self, configuration: usize) -> f32 {
        (1.0 / self.uncertainty[configuration]) as f32
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Persist for LinearCounts {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        snapshot.put_array(at, "inverse", Array::F64(self.inverse.clone()));
        snapshot.put_array(at, "uncertainty", Array::F64(self.uncertainty.clone()));
        Ok(())
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        self.inverse = snapshot.f64s(at, "inverse", self.inverse.len())?.to_vec();
        self.uncertainty = snapshot.f64s(at, "uncertainty", self.uncertainty.len())?.to_vec();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{GridSize, Parameter, SearchSpace};

    #[test]
    fn the_update_agrees_with_the_matrix_inverted_anew() {
        let space =
            SearchSpace::new([Parameter::float("x", 0.0, 1.0), Parameter::float("y", 0.0, 1.0)])
                .unwrap();
        let grid = Grid::new(&space, GridSize::Resolution(5)).unwrap();
        let mut counts = LinearCounts::new(&grid, 0.7, Streams::new(3));
        let tried = [0usize, 7, 7, 24];
        tried.iter().for_each(|&row| counts.add(row));
        // A A^-1 = I, with A built directly.
        let mut a = vec![0.0; FEATURES * FEATURES];
        for i in 0..FEATURES {
            a[i * FEATURES + i] = 1.0;
            for j in 0..FEATURES {
                a[i * FEATURES + j] += tried
                    .iter()
                    .map(|&r| counts.phi[r * FEATURES + i] * counts.phi[r * FEATURES + j])
                    .sum::<f64>();
            }
        }
        for i in 0..FEATURES {
            for j in 0..FEATURES {
                let product: f64 = (0..FEATURES)
                    .map(|k| a[i * FEATURES + k] * counts.inverse[k * FEATURES + j])
                    .sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-9);
            }
        }
        for row in 0..grid.len() {
            let x = &counts.phi[row * FEATURES..][..FEATURES];
            let direct: f64 = (0..FEATURES)
                .map(|i| x[i] * dot(&counts.inverse[i * FEATURES..][..FEATURES], x))
                .sum();
            assert!((f64::from(counts.count(row)) * direct - 1.0).abs() < 1e-5);
        }
        assert!(counts.count(7) > counts.count(0) && counts.count(0) > counts.count(20));
    }
}
