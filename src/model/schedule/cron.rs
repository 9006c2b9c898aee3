//! Cron expressions: from text to fields, and from fields to the next occurrence.
//!
//! The engine (croner) is only asked for dates, on a calendar without a time zone; the times of a day are bits, and need
//! no search. An engine is large, because it has a table of all years: jobs with the same days share one. What a change to or from
//! daylight saving time does to them is decided here, because the engine knows a fixed time only when it is a single
//! value, and our rule covers lists and ranges too:
//!
//! * *Fixed* (no `*` in second, minute and hour): a time that falls into a gap moves to the first instant after the gap;
//!   a time that comes twice counts the first time only.
//! * *Wildcard*: follows the clock, so nothing in a gap and both passes of a repeated hour.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use croner::Cron;
use croner::errors::CronError;
use croner::parser::CronParser;
use jiff::civil::{DateTime, Time};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Span, Timestamp};

use super::error::{ScheduleError, shown};
use super::field::{Field, Kind};

/// How often a failed search starts again a day later. Five years pass every combination that fails for one date.
const MAX_RETRIES: u32 = 5 * 366;

/// How many times of one repeated stretch a fixed schedule may pass over: one a second for a day.
const MAX_PASSED: u32 = 90_000;

/// How many changes of offset a search may cross: two a year up to the engine's last year, and some.
const MAX_CHANGES: usize = 10_000;

/// A cron expression that was read.
#[derive(Debug, Clone)]
pub(super) struct CronRule {
    pub second: Field,
    pub minute: Field,
    pub hour: Field,
    pub day: Field,
    pub month: Field,
    pub weekday: Field,
    days: Arc<Cron>,
}

/// Vixie cron's rule for the two day fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Days {
    /// Both are restricted, so either one is enough.
    Either,
    /// One begins with `*`, so both must match.
    Both,
}

