//! Candidate actions, and how critics judge them.

use serde::{Deserialize, Serialize};

use crate::agent::ActorCritic;
use crate::error::{Error, Result};
use crate::explore::{Exploration, Moment};
use crate::mdp::{ActionSpace, ContinuousFraming};
use crate::optimizer::{Context, sobol_point};
use crate::space::Configuration;
use crate::streams::Generator;
use crate::value::Estimates;

/// The deviations with which actions are disturbed, in units of an action's range from the middle to
/// its end.
const SCALES: [f32; 4] = [0.4, 0.14, 0.04, 0.012];

/// Which candidate actions the critics are asked about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ActionCandidates {
    /// Points of a scrambled Sobol sequence over all actions.
    pub scattered: usize,
    /// The best trials that further ones are drawn around (in *refine*: the place to move from).
    pub anchors: usize,
    /// How many around each at each of four scales: deviations of 0.4, 0.14, 0.04 and 0.012 in a random
    /// subset of the parameters.
    pub around_anchor: usize,
    /// How many around what the actor would do at each of the four scales, beside that itself.
    pub around_actor: usize,
    /// The best candidates of each objective that climb the critics' values.
    pub polished: usize,
    /// The steps of their climb.
    pub polish_steps: usize,
    /// The size of a step, above 0.
    pub polish_rate: f32,
}

impl Default for ActionCandidates {
    fn default() -> Self {
        Self {
            scattered: 256,
            anchors: 5,
            around_anchor: 16,
            around_actor: 12,
            polished: 6,
            polish_steps: 20,
            polish_rate: 0.01,
        }
    }
}

impl ActionCandidates {
    /// Refuses candidates that are none, or too many to be judged in a study.
    pub(super) fn check(&self) -> Result<()> {
        let owner = "candidates";
        let around = self.anchors.saturating_mul(self.around_anchor).max(self.around_actor);
        let count = around.saturating_mul(8).max(self.scattered);
        if count > 1 << 16 {
            return Err(Error::setting(owner, "scattered", "at most 65536 in all", count));
        }
        if self.scattered + self.around_actor == 0 {
            return Err(Error::setting(owner, "scattered", "at least 1 without others", 0));
        }
        if self.polished > 1024 || self.polish_steps > 10_000 {
            let rule = "at most 1024, polish-steps at most 10000";
            return Err(Error::setting(owner, "polished", rule, self.polished));
        }
        if !(self.polish_rate > 0.0 && self.polish_rate.is_finite()) {
            return Err(Error::setting(owner, "polish-rate", "above 0", self.polish_rate));
        }
        Ok(())
    }
}

/// Candidates: what each leads to, and the action that critics see.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    pub configurations: Vec<Configuration>,
    /// `[state | action]`, row by row.
    inputs: Vec<f32>,
}

impl Candidates {
    /// Adds what an action leads to.
    fn push(&mut self, framing: &dyn ContinuousFraming, state: &[f32], action: &[f32]) {
        let configuration = framing.decode(action);
        self.inputs.extend_from_slice(state);
        self.inputs.extend(framing.encode(&configuration));
        self.configurations.push(configuration);
    }

    fn len(&self) -> usize {
        self.configurations.len()
    }

    /// The candidates of a state.
    pub fn draw(
        settings: &ActionCandidates,
        framing: &dyn ContinuousFraming,
        agent: &mut dyn ActorCritic,
        state: &[f32],
        cx: &Context<'_>,
        rng: &mut Generator,
    ) -> Self {
        let actions = framing.actions();
        let mut all = Self::default();
        let streams = cx.streams.child("actor-critic/candidates", cx.id.0);
        for index in 0..settings.scattered {
            let point = sobol_point(streams, index as u64, actions.len());
            let action: Vec<f32> = point.iter().map(|u| (2.0 * u - 1.0) as f32).collect();
            all.push(framing, state, &action);
        }
        let mut action = Vec::new();
        let share = 0.4f64.max(2.0 / actions.space().len() as f64);
        let mut around = |center: &[f32], count: usize, all: &mut Self| {
            for scale in SCALES {
                for _ in 0..count {
                    action.clear();
                    action.extend_from_slice(center);
                    actions.disturb(&mut action, scale, share, rng);
                    all.push(framing, state, &action);
                }
            }
        };
        for anchor in framing.anchors(cx, settings.anchors) {
            around(&anchor, settings.around_anchor, &mut all);
        }
        let mut own = Vec::new();
        agent.act(state, &mut own);
        all.push(framing, state, &own);
        around(&own, settings.around_actor, &mut all);
        all
    }

