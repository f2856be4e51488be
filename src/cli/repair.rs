//! `hyperq repair`.

use std::path::PathBuf;

use clap::Args;
use hyperq::storage::{Journal, JournalOptions, Unreadable};

use super::{Failure, print};

/// Make a study's journal whole again after a crash
///
/// Breaks the lock of a dead writer, cuts off a line that was never written to its end, and finds lines that
/// nobody can read. Workers do the first two by themselves.
#[derive(Args)]
pub struct RepairCommand {
    /// The journal file
    #[arg(long, value_name = "FILE.log")]
    study: PathBuf,
    /// Move lines that are no records to FILE.log.rejected; no worker may run meanwhile
    #[arg(long)]
    move_unreadable: bool,
}

impl RepairCommand {
    /// Repairs and says what was done.
    pub fn run(&self) -> Result<(), Failure> {
        let unreadable = if self.move_unreadable { Unreadable::Move } else { Unreadable::Keep };
        let repair = Journal::repair(&self.study, unreadable, &JournalOptions::default())
            .map_err(Failure::failed)?;
        let mut text = format!("{} records are readable\n", repair.records);
        if repair.torn > 0 {
            text.push_str(&format!("{} bytes of a torn last line were cut off\n", repair.torn));
        }
        if repair.stale_lock {
            text.push_str("the lock of a dead writer was broken\n");
        }
        for (line, found) in &repair.unreadable {
            text.push_str(&format!("line {line} is no record: {found}\n"));
        }
        if let Some(rejected) = &repair.rejected {
            text.push_str(&format!("these lines are in {} now\n", rejected.display()));
        }
        print(&text)?;
        if repair.unreadable.is_empty() || repair.rejected.is_some() {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "{}: lines that are no records end every reading; --move-unreadable takes them out",
            self.study.display()
        )))
    }
}
