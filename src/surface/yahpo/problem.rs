//! What is wrong with a file, before it is said which file it is.

use std::path::Path;

use crate::error::Error;

/// A broken rule with its place in a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Problem {
    pub place: String,
    pub rule: String,
    pub found: String,
}

impl Problem {
    pub(super) fn new(
        place: impl Into<String>,
        rule: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        Self { place: place.into(), rule: rule.into(), found: found.to_string() }
    }

    /// The error that names the file too.
    pub(super) fn of(path: &Path) -> impl FnOnce(Self) -> Error + '_ {
        |Self { place, rule, found }| Error::Place { path: path.to_owned(), place, rule, found }
    }
}
