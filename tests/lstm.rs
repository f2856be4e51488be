//! The recurrent Q-network against PyTorch, finite differences and itself; RMSProp against PyTorch.

use hyperq::nn::{
    Lstm, LstmGradient, LstmMemory, LstmShape, LstmWorkspace, RmsProp, RmsPropSettings, Sequences,
    clip_by_norm,
};
use hyperq::persist::{Persist, Snapshot};
use hyperq::streams::Streams;
use proptest::prelude::*;
use rand::RngExt;

fn numbers(seed: u64, what: &str, len: usize) -> Vec<f32> {
    let mut rng = Streams::new(seed).at(what, 0);
    (0..len).map(|_| rng.random_range(-1.0f32..1.0)).collect()
}

/// The largest difference.
fn gap(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(f, e)| (f - e).abs()).fold(0.0, f32::max)
}

fn network(shape: LstmShape, seed: u64) -> Lstm {
    Lstm::new(shape, &mut Streams::new(seed).at("weights", 0)).unwrap()
}

fn sequences(shape: LstmShape, lengths: &[usize], seed: u64) -> Sequences {
    let mut sequences = Sequences::new(shape.context, shape.inputs);
    for (row, steps) in lengths.iter().enumerate() {
        let seed = seed.wrapping_add(row as u64);
        let x = numbers(seed, "x", steps * shape.inputs);
        sequences.push(&numbers(seed, "context", shape.context), &x);
    }
    sequences
}

#[test]
fn values_and_gradients_agree_with_pytorch() {
    #[derive(serde::Deserialize)]
    struct Fixture {
        inputs: usize,
        context: usize,
        cells: usize,
        hidden: usize,
        outputs: usize,
        params: Vec<f32>,
        contexts: Vec<Vec<f32>>,
        sequences: Vec<Vec<f32>>,
        actions: Vec<usize>,
        d: Vec<f32>,
        values: Vec<Vec<f32>>,
        gradient: Vec<f32>,
    }
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/lstm.json")).unwrap();
    let Fixture { inputs, context, cells, hidden, outputs, .. } = fixture;
    let shape = LstmShape { inputs, context, cells, hidden, outputs };
    let mut network = network(shape, 1);
    network.params_mut().copy_from_slice(&fixture.params);
    let mut sequences = Sequences::new(context, inputs);
    for (context, x) in fixture.contexts.iter().zip(&fixture.sequences) {
        sequences.push(context, x);
    }
    let mut workspace = LstmWorkspace::default();
    network.forward(&sequences, &mut workspace);
    assert!(gap(network.values(&mut workspace), &fixture.values.concat()) < 1e-6);
    let mut gradient = LstmGradient::new(&network);
    network.backward(&fixture.actions, &fixture.d, &mut gradient, &mut workspace);
    assert!(gap(gradient.flat(), &fixture.gradient) < 1e-6);
}

#[test]
fn ten_steps_of_rmsprop_agree_with_pytorch() {
    #[derive(serde::Deserialize)]
    struct Case {
        name: String,
        settings: RmsPropSettings,
        weights: Vec<Vec<f32>>,
    }
    #[derive(serde::Deserialize)]
    struct Fixture {
        start: Vec<f32>,
        gradients: Vec<Vec<f32>>,
        cases: Vec<Case>,
    }
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/rmsprop.json")).unwrap();
    assert_eq!((fixture.cases.len(), fixture.gradients.len()), (5, 10));
    for Case { name, settings, weights } in fixture.cases {
        let mut params = fixture.start.clone();
        let mut optimizer = RmsProp::new(settings, params.len()).unwrap();
        for (step, (gradient, expected)) in fixture.gradients.iter().zip(&weights).enumerate() {
            optimizer.step(&mut params, gradient);
            assert!(gap(&params, expected) < 2e-6, "{name} step {step}: {params:?} {expected:?}");
        }
    }
}

