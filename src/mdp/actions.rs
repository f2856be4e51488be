//! Sets of actions, as bits.

/// A set of the actions `0..len`.
///
/// ```
/// use hyperq::mdp::ActionSet;
/// let mut set = ActionSet::all(70);
/// set.remove(3);
/// assert!(!set.contains(3) && set.contains(69));
/// assert_eq!(set.count(), 69);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionSet {
    words: Box<[u64]>,
    len: usize,
}

impl ActionSet {
    /// The empty set.
    pub fn none(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(64)].into(), len }
    }

    /// The set of all actions.
    pub fn all(len: usize) -> Self {
        let mut set = Self { words: vec![u64::MAX; len.div_ceil(64)].into(), len };
        if let Some(last) = set.words.last_mut()
            && !len.is_multiple_of(64)
        {
            *last = (1 << (len % 64)) - 1;
        }
        set
    }

    /// The number of actions that there are, in the set or not.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no action is in the set.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// The number of actions in the set.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether an action is in the set.
    pub fn contains(&self, action: usize) -> bool {
        action < self.len && self.words[action / 64] >> (action % 64) & 1 == 1
    }

    /// Adds an action.
    ///
    /// # Panics
    ///
    /// If there is no such action.
    pub fn insert(&mut self, action: usize) {
        assert!(action < self.len, "action {action} of {}", self.len);
        self.words[action / 64] |= 1 << (action % 64);
    }

    /// Takes an action out.
    pub fn remove(&mut self, action: usize) {
        if action < self.len {
            self.words[action / 64] &= !(1 << (action % 64));
        }
    }

    /// The actions in the set, in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(index, &word)| {
            // Each step clears the lowest bit.
            let rest = |word: u64| (word != 0).then_some(word);
            std::iter::successors(rest(word), move |word| rest(word & (word - 1)))
                .map(move |word| 64 * index + word.trailing_zeros() as usize)
        })
    }

    /// The bits, 64 actions a word.
    pub(crate) fn words(&self) -> &[u64] {
        &self.words
    }

    /// A set of `len` actions from its bits; `None` where they are of another length.
    pub(crate) fn from_words(words: &[u64], len: usize) -> Option<Self> {
        let stray =
            !len.is_multiple_of(64) && words.last().is_some_and(|last| last >> (len % 64) != 0);
        (words.len() == len.div_ceil(64) && !stray).then(|| Self { words: words.into(), len })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn agrees_with_an_ordered_set(len in 1usize..200, steps in prop::collection::vec((any::<bool>(), 0usize..200), 0..100)) {
            let mut set = ActionSet::none(len);
            let mut model = BTreeSet::new();
            for (add, action) in steps {
                let action = action % len;
                if add { set.insert(action); model.insert(action); } else { set.remove(action); model.remove(&action); }
            }
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(set.count(), model.len());
            prop_assert_eq!(set.is_empty(), model.is_empty());
            prop_assert_eq!(ActionSet::from_words(set.words(), len), Some(set));
            prop_assert_eq!(ActionSet::all(len).count(), len);
        }
    }

    #[test]
    fn bits_beyond_the_last_action_are_refused() {
        assert_eq!(ActionSet::from_words(&[0b1000], 3), None);
        assert_eq!(ActionSet::from_words(&[0b100, 0], 3), None);
        assert!(ActionSet::from_words(&[0b100], 3).is_some());
    }
}
