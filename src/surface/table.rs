//! Tables: surfaces whose every value was measured beforehand.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::extra_trees::ExtraTrees;
use super::{Range, Spec, Surface};
use crate::error::{Error, Result};
use crate::lines::Lines;
use crate::space::{Configuration, Grid, SearchSpace, SpaceDocument};
use crate::streams::Generator;
use crate::trial::Direction;

/// One task of a directory of tables, named `<directory>/<task>`.
///
/// The directory is one family of tasks with a common search space:
///
/// ```text
/// space.json           the name, the objective with its direction, the parameters
/// meta_features.csv    `task`, then one column a meta-feature; may be absent
/// tasks/<task>.csv     one row a configuration: the parameters (empty where inactive), then the value
/// ```
///
/// Optimum and range are the table's best and worst values. A configuration that the table lacks has the
/// value that [`OffGrid`] says.
///
/// ```
/// use hyperq::surface::{Surface, Table};
/// # let directory = tempfile::tempdir().unwrap();
/// # let directory = directory.path();
/// # std::fs::create_dir(directory.join("tasks")).unwrap();
/// # std::fs::write(directory.join("space.json"), r#"{"name": "ridge", "objective": {"name": "error",
/// #   "direction": "minimize"}, "parameters": [{"name": "alpha", "type": "float", "low": 1e-3,
/// #   "high": 10.0, "log": true}]}"#).unwrap();
/// # std::fs::write(directory.join("tasks/wine.csv"), "alpha,error\n0.01,0.25\n1,0.5\n").unwrap();
/// let wine = Table::read(directory, "wine")?;
/// assert_eq!(wine.spec().optimum, Some(0.25));
/// assert_eq!(wine.spec().grid.as_ref().unwrap().len(), 2);
/// # Ok::<(), hyperq::Error>(())
/// ```
#[derive(Debug)]
pub struct Table {
    spec: Spec,
    grid: Arc<Grid>,
    /// The values in the order of the grid; NaN where the evaluation failed.
    values: Vec<f64>,
    /// `None` where the nearest configuration's value is taken.
    surrogate: Option<ExtraTrees>,
    group: String,
}

/// The value of a configuration that a table lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OffGrid {
    /// That of the nearest configuration with the same active parameters ([`Grid::nearest`]); where there
    /// is none, the evaluation fails.
    #[default]
    Nearest,
    /// What extremely randomized trees (Geurts, Ernst & Wehenkel 2006) expect that were fitted to the
    /// table: 100 trees, grown until each row has a leaf of its own. They go through every value of the
    /// table and are a mean of its values elsewhere, so that optimum and range stay what they are.
    /// [`Table::rank_correlation`] says how far they can be relied on. Where the nearest configuration's
    /// evaluation failed, this one does.
    Surrogate,
}

impl OffGrid {
    /// The name in `+off-grid=...`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nearest => "nearest",
            Self::Surrogate => "surrogate",
        }
    }
}

/// What a table is made of.
pub(super) struct Parts {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) objective: String,
    pub(super) direction: Direction,
    pub(super) grid: Arc<Grid>,
    /// In the order of the grid; NaN where the evaluation failed.
    pub(super) values: Vec<f64>,
    pub(super) meta_features: Vec<f64>,
    /// See [`Table::group`].
    pub(super) group: String,
}

impl Table {
    pub(super) fn assemble(parts: Parts) -> Self {
        let Parts { name, description, objective, direction, grid, values, meta_features, group } =
            parts;
        let finite = || values.iter().copied().filter(|value| !value.is_nan());
        let range = finite().fold(None, |range: Option<(f64, f64)>, value| {
            let (least, most) = range.unwrap_or((value, value));
            Some((least.min(value), most.max(value)))
        });
        let range = range.map(|(least, most)| match direction {
            Direction::Minimize => Range { best: least, worst: most },
            Direction::Maximize => Range { best: most, worst: least },
        });
        let spec = Spec {
            name,
            description,
            space: grid.space().clone(),
            direction,
            objective,
            optimum: range.map(|range| range.best),
            range,
            grid: Some(Arc::clone(&grid)),
            meta_features,
        };
        Self { spec, grid, values, surrogate: None, group }
    }

