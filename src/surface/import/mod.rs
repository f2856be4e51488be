//! Histories of others: what somebody tuned before, as a surface or as a warm start.
//!
//! A [`History`] is read from a study in a storage ([`History::of_study`]: Optuna's journal file, or a
//! database through Optuna's proxy) or from a file ([`History::read`]: a journal, the CSV export of
//! Optuna's `study.trials_dataframe()`, any other CSV file with a row a trial). [`History::write`] makes
//! it a task of a directory of tables; [`Study::add`](crate::study::Study::add) takes its trials as a
//! warm start.
//!
//! # The space
//!
//! [`Options::document`] gives the space. Without it, a study that hyperq began has its own. Else it is
//! made of the complete trials:
//!
//! - A study says the domain of every parameter. Where trials differ in it, numbers of one kind and one
//!   scale have the range that holds them all; anything else is refused.
//! - A CSV file says values only. A column of integers is an `int`, of other numbers a `float`, of texts
//!   or booleans categorical; bounds are the least and the largest value. In a column with empty fields
//!   integers may be printed as `3.0`, as pandas does. Numbers beside texts are refused.
//! - A parameter with a single value is categorical with one choice.
//! - A parameter that some trials lack is conditional. There must be a categorical parameter of which
//!   some choices have it in every trial, and the others in none; a choice that no complete trial has
//!   counts as one without. Among several such parents one that every trial has is preferred, then the
//!   first. Where there is none the history is refused, since no guess would be sound.
//!
//! # The trials
//!
//! Only complete trials with finite values count; the others are counted by reason in
//! [`History::left_out`], as are trials that lie outside of a given space. In a given space, a value
//! whose parameter is inactive is ignored, and where an active parameter has the choice `null` an empty
//! field means it (Python's `None` is an empty field in an export).
//!
//! ```
//! use hyperq::surface::import::{History, Options};
//! use hyperq::surface::{Surface, Table};
//! use hyperq::trial::Direction;
//! # let directory = tempfile::tempdir().unwrap();
//! # let file = directory.path().join("wine.csv");
//! # let tables = directory.path().join("svm");
//! std::fs::write(&file, "kernel,C,gamma,error\nrbf,0.1,0.01,0.25\nrbf,1.5,0.1,0.5\nlinear,8,,0.75\n")
//! # .unwrap();
//! # /*
//! ?;
//! # */
//! let history = History::read(&file, &Options {
//!     objective: Some("error".into()),
//!     direction: Some(Direction::Minimize),
//!     log: vec!["C".into()],
//!     ..Options::default()
//! })?;
//! let gamma = &history.space().parameters()[2];
//! assert_eq!(gamma.condition, [("kernel".into(), vec!["rbf".into()])]);
//! history.write(&tables, "wine", false)?;
//! assert_eq!(Table::read(&tables, "wine")?.spec().optimum, Some(0.25));
//! # Ok::<(), hyperq::Error>(())
//! ```

mod conditions;
mod dataframe;
mod directory;
mod domains;
mod fit;
mod objectives;
mod plain;
mod sheet;
mod source;
mod study;

#[cfg(test)]
mod tests;

pub use directory::Written;
pub use source::LeftOut;

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};
use crate::space::{Configuration, Objective, SearchSpace, SpaceDocument};
use crate::storage::{Journal, Storage};
use crate::trial::Direction;

use sheet::Sheet;
use source::Source;

/// What a file of an SQLite database begins with.
const SQLITE: &[u8] = b"SQLite format 3\0";

/// How a history is to be understood where its source leaves that open.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The study of a storage; `None` for its only one.
    pub study: Option<String>,
    /// Which of the source's objectives counts: its name or its number from 0, of a plain CSV file the
    /// name of its column. `None` for the only one, of a plain CSV file the column `value`.
    pub objective: Option<String>,
    /// Whether less or more of it is better, where the source does not say so.
    pub direction: Option<Direction>,
    /// The space, and the name and direction that the objective is to have.
    pub document: Option<SpaceDocument>,
    /// The objectives to take, by name and in this order, in place of the document's. A single one
    /// stands for the source's only one under any name.
    pub objectives: Vec<Objective>,
    /// Parameters to put on a log scale, where no space is given.
    pub log: Vec<String>,
}

