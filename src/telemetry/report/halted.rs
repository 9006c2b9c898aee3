//! What is told of containers and services that are stopped while runs go on.

use tracing::{error, info, warn};

use crate::model::{halt::HaltId, name::JobId, run::RunId};

/// It was stopped for a run.
pub fn halted(job: &JobId, run: &RunId, what: &HaltId, name: &str) {
    match what {
        HaltId::Container(_) => info!(
            event = "container.stopped",
            job = %job,
            run = %run,
            container = name,
            "container {name} was stopped for a run of {job}"
        ),
        HaltId::Service(_) => info!(
            event = "service.stopped",
            job = %job,
            run = %run,
            service = name,
            "service {name} was stopped for a run of {job}"
        ),
    }
}

/// What was stopped for runs is not stopped any more.
pub fn restored(job: &JobId, what: &HaltId, name: &str, reason: &str) {
    match what {
        HaltId::Container(_) => info!(
            event = "container.restored",
            job = %job,
            container = name,
            reason,
            "container {name}, which was stopped for {job}: {reason}"
        ),
        HaltId::Service(_) => info!(
            event = "service.restored",
            job = %job,
            service = name,
            reason,
            "service {name}, which was stopped for {job}: {reason}"
        ),
    }
}

/// What was stopped for runs cannot be started.
pub fn not_restored(job: &JobId, what: &HaltId, name: &str, reason: &str) {
    match what {
        HaltId::Container(_) => error!(
            event = "container.not_restored",
            job = %job,
            container = name,
            reason,
            "container {name}, which was stopped for {job}, does not run: {reason}"
        ),
        HaltId::Service(_) => error!(
            event = "service.not_restored",
            job = %job,
            service = name,
            reason,
            "service {name}, which was stopped for {job}, does not run: {reason}"
        ),
    }
}

/// Why the next agent is left with it.
const LEFT: &str =
    "the agent ends before its run did, or before it could be started again: the next agent does it";

/// The agent ends before all of them were started again.
pub fn halts_left(containers: &[String], services: &[String]) {
    let (all, of_swarm) = (containers.join(", "), services.join(", "));
    if !containers.is_empty() {
        warn!(
            event = "container.not_restored",
            reason = LEFT,
            "still stopped for runs: {all}; the next agent starts them again"
        );
    }
    if !services.is_empty() {
        warn!(
            event = "service.not_restored",
            reason = LEFT,
            "services that are still stopped for runs: {of_swarm}; the next agent starts them again"
        );
    }
}
