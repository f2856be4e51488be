//! SAC in a loop of your own: ask for several configurations, evaluate them elsewhere, tell later in any
//! order, save in between and go on in another process.
//!
//!     cargo run --release --example external-loop

use std::collections::VecDeque;

use hyperq::agent::Sac;
use hyperq::prelude::*;

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let space = SearchSpace::new([
        Parameter::float("learning_rate", 1e-5, 1.0).log(),
        Parameter::int("layers", 1, 6),
        Parameter::categorical("optimizer", ["adam", "sgd"]),
        Parameter::float("momentum", 0.0, 0.99).when("optimizer", ["sgd"]),
    ])?;
    let directory = tempfile::tempdir()?;

    let mut study = Sac::builder(&space).direction(Direction::Maximize).seed(3).build()?;
    let mut queue = VecDeque::new();
    for round in 0..24 {
        // Three workers are kept busy. What is pending is not asked for again.
        while queue.len() < 3 {
            queue.push_back(study.ask()?);
        }
        // The jobs come back in another order than they were sent out, and some crash.
        let place = round % queue.len();
        let Some(job) = queue.remove(place) else { continue };
        match accuracy(&job) {
            Ok(accuracy) => study.tell(job.id, accuracy)?,
            Err(error) => study.fail(job.id, error.to_string())?,
        }
        // Halfway the program is stopped and started again: the pending jobs are part of the study.
        if round == 11 {
            study.save(directory.path())?;
            drop(study);
            study = Study::load(directory.path())?;
            println!("resumed with {} pending trials", study.pending().len());
        }
    }
    let best = study.best().expect("at least one trial is complete");
    let value = study.value(best).expect("the best trial is complete");
    println!("{value:.3} at {}", best.configuration);
    Ok(())
}

/// Your training run, here a formula: the accuracy of a network, or an error where it diverges.
fn accuracy(job: &Suggestion) -> Result<f64> {
    let rate = job.float("learning_rate")?.log10();
    if rate > -0.3 {
        return Err(Error::Evaluation("the loss is NaN".into()));
    }
    let momentum = match job.text("optimizer")? {
        "sgd" => job.float("momentum")?,
        _ => 0.8,
    };
    let layers = job.int("layers")? as f64;
    Ok(0.95
        - 0.03 * (rate + 3.0).powi(2)
        - 0.01 * (layers - 3.0).powi(2)
        - 0.1 * (momentum - 0.9).powi(2))
}
