//! Studies: the ask/tell loop around an optimizer.

mod store;

use crate::error::{Error, Result};
use crate::meta::PolicyStudy;
use crate::optimizer::{Context, Optimizer, Problem};
use crate::space::{Configuration, SearchSpace};
use crate::strategy::Strategy;
use crate::streams::Streams;
use crate::trial::{Direction, History, Outcome, PendingTrial, Trial, TrialId};

/// A configuration to evaluate, with the number of its trial. It reads like its configuration:
/// `suggestion.float("learning_rate")?`.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    /// The trial to tell.
    pub id: TrialId,
    /// What to evaluate.
    pub configuration: Configuration,
}

impl std::ops::Deref for Suggestion {
    type Target = Configuration;

    fn deref(&self) -> &Configuration {
        &self.configuration
    }
}

/// What an objective returns: a number, or a result whose error is recorded as a failed trial.
pub trait IntoOutcome {
    /// The value, or why there is none.
    fn into_value(self) -> std::result::Result<f64, String>;
}

impl IntoOutcome for f64 {
    fn into_value(self) -> std::result::Result<f64, String> {
        Ok(self)
    }
}

impl<E: std::fmt::Display> IntoOutcome for std::result::Result<f64, E> {
    fn into_value(self) -> std::result::Result<f64, String> {
        self.map_err(|error| error.to_string())
    }
}

/// An optimizer with its history: ask for a configuration, tell what came out.
///
/// ```
/// use hyperq::prelude::*;
///
/// let space = SearchSpace::new([Parameter::float("x", -5.0, 5.0)])?;
/// let mut study = Study::builder(space).strategy("dqn-select-ucb").seed(7).build()?;
/// study.optimize(20, |trial| trial.float("x").map(|x| (x - 1.0).powi(2)))?;
/// let best = study.best().expect("at least one trial is complete");
/// println!("{} at {}", study.value(best).unwrap(), best.configuration);
/// # Ok::<(), hyperq::Error>(())
/// ```
pub struct Study {
    problem: Problem,
    direction: Direction,
    streams: Streams,
    /// `None` where the optimizer is the caller's own.
    strategy: Option<Strategy>,
    optimizer: Box<dyn Optimizer>,
    history: History,
    pending: Vec<PendingTrial>,
    next: TrialId,
}

impl std::fmt::Debug for Study {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Study")
            .field("strategy", &self.strategy)
            .field("direction", &self.direction)
            .field("finished", &self.history.len())
            .field("pending", &self.pending.len())
            .finish_non_exhaustive()
    }
}

impl Study {
    /// Begins a study of a space; see [`StudyBuilder`] for the choices.
    pub fn builder(space: SearchSpace) -> StudyBuilder {
        StudyBuilder {
            problem: Problem::new(space),
            direction: Direction::Minimize,
            seed: 0,
            choice: Choice::Default,
        }
    }

    /// The search space.
    pub fn space(&self) -> &SearchSpace {
        &self.problem.space
    }

    /// Whether the objective is minimized or maximized.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// The finished trials in the order in which they were told.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The trials asked for and not told yet.
    pub fn pending(&self) -> &[PendingTrial] {
        &self.pending
    }

    /// The best trial so far, the first among equals; `None` where none is complete.
    pub fn best(&self) -> Option<&Trial> {
        self.history.incumbent()
    }

    /// A trial's value in the objective's own unit, `None` where it failed.
    pub fn value(&self, trial: &Trial) -> Option<f64> {
        trial.score().map(|score| self.direction.value(score))
    }

    /// Proposes the next configuration. Several may be asked for before the first is told.
    ///
    /// # Errors
    ///
    /// What the optimizer reports; [`Error::Configuration`] or [`Error::Unknown`] where its
    /// configuration is not one of the study's space. No trial is begun then.
    pub fn ask(&mut self) -> Result<Suggestion> {
        let id = self.next;
        let configuration = self.optimizer.ask(&Context {
            id,
            space: &self.problem.space,
            history: &self.history,
            pending: &self.pending,
            streams: self.streams,
        })?;
        let configuration = self.in_space(configuration)?;
        self.next = TrialId(id.0 + 1);
        self.pending.push(PendingTrial { id, configuration: configuration.clone() });
        Ok(Suggestion { id, configuration })
    }

