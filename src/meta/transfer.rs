//! Measuring transfer: agents trained on some tasks tune others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::corpus::Corpus;
use super::learner::MetaAgent;
use super::policy::Policy;
use super::sources::{SourceChoice, Sources};
use super::training::Training;
use crate::error::{Error, Result};
use crate::experiment::{Entrant, Plan, Progress, Results, run_with};
use crate::optimizer::Problem;
use crate::strategy::Strategy;
use crate::streams::Streams;
use crate::surface::Surface;

/// Which tasks are held out.
#[derive(Debug, Clone)]
pub enum Split {
    /// The tasks in random order in so many parts; each part is tuned with what was learned on the others. Tasks of one
    /// [group](crate::surface::Table::group) are in one part.
    Folds(usize),
    /// Each task, or group of tasks, is tuned with what was learned on all others.
    LeaveOneOut,
    /// All tasks are learned from; those of another corpus of the same space are tuned.
    Test(Corpus),
}

/// What takes part.
#[derive(Debug, Clone)]
pub enum Contender {
    /// An agent trained on the tasks that are not held out.
    Trained {
        /// The name in the results.
        name: String,
        /// Its settings.
        agent: MetaAgent,
        /// A part of those tasks, chosen anew for each part of the split; all of them where it is not given.
        sources: Option<Sources>,
    },
    /// A strategy built for the held-out task alone.
    Fresh(Entrant),
}

impl Contender {
    /// The name in the results.
    pub fn name(&self) -> &str {
        match self {
            Self::Trained { name, .. } => name,
            Self::Fresh(entrant) => &entrant.name,
        }
    }
}

/// A measurement of transfer.
#[derive(Debug, Clone)]
pub struct Transfer {
    /// The tasks.
    pub corpus: Corpus,
    /// Which of them are held out.
    pub split: Split,
    /// What takes part.
    pub contenders: Vec<Contender>,
    /// The trials of a run.
    pub trials: usize,
    /// The runs of each contender on each held-out task.
    pub seeds: usize,
    /// The master seed, of folds and trainings too.
    pub seed: u64,
    /// The number of trainings or runs at the same time. Results do not depend on it.
    pub jobs: usize,
}

/// How far a measurement is.
#[derive(Debug, Clone, Copy)]
pub enum Stage {
    /// So many trainings of so many are done.
    Training {
        /// Done.
        done: usize,
        /// In all.
        total: usize,
    },
    /// The held-out tasks are being tuned.
    Tuning(Progress),
}

/// One part of the split: what is learned from, and what is tuned.
struct Part {
    training: Corpus,
    held_out: Vec<Arc<dyn Surface>>,
}