    /// Says what configurations have that the table lacks. The description says it from then on; the name does
    /// where it is not what a directory's tables do by themselves.
    #[must_use]
    pub fn with_off_grid(mut self, off_grid: OffGrid) -> Self {
        self.surrogate = match off_grid {
            OffGrid::Nearest => None,
            OffGrid::Surrogate => self.fit(|_| true),
        };
        self.spec.description.push_str(match off_grid {
            OffGrid::Nearest => "; off the grid: the nearest configuration",
            OffGrid::Surrogate => "; off the grid: a surrogate of extremely randomized trees",
        });
        self
    }

    /// Adds to the name.
    #[must_use]
    pub(super) fn renamed(mut self, suffix: &str) -> Self {
        self.spec.name.push_str(suffix);
        self
    }

    /// The rank correlation (Spearman) between the table's values and what a surrogate expects that was fitted without
    /// them, over the configurations in so many parts: every `folds`-th one of a random order of fixed seed is left out
    /// at a time. `None` where all values are equal or there are fewer configurations than parts.
    pub fn rank_correlation(&self, folds: usize) -> Option<f64> {
        use rand::seq::SliceRandom;
        let mut order: Vec<usize> =
            (0..self.values.len()).filter(|&row| !self.values[row].is_nan()).collect();
        if folds < 2 || order.len() < folds {
            return None;
        }
        order.shuffle(&mut crate::streams::Streams::new(0).at("surrogate-folds", 0));
        let width = self.spec.space.features();
        let mut expected = vec![0.0; self.values.len()];
        let mut fold_of = vec![0; self.values.len()];
        for (place, &row) in order.iter().enumerate() {
            fold_of[row] = place % folds;
        }
        for fold in 0..folds {
            let trees = self.fit(|row| fold_of[row] != fold)?;
            for &row in order.iter().filter(|&&row| fold_of[row] == fold) {
                expected[row] =
                    trees.predict(&self.grid.encoding()[row * width..(row + 1) * width]);
            }
        }
        let (found, known): (Vec<f64>, Vec<f64>) =
            order.iter().map(|&row| (expected[row], self.values[row])).unzip();
        crate::experiment::statistics::spearman(&found, &known)
    }

    /// A surrogate of those rows whose evaluation did not fail; `None` where there are none.
    fn fit(&self, kept: impl Fn(usize) -> bool) -> Option<ExtraTrees> {
        let width = self.spec.space.features();
        let (mut features, mut values) = (Vec::new(), Vec::new());
        for (row, &value) in self.values.iter().enumerate() {
            if !value.is_nan() && kept(row) {
                features.extend_from_slice(&self.grid.encoding()[row * width..(row + 1) * width]);
                values.push(value);
            }
        }
        (!values.is_empty()).then(|| ExtraTrees::fit(&features, width, &values))
    }

    /// Reads every task of a directory, sorted by name. Tasks with the same configurations share one
    /// grid.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where a file or the folder `tasks` is missing; [`Error::File`] with the file, the
    /// line and the reason where one is malformed.
    pub fn read_all(directory: impl AsRef<Path>) -> Result<Vec<Self>> {
        let directory = Directory::read(directory.as_ref())?;
        let mut grids = Vec::new();
        directory.tasks.iter().map(|task| directory.table(task, &mut grids)).collect()
    }

    /// Reads one task of a directory.
    ///
    /// # Errors
    ///
    /// As [`Table::read_all`], and [`Error::Unknown`] with the nearest name for an unknown task.
    pub fn read(directory: impl AsRef<Path>, task: &str) -> Result<Self> {
        let directory = Directory::read(directory.as_ref())?;
        if !directory.tasks.iter().any(|known| known == task) {
            return Err(Error::unknown(
                "task",
                task,
                directory.tasks.iter().map(String::as_str),
                &format!("`{}` has {} tasks", directory.path.display(), directory.tasks.len()),
            ));
        }
        directory.table(task, &mut Vec::new())
    }

    /// What is held out together when transfer is measured: the tables of data sets that are nearly the same share a
    /// group. A directory's table has one of its own, the name of its task.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The configurations, in the order of the file or of the task that it shares its grid with.
    pub fn grid(&self) -> &Arc<Grid> {
        &self.grid
    }

    /// The values in the order of the grid, in the objective's own unit; NaN where the evaluation failed.
    pub fn values(&self) -> &[f64] {
        &self.values
    }
}

