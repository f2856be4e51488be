//! Support vector machines: one-vs-one votes of soft-margin machines, with probabilities.
//!
//! The solver is our own because the grid holds kernels with huge values, for which a solver without a
//! bound on its steps does not return, and because all machines with the same kernel share its values.
//!
//! For the classes `a < b` one machine is trained on the rows of both, `a` with the sign 1. A test row
//! is of the class with the most votes, the lowest one among equals. Probabilities: for each pair
//! `P(a | a or b, x) = 1 / (1 + exp(A f(x) + B))` of the decision value `f` (Platt 1999, fitted as in
//! Lin, Lin and Weng 2007), coupled over all pairs by the second method of Wu, Lin and Weng 2004. `A`
//! and `B` are fitted to the decision values of the rows that the machine was trained on, with Platt's
//! regularized targets; decision values of an inner cross-validation would cost several times as much
//! and would be less sure of themselves.

use std::time::{Duration, Instant};

use hyperq::space::{Configuration, Objective, Parameter, SearchSpace, SpaceDocument, Value};
use hyperq::trial::Direction;

use crate::data::{Fold, Part, Scaling};
use crate::error::{Error, Result};
use crate::learner::{Learner, Stage};

/// The most steps of one machine. One that does not reach the tolerance in these is used as it is
/// then.
const STEPS: usize = 20_000;

/// A training ends where the optimality conditions hold to within this.
const TOLERANCE: f64 = 1e-3;

/// What a curvature of at most 0 is replaced by (Fan, Chen and Lin 2005).
const LEAST_CURVATURE: f64 = 1e-12;

/// The probabilities of a pair stay this far from 0 and 1 before they are coupled.
const LEAST_PROBABILITY: f64 = 1e-7;

/// The exponents of 2 that `C` takes.
const C_EXPONENTS: std::ops::RangeInclusive<i32> = -5..=6;

const GAMMAS: [f64; 14] =
    [1e-4, 1e-3, 0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0];

const DEGREES: std::ops::RangeInclusive<i64> = 2..=10;

/// The learner `svm`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Svm;

