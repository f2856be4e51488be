//! Measured surfaces: real models on real data sets, trained beforehand, every result in a table that the crate carries.
//!
//! | learner | parameters | configurations |
//! |---|---|---|
//! | `svm` | kernel, C, gamma of the radial kernel, degree of the polynomial one | a grid of 288 |
//! | `random-forest` | trees, depth, share of the features, size of the leaves, bootstrap | 256 points of a Sobol sequence |
//! | `gradient-boosting` | rounds, learning rate, depth, share of the rows, regularization | 256 points of a Sobol sequence |
//! | `mlp` | layers, width, dropout, learning rate, weight decay, batch, activation | 256 points of a Sobol sequence |
//!
//! Each was trained on each of 43 public data sets by 3-fold cross-validation on at most 1,000 rows, so there are four
//! surfaces a data set: `svm/iris`, `random-forest/iris`, `gradient-boosting/iris`, `mlp/iris`. The value is the accuracy
//! (maximized); `+objective=log_loss` or `+objective=seconds` takes another one. Models that are trained step by step
//! were judged after 1/16, 1/8, 1/4, 1/2 and all of their trees, rounds or epochs: `+fraction=0.25` is the surface after a
//! quarter of them, [`Measured::curve`] has them all.
//!
//! Discrete strategies choose among the configurations of the table. What continuous ones find between them is expected
//! by a surrogate, or snapped to the nearest configuration with `+off-grid=nearest`: see
//! [`OffGrid`]. Meta-features are the crate's own ([`MetaFeatures`](crate::meta::features::MetaFeatures)),
//! those that every one of the data sets has.
//!
//! How the tables were made, and how to make them again, stands in the manual's chapter on data.
//!
//! ```
//! use hyperq::surface::{self, measured::Measured};
//!
//! let surface = &surface::open("mlp/iris")?[0];
//! assert_eq!(surface.spec().objective, "accuracy");
//! let task = Measured::open("mlp/iris")?;
//! let configuration = &surface.spec().grid.as_ref().expect("a grid").configurations()[0];
//! let curve = task.curve(configuration)?;
//! assert_eq!(curve.last().map(|stage| stage.fraction), Some(1.0));
//! assert_eq!(task.data_set().rows, 150);
//! # Ok::<(), hyperq::Error>(())
//! ```

mod files;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use self::files::Files;
use super::table::Parts;
use super::{OffGrid, Table};
use crate::error::{Error, Result};
use crate::space::{Configuration, Grid, SpaceDocument};
use crate::trial::Direction;

/// A data set that the models were trained on.
#[derive(Debug, Clone, PartialEq)]
pub struct DataSet {
    /// The name.
    pub name: String,
    /// The number of rows that it has.
    pub rows: usize,
    /// The number of rows that took part.
    pub used_rows: usize,
    /// The number of columns beside the class.
    pub features: usize,
    /// How many of them are numbers.
    pub numeric: usize,
    /// How many of them are categories.
    pub categorical: usize,
    /// The number of classes.
    pub classes: usize,
    /// Whether it was generated rather than observed.
    pub artificial: bool,
    /// Data sets that are nearly the same share a group; others have one of their own, of their name. A measurement of
    /// transfer holds a group out together.
    pub group: String,
}

/// What a table's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Measure {
    /// The share of the held-out rows that were classified correctly; maximized.
    #[default]
    Accuracy,
    /// The mean of `-ln p` over the held-out rows, with the predicted probability `p` of the right class; minimized.
    LogLoss,
    /// The seconds of training and prediction, summed over the folds; minimized. They are of the machine that made the
    /// tables.
    Seconds,
}

impl Measure {
    const ALL: [Self; 3] = [Self::Accuracy, Self::LogLoss, Self::Seconds];

    /// The name in `+objective=...`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::LogLoss => "log_loss",
            Self::Seconds => "seconds",
        }
    }

    fn direction(self) -> Direction {
        match self {
            Self::Accuracy => Direction::Maximize,
            Self::LogLoss | Self::Seconds => Direction::Minimize,
        }
    }

    /// The measure of a name.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] with the nearest name.
    pub fn named(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|measure| measure.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            Error::unknown("objective", name, names, &format!("there are {}", names.join(", ")))
        })
    }
}

