//! Studies: the ask/tell loop around an optimizer.

mod builder;
mod checkpoint;
mod evaluated;
mod evaluation;
mod record;
mod scalarization;
mod shared;
mod stop;
mod store;
mod worker;

pub use builder::StudyBuilder;
pub use evaluated::{Evaluated, IntoEvaluated};
pub use evaluation::Evaluation;
pub use record::Record;
pub(crate) use shared::SPACE;
pub use stop::Stop;

use std::collections::VecDeque;

use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::explore::Selection;
use crate::objectives::front;
use crate::optimizer::{Context, Optimizer, Problem};
use crate::prune::{Peer, Progress, Pruner, PrunerConfig};
use crate::space::{Configuration, SearchSpace};
use crate::storage::TrialState;
use crate::strategy::Strategy;
use crate::streams::Streams;
use crate::trial::{Direction, History, Outcome, PendingTrial, Trial, TrialId};

use scalarization::Scalarization;
use shared::Shared;

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

/// Called after each trial that this study was told: with the study, and the trial's number.
pub type Observer = Box<dyn FnMut(&Study, TrialId) + Send>;

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
///
/// With a storage ([`StudyBuilder::storage`]) the study outlives its process and is shared with other
/// workers.
pub struct Study {
    name: String,
    problem: Problem,
    /// One or more. Their scores are made one number by the scalarization where there are several.
    directions: Vec<Direction>,
    streams: Streams,
    /// `None` where the optimizer is the caller's own.
    strategy: Option<Strategy>,
    optimizer: Box<dyn Optimizer>,
    history: History,
    pending: Vec<PendingTrial>,
    /// By trial number.
    records: Vec<Record>,
    /// Configurations to try first, each with all parameters or some. A storage keeps its own.
    queue: VecDeque<serde_json::Map<String, Json>>,
    pruning: Option<Pruning>,
    scalarization: Option<Scalarization>,
    shared: Option<Shared>,
    observers: Vec<Observer>,
    stops: Vec<Stop>,
}

/// A pruner with the settings that it was built from.
struct Pruning {
    config: PrunerConfig,
    pruner: Box<dyn Pruner>,
}

impl Pruning {
    fn new(config: PrunerConfig, study: &str) -> Result<Self> {
        let pruner = config.build(study)?;
        Ok(Self { config, pruner })
    }
}

impl std::fmt::Debug for Study {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Study")
            .field("strategy", &self.strategy)
            .field("directions", &self.directions)
            .field("finished", &self.history.len())
            .field("pending", &self.pending.len())
            .finish_non_exhaustive()
    }
}

impl Study {
    /// Begins a study of a space; see [`StudyBuilder`] for the choices.
    pub fn builder(space: SearchSpace) -> StudyBuilder {
        StudyBuilder::new(space)
    }

    /// The study's name, in its storage for instance.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The search space.
    pub fn space(&self) -> &SearchSpace {
        &self.problem.space
    }

    /// Whether the objective is minimized or maximized; of several, the first.
    pub fn direction(&self) -> Direction {
        self.directions[0]
    }

    /// The objectives' directions.
    pub fn directions(&self) -> &[Direction] {
        &self.directions
    }

    /// The finished trials in the order in which they were told. Of a shared study those whose
    /// configuration is of its space.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The trials asked for and not told yet, those of other workers included.
    pub fn pending(&self) -> &[PendingTrial] {
        &self.pending
    }

    /// What is known of a trial beside its configuration.
    pub fn record(&self, id: TrialId) -> Option<&Record> {
        self.records.get(usize::try_from(id.0).ok()?)
    }

    /// The best trial so far, the first among equals; `None` where none is complete, or where there are
    /// several objectives, which have a [`pareto_front`](Study::pareto_front).
    pub fn best(&self) -> Option<&Trial> {
        if self.directions.len() > 1 {
            return None;
        }
        self.history.incumbent()
    }

    /// The complete trials of which none is better in one objective and as good in the others, in the
    /// order in which they were told. Of one objective: all trials as good as the best.
    pub fn pareto_front(&self) -> Vec<&Trial> {
        let complete: Vec<&Trial> = self
            .history
            .trials()
            .iter()
            .filter(|trial| matches!(trial.outcome, Outcome::Complete(_)))
            .collect();
        let values: Vec<Vec<f64>> =
            complete.iter().map(|trial| self.records[trial.id.0 as usize].values.clone()).collect();
        front(&values, &self.directions)
            .expect("complete trials have one finite number an objective")
            .into_iter()
            .map(|index| complete[index])
            .collect()
    }

    /// A trial's value in the objective's own unit, `None` where it failed. Of several objectives the
    /// first; [`Study::record`] has all.
    pub fn value(&self, trial: &Trial) -> Option<f64> {
        if self.scalarization.is_some() {
            return self.record(trial.id)?.values.first().copied();
        }
        trial.score().map(|score| self.direction().value(score))
    }

