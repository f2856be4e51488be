//! Whether strategies differ, or whether what looks like a difference is the choice of surfaces.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::statistics::{
    Friedman, Interval, RESAMPLES, critical_difference, friedman, groups, holm,
    improvement_interval, mean, nemenyi, probability_of_improvement, rank_biserial, wilcoxon,
};
use crate::streams::Streams;

/// The level of the tests: how often they may see a difference where there is none.
pub const ALPHA: f64 = 0.05;

/// What every strategy is compared with where it takes part.
pub const REFERENCE: &str = "random";

/// Friedman's test of the strategies that finished every surface. On each surface they are ranked by the mean over
/// seeds of the normalized regret after the last trial, on surfaces without a range by that of the incumbent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FriedmanSummary {
    /// The number of surfaces.
    pub surfaces: usize,
    /// The strategies, by average rank, best first.
    pub strategies: Vec<String>,
    /// The strategies that lack a surface and are left out.
    pub left_out: Vec<String>,
    /// The test; average ranks in the order of `strategies`.
    #[serde(flatten)]
    pub test: Friedman,
}

/// Which strategies of Friedman's test differ, by Nemenyi's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NemenyiSummary {
    /// The level of the test.
    pub alpha: f64,
    /// Average ranks that differ by less do not differ at that level.
    pub critical_difference: f64,
    /// The largest groups of strategies that do not differ, best first: the bars of a critical-difference diagram.
    pub groups: Vec<Vec<String>>,
}

/// One strategy against another. The unit of `p` and `rank_biserial` is the surface (seeds are averaged first), that of
/// `probability_of_improvement` and its interval the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The strategy.
    pub strategy: String,
    /// What it is compared with.
    pub against: String,
    /// The surfaces that both have finished runs on.
    pub surfaces: usize,
    /// The two-sided p-value of the signed-rank test on the differences of mean normalized regret after the last trial;
    /// `None` where all are 0 and where no surface has a range.
    pub p: Option<f64>,
    /// The same, adjusted by Holm's method for all comparisons with `against`.
    pub p_adjusted: Option<f64>,
    /// The matched-pairs rank-biserial correlation of the same differences: 1 where the strategy is better on every
    /// surface, -1 where it is worse on every one; `None` where `p` is.
    pub rank_biserial: Option<f64>,
    /// The probability that a run of the strategy ends better than one of the other on the same surface, averaged over
    /// surfaces; equal ones count half. `None` without common surfaces.
    pub probability_of_improvement: Option<f64>,
    /// Its confidence interval; `None` with one seed.
    pub probability_of_improvement_interval: Option<Interval>,
    /// The p-value of Nemenyi's test, adjusted for all pairs of strategies; `None` where one of the two is left out of
    /// Friedman's.
    pub nemenyi_p: Option<f64>,
}

/// How one strategy's runs ended.
pub(super) struct Ends {
    pub name: String,
    /// For each surface of the plan the cost of each finished run, low being better: normalized regret, or the
    /// incumbent with the sign of minimization where the surface has no range; infinite without one.
    pub costs: Vec<Vec<f64>>,
}

/// What the tests say.
pub(super) struct Significance {
    pub friedman: Option<FriedmanSummary>,
    pub nemenyi: Option<NemenyiSummary>,
    pub pairwise: Vec<Comparison>,
}

