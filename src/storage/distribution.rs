//! Domains as Optuna writes them: distributions, a JSON text inside of a record.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::python_json::{non_finite, quote_non_finite};
use crate::space::{Choice, Domain};

/// What stands before a non-finite number that was put into quotes, to tell it from a choice that is a
/// text: a control character, escaped.
const MARK: &str = "\\u0001";

/// The long form's frame.
#[derive(Deserialize)]
struct Distribution {
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    attributes: Option<Attributes>,
}

/// What either form says of a distribution.
#[derive(Deserialize)]
struct Attributes {
    low: Option<Json>,
    high: Option<Json>,
    step: Option<Json>,
    /// The step of distributions from before Optuna 3.
    q: Option<Json>,
    log: Option<bool>,
    choices: Option<Vec<Json>>,
}

/// The text of a domain in the long form, which every reader knows.
pub(super) fn to_text(domain: &Domain) -> String {
    match domain {
        Domain::Float { low, high, log, step } => json!({
            "name": "FloatDistribution",
            "attributes": {"step": step, "low": low, "high": high, "log": log},
        }),
        Domain::Int { low, high, log, step } => json!({
            "name": "IntDistribution",
            "attributes": {"log": log, "step": step, "low": low, "high": high},
        }),
        Domain::Categorical { choices } => json!({
            "name": "CategoricalDistribution",
            "attributes": {"choices": choices},
        }),
    }
    .to_string()
}

/// Reads a domain in the long form or the short one. Choices that are lists or objects become their
/// JSON text: a [`Choice`] is a scalar.
pub(super) fn parse(text: &str) -> Result<Domain, String> {
    let text = match quote_non_finite(text, MARK) {
        Some(quoted) => Cow::Owned(quoted),
        None => Cow::Borrowed(text),
    };
    let wrong = |e: serde_json::Error| format!("a distribution that is not one: {e}");
    let frame: Distribution = serde_json::from_str(&text).map_err(wrong)?;
    let (name, attributes) = match (frame.name, frame.kind) {
        (Some(name), _) => (name, frame.attributes.ok_or("a distribution without `attributes`")?),
        (None, Some(kind)) => (kind, serde_json::from_str(&text).map_err(wrong)?),
        (None, None) => return Err("a distribution without `name`".to_owned()),
    };
    let log = attributes.log.unwrap_or(false);
    let domain = match name.as_str() {
        "FloatDistribution" | "float" => attributes.float(log, attributes.step.as_ref())?,
        "UniformDistribution" => attributes.float(false, None)?,
        "LogUniformDistribution" => attributes.float(true, None)?,
        "DiscreteUniformDistribution" => attributes.float(false, attributes.q.as_ref())?,
        "IntDistribution" | "int" => attributes.int(log)?,
        "IntUniformDistribution" => attributes.int(false)?,
        "IntLogUniformDistribution" => attributes.int(true)?,
        "CategoricalDistribution" | "categorical" => attributes.categorical()?,
        other => return Err(format!("the unknown distribution `{other}`")),
    };
    check(&domain)?;
    Ok(domain)
}

impl Attributes {
    fn float(&self, log: bool, step: Option<&Json>) -> Result<Domain, String> {
        Ok(Domain::Float {
            low: float("low", self.low.as_ref())?,
            high: float("high", self.high.as_ref())?,
            log,
            step: match step {
                None | Some(Json::Null) => None,
                step => Some(float("step", step)?),
            },
        })
    }

    fn int(&self, log: bool) -> Result<Domain, String> {
        Ok(Domain::Int {
            low: int("low", self.low.as_ref())?,
            high: int("high", self.high.as_ref())?,
            log,
            step: match self.step.as_ref() {
                None | Some(Json::Null) => 1,
                step => int("step", step)?,
            },
        })
    }

    fn categorical(self) -> Result<Domain, String> {
        let choices = self.choices.ok_or("a categorical distribution without `choices`")?;
        let choices = choices
            .into_iter()
            .map(|choice| match choice {
                Json::Null => Choice::Null,
                Json::Bool(value) => Choice::Bool(value),
                Json::Number(number) => match (number.as_i64(), number.as_f64()) {
                    (Some(value), _) => Choice::Int(value),
                    (None, Some(value)) => Choice::Float(value),
                    (None, None) => Choice::Text(number.to_string()),
                },
                Json::String(text) => match marked(&text) {
                    Some(value) => Choice::Float(value),
                    None => Choice::Text(text),
                },
                nested => Choice::Text(nested.to_string()),
            })
            .collect();
        Ok(Domain::Categorical { choices })
    }
}

/// The non-finite number that a marked text stands for.
fn marked(text: &str) -> Option<f64> {
    text.strip_prefix('\u{1}').and_then(non_finite)
}

