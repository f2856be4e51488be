//! Scenarios: names and options, what is wrong with directories, and the published networks against YAHPO
//! Gym's own package (tests/fixtures/yahpo.py).

mod bytes;
mod config_space;
mod network;

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::*;
use crate::streams::Streams;
use crate::surface::open;
use crate::trial::Direction;

/// A scenario with a network of its own, small and by hand.
fn scenario() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("iaml_glmnet");
    std::fs::create_dir(&directory).unwrap();
    let space = json!({
        "hyperparameters": [
            {"name": "alpha", "type": "uniform_float", "lower": 0.0, "upper": 1.0, "log": false},
            {"name": "s", "type": "uniform_float", "lower": 1e-4, "upper": 1e3, "log": true},
            {"name": "task_id", "type": "categorical", "choices": ["200", "31"]},
            {"name": "trainsize", "type": "uniform_float", "lower": 0.03, "upper": 1.0, "log": false},
        ],
        "conditions": [],
    });
    write(&root, "config_space.json", space.to_string());
    write(&root, "encoding.json", r##"{"task_id": {"#na#": 0, "200": 1, "31": 2}}"##);
    write(&root, "model.onnx", bytes::small());
    root
}

fn write(root: &tempfile::TempDir, file: &str, content: impl AsRef<[u8]>) {
    std::fs::write(root.path().join("iaml_glmnet").join(file), content).unwrap();
}

fn named(root: &tempfile::TempDir, rest: &str) -> String {
    format!("yahpo:{}/iaml_glmnet{rest}", root.path().display())
}

fn refusal(root: &tempfile::TempDir, rest: &str) -> String {
    open(&named(root, rest)).err().unwrap().to_string()
}

fn value(surface: &dyn Surface, json: Json) -> f64 {
    let at = Configuration::from_json(&surface.spec().space, &json).unwrap();
    surface.evaluate(&at, &mut Streams::new(0).at("noise", 0)).unwrap()
}

#[test]
fn a_name_opens_the_surface_of_that_name() {
    let root = scenario();
    let all = open(&named(&root, "")).unwrap();
    let names: Vec<&str> = all.iter().map(|surface| surface.spec().name.as_str()).collect();
    assert_eq!(names, [named(&root, "#31"), named(&root, "#200")], "numbers by their size");
    for rest in ["#31", "#31+target=f1", "#200+trainsize=0.5", "#31+target=auc+trainsize=0.03"] {
        let surface = open(&named(&root, rest)).unwrap().remove(0);
        assert_eq!(surface.spec().name, named(&root, rest));
    }
    // Options have one order in names; a directory may have a plus in its.
    let surface = open(&named(&root, "#31+trainsize=0.5+target=f1+noise=0.1")).unwrap().remove(0);
    assert_eq!(surface.spec().name, named(&root, "#31+target=f1+trainsize=0.5+noise=0.1"));
    std::fs::rename(root.path().join("iaml_glmnet"), root.path().join("a+b=c")).unwrap();
    std::fs::create_dir(root.path().join("x+y=z#1")).unwrap();
    let moved = root.path().join("x+y=z#1/iaml_glmnet");
    std::fs::rename(root.path().join("a+b=c"), &moved).unwrap();
    let name = format!("yahpo:{}#31", moved.display());
    assert_eq!(open(&name).unwrap()[0].spec().name, name);
    assert_eq!(open(&format!("yahpo:{}", moved.display())).unwrap().len(), 2);
}

#[test]
fn the_space_lacks_what_is_fixed_and_options_reach_the_network() {
    let root = scenario();
    let surface = open(&named(&root, "#31")).unwrap().remove(0);
    let spec = surface.spec();
    let names: Vec<&str> =
        spec.space.parameters().iter().map(|parameter| parameter.name.as_str()).collect();
    assert_eq!(names, ["alpha", "s"]);
    assert_eq!((spec.objective.as_str(), spec.direction), ("mmce", Direction::Minimize));
    assert_eq!(spec.optimum, None);
    let at = json!({"alpha": 0.25, "s": 10.0});
    let network = onnx::read(&bytes::small()).and_then(compile::compile).unwrap();
    let expected = |code, size| network.evaluate(&[code], &[0.25, 10.0, size]).unwrap();
    assert_eq!(value(&*surface, at.clone()), f64::from(expected(2, 1.0)[0]));
    for (rest, code, size, target) in
        [("#200", 1, 1.0, 0), ("#31+trainsize=0.5", 2, 0.5, 0), ("#31+target=nf", 2, 1.0, 11)]
    {
        let surface = open(&named(&root, rest)).unwrap().remove(0);
        let found = value(&*surface, at.clone());
        assert_eq!(found, f64::from(expected(code, size)[target]), "{rest}");
    }
    let surface = open(&named(&root, "#31+target=auc")).unwrap().remove(0);
    assert_eq!(surface.spec().direction, Direction::Maximize);
    let yahpo =
        Scenario::read(root.path().join("iaml_glmnet")).unwrap().surface("31", &[]).unwrap();
    let configuration = Configuration::from_json(yahpo.space(), &at).unwrap();
    let values = yahpo.evaluate_all(&configuration).unwrap();
    let expected: Vec<f64> = expected(2, 1.0).into_iter().map(f64::from).collect();
    assert_eq!(values, expected);
    assert_eq!(yahpo.targets().len(), values.len());
}

