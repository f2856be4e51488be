//! Several objectives as one number.

use super::Study;
use crate::error::Result;
use crate::objectives::{Chebyshev, Ranges};
use crate::streams::Streams;
use crate::trial::{Direction, Outcome, Score};

/// How many trials an episode of one scalarization has.
const EPISODE: usize = 4;
/// The first one is shorter: until two trials are told, nothing is known of the objectives' ranges.
const FIRST_EPISODE: usize = 2;

/// One random scalarization an episode (Knowles 2006, ParEGO): within an episode the agent learns one
/// scalar problem, and over the episodes it is drawn to every part of the front.
pub(super) struct Scalarization {
    directions: Vec<Direction>,
    streams: Streams,
    chebyshev: Chebyshev,
    /// Of the values at the episode's beginning, so that scores within it compare.
    ranges: Ranges,
    /// Trials told in this episode.
    told: usize,
    episode: u64,
}

impl Scalarization {
    pub(super) fn new(directions: &[Direction], streams: Streams) -> Self {
        Self {
            directions: directions.to_vec(),
            streams,
            chebyshev: Chebyshev::draw(directions.len(), &mut streams.at("scalarization", 0)),
            ranges: Ranges::new(directions),
            told: 0,
            episode: 0,
        }
    }

    /// The score of a trial's values in this episode.
    pub(super) fn score(&self, values: &[f64]) -> Result<Score> {
        self.chebyshev.score(values, &self.ranges)
    }

    fn is_over(&self) -> bool {
        self.told >= if self.episode == 0 { FIRST_EPISODE } else { EPISODE }
    }

    /// Draws the next episode's weights; all values so far give the ranges.
    fn next_episode<'a>(&mut self, values: impl Iterator<Item = &'a [f64]>) -> Result<()> {
        self.episode += 1;
        self.told = 0;
        self.ranges = Ranges::new(&self.directions);
        for values in values {
            self.ranges.include(values)?;
        }
        let mut generator = self.streams.at("scalarization", self.episode);
        self.chebyshev = Chebyshev::draw(self.directions.len(), &mut generator);
        Ok(())
    }
}

impl Study {
    /// After a trial was told: begins a new episode where this one is over. The agent then learns every trial
    /// so far anew, with the scores that it has under the new weights.
    pub(super) fn scalarize_anew(&mut self) -> Result<()> {
        if !self.rescale_history()? || self.is_muted() {
            return Ok(());
        }
        let Some(strategy) = &self.strategy else { return Ok(()) };
        self.optimizer = strategy.build(&self.problem, self.streams)?;
        self.relearn()
    }

    /// Counts a trial; `true` where a new episode began, whose scores the history has then.
    pub(super) fn rescale_history(&mut self) -> Result<bool> {
        let Some(scalarization) = &mut self.scalarization else { return Ok(false) };
        scalarization.told += 1;
        if !scalarization.is_over() {
            return Ok(false);
        }
        let records = &self.records;
        let complete = self
            .history
            .trials()
            .iter()
            .filter(|trial| matches!(trial.outcome, Outcome::Complete(_)))
            .map(|trial| records[trial.id.0 as usize].values.as_slice());
        scalarization.next_episode(complete)?;
        let history = std::mem::take(&mut self.history);
        for trial in history.trials() {
            let mut trial = trial.clone();
            trial.outcome = self.outcome(trial.id)?;
            self.history.push(trial);
        }
        Ok(true)
    }
}
