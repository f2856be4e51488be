//! Configurations as actions: the way from numbers in `[-1, 1]` to a configuration and back.

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::space::{Configuration, Domain, SearchSpace, Value};
use crate::streams::Generator;

/// How a categorical parameter becomes numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionEncoding {
    /// One score for each choice, of which the highest is taken: the relaxation of a parameterized
    /// action space (Hausknecht & Stone 2016, section 3.1). Critics see the choice that was taken
    /// one-hot, as [`SearchSpace::encode`] has it.
    #[default]
    Relaxed,
    /// One number, as if the choices had an order: its range is cut into as many equal parts. What
    /// [`SearchSpace::from_unit`] does; simpler, and wrong about which choices are similar.
    Ordinal,
}

/// Where a parameter lies within an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    /// One number.
    Number(usize),
    /// So many scores from a place on.
    Scores(usize, usize),
}

/// The actions of a search space: how long they are and what they mean.
///
/// A numeric parameter `u` of the unit interval is the number `2 u - 1`. Inactive parameters are 0 in the
/// action that critics see, and ignored in the one that an actor puts out.
///
/// ```
/// use hyperq::mdp::{ActionEncoding, ActionSpace};
/// use hyperq::space::{Parameter, SearchSpace};
///
/// let space = SearchSpace::new([
///     Parameter::categorical("kernel", ["rbf", "linear", "poly"]),
///     Parameter::float("gamma", 0.0, 1.0).when("kernel", ["rbf"]),
/// ])?;
/// let actions = ActionSpace::new(&space, ActionEncoding::Relaxed);
/// let configuration = actions.decode(&[0.3, -0.2, 0.1, 0.5]);
/// assert_eq!(configuration.text("kernel")?, "rbf");
/// assert_eq!(configuration.float("gamma")?, 0.75);
/// assert_eq!(actions.encode(&configuration), [1.0, 0.0, 0.0, 0.5]);
/// # Ok::<(), hyperq::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ActionSpace {
    space: SearchSpace,
    slots: Vec<Slot>,
    len: usize,
}

impl ActionSpace {
    /// The actions of a space.
    pub fn new(space: &SearchSpace, encoding: ActionEncoding) -> Self {
        let mut len = 0;
        let slots = space
            .parameters()
            .iter()
            .map(|parameter| {
                let at = len;
                match (&parameter.domain, encoding) {
                    (Domain::Categorical { choices }, ActionEncoding::Relaxed) => {
                        len += choices.len();
                        Slot::Scores(at, choices.len())
                    }
                    _ => {
                        len += 1;
                        Slot::Number(at)
                    }
                }
            })
            .collect();
        Self { space: space.clone(), slots, len }
    }

    /// The search space.
    pub fn space(&self) -> &SearchSpace {
        &self.space
    }

    /// The number of numbers of an action.
    #[allow(clippy::len_without_is_empty)] // A space is never empty.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The configuration that an action names.
    ///
    /// # Panics
    ///
    /// If the action has another length than [`Self::len`].
    pub fn decode(&self, action: &[f32]) -> Configuration {
        assert_eq!(action.len(), self.len, "an action must have {} numbers", self.len);
        self.space.from_unit(&self.unit(action))
    }

    /// The point of the unit cube, one coordinate a parameter, of an action.
    fn unit(&self, action: &[f32]) -> Vec<f64> {
        self.slots
            .iter()
            .map(|slot| match *slot {
                Slot::Number(at) => (f64::from(action[at]) + 1.0) / 2.0,
                Slot::Scores(at, count) => {
                    let scores = &action[at..at + count];
                    let best = (1..count).fold(0, |best, choice| {
                        if scores[choice] > scores[best] { choice } else { best }
                    });
                    (best as f64 + 0.5) / count as f64
                }
            })
            .map(|u: f64| u.clamp(0.0, 1.0))
            .collect()
    }

