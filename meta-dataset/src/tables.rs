//! The committed files: what the data sets are, what was tried and how well it did.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};
use hyperq::meta::features::MetaFeatures;
use hyperq::space::{Configuration, SearchSpace};

use crate::data::DataSet;
use crate::error::{Error, Result};
use crate::learner::Learner;
use crate::score::Row;
use crate::source::Listed;

/// The header of `results.csv.gz`.
const RESULTS: &str = "data_set,configuration,fraction,accuracy,log_loss,seconds";

/// A data set of the tables: as listed, as it stands in its file and as learners see it.
pub struct Described {
    /// As listed.
    pub listed: Listed,
    /// All its rows.
    pub whole: DataSet,
    /// The rows that learners see.
    pub used: DataSet,
}

/// Writes `data_sets.csv`.
///
/// # Errors
///
/// [`Error::Io`].
pub fn write_data_sets(folder: &Path, sets: &[Described]) -> Result<()> {
    let mut text = String::from(
        "name,source,rows,used_rows,features,numeric,categorical,classes,artificial,group\n",
    );
    for Described { listed, whole, used } in sets {
        let (features, numeric) = (used.columns.len(), used.numeric());
        text += &format!(
            "{},{},{},{},{features},{numeric},{},{},{},{}\n",
            listed.name,
            listed.source,
            whole.rows(),
            used.rows(),
            features - numeric,
            used.classes.len(),
            listed.artificial,
            listed.group
        );
    }
    write(&folder.join("data_sets.csv"), text.as_bytes())
}

/// Writes `meta_features.csv`: hyperq's meta-features of all rows of each data set.
///
/// # Errors
///
/// [`Error::Io`]; as [`DataSet::described`].
pub fn write_meta_features(folder: &Path, sets: &[Described]) -> Result<()> {
    let mut text = String::new();
    for set in sets {
        let features = MetaFeatures::of(&set.whole.described()?);
        if text.is_empty() {
            text =
                features.names().fold(String::from("task"), |line, name| line + "," + name) + "\n";
        }
        text += set.listed.name;
        for value in features.values() {
            text.push(',');
            text += &value.map_or_else(String::new, |value| value.to_string());
        }
        text.push('\n');
    }
    write(&folder.join("meta_features.csv"), text.as_bytes())
}

/// Writes a learner's `space.json`, `configurations.csv` and `results.csv.gz`. `results` are data sets
/// with their rows.
///
/// # Errors
///
/// [`Error::Io`]; [`Error::Contents`] where the results of a data set are not whole.
pub fn write_learner(
    folder: &Path,
    learner: &dyn Learner,
    results: &[(&str, Vec<Row>)],
) -> Result<()> {
    let folder = folder.join(learner.name());
    let document = learner.document()?;
    let configurations = learner.configurations()?;
    let json = serde_json::to_string_pretty(&document)
        .map_err(|error| Error::contents("space.json", "must be JSON", error.to_string()))?;
    write(&folder.join("space.json"), (json + "\n").as_bytes())?;
    let text = configurations_text(&document.parameters, &configurations);
    write(&folder.join("configurations.csv"), text.as_bytes())?;
    let wanted = configurations.len() * learner.fractions().len();
    let mut sorted: Vec<_> = results.iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    let mut text = format!("{RESULTS}\n");
    for (name, rows) in sorted {
        if rows.len() != wanted {
            return Err(Error::contents(
                format!("{}/{name}", learner.name()),
                format!("{wanted} rows are needed"),
                rows.len().to_string(),
            ));
        }
        for row in rows {
            text += &format!("{name},{}\n", row.line());
        }
    }
    write(&folder.join("results.csv.gz"), &gzip(text.as_bytes())?)
}

/// The committed rows of one data set of a learner.
///
/// # Errors
///
/// [`Error::Io`]; [`Error::Line`] for a line of another form.
pub fn read_results(folder: &Path, learner: &str, data_set: &str) -> Result<Vec<Row>> {
    let path = folder.join(learner).join("results.csv.gz");
    let file = fs::File::open(&path).map_err(Error::io(&path))?;
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).map_err(Error::io(&path))?;
    let mut rows = Vec::new();
    for (place, line) in text.lines().enumerate() {
        let refuse = |rule: &str| {
            Err(Error::line(
                path.display().to_string(),
                place as u64 + 1,
                rule,
                format!("`{line}`"),
            ))
        };
        if place == 0 {
            if line != RESULTS {
                return refuse(&format!("must be `{RESULTS}`"));
            }
        } else if let Some((name, rest)) = line.split_once(',') {
            if name == data_set {
                match Row::parse(rest) {
                    Some(row) => rows.push(row),
                    None => return refuse(&format!("must be `{RESULTS}` with numbers")),
                }
            }
        } else {
            return refuse("a row needs a data set");
        }
    }
    Ok(rows)
}

/// One line a configuration, one cell a parameter, empty where it is inactive.
fn configurations_text(space: &SearchSpace, configurations: &[Configuration]) -> String {
    let names: Vec<&str> =
        space.parameters().iter().map(|parameter| parameter.name.as_str()).collect();
    let mut text = names.join(",") + "\n";
    for configuration in configurations {
        let entries: Vec<_> = configuration.entries().collect();
        let cells: Vec<String> = names
            .iter()
            .map(|name| {
                let entry = entries.iter().find(|(other, _)| other == name);
                entry.map_or_else(String::new, |(_, value)| value.to_string())
            })
            .collect();
        text += &(cells.join(",") + "\n");
    }
    text
}

/// A gzip stream that depends on nothing but `bytes`: no name, no time.
fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(bytes).map_err(Error::io("results.csv.gz"))?;
    encoder.finish().map_err(Error::io("results.csv.gz"))
}

/// Written beside and moved, so that a killed run leaves the old file or the new one.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Error::io(folder))?;
    }
    let part = path.with_extension("part");
    fs::write(&part, bytes).map_err(Error::io(&part))?;
    fs::rename(&part, path).map_err(Error::io(path))
}
