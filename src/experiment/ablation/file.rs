//! `ablation.toml`.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::combination::Parts;
use super::{Ablation, Factor, Level, Sets};
use crate::error::{Error, Result};
use crate::experiment::config::{File, is_name, not_finite};
use crate::strategy::{Strategy, registry};

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    trials: Option<usize>,
    seeds: Option<usize>,
    seed: Option<u64>,
    jobs: Option<usize>,
    #[serde(default)]
    surfaces: Vec<String>,
    base: Option<toml::Spanned<String>>,
    #[serde(default)]
    factor: Vec<toml::Spanned<WrittenFactor>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFactor {
    name: String,
    levels: Vec<toml::Spanned<toml::Value>>,
}

/// Reads one of the parts.
type PartOf = fn(Parts) -> String;

/// The strategy whose parts stand where no factor names others.
const BASE: &str = "dqn-select-ucb";

pub(super) fn parse(text: &str, path: &Path) -> Result<Ablation> {
    let file = File { text, path: path.to_owned() };
    let document: Document = toml::from_str(text).map_err(|error| {
        file.error(error.span().map_or(0, |span| span.start), error.message().trim())
    })?;
    let base = match &document.base {
        None => Strategy::named(BASE)?,
        Some(name) => Strategy::named(name.get_ref())
            .map_err(|error| file.error(name.span().start, &format!("`base`: {error}")))?,
    };
    if document.factor.is_empty() {
        return Err(file.error(0, "an ablation needs at least one [[factor]]"));
    }
    let mut factors: Vec<Factor> = Vec::new();
    for written in document.factor {
        let at = written.span().start;
        let factor = factor(written.into_inner(), &base, &file, at)?;
        if factors.iter().any(|other| other.name == factor.name) {
            return Err(file.error(at, &format!("factor `{}` is defined twice", factor.name)));
        }
        for level in &factor.levels {
            let same = |other: &&Factor| other.levels.iter().any(|l| l.name == level.name);
            if let Some(other) = factors.iter().find(same) {
                let (level, owner) = (&level.name, &other.name);
                return Err(file.error(at, &format!("`{level}` is a level of `{owner}` already")));
            }
        }
        factors.push(factor);
    }
    Ok(Ablation {
        base,
        factors,
        surfaces: document.surfaces,
        trials: document.trials,
        seeds: document.seeds,
        seed: document.seed,
        jobs: document.jobs,
    })
}

fn factor(written: WrittenFactor, base: &Strategy, file: &File<'_>, at: usize) -> Result<Factor> {
    let WrittenFactor { name, levels } = written;
    if !is_name(&name) {
        let rule = "a [[factor]] needs a `name` of letters, digits, `-`, `_`, `.`, `=` and `+`";
        return Err(file.error(at, rule));
    }
    let part: Option<(Sets, PartOf)> = match name.as_str() {
        "framing" => Some((Sets::Framing, |parts| parts.framing)),
        "value" => Some((Sets::Value, |parts| parts.value)),
        "exploration" => Some((Sets::Exploration, |parts| parts.exploration)),
        _ => None,
    };
    if (part.is_some() || name == "schedule") && Parts::of(base).is_none() {
        let rule = format!("factor `{name}`: the base has no framing, value function and policy");
        return Err(file.error(at, &rule));
    }
    let mut read: Vec<Level> = Vec::new();
    for level in levels {
        let at = level.span().start;
        let level = match (&part, level.into_inner()) {
            (Some((sets, of)), toml::Value::String(level)) => {
                known(&name, &level, *of).map_err(|error| file.error(at, &error.to_string()))?;
                Level { name: level, sets: sets.clone() }
            }
            (Some(_), _) => {
                return Err(file.error(at, &format!("levels of `{name}` are names in quotes")));
            }
            (None, toml::Value::Table(table)) => settings(&name, table, file, at)?,
            (None, _) => {
                let rule = format!("levels of `{name}` are tables with a `name` and settings");
                return Err(file.error(at, &rule));
            }
        };
        if read.iter().any(|other| other.name == level.name) {
            let rule = format!("factor `{name}` has level `{}` twice", level.name);
            return Err(file.error(at, &rule));
        }
        read.push(level);
    }
    if read.is_empty() {
        return Err(file.error(at, &format!("factor `{name}` needs at least one level")));
    }
    Ok(Factor { name, levels: read })
}

