//! The registered actor-critic agents.

use super::{Kind, Registered, Strategy};
use crate::agent::{ActorCriticConfig, Ddpg, Sac, Td3};
use crate::explore::{Exploration, Schedule};
use crate::mdp::{ContinuousFramingConfig, ContinuousRefine, ContinuousSelect};
use crate::noise::{Gaussian, NoiseConfig, OrnsteinUhlenbeck};
use crate::optimizer::{Acting, ActionCandidates, ContinuousControl, Dyna};

/// The actor-critic agents that tune: a telling choice of framing x agent x exploration. The rest is
/// reached through settings.
pub(super) fn registered() -> impl Iterator<Item = Registered> {
    let [ddpg, td3, sac]: [ActorCriticConfig; 3] =
        [Ddpg::tuned().into(), Td3::tuned().into(), Sac::tuned().into()];
    let select = || ContinuousFramingConfig::Select(ContinuousSelect::default());
    let refine = || ContinuousFramingConfig::Refine(ContinuousRefine::default());
    let mut all = Vec::new();
    let mut add = |name: &str, summary: &str, continuous: ContinuousControl| {
        all.push(Registered {
            name: name.to_owned(),
            kind: Kind::Continuous,
            summary: summary.to_owned(),
            strategy: continuous.into(),
        });
    };
    // A move is short, so its noise may be as long as the move.
    let sigma = |framing: &ContinuousFramingConfig| match framing {
        ContinuousFramingConfig::Select(_) => Schedule::FADING,
        ContinuousFramingConfig::Refine(_) => {
            Schedule::Exponential { from: 1.0, to: 0.1, trials: 100 }
        }
    };
    let noise = |name: &str, sigma: Schedule| match name {
        "gaussian" => NoiseConfig::Gaussian(Gaussian { sigma }),
        _ => NoiseConfig::OrnsteinUhlenbeck(OrnsteinUhlenbeck {
            theta: 0.15,
            sigma: Schedule::FADING,
        }),
    };
    let noisy =
        |agent: &ActorCriticConfig, name: &str, framing: &ContinuousFramingConfig| match agent
            .clone()
        {
            ActorCriticConfig::Ddpg(ddpg) => {
                ActorCriticConfig::Ddpg(Ddpg { noise: noise(name, sigma(framing)), ..ddpg })
            }
            ActorCriticConfig::Td3(td3) => {
                ActorCriticConfig::Td3(Td3 { noise: noise(name, sigma(framing)), ..td3 })
            }
            sac @ ActorCriticConfig::Sac(_) => sac,
        };
    for (agent, name, framing) in [
        (&ddpg, "gaussian", select()),
        (&ddpg, "ornstein-uhlenbeck", refine()),
        (&td3, "gaussian", select()),
        (&td3, "gaussian", refine()),
        (&sac, "policy", select()),
        (&sac, "policy", refine()),
    ] {
        add(
            &format!("{}-{}-{name}", agent.name(), framing.name()),
            &format!("{}; {}; {}", words(agent), framing_words(&framing), exploring(name)),
            ContinuousControl {
                agent: noisy(agent, name, &framing),
                discount: discount(&framing),
                framing,
                ..ContinuousControl::of(agent.clone())
            },
        );
    }
    // Critics over the unit cube know no incumbent.
    let policies: Vec<_> = super::explorations()
        .into_iter()
        .filter(|exploration| !matches!(exploration, Exploration::ExpectedImprovement(_)))
        .collect();
    let over_candidates = |exploration: &Exploration| Acting::Candidates {
        exploration: exploration.clone(),
        candidates: ActionCandidates::default(),
    };
    for (agent, exploration, framing) in policies
        .iter()
        .map(|exploration| (&td3, exploration, select()))
        .chain([(&ddpg, &policies[0], select()), (&sac, &policies[3], select())])
    {
        let policy = exploration.name();
        add(
            &format!("{}-{}-{policy}", agent.name(), framing.name()),
            &format!(
                "{}; {}; {policy} over candidate actions",
                words(agent),
                framing_words(&framing)
            ),
            ContinuousControl {
                discount: discount(&framing),
                framing,
                agent: ensemble(agent),
                acting: over_candidates(exploration),
                ..ContinuousControl::of(agent.clone())
            },
        );
    }
    add(
        "td3-dyna-gaussian",
        "TD3; select a configuration; Gaussian noise; imagined trials of a learned model",
        ContinuousControl {
            agent: noisy(&td3, "gaussian", &select()),
            dyna: Some(Dyna::default()),
            ..ContinuousControl::of(td3.clone())
        },
    );
    add(
        "td3-dyna-ucb",
        "TD3; select a configuration; ucb over candidate actions; imagined trials of a learned model",
        ContinuousControl {
            agent: ensemble(&td3),
            acting: over_candidates(&policies[3]),
            dyna: Some(Dyna::default()),
            ..ContinuousControl::of(td3.clone())
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
            ContinuousControl { updates_per_trial: 1, ..ContinuousControl::of(agent) },
        );
    }
    all.into_iter()
}

/// The agent with an ensemble of critics, where it is to know how sure they are. They differ by their
/// initial weights alone: measured, neither priors nor bootstrapping helped.
fn ensemble(agent: &ActorCriticConfig) -> ActorCriticConfig {
    let (critics, critic_learning_rate) = (6, 5e-3);
    match agent.clone() {
        ActorCriticConfig::Ddpg(ddpg) => {
            ActorCriticConfig::Ddpg(Ddpg { critic_learning_rate, ..ddpg })
        }
        ActorCriticConfig::Td3(td3) => {
            ActorCriticConfig::Td3(Td3 { critics, critic_learning_rate, ..td3 })
        }
        ActorCriticConfig::Sac(sac) => {
            ActorCriticConfig::Sac(Sac { critics, critic_learning_rate, ..sac })
        }
    }
}

/// What comes after a trial counts where a move leads somewhere.
fn discount(framing: &ContinuousFramingConfig) -> f32 {
    match framing {
        ContinuousFramingConfig::Select(_) => 0.0,
        ContinuousFramingConfig::Refine(_) => 0.5,
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
        ContinuousFramingConfig::Refine(_) => "move from a good configuration",
    }
}

fn exploring(name: &str) -> &'static str {
    match name {
        "gaussian" => "Gaussian noise",
        "policy" => "drawn from its policy",
        _ => "Ornstein-Uhlenbeck noise",
    }
}

impl From<ContinuousControl> for Strategy {
    fn from(continuous: ContinuousControl) -> Self {
        Self::ActorCritic(Box::new(continuous))
    }
}

macro_rules! from_agents {
    ($($agent:ident),+) => {$(
        impl From<$agent> for Strategy {
            /// The agent selects configurations and explores by itself.
            fn from(agent: $agent) -> Self {
                ContinuousControl::of(agent).into()
            }
        }
    )+};
}
from_agents!(Ddpg, Td3, Sac);
