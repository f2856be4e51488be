//! The framing of Qi & Xu and of HyperQ-Opt: an action changes one parameter of the current
//! configuration.

use std::sync::Arc;

use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::ledger::Taken;
use super::{ActionSet, Advance, Framing, Ledger, Observation, Situation, Targets, squash};
use crate::error::{Error, Result};
use crate::optimizer::{Context, Problem};
use crate::persist::{Persist, Snapshot};
use crate::space::Grid;
use crate::streams::Generator;

/// Where an episode of [`Refine`] begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// At a configuration drawn uniformly from those not tried yet.
    Random,
    /// At the middle of the grid: each parameter at its middle level.
    Center,
    /// At the best configuration that still has a move left (the modified initial state of Qi & Xu
    /// 2022, so that no trial is spent on the way back); at a random one where there is none.
    #[default]
    Incumbent,
}

/// The choices of the *refine* framing (Qi & Xu 2022; HyperQ-Opt 2024): the state is the current
/// configuration, an action moves one parameter one level down or up ([`Grid::step`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Refine {
    /// Where an episode begins.
    pub start: Start,
    /// The most moves of an episode.
    pub horizon: usize,
    /// The moves without a new best score of the episode after which it ends.
    pub patience: usize,
    /// Whether moves to configurations that were tried are left out. An episode from whose state no
    /// move is left ends.
    pub mask_repeats: bool,
}

impl Default for Refine {
    fn default() -> Self {
        Self { start: Start::Incumbent, horizon: 20, patience: 2, mask_repeats: true }
    }
}

/// The *refine* framing at work.
#[derive(Debug)]
pub struct RefineFraming {
    config: Refine,
    grid: Arc<Grid>,
    meta_features: Vec<f32>,
    /// Where the episode stands; `None` before it begins.
    current: Option<usize>,
    /// The score there, NaN where the trial failed.
    here: f64,
    moves: usize,
    stalled: usize,
    best: f64,
    episode: u64,
}

impl RefineFraming {
    /// Builds the framing.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a horizon or a patience of 0.
    pub fn new(config: &Refine, problem: &Problem, grid: Arc<Grid>) -> Result<Self> {
        for (name, value) in [("horizon", config.horizon), ("patience", config.patience)] {
            if value == 0 {
                return Err(Error::setting("framing `refine`", name, "at least 1", 0));
            }
        }
        Ok(Self {
            config: config.clone(),
            grid,
            meta_features: squash(&problem.meta_features).collect(),
            current: None,
            here: f64::NAN,
            moves: 0,
            stalled: 0,
            best: f64::NEG_INFINITY,
            episode: 0,
        })
    }

    fn allowed(&self, from: usize, taken: &Taken<'_>) -> ActionSet {
        let mut allowed = ActionSet::none(self.grid.moves());
        for action in 0..self.grid.moves() {
            if let Some(to) = self.grid.step(from, action)
                && !(self.config.mask_repeats && taken.contains(to))
            {
                allowed.insert(action);
            }
        }
        allowed
    }

    fn observe(&self, at: usize, ledger: &Ledger, allowed: ActionSet) -> Observation {
        let width = self.grid.space().features();
        let mut features = self.meta_features.clone();
        features.extend_from_slice(&self.grid.encoding()[at * width..][..width]);
        features.push(ledger.standardized(self.here));
        let incumbent = ledger.incumbent().map_or(0.0, |p| ledger.standardized(ledger.scores()[p]));
        features.push(incumbent);
        Observation { state: at, features, allowed }
    }

    fn begin(&mut self, at: usize, score: f64) {
        self.current = Some(at);
        self.here = score;
        self.best = if score.is_nan() { f64::NEG_INFINITY } else { score };
        self.moves = 0;
        self.stalled = 0;
    }

    fn end(&mut self) {
        self.current = None;
        self.episode += 1;
    }

    /// The tried configuration with the best score that has a move left, and that score.
    fn best_with_a_move(&self, ledger: &Ledger, taken: &Taken<'_>) -> Option<(usize, f64)> {
        let mut tried: Vec<(usize, f64)> = (0..ledger.len())
            .filter(|&position| !ledger.scores()[position].is_nan())
            .filter_map(|position| Some((ledger.row(position)?, ledger.scores()[position])))
            .collect();
        tried.sort_by(|a, b| b.1.total_cmp(&a.1));
        tried.into_iter().find(|(row, _)| !self.allowed(*row, taken).is_empty())
    }

    fn random_untried(&self, taken: &Taken<'_>, rng: &mut Generator) -> Option<usize> {
        let free: Vec<usize> = (0..self.grid.len()).filter(|&row| !taken.contains(row)).collect();
        (!free.is_empty()).then(|| free[rng.random_range(0..free.len())])
    }

