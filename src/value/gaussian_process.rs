//! A Gaussian process over configurations, with its most likely hyperparameters.

use std::cell::RefCell;
use std::ops::Range;

use argmin::core::{CostFunction, Executor, Gradient};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::Estimates;
use super::cholesky::Cholesky;
use super::continuous::{ContinuousValue, Examples, thinned};
use super::cosines::Cosines;
use crate::error::{Error, Result};
use crate::nn::kernel::dot_double;
use crate::nn::product::Panel;
use crate::persist::{Array, Persist, Snapshot};
use crate::space::{Domain, SearchSpace};
use crate::streams::Generator;

/// The settings of a Gaussian process as the surrogate of Bayesian optimization:
///
/// ```text
/// reward(a)  = m + Q(a) + noise
/// cov(a, a') = v M(sqrt(sum_j d_j(a, a')^2 / l_j^2))
/// M(r)       = (1 + sqrt(5) r + 5 r^2 / 3) e^(-sqrt(5) r)
/// ```
///
/// the Matern kernel with nu = 5/2 and a length `l_j` for each parameter (automatic relevance determination).
/// The distance `d_j` of two numbers is that of their places in the unit cube, of two different choices of a
/// categorical 1. An inactive conditional parameter has the place that [`SearchSpace::encode`] gives it: the
/// middle of a number's range, and for a categorical a choice of its own, at distance `1 / sqrt(2)` from the others.
///
/// The hyperparameters (lengths, the variance `v`, the noise's variance) are those that maximize the marginal
/// likelihood times their priors, found with analytic gradients over their logarithms by L-BFGS (Nocedal 1980;
/// the crate argmin). The search starts where the last one ended, and from the priors' modes. The constant mean
/// `m ~ N(0, 1)` is at its own maximum in closed form for all of them. The priors are those of Optuna 5's
/// `GPSampler`, as densities of the values and not of their logarithms:
///
/// ```text
/// ln p(l) = -0.1 (l^2 + l^-2),    v ~ Gamma(2, 1),    noise ~ Gamma(1.1, 30), at least 1e-6
/// ```
///
/// They suppose standardized rewards. Where hyperparameters stay, as while trials are pending, new rows are
/// appended to the Cholesky factor.
///
/// Sources: Rasmussen & Williams 2006, algorithm 2.1 and equations 5.8 and 5.9; Snoek, Larochelle & Adams 2012,
/// "Practical Bayesian optimization of machine learning algorithms", for the kernel; Wilson et al. 2020,
/// "Efficiently sampling functions from Gaussian process posteriors", for the draws of Thompson sampling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct GaussianProcess {
    /// The hyperparameters are optimized anew after so many finished trials, at least 1.
    pub refit_every: usize,
    /// How many steps each search for them takes at most, at least 1.
    pub steps: u64,
    /// At most so many finished trials are conditioned on, at least 2: the better half of them by reward, the
    /// rest the latest of the others. Time grows with their third power.
    pub most_trials: usize,
    /// How many cosines stand for a draw of the prior, at least 1. Only Thompson sampling draws.
    pub draw_features: usize,
}

impl Default for GaussianProcess {
    fn default() -> Self {
        Self { refit_every: 1, steps: 50, most_trials: 200, draw_features: 1024 }
    }
}

impl GaussianProcess {
    /// Builds the value function; `draws` says whether it will supply [`Estimates::members`].
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting is out of its range.
    pub fn build(&self, space: &SearchSpace, draws: bool) -> Result<GaussianProcessValue> {
        let owner = "value function `gaussian-process`";
        if self.refit_every == 0 {
            return Err(Error::setting(owner, "refit-every", "at least 1", self.refit_every));
        }
        if !(1..=10_000).contains(&self.steps) {
            return Err(Error::setting(owner, "steps", "in 1..=10000", self.steps));
        }
        if !(2..=2000).contains(&self.most_trials) {
            return Err(Error::setting(owner, "most-trials", "in 2..=2000", self.most_trials));
        }
        if !(1..=1 << 16).contains(&self.draw_features) {
            let rule = "in 1..=65536";
            return Err(Error::setting(owner, "draw-features", rule, self.draw_features));
        }
        let blocks: Vec<Block> = (0..space.len())
            .map(|parameter| {
                let features = space.block(parameter);
                match space.parameters()[parameter].domain {
                    // One-hot codes of different choices differ in two places.
                    Domain::Categorical { .. } => Block { features, scale: 0.5f64.sqrt() },
                    // Numbers are encoded between -1 and 1.
                    _ => Block { features, scale: 0.5 },
                }
            })
            .collect();
        Ok(GaussianProcessValue {
            config: self.clone(),
            draws,
            features: space.features(),
            hyper: Hyper::start(blocks.len()),
            fitted_on: 0,
            blocks,
            points: Vec::new(),
            cholesky: Cholesky::default(),
            fitted: None,
            scratch: Scratch::default(),
        })
    }
}

