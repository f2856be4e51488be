//! The data sets of the live surfaces: seeded stratified subsets, their folds and meta-features.
//!
//! All of them come with smartcore: iris (Fisher 1936), the Wisconsin diagnostic breast cancer set
//! (Street et al. 1993), the diabetes set of Efron et al. 2004 and the UCI digits (Alpaydin and
//! Kaynak 1998).

use std::sync::OnceLock;

use rand::seq::SliceRandom;
use smartcore::dataset;

use crate::streams::Streams;

/// The seed of the subsets and folds. It is part of what the surfaces are: another one gives other
/// surfaces.
const SEED: u64 = 20_240_717;

/// A classification problem: rows of features and the class of each row.
#[derive(Debug)]
pub(super) struct DataSet {
    /// The number of features.
    pub columns: usize,
    /// The number of classes; labels are below it.
    pub classes: usize,
    /// The features, row by row.
    pub features: Vec<f64>,
    /// The class of each row.
    pub labels: Vec<u32>,
}

/// Iris: 150 flowers, 4 features, 3 classes.
pub(super) fn iris() -> &'static DataSet {
    static DATA: OnceLock<DataSet> = OnceLock::new();
    DATA.get_or_init(|| {
        let source = dataset::iris::load_dataset();
        DataSet::new(source.num_features, source.data, source.target)
    })
}

/// Breast cancer: 300 of 569 tumours, 30 features, 2 classes.
pub(super) fn breast_cancer() -> &'static DataSet {
    static DATA: OnceLock<DataSet> = OnceLock::new();
    DATA.get_or_init(|| {
        let source = dataset::breast_cancer::load_dataset();
        DataSet::new(source.num_features, source.data, source.target).subset(300)
    })
}

/// Diabetes: 300 of 442 patients, 10 features; the class says whether the progression of the disease
/// lies above the median of all patients.
pub(super) fn diabetes() -> &'static DataSet {
    static DATA: OnceLock<DataSet> = OnceLock::new();
    DATA.get_or_init(|| {
        let source = dataset::diabetes::load_dataset();
        let mut sorted = source.target.clone();
        sorted.sort_unstable();
        let median = sorted[sorted.len() / 2];
        let labels = source.target.iter().map(|&target| u32::from(target > median)).collect();
        DataSet::new(source.num_features, source.data, labels).subset(300)
    })
}

/// Digits: 300 of 1797 images of 8 x 8 pixels, 64 features, 10 classes.
pub(super) fn digits() -> &'static DataSet {
    static DATA: OnceLock<DataSet> = OnceLock::new();
    DATA.get_or_init(|| {
        let source = dataset::digits::load_dataset();
        let labels = source.target.iter().map(|&target| target as u32).collect();
        DataSet::new(source.num_features, source.data, labels).subset(300)
    })
}

impl DataSet {
    fn new(columns: usize, features: Vec<f32>, labels: Vec<u32>) -> Self {
        let classes = labels.iter().max().map_or(0, |&largest| largest as usize + 1);
        Self { columns, classes, features: features.into_iter().map(f64::from).collect(), labels }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// The number of rows of each class.
    fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes];
        for &label in &self.labels {
            counts[label as usize] += 1;
        }
        counts
    }

    /// For each class its rows in a seeded random order.
    fn shuffled(&self, purpose: &str) -> Vec<Vec<usize>> {
        let mut classes = vec![Vec::new(); self.classes];
        for (row, &label) in self.labels.iter().enumerate() {
            classes[label as usize].push(row);
        }
        for (class, rows) in classes.iter_mut().enumerate() {
            rows.shuffle(&mut Streams::new(SEED).at(purpose, class as u64));
        }
        classes
    }

    /// The given rows.
    fn select(&self, rows: &[usize]) -> Part {
        Part {
            columns: self.columns,
            features: rows.iter().flat_map(|&row| self.row(row)).copied().collect(),
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
        }
    }

    fn row(&self, row: usize) -> &[f64] {
        &self.features[row * self.columns..(row + 1) * self.columns]
    }

    /// A seeded subset with the same shares of classes up to rounding.
    fn subset(&self, size: usize) -> Self {
        // Rows sorted by their relative rank within their class: every prefix is stratified.
        let mut ranked: Vec<(usize, usize, usize)> = Vec::with_capacity(self.rows());
        for (class, rows) in self.shuffled("live/subset").iter().enumerate() {
            for (rank, &row) in rows.iter().enumerate() {
                // (rank + 1/2) / count as an integer, so that no rounding decides the order.
                ranked.push(((2 * rank + 1) * 1_000_000 / rows.len(), class, row));
            }
        }
        ranked.sort_unstable();
        let mut rows: Vec<usize> = ranked.iter().take(size).map(|&(_, _, row)| row).collect();
        rows.sort_unstable();
        let Part { columns, features, labels } = self.select(&rows);
        Self { columns, classes: self.classes, features, labels }
    }

    /// Stratified folds: each row is in the test part of exactly one, and every fold has the same
    /// shares of classes up to rounding. What scaling needs is fitted on the training part alone.
    pub fn folds(&self, count: usize, scaling: Scaling) -> Vec<Fold> {
        let mut of_row = vec![0; self.rows()];
        for (class, rows) in self.shuffled("live/folds").iter().enumerate() {
            for (rank, &row) in rows.iter().enumerate() {
                // Each class begins at another fold, so that remainders do not pile up in the first.
                of_row[row] = (rank + class) % count;
            }
        }
        (0..count)
            .map(|fold| {
                let (test, train): (Vec<usize>, Vec<usize>) =
                    (0..self.rows()).partition(|&row| of_row[row] == fold);
                let (mut train, mut test) = (self.select(&train), self.select(&test));
                scaling.apply(&mut train, &mut test);
                Fold { train, test }
            })
            .collect()
    }

    /// Five numbers that describe the data set:
    ///
    /// 1. `ln(rows)`,
    /// 2. `ln(columns)`,
    /// 3. `ln(classes)`,
    /// 4. the entropy of the classes over its maximum, `-sum_c p_c ln(p_c) / ln(classes)`, in
    ///    `[0, 1]`,
    /// 5. the imbalance `min_c p_c / max_c p_c`, in `[0, 1]`; 1 where all classes are equally common.
    pub fn meta_features(&self) -> Vec<f64> {
        let rows = self.rows() as f64;
        let counts = self.counts();
        let entropy: f64 = counts
            .iter()
            .filter(|&&count| count > 0)
            .map(|&count| {
                let share = count as f64 / rows;
                -share * share.ln()
            })
            .sum();
        let classes = (self.classes as f64).ln();
        let rarest = counts.iter().min().map_or(0.0, |&count| count as f64);
        let commonest = counts.iter().max().map_or(1.0, |&count| count as f64);
        vec![rows.ln(), (self.columns as f64).ln(), classes, entropy / classes, rarest / commonest]
    }
}

