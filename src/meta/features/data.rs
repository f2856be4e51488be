//! Classification data sets as tables: named columns of numbers or categories, and a class a row.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use crate::error::{Error, Result};
use crate::lines::Lines;

/// What a cell may say, in any case, for being missing; so may an empty one.
const MISSING: [&str; 5] = ["?", "na", "n/a", "nan", "null"];

/// One feature of a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    name: String,
    cells: Cells,
}

/// The cells of a column, one a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cells {
    /// Numbers, NaN where missing.
    Numeric(Vec<f64>),
    /// Places in `levels`, which is sorted; `None` where missing.
    Categorical { levels: Vec<String>, cells: Vec<Option<usize>> },
}

impl Column {
    /// Numbers; `NaN` is a missing cell.
    pub fn numeric(name: impl Into<String>, cells: impl IntoIterator<Item = f64>) -> Self {
        Self { name: name.into(), cells: Cells::Numeric(cells.into_iter().collect()) }
    }

    /// Categories; `None` is a missing cell.
    pub fn categorical<S: AsRef<str>>(
        name: impl Into<String>,
        cells: impl IntoIterator<Item = Option<S>>,
    ) -> Self {
        let texts: Vec<Option<S>> = cells.into_iter().collect();
        let (levels, cells) = encode(texts.iter().map(|text| text.as_ref().map(AsRef::as_ref)));
        Self { name: name.into(), cells: Cells::Categorical { levels, cells } }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the cells are numbers.
    pub fn is_numeric(&self) -> bool {
        matches!(self.cells, Cells::Numeric(_))
    }

    pub(super) fn cells(&self) -> &Cells {
        &self.cells
    }

    /// For each row whether its cell is missing.
    pub(super) fn missing(&self) -> Vec<bool> {
        match &self.cells {
            Cells::Numeric(cells) => cells.iter().map(|cell| cell.is_nan()).collect(),
            Cells::Categorical { cells, .. } => cells.iter().map(Option::is_none).collect(),
        }
    }

    fn rows(&self) -> usize {
        match &self.cells {
            Cells::Numeric(cells) => cells.len(),
            Cells::Categorical { cells, .. } => cells.len(),
        }
    }
}

/// A classification data set.
///
/// It has at least one feature and two classes, and at least one class with two rows: a target of which
/// every row has a value of its own is no class.
///
/// ```
/// use hyperq::meta::features::{Column, DataSet};
///
/// let data = DataSet::new(
///     vec![
///         Column::numeric("size", [1.5, f64::NAN, 0.5, 2.0]),
///         Column::categorical("color", [Some("red"), Some("blue"), None, Some("red")]),
///     ],
///     &["big", "small", "small", "big"],
/// )?;
/// assert_eq!((data.rows(), data.columns().len()), (4, 2));
/// assert_eq!(data.classes(), ["big", "small"]);
/// # Ok::<(), hyperq::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct DataSet {
    columns: Vec<Column>,
    classes: Vec<String>,
    labels: Vec<usize>,
}

impl DataSet {
    /// A data set of features and the class of each row.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where there is no column or fewer than two classes, where every row has a class
    /// of its own, where a name stands there twice, a column has not one cell a row, or a number is
    /// infinite.
    pub fn new<S: AsRef<str>>(columns: Vec<Column>, labels: &[S]) -> Result<Self> {
        let refuse = |setting: &str, rule: String, found: String| {
            Err(Error::setting("data set", setting, rule, found))
        };
        if columns.is_empty() {
            return refuse("columns", "at least one".into(), "none".into());
        }
        let mut names = HashSet::new();
        for column in &columns {
            if !names.insert(column.name.as_str()) {
                let found = format!("`{}` twice", column.name);
                return refuse("columns", "of different names".into(), found);
            }
            if column.rows() != labels.len() {
                let found = format!("{} in `{}`", column.rows(), column.name);
                return refuse("columns", format!("of {} cells", labels.len()), found);
            }
            if let Cells::Numeric(cells) = &column.cells
                && let Some(row) = cells.iter().position(|cell| cell.is_infinite())
            {
                let found = format!("{} in row {} of `{}`", cells[row], row + 1, column.name);
                return refuse("columns", "finite numbers or NaN".into(), found);
            }
        }
        let (classes, labels) = encode(labels.iter().map(|label| Some(label.as_ref())));
        let labels: Vec<usize> = labels.into_iter().flatten().collect();
        match check_classes(&classes, labels.len()) {
            Err((rule, found)) => refuse("labels", rule.into(), found),
            Ok(()) => Ok(Self { columns, classes, labels }),
        }
    }

