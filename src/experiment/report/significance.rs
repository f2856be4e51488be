//! Tests of strategies against random search and against the best, and how soon they are good.

use std::fmt::Write;

use super::page::Page;
use super::section::Section;
use super::text::{or_dash, p_value, percent, regret};
use crate::experiment::Comparison;
use crate::report::{escaped, without_zeros};

/// Every strategy against random search and against the first of the ranking.
pub(super) fn section(page: &Page<'_>) -> Option<Section> {
    let mut families: Vec<&[Comparison]> =
        page.summary.pairwise.chunk_by(|a, b| a.against == b.against).collect();
    families.retain(|family| family.iter().any(|c| c.surfaces > 0));
    if families.is_empty() {
        return None;
    }
    let mut section = Section::new("significance", "Are the differences real");
    section.note(
        "p: Wilcoxon's signed-rank test over surfaces of mean normalized regret after the last trial, seeds averaged first, \
         adjusted by Holm's method within the table. Effect: the matched-pairs rank-biserial correlation, 1 where the \
         strategy is better on every surface, -1 where it is worse on every one. Better run: the probability that a run of \
         the strategy ends better than one of the other, with its interval over seeds.",
    );
    for family in families {
        let _ = writeln!(
            section.html,
            "<div class=\"card scroll spaced\"><table><thead><tr><th class=\"name\">against {}</th><th>surfaces</th>\
             <th>p, Holm</th><th>p</th><th>effect</th><th>better run</th><th>{:.0} % interval</th><th>p, Nemenyi</th>\
             </tr></thead><tbody>",
            escaped(&family[0].against),
            page.level(),
        );
        for comparison in family.iter().filter(|c| c.surfaces > 0) {
            row(page, &mut section.html, comparison);
        }
        section.html.push_str("</tbody></table></div>\n");
    }
    Some(section)
}

fn row(page: &Page<'_>, html: &mut String, comparison: &Comparison) {
    let Some(place) = page.place_of(&comparison.strategy) else { return };
    let better = comparison.probability_of_improvement_interval;
    let _ = writeln!(
        html,
        "<tr {}>{}<td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        Page::focus(place),
        page.name_cell(place),
        comparison.surfaces,
        or_dash(comparison.p_adjusted, p_value),
        or_dash(comparison.p, p_value),
        or_dash(comparison.rank_biserial, |effect| format!("{effect:+.2}")),
        or_dash(comparison.probability_of_improvement, percent),
        or_dash(better, |[low, high]| format!("{} to {}", percent(low), percent(high))),
        or_dash(comparison.nemenyi_p, p_value),
    );
}

/// How soon strategies are good.
pub(super) fn speed(page: &Page<'_>) -> Option<Section> {
    let strategies = &page.summary.strategies;
    let first = strategies.iter().find(|s| !s.time_to.is_empty())?;
    let mut section = Section::new("speed", "How soon");
    section.note(
        "Mean trials until a run is within a share of the best value, runs that never are counting with all of theirs; the \
         share that is; and the mean of normalized regret over trials and over the logarithm of trials (the areas under the \
         curve), in which early trials count.",
    );
    let html = &mut section.html;
    html.push_str("<div class=\"card scroll\"><table><thead><tr><th class=\"name\">strategy</th>");
    for time in &first.time_to {
        let target = format!("{:.1}", 100.0 * time.target);
        let target = without_zeros(&target);
        let _ = write!(html, "<th>trials to {target} %</th><th>interval</th><th>reached</th>");
    }
    html.push_str(
        "<th>area</th><th>interval</th><th>log area</th><th>interval</th></tr></thead><tbody>\n",
    );
    for (place, strategy) in strategies.iter().enumerate() {
        if strategy.time_to.is_empty() {
            continue;
        }
        let _ = write!(html, "<tr {}>{}", Page::focus(place), page.name_cell(place));
        for time in &strategy.time_to {
            let _ = write!(
                html,
                "<td>{:.1}</td><td>{}</td><td>{}</td>",
                time.restricted_mean,
                or_dash(time.restricted_mean_interval, |[low, high]| format!(
                    "{low:.1} to {high:.1}"
                )),
                percent(time.solved),
            );
        }
        let interval = |[low, high]: [f64; 2]| format!("{} to {}", regret(low), regret(high));
        let area = strategy.area.as_ref();
        let _ = writeln!(
            html,
            "<td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            or_dash(area, |area| regret(area.linear)),
            or_dash(area.and_then(|area| area.linear_interval), interval),
            or_dash(area, |area| regret(area.logarithmic)),
            or_dash(area.and_then(|area| area.logarithmic_interval), interval),
        );
    }
    html.push_str("</tbody></table></div>\n");
    Some(section)
}
