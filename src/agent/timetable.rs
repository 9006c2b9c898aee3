//! Which job is due next. The cost of a due job is logarithmic in the number of jobs, and nothing is done for those
//! that are not due.
//!
//! An occurrence *fires* at its moment, or, with jitter, a little later. A row knows up to where its job's occurrences
//! were dealt with. Whatever kept the agent from acting (it was down, the machine slept, the clock was set), what
//! lies between that and now is a gap, and [`super::gap`] says what becomes of it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use crate::model::{
    job::JobSpec,
    memory::{Marks, Memory, Pause, TRUST_LIMIT, fingerprint},
    name::JobId,
    spread,
};

use super::gap::{self, Due};

/// Occurrences to come, by job and in order of time.
#[derive(Debug, Default)]
pub struct Timetable {
    rows: HashMap<JobId, Row>,
    order: BTreeSet<(Timestamp, JobId)>,
    /// Jobs that cannot be acted on: they are not in the order.
    held: BTreeSet<JobId>,
    /// Of the jobs whose schedule counts from one. Shared with those who only look.
    anchors: Arc<HashMap<JobId, Timestamp>>,
}

/// One job's place.
#[derive(Debug)]
pub(super) struct Row {
    pub spec: Arc<JobSpec>,
    /// When the job was first seen: `@every` counts from there.
    pub anchor: Timestamp,
    /// The first occurrence that was not dealt with.
    pub next: Option<Timestamp>,
    /// Everything up to here was dealt with. It never goes back when the clock does.
    seen: Timestamp,
    /// What fired before this by the job's present parameters was not to fire then by those it had.
    pub since: Timestamp,
    /// Nothing of it is due.
    held: Option<Pause>,
}

/// An occurrence, and when it is acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The moment that the schedule named.
    pub occurrence: Timestamp,
    /// That and its jitter.
    pub fires: Timestamp,
}

impl Moment {
    /// What no schedule named: an occurrence now, which is named by its second.
    pub fn now(now: Timestamp) -> Self {
        Self { occurrence: Timestamp::from_second(now.as_second()).unwrap_or(now), fires: now }
    }
}

/// What became of a job that was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// What is to be remembered, if that is news.
    pub memory: Option<Memory>,
    /// Whether what was remembered of it was not believed.
    pub distrusted: bool,
}

impl Row {
    fn new(spec: &Arc<JobSpec>, anchor: Timestamp, seen: Timestamp) -> Self {
        let next = spec.schedule.next_after(seen, anchor);
        Self { spec: spec.clone(), anchor, next, seen, since: Timestamp::MIN, held: None }
    }

    /// The occurrence after another.
    pub(super) fn after(&self, occurrence: Timestamp) -> Option<Timestamp> {
        self.spec.schedule.next_after(occurrence, self.anchor)
    }

    /// When an occurrence fires: uniform within the jitter, strictly before the next occurrence, to the millisecond,
    /// and the same whenever it is asked.
    pub(super) fn fires(&self, occurrence: Timestamp) -> Timestamp {
        if self.spec.jitter.is_zero() {
            return occurrence;
        }
        let millis = |length: SignedDuration| u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        let jitter = u64::try_from(self.spec.jitter.as_millis()).unwrap_or(u64::MAX);
        let distance =
            self.after(occurrence).map_or(u64::MAX, |next| millis(next.duration_since(occurrence)));
        let number = occurrence.as_nanosecond().to_le_bytes();
        let hash = spread::hash(&[self.spec.id.as_str().as_bytes(), &number]);
        let offset = i64::try_from(spread::below(hash, jitter.min(distance))).unwrap_or(0);
        occurrence.saturating_add(SignedDuration::from_millis(offset)).unwrap_or(occurrence)
    }

    fn moment(&self) -> Option<Moment> {
        self.next
            .filter(|_| self.held.is_none())
            .map(|occurrence| Moment { occurrence, fires: self.fires(occurrence) })
    }

    /// What is to be remembered of it.
    fn memory(&self) -> Memory {
        let schedule = fingerprint(&self.spec.schedule);
        Memory { anchor: self.anchor, schedule, seen: self.seen, idle: false, marks: Marks::default() }
    }
}

/// The latest moment that is believed of what is remembered.
fn latest(now: Timestamp) -> Timestamp {
    now.saturating_add(TRUST_LIMIT).unwrap_or(now)
}

