//! Evaluating trials: one after the other, or on several threads.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::{Evaluated, IntoEvaluated, Study, Suggestion};
use crate::error::{Error, Result};
use crate::trial::TrialId;

/// A trial under evaluation. It reads like its configuration and takes intermediate values.
///
/// ```
/// use hyperq::prelude::*;
/// use hyperq::prune::PrunerConfig;
/// use hyperq::study::Evaluated;
///
/// let space = SearchSpace::new([Parameter::float("rate", 0.0, 1.0)])?;
/// let mut study =
///     Study::builder(space).pruner(PrunerConfig::named("median")?).seed(3).build()?;
/// study.optimize(20, |trial| -> Result<Evaluated> {
///     let mut error = 1.0;
///     for epoch in 1..=10 {
///         error *= 1.0 - 0.1 * trial.float("rate")?;
///         trial.report(epoch, error)?;
///         if trial.should_prune() {
///             return Ok(Evaluated::Pruned);
///         }
///     }
///     Ok(Evaluated::Values(vec![error]))
/// })?;
/// # Ok::<(), hyperq::Error>(())
/// ```
pub struct Evaluation<'a> {
    suggestion: Suggestion,
    study: &'a dyn Desk,
}

impl std::fmt::Debug for Evaluation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.suggestion.fmt(f)
    }
}

impl std::ops::Deref for Evaluation<'_> {
    type Target = Suggestion;

    fn deref(&self) -> &Suggestion {
        &self.suggestion
    }
}

impl Evaluation<'_> {
    /// Reports an intermediate value; see [`Study::report`].
    ///
    /// # Errors
    ///
    /// As [`Study::report`].
    pub fn report(&self, step: u32, value: f64) -> Result<()> {
        self.study.report(self.suggestion.id, step, value)
    }

    /// Whether the study's pruner would give this trial up. An objective that follows returns
    /// [`Evaluated::Pruned`].
    pub fn should_prune(&self) -> bool {
        self.study.should_prune(self.suggestion.id)
    }
}

/// The study as its evaluations see it.
trait Desk: Sync {
    fn report(&self, id: TrialId, step: u32, value: f64) -> Result<()>;
    fn should_prune(&self, id: TrialId) -> bool;
}

impl Desk for Mutex<&mut Study> {
    fn report(&self, id: TrialId, step: u32, value: f64) -> Result<()> {
        lock(self).report(id, step, value)
    }

    fn should_prune(&self, id: TrialId) -> bool {
        lock(self).should_prune(id)
    }
}

/// Objectives run outside of the lock, so a panic in one cannot leave the study half changed.
fn lock<'a, 's>(study: &'a Mutex<&'s mut Study>) -> MutexGuard<'a, &'s mut Study> {
    study.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Study {
    /// Asks, evaluates and tells `trials` times, one after the other, or until a criterion for stopping
    /// holds.
    ///
    /// The objective returns what [`IntoEvaluated`] takes. An error, a number that is not finite and a
    /// panic are recorded as failed trials, and the study goes on.
    ///
    /// # Errors
    ///
    /// What the optimizer and the storage report.
    pub fn optimize<O: IntoEvaluated>(
        &mut self,
        trials: usize,
        mut objective: impl FnMut(&Evaluation<'_>) -> O,
    ) -> Result<()> {
        let begun = Instant::now();
        let study = Mutex::new(self);
        for _ in 0..trials {
            let mut locked = lock(&study);
            if locked.stopped(begun.elapsed(), 0).is_some() {
                break;
            }
            let suggestion = locked.ask()?;
            drop(locked);
            evaluate(&study, suggestion, &mut objective)?;
        }
        lock(&study).checkpoint()
    }

    /// Evaluates `trials` trials on `workers` threads. Each is asked for when a thread is free, and the
    /// optimizer sees those that the others still evaluate. Which trials are finished when another is asked
    /// for depends on their durations, so with several workers two runs differ.
    ///
    /// ```
    /// use hyperq::prelude::*;
    ///
    /// let space = SearchSpace::new([Parameter::float("x", -5.0, 5.0)])?;
    /// let mut study = Study::builder(space).build()?;
    /// study.optimize_parallel(16, 4, |trial| trial.float("x").map(f64::abs))?;
    /// assert_eq!(study.history().len(), 16);
    /// # Ok::<(), hyperq::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Study::optimize`]; [`Error::Setting`] where `workers` is 0. After the first error no trial is
    /// begun, those under evaluation are awaited.
    pub fn optimize_parallel<O: IntoEvaluated>(
        &mut self,
        trials: usize,
        workers: usize,
        objective: impl Fn(&Evaluation<'_>) -> O + Sync,
    ) -> Result<()> {
        if workers == 0 {
            return Err(Error::setting("study", "workers", "at least 1", workers));
        }
        let begun = Instant::now();
        let study = Mutex::new(self);
        // Trials to begin and trials under evaluation; locked before the study wherever both are.
        let counts = Mutex::new((trials, 0));
        let count = || counts.lock().unwrap_or_else(PoisonError::into_inner);
        let work = || -> Result<()> {
            loop {
                let suggestion = {
                    let mut counts = count();
                    let mut study = lock(&study);
                    if counts.0 == 0 || study.stopped(begun.elapsed(), counts.1).is_some() {
                        return Ok(());
                    }
                    let suggestion = study.ask().inspect_err(|_| counts.0 = 0)?;
                    *counts = (counts.0 - 1, counts.1 + 1);
                    suggestion
                };
                let told =
                    evaluate(&study, suggestion, &mut |trial: &Evaluation<'_>| objective(trial));
                let mut counts = count();
                counts.1 -= 1;
                told.inspect_err(|_| counts.0 = 0)?;
            }
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (1..workers.min(trials)).map(|_| scope.spawn(work)).collect();
            let mut outcome = work();
            for thread in threads {
                let joined = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                outcome = outcome.and(joined);
            }
            outcome
        })?;
        lock(&study).checkpoint()
    }
}

fn evaluate<O: IntoEvaluated>(
    study: &Mutex<&mut Study>,
    suggestion: Suggestion,
    objective: &mut impl FnMut(&Evaluation<'_>) -> O,
) -> Result<()> {
    let id = suggestion.id;
    let evaluation = Evaluation { suggestion, study };
    let evaluated = match catch_unwind(AssertUnwindSafe(|| objective(&evaluation))) {
        Ok(returned) => returned.into_evaluated(),
        Err(panic) => Evaluated::Failed(format!("panicked: {}", message(&*panic))),
    };
    lock(study).finish(id, evaluated)
}

/// What a panic says.
fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}
