//! Whole reports.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::*;
use crate::experiment::ablation::{Cell, FactorEffect, Interaction, LevelEffect, Measure};
use crate::experiment::{End, Entrant, Plan, Record, Run, run};
use crate::explore::Selection;
use crate::strategy::Strategy;
use crate::surface::Surface;

fn surfaces(names: &[&str]) -> Vec<Arc<dyn Surface>> {
    names.iter().flat_map(|name| crate::surface::open(name).unwrap()).collect()
}

fn entrants(names: &[&str]) -> Vec<Entrant> {
    names.iter().map(|name| Entrant::new(*name, Strategy::Random {})).collect()
}

/// What real runs of quick strategies give.
fn quick(strategies: usize, seeds: usize, cancelled: bool) -> Results {
    let entrant = |i: usize| match i {
        0 => Entrant::named("random").unwrap(),
        _ => Entrant::new(format!("s<{i}>"), Strategy::Sobol {}),
    };
    let plan = Plan {
        surfaces: surfaces(&["branin"]),
        strategies: (0..strategies).map(entrant).collect(),
        trials: 8,
        seeds,
        jobs: 1,
        ..Plan::default()
    };
    run(&plan, &|_| (), &AtomicBool::new(cancelled)).unwrap()
}

/// Runs whose normalized regret `regret` gives by surface, strategy, seed and trial (from 0).
fn made(
    surface_names: &[&str],
    names: &[&str],
    (seeds, trials): (usize, usize),
    regret: impl Fn(usize, usize, usize, usize) -> f64,
) -> Results {
    let plan = Plan {
        surfaces: surfaces(surface_names),
        strategies: entrants(names),
        trials,
        seeds,
        ..Plan::default()
    };
    let mut runs = Vec::new();
    for surface in 0..surface_names.len() {
        let range = plan.surfaces[surface].spec().range.unwrap();
        for strategy in 0..names.len() {
            for seed in 0..seeds {
                let record = |trial| {
                    let regret = regret(surface, strategy, seed, trial);
                    Record {
                        evaluations: 1,
                        value: Some(range.best + regret * (range.worst - range.best)),
                        repeated: strategy == 1 && trial > 0,
                        selection: (strategy == 1).then_some(Selection {
                            exploratory: trial % 4 == 0,
                            spread: 1.0 + trial as f32,
                        }),
                        ask_micros: 10.0,
                        tell_micros: 20.0,
                    }
                };
                runs.push(Run {
                    surface,
                    strategy,
                    seed,
                    records: (0..trials).map(record).collect(),
                    end: End::Finished,
                    first_failure: None,
                });
            }
        }
    }
    Results { plan, runs, interrupted: false, elapsed: Duration::ZERO }
}

const SURFACES: [&str; 4] = ["branin", "hartmann-3", "ackley-5", "levy-4"];
const NAMES: [&str; 4] = ["random", "stuck", "good", "fickle"];

/// The comparison that most tests read.
static TELLING: LazyLock<(Summary, Report)> = LazyLock::new(|| report(&telling()));

/// `good` is far better than `random`, `stuck` worse and late, and `fickle` between seeds one or the other.
fn telling() -> Results {
    made(&SURFACES, &NAMES, (5, 20), |surface, strategy, seed, trial| {
        let (time, shift) = ((trial + 1) as f64, 0.001 * (seed + 2 * surface) as f64);
        shift
            + match strategy {
                0 => 0.2 + 0.5 / time,
                1 if trial < 15 => 0.8,
                1 => 0.5,
                2 => 0.9 / (time * time),
                _ => 0.1 * (seed % 2) as f64 + 0.1 / time,
            }
    })
}

fn report(results: &Results) -> (Summary, Report) {
    let summary = Summary::of(results);
    let report = Report::of(results, &summary, &[], "hyperq compare --seed 0").unwrap();
    (summary, report)
}

fn figure<'a>(report: &'a Report, name: &str) -> &'a Figure {
    report.figures.iter().find(|figure| figure.name == name).unwrap_or_else(|| panic!("no {name}"))
}

/// The rows of a figure by the names of their columns.
fn table(figure: &Figure) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(figure.csv.as_bytes());
    reader.deserialize().collect::<std::result::Result<_, _>>().unwrap()
}

fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column} of {row:?}"))
}

/// A section of the page.
fn section<'a>(html: &'a str, id: &str) -> Option<&'a str> {
    let (_, rest) = html.split_once(&format!("<section id=\"{id}\">"))?;
    rest.split_once("</section>").map(|(section, _)| section)
}

#[test]
fn the_page_is_self_contained_and_escaped() {
    let (_, report) = report(&quick(12, 3, false));
    let html = &report.html;
    for outside in ["http://", "https://", "src=", "@import", "url(", "xmlns"] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert!(html.contains("s&lt;3&gt;") && !html.contains("s<3>"));
    assert!(html.contains("hyperq compare --seed 0"));
    assert!(html.contains("prefers-color-scheme: dark"));
    for figure in &report.figures {
        assert!(!figure.svg.contains("s<3>"));
    }
}

#[test]
fn eight_strategies_have_colours_and_random_is_one_of_them() {
    let (_, report) = report(&quick(12, 1, false));
    let surfaces = section(&report.html, "surfaces").unwrap();
    assert_eq!(surfaces.matches("<button").count(), 8);
    assert!(report.html.contains("stroke-dasharray"));
}

#[test]
fn every_section_and_figure_is_there() {
    let (_, report) = &*TELLING;
    for id in [
        "regret",
        "ranking",
        "critical-difference",
        "significance",
        "profiles",
        "speed",
        "wall-clock",
        "surfaces-by-strategies",
        "failures",
        "exploration",
        "surfaces",
        "problems",
        "reproduction",
    ] {
        assert!(section(&report.html, id).is_some(), "{id}");
        assert!(
            report.html.contains(&format!("<a href=\"#{id}\">")),
            "{id} is not in the contents"
        );
    }
    let names: Vec<&str> = report.figures.iter().map(|figure| figure.name.as_str()).collect();
    let wanted = [
        "regret",
        "critical-difference",
        "performance-profiles",
        "wall-clock-0.1s",
        "wall-clock-1s",
        "wall-clock-60s",
        "heat-map",
        "exploration",
        "distinct-configurations",
        "value-spread",
        "surface-01-branin",
        "surface-02-hartmann-3",
        "surface-03-ackley-5",
        "surface-04-levy-4",
    ];
    assert_eq!(names, wanted);
    for figure in &report.figures {
        assert!(figure.svg.starts_with("<svg xmlns=") && figure.svg.ends_with("</svg>\n"));
        assert!(
            !figure.svg.contains("\"#01") && !figure.svg.contains("\"#02"),
            "a placeholder is left"
        );
        assert!(!figure.svg.contains("var("));
        assert!(figure.csv.lines().count() > 1, "{}", figure.name);
        assert!(report.html.contains(&format!("figures/{}.csv", figure.name)));
    }
}

#[test]
fn identifiers_are_unique_and_links_lead_to_them() {
    let (_, report) = &*TELLING;
    let after = |mark: &'static str| {
        let pieces = report.html.split(mark).skip(1);
        pieces.map(|rest| rest.split('"').next().unwrap()).collect::<Vec<&str>>()
    };
    let all = after(" id=\"");
    let distinct: HashSet<&str> = all.iter().copied().collect();
    assert_eq!(all.len(), distinct.len(), "{all:?}");
    for link in after("href=\"#") {
        assert!(distinct.contains(link), "{link}");
    }
}