    /// Proposes the next configuration. Several may be asked for before the first is told.
    ///
    /// Enqueued configurations come first. A shared study first takes over what dead workers left.
    ///
    /// # Errors
    ///
    /// What the optimizer and the storage report; [`Error::Configuration`] or [`Error::Unknown`] where the
    /// optimizer's configuration is not one of the study's space. No trial is begun then.
    pub fn ask(&mut self) -> Result<Suggestion> {
        if self.shared.is_some() {
            return self.ask_shared();
        }
        let id = TrialId(self.records.len() as u64);
        let configuration = match self.queue.front() {
            None => self.propose(id)?,
            Some(fixed) => {
                let fixed = fixed.clone();
                let configuration = self.fix(id, &fixed)?;
                self.queue.pop_front();
                configuration
            }
        };
        self.records.push(Record::new(TrialState::Running));
        self.pending.push(PendingTrial { id, configuration: configuration.clone() });
        Ok(Suggestion { id, configuration })
    }

    /// Tells the value of a pending trial, in the objective's own unit. NaN and infinities are
    /// recorded as a failed trial.
    ///
    /// # Errors
    ///
    /// [`Error::Trial`] where the trial is not pending; what the optimizer and the storage report.
    pub fn tell(&mut self, id: TrialId, value: f64) -> Result<()> {
        self.finish(id, Evaluated::Values(vec![value]))
    }

    /// Tells that the evaluation of a pending trial failed.
    ///
    /// # Errors
    ///
    /// As [`Study::tell`].
    pub fn fail(&mut self, id: TrialId, reason: impl Into<String>) -> Result<()> {
        self.finish(id, Evaluated::Failed(reason.into()))
    }

    /// Tells what the evaluation of a pending trial ended with: one or several values, a failure, or that
    /// it was given up.
    ///
    /// ```
    /// use hyperq::prelude::*;
    /// use hyperq::study::Evaluated;
    ///
    /// let space = SearchSpace::new([Parameter::float("x", 0.0, 2.0)])?;
    /// let mut study = Study::builder(space)
    ///     .objectives([Direction::Minimize, Direction::Maximize])
    ///     .build()?;
    /// for _ in 0..8 {
    ///     let trial = study.ask()?;
    ///     let x = trial.float("x")?;
    ///     study.finish(trial.id, Evaluated::Values(vec![x * x, x]))?;
    /// }
    /// // Less of the one is less of the other: every trial is a best compromise.
    /// assert_eq!(study.pareto_front().len(), 8);
    /// # Ok::<(), hyperq::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Study::tell`].
    pub fn finish(&mut self, id: TrialId, evaluated: Evaluated) -> Result<()> {
        if !self.pending.iter().any(|trial| trial.id == id) {
            let known = (id.0 as usize) < self.records.len();
            let rule = if known { "is finished already" } else { "was never asked for" };
            return Err(Error::Trial { id: id.0, rule: rule.to_owned() });
        }
        let ending = self.records[id.0 as usize].ending(evaluated, self.directions.len());
        if self.shared.is_some() {
            self.finish_shared(id, ending)?;
        } else {
            let (state, values, reason) = ending;
            self.settle(id, state, values, reason)?;
        }
        // Observers see the study, so they are not in it meanwhile.
        let mut observers = std::mem::take(&mut self.observers);
        for observer in &mut observers {
            observer(self, id);
        }
        observers.append(&mut self.observers);
        self.observers = observers;
        Ok(())
    }

    /// How the last configuration that this study proposed was chosen; `None` where no values of actions were
    /// compared.
    pub fn selection(&self) -> Option<Selection> {
        self.optimizer.selection()
    }

    /// Reports an intermediate value of a pending trial, such as the error after an epoch. A second one for
    /// the same step replaces the first. NaN and infinities are refused: they end an evaluation, as a
    /// failure.
    ///
    /// # Errors
    ///
    /// [`Error::Trial`] where the trial is not pending, [`Error::Evaluation`] where the value is not finite;
    /// what the storage reports.
    pub fn report(&mut self, id: TrialId, step: u32, value: f64) -> Result<()> {
        if !self.pending.iter().any(|trial| trial.id == id) {
            return Err(Error::Trial { id: id.0, rule: "is not pending".to_owned() });
        }
        if !value.is_finite() {
            return Err(Error::Evaluation(format!(
                "the value at step {step} must be a finite number, found {value}"
            )));
        }
        if self.shared.is_some() {
            return self.report_shared(id, i64::from(step), value);
        }
        self.records[id.0 as usize].intermediate.insert(i64::from(step), value);
        Ok(())
    }

    /// Whether the pruner would give the trial up, by its intermediate values and those of the others.
    /// Without a pruner, never.
    pub fn should_prune(&self, id: TrialId) -> bool {
        let (Some(pruning), Some(record)) = (&self.pruning, self.record(id)) else { return false };
        let peers: Vec<Peer<'_>> = self
            .records
            .iter()
            .enumerate()
            .filter(|(number, _)| *number as u64 != id.0)
            .map(|(number, record)| Peer {
                number: number as u64,
                state: record.state,
                intermediate: &record.intermediate,
                value: record.values.first().copied(),
            })
            .collect();
        let progress = Progress { number: id.0, intermediate: &record.intermediate };
        pruning.pruner.prune(self.direction(), progress, &peers)
    }

