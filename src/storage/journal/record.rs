//! The lines of a journal: one JSON object each.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value as Json};

use crate::storage::python_json::{non_finite, quote_non_finite};

/// What a record says, by Optuna's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    CreateStudy = 0,
    DeleteStudy = 1,
    SetStudyUserAttribute = 2,
    SetStudySystemAttribute = 3,
    CreateTrial = 4,
    SetTrialParameter = 5,
    SetTrialState = 6,
    SetTrialIntermediate = 7,
    SetTrialUserAttribute = 8,
    SetTrialSystemAttribute = 9,
    /// Rustuna's. Optuna 5 passes over it, Optuna 4 fails, so it is never written.
    DiscardTrials = 10,
}

impl Operation {
    fn of(number: u64) -> Option<Self> {
        [
            Self::CreateStudy,
            Self::DeleteStudy,
            Self::SetStudyUserAttribute,
            Self::SetStudySystemAttribute,
            Self::CreateTrial,
            Self::SetTrialParameter,
            Self::SetTrialState,
            Self::SetTrialIntermediate,
            Self::SetTrialUserAttribute,
            Self::SetTrialSystemAttribute,
            Self::DiscardTrials,
        ]
        .into_iter()
        .find(|operation| *operation as u64 == number)
    }
}

/// A line as it was read.
#[derive(Debug)]
pub(super) struct Line<'a> {
    /// Who wrote it.
    pub worker: Option<Text<'a>>,
    pub record: Record<'a>,
}

