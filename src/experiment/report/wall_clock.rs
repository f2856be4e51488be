//! What strategies reach by the clock, where evaluations take more or less time.

use super::dots::{DotChart, Line, axis_of};
use super::figure::{Figure, Rows, cell, ends, header};
use super::ink::Ink;
use super::page::Page;
use super::section::{Section, Width};
use super::text::regret;
use crate::error::Result;
use crate::experiment::WallClock;
use crate::report::without_zeros;

/// A chart for each length of an evaluation.
pub(super) fn section(page: &Page<'_>) -> Result<Option<Section>> {
    let Some(first) = page.summary.strategies.iter().find(|s| !s.wall_clock.is_empty()) else {
        return Ok(None);
    };
    let mut section = Section::new("wall-clock", "By the clock");
    section.note(
        "Mean normalized regret at the time at which the fastest strategy has done all its trials, if each evaluation took as \
         long as the title says. The time that strategies take themselves is added as it was measured here, on a machine that \
         may have had other work: slow strategies get fewer trials.",
    );
    let lengths: Vec<f64> = first.wall_clock.iter().map(|clock| clock.evaluation_seconds).collect();
    section.grid(Width::Half, |section| {
        for seconds in &lengths {
            section.figure(figure(page, *seconds)?, Width::Half);
        }
        Ok(())
    })?;
    Ok(Some(section))
}

fn figure(page: &Page<'_>, seconds: f64) -> Result<Figure> {
    let mut clocks: Vec<(usize, &WallClock)> = page
        .places()
        .filter_map(|place| {
            let clocks = &page.strategy(place).wall_clock;
            Some((place, clocks.iter().find(|clock| clock.evaluation_seconds == seconds)?))
        })
        .collect();
    clocks.sort_by(|a, b| a.1.regret.total_cmp(&b.1.regret));
    let lines: Vec<Line> = clocks
        .iter()
        .map(|(place, clock)| Line::Mean {
            label: page.label(*place),
            mean: clock.regret,
            interval: clock.regret_interval,
            text: text(page, clock),
            ink: if page.emphasized(*place) { Ink::Strategy(*place) } else { Ink::Soft },
        })
        .collect();
    let axis = axis_of(&lines, true);
    let chart = DotChart { axis, measure: "mean normalized regret", reference: None, lines };
    let length = format!("{seconds:.3}");
    let length = without_zeros(&length);
    let budget = clocks.first().map_or(0.0, |(_, clock)| clock.budget_seconds);
    let title = format!("Evaluations of {length} s");
    let caption = format!("After {budget:.1} s on average, with {:.0} % intervals.", page.level());
    let name = format!("wall-clock-{length}s");
    Figure::new(page, name, (&title, &caption), &chart.drawing(&title)?, &rows(page, &clocks))
}

/// The regret, and the trials where they are not all.
fn text(page: &Page<'_>, clock: &WallClock) -> String {
    let regret = regret(clock.regret);
    let missing = page.results.plan.trials as f64 - clock.trials;
    if missing < 0.05 { regret } else { format!("{regret}, {:.1} trials", clock.trials) }
}

fn rows(page: &Page<'_>, clocks: &[(usize, &WallClock)]) -> Rows {
    let names = [
        "strategy",
        "evaluation_seconds",
        "budget_seconds",
        "trials",
        "mean_normalized_regret",
        "interval_low",
        "interval_high",
    ];
    let mut rows = vec![header(names)];
    for (place, clock) in clocks {
        let [low, high] = ends(clock.regret_interval);
        rows.push(vec![
            page.strategy(*place).name.clone(),
            cell(clock.evaluation_seconds),
            cell(clock.budget_seconds),
            cell(clock.trials),
            cell(clock.regret),
            low,
            high,
        ]);
    }
    rows
}
