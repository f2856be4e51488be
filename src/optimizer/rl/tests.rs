//! Damaged snapshots: refused, or harmless.

use super::*;
use crate::explore::{Exploration, Softmax, Ucb};
use crate::mdp::{Refine, Select, SelectState};
use crate::replay::{Prioritized, ReplayConfig};
use crate::space::{Parameter, SearchSpace};
use crate::trial::{Direction, History, Outcome, PendingTrial, TrialId};
use crate::value::{DeepQ, Ensemble, Table, ValueConfig};
use safetensors::SafeTensors;

/// What a study keeps beside its optimizer.
#[derive(Clone)]
struct Run {
    space: SearchSpace,
    history: History,
    pending: Vec<PendingTrial>,
    next: u64,
}

impl Run {
    fn new() -> Self {
        let space =
            SearchSpace::new([Parameter::int("x", 0, 4), Parameter::categorical("c", ["a", "b"])]);
        Self { space: space.unwrap(), history: History::default(), pending: Vec::new(), next: 0 }
    }

    fn context(&self, id: TrialId) -> Context<'_> {
        let Self { space, history, pending, .. } = self;
        Context { id, space, history, pending, streams: Streams::new(1) }
    }

    fn ask(&mut self, optimizer: &mut Reinforced) {
        let id = TrialId(self.next);
        let configuration = optimizer.ask(&self.context(id)).unwrap();
        self.pending.push(PendingTrial { id, configuration });
        self.next += 1;
    }

    /// Tells the oldest pending trial, each fifth as failed.
    fn tell(&mut self, optimizer: &mut Reinforced) {
        let PendingTrial { id, configuration } = self.pending.remove(0);
        let score = f64::from((id.0 * 7 % 11) as u32);
        let outcome = match id.0 % 5 {
            4 => Outcome::Failed("broken".into()),
            _ => Outcome::Complete(Direction::Maximize.score(score).unwrap()),
        };
        let trial = Trial { id, configuration, outcome };
        self.history.push(trial.clone());
        optimizer.tell(&trial, &self.context(id)).unwrap();
    }

    /// Two trials stay pending.
    fn go_on(&mut self, optimizer: &mut Reinforced, trials: usize) {
        for _ in 0..trials {
            while self.pending.len() < 3 {
                self.ask(optimizer);
            }
            self.tell(optimizer);
        }
    }
}

fn strategies() -> Vec<Discrete> {
    let dqn = DeepQ { hidden: vec![3], updates_per_trial: 2, batch: 4, ..DeepQ::default() };
    let prioritized = ReplayConfig::Prioritized(Prioritized::default());
    let select = Select { state: SelectState::History, mask_repeats: false, horizon: Some(5) };
    let ucb = Exploration::Ucb(Ucb::default());
    let softmax = Exploration::Softmax(Softmax::default());
    [
        (FramingConfig::Refine(Refine::default()), ValueConfig::Table(Table::default()), &ucb, 1),
        (
            FramingConfig::Select(select.clone()),
            ValueConfig::Dqn(DeepQ { replay: prioritized, ..dqn.clone() }),
            &softmax,
            3,
        ),
        (
            FramingConfig::Refine(Refine { horizon: 4, ..Refine::default() }),
            ValueConfig::Ensemble(Ensemble { members: 2, network: dqn, ..Ensemble::default() }),
            &ucb,
            2,
        ),
        (FramingConfig::Select(select), ValueConfig::Table(Table::default()), &softmax, 2),
    ]
    .map(|(framing, value, exploration, steps)| Discrete {
        framing,
        reward: Reward::default(),
        agent: QLearning { value, exploration: exploration.clone(), discount: 0.9, steps },
        grid: GridSize::Resolution(5),
        design: Design::Sobol,
        design_trials: 2,
    })
    .to_vec()
}

fn build(strategy: &Discrete, run: &Run) -> Reinforced {
    strategy.build(&Problem::new(run.space.clone()), Streams::new(1)).unwrap()
}

/// A strategy after some trials: its run and its snapshot under `o`.
fn saved(strategy: &Discrete) -> (Run, Snapshot) {
    let mut run = Run::new();
    let mut optimizer = build(strategy, &run);
    run.go_on(&mut optimizer, 7);
    let mut snapshot = Snapshot::default();
    optimizer.save("o", &mut snapshot).unwrap();
    (run, snapshot)
}

/// Every array with its path.
fn arrays(snapshot: &Snapshot) -> Vec<(String, Array)> {
    let bytes = snapshot.arrays_to_bytes().unwrap();
    let names = SafeTensors::deserialize(&bytes).unwrap();
    let array = |path: &str| {
        let (at, key) = path.rsplit_once('/').unwrap();
        snapshot.array(at, key).unwrap().clone()
    };
    names.names().into_iter().map(|path| (path.to_owned(), array(path))).collect()
}

/// The same value with one of its numbers replaced, for every number in it.
fn replaced(value: &serde_json::Value, by: u64) -> Vec<serde_json::Value> {
    match value {
        serde_json::Value::Object(object) => object
            .iter()
            .flat_map(|(key, part)| {
                replaced(part, by).into_iter().map(move |part| {
                    let mut whole = object.clone();
                    whole.insert(key.clone(), part);
                    whole.into()
                })
            })
            .collect(),
        serde_json::Value::Number(_) | serde_json::Value::Null => vec![by.into()],
        _ => vec![],
    }
}

