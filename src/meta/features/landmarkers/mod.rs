//! Landmarkers: how accurate cheap classifiers are tells how hard the data set is, and in what way
//! (Bensusan & Giraud-Carrier 2000).
//!
//! Accuracies are those of stratified cross-validation in 10 folds, or in as many as the commonest class has
//! rows. The folds are those of scikit-learn's `StratifiedKFold` without shuffling: each class is dealt out in
//! blocks of rows in their order.
//!
//! The classifiers see numbers. A missing number is the column's mean; categories become indicators, a missing
//! one being a level of its own: of the first categorical column all levels, of the others all but the
//! first, which follows from the rest. Columns are not scaled.
//!
//! The cost is bounded. Of more than 5000 rows, 5000 take part: sorted by class, evenly spaced, so that
//! the shares of the classes are kept. Of more than 128 coded columns, 128 evenly spaced ones do.

mod bayes;
mod discriminant;
mod nearest;
mod stump;

use rayon::prelude::*;

use super::data::Cells;
use super::{DataSet, Found, average, deviation};

const FOLDS: usize = 10;
const MAX_ROWS: usize = 5000;
const MAX_COLUMNS: usize = 128;

pub(super) fn describe(data: &DataSet, found: &mut Found) {
    let rows = choose_rows(data);
    let table = encode(data, &rows);
    let folds = folds(&table.labels);
    // The share of the test rows that each classifier gets right, by fold.
    let accuracies: Vec<[f64; 4]> = (0..folds.count)
        .into_par_iter()
        .map(|fold| {
            let (test, train): (Vec<usize>, Vec<usize>) =
                (0..rows.len()).partition(|&row| folds.of_row[row] == fold);
            let (train, test) = (table.select(&train), table.select(&test));
            [stump::fit, nearest::fit, bayes::fit, discriminant::fit].map(|fit: Fit| {
                let predict = fit(&train);
                let right = test.rows().filter(|(row, label)| predict(row) == *label).count();
                right as f64 / test.labels.len() as f64
            })
        })
        .collect();
    for (learner, [mean, sd]) in [
        ["stump_mean", "stump_sd"],
        ["nearest_neighbor_mean", "nearest_neighbor_sd"],
        ["naive_bayes_mean", "naive_bayes_sd"],
        ["linear_discriminant_mean", "linear_discriminant_sd"],
    ]
    .into_iter()
    .enumerate()
    {
        let values: Vec<f64> = accuracies.iter().map(|fold| fold[learner]).collect();
        found.push(mean, average(&values));
        found.push(sd, deviation(&values));
    }
}

/// A classifier that was fitted: from the features of a row to its class.
type Predict<'a> = Box<dyn Fn(&[f64]) -> usize + 'a>;

type Fit = for<'a> fn(&'a Table) -> Predict<'a>;

/// Rows of numbers, each with its class.
#[derive(Debug, Clone, PartialEq)]
struct Table {
    columns: usize,
    classes: usize,
    /// Row by row.
    features: Vec<f64>,
    labels: Vec<usize>,
}

impl Table {
    fn rows(&self) -> impl Iterator<Item = (&[f64], usize)> {
        self.features.chunks_exact(self.columns).zip(self.labels.iter().copied())
    }

    fn column(&self, column: usize) -> impl Iterator<Item = f64> {
        self.features.iter().skip(column).step_by(self.columns).copied()
    }

    /// The number of rows of each class.
    fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes];
        for &label in &self.labels {
            counts[label] += 1;
        }
        counts
    }

    fn select(&self, rows: &[usize]) -> Self {
        let row = |&row: &usize| &self.features[row * self.columns..(row + 1) * self.columns];
        Self {
            features: rows.iter().flat_map(row).copied().collect(),
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
            ..*self
        }
    }
}

/// The first of the largest values; NaN is none.
fn argmax(values: impl IntoIterator<Item = f64>) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (place, value) in values.into_iter().enumerate() {
        if value > best.1 {
            best = (place, value);
        }
    }
    best.0
}

/// The rows that take part, in their order.
fn choose_rows(data: &DataSet) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..data.rows()).collect();
    if rows.len() > MAX_ROWS {
        rows.sort_by_key(|&row| data.labels()[row]);
        rows = evenly(&rows, MAX_ROWS);
        rows.sort_unstable();
    }
    rows
}

/// `count` of the items, evenly spaced: those at `(k + 1/2) len / count`.
fn evenly<T: Clone>(items: &[T], count: usize) -> Vec<T> {
    (0..count).map(|k| items[(2 * k + 1) * items.len() / (2 * count)].clone()).collect()
}

