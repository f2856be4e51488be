use super::{Dimension, Family};

/// The depths of the four wells, the same in both dimensions.
const ALPHA: [f64; 4] = [1.0, 1.2, 3.0, 3.2];

const A3: [[f64; 3]; 4] =
    [[3.0, 10.0, 30.0], [0.1, 10.0, 35.0], [3.0, 10.0, 30.0], [0.1, 10.0, 35.0]];

const P3: [[f64; 3]; 4] = [
    [0.3689, 0.1170, 0.2673],
    [0.4699, 0.4387, 0.7470],
    [0.1091, 0.8732, 0.5547],
    [0.0381, 0.5743, 0.8828],
];

const A6: [[f64; 6]; 4] = [
    [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
    [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
    [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
    [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
];

const P6: [[f64; 6]; 4] = [
    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
    [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
    [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
];

/// `-sum_i alpha_i exp(-sum_j a_ij (x_j - p_ij)^2)`.
fn wells<const D: usize>(x: &[f64], a: &[[f64; D]; 4], p: &[[f64; D]; 4]) -> f64 {
    -ALPHA
        .iter()
        .zip(a.iter().zip(p))
        .map(|(alpha, (a, p))| {
            let distance: f64 = (0..D).map(|j| a[j] * (x[j] - p[j]).powi(2)).sum();
            alpha * (-distance).exp()
        })
        .sum::<f64>()
}

/// Hartmann's function of three variables: four wells of different depth and shape.
///
/// `f(x) = -sum_i alpha_i exp(-sum_j a_ij (x_j - p_ij)^2)` on `[0, 1]^3`.
///
/// The minimum -3.862779787332663 is attained at `(0.114589, 0.555649, 0.852547)`. Source: Dixon &
/// Szego 1978, "The global optimization problem: an introduction".
///
/// # Panics
///
/// If `x` has fewer than three coordinates.
pub fn hartmann3(x: &[f64]) -> f64 {
    wells(x, &A3, &P3)
}

/// Hartmann's function of six variables: four wells of different depth and shape.
///
/// `f(x) = -sum_i alpha_i exp(-sum_j a_ij (x_j - p_ij)^2)` on `[0, 1]^6`.
///
/// The minimum -3.322368011415515 is attained at
/// `(0.201690, 0.150011, 0.476874, 0.275332, 0.311652, 0.657301)`. Source: Dixon & Szego 1978, "The
/// global optimization problem: an introduction".
///
/// # Panics
///
/// If `x` has fewer than six coordinates.
pub fn hartmann6(x: &[f64]) -> f64 {
    wells(x, &A6, &P6)
}

pub(super) const FAMILY_3: Family = Family {
    name: "hartmann-3",
    summary: "Hartmann: four wells of different depth and shape",
    dimension: Dimension::Fixed(3),
    bounds: |d| vec![(0.0, 1.0); d],
    value: hartmann3,
    optimum: |_| -3.862_779_787_332_662_5,
    minimizers: |_| {
        vec![vec![0.114_588_876_655_068_97, 0.555_648_894_616_93, 0.852_546_984_686_677_4]]
    },
};

pub(super) const FAMILY_6: Family = Family {
    name: "hartmann-6",
    summary: "Hartmann: four wells of different depth and shape",
    dimension: Dimension::Fixed(6),
    bounds: |d| vec![(0.0, 1.0); d],
    value: hartmann6,
    optimum: |_| -3.322_368_011_415_514_8,
    minimizers: |_| {
        vec![vec![
            0.201_689_511_006_705_42,
            0.150_010_691_823_457_97,
            0.476_873_974_221_897,
            0.275_332_430_494_056_1,
            0.311_651_616_600_113_24,
            0.657_300_534_065_620_3,
        ]]
    },
};
