//! What passes from one agent to the next, as the operator reads it.

use std::time::Duration;

use jiff::Timestamp;
use tracing::{info, warn};

use super::RunTags;

/// A stage of the end is over.
pub fn agent_stage_over(stage: &str, took: Duration, running: usize, left: usize) {
    info!(
        event = "agent.stopping",
        stage,
        duration_seconds = took.as_secs_f64(),
        running,
        left,
        "stopping: the stage \"{stage}\" is over, {running} runs go on, and {left} are left for the next agent"
    );
}

/// A run that another agent began was found again.
pub fn run_adopted(tags: &RunTags, occurrence: Timestamp, found: &str) {
    info!(
        event = "run.adopted",
        job = %tags.job,
        kind = %tags.kind,
        run = %tags.run,
        attempt = tags.attempt,
        trigger = tags.trigger.as_str(),
        occurrence = %occurrence,
        container = tags.container.as_deref(),
        reason = found,
        "{} taken up: {found}", tags.job
    );
}

/// What a run made could not be removed.
pub fn run_leftover(tags: &RunTags, reason: &str) {
    warn!(
        event = "run.leftover",
        job = %tags.job,
        kind = %tags.kind,
        run = %tags.run,
        container = tags.container.as_deref(),
        reason,
        "what the run made could not be removed"
    );
}

/// What an earlier agent made was found.
pub fn leftover(run: &str, container: &str, found: &str) {
    warn!(event = "run.leftover", run, container, reason = found, "left by an earlier agent: {found}");
}

/// Some of what a run printed could not be read.
pub fn run_output_missing(tags: &RunTags, reason: &str) {
    warn!(
        event = "run.output_missing",
        job = %tags.job,
        kind = %tags.kind,
        run = %tags.run,
        attempt = tags.attempt,
        container = tags.container.as_deref(),
        reason,
        "some of the run's output could not be read"
    );
}
