//! The framing of Hyp-RL: an action is a configuration of the grid.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{ActionSet, Advance, Framing, Ledger, Observation, Situation, Targets, squash};
use crate::error::{Error, Result};
use crate::optimizer::{Context, Problem};
use crate::persist::{Persist, Snapshot};
use crate::space::Grid;
use crate::streams::Generator;

/// What the state of [`Select`] tells of the episode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SelectState {
    /// Nothing but the meta-features: a contextual bandit over configurations.
    #[default]
    Static,
    /// The meta-features and a summary of the episode so far: the share of the horizon that is
    /// spent, the last and the best score in standard deviations, and the features of the last and
    /// of the best configuration. A table sees the last configuration.
    History,
}

/// The choices of the *select* framing (Jomaa, Grabocka & Schmidt-Thieme 2019, section 4): in each
/// step the agent names a configuration, sees its score, and goes on until the budget is spent or it
/// repeats itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Select {
    /// What the state tells.
    pub state: SelectState,
    /// Whether configurations that were tried are left out of the actions. Without it a repeated
    /// action ends the episode, as in the paper. When all are tried, all may be repeated.
    pub mask_repeats: bool,
    /// The trials of an episode; the study's budget where it is not given.
    pub horizon: Option<usize>,
}

impl Default for Select {
    fn default() -> Self {
        Self { state: SelectState::Static, mask_repeats: true, horizon: None }
    }
}

/// The *select* framing at work.
#[derive(Debug)]
pub struct SelectFraming {
    config: Select,
    grid: Arc<Grid>,
    meta_features: Vec<f32>,
    horizon: Option<usize>,
    /// The position of the episode's first trial, and its best one so far.
    start: usize,
    best: Option<usize>,
    episode: u64,
}

impl SelectFraming {
    /// Builds the framing.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a horizon of 0.
    pub fn new(config: &Select, problem: &Problem, grid: Arc<Grid>) -> Result<Self> {
        if config.horizon == Some(0) {
            return Err(Error::setting("framing `select`", "horizon", "at least 1", 0));
        }
        Ok(Self {
            config: config.clone(),
            grid,
            meta_features: squash(&problem.meta_features).collect(),
            horizon: config.horizon.or(problem.budget),
            start: 0,
            best: None,
            episode: 0,
        })
    }

    fn observe(&self, cx: &Context<'_>, ledger: &Ledger) -> Observation {
        let width = self.grid.space().features();
        let mut features = self.meta_features.clone();
        let steps = ledger.len() - self.start;
        let last = (steps > 0).then(|| ledger.len() - 1);
        if self.config.state == SelectState::History {
            let spent = match self.horizon {
                Some(horizon) => steps as f32 / horizon as f32,
                None => steps as f32 / (steps as f32 + 10.0),
            };
            features.push(spent);
            for position in [last, self.best] {
                features.push(position.map_or(0.0, |p| ledger.standardized(ledger.scores()[p])));
                match position.and_then(|p| ledger.row(p)) {
                    Some(row) => {
                        features.extend_from_slice(&self.grid.encoding()[row * width..][..width])
                    }
                    None => features.extend(std::iter::repeat_n(0.0, width)),
                }
            }
        }
        let mut allowed = ActionSet::all(self.grid.len());
        if self.config.mask_repeats {
            let taken = ledger.taken(cx);
            for row in 0..self.grid.len() {
                if taken.contains(row) {
                    allowed.remove(row);
                }
            }
            if allowed.is_empty() {
                allowed = ActionSet::all(self.grid.len());
            }
        }
        let state = match self.config.state {
            SelectState::Static => 0,
            SelectState::History => last.and_then(|p| ledger.row(p)).map_or(0, |row| row + 1),
        };
        Observation { state, features, allowed }
    }
}

impl Framing for SelectFraming {
    fn actions(&self) -> usize {
        self.grid.len()
    }

    fn states(&self) -> usize {
        match self.config.state {
            SelectState::Static => 1,
            SelectState::History => self.grid.len() + 1,
        }
    }

    fn features(&self) -> usize {
        self.meta_features.len()
            + match self.config.state {
                SelectState::Static => 0,
                SelectState::History => 3 + 2 * self.grid.space().features(),
            }
    }

    fn targets(&self) -> Targets {
        Targets::Configurations
    }

    fn situation(&mut self, cx: &Context<'_>, ledger: &Ledger, _rng: &mut Generator) -> Situation {
        Situation::Decide(self.observe(cx, ledger))
    }

    fn advance(
        &mut self,
        cx: &Context<'_>,
        ledger: &Ledger,
        reached: Option<usize>,
        _decided: bool,
    ) -> Advance {
        let position = ledger.len() - 1;
        let score = ledger.scores()[position];
        if !score.is_nan() && self.best.is_none_or(|best| score > ledger.scores()[best]) {
            self.best = Some(position);
        }
        let spent = self.horizon.is_some_and(|horizon| ledger.len() - self.start >= horizon);
        // With masked repeats a repeat happens only where nothing else is left, and ends nothing.
        let repeated = !self.config.mask_repeats
            && reached
                .is_some_and(|row| (self.start..position).any(|p| ledger.row(p) == Some(row)));
        if spent || repeated {
            self.start = ledger.len();
            self.best = None;
            self.episode += 1;
            return Advance { next: None };
        }
        Advance { next: Some(self.observe(cx, ledger)) }
    }

    fn episode(&self) -> u64 {
        self.episode
    }

    fn check_loaded(&self, at: &str, ledger: &Ledger) -> Result<()> {
        let trials = ledger.len();
        let refuse = |key: &str, found: String| {
            Err(Error::snapshot(format!("{at}/{key}"), format!("{found} of {trials} trials")))
        };
        if self.start > trials {
            return refuse("start", format!("the episode began at trial {}", self.start));
        }
        if let Some(best) = self.best.filter(|best| !(self.start..trials).contains(best)) {
            return refuse("best", format!("the episode's best is trial {best}"));
        }
        // An episode has at least one trial.
        if self.episode > trials as u64 {
            return refuse("episode", format!("{} episodes", self.episode));
        }
        Ok(())
    }
}

impl Persist for SelectFraming {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        snapshot.put(at, "start", &self.start)?;
        snapshot.put(at, "best", &self.best)?;
        snapshot.put(at, "episode", &self.episode)
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        self.start = snapshot.get(at, "start")?;
        self.best = snapshot.get(at, "best")?;
        self.episode = snapshot.get(at, "episode")?;
        Ok(())
    }
}