impl Learner for Svm {
    fn name(&self) -> &'static str {
        "svm"
    }

    /// `kernel` is `rbf`, `exp(-gamma |x - y|^2)`; `poly`, `(<x, y> / columns + 1)^degree`; or
    /// `linear`, `<x, y>`. Without the division by the number of columns the values of `poly` would
    /// reach `10^24`, where no solver of 64-bit floats converges.
    fn document(&self) -> Result<SpaceDocument> {
        Ok(SpaceDocument {
            name: self.name().into(),
            description: "Support vector machines on the grid of Wistuba, Schilling and \
                Schmidt-Thieme 2016: measured accuracy."
                .into(),
            objective: Objective { name: "accuracy".into(), direction: Direction::Maximize },
            parameters: SearchSpace::new([
                Parameter::categorical("kernel", ["rbf", "poly", "linear"]),
                Parameter::float(
                    "C",
                    2f64.powi(*C_EXPONENTS.start()),
                    2f64.powi(*C_EXPONENTS.end()),
                )
                .log(),
                Parameter::float("gamma", GAMMAS[0], GAMMAS[GAMMAS.len() - 1])
                    .log()
                    .when("kernel", ["rbf"]),
                Parameter::int("degree", *DEGREES.start(), *DEGREES.end()).when("kernel", ["poly"]),
            ])?,
        })
    }

    /// 288 of them: 14 kernels `rbf`, 9 `poly` and one `linear`, each with 12 values of `C`. Those of
    /// one kernel follow each other.
    fn configurations(&self) -> Result<Vec<Configuration>> {
        let space = self.document()?.parameters;
        let rbf = GAMMAS.map(|gamma| (0, Some(("gamma", Value::Float(gamma)))));
        let poly = DEGREES.map(|degree| (1, Some(("degree", Value::Int(degree)))));
        rbf.into_iter()
            .chain(poly)
            .chain([(2, None)])
            .flat_map(|kernel| C_EXPONENTS.map(move |exponent| (kernel, 2f64.powi(exponent))))
            .map(|((kernel, further), c)| {
                let values = [("kernel", Value::Category(kernel)), ("C", Value::Float(c))];
                Ok(space.configuration(values.into_iter().chain(further))?)
            })
            .collect()
    }

    fn scaling(&self) -> Scaling {
        Scaling::Standard
    }

    fn fractions(&self) -> &'static [f64] {
        &[1.0]
    }

    fn train(&self, configuration: &Configuration, fold: &Fold) -> Result<Vec<Stage>> {
        let mut found = self.train_all(std::slice::from_ref(configuration), fold);
        found.pop().unwrap_or_else(|| Err(Error::Training("no machine".into())))
    }

    /// Neighbours with the same kernel share its values. The time for them counts for each.
    fn train_all(&self, configurations: &[Configuration], fold: &Fold) -> Vec<Result<Vec<Stage>>> {
        let mut found = Vec::with_capacity(configurations.len());
        let asked: Vec<_> = configurations
            .iter()
            .map(|at| Ok((Kernel::new(at, fold.train.columns)?, at.float("C")?)))
            .collect();
        let mut asked = asked.into_iter().peekable();
        while let Some(first) = asked.next() {
            match first {
                Err(error) => found.push(Err(error)),
                Ok((kernel, c)) => {
                    let mut cs = vec![c];
                    while let Some(Ok((_, c))) =
                        asked.next_if(|next| matches!(next, Ok((other, _)) if *other == kernel))
                    {
                        cs.push(c);
                    }
                    found.extend(
                        train_kernel(kernel, &cs, fold).into_iter().map(|stage| Ok(vec![stage?])),
                    );
                }
            }
        }
        found
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kernel {
    Rbf { gamma: f64 },
    Polynomial { scale: f64, degree: i32 },
    Linear,
}

impl Kernel {
    fn new(at: &Configuration, columns: usize) -> Result<Self> {
        Ok(match at.text("kernel")? {
            "rbf" => Self::Rbf { gamma: at.float("gamma")? },
            "poly" => Self::Polynomial {
                scale: 1.0 / columns.max(1) as f64,
                degree: at.int("degree")? as i32,
            },
            _ => Self::Linear,
        })
    }

    fn apply(self, x: &[f64], y: &[f64]) -> f64 {
        match self {
            Self::Rbf { gamma } => {
                let square: f64 = x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum();
                (-gamma * square).exp()
            }
            Self::Polynomial { scale, degree } => (inner(x, y) * scale + 1.0).powi(degree),
            Self::Linear => inner(x, y),
        }
    }
}

fn inner(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// A square or rectangular table of numbers, row by row.
struct Matrix {
    columns: usize,
    values: Vec<f64>,
}

impl Matrix {
    fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.columns..(row + 1) * self.columns]
    }

    /// The kernel of all pairs of a row of `left` and one of `right`.
    fn of(kernel: Kernel, left: &Part, right: &Part) -> Self {
        let columns = right.rows();
        let values = (0..left.rows())
            .flat_map(|i| (0..columns).map(move |j| kernel.apply(left.row(i), right.row(j))));
        Self { columns, values: values.collect() }
    }

    /// The kernel of all pairs of rows.
    fn symmetric(kernel: Kernel, part: &Part) -> Self {
        let rows = part.rows();
        let mut values = vec![0.0; rows * rows];
        for i in 0..rows {
            for j in 0..=i {
                let value = kernel.apply(part.row(i), part.row(j));
                values[i * rows + j] = value;
                values[j * rows + i] = value;
            }
        }
        Self { columns: rows, values }
    }

    /// The given rows and columns.
    fn select(&self, rows: &[usize]) -> Self {
        let values = rows.iter().flat_map(|&row| {
            let row = self.row(row);
            rows.iter().map(move |&column| row[column])
        });
        Self { columns: rows.len(), values: values.collect() }
    }
}

