//! Generations and margins against the `cmaes` package (tests/fixtures/cma_es.py), and what a study sees.

use serde::Deserialize;

use super::*;
use crate::space::{Parameter, SearchSpace};
use crate::strategy::Strategy;
use crate::streams::Streams;
use crate::study::Study;

#[derive(Deserialize)]
struct Fixture {
    runs: Vec<Run>,
    margins: Vec<Margin>,
}

#[derive(Deserialize)]
struct Run {
    dimension: usize,
    population: usize,
    sigma: f64,
    generations: Vec<Generation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Generation {
    points: Vec<Vec<f64>>,
    scores: Vec<f64>,
    mean: Vec<f64>,
    sigma: f64,
    covariance: Vec<f64>,
    path_sigma: Vec<f64>,
    path_covariance: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Margin {
    cells: i64,
    alpha: f64,
    mean: f64,
    stretch: f64,
    deviation: f64,
    corrected_mean: f64,
    corrected_stretch: f64,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../../../tests/fixtures/cma_es.json")).unwrap()
}

fn assert_close(what: &str, found: &[f64], expected: &[f64]) {
    let scale = expected.iter().fold(1e-6f64, |most, x| most.max(x.abs()));
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= 1e-10 * scale, "{what}: {found:?} and not {expected:?}");
    }
}

#[test]
fn generations_are_those_of_the_cmaes_package() {
    for run in fixture().runs {
        let mut evolution = Evolution::new(vec![0.5; run.dimension], run.sigma, run.population);
        for told in run.generations {
            let solution = |(point, &score): (&Vec<f64>, &f64)| Solution {
                point: point.clone(),
                score,
                current: true,
            };
            evolution.update(told.points.iter().zip(&told.scores).map(solution).collect());
            let mut snapshot = Snapshot::default();
            evolution.save("", &mut snapshot).unwrap();
            let n = run.dimension;
            let state = snapshot.f64s("", "state", 1 + 3 * n + n * n).unwrap();
            assert_close("sigma", &state[..1], &[told.sigma]);
            assert_close("mean", &state[1..][..n], &told.mean);
            assert_close("path of sigma", &state[1 + n..][..n], &told.path_sigma);
            assert_close("path of C", &state[1 + 2 * n..][..n], &told.path_covariance);
            assert_close("C", &state[1 + 3 * n..], &told.covariance);
        }
    }
}

#[test]
fn margins_are_those_of_the_cmaes_package() {
    for case in fixture().margins {
        let domain = Domain::Int { low: 1, high: case.cells, log: false, step: 1 };
        // Its unit interval reaches from the middle of the first cell to the middle of the last.
        let cells = case.cells as f64;
        let ours = |x: f64| (x * (cells - 1.0) + 0.5) / cells;
        let corrected = margin::correct(
            &domain,
            Corrected { mean: ours(case.mean), stretch: case.stretch },
            case.deviation * (cells - 1.0) / cells,
            case.alpha,
        );
        assert_close("mean", &[corrected.mean], &[ours(case.corrected_mean)]);
        assert_close("stretch", &[corrected.stretch], &[case.corrected_stretch]);
    }
}

#[test]
fn samples_have_the_mean_and_the_covariance_of_the_distribution() {
    let run = fixture().runs.into_iter().last().unwrap();
    let n = run.dimension;
    let mut evolution = Evolution::new(vec![0.5; n], run.sigma, run.population);
    for told in run.generations {
        let solution = |(point, score)| Solution { point, score, current: true };
        evolution.update(told.points.into_iter().zip(told.scores).map(solution).collect());
    }
    let mut rng = Streams::new(1).at("samples", 0);
    let count = 20_000;
    let samples: Vec<Vec<f64>> = (0..count).map(|_| evolution.sample(&mut rng)).collect();
    for i in 0..n {
        let mean = samples.iter().map(|x| x[i]).sum::<f64>() / f64::from(count);
        assert!((mean - evolution.mean[i]).abs() < 0.05 * evolution.deviation(i));
        for j in 0..n {
            let product = |x: &Vec<f64>| (x[i] - evolution.mean[i]) * (x[j] - evolution.mean[j]);
            let found = samples.iter().map(product).sum::<f64>() / f64::from(count);
            let expected = evolution.sigma.powi(2) * evolution.covariance[i * n + j];
            let scale = evolution.deviation(i) * evolution.deviation(j);
            assert!((found - expected).abs() < 0.05 * scale, "{i} {j}: {found} {expected}");
        }
    }
}

#[test]
fn a_discrete_coordinate_never_loses_the_values_beside_its_own() {
    // However small the deviation became.
    let domain = Domain::Int { low: 1, high: 9, log: true, step: 1 };
    let alpha = 0.05;
    for k in 0..200 {
        let mean = f64::from(k) / 199.0;
        for deviation in [1e-6, 1e-3, 0.05, 0.3] {
            let Corrected { mean: corrected, stretch } =
                margin::correct(&domain, Corrected { mean, stretch: 1.0 }, deviation, alpha);
            let (low, high) = domain.cell(domain.from_unit(mean)).unwrap();
            let below = crate::normal::cdf((low - corrected) / (stretch * deviation));
            let above = crate::normal::cdf((corrected - high) / (stretch * deviation));
            let least = alpha / 2.0 - 1e-9;
            let inner = low > 0.0 && high < 1.0;
            assert!(low == 0.0 || below >= least, "{mean} {deviation}: {below}");
            assert!(high == 1.0 || above >= least, "{mean} {deviation}: {above}");
            if !inner {
                assert!(below.max(above) >= alpha - 1e-9 || deviation > 0.05);
            }
        }
    }
}