/// Where a parameter's features lie, and what their differences are multiplied with.
#[derive(Debug, Clone)]
struct Block {
    features: Range<usize>,
    scale: f64,
}

/// The least variance of the noise: smaller ones make the matrix singular in 64-bit floats where trials are
/// close to each other.
const LEAST_NOISE: f64 = 1e-6;

/// Bounds of all hyperparameters' logarithms: far outside of what the priors expect.
const LARGEST_LOG: f64 = 30.0;

/// The hyperparameters as they are searched for: the logarithms of the lengths, then of the variance, then of
/// what the noise's variance is above [`LEAST_NOISE`].
#[derive(Debug, Clone, PartialEq)]
struct Hyper(Vec<f64>);

impl Hyper {
    /// Where the search begins: lengths of the whole range, a variance of 1, a noise of variance 1e-2.
    fn start(parameters: usize) -> Self {
        let mut logs = vec![0.0; parameters + 2];
        logs[parameters + 1] = 1e-2f64.ln();
        Self(logs)
    }

    fn parameters(&self) -> usize {
        self.0.len() - 2
    }

    fn lengths(&self) -> impl Iterator<Item = f64> {
        self.0[..self.parameters()].iter().map(|log| log.exp())
    }

    fn variance(&self) -> f64 {
        self.0[self.parameters()].exp()
    }

    fn noise(&self) -> f64 {
        LEAST_NOISE + self.0[self.parameters() + 1].exp()
    }

    /// The log density of the priors up to a constant; its derivatives are added to `gradient`.
    fn log_prior(&self, gradient: &mut [f64]) -> f64 {
        let parameters = self.parameters();
        let mut sum = 0.0;
        for (length, slope) in self.lengths().zip(&mut *gradient) {
            let square = length * length;
            sum -= 0.1 * (square + 1.0 / square);
            *slope -= 0.2 * (square - 1.0 / square);
        }
        let variance = self.variance();
        gradient[parameters] += 1.0 - variance;
        let noise = self.noise();
        gradient[parameters + 1] += (0.1 / noise - 30.0) * (noise - LEAST_NOISE);
        sum + variance.ln() - variance + 0.1 * noise.ln() - 30.0 * noise
    }

    fn within_bounds(&self) -> bool {
        self.0.iter().all(|log| log.abs() <= LARGEST_LOG)
    }

    fn clamped(mut self) -> Self {
        self.0.iter_mut().for_each(|log| *log = log.clamp(-LARGEST_LOG, LARGEST_LOG));
        self
    }
}

/// The kernel at a squared distance in units of the lengths, for a variance of 1, and with what the square of
/// a parameter's share in that distance must be multiplied to give the derivative by its length's logarithm.
fn matern(square: f64) -> (f64, f64) {
    let r = (5.0 * square).sqrt();
    let decay = (-r).exp();
    ((1.0 + r + r * r / 3.0) * decay, 5.0 / 3.0 * (1.0 + r) * decay)
}

/// The log marginal likelihood of rewards times the priors, as a function of the hyperparameters.
struct Evidence<'a> {
    rewards: &'a [f64],
    /// Squared distances in each parameter, pairs below the diagonal row after row.
    distances: &'a [f64],
    work: RefCell<EvidenceWork>,
}

#[derive(Default)]
struct EvidenceWork {
    /// Where the evidence was computed last, and what it is there.
    at: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
    cholesky: Cholesky,
    pairs: Vec<f64>,
    slopes: Vec<f64>,
    inverse: Vec<f64>,
}

impl<'a> Evidence<'a> {
    fn new(rewards: &'a [f64], distances: &'a [f64]) -> Self {
        Self { rewards, distances, work: RefCell::default() }
    }

    /// Computes value and gradient, unless they are of the same place as the last ones. Both are not finite
    /// where the covariances are not positive definite.
    fn compute(&self, at: &[f64]) {
        let work = &mut *self.work.borrow_mut();
        if work.at == at {
            return;
        }
        work.at = at.to_vec();
        work.gradient = vec![0.0; at.len()];
        work.value = self.at(&Hyper(at.to_vec()), work).unwrap_or(f64::NEG_INFINITY);
    }

