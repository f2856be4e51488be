//! What is believed of a task, given the prior and its trials so far.

use super::prior::{LearnedPrior, Points, PriorSettings, square_distance};

/// A new task as far as it is known before its first trial.
#[derive(Debug, Clone, Copy, Default)]
pub struct Target<'a> {
    /// Its standardized meta-features, where it has any.
    pub meta_features: Option<&'a [f64]>,
    /// The training tasks that must not enter its prior, by their places.
    pub excluded: &'a [usize],
}

/// The posterior over the normalized scores of a task's configurations.
///
/// Scores come in the objective's own unit, and how they relate to normalized ones is not known: the task's
/// best and worst score are. So `y = a + b z` with `a` (the worst) and `b` (the range) unknown, and the
/// posterior is a mixture over hypotheses `(a, b)`: those of the training tasks, weighted by their
/// similarity and varied (the range by factors `e^(0.3 u)`, the best by `0.1 u` ranges, with `u` standard
/// normal on seven points from -1.5 to 1.5), and a few that the scores themselves suggest, should no training
/// task resemble this one. The weight of a hypothesis after `t` trials is its prior weight times
///
/// ```text
/// b^-t exp(-|L^-1 (y - a - b m)|^2 / (2 b^2))        L L' = C + noise^2 I  at the trials
/// ```
///
/// (Rasmussen & Williams 2006, equation 2.30). Since `C` does not depend on `(a, b)`, three whitened vectors,
/// `L^-1 y`, `L^-1 1` and `L^-1 m`, serve all hypotheses. A hypothesis whose best is below a score that was
/// seen, by more than 2 % of its range, is ruled out. Mean and spread of `z` are then
///
/// ```text
/// mean(x) = m(x) + c(x)' (C + noise^2 I)^-1 ((y - a) / b - m)    averaged over hypotheses: it is linear in 1/b, a/b
/// sd(x)^2 = C(x, x) - |L^-1 c(x)|^2
/// ```
#[derive(Debug, Clone)]
pub struct Belief {
    settings: PriorSettings,
    prior_mean: Vec<f64>,
    /// The weighted deviations of the training tasks, task after task: `sqrt((1 - blend) w_k) (z_k - m)` at
    /// each point.
    deviations: Vec<f64>,
    /// `blend v`.
    kernel_variance: f64,
    variance: Vec<f64>,
    /// `L^-1 C` of each trial at every point, trial after trial.
    factors: Vec<f64>,
    whitened: Vec<Whitened>,
    /// `C L'^-1` times the whitened scores, ones and prior means, at every point.
    of_scores: Vec<f64>,
    of_ones: Vec<f64>,
    of_means: Vec<f64>,
    scores: Vec<f64>,
    hypotheses: Vec<Hypothesis>,
    location: f64,
    scale: f64,
    mean: Vec<f64>,
    column: Vec<f64>,
    /// The log weights of the hypotheses.
    weights: Vec<f64>,
}

/// One trial's entries of `L^-1 y`, `L^-1 1` and `L^-1 m`.
#[derive(Debug, Clone, Copy)]
struct Whitened {
    score: f64,
    one: f64,
    mean: f64,
}

#[derive(Debug, Clone, Copy)]
struct Hypothesis {
    worst: f64,
    range: f64,
    log_range: f64,
    log_weight: f64,
}

/// The seven values of the standard normal variable that varies a training task's best and range.
const VARIATIONS: [f64; 7] = [-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5];
/// How far the logarithm of the range varies, and the best as a share of the range.
const RANGE_SPREAD: f64 = 0.3;
const BEST_SPREAD: f64 = 0.1;
/// The prior probability that the task's scores resemble those of no training task.
const STRANGER: f64 = 0.02;
/// The ranges that such scores may have: theirs so far, doubled so many times less one.
const STRANGERS: u32 = 6;
/// A score may be above a hypothesis's best by this share of its range: scores are noisy.
const TOLERANCE: f64 = 0.02;

