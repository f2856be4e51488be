//! Live surfaces: every evaluation trains a real model on real data by cross-validation.
//!
//! | name | model | data | value |
//! |---|---|---|---|
//! | `live/svm-breast-cancer` | support vector machine | 300 rows, 30 features, 2 classes | accuracy |
//! | `live/svm-diabetes` | support vector machine | 300 rows, 10 features, 2 classes | accuracy |
//! | `live/forest-digits` | random forest | 300 rows, 64 features, 10 classes | accuracy |
//! | `live/knn-digits` | nearest neighbours | 300 rows, 64 features, 10 classes | accuracy |
//! | `live/mlp-iris` | neural network | 150 rows, 4 features, 3 classes | log loss |
//! | `live/mlp-digits` | neural network | 300 rows, 64 features, 10 classes | accuracy |
//!
//! The data sets come with smartcore, so nothing is downloaded. Larger ones are reduced to a seeded,
//! stratified subset to keep an evaluation in the range of milliseconds. Accuracy is the share of
//! rows whose class is predicted by the model that was trained on the other folds, so it moves in
//! steps of one row.
//!
//! A surface is a function: subsets, folds, initial weights and bootstrap samples have fixed seeds,
//! so the same configuration always has the same value, and nothing is drawn from the study's
//! generator. Elementary functions such as `exp` and fused multiplication differ in the last bit
//! between processors and C libraries, so the values of two machines may differ a little.
//!
//! # Normalization
//!
//! The optimum of a real problem is unknown. [`Spec::range`] holds the best and the worst value over
//! the first 1024 points of the scrambled Sobol sequence of seed 0, evaluations that fail aside.
//! A search may find a better configuration than this sample has; its normalized regret is then 0.
//! `cargo run --release --example live-reference` recomputes the constants.
//!
//! ```
//! use hyperq::streams::Streams;
//! use hyperq::surface::live;
//!
//! let surface = live::open("live/knn-digits").expect("a live surface")?;
//! let mut rng = Streams::new(0).at("example", 0);
//! let configuration = surface.spec().space.sample(&mut rng);
//! let accuracy = surface.evaluate(&configuration, &mut rng)?;
//! assert!((0.0..=1.0).contains(&accuracy));
//! # Ok::<(), hyperq::Error>(())
//! ```

mod data;
mod forest;
mod knn;
mod mlp;
mod svm;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use self::data::{DataSet, Fold};
use super::{Range, Spec, Surface};
use crate::error::{Error, Result};
use crate::optimizer::sobol_point;
use crate::space::{Configuration, SearchSpace};
use crate::streams::{Generator, Streams};
use crate::trial::Direction;

/// The number of folds of every cross-validation.
const FOLDS: usize = 3;

/// A model with its folds: what a live surface evaluates.
trait Model: Send + Sync {
    /// The cross-validated value of a configuration.
    fn value(&self, at: &Configuration) -> Result<f64>;
}

/// One line of the registry.
struct Entry {
    name: &'static str,
    description: &'static str,
    objective: Objective,
    /// Of the fixed sample, see the module's documentation.
    range: Range,
    data: fn() -> &'static DataSet,
    space: fn() -> Result<SearchSpace>,
    model: fn(&'static DataSet) -> Box<dyn Model>,
}

/// What the value of a surface is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Objective {
    /// The share of rows that are classified correctly, in `[0, 1]`; maximized.
    Accuracy,
    /// The mean over the rows of `-ln(max(p, 0.01))` with the predicted probability `p` of the right
    /// class, in `[0, 4.61]`; minimized. The bound keeps one confident mistake from hiding all else.
    LogLoss,
}

const REGISTRY: [Entry; 6] = [
    Entry {
        name: "live/svm-breast-cancer",
        description: "support vector machine on breast cancer, 3-fold cross-validation",
        objective: Objective::Accuracy,
        range: Range { best: 0.9766666666666667, worst: 0.6266666666666667 },
        data: data::breast_cancer,
        space: svm::space,
        model: |data| Box::new(svm::Svm::new(data)),
    },
    Entry {
        name: "live/svm-diabetes",
        description: "support vector machine on diabetes (above median), 3-fold cross-validation",
        objective: Objective::Accuracy,
        range: Range { best: 0.7466666666666667, worst: 0.5066666666666667 },
        data: data::diabetes,
        space: svm::space,
        model: |data| Box::new(svm::Svm::new(data)),
    },
    Entry {
        name: "live/forest-digits",
        description: "random forest on digits, 3-fold cross-validation",
        objective: Objective::Accuracy,
        range: Range { best: 0.9033333333333333, worst: 0.1 },
        data: data::digits,
        space: forest::space,
        model: |data| Box::new(forest::Forest::new(data)),
    },
    Entry {
        name: "live/knn-digits",
        description: "nearest neighbours on digits, 3-fold cross-validation",
        objective: Objective::Accuracy,
        range: Range { best: 0.9533333333333334, worst: 0.4066666666666667 },
        data: data::digits,
        space: knn::space,
        model: |data| Box::new(knn::Neighbours::new(data)),
    },
    Entry {
        name: "live/mlp-iris",
        description: "neural network on iris, 3-fold cross-validation",
        objective: Objective::LogLoss,
        range: Range { best: 0.075_741_976_821_438_99, worst: 1.683_780_107_498_169 },
        data: data::iris,
        space: mlp::space,
        model: |data| Box::new(mlp::Mlp::new(data, Objective::LogLoss, 10)),
    },
    Entry {
        name: "live/mlp-digits",
        description: "neural network on digits, 3-fold cross-validation",
        objective: Objective::Accuracy,
        range: Range { best: 0.933_333_333_333_333_3, worst: 0.056_666_666_666_666_664 },
        data: data::digits,
        space: mlp::space,
        model: |data| Box::new(mlp::Mlp::new(data, Objective::Accuracy, 6)),
    },
];

