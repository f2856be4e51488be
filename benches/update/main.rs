//! Updates of agents beside the same updates in plain candle and the bare matrix products that they need.
//!
//!     cargo bench --bench update -- --quick    # criterion, then the ratios
//!     cargo bench --bench update -- --times    # one line of JSON for benches/pytorch/compare.py
//!
//! States have 16 numbers and actions 8; networks have two hidden layers with ReLU. Beside the agents stands
//! the hot path of an ensemble of critics: six members with tanh and inputs of 10 numbers, one step of
//! regression, and the values of 2000 rows; and the recurrent Q-network of Hyp-RL: histories of 20 steps of
//! 20 numbers, 16 meta-features, 32 cells, a layer of 128 and 2916 actions. All runs on one core.

mod floor;
mod ours;
mod plain;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use candle_core::Result;
use criterion::{BenchmarkId, Criterion};
use hyperq::streams::Streams;
use rand::RngExt;

const STATES: usize = 16;
const ACTIONS: usize = 8;
const DISCOUNT: f32 = 0.99;
const TAU: f32 = 0.005;
const LEARNING_RATE: f32 = 3e-4;
/// The critics of the ensemble and the numbers that one of its inputs has.
const MEMBERS: usize = 6;
const FEATURES: usize = 10;
/// The recurrent Q-network: the steps of a history, the numbers of a step and of the meta-features, the
/// actions, the width of the layer behind the LSTM, and the norm that its gradient is clipped to.
const STEPS: usize = 20;
const STEP_INPUTS: usize = 20;
const META: usize = 16;
const CONFIGURATIONS: usize = 2916;
const BEHIND: usize = 128;
const CLIP: f32 = 10.0;

/// The width of the hidden layers and the transitions of an update.
const SIZES: &[Size] = &[size(64, 64), size(64, 256), size(256, 64), size(256, 256)];
const ENSEMBLE_SIZES: &[Size] = &[size(64, 32), size(64, 100), size(128, 32), size(128, 100)];
const CANDIDATES: &[Size] = &[size(64, 2000), size(128, 2000)];
const LSTM_SIZES: &[Size] = &[size(32, 32)];

#[derive(Debug, Clone, Copy)]
struct Size {
    hidden: usize,
    batch: usize,
}

const fn size(hidden: usize, batch: usize) -> Size {
    Size { hidden, batch }
}

/// Makes one update when it is called.
type Update = Box<dyn FnMut()>;

/// An agent's update and what it is measured against.
struct Entry {
    name: &'static str,
    sizes: &'static [Size],
    ours: fn(Size) -> Update,
    candle: fn(Size) -> Result<Update>,
    floor: fn(Size) -> Update,
}

/// All that is measured. Every second update of TD3 is of the critics alone: its times are means over both
/// kinds.
const ENTRIES: [Entry; 7] = [
    Entry { name: "dqn", sizes: SIZES, ours: ours::dqn, candle: plain::dqn, floor: floor::dqn },
    Entry { name: "ddpg", sizes: SIZES, ours: ours::ddpg, candle: plain::ddpg, floor: floor::ddpg },
    Entry { name: "td3", sizes: SIZES, ours: ours::td3, candle: plain::td3, floor: floor::td3 },
    Entry { name: "sac", sizes: SIZES, ours: ours::sac, candle: plain::sac, floor: floor::sac },
    Entry {
        name: "ensemble",
        sizes: ENSEMBLE_SIZES,
        ours: ours::ensemble,
        candle: plain::ensemble,
        floor: floor::ensemble,
    },
    Entry {
        name: "candidates",
        sizes: CANDIDATES,
        ours: ours::candidates,
        candle: plain::candidates,
        floor: floor::candidates,
    },
    Entry {
        name: "lstm",
        sizes: LSTM_SIZES,
        ours: ours::lstm,
        candle: plain::lstm,
        floor: floor::lstm,
    },
];

/// Numbers in [-1, 1].
fn numbers(purpose: &str, len: usize) -> Vec<f32> {
    let mut rng = Streams::new(1).at(purpose, 0);
    (0..len).map(|_| rng.random_range(-1.0f32..1.0)).collect()
}

/// The shortest time of each of several functions in microseconds, by turns, so that a disturbance hits
/// all of them. A turn is an even number of calls.
fn shortest(functions: &mut [Update], rounds: usize, turn: Duration) -> Vec<f64> {
    let time = |function: &mut Update, calls: usize| {
        let start = Instant::now();
        (0..calls).for_each(|_| function());
        start.elapsed().as_secs_f64() / calls as f64
    };
    let calls: Vec<usize> = functions
        .iter_mut()
        .map(|function| {
            let once = time(function, 2).min(time(function, 4));
            2 * (turn.as_secs_f64() / once / 2.0).clamp(1.0, 1e5) as usize
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

/// Ours, candle's and the floor's update.
fn three(entry: &Entry, size: Size) -> [Update; 3] {
    let candle = (entry.candle)(size).expect("a network of candle");
    [(entry.ours)(size), candle, (entry.floor)(size)]
}

/// The times of every entry and size: ours, candle's, the floor's.
fn times(rounds: usize, turn: Duration) -> BTreeMap<String, Vec<f64>> {
    let mut times = BTreeMap::new();
    for entry in &ENTRIES {
        for &size in entry.sizes {
            let name = format!("{}/{}/{}", entry.name, size.hidden, size.batch);
            times.insert(name, shortest(&mut three(entry, size), rounds, turn));
        }
    }
    for (name, act) in ours::ACTS {
        times.insert(format!("{name}/64/1"), shortest(&mut [act()], rounds, turn));
    }
    times
}

fn print_ratios() {
    println!("\nupdate/hidden/batch          ours   candle / ours   ours / products alone");
    for (name, times) in times(30, Duration::from_millis(2)) {
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
    group.sample_size(10).warm_up_time(Duration::from_millis(20));
    group.measurement_time(Duration::from_millis(100));
    for entry in &ENTRIES {
        for &size in entry.sizes {
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
    for (name, act) in ours::ACTS {
        let mut act = act();
        group.bench_function(format!("{name}/64"), |b| b.iter(&mut act));
    }
    group.finish();
}

/// Runs this program again where candle may use several threads: it reads the variable once for pools of
/// its own, which it starts by the number of processors otherwise.
fn ensure_one_thread() {
    const THREADS: &str = "RAYON_NUM_THREADS";
    if std::env::var(THREADS).is_ok_and(|threads| threads == "1") {
        return;
    }
    let program = std::env::current_exe().expect("the path of this program");
    let status = std::process::Command::new(program)
        .args(std::env::args_os().skip(1))
        .env(THREADS, "1")
        .status()
        .expect("this program runs again");
    std::process::exit(status.code().unwrap_or(1));
}

fn main() {
    ensure_one_thread();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--times") {
        let times = times(30, Duration::from_millis(2));
        println!("{}", serde_json::to_string(&times).expect("numbers"));
        return;
    }
    let mut criterion = Criterion::default().without_plots().configure_from_args();
    benchmarks(&mut criterion);
    criterion.final_summary();
    // Not where a part was asked for, or a profile.
    if arguments.iter().all(|argument| ["--bench", "--quick"].contains(&&**argument)) {
        print_ratios();
    }
}
