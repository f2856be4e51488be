//! How much each parameter decides about being among the best trials: PED-ANOVA.
//!
//! - Watanabe, Bansal & Hutter 2023, "PED-ANOVA: efficiently quantifying hyperparameter importance in
//!   arbitrary subspaces", arXiv 2304.10255.
//! - The same for conditional parameters, "Conditional PED-ANOVA: hyperparameter importance in hierarchical
//!   and dynamic search spaces" 2026, arXiv 2601.20800.
//! - Scott 1992, "Multivariate density estimation" (the bandwidth).
//!
//! The numbers are those of Optuna 5's `PedAnovaImportanceEvaluator` as it is set by default;
//! `tests/fixtures/importance.py` has them computed by it.

use std::collections::{BTreeMap, HashMap};
use std::f64::consts::SQRT_2;

use statrs::function::erf::erfc;

use crate::space::Domain;
use crate::storage::{StoredParameter, StoredTrial, TrialState};
use crate::trial::Direction;

/// The best trials are this share of all.
const TARGET: f64 = 0.1;
/// Numbers are put on a grid of at most this many points.
const GRID: usize = 50;
/// The weight of the prior, which is as broad as the domain, among the trials' weights of 1.
const PRIOR: f64 = 1.0;
/// A domain that fewer trials have says nothing.
const FEWEST: usize = 2;
/// What is added to densities, against division by 0.
const TINY: f64 = 1e-12;
/// The least bandwidth on the grid: 90 % of a kernel is then in its own cell.
const NARROWEST: f64 = 0.5 / 1.64;

/// The importance of each parameter for being among the best tenth of the trials in the objective of this
/// position, by name, at least 0 and not normalized.
///
/// For each parameter, the Pearson divergence of its density among the best trials, `p`, from its density
/// among all, `q`: `sum q (p / q - 1)^2`, times the squared share of the best. Densities are mixtures of
/// kernels on a grid, truncated normal ones with Scott's bandwidth for numbers. Where a parameter is
/// conditional or its domain changes, each domain is a case of its own, of the trials that have it, with the
/// factor `a^2 / b` for its share `a` of the best trials and `b` of all. Whether a parameter is active at
/// all is not its own importance but its parent's.
///
/// Only complete trials with a finite value count. Empty with fewer than two of them. All importances are 0
/// where no trial is better than the others.
///
/// Several objectives are weighed one by one, which is Optuna's evaluator with a `target`. Without a target,
/// Optuna asks what leads to the Pareto front instead.
pub fn importances(
    trials: &[StoredTrial],
    objective: usize,
    direction: Direction,
) -> BTreeMap<String, f64> {
    let value = |trial: &StoredTrial| {
        let value = *trial.values.as_ref()?.get(objective)?;
        let loss = if direction == Direction::Minimize { value } else { -value };
        (trial.state == TrialState::Complete && value.is_finite()).then_some(loss)
    };
    let all: Vec<(f64, &StoredTrial)> =
        trials.iter().filter_map(|trial| Some((value(trial)?, trial))).collect();
    let Some(limit) = limit(all.iter().map(|(loss, _)| *loss).collect()) else {
        return BTreeMap::new();
    };
    let best_count = all.iter().filter(|(loss, _)| *loss <= limit).count() as f64;
    let count = all.len() as f64;

    let mut importances = BTreeMap::new();
    for (name, cases) in cases(&all, limit) {
        let sum: f64 = cases
            .iter()
            .filter(|case| case.all.len() >= FEWEST && !case.best.is_empty())
            .map(|case| {
                let best_share = case.best.len() as f64 / best_count;
                let share = case.all.len() as f64 / count;
                best_share.powi(2) / share * case.divergence()
            })
            .sum();
        importances.insert(name.to_owned(), sum * (best_count / count).powi(2));
    }
    importances
}

