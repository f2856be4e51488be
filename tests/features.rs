//! Meta-features of real data sets, next to pymfe's.

use std::path::{Path, PathBuf};

use hyperq::meta::features::{DataSet, MetaFeatures};
use serde_json::Value;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn expected() -> Value {
    serde_json::from_str(&std::fs::read_to_string(fixture("features.json")).unwrap()).unwrap()
}

/// Compares with what is expected and says how many were.
fn compare(found: &MetaFeatures, wanted: &Value, tolerance: f64) -> usize {
    let wanted = wanted.as_object().unwrap();
    for (name, wanted) in wanted {
        let name = name.as_str();
        assert!(found.names().any(|known| known == name), "{name} is no feature");
        let value = found.get(name);
        let near = |a: f64, b: f64| (a - b).abs() <= tolerance * b.abs().max(1.0);
        let agree = match (value, wanted.as_f64()) {
            (Some(value), Some(wanted)) => near(value, wanted),
            (value, wanted) => value == wanted,
        };
        assert!(agree, "{name}: {value:?}, expected {wanted}");
    }
    wanted.len()
}

/// The penguins without the rows in which a cell is missing.
fn complete_penguins() -> DataSet {
    let text = std::fs::read_to_string(fixture("features/penguins.csv")).unwrap();
    let complete: Vec<&str> =
        text.lines().filter(|line| !line.split(',').any(|cell| cell == "NA")).collect();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("penguins.csv");
    std::fs::write(&path, complete.join("\n")).unwrap();
    DataSet::read_csv(path, "species").unwrap()
}

fn data(name: &str) -> DataSet {
    match name {
        "iris" => DataSet::read_csv(fixture("features/iris.csv"), "species").unwrap(),
        "wine" => DataSet::read_csv(fixture("features/wine.csv"), "cultivar").unwrap(),
        _ => complete_penguins(),
    }
}

#[test]
fn features_are_those_of_pymfe() {
    let expected = expected();
    for name in ["iris", "wine", "penguins"] {
        let found = MetaFeatures::of(&data(name));
        // Folds, ties and all: the accuracies are the same ones.
        assert_eq!(compare(&found, &expected[name]["values"], 1e-9), 56, "{name}");
        // pymfe adds 1e-8 to joint probabilities.
        assert_eq!(compare(&found, &expected[name]["as_is"], 1e-5), 10, "{name}");
    }
}

#[test]
fn missing_cells_are_left_out_of_moments_and_are_a_value_for_entropies() {
    let data = DataSet::read_csv(fixture("features/penguins.csv"), "species").unwrap();
    let wanted = &expected()["penguins with missing cells"]["values"];
    assert_eq!(compare(&MetaFeatures::of(&data), wanted, 1e-9), 44);
}

/// The program as a process.
#[cfg(feature = "cli")]
mod program {
    use super::*;
    use std::process::{Command, Output};

    fn run(file: &Path, more: &[&str]) -> Output {
        let file = file.to_str().unwrap();
        let mut program = Command::new(env!("CARGO_BIN_EXE_hyperq"));
        program.args(["features", file]).args(more).output().unwrap()
    }

    fn printed(more: &[&str]) -> String {
        let output =
            run(&fixture("features/penguins.csv"), &[&["--target", "species"], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty());
        String::from_utf8(output.stdout).unwrap()
    }

    fn refused(file: &Path, more: &[&str]) -> String {
        let output = run(file, more);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(output.stdout.is_empty());
        assert!(error.starts_with("error: ") && error.lines().count() == 1, "{error}");
        error
    }

    #[test]
    fn every_format_has_every_feature() {
        let data = DataSet::read_csv(fixture("features/penguins.csv"), "species").unwrap();
        let features = MetaFeatures::of(&data);

        let object: Value = serde_json::from_str(&printed(&["--format", "json"])).unwrap();
        let object = object.as_object().unwrap();
        assert!(object.keys().map(String::as_str).eq(features.names()));
        assert!(object.values().map(Value::as_f64).eq(features.values()));

        let csv = printed(&["--format", "csv", "--name", "penguins, all"]);
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(
            lines[0].strip_prefix("task,").unwrap(),
            features.names().collect::<Vec<_>>().join(",")
        );
        let row = lines[1].strip_prefix("\"penguins, all\",").unwrap();
        assert!(row.split(',').map(|cell| cell.parse().ok()).eq(features.values()));
        let unnamed = printed(&["--format", "csv"]);
        assert!(unnamed.starts_with("instances,log_instances,"), "{unnamed}");

        let table = printed(&[]);
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
        for name in features.names() {
            let row =
                ["_min", "_mean", "_max", "_sd"].iter().find_map(|part| name.strip_suffix(part));
            let row = row.unwrap_or(name);
            assert!(
                table.lines().any(|line| line.split_whitespace().next() == Some(row)),
                "{row}: {table}"
            );
        }
    }

    #[test]
    fn what_is_at_fault_is_named() {
        let penguins = fixture("features/penguins.csv");
        let error = refused(&penguins, &["--target", "spezies"]);
        assert!(error.contains("unknown column `spezies`; did you mean `species`?"), "{error}");
        // A class that is missing: the penguin of line 5.
        let error = refused(&penguins, &["--target", "sex"]);
        assert!(
            error.contains("penguins.csv:5: every row needs a class in `sex`, found `NA`"),
            "{error}"
        );
        let error = refused(&penguins, &["--target", "species", "--name", "x"]);
        assert!(error.contains("`--format csv`"), "{error}");
        let error = refused(Path::new("no/such.csv"), &["--target", "y"]);
        assert!(error.contains("no/such.csv: No such file"), "{error}");
        assert!(refused(&penguins, &[]).contains("--target"));
    }
}
