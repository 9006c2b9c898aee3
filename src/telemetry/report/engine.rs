//! Whether the Engine answers, as the operator reads it.

use tracing::{info, warn};

/// The Engine answers.
pub fn engine_connected(host: &str, version: &str) {
    info!(event = "engine.connected", engine = host, version, "connected to the Engine, version {version}");
}

/// The Engine does not answer.
pub fn engine_lost(host: &str, reason: &str) {
    warn!(
        event = "engine.lost",
        engine = host,
        reason,
        "the Engine does not answer: the jobs stay as they are"
    );
}
