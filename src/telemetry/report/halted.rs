//! What is told of containers and services that are stopped while runs go on.

use tracing::{error, info, warn};

use crate::model::{halt::HaltId, name::JobId, run::RunId};

/// What such an event is about. One callsite for both: each is half a KiB of the program.
struct About<'a> {
    event: &'static str,
    kind: &'static str,
    container: Option<&'a str>,
    service: Option<&'a str>,
}

impl<'a> About<'a> {
    fn of(what: &HaltId, name: &'a str, [of_container, of_service]: [Event; 2]) -> Self {
        match what {
            HaltId::Container(_) => {
                Self { event: of_container.event, kind: "container", container: Some(name), service: None }
            }
            HaltId::Service(_) => {
                Self { event: of_service.event, kind: "service", container: None, service: Some(name) }
            }
        }
    }
}

/// The name of an event, written where the test of the table of events reads it.
struct Event {
    event: &'static str,
}

/// It was stopped for a run.
pub fn halted(job: &JobId, run: &RunId, what: &HaltId, name: &str) {
    let About { event, kind, container, service } =
        About::of(what, name, [Event { event: "container.stopped" }, Event { event: "service.stopped" }]);
    info!(
        event,
        job = %job,
        run = %run,
        container,
        service,
        "{kind} {name} was stopped for a run of {job}"
    );
}

/// What was stopped for runs is not stopped any more.
pub fn restored(job: &JobId, what: &HaltId, name: &str, reason: &str) {
    let About { event, kind, container, service } =
        About::of(what, name, [Event { event: "container.restored" }, Event { event: "service.restored" }]);
    info!(
        event,
        job = %job,
        container,
        service,
        reason,
        "{kind} {name}, which was stopped for {job}: {reason}"
    );
}

/// What was stopped for runs cannot be started.
pub fn not_restored(job: &JobId, what: &HaltId, name: &str, reason: &str) {
    let About { event, kind, container, service } = About::of(
        what,
        name,
        [Event { event: "container.not_restored" }, Event { event: "service.not_restored" }],
    );
    error!(
        event,
        job = %job,
        container,
        service,
        reason,
        "{kind} {name}, which was stopped for {job}, does not run: {reason}"
    );
}

/// Why the next agent is left with it.
const LEFT: &str =
    "the agent ends before its run did, or before it could be started again: the next agent does it";

/// The agent ends before all of them were started again.
pub fn halts_left(containers: &[String], services: &[String]) {
    for (event, what, names) in [
        ("container.not_restored", "still stopped for runs", containers),
        ("service.not_restored", "services that are still stopped for runs", services),
    ] {
        if !names.is_empty() {
            let all = names.join(", ");
            warn!(event, reason = LEFT, "{what}: {all}; the next agent starts them again");
        }
    }
}
