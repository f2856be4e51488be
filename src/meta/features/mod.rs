//! Meta-features: numbers that describe a classification data set.
//!
//! What was learned on one data set helps on another as far as the two are alike. [`MetaFeatures::of`]
//! says how a [`DataSet`] looks in 65 numbers, always the same ones in the same order: simple counts and
//! ratios, moments and correlations of the numeric columns, information in bits, and the accuracies of four
//! cheap classifiers (landmarkers). A feature that a data set does not have, such as the correlation where
//! there is one numeric column, is `None`; no value is NaN or infinite.
//!
//! ```
//! use hyperq::meta::features::{Column, DataSet, MetaFeatures};
//!
//! let data = DataSet::new(
//!     vec![
//!         Column::numeric("length", [1.0, 2.0, 4.0, 5.0]),
//!         Column::categorical("color", [Some("red"), Some("red"), Some("blue"), Some("blue")]),
//!     ],
//!     &["a", "a", "b", "b"],
//! )?;
//! let features = MetaFeatures::of(&data);
//! assert_eq!(features.get("instances"), Some(4.0));
//! assert_eq!(features.get("class_entropy"), Some(1.0));
//! assert_eq!(features.get("correlation_mean"), None, "one numeric column");
//! assert_eq!(features.names().count(), features.values().count());
//! # Ok::<(), hyperq::Error>(())
//! ```
//!
//! # The features
//!
//! `n` rows, `d` feature columns, `q` classes of `n_c` rows. A name with `_*` is four features, the minimum,
//! mean, maximum and sample standard deviation over what the formula is for: `skewness_min`, `skewness_mean`,
//! `skewness_max`, `skewness_sd`. The last column is the name in pymfe (Alcobaça et al. 2020, "MFE: Towards
//! reproducible meta-feature extraction", JMLR), with whose values these agree.
//!
//! | feature | formula | source | pymfe |
//! |---|---|---|---|
//! | **simple** | | | |
//! | `instances`, `log_instances` | `n`, `ln n` | Michie et al. 1994, Feurer et al. 2014 | `nr_inst` |
//! | `features`, `log_features` | `d`, `ln d` | Michie et al. 1994, Feurer et al. 2014 | `nr_attr` |
//! | `classes`, `log_classes` | `q`, `ln q` | Michie et al. 1994 | `nr_class` |
//! | `numeric`, `categorical` | the columns of each kind | Engels & Theusinger 1998 | `nr_num`, `nr_cat` |
//! | `numeric_to_categorical`, `categorical_to_numeric` | one over the other; none where the other is 0 | Feurer et al. 2014 | `num_to_cat`, `cat_to_num` |
//! | `features_to_instances`, `log_features_to_instances` | `d / n`, `ln(d / n)` | Kalousis & Theoharis 1999, Feurer et al. 2014 | `attr_to_inst` |
//! | `instances_to_features`, `log_instances_to_features` | `n / d`, `ln(n / d)` | Kuba et al. 2002, Feurer et al. 2014 | `inst_to_attr` |
//! | `missing_cells` | missing cells `/ (n d)` | Feurer et al. 2014 | |
//! | `missing_instances`, `missing_features` | share of the rows, of the columns, with a missing cell | Feurer et al. 2014 | |
//! | `class_share_*` | `n_c / n`, over classes | Lindner & Studer 1999 | `freq_class` |
//! | **statistical** | of numeric columns; missing cells are left out | | |
//! | `skewness_*` | `m_3 / s^3`, over columns | Michie et al. 1994 | `skewness` |
//! | `kurtosis_*` | `m_4 / s^4 - 3`, over columns | Michie et al. 1994 | `kurtosis` |
//! | `correlation_*` | absolute value of Pearson's `r`, over pairs of columns | Michie et al. 1994, Castiello et al. 2005 | `cor` |
//! | `column_mean_*` | mean, over columns | Engels & Theusinger 1998 | `mean` |
//! | `column_sd_*` | `s`, over columns | Engels & Theusinger 1998 | `sd` |
//! | **information** | in bits; numbers in bins of equal frequency; missing is a value | | |
//! | `class_entropy` | `H(C) = -sum_c p_c log2 p_c` | Michie et al. 1994 | `class_ent` |
//! | `class_entropy_normalized` | `H(C) / log2 q` | Castiello et al. 2005 | |
//! | `feature_entropy_*` | `H(X)`, over columns | Michie et al. 1994 | `attr_ent` |
//! | `joint_entropy_*` | `H(X, C)`, over columns | Michie et al. 1994 | `joint_ent` |
//! | `mutual_information_*` | `M(X, C) = H(X) + H(C) - H(X, C)`, over columns | Michie et al. 1994 | `mut_inf` |
//! | `equivalent_features` | `H(C) / mean M(X, C)`; none where that is 0 | Michie et al. 1994 | `eq_num_attr` |
//! | `noise_to_signal` | `(mean H(X) - mean M(X, C)) / mean M(X, C)`; none where that is 0 | Michie et al. 1994 | `ns_ratio` |
//! | **landmarkers** | accuracy in stratified cross-validation: mean and standard deviation over folds | | |
//! | `stump_mean`, `stump_sd` | the best split of one column | Bensusan & Giraud-Carrier 2000 | `best_node` |
//! | `nearest_neighbor_mean`, `_sd` | the class of the nearest row | Bensusan & Giraud-Carrier 2000 | `one_nn` |
//! | `naive_bayes_mean`, `_sd` | Gaussian naive Bayes | Bensusan & Giraud-Carrier 2000 | `naive_bayes` |
//! | `linear_discriminant_mean`, `_sd` | linear discriminant analysis | Bensusan & Giraud-Carrier 2000 | `linear_discr` |
//!
//! `m_k` is the k-th central moment over `n`, `s` the standard deviation over `n - 1`. A constant column has no
//! skewness, kurtosis and correlation, and does not count there; a minimum, mean and maximum of nothing, and a
//! standard deviation of fewer than two values, are `None`.
//!
//! Numbers become at most `floor(n^(1/3))` bins of equal frequency, as pymfe makes them: edges at the quantiles
//! (linear interpolation), one within 1e-8 of the one before left out, a value on an edge below it.
//!
//! Accuracies are of 10 folds, or of as many as the commonest class has rows. For the classifiers a missing
//! number is the column's mean, and categories become indicators, a missing one being a level of its own. To
//! bound the cost, of more than 5000 rows 5000 take part, sorted by class and evenly spaced, and of more
//! than 128 coded columns 128 evenly spaced ones.
//!
//! All but the landmarkers are the same for any order of the rows, up to rounding. The folds are blocks of
//! rows in their order, as scikit-learn's `StratifiedKFold` makes them, so that the landmarkers of a data set
//! that is sorted by something else than its class can differ from those of the same data shuffled.
//!
//! # Sources
//!
//! - D. Michie, D. J. Spiegelhalter & C. C. Taylor (eds.) 1994, "Machine Learning, Neural and Statistical
//!   Classification" (the STATLOG project), section 7.3.
//! - R. Engels & C. Theusinger 1998, "Using a data metric for preprocessing advice for data mining
//!   applications", ECAI.
//! - A. Kalousis & T. Theoharis 1999, "NOEMON: Design, implementation and performance results of an intelligent
//!   assistant for classifier selection", Intelligent Data Analysis.
//! - G. Lindner & R. Studer 1999, "AST: Support for algorithm selection with a CBR approach", PKDD.
//! - H. Bensusan & C. Giraud-Carrier 2000, "Discovering task neighbourhoods through landmark learning
//!   performances", PKDD.
//! - P. Kuba et al. 2002, "Exploiting sampling and meta-learning for parameter setting for support vector
//!   machines", IBERAMIA.
//! - C. Castiello, G. Castellano & A. M. Fanelli 2005, "Meta-data: Characterization of input features for
//!   meta-learning", MDAI.
//! - P. Brazdil, C. Giraud-Carrier, C. Soares & R. Vilalta 2009, "Metalearning: Applications to Data Mining",
//!   chapter 2.
//! - M. Feurer, J. T. Springenberg & F. Hutter 2014, "Using meta-learning to initialize Bayesian optimization
//!   of hyperparameters", MetaSel.
//! - A. Rivolli, L. P. F. Garcia, C. Soares, J. Vanschoren & A. C. P. L. F. de Carvalho 2022, "Meta-features for
//!   meta-learning", Knowledge-Based Systems: the definitions in one place.

