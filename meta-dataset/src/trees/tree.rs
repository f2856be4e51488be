//! A grown decision tree.

/// What [`Node::column`] is in a leaf.
const LEAF: u32 = u32::MAX;

/// A binary decision tree with thresholds on single columns and some numbers in each leaf.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    nodes: Vec<Node>,
    /// The numbers of a leaf.
    width: usize,
    values: Vec<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Node {
    threshold: f64,
    /// The column that is compared, or [`LEAF`].
    column: u32,
    /// The left child, whose neighbour is the right one; of a leaf where its values start.
    next: u32,
}

impl Tree {
    /// A tree of one leaf, number 0, that is to be [split](Self::split) or
    /// [given](Self::set_leaf) its `width` values.
    pub(super) fn new(width: usize) -> Self {
        Self {
            nodes: vec![Node { threshold: 0.0, column: LEAF, next: 0 }],
            width,
            values: Vec::new(),
        }
    }

    /// Makes of the leaf `node` a split into two leaves and gives the left one; the right one is its
    /// neighbour. Both are to be split or given values in turn.
    pub(super) fn split(&mut self, node: usize, column: usize, threshold: f64) -> usize {
        let left = self.nodes.len();
        self.nodes[node] = Node { threshold, column: column as u32, next: left as u32 };
        self.nodes.extend([Node { threshold: 0.0, column: LEAF, next: 0 }; 2]);
        left
    }

    /// Gives a leaf its values.
    pub(super) fn set_leaf(&mut self, node: usize, values: impl IntoIterator<Item = f64>) {
        self.nodes[node].next = self.values.len() as u32;
        self.values.extend(values);
    }

    /// The values of the leaf that a row falls in: left where its number is at most the threshold.
    pub fn at(&self, row: &[f64]) -> &[f64] {
        let mut node = &self.nodes[0];
        while node.column != LEAF {
            let right = usize::from(row[node.column as usize] > node.threshold);
            node = &self.nodes[node.next as usize + right];
        }
        &self.values[node.next as usize..node.next as usize + self.width]
    }

    /// The number of leaves.
    pub fn leaves(&self) -> usize {
        self.nodes.len().div_ceil(2)
    }

    /// The column and the threshold of the root; none where the tree is a leaf.
    pub fn root(&self) -> Option<(usize, f64)> {
        let root = &self.nodes[0];
        (root.column != LEAF).then_some((root.column as usize, root.threshold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_fall_into_the_leaf_on_their_side_of_each_threshold() {
        let mut tree = Tree::new(2);
        let left = tree.split(0, 1, 2.5);
        let inner = tree.split(left + 1, 0, -1.0);
        tree.set_leaf(left, [1.0, 0.0]);
        tree.set_leaf(inner, [0.25, 0.75]);
        tree.set_leaf(inner + 1, [0.0, 1.0]);
        assert_eq!(tree.leaves(), 3);
        assert_eq!(tree.root(), Some((1, 2.5)));
        assert_eq!(tree.at(&[9.0, 2.5]), [1.0, 0.0]);
        assert_eq!(tree.at(&[-1.0, 2.6]), [0.25, 0.75]);
        assert_eq!(tree.at(&[-0.9, 2.6]), [0.0, 1.0]);
    }
}
