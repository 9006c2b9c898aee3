//! Why something did not arrive.

use std::time::Duration;

/// Why something did not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The reason, with the mend where there is one; never a secret.
    pub reason: String,
    /// Whether it may arrive another time.
    pub again: bool,
    /// How long the receiver wants to be left alone.
    pub after: Option<Duration>,
}

impl Trouble {
    /// It may arrive another time.
    pub fn again(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), again: true, after: None }
    }

    /// It will never arrive like this.
    pub fn never(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), again: false, after: None }
    }
}
