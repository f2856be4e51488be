//! Extremely randomized trees: what a table says between its configurations.

use rand::RngExt;

use crate::streams::{Generator, Streams};

/// The number of trees.
const TREES: u64 = 100;

/// The seed of the trees. It is part of what a surrogate is: another one gives another function.
const SEED: u64 = 20_061_101;

/// An ensemble of extremely randomized trees for regression (Geurts, Ernst & Wehenkel 2006, "Extremely
/// randomized trees", table 1): at each node one threshold a feature is drawn uniformly between the
/// node's least and greatest value, and the split that reduces the variance most is taken. All features
/// compete (`K` is their number, the paper's default for regression), every tree sees all rows, and
/// trees grow until a leaf has one row or one value.
///
/// Distinct rows so end in leaves of their own: the ensemble goes through every value that it was fitted
/// to, and between them it is a mean of such values. It therefore never promises more than the best
/// value of the table, nor less than the worst.
#[derive(Debug, Clone)]
pub(super) struct ExtraTrees {
    /// The number of features.
    width: usize,
    /// The nodes of all trees, one tree after the other.
    nodes: Vec<Node>,
    /// Where each tree's root is.
    roots: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
enum Node {
    Leaf(f64),
    /// Rows with `feature < threshold` go to the node that follows, the others to `right`.
    Split {
        feature: u32,
        threshold: f32,
        right: u32,
    },
}

impl ExtraTrees {
    /// Fits the trees to rows of `width` features.
    pub(super) fn fit(features: &[f32], width: usize, values: &[f64]) -> Self {
        let mut trees = Self { width, nodes: Vec::new(), roots: Vec::new() };
        let mut rows: Vec<u32> = (0..values.len() as u32).collect();
        for tree in 0..TREES {
            trees.roots.push(trees.nodes.len() as u32);
            let mut rng = Streams::new(SEED).at("extra-trees", tree);
            trees.grow(features, values, &mut rows, &mut rng);
        }
        trees
    }

    /// The mean over the trees.
    pub(super) fn predict(&self, row: &[f32]) -> f64 {
        let leaf = |&root: &u32| {
            let mut at = root as usize;
            loop {
                match self.nodes[at] {
                    Node::Leaf(value) => return value,
                    Node::Split { feature, threshold, right } => {
                        at = if row[feature as usize] < threshold { at + 1 } else { right as usize }
                    }
                }
            }
        };
        self.roots.iter().map(leaf).sum::<f64>() / self.roots.len() as f64
    }

    fn grow(&mut self, features: &[f32], values: &[f64], rows: &mut [u32], rng: &mut Generator) {
        let mean = rows.iter().map(|&row| values[row as usize]).sum::<f64>() / rows.len() as f64;
        let first = values[rows[0] as usize];
        if rows.iter().all(|&row| values[row as usize] == first) {
            // Not their mean, which rounding may have moved.
            self.nodes.push(Node::Leaf(first));
            return;
        }
        let Some((feature, threshold)) = self.split(features, values, rows, mean, rng) else {
            self.nodes.push(Node::Leaf(mean));
            return;
        };
        let column = |row: u32| features[row as usize * self.width + feature];
        let mut left = 0;
        for at in 0..rows.len() {
            if column(rows[at]) < threshold {
                rows.swap(left, at);
                left += 1;
            }
        }
        let here = self.nodes.len();
        self.nodes.push(Node::Split { feature: feature as u32, threshold, right: 0 });
        let (below, above) = rows.split_at_mut(left);
        self.grow(features, values, below, rng);
        let right = self.nodes.len() as u32;
        self.nodes[here] = Node::Split { feature: feature as u32, threshold, right };
        self.grow(features, values, above, rng);
    }

    /// The best of one random split a feature; `None` where all rows are alike.
    fn split(
        &self,
        features: &[f32],
        values: &[f64],
        rows: &[u32],
        mean: f64,
        rng: &mut Generator,
    ) -> Option<(usize, f32)> {
        let mut best: Option<(f64, usize, f32)> = None;
        for feature in 0..self.width {
            let column = |row: u32| features[row as usize * self.width + feature];
            let (low, high) = rows
                .iter()
                .map(|&row| column(row))
                .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), x| {
                    (low.min(x), high.max(x))
                });
            if low >= high {
                continue;
            }
            let drawn = low + (high - low) * rng.random::<f32>();
            // Between `low` and `high`, so that neither side is empty.
            let threshold = if drawn > low { drawn } else { high };
            let (mut count, mut sum) = (0.0, 0.0);
            for &row in rows {
                if column(row) < threshold {
                    count += 1.0;
                    sum += values[row as usize] - mean;
                }
            }
            // The sums of both sides are opposite, so this is the reduction of the sum of squares.
            let gain = sum * sum * (1.0 / count + 1.0 / (rows.len() as f64 - count));
            if best.is_none_or(|(known, ..)| gain > known) {
                best = Some((gain, feature, threshold));
            }
        }
        best.map(|(_, feature, threshold)| (feature, threshold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_goes_through_every_value_and_stays_between_them(
            rows in proptest::collection::btree_map((0u8..40, 0u8..40), -5.0..5.0f64, 1..60),
            at in (0.0..40.0f32, 0.0..40.0f32),
        ) {
            let features: Vec<f32> =
                rows.keys().flat_map(|&(a, b)| [f32::from(a), f32::from(b)]).collect();
            let values: Vec<f64> = rows.values().copied().collect();
            let trees = ExtraTrees::fit(&features, 2, &values);
            for (row, value) in features.chunks(2).zip(&values) {
                prop_assert!((trees.predict(row) - value).abs() < 1e-12);
            }
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let between = trees.predict(&[at.0, at.1]);
            prop_assert!(between >= least - 1e-12 && between <= most + 1e-12);
        }
    }

    #[test]
    fn it_is_closer_to_a_smooth_function_than_the_nearest_row() {
        let f = |x: f32, y: f32| f64::from((3.0 * x).sin() + y * y);
        let points: Vec<[f32; 2]> = (0..200)
            .map(|i| {
                let point = sobol_burley::sample_4d(i, 0, 1);
                [point[0], point[1]]
            })
            .collect();
        let values: Vec<f64> = points.iter().map(|p| f(p[0], p[1])).collect();
        let trees = ExtraTrees::fit(&points.concat(), 2, &values);
        let (mut forest, mut nearest) = (0.0, 0.0);
        for i in 0..500 {
            let point = sobol_burley::sample_4d(i, 0, 2);
            let (x, y) = (point[0], point[1]);
            let distance = |p: &[f32; 2]| (p[0] - x).powi(2) + (p[1] - y).powi(2);
            let near = (0..points.len())
                .min_by(|&a, &b| distance(&points[a]).total_cmp(&distance(&points[b])))
                .unwrap();
            forest += (trees.predict(&[x, y]) - f(x, y)).powi(2);
            nearest += (values[near] - f(x, y)).powi(2);
        }
        assert!(forest < nearest, "{forest} {nearest}");
    }

    #[test]
    fn rows_that_are_alike_share_their_mean() {
        let trees = ExtraTrees::fit(&[0.5, 0.5], 1, &[1.0, 2.0]);
        assert_eq!(trees.predict(&[0.5]), 1.5);
    }
}