    /// The action that names a configuration, as critics see it.
    pub fn encode(&self, configuration: &Configuration) -> Vec<f32> {
        let mut action = vec![0.0; self.len];
        let parts = configuration.values().iter().zip(self.space.parameters()).zip(&self.slots);
        for ((value, parameter), slot) in parts {
            match (value, *slot) {
                (None, _) => {}
                (Some(Value::Category(choice)), Slot::Scores(at, _)) => action[at + choice] = 1.0,
                (Some(value), Slot::Number(at) | Slot::Scores(at, _)) => {
                    action[at] = (2.0 * parameter.domain.to_unit(*value) - 1.0) as f32;
                }
            }
        }
        action
    }

    /// The action of a move from one configuration: numbers move by `reach` of the unit interval at
    /// most, and a score stands for its choice.
    ///
    /// The present choice of a categorical is taken unless another's score exceeds its own by more
    /// than `INERTIA`.
    pub(super) fn step(&self, from: &Configuration, action: &[f32], reach: f64) -> Configuration {
        let mut point = self.unit(action);
        let here = self.space.to_unit(from);
        for ((u, here), (slot, value)) in
            point.iter_mut().zip(here).zip(self.slots.iter().zip(from.values()))
        {
            match (*slot, value) {
                (Slot::Number(at), _) => {
                    *u = (here + reach * f64::from(action[at])).clamp(0.0, 1.0);
                }
                (Slot::Scores(at, count), Some(Value::Category(present))) => {
                    let highest =
                        action[at..at + count].iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    if highest - action[at + present] <= INERTIA {
                        *u = here;
                    }
                }
                _ => {}
            }
        }
        self.space.from_unit(&point)
    }

    /// The action that leads from one configuration to another, as critics see it: numbers beyond the
    /// reach are cut, parameters that are inactive at the end are 0.
    pub(super) fn step_between(
        &self,
        from: &Configuration,
        to: &Configuration,
        reach: f64,
    ) -> Vec<f32> {
        let mut action = self.encode(to);
        let (here, there) = (self.space.to_unit(from), self.space.to_unit(to));
        for (parameter, slot) in self.slots.iter().enumerate() {
            if let Slot::Number(at) = *slot {
                action[at] = match to.values()[parameter] {
                    None => 0.0,
                    Some(_) => {
                        ((there[parameter] - here[parameter]) / reach).clamp(-1.0, 1.0) as f32
                    }
                };
            }
        }
        action
    }

    /// Disturbs each parameter with the probability `share`, at least one of them: a number by
    /// `N(0, scale^2)`, scores by a choice drawn uniformly.
    pub(crate) fn disturb(&self, action: &mut [f32], scale: f32, share: f64, rng: &mut Generator) {
        let certain = rng.random_range(0..self.slots.len());
        for (parameter, slot) in self.slots.iter().enumerate() {
            if parameter != certain && rng.random::<f64>() >= share {
                continue;
            }
            match *slot {
                Slot::Number(at) => {
                    let normal: f32 = StandardNormal.sample(rng);
                    action[at] = (action[at] + scale * normal).clamp(-1.0, 1.0);
                }
                Slot::Scores(at, count) => {
                    let choice = rng.random_range(0..count);
                    action[at..at + count].fill(0.0);
                    action[at + choice] = 1.0;
                }
            }
        }
    }

    /// Which numbers of an action a gradient may move: all but scores, whose choice would not change
    /// with them.
    pub(crate) fn is_smooth(&self) -> Vec<bool> {
        let mut smooth = vec![false; self.len];
        for slot in &self.slots {
            if let Slot::Number(at) = *slot {
                smooth[at] = true;
            }
        }
        smooth
    }
}

