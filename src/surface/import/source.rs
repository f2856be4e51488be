//! A source as it was read: parameters as columns of printed values, whatever it was stored in.

use std::path::PathBuf;

use crate::error::Error;
use crate::space::{Domain, Objective, SearchSpace};

/// Trials that are not taken, all for one reason.
#[derive(Debug, Clone, PartialEq)]
pub struct LeftOut {
    /// Why: `failed`, `running`, `outside of the space`, ...
    pub reason: String,
    /// How many there are.
    pub trials: usize,
    /// The first of them, and what is wrong with it.
    pub first: String,
}

impl std::fmt::Display for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} (the first is {})", self.trials, self.reason, self.first)
    }
}

#[derive(Debug)]
pub(super) struct Source {
    /// Where it is, for messages.
    pub at: String,
    /// Its file's name without directories, with the study.
    pub origin: String,
    /// The name of the study or of the file, without the extension.
    pub name: String,
    /// The text file that the rows are lines of.
    pub file: Option<PathBuf>,
    /// The space that the source itself has.
    pub space: Option<SearchSpace>,
    /// Whether every column is known to be a parameter. Else those that a given space lacks are ignored.
    pub parameters_only: bool,
    pub columns: Vec<Column>,
    /// The objectives that were asked for.
    pub objectives: Vec<Objective>,
    /// The complete trials.
    pub rows: Vec<Row>,
    /// How many trials there are in all.
    pub read: usize,
    pub left_out: Vec<LeftOut>,
}

#[derive(Debug)]
pub(super) struct Column {
    pub name: String,
    /// `None` where the values alone must tell.
    pub domain: Option<Domain>,
    /// Whether some trial lacks it, those that are left out included.
    pub gaps: bool,
}

#[derive(Debug)]
pub(super) struct Row {
    /// The line of a file, or the trial's number.
    pub number: u64,
    /// By column; `None` where there is no value.
    pub cells: Vec<Option<String>>,
    /// By objective, finite.
    pub values: Vec<f64>,
}

impl Source {
    /// A row in words.
    pub fn place(&self, number: u64) -> String {
        match self.file {
            Some(_) => format!("line {number}"),
            None => format!("trial {number}"),
        }
    }

    pub fn leave_out(&mut self, reason: &str, number: u64, detail: &str) {
        if let Some(known) = self.left_out.iter_mut().find(|known| known.reason == reason) {
            known.trials += 1;
            return;
        }
        let place = self.place(number);
        let first = if detail.is_empty() { place } else { format!("{place}: {detail}") };
        self.left_out.push(LeftOut { reason: reason.to_owned(), trials: 1, first });
    }

    /// Takes a complete trial, unless a value is not finite.
    pub fn take(&mut self, row: Row) {
        match row.values.iter().find(|value| !value.is_finite()) {
            None => self.rows.push(row),
            Some(value) => {
                self.leave_out("without a finite value", row.number, &format!("found {value}"));
            }
        }
    }

    /// The error of a source without a trial that could be taken.
    pub fn nothing_left(&self) -> Error {
        let reasons: Vec<String> = self.left_out.iter().map(ToString::to_string).collect();
        let found = match reasons.as_slice() {
            [] => "no trial at all".to_owned(),
            reasons => format!("none among {}: {}", self.read, reasons.join(", ")),
        };
        Error::storage(&self.at, "a history needs at least one complete trial", found)
    }
}
