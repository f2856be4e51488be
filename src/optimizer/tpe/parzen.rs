//! The Parzen estimator: a density over configurations as a mixture of one kernel a trial.

use std::sync::Arc;

use rand::RngExt;

use super::Tpe;
use crate::normal;
use crate::space::{Domain, Value};
use crate::streams::Generator;

/// A mixture of products: one component a trial and the prior as the last, each a product over the
/// parameters of a normal distribution truncated to `[0, 1]` or of a categorical one.
///
/// Numbers lie in the unit interval, which is an affine image of their own scale, and the density is with
/// respect to it. A discrete number has the mass of its cell.
pub(super) struct Parzen<'a> {
    domains: Vec<&'a Domain>,
    /// Of the components, summing to 1.
    weights: Vec<f64>,
    /// By parameter.
    kernels: Vec<Kernels>,
}

/// The kernels of one parameter, one a component.
enum Kernels {
    Numeric(Vec<Normal>),
    /// The probabilities of the choices.
    Categorical(Vec<Arc<[f64]>>),
}

/// A normal distribution truncated to `[0, 1]`.
#[derive(Clone, Copy)]
struct Normal {
    mean: f64,
    deviation: f64,
    /// `ln` of the mass in `[0, 1]` before it was truncated.
    ln_mass: f64,
}

impl<'a> Parzen<'a> {
    /// The estimator of `rows`, the values of one trial each, from the oldest to the newest.
    pub(super) fn new(domains: &[&'a Domain], rows: &[Vec<Value>], settings: &Tpe) -> Self {
        let mut weights = recency(rows.len(), settings.full_weight);
        weights.push(if rows.is_empty() { 1.0 } else { settings.prior_weight });
        let total: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= total);
        let kernels = domains
            .iter()
            .enumerate()
            .map(|(parameter, domain)| {
                let values = rows.iter().map(|row| row[parameter]);
                match domain {
                    Domain::Categorical { choices } => {
                        Kernels::Categorical(categorical(choices.len(), values, settings))
                    }
                    _ => {
                        let means: Vec<f64> = values.map(|value| domain.to_unit(value)).collect();
                        Kernels::Numeric(numeric(&means, settings.magic_clip))
                    }
                }
            })
            .collect();
        Self { domains: domains.to_vec(), weights, kernels }
    }

    /// Draws the values of a configuration.
    pub(super) fn sample(&self, rng: &mut Generator) -> Vec<Value> {
        let component = pick(&self.weights, rng);
        self.kernels
            .iter()
            .zip(&self.domains)
            .map(|(kernels, domain)| match kernels {
                Kernels::Numeric(kernels) => domain.from_unit(kernels[component].sample(rng)),
                Kernels::Categorical(kernels) => Value::Category(pick(&kernels[component], rng)),
            })
            .collect()
    }

    /// `ln` of the density of a configuration's values.
    pub(super) fn ln_density(&self, values: &[Value]) -> f64 {
        let mut terms: Vec<f64> = self.weights.iter().map(|weight| weight.ln()).collect();
        for ((kernels, domain), &value) in self.kernels.iter().zip(&self.domains).zip(values) {
            match (kernels, value) {
                (Kernels::Categorical(kernels), Value::Category(choice)) => {
                    terms.iter_mut().zip(kernels).for_each(|(term, k)| *term += k[choice].ln());
                }
                (Kernels::Numeric(kernels), value) => match domain.cell(value) {
                    Some((low, high)) => terms
                        .iter_mut()
                        .zip(kernels)
                        .for_each(|(term, kernel)| *term += kernel.ln_mass_between(low, high)),
                    None => {
                        let unit = domain.to_unit(value);
                        terms
                            .iter_mut()
                            .zip(kernels)
                            .for_each(|(term, kernel)| *term += kernel.ln_density(unit));
                    }
                },
                (Kernels::Categorical(_), value) => {
                    unreachable!("{value:?} is of another kind than its domain")
                }
            }
        }
        let most = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        most + terms.iter().map(|term| (term - most).exp()).sum::<f64>().ln()
    }
}

