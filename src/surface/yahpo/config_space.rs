//! `config_space.json`: a search space as the Python package ConfigSpace writes it (format 0.2 to 0.4).
//!
//! | there | here |
//! |---|---|
//! | `uniform_float`, `uniform_int` with `lower`, `upper`, `log` and the quantum `q` | a float or an integer; `q` is the step |
//! | `categorical` with `choices` | a categorical |
//! | `ordinal` with a `sequence` | a categorical, whose order is lost |
//! | `constant`, `unparametrized` with a `value` | a categorical of one choice |
//! | conditions `EQ`, `NEQ`, `IN` on a categorical, and `AND` of them | a condition |
//!
//! The weights of choices say how often ConfigSpace draws them, and are not read. Other conditions,
//! other distributions and forbidden combinations are refused.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use super::json;
use super::problem::Problem;
use crate::error::{Error, Result};
use crate::space::{Choice, Domain, Parameter, SearchSpace, Value};

#[derive(Deserialize)]
struct RawSpace {
    hyperparameters: Vec<RawHyperparameter>,
    #[serde(default)]
    conditions: Vec<RawCondition>,
    #[serde(default)]
    forbiddens: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct RawHyperparameter {
    name: String,
    r#type: String,
    lower: Option<f64>,
    upper: Option<f64>,
    log: Option<bool>,
    q: Option<f64>,
    choices: Option<Vec<Choice>>,
    sequence: Option<Vec<Choice>>,
    value: Option<Choice>,
}

#[derive(Deserialize)]
struct RawCondition {
    child: String,
    r#type: String,
    parent: Option<String>,
    value: Option<Choice>,
    values: Option<Vec<Choice>>,
    conditions: Option<Vec<RawCondition>>,
}

/// Reads the space with all its parameters, fidelities and the instance among them.
pub(super) fn read(path: &Path) -> Result<SearchSpace> {
    let raw: RawSpace = json::read(path, "a ConfigSpace")?;
    if !raw.forbiddens.is_empty() {
        let found = raw.forbiddens.len();
        let problem = Problem::new("`forbiddens`", "nothing may be forbidden", found);
        return Err(Problem::of(path)(problem));
    }
    let parameters = parameters(raw.hyperparameters, raw.conditions).map_err(Problem::of(path))?;
    SearchSpace::new(parameters).map_err(|error| match error {
        Error::Space { parameter, rule, found } => {
            Problem::of(path)(Problem::new(format!("hyperparameter `{parameter}`"), rule, found))
        }
        other => other,
    })
}

fn parameters(
    raw: Vec<RawHyperparameter>,
    conditions: Vec<RawCondition>,
) -> Result<Vec<Parameter>, Problem> {
    let mut parameters = Vec::with_capacity(raw.len());
    let mut positions = HashMap::new();
    for (position, raw) in raw.into_iter().enumerate() {
        positions.insert(raw.name.clone(), position);
        parameters.push(Parameter::new(raw.name.clone(), domain(raw)?));
    }
    for condition in conditions {
        apply(condition, &mut parameters, &positions)?;
    }
    Ok(parameters)
}

fn domain(raw: RawHyperparameter) -> Result<Domain, Problem> {
    let place = format!("hyperparameter `{}`", raw.name);
    let missing = |field: &str| Problem::new(&*place, format!("`{field}` is needed"), "none");
    let bound = |field: &str, number: Option<f64>| number.ok_or_else(|| missing(field));
    let whole = |field: &str, number: f64| {
        if number.fract() == 0.0 && number.abs() < 2f64.powi(52) {
            Ok(number as i64)
        } else {
            Err(Problem::new(&*place, format!("`{field}` of an integer must be one"), number))
        }
    };
    let log = raw.log.unwrap_or(false);
    match raw.r#type.as_str() {
        "uniform_float" => Ok(Domain::Float {
            low: bound("lower", raw.lower)?,
            high: bound("upper", raw.upper)?,
            log,
            step: raw.q,
        }),
        "uniform_int" => Ok(Domain::Int {
            low: whole("lower", bound("lower", raw.lower)?)?,
            high: whole("upper", bound("upper", raw.upper)?)?,
            log,
            step: whole("q", raw.q.unwrap_or(1.0))?,
        }),
        "categorical" => {
            Ok(Domain::Categorical { choices: raw.choices.ok_or_else(|| missing("choices"))? })
        }
        "ordinal" => {
            Ok(Domain::Categorical { choices: raw.sequence.ok_or_else(|| missing("sequence"))? })
        }
        "constant" | "unparametrized" => {
            Ok(Domain::Categorical { choices: vec![raw.value.ok_or_else(|| missing("value"))?] })
        }
        other => Err(Problem::new(
            place,
            "`type` must be uniform_float, uniform_int, categorical, ordinal, constant or \
             unparametrized",
            format!("`{other}`"),
        )),
    }
}