    fn at(&self, hyper: &Hyper, work: &mut EvidenceWork) -> Option<f64> {
        let EvidenceWork { gradient, cholesky, pairs, slopes, inverse, .. } = work;
        let (count, parameters) = (self.rewards.len(), hyper.parameters());
        let (variance, noise) = (hyper.variance(), hyper.noise());
        let len = count * (count - 1) / 2;
        let weights: Vec<f64> = hyper.lengths().map(|length| 1.0 / (length * length)).collect();
        let distances = || self.distances.chunks_exact(len.max(1)).zip(&weights);
        pairs.clear();
        pairs.resize(len, 0.0);
        for (distances, weight) in distances() {
            pairs.iter_mut().zip(distances).for_each(|(sum, square)| *sum += weight * square);
        }
        slopes.clear();
        for pair in &mut *pairs {
            let (value, slope) = matern(*pair);
            *pair = variance * value;
            slopes.push(variance * slope);
        }
        cholesky.truncate(0);
        let mut rest = &pairs[..];
        for row in 0..count {
            let (this, others) = rest.split_at(row);
            cholesky.append(this.iter().copied(), variance + noise)?;
            rest = others;
        }
        let posterior = MeanAndWeights::of(cholesky, self.rewards);
        let fit: f64 = -0.5 * posterior.square - cholesky.half_log_determinant();

        // The derivatives are `tr((w w^T - K^-1) dK) / 2`, for every entry below the diagonal twice.
        cholesky.inverse_of_matrix(inverse);
        let w = &posterior.weights;
        let mut place = 0;
        let mut by_variance = 0.0;
        let mut trace = 0.0;
        for i in 0..count {
            for j in 0..i {
                let outer = w[i] * w[j] - inverse[i * count + j];
                by_variance += outer * pairs[place];
                slopes[place] *= outer;
                place += 1;
            }
            trace += w[i] * w[i] - inverse[i * count + i];
        }
        for (slope, (distances, weight)) in gradient.iter_mut().zip(distances()) {
            *slope += weight * dot_double(slopes, distances);
        }
        gradient[parameters] += by_variance + 0.5 * trace * variance;
        gradient[parameters + 1] += 0.5 * trace * (noise - LEAST_NOISE);
        Some(fit + hyper.log_prior(gradient))
    }

    /// The hyperparameters that a search from `start` ends at, and the evidence there; `None` where the
    /// evidence is not even known at the start.
    fn climb(self, start: Hyper, steps: u64) -> Option<(Hyper, f64)> {
        self.compute(&start.0);
        let (value, steepness) = {
            let work = self.work.borrow();
            (work.value, work.gradient.iter().map(|slope| slope * slope).sum::<f64>().sqrt())
        };
        if !value.is_finite() {
            return None;
        }
        // The first step of L-BFGS is the gradient itself: scaled, it moves no logarithm by more than 1.
        let scale = 1.0 / steepness.max(1.0);
        let search = LBFGS::new(MoreThuenteLineSearch::new(), 10)
            .with_tolerance_grad(TOLERANCE * scale)
            .and_then(|search| search.with_tolerance_cost(1e-9));
        let result = search.and_then(|search| {
            Executor::new(Scaled { evidence: self, scale }, search)
                .configure(|state| state.param(start.0.clone()).max_iters(steps))
                .timer(false)
                .run()
        });
        // A search that fails (a step to where nothing is positive definite) has reached no better place.
        let mut state = result.ok()?.state;
        let reached = -state.get_best_cost() / scale;
        match state.take_best_param() {
            Some(best) if reached >= value => Some((Hyper(best).clamped(), reached)),
            _ => Some((start, value)),
        }
    }
}

/// A search ends where the gradient is shorter than this.
const TOLERANCE: f64 = 1e-2;

/// What is minimized: the negative evidence, scaled.
struct Scaled<'a> {
    evidence: Evidence<'a>,
    scale: f64,
}

impl CostFunction for Scaled<'_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, at: &Vec<f64>) -> std::result::Result<f64, argmin::core::Error> {
        self.evidence.compute(at);
        Ok(-self.scale * self.evidence.work.borrow().value)
    }
}

impl Gradient for Scaled<'_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, at: &Vec<f64>) -> std::result::Result<Vec<f64>, argmin::core::Error> {
        self.evidence.compute(at);
        let work = self.evidence.work.borrow();
        Ok(work.gradient.iter().map(|slope| -self.scale * slope).collect())
    }
}

