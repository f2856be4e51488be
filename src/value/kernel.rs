//! A Gaussian process over configurations: main effects of single parameters plus their joint effect.

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::Estimates;
use super::cholesky::Cholesky;
use super::continuous::{ContinuousValue, Examples, thinned};
use super::cosines::Cosines;
use crate::error::{Error, Result};
use crate::nn::kernel::{
    add_scaled, dot, matern_in_place, product_transposed_right, square_distances,
};
use crate::nn::product::Panel;
use crate::persist::{Array, Persist, Snapshot};
use crate::space::{Domain, SearchSpace};
use crate::streams::Generator;

/// The settings of a Gaussian process as value function: a prior over functions
///
/// ```text
/// Q(a)       = joint(a) + sum_j main_j(a_j) + noise
/// cov(a, a') = v M(sqrt(sum_j (a_j - a'_j)^2 / l_j^2)) + (w / d) sum_j M(|a_j - a'_j| / l)
/// M(r)       = (1 + sqrt(5) r + 5 r^2 / 3) e^(-sqrt(5) r)
/// ```
///
/// over the encoded parameters `a_j` (see [`SearchSpace::encode`]; two different choices of a categorical
/// are at distance 1), conditioned on the trials. The joint term is the usual Matern kernel with a length
/// for each parameter; the sum says that a part of the effect is each parameter's own, whatever the
/// others are, which one trial then tells about many configurations.
///
/// The hyperparameters (lengths `l_j` and `l`, variances `v` and `w`, the noise's variance) are not
/// optimized but integrated out, since few trials leave them open and the most likely ones are often
/// wrong: some Markov chains of them sample the marginal likelihood times a log-normal prior (a random
/// walk with the rule of Metropolis et al. 1953), each taking `evidence_steps` steps a trial from where
/// the last one left it. The mean and the spread are those of the mixture of the chains' posteriors; with
/// Thompson sampling one chain, drawn anew in every trial, stands for all.
///
/// Sources: Engel, Mannor & Meir 2005, "Reinforcement learning with Gaussian processes" (values as a
/// Gaussian process); Rasmussen & Williams 2006, algorithm 2.1 and equation 4.17; Duvenaud, Nickisch &
/// Rasmussen 2011, "Additive Gaussian processes" (the sum); Wilson et al. 2020, "Efficiently sampling
/// functions from Gaussian process posteriors", for the draws of Thompson sampling; Snoek, Larochelle &
/// Adams 2012, "Practical Bayesian optimization", section 3.1, for integrating out the hyperparameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Kernel {
    /// Whether parameters have main effects beside the joint one.
    pub main_effects: bool,
    /// How many chains of hyperparameters there are, in 1..=64. Time grows in proportion.
    pub chains: usize,
    /// How many steps each chain takes a trial.
    pub evidence_steps: usize,
    /// At most so many trials are conditioned on, at least 2: the better half of them by reward, the rest
    /// the latest of the others. Time grows with their third power.
    pub most_trials: usize,
    /// How many cosines stand for the joint term of a posterior draw, at least 1; main effects take an
    /// eighth of it each. Only Thompson sampling draws.
    pub draw_features: usize,
}

impl Default for Kernel {
    fn default() -> Self {
        Self {
            main_effects: true,
            chains: 3,
            evidence_steps: 30,
            most_trials: 200,
            draw_features: 256,
        }
    }
}

impl Kernel {
    /// Builds the value function; `draws` says whether it will supply [`Estimates::members`].
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting is out of its range.
    pub fn build(&self, space: &SearchSpace, draws: bool) -> Result<KernelValue> {
        let owner = "value function `kernel`";
        if !(1..=64).contains(&self.chains) {
            return Err(Error::setting(owner, "chains", "in 1..=64", self.chains));
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
                let range = space.block(parameter);
                match space.parameters()[parameter].domain {
                    // One-hot codes of different choices differ in two places.
                    Domain::Categorical { .. } => Block { range, scale: 0.5 },
                    _ => Block { range, scale: 1.0 },
                }
            })
            .collect();
        Ok(KernelValue {
            config: self.clone(),
            draws,
            features: space.features(),
            chains: vec![Hyper::prior(blocks.len(), self.main_effects); self.chains],
            blocks,
            fitted: None,
            scratch: Scratch::default(),
        })
    }
}

