//! Strategies: optimizers by name, with every setting of them as plain data.

mod actor_critics;

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use crate::agent::QLearning;
use crate::error::{Error, Result};
use crate::explore::{
    Candidates, EpsilonGreedy, ExpectedImprovement, Exploration, Greedy, Schedule, Softmax,
    Thompson, Ucb,
};
use crate::mdp::{FramingConfig, Normalization, Refine, Reward, Select};
use crate::meta::{MetaAgent, MetaLearner, Policy, PolicyStudy};
use crate::optimizer::{
    CmaEs, ContinuousControl, ContinuousQ, Design, DesignSize, Discrete, GridOrder, GridSearch,
    Optimizer, Problem, RandomSearch, SobolSearch, Tpe,
};
use crate::space::GridSize;
use crate::streams::Streams;
use crate::value::{
    ContinuousValueConfig, Critics, DeepQ, Ensemble, GaussianProcess, Kernel, Table, ValueConfig,
};

/// The grid of a surface that brings none: the finest of at most this many configurations.
pub const DEFAULT_GRID: GridSize = GridSize::AtMost(4096);

/// An optimizer as plain data: what it is made of and every setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "optimizer", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Strategy {
    /// Uniform draws.
    Random {},
    /// A scrambled Sobol sequence.
    Sobol {},
    /// A grid, each configuration once.
    Grid {
        /// The order of visits.
        order: GridOrder,
        /// The grid of a problem that brings none.
        size: GridSize,
    },
    /// The tree-structured Parzen estimator.
    Tpe(Tpe),
    /// Covariance matrix adaptation.
    CmaEs(CmaEs),
    /// Q-learning over a grid.
    Q(Box<Discrete>),
    /// An actor-critic agent over the unit cube.
    ActorCritic(Box<ContinuousControl>),
    /// Q-learning over configurations as points.
    ContinuousQ(Box<ContinuousQ>),
    /// An agent that other programs train over a corpus, from scratch: it knows nothing but the problem.
    Untrained(MetaAgent),
    /// A trained policy.
    Policy(PolicyStudy),
}

/// What a registered strategy works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A learned strategy over a grid.
    Discrete,
    /// A learned strategy over the unit cube.
    Continuous,
    /// What learned strategies are compared with.
    Baseline,
}

/// A strategy under its name.
#[derive(Debug, Clone)]
pub struct Registered {
    /// The name: lower-case with hyphens, the parts from left to right.
    pub name: String,
    /// What it works on.
    pub kind: Kind,
    /// What it is made of, in a line.
    pub summary: String,
    /// Its settings.
    pub strategy: Strategy,
}

static REGISTRY: LazyLock<Vec<Registered>> = LazyLock::new(|| {
    let baseline = |name: &str, summary: &str, strategy| Registered {
        name: name.to_owned(),
        kind: Kind::Baseline,
        summary: summary.to_owned(),
        strategy,
    };
    vec![
        baseline("random", "uniform draws on each parameter's own scale", Strategy::Random {}),
        baseline(
            "grid",
            "a grid in random order without replacement",
            Strategy::Grid { order: GridOrder::Shuffled, size: DEFAULT_GRID },
        ),
        baseline("sobol", "an Owen-scrambled Sobol sequence", Strategy::Sobol {}),
        baseline(
            "gp",
            "Bayesian optimization: Gaussian process, expected improvement",
            bayesian(Exploration::ExpectedImprovement(ExpectedImprovement::default())),
        ),
        baseline(
            "gp-ucb",
            "Bayesian optimization: Gaussian process, upper confidence bound",
            bayesian(Exploration::Ucb(Ucb {
                coefficient: Schedule::RootLog(1.0),
                ..Ucb::default()
            })),
        ),
        baseline(
            "tpe",
            "tree-structured Parzen estimator, each parameter for itself",
            Tpe::default().into(),
        ),
        baseline(
            "tpe-multivariate",
            "tree-structured Parzen estimator, parameters jointly",
            Tpe { multivariate: true, ..Tpe::default() }.into(),
        ),
        baseline(
            "tpe-distinct",
            "tree-structured Parzen estimator that repeats no configuration",
            Tpe { repeats: false, ..Tpe::default() }.into(),
        ),
        baseline(
            "cma-es",
            "covariance matrix adaptation, restarted with growing populations",
            CmaEs::default().into(),
        ),
    ]
    .into_iter()
    .chain(discrete())
    .chain(continuous())
    .chain(actor_critics::registered())
    .collect()
});