    /// Reads a CSV file: a header, then one row a line. The column `target` is the class, every other
    /// one a feature.
    ///
    /// A cell is missing where it is empty, `?`, `NA`, `N/A`, `NaN` or `null` (in any case). A column
    /// is numeric where every other cell is a number, a column without cells among them, and categorical
    /// otherwise. The target is always taken as categories.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the file cannot be read, [`Error::Unknown`] with the nearest name where it has
    /// no column `target`, and [`Error::File`] with file and line where it is not such a table:
    /// a header with a name twice or none, a row with too few or too many cells, a class that is missing,
    /// an infinite number in a numeric column, no rows, no feature, or a target that is not a class
    /// (see [`DataSet`]).
    pub fn read_csv(path: impl AsRef<Path>, target: &str) -> Result<Self> {
        let path = path.as_ref();
        let mut lines = Lines::open(path)?;
        let Some((first, header)) = lines.next().transpose()? else {
            return Err(Error::file(path, 1, "a header is needed", "an empty file"));
        };
        let place = check_header(path, first, &header, target)?;
        let mut cells: Vec<Vec<String>> = vec![Vec::new(); header.len()];
        let mut line_of_row = Vec::new();
        for item in lines {
            let (line, row) = item?;
            if row.len() != header.len() {
                let rule = format!("a row must have {} cells, as the header", header.len());
                return Err(Error::file(path, line, rule, row.len()));
            }
            if is_missing(&row[place]) {
                let rule = format!("every row needs a class in `{target}`");
                return Err(Error::file(path, line, rule, format!("`{}`", row[place])));
            }
            for (column, cell) in cells.iter_mut().zip(row) {
                column.push(cell);
            }
            line_of_row.push(line);
        }
        if line_of_row.is_empty() {
            return Err(Error::file(path, first, "a data set needs at least one row", "none"));
        }
        let labels = cells.remove(place);
        let columns = header
            .into_iter()
            .enumerate()
            .filter(|(column, _)| *column != place)
            .zip(cells)
            .map(|((_, name), cells)| read_column(path, name, &cells, &line_of_row))
            .collect::<Result<Vec<Column>>>()?;
        let (classes, labels) = encode(labels.iter().map(|label| Some(label.as_str())));
        let labels: Vec<usize> = labels.into_iter().flatten().collect();
        match check_classes(&classes, labels.len()) {
            Err((rule, found)) => {
                Err(Error::file(path, first, format!("`{target}` must be {rule}"), found))
            }
            Ok(()) => Ok(Self { columns, classes, labels }),
        }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// The features.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The classes, sorted: as numbers if all of them are, else as text.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The class of each row, as its place in [`DataSet::classes`].
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// The number of rows of each class.
    pub(super) fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for &label in &self.labels {
            counts[label] += 1;
        }
        counts
    }
}

/// The distinct texts, sorted, and the place of each cell's among them.
fn encode<'a>(
    cells: impl Iterator<Item = Option<&'a str>> + Clone,
) -> (Vec<String>, Vec<Option<usize>>) {
    let distinct: BTreeMap<&str, Option<f64>> =
        cells.clone().flatten().map(|text| (text, text.parse().ok())).collect();
    let mut levels: Vec<(Option<f64>, &str)> =
        distinct.into_iter().map(|(text, number)| (number, text)).collect();
    if levels.iter().all(|(number, _)| number.is_some()) {
        levels.sort_by(|(a, _), (b, _)| a.unwrap_or(0.0).total_cmp(&b.unwrap_or(0.0)));
    }
    let places: HashMap<&str, usize> =
        levels.iter().enumerate().map(|(place, (_, text))| (*text, place)).collect();
    let cells = cells.map(|cell| cell.and_then(|text| places.get(text).copied())).collect();
    (levels.into_iter().map(|(_, text)| text.to_owned()).collect(), cells)
}

/// What labels must be and what was found, where they are not classes.
fn check_classes(classes: &[String], rows: usize) -> Result<(), (&'static str, String)> {
    match classes {
        [] => Err(("of at least two classes", "none".into())),
        [only] => Err(("of at least two classes", format!("`{only}` alone"))),
        all if all.len() == rows => Err((
            "of classes, one of them with two rows",
            format!("{rows} different values in {rows} rows"),
        )),
        _ => Ok(()),
    }
}

fn is_missing(cell: &str) -> bool {
    cell.is_empty() || MISSING.iter().any(|word| cell.eq_ignore_ascii_case(word))
}

/// The place of the target in a header that can be read.
fn check_header(path: &Path, line: u64, header: &[String], target: &str) -> Result<usize> {
    let mut seen = HashMap::new();
    for (column, name) in header.iter().enumerate() {
        if name.is_empty() {
            let found = format!("none for column {}", column + 1);
            return Err(Error::file(path, line, "every column needs a name", found));
        }
        if let Some(before) = seen.insert(name.as_str(), column) {
            let found = format!("`{name}` for columns {} and {}", before + 1, column + 1);
            return Err(Error::file(path, line, "every column needs a name of its own", found));
        }
    }
    let Some(&place) = seen.get(target) else {
        let listing = format!("the header of `{}` has {} columns", path.display(), header.len());
        return Err(Error::unknown("column", target, header.iter().map(String::as_str), &listing));
    };
    if header.len() == 1 {
        let rule = "a column beside the target is needed";
        return Err(Error::file(path, line, rule, format!("`{target}` alone")));
    }
    Ok(place)
}

