//! Reinforcement learning as an optimizer: a framing, a reward and a Q-learning agent.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::{Context, Optimizer, Problem, sobol_point};
use crate::agent::{Agent, QAgent, QLearning, Step};
use crate::error::{Error, Result};
use crate::explore::{Moment, Selection};
use crate::mdp::{ActionSet, Framing, FramingConfig, Ledger, Observation, Reward, Situation};
use crate::persist::{Array, Persist, Snapshot};
use crate::space::{Configuration, GridSize};
use crate::streams::Streams;
use crate::trial::{Score, Trial};
use crate::value::Setting;

#[cfg(test)]
mod tests;

/// How the first trials are chosen, before there is anything to learn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Design {
    /// Configurations of the grid drawn uniformly without replacement.
    Random,
    /// The grid's configurations nearest to scrambled Sobol points, without replacement.
    Sobol,
}

/// A discrete agent as plain data: framing x value function x exploration, a reward, a grid and an
/// initial design.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Discrete {
    /// What a state, an action and an episode are.
    pub framing: FramingConfig,
    /// What a trial was worth.
    pub reward: Reward,
    /// The agent.
    pub agent: QLearning,
    /// The grid of a problem that brings none.
    pub grid: GridSize,
    /// How the first trials are chosen.
    pub design: Design,
    /// How many trials that are.
    pub design_trials: usize,
}

impl Discrete {
    /// Builds the optimizer; `streams` are those of its study.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting is out of its range; [`Error::Unsuited`] where parts do
    /// not fit together or do not fit the problem.
    pub fn build(&self, problem: &Problem, streams: Streams) -> Result<Reinforced> {
        self.reward.check(problem.optimum)?;
        let grid = problem.grid(self.grid)?;
        let framing = self.framing.build(problem, Arc::clone(&grid))?;
        let setting = Setting::of(framing.as_ref(), Arc::clone(&grid), self.agent.discount);
        let agent = self.agent.build(setting, streams)?;
        Ok(Reinforced {
            framing,
            agent,
            reward: self.reward,
            design: self.design,
            design_trials: self.design_trials,
            optimum: problem.optimum,
            ledger: Ledger::new(grid),
            decisions: BTreeMap::new(),
            selection: None,
        })
    }
}

/// A decision whose trial is pending.
#[derive(Debug)]
struct Decision {
    observation: Observation,
    action: usize,
}

/// A framing, a reward and a Q-learning agent at work.
pub struct Reinforced {
    framing: Box<dyn Framing>,
    agent: QAgent,
    reward: Reward,
    design: Design,
    design_trials: usize,
    optimum: Option<Score>,
    ledger: Ledger,
    /// By trial.
    decisions: BTreeMap<u64, Decision>,
    selection: Option<Selection>,
}

impl Reinforced {
    /// A configuration of the initial design that is not taken yet; `None` where all are.
    fn designed(&self, cx: &Context<'_>) -> Option<usize> {
        let grid = self.ledger.grid();
        let taken = self.ledger.taken(cx);
        let mut free = ActionSet::all(grid.len());
        (0..grid.len()).filter(|&row| taken.contains(row)).for_each(|row| free.remove(row));
        if free.is_empty() {
            return None;
        }
        if self.design == Design::Sobol {
            let point = sobol_point(cx.streams, cx.id.0, cx.space.len());
            let nearest = grid.nearest(&cx.space.from_unit(&point));
            if let Some(row) = nearest.filter(|&row| free.contains(row)) {
                return Some(row);
            }
        }
        let place = cx.streams.at("design", cx.id.0).random_range(0..free.count());
        free.iter().nth(place)
    }

    /// The configuration that an action of the framing leads to.
    fn target(&self, state: usize, action: usize) -> Option<usize> {
        self.framing.targets().reached(self.ledger.grid(), state, action)
    }

    fn moment(&self, cx: &Context<'_>) -> Moment {
        Moment { trial: cx.id.0, episode: self.framing.episode(), streams: cx.streams }
    }
}

