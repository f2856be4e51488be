//! A slice of the committed tables, trained anew: the same accuracies and log losses to the last digit.

use std::path::Path;

use hyperq_meta_dataset::registry::learners;
use hyperq_meta_dataset::source::Wheel;
use hyperq_meta_dataset::{Error, verify};

#[test]
fn a_slice_of_the_tables_comes_out_the_same() {
    // Other systems' exponentials may differ in their last bit.
    if cfg!(not(all(target_os = "linux", target_arch = "x86_64"))) {
        eprintln!("skipped: the tables were made on Linux and x86-64");
        return;
    }
    let mut wheel = match Wheel::cached(Path::new(env!("CARGO_TARGET_TMPDIR")).join("meta-dataset"))
    {
        Ok(wheel) => wheel,
        Err(error @ Error::Fetch { .. }) => {
            eprintln!("skipped: {error}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let tables = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/surface/measured");
    for name in ["iris", "wine", "led7digit"] {
        let used = wheel.data_set(name).unwrap().used().unwrap();
        for learner in learners(&[]).unwrap() {
            let (mismatches, compared) = verify::verify(&tables, learner, &used, 97).unwrap();
            assert!(mismatches.is_empty(), "{}/{name}: {mismatches:?}", learner.name());
            assert_eq!(compared, 3 * learner.fractions().len());
        }
    }
}

#[test]
fn a_learner_does_far_better_than_the_commonest_class() {
    let tables = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/surface/measured");
    for learner in learners(&[]).unwrap() {
        for (name, commonest) in [("iris", 50.0 / 150.0), ("wine", 71.0 / 178.0)] {
            let rows =
                hyperq_meta_dataset::tables::read_results(&tables, learner.name(), name).unwrap();
            let best = rows.iter().filter_map(|row| row.scores).map(|scores| scores.accuracy);
            let best = best.fold(0.0, f64::max);
            assert!(best > 0.9 && best > 2.0 * commonest, "{}/{name}: {best}", learner.name());
        }
    }
}