/// The loss of the worst trial that is among the best; `None` with fewer than two trials.
fn limit(mut losses: Vec<f64>) -> Option<f64> {
    if losses.len() < 2 {
        return None;
    }
    let index = (TARGET * losses.len() as f64).ceil() as usize - 1;
    Some(*losses.select_nth_unstable_by(index, f64::total_cmp).1)
}

/// The trials in which a parameter has one and the same domain.
struct Case<'a> {
    domain: &'a Domain,
    all: Vec<f64>,
    best: Vec<f64>,
}

fn cases<'a>(all: &[(f64, &'a StoredTrial)], limit: f64) -> BTreeMap<&'a str, Vec<Case<'a>>> {
    let mut parameters: BTreeMap<&str, Vec<Case<'_>>> = BTreeMap::new();
    // Where the last trial's domain was found: a parameter may have many, but changes rarely.
    let mut latest: HashMap<&str, usize> = HashMap::new();
    for (loss, trial) in all {
        for (name, StoredParameter { domain, internal }) in &trial.parameters {
            let cases = parameters.entry(name).or_default();
            let guess = latest.get(name.as_str()).filter(|at| cases[**at].domain == domain);
            let found = guess.copied().or_else(|| cases.iter().position(|c| c.domain == domain));
            let at = found.unwrap_or_else(|| {
                cases.push(Case { domain, all: Vec::new(), best: Vec::new() });
                cases.len() - 1
            });
            latest.insert(name, at);
            cases[at].all.push(*internal);
            if *loss <= limit {
                cases[at].best.push(*internal);
            }
        }
    }
    parameters
}

impl Case<'_> {
    /// The Pearson divergence of the best trials' density from the density of all; 0 where the domain has
    /// one value only.
    fn divergence(&self) -> f64 {
        let Some(grid) = Grid::of(self.domain) else { return 0.0 };
        let (best, all) = (grid.density(&self.best), grid.density(&self.all));
        let term =
            |(best, all): (f64, f64)| (all + TINY) * ((best + TINY) / (all + TINY) - 1.0).powi(2);
        best.into_iter().zip(all).map(term).sum()
    }
}

/// The grid that a domain's values are put on.
struct Grid {
    points: usize,
    /// Of numbers: the ends, after the logarithm, and whether there is one.
    numbers: Option<(f64, f64, bool)>,
}

impl Grid {
    /// `None` for a domain with one value, and for one that has no sound meaning.
    fn of(domain: &Domain) -> Option<Self> {
        let (low, high, log, points) = match domain {
            Domain::Categorical { choices } => {
                return (choices.len() > 1)
                    .then_some(Self { points: choices.len(), numbers: None });
            }
            Domain::Float { low, high, log, step } => {
                let values = step.map(|step| stepped(high - low, step));
                (*low, *high, *log, values.unwrap_or(GRID))
            }
            Domain::Int { low, high, log, step } => {
                let (low, high) = (*low as f64, *high as f64);
                let values = match log {
                    true => (high - low + 1.0).log2().ceil() as usize + 1,
                    false => stepped(high - low, *step as f64),
                };
                (low, high, *log, values)
            }
        };
        let (low, high) = if log { (low.ln(), high.ln()) } else { (low, high) };
        let points = points.min(GRID);
        let sound = (high - low).is_finite() && low < high && points > 1;
        sound.then_some(Self { points, numbers: Some((low, high, log)) })
    }

    /// The density at each point of the grid.
    fn density(&self, values: &[f64]) -> Vec<f64> {
        let mut counts = vec![0u32; self.points];
        for value in values {
            counts[self.cell(*value)] += 1;
        }
        let observed: Vec<(usize, f64)> = counts
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(|(at, count)| (at, f64::from(*count)))
            .collect();
        let total = values.len() as f64 + PRIOR;
        match self.numbers {
            None => self.categories(&observed, total),
            Some(_) => self.normals(&observed, total),
        }
    }

    /// The nearest point, the lower one of two.
    fn cell(&self, value: f64) -> usize {
        let last = (self.points - 1) as f64;
        let at = match self.numbers {
            None => value,
            Some((low, high, log)) => {
                let value = if log { value.ln() } else { value };
                ((value - low) / ((high - low) / last) - 0.5).ceil()
            }
        };
        at.clamp(0.0, last) as usize
    }

