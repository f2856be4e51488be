//! Surfaces by name.

use std::path::Path;
use std::sync::Arc;

use super::measured::{self, Measure, Measured};
use super::{Noise, OffGrid, Shift, Surface, Table, synthetic, yahpo};
use crate::error::{Error, Result};

/// Measured surfaces that stand for the others where all would take too long: two a learner, of two and of many classes,
/// easy and hard.
const REPRESENTATIVE: [&str; 8] = [
    "svm/sonar",
    "svm/vowel",
    "random-forest/german",
    "random-forest/vehicle",
    "gradient-boosting/pima",
    "gradient-boosting/segment",
    "mlp/ionosphere",
    "mlp/optdigits",
];

/// What any surface may be decorated with.
const DECORATORS: [&str; 2] = ["noise", "shift"];

/// How names of surrogates of YAHPO Gym begin.
const YAHPO: &str = "yahpo:";

/// The built-in surfaces, each function in its usual dimension.
///
/// A new kind of built-in surface is a line here and a line in `builtin`.
pub fn builtin_names() -> Vec<String> {
    let mut names = functions_and_live();
    names.extend(measured::names().unwrap_or_default());
    names
}

/// The built-in surfaces that a comparison takes by default: all functions and live surfaces, and two measured ones a
/// learner.
pub fn representative_names() -> Vec<String> {
    let mut names = functions_and_live();
    names.extend(REPRESENTATIVE.map(str::to_owned));
    names
}

fn functions_and_live() -> Vec<String> {
    let names = synthetic::names();
    #[cfg(feature = "live")]
    let names =
        names.into_iter().chain(super::live::names().into_iter().map(String::from)).collect();
    names
}

/// Opens a built-in surface that is not measured; `None` where no kind of surface knows the name.
fn builtin(name: &str) -> Option<Result<Arc<dyn Surface>>> {
    let surface = synthetic::open(name);
    #[cfg(feature = "live")]
    let surface = surface.or_else(|| super::live::open(name));
    surface
}

/// Opens what a name stands for:
///
/// - a built-in surface: `branin`, a function in a dimension of your choice, `ackley-12`, or a
///   [measured](super::measured) one, `svm/iris`;
/// - `builtin:LEARNER`: all measured surfaces of a learner;
/// - `DIR`: every task of a directory of tables (see [`Table`]), sorted by name;
/// - `DIR#TASK`: one of them;
/// - a table with options: `+off-grid=nearest` or `surrogate` (see [`OffGrid`]), and for measured ones
///   `+objective=log_loss` (see [`Measure`]) and `+fraction=0.25` of the training;
/// - `yahpo:DIR/SCENARIO` or `yahpo:DIR/SCENARIO#INSTANCE`, perhaps with options: surrogates of
///   YAHPO Gym (see [`yahpo`]);
/// - any of these with decorators, applied from left to right: `branin+shift=3+noise=0.1` is Branin's
///   function [shifted](Shift) with seed 3, then with [noise](Noise) of standard deviation 0.1.
///
/// A directory that has the name of a built-in surface is opened as `./branin`.
///
/// ```
/// let surface = &hyperq::surface::open("rosenbrock-4")?[0];
/// assert_eq!(surface.spec().space.len(), 4);
/// assert!(hyperq::surface::open("rosenbrok-4").err().unwrap().to_string().contains("did you mean"));
/// # Ok::<(), hyperq::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Unknown`] with the nearest name for an unknown surface, task, option or decorator;
/// [`Error::Setting`] for a dimension or a decorator's number that is out of range, or an option that the surface does not
/// have; what reading a table reports.
pub fn open(name: &str) -> Result<Vec<Arc<dyn Surface>>> {
    if let Some(scenario) = name.strip_prefix(YAHPO) {
        // A scenario has options of its own, which decorators stand behind.
        return match name.rsplit_once('+').and_then(|(i, d)| Some((i, d.split_once('=')?))) {
            Some((inner, (kind, number))) if DECORATORS.contains(&kind) => {
                open(inner)?.into_iter().map(|s| decorate(s, kind, number)).collect()
            }
            _ => yahpo::open(scenario),
        };
    }
    open_with(name, Options::default())
}

/// Opens tables: `builtin:LEARNER`, `DIR`, `DIR#TASK` or a measured surface, with options.
pub(crate) fn open_tables(name: &str) -> Result<Vec<Table>> {
    let mut options = Options::default();
    let mut base = name;
    while let Some((inner, kind, value)) = option(base).filter(|_| !Path::new(base).is_dir()) {
        options.set(name, kind, value)?;
        base = inner;
    }
    match tables(base, &options)? {
        Some(tables) => Ok(tables),
        None => Err(unknown(base)),
    }
}

/// How a table is to be opened.
#[derive(Debug, Clone, Default)]
struct Options {
    off_grid: Option<OffGrid>,
    measure: Option<Measure>,
    fraction: Option<f64>,
}

/// The options of tables, beside the decorators.
const OPTIONS: [&str; 3] = ["off-grid", "objective", "fraction"];

impl Options {
    fn set(&mut self, name: &str, kind: &str, value: &str) -> Result<()> {
        let refuse = |rule: &str| Error::setting(name, kind, rule, format!("`{value}`"));
        let twice = match kind {
            "off-grid" => {
                let known = [OffGrid::Nearest, OffGrid::Surrogate];
                let found = known.into_iter().find(|known| known.name() == value);
                let off_grid = found.ok_or_else(|| refuse("nearest or surrogate"))?;
                self.off_grid.replace(off_grid).is_some()
            }
            "objective" => self.measure.replace(Measure::named(value)?).is_some(),
            _ => {
                let fraction = value.parse().map_err(|_| refuse("a number"))?;
                self.fraction.replace(fraction).is_some()
            }
        };
        if twice { Err(refuse("given once")) } else { Ok(()) }
    }

