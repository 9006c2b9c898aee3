//! Schedules from text to moments.

use jiff::{SignedDuration, Timestamp};

use super::*;

mod clock_changes;
mod refusals;

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
