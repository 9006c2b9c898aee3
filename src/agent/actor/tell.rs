//! What is told of a step.

use std::{collections::BTreeSet, sync::Arc};

use crate::{agent::state::Told, model::diagnostic::Diagnostic, telemetry::report};

/// Tells it.
pub(super) fn tell(told: &Told) {
    match told {
        Told::JobAdded { spec, container, next } => report::job_added(spec, container.as_ref(), next),
        Told::JobUpdated { spec, container, next, reason } => {
            report::job_updated(spec, container.as_ref(), next, reason);
        }
        Told::JobRemoved { job, kind, reason } => report::job_removed(job, *kind, reason),
        Told::JobPaused { job, kind, until } => report::job_paused(job, *kind, *until),
        Told::JobResumed { job, kind, next, reason } => report::job_resumed(job, *kind, *next, reason),
        Told::RunHeld { run, job, kind, trigger, occurrence, reason } => {
            report::run_held(run, (job, *kind), *trigger, *occurrence, reason);
        }
        Told::Problem(problem) => report::problem(problem),
        Told::Record(record) => report::record(record),
    }
}

/// What is wrong with what was written, and besides.
pub(super) fn with(
    written: Arc<BTreeSet<Diagnostic>>,
    further: Vec<Diagnostic>,
) -> Arc<BTreeSet<Diagnostic>> {
    if further.is_empty() {
        return written;
    }
    Arc::new(written.iter().cloned().chain(further).collect())
}
