//! A family of tasks that can be made anywhere, for questions of transfer on a machine without tables.

use std::path::Path;

use hyperq::space::{Grid, GridSize, Parameter, SearchSpace, SpaceDocument};
use hyperq::streams::Streams;
use rand_distr::{Distribution, LogNormal, Normal};
use serde_json::json;

use super::Failure;

/// The tasks.
const TASKS: u64 = 30;
/// The configurations of each on a side of the grid.
const SIDE: usize = 7;

/// Writes the tables: bowls with ripples in three parameters,
///
/// ```text
/// f(x) = sum_j w_j (x_j - c_j)^2 + 0.05 sum_j (1 - cos(6 pi (x_j - c_j))) + noise
/// c_j ~ N(0.35, 0.12)    ln w_j ~ N(0, 0.5)    noise ~ N(0, 0.01)
/// ```
///
/// so that good places of one task are good places of others, and no two agree. The centers are the meta-features,
/// disturbed by `N(0, 0.1)`: they tell something of a task, and not all.
pub(super) fn write(directory: &Path) -> Result<(), Failure> {
    let names = ["x1", "x2", "x3"];
    let space = SearchSpace::new(names.map(|name| Parameter::float(name, 0.0, 1.0)))
        .map_err(Failure::failed)?;
    let grid = Grid::new(&space, GridSize::Resolution(SIDE)).map_err(Failure::failed)?;
    let io = |error: std::io::Error| Failure::Failed(format!("{}: {error}", directory.display()));
    std::fs::create_dir_all(directory.join("tasks")).map_err(io)?;
    let parameters = serde_json::to_value(&space).map_err(Failure::failed)?;
    let document = json!({
        "name": "bowls",
        "objective": { "name": "error", "direction": "minimize" },
        "parameters": parameters,
    });
    // Read back before it is written, so that the file is one that the reader takes.
    let document: SpaceDocument = serde_json::from_value(document).map_err(Failure::failed)?;
    let text = serde_json::to_string_pretty(&document).map_err(Failure::failed)?;
    std::fs::write(directory.join("space.json"), text + "\n").map_err(io)?;
    let normal = |mean, deviation| Normal::new(mean, deviation).map_err(Failure::failed);
    let (center, told, noise) = (normal(0.35, 0.12)?, normal(0.0, 0.1)?, normal(0.0, 0.01)?);
    let weight = LogNormal::new(0.0, 0.5).map_err(Failure::failed)?;
    let mut features = "task,first,second,third\n".to_owned();
    for task in 0..TASKS {
        let mut rng = Streams::new(0).at("family", task);
        let centers: [f64; 3] = std::array::from_fn(|_| center.sample(&mut rng));
        let weights: [f64; 3] = std::array::from_fn(|_| weight.sample(&mut rng));
        let told: [f64; 3] = centers.map(|center| center + told.sample(&mut rng));
        let mut table = "x1,x2,x3,error\n".to_owned();
        for configuration in grid.configurations() {
            let mut value = noise.sample(&mut rng);
            let mut row = Vec::new();
            for (place, name) in names.iter().enumerate() {
                let x = configuration.float(name).map_err(Failure::failed)?;
                let away = x - centers[place];
                value += weights[place] * away * away
                    + 0.05 * (1.0 - (6.0 * std::f64::consts::PI * away).cos());
                row.push(x.to_string());
            }
            row.push(value.to_string());
            table.push_str(&row.join(","));
            table.push('\n');
        }
        let name = format!("bowl-{task:02}");
        std::fs::write(directory.join(format!("tasks/{name}.csv")), table).map_err(io)?;
        features.push_str(&format!("{name},{},{},{}\n", told[0], told[1], told[2]));
    }
    std::fs::write(directory.join("meta_features.csv"), features).map_err(io)
}
