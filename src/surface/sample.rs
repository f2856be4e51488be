//! The range of a surface whose optimum is unknown, from a fixed sample.

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use super::Range;
use crate::error::{Error, Result};
use crate::optimizer::sobol_point;
use crate::space::{Configuration, SearchSpace};
use crate::streams::Streams;
use crate::trial::{Direction, Score};

/// From how many points of the sample a search for the best value begins.
const STARTS: usize = 8;

/// How many steps each of them takes.
const STEPS: u64 = 512;

/// The standard deviations of the first and the last step, on the unit interval.
const REACH: [f64; 2] = [0.25, 0.001];

/// The range of the surface `name`: the worst value of the first `points` points of the scrambled Sobol
/// sequence of seed 0, and the best that a search from its best points reaches, which for a smooth surface
/// comes close to the optimum. Evaluations that fail are left out; where all do, that is the error.
///
/// From each of the eight best points of the sample it takes 512 steps. A step moves each coordinate of the
/// unit cube with probability 1/2 by a normal number, whose standard deviation falls geometrically from 0.25
/// to 0.001, and stays within the cube; it counts where the value is better.
pub(super) fn searched_range(
    name: &str,
    space: &SearchSpace,
    direction: Direction,
    points: u64,
    evaluate: impl Fn(&Configuration) -> Result<f64>,
) -> Result<Range> {
    let streams = Streams::new(0);
    let score = |unit: &[f64]| direction.score(evaluate(&space.from_unit(unit)).ok()?).ok();
    let mut sample: Vec<(Score, Vec<f64>)> = (0..points)
        .filter_map(|point| {
            let unit = sobol_point(streams, point, space.len());
            Some((score(&unit)?, unit))
        })
        .collect();
    // The best first; of equal ones the earlier.
    sample.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    let worst = match sample.last() {
        Some((worst, _)) => *worst,
        None => {
            let problem = format!("all {points} configurations of `{name}` failed");
            return Err(Error::Evaluation(problem));
        }
    };
    let mut best = worst;
    for (start, (mut reached, mut at)) in sample.into_iter().take(STARTS).enumerate() {
        let mut rng = streams.at("range", start as u64);
        for step in 0..STEPS {
            let progress = step as f64 / (STEPS - 1) as f64;
            let deviation = REACH[0] * (REACH[1] / REACH[0]).powf(progress);
            let moved: Vec<f64> = at
                .iter()
                .map(|coordinate| {
                    let by: f64 = StandardNormal.sample(&mut rng);
                    let is_moved: bool = rng.random();
                    let by = if is_moved { deviation * by } else { 0.0 };
                    (coordinate + by).clamp(0.0, 1.0)
                })
                .collect();
            if let Some(score) = score(&moved).filter(|score| *score > reached) {
                (reached, at) = (score, moved);
            }
        }
        best = best.max(reached);
    }
    Ok(Range { best: direction.value(best), worst: direction.value(worst) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::open;

    #[test]
    fn the_searched_best_is_close_to_the_optimum_and_the_worst_that_of_the_sample() {
        for name in ["branin", "hartmann-6", "levy-4"] {
            let surface = open(name).unwrap().remove(0);
            let spec = surface.spec();
            let value =
                |at: &Configuration| surface.evaluate(at, &mut Streams::new(0).at("test", 0));
            let range = searched_range(name, &spec.space, spec.direction, 256, value).unwrap();
            let worst = (0..256)
                .map(|point| sobol_point(Streams::new(0), point, spec.space.len()))
                .map(|unit| value(&spec.space.from_unit(&unit)).unwrap())
                .fold(f64::NEG_INFINITY, f64::max);
            assert_eq!(range.worst, worst);
            let gap = (range.best - spec.optimum.unwrap()) / (range.worst - range.best);
            assert!((0.0..1e-4).contains(&gap), "{name}: {gap}");
        }
        let space = SearchSpace::new([crate::space::Parameter::float("x", 0.0, 1.0)]).unwrap();
        let fail = |_: &Configuration| Err(Error::Evaluation("no".into()));
        let error = searched_range("none", &space, Direction::Minimize, 8, fail).unwrap_err();
        assert!(error.to_string().contains("all 8 configurations of `none` failed"), "{error}");
    }
}
