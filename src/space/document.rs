//! The JSON form of spaces: `space.json` and the parameters in it.

use std::path::Path;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::{Choice, Domain, Parameter, SearchSpace};
use crate::error::{Error, Result};
use crate::trial::Direction;

/// What is measured and whether less or more of it is better.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// The name, such as `accuracy`.
    pub name: String,
    /// Whether it is minimized or maximized.
    pub direction: Direction,
}

/// A `space.json`: a space with a name and an objective.
///
/// ```
/// let document: hyperq::space::SpaceDocument = serde_json::from_str(r#"{
///     "name": "ridge",
///     "objective": {"name": "error", "direction": "minimize"},
///     "parameters": [{"name": "alpha", "type": "float", "low": 1e-6, "high": 10.0, "log": true}]
/// }"#)?;
/// assert_eq!(document.parameters.len(), 1);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpaceDocument {
    /// The name of the task or of the family of tasks.
    pub name: String,
    /// A sentence on what it is and where it comes from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What is measured.
    pub objective: Objective,
    /// The search space.
    pub parameters: SearchSpace,
}

impl SpaceDocument {
    /// Reads a `space.json`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the file cannot be read; [`Error::File`] with the line where it is not
    /// such a document or its space is refused.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        serde_json::from_str(&text).map_err(|error| {
            Error::file(
                path,
                error.line() as u64,
                "a space document is needed",
                strip_place(&error.to_string()),
            )
        })
    }
}

/// serde_json appends the place, which the error names already.
fn strip_place(message: &str) -> &str {
    message.rsplit_once(" at line ").map_or(message, |(head, _)| head)
}

/// A parameter as it stands in JSON, before its fields are known to fit together.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawParameter {
    name: String,
    r#type: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    low: Option<serde_json::Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    high: Option<serde_json::Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step: Option<serde_json::Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    choices: Option<Vec<Choice>>,
    #[serde(default, with = "condition", skip_serializing_if = "Vec::is_empty")]
    condition: Vec<(String, Vec<Choice>)>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Float,
    Int,
    Categorical,
}

/// A condition is a JSON object, but not a map here: of a name that stands there twice a map would
/// keep the last without a word, where the space refuses it.
mod condition {
    use serde::de::{Deserializer, MapAccess, Visitor};
    use serde::ser::Serializer;

    use super::Choice;

    type Condition = Vec<(String, Vec<Choice>)>;

    pub(super) fn serialize<S: Serializer>(
        condition: &Condition,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(condition.iter().map(|(parent, choices)| (parent, choices)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Condition, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Condition;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of parents with lists of their choices")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Condition, A::Error> {
                let mut condition = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    condition.push(entry);
                }
                Ok(condition)
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

impl<'de> Deserialize<'de> for Parameter {
    /// The rules are checked while the object is being read: an error then has the line of this
    /// parameter, and not that of whatever follows it.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Parameter;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object that describes a parameter")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Parameter, A::Error> {
                RawParameter::deserialize(MapAccessDeserializer::new(map))?
                    .try_into()
                    .map_err(serde::de::Error::custom)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl TryFrom<RawParameter> for Parameter {
    type Error = Error;

    fn try_from(raw: RawParameter) -> Result<Self> {
        let name = raw.name.as_str();
        let misplaced = |field: &str, given: bool, kind: &str| {
            if given {
                Err(Error::space(
                    name,
                    format!("a {kind} parameter takes no `{field}`"),
                    format!("`{field}`"),
                ))
            } else {
                Ok(())
            }
        };
        let needed = |field: &str, number: &Option<serde_json::Number>| {
            number.clone().ok_or_else(|| Error::space(name, format!("`{field}` is needed"), "none"))
        };
        let float = |field: &str, number: serde_json::Number| {
            number.as_f64().ok_or_else(|| {
                Error::space(name, format!("`{field}` must be a 64-bit float"), number)
            })
        };
        let int = |field: &str, number: serde_json::Number| {
            number
                .as_i64()
                .or_else(|| {
                    number
                        .as_f64()
                        .filter(|x| x.fract() == 0.0 && x.abs() < 2f64.powi(52))
                        .map(|x| x as i64)
                })
                .ok_or_else(|| {
                    Error::space(name, format!("`{field}` of an int must be an integer"), number)
                })
        };
        let domain = match raw.r#type {
            Kind::Float => {
                misplaced("choices", raw.choices.is_some(), "float")?;
                Domain::Float {
                    low: float("low", needed("low", &raw.low)?)?,
                    high: float("high", needed("high", &raw.high)?)?,
                    log: raw.log.unwrap_or(false),
                    step: raw.step.map(|step| float("step", step)).transpose()?,
                }
            }
            Kind::Int => {
                misplaced("choices", raw.choices.is_some(), "int")?;
                Domain::Int {
                    low: int("low", needed("low", &raw.low)?)?,
                    high: int("high", needed("high", &raw.high)?)?,
                    log: raw.log.unwrap_or(false),
                    step: raw.step.map_or(Ok(1), |step| int("step", step))?,
                }
            }
            Kind::Categorical => {
                misplaced("low", raw.low.is_some(), "categorical")?;
                misplaced("high", raw.high.is_some(), "categorical")?;
                misplaced("step", raw.step.is_some(), "categorical")?;
                misplaced("log", raw.log.is_some(), "categorical")?;
                let choices = raw
                    .choices
                    .ok_or_else(|| Error::space(name, "`choices` are needed", "none"))?;
                Domain::Categorical { choices }
            }
        };
        domain.check(name)?;
        Ok(Self { name: raw.name, domain, condition: raw.condition })
    }
}

impl From<Parameter> for RawParameter {
    fn from(parameter: Parameter) -> Self {
        let mut raw = Self {
            name: parameter.name,
            r#type: Kind::Categorical,
            low: None,
            high: None,
            log: None,
            step: None,
            choices: None,
            condition: parameter.condition,
        };
        match parameter.domain {
            Domain::Float { low, high, log, step } => {
                raw.r#type = Kind::Float;
                raw.low = serde_json::Number::from_f64(low);
                raw.high = serde_json::Number::from_f64(high);
                raw.log = log.then_some(true);
                raw.step = step.and_then(serde_json::Number::from_f64);
            }
            Domain::Int { low, high, log, step } => {
                raw.r#type = Kind::Int;
                raw.low = Some(low.into());
                raw.high = Some(high.into());
                raw.log = log.then_some(true);
                raw.step = (step != 1).then(|| step.into());
            }
            Domain::Categorical { choices } => raw.choices = Some(choices),
        }
        raw
    }
}
