//! Agents trained over a corpus: the learned prior against dense linear algebra, policies on disk, the
//! measurement of transfer.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use hyperq::agent::HypRl;
use hyperq::experiment::{Entrant, Pair, trials_csv};
use hyperq::meta::{
    Belief, Contender, ControlAgent, Corpus, LearnedPrior, MetaAgent, Points, Policy, PolicyStudy,
    PriorAgent, PriorSettings, RecurrentAgent, Split, Target, Training, Transfer, registered,
};
use hyperq::optimizer::Problem;
use hyperq::prelude::*;
use hyperq::streams::Streams;
use serde::Deserialize;

// ---- A corpus made here ---------------------------------------------------------------------------

/// Tasks over a grid of two numbers and a choice: a bump whose place is the task's meta-feature, on a level and
/// of a height that differ from task to task.
fn corpus_directory(tasks: usize, first: usize) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    std::fs::create_dir(path.join("tasks")).unwrap();
    let space = r#"{"name": "bumps", "objective": {"name": "accuracy", "direction": "maximize"},
        "parameters": [{"name": "x", "type": "float", "low": 0.0, "high": 1.0},
        {"name": "rate", "type": "float", "low": 0.001, "high": 1.0, "log": true},
        {"name": "kind", "type": "categorical", "choices": ["plain", "deep"]}]}"#;
    std::fs::write(path.join("space.json"), space).unwrap();
    let mut meta = "task,place,size\n".to_owned();
    for task in first..first + tasks {
        let place = 0.3 + 0.4 * (task * 5 % 8) as f64 / 8.0;
        meta.push_str(&format!("t{task},{place},{}\n", task % 3));
        let mut rows = "x,rate,kind,accuracy\n".to_owned();
        for i in 0..8 {
            for (j, rate) in [0.001, 0.01, 0.1, 1.0].into_iter().enumerate() {
                for (k, kind) in ["plain", "deep"].into_iter().enumerate() {
                    let x = f64::from(i) / 7.0;
                    let bump = (-(x - place).powi(2) / 0.1).exp();
                    let value = 0.3
                        + 0.02 * task as f64
                        + 0.4 * bump
                        + 0.05 * (j as f64 - 1.5 * place)
                        + 0.1 * k as f64 * bump;
                    rows.push_str(&format!("{x},{rate},{kind},{value}\n"));
                }
            }
        }
        std::fs::write(path.join(format!("tasks/t{task}.csv")), rows).unwrap();
    }
    std::fs::write(path.join("meta_features.csv"), meta).unwrap();
    directory
}

/// Settings with which training takes a moment.
fn quick(agent: &MetaAgent) -> MetaAgent {
    match agent.clone() {
        MetaAgent::Prior(agent) => {
            MetaAgent::Prior(Box::new(PriorAgent { candidates: 3, trials: 10, ..*agent }))
        }
        MetaAgent::Control(agent) => MetaAgent::Control(Box::new(ControlAgent {
            base: PriorAgent { trials: 10, ..agent.base.clone() },
            members: 2,
            episodes: 10,
            evaluate_every: 4,
            ..*agent
        })),
        MetaAgent::HypRl(agent) => MetaAgent::HypRl(Box::new(RecurrentAgent {
            network: HypRl { learning_starts: 20, hidden: 16, cells: 8, ..agent.network.clone() },
            episodes: 8,
            horizon: 10,
            ..*agent
        })),
        portfolio @ MetaAgent::Portfolio { .. } => portfolio,
    }
}

/// The problem of a task: the table's rows, direction and meta-features.
fn problem(corpus: &Corpus, task: usize) -> Problem {
    Problem {
        grid: Some(Arc::clone(corpus.grid())),
        meta_features: corpus.tasks()[task].meta_features().to_vec(),
        direction: corpus.direction(),
        ..Problem::new(corpus.space().clone())
    }
}

fn value(corpus: &Corpus, task: usize, configuration: &Configuration) -> f64 {
    let surface = &corpus.tasks()[task].surface;
    surface.evaluate(configuration, &mut Streams::new(0).at("none", 0)).unwrap()
}

// ---- The posterior --------------------------------------------------------------------------------