/// How good a model was after a share of its training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// The share of its trees, rounds or epochs, in `(0, 1]`.
    pub fraction: f64,
    /// See [`Measure::Accuracy`]; `None` where the training failed.
    pub accuracy: Option<f64>,
    /// See [`Measure::LogLoss`]; `None` where the training failed.
    pub log_loss: Option<f64>,
    /// See [`Measure::Seconds`]; up to this stage.
    pub seconds: f64,
}

impl Stage {
    fn value(&self, measure: Measure) -> f64 {
        match measure {
            Measure::Accuracy => self.accuracy.unwrap_or(f64::NAN),
            Measure::LogLoss => self.log_loss.unwrap_or(f64::NAN),
            Measure::Seconds => self.seconds,
        }
    }
}

/// What was measured of one learner: its tables over all data sets.
struct Learner {
    document: SpaceDocument,
    grid: Arc<Grid>,
    /// Ascending; the last one is 1.
    fractions: Vec<f64>,
    /// By data set, in their order: the stages, configuration by configuration.
    stages: Vec<Vec<Stage>>,
}

/// What the learners have in common.
struct Sheet {
    data_sets: Vec<DataSet>,
    /// By data set, in their order.
    meta_features: Vec<Vec<f64>>,
    meta_feature_names: Vec<String>,
}

/// The names of the learners.
pub fn learners() -> impl Iterator<Item = &'static str> {
    files::LEARNERS.iter().map(|files| files.name)
}

/// The names of all measured surfaces, learner by learner.
///
/// # Errors
///
/// [`Error::File`] where an embedded file is malformed.
pub fn names() -> Result<Vec<String>> {
    let data_sets = &sheet()?.data_sets;
    Ok(learners()
        .flat_map(|learner| data_sets.iter().map(move |d| format!("{learner}/{}", d.name)))
        .collect())
}

/// The data sets, sorted by name.
///
/// # Errors
///
/// As [`names`].
pub fn data_sets() -> Result<&'static [DataSet]> {
    Ok(&sheet()?.data_sets)
}

/// The names of the meta-features of every measured surface, in their order: what
/// [`MetaFeatures`](crate::meta::features::MetaFeatures) has for every one of the data sets.
///
/// # Errors
///
/// As [`names`].
pub fn meta_feature_names() -> Result<&'static [String]> {
    Ok(&sheet()?.meta_feature_names)
}

/// One learner on one data set.
pub struct Measured {
    learner: &'static Learner,
    learner_name: &'static str,
    sheet: &'static Sheet,
    data_set: usize,
}

impl Measured {
    /// The tables of a name, such as `svm/iris`.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] with the nearest name; [`Error::File`] where an embedded file is malformed.
    pub fn open(name: &str) -> Result<Self> {
        Self::find(name)?.ok_or_else(|| match names() {
            Ok(known) => Error::unknown(
                "measured surface",
                name,
                known.iter().map(String::as_str),
                "`hyperq surfaces --names` lists them",
            ),
            Err(error) => error,
        })
    }

    /// All of a learner, sorted by data set.
    ///
    /// # Errors
    ///
    /// As [`Measured::open`].
    pub fn all(learner: &str) -> Result<Vec<Self>> {
        let files = files::LEARNERS.iter().position(|files| files.name == learner);
        let Some(place) = files else {
            return Err(Error::unknown(
                "learner",
                learner,
                learners(),
                &format!("there are {}", learners().collect::<Vec<_>>().join(", ")),
            ));
        };
        let count = sheet()?.data_sets.len();
        (0..count).map(|data_set| Self::at(place, data_set)).collect()
    }

    /// `None` where no measured surface has the name.
    pub(super) fn find(name: &str) -> Result<Option<Self>> {
        let Some((learner, data_set)) = name.split_once('/') else { return Ok(None) };
        let place = files::LEARNERS.iter().position(|files| files.name == learner);
        let Some(place) = place else { return Ok(None) };
        let found = sheet()?.data_sets.iter().position(|known| known.name == data_set);
        found.map(|data_set| Self::at(place, data_set)).transpose()
    }

    fn at(place: usize, data_set: usize) -> Result<Self> {
        let files = &files::LEARNERS[place];
        Ok(Self { learner: learner(place)?, learner_name: files.name, sheet: sheet()?, data_set })
    }

