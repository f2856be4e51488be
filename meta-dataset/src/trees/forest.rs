//! Random forests: trees on bootstrap samples that look at a draw of the columns in each node.

use hyperq::streams::Generator;
use rand::RngExt;

use super::bins::{Bins, MOST_BINS};
use super::tree::Tree;
use crate::data::Part;
use crate::error::{Error, Result};

/// The most training rows: sums of squared counts stay within 31 bits.
const MOST_ROWS: usize = i16::MAX as usize;

/// The counts of classes that are worked on at once.
const LANES: usize = 8;

/// How the trees of a forest grow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForestSettings {
    /// The most splits between the root and a leaf.
    pub depth: usize,
    /// The share of the columns that is drawn in each node, in (0, 1]; the number is rounded, at
    /// least 1.
    pub share: f64,
    /// The least rows of a leaf; a row drawn twice counts twice.
    pub leaf: usize,
    /// Whether a tree grows on as many rows as there are, drawn with replacement, or on the rows
    /// themselves.
    pub bootstrap: bool,
}

/// Grows the trees of a random forest classifier (Breiman 2001), one at a time.
///
/// In each node some columns are drawn without replacement. Among all thresholds on them that leave
/// both sides the least rows of a leaf, the split with the least Gini impurity is taken, which is the
/// one with the greatest
///
/// `sum_c L_c^2 / L + sum_c R_c^2 / R`,
///
/// where `L_c` and `R_c` count the rows of class `c` on the left and on the right. Of equal ones the
/// first is taken, columns in the order of the draw and thresholds rising. Columns are drawn further
/// while no split was found. Nodes of one class, at the full depth or without a split are leaves with
/// the shares of the classes.
#[derive(Debug)]
pub struct Forest<'a> {
    bins: &'a Bins,
    labels: &'a [u32],
    classes: usize,
    settings: ForestSettings,
    /// How many columns are drawn in a node.
    drawn: usize,
    /// The columns, those drawn last in front.
    columns: Vec<usize>,
    /// How often each row was drawn.
    weights: Vec<i16>,
    /// The rows of the sample, those of a node next to each other.
    order: Vec<u32>,
    /// Rows on their way to the right child.
    right: Vec<u32>,
    /// The rows of the node of each class.
    totals: Vec<u32>,
    /// The place of each class among those in the node.
    places: Vec<u16>,
    /// What each row of the node adds to `histogram`, and where in its bin.
    entries: Vec<Entry>,
    /// The totals at the places of their classes, filled up to whole lanes.
    node: Vec<Lanes>,
    /// Those left of a threshold.
    left: Vec<Lanes>,
    /// The counts of each bin of a column; all 0 between two columns.
    histogram: Vec<Lanes>,
}

/// Counts of some classes.
type Lanes = [i16; LANES];

/// A row as a node sees it.
#[derive(Debug, Clone, Copy)]
struct Entry {
    row: u32,
    weight: i16,
    place: u16,
}

/// The best threshold of a column: rows in `bin` and those before go to the left.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Split {
    column: usize,
    bin: u8,
    /// The sum of both sides that is to be great.
    purity: f64,
}

impl<'a> Forest<'a> {
    /// Gets ready to grow trees on `part`, whose columns are in `bins`.
    ///
    /// # Errors
    ///
    /// [`Error::Training`] where there are too many rows, a label is no class, all rows are of one
    /// class or a setting is out of range.
    pub fn new(
        part: &'a Part,
        bins: &'a Bins,
        classes: usize,
        settings: ForestSettings,
    ) -> Result<Self> {
        let rows = part.rows();
        if rows > MOST_ROWS {
            return Err(Error::Training(format!(
                "a forest takes at most {MOST_ROWS} training rows, found {rows}"
            )));
        }
        super::check_labels(&part.labels, classes)?;
        let ForestSettings { share, leaf, .. } = settings;
        if !(share > 0.0 && share <= 1.0) || leaf == 0 {
            return Err(Error::Training(format!(
                "a forest needs a share of the columns in (0, 1] and leaves of at least 1 row, \
                 found {share} and {leaf}"
            )));
        }
        Ok(Self {
            bins,
            labels: &part.labels,
            classes,
            settings,
            drawn: ((share * bins.columns() as f64).round() as usize).max(1),
            columns: Vec::new(),
            weights: vec![0; rows],
            order: Vec::with_capacity(rows),
            right: Vec::with_capacity(rows),
            totals: vec![0; classes],
            places: vec![0; classes],
            entries: Vec::with_capacity(rows),
            node: Vec::new(),
            left: Vec::new(),
            histogram: vec![[0; LANES]; MOST_BINS * classes.div_ceil(LANES)],
        })
    }