#[derive(Deserialize)]
struct Fixture {
    x: Vec<f64>,
    tables: Vec<Vec<f64>>,
    meta_features: Vec<Vec<f64>>,
    own: Vec<f64>,
    blend: f64,
    trials: Vec<usize>,
    scores: Vec<f64>,
    prior_mean: Vec<f64>,
    prior_variance: Vec<f64>,
    posteriors: Vec<(Vec<f64>, Vec<f64>)>,
}

/// Writes the fixture's tasks as a corpus.
fn fixture_corpus(fixture: &Fixture, directory: &Path) -> Corpus {
    std::fs::create_dir(directory.join("tasks")).unwrap();
    let space = r#"{"name": "line", "objective": {"name": "accuracy", "direction": "maximize"},
        "parameters": [{"name": "x", "type": "float", "low": 0.0, "high": 1.0}]}"#;
    std::fs::write(directory.join("space.json"), space).unwrap();
    let mut meta = "task,a,b\n".to_owned();
    for (task, (table, features)) in fixture.tables.iter().zip(&fixture.meta_features).enumerate() {
        meta.push_str(&format!("t{task},{},{}\n", features[0], features[1]));
        let mut rows = "x,accuracy\n".to_owned();
        for (x, value) in fixture.x.iter().zip(table) {
            rows.push_str(&format!("{x},{value}\n"));
        }
        std::fs::write(directory.join(format!("tasks/t{task}.csv")), rows).unwrap();
    }
    std::fs::write(directory.join("meta_features.csv"), meta).unwrap();
    Corpus::read(directory).unwrap()
}

#[track_caller]
fn close(found: &[f64], wanted: &[f64], tolerance: f64) {
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((found - wanted).abs() < tolerance, "{found} is not {wanted}");
    }
}

#[test]
fn the_posterior_agrees_with_dense_linear_algebra() {
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/belief.json")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let corpus = fixture_corpus(&fixture, directory.path());
    let prior = LearnedPrior::new(&corpus);
    let points = Points::own(&prior);
    let settings = PriorSettings { blend: fixture.blend, ..PriorSettings::default() };
    let own = prior.standardized(&fixture.own);
    let target = Target { meta_features: own.as_deref(), excluded: &[] };
    let mut belief = Belief::new(&prior, &settings, &points, target);
    // Encodings are 32-bit floats.
    close(belief.mean(), &fixture.prior_mean, 1e-9);
    close(belief.variance(), &fixture.prior_variance, 1e-6);
    assert_eq!(belief.incumbent(), None);
    for ((&point, &score), (mean, variance)) in
        fixture.trials.iter().zip(&fixture.scores).zip(&fixture.posteriors)
    {
        belief.observe(&points, point, score);
        close(belief.mean(), mean, 1e-4);
        close(belief.variance(), variance, 1e-6);
    }
    assert_eq!(belief.trials(), 4);
}

#[test]
fn an_excluded_task_is_as_one_that_was_never_there() {
    let directory = corpus_directory(6, 0);
    let corpus = Corpus::read(directory.path()).unwrap();
    let without = corpus.subset(&[0, 1, 3, 4, 5]);
    let settings = PriorSettings::default();
    let belief = |corpus: &Corpus, excluded: &[usize]| {
        let prior = LearnedPrior::new(corpus);
        let points = Points::own(&prior);
        let target = Target { meta_features: None, excluded };
        let mut belief = Belief::new(&prior, &settings, &points, target);
        belief.observe(&points, 10, 0.5);
        belief.observe(&points, 33, 0.7);
        (belief.mean().to_vec(), belief.variance().to_vec())
    };
    assert_eq!(belief(&corpus, &[2]), belief(&without, &[]));
    assert_ne!(belief(&corpus, &[]), belief(&without, &[]));
}

