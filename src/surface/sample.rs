//! The range of a surface whose optimum is unknown.

use super::Range;
use crate::error::{Error, Result};
use crate::optimizer::sobol_point;
use crate::space::{Configuration, SearchSpace};
use crate::streams::{Generator, Streams};
use crate::trial::Direction;

/// The best and the worst value of the surface `name` over the first `points` points of the scrambled
/// Sobol sequence of seed 0. Evaluations that fail are left out; where all do, that is the error.
pub(super) fn sample_range(
    name: &str,
    space: &SearchSpace,
    direction: Direction,
    points: u64,
    evaluate: impl Fn(&Configuration, &mut Generator) -> Result<f64>,
) -> Result<Range> {
    let streams = Streams::new(0);
    let scores = (0..points).filter_map(|point| {
        let unit = sobol_point(streams, point, space.len());
        let value = evaluate(&space.from_unit(&unit), &mut streams.at("range", point));
        direction.score(value.ok()?).ok()
    });
    let (worst, best) = scores
        .fold(None, |found, score| match found {
            None => Some((score, score)),
            Some((low, high)) => Some((score.min(low), score.max(high))),
        })
        .ok_or_else(|| {
            Error::Evaluation(format!("all {points} configurations of `{name}` failed"))
        })?;
    Ok(Range { best: direction.value(best), worst: direction.value(worst) })
}
