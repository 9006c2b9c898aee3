//! Which job is due next. The cost of a due job is logarithmic in the number of jobs, and nothing is done for those
//! that are not due.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use crate::model::{name::JobId, schedule::Schedule};

/// An occurrence that starts later than this was missed: its moment passed while the machine slept, the clock was
/// set, or the agent could not act.
pub const LATE_LIMIT: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

/// How many occurrences of one gap are counted one by one. After a long sleep there may be a thousand jobs with a
/// thousand each, and nothing else is done while they are counted.
const COUNT_LIMIT: u32 = 1_000;

/// Occurrences to come, by job and in order of time.
#[derive(Debug, Default)]
pub struct Timetable {
    rows: HashMap<JobId, Row>,
    order: BTreeSet<(Timestamp, JobId)>,
}

#[derive(Debug)]
struct Row {
    schedule: Schedule,
    /// When the job was first seen: `@every` counts from there.
    anchor: Timestamp,
    next: Option<Timestamp>,
}

/// What has become of a job's occurrences by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The job.
    pub job: JobId,
    /// The occurrence to act on: not later than [`LATE_LIMIT`].
    pub occurrence: Option<Timestamp>,
    /// Occurrences whose moment has passed.
    pub missed: Option<Missed>,
}

/// Occurrences whose moment has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed {
    /// The newest of them.
    pub newest: Timestamp,
    /// How many were counted.
    pub count: u32,
    /// Whether there were more.
    pub more: bool,
}

impl Timetable {
    /// Takes a job in, to be due after `now`, or changes its schedule. A job that is already there keeps its anchor,
    /// and with an unchanged schedule its next occurrence.
    pub fn set(&mut self, job: &JobId, schedule: &Schedule, now: Timestamp) {
        // Whole seconds: an occurrence is named by its second.
        let mut anchor = Timestamp::from_second(now.as_second()).unwrap_or(now);
        if let Some(row) = self.rows.get(job) {
            if row.schedule == *schedule {
                return;
            }
            anchor = row.anchor;
            self.remove(job);
        }
        let next = schedule.next_after(now, anchor);
        if let Some(next) = next {
            self.order.insert((next, job.clone()));
        }
        self.rows.insert(job.clone(), Row { schedule: schedule.clone(), anchor, next });
    }

    /// Takes a job out.
    pub fn remove(&mut self, job: &JobId) {
        if let Some(Row { next: Some(next), .. }) = self.rows.remove(job) {
            self.order.remove(&(next, job.clone()));
        }
    }

    /// The earliest occurrence of all.
    pub fn next(&self) -> Option<Timestamp> {
        self.order.first().map(|(next, _)| *next)
    }

    /// The next occurrence of one job.
    pub fn next_of(&self, job: &JobId) -> Option<Timestamp> {
        self.rows.get(job)?.next
    }

    /// The next `count` occurrences of one job.
    pub fn upcoming(&self, job: &JobId, count: usize) -> Vec<Timestamp> {
        let Some(row) = self.rows.get(job) else { return Vec::new() };
        std::iter::successors(row.next, |at| row.schedule.next_after(*at, row.anchor)).take(count).collect()
    }

