//! `hyperq surfaces import`.

use std::cmp::Reverse;
use std::path::PathBuf;

use clap::Args;
use hyperq::space::SpaceDocument;
use hyperq::surface::import::{History, Options};
use hyperq::trial::Direction;

use super::describe;
use crate::cli::storage::read_history;
use crate::cli::tune::direction;
use crate::cli::{Failure, print};

/// Make a task of a directory of tables from the trials of an Optuna study or of a CSV file
///
/// SOURCE is Optuna's journal file, the address of Optuna's storage proxy, the CSV export of
/// `study.trials_dataframe()`, or any CSV file with a row a trial. `compare --surface DIR` then compares strategies
/// on it.
#[derive(Args)]
pub struct Import {
    /// Where the trials are
    #[arg(value_name = "FILE.log|FILE.csv|grpc://HOST:PORT")]
    source: PathBuf,
    /// The directory of tables, which is made where it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The task's name in it [default: the study's, or the file's]
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    /// The study of a storage [default: its only one]
    #[arg(long, value_name = "NAME")]
    study: Option<String>,
    /// The objective by name or by number from 0, of a plain CSV file its column [default: the only one, of
    /// a CSV file the column `value`]
    #[arg(long, value_name = "NAME")]
    objective: Option<String>,
    /// Whether less or more is better, which a CSV file does not say
    #[arg(long, value_name = "minimize|maximize", value_parser = direction)]
    direction: Option<Direction>,
    /// The search space [default: the study's, or one that is made of the trials]
    #[arg(long, value_name = "space.json", conflicts_with = "log")]
    space: Option<PathBuf>,
    /// Puts a parameter on a log scale; repeatable
    #[arg(long, value_name = "PARAMETER")]
    log: Vec<String>,
    /// Replace the task where it exists
    #[arg(long)]
    force: bool,
}

impl Import {
    /// Reads, writes, and says what was done.
    pub fn run(&self) -> Result<(), Failure> {
        let document = self.space.as_ref().map(SpaceDocument::read).transpose();
        let options = Options {
            study: self.study.clone(),
            objective: self.objective.clone(),
            direction: self.direction,
            document: document.map_err(Failure::usage)?,
            log: self.log.clone(),
            ..Options::default()
        };
        let history = read_history(&self.source, &options)?;
        let task = match &self.task {
            Some(task) => task.clone(),
            None => history.name.replace(['/', '\\', ':', '#'], "-"),
        };
        let written = history.write(&self.out, &task, self.force).map_err(Failure::usage)?;
        let means = match written.means {
            0 => String::new(),
            1 => ", 1 of them the mean of several trials".to_owned(),
            several => format!(", {several} of them means of several trials"),
        };
        let mut text = format!("read      {} trials of {}\n", history.read, history.source);
        for left_out in &history.left_out {
            text += &format!("left out  {left_out}\n");
        }
        text += &format!("wrote     {}: {} rows{means}\n", written.path.display(), written.rows);
        text += &format!("space     {}\n", describe(history.space().parameters()));
        text += &format!("best      {}\n", best(&history));
        text += &format!("next      hyperq compare --surface {}\n", self.out.display());
        print(&text)
    }
}

/// The best of the means with its configuration.
fn best(history: &History) -> String {
    let objective = &history.document.objective;
    let means = history.means();
    // Of equal ones the first.
    let best = means.iter().min_by_key(|mean| Reverse(objective.direction.score(mean.1).ok()));
    best.map_or_else(String::new, |(configuration, value, _)| {
        format!("{} {value} at {configuration}", objective.name)
    })
}
