//! Gradient-boosted trees: each round's trees step against the gradient of the log loss.

use hyperq::streams::Generator;
use rand::RngExt;

use super::bins::Bins;
use super::tree::Tree;
use crate::data::Part;
use crate::error::{Error, Result};

/// How a classifier is boosted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoostingSettings {
    /// The learning rate: the share of its step that a leaf takes, above 0.
    pub rate: f64,
    /// The most splits between the root and a leaf.
    pub depth: usize,
    /// The share of the rows that the trees of a round grow on, in (0, 1]; the number is rounded, at
    /// least 1.
    pub subsample: f64,
    /// The L2 penalty of leaf values, at least 0.
    pub lambda: f64,
    /// The least sum of second derivatives in a child, at least 0.
    pub child_weight: f64,
}

/// Boosts decision trees for classification (Friedman 2001) with steps of second order as XGBoost's
/// (Chen and Guestrin 2016).
///
/// The scores of the classes start at the logarithms of their shares of the training rows and become
/// probabilities `p` by the softmax; of two classes only the second has a score, which starts at the
/// logarithm of their ratio and becomes its probability by the logistic function. In each round one
/// tree a score grows on the first and second derivatives of the log loss, `g = p - y` and
/// `h = p (1 - p)`, where `y` is 1 in rows of the class and else 0. With `G` and `H` for their sums in
/// a node, a split gains
///
/// `1/2 [G_L^2 / (H_L + lambda) + G_R^2 / (H_R + lambda) - G^2 / (H + lambda)]`.
///
/// The split with the greatest gain is taken if that is above 0; of equal ones that of the first
/// column and the lowest threshold. A leaf adds `-rate G / (H + lambda)` to the scores of its rows.
/// The trees of a round grow on the same rows, drawn without replacement, and on the same
/// probabilities.
///
/// Splits are searched in histograms of `g` and `h` rounded to multiples of `2^-s`, where `s` is 20 for
/// 513 to 1024 rows: their sums are exact, so that the histogram of a node less that of one child is
/// that of the other. Leaf values are of unrounded numbers.
#[derive(Debug)]
pub struct Boosting<'a> {
    part: &'a Part,
    settings: BoostingSettings,
    /// The number of scores of a row.
    scores_of_row: usize,
    initial: Vec<f64>,
    /// The scores of the training rows, row by row.
    scores: Vec<f64>,
    /// The probabilities that belong to them.
    probabilities: Vec<f64>,
    /// The rows, those of the round's sample in front.
    shuffled: Vec<u32>,
    sample: Vec<u32>,
    grower: Grower<'a>,
}

impl<'a> Boosting<'a> {
    /// Gets ready to boost on `part`, whose columns are in `bins`.
    ///
    /// # Errors
    ///
    /// [`Error::Training`] where there are too many rows, a label is no class, all rows are of one
    /// class or a setting is out of range.
    pub fn new(
        part: &'a Part,
        bins: &'a Bins,
        classes: usize,
        settings: BoostingSettings,
    ) -> Result<Self> {
        let rows = part.rows();
        super::check_labels(&part.labels, classes)?;
        let BoostingSettings { rate, subsample, lambda, child_weight, .. } = settings;
        let in_range = rate > 0.0
            && subsample > 0.0
            && subsample <= 1.0
            && lambda >= 0.0
            && child_weight >= 0.0
            && [rate, lambda, child_weight].iter().all(|setting| setting.is_finite());
        if !in_range {
            return Err(Error::Training(format!(
                "boosting needs a rate above 0, a subsample in (0, 1] and a penalty and a child \
                 weight of at least 0, found {settings:?}"
            )));
        }
        let mut counts = vec![0usize; classes];
        for &label in &part.labels {
            counts[label as usize] += 1;
        }
        let initial: Vec<f64> = if classes == 2 {
            vec![(counts[1] as f64 / counts[0] as f64).ln()]
        } else {
            // A class without rows keeps the score of minus infinity and the probability 0.
            counts.iter().map(|&count| (count as f64 / rows as f64).ln()).collect()
        };
        let scores = initial.repeat(rows);
        Ok(Self {
            part,
            settings,
            scores_of_row: initial.len(),
            initial,
            probabilities: vec![0.0; scores.len()],
            scores,
            shuffled: (0..rows as u32).collect(),
            sample: Vec::with_capacity(rows),
            grower: Grower::new(bins, settings)?,
        })
    }

