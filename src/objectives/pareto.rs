//! Domination, the Pareto front and the fronts behind it.

use std::cmp::Ordering;

use super::{check, loss};
use crate::error::Result;
use crate::trial::Direction;

/// Whether the point `a` dominates `b`: at least as good in every objective, better in one. `false` where a
/// value is NaN. Values beyond the number of directions are passed over.
pub fn dominates(a: &[f64], b: &[f64], directions: &[Direction]) -> bool {
    let mut better = false;
    for ((a, b), direction) in a.iter().zip(b).zip(directions) {
        let (a, b) = match direction {
            Direction::Minimize => (a, b),
            Direction::Maximize => (b, a),
        };
        match a.partial_cmp(b) {
            Some(Ordering::Less) => better = true,
            Some(Ordering::Equal) => {}
            _ => return false,
        }
    }
    better
}

/// The positions of the points that no other point dominates, in ascending order. Equal points are on
/// the front together. Infinities are the best or the worst values.
///
/// Takes `O(n log n)` time for `n` points of one or two objectives, `O(m n f + n log n)` for `m` objectives
/// and a front of `f` points.
///
/// # Errors
///
/// [`Error::Unsuited`](crate::Error::Unsuited) where a point has not one number an objective.
pub fn front(points: &[Vec<f64>], directions: &[Direction]) -> Result<Vec<usize>> {
    check("a Pareto front", points, directions)?;
    let losses = Losses::new(points, directions);
    let (mut front, mut distinct) = (Vec::new(), Vec::new());
    let mut previous = None;
    for index in losses.order() {
        let best = match previous {
            Some((equal, best)) if losses.row(equal) == losses.row(index) => best,
            _ if losses.is_beaten(index, &distinct) => false,
            _ => {
                distinct.push(index);
                true
            }
        };
        if best {
            front.push(index);
        }
        previous = Some((index, best));
    }
    front.sort_unstable();
    Ok(front)
}

/// For each point the number of its front, from 0: the Pareto front, the front of the points without it,
/// and so on. Equal points have equal ranks.
///
/// The points are visited in lexicographic order, so that none dominates one before it, and a binary
/// search finds the first front that has no dominating member (ENS-BS, Zhang et al. 2015). Takes
/// `O(n log n)` time for `n` points of one or two objectives, at most `O(m n^2)` for `m`.
///
/// # Errors
///
/// [`Error::Unsuited`](crate::Error::Unsuited) where a point has not one number an objective.
pub fn ranks(points: &[Vec<f64>], directions: &[Direction]) -> Result<Vec<usize>> {
    check("ranks of domination", points, directions)?;
    let losses = Losses::new(points, directions);
    let mut ranks = vec![0; points.len()];
    let mut fronts: Vec<Vec<usize>> = Vec::new();
    let mut previous = None;
    for index in losses.order() {
        ranks[index] = match previous {
            Some(equal) if losses.row(equal) == losses.row(index) => ranks[equal],
            _ => {
                // A point that a front dominates is dominated by every front before it as well.
                let rank = fronts.partition_point(|front| losses.is_beaten(index, front));
                match fronts.get_mut(rank) {
                    Some(front) => front.push(index),
                    None => fronts.push(vec![index]),
                }
                rank
            }
        };
        previous = Some(index);
    }
    Ok(ranks)
}

/// Points of which less is better, in one block.
struct Losses {
    values: Vec<f64>,
    points: usize,
    objectives: usize,
}

impl Losses {
    fn new(points: &[Vec<f64>], directions: &[Direction]) -> Self {
        let rows = points.iter().flat_map(|point| point.iter().zip(directions));
        let values = rows.map(|(value, direction)| loss(*value, *direction)).collect();
        Self { values, points: points.len(), objectives: directions.len() }
    }

    fn row(&self, index: usize) -> &[f64] {
        &self.values[index * self.objectives..][..self.objectives]
    }

    /// The points in lexicographic order.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.points).collect();
        order.sort_by(|a, b| lexicographic(self.row(*a), self.row(*b)));
        order
    }

    /// Whether a member of `front` dominates the point. The members come before the point in
    /// lexicographic order, in this order, differ from it and do not dominate each other.
    fn is_beaten(&self, index: usize, front: &[usize]) -> bool {
        let row = self.row(index);
        let beats = |member: &usize| self.row(*member).iter().zip(row).all(|(a, b)| a <= b);
        if self.objectives <= 2 {
            // The latest member is the best in the last objective, and all are as good in the first.
            return front.last().is_some_and(beats);
        }
        // The latest members are the nearest ones, which dominate most often.
        front.iter().rev().any(beats)
    }
}

/// The order by the first number that differs; no number is NaN.
pub(super) fn lexicographic(a: &[f64], b: &[f64]) -> Ordering {
    a.iter()
        .zip(b)
        .map(|(a, b)| a.total_cmp(b))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}
