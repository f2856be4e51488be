//! `effects.json`: what an ablation amounts to.

use serde::{Deserialize, Serialize};

use super::{Combinations, Effects, Measure, Refused};
use crate::error::{Error, Result};
use crate::experiment::Results;

/// What an ablation amounts to: the content of `effects.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    /// The effects by each measure; none where no combination finished on a surface with a range.
    pub effects: Vec<Effects>,
    /// The combinations that were left out.
    pub refused: Vec<Refused>,
}

impl Findings {
    /// What came out of the [plan](Combinations::plan) of these combinations.
    pub fn of(results: &Results, all: Combinations) -> Self {
        let measures = [Measure::Last, Measure::Area].into_iter();
        let effects = measures.filter_map(|measure| Effects::of(results, &all, measure)).collect();
        Self { effects, refused: all.refused }
    }

    /// The text of `effects.json`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where it has no JSON form.
    pub fn to_json(&self) -> Result<String> {
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|error| Error::Io { path: "effects.json".into(), source: error.into() })?;
        text.push('\n');
        Ok(text)
    }
}