    /// The scores that every row starts with, one a class, or a single one of two classes.
    pub fn initial(&self) -> &[f64] {
        &self.initial
    }

    /// Boosts by one round: a tree a score, each with one number a leaf to add to it.
    ///
    /// # Errors
    ///
    /// [`Error::Training`] where a score is no longer finite.
    pub fn round(&mut self, generator: &mut Generator) -> Result<Vec<Tree>> {
        self.draw_rows(generator);
        self.probabilities.copy_from_slice(&self.scores);
        to_probabilities(&mut self.probabilities, self.scores_of_row);
        (0..self.scores_of_row).map(|score| self.tree(score)).collect()
    }

    fn draw_rows(&mut self, generator: &mut Generator) {
        let rows = self.shuffled.len();
        let drawn = ((self.settings.subsample * rows as f64).round() as usize).max(1);
        if drawn < rows {
            for place in 0..drawn {
                let other = generator.random_range(place as u32..rows as u32) as usize;
                self.shuffled.swap(place, other);
            }
        }
        self.sample.clear();
        self.sample.extend_from_slice(&self.shuffled[..drawn]);
        self.sample.sort_unstable();
    }

    /// Grows the tree of a score and adds it to the training rows.
    fn tree(&mut self, score: usize) -> Result<Tree> {
        let width = self.scores_of_row;
        let class = if width == 1 { 1 } else { score as u32 };
        let derivatives = self.probabilities[score..].iter().step_by(width).zip(&self.part.labels);
        self.grower.derivatives.clear();
        self.grower.derivatives.extend(derivatives.map(|(&probability, &label)| {
            let target = if label == class { 1.0 } else { 0.0 };
            (probability - target, probability * (1.0 - probability))
        }));
        let tree = self.grower.tree(&self.sample);
        for (row, value) in self.scores[score..].iter_mut().step_by(width).enumerate() {
            *value += tree.at(self.part.row(row))[0];
            if value.is_nan() || *value == f64::INFINITY {
                return Err(Error::Training(format!(
                    "the score of class {class} of training row {row} became {value}"
                )));
            }
        }
        Ok(tree)
    }
}

/// Turns scores, `width` a row, into probabilities: by the softmax, or a single one a row by the
/// logistic function.
pub fn to_probabilities(scores: &mut [f64], width: usize) {
    if width == 1 {
        for score in scores {
            *score = 1.0 / (1.0 + (-*score).exp());
        }
        return;
    }
    for row in scores.chunks_exact_mut(width) {
        let greatest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut sum = 0.0;
        for score in &mut *row {
            *score = (*score - greatest).exp();
            sum += *score;
        }
        for score in row {
            *score /= sum;
        }
    }
}

/// Grows single trees on first and second derivatives.
#[derive(Debug)]
struct Grower<'a> {
    bins: &'a Bins,
    settings: BoostingSettings,
    /// `2^s`, what rounded derivatives are multiples of the inverse of.
    scale: f64,
    /// The child weight in multiples of `2^-s`.
    least: u32,
    /// The penalty in multiples of `2^-s`.
    lambda: f64,
    /// The cells of each row in a histogram, which has one for each bin of each column but its first:
    /// what is in none of the others is in that.
    cells: Vec<u32>,
    /// Where the cells of each row start; one more entry than rows.
    starts: Vec<usize>,
    /// The first and second derivative of each row.
    derivatives: Vec<(f64, f64)>,
    /// The same, rounded.
    rounded: Vec<Sums>,
    /// The rows of the sample, those of a node next to each other.
    order: Vec<u32>,
    /// Rows on their way to the right child.
    right: Vec<u32>,
    /// Histograms of the nodes that are not finished.
    histograms: Vec<Vec<Sums>>,
}

