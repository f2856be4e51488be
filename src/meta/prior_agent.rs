//! The learned prior as a Q-function, with a rule of choice.

use std::sync::Arc;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::belief::{Belief, Target};
use super::learner::MetaLearner;
use super::prior::{LearnedPrior, Points, PriorSettings};
use super::tried::Reader;
use crate::error::{Error, Result};
use crate::experiment::metrics::log_area;
use crate::explore::{
    Exploration, Explore, Moment, Schedule, Selection, Ucb, log_expected_improvement,
};
use crate::mdp::ActionSet;
use crate::optimizer::{Context, Optimizer, Problem, sobol_point};
use crate::persist::{Array, Persist, Snapshot};
use crate::space::{Configuration, Grid};
use crate::streams::{Generator, Streams};
use crate::trial::Trial;
use crate::value::{Estimates, Signals};

/// How a configuration is chosen, given the belief.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// By an exploration policy, of mean and spread.
    Explore(Exploration),
    /// The highest expected improvement over the best normalized score so far (Mockus 1975).
    ExpectedImprovement {},
}

/// The learned prior with a rule of choice, as plain data.
///
/// The prior's settings and the rule's strength are chosen on the training tasks alone: `candidates`
/// settings (the given ones first, then Sobol points over wide ranges) each tune every training task for
/// `trials` trials, with the task left out of its own prior, and the settings with the least
///
/// ```text
/// mean over tasks of  sum_t regret_t / t  /  sum_t 1 / t
/// ```
///
/// are kept: the area under the curve of normalized regret over the logarithm of time, so that early and
/// late trials count alike. One candidate keeps the settings as they are given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PriorAgent {
    /// How a configuration is chosen.
    pub choice: Choice,
    /// The prior.
    pub prior: PriorSettings,
    /// How many settings are tried in training, at least 1.
    pub candidates: usize,
    /// For how many trials each of them tunes a training task.
    pub trials: usize,
}

impl Default for PriorAgent {
    fn default() -> Self {
        Self {
            choice: Choice::Explore(Exploration::Ucb(Ucb {
                coefficient: Schedule::RootLog(0.5),
                ..Ucb::default()
            })),
            prior: PriorSettings::default(),
            candidates: 1,
            trials: 60,
        }
    }
}

/// Settings that training chooses among.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Tuned {
    pub prior: PriorSettings,
    /// What the rule's exploration is multiplied with.
    pub strength: f64,
}

impl Tuned {
    /// Candidate `place`: the given settings, then points of wide ranges around what works.
    fn candidate(given: PriorSettings, place: u64, streams: Streams) -> Self {
        if place == 0 {
            return Self { prior: given, strength: 1.0 };
        }
        let point = sobol_point(streams.child("settings", 0), place, 6);
        let between = |u: f64, low: f64, high: f64| low * (high / low).powf(u);
        Self {
            prior: PriorSettings {
                blend: between(point[0], 0.02, 0.6),
                length: between(point[1], 0.2, 1.5),
                base_weight: between(point[2], 0.01, 0.5),
                bandwidth: between(point[3], 0.5, 8.0),
                noise: between(point[4], 0.01, 0.15),
            },
            strength: between(point[5], 0.25, 4.0),
        }
    }
}

/// A rule at work.
pub(super) enum Rule {
    Explore(Box<dyn Explore>),
    ExpectedImprovement,
}

impl Choice {
    /// The rule with its exploration multiplied by `strength`.
    pub(super) fn rule(&self, strength: f64) -> Result<Rule> {
        let exploration = match self {
            Self::ExpectedImprovement {} => return Ok(Rule::ExpectedImprovement),
            Self::Explore(exploration) => match exploration.clone() {
                Exploration::EpsilonGreedy(mut policy) => {
                    // A probability: the ranges of strength must not leave [0, 1].
                    policy.epsilon = match policy.epsilon.scaled(strength) {
                        Schedule::Constant(epsilon) => Schedule::Constant(epsilon.min(1.0)),
                        other if other.check("", "", 0.0, 1.0).is_ok() => other,
                        _ => policy.epsilon,
                    };
                    Exploration::EpsilonGreedy(policy)
                }
                Exploration::Softmax(mut policy) => {
                    policy.temperature = policy.temperature.scaled(strength);
                    Exploration::Softmax(policy)
                }
                Exploration::Ucb(mut policy) => {
                    policy.coefficient = policy.coefficient.scaled(strength);
                    Exploration::Ucb(policy)
                }
                // Expected improvement is a choice of its own here.
                other @ (Exploration::Greedy(_)
                | Exploration::Thompson(_)
                | Exploration::ExpectedImprovement(_)) => other,
            },
        };
        let supplies = Signals { spread: true, ..Signals::default() };
        Ok(Rule::Explore(exploration.build("learned prior", supplies)?))
    }
}

