//! Damaged snapshots, refusals, repeats.

use super::*;
use crate::agent::{Ddpg, Sac, Td3};
use crate::explore::{Bonus, Thompson, Ucb};
use crate::mdp::{ContinuousRefine, MoveFrom, SelectState};
use crate::replay::Prioritized;
use crate::space::{Parameter, SearchSpace};
use crate::trial::{Direction, History, Outcome, PendingTrial, TrialId};
use crate::value::{ContinuousValueConfig, Critics};

fn space() -> SearchSpace {
    SearchSpace::new([
        Parameter::categorical("model", ["a", "b"]),
        Parameter::float("rate", 1e-3, 1.0).log().when("model", ["a"]),
        Parameter::int("depth", 1, 9),
    ])
    .unwrap()
}

/// What a study keeps beside its optimizer.
#[derive(Clone)]
struct Run {
    space: SearchSpace,
    history: History,
    pending: Vec<PendingTrial>,
    next: u64,
}

impl Run {
    fn new(space: SearchSpace) -> Self {
        Self { space, history: History::default(), pending: Vec::new(), next: 0 }
    }

    fn context(&self, id: TrialId) -> Context<'_> {
        let Self { space, history, pending, .. } = self;
        Context { id, space, history, pending, streams: Streams::new(1) }
    }

    fn ask(&mut self, optimizer: &mut ActorCriticSearch) {
        let id = TrialId(self.next);
        let configuration = optimizer.ask(&self.context(id)).unwrap();
        self.pending.push(PendingTrial { id, configuration });
        self.next += 1;
    }

    /// Tells the oldest pending trial, each fifth as failed.
    fn tell(&mut self, optimizer: &mut ActorCriticSearch) {
        let PendingTrial { id, configuration } = self.pending.remove(0);
        let outcome = match id.0 % 5 {
            4 => Outcome::Failed("broken".into()),
            _ => {
                let depth = configuration.float("depth").unwrap_or(0.0);
                let score = Direction::Minimize.score((depth - 3.0).abs() + id.0 as f64 * 0.01);
                Outcome::Complete(score.unwrap())
            }
        };
        let trial = Trial { id, configuration, outcome };
        self.history.push(trial.clone());
        optimizer.tell(&trial, &self.context(id)).unwrap();
    }

    fn go_on(&mut self, optimizer: &mut ActorCriticSearch, trials: usize) {
        for _ in 0..trials {
            while self.pending.len() < 3 {
                self.ask(optimizer);
            }
            self.tell(optimizer);
        }
    }
}

/// One of every kind, small.
fn strategies() -> Vec<ContinuousControl> {
    let few = ActionCandidates {
        scattered: 8,
        around_anchor: 2,
        around_actor: 2,
        polish_steps: 2,
        ..ActionCandidates::default()
    };
    let by = |exploration| Acting::Candidates { exploration, candidates: few.clone() };
    let hidden = vec![4];
    let td3 = Td3 { hidden: hidden.clone(), batch: 4, critics: 3, ..Td3::tuned() };
    let small = |agent: ActorCriticConfig| ContinuousControl {
        updates_per_trial: 2,
        design_trials: Some(3),
        ..ContinuousControl::of(agent)
    };
    let history = ContinuousSelect { state: SelectState::History, horizon: Some(5) };
    let walk = ContinuousRefine { from: MoveFrom::Current, ..ContinuousRefine::default() };
    vec![
        ContinuousControl {
            acting: by(Exploration::Ucb(Ucb::default())),
            dyna: Some(Dyna {
                imagined_per_trial: 4,
                model: ContinuousValueConfig::Critics(Critics {
                    hidden: hidden.clone(),
                    updates_per_trial: 2,
                    ..Critics::default()
                }),
            }),
            ..small(td3.clone().into())
        },
        ContinuousControl {
            framing: ContinuousFramingConfig::Select(history),
            replay: ReplayConfig::Prioritized(Prioritized::default()),
            discount: 0.5,
            ..small(Ddpg { hidden: hidden.clone(), ..Ddpg::tuned() }.into())
        },
        ContinuousControl {
            framing: ContinuousFramingConfig::Refine(walk),
            discount: 0.9,
            encoding: ActionEncoding::Ordinal,
            ..small(Sac { hidden, ..Sac::tuned() }.into())
        },
        ContinuousControl {
            framing: ContinuousFramingConfig::Refine(ContinuousRefine::default()),
            acting: by(Exploration::Thompson(Thompson::default())),
            ..small(td3.into())
        },
    ]
}

