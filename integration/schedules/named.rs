//! Nights and days that are written out by hand.

use super::{at, occurrences, schedule};

/// The occurrences after `after`, as the zone's clock shows them.
fn comes(text: &str, zone: &str, after: &str, expected: &[&str]) {
    let it = schedule(text, zone);
    let found = occurrences(&it, at(after), expected.len());
    let shown = found
        .iter()
        .map(|at| at.to_zoned(it.zone().time_zone().clone()).strftime("%Y-%m-%d %H:%M:%S%:z").to_string());
    assert_eq!(shown.collect::<Vec<_>>(), expected, "{text} in {zone}");
}

#[test]
fn new_york_in_spring_loses_no_fixed_time_and_invents_no_other() {
    // On 8 March 2026, 02:00 EST is 03:00 EDT.
    let night = |text, expected: &[&str]| comes(text, "America/New_York", "2026-03-08T06:30:00Z", expected);
    night("30 2 * * *", &["2026-03-08 03:00:00-04:00", "2026-03-09 02:30:00-04:00"]);
    night(
        "0,30 2 * * *",
        &["2026-03-08 03:00:00-04:00", "2026-03-09 02:00:00-04:00", "2026-03-09 02:30:00-04:00"],
    );
    night(
        "*/20 * * * *",
        &["2026-03-08 01:40:00-05:00", "2026-03-08 03:00:00-04:00", "2026-03-08 03:20:00-04:00"],
    );
    night("0 * * * *", &["2026-03-08 03:00:00-04:00", "2026-03-08 04:00:00-04:00"]);
    comes(
        "30 1 * * *",
        "America/New_York",
        "2026-03-08T05:00:00Z",
        &["2026-03-08 01:30:00-05:00", "2026-03-09 01:30:00-04:00"],
    );
}

#[test]
fn new_york_in_autumn_repeats_no_fixed_time_and_leaves_no_hour_out() {
    // On 1 November 2026, 02:00 EDT is 01:00 EST.
    let night = |text, expected: &[&str]| comes(text, "America/New_York", "2026-11-01T04:50:00Z", expected);
    night("30 2 * * *", &["2026-11-01 02:30:00-05:00", "2026-11-02 02:30:00-05:00"]);
    night(
        "0,30 2 * * *",
        &["2026-11-01 02:00:00-05:00", "2026-11-01 02:30:00-05:00", "2026-11-02 02:00:00-05:00"],
    );
    night(
        "*/20 * * * *",
        &[
            "2026-11-01 01:00:00-04:00",
            "2026-11-01 01:20:00-04:00",
            "2026-11-01 01:40:00-04:00",
            "2026-11-01 01:00:00-05:00",
            "2026-11-01 01:20:00-05:00",
            "2026-11-01 01:40:00-05:00",
            "2026-11-01 02:00:00-05:00",
        ],
    );
    night(
        "0 * * * *",
        &["2026-11-01 01:00:00-04:00", "2026-11-01 01:00:00-05:00", "2026-11-01 02:00:00-05:00"],
    );
    night("30 1 * * *", &["2026-11-01 01:30:00-04:00", "2026-11-02 01:30:00-05:00"]);
}

#[test]
fn berlin_in_spring_loses_no_fixed_time_and_invents_no_other() {
    // On 29 March 2026, 02:00 CET is 03:00 CEST.
    let night = |text, expected: &[&str]| comes(text, "Europe/Berlin", "2026-03-29T00:10:00Z", expected);
    night("30 2 * * *", &["2026-03-29 03:00:00+02:00", "2026-03-30 02:30:00+02:00"]);
    night(
        "0,30 2 * * *",
        &["2026-03-29 03:00:00+02:00", "2026-03-30 02:00:00+02:00", "2026-03-30 02:30:00+02:00"],
    );
    night(
        "*/20 * * * *",
        &["2026-03-29 01:20:00+01:00", "2026-03-29 01:40:00+01:00", "2026-03-29 03:00:00+02:00"],
    );
    night("0 * * * *", &["2026-03-29 03:00:00+02:00", "2026-03-29 04:00:00+02:00"]);
    night("30 1 * * *", &["2026-03-29 01:30:00+01:00", "2026-03-30 01:30:00+02:00"]);
}

