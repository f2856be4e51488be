//! Random forests and gradient-boosted trees as learners of the meta-dataset.

use std::time::Instant;

use hyperq::space::{Configuration, Objective, Parameter, SearchSpace, SpaceDocument};
use hyperq::streams::Streams;
use hyperq::trial::Direction;

use super::bins::Bins;
use super::boosting::{Boosting, BoostingSettings, to_probabilities};
use super::forest::{Forest, ForestSettings};
use crate::data::{Fold, Scaling};
use crate::error::{Error, Result};
use crate::learner::{self, FRACTIONS, Learner, Stage, iterations_at};

/// The configurations of each learner.
const CONFIGURATIONS: u32 = 256;

/// The seeds of the scrambles of the configurations.
const FOREST_SCRAMBLE: u64 = 11;
const BOOSTING_SCRAMBLE: u64 = 12;

/// The random forest of [`Forest`].
///
/// The probabilities are the means of the trees' leaf shares, the class is the most probable one.
/// Hyperparameters: `trees`, 8 to 128 (log), the iterations; `depth`, 1 to 16 (log); `features`, the
/// share of the columns drawn in a node, 0.1 to 1; `leaf`, the least rows of a leaf, 1 to 20 (log);
/// `bootstrap`.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomForest;

/// The gradient-boosted trees of [`Boosting`].
///
/// Hyperparameters: `rounds`, 8 to 128 (log), the iterations; `learning_rate`, 0.01 to 0.5 (log);
/// `depth`, 1 to 6; `subsample`, 0.5 to 1; `lambda`, 0.001 to 100 (log); `child_weight`, 0.01 to 10
/// (log).
#[derive(Debug, Clone, Copy, Default)]
pub struct GradientBoosting;

impl Learner for RandomForest {
    fn name(&self) -> &'static str {
        "random-forest"
    }

    fn document(&self) -> Result<SpaceDocument> {
        document(
            self.name(),
            "Random forests of classification trees (Breiman 2001) on columns in at most 64 bins.",
            [
                Parameter::int("trees", 8, 128).log(),
                Parameter::int("depth", 1, 16).log(),
                Parameter::float("features", 0.1, 1.0),
                Parameter::int("leaf", 1, 20).log(),
                Parameter::categorical("bootstrap", [true, false]),
            ],
        )
    }

    fn configurations(&self) -> Result<Vec<Configuration>> {
        Ok(learner::sobol(&self.document()?.parameters, CONFIGURATIONS, FOREST_SCRAMBLE))
    }

    fn scaling(&self) -> Scaling {
        Scaling::None
    }

    fn train(&self, configuration: &Configuration, fold: &Fold) -> Result<Vec<Stage>> {
        let clock = Instant::now();
        let bins = Bins::new(&fold.train)?;
        let trees = number(configuration, "trees")?;
        let settings = ForestSettings {
            depth: number(configuration, "depth")?,
            share: configuration.float("features")?,
            leaf: number(configuration, "leaf")?,
            bootstrap: configuration.choice("bootstrap")? == &true.into(),
        };
        let mut forest = Forest::new(&fold.train, &bins, fold.classes, settings)?;
        let streams = streams(configuration, fold);
        let mut sums = vec![0.0; fold.test.rows() * fold.classes];
        let mut stages = Vec::with_capacity(FRACTIONS.len());
        for tree in 0..trees {
            let grown = forest.tree(&mut streams.at("tree", tree as u64));
            for (row, sums) in sums.chunks_exact_mut(fold.classes).enumerate() {
                for (sum, share) in sums.iter_mut().zip(grown.at(fold.test.row(row))) {
                    *sum += share;
                }
            }
            push_stages(&mut stages, tree + 1, trees, fold, clock, || {
                sums.iter().map(|sum| sum / (tree + 1) as f64).collect()
            });
        }
        Ok(stages)
    }
}

