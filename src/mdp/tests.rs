//! Both framings, step by step against their definitions.

use super::*;
use crate::persist::Snapshot;
use crate::space::{GridSize, Parameter, SearchSpace};
use crate::streams::Streams;
use crate::trial::{Direction, History, Outcome, PendingTrial, Trial, TrialId};

/// A framing with the ledger of its study.
struct World {
    framing: Box<dyn Framing>,
    grid: Arc<Grid>,
    ledger: Ledger,
    pending: Vec<PendingTrial>,
}

impl World {
    /// Configuration `4 x + y` of integers x in 0..=2 and y in 0..=3; two meta-features.
    fn new(config: FramingConfig, budget: Option<usize>) -> Self {
        let space =
            SearchSpace::new([Parameter::int("x", 0, 2), Parameter::int("y", 0, 3)]).unwrap();
        let grid = Arc::new(Grid::new(&space, GridSize::Resolution(4)).unwrap());
        assert_eq!(grid.len(), 12);
        let problem = Problem { budget, meta_features: vec![0.0, -9.0], ..Problem::new(space) };
        Self {
            framing: config.build(&problem, Arc::clone(&grid)).unwrap(),
            ledger: Ledger::new(Arc::clone(&grid)),
            grid,
            pending: Vec::new(),
        }
    }

    fn with_context<T>(
        &mut self,
        call: impl FnOnce(&mut dyn Framing, &Context<'_>, &Ledger) -> T,
    ) -> T {
        let cx = Context {
            id: TrialId(self.ledger.len() as u64),
            space: self.grid.space(),
            history: &History::default(),
            pending: &self.pending,
            streams: Streams::new(2),
        };
        call(self.framing.as_mut(), &cx, &self.ledger)
    }

    fn situation(&mut self) -> Situation {
        self.with_context(|framing, cx, ledger| {
            framing.situation(cx, ledger, &mut cx.streams.at("test", cx.id.0))
        })
    }

    fn decide(&mut self) -> Observation {
        match self.situation() {
            Situation::Decide(observation) => observation,
            entered => panic!("{entered:?} is no decision"),
        }
    }

    fn enter(&mut self) -> usize {
        match self.situation() {
            Situation::Enter(row) => row,
            decided => panic!("{decided:?} is no way in"),
        }
    }

    /// Tells a trial, failed where it has no score.
    fn tell(&mut self, row: usize, score: Option<f64>, decided: bool) -> Option<Observation> {
        let outcome = match score {
            Some(score) => Outcome::Complete(Direction::Maximize.score(score).unwrap()),
            None => Outcome::Failed("broken".into()),
        };
        let id = TrialId(self.ledger.len() as u64);
        let configuration = self.grid.get(row).clone();
        let reached = self.ledger.push(&Trial { id, configuration, outcome });
        self.with_context(|framing, cx, ledger| framing.advance(cx, ledger, reached, decided)).next
    }

    /// A failed trial that the framing is not told of.
    fn enter_ledger(&mut self, row: usize) {
        let id = TrialId(self.ledger.len() as u64);
        let configuration = self.grid.get(row).clone();
        self.ledger.push(&Trial { id, configuration, outcome: Outcome::Failed("broken".into()) });
    }

    fn wait_for(&mut self, row: usize) {
        let configuration = self.grid.get(row).clone();
        self.pending.push(PendingTrial { id: TrialId(100 + row as u64), configuration });
    }

    /// The moves of *refine* that lead from one configuration to the others, by coordinates.
    fn moves(from: usize, to: &[usize]) -> Vec<usize> {
        let mut moves: Vec<usize> = to
            .iter()
            .map(|&to| match to as i64 - from as i64 {
                -4 => 0,
                4 => 1,
                -1 => 2,
                1 => 3,
                other => panic!("{other} is no move"),
            })
            .collect();
        moves.sort_unstable();
        moves
    }
}

fn allowed(observation: &Observation) -> Vec<usize> {
    observation.allowed.iter().collect()
}

fn assert_near(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{found:?} {expected:?}");
    assert!(
        found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-6),
        "{found:?} {expected:?}"
    );
}

// ---- Select -------------------------------------------------------------------------------------

fn select(config: Select) -> World {
    World::new(FramingConfig::Select(config), None)
}

