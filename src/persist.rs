//! Snapshots: the state of every part of a study, so that it resumes bit for bit.
//!
//! Small state is JSON, arrays are safetensors. Every part writes under a path of its own
//! (`optimizer/value/online`) and reads it back in [`Persist::load`], which runs on a freshly built
//! part of the same configuration.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::{SafeTensors, TensorView};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// A part with state that outlives the process.
pub trait Persist {
    /// Writes the state under the path `at`.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] where a value has no JSON form.
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()>;

    /// Reads the state back from the path `at`.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] where an entry is missing or does not fit this part.
    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()>;
}

/// An array of a snapshot.
#[derive(Debug, Clone, PartialEq)]
pub enum Array {
    /// 32-bit floats; any bit pattern survives.
    F32(Vec<f32>),
    /// 64-bit floats; any bit pattern survives.
    F64(Vec<f64>),
    /// Unsigned integers.
    U64(Vec<u64>),
}

/// JSON values and arrays by path.
///
/// ```
/// use hyperq::persist::{Array, Snapshot};
/// let mut snapshot = Snapshot::default();
/// snapshot.put("agent", "steps", &12)?;
/// snapshot.put_array("agent", "weights", Array::F32(vec![0.5, f32::NAN]));
/// let bytes = snapshot.arrays_to_bytes()?;
/// assert_eq!(snapshot.get::<u64>("agent", "steps")?, 12);
/// assert_eq!(snapshot.f32s("agent", "weights", 2)?[0], 0.5);
/// # assert!(!bytes.is_empty());
/// # Ok::<(), hyperq::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    json: BTreeMap<String, serde_json::Value>,
    arrays: BTreeMap<String, Array>,
}

impl Snapshot {
    /// Stores a value as JSON.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] where it has no JSON form.
    pub fn put(&mut self, at: &str, key: &str, value: &impl Serialize) -> Result<()> {
        let path = format!("{at}/{key}");
        let json =
            serde_json::to_value(value).map_err(|e| Error::snapshot(&path, e.to_string()))?;
        self.json.insert(path, json);
        Ok(())
    }

    /// Reads a value back.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] where it is missing or of another form.
    pub fn get<T: DeserializeOwned>(&self, at: &str, key: &str) -> Result<T> {
        let path = format!("{at}/{key}");
        let json = self.json.get(&path).ok_or_else(|| Error::snapshot(&path, "is missing"))?;
        T::deserialize(json).map_err(|e| Error::snapshot(&path, e.to_string()))
    }

    /// Stores an array.
    pub fn put_array(&mut self, at: &str, key: &str, array: Array) {
        self.arrays.insert(format!("{at}/{key}"), array);
    }

    /// Reads an array back.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] where it is missing.
    pub fn array(&self, at: &str, key: &str) -> Result<&Array> {
        let path = format!("{at}/{key}");
        self.arrays.get(&path).ok_or_else(|| Error::snapshot(&path, "is missing"))
    }

    /// Reads an array of `len` 32-bit floats back.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] where it is missing, of another type or of another length.
    pub fn f32s(&self, at: &str, key: &str, len: usize) -> Result<&[f32]> {
        match self.array(at, key)? {
            Array::F32(values) if values.len() == len => Ok(values),
            other => Err(mismatch(at, key, "32-bit floats", len, other)),
        }
    }

    /// Reads an array of `len` 64-bit floats back.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] where it is missing, of another type or of another length.
    pub fn f64s(&self, at: &str, key: &str, len: usize) -> Result<&[f64]> {
        match self.array(at, key)? {
            Array::F64(values) if values.len() == len => Ok(values),
            other => Err(mismatch(at, key, "64-bit floats", len, other)),
        }
    }

    /// The arrays as a safetensors file.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] where safetensors refuses them.
    pub fn arrays_to_bytes(&self) -> Result<Vec<u8>> {
        let little_endian: Vec<(&String, Dtype, usize, Vec<u8>)> = self
            .arrays
            .iter()
            .map(|(path, array)| match array {
                Array::F32(v) => {
                    (path, Dtype::F32, v.len(), v.iter().flat_map(|x| x.to_le_bytes()).collect())
                }
                Array::F64(v) => {
                    (path, Dtype::F64, v.len(), v.iter().flat_map(|x| x.to_le_bytes()).collect())
                }
                Array::U64(v) => {
                    (path, Dtype::U64, v.len(), v.iter().flat_map(|x| x.to_le_bytes()).collect())
                }
            })
            .collect();
        let refuse = |e: safetensors::SafeTensorError| Error::snapshot("arrays", e.to_string());
        let views = little_endian
            .iter()
            .map(|(path, dtype, len, bytes)| {
                Ok((*path, TensorView::new(*dtype, vec![*len], bytes).map_err(refuse)?))
            })
            .collect::<Result<Vec<_>>>()?;
        safetensors::serialize(views, None).map_err(refuse)
    }

