//! What does not fit together or lies out of range is refused when it is built, and the message says
//! what was given and what the rule is.

use hyperq::agent::QLearning;
use hyperq::explore::{Bonus, EpsilonGreedy, Exploration, Schedule, Softmax, Thompson, Ucb};
use hyperq::mdp::{FramingConfig, Refine, Reward, RewardKind, Select};
use hyperq::nn::Activation;
use hyperq::optimizer::{Discrete, Problem};
use hyperq::replay::{Prioritized, ReplayConfig};
use hyperq::space::{GridSize, Parameter, SearchSpace};
use hyperq::strategy::Strategy;
use hyperq::streams::Streams;
use hyperq::study::Study;
use hyperq::trial::Direction;
use hyperq::value::{DeepQ, Ensemble, Head, Table, Target, ValueConfig};

fn problem() -> Problem {
    Problem::new(SearchSpace::new([Parameter::float("x", 0.0, 1.0)]).unwrap())
}

fn discrete(name: &str) -> Discrete {
    match Strategy::named(name).unwrap() {
        Strategy::Q(discrete) => *discrete,
        other => panic!("{other:?} is no Q-learning"),
    }
}

/// The message with which a changed strategy is refused.
fn refused(name: &str, change: impl FnOnce(&mut Discrete)) -> String {
    let mut strategy = discrete(name);
    change(&mut strategy);
    match Strategy::Q(Box::new(strategy.clone())).build(&problem(), Streams::new(0)) {
        Ok(_) => panic!("{strategy:?} was built"),
        Err(error) => error.to_string(),
    }
}

fn refused_agent(change: impl FnOnce(&mut QLearning)) -> String {
    refused("dqn-refine-greedy", |strategy| change(&mut strategy.agent))
}

fn refused_dqn(change: impl FnOnce(&mut DeepQ)) -> String {
    let mut config = DeepQ::default();
    change(&mut config);
    refused_agent(|agent| agent.value = ValueConfig::Dqn(config))
}

fn refused_exploration(exploration: Exploration) -> String {
    refused_agent(|agent| agent.exploration = exploration)
}

fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{message}` does not say `{part}`");
    }
}

#[test]
fn thompson_sampling_needs_a_spread() {
    for value in ["table", "dqn"] {
        let message = refused(&format!("{value}-select-greedy"), |strategy| {
            strategy.agent.exploration = Exploration::Thompson(Thompson::default());
        });
        let why =
            format!("thompson needs a spread, which value function `{value}` does not supply");
        assert_says(&message, &["exploration `thompson` cannot be built", &why]);
    }
}

#[test]
fn a_bonus_needs_what_it_is_made_of() {
    for value in ["table", "dqn"] {
        let message = refused(&format!("{value}-select-ucb"), |strategy| {
            strategy.agent.exploration =
                Exploration::Ucb(Ucb { bonus: Bonus::Spread, ..Ucb::default() });
        });
        let why = format!("ucb needs a spread, which value function `{value}` does not supply");
        assert_says(&message, &[&why]);
    }
}

#[test]
fn negative_regret_needs_the_optimum() {
    let reward = Reward { kind: RewardKind::NegativeRegret, ..Reward::default() };
    let message = refused("table-select-greedy", |strategy| strategy.reward = reward);
    assert_says(&message, &["reward `negative-regret` cannot be built", "optimum is not known"]);
    let known = Problem { optimum: Some(Direction::Minimize.score(0.0).unwrap()), ..problem() };
    let strategy = Discrete { reward, ..discrete("table-select-greedy") };
    assert!(Strategy::Q(Box::new(strategy)).build(&known, Streams::new(0)).is_ok());
}

#[test]
fn dueling_streams_need_an_output_an_action() {
    let message = refused_dqn(|dqn| dqn.dueling = true);
    assert_says(&message, &["a dueling network cannot be built", "`per-action`"]);
}

#[test]
fn settings_of_q_learning_out_of_range_are_refused() {
    for discount in [-0.1, 1.1, f32::NAN, f32::INFINITY] {
        let message = refused_agent(|agent| agent.discount = discount);
        assert_says(&message, &["`discount` must be in [0, 1]", &discount.to_string()]);
    }
    for steps in [0, 1001] {
        let message = refused_agent(|agent| agent.steps = steps);
        assert_says(&message, &["`steps` must be in 1..=1000", &steps.to_string()]);
    }
    for learning_rate in [0.0, -1.0, 1.5, f32::NAN] {
        let table = Table { learning_rate, ..Table::default() };
        let message = refused_agent(|agent| agent.value = ValueConfig::Table(table));
        assert_says(&message, &["`learning-rate` must be in (0, 1]"]);
    }
    for initial in [f32::NAN, f32::INFINITY] {
        let table = Table { initial, ..Table::default() };
        let message = refused_agent(|agent| agent.value = ValueConfig::Table(table));
        assert_says(&message, &["`initial` must be finite"]);
    }
}

#[test]
fn settings_of_networks_out_of_range_are_refused() {
    for rate in [0.0, -1e-3, f32::NAN, f32::INFINITY] {
        assert_says(&refused_dqn(|dqn| dqn.learning_rate = rate), &["learning_rate", "above 0"]);
        assert_says(&refused_dqn(|dqn| dqn.gradient_clip = Some(rate)), &["clip_norm", "above 0"]);
    }
    for decay in [-1e-3, f32::NAN, f32::INFINITY] {
        assert_says(&refused_dqn(|dqn| dqn.weight_decay = decay), &["weight_decay", "at least 0"]);
    }
    for batch in [0, 65_537, usize::MAX] {
        let message = refused_dqn(|dqn| dqn.batch = batch);
        assert_says(&message, &["`batch` must be in 1..=65536", &batch.to_string()]);
    }
    for updates in [0, 100_001, usize::MAX] {
        let message = refused_dqn(|dqn| dqn.updates_per_trial = updates);
        assert_says(&message, &["`updates-per-trial` must be in 1..=100000", &updates.to_string()]);
    }
    for actions in [0, usize::MAX] {
        let message = refused_dqn(|dqn| dqn.bootstrap_actions = actions);
        assert_says(&message, &["`bootstrap-actions` must be in 1..=65536"]);
    }
    for hidden in [vec![100_000, 100_000], vec![usize::MAX], vec![usize::MAX, usize::MAX]] {
        let message = refused_dqn(|dqn| dqn.hidden = hidden);
        assert_says(&message, &["network: `hidden` must be so narrow", "67108864 weights"]);
    }
    assert_says(&refused_dqn(|dqn| dqn.hidden = vec![8, 0]), &["`hidden` must be at least 1"]);
    assert_says(&refused_dqn(|dqn| dqn.capacity = 0), &["`capacity`"]);
    assert_says(&refused_dqn(|dqn| dqn.target = Target::Every(0)), &["`target.every`"]);
    for tau in [0.0, 1.5, f32::NAN] {
        assert_says(&refused_dqn(|dqn| dqn.target = Target::Soft(tau)), &["`target.soft`"]);
    }
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_says(&refused_dqn(|dqn| dqn.count_length_scale = scale), &["`count-length-scale`"]);
    }
    let replay = |change: fn(&mut Prioritized)| {
        let mut prioritized = Prioritized::default();
        change(&mut prioritized);
        refused_dqn(|dqn| dqn.replay = ReplayConfig::Prioritized(prioritized))
    };
    assert_says(&replay(|p| p.alpha = 1.5), &["`alpha` must be in [0, 1]"]);
    assert_says(&replay(|p| p.beta = f32::NAN), &["`beta` must be in [0, 1]"]);
    assert_says(&replay(|p| p.epsilon = 0.0), &["`epsilon` must be above 0"]);
}

#[test]
fn settings_of_ensembles_out_of_range_are_refused() {
    let ensemble = |change: fn(&mut Ensemble)| {
        let mut config = Ensemble::default();
        change(&mut config);
        refused_agent(|agent| agent.value = ValueConfig::Ensemble(config))
    };
    assert_says(&ensemble(|e| e.members = 1), &["`members` must be in 2..=64, found 1"]);
    assert_says(&ensemble(|e| e.members = 65), &["`members` must be in 2..=64, found 65"]);
    assert_says(&ensemble(|e| e.prior_scale = -1.0), &["`prior-scale` must be at least 0"]);
    assert_says(&ensemble(|e| e.prior_scale = f32::NAN), &["`prior-scale` must be at least 0"]);
    assert_says(&ensemble(|e| e.bootstrap = 0.0), &["`bootstrap` must be in (0, 1]"]);
    let wide = ensemble(|e| {
        e.members = 64;
        e.network.hidden = vec![2000, 2000];
    });
    assert_says(&wide, &["network: `members` must be so few", "found 64 of "]);
    assert_says(&ensemble(|e| e.network.batch = 0), &["`batch` must be in 1..=65536"]);
}

#[test]
fn settings_of_exploration_out_of_range_are_refused() {
    for epsilon in [-0.1, 1.1, f64::NAN] {
        let epsilon = Schedule::Constant(epsilon);
        let message = refused_exploration(Exploration::EpsilonGreedy(EpsilonGreedy { epsilon }));
        assert_says(&message, &["`epsilon` must be in [0, 1]"]);
    }
    let to = |to| Schedule::Linear { from: 1.0, to, trials: 9 };
    for temperature in [0.0, -1.0, f64::NAN, f64::INFINITY].map(to) {
        let message = refused_exploration(Exploration::Softmax(Softmax { temperature }));
        assert_says(&message, &["`temperature` must be a finite number above 0"]);
    }
    let falls_to_0 = Schedule::Exponential { from: 1.0, to: 0.0, trials: 9 };
    for coefficient in [Schedule::Constant(-1.0), Schedule::Constant(f64::NAN), falls_to_0] {
        let ucb = Ucb { coefficient, ..Ucb::default() };
        assert_says(&refused_exploration(Exploration::Ucb(ucb)), &["`coefficient` must be"]);
    }
}

#[test]
fn settings_of_framings_and_grids_out_of_range_are_refused() {
    let framing = |framing| refused("dqn-select-greedy", |strategy| strategy.framing = framing);
    let select = Select { horizon: Some(0), ..Select::default() };
    assert_says(&framing(FramingConfig::Select(select)), &["`horizon` must be at least 1"]);
    let refine = Refine { horizon: 0, ..Refine::default() };
    assert_says(&framing(FramingConfig::Refine(refine)), &["`horizon` must be at least 1"]);
    let refine = Refine { patience: 0, ..Refine::default() };
    assert_says(&framing(FramingConfig::Refine(refine)), &["`patience` must be at least 1"]);
    let message = refused("dqn-select-greedy", |s| s.grid = GridSize::AtMost(0));
    assert_says(&message, &["grid: `size` must be at least 1"]);
}

#[test]
fn unusual_settings_in_range_are_not_refused() {
    let dqn = DeepQ {
        head: Head::PerAction,
        hidden: vec![],
        activation: Activation::Relu,
        layer_norm: true,
        dueling: true,
        double: false,
        huber: true,
        gradient_clip: Some(1.0),
        target: Target::Soft(1.0),
        replay: ReplayConfig::Prioritized(Prioritized::default()),
        capacity: 1,
        batch: 1,
        ..DeepQ::default()
    };
    let mut strategy = discrete("dqn-refine-softmax");
    strategy.agent =
        QLearning { value: ValueConfig::Dqn(dqn), steps: 3, discount: 1.0, ..strategy.agent };
    let mut study = Study::builder(problem().space)
        .configured(Strategy::Q(Box::new(strategy)))
        .build()
        .unwrap();
    study.optimize(12, |trial| trial.float("x")).unwrap();
}

#[test]
fn an_unknown_strategy_is_refused_with_the_nearest_name() {
    for (given, nearest) in [("dqn-select-ubc", "dqn-select-ucb"), ("sobl", "sobol")] {
        let built = Study::builder(problem().space).strategy(given).build();
        let message = built.err().unwrap().to_string();
        let hint = format!("unknown strategy `{given}`; did you mean `{nearest}`?");
        assert_says(&message, &[&hint, "`hyperq strategies` lists them all"]);
    }
}
