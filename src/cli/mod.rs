//! The command line: parses, calls the library, prints.

mod ablate;
mod agents;
mod ask;
mod best;
mod command_line;
mod compare;
mod features;
mod leaderboard;
mod numbers;
mod progress;
mod repair;
mod report;
mod reproduce;
mod storage;
mod strategies;
mod surfaces;
mod tell;
mod train;
mod transfer;
mod trial_progress;
mod trials;
mod tune;
mod warm_start;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand as NO_COMMAND;
use clap::{Parser, Subcommand};

/// Hyperparameter optimization by reinforcement learning.
#[derive(Parser)]
#[command(name = "hyperq", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Tune(tune::Tune),
    Ask(ask::Ask),
    Tell(tell::Tell),
    Best(best::BestCommand),
    Trials(trials::Trials),
    Report(report::ReportCommand),
    Repair(repair::RepairCommand),
    Compare(compare::Compare),
    Ablate(ablate::Ablate),
    Reproduce(reproduce::Reproduce),
    Surfaces(surfaces::Surfaces),
    Agents(agents::Agents),
    Train(train::Train),
    Transfer(transfer::TransferCommand),
    Strategies(strategies::Strategies),
    Features(features::Features),
}

/// Why the program ends without success.
enum Failure {
    /// The command line or a file that it names is at fault.
    Usage(String),
    /// What was asked for could not be done.
    Failed(String),
    /// The user interrupted it, after what was done had been written.
    Interrupted,
}

impl Failure {
    fn usage(error: impl ToString) -> Self {
        Self::Usage(error.to_string())
    }

    fn failed(error: impl ToString) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Parses the arguments and runs the command.
pub fn main() -> ExitCode {
    let outcome = match Arguments::try_parse() {
        Ok(arguments) => match arguments.command {
            Command::Tune(tune) => tune.run(),
            Command::Ask(ask) => ask.run(),
            Command::Tell(tell) => tell.run(),
            Command::Best(best) => best.run(),
            Command::Trials(trials) => trials.run(),
            Command::Report(report) => report.run(),
            Command::Repair(repair) => repair.run(),
            Command::Compare(compare) => compare.run(),
            Command::Ablate(ablate) => ablate.run(),
            Command::Reproduce(reproduce) => reproduce.run(),
            Command::Surfaces(surfaces) => surfaces.run(),
            Command::Agents(agents) => agents.run(),
            Command::Train(train) => train.run(),
            Command::Transfer(transfer) => transfer.run(),
            Command::Strategies(strategies) => strategies.run(),
            Command::Features(features) => features.run(),
        },
        // `--help` and `--version`.
        Err(error) if !error.use_stderr() => print(&error.render().to_string()),
        Err(error) if error.kind() == NO_COMMAND => {
            Err(Failure::usage("a command is needed; `hyperq --help` lists them"))
        }
        Err(error) => Err(Failure::Usage(one_line(&error.render().to_string()))),
    };
    let (code, message) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => (2, message),
        Err(Failure::Failed(message)) => (1, message),
        Err(Failure::Interrupted) => return ExitCode::from(130),
    };
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let _ = writeln!(std::io::stderr(), "error: {message}");
    ExitCode::from(code)
}

/// Writes to stdout. A reader that has gone away (`| head`) has seen what it wanted.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Failed(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// clap's message without its `error:`, its usage and its pointer to `--help`.
fn one_line(message: &str) -> String {
    let relevant: Vec<&str> = message
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .filter(|line| !line.is_empty())
        .collect();
    let text = relevant.join(" ");
    let text = text.strip_prefix("error:").map_or(text.as_str(), str::trim);
    text.to_owned()
}
