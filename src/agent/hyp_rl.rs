//! Hyp-RL: a recurrent Q-network that learns over many tasks (Jomaa, Grabocka & Schmidt-Thieme 2019).

use serde::{Deserialize, Serialize};

use super::control::above_0;
use crate::error::{Error, Result};
use crate::nn::{
    Adam, AdamSettings, Lstm, LstmGradient, LstmMemory, LstmShape, LstmWorkspace, RmsProp,
    RmsPropSettings, Sequences,
};
use crate::persist::{Persist, Snapshot};
use crate::replay::{Episode, EpisodeReplay, read_episodes, write_episodes};
use crate::streams::{Generator, Streams};

#[cfg(test)]
mod tests;

const OWNER: &str = "agent `hyp-rl`";

/// How the weights follow the gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Descent {
    /// [`Adam`] with its default moments.
    #[default]
    Adam,
    /// [`RmsProp`] with its default decay.
    RmsProp,
}

/// The settings of Hyp-RL. Network, discount, exploration, batch and target are those of Jomaa, Grabocka &
/// Schmidt-Thieme 2019, section 6.
///
/// The state is the whole history: the meta-features `d` of the task, then what each step brought. Actions
/// are configurations, with one output each ([`LstmShape`] has the network):
///
/// ```text
/// s_t = (d, x_1, ..., x_t),   x_t = [configuration, reward] of step t
/// y_t = r_(t+1) + gamma max_a Q'(s_(t+1), a),   without the second term where the episode ended
/// minimize mean (Q(s_t, a_(t+1)) - y_t)^2 over steps t drawn from the replay
/// ```
///
/// A batch is one of histories: the loss stands on the action taken at the last step of each, and its
/// gradient goes back through all steps. `Q'` is a copy of the network, renewed every `target_every` updates.
///
/// Choices that are not the paper's: the learning rate is Adam's usual one; the gradient is clipped; the
/// replay's capacity, when learning starts, and the length at which histories are cut. Double Q-learning,
/// Huber's loss and a mask of repeated actions are options that are off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct HypRl {
    /// The cells of the LSTM, at least 1.
    pub cells: usize,
    /// The width of the hidden layer with tanh behind it, at least 1.
    pub hidden: usize,
    /// The discount gamma, in `[0, 1]`.
    pub discount: f32,
    /// The probability of a random action at first, in `[0, 1]`.
    pub epsilon_from: f64,
    /// The same at last, in `[0, 1]`.
    pub epsilon_to: f64,
    /// The share of the training steps over which it changes linearly, in `[0, 1]`.
    pub epsilon_share: f64,
    /// The updates after which the target network is a new copy, at least 1.
    pub target_every: u64,
    /// The histories of an update, in `1..=4096`.
    pub batch: usize,
    /// How the weights follow the gradient.
    pub optimizer: Descent,
    /// Its step size, above 0.
    pub learning_rate: f32,
    /// The largest norm of a gradient, above 0.
    pub gradient_clip: Option<f32>,
    /// Whether the target takes the target network's value of the online network's best action (van
    /// Hasselt, Guez & Silver 2016).
    pub double: bool,
    /// Whether the loss is Huber's with threshold 1 instead of squared.
    pub huber: bool,
    /// Whether the best next action is looked for among those that the episode has not taken. In the paper
    /// a repeated action ends the episode, so that its value says what it is worth.
    pub mask_repeats: bool,
    /// The most steps in the replay, which drops its oldest episode where there are more; in `1..=2^30`.
    pub capacity: usize,
    /// The steps that the replay must hold before the first update, at least 1.
    pub learning_starts: usize,
    /// The most steps of a history, in `1..=4096`: of a longer one the network reads the newest, when it
    /// learns as well as when it acts.
    pub max_steps: usize,
}

impl Default for HypRl {
    fn default() -> Self {
        Self {
            cells: 32,
            hidden: 128,
            discount: 0.99,
            epsilon_from: 1.0,
            epsilon_to: 0.01,
            epsilon_share: 0.1,
            target_every: 10,
            batch: 32,
            optimizer: Descent::Adam,
            learning_rate: 1e-3,
            gradient_clip: Some(10.0),
            double: false,
            huber: false,
            mask_repeats: false,
            capacity: 100_000,
            learning_starts: 1000,
            max_steps: 100,
        }
    }
}