#[test]
fn configurations_that_no_table_has_are_served_and_may_be_told() {
    let directory = corpus_directory(6, 0);
    let corpus = Corpus::read(directory.path()).unwrap();
    let space = corpus.space().clone();
    for name in ["prior-ucb", "prior-control"] {
        let agent = quick(&MetaAgent::named(name).unwrap());
        let policy = Training::new(name, &agent, &corpus, 0).unwrap().finish().unwrap();
        // Without a grid: the tables' rows and points between them.
        let problem = Problem { direction: Direction::Maximize, ..Problem::new(space.clone()) };
        let optimizer = policy.optimizer(&problem, Streams::new(3), false).unwrap();
        let mut study = Study::builder(space.clone())
            .direction(Direction::Maximize)
            .seed(3)
            .optimizer(optimizer)
            .build()
            .unwrap();
        let mut off_grid = 0;
        for trial in 0..30 {
            let suggestion = study.ask().unwrap();
            off_grid += usize::from(corpus.grid().position(&suggestion.configuration).is_none());
            match trial % 7 {
                6 => study.fail(suggestion.id, "out of memory").unwrap(),
                5 => study.tell(suggestion.id, f64::NAN).unwrap(),
                _ => {
                    let x = suggestion.float("x").unwrap();
                    study.tell(suggestion.id, -(x - 0.43).powi(2)).unwrap();
                }
            }
        }
        let different: std::collections::HashSet<_> =
            study.history().trials().iter().map(|trial| trial.configuration.clone()).collect();
        assert_eq!(different.len(), 30, "{name} repeats itself");
        assert!(off_grid > 0, "{name} leaves the grid");
    }
}

// ---- Policies -------------------------------------------------------------------------------------

#[test]
fn a_saved_policy_and_its_study_go_on_bit_for_bit() {
    let corpora = corpus_directory(6, 0);
    let corpus = Corpus::read(corpora.path()).unwrap();
    let training = corpus.subset(&[0, 1, 2, 3, 4]);
    for registered in registered() {
        let directory = tempfile::tempdir().unwrap();
        let policy = directory.path().join("policy");
        let agent = quick(&registered.agent);
        Training::new(&registered.name, &agent, &training, 4)
            .unwrap()
            .finish()
            .unwrap()
            .save(&policy)
            .unwrap();
        for fine_tune in [false, true] {
            let begin = || {
                let strategy =
                    Strategy::Policy(PolicyStudy { directory: policy.clone(), fine_tune });
                Study::builder(corpus.space().clone())
                    .problem(problem(&corpus, 5))
                    .direction(Direction::Maximize)
                    .configured(strategy)
                    .seed(8)
                    .build()
                    .unwrap()
            };
            let go_on = |study: &mut Study| {
                for _ in 0..6 {
                    let suggestion = study.ask().unwrap();
                    let value = value(&corpus, 5, &suggestion.configuration);
                    study.tell(suggestion.id, value).unwrap();
                }
            };
            let mut whole = begin();
            go_on(&mut whole);
            go_on(&mut whole);
            let mut first = begin();
            go_on(&mut first);
            let saved = directory.path().join("study");
            first.save(&saved).unwrap();
            let mut second = Study::load(&saved).unwrap();
            go_on(&mut second);
            assert_eq!(
                whole.history().trials(),
                second.history().trials(),
                "{} with fine_tune {fine_tune}",
                registered.name
            );
        }
        // The study is not continued with another policy.
        Training::new(&registered.name, &agent, &corpus.subset(&[1, 2, 3, 4, 5]), 5)
            .unwrap()
            .finish()
            .unwrap()
            .save(&policy)
            .unwrap();
        let error = Study::load(directory.path().join("study")).unwrap_err().to_string();
        assert!(error.contains("another policy"), "{}: {error}", registered.name);
    }
}

#[test]
fn an_interrupted_training_goes_on_to_the_same_bytes() {
    let corpora = corpus_directory(6, 0);
    let corpus = Corpus::read(corpora.path()).unwrap();
    for registered in registered() {
        let agent = quick(&registered.agent);
        let [whole, parts] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        Training::new(&registered.name, &agent, &corpus, 4)
            .unwrap()
            .finish()
            .unwrap()
            .save(whole.path())
            .unwrap();
        let begin =
            || Training::resume(&registered.name, &agent, &corpus, 4, parts.path()).unwrap();
        loop {
            let mut training = begin();
            if !training.advance().unwrap() {
                training.finish().unwrap().save(parts.path()).unwrap();
                break;
            }
            training.checkpoint(parts.path()).unwrap();
            if training.step() < training.steps() {
                let error = Policy::load(parts.path()).unwrap_err().to_string();
                assert!(error.contains("is a checkpoint"), "{error}");
            }
        }
        let mut names: Vec<_> = std::fs::read_dir(whole.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names.len(), 3, "policy.json, weights and README.md");
        for name in names {
            let read = |directory: &Path| std::fs::read(directory.join(&name)).unwrap();
            assert_eq!(read(whole.path()), read(parts.path()), "{} {name:?}", registered.name);
        }
        let card = std::fs::read_to_string(whole.path().join("README.md")).unwrap();
        assert!(card.contains("6 tasks, 64 configurations, to maximize `accuracy`"), "{card}");
    }
}