impl Normal {
    fn new(mean: f64, deviation: f64) -> Self {
        let ln_mass = normal::ln_mass(-mean / deviation, (1.0 - mean) / deviation);
        Self { mean, deviation, ln_mass }
    }

    fn ln_density(self, unit: f64) -> f64 {
        let z = (unit - self.mean) / self.deviation;
        normal::ln_density(z) - self.deviation.ln() - self.ln_mass
    }

    fn ln_mass_between(self, low: f64, high: f64) -> f64 {
        let z = |unit: f64| (unit - self.mean) / self.deviation;
        normal::ln_mass(z(low), z(high)) - self.ln_mass
    }

    fn sample(self, rng: &mut Generator) -> f64 {
        // The mean lies in the interval, so neither end is far out in a tail.
        let low = normal::cdf(-self.mean / self.deviation);
        let high = normal::cdf((1.0 - self.mean) / self.deviation);
        let p = low + rng.random::<f64>() * (high - low);
        (self.mean + self.deviation * normal::quantile(p)).clamp(0.0, 1.0)
    }
}

/// The weights of so many trials, the newest last: 1 for the last `full` ones, before them rising evenly from
/// `1 / count` to 1 (Bergstra, Yamins & Cox 2013).
fn recency(count: usize, full: usize) -> Vec<f64> {
    let rising = count.saturating_sub(full);
    let first = 1.0 / count.max(1) as f64;
    (0..count)
        .map(|place| match place {
            place if place >= rising => 1.0,
            0 => first,
            place => first + (1.0 - first) * place as f64 / (rising - 1) as f64,
        })
        .collect()
}

/// The kernels around `means` and the prior: a mean of 1/2, a deviation of 1.
fn numeric(means: &[f64], magic_clip: bool) -> Vec<Normal> {
    let count = means.len();
    let least = match magic_clip {
        true => 1.0 / (2.0 + count as f64).min(100.0),
        false => LEAST_DEVIATION,
    };
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&a, &b| means[a].total_cmp(&means[b]));
    let mut kernels = vec![Normal::new(0.5, 1.0); count + 1];
    for (place, &index) in order.iter().enumerate() {
        let mean = means[index];
        let below = place.checked_sub(1).map(|place| mean - means[order[place]]);
        let above = order.get(place + 1).map(|&next| means[next] - mean);
        // The ends of the interval are neighbours of a single trial only.
        let deviation = match (below, above) {
            (Some(below), Some(above)) => below.max(above),
            (Some(gap), None) | (None, Some(gap)) => gap,
            (None, None) => mean.max(1.0 - mean),
        };
        kernels[index] = Normal::new(mean, deviation.clamp(least, 1.0));
    }
    kernels
}

/// The least deviation without the magic clip.
const LEAST_DEVIATION: f64 = 1e-12;

/// The kernels around observed choices and the prior, which is uniform.
fn categorical(
    choices: usize,
    values: impl ExactSizeIterator<Item = Value>,
    settings: &Tpe,
) -> Vec<Arc<[f64]>> {
    let spread = settings.prior_weight / (values.len() + 1) as f64;
    let total = 1.0 + spread * choices as f64;
    // Trials of equal choices have equal kernels.
    let kernels: Vec<Arc<[f64]>> = (0..choices)
        .map(|chosen| {
            (0..choices).map(|c| (spread + f64::from(u8::from(c == chosen))) / total).collect()
        })
        .collect();
    values
        .map(|value| match value {
            Value::Category(choice) => Arc::clone(&kernels[choice]),
            other => unreachable!("{other:?} is of another kind than its domain"),
        })
        .chain([vec![1.0 / choices as f64; choices].into()])
        .collect()
}

/// Draws a place in proportion to `weights`, which sum to 1.
fn pick(weights: &[f64], rng: &mut Generator) -> usize {
    let mut left: f64 = rng.random();
    for (place, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return place;
        }
    }
    weights.len() - 1
}