/// Sums of rounded derivatives: those of the first in the upper 32 bits, with their sign, those of the
/// second, never negative, in the lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Sums(i64);

impl Sums {
    /// Rounds a row's derivatives; the second becomes at least 1, so that only no rows sum to 0.
    fn round(first: f64, second: f64, scale: f64) -> Self {
        let first = (first * scale).round() as i64;
        let second = ((second * scale).round() as i64).max(1);
        Self((first << 32) + second)
    }

    fn first(self) -> i32 {
        (self.0 >> 32) as i32
    }

    fn second(self) -> u32 {
        self.0 as u32
    }

    fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    fn minus(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

/// A node whose children are to grow.
#[derive(Debug, Clone)]
struct Node {
    /// Its number in the tree.
    place: usize,
    /// Its rows in the order.
    rows: std::ops::Range<usize>,
    sums: Sums,
    /// The splits that are still allowed below it.
    depth: usize,
}

/// A threshold: rows in `bin` and those before go to the left.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Split {
    column: usize,
    bin: u8,
    /// `G_L^2 / (H_L + lambda) + G_R^2 / (H_R + lambda)` in multiples of `2^-s`.
    quality: f64,
    right: Sums,
}

impl<'a> Grower<'a> {
    fn new(bins: &'a Bins, settings: BoostingSettings) -> Result<Self> {
        let rows = bins.rows();
        // Both sums of all rows stay within 30 bits.
        let bits = 30u32.saturating_sub(rows.next_power_of_two().trailing_zeros());
        if bits < 10 {
            return Err(Error::Training(format!(
                "boosting takes at most 2^20 training rows, found {rows}"
            )));
        }
        let scale = f64::from(1u32 << bits);
        let cells_of_histogram = bins.thresholds_before(bins.columns());
        let mut cells = Vec::new();
        let mut starts = vec![0];
        for row in 0..rows {
            for column in 0..bins.columns() {
                let code = u32::from(bins.codes(column)[row]);
                if code > 0 {
                    cells.push(bins.thresholds_before(column) as u32 + code - 1);
                }
            }
            starts.push(cells.len());
        }
        Ok(Self {
            bins,
            settings,
            scale,
            least: (settings.child_weight * scale).ceil().max(1.0) as u32,
            lambda: settings.lambda * scale,
            cells,
            starts,
            derivatives: Vec::with_capacity(rows),
            rounded: Vec::with_capacity(rows),
            order: Vec::with_capacity(rows),
            right: Vec::with_capacity(rows),
            histograms: vec![vec![Sums::default(); cells_of_histogram]; settings.depth],
        })
    }

    /// Grows a tree on the rows of `sample` by their derivatives.
    fn tree(&mut self, sample: &[u32]) -> Tree {
        let scale = self.scale;
        self.rounded.clear();
        self.rounded.extend(
            self.derivatives.iter().map(|&(first, second)| Sums::round(first, second, scale)),
        );
        self.order.clear();
        self.order.extend_from_slice(sample);
        let mut tree = Tree::new(1);
        let root = Node {
            place: 0,
            rows: 0..sample.len(),
            sums: self.sums(0..sample.len()),
            depth: self.settings.depth,
        };
        if self.may_split(&root) {
            self.build(root.rows.clone(), 0);
            self.grow(&mut tree, root, 0);
        } else {
            self.finish(&mut tree, root);
        }
        tree
    }

    fn sums(&self, rows: std::ops::Range<usize>) -> Sums {
        self.order[rows]
            .iter()
            .fold(Sums::default(), |sums, &row| sums.plus(self.rounded[row as usize]))
    }

    /// Whether a search for a split of the node can find one.
    fn may_split(&self, node: &Node) -> bool {
        node.depth > 0 && u64::from(node.sums.second()) >= 2 * u64::from(self.least)
    }

