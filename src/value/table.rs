//! Tabular Q-learning (Watkins & Dayan 1992), as in Qi & Xu 2022 and HyperQ-Opt.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Estimates, Memory, QFunction, Setting};
use crate::error::{Error, Result};
use crate::explore::Moment;
use crate::mdp::Observation;
use crate::persist::{Array, Persist, Snapshot};

/// The settings of a Q-table.
///
/// `Q(s, a) <- Q(s, a) + alpha (r + gamma max_a' Q(s', a') - Q(s, a))`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Table {
    /// The step size alpha, in `(0, 1]`.
    pub learning_rate: f32,
    /// The value of an entry that was never updated; above the rewards it makes the agent try all.
    pub initial: f32,
}

impl Default for Table {
    fn default() -> Self {
        Self { learning_rate: 0.5, initial: 0.0 }
    }
}

/// A Q-table: only entries that were updated are stored.
#[derive(Debug)]
pub struct QTable {
    config: Table,
    setting: Setting,
    /// Value and count of `(state, action)`.
    entries: BTreeMap<(u32, u32), (f32, u32)>,
}

impl QTable {
    /// Builds an empty table.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a learning rate outside `(0, 1]` or an initial value that is not finite.
    pub fn new(config: &Table, setting: Setting) -> Result<Self> {
        if !(config.learning_rate > 0.0 && config.learning_rate <= 1.0) {
            return Err(Error::setting(
                "value function `table`",
                "learning-rate",
                "in (0, 1]",
                config.learning_rate,
            ));
        }
        if !config.initial.is_finite() {
            return Err(Error::setting(
                "value function `table`",
                "initial",
                "finite",
                config.initial,
            ));
        }
        Ok(Self { config: config.clone(), setting, entries: BTreeMap::new() })
    }

    fn value(&self, state: usize, action: usize) -> f32 {
        self.entries
            .get(&(state as u32, action as u32))
            .map_or(self.config.initial, |entry| entry.0)
    }
}

impl QFunction for QTable {
    fn estimate(&mut self, observation: &Observation, into: &mut Estimates) {
        let actions = self.setting.actions;
        into.mean.clear();
        into.mean.resize(actions, self.config.initial);
        into.counts.clear();
        into.counts.resize(actions, 0.0);
        let state = observation.state as u32;
        for (&(_, action), &(value, count)) in self.entries.range((state, 0)..=(state, u32::MAX)) {
            into.mean[action as usize] = value;
            into.counts[action as usize] = count as f32;
        }
    }

    fn learn(
        &mut self,
        memory: &Memory,
        fresh: usize,
        rewards: &[f32],
        _moment: Moment,
    ) -> Result<()> {
        for transition in &memory.transitions()[fresh..] {
            let discount = self.setting.discount;
            let bootstrap = transition.next.as_ref().map_or(0.0, |next| {
                let best = next
                    .allowed
                    .iter()
                    .map(|action| self.value(next.state, action))
                    .fold(f32::NEG_INFINITY, f32::max);
                discount.powi(transition.trials.len() as i32) * best
            });
            let target = transition.rewards(rewards, discount) + bootstrap;
            let entry = self
                .entries
                .entry((transition.state as u32, transition.action as u32))
                .or_insert((self.config.initial, 0));
            entry.0 += self.config.learning_rate * (target - entry.0);
            entry.1 = entry.1.saturating_add(1);
        }
        Ok(())
    }

    fn check_loaded(&self, _at: &str, _memory: &Memory) -> Result<()> {
        Ok(()) // A table keeps no positions of the memory.
    }
}

impl Persist for QTable {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        let keys = self
            .entries
            .iter()
            .flat_map(|(&(state, action), &(_, count))| [state, action, count].map(u64::from))
            .collect();
        snapshot.put_array(at, "entries", Array::U64(keys));
        snapshot.put_array(
            at,
            "values",
            Array::F32(self.entries.values().map(|entry| entry.0).collect()),
        );
        Ok(())
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        let Array::U64(keys) = snapshot.array(at, "entries")? else {
            return Err(Error::snapshot(format!("{at}/entries"), "must be integers"));
        };
        let (keys, rest) = keys.as_chunks::<3>();
        if !rest.is_empty() {
            return Err(Error::snapshot(format!("{at}/entries"), "must be triples"));
        }
        let values = snapshot.f32s(at, "values", keys.len())?;
        let mut entries = BTreeMap::new();
        for (&[state, action, count], &value) in keys.iter().zip(values) {
            if state >= self.setting.states as u64 || action >= self.setting.actions as u64 {
                return Err(Error::snapshot(
                    format!("{at}/entries"),
                    format!(
                        "entry ({state}, {action}) of a table of {} states and {} actions",
                        self.setting.states, self.setting.actions
                    ),
                ));
            }
            let Ok(count) = u32::try_from(count) else {
                return Err(Error::snapshot(
                    format!("{at}/entries"),
                    format!("entry ({state}, {action}) was updated {count} times"),
                ));
            };
            entries.insert((state as u32, action as u32), (value, count));
        }
        self.entries = entries;
        Ok(())
    }
}