fn damaged(array: &Array) -> Vec<Array> {
    match array {
        Array::F32(values) => {
            let cut = values[..values.len().saturating_sub(1)].to_vec();
            [vec![f32::NAN; values.len()], vec![f32::INFINITY; values.len()], cut]
                .map(Array::F32)
                .to_vec()
        }
        Array::F64(values) => {
            let cut = values[..values.len().saturating_sub(1)].to_vec();
            [vec![f64::NAN; values.len()], vec![f64::INFINITY; values.len()], cut]
                .map(Array::F64)
                .to_vec()
        }
        Array::U64(values) => {
            let mut all = vec![
                Array::U64([values.as_slice(), &[0]].concat()),
                Array::U64(values[..values.len().saturating_sub(1)].to_vec()),
            ];
            for place in 0..values.len() {
                for to in [0, values[place].wrapping_add(1), 1000, u64::MAX] {
                    let mut changed = values.clone();
                    changed[place] = to;
                    all.push(Array::U64(changed));
                }
            }
            all
        }
    }
}

#[test]
fn no_damage_to_a_snapshot_makes_a_study_panic() {
    for strategy in strategies() {
        let (run, snapshot) = saved(&strategy);
        let mut refused = 0;
        let mut try_out = |what: &str, damaged: &Snapshot| {
            // Shown where the following panics.
            println!("{what}");
            let mut optimizer = build(&strategy, &run);
            match optimizer.load("o", damaged) {
                Ok(()) => run.clone().go_on(&mut optimizer, 4),
                Err(Error::Snapshot { .. }) => refused += 1,
                // The one setting that snapshots hold.
                Err(Error::Setting { owner, .. }) if owner == "adam" => refused += 1,
                Err(other) => panic!("{what}: {other}"),
            }
        };
        try_out("whole", &snapshot);
        for (path, value) in snapshot.json() {
            let (at, key) = path.rsplit_once('/').unwrap();
            for by in [0, 1000, u64::MAX] {
                for value in replaced(value, by) {
                    let mut damaged = snapshot.clone();
                    damaged.put(at, key, &value).unwrap();
                    try_out(&format!("{path} = {value}"), &damaged);
                }
            }
        }
        for (path, array) in arrays(&snapshot) {
            let (at, key) = path.rsplit_once('/').unwrap();
            for array in self::damaged(&array) {
                let mut damaged = snapshot.clone();
                damaged.put_array(at, key, array.clone());
                try_out(&format!("{path} = {array:?}"), &damaged);
            }
        }
        assert!(refused > 100, "{refused}");
    }
}

#[test]
fn what_does_not_fit_together_is_refused_by_name() {
    let strategy = &strategies()[1];
    let (run, snapshot) = saved(strategy);
    let load = |change: &dyn Fn(&mut Snapshot)| {
        let mut damaged = snapshot.clone();
        change(&mut damaged);
        build(strategy, &run).load("o", &damaged).map_err(|error| error.to_string())
    };
    let integers = |at: &str, key: &str| match snapshot.array(at, key).unwrap() {
        Array::U64(integers) => integers.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(load(&|_| ()), Ok(()));
    let start = |snapshot: &mut Snapshot| snapshot.put("o/framing", "start", &8).unwrap();
    assert_eq!(
        load(&start).unwrap_err(),
        "snapshot: `o/framing/start`: the episode began at trial 8 of 7 trials"
    );
    // A pending decision is its trial, action, state and allowed actions.
    let mut decisions = integers("o/decisions", "integers");
    assert_eq!(decisions.len(), 2 * 4);
    decisions[2] = 11; // Ten configurations, or none yet.
    let state = |snapshot: &mut Snapshot| {
        snapshot.put_array("o/decisions", "integers", Array::U64(decisions.clone()));
    };
    assert_eq!(
        load(&state).unwrap_err(),
        "snapshot: `o/decisions`: the pending decisions do not fit this strategy"
    );
    // The ledger without its last trial: transitions point beyond it.
    let rows = integers("o/ledger", "rows")[..1].to_vec();
    let short = |snapshot: &mut Snapshot| {
        snapshot.put_array("o/ledger", "rows", Array::U64(rows.clone()));
        snapshot.put_array("o/ledger", "scores", Array::F64(vec![0.0]));
        snapshot.put("o/framing", "start", &0).unwrap();
        snapshot.put("o/framing", "best", &None::<usize>).unwrap();
        snapshot.put("o/framing", "episode", &0).unwrap();
    };
    let message = load(&short).unwrap_err();
    assert!(message.contains("`o/agent/memory`") && message.contains("of 1 trials"), "{message}");
    let infinite = |snapshot: &mut Snapshot| {
        snapshot.put_array("o/ledger", "scores", Array::F64(vec![f64::INFINITY; 7]));
    };
    assert_eq!(load(&infinite).unwrap_err(), "snapshot: `o/ledger/scores`: must be finite, or NaN");
}
