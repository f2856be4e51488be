use super::{Dimension, Family};

/// Griewank's function: a wide bowl with thousands of regular ripples.
///
/// `f(x) = 1 + sum_i x_i^2 / 4000 - prod_i cos(x_i / sqrt(i))` on `[-600, 600]^d`.
///
/// The minimum 0 is attained at the origin. Source: Griewank 1981, "Generalized descent for global
/// optimization".
pub fn griewank(x: &[f64]) -> f64 {
    let bowl: f64 = x.iter().map(|x| x * x / 4000.0).sum();
    let ripples: f64 =
        x.iter().enumerate().map(|(i, x)| (x / ((i + 1) as f64).sqrt()).cos()).product();
    bowl + (1.0 - ripples)
}

pub(super) const FAMILY: Family = Family {
    name: "griewank",
    summary: "Griewank: a wide bowl with thousands of regular ripples",
    dimension: Dimension::Any { least: 1, listed: 5 },
    bounds: |d| vec![(-600.0, 600.0); d],
    value: griewank,
    optimum: |_| 0.0,
    minimizers: |d| vec![vec![0.0; d]],
};
