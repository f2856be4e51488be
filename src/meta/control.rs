//! Q-learning on top of the learned prior: which rule of choice to follow next.

use std::sync::Arc;

use rand::RngExt;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::belief::{Belief, Target};
use super::learner::MetaLearner;
use super::prior::{LearnedPrior, Points, PriorSettings};
use super::prior_agent::{Choice, PriorAgent, PriorLearner, Rule, search_points};
use super::tried::Reader;
use crate::error::{Error, Result};
use crate::experiment::metrics::log_area;
use crate::explore::Moment;
use crate::mdp::ActionSet;
use crate::optimizer::{Context, Optimizer, Problem};
use crate::persist::{Array, Persist, Snapshot};
use crate::space::Configuration;
use crate::streams::{Generator, Streams};
use crate::trial::Trial;
use crate::value::Estimates;

/// The settings of Q-learning over rules of choice, as plain data.
///
/// Two levels: a *rule* names a configuration from what is believed of all of them, and a Q-table says which
/// rule is followed in the next trial. The rules are upper confidence bounds of several strengths and expected
/// improvement, on three priors that trust the training tasks more or less (`blend` as chosen, and as in
/// `doubts`). A state is
///
/// - the phase: trials so far, on a logarithmic scale, eight of them up to `trials`,
/// - stagnation: whether the incumbent is at most one, at most four or more trials old,
/// - misfit: whether the first prior's whitened residuals have a mean square above 1.5.
///
/// An episode tunes a training task that is left out of its own prior. The reward of trial `t` is
///
/// ```text
/// r_t = (regret of the fixed rule after t - regret after t) / t  /  sum_t 1 / t
/// ```
///
/// where the fixed rule is the first one, followed all the time: what all rules have in common on a task, its
/// difficulty, is no noise then, and since it depends on task and time alone the best policy is the same (Ng,
/// Harada & Russell 1999). The sum of rewards is the area by which the fixed rule is beaten. Updates are those
/// of Watkins's Q(lambda) in its forward view, made at the end of the episode, with step size
/// `1 / visits` down to `step_size` (Watkins 1989; Sutton & Barto 2018, section 12.10):
///
/// ```text
/// G_t = r_t + (1 - lambda) max_a Q(s_(t+1), a) + lambda G_(t+1)     where the next action is greedy
/// G_t = r_t + max_a Q(s_(t+1), a)                                   where it explores
/// ```
///
/// Half of the episodes are of augmented tasks: the mixture of two training tasks' tables, both left out of the
/// prior, with a monotone warp `z^p`, `ln p` uniform in `[-ln 2, ln 2]`.
///
/// `members` tables are trained, each without a part of the training tasks. Every `evaluate_every` episodes a
/// table tunes the tasks of its part greedily; the state of the table that did best is kept, the initial one
/// (the fixed rule) included. What acts is cautious: with the advantage `A = Q(s, a) - Q(s, fixed)` of each table,
/// the rule with the highest `mean(A) - caution sd(A)` over the tables is followed, which is the fixed one where no
/// other has it above 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ControlAgent {
    /// The prior with the fixed rule, whose settings are chosen first.
    pub base: PriorAgent,
    /// The blends of the priors that trust the training tasks less.
    pub doubts: [f64; 2],
    /// The number of tables, in 2..=64.
    pub members: usize,
    /// The episodes of each table.
    pub episodes: usize,
    /// After how many episodes a table is evaluated, at least 1.
    pub evaluate_every: usize,
    /// The probability of a random rule: from 1 at the first episode to this at the last.
    pub epsilon: f64,
    /// lambda, in `[0, 1]`.
    pub lambda: f64,
    /// The least step size, in `(0, 1]`.
    pub step_size: f64,
    /// By how many standard deviations between the tables a rule must be better than the fixed one, at least 0.
    pub caution: f64,
    /// An episode's configurations are at most so many, drawn anew for each.
    pub rows: usize,
}

