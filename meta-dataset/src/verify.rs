//! Trains a slice of the tables anew and compares it with what is committed.

use std::path::Path;

use crate::data::DataSet;
use crate::error::{Error, Result};
use crate::learner::Learner;
use crate::score::{self, Row};
use crate::tables;

/// A row that came out differently.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// What is committed.
    pub committed: Row,
    /// What the training gave now.
    pub found: Row,
}

/// Trains every `step`-th configuration of a learner on a data set and gives the rows whose accuracy or
/// log loss are not those of the table in `folder`, and the number of compared rows.
///
/// # Errors
///
/// Those of [`score::rows`] and [`tables::read_results`]; [`Error::Contents`] where the table lacks a
/// row.
pub fn verify(
    folder: &Path,
    learner: &dyn Learner,
    used: &DataSet,
    step: usize,
) -> Result<(Vec<Mismatch>, usize)> {
    let committed = tables::read_results(folder, learner.name(), &used.name)?;
    let folds = used.folds(learner.scaling());
    let configurations = learner.configurations()?;
    let (mut mismatches, mut compared) = (Vec::new(), 0);
    for place in (0..configurations.len()).step_by(step.max(1)) {
        for found in score::rows(learner, place, &configurations[place..=place], &folds)? {
            let same = |row: &&Row| {
                row.configuration == found.configuration && row.fraction == found.fraction
            };
            let Some(committed) = committed.iter().find(same) else {
                return Err(Error::contents(
                    format!("the table of {}", learner.name()),
                    format!("a row is needed for {} at {}", used.name, found.fraction),
                    format!("none of configuration {place}"),
                ));
            };
            compared += 1;
            if committed.scores != found.scores {
                mismatches.push(Mismatch { committed: committed.clone(), found });
            }
        }
    }
    Ok((mismatches, compared))
}