/// The names of the live surfaces.
pub fn names() -> Vec<&'static str> {
    REGISTRY.iter().map(|entry| entry.name).collect()
}

/// Opens a live surface, `None` where there is none of that name.
///
/// Its meta-features are, of the rows in use: `ln(rows)`, `ln(features)`, `ln(classes)`, the entropy
/// of the classes over its maximum, and the share of the rarest class over that of the commonest.
///
/// # Errors
///
/// As [`SearchSpace::new`].
pub fn open(name: &str) -> Option<Result<Arc<dyn Surface>>> {
    let entry = REGISTRY.iter().find(|entry| entry.name == name)?;
    Some(entry.open().map(|surface| Arc::new(surface) as Arc<dyn Surface>))
}

/// The best and the worst value of a surface over the first `points` points of the scrambled Sobol
/// sequence of seed 0, which is what [`Spec::range`] of a live surface holds for 1024 points.
/// Evaluations that fail are left out.
///
/// # Errors
///
/// [`Error::Evaluation`] where every evaluation fails.
pub fn sample_range(surface: &dyn Surface, points: u64) -> Result<Range> {
    let spec = surface.spec();
    let streams = Streams::new(0);
    let scores = (0..points).filter_map(|point| {
        let unit = sobol_point(streams, point, spec.space.len());
        let value = surface.evaluate(&spec.space.from_unit(&unit), &mut streams.at("range", point));
        spec.direction.score(value.ok()?).ok()
    });
    let (worst, best) = scores
        .fold(None, |found, score| match found {
            None => Some((score, score)),
            Some((low, high)) => Some((score.min(low), score.max(high))),
        })
        .ok_or_else(|| {
            Error::Evaluation(format!("all {points} configurations of `{}` failed", spec.name))
        })?;
    Ok(Range { best: spec.direction.value(best), worst: spec.direction.value(worst) })
}

impl Entry {
    fn open(&self) -> Result<Live> {
        let data = (self.data)();
        let (direction, objective) = match self.objective {
            Objective::Accuracy => (Direction::Maximize, "accuracy"),
            Objective::LogLoss => (Direction::Minimize, "log loss"),
        };
        let spec = Spec {
            name: self.name.to_owned(),
            description: self.description.to_owned(),
            space: (self.space)()?,
            direction,
            objective: objective.to_owned(),
            optimum: None,
            range: Some(self.range),
            grid: None,
            meta_features: data.meta_features(),
        };
        Ok(Live { spec, model: (self.model)(data) })
    }
}

struct Live {
    spec: Spec,
    model: Box<dyn Model>,
}

impl Surface for Live {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn evaluate(&self, configuration: &Configuration, _rng: &mut Generator) -> Result<f64> {
        guarded(|| self.model.value(configuration))
    }
}

/// Runs a training and turns a panic of the model's library into a failed evaluation: one bad
/// configuration must not end a study.
fn guarded<T>(train: impl FnOnce() -> Result<T>) -> Result<T> {
    // What the closure leaves half done on a panic is dropped with it: models train on copies.
    catch_unwind(AssertUnwindSafe(train)).unwrap_or_else(|payload| {
        Err(Error::Evaluation(format!("the training panicked: {}", message(payload.as_ref()))))
    })
}

