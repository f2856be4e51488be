//! Data sets as learners see them: seeded stratified subsets and folds, categories one-hot.

/// The seed of the subsets, the folds and the trainings. It is part of what the tables are.
pub const SEED: u64 = 20_240_717;

/// The most rows of a data set that are used.
pub const MOST_ROWS: usize = 1_000;

/// The folds of the cross-validation.
pub const FOLDS: usize = 3;

/// The cells of one column of a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// A number a row.
    Numeric(Vec<f64>),
    /// A text a row.
    Categorical(Vec<String>),
}

/// A classification data set as it stands in its file.
#[derive(Debug, Clone, PartialEq)]
pub struct DataSet {
    /// The name.
    pub name: String,
    /// The columns but the class.
    pub columns: Vec<Cells>,
    /// The class of each row, a place in `classes`.
    pub labels: Vec<u32>,
    /// The names of the classes, sorted.
    pub classes: Vec<String>,
}

/// Rows for training or for testing, all columns numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The number of columns.
    pub columns: usize,
    /// The cells, row by row.
    pub features: Vec<f64>,
    /// The class of each row.
    pub labels: Vec<u32>,
}

impl Part {
    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// The cells of a row.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.features[row * self.columns..(row + 1) * self.columns]
    }
}

/// One split of the cross-validation. Every class has a row in both parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Fold {
    /// The rows to train on.
    pub train: Part,
    /// The rows to judge on.
    pub test: Part,
    /// Where the test rows lie among the used rows.
    pub test_rows: Vec<usize>,
    /// The number of classes; labels are below it.
    pub classes: usize,
    /// What a training draws from, another one for each fold.
    pub seed: u64,
}

/// How numeric columns are scaled before a learner sees them. Indicators of categories stay 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scaling {
    /// Left as they are.
    None,
    /// Mean 0 and standard deviation 1 over the training rows; a column that is constant there is
    /// only shifted.
    Standard,
}