impl Default for ControlAgent {
    fn default() -> Self {
        Self {
            base: PriorAgent::default(),
            doubts: [0.3, 0.7],
            members: 4,
            episodes: 800,
            evaluate_every: 100,
            epsilon: 0.1,
            lambda: 0.9,
            step_size: 0.005,
            caution: 2.0,
            rows: 512,
        }
    }
}

/// The number of priors.
const BELIEFS: usize = 3;
/// Which prior each rule goes by, and what its exploration is multiplied with; `None` is expected improvement.
/// The first is the fixed rule.
const RULES: [(usize, Option<f64>); 9] = [
    (0, Some(1.0)),
    (0, Some(0.5)),
    (0, Some(2.0)),
    (0, None),
    (1, Some(1.0)),
    (1, Some(2.0)),
    (1, None),
    (2, Some(1.0)),
    (2, None),
];
const PHASES: usize = 8;
const STAGNATIONS: usize = 3;
const STATES: usize = PHASES * STAGNATIONS * 2;

/// One Q-table with its training.
#[derive(Debug, Clone, PartialEq)]
struct Member {
    values: Vec<f64>,
    visits: Vec<f64>,
    /// The table that did best on the tasks that the member does not learn from, and how well.
    best: Vec<f64>,
    best_area: f64,
    /// The tasks that it does not learn from.
    held_out: Vec<usize>,
}

/// [`ControlAgent`] at work.
pub struct ControlLearner {
    agent: ControlAgent,
    /// Chooses the base's settings, and holds the prior.
    base: PriorLearner,
    members: Vec<Member>,
    /// The fixed rule's regret on each training task, trial by trial.
    fixed: Vec<Vec<f64>>,
}

/// A task as an episode tunes it.
struct Episode<'a> {
    values: &'a [f64],
    worst: f64,
    range: f64,
    meta_features: &'a [f64],
    excluded: &'a [usize],
}

/// How an episode went.
struct Played {
    /// The state and the rule of each trial.
    steps: Vec<(usize, usize)>,
    /// The regret after each trial.
    regrets: Vec<f64>,
}

/// The beliefs and rules of one study or episode.
struct Team {
    beliefs: Vec<Belief>,
    rules: Vec<Rule>,
    estimates: Estimates,
    since_improvement: usize,
    best: f64,
}

impl Team {
    fn new(learner: &ControlLearner, points: &Points, target: Target<'_>) -> Result<Self> {
        let tuned = learner.base.chosen();
        let settings = |belief: usize| match belief {
            0 => tuned.prior,
            other => PriorSettings { blend: learner.agent.doubts[other - 1], ..tuned.prior },
        };
        let rules = RULES
            .iter()
            .map(|(_, strength)| match strength {
                Some(strength) => learner.agent.base.choice.rule(strength * tuned.strength),
                None => Choice::ExpectedImprovement {}.rule(1.0),
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            beliefs: (0..BELIEFS)
                .map(|belief| Belief::new(learner.base.prior(), &settings(belief), points, target))
                .collect(),
            rules,
            estimates: Estimates::default(),
            since_improvement: 0,
            best: f64::NEG_INFINITY,
        })
    }

    fn state(&self, trials: usize, horizon: usize) -> usize {
        let share = ((trials + 1) as f64).ln() / ((horizon + 1) as f64).ln();
        let phase = ((share * PHASES as f64) as usize).min(PHASES - 1);
        let stagnation = match self.since_improvement {
            0..=1 => 0,
            2..=4 => 1,
            _ => 2,
        };
        let misfit = usize::from(self.beliefs[0].misfit() > 1.5);
        (phase * STAGNATIONS + stagnation) * 2 + misfit
    }

    fn choose(
        &mut self,
        rule: usize,
        allowed: &ActionSet,
        moment: Moment,
        rng: &mut Generator,
    ) -> usize {
        let belief = &self.beliefs[RULES[rule].0];
        self.rules[rule].choose(belief, allowed, &mut self.estimates, moment, rng)
    }

