//! The hypervolume of a set of points.

use super::pareto::lexicographic;
use super::{check, loss};
use crate::error::{Error, Result};
use crate::trial::Direction;

/// The volume of the space that the points dominate, as far as `reference` (Zitzler & Thiele 1998): the
/// measure of the union of the boxes between each point and `reference`.
///
/// Its unit is the product of the objectives' units. A point that is not better than `reference` in every
/// objective contributes nothing. Dominated and equal points may be among the points and change
/// nothing, nor does the order of the points, not even in the last bit. It is infinite where a point that
/// contributes is infinitely good, and where it is beyond the range of numbers.
///
/// Two objectives are swept in `O(n log n)`. More are taken by the algorithm of the Walking Fish Group
/// (While, Bradstreet & Barone 2012): the volume is the sum of what each point dominates alone among those
/// behind it, which is its box less the volume of the others where they are limited to the box. Points
/// are visited by their last objective from the worst to the best, which makes the limited ones equal in
/// it: their volume has one objective less. At most `O(n^(m - 1) log n)` time for `n` points of `m`
/// objectives; the memory, `O(m^2 n)`, is reused.
///
/// # Errors
///
/// [`Error::Unsuited`] where there is no objective, where a point has not one number an objective, or
/// `reference` not one finite number.
pub fn hypervolume(
    points: &[Vec<f64>],
    reference: &[f64],
    directions: &[Direction],
) -> Result<f64> {
    let what = "a hypervolume";
    check(what, points, directions)?;
    let objectives = directions.len();
    if objectives == 0 {
        return Err(Error::unsuited(what, "there is no objective"));
    }
    if reference.len() != objectives || !reference.iter().all(|value| value.is_finite()) {
        let reason = format!(
            "the reference point must be one finite number for each of {objectives} objectives, \
             found {reference:?}"
        );
        return Err(Error::unsuited(what, reason));
    }

    let mut levels: Vec<Level> = Vec::new();
    levels.resize_with(objectives, Level::default);
    for point in points {
        // What the point gains over the reference in each objective.
        let gains = || {
            let pairs = point.iter().zip(reference).zip(directions);
            pairs.map(|((value, reference), direction)| {
                loss(*reference, *direction) - loss(*value, *direction)
            })
        };
        if gains().all(|gain| gain > 0.0) {
            levels[0].push(objectives, gains());
        }
    }
    let volume = volume(&mut levels, objectives);
    // Infinite gains and products beyond the range of numbers end as an infinity or as a difference of two.
    Ok(if volume.is_finite() { volume } else { f64::INFINITY })
}

/// The points of one depth of the recursion, row by row, and an order of them.
#[derive(Default)]
struct Level {
    rows: Vec<f64>,
    order: Vec<usize>,
}

impl Level {
    /// Adds a row of `width` gains. Of more than two, rows that others dominate or equal are dropped: the
    /// time of what follows grows with a power of their number.
    fn push(&mut self, width: usize, row: impl Iterator<Item = f64>) {
        let mut end = self.rows.len();
        self.rows.extend(row);
        if width <= 2 {
            return;
        }
        let mut at = 0;
        while at < end {
            let (old, new) = self.rows.split_at(self.rows.len() - width);
            let pairs = || old[at..at + width].iter().zip(new);
            if pairs().all(|(old, new)| old >= new) {
                self.rows.truncate(end);
                return;
            }
            if pairs().all(|(old, new)| new >= old) {
                end -= width;
                self.rows.copy_within(end..end + width, at);
            } else {
                at += width;
            }
        }
        let new = self.rows.len() - width;
        self.rows.copy_within(new.., end);
        self.rows.truncate(end + width);
    }

    /// Orders the rows by their last number, the least first, and equal ones by the others, so that the
    /// order in which they were added makes no difference.
    fn sort(&mut self, width: usize) {
        let rows = &self.rows;
        self.order.clear();
        self.order.extend((0..rows.len()).step_by(width));
        self.order.sort_unstable_by(|a, b| {
            let (a, b) = (&rows[*a..*a + width], &rows[*b..*b + width]);
            a[width - 1].total_cmp(&b[width - 1]).then_with(|| lexicographic(a, b))
        });
    }
}

/// The volume of the union of the boxes between the origin and the rows of the first level, which have
/// `width` numbers above 0 each. There are `width` levels; all of them are used up.
fn volume(levels: &mut [Level], width: usize) -> f64 {
    match levels {
        [] => 0.0,
        [line] => line.rows.iter().copied().fold(0.0, f64::max),
        [plane, _] => area(&mut plane.rows),
        [level, deeper @ ..] => {
            level.sort(width);
            let mut total = 0.0;
            for (position, at) in level.order.iter().enumerate() {
                let base = &level.rows[*at..*at + width - 1];
                let height = level.rows[*at + width - 1];
                deeper[0].rows.clear();
                for other in &level.order[position + 1..] {
                    let limited = base.iter().zip(&level.rows[*other..]).map(|(a, b)| a.min(*b));
                    deeper[0].push(width - 1, limited);
                }
                total += height * (base.iter().product::<f64>() - volume(deeper, width - 1));
            }
            total
        }
    }
}

/// The area of the union of the rectangles between the origin and pairs of numbers above 0.
fn area(pairs: &mut [f64]) -> f64 {
    let (pairs, _) = pairs.as_chunks_mut::<2>();
    pairs.sort_unstable_by(|a, b| lexicographic(b, a));
    let (mut area, mut covered) = (0.0, 0.0);
    for [width, height] in pairs {
        if *height > covered {
            area += *width * (*height - covered);
            covered = *height;
        }
    }
    area
}
