//! Optuna's storage proxy: studies in a database. Needs the feature `optuna-grpc`, and a Python with Optuna and
//! grpcio that the environment names as `HYPERQ_PYTHON`.
#![cfg(feature = "optuna-grpc")]

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hyperq::prelude::*;
use hyperq::storage::{GrpcProxy, Owner, Storage, TrialState, Write};
use hyperq::study::Evaluated;
use serde_json::{Value as Json, json};

struct Server {
    process: Child,
    python: String,
    url: String,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn script(python: &str, name: &str) -> Command {
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name));
    command
}

impl Server {
    /// A proxy before the database, as soon as it answers.
    fn start(url: &str) -> Option<Self> {
        let Ok(python) = std::env::var("HYPERQ_PYTHON") else {
            eprintln!("HYPERQ_PYTHON names no Python with Optuna: skipped");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = script(&python, "grpc_server.py")
            .args([url, &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self { process, python, url: url.to_owned(), port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(server.process.try_wait().unwrap().is_none(), "the proxy has ended");
            assert!(begun.elapsed() < Duration::from_secs(60), "the proxy does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(server)
    }

    fn connect(&self) -> GrpcProxy {
        GrpcProxy::connect(&format!("http://127.0.0.1:{}", self.port)).unwrap()
    }

    fn read(&self, study: &str) -> Vec<Json> {
        let output =
            script(&self.python, "study_read.py").args([&self.url, study]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let study: Json = serde_json::from_slice(&output.stdout).unwrap();
        study["trials"].as_array().unwrap().clone()
    }
}

fn space() -> SearchSpace {
    SearchSpace::new([
        Parameter::categorical("kernel", ["rbf", "linear"]),
        Parameter::float("C", 1e-3, 1e3).log(),
        Parameter::float("gamma", 1e-4, 1e1).log().when("kernel", ["rbf"]),
        Parameter::float("share", 0.0, 1.0).step(0.25),
        Parameter::int("folds", 2, 10).step(2.0),
        Parameter::int("width", 1, 512).log(),
        Parameter::categorical("flag", [true, false]),
    ])
    .unwrap()
}

fn objective(at: &Configuration) -> f64 {
    let unit = at.space().to_unit(at);
    unit.iter().enumerate().map(|(i, u)| (i + 1) as f64 * (u - 0.3).powi(2)).sum()
}

fn study(server: &Server) -> Study {
    Study::builder(space())
        .strategy("ensemble-refine-ucb")
        .storage(server.connect())
        .build()
        .unwrap()
}

/// Everything that a study asks of a storage.
fn exercise(server: &Server) {
    let mut first = study(server);
    first
        .optimize(20, |trial| -> Result<Evaluated> {
            trial.report(1, 2.0 * objective(trial))?;
            Ok(match trial.id.0 % 5 {
                3 => Evaluated::Failed("no data".into()),
                4 => Evaluated::Pruned,
                _ => Evaluated::Values(vec![objective(trial)]),
            })
        })
        .unwrap();
    let seen = server.read("hyperq");
    assert_eq!(seen.len(), 20);
    for (trial, seen) in first.history().trials().iter().zip(&seen) {
        assert_eq!(seen["number"], trial.id.0);
        assert_eq!(seen["params"], serde_json::to_value(&trial.configuration).unwrap());
        assert_eq!(
            seen["intermediate_values"],
            json!({"1": 2.0 * objective(&trial.configuration)})
        );
        let (state, value) = match trial.id.0 % 5 {
            3 => ("FAIL", Json::Null),
            4 => ("PRUNED", json!([2.0 * objective(&trial.configuration)])),
            _ => ("COMPLETE", json!([objective(&trial.configuration)])),
        };
        assert_eq!((seen["state"].as_str().unwrap(), &seen["values"]), (state, &value));
    }
    assert_eq!(seen[3]["user_attrs"]["failure"], "no data");

    // Another worker sees it all, claims what is enqueued once, and is seen.
    let mut second = study(server);
    assert_eq!(second.history().trials().len(), 20);
    first.enqueue(&json!({"kernel": "rbf", "folds": 4})).unwrap();
    let claimed = second.ask().unwrap();
    assert_eq!((claimed.id, claimed.int("folds").unwrap()), (TrialId(20), 4));
    let asked = first.ask().unwrap();
    assert_eq!(asked.id, TrialId(21));
    assert!(first.pending().iter().any(|trial| trial.id == TrialId(20)));
    second.tell(claimed.id, 0.5).unwrap();
    first.tell(asked.id, 0.25).unwrap();
    first.add(asked.configuration.clone(), Evaluated::Values(vec![0.75])).unwrap();
    second.sync().unwrap();
    assert_eq!((first.history().len(), second.history().len()), (23, 23));

    // Claims, refusals and several objectives, at the storage itself.
    let (mut one, mut other) = (server.connect(), server.connect());
    let both = [Direction::Minimize, Direction::Maximize];
    for handle in [&mut one, &mut other] {
        handle.bind("two", Some(&both)).unwrap();
    }
    other.set_owner(Owner("other".into()));
    let fixed = json!({"x": 0.5}).as_object().unwrap().clone();
    let waiting = hyperq::storage::NewTrial::Waiting { fixed, user_attributes: Default::default() };
    let trial = one.create(waiting).unwrap();
    other.refresh().unwrap();
    assert!(other.claim(trial, None).unwrap());
    assert!(!one.claim(trial, None).unwrap());
    assert_eq!(one.trials()[0].owner, Some(Owner("other".into())));
    let finish = |values: Vec<f64>| Write::Finish {
        trial,
        state: TrialState::Complete,
        values: Some(values),
    };
    let error = one.write(&[finish(vec![0.5, f64::NAN])]).unwrap_err().to_string();
    assert!(error.contains("must be finite, found NaN"), "{error}");
    other.write(&[finish(vec![0.5, 2.0])]).unwrap();
    let error = one.write(&[finish(vec![0.5, 2.0])]).unwrap_err().to_string();
    assert_eq!(error, "trial 0: is finished already");
    assert_eq!(one.studies().unwrap(), ["hyperq", "two"]);
    let error = server.connect().bind("two", Some(&both[..1])).unwrap_err().to_string();
    assert!(error.contains("directions must be the study's own"), "{error}");
    assert!(server.connect().bind("three", None).is_err());
}

#[test]
fn a_study_lives_in_sqlite_behind_the_proxy() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:///{}", directory.path().join("study.db").display());
    let Some(server) = Server::start(&url) else { return };
    exercise(&server);
}

/// `HYPERQ_POSTGRES` is the address of an empty database, such as `postgresql+psycopg2://user@localhost/name`.
#[test]
fn a_study_lives_in_postgresql_behind_the_proxy() {
    let Ok(url) = std::env::var("HYPERQ_POSTGRES") else {
        eprintln!("HYPERQ_POSTGRES names no database: skipped");
        return;
    };
    let Some(server) = Server::start(&url) else { return };
    exercise(&server);
}

#[test]
fn a_proxy_that_is_not_there_is_named() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut proxy = GrpcProxy::connect(&format!("http://127.0.0.1:{port}")).unwrap();
    let error = proxy.studies().unwrap_err().to_string();
    assert!(error.contains(&port.to_string()) && error.contains("GetAllStudies"), "{error}");
    assert!(error.contains("refused"), "{error}");
    let error = GrpcProxy::connect("not an address").unwrap_err().to_string();
    assert!(error.contains("not an address"), "{error}");
}
