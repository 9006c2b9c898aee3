//! Rows, gaps, jitter and what is remembered, without a clock.

use std::time::Duration;

use super::*;
use crate::{
    agent::gap::{Missed, Why},
    model::{
        job::{Environment, LocalSpec, MissedPolicy, Work},
        schedule::{Schedule, Zone},
    },
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn id(job: &str) -> JobId {
    JobId::plain(job)
}

fn job(name: &str, schedule: &str) -> JobSpec {
    JobSpec::new(
        id(name),
        Schedule::parse(schedule, &Zone::utc()).unwrap(),
        Work::Local(LocalSpec {
            argv: vec!["true".to_owned()],
            user: None,
            workdir: None,
            environment: Environment::default(),
        }),
    )
}

fn with(spec: JobSpec, now: &str) -> Timetable {
    let mut it = Timetable::default();
    it.set(&Arc::new(spec), None, at(now));
    it
}

fn timetable(jobs: &[(&str, &str)], now: &str) -> Timetable {
    let mut it = Timetable::default();
    for (name, schedule) in jobs {
        it.set(&Arc::new(job(name, schedule)), None, at(now));
    }
    it
}

fn pop(it: &mut Timetable, now: &str) -> Option<Due> {
    it.pop(at(now)).map(|(due, _)| due)
}

fn moments(of: &[Moment]) -> Vec<String> {
    of.iter().map(|it| it.occurrence.to_string()).collect()
}

#[test]
fn jobs_come_in_order_of_time_and_then_of_name() {
    let mut it =
        timetable(&[("b", "* * * * *"), ("a", "* * * * *"), ("c", "@every 30s")], "2026-01-01T00:00:10Z");
    let mut order = Vec::new();
    while let Some(due) = pop(&mut it, "2026-01-01T00:01:00Z") {
        order.push(format!("{} {}", due.job, due.occurrence.unwrap().occurrence));
    }
    assert_eq!(order, ["c 2026-01-01T00:00:40Z", "a 2026-01-01T00:01:00Z", "b 2026-01-01T00:01:00Z"]);
}

/// Mistake 15.
#[test]
fn a_run_two_seconds_late_still_runs() {
    let mut it = timetable(&[("a", "* * * * *")], "2026-01-01T00:00:10Z");
    let due = pop(&mut it, "2026-01-01T00:01:02Z").unwrap();
    assert_eq!(due.occurrence.unwrap().occurrence, at("2026-01-01T00:01:00Z"));
    assert_eq!((due.missed, it.next()), (None, Some(at("2026-01-01T00:02:00Z"))));
}

#[test]
fn what_passed_during_a_sleep_is_missed_and_told_once() {
    let mut it = timetable(&[("a", "0 * * * *"), ("b", "*/2 * * * *")], "2026-01-01T00:30:00Z");
    let now = "2026-01-01T03:10:30Z";
    let minute = pop(&mut it, now).unwrap();
    assert_eq!(
        minute.occurrence.unwrap().occurrence,
        at("2026-01-01T03:10:00Z"),
        "late by half a minute only"
    );
    let missed = |newest, count| Missed { newest: at(newest), count, more: false, why: Why::Skip };
    assert_eq!(minute.missed, Some(missed("2026-01-01T03:08:00Z", 79)));
    let hour = pop(&mut it, now).unwrap();
    assert_eq!((hour.occurrence, hour.missed), (None, Some(missed("2026-01-01T03:00:00Z", 3))));
    assert_eq!(pop(&mut it, now), None);
    assert_eq!(it.next(), Some(at("2026-01-01T03:12:00Z")));
}

/// Mistake 19.
#[test]
fn the_policy_says_how_many_of_the_missed_run_after_all() {
    let hours = |policy, most, deadline: Option<u64>| {
        let spec = JobSpec {
            missed: policy,
            missed_max: most,
            start_deadline: deadline.map(|hours| Duration::from_secs(hours * 3600)),
            ..job("a", "0 * * * *")
        };
        let mut it = with(spec, "2026-01-01T00:30:00Z");
        let due = pop(&mut it, "2026-01-01T05:30:00Z").unwrap();
        assert_eq!(due.occurrence, None);
        let missed = due.missed.map(|it| (it.newest.to_string(), it.count, it.why));
        let caught_up = due.catch_up.iter().map(|it| it.occurrence.strftime("%H").to_string());
        (caught_up.collect::<Vec<_>>().join(" "), missed)
    };
    let newest = |hour: u8, count, why| Some((format!("2026-01-01T0{hour}:00:00Z"), count, why));
    assert_eq!(hours(MissedPolicy::Skip, 10, None), (String::new(), newest(5, 5, Why::Skip)));
    assert_eq!(hours(MissedPolicy::Once, 10, None), ("05".into(), newest(4, 4, Why::Newer)));
    assert_eq!(hours(MissedPolicy::All, 10, None), ("01 02 03 04 05".into(), None));
    assert_eq!(hours(MissedPolicy::All, 2, None), ("04 05".into(), newest(3, 3, Why::Most)));
    assert_eq!(hours(MissedPolicy::All, 10, Some(2)), ("04 05".into(), newest(3, 3, Why::Deadline)));
    assert_eq!(hours(MissedPolicy::All, 10, Some(9)), ("01 02 03 04 05".into(), None));
    assert_eq!(hours(MissedPolicy::Skip, 10, Some(9)), (String::new(), newest(5, 5, Why::Skip)));
}

#[test]
fn a_start_deadline_holds_for_what_is_late_by_seconds_too() {
    let spec = JobSpec { start_deadline: Some(Duration::from_secs(5)), ..job("a", "* * * * *") };
    let mut it = with(spec, "2026-01-01T00:00:30Z");
    let due = pop(&mut it, "2026-01-01T00:01:05Z").unwrap();
    assert!(due.occurrence.is_some(), "not later than it");
    let due = pop(&mut it, "2026-01-01T00:02:06Z").unwrap();
    assert_eq!((due.occurrence, due.missed.unwrap().why), (None, Why::Deadline));
}

#[test]
fn what_is_due_now_runs_beside_what_is_caught_up() {
    let spec = JobSpec { missed: MissedPolicy::Once, ..job("a", "*/10 * * * *") };
    let mut it = with(spec, "2026-01-01T00:05:00Z");
    let due = pop(&mut it, "2026-01-01T01:00:20Z").unwrap();
    assert_eq!(moments(&due.catch_up), ["2026-01-01T00:50:00Z"]);
    assert_eq!(due.occurrence.unwrap().occurrence, at("2026-01-01T01:00:00Z"));
    assert_eq!(due.missed.unwrap().count, 4);
}

#[test]
fn a_clock_set_back_repeats_nothing() {
    let mut it = timetable(&[("a", "0 * * * *")], "2026-01-01T00:30:00Z");
    assert!(pop(&mut it, "2026-01-01T01:00:00Z").is_some());
    assert_eq!(pop(&mut it, "2026-01-01T00:30:00Z"), None);
    assert_eq!(pop(&mut it, "2026-01-01T01:00:30Z"), None);
    assert_eq!(it.next(), Some(at("2026-01-01T02:00:00Z")));
}

#[test]
fn a_dense_schedule_and_a_gap_of_years_end_soon_and_the_newest_are_found() {
    for (policy, most, caught_up) in
        [(MissedPolicy::Skip, 1, 0), (MissedPolicy::Once, 1, 1), (MissedPolicy::All, 7, 7)]
    {
        let mut it = Timetable::default();
        for (name, schedule) in [("a", "* * * * *"), ("b", "0 3 * * *"), ("c", "* * 1 1 *")] {
            let spec = JobSpec { missed: policy, missed_max: most, ..job(name, schedule) };
            it.set(&Arc::new(spec), None, at("2020-01-01T00:00:00Z"));
        }
        let now = "2026-11-01T00:00:10Z";
        let minute = pop(&mut it, now).unwrap();
        assert_eq!(minute.occurrence.unwrap().occurrence, at("2026-11-01T00:00:00Z"));
        assert_eq!(minute.catch_up.len(), caught_up);
        if let Some(last) = minute.catch_up.last() {
            assert_eq!(last.occurrence, at("2026-10-31T23:59:00Z"));
        }
        let missed = minute.missed.unwrap();
        assert!(missed.more && (999..1_010).contains(&missed.count), "{missed:?}");
        let newer = i64::try_from(caught_up).unwrap() + 1;
        assert_eq!(missed.newest, at("2026-11-01T00:00:00Z") - SignedDuration::from_mins(newer));
        let year = pop(&mut it, now).unwrap();
        assert_eq!((year.occurrence, year.catch_up.len()), (None, caught_up));
        assert!(year.missed.unwrap().newest <= at("2026-01-01T23:59:00Z"));
        let day = pop(&mut it, now).unwrap();
        assert_eq!((day.job, day.occurrence, day.missed.unwrap().more), (id("b"), None, true));
        assert_eq!(pop(&mut it, now), None);
        assert_eq!(it.next_of(&id("a")), Some(at("2026-11-01T00:01:00Z")));
        assert_eq!(it.next_of(&id("b")), Some(at("2026-11-01T03:00:00Z")));
        assert_eq!(it.next_of(&id("c")), Some(at("2027-01-01T00:00:00Z")));
    }
}

#[test]
fn an_unchanged_schedule_keeps_its_place_and_a_changed_one_keeps_its_anchor() {
    let mut it = timetable(&[("a", "@every 10m")], "2026-01-01T00:00:00Z");
    let same = Arc::new(JobSpec { jitter: Duration::from_secs(60), ..job("a", "@every 10m") });
    it.set(&same, None, at("2026-01-01T00:05:00Z"));
    assert_eq!(it.next_of(&id("a")), Some(at("2026-01-01T00:10:00Z")));
    it.set(&Arc::new(job("a", "@every 7m")), None, at("2026-01-01T00:05:00Z"));
    assert_eq!(it.next(), Some(at("2026-01-01T00:07:00Z")), "the jitter has gone as well");
    it.remove(&id("a"), at("2026-01-01T00:06:00Z"));
    assert_eq!((it.next(), it.len()), (None, 0));
}

#[test]
fn what_is_remembered_brings_back_the_anchor_and_what_was_not_dealt_with() {
    let mut it = timetable(&[("a", "@every 7m")], "2026-01-01T00:00:00.9Z");
    let (_, memory) = it.pop(at("2026-01-01T00:07:00Z")).unwrap();
    assert_eq!((memory.anchor, memory.seen), (at("2026-01-01T00:00:00Z"), at("2026-01-01T00:07:00Z")));
    let mut again = Timetable::default();
    let spec = Arc::new(job("a", "@every 7m"));
    let taken = again.set(&spec, Some(memory), at("2026-01-01T00:30:00Z"));
    assert_eq!(taken, Taken { memory: None, distrusted: false }, "there is nothing new");
    assert_eq!(again.upcoming(&id("a"), 1, at("2026-01-01T00:30:00Z")), [at("2026-01-01T00:35:00Z")]);
    let due = pop(&mut again, "2026-01-01T00:30:00Z").unwrap();
    assert_eq!((due.occurrence, due.missed.unwrap().count), (None, 3), "00:14, 00:21 and 00:28");
    assert_eq!(again.next(), Some(at("2026-01-01T00:35:00Z")));
}

#[test]
fn an_idle_job_and_one_with_another_schedule_keep_their_anchor_and_have_missed_nothing() {
    let memory = timetable(&[("a", "@every 7m")], "2026-01-01T00:00:00Z")
        .remove(&id("a"), at("2026-01-01T00:03:00Z"))
        .unwrap();
    assert!(memory.idle);
    let mut it = Timetable::default();
    it.set(&Arc::new(job("a", "@every 7m")), Some(memory), at("2026-01-01T00:30:00Z"));
    assert_eq!(it.next(), Some(at("2026-01-01T00:35:00Z")));
    let mut it = Timetable::default();
    let other = Memory { idle: false, ..memory };
    let taken = it.set(&Arc::new(job("a", "@every 11m")), Some(other), at("2026-01-01T00:30:00Z"));
    assert_eq!(it.next(), Some(at("2026-01-01T00:33:00Z")));
    assert_eq!(taken.memory.unwrap().seen, at("2026-01-01T00:30:00Z"));
}

#[test]
fn nothing_is_caught_up_while_the_clock_is_earlier_than_what_is_remembered() {
    let schedule = job("a", "0 * * * *").schedule;
    let memory = |seen| Memory {
        marks: Marks::default(),
        anchor: at("2026-01-01T00:00:00Z"),
        schedule: fingerprint(&schedule),
        seen: at(seen),
        idle: false,
    };
    let spec = Arc::new(JobSpec { missed: MissedPolicy::All, ..job("a", "0 * * * *") });
    let mut it = Timetable::default();
    let taken = it.set(&spec, Some(memory("2026-01-02T05:00:00Z")), at("2026-01-02T01:30:00Z"));
    assert!(!taken.distrusted);
    assert_eq!(pop(&mut it, "2026-01-02T05:30:00Z"), None);
    assert_eq!(it.next(), Some(at("2026-01-02T06:00:00Z")));
    // A day and more is no step back: one of the two clocks was wrong.
    let mut it = Timetable::default();
    let taken = it.set(&spec, Some(memory("2031-01-02T05:00:00Z")), at("2026-01-02T01:30:00Z"));
    assert!(taken.distrusted);
    assert_eq!(it.next(), Some(at("2026-01-02T02:00:00Z")));
}

/// Mistake 16. The jitter of a thousand hours, against the uniform distribution: the greatest distance between the two
/// is below what one in a thousand such samples exceeds (Kolmogorov and Smirnov: 1.95 / √n).
#[test]
fn ten_minutes_of_jitter_are_spread_evenly_over_ten_minutes() {
    let spec = Arc::new(JobSpec { jitter: Duration::from_secs(600), ..job("shop.web.sync", "0 * * * *") });
    let row = Row::new(&spec, at("2026-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z"));
    let delays = |row: &Row| -> Vec<i128> {
        let occurrences = std::iter::successors(row.next, |it| row.after(*it)).take(1_000);
        occurrences.map(|it| row.fires(it).duration_since(it).as_millis()).collect()
    };
    let mut sorted = delays(&row);
    assert_eq!(
        sorted,
        delays(&Row::new(&spec, at("2020-01-01T00:00:00Z"), row.anchor)),
        "after a restart as well"
    );
    sorted.sort_unstable();
    assert!(sorted[0] >= 0 && sorted[999] < 600_000);
    let greatest = sorted.iter().zip(0_i32..).map(|(delay, n)| {
        let is = f64::from(i32::try_from(*delay).unwrap()) / 600_000.0;
        (is - f64::from(n) / 1_000.0).abs().max((is - f64::from(n + 1) / 1_000.0).abs())
    });
    let greatest = greatest.fold(0.0, f64::max);
    assert!(greatest < 1.95 / 1_000_f64.sqrt(), "{greatest}");
    let other = Arc::new(JobSpec { id: id("shop.web.tidy"), ..(*spec).clone() });
    assert_ne!(
        delays(&row),
        delays(&Row::new(&other, row.anchor, row.anchor)),
        "another job, another moment"
    );
}

#[test]
fn jitter_never_reaches_the_next_occurrence_and_the_record_keeps_the_occurrence() {
    let spec = JobSpec { jitter: Duration::from_secs(86_400), ..job("a", "* * * * *") };
    let mut it = with(spec, "2026-01-01T00:00:30Z");
    for minute in 1..500 {
        let fires = it.next().unwrap();
        let occurrence = at("2026-01-01T00:00:00Z") + SignedDuration::from_mins(minute);
        assert!((occurrence..occurrence + SignedDuration::from_mins(1)).contains(&fires));
        assert_eq!(fires.as_nanosecond() % 1_000_000, 0, "to the millisecond");
        let (due, _) = it.pop(fires).unwrap();
        assert_eq!((due.occurrence, due.missed), (Some(Moment { occurrence, fires }), None));
    }
}

#[test]
fn an_occurrence_that_waits_for_its_jitter_is_not_late_yet() {
    let spec = JobSpec { jitter: Duration::from_secs(3_000), ..job("a", "0 * * * *") };
    let mut it = with(spec, "2026-01-01T00:30:00Z");
    let fires = it.next().unwrap();
    assert!(fires > at("2026-01-01T01:10:00Z"), "{fires}: choose another job's name");
    let second = SignedDuration::from_secs(1);
    assert_eq!(it.pop(fires - second), None);
    assert_eq!(it.upcoming(&id("a"), 1, fires - second), [at("2026-01-01T01:00:00Z")]);
    let (due, memory) = it.pop(fires + second).unwrap();
    assert_eq!(due.occurrence.unwrap().fires, fires);
    assert_eq!(memory.seen, at("2026-01-01T01:00:00Z"));
}
