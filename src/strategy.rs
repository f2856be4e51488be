//! Strategies: optimizers by name, with every setting of them as plain data.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::agent::{ActorCriticConfig, Ddpg, QLearning, Sac, Td3};
use crate::error::{Error, Result};
use crate::explore::{EpsilonGreedy, Exploration, Greedy, Schedule, Softmax, Thompson, Ucb};
use crate::mdp::{
    ContinuousFramingConfig, ContinuousRefine, ContinuousSelect, FramingConfig, Refine, Reward,
    Select,
};
use crate::noise::{Gaussian, NoiseConfig, OrnsteinUhlenbeck, ParameterNoise};
use crate::optimizer::{
    Acting, ActionCandidates, Continuous, Design, Discrete, Dyna, GridOrder, GridSearch, Optimizer,
    Problem, RandomSearch, SobolSearch,
};
use crate::space::GridSize;
use crate::streams::Streams;
use crate::value::{DeepQ, Ensemble, Table, ValueConfig};

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
    /// Q-learning over a grid.
    Q(Box<Discrete>),
    /// An actor-critic agent over the unit cube.
    ActorCritic(Box<Continuous>),
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
    ]
    .into_iter()
    .chain(discrete())
    .chain(continuous())
    .collect()
});

/// Every value function in every framing with every exploration policy that it supplies.
fn discrete() -> impl Iterator<Item = Registered> {
    let values = [
        ValueConfig::Table(Table::default()),
        ValueConfig::Dqn(DeepQ::default()),
        ValueConfig::Ensemble(Ensemble::default()),
    ];
    let framings =
        [FramingConfig::Select(Select::default()), FramingConfig::Refine(Refine::default())];
    let explorations = [
        Exploration::Greedy(Greedy::default()),
        Exploration::EpsilonGreedy(EpsilonGreedy::default()),
        Exploration::Softmax(Softmax::default()),
        Exploration::Ucb(Ucb::default()),
        Exploration::Thompson(Thompson::default()),
    ];
    values.into_iter().flat_map(move |value| {
        let explorations = explorations.clone();
        framings.clone().into_iter().flat_map(move |framing| {
            let value = value.clone();
            explorations.clone().into_iter().filter_map(move |exploration| {
                exploration.build(value.name(), value.supplies()).ok()?;
                Some(registered(framing.clone(), value.clone(), exploration))
            })
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

/// The actor-critic agents that tune: a telling choice of framing x agent x exploration. The rest is
/// reached through settings.
fn continuous() -> impl Iterator<Item = Registered> {
    let [ddpg, td3, sac]: [ActorCriticConfig; 3] =
        [Ddpg::tuned().into(), Td3::tuned().into(), Sac::tuned().into()];
    let select = || ContinuousFramingConfig::Select(ContinuousSelect::default());
    let refine = || ContinuousFramingConfig::Refine(ContinuousRefine::default());
    let mut all = Vec::new();
    let mut add = |name: &str, summary: &str, continuous: Continuous| {
        all.push(Registered {
            name: name.to_owned(),
            kind: Kind::Continuous,
            summary: summary.to_owned(),
            strategy: continuous.into(),
        });
    };
    let noise = |name: &str| match name {
        "gaussian" => NoiseConfig::Gaussian(Gaussian { sigma: Schedule::FADING }),
        "parameter" => NoiseConfig::Parameter(ParameterNoise::default()),
        _ => NoiseConfig::OrnsteinUhlenbeck(OrnsteinUhlenbeck {
            theta: 0.15,
            sigma: Schedule::FADING,
        }),
    };
    let noisy = |agent: &ActorCriticConfig, name: &str| {
        let normalized = name == "parameter";
        match agent.clone() {
            ActorCriticConfig::Ddpg(ddpg) => ActorCriticConfig::Ddpg(Ddpg {
                noise: noise(name),
                actor_layer_norm: normalized,
                ..ddpg
            }),
            ActorCriticConfig::Td3(td3) => ActorCriticConfig::Td3(Td3 {
                noise: noise(name),
                actor_layer_norm: normalized,
                ..td3
            }),
            sac @ ActorCriticConfig::Sac(_) => sac,
        }
    };
    for (agent, name, framing) in [
        (&ddpg, "gaussian", select()),
        (&ddpg, "ornstein-uhlenbeck", refine()),
        (&td3, "gaussian", select()),
        (&td3, "parameter", select()),
        (&td3, "gaussian", refine()),
        (&sac, "policy", select()),
        (&sac, "policy", refine()),
    ] {
        add(
            &format!("{}-{}-{name}", agent.name(), framing.name()),
            &format!("{}; {}; {}", words(agent), framing_words(&framing), exploring(name)),
            Continuous { framing, agent: noisy(agent, name), ..Continuous::of(agent.clone()) },
        );
    }
    let policies = [
        Exploration::Greedy(Greedy::default()),
        Exploration::EpsilonGreedy(EpsilonGreedy::default()),
        Exploration::Softmax(Softmax::default()),
        Exploration::Ucb(Ucb::default()),
        Exploration::Thompson(Thompson::default()),
    ];
    let over_candidates = |exploration: &Exploration| Acting::Candidates {
        exploration: exploration.clone(),
        candidates: ActionCandidates::default(),
    };
    for (agent, exploration, framing) in policies
        .iter()
        .map(|exploration| (&td3, exploration, select()))
        .chain([(&ddpg, &policies[0], select()), (&sac, &policies[3], select())])
        .chain([(&td3, &policies[3], refine())])
    {
        let policy = exploration.name();
        add(
            &format!("{}-{}-{policy}", agent.name(), framing.name()),
            &format!(
                "{}; {}; {policy} over candidate actions",
                words(agent),
                framing_words(&framing)
            ),
            Continuous {
                framing,
                agent: ensemble(agent),
                acting: over_candidates(exploration),
                ..Continuous::of(agent.clone())
            },
        );
    }
    add(
        "td3-dyna-gaussian",
        "TD3; select a configuration; Gaussian noise; imagined trials of a learned model",
        Continuous {
            agent: noisy(&td3, "gaussian"),
            dyna: Some(Dyna::default()),
            ..Continuous::of(td3.clone())
        },
    );
    add(
        "td3-dyna-ucb",
        "TD3; select a configuration; ucb over candidate actions; imagined trials of a learned model",
        Continuous {
            agent: ensemble(&td3),
            acting: over_candidates(&policies[3]),
            dyna: Some(Dyna::default()),
            ..Continuous::of(td3.clone())
        },
    );
    for agent in [
        ActorCriticConfig::Ddpg(Ddpg::default()),
        ActorCriticConfig::Td3(Td3::default()),
        ActorCriticConfig::Sac(Sac::default()),
    ] {
        add(
            &format!("{}-textbook", agent.name()),
            &format!("{} with its paper's settings and one update a trial", words(&agent)),
            Continuous { updates_per_trial: 1, ..Continuous::of(agent) },
        );
    }
    all.into_iter()
}

/// The agent with an ensemble of critics, where it is to know how sure they are.
fn ensemble(agent: &ActorCriticConfig) -> ActorCriticConfig {
    let (critics, prior_scale, bootstrap) = (6, 0.3, 0.8);
    match agent.clone() {
        ddpg @ ActorCriticConfig::Ddpg(_) => ddpg,
        ActorCriticConfig::Td3(td3) => {
            ActorCriticConfig::Td3(Td3 { critics, prior_scale, bootstrap, ..td3 })
        }
        ActorCriticConfig::Sac(sac) => {
            ActorCriticConfig::Sac(Sac { critics, prior_scale, bootstrap, ..sac })
        }
    }
}

fn words(agent: &ActorCriticConfig) -> &'static str {
    match agent {
        ActorCriticConfig::Ddpg(_) => "DDPG",
        ActorCriticConfig::Td3(_) => "TD3",
        ActorCriticConfig::Sac(_) => "SAC",
    }
}

fn framing_words(framing: &ContinuousFramingConfig) -> &'static str {
    match framing {
        ContinuousFramingConfig::Select(_) => "select a configuration",
        ContinuousFramingConfig::Refine(_) => "move from the best configuration",
    }
}

fn exploring(name: &str) -> &'static str {
    match name {
        "gaussian" => "Gaussian noise",
        "parameter" => "noise on the actor's weights",
        "policy" => "drawn from its policy",
        _ => "Ornstein-Uhlenbeck noise",
    }
}

impl From<Continuous> for Strategy {
    fn from(continuous: Continuous) -> Self {
        Self::ActorCritic(Box::new(continuous))
    }
}

macro_rules! from_agents {
    ($($agent:ident),+) => {$(
        impl From<$agent> for Strategy {
            /// The agent selects configurations and explores by itself.
            fn from(agent: $agent) -> Self {
                Continuous::of(agent).into()
            }
        }
    )+};
}
from_agents!(Ddpg, Td3, Sac);

/// Every registered strategy.
pub fn registry() -> &'static [Registered] {
    &REGISTRY
}

impl Default for Strategy {
    /// `dqn-refine-softmax`: of the strategies that are good on the built-in surfaces as well as on
    /// published tables (see the page on results) the one with the best average rank.
    fn default() -> Self {
        Self::named("dqn-refine-softmax").expect("the default is registered")
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
            Self::Q(discrete) => Box::new(discrete.build(problem, streams)?),
            Self::ActorCritic(continuous) => Box::new(continuous.build(problem, streams)?),
        })
    }
}
