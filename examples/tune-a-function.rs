//! Tunes a function of four parameters and prints what was found.
//!
//!     cargo run --release --example tune-a-function

use hyperq::prelude::*;

/// Stands for a training run: the validation error of a model, the lower the better.
fn validation_error(trial: &Suggestion) -> Result<f64> {
    let rate = trial.float("learning_rate")?.log10();
    let mut error = 0.1 + 0.02 * (rate + 2.5).powi(2);
    error += 0.01 * (trial.int("layers")? - 3).pow(2) as f64;
    // `momentum` exists only where the optimizer is `sgd`.
    error += match trial.text("optimizer")? {
        "sgd" => 0.05 + 0.2 * (trial.float("momentum")? - 0.9).powi(2),
        _ => 0.03,
    };
    Ok(error)
}

fn main() -> Result<()> {
    let space = SearchSpace::new([
        Parameter::float("learning_rate", 1e-5, 1.0).log(),
        Parameter::int("layers", 1, 6),
        Parameter::categorical("optimizer", ["adam", "sgd"]),
        Parameter::float("momentum", 0.0, 0.99).when("optimizer", ["sgd"]),
    ])?;
    let mut study = Study::builder(space)
        .direction(Direction::Minimize)
        .strategy("ensemble-select-ucb")
        .budget(40)
        .seed(7)
        .build()?;

    study.optimize(40, |trial| validation_error(trial))?;

    for trial in study.history().trials().iter().step_by(8) {
        println!("trial {:>2}: {:?} at {}", trial.id, study.value(trial), trial.configuration);
    }
    let best = study.best().expect("at least one trial is complete");
    println!("best, trial {}: {:?} at {}", best.id, study.value(best), best.configuration);
    Ok(())
}
