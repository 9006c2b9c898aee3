//! What is counted and not told: there is too much of it for a log.

use std::time::Duration;

use tracing::debug;

pub use crate::telemetry::metrics::Reconciled;
use crate::telemetry::metrics::{Metrics, count};

/// The Engine sent an event of a container.
pub fn engine_event() {
    count(Metrics::engine_event);
}

/// The jobs were compared with what is written.
pub fn reconciled(result: Reconciled, took: Duration) {
    count(|it| it.reconciled(result, took));
}

/// The event stream ended and is begun again; ordinary behind some proxies.
pub fn event_stream_ended(reason: &str) {
    debug!(event = "log", reason, "the event stream ended and is begun again");
}
