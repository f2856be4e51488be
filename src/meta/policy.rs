//! Policies: trained agents on disk.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::learner::{MetaAgent, MetaLearner};
use crate::error::{Error, Result};
use crate::explore::Selection;
use crate::optimizer::{Context, Optimizer, Problem};
use crate::persist::{Persist, Snapshot, write_atomically};
use crate::space::{Configuration, Grid, SearchSpace};
use crate::streams::{Streams, fnv1a};
use crate::trial::{Direction, Trial};

/// The format's number; a change that old readers would misread raises it.
const FORMAT: u32 = 1;
/// The file that makes a directory a policy.
pub(super) const FILE: &str = "policy.json";
/// The path under which the learner writes.
const LEARNER: &str = "learner";

/// What a policy was trained on, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The agent's name.
    pub name: String,
    /// The agent's settings.
    pub agent: MetaAgent,
    /// The name of the corpus.
    pub corpus: String,
    /// What the objective is, such as `accuracy`.
    pub objective: String,
    /// Whether it is minimized or maximized.
    pub direction: Direction,
    /// The tasks that it was trained on.
    pub tasks: Vec<String>,
    /// The number of meta-features of a task.
    pub meta_features: usize,
    /// A checksum of the tables and meta-features, so that training resumes on the same ones.
    pub fingerprint: String,
    /// The seed of the training.
    pub seed: u64,
    /// The steps that training takes.
    pub steps: u64,
    /// The version of this crate that trained it.
    pub version: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    format: u32,
    /// The steps taken so far; below `steps` this is a checkpoint.
    step: u64,
    provenance: Provenance,
    space: SearchSpace,
    grid: Vec<serde_json::Value>,
    weights: String,
    /// Of the weights and the state.
    checksum: String,
    state: BTreeMap<String, serde_json::Value>,
}

/// What every format has in common.
#[derive(Deserialize)]
struct FormatNumber {
    format: u32,
}

/// A trained agent.
///
/// On disk it is a directory: `policy.json` (what it was trained on and the small state),
/// `weights-<step>.safetensors` (arrays) and `README.md` (the model card, for people).
///
/// ```
/// use hyperq::meta::{Corpus, MetaAgent, Policy, Training};
/// use hyperq::prelude::*;
/// # let directory = tempfile::tempdir().unwrap();
/// # let corpus_directory = directory.path();
/// # std::fs::create_dir(corpus_directory.join("tasks")).unwrap();
/// # std::fs::write(corpus_directory.join("space.json"), r#"{"name": "ridge", "objective": {"name": "error",
/// #   "direction": "minimize"}, "parameters": [{"name": "alpha", "type": "float", "low": 1e-3,
/// #   "high": 10.0, "log": true}]}"#).unwrap();
/// # std::fs::write(corpus_directory.join("tasks/wine.csv"), "alpha,error\n0.01,0.25\n1,0.5\n").unwrap();
/// # std::fs::write(corpus_directory.join("tasks/iris.csv"), "alpha,error\n0.01,0.3\n1,0.4\n").unwrap();
/// # let policy_directory = directory.path().join("policy");
/// let corpus = Corpus::read(corpus_directory)?;
/// let agent = MetaAgent::named("prior-ucb")?;
/// Training::new("prior-ucb", &agent, &corpus, 1)?.finish()?.save(&policy_directory)?;
///
/// let policy = Policy::load(&policy_directory)?;
/// let mut study = Study::builder(policy.space().clone()).policy(&policy_directory).seed(7).build()?;
/// study.optimize(5, |trial| trial.float("alpha").map(|alpha| (alpha.ln() + 3.0).abs()))?;
/// assert_eq!(study.history().len(), 5);
/// # Ok::<(), hyperq::Error>(())
/// ```
#[derive(Clone)]
pub struct Policy {
    provenance: Provenance,
    grid: Arc<Grid>,
    learner: Arc<dyn MetaLearner>,
    /// Of the files that it was read from.
    checksum: Option<String>,
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policy").field("provenance", &self.provenance).finish_non_exhaustive()
    }
}