    fn observe(&mut self, points: &Points, point: usize, score: f64) {
        for belief in &mut self.beliefs {
            belief.observe(points, point, score);
        }
        if score > self.best {
            self.best = score;
            self.since_improvement = 0;
        } else {
            self.since_improvement += 1;
        }
    }
}

/// The place of the highest value; of equal ones the first, which is the fixed rule where it is one of them.
fn greedy(values: &[f64]) -> usize {
    let mut best = 0;
    for (place, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = place;
        }
    }
    best
}

impl ControlLearner {
    /// The learner before training.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting is out of its range.
    pub fn new(agent: &ControlAgent, prior: LearnedPrior, streams: Streams) -> Result<Self> {
        let owner = "agent `control`";
        let refuse = |setting: &str, rule: &str, found: String| {
            Err(Error::setting(owner, setting, rule, found))
        };
        if !(2..=64).contains(&agent.members) {
            return refuse("members", "in 2..=64", agent.members.to_string());
        }
        for (setting, value) in [("evaluate-every", agent.evaluate_every), ("rows", agent.rows)] {
            if value == 0 {
                return refuse(setting, "at least 1", "0".to_owned());
            }
        }
        if !(0.0..=1.0).contains(&agent.epsilon) {
            return refuse("epsilon", "in [0, 1]", agent.epsilon.to_string());
        }
        if !(0.0..=1.0).contains(&agent.lambda) {
            return refuse("lambda", "in [0, 1]", agent.lambda.to_string());
        }
        if !(agent.step_size > 0.0 && agent.step_size <= 1.0) {
            return refuse("step-size", "in (0, 1]", agent.step_size.to_string());
        }
        if !(agent.caution >= 0.0 && agent.caution.is_finite()) {
            return refuse("caution", "a finite number of at least 0", agent.caution.to_string());
        }
        for blend in agent.doubts {
            PriorSettings { blend, ..agent.base.prior }.check()?;
        }
        let tasks = prior.tasks();
        let mut order: Vec<usize> = (0..tasks).collect();
        order.shuffle(&mut streams.at("members", 0));
        let members = (0..agent.members)
            .map(|member| Member {
                values: vec![0.0; STATES * RULES.len()],
                visits: vec![0.0; STATES * RULES.len()],
                best: vec![0.0; STATES * RULES.len()],
                best_area: f64::INFINITY,
                held_out: order
                    [member * tasks / agent.members..(member + 1) * tasks / agent.members]
                    .to_vec(),
            })
            .collect();
        Ok(Self {
            agent: agent.clone(),
            base: PriorLearner::new(&agent.base, prior)?,
            members,
            fixed: Vec::new(),
        })
    }

    /// Tunes a task; `pick` says which rule is followed, given state and trial.
    fn play(
        &self,
        episode: &Episode<'_>,
        points: &Points,
        rows: Option<&[usize]>,
        streams: Streams,
        pick: &mut dyn FnMut(usize, u64) -> usize,
    ) -> Result<Played> {
        let target =
            Target { meta_features: Some(episode.meta_features), excluded: episode.excluded };
        let mut team = Team::new(self, points, target)?;
        let mut allowed = ActionSet::all(points.len());
        let horizon = self.agent.base.trials;
        let row = |point: usize| rows.map_or(point, |rows| rows[point]);
        let highest = (0..points.len())
            .map(|point| episode.values[row(point)])
            .fold(f64::NEG_INFINITY, f64::max);
        let (mut steps, mut regrets) = (Vec::new(), Vec::new());
        let mut best = f64::NEG_INFINITY;
        for trial in 0..horizon.min(points.len()) {
            let state = team.state(trial, horizon);
            let rule = pick(state, trial as u64);
            let moment = Moment { trial: trial as u64, episode: 0, streams };
            let mut rng = streams.at("episode", trial as u64);
            let point = team.choose(rule, &allowed, moment, &mut rng);
            allowed.remove(point);
            let value = episode.values[row(point)];
            team.observe(points, point, episode.worst + episode.range * value);
            best = best.max(value);
            steps.push((state, rule));
            regrets.push(highest - best);
        }
        Ok(Played { steps, regrets })
    }