impl Belief {
    /// The belief before the first trial.
    pub fn new(
        prior: &LearnedPrior,
        settings: &PriorSettings,
        points: &Points,
        target: Target<'_>,
    ) -> Self {
        let sources = prior.sources();
        let weights = prior.weights(settings, target.meta_features, target.excluded);
        let used: Vec<usize> = (0..sources.len()).filter(|&k| weights[k] > 0.0).collect();
        let count = points.len();
        let mean_at = |value: &dyn Fn(usize) -> f64| -> f64 {
            if used.is_empty() { 0.5 } else { used.iter().map(|&k| weights[k] * value(k)).sum() }
        };
        let shares: Vec<f64> = used.iter().map(|&k| weights[k].sqrt()).collect();
        let prior_mean: Vec<f64> =
            (0..count).map(|point| mean_at(&|k| points.value(point, &sources[k].values))).collect();
        let mut deviations = Vec::with_capacity(count * used.len());
        for (&k, share) in used.iter().zip(&shares) {
            let means = prior_mean.iter().enumerate();
            deviations.extend(
                means.map(|(point, m)| share * (points.value(point, &sources[k].values) - m)),
            );
        }
        // The variance of the first term, over the rows of the tables: it must not depend on the points.
        let kernel_level = if used.is_empty() {
            IGNORANT_VARIANCE
        } else {
            let rows = prior.grid().len();
            let of_row = |row: usize| -> f64 {
                let mean = mean_at(&|k| sources[k].values[row]);
                used.iter().map(|&k| weights[k] * (sources[k].values[row] - mean).powi(2)).sum()
            };
            (0..rows).map(of_row).sum::<f64>() / rows as f64
        };
        let blend = if used.is_empty() { 1.0 } else { settings.blend };
        let root = (1.0 - blend).sqrt();
        deviations.iter_mut().for_each(|deviation| *deviation *= root);
        let kernel_variance = blend * kernel_level;
        let mut variance = vec![kernel_variance; count];
        for deviations in deviations.chunks_exact(count) {
            variance.iter_mut().zip(deviations).for_each(|(sum, d)| *sum += d * d);
        }
        let mut hypotheses = Vec::new();
        for &k in &used {
            let (best, range) = (sources[k].best, sources[k].range());
            for u in VARIATIONS {
                for v in VARIATIONS {
                    let varied = range * (RANGE_SPREAD * u).exp();
                    hypotheses.push(Hypothesis {
                        worst: best + BEST_SPREAD * v * range - varied,
                        range: varied,
                        log_range: varied.ln(),
                        log_weight: weights[k].ln() - 0.5 * (u * u + v * v),
                    });
                }
            }
        }
        // Training tasks' hypotheses share what strangers leave.
        let sum: f64 = hypotheses.iter().map(|h| h.log_weight.exp()).sum();
        let share = (1.0 - STRANGER).ln() - if sum > 0.0 { sum.ln() } else { 0.0 };
        hypotheses.iter_mut().for_each(|h| h.log_weight += share);
        Self {
            settings: *settings,
            mean: prior_mean.clone(),
            prior_mean,
            deviations,
            kernel_variance,
            variance,
            factors: Vec::new(),
            whitened: Vec::new(),
            of_scores: vec![0.0; count],
            of_ones: vec![0.0; count],
            of_means: vec![0.0; count],
            scores: Vec::new(),
            hypotheses,
            location: 0.0,
            scale: 1.0,
            column: Vec::new(),
            weights: Vec::new(),
        }
    }

    /// The number of trials that the belief takes into account.
    pub fn trials(&self) -> usize {
        self.scores.len()
    }

    /// The expected normalized score of every point.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The variance of the normalized score of every point, without the noise.
    pub fn variance(&self) -> &[f64] {
        &self.variance
    }

    /// The standard deviation of a point's normalized score.
    pub fn sd(&self, point: usize) -> f64 {
        self.variance[point].max(1e-8).sqrt()
    }

    /// The best score so far on the normalized scale; `None` before the first trial.
    pub fn incumbent(&self) -> Option<f64> {
        let best = self.scores.iter().copied().reduce(f64::max)?;
        Some((best - self.location) / self.scale)
    }

    /// The mean square of the trials' whitened residuals: about 1 where the prior fits, more where the task is
    /// not as the training tasks were. 1 before the first trial.
    pub fn misfit(&self) -> f64 {
        if self.whitened.is_empty() {
            return 1.0;
        }
        let residual = |w: &Whitened| (w.score - self.location * w.one) / self.scale - w.mean;
        let sum: f64 = self.whitened.iter().map(|w| residual(w).powi(2)).sum();
        sum / self.whitened.len() as f64
    }

