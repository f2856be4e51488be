//! `report.html`: one page without external resources.

mod chart;

use std::collections::BTreeMap;
use std::fmt::Write;

use rayon::prelude::*;

use crate::error::Result;
use crate::report::shortened;
use crate::streams::Streams;
use crate::trial::Direction;

use super::metrics::{Point, curve};
use super::runner::{End, Results};
use super::statistics::{RESAMPLES, Statistic, bootstrap};
use super::summary::{StrategySummary, Summary, SurfaceSummary};
use chart::{Chart, Series, css_name, series_color};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("focus.js");

/// Curves of this many strategies have colours; the others are grey.
const EMPHASIZED: usize = 8;
/// What every strategy should beat; it has a dashed curve of its own wherever it took part.
const REFERENCE: &str = "random";
/// Of these many the bands are shown before the reader asks for one; more of them hide each other.
const BANDS: usize = 3;
/// Curves have at most about this many points.
const POINTS: usize = 80;

/// The report as one HTML page. `command` is what it gives as the way to reproduce it.
///
/// # Errors
///
/// [`Error::Unsuited`](crate::Error::Unsuited) where a chart cannot be drawn.
pub fn report_html(results: &Results, summary: &Summary, command: &str) -> Result<String> {
    let page = Page::new(results, summary);
    let aggregate = page.aggregate_chart()?;
    let charts: Vec<(&'static str, String)> = (0..summary.surfaces.len())
        .into_par_iter()
        .map(|surface| page.surface_chart(surface))
        .collect::<Result<_>>()?;
    let mut html = String::new();
    let title = "Strategies compared";
    let _ = writeln!(
        html,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>hyperq: {title}</title>\n<style>\n{STYLE}{}</style></head>\n<body><main>\n\
         <h1>{title}</h1>",
        page.colors()
    );
    html.push_str(&page.opening());
    if let Some(svg) = aggregate {
        let _ = writeln!(
            html,
            "<h2>All surfaces</h2>\n<p class=\"soft\">Mean normalized regret: 0 is the best value of a \
             surface, 1 its worst. Bands are {:.0} % bootstrap intervals over seeds.{}</p>\n\
             <figure class=\"card chart wide\">{svg}</figure>",
            100.0 * summary.confidence.level,
            page.grey_note()
        );
    }
    html.push_str(&page.ranking());
    html.push_str(&page.pairs());
    html.push_str(&page.matrix());
    html.push_str("<h2 id=\"surfaces\">Surface by surface</h2>\n");
    html.push_str(&page.legend());
    html.push_str("<div class=\"grid\">\n");
    for (surface, (measure, svg)) in charts.iter().enumerate() {
        html.push_str(&page.surface_card(surface, measure, svg));
    }
    html.push_str("</div>\n");
    html.push_str(&page.problems());
    html.push_str(&page.reproduction(command));
    let _ = writeln!(html, "</main>\n<script>\n{SCRIPT}</script>\n</body></html>");
    Ok(html)
}

/// How a measure is read from a point of a run.
type Measure = fn(&Point) -> Option<f64>;

struct Page<'a> {
    results: &'a Results,
    summary: &'a Summary,
    /// For each place in the leaderboard, the strategy's place in the plan.
    plan_index: Vec<usize>,
    /// For each place in the leaderboard, its colour's number; `None` for grey.
    colors: Vec<Option<usize>>,
    reference: Option<usize>,
    trials: Vec<usize>,
}

impl<'a> Page<'a> {
    fn new(results: &'a Results, summary: &'a Summary) -> Self {
        let plan_index = summary
            .strategies
            .iter()
            .map(|s| results.plan.strategies.iter().position(|e| e.name == s.name).unwrap_or(0))
            .collect();
        let alive = |place: usize| summary.strategies[place].runs > 0;
        let reference = summary.strategies.iter().position(|s| s.name == REFERENCE && s.runs > 0);
        let colored = EMPHASIZED - usize::from(reference.is_some());
        let mut colors = vec![None; summary.strategies.len()];
        let places = (0..colors.len()).filter(|place| Some(*place) != reference && alive(*place));
        for (color, place) in places.take(colored).enumerate() {
            colors[place] = Some(color);
        }
        Self {
            results,
            summary,
            plan_index,
            colors,
            reference,
            trials: thinned(results.plan.trials),
        }
    }

