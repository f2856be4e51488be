//! The file of a journal: lines at its end, read by anybody, appended under the lock.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use super::lock::Lock;
use crate::error::{Error, Result};

/// How many bytes before the place of reading are compared, to notice a file that was replaced.
const ANCHOR: usize = 64;

/// A place in a journal's file, up to which it was read.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    /// The bytes and the lines before the place.
    offset: u64,
    lines: u64,
    /// The last bytes before the place.
    anchor: Vec<u8>,
    /// The length of the line behind the place that has no end, as of the last reading.
    torn: u64,
}

impl Log {
    /// The beginning of the file.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, offset: 0, lines: 0, anchor: Vec::new(), torn: 0 }
    }

    /// Reads on. Every line that is complete is handed to `record` with its number, without its end;
    /// the place moves behind it where that succeeds.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the file cannot be read, [`Error::Storage`] where it was shortened or
    /// replaced since; what `record` returns.
    pub(super) fn read(&mut self, mut record: impl FnMut(u64, &[u8]) -> Result<()>) -> Result<()> {
        let mut file = File::open(&self.path).map_err(Error::io(&self.path))?;
        let length = file.metadata().map_err(Error::io(&self.path))?.len();
        if length == self.offset && self.torn == 0 {
            return Ok(());
        }
        let anchored = self.offset - self.anchor.len() as u64;
        file.seek(SeekFrom::Start(anchored)).map_err(Error::io(&self.path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(Error::io(&self.path))?;
        if !bytes.starts_with(&self.anchor) {
            return Err(Error::storage(
                self.path.display().to_string(),
                "a journal may only grow while it is open",
                "a file that was shortened or replaced; open it again",
            ));
        }
        let mut place = self.anchor.len();
        let mut result = Ok(());
        while let Some(length) = bytes[place..].iter().position(|byte| *byte == b'\n') {
            result = record(self.lines + 1, &bytes[place..place + length]);
            if result.is_err() {
                break;
            }
            place += length + 1;
            self.lines += 1;
        }
        self.torn = (bytes.len() - place) as u64;
        self.offset = anchored + place as u64;
        self.anchor = bytes[place.saturating_sub(ANCHOR)..place].to_vec();
        result
    }

    /// Appends whole lines, after the file was read to its end under the same lock. A line that a
    /// crash tore is cut off before. Where the writing fails the file is as it was. The place does not
    /// move.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the file cannot be written; [`Error::Storage`] where somebody writes
    /// without the lock.
    pub(super) fn append(&self, _lock: &Lock, lines: &[u8], durable: bool) -> Result<()> {
        let io_error = || Error::io(&self.path);
        let mut file = OpenOptions::new().append(true).open(&self.path).map_err(io_error())?;
        let length = file.metadata().map_err(io_error())?.len();
        if length != self.offset + self.torn {
            return Err(Error::storage(
                self.path.display().to_string(),
                "a journal is written under its lock",
                "bytes that were written without",
            ));
        }
        if self.torn > 0 {
            file.set_len(self.offset).map_err(io_error())?;
        }
        let written = file.write_all(lines).and_then(|()| match durable {
            true => file.sync_data(),
            false => Ok(()),
        });
        written.map_err(|error| {
            let taken_back = file.set_len(self.offset).err();
            io_error()(match taken_back {
                None => error,
                Some(also) => io::Error::new(
                    error.kind(),
                    format!("{error}; what was written could not be taken back: {also}"),
                ),
            })
        })
    }
}
