//! What becomes of the occurrences whose moment has passed: one rule for an agent that was down, a machine that slept,
//! a clock that was set and an agent that was held up.
//!
//! The newest runs if it is late by no more than [`LATE_LIMIT`]. All others were missed, and the job's policy says
//! whether some of them run after all. What does not run leaves one record together.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use crate::model::{job::MissedPolicy, name::JobId};

use super::{
    records,
    timetable::{Moment, Row},
};

/// An occurrence that the agent comes to later than this was missed.
pub const LATE_LIMIT: SignedDuration = SignedDuration::from_secs(60);

/// How many occurrences of one gap are counted one by one, besides those that may run. After a long sleep there may be
/// a thousand jobs with a thousand each, and nothing else is done while they are counted.
const COUNT_LIMIT: u32 = 1_000;

/// What has become of a job's occurrences by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The job.
    pub job: JobId,
    /// Missed occurrences that run after all, the oldest first.
    pub catch_up: Vec<Moment>,
    /// The occurrence that is due now: not later than [`LATE_LIMIT`].
    pub occurrence: Option<Moment>,
    /// Occurrences that were missed and do not run.
    pub missed: Option<Missed>,
}

/// Occurrences that were missed and do not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed {
    /// The newest of them.
    pub newest: Timestamp,
    /// How many were counted.
    pub count: u32,
    /// Whether there were more.
    pub more: bool,
    /// Why they do not run.
    pub why: Why,
}

/// Why a missed occurrence does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The policy is to run none.
    Skip,
    /// A newer one that was missed runs.
    Newer,
    /// As many newer ones as may run do.
    Most,
    /// It is later than the job's start deadline.
    Deadline,
}

/// The occurrences of one job that have fired by now and were not dealt with.
#[derive(Debug)]
pub(super) struct Passed {
    /// The newest.
    pub newest: Timestamp,
    /// What comes after them.
    pub next: Option<Timestamp>,
    /// The last of them, in order: as many as may matter one by one.
    recent: VecDeque<Timestamp>,
    /// How many were counted.
    count: u32,
    /// Whether there were more.
    more: bool,
}

/// Goes through what has fired by `now`; `None` where nothing has.
pub(super) fn passed(row: &Row, now: Timestamp) -> Option<Passed> {
    let first = row.next?;
    // One may be in time, and a record names the newest of those that do not run.
    let keep = usize::from(wanted(row)) + 2;
    let mut it = Passed { newest: first, next: None, recent: VecDeque::new(), count: 0, more: false };
    let mut skipped = false;
    loop {
        it.count += 1;
        it.recent.push_back(it.newest);
        if it.recent.len() > keep {
            it.recent.pop_front();
        }
        let mut from = it.newest;
        if it.count >= COUNT_LIMIT && !skipped {
            skipped = true;
            from = last(row, it.newest, now, keep);
            it.more = from > it.newest;
        }
        match row.after(from) {
            // Only the last before now can have its jitter before it.
            Some(next) if next <= now && row.fires(next) <= now => it.newest = next,
            next => {
                it.next = next;
                return Some(it);
            }
        }
    }
}

/// A moment after `after` with no more than `keep` occurrences between it and `now`, and, if there are as many, no
/// fewer; `after` itself if there are not.
fn last(row: &Row, after: Timestamp, now: Timestamp, keep: usize) -> Timestamp {
    let enough = |from: Timestamp| {
        let all = std::iter::successors(row.after(from), |at| row.after(*at));
        all.take_while(|at| *at <= now).take(keep).count() == keep
    };
    let (mut low, mut high) = (after.as_second(), now.as_second());
    let at = |second| Timestamp::from_second(second).unwrap_or(after);
    if !enough(after) {
        return after;
    }
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if enough(at(middle)) { low = middle } else { high = middle }
    }
    at(low).max(after)
}

fn wanted(row: &Row) -> u16 {
    match row.spec.missed {
        MissedPolicy::Skip => 0,
        MissedPolicy::Once => 1,
        MissedPolicy::All => row.spec.missed_max,
    }
}

/// What becomes of what has passed.
pub(super) fn judge(row: &Row, passed: Passed, now: Timestamp) -> Due {
    let spec = &row.spec;
    let moment = |occurrence| Moment { occurrence, fires: row.fires(occurrence) };
    let too_late = |it: &Moment| records::is_too_late(spec, it.fires, now);
    let Passed { mut recent, count, more, .. } = passed;
    let in_time = |it: &Moment| now.duration_since(it.fires.max(row.since)) <= LATE_LIMIT;
    let newest = recent.back().copied().map(moment).filter(in_time);
    let mut deadline = newest.as_ref().is_some_and(too_late);
    let occurrence = newest.filter(|_| !deadline);
    if occurrence.is_some() {
        recent.pop_back();
    }
    let mut catch_up = VecDeque::new();
    while !deadline && catch_up.len() < usize::from(wanted(row)) {
        let Some(it) = recent.back().copied().map(moment) else { break };
        deadline = too_late(&it);
        if !deadline {
            catch_up.push_front(it);
            recent.pop_back();
        }
    }
    let ran = u32::try_from(catch_up.len()).unwrap_or(u32::MAX) + u32::from(occurrence.is_some());
    let why = match spec.missed {
        _ if deadline => Why::Deadline,
        MissedPolicy::Skip => Why::Skip,
        MissedPolicy::Once => Why::Newer,
        MissedPolicy::All => Why::Most,
    };
    let missed = recent.back().map(|newest| Missed { newest: *newest, count: count - ran, more, why });
    Due { job: spec.id.clone(), catch_up: catch_up.into(), occurrence, missed }
}
