//! What did not run and what failed.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::page::Page;
use super::section::Section;
use crate::report::escaped;

/// What did not run and what failed.
pub(super) fn section(page: &Page<'_>) -> Section {
    let mut section = Section::new("problems", "Refusals and failures");
    let html = &mut section.html;
    let mut grouped: BTreeMap<(&str, &str, &str), Vec<&str>> = BTreeMap::new();
    for stopped in &page.summary.stopped {
        let key = (stopped.strategy.as_str(), stopped.how.as_str(), stopped.reason.as_str());
        grouped.entry(key).or_default().push(&stopped.surface);
    }
    let mut failures: BTreeMap<(&str, &str), (usize, &str)> = BTreeMap::new();
    let plan = &page.results.plan;
    for run in &page.results.runs {
        if let Some(reason) = &run.first_failure {
            let surface = plan.surfaces[run.surface].spec().name.as_str();
            let count = run.records.iter().filter(|record| record.value.is_none()).count();
            let key = (surface, plan.strategies[run.strategy].name.as_str());
            failures.entry(key).or_insert((0, reason)).0 += count;
        }
    }
    if grouped.is_empty() && failures.is_empty() {
        html.push_str(
            "<p>None: every strategy ran on every surface and every evaluation succeeded.</p>\n",
        );
        return section;
    }
    if !grouped.is_empty() {
        html.push_str(
            "<div class=\"card scroll\"><table><thead><tr><th class=\"name\">strategy</th>\
             <th class=\"name\">what</th><th class=\"name\">reason</th><th class=\"name\">surfaces\
             </th></tr></thead><tbody>\n",
        );
        for ((strategy, how, reason), surfaces) in grouped {
            let mut list = surfaces.iter().take(3).copied().collect::<Vec<_>>().join(", ");
            if surfaces.len() > 3 {
                let _ = write!(list, " and {} more", surfaces.len() - 3);
            }
            let _ = writeln!(
                html,
                "<tr><td class=\"name\">{}</td><td class=\"name\">{how}</td>\
                 <td class=\"reason\">{}</td><td class=\"reason\">{}</td></tr>",
                escaped(strategy),
                escaped(reason),
                escaped(&list)
            );
        }
        html.push_str("</tbody></table></div>\n");
    }
    if !failures.is_empty() {
        html.push_str(
            "<p>Failed evaluations count as trials and bring nothing.</p>\n\
             <div class=\"card scroll\"><table><thead><tr><th class=\"name\">surface</th>\
             <th class=\"name\">strategy</th><th>failed</th><th class=\"name\">the first reason\
             </th></tr></thead><tbody>\n",
        );
        for ((surface, strategy), (count, reason)) in failures {
            let _ = writeln!(
                html,
                "<tr><td class=\"name\">{}</td><td class=\"name\">{}</td><td>{count}</td>\
                 <td class=\"reason\">{}</td></tr>",
                escaped(surface),
                escaped(strategy),
                escaped(reason)
            );
        }
        html.push_str("</tbody></table></div>\n");
    }
    section
}
