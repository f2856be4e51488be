//! The tree-structured Parzen estimator.
//!
//! Sources: Bergstra, Bardenet, Bengio & Kegl 2011, "Algorithms for hyper-parameter optimization", section 4;
//! Bergstra, Yamins & Cox 2013, "Making a science of model search", for the weights; Watanabe 2023,
//! "Tree-structured Parzen estimator: understanding its algorithm components", for what Optuna does.

mod parzen;

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use rand::RngExt;
use serde::{Deserialize, Serialize};

use self::parzen::Parzen;
use super::{Context, Optimizer, Problem};
use crate::error::{Error, Result};
use crate::persist::{Persist, Snapshot};
use crate::space::{Configuration, Domain, Grid, SearchSpace, Value};
use crate::streams::Generator;
use crate::trial::{Outcome, Trial};

/// Settings of the tree-structured Parzen estimator. The defaults are Optuna 5's, but for `multivariate`.
///
/// The `min(ceil(gamma n), most_good)` best of `n` trials are good, the others and the pending ones are not.
/// Two densities are estimated, `l` of the good trials and `g` of the others. Candidates are drawn from `l`, and
/// the one with the greatest `l / g` is proposed, which is the one of the greatest expected improvement
/// (Bergstra et al. 2011, equation 5).
///
/// A density is a mixture of one kernel a trial and of the prior. A number's kernel is a normal
/// distribution around the trial's value, truncated to the domain; its deviation is the distance to
/// the farther of the two neighbours among the trials' values. A category's puts
/// `prior_weight / kernels` on every choice and 1 more on the trial's.
///
/// ```
/// use hyperq::optimizer::Tpe;
/// use hyperq::space::{Parameter, SearchSpace};
/// use hyperq::study::Study;
///
/// let space = SearchSpace::new([Parameter::float("x", -10.0, 10.0)])?;
/// let tpe = Tpe { candidates: 50, ..Tpe::default() };
/// let mut study = Study::builder(space).configured(tpe).seed(1).build()?;
/// study.optimize(40, |trial| (trial.float("x").unwrap() - 2.0).powi(2))?;
/// assert!(study.value(study.best().unwrap()).unwrap() < 1.0);
/// # Ok::<(), hyperq::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Tpe {
    /// How many trials must have a score before the first that is not random.
    pub startup_trials: usize,
    /// How many candidates are drawn for one proposal, at least 1.
    pub candidates: usize,
    /// The share of trials that are good, in (0, 1].
    pub gamma: f64,
    /// The most trials that are good, at least 1.
    pub most_good: usize,
    /// The weight of the prior, where a trial's is 1; above 0.
    pub prior_weight: f64,
    /// Whether a deviation is at least `1 / min(100, kernels + 1)` of the domain's width, so that kernels are
    /// wide while trials are few.
    pub magic_clip: bool,
    /// How many of the newest trials have weight 1; that of older ones falls evenly to `1 / trials`.
    pub full_weight: usize,
    /// Whether the parameters without a condition are drawn jointly, so that what fits together stays
    /// together. Otherwise, and for conditional parameters always, each is drawn for itself from the trials
    /// in which it was active.
    pub multivariate: bool,
    /// Whether a configuration may be proposed again. Where not, a proposal on a table is a row that was
    /// not tried.
    pub repeats: bool,
}

impl Default for Tpe {
    fn default() -> Self {
        Self {
            startup_trials: 10,
            candidates: 24,
            gamma: 0.1,
            most_good: 25,
            prior_weight: 1.0,
            magic_clip: true,
            full_weight: 25,
            multivariate: false,
            repeats: true,
        }
    }
}

