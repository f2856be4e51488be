//! The built-in surfaces by name.

use std::sync::Arc;

use super::{Range, Spec, Surface};
use crate::error::{Error, Result};
use crate::space::{Configuration, Parameter, SearchSpace};
use crate::streams::Generator;
use crate::trial::Direction;

/// The names of the built-in surfaces.
pub fn builtin_names() -> Vec<String> {
    vec!["branin".to_owned()]
}

/// The surfaces of a name: a built-in one, a directory of tables, or one table as `DIR#TASK`.
///
/// # Errors
///
/// [`Error::Unknown`] where nothing has that name.
pub fn open(name: &str) -> Result<Vec<Arc<dyn Surface>>> {
    let names = builtin_names();
    if names.iter().any(|known| known == name) {
        return Ok(vec![Arc::new(Branin::new()?)]);
    }
    Err(Error::unknown(
        "surface",
        name,
        names.iter().map(String::as_str),
        "`hyperq surfaces` lists the built-in ones",
    ))
}

struct Branin(Spec);

impl Branin {
    fn new() -> Result<Self> {
        Ok(Self(Spec {
            name: "branin".to_owned(),
            description: "the Branin function".to_owned(),
            space: SearchSpace::new([
                Parameter::float("x1", -5.0, 10.0),
                Parameter::float("x2", 0.0, 15.0),
            ])?,
            direction: Direction::Minimize,
            objective: "value".to_owned(),
            optimum: Some(0.397_887_357_729_738_16),
            range: Some(Range { best: 0.397_887_357_729_738_16, worst: 308.13 }),
            grid: None,
            meta_features: Vec::new(),
        }))
    }
}

impl Surface for Branin {
    fn spec(&self) -> &Spec {
        &self.0
    }

    fn evaluate(&self, configuration: &Configuration, _rng: &mut Generator) -> Result<f64> {
        use std::f64::consts::PI;
        let (x, y) = (configuration.float("x1")?, configuration.float("x2")?);
        let a = y - 5.1 / (4.0 * PI * PI) * x * x + 5.0 / PI * x - 6.0;
        Ok(a * a + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x.cos() + 10.0)
    }
}
