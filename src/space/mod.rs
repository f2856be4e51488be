//! Search spaces: what is tuned, and where each configuration lies in the unit cube.
//!
//! ```
//! use hyperq::space::{Parameter, SearchSpace};
//!
//! let space = SearchSpace::new([
//!     Parameter::categorical("kernel", ["rbf", "poly", "linear"]),
//!     Parameter::float("C", 0.03125, 64.0).log(),
//!     Parameter::float("gamma", 1e-4, 1e3).log().when("kernel", ["rbf"]),
//!     Parameter::int("degree", 2, 10).when("kernel", ["poly"]),
//! ])?;
//! let configuration = space.from_unit(&[0.9, 0.5, 0.5, 0.5]);
//! assert_eq!(configuration.text("kernel")?, "linear");
//! assert!(configuration.get("gamma")?.is_none());
//! # Ok::<(), hyperq::Error>(())
//! ```

mod configuration;
mod document;
mod domain;
mod grid;

pub use configuration::Configuration;
pub use document::{Objective, SpaceDocument};
pub use domain::{Choice, Domain, Value};
pub use grid::{Grid, GridSize};

pub(crate) use domain::list;

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// One hyperparameter: its name, its values and when it is active.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(into = "document::RawParameter")]
pub struct Parameter {
    /// The name, unique in its space.
    pub name: String,
    /// The values.
    pub domain: Domain,
    /// For each parent the choices for which this parameter is active; all must hold. Empty: always
    /// active. A [`SearchSpace`] holds them in the order of the parents' names.
    pub condition: Vec<(String, Vec<Choice>)>,
}

impl Parameter {
    /// Real numbers of `[low, high]`.
    pub fn float(name: impl Into<String>, low: f64, high: f64) -> Self {
        Self::new(name, Domain::Float { low, high, log: false, step: None })
    }

    /// Integers of `[low, high]`.
    pub fn int(name: impl Into<String>, low: i64, high: i64) -> Self {
        Self::new(name, Domain::Int { low, high, log: false, step: 1 })
    }

    /// Unordered choices.
    pub fn categorical<C: Into<Choice>>(
        name: impl Into<String>,
        choices: impl IntoIterator<Item = C>,
    ) -> Self {
        Self::new(
            name,
            Domain::Categorical { choices: choices.into_iter().map(Into::into).collect() },
        )
    }

    /// A parameter of any domain.
    pub fn new(name: impl Into<String>, domain: Domain) -> Self {
        Self { name: name.into(), domain, condition: Vec::new() }
    }

    /// Puts a numeric parameter on a log scale. A categorical is left as it is.
    #[must_use]
    pub fn log(mut self) -> Self {
        match &mut self.domain {
            Domain::Float { log, .. } | Domain::Int { log, .. } => *log = true,
            Domain::Categorical { .. } => {}
        }
        self
    }

    /// Restricts a numeric parameter to `low, low + step, ...`. For an integer parameter the step is
    /// rounded to the nearest integer, and a step below 1 is refused when the space is built.
    #[must_use]
    pub fn step(mut self, by: f64) -> Self {
        match &mut self.domain {
            Domain::Float { step, .. } => *step = Some(by),
            Domain::Int { step, .. } => *step = by.round() as i64,
            Domain::Categorical { .. } => {}
        }
        self
    }

    /// Makes the parameter active only where `parent` has one of `choices`. Called several times,
    /// all conditions must hold.
    #[must_use]
    pub fn when<C: Into<Choice>>(
        mut self,
        parent: impl Into<String>,
        choices: impl IntoIterator<Item = C>,
    ) -> Self {
        self.condition.push((parent.into(), choices.into_iter().map(Into::into).collect()));
        self
    }
}

/// A condition with names resolved: the parent's position and, for each of its choices, whether the
/// child is active.
#[derive(Debug, Clone)]
struct Resolved {
    parent: usize,
    active: Vec<bool>,
}

#[derive(Debug)]
struct Inner {
    parameters: Vec<Parameter>,
    conditions: Vec<Vec<Resolved>>,
    /// Parents before children.
    order: Vec<usize>,
    positions: HashMap<String, usize>,
    /// Where each parameter's features begin in [`SearchSpace::encode`], and their total.
    offsets: Vec<usize>,
    features: usize,
}

