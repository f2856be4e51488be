use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::domains::unite;
use super::{History, Options};
use crate::error::{Error, Result};
use crate::space::{Choice, Configuration, Domain, Parameter, SearchSpace, SpaceDocument};
use crate::streams::Streams;
use crate::surface::Table;
use crate::trial::Direction;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/histories").join(name)
}

fn minimize() -> Options {
    Options { direction: Some(Direction::Minimize), ..Options::default() }
}

fn study(name: &str) -> Options {
    Options { study: Some(name.to_owned()), ..Options::default() }
}

/// The history of a CSV file with this text, read with `minimize()`.
fn csv(text: &str) -> Result<History> {
    csv_with(text, &minimize())
}

fn csv_with(text: &str, options: &Options) -> Result<History> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("runs.csv");
    std::fs::write(&path, text).unwrap();
    History::read(&path, options)
}

/// The error without the directory of the file.
fn refusal(text: &str) -> String {
    let error = csv(text).unwrap_err().to_string();
    error.rsplit_once("/runs.csv").map_or(error.clone(), |(_, rest)| format!("runs.csv{rest}"))
}

fn domains(history: &History) -> Vec<String> {
    history.space().parameters().iter().map(|p| format!("{} {}", p.name, p.domain)).collect()
}

fn left_out(history: &History) -> Vec<String> {
    history.left_out.iter().map(ToString::to_string).collect()
}

#[test]
fn columns_are_integers_numbers_truths_or_texts() {
    let history =
        csv("n,x,b,t,constant,word,value\n1,0.5,True,b,3,same,1\n\n7,2,False,a,3,same,2e-1\n")
            .unwrap();
    assert_eq!(
        domains(&history),
        ["n 1..7", "x [0.5, 2]", "b {false, true}", "t {a, b}", "constant {3}", "word {same}"]
    );
    assert_eq!(
        history.space().parameters()[4].domain,
        Domain::Categorical { choices: vec![3.into()] }
    );
    assert_eq!(history.trials[1].1, [0.2]);
    assert_eq!((history.read, history.name.as_str()), (2, "runs"));
    assert!(history.trials[0].0.choice("b").unwrap() == &Choice::Bool(true));
}

#[test]
fn a_column_without_a_name_is_none_and_another_column_may_be_the_value() {
    let options =
        Options { objective: Some("loss".into()), log: vec!["x".into(), "n".into()], ..minimize() };
    let history = csv_with(",x,n,loss\n0,0.1,1,3\n1,10,64,4\n", &options).unwrap();
    assert_eq!(domains(&history), ["x [0.1, 10] log", "n 1..64 log"]);
    assert_eq!(history.document.objective.name, "loss");
}

#[test]
fn a_gap_makes_a_condition_and_lets_integers_be_printed_as_floats() {
    let text = "kind,sub,depth,leaf,value\n\
                tree,plain,3.0,,1\n\
                tree,leafy,4.0,0.5,2\n\
                line,,,,3\n\
                none,,,,4\n\
                tree,leafy,4.0,0.25,5\n";
    let history = csv(text).unwrap();
    let parameters = history.space().parameters();
    let condition = |parent: &str, choice: &str| vec![(parent.to_owned(), vec![choice.into()])];
    assert_eq!(parameters[1].condition, condition("kind", "tree"));
    assert_eq!(parameters[2].condition, condition("kind", "tree"));
    assert_eq!(parameters[3].condition, condition("sub", "leafy"));
    assert_eq!(parameters[2].domain.to_string(), "3..4");
    assert_eq!(history.trials.len(), 5);
}

#[test]
fn what_no_categorical_explains_is_refused_with_what_would() {
    let error = refusal("layers,units,x,value\n1,,0.5,1\n2,8,0.25,2\n2,9,0.75,3\n1,,1,3\n");
    assert_eq!(
        error,
        "search space: parameter `units`: must be there for some choices of one categorical parameter \
         and for no others, unless a space says when it is active (`--space`), found it in line 3 but \
         not in line 2; the number `layers` decides it, which a space can make categorical"
    );
    // Two parameters that are always there together are not each other's parents.
    let error = refusal("a,b,x,value\np,q,1,1\n,,2,2\nr,s,3,3\n");
    assert!(error.contains("parameter `a`") && error.contains("line 3"), "{error}");
}