fn float(key: &str, json: Option<&Json>) -> Result<f64, String> {
    match json {
        Some(Json::Number(number)) => number.as_f64(),
        Some(Json::String(text)) => marked(text),
        _ => None,
    }
    .ok_or_else(|| format!("a distribution whose `{key}` is no number"))
}

/// An integer, or the whole part of a number, as Python's `int` gives it.
fn int(key: &str, json: Option<&Json>) -> Result<i64, String> {
    let wrong = || format!("a distribution whose `{key}` is no 64-bit integer");
    let Some(Json::Number(number)) = json else { return Err(wrong()) };
    match (number.as_i64(), number.as_f64()) {
        (Some(value), _) => Ok(value),
        // 2^63 itself is beyond the range; its negative is within.
        (None, Some(value)) if (-(2f64.powi(63))..2f64.powi(63)).contains(&value) => {
            Ok(value as i64)
        }
        _ => Err(wrong()),
    }
}

/// Refuses a domain that Optuna refuses, whose readers would fail at it.
pub(super) fn check(domain: &Domain) -> Result<(), String> {
    let broken = match domain {
        Domain::Float { low, high, .. } if low > high => "low <= high",
        Domain::Float { low, log: true, .. } if *low <= 0.0 => "low > 0 on a log scale",
        Domain::Float { log: true, step: Some(_), .. } => "no step on a log scale",
        Domain::Float { step: Some(step), .. } if *step <= 0.0 => "step > 0",
        Domain::Int { low, high, .. } if low > high => "low <= high",
        Domain::Int { low, log: true, .. } if *low < 1 => "low >= 1 on a log scale",
        Domain::Int { log: true, step, .. } if *step != 1 => "a step of 1 on a log scale",
        Domain::Int { step, .. } if *step < 1 => "step >= 1",
        Domain::Categorical { choices } if choices.is_empty() => "at least one choice",
        _ => return Ok(()),
    };
    Err(format!("a distribution that breaks `{broken}`: {domain:?}"))
}

/// Whether every number of a domain is finite, so that JSON can hold it.
pub(super) fn is_finite(domain: &Domain) -> bool {
    match domain {
        Domain::Float { low, high, step, .. } => {
            low.is_finite() && high.is_finite() && step.is_none_or(f64::is_finite)
        }
        Domain::Int { .. } => true,
        Domain::Categorical { choices } => choices
            .iter()
            .all(|choice| !matches!(choice, Choice::Float(value) if !value.is_finite())),
    }
}

/// Whether a number stands for a value of a domain's kind. It need not lie within the bounds: Optuna's
/// relative samplers and enqueued trials go beyond them.
pub(super) fn admits(domain: &Domain, internal: f64) -> bool {
    match domain {
        Domain::Float { .. } => true,
        Domain::Int { .. } => internal.is_finite(),
        Domain::Categorical { choices } => internal > -1.0 && internal < choices.len() as f64,
    }
}

/// Whether two domains of one parameter may stand in one study. Bounds and steps may differ.
pub(super) fn compatible(old: &Domain, new: &Domain) -> bool {
    match (old, new) {
        (Domain::Float { log: old, .. }, Domain::Float { log: new, .. })
        | (Domain::Int { log: old, .. }, Domain::Int { log: new, .. }) => old == new,
        (Domain::Categorical { choices: old }, Domain::Categorical { choices: new }) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| python_equal(old, new))
        }
        _ => false,
    }
}

