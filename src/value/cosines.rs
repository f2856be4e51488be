//! A function drawn from a Gaussian process with a Matern kernel, as a sum of cosines.

use rand::RngExt;
use rand_distr::{ChiSquared, Distribution, StandardNormal};

use crate::nn::kernel::{cosine_sum, product_transposed_right};
use crate::nn::product::Panel;
use crate::streams::Generator;

/// So many points are evaluated at a time, so that their cosines stay in the cache.
const ROWS: usize = 32;

/// `sum_i amplitude_i cos(frequency_i . a + phase_i)`
///
/// Source: Rahimi & Recht 2007, "Random features for large-scale kernel machines", algorithm 1.
pub(super) struct Cosines {
    features: usize,
    /// `cosines x features`
    frequencies: Vec<f32>,
    phases: Vec<f32>,
    amplitudes: Vec<f32>,
}

impl Cosines {
    /// The zero function of points of so many features.
    pub fn new(features: usize) -> Self {
        Self { features, frequencies: Vec::new(), phases: Vec::new(), amplitudes: Vec::new() }
    }

    /// Adds `count` cosines, together a draw from a Matern kernel with nu = 5/2 of this variance over some
    /// of the features, each given with what differences in it are multiplied with.
    ///
    /// The kernel's spectral density is a Student t distribution with 5 degrees of freedom (Rasmussen &
    /// Williams 2006, equation 4.15).
    pub fn add(&mut self, over: &[(usize, f64)], variance: f64, count: usize, rng: &mut Generator) {
        let chi = ChiSquared::new(5.0).expect("5 degrees of freedom are above 0");
        for _ in 0..count {
            let chi: f64 = chi.sample(rng);
            let stretch = (5.0 / chi).sqrt();
            let first = self.frequencies.len();
            self.frequencies.resize(first + self.features, 0.0);
            for &(feature, scale) in over {
                let z: f64 = StandardNormal.sample(rng);
                self.frequencies[first + feature] = (z * stretch * scale) as f32;
            }
            let z: f64 = StandardNormal.sample(rng);
            self.phases.push(rng.random_range(0.0..std::f32::consts::TAU));
            self.amplitudes.push((z * (2.0 * variance / count as f64).sqrt()) as f32);
        }
    }

    /// The values at points, one row of features each; `places` is a buffer.
    pub fn at(&self, points: &[f32], panel: &mut Panel, places: &mut Vec<f32>) -> Vec<f32> {
        let count = self.phases.len();
        let mut values = Vec::with_capacity(points.len() / self.features);
        for points in points.chunks(ROWS * self.features) {
            let rows = points.len() / self.features;
            places.resize(ROWS * count, 0.0);
            let places = &mut places[..rows * count];
            let shape = [rows, self.features, count];
            product_transposed_right(shape, points, &self.frequencies, places, panel);
            let row = |places| cosine_sum(places, &self.phases, &self.amplitudes);
            values.extend(places.chunks_exact(count).map(row));
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::Streams;

    #[test]
    fn values_are_sums_of_cosines_of_the_features_drawn_over() {
        let mut rng = Streams::new(1).at("test", 0);
        let mut cosines = Cosines::new(3);
        cosines.add(&[(0, 1.0), (2, 3.0)], 1.0, 40, &mut rng);
        cosines.add(&[(1, 0.5)], 2.0, 5, &mut rng);
        assert_eq!(cosines.phases.len(), 45);
        let points: Vec<f32> = (0..70 * 3).map(|_| rng.random_range(-1.0..1.0)).collect();
        let found = cosines.at(&points, &mut Panel::default(), &mut Vec::new());
        assert_eq!(found.len(), 70);
        for (point, found) in points.chunks_exact(3).zip(found) {
            let mut exact = 0.0;
            for i in 0..45 {
                let frequency = &cosines.frequencies[3 * i..][..3];
                let place: f32 = frequency.iter().zip(point).map(|(w, x)| w * x).sum();
                let place = f64::from(place) + f64::from(cosines.phases[i]);
                exact += f64::from(cosines.amplitudes[i]) * place.cos();
            }
            assert!((f64::from(found) - exact).abs() < 1e-4, "{found} instead of {exact}");
        }
        assert!(cosines.frequencies.chunks_exact(3).take(40).all(|w| w[1] == 0.0 && w[2] != 0.0));
    }
}
