//! Hyp-RL over a corpus: the recurrent Q-network learns a search strategy and tunes new tasks with it.

use std::sync::Arc;

use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::learner::MetaLearner;
use super::prior::LearnedPrior;
use super::tried::Tried;
use crate::agent::{HypRl, HypRlLearner};
use crate::error::{Error, Result};
use crate::explore::Selection;
use crate::mdp::ActionSet;
use crate::optimizer::{Context, Optimizer, Problem};
use crate::persist::{Array, Persist, Snapshot};
use crate::space::{Configuration, Grid};
use crate::streams::Streams;
use crate::trial::Trial;

/// What a trial was worth to Hyp-RL, in standard deviations of the corpus's scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gain {
    /// The score, as in the paper.
    Score,
    /// The score less that of the trial before; the first one's is the score.
    OverPrevious,
    /// What the trial adds to the best score so far, at least 0; the first one's is the score.
    #[default]
    OverIncumbent,
}

impl Gain {
    fn of(self, score: f32, previous: Option<f32>, incumbent: Option<f32>) -> f32 {
        match (self, previous, incumbent) {
            (Self::OverPrevious, Some(previous), _) => score - previous,
            (Self::OverIncumbent, _, Some(incumbent)) => (score - incumbent).max(0.0),
            _ => score,
        }
    }
}

/// Hyp-RL with its training over a corpus, as plain data (Jomaa, Grabocka & Schmidt-Thieme 2019, algorithm 1).
///
/// An episode tunes a training task drawn at random until the budget is spent or an action is repeated; after
/// every trial the network is updated once. Meta-features are standardized over the corpus, scores by the mean and
/// the standard deviation of all its scores.
///
/// On a new task actions are greedy but for `epsilon-to`, and those tried already are left out, since a repeat
/// tells nothing there. Fine-tuning goes on with an update a trial; episodes are cut every ten trials then, since
/// only whole ones are learned from. From scratch it explores with the schedule over the study's budget and learns
/// from the first episode on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RecurrentAgent {
    /// The network and its learning.
    pub network: HypRl,
    /// What a trial was worth.
    pub reward: Gain,
    /// The episodes of the training.
    pub episodes: usize,
    /// The trials of an episode at most, at least 1.
    pub horizon: usize,
}

impl Default for RecurrentAgent {
    fn default() -> Self {
        Self { network: HypRl::default(), reward: Gain::default(), episodes: 1000, horizon: 60 }
    }
}

/// [`RecurrentAgent`] at work.
pub struct RecurrentLearner {
    agent: RecurrentAgent,
    prior: LearnedPrior,
    learner: HypRlLearner,
    /// Mean and standard deviation of the corpus's scores.
    level: f64,
    spread: f64,
    /// Whether it was trained over tasks.
    trained: bool,
    /// The mean gain over the first and the last tenth of the training, for the model card.
    earned: Vec<f64>,
}

/// From scratch, learning starts with the first episode of so many trials.
const ALONE: usize = 10;

impl RecurrentLearner {
    /// The learner before training; `streams` give its initial weights.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting is out of its range.
    pub fn new(agent: &RecurrentAgent, prior: LearnedPrior, streams: Streams) -> Result<Self> {
        if agent.horizon == 0 {
            return Err(Error::setting("agent `hyp-rl`", "horizon", "at least 1", 0));
        }
        let trained = prior.tasks() > 0;
        let mut network = agent.network.clone();
        if !trained {
            network.learning_starts = network.learning_starts.min(ALONE);
        }
        let inputs = prior.grid().space().features() + 1;
        let learner = HypRlLearner::new(
            &network,
            inputs,
            prior.meta_features(),
            prior.grid().len(),
            streams,
        )?;
        let scores: Vec<f64> = prior
            .sources()
            .iter()
            .flat_map(|source| source.values.iter().map(|z| source.worst + source.range() * z))
            .collect();
        let count = scores.len().max(1) as f64;
        let level = scores.iter().sum::<f64>() / count;
        let variance = scores.iter().map(|score| (score - level).powi(2)).sum::<f64>() / count;
        let spread = if variance > 0.0 { variance.sqrt() } else { 1.0 };
        let agent = agent.clone();
        Ok(Self { agent, prior, learner, level, spread, trained, earned: Vec::new() })
    }

    fn standardized(&self, score: f64) -> f32 {
        ((score - self.level) / self.spread) as f32
    }

    /// What the network is told of a trial: the encoded configuration and the standardized score.
    fn input(&self, configuration: &Configuration, score: f32) -> Vec<f32> {
        let space = self.prior.grid().space();
        let mut input = vec![0.0; space.features() + 1];
        space.encode(configuration, &mut input[..space.features()]);
        input[space.features()] = score;
        input
    }

