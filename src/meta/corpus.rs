//! Corpora: data sets that were tuned before, as tables of one search space.

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::space::{Configuration, Grid, SearchSpace};
use crate::surface::{Surface, Table, open_tables};
use crate::trial::Direction;

/// A data set that was tuned before.
#[derive(Debug, Clone)]
pub struct Task {
    /// The table, named `<directory>/<task>`.
    pub surface: Arc<Table>,
    /// The score of each row of the corpus's grid (higher is better); NaN where the table lacks it or the evaluation
    /// failed.
    pub scores: Vec<f64>,
}

impl Task {
    /// The name, `<directory>/<task>`.
    pub fn name(&self) -> &str {
        &self.surface.spec().name
    }

    /// The data set's meta-features.
    pub fn meta_features(&self) -> &[f64] {
        &self.surface.spec().meta_features
    }

    /// The best and the worst score of the table.
    pub fn best_and_worst(&self) -> (f64, f64) {
        let scores = self.scores.iter().copied().filter(|score| !score.is_nan());
        scores.fold((f64::NEG_INFINITY, f64::INFINITY), |(best, worst), score| {
            (best.max(score), worst.min(score))
        })
    }
}

/// Tasks with a common search space, objective and direction, over one grid: the union of their tables'
/// configurations.
///
/// ```
/// use hyperq::meta::Corpus;
/// # let directory = tempfile::tempdir().unwrap();
/// # let directory = directory.path();
/// # std::fs::create_dir(directory.join("tasks")).unwrap();
/// # std::fs::write(directory.join("space.json"), r#"{"name": "ridge", "objective": {"name": "error",
/// #   "direction": "minimize"}, "parameters": [{"name": "alpha", "type": "float", "low": 1e-3,
/// #   "high": 10.0, "log": true}]}"#).unwrap();
/// # std::fs::write(directory.join("tasks/wine.csv"), "alpha,error\n0.01,0.25\n1,0.5\n").unwrap();
/// # std::fs::write(directory.join("tasks/iris.csv"), "alpha,error\n0.01,0.3\n10,0.2\n").unwrap();
/// let corpus = Corpus::read(directory)?;
/// assert_eq!((corpus.tasks().len(), corpus.grid().len()), (2, 3));
/// assert!(corpus.tasks()[0].scores[2].is_nan(), "iris lacks alpha = 1");
/// # Ok::<(), hyperq::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Corpus {
    name: String,
    direction: Direction,
    objective: String,
    grid: Arc<Grid>,
    tasks: Vec<Task>,
}

impl Corpus {
    /// Reads a directory of tables (see [`Table`] for the layout).
    ///
    /// # Errors
    ///
    /// As [`Table::read_all`].
    pub fn read(directory: impl AsRef<Path>) -> Result<Self> {
        Self::new(Table::read_all(directory)?)
    }

    /// Opens a corpus: a directory of tables, or `builtin:LEARNER`, the tables of a learner that the crate carries
    /// ([`measured`](crate::surface::measured)), `builtin:svm` for example. Both take the options of tables: `builtin:mlp+objective=log_loss`.
    ///
    /// ```
    /// let corpus = hyperq::meta::Corpus::open("builtin:svm")?;
    /// assert!(corpus.tasks().len() >= 36);
    /// # Ok::<(), hyperq::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`surface::open`](crate::surface::open).
    pub fn open(name: &str) -> Result<Self> {
        Self::new(open_tables(name)?)
    }

    /// A corpus of tables of one space.
    ///
    /// # Errors
    ///
    /// [`Error::Unsuited`] where there is no table, or where tables differ in their space, objective,
    /// direction or number of meta-features.
    pub fn new(tables: Vec<Table>) -> Result<Self> {
        let unsuited = |reason: String| Error::unsuited("the corpus", reason);
        let Some(first) = tables.first() else {
            return Err(unsuited("it has no tasks".to_owned()));
        };
        let spec = first.spec().clone();
        let union = union(&tables)?;
        let tasks = tables
            .into_iter()
            .map(|table| {
                let own = table.spec();
                let (name, features) = (&own.name, own.meta_features.len());
                if own.space != spec.space || own.direction != spec.direction {
                    return Err(unsuited(format!(
                        "`{name}` and `{}` differ in their space or direction",
                        spec.name
                    )));
                }
                if own.objective != spec.objective {
                    return Err(unsuited(format!(
                        "`{name}` measures {}, `{}` {}",
                        own.objective, spec.name, spec.objective
                    )));
                }
                if features != spec.meta_features.len() {
                    return Err(unsuited(format!(
                        "`{name}` has {features} meta-features, `{}` {}",
                        spec.name,
                        spec.meta_features.len()
                    )));
                }
                let mut scores = vec![f64::NAN; union.len()];
                for (row, &value) in table.grid().configurations().iter().zip(table.values()) {
                    if value.is_nan() {
                        continue;
                    }
                    let place = union.position(row).expect("the union has every row");
                    scores[place] = spec.direction.score(value)?.get();
                }
                Ok(Task { surface: Arc::new(table), scores })
            })
            .collect::<Result<_>>()?;
        let name = spec.name.rsplit_once('/').map_or(spec.name.as_str(), |(name, _)| name);
        Ok(Self {
            name: name.to_owned(),
            direction: spec.direction,
            objective: spec.objective,
            grid: union,
            tasks,
        })
    }

