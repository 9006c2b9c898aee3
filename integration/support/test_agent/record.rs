//! One line of the agent's log, read back.

use std::fmt;

use jiff::Timestamp;
use serde_json::Value;

/// One line of the log.
#[derive(Clone, PartialEq)]
pub struct Record(Value);

impl Record {
    pub fn read(line: &str) -> Self {
        Self(serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
    }

    /// A key's value as text, empty where it is not there.
    pub fn text(&self, key: &str) -> String {
        match &self.0[key] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }

    pub fn has(&self, key: &str) -> bool {
        !self.0[key].is_null()
    }

    pub fn number(&self, key: &str) -> f64 {
        self.0[key].as_f64().unwrap_or_else(|| panic!("no number {key} in {self:?}"))
    }

    /// When it was written, by the agent's clock.
    pub fn at(&self) -> Timestamp {
        self.text("timestamp").parse().expect("every record has its time")
    }

    /// The next occurrences that a record about a job tells.
    pub fn next(&self) -> Vec<Timestamp> {
        let next = self.0["next"].as_array().into_iter().flatten();
        next.map(|at| at.as_str().unwrap().parse().unwrap()).collect()
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
