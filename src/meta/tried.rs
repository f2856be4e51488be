//! Which configurations are still to be tried, read from the history.

use super::prior::{LearnedPrior, Points};
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

/// The points of a search on a prior, and how far the study's history was read in terms of them.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    points: Points,
    tried: Tried,
    seen: usize,
}

/// What a [`Reader`] had not read yet.
pub(super) struct Unread {
    /// Whether what was read before is void, since there are other points now.
    pub anew: bool,
    /// The points of complete trials with their scores, in the order of telling.
    pub scores: Vec<(usize, f64)>,
}

impl Reader {
    /// Nothing is read.
    pub fn new(points: Points) -> Self {
        Self { tried: Tried::new(points.len()), points, seen: 0 }
    }

    /// Forgets what was read.
    pub fn restart(&mut self) {
        self.tried = Tried::new(self.points.len());
        self.seen = 0;
    }

    pub fn points(&self) -> &Points {
        &self.points
    }

    /// The rest of the history. A configuration that is no point, as where the caller tried something else,
    /// becomes one, and the whole history is to be read again.
    pub fn read(&mut self, prior: &LearnedPrior, cx: &Context<'_>) -> Unread {
        let trials = cx.history.trials();
        if self.points.admit(prior, &trials[self.seen..]) {
            self.restart();
        }
        let scored = |trial: &crate::trial::Trial| {
            Some((self.points.position(&trial.configuration)?, trial.score()?.get()))
        };
        let scores = trials[self.seen..].iter().filter_map(scored).collect();
        let anew = self.seen == 0;
        self.seen = trials.len();
        Unread { anew, scores }
    }

    /// As [`Tried::allowed`].
    pub fn allowed(&mut self, cx: &Context<'_>) -> ActionSet {
        let points = &self.points;
        self.tried.allowed(cx, |configuration| points.position(configuration))
    }
}
