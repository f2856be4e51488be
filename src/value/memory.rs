//! The transitions of a study, in the order in which they were completed.

use super::Setting;
use crate::error::{Error, Result};
use crate::mdp::{ActionSet, Observation};
use crate::persist::{Array, Persist, Snapshot};

/// One step, or `n` steps taken together: from a state, by an action, over some rewards, to a state.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// The state's number.
    pub state: usize,
    /// The state's features.
    pub features: Vec<f32>,
    /// The action.
    pub action: usize,
    /// The configuration that the action led to.
    pub reached: usize,
    /// The positions of the trials whose rewards follow, in the order of telling: one a step.
    pub trials: Vec<usize>,
    /// What was seen then; `None` where the episode ended.
    pub next: Option<Observation>,
}

impl Transition {
    /// `r_0 + discount r_1 + discount^2 r_2 + ...`
    pub fn rewards(&self, rewards: &[f32], discount: f32) -> f32 {
        self.trials.iter().rev().fold(0.0, |sum, &trial| rewards[trial] + discount * sum)
    }
}

impl Transition {
    fn fits(&self, setting: &Setting, steps: usize, trials: usize) -> bool {
        let state = |state: usize, features: &[f32]| {
            state < setting.states && features.len() == setting.features
        };
        state(self.state, &self.features)
            && self.action < setting.actions
            && self.reached < setting.grid.len()
            && (1..=steps).contains(&self.trials.len())
            && self.trials.iter().all(|trial| *trial < trials)
            && self.next.as_ref().is_none_or(|next| {
                state(next.state, &next.features)
                    && next.allowed.len() == setting.actions
                    && !next.allowed.is_empty()
            })
    }
}

/// All transitions. Rewards are not stored but looked up by trial, since their normalization changes
/// with every trial; replays store positions in this list.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    transitions: Vec<Transition>,
}

impl Memory {
    /// Adds a transition.
    pub fn push(&mut self, transition: Transition) {
        self.transitions.push(transition);
    }

    /// The transitions in the order in which they were completed.
    pub fn transitions(&self) -> &[Transition] {
        &self.transitions
    }

    /// Refuses transitions just loaded from the path `at` that are none of this setting with so many
    /// finished trials, or are made of more than `steps` steps.
    pub(crate) fn check_loaded(
        &self,
        at: &str,
        setting: &Setting,
        steps: usize,
        trials: usize,
    ) -> Result<()> {
        match self.transitions.iter().position(|t| !t.fits(setting, steps, trials)) {
            None => Ok(()),
            Some(position) => Err(Error::snapshot(
                at,
                format!(
                    "transition {position} must have {} features a state, states below {}, actions below {}, configurations below {}, and 1 to {steps} of {trials} trials",
                    setting.features,
                    setting.states,
                    setting.actions,
                    setting.grid.len()
                ),
            )),
        }
    }

    /// The transitions themselves.
    pub(crate) fn into_transitions(self) -> Vec<Transition> {
        self.transitions
    }

    /// The number of transitions.
    pub fn len(&self) -> usize {
        self.transitions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.transitions.is_empty()
    }
}

impl std::ops::Index<usize> for Memory {
    type Output = Transition;

    fn index(&self, position: usize) -> &Transition {
        &self.transitions[position]
    }
}

impl Persist for Memory {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        // One flat array of integers and one of features; lengths come first wherever they vary.
        let mut integers = vec![self.transitions.len() as u64];
        let mut features = Vec::new();
        for transition in &self.transitions {
            integers.extend(
                [transition.state, transition.features.len(), transition.action].map(|x| x as u64),
            );
            integers.extend([transition.reached as u64, transition.trials.len() as u64]);
            integers.extend(transition.trials.iter().map(|&t| t as u64));
            features.extend_from_slice(&transition.features);
            match &transition.next {
                None => integers.push(0),
                Some(next) => {
                    integers.extend([
                        1,
                        next.state as u64,
                        next.features.len() as u64,
                        next.allowed.len() as u64,
                    ]);
                    integers.extend_from_slice(next.allowed.words());
                    features.extend_from_slice(&next.features);
                }
            }
        }
        snapshot.put_array(at, "transitions", Array::U64(integers));
        snapshot.put_array(at, "features", Array::F32(features));
        Ok(())
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        let (Array::U64(integers), Array::F32(features)) =
            (snapshot.array(at, "transitions")?, snapshot.array(at, "features")?)
        else {
            return Err(Error::snapshot(
                at,
                "transitions must be integers and features 32-bit floats",
            ));
        };
        let mut reader = Reader { integers, features };
        self.transitions = reader.memory().ok_or_else(|| {
            Error::snapshot(at, "the transitions are cut short or do not fit together")
        })?;
        Ok(())
    }
}

/// Takes the arrays of a saved memory apart; `None` wherever they end too early.
struct Reader<'a> {
    integers: &'a [u64],
    features: &'a [f32],
}