impl Tpe {
    /// Builds the optimizer.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting is out of its range.
    pub fn build(&self, problem: &Problem) -> Result<TpeSearch> {
        let owner = "optimizer `tpe`";
        if self.candidates == 0 {
            return Err(Error::setting(owner, "candidates", "at least 1", 0));
        }
        if !(self.gamma > 0.0 && self.gamma <= 1.0) {
            return Err(Error::setting(owner, "gamma", "in (0, 1]", self.gamma));
        }
        if self.most_good == 0 {
            return Err(Error::setting(owner, "most-good", "at least 1", 0));
        }
        if !(self.prior_weight > 0.0 && self.prior_weight.is_finite()) {
            return Err(Error::setting(owner, "prior-weight", "above 0", self.prior_weight));
        }
        let joint = |&index: &usize| {
            self.multivariate && problem.space.parameters()[index].condition.is_empty()
        };
        // Parents come before children, and parameters without a condition before all others.
        let (together, alone): (Vec<usize>, Vec<usize>) =
            problem.space.order().iter().partition(|index| joint(index));
        let mut blocks: Vec<Vec<usize>> = alone.into_iter().map(|index| vec![index]).collect();
        if !together.is_empty() {
            blocks.insert(0, together);
        }
        Ok(TpeSearch { settings: *self, blocks, grid: problem.grid.clone() })
    }
}

/// [`Tpe`] at work. Everything that it knows is in the history.
pub struct TpeSearch {
    settings: Tpe,
    /// Parameters that are drawn jointly, in the order in which they are drawn.
    blocks: Vec<Vec<usize>>,
    grid: Option<Arc<Grid>>,
}

/// How often a proposal is drawn before a configuration that was not tried is drawn uniformly.
const DRAWS: usize = 32;

/// The trials of a study as [`Tpe`] sees them, each part from the oldest to the newest.
struct Split<'a> {
    good: Vec<&'a Configuration>,
    others: Vec<&'a Configuration>,
}

impl<'a> Split<'a> {
    /// `None` while too few trials have a score.
    fn of(cx: &Context<'a>, settings: &Tpe) -> Option<Self> {
        let mut trials: Vec<&Trial> =
            cx.history.trials().iter().filter(|trial| trial.score().is_some()).collect();
        if trials.len() < settings.startup_trials.max(1) {
            return None;
        }
        // Pruned trials come after all complete ones, whatever their scores.
        let pruned = |trial: &Trial| matches!(trial.outcome, Outcome::Pruned(_));
        trials.sort_by_key(|trial| (pruned(trial), Reverse(trial.score()), trial.id));
        let good = (settings.gamma * trials.len() as f64).ceil() as usize;
        let others = trials.split_off(good.min(settings.most_good).min(trials.len()));
        let pending = cx.pending.iter().map(|trial| (trial.id, &trial.configuration));
        let oldest_first = |mut trials: Vec<_>| {
            trials.sort_by_key(|&(id, _)| id);
            trials.into_iter().map(|(_, configuration)| configuration).collect()
        };
        let seen = |trial: &'a Trial| (trial.id, &trial.configuration);
        Some(Self {
            good: oldest_first(trials.into_iter().map(seen).collect()),
            others: oldest_first(others.into_iter().map(seen).chain(pending).collect()),
        })
    }
}

/// The densities of the parameters of a block.
struct Densities<'a> {
    good: Parzen<'a>,
    others: Parzen<'a>,
}

impl Densities<'_> {
    /// `ln(l / g)` of the block's values.
    fn ln_ratio(&self, values: &[Value]) -> f64 {
        self.good.ln_density(values) - self.others.ln_density(values)
    }
}

/// The values of a block's parameters; `None` where one is not active.
fn values_of(block: &[usize], configuration: &Configuration) -> Option<Vec<Value>> {
    block.iter().map(|&index| configuration.values()[index]).collect()
}