impl Policy {
    pub(super) fn new(
        provenance: Provenance,
        grid: Arc<Grid>,
        learner: Arc<dyn MetaLearner>,
    ) -> Self {
        Self { provenance, grid, learner, checksum: None }
    }

    /// Reads a policy.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where a file is missing; [`Error::Snapshot`] where one is damaged, of another format or of
    /// a training that has not come to its end.
    pub fn load(directory: impl AsRef<Path>) -> Result<Self> {
        let directory = directory.as_ref();
        let Stored { step, provenance, grid, learner, checksum } = Stored::read(directory, None)?;
        if step < provenance.steps {
            return Err(Error::snapshot(
                directory.join(FILE).display().to_string(),
                format!(
                    "is a checkpoint: training stopped after step {step} of {}; `hyperq train` with the same \
                     options goes on",
                    provenance.steps
                ),
            ));
        }
        Ok(Self { provenance, grid, learner: Arc::from(learner), checksum: Some(checksum) })
    }

    /// Writes the policy into a directory, which is made where it is missing.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the directory cannot be written.
    pub fn save(&self, directory: impl AsRef<Path>) -> Result<()> {
        let directory = directory.as_ref();
        let step = self.provenance.steps;
        write(directory, step, &self.provenance, &self.grid, self.learner.as_ref())?;
        write_atomically(&directory.join("README.md"), self.model_card().as_bytes())
    }

    /// What the policy was trained on, and how.
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// What training found, a sentence each.
    pub fn findings(&self) -> Vec<String> {
        self.learner.findings()
    }

    /// The search space that the policy tunes.
    pub fn space(&self) -> &SearchSpace {
        self.grid.space()
    }

    /// An optimizer that tunes a new task; `streams` are those of its study. With `fine_tune` the agent goes on
    /// learning from the new task's trials where that differs from taking them into account.
    ///
    /// # Errors
    ///
    /// [`Error::Unsuited`] where the problem's space, direction or number of meta-features is not the
    /// policy's, with the difference.
    pub fn optimizer(
        &self,
        problem: &Problem,
        streams: Streams,
        fine_tune: bool,
    ) -> Result<Box<dyn Optimizer>> {
        self.check(problem)?;
        let optimizer = Arc::clone(&self.learner).optimizer(problem, streams, fine_tune)?;
        Ok(match self.checksum.clone() {
            Some(checksum) => Box::new(Sealed { optimizer, checksum }),
            None => optimizer,
        })
    }

    fn check(&self, problem: &Problem) -> Result<()> {
        let refuse = |reason: String| {
            Err(Error::unsuited(
                format!("a study with the policy `{}`", self.provenance.name),
                reason,
            ))
        };
        if let Some(difference) = difference(self.space(), &problem.space) {
            return refuse(difference);
        }
        let trained = self.provenance.direction;
        if problem.direction != trained {
            let words = |direction| match direction {
                Direction::Minimize => "minimizes",
                Direction::Maximize => "maximizes",
            };
            return refuse(format!(
                "the policy {} `{}`, the study {} its objective",
                words(trained),
                self.provenance.objective,
                words(problem.direction)
            ));
        }
        let (theirs, ours) = (problem.meta_features.len(), self.provenance.meta_features);
        if theirs != 0 && theirs != ours {
            return refuse(format!(
                "the policy was trained with {ours} meta-features, the study has {theirs}"
            ));
        }
        Ok(())
    }