/// Where a parameter's features lie, and what squares of their differences are multiplied with.
#[derive(Debug, Clone)]
struct Block {
    range: std::ops::Range<usize>,
    scale: f32,
}

/// The hyperparameters.
#[derive(Debug, Clone, PartialEq)]
struct Hyper {
    /// The joint term's length for each parameter.
    lengths: Vec<f64>,
    joint: f64,
    /// The variance and the length of main effects, `None` without them.
    main: Option<(f64, f64)>,
    noise: f64,
}

/// The bounds of lengths, variances and the noise's variance: far outside of what the prior expects, and
/// inside of what 64-bit floats can factorize.
const LENGTHS: (f64, f64) = (0.02, 20.0);
const VARIANCES: (f64, f64) = (1e-3, 1e3);
const NOISES: (f64, f64) = (1e-6, 1.0);

impl Hyper {
    /// Where chains begin: standardized rewards have variance 1.
    fn prior(parameters: usize, main_effects: bool) -> Self {
        Self {
            lengths: vec![0.7; parameters],
            joint: 1.0,
            main: main_effects.then_some((1.0, 0.5)),
            noise: 1e-4,
        }
    }

    /// The log prior density of the logarithms, up to a constant: normal around lengths of 1, variances of
    /// 1 and a noise of 1e-4; the length of main effects is free within its bounds.
    fn log_prior(&self) -> f64 {
        let normal = |x: f64, mean: f64, sd: f64| -0.5 * ((x / mean).ln() / sd).powi(2);
        let main = self.main.map_or(0.0, |(variance, _)| normal(variance, 1.0, 2.0));
        self.lengths.iter().map(|length| normal(*length, 1.0, 2f64.sqrt())).sum::<f64>()
            + normal(self.joint, 1.0, 2f64.sqrt())
            + main
            + normal(self.noise, 1e-4, 3.0)
    }

    /// All of them moved at random by about a factor of `e^size`.
    fn moved(&self, size: f64, rng: &mut Generator) -> Self {
        let mut factor = |value: f64, size: f64, (low, high): (f64, f64)| {
            let z: f64 = StandardNormal.sample(rng);
            (value * (size * z).exp()).clamp(low, high)
        };
        Self {
            lengths: self.lengths.iter().map(|&l| factor(l, size, LENGTHS)).collect(),
            joint: factor(self.joint, size, VARIANCES),
            main: self.main.map(|(variance, length)| {
                (factor(variance, 2.0 * size, VARIANCES), factor(length, size, LENGTHS))
            }),
            noise: factor(self.noise, 2.0 * size, NOISES),
        }
    }

    /// The variance of the prior at every point.
    fn variance(&self) -> f64 {
        self.joint + self.main.map_or(0.0, |(variance, _)| variance)
    }

    fn to_vec(&self) -> Vec<f64> {
        let main = self.main.map_or(vec![], |(variance, length)| vec![variance, length]);
        [&self.lengths[..], &[self.joint, self.noise], &main].concat()
    }

    /// The inverse of [`Hyper::to_vec`]; `None` where a number is out of its bounds.
    fn from_slice(values: &[f64], parameters: usize) -> Option<Self> {
        let (lengths, rest) = values.split_at(parameters);
        let within = |value: f64, (low, high): (f64, f64)| (low..=high).contains(&value);
        let main = match rest[2..] {
            [variance, length] => Some((variance, length)),
            _ => None,
        };
        let fits = lengths.iter().all(|length| within(*length, LENGTHS))
            && within(rest[0], VARIANCES)
            && within(rest[1], NOISES)
            && main.is_none_or(|(variance, length)| {
                within(variance, VARIANCES) && within(length, LENGTHS)
            });
        let lengths = lengths.to_vec();
        fits.then_some(Self { lengths, joint: rest[0], noise: rest[1], main })
    }
}

