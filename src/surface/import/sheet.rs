//! A CSV file as a header and rows of as many fields.

use std::path::{Path, PathBuf};

use super::Options;
use super::objectives::{Known, select};
use super::source::{Column, Row, Source};
use crate::error::{Error, Result};
use crate::lines::Lines;

#[derive(Debug)]
pub(super) struct Sheet {
    pub path: PathBuf,
    pub header: Vec<String>,
    /// With their lines.
    pub rows: Vec<(u64, Vec<String>)>,
}

/// What the columns of a sheet are, by position.
#[derive(Debug)]
pub(super) struct Layout {
    /// Parameters with their names.
    pub parameters: Vec<(usize, String)>,
    /// Values that may be objectives, with their names.
    pub objectives: Vec<(usize, String)>,
    /// The states of trials.
    pub state: Option<usize>,
}

impl Sheet {
    pub fn read(path: &Path) -> Result<Self> {
        let mut lines = Lines::open(path)?;
        let Some((line, header)) = lines.next().transpose()? else {
            return Err(Error::file(path, 1, "a history needs a header and rows", "an empty file"));
        };
        for (index, name) in header.iter().enumerate() {
            if !name.is_empty() && header[..index].contains(name) {
                let found = format!("`{name}` twice");
                return Err(Error::file(path, line, "the names of columns must be unique", found));
            }
        }
        let mut rows = Vec::new();
        for item in lines {
            let (line, fields) = item?;
            if fields.len() != header.len() {
                let rule = format!("a row must have {} fields", header.len());
                return Err(Error::file(path, line, rule, fields.len()));
            }
            rows.push((line, fields));
        }
        Ok(Self { path: path.to_owned(), header, rows })
    }

    /// The rows as trials. `layout` has the columns that may be objectives among the parameters too,
    /// where every column may be either.
    pub fn source(self, layout: Layout, options: &Options) -> Result<Source> {
        let at = self.path.display().to_string();
        let known: Vec<Known> = layout
            .objectives
            .iter()
            .map(|(_, name)| Known { name: name.clone(), direction: None })
            .collect();
        let selected = select(&at, &known, options)?;
        let values: Vec<usize> = selected.iter().map(|(i, _)| layout.objectives[*i].0).collect();
        let parameters: Vec<(usize, String)> =
            layout.parameters.into_iter().filter(|(column, _)| !values.contains(column)).collect();
        let file_name = |name: Option<&std::ffi::OsStr>| {
            name.map_or_else(|| at.clone(), |name| name.to_string_lossy().into_owned())
        };
        let mut source = Source {
            origin: file_name(self.path.file_name()),
            name: file_name(self.path.file_stem()),
            at: at.clone(),
            file: Some(self.path.clone()),
            space: None,
            parameters_only: false,
            columns: parameters
                .iter()
                .map(|(column, name)| Column {
                    name: name.clone(),
                    domain: None,
                    gaps: self.rows.iter().any(|(_, fields)| fields[*column].is_empty()),
                })
                .collect(),
            objectives: selected.into_iter().map(|(_, objective)| objective).collect(),
            rows: Vec::new(),
            read: self.rows.len(),
            left_out: Vec::new(),
        };
        for (line, fields) in &self.rows {
            if let Some(column) = layout.state
                && let Some(reason) = unfinished(&self.path, *line, &fields[column])?
            {
                source.leave_out(reason, *line, "");
                continue;
            }
            if values.iter().any(|column| fields[*column].is_empty()) {
                source.leave_out("without a value", *line, "");
                continue;
            }
            let values = values
                .iter()
                .map(|column| self.number(*line, *column, &fields[*column]))
                .collect::<Result<_>>()?;
            let cell = |text: &String| (!text.is_empty()).then(|| text.clone());
            let cells = parameters.iter().map(|(column, _)| cell(&fields[*column])).collect();
            source.take(Row { number: *line, cells, values });
        }
        Ok(source)
    }

    fn number(&self, line: u64, column: usize, text: &str) -> Result<f64> {
        text.parse().map_err(|_| {
            let rule = format!("`{}` must be a number", self.header[column]);
            Error::file(&self.path, line, rule, format!("`{text}`"))
        })
    }
}

/// Why a trial in this state of Optuna's has no value that counts; `None` where it has.
fn unfinished(path: &Path, line: u64, state: &str) -> Result<Option<&'static str>> {
    // Optuna prints the name, older versions with the class before it.
    Ok(match state.rsplit('.').next().unwrap_or(state) {
        "COMPLETE" => None,
        "PRUNED" => Some("pruned"),
        "FAIL" => Some("failed"),
        "RUNNING" => Some("running"),
        "WAITING" => Some("waiting"),
        _ => {
            return Err(Error::file(
                path,
                line,
                "`state` must be COMPLETE, PRUNED, FAIL, RUNNING or WAITING",
                format!("`{state}`"),
            ));
        }
    })
}