/// Adds a condition to its child. All conditions of a child must hold.
fn apply(
    raw: RawCondition,
    parameters: &mut [Parameter],
    positions: &HashMap<String, usize>,
) -> Result<(), Problem> {
    let place = format!("the condition of `{}`", raw.child);
    let missing = |field: &str| Problem::new(&*place, format!("`{field}` is needed"), "none");
    let position = |name: &str| {
        positions.get(name).copied().ok_or_else(|| {
            Problem::new(&*place, "must be of hyperparameters of the space", format!("`{name}`"))
        })
    };
    if raw.r#type == "AND" {
        let parts = raw.conditions.ok_or_else(|| missing("conditions"))?;
        if let Some(other) = parts.iter().find(|part| part.child != raw.child) {
            let found = format!("`{}`", other.child);
            return Err(Problem::new(place, "its parts must be of the same child", found));
        }
        return parts.into_iter().try_for_each(|part| apply(part, parameters, positions));
    }
    let parent_name = raw.parent.ok_or_else(|| missing("parent"))?;
    let (parent, child) = (position(&parent_name)?, position(&raw.child)?);
    let Domain::Categorical { choices } = &parameters[parent].domain else {
        let rule = "the parent must be categorical";
        return Err(Problem::new(place, rule, format!("`{parent_name}`, a number")));
    };
    let known = |given: Vec<Choice>| match given.iter().find(|choice| !choices.contains(choice)) {
        None => Ok(given),
        Some(other) => {
            let rule = format!("a value must be a choice of `{parent_name}`");
            Err(Problem::new(&*place, rule, format!("`{other}`")))
        }
    };
    let one = || known(vec![raw.value.clone().ok_or_else(|| missing("value"))?]);
    let without = |others: &[Choice]| -> Vec<Choice> {
        choices.iter().filter(|choice| !others.contains(choice)).cloned().collect()
    };
    let mut allowed = match raw.r#type.as_str() {
        "EQ" => one()?,
        "NEQ" => without(&one()?),
        "IN" => known(raw.values.clone().ok_or_else(|| missing("values"))?)?,
        other => {
            let rule = "`type` must be EQ, NEQ, IN or AND";
            return Err(Problem::new(place, rule, format!("`{other}`")));
        }
    };
    // Two conditions on one parent are one, on the choices that both allow.
    let conditions = &mut parameters[child].condition;
    match conditions.iter_mut().find(|(name, _)| *name == parent_name) {
        Some((_, before)) => {
            allowed.retain(|choice| before.contains(choice));
            *before = allowed;
        }
        None => conditions.push((parent_name, allowed)),
    }
    Ok(())
}

/// What is left to search when some parameters are fixed.
#[derive(Debug)]
pub(super) struct Remaining {
    pub(super) space: SearchSpace,
    /// The values of the parameters that are not in the space, `None` where they are never active.
    pub(super) fixed: HashMap<String, Option<Choice>>,
}

/// Fixes parameters of a space. A categorical of a single choice that is always active counts as fixed,
/// and a parameter whose condition no longer depends on anything is always or never active.
pub(super) fn fix(space: &SearchSpace, given: &[(&str, Value)]) -> Result<Remaining, Problem> {
    let mut fixed: HashMap<String, Option<Choice>> = HashMap::new();
    let mut remaining = Vec::new();
    // Parents come before their children, so one pass sees what becomes of them.
    for &position in space.order() {
        let mut parameter = space.parameters()[position].clone();
        let mut is_active = true;
        parameter.condition.retain(|(parent, choices)| match fixed.get(parent) {
            None => true,
            Some(value) => {
                is_active &= value.as_ref().is_some_and(|value| choices.contains(value));
                false
            }
        });
        let given = given.iter().find(|(name, _)| *name == parameter.name);
        let value = match (&parameter.domain, given) {
            (_, None) => match &parameter.domain {
                Domain::Categorical { choices } if choices.len() == 1 => Some(choices[0].clone()),
                _ => None,
            },
            (Domain::Categorical { choices }, Some((_, Value::Category(choice)))) => {
                choices.get(*choice).cloned()
            }
            (_, Some((_, Value::Int(value)))) => Some(Choice::Int(*value)),
            (_, Some((_, Value::Float(value)))) => Some(Choice::Float(*value)),
            (_, Some((_, Value::Category(_)))) => None,
        };
        if !is_active {
            fixed.insert(parameter.name, None);
        } else if let Some(value) = value.filter(|_| parameter.condition.is_empty()) {
            fixed.insert(parameter.name, Some(value));
        } else if given.is_some() {
            let rule = "must not depend on a parameter that is searched";
            let place = format!("hyperparameter `{}`", parameter.name);
            return Err(Problem::new(place, rule, format!("`{}`", parameter.condition[0].0)));
        } else {
            remaining.push((position, parameter));
        }
    }
    remaining.sort_by_key(|(position, _)| *position);
    let space = SearchSpace::new(remaining.into_iter().map(|(_, parameter)| parameter))
        .map_err(|error| Problem::new("hyperparameters", "some must be left to search", error))?;
    Ok(Remaining { space, fixed })
}
