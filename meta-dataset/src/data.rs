//! Data sets as learners see them: seeded stratified subsets and folds, categories one-hot.

use hyperq::meta::features::{Column, DataSet as Described};
use hyperq::streams::Streams;
use rand::Rng;
use rand::seq::SliceRandom;

use crate::error::{Error, Result};

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

impl Scaling {
    /// Scales the `numeric` columns of both parts with what the training part says.
    fn apply(self, train: &mut Part, test: &mut Part, numeric: &[usize]) {
        if self == Self::None {
            return;
        }
        let (columns, rows) = (train.columns, train.rows() as f64);
        for &column in numeric {
            let values = || train.features.iter().skip(column).step_by(columns);
            let mean = values().sum::<f64>() / rows;
            let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / rows;
            // Rounding leaves a constant column a variance far below that of its values' last digits.
            let width = if variance.sqrt() > 1e-12 * mean.abs() { variance.sqrt() } else { 1.0 };
            for part in [&mut *train, &mut *test] {
                for value in part.features.iter_mut().skip(column).step_by(columns) {
                    *value = (*value - mean) / width;
                }
            }
        }
    }
}

impl DataSet {
    /// Reads rows without a header: cells between commas, the class last. A column is numeric where
    /// every cell is a finite number, so integer codes count as numbers, and categorical otherwise.
    ///
    /// # Errors
    ///
    /// [`Error::Line`] for an empty cell or a row of another length than the first;
    /// [`Error::Contents`] where there are not two columns and two classes.
    pub fn parse(name: &str, file: &str, text: &str) -> Result<Self> {
        let mut table: Vec<Vec<&str>> = Vec::new();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let number = number as u64 + 1;
            let cells: Vec<&str> = line.split(',').map(str::trim).collect();
            if let Some(place) = cells.iter().position(|cell| cell.is_empty()) {
                let found = format!("an empty one in column {}", place + 1);
                return Err(Error::line(file, number, "every cell needs a value", found));
            }
            if let Some(first) = table.first()
                && first.len() != cells.len()
            {
                let rule = format!("a row has {} cells, as the first one", first.len());
                return Err(Error::line(file, number, rule, cells.len().to_string()));
            }
            table.push(cells);
        }
        let width = table.first().map_or(0, Vec::len);
        if width < 2 {
            return Err(Error::contents(
                file,
                "a data set has a column beside the class",
                format!("{width} columns"),
            ));
        }
        let column = |place: usize| table.iter().map(move |row| row[place]);
        let columns = (0..width - 1)
            .map(|place| {
                let numbers: Option<Vec<f64>> = column(place).map(number).collect();
                numbers.map_or_else(
                    || Cells::Categorical(column(place).map(str::to_owned).collect()),
                    Cells::Numeric,
                )
            })
            .collect();
        let texts: Vec<&str> = column(width - 1).collect();
        let (classes, labels) = levels(&texts);
        if classes.len() < 2 {
            let found = format!("{} classes", classes.len());
            return Err(Error::contents(file, "a data set has at least two classes", found));
        }
        Ok(Self { name: name.to_owned(), columns, labels, classes })
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// The number of numeric columns.
    pub fn numeric(&self) -> usize {
        self.columns.iter().filter(|column| matches!(column, Cells::Numeric(_))).count()
    }

