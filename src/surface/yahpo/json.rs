//! JSON files with the place of what is wrong in them.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// Reads a file that holds `what`.
pub(super) fn read<T: DeserializeOwned>(path: &Path, what: &str) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    serde_json::from_str(&text).map_err(|error| {
        let message = error.to_string();
        // The message ends with the place, of which the error names the line already.
        let message = message.rsplit_once(" at line ").map_or(&*message, |(head, _)| head);
        Error::file(path, error.line() as u64, format!("{what} is needed"), message)
    })
}