/// A column of numbers that classifiers see.
#[derive(Clone)]
enum Coded<'a> {
    /// Numbers, and what stands for missing ones.
    Numbers(&'a [f64], f64),
    /// 1 where the cell has this value.
    Indicator(&'a [Option<usize>], Option<usize>),
}

fn encode(data: &DataSet, rows: &[usize]) -> Table {
    let mut numbers = Vec::new();
    let mut indicators = Vec::new();
    let mut skipped = 0;
    for column in data.columns() {
        match column.cells() {
            Cells::Numeric(cells) => {
                let present: Vec<f64> = cells.iter().copied().filter(|c| !c.is_nan()).collect();
                numbers.push(Coded::Numbers(cells, average(&present).unwrap_or(0.0)));
            }
            Cells::Categorical { levels, cells } => {
                let missing = cells.iter().any(Option::is_none).then_some(None);
                let values = (0..levels.len()).map(Some).chain(missing).skip(skipped);
                indicators.extend(values.map(|value| Coded::Indicator(cells, value)));
                skipped = 1;
            }
        }
    }
    let mut coded = [numbers, indicators].concat();
    if coded.len() > MAX_COLUMNS {
        coded = evenly(&coded, MAX_COLUMNS);
    }
    let cell = |row: usize, column: &Coded| match column {
        Coded::Numbers(cells, mean) if cells[row].is_nan() => *mean,
        Coded::Numbers(cells, _) => cells[row],
        Coded::Indicator(cells, value) => f64::from(u8::from(cells[row] == *value)),
    };
    Table {
        columns: coded.len(),
        classes: data.classes().len(),
        features: rows.iter().flat_map(|&row| coded.iter().map(move |c| cell(row, c))).collect(),
        labels: rows.iter().map(|&row| data.labels()[row]).collect(),
    }
}

/// Which fold tests each row.
#[derive(Debug, PartialEq)]
struct Folds {
    /// 0 where no class has two rows.
    count: usize,
    of_row: Vec<usize>,
}

fn folds(labels: &[usize]) -> Folds {
    // Classes by their first rows.
    let mut classes: Vec<(usize, Vec<usize>)> = Vec::new();
    let mut place = std::collections::HashMap::new();
    for (row, &label) in labels.iter().enumerate() {
        let place = *place.entry(label).or_insert_with(|| {
            classes.push((label, Vec::new()));
            classes.len() - 1
        });
        classes[place].1.push(row);
    }
    let count = classes.iter().map(|(_, rows)| rows.len()).max().unwrap_or(0).min(FOLDS);
    if count < 2 {
        return Folds { count: 0, of_row: vec![0; labels.len()] };
    }
    let mut of_row = vec![0; labels.len()];
    let mut dealt = 0;
    for (_, rows) in &classes {
        // The rows of the class, were they dealt one after the other: how many each fold gets.
        let mut sizes = vec![0; count];
        for card in dealt..dealt + rows.len() {
            sizes[card % count] += 1;
        }
        dealt += rows.len();
        let blocks = sizes.iter().enumerate().flat_map(|(fold, &size)| vec![fold; size]);
        for (&row, fold) in rows.iter().zip(blocks) {
            of_row[row] = fold;
        }
    }
    Folds { count, of_row }
}

#[cfg(test)]
mod tests {
    use super::super::Column;
    use super::*;

    #[test]
    fn folds_are_those_of_scikit_learn() {
        // StratifiedKFold(2) and StratifiedKFold(5), their test folds.
        let found = folds(&[1, 0, 1, 0]);
        assert_eq!(found, Folds { count: 2, of_row: vec![0, 0, 1, 1] });
        let found = folds(&[5, 5, 2, 5, 2, 2, 9, 2, 2, 9, 5, 5]);
        assert_eq!(found, Folds { count: 5, of_row: vec![0, 1, 0, 2, 1, 2, 0, 3, 4, 1, 3, 4] });
        assert_eq!(folds(&[0, 1, 2]).count, 0);
        assert_eq!(folds(&[0; 100]).of_row, (0..100).map(|row| row / 10).collect::<Vec<_>>());
    }

    #[test]
    fn columns_are_coded_as_documented() {
        let data = DataSet::new(
            vec![
                Column::categorical("a", [Some("x"), Some("y"), None]),
                Column::numeric("b", [1.0, f64::NAN, 3.0]),
                Column::categorical("c", [Some("v"), Some("u"), Some("v")]),
                Column::numeric("d", [f64::NAN; 3]),
            ],
            &["p", "q", "q"],
        )
        .unwrap();
        let table = encode(&data, &[0, 1, 2]);
        // b, d; a = x, a = y, a missing; c = v.
        let wanted = [[1, 0, 1, 0, 0, 1], [2, 0, 0, 1, 0, 0], [3, 0, 0, 0, 1, 1]];
        assert_eq!(
            table.features,
            wanted.as_flattened().iter().map(|&x| f64::from(x)).collect::<Vec<_>>()
        );
    }

    #[test]
    fn large_data_sets_take_part_in_part() {
        let rows = 3 * MAX_ROWS;
        let classes: Vec<&str> = (0..rows).map(|row| if row < 3000 { "a" } else { "b" }).collect();
        let names: Vec<String> = (0..rows).map(|row| format!("{}", row % 500)).collect();
        let data = DataSet::new(
            vec![
                Column::numeric("copy", (0..rows).map(|row| f64::from(u8::from(row >= 3000)))),
                Column::categorical("name", names.iter().map(Some)),
            ],
            &classes,
        )
        .unwrap();
        let chosen = choose_rows(&data);
        assert_eq!(chosen.len(), MAX_ROWS);
        assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(chosen.iter().filter(|row| **row < 3000).count(), 1000);
        assert_eq!(encode(&data, &chosen).columns, MAX_COLUMNS);
    }

    /// Every classifier finds two classes that are far apart, and guesses the commonest where nothing varies.
    #[test]
    fn classifiers_learn_what_can_be_learned() {
        let features = vec![0.0, 0.1, 0.2, 5.0, 5.1];
        let train = Table { columns: 1, classes: 3, features, labels: vec![2, 2, 2, 0, 0] };
        let blank = Table { features: vec![0.1; 5], ..train.clone() };
        for fit in [stump::fit as Fit, nearest::fit, bayes::fit, discriminant::fit] {
            let predict = fit(&train);
            assert_eq!([-1.0, 0.5, 4.5, 9.0].map(|x| predict(&[x])), [2, 2, 0, 0]);
            assert_eq!(fit(&blank)(&[0.1]), 2);
        }
    }
}