/// The buffers of an update grow with the batch and the steps of a history.
const LARGEST: usize = 4096;

impl HypRl {
    /// Refuses settings out of their ranges.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] with the first one outside its range.
    pub fn check(&self) -> Result<()> {
        for (name, value, most) in [
            ("cells", self.cells, usize::MAX),
            ("hidden", self.hidden, usize::MAX),
            ("learning-starts", self.learning_starts, usize::MAX),
            ("batch", self.batch, LARGEST),
            ("max-steps", self.max_steps, LARGEST),
            ("capacity", self.capacity, 1 << 30),
        ] {
            if !(1..=most).contains(&value) {
                let rule = match most {
                    usize::MAX => "at least 1".to_owned(),
                    _ => format!("in 1..={most}"),
                };
                return Err(Error::setting(OWNER, name, rule, value));
            }
        }
        for (name, value) in [
            ("discount", f64::from(self.discount)),
            ("epsilon-from", self.epsilon_from),
            ("epsilon-to", self.epsilon_to),
            ("epsilon-share", self.epsilon_share),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::setting(OWNER, name, "in [0, 1]", value));
            }
        }
        if self.target_every == 0 {
            return Err(Error::setting(OWNER, "target-every", "at least 1", 0));
        }
        above_0(OWNER, "learning-rate", self.learning_rate)?;
        self.gradient_clip.map_or(Ok(()), |norm| above_0(OWNER, "gradient-clip", norm))
    }

    /// The probability of a random action in step `step` of a training of `steps`.
    ///
    /// ```
    /// let settings = hyperq::agent::HypRl::default();
    /// assert_eq!(settings.epsilon(0, 1000), 1.0);
    /// assert!((settings.epsilon(50, 1000) - 0.505).abs() < 1e-12);
    /// assert_eq!(settings.epsilon(100, 1000), 0.01);
    /// ```
    pub fn epsilon(&self, step: u64, steps: u64) -> f64 {
        let length = self.epsilon_share * steps as f64;
        let share = step as f64 / length;
        // Where nothing is to be passed, it is passed.
        if share < 1.0 {
            self.epsilon_from + share * (self.epsilon_to - self.epsilon_from)
        } else {
            self.epsilon_to
        }
    }
}

/// An optimizer with its state.
#[derive(Debug, Clone)]
enum Stepper {
    Adam(Adam),
    RmsProp(RmsProp),
}

impl Stepper {
    fn new(settings: &HypRl, len: usize) -> Result<Self> {
        let learning_rate = settings.learning_rate;
        Ok(match settings.optimizer {
            Descent::Adam => {
                let settings = AdamSettings { learning_rate, ..Default::default() };
                Self::Adam(Adam::new(settings, len)?)
            }
            Descent::RmsProp => {
                let settings = RmsPropSettings { learning_rate, ..Default::default() };
                Self::RmsProp(RmsProp::new(settings, len)?)
            }
        })
    }

    fn step(&mut self, params: &mut [f32], gradient: &[f32]) {
        match self {
            Self::Adam(adam) => adam.step(params, gradient),
            Self::RmsProp(rms_prop) => rms_prop.step(params, gradient),
        }
    }
}

/// Buffers that are used again in every update.
#[derive(Debug, Clone)]
struct Scratch {
    states: Sequences,
    nexts: Sequences,
    actions: Vec<usize>,
    targets: Vec<f32>,
    /// The rows of the batch whose episodes went on.
    going_on: Vec<usize>,
    excluded: Vec<(usize, usize)>,
    /// What the online network chooses, where it judges.
    chosen: Vec<usize>,
    next_values: Vec<f32>,
    d_values: Vec<f32>,
    workspace: LstmWorkspace,
    gradient: LstmGradient,
}