    /// The configuration nearest to the middle of the unit cube: ties go to the first.
    fn center(&self) -> usize {
        let middle = self.grid.space().from_unit(&vec![0.5; self.grid.space().len()]);
        self.grid.nearest(&middle).unwrap_or(0)
    }
}

impl Framing for RefineFraming {
    fn actions(&self) -> usize {
        self.grid.moves()
    }

    fn states(&self) -> usize {
        self.grid.len()
    }

    fn features(&self) -> usize {
        self.meta_features.len() + self.grid.space().features() + 2
    }

    fn targets(&self) -> Targets {
        Targets::Moves
    }

    fn situation(&mut self, cx: &Context<'_>, ledger: &Ledger, rng: &mut Generator) -> Situation {
        let taken = ledger.taken(cx);
        if let Some(at) = self.current {
            let allowed = self.allowed(at, &taken);
            if !allowed.is_empty() {
                return Situation::Decide(self.observe(at, ledger, allowed));
            }
            self.end();
        }
        if self.config.start == Start::Incumbent
            && let Some((row, score)) = self.best_with_a_move(ledger, &taken)
        {
            self.begin(row, score);
            let allowed = self.allowed(row, &taken);
            return Situation::Decide(self.observe(row, ledger, allowed));
        }
        if self.config.start == Start::Center {
            let center = self.center();
            if !taken.contains(center) {
                return Situation::Enter(center);
            }
        }
        // Where every configuration is tried, repeats are all that is left.
        let row = self
            .random_untried(&taken, rng)
            .unwrap_or_else(|| rng.random_range(0..self.grid.len()));
        Situation::Enter(row)
    }

    fn advance(
        &mut self,
        cx: &Context<'_>,
        ledger: &Ledger,
        reached: Option<usize>,
        decided: bool,
    ) -> Advance {
        let score = ledger.scores()[ledger.len() - 1];
        let Some(row) = reached else { return Advance { next: None } };
        if !decided {
            // An episode begins here, unless it is to begin at the best configuration of all.
            match self.config.start {
                Start::Incumbent => self.current = None,
                Start::Random | Start::Center => self.begin(row, score),
            }
            return Advance { next: None };
        }
        if self.current.is_none() {
            // The episode of this move ended while it was pending.
            return Advance { next: None };
        }
        self.moves += 1;
        if score > self.best {
            self.best = score;
            self.stalled = 0;
        } else {
            self.stalled += 1;
        }
        // A failed trial is no place to go on from.
        if !score.is_nan() {
            self.current = Some(row);
            self.here = score;
        }
        if self.moves >= self.config.horizon || self.stalled >= self.config.patience {
            self.end();
            return Advance { next: None };
        }
        let at = self.current.unwrap_or(row);
        let allowed = self.allowed(at, &ledger.taken(cx));
        if allowed.is_empty() {
            self.end();
            return Advance { next: None };
        }
        Advance { next: Some(self.observe(at, ledger, allowed)) }
    }

    fn episode(&self) -> u64 {
        self.episode
    }

    fn check_loaded(&self, _at: &str, _ledger: &Ledger) -> Result<()> {
        Ok(()) // A walk keeps no positions of the ledger.
    }
}

/// The numbers that change from trial to trial; NaN and infinity are part of them, so they are kept
/// as bits.
#[derive(Serialize, Deserialize)]
struct State {
    current: Option<usize>,
    here_bits: u64,
    moves: usize,
    stalled: usize,
    best_bits: u64,
    episode: u64,
}

impl Persist for RefineFraming {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        let state = State {
            current: self.current,
            here_bits: self.here.to_bits(),
            moves: self.moves,
            stalled: self.stalled,
            best_bits: self.best.to_bits(),
            episode: self.episode,
        };
        snapshot.put(at, "walk", &state)
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        let state: State = snapshot.get(at, "walk")?;
        let refuse = |problem: String| Err(Error::snapshot(format!("{at}/walk"), problem));
        if let Some(row) = state.current {
            let Refine { horizon, patience, .. } = self.config;
            if row >= self.grid.len() {
                let configurations = self.grid.len();
                return refuse(format!(
                    "stands at configuration {row} of a grid of {configurations}"
                ));
            }
            // An episode that has come to its end stands nowhere.
            if state.moves >= horizon || state.stalled > state.moves || state.stalled >= patience {
                return refuse(format!(
                    "{} moves, {} of them stalled, in an episode of at most {horizon} with a patience of {patience}",
                    state.moves, state.stalled
                ));
            }
        }
        if state.episode > u64::from(u32::MAX) {
            return refuse(format!("{} episodes, more than any study has", state.episode));
        }
        self.current = state.current;
        self.here = f64::from_bits(state.here_bits);
        self.moves = state.moves;
        self.stalled = state.stalled;
        self.best = f64::from_bits(state.best_bits);
        self.episode = state.episode;
        Ok(())
    }
}
