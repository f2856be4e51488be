//! The framing in which an action is a configuration.

use serde::{Deserialize, Serialize};

use super::summary::{summarize, width};
use super::{ActionSpace, ContinuousFraming};
use crate::error::{Error, Result};
use crate::mdp::{SelectState, squash};
use crate::optimizer::{Context, Problem};
use crate::persist::{Persist, Snapshot};
use crate::space::Configuration;
use crate::trial::Trial;

/// The choices of the continuous *select* framing: in each step the agent names a configuration and
/// sees its score, until the budget is spent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ContinuousSelect {
    /// What the state tells: the meta-features alone, or a summary of the history too.
    pub state: SelectState,
    /// The trials of an episode; the study's budget where it is not given.
    pub horizon: Option<usize>,
}

/// The continuous *select* framing at work.
#[derive(Debug)]
pub struct ContinuousSelectFraming {
    config: ContinuousSelect,
    actions: ActionSpace,
    meta_features: Vec<f32>,
    horizon: Option<usize>,
    /// The trials of the episode so far.
    steps: usize,
    episode: u64,
}

impl ContinuousSelectFraming {
    /// Builds the framing.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a horizon of 0.
    pub fn new(config: &ContinuousSelect, problem: &Problem, actions: ActionSpace) -> Result<Self> {
        if config.horizon == Some(0) {
            return Err(Error::setting("framing `select`", "horizon", "at least 1", 0));
        }
        Ok(Self {
            config: config.clone(),
            actions,
            meta_features: squash(&problem.meta_features).collect(),
            horizon: config.horizon.or(problem.budget),
            steps: 0,
            episode: 0,
        })
    }

    fn state(&self, cx: &Context<'_>) -> Vec<f32> {
        // A network without any input would be none.
        let mut state = vec![1.0];
        state.extend_from_slice(&self.meta_features);
        if self.config.state == SelectState::History {
            summarize(cx, self.horizon, &self.actions, &mut state);
        }
        state
    }
}

impl ContinuousFraming for ContinuousSelectFraming {
    fn states(&self) -> usize {
        let history = match self.config.state {
            SelectState::Static => 0,
            SelectState::History => width(&self.actions),
        };
        1 + self.meta_features.len() + history
    }

    fn actions(&self) -> &ActionSpace {
        &self.actions
    }

    fn observe(&mut self, cx: &Context<'_>) -> Vec<f32> {
        self.state(cx)
    }

    fn decides(&self) -> bool {
        true
    }

    fn decode(&self, action: &[f32]) -> Configuration {
        self.actions.decode(action)
    }

    fn encode(&self, configuration: &Configuration) -> Vec<f32> {
        self.actions.encode(configuration)
    }

    fn anchors(&self, cx: &Context<'_>, count: usize) -> Vec<Vec<f32>> {
        let mut complete: Vec<&Trial> =
            cx.history.trials().iter().filter(|trial| trial.score().is_some()).collect();
        complete.sort_by_key(|trial| std::cmp::Reverse(trial.score()));
        complete.iter().take(count).map(|trial| self.encode(&trial.configuration)).collect()
    }

    fn advance(&mut self, _trial: &Trial, _decided: bool, cx: &Context<'_>) -> Option<Vec<f32>> {
        self.steps += 1;
        if self.horizon.is_some_and(|horizon| self.steps >= horizon) {
            self.steps = 0;
            self.episode += 1;
            return None;
        }
        Some(self.state(cx))
    }

    fn imagined(&self, state: &[f32], _configuration: &Configuration, _z: f32) -> Vec<f32> {
        state.to_vec()
    }

    fn episode(&self) -> u64 {
        self.episode
    }
}

impl Persist for ContinuousSelectFraming {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        snapshot.put(at, "steps", &self.steps)?;
        snapshot.put(at, "episode", &self.episode)
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        let (steps, episode): (usize, u64) =
            (snapshot.get(at, "steps")?, snapshot.get(at, "episode")?);
        let most = self.horizon.unwrap_or(1 << 32);
        if steps >= most || episode > 1 << 32 {
            let found = format!("{steps} trials of an episode of {most}, the {episode}th");
            return Err(Error::snapshot(format!("{at}/steps"), found));
        }
        (self.steps, self.episode) = (steps, episode);
        Ok(())
    }
}
