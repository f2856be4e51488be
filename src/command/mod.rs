//! Programs as objectives: a command is run once a trial, and what it prints is the score.
//!
//! A [`CommandTemplate`] is a command whose arguments name parameters. [`CommandTemplate::run`] puts a
//! configuration's values in, runs the program in a process group of its own and reads what it prints: JSON
//! lines with a `score`, or simply a number at the end.
//!
//! ```
//! # #[cfg(unix)] {
//! use std::sync::atomic::AtomicBool;
//!
//! use hyperq::command::{CommandTemplate, Decision, Ending, Limits};
//! use hyperq::space::{Parameter, SearchSpace, Value};
//!
//! let space = SearchSpace::new([Parameter::float("x", -5.0, 5.0)])?;
//! let words = ["sh", "-c", "echo \"x is $1\"; echo \"loss=0.25\"", "train", "{x}"];
//! let template = CommandTemplate::new(words.map(String::from).to_vec(), &space)?;
//! let configuration = space.configuration([("x", Value::Float(1e-7))])?;
//! assert_eq!(template.arguments(0, &configuration)?.last().unwrap(), "1e-7");
//!
//! let stop = AtomicBool::new(false);
//! let run = template.run(0, &configuration, &Limits::default(), &stop, &mut |_| {
//!     Ok(Decision::Continue)
//! })?;
//! assert_eq!(run.ending, Ending::Complete(vec![0.25]));
//! # }
//! # Ok::<(), hyperq::Error>(())
//! ```
//!
//! # The command
//!
//! `{learning_rate}` in any argument becomes the value of the parameter `learning_rate`, `{trial}` the
//! trial's number. A number is printed with the fewest digits that read back as the very same number (`0.1`,
//! `1e-7`), an integer without a point, a text as it is, the others as `true`, `false` and `null`.
//!
//! Braces that enclose no name (letters, digits, `_`, `-`, `.`, `:`) stay as they are, so JSON needs no
//! care: `{"rate": {rate}}` becomes `{"rate": 0.1}`. Braces are doubled to enclose a name literally: of
//! `{{rate}}` comes `{rate}`, of `${{HOME}}` the shell's `${HOME}`, of `{{{rate}}}` comes `{0.1}`.
//!
//! An argument that names an inactive parameter is left out. Where it is nothing but the parameter
//! (`--gamma {gamma}`), the flag before it is left out too: an argument that begins with `-`, is no number,
//! has no `=` and is neither `-` nor `--`. The program itself cannot depend on a conditional parameter.
//!
//! The program also finds the values in its environment: `HYPERQ_PARAM_LEARNING_RATE` (the name in
//! capitals, every character that is not of `A-Z0-9_` as `_`; unset where the parameter is inactive), the
//! trial's number in `HYPERQ_TRIAL` and all values as JSON in `HYPERQ_CONFIGURATION`.
//!
//! # What the program prints
//!
//! - A JSON object in one line of standard output with a `score` (a number, or an array with a number an
//!   objective) and a `step` (an integer of 0 to 2^32 - 1) is an intermediate report. It may lead to pruning.
//! - Such a line without a `step` is the result. The last one counts. Where there is none, the last report
//!   is the result.
//! - Other keys of the line that gives the result are attributes of the trial.
//! - Where no line has a `score`, the result is the last number that was printed: of the last line that has
//!   one the last one; with `n` objectives the last `n` of the last line that has `n`. A line is split at
//!   white space, brackets, quotes and any of `=:,;|`; `accuracy: 0.93`, `loss=1.2e-3,` and `tensor(0.5)` all
//!   have a number. A `%` or a full stop at its end is left off: `3%` is 3. A comma separates two numbers:
//!   `1,234` ends in 234. `nan` and `inf` are numbers too.
//! - Lines that begin with `{` are never searched for numbers, as those of other keys would be taken for the
//!   result. A line of more than 1 MiB is passed over.
//!
//! A score that is NaN or infinite (JSON has neither: Python writes `NaN`, JavaScript `null`) makes the trial
//! fail; in a report at once.
//!
//! # How it ends
//!
//! The program has no standard input. It succeeds with exit code 0. One that is pruned, is over its time or
//! is interrupted gets SIGTERM, and SIGKILL after [`Limits::grace`]; all of its process group does. When the
//! program has ended, what is left of its group has half a second to write the rest of its output (one that was
//! asked to end the rest of the grace), then it is killed. Descendants that made themselves a group of their
//! own (`setsid`) are not followed, and their output is no longer read.
//!
//! Where there are no process groups (Windows), only the program itself is ended, and at once; one whose
//! descendants hold its output open after its end has no score.

