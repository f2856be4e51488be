//! Warm starts of `hyperq tune`: trials of another time or place are told before the first is asked for.

use std::path::{Path, PathBuf};

use hyperq::space::Objective;
use hyperq::study::{Evaluated, Study};
use hyperq::surface::import::{History, Options};

use super::Failure;
use super::storage::read_history;
use super::tune::ProblemRead;

/// Reads the complete trials of a source that lie in the problem's space: a path or an address, after
/// which `#` may name the study.
pub(super) fn read(source: &Path, problem: &ProblemRead) -> Result<History, Failure> {
    let (path, study) = match source.to_str().and_then(|text| text.rsplit_once('#')) {
        Some((path, study)) if !source.exists() => (PathBuf::from(path), Some(study.to_owned())),
        _ => (source.to_owned(), None),
    };
    let objectives = problem
        .objectives
        .iter()
        .map(|(name, direction)| Objective { name: name.clone(), direction: *direction })
        .collect();
    let document = Some(problem.document.clone());
    read_history(&path, &Options { study, document, objectives, ..Options::default() })
}

/// Tells a study the trials that it has not been told yet, so that the same command again tells none
/// twice. They count among `trials`, which must leave room for more.
///
/// Returns what was done, in words.
pub(super) fn tell(study: &mut Study, history: &History, trials: usize) -> Result<String, Failure> {
    let mut told = 0;
    let known: Vec<_> = study
        .history()
        .trials()
        .iter()
        .filter_map(|trial| {
            Some((trial.configuration.clone(), study.record(trial.id)?.values.clone()))
        })
        .collect();
    let new: Vec<_> = history.trials.iter().filter(|trial| !known.contains(trial)).collect();
    let total = known.len() + new.len();
    if !new.is_empty() && total >= trials {
        return Err(Failure::Usage(format!(
            "--trials {trials}: the trials of --warm-start count among them, and with them the study has \
             {total}"
        )));
    }
    for (configuration, values) in new {
        study
            .add(configuration.clone(), Evaluated::Values(values.clone()))
            .map_err(Failure::failed)?;
        told += 1;
    }
    let already = history.trials.len() - told;
    let mut text = format!("warm start: {told} of {} trials of {}", history.read, history.source);
    if already > 0 {
        text += &format!(", {already} were told before");
    }
    if !history.left_out.is_empty() {
        let reasons: Vec<String> = history.left_out.iter().map(ToString::to_string).collect();
        text += &format!("; left out: {}", reasons.join(", "));
    }
    Ok(text)
}
