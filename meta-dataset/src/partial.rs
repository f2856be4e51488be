//! The results of one learner on one data set while they are being made: a file that grows by chunks.
//!
//! The first line names what the results are of. Each chunk is a line a row and a last line
//! `end,<rows>,<checksum of the chunk>`. A run that was killed leaves at most one chunk without its
//! end; the next run cuts it off and goes on.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::score::Row;

/// A growing file of results.
#[derive(Debug)]
pub struct Partial {
    path: PathBuf,
    /// What the whole chunks of the file say.
    pub rows: Vec<Row>,
}

impl Partial {
    /// Opens or begins the file of the results of what `of` says.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; [`Error::Line`] where the file holds results of something else.
    pub fn open(path: impl AsRef<Path>, of: &str) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let header = format!("{of}\n");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Error::io(&path)(error)),
        };
        // A killed run may have left a part of the first line.
        if !text.contains('\n') {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(Error::io(folder))?;
            }
            fs::write(&path, &header).map_err(Error::io(&path))?;
            return Ok(Self { path, rows: Vec::new() });
        }
        let Some(chunks) = text.strip_prefix(&header) else {
            let rule = format!("must be `{of}`; remove the file to begin anew");
            let found = format!("`{}`", text.lines().next().unwrap_or_default());
            return Err(Error::line(path.display().to_string(), 1, rule, found));
        };
        let (rows, length) = whole_chunks(chunks);
        if length < chunks.len() {
            let file = OpenOptions::new().write(true).open(&path).map_err(Error::io(&path))?;
            file.set_len((header.len() + length) as u64).map_err(Error::io(&path))?;
        }
        Ok(Self { path, rows })
    }

    /// Appends a chunk.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn append(&mut self, rows: Vec<Row>) -> Result<()> {
        let mut text: String = rows.iter().map(|row| row.line() + "\n").collect();
        text += &end(rows.len(), &text);
        let mut file =
            OpenOptions::new().append(true).open(&self.path).map_err(Error::io(&self.path))?;
        file.write_all(text.as_bytes()).map_err(Error::io(&self.path))?;
        self.rows.extend(rows);
        Ok(())
    }
}

fn end(rows: usize, text: &str) -> String {
    format!("end,{rows},{:08x}\n", crc32fast::hash(text.as_bytes()))
}

/// The rows of the chunks up to the first that is not whole, and the bytes of these chunks.
fn whole_chunks(text: &str) -> (Vec<Row>, usize) {
    let (mut rows, mut chunk, mut begin, mut place) = (Vec::new(), Vec::new(), 0, 0);
    for line in text.split_inclusive('\n') {
        if line.starts_with("end,") {
            if line != end(chunk.len(), &text[begin..place]) {
                break;
            }
            rows.append(&mut chunk);
            begin = place + line.len();
        } else {
            match line.strip_suffix('\n').and_then(Row::parse) {
                Some(row) => chunk.push(row),
                None => break,
            }
        }
        place += line.len();
    }
    (rows, begin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Scores;

    fn row(configuration: usize) -> Row {
        let scores = (!configuration.is_multiple_of(3))
            .then_some(Scores { accuracy: 1.0 / 32.0, log_loss: configuration as f64 });
        Row { configuration, fraction: 0.5, scores, seconds: 0.012 }
    }

    #[test]
    fn a_file_cut_anywhere_keeps_its_whole_chunks_and_grows_to_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("learner/set.csv");
        let chunks = [vec![row(0), row(1)], vec![row(2)], vec![row(3), row(4)]];
        let mut partial = Partial::open(&path, "a").unwrap();
        for chunk in &chunks {
            partial.append(chunk.clone()).unwrap();
        }
        let whole = fs::read(&path).unwrap();
        for length in 0..=whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let mut partial = Partial::open(&path, "a").unwrap();
            let mut kept = 0;
            for chunk in &chunks {
                kept += chunk.len();
                if kept > partial.rows.len() {
                    partial.append(chunk.clone()).unwrap();
                }
            }
            assert_eq!(partial.rows, chunks.concat());
            assert_eq!(fs::read(&path).unwrap(), whole, "cut at {length}");
        }
    }

    #[test]
    fn a_changed_byte_ends_what_is_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.csv");
        let mut partial = Partial::open(&path, "a").unwrap();
        partial.append(vec![row(0)]).unwrap();
        partial.append(vec![row(1)]).unwrap();
        let text = fs::read_to_string(&path).unwrap().replace("0.03125", "0.03126");
        fs::write(&path, text).unwrap();
        assert_eq!(Partial::open(&path, "a").unwrap().rows, [row(0)]);
    }

    #[test]
    fn results_of_something_else_are_refused_with_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.csv");
        Partial::open(&path, "a").unwrap();
        let error = Partial::open(&path, "b").unwrap_err().to_string();
        assert!(error.contains("set.csv:1: must be `b`"), "{error}");
        assert!(error.contains("found `a`"), "{error}");
    }
}
