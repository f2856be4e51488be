//! What a trial was worth.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use super::power::power_scores;
use crate::error::{Error, Result};
use crate::trial::Score;

/// What of a score is rewarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RewardKind {
    /// The score itself: `r_t = z_t` (Jomaa et al. 2019, equation 8; Qi & Xu 2022).
    #[default]
    Score,
    /// The gain over the incumbent: `r_t = max(0, z_t - max_{s<t} z_s)`, 0 for the first trial.
    Improvement,
    /// What is missing to the optimum: `r_t = z_t - z*`. The optimum must be known, so this is for
    /// experiments.
    NegativeRegret,
}

/// What scores are turned into before they are rewarded.
///
/// Rewards are recomputed for the whole replay whenever a trial is told, so that all of them are on
/// the scale of the scores seen so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalization {
    /// The score as it is; only sensible where it is of order 1.
    None,
    /// `(score - mean) / standard deviation` of the scores so far.
    Standard,
    /// The normal score of the rank, `Phi^-1((rank - 1/2) / n)` (van der Waerden 1952; ties share their
    /// mean rank): invariant under monotone transformations of the objective.
    #[default]
    Rank,
    /// The Box-Cox transformation of the gap to the best score so far (to the optimum, for
    /// [`RewardKind::NegativeRegret`]), `g = (best - score) / median gap + shift`,
    /// `z = -(g^power - 1) / power` or `-ln g`, standardized, with the shift and the power under which the
    /// scores look most like a normal sample (Box & Cox 1964): smooth where scores are, as ranks are not,
    /// and still deaf to outliers.
    Power,
}

/// A reward: what is rewarded, of scores normalized in which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Reward {
    /// What of a score is rewarded.
    pub kind: RewardKind,
    /// What scores are turned into first.
    pub normalization: Normalization,
}

/// The largest magnitude of a reward. 32-bit floats reach 3e38: this leaves room for sums over many
/// steps and for the squares of gradients that Adam keeps.
const LARGEST: f64 = 1e12;

impl Reward {
    /// Refuses a reward that cannot be computed.
    ///
    /// # Errors
    ///
    /// [`Error::Unsuited`] for `negative-regret` where the optimum is not known.
    pub fn check(&self, optimum: Option<Score>) -> Result<()> {
        if self.kind == RewardKind::NegativeRegret && optimum.is_none() {
            return Err(Error::unsuited(
                "reward `negative-regret`",
                "the surface's optimum is not known; use `score` or `improvement`",
            ));
        }
        Ok(())
    }

    /// The rewards of all finished trials, from their scores in the order of telling (NaN where a trial
    /// failed).
    ///
    /// A failed trial is rewarded as a score below all complete ones would be: the lowest rank, or
    /// the lowest score so far (0 where none is complete).
    ///
    /// Rewards are limited to `[-1e12, 1e12]`, which only scores that are not normalized, or an
    /// optimum far from all scores, can exceed: a study must not fail, nor a network turn to NaN, over
    /// one objective value of 1e300.
    pub fn of(&self, scores: &[f64], optimum: Option<Score>) -> Vec<f32> {
        let (values, target) = match self.normalization {
            Normalization::None => (impute(scores), optimum.map(Score::get)),
            Normalization::Standard => standardize(scores, optimum),
            Normalization::Rank => {
                (normal_scores(scores), optimum.map(|_| highest_normal_score(scores.len())))
            }
            Normalization::Power => {
                let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let target = optimum.filter(|_| self.kind == RewardKind::NegativeRegret);
                // Noise may lift a score above the optimum.
                let best = target.map_or(highest, |target| target.get().max(highest));
                let (values, best) = power_scores(scores, best);
                (values, target.map(|_| best))
            }
        };
        match self.kind {
            RewardKind::Score => values.iter().map(|z| limited(*z)).collect(),
            RewardKind::NegativeRegret => {
                let target = target.unwrap_or(0.0);
                values.iter().map(|z| limited((z - target).min(0.0))).collect()
            }
            RewardKind::Improvement => {
                let mut best: Option<f64> = None;
                values
                    .iter()
                    .map(|&z| {
                        let gain = best.map_or(0.0, |best| (z - best).max(0.0));
                        best = Some(best.map_or(z, |best| best.max(z)));
                        limited(gain)
                    })
                    .collect()
            }
        }
    }
}

