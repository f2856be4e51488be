//! Comparisons described in a TOML file, so that an ablation is a file.
//!
//! ```toml
//! trials = 50
//! seeds = 5
//! seed = 1
//! jobs = 2
//! surfaces = ["branin", "data/svm"]
//! strategies = ["random", "sobol"]
//!
//! [[strategy]]
//! name = "fine-grid"             # its name in the results
//! base = "grid"                  # the registered strategy that it starts from
//! order = "lexicographic"        # any setting of the base
//! size = { resolution = 9 }
//! ```
//!
//! `evaluations = 2` makes every trial of a strategy two evaluations, of which the best counts, as those of
//! `random-2x` are. Instead of a `base`, a strategy may give the kind of `optimizer` and then every setting.
//! Tables are merged into the base's setting by setting. Where a setting is a choice between variants
//! (`size` is either `resolution` or `at-most`), naming another variant replaces the choice whole.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Entrant, RANDOM_TWICE};
use crate::error::{Error, Result};
use crate::strategy::{Strategy, registry};

/// A comparison as a file describes it. What the file leaves out is `None` or empty.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Config {
    /// Trials of a run.
    pub trials: Option<usize>,
    /// Runs of each strategy on each surface.
    pub seeds: Option<usize>,
    /// The master seed.
    pub seed: Option<u64>,
    /// Runs at the same time.
    pub jobs: Option<usize>,
    /// The surfaces, as on the command line (directories relative to the current one).
    pub surfaces: Vec<String>,
    /// The strategies of `strategies`, then those of the `[[strategy]]` tables that it does not name.
    pub strategies: Vec<Entrant>,
    defined: Vec<Entrant>,
}

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
    #[serde(default)]
    strategies: Vec<toml::Spanned<String>>,
    #[serde(default)]
    strategy: Vec<toml::Spanned<toml::Table>>,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where it cannot be read; [`Error::File`] with the line where it is no TOML, where a
    /// key is unknown or a value is of the wrong type, and with the strategy's name where one of its
    /// settings is unknown or does not fit.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        Self::parse(&text, path)
    }

    /// Reads a file's text; `path` names it in errors.
    ///
    /// # Errors
    ///
    /// As [`Config::read`].
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let file = File { text, path: path.to_owned() };
        let document: Document = toml::from_str(text).map_err(|error| {
            file.error(error.span().map_or(0, |span| span.start), error.message().trim())
        })?;
        let mut defined: Vec<Entrant> = Vec::new();
        for table in document.strategy {
            let at = table.span().start;
            let entrant = define(table.into_inner(), &file, at)?;
            if defined.iter().any(|other| other.name == entrant.name) {
                let rule = format!("strategy `{}` is defined twice", entrant.name);
                return Err(file.error(at, &rule));
            }
            defined.push(entrant);
        }
        let mut strategies = Vec::new();
        for name in document.strategies {
            let entrant = resolve(&defined, name.get_ref())
                .map_err(|error| file.error(name.span().start, &error.to_string()))?;
            strategies.push(entrant);
        }
        for entrant in &defined {
            if !strategies.contains(entrant) {
                strategies.push(entrant.clone());
            }
        }
        Ok(Self {
            trials: document.trials,
            seeds: document.seeds,
            seed: document.seed,
            jobs: document.jobs,
            surfaces: document.surfaces,
            strategies,
            defined,
        })
    }

    /// A strategy by name: one that the file defines, else a registered one.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] with the nearest name.
    pub fn entrant(&self, name: &str) -> Result<Entrant> {
        resolve(&self.defined, name)
    }
}

fn resolve(defined: &[Entrant], name: &str) -> Result<Entrant> {
    if let Some(entrant) = defined.iter().find(|entrant| entrant.name == name) {
        return Ok(entrant.clone());
    }
    if name == RANDOM_TWICE || registry().iter().any(|registered| registered.name == name) {
        return Entrant::named(name);
    }
    let known = defined.iter().map(|entrant| entrant.name.as_str());
    Err(Error::unknown(
        "strategy",
        name,
        known.chain(registry().iter().map(|registered| registered.name.as_str())),
        "`hyperq strategies` lists the registered ones",
    ))
}

/// A file with its text, to say in which line something is wrong.
pub(super) struct File<'a> {
    pub(super) text: &'a str,
    pub(super) path: PathBuf,
}

impl File<'_> {
    pub(super) fn error(&self, at: usize, rule: &str) -> Error {
        let before = &self.text.as_bytes()[..at.min(self.text.len())];
        let line = before.iter().filter(|byte| **byte == b'\n').count();
        let found = self.text.lines().nth(line).unwrap_or("").trim();
        let rule = rule.replace('\n', ", ");
        Error::file(&self.path, line as u64 + 1, rule, format!("`{found}`"))
    }
}