impl Rule {
    pub(super) fn choose(
        &mut self,
        belief: &Belief,
        allowed: &ActionSet,
        estimates: &mut Estimates,
        moment: Moment,
        rng: &mut Generator,
    ) -> usize {
        match self {
            Self::Explore(policy) => {
                belief.estimates(estimates);
                policy.choose(estimates, allowed, moment, rng)
            }
            Self::ExpectedImprovement => {
                belief.estimates(estimates);
                let best = belief.incumbent().unwrap_or(0.5);
                let key = |point: usize| {
                    let sd = belief.sd(point);
                    log_expected_improvement((belief.mean()[point] - best) / sd) + sd.ln()
                };
                crate::explore::argmax(allowed, |point| key(point) as f32, rng)
            }
        }
    }
}

impl Belief {
    /// Mean and spread of every point.
    pub(super) fn estimates(&self, into: &mut Estimates) {
        into.mean.clear();
        into.mean.extend(self.mean().iter().map(|&mean| mean as f32));
        into.spread.clear();
        into.spread.extend((0..self.mean().len()).map(|point| self.sd(point) as f32));
    }
}

/// The learned prior and what training chose.
pub struct PriorLearner {
    agent: PriorAgent,
    prior: LearnedPrior,
    points: Points,
    /// The area of each candidate tried so far.
    areas: Vec<f64>,
    chosen: Tuned,
}

impl PriorLearner {
    /// The learner before training.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting is out of its range; [`Error::Unsuited`] where the policy needs
    /// more than mean and spread.
    pub fn new(agent: &PriorAgent, prior: LearnedPrior) -> Result<Self> {
        let owner = "agent `prior`";
        agent.prior.check()?;
        if !(1..=4096).contains(&agent.candidates) {
            return Err(Error::setting(owner, "candidates", "in 1..=4096", agent.candidates));
        }
        if !(1..=100_000).contains(&agent.trials) {
            return Err(Error::setting(owner, "trials", "in 1..=100000", agent.trials));
        }
        agent.choice.rule(1.0)?;
        let points = Points::own(&prior);
        let chosen = Tuned { prior: agent.prior, strength: 1.0 };
        Ok(Self { agent: agent.clone(), points, prior, areas: Vec::new(), chosen })
    }

    pub(super) fn prior(&self) -> &LearnedPrior {
        &self.prior
    }

    pub(super) fn points(&self) -> &Points {
        &self.points
    }

    pub(super) fn chosen(&self) -> Tuned {
        self.chosen
    }

    /// The area under the curve of a training task, tuned without its own table.
    fn area(&self, task: usize, tuned: &Tuned, streams: Streams) -> Result<f64> {
        let source = &self.prior.sources()[task];
        let excluded = [task];
        let target = Target { meta_features: Some(&source.meta_features), excluded: &excluded };
        let mut belief = Belief::new(&self.prior, &tuned.prior, &self.points, target);
        let mut rule = self.agent.choice.rule(tuned.strength)?;
        let mut estimates = Estimates::default();
        let mut allowed = ActionSet::all(self.points.len());
        let (mut best, mut regrets) = (0.0f64, Vec::new());
        for trial in 0..self.agent.trials.min(self.points.len()) as u64 {
            let moment = Moment { trial, episode: 0, streams };
            let mut rng = streams.at("fit", trial);
            let point = rule.choose(&belief, &allowed, &mut estimates, moment, &mut rng);
            allowed.remove(point);
            let value = source.values[point];
            belief.observe(&self.points, point, source.worst + source.range() * value);
            best = best.max(value);
            regrets.push(1.0 - best);
        }
        Ok(log_area(&regrets))
    }
}

impl MetaLearner for PriorLearner {
    fn steps(&self) -> u64 {
        // Leaving a task out must leave another one.
        if self.agent.candidates > 1 && self.prior.tasks() > 1 {
            self.agent.candidates as u64
        } else {
            0
        }
    }

    fn train(&mut self, step: u64, streams: Streams) -> Result<()> {
        let tuned = Tuned::candidate(self.agent.prior, step, streams);
        let areas = (0..self.prior.tasks())
            .into_par_iter()
            .map(|task| self.area(task, &tuned, streams.child("task", task as u64)))
            .collect::<Result<Vec<f64>>>()?;
        let area = areas.iter().sum::<f64>() / areas.len() as f64;
        if self.areas.iter().all(|earlier| area < *earlier) {
            self.chosen = tuned;
        }
        self.areas.push(area);
        Ok(())
    }

    fn optimizer(
        self: Arc<Self>,
        problem: &Problem,
        streams: Streams,
        _fine_tune: bool,
    ) -> Result<Box<dyn Optimizer>> {
        let points = search_points(&self.prior, problem, streams);
        Ok(Box::new(PriorSearch {
            meta_features: self.prior.standardized(&problem.meta_features),
            rule: self.agent.choice.rule(self.chosen.strength)?,
            reader: Reader::new(points),
            belief: None,
            estimates: Estimates::default(),
            selection: None,
            learner: self,
        }))
    }

