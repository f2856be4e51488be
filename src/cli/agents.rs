//! `hyperq agents`.

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use hyperq::meta::registered;

use super::{Failure, print};

/// List the agents that can be trained over a corpus
#[derive(Args)]
pub struct Agents {
    /// Bare names, one a line
    #[arg(long)]
    names: bool,
}

impl Agents {
    /// Prints the list.
    pub fn run(&self) -> Result<(), Failure> {
        if self.names {
            let names = registered().iter().map(|agent| format!("{}\n", agent.name));
            return print(&names.collect::<String>());
        }
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(80)
            .set_header(["agent", "what it is"]);
        for agent in registered() {
            table.add_row([&agent.name, &agent.summary]);
        }
        print(&format!("{}\n", table.trim_fmt()))
    }
}
