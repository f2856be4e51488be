//! How good a run is after each trial.
//!
//! With the incumbent `f_t` (the best value of the first `t` trials) and the surface's optimum `f*`,
//! the *simple regret* is `|f* - f_t|`. The *normalized regret* is
//! `(best - f_t) / (best - worst)`, clamped to `[0, 1]`, by the best and the worst value of
//! [`Spec::range`]: 0 is as good as the surface gets, and surfaces of different units can be averaged.

use crate::surface::{Range, Spec};
use crate::trial::Direction;

/// The normalized regret up to which a surface counts as solved.
pub const SOLVED: f64 = 0.01;

/// A run after one of its trials.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// The incumbent in the surface's own unit; `None` before the first complete trial.
    pub best: Option<f64>,
    /// The simple regret; `None` before the first complete trial and where the optimum is unknown.
    pub regret: Option<f64>,
    /// The normalized regret, 1 before the first complete trial; `None` where the surface has no range.
    pub normalized_regret: Option<f64>,
}

/// The points of a run from the values of its trials, `None` for a failed one.
///
/// ```
/// use hyperq::experiment::metrics::curve;
/// let surface = &hyperq::surface::open("branin")?[0];
/// let points = curve(surface.spec(), [None, Some(10.0), Some(12.0)]);
/// assert_eq!(points[0].normalized_regret, Some(1.0));
/// assert_eq!(points[2].best, Some(10.0));
/// # Ok::<(), hyperq::Error>(())
/// ```
pub fn curve(spec: &Spec, values: impl IntoIterator<Item = Option<f64>>) -> Vec<Point> {
    let mut best: Option<f64> = None;
    values
        .into_iter()
        .map(|value| {
            best = match (best, value) {
                (Some(best), Some(value)) => Some(match spec.direction {
                    Direction::Minimize => best.min(value),
                    Direction::Maximize => best.max(value),
                }),
                (best, value) => best.or(value),
            };
            Point {
                best,
                regret: best.zip(spec.optimum).map(|(best, optimum)| (optimum - best).abs()),
                normalized_regret: spec
                    .range
                    .map(|range| best.map_or(1.0, |value| normalized(range, value))),
            }
        })
        .collect()
}

/// `(best - value) / (best - worst)`, clamped. Where all values of the surface are the same, each of
/// them is as good as it gets.
fn normalized(range: Range, value: f64) -> f64 {
    let scale = range.best - range.worst;
    if scale == 0.0 {
        return if value == range.best { 0.0 } else { 1.0 };
    }
    // Adding 0 leaves no negative zero, which prints with its sign.
    ((range.best - value) / scale).clamp(0.0, 1.0) + 0.0
}

/// The anytime regret: the mean of a curve of regret over its trials, the area under the curve over its length. It
/// rewards a run for being good early and not only at its end. NaN without trials.
///
/// ```
/// assert_eq!(hyperq::experiment::metrics::area(&[1.0, 0.5, 0.0]), 0.5);
/// ```
pub fn area(curve: &[f64]) -> f64 {
    curve.iter().sum::<f64>() / curve.len() as f64
}

/// The same over the logarithm of time: `sum_t regret_t / t  /  sum_t 1 / t`. Trials 1 to 10 count about as much as
/// trials 10 to 100, so early and late ones count alike. NaN without trials.
///
/// ```
/// assert_eq!(hyperq::experiment::metrics::log_area(&[1.0, 0.5]), 1.25 / 1.5);
/// ```
pub fn log_area(curve: &[f64]) -> f64 {
    let weighted = curve.iter().enumerate().map(|(t, regret)| regret / (t + 1) as f64);
    let whole: f64 = (1..=curve.len()).map(|t| 1.0 / t as f64).sum();
    weighted.sum::<f64>() / whole
}

/// How many trials are done after some time, given when each of them ended, ascending: the trial under way counts by
/// the share of its time that has passed.
///
/// ```
/// use hyperq::experiment::metrics::trials_within;
/// assert_eq!(trials_within(&[1.0, 3.0], 0.5), 0.5);
/// assert_eq!(trials_within(&[1.0, 3.0], 2.0), 1.5);
/// assert_eq!(trials_within(&[1.0, 3.0], 9.0), 2.0);
/// ```
pub fn trials_within(ends: &[f64], time: f64) -> f64 {
    let done = ends.partition_point(|end| *end <= time);
    let start = done.checked_sub(1).map_or(0.0, |last| ends[last]);
    let under_way = ends.get(done).map_or(0.0, |end| (time - start) / (end - start));
    done as f64 + under_way
}

