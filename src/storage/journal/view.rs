//! A study as of the changes that were handed out.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::state::Effect;
use crate::storage::{Change, OWNER, StoredTrial};

#[derive(Debug, Default)]
pub(super) struct View {
    pub trials: Vec<StoredTrial>,
    pub attributes: HashMap<String, Json>,
}

impl View {
    /// Applies an effect and names it.
    pub(super) fn apply(&mut self, effect: Effect) -> Change {
        match effect {
            Effect::Created(trial) => {
                let number = trial.number;
                self.trials.push(*trial);
                Change::Created(number)
            }
            Effect::Claimed { trial, owner, state, started, values } => {
                let of = self.trial(trial);
                of.owner = owner;
                of.state = state;
                if started.is_some() {
                    of.started = started;
                }
                if values.is_some() {
                    of.values = values;
                }
                Change::Claimed(trial)
            }
            Effect::TakenOver { trial, owner } => {
                let of = self.trial(trial);
                of.system_attributes.insert(OWNER.to_owned(), owner.0.clone().into());
                of.owner = Some(owner);
                Change::Claimed(trial)
            }
            Effect::Parameter { trial, name, parameter } => {
                let of = &mut self.trial(trial).parameters;
                match of.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, old)) => *old = parameter,
                    None => of.push((name, parameter)),
                }
                Change::Parameter(trial)
            }
            Effect::Reported { trial, step, value } => {
                self.trial(trial).intermediate.insert(step, value);
                Change::Reported(trial, step)
            }
            Effect::UserAttribute { trial, key, value } => {
                self.trial(trial).user_attributes.insert(key, value);
                Change::Attribute(trial)
            }
            Effect::SystemAttribute { trial, key, value } => {
                self.trial(trial).system_attributes.insert(key, value);
                Change::Attribute(trial)
            }
            Effect::Finished { trial, state, values, completed } => {
                let of = self.trial(trial);
                of.state = state;
                of.completed = completed;
                if values.is_some() {
                    of.values = values;
                }
                Change::Finished(trial)
            }
            Effect::StudyUserAttribute => Change::Study,
            Effect::StudySystemAttribute { key, value } => {
                self.attributes.insert(key, value);
                Change::Study
            }
        }
    }

    /// The trial of an effect: effects come in order, its creation first.
    fn trial(&mut self, number: u64) -> &mut StoredTrial {
        &mut self.trials[number as usize]
    }
}
