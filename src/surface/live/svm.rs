//! A support vector machine for two classes: which kernel, how wide and how strict.
//!
//! It has a solver of its own because smartcore's repeats steps without a bound: for kernels with
//! huge values it does not return. This one stops after a fixed number of steps and says so.

use super::data::{DataSet, Fold, Scaling};
use super::{FOLDS, Model, accuracy};
use crate::error::{Error, Result};
use crate::space::{Configuration, Parameter, SearchSpace};

/// The most steps of one training. Most configurations need some hundreds; huge polynomial kernels
/// with a large `C` may need millions.
const STEPS: usize = 20_000;

/// A training ends where the optimality conditions hold to within this.
const TOLERANCE: f64 = 1e-3;

/// `kernel` is `rbf`, `exp(-gamma |x - y|^2)`; `poly`, `(gamma <x, y> + coef0)^degree`; or `linear`,
/// `<x, y>`. `C` bounds the weight of a row.
pub(super) fn space() -> Result<SearchSpace> {
    SearchSpace::new([
        Parameter::categorical("kernel", ["rbf", "poly", "linear"]),
        Parameter::float("C", 1e-2, 1e2).log(),
        Parameter::float("gamma", 1e-4, 1.0).log().when("kernel", ["rbf", "poly"]),
        Parameter::int("degree", 2, 5).when("kernel", ["poly"]),
        Parameter::float("coef0", 0.0, 1.0).when("kernel", ["poly"]),
    ])
}

/// The folds on standardized features.
pub(super) struct Svm {
    folds: Vec<Fold>,
}

impl Svm {
    /// The model of a data set with two classes.
    pub(super) fn new(data: &DataSet) -> Self {
        Self { folds: data.folds(FOLDS, Scaling::Standard) }
    }
}

impl Model for Svm {
    fn value(&self, at: &Configuration) -> Result<f64> {
        let kernel = Kernel::new(at)?;
        let c = at.float("C")?;
        accuracy(&self.folds, |fold| {
            let (train, test) = (&fold.train, &fold.test);
            let rows = train.rows();
            let mut values = vec![0.0; rows * rows];
            for i in 0..rows {
                for j in 0..=i {
                    let value = kernel.apply(train.row(i), train.row(j));
                    values[i * rows + j] = value;
                    values[j * rows + i] = value;
                }
            }
            let signs: Vec<f64> = train.labels.iter().map(|&label| sign(label)).collect();
            let machine = solve(&values, &signs, c, STEPS)?;
            let decide = |row: &[f64]| -> f64 {
                let weighted =
                    |i: usize| machine.alpha[i] * signs[i] * kernel.apply(train.row(i), row);
                let support = (0..rows).filter(|&i| machine.alpha[i] > 0.0);
                support.map(weighted).sum::<f64>() + machine.bias
            };
            Ok((0..test.rows()).map(|row| u32::from(decide(test.row(row)) > 0.0)).collect())
        })
    }
}

fn sign(label: u32) -> f64 {
    if label == 1 { 1.0 } else { -1.0 }
}

enum Kernel {
    Rbf { gamma: f64 },
    Polynomial { gamma: f64, coef0: f64, degree: i32 },
    Linear,
}

impl Kernel {
    fn new(at: &Configuration) -> Result<Self> {
        Ok(match at.text("kernel")? {
            "rbf" => Self::Rbf { gamma: at.float("gamma")? },
            "poly" => Self::Polynomial {
                gamma: at.float("gamma")?,
                coef0: at.float("coef0")?,
                degree: at.int("degree")? as i32,
            },
            _ => Self::Linear,
        })
    }

    fn apply(&self, x: &[f64], y: &[f64]) -> f64 {
        let inner = || x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
        match *self {
            Self::Rbf { gamma } => {
                let square: f64 = x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum();
                (-gamma * square).exp()
            }
            Self::Polynomial { gamma, coef0, degree } => (gamma * inner() + coef0).powi(degree),
            Self::Linear => inner(),
        }
    }
}

/// A trained machine: a row `x` is of class 1 where `sum_i alpha_i y_i k(x_i, x) + bias > 0`.
#[derive(Debug)]
struct Machine {
    alpha: Vec<f64>,
    bias: f64,
}

