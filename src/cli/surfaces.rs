//! `hyperq surfaces`.

mod import;

use clap::{Args, Subcommand};
use comfy_table::{ContentArrangement, Table, presets};
use hyperq::space::Parameter;
use hyperq::surface;

use super::{Failure, print};

/// List the built-in surfaces: name, dimension, parameters, optimum; import others
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Surfaces {
    #[command(subcommand)]
    command: Option<SurfacesCommand>,
    /// Bare names, one a line
    #[arg(long)]
    names: bool,
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
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(80)
            .set_header(["surface", "dim.", "parameters", "optimum"]);
        for name in names {
            for surface in surface::open(&name).map_err(Failure::failed)? {
                let spec = surface.spec();
                let optimum =
                    spec.optimum.map_or_else(|| "unknown".to_owned(), |o| format!("{o:.6}"));
                let parameters = describe(spec.space.parameters());
                table.add_row([&spec.name, &spec.space.len().to_string(), &parameters, &optimum]);
            }
        }
        print(&format!("{}\n", table.trim_fmt()))
    }
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
