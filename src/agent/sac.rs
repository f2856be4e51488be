//! Soft actor-critic with a learned temperature (Haarnoja et al. 2018).

use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::control::{ActorCritic, Common, ControlBatch, Losses, above_0, adam, bound, join};
use super::critics::{Climb, Critics, Design};
use crate::error::{Error, Result};
use crate::nn::{Activation, Adam, Init, MlpShape, Network, Workspace, kernel, tanh_in_place};
use crate::persist::{Array, Persist, Snapshot};
use crate::space::SearchSpace;
use crate::streams::{Generator, Streams};
use crate::study::{Study, StudyBuilder};

const OWNER: &str = "agent `sac`";

/// The bounds of the logarithm of the actor's standard deviation, as in the authors' program.
const LOG_STD: [f32; 2] = [-20.0, 2.0];

/// The settings of soft actor-critic. The defaults are those of Haarnoja et al. 2018, "Soft
/// actor-critic algorithms and applications" (arXiv 1812.05905), table 1.
///
/// ```text
/// a = tanh(u),  u = mean(s) + std(s) e,  e ~ N(0, 1)
/// log pi(a|s) = sum_i log N(u_i; mean_i, std_i^2) - log(1 - tanh(u_i)^2)
/// y = r + gamma (min_j Q'_j(s', a') - alpha log pi(a'|s')),  a' ~ pi(s')
/// critics:     minimize sum_j mean 1/2 (Q_j(s, a) - y)^2
/// actor:       minimize mean alpha log pi(a|s) - min_j Q_j(s, a),  a ~ pi(s)
/// temperature: minimize mean -alpha (log pi(a|s) + H)  over log alpha
/// targets:     w' <- (1 - tau) w' + tau w, after every update
/// ```
///
/// Deviations: the temperature is learned by its logarithm, so that it stays above 0, as in the
/// authors' program; more than two critics are possible, of which target and actor take the smallest.
/// The discount (0.99 in the paper) is part of the batch.
///
/// ```
/// use hyperq::agent::{ActorCritic, Sac};
/// use hyperq::streams::Streams;
///
/// let streams = Streams::new(1);
/// let mut agent = Sac::default().build(3, 2, streams)?;
/// let (mut best, mut tried) = (Vec::new(), Vec::new());
/// agent.act(&[0.1, 0.2, 0.3], &mut best);
/// agent.explore(&[0.1, 0.2, 0.3], 0, &mut streams.at("explore", 0), &mut tried);
/// assert!(best != tried);
/// # Ok::<(), hyperq::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Sac {
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
    /// Adam's step size for the logarithm of the temperature, above 0.
    pub temperature_learning_rate: f32,
    /// The critics' L2 penalty: the gradient of the loss has `decay * weight` added. At least 0.
    pub weight_decay: f32,
    /// The largest norm of a gradient of actor and critics, above 0.
    pub gradient_clip: Option<f32>,
    /// How much of the critics the targets take over in an update, in `(0, 1]`.
    pub tau: f32,
    /// The most transitions of an update.
    pub batch: usize,
    /// The weight of a fixed random network that is added to each critic (Osband, Aslanides & Cassirer
    /// 2018), at least 0; 0 for none. It keeps critics apart where there are no transitions.
    pub prior_scale: f32,
    /// The probability that a critic sees a transition of a batch, in `(0, 1]`.
    pub bootstrap: f32,
    /// The temperature alpha at the beginning, in `[1e-30, 1e30]`.
    pub initial_temperature: f32,
    /// The entropy H that the temperature aims at, in nats; minus the number of actions where it is not
    /// given.
    pub target_entropy: Option<f32>,
}

impl Default for Sac {
    fn default() -> Self {
        Self {
            hidden: vec![256, 256],
            activation: Activation::Relu,
            actor_layer_norm: false,
            critic_layer_norm: false,
            critics: 2,
            actor_learning_rate: 3e-4,
            critic_learning_rate: 3e-4,
            temperature_learning_rate: 3e-4,
            weight_decay: 0.0,
            gradient_clip: None,
            tau: 5e-3,
            batch: 256,
            prior_scale: 0.0,
            bootstrap: 1.0,
            initial_temperature: 1.0,
            target_entropy: None,
        }
    }
}