/// Minimizes `1/2 sum_ij alpha_i alpha_j y_i y_j k_ij - sum_i alpha_i` with `0 <= alpha_i <= c` and
/// `sum_i alpha_i y_i = 0` by sequential minimal optimization, the pair of each step chosen with
/// second-order information (Fan, Chen and Lin 2005, working set selection 2).
///
/// `kernel` is square, row by row; `signs` are `y`, 1 or -1.
///
/// # Errors
///
/// [`Error::Evaluation`] where `steps` steps do not reach the tolerance or a number is not finite.
fn solve(kernel: &[f64], signs: &[f64], c: f64, steps: usize) -> Result<Machine> {
    let rows = signs.len();
    let row = |i: usize| &kernel[i * rows..(i + 1) * rows];
    let mut alpha = vec![0.0; rows];
    // -y_i times the gradient of the objective. The pair that violates optimality most has the
    // largest of these among the rows that may move up and the smallest among those that may move
    // down; at the optimum the first is not above the second.
    let mut slope = signs.to_vec();
    let up = |alpha: &[f64], i: usize| if signs[i] > 0.0 { alpha[i] < c } else { alpha[i] > 0.0 };
    let down = |alpha: &[f64], i: usize| if signs[i] > 0.0 { alpha[i] > 0.0 } else { alpha[i] < c };
    for _ in 0..steps {
        let Some(i) = (0..rows)
            .filter(|&i| up(&alpha, i))
            .max_by(|&a, &b| slope[a].total_cmp(&slope[b]).then(b.cmp(&a)))
        else {
            break;
        };
        let (mut lowest, mut best, mut partner) = (f64::INFINITY, 0.0, None);
        let values = row(i);
        for j in (0..rows).filter(|&j| down(&alpha, j)) {
            lowest = lowest.min(slope[j]);
            let violation = slope[i] - slope[j];
            if violation > 0.0 {
                let curvature = curvature(values[i], row(j)[j], values[j]);
                let gain = violation * violation / curvature;
                if gain > best {
                    (best, partner) = (gain, Some((j, violation / curvature)));
                }
            }
        }
        let (high, low) = (slope[i], lowest);
        let Some((j, step)) = partner.filter(|_| high - low > TOLERANCE) else {
            return finish(alpha, &slope, c, f64::midpoint(high, low));
        };
        // Along the constraint y_i alpha_i rises by what y_j alpha_j falls, up to the first bound.
        let room_i = if signs[i] > 0.0 { c - alpha[i] } else { alpha[i] };
        let room_j = if signs[j] > 0.0 { alpha[j] } else { c - alpha[j] };
        let step = step.min(room_i).min(room_j);
        // Exactly at a bound where a bound ends the step: rounding must not leave a row just inside.
        alpha[i] = moved(alpha[i], signs[i] * step, step >= room_i, c);
        alpha[j] = moved(alpha[j], -signs[j] * step, step >= room_j, c);
        for ((slope, a), b) in slope.iter_mut().zip(row(i)).zip(row(j)) {
            *slope -= step * (a - b);
        }
    }
    Err(Error::Evaluation(format!("the support vector machine did not converge in {steps} steps")))
}

/// `|phi(x_i) - phi(x_j)|^2`, kept above 0 for rows that the kernel does not tell apart.
fn curvature(ii: f64, jj: f64, ij: f64) -> f64 {
    (ii + jj - 2.0 * ij).max(1e-12)
}

fn moved(alpha: f64, by: f64, to_bound: bool, c: f64) -> f64 {
    match (to_bound, by > 0.0) {
        (true, true) => c,
        (true, false) => 0.0,
        (false, _) => alpha + by,
    }
}

/// The bias is the mean slope of the rows strictly between the bounds, or `middle` without any.
fn finish(alpha: Vec<f64>, slope: &[f64], c: f64, middle: f64) -> Result<Machine> {
    let free = || alpha.iter().zip(slope).filter(|(alpha, _)| **alpha > 0.0 && **alpha < c);
    let count = free().count();
    let bias = match count {
        0 => middle,
        _ => free().map(|(_, slope)| slope).sum::<f64>() / count as f64,
    };
    if !bias.is_finite() {
        return Err(Error::Evaluation("the support vector machine diverged".into()));
    }
    Ok(Machine { alpha, bias })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_points_have_the_known_solution() {
        // x = -1 and 2 with a linear kernel: the margin 3 gives alpha = 2 / 3^2, and the boundary
        // 2/3 x + bias = 0 lies in the middle, at x = 1/2.
        let machine = solve(&[1.0, -2.0, -2.0, 4.0], &[-1.0, 1.0], 10.0, 100).unwrap();
        for alpha in &machine.alpha {
            assert!((alpha - 2.0 / 9.0).abs() < 1e-9, "{alpha}");
        }
        assert!((machine.bias + 1.0 / 3.0).abs() < 1e-9, "{}", machine.bias);
        // A small C bounds both weights.
        let machine = solve(&[1.0, -2.0, -2.0, 4.0], &[-1.0, 1.0], 0.1, 100).unwrap();
        assert_eq!(machine.alpha, [0.1, 0.1]);
    }

    #[test]
    fn a_solution_satisfies_the_optimality_conditions() {
        let fold = &super::super::data::breast_cancer().folds(3, Scaling::Standard)[0];
        let (train, c) = (&fold.train, 1.0);
        let kernel = Kernel::Rbf { gamma: 0.05 };
        let rows = train.rows();
        let values: Vec<f64> = (0..rows * rows)
            .map(|pair| kernel.apply(train.row(pair / rows), train.row(pair % rows)))
            .collect();
        let signs: Vec<f64> = train.labels.iter().map(|&label| sign(label)).collect();
        let machine = solve(&values, &signs, c, STEPS).unwrap();
        let balance: f64 = machine.alpha.iter().zip(&signs).map(|(alpha, y)| alpha * y).sum();
        assert!(balance.abs() < 1e-9, "{balance}");
        for i in 0..rows {
            let decision: f64 =
                (0..rows).map(|j| machine.alpha[j] * signs[j] * values[i * rows + j]).sum::<f64>()
                    + machine.bias;
            let (margin, alpha) = (signs[i] * decision, machine.alpha[i]);
            assert!((0.0..=c).contains(&alpha));
            // alpha = 0 needs a margin of at least 1, alpha = c one of at most 1.
            assert!(alpha > 0.0 || margin > 1.0 - 2.0 * TOLERANCE, "{alpha} {margin}");
            assert!(alpha < c || margin < 1.0 + 2.0 * TOLERANCE, "{alpha} {margin}");
        }
    }

    #[test]
    fn a_training_without_enough_steps_fails() {
        let error = solve(&[1.0, -2.0, -2.0, 4.0], &[-1.0, 1.0], 10.0, 1).unwrap_err();
        assert!(matches!(error, Error::Evaluation(_)), "{error}");
        let error = solve(&[f64::NAN; 4], &[-1.0, 1.0], 10.0, 100).unwrap_err();
        assert!(matches!(error, Error::Evaluation(_)), "{error}");
    }
}
