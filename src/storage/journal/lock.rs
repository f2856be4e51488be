//! The lock of a journal's writers: a file beside it that exists while one of them writes.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::with_suffix;
use crate::error::{Error, Result};

/// The first pause before another attempt; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The lock, held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    identity: Identity,
    /// Whether the lock of a dead writer was broken for it.
    pub broke_stale: bool,
}

/// What a lock is known by: when its link was made, `None` where it is gone.
type Identity = Option<SystemTime>;

impl Lock {
    /// Waits for the lock of a journal, whose path is absolute. A lock is broken once neither it nor
    /// the journal changed for `grace`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the lock cannot be made.
    pub(super) fn acquire(journal: &Path, grace: Duration) -> Result<Self> {
        let path = with_suffix(journal, ".lock");
        let mut pause = FIRST_PAUSE;
        let mut broke_stale = false;
        let mut seen = (SystemTime::UNIX_EPOCH.into(), None);
        let mut since = Instant::now();
        loop {
            match make(journal, &path) {
                Ok(()) => return Ok(Self { identity: identity(&path), path, broke_stale }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io(&path)(error)),
            }
            // Following the link gives the journal's own time: while somebody writes, it changes. The
            // link's time tells one holder from the next.
            let now = (identity(&path), modified(std::fs::metadata(&path)));
            if now != seen {
                seen = now;
                since = Instant::now();
            } else if since.elapsed() > grace {
                broke_stale |= release(&path);
                pause = FIRST_PAUSE;
                continue;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A holder that slept beyond the grace lost its lock: what is there now is another's.
        if identity(&self.path) == self.identity {
            release(&self.path);
        }
    }
}

/// Optuna's readers of the lock take any file for one; its link points to the journal.
#[cfg(unix)]
fn make(journal: &Path, lock: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(journal, lock)
}

#[cfg(not(unix))]
fn make(_: &Path, lock: &Path) -> io::Result<()> {
    std::fs::OpenOptions::new().write(true).create_new(true).open(lock).map(drop)
}

fn identity(lock: &Path) -> Identity {
    modified(std::fs::symlink_metadata(lock))
}

fn modified(metadata: io::Result<std::fs::Metadata>) -> Option<SystemTime> {
    metadata.and_then(|metadata| metadata.modified()).ok()
}

/// Renames the lock before it is removed, so that of two who release it one does. Whether it was this
/// one.
fn release(lock: &Path) -> bool {
    let unique = with_suffix(lock, &format!("{}.rename", uuid::Uuid::new_v4()));
    std::fs::rename(lock, &unique).is_ok() && std::fs::remove_file(&unique).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_millis(150);

    fn journal() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.log");
        std::fs::write(&path, "").unwrap();
        (directory, path)
    }

    fn entries(directory: &tempfile::TempDir) -> usize {
        std::fs::read_dir(directory.path()).unwrap().count()
    }

    #[test]
    fn a_lock_links_to_the_journal_and_leaves_nothing_behind() {
        let (directory, path) = journal();
        let lock = Lock::acquire(&path, GRACE).unwrap();
        assert!(!lock.broke_stale);
        let link = directory.path().join("journal.log.lock");
        #[cfg(unix)]
        assert_eq!(std::fs::read_link(&link).unwrap(), path);
        assert!(link.symlink_metadata().is_ok());
        drop(lock);
        assert_eq!(entries(&directory), 1);
    }

    #[test]
    fn holders_exclude_each_other() {
        let (directory, path) = journal();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..25 {
                        let _lock = Lock::acquire(&path, Duration::from_secs(30)).unwrap();
                        let text = std::fs::read_to_string(&path).unwrap();
                        let count: usize = text.parse().unwrap_or(0);
                        std::thread::yield_now();
                        std::fs::write(&path, (count + 1).to_string()).unwrap();
                    }
                });
            }
        });
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "100");
        assert_eq!(entries(&directory), 1);
    }

    #[test]
    fn a_stale_lock_is_broken_after_the_grace_even_where_its_link_dangles() {
        for target in ["journal.log", "elsewhere"] {
            let (directory, path) = journal();
            let link = directory.path().join("journal.log.lock");
            make(&directory.path().join(target), &link).unwrap();
            let begun = Instant::now();
            let lock = Lock::acquire(&path, GRACE).unwrap();
            assert!(lock.broke_stale && begun.elapsed() >= GRACE, "{target}");
            drop(lock);
            assert_eq!(entries(&directory), 1);
        }
    }

    #[test]
    fn a_journal_that_changes_keeps_its_lock() {
        let (directory, path) = journal();
        make(&path, &directory.path().join("journal.log.lock")).unwrap();
        let begun = Instant::now();
        let writing = GRACE * 4;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while begun.elapsed() < writing {
                    std::fs::write(&path, format!("{:?}", begun.elapsed())).unwrap();
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
            let lock = Lock::acquire(&path, GRACE).unwrap();
            assert!(lock.broke_stale && begun.elapsed() >= writing);
        });
    }

    #[test]
    fn who_lost_the_lock_does_not_release_the_next_holders() {
        let (directory, path) = journal();
        let lost = Lock::acquire(&path, GRACE).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        let held = Lock::acquire(&path, GRACE).unwrap();
        assert!(held.broke_stale);
        drop(lost);
        assert_eq!(entries(&directory), 2);
        drop(held);
        assert_eq!(entries(&directory), 1);
    }

    #[test]
    fn where_no_lock_can_be_made_the_error_names_it() {
        let (directory, _) = journal();
        let error = Lock::acquire(&directory.path().join("missing/j.log"), GRACE).unwrap_err();
        assert!(error.to_string().contains("missing/j.log.lock: "), "{error}");
    }
}
