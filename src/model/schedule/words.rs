//! A cron expression in plain English, such as `at 03:00, Monday to Friday`.
//!
//! The words come from the values that the fields name, never from how they were written, so they stay true for every
//! expression; the price is a plain list where nothing shorter would be exact. The time zone is added by the caller.

use super::cron::CronRule;
use super::days::Rule;
use super::field::{Field, Kind, Special};

/// Up to how many times of day are listed one by one.
const MAX_TIMES: usize = 6;

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const NTH: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];

/// The whole rule in words.
pub(super) fn of(rule: &CronRule) -> String {
    let days = days(rule);
    let mut time = time(rule);
    let times = rule.second.len() * rule.minute.len() * rule.hour.len();
    if times > MAX_TIMES && rule.is_fixed() && is_full(&rule.hour, Kind::Hour) {
        // `*` would follow the clock through both passes.
        time.push_str(", a repeated hour counted once");
    }
    if days.is_empty() { time } else { format!("{time}, {days}") }
}

fn time(rule: &CronRule) -> String {
    let (second, minute, hour) = (&rule.second, &rule.minute, &rule.hour);
    if second.len() * minute.len() * hour.len() <= MAX_TIMES {
        return format!("at {}", and(&times(rule)));
    }
    if only(second) == Some(0) {
        return minutes(minute, hour);
    }
    let every_minute = is_full(minute, Kind::Minute);
    let every_hour = is_full(hour, Kind::Hour);
    let head = match (only(second), step(second, Kind::Second)) {
        (Some(s), _) if every_minute => format!("every minute at second {s}"),
        (Some(s), _) => format!("at second {s}"),
        (_, Some(n)) => every(n, "second", "minute"),
        _ => format!("at seconds {}", runs(second, |v| v.to_string())),
    };
    match (every_minute, every_hour, range(hour)) {
        (true, true, _) => head,
        (true, false, Some((first, last))) => format!("{head} from {first:02}:00 to {last:02}:59"),
        (true, false, None) => format!("{head}, {}", in_hours(hour)),
        (false, true, _) => format!("{head}, {} of every hour", in_minutes(minute)),
        (false, false, _) => format!("{head}, {}, {}", in_minutes(minute), in_hours(hour)),
    }
}

/// The time of a rule whose second is 0.
fn minutes(minute: &Field, hour: &Field) -> String {
    let every_hour = is_full(hour, Kind::Hour);
    let first = minute.iter().next().unwrap_or_default();
    let last = minute.iter().last().unwrap_or_default();
    if let Some(n) = step(minute, Kind::Minute) {
        let head = every(n, "minute", "hour");
        return match range(hour) {
            _ if every_hour => head,
            // A rest that does not divide the hour already names a place to count from.
            Some((from, to)) if 60 % n == 0 => {
                format!("{head} from {from:02}:{first:02} to {to:02}:{last:02}")
            }
            _ => format!("{head}, {}", in_hours(hour)),
        };
    }
    let at = runs(minute, |v| format!(":{v:02}"));
    let on_the_hour = minute.values == 1;
    if every_hour {
        return if on_the_hour { "every hour".to_owned() } else { format!("every hour at {at}") };
    }
    match (step(hour, Kind::Hour), range(hour), only(minute)) {
        (Some(n), _, Some(_)) if 24 % n == 0 => {
            let head = format!("every {n} hours");
            if on_the_hour { head } else { format!("{head} at {at}") }
        }
        (_, Some((from, to)), Some(m)) => format!("every hour from {from:02}:{m:02} to {to:02}:{m:02}"),
        _ => format!("at {at}, {}", in_hours(hour)),
    }
}

/// Every time of day of a rule that has few.
fn times(rule: &CronRule) -> Vec<String> {
    let with_seconds = only(&rule.second) != Some(0);
    let mut times = Vec::new();
    for hour in rule.hour.iter() {
        for minute in rule.minute.iter() {
            for second in rule.second.iter() {
                let tail = if with_seconds { format!(":{second:02}") } else { String::new() };
                times.push(format!("{hour:02}:{minute:02}{tail}"));
            }
        }
    }
    times
}

fn days(rule: &CronRule) -> String {
    let days = &rule.days;
    let months = runs(&days.month, |v| name(&MONTHS, v, 1));
    let mut parts = Vec::new();
    // `29 February` reads better than the general form, where nothing else restricts the days.
    let plain = days.day.specials.is_empty()
        && is_full(&days.weekday, Kind::DayOfWeek)
        && !is_full(&days.day, Kind::DayOfMonth)
        && days.rule() == Rule::Both;
    if let (Some(month), true) = (only(&days.month), plain) {
        parts.push(format!("on {} {}", runs(&days.day, |v| v.to_string()), name(&MONTHS, month, 1)));
    } else {
        parts.push(day_fields(&days.day, &days.weekday, days.rule()));
        if !is_full(&days.month, Kind::Month) {
            parts.push(format!("in {months}"));
        }
    }
    if let Some(years) = days.years.named() {
        parts.push(in_years(years));
    }
    parts.retain(|part| !part.is_empty());
    parts.join(", ")
}