mod data;
mod information;
mod landmarkers;
mod simple;
mod statistical;

pub use data::{Column, DataSet};

/// What a meta-feature is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// Counts, ratios and shares.
    Simple,
    /// Moments and correlations of the numeric columns.
    Statistical,
    /// Entropies, in bits.
    Information,
    /// Accuracies of cheap classifiers.
    Landmarkers,
}

impl Group {
    /// The name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Statistical => "statistical",
            Self::Information => "information",
            Self::Landmarkers => "landmarkers",
        }
    }
}

/// One meta-feature of a data set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetaFeature {
    /// The name.
    pub name: &'static str,
    /// What it is about.
    pub group: Group,
    /// The value, which is finite; `None` where the data set has none.
    pub value: Option<f64>,
}

/// The meta-features of a data set, always the same ones in the same order: see
/// [the list](self#the-features).
#[derive(Debug, Clone, PartialEq)]
pub struct MetaFeatures(Vec<MetaFeature>);

impl MetaFeatures {
    /// Computes all of them.
    pub fn of(data: &DataSet) -> Self {
        let mut found = Found { group: Group::Simple, features: Vec::new() };
        simple::describe(data, &mut found);
        found.group = Group::Statistical;
        statistical::describe(data, &mut found);
        found.group = Group::Information;
        information::describe(data, &mut found);
        found.group = Group::Landmarkers;
        landmarkers::describe(data, &mut found);
        Self(found.features)
    }

