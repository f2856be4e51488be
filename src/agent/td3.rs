//! Twin delayed deep deterministic policy gradient (Fujimoto, van Hoof & Meger 2018).

use serde::{Deserialize, Serialize};

use super::control::{Common, at_least_0};
use super::critics::Design;
use super::deterministic::{DeterministicAgent, Plan, Smoothing};
use crate::error::{Error, Result};
use crate::explore::Schedule;
use crate::nn::Activation;
use crate::noise::{Gaussian, NoiseConfig};
use crate::space::SearchSpace;
use crate::streams::Streams;
use crate::study::{Study, StudyBuilder};

const OWNER: &str = "agent `td3`";

/// The settings of TD3. The defaults are those of Fujimoto et al. 2018, section 6.1; the widths are the
/// paper's 400 and 300, where the authors' program later had 256 and 256.
///
/// ```text
/// a' = clip(pi'(s') + clip(N(0, sigma^2), -c, c), -1, 1)
/// y  = r + gamma min_j Q'_j(s', a')
/// critics: minimize sum_j mean (Q_j(s, a) - y)^2
/// actor:   maximize mean Q_1(s, pi(s)) in every d-th update, pi(s) = tanh(network(s))
/// targets: w' <- (1 - tau) w' + tau w, in every d-th update
/// ```
///
/// Deviations: more than two critics are possible, of which the target takes the smallest. The
/// discount (0.99 in the paper) is part of the batch, and the purely random first steps are the
/// caller's.
///
/// ```
/// use hyperq::agent::{ActorCritic, ControlBatch, Td3};
/// use hyperq::streams::Streams;
///
/// let streams = Streams::new(1);
/// let mut agent = Td3 { hidden: vec![32, 32], ..Td3::default() }.build(2, 1, streams)?;
/// let mut batch = ControlBatch::default();
/// batch.push(&[0.0, 1.0], &[0.5], 1.0, &[0.1, 0.9], 0.99, 1.0);
/// let first = agent.update(&batch, &mut streams.at("learn", 0));
/// let second = agent.update(&batch, &mut streams.at("learn", 1));
/// assert_eq!((first.actor, second.actor.is_some()), (None, true)); // delayed
/// # Ok::<(), hyperq::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Td3 {
    /// The widths of the hidden layers of actor and critics.
    pub hidden: Vec<usize>,
    /// Their activation.
    pub activation: Activation,
    /// Whether the actor's hidden layers are normalized (Ba, Kiros & Hinton 2016).
    pub actor_layer_norm: bool,
    /// Whether the critics' hidden layers are normalized.
    pub critic_layer_norm: bool,
    /// The number of critics, in `2..=64`.
    pub critics: usize,
    /// Adam's step size for the actor, above 0.
    pub actor_learning_rate: f32,
    /// Adam's step size for the critics, above 0.
    pub critic_learning_rate: f32,
    /// The critics' L2 penalty: the gradient of the loss has `decay * weight` added. At least 0.
    pub weight_decay: f32,
    /// The largest norm of a gradient, above 0.
    pub gradient_clip: Option<f32>,
    /// How much of the networks the targets take over when they follow, in `(0, 1]`.
    pub tau: f32,
    /// The most transitions of an update.
    pub batch: usize,
    /// The weight of a fixed random network that is added to each critic (Osband, Aslanides & Cassirer
    /// 2018), at least 0; 0 for none. It keeps critics apart where there are no transitions.
    pub prior_scale: f32,
    /// The probability that a critic sees a transition of a batch, in `(0, 1]`.
    pub bootstrap: f32,
    /// The updates of the critics for one of the actor and the targets, at least 1.
    pub policy_delay: u64,
    /// The standard deviation of the noise on the target's action, at least 0.
    pub target_noise: f32,
    /// The most that this noise may be, at least 0.
    pub target_noise_clip: f32,
    /// The exploration.
    pub noise: NoiseConfig,
}

impl Default for Td3 {
    fn default() -> Self {
        Self {
            hidden: vec![400, 300],
            activation: Activation::Relu,
            actor_layer_norm: false,
            critic_layer_norm: false,
            critics: 2,
            actor_learning_rate: 1e-3,
            critic_learning_rate: 1e-3,
            weight_decay: 0.0,
            gradient_clip: None,
            tau: 5e-3,
            batch: 100,
            prior_scale: 0.0,
            bootstrap: 1.0,
            policy_delay: 2,
            target_noise: 0.2,
            target_noise_clip: 0.5,
            noise: NoiseConfig::Gaussian(Gaussian::default()),
        }
    }
}

impl Td3 {
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
            tau: 5e-2,
            noise: NoiseConfig::Gaussian(Gaussian { sigma: Schedule::FADING }),
            ..Self::default()
        }
    }

    /// Begins a study of a space with [`Self::tuned`] settings: an agent that selects configurations and
    /// explores by itself. [`ContinuousControl`](crate::optimizer::ContinuousControl) has the choices beyond.
    ///
    /// ```
    /// use hyperq::agent::Td3;
    /// use hyperq::space::{Parameter, SearchSpace};
    ///
    /// let space = SearchSpace::new([
    ///     Parameter::float("rate", 1e-5, 1.0).log(),
    ///     Parameter::categorical("optimizer", ["adam", "sgd"]),
    /// ])?;
    /// let mut study = Td3::builder(&space).seed(7).budget(10).build()?;
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
    /// [`Error::Setting`] with the first one outside its range.
    pub fn check(&self) -> Result<()> {
        Common {
            owner: OWNER,
            hidden: &self.hidden,
            critics: self.critics,
            critics_at_least: 2,
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
        if self.policy_delay == 0 {
            return Err(Error::setting(OWNER, "policy-delay", "at least 1", 0));
        }
        at_least_0(OWNER, "target-noise", self.target_noise)?;
        at_least_0(OWNER, "target-noise-clip", self.target_noise_clip)?;
        self.noise.check()
    }

    /// Builds the agent for states of so many numbers and actions of so many, each at least 1;
    /// `streams` give its initial weights.
    ///
    /// # Errors
    ///
    /// As [`Self::check`]; [`Error::Unsuited`] for parameter noise without layer norm in the actor.
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
            final_init: None,
            noise: &self.noise,
            policy_delay: self.policy_delay,
            smoothing: Some(Smoothing { sigma: self.target_noise, clip: self.target_noise_clip }),
        };
        DeterministicAgent::new(&plan, streams)
    }
}