#[test]
fn a_damaged_or_foreign_policy_is_refused_with_the_reason() {
    let corpora = corpus_directory(4, 0);
    let corpus = Corpus::read(corpora.path()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let agent = MetaAgent::named("prior-ucb").unwrap();
    let train = || Training::new("prior-ucb", &agent, &corpus, 0).unwrap().finish().unwrap();
    train().save(directory.path()).unwrap();
    let refused = || Policy::load(directory.path()).unwrap_err().to_string();

    let weights = directory.path().join("weights-0.safetensors");
    let good = std::fs::read(&weights).unwrap();
    let mut bytes = good.clone();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&weights, &bytes).unwrap();
    assert!(refused().contains("damaged: the checksum is"), "{}", refused());
    std::fs::write(&weights, &good[..good.len() / 2]).unwrap();
    assert!(refused().contains("checksum"), "{}", refused());
    std::fs::remove_file(&weights).unwrap();
    assert!(refused().contains("weights-0.safetensors"), "{}", refused());
    std::fs::write(&weights, &good).unwrap();

    let file = directory.path().join("policy.json");
    let text = std::fs::read_to_string(&file).unwrap();
    for (from, to, reason) in [
        ("\"format\": 1", "\"format\": 9", "has format 9; this version reads 1"),
        ("weights-0.safetensors", "../weights.safetensors", "must be a file beside it"),
        ("\"strength\": 1.0", "\"strength\": 2.0", "checksum"),
        ("\"format\": 1,", "", "missing field `format`"),
    ] {
        assert!(text.contains(from), "{from}");
        std::fs::write(&file, text.replace(from, to)).unwrap();
        assert!(refused().contains(reason), "{}", refused());
    }
    std::fs::write(&file, &text[..text.len() / 2]).unwrap();
    assert!(refused().contains("policy.json"), "{}", refused());
    std::fs::write(&file, &text).unwrap();

    let study = |space: SearchSpace, direction: Direction, meta_features: Vec<f64>| {
        Study::builder(space)
            .direction(direction)
            .meta_features(meta_features)
            .policy(directory.path())
            .build()
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    let space = corpus.space().clone();
    study(space.clone(), Direction::Maximize, vec![]).unwrap();
    let error = study(space.clone(), Direction::Minimize, vec![]).unwrap_err();
    assert!(error.contains("the policy maximizes `accuracy`, the study minimizes"), "{error}");
    let error = study(space.clone(), Direction::Maximize, vec![1.0]).unwrap_err();
    assert!(error.contains("trained with 2 meta-features, the study has 1"), "{error}");
    let changed = |replaced: usize, by: Option<Parameter>| {
        let parameters = space.parameters().iter().enumerate();
        let parameters = parameters.filter_map(|(place, parameter)| {
            if place == replaced { by.clone() } else { Some(parameter.clone()) }
        });
        let space = SearchSpace::new(parameters).unwrap();
        study(space, Direction::Maximize, vec![]).unwrap_err()
    };
    let error = changed(0, None);
    assert!(error.contains("the study lacks the parameter `x`"), "{error}");
    let error = changed(0, Some(Parameter::float("x", 0.0, 2.0)));
    assert!(error.contains("its `x` is {") && error.contains("2.0"), "{error}");
    let error = changed(0, Some(Parameter::float("y", 0.0, 1.0)));
    assert!(error.contains("the study lacks the parameter `x`"), "{error}");

    let other = corpus.subset(&[0, 1, 2]);
    let error = Training::resume("prior-ucb", &agent, &other, 0, directory.path()).err().unwrap();
    assert!(error.to_string().contains("the corpus differs"), "{error}");
    let error = Training::resume("prior-ucb", &agent, &corpus, 1, directory.path()).err().unwrap();
    assert!(error.to_string().contains("the seed differs"), "{error}");
}

// ---- As any optimizer -----------------------------------------------------------------------------

/// A space with conditions two levels deep, and one of a single configuration.
fn spaces() -> [SearchSpace; 2] {
    [
        SearchSpace::new([
            Parameter::categorical("model", ["svm", "forest"]),
            Parameter::categorical("kernel", ["rbf", "linear"]).when("model", ["svm"]),
            Parameter::float("gamma", 1e-4, 1e2).log().when("kernel", ["rbf"]),
            Parameter::int("depth", 1, 64).log().when("model", ["forest"]),
        ])
        .unwrap(),
        SearchSpace::new([Parameter::categorical("only", ["one"])]).unwrap(),
    ]
}

#[test]
fn untrained_agents_tune_any_space() {
    for registered in registered() {
        for space in spaces() {
            let mut study = Study::builder(space.clone())
                .configured(Strategy::Untrained(quick(&registered.agent)))
                .budget(25)
                .seed(2)
                .build()
                .unwrap();
            study
                .optimize(25, |trial| match trial.get("depth").ok().flatten() {
                    Some(_) => trial.int("depth").map(|depth| (depth as f64 - 7.0).abs()),
                    None => Ok(f64::INFINITY),
                })
                .unwrap();
            assert_eq!(study.history().len(), 25, "{}", registered.name);
            assert!(space.len() == 1 || study.best().is_some(), "{}", registered.name);
        }
    }
}

#[test]
fn pending_trials_differ_and_are_told_in_any_order() {
    let corpora = corpus_directory(6, 0);
    let corpus = Corpus::read(corpora.path()).unwrap();
    for registered in registered() {
        let agent = quick(&registered.agent);
        let training = Training::new(&registered.name, &agent, &corpus, 0).unwrap();
        let policy = training.finish().unwrap();
        let problem = problem(&corpus, 5);
        let optimizer = policy.optimizer(&problem, Streams::new(1), true).unwrap();
        let mut study = Study::builder(corpus.space().clone())
            .problem(problem)
            .direction(Direction::Maximize)
            .seed(1)
            .optimizer(optimizer)
            .build()
            .unwrap();
        for _ in 0..3 {
            let mut batch: Vec<_> = (0..8).map(|_| study.ask().unwrap()).collect();
            batch.reverse();
            for suggestion in batch {
                let value = value(&corpus, 5, &suggestion.configuration);
                study.tell(suggestion.id, value).unwrap();
            }
        }
        let different: std::collections::HashSet<_> =
            study.history().trials().iter().map(|trial| trial.configuration.clone()).collect();
        assert_eq!(different.len(), 24, "{}", registered.name);
    }
}

// ---- Transfer -------------------------------------------------------------------------------------

fn transfer(corpus: Corpus, split: Split, jobs: usize) -> Transfer {
    let trained = |name: &str| Contender::Trained {
        name: name.to_owned(),
        agent: quick(&MetaAgent::named(name).unwrap()),
        sources: None,
    };
    let scratch = MetaAgent::named("prior-ucb").unwrap();
    Transfer {
        corpus,
        split,
        contenders: vec![
            trained("prior-ucb"),
            trained("prior-control"),
            trained("average-rank"),
            trained("greedy-portfolio"),
            Contender::Fresh(Entrant::new("prior-ucb-scratch", Strategy::Untrained(scratch))),
            Contender::Fresh(Entrant::named("random").unwrap()),
        ],
        trials: 12,
        seeds: 2,
        seed: 1,
        jobs,
    }
}

#[test]
fn what_was_learned_on_other_tasks_beats_starting_from_scratch() {
    let directory = corpus_directory(12, 0);
    let corpus = Corpus::read(directory.path()).unwrap();
    let measure = |jobs| {
        transfer(corpus.clone(), Split::Folds(4), jobs)
            .run(&|_| (), &AtomicBool::new(false))
            .unwrap()
    };
    let results = measure(1);
    assert_eq!(results.plan.surfaces.len(), 12, "each task is held out once");
    for name in ["prior-ucb", "prior-control", "average-rank", "greedy-portfolio"] {
        for against in ["random", "prior-ucb-scratch"] {
            let pair = Pair::of(&results, name, against).unwrap();
            if name.starts_with("prior") || against == "random" {
                assert!(pair.relative_improvement > 0.0, "{name} against {against}: {pair:?}");
            }
        }
    }
    let without_times = |results| -> Vec<String> {
        let text = String::from_utf8(trials_csv(results).unwrap()).unwrap();
        text.lines().map(|line| line.rsplitn(3, ',').nth(2).unwrap().to_owned()).collect()
    };
    assert_eq!(without_times(&results), without_times(&measure(3)), "whatever the number of jobs");
}

#[test]
fn splits_hold_out_what_they_say() {
    let (first, second) = (corpus_directory(5, 0), corpus_directory(2, 5));
    let corpus = Corpus::read(first.path()).unwrap();
    let run = |split: Split| {
        let mut transfer = transfer(corpus.clone(), split, 2);
        transfer.contenders.retain(|contender| contender.name() == "average-rank");
        transfer.run(&|_| (), &AtomicBool::new(false)).map_err(|error| error.to_string())
    };
    assert_eq!(run(Split::LeaveOneOut).unwrap().plan.surfaces.len(), 5);
    let test = Corpus::read(second.path()).unwrap();
    assert_eq!(run(Split::Test(test)).unwrap().plan.surfaces.len(), 2);
    for folds in [1, 6] {
        let error = run(Split::Folds(folds)).unwrap_err();
        assert!(error.contains("`folds` must be in 2..=5"), "{error}");
    }
    let other = tempfile::tempdir().unwrap();
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/belief.json")).unwrap();
    let error = run(Split::Test(fixture_corpus(&fixture, other.path()))).unwrap_err();
    assert!(error.contains("another space or direction"), "{error}");
}

// ---- The program ----------------------------------------------------------------------------------

#[cfg(feature = "cli")]
mod program {
    use super::*;
    use std::process::{Command, Output};

    fn hyperq(arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_hyperq")).args(arguments).output().unwrap()
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn a_policy_trained_by_one_process_tunes_in_another() {
        let corpora = corpus_directory(6, 0);
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        let corpus = corpora.path().display().to_string();
        let policy = path("policy");
        let train =
            ["train", "--corpus", &corpus, "--agent", "hyp-rl", "--steps", "6", "--out", &policy];
        let output = hyperq(&train);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains("hyp-rl trained on 6 tasks"), "{output:?}");

        // Another training is refused, the same one is done already.
        let output = hyperq(&[&train[..], &["--seed", "1"]].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains("the seed differs"), "{output:?}");
        assert!(hyperq(&train).status.success());

        let config = format!(
            "[[strategy]]\nname = \"trained\"\noptimizer = \"policy\"\ndirectory = {policy:?}\n"
        );
        std::fs::write(path("compare.toml"), config).unwrap();
        let surface = format!("{corpus}#t2");
        let compare =
            ["compare", "--surface", &surface, "--trials", "8", "--seeds", "1", "--quiet"];
        let (file, out) = (path("compare.toml"), path("results"));
        let output = hyperq(&[&compare[..], &["--config", &file, "--out", &out]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let csv = std::fs::read_to_string(directory.path().join("results/trials.csv")).unwrap();
        let theirs: Vec<f64> = csv
            .lines()
            .filter(|line| line.split(',').nth(1) == Some("trained"))
            .map(|line| line.split(',').nth(4).unwrap().parse().unwrap())
            .collect();

        let corpus = Corpus::read(&corpora).unwrap();
        let seed = hyperq::experiment::run_seed(0, corpus.tasks()[2].name(), 0);
        let mut study = Study::builder(corpus.space().clone())
            .problem(problem(&corpus, 2))
            .direction(Direction::Maximize)
            .policy(&policy)
            .seed(seed)
            .build()
            .unwrap();
        study.optimize(8, |trial| value(&corpus, 2, &trial.configuration)).unwrap();
        let ours: Vec<f64> =
            study.history().trials().iter().map(|trial| study.value(trial).unwrap()).collect();
        assert_eq!(ours, theirs);
    }

    #[test]
    fn a_question_is_answered_twice_alike() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().display().to_string();
        let answer = || {
            let output = hyperq(&["reproduce", "transfer", "--quick", "--quiet", "--out", &out]);
            assert!(output.status.success(), "{}", text(&output.stderr));
            std::fs::read_to_string(directory.path().join("answers.md")).unwrap()
        };
        let first = answer();
        assert!(first.contains("Made with `--quick`: too few runs to believe."), "{first}");
        assert!(first.contains("hyperq transfer --corpus builtin:svm --folds 5"), "{first}");
        assert!(first.contains("43 surfaces."), "{first}");
        // What follows from few sources is held against all of them, and not against other agents.
        let verdict = |answer: &str, one: &str, other: &str| {
            answer
                .lines()
                .any(|line| line.starts_with(&format!("- {one} ")) && line.contains(other))
        };
        assert!(verdict(&first, "`prior-ucb-from-2`", "`prior-ucb`"), "{first}");
        assert!(!verdict(&first, "`prior-ucb-from-2`", "`average-rank`"), "{first}");
        assert!(
            verdict(&first, "`prior-ucb-from-5-diverse`", "`prior-ucb-from-5-alike`"),
            "{first}"
        );
        assert!(directory.path().join("transfer/svm/report.html").is_file());
        // Times differ from run to run, and what is compared does not.
        let verdicts = |answer: &str| -> Vec<String> {
            answer.lines().filter(|line| line.starts_with("- `")).map(str::to_owned).collect()
        };
        assert_eq!(verdicts(&first), verdicts(&answer()));
        assert!(verdicts(&first).len() > 5);
        let wrong = hyperq(&["reproduce", "nothing"]);
        assert_eq!(wrong.status.code(), Some(2), "{}", text(&wrong.stderr));
    }

    #[test]
    fn transfer_writes_a_report_with_pairs() {
        let corpora = corpus_directory(4, 0);
        let directory = tempfile::tempdir().unwrap();
        let corpus = corpora.path().display().to_string();
        let out = directory.path().join("out").display().to_string();
        let base =
            ["transfer", "--corpus", &corpus, "--trials", "5", "--seeds", "1", "--out", &out];
        let agents = ["--agent", "prior-ucb", "--agent", "average-rank", "--folds", "2"];
        let output = hyperq(&[&base[..], &agents[..]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let stdout = text(&output.stdout);
        assert!(stdout.contains("regret than from scratch; worse on"), "{stdout}");
        assert!(stdout.contains("prior-ucb-scratch") && stdout.contains("random"), "{stdout}");
        let read =
            |name: &str| std::fs::read_to_string(directory.path().join("out").join(name)).unwrap();
        assert!(read("report.html").contains("<h2>In pairs</h2>"));
        let summary: hyperq::experiment::Summary =
            serde_json::from_str(&read("summary.json")).unwrap();
        let pairs: Vec<_> =
            summary.pairs.iter().map(|p| (p.strategy.as_str(), p.against.as_str())).collect();
        assert_eq!(pairs, [("prior-ucb", "prior-ucb-scratch"), ("prior-ucb", "average-rank")]);

        let listed = text(&hyperq(&["agents", "--names"]).stdout);
        assert_eq!(listed.lines().count(), registered().len());
        assert!(text(&hyperq(&["agents"]).stdout).contains("recurrent Q-network"));
        for (wrong, reason) in [
            (vec!["--agent", "prior-ucbb"], "did you mean `prior-ucb`?"),
            (vec!["--folds", "5"], "`folds` must be in 2..=4"),
            (vec!["--sources", "2:near"], "must be a number of at least 1, alone or with"),
            (vec!["--folds", "2", "--leave-one-out"], "cannot be used with"),
            (vec!["--test", "/nowhere"], "/nowhere"),
        ] {
            let output = hyperq(&[&base[..], &wrong[..]].concat());
            assert!(!output.status.success());
            assert!(text(&output.stderr).contains(reason), "{}", text(&output.stderr));
        }
    }
}
