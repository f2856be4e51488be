//! Workers: who of those that share a study is alive.
//!
//! A worker holds a slot beside the storage, `worker-0`, `worker-1`, ...: a directory with its snapshots
//! and a file, `alive`, on which it holds a lock for as long as it lives. The operating system gives the
//! lock back when the process ends, however it ends, so a worker is dead where its lock is free or its slot
//! is another's: no clock is compared, and a killed worker's trials can be taken over at once. The next
//! worker takes the first free slot, and with it the state of the agent that lived there.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::storage::Owner;

/// More workers than this on one storage are refused: something holds on to slots.
const SLOTS: u32 = 4096;
/// Trials of such an owner are taken over when it is dead.
const LIVING: &str = "hyperq";
/// Trials of such an owner outlive its process: `hyperq ask` hands them to somebody else.
const HELD: &str = "hyperq-held";

/// A slot that this process holds.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) directory: PathBuf,
    pub(super) slot: u32,
    /// Locked until it is dropped.
    alive: File,
}

impl Worker {
    /// Takes the first free slot.
    pub(super) fn take(beside: &Path) -> Result<Self> {
        for slot in 0..SLOTS {
            let directory = slot_directory(beside, slot);
            std::fs::create_dir_all(&directory).map_err(Error::io(&directory))?;
            let path = directory.join("alive");
            let alive = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(Error::io(&path))?;
            match alive.try_lock() {
                Ok(()) => return Ok(Self { directory, slot, alive }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(Error::io(&path)(error)),
            }
        }
        Err(Error::storage(
            beside.display().to_string(),
            format!("a study takes at most {SLOTS} workers at a time"),
            "no free slot",
        ))
    }

    /// Says whose the slot is from now on.
    pub(super) fn sign(&mut self, owner: &Owner) -> Result<()> {
        let path = self.directory.join("alive");
        self.alive
            .set_len(0)
            .and_then(|()| self.alive.seek(SeekFrom::Start(0)))
            .and_then(|_| self.alive.write_all(owner.0.as_bytes()))
            .map_err(Error::io(&path))
    }
}

fn slot_directory(beside: &Path, slot: u32) -> PathBuf {
    beside.join(format!("worker-{slot}"))
}

/// A name that no other worker has: lineage, slot and something unique.
pub(super) fn new_owner(lineage: &str, slot: u32, held: bool) -> Owner {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    let kind = if held { HELD } else { LIVING };
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    Owner(format!("{kind}:{lineage}:{slot}:{}-{now:x}-{count}", std::process::id()))
}

/// Whether a trial of this owner was asked for by the agent of this lineage and slot, in this process or
/// in one before it.
pub(super) fn is_of(owner: &Owner, lineage: &str, slot: u32) -> bool {
    let mut parts = owner.0.split(':');
    matches!(parts.next(), Some(LIVING | HELD))
        && parts.next() == Some(lineage)
        && parts.next().and_then(|part| part.parse().ok()) == Some(slot)
}

/// Whether the owner is a worker of this crate that lives no more. Of others nothing is known.
pub(super) fn is_dead(owner: &Owner, beside: &Path) -> bool {
    let mut parts = owner.0.split(':');
    if parts.next() != Some(LIVING) || parts.next().is_none() {
        return false;
    }
    let Some(slot) = parts.next().and_then(|part| part.parse().ok()) else { return false };
    let Ok(mut file) =
        OpenOptions::new().read(true).write(true).open(slot_directory(beside, slot).join("alive"))
    else {
        return false;
    };
    match file.try_lock() {
        Ok(()) => true,
        Err(TryLockError::Error(_)) => false,
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Its holder signs right after locking: an empty slot is about to be somebody's.
            file.read_to_string(&mut holder).is_ok() && !holder.is_empty() && holder != owner.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_dead_when_its_lock_is_free_or_its_slot_is_anothers() {
        let beside = tempfile::tempdir().unwrap();
        let mut first = Worker::take(beside.path()).unwrap();
        let owner = new_owner("abc", first.slot, false);
        first.sign(&owner).unwrap();
        assert!(!is_dead(&owner, beside.path()));
        let second = Worker::take(beside.path()).unwrap();
        assert_eq!((first.slot, second.slot), (0, 1));
        drop(first);
        assert!(is_dead(&owner, beside.path()));
        let mut third = Worker::take(beside.path()).unwrap();
        assert_eq!(third.slot, 0);
        let successor = new_owner("abc", 0, false);
        third.sign(&successor).unwrap();
        assert!(is_dead(&owner, beside.path()) && !is_dead(&successor, beside.path()));
        assert!(is_of(&owner, "abc", 0) && !is_of(&owner, "abc", 1) && !is_of(&owner, "abd", 0));
        // Nothing is known of others, and held trials wait for whoever was handed them.
        assert!(!is_dead(&Owner("0a1b-python".into()), beside.path()));
        assert!(!is_dead(&new_owner("abc", 9, true), beside.path()));
    }
}
