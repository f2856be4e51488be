//! Tables: what a directory must look like, how each malformation is reported, and the real ones.

use std::path::Path;
use std::sync::Arc;

use hyperq::space::Configuration;
use hyperq::streams::Streams;
use hyperq::surface::{Surface, Table, open};
use serde_json::json;

const SPACE: &str = r#"{
  "name": "small", "objective": {"name": "accuracy", "direction": "maximize"},
  "parameters": [
    {"name": "kernel", "type": "categorical", "choices": ["rbf", "linear", "poly"]},
    {"name": "C", "type": "float", "low": 0.01, "high": 100.0, "log": true},
    {"name": "gamma", "type": "float", "low": 0.001, "high": 10.0, "log": true,
     "condition": {"kernel": ["rbf"]}}
  ]
}"#;
const META: &str = "task,size,classes\nwine,0.5,3\niris,0.25,3\n";
const WINE: &str = "kernel,C,gamma,accuracy\nrbf,1,0.1,0.75\nrbf,10,0.1,0.5\nlinear,1,,0.875\n";
/// The same configurations in another order.
const IRIS: &str = "kernel,C,gamma,accuracy\nlinear,1.0,,0.25\nrbf,1e1,0.1,1\nrbf,1,0.1,0\n";

/// A directory named `small` with the files given; `None` leaves a file out.
fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let base = root.path().join("small");
    std::fs::create_dir_all(base.join("tasks")).unwrap();
    for (name, text) in files {
        std::fs::write(base.join(name), text).unwrap();
    }
    root
}

fn good() -> [(&'static str, &'static str); 4] {
    [
        ("space.json", SPACE),
        ("meta_features.csv", META),
        ("tasks/wine.csv", WINE),
        ("tasks/iris.csv", IRIS),
    ]
}

/// The error of a good directory in which one file is replaced, without the directory's path.
fn refusal(file: &str, text: &str) -> String {
    let mut files = good().to_vec();
    match files.iter_mut().find(|(name, _)| *name == file) {
        Some(entry) => entry.1 = text,
        None => files.push((file, text)),
    }
    let root = directory(&files);
    let base = root.path().join("small");
    let error = Table::read_all(&base).unwrap_err().to_string();
    error.replace(&format!("{}/", base.display()), "")
}

fn value(surface: &dyn Surface, configuration: serde_json::Value) -> hyperq::Result<f64> {
    let configuration = Configuration::from_json(&surface.spec().space, &configuration).unwrap();
    surface.evaluate(&configuration, &mut Streams::new(0).at("noise", 0))
}

#[test]
fn a_directory_is_read_into_one_surface_a_task() {
    let root = directory(&good());
    let base = root.path().join("small");
    let surfaces = open(base.to_str().unwrap()).unwrap();
    let names: Vec<&str> = surfaces.iter().map(|s| s.spec().name.as_str()).collect();
    assert_eq!(names, ["small/iris", "small/wine"]);
    let (iris, wine) = (&surfaces[0], &surfaces[1]);
    assert_eq!(wine.spec().meta_features, [0.5, 3.0]);
    assert_eq!(wine.spec().optimum, Some(0.875));
    assert_eq!(wine.spec().range.unwrap().worst, 0.5);
    assert_eq!(wine.spec().objective, "accuracy");
    assert!(Arc::ptr_eq(iris.spec().grid.as_ref().unwrap(), wine.spec().grid.as_ref().unwrap()));
    for (surface, expected) in [(wine, [0.75, 0.5, 0.875]), (iris, [0.0, 1.0, 0.25])] {
        let rows = [
            json!({"kernel": "rbf", "C": 1.0, "gamma": 0.1}),
            json!({"kernel": "rbf", "C": 10.0, "gamma": 0.1}),
            json!({"kernel": "linear", "C": 1.0}),
        ];
        for (row, expected) in rows.into_iter().zip(expected) {
            assert_eq!(value(&**surface, row).unwrap(), expected);
        }
    }
}

#[test]
fn one_task_is_opened_by_name_and_an_unknown_one_refused() {
    let root = directory(&good());
    let base = root.path().join("small");
    let base = base.to_str().unwrap();
    let wine = open(&format!("{base}#wine")).unwrap();
    assert_eq!(wine.len(), 1);
    assert_eq!(wine[0].spec().name, "small/wine");
    let error = open(&format!("{base}#wien")).err().unwrap().to_string();
    assert!(error.contains("unknown task `wien`; did you mean `wine`?"), "{error}");
    let noisy = open(&format!("{base}#wine+noise=0.1")).unwrap();
    assert_eq!(noisy[0].spec().name, "small/wine+noise=0.1");
    let error = open(&format!("{base}#wine+shift=1")).err().unwrap().to_string();
    assert!(error.contains("a table has values at its rows only"), "{error}");
}

