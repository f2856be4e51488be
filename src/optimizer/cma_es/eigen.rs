//! Eigenvectors and eigenvalues of a symmetric matrix.

/// The sum of squares beside the diagonal, as a share of that of the whole matrix, at which the iteration
/// ends.
const TOLERANCE: f64 = 1e-30;
/// Jacobi's iteration converges quadratically: ten sweeps are more than it needs.
const SWEEPS: usize = 30;

/// `matrix = vectors * diag(values) * vectors^T`; the eigenvectors are the columns.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Eigen {
    /// Row after row.
    pub(super) vectors: Vec<f64>,
    pub(super) values: Vec<f64>,
}

impl Eigen {
    /// Decomposes a symmetric matrix, given row after row, by cyclic Jacobi rotations (Golub & Van Loan 2013,
    /// "Matrix computations", section 8.5).
    pub(super) fn of(matrix: &[f64], n: usize) -> Self {
        let mut a = matrix.to_vec();
        let mut vectors = vec![0.0; n * n];
        (0..n).for_each(|i| vectors[i * n + i] = 1.0);
        let whole: f64 = a.iter().map(|x| x * x).sum();
        for _ in 0..SWEEPS {
            let beside: f64 = (0..n)
                .flat_map(|p| (0..p).map(move |q| (p, q)))
                .fold(0.0, |sum, (p, q)| sum + a[p * n + q] * a[p * n + q]);
            if beside <= TOLERANCE * whole {
                break;
            }
            for p in 0..n {
                for q in p + 1..n {
                    rotate(&mut a, &mut vectors, n, p, q);
                }
            }
        }
        Self { vectors, values: (0..n).map(|i| a[i * n + i]).collect() }
    }
}

/// Makes the entry `(p, q)` zero.
fn rotate(a: &mut [f64], vectors: &mut [f64], n: usize, p: usize, q: usize) {
    let beside = a[p * n + q];
    if beside == 0.0 {
        return;
    }
    let tau = (a[q * n + q] - a[p * n + p]) / (2.0 * beside);
    // The smaller root of t^2 + 2 tau t - 1 = 0.
    let t = tau.signum() / (tau.abs() + tau.hypot(1.0));
    let cosine = 1.0 / t.hypot(1.0);
    let sine = t * cosine;
    let turn = |matrix: &mut [f64], i: usize, j: usize| {
        let (x, y) = (matrix[i], matrix[j]);
        matrix[i] = cosine * x - sine * y;
        matrix[j] = sine * x + cosine * y;
    };
    for k in 0..n {
        turn(a, k * n + p, k * n + q);
        turn(vectors, k * n + p, k * n + q);
    }
    for k in 0..n {
        turn(a, p * n + k, q * n + k);
    }
    // Exactly, so that rounding leaves the matrix symmetric.
    a[p * n + q] = 0.0;
    a[q * n + p] = 0.0;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_factors_give_the_matrix_back(
            n in 1usize..9,
            entries in prop::collection::vec(-10.0..10.0f64, 36),
            scale in -12..12i32,
        ) {
            let at = |i: usize, j: usize| {
                let (i, j) = (i.min(j), i.max(j));
                10f64.powi(scale) * entries[j * (j + 1) / 2 + i]
            };
            let entry = |k: usize| at(k / n, k % n);
            let matrix: Vec<f64> = (0..n * n).map(entry).collect();
            let Eigen { vectors, values } = Eigen::of(&matrix, n);
            let largest = matrix.iter().fold(0.0f64, |most, x| most.max(x.abs()));
            for i in 0..n {
                for j in 0..n {
                    let back: f64 =
                        (0..n).map(|k| vectors[i * n + k] * values[k] * vectors[j * n + k]).sum();
                    prop_assert!((back - matrix[i * n + j]).abs() <= 1e-12 * largest);
                    let product: f64 = (0..n).map(|k| vectors[k * n + i] * vectors[k * n + j]).sum();
                    prop_assert!((product - f64::from(u8::from(i == j))).abs() < 1e-12);
                }
            }
        }
    }
}
