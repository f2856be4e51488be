//! Figures as files.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::figure::{Figure, file_name};
use crate::error::{Error, Result};
use crate::persist::write_atomically;

/// Which figures are there, in the order of the page.
const INDEX: &str = "index.csv";

/// Writes each figure as SVG and as CSV into a directory, and an index of them. Figures that an earlier index lists and
/// that are no more are removed; nothing else is.
pub(crate) fn write_figures(figures: &[Figure], directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).map_err(Error::io(directory))?;
    let index = directory.join(INDEX);
    let kept: BTreeSet<&str> = figures.iter().map(|figure| figure.name.as_str()).collect();
    for name in listed(&index)?.iter().filter(|name| !kept.contains(name.as_str())) {
        for ending in ["svg", "csv"] {
            let path = directory.join(format!("{name}.{ending}"));
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Error::io(&path)(error));
                }
                _ => {}
            }
        }
    }
    for figure in figures {
        let path = |ending: &str| directory.join(format!("{}.{ending}", figure.name));
        write_atomically(&path("svg"), figure.svg.as_bytes())?;
        write_atomically(&path("csv"), figure.csv.as_bytes())?;
    }
    let refuse = |error: csv::Error| Error::Io { path: index.clone(), source: error.into() };
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["figure", "title", "caption"]).map_err(refuse)?;
    for figure in figures {
        writer.write_record([&figure.name, &figure.title, &figure.caption]).map_err(refuse)?;
    }
    let bytes = writer.into_inner().map_err(|error| refuse(error.into_error().into()))?;
    write_atomically(&index, &bytes)
}

/// The names of figures in an earlier index, as far as they are such names.
fn listed(index: &Path) -> Result<Vec<String>> {
    let text = match fs::read(index) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(index)(error)),
    };
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_slice());
    let names = reader.records().flatten().filter_map(|record| record.get(0).map(str::to_owned));
    // An index that somebody wrote must not lead out of the directory.
    Ok(names.filter(|name| !name.is_empty() && file_name(name, usize::MAX) == *name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(name: &str) -> Figure {
        Figure::of_texts(name, "<svg/>", "a\n1\n")
    }

    #[test]
    fn figures_that_are_no_more_are_removed_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let figures = directory.path().join("figures");
        write_figures(&[figure("a"), figure("b")], &figures).unwrap();
        for name in ["mine.svg", "notes.csv"] {
            fs::write(figures.join(name), "mine").unwrap();
        }
        let outside = directory.path().join("outside.csv");
        fs::write(&outside, "mine").unwrap();
        let index = figures.join(INDEX);
        let more = fs::read_to_string(&index).unwrap() + "../outside,t,c\nshort\n,,\n";
        fs::write(&index, more).unwrap();

        write_figures(&[figure("b"), figure("c")], &figures).unwrap();
        let mut left: Vec<String> = fs::read_dir(&figures)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        let wanted = ["b.csv", "b.svg", "c.csv", "c.svg", "index.csv", "mine.svg", "notes.csv"];
        assert_eq!(left, wanted);
        assert!(outside.exists());
        assert!(!fs::read_to_string(&index).unwrap().contains("outside"));
    }

    #[test]
    fn a_broken_index_is_no_obstacle() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(INDEX), b"\xff\x00,\"").unwrap();
        write_figures(&[figure("a")], directory.path()).unwrap();
        assert!(directory.path().join("a.svg").exists());
    }
}