    /// The features in their order.
    pub fn iter(&self) -> std::slice::Iter<'_, MetaFeature> {
        self.0.iter()
    }

    /// The names in their order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|feature| feature.name)
    }

    /// The values in their order.
    pub fn values(&self) -> impl Iterator<Item = Option<f64>> {
        self.0.iter().map(|feature| feature.value)
    }

    /// The value of a feature, `None` where the data set has none or the name is not that of a feature.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|feature| feature.name == name)?.value
    }
}

impl<'a> IntoIterator for &'a MetaFeatures {
    type Item = &'a MetaFeature;
    type IntoIter = std::slice::Iter<'a, MetaFeature>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The features found so far.
struct Found {
    group: Group,
    features: Vec<MetaFeature>,
}

impl Found {
    /// A value; one that overflowed is none.
    fn push(&mut self, name: &'static str, value: impl Into<Option<f64>>) {
        let value = value.into().filter(|value| value.is_finite());
        self.features.push(MetaFeature { name, group: self.group, value });
    }

    /// Minimum, mean, maximum and sample standard deviation.
    fn summary(&mut self, [min, mean, max, sd]: [&'static str; 4], values: &[f64]) {
        self.push(min, values.iter().copied().reduce(f64::min));
        self.push(mean, average(values));
        self.push(max, values.iter().copied().reduce(f64::max));
        self.push(sd, deviation(values));
    }
}

/// The names of a summary.
macro_rules! parts {
    ($name:literal) => {
        [
            concat!($name, "_min"),
            concat!($name, "_mean"),
            concat!($name, "_max"),
            concat!($name, "_sd"),
        ]
    };
}
use parts;

/// The mean, `None` of nothing.
fn average(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The standard deviation over `n - 1`, `None` of fewer than two values.
fn deviation(values: &[f64]) -> Option<f64> {
    let mean = average(values).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

#[cfg(test)]
mod tests;
