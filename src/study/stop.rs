//! When a study has seen enough.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Study;

/// A reason to stop asking, checked before every trial of
/// [`Study::optimize`] and [`Study::optimize_parallel`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// The study has this many finished trials, those of other workers and of earlier runs included.
    Trials(usize),
    /// This much time has passed since the call; evaluations that run are awaited.
    Time(Duration),
    /// A trial's value is this good or better.
    Value(f64),
    /// This many trials were finished since the best so far.
    NoImprovement(usize),
}

impl Study {
    /// The first of the criteria for stopping that holds, `elapsed` after the evaluations began and with so
    /// many `under_evaluation`.
    pub fn stopped(&self, elapsed: Duration, under_evaluation: usize) -> Option<Stop> {
        self.stops.iter().copied().find(|stop| match *stop {
            Stop::Trials(trials) => self.history.len() + under_evaluation >= trials,
            Stop::Time(time) => elapsed >= time,
            Stop::Value(value) => {
                self.best().and_then(|best| self.value(best)).is_some_and(|best| {
                    match self.direction() {
                        crate::trial::Direction::Minimize => best <= value,
                        crate::trial::Direction::Maximize => best >= value,
                    }
                })
            }
            Stop::NoImprovement(trials) => {
                self.history.since_incumbent().is_some_and(|since| since >= trials)
            }
        })
    }
}
