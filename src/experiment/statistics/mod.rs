//! Statistics over runs.
//!
//! Runs of one surface form a stratum; a comparison over several surfaces is a list of strata.
//! `tests/fixtures/statistics.py` and `tests/fixtures/tests.py` compute the same numbers with NumPy, SciPy,
//! statsmodels, scikit-posthocs and rliable.

mod friedman;
mod holm;
mod improvement;
mod nemenyi;
mod profile;
mod studentized_range;
mod time_to_target;
mod wilcoxon;

use rand::RngExt;

use crate::streams::Generator;

pub use friedman::{Friedman, friedman};
pub use holm::holm;
pub use improvement::{
    cliffs_delta, improvement_interval, probability_of_improvement, vargha_delaney,
};
pub use nemenyi::{critical_difference, groups, nemenyi};
pub use profile::{performance_profile, profile_intervals};
pub use time_to_target::{TimeToTarget, trials_to};
pub use wilcoxon::{rank_biserial, wilcoxon};

/// An interval of confidence, low before high.
pub type Interval = [f64; 2];

/// The confidence level of all intervals.
pub const LEVEL: f64 = 0.95;
/// The number of bootstrap resamples behind an interval.
pub const RESAMPLES: usize = 1000;

/// The arithmetic mean, `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The median: the middle value, or the mean of the two middle ones; `None` of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (!sorted.is_empty()).then(|| quantile(&sorted, 0.5))
}

/// The interquartile mean: the mean of the middle half, a quarter cut off at either end (Agarwal et
/// al., "Deep reinforcement learning at the edge of the statistical precipice", 2021). Where a quarter
/// is no whole number of values, it is rounded down, as rliable and SciPy's `trim_mean` do; so less than four
/// values are not cut. `None` of nothing.
///
/// ```
/// use hyperq::experiment::statistics::interquartile_mean;
/// assert_eq!(interquartile_mean(&[9.0, 1.0, 2.0, 100.0]), Some(5.5));
/// ```
pub fn interquartile_mean(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    middle_half(&mut sorted)
}

fn middle_half(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let cut = values.len() / 4;
    mean(&values[cut..values.len() - cut])
}

/// The quantile of sorted values by linear interpolation between the closest ranks (type 7 of Hyndman
/// and Fan, 1996, NumPy's default). The values must not be empty.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

/// How runs on several surfaces become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// The mean over surfaces of the mean over seeds.
    Mean,
    /// The interquartile mean over all runs of all surfaces.
    InterquartileMean,
}

impl Statistic {
    /// The statistic of strata; empty strata do not count. `None` where all are empty.
    pub fn of(self, strata: &[Vec<f64>]) -> Option<f64> {
        self.with(strata, &mut Vec::new())
    }

    fn with(self, strata: &[Vec<f64>], scratch: &mut Vec<f64>) -> Option<f64> {
        scratch.clear();
        match self {
            Self::Mean => {
                scratch.extend(strata.iter().filter_map(|values| mean(values)));
                mean(scratch)
            }
            Self::InterquartileMean => {
                scratch.extend(strata.iter().flatten());
                middle_half(scratch)
            }
        }
    }
}

/// The percentile bootstrap interval of a statistic (Efron 1979), stratified: each stratum is
/// resampled with replacement on its own, so that the interval speaks of the variation between seeds
/// and not of the choice of surfaces.
///
/// `None` where no stratum has two values: one seed says nothing about the variation between seeds.
pub fn bootstrap(
    strata: &[Vec<f64>],
    statistic: Statistic,
    resamples: usize,
    rng: &mut Generator,
) -> Option<Interval> {
    if resamples == 0 || strata.iter().all(|values| values.len() < 2) {
        return None;
    }
    let mut resampled: Vec<Vec<f64>> = strata.to_vec();
    let mut scratch = Vec::new();
    let mut statistics = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        for (from, into) in strata.iter().zip(&mut resampled) {
            for value in into.iter_mut() {
                *value = from[rng.random_range(0..from.len())];
            }
        }
        statistics.push(statistic.with(&resampled, &mut scratch)?);
    }
    Some(percentile_interval(statistics))
}