impl Sac {
    /// Settings for studies of some tens of trials, where the paper's expect a million steps: small
    /// smooth networks, large steps, and noise that fades. Chosen by measurement, on other surfaces than
    /// those reported.
    pub fn tuned() -> Self {
        Self {
            hidden: vec![64, 64],
            activation: Activation::Tanh,
            batch: 64,
            actor_learning_rate: 3e-3,
            critic_learning_rate: 3e-3,
            temperature_learning_rate: 3e-3,
            tau: 5e-2,
            initial_temperature: 0.1,
            ..Self::default()
        }
    }

    /// Begins a study of a space with [`Self::tuned`] settings: an agent that selects configurations and
    /// explores by itself. [`ContinuousControl`](crate::optimizer::ContinuousControl) has the choices beyond.
    ///
    /// ```
    /// use hyperq::agent::Sac;
    /// use hyperq::space::{Parameter, SearchSpace};
    ///
    /// let space = SearchSpace::new([
    ///     Parameter::float("rate", 1e-5, 1.0).log(),
    ///     Parameter::categorical("optimizer", ["adam", "sgd"]),
    /// ])?;
    /// let mut study = Sac::builder(&space).seed(7).budget(10).build()?;
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
        above_0(OWNER, "temperature-learning-rate", self.temperature_learning_rate)?;
        if !(1e-30..=1e30).contains(&self.initial_temperature) {
            let rule = "in [1e-30, 1e30]";
            return Err(Error::setting(
                OWNER,
                "initial-temperature",
                rule,
                self.initial_temperature,
            ));
        }
        match self.target_entropy {
            Some(entropy) if !entropy.is_finite() => {
                Err(Error::setting(OWNER, "target-entropy", "a finite number", entropy))
            }
            _ => Ok(()),
        }
    }

    /// Builds the agent for states of so many numbers and actions of so many, each at least 1;
    /// `streams` give its initial weights.
    ///
    /// # Errors
    ///
    /// As [`Self::check`].
    pub fn build(&self, states: usize, actions: usize, streams: Streams) -> Result<SacAgent> {
        self.check()?;
        let shape = MlpShape {
            inputs: states,
            hidden: self.hidden.clone(),
            outputs: 2 * actions,
            activation: self.activation,
            layer_norm: self.actor_layer_norm,
        };
        let actor = Network::new(shape, 1, Init::TorchLinear, &mut streams.at("agent/actor", 0))?;
        let design = Design {
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
            coefficient: 0.5,
            prior_scale: self.prior_scale,
            bootstrap: self.bootstrap,
        };
        let len = actor.params().len();
        Ok(SacAgent {
            actor,
            adam: adam(self.actor_learning_rate, self.gradient_clip, len)?,
            critics: Critics::new(&design, streams, &mut streams.at("agent/critics", 0))?,
            log_temperature: self.initial_temperature.ln(),
            temperature_adam: adam(self.temperature_learning_rate, None, 1)?,
            target_entropy: self.target_entropy.unwrap_or(-(actions as f32)),
            scratch: Scratch { gradient: vec![0.0; len], ..Scratch::default() },
        })
    }
}

/// A soft actor-critic at work.
pub struct SacAgent {
    /// Puts out the means of all actions, then the logarithms of their standard deviations.
    actor: Network,
    adam: Adam,
    critics: Critics,
    log_temperature: f32,
    temperature_adam: Adam,
    target_entropy: f32,
    scratch: Scratch,
}

/// Buffers that are used again in every update.
#[derive(Default)]
struct Scratch {
    workspace: Workspace,
    samples: Samples,
    states: Vec<f32>,
    inputs: Vec<f32>,
    bonus: Vec<f32>,
    noise: Vec<f32>,
    d_outputs: Vec<f32>,
    gradient: Vec<f32>,
}