    /// Grows a tree, which has the shares of the classes in its leaves.
    pub fn tree(&mut self, generator: &mut Generator) -> Tree {
        self.draw_rows(generator);
        self.columns.clear();
        self.columns.extend(0..self.bins.columns());
        let mut tree = Tree::new(self.classes);
        self.grow(&mut tree, 0, 0..self.order.len(), self.settings.depth, generator);
        tree
    }

    fn draw_rows(&mut self, generator: &mut Generator) {
        let rows = self.weights.len();
        if self.settings.bootstrap {
            self.weights.fill(0);
            for _ in 0..rows {
                self.weights[generator.random_range(0..rows as u32) as usize] += 1;
            }
        } else {
            self.weights.fill(1);
        }
        self.order.clear();
        self.order.extend((0..rows as u32).filter(|&row| self.weights[row as usize] > 0));
    }

    /// Grows the part of a tree below `node` on the rows at `range` of the order.
    fn grow(
        &mut self,
        tree: &mut Tree,
        node: usize,
        range: std::ops::Range<usize>,
        depth: usize,
        generator: &mut Generator,
    ) {
        let rows = self.count(range.clone());
        let split = if depth > 0 { self.best_split(rows, generator) } else { None };
        let Some(Split { column, bin, .. }) = split else {
            let shares = self.totals.iter().map(|&total| f64::from(total) / f64::from(rows));
            tree.set_leaf(node, shares);
            return;
        };
        let left = tree.split(node, column, self.bins.thresholds(column)[usize::from(bin)]);
        let middle = super::partition(
            &mut self.order[range.clone()],
            &mut self.right,
            self.bins.codes(column),
            bin,
        );
        let middle = range.start + middle;
        self.grow(tree, left, range.start..middle, depth - 1, generator);
        self.grow(tree, left + 1, middle..range.end, depth - 1, generator);
    }

    /// Counts the classes of a node and prepares the search for its split; gives the rows.
    fn count(&mut self, range: std::ops::Range<usize>) -> u32 {
        self.totals.fill(0);
        self.entries.clear();
        for &row in &self.order[range] {
            let weight = self.weights[row as usize];
            let class = self.labels[row as usize];
            self.totals[class as usize] += weight as u32;
            self.entries.push(Entry { row, weight, place: class as u16 });
        }
        let mut found = 0;
        self.node.clear();
        for (place, &total) in self.places.iter_mut().zip(&self.totals) {
            if total > 0 {
                if found % LANES == 0 {
                    self.node.push([0; LANES]);
                }
                self.node[found / LANES][found % LANES] = total as i16;
                *place = found as u16;
                found += 1;
            }
        }
        for entry in &mut self.entries {
            entry.place = self.places[usize::from(entry.place)];
        }
        self.left.resize(self.node.len(), [0; LANES]);
        self.totals.iter().sum()
    }

    /// The best split of the node that was counted last.
    fn best_split(&mut self, rows: u32, generator: &mut Generator) -> Option<Split> {
        let least = self.settings.leaf;
        let pure = self.node.len() == 1 && self.node[0][1] == 0;
        if pure || (rows as usize) < 2 * least {
            return None;
        }
        let all = self.columns.len();
        let mut best: Option<Split> = None;
        for draw in 0..all {
            if draw >= self.drawn && best.is_some() {
                break;
            }
            let other = generator.random_range(draw as u32..all as u32) as usize;
            self.columns.swap(draw, other);
            let column = self.columns[draw];
            if self.bins.thresholds(column).is_empty() {
                continue;
            }
            // The number of lanes is a constant where it matters.
            let split = match self.node.len() {
                1 => self.search(column, 1, rows as i32),
                lanes => self.search(column, lanes, rows as i32),
            };
            if let Some(split) = split
                && best.is_none_or(|best| split.purity > best.purity)
            {
                best = Some(split);
            }
        }
        best
    }