/// The two day fields; nothing when they name every day.
fn day_fields(day: &Field, weekday: &Field, rule: Rule) -> String {
    match (is_full(day, Kind::DayOfMonth), is_full(weekday, Kind::DayOfWeek), rule) {
        (true, true, _) | (true, _, Rule::Either) | (_, true, Rule::Either) => String::new(),
        (true, false, Rule::Both) => weekdays(weekday, "", "and"),
        (false, true, Rule::Both) => month_days(day),
        (false, false, Rule::Either) => {
            format!("{} or {}", month_days(day), weekdays(weekday, "on any ", "and"))
        }
        (false, false, Rule::Both) => {
            format!("{} if it is {}", month_days(day), weekdays(weekday, "", "or"))
        }
    }
}

/// `on day 1 of the month`, `on the last day of the month`.
fn month_days(day: &Field) -> String {
    let mut parts = Vec::new();
    if day.len() > 0 {
        let noun = if day.len() == 1 { "day" } else { "days" };
        parts.push(format!("{noun} {}", runs(day, |v| v.to_string())));
    }
    for special in &day.specials {
        match special {
            Special::FromEnd { back, weekday } => parts.push(from_end(*back, *weekday)),
            Special::Nearest(near) => parts.push(format!("the weekday nearest day {near}")),
            Special::Nth(..) | Special::LastOf(_) => {}
        }
    }
    format!("on {} of the month", and(&parts))
}

/// `the last day`, `3 days before the last day`, `the last weekday`.
fn from_end(back: u8, weekday: bool) -> String {
    let day = match back {
        0 if weekday => return "the last weekday".to_owned(),
        0 => return "the last day".to_owned(),
        1 => "the day before the last day".to_owned(),
        back => format!("{back} days before the last day"),
    };
    if weekday { format!("the weekday nearest {day}") } else { day }
}

/// `Monday to Friday`, `the second Tuesday of the month`; `prefix` stands before plain days, and
/// `word` before the last of several.
fn weekdays(weekday: &Field, prefix: &str, word: &str) -> String {
    let mut plain = Vec::new();
    // A week begins on Monday, so that Saturday and Sunday stand together.
    let monday_first = |v: u8| (v + 6) % 7;
    let listed: u64 = weekday.iter().fold(0, |bits, v| bits | 1 << monday_first(v));
    if weekday.len() > 0 {
        let by_position = Field { values: listed, ..Field::zero() };
        let days = wrapped(weekday)
            .unwrap_or_else(|| list(&parts(&by_position, |v| name(&DAYS, (v + 1) % 7, 0)), word));
        plain.push(format!("{prefix}{days}"));
    }
    let specials: Vec<String> = weekday
        .specials
        .iter()
        .filter_map(|special| match special {
            Special::Nth(day, nth) => Some(format!("{} {}", name(&NTH, *nth, 1), name(&DAYS, *day, 0))),
            Special::LastOf(day) => Some(format!("last {}", name(&DAYS, *day, 0))),
            _ => None,
        })
        .collect();
    if !specials.is_empty() {
        plain.push(format!("on the {} of the month", list(&specials, word)));
    }
    list(&plain, word)
}

/// `Friday to Monday`: days in one run of at least three that goes through the end of the week.
fn wrapped(weekday: &Field) -> Option<String> {
    let has = |v: u8| weekday.values >> (v % 7) & 1 == 1;
    let length = u8::try_from(weekday.len()).ok()?;
    let mut starts = (0..7).filter(|v| has(*v) && !has(v + 6));
    let (first, None) = (starts.next()?, starts.next()) else { return None };
    (length >= 3)
        .then(|| format!("{} to {}", name(&DAYS, first, 0), name(&DAYS, (first + length - 1) % 7, 0)))
}

fn in_minutes(minute: &Field) -> String {
    let noun = if minute.len() == 1 { "minute" } else { "minutes" };
    format!("in {noun} {}", runs(minute, |v| v.to_string()))
}

fn in_hours(hour: &Field) -> String {
    let noun = if hour.len() == 1 { "hour" } else { "hours" };
    format!("in {noun} {}", runs(hour, |v| v.to_string()))
}

