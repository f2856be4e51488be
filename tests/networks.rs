//! The fast networks against candle's autograd, finite differences and PyTorch's Adam.

use candle_core::{Device, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use hyperq::nn::{
    Activation, Adam, AdamSettings, Init, MlpOp, MlpShape, Network, Workspace, forward_candle,
};
use hyperq::streams::Streams;
use proptest::prelude::*;
use rand::RngExt;

/// The Euclidean distance over the norm of what is expected.
fn distance(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let square = |x: f64| x * x;
    let error: f64 = found.iter().zip(expected).map(|(f, e)| square(f64::from(f - e))).sum();
    let norm: f64 = expected.iter().map(|e| square(f64::from(*e))).sum();
    (error / norm.max(1e-20)).sqrt()
}

/// The largest difference: a single output may cancel to nearly 0, where a ratio says nothing.
fn gap(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(f, e)| (f - e).abs()).fold(0.0, f32::max)
}

fn shapes() -> impl Strategy<Value = MlpShape> {
    (
        1usize..30,
        proptest::collection::vec(1usize..70, 0..4),
        1usize..6,
        prop_oneof![Just(Activation::Relu), Just(Activation::Tanh)],
        any::<bool>(),
    )
        .prop_map(|(inputs, mut hidden, outputs, activation, layer_norm)| {
            if layer_norm {
                // Normalizing one or two numbers leaves only their signs: a derivative near 0/0.
                hidden.iter_mut().for_each(|width| *width += 4);
            }
            MlpShape { inputs, hidden, outputs, activation, layer_norm }
        })
}

fn numbers(seed: u64, what: &str, len: usize) -> Vec<f32> {
    let mut rng = Streams::new(seed).at(what, 0);
    (0..len).map(|_| rng.random_range(-1.0f32..1.0)).collect()
}

/// A network with no parameter left at a special value.
fn network(shape: &MlpShape, members: usize, seed: u64) -> Network {
    let mut rng = Streams::new(seed).at("weights", 0);
    let mut network = Network::new(shape.clone(), members, Init::TorchLinear, &mut rng).unwrap();
    let noise = numbers(seed, "noise", network.params().len());
    network.params_mut().iter_mut().zip(noise).for_each(|(p, n)| *p += 0.05 * n);
    network
}

/// Whether some ReLU stands so near its kink that rounding decides its derivative, which two correct
/// implementations then may take from different sides.
fn at_a_kink(shape: &MlpShape, params: &[f32], x: &[f32]) -> bool {
    let wide = |v: &[f32]| v.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
    shape.activation == Activation::Relu && reference(shape, &wide(params), &wide(x)).1 < 3e-6
}