/// The constant mean and the weights of the examples, given the factor of `K + noise I`.
struct MeanAndWeights {
    mean: f64,
    /// `(K + noise I)^-1 (rewards - mean)`
    weights: Vec<f64>,
    /// `(rewards - mean)^T (K + noise I)^-1 (rewards - mean) + mean^2`
    square: f64,
}

impl MeanAndWeights {
    /// The mean maximizes its posterior under the prior N(0, 1).
    fn of(cholesky: &Cholesky, rewards: &[f64]) -> Self {
        let mut ones = vec![1.0; rewards.len()];
        let mut weights = rewards.to_vec();
        cholesky.solve_lower(&mut ones);
        cholesky.solve_lower(&mut weights);
        let mean = dot_double(&ones, &weights) / (dot_double(&ones, &ones) + 1.0);
        weights.iter_mut().zip(&ones).for_each(|(weight, one)| *weight -= mean * one);
        let square = dot_double(&weights, &weights) + mean * mean;
        cholesky.solve_upper(&mut weights);
        Self { mean, weights, square }
    }
}

/// [`GaussianProcess`] at work.
pub struct GaussianProcessValue {
    config: GaussianProcess,
    draws: bool,
    features: usize,
    blocks: Vec<Block>,
    hyper: Hyper,
    /// How many finished trials there were when the hyperparameters were optimized last.
    fitted_on: u64,
    /// The examples that the factor is of, one after the other, scaled so that distances in a parameter are as
    /// the kernel takes them.
    points: Vec<f64>,
    /// The factor of `K + noise I`. It and the points are made anew after loading, bit for bit.
    cholesky: Cholesky,
    fitted: Option<Fitted>,
    scratch: Scratch,
}

/// What is known after a fit.
struct Fitted {
    /// The examples in units of the lengths, feature after feature.
    columns: Vec<f64>,
    count: usize,
    mean: f64,
    weights: Vec<f64>,
    /// The inverse of the factor, dense.
    inverse: Vec<f64>,
    draw: Option<PosteriorDraw>,
}

/// A function drawn from the posterior: one of the prior as a sum of cosines, and what is added to it at
/// the examples.
struct PosteriorDraw {
    prior: Cosines,
    weights: Vec<f64>,
}

/// Buffers that are used again.
#[derive(Default)]
struct Scratch {
    panel: Panel,
    places: Vec<f32>,
    cross: Vec<f64>,
}

impl GaussianProcessValue {
    /// What features are multiplied with so that distances are as the kernel takes them.
    fn scales(&self) -> Vec<f64> {
        let mut scales = vec![0.0; self.features];
        for block in &self.blocks {
            scales[block.features.clone()].fill(block.scale);
        }
        scales
    }

    /// One number a feature: the inverse length of the parameter that it belongs to.
    fn shrinks(&self) -> Vec<f64> {
        let mut shrinks = vec![0.0; self.features];
        for (block, length) in self.blocks.iter().zip(self.hyper.lengths()) {
            shrinks[block.features.clone()].fill(1.0 / length);
        }
        shrinks
    }

    /// Squared distances of all pairs of points in every parameter.
    fn distances(&self, points: &[f64]) -> Vec<f64> {
        let points: Vec<&[f64]> = points.chunks_exact(self.features).collect();
        let mut distances = Vec::new();
        for block in &self.blocks {
            for (i, a) in points.iter().enumerate() {
                distances.extend(points[..i].iter().map(|b| {
                    let pairs = a[block.features.clone()].iter().zip(&b[block.features.clone()]);
                    pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f64>()
                }));
            }
        }
        distances
    }

    /// Sets the hyperparameters to the best of what is reached from where they are and from the start.
    fn optimize(&mut self, points: &[f64], rewards: &[f64]) {
        let distances = self.distances(points);
        let starts = [self.hyper.clone(), Hyper::start(self.blocks.len())];
        let mut best: Option<(Hyper, f64)> = None;
        for start in starts {
            let reached = Evidence::new(rewards, &distances).climb(start, self.config.steps);
            if let Some(reached) = reached
                && best.as_ref().is_none_or(|best| reached.1 > best.1)
            {
                best = Some(reached);
            }
        }
        if let Some((hyper, _)) = best
            && hyper != self.hyper
        {
            self.hyper = hyper;
            self.cholesky.truncate(0);
        }
    }