/// The strategy of a `[[strategy]]` table.
fn define(table: toml::Table, file: &File<'_>, at: usize) -> Result<Entrant> {
    if let Some(key) = not_finite(&table) {
        let rule = format!("`{key}` of a [[strategy]] must be finite");
        return Err(file.error(at, &rule));
    }
    let json = serde_json::to_value(&table).map_err(|error| file.error(at, &error.to_string()))?;
    let Value::Object(mut settings) = json else {
        return Err(file.error(at, "a strategy must be a table"));
    };
    let name = match settings.shift_remove("name") {
        Some(Value::String(name)) if is_name(&name) => name,
        _ => {
            return Err(file.error(
                at,
                "a [[strategy]] needs a `name` of letters, digits, `-`, `_`, `.`, `=` and `+`",
            ));
        }
    };
    let evaluations = match settings.shift_remove("evaluations") {
        None => 1,
        Some(given) => {
            let rule = || {
                let most = Entrant::MOST_EVALUATIONS;
                file.error(at, &format!("strategy `{name}`: `evaluations` must be in 1..={most}"))
            };
            let number = given.as_u64().and_then(|number| usize::try_from(number).ok());
            number.filter(|n| (1..=Entrant::MOST_EVALUATIONS).contains(n)).ok_or_else(rule)?
        }
    };
    if name == RANDOM_TWICE || registry().iter().any(|registered| registered.name == name) {
        let rule = format!("strategy `{name}`: the name is taken by a registered strategy");
        return Err(file.error(at, &rule));
    }
    let (base, merged) = match (settings.shift_remove("base"), settings.contains_key("optimizer")) {
        (Some(Value::String(base)), false) => {
            let base = Strategy::named(&base)
                .map_err(|error| file.error(at, &format!("strategy `{name}`: `base`: {error}")))?;
            let base = serde_json::to_value(&base)
                .map_err(|error| file.error(at, &format!("strategy `{name}`: {error}")))?;
            let mut merged = base.clone();
            merge(&mut merged, Value::Object(settings.clone()));
            (Some(base), merged)
        }
        (None, true) => (None, Value::Object(settings.clone())),
        _ => {
            let rule = format!(
                "strategy `{name}` needs either `base`, the name of a registered strategy, or `optimizer`"
            );
            return Err(file.error(at, &rule));
        }
    };
    let strategy = Strategy::deserialize(merged).map_err(|error| {
        let rule = match base.and_then(|base| culprit(&base, &base, &[], &settings)) {
            Some((key, error)) => format!("strategy `{name}`: `{key}`: {error}"),
            None => format!("strategy `{name}`: {error}"),
        };
        file.error(at, &rule)
    })?;
    Ok(Entrant { evaluations, ..Entrant::new(name, strategy) })
}

/// The path of a number that is NaN or infinite. JSON has no such numbers, so it would be lost.
pub(super) fn not_finite(table: &toml::Table) -> Option<String> {
    table.iter().find_map(|(key, value)| match value {
        toml::Value::Float(number) if !number.is_finite() => Some(key.clone()),
        toml::Value::Table(inner) => Some(format!("{key}.{}", not_finite(inner)?)),
        _ => None,
    })
}

/// The path of the first override that alone makes a registered strategy unreadable, with the reason:
/// serde does not say which of several settings it stumbled over. `here` is the part of `base` at
/// `path`, which `overrides` change.
fn culprit(
    base: &Value,
    here: &Value,
    path: &[&str],
    overrides: &Map<String, Value>,
) -> Option<(String, serde_json::Error)> {
    overrides.iter().find_map(|(key, value)| {
        let path = [path, &[key.as_str()]].concat();
        let deeper = match (here.get(key), value) {
            (Some(here @ Value::Object(old)), Value::Object(new)) if !other_variant(old, new) => {
                culprit(base, here, &path, new)
            }
            _ => None,
        };
        deeper.or_else(|| {
            let alone = path.iter().rev().fold(value.clone(), |inner, key| {
                Map::from_iter([((*key).to_owned(), inner)]).into()
            });
            let mut merged = base.clone();
            merge(&mut merged, alone);
            Some((path.join("."), Strategy::deserialize(merged).err()?))
        })
    })
}

/// Names stand in file names, tables and CSS, so they hold no spaces, quotes or control characters.
pub(super) fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || "-_.=+".contains(c);
    !name.is_empty() && name.chars().all(allowed)
}

/// Merges overrides into settings, table by table.
pub(super) fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) if !other_variant(into, &from) => {
            for (key, value) in from {
                match into.get_mut(&key) {
                    Some(old) => merge(old, value),
                    None => {
                        into.insert(key, value);
                    }
                }
            }
        }
        (into, from) => *into = from,
    }
}

