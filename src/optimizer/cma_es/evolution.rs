//! The distribution of one run of CMA-ES and its update by a generation.

use std::collections::VecDeque;

use rand::RngExt;
use rand_distr::StandardNormal;

use super::eigen::Eigen;
use crate::error::{Error, Result};
use crate::persist::{Array, Persist, Snapshot};
use crate::streams::Generator;

/// A point that was evaluated.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Solution {
    pub(super) point: Vec<f64>,
    /// More is better; negative infinity where the evaluation failed.
    pub(super) score: f64,
    /// Whether it was drawn from the distribution as it stands, and not from an earlier one.
    pub(super) current: bool,
}

/// `N(mean, sigma^2 C)` with its evolution paths. Equations are those of Hansen 2016, "The CMA evolution
/// strategy: a tutorial"; constants are its table 1, negative weights included.
#[derive(Debug, Clone)]
pub(super) struct Evolution {
    pub(super) mean: Vec<f64>,
    pub(super) sigma: f64,
    /// `C`, row after row.
    pub(super) covariance: Vec<f64>,
    path_sigma: Vec<f64>,
    path_covariance: Vec<f64>,
    generation: u64,
    /// The best and the worst score of the latest generations.
    extremes: VecDeque<(f64, f64)>,
    constants: Constants,
    initial_sigma: f64,
    /// `C = B D^2 B^T`: the columns of `B`, and `D`. Follow from the covariance and are not stored.
    directions: Vec<f64>,
    lengths: Vec<f64>,
}

/// What follows from the dimension and the population.
#[derive(Debug, Clone)]
struct Constants {
    dimension: usize,
    weights: Vec<f64>,
    mu: usize,
    mu_effective: f64,
    c_sigma: f64,
    d_sigma: f64,
    c_path: f64,
    c_one: f64,
    c_mu: f64,
    /// `E ||N(0, I)||`.
    expected_length: f64,
}

impl Constants {
    fn new(dimension: usize, population: usize) -> Self {
        let n = dimension as f64;
        let mu = population / 2;
        let raw: Vec<f64> = (1..=population)
            .map(|i| ((population as f64 + 1.0) / 2.0).ln() - (i as f64).ln())
            .collect();
        let effective = |weights: &[f64]| {
            weights.iter().sum::<f64>().powi(2) / weights.iter().map(|w| w * w).sum::<f64>()
        };
        let mu_effective = effective(&raw[..mu]);
        let mu_negative = effective(&raw[mu..]);
        let c_one = 2.0 / ((n + 1.3).powi(2) + mu_effective);
        let c_mu = (2.0 * (mu_effective - 2.0 + 1.0 / mu_effective)
            / ((n + 2.0).powi(2) + mu_effective))
            // Below the bound, so that large populations keep a positive definite C.
            .min(1.0 - c_one - 1e-8);
        // Equations 50 to 53. With c_mu = 0, as for a population of 2, only the second is finite.
        let most_negative = (1.0 + c_one / c_mu)
            .min(1.0 + 2.0 * mu_negative / (mu_effective + 2.0))
            .min((1.0 - c_one - c_mu) / (n * c_mu));
        let positive: f64 = raw.iter().filter(|w| **w > 0.0).sum();
        let negative: f64 = -raw.iter().filter(|w| **w < 0.0).sum::<f64>();
        let weights = raw
            .iter()
            .map(|&w| if w >= 0.0 { w / positive } else { most_negative * w / negative })
            .collect();
        let c_sigma = (mu_effective + 2.0) / (n + mu_effective + 5.0);
        Self {
            dimension,
            weights,
            mu,
            mu_effective,
            c_sigma,
            d_sigma: 1.0
                + 2.0 * (((mu_effective - 1.0) / (n + 1.0)).sqrt() - 1.0).max(0.0)
                + c_sigma,
            c_path: (4.0 + mu_effective / n) / (n + 4.0 + 2.0 * mu_effective / n),
            c_one,
            c_mu,
            expected_length: n.sqrt() * (1.0 - 1.0 / (4.0 * n) + 1.0 / (21.0 * n * n)),
        }
    }

    /// How many generations a run must have before a flat score ends it.
    fn flat_generations(&self) -> usize {
        10 + (30 * self.dimension).div_ceil(self.weights.len())
    }
}

impl Evolution {
    /// A run that begins at `mean` with `C = I`.
    pub(super) fn new(mean: Vec<f64>, sigma: f64, population: usize) -> Self {
        let n = mean.len();
        let identity: Vec<f64> = (0..n * n).map(|k| f64::from(u8::from(k / n == k % n))).collect();
        Self {
            mean,
            sigma,
            covariance: identity.clone(),
            path_sigma: vec![0.0; n],
            path_covariance: vec![0.0; n],
            generation: 0,
            extremes: VecDeque::new(),
            constants: Constants::new(n, population),
            initial_sigma: sigma,
            directions: identity,
            lengths: vec![1.0; n],
        }
    }

