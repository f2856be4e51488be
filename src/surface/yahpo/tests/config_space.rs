//! Spaces that ConfigSpace wrote.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::space::{Choice, Parameter, SearchSpace, Value};
use crate::surface::yahpo::config_space::{fix, read};

fn space(hyperparameters: Json, conditions: Json) -> crate::Result<SearchSpace> {
    let document = json!({
        "hyperparameters": hyperparameters,
        "conditions": conditions,
        "forbiddens": [],
        "python_module_version": "0.4.18",
        "json_format_version": 0.2,
    });
    space_of(&document.to_string())
}

fn space_of(text: &str) -> crate::Result<SearchSpace> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config_space.json");
    std::fs::write(&path, text).unwrap();
    read(&path)
}

fn hyperparameters() -> Json {
    json!([
        {"name": "booster", "type": "categorical", "choices": ["tree", "linear", "dart"],
         "default": "tree", "probabilities": null},
        {"name": "rate", "type": "uniform_float", "lower": 1e-4, "upper": 1.0, "log": true,
         "default": 0.01},
        {"name": "drop", "type": "uniform_float", "lower": 0.0, "upper": 0.5, "log": false, "q": 0.1,
         "default": 0.1},
        {"name": "depth", "type": "uniform_int", "lower": 1, "upper": 15, "log": false, "default": 3},
        {"name": "rounds", "type": "uniform_int", "lower": 2, "upper": 1000, "log": true, "default": 9},
        {"name": "size", "type": "ordinal", "sequence": [8, 16, 32], "default": 8},
        {"name": "data", "type": "constant", "value": "CIFAR10"},
        {"name": "trainsize", "type": "uniform_float", "lower": 0.05, "upper": 1, "log": false},
    ])
}

#[test]
fn every_kind_of_parameter_is_read() {
    let conditions = json!([
        {"child": "drop", "parent": "booster", "type": "EQ", "value": "dart"},
        {"child": "depth", "parent": "booster", "type": "IN", "values": ["tree", "dart"]},
        {"child": "rounds", "type": "AND", "conditions": [
            {"child": "rounds", "parent": "booster", "type": "NEQ", "value": "linear"},
            {"child": "rounds", "parent": "size", "type": "IN", "values": [8, 16]},
            {"child": "rounds", "parent": "booster", "type": "IN", "values": ["linear", "tree"]},
        ]},
    ]);
    let expected = SearchSpace::new([
        Parameter::categorical("booster", ["tree", "linear", "dart"]),
        Parameter::float("rate", 1e-4, 1.0).log(),
        Parameter::float("drop", 0.0, 0.5).step(0.1).when("booster", ["dart"]),
        Parameter::int("depth", 1, 15).when("booster", ["tree", "dart"]),
        Parameter::int("rounds", 2, 1000).log().when("booster", ["tree"]).when("size", [8, 16]),
        Parameter::categorical("size", [8, 16, 32]),
        Parameter::categorical("data", ["CIFAR10"]),
        Parameter::float("trainsize", 0.05, 1.0),
    ])
    .unwrap();
    assert_eq!(space(hyperparameters(), conditions).unwrap(), expected);
}

#[test]
fn fixing_resolves_what_depends_on_it() {
    let conditions = json!([
        {"child": "drop", "parent": "booster", "type": "EQ", "value": "dart"},
        {"child": "depth", "parent": "booster", "type": "IN", "values": ["tree", "dart"]},
        {"child": "rounds", "parent": "data", "type": "EQ", "value": "CIFAR10"},
    ]);
    let whole = space(hyperparameters(), conditions).unwrap();
    let given = [("booster", Value::Category(0)), ("trainsize", Value::Float(0.5))];
    let rest = fix(&whole, &given).unwrap();
    let names: Vec<&str> =
        rest.space.parameters().iter().map(|parameter| parameter.name.as_str()).collect();
    assert_eq!(names, ["rate", "depth", "rounds", "size"], "in the order of the file");
    assert!(rest.space.parameters().iter().all(|parameter| parameter.condition.is_empty()));
    assert_eq!(rest.fixed["booster"], Some(Choice::from("tree")));
    assert_eq!(rest.fixed["data"], Some(Choice::from("CIFAR10")), "a single choice is fixed");
    assert_eq!(rest.fixed["trainsize"], Some(Choice::Float(0.5)));
    assert_eq!(rest.fixed["drop"], None, "it is never active");
    // What is never active makes its children so too.
    let chain = json!([
        {"child": "size", "parent": "booster", "type": "EQ", "value": "dart"},
        {"child": "rate", "parent": "size", "type": "IN", "values": [8, 16, 32]},
    ]);
    let whole = space(hyperparameters(), chain).unwrap();
    let rest = fix(&whole, &given).unwrap();
    assert_eq!((&rest.fixed["size"], &rest.fixed["rate"]), (&None, &None));
    let conditional = json!([
        {"child": "trainsize", "parent": "booster", "type": "EQ", "value": "dart"},
    ]);
    let whole = space(hyperparameters(), conditional).unwrap();
    let problem = fix(&whole, &given[1..]).unwrap_err();
    assert_eq!(problem.place, "hyperparameter `trainsize`");
    assert_eq!(problem.rule, "must not depend on a parameter that is searched");
    assert_eq!(fix(&whole, &given).unwrap().fixed["trainsize"], None);
}