impl Transfer {
    /// Trains and tunes. Once `cancel` is set, the measurement ends early, as [`experiment::run`] does.
    ///
    /// [`experiment::run`]: crate::experiment::run()
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a number is out of its range or a name occurs twice; [`Error::Unsuited`] where
    /// the test corpus has another space; what trainings report.
    pub fn run(&self, progress: &(dyn Fn(Stage) + Sync), cancel: &AtomicBool) -> Result<Results> {
        let parts = self.parts()?;
        let plan = self.plan(&parts);
        plan.check()?;
        for contender in &self.contenders {
            if let Contender::Trained { name, sources: Some(sources), .. } = contender
                && sources.choice != SourceChoice::Random
                && self.corpus.meta_features() == 0
            {
                let choice = sources.choice.name();
                return Err(Error::unsuited(
                    format!("`{name}`"),
                    format!(
                        "{choice} sources are told by meta-features, which `{}` lacks",
                        self.corpus.name()
                    ),
                ));
            }
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(self.jobs)
            .build()
            .map_err(|error| Error::unsuited("the pool of threads", error.to_string()))?;
        let policies = pool.install(|| self.train(&parts, progress, cancel))?;
        // The part of each surface.
        let part_of: Vec<usize> = parts
            .iter()
            .enumerate()
            .flat_map(|(part, Part { held_out, .. })| held_out.iter().map(move |_| part))
            .collect();
        let build =
            |surface: usize, contender: usize, problem: &Problem, streams: Streams| match &policies
                [part_of[surface] * self.contenders.len() + contender]
            {
                Some(policy) => policy.optimizer(problem, streams, false),
                None => plan.strategies[contender].strategy.build(problem, streams),
            };
        run_with(&plan, &build, None, &|now| progress(Stage::Tuning(now)), cancel)
    }

    /// The policies, contender by contender within part by part; `None` for what needs no training.
    fn train(
        &self,
        parts: &[Part],
        progress: &(dyn Fn(Stage) + Sync),
        cancel: &AtomicBool,
    ) -> Result<Vec<Option<Policy>>> {
        let trained = |contender: &Contender| matches!(contender, Contender::Trained { .. });
        let total = parts.len() * self.contenders.iter().filter(|c| trained(c)).count();
        let done = AtomicUsize::new(0);
        (0..parts.len() * self.contenders.len())
            .into_par_iter()
            .map(|cell| {
                let (part, contender) =
                    (cell / self.contenders.len(), &self.contenders[cell % self.contenders.len()]);
                let Contender::Trained { name, agent, sources } = contender else {
                    return Ok(None);
                };
                let seed = Streams::new(self.seed).child("part", part as u64).seed();
                let corpus = sources.map(|sources| {
                    let corpus = &parts[part].training;
                    let mut rng = Streams::new(self.seed).at("sources", part as u64);
                    corpus.subset(&sources.of(corpus, &mut rng))
                });
                let corpus = corpus.as_ref().unwrap_or(&parts[part].training);
                let mut training = Training::new(name, agent, corpus, seed)?;
                while !cancel.load(Ordering::Relaxed) && training.advance()? {}
                let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                progress(Stage::Training { done, total });
                Ok(Some(training.finish_early()))
            })
            .collect()
    }

    fn plan(&self, parts: &[Part]) -> Plan {
        Plan {
            surfaces: parts.iter().flat_map(|part| part.held_out.iter().cloned()).collect(),
            strategies: self
                .contenders
                .iter()
                .map(|contender| match contender {
                    // The settings, for the results; what runs is a policy for each part.
                    Contender::Trained { name, agent, .. } => {
                        Entrant::new(name, Strategy::Untrained(agent.clone()))
                    }
                    Contender::Fresh(entrant) => entrant.clone(),
                })
                .collect(),
            trials: self.trials,
            seeds: self.seeds,
            seed: self.seed,
            jobs: self.jobs,
        }
    }

    fn parts(&self) -> Result<Vec<Part>> {
        let count = self.corpus.tasks().len();
        let folds = match &self.split {
            Split::Test(test) => {
                if test.space() != self.corpus.space()
                    || test.direction() != self.corpus.direction()
                {
                    return Err(Error::unsuited(
                        "the measurement",
                        format!(
                            "the test corpus `{}` has another space or direction than `{}`",
                            test.name(),
                            self.corpus.name()
                        ),
                    ));
                }
                if test.meta_features() != self.corpus.meta_features() {
                    return Err(Error::unsuited(
                        "the measurement",
                        format!(
                            "the test corpus `{}` has {} meta-features, `{}` {}",
                            test.name(),
                            test.meta_features(),
                            self.corpus.name(),
                            self.corpus.meta_features()
                        ),
                    ));
                }
                return Ok(vec![Part {
                    training: self.corpus.clone(),
                    held_out: surfaces(test, 0..test.tasks().len()),
                }]);
            }
            Split::Folds(folds) => *folds,
            Split::LeaveOneOut => count,
        };
        if !(2..=count).contains(&folds) {
            let rule = format!("in 2..={count}, the number of tasks");
            return Err(Error::setting("transfer", "folds", rule, folds));
        }
        let folds = match self.split {
            Split::LeaveOneOut => self.groups(),
            _ => self.folds(folds),
        };
        Ok(folds
            .into_iter()
            .map(|held_out| {
                let training: Vec<usize> =
                    (0..count).filter(|task| !held_out.contains(task)).collect();
                Part {
                    training: self.corpus.subset(&training),
                    held_out: surfaces(&self.corpus, held_out.into_iter()),
                }
            })
            .collect())
    }

    /// The tasks of each group, in the order of their first ones.
    fn groups(&self) -> Vec<Vec<usize>> {
        let tasks = self.corpus.tasks();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for (place, task) in tasks.iter().enumerate() {
            let group = task.surface.group();
            match groups.iter_mut().find(|known| tasks[known[0]].surface.group() == group) {
                Some(known) => known.push(place),
                None => groups.push(vec![place]),
            }
        }
        groups
    }

    /// The tasks in random order in so many parts, each with its tasks ascending; those of one group stay together.
    fn folds(&self, folds: usize) -> Vec<Vec<usize>> {
        let count = self.corpus.tasks().len();
        let mut order: Vec<usize> = (0..count).collect();
        order.shuffle(&mut Streams::new(self.seed).at("folds", 0));
        let groups = self.groups();
        let first = |task: usize| groups.iter().find(|group| group.contains(&task)).map(|g| g[0]);
        // A group comes where its first task does.
        let order: Vec<usize> = order
            .into_iter()
            .filter(|&task| first(task) == Some(task))
            .flat_map(|task| groups.iter().find(|group| group[0] == task).into_iter().flatten())
            .copied()
            .collect();
        let mut parts: Vec<Vec<usize>> = vec![Vec::new(); folds];
        for (place, task) in order.into_iter().enumerate() {
            let own =
                (0..folds).find(|fold| place < (fold + 1) * count / folds).unwrap_or_default();
            let with =
                parts.iter().position(|part| part.iter().any(|&other| first(other) == first(task)));
            parts[with.unwrap_or(own)].push(task);
        }
        parts.retain(|part| !part.is_empty());
        parts.iter_mut().for_each(|part| part.sort_unstable());
        parts
    }
}

fn surfaces(corpus: &Corpus, tasks: impl Iterator<Item = usize>) -> Vec<Arc<dyn Surface>> {
    tasks.map(|task| Arc::clone(&corpus.tasks()[task].surface) as Arc<dyn Surface>).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_hold_every_task_once_and_near_duplicates_together() {
        let corpus = Corpus::open("builtin:svm").unwrap();
        let count = corpus.tasks().len();
        let place = |data_set: &str| {
            corpus.tasks().iter().position(|task| task.name() == format!("svm/{data_set}")).unwrap()
        };
        let (australian, crx) = (place("australian"), place("crx"));
        for seed in 0..20 {
            let transfer = Transfer {
                corpus: corpus.clone(),
                split: Split::Folds(5),
                contenders: Vec::new(),
                trials: 1,
                seeds: 1,
                seed,
                jobs: 1,
            };
            let folds = transfer.folds(5);
            assert_eq!(folds.len(), 5);
            assert!(folds.iter().all(|fold| fold.len().abs_diff(count / 5) <= 2), "{folds:?}");
            let mut all = folds.concat();
            all.sort_unstable();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
            let of = |task: usize| folds.iter().position(|fold| fold.contains(&task));
            assert_eq!(of(australian), of(crx));
        }
    }
}
