//! How a choice among actions looks from outside: what diagnoses exploration.

use crate::mdp::ActionSet;

/// One choice among actions whose values were estimated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Selection {
    /// Whether an allowed action had a higher `Q(s, a)` than the one that was taken.
    pub exploratory: bool,
    /// The standard deviation of `Q(s, a)` over the allowed actions, in the unit of rewards: how much the value
    /// function tells them apart. 0 where it knows nothing.
    pub spread: f32,
}

impl Selection {
    /// What the choice of an allowed action was, `values` being `Q(s, a)` of all actions.
    pub(crate) fn of(values: &[f32], allowed: &ActionSet, taken: usize) -> Self {
        let highest = f64::from(values[taken]);
        let values = || allowed.iter().map(|action| f64::from(values[action]));
        let count = allowed.count() as f64;
        let mean = values().sum::<f64>() / count;
        let square = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        Self { exploratory: values().any(|value| value > highest), spread: square.sqrt() as f32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_below_the_highest_allowed_value_is_exploratory() {
        let values = [1.0, 3.0, 9.0];
        let mut allowed = ActionSet::all(3);
        allowed.remove(2);
        let greedy = Selection::of(&values, &allowed, 1);
        assert_eq!(greedy, Selection { exploratory: false, spread: 1.0 });
        assert!(Selection::of(&values, &allowed, 0).exploratory);
        let tie = Selection::of(&[2.0; 3], &allowed, 0);
        assert_eq!(tie, Selection { exploratory: false, spread: 0.0 });
    }
}