impl CronRule {
    /// Reads an expression of 5 or 6 fields.
    pub(super) fn parse(text: &str) -> Result<Self, ScheduleError> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let (second, rest) = match fields.as_slice() {
            rest @ [_, _, _, _, _] => (Field::zero(), rest),
            [second, rest @ ..] if rest.len() == 5 => (Field::parse(Kind::Second, second)?, rest),
            [_, _, _, _, _, _, _] => {
                let form = "a year field (7 fields)".to_owned();
                return Err(ScheduleError::NotYetSupported { form, mend: "write 5 or 6 fields" });
            }
            other => return Err(ScheduleError::FieldCount { text: shown(text), found: other.len() }),
        };
        let kinds = [Kind::Minute, Kind::Hour, Kind::DayOfMonth, Kind::Month, Kind::DayOfWeek];
        let mut read = Vec::with_capacity(5);
        for (kind, text) in kinds.into_iter().zip(rest) {
            read.push(Field::parse(kind, text)?);
        }
        let Ok([minute, hour, day, month, weekday]) = <[Field; 5]>::try_from(read) else {
            return Err(ScheduleError::FieldCount { text: shown(text), found: fields.len() });
        };
        // `+` is the engine's word for "both day fields must match"; it only looks for a bare `*` itself.
        let both = if day.star || weekday.star { "+" } else { "" };
        let canonical = format!(
            "0 0 0 {} {} {both}{}",
            day.for_engine(Kind::DayOfMonth),
            month.for_engine(Kind::Month),
            weekday.for_engine(Kind::DayOfWeek),
        );
        let days = shared(canonical)
            .map_err(|e| ScheduleError::Engine { text: shown(text), reason: e.to_string() })?;
        Ok(Self { second, minute, hour, day, month, weekday, days })
    }

    /// How the two day fields go together.
    pub(super) fn days(&self) -> Days {
        if self.day.star || self.weekday.star { Days::Both } else { Days::Either }
    }

    /// Whether the times of day are fixed, for the changes to and from daylight saving time.
    fn is_fixed(&self) -> bool {
        !(self.second.wild || self.minute.wild || self.hour.wild)
    }

    /// The first occurrence strictly after `after`; `None` when there is none up to the engine's last year, 5000.
    pub(super) fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if self.is_fixed() { self.next_fixed(after, zone) } else { self.next_wildcard(after, zone) }
    }

    fn next_fixed(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        // The instants grow with the times on the wall, so the first one past `after` is the answer; only the second
        // pass of a repeated stretch puts times behind us.
        let mut wall = zone.to_datetime(after);
        for _ in 0..MAX_PASSED {
            wall = self.next_on_the_wall(wall)?;
            let instant = first_instant(wall, zone)?;
            if instant > after {
                return Some(instant);
            }
        }
        None
    }

    fn next_wildcard(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut offset = zone.to_offset(after);
        let mut searched_from = offset.to_datetime(after);
        let mut found = self.next_on_the_wall(searched_from)?;
        // Between two changes of offset the wall and the time line run side by side.
        for change in zone.following(after).take(MAX_CHANGES) {
            let instant = offset.to_timestamp(found).ok()?;
            if instant < change.timestamp() {
                return Some(instant);
            }
            offset = change.offset();
            let from = offset.to_datetime(change.timestamp()).checked_sub(Span::new().seconds(1)).ok()?;
            // What was found stays the next one, unless the change led back before the search or past the find.
            if from < searched_from || from >= found {
                found = self.next_on_the_wall(from)?;
                searched_from = from;
            }
        }
        offset.to_timestamp(found).ok().filter(|instant| *instant > after)
    }

    /// The next date and time strictly after `wall` that the fields name, on a calendar without a time zone.
    fn next_on_the_wall(&self, wall: DateTime) -> Option<DateTime> {
        let midnight = wall.date().at(0, 0, 0, 0);
        let day =
            search(midnight.checked_sub(Span::new().seconds(1)).ok()?, |from| self.next_midnight(from))?;
        if day.date() == wall.date()
            && let Some(time) = self.next_time(wall.time())
        {
            return Some(day.date().to_datetime(time));
        }
        let day = if day.date() > wall.date() {
            day
        } else {
            search(wall.date().at(23, 59, 59, 0), |from| self.next_midnight(from))?
        };
        Some(day.date().to_datetime(self.first_time()?))
    }

    fn next_midnight(&self, from: DateTime) -> Result<DateTime, CronError> {
        self.days.find_next_occurrence(&from, false)
    }

    /// The first time of every day that the fields name.
    fn first_time(&self) -> Option<Time> {
        Some(time(self.hour.from(0)?, self.minute.from(0)?, self.second.from(0)?))
    }

    /// The first time of a day after `after`.
    fn next_time(&self, after: Time) -> Option<Time> {
        let (hour, minute, second) = (after.hour(), after.minute(), after.second());
        let (first_minute, first_second) = (self.minute.from(0)?, self.second.from(0)?);
        if self.hour.has(hour) {
            if self.minute.has(minute)
                && let Some(second) = self.second.from(second + 1)
            {
                return Some(time(hour, minute, second));
            }
            if let Some(minute) = self.minute.from(minute + 1) {
                return Some(time(hour, minute, first_second));
            }
        }
        Some(time(self.hour.from(hour + 1)?, first_minute, first_second))
    }
}

/// All three are from fields, which have been checked.
fn time(hour: i8, minute: i8, second: i8) -> Time {
    Time::constant(hour, minute, second, 0)
}

/// The engine for these days, which is the same for all jobs that have it.
fn shared(days: String) -> Result<Arc<Cron>, CronError> {
    static ENGINES: Mutex<BTreeMap<String, Weak<Cron>>> = Mutex::new(BTreeMap::new());
    let mut engines = ENGINES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(engine) = engines.get(&days).and_then(Weak::upgrade) {
        return Ok(engine);
    }
    let engine = Arc::new(CronParser::new().parse(&days)?);
    // Those that nobody has any more go whenever another comes, so that there are never more than there were jobs.
    engines.retain(|_, it| it.strong_count() > 0);
    engines.insert(days, Arc::downgrade(&engine));
    Ok(engine)
}

/// Searches with `find`, and starts again a day later when it fails or gets nowhere: an error must cost a day at most,
/// never the job. Bounded by [`MAX_RETRIES`].
fn search(wall: DateTime, find: impl Fn(DateTime) -> Result<DateTime, CronError>) -> Option<DateTime> {
    let mut from = wall;
    for _ in 0..MAX_RETRIES {
        match find(from) {
            Ok(found) if found > wall => return Some(found),
            // The engine looked as far as it goes.
            Err(CronError::TimeSearchLimitExceeded) => return None,
            Ok(_) | Err(_) => {
                let end_of_day = from.date().at(23, 59, 59, 0);
                from = if from < end_of_day {
                    end_of_day
                } else {
                    from.date().tomorrow().ok()?.at(23, 59, 59, 0)
                };
            }
        }
    }
    None
}