    /// How many solutions make a generation.
    pub(super) fn population(&self) -> usize {
        self.constants.weights.len()
    }

    /// How many generations there were.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// The standard deviation of a coordinate.
    pub(super) fn deviation(&self, coordinate: usize) -> f64 {
        let n = self.constants.dimension;
        self.sigma * self.covariance[coordinate * n + coordinate].sqrt()
    }

    /// Draws a point: `mean + sigma B D z` (equation 40).
    pub(super) fn sample(&self, rng: &mut Generator) -> Vec<f64> {
        let n = self.constants.dimension;
        let scaled: Vec<f64> = self
            .lengths
            .iter()
            .map(|length| length * rng.sample::<f64, _>(StandardNormal))
            .collect();
        (0..n)
            .map(|i| {
                let row = &self.directions[i * n..][..n];
                let step: f64 = row.iter().zip(&scaled).map(|(b, z)| b * z).sum();
                self.mean[i] + self.sigma * step
            })
            .collect()
    }

    /// `C^-1/2 y = B D^-1 B^T y`.
    fn whiten(&self, y: &[f64]) -> Vec<f64> {
        let n = self.constants.dimension;
        let mut whitened = vec![0.0; n];
        for k in 0..n {
            let along: f64 = (0..n).map(|i| self.directions[i * n + k] * y[i]).sum();
            for (i, into) in whitened.iter_mut().enumerate() {
                *into += self.directions[i * n + k] * along / self.lengths[k];
            }
        }
        whitened
    }

    /// Learns from a generation, which is as large as the population.
    pub(super) fn update(&mut self, mut solutions: Vec<Solution>) {
        let n = self.constants.dimension;
        solutions.sort_by(|a, b| b.score.total_cmp(&a.score));
        self.generation += 1;
        self.extremes.push_back((solutions[0].score, solutions[solutions.len() - 1].score));
        if self.extremes.len() > self.constants.flat_generations() {
            self.extremes.pop_front();
        }
        let steps: Vec<Vec<f64>> = solutions
            .iter()
            .map(|solution| {
                let step = |(x, mean): (&f64, &f64)| (x - mean) / self.sigma;
                let mut y: Vec<f64> = solution.point.iter().zip(&self.mean).map(step).collect();
                if !solution.current {
                    // A point of an earlier distribution may lie far out in this one (Hansen 2011,
                    // "Injecting external solutions into CMA-ES", equation 4).
                    let most = (n as f64).sqrt() + 2.0 * n as f64 / (n as f64 + 2.0);
                    let shrink = (most / norm(&self.whiten(&y))).min(1.0);
                    y.iter_mut().for_each(|y| *y *= shrink);
                }
                y
            })
            .collect();
        let Constants { mu, mu_effective, c_sigma, d_sigma, c_path, c_one, c_mu, .. } =
            self.constants;
        let weights = &self.constants.weights;
        // The mean (equations 41 and 42).
        let step: Vec<f64> =
            (0..n).map(|i| (0..mu).map(|k| weights[k] * steps[k][i]).sum()).collect();
        for (mean, step) in self.mean.iter_mut().zip(&step) {
            *mean += self.sigma * step;
        }
        // The step size (equations 43 and 44).
        let whitened = self.whiten(&step);
        let scale = (c_sigma * (2.0 - c_sigma) * mu_effective).sqrt();
        for (path, step) in self.path_sigma.iter_mut().zip(&whitened) {
            *path = (1.0 - c_sigma) * *path + scale * step;
        }
        let length = norm(&self.path_sigma);
        let sizes: Vec<f64> = steps.iter().map(|y| norm(&self.whiten(y)).powi(2)).collect();
        self.sigma *= (c_sigma / d_sigma * (length / self.constants.expected_length - 1.0)).exp();
        // The covariance (equations 45 to 47); `heaviside` stops the path while the step size grows.
        let settled = (1.0 - (1.0 - c_sigma).powf(2.0 * (self.generation as f64 + 1.0))).sqrt();
        let bound = (1.4 + 2.0 / (n as f64 + 1.0)) * self.constants.expected_length;
        let heaviside = f64::from(u8::from(length / settled < bound));
        let scale = heaviside * (c_path * (2.0 - c_path) * mu_effective).sqrt();
        for (path, step) in self.path_covariance.iter_mut().zip(&step) {
            *path = (1.0 - c_path) * *path + scale * step;
        }
        let lost = (1.0 - heaviside) * c_path * (2.0 - c_path);
        let kept = 1.0 + c_one * lost - c_one - c_mu * weights.iter().sum::<f64>();
        for i in 0..n {
            // The lower triangle, so that the matrix is symmetric in every bit.
            for j in 0..=i {
                let rank_mu: f64 = steps
                    .iter()
                    .zip(weights.iter().zip(&sizes))
                    .map(|(y, (&weight, size))| {
                        let weight = match weight >= 0.0 {
                            true => weight,
                            false => weight * n as f64 / (size + 1e-8),
                        };
                        weight * y[i] * y[j]
                    })
                    .sum();
                let path = self.path_covariance[i] * self.path_covariance[j];
                let entry = kept * self.covariance[i * n + j] + c_one * path + c_mu * rank_mu;
                self.covariance[i * n + j] = entry;
                self.covariance[j * n + i] = entry;
            }
        }
        self.decompose();
    }

