//! The occurrences of an expression, found by looking at one second after the other.
//!
//! It knows the offsets of a zone and the rule of `labels-spec.md`, and nothing of how we search. What it passes over is
//! only the rest of a day, an hour or a minute that the expression does not name.

use jiff::{Timestamp, tz::TimeZone};

use super::expression::{Day, Expression};

const DAY: i64 = 86_400;

/// A change of the clock: when, and the offsets before and after, in seconds.
#[derive(Debug, Clone, Copy)]
struct Change {
    at: i64,
    before: i64,
    after: i64,
}

/// Which seconds of a day an expression names.
struct Times {
    hours: Vec<bool>,
    minutes: Vec<bool>,
    seconds: Vec<bool>,
}

/// The first `count` occurrences after `start` and before `end`.
pub fn occurrences(it: &Expression, zone: &TimeZone, start: Timestamp, end: i64, count: usize) -> Vec<i64> {
    let times = Times {
        hours: (0..24).map(|hour| it.names_hour(hour)).collect(),
        minutes: (0..60).map(|minute| it.names_minute(minute)).collect(),
        seconds: (0..60).map(|second| it.names_second(second)).collect(),
    };
    let start = start.as_second();
    // Two days back, so that the change whose repeated hour it is now is among them.
    let changes = changes(zone, start - 2 * DAY, end);
    let mut found: Vec<i64> = Vec::new();
    let mut from = start + 1;
    let now = changes.iter().filter(|change| change.at <= from).next_back();
    let mut offset = now.map_or_else(|| offset_at(zone, from), |change| change.after);
    let coming: Vec<Change> = changes.iter().filter(|change| change.at > from).copied().collect();
    // A change at the very first second is looked at as one that comes.
    if let Some(change) = now.filter(|change| change.at == from) {
        found.extend(at_the_gap(it, &times, *change));
    }
    for next in coming.iter().map(Some).chain([None]) {
        let until = next.map_or(end, |change| change.at);
        while let Some(wall) = next_named(it, &times, from + offset, until + offset) {
            let instant = wall - offset;
            let second_pass = changes.iter().any(|change| {
                change.after < change.before
                    && (change.at..change.at + change.before - change.after).contains(&instant)
            });
            if !(it.is_fixed() && second_pass) && found.last() != Some(&instant) {
                found.push(instant);
            }
            if found.len() >= count {
                found.truncate(count);
                return found;
            }
            from = instant + 1;
        }
        let Some(change) = next else { break };
        found.extend(at_the_gap(it, &times, *change));
        (from, offset) = (change.at, change.after);
    }
    found.truncate(count);
    found
}

/// Fixed: what the clock leaves out becomes one occurrence at the first instant after it.
fn at_the_gap(it: &Expression, times: &Times, change: Change) -> Option<i64> {
    let left_out = next_named(it, times, change.at + change.before, change.at + change.after);
    (it.is_fixed() && left_out.is_some()).then_some(change.at)
}

/// The first second on the wall from `wall` on and before `end` that the expression names.
fn next_named(it: &Expression, times: &Times, mut wall: i64, end: i64) -> Option<i64> {
    let mut known: Option<(i64, bool)> = None;
    while wall < end {
        let (day, second) = (wall.div_euclid(DAY), wall.rem_euclid(DAY));
        let named = match known {
            Some((same, named)) if same == day => named,
            _ => it.names_day(date(day)),
        };
        known = Some((day, named));
        let part = |length: i64, count: i64| usize::try_from(second / length % count).unwrap();
        wall += if !named {
            DAY - second
        } else if !times.hours[part(3_600, 24)] {
            3_600 - second % 3_600
        } else if !times.minutes[part(60, 60)] {
            60 - second % 60
        } else if times.seconds[part(1, 60)] {
            return Some(wall);
        } else {
            1
        };
    }
    None
}

fn offset_at(zone: &TimeZone, second: i64) -> i64 {
    i64::from(zone.to_offset(Timestamp::from_second(second).unwrap()).seconds())
}

fn changes(zone: &TimeZone, from: i64, to: i64) -> Vec<Change> {
    let first = Timestamp::from_second(from).unwrap();
    let all = zone.following(first).map(|it| it.timestamp().as_second()).take_while(|at| *at < to);
    let all = all.map(|at| Change { at, before: offset_at(zone, at - 1), after: offset_at(zone, at) });
    all.filter(|change| change.before != change.after).collect()
}

/// The calendar, counted from 1 January 1970, which was a Thursday.
fn date(days: i64) -> Day {
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let (mut year, mut rest) = (1970, days);
    while rest >= 365 + i64::from(leap(year)) {
        rest -= 365 + i64::from(leap(year));
        year += 1;
    }
    let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while rest >= lengths[month] {
        rest -= lengths[month];
        month += 1;
    }
    let small = |value: i64| u32::try_from(value).unwrap();
    Day {
        year: small(year),
        month: u32::try_from(month).unwrap() + 1,
        day: small(rest) + 1,
        weekday: small((days + 4).rem_euclid(7)),
        length: small(lengths[month]),
    }
}

#[test]
fn the_oracles_calendar_is_the_one_we_live_by() {
    for (days, expected) in [
        (0, (1970, 1, 1, 4, 31)),
        (789, (1972, 2, 29, 2, 29)),
        (11_016, (2000, 2, 29, 2, 29)),
        (20_540, (2026, 3, 28, 6, 31)),
        (47_540, (2100, 2, 28, 0, 28)),
    ] {
        let Day { year, month, day, weekday, length } = date(days);
        assert_eq!((year, month, day, weekday, length), expected, "{days}");
    }
}
