use std::f64::consts::{FRAC_PI_2, PI};

use super::{Dimension, Family};

/// Michalewicz's function: narrow valleys in a plain that is flat.
///
/// `f(x) = -sum_i sin(x_i) sin^20(i x_i^2 / pi)` on `[0, pi]^d` (steepness m = 10).
///
/// The minimum is known for d = 2 (-1.8013 at `(2.20, 1.57)`), 5 (-4.687658) and 10 (-9.66015).
/// Source: Michalewicz 1992, "Genetic algorithms + data structures = evolution programs".
pub fn michalewicz(x: &[f64]) -> f64 {
    -x.iter()
        .enumerate()
        .map(|(i, x)| x.sin() * ((i + 1) as f64 * x * x / PI).sin().powi(20))
        .sum::<f64>()
}

/// The minimizer of each coordinate's term, to full precision: the sum is separable.
const MINIMIZER: [f64; 10] = [
    2.202_905_520_172_609,
    FRAC_PI_2,
    1.284_991_570_552_924_4,
    1.923_058_469_866_362_8,
    1.720_469_772_565_841_3,
    FRAC_PI_2,
    1.454_413_971_362_379,
    1.756_086_520_945_026_4,
    1.655_717_416_821_029_1,
    FRAC_PI_2,
];

pub(super) const FAMILY: Family = Family {
    name: "michalewicz",
    summary: "Michalewicz: narrow valleys in a flat plain",
    dimension: Dimension::Published { known: &[2, 5, 10], listed: 5 },
    bounds: |d| vec![(0.0, PI); d],
    value: michalewicz,
    optimum: |d| match d {
        2 => -1.801_303_410_098_552_5,
        5 => -4.687_658_179_088_146,
        _ => -9.660_151_715_641_34,
    },
    minimizers: |d| vec![MINIMIZER[..d].to_vec()],
};

#[cfg(test)]
mod tests {
    use super::*;

    /// The function is separable, so a dense search of each coordinate alone proves the minimizer.
    #[test]
    fn each_coordinate_alone_has_its_minimum_at_the_minimizer() {
        for (i, &minimizer) in MINIMIZER.iter().enumerate() {
            let term = |x: f64| -x.sin() * ((i + 1) as f64 * x * x / PI).sin().powi(20);
            let least = (0..=100_000)
                .map(|k| term(f64::from(k) / 100_000.0 * PI))
                .fold(f64::INFINITY, f64::min);
            assert!(term(minimizer) <= least, "coordinate {}", i + 1);
            assert!(least - term(minimizer) < 1e-5, "coordinate {}", i + 1);
        }
    }
}