/// What one configuration says so far, pair after pair.
struct Votes {
    /// `P(a | a or b)` of each test row: rows x classes x classes.
    pairs: Vec<f64>,
    counts: Vec<u32>,
    spent: Duration,
    failed: Option<Error>,
}

/// The machines of one kernel, one stage for each `C`.
fn train_kernel(kernel: Kernel, cs: &[f64], fold: &Fold) -> Vec<Result<Stage>> {
    let (train, test, classes) = (&fold.train, &fold.test, fold.classes);
    let begin = Instant::now();
    let among = Matrix::symmetric(kernel, train);
    let across = Matrix::of(kernel, test, train);
    let mut shared = begin.elapsed();
    let mut votes: Vec<Votes> = cs
        .iter()
        .map(|_| Votes {
            pairs: vec![0.0; test.rows() * classes * classes],
            counts: vec![0; test.rows() * classes],
            spent: Duration::ZERO,
            failed: None,
        })
        .collect();
    for a in 0..classes {
        for b in a + 1..classes {
            let begin = Instant::now();
            let of = |class: usize| move |&row: &usize| train.labels[row] as usize == class;
            let rows: Vec<usize> =
                (0..train.rows()).filter(|row| of(a)(row) || of(b)(row)).collect();
            let signs: Vec<f64> =
                rows.iter().map(|row| if of(a)(row) { 1.0 } else { -1.0 }).collect();
            let values = among.select(&rows);
            shared += begin.elapsed();
            for (votes, &c) in votes.iter_mut().zip(cs).filter(|(votes, _)| votes.failed.is_none())
            {
                let begin = Instant::now();
                match Machine::train(&values, &signs, c) {
                    Ok(machine) => machine.vote(&across, &rows, (a, b), classes, votes),
                    Err(error) => votes.failed = Some(error),
                }
                votes.spent += begin.elapsed();
            }
        }
    }
    votes.into_iter().map(|votes| votes.stage(classes, shared)).collect()
}

impl Votes {
    fn stage(self, classes: usize, shared: Duration) -> Result<Stage> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let begin = Instant::now();
        let labels = self.counts.chunks(classes).map(most).collect();
        let probabilities =
            self.pairs.chunks(classes * classes).flat_map(|pairs| couple(pairs, classes)).collect();
        let seconds = (shared + self.spent + begin.elapsed()).as_secs_f64();
        Ok(Stage { fraction: 1.0, labels, probabilities, seconds })
    }
}

/// The first place of the largest count.
fn most(counts: &[u32]) -> u32 {
    let best = counts.iter().enumerate().rev().max_by_key(|(_, count)| **count);
    best.map_or(0, |(class, _)| class as u32)
}

/// A trained machine: a row `x` is of the first class where
/// `f(x) = sum_i weight_i k(x_i, x) + bias > 0`, and that with the probability
/// `1 / (1 + exp(slope f(x) + shift))`.
#[derive(Debug)]
struct Machine {
    /// `alpha_i y_i`.
    weights: Vec<f64>,
    bias: f64,
    sigmoid: Sigmoid,
}

impl Machine {
    fn train(kernel: &Matrix, signs: &[f64], c: f64) -> Result<Self> {
        let solution = solve(kernel, signs, c, STEPS);
        let decisions = solution.decisions(signs);
        if !decisions.iter().all(|decision| decision.is_finite()) {
            return Err(Error::Training("the support vector machine diverged".into()));
        }
        let weights = solution.alpha.iter().zip(signs).map(|(alpha, sign)| alpha * sign).collect();
        Ok(Self { weights, bias: solution.bias, sigmoid: Sigmoid::fit(&decisions, signs) })
    }