    /// Puts a snapshot together again from its JSON and its safetensors file.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] where the bytes are no safetensors file or hold another type of number.
    pub fn from_parts(json: BTreeMap<String, serde_json::Value>, bytes: &[u8]) -> Result<Self> {
        let file = SafeTensors::deserialize(bytes)
            .map_err(|e| Error::snapshot("arrays", e.to_string()))?;
        let mut arrays = BTreeMap::new();
        for (path, view) in file.tensors() {
            let data = view.data();
            let array = match view.dtype() {
                Dtype::F32 => Array::F32(
                    data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
                ),
                Dtype::F64 => Array::F64(
                    data.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
                ),
                Dtype::U64 => Array::U64(
                    data.as_chunks::<8>().0.iter().map(|b| u64::from_le_bytes(*b)).collect(),
                ),
                other => {
                    return Err(Error::snapshot(
                        path,
                        format!("has the unexpected type {other:?}"),
                    ));
                }
            };
            arrays.insert(path, array);
        }
        Ok(Self { json, arrays })
    }

    /// The JSON values by path.
    pub fn json(&self) -> &BTreeMap<String, serde_json::Value> {
        &self.json
    }
}

fn mismatch(at: &str, key: &str, wanted: &str, len: usize, found: &Array) -> Error {
    let (kind, count) = match found {
        Array::F32(v) => ("32-bit floats", v.len()),
        Array::F64(v) => ("64-bit floats", v.len()),
        Array::U64(v) => ("integers", v.len()),
    };
    Error::snapshot(format!("{at}/{key}"), format!("must be {len} {wanted}, found {count} {kind}"))
}

/// Writes a file whole or not at all: to a temporary file beside it, synced, then renamed.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomically_with(path, |file| file.write_all(bytes))
}

/// The same with what `write` writes.
pub(crate) fn write_atomically_with(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<()> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    // Temporary files are private by default; results are as readable as any other new file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(directory).map_err(Error::io(path))?;
    write(&mut file).map_err(Error::io(path))?;
    file.as_file().sync_all().map_err(Error::io(path))?;
    file.persist(path).map_err(|error| Error::Io { path: path.to_owned(), source: error.error })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_trip_keeps_every_bit() {
        let mut snapshot = Snapshot::default();
        snapshot.put("a", "text", &"x").unwrap();
        snapshot.put("a", "float", &0.1f64.next_up()).unwrap();
        snapshot.put_array("a", "f32", Array::F32(vec![f32::NAN, -0.0, f32::MIN_POSITIVE]));
        snapshot.put_array("a", "f64", Array::F64(vec![f64::INFINITY, 0.1]));
        snapshot.put_array("a", "u64", Array::U64(vec![u64::MAX]));
        let text = serde_json::to_string(snapshot.json()).unwrap();
        let back = Snapshot::from_parts(
            serde_json::from_str(&text).unwrap(),
            &snapshot.arrays_to_bytes().unwrap(),
        )
        .unwrap();
        assert_eq!(back.json, snapshot.json);
        assert_eq!(back.get::<f64>("a", "float").unwrap(), 0.1f64.next_up());
        let bits = |s: &Snapshot| {
            s.f32s("a", "f32", 3).unwrap().iter().map(|x| x.to_bits()).collect::<Vec<_>>()
        };
        assert_eq!(bits(&back), bits(&snapshot));
        assert_eq!(back.f64s("a", "f64", 2).unwrap(), snapshot.f64s("a", "f64", 2).unwrap());
        assert_eq!(back.array("a", "u64").unwrap(), snapshot.array("a", "u64").unwrap());
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let mut snapshot = Snapshot::default();
        snapshot.put_array("net", "w", Array::F32(vec![1.0]));
        let error = snapshot.f32s("net", "w", 2).unwrap_err().to_string();
        assert_eq!(error, "snapshot: `net/w`: must be 2 32-bit floats, found 1 32-bit floats");
        assert!(
            snapshot
                .get::<u64>("net", "steps")
                .unwrap_err()
                .to_string()
                .contains("`net/steps`: is missing")
        );
        assert!(Snapshot::from_parts(BTreeMap::new(), b"garbage").is_err());
    }
}
