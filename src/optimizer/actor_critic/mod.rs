//! DDPG, TD3 and SAC as optimizers: a continuous framing, a reward and an actor-critic agent.

mod candidates;
mod model;
#[cfg(test)]
mod tests;
mod transitions;

pub use candidates::ActionCandidates;
pub use model::Dyna;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use self::candidates::Candidates;
use self::model::{Imagining, SurfaceModel};
use self::transitions::Transitions;
use super::{Context, Optimizer, Problem, sobol_point};
use crate::agent::{ActorCritic, ActorCriticConfig, ControlBatch};
use crate::error::{Error, Result};
use crate::explore::{Exploration, Explore, Moment, Selection};
use crate::mdp::{
    ActionEncoding, ActionSet, ContinuousFraming, ContinuousFramingConfig, ContinuousSelect,
    Reward, RewardKind,
};
use crate::persist::{Array, Persist, Snapshot};
use crate::replay::{Batch, Replay, ReplayConfig};
use crate::space::{Configuration, Grid, GridSize};
use crate::streams::{Generator, Streams};
use crate::trial::{Score, Trial};
use crate::value::{Estimates, Signals};

/// Spaces of at most this many configurations are listed, so that the last ones are found too.
const LISTED: usize = 4096;
/// How often a proposal that repeats another is disturbed before it is drawn anew.
const REDRAWS: u32 = 8;

/// How a continuous agent explores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Acting {
    /// As the agent itself does: an actor with noise, or the draw of a stochastic one.
    Agent,
    /// By a policy over candidate actions, judged by the critics.
    Candidates {
        /// The policy.
        exploration: Exploration,
        /// The candidates.
        #[serde(default)]
        candidates: ActionCandidates,
    },
}

/// An actor-critic agent that tunes, as plain data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ContinuousControl {
    /// What a state, an action and an episode are.
    pub framing: ContinuousFramingConfig,
    /// How categorical parameters become numbers.
    pub encoding: ActionEncoding,
    /// What a trial was worth.
    pub reward: Reward,
    /// The agent.
    pub agent: ActorCriticConfig,
    /// How it explores.
    pub acting: Acting,
    /// The discount factor of one step, in `[0, 1]`.
    pub discount: f32,
    /// Which transitions are learned from again.
    pub replay: ReplayConfig,
    /// The updates after every trial.
    pub updates_per_trial: usize,
    /// The Sobol points that come first; `2 (parameters) + 2` where it is not given.
    pub design_trials: Option<usize>,
    /// Learning from imagined trials too.
    pub dyna: Option<Dyna>,
}

impl ContinuousControl {
    /// An agent that selects configurations and explores by itself.
    ///
    /// ```
    /// use hyperq::agent::Td3;
    /// use hyperq::explore::{Exploration, Ucb};
    /// use hyperq::optimizer::{Acting, ActionCandidates, ContinuousControl};
    /// use hyperq::prelude::*;
    ///
    /// let space = SearchSpace::new([Parameter::float("x", 0.0, 1.0)])?;
    /// let ensemble = Td3 { critics: 6, prior_scale: 0.3, ..Td3::tuned() };
    /// let optimistic = ContinuousControl {
    ///     acting: Acting::Candidates {
    ///         exploration: Exploration::Ucb(Ucb::default()),
    ///         candidates: ActionCandidates::default(),
    ///     },
    ///     ..ContinuousControl::of(ensemble)
    /// };
    /// let study = Study::builder(space).configured(optimistic).seed(7).build()?;
    /// # Ok::<(), hyperq::Error>(())
    /// ```
    pub fn of(agent: impl Into<ActorCriticConfig>) -> Self {
        Self {
            framing: ContinuousFramingConfig::Select(ContinuousSelect::default()),
            encoding: ActionEncoding::default(),
            reward: Reward::default(),
            agent: agent.into(),
            acting: Acting::Agent,
            discount: 0.0,
            replay: ReplayConfig::default(),
            updates_per_trial: 40,
            design_trials: None,
            dyna: None,
        }
    }