    fn context(&self, meta_features: Option<&[f64]>) -> Vec<f32> {
        match meta_features {
            Some(features) => features.iter().map(|feature| *feature as f32).collect(),
            None => vec![0.0; self.prior.meta_features()],
        }
    }
}

/// An action drawn at random with probability epsilon, else the allowed one with the highest value.
fn act(
    values: &[f32],
    allowed: &ActionSet,
    epsilon: f64,
    rng: &mut crate::streams::Generator,
) -> usize {
    if rng.random::<f64>() < epsilon {
        let place = rng.random_range(0..allowed.count());
        return allowed.iter().nth(place).expect("the place is below the count");
    }
    crate::explore::argmax(allowed, |action| values[action], rng)
}

impl MetaLearner for RecurrentLearner {
    fn steps(&self) -> u64 {
        if self.trained { self.agent.episodes as u64 } else { 0 }
    }

    fn train(&mut self, step: u64, streams: Streams) -> Result<()> {
        let streams = streams.child("episode", step);
        let mut rng = streams.at("actions", 0);
        let mut draws = streams.at("updates", 0);
        let source = self.prior.sources()[rng.random_range(0..self.prior.tasks())].clone();
        let context = self.context(Some(&source.meta_features));
        let grid = Arc::clone(self.prior.grid());
        let all = ActionSet::all(grid.len());
        let mut fresh = all.clone();
        let (mut previous, mut incumbent) = (None, None);
        let mut earned = 0.0;
        self.learner.begin(&context);
        self.learner.begin_episode(&context);
        for trial in 0..self.agent.horizon {
            let horizon = self.agent.horizon as u64;
            let epsilon = self
                .agent
                .network
                .epsilon(step * horizon + trial as u64, self.agent.episodes as u64 * horizon);
            let action = act(self.learner.values(), &all, epsilon, &mut rng);
            let raw = source.worst + source.range() * source.values[action];
            let score = self.standardized(raw);
            let reward = self.agent.reward.of(score, previous, incumbent);
            let input = self.input(grid.get(action), score);
            self.learner.push_step(action, reward, &input);
            self.learner.step(&input);
            let best = incumbent.map_or(score, |best: f32| best.max(score));
            (previous, incumbent) = (Some(score), Some(best));
            earned = f64::from(best);
            self.learner.update(&mut draws);
            if !fresh.contains(action) {
                break;
            }
            fresh.remove(action);
        }
        self.learner.end_episode();
        self.earned.push(earned);
        Ok(())
    }

    fn optimizer(
        self: Arc<Self>,
        problem: &Problem,
        _streams: Streams,
        fine_tune: bool,
    ) -> Result<Box<dyn Optimizer>> {
        let grid = self.prior.grid();
        let mut known = ActionSet::all(grid.len());
        if let Some(given) = &problem.grid {
            for action in 0..grid.len() {
                if given.position(grid.get(action)).is_none() {
                    known.remove(action);
                }
            }
        }
        if known.is_empty() {
            return Err(Error::unsuited(
                "agent `hyp-rl`",
                "none of the problem's configurations is one of those that it was trained on",
            ));
        }
        let meta_features = self.prior.standardized(&problem.meta_features);
        let context = self.context(meta_features.as_deref());
        let mut learner = self.learner.clone();
        learner.begin(&context);
        if fine_tune {
            learner.begin_episode(&context);
        }
        Ok(Box::new(RecurrentSearch {
            learner,
            context,
            tried: Tried::new(grid.len()),
            known,
            fed: 0,
            fine_tune,
            stored: 0,
            budget: problem.budget,
            selection: None,
            agent: self,
        }))
    }

    fn findings(&self) -> Vec<String> {
        let tenth = self.earned.len() / 10;
        if tenth == 0 {
            return Vec::new();
        }
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        vec![format!(
            "Mean best score of a training episode, in standard deviations of the corpus's scores: {:.3} in \
             the first tenth of {} episodes, {:.3} in the last.",
            mean(&self.earned[..tenth]),
            self.earned.len(),
            mean(&self.earned[self.earned.len() - tenth..])
        )]
    }
}