    /// The rows that learners see: a seeded subset of at most [`MOST_ROWS`] with the same shares of
    /// classes up to rounding, less the classes that have fewer rows there than there are folds.
    ///
    /// # Errors
    ///
    /// [`Error::Contents`] where fewer than two classes are left.
    pub fn used(&self) -> Result<Self> {
        // Rows sorted by their relative rank within their class: every prefix is stratified.
        let mut ranked: Vec<(usize, usize, usize)> = Vec::with_capacity(self.rows());
        for (class, rows) in self.shuffled("subset").iter().enumerate() {
            for (rank, &row) in rows.iter().enumerate() {
                // (rank + 1/2) / count as an integer, so that no rounding decides the order.
                ranked.push(((2 * rank + 1) * 1_000_000 / rows.len(), class, row));
            }
        }
        ranked.sort_unstable();
        ranked.truncate(MOST_ROWS);
        let mut counts = vec![0; self.classes.len()];
        for &(_, class, _) in &ranked {
            counts[class] += 1;
        }
        let kept: Vec<usize> =
            (0..self.classes.len()).filter(|&class| counts[class] >= FOLDS).collect();
        if kept.len() < 2 {
            return Err(Error::contents(
                &self.name,
                format!("two classes need at least {FOLDS} rows each"),
                format!("{} such classes", kept.len()),
            ));
        }
        let mut places: Vec<(usize, u32)> = ranked
            .iter()
            .filter_map(|&(_, class, row)| Some((row, kept.binary_search(&class).ok()? as u32)))
            .collect();
        places.sort_unstable();
        let columns = self
            .columns
            .iter()
            .map(|column| match column {
                Cells::Numeric(cells) => {
                    Cells::Numeric(places.iter().map(|&(row, _)| cells[row]).collect())
                }
                Cells::Categorical(cells) => {
                    Cells::Categorical(places.iter().map(|&(row, _)| cells[row].clone()).collect())
                }
            })
            .collect();
        Ok(Self {
            name: self.name.clone(),
            columns,
            labels: places.iter().map(|&(_, label)| label).collect(),
            classes: kept.iter().map(|&class| self.classes[class].clone()).collect(),
        })
    }

    /// Stratified folds: each row is in the test part of exactly one, and every fold has the same
    /// shares of classes up to rounding.
    ///
    /// A category of two values becomes one column that is 1 for the second of them in alphabetical
    /// order, a category of more values one such column a value, and a category of one value none.
    pub fn folds(&self, scaling: Scaling) -> Vec<Fold> {
        let (features, columns, numeric) = self.matrix();
        let mut of_row = vec![0; self.rows()];
        for (class, rows) in self.shuffled("folds").iter().enumerate() {
            for (rank, &row) in rows.iter().enumerate() {
                // Each class begins at another fold, so that remainders do not pile up in the first.
                of_row[row] = (rank + class) % FOLDS;
            }
        }
        let select = |rows: &[usize]| Part {
            columns,
            features: rows
                .iter()
                .flat_map(|&row| &features[row * columns..(row + 1) * columns])
                .copied()
                .collect(),
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
        };
        (0..FOLDS)
            .map(|fold| {
                let (test_rows, train_rows): (Vec<usize>, Vec<usize>) =
                    (0..self.rows()).partition(|&row| of_row[row] == fold);
                let (mut train, mut test) = (select(&train_rows), select(&test_rows));
                scaling.apply(&mut train, &mut test, &numeric);
                let seed = self.streams().at("training", fold as u64).next_u64();
                Fold { train, test, test_rows, classes: self.classes.len(), seed }
            })
            .collect()
    }

    /// The data set as meta-features are computed of it.
    ///
    /// # Errors
    ///
    /// As [`Described::new`].
    pub fn described(&self) -> Result<Described> {
        let columns = self
            .columns
            .iter()
            .enumerate()
            .map(|(place, cells)| {
                let name = format!("column {}", place + 1);
                match cells {
                    Cells::Numeric(cells) => Column::numeric(name, cells.iter().copied()),
                    Cells::Categorical(cells) => Column::categorical(name, cells.iter().map(Some)),
                }
            })
            .collect();
        let labels: Vec<&str> =
            self.labels.iter().map(|&label| self.classes[label as usize].as_str()).collect();
        Ok(Described::new(columns, &labels)?)
    }

