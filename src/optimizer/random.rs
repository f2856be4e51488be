//! Random search: the baseline that every other optimizer must beat.

use super::{Context, Optimizer};
use crate::error::Result;
use crate::persist::{Persist, Snapshot};
use crate::space::Configuration;
use crate::trial::Trial;

/// Draws every active parameter uniformly on its own scale, independently of all that came before;
/// repeats are possible (Bergstra & Bengio 2012, "Random search for hyper-parameter optimization").
#[derive(Debug, Clone, Default)]
pub struct RandomSearch;

impl Optimizer for RandomSearch {
    fn ask(&mut self, cx: &Context<'_>) -> Result<Configuration> {
        Ok(cx.space.sample(&mut cx.streams.at("random", cx.id.0)))
    }

    fn tell(&mut self, _trial: &Trial, _cx: &Context<'_>) -> Result<()> {
        Ok(())
    }
}

impl Persist for RandomSearch {
    fn save(&self, _at: &str, _snapshot: &mut Snapshot) -> Result<()> {
        Ok(())
    }

    fn load(&mut self, _at: &str, _snapshot: &Snapshot) -> Result<()> {
        Ok(())
    }
}