    /// Makes the factor that of `K + noise I` for these points: rows of points that it has already stay.
    fn factorize(&mut self, points: Vec<f64>) {
        let features = self.features;
        let (old, new) = (self.points.chunks_exact(features), points.chunks_exact(features));
        let same = old.zip(new).take_while(|(old, new)| old == new).count();
        self.cholesky.truncate(same);
        self.points = points;
        let shrinks = self.shrinks();
        let count = self.points.len() / features;
        while self.cholesky.size() < count {
            let (variance, noise) = (self.hyper.variance(), self.hyper.noise());
            let row = self.cholesky.size();
            let point = &self.points[row * features..][..features];
            let before = self.points.chunks_exact(features).take(row).map(|other| {
                let pairs = point.iter().zip(other).zip(&shrinks);
                variance * matern(pairs.map(|((a, b), s)| ((a - b) * s).powi(2)).sum()).0
            });
            if self.cholesky.append(before, variance + noise).is_none() {
                // Rounding errors reach the least noise only with a huge variance; with more noise every
                // kernel matrix is positive definite.
                *self.hyper.0.last_mut().expect("the noise is the last") = variance.ln() - 10.0;
                self.cholesky.truncate(0);
            }
        }
    }

    /// A function of the posterior by Matheron's rule: one of the prior, corrected where it misses the rewards
    /// (Wilson et al. 2020).
    fn draw(&mut self, rows: &[f32], residuals: &[f64], rng: &mut Generator) -> PosteriorDraw {
        let mut prior = Cosines::new(self.features);
        let over: Vec<(usize, f64)> = self
            .blocks
            .iter()
            .zip(self.hyper.lengths())
            .flat_map(|(block, length)| {
                block.features.clone().map(move |feature| (feature, block.scale / length))
            })
            .collect();
        prior.add(&over, self.hyper.variance(), self.config.draw_features, rng);
        let Scratch { panel, places, .. } = &mut self.scratch;
        let noise = self.hyper.noise().sqrt();
        let drawn = prior.at(rows, panel, places);
        let mut weights: Vec<f64> = residuals
            .iter()
            .zip(drawn)
            .map(|(residual, drawn)| {
                let z: f64 = StandardNormal.sample(rng);
                residual - f64::from(drawn) - noise * z
            })
            .collect();
        self.cholesky.solve_lower(&mut weights);
        self.cholesky.solve_upper(&mut weights);
        PosteriorDraw { prior, weights }
    }
}

impl ContinuousValue for GaussianProcessValue {
    fn fit(&mut self, examples: Examples<'_>, rng: &mut Generator) {
        let features = self.features;
        let finished = examples.rewards.len() - examples.pending;
        let mut places = thinned(&examples.rewards[..finished], self.config.most_trials);
        let learned = places.len();
        places.extend(finished..examples.rewards.len());
        let rows: Vec<f32> = places
            .iter()
            .flat_map(|place| &examples.inputs[place * features..][..features])
            .copied()
            .collect();
        let scales = self.scales();
        let scaled = rows.iter().zip(scales.iter().cycle());
        let points: Vec<f64> = scaled.map(|(x, scale)| f64::from(*x) * scale).collect();
        let rewards: Vec<f64> =
            places.iter().map(|&place| f64::from(examples.rewards[place])).collect();

        if learned > 0 && finished as u64 >= self.fitted_on + self.config.refit_every as u64 {
            self.optimize(&points[..learned * features], &rewards[..learned]);
            self.fitted_on = finished as u64;
        }
        self.factorize(points);
        let MeanAndWeights { mean, weights, .. } = MeanAndWeights::of(&self.cholesky, &rewards);
        let draw = self.draws.then(|| {
            let residuals: Vec<f64> = rewards.iter().map(|reward| reward - mean).collect();
            self.draw(&rows, &residuals, rng)
        });
        let count = places.len();
        let mut columns = vec![0.0; count * features];
        let shrinks = self.shrinks();
        for (place, point) in self.points.chunks_exact(features).enumerate() {
            for (feature, (x, shrink)) in point.iter().zip(&shrinks).enumerate() {
                columns[feature * count + place] = x * shrink;
            }
        }
        let inverse = self.cholesky.inverse();
        self.fitted = Some(Fitted { columns, count, mean, weights, inverse, draw });
    }