/// Bayesian optimization as it is usually done: ten quasi-random trials, standardized scores.
fn bayesian(exploration: Exploration) -> Strategy {
    ContinuousQ {
        value: ContinuousValueConfig::GaussianProcess(GaussianProcess::default()),
        exploration,
        candidates: Candidates::default(),
        reward: Reward { normalization: Normalization::Standard, ..Reward::default() },
        design: DesignSize { per_parameter: 0, constant: 10 },
    }
    .into()
}

fn explorations() -> [Exploration; 6] {
    [
        Exploration::Greedy(Greedy::default()),
        Exploration::EpsilonGreedy(EpsilonGreedy::default()),
        Exploration::Softmax(Softmax::default()),
        Exploration::Ucb(Ucb::default()),
        Exploration::Thompson(Thompson::default()),
        Exploration::ExpectedImprovement(ExpectedImprovement::default()),
    ]
}

/// Every value function in every framing with every exploration policy that it supplies.
fn discrete() -> impl Iterator<Item = Registered> {
    let values = [
        ValueConfig::Table(Table::default()),
        ValueConfig::Dqn(DeepQ::default()),
        ValueConfig::Ensemble(Ensemble::default()),
    ];
    let framings =
        [FramingConfig::Select(Select::default()), FramingConfig::Refine(Refine::default())];
    values.into_iter().flat_map(move |value| {
        framings.clone().into_iter().flat_map(move |framing| {
            let value = value.clone();
            explorations().into_iter().filter_map(move |exploration| {
                exploration.build(value.name(), value.supplies()).ok()?;
                Some(registered(framing.clone(), value.clone(), exploration))
            })
        })
    })
}

/// Every value function over configurations with every exploration policy.
fn continuous() -> impl Iterator<Item = Registered> {
    let values = [
        ContinuousValueConfig::Kernel(Kernel::default()),
        ContinuousValueConfig::Critics(Critics::default()),
        ContinuousValueConfig::GaussianProcess(GaussianProcess::default()),
    ];
    values.into_iter().flat_map(|value| {
        explorations().into_iter().map(move |exploration| {
            let exploration = match exploration {
                Exploration::Ucb(ucb) => Exploration::Ucb(Ucb {
                    // The best of thousands of candidates is optimistic by selection alone, so few
                    // trials need little bonus; many need more to leave a local optimum.
                    coefficient: Schedule::Linear { from: 1.0, to: 2.5, trials: 100 },
                    ..ucb
                }),
                other => other,
            };
            // A Gaussian process gains much from smooth rewards, networks nothing (measured).
            let (what, normalization) = match value {
                ContinuousValueConfig::Kernel(_) => {
                    ("Gaussian process of main and joint effects", Normalization::Power)
                }
                ContinuousValueConfig::GaussianProcess(_) => {
                    ("Gaussian process of likeliest hyperparameters", Normalization::Power)
                }
                ContinuousValueConfig::Critics(_) => {
                    ("bootstrapped ensemble of critic networks", Normalization::Rank)
                }
            };
            Registered {
                name: format!("{}-select-{}", value.name(), exploration.name()),
                kind: Kind::Continuous,
                summary: format!("{what}; select a point; {} exploration", exploration.name()),
                strategy: Strategy::ContinuousQ(Box::new(ContinuousQ {
                    value: value.clone(),
                    exploration,
                    candidates: Candidates::default(),
                    reward: Reward { normalization, ..Reward::default() },
                    design: DesignSize { per_parameter: 2, constant: 2 },
                })),
            }
        })
    })
}

