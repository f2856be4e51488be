//! Tables: surfaces whose every value was measured beforehand.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
/// A configuration that the table lacks has the value of the nearest one with the same active
/// parameters ([`Grid::nearest`]); where there is none, the evaluation fails. Optimum and range are
/// the table's best and worst values.
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
    /// The values in the order of the grid.
    values: Vec<f64>,
}

impl Table {
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

    /// The configurations, in the order of the file or of the task that it shares its grid with.
    pub fn grid(&self) -> &Arc<Grid> {
        &self.grid
    }

    /// The values in the order of the grid, in the objective's own unit.
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
        Ok(self.values[row])
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
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let direction = self.document.objective.direction;
        let range = match direction {
            Direction::Minimize => Range { best: least, worst: most },
            Direction::Maximize => Range { best: most, worst: least },
        };
        let meta_features = self.meta_features.as_ref().and_then(|known| known.get(task));
        let spec = Spec {
            name: format!("{}/{task}", self.name),
            description: format!("table `{}`, task `{task}`", self.document.name),
            space: space.clone(),
            direction,
            objective: self.document.objective.name.clone(),
            optimum: Some(range.best),
            range: Some(range),
            grid: Some(Arc::clone(&grid)),
            meta_features: meta_features.cloned().unwrap_or_default(),
        };
        Ok(Table { spec, grid, values })
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

fn read_configuration(space: &SearchSpace, fields: &[String]) -> Result<Configuration> {
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

fn read_number(path: &Path, line: u64, name: &str, text: &str) -> Result<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| {
        Error::file(path, line, format!("`{name}` must be a finite number"), format!("`{text}`"))
    })
}

fn check_count(path: &Path, line: u64, needed: usize, found: usize) -> Result<()> {
    if needed == found {
        Ok(())
    } else {
        Err(Error::file(path, line, format!("a row must have {needed} fields"), found))
    }
}

fn quote<T: AsRef<str>>(fields: impl IntoIterator<Item = T>) -> String {
    let fields: Vec<String> =
        fields.into_iter().map(|field| format!("`{}`", field.as_ref())).collect();
    fields.join(", ")
}
