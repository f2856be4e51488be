//! `hyperq strategies`.

use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets};
use hyperq::strategy::{Kind, registry};

use super::{Failure, print};

/// List the registered strategies and what each is made of
#[derive(Args)]
pub struct Strategies {
    /// Only those of one kind
    #[arg(long, value_enum)]
    kind: Option<KindName>,
    /// Bare names, one a line
    #[arg(long)]
    names: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum KindName {
    Discrete,
    Continuous,
    Baseline,
}

impl From<KindName> for Kind {
    fn from(name: KindName) -> Self {
        match name {
            KindName::Discrete => Self::Discrete,
            KindName::Continuous => Self::Continuous,
            KindName::Baseline => Self::Baseline,
        }
    }
}

impl Strategies {
    /// Prints the list.
    pub fn run(&self) -> Result<(), Failure> {
        let chosen = registry()
            .iter()
            .filter(|registered| self.kind.is_none_or(|kind| registered.kind == kind.into()));
        if self.names {
            return print(
                &chosen.map(|strategy| format!("{}\n", strategy.name)).collect::<String>(),
            );
        }
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(80)
            .set_header(["strategy", "kind", "what it is made of"]);
        for strategy in chosen {
            let kind = match strategy.kind {
                Kind::Discrete => "discrete",
                Kind::Continuous => "continuous",
                Kind::Baseline => "baseline",
            };
            table.add_row([strategy.name.as_str(), kind, &strategy.summary]);
        }
        print(&format!("{}\n", table.trim_fmt()))
    }
}
