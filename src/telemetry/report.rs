//! What the operator reads: one function for each thing worth telling.
//!
//! Names of events and keys are stable; they stand here and nowhere else.

mod asked;
mod counted;
mod engine;
mod halted;
mod image;
mod kept;
mod notified;
mod taken;

pub use asked::{api_certificate, api_crowded, api_listening, audit_written, login_refused};
pub use counted::{Reconciled, engine_event, event_stream_ended, reconciled};
pub use engine::{engine_connected, engine_lost};
pub use halted::{halted, halts_left, not_restored, restored};
pub use image::{image_awaited, image_pulled, image_pulling};
pub use kept::{
    export_dropped, export_failing, export_restored, history_failing, history_restored, is_traced, run_traced,
};
pub use notified::{Notice, notify_channels, notify_failed, notify_given_up, notify_sent};
pub use taken::{agent_stage_over, leftover, run_adopted, run_leftover, run_output_missing};

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tracing::{error, info, warn};

use super::metrics::count;
use crate::model::{
    diagnostic::{Diagnostic, Severity},
    job::JobSpec,
    name::{JobId, JobKind},
    run::{Outcome, RunId, RunRecord, Trigger},
};

/// Every event with its meaning, in the order of the documentation.
pub const EVENTS: &[(&str, &str)] = &[
    ("agent.started", "The agent began; with its version and settings."),
    ("agent.ready", "The Engine was seen and the first plan carried out."),
    (
        "agent.stopping",
        "The agent was asked to stop, and nothing begins any more; then, as each stage of its end is over: drain (runs may \
         go on), stop (they are asked to end), kill; with how long it took.",
    ),
    ("agent.stopped", "The last record before the end."),
    ("api.listening", "The API answers over TCP; with the address, and whether it speaks TLS there."),
    ("api.certificate", "The certificate of the API was read again, because its files had changed."),
    ("api.crowded", "Connections were closed: too many, in all or from one address; with their number."),
    ("audit.written", "Someone asked over HTTP for a change; with who, what, from where and the status."),
    ("login.refused", "Someone could not log in; with the user, if there is one, and from where."),
    ("engine.connected", "The Engine answers."),
    ("engine.lost", "The Engine does not answer; the jobs stay as they are."),
    ("job.added", "A job came; with its schedule in words and its next occurrences."),
    ("job.updated", "A job changed, or its runs go to another container."),
    ("job.removed", "A job went."),
    (
        "job.paused",
        "An operator paused a job: nothing of it is due, until this moment or until it is resumed.",
    ),
    ("job.resumed", "A job that was paused goes on; with its next occurrence."),
    ("job.rejected", "A job that was written is not on the schedule; with place, reason and mend."),
    ("run.held", "An occurrence came due and waits for jobs that it depends on; with their names."),
    (
        "image.pulling",
        "An image is being pulled for a run: when that begins, how far it has come every 15 s, and when another run waits for \
         it as well.",
    ),
    ("image.pulled", "An image was pulled; with its layers, the bytes that came and the time it took."),
    ("run.started", "A run's command was started; once for each attempt."),
    (
        "run.adopted",
        "A run that another agent began was found again, and is followed or recorded; with what was found.",
    ),
    ("run.output", "A line that a run printed."),
    ("run.attempt_failed", "An attempt of a run failed, and another one follows; with when that comes."),
    ("run.finished", "A run ended; with outcome, exit code and duration."),
    ("run.skipped", "An occurrence did not run, because a policy or a missing container said so."),
    ("run.lost", "How a run ended cannot be told; with the reason."),
    (
        "run.missed",
        "The moment of an occurrence passed while the agent could not act, or its start deadline did.",
    ),
    ("run.output_missing", "Some of what a run printed could not be read; with the reason."),
    (
        "run.leftover",
        "What a run made could not be removed: its container or service, or a helper in the container of its command; or \
         it was found by a later agent.",
    ),
    ("container.stopped", "A container was stopped for a run that wants it (`stop-during`)."),
    ("container.restored", "A container that was stopped for a run was started again; with what was found."),
    ("container.not_restored", "It cannot be started again; with the reason. It is tried until it can."),
    ("service.stopped", "A service of a Swarm was given no tasks for a run that wants that (`stop-during`)."),
    (
        "service.restored",
        "A service that was stopped for a run has its number of tasks again; with what was found.",
    ),
    ("service.not_restored", "It cannot be given them; with the reason. It is tried until it can."),
    ("notify.sent", "A message has arrived at its channel; with why it was sent."),
    ("notify.failed", "A message did not arrive, and is tried again; with the reason and when that comes."),
    ("notify.given_up", "A message will not arrive, and is not tried any more; with the reason."),
    ("history.failing", "The store cannot be written: jobs run, and what happens is not kept until it can."),
    ("history.restored", "The store can be written again; with how much news of runs was lost meanwhile."),
    (
        "export.failing",
        "What is exported does not arrive, and is tried again; with which signal, where and the reason.",
    ),
    ("export.restored", "It arrives again; with how many spans were dropped so far."),
    ("export.dropped", "Spans are dropped and counted; told once, and then when it went well in between."),
    ("config.reloaded", "The files were read again, and what they say now is in force."),
    ("config.rejected", "Something that was written, other than a job, has no effect."),
    ("config.doubtful", "Something that was written has effect, and was probably meant otherwise."),
    ("log.dropped", "Log records were lost, because nothing took them in time."),
];

