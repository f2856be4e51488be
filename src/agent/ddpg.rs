//! Deep deterministic policy gradient (Lillicrap et al. 2016).

use serde::{Deserialize, Serialize};

use super::control::{Common, above_0};
use super::critics::Design;
use super::deterministic::{DeterministicAgent, Plan};
use crate::error::Result;
use crate::explore::Schedule;
use crate::nn::Activation;
use crate::noise::{Gaussian, NoiseConfig, OrnsteinUhlenbeck};
use crate::space::SearchSpace;
use crate::streams::Streams;
use crate::study::{Study, StudyBuilder};

const OWNER: &str = "agent `ddpg`";

/// The settings of DDPG. The defaults are those of Lillicrap et al. 2016, section 7.
///
/// ```text
/// y = r + gamma Q'(s', pi'(s'))
/// critic:  minimize mean (Q(s, a) - y)^2 + decay / 2 |weights|^2
/// actor:   maximize mean Q(s, pi(s)),   pi(s) = tanh(network(s))
/// targets: w' <- (1 - tau) w' + tau w, after every update
/// ```
///
/// Deviations: actions enter the critic in its first layer and not in its second; layer norm, as an
/// option, takes the place of batch norm; with several critics, which the paper does not have, the
/// target takes the smallest and the actor climbs the first. The discount (0.99 in the paper) is part
/// of the batch.
///
/// ```
/// use hyperq::agent::{ActorCritic, Ddpg};
/// use hyperq::streams::Streams;
///
/// let mut agent = Ddpg::default().build(3, 2, Streams::new(1))?;
/// let mut action = Vec::new();
/// agent.act(&[0.1, 0.2, 0.3], &mut action);
/// assert_eq!(action.len(), 2);
/// # Ok::<(), hyperq::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Ddpg {
    /// The widths of the hidden layers of actor and critics.
    pub hidden: Vec<usize>,
    /// Their activation.
    pub activation: Activation,
    /// Whether the actor's hidden layers are normalized (Ba, Kiros & Hinton 2016).
    pub actor_layer_norm: bool,
    /// Whether the critics' hidden layers are normalized.
    pub critic_layer_norm: bool,
    /// The number of critics, in `1..=64`.
    pub critics: usize,
    /// Adam's step size for the actor, above 0.
    pub actor_learning_rate: f32,
    /// Adam's step size for the critics, above 0.
    pub critic_learning_rate: f32,
    /// The critics' L2 penalty: the gradient of the loss has `decay * weight` added. At least 0.
    pub weight_decay: f32,
    /// The largest norm of a gradient, above 0.
    pub gradient_clip: Option<f32>,
    /// How much of the networks the targets take over in an update, in `(0, 1]`.
    pub tau: f32,
    /// The most transitions of an update.
    pub batch: usize,
    /// The weight of a fixed random network that is added to each critic (Osband, Aslanides & Cassirer
    /// 2018), at least 0; 0 for none. It keeps critics apart where there are no transitions.
    pub prior_scale: f32,
    /// The probability that a critic sees a transition of a batch, in `(0, 1]`.
    pub bootstrap: f32,
    /// The initial weights of the last layers are uniform in plus and minus this, above 0.
    pub final_init: f32,
    /// The exploration.
    pub noise: NoiseConfig,
}

impl Default for Ddpg {
    fn default() -> Self {
        Self {
            hidden: vec![400, 300],
            activation: Activation::Relu,
            actor_layer_norm: false,
            critic_layer_norm: false,
            critics: 1,
            actor_learning_rate: 1e-4,
            critic_learning_rate: 1e-3,
            weight_decay: 1e-2,
            gradient_clip: None,
            tau: 1e-3,
            batch: 64,
            prior_scale: 0.0,
            bootstrap: 1.0,
            final_init: 3e-3,
            noise: NoiseConfig::OrnsteinUhlenbeck(OrnsteinUhlenbeck::default()),
        }
    }
}

impl Ddpg {
    /// Settings for studies of some tens of trials, where the paper's expect a million steps: small
    /// smooth networks, large steps, and noise that fades. Chosen by measurement, on other surfaces than
    /// those reported.
    pub fn tuned() -> Self {
        Self {
            hidden: vec![64, 64],
            activation: Activation::Tanh,
            batch: 64,
            actor_learning_rate: 3e-4,
            critic_learning_rate: 3e-3,
            weight_decay: 0.0,
            tau: 5e-2,
            noise: NoiseConfig::Gaussian(Gaussian { sigma: Schedule::FADING }),
            ..Self::default()
        }
    }

    /// Begins a study of a space with [`Self::tuned`] settings: an agent that selects configurations and
    /// explores by itself. [`ContinuousControl`](crate::optimizer::ContinuousControl) has the choices beyond.
    ///
    /// ```
    /// use hyperq::agent::Ddpg;
    /// use hyperq::space::{Parameter, SearchSpace};
    ///
    /// let space = SearchSpace::new([
    ///     Parameter::float("rate", 1e-5, 1.0).log(),
    ///     Parameter::categorical("optimizer", ["adam", "sgd"]),
    /// ])?;
    /// let mut study = Ddpg::builder(&space).seed(7).budget(10).build()?;
    /// study.optimize(10, |trial| trial.float("rate").map(|rate| (rate.log10() + 3.0).powi(2)))?;
    /// assert_eq!(study.history().len(), 10);
    /// # Ok::<(), hyperq::Error>(())
    /// ```
    pub fn builder(space: &SearchSpace) -> StudyBuilder {
        Study::builder(space.clone()).configured(Self::tuned())
    }

    /// Refuses settings out of their ranges.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) with the first one outside its range.
    pub fn check(&self) -> Result<()> {
        Common {
            owner: OWNER,
            hidden: &self.hidden,
            critics: self.critics,
            critics_at_least: 1,
            actor_learning_rate: self.actor_learning_rate,
            critic_learning_rate: self.critic_learning_rate,
            weight_decay: self.weight_decay,
            gradient_clip: self.gradient_clip,
            tau: self.tau,
            batch: self.batch,
            prior_scale: self.prior_scale,
            bootstrap: self.bootstrap,
        }
        .check()?;
        above_0(OWNER, "final-init", self.final_init)?;
        self.noise.check()
    }

    /// Builds the agent for states of so many numbers and actions of so many, each at least 1;
    /// `streams` give its initial weights.
    ///
    /// # Errors
    ///
    /// As [`Self::check`]; [`Error::Unsuited`](crate::Error::Unsuited) for parameter noise without layer
    /// norm in the actor.
    pub fn build(
        &self,
        states: usize,
        actions: usize,
        streams: Streams,
    ) -> Result<DeterministicAgent> {
        self.check()?;
        let critics = Design {
            states,
            actions,
            hidden: &self.hidden,
            activation: self.activation,
            layer_norm: self.critic_layer_norm,
            members: self.critics,
            learning_rate: self.critic_learning_rate,
            weight_decay: self.weight_decay,
            gradient_clip: self.gradient_clip,
            tau: self.tau,
            coefficient: 1.0,
            prior_scale: self.prior_scale,
            bootstrap: self.bootstrap,
        };
        let plan = Plan {
            critics,
            actor_layer_norm: self.actor_layer_norm,
            actor_learning_rate: self.actor_learning_rate,
            final_init: Some(self.final_init),
            noise: &self.noise,
            policy_delay: 1,
            smoothing: None,
        };
        DeterministicAgent::new(&plan, streams)
    }
}