    fn estimate(&mut self, inputs: &[f32], rows: usize, into: &mut Estimates) {
        assert_eq!(inputs.len(), rows * self.features, "one number a feature");
        let shrinks: Vec<f64> =
            self.scales().iter().zip(self.shrinks()).map(|(scale, s)| scale * s).collect();
        let variance = self.hyper.variance();
        let fitted = self.fitted.as_ref().expect("a value function is fitted before it estimates");
        let count = fitted.count;
        let Scratch { panel, places, cross } = &mut self.scratch;
        *into = Estimates::default();
        let mut drawn = fitted.draw.as_ref().map(|draw| draw.prior.at(inputs, panel, places));
        cross.resize(count, 0.0);
        for (row, point) in inputs.chunks_exact(self.features).enumerate() {
            cross.fill(0.0);
            let columns = fitted.columns.chunks_exact(count);
            for ((x, shrink), column) in point.iter().zip(&shrinks).zip(columns) {
                let x = f64::from(*x) * shrink;
                cross.iter_mut().zip(column).for_each(|(sum, other)| *sum += (x - other).powi(2));
            }
            cross.iter_mut().for_each(|square| *square = variance * matern(*square).0);
            into.mean.push((fitted.mean + dot_double(cross, &fitted.weights)) as f32);
            let known: f64 = (0..count)
                .map(|i| {
                    dot_double(&fitted.inverse[i * count..=i * count + i], &cross[..=i]).powi(2)
                })
                .sum();
            into.spread.push((variance - known).max(0.0).sqrt() as f32);
            if let (Some(draw), Some(drawn)) = (&fitted.draw, &mut drawn) {
                let update = fitted.mean + dot_double(cross, &draw.weights);
                drawn[row] += update as f32;
            }
        }
        into.members = drawn.unwrap_or_default();
    }
}

impl Persist for GaussianProcessValue {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        snapshot.put(at, "fitted-on", &self.fitted_on)?;
        snapshot.put_array(at, "hyperparameters", Array::F64(self.hyper.0.clone()));
        Ok(())
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        let logs = snapshot.f64s(at, "hyperparameters", self.hyper.0.len())?;
        let hyper = Hyper(logs.to_vec());
        if !hyper.within_bounds() {
            let rule = format!("must be logarithms between -{LARGEST_LOG} and {LARGEST_LOG}");
            return Err(Error::snapshot(format!("{at}/hyperparameters"), rule));
        }
        self.fitted_on = snapshot.get(at, "fitted-on")?;
        self.hyper = hyper;
        self.cholesky.truncate(0);
        self.fitted = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Parameter;
    use crate::streams::Streams;
    use rand::RngExt;

    #[derive(Deserialize)]
    struct Case {
        lengths: Vec<f64>,
        variance: f64,
        noise: f64,
        inputs: Vec<f32>,
        rewards: Vec<f32>,
        at: Vec<f32>,
        constant: f64,
        mean: Vec<f64>,
        spread: Vec<f64>,
        evidence: f64,
    }

    fn cases() -> Vec<Case> {
        serde_json::from_str(include_str!("../../tests/fixtures/gaussian_process.json")).unwrap()
    }

    fn space() -> SearchSpace {
        SearchSpace::new([
            Parameter::float("rate", 0.0, 1.0),
            Parameter::categorical("kind", ["a", "b", "c"]),
            Parameter::float("more", 0.0, 1.0).when("kind", ["b"]),
        ])
        .unwrap()
    }

    fn hyper(lengths: &[f64], variance: f64, noise: f64) -> Hyper {
        let logs = lengths.iter().copied().chain([variance, noise - LEAST_NOISE]);
        Hyper(logs.map(f64::ln).collect())
    }

    /// A value function that keeps these hyperparameters.
    fn kept(hyper: Hyper, draws: bool) -> GaussianProcessValue {
        let config = GaussianProcess { refit_every: usize::MAX / 2, ..GaussianProcess::default() };
        let mut value = config.build(&space(), draws).unwrap();
        value.hyper = hyper;
        value
    }

    fn rng(number: u64) -> Generator {
        Streams::new(7).at("test", number)
    }

    fn doubles(values: &[f32]) -> Vec<f64> {
        values.iter().copied().map(f64::from).collect()
    }

    /// The squared distances of encoded inputs.
    fn distances(value: &GaussianProcessValue, inputs: &[f32]) -> Vec<f64> {
        let scales = value.scales();
        let points = inputs.iter().zip(scales.iter().cycle());
        value.distances(&points.map(|(x, scale)| f64::from(*x) * scale).collect::<Vec<_>>())
    }