    /// The name, `<learner>/<data set>`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.learner_name, self.data_set().name)
    }

    /// The data set.
    pub fn data_set(&self) -> &'static DataSet {
        &self.sheet.data_sets[self.data_set]
    }

    /// The configurations that were trained.
    pub fn grid(&self) -> &'static Grid {
        &self.learner.grid
    }

    /// The shares of the training after which the models were judged, ascending; 1 is the last.
    pub fn fractions(&self) -> &'static [f64] {
        &self.learner.fractions
    }

    /// What became of a configuration after each share of its training; of the nearest one where the table lacks it.
    ///
    /// # Errors
    ///
    /// [`Error::Evaluation`] where the configuration is of another space.
    pub fn curve(&self, configuration: &Configuration) -> Result<&'static [Stage]> {
        let grid = &self.learner.grid;
        let row = (configuration.space() == grid.space())
            .then(|| grid.nearest(configuration))
            .flatten()
            .ok_or_else(|| {
                Error::Evaluation(format!(
                    "`{}` needs a configuration of its own space, found {configuration}",
                    self.name()
                ))
            })?;
        let count = self.learner.fractions.len();
        Ok(&self.learner.stages[self.data_set][row * count..(row + 1) * count])
    }

    /// The table of a measure after a share of the training. Its name says what is not as usual:
    /// `svm/iris+objective=log_loss`.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where the models were not judged after that share.
    pub fn table(&self, measure: Measure, fraction: f64, off_grid: OffGrid) -> Result<Table> {
        let fractions = &self.learner.fractions;
        let Some(stage) = fractions.iter().position(|known| *known == fraction) else {
            let known: Vec<String> = fractions.iter().map(f64::to_string).collect();
            let rule = format!("one of {}", known.join(", "));
            return Err(Error::setting(self.name(), "fraction", rule, fraction));
        };
        let stages = self.learner.stages[self.data_set].iter();
        let values: Vec<f64> =
            stages.skip(stage).step_by(fractions.len()).map(|stage| stage.value(measure)).collect();
        let mut name = self.name();
        if measure != Measure::default() {
            name.push_str(&format!("+objective={}", measure.name()));
        }
        if fraction != 1.0 {
            name.push_str(&format!("+fraction={fraction}"));
        }
        if off_grid != OffGrid::Surrogate {
            name.push_str(&format!("+off-grid={}", off_grid.name()));
        }
        let table = Table::assemble(Parts {
            name,
            description: format!(
                "{} on the data set {}, 3-fold cross-validation, measured beforehand",
                self.learner.document.name,
                self.data_set().name
            ),
            objective: measure.name().to_owned(),
            direction: measure.direction(),
            grid: Arc::clone(&self.learner.grid),
            values,
            meta_features: self.sheet.meta_features[self.data_set].clone(),
            group: self.data_set().group.clone(),
        });
        Ok(table.with_off_grid(off_grid))
    }
}

/// The learner of a place, read when it is first asked for.
fn learner(place: usize) -> Result<&'static Learner> {
    static READ: [OnceLock<Learner>; files::LEARNERS.len()] =
        [const { OnceLock::new() }; files::LEARNERS.len()];
    if let Some(learner) = READ[place].get() {
        return Ok(learner);
    }
    let files: &Files = &files::LEARNERS[place];
    let learner = files::learner(files, &sheet()?.data_sets)?;
    Ok(READ[place].get_or_init(|| learner))
}

/// The data sheet, read when it is first asked for.
fn sheet() -> Result<&'static Sheet> {
    static READ: OnceLock<Sheet> = OnceLock::new();
    if let Some(sheet) = READ.get() {
        return Ok(sheet);
    }
    let sheet = files::sheet()?;
    Ok(READ.get_or_init(|| sheet))
}

