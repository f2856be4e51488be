use super::{Dimension, Family};

/// Rosenbrock's function: a long curved valley, easy to find and hard to follow.
///
/// `f(x) = sum_{i < d} 100 (x_{i+1} - x_i^2)^2 + (1 - x_i)^2` on `[-5, 10]^d`, `d >= 2`.
///
/// The minimum 0 is attained at `(1, ..., 1)`. Source: Rosenbrock 1960, "An automatic method for
/// finding the greatest or least value of a function" (two variables; the sum over neighbours is the
/// usual extension).
pub fn rosenbrock(x: &[f64]) -> f64 {
    x.windows(2)
        .map(|pair| 100.0 * (pair[1] - pair[0] * pair[0]).powi(2) + (1.0 - pair[0]).powi(2))
        .sum()
}

pub(super) const FAMILY: Family = Family {
    name: "rosenbrock",
    summary: "Rosenbrock: a long curved valley, easy to find and hard to follow",
    dimension: Dimension::Any { least: 2, listed: 4 },
    bounds: |d| vec![(-5.0, 10.0); d],
    value: rosenbrock,
    optimum: |_| 0.0,
    minimizers: |d| vec![vec![1.0; d]],
};
