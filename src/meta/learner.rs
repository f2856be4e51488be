//! Agents that are trained over a corpus, by name and as plain data.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use super::control::{ControlAgent, ControlLearner};
use super::corpus::Corpus;
use super::portfolio::{Order, Portfolio};
use super::prior::LearnedPrior;
use super::prior_agent::{Choice, PriorAgent, PriorLearner};
use super::recurrent::{RecurrentAgent, RecurrentLearner};
use crate::error::{Error, Result};
use crate::explore::{EpsilonGreedy, Exploration, Greedy, Schedule, Softmax, Thompson, Ucb};
use crate::optimizer::{Optimizer, Problem};
use crate::persist::Persist;
use crate::space::Grid;
use crate::streams::Streams;

/// What is trained over a corpus and then tunes new tasks.
pub trait MetaLearner: Persist + Send + Sync {
    /// The number of steps that training takes.
    fn steps(&self) -> u64;

    /// Takes step `step` of training, from 0. `streams` are those of the training.
    ///
    /// # Errors
    ///
    /// What the learner's own parts report.
    fn train(&mut self, step: u64, streams: Streams) -> Result<()>;

    /// An optimizer that tunes a new task with what was learned; with `fine_tune` it goes on learning from
    /// the new task's trials, where that differs from taking them into account.
    ///
    /// # Errors
    ///
    /// [`Error::Unsuited`] where the problem is not one that the learner was trained for.
    fn optimizer(
        self: Arc<Self>,
        problem: &Problem,
        streams: Streams,
        fine_tune: bool,
    ) -> Result<Box<dyn Optimizer>>;

    /// What training found, a sentence each, for the model card.
    fn findings(&self) -> Vec<String>;
}

/// An agent that is trained over a corpus, as plain data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "agent", rename_all = "kebab-case", deny_unknown_fields)]
pub enum MetaAgent {
    /// A fixed order of configurations.
    Portfolio {
        /// Which order.
        order: Order,
    },
    /// The learned prior with a rule of choice.
    Prior(Box<PriorAgent>),
    /// Q-learning over rules of choice on the learned prior.
    Control(Box<ControlAgent>),
    /// Hyp-RL.
    HypRl(Box<RecurrentAgent>),
}

impl MetaAgent {
    /// The registered agent of a name.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] with the nearest name.
    pub fn named(name: &str) -> Result<Self> {
        registered()
            .iter()
            .find(|agent| agent.name == name)
            .map(|agent| agent.agent.clone())
            .ok_or_else(|| {
                let names = registered().iter().map(|agent| agent.name.as_str());
                Error::unknown("agent", name, names, "`hyperq agents` lists them all")
            })
    }