    /// Makes a node a leaf.
    fn finish(&mut self, tree: &mut Tree, node: Node) {
        let (mut first, mut second) = (0.0, 0.0);
        for &row in &self.order[node.rows] {
            first += self.derivatives[row as usize].0;
            second += self.derivatives[row as usize].1;
        }
        let denominator = second + self.settings.lambda;
        let step = if denominator > 0.0 { -first / denominator } else { 0.0 };
        tree.set_leaf(node.place, [self.settings.rate * step]);
    }

    /// Grows the part of a tree below a node whose histogram is in `slot`; later slots are free.
    fn grow(&mut self, tree: &mut Tree, node: Node, slot: usize) {
        let Some(split) = self.best_split(node.sums, slot) else {
            self.finish(tree, node);
            return;
        };
        let threshold = self.bins.thresholds(split.column)[usize::from(split.bin)];
        let place = tree.split(node.place, split.column, threshold);
        let middle = node.rows.start
            + super::partition(
                &mut self.order[node.rows.clone()],
                &mut self.right,
                self.bins.codes(split.column),
                split.bin,
            );
        let depth = node.depth - 1;
        let left = Node {
            place,
            rows: node.rows.start..middle,
            sums: node.sums.minus(split.right),
            depth,
        };
        let right =
            Node { place: place + 1, rows: middle..node.rows.end, sums: split.right, depth };
        let (small, large) =
            if left.rows.len() <= right.rows.len() { (left, right) } else { (right, left) };
        match (self.may_split(&small), self.may_split(&large)) {
            (false, false) => {
                self.finish(tree, small);
                self.finish(tree, large);
            }
            (true, false) => {
                self.build(small.rows.clone(), slot);
                self.grow(tree, small, slot);
                self.finish(tree, large);
            }
            (false, true) => {
                self.finish(tree, small.clone());
                self.build(small.rows, slot + 1);
                self.subtract(slot);
                self.grow(tree, large, slot);
            }
            (true, true) => {
                self.build(small.rows.clone(), slot + 1);
                self.subtract(slot);
                self.grow(tree, small, slot + 1);
                self.grow(tree, large, slot);
            }
        }
    }

    /// Makes the histogram of some rows.
    fn build(&mut self, rows: std::ops::Range<usize>, slot: usize) {
        let histogram = &mut self.histograms[slot][..];
        histogram.fill(Sums::default());
        for &row in &self.order[rows] {
            let row = row as usize;
            let sums = self.rounded[row];
            for &cell in &self.cells[self.starts[row]..self.starts[row + 1]] {
                let cell = &mut histogram[cell as usize];
                *cell = cell.plus(sums);
            }
        }
    }

    /// Takes the histogram of a child, in the slot after `slot`, from that of its parent.
    fn subtract(&mut self, slot: usize) {
        let (before, after) = self.histograms.split_at_mut(slot + 1);
        for (parent, child) in before[slot].iter_mut().zip(&after[0]) {
            *parent = parent.minus(*child);
        }
    }

