//! `hyperq tune`.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::Args;
use hyperq::command::{CommandTemplate, Decision, Ending, Limits, Report};
use hyperq::experiment::config::Config;
use hyperq::prune::PrunerConfig;
use hyperq::space::SpaceDocument;
use hyperq::storage::{METRIC_NAMES, STDERR, Storage, TrialState};
use hyperq::strategy::Strategy;
use hyperq::study::{Evaluated, Stop, Study, Suggestion};
use hyperq::trial::Direction;

use super::best::best_of;
use super::compare::cancelled_by_interrupt;
use super::storage::{StudyOptions, open};
use super::trial_progress::TrialProgress;
use super::{Failure, print, warm_start};

/// Tune any program: run it with the configurations of a search space and find the best
///
/// `{name}` in the command's arguments is replaced by a parameter's value; the environment has
/// HYPERQ_PARAM_<NAME>, HYPERQ_CONFIGURATION (JSON) and HYPERQ_TRIAL. What counts is the last number that the
/// program prints, or its last line {"score": 0.9}; lines {"score": 0.8, "step": 3} report
/// intermediate values. The study is a file that Optuna and its dashboard open. The same command again goes on
/// where it stopped; several at the same time share the work.
#[derive(Args)]
pub struct Tune {
    #[command(flatten)]
    problem: ProblemOptions,
    /// Finished trials of the study at which to stop, those of earlier runs and other workers included
    #[arg(long, value_name = "N")]
    trials: usize,
    /// Where the study is kept [default: the space's name with .log, in the current directory]
    #[arg(long, value_name = "FILE.log|grpc://HOST:PORT")]
    study: Option<PathBuf>,
    /// Begin with the complete trials of another study or of a CSV file, as `hyperq surfaces import` reads them;
    /// they count among --trials
    #[arg(long, value_name = "FILE.log[#STUDY]|FILE.csv|grpc://HOST:PORT[#STUDY]")]
    warm_start: Option<PathBuf>,
    /// Programs at the same time
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
    /// Seconds after which an evaluation is ended and counts as failed
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    timeout: Option<f64>,
    /// Who ends evaluations that promise little: none, median, successive-halving, hyperband or patience
    #[arg(long, value_name = "NAME", default_value = "none")]
    pruner: String,
    /// Keep what every evaluation printed, in this directory
    #[arg(long, value_name = "DIR")]
    logs: Option<PathBuf>,
    /// Go on with the study where it exists (the default)
    #[arg(long, overrides_with = "no_resume")]
    resume: bool,
    /// Refuse to go on with a study that exists
    #[arg(long)]
    no_resume: bool,
    /// No progress on stderr
    #[arg(long)]
    quiet: bool,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// What is tuned and by whom.
#[derive(Args)]
pub(super) struct ProblemOptions {
    /// The search space: parameters and objective
    #[arg(long, value_name = "space.json")]
    pub(super) space: PathBuf,
    /// A registered strategy (`hyperq strategies` lists them) or one that the configuration file defines
    #[arg(long, value_name = "NAME", conflicts_with = "policy")]
    strategy: Option<String>,
    /// A trained policy
    #[arg(long, value_name = "DIR")]
    policy: Option<PathBuf>,
    /// Read strategies with settings from a file; without --strategy it must define one
    #[arg(long, value_name = "FILE.toml", conflicts_with = "policy")]
    config: Option<PathBuf>,
    /// The study's name [default: the space's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Overrides the direction of the space's objective
    #[arg(long, value_name = "minimize|maximize", value_parser = direction)]
    direction: Option<Direction>,
    /// One of several objectives, in place of the space's; repeatable, in the order in which they are printed
    #[arg(long = "objective", value_name = "NAME:DIRECTION", value_parser = objective, conflicts_with = "direction")]
    objectives: Vec<(String, Direction)>,
    /// The seed of all choices
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
}

pub(super) fn direction(text: &str) -> Result<Direction, String> {
    match text {
        "minimize" => Ok(Direction::Minimize),
        "maximize" => Ok(Direction::Maximize),
        _ => Err("must be minimize or maximize".to_owned()),
    }
}

fn objective(text: &str) -> Result<(String, Direction), String> {
    let (name, sense) = text.rsplit_once(':').ok_or("must be NAME:minimize or NAME:maximize")?;
    Ok((name.to_owned(), direction(sense)?))
}

/// A problem that was read.
pub(super) struct ProblemRead {
    pub(super) document: SpaceDocument,
    pub(super) name: String,
    pub(super) objectives: Vec<(String, Direction)>,
    strategy: Strategy,
    seed: u64,
}

impl ProblemOptions {
    pub(super) fn read(&self) -> Result<ProblemRead, Failure> {
        let document = SpaceDocument::read(&self.space).map_err(Failure::usage)?;
        let objectives = if self.objectives.is_empty() {
            let objective = &document.objective;
            vec![(objective.name.clone(), self.direction.unwrap_or(objective.direction))]
        } else {
            self.objectives.clone()
        };
        let name = self.name.clone().unwrap_or_else(|| document.name.clone());
        let strategy = self.strategy()?;
        Ok(ProblemRead { document, name, objectives, strategy, seed: self.seed })
    }