    /// Reads agents with settings from a TOML file, in the order of their names:
    ///
    /// ```toml
    /// [agent.cautious]
    /// agent = "prior"
    /// choice = { explore = { ucb = { coefficient = { root-log = 1.0 } } } }
    /// candidates = 1
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the file cannot be read; [`Error::File`] with the line where it is malformed.
    pub fn read_all(path: impl AsRef<Path>) -> Result<Vec<(String, Self)>> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            agent: BTreeMap<String, MetaAgent>,
        }
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        let file: File = toml::from_str(&text).map_err(|error| {
            let before = &text[..error.span().map_or(0, |span| span.start)];
            let line = before.matches('\n').count() as u64 + 1;
            Error::file(path, line, "must hold tables `[agent.NAME]`", error.message())
        })?;
        Ok(file.agent.into_iter().collect())
    }

    /// The agent with another length of training: candidate settings, episodes of each table, or trials.
    ///
    /// # Errors
    ///
    /// [`Error::Unsuited`] for an agent that is not trained in steps.
    pub fn with_steps(self, steps: u64) -> Result<Self> {
        let steps = usize::try_from(steps).unwrap_or(usize::MAX);
        Ok(match self {
            Self::Portfolio { .. } => {
                return Err(Error::unsuited("the training", "portfolios are not trained in steps"));
            }
            Self::Prior(agent) => Self::Prior(Box::new(PriorAgent { candidates: steps, ..*agent })),
            Self::Control(agent) => {
                Self::Control(Box::new(ControlAgent { episodes: steps, ..*agent }))
            }
            Self::HypRl(agent) => {
                Self::HypRl(Box::new(RecurrentAgent { episodes: steps, ..*agent }))
            }
        })
    }

    /// Whether the agent learns from a single task's trials, so that it can be compared with itself from
    /// scratch. Without training tasks a portfolio is random search, and control its own fixed rule.
    pub fn learns_alone(&self) -> bool {
        matches!(self, Self::Prior(_) | Self::HypRl(_))
    }

    /// The learner before its training over a corpus; `streams`, those of the training, give initial weights.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting is out of its range.
    pub fn learner(&self, corpus: &Corpus, streams: Streams) -> Result<Box<dyn MetaLearner>> {
        self.with_prior(LearnedPrior::new(corpus), streams)
    }

    /// The learner that knows no task: what the agent is from scratch.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting is out of its range.
    pub fn untrained(
        &self,
        grid: Arc<Grid>,
        meta_features: usize,
        streams: Streams,
    ) -> Result<Box<dyn MetaLearner>> {
        self.with_prior(LearnedPrior::ignorant(grid, meta_features), streams)
    }

    fn with_prior(&self, prior: LearnedPrior, streams: Streams) -> Result<Box<dyn MetaLearner>> {
        Ok(match self {
            Self::Portfolio { order } => Box::new(Portfolio::new(&prior, *order)),
            Self::Prior(agent) => Box::new(PriorLearner::new(agent, prior)?),
            Self::Control(agent) => Box::new(ControlLearner::new(agent, prior, streams)?),
            Self::HypRl(agent) => Box::new(RecurrentLearner::new(agent, prior, streams)?),
        })
    }
}

/// An agent under its name.
#[derive(Debug, Clone)]
pub struct RegisteredAgent {
    /// The name.
    pub name: String,
    /// What it is, in a line.
    pub summary: String,
    /// Its settings.
    pub agent: MetaAgent,
}

static REGISTRY: LazyLock<Vec<RegisteredAgent>> = LazyLock::new(|| {
    let named = |name: &str, summary: &str, agent| RegisteredAgent {
        name: name.to_owned(),
        summary: summary.to_owned(),
        agent,
    };
    let prior = |name: &str, choice, summary: &str| {
        let agent = PriorAgent { choice, ..PriorAgent::default() };
        named(name, summary, MetaAgent::Prior(Box::new(agent)))
    };
    let explore = |exploration: Exploration| {
        let name = format!("prior-{}", exploration.name());
        let summary = format!("learned prior; {} exploration", exploration.name());
        prior(&name, Choice::Explore(exploration), &summary)
    };
    vec![
        named(
            "average-rank",
            "configurations by their average rank over the training tasks",
            MetaAgent::Portfolio { order: Order::AverageRank },
        ),
        named(
            "greedy-portfolio",
            "configurations that complement each other on the training tasks",
            MetaAgent::Portfolio { order: Order::GreedyComplementary },
        ),
        explore(Exploration::Greedy(Greedy::default())),
        explore(Exploration::EpsilonGreedy(EpsilonGreedy { epsilon: Schedule::Constant(0.1) })),
        explore(Exploration::Softmax(Softmax { temperature: Schedule::Constant(0.02) })),
        explore(Exploration::Ucb(Ucb { coefficient: Schedule::RootLog(0.5), ..Ucb::default() })),
        explore(Exploration::Thompson(Thompson::default())),
        prior(
            "prior-expected-improvement",
            Choice::ExpectedImprovement {},
            "learned prior; expected improvement, no reinforcement learning",
        ),
        named(
            "prior-control",
            "learned prior; Q-learning over rules of choice",
            MetaAgent::Control(Box::default()),
        ),
        named(
            "hyp-rl",
            "recurrent Q-network over the history, one output a configuration",
            MetaAgent::HypRl(Box::default()),
        ),
    ]
});

/// Every registered agent.
pub fn registered() -> &'static [RegisteredAgent] {
    &REGISTRY
}
