//! Files that were cut, changed or made up: an error that says where, or a good reading, never a panic.

use std::path::Path;

use hyperq::experiment::config::Config;
use hyperq::space::{Configuration, Parameter, SearchSpace, SpaceDocument};
use hyperq::storage::Journal;
use hyperq::study::{Study, Suggestion};
use proptest::prelude::*;

const SPACE: &str = r#"{"name": "svm", "objective": {"name": "accuracy", "direction": "maximize"}, "parameters": [
{"name": "kernel", "type": "categorical", "choices": ["rbf", 1, 2.5, true, null]},
{"name": "C", "type": "float", "low": 1e-3, "high": 64.0, "log": true},
{"name": "gamma", "type": "float", "low": 0.0, "high": 1.0, "step": 0.25, "condition": {"kernel": ["rbf"]}},
{"name": "degree", "type": "int", "low": 2, "high": 10, "condition": {"kernel": [1, 2.5]}}]}"#;

const CONFIG: &str = r#"
trials = 5
seeds = 2
surfaces = ["branin"]
[[strategy]]
name = "fine"
base = "grid"
order = "lexicographic"
size = { resolution = 9 }
[[strategy]]
name = "own"
base = "dqn-select-ucb"
"#;

/// Bytes with some of them changed, and perhaps the end cut off.
fn damaged(bytes: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    use proptest::sample::Index;
    let changes = prop::collection::vec((any::<Index>(), any::<u8>()), 0..6);
    (changes, prop::option::of(any::<Index>())).prop_map(move |(changes, end)| {
        let mut bytes = bytes.clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(end) = end {
            bytes.truncate(end.index(bytes.len()));
        }
        bytes
    })
}

/// Any JSON, with numbers beyond every range.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "[a-zA-Z]{0,6}".prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::vec(("kernel|C|gamma|degree|[a-z]{1,4}", inner), 0..4)
                .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_spaces_are_read_or_refused_with_their_place(bytes in damaged(SPACE.into())) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("space.json");
        std::fs::write(&path, bytes).unwrap();
        match SpaceDocument::read(&path) {
            Ok(document) => {
                let space = document.parameters;
                let middle = space.from_unit(&vec![0.5; space.len()]);
                prop_assert_eq!(space.from_unit(&space.to_unit(&middle)), middle);
            }
            Err(error) => prop_assert!(error.to_string().contains("space.json"), "{}", error),
        }
    }

    #[test]
    fn damaged_configurations_of_comparisons_are_read_or_refused(bytes in damaged(CONFIG.into())) {
        let text = String::from_utf8_lossy(&bytes);
        if let Err(error) = Config::parse(&text, Path::new("ablation.toml")) {
            prop_assert!(error.to_string().contains("ablation.toml"), "{}", error);
        }
    }

    #[test]
    fn made_up_configurations_are_of_the_space_or_refused(json in json()) {
        let document: SpaceDocument = serde_json::from_str(SPACE).unwrap();
        let space = document.parameters;
        if let Ok(configuration) = Configuration::from_json(&space, &json) {
            let again = serde_json::to_value(&configuration).unwrap();
            prop_assert_eq!(Configuration::from_json(&space, &again).unwrap(), configuration);
        }
        let mut study = Study::builder(space).strategy("random").build().unwrap();
        if study.enqueue(&json).is_ok() {
            study.ask().unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    /// A snapshot beside the journal only saves time: whatever becomes of it, the study goes on as it would have.
    #[test]
    fn damaged_snapshots_change_nothing(
        cut in 0.0f64..1.0,
        flips in prop::collection::vec((0.0f64..1.0, any::<u8>()), 0..3),
        arrays in any::<bool>(),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.log");
        let study = || {
            let space = SearchSpace::new([Parameter::float("x", 0.0, 1.0)]).unwrap();
            let study = Study::builder(space).strategy("table-refine-ucb").seed(4).budget(9);
            study.storage(Journal::open(&path).unwrap()).build().unwrap()
        };
        let square = |trial: &Suggestion| trial.float("x").map(|x| (x - 0.3).powi(2));
        study().optimize(3, |trial| square(trial)).unwrap();
        let mut whole = {
            let space = SearchSpace::new([Parameter::float("x", 0.0, 1.0)]).unwrap();
            Study::builder(space).strategy("table-refine-ucb").seed(4).budget(9).build().unwrap()
        };
        whole.optimize(6, |trial| square(trial)).unwrap();
        let beside = directory.path().join("s.log.hyperq");
        let worker = std::fs::read_dir(beside).unwrap().next().unwrap().unwrap().path();
        let worker = worker.join("worker-0");
        for entry in std::fs::read_dir(worker).unwrap() {
            let file = entry.unwrap().path();
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            if name == "alive" || name.starts_with("arrays") != arrays {
                continue;
            }
            let mut bytes = std::fs::read(&file).unwrap();
            for (at, byte) in &flips {
                let at = (at * bytes.len() as f64) as usize;
                bytes[at] = *byte;
            }
            if flips.is_empty() {
                bytes.truncate((cut * bytes.len() as f64) as usize);
            }
            std::fs::write(&file, bytes).unwrap();
        }
        let mut resumed = study();
        resumed.optimize(3, |trial| square(trial)).unwrap();
        prop_assert_eq!(resumed.history().len(), 6);
        prop_assert_eq!(resumed.history().trials(), whole.history().trials());
    }
}
