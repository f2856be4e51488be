//! A history as a task of a directory of tables.

use std::path::{Path, PathBuf};

use super::History;
use crate::error::{Error, Result};
use crate::lines::Lines;
use crate::persist::write_atomically;
use crate::space::{Choice, Configuration, Domain, Objective, SpaceDocument};

/// What [`History::write`] wrote.
#[derive(Debug, Clone)]
pub struct Written {
    /// The task's file.
    pub path: PathBuf,
    /// Its rows, each a configuration.
    pub rows: usize,
    /// How many of them are the mean of several trials.
    pub means: usize,
}

impl History {
    /// Writes the distinct configurations, each with its mean value ([`History::means`]), as a task of a
    /// directory of tables (see [`Table`](crate::surface::Table)). A new directory has the history's
    /// space; an existing one must have the same parameters, in any order, and the same objective.
    ///
    /// # Errors
    ///
    /// [`Error::Unsuited`] where the history has several objectives, the directory has another space or
    /// objective, its `meta_features.csv` lacks the task, a text has no place in a table (an empty one,
    /// or with spaces around it), or the task exists and `overwrite` is not set; [`Error::Setting`] for
    /// a name that no file can have; [`Error::Io`] where something cannot be written.
    pub fn write(
        &self,
        directory: impl AsRef<Path>,
        task: &str,
        overwrite: bool,
    ) -> Result<Written> {
        let directory = directory.as_ref();
        let unsuited = |reason: String| {
            Error::unsuited(format!("the task `{task}` of {}", directory.display()), reason)
        };
        check_name(task)?;
        if let [_, _, ..] = self.objectives.as_slice() {
            return Err(unsuited("a table has one objective".to_owned()));
        }
        if let Some(text) = unprintable(&self.document) {
            return Err(unsuited(format!(
                "a table holds neither empty texts nor spaces around them, and {text}"
            )));
        }
        let tasks = directory.join("tasks");
        let path = tasks.join(format!("{task}.csv"));
        if path.exists() && !overwrite {
            return Err(unsuited("it exists already (--force replaces it)".to_owned()));
        }
        let space_path = directory.join("space.json");
        let existing = match space_path.exists() {
            true => Some(SpaceDocument::read(&space_path)?),
            false => None,
        };
        let mut means = self.means();
        if let Some(existing) = &existing {
            if let Some(difference) = difference(existing, &self.document) {
                return Err(unsuited(format!(
                    "its directory has another space, the history {difference}; --space {} reads \
                     the history as of that space",
                    space_path.display()
                )));
            }
            let meta_path = directory.join("meta_features.csv");
            if meta_path.exists() && !names_task(&meta_path, task)? {
                return Err(unsuited(format!(
                    "{} has no line for it, and must have one for every task",
                    meta_path.display()
                )));
            }
            // The same parameters, perhaps in another order.
            for (configuration, _, _) in &mut means {
                let json = serde_json::to_value(&*configuration)
                    .map_err(|error| unsuited(error.to_string()))?;
                *configuration = Configuration::from_json(&existing.parameters, &json)?;
            }
        }
        let document = existing.as_ref().unwrap_or(&self.document);
        let text = table(document, &means).map_err(|error| unsuited(error.to_string()))?;
        std::fs::create_dir_all(&tasks).map_err(Error::io(&tasks))?;
        if existing.is_none() {
            let json = serde_json::to_string_pretty(document)
                .map_err(|error| unsuited(error.to_string()))?;
            write_atomically(&space_path, format!("{json}\n").as_bytes())?;
        }
        write_atomically(&path, &text)?;
        let repeated = means.iter().filter(|(_, _, trials)| *trials > 1).count();
        Ok(Written { path, rows: means.len(), means: repeated })
    }
}

/// Refuses what is no name of a file everywhere, or would hide it.
fn check_name(task: &str) -> Result<()> {
    let forbidden = |c: char| c.is_control() || r#"/\:*?"<>|#"#.contains(c);
    if task.is_empty() || task.trim() != task || task.starts_with('.') || task.contains(forbidden) {
        return Err(Error::setting(
            "import",
            "task",
            r#"a name without any of / \ : * ? " < > | #, without spaces around it and without a dot before it"#,
            format!("`{task}`"),
        ));
    }
    Ok(())
}

/// A text that would not be read back as it is.
fn unprintable(document: &SpaceDocument) -> Option<String> {
    let wrong = |text: &str| text.is_empty() || text.trim() != text;
    if wrong(&document.objective.name) {
        return Some(format!("the objective is named `{}`", document.objective.name));
    }
    document.parameters.parameters().iter().find_map(|parameter| {
        if wrong(&parameter.name) {
            return Some(format!("a parameter is named `{}`", parameter.name));
        }
        let Domain::Categorical { choices } = &parameter.domain else { return None };
        choices.iter().find_map(|choice| match choice {
            Choice::Text(text) if wrong(text) => {
                Some(format!("`{}` has the choice `{text}`", parameter.name))
            }
            _ => None,
        })
    })
}

/// In what a history differs from a directory that it is to become a task of.
fn difference(existing: &SpaceDocument, new: &SpaceDocument) -> Option<String> {
    if existing.objective != new.objective {
        let of = |objective: &Objective| format!("{} `{}`", objective.direction, objective.name);
        let (here, there) = (of(&existing.objective), of(&new.objective));
        return Some(format!("has the objective {there} instead of {here}"));
    }
    let (existing, new) = (&existing.parameters, &new.parameters);
    let same = existing.len() == new.len()
        && existing.parameters().iter().all(|parameter| new.parameters().contains(parameter));
    (!same).then(|| format!("has {}", existing.difference(new)))
}

/// Whether a file of meta-features has a line for a task.
fn names_task(path: &Path, task: &str) -> Result<bool> {
    for item in Lines::open(path)?.skip(1) {
        let (_, fields) = item?;
        if fields.first().is_some_and(|field| field == task) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn table(
    document: &SpaceDocument,
    means: &[(Configuration, f64, usize)],
) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let parameters = document.parameters.parameters();
    let names = parameters.iter().map(|parameter| parameter.name.as_str());
    writer.write_record(names.chain([document.objective.name.as_str()]))?;
    for (configuration, mean, _) in means {
        let entries: Vec<(&str, Choice)> = configuration.entries().collect();
        let cells = parameters.iter().map(|parameter| {
            let entry = entries.iter().find(|(name, _)| *name == parameter.name);
            entry.map_or_else(String::new, |(_, value)| value.to_string())
        });
        writer.write_record(cells.chain([mean.to_string()]))?;
    }
    writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))
}
