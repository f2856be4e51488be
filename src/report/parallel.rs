//! All complete trials as lines across the parameters.

use std::fmt::Write;

use super::axis::Axis;
use super::digest::{Column, Digest, thinned};
use super::picture::{short, svg};
use super::slices::SHADES;
use super::text::{counted, escaped, name};

/// The picture has at most this many parameters.
const PARAMETERS: usize = 24;
/// And this many objectives.
const OBJECTIVES: usize = 3;
/// And about this many ends of lines.
const VERTICES: usize = 40_000;
/// So many lines are brought to the front.
const FRONT: usize = 10;
const HEIGHT: f64 = 430.0;
const TOP: f64 = 52.0;
const BOTTOM: f64 = 370.0;
/// Where the lines of trials without a parameter pass.
const INACTIVE: f64 = 404.0;
/// The distance of two axes is at least and at most this; a few axes share the width of the page.
const GAPS: (f64, f64) = (128.0, 240.0);
const WIDTH: f64 = 1_120.0;
/// Room for names at the ends.
const SIDE: f64 = 64.0;

/// The section.
pub(super) fn section(digest: &Digest<'_>) -> String {
    let all: Vec<&Column<'_>> =
        digest.columns.iter().filter(|column| column.complete > 0).collect();
    if all.is_empty() || digest.complete.len() < 2 {
        return String::new();
    }
    let columns: Vec<&Column<'_>> = all.iter().take(PARAMETERS).copied().collect();
    let objectives = digest.report.objectives.len().min(OBJECTIVES);
    let axes = columns.len() + objectives;
    let lines = (VERTICES / axes).max(FRONT);
    let shown = thinned(&digest.ranking, lines);
    // Those at the front: the best few, or the Pareto front.
    let front = if digest.is_single() { &digest.ranking } else { &digest.best };
    let front: Vec<usize> = front.iter().take(FRONT).copied().collect();

    let first = digest.report.objectives.first().map_or("", |(name, _)| name.as_str());
    let mut html = format!(
        "<h2>Configurations</h2>\n<p class=\"soft\">Each line is a complete trial: from worse \
         <span class=\"ramp\"></span> to better {}, ranked; {} in front, orange.",
        name(first, 60),
        match (digest.is_single(), front.len(), digest.best.len()) {
            (true, count, _) => format!("the best {count}"),
            (false, count, all) if count < all => format!("{count} of the Pareto front"),
            _ => "the Pareto front".to_owned(),
        }
    );
    if shown.len() < digest.ranking.len() {
        let (shown, all) = (shown.len(), digest.ranking.len());
        let _ = write!(html, " {shown} of {all} are shown, evenly chosen by rank.");
    }
    if columns.len() < all.len() {
        let _ = write!(html, " The first {PARAMETERS} of {} parameters are shown.", all.len());
    }
    html.push_str("</p>\n");
    let gaps = (axes - 1).max(1) as f64;
    let gap = ((WIDTH - 2.0 * SIDE) / gaps).clamp(GAPS.0, GAPS.1);
    let width = 2.0 * SIDE + gap * gaps;
    let picture = Parallel { digest, columns, scales: scales(digest, objectives), gap };
    let body = picture.body(&shown, &front);
    let label = format!("{} as lines", counted(shown.len(), "trial", "trials"));
    let _ = writeln!(
        html,
        "<figure class=\"card chart plot scroll\"><div style=\"min-width:{}px\">{}</div></figure>",
        short(0.7 * width),
        svg((width, HEIGHT), &label, &body)
    );
    html
}

fn scales(digest: &Digest<'_>, objectives: usize) -> Vec<Axis> {
    (0..objectives)
        .map(|index| {
            let values = digest.complete.iter().map(|position| digest.values(*position)[index]);
            Axis::of_values(values, digest.report.objectives[index].1).0
        })
        .collect()
}