    fn task<'a>(&'a self, task: usize, excluded: &'a [usize]) -> Episode<'a> {
        let source = &self.base.prior().sources()[task];
        Episode {
            values: &source.values,
            worst: source.worst,
            range: source.range(),
            meta_features: &source.meta_features,
            excluded,
        }
    }

    /// One episode of a member, learned from.
    fn learn(&self, member: &mut Member, number: usize, streams: Streams) -> Result<()> {
        let prior = self.base.prior();
        let mut rng = streams.at("draws", 0);
        let own: Vec<usize> =
            (0..prior.tasks()).filter(|task| !member.held_out.contains(task)).collect();
        let task = own[rng.random_range(0..own.len())];
        let augmented = own.len() > 1 && rng.random::<f64>() < 0.5;
        // Neither the task nor what the member must not know enters the prior of an episode.
        let mut excluded = vec![task];
        let mut mixed = Vec::new();
        let mut meta = Vec::new();
        if augmented {
            let other = own.iter().copied().filter(|other| *other != task).collect::<Vec<_>>();
            let other = other[rng.random_range(0..other.len())];
            excluded.push(other);
            let (share, power) = (rng.random::<f64>(), 2f64.powf(rng.random_range(-1.0..=1.0f64)));
            let (a, b) = (&prior.sources()[task], &prior.sources()[other]);
            let mix = |a: &f64, b: &f64| share * a + (1.0 - share) * b;
            mixed = a.values.iter().zip(&b.values).map(|(a, b)| mix(a, b).powf(power)).collect();
            meta = a.meta_features.iter().zip(&b.meta_features).map(|(a, b)| mix(a, b)).collect();
        }
        let mut episode = self.task(task, &excluded);
        if augmented {
            episode.values = &mixed;
            episode.meta_features = &meta;
        }
        let count = prior.grid().len();
        let drawn: Option<Vec<usize>> = (count > self.agent.rows).then(|| {
            let mut rows: Vec<usize> = (0..count).collect();
            rows.partial_shuffle(&mut rng, self.agent.rows).0.to_vec()
        });
        let subset;
        let points = match &drawn {
            Some(rows) => {
                let of = |&row: &usize| prior.grid().get(row).clone();
                subset = Points::new(prior, rows.iter().map(of).collect());
                &subset
            }
            None => self.base.points(),
        };
        let fixed = match (augmented, &drawn) {
            (false, None) => self.fixed[task].clone(),
            _ => self.play(&episode, points, drawn.as_deref(), streams, &mut |_, _| 0)?.regrets,
        };
        let progress = number as f64 / self.agent.episodes.max(1) as f64;
        let epsilon = 1.0 + (self.agent.epsilon - 1.0) * progress;
        let mut draws = streams.at("exploration", 0);
        let values = &member.values;
        let Played { steps, regrets } =
            self.play(&episode, points, drawn.as_deref(), streams, &mut |state, _| {
                if draws.random::<f64>() < epsilon {
                    draws.random_range(0..RULES.len())
                } else {
                    greedy(&values[state * RULES.len()..][..RULES.len()])
                }
            })?;
        let whole: f64 = (1..=regrets.len()).map(|t| 1.0 / t as f64).sum();
        let mut target = 0.0;
        let mut returns = vec![0.0; steps.len()];
        for t in (0..steps.len()).rev() {
            let reward = (fixed[t] - regrets[t]) / ((t + 1) as f64 * whole);
            target = match steps.get(t + 1) {
                None => reward,
                Some(&(state, rule)) => {
                    let next = &member.values[state * RULES.len()..][..RULES.len()];
                    let best = greedy(next);
                    let lambda = if next[rule] >= next[best] { self.agent.lambda } else { 0.0 };
                    reward + (1.0 - lambda) * next[best] + lambda * target
                }
            };
            returns[t] = target;
        }
        for (&(state, rule), target) in steps.iter().zip(returns) {
            let place = state * RULES.len() + rule;
            member.visits[place] += 1.0;
            let size = (1.0 / member.visits[place]).max(self.agent.step_size);
            member.values[place] += size * (target - member.values[place]);
        }
        Ok(())
    }

