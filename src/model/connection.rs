//! How the Engine is doing, as far as is known.

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
