//! Test functions with known minima.
//!
//! Each function is one file with its formula, domain, minimizers and source. All are minimized. A
//! function of any dimension is opened with its dimension in the name: `ackley-5`, `rosenbrock-4`.
//!
//! ```
//! use hyperq::streams::Streams;
//! use hyperq::surface;
//!
//! let branin = &surface::open("branin")?[0];
//! let centre = branin.spec().space.from_unit(&[0.5, 0.5]);
//! let value = branin.evaluate(&centre, &mut Streams::new(0).at("noise", 0))?;
//! assert!(value > branin.spec().optimum.unwrap());
//! # Ok::<(), hyperq::Error>(())
//! ```

mod ackley;
mod branin;
mod griewank;
mod hartmann;
mod levy;
mod michalewicz;
mod mixed;
mod rastrigin;
mod rosenbrock;
mod six_hump_camel;
mod styblinski_tang;

pub use ackley::ackley;
pub use branin::branin;
pub use griewank::griewank;
pub use hartmann::{hartmann3, hartmann6};
pub use levy::levy;
pub use michalewicz::michalewicz;
pub use mixed::MixedConditional;
pub use rastrigin::rastrigin;
pub use rosenbrock::rosenbrock;
pub use six_hump_camel::six_hump_camel;
pub use styblinski_tang::styblinski_tang;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Range, Spec, Surface};
use crate::error::{Error, Result};
use crate::optimizer::sobol_point;
use crate::space::{Configuration, Parameter, SearchSpace, Value};
use crate::streams::{Generator, Streams};
use crate::trial::Direction;

/// The functions of points in a box. A new one is its file and its line here.
const FAMILIES: [&Family; 11] = [
    &branin::FAMILY,
    &six_hump_camel::FAMILY,
    &hartmann::FAMILY_3,
    &hartmann::FAMILY_6,
    &ackley::FAMILY,
    &rosenbrock::FAMILY,
    &rastrigin::FAMILY,
    &levy::FAMILY,
    &styblinski_tang::FAMILY,
    &griewank::FAMILY,
    &michalewicz::FAMILY,
];

/// The most dimensions that a function is opened with.
const WIDEST: usize = 256;

/// A function of points in a box, in every dimension that it is defined for.
struct Family {
    /// The name without the dimension.
    name: &'static str,
    /// One line on what makes it hard.
    summary: &'static str,
    dimension: Dimension,
    /// The usual domain in a dimension.
    bounds: fn(usize) -> Vec<(f64, f64)>,
    value: fn(&[f64]) -> f64,
    /// The exact minimum in a dimension.
    optimum: fn(usize) -> f64,
    /// Every point at which it is attained.
    minimizers: fn(usize) -> Vec<Vec<f64>>,
}

/// The dimensions that a family exists in.
enum Dimension {
    /// One only, which the name says or implies.
    Fixed(usize),
    /// Any from `least`; `listed` stands in the list of built-in surfaces.
    Any { least: usize, listed: usize },
    /// Those whose minimum is published; `listed` stands in the list of built-in surfaces.
    Published { known: &'static [usize], listed: usize },
}

impl Family {
    /// The name in the list of built-in surfaces.
    fn listed(&self) -> String {
        match self.dimension {
            Dimension::Fixed(_) => self.name.to_owned(),
            Dimension::Any { listed, .. } | Dimension::Published { listed, .. } => {
                format!("{}-{listed}", self.name)
            }
        }
    }

    /// The dimension that a name asks for, `None` where it is not this family's.
    fn dimension(&self, name: &str) -> Option<Result<usize>> {
        if let Dimension::Fixed(dimension) = self.dimension {
            return (name == self.name).then_some(Ok(dimension));
        }
        let suffix = name.strip_prefix(self.name)?.strip_prefix('-')?;
        let rule = match &self.dimension {
            Dimension::Published { known, .. } => format!(
                "one of {} (the dimensions with a published minimum)",
                known.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ),
            Dimension::Any { least, .. } => format!("an integer from {least} to {WIDEST}"),
            Dimension::Fixed(_) => return None,
        };
        let allowed = |dimension: &usize| match &self.dimension {
            Dimension::Published { known, .. } => known.contains(dimension),
            Dimension::Any { least, .. } => (*least..=WIDEST).contains(dimension),
            Dimension::Fixed(_) => false,
        };
        // Only the canonical spelling, so that a surface has one name: not `ackley-05` or `ackley-+5`.
        let dimension = suffix
            .parse::<usize>()
            .ok()
            .filter(|dimension| allowed(dimension) && dimension.to_string() == suffix);
        Some(
            dimension
                .ok_or_else(|| Error::setting(self.name, "dimension", rule, format!("`{suffix}`"))),
        )
    }
}

/// A test function of points in a box as a surface.
pub struct Synthetic {
    spec: Spec,
    value: fn(&[f64]) -> f64,
    minimizers: Vec<Configuration>,
}

impl Synthetic {
    fn new(family: &Family, name: &str, dimension: usize) -> Result<Self> {
        let bounds = (family.bounds)(dimension);
        let space = SearchSpace::new(
            bounds
                .iter()
                .enumerate()
                .map(|(i, &(low, high))| Parameter::float(format!("x{}", i + 1), low, high)),
        )?;
        let minimizers = (family.minimizers)(dimension)
            .into_iter()
            .map(|x| space.admit(x.into_iter().map(|x| Some(Value::Float(x))).collect()))
            .collect::<Result<_>>()?;
        let optimum = (family.optimum)(dimension);
        let worst = worst_of_sample(name, &space, |configuration| {
            coordinates(configuration).map(|x| (family.value)(&x))
        })?;
        let spec = Spec {
            name: name.to_owned(),
            description: family.summary.to_owned(),
            space,
            direction: Direction::Minimize,
            objective: "value".to_owned(),
            optimum: Some(optimum),
            range: Some(Range { best: optimum, worst }),
            grid: None,
            meta_features: Vec::new(),
        };
        Ok(Self { spec, value: family.value, minimizers })
    }

