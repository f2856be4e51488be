//! Scenarios of YAHPO Gym (Pfisterer et al. 2022): surrogates of real tuning problems, a network each.
//!
//! A scenario is one learner on many data sets, its instances; the network was fitted to hundreds of
//! thousands of measured configurations, and predicts all that was measured, its targets, in their own
//! units. An evaluation takes some hundredths of a millisecond where the measurement took minutes.
//!
//! # Layout
//!
//! A scenario is a directory that has the scenario's name, as the project `yahpo_data` publishes it:
//!
//! ```text
//! rbv2_rpart/
//!   config_space.json    the parameters and their conditions, as ConfigSpace writes them
//!   encoding.json        the code of each category
//!   model.onnx           the network
//! ```
//!
//! What these files do not say (which parameter is the instance, which are fidelities, the names of the
//! inputs and the targets) is known for the scenarios `rbv2_*`, `iaml_*`, `fair_*`, `lcbench`, `nb301` and
//! `fcnet`; another name is refused.
//!
//! # Names
//!
//! `yahpo:DIR/rbv2_rpart#14` is the instance 14, `yahpo:DIR/rbv2_rpart` are all of them. Options follow, in
//! any order:
//!
//! - `+target=auc` is what is tuned, with its own direction; else the accuracy, or the error or loss
//!   where there is none;
//! - `+trainsize=0.5` or another fidelity of the scenario fixes it; else it is at its largest value.
//!
//! A surface has the name that opens it. `+noise=` and `+shift=` (see [`open`](super::open)) stand last.
//!
//! # Evaluation
//!
//! The network sees categories as codes of `encoding.json` and numbers as 32-bit floats, in native
//! units. A parameter that is inactive is the category `#na#` or the number 0, as in the Python package
//! `yahpo-gym`, with which results agree to 1e-4 of each target's range. The network computes
//!
//! ```text
//! h_0 = W (embeddings of the categories, scaled numbers) + b
//! h_i = h_(i-1) + V_i (p * max(0, q)) + c_i    with (p, q) = U_i norm(h_(i-1)) + a_i
//! y   = scale(1 / (1 + exp(-head(max(0, norm(h))))))
//! ```
//!
//! with normalizations by constants of the training, and scalings (logarithms, exponentials, linear ones)
//! that each column has of its own; they are all part of `model.onnx`. Any graph of the operators that the
//! published networks have is evaluated, one row at a time.
//!
//! # Normalization
//!
//! The optimum is unknown. The worst value of [`Spec::range`] is that of the first 4096 points of the
//! scrambled Sobol sequence of seed 0; the best is what a search reaches from the best eight of them, each by
//! 512 steps that move about half of the coordinates by normal numbers of ever smaller deviation. On the
//! four published instances that were tried it is the value that a search of 280,000 evaluations ends
//! with too. All this takes about half a second, when [`Surface::spec`] is first called. A study that
//! finds a better configuration yet has a normalized regret of 0.
//!
//! # Several targets
//!
//! ```
//! use hyperq::prelude::*;
//! use hyperq::surface::yahpo::Scenario;
//!
//! # let Ok(data) = std::env::var("HYPERQ_DATA") else { return Ok(()) };
//! # let directory = format!("{data}/yahpo/rbv2_rpart");
//! let scenario = Scenario::read(directory)?;
//! let surface = scenario.surface("14", &[("trainsize", "0.5")])?;
//! assert_eq!(surface.targets()[0].name, "acc");
//!
//! // Accuracy and seconds, which are the first and the seventh target.
//! let directions = [0, 6].map(|target| surface.targets()[target].direction);
//! let mut study = Study::builder(surface.space().clone()).objectives(directions).seed(1).build()?;
//! study.optimize(20, |trial| -> Result<[f64; 2]> {
//!     let values = surface.evaluate_all(&trial.configuration)?;
//!     Ok([values[0], values[6]])
//! })?;
//! assert!(!study.pareto_front().is_empty());
//! # Ok::<(), hyperq::Error>(())
//! ```
//!
//! Source: Pfisterer, Schneider, Moosbauer, Binder & Bischl 2022, "YAHPO Gym: an efficient multi-objective
//! multi-fidelity benchmark for hyperparameter optimization".

mod compile;
mod config_space;
mod encoding;
mod json;
mod network;
mod onnx;
mod problem;
mod scenario;
#[cfg(test)]
mod tests;

