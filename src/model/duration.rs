//! How a length of time is written: numbers with units, such as `90s`, `1h30m` or `1d`.

use std::time::Duration;

use humantime::DurationError as Error;

/// The longest text that is read, in bytes.
const MAX_TEXT: usize = 60;

/// The longest number within it: 10^12 weeks, a few times, stay below the end of `Duration`.
const MAX_DIGITS: usize = 12;

/// Reads a length of time; the error is a fragment that follows the text, such as `has no unit`.
pub fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is not a duration".to_owned());
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return Err("has no unit".to_owned());
    }
    // humantime reads `M` as a month of 30.44 days: a wish for five minutes would become five months.
    let mut units = text.split(|c: char| !c.is_ascii_alphabetic());
    if units.any(|unit| matches!(unit, "M" | "month" | "months" | "y" | "yr" | "yrs" | "year" | "years")) {
        return Err("counts months or years, which differ in length (minutes are `m`)".to_owned());
    }
    // humantime panics when a sum reaches the end of `Duration`, so nothing near it may arrive there.
    let too_long =
        text.len() > MAX_TEXT || text.split(|c: char| !c.is_ascii_digit()).any(|it| it.len() > MAX_DIGITS);
    if !text.is_ascii() || too_long {
        return Err("is not a duration of a usable length".to_owned());
    }
    humantime::parse_duration(text).map_err(|error| match error {
        // Its own words offer months and years.
        Error::UnknownUnit { unit, value, .. } if unit.is_empty() => format!("has no unit behind `{value}`"),
        Error::UnknownUnit { unit, .. } => {
            format!("has the unit `{unit}`, which there is not: the units are ms, s, m, h, d and w")
        }
        error => format!("is not a duration ({error})"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_makes_it_panic() {
        for text in ["18446744073709551615s 1000000000ns", "999999999999w 999999999999w", "", "s", "1é", "5M"]
        {
            assert!(parse(text).is_err() || text.starts_with("9999"), "{text}");
        }
        assert_eq!(parse(" 1h 30m "), Ok(Duration::from_secs(5400)));
    }
}