    /// Builds the optimizer; `streams` are those of its study.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting is out of its range; [`Error::Unsuited`] where parts do
    /// not fit together or do not fit the problem.
    pub fn build(&self, problem: &Problem, streams: Streams) -> Result<ActorCriticSearch> {
        const OWNER: &str = "actor-critic";
        self.reward.check(problem.optimum)?;
        if !(0.0..=1.0).contains(&self.discount) {
            return Err(Error::setting(OWNER, "discount", "in [0, 1]", self.discount));
        }
        if self.updates_per_trial > 1_000_000 {
            let found = self.updates_per_trial;
            return Err(Error::setting(OWNER, "updates-per-trial", "at most 1000000", found));
        }
        let framing = self.framing.build(problem, self.encoding)?;
        let (states, actions) = (framing.states(), framing.actions().len());
        let agent = self.agent.build(states, actions, streams)?;
        let policy = match &self.acting {
            Acting::Agent => None,
            Acting::Candidates { exploration, candidates } => {
                candidates.check()?;
                let several = agent.critics() > 1;
                let supplies = Signals { spread: several, members: several, ..Signals::default() };
                Some(exploration.build(self.agent.name(), supplies)?)
            }
        };
        let listed = match &problem.grid {
            Some(grid) => Some(Arc::clone(grid)),
            None => match problem.space.cardinality(LISTED) {
                Some(_) => Some(problem.grid(GridSize::Resolution(usize::MAX))?),
                None => None,
            },
        };
        let model = match &self.dyna {
            Some(dyna) => Some(dyna.build(&problem.space, streams)?),
            None => None,
        };
        Ok(ActorCriticSearch {
            config: self.clone(),
            design_trials: self.design_trials.unwrap_or(2 * problem.space.len() + 2) as u64,
            replay: self.replay.build(1 << 20)?,
            transitions: Transitions::new(states, actions),
            optimum: problem.optimum,
            snaps: problem.grid.is_some(),
            listed,
            framing,
            agent,
            policy,
            model,
            scores: Vec::new(),
            decisions: BTreeMap::new(),
            scratch: Scratch::default(),
            selection: None,
        })
    }
}

/// A decision whose trial is pending.
#[derive(Debug)]
struct Decision {
    state: Vec<f32>,
    /// The action as critics see it.
    action: Vec<f32>,
}

/// Buffers that are used again in every trial.
#[derive(Default)]
struct Scratch {
    batch: Batch,
    rows: ControlBatch,
    imagined: ControlBatch,
    estimates: Estimates,
    action: Vec<f32>,
}

/// A framing, a reward and an actor-critic agent at work.
///
/// The first trials are Sobol points. Later ones are what the agent does, or what a policy picks of
/// candidate actions that the critics judge. A proposal that was tried or is pending is disturbed
/// more and more until it is a new one; where the problem brings a grid, proposals are its nearest
/// configurations. After every trial the rewards of all are computed anew, and the agent makes
/// `updates-per-trial` updates from the transitions so far.
pub struct ActorCriticSearch {
    config: ContinuousControl,
    design_trials: u64,
    framing: Box<dyn ContinuousFraming>,
    agent: Box<dyn ActorCritic>,
    policy: Option<Box<dyn Explore>>,
    replay: Box<dyn Replay>,
    transitions: Transitions,
    model: Option<SurfaceModel>,
    optimum: Option<Score>,
    /// All configurations, where they are few or given.
    listed: Option<Arc<Grid>>,
    /// Whether proposals must be listed ones.
    snaps: bool,
    /// In the order of telling, NaN where a trial failed.
    scores: Vec<f64>,
    /// By trial.
    decisions: BTreeMap<u64, Decision>,
    scratch: Scratch,
    selection: Option<Selection>,
}

impl ActorCriticSearch {
    /// The configuration itself, or the nearest of the problem's grid.
    fn snapped(&self, configuration: Configuration) -> Configuration {
        match &self.listed {
            Some(grid) if self.snaps => {
                grid.nearest(&configuration).map_or(configuration, |row| grid.get(row).clone())
            }
            _ => configuration,
        }
    }

    /// What the agent wants to try.
    fn decide(&mut self, state: &[f32], taken: &Taken<'_>, cx: &Context<'_>) -> Configuration {
        let mut rng = cx.streams.at("actor-critic/act", cx.id.0);
        let (Some(policy), Acting::Candidates { exploration, candidates: settings }) =
            (&mut self.policy, &self.config.acting)
        else {
            let action = &mut self.scratch.action;
            self.agent.explore(state, cx.id.0, &mut rng, action);
            return self.framing.decode(&self.scratch.action);
        };
        let moment =
            Moment { trial: cx.id.0, episode: self.framing.episode(), streams: cx.streams };
        let (framing, agent) = (self.framing.as_ref(), self.agent.as_mut());
        let mut candidates = Candidates::draw(settings, framing, agent, state, cx, &mut rng);
        if settings.polished > 0 && settings.polish_steps > 0 {
            candidates.polish(settings, exploration, framing, agent, state, moment);
        }
        candidates.estimate(agent, &mut self.scratch.estimates);
        let mut allowed = ActionSet::all(candidates.configurations.len());
        for (place, configuration) in candidates.configurations.iter().enumerate() {
            if taken.contains(configuration) {
                allowed.remove(place);
            }
        }
        if allowed.is_empty() {
            allowed = ActionSet::all(candidates.configurations.len());
        }
        let estimates = &self.scratch.estimates;
        let chosen = policy.choose(estimates, &allowed, moment, &mut rng);
        self.selection = Some(Selection::of(&estimates.mean, &allowed, chosen));
        candidates.configurations.swap_remove(chosen)
    }