impl Reader<'_> {
    fn memory(&mut self) -> Option<Vec<Transition>> {
        let count = self.integer()?;
        let mut transitions = Vec::new();
        for _ in 0..count {
            transitions.push(self.transition()?);
        }
        (self.integers.is_empty() && self.features.is_empty()).then_some(transitions)
    }

    fn transition(&mut self) -> Option<Transition> {
        let state = self.integer()?;
        let width = self.integer()?;
        let action = self.integer()?;
        let reached = self.integer()?;
        let steps = self.integer()?;
        let trials = self.words(steps)?.iter().map(|&t| t as usize).collect();
        let features = self.floats(width)?;
        let next = match self.integer()? {
            0 => None,
            _ => {
                let state = self.integer()?;
                let width = self.integer()?;
                let actions = self.integer()?;
                let allowed = ActionSet::from_words(self.words(actions.div_ceil(64))?, actions)?;
                Some(Observation { state, features: self.floats(width)?, allowed })
            }
        };
        Some(Transition { state, features, action, reached, trials, next })
    }

    fn integer(&mut self) -> Option<usize> {
        self.words(1).map(|word| word[0] as usize)
    }

    fn words(&mut self, count: usize) -> Option<&[u64]> {
        let (head, tail) = self.integers.split_at_checked(count)?;
        self.integers = tail;
        Some(head)
    }

    fn floats(&mut self, count: usize) -> Option<Vec<f32>> {
        let (head, tail) = self.features.split_at_checked(count)?;
        self.features = tail;
        Some(head.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mdp::Targets;
    use crate::space::{Grid, GridSize, Parameter, SearchSpace};
    use std::sync::Arc;

    fn example() -> Memory {
        let mut memory = Memory::default();
        let mut allowed = ActionSet::all(70);
        allowed.remove(2);
        memory.push(Transition {
            state: 3,
            features: vec![0.5, f32::NAN],
            action: 1,
            reached: 9,
            trials: vec![0, 1, 2],
            next: Some(Observation { state: 4, features: vec![1.0], allowed }),
        });
        memory.push(Transition {
            state: 4,
            features: vec![],
            action: 0,
            reached: 0,
            trials: vec![3],
            next: None,
        });
        memory
    }

    #[test]
    fn a_round_trip_keeps_every_transition() {
        let mut snapshot = Snapshot::default();
        example().save("m", &mut snapshot).unwrap();
        let mut back = Memory::default();
        back.load("m", &snapshot).unwrap();
        assert_eq!(back.len(), 2);
        assert!(back[0].features[1].is_nan());
        assert_eq!(back[0].next, example()[0].next);
        assert_eq!(back[1], example()[1]);
    }

    #[test]
    fn a_memory_cut_short_is_refused() {
        let mut snapshot = Snapshot::default();
        example().save("m", &mut snapshot).unwrap();
        let Array::U64(integers) = snapshot.array("m", "transitions").unwrap().clone() else {
            panic!()
        };
        for cut in 0..integers.len() {
            let mut damaged = snapshot.clone();
            damaged.put_array("m", "transitions", Array::U64(integers[..cut].to_vec()));
            assert!(Memory::default().load("m", &damaged).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn transitions_of_another_setting_are_refused() {
        let space = SearchSpace::new([Parameter::int("x", 0, 3)]).unwrap();
        let setting = Setting {
            states: 5,
            actions: 2,
            features: 1,
            grid: Arc::new(Grid::new(&space, GridSize::Resolution(4)).unwrap()),
            targets: Targets::Configurations,
            discount: 0.5,
        };
        let next = Observation { state: 4, features: vec![0.5], allowed: ActionSet::all(2) };
        let whole = Transition {
            state: 4,
            features: vec![1.0],
            action: 1,
            reached: 3,
            trials: vec![0, 1],
            next: Some(next.clone()),
        };
        let check = |transition: Transition| {
            let mut memory = Memory::default();
            memory.push(whole.clone());
            memory.push(transition);
            memory.check_loaded("m", &setting, 2, 2).map_err(|error| error.to_string())
        };
        assert_eq!(check(whole.clone()), Ok(()));
        let to = |next: Observation| Transition { next: Some(next), ..whole.clone() };
        for damaged in [
            Transition { state: 5, ..whole.clone() },
            Transition { features: vec![], ..whole.clone() },
            Transition { action: 2, ..whole.clone() },
            Transition { reached: 4, ..whole.clone() },
            Transition { trials: vec![], ..whole.clone() },
            Transition { trials: vec![2], ..whole.clone() },
            Transition { trials: vec![0, 1, 1], ..whole.clone() },
            to(Observation { state: 5, ..next.clone() }),
            to(Observation { features: vec![], ..next.clone() }),
            to(Observation { allowed: ActionSet::all(3), ..next.clone() }),
            to(Observation { allowed: ActionSet::none(2), ..next.clone() }),
        ] {
            let message = check(damaged.clone()).expect_err(&format!("{damaged:?}"));
            assert!(message.starts_with("snapshot: `m`: transition 1 must have 1 features"));
        }
    }

    #[test]
    fn rewards_are_discounted_step_by_step() {
        assert_eq!(example()[0].rewards(&[1.0, 2.0, 4.0, 0.0], 0.5), 1.0 + 1.0 + 1.0);
    }
}