    /// All cells as numbers, row by row; the number of columns; and which of them are numeric.
    fn matrix(&self) -> (Vec<f64>, usize, Vec<usize>) {
        let mut columns: Vec<Vec<f64>> = Vec::new();
        let mut numeric = Vec::new();
        for cells in &self.columns {
            match cells {
                Cells::Numeric(cells) => {
                    numeric.push(columns.len());
                    columns.push(cells.clone());
                }
                Cells::Categorical(cells) => {
                    let texts: Vec<&str> = cells.iter().map(String::as_str).collect();
                    let (levels, places) = levels(&texts);
                    let first = usize::from(levels.len() <= 2);
                    columns.extend((first..levels.len()).map(|level| {
                        let is = |&place: &u32| f64::from(u8::from(place as usize == level));
                        places.iter().map(is).collect()
                    }));
                }
            }
        }
        let features =
            (0..self.rows()).flat_map(|row| columns.iter().map(move |column| column[row]));
        (features.collect(), columns.len(), numeric)
    }

    /// For each class its rows in a seeded random order.
    fn shuffled(&self, purpose: &str) -> Vec<Vec<usize>> {
        let mut classes = vec![Vec::new(); self.classes.len()];
        for (row, &label) in self.labels.iter().enumerate() {
            classes[label as usize].push(row);
        }
        for (class, rows) in classes.iter_mut().enumerate() {
            rows.shuffle(&mut self.streams().at(purpose, class as u64));
        }
        classes
    }

    /// What this data set's subset, folds and trainings draw from.
    fn streams(&self) -> Streams {
        Streams::new(SEED).child(&self.name, 0)
    }
}

/// The number that a cell says.
fn number(cell: &str) -> Option<f64> {
    cell.parse().ok().filter(|value: &f64| value.is_finite())
}

