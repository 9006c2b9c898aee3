//! What is asked over HTTP of jobs that are made there. As stable as [`dto`](super::dto).

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor},
};
use serde_json::Value;
use utoipa::ToSchema;

/// A job that is to be there.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewJob {
    /// Its name: 1 to 63 of letters, digits, `_` and `-`, beginning with a letter or a digit.
    pub name: String,
    /// Its kind, such as `exec`.
    pub kind: String,
    /// Its parameters by name, as a label or the file would have them. A value is a text, a number or a boolean; a list and
    /// a command are an array of them as well, and variables an object.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub parameters: Parameters,
}

/// What a job is to be.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobDefinition {
    /// Its name, which the path says already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its kind, such as `exec`.
    pub kind: String,
    /// All its parameters, as for a new job: what is not said has its default again.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub parameters: Parameters,
}

/// Parameters as they were written, one that is there twice included.
#[derive(Default)]
pub struct Parameters(pub Vec<(String, Value)>);

impl fmt::Debug for Parameters {
    /// What they are may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Serialize for Parameters {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Of any sort: what is no object is told in words of ours.
        deserializer.deserialize_any(Pairs)
    }
}

struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Parameters;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of parameters by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parameters, A::Error> {
        let mut all = Vec::new();
        while let Some(pair) = map.next_entry()? {
            all.push(pair);
        }
        Ok(Parameters(all))
    }

    /// The usual words would repeat what may be secret.
    fn visit_str<E: de::Error>(self, _: &str) -> Result<Parameters, E> {
        Err(E::custom("parameters is a text: write an object of parameters by name"))
    }
}
