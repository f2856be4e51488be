//! The importance of parameters as bars.

use std::fmt::Write;

use super::digest::Digest;
use super::importance::importances;
use super::text::{escaped, name, shortened};

/// With fewer complete trials, a tenth of them is one, which says nothing.
const FEWEST: usize = 20;
/// With fewer complete trials, the best tenth has less than the five that Optuna's documentation advises.
const STEADY: usize = 50;
/// A chart has at most this many bars.
const BARS: usize = 25;
/// Charts of at most this many objectives.
const OBJECTIVES: usize = 6;

/// The section.
pub(super) fn section(digest: &Digest<'_>) -> String {
    let mut html = "<h2>Importance of parameters</h2>\n".to_owned();
    let complete = digest.complete.len();
    if complete < FEWEST {
        let _ = writeln!(
            html,
            "<p>Too few trials to tell: {complete} {} complete, and it takes {FEWEST}.</p>",
            if complete == 1 { "is" } else { "are" }
        );
        return html;
    }
    html.push_str(
        "<p class=\"soft\">How much each parameter decides about being among the best tenth of the \
         trials, as a share of all (PED-ANOVA, Watanabe, Bansal &amp; Hutter 2023). It tells what \
         mattered where this study searched, one parameter at a time.",
    );
    if complete < STEADY {
        let _ = write!(html, " With {complete} complete trials take it as a hint only.");
    }
    html.push_str("</p>\n");
    html.push_str(if digest.is_single() { "<div>\n" } else { "<div class=\"grid pair\">\n" });
    for index in 0..digest.report.objectives.len().min(OBJECTIVES) {
        html.push_str(&chart(digest, index));
    }
    html.push_str("</div>\n");
    html
}

fn chart(digest: &Digest<'_>, objective: usize) -> String {
    let (objective_name, direction) = &digest.report.objectives[objective];
    let mut html = "<figure class=\"card\">".to_owned();
    if !digest.is_single() {
        let _ = write!(html, "<h3>{}</h3>", name(objective_name, 60));
    }
    let found = importances(digest.report.trials, objective, *direction);
    let total: f64 = found.values().sum();
    if total <= 0.0 {
        html.push_str(
            "<figcaption>Nothing to tell: no trial is better than the others, or no parameter \
             varies.</figcaption></figure>\n",
        );
        return html;
    }
    let mut shares: Vec<(String, f64)> =
        found.into_iter().map(|(name, importance)| (name, importance / total)).collect();
    // Names are in order, and so stay those of equal importance.
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    let longest = shares.first().map_or(1.0, |(_, share)| *share);
    html.push_str("<table class=\"bars\"><tbody>\n");
    for (parameter, share) in shares.iter().take(BARS) {
        let _ = writeln!(
            html,
            "<tr><td class=\"name\">{}</td>\
             <td class=\"bar\"><div style=\"width:{:.1}%\"></div></td>\
             <td>{}</td></tr>",
            escaped(&shortened(parameter, 40)),
            100.0 * share / longest,
            percent(*share)
        );
    }
    html.push_str("</tbody></table>");
    if shares.len() > BARS {
        let rest: f64 = shares[BARS..].iter().map(|(_, share)| share).sum();
        let _ = write!(
            html,
            "<figcaption>{} more parameters have {} together.</figcaption>",
            shares.len() - BARS,
            percent(rest)
        );
    }
    html.push_str("</figure>\n");
    html
}

fn percent(share: f64) -> String {
    match 100.0 * share {
        0.0 => "0 %".to_owned(),
        percent if percent < 0.1 => "&lt; 0.1 %".to_owned(),
        percent if percent < 10.0 => format!("{percent:.1} %"),
        percent => format!("{percent:.0} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percentages() {
        assert_eq!(
            [0.0, 0.0004, 0.021, 0.456].map(percent),
            ["0 %", "&lt; 0.1 %", "2.1 %", "46 %"]
        );
    }
}