#[test]
fn malformed_files_are_refused_with_the_line() {
    for (text, error) in [
        ("", "runs.csv:1: a history needs a header and rows, found an empty file"),
        ("x,x,value\n1,2,3\n", "runs.csv:1: the names of columns must be unique, found `x` twice"),
        ("x,value\n1,2\n3\n", "runs.csv:3: a row must have 2 fields, found 1"),
        ("x,value\n1,2\n\n3,good\n", "runs.csv:4: `value` must be a number, found `good`"),
        (
            "x,value\n",
            "runs.csv: a history needs at least one complete trial, found no trial at all",
        ),
        (
            "x,value\n1,nan\n2,\n3,-inf\n",
            "runs.csv: a history needs at least one complete trial, found none among 3: 2 without a \
             finite value (the first is line 2: found NaN), 1 without a value (the first is line 3)",
        ),
        (
            "x,loss\n1,2\n",
            "runs.csv: `objective` must be one of `x`, `loss`, found none (--objective NAME)",
        ),
        (
            "params_x,value,state\n1,2,COMPLETE\n1,2,LOST\n",
            "runs.csv:3: `state` must be COMPLETE, PRUNED, FAIL, RUNNING or WAITING, found `LOST`",
        ),
    ] {
        assert_eq!(refusal(text), error);
    }
    let error = refusal("x,value\n1,2\n0.5,1\nfast,3\n");
    assert!(error.contains("parameter `x`: must be numbers only or texts only"), "{error}");
    assert!(error.contains("`fast` in line 4 beside numbers"), "{error}");
    assert!(csv("x,value\n\u{0},1\n").is_ok(), "a text may be anything");
}

#[test]
fn names_that_are_not_there_are_refused_with_the_nearest() {
    let text = "x,loss\n1,2\n2,3\n";
    let with = |objective: &str, log: &[&str]| {
        let log = log.iter().map(|name| (*name).to_owned()).collect();
        let options = Options { objective: Some(objective.to_owned()), log, ..minimize() };
        csv_with(text, &options).unwrap_err().to_string()
    };
    assert!(with("los", &[]).contains("unknown objective `los`; did you mean `loss`?"));
    assert!(with("loss", &["y"]).contains("unknown parameter `y`"));
    assert!(with("loss", &["loss"]).contains("unknown parameter `loss`"));
    let options = Options { objective: Some("loss".into()), ..Options::default() };
    let error = csv_with(text, &options).unwrap_err().to_string();
    assert!(error.contains("`direction` must be minimize or maximize"), "{error}");
    let options = Options { log: vec!["t".into()], ..minimize() };
    let error = csv_with("t,value\na,1\nb,2\n", &options).unwrap_err().to_string();
    assert!(error.contains("a log scale needs a number that varies, found {a, b}"), "{error}");
    let options = Options { log: vec!["x".into()], ..minimize() };
    let error = csv_with("x,value\n0,1\n3,2\n", &options).unwrap_err().to_string();
    assert!(error.contains("parameter `x`: a log scale needs low > 0"), "{error}");
}

