use super::{Dimension, Family};

/// The six-hump camel function: six local minima, two of them global.
///
/// `f(x) = (4 - 2.1 x1^2 + x1^4 / 3) x1^2 + x1 x2 + (-4 + 4 x2^2) x2^2` on `x1 in [-3, 3]`,
/// `x2 in [-2, 2]`.
///
/// The minimum -1.0316284534898774 is attained at `(0.0898, -0.7127)` and `(-0.0898, 0.7127)`.
/// Source: Dixon & Szego 1978, "The global optimization problem: an introduction".
///
/// # Panics
///
/// If `x` has fewer than two coordinates.
pub fn six_hump_camel(x: &[f64]) -> f64 {
    let (a, b) = (x[0] * x[0], x[1] * x[1]);
    (4.0 - 2.1 * a + a * a / 3.0) * a + x[0] * x[1] + (-4.0 + 4.0 * b) * b
}

/// Where the gradient vanishes, to full precision.
const MINIMIZER: [f64; 2] = [0.089_842_013_100_318_06, -0.712_656_403_020_739_6];

pub(super) const FAMILY: Family = Family {
    name: "six-hump-camel",
    summary: "six-hump camel: six local minima, two of them global",
    dimension: Dimension::Fixed(2),
    bounds: |_| vec![(-3.0, 3.0), (-2.0, 2.0)],
    value: six_hump_camel,
    optimum: |_| -1.031_628_453_489_877_4,
    minimizers: |_| vec![MINIMIZER.to_vec(), MINIMIZER.map(|x| -x).to_vec()],
};
