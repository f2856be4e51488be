//! The embedded files of the measured surfaces.
//!
//! ```text
//! data_sets.csv                  name, rows and columns, one row a data set
//! meta_features.csv              one row a data set; empty where it has no such feature
//! <learner>/space.json           the parameters
//! <learner>/configurations.csv   one row a configuration, empty where a parameter is inactive
//! <learner>/results.csv.gz       data_set, configuration, fraction, accuracy, log_loss, seconds
//! ```

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::{DataSet, Learner, Sheet, Stage, embedded};
use crate::error::{Error, Result};
use crate::lines::Lines;
use crate::space::{Grid, SpaceDocument};
use crate::surface::table::{check_count, quote, read_configuration, read_number};

/// What the crate carries of one learner.
pub(super) struct Files {
    pub(super) name: &'static str,
    space: &'static str,
    configurations: &'static str,
    results: &'static [u8],
}

macro_rules! files {
    ($name:literal) => {
        Files {
            name: $name,
            space: include_str!(concat!($name, "/space.json")),
            configurations: include_str!(concat!($name, "/configurations.csv")),
            results: include_bytes!(concat!($name, "/results.csv.gz")),
        }
    };
}

pub(super) const LEARNERS: [Files; 4] =
    [files!("svm"), files!("random-forest"), files!("gradient-boosting"), files!("mlp")];

/// Reads what the learners have in common.
pub(super) fn sheet() -> Result<Sheet> {
    let data_sets = data_sets(include_str!("data_sets.csv"))?;
    let (meta_feature_names, meta_features) =
        meta_features(include_str!("meta_features.csv"), &data_sets)?;
    Ok(Sheet { data_sets, meta_features, meta_feature_names })
}

/// Reads a learner.
pub(super) fn learner(files: &Files, data_sets: &[DataSet]) -> Result<Learner> {
    let path = embedded(files.name).join("space.json");
    let document: SpaceDocument = serde_json::from_str(files.space).map_err(|error| {
        Error::file(&path, error.line() as u64, "a space document is needed", error)
    })?;
    let grid = Arc::new(grid(files, &document)?);
    let path = embedded(files.name).join("results.csv.gz");
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(files.results).read_to_end(&mut text).map_err(Error::io(&path))?;
    let (fractions, stages) = results(&path, text, data_sets, grid.len())?;
    Ok(Learner { document, grid, fractions, stages })
}

fn grid(files: &Files, document: &SpaceDocument) -> Result<Grid> {
    let path = embedded(files.name).join("configurations.csv");
    let space = &document.parameters;
    let header: Vec<&str> = space.parameters().iter().map(|p| p.name.as_str()).collect();
    let rows = rows(&path, files.configurations.as_bytes().to_vec(), &header)?;
    let configurations = rows
        .iter()
        .map(|(line, fields)| {
            read_configuration(space, fields)
                .map_err(|error| Error::file(&path, *line, "a row must be a configuration", error))
        })
        .collect::<Result<_>>()?;
    Grid::from_configurations(space, configurations)
        .map_err(|error| Error::file(&path, 1, "the rows must form a grid", error))
}

/// The rows below a given header, with their lines and as many fields.
fn rows(path: &Path, text: Vec<u8>, header: &[&str]) -> Result<Vec<(u64, Vec<String>)>> {
    let mut lines = Lines::of(path, text);
    let first = lines.next().transpose()?;
    if first.as_ref().is_none_or(|(_, fields)| *fields != header) {
        let found = first.map_or("an empty file".to_owned(), |(_, fields)| quote(fields.iter()));
        return Err(Error::file(path, 1, format!("the header must be {}", quote(header)), found));
    }
    lines
        .map(|item| {
            let (line, fields) = item?;
            check_count(path, line, header.len(), fields.len())?;
            Ok((line, fields))
        })
        .collect()
}