    /// The best split of a node with a gain above 0.
    fn best_split(&self, node: Sums, slot: usize) -> Option<Split> {
        let histogram = &self.histograms[slot];
        let quality = |sums: Sums| {
            let first = f64::from(sums.first());
            first * first / (f64::from(sums.second()) + self.lambda)
        };
        let mut best =
            Split { column: usize::MAX, bin: 0, quality: quality(node), right: Sums::default() };
        for column in 0..self.bins.columns() {
            let start = self.bins.thresholds_before(column);
            let cells = &histogram[start..self.bins.thresholds_before(column + 1)];
            let mut right = Sums::default();
            let mut of_column = Split { column, bin: 0, quality: f64::NEG_INFINITY, right };
            // From the right: the first bin of a column has no cell.
            for (bin, &cell) in cells.iter().enumerate().rev() {
                if cell == Sums::default() {
                    continue;
                }
                right = right.plus(cell);
                if right.second() < self.least {
                    continue;
                }
                let left = node.minus(right);
                if left.second() < self.least {
                    break;
                }
                let sum = quality(left) + quality(right);
                if sum >= of_column.quality {
                    of_column = Split { column, bin: bin as u8, quality: sum, right };
                }
            }
            if of_column.quality > best.quality {
                best = of_column;
            }
        }
        if best.column == usize::MAX {
            return None;
        }
        // Bins without rows of the node lie on the right.
        let cells = &histogram[self.bins.thresholds_before(best.column)..];
        while best.bin > 0 && cells[usize::from(best.bin) - 1] == Sums::default() {
            best.bin -= 1;
        }
        Some(best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyperq::streams::Streams;

    const SETTINGS: BoostingSettings =
        BoostingSettings { rate: 1.0, depth: 1, subsample: 1.0, lambda: 1.0, child_weight: 0.0 };

    fn line(labels: &[u32]) -> Part {
        let features = (0..labels.len()).map(|x| x as f64).collect();
        Part { columns: 1, features, labels: labels.to_vec() }
    }

    fn round(part: &Part, classes: usize, settings: BoostingSettings) -> Vec<Tree> {
        let bins = Bins::new(part).unwrap();
        let mut boosting = Boosting::new(part, &bins, classes, settings).unwrap();
        boosting.round(&mut Streams::new(1).at("round", 0)).unwrap()
    }

    #[test]
    fn a_stump_steps_by_the_formula() {
        // Of four rows two are of class 1: p = 1/2, g = 1/2, -1/2, 1/2 ..., h = 1/4.
        let trees = round(&line(&[0, 0, 1, 1]), 2, SETTINGS);
        assert_eq!(trees.len(), 1);
        assert_eq!(trees[0].root(), Some((0, 1.5)));
        // -G / (H + lambda) with G = 1 and H = 1/2 on the left.
        assert_eq!(trees[0].at(&[0.0]), [-1.0 / 1.5]);
        assert_eq!(trees[0].at(&[2.0]), [1.0 / 1.5]);
    }

    #[test]
    fn the_learning_rate_and_the_penalty_shorten_the_step() {
        let settings = BoostingSettings { rate: 0.1, lambda: 9.5, ..SETTINGS };
        let trees = round(&line(&[0, 0, 1, 1]), 2, settings);
        assert!((trees[0].at(&[0.0])[0] + 0.1 * 1.0 / 10.0).abs() < 1e-15);
    }

    #[test]
    fn the_quality_of_a_split_is_that_of_the_formula() {
        let part = line(&[0, 0, 1, 0, 1, 1]);
        let bins = Bins::new(&part).unwrap();
        let mut boosting = Boosting::new(&part, &bins, 2, SETTINGS).unwrap();
        boosting.round(&mut Streams::new(1).at("round", 0)).unwrap();
        let grower = &mut boosting.grower;
        grower.build(0..6, 0);
        let node = grower.sums(0..6);
        assert_eq!((node.first(), f64::from(node.second()) / grower.scale), (0, 1.5));
        let split = grower.best_split(node, 0).unwrap();
        // Two rows of class 0 against one of class 0 and three of class 1: G = 1 and -1, H = 1/2 and
        // 1; after four rows it is the same the other way about, and the lower threshold is taken.
        assert_eq!((split.column, split.bin), (0, 1));
        assert_eq!(split.quality / grower.scale, 1.0 / 1.5 + 1.0 / 2.0);
        assert_eq!(f64::from(split.right.first()) / grower.scale, -1.0);
    }

    #[test]
    fn a_child_has_the_least_weight() {
        // 1/4 a row: a child needs three rows.
        let settings = BoostingSettings { child_weight: 0.75, ..SETTINGS };
        let trees = round(&line(&[0, 1, 0, 1, 0, 1, 0, 1]), 2, settings);
        assert!(matches!(trees[0].root(), Some((0, 2.5 | 4.5))), "{trees:?}");
        let settings = BoostingSettings { child_weight: 1.25, ..SETTINGS };
        let trees = round(&line(&[0, 1, 0, 1, 0, 1, 0, 1]), 2, settings);
        assert_eq!(trees[0].leaves(), 1);
    }

    #[test]
    fn a_split_without_a_gain_is_not_made() {
        // Both sides of each threshold on the only column have as many rows of both classes.
        let features = vec![0.0, 0.0, 1.0, 1.0];
        let part = Part { columns: 1, features, labels: vec![0, 1, 0, 1] };
        let trees = round(&part, 2, BoostingSettings { lambda: 0.0, ..SETTINGS });
        assert_eq!(trees[0].leaves(), 1);
        assert_eq!(trees[0].at(&[0.0]), [0.0]);
    }

    #[test]
    fn histograms_by_subtraction_are_those_by_counting() {
        let features = (0..600).map(|x| f64::from(x * x % 83)).collect();
        let labels = (0..200).map(|row| row * 7 % 5 % 3).collect();
        let part = Part { columns: 3, features, labels };
        let bins = Bins::new(&part).unwrap();
        let settings = BoostingSettings { depth: 3, ..SETTINGS };
        let mut boosting = Boosting::new(&part, &bins, 3, settings).unwrap();
        boosting.round(&mut Streams::new(1).at("round", 0)).unwrap();
        let grower = &mut boosting.grower;
        grower.build(0..200, 0);
        grower.build(0..70, 1);
        grower.subtract(0);
        grower.build(70..200, 2);
        assert_eq!(grower.histograms[0], grower.histograms[2]);
        assert_eq!(grower.sums(0..200).minus(grower.sums(0..70)), grower.sums(70..200));
    }

    #[test]
    fn sums_keep_both_derivatives_apart() {
        let scale = 1024.0;
        let down = Sums::round(-0.75, 0.1875, scale);
        assert_eq!((down.first(), down.second()), (-768, 192));
        let both = down.plus(Sums::round(0.25, 0.0, scale));
        assert_eq!((both.first(), both.second()), (-512, 193));
        assert_eq!(both.minus(down), Sums::round(0.25, 0.0, scale));
    }

    #[test]
    fn a_sample_has_its_share_of_different_rows() {
        let part = line(&[0, 1].repeat(50));
        let bins = Bins::new(&part).unwrap();
        let settings = BoostingSettings { subsample: 0.555, ..SETTINGS };
        let mut boosting = Boosting::new(&part, &bins, 2, settings).unwrap();
        boosting.draw_rows(&mut Streams::new(1).at("round", 0));
        let first = boosting.sample.clone();
        assert_eq!(first.len(), 56);
        assert!(first.windows(2).all(|pair| pair[0] < pair[1]));
        boosting.draw_rows(&mut Streams::new(1).at("round", 1));
        assert_ne!(first, boosting.sample);
    }

    #[test]
    fn a_class_without_rows_is_never_predicted() {
        let part = line(&[0, 0, 2, 2, 0, 2]);
        let trees = round(&part, 3, SETTINGS);
        assert_eq!(trees[1].at(&[0.0]), [0.0]);
        let mut scores = vec![0.5f64.ln(), f64::NEG_INFINITY, 0.5f64.ln()];
        to_probabilities(&mut scores, 3);
        assert_eq!(scores, [0.5, 0.0, 0.5]);
    }

    #[test]
    fn what_cannot_be_boosted_is_an_error() {
        let error_of = |labels: &[u32], settings| {
            let part = line(labels);
            let bins = Bins::new(&part).unwrap();
            Boosting::new(&part, &bins, 2, settings).unwrap_err().to_string()
        };
        assert!(
            error_of(&[1, 1, 1], SETTINGS).contains("at least two classes, found 3 rows of one")
        );
        assert!(error_of(&[0, 1, 2], SETTINGS).contains("found 2 in training row 2"));
        for wrong in [
            BoostingSettings { rate: 0.0, ..SETTINGS },
            BoostingSettings { subsample: 1.5, ..SETTINGS },
            BoostingSettings { lambda: f64::NAN, ..SETTINGS },
            BoostingSettings { child_weight: -1.0, ..SETTINGS },
        ] {
            assert!(error_of(&[0, 1, 0], wrong).contains("boosting needs a rate above 0"));
        }
    }
}
