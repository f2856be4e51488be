//! A point of a search space: one value for each active parameter.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::{Choice, Domain, SearchSpace, Value};
use crate::error::{Error, Result};

/// One value for each active parameter of a space, none for an inactive one.
///
/// It prints and serializes as names and values: `{"kernel": "rbf", "C": 4.0, "gamma": 0.1}`.
#[derive(Clone)]
pub struct Configuration {
    space: SearchSpace,
    values: Box<[Option<Value>]>,
}

impl Configuration {
    pub(super) fn from_parts(space: SearchSpace, values: Vec<Option<Value>>) -> Self {
        Self { space, values: values.into() }
    }

    /// The space that it belongs to.
    pub fn space(&self) -> &SearchSpace {
        &self.space
    }

    /// The values in the order of the space's parameters, `None` where inactive.
    pub fn values(&self) -> &[Option<Value>] {
        &self.values
    }

    /// A parameter's value, `None` where it is inactive.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] where the space has no such parameter.
    pub fn get(&self, name: &str) -> Result<Option<Value>> {
        Ok(self.values[self.space.position(name)?])
    }

    /// The value of an active float or integer parameter.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] for an unknown name, [`Error::Configuration`] where the parameter is
    /// inactive or categorical.
    pub fn float(&self, name: &str) -> Result<f64> {
        match self.get(name)? {
            Some(Value::Float(value)) => Ok(value),
            Some(Value::Int(value)) => Ok(value as f64),
            other => Err(self.mismatch(name, "a number", other)),
        }
    }

    /// The value of an active integer parameter.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] for an unknown name, [`Error::Configuration`] where the parameter is
    /// inactive or no integer.
    pub fn int(&self, name: &str) -> Result<i64> {
        match self.get(name)? {
            Some(Value::Int(value)) => Ok(value),
            other => Err(self.mismatch(name, "an integer", other)),
        }
    }

    /// The choice of an active categorical parameter.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] for an unknown name, [`Error::Configuration`] where the parameter is
    /// inactive or no categorical.
    pub fn choice(&self, name: &str) -> Result<&Choice> {
        let position = self.space.position(name)?;
        match (self.values[position], &self.space.parameters()[position].domain) {
            (Some(Value::Category(index)), Domain::Categorical { choices }) => Ok(&choices[index]),
            (other, _) => Err(self.mismatch(name, "a choice", other)),
        }
    }

    /// The choice of an active categorical parameter whose choices are texts.
    ///
    /// # Errors
    ///
    /// As [`Configuration::choice`], and [`Error::Configuration`] where the choice is no text.
    pub fn text(&self, name: &str) -> Result<&str> {
        match self.choice(name)? {
            Choice::Text(text) => Ok(text),
            other => Err(Error::configuration(name, "must be a text", other)),
        }
    }

    /// The active parameters with their values as they are printed.
    pub fn entries(&self) -> impl Iterator<Item = (&str, Choice)> {
        self.space.parameters().iter().zip(&self.values).filter_map(|(parameter, value)| {
            let value = match (value.as_ref()?, &parameter.domain) {
                (Value::Category(index), Domain::Categorical { choices }) => {
                    choices[*index].clone()
                }
                (Value::Int(value), _) => Choice::Int(*value),
                (Value::Float(value), _) => Choice::Float(*value),
                (Value::Category(index), _) => Choice::Int(*index as i64),
            };
            Some((parameter.name.as_str(), value))
        })
    }

    /// Reads a configuration from its serialized form.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] where `json` is no object, a value is not of its parameter's domain,
    /// an active parameter is missing or an inactive one is given; [`Error::Unknown`] for an unknown
    /// parameter.
    pub fn from_json(space: &SearchSpace, json: &serde_json::Value) -> Result<Self> {
        let object = json.as_object().ok_or_else(|| {
            Error::configuration("", "a configuration must be a JSON object", json)
        })?;
        let mut values = vec![None; space.len()];
        for (name, json) in object {
            let position = space.position(name)?;
            let value = space.parameters()[position].domain.read_json(name, json)?;
            values[position] = Some(value);
        }
        space.admit(values)
    }

    fn mismatch(&self, name: &str, wanted: &str, found: Option<Value>) -> Error {
        let found = found.map_or("an inactive parameter".to_owned(), |value| format!("{value:?}"));
        Error::configuration(name, format!("must be {wanted}"), found)
    }
}

impl PartialEq for Configuration {
    fn eq(&self, other: &Self) -> bool {
        self.values == other.values
    }
}
impl Eq for Configuration {}
impl std::hash::Hash for Configuration {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.values.hash(state);
    }
}

impl std::fmt::Display for Configuration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, (name, value)) in self.entries().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{name}={value}")?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Configuration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Configuration({self})")
    }
}

impl Serialize for Configuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.entries() {
            map.serialize_entry(name, &value)?;
        }
        map.end()
    }
}
