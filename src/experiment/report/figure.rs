//! A picture and the numbers behind it.

use super::drawing::Drawing;
use super::page::Page;
use crate::error::{Error, Result};
use crate::report::escaped;

/// A figure of the report, which is also written as files of its own.
#[derive(Debug, Clone)]
pub struct Figure {
    /// The name of its files, without an ending: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// How to read it.
    pub caption: String,
    /// The picture as a file: on white, with colours of its own.
    pub svg: String,
    /// The numbers as a file.
    pub csv: String,
    in_page: String,
}

/// The numbers behind a picture: the first row names the columns.
pub(super) type Rows = Vec<Vec<String>>;

impl Figure {
    /// A figure of its drawing and its numbers.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the rows cannot be put together.
    pub(super) fn new(
        page: &Page<'_>,
        name: impl Into<String>,
        (title, caption): (&str, &str),
        drawing: &Drawing,
        rows: &Rows,
    ) -> Result<Self> {
        let name = name.into();
        Ok(Self {
            svg: drawing.file(&page.looks, title, caption),
            csv: csv(rows, &name)?,
            in_page: drawing.in_page(title),
            name,
            title: title.to_owned(),
            caption: caption.to_owned(),
        })
    }

    /// A figure of what its files hold.
    #[cfg(test)]
    pub(super) fn of_texts(name: &str, svg: &str, csv: &str) -> Self {
        Self {
            name: name.to_owned(),
            title: String::new(),
            caption: String::new(),
            svg: svg.to_owned(),
            csv: csv.to_owned(),
            in_page: String::new(),
        }
    }

    /// The picture for the page.
    pub(super) fn in_page(&self) -> &str {
        &self.in_page
    }

    /// Links to the files, which lie beside the page.
    pub(super) fn links(&self) -> String {
        let name = escaped(&self.name);
        format!(
            "<span class=\"files\"><a href=\"figures/{name}.svg\">SVG</a> \
             <a href=\"figures/{name}.csv\">CSV</a></span>"
        )
    }
}

fn csv(rows: &Rows, name: &str) -> Result<String> {
    let refuse = |error: csv::Error| Error::Io {
        path: format!("{name}.csv").into(),
        source: std::io::Error::other(error),
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).map_err(refuse)?;
    }
    let bytes = writer.into_inner().map_err(|error| refuse(error.into_error().into()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The names of columns.
pub(super) fn header<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).to_vec()
}

/// The shortest form that reads back as the same number.
pub(super) fn cell(value: f64) -> String {
    format!("{value:?}")
}

/// A number that may be missing: nothing, then.
pub(super) fn optional(value: Option<f64>) -> String {
    value.map_or_else(String::new, cell)
}

/// The two ends of an interval; two empty cells where there is none.
pub(super) fn ends(interval: Option<[f64; 2]>) -> [String; 2] {
    [optional(interval.map(|[low, _]| low)), optional(interval.map(|[_, high]| high))]
}

/// A name for a file: other characters than letters, digits, `-`, `_` and `.` become `-`.
pub(super) fn file_name(text: &str, longest: usize) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = text.chars().map(plain).take(longest).collect();
    name.trim_matches(['-', '.']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_quoted_where_they_must_be() {
        let rows = vec![header(["a", "b"]), vec!["x,\"y".into(), cell(0.1)]];
        assert_eq!(csv(&rows, "t").unwrap(), "a,b\n\"x,\"\"y\",0.1\n");
        assert_eq!((optional(None), ends(None)), (String::new(), [String::new(), String::new()]));
    }

    #[test]
    fn file_names_are_plain() {
        assert_eq!(file_name("../data/svm#wine+shift=1 é", 60), "data-svm-wine-shift-1");
        assert_eq!(file_name("abcdef", 3), "abc");
    }
}