/// The values of all actions in f64, straight from the documented formula and layout.
fn reference(shape: LstmShape, params: &[f64], context: &[f64], x: &[f64]) -> Vec<f64> {
    let LstmShape { inputs, cells, hidden, outputs, .. } = shape;
    let mut rest = params;
    let mut take = |count: usize| {
        let (taken, left) = rest.split_at(count);
        rest = left;
        taken
    };
    let times = |x: &[f64], w: &[f64], columns: usize| -> Vec<f64> {
        (0..columns)
            .map(|j| x.iter().enumerate().map(|(i, x)| x * w[i * columns + j]).sum())
            .collect()
    };
    let mut h = times(context, take(context.len() * cells), cells);
    let mut c = vec![0.0; cells];
    let (from_x, from_h) = (take(inputs * 4 * cells), take(cells * 4 * cells));
    let bias = take(4 * cells);
    let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
    for x in x.chunks(inputs) {
        let (zx, zh) = (times(x, from_x, 4 * cells), times(&h, from_h, 4 * cells));
        let z = |gate: usize, k: usize| {
            let at = gate * cells + k;
            zx[at] + zh[at] + bias[at]
        };
        for k in 0..cells {
            c[k] = sigmoid(z(1, k)) * c[k] + sigmoid(z(0, k)) * z(2, k).tanh();
            h[k] = sigmoid(z(3, k)) * c[k].tanh();
        }
    }
    let mut layer = times(&h, take(cells * hidden), hidden);
    layer.iter_mut().zip(take(hidden)).for_each(|(z, b)| *z = (*z + b).tanh());
    let (weight, bias) = (take(outputs * hidden), take(outputs));
    let row = |a: usize| weight[a * hidden..][..hidden].iter();
    (0..outputs).map(|a| bias[a] + row(a).zip(&layer).map(|(w, h)| w * h).sum::<f64>()).collect()
}

