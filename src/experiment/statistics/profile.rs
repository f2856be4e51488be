//! Performance profiles.

use rand::RngExt;

use super::{Interval, percentile_interval};
use crate::streams::Generator;

/// The performance profile: for each threshold the share of runs at it or below, averaged over surfaces. It is the
/// run-score distribution of Agarwal et al. (2021, section 4.2), with regret, of which less is better, in place of a
/// score: the higher the profile, the better, and where one strategy's profile is above another's throughout, it is
/// better in every respect. Surfaces without runs do not count; without any all shares are 0.
///
/// ```
/// use hyperq::experiment::statistics::performance_profile;
/// let runs = [vec![0.0, 0.2], vec![0.05]];
/// assert_eq!(performance_profile(&runs, &[0.01, 0.1]), [0.25, 0.75]);
/// ```
pub fn performance_profile(strata: &[Vec<f64>], thresholds: &[f64]) -> Vec<f64> {
    Places::of(strata, thresholds).profile(|runs, place| runs[place])
}

/// The percentile bootstrap intervals of a [performance profile](performance_profile), threshold by threshold. Each
/// surface's runs are resampled on their own. `None` where no surface has two runs.
pub fn profile_intervals(
    strata: &[Vec<f64>],
    thresholds: &[f64],
    resamples: usize,
    rng: &mut Generator,
) -> Option<Vec<Interval>> {
    if resamples == 0 || strata.iter().all(|values| values.len() < 2) {
        return None;
    }
    let places = Places::of(strata, thresholds);
    let mut shares = vec![Vec::with_capacity(resamples); thresholds.len()];
    for _ in 0..resamples {
        let profile = places.profile(|runs, _| runs[rng.random_range(0..runs.len())]);
        shares.iter_mut().zip(profile).for_each(|(shares, share)| shares.push(share));
    }
    Some(shares.into_iter().map(percentile_interval).collect())
}

/// Each run by its place among the thresholds: the number of them that it is above.
struct Places {
    /// The thresholds' own places, ascending.
    order: Vec<usize>,
    runs: Vec<Vec<usize>>,
}

impl Places {
    fn of(strata: &[Vec<f64>], thresholds: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..thresholds.len()).collect();
        order.sort_by(|a, b| thresholds[*a].total_cmp(&thresholds[*b]));
        let place = |value: &f64| order.partition_point(|place| thresholds[*place] < *value);
        let runs = strata
            .iter()
            .filter(|values| !values.is_empty())
            .map(|values| values.iter().map(place).collect())
            .collect();
        Self { order, runs }
    }

    /// The profile with each run replaced by what `pick` takes from its surface's runs.
    fn profile(&self, mut pick: impl FnMut(&[usize], usize) -> usize) -> Vec<f64> {
        // The last count is of runs above every threshold.
        let mut reached = vec![0.0; self.order.len() + 1];
        for runs in &self.runs {
            let weight = 1.0 / (runs.len() * self.runs.len()) as f64;
            (0..runs.len()).for_each(|place| reached[pick(runs, place)] += weight);
        }
        let mut profile = vec![0.0; self.order.len()];
        let mut share: f64 = 0.0;
        for (place, more) in self.order.iter().zip(reached) {
            share += more;
            profile[*place] = share.min(1.0);
        }
        profile
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::statistics::tests::{close, tests_fixture};
    use crate::streams::Streams;

    #[test]
    fn profiles_agree_with_rliable() {
        for case in tests_fixture().profiles {
            let found = performance_profile(&case.strata, &case.thresholds);
            let mut rng = Streams::new(5).at("bootstrap", 0);
            let intervals =
                profile_intervals(&case.strata, &case.thresholds, 20_000, &mut rng).unwrap();
            let runs: usize = case.strata.iter().map(Vec::len).sum();
            for place in 0..case.thresholds.len() {
                close(found[place], case.profile[place], 1e-12);
                // Shares move in steps of a run, so an end may be one of them off.
                let step = 1.01 / runs as f64;
                close(intervals[place][0], case.intervals[place][0], step);
                close(intervals[place][1], case.intervals[place][1], step);
            }
        }
    }

    #[test]
    fn thresholds_may_come_in_any_order_and_surfaces_count_alike() {
        let runs = [vec![0.0, 0.5, 0.5, 1.0], vec![], vec![0.1]];
        let close_to = |thresholds: &[f64], wanted: &[f64]| {
            let found = performance_profile(&runs, thresholds);
            found.iter().zip(wanted).for_each(|(found, wanted)| close(*found, *wanted, 1e-12));
        };
        close_to(&[1.0, 0.0, 0.5], &[1.0, 0.125, 0.875]);
        assert_eq!(performance_profile(&[], &[0.1]), [0.0]);
        let mut rng = Streams::new(5).at("bootstrap", 0);
        assert_eq!(profile_intervals(&[vec![0.1]], &[0.1], 10, &mut rng), None);
    }
}
