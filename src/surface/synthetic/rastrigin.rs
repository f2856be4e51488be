use std::f64::consts::PI;

use super::{Dimension, Family};

/// Rastrigin's function: a bowl with a regular lattice of local minima.
///
/// `f(x) = 10 d + sum_i (x_i^2 - 10 cos(2 pi x_i))` on `[-5.12, 5.12]^d`.
///
/// The minimum 0 is attained at the origin. Source: Rastrigin 1974, "Systems of extremal control";
/// any dimension: Muhlenbein, Schomisch & Born 1991.
pub fn rastrigin(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x + 10.0 * (1.0 - (2.0 * PI * x).cos())).sum()
}

pub(super) const FAMILY: Family = Family {
    name: "rastrigin",
    summary: "Rastrigin: a bowl with a regular lattice of local minima",
    dimension: Dimension::Any { least: 1, listed: 5 },
    bounds: |d| vec![(-5.12, 5.12); d],
    value: rastrigin,
    optimum: |_| 0.0,
    minimizers: |d| vec![vec![0.0; d]],
};