/// The different texts, sorted, and the place of each text among them.
fn levels(texts: &[&str]) -> (Vec<String>, Vec<u32>) {
    let mut levels = texts.to_vec();
    levels.sort_unstable();
    levels.dedup();
    let places = texts.iter().filter_map(|text| levels.binary_search(text).ok());
    (
        levels.iter().map(|&level| level.to_owned()).collect(),
        places.map(|place| place as u32).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 40 rows of `a`, 20 of `b` and `rare` ones of `c`; a number, a category of two values and one
    /// of three.
    fn data(rare: usize) -> DataSet {
        let classes = ["a"; 40].into_iter().chain(["b"; 20]).chain(vec!["c"; rare]);
        let lines: Vec<String> = classes
            .enumerate()
            .map(|(row, class)| {
                let (two, three) = (["no", "yes"][row % 2], ["x", "y", "z"][row % 3]);
                format!("{}, {two},{three},{class} ", row * row)
            })
            .collect();
        DataSet::parse("set", "set.dat", &lines.join("\n")).unwrap()
    }

    #[test]
    fn columns_are_numeric_where_every_cell_is_a_number() {
        let data = DataSet::parse("set", "set.dat", "1,2,1\n.5, x,2\n\n1e3,3,1\n").unwrap();
        assert_eq!(data.columns[0], Cells::Numeric(vec![1.0, 0.5, 1000.0]));
        assert_eq!(data.columns[1], Cells::Categorical(["2", "x", "3"].map(Into::into).to_vec()));
        assert_eq!((data.labels.as_slice(), data.numeric()), ([0, 1, 0].as_slice(), 1));
        assert_eq!(data.classes, ["1", "2"]);
    }

    #[test]
    fn errors_name_file_and_line() {
        let error = |text| DataSet::parse("set", "folder/set.dat", text).unwrap_err().to_string();
        let found = error("1,2,a\n\n1,b\n");
        assert_eq!(found, "folder/set.dat:3: a row has 3 cells, as the first one, found 2");
        let found = error("1,2,a\n1, ,b\n");
        assert!(found.starts_with("folder/set.dat:2: every cell needs a value"), "{found}");
        assert!(error("").starts_with("folder/set.dat: a data set has a column"));
        assert!(error("1,a\n2,a\n").ends_with("found 1 classes"));
    }

    #[test]
    fn a_subset_keeps_the_shares_of_the_classes() {
        let lines: Vec<String> =
            (0..4_000).map(|row| format!("{row},{}", u8::from(row % 4 == 0))).collect();
        let used = DataSet::parse("set", "", &lines.join("\n")).unwrap().used().unwrap();
        assert_eq!(used.rows(), MOST_ROWS);
        assert_eq!(used.labels.iter().filter(|label| **label == 1).count(), 250);
        let Cells::Numeric(cells) = &used.columns[0] else { panic!("numbers") };
        assert!(cells.is_sorted_by(|a, b| a < b), "no row twice, in the order of the file");
        for (cell, label) in cells.iter().zip(&used.labels) {
            assert_eq!(*label, u32::from(cell % 4.0 == 0.0), "rows keep their classes");
        }
    }

    #[test]
    fn classes_with_fewer_rows_than_folds_are_dropped() {
        assert_eq!(data(2).used().unwrap().classes, ["a", "b"]);
        assert_eq!(data(2).used().unwrap().rows(), 60);
        assert_eq!(data(3).used().unwrap().classes, ["a", "b", "c"]);
        let lone = DataSet::parse("set", "", "1,a\n2,a\n3,a\n4,b").unwrap();
        assert!(lone.used().unwrap_err().to_string().contains("found 1 such classes"));
    }

    #[test]
    fn folds_are_disjoint_stratified_and_whole() {
        let used = data(7).used().unwrap();
        let folds = used.folds(Scaling::None);
        assert_eq!(folds.len(), FOLDS);
        let mut tested: Vec<usize> = folds.iter().flat_map(|fold| fold.test_rows.clone()).collect();
        tested.sort_unstable();
        assert_eq!(tested, (0..used.rows()).collect::<Vec<_>>());
        for fold in &folds {
            assert_eq!(fold.train.rows() + fold.test.rows(), used.rows());
            assert_eq!(fold.test_rows.len(), fold.test.rows());
            for (class, all) in [40usize, 20, 7].into_iter().enumerate() {
                let is = |label: &&u32| **label == class as u32;
                let here = fold.test.labels.iter().filter(is).count();
                assert!(here >= all / FOLDS && here <= all.div_ceil(FOLDS), "{here} of {all}");
            }
        }
        assert!(folds[0].seed != folds[1].seed && folds[1].seed != folds[2].seed);
        assert_eq!(folds, used.folds(Scaling::None));
    }

    #[test]
    fn categories_become_indicators() {
        let used = data(3).used().unwrap();
        let fold = &used.folds(Scaling::None)[0];
        // The number, one column for `yes`, three for `x`, `y` and `z`.
        assert_eq!(fold.test.columns, 1 + 1 + 3);
        for (place, &row) in fold.test_rows.iter().enumerate() {
            let three = [0, 1, 2].map(|value| f64::from(u8::from(row % 3 == value)));
            let wanted = [&[(row * row) as f64, (row % 2) as f64], three.as_slice()].concat();
            assert_eq!(fold.test.row(place), wanted);
        }
    }

    #[test]
    fn numbers_are_scaled_by_the_training_rows_and_indicators_are_not() {
        let used = data(3).used().unwrap();
        let (fold, raw) = (&used.folds(Scaling::Standard)[0], &used.folds(Scaling::None)[0]);
        let column = |part: &Part| -> Vec<f64> {
            part.features.iter().step_by(part.columns).copied().collect()
        };
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let train = column(&fold.train);
        assert!(mean(&train).abs() < 1e-12);
        let squares: Vec<f64> = train.iter().map(|value| value * value).collect();
        assert!((mean(&squares) - 1.0).abs() < 1e-12);
        assert!(mean(&column(&fold.test)).abs() > 1e-6, "the test rows have a mean of their own");
        for row in 0..fold.test.rows() {
            assert_eq!(fold.test.row(row)[1..], raw.test.row(row)[1..]);
        }
    }

    #[test]
    fn a_constant_column_is_only_shifted() {
        let lines = ["0.1,1,a", "0.1,2,a", "0.1,3,a", "0.1,4,b", "0.1,5,b", "0.1,6,b"];
        let used = DataSet::parse("set", "", &lines.join("\n")).unwrap().used().unwrap();
        for fold in used.folds(Scaling::Standard) {
            for row in 0..fold.train.rows() {
                assert!(fold.train.row(row)[0].abs() < 1e-12);
            }
        }
    }
}