/// The agent began.
pub fn agent_started(
    version: &str,
    engine: &str,
    state_dir: &str,
    timezone: &str,
    max_concurrent_runs: usize,
) {
    info!(
        event = "agent.started",
        version, engine, state_dir, timezone, max_concurrent_runs, "watchbell {version} started"
    );
}

/// The Engine was seen and the first plan carried out.
pub fn agent_ready(jobs: usize, problems: usize) {
    info!(event = "agent.ready", jobs, problems, "ready with {jobs} jobs and {problems} problems");
}

/// The agent was asked to stop.
pub fn agent_stopping(running: usize, grace: Duration) {
    info!(
        event = "agent.stopping",
        stage = "drain",
        running,
        grace_seconds = grace.as_secs_f64(),
        "stopping: nothing begins any more, {running} runs may go on for {}",
        humantime::format_duration(grace)
    );
}

/// The agent ends by a mistake of ours.
pub fn agent_failed(reason: &str) {
    error!(event = "agent.stopped", reason, "stopped by a mistake in watchbell itself: please report it");
}

/// The last record.
pub fn agent_stopped(took: Duration) {
    info!(event = "agent.stopped", duration_seconds = took.as_secs_f64(), "stopped");
}

/// The files were read again and are in force.
pub fn config_reloaded(files: usize) {
    info!(event = "config.reloaded", files, "the configuration was read again: {files} files");
}

/// What a record about a job as it is now says.
#[derive(Debug)]
struct Registered<'a> {
    spec: &'a JobSpec,
    container: Option<&'a str>,
    next: String,
}

impl<'a> Registered<'a> {
    fn new(spec: &'a JobSpec, container: Option<&'a Arc<str>>, next: &[Timestamp]) -> Self {
        let zone = spec.schedule.zone().time_zone();
        let next: Vec<String> = next.iter().map(|at| rfc3339(*at, zone)).collect();
        let next = serde_json::to_string(&next).unwrap_or_default();
        Self { spec, container: container.map(|it| &**it), next }
    }
}

/// `2026-03-29T03:00:00+02:00`.
pub fn rfc3339(at: Timestamp, zone: &jiff::tz::TimeZone) -> String {
    let zoned = at.to_zoned(zone.clone());
    zoned
        .strftime(if at.subsec_nanosecond() == 0 {
            "%Y-%m-%dT%H:%M:%S%:z"
        } else {
            "%Y-%m-%dT%H:%M:%S%.f%:z"
        })
        .to_string()
}

