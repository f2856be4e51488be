//! `hyperq features`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use hyperq::meta::features::{DataSet, MetaFeature, MetaFeatures};

use super::{Failure, print};

/// Print the meta-features of a classification data set
#[derive(Args)]
pub struct Features {
    /// A CSV file: a header, then one row a line; empty cells, `?` and `NA` are missing
    data: PathBuf,
    /// The column of the classes
    #[arg(long, value_name = "COLUMN")]
    target: String,
    /// `csv` is a header and a row, as in the `meta_features.csv` of a directory of tables
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Begin the row of `--format csv` with a column `task` of this value
    #[arg(long, value_name = "TASK")]
    name: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
    Csv,
}

impl Features {
    /// Reads the file and prints what it has.
    pub fn run(&self) -> Result<(), Failure> {
        if self.name.is_some() && self.format != Format::Csv {
            return Err(Failure::usage("`--name` is the first column of `--format csv`"));
        }
        let data = DataSet::read_csv(&self.data, &self.target).map_err(Failure::usage)?;
        let features = MetaFeatures::of(&data);
        print(&match self.format {
            Format::Table => table(&features),
            Format::Json => json(&features)?,
            Format::Csv => csv(&features, self.name.as_deref())?,
        })
    }
}

/// The columns beside the name: a feature of its own, and the parts of a summary.
const COLUMNS: [&str; 5] = ["value", "min", "mean", "max", "sd"];

/// A table a group, with the parts of a summary on one line.
fn table(features: &MetaFeatures) -> String {
    let features: Vec<&MetaFeature> = features.iter().collect();
    let groups = features.chunk_by(|a, b| a.group == b.group);
    let texts: Vec<String> = groups.map(|group| format!("{}\n", table_of(group))).collect();
    texts.join("\n")
}

fn table_of(group: &[&MetaFeature]) -> String {
    let mut rows: Vec<(&str, [Option<String>; 5])> = Vec::new();
    for feature in group {
        let (name, column) = place(feature.name);
        if rows.last().is_none_or(|(last, _)| *last != name) {
            rows.push((name, Default::default()));
        }
        if let Some((_, cells)) = rows.last_mut() {
            cells[column] = Some(feature.value.map_or_else(|| "-".to_owned(), number));
        }
    }
    let used: Vec<usize> = (0..COLUMNS.len())
        .filter(|&column| rows.iter().any(|(_, cells)| cells[column].is_some()))
        .collect();
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let header = used.iter().map(|&column| COLUMNS[column]);
    table.set_header([group[0].group.name()].into_iter().chain(header));
    for (name, cells) in rows {
        let cells = used.iter().map(|&column| cells[column].clone().unwrap_or_default());
        table.add_row([name.to_owned()].into_iter().chain(cells));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

/// The row of the table that a feature stands in, and the column.
fn place(name: &str) -> (&str, usize) {
    (1..COLUMNS.len())
        .find_map(|column| Some((name.strip_suffix(COLUMNS[column])?.strip_suffix('_')?, column)))
        .unwrap_or((name, 0))
}

/// Six digits; a whole number as it is.
fn number(value: f64) -> String {
    let size = value.abs();
    if value.fract() == 0.0 && size < 1e9 {
        format!("{value}")
    } else if (1e-3..1e9).contains(&size) {
        let digits = (5 - size.log10().floor() as i32).clamp(0, 6) as usize;
        format!("{value:.digits$}")
    } else {
        format!("{value:.3e}")
    }
}

fn json(features: &MetaFeatures) -> Result<String, Failure> {
    let object: serde_json::Map<String, serde_json::Value> =
        features.iter().map(|feature| (feature.name.to_owned(), feature.value.into())).collect();
    let text = serde_json::to_string_pretty(&object).map_err(Failure::failed)?;
    Ok(format!("{text}\n"))
}

fn csv(features: &MetaFeatures, task: Option<&str>) -> Result<String, Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = task.map(|_| "task").into_iter().chain(features.names());
    writer.write_record(header).map_err(Failure::failed)?;
    let values = features.values().map(|value| value.map_or_else(String::new, |v| v.to_string()));
    let row = task.map(str::to_owned).into_iter().chain(values);
    writer.write_record(row).map_err(Failure::failed)?;
    let bytes = writer.into_inner().map_err(Failure::failed)?;
    String::from_utf8(bytes).map_err(Failure::failed)
}