    /// The mean area under the regret curve of greedy choices on a member's held-out tasks.
    fn evaluate(&self, member: &Member, table: &[f64]) -> Result<f64> {
        let streams = Streams::new(0);
        let areas = member
            .held_out
            .iter()
            .map(|&task| {
                let excluded = [task];
                let episode = self.task(task, &excluded);
                let points = self.base.points();
                let Played { regrets, .. } =
                    self.play(&episode, points, None, streams, &mut |state, _| {
                        greedy(&table[state * RULES.len()..][..RULES.len()])
                    })?;
                Ok(log_area(&regrets))
            })
            .collect::<Result<Vec<f64>>>()?;
        Ok(areas.iter().sum::<f64>() / areas.len().max(1) as f64)
    }

    /// The cautious advantage of every rule over the fixed one in every state.
    fn table(&self) -> Vec<f64> {
        let count = self.members.len() as f64;
        (0..STATES * RULES.len())
            .map(|place| {
                let fixed = place / RULES.len() * RULES.len();
                let advantage = |member: &Member| member.best[place] - member.best[fixed];
                let mean = self.members.iter().map(advantage).sum::<f64>() / count;
                let squares = self.members.iter().map(|m| (advantage(m) - mean).powi(2));
                let sd = (squares.sum::<f64>() / (count - 1.0)).sqrt();
                mean - self.agent.caution * sd
            })
            .collect()
    }

    /// The number of blocks of episodes, each ended by an evaluation.
    fn blocks(&self) -> usize {
        self.agent.episodes.div_ceil(self.agent.evaluate_every)
    }
}

impl MetaLearner for ControlLearner {
    fn steps(&self) -> u64 {
        // Members must have tasks to learn from and tasks to be evaluated on.
        if self.base.prior().tasks() < 2 * self.agent.members {
            return self.base.steps();
        }
        self.base.steps() + 1 + self.blocks() as u64
    }

    fn train(&mut self, step: u64, streams: Streams) -> Result<()> {
        let settled = self.base.steps();
        if step < settled {
            return self.base.train(step, streams);
        }
        if step == settled {
            self.fixed = (0..self.base.prior().tasks())
                .into_par_iter()
                .map(|task| {
                    let excluded = [task];
                    let episode = self.task(task, &excluded);
                    let points = self.base.points();
                    let streams = streams.child("fixed", task as u64);
                    Ok(self.play(&episode, points, None, streams, &mut |_, _| 0)?.regrets)
                })
                .collect::<Result<_>>()?;
            return Ok(());
        }
        let block = (step - settled - 1) as usize;
        let mut members = std::mem::take(&mut self.members);
        let this = &*self;
        members
            .par_iter_mut()
            .enumerate()
            .map(|(place, member)| {
                if block == 0 {
                    member.best_area = this.evaluate(member, &member.best)?;
                }
                let every = this.agent.evaluate_every;
                let streams = streams.child("member", place as u64);
                for number in block * every..((block + 1) * every).min(this.agent.episodes) {
                    this.learn(member, number, streams.child("episode", number as u64))?;
                }
                let area = this.evaluate(member, &member.values)?;
                if area < member.best_area {
                    member.best_area = area;
                    member.best.clone_from(&member.values);
                }
                Ok(())
            })
            .collect::<Result<Vec<()>>>()?;
        self.members = members;
        Ok(())
    }

    fn optimizer(
        self: Arc<Self>,
        problem: &Problem,
        streams: Streams,
        _fine_tune: bool,
    ) -> Result<Box<dyn Optimizer>> {
        let points = search_points(self.base.prior(), problem, streams);
        Ok(Box::new(ControlSearch {
            meta_features: self.base.prior().standardized(&problem.meta_features),
            reader: Reader::new(points),
            team: None,
            table: self.table(),
            learner: self,
        }))
    }

