//! How strategies fail, by rules that are written down.
//!
//! | signature | rule |
//! |---|---|
//! | poor results despite many trials | After the last trial its mean normalized regret is not significantly below that of random search: the interval over seeds of the difference, seeds in pairs, reaches 0 ([`Signature::Poor`]). |
//! | slow convergence | Half of what it gains from its first to its last trial comes after more than [`SLOW_SHARE`] of its trials, or it takes more than [`SLOW_FACTOR`] times the trials of random search to be where random search has half of its own gain ([`Signature::Slow`]). |
//! | high variance | The interquartile range over seeds of its last regret, averaged over surfaces, is above [`VARIANCE_FACTOR`] times that of the median strategy and above [`VARIANCE_LEAST`] ([`Signature::Variable`]). |
//! | repeated trials | More than [`REPEATED_SHARE`] of its trials are of a configuration that it had tried before ([`Signature::Repetitive`]). |

use std::fmt::Write;

use super::diagnostics::distinct_share;
use super::page::Page;
use super::section::Section;
use super::text::{p_value, percent, regret};
use crate::experiment::runner::Run;
use crate::experiment::statistics::{RESAMPLES, Statistic, bootstrap, mean, median, quantile};
use crate::streams::Streams;

/// A strategy whose half of the gain comes later than this share of its trials is slow. Of a run that improves by the
/// same amount with every trial it comes at one half, of random search early: its regret falls as the trials multiply.
const SLOW_SHARE: f64 = 1.0 / 3.0;
/// A strategy that needs more than this many times the trials of random search is slow.
const SLOW_FACTOR: f64 = 2.0;
/// Fewer trials than these are chance: a strategy is not slow for being that much later than random search.
const SLOW_LEAST: usize = 3;
/// Runs of fewer trials have no speed.
const SLOW_TRIALS: usize = 10;
/// Gains below this normalized regret have no half.
const GAIN_LEAST: f64 = 0.01;
/// Variance is high above this many times that of the median strategy.
const VARIANCE_FACTOR: f64 = 2.0;
/// An interquartile range of less normalized regret than this is not high.
const VARIANCE_LEAST: f64 = 0.01;
/// Fewer seeds have no quartiles, fewer strategies no median worth the name.
const VARIANCE_SEEDS: usize = 4;
const VARIANCE_STRATEGIES: usize = 3;
/// A strategy is repetitive above this share of trials.
const REPEATED_SHARE: f64 = 0.5;

/// A way to fail, with the numbers that show it.
#[derive(Debug, Clone, PartialEq)]
enum Signature {
    Poor { regret: f64, reference: f64, difference_interval: Option<[f64; 2]>, p: Option<f64> },
    Slow { half: usize, trials: usize, to_level: Option<usize>, reference: Option<usize> },
    Variable { spread: f64, median: f64 },
    Repetitive { share: f64 },
}

impl Signature {
    fn name(&self) -> &'static str {
        match self {
            Self::Poor { .. } => "poor results despite many trials",
            Self::Slow { .. } => "slow convergence",
            Self::Variable { .. } => "high variance",
            Self::Repetitive { .. } => "repeated trials",
        }
    }

    /// The numbers in words, as markup.
    fn evidence(&self) -> String {
        match self {
            Self::Poor { regret: own, reference, difference_interval, p } => {
                let mut text = format!(
                    "regret {} after the last trial, {} of random search",
                    regret(*own),
                    regret(*reference)
                );
                if let Some([low, high]) = difference_interval {
                    let _ = write!(text, "; difference {low:+.4} to {high:+.4}");
                }
                if let Some(p) = p {
                    let _ = write!(text, "; over surfaces p {} (Holm)", p_value(*p));
                }
                text
            }
            Self::Slow { half, trials, to_level, reference } => {
                let mut text = format!("half of its gain after {half} of {trials} trials");
                if let Some(reference) = reference {
                    let own = to_level.map_or_else(
                        || "never".to_owned(),
                        |trial| format!("after {trial} trials"),
                    );
                    let _ = write!(
                        text,
                        "; where random search has half of its gain after {reference} trials, it is {own}"
                    );
                }
                text
            }
            Self::Variable { spread, median } => format!(
                "interquartile range {} over seeds, {} of the median strategy",
                regret(*spread),
                regret(*median)
            ),
            Self::Repetitive { share } => {
                format!("{} of its trials repeat a configuration", percent(*share))
            }
        }
    }
}

