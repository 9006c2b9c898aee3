//! What Go's libraries make of text, for the tools that are written in it: booleans, lengths of time, lists.

use crate::model::schedule::Zone;

/// Reads a boolean as Go does: also `t` and `f`; besides, all that we take ourselves.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text.trim() {
        "t" | "T" => Ok(true),
        "f" | "F" => Ok(false),
        text => super::super::value::boolean(text),
    }
}

/// Reads a length such as `1.5h` or `300ms` and writes it as we read it; `None` if Go would not take it.
pub(super) fn duration(text: &str) -> Option<String> {
    let nanoseconds = nanoseconds(text.trim())?;
    Some(spell(nanoseconds))
}

fn nanoseconds(text: &str) -> Option<u128> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut sum = 0_u128;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let units = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(units);
        let length: u128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.len() > 12 || whole.len() > 12 {
            return None;
        }
        let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let part: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
        let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        sum = sum.checked_add(whole.checked_mul(length)?)?.checked_add(part.checked_mul(length)? / scale)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(sum)
}

/// A length in our spelling.
fn spell(mut nanoseconds: u128) -> String {
    let mut out = Vec::new();
    for (unit, length) in [
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1_000),
        ("ns", 1),
    ] {
        let count = nanoseconds / length;
        nanoseconds %= length;
        if count > 0 {
            out.push(format!("{count}{unit}"));
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out.concat() }
}

/// A length in whole seconds, in our spelling.
pub(super) fn seconds(count: u64) -> String {
    spell(u128::from(count) * 1_000_000_000)
}

/// Reads a schedule of `robfig/cron` and writes it as we read it. The rest of the language is the same.
///
/// * `@every` takes Go's lengths, cut to whole seconds and at least one.
/// * There `*/n` restricts a day field, so that either day is enough; with us a field that begins with `*` does not.
pub(super) fn schedule(text: &str) -> String {
    let text = text.trim();
    if let Some(length) = text.strip_prefix("@every ") {
        return match nanoseconds(length.trim()) {
            Some(length) => {
                let whole = u64::try_from(length / 1_000_000_000).unwrap_or(u64::MAX).max(1);
                format!("@every {}", seconds(whole))
            }
            None => text.to_owned(),
        };
    }
    let mut fields: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let zone = fields.first().is_some_and(|first| is_zone(first));
    let count = fields.len() - usize::from(zone);
    if !(5..=6).contains(&count) {
        return text.to_owned();
    }
    let (day, weekday) = (fields.len() - 3, fields.len() - 1);
    for (at, other, all) in [(day, weekday, "1-31"), (weekday, day, "0-6")] {
        if fields[at].starts_with("*/") && fields[at] != "*/1" && !matches!(&*fields[other], "*" | "?") {
            fields[at] = fields[at].replacen('*', all, 1);
        }
    }
    fields.join(" ")
}

/// Whether a word is the prefix that names the zone.
pub(super) fn is_zone(word: &str) -> bool {
    word.split_once('=')
        .is_some_and(|(key, zone)| matches!(key, "TZ" | "CRON_TZ") && Zone::parse(zone).is_ok())
}

/// How many fields a schedule has; none for one that begins with `@`.
pub(super) fn fields(text: &str) -> Vec<&str> {
    let text = text.trim();
    if text.starts_with('@') {
        return Vec::new();
    }
    text.split_whitespace().filter(|word| !is_zone(word)).collect()
}

/// The first part of a schedule that neither `robfig/cron` nor `APScheduler` takes, and we do: a range that goes down,
/// `L`, `W`, `#` and `H`.
pub(super) fn refused<'a>(fields: &[&'a str]) -> Option<&'a str> {
    fields.iter().flat_map(|field| field.split(',')).find(|part| {
        let range = part.split('/').next().unwrap_or_default();
        let ends: Vec<Option<u32>> = range.split('-').map(number).collect();
        match ends[..] {
            [Some(first), Some(last)] => first > last,
            [Some(_)] => false,
            // What is no number and no name has our own signs in it, or is wrong here too.
            _ => part.contains(['#', 'L', 'W', 'H', 'l', 'w', 'h']),
        }
    })
}

/// A number, or that of the month or day that a word names.
fn number(word: &str) -> Option<u32> {
    const NAMES: [&str; 19] = [
        "sun", "mon", "tue", "wed", "thu", "fri", "sat", "jan", "feb", "mar", "apr", "may", "jun", "jul",
        "aug", "sep", "oct", "nov", "dec",
    ];
    let named = NAMES.iter().position(|name| word.eq_ignore_ascii_case(name));
    // The months stand behind the days in the list and begin with 1.
    let named = named.and_then(|at| u32::try_from(if at < 7 { at } else { at - 6 }).ok());
    named.or_else(|| word.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_those_of_go() {
        for (there, here) in [
            ("1.5h", "1h30m"),
            ("300ms", "300ms"),
            ("90m", "1h30m"),
            ("0", "0s"),
            ("1h0m5s", "1h5s"),
            (".5s", "500ms"),
        ] {
            assert_eq!(duration(there).as_deref(), Some(here), "{there}");
        }
        for wrong in ["", "1", "1d", "h", "-1s", "1.s.", "99999999999999999999h"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_those_tools_refuse_is_found_and_what_they_take_is_not() {
        for (schedule, part) in [
            ("0 22-2 * * *", Some("22-2")),
            ("0 0 L * *", Some("L")),
            ("0 0 15W * *", Some("15W")),
            ("0 0 * * 1,5#2", Some("5#2")),
            ("0 0 * * 5-1", Some("5-1")),
            ("0 0 * * fri-mon", Some("fri-mon")),
            ("H 0 * * *", Some("H")),
            ("0 0 * * 7", None),
            ("*/5 0-23/2 1,15 jul-aug WED,thu", None),
            ("0 0 ? * mon-FRI", None),
        ] {
            assert_eq!(refused(&fields(schedule)), part, "{schedule}");
        }
    }

    #[test]
    fn a_schedule_keeps_its_meaning() {
        for (there, here) in [
            ("@every 1.5h", "@every 1h30m"),
            ("@every 10ms", "@every 1s"),
            ("0 0 1 * * *", "0 0 1 * * *"),
            ("0 0 */2 * 1", "0 0 1-31/2 * 1"),
            ("TZ=Europe/Berlin 0 0 1 * */2", "TZ=Europe/Berlin 0 0 1 * 0-6/2"),
            ("@daily", "@daily"),
            ("", ""),
        ] {
            assert_eq!(schedule(there), here, "{there}");
        }
    }
}
