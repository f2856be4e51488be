//! Studies in storages.

use super::Options;
use super::domains::unite;
use super::objectives::{Known, select};
use super::source::{Column, Row, Source};
use crate::error::{Error, Result};
use crate::space::{Domain, SearchSpace};
use crate::storage::{Storage, StoredParameter, StoredTrial, TrialState, objective_names};
use crate::study::SPACE;

pub(super) fn source(storage: &mut dyn Storage, options: &Options) -> Result<Source> {
    let location = storage.location();
    let study = name(&location, &storage.studies()?, options.study.as_deref())?;
    storage.bind(&study, None)?;
    storage.refresh()?;
    while storage.next().is_some() {}
    let at = format!("{location}, study `{study}`");
    let known: Vec<Known> = objective_names(storage)
        .into_iter()
        .zip(storage.directions())
        .map(|(name, direction)| Known { name, direction: Some(*direction) })
        .collect();
    let selected = select(&at, &known, options)?;
    let file = location.rsplit(['/', '\\']).next().unwrap_or(&location);
    let mut source = Source {
        origin: format!("{file}, study `{study}`"),
        at,
        name: study,
        file: None,
        space: space(storage),
        parameters_only: true,
        columns: Vec::new(),
        objectives: selected.iter().map(|(_, objective)| objective.clone()).collect(),
        rows: Vec::new(),
        read: storage.trials().len(),
        left_out: Vec::new(),
    };
    for trial in storage.trials() {
        let state = match trial.state {
            TrialState::Complete => None,
            state => Some(state.to_string()),
        };
        if let Some(state) = state {
            source.leave_out(&state, trial.number, "");
            continue;
        }
        let values = trial.values.as_deref().unwrap_or_default();
        if values.len() != known.len() {
            source.leave_out("without a value", trial.number, "");
            continue;
        }
        let values = selected.iter().map(|(position, _)| values[*position]).collect();
        let cells = cells(&mut source, trial)?;
        source.take(Row { number: trial.number, cells, values });
    }
    let columns = source.columns.len();
    for row in &mut source.rows {
        row.cells.resize(columns, None);
    }
    Ok(source)
}

/// The study that is meant.
fn name(at: &str, known: &[String], wanted: Option<&str>) -> Result<String> {
    let listed = || {
        let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
        if names.is_empty() { "no study".to_owned() } else { names.join(", ") }
    };
    match (wanted, known) {
        (Some(name), known) if known.iter().any(|other| other == name) => Ok(name.to_owned()),
        (Some(name), known) => Err(Error::unknown(
            "study",
            name,
            known.iter().map(String::as_str),
            &format!("`{at}` holds {}", listed()),
        )),
        (None, [only]) => Ok(only.clone()),
        (None, []) => Err(Error::storage(at, "a study is needed", "none")),
        (None, _) => {
            Err(Error::setting(at, "study", format!("one of {}", listed()), "none (--study NAME)"))
        }
    }
}

/// The space of a study that hyperq began. One that cannot be read is none: the trials say theirs.
fn space(storage: &dyn Storage) -> Option<SearchSpace> {
    serde_json::from_value(storage.attribute(SPACE)?.clone()).ok()
}

/// The printed values of a trial by column; new columns and wider domains are noted.
fn cells(source: &mut Source, trial: &StoredTrial) -> Result<Vec<Option<String>>> {
    let mut cells = vec![None; source.columns.len()];
    for (name, parameter) in &trial.parameters {
        let position = match source.columns.iter().position(|column| column.name == *name) {
            Some(position) => {
                let column = &mut source.columns[position];
                if let Some(domain) = &column.domain
                    && *domain != parameter.domain
                {
                    column.domain = Some(unite(name, domain, &parameter.domain)?);
                }
                position
            }
            None => {
                let domain = Some(parameter.domain.clone());
                source.columns.push(Column { name: name.clone(), domain, gaps: false });
                cells.push(None);
                source.columns.len() - 1
            }
        };
        cells[position] = Some(printed(parameter));
    }
    Ok(cells)
}

/// A value as [`Domain::parse`] reads it.
fn printed(parameter: &StoredParameter) -> String {
    match &parameter.domain {
        Domain::Float { .. } => parameter.internal.to_string(),
        Domain::Int { .. } => (parameter.internal as i64).to_string(),
        Domain::Categorical { choices } => choices
            .get(parameter.internal as usize)
            .map_or_else(|| format!("choice {}", parameter.internal), ToString::to_string),
    }
}
