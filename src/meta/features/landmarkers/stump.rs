//! A decision tree of one split (Iba & Langley 1992).

use super::{Predict, Table, argmax};

/// The split `x <= threshold` of one column that leaves the least Gini impurity, halfway between two values; the
/// commonest class on each side. Impurities are compared exactly; of equal ones the first column's is
/// taken, and of a column's the lowest threshold.
pub(super) fn fit(train: &Table) -> Predict<'_> {
    let all = train.counts();
    let mut best: Option<(Purity, usize, f64, [usize; 2])> = None;
    for column in 0..train.columns {
        let mut sorted: Vec<(f64, usize)> =
            train.column(column).zip(train.labels.iter().copied()).collect();
        sorted.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let mut left = vec![0; train.classes];
        let mut right = all.clone();
        let [mut left_squares, mut right_squares] = [0, squares(&all)];
        for (place, pair) in sorted.windows(2).enumerate() {
            // (l + 1)^2 - l^2 and r^2 - (r - 1)^2, instead of the sums anew.
            let label = pair[0].1;
            left_squares += 2 * left[label] as u128 + 1;
            right_squares -= 2 * right[label] as u128 - 1;
            left[label] += 1;
            right[label] -= 1;
            if pair[0].0 >= pair[1].0 {
                continue;
            }
            let (lefts, rights) = (place as u128 + 1, (sorted.len() - place - 1) as u128);
            let purity = Purity {
                numerator: left_squares * rights + right_squares * lefts,
                denominator: lefts * rights,
            };
            if best.as_ref().is_none_or(|(before, ..)| purity.exceeds(before)) {
                let threshold = pair[0].0 / 2.0 + pair[1].0 / 2.0;
                best = Some((purity, column, threshold, [commonest(&left), commonest(&right)]));
            }
        }
    }
    match best {
        Some((_, column, threshold, [left, right])) => {
            Box::new(move |row| if row[column] <= threshold { left } else { right })
        }
        None => {
            let class = commonest(&all);
            Box::new(move |_| class)
        }
    }
}

/// `sum_c l_c^2 / l + sum_c r_c^2 / r`, which is largest where the weighted Gini impurity is least.
struct Purity {
    numerator: u128,
    denominator: u128,
}

impl Purity {
    fn exceeds(&self, other: &Self) -> bool {
        self.numerator * other.denominator > other.numerator * self.denominator
    }
}

fn squares(counts: &[usize]) -> u128 {
    counts.iter().map(|&count| (count as u128).pow(2)).sum()
}

fn commonest(counts: &[usize]) -> usize {
    argmax(counts.iter().map(|&count| count as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_purest_split_is_taken() {
        // The second column leaves one row on the wrong side, the first two.
        let features = vec![0.0, 3.0, 1.0, 1.0, 0.0, 2.0, 1.0, 7.0, 0.0, 8.0, 1.0, 9.0];
        let train = Table { columns: 2, classes: 2, features, labels: vec![0, 0, 1, 1, 1, 1] };
        let predict = fit(&train);
        // (1: class 0) (2: 1) (3: 0) (7, 8, 9: 1): 5 is halfway.
        assert_eq!([1.0, 5.0, 5.1].map(|x| predict(&[0.5, x])), [0, 0, 1]);
    }
}