/// Actions drawn from `tanh(N(mean, std^2))`.
#[derive(Default)]
struct Samples {
    /// `a = tanh(mean + std e)`, `rows x actions`.
    actions: Vec<f32>,
    /// `log pi(a|s)`, one a row.
    log_probs: Vec<f32>,
    /// `std e`, `rows x actions`.
    pushes: Vec<f32>,
    /// `log(1 - a^2)`, `rows x actions`.
    log_slopes: Vec<f32>,
    /// Whether the standard deviation was within its bounds, `rows x actions`.
    free: Vec<bool>,
}

impl Samples {
    /// Draws one action a row of the actor's `outputs`, with the given standard normal numbers
    /// (`rows x actions`).
    fn draw(&mut self, outputs: &[f32], noise: &[f32], actions: usize) {
        let Self { actions: taken, log_probs, pushes, log_slopes, free } = self;
        for buffer in [&mut *taken, &mut *log_probs, &mut *pushes] {
            buffer.clear();
        }
        free.clear();
        for (output, noise) in outputs.chunks_exact(2 * actions).zip(noise.chunks_exact(actions)) {
            let mut log_prob = 0.0;
            for (raw, e) in output[actions..].iter().zip(noise) {
                let log_std = raw.clamp(LOG_STD[0], LOG_STD[1]);
                log_prob += -0.5 * e * e - log_std - HALF_LOG_2_PI;
                pushes.push(log_std);
                free.push(*raw == log_std);
            }
            log_probs.push(log_prob);
        }
        kernel::exp_in_place(pushes);
        pushes.iter_mut().zip(noise).for_each(|(push, e)| *push *= e);
        for (output, pushes) in outputs.chunks_exact(2 * actions).zip(pushes.chunks_exact(actions))
        {
            taken.extend(output.iter().zip(pushes).map(|(mean, push)| mean + push));
        }
        log_slopes.resize(taken.len(), 0.0);
        kernel::log_tanh_slopes(taken, log_slopes);
        for (log_prob, slopes) in log_probs.iter_mut().zip(log_slopes.chunks_exact(actions)) {
            *log_prob -= slopes.iter().sum::<f32>();
        }
        tanh_in_place(taken);
    }

    /// The gradient at the actor's outputs of the mean over rows of `alpha log pi(a|s) - Q(s, a)`, by
    /// way of the drawn actions; `d_actions` is that of Q at the actions.
    ///
    /// With `u = mean + std e`: `d log pi / d mean = 2 a`, since `d log(1 - tanh(u)^2) / du = -2 tanh(u)`,
    /// and `d log pi / d log std = 2 a std e - 1`.
    fn gradient(&self, alpha: f32, d_actions: &[f32], actions: usize, into: &mut Vec<f32>) {
        let share = 1.0 / self.log_probs.len() as f32;
        into.clear();
        for (row, d) in d_actions.chunks_exact(actions).enumerate() {
            let places = row * actions..(row + 1) * actions;
            let taken = &self.actions[places.clone()];
            // The gradient at u, apart from the entropy's own part.
            let at_u = |(a, d): (&f32, &f32)| (2.0 * alpha * a - d * (1.0 - a * a)) * share;
            into.extend(taken.iter().zip(d).map(at_u));
            for ((pair, push), free) in
                taken.iter().zip(d).zip(&self.pushes[places.clone()]).zip(&self.free[places])
            {
                into.push(if *free { at_u(pair) * push - alpha * share } else { 0.0 });
            }
        }
    }
}

/// `log(2 pi) / 2`
const HALF_LOG_2_PI: f32 = 0.918_938_5;

impl SacAgent {
    /// The temperature alpha.
    pub fn temperature(&self) -> f32 {
        self.log_temperature.exp()
    }

    fn actions(&self) -> usize {
        self.actor.shape().outputs / 2
    }

