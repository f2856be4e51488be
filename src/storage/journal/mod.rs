//! Optuna's journal file as a storage.
//!
//! The file is an append-only log, one JSON object a line; the state is its replay from the first
//! line. Workers in Rust and in Python (`optuna.storages.JournalStorage`) share a study by it, on one
//! host or over a network file system, and Optuna's dashboard opens it.
//!
//! Format, lock and the rules for which records count are those of Optuna 5 and 4.9
//! (`optuna/storages/journal`). One thing is added within the format: a worker takes over the running
//! trial of a dead one by the system attribute `hyperq:owner`, its new owner. What has no place in the
//! format lies in the directory `<path>.hyperq`.

mod lock;
mod log;
mod record;
mod repair;
mod state;
#[cfg(test)]
mod tests;
mod view;
mod write;

pub use repair::{Repair, Unreadable};

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value as Json;

use self::lock::Lock;
use self::log::Log;
use self::state::{Applied, Effect, Replay};
use self::view::View;
use super::{Change, NewTrial, Owner, Position, Storage, StoredTrial, TrialState, Write};
use crate::error::{Error, Result};
use crate::streams::{FNV1A_OF_NOTHING, fnv1a_further};
use crate::trial::Direction;

/// How a journal is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalOptions {
    /// How long a lock may be held without any writing before it counts as a dead writer's and is
    /// broken. Optuna's own default, 30 seconds, must not be undercut by much on a slow network file
    /// system.
    pub grace: Duration,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self { grace: Duration::from_secs(30) }
    }
}

/// Optuna's journal file.
///
/// ```
/// use hyperq::storage::{Change, Journal, NewTrial, Storage, TrialState, Write};
/// use hyperq::trial::Direction;
///
/// let directory = tempfile::tempdir().unwrap();
/// let mut journal = Journal::open(directory.path().join("journal.log"))?;
/// journal.bind("svm", Some(&[Direction::Maximize]))?;
/// let trial = journal.create(NewTrial::Running)?;
/// let values = Some(vec![0.9]);
/// journal.write(&[Write::Finish { trial, state: TrialState::Complete, values }])?;
/// assert_eq!(journal.next(), Some(Change::Created(0)));
/// assert_eq!(journal.next(), Some(Change::Finished(0)));
/// assert_eq!(journal.trials()[0].values, Some(vec![0.9]));
/// # Ok::<(), hyperq::Error>(())
/// ```
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    beside: PathBuf,
    options: JournalOptions,
    owner: Owner,
    log: Log,
    replay: Replay,
    bound: Option<Bound>,
    /// The changes of the study that were read and not handed out, each with the fingerprint of all up
    /// to it.
    queue: VecDeque<(Effect, u64)>,
    /// The fingerprint of all changes read.
    fingerprint: u64,
    view: View,
    position: Position,
}

/// The study that a handle speaks of.
#[derive(Debug)]
struct Bound {
    name: String,
    /// `None` until its creation is read.
    study: Option<usize>,
    directions: Vec<Direction>,
    /// Whether the study is found. Until then the name may be that of one which is deleted further on.
    settled: bool,
}

