//! `hyperq surfaces`.

mod import;

use clap::{Args, Subcommand};
use comfy_table::{ContentArrangement, Table, presets};
use hyperq::space::Parameter;
use hyperq::surface::measured::{self, Measure, Measured};
use hyperq::surface::{self, OffGrid, Surface};
use rayon::prelude::*;

use super::{Failure, print};

/// List the built-in surfaces: name, dimension, parameters, optimum; import others
///
/// The measured ones, four learners on many data sets, are a line a learner; --data-sets lists the data sets.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Surfaces {
    #[command(subcommand)]
    command: Option<SurfacesCommand>,
    /// Bare names, one a line
    #[arg(long)]
    names: bool,
    /// The data sets of the measured surfaces, with the best accuracy of each learner and how far its surrogate can be
    /// relied on: its rank correlation with what was measured, in 5-fold cross-validation over configurations
    #[arg(long, conflicts_with = "names")]
    data_sets: bool,
}

#[derive(Subcommand)]
enum SurfacesCommand {
    Import(import::Import),
}

impl Surfaces {
    /// Prints the list, or imports.
    pub fn run(&self) -> Result<(), Failure> {
        match &self.command {
            Some(SurfacesCommand::Import(import)) => import.run(),
            None => self.list(),
        }
    }

    fn list(&self) -> Result<(), Failure> {
        let names = surface::builtin_names();
        if self.names {
            return print(&names.iter().map(|name| format!("{name}\n")).collect::<String>());
        }
        if self.data_sets {
            return data_sets();
        }
        let mut table = listing();
        table.set_header(["surface", "dim.", "parameters", "optimum"]);
        let measured = measured::names().map_err(Failure::failed)?;
        for name in names.iter().filter(|name| !measured.contains(name)) {
            for surface in surface::open(name).map_err(Failure::failed)? {
                let spec = surface.spec();
                let optimum =
                    spec.optimum.map_or_else(|| "unknown".to_owned(), |o| format!("{o:.6}"));
                let parameters = describe(spec.space.parameters());
                table.add_row([&spec.name, &spec.space.len().to_string(), &parameters, &optimum]);
            }
        }
        for learner in measured::learners() {
            let tasks = Measured::all(learner).map_err(Failure::failed)?;
            let Some(first) = tasks.first() else { continue };
            let space = &first.grid().space();
            let name = format!("{learner}/...");
            let optimum = format!("{} data sets", tasks.len());
            let dimension = space.len().to_string();
            table.add_row([&name, &dimension, &describe(space.parameters()), &optimum]);
        }
        print(&format!("{}\n", table.trim_fmt()))
    }
}

fn listing() -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(80);
    table
}

/// The number of parts of the cross-validation that a surrogate is judged by.
const FOLDS: usize = 5;

fn data_sets() -> Result<(), Failure> {
    let learners: Vec<&str> = measured::learners().collect();
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let header = ["data set", "rows", "features", "classes"].map(str::to_owned);
    table.set_header(header.into_iter().chain(learners.iter().map(|l| (*l).to_owned())));
    let all = measured::data_sets().map_err(Failure::failed)?;
    let cells: Vec<(String, Option<f64>)> = (0..all.len() * learners.len())
        .into_par_iter()
        .map(|cell| {
            let (data_set, learner) =
                (&all[cell / learners.len()], learners[cell % learners.len()]);
            let task = Measured::open(&format!("{learner}/{}", data_set.name))?;
            let surface = task.table(Measure::Accuracy, 1.0, OffGrid::Nearest)?;
            let best = surface.spec().optimum.unwrap_or(f64::NAN);
            let correlation = surface.rank_correlation(FOLDS);
            let shown = correlation.map_or_else(|| "-".to_owned(), |r| format!("{r:.2}"));
            Ok((format!("{best:.3} ({shown})"), correlation))
        })
        .collect::<hyperq::Result<_>>()
        .map_err(Failure::failed)?;
    for (data_set, cells) in all.iter().zip(cells.chunks(learners.len())) {
        let counts = [data_set.rows, data_set.features, data_set.classes].map(|n| n.to_string());
        let name = match data_set.artificial {
            true => format!("{} (artificial)", data_set.name),
            false => data_set.name.clone(),
        };
        let values = cells.iter().map(|(text, _)| text.clone());
        table.add_row([name].into_iter().chain(counts).chain(values));
    }
    let medians = (0..learners.len()).map(|learner| {
        let mut found: Vec<f64> =
            cells.iter().skip(learner).step_by(learners.len()).filter_map(|cell| cell.1).collect();
        found.sort_unstable_by(f64::total_cmp);
        found.get(found.len() / 2).map_or_else(String::new, |median| format!("({median:.2})"))
    });
    let empty = ["median", "", "", ""].map(str::to_owned);
    table.add_row(empty.into_iter().chain(medians));
    print(&format!("{}\n", table.trim_fmt()))
}

/// The parameters, neighbours with the same values together: `x1 .. x5 [-5, 5]`.
fn describe(parameters: &[Parameter]) -> String {
    let mut groups: Vec<(&Parameter, &Parameter)> = Vec::new();
    for parameter in parameters {
        match groups.last_mut() {
            Some((first, last))
                if first.domain == parameter.domain && first.condition == parameter.condition =>
            {
                *last = parameter;
            }
            _ => groups.push((parameter, parameter)),
        }
    }
    let texts: Vec<String> = groups
        .into_iter()
        .map(|(first, last)| {
            let name = if std::ptr::eq(first, last) {
                first.name.clone()
            } else {
                format!("{} .. {}", first.name, last.name)
            };
            let conditional = if first.condition.is_empty() { "" } else { " (conditional)" };
            format!("{name} {}{conditional}", first.domain)
        })
        .collect();
    texts.join(", ")
}
