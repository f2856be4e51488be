//! Counts, ratios and shares.

use super::{DataSet, Found, parts};

pub(super) fn describe(data: &DataSet, found: &mut Found) {
    let rows = data.rows() as f64;
    let columns = data.columns().len() as f64;
    let classes = data.classes().len() as f64;
    found.push("instances", rows);
    found.push("log_instances", rows.ln());
    found.push("features", columns);
    found.push("log_features", columns.ln());
    found.push("classes", classes);
    found.push("log_classes", classes.ln());

    let numeric = data.columns().iter().filter(|column| column.is_numeric()).count() as f64;
    let categorical = columns - numeric;
    found.push("numeric", numeric);
    found.push("categorical", categorical);
    found.push("numeric_to_categorical", numeric / categorical);
    found.push("categorical_to_numeric", categorical / numeric);
    found.push("features_to_instances", columns / rows);
    found.push("log_features_to_instances", (columns / rows).ln());
    found.push("instances_to_features", rows / columns);
    found.push("log_instances_to_features", (rows / columns).ln());

    let mut cells = 0;
    let mut of_rows = vec![false; data.rows()];
    let mut of_columns = 0_usize;
    for column in data.columns() {
        let missing = column.missing();
        let count = missing.iter().filter(|missing| **missing).count();
        cells += count;
        of_columns += usize::from(count > 0);
        for (any, missing) in of_rows.iter_mut().zip(missing) {
            *any |= missing;
        }
    }
    let of_rows = of_rows.iter().filter(|any| **any).count();
    found.push("missing_cells", cells as f64 / (rows * columns));
    found.push("missing_instances", of_rows as f64 / rows);
    found.push("missing_features", of_columns as f64 / columns);

    let shares: Vec<f64> = data.counts().iter().map(|&count| count as f64 / rows).collect();
    found.summary(parts!("class_share"), &shares);
}
