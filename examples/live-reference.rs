//! Prints the best and the worst value of every live surface over the first 1024 Sobol points: the
//! constants that normalize regret there. Also how long an evaluation takes and how many fail.
//!
//!     cargo run --release --example live-reference [POINTS]

use std::time::Instant;

use hyperq::streams::Streams;
use hyperq::surface::live;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let points = std::env::args().nth(1).map_or(Ok(1024), |points| points.parse::<u64>())?;
    for name in live::names() {
        let surface = live::open(name).ok_or("a listed surface opens")??;
        let range = live::sample_range(surface.as_ref(), points)?;
        // Timed apart, on random configurations: the median says what one evaluation costs.
        let (mut failures, mut millis) = (0, Vec::new());
        for trial in 0..points.min(200) {
            let mut rng = Streams::new(0).at("timing", trial);
            let configuration = surface.spec().space.sample(&mut rng);
            let start = Instant::now();
            failures += usize::from(surface.evaluate(&configuration, &mut rng).is_err());
            millis.push(start.elapsed().as_secs_f64() * 1e3);
        }
        millis.sort_by(f64::total_cmp);
        println!(
            "{name:24} best: {:?}, worst: {:?}  (median {:.1} ms, longest {:.1} ms, {failures} of {} failed)",
            range.best,
            range.worst,
            millis[millis.len() / 2],
            millis[millis.len() - 1],
            millis.len(),
        );
    }
    Ok(())
}
