use proptest::prelude::*;

use super::*;

#[test]
fn names_are_distinct_and_groups_are_together() {
    let data = DataSet::new(vec![Column::numeric("a", [1.0, 2.0, 3.0])], &["p", "q", "q"]).unwrap();
    let found = MetaFeatures::of(&data);
    let names: std::collections::HashSet<_> = found.names().collect();
    assert_eq!((names.len(), found.iter().count()), (65, 65), "as the documentation says");
    let groups: Vec<Group> = found.iter().map(|feature| feature.group).collect();
    let mut runs = groups.clone();
    runs.dedup();
    assert_eq!(runs.len(), 4);
    assert_eq!(found.get("class_share_max"), Some(2.0 / 3.0));
    assert_eq!(found.get("no such feature"), None);
}

#[test]
fn simple_features_are_those_computed_by_hand() {
    let data = DataSet::new(
        vec![
            Column::numeric("a", [1.0, f64::NAN, 3.0, 4.0]),
            Column::categorical("b", [Some("x"), None, Some("x"), Some("y")]),
            Column::categorical("c", [Some("x"); 4]),
        ],
        &["p", "q", "q", "q"],
    )
    .unwrap();
    let found = MetaFeatures::of(&data);
    for (name, wanted) in [
        ("instances", 4.0),
        ("log_features", 3_f64.ln()),
        ("numeric_to_categorical", 0.5),
        ("categorical_to_numeric", 2.0),
        ("features_to_instances", 0.75),
        ("log_instances_to_features", (4.0 / 3.0_f64).ln()),
        ("missing_cells", 1.0 / 6.0),
        ("missing_instances", 0.25),
        ("missing_features", 2.0 / 3.0),
        ("class_share_min", 0.25),
        ("class_share_mean", 0.5),
        ("class_share_sd", 0.125_f64.sqrt()),
    ] {
        let value = found.get(name).unwrap();
        assert!((value - wanted).abs() < 1e-15, "{name}: {value} {wanted}");
    }
}

#[test]
fn what_a_data_set_lacks_is_none() {
    let data = DataSet::new(
        vec![Column::categorical("a", [Some("x"), Some("y"), Some("y")])],
        &["p", "q", "q"],
    )
    .unwrap();
    let found = MetaFeatures::of(&data);
    for name in ["categorical_to_numeric", "skewness_mean", "column_sd_max", "feature_entropy_sd"] {
        assert_eq!(found.get(name), None, "{name}");
    }
    assert_eq!(found.get("numeric_to_categorical"), Some(0.0));
}

/// Cells that are odd on purpose: constants, huge and tiny numbers, missing ones.
fn cell() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -3.0..3.0_f64,
        3 => (0..4_i32).prop_map(f64::from),
        1 => Just(f64::NAN),
        1 => prop_oneof![Just(1e300), Just(-1e300), Just(1e-300), Just(f64::MAX), Just(1e8 + 0.1)],
    ]
}

fn column(rows: usize) -> impl Strategy<Value = Column> {
    let level = prop_oneof![Just(None), "[a-d]".prop_map(Some)];
    prop_oneof![
        3 => prop::collection::vec(cell(), rows).prop_map(|cells| Column::numeric("", cells)),
        1 => prop::collection::vec(-1.0..1.0_f64, rows).prop_map(|cells| Column::numeric("", cells)),
        1 => cell().prop_map(move |value| Column::numeric("", vec![value; rows])),
        2 => prop::collection::vec(level, rows).prop_map(|cells| Column::categorical("", cells)),
        1 => Just(Column::categorical("", vec![None::<&str>; rows])),
    ]
}

fn named(columns: Vec<Column>) -> Vec<Column> {
    let named = |(place, column): (usize, Column)| match column.cells() {
        data::Cells::Numeric(cells) => Column::numeric(place.to_string(), cells.iter().copied()),
        data::Cells::Categorical { levels, cells } => Column::categorical(
            place.to_string(),
            cells.iter().map(|cell| cell.map(|level| &levels[level])),
        ),
    };
    columns.into_iter().enumerate().map(named).collect()
}

fn parts() -> impl Strategy<Value = (Vec<Column>, Vec<String>)> {
    (3..40_usize)
        .prop_flat_map(|rows| {
            let columns = prop::collection::vec(column(rows), 1..6).prop_map(named);
            (columns, prop::collection::vec("[p-s]", rows))
        })
        .prop_map(|(columns, mut labels)| {
            // Two classes at least, and one with two rows.
            let rows = labels.len();
            labels[0] = "p".into();
            labels[rows - 2] = "q".into();
            labels[rows - 1] = "q".into();
            (columns, labels)
        })
}

/// The rows in another order.
fn permuted(columns: &[Column], labels: &[String], order: &[usize]) -> DataSet {
    let columns = columns
        .iter()
        .map(|column| match column.cells() {
            data::Cells::Numeric(cells) => {
                Column::numeric(column.name(), order.iter().map(|&row| cells[row]))
            }
            data::Cells::Categorical { levels, cells } => Column::categorical(
                column.name(),
                order.iter().map(|&row| cells[row].map(|level| &levels[level])),
            ),
        })
        .collect();
    let labels: Vec<&String> = order.iter().map(|&row| &labels[row]).collect();
    DataSet::new(columns, &labels).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn odd_data_has_the_same_features_all_finite((columns, labels) in parts()) {
        let found = MetaFeatures::of(&DataSet::new(columns, &labels).unwrap());
        prop_assert_eq!(found.iter().count(), 65);
        for feature in &found {
            prop_assert!(feature.value.is_none_or(f64::is_finite), "{:?}", feature);
            if feature.name.ends_with("_mean") && feature.group == Group::Landmarkers {
                prop_assert!(feature.value.is_some_and(|value| (0.0..=1.0).contains(&value)));
            }
        }
    }

    #[test]
    fn the_order_of_the_rows_does_not_matter(
        ((columns, labels), order) in parts().prop_flat_map(|(columns, labels)| {
            let order = Just((0..labels.len()).collect::<Vec<usize>>()).prop_shuffle();
            (Just((columns, labels)), order)
        })
    ) {
        let found = MetaFeatures::of(&DataSet::new(columns.clone(), &labels).unwrap());
        let other = MetaFeatures::of(&permuted(&columns, &labels, &order));
        for (a, b) in found.iter().zip(&other) {
            // Landmarkers depend on the folds; sums of numbers of all sizes depend on the order.
            let sums = a.group == Group::Statistical;
            let wild = columns.iter().any(|column| match column.cells() {
                data::Cells::Numeric(cells) => cells.iter().any(|cell| cell.abs() > 1e6),
                data::Cells::Categorical { .. } => false,
            });
            if a.group == Group::Landmarkers || sums && wild {
                continue;
            }
            match (a.value, b.value) {
                (Some(x), Some(y)) => {
                    prop_assert!((x - y).abs() <= 1e-9 * x.abs().max(1.0), "{a:?} {b:?}");
                }
                (x, y) => prop_assert_eq!(x, y, "{}", a.name),
            }
        }
    }
}