fn shapes() -> impl Strategy<Value = LstmShape> {
    (1usize..12, 0usize..6, 1usize..40, 1usize..40, 1usize..400).prop_map(
        |(inputs, context, cells, hidden, outputs)| LstmShape {
            inputs,
            context,
            cells,
            hidden,
            outputs,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn values_and_gradients_agree_with_the_formula_and_its_finite_differences(
        shape in shapes(),
        lengths in prop::collection::vec(1usize..12, 1..40),
        seed in any::<u64>(),
    ) {
        let network = network(shape, seed);
        let (rows, outputs) = (lengths.len(), shape.outputs);
        let mut workspace = LstmWorkspace::default();
        let mut gradient = LstmGradient::new(&network);
        // What was there before must not leak into this pass.
        let longer = sequences(shape, &vec![13; rows + 2], seed);
        network.forward(&longer, &mut workspace);
        let actions: Vec<usize> = (0..rows + 2).map(|row| row % outputs).collect();
        network.backward(&actions, &vec![1.0; rows + 2], &mut gradient, &mut workspace);

        network.forward(&sequences(shape, &lengths, seed), &mut workspace);
        let wide = |v: &[f32]| v.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
        let each: Vec<[Vec<f64>; 2]> = (0..rows)
            .map(|row| {
                let seed = seed.wrapping_add(row as u64);
                [numbers(seed, "context", shape.context), numbers(seed, "x", lengths[row] * shape.inputs)]
                    .map(|v| wide(&v))
            })
            .collect();
        let values = network.values(&mut workspace).to_vec();
        let params = wide(network.params());
        for ([context, x], q) in each.iter().zip(values.chunks(outputs)) {
            let expected: Vec<f32> =
                reference(shape, &params, context, x).iter().map(|q| *q as f32).collect();
            prop_assert!(gap(q, &expected) < 5e-6);
        }

        let actions: Vec<usize> =
            (0..rows).map(|row| (seed as usize).wrapping_add(row * row) % outputs).collect();
        let taken: Vec<f32> = network.taken(&actions, &workspace).collect();
        let picked: Vec<f32> = (0..rows).map(|row| values[row * outputs + actions[row]]).collect();
        prop_assert!(gap(&taken, &picked) < 1e-5);

        let d = numbers(seed, "d", rows);
        network.backward(&actions, &d, &mut gradient, &mut workspace);
        let loss = |params: &[f64]| -> f64 {
            each.iter()
                .zip(&actions)
                .zip(&d)
                .map(|(([context, x], &a), d)| f64::from(*d) * reference(shape, params, context, x)[a])
                .sum()
        };
        let dot = |a: &[f32], b: &[f32]| {
            a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
        };
        let mut clipped = gradient.clone();
        let mut expected = gradient.flat().to_vec();
        let limit = 0.3;
        let norm = clip_by_norm(&mut expected, limit);
        prop_assert!((clipped.clip(limit) - norm).abs() < 1e-5 * norm);
        prop_assert!(gap(clipped.flat(), &expected) < 1e-6);
        let found = gradient.flat();
        let step = 1e-6;
        for trial in 0..3 {
            let along = numbers(seed.wrapping_add(trial), "along", params.len());
            let at = |step: f64| -> Vec<f64> {
                params.iter().zip(&along).map(|(p, a)| p + step * f64::from(*a)).collect()
            };
            let slope = (loss(&at(step)) - loss(&at(-step))) / (2.0 * step);
            let bound = 1e-4 * (dot(found, found) * dot(&along, &along)).sqrt() + 1e-5;
            prop_assert!((slope - dot(found, &along)).abs() < bound, "{slope} {}", dot(found, &along));
        }
    }

    #[test]
    fn the_best_action_is_the_first_with_the_largest_value(
        shape in shapes(),
        rows in 1usize..40,
        excluded in prop::collection::vec((0usize..40, 0usize..400), 0..60),
        seed in any::<u64>(),
    ) {
        let network = network(shape, seed);
        let mut workspace = LstmWorkspace::default();
        network.forward(&sequences(shape, &vec![2; rows], seed), &mut workspace);
        let mut values = network.values(&mut workspace).to_vec();
        let outputs = shape.outputs;
        let excluded: Vec<(usize, usize)> =
            excluded.into_iter().map(|(row, action)| (row % rows, action % outputs)).collect();
        excluded.iter().for_each(|(row, action)| values[row * outputs + action] = f32::NEG_INFINITY);
        let (best, places) = network.best(&excluded, &mut workspace);
        for (row, q) in values.chunks(outputs).enumerate() {
            let largest = q.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            if largest == f32::NEG_INFINITY {
                prop_assert_eq!((best[row], places[row]), (largest, 0));
                continue;
            }
            prop_assert!((best[row] - largest).abs() < 1e-5);
            // The two are summed in different orders, so near ties may be told apart differently.
            prop_assert!((q[places[row] as usize] - largest).abs() < 1e-5);
        }
    }

    #[test]
    fn steps_one_by_one_are_the_same_network(shape in shapes(), steps in 1usize..30, seed in any::<u64>()) {
        let network = network(shape, seed);
        let (context, x) =
            (numbers(seed, "context", shape.context), numbers(seed, "x", steps * shape.inputs));
        let mut memory = LstmMemory::default();
        network.begin(&context, &mut memory);
        x.chunks(shape.inputs).for_each(|x| network.step(x, &mut memory));
        let mut workspace = LstmWorkspace::default();
        network.forward(&sequences(shape, &[steps], seed), &mut workspace);
        prop_assert!(gap(network.read(&mut memory), network.values(&mut workspace)) < 2e-6);
    }

    #[test]
    fn a_sequence_has_the_same_value_beside_any_others(
        shape in shapes(),
        mut lengths in prop::collection::vec(1usize..12, 2..40),
        seed in any::<u64>(),
    ) {
        let network = network(shape, seed);
        let mut workspace = LstmWorkspace::default();
        let mut value = |lengths: &[usize]| {
            network.forward(&sequences(shape, lengths, seed), &mut workspace);
            let actions = vec![shape.outputs - 1; lengths.len()];
            network.taken(&actions, &workspace).next()
        };
        let beside = value(&lengths);
        lengths.truncate(1);
        prop_assert!((beside.unwrap() - value(&lengths).unwrap()).abs() < 1e-6);
    }
}

#[test]
fn a_loaded_network_has_every_bit() {
    let shape = LstmShape { inputs: 3, context: 2, outputs: 4, ..LstmShape::default() };
    let saved = network(shape, 1);
    let mut snapshot = Snapshot::default();
    saved.save("net", &mut snapshot).unwrap();
    let mut loaded = network(shape, 2);
    loaded.load("net", &snapshot).unwrap();
    assert_eq!(saved, loaded);
    assert!(network(LstmShape { outputs: 5, ..shape }, 2).load("net", &snapshot).is_err());
}

#[test]
fn impossible_shapes_are_refused_by_name() {
    let refused = |shape: LstmShape| {
        Lstm::new(shape, &mut Streams::new(1).at("weights", 0)).unwrap_err().to_string()
    };
    let base = LstmShape::default();
    assert_eq!(
        refused(LstmShape { cells: 0, ..base }),
        "lstm: `cells` must be at least 1, found 0"
    );
    assert!(refused(LstmShape { inputs: 0, ..base }).contains("inputs"));
    assert!(refused(LstmShape { hidden: 0, ..base }).contains("hidden"));
    assert!(refused(LstmShape { outputs: 0, ..base }).contains("outputs"));
    for huge in [
        LstmShape { cells: usize::MAX, ..base },
        LstmShape { outputs: usize::MAX / 64, ..base },
        LstmShape { context: 1 << 26, ..base },
    ] {
        assert!(refused(huge).contains("at most 67108864 weights"));
    }
}