pub use scenario::Target;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use self::config_space::Remaining;
use self::encoding::Encoding;
use self::network::Network;
use self::problem::Problem;
use self::scenario::{Facts, SCENARIOS};
use super::{Spec, Surface, searched_range};
use crate::error::{Error, Result};
use crate::space::{Choice, Configuration, Domain, SearchSpace, Value};
use crate::streams::Generator;

/// How many points the range is taken from.
const POINTS: u64 = 4096;

/// Opens what follows `yahpo:` in a name: the directory of a scenario, perhaps an instance, and options.
pub(super) fn open(name: &str) -> Result<Vec<Arc<dyn Surface>>> {
    let mut rest = name;
    let mut options = Vec::new();
    // A directory may have a plus or a number sign in its name.
    let is_directory = |name: &str| Path::new(name).is_dir();
    let is_complete = |name: &str| match name.rsplit_once('#') {
        Some((directory, instance)) if !instance.contains('+') && is_directory(directory) => true,
        _ => is_directory(name),
    };
    while !is_complete(rest)
        && let Some((inner, option)) = rest.rsplit_once('+')
        && let Some(option) = option.split_once('=')
    {
        options.push(option);
        rest = inner;
    }
    options.reverse();
    let (directory, instance) = match rest.rsplit_once('#') {
        Some((directory, instance)) if !is_directory(rest) => (directory, Some(instance)),
        _ => (rest, None),
    };
    let scenario = Scenario::read(directory)?;
    let instances = match instance {
        Some(instance) => vec![instance.to_owned()],
        None => scenario.instances(),
    };
    instances
        .iter()
        .map(|instance| {
            scenario
                .surface(instance, &options)
                .map(|surface| Arc::new(surface) as Arc<dyn Surface>)
        })
        .collect()
}

/// A directory that was read: a network with its parameters, for all instances.
#[derive(Debug, Clone)]
pub struct Scenario(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    facts: &'static Facts,
    /// With the instance and the fidelities.
    space: SearchSpace,
    encoding: Encoding,
    network: Network,
}

impl Scenario {
    /// Reads the directory of a scenario, which has the scenario's name.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] for a name that is none; [`Error::Io`] where a file is missing;
    /// [`Error::File`] and [`Error::Place`] with the file, the place and the reason where one is malformed
    /// or does not fit the scenario.
    pub fn read(directory: impl AsRef<Path>) -> Result<Self> {
        let directory = directory.as_ref();
        // `.` and `..` have no name of their own.
        let full = match directory.file_name() {
            Some(_) => directory.to_owned(),
            None => directory.canonicalize().map_err(Error::io(directory))?,
        };
        let name = full.file_name().unwrap_or_default().to_string_lossy();
        let facts = SCENARIOS.iter().find(|facts| facts.name == name).ok_or_else(|| {
            let names: Vec<&str> = SCENARIOS.iter().map(|facts| facts.name).collect();
            let listing = format!("a directory must have the name of one: {}", names.join(", "));
            Error::unknown("YAHPO Gym scenario", &name, names, &listing)
        })?;
        let space_path = directory.join("config_space.json");
        let space = config_space::read(&space_path)?;
        facts.check(&space).map_err(Problem::of(&space_path))?;
        let encoding = Encoding::read(&directory.join("encoding.json"))?;
        let model_path = directory.join("model.onnx");
        let bytes = std::fs::read(&model_path).map_err(Error::io(&model_path))?;
        let network = onnx::read(&bytes)
            .and_then(compile::compile)
            .and_then(|network| facts.check_network(network))
            .map_err(Problem::of(&model_path))?;
        Ok(Self(Arc::new(Inner {
            directory: directory.to_owned(),
            facts,
            space,
            encoding,
            network,
        })))
    }