fn message(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// What a model's library reports, as a failed evaluation.
fn failed(problem: impl std::fmt::Display) -> Error {
    Error::Evaluation(problem.to_string())
}

/// The share of all test rows whose class `predict` finds, each row tested once.
fn accuracy(folds: &[Fold], mut predict: impl FnMut(&Fold) -> Result<Vec<u32>>) -> Result<f64> {
    let (mut right, mut rows) = (0, 0);
    for fold in folds {
        let found = predict(fold)?;
        right +=
            found.iter().zip(&fold.test.labels).filter(|(found, label)| found == label).count();
        rows += fold.test.rows();
    }
    Ok(right as f64 / rows as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surfaces() -> Vec<Arc<dyn Surface>> {
        names().into_iter().map(|name| open(name).unwrap().unwrap()).collect()
    }

    fn sobol(surface: &dyn Surface, point: u64) -> Configuration {
        let space = &surface.spec().space;
        space.from_unit(&sobol_point(Streams::new(0), point, space.len()))
    }

    /// The study's generator does not matter, so that each call may bring another one.
    fn evaluate(surface: &dyn Surface, at: &Configuration, call: u64) -> Result<f64> {
        surface.evaluate(at, &mut Streams::new(call).at("test", call))
    }

    #[test]
    fn every_name_opens_as_itself() {
        for name in names() {
            let surface = open(name).unwrap().unwrap();
            assert_eq!(surface.spec().name, name);
            assert_eq!(surface.spec().meta_features.len(), 5);
            assert!(surface.spec().meta_features.iter().all(|value| value.is_finite()));
        }
        assert!(open("live/unknown").is_none());
    }

    #[test]
    fn the_same_configuration_has_the_same_value() {
        for surface in surfaces() {
            let name = &surface.spec().name;
            let mut values = Vec::new();
            for point in 0..4 {
                let at = sobol(surface.as_ref(), point);
                let first = evaluate(surface.as_ref(), &at, 1);
                let again = evaluate(surface.as_ref(), &at, 2);
                match (first, again) {
                    (Ok(first), Ok(again)) => {
                        assert_eq!(first.to_bits(), again.to_bits(), "{name} at {at}");
                        let highest =
                            if surface.spec().objective == "accuracy" { 1.0 } else { 4.61 };
                        assert!((0.0..=highest).contains(&first), "{name} at {at}: {first}");
                        values.push(first);
                    }
                    (Err(Error::Evaluation(_)), Err(Error::Evaluation(_))) => {}
                    other => panic!("{name} at {at}: {other:?}"),
                }
            }
            values.dedup();
            assert!(values.len() > 1, "{name} depends on the configuration: {values:?}");
        }
    }

    #[test]
    fn the_range_holds_the_sample_that_it_was_taken_from() {
        for surface in surfaces() {
            let (spec, slice) = (surface.spec(), sample_range(surface.as_ref(), 6).unwrap());
            let range = spec.range.unwrap();
            let score = |value| spec.direction.score(value).unwrap().get();
            // A part of the sample cannot lie outside it; the rest is for other processors.
            let slack = 0.02;
            assert!(score(slice.best) <= score(range.best) + slack, "{}: {slice:?}", spec.name);
            assert!(score(slice.worst) >= score(range.worst) - slack, "{}: {slice:?}", spec.name);
            // Nor can the constants be trivial bounds: a few points come a good part of the way.
            let reached =
                (score(slice.best) - score(range.worst)) / (score(range.best) - score(range.worst));
            assert!(reached > 0.5, "{}: {slice:?} reaches {reached}", spec.name);
        }
    }

    #[test]
    fn some_configuration_beats_the_largest_class() {
        for (entry, surface) in REGISTRY.iter().zip(surfaces()) {
            let data = (entry.data)();
            let mut counts = vec![0u32; data.classes];
            for &label in &data.labels {
                counts[label as usize] += 1;
            }
            let share = f64::from(*counts.iter().max().unwrap()) / data.rows() as f64;
            let best = sample_range(surface.as_ref(), 6).unwrap().best;
            match entry.objective {
                Objective::Accuracy => assert!(best > share + 0.1, "{}: {best}", entry.name),
                // Always predicting the shares of iris's equal classes costs ln 3.
                Objective::LogLoss => assert!(best < 3f64.ln() / 2.0, "{}: {best}", entry.name),
            }
        }
    }

    #[test]
    fn a_panic_is_a_failed_evaluation() {
        // Unwinds as a panic does but without the message that a panic prints.
        let error = guarded::<f64>(|| std::panic::resume_unwind(Box::new("too deep"))).unwrap_err();
        assert_eq!(error.to_string(), "evaluation failed: the training panicked: too deep");
        assert_eq!(guarded(|| Ok(1)).unwrap(), 1);
    }

    #[test]
    fn a_configuration_of_another_space_is_refused() {
        let space = SearchSpace::new([crate::space::Parameter::float("x", 0.0, 1.0)]).unwrap();
        let at = space.from_unit(&[0.5]);
        for surface in surfaces() {
            let error = evaluate(surface.as_ref(), &at, 0).unwrap_err();
            assert!(matches!(error, Error::Unknown { .. }), "{error}");
        }
    }
}