#[test]
fn the_range_is_that_of_the_sample() {
    let root = scenario();
    let surface = open(&named(&root, "#31")).unwrap().remove(0);
    let spec = surface.spec();
    let range = spec.range.unwrap();
    assert!(range.best < range.worst, "an error: {range:?}");
    let streams = Streams::new(0);
    for point in 0..200 {
        let unit = crate::optimizer::sobol_point(streams, point, spec.space.len());
        let at = spec.space.from_unit(&unit);
        let found = surface.evaluate(&at, &mut streams.at("noise", 0)).unwrap();
        assert!((range.best..=range.worst).contains(&found), "{found}");
    }
}

#[test]
fn unknown_names_and_wrong_options_are_refused() {
    let root = scenario();
    let error = open("yahpo:data/rbv2_rpert#14").err().unwrap().to_string();
    assert!(
        error.starts_with("unknown YAHPO Gym scenario `rbv2_rpert`; did you mean `rbv2_rpart`?"),
        "{error}"
    );
    assert!(error.contains("lcbench, nb301"), "{error}");
    let error = open("yahpo:no/such/rbv2_rpart#14").err().unwrap().to_string();
    assert!(error.contains("no/such/rbv2_rpart/config_space.json"), "{error}");
    let error = refusal(&root, "#32");
    assert!(error.contains("unknown instance `32`; did you mean `31`?"), "{error}");
    let error = refusal(&root, "#31+trainsise=0.5");
    assert!(error.contains("unknown option `trainsise`; did you mean `trainsize`?"), "{error}");
    assert!(error.contains("takes `+target=`, `+trainsize=`"), "{error}");
    let error = refusal(&root, "#31+noise=1+target=f1");
    assert!(error.contains("unknown option `noise`"), "{error}");
    let error = refusal(&root, "#31+target=f2");
    assert!(error.contains("unknown target `f2`; did you mean `f1`?"), "{error}");
    let error = refusal(&root, "#31+trainsize=2");
    assert!(error.contains("#31: `trainsize` must be"), "{error}");
    let error = refusal(&root, "#31+trainsize=x");
    assert!(error.contains("#31: `trainsize` must be a number, found `x`"), "{error}");
    let error = refusal(&root, "#31+target=f1+target=f1");
    assert!(error.contains("`target` must be given once, found it twice"), "{error}");
}

#[test]
fn malformed_directories_are_refused_with_file_and_place() {
    let root = scenario();
    write(&root, "encoding.json", "{\"task_id\": {\n\"200\": -1}}");
    let error = refusal(&root, "#31");
    assert!(error.contains("iaml_glmnet/encoding.json:2: an encoding"), "{error}");
    write(&root, "encoding.json", "{\"task_id\": {\"200\": 1}}");
    let error = refusal(&root, "#31");
    assert!(
        error.contains("encoding.json: parameter `task_id`: a code of `31` is needed, found none"),
        "{error}"
    );
    let root = scenario();
    write(&root, "model.onnx", &bytes::small()[..300]);
    let error = refusal(&root, "#31");
    assert!(error.contains("iaml_glmnet/model.onnx: byte "), "{error}");
    let other = bytes::model(13, [1, 3], &[], &[bytes::node("Relu", &["cont"], "y", &[])]);
    write(&root, "model.onnx", other);
    let error = refusal(&root, "#31");
    assert!(
        error.contains(
            "the network of `iaml_glmnet` must have 1 categories, 3 numbers and 12 targets, found 1 \
             categories, 3 numbers and 3 targets"
        ),
        "{error}"
    );
    let root = scenario();
    write(
        &root,
        "config_space.json",
        r#"{"hyperparameters": [{"name": "alpha", "type": "uniform_float", "lower": 0, "upper": 1}]}"#,
    );
    let error = refusal(&root, "#31");
    assert!(error.contains("hyperparameter `task_id`: `iaml_glmnet` needs it"), "{error}");
}

