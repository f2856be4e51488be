//! Trees, forests and boosting held against scikit-learn and numpy; `tests/fixtures/trees.py` makes the
//! reference.

use hyperq::streams::Streams;
use serde_json::Value;

use super::bins::Bins;
use super::boosting::{Boosting, BoostingSettings, to_probabilities};
use super::forest::{Forest, ForestSettings};
use crate::data::Part;

struct Reference {
    document: Value,
    train: Part,
    test: Part,
    bins: Bins,
    classes: usize,
}

fn reference() -> Reference {
    let document: Value =
        serde_json::from_str(include_str!("../../tests/fixtures/trees.json")).unwrap();
    let features: Vec<Vec<f64>> = matrix(&document["features"]);
    let labels: Vec<u32> =
        numbers(&document["labels"]).into_iter().map(|label| label as u32).collect();
    let rows = count(&document["train"]);
    let part = |range: std::ops::Range<usize>| Part {
        columns: features[0].len(),
        features: features[range.clone()].concat(),
        labels: labels[range].to_vec(),
    };
    let train = part(0..rows);
    let test = part(rows..labels.len());
    let bins = Bins::new(&train).unwrap();
    let classes = count(&document["classes"]);
    Reference { document, train, test, bins, classes }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

fn matrix(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(numbers).collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn count(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

fn assert_near(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < tolerance, "{what}: {found} instead of {expected}");
    }
}

#[test]
fn a_tree_without_randomness_is_that_of_scikit_learn() {
    let Reference { document, train, bins, classes, .. } = &reference();
    for expected in document["trees"].as_array().unwrap() {
        let settings = ForestSettings {
            depth: count(&expected["depth"]),
            share: 1.0,
            leaf: count(&expected["leaf"]),
            bootstrap: false,
        };
        let mut forest = Forest::new(train, bins, *classes, settings).unwrap();
        let tree = forest.tree(&mut Streams::new(0).at("tree", 0));
        let root = (count(&expected["column"]), number(&expected["threshold"]));
        assert_eq!(tree.root(), Some(root));
        assert_eq!(tree.leaves(), count(&expected["leaves"]));
        for (row, expected) in matrix(&expected["train"]).iter().enumerate() {
            assert_near(tree.at(train.row(row)), expected, 1e-5, "a share in a leaf");
        }
    }
}

#[test]
fn a_full_tree_knows_its_rows() {
    let Reference { train, bins, classes, .. } = &reference();
    let settings = ForestSettings { depth: 100, share: 1.0, leaf: 1, bootstrap: false };
    let mut forest = Forest::new(train, bins, *classes, settings).unwrap();
    let tree = forest.tree(&mut Streams::new(0).at("tree", 0));
    for (row, &label) in train.labels.iter().enumerate() {
        assert_eq!(tree.at(train.row(row))[label as usize], 1.0);
    }
}

/// The accuracy and the log loss of a forest on the test part.
fn forest_scores(
    reference: &Reference,
    settings: ForestSettings,
    trees: u64,
    seed: u64,
) -> (f64, f64) {
    let Reference { train, test, bins, classes, .. } = reference;
    let mut forest = Forest::new(train, bins, *classes, settings).unwrap();
    let grown: Vec<_> =
        (0..trees).map(|tree| forest.tree(&mut Streams::new(seed).at("tree", tree))).collect();
    let (mut right, mut loss) = (0.0, 0.0);
    for (row, &label) in test.labels.iter().enumerate() {
        let mean = |class: usize| {
            grown.iter().map(|tree| tree.at(test.row(row))[class]).sum::<f64>() / trees as f64
        };
        let of_label = mean(label as usize);
        if (0..*classes).all(|class| class == label as usize || mean(class) < of_label) {
            right += 1.0;
        }
        loss -= of_label.max(f64::EPSILON).ln();
    }
    (right / test.rows() as f64, loss / test.rows() as f64)
}

#[test]
fn forests_predict_as_well_as_those_of_scikit_learn() {
    let reference = reference();
    let columns = reference.train.columns as f64;
    for expected in reference.document["forests"].as_array().unwrap() {
        let settings = ForestSettings {
            depth: count(&expected["depth"]),
            share: number(&expected["columns"]) / columns,
            leaf: count(&expected["leaf"]),
            bootstrap: expected["bootstrap"].as_bool().unwrap(),
        };
        let trees = count(&expected["trees"]) as u64;
        let seeds = 50;
        let (mut accuracy, mut loss) = (0.0, 0.0);
        for seed in 0..seeds {
            let scores = forest_scores(&reference, settings, trees, seed);
            accuracy += scores.0 / seeds as f64;
            loss += scores.1 / seeds as f64;
        }
        for (found, expected) in [(accuracy, &expected["accuracy"]), (loss, &expected["log_loss"])]
        {
            let expected = numbers(expected);
            // Four standard errors of the difference of means over 50 and 100 seeds.
            let tolerance = 4.0 * expected[1] * (1.0f64 / 50.0 + 1.0 / 100.0).sqrt();
            assert!((found - expected[0]).abs() < tolerance, "{found} instead of {expected:?}");
        }
    }
}

#[test]
fn boosting_predicts_what_scikit_learn_does() {
    let Reference { document, train, .. } = &reference();
    for expected in document["boosted"].as_array().unwrap() {
        let classes = count(&expected["classes"]);
        let mut train = train.clone();
        if classes == 2 {
            train.labels.iter_mut().for_each(|label| *label = u32::from(*label == 1));
        }
        let bins = Bins::new(&train).unwrap();
        let settings = BoostingSettings {
            rate: number(&expected["rate"]),
            depth: count(&expected["depth"]),
            subsample: 1.0,
            lambda: number(&expected["lambda"]),
            child_weight: number(&expected["child_weight"]),
        };
        let mut boosting = Boosting::new(&train, &bins, classes, settings).unwrap();
        let width = boosting.initial().len();
        let mut scores = boosting.initial().repeat(train.rows());
        for round in 0..count(&expected["rounds"]) {
            let trees = boosting.round(&mut Streams::new(0).at("round", round as u64)).unwrap();
            for (place, score) in scores.iter_mut().enumerate() {
                *score += trees[place % width].at(train.row(place / width))[0];
            }
        }
        to_probabilities(&mut scores, width);
        if width == 1 {
            scores = scores.iter().flat_map(|&p| [1.0 - p, p]).collect();
        }
        assert_near(&scores, &matrix(&expected["train"]).concat(), 1e-5, "a probability");
    }
}

#[test]
fn the_first_stump_is_the_best_of_all() {
    let Reference { document, train, bins, classes, .. } = &reference();
    for expected in document["stumps"].as_array().unwrap() {
        let settings = BoostingSettings {
            rate: 1.0,
            depth: 1,
            subsample: 1.0,
            lambda: number(&expected["lambda"]),
            child_weight: 0.0,
        };
        let mut boosting = Boosting::new(train, bins, *classes, settings).unwrap();
        let trees = boosting.round(&mut Streams::new(0).at("round", 0)).unwrap();
        let tree = &trees[count(&expected["class"])];
        let (column, threshold) = tree.root().unwrap();
        assert_eq!(column, count(&expected["column"]));
        assert_eq!(threshold, number(&expected["threshold"]));
        let mut row = vec![0.0; train.columns];
        row[column] = threshold;
        assert_near(tree.at(&row), &[number(&expected["left"])], 1e-12, "the left leaf");
        row[column] = threshold + 1.0;
        assert_near(tree.at(&row), &[number(&expected["right"])], 1e-12, "the right leaf");
    }
}

#[test]
fn fewer_iterations_are_a_prefix_of_more() {
    let Reference { train, bins, classes, .. } = &reference();
    let settings = ForestSettings { depth: 6, share: 0.5, leaf: 2, bootstrap: true };
    let grow = |trees: u64| {
        let mut forest = Forest::new(train, bins, *classes, settings).unwrap();
        (0..trees).map(|tree| forest.tree(&mut Streams::new(3).at("tree", tree))).collect()
    };
    let (half, whole): (Vec<_>, Vec<_>) = (grow(4), grow(8));
    assert_eq!(half, whole[..4]);
    assert_ne!(whole[0], whole[1]);

    let settings =
        BoostingSettings { rate: 0.2, depth: 3, subsample: 0.7, lambda: 1.0, child_weight: 0.1 };
    let boost = |rounds: u64| {
        let mut boosting = Boosting::new(train, bins, *classes, settings).unwrap();
        (0..rounds)
            .map(|round| boosting.round(&mut Streams::new(3).at("round", round)).unwrap())
            .collect()
    };
    let (half, whole): (Vec<_>, Vec<_>) = (boost(4), boost(8));
    assert_eq!(half, whole[..4]);
}