/// A job came.
pub fn job_added(spec: &JobSpec, container: Option<&Arc<str>>, next: &[Timestamp]) {
    count(|it| it.job_came(&spec.id));
    let it = Registered::new(spec, container, next);
    info!(
        event = "job.added",
        job = %it.spec.id,
        kind = %it.spec.kind(),
        schedule = it.spec.schedule.text(),
        words = %it.spec.schedule.words(),
        timezone = it.spec.schedule.zone().name(),
        enabled = it.spec.enabled,
        next_json = it.next,
        container = it.container,
        origin = %it.spec.origin,
        "{} {}", it.spec.id, it.spec.when()
    );
}

/// A job changed.
pub fn job_updated(spec: &JobSpec, container: Option<&Arc<str>>, next: &[Timestamp], reason: &str) {
    let it = Registered::new(spec, container, next);
    info!(
        event = "job.updated",
        job = %it.spec.id,
        kind = %it.spec.kind(),
        schedule = it.spec.schedule.text(),
        words = %it.spec.schedule.words(),
        timezone = it.spec.schedule.zone().name(),
        enabled = it.spec.enabled,
        next_json = it.next,
        container = it.container,
        origin = %it.spec.origin,
        reason,
        "{}: {reason}", it.spec.id
    );
}

/// A job went.
pub fn job_removed(job: &JobId, kind: JobKind, reason: &str) {
    count(|it| it.job_went(job));
    info!(event = "job.removed", job = %job, kind = %kind, reason, "{job} removed: {reason}");
}

/// Nothing of a job is due from now on.
pub fn job_paused(job: &JobId, kind: JobKind, until: Option<Timestamp>) {
    let until = until.map(|until| until.to_string());
    let end = until.as_ref().map_or_else(|| "it is resumed".to_owned(), Clone::clone);
    info!(event = "job.paused", job = %job, kind = %kind, until = until.as_deref(), "{job} paused until {end}");
}

/// A job that was paused goes on.
pub fn job_resumed(job: &JobId, kind: JobKind, next: Option<Timestamp>, reason: &str) {
    let next = serde_json::to_string(&next.iter().map(Timestamp::to_string).collect::<Vec<_>>());
    let next = next.unwrap_or_default();
    info!(event = "job.resumed", job = %job, kind = %kind, next_json = next, reason, "{job} resumed: {reason}");
}

/// Something is wrong with what was written.
pub fn problem(it: &Diagnostic) {
    let job = it.job.as_ref().map(tracing::field::display);
    let reason = it.reason.as_str();
    if it.rejects {
        error!(event = "job.rejected", job, origin = %it.origin, reason, "{}: {reason}", it.origin);
    } else if it.severity == Severity::Error {
        error!(event = "config.rejected", job, origin = %it.origin, reason, "{}: {reason}", it.origin);
    } else {
        warn!(event = "config.doubtful", job, origin = %it.origin, reason, "{}: {reason}", it.origin);
    }
}

/// What every record of one run says.
#[derive(Debug, Clone)]
pub struct RunTags {
    /// The run.
    pub run: RunId,
    /// Its job.
    pub job: JobId,
    /// The job's kind.
    pub kind: JobKind,
    /// Why it began.
    pub trigger: Trigger,
    /// The container in which, or as which, it runs; or the service.
    pub container: Option<String>,
    /// Which of a service's tasks it is: its number, or its node.
    pub task: Option<String>,
    /// Which of its attempts this is, counted from 1.
    pub attempt: u32,
}

/// An occurrence came due and waits for other jobs.
pub fn run_held(
    run: &RunId,
    (job, kind): (&JobId, JobKind),
    trigger: Trigger,
    occurrence: Timestamp,
    reason: &str,
) {
    info!(
        event = "run.held",
        job = %job,
        kind = %kind,
        run = %run,
        trigger = trigger.as_str(),
        occurrence = %occurrence,
        reason,
        "{job} waits: {reason}"
    );
}

