//! Schedules from text to moments: what is read, what is refused, and what happens when the clocks change.

use jiff::{SignedDuration, Timestamp};

use super::*;

mod clock_changes;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn schedule(text: &str, zone: &str) -> Schedule {
    Schedule::parse(text, &Zone::parse(zone).unwrap()).unwrap()
}

fn utc(text: &str) -> Schedule {
    schedule(text, "UTC")
}

/// The next `count` occurrences as the zone's clock shows them, with the offset.
fn next(text: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let schedule = schedule(text, zone);
    let mut now = at(after);
    let mut found = Vec::new();
    for _ in 0..count {
        now = schedule.next_after(now, now).unwrap();
        found.push(now.to_zoned(schedule.zone().time_zone().clone()).strftime("%d %H:%M:%S%:z").to_string());
    }
    found
}

fn refused(text: &str) -> String {
    Schedule::parse(text, &Zone::utc()).expect_err(text).to_string()
}

#[test]
fn five_fields_mean_minute_first() {
    assert_eq!(next("30 4 * * *", "UTC", "2026-05-01T00:00:00Z", 1), ["01 04:30:00+00:00"]);
}

#[test]
fn five_fields_are_never_read_as_seconds_first() {
    // Read as seconds first, this would be due once a minute, or sixty times too often.
    let quarter = next("*/15 * * * *", "UTC", "2026-05-01T00:00:00Z", 3);
    assert_eq!(quarter, ["01 00:15:00+00:00", "01 00:30:00+00:00", "01 00:45:00+00:00"]);
    let minute = next("* * * * *", "UTC", "2026-05-01T00:00:00Z", 2);
    assert_eq!(minute, ["01 00:01:00+00:00", "01 00:02:00+00:00"]);
}

#[test]
fn six_fields_mean_second_first() {
    let found = next("*/20 5 4 * * *", "UTC", "2026-05-01T00:00:00Z", 3);
    assert_eq!(found, ["01 04:05:00+00:00", "01 04:05:20+00:00", "01 04:05:40+00:00"]);
}

#[test]
fn the_next_occurrence_lies_strictly_after_also_within_a_second() {
    let daily = utc("0 3 * * *");
    for (after, due) in [
        ("2026-05-01T02:59:59.999999999Z", "2026-05-01T03:00:00Z"),
        ("2026-05-01T03:00:00Z", "2026-05-02T03:00:00Z"),
        ("2026-05-01T03:00:00.000000001Z", "2026-05-02T03:00:00Z"),
    ] {
        assert_eq!(daily.next_after(at(after), at(after)), Some(at(due)), "{after}");
    }
}

#[test]
fn words_with_an_at_sign_stand_for_expressions_in_any_case() {
    for (word, due) in [
        ("@YEARLY", "2027-01-01T00:00:00Z"),
        ("@annually", "2027-01-01T00:00:00Z"),
        ("@Monthly", "2026-06-01T00:00:00Z"),
        ("@weekly", "2026-05-10T00:00:00Z"),
        ("@daily", "2026-05-07T00:00:00Z"),
        ("@midnight", "2026-05-07T00:00:00Z"),
        ("@hourly", "2026-05-06T13:00:00Z"),
        ("@EVERY 90s", "2026-05-06T12:35:26Z"),
    ] {
        let now = at("2026-05-06T12:33:56Z");
        assert_eq!(utc(word).next_after(now, now), Some(at(due)), "{word}");
    }
}

#[test]
fn a_zone_prefix_overrides_the_zone_of_the_job() {
    for text in
        ["TZ=Europe/Berlin 0 3 * * *", "CRON_TZ=europe/berlin  0 3 * * *", "tz=Europe/Berlin @every 1h"]
    {
        let schedule = schedule(text, "America/New_York");
        assert_eq!(schedule.zone().name(), "Europe/Berlin");
        assert_eq!(schedule.text(), text);
    }
    assert!(refused("TZ=Europe/Berln 0 3 * * *").contains("did you mean `Europe/Berlin`?"));
    assert!(refused("TZ= 0 3 * * *").contains("unknown time zone"));
    assert!(refused("TZ=Europe/Berlin").contains("empty"));
}