#[test]
fn berlin_in_autumn_repeats_no_fixed_time_and_leaves_no_hour_out() {
    // On 25 October 2026, 03:00 CEST is 02:00 CET.
    let night = |text, expected: &[&str]| comes(text, "Europe/Berlin", "2026-10-24T23:50:00Z", expected);
    night("30 2 * * *", &["2026-10-25 02:30:00+02:00", "2026-10-26 02:30:00+01:00"]);
    night(
        "0,30 2 * * *",
        &["2026-10-25 02:00:00+02:00", "2026-10-25 02:30:00+02:00", "2026-10-26 02:00:00+01:00"],
    );
    night(
        "*/20 * * * *",
        &[
            "2026-10-25 02:00:00+02:00",
            "2026-10-25 02:20:00+02:00",
            "2026-10-25 02:40:00+02:00",
            "2026-10-25 02:00:00+01:00",
            "2026-10-25 02:20:00+01:00",
            "2026-10-25 02:40:00+01:00",
            "2026-10-25 03:00:00+01:00",
        ],
    );
    night(
        "0 * * * *",
        &["2026-10-25 02:00:00+02:00", "2026-10-25 02:00:00+01:00", "2026-10-25 03:00:00+01:00"],
    );
    night("30 1 * * *", &["2026-10-26 01:30:00+01:00", "2026-10-27 01:30:00+01:00"]);
}

#[test]
fn lord_howe_changes_by_half_an_hour() {
    let zone = "Australia/Lord_Howe";
    // On 4 October 2026, 02:00 is 02:30; on 5 April 2026, 02:00 is 01:30.
    comes(
        "15 2 * * *",
        zone,
        "2026-10-03T14:00:00Z",
        &["2026-10-04 02:30:00+11:00", "2026-10-05 02:15:00+11:00"],
    );
    comes(
        "45 2 * * *",
        zone,
        "2026-10-03T14:00:00Z",
        &["2026-10-04 02:45:00+11:00", "2026-10-05 02:45:00+11:00"],
    );
    comes(
        "*/15 * * * *",
        zone,
        "2026-10-03T15:14:00Z",
        &["2026-10-04 01:45:00+10:30", "2026-10-04 02:30:00+11:00", "2026-10-04 02:45:00+11:00"],
    );
    comes(
        "45 1 * * *",
        zone,
        "2026-04-04T13:00:00Z",
        &["2026-04-05 01:45:00+11:00", "2026-04-06 01:45:00+10:30"],
    );
    comes(
        "*/15 * * * *",
        zone,
        "2026-04-04T14:29:00Z",
        &[
            "2026-04-05 01:30:00+11:00",
            "2026-04-05 01:45:00+11:00",
            "2026-04-05 01:30:00+10:30",
            "2026-04-05 01:45:00+10:30",
            "2026-04-05 02:00:00+10:30",
        ],
    );
}

#[test]
fn sao_paulo_lost_midnight_in_2018() {
    // On 4 November 2018, 00:00 was 01:00; on 17 February 2019, 24:00 of the 16th was 23:00.
    let zone = "America/Sao_Paulo";
    comes(
        "0 0 * * *",
        zone,
        "2018-11-03T12:00:00Z",
        &["2018-11-04 01:00:00-02:00", "2018-11-05 00:00:00-02:00"],
    );
    comes("30 0 4 11 *", zone, "2018-11-03T12:00:00Z", &["2018-11-04 01:00:00-02:00"]);
    comes(
        "0 * * * *",
        zone,
        "2018-11-04T01:30:00Z",
        &["2018-11-03 23:00:00-03:00", "2018-11-04 01:00:00-02:00"],
    );
    comes(
        "30 23 * * *",
        zone,
        "2019-02-16T12:00:00Z",
        &["2019-02-16 23:30:00-02:00", "2019-02-17 23:30:00-03:00"],
    );
    comes(
        "0 0 * * *",
        zone,
        "2019-02-16T12:00:00Z",
        &["2019-02-17 00:00:00-03:00", "2019-02-18 00:00:00-03:00"],
    );
}

#[test]
fn beirut_changes_at_midnight() {
    // On 29 March 2026, 00:00 is 01:00; on 25 October 2026, 00:00 is 23:00 of the 24th.
    let zone = "Asia/Beirut";
    comes(
        "0 0 * * *",
        zone,
        "2026-03-28T12:00:00Z",
        &["2026-03-29 01:00:00+03:00", "2026-03-30 00:00:00+03:00"],
    );
    comes("*/30 0 * * *", zone, "2026-03-28T12:00:00Z", &["2026-03-30 00:00:00+03:00"]);
    comes(
        "30 23 * * *",
        zone,
        "2026-10-24T12:00:00Z",
        &["2026-10-24 23:30:00+03:00", "2026-10-25 23:30:00+02:00"],
    );
    comes("0 0 25 10 *", zone, "2026-10-24T12:00:00Z", &["2026-10-25 00:00:00+02:00"]);
}

