//! `encoding.json`: the code of every category of every categorical input.

use std::collections::HashMap;
use std::path::Path;

use super::json;
use super::problem::Problem;
use crate::error::Result;
use crate::space::Choice;

/// The category of a parameter that is inactive.
const INACTIVE: &str = "#na#";

/// The codes by parameter and category.
#[derive(Debug)]
pub(super) struct Encoding(HashMap<String, HashMap<String, u32>>);

impl Encoding {
    pub(super) fn read(path: &Path) -> Result<Self> {
        json::read(path, "an encoding, an object of parameters with codes by category,").map(Self)
    }

    /// The code of a category.
    pub(super) fn code(&self, parameter: &str, choice: &Choice) -> Result<i64, Problem> {
        self.find(parameter, &choice.to_string())
    }

    /// The code of a parameter that is inactive.
    pub(super) fn inactive(&self, parameter: &str) -> Result<i64, Problem> {
        self.find(parameter, INACTIVE)
    }

    fn find(&self, parameter: &str, category: &str) -> Result<i64, Problem> {
        let code = self.0.get(parameter).and_then(|codes| codes.get(category));
        code.map(|code| i64::from(*code)).ok_or_else(|| {
            let rule = format!("a code of `{category}` is needed");
            Problem::new(format!("parameter `{parameter}`"), rule, "none")
        })
    }
}