    /// Adds candidates that have climbed: of every objective the best ones.
    pub fn polish(
        &mut self,
        settings: &ActionCandidates,
        exploration: &Exploration,
        framing: &dyn ContinuousFraming,
        agent: &mut dyn ActorCritic,
        state: &[f32],
        moment: Moment,
    ) {
        let critics = agent.critics();
        let rows = self.len();
        let mut values = Vec::new();
        agent.values(&self.inputs, rows, &mut values);
        let objectives = objectives(exploration, critics, moment);
        let width = self.inputs.len() / rows;
        let (mut chosen, mut inputs) = (Vec::new(), Vec::new());
        for objective in &objectives {
            let share = settings.polished.div_ceil(objectives.len());
            let mut order: Vec<(usize, f32)> =
                (0..rows).map(|row| (row, objective.of(&values, rows, row))).collect();
            order.sort_by(|a, b| b.1.total_cmp(&a.1));
            // Values that diverged to NaN lead nowhere.
            for (row, _) in order.into_iter().filter(|(_, v)| !v.is_nan()).take(share) {
                chosen.push(*objective);
                inputs.extend_from_slice(&self.inputs[row * width..][..width]);
            }
        }
        if chosen.is_empty() {
            return;
        }
        let climb = Climb { objectives: &chosen, settings, states: state.len() };
        climb.run(agent, framing.actions(), &mut inputs);
        for row in inputs.chunks_exact(width) {
            self.push(framing, state, &row[state.len()..]);
        }
    }

    /// What the critics think of every candidate.
    pub fn estimate(&self, agent: &mut dyn ActorCritic, into: &mut Estimates) {
        let (rows, critics) = (self.len(), agent.critics());
        agent.values(&self.inputs, rows, &mut into.members);
        into.mean.clear();
        into.spread.clear();
        into.counts.clear();
        for row in 0..rows {
            let (mean, deviation) = moments(&into.members, rows, row);
            into.mean.push(mean);
            if critics > 1 {
                into.spread.push(deviation);
            }
        }
        if critics == 1 {
            into.members.clear();
        }
    }
}

/// The mean and the standard deviation over the critics of one row's values.
fn moments(values: &[f32], rows: usize, row: usize) -> (f32, f32) {
    let critics = (values.len() / rows) as f32;
    let own = || values.iter().skip(row).step_by(rows);
    let mean = own().sum::<f32>() / critics;
    let square = own().map(|q| (q - mean) * (q - mean)).sum::<f32>() / critics;
    (mean, square.sqrt())
}

/// What a candidate climbs.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Objective {
    /// The mean over the critics plus so many standard deviations.
    Upper(f32),
    /// One critic's value.
    Critic(usize),
}

/// What is worth climbing for a policy: what it is going to maximize.
fn objectives(exploration: &Exploration, critics: usize, moment: Moment) -> Vec<Objective> {
    match exploration {
        Exploration::Ucb(ucb) if critics > 1 => {
            vec![Objective::Upper(ucb.coefficient.at(moment.trial) as f32)]
        }
        Exploration::Thompson(_) => (0..critics).map(Objective::Critic).collect(),
        _ => vec![Objective::Upper(0.0)],
    }
}

impl Objective {
    fn of(self, values: &[f32], rows: usize, row: usize) -> f32 {
        match self {
            Self::Critic(critic) => values[critic * rows + row],
            Self::Upper(c) => {
                let (mean, deviation) = moments(values, rows, row);
                mean + c * deviation
            }
        }
    }

    /// The derivative at one critic's value of a row.
    fn slope(self, values: &[f32], rows: usize, row: usize, critic: usize) -> f32 {
        match self {
            Self::Critic(own) => f32::from(u8::from(own == critic)),
            Self::Upper(c) => {
                let critics = (values.len() / rows) as f32;
                let (mean, deviation) = moments(values, rows, row);
                let away = values[critic * rows + row] - mean;
                (1.0 + c * away / deviation.max(1e-6)) / critics
            }
        }
    }
}

/// Gradient ascent on actions, with Adam (Kingma & Ba 2015) and one objective a row.
struct Climb<'a> {
    objectives: &'a [Objective],
    settings: &'a ActionCandidates,
    states: usize,
}

impl Climb<'_> {
    fn run(&self, agent: &mut dyn ActorCritic, actions: &ActionSpace, inputs: &mut [f32]) {
        let (rows, len) = (self.objectives.len(), actions.len());
        let critics = agent.critics();
        let smooth = actions.is_smooth();
        let (mut values, mut weights, mut gradient) = (Vec::new(), Vec::new(), Vec::new());
        let (mut first, mut second) = (vec![0.0f32; rows * len], vec![0.0f32; rows * len]);
        for step in 1..=self.settings.polish_steps as i32 {
            agent.values(inputs, rows, &mut values);
            weights.clear();
            for critic in 0..critics {
                weights.extend(
                    self.objectives
                        .iter()
                        .enumerate()
                        .map(|(row, objective)| objective.slope(&values, rows, row, critic)),
                );
            }
            agent.gradient(inputs, rows, &weights, &mut gradient);
            let corrections = (1.0 - 0.9f32.powi(step), 1.0 - 0.999f32.powi(step));
            for (row, input) in inputs.chunks_exact_mut(self.states + len).enumerate() {
                for (i, action) in input[self.states..].iter_mut().enumerate() {
                    let (place, d) = (row * len + i, gradient[row * len + i]);
                    if !smooth[i] || !d.is_finite() {
                        continue;
                    }
                    first[place] = 0.9 * first[place] + 0.1 * d;
                    second[place] = 0.999 * second[place] + 0.001 * d * d;
                    let mean = first[place] / corrections.0;
                    let root = (second[place] / corrections.1).sqrt();
                    let moved = *action + self.settings.polish_rate * mean / (root + 1e-8);
                    *action = moved.clamp(-1.0, 1.0);
                }
            }
        }
    }
}
