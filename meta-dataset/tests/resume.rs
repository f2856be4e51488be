//! A build that was stopped goes on to the same results.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyperq::space::{Configuration, Objective, Parameter, SearchSpace, SpaceDocument};
use hyperq::trial::Direction;
use hyperq_meta_dataset::build::{Plan, begun, build};
use hyperq_meta_dataset::data::{DataSet, Fold, Scaling};
use hyperq_meta_dataset::learner::{Learner, Stage, sobol};
use hyperq_meta_dataset::{Error, Result, tables};

/// A learner that says the class 0 with a probability, and stops the build after some trainings.
struct Constant {
    left: AtomicUsize,
}

impl Learner for Constant {
    fn name(&self) -> &'static str {
        "constant"
    }

    fn document(&self) -> Result<SpaceDocument> {
        Ok(SpaceDocument {
            name: "constant".into(),
            description: String::new(),
            objective: Objective { name: "accuracy".into(), direction: Direction::Maximize },
            parameters: SearchSpace::new([Parameter::float("probability", 0.0, 1.0)])?,
        })
    }

    fn configurations(&self) -> Result<Vec<Configuration>> {
        Ok(sobol(&self.document()?.parameters, 50, 1))
    }

    fn scaling(&self) -> Scaling {
        Scaling::None
    }

    fn fractions(&self) -> &'static [f64] {
        &[0.5, 1.0]
    }

    fn train(&self, configuration: &Configuration, fold: &Fold) -> Result<Vec<Stage>> {
        let take = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_err() {
            return Err(Error::contents("the test", "the build is to be stopped here", "the end"));
        }
        let probability = configuration.float("probability")?;
        if probability > 0.9 {
            return Err(Error::Training("too sure".into()));
        }
        let rows = fold.test.rows();
        let stage = |fraction| Stage {
            fraction,
            labels: vec![0; rows],
            probabilities: [probability, 1.0 - probability].repeat(rows),
            seconds: fraction,
        };
        Ok(vec![stage(0.5), stage(1.0)])
    }
}

fn constant(trainings: usize) -> &'static Constant {
    Box::leak(Box::new(Constant { left: trainings.into() }))
}

fn data_sets() -> Vec<DataSet> {
    ["one", "two"]
        .map(|name| {
            let lines: Vec<String> = (0..30).map(|row| format!("{row},{}", row % 2)).collect();
            DataSet::parse(name, name, &lines.join("\n")).unwrap().used().unwrap()
        })
        .into()
}

/// The scores without the seconds, which of a failed training are those of the clock.
fn scores(learner: &dyn Learner, work: &Path) -> Vec<String> {
    let rows = data_sets().into_iter().flat_map(|used| begun(learner, &used, work).unwrap());
    rows.map(|row| format!("{},{},{:?}", row.configuration, row.fraction, row.scores)).collect()
}

#[test]
fn a_stopped_build_goes_on_to_the_same_results() {
    let folder = tempfile::tempdir().unwrap();
    let plan = |name: &str, jobs| Plan { work: folder.path().join(name), jobs };
    let sets = data_sets();
    let quiet = |_: usize, _: usize, _: &str| {};

    let whole = plan("whole", 1);
    build(&[constant(usize::MAX)], &sets, &whole, &quiet).unwrap();
    let wanted = scores(constant(0), &whole.work);
    assert_eq!(wanted.len(), 2 * 50 * 2);
    assert!(wanted.iter().any(|line| line.ends_with("None")), "a failed training is a row");

    let stopped = plan("stopped", 2);
    let error = build(&[constant(100)], &sets, &stopped, &quiet).unwrap_err();
    assert!(error.to_string().contains("to be stopped"), "{error}");
    let kept = scores(constant(0), &stopped.work).len();
    assert!(0 < kept && kept < wanted.len(), "{kept}");
    build(&[constant(usize::MAX)], &sets, &stopped, &quiet).unwrap();
    assert_eq!(scores(constant(0), &stopped.work), wanted);
    // What is done is not trained again.
    build(&[constant(0)], &sets, &stopped, &quiet).unwrap();
}

#[test]
fn tables_are_read_as_they_were_written_and_have_the_same_bytes_again() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan { work: folder.path().join("work"), jobs: 2 };
    let (learner, sets) = (constant(usize::MAX), data_sets());
    build(&[learner], &sets, &plan, &|_, _, _| {}).unwrap();
    let results = || -> Vec<_> {
        let rows = |used: &DataSet| begun(learner, used, &plan.work).unwrap();
        sets.iter().rev().map(|used| (used.name.as_str(), rows(used))).collect()
    };
    let file = folder.path().join("tables/constant/results.csv.gz");
    let mut written = Vec::new();
    for _ in 0..2 {
        tables::write_learner(&folder.path().join("tables"), learner, &results()).unwrap();
        written.push(fs::read(&file).unwrap());
    }
    assert_eq!(written[0], written[1]);
    assert_eq!(written[0][4..8], [0; 4], "the time in the gzip header");
    for (name, rows) in results() {
        let found = tables::read_results(&folder.path().join("tables"), "constant", name).unwrap();
        assert_eq!(found, rows);
    }
    let mut short = results();
    short[0].1.pop();
    let error = tables::write_learner(&folder.path().join("tables"), learner, &short).unwrap_err();
    assert!(error.to_string().contains("100 rows are needed, found 99"), "{error}");
}