#[derive(Debug)]
pub(super) enum Record<'a> {
    CreateStudy(CreateStudy<'a>),
    DeleteStudy(DeleteStudy),
    StudyUserAttribute(StudyUserAttribute),
    StudySystemAttribute(StudySystemAttribute),
    CreateTrial(Box<CreateTrial<'a>>),
    Parameter(TrialParameter<'a>),
    State(TrialStateValues<'a>),
    Intermediate(TrialIntermediate),
    UserAttribute(TrialUserAttribute),
    SystemAttribute(TrialSystemAttribute),
    DiscardTrials,
}

/// A text that is borrowed from the line where it holds no escapes.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// The id of a study or a trial; `None` for a number that no id can be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Id(pub Option<usize>);

/// A number; Python also writes `NaN`, `Infinity` and `-Infinity`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number(pub f64);

#[derive(Deserialize)]
struct Envelope<'a> {
    op_code: u64,
    #[serde(borrow)]
    worker_id: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CreateStudy<'a> {
    #[serde(borrow)]
    pub study_name: Cow<'a, str>,
    pub directions: Vec<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct DeleteStudy {
    pub study_id: Id,
}

#[derive(Debug, Deserialize)]
pub(super) struct StudyUserAttribute {
    pub study_id: Id,
    pub user_attr: Map<String, Json>,
}

#[derive(Debug, Deserialize)]
pub(super) struct StudySystemAttribute {
    pub study_id: Id,
    pub system_attr: Map<String, Json>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CreateTrial<'a> {
    pub study_id: Id,
    #[serde(borrow, deserialize_with = "Option::deserialize")]
    pub datetime_start: Option<Text<'a>>,
    #[serde(borrow)]
    pub datetime_complete: Option<Text<'a>>,
    pub state: Option<u64>,
    pub value: Option<Number>,
    pub values: Option<Vec<Number>>,
    #[serde(default)]
    pub distributions: Map<String, Json>,
    #[serde(default)]
    pub params: Map<String, Json>,
    #[serde(default)]
    pub user_attrs: Map<String, Json>,
    #[serde(default)]
    pub system_attrs: Map<String, Json>,
    #[serde(default)]
    pub intermediate_values: Map<String, Json>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TrialParameter<'a> {
    pub trial_id: Id,
    #[serde(borrow)]
    pub param_name: Cow<'a, str>,
    pub param_value_internal: Number,
    #[serde(borrow)]
    pub distribution: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TrialStateValues<'a> {
    pub trial_id: Id,
    pub state: u64,
    // A function of its own makes the key required, though it may be null.
    #[serde(deserialize_with = "Option::deserialize")]
    pub values: Option<Vec<Number>>,
    #[serde(borrow)]
    pub datetime_start: Option<Text<'a>>,
    #[serde(borrow)]
    pub datetime_complete: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TrialIntermediate {
    pub trial_id: Id,
    pub step: i64,
    pub intermediate_value: Number,
}

#[derive(Debug, Deserialize)]
pub(super) struct TrialUserAttribute {
    pub trial_id: Id,
    pub user_attr: Map<String, Json>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TrialSystemAttribute {
    pub trial_id: Id,
    pub system_attr: Map<String, Json>,
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        Ok(Self(number.as_u64().and_then(|id| usize::try_from(id).ok())))
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Number;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a number")
            }

            fn visit_f64<E>(self, value: f64) -> Result<Number, E> {
                Ok(Number(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Number, E> {
                non_finite(text)
                    .map(Number)
                    .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Reads a line. Non-finite numbers that JSON has no form for are read where a number is needed; in an
/// attribute they become the texts `NaN`, `Infinity` and `-Infinity`. `scratch` holds what the line
/// cannot lend.
///
/// The error says what was found instead of a record.
pub(super) fn read<'a>(line: &'a [u8], scratch: &'a mut String) -> Result<Line<'a>, String> {
    let text = std::str::from_utf8(line).map_err(|e| format!("bytes that are no UTF-8: {e}"))?;
    if text.trim_ascii().is_empty() {
        return Err("a blank line".to_owned());
    }
    // Serde would also take the fields in the order of an array.
    if !text.trim_ascii_start().starts_with('{') {
        return Err("no JSON object".to_owned());
    }
    let error = match read_json(text) {
        Ok(line) => return Ok(line),
        Err(error) => error,
    };
    match quote_non_finite(text, "") {
        Some(quoted) => {
            *scratch = quoted;
            read_json(scratch)
        }
        None => Err(error),
    }
}

fn read_json(text: &str) -> Result<Line<'_>, String> {
    fn fields<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
        serde_json::from_str(text).map_err(|e| e.to_string())
    }
    let Envelope { op_code, worker_id } = fields(text)?;
    let operation = Operation::of(op_code).ok_or(format!("the unknown op_code {op_code}"))?;
    let record = match operation {
        Operation::CreateStudy => Record::CreateStudy(fields(text)?),
        Operation::DeleteStudy => Record::DeleteStudy(fields(text)?),
        Operation::SetStudyUserAttribute => Record::StudyUserAttribute(fields(text)?),
        Operation::SetStudySystemAttribute => Record::StudySystemAttribute(fields(text)?),
        Operation::CreateTrial => Record::CreateTrial(Box::new(fields(text)?)),
        Operation::SetTrialParameter => Record::Parameter(fields(text)?),
        Operation::SetTrialState => Record::State(fields(text)?),
        Operation::SetTrialIntermediate => Record::Intermediate(fields(text)?),
        Operation::SetTrialUserAttribute => Record::UserAttribute(fields(text)?),
        Operation::SetTrialSystemAttribute => Record::SystemAttribute(fields(text)?),
        Operation::DiscardTrials => Record::DiscardTrials,
    };
    Ok(Line { worker: worker_id, record })
}

/// The line of a record, with its newline.
pub(super) fn line(operation: Operation, worker: &str, fields: Map<String, Json>) -> String {
    let mut record = Map::new();
    record.insert("op_code".to_owned(), (operation as u64).into());
    record.insert("worker_id".to_owned(), worker.into());
    record.extend(fields);
    let mut line = Json::Object(record).to_string();
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_lines_are_read() {
        let mut scratch = String::new();
        let line = br#"{"op_code":7,"worker_id":"w","trial_id":3,"step":0,"intermediate_value":-Infinity,"new":NaN}"#;
        let line = read(line, &mut scratch).unwrap();
        assert_eq!(line.worker.unwrap().0, "w");
        let Record::Intermediate(report) = line.record else { panic!("another record") };
        assert_eq!(
            (report.trial_id.0, report.step, report.intermediate_value.0),
            (Some(3), 0, f64::NEG_INFINITY)
        );
    }

    #[test]
    fn what_is_no_record_is_refused_with_its_reason() {
        let depth = 1 << 20;
        let nested = format!(
            r#"{{"op_code":8,"trial_id":0,"user_attr":{{"a":{}{}}}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        );
        for (line, reason) in [
            ("", "blank"),
            (" \r", "blank"),
            ("\0\0", "no JSON object"),
            (r#"[10,"w"]"#, "no JSON object"),
            ("{}", "missing field `op_code`"),
            (r#"{"op_code":11}"#, "unknown op_code 11"),
            (r#"{"op_code":-1}"#, "invalid value"),
            (r#"{"op_code":"4"}"#, "invalid type"),
            (r#"{"op_code":4,"study_id":0}"#, "missing field `datetime_start`"),
            (r#"{"op_code":6,"trial_id":0,"state":1}"#, "missing field `values`"),
            (r#"{"op_code":5,"trial_id":[]}"#, "invalid type"),
            (r#"{"op_code":7,"trial_id":0,"step":0.5,"intermediate_value":1}"#, "invalid type"),
            (r#"{"op_code":7,"trial_id":0,"step":0,"intermediate_value":"1"}"#, "invalid value"),
            (&nested, "recursion limit"),
        ] {
            let error = read(line.as_bytes(), &mut String::new()).unwrap_err();
            assert!(error.contains(reason), "{}: {error}", &line[..line.len().min(80)]);
        }
        let error = read(b"{\"op_code\":10,\"x\":\"\xff\"}", &mut String::new()).unwrap_err();
        assert!(error.contains("no UTF-8"), "{error}");
    }
}
