//! What each level of each factor is worth, alone and in pairs.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::Combinations;
use crate::experiment::metrics::area;
use crate::experiment::runner::{End, Results};
use crate::experiment::statistics::{
    Interval, RESAMPLES, Statistic, bootstrap, friedman, holm, mean, wilcoxon,
};
use crate::streams::Streams;

/// What a run is measured by; less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Normalized regret after the last trial.
    Last,
    /// The mean of normalized regret over the trials: the area under its curve.
    Area,
}

/// What came out of an ablation.
///
/// The unit is the surface, its seeds averaged first; on a single surface it is the seed. Combinations that were
/// refused make the product incomplete, so levels are only compared within *blocks*: settings of all other factors
/// under which every level of the factor ran. With `y` of a block, a level and a unit,
///
/// ```text
/// effect(level, unit)     = mean over blocks of (y(level) - mean over levels of y)
/// interaction(a, b, unit) = mean over blocks of (y(a, b) - y(a, .) - y(., b) + y(., .))
/// ```
///
/// where a dot stands for the mean over that factor's levels (the main effects and two-way interactions of a
/// factorial design; Montgomery 2017, section 5.3). What is reported is the mean over units with a bootstrap interval
/// over units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effects {
    /// What runs are measured by.
    pub measure: Measure,
    /// What varies: `surface` or `seed`.
    pub unit: String,
    /// How many of them.
    pub units: usize,
    /// The factors in their order.
    pub factors: Vec<FactorEffect>,
    /// The pairs of factors with at least two levels each.
    pub interactions: Vec<Interaction>,
}

/// What a factor does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FactorEffect {
    /// Its name.
    pub factor: String,
    /// How many blocks its levels are compared in. 0 where a refused combination is in each; then there are no levels.
    pub blocks: usize,
    /// Its levels.
    pub levels: Vec<LevelEffect>,
    /// Whether levels differ: the p-value of Friedman's test over units, or with two levels of Wilcoxon's, corrected for
    /// the number of factors (Holm 1979).
    pub p: Option<f64>,
}

/// What a level does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LevelEffect {
    /// Its name.
    pub level: String,
    /// The mean of the measure over blocks and units.
    pub mean: f64,
    /// How far that is from the mean over the levels; below 0 the level is better than they are on average.
    pub effect: f64,
    /// The interval of the effect; `None` with one unit.
    pub interval: Option<Interval>,
}

/// What two factors do together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interaction {
    /// The factors.
    pub factors: [String; 2],
    /// The names of their levels.
    pub levels: [Vec<String>; 2],
    /// A row for each level of the first, with a cell for each of the second.
    pub cells: Vec<Vec<Cell>>,
}

/// Two levels together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The mean of the measure over all combinations that have both; `None` where none ran.
    pub mean: Option<f64>,
    /// What they do beyond the sum of what each does; `None` where a refused combination is in every block.
    pub interaction: Option<f64>,
    /// Its interval; `None` with one unit.
    pub interval: Option<Interval>,
}

impl Effects {
    /// The effects in the results of [`Combinations::plan`]. `None` where no combination finished on a surface with a
    /// range.
    pub fn of(results: &Results, all: &Combinations, measure: Measure) -> Option<Self> {
        let outcomes = Outcomes::of(results, all, measure)?;
        let mut factors: Vec<FactorEffect> =
            (0..all.factors.len()).map(|factor| outcomes.factor(all, factor)).collect();
        let tested: Vec<usize> =
            (0..factors.len()).filter(|place| factors[*place].p.is_some()).collect();
        let p: Vec<f64> = tested.iter().filter_map(|place| factors[*place].p).collect();
        for (place, p) in tested.into_iter().zip(holm(&p)) {
            factors[place].p = Some(p);
        }
        let several = |factor: &usize| all.levels[*factor].len() > 1;
        let varying: Vec<usize> = (0..all.factors.len()).filter(several).collect();
        let pairs = varying.iter().enumerate().flat_map(|(place, first)| {
            varying[place + 1..].iter().map(move |second| [*first, *second])
        });
        Some(Self {
            measure,
            unit: outcomes.unit.to_owned(),
            units: outcomes.units,
            factors,
            interactions: pairs.map(|pair| outcomes.interaction(all, pair)).collect(),
        })
    }
}

