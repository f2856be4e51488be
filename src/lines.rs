//! CSV files line by line, so that an error can say where it is.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The records of a CSV file with the lines that they begin on; blank lines are skipped.
pub(crate) struct Lines {
    path: PathBuf,
    text: Vec<u8>,
    records: csv::StringRecordsIntoIter<std::io::Cursor<Vec<u8>>>,
    /// The lines are counted up to this byte.
    counted: usize,
    line: u64,
}

impl Lines {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where it cannot be read.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Ok(Self::of(path, std::fs::read(path).map_err(Error::io(path))?))
    }

    /// The lines of a text that stands in a file of this name.
    pub(crate) fn of(path: &Path, text: Vec<u8>) -> Self {
        // The number of fields is checked by the callers, with the file and the line in the message.
        let records = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(std::io::Cursor::new(text.clone()))
            .into_records();
        Self { path: path.to_owned(), text, records, counted: 0, line: 1 }
    }

    /// The line of the record that the reader found at a position. The position itself is where the
    /// record before it ended, which is above blank lines and amid a `\r\n`.
    fn line(&mut self, position: Option<&csv::Position>) -> u64 {
        let from = position.map_or(0, |position| position.byte() as usize).min(self.text.len());
        let blank = self.text[from..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
        let to = from + blank.count();
        let ends = self.text[self.counted.min(to)..to].iter().filter(|byte| **byte == b'\n');
        self.line += ends.count() as u64;
        self.counted = to;
        self.line
    }
}

impl Iterator for Lines {
    type Item = Result<(u64, Vec<String>)>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match self.records.next()? {
            Ok(record) => {
                let line = self.line(record.position());
                Ok((line, record.iter().map(str::to_owned).collect()))
            }
            Err(error) => {
                let line = self.line(error.position());
                let (rule, found) = match error.into_kind() {
                    csv::ErrorKind::Utf8 { err, .. } => ("the text must be UTF-8", err.to_string()),
                    other => ("a row of CSV is needed", format!("{other:?}")),
                };
                Err(Error::file(&self.path, line, rule, found))
            }
        })
    }
}