#[test]
fn apia_had_no_30_december_in_2011() {
    let zone = "Pacific/Apia";
    comes(
        "0 12 30 12 *",
        zone,
        "2011-12-29T00:00:00Z",
        &["2011-12-31 00:00:00+14:00", "2012-12-30 12:00:00+14:00"],
    );
    comes(
        "0 12 * * *",
        zone,
        "2011-12-29T00:00:00Z",
        &["2011-12-29 12:00:00-10:00", "2011-12-31 00:00:00+14:00", "2011-12-31 12:00:00+14:00"],
    );
    comes(
        "0 */6 * * *",
        zone,
        "2011-12-30T05:00:00Z",
        &["2011-12-31 00:00:00+14:00", "2011-12-31 06:00:00+14:00"],
    );
    comes("0 * 30 12 *", zone, "2011-12-29T00:00:00Z", &["2012-12-30 00:00:00+14:00"]);
}

#[test]
fn days_that_are_not_in_every_month_come_where_they_are() {
    comes(
        "0 0 29 2 *",
        "UTC",
        "2026-01-01T00:00:00Z",
        &["2028-02-29 00:00:00+00:00", "2032-02-29 00:00:00+00:00"],
    );
    comes("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", &["2104-02-29 00:00:00+00:00"]);
    comes(
        "0 0 31 * *",
        "UTC",
        "2026-01-31T00:00:00Z",
        &["2026-03-31 00:00:00+00:00", "2026-05-31 00:00:00+00:00", "2026-07-31 00:00:00+00:00"],
    );
    comes(
        "59 23 L * *",
        "Europe/Berlin",
        "2028-01-31T22:59:00Z",
        &["2028-02-29 23:59:00+01:00", "2028-03-31 23:59:00+02:00", "2028-04-30 23:59:00+02:00"],
    );
}

#[test]
fn the_31_december_of_a_year_comes_once() {
    comes(
        "59 59 23 31 12 * 2027",
        "Pacific/Auckland",
        "2026-06-01T00:00:00Z",
        &["2027-12-31 23:59:59+13:00"],
    );
    let it = schedule("59 59 23 31 12 * 2027", "Pacific/Auckland");
    let last = at("2027-12-31T10:59:59Z");
    assert_eq!(occurrences(&it, at("2026-06-01T00:00:00Z"), 2), [last]);
    assert!(it.never_fires(last));
}

#[test]
fn the_value_of_h_is_the_documented_one() {
    // As computed by hand for `shop.web.sync`: minute 4, hour 8; with /15 from 4; a day of the month, 21.
    let day = "2026-05-01T00:00:00Z";
    comes("H H * * *", "UTC", day, &["2026-05-01 08:04:00+00:00", "2026-05-02 08:04:00+00:00"]);
    comes("H/15 0 * * *", "UTC", day, &["2026-05-01 00:04:00+00:00", "2026-05-01 00:19:00+00:00"]);
    comes("H H(0-3) H * *", "UTC", day, &["2026-05-21 00:04:00+00:00"]);
}

/// Each search goes forward, and there are as many moments as seconds passed: nothing loops, and nothing is left out.
#[test]
fn a_night_on_which_clocks_change_ends() {
    // Of a fixed one there is each second on the wall once, but for the gap, which comes to one.
    let nights = [
        ("Europe/Berlin", "2026-03-28T23:00:00Z", 3 * 3_600),
        ("Europe/Berlin", "2026-10-24T23:00:00Z", 2 * 3_600),
        ("Australia/Lord_Howe", "2026-04-04T13:00:00Z", 3 * 3_600 - 1_800),
        ("Pacific/Apia", "2011-12-30T09:00:00Z", 3 * 3_600),
    ];
    for (zone, from, of_fixed) in nights {
        let (from, seconds) = (at(from), 3 * 3_600);
        let within = |text| {
            let all = occurrences(&schedule(text, zone), from, seconds);
            assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "{text} in {zone}");
            let end = from + jiff::SignedDuration::from_hours(3);
            all.into_iter().filter(|it| *it <= end).count()
        };
        assert_eq!(within("* * * * * *"), seconds, "{zone}");
        assert_eq!(within("0-59 0-59 0-23 * * *"), of_fixed, "{zone}");
    }
    let fixed =
        occurrences(&schedule("0-59 0-59 0-23 * * *", "Europe/Berlin"), at("2026-10-25T00:59:59Z"), 1);
    assert_eq!(fixed, [at("2026-10-25T02:00:00Z")], "the second pass of 02:00 to 02:59 is passed over");
}
