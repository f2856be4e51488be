//! A loop of your own around a study: several trials at once, told in whatever order they finish,
//! some of which fail. The order depends on the machine, and so does the result; a loop that tells in a
//! fixed order is reproducible.
//!
//!     cargo run --release --example ask-tell-loop

use std::sync::mpsc;
use std::thread;

use hyperq::prelude::*;

/// How many trials are evaluated at the same time.
const WORKERS: usize = 4;
const TRIALS: usize = 24;

/// Stands for a job that may run out of memory.
fn accuracy(rate: f64, width: i64) -> std::result::Result<f64, String> {
    if width > 200 {
        return Err(format!("out of memory at width {width}"));
    }
    Ok(0.9 - 0.05 * (rate.log10() + 2.0).powi(2) + 0.0003 * width as f64)
}

fn main() -> Result<()> {
    let space = SearchSpace::new([
        Parameter::float("rate", 1e-5, 1.0).log(),
        Parameter::int("width", 8, 256).log(),
    ])?;
    let mut study = Study::builder(space)
        .direction(Direction::Maximize)
        .strategy("dqn-select-ucb")
        .budget(TRIALS)
        .build()?;

    let (done, results) = mpsc::channel();
    let mut asked = 0;
    while study.history().len() < TRIALS {
        // Pending trials are known to the study, so that no two workers get the same configuration.
        while asked < TRIALS && study.pending().len() < WORKERS {
            let trial = study.ask()?;
            let (rate, width) = (trial.float("rate")?, trial.int("width")?);
            let done = done.clone();
            thread::spawn(move || done.send((trial.id, accuracy(rate, width))));
            asked += 1;
        }
        let (id, outcome) = results.recv().expect("a worker is running");
        match outcome {
            Ok(value) => study.tell(id, value)?,
            // The study learns from a failure too, and goes on.
            Err(reason) => study.fail(id, reason)?,
        }
    }

    let failed = study.history().trials().iter().filter(|trial| trial.score().is_none()).count();
    println!("{} trials, {failed} of them failed", study.history().len());
    let best = study.best().expect("at least one trial is complete");
    println!("best: {:?} at {}", study.value(best), best.configuration);
    Ok(())
}