#[test]
fn off_grid_configurations_take_the_nearest_row_with_the_same_active_parameters() {
    let root = directory(&good());
    let wine = Table::read(root.path().join("small"), "wine").unwrap();
    assert_eq!(
        value(&wine, json!({"kernel": "rbf", "C": 2.0, "gamma": 5.0})).unwrap(),
        0.75,
        "2 is nearer to 1 than to 10 on a log scale"
    );
    assert_eq!(value(&wine, json!({"kernel": "rbf", "C": 90.0, "gamma": 0.1})).unwrap(), 0.5);
    // `poly` has no row of its own, but `linear` has the same active parameters.
    assert_eq!(value(&wine, json!({"kernel": "poly", "C": 1.0})).unwrap(), 0.875);
}

#[test]
fn without_a_row_of_the_same_active_parameters_the_evaluation_fails() {
    let root = directory(&[
        ("space.json", SPACE),
        ("tasks/wine.csv", "kernel,C,gamma,accuracy\nrbf,1,0.1,0.75\n"),
    ]);
    let wine = Table::read(root.path().join("small"), "wine").unwrap();
    assert!(wine.spec().meta_features.is_empty(), "meta_features.csv may be absent");
    let error = value(&wine, json!({"kernel": "linear", "C": 1.0})).unwrap_err();
    assert!(matches!(error, hyperq::Error::Evaluation(_)), "{error}");
    assert!(error.to_string().contains("small/wine"), "{error}");
}

#[test]
fn a_task_with_other_rows_has_a_grid_of_its_own() {
    let root = directory(&[
        ("space.json", SPACE),
        ("tasks/a.csv", WINE),
        ("tasks/b.csv", "kernel,C,gamma,accuracy\nlinear,1,,0.5\n\nlinear,2,,0.25\n"),
        ("tasks/notes.txt", "not a table"),
    ]);
    let tables = Table::read_all(root.path().join("small")).unwrap();
    let sizes: Vec<usize> = tables.iter().map(|t| t.spec().grid.as_ref().unwrap().len()).collect();
    assert_eq!(sizes, [3, 2]);
}

#[test]
fn malformed_tables_are_refused_with_file_line_and_reason() {
    let header = "kernel,C,gamma,accuracy\n";
    let cases = [
        ("linear,1,,0.5\nrbf,1,0.1\n", "3: a row must have 4 fields, found 3"),
        ("linear,1,,0.5,9\n", "2: a row must have 4 fields, found 5"),
        ("linear,1,,high\n", "2: `accuracy` must be a finite number, found `high`"),
        ("linear,1,,NaN\n", "2: `accuracy` must be a finite number, found `NaN`"),
        ("linear,1,,inf\n", "2: `accuracy` must be a finite number, found `inf`"),
        ("linear,1,,\n", "2: `accuracy` must be a finite number, found ``"),
        ("sigmoid,1,,0.5\n", "2: `kernel` must be one of `rbf`, `linear`, `poly`, found `sigmoid`"),
        ("linear,one,,0.5\n", "2: `C` must be a number, found `one`"),
        ("linear,1000,,0.5\n", "2: `C` must lie in [0.01, 100], found 1000"),
        ("linear,nan,,0.5\n", "2: `C` must lie in [0.01, 100], found NaN"),
        ("linear,,,0.5\n", "2: `C` is active and needs a value, found none"),
        (",1,,0.5\n", "2: `kernel` is active and needs a value, found none"),
        ("rbf,1,,0.5\n", "2: `gamma` is active and needs a value, found none"),
        ("linear,1,0.1,0.5\n", "2: `gamma` is inactive here and takes no value, found Float(0.1)"),
        (
            "linear,1,,0.5\nlinear,2,,0.5\nlinear,1.0,,0.25\n",
            "4: each configuration must stand there once, found that of line 2 again",
        ),
        ("", "1: a table needs at least one configuration, found none"),
    ];
    for (rows, expected) in cases {
        assert_eq!(
            refusal("tasks/wine.csv", &format!("{header}{rows}")),
            format!("tasks/wine.csv:{expected}")
        );
    }
    assert_eq!(
        refusal("tasks/wine.csv", "kernel,gamma,C,accuracy\nlinear,,1,0.5\n"),
        "tasks/wine.csv:1: the header must be `kernel`, `C`, `gamma`, `accuracy`, \
         found `kernel`, `gamma`, `C`, `accuracy`"
    );
    assert!(refusal("tasks/wine.csv", "").ends_with("found an empty file"));
}