impl Optimizer for Reinforced {
    fn ask(&mut self, cx: &Context<'_>) -> Result<Configuration> {
        let designed = if cx.id.0 < self.design_trials as u64 { self.designed(cx) } else { None };
        let mut rng = cx.streams.at("agent", cx.id.0);
        self.selection = None;
        let situation = self.framing.situation(cx, &self.ledger, &mut rng);
        let row = match (situation, designed) {
            (Situation::Enter(_), Some(row)) => row,
            (Situation::Enter(row), None) => row,
            (Situation::Decide(observation), designed) => {
                let action = match designed {
                    // Where the designed configuration is an action's, taking it is a decision.
                    Some(row) => (0..self.framing.actions())
                        .find(|&action| self.target(observation.state, action) == Some(row)),
                    None => {
                        let action = self.agent.act(&observation, self.moment(cx), &mut rng)?;
                        self.selection = self.agent.selection();
                        Some(action)
                    }
                };
                match action {
                    Some(action) => {
                        let row = self
                            .target(observation.state, action)
                            .expect("only actions that lead somewhere are allowed");
                        self.decisions.insert(cx.id.0, Decision { observation, action });
                        row
                    }
                    None => designed.expect("without a design the agent has decided"),
                }
            }
        };
        Ok(self.ledger.grid().get(row).clone())
    }

    fn tell(&mut self, trial: &Trial, cx: &Context<'_>) -> Result<()> {
        let reached = self.ledger.push(trial);
        let decision = self.decisions.remove(&trial.id.0);
        let moment = self.moment(cx);
        let rewards = self.reward.of(self.ledger.scores(), self.optimum);
        let advance = self.framing.advance(cx, &self.ledger, reached, decision.is_some());
        match (decision, reached) {
            (Some(Decision { observation, action }), Some(reached)) => {
                let trial = self.ledger.len() - 1;
                let step = Step { observation, action, reached, trial, next: advance.next };
                self.agent.learn(step, &rewards, moment)
            }
            // The process was put somewhere else than where a decision led.
            _ => self.agent.interrupt(&rewards, moment),
        }
    }

    fn selection(&self) -> Option<Selection> {
        self.selection
    }
}

impl Persist for Reinforced {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        self.framing.save(&format!("{at}/framing"), snapshot)?;
        self.agent.save(&format!("{at}/agent"), snapshot)?;
        self.ledger.save(&format!("{at}/ledger"), snapshot)?;
        let mut integers = Vec::new();
        let mut features = Vec::new();
        for (&trial, Decision { observation, action }) in &self.decisions {
            integers.extend([trial, *action as u64, observation.state as u64]);
            integers.extend_from_slice(observation.allowed.words());
            features.extend_from_slice(&observation.features);
        }
        snapshot.put(&format!("{at}/decisions"), "count", &self.decisions.len())?;
        snapshot.put_array(&format!("{at}/decisions"), "integers", Array::U64(integers));
        snapshot.put_array(&format!("{at}/decisions"), "features", Array::F32(features));
        Ok(())
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        self.framing.load(&format!("{at}/framing"), snapshot)?;
        self.agent.load(&format!("{at}/agent"), snapshot)?;
        self.ledger.load(&format!("{at}/ledger"), snapshot)?;
        self.framing.check_loaded(&format!("{at}/framing"), &self.ledger)?;
        self.agent.check_loaded(&format!("{at}/agent"), self.ledger.len())?;
        let at = format!("{at}/decisions");
        let count: usize = snapshot.get(&at, "count")?;
        let (actions, width) = (self.framing.actions(), self.framing.features());
        let states = self.framing.states() as u64;
        let words = 3 + actions.div_ceil(64);
        let damaged = || Error::snapshot(&at, "the pending decisions do not fit this strategy");
        let Array::U64(integers) = snapshot.array(&at, "integers")? else { return Err(damaged()) };
        let features =
            snapshot.f32s(&at, "features", count.checked_mul(width).ok_or_else(damaged)?)?;
        if count.checked_mul(words) != Some(integers.len()) {
            return Err(damaged());
        }
        self.decisions.clear();
        for (index, integers) in integers.chunks_exact(words).enumerate() {
            let observation = Observation {
                state: integers[2] as usize,
                features: features[index * width..][..width].to_vec(),
                allowed: ActionSet::from_words(&integers[3..], actions).ok_or_else(damaged)?,
            };
            if integers[1] >= actions as u64 || integers[2] >= states {
                return Err(damaged());
            }
            self.decisions
                .insert(integers[0], Decision { observation, action: integers[1] as usize });
        }
        Ok(())
    }
}