impl Learner for GradientBoosting {
    fn name(&self) -> &'static str {
        "gradient-boosting"
    }

    fn document(&self) -> Result<SpaceDocument> {
        document(
            self.name(),
            "Gradient-boosted trees (Friedman 2001; Chen and Guestrin 2016) on columns in at most 64 \
             bins.",
            [
                Parameter::int("rounds", 8, 128).log(),
                Parameter::float("learning_rate", 0.01, 0.5).log(),
                Parameter::int("depth", 1, 6),
                Parameter::float("subsample", 0.5, 1.0),
                Parameter::float("lambda", 1e-3, 1e2).log(),
                Parameter::float("child_weight", 0.01, 10.0).log(),
            ],
        )
    }

    fn configurations(&self) -> Result<Vec<Configuration>> {
        Ok(learner::sobol(&self.document()?.parameters, CONFIGURATIONS, BOOSTING_SCRAMBLE))
    }

    fn scaling(&self) -> Scaling {
        Scaling::None
    }

    fn train(&self, configuration: &Configuration, fold: &Fold) -> Result<Vec<Stage>> {
        let clock = Instant::now();
        let bins = Bins::new(&fold.train)?;
        let rounds = number(configuration, "rounds")?;
        let settings = BoostingSettings {
            rate: configuration.float("learning_rate")?,
            depth: number(configuration, "depth")?,
            subsample: configuration.float("subsample")?,
            lambda: configuration.float("lambda")?,
            child_weight: configuration.float("child_weight")?,
        };
        let mut boosting = Boosting::new(&fold.train, &bins, fold.classes, settings)?;
        let streams = streams(configuration, fold);
        let mut scores = boosting.initial().repeat(fold.test.rows());
        let width = boosting.initial().len();
        let mut stages = Vec::with_capacity(FRACTIONS.len());
        for round in 0..rounds {
            let trees = boosting.round(&mut streams.at("round", round as u64))?;
            for (row, scores) in scores.chunks_exact_mut(width).enumerate() {
                for (score, tree) in scores.iter_mut().zip(&trees) {
                    *score += tree.at(fold.test.row(row))[0];
                }
            }
            push_stages(&mut stages, round + 1, rounds, fold, clock, || {
                let mut probabilities = scores.clone();
                to_probabilities(&mut probabilities, width);
                if width == 1 {
                    probabilities = probabilities.iter().flat_map(|&p| [1.0 - p, p]).collect();
                }
                probabilities
            });
        }
        Ok(stages)
    }
}

fn document(
    name: &str,
    description: &str,
    parameters: impl IntoIterator<Item = Parameter>,
) -> Result<SpaceDocument> {
    Ok(SpaceDocument {
        name: name.to_owned(),
        description: description.to_owned(),
        objective: Objective { name: "accuracy".to_owned(), direction: Direction::Maximize },
        parameters: SearchSpace::new(parameters)?,
    })
}

/// The value of an int parameter that counts something.
fn number(configuration: &Configuration, name: &str) -> Result<usize> {
    let value = configuration.int(name)?;
    usize::try_from(value)
        .map_err(|_| Error::Training(format!("`{name}` must be at least 0, found {value}")))
}

/// What a training draws from: other streams for each fold and each configuration.
fn streams(configuration: &Configuration, fold: &Fold) -> Streams {
    let values: String =
        configuration.entries().map(|(name, value)| format!("{name}={value};")).collect();
    Streams::new(fold.seed).child(&values, 0)
}

/// Appends the stages that end after `done` of `all` iterations.
fn push_stages(
    stages: &mut Vec<Stage>,
    done: usize,
    all: usize,
    fold: &Fold,
    clock: Instant,
    probabilities: impl Fn() -> Vec<f64>,
) {
    while let Some(&fraction) = FRACTIONS.get(stages.len())
        && iterations_at(fraction, all) <= done
    {
        let probabilities = probabilities();
        let labels = probabilities.chunks_exact(fold.classes).map(most_probable).collect();
        stages.push(Stage {
            fraction,
            labels,
            probabilities,
            seconds: clock.elapsed().as_secs_f64(),
        });
    }
}

