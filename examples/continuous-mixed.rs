//! TD3 tunes a real model over a space with every kind of parameter.
//!
//!     cargo run --release --example continuous-mixed
//!
//! A support vector machine is trained on breast cancer data that smartcore ships. Which of its
//! parameters exist depends on its kernel, so the space has conditions. Where the crate is built
//! without the feature `live` there is no model to train, and the mixed test function takes its place.

use hyperq::agent::Td3;
use hyperq::prelude::*;
use hyperq::streams::Streams;

fn main() -> Result<()> {
    let name = if cfg!(feature = "live") { "live/svm-breast-cancer" } else { "mixed-conditional" };
    let surface = &hyperq::surface::open(name)?[0];
    let spec = surface.spec();

    let mut study =
        Td3::builder(&spec.space).direction(spec.direction).seed(7).budget(30).build()?;
    study.optimize(30, |trial| {
        surface.evaluate(&trial.configuration, &mut Streams::new(7).at("noise", trial.id.0))
    })?;

    for trial in study.history().trials() {
        match study.value(trial) {
            Some(value) => println!("{:3}  {value:.4}  {}", trial.id, trial.configuration),
            None => println!("{:3}  failed  {}", trial.id, trial.configuration),
        }
    }
    let best = study.best().expect("at least one trial is complete");
    println!(
        "best {} on {name}: {:.4} at {}",
        spec.objective,
        study.value(best).expect("the best trial is complete"),
        best.configuration
    );
    Ok(())
}
