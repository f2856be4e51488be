//! A power transformation that makes scores look normally distributed.

/// The shifts and powers that are tried: from nearly a logarithm of the gap down to a thirtieth of the
/// usual one, to somewhat more than the gap itself.
const SHIFTS: [f64; 5] = [0.03, 0.1, 0.3, 1.0, 3.0];
const POWERS: [f64; 8] = [-0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0, 1.25];

/// The Box-Cox transformation of gaps to the best (smaller is better), most likely to be a sample of a
/// normal distribution, then standardized:
///
/// ```text
/// g = (best - score) / median positive gap + shift
/// z = -(g^power - 1) / power, or -ln g where power = 0
/// ```
///
/// Scores must be finite and `best` no lower than any of them; a NaN is a failure, which is valued as the
/// lowest score and has no part in the likelihood. Equal scores are all 0. Returns the transformed scores
/// and the transformed `best`.
///
/// Source: Box & Cox 1964, "An analysis of transformations": powers of shifted values, chosen by the
/// likelihood, here on a grid of shifts and powers.
pub(super) fn power_scores(scores: &[f64], best: f64) -> (Vec<f64>, f64) {
    // Halved, so that differences of huge scores stay finite.
    let gaps: Vec<f64> = scores.iter().map(|score| best / 2.0 - score / 2.0).collect();
    let mut complete: Vec<f64> = gaps.iter().copied().filter(|gap| !gap.is_nan()).collect();
    complete.sort_by(f64::total_cmp);
    let largest = match (complete.first(), complete.last()) {
        (Some(&smallest), Some(&largest)) if smallest < largest => largest,
        _ => return (vec![0.0; scores.len()], 0.0),
    };
    let positive = &complete[complete.partition_point(|gap| *gap <= 0.0)..];
    let usual = positive[positive.len() / 2];
    complete.iter_mut().for_each(|gap| *gap /= usual);

    let mut likeliest = (f64::NEG_INFINITY, Fit { shift: 1.0, power: 1.0, mean: 0.0, sd: 1.0 });
    let count = complete.len() as f64;
    let mut values = Vec::with_capacity(complete.len());
    for shift in SHIFTS {
        let logs: Vec<f64> = complete.iter().map(|gap| (gap + shift).ln()).collect();
        let log_sum = logs.iter().sum::<f64>();
        for power in POWERS {
            values.clear();
            values.extend(logs.iter().map(|log| transformed(*log, power)));
            let mean = values.iter().sum::<f64>() / count;
            let sd = (values.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / count).sqrt();
            // The density of the gaps is that of the transformed ones times the slopes.
            let likelihood = (power - 1.0) * log_sum - count * sd.ln();
            // Gaps that only their last bits tell apart are equal after some transformations.
            if sd > 0.0 && likelihood > likeliest.0 {
                likeliest = (likelihood, Fit { shift, power, mean, sd });
            }
        }
    }
    let fit = likeliest.1;
    let value = |gap: f64| fit.value(if gap.is_nan() { largest } else { gap } / usual);
    (gaps.iter().map(|gap| value(*gap)).collect(), value(0.0))
}

/// `-(g^power - 1) / power`, or `-ln g` where power = 0, from `ln g`.
fn transformed(log: f64, power: f64) -> f64 {
    if power == 0.0 { -log } else { -((power * log).exp() - 1.0) / power }
}

/// One transformation with what it is standardized by.
struct Fit {
    shift: f64,
    power: f64,
    mean: f64,
    sd: f64,
}

impl Fit {
    fn value(&self, gap: f64) -> f64 {
        (transformed((gap + self.shift).ln(), self.power) - self.mean) / self.sd
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_order_stays_and_neither_scale_nor_origin_matters(
            scores in prop::collection::vec(-1000i32..0, 3..40),
            failures in 0usize..4,
            scale in 1e-3f64..1e3,
            origin in -1e3f64..1e3,
        ) {
            let mut scores: Vec<f64> = scores.into_iter().map(f64::from).collect();
            let complete = scores.len();
            scores.resize(complete + failures, f64::NAN);
            let (z, best) = power_scores(&scores, 0.0);
            for (i, a) in scores.iter().enumerate() {
                prop_assert!(z[i].is_finite() && z[i] <= best);
                for (j, b) in scores.iter().enumerate() {
                    // A comparison with a failure is false.
                    if a > b {
                        prop_assert!(z[i] > z[j]);
                    }
                    if a.is_nan() && !b.is_nan() {
                        prop_assert!(z[i] <= z[j]);
                    }
                }
            }
            let spread = z[..complete].iter().fold(0.0, |sum, z| sum + z * z) / complete as f64;
            let varied = scores[..complete].iter().any(|score| *score != scores[0]);
            prop_assert!(!varied || (spread - 1.0).abs() < 1e-6, "{}", spread);
            let other: Vec<f64> = scores.iter().map(|score| scale * score + origin).collect();
            let (moved, _) = power_scores(&other, origin);
            for (z, moved) in z.iter().zip(&moved) {
                prop_assert!((z - moved).abs() < 1e-4, "{} {}", z, moved);
            }
        }
    }

    #[test]
    fn the_transformation_is_the_likeliest_of_scipy() {
        // g = [0.3, 1, 2, 7, 40, 90]; for shift and power on the grids, the highest of
        // scipy.stats.boxcox_llf(power, g / 7 + shift), which is at shift 0.03 and power 0; then
        // scipy.stats.zscore(-np.log(g / 7 + 0.03))
        let gaps = [0.3, 1.0, 2.0, 7.0, 40.0, 90.0];
        let scores: Vec<f64> = gaps.iter().map(|gap| 5.0 - gap).collect();
        let (z, _) = power_scores(&scores, 5.0);
        let expected = [
            1.305_443_405_3,
            0.839_452_801_5,
            0.514_555_620_5,
            -0.123_228_275_7,
            -1.050_202_547_5,
            -1.486_021_004_0,
        ];
        for (z, e) in z.iter().zip(expected) {
            assert!((z - e).abs() < 1e-9, "{z} instead of {e}");
        }
    }

    #[test]
    fn equal_failed_and_huge_scores_are_valued_too() {
        assert_eq!(power_scores(&[2.0, 2.0], 2.0), (vec![0.0, 0.0], 0.0));
        assert_eq!(power_scores(&[f64::NAN], 0.0), (vec![0.0], 0.0));
        let (z, _) = power_scores(&[f64::MIN, f64::MAX, 0.0, f64::NAN], f64::MAX);
        assert!(z.iter().all(|z| z.is_finite()) && z[1] > z[2] && z[2] > z[0], "{z:?}");
        assert_eq!(z[3], z[0]);
        // Only the last bit differs, far from the best.
        let (z, best) = power_scores(&[-1.0, -1.0 - f64::EPSILON, -1.0], 0.0);
        assert!(z.iter().all(|z| z.is_finite() && *z <= best), "{z:?} {best}");
        // One outlier, and all but one equal.
        let (z, _) = power_scores(&[1.0, 1.0, 1.0, -1e300], 1.0);
        assert!(z.iter().all(|z| z.is_finite()) && z[0] > z[3], "{z:?}");
    }
}