fn build(strategy: &ContinuousControl) -> ActorCriticSearch {
    strategy.build(&Problem::new(space()), Streams::new(1)).unwrap()
}

#[test]
fn no_damage_to_a_snapshot_makes_a_study_panic() {
    for strategy in strategies() {
        let mut run = Run::new(space());
        let mut optimizer = build(&strategy);
        run.go_on(&mut optimizer, 7);
        let mut snapshot = Snapshot::default();
        optimizer.save("o", &mut snapshot).unwrap();
        let mut refused = 0;
        let mut try_out = |what: &str, damaged: &Snapshot| {
            // Shown where the following panics.
            println!("{what}");
            let mut optimizer = build(&strategy);
            match optimizer.load("o", damaged) {
                Ok(()) => run.clone().go_on(&mut optimizer, 3),
                Err(Error::Snapshot { .. }) => refused += 1,
                // The one setting that snapshots hold.
                Err(Error::Setting { owner, .. }) if owner == "adam" => refused += 1,
                Err(other) => panic!("{what}: {other}"),
            }
        };
        try_out("whole", &snapshot);
        for path in snapshot.json().keys() {
            let (at, key) = path.rsplit_once('/').unwrap();
            for value in [serde_json::json!(0), serde_json::json!(u64::MAX), serde_json::json!("x")]
            {
                let mut damaged = snapshot.clone();
                damaged.put(at, key, &value).unwrap();
                try_out(&format!("{path} = {value}"), &damaged);
            }
        }
        let bytes = snapshot.arrays_to_bytes().unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        for path in file.names() {
            let (at, key) = path.rsplit_once('/').unwrap();
            let others = match snapshot.array(at, key).unwrap() {
                Array::F32(values) => {
                    vec![Array::F32(vec![f32::NAN; values.len()]), Array::F32(vec![0.5; 3])]
                }
                Array::F64(values) => {
                    vec![Array::F64(vec![f64::INFINITY; values.len()]), Array::F64(vec![0.5; 1])]
                }
                Array::U64(values) => vec![
                    Array::U64(vec![u64::MAX; values.len()]),
                    Array::U64(vec![1000; values.len()]),
                    Array::U64(values[..values.len().saturating_sub(1)].to_vec()),
                    Array::U64([values.as_slice(), &[0]].concat()),
                ],
            };
            for array in others {
                let mut damaged = snapshot.clone();
                damaged.put_array(at, key, array.clone());
                try_out(&format!("{path} = {array:?}"), &damaged);
            }
        }
        assert!(refused > 30, "{refused}");
    }
}

#[test]
fn a_transition_of_no_trial_is_refused_by_name() {
    let strategy = &strategies()[1];
    let mut run = Run::new(space());
    let mut optimizer = build(strategy);
    run.go_on(&mut optimizer, 7);
    let mut snapshot = Snapshot::default();
    optimizer.save("o", &mut snapshot).unwrap();
    snapshot.put_array("o", "scores", Array::F64(vec![0.0; 6]));
    assert_eq!(
        build(strategy).load("o", &snapshot).unwrap_err().to_string(),
        "snapshot: `o/transitions/trials`: a transition of trial 6 of 6"
    );
}

#[test]
fn nothing_is_tried_twice_while_something_is_left() {
    let space =
        SearchSpace::new([Parameter::categorical("a", ["x", "y", "z"]), Parameter::int("b", 1, 4)])
            .unwrap();
    for strategy in strategies() {
        let mut optimizer = strategy.build(&Problem::new(space.clone()), Streams::new(1)).unwrap();
        let mut run = Run::new(space.clone());
        run.go_on(&mut optimizer, 9);
        assert_eq!(run.pending.len(), 2);
        run.ask(&mut optimizer);
        let tried = run.history.trials().iter().map(|trial| &trial.configuration);
        let all: HashSet<_> = tried.chain(run.pending.iter().map(|p| &p.configuration)).collect();
        assert_eq!(all.len(), 12);
        run.go_on(&mut optimizer, 5);
    }
}

