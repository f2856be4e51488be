//! The framing in which an action is a bounded move.

use serde::{Deserialize, Serialize};

use super::summary::{Standard, summarize, width};
use super::{ActionSpace, ContinuousFraming};
use crate::error::{Error, Result};
use crate::mdp::squash;
use crate::optimizer::{Context, Problem};
use crate::persist::{Persist, Snapshot};
use crate::space::Configuration;
use crate::trial::Trial;

/// What a move of [`ContinuousRefine`] starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MoveFrom {
    /// The best configuration so far.
    #[default]
    Incumbent,
    /// Where the last move led, back to the best configuration when an episode begins: a walk.
    Current,
}

/// The choices of the continuous *refine* framing: an action moves each number of a configuration by
/// at most `reach` of its range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ContinuousRefine {
    /// What a move starts from.
    pub from: MoveFrom,
    /// The most that a move changes a parameter, as a share of its range, in `(0, 1]`.
    pub reach: f64,
    /// The most moves of an episode.
    pub horizon: usize,
    /// The moves without a new best score of the episode after which it ends.
    pub patience: usize,
}

impl Default for ContinuousRefine {
    fn default() -> Self {
        Self { from: MoveFrom::Incumbent, reach: 0.2, horizon: 20, patience: 2 }
    }
}

/// The continuous *refine* framing at work.
#[derive(Debug)]
pub struct ContinuousRefineFraming {
    config: ContinuousRefine,
    actions: ActionSpace,
    meta_features: Vec<f32>,
    budget: Option<usize>,
    /// Where the episode stands and the score there; `None` before it begins.
    here: Option<(Configuration, f64)>,
    moves: usize,
    stalled: usize,
    best: f64,
    episode: u64,
}

impl ContinuousRefineFraming {
    /// Builds the framing.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a horizon or a patience of 0, or a reach outside `(0, 1]`.
    pub fn new(config: &ContinuousRefine, problem: &Problem, actions: ActionSpace) -> Result<Self> {
        let owner = "framing `refine`";
        for (name, value) in [("horizon", config.horizon), ("patience", config.patience)] {
            if value == 0 {
                return Err(Error::setting(owner, name, "at least 1", 0));
            }
        }
        if !(config.reach > 0.0 && config.reach <= 1.0) {
            return Err(Error::setting(owner, "reach", "in (0, 1]", config.reach));
        }
        Ok(Self {
            config: config.clone(),
            actions,
            meta_features: squash(&problem.meta_features).collect(),
            budget: problem.budget,
            here: None,
            moves: 0,
            stalled: 0,
            best: f64::NEG_INFINITY,
            episode: 0,
        })
    }

    fn state(&self, cx: &Context<'_>) -> Vec<f32> {
        let mut state = self.meta_features.clone();
        match &self.here {
            Some((configuration, score)) => {
                state.extend(self.actions.encode(configuration));
                state.push(Standard::of_history(cx).of_score(*score));
            }
            None => state.extend(std::iter::repeat_n(0.0, self.actions.len() + 1)),
        }
        summarize(cx, self.budget, &self.actions, &mut state);
        state
    }

    fn end(&mut self) {
        self.here = None;
        self.moves = 0;
        self.stalled = 0;
        self.episode += 1;
    }
}

/// The best trial so far: its configuration and score.
fn incumbent(cx: &Context<'_>) -> Option<(Configuration, f64)> {
    let best = cx.history.incumbent()?;
    Some((best.configuration.clone(), best.score()?.get()))
}

impl ContinuousFraming for ContinuousRefineFraming {
    fn states(&self) -> usize {
        self.meta_features.len() + self.actions.len() + 1 + width(&self.actions)
    }

    fn actions(&self) -> &ActionSpace {
        &self.actions
    }

    fn observe(&mut self, cx: &Context<'_>) -> Vec<f32> {
        if self.here.is_none() {
            self.here = incumbent(cx);
            self.best = self.here.as_ref().map_or(f64::NEG_INFINITY, |(_, score)| *score);
        }
        self.state(cx)
    }

    fn decides(&self) -> bool {
        self.here.is_some()
    }

