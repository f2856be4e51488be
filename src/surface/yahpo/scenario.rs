//! What the directories of the scenarios do not say: names of targets and inputs, and their roles.
//!
//! Source: the documentation of YAHPO Gym 1.0 (Pfisterer et al. 2022). Directions are those published,
//! but for `f1` of the `rbv2_*` scenarios, which is listed as minimized there: of a harmonic mean of
//! precision and recall more is better, as the `iaml_*` scenarios list it.

use crate::trial::Direction;
use crate::trial::Direction::{Maximize, Minimize};

/// One thing that a scenario measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The name, such as `acc`.
    pub name: &'static str,
    /// Whether it is minimized or maximized.
    pub direction: Direction,
}

/// The facts of one scenario.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) name: &'static str,
    /// What the network computes, in its order.
    pub(super) targets: &'static [Target],
    /// The position of the target that is tuned where nothing is said.
    pub(super) main: usize,
    /// The parameter that is the data set.
    pub(super) instance: &'static str,
    /// What an evaluation may be made cheaper by, each fullest at its largest value.
    pub(super) fidelities: &'static [&'static str],
    /// The network's categorical inputs in their order.
    pub(super) categorical: &'static [&'static str],
    /// The network's numeric inputs in their order.
    pub(super) numeric: &'static [&'static str],
}

const fn least(name: &'static str) -> Target {
    Target { name, direction: Minimize }
}

const fn most(name: &'static str) -> Target {
    Target { name, direction: Maximize }
}

const RBV2_TARGETS: &[Target] = &[
    most("acc"),
    most("bac"),
    most("auc"),
    least("brier"),
    most("f1"),
    least("logloss"),
    least("timetrain"),
    least("timepredict"),
    least("memory"),
];

const fn rbv2(
    name: &'static str,
    categorical: &'static [&'static str],
    numeric: &'static [&'static str],
) -> Facts {
    Facts {
        name,
        targets: RBV2_TARGETS,
        main: 0,
        instance: "task_id",
        fidelities: &["trainsize", "repl"],
        categorical,
        numeric,
    }
}

const IAML_TARGETS: &[Target] = &[
    least("mmce"),
    most("f1"),
    most("auc"),
    least("logloss"),
    least("ramtrain"),
    least("rammodel"),
    least("rampredict"),
    least("timetrain"),
    least("timepredict"),
    least("mec"),
    least("ias"),
    least("nf"),
];

const fn iaml(
    name: &'static str,
    categorical: &'static [&'static str],
    numeric: &'static [&'static str],
) -> Facts {
    Facts {
        name,
        targets: IAML_TARGETS,
        main: 0,
        instance: "task_id",
        fidelities: &["trainsize"],
        categorical,
        numeric,
    }
}

const FAIR_TARGETS: &[Target] = &[
    least("mmce"),
    most("f1"),
    least("feo"),
    least("fpredp"),
    least("facc"),
    least("ftpr"),
    least("ffomr"),
    least("ffnr"),
    least("timetrain"),
];

const fn fair(
    name: &'static str,
    categorical: &'static [&'static str],
    numeric: &'static [&'static str],
) -> Facts {
    Facts {
        name,
        targets: FAIR_TARGETS,
        main: 0,
        instance: "task_id",
        fidelities: &["trainsize"],
        categorical,
        numeric,
    }
}

/// The names of NAS-Bench-301's parameters, which have a common beginning.
macro_rules! cell {
    ($($end:literal),* $(,)?) => {
        &[$(concat!("NetworkSelectorDatasetInfo_COLON_darts_COLON_", $end)),*]
    };
}