impl Surface for Table {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn evaluate(&self, configuration: &Configuration, _rng: &mut Generator) -> Result<f64> {
        if configuration.space() != &self.spec.space {
            return Err(Error::Evaluation(format!(
                "`{}` needs a configuration of its own space, found {configuration}",
                self.spec.name
            )));
        }
        let row = self.grid.nearest(configuration).ok_or_else(|| {
            Error::Evaluation(format!(
                "`{}` has no row with the active parameters of {configuration}",
                self.spec.name
            ))
        })?;
        let value = self.values[row];
        if value.is_nan() {
            return Err(Error::Evaluation(format!(
                "`{}`: the evaluation of {} failed when the table was made",
                self.spec.name,
                self.grid.get(row)
            )));
        }
        match &self.surrogate {
            Some(trees) if self.grid.get(row) != configuration => {
                let mut features = vec![0.0; self.spec.space.features()];
                self.spec.space.encode(configuration, &mut features);
                Ok(trees.predict(&features))
            }
            _ => Ok(value),
        }
    }
}

/// What the tasks of a directory have in common.
struct Directory {
    path: PathBuf,
    /// The last part of the path, which names the surfaces.
    name: String,
    document: SpaceDocument,
    tasks: Vec<String>,
    /// By task; `None` where there is no `meta_features.csv`.
    meta_features: Option<HashMap<String, Vec<f64>>>,
}

impl Directory {
    fn read(path: &Path) -> Result<Self> {
        let document = SpaceDocument::read(path.join("space.json"))?;
        // `.` and `..` have no name of their own.
        let full = path.canonicalize().map_err(Error::io(path))?;
        let name = full.file_name().map_or("table".into(), |name| name.to_string_lossy()).into();
        let tasks = task_names(&path.join("tasks"))?;
        let meta_path = path.join("meta_features.csv");
        let meta_features = match meta_path.try_exists().map_err(Error::io(&meta_path))? {
            true => Some(read_meta_features(&meta_path, &tasks)?),
            false => None,
        };
        Ok(Self { path: path.to_owned(), name, document, tasks, meta_features })
    }

    /// Reads a task. `grids` are those of the tasks read before, which this one shares where it has
    /// the same configurations.
    fn table(&self, task: &str, grids: &mut Vec<Arc<Grid>>) -> Result<Table> {
        let path = self.path.join("tasks").join(format!("{task}.csv"));
        let space = &self.document.parameters;
        let rows = read_rows(&path, space, &self.document.objective.name)?;
        let (grid, values) = match grids.iter().find_map(|grid| arrange(grid, &rows)) {
            Some(shared) => shared,
            None => {
                let (configurations, values) = rows.into_iter().unzip();
                let grid = Grid::from_configurations(space, configurations)
                    .map_err(|error| Error::file(&path, 1, "the rows must form a grid", error))?;
                let grid = Arc::new(grid);
                grids.push(Arc::clone(&grid));
                (grid, values)
            }
        };
        let meta_features = self.meta_features.as_ref().and_then(|known| known.get(task));
        Ok(Table::assemble(Parts {
            name: format!("{}/{task}", self.name),
            description: format!("table `{}`, task `{task}`", self.document.name),
            objective: self.document.objective.name.clone(),
            direction: self.document.objective.direction,
            grid,
            values,
            meta_features: meta_features.cloned().unwrap_or_default(),
            group: task.to_owned(),
        }))
    }
}

/// The values in the order of `grid`, `None` where its configurations are not those of `rows`
/// (which are distinct).
fn arrange(grid: &Arc<Grid>, rows: &[(Configuration, f64)]) -> Option<(Arc<Grid>, Vec<f64>)> {
    if grid.len() != rows.len() {
        return None;
    }
    let mut values = vec![0.0; rows.len()];
    for (configuration, value) in rows {
        values[grid.position(configuration)?] = *value;
    }
    Some((Arc::clone(grid), values))
}

/// The names of the `.csv` files of the folder `tasks`, sorted.
fn task_names(folder: &Path) -> Result<Vec<String>> {
    let mut tasks = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
        let path = entry.map_err(Error::io(folder))?.path();
        if path.extension().is_some_and(|extension| extension == "csv")
            && let Some(stem) = path.file_stem()
        {
            let name = stem.to_str().ok_or_else(|| {
                Error::file(&path, 1, "the name of a task must be UTF-8", stem.to_string_lossy())
            })?;
            tasks.push(name.to_owned());
        }
    }
    if tasks.is_empty() {
        let source = std::io::Error::new(
            std::io::ErrorKind::NotFound,
            "a directory of tables needs at least one `tasks/<task>.csv`",
        );
        return Err(Error::Io { path: folder.to_owned(), source });
    }
    tasks.sort_unstable();
    Ok(tasks)
}

