//! What a comparison came to, in the terminal.

use std::io::Write;

use comfy_table::{CellAlignment, Table, presets};
use hyperq::experiment::{ALPHA, REFERENCE, Results, StrategySummary, Summary};

/// Says on stderr what did not run, a line for each strategy and reason.
pub(super) fn complain(summary: &Summary, results: &Results) {
    let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
    for stopped in summary.stopped.iter().filter(|stopped| stopped.how != "interrupted") {
        let line = format!("{} was {}: {}", stopped.strategy, stopped.how, stopped.reason);
        match lines.iter_mut().find(|(other, _)| *other == line) {
            Some((_, surfaces)) => surfaces.push(&stopped.surface),
            None => lines.push((line, vec![&stopped.surface])),
        }
    }
    let mut stderr = std::io::stderr().lock();
    for (line, surfaces) in lines {
        let more = if surfaces.len() > 1 {
            format!(" and {} more", surfaces.len() - 1)
        } else {
            String::new()
        };
        let _ = writeln!(stderr, "warning: {line} (on {}{more})", surfaces[0]);
    }
    let failed: usize = summary.strategies.iter().map(|strategy| strategy.failed_trials).sum();
    if failed > 0
        && let Some(reason) = results.runs.iter().find_map(|run| run.first_failure.as_ref())
    {
        let _ = writeln!(stderr, "warning: {failed} evaluations failed; one of them: {reason}");
    }
}

/// The widest table that is printed.
const WIDTH: usize = 80;

/// The table, best first. Where a name is long, the earlier checkpoints give way.
pub(super) fn leaderboard(summary: &Summary) -> String {
    let last = summary.trials;
    let mut early: Vec<usize> = [10, 30, 60, 100, 300]
        .into_iter()
        .filter(|trial| summary.checkpoints.contains(trial) && *trial < last)
        .collect();
    early = early.split_off(early.len().saturating_sub(2));
    loop {
        let text = table(summary, &early, usize::MAX);
        if widest(&text) <= WIDTH {
            return text;
        }
        if early.is_empty() {
            let excess = widest(&text) - WIDTH;
            let longest = summary.strategies.iter().map(|s| s.name.chars().count()).max();
            return table(summary, &early, longest.unwrap_or(0).saturating_sub(excess).max(8));
        }
        early.remove(0);
    }
}

fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

fn table(summary: &Summary, early: &[usize], longest: usize) -> String {
    let last = summary.trials;
    let ranged = summary.strategies.iter().any(|strategy| !strategy.normalized_regret.is_empty());
    let differs = differing(summary);
    // Where some means have a mark, the others keep its place with a space that the table does not trim.
    let beside_mark = if differs.is_empty() { "" } else { "\u{a0}" };
    let mut header = vec!["#".to_owned(), "strategy".to_owned()];
    if ranged {
        header.extend(early.iter().map(|trial| format!("@{trial}")));
        header.extend([
            format!("@{last}{beside_mark}"),
            "95% interval".to_owned(),
            "solved".to_owned(),
        ]);
    }
    header.extend(["rank".to_owned(), "ask+tell".to_owned()]);
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for (place, strategy) in summary.strategies.iter().enumerate() {
        let unknown = || "-".to_owned();
        let at = |trial: usize| {
            let mut points = strategy.normalized_regret.iter();
            points.find(|point| point.trial == trial)
        };
        let mut row = vec![(place + 1).to_string(), shortened(&strategy.name, longest)];
        if ranged {
            let mean = |trial: usize| at(trial).map_or_else(unknown, |p| format!("{:.4}", p.mean));
            row.extend(early.iter().map(|trial| mean(*trial)));
            let marked = differs.contains(&strategy.name.as_str());
            row.push(mean(last) + if marked { "*" } else { beside_mark });
            row.push(
                at(last)
                    .and_then(|point| point.mean_interval)
                    .map_or_else(unknown, |[low, high]| format!("{low:.4}-{high:.4}")),
            );
            row.push(strategy.solved.map_or_else(unknown, |s| format!("{:.0} %", 100.0 * s)));
        }
        row.push(strategy.average_rank.map_or_else(unknown, |rank| format!("{rank:.1}")));
        row.push(time(strategy).unwrap_or_else(unknown));
        table.add_row(row);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index != 1 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = if ranged {
        "mean normalized regret after @ trials (0 is best)\n\n".to_owned()
    } else {
        String::new()
    };
    text.push_str(&table.trim_fmt().replace('\u{a0}', " "));
    if !differs.is_empty() && ranged {
        text.push_str(&format!(
            "\n\n* differs from {REFERENCE} (signed-rank test over surfaces, Holm, {:.0} %)",
            100.0 * ALPHA
        ));
    }
    if let (Some(friedman), Some(nemenyi)) = (&summary.friedman, &summary.nemenyi) {
        let p = match friedman.test.p {
            p if p < 1e-15 => "< 1e-15".to_owned(),
            p if p < 0.001 => format!("= {p:.0e}"),
            p => format!("= {p:.3}"),
        };
        text.push_str(&format!(
            "{}Friedman p {p} over {} surfaces; critical difference of ranks {:.1} ({:.0} %)",
            if differs.is_empty() { "\n\n" } else { "\n" },
            friedman.surfaces,
            nemenyi.critical_difference,
            100.0 * nemenyi.alpha
        ));
    }
    if summary.strategies.iter().any(|s| s.surfaces != summary.surfaces.len()) {
        text.push_str(
            "\n\nNot every strategy has finished every surface; summary.json says which.",
        );
    }
    text
}

/// The strategies whose regret differs from random search's, beyond what the choice of surfaces explains.
fn differing(summary: &Summary) -> Vec<&str> {
    summary
        .pairwise
        .iter()
        .filter(|pair| pair.against == REFERENCE && pair.p_adjusted.is_some_and(|p| p < ALPHA))
        .map(|pair| pair.strategy.as_str())
        .collect()
}

/// A name of at most `longest` characters, the middle left out.
fn shortened(name: &str, longest: usize) -> String {
    let count = name.chars().count();
    if count <= longest {
        return name.to_owned();
    }
    let kept = longest.saturating_sub(1);
    let front: String = name.chars().take(kept.div_ceil(2)).collect();
    let back: String = name.chars().skip(count - kept / 2).collect();
    format!("{front}…{back}")
}

/// The median time of a proposal and of learning, together.
fn time(strategy: &StrategySummary) -> Option<String> {
    let micros = strategy.ask_micros? + strategy.tell_micros?;
    Some(match micros {
        micros if micros < 1.0 => "<1 µs".to_owned(),
        micros if micros < 1000.0 => format!("{micros:.0} µs"),
        micros if micros < 1e6 => format!("{:.1} ms", micros / 1e3),
        micros => format!("{:.1} s", micros / 1e6),
    })
}