/// Whether two tables are different variants of a choice: a variant is a table with its name as the
/// only key. (Two different keys of a table of settings look the same, but then the result has an
/// unknown setting and is refused.)
fn other_variant(a: &Map<String, Value>, b: &Map<String, Value>) -> bool {
    a.len() == 1 && b.len() == 1 && a.keys().next() != b.keys().next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::GridOrder;
    use crate::space::GridSize;
    use serde_json::json;

    fn parse(text: &str) -> Result<Config> {
        Config::parse(text, Path::new("ablation.toml"))
    }

    fn refused(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn settings_are_merged_into_the_base() {
        let config = parse(
            "trials = 7\nsurfaces = ['branin']\nstrategies = ['sobol']\n\
             [[strategy]]\nname = 'ordered'\nbase = 'grid'\norder = 'lexicographic'\n\
             [[strategy]]\nname = 'fine'\nbase = 'grid'\nsize = { resolution = 9 }\n\
             [[strategy]]\nname = 'plain'\noptimizer = 'random'\n",
        )
        .unwrap();
        assert_eq!((config.trials, config.seeds), (Some(7), None));
        let names: Vec<_> = config.strategies.iter().map(|entrant| entrant.name.as_str()).collect();
        assert_eq!(names, ["sobol", "ordered", "fine", "plain"]);
        assert_eq!(
            config.entrant("ordered").unwrap().strategy,
            Strategy::Grid { order: GridOrder::Lexicographic, size: crate::strategy::DEFAULT_GRID }
        );
        assert_eq!(
            config.entrant("fine").unwrap().strategy,
            Strategy::Grid { order: GridOrder::Shuffled, size: GridSize::Resolution(9) }
        );
        assert_eq!(config.entrant("random").unwrap(), Entrant::named("random").unwrap());
    }

    #[test]
    fn what_is_unknown_is_refused_with_its_place() {
        let unknown = refused("seeds = 3\ntrails = 30\n");
        assert!(unknown.starts_with("ablation.toml:2: unknown field `trails`"), "{unknown}");
        assert!(unknown.contains("`trials`"), "{unknown}");
        let setting = refused("[[strategy]]\nname = 'x'\nbase = 'grid'\nordr = 'shuffled'\n");
        assert!(setting.starts_with("ablation.toml:1: strategy `x`: `ordr`: unknown field `ordr`"));
        assert!(setting.contains("`order`") && setting.contains("`size`"), "{setting}");
        let base = refused("[[strategy]]\nname = 'x'\nbase = 'gird'\n");
        assert!(base.contains("did you mean `grid`?"), "{base}");
        let listed = refused("\nstrategies = ['random', 'sobl']\n");
        assert!(listed.starts_with("ablation.toml:2: unknown strategy `sobl`"), "{listed}");
        assert!(refused("trials = \n").starts_with("ablation.toml:1: "));
        assert!(refused("trials = -1\n").starts_with("ablation.toml:1: "));
    }

    #[test]
    fn a_setting_of_the_wrong_type_is_named_with_its_path() {
        let refused = |settings: &str| {
            refused(&format!("[[strategy]]\nname = 'x'\nbase = 'dqn-select-ucb'\n{settings}\n"))
        };
        let steps = refused("agent.discount = 0.5\nagent.steps = -1");
        assert!(
            steps.contains("strategy `x`: `agent.steps`: invalid value: integer `-1`"),
            "{steps}"
        );
        let hidden = refused("agent.value.dqn.hidden = 3");
        assert!(hidden.contains("`agent.value.dqn.hidden`: invalid type"), "{hidden}");
        let unknown = refused("agent.value.dqn.layers = 3");
        assert!(unknown.contains("`agent.value.dqn.layers`: unknown field `layers`"), "{unknown}");
        let whole =
            refused("agent.exploration.ucb.coefficient = { linear = { from = 1.0, to = 0.0 } }");
        assert!(
            whole.contains("`agent.exploration.ucb.coefficient`: missing field `trials`"),
            "{whole}"
        );
    }

    #[test]
    fn a_number_that_is_not_finite_is_refused_and_not_taken_for_none() {
        for number in ["nan", "inf", "-inf"] {
            let clip = refused(&format!(
                "[[strategy]]\nname = 'x'\nbase = 'dqn-select-ucb'\nagent.value.dqn.gradient-clip = {number}\n"
            ));
            let rule = "`agent.value.dqn.gradient-clip` of a [[strategy]] must be finite";
            assert!(clip.contains(rule), "{clip}");
        }
    }

    #[test]
    fn a_strategy_needs_a_name_of_its_own_and_a_base() {
        assert!(refused("[[strategy]]\nbase = 'grid'\n").contains("needs a `name`"));
        assert!(refused("[[strategy]]\nname = 'a b'\nbase = 'grid'\n").contains("needs a `name`"));
        assert!(refused("[[strategy]]\nname = 'grid'\nbase = 'grid'\n").contains("is taken"));
        assert!(refused("[[strategy]]\nname = 'x'\n").contains("needs either `base`"));
        let twice = "[[strategy]]\nname = 'x'\nbase = 'grid'\n".repeat(2);
        assert!(refused(&twice).starts_with("ablation.toml:4: strategy `x` is defined twice"));
    }

    #[test]
    fn tables_merge_and_variants_replace() {
        let mut settings = json!({"a": {"x": 1, "y": {"z": 2, "w": 3}}, "size": {"at-most": 9}});
        merge(&mut settings, json!({"a": {"y": {"z": 5}}, "size": {"resolution": 4}}));
        assert_eq!(
            settings,
            json!({"a": {"x": 1, "y": {"z": 5, "w": 3}}, "size": {"resolution": 4}})
        );
        merge(&mut settings, json!({"size": {"resolution": 6}, "a": "unit"}));
        assert_eq!(settings, json!({"a": "unit", "size": {"resolution": 6}}));
    }
}