/// The complete trials of a source as configurations of one space.
#[derive(Debug, Clone)]
pub struct History {
    /// Where it is from: the file or address, with the study's name.
    pub source: String,
    /// The name of the study, of a file the file's without its extension.
    pub name: String,
    /// What [`History::write`] writes of it: name, first objective and space.
    pub document: SpaceDocument,
    /// All objectives that were taken.
    pub objectives: Vec<Objective>,
    /// The trials in the source's order, each with a value an objective. One configuration may occur
    /// several times.
    pub trials: Vec<(Configuration, Vec<f64>)>,
    /// How many trials the source has.
    pub read: usize,
    /// Those of them that are not among [`History::trials`].
    pub left_out: Vec<LeftOut>,
}

impl History {
    /// Reads a file: a journal of Optuna's, an export of its trials, or another CSV file. Which one it
    /// is, its contents say.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where it cannot be read, [`Error::File`] with the line where it is malformed; as
    /// [`History::of_study`] else.
    pub fn read(path: impl AsRef<Path>, options: &Options) -> Result<Self> {
        let path = path.as_ref();
        let mut beginning = Vec::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(SQLITE.len() as u64).read_to_end(&mut beginning))
            .map_err(Error::io(path))?;
        if beginning == SQLITE {
            return Err(Error::storage(
                path.display().to_string(),
                "a database is read through Optuna's storage proxy, `grpc://HOST:PORT` (feature \
                 `optuna-grpc`)",
                "an SQLite file",
            ));
        }
        if beginning.first() == Some(&b'{') {
            return Self::of_study(&mut Journal::open(path)?, options);
        }
        let sheet = Sheet::read(path)?;
        let source = match dataframe::is_export(&sheet) {
            true => dataframe::source(sheet, options)?,
            false => plain::source(sheet, options)?,
        };
        Self::settle(source, options)
    }

    /// Reads a study of a storage, which is bound to it.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] with the nearest name for an unknown study, objective or parameter;
    /// [`Error::Setting`] where one of several studies or objectives must be named, or a direction is
    /// missing or another one; [`Error::Space`] where no space can be made, with the parameter at fault;
    /// [`Error::Storage`] where no complete trial is left; what the storage reports.
    pub fn of_study(storage: &mut dyn Storage, options: &Options) -> Result<Self> {
        Self::settle(study::source(storage, options)?, options)
    }

    /// The space of the configurations.
    pub fn space(&self) -> &SearchSpace {
        &self.document.parameters
    }

    /// The distinct configurations in the order in which they occur first, each with the mean of the
    /// first objective over the trials that have it, and their number.
    pub fn means(&self) -> Vec<(Configuration, f64, usize)> {
        let mut positions: HashMap<&Configuration, usize> = HashMap::new();
        let mut means: Vec<(Configuration, f64, usize)> = Vec::new();
        for (configuration, values) in &self.trials {
            let position = *positions.entry(configuration).or_insert_with(|| {
                means.push((configuration.clone(), 0.0, 0));
                means.len() - 1
            });
            let (_, mean, count) = &mut means[position];
            *count += 1;
            // In this form no sum overflows, and equal values have exactly themselves as their mean.
            *mean += (values[0] - *mean) / *count as f64;
        }
        means
    }

    fn settle(source: Source, options: &Options) -> Result<Self> {
        let given = match (&options.document, &source.space) {
            (Some(document), _) => Some(document.parameters.clone()),
            (None, space) => space.clone(),
        };
        let space = match given {
            Some(_) if !options.log.is_empty() => {
                return Err(Error::setting(
                    &source.at,
                    "log",
                    "absent where the space is given",
                    options.log.join(", "),
                ));
            }
            Some(space) => space,
            None if source.rows.is_empty() => return Err(source.nothing_left()),
            None => domains::space(&source, &options.log)?,
        };
        let mut source = source;
        let mut trials = Vec::new();
        for row in std::mem::take(&mut source.rows) {
            match fit::configuration(&space, &source, &row)? {
                Ok(configuration) => trials.push((configuration, row.values)),
                Err(reason) => source.leave_out("outside of the space", row.number, &reason),
            }
        }
        if trials.is_empty() {
            return Err(source.nothing_left());
        }
        let objective = source.objectives[0].clone();
        let (name, description) = match &options.document {
            Some(document) => (document.name.clone(), document.description.clone()),
            None => (source.name.clone(), format!("imported from {}", source.origin)),
        };
        Ok(Self {
            source: source.at,
            name: source.name,
            document: SpaceDocument { name, description, objective, parameters: space },
            objectives: source.objectives,
            trials,
            read: source.read,
            left_out: source.left_out,
        })
    }
}
