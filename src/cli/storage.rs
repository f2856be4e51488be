//! The options that name a study, and studies as stored.

use std::path::PathBuf;

use clap::Args;
use hyperq::storage::{Journal, Storage, StoredTrial, TrialState, objective_names};
use hyperq::surface::import::{History, Options};
use hyperq::trial::Direction;

use super::Failure;

/// Where a study is.
#[derive(Args)]
pub(super) struct StudyOptions {
    /// The journal file that holds the study, in Optuna's format, or the address of Optuna's storage proxy
    #[arg(long, value_name = "FILE.log|grpc://HOST:PORT")]
    pub(super) study: PathBuf,
    /// The study's name in it [default: its only one]
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
}

/// Opens a storage that must exist already.
pub(super) fn open_existing(study: &StudyOptions) -> Result<Box<dyn Storage>, Failure> {
    if proxy_address(&study.study).is_none() && !study.study.exists() {
        return Err(Failure::Usage(format!("{}: no such file", study.study.display())));
    }
    open(&study.study)
}

/// Opens a storage by its path or address.
pub(super) fn open(study: &std::path::Path) -> Result<Box<dyn Storage>, Failure> {
    match proxy_address(study) {
        None => Ok(Box::new(Journal::open(study).map_err(Failure::usage)?)),
        Some(address) => proxy(address),
    }
}

/// Reads the history that a path or an address stands for.
pub(super) fn read_history(
    source: &std::path::Path,
    options: &Options,
) -> Result<History, Failure> {
    match proxy_address(source) {
        Some(address) => History::of_study(&mut *proxy(address)?, options).map_err(Failure::usage),
        None => History::read(source, options).map_err(Failure::usage),
    }
}

fn proxy_address(study: &std::path::Path) -> Option<&str> {
    study.to_str().filter(|text| text.starts_with("grpc://"))
}

#[cfg(feature = "optuna-grpc")]
fn proxy(address: &str) -> Result<Box<dyn Storage>, Failure> {
    let address = address.replacen("grpc://", "http://", 1);
    let proxy = hyperq::storage::GrpcProxy::connect(&address).map_err(Failure::failed)?;
    Ok(Box::new(proxy))
}

#[cfg(not(feature = "optuna-grpc"))]
fn proxy(address: &str) -> Result<Box<dyn Storage>, Failure> {
    Err(Failure::Usage(format!(
        "{address}: this program was built without the feature `optuna-grpc`"
    )))
}

/// The study's name: the given one, or the only one that the storage holds.
pub(super) fn name_of(storage: &mut dyn Storage, study: &StudyOptions) -> Result<String, Failure> {
    let names = storage.studies().map_err(Failure::failed)?;
    let at = study.study.display();
    match (&study.name, names.as_slice()) {
        (Some(name), names) if names.contains(name) => Ok(name.clone()),
        (Some(name), names) => Err(Failure::Usage(format!(
            "{at}: there is no study `{name}`; the file holds {}",
            if names.is_empty() { "none".to_owned() } else { listed(names) }
        ))),
        (None, [only]) => Ok(only.clone()),
        (None, []) => Err(Failure::Usage(format!("{at}: the file holds no study yet"))),
        (None, names) => Err(Failure::Usage(format!(
            "{at}: the file holds several studies, name one of them with --name: {}",
            listed(names)
        ))),
    }
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A study as stored, without an agent.
pub(super) struct Stored {
    pub(super) name: String,
    pub(super) storage: Box<dyn Storage>,
}

impl Stored {
    /// Reads the whole study.
    pub(super) fn read(study: &StudyOptions) -> Result<Self, Failure> {
        let mut storage = open_existing(study)?;
        let name = name_of(&mut *storage, study)?;
        storage.bind(&name, None).map_err(Failure::failed)?;
        storage.refresh().map_err(Failure::failed)?;
        while storage.next().is_some() {}
        Ok(Self { name, storage })
    }

    pub(super) fn trials(&self) -> &[StoredTrial] {
        self.storage.trials()
    }

    pub(super) fn directions(&self) -> &[Direction] {
        self.storage.directions()
    }

    /// The objectives' names, where somebody gave them.
    pub(super) fn objectives(&self) -> Vec<String> {
        objective_names(&*self.storage)
    }

    /// The best trial, or the Pareto front of several objectives, in the order of their numbers.
    pub(super) fn best(&self) -> hyperq::Result<Vec<&StoredTrial>> {
        let complete: Vec<&StoredTrial> = self
            .trials()
            .iter()
            .filter(|trial| trial.state == TrialState::Complete && finite(trial))
            .collect();
        let values: Vec<Vec<f64>> =
            complete.iter().map(|trial| trial.values.clone().unwrap_or_default()).collect();
        let mut front = hyperq::objectives::front(&values, self.directions())?;
        if self.directions().len() == 1 {
            front.truncate(1);
        }
        Ok(front.into_iter().map(|index| complete[index]).collect())
    }
}

fn finite(trial: &StoredTrial) -> bool {
    trial.values.as_ref().is_some_and(|values| values.iter().all(|value| value.is_finite()))
}