#[test]
fn a_given_space_takes_what_lies_in_it_and_counts_the_rest() {
    let document: SpaceDocument = serde_json::from_str(
        r#"{"name": "nets", "objective": {"name": "error", "direction": "minimize"}, "parameters": [
            {"name": "layers", "type": "categorical", "choices": [1, 2]},
            {"name": "units", "type": "int", "low": 1, "high": 9, "condition": {"layers": [2]}},
            {"name": "norm", "type": "categorical", "choices": [null, "batch"]},
            {"name": "bias", "type": "categorical", "choices": [false, true]}]}"#,
    )
    .unwrap();
    let options = Options { document: Some(document.clone()), ..Options::default() };
    let text = "seed,layers,units,norm,bias,error\n\
                0,1,,,True,1\n\
                1,2.0,8.0,batch,false,2\n\
                2,1,5,None,False,3\n\
                3,2,10,batch,true,4\n\
                4,2,,batch,true,5\n\
                5,3,1,batch,true,6\n";
    let history = csv_with(text, &options).unwrap();
    let printed: Vec<String> = history.trials.iter().map(|(at, _)| at.to_string()).collect();
    assert_eq!(
        printed,
        [
            "layers=1, norm=null, bias=true",
            "layers=2, units=8, norm=batch, bias=false",
            // The value of a parameter that is inactive means nothing.
            "layers=1, norm=null, bias=false",
        ]
    );
    assert_eq!(
        left_out(&history),
        ["3 outside of the space (the first is line 5: `units` must lie in [1, 9], found 10)"]
    );
    assert_eq!(history.document, document);
    let error = csv_with("layers,units,norm,bias,error\n2,many,,True,1\n", &options).unwrap_err();
    assert!(error.to_string().contains("runs.csv:2: `units` must be a number, found `many`"));
    let options = Options { log: vec!["units".into()], ..options };
    assert!(matches!(csv_with(text, &options), Err(Error::Setting { .. })));
}

#[test]
fn a_study_has_its_domains_its_states_and_the_name_of_its_objective() {
    let history = History::read(fixture("studies.log"), &study("svm")).unwrap();
    assert_eq!(
        domains(&history),
        [
            "C [0.1, 10] log",
            "folds 2..6 step 2",
            "kernel {rbf, linear, poly}",
            "shrinking {false, true}",
            "tolerance {0.5}",
            "gamma [0.001, 1] log",
            "degree 2..5",
        ]
    );
    let conditions: Vec<_> = history.space().parameters().iter().map(|p| &p.condition).collect();
    assert_eq!(*conditions[5], [("kernel".to_owned(), vec!["rbf".into()])]);
    assert_eq!(*conditions[6], [("kernel".to_owned(), vec!["poly".into()])]);
    assert_eq!(history.objectives[0].name, "accuracy");
    assert_eq!(history.objectives[0].direction, Direction::Maximize);
    assert_eq!((history.read, history.trials.len(), history.means().len()), (15, 10, 9));
    assert_eq!(
        left_out(&history),
        [
            "2 failed (the first is trial 3)",
            "2 pruned (the first is trial 5)",
            "1 running (the first is trial 14)",
        ]
    );
}

#[test]
fn an_export_in_the_studys_space_is_the_study() {
    let theirs = History::read(fixture("studies.log"), &study("svm")).unwrap();
    let options = Options { document: Some(theirs.document.clone()), ..Options::default() };
    let export = History::read(fixture("svm.csv"), &options).unwrap();
    assert_eq!(export.trials, theirs.trials);
    assert_eq!(export.document, theirs.document);
    // Without the space, the bounds are those of the trials.
    let options = Options { direction: Some(Direction::Maximize), ..Options::default() };
    let export = History::read(fixture("svm.csv"), &options).unwrap();
    assert!(domains(&export).contains(&"folds 2..6".to_owned()), "{:?}", domains(&export));
    assert!(domains(&export).contains(&"degree 2..5".to_owned()));
    assert_eq!(export.means().len(), 9);
}

#[test]
fn one_of_several_objectives_or_studies_must_be_named() {
    let path = fixture("studies.log");
    let refusal = |options: &Options| History::read(&path, options).unwrap_err().to_string();
    assert!(refusal(&Options::default()).contains("one of `svm`, `two`, `failed`"));
    assert!(refusal(&study("swm")).contains("unknown study `swm`; did you mean `svm`?"));
    assert!(refusal(&study("two")).contains("one of `value 0`, `value 1`"));
    assert!(refusal(&study("failed")).contains("none among 3: 3 failed (the first is trial 0)"));
    let wrong = Options { direction: Some(Direction::Minimize), ..study("svm") };
    assert!(refusal(&wrong).contains("must be `maximize`, as of the objective `accuracy`"));
    let second = |objective: &str, options: Options| Options {
        objective: Some(objective.to_owned()),
        ..options
    };
    let by_number = History::read(&path, &second("1", study("two"))).unwrap();
    let by_name = History::read(&path, &second("value 1", study("two"))).unwrap();
    let maximize = Options { direction: Some(Direction::Maximize), ..Options::default() };
    let export = History::read(fixture("two.csv"), &second("1", maximize)).unwrap();
    assert_eq!(by_number.trials, by_name.trials);
    assert_eq!(by_number.objectives[0].direction, Direction::Maximize);
    let values =
        |history: &History| -> Vec<f64> { history.trials.iter().map(|t| t.1[0]).collect() };
    assert_eq!(values(&export), values(&by_number));
    assert!(refusal(&second("2", study("two"))).contains("unknown objective `2`"));
}