/// By how much another choice's score must exceed the present one's before a move changes it.
const INERTIA: f32 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Parameter;
    use crate::streams::Streams;
    use proptest::prelude::*;

    fn space() -> SearchSpace {
        SearchSpace::new([
            Parameter::categorical("model", ["a", "b", "c"]),
            Parameter::float("rate", 1e-4, 1.0).log().when("model", ["a", "b"]),
            Parameter::int("depth", 1, 9).when("model", ["c"]),
            Parameter::float("share", 0.0, 1.0).step(0.25),
        ])
        .unwrap()
    }

    const ENCODINGS: [ActionEncoding; 2] = [ActionEncoding::Relaxed, ActionEncoding::Ordinal];

    proptest! {
        #[test]
        fn a_configuration_is_the_one_that_its_action_names(seed in 0u64..500) {
            for encoding in ENCODINGS {
                let actions = ActionSpace::new(&space(), encoding);
                let at = space().sample(&mut Streams::new(seed).at("test", 0));
                let action = actions.encode(&at);
                prop_assert_eq!(action.len(), actions.len());
                // 32-bit numbers are what networks see, so floats come back rounded.
                let back = actions.decode(&action);
                for (a, b) in at.values().iter().zip(back.values()) {
                    match (a, b) {
                        (Some(Value::Float(a)), Some(Value::Float(b))) => {
                            prop_assert!((a - b).abs() <= 1e-5 * a.abs().max(1e-3), "{} {}", a, b);
                        }
                        _ => prop_assert_eq!(a, b),
                    }
                }
            }
        }

        #[test]
        fn moves_stay_within_their_reach(seed in 0u64..500) {
            for encoding in ENCODINGS {
                let actions = ActionSpace::new(&space(), encoding);
                let mut rng = Streams::new(seed).at("test", 1);
                let from = space().sample(&mut rng);
                let action: Vec<f32> =
                    (0..actions.len()).map(|_| rng.random_range(-1.0f32..=1.0)).collect();
                let to = actions.step(&from, &action, 0.2);
                let (a, b) = (space().to_unit(&from), space().to_unit(&to));
                // A step of 0.25 and one of nine integers may round to the next value.
                prop_assert!((a[3] - b[3]).abs() <= 0.2 + 0.13);
                if from.values()[1].is_some() && to.values()[1].is_some() {
                    prop_assert!((a[1] - b[1]).abs() <= 0.2 + 1e-6);
                    let back = actions.step_between(&from, &to, 0.2);
                    prop_assert!(back.iter().all(|x| (-1.0..=1.0).contains(x)));
                }
            }
        }
    }

    #[test]
    fn inactive_parameters_are_zero_and_ignored() {
        let actions = ActionSpace::new(&space(), ActionEncoding::Relaxed);
        let with = |depth: f32| actions.decode(&[0.9, 0.1, 0.2, -0.5, depth, 0.0]);
        assert_eq!(with(-1.0), with(1.0));
        assert_eq!(actions.encode(&with(0.7))[4], 0.0);
        assert_eq!(actions.encode(&with(0.7))[..3], [1.0, 0.0, 0.0]);
        assert_eq!(ActionSpace::new(&space(), ActionEncoding::Ordinal).len(), 4);
    }

    #[test]
    fn nan_names_a_configuration_too() {
        for encoding in ENCODINGS {
            let actions = ActionSpace::new(&space(), encoding);
            let at = actions.decode(&vec![f32::NAN; actions.len()]);
            assert!(actions.encode(&at).iter().all(|x| x.is_finite()));
        }
    }

    #[test]
    fn the_present_choice_has_inertia() {
        let actions = ActionSpace::new(&space(), ActionEncoding::Relaxed);
        let from = actions.decode(&[0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        let chosen = |scores: [f32; 3]| {
            let action = [&scores[..], &[0.0; 3]].concat();
            actions.step(&from, &action, 0.1).text("model").unwrap().to_owned()
        };
        assert_eq!(chosen([0.4, 0.0, 0.1]), "b");
        assert_eq!(chosen([0.4, -0.2, 0.1]), "a");
        assert_eq!(chosen([-1.0, 0.0, 0.9]), "c");
    }
}