#[test]
fn figures_hold_the_numbers_of_the_summary() {
    let (summary, report) = &*TELLING;
    let rows = table(figure(report, "regret"));
    for strategy in &summary.strategies {
        for point in &strategy.normalized_regret {
            let row = rows
                .iter()
                .find(|row| {
                    row["strategy"] == strategy.name && row["trial"] == point.trial.to_string()
                })
                .unwrap();
            assert!((number(row, "mean_normalized_regret") - point.mean).abs() < 1e-12);
            let [low, high] = point.mean_interval.unwrap();
            assert_eq!((number(row, "interval_low"), number(row, "interval_high")), (low, high));
        }
        let last = strategy.normalized_regret.last().unwrap().mean;
        let cells: Vec<f64> = table(figure(report, "heat-map"))
            .iter()
            .filter(|row| row["strategy"] == strategy.name)
            .map(|row| number(row, "mean_normalized_regret"))
            .collect();
        assert!((cells.iter().sum::<f64>() / cells.len() as f64 - last).abs() < 1e-12);

        let rows = table(figure(report, "performance-profiles"));
        let own: Vec<_> = rows.iter().filter(|row| row["strategy"] == strategy.name).collect();
        assert_eq!(own.len(), strategy.profile.len());
        for (row, point) in own.iter().zip(&strategy.profile) {
            assert_eq!(number(row, "normalized_regret"), point.threshold);
            assert_eq!(number(row, "share_of_runs"), point.share);
        }
        let rows = table(figure(report, "wall-clock-1s"));
        let row = rows.iter().find(|row| row["strategy"] == strategy.name).unwrap();
        assert_eq!(number(row, "mean_normalized_regret"), strategy.wall_clock[1].regret);
    }
    let friedman = summary.friedman.as_ref().unwrap();
    let rows = table(figure(report, "critical-difference"));
    for (row, (name, rank)) in
        rows.iter().zip(friedman.strategies.iter().zip(&friedman.test.average_ranks))
    {
        assert_eq!((&row["strategy"], number(row, "average_rank")), (name, *rank));
    }
}

#[test]
fn diagnostics_are_counted_and_the_silent_are_named() {
    let (_, report) = &*TELLING;
    let rows = table(figure(report, "exploration"));
    assert!(rows.iter().all(|row| row["strategy"] == "stuck"), "only it compares values");
    let shares: Vec<f64> = rows.iter().map(|row| number(row, "share_of_choices")).collect();
    assert_eq!(shares[..5], [1.0, 0.0, 0.0, 0.0, 1.0]);
    let spread = table(figure(report, "value-spread"));
    assert_eq!(number(&spread[3], "standard_deviation"), 4.0);
    let distinct = table(figure(report, "distinct-configurations"));
    let of = |name: &str, trial: &str| {
        let row = distinct.iter().find(|row| row["strategy"] == name && row["trial"] == trial);
        number(row.unwrap(), "share_of_trials_so_far")
    };
    assert_eq!((of("stuck", "20"), of("good", "20")), (0.05, 1.0));
    let silent = section(&report.html, "exploration").unwrap();
    assert!(silent.contains("Without values of actions") && silent.contains("good, "));
}

#[test]
fn failures_are_named_with_their_numbers() {
    let (_, report) = &*TELLING;
    let failures = section(&report.html, "failures").unwrap();
    let of = |name: &str| -> Vec<&str> {
        failures
            .split("<tr ")
            .filter(|row| row.contains(&format!("</span>{name}</td>")))
            .map(|row| row.split("<td class=\"name\">").nth(2).unwrap().split('<').next().unwrap())
            .collect()
    };
    assert_eq!(
        of("stuck"),
        ["poor results despite many trials", "slow convergence", "repeated trials"]
    );
    assert_eq!(of("fickle"), ["high variance"]);
    assert!(of("good").is_empty() && of("random").is_empty());
    assert!(failures.contains("half of its gain after 16 of 20 trials"), "{failures}");
    assert!(failures.contains("95 % of its trials repeat a configuration"));
}

#[test]
fn effects_are_drawn_where_there_are_some() {
    let level = |name: &str, effect: f64| LevelEffect {
        level: name.to_owned(),
        mean: 0.15 + effect,
        effect,
        interval: Some([effect - 0.01, effect + 0.01]),
    };
    let factor = |name: &str, levels| FactorEffect {
        factor: name.to_owned(),
        blocks: 3,
        levels,
        p: Some(0.0001),
    };
    let cell = |interaction| Cell { mean: Some(0.1), interaction, interval: None };
    let effects = Effects {
        measure: Measure::Last,
        unit: "surface".into(),
        units: 4,
        factors: vec![
            factor("policy <p>", vec![level("ucb", -0.05), level("softmax", 0.05)]),
            factor("alone", Vec::new()),
        ],
        interactions: vec![Interaction {
            factors: ["policy <p>".into(), "value".into()],
            levels: [
                vec!["ucb".into(), "softmax".into()],
                vec!["table".into(), "a kernel with a long name".into()],
            ],
            cells: vec![
                vec![cell(Some(-0.01)), cell(Some(0.02))],
                vec![cell(None), cell(Some(0.0))],
            ],
        }],
    };
    let area = Effects { measure: Measure::Area, interactions: Vec::new(), ..effects.clone() };
    let results = telling();
    let summary = Summary::of(&results);
    let report = Report::of(&results, &summary, &[effects, area], "").unwrap();
    assert!(section(&report.html, "effects").unwrap().contains("policy &lt;p&gt;"));
    for name in ["effects", "effects-area"] {
        let rows = table(figure(&report, name));
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[1]["level"].as_str(), number(&rows[1], "effect")), ("softmax", 0.05));
    }
    let rows = table(figure(&report, "interaction-policy--p-value"));
    assert_eq!((rows.len(), rows[2]["interaction"].as_str()), (4, ""));
    assert_eq!(number(&rows[1], "interaction"), 0.02);
    assert!(section(&TELLING.1.html, "effects").is_none());
}

