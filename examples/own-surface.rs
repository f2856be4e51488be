//! A surface of your own, and strategies compared on it.
//!
//!     cargo run --release --example own-surface

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use hyperq::experiment::{self, Entrant, Plan, Summary};
use hyperq::prelude::*;
use hyperq::streams::Generator;

/// How well exponential smoothing forecasts a series: mean squared error one step ahead.
struct Forecast {
    spec: Spec,
    series: Vec<f64>,
}

impl Forecast {
    fn new() -> Result<Self> {
        let space = SearchSpace::new([
            Parameter::categorical("model", ["level", "trend"]),
            Parameter::float("alpha", 0.01, 1.0).log(),
            Parameter::float("beta", 0.01, 1.0).log().when("model", ["trend"]),
        ])?;
        // A slope that changes sign now and then, with a ripple on it.
        let series = (0..200)
            .map(f64::from)
            .map(|t| 8.0 * (t / 30.0).sin() + 0.5 * (2.1 * t).cos() + 0.3 * (5.3 * t).sin())
            .collect();
        let spec = Spec {
            name: "forecast".to_owned(),
            description: "exponential smoothing of a series".to_owned(),
            space,
            direction: Direction::Minimize,
            objective: "mean squared error".to_owned(),
            // Unknown: then regret is not computed, and strategies are compared by their ranks.
            optimum: None,
            range: None,
            grid: None,
            meta_features: Vec::new(),
        };
        Ok(Self { spec, series })
    }
}

impl Surface for Forecast {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn evaluate(&self, at: &Configuration, _rng: &mut Generator) -> Result<f64> {
        let alpha = at.float("alpha")?;
        let beta = if at.text("model")? == "trend" { at.float("beta")? } else { 0.0 };
        let (mut level, mut trend, mut sum) = (self.series[0], 0.0, 0.0);
        for &value in &self.series[1..] {
            let error = value - (level + trend);
            sum += error * error;
            level += trend + alpha * error;
            trend += alpha * beta * error;
        }
        Ok(sum / (self.series.len() - 1) as f64)
    }
}

fn main() -> Result<()> {
    let names = ["random", "grid", "table-select-epsilon-greedy", "ensemble-select-ucb"];
    let plan = Plan {
        surfaces: vec![Arc::new(Forecast::new()?)],
        strategies: names.into_iter().map(Entrant::named).collect::<Result<_>>()?,
        trials: 25,
        seeds: 3,
        ..Plan::default()
    };
    let results = experiment::run(&plan, &|_| (), &AtomicBool::new(false))?;
    println!("{:<28} {:>5} {:>12}", "strategy", "rank", "mean best");
    for strategy in &Summary::of(&results).strategies {
        let here = &strategy.per_surface[0];
        let best = here.mean_best_score.unwrap_or(f64::NAN);
        println!("{:<28} {:>5.2} {best:>12.5}", strategy.name, here.average_rank);
    }
    // `experiment::write` puts trials.csv, summary.json and report.html into a directory.
    Ok(())
}
