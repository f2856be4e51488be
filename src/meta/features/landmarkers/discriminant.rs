//! Linear discriminant analysis (Fisher 1936, Rao 1948).

use super::{Predict, Table, argmax};

/// Directions in which the scaled rows deviate less from the means of their classes do not count:
/// scikit-learn's bound on singular values.
const TOLERANCE: f64 = 1e-4;

/// A column whose standard deviation within classes is a smaller share of its largest absolute value is
/// constant within classes, but for rounding.
const CONSTANT: f64 = 1e-12;

/// `argmax_c ln p_c - |W (x - mean_c)|^2 / 2`, where `W` makes the covariance within classes (over `n`) the identity.
/// Columns are first scaled to unit variance within classes; then directions of singular values up to 1e-4
/// are left out, so that columns may depend on each other.
pub(super) fn fit(train: &Table) -> Predict<'_> {
    let (columns, counts, rows) = (train.columns, train.counts(), train.labels.len() as f64);
    let mut means = vec![0.0; train.classes * columns];
    for (row, label) in train.rows() {
        for (mean, x) in means[label * columns..].iter_mut().zip(row) {
            *mean += x / counts[label] as f64;
        }
    }
    let mean_of = |label: usize| &means[label * columns..(label + 1) * columns];
    let mut deviations: Vec<f64> = train
        .rows()
        .flat_map(|(row, label)| row.iter().zip(mean_of(label)).map(|(x, mean)| x - mean))
        .collect();
    let scales: Vec<f64> = (0..columns)
        .map(|column| {
            let squares: f64 = deviations.iter().skip(column).step_by(columns).map(|x| x * x).sum();
            let largest = train.column(column).fold(0.0, |most: f64, x| most.max(x.abs()));
            let sd = (squares / rows).sqrt();
            if sd > CONSTANT * largest { sd } else { f64::INFINITY }
        })
        .collect();
    for row in deviations.chunks_exact_mut(columns) {
        for (x, scale) in row.iter_mut().zip(&scales) {
            *x /= scale;
        }
    }
    let mut within = vec![0.0; columns * columns];
    for row in deviations.chunks_exact(columns) {
        for (sums, a) in within.chunks_exact_mut(columns).zip(row) {
            for (sum, b) in sums.iter_mut().zip(row) {
                *sum += a * b / rows;
            }
        }
    }
    // Row k of `whiten`: an eigenvector over the square root of its eigenvalue, for unscaled columns.
    let (values, vectors) = eigen(within, columns);
    let mut whiten = Vec::new();
    for (value, vector) in values.iter().zip(vectors.chunks_exact(columns)) {
        if value.sqrt() > TOLERANCE {
            let entries = vector.iter().zip(&scales);
            whiten.extend(entries.map(|(entry, scale)| entry / (scale * value.sqrt())));
        }
    }
    let project = move |x: &[f64]| -> Vec<f64> {
        let dot = |row: &[f64]| row.iter().zip(x).map(|(a, b)| a * b).sum();
        whiten.chunks_exact(columns).map(dot).collect()
    };
    // About the overall mean, so that the numbers are small.
    let center: Vec<f64> =
        (0..columns).map(|column| train.column(column).sum::<f64>() / rows).collect();
    let centered =
        move |x: &[f64]| project(&x.iter().zip(&center).map(|(x, c)| x - c).collect::<Vec<_>>());
    let classes: Vec<Option<(f64, Vec<f64>)>> = counts
        .iter()
        .enumerate()
        .map(|(class, &count)| {
            (count > 0).then(|| ((count as f64 / rows).ln(), centered(mean_of(class))))
        })
        .collect();
    Box::new(move |row| {
        let at = centered(row);
        argmax(classes.iter().map(|class| match class {
            None => f64::NEG_INFINITY,
            Some((prior, mean)) => {
                let distance: f64 = at.iter().zip(mean).map(|(a, b)| (a - b) * (a - b)).sum();
                prior - 0.5 * distance
            }
        }))
    })
}

/// The eigenvalues of a symmetric matrix, and the eigenvectors row by row: Jacobi's method by rows
/// (Golub & Van Loan 2013, section 8.5).
fn eigen(mut a: Vec<f64>, size: usize) -> (Vec<f64>, Vec<f64>) {
    let mut vectors = vec![0.0; size * size];
    for k in 0..size {
        vectors[k * size + k] = 1.0;
    }
    // Convergence is quadratic; ten sweeps are more than enough for the sizes here.
    for _ in 0..30 {
        let off: f64 = (0..size)
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .map(|(i, j)| a[i * size + j].powi(2))
            .sum();
        let diagonal: f64 = (0..size).map(|k| a[k * size + k].powi(2)).sum();
        if off.is_nan() || off <= 1e-30 * diagonal {
            break;
        }
        for p in 0..size {
            for q in p + 1..size {
                let apq = a[p * size + q];
                if apq == 0.0 {
                    continue;
                }
                let theta = (a[q * size + q] - a[p * size + p]) / (2.0 * apq);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let cos = 1.0 / t.hypot(1.0);
                let sin = t * cos;
                // A J, then J^T (A J), and the rows of the vectors likewise.
                for row in a.chunks_exact_mut(size) {
                    (row[p], row[q]) = (cos * row[p] - sin * row[q], sin * row[p] + cos * row[q]);
                }
                for matrix in [&mut a, &mut vectors] {
                    let (low, high) = matrix.split_at_mut(q * size);
                    for (x, y) in low[p * size..(p + 1) * size].iter_mut().zip(&mut high[..size]) {
                        (*x, *y) = (cos * *x - sin * *y, sin * *x + cos * *y);
                    }
                }
            }
        }
    }
    ((0..size).map(|k| a[k * size + k].max(0.0)).collect(), vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvectors_rebuild_the_matrix() {
        let size = 5;
        let matrix: Vec<f64> =
            (0..size * size).map(|k| 1.0 / (k / size + k % size + 1) as f64).collect();
        let (values, vectors) = eigen(matrix.clone(), size);
        for i in 0..size {
            for j in 0..size {
                let sum = |weight: &dyn Fn(usize) -> f64| -> f64 {
                    let term = |k| weight(k) * vectors[k * size + i] * vectors[k * size + j];
                    (0..size).map(term).sum()
                };
                assert!((sum(&|k| values[k]) - matrix[i * size + j]).abs() < 1e-14);
                assert!((sum(&|_| 1.0) - f64::from(u8::from(i == j))).abs() < 1e-14);
            }
        }
        // The Hilbert matrix's largest eigenvalue.
        let largest = values.iter().copied().fold(0.0, f64::max);
        assert!((largest - 1.567_050_691_098_231).abs() < 1e-13, "{largest}");
    }

    #[test]
    fn columns_that_repeat_each_other_change_nothing() {
        let x = [0.0, 1.0, 2.0, 1.5, 2.5, 4.0];
        let labels = vec![0, 0, 0, 1, 1, 1];
        let once = Table { columns: 1, classes: 2, features: x.to_vec(), labels: labels.clone() };
        let features = x.iter().flat_map(|&x| [x, -2.0 * x, 7.0]).collect();
        let thrice = Table { columns: 3, classes: 2, features, labels };
        let (once, thrice) = (fit(&once), fit(&thrice));
        for x in [0.0, 1.0, 1.8, 1.85, 3.0] {
            // The means are 1 and 8/3, halfway is 11/6.
            assert_eq!(once(&[x]), usize::from(x > 11.0 / 6.0));
            assert_eq!(thrice(&[x, -2.0 * x, 7.0]), once(&[x]));
        }
    }
}