/// Learns from episodes on many tasks what each action is worth, and says so in a new one.
///
/// It knows nothing of what it tunes: a task is a vector of meta-features, a configuration a number, and what
/// is known after a step a vector that the caller makes, in the paper `[configuration, reward]`. Methods
/// panic where a slice has another length than the learner was built for.
///
/// ```
/// use hyperq::agent::{HypRl, HypRlLearner};
/// use hyperq::streams::Streams;
///
/// let streams = Streams::new(1);
/// let settings = HypRl { learning_starts: 2, ..HypRl::default() };
/// let mut learner = HypRlLearner::new(&settings, 2, 1, 3, streams)?;
/// learner.begin_episode(&[0.5]);
/// learner.push_step(1, 0.8, &[0.5, 0.8]);
/// learner.push_step(2, 0.9, &[1.0, 0.9]);
/// learner.end_episode();
/// let loss = learner.update(&mut streams.at("update", 0));
/// assert!(loss.is_some());
///
/// learner.begin(&[0.5]);
/// assert_eq!(learner.step(&[0.5, 0.8]).len(), 3);
/// # Ok::<(), hyperq::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct HypRlLearner {
    settings: HypRl,
    online: Lstm,
    target: Lstm,
    stepper: Stepper,
    updates: u64,
    replay: EpisodeReplay,
    /// The episode that is being stored.
    open: Episode,
    /// The history in which the learner acts; its actions are not known here.
    acting: Episode,
    memory: LstmMemory,
    /// The updates that had been made when the memory was computed; the weights are others after more.
    remembered: u64,
    /// For histories that are given as a whole.
    other: LstmMemory,
    scratch: Scratch,
}

impl HypRlLearner {
    /// A learner for inputs and meta-features of so many numbers and so many actions; `streams` give its
    /// initial weights.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting is out of its range, or the network would be too large.
    pub fn new(
        settings: &HypRl,
        inputs: usize,
        meta: usize,
        actions: usize,
        streams: Streams,
    ) -> Result<Self> {
        settings.check()?;
        let HypRl { cells, hidden, .. } = *settings;
        let shape = LstmShape { inputs, context: meta, cells, hidden, outputs: actions };
        let online = Lstm::new(shape, &mut streams.at("hyp-rl/weights", 0))?;
        let mut open = Episode::default();
        open.restart(&vec![0.0; meta], inputs);
        let mut learner = Self {
            stepper: Stepper::new(settings, online.params().len())?,
            replay: EpisodeReplay::new(meta, inputs, settings.capacity)?,
            target: online.clone(),
            settings: settings.clone(),
            updates: 0,
            acting: open.clone(),
            open,
            memory: LstmMemory::default(),
            remembered: 0,
            other: LstmMemory::default(),
            scratch: Scratch {
                states: Sequences::new(meta, inputs),
                nexts: Sequences::new(meta, inputs),
                actions: Vec::new(),
                targets: Vec::new(),
                going_on: Vec::new(),
                excluded: Vec::new(),
                chosen: Vec::new(),
                next_values: Vec::new(),
                d_values: Vec::new(),
                workspace: LstmWorkspace::default(),
                gradient: LstmGradient::new(&online),
            },
            online,
        };
        learner.remember();
        Ok(learner)
    }

    /// The settings.
    pub fn settings(&self) -> &HypRl {
        &self.settings
    }

    /// The network.
    pub fn network(&self) -> &Lstm {
        &self.online
    }

    /// The steps in the replay.
    pub fn stored(&self) -> usize {
        self.replay.len()
    }

    /// How many updates were made.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// The values of all actions after a history (`steps x inputs`), which may be empty.
    pub fn q(&mut self, meta_features: &[f32], history: &[f32]) -> &[f32] {
        let width = self.online.shape().inputs;
        assert!(
            history.len().is_multiple_of(width),
            "a history must have steps of {width} numbers"
        );
        let steps = history.len() / width;
        self.online.begin(meta_features, &mut self.other);
        if steps <= self.settings.max_steps {
            // The first row of the acting history is the input of zeros.
            self.online.step(&self.acting.inputs[..width], &mut self.other);
        }
        let skipped = steps.saturating_sub(self.settings.max_steps);
        for input in history.chunks_exact(width).skip(skipped) {
            self.online.step(input, &mut self.other);
        }
        self.online.read(&mut self.other)
    }

    /// Begins to act on a task; [`Self::values`] are then those of its first state. Storing an episode is
    /// another matter: see [`Self::begin_episode`].
    pub fn begin(&mut self, meta_features: &[f32]) {
        self.acting.restart(meta_features, self.online.shape().inputs);
        self.remember();
    }

