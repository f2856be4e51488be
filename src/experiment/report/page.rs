//! What every section knows: results, places in the leaderboard and how each strategy looks.

use std::fmt::Write;

use super::ink::{Ink, Look, Looks};
use crate::experiment::metrics::Point;
use crate::experiment::runner::{End, Results, Run};
use crate::experiment::{REFERENCE, StrategySummary, Summary};
use crate::report::{escaped, shortened};

/// Curves of this many strategies have colours; the others are grey.
const EMPHASIZED: usize = 8;
/// The style sheet's variables for them.
const COLORS: [&str; EMPHASIZED] = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"];
/// Of these many the bands are shown before the reader asks for one; more of them hide each other.
pub(super) const BANDS: usize = 3;
/// Curves have at most about this many points.
const POINTS: usize = 80;
/// The longest name in a picture, in characters.
const LABEL: usize = 25;

/// How a measure is read from a point of a run.
pub(super) type Measure = fn(&Point) -> Option<f64>;

/// The comparison as the report shows it.
pub(super) struct Page<'a> {
    pub results: &'a Results,
    pub summary: &'a Summary,
    pub looks: Looks,
    /// The place of random search, where it has a finished run. Its curve is dashed.
    pub reference: Option<usize>,
    /// The trials that curves show.
    pub trials: Vec<usize>,
    /// For each place in the leaderboard, the strategy's place in the plan.
    plan_index: Vec<usize>,
}

impl<'a> Page<'a> {
    pub(super) fn new(results: &'a Results, summary: &'a Summary) -> Self {
        let strategies = &summary.strategies;
        let plan_index = strategies
            .iter()
            .map(|s| results.plan.strategies.iter().position(|e| e.name == s.name).unwrap_or(0))
            .collect();
        let reference = strategies.iter().position(|s| s.name == REFERENCE && s.runs > 0);
        let mut colors = COLORS.into_iter().take(EMPHASIZED - usize::from(reference.is_some()));
        let mut banded = BANDS;
        let looks = strategies.iter().enumerate().map(|(place, strategy)| {
            let is_reference = reference == Some(place);
            let color = if is_reference {
                Some("reference")
            } else if strategy.runs > 0 {
                colors.next()
            } else {
                None
            };
            let has_band = is_reference || (color.is_some() && banded > 0);
            if has_band && !is_reference {
                banded -= 1;
            }
            Look {
                variable: color.unwrap_or("faint"),
                emphasized: color.is_some(),
                dashed: is_reference,
                banded: has_band,
            }
        });
        Self {
            results,
            summary,
            looks: Looks(looks.collect()),
            reference,
            trials: thinned(results.plan.trials),
            plan_index,
        }
    }

    /// The strategy at a place of the leaderboard.
    pub(super) fn strategy(&self, place: usize) -> &'a StrategySummary {
        &self.summary.strategies[place]
    }

    /// All places, best first.
    pub(super) fn places(&self) -> std::ops::Range<usize> {
        0..self.summary.strategies.len()
    }

    pub(super) fn place_of(&self, name: &str) -> Option<usize> {
        self.summary.strategies.iter().position(|strategy| strategy.name == name)
    }

    pub(super) fn emphasized(&self, place: usize) -> bool {
        self.looks.0[place].emphasized
    }

    /// The places with a colour, best first.
    pub(super) fn front(&self) -> impl Iterator<Item = usize> {
        self.places().filter(|place| self.emphasized(*place))
    }

    /// The name as a picture has it.
    pub(super) fn label(&self, place: usize) -> String {
        shortened(&self.strategy(place).name, LABEL)
    }

    /// The colour as the page's markup has it.
    pub(super) fn css_color(&self, place: usize) -> String {
        format!("var(--{})", self.looks.0[place].variable)
    }

    /// The finished runs of a strategy on a surface.
    pub(super) fn runs(&self, surface: usize, place: usize) -> impl Iterator<Item = &'a Run> {
        let runs = self.results.cell(surface, self.plan_index[place]).iter();
        runs.filter(|run| run.end == End::Finished)
    }

    /// The places of the surfaces with a range, where regret can be normalized.
    pub(super) fn ranged(&self) -> Vec<usize> {
        let surfaces = &self.summary.surfaces;
        (0..surfaces.len()).filter(|surface| surfaces[*surface].best.is_some()).collect()
    }

    /// The confidence level in percent.
    pub(super) fn level(&self) -> f64 {
        100.0 * self.summary.confidence.level
    }

    pub(super) fn name_cell(&self, place: usize) -> String {
        format!(
            "<td class=\"name\"><span class=\"chip\" style=\"background:{}\"></span>{}</td>",
            self.css_color(place),
            escaped(&self.strategy(place).name)
        )
    }

    /// The strategies with a colour.
    pub(super) fn legend(&self) -> String {
        let mut html = "<div class=\"legend\">".to_owned();
        for place in self.front() {
            let _ = write!(
                html,
                "<button type=\"button\" {}><span class=\"chip\" style=\"background:{};padding:0\"></span>{}</button>",
                Self::focus(place),
                self.css_color(place),
                escaped(&self.strategy(place).name)
            );
        }
        if self.front().count() < self.places().len() {
            html.push_str("<span>others: grey</span>");
        }
        html.push_str("</div>\n");
        html
    }

    /// What makes an element bring its strategy's curve to the front.
    pub(super) fn focus(place: usize) -> String {
        format!("data-place=\"{place}\" data-color=\"{}\"", Ink::Strategy(place).placeholder())
    }
}

/// All of a short run, else about [`POINTS`], the early ones denser.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_runs_are_thinned_and_keep_their_ends() {
        assert_eq!(thinned(3), [1, 2, 3]);
        let thin = thinned(1000);
        assert!(thin.len() <= POINTS + 2 && thin[0] == 1 && thin.last() == Some(&1000));
        assert!(thin.is_sorted_by(|a, b| a < b));
    }
}
