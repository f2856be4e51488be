use std::f64::consts::{E, PI};

use super::{Dimension, Family};

/// Ackley's function: nearly flat far out, many shallow minima, one deep hole.
///
/// `f(x) = -20 exp(-0.2 sqrt(mean(x_i^2))) - exp(mean(cos(2 pi x_i))) + 20 + e` on
/// `[-32.768, 32.768]^d`.
///
/// The minimum 0 is attained at the origin. Source: Ackley 1987, "A connectionist machine for genetic
/// hillclimbing".
pub fn ackley(x: &[f64]) -> f64 {
    let d = x.len() as f64;
    let radius = (x.iter().map(|x| x * x).sum::<f64>() / d).sqrt();
    let waves = x.iter().map(|x| (2.0 * PI * x).cos()).sum::<f64>() / d;
    // Grouped so that both terms vanish exactly at the origin.
    20.0 * (1.0 - (-0.2 * radius).exp()) + (E - waves.exp())
}

pub(super) const FAMILY: Family = Family {
    name: "ackley",
    summary: "Ackley: nearly flat far out, many shallow minima, one deep hole",
    dimension: Dimension::Any { least: 1, listed: 5 },
    bounds: |d| vec![(-32.768, 32.768); d],
    value: ackley,
    optimum: |_| 0.0,
    minimizers: |d| vec![vec![0.0; d]],
};