impl TpeSearch {
    /// By block.
    fn densities<'a>(&self, space: &'a SearchSpace, split: &Split<'_>) -> Vec<Densities<'a>> {
        let of = |block: &Vec<usize>| {
            let domains: Vec<&Domain> =
                block.iter().map(|&index| &space.parameters()[index].domain).collect();
            // The trials in which the whole block was active.
            let estimate = |trials: &[&Configuration]| {
                let rows: Vec<Vec<Value>> =
                    trials.iter().filter_map(|trial| values_of(block, trial)).collect();
                Parzen::new(&domains, &rows, &self.settings)
            };
            Densities { good: estimate(&split.good), others: estimate(&split.others) }
        };
        self.blocks.iter().map(of).collect()
    }

    fn draw(
        &self,
        space: &SearchSpace,
        densities: &[Densities<'_>],
        rng: &mut Generator,
    ) -> Result<Configuration> {
        let mut values: Vec<Option<Value>> = vec![None; space.len()];
        for (block, densities) in self.blocks.iter().zip(densities) {
            if !block.iter().all(|&index| space.is_active(index, &values)) {
                continue;
            }
            let (_, best) = (0..self.settings.candidates)
                .map(|_| {
                    let candidate = densities.good.sample(rng);
                    (densities.ln_ratio(&candidate), candidate)
                })
                .reduce(|best, next| if next.0 > best.0 { next } else { best })
                .expect("there is a candidate");
            for (&index, value) in block.iter().zip(best) {
                values[index] = Some(value);
            }
        }
        space.admit(values)
    }

    /// The first configuration with the greatest `l / g`, the product over the blocks that are active in it.
    fn likeliest<'a>(
        &self,
        configurations: &[&'a Configuration],
        densities: &[Densities<'_>],
    ) -> &'a Configuration {
        let ratio = |configuration: &Configuration| {
            let active = self.blocks.iter().zip(densities).filter_map(|(block, densities)| {
                Some(densities.ln_ratio(&values_of(block, configuration)?))
            });
            active.sum::<f64>()
        };
        configurations
            .iter()
            .map(|configuration| (ratio(configuration), *configuration))
            .reduce(|best, next| if next.0 > best.0 { next } else { best })
            .expect("there is a configuration")
            .1
    }
}

impl Optimizer for TpeSearch {
    fn ask(&mut self, cx: &Context<'_>) -> Result<Configuration> {
        let mut rng = cx.streams.at("tpe", cx.id.0);
        let densities = Split::of(cx, &self.settings).map(|split| self.densities(cx.space, &split));
        let mut draw = || match &densities {
            Some(densities) => self.draw(cx.space, densities, &mut rng),
            None => Ok(cx.space.sample(&mut rng)),
        };
        if self.settings.repeats {
            return draw();
        }
        let tried = cx.history.trials().iter().map(|trial| &trial.configuration);
        let taken: HashSet<&Configuration> =
            tried.chain(cx.pending.iter().map(|trial| &trial.configuration)).collect();
        for _ in 0..DRAWS {
            let drawn = draw()?;
            let proposal = match &self.grid {
                Some(grid) => grid.nearest(&drawn).map(|row| grid.get(row).clone()),
                None => Some(drawn),
            };
            if let Some(proposal) = proposal.filter(|proposal| !taken.contains(proposal)) {
                return Ok(proposal);
            }
        }
        // The density has little left to propose. On a table the best of what is left can be found exactly.
        let untried: Vec<&Configuration> = self.grid.as_ref().map_or(Vec::new(), |grid| {
            grid.configurations().iter().filter(|row| !taken.contains(row)).collect()
        });
        match (untried.len(), &densities) {
            (0, _) => draw(),
            (count, None) => Ok(untried[rng.random_range(0..count)].clone()),
            (_, Some(densities)) => Ok(self.likeliest(&untried, densities).clone()),
        }
    }

    fn tell(&mut self, _trial: &Trial, _cx: &Context<'_>) -> Result<()> {
        // The history is all there is to know, and is read when the next trial is asked for.
        Ok(())
    }
}

impl Persist for TpeSearch {
    fn save(&self, _at: &str, _snapshot: &mut Snapshot) -> Result<()> {
        Ok(())
    }

    fn load(&mut self, _at: &str, _snapshot: &Snapshot) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
