//! An Engine that says nothing of use, as a run sees it that waits for it.

use std::time::Duration;

use tokio::time::Instant;

use crate::docker::error::EngineError;

/// How long an Engine that answers may say nothing of use before a run in it is told as lost.
const NONSENSE_LIMIT: Duration = Duration::from_secs(60);

/// The Engine's saying nothing of use, as a run sees it that waits for it.
#[derive(Debug, Default)]
pub struct Outage(Option<Instant>);

impl Outage {
    /// It has answered.
    pub fn over(&mut self) {
        self.0 = None;
    }

    /// Whether this has gone on for too long. An Engine that is away is waited for however long that is: what runs in it
    /// may go on meanwhile, and it tells how that ended when it is back.
    pub fn is_too_long(&mut self, error: &EngineError) -> bool {
        if error.is_outage() {
            self.0 = None;
            return false;
        }
        self.0.get_or_insert_with(Instant::now).elapsed() > NONSENSE_LIMIT
    }
}
