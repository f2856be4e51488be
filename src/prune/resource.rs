//! Resources of a trial, counted in steps.

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

/// How many steps: a number, or `auto` where it is estimated from the trials that are complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resource {
    /// Estimated; written `auto`.
    #[default]
    Auto,
    /// This many steps, at least 1; written as a number.
    Steps(u64),
}

impl Serialize for Resource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Steps(steps) => serializer.serialize_u64(*steps),
        }
    }
}

impl<'de> Deserialize<'de> for Resource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AutoOrSteps;

        impl Visitor<'_> for AutoOrSteps {
            type Value = Resource;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("\"auto\" or a number of steps of at least 1")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Resource, E> {
                match text {
                    "auto" => Ok(Resource::Auto),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_u64<E: de::Error>(self, steps: u64) -> Result<Resource, E> {
                Ok(Resource::Steps(steps))
            }

            fn visit_i64<E: de::Error>(self, steps: i64) -> Result<Resource, E> {
                u64::try_from(steps)
                    .map(Resource::Steps)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(steps), &self))
            }
        }

        deserializer.deserialize_any(AutoOrSteps)
    }
}
