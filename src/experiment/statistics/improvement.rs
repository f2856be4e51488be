//! How often one strategy's run is better than another's.

use rand::RngExt;

use super::{Interval, mean, percentile_interval};
use crate::streams::Generator;

/// The A measure of Vargha and Delaney (2000): the probability that a run of ours is lower, that is better, than one
/// of theirs, equal ones counting half. It is the Mann-Whitney statistic over the number of pairs. `None` where a
/// side is empty.
///
/// ```
/// use hyperq::experiment::statistics::vargha_delaney;
/// assert_eq!(vargha_delaney(&[0.1, 0.3], &[0.2, 0.3]), Some(0.625));
/// ```
pub fn vargha_delaney(ours: &[f64], theirs: &[f64]) -> Option<f64> {
    Levels::of(ours, theirs).map(|levels| levels.share())
}

/// Cliff's delta (1993): the share of pairs in which our run is lower, that is better, less the share in which it is
/// higher; `2 A - 1` with the [A measure](vargha_delaney). From -1 to 1, 0 for no difference. `None` where a side is
/// empty.
///
/// ```
/// use hyperq::experiment::statistics::cliffs_delta;
/// assert_eq!(cliffs_delta(&[0.1, 0.3], &[0.2, 0.3]), Some(0.25));
/// ```
pub fn cliffs_delta(ours: &[f64], theirs: &[f64]) -> Option<f64> {
    vargha_delaney(ours, theirs).map(|share| 2.0 * share - 1.0)
}

/// The probability of improvement (Agarwal et al. 2021, section 4.3): the [A measure](vargha_delaney) of each surface,
/// averaged over surfaces. Both lists are of the same surfaces; those without runs on either side do not count.
/// `None` where none is left or the lists differ in length.
pub fn probability_of_improvement(ours: &[Vec<f64>], theirs: &[Vec<f64>]) -> Option<f64> {
    if ours.len() != theirs.len() {
        return None;
    }
    let shares: Vec<f64> =
        ours.iter().zip(theirs).filter_map(|(ours, theirs)| vargha_delaney(ours, theirs)).collect();
    mean(&shares)
}

/// The percentile bootstrap interval of the [probability of improvement](probability_of_improvement). Runs of both
/// sides are resampled on their own, surface by surface, so it speaks of the variation between seeds. `None` where
/// that is `None` and where no surface has two runs on a side.
pub fn improvement_interval(
    ours: &[Vec<f64>],
    theirs: &[Vec<f64>],
    resamples: usize,
    rng: &mut Generator,
) -> Option<Interval> {
    let repeated = ours.iter().chain(theirs).any(|runs| runs.len() > 1);
    if ours.len() != theirs.len() || resamples == 0 || !repeated {
        return None;
    }
    let levels: Vec<Levels> =
        ours.iter().zip(theirs).filter_map(|(ours, theirs)| Levels::of(ours, theirs)).collect();
    if levels.is_empty() {
        return None;
    }
    let mut counts = Vec::new();
    let statistics = (0..resamples)
        .map(|_| {
            let shares = levels.iter().map(|levels| levels.resampled(rng, &mut counts));
            shares.sum::<f64>() / levels.len() as f64
        })
        .collect();
    Some(percentile_interval(statistics))
}

/// The runs of two strategies on one surface, each by its place among the distinct values of both: all that the share
/// of better pairs depends on, and what makes a resample linear in the number of runs.
struct Levels {
    ours: Vec<usize>,
    theirs: Vec<usize>,
    count: usize,
}

impl Levels {
    fn of(ours: &[f64], theirs: &[f64]) -> Option<Self> {
        if ours.is_empty() || theirs.is_empty() {
            return None;
        }
        let mut distinct: Vec<f64> = ours.iter().chain(theirs).copied().collect();
        distinct.sort_unstable_by(f64::total_cmp);
        distinct.dedup();
        let level = |value: &f64| distinct.partition_point(|other| other < value);
        Some(Self {
            ours: ours.iter().map(level).collect(),
            theirs: theirs.iter().map(level).collect(),
            count: distinct.len(),
        })
    }

    fn share(&self) -> f64 {
        let mut counts = vec![[0; 2]; self.count];
        self.ours.iter().for_each(|level| counts[*level][0] += 1);
        self.theirs.iter().for_each(|level| counts[*level][1] += 1);
        self.better(&counts)
    }

    fn resampled(&self, rng: &mut Generator, counts: &mut Vec<[usize; 2]>) -> f64 {
        counts.clear();
        counts.resize(self.count, [0; 2]);
        for (side, levels) in [&self.ours, &self.theirs].into_iter().enumerate() {
            for _ in 0..levels.len() {
                counts[levels[rng.random_range(0..levels.len())]][side] += 1;
            }
        }
        self.better(counts)
    }

    /// The share of pairs in which ours is on a lower level, equal ones counting half, from the numbers of runs on
    /// each level.
    fn better(&self, counts: &[[usize; 2]]) -> f64 {
        let mut higher = self.theirs.len();
        // Twice the number of better pairs, so that halves are whole.
        let mut twice = 0;
        for [ours, theirs] in counts {
            higher -= theirs;
            twice += ours * (2 * higher + theirs);
        }
        twice as f64 / (2 * self.ours.len() * self.theirs.len()) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::statistics::tests::{close, tests_fixture};
    use crate::streams::Streams;

    #[test]
    fn probabilities_of_improvement_agree_with_rliable_and_scipy() {
        let cases = tests_fixture().improvements;
        assert_eq!(cases.len(), 3);
        for case in cases {
            close(
                probability_of_improvement(&case.ours, &case.theirs).unwrap(),
                case.probability,
                1e-12,
            );
            let runs = case.ours.iter().zip(&case.theirs);
            for ((ours, theirs), wanted) in runs.zip(&case.cliffs_deltas) {
                close(cliffs_delta(ours, theirs).unwrap(), *wanted, 1e-12);
            }
            let mut rng = Streams::new(3).at("bootstrap", 0);
            let found = improvement_interval(&case.ours, &case.theirs, 20_000, &mut rng).unwrap();
            let width = case.interval[1] - case.interval[0];
            close(found[0], case.interval[0], 0.05 * width);
            close(found[1], case.interval[1], 0.05 * width);
        }
    }

    #[test]
    fn what_is_missing_does_not_count() {
        let (one, none) = (vec![0.5], Vec::new());
        let (ours, theirs) = ([one.clone(), none.clone()], [vec![0.7], one.clone()]);
        assert_eq!(probability_of_improvement(&ours, &theirs), Some(1.0));
        assert_eq!(probability_of_improvement(&[vec![]], &[vec![0.5]]), None);
        assert_eq!(probability_of_improvement(&ours, &theirs[..1]), None);
        let mut rng = Streams::new(3).at("bootstrap", 0);
        assert_eq!(improvement_interval(&ours, &theirs, 10, &mut rng), None);
        assert_eq!(improvement_interval(&[none], &[vec![0.1, 0.2]], 10, &mut rng), None);
    }
}
