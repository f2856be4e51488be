//! Transfer: agents that are trained over many data sets and tune a new one.

mod belief;
mod control;
mod corpus;
pub mod features;
mod improvement;
mod learner;
mod policy;
mod portfolio;
mod prior;
mod prior_agent;
mod recurrent;
mod signal;
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
pub use standardizer::Standardizer;
pub use training::Training;
pub use transfer::{Contender, ContenderKind, Split, Stage, Transfer};