    fn strategy(&self) -> Result<Strategy, Failure> {
        if let Some(directory) = &self.policy {
            return Ok(Strategy::Policy(hyperq::meta::PolicyStudy {
                directory: directory.clone(),
                fine_tune: false,
            }));
        }
        let config = match &self.config {
            Some(path) => Config::read(path).map_err(Failure::usage)?,
            None => Config::default(),
        };
        match (&self.strategy, config.strategies.as_slice(), &self.config) {
            (Some(name), _, _) => Ok(config.entrant(name).map_err(Failure::usage)?.strategy),
            (None, _, None) => Ok(Strategy::default()),
            (None, [only], _) => Ok(only.strategy.clone()),
            (None, several, Some(path)) => Err(Failure::Usage(format!(
                "{}: it defines {} strategies; choose one with --strategy",
                path.display(),
                several.len()
            ))),
        }
    }
}

impl ProblemRead {
    /// The study in a storage, where its trials end.
    pub(super) fn study(
        &self,
        mut storage: Box<dyn Storage>,
        choices: impl FnOnce(hyperq::study::StudyBuilder) -> hyperq::study::StudyBuilder,
    ) -> Result<Study, Failure> {
        let new = !storage.studies().map_err(Failure::failed)?.contains(&self.name);
        let directions: Vec<Direction> = self.objectives.iter().map(|(_, d)| *d).collect();
        if new {
            storage.bind(&self.name, Some(&directions)).map_err(Failure::failed)?;
            let names: Vec<&str> = self.objectives.iter().map(|(name, _)| name.as_str()).collect();
            storage.set_attribute(METRIC_NAMES, names.into()).map_err(Failure::failed)?;
        }
        let builder = Study::builder(self.document.parameters.clone())
            .objectives(directions)
            .configured(self.strategy.clone())
            .seed(self.seed)
            .name(&self.name)
            .boxed_storage(storage);
        choices(builder).build().map_err(Failure::usage)
    }
}

impl Tune {
    /// Tunes until the trials are finished or the user stops it.
    pub fn run(&self) -> Result<(), Failure> {
        let problem = self.problem.read()?;
        let template = CommandTemplate::new(self.command.clone(), &problem.document.parameters)
            .map_err(Failure::usage)?;
        let limits = self.limits()?;
        let path = match &self.study {
            Some(path) => path.clone(),
            None => PathBuf::from(format!("{}.log", problem.name.replace(['/', ' '], "-"))),
        };
        let pruner = PrunerConfig::named(&self.pruner).map_err(Failure::usage)?;
        if self.jobs == 0 {
            return Err(Failure::usage("--jobs must be at least 1, found 0"));
        }
        let history = match &self.warm_start {
            Some(source) => Some(warm_start::read(source, &problem)?),
            None => None,
        };
        let mut storage = open(&path)?;
        if self.no_resume
            && !self.resume
            && storage.studies().map_err(Failure::failed)?.contains(&problem.name)
        {
            return Err(Failure::Usage(format!(
                "{}: the study `{}` exists already, and --no-resume was given",
                path.display(),
                problem.name
            )));
        }
        let mut study = problem.study(storage, |builder| {
            builder.budget(self.trials).stop(Stop::Trials(self.trials)).pruner(pruner)
        })?;
        let told = match &history {
            Some(history) => Some(warm_start::tell(&mut study, history, self.trials)?),
            None => None,
        };
        let cancel = cancelled_by_interrupt()?;
        let progress = TrialProgress::new(self.quiet, &study, self.trials, self.jobs, &path);
        if let Some(told) = &told {
            progress.say(told);
        }
        let desk = Desk {
            study: Mutex::new(study),
            running: AtomicUsize::new(0),
            progress,
            cancel: &cancel,
        };
        let work = || desk.work(&template, &limits);
        let outcome = std::thread::scope(|scope| {
            let threads: Vec<_> = (1..self.jobs).map(|_| scope.spawn(work)).collect();
            let first = work();
            threads.into_iter().fold(first, |outcome, thread| {
                outcome.and(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            })
        });
        desk.progress.finish();
        desk.lock().checkpoint().map_err(Failure::failed)?;
        outcome?;
        self.conclude(&desk, &path, &problem)
    }

    fn limits(&self) -> Result<Limits, Failure> {
        let timeout = match self.timeout {
            None => None,
            Some(seconds) => Some(
                Duration::try_from_secs_f64(seconds).ok().filter(|d| !d.is_zero()).ok_or_else(
                    || {
                        Failure::Usage(format!(
                            "--timeout must be a positive number of seconds, found {seconds}"
                        ))
                    },
                )?,
            ),
        };
        let objectives = self.problem.objectives.len().max(1);
        Ok(Limits { timeout, objectives, output: self.logs.clone(), ..Limits::default() })
    }

    fn conclude(&self, desk: &Desk<'_>, path: &Path, problem: &ProblemRead) -> Result<(), Failure> {
        if desk.cancel.load(Ordering::Relaxed) {
            desk.progress.say(&format!(
                "interrupted after {} trials; the same command goes on from there",
                desk.lock().history().len()
            ));
        }
        let options = StudyOptions { study: path.to_owned(), name: Some(problem.name.clone()) };
        let best = best_of(&options)?;
        print(&best.table())?;
        print(&format!("{}\n", best.json()))?;
        if desk.cancel.load(Ordering::Relaxed) { Err(Failure::Interrupted) } else { Ok(()) }
    }
}

/// What the threads share.
struct Desk<'a> {
    study: Mutex<Study>,
    /// Programs that run.
    running: AtomicUsize,
    progress: TrialProgress,
    cancel: &'a AtomicBool,
}

impl Desk<'_> {
    /// Evaluations run outside of the lock, so a panic in one cannot leave the study half changed.
    fn lock(&self) -> MutexGuard<'_, Study> {
        self.study.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, template: &CommandTemplate, limits: &Limits) -> Result<(), Failure> {
        let outcome = self.work_until_error(template, limits);
        if outcome.is_err() {
            // The other threads end their evaluations and leave them to the next run.
            self.cancel.store(true, Ordering::Relaxed);
        }
        outcome
    }

    fn work_until_error(&self, template: &CommandTemplate, limits: &Limits) -> Result<(), Failure> {
        loop {
            let suggestion = {
                let mut study = self.lock();
                // Counted while the study is locked.
                let running = self.running.load(Ordering::Relaxed);
                let enough = study.stopped(Duration::ZERO, running).is_some();
                if enough || self.cancel.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let suggestion = study.ask().map_err(Failure::failed)?;
                self.running.fetch_add(1, Ordering::Relaxed);
                suggestion
            };
            let goes_on = self.evaluate(template, limits, &suggestion);
            self.running.fetch_sub(1, Ordering::Relaxed);
            if !goes_on? {
                return Ok(());
            }
        }
    }

    /// Runs the command of a trial and tells the study; `false` where the user stopped it.
    fn evaluate(
        &self,
        template: &CommandTemplate,
        limits: &Limits,
        suggestion: &Suggestion,
    ) -> Result<bool, Failure> {
        let id = suggestion.id;
        let mut report = |report: Report| {
            let mut study = self.lock();
            // Optuna has intermediate values of one objective only.
            let [value] = report.values.as_slice() else { return Ok(Decision::Continue) };
            study.report(id, report.step, *value)?;
            Ok(if study.should_prune(id) { Decision::Prune } else { Decision::Continue })
        };
        let run = template
            .run(id.0, &suggestion.configuration, limits, self.cancel, &mut report)
            .map_err(Failure::failed)?;
        let evaluated = match run.ending {
            Ending::Interrupted => return Ok(false),
            Ending::Complete(values) => Evaluated::Values(values),
            Ending::Pruned { .. } => Evaluated::Pruned,
            Ending::Failed(failure) => Evaluated::Failed(failure.to_string()),
        };
        let mut attributes = run.attributes;
        if matches!(evaluated, Evaluated::Failed(_)) && !run.errors.is_empty() {
            attributes.insert(STDERR.to_owned(), run.errors.into());
        }
        let mut study = self.lock();
        if !attributes.is_empty() {
            study.annotate(id, attributes).map_err(Failure::failed)?;
        }
        study.finish(id, evaluated).map_err(Failure::failed)?;
        if study.record(id).is_some_and(|record| record.state == TrialState::Failed) {
            self.progress.failed(&study, id);
        }
        self.progress.show(&study);
        Ok(true)
    }
}
