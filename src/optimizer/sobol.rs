//! Sobol search: a scrambled low-discrepancy sequence, more even than random search.

use rand::Rng;

use super::{Context, Optimizer};
use crate::error::Result;
use crate::persist::{Persist, Snapshot};
use crate::space::Configuration;
use crate::streams::Streams;
use crate::trial::Trial;

/// Takes the points of an Owen-scrambled Sobol sequence (Owen 1995; Burley 2020), one a trial.
#[derive(Debug, Clone, Default)]
pub struct SobolSearch;

impl Optimizer for SobolSearch {
    fn ask(&mut self, cx: &Context<'_>) -> Result<Configuration> {
        Ok(cx.space.from_unit(&sobol_point(cx.streams, cx.id.0, cx.space.len())))
    }

    fn tell(&mut self, _trial: &Trial, _cx: &Context<'_>) -> Result<()> {
        Ok(())
    }
}

impl Persist for SobolSearch {
    fn save(&self, _at: &str, _snapshot: &mut Snapshot) -> Result<()> {
        Ok(())
    }

    fn load(&mut self, _at: &str, _snapshot: &Snapshot) -> Result<()> {
        Ok(())
    }
}

/// The longest sequence that `sobol_burley` provides; a longer study goes on with a new scramble.
const LONGEST: u64 = 1 << 16;
/// The most dimensions that `sobol_burley` provides; further ones take a scramble of their own.
const WIDEST: usize = 256;

/// Point `index` of the scrambled Sobol sequence of `streams`, in `[0, 1)^dimensions`.
pub(crate) fn sobol_point(streams: Streams, index: u64, dimensions: usize) -> Vec<f64> {
    let block = index / LONGEST;
    let mut seeds = streams.at("sobol", block);
    let mut seed = seeds.next_u32();
    (0..dimensions)
        .map(|d| {
            if d > 0 && d % WIDEST == 0 {
                seed = seeds.next_u32();
            }
            f64::from(sobol_burley::sample((index % LONGEST) as u32, (d % WIDEST) as u32, seed))
        })
        .collect()
}