/// The places of the levels, and the measure unit by unit.
type Measured<'a> = (&'a [usize], &'a [f64]);

/// The measure of every combination that ran, unit by unit.
struct Outcomes {
    unit: &'static str,
    units: usize,
    /// By the places of the levels.
    of: HashMap<Vec<usize>, Vec<f64>>,
    streams: Streams,
}

impl Outcomes {
    fn of(results: &Results, all: &Combinations, measure: Measure) -> Option<Self> {
        let plan = &results.plan;
        let ranged: Vec<usize> = (0..plan.surfaces.len())
            .filter(|surface| plan.surfaces[*surface].spec().range.is_some())
            .collect();
        let runs = |surface: usize, strategy: usize| -> Option<Vec<f64>> {
            let measured = |run| match measure {
                Measure::Last => results.regrets(run).last().copied(),
                Measure::Area => Some(area(&results.regrets(run))),
            };
            let runs = results.cell(surface, strategy);
            let finished = runs.iter().all(|run| run.end == End::Finished);
            runs.iter().map(measured).collect::<Option<_>>().filter(|_| finished)
        };
        let by_surface = ranged.len() > 1;
        let mut of = HashMap::new();
        for combination in &all.runnable {
            let place = plan.strategies.iter().position(|e| e.name == combination.name)?;
            let measured: Option<Vec<f64>> = match by_surface {
                true => ranged.iter().map(|s| runs(*s, place).and_then(|m| mean(&m))).collect(),
                false => ranged.first().and_then(|surface| runs(*surface, place)),
            };
            if let Some(measured) = measured {
                of.insert(combination.levels.clone(), measured);
            }
        }
        let units = of.values().next()?.len();
        let unit = if by_surface { "surface" } else { "seed" };
        Some(Self { unit, units, of, streams: Streams::new(plan.seed) })
    }

    /// The combinations of each block: of all levels of the given factors, the other factors alike.
    fn blocks(&self, all: &Combinations, factors: &[usize]) -> Vec<Vec<&[f64]>> {
        let mut blocks: HashMap<Vec<usize>, Vec<Measured<'_>>> = HashMap::new();
        for (levels, measured) in &self.of {
            let mut others = levels.clone();
            factors.iter().for_each(|factor| others[*factor] = 0);
            blocks.entry(others).or_default().push((levels, measured));
        }
        let whole: usize = factors.iter().map(|factor| all.levels[*factor].len()).product();
        let mut complete: Vec<_> =
            blocks.into_iter().filter(|(_, block)| block.len() == whole).collect();
        complete.sort_by(|a, b| a.0.cmp(&b.0));
        complete
            .into_iter()
            .map(|(_, mut block)| {
                block.sort_by_key(|(levels, _)| *levels);
                block.into_iter().map(|(_, measured)| measured).collect()
            })
            .collect()
    }

    fn interval(&self, values: &[f64], number: u64) -> Option<Interval> {
        let mut rng = self.streams.at("effects", number);
        bootstrap(&[values.to_vec()], Statistic::Mean, RESAMPLES, &mut rng)
    }

