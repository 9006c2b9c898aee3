//! The nights on which the clocks change.

use jiff::civil::DateTime;
use jiff::tz::AmbiguousOffset;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;

#[test]
fn new_york_in_the_spring_gap() {
    // On 8 March 2026 the clock goes from 02:00 to 03:00.
    let gap = |text, count| next(text, "America/New_York", "2026-03-08T06:20:00Z", count);
    assert_eq!(gap("30 2 * * *", 2), ["08 03:00:00-04:00", "09 02:30:00-04:00"]);
    assert_eq!(gap("0,30 2 * * *", 3), ["08 03:00:00-04:00", "09 02:00:00-04:00", "09 02:30:00-04:00"]);
    assert_eq!(gap("0 1-3 * * *", 2), ["08 03:00:00-04:00", "09 01:00:00-04:00"]);
    assert_eq!(gap("*/20 * * * *", 3), ["08 01:40:00-05:00", "08 03:00:00-04:00", "08 03:20:00-04:00"]);
    assert_eq!(gap("0 * * * *", 2), ["08 03:00:00-04:00", "08 04:00:00-04:00"]);
    assert_eq!(gap("*/20 2 * * *", 1), ["09 02:00:00-04:00"]);
}

#[test]
fn new_york_in_the_repeated_hour() {
    // On 1 November 2026 the clock goes from 02:00 back to 01:00.
    let fold = |text, count| next(text, "America/New_York", "2026-11-01T05:10:00Z", count);
    assert_eq!(fold("30 1 * * *", 2), ["01 01:30:00-04:00", "02 01:30:00-05:00"]);
    assert_eq!(fold("0,30 1 * * *", 2), ["01 01:30:00-04:00", "02 01:00:00-05:00"]);
    assert_eq!(fold("30 2 * * *", 2), ["01 02:30:00-05:00", "02 02:30:00-05:00"]);
    let six = ["01 01:20:00-04:00", "01 01:40:00-04:00", "01 01:00:00-05:00", "01 01:20:00-05:00"];
    assert_eq!(fold("*/20 * * * *", 4), six);
    assert_eq!(fold("0 * * * *", 2), ["01 01:00:00-05:00", "01 02:00:00-05:00"]);
}

#[test]
fn berlin_in_the_spring_gap() {
    // On 29 March 2026 the clock goes from 02:00 to 03:00.
    let gap = |text, count| next(text, "Europe/Berlin", "2026-03-29T00:20:00Z", count);
    assert_eq!(gap("30 2 * * *", 2), ["29 03:00:00+02:00", "30 02:30:00+02:00"]);
    assert_eq!(gap("0,30 2 * * *", 3), ["29 03:00:00+02:00", "30 02:00:00+02:00", "30 02:30:00+02:00"]);
    assert_eq!(gap("*/20 * * * *", 2), ["29 01:40:00+01:00", "29 03:00:00+02:00"]);
    assert_eq!(gap("0 * * * *", 2), ["29 03:00:00+02:00", "29 04:00:00+02:00"]);
    // More times than anybody would list, still fixed: one occurrence for the whole gap.
    assert_eq!(gap("0-59 0-2 * * *", 41)[39..], ["29 03:00:00+02:00", "30 00:00:00+02:00"]);
}

#[test]
fn berlin_in_the_repeated_hour() {
    // On 25 October 2026 the clock goes from 03:00 back to 02:00.
    let fold = |text, count| next(text, "Europe/Berlin", "2026-10-24T23:50:00Z", count);
    assert_eq!(fold("30 2 * * *", 2), ["25 02:30:00+02:00", "26 02:30:00+01:00"]);
    assert_eq!(fold("0,30 2 * * *", 3), ["25 02:00:00+02:00", "25 02:30:00+02:00", "26 02:00:00+01:00"]);
    assert_eq!(fold("0 * * * *", 3), ["25 02:00:00+02:00", "25 02:00:00+01:00", "25 03:00:00+01:00"]);
    assert_eq!(
        fold("*/20 * * * *", 7)[2..5],
        ["25 02:40:00+02:00", "25 02:00:00+01:00", "25 02:20:00+01:00"]
    );
}

#[test]
fn a_fixed_time_is_not_repeated_when_the_search_starts_in_the_second_pass() {
    let found = next("30 2 * * *", "Europe/Berlin", "2026-10-25T01:05:00Z", 1);
    assert_eq!(found, ["26 02:30:00+01:00"]);
}