    /// Takes the score of a point into account, in the objective's own unit and more being better.
    ///
    /// # Panics
    ///
    /// If there is no such point or the score is not finite.
    pub fn observe(&mut self, points: &Points, point: usize, score: f64) {
        assert!(score.is_finite(), "failed trials have no score");
        let count = self.mean.len();
        let mut column = std::mem::take(&mut self.column);
        column.clear();
        if self.kernel_variance > 0.0 {
            let encoded = points.encoded(point);
            let shrink = -0.5 / (self.settings.length * self.settings.length);
            column.extend((0..count).map(|other| {
                let exponent = shrink * square_distance(encoded, points.encoded(other));
                self.kernel_variance * exponent.exp()
            }));
        } else {
            column.resize(count, 0.0);
        }
        for deviations in self.deviations.chunks_exact(count) {
            let own = deviations[point];
            column.iter_mut().zip(deviations).for_each(|(c, d)| *c += own * d);
        }
        for factor in self.factors.chunks_exact(count) {
            let own = factor[point];
            column.iter_mut().zip(factor).for_each(|(c, f)| *c -= own * f);
        }
        let root = (column[point].max(1e-9) + self.settings.noise.powi(2)).sqrt();
        column.iter_mut().for_each(|c| *c /= root);
        let whitened = Whitened {
            score: (score - self.of_scores[point]) / root,
            one: (1.0 - self.of_ones[point]) / root,
            mean: (self.prior_mean[point] - self.of_means[point]) / root,
        };
        for (place, &factor) in column.iter().enumerate() {
            self.of_scores[place] += factor * whitened.score;
            self.of_ones[place] += factor * whitened.one;
            self.of_means[place] += factor * whitened.mean;
            self.variance[place] -= factor * factor;
        }
        self.factors.extend_from_slice(&column);
        self.column = column;
        self.whitened.push(whitened);
        self.scores.push(score);
        self.weigh();
        let (per_score, per_one) = (1.0 / self.scale, self.location / self.scale);
        for place in 0..count {
            self.mean[place] = self.prior_mean[place]
                + (per_score * self.of_scores[place] - per_one * self.of_ones[place])
                - self.of_means[place];
        }
    }

    /// Decides location and scale anew.
    fn weigh(&mut self) {
        // The products of the three whitened vectors: scores y, ones o, prior means m.
        let [mut yy, mut oo, mut mm, mut yo, mut ym, mut om] = [0.0; 6];
        for w in &self.whitened {
            yy += w.score * w.score;
            oo += w.one * w.one;
            mm += w.mean * w.mean;
            yo += w.score * w.one;
            ym += w.score * w.mean;
            om += w.one * w.mean;
        }
        let trials = self.scores.len() as f64;
        let highest = self.scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let lowest = self.scores.iter().copied().fold(f64::INFINITY, f64::min);
        // Hypotheses from the scores alone: ranges from theirs upward, and the worst by least squares.
        let seen = match highest - lowest {
            0.0 => highest.abs().max(1.0) * 1e-3,
            range => range,
        };
        // The location is integrated out over an interval as wide as the scores are large.
        let width = highest.abs().max(lowest.abs()).max(4.0 * seen);
        let strangers = (0..STRANGERS).map(|doubling| {
            let range = seen * f64::from(1 << doubling);
            let integral = range * (std::f64::consts::TAU / oo).sqrt() / width;
            Hypothesis {
                worst: (yo - range * om) / oo,
                range,
                log_range: range.ln(),
                log_weight: (STRANGER / f64::from(STRANGERS)).ln() + integral.ln(),
            }
        });
        let log_weight = |h: &Hypothesis| -> f64 {
            let (a, b) = (h.worst, h.range);
            if a + (1.0 + TOLERANCE) * b < highest {
                return f64::NEG_INFINITY;
            }
            let square =
                yy + a * a * oo + b * b * mm - 2.0 * a * yo - 2.0 * b * ym + 2.0 * a * b * om;
            h.log_weight - trials * h.log_range - 0.5 * square / (b * b)
        };
        let all = || self.hypotheses.iter().copied().chain(strangers.clone());
        let weighted = &mut self.weights;
        weighted.clear();
        weighted.extend(all().map(|h| log_weight(&h)));
        let most = weighted.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if most == f64::NEG_INFINITY {
            // Every hypothesis lies below the best score: take the scores as they are.
            (self.location, self.scale) = (lowest, seen);
            return;
        }
        let (mut sum, mut per_score, mut per_one) = (0.0, 0.0, 0.0);
        for (log_weight, hypothesis) in weighted.iter().zip(all()) {
            // Weights below 1e-15 of the largest do not change a sum of 64-bit floats.
            if log_weight - most < -35.0 {
                continue;
            }
            let weight = (log_weight - most).exp();
            sum += weight;
            per_score += weight / hypothesis.range;
            per_one += weight * hypothesis.worst / hypothesis.range;
        }
        self.scale = sum / per_score;
        self.location = self.scale * per_one / sum;
    }
}

/// The variance of normalized scores where no task is known: that of a uniform distribution.
const IGNORANT_VARIANCE: f64 = 1.0 / 12.0;
