//! Nearest neighbours: how many, how near is measured how, and who counts how much.

use smartcore::algorithm::neighbour::KNNAlgorithmName;
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::metrics::distance::Distance;
use smartcore::neighbors::KNNWeightFunction;
use smartcore::neighbors::knn_classifier::{KNNClassifier, KNNClassifierParameters};

use super::data::{DataSet, Fold, Part, Scaling};
use super::{FOLDS, Model, accuracy, failed};
use crate::error::Result;
use crate::space::{Configuration, Parameter, SearchSpace};

/// `order` is that of the Minkowski distance.
pub(super) fn space() -> Result<SearchSpace> {
    SearchSpace::new([
        Parameter::int("k", 1, 50).log(),
        Parameter::categorical("distance", ["manhattan", "euclidean", "minkowski", "chebyshev"]),
        Parameter::int("order", 3, 8).when("distance", ["minkowski"]),
        Parameter::categorical("weights", ["uniform", "distance"]),
        Parameter::categorical("scaling", ["none", "standard", "min-max"]),
    ])
}

/// The same folds, each with one of the scalings.
pub(super) struct Neighbours {
    folds: [Vec<Fold>; 3],
}

impl Neighbours {
    pub(super) fn new(data: &DataSet) -> Self {
        Self {
            folds: [Scaling::None, Scaling::Standard, Scaling::MinMax]
                .map(|scaling| data.folds(FOLDS, scaling)),
        }
    }
}

impl Model for Neighbours {
    fn value(&self, at: &Configuration) -> Result<f64> {
        let metric = match at.text("distance")? {
            "manhattan" => Metric::Minkowski(1),
            "euclidean" => Metric::Minkowski(2),
            "minkowski" => Metric::Minkowski(at.int("order")? as i32),
            _ => Metric::Chebyshev,
        };
        let weight = match at.text("weights")? {
            "uniform" => KNNWeightFunction::Uniform,
            _ => KNNWeightFunction::Distance,
        };
        let settings = KNNClassifierParameters::default()
            .with_k(at.int("k")? as usize)
            .with_weight(weight)
            .with_algorithm(KNNAlgorithmName::LinearSearch)
            .with_distance(metric);
        let folds = match at.text("scaling")? {
            "none" => &self.folds[0],
            "standard" => &self.folds[1],
            _ => &self.folds[2],
        };
        accuracy(folds, |fold| {
            let train = matrix(&fold.train)?;
            let model =
                KNNClassifier::fit(&train, &fold.train.labels, settings.clone()).map_err(failed)?;
            model.predict(&matrix(&fold.test)?).map_err(failed)
        })
    }
}

/// Distances of two rows. smartcore's own step through boxed iterators, which takes most of the time
/// of an evaluation.
#[derive(Debug, Clone, Copy)]
enum Metric {
    /// `(sum_i |a_i - b_i|^p)^(1/p)`.
    Minkowski(i32),
    /// `max_i |a_i - b_i|`.
    Chebyshev,
}

impl Distance<Vec<f64>> for Metric {
    fn distance(&self, a: &Vec<f64>, b: &Vec<f64>) -> f64 {
        let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
        match *self {
            Self::Minkowski(1) => differences.sum(),
            Self::Minkowski(2) => differences.map(|d| d * d).sum::<f64>().sqrt(),
            Self::Minkowski(p) => {
                differences.map(|d| d.powi(p)).sum::<f64>().powf(1.0 / f64::from(p))
            }
            Self::Chebyshev => differences.fold(0.0, f64::max),
        }
    }
}

fn matrix(part: &Part) -> Result<DenseMatrix<f64>> {
    DenseMatrix::new(part.rows(), part.columns, part.features.clone(), false).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_follow_their_formulas() {
        let (a, b) = (vec![0.0, 0.0], vec![3.0, -4.0]);
        assert_eq!(Metric::Minkowski(1).distance(&a, &b), 7.0);
        assert_eq!(Metric::Minkowski(2).distance(&a, &b), 5.0);
        assert!((Metric::Minkowski(3).distance(&a, &b) - 91f64.cbrt()).abs() < 1e-12);
        assert_eq!(Metric::Chebyshev.distance(&a, &b), 4.0);
    }
}
