use super::{Dimension, Family};

/// The function of Styblinski and Tang: two wells a coordinate, one a little deeper, so `2^d` minima.
///
/// `f(x) = 1/2 sum_i (x_i^4 - 16 x_i^2 + 5 x_i)` on `[-5, 5]^d`.
///
/// The minimum -39.16616570377141 d is attained at `(-2.903534, ..., -2.903534)`, the least root of
/// `4 x^3 - 32 x + 5`. Source: Styblinski & Tang 1990, "Experiments in nonconvex optimization".
pub fn styblinski_tang(x: &[f64]) -> f64 {
    x.iter().map(|x| x.powi(4) - 16.0 * x * x + 5.0 * x).sum::<f64>() / 2.0
}

pub(super) const FAMILY: Family = Family {
    name: "styblinski-tang",
    summary: "Styblinski-Tang: two wells a coordinate, one a little deeper",
    dimension: Dimension::Any { least: 1, listed: 4 },
    bounds: |d| vec![(-5.0, 5.0); d],
    value: styblinski_tang,
    optimum: |d| -39.166_165_703_771_41 * d as f64,
    minimizers: |d| vec![vec![-2.903_534_027_771_177; d]],
};
