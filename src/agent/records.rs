//! The records of occurrences that do not run, in the words in which the operator reads them.

use std::{
    fmt::{Display, Write as _},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use crate::model::{
    diagnostic::Diagnostic,
    job::JobSpec,
    name::JobId,
    origin::Origin,
    run::{Outcome, RunRecord},
};

use super::{
    admission::Ticket,
    gap::{Missed, Why},
};

/// The record of an occurrence that came to no run.
pub fn of(ticket: &Ticket, container: Option<String>, outcome: Outcome) -> RunRecord {
    RunRecord {
        run: ticket.run.clone(),
        job: ticket.job.clone(),
        kind: ticket.kind,
        trigger: ticket.trigger,
        occurrence: ticket.occurrence,
        container,
        duration: None,
        outcome,
        attempts: 0,
        no_more: None,
        and_more: 0,
    }
}

/// The record of those that a policy held back.
pub fn skipped(ticket: &Ticket, reason: impl Into<String>) -> RunRecord {
    of(ticket, None, Outcome::Skipped { reason: reason.into() })
}

/// The one record of the missed occurrences of a gap that do not run; `ticket` is the newest of them.
pub fn missed(ticket: &Ticket, missed: &Missed, spec: &JobSpec) -> RunRecord {
    let mut reason =
        "its moment passed while the agent could not act: the agent was not running, the Engine did not \
                      answer, the machine slept, the clock was set or the agent was held up"
            .to_owned();
    match missed.why {
        Why::Skip => {}
        Why::Newer => reason.push_str("; missed=once runs the newest only"),
        Why::Most => {
            let _ = write!(reason, "; missed-max={} newer ones run", spec.missed_max);
        }
        Why::Deadline => reason = too_late(spec),
    }
    if missed.more {
        reason.push_str("; there were more than are counted here");
    }
    let record = of(ticket, None, Outcome::Missed { reason });
    RunRecord { and_more: missed.count.saturating_sub(1), ..record }
}

/// Whether an occurrence may not begin any more.
pub fn is_too_late(spec: &JobSpec, fires: Timestamp, now: Timestamp) -> bool {
    let limit = spec.start_deadline.map(SignedDuration::try_from);
    limit.is_some_and(|limit| limit.is_ok_and(|limit| now.duration_since(fires) > limit))
}

/// Why an occurrence does not begin that came to its turn too late.
pub fn too_late(spec: &JobSpec) -> String {
    let limit = spec.start_deadline.map_or_else(|| "none".to_owned(), written);
    format!("it could not begin within its start-deadline of {limit}")
}

fn written(length: Duration) -> String {
    humantime::format_duration(length).to_string()
}

/// The clock shows a time before anyone ran this.
pub fn never_set(now: Timestamp) -> Diagnostic {
    let reason = format!(
        "the clock shows {now}: it was never set. Jobs run by it; nothing is remembered until it is set, and then all \
         begins as if the agent had just started"
    );
    Diagnostic::warning(Origin::Place("the clock".into()), reason)
}

/// What is remembered is not believed.
pub fn distrusted(jobs: &[JobId], now: Timestamp) -> Option<Diagnostic> {
    let first = jobs.first()?;
    let others: &dyn Display = if jobs.len() > 1 { &format!(" and {} others", jobs.len() - 1) } else { &"" };
    let reason = format!(
        "the clock shows {now}, and what is remembered of {first}{others} is more than a day later: it is not believed, \
         and the count begins anew from now; if the clock is wrong, set it and start the agent again"
    );
    Some(Diagnostic::warning(Origin::Place("the state directory".into()), reason))
}
