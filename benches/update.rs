//! Updates of agents beside the same updates in plain candle and the bare matrix products that they need.
//!
//!     cargo bench --bench update -- --quick    # criterion, then the ratios
//!     cargo bench --bench update -- --times    # one line of JSON for benches/pytorch/compare.py
//!
//! States have 16 numbers and actions 8; networks have two hidden layers with ReLU. All runs on one core.
//! The floor are the products alone, forward and backward, by the crate gemm.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::{Device, Result, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use criterion::{BenchmarkId, Criterion};
use hyperq::explore::Moment;
use hyperq::mdp::{ActionSet, Observation, Targets};
use hyperq::nn::{Activation, Init, MlpShape, Network, Workspace, product_by_gemm};
use hyperq::space::{Grid, GridSize, Parameter, SearchSpace};
use hyperq::streams::Streams;
use hyperq::value::{DeepQ, Head, Memory, Setting, Target, Transition};
use rand::RngExt;

const STATES: usize = 16;
const ACTIONS: usize = 8;
const DISCOUNT: f32 = 0.99;
const LEARNING_RATE: f32 = 3e-4;
/// The width of the hidden layers and the transitions of an update.
const SIZES: [Size; 4] = [
    Size { hidden: 64, batch: 64 },
    Size { hidden: 64, batch: 256 },
    Size { hidden: 256, batch: 64 },
    Size { hidden: 256, batch: 256 },
];

#[derive(Debug, Clone, Copy)]
struct Size {
    hidden: usize,
    batch: usize,
}

/// Makes one update when it is called.
type Update = Box<dyn FnMut()>;

/// An agent and what its update is measured against.
struct Entry {
    name: &'static str,
    ours: fn(Size) -> Update,
    candle: fn(Size) -> Result<Update>,
    /// The passes through networks that the products of the floor belong to.
    passes: fn() -> Vec<Pass>,
}

const ENTRIES: [Entry; 1] =
    [Entry { name: "dqn", ours: our_dqn, candle: candle_dqn, passes: dqn_passes }];

/// Numbers in [-1, 1].
fn numbers(purpose: &str, len: usize) -> Vec<f32> {
    let mut rng = Streams::new(1).at(purpose, 0);
    (0..len).map(|_| rng.random_range(-1.0f32..1.0)).collect()
}

/// One way through a network, and which gradients are then asked for.
struct Pass {
    inputs: usize,
    outputs: usize,
    d_params: bool,
    d_inputs: bool,
}

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

/// The products of an update, one after the other.
fn floor(passes: &[Pass], Size { hidden, batch }: Size) -> Update {
    let mut products = Vec::new();
    for pass in passes {
        let widths = [pass.inputs, hidden, hidden, pass.outputs];
        for (layer, pair) in widths.windows(2).enumerate() {
            let &[inputs, outputs] = pair else { unreachable!("windows of two") };
            products.push(Product::new([batch, inputs, outputs], [false, false]));
            if pass.d_params {
                products.push(Product::new([inputs, batch, outputs], [true, false]));
            }
            // Below the lowest weights nothing is asked for but the gradient at the inputs.
            if pass.d_inputs || (pass.d_params && layer > 0) {
                products.push(Product::new([batch, outputs, inputs], [false, true]));
            }
        }
    }
    Box::new(move || products.iter_mut().for_each(Product::run))
}

/// A network in plain candle. Its variables are listed layer by layer, weight before bias.
struct Plain {
    vars: Vec<Var>,
}

impl Plain {
    fn new(purpose: &str, inputs: usize, hidden: usize, outputs: usize) -> Result<Self> {
        let mut vars = Vec::new();
        for (layer, pair) in [inputs, hidden, hidden, outputs].windows(2).enumerate() {
            let &[inputs, outputs] = pair else { unreachable!("windows of two") };
            let scale = 1.0 / (inputs as f32).sqrt();
            let draw = |what: &str, len: usize| -> Vec<f32> {
                let purpose = format!("{purpose}/{layer}/{what}");
                numbers(&purpose, len).iter().map(|x| x * scale).collect()
            };
            let weight = draw("weight", inputs * outputs);
            vars.push(Var::from_vec(weight, (outputs, inputs), &Device::Cpu)?);
            vars.push(Var::from_vec(draw("bias", outputs), outputs, &Device::Cpu)?);
        }
        Ok(Self { vars })
    }