#[test]
fn the_line_is_right_after_blank_lines_and_line_ends_of_other_systems() {
    let text = "kernel,C,gamma,accuracy\n\nlinear,1,,0.5\n\n\nlinear,2,,x\n";
    assert!(refusal("tasks/wine.csv", text).starts_with("tasks/wine.csv:6: "));
    let text = "kernel,C,gamma,accuracy\r\nlinear,1,,0.5\r\nlinear,2,,x\r\n";
    assert!(refusal("tasks/wine.csv", text).starts_with("tasks/wine.csv:3: "));
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let root = directory(&good());
    let base = root.path().join("small");
    std::fs::write(base.join("tasks/wine.csv"), b"kernel,C,gamma,accuracy\n\xff,1,,0.5\n").unwrap();
    let error = Table::read_all(&base).unwrap_err().to_string();
    assert!(error.contains("wine.csv:2: the text must be UTF-8"), "{error}");
}

#[test]
fn malformed_meta_features_are_refused_with_file_line_and_reason() {
    let cases = [
        ("", "1: the header must begin with `task`, found an empty file"),
        ("name,size\n", "1: the header must begin with `task`, found `name`, `size`"),
        ("task,size\nwine,1\niris,1,2\n", "3: a row must have 2 fields, found 3"),
        ("task,size\nwine,big\niris,1\n", "2: `size` must be a finite number, found `big`"),
        ("task,size\nwine,nan\niris,1\n", "2: `size` must be a finite number, found `nan`"),
        (
            "task,size\nwine,1\niris,1\nwine,2\n",
            "4: each task must stand there once, found `wine` of line 2 again",
        ),
        (
            "task,size\nwine,1\n",
            "2: every task of `tasks` must have a row, found none for `iris` up to the last line",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(refusal("meta_features.csv", text), format!("meta_features.csv:{expected}"));
    }
}

#[test]
fn missing_or_damaged_parts_are_named() {
    let root = directory(&[("tasks/wine.csv", WINE)]);
    let error = Table::read_all(root.path().join("small")).unwrap_err().to_string();
    assert!(error.contains("space.json"), "{error}");

    let root = directory(&[("space.json", SPACE)]);
    let base = root.path().join("small");
    let error = Table::read_all(&base).unwrap_err().to_string();
    assert!(error.contains("needs at least one `tasks/<task>.csv`"), "{error}");
    std::fs::remove_dir(base.join("tasks")).unwrap();
    let error = Table::read_all(&base).unwrap_err();
    assert!(matches!(&error, hyperq::Error::Io { path, .. } if path.ends_with("tasks")), "{error}");

    let error = refusal("space.json", "{\n  \"name\": \"x\",\n  \"objectives\": 1\n}");
    assert!(error.starts_with("space.json:3: "), "{error}");
    assert!(error.contains("unknown field `objectives`"), "{error}");
    let error = refusal("space.json", &SPACE.replace("0.01", "200"));
    assert!(error.contains("low must be below high"), "{error}");
}

/// The development data, where the environment names it.
fn data(directory: &str) -> Option<String> {
    let Ok(root) = std::env::var("HYPERQ_DATA") else {
        println!("skipped: HYPERQ_DATA does not name the published tables");
        return None;
    };
    Some(Path::new(&root).join(directory).to_str().unwrap().to_owned())
}

#[test]
fn the_published_svm_tables_are_read() {
    let Some(directory) = data("svm") else { return };
    let surfaces = open(&directory).unwrap();
    assert_eq!(surfaces.len(), 50);
    let first = surfaces[0].spec().grid.as_ref().unwrap();
    for surface in &surfaces {
        let spec = surface.spec();
        let grid = spec.grid.as_ref().unwrap();
        assert_eq!(grid.len(), 288, "{}", spec.name);
        assert!(Arc::ptr_eq(grid, first), "{} shares the grid", spec.name);
        assert_eq!(spec.meta_features.len(), 22);
        let best = grid
            .configurations()
            .iter()
            .map(|at| surface.evaluate(at, &mut Streams::new(0).at("noise", 0)).unwrap())
            .fold(f64::NEG_INFINITY, f64::max);
        assert_eq!(Some(best), spec.optimum);
    }
    let wine = open(&format!("{directory}#wine")).unwrap().remove(0);
    assert_eq!(wine.spec().name, "svm/wine");
    assert_eq!(
        value(&*wine, json!({"kernel": "rbf", "C": 0.03125, "gamma": 0.0001})).unwrap(),
        0.416667
    );
}

#[test]
fn the_published_network_tables_are_read_though_one_has_fewer_rows() {
    let Some(directory) = data("nn") else { return };
    let begin = std::time::Instant::now();
    let surfaces = open(&directory).unwrap();
    println!("25 tables of 2916 rows in {:?}", begin.elapsed());
    assert_eq!(surfaces.len(), 25);
    let grids: std::collections::HashSet<_> =
        surfaces.iter().map(|s| Arc::as_ptr(s.spec().grid.as_ref().unwrap())).collect();
    assert_eq!(grids.len(), 2, "all but one share a grid");
    for surface in &surfaces {
        let rows = surface.spec().grid.as_ref().unwrap().len();
        assert_eq!(rows, if surface.spec().name == "nn/housing" { 2915 } else { 2916 });
    }
}
