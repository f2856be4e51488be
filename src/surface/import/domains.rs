//! The space of a source: its parameters' domains, and by [`conditions`] when they are active.

use super::conditions;
use super::source::{Column, Source};
use crate::error::{Error, Result};
use crate::space::{Choice, Domain, Parameter, SearchSpace};

/// The space that the rows of a source lie in; the parameters of `log` on a log scale.
pub(super) fn space(source: &Source, log: &[String]) -> Result<SearchSpace> {
    let mut parameters = Vec::new();
    let mut columns = Vec::new();
    for (position, column) in source.columns.iter().enumerate() {
        let cells: Vec<(u64, &str)> = source
            .rows
            .iter()
            .filter_map(|row| Some((row.number, row.cells[position].as_deref()?)))
            .collect();
        // A parameter of trials that are left out only.
        if cells.is_empty() {
            continue;
        }
        let domain = match &column.domain {
            Some(domain) => domain.clone(),
            None => infer(source, column, &cells)?,
        };
        parameters.push(Parameter::new(&column.name, without_constant(domain)));
        columns.push(position);
    }
    for name in log {
        let known = parameters.iter_mut().find(|parameter| parameter.name == *name);
        match known.map(|parameter| &mut parameter.domain) {
            Some(Domain::Float { log, .. } | Domain::Int { log, .. }) => *log = true,
            Some(domain) => {
                let found = domain.to_string();
                return Err(Error::space(name, "a log scale needs a number that varies", found));
            }
            None => {
                let names = parameters.iter().map(|parameter| parameter.name.as_str());
                let listing = names.clone().map(|name| format!("`{name}`")).collect::<Vec<_>>();
                let listing = format!("`{}` has {}", source.at, listing.join(", "));
                return Err(Error::unknown("parameter", name, names, &listing));
            }
        }
    }
    conditions::settle(source, &mut parameters, &columns)?;
    SearchSpace::new(parameters)
}

/// The domain of a column of texts.
fn infer(source: &Source, column: &Column, cells: &[(u64, &str)]) -> Result<Domain> {
    let number = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite());
    let numbers: Vec<f64> = cells.iter().filter_map(|(_, text)| number(text)).collect();
    if numbers.is_empty() {
        return Ok(Domain::Categorical { choices: choices(cells) });
    }
    if let Some((line, text)) = cells.iter().find(|(_, text)| number(text).is_none()) {
        let found = format!("`{text}` in {} beside numbers", source.place(*line));
        let rule = "must be numbers only or texts only, unless a space says what it is (`--space`)";
        return Err(Error::space(&column.name, rule, found));
    }
    let low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let high = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let integers: Option<Vec<i64>> = cells.iter().map(|(_, text)| text.parse().ok()).collect();
    // pandas makes a column with gaps one of floats.
    let whole = column.gaps && numbers.iter().all(|x| x.fract() == 0.0 && x.abs() < 2f64.powi(52));
    Ok(match integers {
        Some(integers) => {
            let low = integers.iter().copied().min().unwrap_or_default();
            let high = integers.iter().copied().max().unwrap_or_default();
            Domain::Int { low, high, log: false, step: 1 }
        }
        None if whole => Domain::Int { low: low as i64, high: high as i64, log: false, step: 1 },
        None => Domain::Float { low, high, log: false, step: None },
    })
}

/// The choices that texts are, sorted: tasks of one family then have the same space.
fn choices(cells: &[(u64, &str)]) -> Vec<Choice> {
    let mut texts: Vec<&str> = cells.iter().map(|(_, text)| *text).collect();
    texts.sort_unstable();
    texts.dedup();
    let truths: Option<Vec<bool>> =
        texts.iter().map(|text| text.to_lowercase().parse().ok()).collect();
    match truths {
        Some(mut truths) => {
            truths.sort_unstable();
            truths.dedup();
            truths.into_iter().map(Choice::Bool).collect()
        }
        None => texts.into_iter().map(Choice::from).collect(),
    }
}

/// A domain of one number as a categorical, which is what a space admits.
fn without_constant(domain: Domain) -> Domain {
    match domain {
        Domain::Float { low, high, .. } if low == high => {
            Domain::Categorical { choices: vec![Choice::Float(low)] }
        }
        Domain::Int { low, high, .. } if low == high => {
            Domain::Categorical { choices: vec![Choice::Int(low)] }
        }
        domain => domain,
    }
}

/// The domain that holds the values of two domains of one parameter. A step stays where both have their
/// values on one lattice: of integers, whose step is then the greatest common divisor, always.
pub(super) fn unite(name: &str, a: &Domain, b: &Domain) -> Result<Domain> {
    use Domain::{Categorical, Float, Int};
    match (a, b) {
        (
            Float { low: a_low, high: a_high, log: a_log, step: a_step },
            Float { low: b_low, high: b_high, log: b_log, step: b_step },
        ) if a_log == b_log => {
            let step = match (a_step, b_step) {
                (Some(a), Some(b)) if a == b => {
                    let steps = (a_low - b_low) / a;
                    (steps == steps.round()).then_some(*a)
                }
                _ => None,
            };
            Ok(Float { low: a_low.min(*b_low), high: a_high.max(*b_high), log: *a_log, step })
        }
        (
            Int { low: a_low, high: a_high, log: a_log, step: a_step },
            Int { low: b_low, high: b_high, log: b_log, step: b_step },
        ) if a_log == b_log => {
            let step = divisor(divisor(*a_step as u64, *b_step as u64), a_low.abs_diff(*b_low));
            let step = i64::try_from(step).unwrap_or(1).max(1);
            Ok(Int { low: *a_low.min(b_low), high: *a_high.max(b_high), log: *a_log, step })
        }
        (Categorical { choices: a_choices }, Categorical { choices: b_choices })
            if a_choices
                .iter()
                .map(ToString::to_string)
                .eq(b_choices.iter().map(ToString::to_string)) =>
        {
            Ok(a.clone())
        }
        _ => Err(Error::space(
            name,
            "must have one kind, one scale and the same choices in all trials",
            format!("{} and {}", kind(a), kind(b)),
        )),
    }
}

/// A domain in words, with its kind.
fn kind(domain: &Domain) -> String {
    let kind = match domain {
        Domain::Float { .. } => "float",
        Domain::Int { .. } => "int",
        Domain::Categorical { .. } => "categorical",
    };
    format!("{kind} {domain}")
}

/// The greatest common divisor; of 0 and a number, the number.
fn divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { divisor(b, a % b) }
}