#[test]
fn a_value_that_is_no_number_is_a_failed_evaluation() {
    let root = scenario();
    let nodes = [
        bytes::node("Log", &["cont"], "logged", &[]),
        bytes::node(
            "Concat",
            &["logged", "cont", "cont", "cont"],
            "y",
            &[("axis", bytes::Attribute::Int(1))],
        ),
    ];
    write(&root, "model.onnx", bytes::model(13, [1, 3], &[], &nodes));
    let surface = open(&named(&root, "#31")).unwrap().remove(0);
    let space = &surface.spec().space;
    let at = Configuration::from_json(space, &json!({"alpha": 0.0, "s": 1.0})).unwrap();
    let error = surface.evaluate(&at, &mut Streams::new(0).at("noise", 0)).unwrap_err();
    assert!(error.to_string().contains("mmce must be finite, found -inf"), "{error}");
    let other = SearchSpace::new([crate::space::Parameter::float("x", 0.0, 1.0)]).unwrap();
    let error = surface
        .evaluate(&other.from_unit(&[0.5]), &mut Streams::new(0).at("noise", 0))
        .unwrap_err();
    assert!(error.to_string().contains("needs a configuration of its own space"), "{error}");
}

#[test]
fn the_facts_fit_together() {
    let names: Vec<&str> = SCENARIOS.iter().map(|facts| facts.name).collect();
    assert!(names.is_sorted(), "{names:?}");
    for facts in SCENARIOS {
        let name = facts.name;
        let inputs: Vec<&str> = facts.categorical.iter().chain(facts.numeric).copied().collect();
        let distinct: std::collections::BTreeSet<_> = inputs.iter().collect();
        assert_eq!(distinct.len(), inputs.len(), "{name}");
        assert!(facts.fidelities.iter().all(|fidelity| facts.numeric.contains(fidelity)), "{name}");
        assert!(facts.categorical.contains(&facts.instance) || name == "nb301", "{name}");
        assert!(facts.main < facts.targets.len(), "{name}");
    }
}

#[derive(Deserialize)]
struct Case {
    scenario: String,
    conditions: Json,
    parameters: Vec<String>,
    configurations: Vec<Vec<Json>>,
    targets: Vec<String>,
    values: Vec<Vec<f64>>,
}

/// The scenario of a case, with the conditions of the case.
fn with_conditions(published: &Path, case: &Case) -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let (from, to) = (published.join(&case.scenario), root.path().join(&case.scenario));
    std::fs::create_dir(&to).unwrap();
    for file in ["encoding.json", "model.onnx"] {
        std::fs::copy(from.join(file), to.join(file)).unwrap();
    }
    let text = std::fs::read_to_string(from.join("config_space.json")).unwrap();
    let mut space: Json = serde_json::from_str(&text).unwrap();
    space["conditions"] = case.conditions.clone();
    std::fs::write(to.join("config_space.json"), space.to_string()).unwrap();
    (root, to)
}

#[test]
fn predictions_are_those_of_the_published_package() {
    let Ok(data) = std::env::var("HYPERQ_DATA") else {
        println!("skipped: HYPERQ_DATA does not name the published tables");
        return;
    };
    let text = include_str!("../../../../tests/fixtures/yahpo.json");
    let cases: Vec<Case> = serde_json::from_str(text).unwrap();
    // Of all configurations of a scenario; what one data set or the inactive parameters leave of a range can
    // be less than the resolution of the networks' 32-bit floats.
    let width = |scenario: &str, target: usize| {
        let values = || {
            let of_scenario = cases.iter().filter(|case| case.scenario == scenario);
            of_scenario.flat_map(|case| case.values.iter().map(|row| row[target]))
        };
        values().fold(f64::NEG_INFINITY, f64::max) - values().fold(f64::INFINITY, f64::min)
    };
    for case in &cases {
        let (_root, directory) = with_conditions(&Path::new(&data).join("yahpo"), case);
        let scenario = Scenario::read(&directory).unwrap();
        let names: Vec<&str> = scenario.targets().iter().map(|target| target.name).collect();
        assert_eq!(names, case.targets);
        let mut worst = vec![0.0f64; names.len()];
        for (row, expected) in case.configurations.iter().zip(&case.values) {
            let (mut searched, mut options, mut instance) = (serde_json::Map::new(), vec![], "");
            for (name, value) in case.parameters.iter().zip(row) {
                if name == "task_id" {
                    instance = value.as_str().unwrap();
                } else if scenario.fidelities().contains(&name.as_str()) {
                    options.push((name.as_str(), value.to_string()));
                } else if !value.is_null() {
                    searched.insert(name.clone(), value.clone());
                }
            }
            let options: Vec<(&str, &str)> =
                options.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let surface = scenario.surface(instance, &options).unwrap();
            let at = Configuration::from_json(surface.space(), &Json::Object(searched)).unwrap();
            let found = surface.evaluate_all(&at).unwrap();
            for ((worst, found), expected) in worst.iter_mut().zip(found).zip(expected) {
                *worst = worst.max((found - expected).abs());
            }
        }
        for (target, name) in names.iter().enumerate() {
            let width = width(&case.scenario, target);
            let relative = worst[target] / width;
            println!("{} {name}: {relative:.1e} of {width}", case.scenario);
            assert!(relative < 1e-4, "{} {name}: {relative}", case.scenario);
        }
    }
}