    /// The best threshold of a column for the node that was counted last.
    #[inline(always)]
    fn search(&mut self, column: usize, lanes: usize, rows: i32) -> Option<Split> {
        let codes = self.bins.codes(column);
        let histogram = self.histogram.as_flattened_mut();
        let mut occurring = 0u64;
        for entry in &self.entries {
            let bin = codes[entry.row as usize];
            occurring |= 1 << bin;
            histogram[usize::from(bin) * lanes * LANES + usize::from(entry.place)] += entry.weight;
        }
        let least = self.settings.leaf as i32;
        let node = &self.node[..lanes];
        let left = &mut self.left[..lanes];
        left.fill([0; LANES]);
        let mut best: Option<Split> = None;
        while occurring != 0 {
            let bin = occurring.trailing_zeros() as usize;
            occurring &= occurring - 1;
            let (mut left_rows, mut left_squares, mut right_squares) = (0, 0, 0);
            let counts = &mut self.histogram[bin * lanes..(bin + 1) * lanes];
            for ((counts, left), node) in counts.iter_mut().zip(&mut *left).zip(node) {
                for lane in 0..LANES {
                    left[lane] += counts[lane];
                    let count = i32::from(left[lane]);
                    let other = i32::from(node[lane] - left[lane]);
                    left_rows += count;
                    left_squares += count * count;
                    right_squares += other * other;
                }
                *counts = [0; LANES];
            }
            let right_rows = rows - left_rows;
            if left_rows < least || right_rows < least {
                continue;
            }
            // One division of exact numbers: equal splits have equal purities.
            let (left_rows, right_rows) = (f64::from(left_rows), f64::from(right_rows));
            let purity = (f64::from(left_squares) * right_rows
                + f64::from(right_squares) * left_rows)
                / (left_rows * right_rows);
            if best.is_none_or(|best| purity > best.purity) {
                best = Some(Split { column, bin: bin as u8, purity });
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyperq::streams::Streams;

    /// One tree on all rows and all columns.
    fn grow(part: &Part, classes: usize, depth: usize, leaf: usize) -> Tree {
        let bins = Bins::new(part).unwrap();
        let settings = ForestSettings { depth, share: 1.0, leaf, bootstrap: false };
        let mut forest = Forest::new(part, &bins, classes, settings).unwrap();
        forest.tree(&mut Streams::new(1).at("tree", 0))
    }

    /// Column 0 is 0 to 7, column 1 the rest of it by 2.
    fn eight(labels: [u32; 8]) -> Part {
        let features = (0..8).flat_map(|x| [f64::from(x), f64::from(x % 2)]).collect();
        Part { columns: 2, features, labels: labels.to_vec() }
    }

    #[test]
    fn the_split_with_the_least_gini_impurity_is_taken() {
        // After 5 rows: (4^2 + 1) / 5 + 3^2 / 3 = 6.4; after 1 row: 1 + (3^2 + 4^2) / 7 = 4.6; by the
        // other column: (3^2 + 1) / 4 + (1 + 3^2) / 4 = 5.
        let part = eight([0, 0, 1, 0, 0, 1, 1, 1]);
        let bins = Bins::new(&part).unwrap();
        let settings = ForestSettings { depth: 1, share: 1.0, leaf: 1, bootstrap: false };
        let mut forest = Forest::new(&part, &bins, 2, settings).unwrap();
        let mut generator = Streams::new(1).at("tree", 0);
        forest.draw_rows(&mut generator);
        assert_eq!(forest.count(0..8), 8);
        let split = forest.search(0, 1, 8);
        assert_eq!(split, Some(Split { column: 0, bin: 4, purity: 6.4 }));
        // Rows with odd numbers are of class 0, 0, 1, 1, others of class 0, 1, 0, 1.
        let split = forest.search(1, 1, 8);
        assert_eq!(split, Some(Split { column: 1, bin: 0, purity: 4.0 }));
        let tree = grow(&part, 2, 1, 1);
        assert_eq!(tree.root(), Some((0, 4.5)));
        assert_eq!(tree.at(&[4.5, 0.0]), [0.8, 0.2]);
        assert_eq!(tree.at(&[4.6, 0.0]), [0.0, 1.0]);
    }

    #[test]
    fn a_leaf_has_the_least_rows() {
        let tree = grow(&eight([0, 0, 1, 1, 1, 1, 1, 1]), 2, 16, 3);
        assert_eq!(tree.root(), Some((0, 2.5)));
        assert_eq!(tree.leaves(), 2);
        assert_eq!(tree.at(&[0.0, 0.0]), [2.0 / 3.0, 1.0 / 3.0]);
    }

    #[test]
    fn splits_that_gain_nothing_lead_on_to_those_that_do() {
        let features = vec![0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0];
        let part = Part { columns: 2, features, labels: vec![0, 1, 1, 0] };
        let tree = grow(&part, 2, 2, 1);
        assert_eq!(tree.leaves(), 4);
        for (row, &label) in part.labels.iter().enumerate() {
            assert_eq!(tree.at(part.row(row))[label as usize], 1.0);
        }
    }

    #[test]
    fn more_classes_than_lanes_are_told_apart() {
        let classes = 26;
        let features = (0..260).map(|row| f64::from(row % 26)).collect();
        let labels = (0..260).map(|row| row % 26).collect();
        let part = Part { columns: 1, features, labels };
        let tree = grow(&part, classes, 26, 1);
        for (row, &label) in part.labels.iter().enumerate() {
            assert_eq!(tree.at(part.row(row)).len(), classes);
            assert_eq!(tree.at(part.row(row))[label as usize], 1.0);
        }
    }

    #[test]
    fn rows_drawn_twice_count_twice() {
        let part = eight([0, 0, 0, 0, 1, 1, 1, 1]);
        let bins = Bins::new(&part).unwrap();
        let settings = ForestSettings { depth: 0, share: 1.0, leaf: 1, bootstrap: true };
        let mut forest = Forest::new(&part, &bins, 2, settings).unwrap();
        let mut ones = 0.0;
        for index in 0..100 {
            let tree = forest.tree(&mut Streams::new(3).at("tree", index));
            let share = tree.at(&[0.0, 0.0])[1];
            assert_eq!((share * 8.0).fract(), 0.0);
            ones += share;
        }
        // The mean of 800 draws has a standard deviation of 0.018.
        assert!((ones / 100.0 - 0.5).abs() < 0.07, "{ones}");
    }

    #[test]
    fn columns_without_a_split_are_passed_over() {
        let features = (0..8).flat_map(|x| [5.0, 5.0, 5.0, f64::from(x), 5.0]).collect();
        let part = Part { columns: 5, features, labels: vec![0, 0, 0, 0, 1, 1, 1, 1] };
        let bins = Bins::new(&part).unwrap();
        let settings = ForestSettings { depth: 1, share: 0.1, leaf: 1, bootstrap: false };
        let mut forest = Forest::new(&part, &bins, 2, settings).unwrap();
        for index in 0..10 {
            let tree = forest.tree(&mut Streams::new(3).at("tree", index));
            assert_eq!(tree.root(), Some((3, 3.5)));
        }
    }

    #[test]
    fn what_no_forest_can_grow_on_is_an_error() {
        let good = ForestSettings { depth: 1, share: 0.5, leaf: 1, bootstrap: false };
        let error_of = |labels, settings| {
            let part = eight(labels);
            let bins = Bins::new(&part).unwrap();
            Forest::new(&part, &bins, 2, settings).unwrap_err().to_string()
        };
        assert!(error_of([1; 8], good).contains("at least two classes"));
        assert!(error_of([0, 1, 2, 0, 1, 0, 1, 0], good).contains("found 2 in training row 2"));
        let labels = [0, 1, 0, 1, 0, 1, 0, 1];
        assert!(error_of(labels, ForestSettings { share: 0.0, ..good }).contains("found 0 and 1"));
        assert!(error_of(labels, ForestSettings { leaf: 0, ..good }).contains("0.5 and 0"));
    }
}