    /// Every configuration at which the minimum is attained.
    pub fn minimizers(&self) -> &[Configuration] {
        &self.minimizers
    }
}

impl std::fmt::Debug for Synthetic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Synthetic").field("spec", &self.spec).finish_non_exhaustive()
    }
}

impl Surface for Synthetic {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn evaluate(&self, configuration: &Configuration, _rng: &mut Generator) -> Result<f64> {
        check_space(&self.spec, configuration)?;
        Ok((self.value)(&coordinates(configuration)?))
    }
}

/// Refuses a configuration of another space, whose values would be read for what they are not.
fn check_space(spec: &Spec, configuration: &Configuration) -> Result<()> {
    if configuration.space() == &spec.space {
        Ok(())
    } else {
        Err(Error::Evaluation(format!(
            "`{}` needs a configuration of its own space, found {configuration}",
            spec.name
        )))
    }
}

fn coordinates(configuration: &Configuration) -> Result<Vec<f64>> {
    configuration
        .values()
        .iter()
        .map(|value| match value {
            Some(Value::Float(x)) => Ok(*x),
            other => {
                Err(Error::Evaluation(format!("a coordinate must be a float, found {other:?}")))
            }
        })
        .collect()
}

/// The number of Sobol points whose largest value is the worst of a surface.
const SAMPLE: u64 = 4096;

/// The largest value over the first [`SAMPLE`] points of the scrambled Sobol sequence of seed 0.
/// Each surface is sampled once a process, so that opening it again is cheap.
fn worst_of_sample(
    name: &str,
    space: &SearchSpace,
    value: impl Fn(&Configuration) -> Result<f64>,
) -> Result<f64> {
    static KNOWN: Mutex<BTreeMap<String, f64>> = Mutex::new(BTreeMap::new());
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(worst) = known().get(name) {
        return Ok(*worst);
    }
    let mut worst = f64::NEG_INFINITY;
    for index in 0..SAMPLE {
        let point = sobol_point(Streams::new(0), index, space.len());
        worst = worst.max(value(&space.from_unit(&point))?);
    }
    known().insert(name.to_owned(), worst);
    Ok(worst)
}

/// The built-in test functions, each in its usual dimension.
pub(super) fn names() -> Vec<String> {
    let mut names: Vec<String> = FAMILIES.iter().map(|family| family.listed()).collect();
    names.push(mixed::NAME.to_owned());
    names
}