fn read_column(path: &Path, name: String, cells: &[String], lines: &[u64]) -> Result<Column> {
    let numbers: Option<Vec<f64>> = cells
        .iter()
        .map(|cell| if is_missing(cell) { Some(f64::NAN) } else { cell.parse().ok() })
        .collect();
    let Some(numbers) = numbers else {
        let present = cells.iter().map(|cell| Some(cell.as_str()).filter(|cell| !is_missing(cell)));
        return Ok(Column::categorical(name, present));
    };
    match numbers.iter().position(|number| number.is_infinite()) {
        None => Ok(Column::numeric(name, numbers)),
        Some(row) => Err(Error::file(
            path,
            lines[row],
            format!("the numbers of `{name}` must be finite"),
            format!("`{}`", cells[row]),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, target: &str) -> Result<DataSet> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data.csv");
        std::fs::write(&path, text).unwrap();
        DataSet::read_csv(&path, target)
    }

    /// The message of a refusal, without the directory.
    fn refusal(text: &str) -> String {
        let message = read(text, "y").unwrap_err().to_string();
        message.rsplit_once("/data.csv").map_or(message.clone(), |(before, after)| {
            format!("{}data.csv{after}", before.split('/').next().unwrap())
        })
    }

    #[test]
    fn columns_are_typed_by_their_cells_and_missing_ones_are_found() {
        let text = "\u{feff}a,\"b, c\",y,none,d\n1,x,10,,7\n?,NA,9,n/a,null\n-2e3, z ,10,NaN,8\n";
        let data = read(text, "y").unwrap();
        let names: Vec<&str> = data.columns().iter().map(Column::name).collect();
        assert_eq!(names, ["a", "b, c", "none", "d"]);
        let Cells::Numeric(a) = data.columns()[0].cells() else { panic!("numbers") };
        assert!(a[0] == 1.0 && a[1].is_nan() && a[2] == -2000.0);
        let b = Column::categorical("b, c", [Some("x"), None, Some("z")]);
        assert_eq!(data.columns()[1], b);
        assert!(data.columns()[2].is_numeric());
        assert_eq!(data.columns()[2].missing(), [true; 3]);
        assert_eq!(data.columns()[3].missing(), [false, true, false]);
        // Numbers are classes in the order of numbers.
        assert_eq!(data.classes(), ["9", "10"]);
        assert_eq!(data.labels(), [1, 0, 1]);
        assert_eq!(data.counts(), [1, 2]);
    }

    #[test]
    fn malformed_files_are_refused_with_the_line() {
        for (text, message) in [
            ("", "data.csv:1: a header is needed, found an empty file"),
            ("a,y\n", "data.csv:1: a data set needs at least one row, found none"),
            ("y\n1\n2\n", "data.csv:1: a column beside the target is needed, found `y` alone"),
            (
                "a,y,a\n1,2,3\n",
                "data.csv:1: every column needs a name of its own, found `a` for columns 1 and 3",
            ),
            ("a,y,\n1,2,3\n", "data.csv:1: every column needs a name, found none for column 3"),
            ("a,y\n1,p\n\n1\n", "data.csv:4: a row must have 2 cells, as the header, found 1"),
            ("a,y\n1,p\n1,?\n", "data.csv:3: every row needs a class in `y`, found `?`"),
            ("a,y\n1,p\n2,p\n", "data.csv:1: `y` must be of at least two classes, found `p` alone"),
            (
                "a,y\n1,1.5\n2,2.5\n",
                "data.csv:1: `y` must be of classes, one of them with two rows, found 2 different \
                 values in 2 rows",
            ),
            (
                "a,y\n1,p\ninf,q\n2,q\n",
                "data.csv:3: the numbers of `a` must be finite, found `inf`",
            ),
            (
                "aa,yy\n1,p\n2,q\n",
                "unknown column `y`; did you mean `yy`? the header of `data.csv` has 2 columns",
            ),
        ] {
            assert_eq!(refusal(text), message, "{text:?}");
        }
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let refused = |columns: Vec<Column>, labels: &[&str]| {
            DataSet::new(columns, labels).unwrap_err().to_string()
        };
        let a = || Column::numeric("a", [1.0, 2.0, 3.0]);
        let labels = ["p", "q", "q"];
        assert_eq!(
            refused(vec![], &labels),
            "data set: `columns` must be at least one, found none"
        );
        assert_eq!(
            refused(vec![a(), a()], &labels),
            "data set: `columns` must be of different names, found `a` twice"
        );
        assert_eq!(
            refused(vec![a()], &["p", "q", "q", "q"]),
            "data set: `columns` must be of 4 cells, found 3 in `a`"
        );
        assert_eq!(
            refused(vec![Column::numeric("a", [1.0, f64::INFINITY, 0.0])], &labels),
            "data set: `columns` must be finite numbers or NaN, found inf in row 2 of `a`"
        );
        assert_eq!(
            refused(vec![Column::numeric("a", [])], &[]),
            "data set: `labels` must be of at least two classes, found none"
        );
    }
}