#[test]
fn ranges_are_united_where_kind_and_scale_agree() {
    let float = |low, high, log, step| Domain::Float { low, high, log, step };
    let int = |low, high, step| Domain::Int { low, high, log: false, step };
    let choices = |texts: &[&str]| Domain::Categorical {
        choices: texts.iter().map(|text| Choice::from(*text)).collect(),
    };
    for (a, b, united) in [
        (float(0.5, 1.0, true, None), float(0.1, 0.7, true, None), float(0.1, 1.0, true, None)),
        (
            float(0.0, 1.0, false, Some(0.25)),
            float(0.5, 2.0, false, Some(0.25)),
            float(0.0, 2.0, false, Some(0.25)),
        ),
        (
            float(0.0, 1.0, false, Some(0.25)),
            float(0.1, 2.1, false, Some(0.25)),
            float(0.0, 2.1, false, None),
        ),
        (int(0, 12, 6), int(4, 20, 4), int(0, 20, 2)),
        (int(3, 3, 1), int(1, 9, 2), int(1, 9, 1)),
        (choices(&["a", "b"]), choices(&["a", "b"]), choices(&["a", "b"])),
    ] {
        assert_eq!(unite("x", &a, &b).unwrap(), united);
    }
    for (a, b) in [
        (float(0.5, 1.0, true, None), float(0.5, 1.0, false, None)),
        (float(0.0, 1.0, false, None), int(0, 1, 1)),
        (choices(&["a", "b"]), choices(&["a", "c"])),
    ] {
        assert!(unite("x", &a, &b).is_err());
    }
    assert_eq!(
        unite("x", &float(0.5, 1.0, true, None), &int(0, 1, 1)).unwrap_err().to_string(),
        "search space: parameter `x`: must have one kind, one scale and the same choices in all \
         trials, found float [0.5, 1] log and int 0..1"
    );
}

#[test]
fn repeated_configurations_have_their_mean() {
    let history = csv("x,value\n1,1\n2,5\n1,2\n1,6\n").unwrap();
    let means: Vec<(f64, usize)> = history.means().iter().map(|m| (m.1, m.2)).collect();
    assert_eq!(means, [(3.0, 3), (5.0, 1)]);
    let directory = tempfile::tempdir().unwrap();
    let written = history.write(directory.path(), "runs", false).unwrap();
    assert_eq!((written.rows, written.means), (2, 1));
    assert_eq!(Table::read(directory.path(), "runs").unwrap().values(), [3.0, 5.0]);
}

#[test]
fn a_directory_takes_tasks_of_its_own_space_only() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("nested/nets");
    let first = csv("x,k,value\n1,a,1\n2,b,5\n").unwrap();
    first.write(&out, "first", false).unwrap();
    let refusal =
        |history: &History, task: &str| history.write(&out, task, false).unwrap_err().to_string();
    let error = refusal(&first, "first");
    assert!(error.contains("it exists already (--force replaces it)"), "{error}");
    first.write(&out, "first", true).unwrap();
    // The same parameters in another order are the same space.
    let turned = csv("k,x,value\nb,1,7\na,2,8\n").unwrap();
    turned.write(&out, "turned", false).unwrap();
    let table = std::fs::read_to_string(out.join("tasks/turned.csv")).unwrap();
    assert_eq!(table, "x,k,value\n1,b,7\n2,a,8\n");
    let wider = csv("x,k,value\n1,a,1\n3,b,5\n").unwrap();
    let error = refusal(&wider, "wider");
    assert!(error.contains("another domain or condition of `x`: 1..3 instead of 1..2"), "{error}");
    let named = Options { objective: Some("error".into()), ..minimize() };
    let error = refusal(&csv_with("x,k,error\n1,a,1\n2,b,5\n", &named).unwrap(), "named");
    assert!(
        error.contains("the objective minimize `error` instead of minimize `value`"),
        "{error}"
    );
    std::fs::write(out.join("meta_features.csv"), "task,rows\nfirst,3\nturned,4\n").unwrap();
    let error = refusal(&first, "third");
    assert!(error.contains("meta_features.csv has no line for it"), "{error}");
    for task in ["", ".", "../up", "a/b", "a#b", " a"] {
        assert!(refusal(&first, task).contains("`task` must be a name without any of"), "{task}");
    }
    assert_eq!(Table::read_all(&out).unwrap().len(), 2);
}