    /// Takes in what a step brought, and gives the values of all actions after it.
    pub fn step(&mut self, input: &[f32]) -> &[f32] {
        self.acting.push(0, 0.0, input);
        let current = self.remembered == self.updates;
        if current && self.acting.len() <= self.settings.max_steps {
            self.online.step(input, &mut self.memory);
        } else {
            self.remember();
        }
        self.online.read(&mut self.memory)
    }

    /// The values of all actions where the learner stands, by its present weights.
    pub fn values(&mut self) -> &[f32] {
        if self.remembered != self.updates {
            self.remember();
        }
        self.online.read(&mut self.memory)
    }

    /// Goes through the acting history again.
    fn remember(&mut self) {
        let width = self.online.shape().inputs;
        self.online.begin(&self.acting.context, &mut self.memory);
        let newest = newest(&self.acting, self.acting.len() + 1, width, self.settings.max_steps);
        for input in newest.chunks_exact(width) {
            self.online.step(input, &mut self.memory);
        }
        self.remembered = self.updates;
    }

    /// Begins to store an episode; one that is open ends before.
    pub fn begin_episode(&mut self, meta_features: &[f32]) {
        self.end_episode();
        assert_eq!(meta_features.len(), self.online.shape().context, "meta-features must fit");
        self.open.restart(meta_features, self.online.shape().inputs);
    }

    /// Stores a step: the action, its reward, and the input that tells of both in the states after it.
    ///
    /// # Panics
    ///
    /// Also where there is no such action.
    pub fn push_step(&mut self, action: usize, reward: f32, input_after: &[f32]) {
        let LstmShape { inputs, outputs, .. } = *self.online.shape();
        assert!(action < outputs, "an action must be below {outputs}");
        assert_eq!(input_after.len(), inputs, "an input must have {inputs} numbers");
        self.open.push(action, reward, input_after);
    }

    /// Ends the episode: its last step is one after which nothing is earned. Only now can it be drawn.
    pub fn end_episode(&mut self) {
        self.replay.push(&mut self.open);
        // What is left belongs to an episode that was dropped.
        let LstmShape { inputs, context, .. } = *self.online.shape();
        self.open.restart(&[], inputs);
        self.open.context.resize(context, 0.0);
    }

    /// Learns from a batch and returns its loss before the step; `None` while there are fewer steps than
    /// learning needs.
    pub fn update(&mut self, rng: &mut Generator) -> Option<f32> {
        if self.replay.len() < self.settings.learning_starts {
            return None;
        }
        self.draw(rng);
        self.add_next_values();
        let Self { settings, scratch, online, .. } = self;
        let Scratch { states, actions, targets, d_values, workspace, gradient, .. } = scratch;
        online.forward(states, workspace);
        let share = 1.0 / targets.len() as f32;
        let mut loss = 0.0;
        d_values.clear();
        for (q, target) in online.taken(actions, workspace).zip(&*targets) {
            let error = q - target;
            let (cost, slope) = match settings.huber {
                true if error.abs() > 1.0 => (error.abs() - 0.5, error.signum()),
                true => (0.5 * error * error, error),
                false => (error * error, 2.0 * error),
            };
            loss += share * cost;
            d_values.push(share * slope);
        }
        online.backward(actions, d_values, gradient, workspace);
        if let Some(limit) = settings.gradient_clip {
            gradient.clip(limit);
        }
        self.stepper.step(self.online.params_mut(), self.scratch.gradient.flat());
        self.updates += 1;
        if self.updates.is_multiple_of(self.settings.target_every) {
            self.target.params_mut().copy_from_slice(self.online.params());
        }
        Some(loss)
    }