    /// Adds the votes of the machine for the classes `a` and `b`, trained on `rows`.
    fn vote(
        &self,
        across: &Matrix,
        rows: &[usize],
        (a, b): (usize, usize),
        classes: usize,
        votes: &mut Votes,
    ) {
        let support: Vec<(usize, f64)> = rows
            .iter()
            .zip(&self.weights)
            .filter(|(_, weight)| **weight != 0.0)
            .map(|(&row, &weight)| (row, weight))
            .collect();
        let tested =
            votes.counts.chunks_mut(classes).zip(votes.pairs.chunks_mut(classes * classes));
        for (row, (counts, pairs)) in tested.enumerate() {
            let values = across.row(row);
            let decision =
                support.iter().map(|&(row, weight)| weight * values[row]).sum::<f64>() + self.bias;
            counts[if decision > 0.0 { a } else { b }] += 1;
            let first = self.sigmoid.at(decision).clamp(LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY);
            pairs[a * classes + b] = first;
            pairs[b * classes + a] = 1.0 - first;
        }
    }
}

/// Where the solver ended.
#[derive(Debug)]
struct Solution {
    alpha: Vec<f64>,
    /// `y_i - sum_j alpha_j y_j k_ij`.
    slope: Vec<f64>,
    bias: f64,
}

impl Solution {
    /// The decision values of the rows that it was trained on.
    fn decisions(&self, signs: &[f64]) -> Vec<f64> {
        self.slope.iter().zip(signs).map(|(slope, sign)| sign - slope + self.bias).collect()
    }
}

/// Minimizes `1/2 sum_ij alpha_i alpha_j y_i y_j k_ij - sum_i alpha_i` with `0 <= alpha_i <= c` and
/// `sum_i alpha_i y_i = 0` by sequential minimal optimization, the pair of each step chosen with
/// second-order information (Fan, Chen and Lin 2005, working set selection 2). Ends after `steps`
/// steps at the latest.
///
/// `kernel` is square; `signs` are `y`, 1 or -1.
fn solve(kernel: &Matrix, signs: &[f64], c: f64, steps: usize) -> Solution {
    let rows = signs.len();
    let diagonal: Vec<f64> = (0..rows).map(|row| kernel.row(row)[row]).collect();
    let mut alpha = vec![0.0; rows];
    // -y_i times the gradient of the objective. The pair that violates optimality most has the
    // largest of these among the rows that may move up and the smallest among those that may move
    // down; at the optimum the first is not above the second.
    let mut slope = signs.to_vec();
    // What bars a row from moving up or down is added to its slope there: 0 or minus or plus infinity.
    let mut up: Vec<f64> =
        signs.iter().map(|&sign| if sign > 0.0 { 0.0 } else { f64::NEG_INFINITY }).collect();
    let mut down: Vec<f64> =
        signs.iter().map(|&sign| if sign > 0.0 { f64::INFINITY } else { 0.0 }).collect();
    let (mut high, mut low) = (f64::NEG_INFINITY, f64::INFINITY);
    for step in 0..=steps {
        let i = highest(&slope, &up);
        high = slope[i] + up[i];
        let values = kernel.row(i);
        let (j, lowest) = partner(&slope, &down, values, &diagonal, high, diagonal[i]);
        low = lowest;
        let Some(j) = j.filter(|_| high - low > TOLERANCE && step < steps) else { break };
        let curvature = curvature(diagonal[i], diagonal[j], values[j]);
        // Along the constraint y_i alpha_i rises by what y_j alpha_j falls, up to the first bound.
        let room_i = if signs[i] > 0.0 { c - alpha[i] } else { alpha[i] };
        let room_j = if signs[j] > 0.0 { alpha[j] } else { c - alpha[j] };
        let length = ((slope[i] - slope[j]) / curvature).min(room_i).min(room_j);
        // Exactly at a bound where a bound ends the step: rounding must not leave a row just inside.
        alpha[i] = moved(alpha[i], signs[i] * length, length >= room_i, c);
        alpha[j] = moved(alpha[j], -signs[j] * length, length >= room_j, c);
        for row in [i, j] {
            let (below, above) = (alpha[row] < c, alpha[row] > 0.0);
            let (may_rise, may_fall) =
                if signs[row] > 0.0 { (below, above) } else { (above, below) };
            up[row] = if may_rise { 0.0 } else { f64::NEG_INFINITY };
            down[row] = if may_fall { 0.0 } else { f64::INFINITY };
        }
        for ((slope, a), b) in slope.iter_mut().zip(values).zip(kernel.row(j)) {
            *slope -= length * (a - b);
        }
    }
    let bias = bias(&alpha, &slope, c, f64::midpoint(high, low));
    Solution { alpha, slope, bias }
}