#[test]
fn the_horizon_ends_an_episode_of_select_and_the_budget_stands_in_for_it() {
    let own = World::new(
        FramingConfig::Select(Select { horizon: Some(3), ..Select::default() }),
        Some(9),
    );
    let budget = World::new(FramingConfig::Select(Select::default()), Some(3));
    for mut world in [own, budget] {
        for episode in 0..2 {
            for step in 0..3 {
                assert_eq!(world.framing.episode(), episode);
                let next = world.tell(3 * episode as usize + step, Some(1.0), true);
                assert_eq!(next.is_none(), step == 2, "step {step} of episode {episode}");
            }
        }
    }
    // Without either it goes on.
    let mut endless = select(Select::default());
    assert!((0..12).all(|row| endless.tell(row, Some(1.0), true).is_some()));
    assert_eq!(endless.framing.episode(), 0);
}

#[test]
fn a_repeat_ends_an_episode_of_select_only_without_masking() {
    for mask_repeats in [false, true] {
        let mut world = select(Select { mask_repeats, ..Select::default() });
        assert!(world.tell(5, Some(1.0), true).is_some());
        assert!(world.tell(6, None, true).is_some());
        assert_eq!(world.tell(6, Some(1.0), true).is_none(), !mask_repeats);
        // What an earlier episode tried is no repeat.
        assert!(world.tell(5, Some(1.0), true).is_some() || mask_repeats);
        assert_eq!(world.framing.episode(), u64::from(!mask_repeats));
    }
}

#[test]
fn select_masks_what_is_tried_or_pending_until_nothing_else_is_left() {
    let mut world = select(Select::default());
    assert_eq!(world.decide().allowed.count(), 12);
    world.tell(2, Some(1.0), true);
    world.wait_for(7);
    let seen = world.tell(9, None, true).unwrap();
    assert_eq!(seen, world.decide());
    assert_eq!(allowed(&seen), [0, 1, 3, 4, 5, 6, 8, 10, 11]);
    (0..12).filter(|row| ![2, 7, 9, 11].contains(row)).for_each(|row| {
        world.tell(row, Some(0.0), true);
    });
    assert_eq!(allowed(&world.decide()), [11]);
    world.wait_for(11);
    assert_eq!(world.decide().allowed.count(), 12);
    let mut open = select(Select { mask_repeats: false, ..Select::default() });
    open.tell(2, Some(1.0), true);
    assert_eq!(open.decide().allowed.count(), 12);
}

