//! What the page says first.

use std::fmt::Write;

use super::page::Page;
use super::text::regret;
use crate::experiment::StrategySummary;
use crate::report::escaped;

/// Whether it is whole, who is best, and how much was run.
pub(super) fn opening(page: &Page<'_>) -> String {
    let (summary, plan) = (page.summary, &page.results.plan);
    let mut html = String::new();
    let finished: usize = summary.strategies.iter().map(|s| s.runs).sum();
    if summary.interrupted {
        let _ = writeln!(
            html,
            "<p class=\"warning\">This comparison was interrupted: {finished} of {} runs were \
             finished, and only they count below. Strategies may have finished different \
             surfaces.</p>",
            page.results.runs.len()
        );
    }
    html.push_str(&verdict(page));
    html.push_str("<div class=\"tiles\">");
    for (number, what) in [
        (summary.strategies.len(), ["strategy", "strategies"]),
        (summary.surfaces.len(), ["surface", "surfaces"]),
        (plan.seeds, ["seed each", "seeds each"]),
        (plan.trials, ["trial a run", "trials a run"]),
        (finished, ["run finished", "runs finished"]),
    ] {
        let what = what[usize::from(number != 1)];
        let _ = write!(html, "<div class=\"tile\"><b>{number}</b><span>{what}</span></div>");
    }
    html.push_str("</div>\n");
    html
}

/// Who is best, and whether the intervals bear it out.
fn verdict(page: &Page<'_>) -> String {
    let last = |s: &StrategySummary| s.normalized_regret.last().cloned();
    let Some(best) = page.summary.strategies.first() else { return String::new() };
    let Some(top) = last(best) else {
        return "<p class=\"lead\">No surface of this comparison has a known range, so strategies \
                are ordered by their average rank.</p>\n"
            .to_owned();
    };
    let mut html = format!(
        "<p class=\"lead\"><b>{}</b> has the lowest mean normalized regret after {} trials: {}",
        escaped(&best.name),
        top.trial,
        regret(top.mean)
    );
    if let Some([low, high]) = top.mean_interval {
        let _ =
            write!(html, " ({:.0} % interval {} to {})", page.level(), regret(low), regret(high));
    }
    let random = page.reference.filter(|place| *place > 0);
    if let Some(random) = random.and_then(|place| last(&page.summary.strategies[place])) {
        let _ = write!(html, ", against {} of random search", regret(random.mean));
    }
    html.push('.');
    match top.mean_interval {
        None => {
            html.push_str(" One seed says nothing about chance; run more before you believe it.")
        }
        Some([_, high]) => {
            let others = page.summary.strategies.iter().skip(1).filter(|s| {
                last(s).and_then(|p| p.mean_interval).is_some_and(|[low, _]| low <= high)
            });
            match others.count() {
                0 => html.push_str(" No other strategy's interval overlaps with it."),
                n => {
                    let _ = write!(
                        html,
                        " The intervals of {n} other {} overlap with it, so this comparison does \
                         not settle the order among them.",
                        if n == 1 { "strategy" } else { "strategies" }
                    );
                }
            }
        }
    }
    html.push_str("</p>\n");
    html
}