    /// The name, such as `rbv2_rpart`.
    pub fn name(&self) -> &'static str {
        self.0.facts.name
    }

    /// The instances (data sets), sorted; numbers by their size.
    pub fn instances(&self) -> Vec<String> {
        let Inner { space, facts, .. } = &*self.0;
        let instance = space.parameters().iter().find(|known| known.name == facts.instance);
        let mut names: Vec<String> = match instance.map(|parameter| &parameter.domain) {
            Some(Domain::Categorical { choices }) => {
                choices.iter().map(Choice::to_string).collect()
            }
            _ => Vec::new(),
        };
        names.sort_by_cached_key(|name| (name.parse::<u64>().ok(), name.clone()));
        names
    }

    /// What the scenario measures, in the order of [`Yahpo::evaluate_all`].
    pub fn targets(&self) -> &'static [Target] {
        self.0.facts.targets
    }

    /// The parameters by which an evaluation may be made cheaper.
    pub fn fidelities(&self) -> &'static [&'static str] {
        self.0.facts.fidelities
    }

    /// The surface of an instance. The options are `target` with the target that is tuned, and the
    /// fidelities with their values.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] for an instance, an option or a target that is none; [`Error::Setting`] for an
    /// option given twice and for a fidelity outside its range; [`Error::Place`] where `encoding.json` lacks
    /// a category.
    pub fn surface(&self, instance: &str, options: &[(&str, &str)]) -> Result<Yahpo> {
        let Inner { facts, space, .. } = &*self.0;
        let name = format!("yahpo:{}#{instance}", self.0.directory.display());
        let mut given = BTreeMap::new();
        for (option, value) in options {
            if *option != "target" && !facts.fidelities.contains(option) {
                return Err(self.unknown_option(option));
            }
            if given.insert(*option, *value).is_some() {
                return Err(Error::setting(name, option, "given once", "it twice"));
            }
        }
        let target = match given.get("target") {
            None => facts.main,
            Some(wanted) => self.find_target(wanted)?,
        };
        let mut values = vec![(facts.instance, self.find_instance(instance)?)];
        for fidelity in facts.fidelities {
            let domain = &space.parameters()[space.position(fidelity)?].domain;
            let value = match given.get(fidelity) {
                None => domain.from_unit(1.0),
                Some(text) => domain.parse(fidelity, text).map_err(|error| match error {
                    Error::Configuration { rule, found, .. } => {
                        let rule = rule.strip_prefix("must ").unwrap_or(&rule);
                        let rule = rule.strip_prefix("be ").unwrap_or(rule);
                        Error::setting(&name, fidelity, rule, found)
                    }
                    other => other,
                })?,
            };
            values.push((fidelity, value));
        }
        let path = self.0.directory.join("config_space.json");
        let remaining = config_space::fix(space, &values).map_err(Problem::of(&path))?;
        let path = self.0.directory.join("encoding.json");
        let (codes, numbers) = self.inputs(&remaining).map_err(Problem::of(&path))?;
        let in_order = ["target"].iter().chain(facts.fidelities);
        let options: String = in_order
            .filter_map(|option| Some(format!("+{option}={}", given.get(option)?)))
            .collect();
        Ok(Yahpo {
            scenario: self.clone(),
            name: name + &options,
            instance: instance.to_owned(),
            target,
            space: remaining.space,
            codes,
            numbers,
            spec: OnceLock::new(),
        })
    }

    fn unknown_option(&self, option: &str) -> Error {
        let Facts { name, fidelities, .. } = self.0.facts;
        let options: Vec<&str> = ["target"].iter().chain(*fidelities).copied().collect();
        let listed: Vec<String> = options.iter().map(|option| format!("`+{option}=`")).collect();
        let listing = format!(
            "`{name}` takes {}; `+noise=` and `+shift=` stand behind these",
            listed.join(", ")
        );
        Error::unknown("option", option, options, &listing)
    }

    fn find_target(&self, wanted: &str) -> Result<usize> {
        let Facts { name, targets, .. } = self.0.facts;
        targets.iter().position(|target| target.name == wanted).ok_or_else(|| {
            let names: Vec<&str> = targets.iter().map(|target| target.name).collect();
            let listing = format!("`{name}` has {}", names.join(", "));
            Error::unknown("target", wanted, names, &listing)
        })
    }

    fn find_instance(&self, wanted: &str) -> Result<Value> {
        let Inner { facts, space, .. } = &*self.0;
        let domain = &space.parameters()[space.position(facts.instance)?].domain;
        domain.parse(facts.instance, wanted).map_err(|_| {
            let known = self.instances();
            let listing = format!("`{}` has {} instances", facts.name, known.len());
            Error::unknown("instance", wanted, known.iter().map(String::as_str), &listing)
        })
    }

    /// Where the network's inputs come from.
    fn inputs(&self, remaining: &Remaining) -> Result<(Vec<Code>, Vec<Number>), Problem> {
        let Inner { facts, encoding, .. } = &*self.0;
        let find = |name: &str| {
            let parameters = remaining.space.parameters();
            let position = parameters.iter().position(|parameter| parameter.name == name)?;
            Some((position, &parameters[position]))
        };
        let code = |name: &&str| match find(name) {
            None => match remaining.fixed.get(*name) {
                Some(Some(choice)) => encoding.code(name, choice).map(Code::Fixed),
                _ => encoding.inactive(name).map(Code::Fixed),
            },
            Some((position, parameter)) => {
                let codes = match &parameter.domain {
                    Domain::Categorical { choices } => choices
                        .iter()
                        .map(|choice| encoding.code(name, choice))
                        .collect::<Result<_, _>>()?,
                    _ => Vec::new(),
                };
                let is_always_active = parameter.condition.is_empty();
                let inactive = if is_always_active { 0 } else { encoding.inactive(name)? };
                Ok(Code::Parameter { position, codes, inactive })
            }
        };
        let number = |name: &&str| match find(name) {
            None => {
                let choice = remaining.fixed.get(*name).and_then(Option::as_ref);
                choice
                    .map_or(Ok(INACTIVE_NUMBER), |choice| number_of(name, choice))
                    .map(Number::Fixed)
            }
            Some((position, parameter)) => {
                let values = match &parameter.domain {
                    Domain::Categorical { choices } => choices
                        .iter()
                        .map(|choice| number_of(name, choice))
                        .collect::<Result<_, _>>()?,
                    _ => Vec::new(),
                };
                Ok(Number::Parameter { position, values })
            }
        };
        Ok((
            facts.categorical.iter().map(code).collect::<Result<_, _>>()?,
            facts.numeric.iter().map(number).collect::<Result<_, _>>()?,
        ))
    }
}

