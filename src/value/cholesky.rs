//! The Cholesky factorization of a covariance matrix, in buffers that are used again.

use crate::nn::kernel::{cholesky, dot_double};

/// `K = L L^T` with L lower triangular, row after row without what lies above the diagonal.
#[derive(Debug, Clone, Default)]
pub(super) struct Cholesky {
    size: usize,
    factor: Vec<f64>,
}

/// Where row `i` begins.
fn start(i: usize) -> usize {
    i * (i + 1) / 2
}

impl Cholesky {
    /// Factorizes the symmetric matrix with `pairs` below the diagonal, row after row, and `diagonal` in
    /// every place of it; `None` where it is not positive definite.
    pub fn factorize(&mut self, pairs: &[f32], diagonal: f64, size: usize) -> Option<()> {
        self.size = size;
        self.factor.clear();
        self.factor.resize(start(size), 0.0);
        cholesky(pairs, diagonal, &mut self.factor).then_some(())
    }

    /// How many rows there are.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Appends a row and a column to the matrix: its entries below the diagonal, and the one in it. `None` where
    /// the matrix is not positive definite any more; then nothing is appended.
    ///
    /// The factor's other rows stay as they are, so a matrix costs the same whether its rows come at once or
    /// one by one, and has the same factor in every bit.
    pub fn append(&mut self, row: impl IntoIterator<Item = f64>, diagonal: f64) -> Option<()> {
        let (i, first) = (self.size, start(self.size));
        self.factor.truncate(first);
        self.factor.extend(row);
        assert_eq!(self.factor.len(), first + i, "one entry for each row before");
        let (above, this) = self.factor.split_at_mut(first);
        for j in 0..i {
            let other = &above[start(j)..=start(j) + j];
            this[j] = (this[j] - dot_double(&this[..j], &other[..j])) / other[j];
        }
        let square = diagonal - dot_double(this, this);
        if !(square > 0.0 && square.is_finite()) {
            self.factor.truncate(first);
            return None;
        }
        self.factor.push(square.sqrt());
        self.size += 1;
        Some(())
    }

    /// Takes all rows and columns from the given one on away.
    pub fn truncate(&mut self, size: usize) {
        self.size = self.size.min(size);
        self.factor.truncate(start(self.size));
    }

    /// `ln det(K) / 2`
    pub fn half_log_determinant(&self) -> f64 {
        (0..self.size).map(|i| self.factor[start(i) + i].ln()).sum()
    }

    /// `b <- L^-1 b`
    pub fn solve_lower(&self, b: &mut [f64]) {
        for i in 0..self.size {
            let row = &self.factor[start(i)..=start(i) + i];
            b[i] = (b[i] - dot_double(&row[..i], &b[..i])) / row[i];
        }
    }

    /// `b <- L^-T b`
    pub fn solve_upper(&self, b: &mut [f64]) {
        for i in (0..self.size).rev() {
            let row = &self.factor[start(i)..=start(i) + i];
            b[i] /= row[i];
            let (before, rest) = b.split_at_mut(i);
            before.iter_mut().zip(row).for_each(|(b, l)| *b -= l * rest[0]);
        }
    }

    /// `L^-1` as a dense matrix, row after row.
    pub fn inverse(&self) -> Vec<f64> {
        let n = self.size;
        let mut inverse = vec![0.0; n * n];
        for i in 0..n {
            let row = &self.factor[start(i)..=start(i) + i];
            let (above, this) = inverse.split_at_mut(i * n);
            for (j, l) in row[..i].iter().enumerate() {
                let other = &above[j * n..=j * n + j];
                this[..=j].iter_mut().zip(other).for_each(|(x, y)| *x -= l * y);
            }
            this[i] = 1.0;
            this[..=i].iter_mut().for_each(|x| *x /= row[i]);
        }
        inverse
    }

    /// Writes what is not above the diagonal of `K^-1 = L^-T L^-1`, row after row of a dense matrix.
    pub fn inverse_of_matrix(&self, into: &mut Vec<f64>) {
        let n = self.size;
        let factor = self.inverse();
        into.clear();
        into.resize(n * n, 0.0);
        for (k, row) in factor.chunks_exact(n.max(1)).enumerate() {
            for (i, l) in row[..=k].iter().enumerate() {
                let into = &mut into[i * n..=i * n + i];
                into.iter_mut().zip(row).for_each(|(sum, other)| *sum += l * other);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appended_rows_make_the_factor_of_the_whole_matrix() {
        let pair = |i: usize, j: usize| ((i * 5 + j * 11) as f32).cos() * 0.5;
        let size = 23;
        let pairs: Vec<f32> = (0..size).flat_map(|i| (0..i).map(move |j| pair(i, j))).collect();
        let mut whole = Cholesky::default();
        whole.factorize(&pairs, 20.0, size).unwrap();
        let mut grown = Cholesky::default();
        let row = |i: usize| (0..i).map(move |j| f64::from(pair(i, j)));
        for i in 0..size {
            grown.append(row(i), 20.0).unwrap();
        }
        assert_eq!(grown.size(), size);
        let bits =
            |factor: &Cholesky| factor.factor.iter().map(|l| l.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&grown), bits(&whole));
        // Rows taken away and appended again; one that does not fit leaves what was there.
        grown.truncate(9);
        assert_eq!(grown.append((0..9).map(|_| 30.0), 1.0), None);
        assert_eq!(grown.size(), 9);
        for i in 9..size {
            grown.append(row(i), 20.0).unwrap();
        }
        assert_eq!(bits(&grown), bits(&whole));
    }

    #[test]
    fn factor_solutions_and_inverse_belong_to_the_matrix() {
        for size in [1, 2, 7, 30] {
            // Diagonally dominant, so positive definite.
            let pair = |i: usize, j: usize| ((i * 7 + j * 3) as f32).sin() * 0.5;
            let pairs: Vec<f32> = (0..size).flat_map(|i| (0..i).map(move |j| pair(i, j))).collect();
            let diagonal = size as f64;
            let entry = |i: usize, j: usize| match i.cmp(&j) {
                std::cmp::Ordering::Equal => diagonal,
                std::cmp::Ordering::Greater => f64::from(pair(i, j)),
                std::cmp::Ordering::Less => f64::from(pair(j, i)),
            };
            let mut cholesky = Cholesky::default();
            cholesky.factorize(&pairs, diagonal, size).unwrap();
            let x: Vec<f64> = (0..size).map(|i| (i as f64).cos()).collect();
            let mut b: Vec<f64> =
                (0..size).map(|i| (0..size).map(|j| entry(i, j) * x[j]).sum()).collect();
            cholesky.solve_lower(&mut b);
            // (L^-1 b) is what the inverse gives.
            let inverse = cholesky.inverse();
            let full: Vec<f64> =
                (0..size).map(|i| (0..size).map(|j| entry(i, j) * x[j]).sum()).collect();
            for i in 0..size {
                let found: f64 = (0..size).map(|j| inverse[i * size + j] * full[j]).sum();
                assert!((found - b[i]).abs() < 1e-10);
            }
            cholesky.solve_upper(&mut b);
            b.iter().zip(&x).for_each(|(found, x)| assert!((found - x).abs() < 1e-10));
        }
        let mut cholesky = Cholesky::default();
        cholesky.factorize(&[0.6], 1.0, 2).unwrap();
        assert!((cholesky.half_log_determinant() - 0.5 * 0.64f64.ln()).abs() < 1e-7);
        assert_eq!(cholesky.factorize(&[2.0], 1.0, 2), None);
        assert_eq!(cholesky.factorize(&[f32::NAN], 1.0, 2), None);
    }
}