impl Significance {
    /// Tests strategies, best first, on surfaces of which some have a range. Each is compared with [`REFERENCE`] and with
    /// the first.
    pub fn of(strategies: &[Ends], ranged: &[bool], streams: Streams) -> Self {
        let finished: Vec<usize> = (0..ranged.len())
            .filter(|surface| strategies.iter().any(|s| !s.costs[*surface].is_empty()))
            .collect();
        let (complete, partial): (Vec<&Ends>, Vec<&Ends>) = strategies
            .iter()
            .partition(|s| finished.iter().all(|surface| !s.costs[*surface].is_empty()));
        let table: Vec<Vec<f64>> = finished
            .iter()
            .map(|surface| complete.iter().filter_map(|s| mean(&s.costs[*surface])).collect())
            .collect();
        let test = friedman(&table);
        let nemenyi_table = test.as_ref().map(|test| nemenyi(&test.average_ranks, finished.len()));
        let nemenyi_p = |a: &str, b: &str| {
            let place = |name: &str| complete.iter().position(|s| s.name == name);
            Some(nemenyi_table.as_ref()?[place(a)?][place(b)?])
        };
        let first = strategies.first().map(|s| s.name.as_str());
        let reference = strategies.iter().map(|s| s.name.as_str()).find(|name| *name == REFERENCE);
        let mut pairwise = Vec::new();
        for against in reference.into_iter().chain(first.filter(|first| *first != REFERENCE)) {
            let mut family: Vec<Comparison> = strategies
                .par_iter()
                .filter(|s| s.name != against)
                .map(|ours| {
                    let theirs =
                        strategies.iter().find(|s| s.name == against).expect("one of them");
                    let nemenyi_p = nemenyi_p(&ours.name, against);
                    Comparison::of(ours, theirs, ranged, nemenyi_p, streams)
                })
                .collect();
            adjust(&mut family);
            pairwise.extend(family);
        }
        let sorted = test.map(|test| sorted(test, &complete, &partial, finished.len()));
        let nemenyi = sorted.as_ref().and_then(NemenyiSummary::of);
        Self { friedman: sorted, nemenyi, pairwise }
    }
}

/// The test with its strategies by average rank.
fn sorted(
    test: Friedman,
    complete: &[&Ends],
    partial: &[&Ends],
    surfaces: usize,
) -> FriedmanSummary {
    let names = |list: &[&Ends]| list.iter().map(|s| s.name.clone()).collect::<Vec<_>>();
    let mut ranked: Vec<(f64, String)> =
        test.average_ranks.iter().copied().zip(names(complete)).collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (average_ranks, strategies) = ranked.into_iter().unzip();
    FriedmanSummary {
        surfaces,
        strategies,
        left_out: names(partial),
        test: Friedman { average_ranks, ..test },
    }
}

impl NemenyiSummary {
    fn of(friedman: &FriedmanSummary) -> Option<Self> {
        let FriedmanSummary { surfaces, strategies, test, .. } = friedman;
        let critical_difference = critical_difference(strategies.len(), *surfaces, ALPHA)?;
        let names = |group: Vec<usize>| group.iter().map(|i| strategies[*i].clone()).collect();
        Some(Self {
            alpha: ALPHA,
            critical_difference,
            groups: groups(&test.average_ranks, critical_difference)
                .into_iter()
                .map(names)
                .collect(),
        })
    }
}

impl Comparison {
    fn of(
        ours: &Ends,
        theirs: &Ends,
        ranged: &[bool],
        nemenyi_p: Option<f64>,
        streams: Streams,
    ) -> Self {
        let common: Vec<usize> = (0..ranged.len())
            .filter(|s| !ours.costs[*s].is_empty() && !theirs.costs[*s].is_empty())
            .collect();
        // Above 0 where ours is better.
        let differences: Vec<f64> = common
            .iter()
            .filter(|surface| ranged[**surface])
            .filter_map(|surface| {
                Some(mean(&theirs.costs[*surface])? - mean(&ours.costs[*surface])?)
            })
            .collect();
        // The same resamples for every pair, as strategies share seeds.
        let mut rng = streams.at("improvement", 0);
        Self {
            strategy: ours.name.clone(),
            against: theirs.name.clone(),
            surfaces: common.len(),
            p: wilcoxon(&differences),
            p_adjusted: None,
            rank_biserial: rank_biserial(&differences),
            probability_of_improvement: probability_of_improvement(&ours.costs, &theirs.costs),
            probability_of_improvement_interval: improvement_interval(
                &ours.costs,
                &theirs.costs,
                RESAMPLES,
                &mut rng,
            ),
            nemenyi_p,
        }
    }
}

