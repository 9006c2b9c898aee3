//! What is refused, what is doubtful, and what never comes: each is told with its field and its mend.

use super::*;

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
