//! The records of occurrences that do not run, in the words in which the operator reads them; and what is kept of a step.

use std::{
    collections::HashSet,
    fmt::{Display, Write as _},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use crate::model::{
    diagnostic::Diagnostic,
    job::{JobSpec, Retention},
    name::JobId,
    origin::Origin,
    run::{Admitted, Item, Outcome, Printed, RunRecord, StopForce},
    skip::Skip,
};

use super::{
    admission::Ticket,
    event::{Effect, Told},
    gap::{Missed, Why},
    keep::Note,
};

/// The record of an occurrence that came to no run.
pub fn of(ticket: &Ticket, container: Option<String>, outcome: Outcome, now: Timestamp) -> RunRecord {
    RunRecord {
        run: ticket.run.clone(),
        job: ticket.job.clone(),
        kind: ticket.kind,
        trigger: ticket.trigger,
        occurrence: ticket.occurrence,
        fires: ticket.fires,
        admitted: ticket.admitted,
        started: None,
        ended: now,
        container: container.or_else(|| ticket.place.as_deref().map(str::to_owned)),
        duration: None,
        outcome,
        attempts: 0,
        printed: Printed::default(),
        no_more: None,
        note: None,
        and_more: 0,
    }
}

/// The record of those that a policy held back.
pub fn skipped(ticket: &Ticket, by: Skip, reason: impl Into<String>, now: Timestamp) -> RunRecord {
    of(ticket, None, Outcome::Skipped { by, reason: reason.into() }, now)
}

/// The one record of the missed occurrences of a gap that do not run; `ticket` is the newest of them.
pub fn missed(ticket: &Ticket, missed: &Missed, spec: &JobSpec, now: Timestamp) -> RunRecord {
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
    let record = of(ticket, None, Outcome::Missed { reason }, now);
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

/// What is to be kept of one step, all of it together: that occurrences were seen, those that came due, and what became
/// of them and of earlier ones.
pub fn items(
    notes: Vec<Note>,
    came: impl Iterator<Item = Ticket>,
    effects: &[Effect],
    retention: impl Fn(&JobId) -> Option<Retention>,
) -> Vec<Item> {
    let mut items: Vec<Item> = notes.into_iter().map(|(job, memory)| Item::Memory(job, memory)).collect();
    let mut settled = HashSet::new();
    let mut further = Vec::new();
    for effect in effects {
        match effect {
            Effect::Start(order) => {
                settled.insert(&order.run);
                further.push(Item::Begins(order.as_admitted()));
            }
            Effect::Tell(Told::Record(record)) => {
                settled.insert(&record.run);
                further.push(Item::Ended(record.clone(), retention(&record.job)));
            }
            // Whoever makes no further attempt because this agent ends may make it under the next one.
            Effect::Stop(run, request) if request.force > StopForce::Finish => {
                further.push(Item::Stops(run.clone(), *request));
            }
            Effect::TakeUp(taken) if !taken.has_row => {
                let terms = Some(taken.terms.clone());
                further.push(Item::Begins(Admitted { terms, ..taken.order.as_admitted() }));
            }
            Effect::TakeUp(_)
            | Effect::Await(_)
            | Effect::Stop(..)
            | Effect::Tell(_)
            | Effect::Answer(_)
            | Effect::Keep(_)
            | Effect::Notify(_) => {}
        }
    }
    let waiting = came.filter(|it| !settled.contains(&it.run));
    items.extend(waiting.map(|it| Item::Waits(it.as_admitted())));
    items.extend(further);
    items
}
