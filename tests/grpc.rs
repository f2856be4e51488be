//! Optuna's storage proxy: studies in a database. Needs the feature `optuna-grpc`, and a Python with Optuna and
//! grpcio that the environment names as `HYPERQ_PYTHON`.
#![cfg(feature = "optuna-grpc")]

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hyperq::prelude::*;
use hyperq::storage::{
    Change, GrpcProxy, NewTrial, Owner, Storage, StoredParameter, TrialState, Write,
};
use hyperq::study::Evaluated;
use hyperq::surface::import::{History, Options};
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
        let process = Self::spawn(&python, url, port);
        let mut server = Self { process, python, url: url.to_owned(), port };
        server.wait();
        Some(server)
    }

    /// A proxy before an SQLite database in the directory.
    fn before_sqlite(directory: &Path) -> Option<Self> {
        Self::start(&format!("sqlite:///{}", directory.join("study.db").display()))
    }

    fn spawn(python: &str, url: &str, port: u16) -> Child {
        script(python, "grpc_server.py")
            .args([url, &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn wait(&mut self) {
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(self.process.try_wait().unwrap().is_none(), "the proxy has ended");
            assert!(begun.elapsed() < Duration::from_secs(60), "the proxy does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Kills the proxy and starts it anew at once.
    fn restart(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = Self::spawn(&self.python, &self.url, self.port);
    }

    /// Runs Python with Optuna's storage of the same database as `storage`.
    fn python(&self, code: &str) {
        let code =
            format!("import optuna\nstorage = optuna.storages.get_storage({:?})\n{code}", self.url);
        let output = Command::new(&self.python).args(["-c", &code]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// A handle on the study `small`, of which all is handed out.
    fn small(&self) -> GrpcProxy {
        let mut handle = self.connect();
        handle.bind("small", Some(&[Direction::Minimize])).unwrap();
        handle.refresh().unwrap();
        changes(&mut handle);
        handle
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

fn changes(handle: &mut GrpcProxy) -> Vec<Change> {
    std::iter::from_fn(|| handle.next()).collect()
}

fn report(trial: u64, value: f64) -> Write {
    Write::Report { trial, step: 1, value }
}

fn complete(trial: u64, value: f64) -> Write {
    Write::Finish { trial, state: TrialState::Complete, values: Some(vec![value]) }
}

fn waiting() -> NewTrial {
    NewTrial::Waiting { fixed: Default::default(), user_attributes: Default::default() }
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
    let waiting = NewTrial::Waiting { fixed, user_attributes: Default::default() };
    let trial = one.create(waiting).unwrap();
    other.refresh().unwrap();
    assert!(other.claim(trial, None).unwrap());
    assert!(!one.claim(trial, None).unwrap());
    assert_eq!(changes(&mut one), [Change::Created(0), Change::Claimed(0), Change::Attribute(0)]);
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
    let Some(server) = Server::before_sqlite(directory.path()) else { return };
    exercise(&server);
}

#[test]
fn a_proxy_that_was_started_anew_is_found_again() {
    let directory = tempfile::tempdir().unwrap();
    let Some(mut server) = Server::before_sqlite(directory.path()) else { return };
    let mut handle = server.small();
    let trial = handle.create(NewTrial::Running).unwrap();
    // It answers again before the next call, which cannot be made twice.
    server.restart();
    server.wait();
    handle.create(NewTrial::Running).unwrap();
    // It does not answer yet.
    server.restart();
    handle.write(&[report(trial, 2.0), complete(trial, 1.0)]).unwrap();
    changes(&mut handle);
    assert_eq!(handle.trials().len(), 2);
    assert_eq!(handle.trials()[0].values, Some(vec![1.0]));
    assert_eq!(handle.trials()[0].intermediate, [(1, 2.0)].into());
}

#[test]
fn a_handle_may_be_used_and_dropped_within_a_runtime() {
    let directory = tempfile::tempdir().unwrap();
    let Some(server) = Server::before_sqlite(directory.path()) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut handle = server.small();
        assert_eq!(handle.create(NewTrial::Running).unwrap(), 0);
        drop(handle);
    });
}

#[test]
fn where_a_part_is_refused_nothing_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let Some(server) = Server::before_sqlite(directory.path()) else { return };
    let mut handle = server.small();
    let (trial, ended) = (0, 1);
    for _ in [trial, ended] {
        handle.create(NewTrial::Running).unwrap();
    }
    let parameter = |trial: u64, parameter: Parameter, internal: f64| Write::Parameter {
        trial,
        name: "x".to_owned(),
        parameter: StoredParameter { domain: parameter.domain, internal },
    };
    let float = || Parameter::float("x", 0.0, 1.0);
    handle.write(&[parameter(ended, float(), 0.5), complete(ended, 1.0)]).unwrap();
    let failed = |state, values| Write::Finish { trial, state, values };
    for (refused, rule) in [
        (report(trial, f64::NAN), "must be finite, found NaN"),
        (report(9, 1.0), "is unknown"),
        (report(ended, 1.0), "is finished already"),
        (parameter(trial, float(), f64::INFINITY), "its number must be one of"),
        (parameter(trial, Parameter::int("x", 0, 9), 1.0), "keeps kind, scale and choices"),
        (failed(TrialState::Waiting, None), "not as waiting"),
        (failed(TrialState::Complete, None), "complete without values"),
        (failed(TrialState::Complete, Some(vec![1.0, 2.0])), "a value for each of 1, has 2"),
    ] {
        let error = handle.write(&[report(trial, 1.0), refused]).unwrap_err().to_string();
        assert!(error.contains(rule), "{error}");
    }
    handle.refresh().unwrap();
    changes(&mut handle);
    assert!(handle.trials()[0].intermediate.is_empty());
    let mut copy = handle.trials()[1].clone();
    copy.intermediate.insert(2, f64::NAN);
    let error = handle.create(NewTrial::Finished(Box::new(copy))).unwrap_err().to_string();
    assert!(error.contains("must be finite, found NaN"), "{error}");
}

#[test]
fn what_python_changes_is_told_once_and_as_of_its_change() {
    let directory = tempfile::tempdir().unwrap();
    let Some(server) = Server::before_sqlite(directory.path()) else { return };
    let mut handle = server.small();
    handle.create(NewTrial::Running).unwrap();
    assert_eq!(changes(&mut handle), [Change::Created(0)]);
    assert_eq!(handle.trials()[0].owner.as_ref(), Some(handle.owner()));
    server.python(
        "study = optuna.load_study(study_name='small', storage=storage)
storage.set_study_system_attr(study._study_id, 'odd', [float('nan')])
trial = study.ask()
trial.report(float('nan'), 3)
storage.set_trial_state_values(storage.get_all_trials(study._study_id)[0]._trial_id,
    optuna.trial.TrialState.WAITING)",
    );
    handle.refresh().unwrap();
    let told = [Change::Study, Change::Created(1), Change::Claimed(0)];
    assert_eq!(handle.trials().len(), 1);
    assert_eq!(changes(&mut handle), told);
    assert_eq!(handle.attribute("odd"), Some(&json!(["NaN"])));
    assert_eq!((handle.trials()[0].state, &handle.trials()[0].owner), (TrialState::Waiting, &None));
    assert!(handle.trials()[1].intermediate[&3].is_nan());
    handle.refresh().unwrap();
    assert_eq!(changes(&mut handle), []);
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

    // Of workers that claim one trial at once, one wins.
    let (workers, trials) = (4, 20);
    let mut first = server.small();
    for _ in 0..trials {
        first.create(waiting()).unwrap();
    }
    let barrier = std::sync::Barrier::new(workers);
    let wins: usize = std::thread::scope(|scope| {
        let claims = |mut handle: GrpcProxy| {
            let barrier = &barrier;
            scope.spawn(move || {
                (0..trials)
                    .filter(|trial| {
                        barrier.wait();
                        handle.claim(*trial, None).unwrap()
                    })
                    .count()
            })
        };
        let threads: Vec<_> = (0..workers).map(|_| claims(server.small())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(wins as u64, trials);
}

#[test]
fn a_proxy_that_is_not_there_is_named() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut proxy = GrpcProxy::connect(&format!("http://127.0.0.1:{port}")).unwrap();
    let error = proxy.studies().unwrap_err().to_string();
    assert!(error.contains(&port.to_string()) && error.contains("GetAllStudies"), "{error}");
    assert!(error.contains("refused"), "{error}");
    for (address, found) in [
        ("not an address", "invalid"),
        ("127.0.0.1:13000", "none before it"),
        ("https://host:13000", "the scheme `https`"),
        ("http://host:99999", "a port that is no number up to 65535"),
        ("http://host:13000/path", "a path after it"),
    ] {
        let error = GrpcProxy::connect(address).unwrap_err().to_string();
        assert!(error.starts_with(address) && error.contains(found), "{error}");
    }
}

#[test]
fn a_proxy_that_does_not_answer_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = GrpcProxy::connect(&format!("http://{}", silent.local_addr().unwrap())).unwrap();
    let mut proxy = proxy.with_deadline(Duration::from_millis(200));
    let error = proxy.studies().unwrap_err().to_string();
    assert!(error.contains("no answer within 200ms"), "{error}");
}

#[test]
fn a_study_in_a_database_becomes_a_table() {
    let directory = tempfile::tempdir().unwrap();
    let Some(server) = Server::before_sqlite(directory.path()) else { return };
    server.python(
        "def objective(trial):\n    \
             kind = trial.suggest_categorical('kind', ['a', 'b'])\n    \
             x = trial.suggest_float('x', 0.1, 10, log=True)\n    \
             return x + (trial.suggest_int('n', 1, 9) if kind == 'b' else 0)\n\
         sampler = optuna.samplers.RandomSampler(seed=0)\n\
         study = optuna.create_study(storage=storage, study_name='one', sampler=sampler)\n\
         study.optimize(objective, n_trials=8)",
    );
    let history = History::of_study(&mut server.connect(), &Options::default()).unwrap();
    // The proxy does not tell in which order parameters were suggested.
    let parameters = history.space().parameters();
    let named = |name: &str| parameters.iter().find(|parameter| parameter.name == name).unwrap();
    assert_eq!(named("x").domain.to_string(), "[0.1, 10] log");
    assert_eq!(named("n").condition, [("kind".to_owned(), vec!["b".into()])]);
    assert_eq!(parameters.len(), 3);
    assert_eq!((history.trials.len(), history.objectives[0].direction), (8, Direction::Minimize));
    let written = history.write(directory.path().join("tables"), "one", false).unwrap();
    assert_eq!(written.rows, 8);
    let file = directory.path().join("study.db");
    let error = History::read(file, &Options::default()).unwrap_err().to_string();
    assert!(error.contains("grpc://HOST:PORT"), "{error}");
}
