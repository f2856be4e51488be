//! Why trials failed.

use std::collections::HashMap;
use std::fmt::Write;

use crate::storage::{REASON, STDERR, StoredTrial, TrialState};

use super::digest::Digest;
use super::text::{counted, escaped, json, shortened};

/// At most this many reasons have a row.
const ROWS: usize = 30;
/// Longest reason, in characters.
const LONGEST: usize = 500;
/// The end of the standard error is shown up to this many lines and characters.
const TAIL_LINES: usize = 25;
const TAIL: usize = 3_000;

struct Reason {
    text: String,
    count: usize,
    /// The number of the first trial.
    first: u64,
    /// The first standard error that is not empty, with its trial.
    stderr: Option<(u64, String)>,
}

/// The section; empty where nothing failed.
pub(super) fn section(digest: &Digest<'_>) -> String {
    let reasons = reasons(digest.report.trials);
    if reasons.is_empty() {
        return String::new();
    }
    let failed: usize = reasons.iter().map(|reason| reason.count).sum();
    let mut html = format!(
        "<h2>Failures</h2>\n<p class=\"soft\">{} for {}.</p>\n\
         <div class=\"card scroll\"><table><thead><tr>\
         <th class=\"narrow\">trials</th><th class=\"narrow\">first</th>\
         <th class=\"name\">reason</th></tr></thead><tbody>\n",
        counted(failed, "trial failed", "trials failed"),
        counted(reasons.len(), "reason", "reasons")
    );
    for reason in reasons.iter().take(ROWS) {
        let _ = write!(
            html,
            "<tr><td>{}</td><td>{}</td><td class=\"reason\">{}",
            reason.count,
            reason.first,
            escaped(&shortened(&reason.text, LONGEST))
        );
        if let Some((trial, stderr)) = &reason.stderr {
            let _ = write!(
                html,
                "<details><summary>standard error of trial {trial}</summary>\
                 <pre>{}</pre></details>",
                escaped(&tail(stderr))
            );
        }
        html.push_str("</td></tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    if reasons.len() > ROWS {
        let rest: usize = reasons[ROWS..].iter().map(|reason| reason.count).sum();
        let _ = writeln!(
            html,
            "<p class=\"soft\">{} more reasons, of {}, are not shown.</p>",
            reasons.len() - ROWS,
            counted(rest, "trial", "trials")
        );
    }
    html
}

/// The reasons, the most frequent first, equally frequent ones as they came.
fn reasons(trials: &[StoredTrial]) -> Vec<Reason> {
    let mut reasons: Vec<Reason> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for trial in trials.iter().filter(|trial| trial.state == TrialState::Failed) {
        let given = trial.user_attributes.get(REASON).map(json);
        let text = given.unwrap_or_else(|| "no reason was recorded".to_owned());
        let at = *known.entry(text).or_insert_with_key(|text| {
            let text = text.clone();
            reasons.push(Reason { text, count: 0, first: trial.number, stderr: None });
            reasons.len() - 1
        });
        let reason = &mut reasons[at];
        reason.count += 1;
        if reason.stderr.is_none() {
            let stderr = trial.user_attributes.get(STDERR).map(json);
            let stderr = stderr.filter(|text| !text.trim().is_empty());
            reason.stderr = stderr.map(|text| (trial.number, text));
        }
    }
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.count));
    reasons
}

/// The end of a text.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let last = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
    let cut = last.chars().count().saturating_sub(TAIL);
    let kept: String = last.chars().skip(cut).collect();
    match cut > 0 || lines.len() > TAIL_LINES {
        true => format!("…\n{kept}"),
        false => kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::trial;

    #[test]
    fn reasons_are_counted_and_the_first_stderr_is_kept() {
        let attributes = [
            r#"{"failure": "b"}"#,
            r#"{"failure": "a", "stderr": " \n"}"#,
            r#"{"failure": "a", "stderr": "Traceback"}"#,
            r#"{"failure": 3}"#,
            "{}",
        ];
        let mut trials: Vec<StoredTrial> = (0..)
            .zip(attributes)
            .map(|(number, attributes)| {
                let mut trial = trial(number, &[]);
                trial.state = TrialState::Failed;
                trial.user_attributes = serde_json::from_str(attributes).unwrap();
                trial
            })
            .collect();
        trials.push(trial(9, &[1.0]));
        let found = reasons(&trials);
        let texts: Vec<(&str, usize, u64)> =
            found.iter().map(|r| (r.text.as_str(), r.count, r.first)).collect();
        let wanted = [("a", 2, 1), ("b", 1, 0), ("3", 1, 3), ("no reason was recorded", 1, 4)];
        assert_eq!(texts, wanted);
        assert_eq!(found[0].stderr, Some((2, "Traceback".to_owned())));
    }

    #[test]
    fn the_end_of_a_long_stderr_is_shown() {
        assert_eq!(tail("a\nb\n"), "a\nb");
        let lines: Vec<String> = (0..100).map(|line| line.to_string()).collect();
        let found = tail(&lines.join("\n"));
        assert!(found.starts_with("…\n75\n") && found.ends_with("\n99"));
        assert_eq!(tail(&"ä".repeat(TAIL + 5)).chars().count(), TAIL + 2);
    }
}