/// The middle [`LEVEL`] of the resampled statistics.
fn percentile_interval(mut statistics: Vec<f64>) -> Interval {
    statistics.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - LEVEL) / 2.0;
    [quantile(&statistics, tail), quantile(&statistics, 1.0 - tail)]
}

/// The ranks of values, 1 for the smallest; equal values share the mean of their ranks.
///
/// ```
/// use hyperq::experiment::statistics::ranks;
/// assert_eq!(ranks(&[0.3, 0.1, 0.3]), [2.5, 1.0, 2.5]);
/// ```
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let tied =
            order[start..].iter().take_while(|i| values[**i] == values[order[start]]).count();
        let rank = (start + 1 + start + tied) as f64 / 2.0;
        for index in &order[start..start + tied] {
            ranks[*index] = rank;
        }
        start += tied;
    }
    ranks
}

/// The rank correlation of paired values (Spearman 1904): Pearson's correlation of their [`ranks`], in `[-1, 1]`. `None`
/// where there are fewer than two pairs or one side is constant.
///
/// ```
/// use hyperq::experiment::statistics::spearman;
/// assert_eq!(spearman(&[1.0, 2.0, 3.0], &[1.0, 8.0, 27.0]), Some(1.0));
/// assert_eq!(spearman(&[1.0, 2.0], &[3.0, 3.0]), None);
/// ```
///
/// # Panics
///
/// If there are not as many values on both sides.
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    assert_eq!(a.len(), b.len(), "values come in pairs");
    let middle = (a.len() as f64 + 1.0) / 2.0;
    let centred = |values: &[f64]| -> Vec<f64> {
        ranks(values).into_iter().map(|rank| rank - middle).collect()
    };
    let (a, b) = (centred(a), centred(b));
    let product = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let scale = (product(&a, &a) * product(&b, &b)).sqrt();
    (scale > 0.0).then(|| product(&a, &b) / scale)
}