/// [`Kernel`] at work.
pub struct KernelValue {
    config: Kernel,
    draws: bool,
    features: usize,
    blocks: Vec<Block>,
    chains: Vec<Hyper>,
    /// Made anew by every fit, from the hyperparameters and the trials: not stored.
    fitted: Option<Fitted>,
    scratch: Scratch,
}

/// What is known after a fit.
struct Fitted {
    /// The examples, feature after feature.
    inputs: Vec<f32>,
    count: usize,
    /// One for each chain; where a function is drawn, that of its chain alone.
    posteriors: Vec<Posterior>,
    draw: Option<PosteriorDraw>,
}

/// The posterior for one chain's hyperparameters.
struct Posterior {
    chain: usize,
    /// `(K + noise I)^-1 rewards`
    weights: Vec<f32>,
    /// The inverse of the lower Cholesky factor of `K + noise I`.
    inverse: Vec<f32>,
}

/// A function drawn from the posterior: one of the prior as a sum of cosines, and what is added to it at
/// the examples.
struct PosteriorDraw {
    prior: Cosines,
    /// `(K + noise I)^-1 (rewards - prior draw - noise draw)`
    weights: Vec<f32>,
}

/// The covariances of so many points are computed at a time: enough for long vectors, few enough to stay in
/// the nearest cache.
const ROWS: usize = 16;

/// Buffers that are used again.
#[derive(Default)]
struct Scratch {
    panel: Panel,
    /// Squared distances between the examples, parameter after parameter, pairs below the diagonal.
    distances: Vec<f32>,
    pairs: Vec<f32>,
    term: Vec<f32>,
    cholesky: Cholesky,
    solution: Vec<f64>,
    cross: Vec<f32>,
    whitened: Vec<f32>,
    joint: Vec<f32>,
    places: Vec<f32>,
}

impl KernelValue {
    /// Squared distances of all pairs of examples in every parameter.
    fn measure(&mut self, inputs: &[f32], count: usize) {
        let pairs = count * (count - 1) / 2;
        let distances = &mut self.scratch.distances;
        distances.clear();
        distances.resize(self.blocks.len() * pairs, 0.0);
        for (block, distances) in self.blocks.iter().zip(distances.chunks_exact_mut(pairs.max(1))) {
            for feature in block.range.clone() {
                let column = &inputs[feature * count..][..count];
                let mut rest = &mut *distances;
                for (row, &from) in column.iter().enumerate() {
                    let (below, others) = rest.split_at_mut(row);
                    square_distances(from, &column[..row], block.scale, below);
                    rest = others;
                }
            }
        }
    }

    /// Factorizes `K + noise I` and returns the log of the marginal likelihood times the prior;
    /// `None` where the matrix is not positive definite in 64-bit floats.
    fn evidence(&mut self, hyper: &Hyper, rewards: &[f64]) -> Option<f64> {
        let count = rewards.len();
        let Scratch { distances, pairs, term, cholesky, solution, .. } = &mut self.scratch;
        let len = count * (count - 1) / 2;
        pairs.clear();
        pairs.resize(len, 0.0);
        let parameters = || distances.chunks_exact(len.max(1));
        for (distances, length) in parameters().zip(&hyper.lengths) {
            add_scaled(distances, (1.0 / (length * length)) as f32, pairs);
        }
        matern_in_place(pairs);
        pairs.iter_mut().for_each(|pair| *pair *= hyper.joint as f32);
        if let Some((variance, length)) = hyper.main {
            let share = (variance / self.blocks.len() as f64) as f32;
            for distances in parameters() {
                term.clear();
                term.resize(len, 0.0);
                add_scaled(distances, (1.0 / (length * length)) as f32, term);
                matern_in_place(term);
                add_scaled(term, share, pairs);
            }
        }
        cholesky.factorize(pairs, hyper.variance() + hyper.noise, count)?;
        solution.clear();
        solution.extend_from_slice(rewards);
        cholesky.solve_lower(solution);
        let square: f64 = solution.iter().map(|z| z * z).sum();
        Some(hyper.log_prior() - 0.5 * square - cholesky.half_log_determinant())
    }