    /// A kernel for each choice that was observed, and the uniform prior.
    fn categories(&self, observed: &[(usize, f64)], total: f64) -> Vec<f64> {
        let smoothing = PRIOR / (observed.len() + 1) as f64;
        let mass = 1.0 + smoothing * self.points as f64;
        let mut density = vec![PRIOR / total / self.points as f64; self.points];
        for (at, count) in observed {
            let weight = count / total;
            density.iter_mut().for_each(|density| *density += weight * smoothing / mass);
            density[*at] += weight / mass;
        }
        density
    }

    /// A truncated normal kernel at each point that was observed, and the prior.
    fn normals(&self, observed: &[(usize, f64)], total: f64) -> Vec<f64> {
        let last = (self.points - 1) as f64;
        let width = scott(observed).max(NARROWEST);
        let kernels = observed.iter().map(|(at, count)| (*at as f64, width, *count));
        let mut density = vec![0.0; self.points];
        for (mean, width, weight) in kernels.chain([(last / 2.0, last + 1.0, PRIOR)]) {
            let inside = normal_mass(-0.5 - mean, last + 0.5 - mean, width);
            for (at, density) in density.iter_mut().enumerate() {
                let from = at as f64 - 0.5 - mean;
                *density += weight / total * normal_mass(from, from + 1.0, width) / inside;
            }
        }
        density
    }
}

/// The number of values of a stepped domain of this range, as far as the grid has points.
fn stepped(range: f64, step: f64) -> usize {
    (range / step).round_ties_even().min(GRID as f64) as usize + 1
}

/// Scott's bandwidth of points with counts: `1.059 min(IQR / 1.34, s) n^(-1/5)`.
fn scott(observed: &[(usize, f64)]) -> f64 {
    let count: f64 = observed.iter().map(|(_, count)| count).sum();
    let mean = observed.iter().map(|(at, count)| *at as f64 * count).sum::<f64>() / count;
    let squares: f64 = observed.iter().map(|(at, w)| (*at as f64 - mean).powi(2) * w).sum();
    let deviation = (squares / (count - 1.0).max(1.0)).sqrt();
    // The first point at which the running count passes a bound, or reaches it.
    let quantile = |passed: &dyn Fn(f64) -> bool| {
        let mut running = 0.0;
        let found = observed.iter().find(|(_, count)| {
            running += count;
            passed(running)
        });
        found.or(observed.last()).map_or(0.0, |(at, _)| *at as f64)
    };
    let (first, third) = ((count / 4.0).floor(), (count * 3.0 / 4.0).floor());
    let range = quantile(&|running| running > third) - quantile(&|running| running >= first);
    1.059 * (range / 1.34).min(deviation) * count.powf(-0.2)
}

