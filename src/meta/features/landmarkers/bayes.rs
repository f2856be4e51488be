//! Gaussian naive Bayes (John & Langley 1995).

use std::f64::consts::TAU;

use super::{Predict, Table, argmax};

/// Added to each variance, as a share of the largest variance of a column: scikit-learn's.
const SMOOTHING: f64 = 1e-9;

/// `argmax_c ln p_c + sum_j ln N(x_j; mean_cj, variance_cj)`, with the variances over `n_c` and smoothed.
pub(super) fn fit(train: &Table) -> Predict<'_> {
    let counts = train.counts();
    let rows = train.labels.len() as f64;
    let largest = (0..train.columns)
        .map(|column| {
            let mean = train.column(column).sum::<f64>() / rows;
            train.column(column).map(|x| (x - mean).powi(2)).sum::<f64>() / rows
        })
        .fold(0.0, f64::max);
    let smoothing = SMOOTHING * largest;
    let mut means = vec![0.0; train.classes * train.columns];
    let mut variances = means.clone();
    let columns = train.columns;
    for (row, label) in train.rows() {
        for (mean, x) in means[label * columns..].iter_mut().zip(row) {
            *mean += x / counts[label] as f64;
        }
    }
    for (row, label) in train.rows() {
        let means = &means[label * columns..];
        for ((variance, mean), x) in variances[label * columns..].iter_mut().zip(means).zip(row) {
            *variance += (x - mean).powi(2) / counts[label] as f64;
        }
    }
    Box::new(move |row| {
        argmax((0..counts.len()).map(|class| {
            let prior = (counts[class] as f64 / rows).ln();
            // Where nothing varies there is nothing but the classes' shares.
            if counts[class] == 0 || smoothing <= 0.0 {
                return prior;
            }
            let of_class = class * columns..(class + 1) * columns;
            let terms = means[of_class.clone()].iter().zip(&variances[of_class]).zip(row);
            let likelihood: f64 = terms
                .map(|((mean, variance), x)| {
                    let variance = variance + smoothing;
                    -0.5 * ((TAU * variance).ln() + (x - mean).powi(2) / variance)
                })
                .sum();
            prior + likelihood
        }))
    })
}