    fn decode(&self, action: &[f32]) -> Configuration {
        match &self.here {
            Some((from, _)) => self.actions.step(from, action, self.config.reach),
            None => self.actions.decode(action),
        }
    }

    fn encode(&self, configuration: &Configuration) -> Vec<f32> {
        match &self.here {
            Some((from, _)) => self.actions.step_between(from, configuration, self.config.reach),
            None => self.actions.encode(configuration),
        }
    }

    /// Staying where the process stands.
    fn anchors(&self, _cx: &Context<'_>, _count: usize) -> Vec<Vec<f32>> {
        self.here.iter().map(|(from, _)| self.encode(from)).collect()
    }

    fn advance(&mut self, trial: &Trial, decided: bool, cx: &Context<'_>) -> Option<Vec<f32>> {
        if !decided || self.here.is_none() {
            // The trial was no move, or its episode ended while it was pending. An episode begins at
            // the best configuration, which this trial may be.
            if self.moves == 0 {
                self.here = None;
            }
            return None;
        }
        self.moves += 1;
        let score = trial.score().map_or(f64::NAN, |score| score.get());
        if score > self.best {
            self.best = score;
            self.stalled = 0;
        } else {
            self.stalled += 1;
        }
        // A failed trial is no place to go on from.
        self.here = match self.config.from {
            MoveFrom::Incumbent => incumbent(cx),
            MoveFrom::Current if score.is_nan() => self.here.take(),
            MoveFrom::Current => Some((trial.configuration.clone(), score)),
        };
        if self.moves >= self.config.horizon || self.stalled >= self.config.patience {
            self.end();
            return None;
        }
        Some(self.state(cx))
    }

    fn imagined(&self, state: &[f32], configuration: &Configuration, z: f32) -> Vec<f32> {
        let mut next = state.to_vec();
        let (meta, len) = (self.meta_features.len(), self.actions.len());
        // From the incumbent, only a better configuration is a place to go on from.
        if self.config.from == MoveFrom::Current || z > next[meta + len] {
            next[meta..meta + len].copy_from_slice(&self.actions.encode(configuration));
            next[meta + len] = z.clamp(-10.0, 10.0);
        }
        next
    }

    fn episode(&self) -> u64 {
        self.episode
    }
}

/// The numbers that change from trial to trial. Scores may be infinite, so they are kept as bits.
#[derive(Serialize, Deserialize)]
struct State {
    here: Option<(serde_json::Value, u64)>,
    moves: usize,
    stalled: usize,
    best_bits: u64,
    episode: u64,
}

impl Persist for ContinuousRefineFraming {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        let here = match &self.here {
            None => None,
            Some((configuration, score)) => {
                let json = serde_json::to_value(configuration)
                    .map_err(|error| Error::snapshot(at, error.to_string()))?;
                Some((json, score.to_bits()))
            }
        };
        let state = State {
            here,
            moves: self.moves,
            stalled: self.stalled,
            best_bits: self.best.to_bits(),
            episode: self.episode,
        };
        snapshot.put(at, "walk", &state)
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        let state: State = snapshot.get(at, "walk")?;
        let at = format!("{at}/walk");
        let ContinuousRefine { horizon, patience, .. } = self.config;
        if state.moves >= horizon || state.stalled > state.moves || state.stalled >= patience {
            return Err(Error::snapshot(
                at,
                format!(
                    "{} moves, {} of them stalled, in an episode of at most {horizon} with a patience of {patience}",
                    state.moves, state.stalled
                ),
            ));
        }
        if state.episode > 1 << 32 {
            return Err(Error::snapshot(at, format!("{} episodes", state.episode)));
        }
        self.here = match state.here {
            None => None,
            Some((json, bits)) => {
                let configuration = Configuration::from_json(self.actions.space(), &json)
                    .map_err(|error| Error::snapshot(&at, error.to_string()))?;
                Some((configuration, f64::from_bits(bits)))
            }
        };
        self.moves = state.moves;
        self.stalled = state.stalled;
        self.best = f64::from_bits(state.best_bits);
        self.episode = state.episode;
        Ok(())
    }
}