#[test]
fn proposals_are_rows_of_the_problems_grid() {
    let space = space();
    let grid = Arc::new(Grid::new(&space, GridSize::AtMost(40)).unwrap());
    let problem = Problem { grid: Some(Arc::clone(&grid)), ..Problem::new(space.clone()) };
    for strategy in strategies() {
        let mut optimizer = strategy.build(&problem, Streams::new(1)).unwrap();
        let mut run = Run::new(space.clone());
        run.go_on(&mut optimizer, 12);
        for trial in run.history.trials() {
            assert!(grid.position(&trial.configuration).is_some(), "{}", trial.configuration);
        }
    }
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let refused = |change: &dyn Fn(&mut ContinuousControl)| {
        let mut strategy = ContinuousControl::of(Ddpg::tuned());
        change(&mut strategy);
        strategy.build(&Problem::new(space()), Streams::new(1)).err().unwrap().to_string()
    };
    let by = |exploration: Exploration, candidates: ActionCandidates| {
        move |strategy: &mut ContinuousControl| {
            strategy.acting = Acting::Candidates {
                exploration: exploration.clone(),
                candidates: candidates.clone(),
            };
        }
    };
    let default = ActionCandidates::default;
    assert_eq!(
        refused(&by(Exploration::Thompson(Thompson::default()), default())),
        "exploration `thompson` cannot be built: thompson needs a spread, which value function `ddpg` does not supply"
    );
    let spread = Ucb { bonus: Bonus::Spread, ..Ucb::default() };
    assert!(refused(&by(Exploration::Ucb(spread), default())).contains("ucb needs a spread"));
    assert!(refused(&by(Exploration::Ucb(Ucb::default()), default())).contains("ucb needs"));
    let greedy = Exploration::Greedy(crate::explore::Greedy::default());
    for (candidates, setting) in [
        (ActionCandidates { scattered: 0, around_actor: 0, ..default() }, "`scattered`"),
        (ActionCandidates { scattered: usize::MAX, ..default() }, "`scattered`"),
        (ActionCandidates { anchors: usize::MAX, ..default() }, "`scattered`"),
        (ActionCandidates { polished: 5000, ..default() }, "`polished`"),
        (ActionCandidates { polish_rate: f32::NAN, ..default() }, "`polish-rate`"),
    ] {
        let message = refused(&by(greedy.clone(), candidates));
        assert!(message.contains(setting), "{message}");
    }
    for discount in [-0.1, 1.1, f32::NAN] {
        let message = refused(&|strategy| strategy.discount = discount);
        assert!(message.contains("`discount` must be in [0, 1]"), "{message}");
    }
    assert!(refused(&|s| s.updates_per_trial = usize::MAX).contains("`updates-per-trial`"));
    let dyna = |dyna: Dyna| refused(&move |strategy| strategy.dyna = Some(dyna.clone()));
    assert!(
        dyna(Dyna { imagined_per_trial: 0, ..Dyna::default() }).contains("`imagined-per-trial`")
    );
    let model = ContinuousValueConfig::Critics(Critics { members: 0, ..Critics::default() });
    assert!(dyna(Dyna { model, ..Dyna::default() }).contains("`members`"));
}

#[test]
fn the_critics_of_a_selecting_agent_know_the_better_half() {
    // A step function of one number: what is learned must order the two halves.
    let space = SearchSpace::new([Parameter::float("x", 0.0, 1.0)]).unwrap();
    let strategy =
        ContinuousControl { design_trials: Some(8), ..ContinuousControl::of(Td3::tuned()) };
    let mut optimizer = strategy.build(&Problem::new(space.clone()), Streams::new(1)).unwrap();
    let mut run = Run::new(space);
    for _ in 0..14 {
        run.ask(&mut optimizer);
        let PendingTrial { id, configuration } = run.pending.remove(0);
        let score = f64::from(u8::from(configuration.float("x").unwrap() > 0.5));
        let outcome = Outcome::Complete(Direction::Maximize.score(score).unwrap());
        let trial = Trial { id, configuration, outcome };
        run.history.push(trial.clone());
        optimizer.tell(&trial, &run.context(id)).unwrap();
    }
    let mut values = Vec::new();
    optimizer.agent.values(&[1.0, -0.6, 1.0, 0.6], 2, &mut values);
    assert!(values[1] > values[0] && values[3] > values[2], "{values:?}");
}