/// Rows for training or for testing.
#[derive(Debug)]
pub(super) struct Part {
    pub columns: usize,
    /// Row by row.
    pub features: Vec<f64>,
    pub labels: Vec<u32>,
}

impl Part {
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    pub fn row(&self, row: usize) -> &[f64] {
        &self.features[row * self.columns..(row + 1) * self.columns]
    }
}

/// One split of cross-validation.
#[derive(Debug)]
pub(super) struct Fold {
    pub train: Part,
    pub test: Part,
}

/// How features are scaled before a model sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scaling {
    /// Left as they are.
    None,
    /// Mean 0 and standard deviation 1 over the training rows.
    Standard,
    /// 0 to 1 over the training rows.
    MinMax,
}

impl Scaling {
    /// Scales both parts with what the training part says. A column that is constant there is only
    /// shifted.
    fn apply(self, train: &mut Part, test: &mut Part) {
        let columns = train.columns;
        for column in 0..columns {
            let values = || train.features.iter().skip(column).step_by(columns);
            let (shift, width) = match self {
                Self::None => return,
                Self::Standard => {
                    let rows = train.rows() as f64;
                    let mean = values().sum::<f64>() / rows;
                    let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / rows;
                    (mean, variance.sqrt())
                }
                Self::MinMax => {
                    let low = values().copied().fold(f64::INFINITY, f64::min);
                    let high = values().copied().fold(f64::NEG_INFINITY, f64::max);
                    (low, high - low)
                }
            };
            let width = if width > 0.0 { width } else { 1.0 };
            for part in [&mut *train, &mut *test] {
                for value in part.features.iter_mut().skip(column).step_by(columns) {
                    *value = (*value - shift) / width;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> [&'static DataSet; 4] {
        [iris(), breast_cancer(), diabetes(), digits()]
    }

    #[test]
    fn the_data_sets_have_their_published_shapes() {
        let shapes = all().map(|data| (data.rows(), data.columns, data.classes));
        assert_eq!(shapes, [(150, 4, 3), (300, 30, 2), (300, 10, 2), (300, 64, 10)]);
        assert_eq!(iris().counts(), [50, 50, 50]);
        for data in all() {
            assert_eq!(data.features.len(), data.rows() * data.columns);
            assert!(data.features.iter().all(|value| value.is_finite()));
        }
    }

    #[test]
    fn a_subset_keeps_the_shares_of_the_classes() {
        // 212 of the 569 tumours are malignant (class 0): 0.3726 x 300 = 111.8.
        assert!(breast_cancer().counts()[0].abs_diff(112) <= 1, "{:?}", breast_cancer().counts());
        assert!(digits().counts().iter().all(|count| (28..=32).contains(count)));
    }

    #[test]
    fn every_row_is_tested_once_and_folds_are_stratified() {
        for data in all() {
            let folds = data.folds(3, Scaling::None);
            let tested: usize = folds.iter().map(|fold| fold.test.rows()).sum();
            assert_eq!(tested, data.rows());
            for fold in &folds {
                assert_eq!(fold.train.rows() + fold.test.rows(), data.rows());
                for (class, &count) in data.counts().iter().enumerate() {
                    let here =
                        fold.test.labels.iter().filter(|&&label| label == class as u32).count();
                    assert!(here.abs_diff(count / 3) <= 1, "{here} of {count}");
                }
            }
        }
    }

    #[test]
    fn scaling_is_fitted_on_the_training_rows_alone() {
        let fold = &iris().folds(3, Scaling::Standard)[0];
        let mean = |part: &Part| part.features.iter().step_by(4).sum::<f64>() / part.rows() as f64;
        assert!(mean(&fold.train).abs() < 1e-12);
        assert!(mean(&fold.test).abs() > 1e-6, "the test rows have a mean of their own");
        let fold = &iris().folds(3, Scaling::MinMax)[0];
        let values = || fold.train.features.iter().copied();
        assert_eq!(values().fold(f64::INFINITY, f64::min), 0.0);
        assert_eq!(values().fold(f64::NEG_INFINITY, f64::max), 1.0);
    }

    #[test]
    fn meta_features_follow_their_formulas() {
        let found = iris().meta_features();
        let wanted = [150f64.ln(), 4f64.ln(), 3f64.ln(), 1.0, 1.0];
        for (found, wanted) in found.iter().zip(wanted) {
            assert!((found - wanted).abs() < 1e-12, "{found} {wanted}");
        }
    }
}