/// `every minute`, `every 15 minutes`; steps that do not divide the whole say where they begin again.
fn every(n: u8, unit: &str, whole: &str) -> String {
    match n {
        1 => format!("every {unit}"),
        n if 60 % n == 0 => format!("every {n} {unit}s"),
        n => format!("every {n} {unit}s from the start of each {whole}"),
    }
}

fn is_full(field: &Field, kind: Kind) -> bool {
    field.values == kind.all()
}

fn only(field: &Field) -> Option<u8> {
    let mut values = field.iter();
    let value = values.next()?;
    (values.next().is_none() && field.specials.is_empty()).then_some(value)
}

/// The first and last value of a field that names everything between them.
fn range(field: &Field) -> Option<(u8, u8)> {
    let (first, last) = (field.iter().next()?, field.iter().last()?);
    (usize::from(last - first) + 1 == field.len()).then_some((first, last))
}

/// The `n` of a field that names what `*/n` names (`*` is 1), when that is at least three values.
fn step(field: &Field, kind: Kind) -> Option<u8> {
    let mut values = field.iter();
    let (first, second) = (values.next()?, values.next()?);
    let n = second - first;
    let all = kind.all();
    let named =
        (0..64_u8).step_by(usize::from(n)).filter(|v| all >> v & 1 == 1).fold(0, |b, v| b | 1_u64 << v);
    (field.len() >= 3 && named == field.values).then_some(n)
}

/// `in 2027 to 2029 and 2031`, `in every 4th year from 2028 to 2196`.
fn in_years(years: &[i16]) -> String {
    if let [first, second, _, _, .., last] = years {
        let step = second - first;
        let even = years.windows(2).all(|pair| pair[1] - pair[0] == step);
        if even && step > 1 {
            return format!("in every {} year from {first} to {last}", ordinal(step));
        }
    }
    let runs = joined(years, |a, b| a + 1 == b, ToString::to_string);
    format!("in {}", list(&runs, "and"))
}

fn ordinal(n: i16) -> String {
    let ending = match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}

/// `1, 5 and 10 to 20`: runs of three and more are drawn together.
fn runs(field: &Field, show: impl Fn(u8) -> String) -> String {
    and(&parts(field, show))
}

/// The same, each by itself.
fn parts(field: &Field, show: impl Fn(u8) -> String) -> Vec<String> {
    let values: Vec<u8> = field.iter().collect();
    joined(&values, |a, b| a + 1 == b, |v| show(*v))
}

/// The same of any values; `follows` says which stand in one run.
fn joined<T: Copy>(values: &[T], follows: impl Fn(T, T) -> bool, show: impl Fn(&T) -> String) -> Vec<String> {
    values
        .chunk_by(|a, b| follows(*a, *b))
        .flat_map(|run| match run {
            [first, _, .., last] => vec![format!("{} to {}", show(first), show(last))],
            short => short.iter().map(&show).collect(),
        })
        .collect()
}

fn and(parts: &[String]) -> String {
    list(parts, "and")
}

/// `a`, `a and b`, `a, b and c`.
fn list(parts: &[String], word: &str) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} {word} {last}", head.join(", ")),
    }
}

