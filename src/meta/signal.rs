//! Whether a task's table has any structure, or is mostly noise.

use rand::seq::SliceRandom;

use super::corpus::Task;
use crate::space::Grid;
use crate::streams::Streams;

/// The share of the variance of a task's scores that a ridge regression on parameters and their products explains
/// out of sample, at most 1; below 0 it predicts worse than the mean. 0 where the scores do not vary.
///
/// The inputs are the encoded parameters ([`SearchSpace::encode`](crate::space::SearchSpace::encode)), their squares
/// and the products of all pairs, standardized; the penalty is a thousandth of the number of rows (Hoerl & Kennard
/// 1970). Rows are split at random into five parts, the same for every task, and each part is predicted from the
/// others. A task below a tenth or so leaves a tuner little to learn: its best configuration is mostly luck.
pub fn signal(task: &Task, grid: &Grid) -> f64 {
    let rows: Vec<usize> = (0..grid.len()).filter(|&row| !task.scores[row].is_nan()).collect();
    let (inputs, width) = products(grid, &rows);
    let scores: Vec<f64> = rows.iter().map(|&row| task.scores[row]).collect();
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.shuffle(&mut Streams::new(0).at("signal", 0));
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    let total: f64 = scores.iter().map(|score| (score - mean).powi(2)).sum();
    if total <= 0.0 || rows.len() < 2 * PARTS {
        return 0.0;
    }
    let mut errors = 0.0;
    for part in 0..PARTS {
        let (mut held_out, mut others) = (Vec::new(), Vec::new());
        for (place, &row) in order.iter().enumerate() {
            if place % PARTS == part { held_out.push(row) } else { others.push(row) }
        }
        let level = others.iter().map(|&row| scores[row]).sum::<f64>() / others.len() as f64;
        let weights = ridge(&inputs, width, &others, |row| scores[row] - level);
        for row in held_out {
            let own = &inputs[row * width..][..width];
            let predicted = level + own.iter().zip(&weights).map(|(x, w)| x * w).sum::<f64>();
            errors += (scores[row] - predicted).powi(2);
        }
    }
    1.0 - errors / total
}

const PARTS: usize = 5;

/// Encoded parameters, squares and products of some rows, standardized; columns that do not vary are left out.
fn products(grid: &Grid, rows: &[usize]) -> (Vec<f64>, usize) {
    let features = grid.space().features();
    let encoded = |row: usize, feature: usize| f64::from(grid.encoding()[row * features + feature]);
    let mut columns: Vec<Vec<f64>> = Vec::new();
    for first in 0..features {
        columns.push(rows.iter().map(|&row| encoded(row, first)).collect());
        for second in first..features {
            let product = |&row: &usize| encoded(row, first) * encoded(row, second);
            columns.push(rows.iter().map(product).collect());
        }
    }
    let count = rows.len().max(1) as f64;
    for column in &mut columns {
        let mean = column.iter().sum::<f64>() / count;
        let sd = (column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt();
        column.iter_mut().for_each(|x| *x = if sd > 1e-9 { (*x - mean) / sd } else { 0.0 });
    }
    columns.retain(|column| column.iter().any(|x| *x != 0.0));
    let width = columns.len();
    let flat =
        (0..rows.len()).flat_map(|row| columns.iter().map(move |column| column[row])).collect();
    (flat, width)
}

/// `(X'X + penalty I)^-1 X'y` over some rows, by a Cholesky factorization.
fn ridge(inputs: &[f64], width: usize, rows: &[usize], target: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut matrix = vec![0.0; width * width];
    let mut right = vec![0.0; width];
    for &row in rows {
        let own = &inputs[row * width..][..width];
        let y = target(row);
        for (place, &x) in own.iter().enumerate() {
            right[place] += x * y;
            let line = &mut matrix[place * width..][..=place];
            line.iter_mut().zip(own).for_each(|(sum, other)| *sum += x * other);
        }
    }
    for place in 0..width {
        matrix[place * width + place] += 1e-3 * rows.len() as f64;
    }
    for i in 0..width {
        for j in 0..=i {
            let (before, own) = matrix.split_at_mut(i * width);
            let other = if j == i { None } else { Some(&before[j * width..][..=j]) };
            let dot: f64 = match other {
                Some(other) => own[..j].iter().zip(other).map(|(a, b)| a * b).sum(),
                None => own[..j].iter().map(|a| a * a).sum(),
            };
            own[j] = match other {
                Some(other) => (own[j] - dot) / other[j],
                // The penalty keeps the pivot above 0.
                None => (own[j] - dot).sqrt(),
            };
        }
    }
    for i in 0..width {
        let line = &matrix[i * width..][..=i];
        let dot: f64 = line[..i].iter().zip(&right).map(|(a, b)| a * b).sum();
        right[i] = (right[i] - dot) / line[i];
    }
    for i in (0..width).rev() {
        let dot: f64 = (i + 1..width).map(|k| matrix[k * width + i] * right[k]).sum();
        right[i] = (right[i] - dot) / matrix[i * width + i];
    }
    right
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rand::RngExt;

    use super::*;
    use crate::meta::Corpus;
    use crate::surface::Table;

    #[test]
    fn a_function_of_two_parameters_has_signal_and_noise_has_none() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("tasks")).unwrap();
        let space = r#"{"name": "p", "objective": {"name": "y", "direction": "minimize"}, "parameters": [
            {"name": "a", "type": "float", "low": 0.0, "high": 1.0},
            {"name": "b", "type": "float", "low": 0.0, "high": 1.0}]}"#;
        std::fs::write(directory.path().join("space.json"), space).unwrap();
        let mut rng = Streams::new(1).at("noise", 0);
        for task in ["noise", "product", "level"] {
            let mut text = "a,b,y\n".to_owned();
            for i in 0..15 {
                for j in 0..15 {
                    let (a, b) = (f64::from(i) / 14.0, f64::from(j) / 14.0);
                    let y = match task {
                        "noise" => rng.random::<f64>(),
                        "product" => (a - 0.3) * (b - 0.5) + 0.01 * rng.random::<f64>(),
                        _ => 1.0,
                    };
                    text.push_str(&format!("{a},{b},{y}\n"));
                }
            }
            std::fs::write(directory.path().join(format!("tasks/{task}.csv")), text).unwrap();
        }
        let corpus = Corpus::new(Table::read_all(directory.path()).unwrap()).unwrap();
        let grid = Arc::clone(corpus.grid());
        let found: Vec<f64> = corpus.tasks().iter().map(|task| signal(task, &grid)).collect();
        assert_eq!(found[0], 0.0, "level");
        assert!(found[1] < 0.05, "noise: {}", found[1]);
        assert!(found[2] > 0.95, "product: {}", found[2]);
    }
}