    #[test]
    fn the_posterior_and_the_evidence_are_those_of_numpy() {
        for case in cases() {
            let hyper = hyper(&case.lengths, case.variance, case.noise);
            let mut value = kept(hyper.clone(), false);
            let distances = distances(&value, &case.inputs);
            let rewards = doubles(&case.rewards);
            let evidence = Evidence::new(&rewards, &distances);
            evidence.compute(&hyper.0);
            let found = evidence.work.borrow().value;
            assert!((found - case.evidence).abs() < 1e-6 * case.evidence.abs(), "{found}");

            let examples = Examples { inputs: &case.inputs, rewards: &case.rewards, pending: 0 };
            value.fit(examples, &mut rng(0));
            assert!((value.fitted.as_ref().unwrap().mean - case.constant).abs() < 1e-8);
            let mut found = Estimates::default();
            value.estimate(&case.at, 6, &mut found);
            for (found, expected) in [(found.mean, case.mean), (found.spread, case.spread)] {
                assert_eq!(found.len(), 6);
                for (f, e) in found.iter().zip(&expected) {
                    assert!((f64::from(*f) - e).abs() < 1e-5 * e.abs().max(0.1), "{f} {e}");
                }
            }
        }
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        for case in cases() {
            let value = kept(Hyper::start(3), false);
            let distances = distances(&value, &case.inputs);
            let rewards = doubles(&case.rewards);
            let evidence = Evidence::new(&rewards, &distances);
            let at = hyper(&case.lengths, case.variance, case.noise + 1e-3).0;
            let value_at = |at: &[f64]| {
                evidence.compute(at);
                evidence.work.borrow().value
            };
            value_at(&at);
            let gradient = evidence.work.borrow().gradient.clone();
            for place in 0..at.len() {
                let step = 1e-5;
                let [mut above, mut below] = [at.clone(), at.clone()];
                above[place] += step;
                below[place] -= step;
                let slope = (value_at(&above) - value_at(&below)) / (2.0 * step);
                let found = gradient[place];
                assert!((found - slope).abs() < 1e-5 * slope.abs().max(1.0), "{found} {slope}");
            }
        }
    }

    /// Examples that differ in the number alone.
    fn waves(count: usize, seed: u64) -> (Vec<f32>, Vec<f32>) {
        let mut rng = rng(seed);
        let xs: Vec<f32> = (0..count).map(|_| rng.random_range(-1.0..1.0)).collect();
        let inputs = xs.iter().flat_map(|x| [*x, 1.0, 0.0, 0.0, 0.0]).collect();
        (inputs, xs.iter().map(|x| (5.0 * x).sin()).collect())
    }

    #[test]
    fn the_search_ends_where_the_gradient_vanishes_and_finds_what_matters() {
        let (inputs, rewards) = waves(30, 1);
        let mut value = GaussianProcess::default().build(&space(), false).unwrap();
        value.fit(Examples { inputs: &inputs, rewards: &rewards, pending: 0 }, &mut rng(0));
        let distances = distances(&value, &inputs);
        let rewards = doubles(&rewards);
        let evidence = Evidence::new(&rewards, &distances);
        evidence.compute(&value.hyper.0);
        let work = evidence.work.borrow();
        let steepness = work.gradient.iter().map(|slope| slope * slope).sum::<f64>().sqrt();
        assert!(steepness < 0.1, "{:?} at {:?}", work.gradient, value.hyper);
        // A wave of a little less than a range's length without noise; nothing is known of the other parameters.
        let lengths: Vec<f64> = value.hyper.lengths().collect();
        assert!((0.1..0.8).contains(&lengths[0]) && value.hyper.noise() < 1e-3, "{lengths:?}");
        assert!(lengths[1..].iter().all(|length| (length - 1.0).abs() < 0.05), "{lengths:?}");
    }

    #[test]
    fn rows_appended_for_pending_trials_give_the_bits_of_a_whole_factorization() {
        let (inputs, rewards) = waves(20, 2);
        let mut whole = GaussianProcess::default().build(&space(), false).unwrap();
        let mut grown = GaussianProcess::default().build(&space(), false).unwrap();
        let of = |count: usize, pending: usize| Examples {
            inputs: &inputs[..5 * count],
            rewards: &rewards[..count],
            pending,
        };
        for pending in 0..4 {
            grown.fit(of(14 + pending, pending), &mut rng(0));
        }
        whole.fit(of(14, 0), &mut rng(0));
        let hyper = whole.hyper.clone();
        whole.cholesky.truncate(0);
        whole.fit(of(17, 3), &mut rng(0));
        // Pending trials do not change the hyperparameters.
        assert_eq!((&whole.hyper, &grown.hyper), (&hyper, &hyper));
        let estimates = [&mut whole, &mut grown].map(|value| {
            let mut estimates = Estimates::default();
            value.estimate(&inputs, 20, &mut estimates);
            estimates
        });
        assert_eq!(estimates[0], estimates[1]);
    }

