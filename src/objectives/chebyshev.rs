//! One number for a point of several objectives.

use rand::RngExt;

use super::{check_point, loss};
use crate::error::{Error, Result};
use crate::streams::Generator;
use crate::trial::{Direction, Score};

/// How much the weighted sum counts beside the weighted maximum, as in Knowles 2006: enough that a point
/// scores less than one that dominates it where their maxima are equal.
const SUM: f64 = 0.05;

/// The range of each objective among the points seen so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranges {
    directions: Vec<Direction>,
    /// The least and the greatest loss of each objective.
    ranges: Vec<(f64, f64)>,
}

impl Ranges {
    /// The ranges of no points.
    pub fn new(directions: &[Direction]) -> Self {
        let ranges = vec![(f64::INFINITY, f64::NEG_INFINITY); directions.len()];
        Self { directions: directions.to_vec(), ranges }
    }

    /// Widens the ranges to include a point.
    ///
    /// # Errors
    ///
    /// [`Error::Unsuited`] where it has not one finite number an objective.
    pub fn include(&mut self, point: &[f64]) -> Result<()> {
        self.check("ranges of objectives", point)?;
        for ((low, high), loss) in self.ranges.iter_mut().zip(losses(point, &self.directions)) {
            *low = low.min(loss);
            *high = high.max(loss);
        }
        Ok(())
    }

    fn check(&self, what: &str, point: &[f64]) -> Result<()> {
        check_point(what, point, &self.directions)?;
        match point.iter().find(|value| value.is_infinite()) {
            None => Ok(()),
            Some(value) => {
                Err(Error::unsuited(what, format!("{point:?} has the infinite value {value}")))
            }
        }
    }
}

/// The losses of a point, of which less is better.
fn losses(point: &[f64], directions: &[Direction]) -> impl Iterator<Item = f64> {
    point.iter().zip(directions).map(|(value, direction)| loss(*value, *direction))
}

/// Where a loss lies between the best and the worst one: 0 is the best. A new best lies below 0, a new worst above 1,
/// at most by the width of the range. Where best and worst are equal the objective tells nothing apart, which
/// is 0 too.
fn normalized(loss: f64, (low, high): (f64, f64)) -> f64 {
    // Half of each: the difference of two finite numbers need not be finite.
    let width = 0.5 * high - 0.5 * low;
    if width > 0.0 { ((0.5 * loss - 0.5 * low) / width).clamp(-1.0, 2.0) } else { 0.0 }
}

/// The augmented Chebyshev scalarization of a point with some weights (Knowles 2006): an optimizer of one
/// number that maximizes it under weights drawn anew for each trial approaches the whole Pareto front,
/// its concave parts included.
///
/// ```text
/// z_j   = (y_j - best_j) / (worst_j - best_j)      0 is the best of the ranges, 1 the worst
/// score = -(max_j w_j z_j + 0.05 sum_j w_j z_j)    in [-1.05, 0] within the ranges, more is better
/// ```
///
/// Knowles draws the weights from a lattice on the simplex; here they are uniform on all of it.
///
/// ```
/// use hyperq::objectives::{Chebyshev, Ranges};
/// use hyperq::streams::Streams;
/// use hyperq::trial::Direction::{Maximize, Minimize};
///
/// let points = [[2.0, 0.9], [1.0, 0.8], [3.0, 0.7]];
/// let mut ranges = Ranges::new(&[Minimize, Maximize]);
/// for point in &points {
///     ranges.include(point)?;
/// }
/// let chebyshev = Chebyshev::draw(2, &mut Streams::new(7).at("weights", 0));
/// // The third point is the worst in both objectives.
/// let scores = points.map(|point| chebyshev.score(&point, &ranges).unwrap());
/// assert!(scores[2] < scores[0] && scores[2] < scores[1]);
/// # Ok::<(), hyperq::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Chebyshev {
    weights: Vec<f64>,
}

impl Chebyshev {
    /// Draws the weights of so many objectives, at least 0 each and 1 in sum: uniformly, as the gaps
    /// between uniform numbers of `[0, 1)` in order.
    pub fn draw(objectives: usize, rng: &mut Generator) -> Self {
        let mut ends: Vec<f64> = (1..objectives).map(|_| rng.random()).collect();
        ends.sort_unstable_by(f64::total_cmp);
        ends.push(1.0);
        let mut start = 0.0;
        let gap = |end: f64| {
            let gap = end - start;
            start = end;
            gap
        };
        Self { weights: ends.into_iter().take(objectives).map(gap).collect() }
    }

    /// The weight of each objective.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The score of a point. A value beyond its range counts as such, up to the range's width beyond.
    ///
    /// # Errors
    ///
    /// [`Error::Unsuited`] where the point, the ranges and the weights are not of the same number of
    /// objectives, or a value is not finite.
    pub fn score(&self, point: &[f64], ranges: &Ranges) -> Result<Score> {
        let what = "a Chebyshev scalarization";
        ranges.check(what, point)?;
        if self.weights.len() != ranges.directions.len() {
            let reason = format!(
                "there are {} weights, with {} objectives",
                self.weights.len(),
                ranges.directions.len()
            );
            return Err(Error::unsuited(what, reason));
        }
        let (mut greatest, mut sum) = (f64::NEG_INFINITY, 0.0);
        let losses = losses(point, &ranges.directions).zip(&ranges.ranges);
        for ((loss, range), weight) in losses.zip(&self.weights) {
            let weighted: f64 = weight * normalized(loss, *range);
            greatest = greatest.max(weighted);
            sum += weighted;
        }
        Direction::Maximize.score(-(greatest + SUM * sum))
    }
}