/// All scenarios that are known, sorted by name.
pub(super) const SCENARIOS: &[Facts] = &[
    fair("fair_fgrrm", &["task_id", "definition"], &["lambda", "unfairness", "trainsize"]),
    fair(
        "fair_ranger",
        &["replace", "respect.unordered.factors", "splitrule", "task_id", "pre_post"],
        &[
            "min.node.size",
            "mtry.ratio",
            "num.random.splits",
            "num.trees",
            "sample.fraction",
            "reweighing_os_alpha",
            "EoD_alpha",
            "trainsize",
        ],
    ),
    fair(
        "fair_rpart",
        &["task_id", "pre_post"],
        &[
            "cp",
            "maxdepth",
            "minbucket",
            "minsplit",
            "reweighing_os_alpha",
            "EoD_alpha",
            "trainsize",
        ],
    ),
    fair(
        "fair_super",
        &[
            "fgrrm.definition",
            "ranger.replace",
            "ranger.respect.unordered.factors",
            "ranger.splitrule",
            "xgboost.booster",
            "learner",
            "task_id",
            "pre_post",
        ],
        &[
            "fgrrm.lambda",
            "fgrrm.unfairness",
            "rpart.cp",
            "rpart.maxdepth",
            "rpart.minbucket",
            "rpart.minsplit",
            "ranger.min.node.size",
            "ranger.mtry.ratio",
            "ranger.num.random.splits",
            "ranger.num.trees",
            "ranger.sample.fraction",
            "xgboost.nrounds",
            "xgboost.eta",
            "xgboost.gamma",
            "xgboost.lambda",
            "xgboost.alpha",
            "xgboost.subsample",
            "xgboost.max_depth",
            "xgboost.min_child_weight",
            "xgboost.colsample_bytree",
            "xgboost.colsample_bylevel",
            "reweighing_os_alpha",
            "EoD_alpha",
            "trainsize",
        ],
    ),
    fair(
        "fair_xgboost",
        &["booster", "task_id", "pre_post"],
        &[
            "nrounds",
            "eta",
            "gamma",
            "lambda",
            "alpha",
            "subsample",
            "max_depth",
            "min_child_weight",
            "colsample_bytree",
            "colsample_bylevel",
            "reweighing_os_alpha",
            "EoD_alpha",
            "trainsize",
        ],
    ),
    Facts {
        name: "fcnet",
        targets: &[least("valid_loss"), least("valid_mse"), least("runtime"), least("n_params")],
        main: 0,
        instance: "task",
        fidelities: &["epoch"],
        categorical: &["task", "activation_fn_1", "activation_fn_2", "lr_schedule"],
        numeric: &[
            "epoch",
            "replication",
            "batch_size",
            "dropout_1",
            "dropout_2",
            "init_lr",
            "n_units_1",
            "n_units_2",
        ],
    },
    iaml("iaml_glmnet", &["task_id"], &["alpha", "s", "trainsize"]),
    iaml(
        "iaml_ranger",
        &["task_id", "replace", "respect.unordered.factors", "splitrule"],
        &[
            "num.trees",
            "sample.fraction",
            "mtry.ratio",
            "min.node.size",
            "num.random.splits",
            "trainsize",
        ],
    ),
    iaml("iaml_rpart", &["task_id"], &["cp", "maxdepth", "minbucket", "minsplit", "trainsize"]),
    iaml(
        "iaml_super",
        &[
            "task_id",
            "learner",
            "ranger.replace",
            "ranger.respect.unordered.factors",
            "ranger.splitrule",
            "xgboost.booster",
        ],
        &[
            "ranger.num.trees",
            "ranger.sample.fraction",
            "ranger.mtry.ratio",
            "ranger.min.node.size",
            "ranger.num.random.splits",
            "rpart.cp",
            "rpart.maxdepth",
            "rpart.minbucket",
            "rpart.minsplit",
            "glmnet.alpha",
            "glmnet.s",
            "xgboost.nrounds",
            "xgboost.eta",
            "xgboost.gamma",
            "xgboost.lambda",
            "xgboost.alpha",
            "xgboost.subsample",
            "xgboost.max_depth",
            "xgboost.min_child_weight",
            "xgboost.colsample_bytree",
            "xgboost.colsample_bylevel",
            "xgboost.rate_drop",
            "xgboost.skip_drop",
            "trainsize",
        ],
    ),
    iaml(
        "iaml_xgboost",
        &["task_id", "booster"],
        &[
            "nrounds",
            "eta",
            "gamma",
            "lambda",
            "alpha",
            "subsample",
            "max_depth",
            "min_child_weight",
            "colsample_bytree",
            "colsample_bylevel",
            "rate_drop",
            "skip_drop",
            "trainsize",
        ],
    ),
    Facts {
        name: "lcbench",
        targets: &[
            least("time"),
            most("val_accuracy"),
            least("val_cross_entropy"),
            most("val_balanced_accuracy"),
            least("test_cross_entropy"),
            most("test_balanced_accuracy"),
        ],
        main: 1,
        instance: "OpenML_task_id",
        fidelities: &["epoch"],
        categorical: &["OpenML_task_id"],
        numeric: &[
            "epoch",
            "batch_size",
            "learning_rate",
            "momentum",
            "weight_decay",
            "num_layers",
            "max_units",
            "max_dropout",
        ],
    },
    Facts {
        name: "nb301",
        targets: &[most("val_accuracy"), least("runtime")],
        main: 0,
        // There is one data set, which the network does not see.
        instance: "dataset",
        fidelities: &["epoch"],
        categorical: cell![
            "edge_normal_0",
            "edge_normal_1",
            "edge_normal_2",
            "edge_normal_3",
            "edge_normal_4",
            "edge_normal_5",
            "edge_normal_6",
            "edge_normal_7",
            "edge_normal_8",
            "edge_normal_9",
            "edge_normal_10",
            "edge_normal_11",
            "edge_normal_12",
            "edge_normal_13",
            "edge_reduce_0",
            "edge_reduce_1",
            "edge_reduce_2",
            "edge_reduce_3",
            "edge_reduce_4",
            "edge_reduce_5",
            "edge_reduce_6",
            "edge_reduce_7",
            "edge_reduce_8",
            "edge_reduce_9",
            "edge_reduce_10",
            "edge_reduce_11",
            "edge_reduce_12",
            "edge_reduce_13",
            "inputs_node_normal_3",
            "inputs_node_normal_4",
            "inputs_node_normal_5",
            "inputs_node_reduce_3",
            "inputs_node_reduce_4",
            "inputs_node_reduce_5",
        ],
        numeric: &["epoch"],
    },
    rbv2(
        "rbv2_aknn",
        &["task_id", "distance", "num.impute.selected.cpo"],
        &["k", "M", "ef", "ef_construction", "trainsize", "repl"],
    ),
    rbv2(
        "rbv2_glmnet",
        &["task_id", "num.impute.selected.cpo"],
        &["alpha", "s", "trainsize", "repl"],
    ),
    rbv2(
        "rbv2_ranger",
        &["task_id", "respect.unordered.factors", "splitrule", "num.impute.selected.cpo"],
        &[
            "num.trees",
            "sample.fraction",
            "mtry.power",
            "min.node.size",
            "num.random.splits",
            "trainsize",
            "repl",
        ],
    ),
    rbv2(
        "rbv2_rpart",
        &["task_id", "num.impute.selected.cpo"],
        &["cp", "maxdepth", "minbucket", "minsplit", "trainsize", "repl"],
    ),
    rbv2(
        "rbv2_super",
        &[
            "task_id",
            "learner_id",
            "svm.kernel",
            "ranger.respect.unordered.factors",
            "ranger.splitrule",
            "aknn.distance",
            "xgboost.booster",
            "num.impute.selected.cpo",
        ],
        &[
            "svm.cost",
            "svm.gamma",
            "svm.tolerance",
            "svm.degree",
            "glmnet.alpha",
            "glmnet.s",
            "rpart.cp",
            "rpart.maxdepth",
            "rpart.minbucket",
            "rpart.minsplit",
            "ranger.num.trees",
            "ranger.sample.fraction",
            "ranger.mtry.power",
            "ranger.min.node.size",
            "ranger.num.random.splits",
            "aknn.k",
            "aknn.M",
            "aknn.ef",
            "aknn.ef_construction",
            "xgboost.nrounds",
            "xgboost.eta",
            "xgboost.gamma",
            "xgboost.lambda",
            "xgboost.alpha",
            "xgboost.subsample",
            "xgboost.max_depth",
            "xgboost.min_child_weight",
            "xgboost.colsample_bytree",
            "xgboost.colsample_bylevel",
            "xgboost.rate_drop",
            "xgboost.skip_drop",
            "trainsize",
            "repl",
        ],
    ),
    rbv2(
        "rbv2_svm",
        &["task_id", "kernel", "num.impute.selected.cpo"],
        &["cost", "gamma", "tolerance", "degree", "trainsize", "repl"],
    ),
    rbv2(
        "rbv2_xgboost",
        &["task_id", "booster", "num.impute.selected.cpo"],
        &[
            "nrounds",
            "eta",
            "gamma",
            "lambda",
            "alpha",
            "subsample",
            "max_depth",
            "min_child_weight",
            "colsample_bytree",
            "colsample_bylevel",
            "rate_drop",
            "skip_drop",
            "trainsize",
            "repl",
        ],
    ),
];