    fn decompose(&mut self) {
        let Eigen { vectors, values } = Eigen::of(&self.covariance, self.constants.dimension);
        self.directions = vectors;
        // Rounding may leave a tiny eigenvalue below zero.
        self.lengths = values.into_iter().map(|value| value.max(1e-16).sqrt()).collect();
    }

    /// Whether the run has nothing more to find (Hansen 2016, section B.3; Auger & Hansen 2005, section 2).
    pub(super) fn has_converged(&self) -> bool {
        let n = self.constants.dimension;
        let (least, most) = self
            .extremes
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), (best, worst)| {
                (least.min(*worst), most.max(*best))
            });
        let flat = self.extremes.len() == self.constants.flat_generations() && most - least < 1e-12;
        let small = (0..n).all(|i| {
            let tolerance = 1e-12 * self.initial_sigma;
            self.deviation(i) < tolerance && self.sigma * self.path_covariance[i].abs() < tolerance
        });
        let large = self.lengths.iter().any(|length| self.sigma * length > 1e4);
        let no_coordinate = (0..n).any(|i| self.mean[i] == self.mean[i] + 0.2 * self.deviation(i));
        let axis = (self.generation % n as u64) as usize;
        let no_axis = (0..n).all(|i| {
            let step = 0.1 * self.sigma * self.lengths[axis] * self.directions[i * n + axis];
            self.mean[i] == self.mean[i] + step
        });
        let longest = self.lengths.iter().copied().fold(0.0, f64::max);
        let shortest = self.lengths.iter().copied().fold(f64::INFINITY, f64::min);
        let finite = self.sigma.is_finite() && self.covariance.iter().all(|c| c.is_finite());
        flat || small || large || no_coordinate || no_axis || longest > 1e7 * shortest || !finite
    }
}

fn norm(y: &[f64]) -> f64 {
    y.iter().map(|y| y * y).sum::<f64>().sqrt()
}

impl Persist for Evolution {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        snapshot.put(at, "population", &self.population())?;
        snapshot.put(at, "generation", &self.generation)?;
        let mut state = vec![self.sigma];
        state.extend(&self.mean);
        state.extend(&self.path_sigma);
        state.extend(&self.path_covariance);
        state.extend(&self.covariance);
        snapshot.put_array(at, "state", Array::F64(state));
        let extremes = self.extremes.iter().flat_map(|&(best, worst)| [best, worst]).collect();
        snapshot.put_array(at, "extremes", Array::F64(extremes));
        Ok(())
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        let n = self.constants.dimension;
        let population: usize = snapshot.get(at, "population")?;
        if !(2..=super::MOST_POPULATION).contains(&population) {
            return Err(Error::snapshot(format!("{at}/population"), "is out of range"));
        }
        self.constants = Constants::new(n, population);
        self.generation = snapshot.get(at, "generation")?;
        let mut state = snapshot.f64s(at, "state", 1 + 3 * n + n * n)?;
        let mut take = |count: usize| {
            let (taken, rest) = state.split_at(count);
            state = rest;
            taken.to_vec()
        };
        self.sigma = take(1)[0];
        self.mean = take(n);
        self.path_sigma = take(n);
        self.path_covariance = take(n);
        self.covariance = take(n * n);
        let Array::F64(extremes) = snapshot.array(at, "extremes")? else {
            return Err(Error::snapshot(format!("{at}/extremes"), "must be 64-bit floats"));
        };
        self.extremes = extremes.as_chunks::<2>().0.iter().map(|&[a, b]| (a, b)).collect();
        self.decompose();
        Ok(())
    }
}