    fn findings(&self) -> Vec<String> {
        let mut lines = self.base.findings();
        let table = self.table();
        for stagnation in 0..STAGNATIONS {
            let rules: Vec<String> = (0..PHASES)
                .map(|phase| {
                    let state = (phase * STAGNATIONS + stagnation) * 2;
                    greedy(&table[state * RULES.len()..][..RULES.len()]).to_string()
                })
                .collect();
            lines.push(format!("Rules by phase, stagnation {stagnation}: {}.", rules.join(" ")));
        }
        lines
    }
}

impl Persist for ControlLearner {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        self.base.save(&format!("{at}/base"), snapshot)?;
        let flat = |of: fn(&Member) -> &[f64]| {
            Array::F64(self.members.iter().flat_map(|member| of(member).to_vec()).collect())
        };
        snapshot.put_array(at, "values", flat(|member| &member.values));
        snapshot.put_array(at, "visits", flat(|member| &member.visits));
        snapshot.put_array(at, "best", flat(|member| &member.best));
        let areas = self.members.iter().map(|member| member.best_area).collect();
        snapshot.put_array(at, "best-areas", Array::F64(areas));
        snapshot.put(at, "fixed", &self.fixed)
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        self.base.load(&format!("{at}/base"), snapshot)?;
        let (count, size) = (self.members.len(), STATES * RULES.len());
        let values = snapshot.f64s(at, "values", count * size)?;
        let visits = snapshot.f64s(at, "visits", count * size)?;
        let best = snapshot.f64s(at, "best", count * size)?;
        let areas = snapshot.f64s(at, "best-areas", count)?;
        for (place, member) in self.members.iter_mut().enumerate() {
            let own = place * size..(place + 1) * size;
            member.values = values[own.clone()].to_vec();
            member.visits = visits[own.clone()].to_vec();
            member.best = best[own].to_vec();
            member.best_area = areas[place];
        }
        self.fixed = snapshot.get(at, "fixed")?;
        Ok(())
    }
}

/// Tunes a new task. The beliefs are derived from the history and are no state of their own.
struct ControlSearch {
    learner: Arc<ControlLearner>,
    meta_features: Option<Vec<f64>>,
    reader: Reader,
    team: Option<Team>,
    table: Vec<f64>,
}

impl Optimizer for ControlSearch {
    fn ask(&mut self, cx: &Context<'_>) -> Result<Configuration> {
        let unread = self.reader.read(self.learner.base.prior(), cx);
        let points = self.reader.points();
        let team = match &mut self.team {
            Some(team) if !unread.anew => team,
            team => {
                let target = Target { meta_features: self.meta_features.as_deref(), excluded: &[] };
                team.insert(Team::new(&self.learner, points, target)?)
            }
        };
        for (point, score) in unread.scores {
            team.observe(points, point, score);
        }
        let allowed = self.reader.allowed(cx);
        let moment = Moment { trial: cx.id.0, episode: 0, streams: cx.streams };
        let mut rng = cx.streams.at("agent", cx.id.0);
        let state = team.state(cx.history.len(), self.learner.agent.base.trials);
        let rule = greedy(&self.table[state * RULES.len()..][..RULES.len()]);
        let point = team.choose(rule, &allowed, moment, &mut rng);
        Ok(self.reader.points().configurations()[point].clone())
    }

    fn tell(&mut self, _trial: &Trial, _cx: &Context<'_>) -> Result<()> {
        Ok(())
    }
}

impl Persist for ControlSearch {
    fn save(&self, _at: &str, _snapshot: &mut Snapshot) -> Result<()> {
        Ok(())
    }

    fn load(&mut self, _at: &str, _snapshot: &Snapshot) -> Result<()> {
        self.reader.restart();
        Ok(())
    }
}
