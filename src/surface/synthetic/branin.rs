use std::f64::consts::PI;

use super::{Dimension, Family};

/// Branin's function: three global minima in a curved valley.
///
/// `f(x) = (x2 - 5.1 / (4 pi^2) x1^2 + 5 / pi x1 - 6)^2 + 10 (1 - 1 / (8 pi)) cos(x1) + 10` on
/// `x1 in [-5, 10]`, `x2 in [0, 15]`.
///
/// The minimum `10 / (8 pi)` = 0.397887 is attained where the square vanishes and `cos(x1) = -1`: at
/// `(-pi, 12.275)`, `(pi, 2.275)` and `(3 pi, 2.475)`. Source: Dixon & Szego 1978, "The global
/// optimization problem: an introduction"; F. H. Branin 1972.
///
/// # Panics
///
/// If `x` has fewer than two coordinates.
pub fn branin(x: &[f64]) -> f64 {
    let square = x[1] - 5.1 / (4.0 * PI * PI) * x[0] * x[0] + 5.0 / PI * x[0] - 6.0;
    // 10 (1 - t) cos + 10 regrouped, so that rounding cannot take it below the minimum 10 t.
    square * square + 10.0 * (1.0 - T) * (1.0 + x[0].cos()) + 10.0 * T
}

const T: f64 = 1.0 / (8.0 * PI);

pub(super) const FAMILY: Family = Family {
    name: "branin",
    summary: "Branin: three global minima in a curved valley",
    dimension: Dimension::Fixed(2),
    bounds: |_| vec![(-5.0, 10.0), (0.0, 15.0)],
    value: branin,
    optimum: |_| 10.0 * T,
    minimizers: |_| {
        // The square vanishes: x2 = 5.1 / (4 pi^2) x1^2 - 5 / pi x1 + 6.
        [(-PI, 12.275), (PI, 2.275), (3.0 * PI, 2.475)].map(|(a, b)| vec![a, b]).to_vec()
    },
};