/// The number of a numeric parameter that is inactive.
const INACTIVE_NUMBER: f32 = 0.0;

/// The number of an ordinal's choice.
fn number_of(name: &str, choice: &Choice) -> Result<f32, Problem> {
    match choice {
        Choice::Int(value) => Ok(*value as f32),
        Choice::Float(value) => Ok(*value as f32),
        other => {
            let place = format!("hyperparameter `{name}`");
            Err(Problem::new(place, "the network needs a number", format!("`{other}`")))
        }
    }
}

impl Facts {
    /// Refuses a space that is not of the scenario.
    fn check(&self, space: &SearchSpace) -> Result<(), Problem> {
        let find = |name: &str| space.parameters().iter().find(|known| known.name == name);
        let needed = |name: &str, rule: &str, fits: fn(&Domain) -> bool| {
            let place = format!("hyperparameter `{name}`");
            match find(name) {
                Some(parameter) if fits(&parameter.domain) => Ok(()),
                Some(_) => Err(Problem::new(place, rule, "another type")),
                None => Err(Problem::new(place, format!("`{}` needs it", self.name), "none")),
            }
        };
        let is_categorical = |domain: &Domain| matches!(domain, Domain::Categorical { .. });
        let is_numeric = |domain: &Domain| !matches!(domain, Domain::Categorical { .. });
        needed(self.instance, "an instance must be categorical", is_categorical)?;
        for name in self.categorical {
            needed(name, "the network needs a category", is_categorical)?;
        }
        for name in self.numeric {
            needed(name, "the network needs a number", |_| true)?;
        }
        for name in self.fidelities {
            needed(name, "a fidelity must be a number", is_numeric)?;
        }
        let is_known = |name: &str| {
            name == self.instance
                || self.categorical.contains(&name)
                || self.numeric.contains(&name)
        };
        match space.parameters().iter().find(|parameter| !is_known(&parameter.name)) {
            None => Ok(()),
            Some(other) => Err(Problem::new(
                format!("hyperparameter `{}`", other.name),
                format!("must be an input of `{}`", self.name),
                "an unknown name",
            )),
        }
    }

    /// Refuses a network that is not of the scenario.
    fn check_network(&self, network: Network) -> Result<Network, Problem> {
        let needed = [self.categorical.len(), self.numeric.len(), self.targets.len()];
        let found = [network.codes(), network.numbers(), network.outputs()];
        if needed == found {
            return Ok(network);
        }
        let text = |[categories, numbers, targets]: [usize; 3]| {
            format!("{categories} categories, {numbers} numbers and {targets} targets")
        };
        let rule = format!("the network of `{}` must have {}", self.name, text(needed));
        Err(Problem::new("graph", rule, text(found)))
    }
}

/// Where a code of the network's input comes from.
#[derive(Debug)]
enum Code {
    Fixed(i64),
    Parameter {
        position: usize,
        /// By choice.
        codes: Vec<i64>,
        inactive: i64,
    },
}

/// Where a number of the network's input comes from.
#[derive(Debug)]
enum Number {
    Fixed(f32),
    Parameter {
        position: usize,
        /// By choice, of an ordinal.
        values: Vec<f32>,
    },
}

