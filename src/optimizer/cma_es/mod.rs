//! Covariance matrix adaptation with restarts and, for discrete numbers, a margin.
//!
//! Sources: Hansen 2016, "The CMA evolution strategy: a tutorial" (arXiv 1604.00772); Auger & Hansen 2005, "A
//! restart CMA evolution strategy with increasing population size"; Hamano, Saito, Nomura & Shirakawa 2022, "CMA-ES
//! with margin"; Hansen 2011, "Injecting external solutions into CMA-ES" (arXiv 1110.4181).

mod eigen;
mod evolution;
mod margin;

use std::collections::BTreeMap;

use rand::RngExt;
use serde::{Deserialize, Serialize};

use self::evolution::{Evolution, Solution};
use self::margin::Corrected;
use super::{Context, Optimizer, Problem};
use crate::error::{Error, Result};
use crate::persist::{Array, Persist, Snapshot};
use crate::space::{Configuration, Domain};
use crate::streams::Generator;
use crate::trial::{Score, Trial};

/// Settings of CMA-ES. The defaults are those of the `cmaes` package as Optuna uses it, with restarts.
///
/// Numbers lie in the unit cube. A generation of points is drawn from a normal distribution, whose mean
/// moves to the better half and whose covariance and step size learn from the steps that were good. A run
/// begins in the middle, and ends where its scores are flat, its steps vanish or grow beyond all bounds, or its
/// covariance is ill-conditioned; the next begins at a random point with a larger population.
///
/// ```
/// use hyperq::optimizer::CmaEs;
/// use hyperq::space::{Parameter, SearchSpace};
/// use hyperq::study::Study;
///
/// let space =
///     SearchSpace::new([Parameter::float("x", -5.0, 5.0), Parameter::float("y", -5.0, 5.0)])?;
/// let cma_es = CmaEs { sigma: 0.3, ..CmaEs::default() };
/// let mut study = Study::builder(space).configured(cma_es).seed(1).build()?;
/// study.optimize(300, |trial| {
///     let (x, y) = (trial.float("x").unwrap() - 2.0, trial.float("y").unwrap() + 1.0);
///     x * x + 100.0 * (x + y) * (x + y)
/// })?;
/// assert!(study.value(study.best().unwrap()).unwrap() < 1e-3);
/// # Ok::<(), hyperq::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CmaEs {
    /// How many trials make a generation of the first run, at least 4; `None` for `4 + floor(3 ln n)`, where
    /// `n` is the number of numeric parameters.
    pub population: Option<usize>,
    /// The standard deviation that a run begins with, where a parameter's range is 1; above 0.
    pub sigma: f64,
    /// By how much the population of each run is larger than that of the one before, at least 1.
    pub growth: f64,
}

impl Default for CmaEs {
    fn default() -> Self {
        Self { population: None, sigma: 1.0 / 6.0, growth: 2.0 }
    }
}

/// No generation is larger, however many runs there were.
const MOST_POPULATION: usize = 1 << 16;

impl CmaEs {
    /// Builds the optimizer.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting is out of its range.
    pub fn build(&self, problem: &Problem) -> Result<CmaEsSearch> {
        let owner = "optimizer `cma-es`";
        if let Some(population) = self.population.filter(|p| !(4..=MOST_POPULATION).contains(p)) {
            return Err(Error::setting(owner, "population", "in 4..=65536", population));
        }
        if !(self.sigma > 0.0 && self.sigma.is_finite()) {
            return Err(Error::setting(owner, "sigma", "above 0", self.sigma));
        }
        if !(self.growth >= 1.0 && self.growth.is_finite()) {
            return Err(Error::setting(owner, "growth", "at least 1", self.growth));
        }
        let domain = |index: usize| &problem.space.parameters()[index].domain;
        let coordinates: Vec<usize> = (0..problem.space.len())
            .filter(|&index| !matches!(domain(index), Domain::Categorical { .. }))
            .filter(|&index| domain(index).cardinality() != Some(1))
            .collect();
        let n = coordinates.len();
        let least = 4 + (3.0 * (n.max(1) as f64).ln()).floor() as usize;
        Ok(CmaEsSearch {
            settings: *self,
            coordinates,
            run: 0,
            evolution: Evolution::new(vec![0.5; n], self.sigma, self.population.unwrap_or(least)),
            stretches: vec![1.0; n],
            told: Vec::new(),
            asked: BTreeMap::new(),
        })
    }
}

/// [`CmaEs`] at work.
pub struct CmaEsSearch {
    settings: CmaEs,
    /// The positions of the parameters that are adapted: numeric ones with more than one value. The others
    /// are drawn uniformly.
    coordinates: Vec<usize>,
    /// How many runs ended.
    run: u64,
    evolution: Evolution,
    /// By coordinate; 1 for a continuous one.
    stretches: Vec<f64>,
    /// What was told of the generation at hand.
    told: Vec<Solution>,
    /// What was asked for and not told yet, by trial.
    asked: BTreeMap<u64, Asked>,
}

/// A point that is being evaluated, and the distribution that it was drawn from.
struct Asked {
    run: u64,
    generation: u64,
    point: Vec<f64>,
}