    #[test]
    fn draws_have_the_posteriors_mean_and_spread() {
        let mut value = kept(hyper(&[0.4, 0.7, 1.0], 1.5, 1e-3), true);
        let inputs =
            [[-0.8, 1.0, 0.0, 0.0, 0.0], [0.1, 1.0, 0.0, 0.0, 0.0], [0.9, 1.0, 0.0, 0.0, 0.0]]
                .concat();
        let at = [[-0.8, 1.0, 0.0, 0.0, 0.0], [0.5, 1.0, 0.0, 0.0, 0.0], [0.1, 0.0, 0.0, 1.0, 0.0]]
            .concat();
        let rewards = [1.0, -1.0, 0.5];
        let draws = 400;
        let (mut sums, mut squares) = ([0.0f64; 3], [0.0f64; 3]);
        let mut estimates = Estimates::default();
        for draw in 0..draws {
            let examples = Examples { inputs: &inputs, rewards: &rewards, pending: 0 };
            value.fit(examples, &mut rng(draw));
            value.estimate(&at, 3, &mut estimates);
            for (row, drawn) in estimates.members.iter().enumerate() {
                sums[row] += f64::from(*drawn);
                squares[row] += f64::from(*drawn).powi(2);
            }
        }
        for row in 0..3 {
            let mean = sums[row] / draws as f64;
            let sd = (squares[row] / draws as f64 - mean * mean).sqrt();
            let expected = f64::from(estimates.mean[row]);
            let spread = f64::from(estimates.spread[row]);
            // Four standard errors; the noise at the examples besides.
            let error = 4.0 * (spread + 0.04) / (draws as f64).sqrt();
            assert!((mean - expected).abs() < error, "{row}: {mean} instead of {expected}");
            assert!((sd - spread).abs() < 0.15 * spread + 0.02, "{row}: {sd} instead of {spread}");
        }
    }

    #[test]
    fn few_equal_and_extreme_trials_are_fitted_too() {
        let one = [0.3, 0.0, 1.0, 0.0, -0.2];
        for (inputs, rewards, pending) in [
            (one.to_vec(), vec![0.5], 0),
            (one.to_vec(), vec![0.0], 1),
            (one.repeat(40), vec![0.5; 40], 0),
            (waves(5, 3).0, vec![1e12, -1e12, 0.0, 1e12, 1.0], 2),
        ] {
            let mut value = GaussianProcess::default().build(&space(), true).unwrap();
            value.fit(Examples { inputs: &inputs, rewards: &rewards, pending }, &mut rng(0));
            let mut estimates = Estimates::default();
            value.estimate(&waves(9, 4).0, 9, &mut estimates);
            let all = [&estimates.mean, &estimates.spread, &estimates.members];
            assert!(all.iter().all(|values| values.iter().all(|value| value.is_finite())));
            assert!(value.hyper.within_bounds());
        }
    }

    #[test]
    fn damaged_snapshots_and_settings_out_of_range_are_refused() {
        let (inputs, rewards) = waves(12, 5);
        let mut value = GaussianProcess::default().build(&space(), false).unwrap();
        value.fit(Examples { inputs: &inputs, rewards: &rewards, pending: 0 }, &mut rng(0));
        let mut snapshot = Snapshot::default();
        value.save("value", &mut snapshot).unwrap();
        let mut other = GaussianProcess::default().build(&space(), false).unwrap();
        other.load("value", &snapshot).unwrap();
        assert_eq!((&other.hyper, other.fitted_on), (&value.hyper, 12));
        for bad in [vec![0.0; 4], vec![f64::NAN; 5], vec![31.0; 5], vec![f64::NEG_INFINITY; 5]] {
            snapshot.put_array("value", "hyperparameters", Array::F64(bad));
            assert!(other.load("value", &snapshot).is_err());
        }
        assert_eq!(other.hyper, value.hyper);
        let refused = |of: GaussianProcess| of.build(&space(), false).err().unwrap().to_string();
        let default = GaussianProcess::default;
        assert_eq!(
            refused(GaussianProcess { refit_every: 0, ..default() }),
            "value function `gaussian-process`: `refit-every` must be at least 1, found 0"
        );
        assert!(refused(GaussianProcess { steps: 0, ..default() }).contains("steps"));
        assert!(refused(GaussianProcess { most_trials: 1, ..default() }).contains("most-trials"));
        assert!(
            refused(GaussianProcess { draw_features: 0, ..default() }).contains("draw-features")
        );
    }
}
