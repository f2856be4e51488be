//! Making a journal whole again after a crash.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::lock::Lock;
use super::record;
use super::state::{Applied, Replay};
use super::{Journal, JournalOptions, absolute, with_suffix};
use crate::error::{Error, Result};
use crate::persist::write_atomically;

/// What [`Journal::repair`] does with lines that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unreadable {
    /// They stay where they are; no reader gets beyond the first of them.
    #[default]
    Keep,
    /// They are appended to `<path>.rejected` and taken out of the journal. No worker may have the
    /// journal open.
    Move,
}

/// What [`Journal::repair`] found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repair {
    /// The bytes of the last line, which a crash tore; they were cut off.
    pub torn: u64,
    /// Whether the lock of a dead writer was broken.
    pub stale_lock: bool,
    /// The readable records.
    pub records: u64,
    /// The lines that are no records, from 1, each with what was found there.
    pub unreadable: Vec<(u64, String)>,
    /// Where those lines were moved.
    pub rejected: Option<PathBuf>,
}

impl Journal {
    /// Makes a journal whole again: breaks the lock of a dead writer, cuts off a last line that a crash
    /// tore, and finds the lines that are no records, of which every reader's replay ends.
    ///
    /// To know a dead writer from a slow one takes up to the options' grace.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the file is missing or cannot be written. [`Error::Storage`] where lines are
    /// to be moved and a later record shows that one of them had created a trial or a study: ids are
    /// positions in a journal, so that without the line all further records would be another trial's.
    pub fn repair(
        path: impl AsRef<Path>,
        unreadable: Unreadable,
        options: &JournalOptions,
    ) -> Result<Repair> {
        let path = absolute(path.as_ref())?;
        // Before the lock is made, lest a mistyped path gets one.
        std::fs::metadata(&path).map_err(Error::io(&path))?;
        let lock = Lock::acquire(&path, options.grace)?;
        let bytes = std::fs::read(&path).map_err(Error::io(&path))?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let mut repair = Repair {
            torn: (bytes.len() - whole) as u64,
            stale_lock: lock.broke_stale,
            ..Repair::default()
        };

        let mut replay = Replay::default();
        let mut scratch = String::new();
        let mut dangling = None;
        let (mut readable, mut rejected) = (Vec::new(), Vec::new());
        for (line, number) in bytes[..whole].split_inclusive(|byte| *byte == b'\n').zip(1..) {
            let read = record::read(line.strip_suffix(b"\n").unwrap_or(line), &mut scratch);
            match read.and_then(|line| replay.apply(line)) {
                Ok(applied) => {
                    repair.records += 1;
                    readable.push(line);
                    if matches!(applied, Applied::Unknown) && !rejected.is_empty() {
                        dangling.get_or_insert(number);
                    }
                }
                Err(found) => {
                    repair.unreadable.push((number, found));
                    rejected.push(line);
                }
            }
        }

        if repair.torn > 0 {
            let file = std::fs::OpenOptions::new().write(true).open(&path);
            file.and_then(|file| file.set_len(whole as u64).and_then(|()| file.sync_all()))
                .map_err(Error::io(&path))?;
        }
        if unreadable == Unreadable::Move && !rejected.is_empty() {
            if let Some(number) = dangling {
                return Err(Error::storage(
                    path.display().to_string(),
                    format!(
                        "unreadable lines may be moved out where no trial was created by them \
                         (line {})",
                        repair.unreadable[0].0
                    ),
                    format!("line {number}, which speaks of a trial or study that then is missing"),
                ));
            }
            let beside = with_suffix(&path, ".rejected");
            std::fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(&beside)
                .and_then(|mut file| {
                    file.write_all(&rejected.concat()).and_then(|()| file.sync_all())
                })
                .map_err(Error::io(&beside))?;
            let permissions = std::fs::metadata(&path).map_err(Error::io(&path))?.permissions();
            write_atomically(&path, &readable.concat())?;
            std::fs::set_permissions(&path, permissions).map_err(Error::io(&path))?;
            repair.rejected = Some(beside);
        }
        Ok(repair)
    }
}