/// Opens a test function by name; `None` where no function has it.
///
/// # Errors
///
/// [`Error::Setting`] for a dimension that the function does not have.
pub(super) fn open(name: &str) -> Option<Result<Arc<dyn Surface>>> {
    if name == mixed::NAME {
        return Some(MixedConditional::new().map(|surface| Arc::new(surface) as Arc<dyn Surface>));
    }
    FAMILIES.iter().find_map(|family| {
        let dimension = family.dimension(name)?;
        Some(dimension.and_then(|dimension| {
            Ok(Arc::new(Synthetic::new(family, name, dimension)?) as Arc<dyn Surface>)
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every family in several of its dimensions.
    fn cases() -> Vec<Synthetic> {
        FAMILIES
            .iter()
            .flat_map(|family| {
                let dimensions = match family.dimension {
                    Dimension::Fixed(dimension) => vec![dimension],
                    Dimension::Any { least, listed } => vec![least, 2, listed, 17],
                    Dimension::Published { known, .. } => known.to_vec(),
                };
                dimensions
                    .into_iter()
                    .map(|d| Synthetic::new(family, &format!("{}/{d}", family.name), d).unwrap())
            })
            .collect()
    }

    fn value(surface: &Synthetic, configuration: &Configuration) -> f64 {
        surface.evaluate(configuration, &mut Streams::new(0).at("noise", 0)).unwrap()
    }

    #[test]
    fn every_minimizer_attains_the_optimum() {
        for surface in cases() {
            let (name, optimum) = (&surface.spec.name, surface.spec.optimum.unwrap());
            assert!(!surface.minimizers().is_empty(), "{name}");
            for at in surface.minimizers() {
                let found = value(&surface, at);
                assert!((found - optimum).abs() < 1e-11, "{name} at {at}: {found}, not {optimum}");
            }
        }
    }

    #[test]
    fn no_point_of_a_sample_lies_below_the_optimum_or_above_the_worst() {
        for surface in cases() {
            let range = surface.spec.range.unwrap();
            assert_eq!(range.best, surface.spec.optimum.unwrap());
            let mut worst = f64::NEG_INFINITY;
            for index in 0..SAMPLE {
                let unit = sobol_point(Streams::new(0), index, surface.spec.space.len());
                let found = value(&surface, &surface.spec.space.from_unit(&unit));
                assert!(found >= range.best, "{}: {found} is below the optimum", surface.spec.name);
                worst = worst.max(found);
            }
            assert_eq!(worst, range.worst, "{}", surface.spec.name);
            assert!(range.worst > range.best);
        }
    }

    /// No step of a shrinking pattern search from a minimizer finds less: the minimizers are minima
    /// and the optimum is the value there to full precision.
    #[test]
    fn local_refinement_around_a_minimizer_finds_nothing_better() {
        for surface in cases() {
            let optimum = surface.spec.optimum.unwrap();
            for at in surface.minimizers() {
                let mut x = coordinates(at).unwrap();
                let bounds = surface.spec.space.parameters();
                let mut step = 0.01;
                while step > 1e-9 {
                    let before = (surface.value)(&x);
                    for i in 0..x.len() {
                        for sign in [-1.0, 1.0] {
                            let mut moved = x.clone();
                            moved[i] += sign * step;
                            let inside =
                                bounds[i].domain.admit("x", Value::Float(moved[i])).is_ok();
                            if inside && (surface.value)(&moved) < (surface.value)(&x) {
                                x = moved;
                            }
                        }
                    }
                    if (surface.value)(&x) >= before {
                        step /= 2.0;
                    }
                }
                let found = (surface.value)(&x);
                assert!((found - optimum).abs() < 1e-11, "{}: {found}", surface.spec.name);
            }
        }
    }

    #[test]
    fn the_minima_are_the_published_ones() {
        // To the digits in which the literature gives them.
        for (name, published, digits) in [
            ("branin", 0.397887, 6),
            ("six-hump-camel", -1.0316, 4),
            ("hartmann-3", -3.86278, 5),
            ("hartmann-6", -3.32237, 5),
            ("ackley-5", 0.0, 9),
            ("rosenbrock-4", 0.0, 9),
            ("rastrigin-5", 0.0, 9),
            ("levy-4", 0.0, 9),
            ("griewank-5", 0.0, 9),
            // Often printed as -39.16599 a coordinate, which the polynomial's own root contradicts.
            ("styblinski-tang-4", -39.16617 * 4.0, 4),
            ("michalewicz-2", -1.8013, 4),
            ("michalewicz-5", -4.687658, 6),
            ("michalewicz-10", -9.66015, 5),
        ] {
            let surface = open(name).unwrap().unwrap();
            let optimum = surface.spec().optimum.unwrap();
            let tolerance = 0.5 * 10f64.powi(-digits) + 1e-12;
            assert!((optimum - published).abs() <= tolerance, "{name}: {optimum}, not {published}");
        }
    }

    #[test]
    fn dimensions_are_read_from_the_name_and_checked() {
        assert_eq!(open("ackley-7").unwrap().unwrap().spec().space.len(), 7);
        let message = |name: &str| open(name).unwrap().err().unwrap().to_string();
        assert_eq!(
            message("ackley-0"),
            "ackley: `dimension` must be an integer from 1 to 256, found `0`"
        );
        assert!(message("rosenbrock-1").contains("from 2 to 256"));
        assert!(message("levy-x").contains("found `x`"));
        assert!(message("levy-04").contains("found `04`"));
        assert!(message("michalewicz-3").contains("one of 2, 5, 10"));
        assert!(open("ackley").is_none());
        assert!(open("branin-2").is_none());
        assert!(open("hartmann-4").is_none());
    }

    #[test]
    fn a_configuration_of_another_space_is_refused() {
        let branin = open("branin").unwrap().unwrap();
        let other = SearchSpace::new([Parameter::float("x1", 0.0, 1.0)]).unwrap();
        let error = branin
            .evaluate(&other.from_unit(&[0.5]), &mut Streams::new(0).at("noise", 0))
            .unwrap_err();
        assert!(matches!(error, Error::Evaluation(_)), "{error}");
    }
}