    /// The same weights in variables of its own.
    fn copy(&self) -> Result<Self> {
        Ok(Self {
            vars: self
                .vars
                .iter()
                .map(|var| Var::from_tensor(&var.copy()?))
                .collect::<Result<_>>()?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        use candle_nn::Module;
        let mut h = x.clone();
        for (layer, pair) in self.vars.chunks_exact(2).enumerate() {
            let bias = Some(pair[1].as_tensor().clone());
            h = candle_nn::Linear::new(pair[0].as_tensor().clone(), bias).forward(&h)?;
            if 2 * (layer + 1) < self.vars.len() {
                h = h.relu()?;
            }
        }
        Ok(h)
    }

    fn adam(networks: &[&Self]) -> Result<AdamW> {
        let vars = networks.iter().flat_map(|network| network.vars.clone()).collect();
        let lr = f64::from(LEARNING_RATE);
        AdamW::new(vars, ParamsAdamW { lr, weight_decay: 0.0, ..ParamsAdamW::default() })
    }
}

/// A batch as candle's tensors.
struct Tensors {
    states: Tensor,
    next_states: Tensor,
    rewards: Tensor,
}

impl Tensors {
    fn new(batch: usize) -> Result<Self> {
        let tensor = |purpose: &str, columns: usize| {
            Tensor::from_vec(numbers(purpose, batch * columns), (batch, columns), &Device::Cpu)
        };
        Ok(Self {
            states: tensor("states", STATES)?,
            next_states: tensor("next states", STATES)?,
            rewards: tensor("rewards", 1)?,
        })
    }
}

fn dqn_passes() -> Vec<Pass> {
    let pass = |d_params| Pass { inputs: STATES, outputs: ACTIONS, d_params, d_inputs: false };
    vec![pass(false), pass(true)]
}

/// Updates of the deep Q-network through its public interface: they include the draw of the batch from
/// the replay.
fn our_dqn(Size { hidden, batch }: Size) -> Update {
    let config = DeepQ {
        head: Head::PerAction,
        hidden: vec![hidden; 2],
        activation: Activation::Relu,
        double: false,
        learning_rate: LEARNING_RATE,
        weight_decay: 0.0,
        batch,
        updates_per_trial: 1,
        target: Target::Every(500),
        ..DeepQ::default()
    };
    let space = SearchSpace::new([Parameter::float("x", 0.0, 1.0)]).expect("a valid space");
    let grid = Arc::new(Grid::new(&space, GridSize::AtMost(ACTIONS)).expect("a small grid"));
    let setting = Setting {
        states: 1,
        actions: ACTIONS,
        // The network adds a constant.
        features: STATES - 1,
        grid,
        targets: Targets::Configurations,
        discount: DISCOUNT,
    };
    let streams = Streams::new(1);
    let mut learner = config.build(setting, streams).expect("valid settings");
    let stored = 1000;
    let rewards = numbers("rewards", stored);
    let features = numbers("states", (stored + 1) * (STATES - 1));
    let mut features = features.chunks_exact(STATES - 1).map(<[f32]>::to_vec);
    let mut memory = Memory::default();
    let mut here = features.next().expect("there is one more than transitions");
    for (trial, next) in features.enumerate() {
        let allowed = ActionSet::all(ACTIONS);
        memory.push(Transition {
            state: 0,
            features: std::mem::replace(&mut here, next.clone()),
            action: trial % ACTIONS,
            reached: trial % ACTIONS,
            trials: vec![trial],
            next: Some(Observation { state: 0, features: next, allowed }),
        });
    }
    let (mut trial, mut fresh) = (0, 0);
    Box::new(move || {
        let moment = Moment { trial, episode: 0, streams };
        learner.learn(&memory, fresh, &rewards, moment).expect("an update");
        (trial, fresh) = (trial + 1, memory.len());
    })
}

fn candle_dqn(Size { hidden, batch }: Size) -> Result<Update> {
    let online = Plain::new("q", STATES, hidden, ACTIONS)?;
    let target = online.copy()?;
    let mut adam = Plain::adam(&[&online])?;
    let data = Tensors::new(batch)?;
    let actions: Vec<u32> = (0..batch).map(|row| (row % ACTIONS) as u32).collect();
    let actions = Tensor::from_vec(actions, (batch, 1), &Device::Cpu)?;
    let mut update = move || -> Result<()> {
        let next = target.forward(&data.next_states)?.max_keepdim(1)?;
        let goal = (&data.rewards + (next * f64::from(DISCOUNT))?)?.detach();
        let q = online.forward(&data.states)?.gather(&actions, 1)?;
        adam.backward_step(&(q - goal)?.sqr()?.mean_all()?)
    };
    Ok(Box::new(move || update().expect("an update")))
}

/// The shortest time of each of several functions in microseconds, by turns, so that a disturbance hits
/// all of them.
fn shortest(functions: &mut [Update], rounds: usize, turn: Duration) -> Vec<f64> {
    let time = |function: &mut Update, calls: usize| {
        let start = Instant::now();
        (0..calls).for_each(|_| function());
        start.elapsed().as_secs_f64() / calls as f64
    };
    let calls: Vec<usize> = functions
        .iter_mut()
        .map(|function| {
            let once = time(function, 1).min(time(function, 3));
            (turn.as_secs_f64() / once).clamp(1.0, 1e5) as usize
        })
        .collect();
    let mut best = vec![f64::INFINITY; functions.len()];
    for _ in 0..rounds {
        for ((function, calls), best) in functions.iter_mut().zip(&calls).zip(&mut best) {
            *best = best.min(1e6 * time(function, *calls));
        }
    }
    best
}

/// The choice of a single action: one row through a network with two hidden layers of 64.
fn act() -> Update {
    let shape = MlpShape { inputs: STATES, outputs: ACTIONS, ..MlpShape::default() };
    let mut rng = Streams::new(1).at("act", 0);
    let network = Network::new(shape, 1, Init::TorchLinear, &mut rng).expect("a valid shape");
    let state = numbers("state", STATES);
    let mut workspace = Workspace::default();
    Box::new(move || {
        black_box(network.forward(0, black_box(&state), 1, &mut workspace));
    })
}

/// Ours, candle's and the floor's update.
fn three(entry: &Entry, size: Size) -> [Update; 3] {
    let candle = (entry.candle)(size).expect("a network of candle");
    [(entry.ours)(size), candle, floor(&(entry.passes)(), size)]
}

/// The times of every entry and size: ours, candle's, the floor's.
fn times(rounds: usize, turn: Duration) -> BTreeMap<String, Vec<f64>> {
    let mut times = BTreeMap::new();
    for entry in &ENTRIES {
        for size in SIZES {
            let name = format!("{}/{}/{}", entry.name, size.hidden, size.batch);
            times.insert(name, shortest(&mut three(entry, size), rounds, turn));
        }
    }
    times.insert("act/64/1".into(), shortest(&mut [act()], rounds, turn));
    times
}

fn print_ratios() {
    println!("\nupdate (hidden/batch)     ours      candle / ours   ours / products alone");
    for (name, times) in times(15, Duration::from_millis(5)) {
        match times[..] {
            [ours, candle, floor] => {
                let (candle, floor) = (candle / ours, ours / floor);
                println!("{name:20} {ours:9.1} us {candle:13.1} x {floor:13.2} x");
            }
            _ => println!("{name:20} {:9.3} us", times[0]),
        }
    }
}

fn benchmarks(c: &mut Criterion) {
    let mut group = c.benchmark_group("update");
    group.sample_size(10).warm_up_time(Duration::from_millis(50));
    group.measurement_time(Duration::from_millis(250));
    for entry in &ENTRIES {
        for size in SIZES {
            for (what, mut update) in
                ["ours", "candle", "floor"].into_iter().zip(three(entry, size))
            {
                let id = format!("{}/{}", size.hidden, size.batch);
                group.bench_function(BenchmarkId::new(format!("{}/{what}", entry.name), id), |b| {
                    b.iter(&mut update);
                });
            }
        }
    }
    let mut act = act();
    group.bench_function("act/64", |b| b.iter(&mut act));
    group.finish();
}

fn main() {
    let asked = |flag: &str| std::env::args().any(|argument| argument == flag);
    // candle shares large products among the threads of a pool.
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("one thread");
    alone.install(|| {
        if asked("--times") {
            let times = times(10, Duration::from_millis(5));
            println!("{}", serde_json::to_string(&times).expect("numbers"));
            return;
        }
        let mut criterion = Criterion::default().configure_from_args();
        benchmarks(&mut criterion);
        criterion.final_summary();
        if !asked("--test") && !asked("--list") {
            print_ratios();
        }
    });
}
