//! The floor: the matrix products of an update's forward and backward passes, and nothing else.
//!
//! Each is made by the crate gemm on memory of its own.

use std::hint::black_box;

use hyperq::nn::product_by_gemm;

use super::{
    ACTIONS, BEHIND, CONFIGURATIONS, FEATURES, MEMBERS, META, STATES, STEP_INPUTS, STEPS, Size,
    Update, numbers,
};

/// One way through a network, and which gradients are then asked for.
#[derive(Debug, Clone, Copy)]
struct Pass {
    inputs: usize,
    outputs: usize,
    d_params: bool,
    /// At how many of the inputs.
    d_inputs: usize,
}

impl Pass {
    fn forward(inputs: usize, outputs: usize) -> Self {
        Self { inputs, outputs, d_params: false, d_inputs: 0 }
    }

    fn learning(inputs: usize, outputs: usize) -> Self {
        Self { d_params: true, ..Self::forward(inputs, outputs) }
    }
}

/// A critic of which the gradient at the actions is asked for.
const CLIMBED: Pass =
    Pass { inputs: STATES + ACTIONS, outputs: 1, d_params: false, d_inputs: ACTIONS };

/// The product of given sizes with its own memory; either factor may be read transposed.
struct Product {
    size: [usize; 3],
    a: (Vec<f32>, bool),
    b: (Vec<f32>, bool),
    c: Vec<f32>,
}

impl Product {
    fn new([m, k, n]: [usize; 3], transposed: [bool; 2]) -> Self {
        let [left, right] = transposed;
        let (a, b) = ((numbers("a", m * k), left), (numbers("b", k * n), right));
        Self { size: [m, k, n], a, b, c: vec![0.0; m * n] }
    }

    fn run(&mut self) {
        let (a, b) = (black_box(&self.a), black_box(&self.b));
        product_by_gemm(self.size, (&a.0, a.1), (&b.0, b.1), &mut self.c);
        black_box(&self.c);
    }
}

/// The products of some passes.
fn products(passes: &[Pass], Size { hidden, batch }: Size) -> Vec<Product> {
    let mut products = Vec::new();
    for pass in passes {
        let widths = [pass.inputs, hidden, hidden, pass.outputs];
        for (layer, pair) in widths.windows(2).enumerate() {
            let &[inputs, outputs] = pair else { unreachable!("windows of two") };
            products.push(Product::new([batch, inputs, outputs], [false, false]));
            if pass.d_params {
                products.push(Product::new([inputs, batch, outputs], [true, false]));
            }
            let back = match layer {
                0 => pass.d_inputs,
                _ if pass.d_params || pass.d_inputs > 0 => inputs,
                _ => 0,
            };
            if back > 0 {
                products.push(Product::new([batch, outputs, back], [false, true]));
            }
        }
    }
    products
}

fn update(passes: &[Pass], size: Size) -> Update {
    let mut products = products(passes, size);
    Box::new(move || products.iter_mut().for_each(Product::run))
}

pub fn dqn(size: Size) -> Update {
    update(&[Pass::forward(STATES, ACTIONS), Pass::learning(STATES, ACTIONS)], size)
}

/// The targets of actor and critics, then the critics' own passes.
fn critics(count: usize) -> Vec<Pass> {
    let mut passes = vec![Pass::forward(STATES, ACTIONS)];
    passes.extend(vec![Pass::forward(STATES + ACTIONS, 1); count]);
    passes.extend(vec![Pass::learning(STATES + ACTIONS, 1); count]);
    passes
}

pub fn ddpg(size: Size) -> Update {
    let mut passes = critics(1);
    passes.extend([Pass::learning(STATES, ACTIONS), CLIMBED]);
    update(&passes, size)
}

pub fn td3(size: Size) -> Update {
    let mut each = products(&critics(2), size);
    let mut every_second = products(&[Pass::learning(STATES, ACTIONS), CLIMBED], size);
    let mut actor = false;
    Box::new(move || {
        each.iter_mut().for_each(Product::run);
        if actor {
            every_second.iter_mut().for_each(Product::run);
        }
        actor = !actor;
    })
}

pub fn sac(size: Size) -> Update {
    let mut passes = critics(2);
    passes[0] = Pass::forward(STATES, 2 * ACTIONS);
    passes.extend([Pass::learning(STATES, 2 * ACTIONS), CLIMBED, CLIMBED]);
    update(&passes, size)
}

pub fn ensemble(size: Size) -> Update {
    update(&[Pass::learning(FEATURES, 1); MEMBERS], size)
}

pub fn candidates(size: Size) -> Update {
    update(&[Pass::forward(FEATURES, 1); MEMBERS], size)
}

/// The products with the inputs of all steps at once, those with the hidden states step by step; the way
/// back without the output layer, of which only the actions taken are needed.
pub fn lstm(Size { hidden: cells, batch }: Size) -> Update {
    let gates = 4 * cells;
    let mut products = Vec::new();
    for steps in [STEPS, STEPS + 1] {
        products.push(Product::new([batch, META, cells], [false, false]));
        products.push(Product::new([batch * steps, STEP_INPUTS, gates], [false, false]));
        for _ in 0..steps {
            products.push(Product::new([batch, cells, gates], [false, false]));
        }
        products.push(Product::new([batch, cells, BEHIND], [false, false]));
    }
    products.push(Product::new([batch, BEHIND, CONFIGURATIONS], [false, true]));
    products.push(Product::new([cells, batch, BEHIND], [true, false]));
    products.push(Product::new([batch, BEHIND, cells], [false, true]));
    for _ in 0..STEPS {
        products.push(Product::new([batch, gates, cells], [false, true]));
    }
    products.push(Product::new([STEP_INPUTS, batch * STEPS, gates], [true, false]));
    products.push(Product::new([cells, batch * STEPS, gates], [true, false]));
    products.push(Product::new([META, batch, cells], [true, false]));
    Box::new(move || products.iter_mut().for_each(Product::run))
}