/// An ordered set of parameters with conditions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SearchSpace(Arc<Inner>);

impl PartialEq for SearchSpace {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.parameters == other.0.parameters
    }
}

impl Serialize for SearchSpace {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.parameters.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SearchSpace {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parameters = Vec::<Parameter>::deserialize(deserializer)?;
        Self::new(parameters).map_err(serde::de::Error::custom)
    }
}

impl SearchSpace {
    /// Builds a space.
    ///
    /// # Errors
    ///
    /// [`Error::Space`] where there is no parameter, a name is empty or given twice, `low >= high`, a
    /// bound is NaN or infinite, a log scale begins at or below 0 or has a step, a step is not
    /// positive, 64-bit floats could not tell a domain's values apart ([`Domain`] has the bounds), a
    /// categorical has no choices or the same one twice, a condition names an unknown or
    /// non-categorical parent, one parent twice, no choice or a choice that the parent lacks, or
    /// conditions form a cycle.
    pub fn new(parameters: impl IntoIterator<Item = Parameter>) -> Result<Self> {
        let mut parameters: Vec<Parameter> = parameters.into_iter().collect();
        // All conditions of a parameter must hold, so their order means nothing; in one order spaces
        // that mean the same are equal, and JSON gives back an equal space.
        for parameter in &mut parameters {
            parameter.condition.sort_by(|a, b| a.0.cmp(&b.0));
        }
        if parameters.is_empty() {
            return Err(Error::space("", "a search space needs at least one parameter", "none"));
        }
        let mut positions = HashMap::new();
        for (index, parameter) in parameters.iter().enumerate() {
            if parameter.name.is_empty() {
                return Err(Error::space(
                    "",
                    "a name must not be empty",
                    format!("parameter number {}", index + 1),
                ));
            }
            parameter.domain.check(&parameter.name)?;
            if positions.insert(parameter.name.clone(), index).is_some() {
                return Err(Error::space(
                    &parameter.name,
                    "names must be unique",
                    "the name twice",
                ));
            }
        }
        let conditions = parameters
            .iter()
            .map(|child| {
                child
                    .condition
                    .iter()
                    .map(|(parent, choices)| {
                        resolve(&parameters, &positions, child, parent, choices)
                    })
                    .collect::<Result<Vec<_>>>()
            })
            .collect::<Result<Vec<_>>>()?;
        let order = parents_first(&parameters, &conditions)?;
        let mut offsets = Vec::with_capacity(parameters.len());
        let mut features = 0;
        for parameter in &parameters {
            offsets.push(features);
            features += match &parameter.domain {
                Domain::Categorical { choices } => choices.len(),
                _ => 1,
            };
        }
        Ok(Self(Arc::new(Inner { parameters, conditions, order, positions, offsets, features })))
    }

    /// The parameters in the order in which they were declared.
    pub fn parameters(&self) -> &[Parameter] {
        &self.0.parameters
    }

    /// The number of parameters, which is the dimension of the unit cube.
    #[allow(clippy::len_without_is_empty)] // A space is never empty.
    pub fn len(&self) -> usize {
        self.0.parameters.len()
    }

