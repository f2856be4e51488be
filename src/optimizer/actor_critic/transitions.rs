//! The transitions that an actor-critic agent learns from.

use crate::agent::ControlBatch;
use crate::error::{Error, Result};
use crate::persist::{Array, Persist, Snapshot};

/// Transitions in the order in which they were completed, as flat arrays. Rewards are not stored but
/// looked up by trial, since their normalization changes with every trial.
#[derive(Debug, Clone)]
pub(super) struct Transitions {
    width: usize,
    actions: usize,
    states: Vec<f32>,
    taken: Vec<f32>,
    next: Vec<f32>,
    /// The position of the trial in the order of telling.
    trials: Vec<u64>,
    /// 1 where the episode ended.
    ended: Vec<u64>,
}

impl Transitions {
    /// None yet, of states and actions of so many numbers.
    pub fn new(width: usize, actions: usize) -> Self {
        Self {
            width,
            actions,
            states: Vec::new(),
            taken: Vec::new(),
            next: Vec::new(),
            trials: Vec::new(),
            ended: Vec::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.trials.len()
    }

    /// Adds a transition; without a next state the episode ended.
    pub fn push(&mut self, state: &[f32], action: &[f32], trial: usize, next: Option<&[f32]>) {
        self.states.extend_from_slice(state);
        self.taken.extend_from_slice(action);
        self.trials.push(trial as u64);
        self.ended.push(u64::from(next.is_none()));
        match next {
            Some(next) => self.next.extend_from_slice(next),
            None => self.next.extend(std::iter::repeat_n(0.0, self.width)),
        }
    }

    /// A state that was seen.
    pub fn state(&self, position: usize) -> &[f32] {
        &self.states[position * self.width..][..self.width]
    }

    /// Adds a transition to a batch.
    pub fn write(
        &self,
        position: usize,
        rewards: &[f32],
        discount: f32,
        weight: f32,
        into: &mut ControlBatch,
    ) {
        let action = &self.taken[position * self.actions..][..self.actions];
        let next = &self.next[position * self.width..][..self.width];
        let reward = rewards[self.trials[position] as usize];
        let discount = if self.ended[position] == 1 { 0.0 } else { discount };
        into.push(self.state(position), action, reward, next, discount, weight);
    }

    /// Refuses transitions just loaded from the path `at` that point beyond so many trials.
    pub fn check_loaded(&self, at: &str, trials: usize) -> Result<()> {
        match self.trials.iter().find(|trial| **trial >= trials as u64) {
            None => Ok(()),
            Some(trial) => Err(Error::snapshot(
                format!("{at}/trials"),
                format!("a transition of trial {trial} of {trials}"),
            )),
        }
    }
}

impl Persist for Transitions {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        for (key, numbers) in
            [("states", &self.states), ("actions", &self.taken), ("next", &self.next)]
        {
            snapshot.put_array(at, key, Array::F32(numbers.clone()));
        }
        snapshot.put_array(at, "trials", Array::U64(self.trials.clone()));
        snapshot.put_array(at, "ended", Array::U64(self.ended.clone()));
        Ok(())
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        let (Array::U64(trials), Array::U64(ended)) =
            (snapshot.array(at, "trials")?, snapshot.array(at, "ended")?)
        else {
            return Err(Error::snapshot(at, "trials and ends must be integers"));
        };
        let count = trials.len();
        if ended.len() != count || ended.iter().any(|ended| *ended > 1) {
            return Err(Error::snapshot(
                format!("{at}/ended"),
                format!("must be 0 or 1 for each of {count} transitions"),
            ));
        }
        let numbers = |key: &str, width: usize| -> Result<Vec<f32>> {
            let numbers = snapshot.f32s(at, key, count * width)?;
            match numbers.iter().all(|x| x.is_finite()) {
                true => Ok(numbers.to_vec()),
                false => Err(Error::snapshot(format!("{at}/{key}"), "must be finite")),
            }
        };
        let states = numbers("states", self.width)?;
        let taken = numbers("actions", self.actions)?;
        let next = numbers("next", self.width)?;
        let (trials, ended) = (trials.clone(), ended.clone());
        *self = Self { states, taken, next, trials, ended, ..*self };
        Ok(())
    }
}
