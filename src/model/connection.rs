//! How the Engine is doing, as far as is known.

use std::time::Instant;

/// How the Engine is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// It has not answered yet.
    Waiting,
    /// It answers.
    Connected {
        /// Its version.
        version: String,
    },
    /// It answered once, and does not now.
    Lost {
        /// Why.
        reason: String,
    },
}

impl Connection {
    /// It answered, and does not now.
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Lost { .. })
    }
}

/// When the Engine was last heard of; moments of the clock that nobody sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pulse {
    /// When all its containers were last listed.
    pub listed: Option<Instant>,
    /// When its events were last asked for, or gave something.
    pub heard: Option<Instant>,
    /// Why nobody listens to its events now, though it answers.
    pub broken: Option<String>,
}