    fn emphasized(&self, place: usize) -> bool {
        self.colors[place].is_some() || self.reference == Some(place)
    }

    /// The places with a colour, best first.
    fn front(&self) -> impl Iterator<Item = usize> {
        (0..self.colors.len()).filter(|place| self.emphasized(*place))
    }

    fn css_color(&self, place: usize) -> String {
        match self.colors[place] {
            Some(color) => format!("var(--c{color})"),
            None if self.reference == Some(place) => "var(--reference)".to_owned(),
            None => "var(--faint)".to_owned(),
        }
    }

    /// The rules that replace the charts' placeholders.
    fn colors(&self) -> String {
        let mut css = String::new();
        for place in 0..self.colors.len() {
            let (name, color) = (css_name(series_color(place)), self.css_color(place));
            let width = if self.emphasized(place) { 2.2 } else { 1.0 };
            let dash = if self.reference == Some(place) { "; stroke-dasharray: 6 4" } else { "" };
            let _ = writeln!(
                css,
                ".chart svg [stroke=\"{name}\"] {{ stroke: {color}; stroke-width: {width}px{dash} }}"
            );
            if self.emphasized(place) {
                let _ = writeln!(css, ".chart svg [fill=\"{name}\"] {{ fill: {color} }}");
                if self.reference != Some(place) && self.colors[place] >= Some(BANDS) {
                    let _ = writeln!(css, ".chart svg polygon[fill=\"{name}\"] {{ opacity: 0 }}");
                }
                let _ = writeln!(css, ":root {{ --focus-{place}: {color} }}");
            }
        }
        css
    }

    /// What the page's first chart leaves in the background.
    fn grey_note(&self) -> String {
        let alive = self.summary.strategies.iter().filter(|s| s.runs > 0).count();
        let (front, colored) = (self.front().count(), self.colors.iter().flatten().count());
        let mut note = String::new();
        if colored > BANDS {
            let _ = write!(note, " The bands of the best {BANDS}");
            note.push_str(if self.reference.is_some() { " and of random search" } else { "" });
            note.push_str(" are shown.");
        }
        if alive > front {
            let _ = write!(note, " The best {colored} have colours, the others are grey.");
        }
        if self.reference.is_some() {
            note.push_str(" Random search is dashed.");
        }
        note.push_str(" Point at or tap a name below to bring its curve and band to the front.");
        note
    }

