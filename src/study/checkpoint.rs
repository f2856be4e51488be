//! Snapshots of the agent beside a storage.
//!
//! The storage holds every trial, and an agent's state is a function of the changes in it, so a snapshot
//! only saves time: what came after it is replayed, and one that is missing, damaged or of another agent is
//! as if there were none.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::store::{free_arrays, is_arrays, remove_others};
use crate::error::{Error, Result};
use crate::persist::{Snapshot, write_atomically};
use crate::storage::Position;
use crate::streams::fnv1a;

const FILE: &str = "snapshot.json";
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct SnapshotFile {
    format: u32,
    /// Whose state it is.
    lineage: String,
    position: Position,
    arrays: String,
    /// Of everything else and of the arrays.
    checksum: u64,
    state: BTreeMap<String, serde_json::Value>,
}

impl SnapshotFile {
    fn sum(&self, arrays: &[u8]) -> Result<u64> {
        let head = (self.format, &self.lineage, self.position, &self.arrays, &self.state);
        let mut bytes =
            serde_json::to_vec(&head).map_err(|e| Error::snapshot(FILE, e.to_string()))?;
        bytes.extend_from_slice(arrays);
        Ok(fnv1a(&bytes))
    }
}

/// Writes the state that an agent has at a position, whole or not at all.
pub(super) fn write(
    directory: &Path,
    lineage: &str,
    position: Position,
    snapshot: &Snapshot,
) -> Result<()> {
    let mut file = SnapshotFile {
        format: FORMAT,
        lineage: lineage.to_owned(),
        position,
        arrays: free_arrays(directory),
        checksum: 0,
        state: snapshot.json().clone(),
    };
    let bytes = snapshot.arrays_to_bytes()?;
    file.checksum = file.sum(&bytes)?;
    write_atomically(&directory.join(&file.arrays), &bytes)?;
    let text = serde_json::to_vec(&file).map_err(|e| Error::snapshot(FILE, e.to_string()))?;
    write_atomically(&directory.join(FILE), &text)?;
    remove_others(directory, &file.arrays);
    Ok(())
}

/// The last state of the agent of this lineage.
pub(super) fn read(directory: &Path, lineage: &str) -> Option<(Position, Snapshot)> {
    let text = std::fs::read(directory.join(FILE)).ok()?;
    let file: SnapshotFile = serde_json::from_slice(&text).ok()?;
    if file.format != FORMAT || file.lineage != lineage || !is_arrays(&file.arrays) {
        return None;
    }
    let bytes = std::fs::read(directory.join(&file.arrays)).ok()?;
    if file.sum(&bytes).ok()? != file.checksum {
        return None;
    }
    Some((file.position, Snapshot::from_parts(file.state, &bytes).ok()?))
}