fn data_sets(text: &str) -> Result<Vec<DataSet>> {
    let header = [
        "name",
        "source",
        "rows",
        "used_rows",
        "features",
        "numeric",
        "categorical",
        "classes",
        "artificial",
        "group",
    ];
    let path = embedded("data_sets.csv");
    rows(path, text.as_bytes().to_vec(), &header)?
        .into_iter()
        .map(|(line, fields)| {
            let count = |place: usize| {
                fields[place].parse::<usize>().map_err(|_| {
                    let rule = format!("`{}` must be a number of them", header[place]);
                    Error::file(path, line, rule, &fields[place])
                })
            };
            Ok(DataSet {
                name: fields[0].clone(),
                rows: count(2)?,
                used_rows: count(3)?,
                features: count(4)?,
                numeric: count(5)?,
                categorical: count(6)?,
                classes: count(7)?,
                artificial: fields[8].parse().map_err(|_| {
                    Error::file(path, line, "`artificial` must be true or false", &fields[8])
                })?,
                group: fields[9].clone(),
            })
        })
        .collect()
}

/// The features that all data sets have, and their values.
fn meta_features(text: &str, data_sets: &[DataSet]) -> Result<(Vec<String>, Vec<Vec<f64>>)> {
    let path = embedded("meta_features.csv");
    let mut lines = Lines::of(path, text.as_bytes().to_vec());
    let header = match lines.next().transpose()? {
        Some((_, fields)) if fields[0] == "task" => fields,
        _ => return Err(Error::file(path, 1, "the header must begin with `task`", "another one")),
    };
    let mut by_task = HashMap::new();
    let mut complete = vec![true; header.len()];
    for item in lines {
        let (line, fields) = item?;
        check_count(path, line, header.len(), fields.len())?;
        for (complete, field) in complete.iter_mut().zip(&fields) {
            *complete &= !field.is_empty();
        }
        by_task.insert(fields[0].clone(), (line, fields));
    }
    let kept: Vec<usize> = (1..header.len()).filter(|&column| complete[column]).collect();
    let values = data_sets
        .iter()
        .map(|data_set| {
            let (line, fields) = by_task.get(&data_set.name).ok_or_else(|| {
                let found = format!("none for `{}`", data_set.name);
                Error::file(path, 1, "every data set must have a row", found)
            })?;
            kept.iter()
                .map(|&column| read_number(path, *line, &header[column], &fields[column]))
                .collect()
        })
        .collect::<Result<_>>()?;
    Ok((kept.iter().map(|&column| header[column].clone()).collect(), values))
}

/// The fractions, and the stages by data set and configuration.
fn results(
    path: &Path,
    text: Vec<u8>,
    data_sets: &[DataSet],
    configurations: usize,
) -> Result<(Vec<f64>, Vec<Vec<Stage>>)> {
    let header = ["data_set", "configuration", "fraction", "accuracy", "log_loss", "seconds"];
    let rows = rows(path, text, &header)?;
    let mut parsed = Vec::with_capacity(rows.len());
    for (line, fields) in &rows {
        let number = |place: usize| read_number(path, *line, header[place], &fields[place]);
        let optional = |place: usize| match fields[place].as_str() {
            "" => Ok(None),
            _ => number(place).map(Some),
        };
        parsed.push(Stage {
            fraction: number(2)?,
            accuracy: optional(3)?,
            log_loss: optional(4)?,
            seconds: number(5)?,
        });
    }
    let fractions: Vec<f64> = match parsed.iter().position(|stage| stage.fraction == 1.0) {
        Some(last) => parsed[..=last].iter().map(|stage| stage.fraction).collect(),
        None => return Err(Error::file(path, 1, "some fraction must be 1", "none")),
    };
    // One order, so that a place says what it is of.
    let per_data_set = configurations * fractions.len();
    if rows.len() != per_data_set * data_sets.len() {
        let rule = format!("there must be {} rows", per_data_set * data_sets.len());
        return Err(Error::file(path, 1, rule, rows.len()));
    }
    for (place, ((line, fields), stage)) in rows.iter().zip(&parsed).enumerate() {
        let data_set = &data_sets[place / per_data_set].name;
        let configuration = place % per_data_set / fractions.len();
        let fraction = fractions[place % fractions.len()];
        if fields[0] != *data_set
            || fields[1] != configuration.to_string()
            || stage.fraction != fraction
        {
            let rule = format!("this must be `{data_set},{configuration},{fraction}`");
            let found = format!("`{}`", fields[..3].join(","));
            return Err(Error::file(path, *line, rule, found));
        }
    }
    let stages = parsed.chunks(per_data_set).map(<[Stage]>::to_vec).collect();
    Ok((fractions, stages))
}
