//! Training an agent over a corpus.

use std::path::Path;
use std::sync::Arc;

use super::corpus::Corpus;
use super::learner::{MetaAgent, MetaLearner};
use super::policy::{FILE, Policy, Provenance, Stored, write};
use crate::error::{Error, Result};
use crate::space::Grid;
use crate::streams::{Streams, fnv1a};

/// The training of an agent: step by step, with checkpoints from which it goes on bit for bit.
pub struct Training {
    provenance: Provenance,
    grid: Arc<Grid>,
    learner: Box<dyn MetaLearner>,
    streams: Streams,
    step: u64,
}

impl Training {
    /// Begins a training.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting of the agent is out of its range.
    pub fn new(name: &str, agent: &MetaAgent, corpus: &Corpus, seed: u64) -> Result<Self> {
        let streams = Streams::new(seed).child("training", 0);
        let learner = agent.learner(corpus, streams)?;
        Ok(Self {
            provenance: Provenance {
                name: name.to_owned(),
                agent: agent.clone(),
                corpus: corpus.name().to_owned(),
                objective: corpus.objective().to_owned(),
                direction: corpus.direction(),
                tasks: corpus.tasks().iter().map(|task| task.name().to_owned()).collect(),
                meta_features: corpus.meta_features(),
                fingerprint: fingerprint(corpus),
                seed,
                steps: learner.steps(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            grid: Arc::clone(corpus.grid()),
            learner,
            streams,
            step: 0,
        })
    }

    /// Begins a training, or goes on from the checkpoint in `directory` where there is one.
    ///
    /// # Errors
    ///
    /// As [`Training::new`]; [`Error::Unsuited`] where the directory holds a policy or a checkpoint of another
    /// training, with the difference; [`Error::Snapshot`] where it is damaged.
    pub fn resume(
        name: &str,
        agent: &MetaAgent,
        corpus: &Corpus,
        seed: u64,
        directory: &Path,
    ) -> Result<Self> {
        let mut training = Self::new(name, agent, corpus, seed)?;
        let file = directory.join(FILE);
        if !file.try_exists().map_err(Error::io(&file))? {
            return Ok(training);
        }
        let stored = Stored::read(directory, Some(agent.learner(corpus, training.streams)?))?;
        let (ours, theirs) = (&training.provenance, &stored.provenance);
        let differing = [
            ("the agent", ours.name != theirs.name || ours.agent != theirs.agent),
            ("the corpus", ours.fingerprint != theirs.fingerprint || ours.tasks != theirs.tasks),
            ("the seed", ours.seed != theirs.seed),
            ("the number of steps", ours.steps != theirs.steps),
            ("hyperq's version", ours.version != theirs.version),
        ]
        .into_iter()
        .find_map(|(what, differs)| differs.then_some(what));
        if let Some(what) = differing {
            return Err(Error::unsuited(
                "the training",
                format!("`{}` holds that of another one: {what} differs", directory.display()),
            ));
        }
        training.learner = stored.learner;
        training.step = stored.step;
        Ok(training)
    }

    /// The steps taken so far.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The steps in all.
    pub fn steps(&self) -> u64 {
        self.provenance.steps
    }

    /// Takes a step; `false` where none is left.
    ///
    /// # Errors
    ///
    /// What the learner's own parts report.
    pub fn advance(&mut self) -> Result<bool> {
        if self.step >= self.provenance.steps {
            return Ok(false);
        }
        self.learner.train(self.step, self.streams)?;
        self.step += 1;
        Ok(true)
    }

    /// Writes a checkpoint, which [`Training::resume`] goes on from.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the directory cannot be written.
    pub fn checkpoint(&self, directory: &Path) -> Result<()> {
        write(directory, self.step, &self.provenance, &self.grid, self.learner.as_ref())
    }

    /// Takes the steps that are left.
    ///
    /// # Errors
    ///
    /// What the learner's own parts report.
    pub fn finish(mut self) -> Result<Policy> {
        while self.advance()? {}
        Ok(self.finish_early())
    }

    /// The policy as training has left it.
    pub(super) fn finish_early(self) -> Policy {
        Policy::new(self.provenance, self.grid, Arc::from(self.learner))
    }
}

/// A checksum of what a corpus teaches.
fn fingerprint(corpus: &Corpus) -> String {
    let mut bytes = Vec::new();
    for task in corpus.tasks() {
        bytes.extend_from_slice(task.name().as_bytes());
        for number in task.scores.iter().chain(task.meta_features()) {
            bytes.extend_from_slice(&number.to_bits().to_le_bytes());
        }
    }
    format!("{:016x}", fnv1a(&bytes))
}
