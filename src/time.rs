//! The wall clock, so that a test can say what time it is.
//!
//! Everything that needs "now" is given a [`Clock`]; nothing else in the crate may read the system's time.
//! Lengths of time are measured with `tokio::time::Instant`, which a test can pause.

use jiff::Timestamp;
use tokio::time::Instant;

/// Where the present wall-clock time comes from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's clock; it can be set, stand still during suspend and jump.
    System,
    /// A wall clock that starts at `wall` when Tokio's clock shows `at`, and advances with Tokio's clock. Under
    /// `tokio::time::pause` a day passes in milliseconds.
    Anchored {
        /// The wall-clock time at the anchor.
        wall: Timestamp,
        /// Tokio's time at the anchor.
        at: Instant,
    },
}

impl Clock {
    /// A clock that shows `wall` now and advances with Tokio's clock.
    pub fn anchored(wall: Timestamp) -> Self {
        Self::Anchored { wall, at: Instant::now() }
    }

    /// The present moment.
    #[expect(clippy::disallowed_methods, reason = "this is the one home of the system clock")]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Anchored { wall, at } => *wall + at.elapsed(),
        }
    }
}
