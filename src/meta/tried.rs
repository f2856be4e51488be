//! Which configurations are still to be tried, read from the history.

use crate::mdp::ActionSet;
use crate::optimizer::Context;
use crate::space::Configuration;

/// The configurations tried so far. It is derived from the study's history, and therefore no state of its
/// own: a loaded study reads it anew.
#[derive(Debug, Clone)]
pub(super) struct Tried {
    open: ActionSet,
    read: usize,
}

impl Tried {
    /// Nothing of so many configurations is tried.
    pub fn new(count: usize) -> Self {
        Self { open: ActionSet::all(count), read: 0 }
    }

    /// The configurations that are neither tried nor pending; all where there is none such. `position` finds
    /// a configuration's place.
    pub fn allowed(
        &mut self,
        cx: &Context<'_>,
        position: impl Fn(&Configuration) -> Option<usize>,
    ) -> ActionSet {
        for trial in &cx.history.trials()[self.read..] {
            if let Some(place) = position(&trial.configuration) {
                self.open.remove(place);
            }
        }
        self.read = cx.history.len();
        let mut allowed = self.open.clone();
        for place in cx.pending.iter().filter_map(|trial| position(&trial.configuration)) {
            allowed.remove(place);
        }
        if allowed.is_empty() { ActionSet::all(allowed.len()) } else { allowed }
    }
}