    /// Tells the value of a pending trial, in the objective's own unit. NaN and infinities are
    /// recorded as a failed trial.
    ///
    /// # Errors
    ///
    /// [`Error::Trial`] where the trial is not pending; what the optimizer reports.
    pub fn tell(&mut self, id: TrialId, value: f64) -> Result<()> {
        let outcome = match self.direction.score(value) {
            Ok(score) => Outcome::Complete(score),
            Err(error) => Outcome::Failed(error.to_string()),
        };
        self.finish(id, outcome)
    }

    /// Tells that the evaluation of a pending trial failed.
    ///
    /// # Errors
    ///
    /// [`Error::Trial`] where the trial is not pending; what the optimizer reports.
    pub fn fail(&mut self, id: TrialId, reason: impl Into<String>) -> Result<()> {
        self.finish(id, Outcome::Failed(reason.into()))
    }

    /// Asks, evaluates and tells `trials` times, one after the other.
    ///
    /// The objective returns a number or a `Result`; an error or a number that is not finite is
    /// recorded as a failed trial, and the study goes on.
    ///
    /// # Errors
    ///
    /// What the optimizer reports.
    pub fn optimize<O: IntoOutcome>(
        &mut self,
        trials: usize,
        mut objective: impl FnMut(&Suggestion) -> O,
    ) -> Result<()> {
        for _ in 0..trials {
            let suggestion = self.ask()?;
            match objective(&suggestion).into_value() {
                Ok(value) => self.tell(suggestion.id, value)?,
                Err(reason) => self.fail(suggestion.id, reason)?,
            }
        }
        Ok(())
    }

    /// The configuration as one of the study's space. Configurations are checked when they are made, so
    /// one of an equal space needs no second look.
    fn in_space(&self, configuration: Configuration) -> Result<Configuration> {
        let space = &self.problem.space;
        if configuration.space() == space {
            return Ok(configuration);
        }
        let json = serde_json::to_value(&configuration)
            .map_err(|error| Error::configuration("", error.to_string(), &configuration))?;
        Configuration::from_json(space, &json)
    }

    fn finish(&mut self, id: TrialId, outcome: Outcome) -> Result<()> {
        let Some(position) = self.pending.iter().position(|trial| trial.id == id) else {
            let rule = if id < self.next { "is finished already" } else { "was never asked for" };
            return Err(Error::Trial { id: id.0, rule: rule.to_owned() });
        };
        let PendingTrial { configuration, .. } = self.pending.remove(position);
        let trial = Trial { id, configuration, outcome };
        self.history.push(trial.clone());
        self.optimizer.tell(
            &trial,
            &Context {
                id,
                space: &self.problem.space,
                history: &self.history,
                pending: &self.pending,
                streams: self.streams,
            },
        )
    }
}

enum Choice {
    Default,
    Named(String),
    Configured(Box<Strategy>),
    Own(Box<dyn Optimizer>),
}

/// The choices of a new [`Study`]: minimize, seed 0 and the default strategy where nothing is said.
pub struct StudyBuilder {
    problem: Problem,
    direction: Direction,
    seed: u64,
    choice: Choice,
}

impl std::fmt::Debug for StudyBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StudyBuilder").field("problem", &self.problem).finish_non_exhaustive()
    }
}

impl StudyBuilder {
    /// Whether the objective is minimized or maximized.
    #[must_use]
    pub fn direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
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

    /// Builds the study.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] for an unknown strategy; [`Error::Setting`] or [`Error::Unsuited`] where
    /// its settings or parts do not fit, a meta-feature is NaN or infinite, or the problem's grid is
    /// one of another space.
    pub fn build(mut self) -> Result<Study> {
        self.problem.direction = self.direction;
        if let Some(number) = self.problem.meta_features.iter().find(|number| !number.is_finite()) {
            return Err(Error::setting("study", "meta-features", "finite numbers", number));
        }
        if self.problem.grid.as_ref().is_some_and(|grid| grid.space() != &self.problem.space) {
            return Err(Error::unsuited("the study", "the problem's grid is one of another space"));
        }
        let (strategy, optimizer) = match self.choice {
            Choice::Own(optimizer) => (None, optimizer),
            choice => {
                let strategy = match choice {
                    Choice::Configured(strategy) => *strategy,
                    Choice::Named(name) => Strategy::named(&name)?,
                    _ => Strategy::default(),
                };
                let optimizer = strategy.build(&self.problem, Streams::new(self.seed))?;
                (Some(strategy), optimizer)
            }
        };
        Ok(Study {
            problem: self.problem,
            direction: self.direction,
            streams: Streams::new(self.seed),
            strategy,
            optimizer,
            history: History::default(),
            pending: Vec::new(),
            next: TrialId(0),
        })
    }
}