    /// How many jobs there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The first job that is due at `now`, moved on to its next occurrence after `now`. An occurrence is given out
    /// once: when the clock is set back, nothing comes again.
    pub fn pop(&mut self, now: Timestamp) -> Option<Due> {
        let (first, _) = self.order.first()?;
        if *first > now {
            return None;
        }
        let (first, job) = self.order.pop_first()?;
        let row = self.rows.get_mut(&job)?;
        let mut newest = first;
        let mut last_earlier = first;
        let mut earlier = 0;
        let mut more = false;
        let next = loop {
            match row.schedule.next_after(newest, row.anchor) {
                Some(next) if next <= now => {
                    last_earlier = newest;
                    earlier += 1;
                    newest = next;
                    if earlier == COUNT_LIMIT {
                        // Go on with what may still be acted on; what lies between is not counted.
                        let recent = now.saturating_sub(LATE_LIMIT).unwrap_or(newest);
                        more = newest < recent;
                        match row.schedule.next_after(newest.max(recent), row.anchor) {
                            Some(next) if next <= now => newest = next,
                            next => break next,
                        }
                    }
                }
                next => break next,
            }
        };
        row.next = next;
        if let Some(next) = next {
            self.order.insert((next, job.clone()));
        }
        let late = now.duration_since(newest) > LATE_LIMIT;
        let missed = if late {
            Some(Missed { newest, count: earlier + 1, more })
        } else {
            (earlier > 0).then_some(Missed { newest: last_earlier, count: earlier, more })
        };
        Some(Due { job, occurrence: (!late).then_some(newest), missed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::schedule::Zone;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn schedule(text: &str) -> Schedule {
        Schedule::parse(text, &Zone::utc()).unwrap()
    }

    fn timetable(jobs: &[(&str, &str)], now: &str) -> Timetable {
        let mut timetable = Timetable::default();
        for (job, text) in jobs {
            timetable.set(&JobId::plain(job), &schedule(text), at(now));
        }
        timetable
    }

    #[test]
    fn jobs_come_in_order_of_time_and_then_of_name() {
        let mut it =
            timetable(&[("b", "* * * * *"), ("a", "* * * * *"), ("c", "@every 30s")], "2026-01-01T00:00:10Z");
        let mut order = Vec::new();
        while let Some(due) = it.pop(at("2026-01-01T00:01:00Z")) {
            order.push(format!("{} {}", due.job, due.occurrence.unwrap()));
        }
        assert_eq!(order, ["c 2026-01-01T00:00:40Z", "a 2026-01-01T00:01:00Z", "b 2026-01-01T00:01:00Z"]);
    }

    #[test]
    fn a_run_two_seconds_late_still_runs() {
        let mut it = timetable(&[("a", "* * * * *")], "2026-01-01T00:00:10Z");
        let due = it.pop(at("2026-01-01T00:01:02Z")).unwrap();
        assert_eq!((due.occurrence, due.missed), (Some(at("2026-01-01T00:01:00Z")), None));
        assert_eq!(it.next(), Some(at("2026-01-01T00:02:00Z")));
    }

    #[test]
    fn what_passed_during_a_sleep_is_missed_and_told_once() {
        let mut it = timetable(&[("a", "0 * * * *"), ("b", "*/2 * * * *")], "2026-01-01T00:30:00Z");
        let now = at("2026-01-01T03:10:30Z");
        let minute = it.pop(now).unwrap();
        assert_eq!(minute.occurrence, Some(at("2026-01-01T03:10:00Z")), "late by half a minute only");
        assert_eq!(
            minute.missed,
            Some(Missed { newest: at("2026-01-01T03:08:00Z"), count: 79, more: false })
        );
        let hour = it.pop(now).unwrap();
        assert_eq!(hour.occurrence, None);
        assert_eq!(hour.missed, Some(Missed { newest: at("2026-01-01T03:00:00Z"), count: 3, more: false }));
        assert_eq!(it.pop(now), None);
        assert_eq!(it.next(), Some(at("2026-01-01T03:12:00Z")));
    }

    #[test]
    fn a_clock_set_back_repeats_nothing() {
        let mut it = timetable(&[("a", "0 * * * *")], "2026-01-01T00:30:00Z");
        assert!(it.pop(at("2026-01-01T01:00:00Z")).is_some());
        assert_eq!(it.pop(at("2026-01-01T00:30:00Z")), None);
        assert_eq!(it.pop(at("2026-01-01T01:00:30Z")), None);
        assert_eq!(it.next(), Some(at("2026-01-01T02:00:00Z")));
    }

    #[test]
    fn a_dense_schedule_and_a_gap_of_years_end_soon_and_what_is_still_in_time_runs() {
        let mut it = timetable(&[("a", "* * * * *"), ("b", "0 3 * * *")], "2020-01-01T00:00:00Z");
        let now = at("2026-01-01T00:00:10Z");
        let minute = it.pop(now).unwrap();
        assert_eq!(minute.occurrence, Some(at("2026-01-01T00:00:00Z")));
        let missed = minute.missed.unwrap();
        assert_eq!((missed.count, missed.more), (COUNT_LIMIT, true));
        let day = it.pop(now).unwrap();
        assert_eq!((day.occurrence, day.missed.unwrap().more), (None, true));
        assert_eq!(it.pop(now), None);
        assert_eq!(it.next_of(&JobId::plain("a")), Some(at("2026-01-01T00:01:00Z")));
        assert_eq!(it.next_of(&JobId::plain("b")), Some(at("2026-01-01T03:00:00Z")));
    }

    #[test]
    fn an_unchanged_schedule_keeps_its_place_and_a_changed_one_keeps_its_anchor() {
        let mut it = timetable(&[("a", "@every 10m")], "2026-01-01T00:00:00Z");
        it.set(&JobId::plain("a"), &schedule("@every 10m"), at("2026-01-01T00:05:00Z"));
        assert_eq!(it.next(), Some(at("2026-01-01T00:10:00Z")));
        it.set(&JobId::plain("a"), &schedule("@every 7m"), at("2026-01-01T00:05:00Z"));
        assert_eq!(it.next(), Some(at("2026-01-01T00:07:00Z")));
        it.remove(&JobId::plain("a"));
        assert_eq!((it.next(), it.len()), (None, 0));
    }
}