    /// The first option that is set, for what has none.
    fn first(&self) -> Option<&'static str> {
        let set = [self.off_grid.is_some(), self.measure.is_some(), self.fraction.is_some()];
        OPTIONS.into_iter().zip(set).find_map(|(name, set)| set.then_some(name))
    }
}

/// The last option of a name and what it is of.
fn option(name: &str) -> Option<(&str, &str, &str)> {
    let (inner, decorator) = name.rsplit_once('+')?;
    let (kind, value) = decorator.split_once('=')?;
    OPTIONS.contains(&kind).then_some((inner, kind, value))
}

/// `options` stand to the right of the name.
fn open_with(name: &str, mut options: Options) -> Result<Vec<Arc<dyn Surface>>> {
    // A directory may have a plus in its name.
    let directory = Path::new(name).is_dir() && builtin(name).is_none();
    if !directory {
        if let Some((inner, kind, value)) = option(name) {
            options.set(inner, kind, value)?;
            return open_with(inner, options);
        }
        if let Some((inner, decorator)) = name.rsplit_once('+')
            && let Some((kind, number)) = decorator.split_once('=')
        {
            if let Some(option) = options.first() {
                let rule = "before decorators";
                return Err(Error::setting(name, option, rule, format!("after `+{kind}`")));
            }
            return open(inner)?.into_iter().map(|s| decorate(s, kind, number)).collect();
        }
        if let Some(surface) = builtin(name) {
            return match options.first() {
                Some(option) => {
                    Err(Error::setting(name, option, "that of a table", "a surface without one"))
                }
                None => Ok(vec![surface?]),
            };
        }
    }
    match tables(name, &options)? {
        Some(tables) => {
            Ok(tables.into_iter().map(|table| Arc::new(table) as Arc<dyn Surface>).collect())
        }
        None => Err(unknown(name)),
    }
}

/// `None` where the name is not that of tables.
fn tables(name: &str, options: &Options) -> Result<Option<Vec<Table>>> {
    let measured = match name.strip_prefix("builtin:") {
        Some(learner) => Some(Measured::all(learner)?),
        None => Measured::find(name)?.map(|task| vec![task]),
    };
    if let Some(tasks) = measured {
        let measure = options.measure.unwrap_or_default();
        let fraction = options.fraction.unwrap_or(1.0);
        let off_grid = options.off_grid.unwrap_or(OffGrid::Surrogate);
        return tasks
            .iter()
            .map(|task| task.table(measure, fraction, off_grid))
            .collect::<Result<_>>()
            .map(Some);
    }
    let tables = match name.rsplit_once('#') {
        _ if Path::new(name).is_dir() => Table::read_all(name)?,
        Some((directory, task)) => vec![Table::read(directory, task)?],
        None => return Ok(None),
    };
    for (set, option) in [(options.measure.is_some(), 1), (options.fraction.is_some(), 2)] {
        if set {
            let rule = "that of a measured surface";
            return Err(Error::setting(name, OPTIONS[option], rule, "a directory's table"));
        }
    }
    Ok(Some(match options.off_grid {
        None => tables,
        Some(off_grid) => tables
            .into_iter()
            .map(|table| {
                table.with_off_grid(off_grid).renamed(&format!("+off-grid={}", off_grid.name()))
            })
            .collect(),
    }))
}

fn unknown(name: &str) -> Error {
    let known = builtin_names();
    Error::unknown(
        "surface",
        name,
        known.iter().map(String::as_str),
        "it is neither a built-in surface (`hyperq surfaces` lists them) nor a directory of tables",
    )
}

fn decorate(inner: Arc<dyn Surface>, kind: &str, number: &str) -> Result<Arc<dyn Surface>> {
    let refuse = |rule: &str| Error::setting(&inner.spec().name, kind, rule, format!("`{number}`"));
    match kind {
        "noise" => {
            let deviation = number.parse().map_err(|_| refuse("a standard deviation"))?;
            Ok(Arc::new(Noise::new(inner, deviation)?))
        }
        "shift" => {
            let seed = number.parse().map_err(|_| refuse("a seed, an integer from 0"))?;
            Ok(Arc::new(Shift::new(inner, seed)?))
        }
        _ => Err(Error::unknown(
            "decorator",
            kind,
            DECORATORS.into_iter().chain(OPTIONS),
            "a surface takes `+noise=DEVIATION` and `+shift=SEED`, a table `+off-grid=nearest` or `surrogate`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_name_opens_the_surface_of_that_name() {
        let names = builtin_names();
        assert!(names.len() >= 12, "{names:?}");
        for name in names.iter().filter(|name| !name.contains('/') || name.starts_with("live")) {
            let surfaces = open(name).unwrap();
            assert_eq!(surfaces.len(), 1);
            assert_eq!(&surfaces[0].spec().name, name);
        }
        assert!(representative_names().iter().all(|name| names.contains(name)));
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
    }

    #[test]
    fn unknown_names_are_refused_with_the_nearest_one() {
        let message = |name: &str| open(name).err().unwrap().to_string();
        assert!(
            message("brannin").starts_with("unknown surface `brannin`; did you mean `branin`?")
        );
        assert!(message("ackley").contains("did you mean `ackley-5`?"));
        assert!(message("branin+noize=0.1").contains("unknown decorator `noize`; did you mean"));
        assert!(message("branin+shift=-1").contains("branin: `shift` must be a seed"));
        assert!(message("branin+noise=").contains("branin: `noise` must be a standard deviation"));
        assert!(message("branin+noise").contains("unknown surface `branin+noise`"));
        assert!(message("no-such-directory#task").contains("no-such-directory"));
    }
}