#[test]
fn odd_changes_of_the_clock_follow_the_same_rule() {
    // Half an hour on Lord Howe Island, midnight in Santiago, a whole day in Samoa.
    assert_eq!(next("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T14:00:00Z", 1), ["04 02:30:00+11:00"]);
    assert_eq!(next("30 0 * * *", "America/Santiago", "2026-09-05T12:00:00Z", 1), ["06 01:00:00-03:00"]);
    assert_eq!(next("0 12 30 12 *", "Pacific/Apia", "2011-12-29T00:00:00Z", 1), ["31 00:00:00+14:00"]);
    assert_eq!(next("0 * 30 12 *", "Pacific/Apia", "2011-12-29T00:00:00Z", 1), ["30 00:00:00+14:00"]);
}

/// A field that is correct, simple enough to be judged by the reference below.
fn field(least: u8, most: u8) -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just("*".to_owned()),
        1 => (2..=(most - least)).prop_map(|n| format!("*/{n}")),
        2 => (least..=most).prop_map(|v| v.to_string()),
        2 => (least..=most, least..=most).prop_map(|(a, b)| format!("{a},{b}")),
        1 => (least..=most, least..=most).prop_map(|(a, b)| format!("{a}-{b}")),
    ]
}

/// Every occurrence of a minute-wise schedule within `hours` of `from`, found by looking at each minute.
fn reference(text: &str, zone: &Zone, from: Timestamp, hours: i64) -> Vec<Timestamp> {
    let schedule = utc(text);
    let named = |wall: DateTime| {
        let before =
            wall.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp() - SignedDuration::from_secs(1);
        schedule.next_after(before, before) == Some(before + SignedDuration::from_secs(1))
    };
    let fixed = !text.split(' ').take(2).any(|f| f.contains('*'));
    let zone = zone.time_zone();
    let mut found = std::collections::BTreeSet::new();
    let mut previous = None;
    for minute in 1..=hours * 60 {
        let instant = from + SignedDuration::from_mins(minute);
        let wall = zone.to_datetime(instant);
        let second_pass = match zone.to_ambiguous_timestamp(wall).offset() {
            AmbiguousOffset::Fold { after, .. } => zone.to_offset(instant) == after,
            _ => false,
        };
        if named(wall) && !(fixed && second_pass) {
            found.insert(instant);
        }
        // The minutes that the clock just left out.
        let mut lost: DateTime = previous.unwrap_or(wall);
        while fixed && previous.is_some() && lost + SignedDuration::from_mins(1) < wall {
            lost += SignedDuration::from_mins(1);
            if named(lost) {
                found.insert(instant);
            }
        }
        previous = Some(wall);
    }
    found.into_iter().collect()
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,60}") {
        let _ = Schedule::parse(&text, &Zone::utc());
    }

    #[test]
    fn no_text_of_cron_characters_makes_anything_panic(
        text in "(TZ=UTC |@every |@)?[0-9*/,LWHMONSU?#().smhdw -]{0,60}",
    ) {
        if let Ok(schedule) = Schedule::of_job(&text, &Zone::utc(), "job") {
            let now = at("2026-05-01T00:00:00Z");
            prop_assert!(schedule.next_after(now, now).is_none_or(|next| next > now));
            let words = schedule.words();
            let begins = ["every ", "at ", "when the agent starts", "only when triggered"];
            prop_assert!(begins.iter().any(|it| words.starts_with(it)), "{}", words);
            prop_assert_eq!(schedule.never_fires(now), schedule.why_never(now).is_some());
            schedule.warnings();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn occurrences_around_a_change_of_the_clock_are_those_of_the_rule(
        minute in field(0, 59),
        hour in field(0, 23),
        (zone, from) in prop_oneof![
            Just(("America/New_York", "2026-03-08T00:00:00Z")),
            Just(("America/New_York", "2026-11-01T00:00:00Z")),
            Just(("Europe/Berlin", "2026-03-28T18:00:00Z")),
            Just(("Europe/Berlin", "2026-10-24T18:00:00Z")),
            Just(("Australia/Lord_Howe", "2026-04-04T10:00:00Z")),
        ],
    ) {
        let text = format!("{minute} {hour} * * *");
        let schedule = schedule(&text, zone);
        let from = at(from);
        let expected = reference(&text, schedule.zone(), from, 12);
        let mut found = Vec::new();
        let mut now = from;
        while let Some(next) = schedule.next_after(now, now).filter(|n| *n <= from + SignedDuration::from_hours(12)) {
            found.push(next);
            now = next;
        }
        prop_assert_eq!(found, expected, "{} {}", text, zone);
    }
}