#[test]
fn what_cannot_be_expressed_is_refused_with_its_place() {
    let refused = |hyperparameters: Json, conditions: Json| {
        space(hyperparameters, conditions).unwrap_err().to_string()
    };
    let with = |parameter: Json| refused(json!([parameter]), json!([]));
    let error = with(json!({"name": "x", "type": "normal_float", "mu": 0, "sigma": 1}));
    assert!(
        error.contains("config_space.json: hyperparameter `x`: `type` must be uniform_float"),
        "{error}"
    );
    assert!(error.ends_with("found `normal_float`"), "{error}");
    let error = with(json!({"name": "x", "type": "uniform_int", "lower": 0.5, "upper": 3}));
    assert!(error.contains("`x`: `lower` of an integer must be one, found 0.5"), "{error}");
    let error = with(json!({"name": "x", "type": "uniform_float", "lower": 0.0}));
    assert!(error.contains("hyperparameter `x`: `upper` is needed, found none"), "{error}");
    let error = with(json!({"name": "x", "type": "uniform_float", "lower": 2, "upper": 1}));
    assert!(error.contains("hyperparameter `x`: low must be below high"), "{error}");
    let error =
        with(json!({"name": "x", "type": "uniform_float", "lower": 0.0, "upper": 1, "log": true}));
    assert!(error.contains("hyperparameter `x`: a log scale needs low > 0"), "{error}");
    let when = |condition: Json| refused(hyperparameters(), json!([condition]));
    let error = when(json!({"child": "drop", "parent": "depth", "type": "EQ", "value": 3}));
    assert!(error.contains("the condition of `drop`: the parent must be categorical"), "{error}");
    let error = when(json!({"child": "drop", "parent": "size", "type": "GT", "value": 8}));
    assert!(error.contains("`drop`: `type` must be EQ, NEQ, IN or AND, found `GT`"), "{error}");
    let error = when(json!({"child": "drop", "type": "OR", "conditions": []}));
    assert!(error.contains("`drop`: `parent` is needed"), "{error}");
    let error =
        when(json!({"child": "drop", "parent": "booster", "type": "EQ", "value": "forest"}));
    assert!(error.contains("a value must be a choice of `booster`, found `forest`"), "{error}");
    let error = when(json!({"child": "dorp", "parent": "booster", "type": "EQ", "value": "dart"}));
    assert!(error.contains("must be of hyperparameters of the space, found `dorp`"), "{error}");
    let text = json!({"hyperparameters": hyperparameters(), "forbiddens": [{"name": "x"}]});
    let error = space_of(&text.to_string()).unwrap_err().to_string();
    assert!(error.contains("`forbiddens`: nothing may be forbidden, found 1"), "{error}");
    let error = space_of("{\n\"hyperparameters\": [\n,]}").unwrap_err().to_string();
    assert!(error.contains("config_space.json:3: a ConfigSpace is needed"), "{error}");
    assert!(space_of("{}").unwrap_err().to_string().contains("missing field `hyperparameters`"));
}

proptest! {
    #[test]
    fn damaged_texts_do_not_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 32..127u8), 1..4),
    ) {
        let conditions = json!([
            {"child": "drop", "parent": "booster", "type": "EQ", "value": "dart"},
        ]);
        let document = json!({"hyperparameters": hyperparameters(), "conditions": conditions});
        let mut text = document.to_string().into_bytes();
        for (place, byte) in changes {
            let place = place.index(text.len());
            text[place] = byte;
        }
        if let Ok(space) = space_of(std::str::from_utf8(&text).unwrap()) {
            let _ = fix(&space, &[("trainsize", Value::Float(0.5))]);
        }
    }
}
