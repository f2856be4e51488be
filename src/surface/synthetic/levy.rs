use std::f64::consts::PI;

use super::{Dimension, Family};

/// Levy's function: waves across a bowl, steep at the ends.
///
/// With `w_i = 1 + (x_i - 1) / 4`:
/// `f(x) = sin^2(pi w_1) + sum_{i < d} (w_i - 1)^2 (1 + 10 sin^2(pi w_i + 1))
/// + (w_d - 1)^2 (1 + sin^2(2 pi w_d))` on `[-10, 10]^d`.
///
/// The minimum 0 is attained at `(1, ..., 1)`. Source: Laguna & Marti 2005, "Experimental testing of
/// advanced scatter search designs for global optimization of multimodal functions", after Levy &
/// Montalvo 1985.
///
/// # Panics
///
/// If `x` is empty.
pub fn levy(x: &[f64]) -> f64 {
    let w = |x: f64| 1.0 + (x - 1.0) / 4.0;
    let (last, rest) = x.split_last().expect("Levy's function needs at least one coordinate");
    let (first, last) = (w(x[0]), w(*last));
    let middle: f64 = rest
        .iter()
        .map(|&x| (w(x) - 1.0).powi(2) * (1.0 + 10.0 * (PI * w(x) + 1.0).sin().powi(2)))
        .sum();
    (PI * first).sin().powi(2)
        + middle
        + (last - 1.0).powi(2) * (1.0 + (2.0 * PI * last).sin().powi(2))
}

pub(super) const FAMILY: Family = Family {
    name: "levy",
    summary: "Levy: waves across a bowl, steep at the ends",
    dimension: Dimension::Any { least: 1, listed: 4 },
    bounds: |d| vec![(-10.0, 10.0); d],
    value: levy,
    optimum: |_| 0.0,
    minimizers: |d| vec![vec![1.0; d]],
};