/// An embedded file's name, for messages.
fn embedded(name: &str) -> &Path {
    Path::new(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::Streams;
    use crate::surface::{Surface, open};

    #[test]
    fn at_least_36_data_sets_have_every_learner_and_open_by_name() {
        let names = names().unwrap();
        assert!(names.len() >= 4 * 36, "{}", names.len());
        for name in &names {
            let surface = &open(name).unwrap()[0];
            let spec = surface.spec();
            assert_eq!(&spec.name, name);
            assert!(spec.grid.as_ref().unwrap().len() >= 250, "{name}");
            assert_eq!(spec.meta_features.len(), meta_feature_names().unwrap().len());
            let range = spec.range.unwrap();
            assert!(range.worst < range.best && range.best <= 1.0, "{name} {range:?}");
        }
        assert!(meta_feature_names().unwrap().len() >= 40);
    }

    #[test]
    fn accuracy_beats_the_commonest_class_at_best() {
        // What no learner learns anything on is no surface to tune.
        for learner in learners() {
            for task in Measured::all(learner).unwrap() {
                let table = task.table(Measure::Accuracy, 1.0, OffGrid::Nearest).unwrap();
                let range = table.spec().range.unwrap();
                assert!(range.best > 1.0 / task.data_set().classes as f64, "{}", task.name());
            }
        }
    }

    #[test]
    fn options_take_other_measures_and_stages() {
        let task = Measured::open("mlp/wine").unwrap();
        let configuration =
            open("mlp/wine").unwrap()[0].spec().grid.as_ref().unwrap().get(7).clone();
        let curve = task.curve(&configuration).unwrap();
        assert_eq!(curve.len(), task.fractions().len());
        let mut rng = Streams::new(0).at("test", 0);
        for (option, value) in [
            ("", curve[4].accuracy),
            ("+objective=log_loss", curve[4].log_loss),
            ("+objective=seconds", Some(curve[4].seconds)),
            ("+fraction=0.125", curve[1].accuracy),
            ("+objective=log_loss+fraction=0.5", curve[3].log_loss),
            ("+fraction=0.5+off-grid=nearest", curve[3].accuracy),
        ] {
            let surface = &open(&format!("mlp/wine{option}")).unwrap()[0];
            assert_eq!(surface.spec().name, format!("mlp/wine{option}"));
            assert_eq!(surface.evaluate(&configuration, &mut rng).ok(), value, "{option}");
        }
        assert!(curve.windows(2).all(|pair| pair[0].seconds <= pair[1].seconds));
    }

    #[test]
    fn off_the_grid_the_surrogate_answers_or_the_nearest_configuration() {
        let mut rng = Streams::new(3).at("test", 0);
        let (expected, snapped) =
            (&open("mlp/sonar").unwrap()[0], &open("mlp/sonar+off-grid=nearest").unwrap()[0]);
        let grid = expected.spec().grid.as_ref().unwrap();
        let range = expected.spec().range.unwrap();
        let mut different = 0;
        for _ in 0..50 {
            let configuration = expected.spec().space.sample(&mut rng);
            let value = expected.evaluate(&configuration, &mut rng).unwrap();
            assert!((range.worst..=range.best).contains(&value));
            let nearest = snapped.evaluate(&configuration, &mut rng).unwrap();
            let row = grid.get(grid.nearest(&configuration).unwrap());
            assert_eq!(nearest, snapped.evaluate(row, &mut rng).unwrap());
            different += usize::from(value != nearest);
        }
        assert!(different > 25, "{different}");
        for configuration in grid.configurations() {
            let pair = [expected, snapped].map(|s| s.evaluate(configuration, &mut rng).ok());
            assert_eq!(pair[0], pair[1]);
        }
    }

    #[test]
    fn unknown_names_and_options_are_refused() {
        let message = |name: &str| open(name).err().unwrap().to_string();
        assert!(message("svm/irs").contains("did you mean `svm/iris`"));
        assert!(message("builtin:svn").contains("did you mean `svm`"));
        assert!(message("svm/iris+objective=acuracy").contains("did you mean `accuracy`"));
        assert!(message("mlp/iris+fraction=0.3").contains("`fraction` must be one of 0.0625"));
        assert!(message("svm/iris+fraction=0.5").contains("`fraction` must be one of 1"));
        assert!(
            message("svm/iris+off-grid=far").contains("`off-grid` must be nearest or surrogate")
        );
        assert!(message("svm/iris+noise=0.1+fraction=1").contains("before decorators"));
        assert!(message("branin+fraction=1").contains("`fraction` must be that of a table"));
        assert!(message("svm/iris+fraction=1+fraction=1").contains("given once"));
    }

    #[test]
    fn near_duplicates_share_a_group() {
        let group = |name: &str| Measured::open(name).unwrap().data_set().group.clone();
        assert_eq!(group("svm/australian"), group("mlp/crx"));
        assert_eq!(group("svm/iris"), "iris");
    }
}
