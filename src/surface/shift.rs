//! Shifted surfaces.

use std::sync::Arc;

use rand::RngExt;

use super::{Spec, Surface};
use crate::error::{Error, Result};
use crate::space::{Configuration, Domain, Value};
use crate::streams::{Generator, Streams};

/// A surface moved to another place in its domain, so that its optimum lies where no one expects it.
///
/// Many test functions have their minimum in the middle of the domain, where grids of odd resolution
/// and optimizers that begin in the middle hit it by construction. Here each float parameter is read
/// at `u + offset mod 1` on its unit interval and each linear integer (or stepped) parameter a whole
/// number of levels further, round the end; offsets are drawn from the seed. Both are permutations of
/// the parameter's values, so the shifted surface takes the same values, optimum and range included,
/// and only their places change. The price is a seam: where the domain's two ends meet, the value
/// jumps.
///
/// Categorical parameters stay, as their order has no meaning. Integers on a log scale stay too,
/// because their cells differ in width and no shift of the interval permutes them.
///
/// ```
/// use hyperq::streams::Streams;
/// let shifted = &hyperq::surface::open("ackley-2+shift=3")?[0];
/// let centre = shifted.spec().space.from_unit(&[0.5, 0.5]);
/// assert!(shifted.evaluate(&centre, &mut Streams::new(0).at("noise", 0))? > 1.0);
/// assert_eq!(shifted.spec().optimum, Some(0.0));
/// # Ok::<(), hyperq::Error>(())
/// ```
pub struct Shift {
    inner: Arc<dyn Surface>,
    offsets: Vec<Offset>,
    spec: Spec,
}

#[derive(Debug, Clone, Copy)]
enum Offset {
    None,
    /// A part of the unit interval.
    Unit(f64),
    /// So many of so many levels.
    Levels {
        by: u64,
        of: u64,
    },
}

impl Shift {
    /// Shifts a surface by offsets drawn from `seed`.
    ///
    /// # Errors
    ///
    /// [`Error::Unsuited`] for a surface that is a table: its rows lie on no shifted place.
    pub fn new(inner: Arc<dyn Surface>, seed: u64) -> Result<Self> {
        let mut spec = inner.spec().clone();
        if spec.grid.is_some() {
            return Err(Error::unsuited(
                format!("`{}+shift={seed}`", spec.name),
                "a table has values at its rows only, and a shift leaves them",
            ));
        }
        let streams = Streams::new(seed);
        let offsets = spec
            .space
            .parameters()
            .iter()
            .enumerate()
            .map(|(index, parameter)| {
                let mut rng = streams.at("shift", index as u64);
                match (&parameter.domain, parameter.domain.cardinality()) {
                    (Domain::Categorical { .. } | Domain::Int { log: true, .. }, _) => Offset::None,
                    (_, None) => Offset::Unit(rng.random()),
                    (_, Some(of)) => Offset::Levels { by: rng.random_range(0..of), of },
                }
            })
            .collect();
        spec.name = format!("{}+shift={seed}", spec.name);
        spec.description = format!("{}, shifted (seed {seed})", spec.description);
        Ok(Self { inner, offsets, spec })
    }

    /// The configuration of the inner surface whose value `configuration` has here.
    fn source(&self, configuration: &Configuration) -> Result<Configuration> {
        let space = &self.spec.space;
        let values = configuration
            .values()
            .iter()
            .zip(space.parameters())
            .zip(&self.offsets)
            .map(|((value, parameter), offset)| {
                let domain = &parameter.domain;
                value.map(|value| offset.apply(domain, value))
            })
            .collect();
        space.admit(values)
    }
}

impl Offset {
    fn apply(self, domain: &Domain, value: Value) -> Value {
        let shifted = match self {
            Self::None => return value,
            Self::Unit(by) => (domain.to_unit(value) + by).fract(),
            Self::Levels { by, of } => {
                // A linear level lies in the middle of its cell, so its number is exact.
                let level = (domain.to_unit(value) * of as f64) as u64;
                ((level + by) % of) as f64 / of as f64 + 0.5 / of as f64
            }
        };
        domain.from_unit(shifted)
    }
}

