//! A random forest: how many trees, how deep, and how random.

use smartcore::ensemble::random_forest_classifier::{
    RandomForestClassifier, RandomForestClassifierParameters,
};
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::tree::decision_tree_classifier::SplitCriterion;

use super::data::{DataSet, Fold, Part, Scaling};
use super::{FOLDS, Model, accuracy, failed};
use crate::error::Result;
use crate::space::{Configuration, Parameter, SearchSpace};

/// `features` is the share of the features among which each split chooses.
pub(super) fn space() -> Result<SearchSpace> {
    SearchSpace::new([
        Parameter::int("trees", 2, 24).log(),
        Parameter::int("max_depth", 2, 16),
        Parameter::int("min_samples_split", 2, 20),
        Parameter::int("min_samples_leaf", 1, 10),
        Parameter::float("features", 0.02, 1.0).log(),
        Parameter::categorical("criterion", ["gini", "entropy"]),
    ])
}

/// The folds; trees do not care about scale.
pub(super) struct Forest {
    folds: Vec<Fold>,
}

impl Forest {
    pub(super) fn new(data: &DataSet) -> Self {
        Self { folds: data.folds(FOLDS, Scaling::None) }
    }
}

impl Model for Forest {
    fn value(&self, at: &Configuration) -> Result<f64> {
        let criterion = match at.text("criterion")? {
            "gini" => SplitCriterion::Gini,
            _ => SplitCriterion::Entropy,
        };
        let share = at.float("features")?;
        let settings = RandomForestClassifierParameters::default()
            .with_criterion(criterion)
            .with_n_trees(at.int("trees")? as u16)
            .with_max_depth(at.int("max_depth")? as u16)
            .with_min_samples_split(at.int("min_samples_split")? as usize)
            .with_min_samples_leaf(at.int("min_samples_leaf")? as usize)
            .with_seed(0);
        accuracy(&self.folds, |fold| {
            let columns = fold.train.columns;
            let chosen = ((share * columns as f64).round() as usize).clamp(1, columns);
            let model = RandomForestClassifier::fit(
                &matrix(&fold.train)?,
                &fold.train.labels,
                settings.clone().with_m(chosen),
            )
            .map_err(failed)?;
            model.predict(&matrix(&fold.test)?).map_err(failed)
        })
    }
}

fn matrix(part: &Part) -> Result<DenseMatrix<f64>> {
    DenseMatrix::new(part.rows(), part.columns, part.features.clone(), false).map_err(failed)
}
