//! Moments and correlations of the numeric columns.

use super::data::Cells;
use super::{DataSet, Found, average, deviation, parts};

pub(super) fn describe(data: &DataSet, found: &mut Found) {
    let columns: Vec<&[f64]> = data
        .columns()
        .iter()
        .filter_map(|column| match column.cells() {
            Cells::Numeric(cells) => Some(cells.as_slice()),
            Cells::Categorical { .. } => None,
        })
        .collect();
    let present: Vec<Vec<f64>> = columns
        .iter()
        .map(|cells| cells.iter().copied().filter(|cell| !cell.is_nan()).collect())
        .collect();
    let over = |of: fn(&[f64]) -> Option<f64>| -> Vec<f64> {
        present.iter().filter_map(|cells| of(cells)).collect()
    };
    found.summary(parts!("skewness"), &over(skewness));
    found.summary(parts!("kurtosis"), &over(kurtosis));
    found.summary(parts!("correlation"), &correlations(&columns));
    found.summary(parts!("column_mean"), &over(average));
    found.summary(parts!("column_sd"), &over(deviation));
}

/// `m_3 / s^3`, estimator `b_1` of Joanes & Gill 1998; `None` of a constant.
fn skewness(values: &[f64]) -> Option<f64> {
    standardized_moment(values, 3)
}

/// `m_4 / s^4 - 3`, estimator `b_2` of Joanes & Gill 1998; `None` of a constant.
fn kurtosis(values: &[f64]) -> Option<f64> {
    standardized_moment(values, 4).map(|moment| moment - 3.0)
}

fn standardized_moment(values: &[f64], power: i32) -> Option<f64> {
    if is_constant(values) {
        return None;
    }
    let mean = average(values)?;
    // Beyond the range of squares there is no moment.
    let sd = deviation(values).filter(|sd| *sd > 0.0 && sd.is_finite())?;
    average(&values.iter().map(|value| ((value - mean) / sd).powi(power)).collect::<Vec<_>>())
        .filter(|moment| moment.is_finite())
}

/// Compared, as the deviations from a mean that was rounded are not 0.
fn is_constant(values: &[f64]) -> bool {
    values.windows(2).all(|pair| pair[0] == pair[1])
}

/// `|r|` of every pair of columns that vary over the rows which both have.
fn correlations(columns: &[&[f64]]) -> Vec<f64> {
    // A column without missing cells is standardized once.
    let whole: Vec<Option<Vec<f64>>> = columns
        .iter()
        .map(|cells| cells.iter().all(|cell| !cell.is_nan()).then(|| unit(cells))?)
        .collect();
    let mut found = Vec::new();
    for (i, a) in columns.iter().enumerate() {
        for (j, b) in columns.iter().enumerate().take(i) {
            let r = match (&whole[i], &whole[j]) {
                (Some(a), Some(b)) => Some(dot(a, b)),
                _ => {
                    let both = |(a, b): &(&f64, &f64)| !a.is_nan() && !b.is_nan();
                    let (a, b): (Vec<f64>, Vec<f64>) =
                        a.iter().zip(b.iter()).filter(both).map(|(a, b)| (*a, *b)).unzip();
                    unit(&a).zip(unit(&b)).map(|(a, b)| dot(&a, &b))
                }
            };
            found.extend(r.map(|r| r.abs().min(1.0)).filter(|r| r.is_finite()));
        }
    }
    found
}

/// The deviations from the mean, of length 1; `None` of a constant.
fn unit(values: &[f64]) -> Option<Vec<f64>> {
    if is_constant(values) {
        return None;
    }
    let mean = average(values)?;
    let deviations: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let length = dot(&deviations, &deviations).sqrt();
    (length > 0.0 && length.is_finite())
        .then(|| deviations.iter().map(|deviation| deviation / length).collect())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: Option<f64>, wanted: f64) {
        let found = found.unwrap();
        assert!((found - wanted).abs() < 1e-12, "{found} {wanted}");
    }

    #[test]
    fn moments_are_those_computed_by_hand() {
        // Mean 1, deviations -1, -1, -1, 3: m_3 = 6, m_4 = 21, s^2 = 4.
        close(skewness(&[0.0, 0.0, 0.0, 4.0]), 6.0 / 8.0);
        close(kurtosis(&[0.0, 0.0, 0.0, 4.0]), 21.0 / 16.0 - 3.0);
        for nothing in [&[][..], &[2.0], &[0.1; 7]] {
            assert_eq!((skewness(nothing), kurtosis(nothing)), (None, None));
        }
    }

    #[test]
    fn correlations_leave_out_what_is_missing_and_what_is_constant() {
        let none = f64::NAN;
        let columns: [&[f64]; 4] = [
            &[1.0, 2.0, 3.0, 4.0],
            &[-1.0, -2.0, none, -4.0],
            &[0.1; 4],
            // Constant where the second column has cells.
            &[7.0, 7.0, 8.0, none],
        ];
        let found = correlations(&columns);
        // Pairs (1, 0), (3, 0); the others have none. (1, 2, 3) with (7, 7, 8): 1 / sqrt(2 * 2/3).
        assert_eq!(found.len(), 2);
        close(Some(found[0]), 1.0);
        close(Some(found[1]), 0.75_f64.sqrt());
    }
}