/// The class with the greatest probability, of equal ones the first.
fn most_probable(probabilities: &[f64]) -> u32 {
    let mut best = 0;
    for (class, probability) in probabilities.iter().enumerate() {
        if probability > &probabilities[best] {
            best = class;
        }
    }
    best as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Part;

    fn part(rows: std::ops::Range<u32>, classes: u32) -> Part {
        let features = rows.clone().flat_map(|row| {
            let class = f64::from(row % classes);
            let noise = f64::from(row * row % 17) / 10.0;
            [class + noise, f64::from(row * 7 % 5), noise - class]
        });
        Part {
            columns: 3,
            features: features.collect(),
            labels: rows.map(|row| row % classes).collect(),
        }
    }

    fn fold(classes: u32) -> Fold {
        Fold {
            train: part(0..120, classes),
            test: part(200..260, classes),
            test_rows: (200..260).collect(),
            classes: classes as usize,
            seed: 5,
        }
    }

    fn learners() -> [Box<dyn Learner>; 2] {
        [Box::new(RandomForest), Box::new(GradientBoosting)]
    }

    #[test]
    fn each_learner_has_256_different_configurations_of_its_space() {
        for learner in learners() {
            let document = learner.document().unwrap();
            assert_eq!(document.name, learner.name());
            let configurations = learner.configurations().unwrap();
            assert_eq!(configurations.len(), 256);
            for (index, configuration) in configurations.iter().enumerate() {
                assert_eq!(configuration.space(), &document.parameters);
                assert!(!configurations[..index].contains(configuration));
            }
        }
    }

    #[test]
    fn every_stage_has_probabilities_that_sum_to_one_and_the_most_probable_class() {
        for learner in learners() {
            for classes in [2, 3, 11] {
                let fold = fold(classes);
                let configuration = &learner.configurations().unwrap()[3];
                let stages = learner.train(configuration, &fold).unwrap();
                assert_eq!(stages.len(), FRACTIONS.len());
                for (stage, fraction) in stages.iter().zip(FRACTIONS) {
                    assert_eq!(stage.fraction, fraction);
                    assert_eq!(stage.labels.len(), 60);
                    for (row, &label) in
                        stage.probabilities.chunks_exact(classes as usize).zip(&stage.labels)
                    {
                        assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                        assert!(row.iter().all(|&p| (0.0..=row[label as usize]).contains(&p)));
                    }
                }
                assert!(stages.windows(2).all(|pair| pair[0].seconds <= pair[1].seconds));
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_one_others() {
        for learner in learners() {
            let mut fold = fold(3);
            let configuration = &learner.configurations().unwrap()[7];
            let probabilities = |fold: &Fold| {
                let stages = learner.train(configuration, fold).unwrap();
                stages.into_iter().map(|stage| stage.probabilities).collect::<Vec<_>>()
            };
            let first = probabilities(&fold);
            assert_eq!(first, probabilities(&fold));
            fold.seed += 1;
            assert_ne!(first, probabilities(&fold));
        }
    }

    #[test]
    fn a_stage_ends_at_the_iterations_rounded_up() {
        let fold = fold(2);
        let mut stages = Vec::new();
        let mut ends = Vec::new();
        for done in 1..=20 {
            let before = stages.len();
            push_stages(&mut stages, done, 20, &fold, Instant::now(), || vec![0.5; 120]);
            ends.extend((before..stages.len()).map(|_| done));
        }
        assert_eq!(ends, [2, 3, 5, 10, 20]);
        stages.clear();
        push_stages(&mut stages, 1, 8, &fold, Instant::now(), || vec![0.5; 120]);
        assert_eq!(stages.len(), 2, "an eighth and a sixteenth of 8 are both 1");
        assert!(stages[0].labels.iter().all(|&label| label == 0), "of equal ones the first");
    }

    #[test]
    fn rows_of_one_class_are_a_failed_training() {
        for learner in learners() {
            let mut fold = fold(2);
            fold.train.labels.fill(1);
            let configuration = &learner.configurations().unwrap()[0];
            let error = learner.train(configuration, &fold).unwrap_err();
            assert!(matches!(error, Error::Training(_)), "{error}");
        }
    }
}