/// A curve of regret after a number of trials that need not be whole: interpolated linearly, from a regret of 1
/// before the first trial; after the last trial it is the last regret.
///
/// ```
/// use hyperq::experiment::metrics::regret_after;
/// assert_eq!(regret_after(&[0.5, 0.25], 1.0), 0.5);
/// assert_eq!(regret_after(&[0.5, 0.25], 0.5), 0.75);
/// ```
pub fn regret_after(curve: &[f64], trials: f64) -> f64 {
    let whole = trials.floor();
    let at = |trial: usize| match trial.min(curve.len()) {
        0 => 1.0,
        trial => curve[trial - 1],
    };
    let (before, after) = (at(whole as usize), at(whole as usize + 1));
    before + (trials - whole) * (after - before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{Parameter, SearchSpace};

    fn spec(direction: Direction, optimum: Option<f64>, range: Option<(f64, f64)>) -> Spec {
        Spec {
            name: "s".into(),
            description: String::new(),
            space: SearchSpace::new([Parameter::float("x", 0.0, 1.0)]).unwrap(),
            direction,
            objective: "value".into(),
            optimum,
            range: range.map(|(best, worst)| Range { best, worst }),
            grid: None,
            meta_features: Vec::new(),
        }
    }

    #[test]
    fn the_incumbent_follows_the_direction() {
        let values = [Some(0.5), None, Some(0.7), Some(0.6)];
        let best = |d| -> Vec<_> {
            curve(&spec(d, None, None), values).iter().map(|p| p.best.unwrap()).collect()
        };
        assert_eq!(best(Direction::Maximize), [0.5, 0.5, 0.7, 0.7]);
        assert_eq!(best(Direction::Minimize), [0.5; 4]);
    }

    #[test]
    fn regret_is_normalized_between_best_and_worst_and_clamped() {
        let spec = spec(Direction::Maximize, Some(1.0), Some((1.0, 0.5)));
        let points = curve(&spec, [None, Some(0.2), Some(0.75), Some(1.5)]);
        let normalized: Vec<_> = points.iter().map(|p| p.normalized_regret.unwrap()).collect();
        assert_eq!(normalized, [1.0, 1.0, 0.5, 0.0]);
        // The best value of what is minimized is no negative zero.
        assert!(super::normalized(Range { best: 2.0, worst: 3.0 }, 2.0).is_sign_positive());
        let regret: Vec<_> = points.iter().map(|p| p.regret).collect();
        assert_eq!(regret, [None, Some(0.8), Some(0.25), Some(0.5)]);
    }

    #[test]
    fn the_logarithmic_area_weighs_early_trials_more() {
        let late = [1.0, 0.0, 0.0, 0.0];
        let early = [0.0, 0.0, 0.0, 1.0];
        assert_eq!((area(&late), area(&early)), (0.25, 0.25));
        assert!(log_area(&late) > 3.9 * log_area(&early));
        assert_eq!(log_area(&[0.3; 7]), 0.3);
        assert!(area(&[]).is_nan() && log_area(&[]).is_nan());
    }

    #[test]
    fn regret_by_the_clock_is_that_of_the_trials_done() {
        let (ends, curve) = ([2.0, 4.0, 4.0, 8.0], [0.8, 0.8, 0.4, 0.2]);
        for (time, trials, regret) in [
            (0.0, 0.0, 1.0),
            (1.0, 0.5, 0.9),
            (2.0, 1.0, 0.8),
            (3.0, 1.5, 0.8),
            (4.0, 3.0, 0.4),
            (7.0, 3.75, 0.25),
            (8.0, 4.0, 0.2),
            (99.0, 4.0, 0.2),
        ] {
            assert_eq!(trials_within(&ends, time), trials);
            assert!((regret_after(&curve, trials) - regret).abs() < 1e-12, "at {time}");
        }
        assert_eq!((trials_within(&[], 1.0), regret_after(&[], 1.0)), (0.0, 1.0));
    }

    #[test]
    fn what_is_unknown_stays_empty() {
        let points = curve(&spec(Direction::Minimize, None, None), [Some(1.0)]);
        assert_eq!(points, [Point { best: Some(1.0), regret: None, normalized_regret: None }]);
        let flat = spec(Direction::Minimize, Some(2.0), Some((2.0, 2.0)));
        assert_eq!(curve(&flat, [None, Some(2.0)])[1].normalized_regret, Some(0.0));
    }
}
