//! `hyperq report`.

use std::path::{Path, PathBuf};

use clap::Args;
use hyperq::report::{StudyReport, write_study};
use hyperq::trial::Direction;

use super::storage::{Stored, StudyOptions};
use super::{Failure, print};

/// Write a report of a study as one HTML page
#[derive(Args)]
pub struct ReportCommand {
    #[command(flatten)]
    study: StudyOptions,
    /// Where to write the page [default: the study's name with `.html`]
    #[arg(long, value_name = "FILE.html")]
    out: Option<PathBuf>,
}

impl ReportCommand {
    /// Writes the page.
    pub fn run(&self) -> Result<(), Failure> {
        let stored = Stored::read(&self.study)?;
        let out = self.out.clone().unwrap_or_else(|| file_name(&stored.name).into());
        if is_same_file(&out, &self.study.study) {
            return Err(Failure::Usage(format!(
                "--out {}: this is the study's own file, which the page would replace",
                out.display()
            )));
        }
        let objectives: Vec<(String, Direction)> =
            stored.objectives().into_iter().zip(stored.directions().iter().copied()).collect();
        let report = StudyReport {
            name: &stored.name,
            location: &stored.storage.location(),
            objectives: &objectives,
            trials: stored.trials(),
        };
        write_study(&report, &out).map_err(Failure::failed)?;
        print(&format!("report: {}\n", out.display()))
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        // A file that does not exist yet is no other.
        _ => false,
    }
}

/// The longest part of a file's name that comes from the study, in characters: with up to four bytes each
/// it is within the 255 bytes of every common file system.
const LONGEST: usize = 60;

/// The name of a page in the working directory. Whatever is neither a letter nor a digit, nor one of
/// `-_.` within the name, becomes `-`.
fn file_name(study: &str) -> String {
    let tame = |character: char| match character {
        '-' | '_' | '.' => character,
        _ if character.is_alphanumeric() => character,
        _ => '-',
    };
    let name: String = study.chars().take(LONGEST).map(tame).collect();
    let name = name.trim_matches(['-', '.']);
    format!("{}.html", if name.is_empty() { "study" } else { name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_studys_name_becomes_a_harmless_file_name() {
        for (study, file) in [
            ("sine", "sine.html"),
            ("größe 2.1_b", "größe-2.1_b.html"),
            ("../../etc/passwd", "etc-passwd.html"),
            ("a\\b:c*?\"<>|\n\u{0}d", "a-b-c--------d.html"),
            (".hidden", "hidden.html"),
            ("--out", "out.html"),
            ("///", "study.html"),
            ("", "study.html"),
        ] {
            assert_eq!(file_name(study), file, "{study:?}");
        }
        assert!(file_name(&"\u{20000}".repeat(500)).len() < 255);
    }

    #[test]
    fn the_studys_own_file_is_recognized() {
        let directory = tempfile::tempdir().unwrap();
        let (study, page) = (directory.path().join("s.log"), directory.path().join("s.html"));
        std::fs::write(&study, "").unwrap();
        assert!(is_same_file(&directory.path().join("./s.log"), &study));
        assert!(!is_same_file(&page, &study));
        std::fs::write(&page, "").unwrap();
        assert!(!is_same_file(&page, &study));
    }
}