    /// The model card: what was trained, on what, and when to use it.
    pub fn model_card(&self) -> String {
        let Provenance { name, corpus, objective, direction, tasks, seed, steps, version, .. } =
            &self.provenance;
        let mut card = format!(
            "# Policy `{name}`\n\nA hyperparameter tuner trained by hyperq {version} on the corpus `{corpus}`: \
             {} tasks, {} configurations, to {direction} `{objective}`.\n\n",
            tasks.len(),
            self.grid.len()
        );
        card.push_str("## When to use it\n\n");
        let _ = writeln!(
            card,
            "For a new data set of the same kind, with exactly the parameters below and the same objective. \
             Its first trials rely on the new data set resembling the ones below; the page on transfer in \
             hyperq's manual says on which kinds of tasks this paid and on which it did not. Its {} \
             meta-features, computed and ordered as those of the training tasks were, make the first trials \
             better; without them every training task counts alike.\n",
            self.provenance.meta_features
        );
        card.push_str("## Parameters\n\n");
        for parameter in self.space().parameters() {
            let json = serde_json::to_string(parameter).unwrap_or_default();
            let _ = writeln!(card, "- `{json}`");
        }
        let _ = writeln!(card, "\n## Training\n\nSeed {seed}, {steps} steps.\n");
        for finding in self.learner.findings() {
            let _ = writeln!(card, "{finding}\n");
        }
        let _ = writeln!(card, "Tasks: {}.", tasks.join(", "));
        card
    }
}

/// A policy or a checkpoint as it was read.
pub(super) struct Stored {
    pub step: u64,
    pub provenance: Provenance,
    pub grid: Arc<Grid>,
    pub learner: Box<dyn MetaLearner>,
    pub checksum: String,
}

impl Stored {
    /// Reads a directory. The state is loaded into `learner`, or into a new one of the stored agent.
    pub fn read(directory: &Path, learner: Option<Box<dyn MetaLearner>>) -> Result<Self> {
        let path = directory.join(FILE);
        let damaged = |problem: String| Error::snapshot(path.display().to_string(), problem);
        let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
        let FormatNumber { format } =
            serde_json::from_str(&text).map_err(|e| damaged(e.to_string()))?;
        if format != FORMAT {
            return Err(damaged(format!("has format {format}; this version reads {FORMAT}")));
        }
        let file: PolicyFile = serde_json::from_str(&text).map_err(|e| damaged(e.to_string()))?;
        let plain = |name: &str| !name.contains(['/', '\\']) && name.ends_with(".safetensors");
        if !plain(&file.weights) {
            return Err(damaged(format!(
                "`weights` must be a file beside it, found `{}`",
                file.weights
            )));
        }
        let weights_path = directory.join(&file.weights);
        let weights = std::fs::read(&weights_path).map_err(Error::io(&weights_path))?;
        let found = checksum(&weights, &file.state)?;
        if found != file.checksum {
            return Err(damaged(format!(
                "or `{}` is damaged: the checksum is {found}, it must be {}",
                file.weights, file.checksum
            )));
        }
        let rows = file
            .grid
            .iter()
            .map(|row| Configuration::from_json(&file.space, row))
            .collect::<Result<_>>()?;
        let grid = Arc::new(Grid::from_configurations(&file.space, rows)?);
        let mut learner = match learner {
            Some(learner) => learner,
            None => {
                let provenance = &file.provenance;
                let streams = Streams::new(provenance.seed);
                provenance.agent.untrained(Arc::clone(&grid), provenance.meta_features, streams)?
            }
        };
        learner.load(LEARNER, &Snapshot::from_parts(file.state, &weights)?)?;
        Ok(Self {
            step: file.step,
            provenance: file.provenance,
            grid,
            learner,
            checksum: file.checksum,
        })
    }
}