impl Persist for RecurrentLearner {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        self.prior.save(&format!("{at}/prior"), snapshot)?;
        self.learner.save(&format!("{at}/network"), snapshot)?;
        snapshot.put(at, "trained", &self.trained)?;
        let numbers = [&[self.level, self.spread][..], &self.earned].concat();
        snapshot.put_array(at, "level-spread-earned", Array::F64(numbers));
        Ok(())
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        let grid: Arc<Grid> = Arc::clone(self.prior.grid());
        self.prior = LearnedPrior::load(grid, &format!("{at}/prior"), snapshot)?;
        self.learner.load(&format!("{at}/network"), snapshot)?;
        self.trained = snapshot.get(at, "trained")?;
        let refuse = || {
            Error::snapshot(
                format!("{at}/level-spread-earned"),
                "must be finite numbers, the second above 0",
            )
        };
        let Array::F64(numbers) = snapshot.array(at, "level-spread-earned")? else {
            return Err(refuse());
        };
        match numbers.as_slice() {
            [level, spread, earned @ ..]
                if *spread > 0.0 && numbers.iter().all(|x| x.is_finite()) =>
            {
                (self.level, self.spread) = (*level, *spread);
                self.earned = earned.to_vec();
                Ok(())
            }
            _ => Err(refuse()),
        }
    }
}

/// Tunes a new task.
struct RecurrentSearch {
    agent: Arc<RecurrentLearner>,
    learner: HypRlLearner,
    context: Vec<f32>,
    tried: Tried,
    /// The actions that the problem has.
    known: ActionSet,
    /// The trials of the history that the network has read.
    fed: usize,
    fine_tune: bool,
    /// The trials of the open episode of fine-tuning.
    stored: usize,
    budget: Option<usize>,
    selection: Option<Selection>,
}

impl Optimizer for RecurrentSearch {
    fn ask(&mut self, cx: &Context<'_>) -> Result<Configuration> {
        for trial in &cx.history.trials()[self.fed..] {
            if let Some(score) = trial.score() {
                let score = self.agent.standardized(score.get());
                self.learner.step(&self.agent.input(&trial.configuration, score));
            }
        }
        self.fed = cx.history.len();
        let grid = self.agent.prior.grid();
        let open = self.tried.allowed(cx, |configuration| grid.position(configuration));
        let mut allowed = self.known.clone();
        for action in 0..grid.len() {
            if !open.contains(action) {
                allowed.remove(action);
            }
        }
        if allowed.is_empty() {
            allowed = self.known.clone();
        }
        let network = &self.agent.agent.network;
        let epsilon = match (self.agent.trained, self.budget) {
            (true, _) => network.epsilon_to,
            (false, Some(budget)) => network.epsilon(cx.id.0, budget as u64),
            (false, None) => network.epsilon(cx.id.0, 100),
        };
        let mut rng = cx.streams.at("agent", cx.id.0);
        let values = self.learner.values();
        let action = act(values, &allowed, epsilon, &mut rng);
        self.selection = Some(Selection::of(values, &allowed, action));
        Ok(grid.get(action).clone())
    }

    fn tell(&mut self, trial: &Trial, cx: &Context<'_>) -> Result<()> {
        let action = self.agent.prior.grid().position(&trial.configuration);
        let (true, Some(score), Some(action)) = (self.fine_tune, trial.score(), action) else {
            return Ok(());
        };
        let earlier = &cx.history.trials()[..cx.history.len() - 1];
        let standardized = |score: crate::trial::Score| self.agent.standardized(score.get());
        let previous = earlier.iter().rev().find_map(Trial::score).map(standardized);
        let incumbent = earlier.iter().filter_map(Trial::score).max().map(standardized);
        let score = standardized(score);
        let reward = self.agent.agent.reward.of(score, previous, incumbent);
        let input = self.agent.input(&trial.configuration, score);
        self.learner.push_step(action, reward, &input);
        self.stored += 1;
        if self.stored == ALONE {
            self.learner.begin_episode(&self.context);
            self.stored = 0;
        }
        self.learner.update(&mut cx.streams.at("updates", cx.id.0));
        Ok(())
    }

    fn selection(&self) -> Option<Selection> {
        self.selection
    }
}

impl Persist for RecurrentSearch {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        if self.fine_tune {
            self.learner.save(&format!("{at}/network"), snapshot)?;
            snapshot.put(at, "stored", &self.stored)?;
        }
        Ok(())
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        if self.fine_tune {
            self.learner.load(&format!("{at}/network"), snapshot)?;
            self.stored = snapshot.get(at, "stored")?;
            if self.stored >= ALONE {
                return Err(Error::snapshot(
                    format!("{at}/stored"),
                    format!("must be below {ALONE}"),
                ));
            }
        }
        // The history is read again.
        self.learner.begin(&self.context);
        self.fed = 0;
        self.tried = Tried::new(self.agent.prior.grid().len());
        Ok(())
    }
}
