//! The messages of Optuna's storage proxy (package `optuna`, service `StorageService`): those that are used
//! here, with the numbers and types of its interface definition. Written out, they need neither a compiler for
//! such definitions nor a build script.

use std::collections::HashMap;

/// The direction of an objective as the proxy numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(super) enum StudyDirection {
    Minimize = 0,
    Maximize = 1,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Empty {}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct CreateStudy {
    #[prost(enumeration = "StudyDirection", repeated, tag = "1")]
    pub(super) directions: Vec<i32>,
    #[prost(string, tag = "2")]
    pub(super) study_name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StudyId {
    #[prost(int64, tag = "1")]
    pub(super) study_id: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StudyName {
    #[prost(string, tag = "1")]
    pub(super) study_name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Directions {
    #[prost(enumeration = "StudyDirection", repeated, tag = "1")]
    pub(super) directions: Vec<i32>,
}

/// An attribute of a study or of a trial, as JSON.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Attribute {
    #[prost(int64, tag = "1")]
    pub(super) id: i64,
    #[prost(string, tag = "2")]
    pub(super) key: String,
    #[prost(string, tag = "3")]
    pub(super) value: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Attributes {
    #[prost(map = "string, string", tag = "1")]
    pub(super) attributes: HashMap<String, String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Study {
    #[prost(int64, tag = "1")]
    pub(super) study_id: i64,
    #[prost(string, tag = "2")]
    pub(super) study_name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Studies {
    #[prost(message, repeated, tag = "1")]
    pub(super) studies: Vec<Study>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct CreateTrial {
    #[prost(int64, tag = "1")]
    pub(super) study_id: i64,
    #[prost(message, optional, tag = "2")]
    pub(super) template_trial: Option<Trial>,
    #[prost(bool, tag = "3")]
    pub(super) template_trial_is_none: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct TrialId {
    #[prost(int64, tag = "1")]
    pub(super) trial_id: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Parameter {
    #[prost(int64, tag = "1")]
    pub(super) trial_id: i64,
    #[prost(string, tag = "2")]
    pub(super) name: String,
    #[prost(double, tag = "3")]
    pub(super) internal: f64,
    #[prost(string, tag = "4")]
    pub(super) distribution: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StateValues {
    #[prost(int64, tag = "1")]
    pub(super) trial_id: i64,
    #[prost(int32, tag = "2")]
    pub(super) state: i32,
    #[prost(double, repeated, tag = "3")]
    pub(super) values: Vec<f64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Updated {
    #[prost(bool, tag = "1")]
    pub(super) trial_updated: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Intermediate {
    #[prost(int64, tag = "1")]
    pub(super) trial_id: i64,
    #[prost(int64, tag = "2")]
    pub(super) step: i64,
    #[prost(double, tag = "3")]
    pub(super) value: f64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct GetTrials {
    #[prost(int64, tag = "1")]
    pub(super) study_id: i64,
    #[prost(int64, repeated, tag = "2")]
    pub(super) included_trial_ids: Vec<i64>,
    #[prost(int64, tag = "3")]
    pub(super) trial_id_greater_than: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Trials {
    #[prost(message, repeated, tag = "1")]
    pub(super) trials: Vec<Trial>,
}

/// A trial. Moments are texts in the proxy's local time, empty where there is none; attributes and
/// distributions are JSON.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Trial {
    #[prost(int64, tag = "1")]
    pub(super) trial_id: i64,
    #[prost(int64, tag = "2")]
    pub(super) number: i64,
    #[prost(int32, tag = "3")]
    pub(super) state: i32,
    #[prost(double, repeated, tag = "4")]
    pub(super) values: Vec<f64>,
    #[prost(string, tag = "5")]
    pub(super) datetime_start: String,
    #[prost(string, tag = "6")]
    pub(super) datetime_complete: String,
    #[prost(map = "string, double", tag = "7")]
    pub(super) params: HashMap<String, f64>,
    #[prost(map = "string, string", tag = "8")]
    pub(super) distributions: HashMap<String, String>,
    #[prost(map = "string, string", tag = "9")]
    pub(super) user_attributes: HashMap<String, String>,
    #[prost(map = "string, string", tag = "10")]
    pub(super) system_attributes: HashMap<String, String>,
    #[prost(map = "int64, double", tag = "11")]
    pub(super) intermediate_values: HashMap<i64, f64>,
}