    fn factor(&self, all: &Combinations, factor: usize) -> FactorEffect {
        let names = &all.levels[factor];
        let blocks = self.blocks(all, &[factor]);
        let name = all.factors[factor].clone();
        if blocks.is_empty() {
            return FactorEffect { factor: name, blocks: 0, levels: Vec::new(), p: None };
        }
        // Unit by unit, the mean over blocks of each level.
        let table: Vec<Vec<f64>> = (0..self.units)
            .map(|unit| {
                let level = |level: usize| {
                    blocks.iter().map(|block| block[level][unit]).sum::<f64>() / blocks.len() as f64
                };
                (0..names.len()).map(level).collect()
            })
            .collect();
        let center: Vec<f64> =
            table.iter().map(|row| row.iter().sum::<f64>() / row.len() as f64).collect();
        let levels = names.iter().enumerate().map(|(level, name)| {
            let own: Vec<f64> = table.iter().map(|row| row[level]).collect();
            let effects: Vec<f64> = own.iter().zip(&center).map(|(y, center)| y - center).collect();
            let count = self.units as f64;
            LevelEffect {
                level: name.clone(),
                mean: own.iter().sum::<f64>() / count,
                effect: effects.iter().sum::<f64>() / count,
                interval: self.interval(&effects, factor as u64),
            }
        });
        let p = match names.len() {
            2 => wilcoxon(&table.iter().map(|row| row[0] - row[1]).collect::<Vec<_>>()),
            _ => friedman(&table).map(|test| test.p),
        };
        FactorEffect { factor: name, blocks: blocks.len(), levels: levels.collect(), p }
    }