#[test]
fn one_strategy_one_seed_and_one_trial_suffice() {
    for (names, seeds, trials) in [(&NAMES[..1], 1, 1), (&NAMES[..2], 1, 3), (&NAMES[2..3], 2, 2)] {
        let results =
            made(&SURFACES[..1], names, (seeds, trials), |_, _, _, t| 0.5 / (t + 1) as f64);
        let (_, report) = report(&results);
        assert!(section(&report.html, "critical-difference").is_none());
        assert!(!report.html.contains("NaN") && !report.html.contains("inf,"));
        figure(&report, "surface-01-branin");
    }
}

#[test]
fn a_comparison_without_a_finished_run_still_has_a_page() {
    let (_, report) = report(&quick(2, 2, true));
    assert!(report.html.contains("was interrupted: 0 of 4 runs"));
    assert!(section(&report.html, "exploration").is_none());
    assert_eq!(report.figures.len(), 1);
}

#[test]
fn broken_runs_and_failed_trials_are_told_and_do_not_count() {
    let mut results = telling();
    for run in &mut results.runs {
        if run.strategy == 2 && run.surface == 1 {
            run.end = End::Broken("it <broke>".into());
            run.records.truncate(3);
        }
        if run.strategy == 3 {
            run.records.iter_mut().for_each(|record| record.value = None);
            run.first_failure = Some("no & no".into());
        }
    }
    let (summary, report) = report(&results);
    let problems = section(&report.html, "problems").unwrap();
    assert!(problems.contains("it &lt;broke&gt;") && problems.contains("no &amp; no"));
    assert!(section(&report.html, "ranking").unwrap().contains("(3 of 4)"));
    if let Some(friedman) = &summary.friedman {
        assert_eq!(friedman.left_out, ["good"]);
        let ranks = section(&report.html, "critical-difference").unwrap();
        assert!(ranks.contains("did not finish every surface: good"));
    }
    assert!(!report.html.contains("NaN"));
}

#[test]
fn the_report_is_written_with_its_figures() {
    let results =
        made(&SURFACES[..2], &NAMES, (2, 4), |_, s, _, t| 0.2 * s as f64 / (t + 1) as f64);
    let (_, report) = report(&results);
    let directory = tempfile::tempdir().unwrap();
    let path = report.write(directory.path()).unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), report.html);
    for figure in &report.figures {
        let read = |ending: &str| {
            let name = format!("figures/{}.{ending}", figure.name);
            std::fs::read_to_string(directory.path().join(name)).unwrap()
        };
        assert_eq!((read("svg"), read("csv")), (figure.svg.clone(), figure.csv.clone()));
    }
    let index = std::fs::read_to_string(directory.path().join("figures/index.csv")).unwrap();
    assert_eq!(index.lines().count(), report.figures.len() + 1);
}

#[test]
fn a_large_comparison_is_a_page_of_moderate_size() {
    let names: Vec<String> = (0..20).map(|i| format!("strategy-of-a-long-name-{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let results = made(&SURFACES[..1], &names, (2, 60), |surface, s, seed, t| {
        0.01 * s as f64 + 0.9 / (t + 1 + seed + surface) as f64
    });
    let (_, report) = report(&results);
    let surfaces = section(&report.html, "surfaces").unwrap().len();
    let twenty = report.html.len() + 19 * surfaces;
    assert!(twenty < 3_000_000, "{twenty} bytes with 20 surfaces");
}
