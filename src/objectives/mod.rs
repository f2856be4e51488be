//! Several objectives at once: which trials are best, how good they are together, and how to search for
//! them with an optimizer of one number.
//!
//! A point has one value an objective, in the objective's own unit. It *dominates* another where it is
//! at least as good in every objective and better in one. The points that no other dominates are the
//! Pareto front: the best that can be said without weighing objectives against each other.
//!
//! | | what | source |
//! |---|---|---|
//! | [`front`], [`ranks`] | the Pareto front, and the fronts that come to light when it is taken away | Zhang et al. 2015 |
//! | [`hypervolume`] | how much of the space the points dominate: one number for a whole front | While et al. 2012 |
//! | [`Chebyshev`] | one number for a point, with random weights for each trial: a whole front is found | Knowles 2006 |
//!
//! ```
//! use hyperq::objectives::{front, hypervolume, ranks};
//! use hyperq::trial::Direction::{Maximize, Minimize};
//!
//! // Seconds and accuracy.
//! let points = [vec![2.0, 0.9], vec![1.0, 0.8], vec![3.0, 0.7], vec![4.0, 0.95]];
//! let directions = [Minimize, Maximize];
//! assert_eq!(front(&points, &directions)?, [0, 1, 3]);
//! assert_eq!(ranks(&points, &directions)?, [0, 0, 1, 0]);
//! let volume = hypervolume(&points, &[5.0, 0.5], &directions)?;
//! assert!((volume - (4.0 * 0.3 + 3.0 * 0.1 + 1.0 * 0.05)).abs() < 1e-12);
//! # Ok::<(), hyperq::Error>(())
//! ```
//!
//! Sources:
//!
//! - Zhang, Tian, Cheng & Jin 2015, "An efficient approach to nondominated sorting for evolutionary
//!   multiobjective optimization".
//! - Zitzler & Thiele 1998, "Multiobjective optimization using evolutionary algorithms: a comparative case
//!   study" (the hypervolume).
//! - While, Bradstreet & Barone 2012, "A fast way of calculating exact hypervolumes".
//! - Knowles 2006, "ParEGO: a hybrid algorithm with on-line landscape approximation for expensive
//!   multiobjective optimization problems".

mod chebyshev;
mod hypervolume;
mod pareto;
#[cfg(test)]
mod tests;

pub use chebyshev::{Chebyshev, Ranges};
pub use hypervolume::hypervolume;
pub use pareto::{dominates, front, ranks};

use crate::error::{Error, Result};
use crate::trial::Direction;

/// Refuses points that have not one number an objective; `what` is what they were given for.
fn check(what: &str, points: &[Vec<f64>], directions: &[Direction]) -> Result<()> {
    points.iter().try_for_each(|point| check_point(what, point, directions))
}

fn check_point(what: &str, point: &[f64], directions: &[Direction]) -> Result<()> {
    if point.len() == directions.len() && !point.iter().any(|value| value.is_nan()) {
        return Ok(());
    }
    let objectives = directions.len();
    let reason =
        format!("a point must be one number for each of {objectives} objectives, found {point:?}");
    Err(Error::unsuited(what, reason))
}

/// A value of which less is better.
fn loss(value: f64, direction: Direction) -> f64 {
    // Adding 0.0 turns -0.0 into 0.0, so that equal losses are equal in every order too.
    match direction {
        Direction::Minimize => value + 0.0,
        Direction::Maximize => -value + 0.0,
    }
}