struct Parallel<'a> {
    digest: &'a Digest<'a>,
    columns: Vec<&'a Column<'a>>,
    /// The axes of the objectives, to the right of the parameters.
    scales: Vec<Axis>,
    /// The distance of two axes.
    gap: f64,
}

impl Parallel<'_> {
    /// The place of an axis.
    fn x(&self, index: usize) -> f64 {
        SIDE + self.gap * index as f64
    }

    fn body(&self, shown: &[usize], front: &[usize]) -> String {
        let mut shades = vec![String::new(); SHADES];
        // The worst first, so that the better ones lie above.
        for (rank, position) in shown.iter().enumerate().rev() {
            if !front.contains(position) {
                let shade = SHADES - 1 - rank * SHADES / shown.len();
                self.line(*position, &mut shades[shade]);
            }
        }
        let mut body = String::new();
        for (shade, path) in shades.iter().enumerate() {
            if !path.is_empty() {
                let _ = write!(body, "<path class=\"thread t{shade}\" d=\"{path}\"/>");
            }
        }
        for position in front.iter().rev() {
            let mut path = String::new();
            self.line(*position, &mut path);
            let trial = self.digest.trial(*position).number;
            let _ = write!(
                body,
                "<path class=\"thread chosen\" d=\"{path}\"><title>trial {trial}</title></path>"
            );
        }
        self.axes(&mut body, shown.iter().chain(front));
        body
    }

    fn line(&self, position: usize, path: &mut String) {
        let height = |fraction: f64| BOTTOM - fraction * (BOTTOM - TOP);
        let parameters = self.columns.iter().map(|column| {
            column.get(position).map_or(INACTIVE, |value| height(column.axis.fraction(value)))
        });
        let values = self.digest.values(position).iter().zip(&self.scales);
        let objectives = values.map(|(value, axis)| height(axis.fraction(*value)));
        for (index, y) in parameters.chain(objectives).enumerate() {
            let command = if index == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{command}{} {}", short(self.x(index)), short(y));
        }
    }

    fn axes<'p>(&self, body: &mut String, mut shown: impl Iterator<Item = &'p usize>) {
        let columns = self.columns.iter().map(|column| (column.name, &column.axis));
        let objectives = self.digest.report.objectives.iter().map(|(name, _)| name.as_str());
        let axes: Vec<(&str, &Axis)> = columns.chain(objectives.zip(&self.scales)).collect();
        let incomplete =
            shown.any(|position| self.columns.iter().any(|column| column.get(*position).is_none()));
        for (index, (axis_name, axis)) in axes.iter().enumerate() {
            let at = short(self.x(index));
            // Neighbouring names stand at two heights, so that long ones have room.
            let y = if index % 2 == 0 { 16 } else { 34 };
            let class = if index < self.columns.len() { "axis" } else { "axis objective" };
            let _ = write!(
                body,
                "<path class=\"bar\" d=\"M{at} {}V{}\"/>\
                 <text class=\"{class}\" x=\"{at}\" y=\"{y}\" \
                 text-anchor=\"middle\">{}</text>",
                short(TOP),
                short(BOTTOM),
                name(axis_name, 26),
            );
            for (fraction, label) in axis.ticks(10) {
                let _ = write!(
                    body,
                    "<text class=\"halo\" x=\"{}\" y=\"{}\" dy=\".35em\">{}</text>",
                    short(self.x(index) + 4.0),
                    short(BOTTOM - fraction * (BOTTOM - TOP)),
                    escaped(&label)
                );
            }
        }
        if incomplete {
            let _ = write!(
                body,
                "<path class=\"lane\" d=\"M{} {y}H{}\"/>\
                 <text class=\"halo\" x=\"4\" y=\"{}\">inactive</text>",
                short(self.x(0)),
                short(self.x(self.columns.len() - 1)),
                short(INACTIVE + 18.0),
                y = short(INACTIVE),
            );
        }
    }
}