/// Equality of choices as Optuna has it, which is Python's: `True == 1 == 1.0`; but NaN equals NaN.
fn python_equal(a: &Choice, b: &Choice) -> bool {
    let integer = |choice: &Choice| match choice {
        Choice::Bool(value) => Some(i64::from(*value)),
        Choice::Int(value) => Some(*value),
        _ => None,
    };
    match (a, b) {
        (Choice::Float(a), Choice::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
        (Choice::Float(float), other) | (other, Choice::Float(float)) => {
            // Not every integer has a float: they are equal where the float is that very integer.
            integer(other).is_some_and(|n| n as f64 == *float && *float as i128 == i128::from(n))
        }
        _ => match (integer(a), integer(b)) {
            (Some(a), Some(b)) => a == b,
            _ => a == b,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_go_into_the_long_form_and_back() {
        let domains = [
            Domain::Float { low: 1e-5, high: 0.1, log: true, step: None },
            Domain::Float { low: -1.0, high: 1.0, log: false, step: Some(0.25) },
            Domain::Float { low: 0.5, high: 0.5, log: false, step: None },
            Domain::Int { low: 1, high: 8, log: false, step: 1 },
            Domain::Int { low: i64::MIN, high: i64::MAX, log: false, step: 7 },
            Domain::Categorical {
                choices: vec![
                    "rbf".into(),
                    Choice::Null,
                    Choice::Int(3),
                    2.5.into(),
                    true.into(),
                    "NaN".into(),
                ],
            },
        ];
        for domain in domains {
            assert_eq!(parse(&to_text(&domain)).unwrap(), domain);
        }
    }

    #[test]
    fn the_short_form_and_the_names_before_optuna_3_are_read() {
        let float = |log, step| Domain::Float { low: 1.0, high: 2.0, log, step };
        let int = |log, step| Domain::Int { low: 1, high: 9, log, step };
        for (text, domain) in [
            (r#"{"type":"float","low":1,"high":2}"#, float(false, None)),
            (r#"{"type":"float","low":1.0,"high":2.0,"log":true}"#, float(true, None)),
            (r#"{"type":"int","low":1,"high":9}"#, int(false, 1)),
            (r#"{"type":"int","low":1,"high":9.0,"step":2}"#, int(false, 2)),
            (
                r#"{"type":"categorical","choices":["a"]}"#,
                Domain::Categorical { choices: vec!["a".into()] },
            ),
            (
                r#"{"name":"UniformDistribution","attributes":{"low":1,"high":2}}"#,
                float(false, None),
            ),
            (
                r#"{"name":"LogUniformDistribution","attributes":{"low":1,"high":2}}"#,
                float(true, None),
            ),
            (
                r#"{"name":"DiscreteUniformDistribution","attributes":{"low":1,"high":2,"q":0.5}}"#,
                float(false, Some(0.5)),
            ),
            (
                r#"{"name":"IntLogUniformDistribution","attributes":{"low":1,"high":9,"step":1}}"#,
                int(true, 1),
            ),
        ] {
            assert_eq!(parse(text).unwrap(), domain, "{text}");
        }
    }

    #[test]
    fn non_finite_choices_are_no_texts() {
        let text = r#"{"name":"CategoricalDistribution","attributes":
            {"choices":["NaN",NaN,-Infinity,[1, "x"]]}}"#;
        let Domain::Categorical { choices } = parse(text).unwrap() else { panic!("{text}") };
        assert_eq!(choices[0], "NaN".into());
        assert!(matches!(choices[1], Choice::Float(value) if value.is_nan()));
        assert_eq!(choices[2], f64::NEG_INFINITY.into());
        assert_eq!(choices[3], r#"[1,"x"]"#.into());
    }

    #[test]
    fn what_optuna_refuses_is_refused() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"name":"FloatDistribution"}"#,
            r#"{"name":"FloatDistribution","attributes":{"low":0}}"#,
            r#"{"name":"FloatDistribution","attributes":{"low":"0","high":1}}"#,
            r#"{"name":"FloatDistribution","attributes":{"low":2,"high":1}}"#,
            r#"{"name":"FloatDistribution","attributes":{"low":0,"high":1,"log":true}}"#,
            r#"{"name":"FloatDistribution","attributes":{"low":1,"high":2,"log":true,"step":1}}"#,
            r#"{"name":"FloatDistribution","attributes":{"low":1,"high":2,"step":0}}"#,
            r#"{"name":"IntDistribution","attributes":{"low":0,"high":1,"log":true}}"#,
            r#"{"name":"IntDistribution","attributes":{"low":0,"high":1,"step":0}}"#,
            r#"{"name":"IntDistribution","attributes":{"low":0,"high":9223372036854775808}}"#,
            r#"{"name":"CategoricalDistribution","attributes":{"choices":[]}}"#,
            r#"{"name":"OtherDistribution","attributes":{}}"#,
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_parameter_keeps_its_kind_its_scale_and_its_choices() {
        let float = |low, log| Domain::Float { low, high: 2.0, log, step: None };
        let choices = |choices: &[Choice]| Domain::Categorical { choices: choices.to_vec() };
        assert!(compatible(&float(0.1, true), &float(1.0, true)));
        assert!(!compatible(&float(0.1, true), &float(0.1, false)));
        assert!(!compatible(
            &float(1.0, false),
            &Domain::Int { low: 1, high: 2, log: false, step: 1 }
        ));
        assert!(compatible(
            &choices(&[true.into(), 0.into(), f64::NAN.into()]),
            &choices(&[1.0.into(), false.into(), f64::NAN.into()])
        ));
        assert!(!compatible(&choices(&["1".into()]), &choices(&[1.into()])));
        assert!(!compatible(&choices(&[Choice::Null]), &choices(&[0.into()])));
        assert!(!compatible(&choices(&[1.into()]), &choices(&[1.into(), 2.into()])));
        assert!(!compatible(&choices(&[i64::MAX.into()]), &choices(&[(i64::MAX as f64).into()])));
    }
}