/// The name of a value in a table whose first entry stands for `base`.
fn name(table: &[&str], value: u8, base: u8) -> String {
    table.get(usize::from(value.saturating_sub(base))).map_or_else(|| value.to_string(), |n| (*n).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_what_the_expression_names() {
        for (text, words) in [
            ("0 3 * * *", "at 03:00"),
            ("0 3,15 * * *", "at 03:00 and 15:00"),
            ("*/20 3 * * *", "at 03:00, 03:20 and 03:40"),
            ("30 0 3 * * *", "at 03:00:30"),
            ("0 3 * * 1-5", "at 03:00, Monday to Friday"),
            ("0 3 * * MON,FRI", "at 03:00, Monday and Friday"),
            ("0 3 * * 6,0", "at 03:00, Saturday and Sunday"),
            ("0 3 * * FRI-MON", "at 03:00, Friday to Monday"),
            ("* * * * *", "every minute"),
            ("* * * * * *", "every second"),
            ("*/10 * * * * *", "every 10 seconds"),
            ("0/10 * * * * *", "every 10 seconds"),
            ("30 * * * * *", "every minute at second 30"),
            ("*/7 * * * * *", "every 7 seconds from the start of each minute"),
            ("*/15 * * * *", "every 15 minutes"),
            ("0,15,30,45 * * * *", "every 15 minutes"),
            ("*/7 * * * *", "every 7 minutes from the start of each hour"),
            ("0 * * * *", "every hour"),
            ("0 0-23 * * *", "every hour, a repeated hour counted once"),
            ("5 0-23 * * *", "every hour at :05, a repeated hour counted once"),
            ("0-59 0-23 * * *", "every minute, a repeated hour counted once"),
            ("0,20,40 0-23 * * *", "every 20 minutes, a repeated hour counted once"),
            ("0-59 0-59 0-23 * * *", "every second, a repeated hour counted once"),
            ("0-59 * * * *", "every minute"),
            ("0,15,30,45 * * * *", "every 15 minutes"),
            ("5 * * * *", "every hour at :05"),
            ("5,35 * * * *", "every hour at :05 and :35"),
            ("0-29 * * * *", "every hour at :00 to :29"),
            ("0 */2 * * *", "every 2 hours"),
            ("5 */2 * * *", "every 2 hours at :05"),
            ("0 */5 * * *", "at 00:00, 05:00, 10:00, 15:00 and 20:00"),
            ("0 9-17 * * *", "every hour from 09:00 to 17:00"),
            ("5 9-17 * * *", "every hour from 09:05 to 17:05"),
            ("*/15 9-17 * * *", "every 15 minutes from 09:00 to 17:45"),
            ("* 3 * * *", "every minute from 03:00 to 03:59"),
            ("*/7 9-17 * * *", "every 7 minutes from the start of each hour, in hours 9 to 17"),
            ("5,10 3-5,9,20 * * *", "at :05 and :10, in hours 3 to 5, 9 and 20"),
            ("* 0 3 * * *", "every second, in minute 0, in hour 3"),
            ("*/10 * 9-17 * * *", "every 10 seconds from 09:00 to 17:59"),
            ("* 5 * * * *", "every second, in minute 5 of every hour"),
            ("0 0 1 * *", "at 00:00, on day 1 of the month"),
            ("0 0 1,15 * *", "at 00:00, on days 1 and 15 of the month"),
            ("0 0 L * *", "at 00:00, on the last day of the month"),
            ("0 0 LW * *", "at 00:00, on the last weekday of the month"),
            ("0 0 15W * *", "at 00:00, on the weekday nearest day 15 of the month"),
            ("0 0 * * TUE#2", "at 00:00, on the second Tuesday of the month"),
            ("0 0 * * FRIL", "at 00:00, on the last Friday of the month"),
            ("0 0 29 2 *", "at 00:00, on 29 February"),
            ("0 0 * 1-3 *", "at 00:00, in January to March"),
            ("0 0 1 1,7 *", "at 00:00, on day 1 of the month, in January and July"),
            ("0 0 13 * 5", "at 00:00, on day 13 of the month or on any Friday"),
            ("0 0 L * FRIL", "at 00:00, on the last day of the month or on the last Friday of the month"),
            ("0 0 1-31 * 5", "at 00:00"),
            ("0 0 L-3 * *", "at 00:00, on 3 days before the last day of the month"),
            (
                "0 0 1,L-1W * *",
                "at 00:00, on day 1 and the weekday nearest the day before the last day of the month",
            ),
            ("0 0 L,LW * *", "at 00:00, on the last day and the last weekday of the month"),
            ("0 0 3 31 12 * 2027", "at 03:00, on 31 December, in 2027"),
            ("0 0 3 * * 1 2027-2029,2031", "at 03:00, Monday, in 2027 to 2029 and 2031"),
            ("*/15 0 3 * * * *", "at 03:00:00, 03:00:15, 03:00:30 and 03:00:45"),
            ("0 0 */10 * 5", "at 00:00, on days 1, 11, 21 and 31 of the month if it is Friday"),
            ("0 0 1 * 1-5", "at 00:00, on day 1 of the month or on any Monday to Friday"),
            (
                "0 0 */10 * TUE,THU,SAT,SUN",
                "at 00:00, on days 1, 11, 21 and 31 of the month if it is Tuesday, Thursday, Saturday or Sunday",
            ),
            ("0 0 0 29 2 * 2028-2196/4", "at 00:00, on 29 February, in every 4th year from 2028 to 2196"),
            ("0 0 3 * * * */4", "at 03:00, in every 4th year from 1970 to 2198"),
            ("0 0 3 * * * 2026-2199/2", "at 03:00, in every 2nd year from 2026 to 2198"),
            ("0 0 3 * * * 2026-2199/3", "at 03:00, in every 3rd year from 2026 to 2197"),
            ("0 0 3 * * * 2026-2199/21", "at 03:00, in every 21st year from 2026 to 2194"),
            ("0 0 3 * * * 2028,2032", "at 03:00, in 2028 and 2032"),
        ] {
            assert_eq!(of(&CronRule::parse(text, Some("job")).unwrap()), words, "{text}");
        }
    }
}
