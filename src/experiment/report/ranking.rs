//! The leaderboard.

use std::fmt::Write;

use super::page::Page;
use super::section::Section;
use super::text::{or_dash, regret, time};

pub(super) fn section(page: &Page<'_>) -> Section {
    let summary = page.summary;
    let ends = summary.strategies.iter().filter_map(|s| s.normalized_regret.last());
    let widest =
        ends.map(|end| end.mean_interval.map_or(end.mean, |[_, high]| high)).fold(0.0, f64::max);
    let mut section = Section::new("ranking", "Ranking");
    section.note(&format!(
        "Best first, by mean normalized regret after {} trials. IQM is the interquartile mean over all runs; rank is the \
         average among all strategies on the same surface and seed; solved is the share of runs that end within 1 % of \
         the best; ask and tell are median times.",
        summary.trials
    ));
    let html = &mut section.html;
    let _ = writeln!(
        html,
        "<div class=\"card scroll\"><table><thead><tr><th>#</th><th class=\"name\">strategy</th><th>regret</th>\
         <th class=\"name\">{:.0} % interval</th><th>IQM</th><th>rank</th><th>solved</th><th>ask</th><th>tell</th>\
         <th>failed</th></tr></thead><tbody>",
        page.level()
    );
    for (place, s) in summary.strategies.iter().enumerate() {
        let end = s.normalized_regret.last();
        let partial = if s.surfaces < summary.surfaces.len() {
            format!(" <span class=\"soft\">({} of {})</span>", s.surfaces, summary.surfaces.len())
        } else {
            String::new()
        };
        let name = page.name_cell(place).replace("</td>", &format!("{partial}</td>"));
        let interval = end.map_or_else(String::new, |end| {
            let [low, high] = end.mean_interval.unwrap_or([end.mean; 2]);
            interval(page, place, low, end.mean, high, widest)
        });
        let _ = writeln!(
            html,
            "<tr {}><td>{}</td>{name}<td>{}</td><td class=\"name\"{}>{interval}</td><td>{}</td>\
             <td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            Page::focus(place),
            place + 1,
            or_dash(end, |end| regret(end.mean)),
            end.and_then(|end| end.mean_interval).map_or_else(String::new, |[low, high]| {
                format!(" title=\"{} to {}\"", regret(low), regret(high))
            }),
            or_dash(end, |end| regret(end.interquartile_mean)),
            or_dash(s.average_rank, |rank| format!("{rank:.2}")),
            or_dash(s.solved, |solved| format!("{:.0} %", 100.0 * solved)),
            or_dash(s.ask_micros, time),
            or_dash(s.tell_micros, time),
            s.failed_trials,
        );
    }
    html.push_str("</tbody></table></div>\n");
    section
}

/// A mean with its interval as a small picture.
fn interval(page: &Page<'_>, place: usize, low: f64, mean: f64, high: f64, widest: f64) -> String {
    let at = |value: f64| 2.0 + if widest > 0.0 { 96.0 * value / widest } else { 0.0 };
    format!(
        "<svg class=\"interval\" viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" \
         aria-hidden=\"true\"><line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"5\" y2=\"5\"/>\
         <line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"0\" y2=\"10\" style=\"stroke:{};stroke-width:5\"/></svg>",
        at(low),
        at(high),
        at(mean),
        at(mean),
        if page.emphasized(place) { page.css_color(place) } else { "var(--soft)".to_owned() },
    )
}