    /// Draws the batch: states, actions and rewards, and for those episodes that went on the next states.
    fn draw(&mut self, rng: &mut Generator) {
        let HypRl { batch, max_steps, mask_repeats, .. } = self.settings;
        let width = self.online.shape().inputs;
        let Scratch { states, nexts, actions, targets, going_on, excluded, .. } = &mut self.scratch;
        states.clear();
        nexts.clear();
        actions.clear();
        targets.clear();
        going_on.clear();
        excluded.clear();
        for row in 0..batch {
            let (episode, step) = self.replay.draw(rng);
            states.push(&episode.context, newest(episode, step + 1, width, max_steps));
            actions.push(episode.actions[step]);
            targets.push(episode.rewards[step]);
            if step + 1 < episode.len() && self.settings.discount > 0.0 {
                nexts.push(&episode.context, newest(episode, step + 2, width, max_steps));
                if mask_repeats {
                    let taken = episode.actions[..=step].iter();
                    excluded.extend(taken.map(|&action| (going_on.len(), action)));
                }
                going_on.push(row);
            }
        }
    }

    /// Adds what the next states are worth to the rewards.
    fn add_next_values(&mut self) {
        let Self { settings, scratch, online, target, .. } = self;
        let Scratch { nexts, targets, going_on, excluded, chosen, next_values, workspace, .. } =
            scratch;
        if going_on.is_empty() {
            return;
        }
        let judge = if settings.double { &*online } else { &*target };
        judge.forward(nexts, workspace);
        let (values, places) = judge.best(excluded, workspace);
        next_values.clear();
        next_values.extend_from_slice(values);
        if settings.double {
            chosen.clear();
            chosen.extend(places.iter().map(|place| *place as usize));
            target.forward(nexts, workspace);
            for (value, judged) in next_values.iter_mut().zip(target.taken(chosen, workspace)) {
                if *value != f32::NEG_INFINITY {
                    *value = judged;
                }
            }
        }
        for (&row, &value) in going_on.iter().zip(&*next_values) {
            // Where every action was taken, nothing is left to earn.
            if value != f32::NEG_INFINITY {
                targets[row] += settings.discount * value;
            }
        }
    }
}

/// The first `rows` inputs of an episode: the one of zeros and those of `rows - 1` steps; where these are
/// more than `max_steps`, the newest so many of them.
fn newest(episode: &Episode, rows: usize, width: usize, max_steps: usize) -> &[f32] {
    let skipped = if rows > max_steps + 1 { rows - max_steps } else { 0 };
    &episode.inputs[skipped * width..rows * width]
}

impl Persist for HypRlLearner {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        self.online.save(&format!("{at}/online"), snapshot)?;
        self.target.save(&format!("{at}/target"), snapshot)?;
        match &self.stepper {
            Stepper::Adam(adam) => adam.save(&format!("{at}/adam"), snapshot)?,
            Stepper::RmsProp(rms_prop) => rms_prop.save(&format!("{at}/rms-prop"), snapshot)?,
        }
        self.replay.save(&format!("{at}/replay"), snapshot)?;
        // The memory is not stored: it follows from the history and the weights.
        let episodes = [&self.open, &self.acting];
        write_episodes(episodes.into_iter(), &format!("{at}/episodes"), snapshot);
        snapshot.put(at, "updates", &self.updates)
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        let LstmShape { inputs, context, outputs, .. } = *self.online.shape();
        self.online.load(&format!("{at}/online"), snapshot)?;
        self.target.load(&format!("{at}/target"), snapshot)?;
        match &mut self.stepper {
            Stepper::Adam(adam) => adam.load(&format!("{at}/adam"), snapshot)?,
            Stepper::RmsProp(rms_prop) => rms_prop.load(&format!("{at}/rms-prop"), snapshot)?,
        }
        self.replay.load_checked(outputs, &format!("{at}/replay"), snapshot)?;
        let place = format!("{at}/episodes");
        let episodes = read_episodes(context, inputs, outputs, &place, snapshot)?;
        let Ok([open, acting]) = <[Episode; 2]>::try_from(episodes) else {
            return Err(Error::snapshot(format!("{place}/lengths"), "must be two"));
        };
        self.updates = snapshot.get(at, "updates")?;
        if self.updates > MOST_UPDATES {
            let problem = format!("must be at most 2^53, found {}", self.updates);
            return Err(Error::snapshot(format!("{at}/updates"), problem));
        }
        (self.open, self.acting) = (open, acting);
        self.remember();
        Ok(())
    }
}

/// The most updates that a snapshot may tell of: the count must not overflow.
const MOST_UPDATES: u64 = 1 << 53;