/// The rows of a task's file, checked to be distinct configurations of the space.
fn read_rows(
    path: &Path,
    space: &SearchSpace,
    objective: &str,
) -> Result<Vec<(Configuration, f64)>> {
    let mut header: Vec<&str> = space.parameters().iter().map(|p| p.name.as_str()).collect();
    header.push(objective);
    let mut lines = Lines::open(path)?;
    let first = lines.next().transpose()?;
    if first.as_ref().is_none_or(|(_, fields)| *fields != header) {
        let found = first.map_or("an empty file".to_owned(), |(_, fields)| quote(fields.iter()));
        return Err(Error::file(path, 1, format!("the header must be {}", quote(&header)), found));
    }
    let mut rows = Vec::new();
    let mut seen: HashMap<Configuration, u64> = HashMap::new();
    for item in lines {
        let (line, fields) = item?;
        check_count(path, line, header.len(), fields.len())?;
        let configuration = read_configuration(space, &fields).map_err(|error| match error {
            Error::Configuration { parameter, rule, found } => {
                Error::file(path, line, format!("`{parameter}` {rule}"), found)
            }
            other => other,
        })?;
        let value = read_number(path, line, objective, &fields[header.len() - 1])?;
        if let Some(before) = seen.insert(configuration.clone(), line) {
            return Err(Error::file(
                path,
                line,
                "each configuration must stand there once",
                format!("that of line {before} again"),
            ));
        }
        rows.push((configuration, value));
    }
    if rows.is_empty() {
        return Err(Error::file(path, 1, "a table needs at least one configuration", "none"));
    }
    Ok(rows)
}

pub(super) fn read_configuration(space: &SearchSpace, fields: &[String]) -> Result<Configuration> {
    let values = space
        .parameters()
        .iter()
        .zip(fields)
        .map(|(parameter, text)| match text.as_str() {
            "" => Ok(None),
            text => parameter.domain.parse(&parameter.name, text).map(Some),
        })
        .collect::<Result<_>>()?;
    space.admit(values)
}

/// The meta-features by task. Every one of `tasks` must have a row.
fn read_meta_features(path: &Path, tasks: &[String]) -> Result<HashMap<String, Vec<f64>>> {
    let mut lines = Lines::open(path)?;
    let header = match lines.next().transpose()? {
        Some((_, fields)) if fields[0] == "task" => fields,
        first => {
            let found = first.map_or("an empty file".to_owned(), |(_, fields)| quote(&fields));
            return Err(Error::file(path, 1, "the header must begin with `task`", found));
        }
    };
    let mut features = HashMap::new();
    let mut lines_of: HashMap<String, u64> = HashMap::new();
    let mut last = 1;
    for item in lines {
        let (line, fields) = item?;
        check_count(path, line, header.len(), fields.len())?;
        let task = &fields[0];
        if let Some(before) = lines_of.insert(task.clone(), line) {
            return Err(Error::file(
                path,
                line,
                "each task must stand there once",
                format!("`{task}` of line {before} again"),
            ));
        }
        let row = header[1..]
            .iter()
            .zip(&fields[1..])
            .map(|(name, text)| read_number(path, line, name, text))
            .collect::<Result<Vec<f64>>>()?;
        features.insert(task.clone(), row);
        last = line;
    }
    match tasks.iter().find(|task| !features.contains_key(*task)) {
        None => Ok(features),
        Some(missing) => Err(Error::file(
            path,
            last,
            "every task of `tasks` must have a row",
            format!("none for `{missing}` up to the last line"),
        )),
    }
}

pub(super) fn read_number(path: &Path, line: u64, name: &str, text: &str) -> Result<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| {
        Error::file(path, line, format!("`{name}` must be a finite number"), format!("`{text}`"))
    })
}

pub(super) fn check_count(path: &Path, line: u64, needed: usize, found: usize) -> Result<()> {
    if needed == found {
        Ok(())
    } else {
        Err(Error::file(path, line, format!("a row must have {needed} fields"), found))
    }
}

pub(super) fn quote<T: AsRef<str>>(fields: impl IntoIterator<Item = T>) -> String {
    let fields: Vec<String> =
        fields.into_iter().map(|field| format!("`{}`", field.as_ref())).collect();
    fields.join(", ")
}