    fn interaction(&self, all: &Combinations, pair: [usize; 2]) -> Interaction {
        let levels = pair.map(|factor| all.levels[factor].clone());
        let [rows, columns] = [levels[0].len(), levels[1].len()];
        let blocks = self.blocks(all, &pair);
        // Unit by unit, the mean over blocks of each cell.
        let tables: Vec<Vec<f64>> = (0..self.units)
            .map(|unit| {
                let cell = |cell: usize| {
                    blocks.iter().map(|block| block[cell][unit]).sum::<f64>() / blocks.len() as f64
                };
                (0..rows * columns).map(cell).collect()
            })
            .collect();
        let beyond = |table: &[f64], row: usize, column: usize| {
            let of_row = (0..columns).map(|c| table[row * columns + c]).sum::<f64>();
            let of_column = (0..rows).map(|r| table[r * columns + column]).sum::<f64>();
            let whole = table.iter().sum::<f64>() / (rows * columns) as f64;
            table[row * columns + column] - of_row / columns as f64 - of_column / rows as f64
                + whole
        };
        let cell = |row: usize, column: usize| {
            let mut both: Vec<(&Vec<usize>, &Vec<f64>)> = self
                .of
                .iter()
                .filter(|(levels, _)| levels[pair[0]] == row && levels[pair[1]] == column)
                .collect();
            both.sort_by_key(|(levels, _)| *levels);
            let means: Vec<f64> = both.iter().filter_map(|(_, measured)| mean(measured)).collect();
            let units: Vec<f64> = match blocks.is_empty() {
                true => Vec::new(),
                false => tables.iter().map(|table| beyond(table, row, column)).collect(),
            };
            let number = (100 + (row * columns + column)) as u64;
            Cell {
                mean: mean(&means),
                interaction: mean(&units),
                interval: self.interval(&units, number),
            }
        };
        let cells = (0..rows).map(|row| (0..columns).map(|column| cell(row, column)).collect());
        Interaction {
            factors: pair.map(|factor| all.factors[factor].clone()),
            cells: cells.collect(),
            levels,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Ablation, Combination};
    use super::*;
    use crate::experiment::{Plan, Record, Run};
    use std::path::Path;
    use std::time::Duration;

    /// Two factors of two levels on two surfaces with one seed; `value(a, b, surface)`.
    fn effects(
        value: impl Fn(usize, usize, usize) -> f64,
        keep: impl Fn(&Combination) -> bool,
    ) -> Effects {
        let surfaces: Vec<_> = ["branin", "six-hump-camel", "hartmann-3"]
            .iter()
            .flat_map(|name| crate::surface::open(name).unwrap())
            .collect();
        let text = "[[factor]]\nname = 'value'\nlevels = ['dqn', 'ensemble']\n\
                    [[factor]]\nname = 'exploration'\nlevels = ['greedy', 'ucb']\n";
        let ablation = Ablation::parse(text, Path::new("a.toml")).unwrap();
        let mut all = ablation.combinations(&[], 5).unwrap();
        all.runnable.retain(keep);
        let plan = all.plan(Plan { surfaces, trials: 1, seeds: 1, ..Plan::default() }).unwrap();
        let runs = (0..plan.surfaces.len() * plan.strategies.len())
            .map(|cell| {
                let (surface, strategy) =
                    (cell / plan.strategies.len(), cell % plan.strategies.len());
                let range = plan.surfaces[surface].spec().range.unwrap();
                let regret = all.runnable.get(strategy).map_or(1.0, |combination| {
                    value(combination.levels[0], combination.levels[1], surface)
                });
                let value = range.best + regret * (range.worst - range.best);
                let record = Record {
                    value: Some(value),
                    repeated: false,
                    selection: None,
                    evaluations: 1,
                    ask_micros: 0.0,
                    tell_micros: 0.0,
                };
                let end = End::Finished;
                Run { surface, strategy, seed: 0, records: vec![record], end, first_failure: None }
            })
            .collect();
        let results = Results { plan, runs, interrupted: false, elapsed: Duration::ZERO };
        Effects::of(&results, &all, Measure::Last).unwrap()
    }

    #[track_caller]
    fn close(found: f64, wanted: f64) {
        assert!((found - wanted).abs() < 1e-9, "{found} is not {wanted}");
    }

    #[test]
    fn effects_that_add_up_have_no_interaction() {
        let sum = |a: usize, b: usize, surface: usize| {
            0.2 + 0.1 * a as f64 + 0.3 * b as f64 + 0.05 * surface as f64
        };
        let effects = effects(sum, |_| true);
        assert_eq!((effects.unit.as_str(), effects.units), ("surface", 3));
        let [value, exploration] = &effects.factors[..] else { panic!() };
        close(value.levels[0].effect, -0.05);
        close(value.levels[1].effect, 0.05);
        close(exploration.levels[1].effect, 0.15);
        close(exploration.levels[1].mean, 0.2 + 0.05 + 0.3 + 0.05);
        assert_eq!(value.blocks, 2);
        // The same on every surface, so that resampling surfaces changes nothing.
        close(exploration.levels[1].interval.unwrap()[0], 0.15);
        for cell in effects.interactions[0].cells.iter().flatten() {
            close(cell.interaction.unwrap(), 0.0);
        }
    }

    #[test]
    fn p_values_are_corrected_for_the_number_of_factors() {
        let growing = |a: usize, b: usize, surface: usize| {
            (0.1 + 0.1 * a as f64 + 0.2 * b as f64) * (1.0 + surface as f64) / 2.0
        };
        let effects = effects(growing, |_| true);
        // Three surfaces of one sign have 2 / 8, and two factors twice that.
        close(effects.factors[0].p.unwrap(), 0.5);
        close(effects.factors[1].p.unwrap(), 0.5);
    }

    #[test]
    fn an_interaction_is_what_goes_beyond_the_sum() {
        let only_together = |a: usize, b: usize, _: usize| if (a, b) == (1, 1) { 0.1 } else { 0.5 };
        let effects = effects(only_together, |_| true);
        let cells = &effects.interactions[0].cells;
        close(cells[1][1].mean.unwrap(), 0.1);
        close(cells[1][1].interaction.unwrap(), -0.1);
        close(cells[0][1].interaction.unwrap(), 0.1);
    }

    #[test]
    fn levels_are_compared_where_all_of_them_ran() {
        let missing = |combination: &Combination| combination.levels != [1, 1];
        let effects = effects(|a, b, _| 0.1 + 0.1 * a as f64 + 0.5 * b as f64, missing);
        let [value, exploration] = &effects.factors[..] else { panic!() };
        assert_eq!((value.blocks, exploration.blocks), (1, 1));
        close(value.levels[1].effect - value.levels[0].effect, 0.1);
        close(exploration.levels[1].effect - exploration.levels[0].effect, 0.5);
        let cells = &effects.interactions[0].cells;
        assert_eq!((cells[1][1].mean, cells[0][0].interaction), (None, None));
        close(cells[0][1].mean.unwrap(), 0.6);
    }
}