/// Adjusts the p-values of a family of comparisons.
fn adjust(family: &mut [Comparison]) {
    let (tested, p): (Vec<usize>, Vec<f64>) = family
        .iter()
        .enumerate()
        .filter_map(|(place, comparison)| Some((place, comparison.p?)))
        .unzip();
    for (place, adjusted) in tested.into_iter().zip(holm(&p)) {
        family[place].p_adjusted = Some(adjusted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Strategies by name, each a level above the optimum on every surface but those that it has not finished.
    fn ends(strategies: &[(&str, f64, usize)], surfaces: usize) -> Vec<Ends> {
        let cost = |level: f64, surface: usize, seed: usize| {
            level * (1.0 + 0.1 * surface as f64) + 0.001 * ((seed * 7 + surface * 3) % 5) as f64
        };
        strategies
            .iter()
            .map(|(name, level, finished)| Ends {
                name: (*name).to_owned(),
                costs: (0..surfaces)
                    .map(|surface| {
                        let seeds = if surface < *finished { 4 } else { 0 };
                        (0..seeds).map(|seed| cost(*level, surface, seed)).collect()
                    })
                    .collect(),
            })
            .collect()
    }

    #[test]
    fn a_clear_order_is_seen_and_the_unfinished_are_left_out() {
        let strategies = ends(
            &[("good", 0.1, 12), ("middling", 0.2, 12), ("random", 0.3, 12), ("late", 0.0, 5)],
            13,
        );
        let found = Significance::of(&strategies, &[true; 13], Streams::new(1));
        let friedman = found.friedman.unwrap();
        assert_eq!(friedman.surfaces, 12, "nobody has finished the last one");
        assert_eq!(friedman.strategies, ["good", "middling", "random"]);
        assert_eq!(friedman.left_out, ["late"]);
        assert_eq!(friedman.test.average_ranks, [1.0, 2.0, 3.0]);
        assert!((friedman.test.statistic - 24.0).abs() < 1e-9);
        let json = serde_json::to_string(&friedman).unwrap();
        assert_eq!(serde_json::from_str::<FriedmanSummary>(&json).unwrap(), friedman);
        let nemenyi = found.nemenyi.unwrap();
        assert!(
            (nemenyi.critical_difference - 3.3145 / 2f64.sqrt() * (12.0f64 / 72.0).sqrt()).abs()
                < 1e-3
        );
        let none: [Vec<String>; 0] = [];
        assert_eq!(nemenyi.groups, none);

        let names: Vec<_> =
            found.pairwise.iter().map(|c| (c.strategy.as_str(), c.against.as_str())).collect();
        let wanted = [
            ("good", "random"),
            ("middling", "random"),
            ("late", "random"),
            ("middling", "good"),
            ("random", "good"),
            ("late", "good"),
        ];
        assert_eq!(names, wanted);
        let first = &found.pairwise[0];
        // Twelve differences of one sign: 2 / 2^12, and three tests.
        let p = 2.0 / 4096.0;
        assert_eq!((first.surfaces, first.p, first.p_adjusted), (12, Some(p), Some(3.0 * p)));
        assert_eq!((first.rank_biserial, first.probability_of_improvement), (Some(1.0), Some(1.0)));
        assert_eq!(found.pairwise[4].rank_biserial, Some(-1.0));
        assert_eq!(found.pairwise[4].probability_of_improvement_interval, Some([0.0, 0.0]));
        assert_eq!((found.pairwise[2].surfaces, found.pairwise[2].nemenyi_p), (5, None));
        assert!(found.pairwise[1].nemenyi_p.unwrap() > first.nemenyi_p.unwrap());
    }

    #[test]
    fn surfaces_without_a_range_count_for_ranks_alone() {
        let strategies = ends(&[("a", 100.0, 4), ("b", 200.0, 4), ("random", f64::INFINITY, 4)], 4);
        let found = Significance::of(&strategies, &[false; 4], Streams::new(1));
        assert_eq!(found.friedman.unwrap().test.average_ranks, [1.0, 2.0, 3.0]);
        for comparison in &found.pairwise {
            assert_eq!((comparison.p, comparison.rank_biserial), (None, None));
            assert!(comparison.probability_of_improvement.is_some());
        }
    }

    #[test]
    fn two_strategies_have_no_friedman_test_and_one_no_comparison() {
        let two = ends(&[("a", 0.1, 4), ("b", 0.2, 4)], 4);
        let found = Significance::of(&two, &[true; 4], Streams::new(1));
        assert_eq!((found.friedman, found.nemenyi), (None, None));
        assert_eq!(found.pairwise.len(), 1);
        assert_eq!(found.pairwise[0].p, Some(0.125));
        assert!(Significance::of(&two[..1], &[true; 4], Streams::new(1)).pairwise.is_empty());
        assert!(Significance::of(&[], &[], Streams::new(1)).pairwise.is_empty());
    }
}