/// The sum of `t^3 - t` over the groups of `t` equal ranks, which corrections for ties are made of.
fn tied(mut ranks: Vec<f64>) -> f64 {
    ranks.sort_unstable_by(f64::total_cmp);
    ranks
        .chunk_by(|a, b| a == b)
        .map(|equal| {
            let size = equal.len() as f64;
            size * size * size - size
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::Streams;

    #[derive(serde::Deserialize)]
    struct Fixture {
        samples: Vec<Sample>,
        percentiles: Vec<Percentiles>,
        bootstraps: Vec<Bootstrap>,
    }

    #[derive(serde::Deserialize)]
    struct Sample {
        values: Vec<f64>,
        mean: f64,
        median: f64,
        interquartile_mean: f64,
        ranks: Vec<f64>,
    }

    #[derive(serde::Deserialize)]
    struct Percentiles {
        statistics: Vec<f64>,
        interval: Interval,
    }

    /// An interval of SciPy from 200 000 resamples, which ours must approach.
    #[derive(serde::Deserialize)]
    struct Bootstrap {
        strata: Vec<Vec<f64>>,
        mean: f64,
        interquartile_mean: f64,
        mean_interval: Interval,
        interquartile_mean_interval: Interval,
    }

    /// What `tests/fixtures/tests.py` writes.
    #[derive(serde::Deserialize)]
    pub struct TestsFixture {
        pub friedman: Vec<FriedmanCase>,
        pub critical_differences: Vec<CriticalDifference>,
        pub studentized_ranges: Vec<StudentizedRange>,
        pub holm: Vec<HolmCase>,
        pub rank_biserials: Vec<RankBiserial>,
        pub improvements: Vec<Improvement>,
        pub profiles: Vec<Profile>,
    }

    #[derive(serde::Deserialize)]
    pub struct FriedmanCase {
        pub table: Vec<Vec<f64>>,
        pub statistic: f64,
        pub p: f64,
        pub iman_davenport_p: f64,
        pub average_ranks: Vec<f64>,
        pub nemenyi: Vec<Vec<f64>>,
    }

    #[derive(serde::Deserialize)]
    pub struct CriticalDifference {
        pub strategies: usize,
        pub surfaces: usize,
        pub alpha: f64,
        pub difference: f64,
    }

    #[derive(serde::Deserialize)]
    pub struct StudentizedRange {
        pub q: f64,
        pub count: usize,
        pub p: f64,
    }

    #[derive(serde::Deserialize)]
    pub struct HolmCase {
        pub p: Vec<f64>,
        pub adjusted: Vec<f64>,
    }

    #[derive(serde::Deserialize)]
    pub struct RankBiserial {
        pub differences: Vec<f64>,
        pub correlation: f64,
    }

    #[derive(serde::Deserialize)]
    pub struct Improvement {
        pub ours: Vec<Vec<f64>>,
        pub theirs: Vec<Vec<f64>>,
        pub probability: f64,
        pub interval: Interval,
        pub cliffs_deltas: Vec<f64>,
    }

    #[derive(serde::Deserialize)]
    pub struct Profile {
        pub strata: Vec<Vec<f64>>,
        pub thresholds: Vec<f64>,
        pub profile: Vec<f64>,
        pub intervals: Vec<Interval>,
    }

    pub fn tests_fixture() -> TestsFixture {
        serde_json::from_str(include_str!("../../../tests/fixtures/tests.json")).unwrap()
    }

    fn fixture() -> Fixture {
        serde_json::from_str(include_str!("../../../tests/fixtures/statistics.json")).unwrap()
    }

    #[track_caller]
    pub fn close(found: f64, wanted: f64, tolerance: f64) {
        assert!((found - wanted).abs() <= tolerance, "{found} is not {wanted}");
    }

    #[test]
    fn means_medians_and_ranks_agree_with_numpy_and_scipy() {
        for sample in fixture().samples {
            close(mean(&sample.values).unwrap(), sample.mean, 1e-9);
            close(median(&sample.values).unwrap(), sample.median, 1e-9);
            close(interquartile_mean(&sample.values).unwrap(), sample.interquartile_mean, 1e-9);
            assert_eq!(ranks(&sample.values), sample.ranks);
        }
    }

    #[test]
    fn percentile_intervals_agree_with_numpy() {
        for case in fixture().percentiles {
            let found = percentile_interval(case.statistics);
            close(found[0], case.interval[0], 1e-9);
            close(found[1], case.interval[1], 1e-9);
        }
    }

    #[test]
    fn bootstrap_intervals_approach_those_of_scipy() {
        for case in fixture().bootstraps {
            for (statistic, value, wanted) in [
                (Statistic::Mean, case.mean, case.mean_interval),
                (
                    Statistic::InterquartileMean,
                    case.interquartile_mean,
                    case.interquartile_mean_interval,
                ),
            ] {
                close(statistic.of(&case.strata).unwrap(), value, 1e-9);
                let mut rng = Streams::new(1).at("bootstrap", 0);
                let found = bootstrap(&case.strata, statistic, 20_000, &mut rng).unwrap();
                let width = wanted[1] - wanted[0];
                close(found[0], wanted[0], 0.05 * width);
                close(found[1], wanted[1], 0.05 * width);
            }
        }
    }

    #[test]
    fn nothing_and_one_seed_have_no_interval() {
        let mut rng = Streams::new(1).at("bootstrap", 0);
        assert_eq!(mean(&[]), None);
        assert_eq!(interquartile_mean(&[]), None);
        assert_eq!(bootstrap(&[vec![1.0], vec![]], Statistic::Mean, 10, &mut rng), None);
        assert_eq!(Statistic::Mean.of(&[vec![], vec![]]), None);
        assert!(ranks(&[]).is_empty());
    }
}