/// Refuses a level that no registered strategy has as this part.
fn known(factor: &str, level: &str, of: PartOf) -> Result<()> {
    let mut names: Vec<String> =
        registry().iter().filter_map(|r| Parts::of(&r.strategy).map(of)).collect();
    names.sort();
    names.dedup();
    if names.iter().any(|name| name == level) {
        return Ok(());
    }
    let kind = match factor {
        "framing" => "framing",
        "value" => "value function",
        _ => "exploration policy",
    };
    let hint = format!("there are {}", names.join(", "));
    Err(Error::unknown(kind, level, names.iter().map(String::as_str), &hint))
}

/// A level that is a table.
fn settings(factor: &str, table: toml::Table, file: &File<'_>, at: usize) -> Result<Level> {
    if let Some(key) = not_finite(&table) {
        return Err(file.error(at, &format!("`{key}` of a level must be finite")));
    }
    let json = serde_json::to_value(&table).map_err(|error| file.error(at, &error.to_string()))?;
    let mut settings: Map<String, Value> = match json {
        Value::Object(settings) => settings,
        _ => Map::new(),
    };
    let name = match settings.shift_remove("name") {
        Some(Value::String(name)) if is_name(&name) => name,
        _ => {
            let rule = format!(
                "a level of `{factor}` needs a `name` of letters, digits, `-`, `_`, `.`, `=` and `+`"
            );
            return Err(file.error(at, &rule));
        }
    };
    if factor != "schedule" {
        return Ok(Level { name, sets: Sets::Settings(settings) });
    }
    for policy in settings.keys() {
        known("exploration", policy, |parts| parts.exploration)
            .map_err(|error| file.error(at, &format!("schedule `{name}`: {error}")))?;
    }
    Ok(Level { name, sets: Sets::Schedule(settings) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_with_the_line() {
        let refused = |text: &str| parse(text, Path::new("a.toml")).unwrap_err().to_string();
        let factor = "[[factor]]\nname = 'value'\nlevels = ";
        for (text, said) in [
            (String::new(), "a.toml:1: an ablation needs at least one [[factor]]"),
            ("x = 1\n".to_owned(), "unknown field `x`"),
            ("base = 'dqn'\n".to_owned(), "a.toml:1: `base`: unknown strategy `dqn`"),
            (format!("{factor}[]\n"), "a.toml:1: factor `value` needs at least one level"),
            (format!("{factor}['dqm']\n"), "did you mean `dqn`?"),
            (format!("{factor}[3]\n"), "a.toml:3: levels of `value` are names in quotes"),
            (format!("{factor}['dqn', 'dqn']\n"), "has level `dqn` twice"),
            (format!("{factor}['dqn']\n").repeat(2), "factor `value` is defined twice"),
            (
                "[[factor]]\nname = 'reward'\nlevels = [{ reward = {} }]\n".to_owned(),
                "a level of `reward` needs a `name`",
            ),
            (
                "[[factor]]\nname = 'reward'\nlevels = ['score']\n".to_owned(),
                "levels of `reward` are tables with a `name` and settings",
            ),
            (
                "[[factor]]\nname = 'schedule'\nlevels = [{ name = 'x', ucp = {} }]\n".to_owned(),
                "schedule `x`: unknown exploration policy `ucp`",
            ),
            (
                format!("base = 'random'\n{factor}['dqn']\n"),
                "the base has no framing, value function and policy",
            ),
            (
                format!("{factor}['dqn']\n[[factor]]\nname = 'b'\nlevels = [{{ name = 'dqn' }}]\n"),
                "`dqn` is a level of `value` already",
            ),
        ] {
            let error = refused(&text);
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