#[test]
fn schedules_are_equal_by_text_and_zone() {
    assert_eq!(schedule("0 3 * * *", "utc"), schedule(" 0 3 * * * ", "UTC"));
    assert_ne!(schedule("0 3 * * *", "UTC"), schedule("0 3 * * *", "Europe/Berlin"));
    assert_ne!(utc("0 3 * * *"), utc("@every 1d"));
}

#[test]
fn both_day_fields_restricted_means_either_matches() {
    // 2026-05-13 is a Wednesday; the Fridays are 8, 15, 22 and 29.
    let days = |text| {
        let found = next(text, "UTC", "2026-05-01T12:00:00Z", 3);
        found.iter().map(|d| d[..2].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(days("0 0 13 * 5"), ["08", "13", "15"]);
    assert_eq!(days("0 0 * * 5"), ["08", "15", "22"]);
    assert_eq!(days("0 0 ? * FRI"), ["08", "15", "22"]);
    assert_eq!(days("0 0 1-31 * 5"), ["02", "03", "04"]);
    // A field that begins with `*` is unrestricted: its values narrow the other field's days.
    assert_eq!(days("0 0 */7 * 5"), ["08", "15", "22"]);
    assert_eq!(days("0 0 */2 * 5"), ["15", "29", "05"]);
}

#[test]
fn days_that_depend_on_the_month_come_on_the_right_date() {
    for (text, due) in [
        ("0 0 L * *", "2026-02-28T00:00:00Z"),
        ("0 0 LW * *", "2026-02-27T00:00:00Z"),
        ("0 0 15W * *", "2026-02-16T00:00:00Z"),
        ("0 0 * * TUE#2", "2026-02-10T00:00:00Z"),
        ("0 0 * * FRIL", "2026-02-27T00:00:00Z"),
        ("0 0 * * SUN#1", "2026-03-01T00:00:00Z"),
    ] {
        let after = at("2026-02-02T00:00:00Z");
        assert_eq!(utc(text).next_after(after, after), Some(at(due)), "{text}");
    }
}

#[test]
fn the_29th_of_february_fires_in_leap_years() {
    let leap = utc("0 0 29 2 *");
    let now = at("2026-01-01T00:00:00Z");
    assert_eq!(leap.next_after(now, now), Some(at("2028-02-29T00:00:00Z")));
    // 2100 is no leap year, so eight years lie between.
    let late = at("2096-03-01T00:00:00Z");
    assert_eq!(leap.next_after(late, late), Some(at("2104-02-29T00:00:00Z")));
}

#[test]
fn dates_that_do_not_exist_never_fire() {
    let now = at("2026-01-01T00:00:00Z");
    for text in ["0 0 30 2 *", "0 0 31 2 *", "0 0 31 4,6,9,11 *", "* * 30 2 *"] {
        for zone in ["UTC", "Europe/Berlin"] {
            assert!(schedule(text, zone).never_fires(now), "{text}");
        }
    }
    for text in ["0 0 31 2,3 *", "0 0 30 2 MON", "0 0 29 2 *", "@every 1d"] {
        assert!(!utc(text).never_fires(now), "{text}");
    }
}

#[test]
fn every_is_anchored_whatever_the_zone_and_wherever_the_search_starts() {
    let every = schedule("@every 1h30m", "Europe/Berlin");
    let anchor = at("2026-03-28T23:10:00Z");
    let mut due = anchor;
    for k in 1..20 {
        let middle = due + SignedDuration::from_mins(40);
        assert_eq!(every.next_after(middle, anchor), every.next_after(due, anchor));
        due = every.next_after(due, anchor).unwrap();
        assert_eq!(due, anchor + SignedDuration::from_mins(90 * k));
    }
}

#[test]
fn the_ends_of_time_give_none_and_no_panic() {
    for text in ["0 3 * * *", "* * * * * *", "@every 1s"] {
        let schedule = schedule(text, "Europe/Berlin");
        assert_eq!(schedule.next_after(Timestamp::MAX, Timestamp::MIN), None, "{text}");
        assert!(schedule.next_after(Timestamp::MIN, Timestamp::MIN).is_some(), "{text}");
    }
}

#[test]
fn words_end_with_the_zone_unless_it_does_not_matter() {
    assert_eq!(
        schedule("0 3 * * 1-5", "Europe/Berlin").words(),
        "at 03:00, Monday to Friday (Europe/Berlin)"
    );
    assert_eq!(utc("@hourly").words(), "every hour (UTC)");
    assert_eq!(schedule("@every 1h30m", "Europe/Berlin").words(), "every 1h 30m");
}

#[test]
fn a_star_in_the_second_field_warns_and_tells_the_mend() {
    for text in ["* 0 3 * * *", "TZ=Europe/Berlin */1 0 3 * * *"] {
        let warnings = utc(text).warnings();
        assert_eq!(warnings.len(), 1, "{text}");
        assert!(warnings[0].starts_with("runs every second of each minute that is named, "), "{warnings:?}");
        assert!(warnings[0].contains("write `0 0 3 * * *`"), "{warnings:?}");
    }
    let always = utc("* * * * * 1").warnings();
    assert!(always[0].starts_with("runs every second, because"), "{always:?}");
    let seven = utc("* 0 3 * * * 2030").warnings();
    assert!(seven[0].ends_with("write `0 0 3 * * * 2030` to run on the full minute only"), "{seven:?}");
    for text in ["* * * * *", "0 * * * * *", "*/2 * * * * *", "@every 1s"] {
        assert_eq!(utc(text).warnings(), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn malformed_fields_are_refused_with_the_name_of_the_field() {
    for (text, field, part) in [
        ("60 * * * *", "minute", "60"),
        ("-1 * * * *", "minute", "-1"),
        ("+5 * * * *", "minute", "+5"),
        ("x * * * *", "minute", "x"),
        ("1.5 * * * *", "minute", "1.5"),
        ("*/61 * * * *", "minute", "*/61"),
        ("*/0 * * * *", "minute", "*/0"),
        ("*/ * * * *", "minute", "*/"),
        ("/5 * * * *", "minute", "/5"),
        ("*/5/5 * * * *", "minute", "*/5/5"),
        ("*/-5 * * * *", "minute", "*/-5"),
        ("1,,2 * * * *", "minute", "1,,2"),
        (",1 * * * *", "minute", ",1"),
        ("1, * * * *", "minute", "1,"),
        ("*,5 * * * *", "minute", "*,5"),
        ("** * * * *", "minute", "**"),
        ("*5 * * * *", "minute", "*5"),
        ("1-2-3 * * * *", "minute", "1-2-3"),
        ("5- * * * *", "minute", "5-"),
        ("1-60 * * * *", "minute", "1-60"),
        ("? * * * *", "minute", "?"),
        ("L * * * *", "minute", "L"),
        ("99999999999999999999 * * * *", "minute", "99999999999999999999"),
        ("*/99999999999999999999 * * * *", "minute", "*/99999999999999999999"),
        ("٣ * * * *", "minute", "٣"),
        ("0 24 * * *", "hour", "24"),
        ("0 */25 * * *", "hour", "*/25"),
        ("0 3pm * * *", "hour", "3pm"),
        ("0 3: * * *", "hour", "3:"),
        ("0 0 0 * *", "day-of-month", "0"),
        ("0 0 32 * *", "day-of-month", "32"),
        ("0 0 W * *", "day-of-month", "W"),
        ("0 0 1-5W * *", "day-of-month", "1-5W"),
        ("0 0 32W * *", "day-of-month", "32W"),
        ("0 0 L-0 * *", "day-of-month", "L-0"),
        ("0 0 L-31 * *", "day-of-month", "L-31"),
        ("0 0 L-x * *", "day-of-month", "L-x"),
        ("0 0 L-3-4 * *", "day-of-month", "L-3-4"),
        ("H * * * *", "minute", "H"),
        ("0 0 3 * * * 1969", "year", "1969"),
        ("0 0 3 * * * 2200", "year", "2200"),
        ("0 0 3 * * * 2030-2027", "year", "2030-2027"),
        ("0 0 3 * * * H", "year", "H"),
        ("0 0 3 * * * ?", "year", "?"),
        ("0 0 1#2 * *", "day-of-month", "1#2"),
        ("0 0 * 0 *", "month", "0"),
        ("0 0 * 13 *", "month", "13"),
        ("0 0 * MON *", "month", "MON"),
        ("0 0 * JANUARY *", "month", "JANUARY"),
        ("0 0 * * 8", "day-of-week", "8"),
        ("0 0 * * L", "day-of-week", "L"),
        ("0 0 * * MON#6", "day-of-week", "MON#6"),
        ("0 0 * * MON#0", "day-of-week", "MON#0"),
        ("0 0 * * MON#", "day-of-week", "MON#"),
        ("0 0 * * #2", "day-of-week", "#2"),
        ("0 0 * * */2#1", "day-of-week", "*/2#1"),
        ("0 0 * * MONDAY", "day-of-week", "MONDAY"),
        ("0 0 * * +MON", "day-of-week", "+MON"),
        ("0 0 * * JUL", "day-of-week", "JUL"),
        ("60 0 0 * * *", "second", "60"),
        ("*/61 0 0 * * *", "second", "*/61"),
    ] {
        let error = refused(text);
        assert!(error.starts_with(&format!("{field} field: `{part}` ")), "{text}: {error}");
        assert!(error.contains("; ") && !error.ends_with('.'), "no mend: {error}");
    }
    assert!(refused("0 0 * * MONDAY").contains("did you mean `MON`?"));
    assert!(refused("0 0 * SETP *").contains("did you mean `SEP`?"));
}

#[test]
fn a_wrong_number_of_fields_is_counted() {
    for (text, count) in
        [("3", "1 field;"), ("0 3 * *", "4 fields;"), ("1 2 3 4 5 6 7 8", "8 fields;"), ("1 2", "2 fields;")]
    {
        let error = refused(text);
        assert!(error.contains(count) && error.contains("expected 5 ("), "{error}");
    }
    assert!(refused("").contains("empty"));
    assert!(refused(" \t ").contains("empty"));
}

#[test]
fn startup_and_triggered_come_at_no_moment_and_are_no_mistake() {
    let now = at("2026-05-01T00:00:00Z");
    for (text, words, startup) in [
        ("@startup", "when the agent starts", true),
        ("TZ=Europe/Berlin @Reboot", "when the agent starts", true),
        ("@triggered", "only when triggered", false),
        ("@MANUAL", "only when triggered", false),
        ("@none", "only when triggered", false),
    ] {
        let schedule = utc(text);
        assert_eq!((schedule.words(), schedule.at_startup()), (words.to_owned(), startup), "{text}");
        assert_eq!(schedule.only_triggered(), !startup, "{text}");
        assert_eq!((schedule.next_after(now, now), schedule.why_never(now)), (None, None), "{text}");
    }
    assert!(refused("@startup 5").contains("takes nothing after it"));
    assert!(refused("@startp").contains("did you mean `@startup`?"));
}

#[test]
fn h_belongs_to_a_job_and_makes_schedules_of_two_jobs_differ() {
    let of = |name| Schedule::of_job("H H * * *", &Zone::utc(), name).unwrap();
    assert_eq!(of("a"), of("a"));
    assert_ne!(of("a"), of("b"));
    let plain = |name| Schedule::of_job("0 3 * * THU", &Zone::utc(), name).unwrap();
    assert_eq!(plain("a"), plain("b"));
    assert!(refused("H 3 * * *").starts_with("minute field: `H` follows from the name of a job"));
    // Computed by hand, as `labels-spec.md` says.
    assert_eq!(of("backup").words(), "at 21:12 (UTC)");
}

#[test]
fn days_counted_from_the_end_of_the_month_keep_the_rule_of_the_two_day_fields() {
    let days = |text, count| {
        let found = next(text, "UTC", "2026-01-31T12:00:00Z", count);
        found.iter().map(|d| d[..2].to_owned()).collect::<Vec<_>>()
    };
    // February 2026 has 28 days and ends on a Saturday, March on a Tuesday, May on a Sunday.
    assert_eq!(days("0 0 L-3 * *", 2), ["25", "28"]);
    assert_eq!(days("0 0 L,LW 2,5 *", 4), ["27", "28", "29", "31"]);
    assert_eq!(days("0 0 L-1W 5 *", 1), ["29"]);
    assert_eq!(days("0 0 L-29 * *", 2), ["02", "01"]);
    assert_eq!(days("0 0 L * FRI#1", 3), ["06", "28", "06"]);
    assert_eq!(days("0 0 10,L 2 *", 2), ["10", "28"]);
    assert_eq!(days("0 0 L 2-5 */2", 2), ["28", "31"]);
    assert_eq!(days("0 0 L-3 2 *", 1), ["25"]);
}

#[test]
fn a_year_field_is_the_last_of_seven_and_lets_a_schedule_end() {
    let new_years_eve = utc("59 59 23 31 12 * 2027,2030");
    let (first, last) = (at("2027-12-31T23:59:59Z"), at("2030-12-31T23:59:59Z"));
    assert_eq!(new_years_eve.next_after(at("2026-01-01T00:00:00Z"), first), Some(first));
    assert_eq!(new_years_eve.next_after(first, first), Some(last));
    assert!(!new_years_eve.never_fires(first) && new_years_eve.never_fires(last));
    assert!(new_years_eve.names_years() && !utc("0 0 3 * * * *").names_years());
    let why = new_years_eve.why_never(last).unwrap();
    assert!(why.starts_with("year field: `2027,2030` is past"), "{why}");
}

#[test]
fn what_the_clock_leaves_out_is_not_said_to_be_past() {
    for (text, zone, from, why) in [
        (
            "0 */30 2 28 3 * 2027",
            "Europe/Berlin",
            "2026-11-22T12:00:00Z",
            "hour field: `2` is left out by the clock of Europe/Berlin, as on 2027-03-28",
        ),
        (
            "*/20 2 * 3 SUNL",
            "Europe/Berlin",
            "2026-11-22T12:00:00Z",
            "hour field: `2` is left out by the clock of Europe/Berlin, as on 2027-03-28",
        ),
        (
            "0 * * 30 12 * 2011",
            "Pacific/Apia",
            "2011-01-01T00:00:00Z",
            "day-of-month field: `30` is left out by the clock of Pacific/Apia, as on 2011-12-30",
        ),
        // The second pass of a repeated hour: for a fixed time the first one was it.
        ("0 30 2 25 10 * 2026", "Europe/Berlin", "2026-10-25T01:10:00Z", "year field: `2026` is past"),
        ("0 */30 2 28 3 * 2026", "Europe/Berlin", "2026-11-22T12:00:00Z", "year field: `2026` is past"),
    ] {
        let reason = schedule(text, zone).why_never(at(from)).unwrap_or_else(|| panic!("{text} comes"));
        assert!(reason.starts_with(why), "{text}: {reason}");
    }
}

#[test]
fn what_reaches_past_the_last_moment_blames_the_length_or_the_moment() {
    let last = at("9999-12-30T22:00:00Z");
    let why = |text: &str, from| utc(text).why_never(from).unwrap();
    for (why, mend) in [
        (why("@every 1s", last), "ask from an earlier moment"),
        (why("@every 999999w", at("2026-11-22T12:00:00Z")), "write a shorter time"),
        (why("@every 999999w", last), "write a shorter time"),
    ] {
        assert!(why.contains("9999-12-30T22:00:00Z") && why.ends_with(mend), "{why}");
    }
}

#[test]
fn unknown_words_suggest_the_closest() {
    for (text, meant) in
        [("@dayly", "@daily"), ("@hourl", "@hourly"), ("@every5m", "@every 5m"), ("@anually", "@annually")]
    {
        assert!(refused(text).contains(&format!("`{text}`, did you mean `{meant}`?")), "{}", refused(text));
    }
    assert!(!refused("@zzz").contains("did you mean"));
    assert!(refused("@daily 5").contains("takes nothing after it"));
    assert!(refused("@every").starts_with("@every: "));
}

#[test]
fn a_message_repeats_only_the_beginning_of_a_long_text() {
    assert!(refused(&"x".repeat(10_000)).len() < 400);
    assert!(refused(&format!("{} * * * *", "x".repeat(10_000))).len() < 400);
    assert!(refused(&format!("@{}", "x".repeat(10_000))).len() < 400);
    assert!(refused(&format!("TZ={} * * * * *", "x".repeat(10_000))).len() < 400);
}
