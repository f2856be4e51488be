//! The one error type of the generator.

use std::path::{Path, PathBuf};

/// `Result` with the generator's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong: the place, the rule that was broken and what was found there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A line of a file that does not follow the file's format.
    #[error("{file}:{line}: {rule}, found {found}")]
    Line {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// The rule that was broken.
        rule: String,
        /// What was found there.
        found: String,
    },
    /// A file that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file with other contents than it must have.
    #[error("{file}: {rule}, found {found}")]
    Contents {
        /// The file.
        file: String,
        /// The rule that was broken.
        rule: String,
        /// What was found there.
        found: String,
    },
    /// A source that could not be fetched.
    #[error("{url} cannot be fetched: {reason}")]
    Fetch {
        /// What was asked for.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// A name that nothing is registered under.
    #[error("unknown {kind} `{name}`; known are {known}")]
    Unknown {
        /// What kind of thing was looked up.
        kind: &'static str,
        /// The name that was given.
        name: String,
        /// All names.
        known: String,
    },
    /// A training that failed or diverged. It is a result like others: its row of the table has no
    /// accuracy.
    #[error("the training failed: {0}")]
    Training(String),
    /// An error of hyperq, such as a parameter that a configuration lacks.
    #[error(transparent)]
    Hyperq(#[from] hyperq::Error),
    /// An error of candle.
    #[error("candle: {0}")]
    Candle(#[from] candle_core::Error),
}

impl Error {
    /// Makes an [`Error::Io`] of what the system said about `path`.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { path, source }
    }

    /// A file with other contents than it must have.
    pub fn contents(
        file: impl Into<String>,
        rule: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Contents { file: file.into(), rule: rule.into(), found: found.into() }
    }

    /// A line that does not follow its file's format.
    pub fn line(
        file: impl Into<String>,
        line: u64,
        rule: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Line { file: file.into(), line, rule: rule.into(), found: found.into() }
    }
}