    /// The position of a parameter.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] where the space has no such parameter.
    pub fn position(&self, name: &str) -> Result<usize> {
        self.0.positions.get(name).copied().ok_or_else(|| {
            Error::unknown(
                "parameter",
                name,
                self.0.parameters.iter().map(|parameter| parameter.name.as_str()),
                &format!(
                    "the space has {}",
                    self.0
                        .parameters
                        .iter()
                        .map(|p| format!("`{}`", p.name))
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            )
        })
    }

    /// The first parameter in which `other` differs from this space, in words.
    pub(crate) fn difference(&self, other: &Self) -> String {
        for parameter in self.parameters() {
            let name = &parameter.name;
            match other.parameters().iter().find(|other| other.name == *name) {
                None => return format!("a space without its parameter `{name}`"),
                Some(other) if other != parameter => {
                    let (here, there) = (&parameter.domain, &other.domain);
                    return if here == there {
                        format!("another domain or condition of `{name}`: the condition differs")
                    } else {
                        format!(
                            "another domain or condition of `{name}`: {there} instead of {here}"
                        )
                    };
                }
                Some(_) => {}
            }
        }
        let new = other.parameters().iter().find(|other| self.position(&other.name).is_err());
        match new {
            Some(other) => format!("a space with the further parameter `{}`", other.name),
            None => "the parameters in another order".to_owned(),
        }
    }

    /// The parameters' positions, parents before children.
    pub(crate) fn order(&self) -> &[usize] {
        &self.0.order
    }

    /// Whether a parameter is active, given values of its ancestors.
    pub(crate) fn is_active(&self, index: usize, values: &[Option<Value>]) -> bool {
        self.0.conditions[index].iter().all(|condition| match values[condition.parent] {
            Some(Value::Category(choice)) => condition.active[choice],
            _ => false,
        })
    }

    /// The number of configurations that the space's discrete parameters allow, `None` where it is
    /// infinite or larger than `limit`.
    pub fn cardinality(&self, limit: usize) -> Option<usize> {
        if self.0.parameters.iter().any(|parameter| parameter.domain.cardinality().is_none()) {
            return None;
        }
        grid::enumerate(self, usize::MAX, limit).map(|rows| rows.len())
    }

    /// The configuration at a point of the unit cube, one coordinate a parameter. Coordinates of
    /// inactive parameters are ignored.
    ///
    /// # Panics
    ///
    /// If `unit` has not one coordinate a parameter.
    pub fn from_unit(&self, unit: &[f64]) -> Configuration {
        assert_eq!(
            unit.len(),
            self.len(),
            "a point of the unit cube has one coordinate a parameter"
        );
        let mut values = vec![None; self.len()];
        for &index in self.order() {
            if self.is_active(index, &values) {
                values[index] = Some(self.0.parameters[index].domain.from_unit(unit[index]));
            }
        }
        Configuration::from_parts(self.clone(), values)
    }

    /// The point of the unit cube of a configuration; inactive parameters lie in the middle (0.5).
    /// `from_unit(to_unit(c)) == c` as [`Domain::to_unit`] says.
    pub fn to_unit(&self, configuration: &Configuration) -> Vec<f64> {
        configuration
            .values()
            .iter()
            .zip(self.parameters())
            .map(|(value, parameter)| value.map_or(0.5, |value| parameter.domain.to_unit(value)))
            .collect()
    }

    /// The number of features of [`SearchSpace::encode`].
    pub fn features(&self) -> usize {
        self.0.features
    }

    /// Where a parameter's features lie in [`SearchSpace::encode`].
    pub(crate) fn block(&self, index: usize) -> std::ops::Range<usize> {
        let end = self.0.offsets.get(index + 1).copied().unwrap_or(self.0.features);
        self.0.offsets[index]..end
    }

    /// The features that value functions see: a numeric parameter is `2 u - 1` in `[-1, 1]`, a
    /// categorical one-hot, an inactive parameter 0.
    ///
    /// # Panics
    ///
    /// If `into` does not have [`SearchSpace::features`] numbers.
    pub fn encode(&self, configuration: &Configuration, into: &mut [f32]) {
        assert_eq!(into.len(), self.features(), "one number a feature");
        into.fill(0.0);
        for ((value, parameter), &offset) in
            configuration.values().iter().zip(self.parameters()).zip(&self.0.offsets)
        {
            match value {
                None => {}
                Some(Value::Category(index)) => into[offset + index] = 1.0,
                Some(value) => into[offset] = (2.0 * parameter.domain.to_unit(*value) - 1.0) as f32,
            }
        }
    }

    /// A configuration drawn uniformly from the unit cube: each active parameter uniform on its own
    /// scale.
    pub fn sample(&self, rng: &mut crate::streams::Generator) -> Configuration {
        use rand::RngExt;
        let unit: Vec<f64> = (0..self.len()).map(|_| rng.random()).collect();
        self.from_unit(&unit)
    }

    /// Builds and checks a configuration from values by name.
    ///
    /// ```
    /// use hyperq::space::{Parameter, SearchSpace, Value};
    /// let space = SearchSpace::new([Parameter::float("x", 0.0, 1.0)])?;
    /// let configuration = space.configuration([("x", Value::Float(0.25))])?;
    /// assert!(space.configuration([("x", Value::Float(2.0))]).is_err());
    /// # Ok::<(), hyperq::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] where a value lies outside its domain, an active parameter is
    /// missing or an inactive one is given; [`Error::Unknown`] for an unknown parameter.
    pub fn configuration<'a>(
        &self,
        values: impl IntoIterator<Item = (&'a str, Value)>,
    ) -> Result<Configuration> {
        let mut given = vec![None; self.len()];
        for (name, value) in values {
            let index = self.position(name)?;
            if given[index].replace(value).is_some() {
                return Err(Error::configuration(name, "must be given once", "the name twice"));
            }
        }
        self.admit(given)
    }

    /// The configuration with the `fixed` values, each checked, and the others as `base` has them. A
    /// parameter that only the fixed values make active lies in the middle of its domain. A fixed
    /// value whose parameter is inactive is left out; it is refused where the fixed values themselves
    /// make it so.
    pub(crate) fn complete(
        &self,
        fixed: &serde_json::Map<String, serde_json::Value>,
        base: &Configuration,
    ) -> Result<Configuration> {
        let mut given = vec![None; self.len()];
        for (name, json) in fixed {
            let index = self.position(name)?;
            let domain = &self.0.parameters[index].domain;
            given[index] = Some(domain.admit(name, domain.read_json(name, json)?)?);
        }
        let mut values = vec![None; self.len()];
        for &index in self.order() {
            let parameter = &self.0.parameters[index];
            if self.is_active(index, &values) {
                values[index] = given[index]
                    .or(base.values()[index])
                    .or_else(|| Some(parameter.domain.from_unit(0.5)));
            } else if let Some(value) = given[index]
                && self.0.conditions[index].iter().any(|condition| match given[condition.parent] {
                    Some(Value::Category(choice)) => !condition.active[choice],
                    _ => false,
                })
            {
                return Err(Error::configuration(
                    &parameter.name,
                    "is inactive here and takes no value",
                    format!("{value:?}"),
                ));
            }
        }
        self.admit(values)
    }

    /// Checks values by position.
    pub(crate) fn admit(&self, mut values: Vec<Option<Value>>) -> Result<Configuration> {
        for &index in self.order() {
            let parameter = &self.0.parameters[index];
            values[index] = match (self.is_active(index, &values), values[index]) {
                (true, Some(value)) => Some(parameter.domain.admit(&parameter.name, value)?),
                (false, None) => None,
                (true, None) => {
                    return Err(Error::configuration(
                        &parameter.name,
                        "is active and needs a value",
                        "none",
                    ));
                }
                (false, Some(value)) => {
                    return Err(Error::configuration(
                        &parameter.name,
                        "is inactive here and takes no value",
                        format!("{value:?}"),
                    ));
                }
            };
        }
        Ok(Configuration::from_parts(self.clone(), values))
    }
}

fn resolve(
    parameters: &[Parameter],
    positions: &HashMap<String, usize>,
    child: &Parameter,
    parent: &str,
    choices: &[Choice],
) -> Result<Resolved> {
    let refuse = |rule: String, found: String| Err(Error::space(&child.name, rule, found));
    let Some(&position) = positions.get(parent) else {
        return refuse(
            "a condition must name a parameter of the space".into(),
            format!("`{parent}`"),
        );
    };
    if child.condition.iter().filter(|(name, _)| name == parent).count() > 1 {
        return refuse("a condition names each parent once".into(), format!("`{parent}` twice"));
    }
    let Domain::Categorical { choices: known } = &parameters[position].domain else {
        return refuse(
            "a condition's parent must be categorical".into(),
            format!("`{parent}`, which is a number"),
        );
    };
    if choices.is_empty() {
        return refuse(
            format!("a condition on `{parent}` needs at least one choice"),
            "none".into(),
        );
    }
    let mut active = vec![false; known.len()];
    for choice in choices {
        // By print, as choices are compared everywhere: a space file may say 1 where the list says 1.0.
        let Some(index) = known.iter().position(|other| other.to_string() == choice.to_string())
        else {
            return refuse(
                format!("a condition on `{parent}` must use its choices {}", list(known)),
                format!("`{choice}`"),
            );
        };
        active[index] = true;
    }
    Ok(Resolved { parent: position, active })
}

/// The positions with parents before children (Kahn 1962), keeping the declared order where it can.
fn parents_first(parameters: &[Parameter], conditions: &[Vec<Resolved>]) -> Result<Vec<usize>> {
    let mut order = Vec::with_capacity(parameters.len());
    let mut placed = vec![false; parameters.len()];
    while order.len() < parameters.len() {
        let before = order.len();
        for index in 0..parameters.len() {
            if !placed[index] && conditions[index].iter().all(|condition| placed[condition.parent])
            {
                placed[index] = true;
                order.push(index);
            }
        }
        if order.len() == before {
            return Err(cycle(parameters, conditions, &placed));
        }
    }
    Ok(order)
}

/// The refusal of conditions that leave parameters unplaced. Each of these has an unplaced parent, so
/// the way from parent to parent comes round.
fn cycle(parameters: &[Parameter], conditions: &[Vec<Resolved>], placed: &[bool]) -> Error {
    let unplaced_parent = |child: usize| {
        conditions[child].iter().map(|condition| condition.parent).find(|&parent| !placed[parent])
    };
    let mut path = Vec::new();
    let mut next = placed.iter().position(|placed| !placed);
    while let Some(index) = next.filter(|index| !path.contains(index)) {
        path.push(index);
        next = unplaced_parent(index);
    }
    let begin = path.iter().position(|&index| Some(index) == next).unwrap_or(0);
    let names: Vec<&str> = path[begin..]
        .iter()
        .chain([&path[begin]])
        .map(|&index| parameters[index].name.as_str())
        .collect();
    Error::space(names[0], "conditions must not form a cycle", names.join(" -> "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_conditions_means_nothing() {
        let space = |first: &str, second: &str| {
            SearchSpace::new([
                Parameter::categorical("a", [0, 1]),
                Parameter::categorical("b", [0, 1]),
                Parameter::float("x", 0.0, 1.0).when(first, [1]).when(second, [1]),
            ])
            .unwrap()
        };
        let unsorted = space("b", "a");
        assert_eq!(unsorted, space("a", "b"));
        let json = serde_json::to_string(&unsorted).unwrap();
        assert_eq!(serde_json::from_str::<SearchSpace>(&json).unwrap(), unsorted);
        for (a, b) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let unit = [a as f64, b as f64, 0.5];
            let active = unsorted.from_unit(&unit).get("x").unwrap().is_some();
            assert_eq!(active, a == 1 && b == 1);
        }
    }

    #[test]
    fn children_may_be_declared_before_their_parents() {
        let space = SearchSpace::new([
            Parameter::int("leaf", 1, 3).when("middle", ["on"]),
            Parameter::categorical("middle", ["off", "on"]).when("root", [true]),
            Parameter::categorical("root", [false, true]),
        ])
        .unwrap();
        assert_eq!(space.order(), [2, 1, 0]);
        assert_eq!(space.from_unit(&[0.9, 0.9, 0.9]).to_string(), "leaf=3, middle=on, root=true");
        assert_eq!(space.from_unit(&[0.9, 0.9, 0.1]).to_string(), "root=false");
        assert_eq!(space.cardinality(100), Some(1 + 1 + 3));
        assert_eq!(space.cardinality(4), None);
    }

    #[test]
    fn features_are_one_hot_or_centred_and_zero_where_inactive() {
        let space = SearchSpace::new([
            Parameter::categorical("kernel", ["rbf", "poly", "linear"]),
            Parameter::float("x", 0.0, 4.0).when("kernel", ["poly"]),
        ])
        .unwrap();
        let mut features = [9.0; 4];
        space.encode(&space.from_unit(&[0.5, 0.25]), &mut features);
        assert_eq!(features, [0.0, 1.0, 0.0, -0.5]);
        space.encode(&space.from_unit(&[0.0, 0.25]), &mut features);
        assert_eq!(features, [1.0, 0.0, 0.0, 0.0]);
    }
}