/// An instance of a scenario, with one target to tune and all of them to look at.
///
/// ```
/// use hyperq::surface::Surface;
/// # let Ok(data) = std::env::var("HYPERQ_DATA") else { return Ok(()) };
/// # let directory = format!("{data}/yahpo");
/// let name = format!("yahpo:{directory}/iaml_glmnet#1067+target=auc");
/// let surface = &hyperq::surface::open(&name)?[0];
/// assert_eq!(surface.spec().name, name);
/// assert_eq!(surface.spec().objective, "auc");
/// # Ok::<(), hyperq::Error>(())
/// ```
#[derive(Debug)]
pub struct Yahpo {
    scenario: Scenario,
    name: String,
    instance: String,
    target: usize,
    space: SearchSpace,
    codes: Vec<Code>,
    numbers: Vec<Number>,
    /// Its range takes thousands of evaluations.
    spec: OnceLock<Spec>,
}

impl Yahpo {
    /// The search space.
    pub fn space(&self) -> &SearchSpace {
        &self.space
    }

    /// All targets, in the order of [`Yahpo::evaluate_all`].
    pub fn targets(&self) -> &'static [Target] {
        self.scenario.targets()
    }

    /// The target that is tuned.
    pub fn target(&self) -> &'static Target {
        &self.targets()[self.target]
    }

    /// The values of all targets, each in its own unit.
    ///
    /// # Errors
    ///
    /// [`Error::Evaluation`] for a configuration of another space, for a code that the network lacks, and
    /// where a value is no finite number.
    pub fn evaluate_all(&self, configuration: &Configuration) -> Result<Vec<f64>> {
        let values = self.predict(configuration)?;
        (0..values.len()).map(|target| self.finite(&values, target)).collect()
    }

    fn predict(&self, configuration: &Configuration) -> Result<Vec<f32>> {
        if configuration.space() != &self.space {
            return Err(Error::Evaluation(format!(
                "`{}` needs a configuration of its own space, found {configuration}",
                self.name
            )));
        }
        let values = configuration.values();
        let codes: Vec<i64> = self.codes.iter().map(|code| code.of(values)).collect();
        let numbers: Vec<f32> = self.numbers.iter().map(|number| number.of(values)).collect();
        self.scenario
            .0
            .network
            .evaluate(&codes, &numbers)
            .map_err(|problem| Error::Evaluation(format!("`{}`: {problem}", self.name)))
    }

    fn finite(&self, values: &[f32], target: usize) -> Result<f64> {
        let value = f64::from(values[target]);
        if value.is_finite() {
            return Ok(value);
        }
        let target = self.targets()[target].name;
        Err(Error::Evaluation(format!("`{}`: {target} must be finite, found {value}", self.name)))
    }

    fn describe(&self) -> Spec {
        let Target { name: objective, direction } = *self.target();
        let range = searched_range(&self.name, &self.space, direction, POINTS, |at| {
            self.finite(&self.predict(at)?, self.target)
        });
        Spec {
            name: self.name.clone(),
            description: format!(
                "YAHPO Gym's `{}`, instance {}: {objective}",
                self.scenario.name(),
                self.instance
            ),
            space: self.space.clone(),
            direction,
            objective: objective.to_owned(),
            optimum: None,
            // Without one finite value there is no range; each evaluation then says why.
            range: range.ok(),
            grid: None,
            meta_features: Vec::new(),
        }
    }
}

impl Code {
    fn of(&self, values: &[Option<Value>]) -> i64 {
        match self {
            Self::Fixed(code) => *code,
            Self::Parameter { position, codes, inactive } => match values[*position] {
                Some(Value::Category(choice)) => codes[choice],
                _ => *inactive,
            },
        }
    }
}

impl Number {
    fn of(&self, values: &[Option<Value>]) -> f32 {
        match self {
            Self::Fixed(number) => *number,
            Self::Parameter { position, values: of_choices } => match values[*position] {
                Some(Value::Float(value)) => value as f32,
                Some(Value::Int(value)) => value as f32,
                Some(Value::Category(choice)) => of_choices[choice],
                None => INACTIVE_NUMBER,
            },
        }
    }
}

impl Surface for Yahpo {
    fn spec(&self) -> &Spec {
        self.spec.get_or_init(|| self.describe())
    }

    fn evaluate(&self, configuration: &Configuration, _rng: &mut Generator) -> Result<f64> {
        self.finite(&self.predict(configuration)?, self.target)
    }
}