/// A reward within the limits of [`Reward::of`].
fn limited(reward: f64) -> f32 {
    reward.clamp(-LARGEST, LARGEST) as f32
}

/// Scores with the lowest one in place of failures.
fn impute(scores: &[f64]) -> Vec<f64> {
    let lowest = scores.iter().copied().filter(|s| !s.is_nan()).reduce(f64::min).unwrap_or(0.0);
    scores.iter().map(|&s| if s.is_nan() { lowest } else { s }).collect()
}

fn standardize(scores: &[f64], optimum: Option<Score>) -> (Vec<f64>, Option<f64>) {
    let values = impute(scores);
    let n = values.len() as f64;
    // Scaled by the largest magnitude first, so that squares of huge scores stay finite.
    let scale = values.iter().fold(0.0f64, |m, v| m.max(v.abs())).max(f64::MIN_POSITIVE);
    let mean = values.iter().map(|v| v / scale).sum::<f64>() / n;
    let variance = values.iter().map(|v| (v / scale - mean).powi(2)).sum::<f64>() / n;
    let sd = if variance > 0.0 { variance.sqrt() } else { 1.0 };
    let z = |v: f64| (v / scale - mean) / sd;
    (values.iter().map(|&v| z(v)).collect(), optimum.map(|o| z(o.get())))
}

/// The normal scores of ranks; NaN ranks below every number.
fn normal_scores(scores: &[f64]) -> Vec<f64> {
    let n = scores.len();
    let key = |s: f64| if s.is_nan() { f64::NEG_INFINITY } else { s };
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| key(scores[a]).total_cmp(&key(scores[b])));
    let mut values = vec![0.0; n];
    let mut first = 0;
    while first < n {
        let mut last = first;
        while last + 1 < n && key(scores[order[last + 1]]) == key(scores[order[first]]) {
            last += 1;
        }
        // Ranks are counted from 1; tied scores share the mean of theirs.
        let rank = (first + last) as f64 / 2.0 + 1.0;
        let z = normal_quantile((rank - 0.5) / n as f64);
        for &index in &order[first..=last] {
            values[index] = z;
        }
        first = last + 1;
    }
    values
}

fn highest_normal_score(n: usize) -> f64 {
    if n == 0 { 0.0 } else { normal_quantile((n as f64 - 0.5) / n as f64) }
}