    /// One update with the given standard normal numbers: `rows x actions` for the next actions, then as
    /// many for the actor's.
    fn step(&mut self, batch: &ControlBatch, noise: &[f32]) -> Losses {
        let rows = batch.rows();
        let (states, actions) = (self.actor.shape().inputs, self.actions());
        batch.assert_fits(states, actions);
        let alpha = self.temperature();
        let (next_noise, noise) = noise.split_at(rows * actions);
        let Scratch {
            workspace, samples, states: seen, inputs, bonus, d_outputs, gradient, ..
        } = &mut self.scratch;

        samples.draw(
            self.actor.forward(0, &batch.next_states, rows, workspace),
            next_noise,
            actions,
        );
        join(&batch.next_states, &samples.actions, rows, inputs);
        bonus.clear();
        bonus.extend(samples.log_probs.iter().map(|log_prob| -alpha * log_prob));
        let critic = self.critics.learn(batch, inputs, Some(bonus));

        batch.states(states, seen);
        samples.draw(self.actor.forward(0, seen, rows, workspace), noise, actions);
        join(seen, &samples.actions, rows, inputs);
        let (values, d_actions) = self.critics.slope(Climb::Smallest, inputs, rows);
        let log_prob = samples.log_probs.iter().sum::<f32>() / rows as f32;
        let actor = alpha * log_prob - values.iter().sum::<f32>() / rows as f32;
        samples.gradient(alpha, d_actions, actions, d_outputs);
        self.actor.backward(0, seen, rows, d_outputs, Some(gradient), None, workspace);
        self.adam.step(self.actor.params_mut(), gradient);

        let d_log_temperature = -alpha * (log_prob + self.target_entropy);
        // Networks that diverged to NaN must not take the temperature with them.
        if d_log_temperature.is_finite() {
            let mut log_temperature = [self.log_temperature];
            self.temperature_adam.step(&mut log_temperature, &[d_log_temperature]);
            self.log_temperature = log_temperature[0].clamp(-LOG_TEMPERATURE, LOG_TEMPERATURE);
        }
        self.critics.follow();
        Losses { critic, actor: Some(actor), temperature: Some(self.temperature()) }
    }
}

/// The logarithm of the temperature stays within plus and minus this, where its exponential is finite.
const LOG_TEMPERATURE: f32 = 80.0;

impl ActorCritic for SacAgent {
    fn act(&mut self, state: &[f32], into: &mut Vec<f32>) {
        let actions = self.actions();
        let outputs = self.actor.forward(0, state, 1, &mut self.scratch.workspace);
        into.clear();
        into.extend_from_slice(&outputs[..actions]);
        tanh_in_place(into);
        bound(into);
    }

    fn explore(&mut self, state: &[f32], _trial: u64, rng: &mut Generator, into: &mut Vec<f32>) {
        let actions = self.actions();
        let Scratch { workspace, samples, noise, .. } = &mut self.scratch;
        noise.clear();
        noise.extend((0..actions).map(|_| -> f32 { StandardNormal.sample(rng) }));
        samples.draw(self.actor.forward(0, state, 1, workspace), noise, actions);
        into.clone_from(&samples.actions);
        bound(into);
    }

    fn begin_episode(&mut self, _rng: &mut Generator) {}

    fn update(&mut self, batch: &ControlBatch, rng: &mut Generator) -> Losses {
        let mut noise = std::mem::take(&mut self.scratch.noise);
        let count = 2 * batch.rows() * self.actions();
        noise.clear();
        noise.extend((0..count).map(|_| -> f32 { StandardNormal.sample(rng) }));
        self.critics.draw_seen(batch.rows(), rng);
        let losses = self.step(batch, &noise);
        self.scratch.noise = noise;
        losses
    }

    fn errors(&self) -> &[f32] {
        self.critics.errors()
    }

    fn critics(&self) -> usize {
        self.critics.members()
    }

    fn values(&mut self, inputs: &[f32], rows: usize, into: &mut Vec<f32>) {
        into.clear();
        into.extend_from_slice(self.critics.values(inputs, rows));
    }

    fn gradient(&mut self, inputs: &[f32], rows: usize, weights: &[f32], into: &mut Vec<f32>) {
        into.clear();
        into.extend_from_slice(self.critics.weighted_slope(inputs, rows, weights));
    }
}

