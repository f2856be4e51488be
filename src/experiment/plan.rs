//! What to run: surfaces x strategies x seeds.

use std::collections::HashSet;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::strategy::Strategy;
use crate::streams::Streams;
use crate::surface::Surface;

/// A strategy that takes part, under the name that results give it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entrant {
    /// The name in the results.
    pub name: String,
    /// Its settings.
    pub strategy: Strategy,
    /// How many evaluations one trial of it is, at least 1; the best of them counts. More than one is a handicap
    /// for the others: at trial t it has seen so many times t values.
    pub evaluations: usize,
}

/// Random search that is given two evaluations where the others have one: what a strategy must beat to be worth
/// its trouble (Li et al. 2018, "Hyperband", section 5).
pub const RANDOM_TWICE: &str = "random-2x";

impl Entrant {
    /// The most evaluations of a trial.
    pub const MOST_EVALUATIONS: usize = 1000;

    /// A registered strategy under its own name, or [`RANDOM_TWICE`].
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] with the nearest name.
    pub fn named(name: &str) -> Result<Self> {
        if name == RANDOM_TWICE {
            return Ok(Self { evaluations: 2, ..Self::new(name, Strategy::Random {}) });
        }
        Ok(Self::new(name, Strategy::named(name)?))
    }

    /// A strategy under a name, with one evaluation a trial.
    pub fn new(name: impl Into<String>, strategy: Strategy) -> Self {
        Self { name: name.into(), strategy, evaluations: 1 }
    }
}

/// A comparison: every strategy on every surface, `seeds` times `trials` trials.
#[derive(Clone)]
pub struct Plan {
    /// What is tuned. Names must differ.
    pub surfaces: Vec<Arc<dyn Surface>>,
    /// What tunes. Names must differ.
    pub strategies: Vec<Entrant>,
    /// The trials of a run.
    pub trials: usize,
    /// The runs of each strategy on each surface.
    pub seeds: usize,
    /// The master seed; see [`run_seed`].
    pub seed: u64,
    /// The number of runs at the same time. Results do not depend on it.
    pub jobs: usize,
}

impl Default for Plan {
    /// Nothing to run yet; 30 trials, 3 seeds, master seed 0, one job for each core.
    fn default() -> Self {
        Self {
            surfaces: Vec::new(),
            strategies: Vec::new(),
            trials: 30,
            seeds: 3,
            seed: 0,
            jobs: std::thread::available_parallelism().map_or(1, |cores| cores.get()),
        }
    }
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let surfaces: Vec<&str> = self.surfaces.iter().map(|s| s.spec().name.as_str()).collect();
        f.debug_struct("Plan")
            .field("surfaces", &surfaces)
            .field("strategies", &self.strategies)
            .field("trials", &self.trials)
            .field("seeds", &self.seeds)
            .field("seed", &self.seed)
            .field("jobs", &self.jobs)
            .finish()
    }
}

/// The most trials that a plan may hold in all: each keeps a line of results in memory.
const MOST_TRIALS: usize = 50_000_000;

/// The most threads: above the cores of any machine, below what makes one unusable.
const MOST_JOBS: usize = 1024;

impl Plan {
    /// Refuses a plan that cannot be run.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where trials, seeds or jobs are 0, where there are more than 1024 jobs, where there is no surface or no strategy,
    /// where a name occurs twice, where a strategy has no evaluation or more than
    /// [`Entrant::MOST_EVALUATIONS`] a trial, or where the whole has more than 50 million trials.
    pub fn check(&self) -> Result<()> {
        let owner = "compare";
        for (setting, value) in [
            ("trials", self.trials),
            ("seeds", self.seeds),
            ("jobs", self.jobs),
            ("surfaces", self.surfaces.len()),
            ("strategies", self.strategies.len()),
        ] {
            if value == 0 {
                return Err(Error::setting(owner, setting, "at least 1 in number", 0));
            }
        }
        if self.jobs > MOST_JOBS {
            return Err(Error::setting(owner, "jobs", format!("in 1..={MOST_JOBS}"), self.jobs));
        }
        for Entrant { name, evaluations, .. } in &self.strategies {
            if !(1..=Entrant::MOST_EVALUATIONS).contains(evaluations) {
                let rule = format!("in 1..={} for `{name}`", Entrant::MOST_EVALUATIONS);
                return Err(Error::setting(owner, "evaluations", rule, evaluations));
            }
        }
        let size = [self.surfaces.len(), self.strategies.len(), self.seeds, self.trials]
            .iter()
            .try_fold(1usize, |size, factor| size.checked_mul(*factor))
            .unwrap_or(usize::MAX);
        if size > MOST_TRIALS {
            return Err(Error::setting(
                owner,
                "trials",
                format!("so few that the comparison has at most {MOST_TRIALS} in all"),
                format!(
                    "{} (x {} surfaces x {} strategies x {} seeds)",
                    self.trials,
                    self.surfaces.len(),
                    self.strategies.len(),
                    self.seeds
                ),
            ));
        }
        let names = self.surfaces.iter().map(|surface| surface.spec().name.as_str());
        distinct(owner, "surfaces", names)?;
        distinct(owner, "strategies", self.strategies.iter().map(|entrant| entrant.name.as_str()))
    }
}

fn distinct<'a>(
    owner: &str,
    setting: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Result<()> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(Error::setting(
                owner,
                setting,
                "of different names",
                format!("`{name}` twice"),
            ));
        }
    }
    Ok(())
}

/// The seed of a run, from the master seed, the surface's name and the number of the seed.
///
/// It does not depend on the strategy, so all strategies share random numbers: with the same seed
/// index they see the same noise, and those that begin with uniform draws begin with the same ones.
/// Differences between strategies are therefore less noisy than the strategies' own results. It does
/// depend on the surface, so that the runs over many surfaces are independent and their mean is as
/// certain as it can be.
pub fn run_seed(master: u64, surface: &str, index: usize) -> u64 {
    Streams::new(master).child(surface, index as u64).seed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::open;

    fn plan() -> Plan {
        Plan {
            surfaces: open("branin").unwrap(),
            strategies: vec![Entrant::named("random").unwrap()],
            ..Plan::default()
        }
    }

    #[test]
    fn what_cannot_be_run_is_refused_with_the_reason() {
        plan().check().unwrap();
        let refused = |plan: Plan| plan.check().unwrap_err().to_string();
        assert_eq!(
            refused(Plan { trials: 0, ..plan() }),
            "compare: `trials` must be at least 1 in number, found 0"
        );
        assert_eq!(
            refused(Plan { jobs: 100_000, ..plan() }),
            "compare: `jobs` must be in 1..=1024, found 100000"
        );
        assert!(refused(Plan { seeds: usize::MAX, ..plan() }).contains("at most 50000000 in all"));
        let mut twice = plan();
        twice.strategies.push(twice.strategies[0].clone());
        assert!(
            refused(twice)
                .contains("`strategies` must be of different names, found `random` twice")
        );
    }

    #[test]
    fn seeds_differ_between_runs_and_masters() {
        assert_eq!(run_seed(1, "a", 2), run_seed(1, "a", 2));
        assert_ne!(run_seed(1, "a", 2), run_seed(1, "a", 3));
        assert_ne!(run_seed(1, "a", 2), run_seed(1, "b", 2));
        assert_ne!(run_seed(1, "a", 2), run_seed(2, "a", 2));
    }
}