    /// The covariances of `rows` points with the examples, `rows x count`.
    fn covariances(
        blocks: &[Block],
        hyper: &Hyper,
        fitted: &Fitted,
        inputs: &[f32],
        scratch: &mut Scratch,
    ) {
        let Scratch { cross: into, joint, term, .. } = scratch;
        let count = fitted.count;
        let features = fitted.inputs.len() / count;
        let rows = inputs.len() / features;
        into.clear();
        into.resize(rows * count, 0.0);
        let chunks = inputs.chunks(ROWS * features).zip(into.chunks_mut(ROWS * count));
        for (inputs, into) in chunks {
            joint.clear();
            joint.resize(into.len(), 0.0);
            for (block, length) in blocks.iter().zip(&hyper.lengths) {
                term.clear();
                term.resize(into.len(), 0.0);
                for feature in block.range.clone() {
                    let column = &fitted.inputs[feature * count..][..count];
                    let points = inputs.chunks_exact(features);
                    for (point, term) in points.zip(term.chunks_exact_mut(count)) {
                        square_distances(point[feature], column, block.scale, term);
                    }
                }
                add_scaled(term, (1.0 / (length * length)) as f32, joint);
                if let Some((variance, length)) = hyper.main {
                    let shrink = (1.0 / (length * length)) as f32;
                    term.iter_mut().for_each(|distance| *distance *= shrink);
                    matern_in_place(term);
                    add_scaled(term, (variance / blocks.len() as f64) as f32, into);
                }
            }
            matern_in_place(joint);
            add_scaled(joint, hyper.joint as f32, into);
        }
    }

    /// A chain's next hyperparameters, for which everything is factorized afterwards.
    fn walk(&mut self, mut hyper: Hyper, rewards: &[f64], rng: &mut Generator) -> Hyper {
        let mut evidence = self.evidence(&hyper, rewards);
        for step in 0..self.config.evidence_steps {
            // Steps of two lengths: to get near, and to settle.
            let moved = hyper.moved(if step % 2 == 0 { 0.3 } else { 0.1 }, rng);
            let other = self.evidence(&moved, rewards);
            let slack: f64 = rng.random::<f64>().ln();
            if other.is_some_and(|other| evidence.is_none_or(|now| other > now + slack)) {
                (hyper, evidence) = (moved, other);
            }
        }
        // With the largest noise every kernel matrix is positive definite.
        if self.evidence(&hyper, rewards).is_none() {
            hyper.noise = NOISES.1;
            let _ = self.evidence(&hyper, rewards);
        }
        hyper
    }

    /// A function of the prior: the joint term and every main effect have cosines of their own.
    fn draw_prior(&self, hyper: &Hyper, rng: &mut Generator) -> Cosines {
        let mut prior = Cosines::new(self.features);
        let scaled = |(block, length): (&Block, f64)| {
            let scale = f64::from(block.scale).sqrt() / length;
            block.range.clone().map(move |feature| (feature, scale)).collect::<Vec<_>>()
        };
        let lengths = hyper.lengths.iter().copied();
        let joint: Vec<_> = self.blocks.iter().zip(lengths).flat_map(scaled).collect();
        let count = self.config.draw_features;
        prior.add(&joint, hyper.joint, count, rng);
        if let Some((variance, length)) = hyper.main {
            let share = variance / self.blocks.len() as f64;
            for block in &self.blocks {
                prior.add(&scaled((block, length)), share, count.div_ceil(8), rng);
            }
        }
        prior
    }