impl Persist for SacAgent {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        self.actor.save(&format!("{at}/actor"), snapshot)?;
        self.adam.save(&format!("{at}/adam"), snapshot)?;
        self.critics.save(&format!("{at}/critics"), snapshot)?;
        snapshot.put_array(at, "log-temperature", Array::F32(vec![self.log_temperature]));
        self.temperature_adam.save(&format!("{at}/temperature-adam"), snapshot)
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        let log_temperature = snapshot.f32s(at, "log-temperature", 1)?[0];
        if !(-LOG_TEMPERATURE..=LOG_TEMPERATURE).contains(&log_temperature) {
            return Err(Error::snapshot(
                format!("{at}/log-temperature"),
                format!(
                    "must be in [-{LOG_TEMPERATURE}, {LOG_TEMPERATURE}], found {log_temperature}"
                ),
            ));
        }
        self.actor.load(&format!("{at}/actor"), snapshot)?;
        self.adam.load(&format!("{at}/adam"), snapshot)?;
        self.critics.load(&format!("{at}/critics"), snapshot)?;
        self.temperature_adam.load(&format!("{at}/temperature-adam"), snapshot)?;
        self.log_temperature = log_temperature;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_near, fixture};
    use super::*;
    use rand::RngExt;

    #[test]
    fn ten_updates_agree_with_pytorch() {
        for case in fixture::<Sac>("sac").cases {
            let mut agent = case.settings.build(3, 2, Streams::new(1)).unwrap();
            agent.actor.params_mut().copy_from_slice(&case.start.actor);
            agent.critics.set(&case.start.critics);
            for (number, step) in case.steps.iter().enumerate() {
                let losses = agent.step(&step.batch.batch(), &step.noise);
                let name = format!("{} step {number}", case.name);
                step.assert_reported(losses, agent.errors(), &name);
            }
            assert_near(agent.actor.params(), &case.end.actor, &format!("{}: actor", case.name));
            agent.critics.assert_are(&case.end.critics, &case.end.critic_targets, &case.name);
        }
    }

    /// `log pi` of one action, in f64 and straight from the documented formula.
    fn log_prob(mean: f64, log_std: f64, e: f64) -> f64 {
        let std = log_std.clamp(-20.0, 2.0).exp();
        let u = mean + std * e;
        let normal = -0.5 * e * e - std.ln() - 0.5 * (2.0 * std::f64::consts::PI).ln();
        normal - (1.0 - u.tanh().powi(2)).ln()
    }

    #[test]
    fn log_probabilities_are_exact_where_the_slope_rounds_to_zero() {
        let mut samples = Samples::default();
        for (mean, log_std, e) in [(0.3, -1.0, 0.7), (-2.0, 0.5, -1.5), (0.0, 5.0, 0.1)] {
            samples.draw(&[mean, log_std], &[e], 1);
            let expected = log_prob(mean.into(), log_std.into(), e.into());
            let found = f64::from(samples.log_probs[0]);
            assert!(
                (found - expected).abs() < 1e-5 * expected.abs().max(1.0),
                "{found} {expected}"
            );
        }
        // 1 - tanh(40)^2 = 4 e^-80, of which f64 knows nothing either: log 4 - 80.
        samples.draw(&[-40.0, 0.0], &[0.0], 1);
        let expected = -0.918_938_533 - (4f64.ln() - 80.0);
        assert!((f64::from(samples.log_probs[0]) - expected).abs() < 1e-5);
        assert_eq!(samples.actions, [-1.0]);
    }

    #[test]
    fn probabilities_sum_to_one() {
        // The integral of pi(a) da over (-1, 1), at the actions of evenly spaced numbers u.
        let (mean, log_std) = (0.4f32, -0.3f32);
        let mut samples = Samples::default();
        let (mut integral, width) = (0.0f64, 0.01f32);
        for place in -1000..1000 {
            let u = |place: i32| place as f32 * width;
            let e = |place: i32| (u(place) - mean) / log_std.exp();
            let mut action = |place| {
                samples.draw(&[mean, log_std], &[e(place)], 1);
                (f64::from(samples.actions[0]), f64::from(samples.log_probs[0]).exp())
            };
            let ((a, p), (b, q)) = (action(place), action(place + 1));
            integral += (b - a) * (p + q) / 2.0;
        }
        assert!((integral - 1.0).abs() < 1e-3, "{integral}");
    }

    #[test]
    fn the_actors_gradient_agrees_with_finite_differences() {
        // Q(a) = sum_i c_i a_i, whose gradient at the actions is c. The third log-deviation of the first
        // row is beyond its bound and must not be pulled at.
        let (alpha, actions, rows) = (0.7, 3, 4);
        let mut rng = Streams::new(3).at("test", 0);
        let mut numbers = |count: usize| -> Vec<f32> {
            (0..count).map(|_| rng.random_range(-1.5f32..1.5)).collect()
        };
        let (mut outputs, noise, c) =
            (numbers(rows * 2 * actions), numbers(rows * actions), numbers(rows * actions));
        outputs[5] = 2.5;
        let loss = |outputs: &[f64]| -> f64 {
            let mut sum = 0.0;
            for row in 0..rows {
                for i in 0..actions {
                    let place = row * 2 * actions + i;
                    let (mean, log_std) = (outputs[place], outputs[place + actions]);
                    let e = f64::from(noise[row * actions + i]);
                    let a = (mean + log_std.clamp(-20.0, 2.0).exp() * e).tanh();
                    sum += f64::from(alpha) * log_prob(mean, log_std, e)
                        - f64::from(c[row * actions + i]) * a;
                }
            }
            sum / rows as f64
        };
        let mut samples = Samples::default();
        samples.draw(&outputs, &noise, actions);
        let mut gradient = Vec::new();
        samples.gradient(alpha, &c, actions, &mut gradient);
        assert_eq!(gradient.len(), outputs.len());
        let wide: Vec<f64> = outputs.iter().map(|x| f64::from(*x)).collect();
        for place in 0..wide.len() {
            let moved = |by: f64| {
                let mut outputs = wide.clone();
                outputs[place] += by;
                loss(&outputs)
            };
            let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            let found = f64::from(gradient[place]);
            assert!((found - slope).abs() < 1e-5, "{place}: {found} instead of {slope}");
        }
        assert_eq!(gradient[5], 0.0);
    }

    #[test]
    fn the_temperature_moves_the_entropy_to_its_target() {
        // Without rewards the entropy is all there is to gain.
        let settings = Sac {
            hidden: vec![16],
            actor_learning_rate: 1e-2,
            critic_learning_rate: 1e-2,
            temperature_learning_rate: 3e-2,
            target_entropy: Some(-1.5),
            ..Sac::default()
        };
        let mut agent = settings.build(1, 1, Streams::new(1)).unwrap();
        let mut batch = ControlBatch::default();
        let mut rng = Streams::new(1).at("test", 0);
        let mut entropies = Vec::new();
        for _ in 0..1000 {
            batch.clear();
            for _ in 0..32 {
                let action = rng.random_range(-1.0f32..1.0);
                batch.push(&[0.0], &[action], -10.0 * action * action, &[0.0], 0.0, 1.0);
            }
            agent.update(&batch, &mut rng);
            let log_probs = &agent.scratch.samples.log_probs;
            entropies.push(-log_probs.iter().sum::<f32>() / log_probs.len() as f32);
        }
        let last = entropies[800..].iter().sum::<f32>() / 200.0;
        assert!((last + 1.5).abs() < 0.2, "{last}");
        // The optimum exp(-10 a^2 / alpha) has the entropy 1/2 log(pi e alpha / 10) where it is narrow.
        let expected = 10.0 * (2.0f32 * -1.5).exp() / (std::f32::consts::PI * std::f32::consts::E);
        assert!(
            (agent.temperature() / expected).ln().abs() < 0.5,
            "{} {expected}",
            agent.temperature()
        );
    }
}