impl CmaEsSearch {
    /// A point whose continuous coordinates lie in the unit interval: drawn anew where they do not, at last
    /// put on its border.
    fn sample(&self, continuous: &[bool], rng: &mut Generator) -> Vec<f64> {
        for _ in 0..10 * continuous.len() {
            let point = self.evolution.sample(rng);
            let inside = |(x, bounded): (&f64, &bool)| !bounded || (0.0..=1.0).contains(x);
            if point.iter().zip(continuous).all(inside) {
                return point;
            }
        }
        let mut point = self.evolution.sample(rng);
        for (x, _) in point.iter_mut().zip(continuous).filter(|(_, bounded)| **bounded) {
            *x = x.clamp(0.0, 1.0);
        }
        point
    }

    /// Corrects every discrete coordinate's mean and stretch.
    fn keep_margins(&mut self, domains: &[&Domain]) {
        let alpha = 1.0 / (domains.len() * self.evolution.population()) as f64;
        for (index, domain) in domains.iter().enumerate() {
            let state =
                Corrected { mean: self.evolution.mean[index], stretch: self.stretches[index] };
            let state = margin::correct(domain, state, self.evolution.deviation(index), alpha);
            self.evolution.mean[index] = state.mean;
            self.stretches[index] = state.stretch;
        }
    }

    fn restart(&mut self, cx: &Context<'_>) {
        self.run += 1;
        let mut rng = cx.streams.at("cma-es restart", self.run);
        let mean = self.coordinates.iter().map(|_| rng.random()).collect();
        let grown = (self.evolution.population() as f64 * self.settings.growth).round() as usize;
        self.evolution = Evolution::new(mean, self.settings.sigma, grown.min(MOST_POPULATION));
        self.stretches.fill(1.0);
    }
}

impl Optimizer for CmaEsSearch {
    fn ask(&mut self, cx: &Context<'_>) -> Result<Configuration> {
        let mut rng = cx.streams.at("cma-es", cx.id.0);
        let mut unit: Vec<f64> = (0..cx.space.len()).map(|_| rng.random()).collect();
        let domains = cx.space.parameters();
        let continuous: Vec<bool> = self
            .coordinates
            .iter()
            .map(|&index| domains[index].domain.cardinality().is_none())
            .collect();
        let point = self.sample(&continuous, &mut rng);
        for (place, &index) in self.coordinates.iter().enumerate() {
            let mean = self.evolution.mean[place];
            unit[index] = mean + self.stretches[place] * (point[place] - mean);
        }
        let generation = self.evolution.generation();
        self.asked.insert(cx.id.0, Asked { run: self.run, generation, point });
        Ok(cx.space.from_unit(&unit))
    }

    fn tell(&mut self, trial: &Trial, cx: &Context<'_>) -> Result<()> {
        let Some(Asked { run, generation, point }) = self.asked.remove(&trial.id.0) else {
            return Ok(());
        };
        if run != self.run || self.coordinates.is_empty() {
            return Ok(());
        }
        self.told.push(Solution {
            point,
            score: trial.score().map_or(f64::NEG_INFINITY, Score::get),
            current: generation == self.evolution.generation(),
        });
        if self.told.len() < self.evolution.population() {
            return Ok(());
        }
        self.evolution.update(std::mem::take(&mut self.told));
        let domains: Vec<&Domain> =
            self.coordinates.iter().map(|&index| &cx.space.parameters()[index].domain).collect();
        self.keep_margins(&domains);
        if self.evolution.has_converged() {
            self.restart(cx);
        }
        Ok(())
    }
}

impl Persist for CmaEsSearch {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        snapshot.put(at, "run", &self.run)?;
        snapshot.put_array(at, "stretches", Array::F64(self.stretches.clone()));
        self.evolution.save(&format!("{at}/evolution"), snapshot)?;
        let current: Vec<bool> = self.told.iter().map(|told| told.current).collect();
        snapshot.put(at, "current", &current)?;
        let numbers = |told: &Solution| [&[told.score], &told.point[..]].concat();
        let told = self.told.iter().flat_map(numbers).collect();
        snapshot.put_array(at, "told", Array::F64(told));
        let asked = self.asked.iter().flat_map(|(&id, asked)| [id, asked.run, asked.generation]);
        snapshot.put_array(at, "asked", Array::U64(asked.collect()));
        let points = self.asked.values().flat_map(|asked| asked.point.clone()).collect();
        snapshot.put_array(at, "asked-points", Array::F64(points));
        Ok(())
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        let n = self.coordinates.len();
        self.run = snapshot.get(at, "run")?;
        self.stretches = snapshot.f64s(at, "stretches", n)?.to_vec();
        self.evolution.load(&format!("{at}/evolution"), snapshot)?;
        let current: Vec<bool> = snapshot.get(at, "current")?;
        let told = snapshot.f64s(at, "told", current.len() * (n + 1))?;
        self.told = current
            .into_iter()
            .zip(told.chunks_exact(n + 1))
            .map(|(current, numbers)| Solution {
                point: numbers[1..].to_vec(),
                score: numbers[0],
                current,
            })
            .collect();
        let Array::U64(asked) = snapshot.array(at, "asked")? else {
            return Err(Error::snapshot(format!("{at}/asked"), "must be integers"));
        };
        let asked = asked.as_chunks::<3>().0;
        let points = snapshot.f64s(at, "asked-points", asked.len() * n)?;
        self.asked = asked
            .iter()
            .enumerate()
            .map(|(place, &[id, run, generation])| {
                (id, Asked { run, generation, point: points[place * n..][..n].to_vec() })
            })
            .collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