/// The strategies that fail, and how.
pub(super) fn section(page: &Page<'_>) -> Section {
    let found: Vec<(usize, Vec<Signature>)> = all(page);
    let mut section = Section::new("failures", "Failure signatures");
    section.note(&format!(
        "By rules, on normalized regret. Poor results despite many trials: the {level:.0} % interval over seeds of the \
         difference to random search reaches 0 after the last trial. Slow convergence: half of the gain comes after more than \
         {share} of the trials, or the point where random search has half of its gain takes more than {factor} times its \
         trials. High variance: the interquartile range over seeds is above {variance} times that of the median strategy. \
         Repeated trials: more than {repeated} of the trials are of a configuration that was tried before.",
        level = page.level(),
        share = percent(SLOW_SHARE),
        factor = SLOW_FACTOR,
        variance = VARIANCE_FACTOR,
        repeated = percent(REPEATED_SHARE),
    ));
    if page.results.plan.seeds == 1 {
        section.note("One seed: what is said here may be chance, and nothing is said of variance.");
    }
    if page.reference.is_none() {
        section.note("Random search did not take part, so nothing is compared with it.");
    }
    if found.is_empty() {
        section.html.push_str("<p>No strategy shows any of them.</p>\n");
        return section;
    }
    let html = &mut section.html;
    html.push_str(
        "<div class=\"card scroll\"><table><thead><tr><th class=\"name\">strategy</th>\
         <th class=\"name\">signature</th><th class=\"name\">numbers</th></tr></thead><tbody>\n",
    );
    for (place, signatures) in &found {
        for signature in signatures {
            let _ = writeln!(
                html,
                "<tr {}>{}<td class=\"name\">{}</td><td class=\"reason\">{}</td></tr>",
                Page::focus(*place),
                page.name_cell(*place),
                signature.name(),
                signature.evidence(),
            );
        }
    }
    html.push_str("</tbody></table></div>\n");
    section
}

/// What each strategy other than random search shows, those that show nothing left out.
fn all(page: &Page<'_>) -> Vec<(usize, Vec<Signature>)> {
    let spreads: Vec<Option<f64>> = page.places().map(|place| spread(page, place)).collect();
    let reference = page.reference.map(|place| mean_curve(page, place));
    page.places()
        .filter(|place| Some(*place) != page.reference && page.strategy(*place).runs > 0)
        .map(|place| {
            let curve = mean_curve(page, place);
            let signatures = [
                poor(page, place),
                slow(&curve, reference.as_deref()),
                variable(spreads[place], &spreads),
                repetitive(page, place),
            ];
            (place, signatures.into_iter().flatten().collect::<Vec<_>>())
        })
        .filter(|(_, signatures)| !signatures.is_empty())
        .collect()
}

fn poor(page: &Page<'_>, place: usize) -> Option<Signature> {
    let reference = page.reference?;
    let last = |run: &Run| page.results.points(run).last()?.normalized_regret;
    let (mut own, mut other, mut differences) = (Vec::new(), Vec::new(), Vec::new());
    for surface in page.ranged() {
        let theirs: Vec<&Run> = page.runs(surface, reference).collect();
        let pairs: Vec<(f64, f64)> = page
            .runs(surface, place)
            .filter_map(|run| {
                let same = theirs.iter().find(|other| other.seed == run.seed)?;
                Some((last(run)?, last(same)?))
            })
            .collect();
        if !pairs.is_empty() {
            own.push(pairs.iter().map(|pair| pair.0).collect::<Vec<f64>>());
            other.push(pairs.iter().map(|pair| pair.1).collect::<Vec<f64>>());
            differences.push(pairs.iter().map(|pair| pair.0 - pair.1).collect::<Vec<f64>>());
        }
    }
    let (own, other) = (Statistic::Mean.of(&own)?, Statistic::Mean.of(&other)?);
    let mut rng = Streams::new(page.results.plan.seed).at("bootstrap", 0);
    let interval = bootstrap(&differences, Statistic::Mean, RESAMPLES, &mut rng);
    let (name, random) = (&page.strategy(place).name, &page.strategy(reference).name);
    let mut pairs = page.summary.pairwise.iter();
    let tested = pairs.rfind(|c| c.strategy == *name && c.against == *random);
    let better = interval.map_or(own < other, |[_, high]| high < 0.0);
    (!better).then(|| Signature::Poor {
        regret: own,
        reference: other,
        difference_interval: interval,
        p: tested.and_then(|comparison| comparison.p_adjusted),
    })
}

/// The mean over surfaces of the mean over seeds of normalized regret, trial by trial; empty without a range.
fn mean_curve(page: &Page<'_>, place: usize) -> Vec<f64> {
    let mut sum = vec![0.0; page.results.plan.trials];
    let mut surfaces = 0;
    for surface in page.ranged() {
        let runs: Vec<Vec<f64>> = page
            .runs(surface, place)
            .map(|run| {
                page.results.points(run).iter().filter_map(|p| p.normalized_regret).collect()
            })
            .collect();
        if runs.is_empty() {
            continue;
        }
        surfaces += 1;
        for run in &runs {
            for (sum, regret) in sum.iter_mut().zip(run) {
                *sum += regret / runs.len() as f64;
            }
        }
    }
    if surfaces == 0 {
        return Vec::new();
    }
    sum.into_iter().map(|regret| regret / f64::from(surfaces)).collect()
}

/// The value halfway between a curve's ends; `None` where it gains next to nothing.
fn halfway(curve: &[f64]) -> Option<f64> {
    let (first, last) = (*curve.first()?, *curve.last()?);
    (first - last >= GAIN_LEAST).then_some(0.5 * (first + last))
}