    /// The corpus of some of the tasks, by their places, over the same grid.
    ///
    /// # Panics
    ///
    /// If there is no such task.
    #[must_use]
    pub fn subset(&self, tasks: &[usize]) -> Self {
        Self { tasks: tasks.iter().map(|&task| self.tasks[task].clone()).collect(), ..self.clone() }
    }

    /// The name of the directory.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The search space.
    pub fn space(&self) -> &SearchSpace {
        self.grid.space()
    }

    /// Whether the objective is minimized or maximized.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// What the objective is.
    pub fn objective(&self) -> &str {
        &self.objective
    }

    /// The configurations of all tables, those of the first one first.
    pub fn grid(&self) -> &Arc<Grid> {
        &self.grid
    }

    /// The tasks.
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// The number of meta-features of every task.
    pub fn meta_features(&self) -> usize {
        self.tasks.first().map_or(0, |task| task.meta_features().len())
    }
}

/// One grid with every table's rows. Tables mostly share theirs, which then is the union itself.
fn union(tables: &[Table]) -> Result<Arc<Grid>> {
    let first = tables[0].grid();
    let mut rows: Vec<Configuration> = Vec::new();
    let mut known: std::collections::HashSet<&Configuration> =
        first.configurations().iter().collect();
    for table in &tables[1..] {
        if Arc::ptr_eq(table.grid(), first) || table.grid().space() != first.space() {
            continue;
        }
        for row in table.grid().configurations() {
            if known.insert(row) {
                rows.push(row.clone());
            }
        }
    }
    if rows.is_empty() {
        return Ok(Arc::clone(first));
    }
    let all = first.configurations().iter().cloned().chain(rows).collect();
    Ok(Arc::new(Grid::from_configurations(first.space(), all)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with a space of one number and the given tasks.
    fn directory(tasks: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let space = r#"{"name": "line", "objective": {"name": "error", "direction": "minimize"},
            "parameters": [{"name": "x", "type": "float", "low": 0.0, "high": 1.0}]}"#;
        std::fs::write(directory.path().join("space.json"), space).unwrap();
        std::fs::create_dir(directory.path().join("tasks")).unwrap();
        for (task, rows) in tasks {
            let path = directory.path().join(format!("tasks/{task}.csv"));
            std::fs::write(path, format!("x,error\n{rows}")).unwrap();
        }
        directory
    }

    #[test]
    fn tasks_share_the_union_of_their_rows_and_scores_have_the_sign_of_the_direction() {
        let directory = directory(&[("a", "0,1\n0.5,2\n"), ("b", "1,3\n0.5,4\n")]);
        let corpus = Corpus::read(directory.path()).unwrap();
        assert_eq!(corpus.grid().len(), 3);
        let scores: Vec<_> = corpus.tasks().iter().map(|task| task.scores.clone()).collect();
        assert_eq!(scores[0][..2], [-1.0, -2.0]);
        assert!(scores[0][2].is_nan() && scores[1][0].is_nan());
        assert_eq!(scores[1][1..], [-4.0, -3.0]);
        assert_eq!(corpus.tasks()[1].best_and_worst(), (-3.0, -4.0));
        let one = corpus.subset(&[1]);
        assert_eq!((one.tasks().len(), one.grid().len()), (1, 3));
    }

    #[test]
    fn tables_of_different_spaces_are_no_corpus() {
        let one = directory(&[("a", "0,1\n")]);
        let other = directory(&[("a", "0,1\n")]);
        let space = std::fs::read_to_string(other.path().join("space.json")).unwrap();
        std::fs::write(other.path().join("space.json"), space.replace("1.0}", "2.0}")).unwrap();
        let mut tables = Table::read_all(one.path()).unwrap();
        tables.extend(Table::read_all(other.path()).unwrap());
        let error = Corpus::new(tables).unwrap_err().to_string();
        assert!(error.contains("differ in their space"), "{error}");
        assert!(Corpus::new(Vec::new()).unwrap_err().to_string().contains("no tasks"));
    }
}