fn normal_quantile(p: f64) -> f64 {
    Normal::standard().inverse_cdf(p)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Direction;
    use proptest::prelude::*;

    /// The rewards of trials with these scores, `None` where one failed.
    fn rewards(kind: RewardKind, normalization: Normalization, scores: &[Option<f64>]) -> Vec<f32> {
        let scores: Vec<f64> = scores.iter().map(|score| score.unwrap_or(f64::NAN)).collect();
        Reward { kind, normalization }.of(&scores, Direction::Maximize.score(60.0).ok())
    }

    const NORMALIZATIONS: [Normalization; 4] =
        [Normalization::None, Normalization::Standard, Normalization::Rank, Normalization::Power];

    proptest! {
        #[test]
        fn rewards_keep_their_promises(
            scores in prop::collection::vec(prop::option::weighted(0.8, -50i32..50), 1..40),
        ) {
            let of = |f: fn(f64) -> f64| -> Vec<Option<f64>> {
                scores.iter().map(|s| s.map(|s| f(f64::from(s)))).collect()
            };
            let plain = of(|s| s);
            // Ranks do not change under a strictly increasing transformation.
            for kind in [RewardKind::Score, RewardKind::Improvement] {
                let expected = rewards(kind, Normalization::Rank, &plain);
                prop_assert_eq!(&expected, &rewards(kind, Normalization::Rank, &of(f64::exp)));
                prop_assert_eq!(&expected, &rewards(kind, Normalization::Rank, &of(|s| s.powi(3) - 7.0)));
            }
            for normalization in NORMALIZATIONS {
                let score = rewards(RewardKind::Score, normalization, &plain);
                for (i, a) in plain.iter().enumerate() {
                    for (j, b) in plain.iter().enumerate() {
                        // More is rewarded with more, and no failure with more than a complete trial.
                        match (a, b) {
                            (Some(a), Some(b)) if a > b => prop_assert!(score[i] > score[j]),
                            (None, _) => prop_assert!(score[i] <= score[j]),
                            _ => {}
                        }
                    }
                }
                let gain = rewards(RewardKind::Improvement, normalization, &plain);
                prop_assert!(gain[0] == 0.0 && gain.iter().all(|g| *g >= 0.0));
                let mut best = f64::NEG_INFINITY;
                for (gain, score) in gain.iter().zip(&plain) {
                    // There is no gain where the incumbent stays.
                    prop_assert!(*gain == 0.0 || score.is_some_and(|score| score > best));
                    best = best.max(score.unwrap_or(f64::NEG_INFINITY));
                }
                let regret = rewards(RewardKind::NegativeRegret, normalization, &plain);
                prop_assert!(regret.iter().all(|r| *r <= 0.0));
            }
        }
    }

    #[test]
    fn gains_and_regrets_without_normalization_are_differences_of_scores() {
        let scores = [Some(1.0), Some(4.0), None, Some(3.0), Some(4.5)];
        let none = Normalization::None;
        assert_eq!(rewards(RewardKind::Improvement, none, &scores), [0.0, 3.0, 0.0, 0.0, 0.5]);
        assert_eq!(
            rewards(RewardKind::NegativeRegret, none, &scores),
            [-59.0, -56.0, -59.0, -57.0, -55.5]
        );
        assert_eq!(rewards(RewardKind::Score, none, &[None, None]), [0.0, 0.0]);
    }

    #[test]
    fn a_score_that_noise_lifts_above_the_optimum_is_no_regret() {
        // The optimum is 60.
        let scores = [Some(61.5), Some(2.0), None, Some(60.0), Some(7.0)];
        for normalization in NORMALIZATIONS {
            let regret = rewards(RewardKind::NegativeRegret, normalization, &scores);
            assert!(regret.iter().all(|regret| regret.is_finite()), "{normalization:?} {regret:?}");
            assert_eq!(regret[0], 0.0);
            assert!(regret[1] < regret[4] && regret[4] < regret[3]);
        }
    }

    #[test]
    fn rewards_of_huge_scores_are_limited() {
        let scores = [Some(-1e300), Some(1.5), Some(f64::MAX), Some(f64::MIN), None];
        let none = Normalization::None;
        let big = 1e12;
        assert_eq!(rewards(RewardKind::Score, none, &scores), [-big, 1.5, big, -big, -big]);
        // The difference of the largest and the smallest score is infinite in 64 bits too.
        let scores = [Some(f64::MIN), Some(f64::MAX)];
        assert_eq!(rewards(RewardKind::Improvement, none, &scores), [0.0, big]);
        assert_eq!(rewards(RewardKind::NegativeRegret, none, &scores), [-big, 0.0]);
        // The optimum, 60, is 1e300 standard deviations away.
        let tiny = [Some(1e-300), Some(2e-300)];
        let far = rewards(RewardKind::NegativeRegret, Normalization::Standard, &tiny);
        assert_eq!(far, [-big, -big]);
    }

    #[test]
    fn normal_scores_match_their_definition() {
        // scipy.stats.norm.ppf((rankdata([3, 1, 2, 2]) - 0.5) / 4)
        let expected = [1.150_349_380_376_008, -1.150_349_380_376_008_4, 0.0, 0.0];
        for (z, e) in normal_scores(&[3.0, 1.0, 2.0, 2.0]).iter().zip(expected) {
            assert!((z - e).abs() < 1e-9, "{z} {e}");
        }
        let failed = normal_scores(&[f64::NAN, 1.0, f64::NAN]);
        assert_eq!(failed[0], failed[2]);
        assert!(failed[0] < failed[1]);
    }

    #[test]
    fn standardizing_survives_huge_and_constant_scores() {
        let (z, _) = standardize(&[1e300, -1e300], None);
        assert!((z[0] - 1.0).abs() < 1e-12 && (z[1] + 1.0).abs() < 1e-12);
        assert_eq!(standardize(&[2.0, 2.0], None).0, [0.0, 0.0]);
        assert_eq!(standardize(&[f64::NAN], None).0, [0.0]);
    }
}