/// The mass of a centred normal distribution between two numbers, precise in both tails.
fn normal_mass(from: f64, to: f64, deviation: f64) -> f64 {
    let upper = |x: f64| 0.5 * erfc(x / (deviation * SQRT_2));
    if from > 0.0 { upper(from) - upper(to) } else { upper(-to) - upper(-from) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::Value as Json;

    use super::*;
    use crate::report::tests::{parameter, trial};
    use crate::space::Choice;

    #[derive(Deserialize)]
    struct Fixture {
        name: String,
        directions: Vec<Direction>,
        domains: Vec<Json>,
        trials: Vec<FixtureTrial>,
        importances: Vec<BTreeMap<String, f64>>,
    }

    #[derive(Deserialize)]
    struct FixtureTrial {
        values: Vec<Json>,
        parameters: Vec<(String, usize, f64)>,
    }

    fn domain(json: &Json) -> Domain {
        let attributes = &json["attributes"];
        let log = attributes["log"].as_bool().unwrap_or(false);
        match json["name"].as_str().unwrap() {
            "FloatDistribution" => Domain::Float {
                low: attributes["low"].as_f64().unwrap(),
                high: attributes["high"].as_f64().unwrap(),
                log,
                step: attributes["step"].as_f64(),
            },
            "IntDistribution" => Domain::Int {
                low: attributes["low"].as_i64().unwrap(),
                high: attributes["high"].as_i64().unwrap(),
                log,
                step: attributes["step"].as_i64().unwrap(),
            },
            _ => Domain::Categorical {
                choices: serde_json::from_value(attributes["choices"].clone()).unwrap(),
            },
        }
    }

    #[test]
    fn importances_are_optunas() {
        let cases: Vec<Fixture> =
            serde_json::from_str(include_str!("../../tests/fixtures/importance.json")).unwrap();
        let mut compared = 0;
        for case in cases {
            let domains: Vec<Domain> = case.domains.iter().map(domain).collect();
            let trials: Vec<StoredTrial> = case
                .trials
                .iter()
                .enumerate()
                .map(|(number, row)| {
                    let read = |value: &Json| value.as_f64().unwrap_or(f64::INFINITY);
                    let mut trial = trial(number as u64, &[]);
                    trial.values = Some(row.values.iter().map(read).collect());
                    let stored = |(name, domain, internal): &(String, usize, f64)| {
                        let domain = domains[*domain].clone();
                        (name.clone(), StoredParameter { domain, internal: *internal })
                    };
                    trial.parameters = row.parameters.iter().map(stored).collect();
                    trial
                })
                .collect();
            for (objective, wanted) in case.importances.iter().enumerate() {
                let found = importances(&trials, objective, case.directions[objective]);
                assert!(found.keys().eq(wanted.keys()), "{}", case.name);
                for (name, wanted) in wanted {
                    let found = found[name];
                    let off = (found - wanted).abs();
                    assert!(off <= 1e-9 * wanted, "{}: {name}: {found}, {wanted}", case.name);
                    compared += usize::from(*wanted > 0.0);
                }
            }
        }
        assert!(compared > 30);
    }

    #[test]
    fn the_parameter_that_decides_is_the_important_one() {
        let trials: Vec<StoredTrial> = (0..100)
            .map(|number| {
                let (x, y) = ((number % 10) as f64, (number / 10) as f64);
                let mut trial = trial(number, &[x]);
                let wide = Domain::Float { low: 0.0, high: 9.0, log: false, step: None };
                trial.parameters = vec![parameter("x", wide.clone(), x), parameter("y", wide, y)];
                trial
            })
            .collect();
        let found = importances(&trials, 0, Direction::Minimize);
        assert!(found["x"] > 20.0 * found["y"], "{found:?}");
        assert!(importances(&trials[..1], 0, Direction::Minimize).is_empty());
        // An objective that no trial has.
        assert!(importances(&trials, 1, Direction::Minimize).is_empty());
    }

    #[test]
    fn domains_without_a_meaning_are_worth_nothing() {
        let float = |low, high, log, step| Domain::Float { low, high, log, step };
        for domain in [
            float(0.0, f64::INFINITY, false, None),
            float(-f64::MAX, f64::MAX, false, None),
            float(0.0, 1.0, true, None),
            float(f64::NAN, 1.0, false, None),
            float(0.0, 1.0, false, Some(0.0)),
            float(2.0, 1.0, false, None),
            Domain::Int { low: i64::MIN, high: i64::MAX, log: false, step: 0 },
            Domain::Categorical { choices: Vec::new() },
            Domain::Categorical { choices: vec![Choice::Null] },
        ] {
            let trials: Vec<StoredTrial> = (0..20)
                .map(|number| {
                    let mut trial = trial(number, &[number as f64]);
                    trial.parameters = vec![parameter("x", domain.clone(), number as f64)];
                    trial
                })
                .collect();
            let found = importances(&trials, 0, Direction::Minimize)["x"];
            assert!(found.is_finite() && found >= 0.0, "{domain:?}: {found}");
        }
    }
}