/// Writes a policy or a checkpoint: the weights under a new name first, then the file that names them.
pub(super) fn write(
    directory: &Path,
    step: u64,
    provenance: &Provenance,
    grid: &Grid,
    learner: &dyn MetaLearner,
) -> Result<()> {
    std::fs::create_dir_all(directory).map_err(Error::io(directory))?;
    let mut snapshot = Snapshot::default();
    learner.save(LEARNER, &mut snapshot)?;
    let json = |configuration: &Configuration| {
        serde_json::to_value(configuration).map_err(|e| Error::snapshot("grid", e.to_string()))
    };
    let weights = snapshot.arrays_to_bytes()?;
    let name = weights_name(step);
    let file = PolicyFile {
        format: FORMAT,
        step,
        provenance: provenance.clone(),
        space: grid.space().clone(),
        grid: grid.configurations().iter().map(json).collect::<Result<_>>()?,
        checksum: checksum(&weights, snapshot.json())?,
        weights: name.clone(),
        state: snapshot.json().clone(),
    };
    write_atomically(&directory.join(&name), &weights)?;
    let text =
        serde_json::to_string_pretty(&file).map_err(|e| Error::snapshot(FILE, e.to_string()))?;
    write_atomically(&directory.join(FILE), text.as_bytes())?;
    // The weights of earlier checkpoints. One that stays behind does no harm.
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let other = entry.file_name().to_string_lossy().into_owned();
        if other != name && other.starts_with("weights-") && other.ends_with(".safetensors") {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    Ok(())
}

fn weights_name(step: u64) -> String {
    format!("weights-{step}.safetensors")
}

fn checksum(weights: &[u8], state: &BTreeMap<String, serde_json::Value>) -> Result<String> {
    let json = serde_json::to_vec(state).map_err(|e| Error::snapshot("state", e.to_string()))?;
    Ok(format!("{:016x}{:016x}", fnv1a(weights), fnv1a(&json)))
}

/// What the first difference between two spaces is; `None` where they are equal.
fn difference(trained: &SearchSpace, given: &SearchSpace) -> Option<String> {
    if trained == given {
        return None;
    }
    let json = |parameter: &crate::space::Parameter| {
        serde_json::to_string(parameter).unwrap_or_else(|_| parameter.name.clone())
    };
    let (ours, theirs) = (trained.parameters(), given.parameters());
    if let Some(lacking) = ours.iter().find(|p| theirs.iter().all(|other| other.name != p.name)) {
        return Some(format!(
            "the policy was trained on another space: the study lacks the parameter `{}`",
            lacking.name
        ));
    }
    if let Some(unknown) = theirs.iter().find(|p| ours.iter().all(|other| other.name != p.name)) {
        return Some(format!(
            "the policy was trained on another space: it does not know the parameter `{}`",
            unknown.name
        ));
    }
    let differing = ours.iter().zip(theirs).find(|(ours, theirs)| ours != theirs);
    Some(match differing {
        Some((ours, theirs)) if ours.name == theirs.name => format!(
            "the policy was trained on another space: its `{}` is {}, the study's {}",
            ours.name,
            json(ours),
            json(theirs)
        ),
        _ => "the policy was trained on a space with another order of parameters".to_owned(),
    })
}

/// An optimizer of a policy on disk. A study that was saved with it goes on with the same policy only, since its
/// trials would not be those of the one that lies there now.
struct Sealed {
    optimizer: Box<dyn Optimizer>,
    checksum: String,
}

impl Optimizer for Sealed {
    fn ask(&mut self, cx: &Context<'_>) -> Result<Configuration> {
        self.optimizer.ask(cx)
    }

    fn tell(&mut self, trial: &Trial, cx: &Context<'_>) -> Result<()> {
        self.optimizer.tell(trial, cx)
    }

    fn selection(&self) -> Option<Selection> {
        self.optimizer.selection()
    }
}

impl Persist for Sealed {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        snapshot.put(at, "policy", &self.checksum)?;
        self.optimizer.save(at, snapshot)
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        let saved: String = snapshot.get(at, "policy")?;
        if saved != self.checksum {
            return Err(Error::snapshot(
                format!("{at}/policy"),
                format!(
                    "is {saved}: the study was saved with another policy than the present {}",
                    self.checksum
                ),
            ));
        }
        self.optimizer.load(at, snapshot)
    }
}

/// A policy at work in a study, as plain data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PolicyStudy {
    /// The policy's directory.
    pub directory: PathBuf,
    /// Whether the agent goes on learning from the study's trials.
    #[serde(default)]
    pub fine_tune: bool,
}
