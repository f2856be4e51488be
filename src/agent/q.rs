//! Q-learning: a value function and an exploration policy.

use serde::{Deserialize, Serialize};

use super::{Agent, Step};
use crate::error::{Error, Result};
use crate::explore::{Exploration, Explore, Moment, Selection};
use crate::mdp::Observation;
use crate::persist::{Persist, Snapshot};
use crate::streams::{Generator, Streams};
use crate::value::{Estimates, Memory, QFunction, Setting, Transition, ValueConfig};

/// The settings of a Q-learning agent, apart from its process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct QLearning {
    /// The value function.
    pub value: ValueConfig,
    /// The exploration policy.
    pub exploration: Exploration,
    /// The discount factor gamma of one step, in `[0, 1]`.
    pub discount: f32,
    /// The number n of steps whose rewards are summed before the value of the state then reached is
    /// taken: `r_t + ... + gamma^(n-1) r_(t+n-1) + gamma^n max_a Q(s_(t+n), a)` (Sutton & Barto 2018,
    /// section 7.1, without importance weights, as in Rainbow, Hessel et al. 2018).
    pub steps: usize,
}

impl QLearning {
    /// Builds the agent; `streams` give its initial weights.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting is out of its range; [`Error::Unsuited`] where the policy
    /// needs what the value function does not supply.
    pub fn build(&self, setting: Setting, streams: Streams) -> Result<QAgent> {
        if !(0.0..=1.0).contains(&self.discount) {
            return Err(Error::setting("q-learning", "discount", "in [0, 1]", self.discount));
        }
        if self.steps == 0 || self.steps > 1000 {
            return Err(Error::setting("q-learning", "steps", "in 1..=1000", self.steps));
        }
        let explore = self.exploration.build(self.value.name(), self.value.supplies())?;
        let value = self.value.build(setting.clone(), streams)?;
        Ok(QAgent {
            setting,
            value,
            explore,
            steps: self.steps,
            memory: Memory::default(),
            unfinished: Memory::default(),
            estimates: Estimates::default(),
            selection: None,
        })
    }
}

/// A Q-learning agent at work.
pub struct QAgent {
    setting: Setting,
    value: Box<dyn QFunction>,
    explore: Box<dyn Explore>,
    steps: usize,
    memory: Memory,
    /// Transitions of the episode at hand that have not seen n rewards yet, the oldest first.
    unfinished: Memory,
    estimates: Estimates,
    selection: Option<Selection>,
}

impl QAgent {
    /// How the last action was chosen; `None` before the first.
    pub fn selection(&self) -> Option<Selection> {
        self.selection
    }

    /// What the value function knows of each action in a state.
    pub fn estimates(&mut self, observation: &Observation) -> &Estimates {
        self.value.estimate(observation, &mut self.estimates);
        &self.estimates
    }

    /// Refuses a state just loaded from the path `at` whose parts do not fit together, in a study of so
    /// many finished trials.
    pub(crate) fn check_loaded(&self, at: &str, trials: usize) -> Result<()> {
        let Self { setting, steps, .. } = self;
        self.memory.check_loaded(&format!("{at}/memory"), setting, *steps, trials)?;
        // A transition of n steps is finished.
        self.unfinished.check_loaded(&format!("{at}/unfinished"), setting, steps - 1, trials)?;
        self.value.check_loaded(&format!("{at}/value"), &self.memory)
    }

    /// Hands finished transitions to the value function.
    fn flush(&mut self, finished: Vec<Transition>, rewards: &[f32], moment: Moment) -> Result<()> {
        if finished.is_empty() {
            return Ok(());
        }
        let fresh = self.memory.len();
        finished.into_iter().for_each(|transition| self.memory.push(transition));
        self.value.learn(&self.memory, fresh, rewards, moment)
    }
}

impl Agent for QAgent {
    type Action = usize;

    fn act(
        &mut self,
        observation: &Observation,
        moment: Moment,
        rng: &mut Generator,
    ) -> Result<usize> {
        self.value.estimate(observation, &mut self.estimates);
        let allowed = &observation.allowed;
        let action = self.explore.choose(&self.estimates, allowed, moment, rng);
        self.selection = Some(Selection::of(&self.estimates.mean, allowed, action));
        Ok(action)
    }

    fn learn(&mut self, step: Step<usize>, rewards: &[f32], moment: Moment) -> Result<()> {
        let ended = step.next.is_none();
        let mut open = std::mem::take(&mut self.unfinished).into_transitions();
        open.push(Transition {
            state: step.observation.state,
            features: step.observation.features,
            action: step.action,
            reached: step.reached,
            trials: Vec::with_capacity(self.steps),
            next: None,
        });
        for transition in &mut open {
            transition.trials.push(step.trial);
            transition.next.clone_from(&step.next);
        }
        let (finished, open): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|transition| ended || transition.trials.len() == self.steps);
        open.into_iter().for_each(|transition| self.unfinished.push(transition));
        self.flush(finished, rewards, moment)
    }

    fn interrupt(&mut self, rewards: &[f32], moment: Moment) -> Result<()> {
        // Cut short, not ended: the last state seen still has a value.
        let cut = std::mem::take(&mut self.unfinished).into_transitions();
        self.flush(cut, rewards, moment)
    }
}

impl Persist for QAgent {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        self.value.save(&format!("{at}/value"), snapshot)?;
        self.explore.save(&format!("{at}/explore"), snapshot)?;
        self.memory.save(&format!("{at}/memory"), snapshot)?;
        self.unfinished.save(&format!("{at}/unfinished"), snapshot)
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        self.value.load(&format!("{at}/value"), snapshot)?;
        self.explore.load(&format!("{at}/explore"), snapshot)?;
        self.memory.load(&format!("{at}/memory"), snapshot)?;
        self.unfinished.load(&format!("{at}/unfinished"), snapshot)
    }
}