/// The first instant at which a clock shows `wall`, or the first one after the gap that `wall` falls into.
fn first_instant(wall: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(wall).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(wall).ok(),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(wall).ok(),
        AmbiguousOffset::Gap { before, after } => end_of_gap(wall, before, after, zone),
    }
}

fn end_of_gap(wall: DateTime, before: Offset, after: Offset, zone: &TimeZone) -> Option<Timestamp> {
    // Read with the later offset, a time in the gap lies before the change; less a nanosecond it does so for certain.
    let from = after.to_timestamp(wall).ok()?.checked_sub(SignedDuration::from_nanos(1)).ok()?;
    let change = zone.following(from).take(4).find(|change| change.offset() == after);
    change.map(|change| change.timestamp()).or_else(|| before.to_timestamp(wall).ok())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    fn wall(text: &str) -> DateTime {
        text.parse().unwrap()
    }

    #[test]
    fn an_error_of_the_engine_costs_a_day_and_not_the_job() {
        let found = search(wall("2026-05-01T12:00:00"), |from| {
            if from < wall("2026-05-03T00:00:00") {
                Err(CronError::InvalidDate)
            } else {
                Ok(wall("2026-05-04T03:00:00"))
            }
        });
        assert_eq!(found, Some(wall("2026-05-04T03:00:00")));
    }

    #[test]
    fn an_answer_that_is_not_later_is_not_believed_and_the_search_ends() {
        let calls = Cell::new(0);
        let found = search(wall("2026-05-01T12:00:00"), |_| {
            calls.set(calls.get() + 1);
            Ok(wall("2026-05-01T12:00:00"))
        });
        assert_eq!((found, calls.get()), (None, MAX_RETRIES));
    }

    proptest! {
        #[test]
        fn days_and_times_apart_come_to_what_the_engine_finds_with_both(
            second in prop::sample::select(vec!["0", "*", "59", "5,40"]),
            minute in prop::sample::select(vec!["0", "*", "*/20", "59", "7,30"]),
            hour in prop::sample::select(vec!["0", "*", "23", "2-4", "*/6"]),
            day in prop::sample::select(vec!["*", "31", "L", "LW", "15W", "1,29"]),
            month in prop::sample::select(vec!["*", "2", "4,12"]),
            weekday in prop::sample::select(vec!["*", "MON-FRI", "SUN", "FRI#L", "MON#2"]),
            from in 0_i64..400_000_000,
        ) {
            let text = format!("{second} {minute} {hour} {day} {month} {weekday}");
            let rule = CronRule::parse(&text).unwrap();
            let both = if rule.days() == Days::Both { "+" } else { "" };
            let whole = format!(
                "{} {} {} {} {} {both}{}",
                rule.second.for_engine(Kind::Second),
                rule.minute.for_engine(Kind::Minute),
                rule.hour.for_engine(Kind::Hour),
                rule.day.for_engine(Kind::DayOfMonth),
                rule.month.for_engine(Kind::Month),
                rule.weekday.for_engine(Kind::DayOfWeek),
            );
            let whole = CronParser::new().parse(&whole).unwrap();
            let wall = wall("2020-01-01T00:00:00") + Span::new().seconds(from);
            // Where no such day ever comes, both look through thousands of years for it.
            prop_assume!(day != "31" || month != "2" || rule.days() == Days::Either);
            let expected = search(wall, |from| whole.find_next_occurrence(&from, false));
            prop_assert_eq!(rule.next_on_the_wall(wall), expected, "{} from {}", text, wall);
        }
    }

    #[test]
    fn a_schedule_is_fixed_when_no_time_field_has_a_star() {
        for (text, fixed) in [
            ("0,30 2 * * *", true),
            ("0 1-3 * * *", true),
            ("0/15 2 * * *", true),
            ("*/20 2 * * *", false),
            ("0 * * * *", false),
        ] {
            assert_eq!(CronRule::parse(text).unwrap().is_fixed(), fixed, "{text}");
        }
    }
}