/// Whole seconds: an occurrence is named by its second.
fn second(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

impl Timetable {
    /// Takes a job in, or takes in that it changed. A job that is already there keeps its anchor, and with an
    /// unchanged schedule its place. Of one that is not, `memory` is what is remembered of it: then its anchor is the
    /// remembered one, and unless it was idle or its schedule was another one, what was not dealt with since comes
    /// due. A job that nobody remembers has no past.
    pub fn set(&mut self, spec: &Arc<JobSpec>, memory: Option<Memory>, now: Timestamp) -> Taken {
        let (latest, second) = (latest(now), second(now));
        let mut distrusted = false;
        let (anchor, seen) = match (self.take(&spec.id), memory) {
            (Some(row), _) if row.spec.schedule == spec.schedule => {
                // With less jitter what still waited may be due at once, and is not late.
                let waited = row.moment().is_some_and(|next| next.fires > now);
                let since = if waited { now } else { row.since };
                self.insert(Row { spec: spec.clone(), since, ..row });
                return Taken { memory: None, distrusted };
            }
            (Some(row), _) => (row.anchor, row.seen.max(now)),
            (None, Some(it)) => {
                distrusted = it.anchor > latest || (it.seen > latest && !it.idle);
                let anchor = if it.anchor > latest { second } else { it.anchor };
                let begins_now = it.idle || it.schedule != fingerprint(&spec.schedule);
                let seen = match (it.seen <= latest, begins_now) {
                    (false, _) => now,
                    // The clock may have been set back since.
                    (true, true) => it.seen.max(now),
                    (true, false) => it.seen,
                };
                (anchor, seen)
            }
            (None, None) => (second, now),
        };
        let row = Row::new(spec, anchor, seen);
        let news = row.memory();
        self.insert(row);
        Taken { memory: (memory != Some(news)).then_some(news), distrusted }
    }

    /// Takes a job out; what there is to remember of it.
    pub fn remove(&mut self, job: &JobId, now: Timestamp) -> Option<Memory> {
        let row = self.take(job)?;
        if self.anchors.contains_key(job) {
            Arc::make_mut(&mut self.anchors).remove(job);
        }
        let memory = row.memory();
        Some(Memory { idle: true, seen: memory.seen.max(now), ..memory })
    }

    /// The clock was set back so far that what lies ahead is not believed any more: those jobs begin anew from now.
    /// The answer is what was known of each of them.
    pub fn distrust(&mut self, now: Timestamp) -> Vec<(JobId, Memory)> {
        let latest = latest(now);
        let doubted = self.rows.values().filter(|row| row.seen > latest || row.anchor > latest);
        let mut doubted: Vec<(JobId, Memory)> =
            doubted.map(|row| (row.spec.id.clone(), row.memory())).collect();
        doubted.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (job, _) in &doubted {
            let Some(row) = self.take(job) else { continue };
            let anchor = if row.anchor > latest { second(now) } else { row.anchor };
            self.insert(Row { held: row.held, ..Row::new(&row.spec, anchor, now) });
        }
        doubted
    }

    /// Everything of this job up to `seen` was dealt with after all.
    pub fn recall(&mut self, job: &JobId, seen: Timestamp) {
        if self.rows.get(job).is_some_and(|row| row.seen < seen)
            && let Some(row) = self.take(job)
        {
            self.insert(Row { since: row.since, held: row.held, ..Row::new(&row.spec, row.anchor, seen) });
        }
    }

    /// All jobs begin anew, each with what `memory` knows of it. What is to be remembered of them now.
    pub fn begin_anew(
        &mut self,
        now: Timestamp,
        mut memory: impl FnMut(&JobId) -> Option<Memory>,
    ) -> Vec<(JobId, Memory)> {
        let specs: Vec<_> = self.rows.values().map(|row| (row.spec.clone(), row.held)).collect();
        let mut news = Vec::new();
        for (spec, held) in specs {
            self.take(&spec.id);
            if let Some(it) = self.set(&spec, memory(&spec.id), now).memory {
                news.push((spec.id.clone(), it));
            }
            if let Some(pause) = held {
                self.hold(&spec.id, pause);
            }
        }
        news
    }

    /// What there is to remember of a job now.
    pub fn memory(&self, job: &JobId) -> Option<Memory> {
        self.rows.get(job).map(Row::memory)
    }

    /// Nothing of a job is due until it is [let go](Self::let_go).
    pub fn hold(&mut self, job: &JobId, pause: Pause) {
        if let Some(row) = self.take(job) {
            self.insert(Row { held: Some(pause), ..row });
        }
    }

    /// A job that was held goes on with what comes after `from`. Nothing before that was missed.
    pub fn let_go(&mut self, job: &JobId, from: Timestamp) {
        if let Some(row) = self.take(job) {
            let seen = row.seen.max(from);
            self.insert(Row { next: row.after(seen), seen, held: None, ..row });
        }
    }

    fn insert(&mut self, row: Row) {
        let job = row.spec.id.clone();
        if let Some(next) = row.moment() {
            self.order.insert((next.fires, job.clone()));
        }
        let anchor = row.spec.schedule.is_anchored().then_some(row.anchor);
        if self.anchors.get(&job).copied() != anchor {
            let anchors = Arc::make_mut(&mut self.anchors);
            match anchor {
                Some(anchor) => drop(anchors.insert(job.clone(), anchor)),
                None => drop(anchors.remove(&job)),
            }
        }
        self.rows.insert(job, row);
    }

    /// From where the schedules count that count from when the job was first seen.
    pub fn anchors(&self) -> Arc<HashMap<JobId, Timestamp>> {
        self.anchors.clone()
    }

    fn take(&mut self, job: &JobId) -> Option<Row> {
        self.held.remove(job);
        let row = self.rows.remove(job)?;
        if let Some(next) = row.moment() {
            self.order.remove(&(next.fires, job.clone()));
        }
        Some(row)
    }

    /// The job that is due first at `now`.
    pub fn first_due(&self, now: Timestamp) -> Option<&Arc<JobSpec>> {
        let (at, job) = self.order.first()?;
        if *at > now { None } else { self.rows.get(job).map(|row| &row.spec) }
    }

    /// The first job cannot be acted on: what is due of it waits until it is [released](Self::release).
    pub fn hold_first(&mut self) {
        self.held.extend(self.order.pop_first().map(|(_, job)| job));
    }

    /// What was held can be acted on again.
    pub fn release(&mut self) {
        for job in std::mem::take(&mut self.held) {
            if let Some(next) = self.rows.get(&job).and_then(Row::moment) {
                self.order.insert((next.fires, job));
            }
        }
    }

    /// The earliest moment at which something fires.
    pub fn next(&self) -> Option<Timestamp> {
        self.order.first().map(|(next, _)| *next)
    }

    /// The next occurrence of one job.
    pub fn next_of(&self, job: &JobId) -> Option<Timestamp> {
        self.rows.get(job)?.next
    }

    /// The next `count` occurrences of one job that are still to come.
    pub fn upcoming(&self, job: &JobId, count: usize, now: Timestamp) -> Vec<Timestamp> {
        let Some(row) = self.rows.get(job) else { return Vec::new() };
        let first = match row.held {
            None => row.next.filter(|next| *next > now || row.fires(*next) > now).or_else(|| row.after(now)),
            Some(Pause { until }) => until.and_then(|until| row.after(just_before(until).max(now))),
        };
        std::iter::successors(first, |at| row.after(*at)).take(count).collect()
    }

    /// How many jobs there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The first job that is due at `now`, moved on to its next occurrence after `now`, and what is to be remembered
    /// of it. An occurrence is given out once: when the clock is set back, nothing comes again.
    pub fn pop(&mut self, now: Timestamp) -> Option<(Due, Memory)> {
        let (first, _) = self.order.first()?;
        if *first > now {
            return None;
        }
        let (_, job) = self.order.pop_first()?;
        let row = self.rows.get_mut(&job)?;
        let passed = gap::passed(row, now)?;
        row.next = passed.next;
        row.seen = row.seen.max(passed.newest);
        let memory = row.memory();
        let due = gap::judge(row, passed, now);
        if let Some(next) = row.moment() {
            self.order.insert((next.fires, job));
        }
        Some((due, memory))
    }
}

/// What is paused until a moment goes on with that moment.
pub(super) fn just_before(moment: Timestamp) -> Timestamp {
    moment.saturating_sub(SignedDuration::from_nanos(1)).unwrap_or(moment)
}

#[cfg(test)]
mod tests;