/// The first row with the largest slope among those that may move up.
fn highest(slope: &[f64], up: &[f64]) -> usize {
    let (mut best, mut place) = (f64::NEG_INFINITY, 0);
    for (row, (slope, up)) in slope.iter().zip(up).enumerate() {
        let value = slope + up;
        if value > best {
            (best, place) = (value, row);
        }
    }
    place
}

/// The row that may move down and promises the largest decrease of the objective together with the one
/// of the slope `high`; and the least slope among those that may move down.
fn partner(
    slope: &[f64],
    down: &[f64],
    values: &[f64],
    diagonal: &[f64],
    high: f64,
    own: f64,
) -> (Option<usize>, f64) {
    let (mut lowest, mut best, mut place) = (f64::INFINITY, 0.0, None);
    let rows = slope.iter().zip(down).zip(values).zip(diagonal).enumerate();
    for (row, (((slope, down), value), diagonal)) in rows {
        let slope = slope + down;
        lowest = if slope < lowest { slope } else { lowest };
        let violation = high - slope;
        if violation > 0.0 {
            let gain = violation * violation / curvature(own, *diagonal, *value);
            if gain > best {
                (best, place) = (gain, Some(row));
            }
        }
    }
    (place, lowest)
}

/// `|phi(x_i) - phi(x_j)|^2`, kept above 0 for rows that the kernel does not tell apart.
fn curvature(ii: f64, jj: f64, ij: f64) -> f64 {
    (ii + jj - 2.0 * ij).max(LEAST_CURVATURE)
}

fn moved(alpha: f64, by: f64, to_bound: bool, c: f64) -> f64 {
    match (to_bound, by > 0.0) {
        (true, true) => c,
        (true, false) => 0.0,
        (false, _) => alpha + by,
    }
}

/// The mean slope of the rows strictly between the bounds, or `middle` without any.
fn bias(alpha: &[f64], slope: &[f64], c: f64, middle: f64) -> f64 {
    let free = || alpha.iter().zip(slope).filter(|(alpha, _)| **alpha > 0.0 && **alpha < c);
    match free().count() {
        0 => middle,
        count => free().map(|(_, slope)| slope).sum::<f64>() / count as f64,
    }
}

/// `P(y = 1 | f) = 1 / (1 + exp(slope f + shift))`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sigmoid {
    slope: f64,
    shift: f64,
}

impl Sigmoid {
    /// Maximizes the likelihood of Platt's targets, `(n_+ + 1) / (n_+ + 2)` for the sign 1 and
    /// `1 / (n_- + 2)` for -1, by Newton's method with backtracking (Lin, Lin and Weng 2007). What
    /// does not converge is used as it is then.
    fn fit(decisions: &[f64], signs: &[f64]) -> Self {
        const ITERATIONS: usize = 100;
        const SHORTEST_STEP: f64 = 1e-10;
        /// Keeps the Hessian positive definite.
        const RIDGE: f64 = 1e-12;
        const GRADIENT: f64 = 1e-5;
        let positive = signs.iter().filter(|sign| **sign > 0.0).count() as f64;
        let negative = signs.len() as f64 - positive;
        let (high, low) = ((positive + 1.0) / (positive + 2.0), 1.0 / (negative + 2.0));
        let rows: Vec<(f64, f64)> = decisions
            .iter()
            .zip(signs)
            .map(|(&decision, &sign)| (decision, if sign > 0.0 { high } else { low }))
            .collect();
        // -t ln p - (1 - t) ln(1 - p) with z = slope f + shift, in a form where no exponential
        // overflows.
        let loss = |at: Self| -> f64 {
            rows.iter()
                .map(|&(decision, target)| {
                    let z = at.slope * decision + at.shift;
                    let linear = if z >= 0.0 { target * z } else { (target - 1.0) * z };
                    linear + (-z.abs()).exp().ln_1p()
                })
                .sum()
        };
        let mut at = Self { slope: 0.0, shift: ((negative + 1.0) / (positive + 1.0)).ln() };
        let mut value = loss(at);
        for _ in 0..ITERATIONS {
            let (mut h11, mut h22, mut h21) = (RIDGE, RIDGE, 0.0);
            let (mut g1, mut g2) = (0.0, 0.0);
            for &(decision, target) in &rows {
                let p = at.at(decision);
                let (weight, error) = (p * (1.0 - p), target - p);
                h11 += decision * decision * weight;
                h22 += weight;
                h21 += decision * weight;
                g1 += decision * error;
                g2 += error;
            }
            if g1.abs() < GRADIENT && g2.abs() < GRADIENT {
                break;
            }
            let determinant = h11 * h22 - h21 * h21;
            let (d1, d2) =
                (-(h22 * g1 - h21 * g2) / determinant, -(h11 * g2 - h21 * g1) / determinant);
            let descent = g1 * d1 + g2 * d2;
            let mut step = 1.0;
            let next = loop {
                if step < SHORTEST_STEP {
                    break None;
                }
                let next = Self { slope: at.slope + step * d1, shift: at.shift + step * d2 };
                let found = loss(next);
                if found < value + 1e-4 * step * descent {
                    break Some((next, found));
                }
                step /= 2.0;
            };
            let Some(next) = next else { break };
            (at, value) = next;
        }
        at
    }