    /// A configuration near the wanted one that is not taken, or the wanted one where all are.
    fn distinct(
        &self,
        wanted: Configuration,
        taken: &Taken<'_>,
        rng: &mut Generator,
    ) -> Configuration {
        let wanted = self.snapped(wanted);
        if !taken.contains(&wanted) {
            return wanted;
        }
        let space = wanted.space().clone();
        let unit = space.to_unit(&wanted);
        for redraw in 0..2 * REDRAWS {
            // From 1 % of the range to more than all of it, then anywhere.
            let scale = 0.01 * 2f64.powi(redraw as i32);
            let mut normal = || -> f64 { StandardNormal.sample(rng) };
            let point: Vec<f64> = match redraw < REDRAWS {
                true => unit.iter().map(|u| (u + scale * normal()).clamp(0.0, 1.0)).collect(),
                false => unit.iter().map(|_| rng.random()).collect(),
            };
            let configuration = self.snapped(space.from_unit(&point));
            if !taken.contains(&configuration) {
                return configuration;
            }
        }
        if let Some(grid) = &self.listed {
            let free: Vec<&Configuration> =
                grid.configurations().iter().filter(|c| !taken.contains(c)).collect();
            if !free.is_empty() {
                return free[rng.random_range(0..free.len())].clone();
            }
        }
        wanted
    }

    /// Updates the agent from the transitions so far.
    fn learn(&mut self, cx: &Context<'_>) {
        if self.transitions.len() == 0 || (self.scores.len() as u64) < self.design_trials {
            return;
        }
        let rewards = self.config.reward.of(&self.scores, self.optimum);
        let mut rng = cx.streams.at("actor-critic/learn", cx.id.0);
        self.imagine(cx, &mut rng);
        let Scratch { batch, rows, imagined, .. } = &mut self.scratch;
        for _ in 0..self.config.updates_per_trial {
            self.replay.sample(self.config.agent.batch(), &mut rng, batch);
            rows.clear();
            for (&position, &weight) in batch.positions.iter().zip(&batch.weights) {
                let discount = self.config.discount;
                self.transitions.write(position, &rewards, discount, weight, rows);
            }
            let real = rows.rows();
            if imagined.rows() > 0 {
                for _ in 0..real {
                    rows.copy(imagined, rng.random_range(0..imagined.rows()));
                }
            }
            self.agent.update(rows, &mut rng);
            self.replay.update(batch, &self.agent.errors()[..real]);
        }
    }

    /// Fits the model of the surface, where there is one, and imagines steps with it.
    fn imagine(&mut self, cx: &Context<'_>, rng: &mut Generator) {
        let Some(model) = &mut self.model else { return };
        let ContinuousControl { reward, discount, .. } = self.config;
        let state = self.framing.observe(cx);
        let scores = Reward { kind: RewardKind::Score, ..reward }.of(&self.scores, None);
        let what = Imagining { state: &state, reward, scores: &scores, discount };
        let into = &mut self.scratch.imagined;
        model.imagine(&what, self.framing.as_ref(), self.agent.as_mut(), cx, rng, into);
    }
}

/// The configurations that are tried or being tried.
struct Taken<'a>(HashSet<&'a Configuration>);

impl<'a> Taken<'a> {
    fn of(cx: &Context<'a>) -> Self {
        let tried = cx.history.trials().iter().map(|trial| &trial.configuration);
        Self(tried.chain(cx.pending.iter().map(|trial| &trial.configuration)).collect())
    }

    fn contains(&self, configuration: &Configuration) -> bool {
        self.0.contains(configuration)
    }
}

impl Optimizer for ActorCriticSearch {
    fn ask(&mut self, cx: &Context<'_>) -> Result<Configuration> {
        self.selection = None;
        let taken = Taken::of(cx);
        let state = self.framing.observe(cx);
        let designed = cx.id.0 < self.design_trials || !self.framing.decides();
        let wanted = match designed {
            true => cx.space.from_unit(&sobol_point(cx.streams, cx.id.0, cx.space.len())),
            false => self.decide(&state, &taken, cx),
        };
        let mut rng = cx.streams.at("actor-critic/redraw", cx.id.0);
        let configuration = self.distinct(wanted, &taken, &mut rng);
        // A designed configuration is an action where an action may be any configuration.
        let select = matches!(self.config.framing, ContinuousFramingConfig::Select(_));
        if select || !designed {
            let action = self.framing.encode(&configuration);
            self.decisions.insert(cx.id.0, Decision { state, action });
        }
        Ok(configuration)
    }