impl std::fmt::Debug for Shift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shift").field("spec", &self.spec).finish_non_exhaustive()
    }
}

impl Surface for Shift {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn evaluate(&self, configuration: &Configuration, rng: &mut Generator) -> Result<f64> {
        if configuration.space() != &self.spec.space {
            return Err(Error::Evaluation(format!(
                "`{}` needs a configuration of its own space, found {configuration}",
                self.spec.name
            )));
        }
        self.inner.evaluate(&self.source(configuration)?, rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{Parameter, SearchSpace};
    use crate::surface::open;

    fn value(surface: &dyn Surface, at: &Configuration) -> f64 {
        surface.evaluate(at, &mut Streams::new(0).at("noise", 0)).unwrap()
    }

    #[test]
    fn the_value_is_that_of_the_shifted_place_and_the_optimum_is_still_reached() {
        let plain = open("ackley-3").unwrap().remove(0);
        let shifted = Shift::new(Arc::clone(&plain), 3).unwrap();
        // The minimizer lies at 1/2 of each coordinate; the shifted one at 1/2 - offset.
        let unit: Vec<f64> = shifted
            .offsets
            .iter()
            .map(|offset| match offset {
                Offset::Unit(by) => (1.5 - by).fract(),
                other => panic!("{other:?}"),
            })
            .collect();
        let minimizer = plain.spec().space.from_unit(&unit);
        assert!(value(&shifted, &minimizer) < 1e-12);
        let centre = plain.spec().space.from_unit(&[0.5; 3]);
        assert_eq!(value(&*plain, &centre), 0.0);
        assert!(value(&shifted, &centre) > 1.0);
        let other = Shift::new(Arc::clone(&plain), 4).unwrap();
        assert_ne!(value(&other, &centre), value(&shifted, &centre));
    }

    #[test]
    fn discrete_values_are_permuted_and_conditions_hold() {
        let plain = open("mixed-conditional").unwrap().remove(0);
        let shifted = Shift::new(Arc::clone(&plain), 1).unwrap();
        let space = &plain.spec().space;
        let mut depths: Vec<i64> = (1..=12)
            .map(|depth| {
                let json = serde_json::json!({"model": "tree", "depth": depth});
                let from = Configuration::from_json(space, &json).unwrap();
                shifted.source(&from).unwrap().int("depth").unwrap()
            })
            .collect();
        assert_ne!(depths, (1..=12).collect::<Vec<_>>());
        depths.sort_unstable();
        assert_eq!(depths, (1..=12).collect::<Vec<_>>());
        let mut rng = Streams::new(2).at("test", 0);
        for _ in 0..200 {
            let at = space.sample(&mut rng);
            assert!(value(&shifted, &at) >= plain.spec().optimum.unwrap());
        }
    }

    #[test]
    fn decorators_compose_and_are_named_in_their_order() {
        let both = open("branin+shift=3+noise=0.1").unwrap().remove(0);
        assert_eq!(both.spec().name, "branin+shift=3+noise=0.1");
        let at = both.spec().space.from_unit(&[0.2, 0.9]);
        let shifted = open("branin+shift=3").unwrap().remove(0);
        let difference = value(&*both, &at) - value(&*shifted, &at);
        assert!(difference != 0.0 && difference.abs() < 1.0, "{difference}");
    }

    #[test]
    fn a_configuration_of_another_space_is_a_failed_evaluation() {
        let shifted = open("branin+shift=3").unwrap().remove(0);
        let other = SearchSpace::new([Parameter::int("n", 0, 3)]).unwrap();
        let error = shifted
            .evaluate(&other.from_unit(&[0.5]), &mut Streams::new(0).at("noise", 0))
            .unwrap_err();
        assert!(matches!(error, Error::Evaluation(_)), "{error}");
    }
}