impl Journal {
    /// Opens a journal, which is created where it is missing; its directory must exist.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where it can neither be read nor be created.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, JournalOptions::default())
    }

    /// Opens a journal with other options.
    ///
    /// # Errors
    ///
    /// As [`Journal::open`].
    pub fn open_with(path: impl AsRef<Path>, options: JournalOptions) -> Result<Self> {
        let path = absolute(path.as_ref())?;
        if !path.exists() {
            std::fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(&path)
                .and_then(|file| file.sync_all())
                .map_err(Error::io(&path))?;
            sync_directory(&path);
        }
        let metadata = std::fs::metadata(&path).map_err(Error::io(&path))?;
        if !metadata.is_file() {
            let source = std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                "a journal is a regular file",
            );
            return Err(Error::Io { path, source });
        }
        Ok(Self {
            beside: with_suffix(&path, ".hyperq"),
            options,
            owner: Owner(uuid::Uuid::new_v4().to_string()),
            log: Log::new(path.clone()),
            replay: Replay::default(),
            bound: None,
            queue: VecDeque::new(),
            fingerprint: FNV1A_OF_NOTHING,
            view: View::default(),
            position: Position { changes: 0, fingerprint: FNV1A_OF_NOTHING },
            path,
        })
    }

    fn forget_changes(&mut self) {
        self.queue.clear();
        self.fingerprint = FNV1A_OF_NOTHING;
        self.view = View::default();
        self.position = Position { changes: 0, fingerprint: FNV1A_OF_NOTHING };
    }

    /// Reads to the end of the file.
    fn read(&mut self) -> Result<()> {
        let mut scratch = String::new();
        // The log moves on while its records are applied to the rest of the handle.
        let mut log = std::mem::replace(&mut self.log, Log::new(PathBuf::new()));
        let result = log.read(|number, line| {
            self.apply(line, &mut scratch)
                .map_err(|found| unreadable(&self.path, number, line, &found))
        });
        self.log = log;
        result
    }

    /// Applies a line. The error says what makes it unreadable.
    fn apply(&mut self, line: &[u8], scratch: &mut String) -> Result<(), String> {
        let applied = self.replay.apply(record::read(line, scratch)?)?;
        let Some(bound) = &mut self.bound else { return Ok(()) };
        match applied {
            Applied::Study(study)
                if !bound.settled && self.replay.studies()[study].name == bound.name =>
            {
                bound.study = Some(study);
                self.forget_changes();
            }
            Applied::Changed { study, first, second } if bound.study == Some(study) => {
                self.fingerprint = fnv1a_further(self.fingerprint, line);
                self.queue.push_back((first, self.fingerprint));
                if let Some(second) = second {
                    self.fingerprint = fnv1a_further(self.fingerprint, b"\n");
                    self.queue.push_back((second, self.fingerprint));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Finds or creates the study of the bound name.
    fn settle(&mut self, name: &str, directions: Option<&[Direction]>) -> Result<()> {
        let at = self.at(name);
        self.read()?;
        if self.replay.study(name).is_none() {
            let directions = directions.ok_or_else(|| {
                Error::storage(&at, "a study that is to be opened must exist", "none of this name")
            })?;
            if directions.is_empty() {
                return Err(Error::storage(&at, "a study has at least one objective", "none"));
            }
            let lock = Lock::acquire(&self.path, self.options.grace)?;
            self.read()?;
            if self.replay.study(name).is_none() {
                let line = self.study_line(name, directions)?;
                self.append(&lock, &line, true)?;
            }
        }
        let study = self.replay.study(name);
        let found = study.and_then(|study| self.replay.studies()[study].directions.clone());
        let found = found.ok_or_else(|| {
            Error::storage(&at, "every objective must have a direction", "one without")
        })?;
        if let Some(wanted) = directions.filter(|wanted| **wanted != found) {
            return Err(Error::storage(
                &at,
                format!("the directions must be those of the study, {found:?}"),
                format!("{wanted:?}"),
            ));
        }
        self.bound = Some(Bound { name: name.to_owned(), study, directions: found, settled: true });
        Ok(())
    }

    /// The id of the study that the handle is bound to.
    fn study(&self) -> Result<usize> {
        self.bound
            .as_ref()
            .and_then(|bound| bound.study)
            .ok_or_else(|| Error::storage(self.location(), "must be bound to a study", "none yet"))
    }

    /// A study of the journal, for messages.
    fn at(&self, study: &str) -> String {
        format!("{}: study `{study}`", self.path.display())
    }

    /// Appends lines under the lock, where all before them is read, and reads them.
    fn append(&mut self, lock: &Lock, lines: &str, durable: bool) -> Result<()> {
        self.log.append(lock, lines.as_bytes(), durable)?;
        self.read()
    }
}

impl Storage for Journal {
    fn location(&self) -> String {
        self.path.display().to_string()
    }

    fn studies(&mut self) -> Result<Vec<String>> {
        self.read()?;
        let studies = self.replay.studies().iter().filter(|study| !study.deleted);
        Ok(studies.map(|study| study.name.clone()).collect())
    }

    fn bind(&mut self, study: &str, directions: Option<&[Direction]>) -> Result<()> {
        // The changes of a study are kept from when its name is known.
        self.log = Log::new(self.path.clone());
        self.replay = Replay::default();
        self.forget_changes();
        self.bound = Some(Bound {
            name: study.to_owned(),
            study: None,
            directions: Vec::new(),
            settled: false,
        });
        let settled = self.settle(study, directions);
        if settled.is_err() {
            self.bound = None;
            self.forget_changes();
        }
        settled
    }

    fn set_owner(&mut self, owner: Owner) {
        self.owner = owner;
    }

    fn owner(&self) -> &Owner {
        &self.owner
    }

    fn directions(&self) -> &[Direction] {
        self.bound.as_ref().map_or(&[], |bound| &bound.directions)
    }

    fn attribute(&self, key: &str) -> Option<&Json> {
        self.view.attributes.get(key)
    }

    fn set_attribute(&mut self, key: &str, value: Json) -> Result<()> {
        let study = self.study()?;
        let lock = Lock::acquire(&self.path, self.options.grace)?;
        self.refresh()?;
        let line = self.attribute_line(study, key, value)?;
        self.append(&lock, &line, true)
    }

    fn refresh(&mut self) -> Result<()> {
        self.read()?;
        match &self.bound {
            Some(Bound { name, study: Some(study), .. })
                if self.replay.studies()[*study].deleted =>
            {
                Err(Error::storage(
                    self.at(name),
                    "a study must stay while it is in use",
                    "that it was deleted",
                ))
            }
            _ => Ok(()),
        }
    }

    fn next(&mut self) -> Option<Change> {
        let (effect, fingerprint) = self.queue.pop_front()?;
        self.position = Position { changes: self.position.changes + 1, fingerprint };
        Some(self.view.apply(effect))
    }

    fn trials(&self) -> &[StoredTrial] {
        &self.view.trials
    }

    fn position(&self) -> Option<Position> {
        Some(self.position)
    }

    fn create(&mut self, trial: NewTrial) -> Result<u64> {
        let study = self.study()?;
        let lock = Lock::acquire(&self.path, self.options.grace)?;
        self.refresh()?;
        let number = self.replay.trials(study);
        let durable = !matches!(trial, NewTrial::Running);
        let line = self.trial_line(study, number, trial)?;
        self.append(&lock, &line, durable)?;
        Ok(number)
    }

    fn claim(&mut self, trial: u64, from: Option<&Owner>) -> Result<bool> {
        let study = self.study()?;
        let lock = Lock::acquire(&self.path, self.options.grace)?;
        self.refresh()?;
        let (id, known) = self.known(study, trial)?;
        let line = match from {
            None if known.state == TrialState::Waiting => self.claim_line(id)?,
            Some(from)
                if known.state == TrialState::Running && known.owner.as_ref() == Some(from) =>
            {
                self.takeover_line(id)?
            }
            _ => return Ok(false),
        };
        self.append(&lock, &line, true)?;
        Ok(true)
    }

    fn write(&mut self, writes: &[Write]) -> Result<()> {
        let study = self.study()?;
        let lock = Lock::acquire(&self.path, self.options.grace)?;
        self.refresh()?;
        let lines = self.lines(study, writes)?;
        if lines.is_empty() {
            return Ok(());
        }
        self.append(&lock, &lines, true)
    }

    fn beside(&self) -> Option<&Path> {
        Some(&self.beside)
    }
}

/// A path that stays valid when the working directory changes. Links in it are kept, since the lock
/// lies beside the path as it is given.
fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(Error::io(path))
}

/// Makes the entry of a new file durable.
fn sync_directory(file: &Path) {
    // Not every system opens a directory, nor every file system syncs one: there the entry becomes
    // durable when the system sees fit.
    if let Some(directory) = file.parent().and_then(|parent| std::fs::File::open(parent).ok()) {
        let _ = directory.sync_all();
    }
}

/// A path beside another.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The error of a line that is no record.
fn unreadable(path: &Path, number: u64, line: &[u8], found: &str) -> Error {
    const SHOWN: usize = 60;
    let shown = String::from_utf8_lossy(&line[..line.len().min(SHOWN)]);
    let more = if line.len() > SHOWN { "..." } else { "" };
    Error::file(
        path,
        number,
        "a record of Optuna's journal is needed (`hyperq repair` moves unreadable lines out)",
        format!("{found}, in `{}{more}`", shown.escape_debug()),
    )
}
