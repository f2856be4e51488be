//! What states tell, and when episodes end.

use super::*;
use crate::mdp::SelectState;
use crate::space::{Parameter, SearchSpace};
use crate::streams::Streams;
use crate::trial::{Direction, History, Outcome, TrialId};

fn space() -> SearchSpace {
    SearchSpace::new([Parameter::float("x", 0.0, 1.0), Parameter::float("y", 0.0, 1.0)]).unwrap()
}

fn trial(id: u64, at: [f64; 2], score: Option<f64>) -> Trial {
    let outcome = match score {
        Some(score) => Outcome::Complete(Direction::Maximize.score(score).unwrap()),
        None => Outcome::Failed("broken".into()),
    };
    Trial { id: TrialId(id), configuration: space().from_unit(&at), outcome }
}

/// A framing and the history that it sees.
struct Run {
    framing: Box<dyn ContinuousFraming>,
    space: SearchSpace,
    history: History,
}

impl Run {
    fn new(config: &ContinuousFramingConfig, budget: Option<usize>) -> Self {
        let problem = Problem { budget, ..Problem::new(space()) };
        let framing = config.build(&problem, ActionEncoding::Relaxed).unwrap();
        Self { framing, space: space(), history: History::default() }
    }

    fn observe(&mut self) -> Vec<f32> {
        let Self { framing, space, history } = self;
        let id = TrialId(history.len() as u64);
        let cx = Context { id, space, history, pending: &[], streams: Streams::new(1) };
        framing.observe(&cx)
    }

    fn tell(&mut self, at: [f64; 2], score: Option<f64>, decided: bool) -> Option<Vec<f32>> {
        let trial = trial(self.history.len() as u64, at, score);
        self.history.push(trial.clone());
        let Self { framing, space, history } = self;
        let cx = Context { id: trial.id, space, history, pending: &[], streams: Streams::new(1) };
        framing.advance(&trial, decided, &cx)
    }
}

fn refine(from: MoveFrom) -> ContinuousFramingConfig {
    ContinuousFramingConfig::Refine(ContinuousRefine { from, ..ContinuousRefine::default() })
}

#[test]
fn a_static_state_is_constant_and_an_episode_ends_at_the_budget() {
    let config = ContinuousFramingConfig::Select(ContinuousSelect::default());
    let mut run = Run::new(&config, Some(3));
    assert_eq!(run.observe(), [1.0]);
    assert_eq!(run.tell([0.1, 0.2], Some(1.0), true), Some(vec![1.0]));
    assert_eq!(run.tell([0.2, 0.2], None, true), Some(vec![1.0]));
    assert_eq!((run.tell([0.3, 0.2], Some(2.0), true), run.framing.episode()), (None, 1));
}

#[test]
fn a_state_with_history_tells_of_budget_incumbent_and_stagnation() {
    let state = SelectState::History;
    let config =
        ContinuousFramingConfig::Select(ContinuousSelect { state, ..ContinuousSelect::default() });
    let mut run = Run::new(&config, Some(10));
    let first = run.observe();
    assert_eq!((first.len(), run.framing.states()), (8, 8));
    assert_eq!(first, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    run.tell([0.5, 1.0], Some(3.0), true);
    let last = run.tell([0.1, 0.2], Some(1.0), true).unwrap();
    // Spent, since the last improvement, best, last, spread, incumbent.
    assert_eq!(last, [1.0, 0.2, 0.5, 1.0, -1.0, 0.5, 0.0, 1.0]);
}

#[test]
fn moves_start_from_the_incumbent_or_walk() {
    for from in [MoveFrom::Incumbent, MoveFrom::Current] {
        let mut run = Run::new(&refine(from), None);
        run.observe();
        assert!(!run.framing.decides(), "there is nothing to move from yet");
        run.tell([0.5, 0.5], Some(1.0), false);
        run.observe();
        let to = |run: &Run, action: [f32; 2]| space().to_unit(&run.framing.decode(&action));
        let near = |found: Vec<f64>, expected: [f64; 2]| {
            assert!(found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-6), "{found:?}");
        };
        near(to(&run, [1.0, -0.5]), [0.7, 0.4]);
        // A worse one: the walk goes on from there, the other does not.
        assert!(run.tell([0.7, 0.4], Some(0.0), true).is_some());
        run.observe();
        let expected = if from == MoveFrom::Incumbent { [0.5, 0.5] } else { [0.7, 0.4] };
        near(to(&run, [0.0, 0.0]), expected);
        // The second in a row ends the episode, and the next begins at the best.
        assert_eq!(run.tell([0.6, 0.4], None, true), None);
        assert_eq!(run.framing.episode(), 1);
        run.observe();
        near(to(&run, [0.0, 0.0]), [0.5, 0.5]);
    }
}

#[test]
fn a_failed_first_trial_leaves_nothing_to_move_from() {
    let mut run = Run::new(&refine(MoveFrom::Incumbent), None);
    run.observe();
    assert_eq!(run.tell([0.5, 0.5], None, false), None);
    let state = run.observe();
    assert!(!run.framing.decides() && state.iter().all(|x| x.is_finite()));
}

#[test]
fn settings_out_of_range_are_refused() {
    let refused = |config: ContinuousFramingConfig| {
        let problem = Problem::new(space());
        config.build(&problem, ActionEncoding::Relaxed).err().unwrap().to_string()
    };
    let select = ContinuousSelect { horizon: Some(0), ..ContinuousSelect::default() };
    assert!(refused(ContinuousFramingConfig::Select(select)).contains("`horizon`"));
    for reach in [0.0, 1.5, f64::NAN] {
        let refine = ContinuousRefine { reach, ..ContinuousRefine::default() };
        let message = refused(ContinuousFramingConfig::Refine(refine));
        assert!(message.contains("`reach` must be in (0, 1], found"), "{message}");
    }
    let refine = ContinuousRefine { patience: 0, ..ContinuousRefine::default() };
    assert!(refused(ContinuousFramingConfig::Refine(refine)).contains("`patience`"));
}
