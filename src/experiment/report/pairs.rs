//! Strategies in pairs.

use std::fmt::Write;

use super::page::Page;
use super::section::Section;
use super::text::{or_dash, p_value, percent};
use crate::report::escaped;

/// The pairs that the comparison asked for.
pub(super) fn section(page: &Page<'_>) -> Option<Section> {
    let pairs = &page.summary.pairs;
    let first = pairs.first()?;
    let shown: Vec<usize> = [5, 10, 20, 30, 60, 100]
        .into_iter()
        .filter(|trial| first.differences.iter().any(|d| d.trial == *trial))
        .collect();
    let mut section = Section::new("pairs", "In pairs");
    section.note(
        "Relative improvement of the area under the curve of normalized regret over the logarithm of time, and differences \
         of normalized regret after @ trials (below 0: the first is better) with the p-value of Wilcoxon's signed-rank test \
         over surfaces. Seeds are averaged first; p-values are not corrected for their number.",
    );
    let html = &mut section.html;
    html.push_str(
        "<div class=\"card scroll\"><table><thead><tr><th class=\"name\">strategy</th>\
         <th class=\"name\">against</th><th>improvement</th><th>interval</th>",
    );
    for trial in &shown {
        let _ = write!(html, "<th>@{trial}</th><th>p</th>");
    }
    html.push_str("<th>worse on</th></tr></thead><tbody>\n");
    for pair in pairs {
        let _ = write!(
            html,
            "<tr><td class=\"name\">{}</td><td class=\"name\">{}</td><td>{}</td><td>{}</td>",
            escaped(&pair.strategy),
            escaped(&pair.against),
            percent(pair.relative_improvement),
            or_dash(pair.relative_improvement_interval, |[low, high]| {
                format!("{} to {}", percent(low), percent(high))
            }),
        );
        for trial in &shown {
            let difference = pair.differences.iter().find(|d| d.trial == *trial);
            let _ = write!(
                html,
                "<td>{}</td><td>{}</td>",
                or_dash(difference, |d| format!("{:+.4}", d.mean)),
                or_dash(difference.and_then(|d| d.p), p_value),
            );
        }
        let _ = writeln!(
            html,
            "<td title=\"{}\">{} of {}</td></tr>",
            escaped(&pair.hurt.join(", ")),
            pair.hurt.len(),
            pair.surfaces
        );
    }
    html.push_str("</tbody></table></div>\n");
    Some(section)
}
