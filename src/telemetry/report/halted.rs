//! What is told of containers that are stopped while runs go on.

use tracing::{error, info, warn};

use crate::model::{name::JobId, run::RunId};

/// A container was stopped for a run.
pub fn container_halted(job: &JobId, run: &RunId, container: &str) {
    info!(
        event = "container.stopped",
        job = %job,
        run = %run,
        container,
        "container {container} was stopped for a run of {job}"
    );
}

/// A container that was stopped for runs is not stopped any more.
pub fn container_restored(job: &JobId, container: &str, reason: &str) {
    info!(
        event = "container.restored",
        job = %job,
        container,
        reason,
        "container {container}, which was stopped for {job}: {reason}"
    );
}

/// A container that was stopped for runs cannot be started.
pub fn container_not_restored(job: &JobId, container: &str, reason: &str) {
    error!(
        event = "container.not_restored",
        job = %job,
        container,
        reason,
        "container {container}, which was stopped for {job}, does not run: {reason}"
    );
}

/// The agent ends before all of them were started again.
pub fn containers_left(containers: &[String]) {
    let containers = containers.join(", ");
    warn!(
        event = "container.not_restored",
        reason =
            "the agent ends before its run did, or before it could be started again: the next agent does it",
        "still stopped for runs: {containers}; the next agent starts them again"
    );
}