#[test]
fn the_state_of_select_tells_the_episode_so_far() {
    let history = Select { state: SelectState::History, horizon: Some(4), ..Select::default() };
    let mut world = select(history);
    let meta = [0.0, -(10f32.ln())];
    assert_eq!((world.framing.features(), world.framing.states()), (2 + 3 + 4, 13));
    let first = world.decide();
    assert_eq!(first.state, 0);
    assert_near(&first.features, &[meta[0], meta[1], 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    // Scores 3 and 1: the mean is 2, the standard deviation (with n - 1) the root of 2.
    world.tell(6, Some(3.0), true);
    let z = 0.5f32.sqrt();
    let after_two = world.tell(11, Some(1.0), true).unwrap();
    assert_eq!(after_two.state, 12);
    // Levels lie in the middles of their parts of [-1, 1]: -2/3, 0, 2/3 and -3/4 to 3/4.
    let (x, y) = (2.0 / 3.0, 0.75);
    assert_near(&after_two.features, &[meta[0], meta[1], 0.5, -z, x, y, z, 0.0, 0.25]);
    // A failed trial is the last one, with the mean's score, and never the best.
    let failed = world.tell(0, None, true).unwrap();
    assert_eq!(failed.state, 1);
    assert_near(&failed.features, &[meta[0], meta[1], 0.75, 0.0, -x, -y, z, 0.0, 0.25]);
    // The next episode knows nothing of this one but how scores spread.
    assert_eq!(world.tell(1, Some(2.0), true), None);
    let next = world.decide();
    assert_eq!((next.state, next.features), (0, first.features));
    let last = world.tell(3, Some(2.0), true).unwrap();
    assert_near(&last.features[3..6], &last.features[6..9]);
}

#[test]
fn a_static_state_is_the_meta_features() {
    let mut world = select(Select::default());
    assert_eq!((world.framing.features(), world.framing.states()), (2, 1));
    for row in [4, 8] {
        let seen = world.tell(row, Some(row as f64), true).unwrap();
        assert_eq!(seen.state, 0);
        assert_near(&seen.features, &[0.0, -(10f32.ln())]);
    }
}

#[test]
fn a_snapshot_of_select_that_does_not_fit_the_ledger_is_refused() {
    let mut world = select(Select::default());
    (0..3).for_each(|row| drop(world.tell(row, Some(1.0), true)));
    let mut snapshot = Snapshot::default();
    world.framing.save("f", &mut snapshot).unwrap();
    let mut load = |key: &str, value: Option<usize>| {
        let mut damaged = snapshot.clone();
        damaged.put("f", key, &value).unwrap();
        world.framing.load("f", &damaged)?;
        world.framing.check_loaded("f", &world.ledger)
    };
    for (key, value, message) in [
        ("start", 4, "`f/start`: the episode began at trial 4 of 3 trials"),
        ("start", 1, "`f/best`: the episode's best is trial 0 of 3 trials"),
        ("best", 3, "`f/best`: the episode's best is trial 3 of 3 trials"),
        ("episode", 4, "`f/episode`: 4 episodes of 3 trials"),
    ] {
        assert_eq!(load(key, Some(value)).unwrap_err().to_string(), format!("snapshot: {message}"));
    }
    load("best", None).unwrap();
}

// ---- Refine -------------------------------------------------------------------------------------

fn refine(config: Refine) -> World {
    World::new(FramingConfig::Refine(config), None)
}

/// A walk that began at the given configuration.
fn walk(config: Refine, row: usize, score: f64) -> World {
    let mut world = refine(Refine { start: Start::Random, ..config });
    world.enter();
    assert_eq!(world.tell(row, Some(score), false), None);
    assert_eq!(world.decide().state, row);
    world
}

#[test]
fn a_move_is_one_step_of_one_parameter_and_others_are_masked() {
    for row in 0..12 {
        let mut world = walk(Refine::default(), row, 1.0);
        let seen = world.decide();
        assert_eq!(seen.features.len(), world.framing.features());
        assert_eq!(world.framing.actions(), 4);
        let (x, y) = (row / 4, row % 4);
        let beside: Vec<usize> =
            (0..12usize).filter(|to| (to / 4).abs_diff(x) + (to % 4).abs_diff(y) == 1).collect();
        assert_eq!(allowed(&seen), World::moves(row, &beside), "from {row}");
        for action in seen.allowed.iter() {
            let to = world.framing.targets().reached(&world.grid, row, action).unwrap();
            assert_eq!(World::moves(row, &[to]), [action]);
        }
    }
}

#[test]
fn moves_to_what_is_tried_or_pending_are_masked() {
    for mask_repeats in [true, false] {
        let mut world = walk(Refine { mask_repeats, ..Refine::default() }, 5, 1.0);
        world.wait_for(9);
        let seen = world.tell(4, Some(2.0), true).unwrap();
        assert_eq!(seen.state, 4);
        // From (1, 0) to (0, 0) and (2, 0), and back to (1, 1) where repeats are no matter.
        let open: &[usize] = if mask_repeats { &[0, 8] } else { &[0, 8, 5] };
        assert_eq!(allowed(&seen), World::moves(4, open));
        world.wait_for(0);
        let open: &[usize] = if mask_repeats { &[8] } else { &[0, 8, 5] };
        assert_eq!(allowed(&world.decide()), World::moves(4, open));
    }
}

#[test]
fn an_episode_of_refine_begins_where_start_says() {
    let mut random = refine(Refine { start: Start::Random, ..Refine::default() });
    (0..11).for_each(|row| random.enter_ledger(row));
    assert_eq!(random.enter(), 11, "the only one not tried");

    // Of the levels 0, 1, 2 and 0 to 3 the middle ones are 1 and, rounded up, 2.
    let mut center = refine(Refine { start: Start::Center, ..Refine::default() });
    let middle = center.grid.space().from_unit(&[0.5, 0.5]);
    let row = center.enter();
    assert_eq!(center.grid.get(row), &middle);
    assert_eq!(row / 4, 1);
    center.wait_for(row);
    assert_ne!(center.enter(), row, "it is being tried");

    let mut incumbent = refine(Refine::default());
    incumbent.enter();
    assert_eq!(incumbent.tell(0, Some(3.0), false), None);
    incumbent.tell(11, Some(1.0), false);
    incumbent.tell(6, None, false);
    assert_eq!(incumbent.decide().state, 0, "the best");
}

#[test]
fn the_incumbent_with_a_move_left_is_taken() {
    let mut world = refine(Refine::default());
    world.tell(0, Some(3.0), false);
    world.tell(11, Some(1.0), false);
    // Both neighbours of the best one are taken: one tried, one pending.
    world.tell(1, Some(0.0), false);
    world.wait_for(4);
    let seen = world.decide();
    assert_eq!(seen.state, 11);
    assert_eq!(allowed(&seen), World::moves(11, &[7, 10]));
    // Its score and the best one's, of 3, 1 and 0: mean 4/3, variance 7/3.
    let z = |score: f32| (score - 4.0 / 3.0) / (7.0f32 / 3.0).sqrt();
    assert_near(&seen.features, &[0.0, -(10f32.ln()), 2.0 / 3.0, 0.75, z(1.0), z(3.0)]);
}

#[test]
fn patience_counts_moves_without_a_new_best_and_the_horizon_all_moves() {
    let config = Refine { patience: 2, horizon: 4, ..Refine::default() };
    let mut world = walk(config.clone(), 0, 1.0);
    assert!(world.tell(1, Some(1.0), true).is_some(), "as good is no better");
    assert!(world.tell(2, Some(2.0), true).is_some(), "a new best: patience begins anew");
    assert!(world.tell(3, Some(1.5), true).is_some());
    assert_eq!(world.tell(7, Some(1.9), true), None);
    assert_eq!(world.framing.episode(), 1);
    world.enter();

    let mut world = walk(config.clone(), 0, 1.0);
    for (row, score) in [(1, 2.0), (2, 3.0), (3, 4.0)] {
        assert!(world.tell(row, Some(score), true).is_some());
    }
    assert_eq!(world.tell(7, Some(5.0), true), None, "the horizon");

    // The best of an earlier episode does not count.
    let mut world = walk(Refine { patience: 1, ..config }, 0, 9.0);
    assert_eq!(world.tell(1, Some(1.0), true), None);
    world.enter();
    world.tell(11, Some(2.0), false);
    assert!(world.tell(10, Some(3.0), true).is_some());
}

#[test]
fn a_failed_move_leaves_the_walk_where_it_was() {
    let mut world = walk(Refine { patience: 2, ..Refine::default() }, 5, 1.0);
    let seen = world.tell(6, None, true).unwrap();
    assert_eq!(seen.state, 5);
    assert_eq!(allowed(&seen), World::moves(5, &[1, 4, 9]));
    assert_eq!(world.tell(4, None, true), None, "both count as stalled");
}

#[test]
fn an_episode_ends_where_no_move_is_left() {
    let mut world = walk(Refine { patience: 9, ..Refine::default() }, 4, 1.0);
    world.enter_ledger(1);
    assert_eq!(world.tell(0, Some(2.0), true), None, "(0, 1) and (1, 0) are tried");
    assert_eq!(world.framing.episode(), 1);
    // A move that was pending when its episode ended begins nothing.
    assert_eq!(world.tell(8, Some(3.0), true), None);
    assert_eq!(world.framing.episode(), 1);
}

#[test]
fn every_episode_begins_at_the_incumbent_of_its_time() {
    let mut world = refine(Refine { patience: 1, ..Refine::default() });
    world.enter();
    world.tell(5, Some(1.0), false);
    assert_eq!(world.decide().state, 5);
    assert!(world.tell(6, Some(4.0), true).is_some());
    assert_eq!(world.tell(7, Some(2.0), true), None);
    assert_eq!(world.decide().state, 6, "not 7, where the walk ended");
    assert_eq!(world.tell(2, Some(3.0), true), None, "better than the last, not the best");
    assert_eq!(world.decide().state, 6);
    assert_eq!(world.framing.episode(), 2);
}

#[test]
fn a_damaged_walk_is_refused() {
    let mut world = walk(Refine { horizon: 3, patience: 2, ..Refine::default() }, 5, 1.0);
    world.tell(6, Some(0.5), true);
    let mut snapshot = Snapshot::default();
    world.framing.save("f", &mut snapshot).unwrap();
    let walk: serde_json::Value = snapshot.get("f", "walk").unwrap();
    let mut load = |key: &str, value: u64| {
        let mut damaged = walk.clone();
        damaged[key] = value.into();
        snapshot.put("f", "walk", &damaged).unwrap();
        world.framing.load("f", &snapshot).map_err(|error| error.to_string())
    };
    assert_eq!(
        load("current", 12).unwrap_err(),
        "snapshot: `f/walk`: stands at configuration 12 of a grid of 12"
    );
    for (key, value) in [("moves", 3), ("moves", u64::MAX), ("moves", 0), ("stalled", 2)] {
        let message = load(key, value).unwrap_err();
        assert!(message.contains("in an episode of at most 3 with a patience of 2"), "{message}");
    }
    assert!(load("episode", 1 << 32).unwrap_err().contains("more than any study has"));
    load("moves", 2).unwrap();
}
