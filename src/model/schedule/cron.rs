//! Cron expressions: from text to fields, and from fields to the next occurrence.
//!
//! The days are found on a calendar without a time zone; the times of a day are bits, and need no search. What a change
//! to or from daylight saving time does to them is decided here, because the engine knows a fixed time only when it is a
//! single value, and our rule covers lists and ranges too:
//!
//! * *Fixed* (no `*` in second, minute and hour): a time that falls into a gap moves to the first instant after the gap;
//!   a time that comes twice counts the first time only.
//! * *Wildcard*: follows the clock, so nothing in a gap and both passes of a repeated hour.

use jiff::civil::{DateTime, Time};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Span, Timestamp};

use super::days::Days;
use super::error::{ScheduleError, shown};
use super::field::{Field, Kind};
use super::year::Years;

/// How many times of one repeated stretch a fixed schedule may pass over: one a second for a day.
const MAX_PASSED: u32 = 90_000;

/// How many changes of offset a search may cross: two a year up to the last year, and many more.
const MAX_CHANGES: usize = 10_000;

/// A cron expression that was read.
#[derive(Debug, Clone)]
pub(super) struct CronRule {
    pub second: Field,
    pub minute: Field,
    pub hour: Field,
    pub days: Days,
    /// Whether the job's identity has a part in it.
    pub hashed: bool,
}

impl CronRule {
    /// Reads an expression of 5, 6 or 7 fields; `identity` is for `H`.
    pub(super) fn parse(text: &str, identity: Option<&str>) -> Result<Self, ScheduleError> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let wrong = || ScheduleError::FieldCount { text: shown(text), found: fields.len() };
        let (second, five, year) = match fields.as_slice() {
            five @ [_, _, _, _, _] => (None, five, None),
            [second, five @ ..] if five.len() == 5 => (Some(*second), five, None),
            [second, five @ .., year] if five.len() == 5 => (Some(*second), five, Some(*year)),
            _ => return Err(wrong()),
        };
        let &[minute, hour, day, month, weekday] = five else { return Err(wrong()) };
        let read = |kind, text| Field::parse(kind, text, identity);
        let second = second.map_or(Ok(Field::zero()), |second| read(Kind::Second, second))?;
        let (minute, hour) = (read(Kind::Minute, minute)?, read(Kind::Hour, hour)?);
        let (day, month) = (read(Kind::DayOfMonth, day)?, read(Kind::Month, month)?);
        let weekday = read(Kind::DayOfWeek, weekday)?;
        let years = year.map_or(Ok(Years::default()), |year| Years::parse(year, identity))?;
        let days = Days::new(day, month, weekday, years)
            .map_err(|e| ScheduleError::Engine { text: shown(text), reason: e.to_string() })?;
        let hashed =
            fields.iter().flat_map(|field| field.split(',')).any(|part| part.starts_with(['H', 'h']));
        Ok(Self { second, minute, hour, days, hashed })
    }

    /// Whether the times of day are fixed, for the changes to and from daylight saving time.
    pub(super) fn is_fixed(&self) -> bool {
        !(self.second.wild || self.minute.wild || self.hour.wild)
    }

    /// The first occurrence strictly after `after`; `None` when there is none up to the last year.
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
            // Of the rest of the stretch the first pass is over as well.
            wall = last_repeated(after, zone).map_or(wall, |last| last.max(wall));
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
    pub(super) fn next_on_the_wall(&self, wall: DateTime) -> Option<DateTime> {
        let today = wall.date();
        let mut day = self.days.next(today.yesterday().ok()?)?;
        if day == today {
            if let Some(time) = self.next_time(wall.time()) {
                return Some(today.to_datetime(time));
            }
            day = self.days.next(today)?;
        }
        Some(day.to_datetime(self.first_time()?))
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

/// The last second that the clock shows for the second time in the repeated stretch that `after` may lie in.
fn last_repeated(after: Timestamp, zone: &TimeZone) -> Option<DateTime> {
    let nanosecond = SignedDuration::from_nanos(1);
    let change = zone.preceding(after.checked_add(nanosecond).ok()?).next()?.timestamp();
    let before = zone.to_offset(change.checked_sub(nanosecond).ok()?);
    before.to_datetime(change).checked_sub(Span::new().seconds(1)).ok()
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
    use croner::parser::CronParser;
    use proptest::prelude::*;

    use super::*;
    use crate::model::schedule::days::Rule;

    fn rule(text: &str) -> CronRule {
        CronRule::parse(text, None).unwrap()
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
            let rule = rule(&text);
            let both = if rule.days.rule() == Rule::Both { "+" } else { "" };
            let whole = CronParser::new().parse(&format!("{second} {minute} {hour} {day} {month} {both}{weekday}"));
            let whole = whole.unwrap();
            let wall: DateTime = "2020-01-01T00:00:00".parse().unwrap();
            let wall = wall + Span::new().seconds(from);
            // Where no such day ever comes, the engine by itself looks through thousands of years for it.
            prop_assume!(day != "31" || month != "2" || rule.days.rule() == Rule::Either);
            let expected = whole.find_next_occurrence(&wall, false).ok();
            prop_assert_eq!(rule.next_on_the_wall(wall), expected, "{} from {}", text, wall);
        }
    }

    #[test]
    fn a_schedule_is_fixed_when_no_time_field_has_a_star() {
        for (text, fixed) in [
            ("0,30 2 * * *", true),
            ("0 1-3 * * *", true),
            ("0/15 2 * * *", true),
            ("H H(0-3) * * *", true),
            ("*/20 2 * * *", false),
            ("H * * * *", false),
            ("0 * * * *", false),
        ] {
            assert_eq!(CronRule::parse(text, Some("job")).unwrap().is_fixed(), fixed, "{text}");
        }
    }
}
