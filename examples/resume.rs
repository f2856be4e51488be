//! Saves a study, loads it and goes on: the trials are those of a study that was never interrupted.
//!
//!     cargo run --release --example resume

use hyperq::prelude::*;

fn objective(trial: &Suggestion) -> Result<f64> {
    Ok((trial.float("x")? - 1.0).powi(2) + (trial.float("y")? + 2.0).powi(2))
}

fn study() -> Result<Study> {
    let space =
        SearchSpace::new([Parameter::float("x", -5.0, 5.0), Parameter::float("y", -5.0, 5.0)])?;
    Study::builder(space).strategy("ensemble-select-thompson").seed(3).budget(20).build()
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;

    // Ten trials, then the program ends. A trial that is pending is saved too.
    let mut first = study()?;
    first.optimize(10, |trial| objective(trial))?;
    let pending = first.ask()?;
    first.save(directory.path())?;
    drop(first);

    // The next day: the pending trial is told, and nine more follow.
    let mut second = Study::load(directory.path())?;
    println!("loaded {} trials, {} pending", second.history().len(), second.pending().len());
    second.tell(pending.id, objective(&pending)?)?;
    second.optimize(9, |trial| objective(trial))?;

    // The same twenty trials at a stretch.
    let mut whole = study()?;
    whole.optimize(20, |trial| objective(trial))?;
    assert_eq!(second.history().trials(), whole.history().trials());
    let best = second.best().ok_or("a trial is complete")?;
    println!("the same 20 trials; best: {:?} at {}", second.value(best), best.configuration);
    Ok(())
}