    fn opening(&self) -> String {
        let (summary, plan) = (self.summary, &self.results.plan);
        let mut html = String::new();
        let finished: usize = summary.strategies.iter().map(|s| s.runs).sum();
        if summary.interrupted {
            let _ = writeln!(
                html,
                "<p class=\"warning\">This comparison was interrupted: {finished} of {} runs were \
                 finished, and only they count below. Strategies may have finished different \
                 surfaces.</p>",
                self.results.runs.len()
            );
        }
        html.push_str(&self.verdict());
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
    fn verdict(&self) -> String {
        let last = |s: &StrategySummary| s.normalized_regret.last().cloned();
        let Some(best) = self.summary.strategies.first() else { return String::new() };
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
            let _ = write!(html, " (95 % interval {} to {})", regret(low), regret(high));
        }
        let random = self.reference.filter(|place| *place > 0);
        if let Some(random) = random.and_then(|place| last(&self.summary.strategies[place])) {
            let _ = write!(html, ", against {} of random search", regret(random.mean));
        }
        html.push('.');
        match top.mean_interval {
            None => html
                .push_str(" One seed says nothing about chance; run more before you believe it."),
            Some([_, high]) => {
                let others = self.summary.strategies.iter().skip(1).filter(|s| {
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

    /// The measures of the finished runs of a strategy on a surface: run by trial.
    fn curves(&self, surface: usize, place: usize, measure: Measure) -> Vec<Vec<Option<f64>>> {
        let plan = &self.results.plan;
        let cell = surface * plan.strategies.len() + self.plan_index[place];
        self.results.runs[cell * plan.seeds..(cell + 1) * plan.seeds]
            .iter()
            .filter(|run| run.end == End::Finished)
            .map(|run| {
                let spec = plan.surfaces[surface].spec();
                let points = curve(spec, run.records.iter().map(|record| record.value));
                self.trials.iter().map(|trial| measure(&points[trial - 1])).collect()
            })
            .collect()
    }

    fn series(&self, surfaces: &[usize], place: usize, measure: Measure) -> Option<Series> {
        let all: Vec<Vec<Vec<Option<f64>>>> =
            surfaces.iter().map(|surface| self.curves(*surface, place, measure)).collect();
        let (mut points, mut band) = (Vec::new(), Vec::new());
        let streams = Streams::new(self.results.plan.seed);
        for (index, trial) in self.trials.iter().enumerate() {
            let strata: Vec<Vec<f64>> = all
                .iter()
                .map(|runs| runs.iter().filter_map(|run| run[index]).collect::<Vec<f64>>())
                .filter(|stratum| !stratum.is_empty())
                .collect();
            let Some(mean) = Statistic::Mean.of(&strata) else { continue };
            points.push((*trial as f64, mean));
            if self.emphasized(place) {
                let mut rng = streams.at("bootstrap", 0);
                if let Some([low, high]) = bootstrap(&strata, Statistic::Mean, RESAMPLES, &mut rng)
                {
                    band.push((*trial as f64, low, high));
                }
            }
        }
        (!points.is_empty()).then(|| Series {
            place,
            label: shortened(&self.summary.strategies[place].name, 25),
            emphasized: self.emphasized(place),
            points,
            band,
        })
    }

    fn aggregate_chart(&self) -> Result<Option<String>> {
        let surfaces = &self.summary.surfaces;
        let ranged: Vec<usize> =
            (0..surfaces.len()).filter(|s| surfaces[*s].best.is_some()).collect();
        let series: Vec<Series> = (0..self.colors.len())
            .into_par_iter()
            .filter_map(|place| self.series(&ranged, place, |point| point.normalized_regret))
            .collect();
        if series.is_empty() {
            return Ok(None);
        }
        let chart = Chart {
            size: (760, 400),
            value: "normalized regret".to_owned(),
            log_allowed: true,
            labelled: true,
            series,
        };
        chart.svg().map(Some)
    }

    /// A surface's chart and what it shows.
    fn surface_chart(&self, surface: usize) -> Result<(&'static str, String)> {
        let known = &self.summary.surfaces[surface];
        let (measure, value): (Measure, &'static str) =
            match (known.optimum.is_some(), known.best.is_some()) {
                (true, _) => (|point| point.regret, "simple regret"),
                (false, true) => (|point| point.normalized_regret, "normalized regret"),
                (false, false) => (|point| point.best, "best score"),
            };
        let series = (0..self.colors.len())
            .filter_map(|place| self.series(&[surface], place, measure))
            .collect();
        let chart = Chart {
            size: (420, 280),
            value: value.to_owned(),
            log_allowed: value != "best score",
            labelled: false,
            series,
        };
        Ok((value, chart.svg()?))
    }

    fn name_cell(&self, place: usize) -> String {
        format!(
            "<td class=\"name\"><span class=\"chip\" style=\"background:{}\"></span>{}</td>",
            self.css_color(place),
            escaped(&self.summary.strategies[place].name)
        )
    }

    /// What makes an element bring its strategy's curve to the front.
    fn focus(place: usize) -> String {
        format!("data-place=\"{place}\" data-color=\"{}\"", css_name(series_color(place)))
    }

    fn ranking(&self) -> String {
        let summary = self.summary;
        let ends = summary.strategies.iter().filter_map(|s| s.normalized_regret.last());
        let widest = ends
            .map(|end| end.mean_interval.map_or(end.mean, |[_, high]| high))
            .fold(0.0, f64::max);
        let mut html = format!(
            "<h2>Ranking</h2>\n<p class=\"soft\">Best first, by mean normalized regret after {} \
             trials. IQM is the interquartile mean over all runs; rank is the average among all \
             strategies on the same surface and seed; solved is the share of runs that end within 1 % \
             of the best; ask and tell are median times.</p>\n<div class=\"card scroll\"><table>\
             <thead><tr><th>#</th><th class=\"name\">strategy</th><th>regret</th>\
             <th class=\"name\">95 % interval</th><th>IQM</th><th>rank</th><th>solved</th><th>ask</th>\
             <th>tell</th><th>failed</th></tr></thead><tbody>\n",
            summary.trials
        );
        for (place, s) in summary.strategies.iter().enumerate() {
            let end = s.normalized_regret.last();
            let partial = if s.surfaces < summary.surfaces.len() {
                format!(
                    " <span class=\"soft\">({} of {})</span>",
                    s.surfaces,
                    summary.surfaces.len()
                )
            } else {
                String::new()
            };
            let name = self.name_cell(place).replace("</td>", &format!("{partial}</td>"));
            let interval = end.map_or_else(String::new, |end| {
                let [low, high] = end.mean_interval.unwrap_or([end.mean; 2]);
                self.interval(place, low, end.mean, high, widest)
            });
            let _ = writeln!(
                html,
                "<tr {}><td>{}</td>{name}<td>{}</td><td class=\"name\"{}>{interval}</td><td>{}</td>\
                 <td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                Self::focus(place),
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
        html
    }

    /// A mean with its interval as a small picture.
    fn interval(&self, place: usize, low: f64, mean: f64, high: f64, widest: f64) -> String {
        let at = |value: f64| 2.0 + if widest > 0.0 { 96.0 * value / widest } else { 0.0 };
        format!(
            "<svg class=\"interval\" viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" \
             aria-hidden=\"true\"><line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"5\" y2=\"5\"/>\
             <line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"0\" y2=\"10\" style=\"stroke:{};stroke-width:5\"/></svg>",
            at(low),
            at(high),
            at(mean),
            at(mean),
            if self.emphasized(place) { self.css_color(place) } else { "var(--soft)".to_owned() },
        )
    }

    /// Strategies in pairs.
    fn pairs(&self) -> String {
        let pairs = &self.summary.pairs;
        let Some(first) = pairs.first() else { return String::new() };
        let shown: Vec<usize> = [5, 10, 20, 30, 60, 100]
            .into_iter()
            .filter(|trial| first.differences.iter().any(|d| d.trial == *trial))
            .collect();
        let mut html = "<h2>In pairs</h2>\n<p class=\"soft\">Relative improvement of the area under the \
                        curve of normalized regret over the logarithm of time, and differences of \
                        normalized regret after @ trials (below 0: the first is better) with the p-value of \
                        Wilcoxon's signed-rank test over surfaces. Seeds are averaged first; p-values are not \
                        corrected for their number.</p>\n<div class=\"card scroll\"><table><thead><tr>\
                        <th class=\"name\">strategy</th><th class=\"name\">against</th><th>improvement</th>\
                        <th>interval</th>"
            .to_owned();
        for trial in &shown {
            let _ = write!(html, "<th>@{trial}</th><th>p</th>");
        }
        html.push_str("<th>worse on</th></tr></thead><tbody>\n");
        for pair in pairs {
            let percent = |share: f64| format!("{:.0} %", 100.0 * share);
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
                    or_dash(difference.and_then(|d| d.p), |p| format!("{p:.3}")),
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
        html
    }

    /// Surfaces by strategies.
    fn matrix(&self) -> String {
        let places: Vec<usize> = self.front().collect();
        if self.summary.surfaces.iter().all(|s| s.best.is_none()) || self.summary.surfaces.len() < 2
        {
            return String::new();
        }
        let mut html = "<h2>Who wins where</h2>\n<p class=\"soft\">Mean normalized regret after the \
                        last trial; darker is worse, bold is the best of the row (of all \
                        strategies).</p>\n<div class=\"card scroll\"><table class=\"heat\"><thead><tr>\
                        <th class=\"name\">surface</th>"
            .to_owned();
        for place in &places {
            let _ = write!(
                html,
                "<th class=\"turned\"><div>{}</div></th>",
                escaped(&self.summary.strategies[*place].name)
            );
        }
        html.push_str("</tr></thead><tbody>\n");
        for (index, surface) in self.summary.surfaces.iter().enumerate() {
            let end = |s: &StrategySummary| {
                let own = s.per_surface.iter().find(|on| on.surface == surface.name)?;
                own.normalized_regret.last().map(|end| end.mean)
            };
            let best = self.summary.strategies.iter().filter_map(end).fold(f64::INFINITY, f64::min);
            let _ = write!(
                html,
                "<tr><td class=\"name\"><a href=\"#s{index}\">{}</a></td>",
                escaped(&surface.name)
            );
            for place in &places {
                match end(&self.summary.strategies[*place]) {
                    None => html.push_str("<td>–</td>"),
                    Some(mean) => {
                        // The square root keeps differences among small regrets visible.
                        let _ = write!(
                            html,
                            "<td{} style=\"background:rgba(var(--heat),{:.2})\">{}</td>",
                            if mean <= best { " class=\"best\"" } else { "" },
                            0.75 * mean.sqrt(),
                            regret(mean)
                        );
                    }
                }
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody></table></div>\n");
        html
    }

    fn legend(&self) -> String {
        let mut html = "<div class=\"legend\">".to_owned();
        for place in self.front() {
            let _ = write!(
                html,
                "<button type=\"button\" {}><span class=\"chip\" style=\"background:{};padding:0\"></span>{}</button>",
                Self::focus(place),
                self.css_color(place),
                escaped(&self.summary.strategies[place].name)
            );
        }
        if self.front().count() < self.colors.len() {
            html.push_str("<span>others: grey</span>");
        }
        html.push_str("</div>\n");
        html
    }

    fn surface_card(&self, index: usize, measure: &str, svg: &str) -> String {
        let surface: &SurfaceSummary = &self.summary.surfaces[index];
        let goal = match surface.direction {
            Direction::Minimize => "minimized",
            Direction::Maximize => "maximized",
        };
        let optimum = surface.optimum.map_or_else(
            || "optimum unknown".to_owned(),
            |optimum| format!("optimum {}", short(optimum)),
        );
        let mut html = format!(
            "<figure class=\"card chart\" id=\"s{index}\"><h3>{}</h3><figcaption>{measure} · {} {goal} · \
             {} {} · {optimum}</figcaption>{svg}<details><summary>all strategies</summary>\
             <div class=\"scroll\"><table><thead><tr><th class=\"name\">strategy</th><th>best score</th>\
             <th>regret</th><th>normalized</th><th>95 % interval</th><th>rank</th></tr></thead><tbody>\n",
            escaped(&surface.name),
            escaped(&surface.objective),
            surface.dimension,
            if surface.dimension == 1 { "parameter" } else { "parameters" },
        );
        let mut rows: Vec<_> = self
            .summary
            .strategies
            .iter()
            .enumerate()
            .filter_map(|(place, s)| {
                Some((place, s.per_surface.iter().find(|on| on.surface == surface.name)?))
            })
            .collect();
        rows.sort_by(|a, b| {
            let key = |on: &super::StrategyOnSurface| {
                on.normalized_regret.last().map_or(on.average_rank, |end| end.mean)
            };
            key(a.1).total_cmp(&key(b.1))
        });
        for (place, on) in rows {
            let end = on.normalized_regret.last();
            let _ = writeln!(
                html,
                "<tr>{}<td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.2}</td></tr>",
                self.name_cell(place),
                or_dash(on.mean_best_score, short),
                or_dash(on.mean_regret, short),
                or_dash(end, |end| regret(end.mean)),
                or_dash(end.and_then(|end| end.mean_interval), |[low, high]| {
                    format!("{}–{}", regret(low), regret(high))
                }),
                on.average_rank
            );
        }
        html.push_str("</tbody></table></div></details></figure>\n");
        html
    }

    /// What did not run and what failed.
    fn problems(&self) -> String {
        let mut html = "<h2>Refusals and failures</h2>\n".to_owned();
        let mut grouped: BTreeMap<(&str, &str, &str), Vec<&str>> = BTreeMap::new();
        for stopped in &self.summary.stopped {
            let key = (stopped.strategy.as_str(), stopped.how.as_str(), stopped.reason.as_str());
            grouped.entry(key).or_default().push(&stopped.surface);
        }
        let mut failures: BTreeMap<(&str, &str), (usize, &str)> = BTreeMap::new();
        let plan = &self.results.plan;
        for run in &self.results.runs {
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
            return html;
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
        html
    }

    fn reproduction(&self, command: &str) -> String {
        let summary = self.summary;
        let mut settings = String::new();
        for s in &summary.strategies {
            let _ =
                writeln!(settings, "{}: {}", escaped(&s.name), escaped(&s.settings.to_string()));
        }
        format!(
            "<h2>How to reproduce it</h2>\n<pre>{}</pre>\n<p>hyperq {}, master seed {}. The same \
             version, command and seed give the same <code>trials.csv</code>, times aside, for any \
             number of jobs; strategies share random numbers, seed by seed. This took {} with {} {}. \
             Every trial is in <code>trials.csv</code>, every number of this page in \
             <code>summary.json</code>. Intervals: {}, {:.0} %, {} resamples.</p>\n\
             <details><summary>settings of every strategy</summary><pre>{settings}</pre></details>\n",
            escaped(command),
            escaped(&summary.version),
            summary.seed,
            time(self.results.elapsed.as_secs_f64() * 1e6),
            self.results.plan.jobs,
            if self.results.plan.jobs == 1 { "job" } else { "jobs" },
            escaped(&summary.confidence.method),
            100.0 * summary.confidence.level,
            summary.confidence.resamples,
        )
    }
}

/// The trials that curves show: all of a short run, else about [`POINTS`], the early ones denser.
fn thinned(trials: usize) -> Vec<usize> {
    if trials <= POINTS {
        return (1..=trials).collect();
    }
    let last = trials as f64;
    let half = POINTS / 2;
    let even = (0..=half).map(|i| 1.0 + (last - 1.0) * i as f64 / half as f64);
    let dense = (0..=half).map(|i| last.powf(i as f64 / half as f64));
    let mut all: Vec<usize> =
        even.chain(dense).map(|trial| (trial.round() as usize).clamp(1, trials)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn or_dash<T>(value: Option<T>, text: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), text)
}

fn regret(value: f64) -> String {
    if value > 0.0 && value < 5e-5 { format!("{value:.0e}") } else { format!("{value:.4}") }
}

/// Four significant digits.
fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if !(1e-3..1e5).contains(&size) => format!("{value:.2e}"),
        size => format!("{value:.*}", (3 - size.log10().floor() as i32).clamp(0, 6) as usize),
    }
}

/// A time given in microseconds.
fn time(micros: f64) -> String {
    match micros {
        m if m < 1.0 => format!("{m:.2} µs"),
        m if m < 1e3 => format!("{m:.0} µs"),
        m if m < 1e6 => format!("{:.1} ms", m / 1e3),
        m if m < 60e6 => format!("{:.1} s", m / 1e6),
        m => format!("{:.1} min", m / 60e6),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::experiment::{Entrant, Plan, run};
    use crate::strategy::Strategy;

    fn page(strategies: usize, seeds: usize, cancelled: bool) -> String {
        let plan = Plan {
            surfaces: crate::surface::open("branin").unwrap(),
            strategies: (0..strategies)
                .map(|i| match i {
                    0 => Entrant::named("random").unwrap(),
                    _ => Entrant::new(format!("s<{i}>"), Strategy::Sobol {}),
                })
                .collect(),
            trials: 8,
            seeds,
            jobs: 1,
            ..Plan::default()
        };
        let results = run(&plan, &|_| (), &AtomicBool::new(cancelled)).unwrap();
        report_html(&results, &Summary::of(&results), "hyperq compare --seed 0").unwrap()
    }

    #[test]
    fn the_page_is_self_contained_and_escaped() {
        let html = page(12, 3, false);
        for outside in ["http://", "https://", "src=", "@import", "url("] {
            let found = html.replace("http://www.w3.org/2000/svg", "");
            assert!(!found.contains(outside), "{outside}");
        }
        assert!(html.contains("s&lt;3&gt;") && !html.contains("s<3>"));
        assert!(html.contains("hyperq compare --seed 0"));
        assert!(html.contains("prefers-color-scheme: dark"));
        assert_eq!(html.matches("<figure").count(), 2);
    }

    #[test]
    fn eight_strategies_have_colours_and_random_is_one_of_them() {
        let html = page(12, 1, false);
        assert_eq!(html.matches("<button").count(), 8);
        assert!(html.contains("stroke-dasharray"));
    }

    #[test]
    fn a_comparison_without_a_finished_run_still_has_a_page() {
        let html = page(2, 2, true);
        assert!(html.contains("was interrupted: 0 of 4 runs"));
    }

    #[test]
    fn long_runs_are_thinned_and_keep_their_ends() {
        assert_eq!(thinned(3), [1, 2, 3]);
        let thin = thinned(1000);
        assert!(thin.len() <= POINTS + 2 && thin[0] == 1 && thin.last() == Some(&1000));
        assert!(thin.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [short(1234.5), short(0.397887), short(0.0), short(1e-7)].join(" "),
            "1234 0.3979 0 1.00e-7"
        );
        assert_eq!([time(0.25), time(1500.0), time(90e6)].join(" "), "0.25 µs 1.5 ms 1.5 min");
    }
}
