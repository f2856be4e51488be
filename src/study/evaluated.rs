//! What an evaluation ended with.

/// What an evaluation ended with, in the objectives' own units.
///
/// ```
/// use hyperq::study::{Evaluated, IntoEvaluated};
///
/// assert_eq!(0.5.into_evaluated(), Evaluated::Values(vec![0.5]));
/// assert_eq!(Err::<f64, _>("no data").into_evaluated(), Evaluated::Failed("no data".into()));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Evaluated {
    /// One value an objective. NaN, infinities and another count are recorded as a failure.
    Values(Vec<f64>),
    /// It was given up, since its intermediate values promised little.
    Pruned,
    /// It failed, for this reason.
    Failed(String),
}

/// What an objective returns: a number, several numbers where there are several objectives,
/// [`Evaluated`], or a result of these whose error is recorded as a failed trial.
pub trait IntoEvaluated {
    /// What the evaluation ended with.
    fn into_evaluated(self) -> Evaluated;
}

impl IntoEvaluated for Evaluated {
    fn into_evaluated(self) -> Evaluated {
        self
    }
}

impl IntoEvaluated for f64 {
    fn into_evaluated(self) -> Evaluated {
        Evaluated::Values(vec![self])
    }
}

impl IntoEvaluated for Vec<f64> {
    fn into_evaluated(self) -> Evaluated {
        Evaluated::Values(self)
    }
}

impl<const N: usize> IntoEvaluated for [f64; N] {
    fn into_evaluated(self) -> Evaluated {
        Evaluated::Values(self.to_vec())
    }
}

impl<T: IntoEvaluated, E: std::fmt::Display> IntoEvaluated for std::result::Result<T, E> {
    fn into_evaluated(self) -> Evaluated {
        match self {
            Ok(evaluated) => evaluated.into_evaluated(),
            Err(error) => Evaluated::Failed(error.to_string()),
        }
    }
}