fn registered(framing: FramingConfig, value: ValueConfig, exploration: Exploration) -> Registered {
    let what = match value {
        ValueConfig::Table(_) => "Q-table",
        ValueConfig::Dqn(_) => "deep Q-network",
        ValueConfig::Ensemble(_) => "bootstrapped ensemble of deep Q-networks",
    };
    let how = match framing {
        FramingConfig::Select(_) => "select a configuration",
        FramingConfig::Refine(_) => "refine the current configuration",
    };
    let discount = match framing {
        FramingConfig::Select(_) => 0.0,
        FramingConfig::Refine(_) => 0.5,
    };
    Registered {
        name: format!("{}-{}-{}", value.name(), framing.name(), exploration.name()),
        kind: Kind::Discrete,
        summary: format!("{what}; {how}; {} exploration", exploration.name()),
        strategy: Strategy::Q(Box::new(Discrete {
            framing,
            reward: Reward::default(),
            agent: QLearning { value, exploration, discount, steps: 1 },
            grid: DEFAULT_GRID,
            design: Design::Sobol,
            design_trials: 5,
        })),
    }
}

/// Every registered strategy.
pub fn registry() -> &'static [Registered] {
    &REGISTRY
}

impl From<ContinuousQ> for Strategy {
    fn from(settings: ContinuousQ) -> Self {
        Self::ContinuousQ(Box::new(settings))
    }
}

impl From<Tpe> for Strategy {
    fn from(settings: Tpe) -> Self {
        Self::Tpe(settings)
    }
}

impl From<CmaEs> for Strategy {
    fn from(settings: CmaEs) -> Self {
        Self::CmaEs(settings)
    }
}

impl Default for Strategy {
    /// `kernel-select-ucb`: first by average rank in the default comparison (see the page on results), and
    /// not bound to a grid.
    fn default() -> Self {
        Self::named("kernel-select-ucb").expect("the default is registered")
    }
}

impl Strategy {
    /// The registered strategy of a name.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] with the nearest name.
    pub fn named(name: &str) -> Result<Self> {
        registry()
            .iter()
            .find(|registered| registered.name == name)
            .map(|registered| registered.strategy.clone())
            .ok_or_else(|| {
                Error::unknown(
                    "strategy",
                    name,
                    registry().iter().map(|registered| registered.name.as_str()),
                    "`hyperq strategies` lists them all",
                )
            })
    }

    /// Builds the optimizer for a problem. `streams` are those of its study: initial weights come
    /// from them.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting is out of its range; [`Error::Unsuited`] where parts do not
    /// fit together or do not fit the problem.
    pub fn build(&self, problem: &Problem, streams: Streams) -> Result<Box<dyn Optimizer>> {
        Ok(match self {
            Self::Random {} => Box::new(RandomSearch),
            Self::Sobol {} => Box::new(SobolSearch),
            Self::Grid { order, size } => Box::new(GridSearch::new(problem.grid(*size)?, *order)),
            Self::Tpe(tpe) => Box::new(tpe.build(problem)?),
            Self::CmaEs(cma_es) => Box::new(cma_es.build(problem)?),
            Self::Q(discrete) => Box::new(discrete.build(problem, streams)?),
            Self::ActorCritic(continuous) => Box::new(continuous.build(problem, streams)?),
            Self::ContinuousQ(continuous) => Box::new(continuous.build(problem, streams)?),
            Self::Untrained(agent) => {
                let learner: Arc<dyn MetaLearner> = agent
                    .untrained(problem.grid(DEFAULT_GRID)?, problem.meta_features.len(), streams)?
                    .into();
                learner.optimizer(problem, streams, true)?
            }
            Self::Policy(PolicyStudy { directory, fine_tune }) => {
                Policy::load(directory)?.optimizer(problem, streams, *fine_tune)?
            }
        })
    }
}
