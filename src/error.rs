//! The one error type of the crate.
//!
//! Every variant says what was given, the rule that it broke and where it stood.

use std::path::{Path, PathBuf};

/// `Result` with the crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong: what was asked, the rule that it broke, what was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A search space that cannot be built.
    #[error("search space: parameter `{parameter}`: {rule}, found {found}")]
    Space {
        /// The parameter at fault.
        parameter: String,
        /// The rule that it broke.
        rule: String,
        /// What was given.
        found: String,
    },
    /// A configuration that does not belong to its search space.
    #[error("configuration: parameter `{parameter}`: {rule}, found {found}")]
    Configuration {
        /// The parameter at fault.
        parameter: String,
        /// The rule that it broke.
        rule: String,
        /// What was given.
        found: String,
    },
    /// A line of a file that does not follow the file's format.
    #[error("{}:{line}: {rule}, found {found}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The rule that was broken.
        rule: String,
        /// What was found there.
        found: String,
    },
    /// A place in a file that is not told by a line (a byte, a node of a graph, a parameter) and does not
    /// follow the file's format.
    #[error("{}: {place}: {rule}, found {found}", path.display())]
    Place {
        /// The file.
        path: PathBuf,
        /// Where in it.
        place: String,
        /// The rule that was broken.
        rule: String,
        /// What was found there.
        found: String,
    },
    /// A setting of an algorithm or of a command outside its range.
    #[error("{owner}: `{setting}` must be {rule}, found {found}")]
    Setting {
        /// The algorithm, strategy or command that the setting belongs to.
        owner: String,
        /// The setting's name.
        setting: String,
        /// What the setting must be.
        rule: String,
        /// What was given.
        found: String,
    },
    /// Parts that do not fit together, refused when they are put together.
    #[error("{what} cannot be built: {reason}")]
    Unsuited {
        /// What was to be built.
        what: String,
        /// What is missing.
        reason: String,
    },
    /// A name that nothing is registered under.
    #[error("unknown {kind} `{name}`; {hint}")]
    Unknown {
        /// What kind of thing was looked up.
        kind: &'static str,
        /// The name that was given.
        name: String,
        /// The nearest known names, or where to find them.
        hint: String,
    },
    /// A trial that is not in the state that the call needs.
    #[error("trial {id}: {rule}")]
    Trial {
        /// The number of the trial.
        id: u64,
        /// The rule that was broken.
        rule: String,
    },
    /// A snapshot that cannot be read back.
    #[error("snapshot: `{at}`: {problem}")]
    Snapshot {
        /// The component and key.
        at: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A storage that cannot be used as it is.
    #[error("{at}: {rule}, found {found}")]
    Storage {
        /// The storage and the study in it.
        at: String,
        /// The rule that was broken.
        rule: String,
        /// What was found there.
        found: String,
    },
    /// An evaluation that failed. Studies record it as a failed trial and go on.
    #[error("evaluation failed: {0}")]
    Evaluation(String),
    /// A file that could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn space(parameter: &str, rule: impl Into<String>, found: impl ToString) -> Self {
        Self::Space { parameter: parameter.to_owned(), rule: rule.into(), found: found.to_string() }
    }

    pub(crate) fn configuration(
        parameter: &str,
        rule: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        Self::Configuration {
            parameter: parameter.to_owned(),
            rule: rule.into(),
            found: found.to_string(),
        }
    }

    pub(crate) fn file(
        path: &Path,
        line: u64,
        rule: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        Self::File { path: path.to_owned(), line, rule: rule.into(), found: found.to_string() }
    }

    pub(crate) fn setting(
        owner: impl Into<String>,
        setting: &str,
        rule: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        Self::Setting {
            owner: owner.into(),
            setting: setting.to_owned(),
            rule: rule.into(),
            found: found.to_string(),
        }
    }

    pub(crate) fn unsuited(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Unsuited { what: what.into(), reason: reason.into() }
    }

    pub(crate) fn snapshot(at: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Snapshot { at: at.into(), problem: problem.into() }
    }

    pub(crate) fn storage(
        at: impl Into<String>,
        rule: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        Self::Storage { at: at.into(), rule: rule.into(), found: found.to_string() }
    }

    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    /// An unknown name, with the nearest of the known ones as a hint.
    pub(crate) fn unknown<'a>(
        kind: &'static str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
        listing: &str,
    ) -> Self {
        let nearest = known
            .into_iter()
            .map(|candidate| (edit_distance(name, candidate), candidate))
            .min()
            .filter(|(distance, candidate)| *distance <= candidate.len().max(name.len()) / 2);
        let hint = match nearest {
            Some((_, candidate)) => format!("did you mean `{candidate}`? {listing}"),
            None => listing.to_owned(),
        };
        Self::Unknown { kind, name: name.to_owned(), hint }
    }
}

/// Levenshtein distance over characters, for "did you mean".
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substitution = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substitution.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_suggests_the_nearest_one() {
        let error = Error::unknown("strategy", "sobl", ["random", "sobol"], "see the list");
        assert_eq!(
            error.to_string(),
            "unknown strategy `sobl`; did you mean `sobol`? see the list"
        );
    }

    #[test]
    fn edit_distance_counts_insertions_deletions_and_substitutions() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("same", "same"), 0);
    }
}