    fn findings(&self) -> Vec<String> {
        let Tuned { prior, strength } = &self.chosen;
        let mut lines = vec![format!(
            "Settings in use: blend {:.3}, length {:.3}, base weight {:.3}, bandwidth {:.3}, noise {:.3}, \
             exploration x {strength:.3}.",
            prior.blend, prior.length, prior.base_weight, prior.bandwidth, prior.noise
        )];
        if let Some(first) = self.areas.first() {
            let least = self.areas.iter().copied().fold(f64::INFINITY, f64::min);
            lines.push(format!(
                "Area under the regret curve on the training tasks, each left out of its own prior: {first:.4} \
                 with the given settings, {least:.4} with the chosen ones of {}.",
                self.areas.len()
            ));
        }
        lines
    }
}

/// What a search chooses among: the problem's grid, else what [`candidates`] makes.
pub(super) fn search_points(prior: &LearnedPrior, problem: &Problem, streams: Streams) -> Points {
    let configurations = match &problem.grid {
        Some(grid) => grid.configurations().to_vec(),
        None => candidates(prior.grid(), streams),
    };
    Points::new(prior, configurations)
}

/// Where a problem brings no configurations: those of the training tables, and Sobol points of the space.
fn candidates(own: &Grid, streams: Streams) -> Vec<Configuration> {
    let space = own.space();
    let mut all = own.configurations().to_vec();
    let mut known: std::collections::HashSet<Configuration> = all.iter().cloned().collect();
    for index in 0..SOBOL_POINTS {
        let point = sobol_point(streams.child("candidates", 0), index, space.len());
        let configuration = space.from_unit(&point);
        if known.insert(configuration.clone()) {
            all.push(configuration);
        }
    }
    all
}

/// How many Sobol points join the tables' configurations.
const SOBOL_POINTS: u64 = 512;

impl Persist for PriorLearner {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        self.prior.save(&format!("{at}/prior"), snapshot)?;
        snapshot.put(at, "chosen", &self.chosen)?;
        snapshot.put_array(at, "areas", Array::F64(self.areas.clone()));
        Ok(())
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        let grid = Arc::clone(self.prior.grid());
        self.prior = LearnedPrior::load(grid, &format!("{at}/prior"), snapshot)?;
        self.points = Points::own(&self.prior);
        self.chosen = snapshot.get(at, "chosen")?;
        self.chosen.prior.check()?;
        let Array::F64(areas) = snapshot.array(at, "areas")? else {
            return Err(Error::snapshot(format!("{at}/areas"), "must be 64-bit floats"));
        };
        self.areas = areas.clone();
        Ok(())
    }
}

/// Tunes a new task. The belief is derived from the history and is no state of its own.
struct PriorSearch {
    learner: Arc<PriorLearner>,
    meta_features: Option<Vec<f64>>,
    rule: Rule,
    reader: Reader,
    belief: Option<Belief>,
    estimates: Estimates,
    selection: Option<Selection>,
}

impl Optimizer for PriorSearch {
    fn ask(&mut self, cx: &Context<'_>) -> Result<Configuration> {
        let PriorLearner { prior, chosen, .. } = &*self.learner;
        let unread = self.reader.read(prior, cx);
        let points = self.reader.points();
        if unread.anew {
            self.belief = None;
        }
        let belief = self.belief.get_or_insert_with(|| {
            let target = Target { meta_features: self.meta_features.as_deref(), excluded: &[] };
            Belief::new(prior, &chosen.prior, points, target)
        });
        for (point, score) in unread.scores {
            belief.observe(points, point, score);
        }
        let allowed = self.reader.allowed(cx);
        let moment = Moment { trial: cx.id.0, episode: 0, streams: cx.streams };
        let mut rng = cx.streams.at("agent", cx.id.0);
        let point = self.rule.choose(belief, &allowed, &mut self.estimates, moment, &mut rng);
        self.selection = Some(Selection::of(&self.estimates.mean, &allowed, point));
        Ok(self.reader.points().configurations()[point].clone())
    }

    fn tell(&mut self, _trial: &Trial, _cx: &Context<'_>) -> Result<()> {
        Ok(())
    }

    fn selection(&self) -> Option<Selection> {
        self.selection
    }
}

impl Persist for PriorSearch {
    fn save(&self, _at: &str, _snapshot: &mut Snapshot) -> Result<()> {
        Ok(())
    }

    fn load(&mut self, _at: &str, _snapshot: &Snapshot) -> Result<()> {
        self.reader.restart();
        Ok(())
    }
}