/// The gradients at the parameters and at x that candle's autograd finds.
fn autograd(
    x: &Var,
    params: &Var,
    d_outputs: &Tensor,
    forward: impl Fn(&Tensor, &Tensor) -> candle_core::Result<Tensor>,
) -> [Vec<f32>; 3] {
    let y = forward(x, params).unwrap();
    let grads = (&y * d_outputs).unwrap().sum_all().unwrap().backward().unwrap();
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    [flat(&y), flat(grads.get(params).unwrap()), flat(grads.get(x).unwrap())]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn gradients_agree_with_candles_autograd(
        shape in shapes(),
        three in any::<bool>(),
        rows in prop_oneof![Just(1usize), Just(2), Just(512), 3usize..512],
        seed in any::<u64>(),
    ) {
        let members = if three { 3 } else { 1 };
        let network = network(&shape, members, seed);
        let x = numbers(seed, "x", rows * shape.inputs);
        let d = numbers(seed, "d", rows * shape.outputs);
        let mut workspace = Workspace::default();
        // A workspace that held something larger must not leak into this pass.
        let larger = numbers(seed, "larger", (rows + 3) * shape.inputs);
        network.forward(0, &larger, rows + 3, &mut workspace);
        let mut grads = vec![f32::NAN; network.params().len()];
        for member in 0..members {
            let range = network.range(member);
            prop_assume!(!at_a_kink(&shape, &network.params()[range.clone()], &x));
            let x_var = Var::from_slice(&x, (rows, shape.inputs), &Device::Cpu).unwrap();
            let p_var = Var::from_slice(&network.params()[range.clone()], shape.len(), &Device::Cpu).unwrap();
            let d_tensor = Tensor::from_slice(&d, (rows, shape.outputs), &Device::Cpu).unwrap();
            let [y, at_params, at_x] =
                autograd(&x_var, &p_var, &d_tensor, |x, p| forward_candle(&shape, p, x));

            let found = network.forward(member, &x, rows, &mut workspace);
            prop_assert!(gap(found, &y) < 1e-5);
            let mut d_x = vec![f32::NAN; x.len()];
            network.backward(member, &x, rows, &d, Some(&mut grads), Some(&mut d_x), &mut workspace);
            let d_params = grads[range.clone()].to_vec();
            prop_assert!(distance(&d_params, &at_params) < 1e-5, "{}", distance(&d_params, &at_params));
            // The gradient at one or two inputs is a sum that may cancel to nearly 0: beside the ratio,
            // a difference of the order of the terms' rounding (and the tanh's error) is allowed.
            let (ratio, apart) = (distance(&d_x, &at_x), gap(&d_x, &at_x));
            prop_assert!(ratio < 1e-5 || apart < 3e-7, "{ratio} {apart}");

            // Each flag alone gives the same bytes.
            let mut alone = vec![f32::NAN; grads.len()];
            network.backward(member, &x, rows, &d, Some(&mut alone), None, &mut workspace);
            prop_assert_eq!(&alone[range.clone()], &d_params[..]);
            prop_assert!(alone[..range.start].iter().chain(&alone[range.end..]).all(|g| g.is_nan()));
            let mut d_x_alone = vec![f32::NAN; x.len()];
            network.backward(member, &x, rows, &d, None, Some(&mut d_x_alone), &mut workspace);
            prop_assert_eq!(&d_x_alone, &d_x);

            // The gradient at the last inputs alone, and for some of the rows.
            let last = (seed % (shape.inputs as u64 + 1)) as usize;
            let mut d_last = vec![f32::NAN; rows * last];
            network.backward(member, &[], rows, &d, None, Some(&mut d_last), &mut workspace);
            let tail = |d: &[f32], row: usize| d[(row + 1) * shape.inputs - last..][..last].to_vec();
            let tails: Vec<f32> = (0..rows).flat_map(|row| tail(&d_x, row)).collect();
            prop_assert!(gap(&d_last, &tails) < 1e-5, "{}", gap(&d_last, &tails));
            let asked_for = |row: usize| (row as u64 ^ seed).is_multiple_of(3);
            let left: Vec<usize> = (0..rows).filter(|row| asked_for(*row)).collect();
            prop_assert_eq!(network.keep(&mut workspace, asked_for), left.len());
            let pick = |values: &[f32], width: usize| -> Vec<f32> {
                left.iter().flat_map(|row| values[row * width..][..width].to_vec()).collect()
            };
            let (x_left, d_left) = (pick(&x, shape.inputs), pick(&d, shape.outputs));
            let mut d_x_left = vec![f32::NAN; x_left.len()];
            let mut d_params_left = vec![f32::NAN; grads.len()];
            network.backward(
                member, &x_left, left.len(), &d_left,
                Some(&mut d_params_left), Some(&mut d_x_left), &mut workspace,
            );
            prop_assert!(gap(&d_x_left, &pick(&d_x, shape.inputs)) < 1e-5);
            let mut fresh = Workspace::default();
            network.forward(member, &x_left, left.len(), &mut fresh);
            let mut expected = vec![f32::NAN; grads.len()];
            network.backward(member, &x_left, left.len(), &d_left, Some(&mut expected), None, &mut fresh);
            prop_assert_eq!(&d_params_left[range.clone()], &expected[range.clone()]);

            // The custom operation is the same network.
            let op = MlpOp::new(shape.clone()).unwrap();
            let [op_y, op_params, op_x] = autograd(&x_var, &p_var, &d_tensor, |x, p| op.forward(x, p));
            prop_assert!(gap(&op_y, &y) < 1e-5);
            prop_assert_eq!(op_params, d_params);
            prop_assert_eq!(op_x, d_x);
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences(
        shape in shapes(),
        rows in prop_oneof![6 => 1usize..20, 1 => 20usize..512, 1 => Just(512)],
        seed in any::<u64>(),
    ) {
        let network = network(&shape, 1, seed);
        let x = numbers(seed, "x", rows * shape.inputs);
        let d = numbers(seed, "d", rows * shape.outputs);
        prop_assume!(!at_a_kink(&shape, network.params(), &x));
        let mut workspace = Workspace::default();
        network.forward(0, &x, rows, &mut workspace);
        let mut d_params = vec![0.0; network.params().len()];
        let mut d_x = vec![0.0; x.len()];
        network.backward(0, &x, rows, &d, Some(&mut d_params), Some(&mut d_x), &mut workspace);

        // Along a random direction of each, in an f64 network written independently.
        let wide = |v: &[f32]| v.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
        let loss = |params: &[f64], x: &[f64]| -> f64 {
            let (y, _) = reference(&shape, params, x);
            y.iter().zip(&d).map(|(y, d)| y * f64::from(*d)).sum()
        };
        let (params, x) = (wide(network.params()), wide(&x));
        let shift = |v: &[f64], along: &[f32], step: f64| -> Vec<f64> {
            v.iter().zip(along).map(|(v, a)| v + step * f64::from(*a)).collect()
        };
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        let norm = |a: &[f32]| dot(a, a).sqrt();
        let step = 1e-7;
        for trial in 0..3 {
            let along = numbers(seed.wrapping_add(trial), "along", params.len());
            let slope = (loss(&shift(&params, &along, step), &x) - loss(&shift(&params, &along, -step), &x)) / (2.0 * step);
            let bound = 1e-4 * norm(&d_params) * norm(&along) + 1e-5;
            prop_assert!((slope - dot(&d_params, &along)).abs() < bound, "{slope} {}", dot(&d_params, &along));
            let along = numbers(seed.wrapping_add(trial), "along x", x.len());
            let slope = (loss(&params, &shift(&x, &along, step)) - loss(&params, &shift(&x, &along, -step))) / (2.0 * step);
            let bound = 1e-4 * norm(&d_x) * norm(&along) + 1e-5;
            prop_assert!((slope - dot(&d_x, &along)).abs() < bound, "{slope} {}", dot(&d_x, &along));
        }
    }
}

/// The network in f64, straight from the documented formula and layout: its outputs, and the smallest
/// size of a number that an activation was taken of.
fn reference(shape: &MlpShape, params: &[f64], x: &[f64]) -> (Vec<f64>, f64) {
    let mut outputs = Vec::new();
    let mut nearest = f64::INFINITY;
    for row in x.chunks(shape.inputs) {
        let mut h = row.to_vec();
        let mut rest = params;
        let mut take = |count: usize| {
            let (taken, left) = rest.split_at(count);
            rest = left;
            taken
        };
        for width in &shape.hidden {
            let (weight, bias) = (take(h.len() * width), take(*width));
            let mut z: Vec<f64> = (0..*width)
                .map(|j| {
                    bias[j]
                        + h.iter().enumerate().map(|(i, h)| h * weight[i * width + j]).sum::<f64>()
                })
                .collect();
            if shape.layer_norm {
                let (gain, shift) = (take(*width), take(*width));
                let mean = z.iter().sum::<f64>() / *width as f64;
                let variance = z.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / *width as f64;
                for (j, z) in z.iter_mut().enumerate() {
                    *z = gain[j] * (*z - mean) / (variance + 1e-5).sqrt() + shift[j];
                }
            }
            nearest = z.iter().fold(nearest, |nearest, z| nearest.min(z.abs()));
            h = match shape.activation {
                Activation::Relu => z.iter().map(|z| z.max(0.0)).collect(),
                Activation::Tanh => z.iter().map(|z| z.tanh()).collect(),
            };
        }
        let (weight, bias) = (take(h.len() * shape.outputs), take(shape.outputs));
        outputs.extend((0..shape.outputs).map(|j| {
            bias[j]
                + h.iter().enumerate().map(|(i, h)| h * weight[i * shape.outputs + j]).sum::<f64>()
        }));
    }
    (outputs, nearest)
}

#[test]
fn ten_steps_agree_with_pytorch() {
    #[derive(serde::Deserialize)]
    struct Case {
        name: String,
        settings: AdamSettings,
        weights: Vec<Vec<f32>>,
    }
    #[derive(serde::Deserialize)]
    struct Fixture {
        start: Vec<f32>,
        gradients: Vec<Vec<f32>>,
        cases: Vec<Case>,
    }
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/adam.json")).unwrap();
    assert_eq!((fixture.cases.len(), fixture.gradients.len()), (4, 10));
    for case in fixture.cases {
        let mut params = fixture.start.clone();
        let mut adam = Adam::new(case.settings, params.len()).unwrap();
        for (step, (gradient, expected)) in fixture.gradients.iter().zip(&case.weights).enumerate()
        {
            adam.step(&mut params, gradient);
            for (found, expected) in params.iter().zip(expected) {
                assert!(
                    (found - expected).abs() < 1e-6,
                    "{} step {step}: {found} {expected}",
                    case.name
                );
            }
        }
    }
}

/// A whole step of training in candle's operations: what other devices than the CPU run.
fn candle_steps(
    device: &Device,
    shape: &MlpShape,
    params: &[f32],
    [x, y]: [&[f32]; 2],
    steps: usize,
) -> candle_core::Result<(Vec<f32>, Vec<f32>)> {
    let rows = y.len() / shape.outputs;
    let params = Var::from_slice(params, params.len(), device)?;
    let x = Tensor::from_slice(x, (rows, shape.inputs), device)?;
    let y = Tensor::from_slice(y, (rows, shape.outputs), device)?;
    let settings = ParamsAdamW { lr: 0.01, weight_decay: 0.0, ..ParamsAdamW::default() };
    let mut adam = AdamW::new(vec![params.clone()], settings)?;
    let mut losses = Vec::new();
    for _ in 0..steps {
        let loss = (forward_candle(shape, &params, &x)? - &y)?.sqr()?.mean_all()?;
        adam.backward_step(&loss)?;
        losses.push(loss.to_scalar::<f32>()?);
    }
    Ok((losses, params.to_vec1()?))
}

#[test]
fn training_on_a_device_is_training_on_slices() {
    for (activation, layer_norm) in
        [(Activation::Relu, false), (Activation::Tanh, false), (Activation::Tanh, true)]
    {
        let shape =
            MlpShape { inputs: 3, hidden: vec![16, 12], outputs: 2, activation, layer_norm };
        let (rows, steps) = (32, 10);
        let (x, y) = (numbers(1, "x", rows * 3), numbers(1, "y", rows * 2));
        let mut network = network(&shape, 1, 1);
        // Any device that candle has takes the place of the CPU here: `Device::new_cuda(0)?`.
        let (device_losses, device_params) =
            candle_steps(&Device::Cpu, &shape, network.params(), [&x, &y], steps).unwrap();

        let settings = AdamSettings { learning_rate: 0.01, ..AdamSettings::default() };
        let mut adam = Adam::new(settings, shape.len()).unwrap();
        let (mut gradient, mut workspace) = (vec![0.0; shape.len()], Workspace::default());
        let mut losses = Vec::new();
        for _ in 0..steps {
            let errors: Vec<f32> = network
                .forward(0, &x, rows, &mut workspace)
                .iter()
                .zip(&y)
                .map(|(found, y)| found - y)
                .collect();
            let count = errors.len() as f32;
            losses.push(errors.iter().map(|e| e * e).sum::<f32>() / count);
            let d: Vec<f32> = errors.iter().map(|e| 2.0 * e / count).collect();
            network.backward(0, &x, rows, &d, Some(&mut gradient), None, &mut workspace);
            adam.step(network.params_mut(), &gradient);
        }
        assert!(losses[steps - 1] < 0.9 * losses[0], "{losses:?}");
        assert!(gap(&losses, &device_losses) < 1e-5, "{losses:?} {device_losses:?}");
        // Adam divides by the gradient's own size, so that rounding moves weights whose gradients are
        // nearly 0.
        assert!(gap(network.params(), &device_params) < 1e-3);
    }
}

#[test]
fn the_derivative_of_relu_at_zero_is_zero() {
    let shape = MlpShape { inputs: 1, hidden: vec![1], outputs: 1, ..MlpShape::default() };
    let mut network = network(&shape, 1, 1);
    network.params_mut().copy_from_slice(&[1.0, 0.0, 1.0, 0.0]);
    let mut workspace = Workspace::default();
    network.forward(0, &[0.0], 1, &mut workspace);
    let mut d_x = [f32::NAN];
    network.backward(0, &[0.0], 1, &[1.0], None, Some(&mut d_x), &mut workspace);
    assert_eq!(d_x, [0.0]);
}