    fn tell(&mut self, trial: &Trial, cx: &Context<'_>) -> Result<()> {
        self.scores.push(trial.score().map_or(f64::NAN, |score| score.get()));
        let decision = self.decisions.remove(&trial.id.0);
        let episode = self.framing.episode();
        let next = self.framing.advance(trial, decision.is_some(), cx);
        if let Some(Decision { state, action }) = decision {
            self.replay.push(self.transitions.len());
            self.transitions.push(&state, &action, self.scores.len() - 1, next.as_deref());
        }
        self.learn(cx);
        if self.framing.episode() != episode {
            self.agent.begin_episode(&mut cx.streams.at("actor-critic/episode", cx.id.0));
        }
        Ok(())
    }

    fn selection(&self) -> Option<Selection> {
        self.selection
    }
}

impl Persist for ActorCriticSearch {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        self.framing.save(&format!("{at}/framing"), snapshot)?;
        self.agent.save(&format!("{at}/agent"), snapshot)?;
        if let Some(policy) = &self.policy {
            policy.save(&format!("{at}/policy"), snapshot)?;
        }
        if let Some(model) = &self.model {
            model.save(&format!("{at}/model"), snapshot)?;
        }
        self.replay.save(&format!("{at}/replay"), snapshot)?;
        self.transitions.save(&format!("{at}/transitions"), snapshot)?;
        snapshot.put_array(at, "scores", Array::F64(self.scores.clone()));
        let at = format!("{at}/decisions");
        let trials: Vec<u64> = self.decisions.keys().copied().collect();
        let numbers = |of: fn(&Decision) -> &Vec<f32>| {
            Array::F32(self.decisions.values().flat_map(|d| of(d).iter().copied()).collect())
        };
        snapshot.put_array(&at, "trials", Array::U64(trials));
        snapshot.put_array(&at, "states", numbers(|decision| &decision.state));
        snapshot.put_array(&at, "actions", numbers(|decision| &decision.action));
        Ok(())
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        self.framing.load(&format!("{at}/framing"), snapshot)?;
        self.agent.load(&format!("{at}/agent"), snapshot)?;
        if let Some(policy) = &mut self.policy {
            policy.load(&format!("{at}/policy"), snapshot)?;
        }
        if let Some(model) = &mut self.model {
            model.load(&format!("{at}/model"), snapshot)?;
        }
        self.replay.load(&format!("{at}/replay"), snapshot)?;
        self.transitions.load(&format!("{at}/transitions"), snapshot)?;
        let Array::F64(scores) = snapshot.array(at, "scores")? else {
            return Err(Error::snapshot(format!("{at}/scores"), "must be 64-bit floats"));
        };
        if scores.iter().any(|score| score.is_infinite()) {
            return Err(Error::snapshot(format!("{at}/scores"), "must be finite, or NaN"));
        }
        self.scores.clone_from(scores);
        self.transitions.check_loaded(&format!("{at}/transitions"), self.scores.len())?;
        let count = self.transitions.len() as u64;
        let positions = self.replay.positions();
        let beyond = positions.iter().find(|position| **position >= count);
        if positions.len() as u64 != count || beyond.is_some() {
            return Err(Error::snapshot(
                format!("{at}/replay/ring"),
                format!("must hold each of {count} transitions"),
            ));
        }
        self.load_decisions(&format!("{at}/decisions"), snapshot)
    }
}

impl ActorCriticSearch {
    fn load_decisions(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        let Array::U64(trials) = snapshot.array(at, "trials")? else {
            return Err(Error::snapshot(format!("{at}/trials"), "must be integers"));
        };
        let (states, actions) = (self.framing.states(), self.framing.actions().len());
        let numbers = |key: &str, width: usize| -> Result<&[f32]> {
            let numbers = snapshot.f32s(at, key, trials.len() * width)?;
            match numbers.iter().all(|x| x.is_finite()) {
                true => Ok(numbers),
                false => Err(Error::snapshot(format!("{at}/{key}"), "must be finite")),
            }
        };
        self.decisions = trials
            .iter()
            .zip(numbers("states", states)?.chunks_exact(states))
            .zip(numbers("actions", actions)?.chunks_exact(actions))
            .map(|((trial, state), action)| {
                (*trial, Decision { state: state.to_vec(), action: action.to_vec() })
            })
            .collect();
        Ok(())
    }
}
