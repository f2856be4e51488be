//! Transfer: agents that are trained over many data sets and tune a new one.
//!
//! | what | where |
//! |---|---|
//! | data sets that were tuned before | [`Corpus`], [`Task`]; [`signal`] says whether a table is more than noise |
//! | what is known of a data set before its first trial | [`features`], on a common scale by [`Standardizer`] |
//! | agents | [`MetaAgent`] by name ([`registered`]): [`Portfolio`], [`PriorAgent`], [`ControlAgent`], [`RecurrentAgent`] |
//! | what the prior says of a task, given its trials | [`LearnedPrior`], [`Belief`], [`Points`] |
//! | training | [`Training`], with checkpoints |
//! | the result, on disk | [`Policy`], with an example; [`PolicyStudy`] for studies |
//! | measuring | [`Transfer`]: folds, leaving one out, a second corpus |

mod belief;
mod control;
mod corpus;
pub mod features;
mod learner;
mod policy;
mod portfolio;
mod prior;
mod prior_agent;
mod recurrent;
mod signal;
mod sources;
mod standardizer;
mod training;
mod transfer;
mod tried;

pub use belief::{Belief, Target};
pub use control::{ControlAgent, ControlLearner};
pub use corpus::{Corpus, Task};
pub use learner::{MetaAgent, MetaLearner, RegisteredAgent, registered};
pub use policy::{Policy, PolicyStudy, Provenance};
pub use portfolio::{Order, Portfolio};
pub use prior::{LearnedPrior, Points, PriorSettings};
pub use prior_agent::{Choice, PriorAgent, PriorLearner};
pub use recurrent::{Gain, RecurrentAgent, RecurrentLearner};
pub use signal::signal;
pub use sources::{SourceChoice, Sources};
pub use standardizer::Standardizer;
pub use training::Training;
pub use transfer::{Contender, Split, Stage, Transfer};
