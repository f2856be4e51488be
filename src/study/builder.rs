//! The choices of a new study.

use crate::error::{Error, Result};
use crate::meta::PolicyStudy;
use crate::optimizer::{Optimizer, Problem};
use crate::prune::PrunerConfig;
use crate::space::SearchSpace;
use crate::storage::Storage;
use crate::strategy::Strategy;
use crate::streams::Streams;
use crate::trial::{Direction, History, TrialId};

use super::scalarization::Scalarization;
use super::shared::{Identity, Shared};
use super::{Observer, Pruning, Stop, Study};

/// A study's name where nothing is said.
pub(super) const DEFAULT_NAME: &str = "hyperq";

enum Choice {
    Default,
    Named(String),
    Configured(Box<Strategy>),
    Own(Box<dyn Optimizer>),
}

/// The choices of a new [`Study`]: minimize, seed 0 and the default strategy where nothing is said.
pub struct StudyBuilder {
    problem: Problem,
    directions: Vec<Direction>,
    seed: u64,
    choice: Choice,
    pruner: Option<PrunerConfig>,
    storage: Option<Box<dyn Storage>>,
    name: String,
    held: bool,
    observers: Vec<Observer>,
    stops: Vec<Stop>,
}

impl std::fmt::Debug for StudyBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StudyBuilder").field("problem", &self.problem).finish_non_exhaustive()
    }
}

impl StudyBuilder {
    pub(super) fn new(space: SearchSpace) -> Self {
        Self {
            problem: Problem::new(space),
            directions: vec![Direction::Minimize],
            seed: 0,
            choice: Choice::Default,
            pruner: None,
            storage: None,
            name: DEFAULT_NAME.to_owned(),
            held: false,
            observers: Vec::new(),
            stops: Vec::new(),
        }
    }

    /// Whether the objective is minimized or maximized.
    #[must_use]
    pub fn direction(mut self, direction: Direction) -> Self {
        self.directions = vec![direction];
        self
    }

    /// Several objectives, each with its direction. The optimizer sees one number: an augmented Chebyshev
    /// scalarization with weights that are drawn anew every few trials (Knowles 2006, ParEGO).
    #[must_use]
    pub fn objectives(mut self, directions: impl IntoIterator<Item = Direction>) -> Self {
        self.directions = directions.into_iter().collect();
        self
    }

    /// Where the trials live: they outlive the process, and other workers share them. Without a storage
    /// they live in memory.
    ///
    /// ```
    /// use hyperq::prelude::*;
    /// use hyperq::storage::Journal;
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("study.log");
    /// let space = SearchSpace::new([Parameter::float("x", -5.0, 5.0)])?;
    /// let build = || Study::builder(space.clone()).storage(Journal::open(&path)?).build();
    /// build()?.optimize(4, |trial| trial.float("x").map(f64::abs))?;
    /// // Another process, another day:
    /// let mut study = build()?;
    /// study.optimize(4, |trial| trial.float("x").map(f64::abs))?;
    /// assert_eq!(study.history().len(), 8);
    /// # Ok::<(), hyperq::Error>(())
    /// ```
    #[must_use]
    pub fn storage(mut self, storage: impl Storage + 'static) -> Self {
        self.storage = Some(Box::new(storage));
        self
    }

    /// A storage chosen while the program runs.
    #[must_use]
    pub fn boxed_storage(mut self, storage: Box<dyn Storage>) -> Self {
        self.storage = Some(storage);
        self
    }

    /// The study's name in its storage; `hyperq` where nothing is said.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The trials that are asked for outlive this process: somebody else evaluates and tells them. Without
    /// it, the trials of a process that has ended are taken over by the next one.
    #[must_use]
    pub fn held(mut self) -> Self {
        self.held = true;
        self
    }

    /// Who decides which evaluations to give up by their intermediate values.
    #[must_use]
    pub fn pruner(mut self, pruner: impl Into<Option<PrunerConfig>>) -> Self {
        self.pruner = pruner.into();
        self
    }

    /// Called after each trial that this study is told. Several may be given.
    #[must_use]
    pub fn observer(mut self, observer: impl FnMut(&Study, TrialId) + Send + 'static) -> Self {
        self.observers.push(Box::new(observer));
        self
    }

    /// A reason to stop asking. Several may be given: the first that holds stops.
    #[must_use]
    pub fn stop(mut self, stop: Stop) -> Self {
        self.stops.push(stop);
        self
    }

