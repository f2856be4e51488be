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
    ((range.best - value) / scale).clamp(0.0, 1.0)
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
        let regret: Vec<_> = points.iter().map(|p| p.regret).collect();
        assert_eq!(regret, [None, Some(0.8), Some(0.25), Some(0.5)]);
    }

    #[test]
    fn what_is_unknown_stays_empty() {
        let points = curve(&spec(Direction::Minimize, None, None), [Some(1.0)]);
        assert_eq!(points, [Point { best: Some(1.0), regret: None, normalized_regret: None }]);
        let flat = spec(Direction::Minimize, Some(2.0), Some((2.0, 2.0)));
        assert_eq!(curve(&flat, [None, Some(2.0)])[1].normalized_regret, Some(0.0));
    }
}