/// The trial after which a curve is at a level or below.
fn reached(curve: &[f64], level: f64) -> Option<usize> {
    curve.iter().position(|regret| *regret <= level).map(|place| place + 1)
}

fn slow(curve: &[f64], reference: Option<&[f64]>) -> Option<Signature> {
    if curve.len() < SLOW_TRIALS {
        return None;
    }
    let half = reached(curve, halfway(curve)?)?;
    let level = reference.and_then(halfway);
    let their = reference.zip(level).and_then(|(curve, level)| reached(curve, level));
    let own = level.and_then(|level| reached(curve, level));
    let late = their.is_some_and(|their| {
        let own = own.unwrap_or(curve.len() + 1);
        own as f64 > SLOW_FACTOR * their as f64 && own >= their + SLOW_LEAST
    });
    (late || half as f64 > SLOW_SHARE * curve.len() as f64).then_some(Signature::Slow {
        half,
        trials: curve.len(),
        to_level: own,
        reference: their,
    })
}

/// The interquartile range of the last regret over seeds, averaged over surfaces.
fn spread(page: &Page<'_>, place: usize) -> Option<f64> {
    let ranges: Vec<f64> = page
        .ranged()
        .into_iter()
        .filter_map(|surface| {
            let mut ends: Vec<f64> = page
                .runs(surface, place)
                .filter_map(|run| page.results.points(run).last()?.normalized_regret)
                .collect();
            interquartile_range(&mut ends)
        })
        .collect();
    mean(&ranges)
}

/// `None` of fewer than [`VARIANCE_SEEDS`].
fn interquartile_range(values: &mut [f64]) -> Option<f64> {
    if values.len() < VARIANCE_SEEDS {
        return None;
    }
    values.sort_by(f64::total_cmp);
    Some(quantile(values, 0.75) - quantile(values, 0.25))
}

fn variable(spread: Option<f64>, all: &[Option<f64>]) -> Option<Signature> {
    let known: Vec<f64> = all.iter().copied().flatten().collect();
    let (spread, median) = (spread?, median(&known)?);
    let high = spread > VARIANCE_FACTOR * median && spread >= VARIANCE_LEAST;
    (known.len() >= VARIANCE_STRATEGIES && high).then_some(Signature::Variable { spread, median })
}

fn repetitive(page: &Page<'_>, place: usize) -> Option<Signature> {
    let shares: Vec<f64> = (0..page.summary.surfaces.len())
        .flat_map(|surface| page.runs(surface, place))
        .filter_map(distinct_share)
        .collect();
    let share = 1.0 - mean(&shares)?;
    (share > REPEATED_SHARE).then_some(Signature::Repetitive { share })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gain_that_comes_late_is_slow() {
        let trials = 30;
        let steady: Vec<f64> = (0..trials).map(|t| 1.0 - t as f64 / 30.0).collect();
        let early: Vec<f64> = (0..trials).map(|t| 1.0 / (t + 1) as f64).collect();
        let late: Vec<f64> = (0..trials).map(|t| if t < 20 { 1.0 } else { 0.0 }).collect();
        assert_eq!(slow(&early, None), None);
        assert_eq!(slow(&early, Some(&early)), None);
        let found = slow(&late, Some(&early)).unwrap();
        assert_eq!(
            found,
            Signature::Slow { half: 21, trials: 30, to_level: Some(21), reference: Some(2) }
        );
        assert!(found.evidence().contains("half of its gain after 21 of 30 trials"));
        assert!(slow(&steady, None).is_some());
        // Without a gain there is no half, and short runs have no speed.
        assert_eq!(slow(&[0.5; 30], Some(&early)), None);
        assert_eq!(slow(&late[15..24], None), None);
        assert_eq!(slow(&[], Some(&early)), None);
    }

    #[test]
    fn variance_is_high_against_the_median() {
        let all = [Some(0.02), Some(0.03), None, Some(0.09), Some(0.03)];
        let median = 0.03;
        assert_eq!(variable(Some(0.09), &all), Some(Signature::Variable { spread: 0.09, median }));
        assert_eq!(variable(Some(0.05), &all), None);
        assert_eq!(variable(None, &all), None);
        assert_eq!(variable(Some(0.009), &[Some(0.001), Some(0.001), Some(0.009)]), None);
        assert_eq!(variable(Some(0.09), &[Some(0.01), Some(0.09)]), None);
    }

    #[test]
    fn quartiles_are_those_of_numpy() {
        let range = interquartile_range(&mut [4.0, 1.0, 2.0, 3.0, 10.0]).unwrap();
        assert!((range - 2.0).abs() < 1e-12);
        let range = interquartile_range(&mut [1.0, 2.0, 3.0, 5.0]).unwrap();
        assert!((range - 1.75).abs() < 1e-12);
        assert_eq!(interquartile_range(&mut [1.0, 2.0, 3.0]), None);
    }
}