/// A run's command was started; `delay` is from the due moment to the first request of the first attempt.
pub fn run_started(tags: &RunTags, occurrence: Timestamp, delay: Option<SignedDuration>) {
    count(|it| it.run_started(tags.trigger, delay));
    info!(
        event = "run.started",
        job = %tags.job,
        kind = %tags.kind,
        run = %tags.run,
        attempt = tags.attempt,
        trigger = tags.trigger.as_str(),
        occurrence = %occurrence,
        start_delay_seconds = delay.map(|it| it.as_secs_f64()),
        container = tags.container.as_deref(),
        "{} started", tags.job
    );
}

/// A line that a run printed. `exact` are its bytes in base64, where they are no UTF-8.
pub fn run_output(tags: &RunTags, stream: &'static str, line: &str, exact: Option<&str>) {
    info!(
        event = "run.output",
        job = %tags.job,
        kind = %tags.kind,
        run = %tags.run,
        attempt = tags.attempt,
        container = tags.container.as_deref(),
        task = tags.task.as_deref(),
        stream,
        line,
        line_base64 = exact,
        "output"
    );
}

/// An attempt failed, and another one comes at `next` unless the run is asked to end before.
pub fn run_attempt_failed(tags: &RunTags, outcome: &Outcome, took: Option<Duration>, next: Timestamp) {
    let (reason, name) = (outcome.reason(), outcome.as_str());
    warn!(
        event = "run.attempt_failed",
        job = %tags.job,
        kind = %tags.kind,
        run = %tags.run,
        attempt = tags.attempt,
        trigger = tags.trigger.as_str(),
        outcome = name,
        exit_code = outcome.exit_code(),
        duration_seconds = took.map(|it| it.as_secs_f64()),
        next_attempt = %next,
        container = tags.container.as_deref(),
        reason = reason.as_deref(),
        "{}: attempt {} {name}, the next comes at {next}", tags.job, tags.attempt
    );
}

/// The one record of an occurrence.
pub fn record(it: &RunRecord) {
    count(|metrics| metrics.record(it));
    let reason = it.reason();
    let outcome = it.outcome.as_str();
    macro_rules! tell {
        ($level:ident, $event:literal, $($message:tt)+) => {
            $level!(
                event = $event,
                job = %it.job,
                kind = %it.kind,
                run = %it.run,
                attempt = (it.attempts > 0).then_some(it.attempts),
                trigger = it.trigger.as_str(),
                occurrence = %it.occurrence,
                outcome,
                exit_code = it.outcome.exit_code(),
                duration_seconds = it.duration.map(|it| it.as_secs_f64()),
                and_more = (it.and_more > 0).then_some(it.and_more),
                container = it.container.as_deref(),
                reason = reason.as_deref(),
                $($message)+
            )
        };
    }
    match &it.outcome {
        Outcome::Skipped { reason, .. } => tell!(warn, "run.skipped", "{} skipped: {reason}", it.job),
        Outcome::Missed { reason } => tell!(warn, "run.missed", "{} missed: {reason}", it.job),
        Outcome::Succeeded { .. } => tell!(info, "run.finished", "{} succeeded", it.job),
        Outcome::Failed { exit_code: Some(exit_code), .. } => {
            tell!(error, "run.finished", "{} failed with exit code {exit_code}", it.job);
        }
        Outcome::Failed { exit_code: None, .. } => tell!(error, "run.finished", "{} failed", it.job),
        Outcome::Stopped { .. } => tell!(warn, "run.finished", "{} stopped", it.job),
        Outcome::TimedOut { .. } => tell!(error, "run.finished", "{} took longer than its timeout", it.job),
        Outcome::NotStarted { error } => {
            tell!(error, "run.finished", "{} could not be started: {error}", it.job);
        }
        Outcome::Lost { reason } => tell!(error, "run.lost", "{} was lost: {reason}", it.job),
    }
}