fn study(space: SearchSpace, settings: CmaEs, seed: u64) -> Study {
    Study::builder(space).configured(settings).seed(seed).build().unwrap()
}

fn square() -> SearchSpace {
    SearchSpace::new([Parameter::float("x", -5.0, 5.0), Parameter::float("y", -5.0, 5.0)]).unwrap()
}

fn valley(trial: &Configuration) -> f64 {
    let (x, y) = (trial.float("x").unwrap(), trial.float("y").unwrap());
    100.0 * (y - x * x).powi(2) + (1.0 - x).powi(2)
}

#[test]
fn the_optimum_of_a_curved_valley_is_found() {
    for seed in 0..5 {
        let mut study = study(square(), CmaEs::default(), seed);
        study.optimize(700, |trial| valley(trial)).unwrap();
        let found = study.value(study.best().unwrap()).unwrap();
        assert!(found < 1e-6, "seed {seed}: {found}");
    }
}

#[test]
fn integers_far_from_the_middle_are_found() {
    let space = SearchSpace::new([
        Parameter::int("a", 1, 2),
        Parameter::int("b", 0, 100).step(10.0),
        Parameter::int("c", 1, 1024).log(),
        Parameter::float("x", 0.0, 1.0),
    ])
    .unwrap();
    for seed in 0..5 {
        let mut study = study(space.clone(), CmaEs::default(), seed);
        study
            .optimize(400, |trial| {
                let int = |name: &str| trial.int(name).unwrap() as f64;
                (int("a") - 2.0).powi(2)
                    + ((int("b") - 90.0) / 10.0).powi(2)
                    + (int("c") / 3.0).ln().powi(2)
                    + trial.float("x").unwrap().powi(2)
            })
            .unwrap();
        let best = &study.best().unwrap().configuration;
        assert_eq!((best.int("a").unwrap(), best.int("b").unwrap()), (2, 90), "seed {seed}");
        assert_eq!(best.int("c").unwrap(), 3, "seed {seed}");
        assert!(best.float("x").unwrap() < 0.05, "seed {seed}");
    }
}

#[test]
fn a_run_on_a_flat_score_ends_and_the_next_is_larger() {
    let problem = Problem::new(square());
    let mut search = CmaEs::default().build(&problem).unwrap();
    let mut history = crate::trial::History::default();
    let streams = Streams::new(3);
    let mut populations = Vec::new();
    for id in 0..612 {
        let id = crate::trial::TrialId(id);
        populations.push(search.evolution.population());
        let space = &problem.space;
        let configuration =
            search.ask(&Context { id, space, history: &history, pending: &[], streams }).unwrap();
        let score = crate::trial::Direction::Minimize.score(1.0).unwrap();
        let outcome = crate::trial::Outcome::Complete(score);
        let trial = Trial { id, configuration, outcome };
        history.push(trial.clone());
        let cx = Context { id, space, history: &history, pending: &[], streams };
        search.tell(&trial, &cx).unwrap();
    }
    // 10 + ceil(30 n / population) generations each.
    let trials = |population: usize| populations.iter().filter(|p| **p == population).count();
    assert_eq!([6, 12, 24].map(trials), [20 * 6, 15 * 12, 13 * 24]);
    assert_eq!(search.evolution.population(), 48);
}

#[test]
fn trials_told_late_are_learned_from_and_break_nothing() {
    // Eight at once, the oldest told last; a generation is six.
    for seed in 0..3 {
        let mut study = study(square(), CmaEs::default(), seed);
        let mut running = Vec::new();
        for _ in 0..200 {
            while running.len() < 8 {
                running.push(study.ask().unwrap());
            }
            for _ in 0..4 {
                let suggestion = running.pop().unwrap();
                study.tell(suggestion.id, valley(&suggestion.configuration)).unwrap();
            }
            running.rotate_left(2);
        }
        let found = study.value(study.best().unwrap()).unwrap();
        assert!(found < 1e-3, "seed {seed}: {found}");
    }
}

#[test]
fn settings_out_of_range_and_damaged_snapshots_are_refused() {
    let refused = |settings: CmaEs, rule: &str| {
        let error = settings.build(&Problem::new(square())).err().unwrap().to_string();
        assert_eq!(error, format!("optimizer `cma-es`: {rule}"));
    };
    let cma_es = CmaEs::default;
    refused(
        CmaEs { population: Some(3), ..cma_es() },
        "`population` must be in 4..=65536, found 3",
    );
    refused(CmaEs { sigma: 0.0, ..cma_es() }, "`sigma` must be above 0, found 0");
    refused(CmaEs { growth: 0.5, ..cma_es() }, "`growth` must be at least 1, found 0.5");

    let mut search = cma_es().build(&Problem::new(square())).unwrap();
    let mut snapshot = Snapshot::default();
    search.save("optimizer", &mut snapshot).unwrap();
    assert!(search.load("optimizer", &snapshot).is_ok());
    snapshot.put("optimizer/evolution", "population", &1).unwrap();
    let error = search.load("optimizer", &snapshot).unwrap_err().to_string();
    assert_eq!(error, "snapshot: `optimizer/evolution/population`: is out of range");
    assert_eq!(Strategy::named("cma-es").unwrap(), cma_es().into());
}
