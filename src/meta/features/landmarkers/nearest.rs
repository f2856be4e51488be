//! The nearest neighbor (Cover & Hart 1967).

use super::{Predict, Table};

/// The class of the training row at the least Euclidean distance, of the first where several are.
pub(super) fn fit(train: &Table) -> Predict<'_> {
    Box::new(|row| {
        let mut nearest = (f64::INFINITY, 0);
        for (place, (other, label)) in train.rows().enumerate() {
            let distance: f64 = row.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum();
            if place == 0 || distance < nearest.0 {
                nearest = (distance, label);
            }
        }
        nearest.1
    })
}