    fn at(self, decision: f64) -> f64 {
        let z = self.slope * decision + self.shift;
        if z >= 0.0 {
            let small = (-z).exp();
            small / (1.0 + small)
        } else {
            1.0 / (1.0 + z.exp())
        }
    }
}

/// The probabilities `p` of all classes from those of pairs, `r_ab = P(a | a or b)`: the minimum of
/// `sum_a sum_(b != a) (r_ba p_a - r_ab p_b)^2` where they sum to 1 (Wu, Lin and Weng 2004, the second
/// method, solved by their iteration).
fn couple(pairs: &[f64], classes: usize) -> Vec<f64> {
    if classes == 2 {
        return vec![pairs[1], pairs[2]];
    }
    let r = |a: usize, b: usize| pairs[a * classes + b];
    // The objective is p^T Q p.
    let mut q = vec![0.0; classes * classes];
    for a in 0..classes {
        for b in (0..classes).filter(|&b| b != a) {
            q[a * classes + a] += r(b, a) * r(b, a);
            q[a * classes + b] = -r(b, a) * r(a, b);
        }
    }
    let mut p = vec![1.0 / classes as f64; classes];
    let enough = 0.005 / classes as f64;
    for _ in 0..classes.max(100) {
        let mut products: Vec<f64> =
            (0..classes).map(|a| inner(&q[a * classes..(a + 1) * classes], &p)).collect();
        let mut value = inner(&p, &products);
        if products.iter().all(|product| (product - value).abs() < enough) {
            break;
        }
        for a in 0..classes {
            let (row, own) = (&q[a * classes..(a + 1) * classes], q[a * classes + a]);
            // p_a rises by `by`, then all are divided by their sum.
            let by = (value - products[a]) / own;
            let sum = 1.0 + by;
            value = (value + by * (by * own + 2.0 * products[a])) / (sum * sum);
            p[a] += by;
            for (product, entry) in products.iter_mut().zip(row) {
                *product = (*product + by * entry) / sum;
            }
            p.iter_mut().for_each(|p| *p /= sum);
        }
    }
    p
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of `tests/fixtures/svm_reference.py`.
    fn clusters(count: usize, seed: u64) -> Part {
        let mut state = seed;
        let mut part = Part { columns: 2, features: Vec::new(), labels: Vec::new() };
        for row in 0..count {
            let label = row % 2;
            for _ in 0..2 {
                state = (state * 1_103_515_245 + 12_345) % (1 << 31);
                part.features.push(state as f64 / 2f64.powi(31) * 2.0 - 1.0 + 0.8 * label as f64);
            }
            part.labels.push(label as u32);
        }
        part
    }

    fn signs(part: &Part) -> Vec<f64> {
        part.labels.iter().map(|&label| if label == 0 { 1.0 } else { -1.0 }).collect()
    }

    fn configuration(place: usize) -> Configuration {
        Svm.configurations().unwrap()[place].clone()
    }

    #[test]
    fn two_points_have_the_known_solution() {
        // x = -1 and 2 with a linear kernel: the margin 3 gives alpha = 2 / 3^2, and the boundary
        // 2/3 x + bias = 0 lies in the middle, at x = 1/2.
        let kernel = Matrix { columns: 2, values: vec![1.0, -2.0, -2.0, 4.0] };
        let solution = solve(&kernel, &[-1.0, 1.0], 10.0, 100);
        for alpha in &solution.alpha {
            assert!((alpha - 2.0 / 9.0).abs() < 1e-9, "{alpha}");
        }
        assert!((solution.bias + 1.0 / 3.0).abs() < 1e-9, "{}", solution.bias);
        // A small C bounds both weights.
        assert_eq!(solve(&kernel, &[-1.0, 1.0], 0.1, 100).alpha, [0.1, 0.1]);
    }

    #[test]
    fn decisions_agree_with_libsvm() {
        let (train, test) = (clusters(60, 1), clusters(5, 99));
        let reference = include_str!("../tests/fixtures/svm_reference.csv");
        for line in reference.lines().skip(1) {
            let cells: Vec<&str> = line.split(',').collect();
            let numbers: Vec<f64> = cells[1..].iter().map(|cell| cell.parse().unwrap()).collect();
            let kernel = match cells[0] {
                "rbf" => Kernel::Rbf { gamma: numbers[1] },
                "poly" => Kernel::Polynomial { scale: 0.5, degree: numbers[1] as i32 },
                _ => Kernel::Linear,
            };
            let solution =
                solve(&Matrix::symmetric(kernel, &train), &signs(&train), numbers[0], STEPS);
            let across = Matrix::of(kernel, &test, &train);
            for (row, wanted) in numbers[2..].iter().enumerate() {
                let weights: Vec<f64> = solution
                    .alpha
                    .iter()
                    .zip(signs(&train))
                    .map(|(alpha, sign)| alpha * sign)
                    .collect();
                let found = inner(&weights, across.row(row)) + solution.bias;
                let error = (found - wanted).abs() / wanted.abs().max(1.0);
                assert!(error < 5e-3, "{line}: {found} for {wanted}");
            }
        }
    }

    #[test]
    fn a_solution_satisfies_the_optimality_conditions() {
        let (train, c) = (clusters(80, 3), 1.0);
        let signs = signs(&train);
        let solution =
            solve(&Matrix::symmetric(Kernel::Rbf { gamma: 0.5 }, &train), &signs, c, STEPS);
        let balance: f64 = inner(&solution.alpha, &signs);
        assert!(balance.abs() < 1e-9, "{balance}");
        for ((decision, sign), alpha) in
            solution.decisions(&signs).iter().zip(&signs).zip(&solution.alpha)
        {
            let margin = sign * decision;
            assert!((0.0..=c).contains(alpha));
            // alpha = 0 needs a margin of at least 1, alpha = c one of at most 1.
            assert!(*alpha > 0.0 || margin > 1.0 - 2.0 * TOLERANCE, "{alpha} {margin}");
            assert!(*alpha < c || margin < 1.0 + 2.0 * TOLERANCE, "{alpha} {margin}");
        }
    }

    #[test]
    fn steps_are_bounded_and_numbers_that_are_none_fail() {
        let train = clusters(60, 1);
        let kernel = Matrix::symmetric(Kernel::Linear, &train);
        let short = solve(&kernel, &signs(&train), 64.0, 3);
        assert!(short.alpha.iter().filter(|alpha| **alpha > 0.0).count() <= 6);
        let broken = Matrix { columns: 2, values: vec![f64::NAN; 4] };
        let error = Machine::train(&broken, &[-1.0, 1.0], 10.0).unwrap_err();
        assert!(matches!(error, Error::Training(_)), "{error}");
    }

    #[test]
    fn the_sigmoid_is_at_the_optimum_of_its_likelihood() {
        let decisions = [-2.0, -1.5, -1.0, -0.2, 0.1, 0.4, 1.0, 1.2, 1.9, 2.5];
        let signs = [-1.0, -1.0, -1.0, 1.0, -1.0, 1.0, 1.0, -1.0, 1.0, 1.0];
        let sigmoid = Sigmoid::fit(&decisions, &signs);
        assert!(sigmoid.slope < 0.0, "a larger decision value is a larger probability");
        // At the optimum the probabilities match the targets in sum and weighted by the decisions.
        let (mut sum, mut weighted) = (0.0, 0.0);
        for (decision, sign) in decisions.iter().zip(&signs) {
            let target = if *sign > 0.0 { 6.0 / 7.0 } else { 1.0 / 7.0 };
            sum += sigmoid.at(*decision) - target;
            weighted += decision * (sigmoid.at(*decision) - target);
        }
        assert!(sum.abs() < 1e-4 && weighted.abs() < 1e-4, "{sum} {weighted}");
    }

    #[test]
    fn coupling_agrees_with_the_solution_of_the_linear_system() {
        let reference = include_str!("../tests/fixtures/coupling_reference.csv");
        for line in reference.lines().skip(1) {
            let numbers: Vec<f64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
            let &[r12, r13, r23, ref wanted @ ..] = numbers.as_slice() else { panic!("{line}") };
            let pairs = [0.0, r12, r13, 1.0 - r12, 0.0, r23, 1.0 - r13, 1.0 - r23, 0.0];
            let found = couple(&pairs, 3);
            assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            for (found, wanted) in found.iter().zip(wanted) {
                assert!((found - wanted).abs() < 0.01, "{line}: {found} for {wanted}");
            }
        }
    }

    #[test]
    fn the_grid_has_288_different_configurations() {
        let all = Svm.configurations().unwrap();
        let mut texts: Vec<String> = all.iter().map(ToString::to_string).collect();
        texts.sort();
        texts.dedup();
        assert_eq!((all.len(), texts.len()), (288, 288));
    }

    /// A fold of three classes: clusters and a third one far away.
    fn fold() -> Fold {
        let shifted = |mut part: Part| {
            for row in (0..part.rows()).step_by(3) {
                part.labels[row] = 2;
                part.features[2 * row] -= 4.0;
            }
            part
        };
        let (train, test) = (shifted(clusters(90, 5)), shifted(clusters(30, 6)));
        Fold { train, test, test_rows: (0..30).collect(), classes: 3, seed: 0 }
    }

    #[test]
    fn votes_and_probabilities_are_of_the_classes() {
        let fold = fold();
        // gamma 0.1, C 1.
        let stages = Svm.train(&configuration(4 * 12 + 5), &fold).unwrap();
        let stage = &stages[0];
        let right = stage.labels.iter().zip(&fold.test.labels).filter(|(a, b)| a == b).count();
        assert!(right >= 24, "{right} of 30");
        let mut likely = 0;
        for (row, label) in stage.probabilities.chunks(3).zip(&fold.test.labels) {
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{row:?}");
            assert!(row.iter().all(|p| (0.0..=1.0).contains(p)), "{row:?}");
            likely += usize::from(row[*label as usize] > 1.0 / 3.0);
        }
        assert!(likely >= 22, "{likely} of 30");
    }

    #[test]
    fn machines_trained_together_are_those_trained_alone() {
        let fold = fold();
        let all = Svm.configurations().unwrap();
        let some = [&all[46..50], &all[285..]].concat();
        for (configuration, together) in some.iter().zip(Svm.train_all(&some, &fold)) {
            let (together, alone) = (together.unwrap(), Svm.train(configuration, &fold).unwrap());
            assert_eq!(together[0].labels, alone[0].labels);
            assert_eq!(together[0].probabilities, alone[0].probabilities);
        }
    }
}