    /// A function of the posterior for the hyperparameters that were factorized last, by Matheron's rule: one
    /// of the prior, corrected where it misses the rewards (Wilson et al. 2020).
    fn draw_posterior(
        &mut self,
        hyper: &Hyper,
        rows: &[f32],
        rewards: &[f64],
        rng: &mut Generator,
    ) -> PosteriorDraw {
        let prior = self.draw_prior(hyper, rng);
        let Scratch { panel, places, cholesky, .. } = &mut self.scratch;
        let mut residual = rewards.to_vec();
        for (residual, prior) in residual.iter_mut().zip(prior.at(rows, panel, places)) {
            let noise: f64 = StandardNormal.sample(rng);
            *residual -= f64::from(prior) + noise * hyper.noise.sqrt();
        }
        cholesky.solve_lower(&mut residual);
        cholesky.solve_upper(&mut residual);
        PosteriorDraw { prior, weights: single(&residual) }
    }
}

fn single(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

impl ContinuousValue for KernelValue {
    fn fit(&mut self, examples: Examples<'_>, rng: &mut Generator) {
        let places = thinned(examples.rewards, self.config.most_trials);
        let (count, features) = (places.len(), self.features);
        let rewards: Vec<f64> =
            places.iter().map(|&place| f64::from(examples.rewards[place])).collect();
        let rows: Vec<f32> = places
            .iter()
            .flat_map(|place| &examples.inputs[place * features..][..features])
            .copied()
            .collect();
        let mut inputs = vec![0.0; count * features];
        for (place, row) in rows.chunks_exact(features).enumerate() {
            for (feature, x) in row.iter().enumerate() {
                inputs[feature * count + place] = *x;
            }
        }
        self.measure(&inputs, count);

        let drawn = self.draws.then(|| rng.random_range(0..self.chains.len()));
        let mut posteriors = Vec::with_capacity(self.chains.len());
        let mut draw = None;
        for chain in 0..self.chains.len() {
            let hyper = self.walk(self.chains[chain].clone(), &rewards, rng);
            if drawn == Some(chain) {
                draw = Some(self.draw_posterior(&hyper, &rows, &rewards, rng));
            }
            if drawn.is_none_or(|drawn| drawn == chain) {
                let Scratch { cholesky, solution, .. } = &mut self.scratch;
                cholesky.solve_upper(solution);
                let (weights, inverse) = (single(solution), single(&cholesky.inverse()));
                posteriors.push(Posterior { chain, weights, inverse });
            }
            self.chains[chain] = hyper;
        }
        self.fitted = Some(Fitted { inputs, count, posteriors, draw });
    }

    fn estimate(&mut self, inputs: &[f32], rows: usize, into: &mut Estimates) {
        assert_eq!(inputs.len(), rows * self.features, "one number a feature");
        let Self { blocks, chains, fitted, scratch, .. } = self;
        let fitted = fitted.as_ref().expect("a value function is fitted before it estimates");
        let count = fitted.count;
        into.counts.clear();
        into.members.clear();
        for numbers in [&mut into.mean, &mut into.spread] {
            numbers.clear();
            numbers.resize(rows, 0.0);
        }
        let share = 1.0 / fitted.posteriors.len() as f32;
        for posterior in &fitted.posteriors {
            let hyper = &chains[posterior.chain];
            Self::covariances(blocks, hyper, fitted, inputs, scratch);
            let Scratch { panel, cross, whitened, places, .. } = &mut *scratch;
            whitened.resize(rows * count, 0.0);
            let whitened = &mut whitened[..rows * count];
            let shape = [rows, count, count];
            product_transposed_right(shape, cross, &posterior.inverse, whitened, panel);
            let prior = hyper.variance() as f32;
            let pairs = cross.chunks_exact(count).zip(whitened.chunks_exact(count));
            for (row, (cross, whitened)) in pairs.enumerate() {
                // The mixture's second moment, from which its mean's square is taken below.
                let mean = dot(cross, &posterior.weights);
                let variance = (prior - dot(whitened, whitened)).max(0.0);
                into.mean[row] += share * mean;
                into.spread[row] += share * (variance + mean * mean);
            }
            if let Some(draw) = &fitted.draw {
                let prior = draw.prior.at(inputs, panel, places);
                let update = cross.chunks_exact(count).map(|row| dot(row, &draw.weights));
                into.members.extend(prior.iter().zip(update).map(|(prior, update)| prior + update));
            }
        }
        for (spread, mean) in into.spread.iter_mut().zip(&into.mean) {
            *spread = (*spread - mean * mean).max(0.0).sqrt();
        }
    }
}

impl Persist for KernelValue {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        let values = self.chains.iter().flat_map(Hyper::to_vec).collect();
        snapshot.put_array(at, "hyperparameters", Array::F64(values));
        Ok(())
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        let parameters = self.blocks.len();
        let each = parameters + 2 + if self.config.main_effects { 2 } else { 0 };
        let values = snapshot.f64s(at, "hyperparameters", each * self.config.chains)?;
        let chains = values.chunks_exact(each).map(|values| Hyper::from_slice(values, parameters));
        let Some(chains) = chains.collect() else {
            let rule = "must be lengths, variances and a noise within their bounds";
            return Err(Error::snapshot(format!("{at}/hyperparameters"), rule));
        };
        self.chains = chains;
        self.fitted = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Parameter;
    use crate::streams::Streams;

    #[derive(Deserialize)]
    struct Case {
        lengths: Vec<f64>,
        joint: f64,
        main: Option<(f64, f64)>,
        noise: f64,
        inputs: Vec<f32>,
        rewards: Vec<f32>,
        at: Vec<f32>,
        mean: Vec<f32>,
        spread: Vec<f32>,
        log_likelihood: f64,
    }

    fn space() -> SearchSpace {
        SearchSpace::new([
            Parameter::float("rate", 0.0, 1.0),
            Parameter::categorical("kind", ["a", "b", "c"]),
        ])
        .unwrap()
    }

    fn fitted(
        config: &Kernel,
        hyper: Hyper,
        draws: bool,
        inputs: &[f32],
        y: &[f32],
    ) -> KernelValue {
        let mut value = config.build(&space(), draws).unwrap();
        value.chains.fill(hyper);
        value.fit(Examples { inputs, rewards: y, pending: 0 }, &mut Streams::new(1).at("test", 0));
        value
    }

    #[test]
    fn the_posterior_and_the_evidence_are_those_of_numpy() {
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../../tests/fixtures/kernel.json")).unwrap();
        assert_eq!(cases.len(), 3);
        for case in cases {
            let Case { lengths, joint, main, noise, .. } = case;
            let hyper = Hyper { lengths, joint, main, noise };
            let main_effects = main.is_some();
            let config = Kernel { main_effects, chains: 1, evidence_steps: 0, ..Kernel::default() };
            let mut value = fitted(&config, hyper.clone(), false, &case.inputs, &case.rewards);
            assert_eq!(value.chains, std::slice::from_ref(&hyper));
            let mut found = Estimates::default();
            value.estimate(&case.at, 7, &mut found);
            for (found, expected) in [(&found.mean, &case.mean), (&found.spread, &case.spread)] {
                assert_eq!(found.len(), 7);
                for (f, e) in found.iter().zip(expected) {
                    assert!((f - e).abs() < 2e-3 * e.abs().max(0.1), "{f} instead of {e}");
                }
            }
            let rewards: Vec<f64> = case.rewards.iter().map(|y| f64::from(*y)).collect();
            let evidence = value.evidence(&hyper, &rewards).unwrap() - hyper.log_prior();
            let expected = case.log_likelihood;
            assert!((evidence - expected).abs() < 1e-3 * expected.abs(), "{evidence} {expected}");
        }
    }

    /// Three trials of the number alone, with the categorical fixed.
    const INPUTS: [f32; 12] = [-0.8, 1.0, 0.0, 0.0, 0.1, 1.0, 0.0, 0.0, 0.9, 1.0, 0.0, 0.0];

    #[test]
    fn draws_have_the_posteriors_mean_and_spread() {
        let config = Kernel { evidence_steps: 0, draw_features: 512, ..Kernel::default() };
        let hyper = Hyper { noise: 1e-3, ..Hyper::prior(2, true) };
        let rewards = [1.0, -1.0, 0.5];
        // At an example, between two, and at another choice.
        let at = [-0.8, 1.0, 0.0, 0.0, 0.5, 1.0, 0.0, 0.0, 0.1, 0.0, 1.0, 0.0];
        let mut estimates = Estimates::default();
        let draws = 400;
        let (mut sums, mut squares) = ([0.0f64; 3], [0.0f64; 3]);
        let mut value = config.build(&space(), true).unwrap();
        value.chains.fill(hyper);
        for draw in 0..draws {
            let examples = Examples { inputs: &INPUTS, rewards: &rewards, pending: 0 };
            value.fit(examples, &mut Streams::new(2).at("test", draw));
            value.estimate(&at, 3, &mut estimates);
            for (row, drawn) in estimates.members.iter().enumerate() {
                sums[row] += f64::from(*drawn);
                squares[row] += f64::from(*drawn).powi(2);
            }
        }
        for row in 0..3 {
            let mean = sums[row] / draws as f64;
            let sd = (squares[row] / draws as f64 - mean * mean).sqrt();
            let (expected, spread) =
                (f64::from(estimates.mean[row]), f64::from(estimates.spread[row]));
            // Four standard errors of the mean; the noise of 1e-3 at the examples besides.
            let error = 4.0 * (spread + 0.04) / (draws as f64).sqrt();
            assert!((mean - expected).abs() < error, "{row}: {mean} instead of {expected}");
            assert!((sd - spread).abs() < 0.15 * spread + 0.02, "{row}: {sd} instead of {spread}");
        }
    }

    #[test]
    fn chains_find_likely_hyperparameters_and_many_trials_are_thinned() {
        let mut rng = Streams::new(3).at("test", 0);
        let mut inputs = Vec::new();
        let mut rewards = Vec::new();
        for _ in 0..60 {
            let x: f32 = rng.random_range(-1.0..1.0);
            inputs.extend([x, 0.0, 1.0, 0.0]);
            rewards.push((9.0 * x).sin());
        }
        let start = Hyper::prior(2, true);
        let config = Kernel { evidence_steps: 40, ..Kernel::default() };
        let mut value = fitted(&config, start.clone(), false, &inputs, &rewards);
        let exact: Vec<f64> = rewards.iter().map(|y| f64::from(*y)).collect();
        for reached in value.chains.clone() {
            assert!(value.evidence(&reached, &exact) > value.evidence(&start, &exact));
        }

        let kept = thinned(&rewards, 10);
        assert_eq!(kept.len(), 10);
        let mut best: Vec<usize> = (0..60).collect();
        best.sort_by(|&a, &b| rewards[b].total_cmp(&rewards[a]));
        assert!(best[..5].iter().all(|place| kept.contains(place)));
        assert!(kept.is_sorted());
    }

    #[test]
    fn chains_sample_the_prior_where_there_is_nothing_to_learn() {
        // One trial says nothing of lengths.
        let config = Kernel { evidence_steps: 4, chains: 1, ..Kernel::default() };
        let mut value = config.build(&space(), false).unwrap();
        let mut rng = Streams::new(4).at("test", 0);
        let mut logs = Vec::new();
        for _ in 0..20_000 {
            value.fit(Examples { inputs: &INPUTS[..4], rewards: &[0.3], pending: 0 }, &mut rng);
            logs.extend(value.chains[0].lengths.iter().map(|length| length.ln()));
        }
        let count = logs.len() as f64;
        let mean = logs.iter().sum::<f64>() / count;
        let sd = (logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / count).sqrt();
        // Log-normal around 1 with a deviation of sqrt(2), of which the bounds cut little.
        assert!(mean.abs() < 0.2 && (sd - 2f64.sqrt()).abs() < 0.15, "{mean} {sd}");
    }

    #[test]
    fn the_mean_and_the_spread_are_those_of_the_mixture_of_chains() {
        let (short, long) = (Hyper::prior(2, true), Hyper::prior(2, true));
        let hypers = [
            Hyper { lengths: vec![0.2, 0.5], ..short },
            Hyper { lengths: vec![3.0, 1.0], joint: 2.0, ..long },
        ];
        let rewards = [1.0, -1.0, 0.5];
        let at = [0.4, 1.0, 0.0, 0.0, -0.3, 0.0, 0.0, 1.0];
        let config = Kernel { evidence_steps: 0, chains: 1, ..Kernel::default() };
        let alone = hypers.clone().map(|hyper| {
            let mut estimates = Estimates::default();
            fitted(&config, hyper, false, &INPUTS, &rewards).estimate(&at, 2, &mut estimates);
            estimates
        });
        let mut value = Kernel { chains: 2, ..config }.build(&space(), false).unwrap();
        value.chains.clone_from_slice(&hypers);
        let examples = Examples { inputs: &INPUTS, rewards: &rewards, pending: 0 };
        value.fit(examples, &mut Streams::new(1).at("test", 0));
        let mut found = Estimates::default();
        value.estimate(&at, 2, &mut found);
        for row in 0..2 {
            let [a, b] =
                [0, 1].map(|chain: usize| (alone[chain].mean[row], alone[chain].spread[row]));
            let mean = (a.0 + b.0) / 2.0;
            // The mean of the variances and the variance of the means.
            let variance = (a.1 * a.1 + b.1 * b.1) / 2.0 + ((a.0 - b.0) / 2.0).powi(2);
            assert!((found.mean[row] - mean).abs() < 1e-5);
            assert!((found.spread[row] - variance.sqrt()).abs() < 1e-4);
        }
    }

    #[test]
    fn equal_trials_and_a_single_one_are_fitted_too() {
        for count in [1, 2, 50] {
            let inputs = INPUTS[..4].repeat(count);
            let rewards = vec![0.5; count];
            let mut value =
                fitted(&Kernel::default(), Hyper::prior(2, true), true, &inputs, &rewards);
            let mut estimates = Estimates::default();
            value.estimate(&INPUTS, 3, &mut estimates);
            let all = [&estimates.mean, &estimates.spread, &estimates.members];
            assert!(all.iter().all(|values| values.iter().all(|value| value.is_finite())));
            assert!((estimates.mean[0] - 0.5).abs() < 0.1);
            assert!(estimates.spread[0] < estimates.spread[1]);
        }
    }

    #[test]
    fn damaged_snapshots_and_settings_out_of_range_are_refused() {
        let value = Kernel::default().build(&space(), false).unwrap();
        let mut snapshot = Snapshot::default();
        value.save("value", &mut snapshot).unwrap();
        let mut other = Kernel::default().build(&space(), false).unwrap();
        other.chains[2].noise = 0.5;
        other.load("value", &snapshot).unwrap();
        assert_eq!(other.chains, value.chains);
        for (place, bad) in [(0, 0.0), (1, f64::NAN), (2, -1.0), (3, 2.0), (4, 1e9), (5, 1e9)] {
            let mut values = value.chains[0].to_vec().repeat(3);
            values[place] = bad;
            snapshot.put_array("value", "hyperparameters", Array::F64(values));
            assert!(other.load("value", &snapshot).is_err(), "{place}");
        }
        assert_eq!(other.chains, value.chains);
        let refused = |kernel: Kernel| kernel.build(&space(), false).err().unwrap().to_string();
        assert_eq!(
            refused(Kernel { most_trials: 1, ..Kernel::default() }),
            "value function `kernel`: `most-trials` must be in 2..=2000, found 1"
        );
        assert!(refused(Kernel { chains: 0, ..Kernel::default() }).contains("chains"));
        assert!(refused(Kernel { draw_features: 0, ..Kernel::default() }).contains("draw-feat"));
    }
}