mod group;
mod output;
mod process;
mod template;

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::{Map, Value as Json};

pub use template::CommandTemplate;

/// What a program may take, and where its output is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// The number of objectives, which is the count of numbers that the program must print as its score.
    pub objectives: usize,
    /// How long the program may run, `None` for ever.
    pub timeout: Option<Duration>,
    /// How long a program that is to end has between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// The directory that keeps what the programs print, as `<trial>.out` and `<trial>.err`. It is created
    /// where it is missing; files of the same trial are replaced.
    pub output: Option<PathBuf>,
}

impl Default for Limits {
    /// One objective, no timeout, a grace of five seconds, output that is not kept.
    fn default() -> Self {
        Self { objectives: 1, timeout: None, grace: Duration::from_secs(5), output: None }
    }
}

/// An intermediate value that a program printed.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The step, such as an epoch.
    pub step: u32,
    /// One finite number an objective.
    pub values: Vec<f64>,
}

/// What becomes of a program after a [`Report`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It goes on.
    Continue,
    /// It is given up. Further reports are not heard.
    Prune,
}

/// A program that has been run.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// How it ended.
    pub ending: Ending,
    /// The keys beside `score` and `step` of the line that gave the result; of a trial without a result
    /// those of its last report.
    pub attributes: Map<String, Json>,
    /// The last lines on standard error, at most 4 KiB, for the message about a failure.
    pub errors: String,
    /// How long it took.
    pub duration: Duration,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// It succeeded: one finite number an objective.
    Complete(Vec<f64>),
    /// It was given up after its report at this step.
    Pruned {
        /// The step.
        step: u32,
    },
    /// It gave no result.
    Failed(Failure),
    /// It was ended from outside, and nothing is known of its result.
    Interrupted,
}

/// Why a program gave no result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Failure {
    /// It could not be started.
    #[error("`{program}` could not be started: {reason}")]
    NotStarted {
        /// The program.
        program: String,
        /// What the operating system said.
        reason: String,
    },
    /// It ended with another exit code than 0 or by a signal.
    #[error("the program ended with {0}")]
    Exit(ExitStatus),
    /// It took longer than it may.
    #[error("the program ran for longer than {} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// It printed no score.
    #[error("the program printed no {}{}", wanted(*.objectives), aside(.passed_over))]
    NoScore {
        /// How many numbers a score has.
        objectives: usize,
        /// The last line that was passed over, with the reason.
        passed_over: Option<String>,
    },
    /// A score has too few numbers or too many.
    #[error("a score must have {}, found {found}{}", numbers(*.objectives), at(*.step))]
    Count {
        /// How many numbers a score has.
        objectives: usize,
        /// How many were printed.
        found: usize,
        /// The step, where it was an intermediate report.
        step: Option<u32>,
    },
    /// A score is NaN or infinite.
    #[error("a score must be finite, found {value}{}", at(*.step))]
    NotFinite {
        /// The number.
        value: f64,
        /// The step, where it was an intermediate report.
        step: Option<u32>,
    },
    /// A JSON line has a `score` or a `step` of another kind.
    #[error("`{key}` must be {rule}, found {found}")]
    Malformed {
        /// The key.
        key: &'static str,
        /// What its value must be.
        rule: &'static str,
        /// What it was.
        found: String,
    },
}

fn numbers(objectives: usize) -> String {
    match objectives {
        1 => "1 number".to_owned(),
        count => format!("{count} numbers"),
    }
}

fn wanted(objectives: usize) -> String {
    match objectives {
        1 => "number".to_owned(),
        count => format!("line with {count} numbers"),
    }
}

fn aside(passed_over: &Option<String>) -> String {
    passed_over.as_ref().map(|line| format!("; {line}")).unwrap_or_default()
}

fn at(step: Option<u32>) -> String {
    step.map(|step| format!(" at step {step}")).unwrap_or_default()
}

#[cfg(all(test, unix))]
mod tests;