    /// Has a configuration tried before the optimizer is asked again: all parameters or some, by name.
    /// The optimizer chooses the others.
    ///
    /// ```
    /// use hyperq::prelude::*;
    ///
    /// let space = SearchSpace::new([Parameter::float("x", 0.0, 1.0), Parameter::int("n", 1, 9)])?;
    /// let mut study = Study::builder(space).build()?;
    /// study.enqueue(&serde_json::json!({"n": 3}))?;
    /// assert_eq!(study.ask()?.int("n")?, 3);
    /// # Ok::<(), hyperq::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] or [`Error::Unknown`] where a value is not of the space; what the storage
    /// reports.
    pub fn enqueue(&mut self, fixed: &Json) -> Result<()> {
        let Some(fixed) = fixed.as_object() else {
            return Err(Error::configuration("", "a configuration must be a JSON object", fixed));
        };
        let space = &self.problem.space;
        space.complete(fixed, &space.from_unit(&vec![0.5; space.len()]))?;
        if self.shared.is_some() {
            return self.enqueue_shared(fixed);
        }
        self.queue.push_back(fixed.clone());
        Ok(())
    }

    /// Adds a trial of another time or place, finished already. The optimizer learns from it as from its
    /// own: a warm start.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] or [`Error::Unknown`] where the configuration is not of the space;
    /// what the optimizer and the storage report.
    pub fn add(&mut self, configuration: Configuration, evaluated: Evaluated) -> Result<TrialId> {
        let configuration = self.in_space(configuration)?;
        let record = Record::new(TrialState::Running);
        let (state, values, reason) = record.ending(evaluated, self.directions.len());
        if self.shared.is_some() {
            return self.add_shared(&configuration, state, values, reason);
        }
        let id = TrialId(self.records.len() as u64);
        self.records.push(record);
        self.pending.push(PendingTrial { id, configuration });
        self.settle(id, state, values, reason)?;
        Ok(id)
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

    /// What the optimizer proposes for a trial.
    fn propose(&mut self, id: TrialId) -> Result<Configuration> {
        let configuration = self.optimizer.ask(&Context {
            id,
            space: &self.problem.space,
            history: &self.history,
            pending: &self.pending,
            streams: self.streams,
        })?;
        self.in_space(configuration)
    }

    /// An enqueued configuration, completed by the optimizer where it leaves something open.
    fn fix(&mut self, id: TrialId, fixed: &serde_json::Map<String, Json>) -> Result<Configuration> {
        if let Ok(whole) =
            Configuration::from_json(&self.problem.space, &Json::Object(fixed.clone()))
        {
            return Ok(whole);
        }
        let base = self.propose(id)?;
        self.problem.space.complete(fixed, &base)
    }

    /// Ends a pending trial: the optimizer learns from it.
    fn settle(
        &mut self,
        id: TrialId,
        state: TrialState,
        values: Vec<f64>,
        reason: Option<String>,
    ) -> Result<()> {
        let Some(configuration) = self.close(id, state, values, reason) else { return Ok(()) };
        let outcome = self.outcome(id)?;
        let trial = Trial { id, configuration, outcome };
        self.history.push(trial.clone());
        if !self.is_muted() {
            self.learn(&trial)?;
        }
        self.scalarize_anew()
    }

    /// Tells the optimizer a trial of the history.
    fn learn(&mut self, trial: &Trial) -> Result<()> {
        self.optimizer.tell(
            trial,
            &Context {
                id: trial.id,
                space: &self.problem.space,
                history: &self.history,
                pending: &self.pending,
                streams: self.streams,
            },
        )
    }

    /// Ends the record of a trial; its configuration, where it has one of the study's space.
    fn close(
        &mut self,
        id: TrialId,
        state: TrialState,
        values: Vec<f64>,
        reason: Option<String>,
    ) -> Option<Configuration> {
        let record = &mut self.records[id.0 as usize];
        (record.state, record.values, record.reason) = (state, values, reason);
        let position = self.pending.iter().position(|trial| trial.id == id)?;
        Some(self.pending.remove(position).configuration)
    }

    /// What optimizers learn of a finished trial.
    fn outcome(&self, id: TrialId) -> Result<Outcome> {
        let record = &self.records[id.0 as usize];
        let score = || match &self.scalarization {
            None => self.direction().score(record.values[0]),
            Some(scalarization) => scalarization.score(&record.values),
        };
        let whole = record.values.len() == self.directions.len()
            && record.values.iter().all(|value| value.is_finite());
        Ok(match record.state {
            TrialState::Complete if whole => Outcome::Complete(score()?),
            TrialState::Pruned if whole => Outcome::Pruned(score()?),
            // Python workers may complete a trial with an infinity.
            TrialState::Complete => Outcome::Failed("a value is not finite".to_owned()),
            TrialState::Pruned => Outcome::Failed("pruned".to_owned()),
            _ => Outcome::Failed(record.reason.clone().unwrap_or_default()),
        })
    }

    fn is_muted(&self) -> bool {
        self.shared.as_ref().is_some_and(Shared::is_muted)
    }
}
