//! The learners of the tables.

use crate::error::{Error, Result};
use crate::learner::Learner;
use crate::mlp::Mlp;
use crate::svm::Svm;
use crate::trees::{GradientBoosting, RandomForest};

static LEARNERS: [&dyn Learner; 4] = [&Svm, &RandomForest, &GradientBoosting, &Mlp];

/// The learners of these names, all of them where there are none, in the order in which they are built.
///
/// # Errors
///
/// [`Error::Unknown`] for a name that no learner has.
pub fn learners(names: &[String]) -> Result<Vec<&'static dyn Learner>> {
    let all = LEARNERS;
    if let Some(name) = names.iter().find(|name| all.iter().all(|known| known.name() != **name)) {
        return Err(Error::Unknown {
            kind: "learner",
            name: name.clone(),
            known: all.map(|known| known.name()).join(", "),
        });
    }
    let asked = |known: &&dyn Learner| names.is_empty() || names.iter().any(|n| n == known.name());
    Ok(all.into_iter().filter(asked).collect())
}
