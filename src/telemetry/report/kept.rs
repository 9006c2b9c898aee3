//! What happens, kept in the history and exported, as the operator reads it.

use jiff::Timestamp;
use tracing::{error, info, warn};

use crate::{
    model::run::RunRecord,
    telemetry::{
        legs::Legs,
        metrics::count,
        otlp::{self, Signal},
    },
};

/// What happens is not kept.
pub fn history_failing(reason: &str) {
    error!(event = "history.failing", reason, "the history of runs is not kept: {reason}");
}

/// What happens is kept again.
pub fn history_restored(lost: u64) {
    info!(event = "history.restored", lost, "the history of runs is kept again");
}

/// What is exported does not arrive; it is counted each time, and not told again where it was told before.
pub fn export_failing(signal: Signal, place: &str, reason: &str, told: bool) {
    count(|it| it.export_failed(signal));
    if !told {
        let signal = signal.as_str();
        warn!(event = "export.failing", signal, place, reason, "{signal} do not arrive at {place}: {reason}");
    }
}

/// What is exported arrives again.
pub fn export_restored(signal: &str, place: &str, dropped: u64) {
    info!(event = "export.restored", signal, place, dropped, "{signal} arrive at {place} again");
}

/// Spans are dropped.
pub fn export_dropped(reason: &str) {
    warn!(event = "export.dropped", reason, "spans are dropped and counted: {reason}");
}

/// Whether traces of runs are exported.
pub fn is_traced() -> bool {
    otlp::is_on()
}

/// The trace of a run whose record is kept, or was to be, at this moment.
pub fn run_traced(record: &RunRecord, legs: &Legs, kept: Timestamp) {
    otlp::put(record, legs, kept);
}