    /// The seed of all randomness: the same seed gives the same study.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// A registered strategy, such as `dqn-select-ucb`.
    #[must_use]
    pub fn strategy(mut self, name: impl Into<String>) -> Self {
        self.choice = Choice::Named(name.into());
        self
    }

    /// A strategy with settings of your own: a [`Strategy`], or the settings of a part that are one by
    /// themselves, such as [`Td3`](crate::agent::Td3).
    #[must_use]
    pub fn configured(mut self, strategy: impl Into<Strategy>) -> Self {
        self.choice = Choice::Configured(Box::new(strategy.into()));
        self
    }

    /// A trained policy by its directory, as it was trained: [`PolicyStudy`] lets it learn on.
    #[must_use]
    pub fn policy(self, directory: impl Into<std::path::PathBuf>) -> Self {
        self.configured(Strategy::Policy(PolicyStudy {
            directory: directory.into(),
            fine_tune: false,
        }))
    }

    /// An optimizer of your own. Such a study is loaded with [`Study::load_with`].
    #[must_use]
    pub fn optimizer(mut self, optimizer: Box<dyn Optimizer>) -> Self {
        self.choice = Choice::Own(optimizer);
        self
    }

    /// The number of trials that will be run; schedules and horizons use it.
    #[must_use]
    pub fn budget(mut self, trials: usize) -> Self {
        self.problem.budget = Some(trials);
        self
    }

    /// The data set's meta-features, which enter the state of agents that look at them.
    #[must_use]
    pub fn meta_features(mut self, meta_features: Vec<f64>) -> Self {
        self.problem.meta_features = meta_features;
        self
    }

    /// The whole problem at once: grid, meta-features, budget and optimum as they are known.
    #[must_use]
    pub fn problem(mut self, problem: Problem) -> Self {
        self.problem = problem;
        self
    }

    /// Builds the study. One with a storage begins where its trials end.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] for an unknown strategy; [`Error::Setting`] or [`Error::Unsuited`] where
    /// its settings or parts do not fit, a meta-feature is NaN or infinite, there is no objective, the
    /// problem's grid is one of another space, several objectives meet a pruner or an optimizer of your
    /// own; [`Error::Storage`] where the storage holds a study of this name with another space or other
    /// directions; what the storage reports.
    pub fn build(mut self) -> Result<Study> {
        let Some(first) = self.directions.first() else {
            return Err(Error::setting("study", "objectives", "at least one direction", "none"));
        };
        self.problem.direction = *first;
        if let Some(number) = self.problem.meta_features.iter().find(|number| !number.is_finite()) {
            return Err(Error::setting("study", "meta-features", "finite numbers", number));
        }
        if self.problem.grid.as_ref().is_some_and(|grid| grid.space() != &self.problem.space) {
            return Err(Error::unsuited("the study", "the problem's grid is one of another space"));
        }
        let streams = Streams::new(self.seed);
        let (strategy, optimizer) = match self.choice {
            Choice::Own(optimizer) => (None, optimizer),
            choice => {
                let strategy = match choice {
                    Choice::Configured(strategy) => *strategy,
                    Choice::Named(name) => Strategy::named(&name)?,
                    _ => Strategy::default(),
                };
                let optimizer = strategy.build(&self.problem, streams)?;
                (Some(strategy), optimizer)
            }
        };
        let several = self.directions.len() > 1;
        if several && strategy.is_none() {
            return Err(Error::unsuited(
                "the study",
                "several objectives need a strategy that can be built anew, not an optimizer of your own",
            ));
        }
        if several && self.pruner.is_some() {
            return Err(Error::unsuited("the study", "pruners compare one objective, not several"));
        }
        let pruning = self.pruner.map(|pruner| Pruning::new(pruner, &self.name)).transpose()?;
        let mut study = Study {
            name: self.name,
            scalarization: several.then(|| Scalarization::new(&self.directions, streams)),
            problem: self.problem,
            directions: self.directions,
            streams,
            strategy,
            optimizer,
            history: History::default(),
            pending: Vec::new(),
            records: Vec::new(),
            queue: Default::default(),
            pruning,
            shared: None,
            observers: Vec::new(),
            stops: self.stops,
        };
        if let Some(storage) = self.storage {
            let identity = Identity::of(&study)?;
            study.shared =
                Some(Shared::bind(storage, &study.name, &study.directions, identity, self.held)?);
            study.resume()?;
        }
        study.observers = self.observers;
        Ok(study)
    }
}