#[test]
fn other_files_are_refused_for_what_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("study.db");
    std::fs::write(&path, b"SQLite format 3\0 and more").unwrap();
    let error = History::read(&path, &Options::default()).unwrap_err().to_string();
    assert!(error.contains("grpc://HOST:PORT") && error.contains("an SQLite file"), "{error}");
    let error = History::read(directory.path().join("none.csv"), &minimize()).unwrap_err();
    assert!(matches!(error, Error::Io { .. }));
    assert!(History::read(directory.path(), &minimize()).is_err());
}

/// A space of every kind of parameter, and configurations of it.
fn samples(seed: u64, count: usize) -> Vec<Configuration> {
    let space = SearchSpace::new([
        Parameter::categorical("kind", ["line", "tree", "a, \"b\"\nc"]),
        Parameter::categorical("norm", [Choice::Bool(true), Choice::Bool(false)]),
        Parameter::float("rate", 1e-9, 1e9).log(),
        Parameter::int("depth", -3, 40).when("kind", ["tree"]),
        Parameter::float("share", -1.0, 1.0).when("norm", [true]),
    ])
    .unwrap();
    let mut rng = Streams::new(seed).at("samples", 0);
    (0..count).map(|_| space.sample(&mut rng)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// What is written as a table is read back with the same configurations and values, whether its space
    /// is given or made of the rows.
    #[test]
    fn what_is_written_is_read_back(seed in 0u64..1000, count in 40usize..80) {
        let samples = samples(seed, count);
        let directory = tempfile::tempdir().unwrap();
        let document = SpaceDocument {
            name: "all".into(),
            description: String::new(),
            objective: crate::space::Objective {
                name: "value".into(),
                direction: Direction::Minimize,
            },
            parameters: samples[0].space().clone(),
        };
        let history = History {
            source: "here".into(),
            name: "all".into(),
            document: document.clone(),
            objectives: vec![document.objective.clone()],
            trials: samples.iter().enumerate().map(|(i, c)| (c.clone(), vec![i as f64 / 7.0])).collect(),
            read: count,
            left_out: Vec::new(),
        };
        let path = history.write(directory.path(), "all", false).unwrap().path;
        let table = Table::read(directory.path(), "all").unwrap();
        prop_assert_eq!(table.values().len(), history.means().len());
        let given = Options { document: Some(document), ..Options::default() };
        prop_assert_eq!(&History::read(&path, &given).unwrap().trials, &history.trials);
        let made = History::read(&path, &minimize()).unwrap();
        prop_assert!(made.left_out.is_empty());
        for ((made, _), (ours, _)) in made.trials.iter().zip(&history.trials) {
            prop_assert_eq!(made.to_string(), ours.to_string());
        }
    }

    /// No text is a panic, and whatever is read can be written and is a table.
    #[test]
    fn no_file_is_a_panic(text in "([abx01.,-]{0,6}[,\n\"]){0,24}") {
        let options = Options { objective: Some("a".into()), ..minimize() };
        let directory = tempfile::tempdir().unwrap();
        if let Ok(history) = csv_with(&format!("a,b,x,c\n{text}"), &options)
            && history.write(directory.path(), "t", false).is_ok()
        {
            prop_assert!(Table::read(directory.path(), "t").is_ok());
        }
    }
}
