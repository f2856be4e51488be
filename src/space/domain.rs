//! The values that one parameter may take, and their place in the unit interval.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// One choice of a categorical parameter.
///
/// ```
/// use hyperq::space::Choice;
/// assert_eq!(Choice::from("rbf").to_string(), "rbf");
/// assert_eq!(Choice::from(true).to_string(), "true");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Choice {
    /// No value (JSON's `null`), as in "no penalty".
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A finite number.
    Float(f64),
    /// A text.
    Text(String),
}

impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

impl From<&str> for Choice {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}
impl From<String> for Choice {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}
impl From<bool> for Choice {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}
impl From<i64> for Choice {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}
impl From<i32> for Choice {
    fn from(value: i32) -> Self {
        Self::Int(i64::from(value))
    }
}
impl From<f64> for Choice {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

/// The value of one active parameter.
#[derive(Debug, Clone, Copy)]
pub enum Value {
    /// A number of a float domain.
    Float(f64),
    /// A number of an integer domain.
    Int(i64),
    /// The position of a choice in a categorical domain.
    Category(usize),
}

impl Value {
    /// A key that is equal exactly where the values are (0.0 and -0.0 are equal, NaN does not occur).
    pub(crate) fn key(self) -> (u8, u64) {
        match self {
            Self::Float(value) => (0, (value + 0.0).to_bits()),
            Self::Int(value) => (1, value as u64),
            Self::Category(index) => (2, index as u64),
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl Eq for Value {}
impl std::hash::Hash for Value {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// The values that one parameter may take.
///
/// A [`SearchSpace`] refuses domains whose values 64-bit floats could not tell apart on the way to the
/// unit interval and back: integers must lie strictly between -2^50 and 2^50, on a log scale be at
/// most 2^40; a step of floats must be at least 2^-40 of the larger bound's magnitude; the bounds of
/// a float on a log scale must have different logarithms.
///
/// [`SearchSpace`]: crate::space::SearchSpace
#[derive(Debug, Clone, PartialEq)]
pub enum Domain {
    /// Real numbers of `[low, high]`; with a step only `low, low + step, ...`. Where a step
    /// misses `high` by at most 1e-9 of the range, four units in the last place of the larger bound
    /// or, if that is less, a thousandth of a step, `high` itself is the last value.
    Float {
        /// The smallest value.
        low: f64,
        /// The largest value.
        high: f64,
        /// Whether equal ratios (rather than differences) are equally far apart.
        log: bool,
        /// The distance of two neighbouring values.
        step: Option<f64>,
    },
    /// Integers of `[low, high]`, `low, low + step, ...`.
    Int {
        /// The smallest value.
        low: i64,
        /// The largest value.
        high: i64,
        /// Whether equal ratios (rather than differences) are equally far apart.
        log: bool,
        /// The distance of two neighbouring values, at least 1.
        step: i64,
    },
    /// Unordered choices.
    Categorical {
        /// The choices, distinct when printed.
        choices: Vec<Choice>,
    },
}

/// As people write it: `[0.1, 10] log`, `1..9 step 2`, `{rbf, linear}`.
impl std::fmt::Display for Domain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scale = |log: &bool| if *log { " log" } else { "" };
        match self {
            Self::Float { low, high, log, step } => {
                write!(f, "[{low}, {high}]{}", scale(log))?;
                step.map_or(Ok(()), |step| write!(f, " step {step}"))
            }
            Self::Int { low, high, log, step } => {
                write!(f, "{low}..{high}{}", scale(log))?;
                if *step == 1 { Ok(()) } else { write!(f, " step {step}") }
            }
            Self::Categorical { choices } => {
                let choices: Vec<String> = choices.iter().map(ToString::to_string).collect();
                write!(f, "{{{}}}", choices.join(", "))
            }
        }
    }
}

/// How many units in the last place [`Domain::to_unit`] searches for the exact inverse.
const INVERSE_SEARCH: usize = 64;

/// Integers lie strictly between the negative and this, so that a domain has fewer than 2^51 values.
/// The middle of cell `k` of `n`, `(k + 1/2) / n`, times `n` is then off by at most
/// `(k + 1/2) 2^-52 < 1/2`: it falls into cell `k` again.
const INTEGERS: i64 = 1 << 50;
/// The largest integer on a log scale. Logarithms are below 32 there, so that each rounding on the way
/// from a value `v` to its logarithm, to the unit interval and back moves the exponent by at most
/// 2^-48; together they move `v` by less than `2^-45 v <= 1/32`, which rounds to `v` again.
const LOG_INTEGERS: i64 = 1 << 40;
/// A step of floats is at least the larger bound's magnitude over this: `low + k step` is then off by
/// less than 2^-10 of a step, so that values differ and `k` is found again.
const STEPS: f64 = (1u64 << 40) as f64;

impl Domain {
    /// Refuses a domain that has no sound meaning.
    pub(crate) fn check(&self, name: &str) -> Result<()> {
        let refuse = |rule: &str, found: String| Err(Error::space(name, rule, found));
        match self {
            Self::Float { low, high, log, step } => {
                if !low.is_finite() || !high.is_finite() {
                    return refuse("bounds must be finite", format!("low {low}, high {high}"));
                }
                if low >= high {
                    return refuse(
                        "low must be below high (a constant is a categorical with one choice)",
                        format!("low {low}, high {high}"),
                    );
                }
                if !(high - low).is_finite() {
                    return refuse("high - low must be finite", format!("low {low}, high {high}"));
                }
                if *log && *low <= 0.0 {
                    return refuse("a log scale needs low > 0", format!("low {low}"));
                }
                if *log && low.ln() >= high.ln() {
                    return refuse(
                        "a log scale needs bounds with different logarithms in 64-bit floats",
                        format!("low {low:?}, high {high:?}"),
                    );
                }
                if let Some(step) = step {
                    if !step.is_finite() || *step <= 0.0 {
                        return refuse("step must be finite and positive", step.to_string());
                    }
                    if *log {
                        return refuse("a log scale takes no step", format!("step {step}"));
                    }
                    if *step < low.abs().max(high.abs()) / STEPS {
                        return refuse(
                            "step must be at least 2^-40 of the larger bound's magnitude",
                            format!("step {step:?}, low {low:?}, high {high:?}"),
                        );
                    }
                }
            }
            Self::Int { low, high, log, step } => {
                if low >= high {
                    return refuse(
                        "low must be below high (a constant is a categorical with one choice)",
                        format!("low {low}, high {high}"),
                    );
                }
                if *log && *low <= 0 {
                    return refuse("a log scale needs low > 0", format!("low {low}"));
                }
                if *step < 1 {
                    return refuse("step must be at least 1", step.to_string());
                }
                if *log && *step != 1 {
                    return refuse("a log scale takes no step", format!("step {step}"));
                }
                if *low <= -INTEGERS || *high >= INTEGERS {
                    return refuse(
                        "integers must lie strictly between -2^50 and 2^50",
                        format!("low {low}, high {high}"),
                    );
                }
                if *log && *high > LOG_INTEGERS {
                    return refuse(
                        "integers on a log scale must be at most 2^40",
                        format!("high {high}"),
                    );
                }
            }
            Self::Categorical { choices } => {
                if choices.is_empty() {
                    return refuse("a categorical needs at least one choice", "no choices".into());
                }
                let mut seen = std::collections::HashSet::new();
                for choice in choices {
                    if let Choice::Float(value) = choice
                        && !value.is_finite()
                    {
                        return refuse(
                            "a choice that is a number must be finite",
                            value.to_string(),
                        );
                    }
                    if !seen.insert(choice.to_string()) {
                        return refuse("choices must be distinct", format!("`{choice}` twice"));
                    }
                }
            }
        }
        Ok(())
    }

    /// The number of values, `None` for a continuous domain.
    pub fn cardinality(&self) -> Option<u64> {
        match self {
            Self::Float { step: None, .. } => None,
            Self::Float { low, high, step: Some(step), .. } => {
                Some(float_steps(*low, *high, *step) + 1)
            }
            Self::Int { low, high, step, .. } => Some(((high - low) / step) as u64 + 1),
            Self::Categorical { choices } => Some(choices.len() as u64),
        }
    }

    /// The value at `unit` in `[0, 1]`; numbers outside are clamped, NaN counts as 0.
    ///
    /// Continuous: `low + u (high - low)`, on a log scale `low (high / low)^u`. Discrete domains cut
    /// the interval into cells, one a value: of equal width, on a log scale of width
    /// `ln((v + 1/2) / (v - 1/2))`.
    pub fn from_unit(&self, unit: f64) -> Value {
        let u = if unit.is_nan() { 0.0 } else { unit.clamp(0.0, 1.0) };
        match self {
            Self::Float { low, high, log, step: None } => Value::Float(if u == 0.0 {
                *low
            } else if u == 1.0 {
                *high
            } else if *log {
                (low.ln() + u * (high.ln() - low.ln())).exp().clamp(*low, *high)
            } else {
                (low + u * (high - low)).clamp(*low, *high)
            }),
            Self::Float { low, high, step: Some(step), .. } => {
                let last = float_steps(*low, *high, *step);
                Value::Float(step_value(*low, *high, *step, cell(u, last + 1)))
            }
            Self::Int { low, high, log: true, .. } => {
                let (a, b) = log_edges(*low, *high);
                let value = (a + u * (b - a)).exp().round() as i64;
                Value::Int(value.clamp(*low, *high))
            }
            Self::Int { low, high, step, .. } => {
                let count = ((high - low) / step) as u64 + 1;
                Value::Int(low + step * cell(u, count) as i64)
            }
            Self::Categorical { choices } => {
                Value::Category(cell(u, choices.len() as u64) as usize)
            }
        }
    }

    /// The place of a value in `[0, 1]`: the inverse of [`Domain::from_unit`].
    ///
    /// Discrete values map to the middle of their cell. `from_unit(to_unit(v)) == v` holds for every
    /// discrete value and for every continuous value that `from_unit` produces at all; for another
    /// continuous value (on a log scale there are more numbers than the unit interval can tell
    /// apart) the result is within a few units in the last place.
    ///
    /// # Panics
    ///
    /// If the value is of another kind than the domain; values of a [`Configuration`] never are.
    ///
    /// [`Configuration`]: crate::space::Configuration
    pub fn to_unit(&self, value: Value) -> f64 {
        match (self, value) {
            (Self::Float { low, high, log, step: None }, Value::Float(x)) => {
                let guess = if *log {
                    (x.ln() - low.ln()) / (high.ln() - low.ln())
                } else {
                    (x - low) / (high - low)
                };
                self.refine_inverse(guess.clamp(0.0, 1.0), x)
            }
            (Self::Float { low, high, step: Some(step), .. }, Value::Float(x)) => {
                let count = float_steps(*low, *high, *step) + 1;
                (((x - low) / step).round() + 0.5) / count as f64
            }
            (Self::Int { low, high, log: true, .. }, Value::Int(x)) => {
                let (a, b) = log_edges(*low, *high);
                (((x as f64).ln() - a) / (b - a)).clamp(0.0, 1.0)
            }
            (Self::Int { low, high, step, .. }, Value::Int(x)) => {
                let count = ((high - low) / step) as u64 + 1;
                (((x - low) / step) as f64 + 0.5) / count as f64
            }
            (Self::Categorical { choices }, Value::Category(index)) => {
                (index as f64 + 0.5) / choices.len() as f64
            }
            _ => panic!("value {value:?} is of another kind than its domain {self:?}"),
        }
    }

    /// The part of the unit interval that a discrete value takes, as [`Domain::from_unit`] says; `None` for
    /// a continuous domain.
    pub(crate) fn cell(&self, value: Value) -> Option<(f64, f64)> {
        if let (Self::Int { low, high, log: true, .. }, Value::Int(x)) = (self, value) {
            let (a, b) = log_edges(*low, *high);
            let place = |x: f64| ((x.ln() - a) / (b - a)).clamp(0.0, 1.0);
            return Some((place(x as f64 - 0.5), place(x as f64 + 0.5)));
        }
        let count = self.cardinality()?;
        let place = cell(self.to_unit(value), count) as f64;
        Some((place / count as f64, (place + 1.0) / count as f64))
    }

    /// Walks from `guess` by units in the last place to a number that maps to exactly `x`.
    fn refine_inverse(&self, guess: f64, x: f64) -> f64 {
        let at = |u: f64| match self.from_unit(u) {
            Value::Float(value) => value,
            _ => unreachable!("refine_inverse is called for float domains only"),
        };
        let mut u = guess;
        for _ in 0..INVERSE_SEARCH {
            let y = at(u);
            if y == x {
                return u;
            }
            let next = if y < x { u.next_up() } else { u.next_down() };
            if !(0.0..=1.0).contains(&next) {
                break;
            }
            // Where the walk turns round, `x` has no exact inverse.
            if (at(next) > x) != (y > x) && at(next) != x {
                break;
            }
            u = next;
        }
        u
    }

    /// Reads a value in its serialized form, without checking its bounds.
    pub(crate) fn read_json(&self, name: &str, json: &serde_json::Value) -> Result<Value> {
        let wrong = |rule: &str| Error::configuration(name, rule, json);
        Ok(match self {
            Self::Float { .. } => {
                Value::Float(json.as_f64().ok_or_else(|| wrong("must be a number"))?)
            }
            Self::Int { .. } => {
                Value::Int(json.as_i64().ok_or_else(|| wrong("must be an integer"))?)
            }
            Self::Categorical { choices } => {
                let given: Choice =
                    serde_json::from_value(json.clone()).map_err(|_| wrong("must be a choice"))?;
                let index = choices
                    .iter()
                    .position(|choice| choice.to_string() == given.to_string())
                    .ok_or_else(|| wrong(&format!("must be one of {}", list(choices))))?;
                Value::Category(index)
            }
        })
    }

    /// Checks a value and returns it as the domain represents it (a stepped float within
    /// [`tolerance`] of its step is put exactly on it).
    pub(crate) fn admit(&self, name: &str, value: Value) -> Result<Value> {
        match (self, value) {
            (Self::Float { low, high, step, .. }, Value::Float(x)) => {
                if !x.is_finite() || x < *low || x > *high {
                    return Err(Error::configuration(
                        name,
                        format!("must lie in [{low}, {high}]"),
                        x,
                    ));
                }
                match step {
                    None => Ok(Value::Float(x)),
                    Some(step) => {
                        let k = ((x - low) / step).round() as u64;
                        let on = step_value(*low, *high, *step, k);
                        // `step_value` clamps to `high`, which is a level only where a step ends there.
                        if k > float_steps(*low, *high, *step)
                            || (x - on).abs() > tolerance(*low, *high, *step)
                        {
                            return Err(Error::configuration(
                                name,
                                format!("must be {low} plus a multiple of {step}"),
                                x,
                            ));
                        }
                        Ok(Value::Float(on))
                    }
                }
            }
            (Self::Int { low, high, step, .. }, Value::Int(x)) => {
                if x < *low || x > *high {
                    return Err(Error::configuration(
                        name,
                        format!("must lie in [{low}, {high}]"),
                        x,
                    ));
                }
                if (x - low) % step != 0 {
                    return Err(Error::configuration(
                        name,
                        format!("must be {low} plus a multiple of {step}"),
                        x,
                    ));
                }
                Ok(value)
            }
            (Self::Categorical { choices }, Value::Category(index)) if index < choices.len() => {
                Ok(value)
            }
            (Self::Categorical { choices }, Value::Category(index)) => Err(Error::configuration(
                name,
                format!("must be one of {} choices", choices.len()),
                format!("choice {index}"),
            )),
            (Self::Float { .. }, other) => {
                Err(Error::configuration(name, "must be a float", format!("{other:?}")))
            }
            (Self::Int { .. }, other) => {
                Err(Error::configuration(name, "must be an integer", format!("{other:?}")))
            }
            (Self::Categorical { .. }, other) => {
                Err(Error::configuration(name, "must be a choice", format!("{other:?}")))
            }
        }
    }

    /// Reads a value from its printed form (`1e-3`, `4`, `rbf`).
    pub(crate) fn parse(&self, name: &str, text: &str) -> Result<Value> {
        let value = match self {
            Self::Float { .. } => Value::Float(text.parse().map_err(|_| {
                Error::configuration(name, "must be a number", format!("`{text}`"))
            })?),
            Self::Int { .. } => {
                // Tables written by other programs print integers as 4.0 too.
                let number: f64 = text.parse().map_err(|_| {
                    Error::configuration(name, "must be an integer", format!("`{text}`"))
                })?;
                if number.fract() != 0.0 || number.abs() >= 2f64.powi(52) {
                    return Err(Error::configuration(
                        name,
                        "must be an integer",
                        format!("`{text}`"),
                    ));
                }
                Value::Int(number as i64)
            }
            Self::Categorical { choices } => Value::Category(
                choices.iter().position(|choice| choice.to_string() == text).ok_or_else(|| {
                    Error::configuration(
                        name,
                        format!("must be one of {}", list(choices)),
                        format!("`{text}`"),
                    )
                })?,
            ),
        };
        self.admit(name, value)
    }

    /// The values of a grid: all of a discrete domain with at most `resolution` values, else
    /// `resolution` of them, evenly spread on the domain's own scale, both ends included.
    pub fn levels(&self, resolution: usize) -> Vec<Value> {
        let resolution = resolution.max(1);
        if let Self::Categorical { choices } = self {
            return (0..choices.len()).map(Value::Category).collect();
        }
        match self.cardinality() {
            Some(count) if count <= resolution as u64 => match self {
                Self::Int { low, step, .. } => {
                    (0..count as i64).map(|k| Value::Int(low + step * k)).collect()
                }
                _ => (0..count).map(|k| self.from_unit((k as f64 + 0.5) / count as f64)).collect(),
            },
            _ if resolution == 1 => vec![self.from_unit(0.5)],
            _ => {
                let mut levels: Vec<Value> = (0..resolution)
                    .map(|i| self.from_unit(i as f64 / (resolution - 1) as f64))
                    .collect();
                levels.dedup();
                levels
            }
        }
    }
}

/// Choices as they stand in an error message.
pub(crate) fn list(choices: &[Choice]) -> String {
    choices.iter().map(|choice| format!("`{choice}`")).collect::<Vec<_>>().join(", ")
}

/// The number of steps that fit into `[low, high]`; a step that misses `high` by rounding counts.
fn float_steps(low: f64, high: f64, step: f64) -> u64 {
    ((high - low) / step + tolerance(low, high, step) / step).floor() as u64
}

/// How far from a value of a stepped domain a number may lie and still mean it: 1e-9 of the range, as
/// numbers are printed with finitely many digits, or what 64-bit floats near the bounds cannot tell
/// apart; at most a thousandth of a step, so that no number stands between two values unnoticed.
fn tolerance(low: f64, high: f64, step: f64) -> f64 {
    let rounding = 4.0 * f64::EPSILON * low.abs().max(high.abs());
    (1e-9 * (high - low)).max(rounding).min(1e-3 * step)
}

fn step_value(low: f64, high: f64, step: f64, k: u64) -> f64 {
    let value = low + k as f64 * step;
    if value + tolerance(low, high, step) < high { value } else { high }
}

/// The cell of `u` among `count` equal ones.
fn cell(u: f64, count: u64) -> u64 {
    ((u * count as f64) as u64).min(count - 1)
}

fn log_edges(low: i64, high: i64) -> (f64, f64) {
    ((low as f64 - 0.5).ln(), (high as f64 + 0.5).ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stepped(high: f64, step: f64) -> Domain {
        Domain::Float { low: 0.0, high, log: false, step: Some(step) }
    }

    #[test]
    fn the_upper_bound_is_admitted_only_where_a_step_ends_there() {
        let error = stepped(1.0, 0.6).admit("x", Value::Float(1.0)).unwrap_err().to_string();
        assert_eq!(
            error,
            "configuration: parameter `x`: must be 0 plus a multiple of 0.6, found 1"
        );
        assert_eq!(stepped(1.0, 0.6).admit("x", Value::Float(0.6)).unwrap(), Value::Float(0.6));
        // 3 * 0.1 > 0.3 in 64-bit floats: the last level is the bound itself.
        assert_eq!(stepped(0.3, 0.1).cardinality(), Some(4));
        assert_eq!(stepped(0.3, 0.1).admit("x", Value::Float(0.3)).unwrap(), Value::Float(0.3));
    }

    #[test]
    fn a_stepped_float_is_put_on_its_step() {
        let printed = 0.7 + 1e-12;
        let Value::Float(value) = stepped(1.0, 0.1).admit("x", Value::Float(printed)).unwrap()
        else {
            panic!("a float domain admits floats");
        };
        assert_eq!(value, 7.0 * 0.1);
        assert!(stepped(1.0, 0.1).admit("x", Value::Float(0.75)).is_err());
    }

    #[test]
    fn parsing_takes_what_tables_print_and_refuses_the_rest() {
        let int = Domain::Int { low: 0, high: 10, log: false, step: 2 };
        assert_eq!(int.parse("n", "4").unwrap(), Value::Int(4));
        assert_eq!(int.parse("n", "4.0").unwrap(), Value::Int(4));
        for text in ["4.5", "3", "12", "", "nan", "1e300"] {
            assert!(int.parse("n", text).is_err(), "`{text}` was read");
        }
        let float = Domain::Float { low: 1e-3, high: 1.0, log: true, step: None };
        assert_eq!(float.parse("x", "1e-2").unwrap(), Value::Float(0.01));
        for text in ["0", "2", "inf", "NaN", "x", ""] {
            assert!(float.parse("x", text).is_err(), "`{text}` was read");
        }
        let choice = Domain::Categorical { choices: vec![true.into(), "b".into(), Choice::Null] };
        assert_eq!(choice.parse("c", "null").unwrap(), Value::Category(2));
        assert_eq!(
            choice.parse("c", "B").unwrap_err().to_string(),
            "configuration: parameter `c`: must be one of `true`, `b`, `null`, found `B`"
        );
    }

    #[test]
    fn levels_span_the_domain_and_never_repeat() {
        let float = Domain::Float { low: 1e-2, high: 1e2, log: true, step: None };
        assert_eq!(float.levels(5).first(), Some(&Value::Float(1e-2)));
        assert_eq!(float.levels(5).last(), Some(&Value::Float(1e2)));
        assert_eq!(float.levels(1).len(), 1);
        let int = Domain::Int { low: 1, high: 100, log: true, step: 1 };
        assert_eq!(int.levels(100).len(), 100);
        let coarse = int.levels(99);
        assert!(coarse.windows(2).all(|pair| pair[0] != pair[1]), "{coarse:?}");
        assert_eq!(stepped(1.0, 0.25).levels(9).len(), 5);
    }

    #[test]
    #[should_panic(expected = "of another kind than its domain")]
    fn a_value_of_another_kind_has_no_place() {
        stepped(1.0, 0.5).to_unit(Value::Int(1));
    }
}
