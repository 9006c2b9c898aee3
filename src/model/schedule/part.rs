//! One part of a field: what stands between two commas, without what depends on the month.
//!
//! The answer is the values in the order in which a step counts them.

use super::error::{ScheduleError, closest};
use super::field::Kind;
use super::hash;

/// Reads `*`, `5`, `1-5`, `22-2`, each with or without a step, and the forms of `H`. `part` is `written` in upper case.
pub(super) fn read(
    kind: Kind,
    written: &str,
    part: &str,
    identity: Option<&str>,
) -> Result<Vec<u16>, ScheduleError> {
    let (range, step) = match part.split_once('/') {
        None => (part, None),
        Some((range, step)) => (range, Some(read_step(kind, written, step)?)),
    };
    if let Some(rest) = range.strip_prefix('H') {
        return hashed(kind, written, rest, step, identity);
    }
    let values = read_range(kind, written, range, step.is_some())?;
    Ok(values.into_iter().step_by(step.unwrap_or(1)).collect())
}

/// `H`, `H(0-29)`, and with a step: one value of a range, or the first of several a step apart.
fn hashed(
    kind: Kind,
    written: &str,
    range: &str,
    step: Option<usize>,
    identity: Option<&str>,
) -> Result<Vec<u16>, ScheduleError> {
    let values = match range.strip_prefix('(').map(|rest| rest.strip_suffix(')')) {
        Some(Some(range)) if range.contains('-') => read_range(kind, written, range, false)?,
        Some(Some(_)) => {
            return Err(kind.fail(written, "has no range in its brackets", "write it as in `H(0-29)`"));
        }
        Some(None) => return Err(kind.fail(written, "has a bracket that is not closed", "write `H(0-29)`")),
        None if !range.is_empty() => {
            return Err(kind.fail(written, "has something behind `H`", "write `H`, `H(0-29)` or `H/15`"));
        }
        None if kind == Kind::Year => {
            let mend = "name the years, as in `H(2027-2030)`";
            return Err(kind.fail(written, "would be one year of two centuries", mend));
        }
        // Every month has 28 days: what was meant to come each month must not stay away from some.
        None if kind == Kind::DayOfMonth => (1..=28).collect(),
        None => (kind.min()..=kind.max()).collect(),
    };
    let identity = identity.ok_or_else(|| {
        kind.fail(written, "follows from the name of a job, and this is none", "write the value itself")
    })?;
    let first = hash::below(step.map_or(values.len(), |step| step.min(values.len())), identity, kind.name());
    let count = if step.is_some() { usize::MAX } else { 1 };
    Ok(values.into_iter().skip(first).step_by(step.unwrap_or(1)).take(count).collect())
}

/// The values of `*`, `5`, `1-5` or the wrapped `22-2`, in the order in which a step counts them. `open` is true when a
/// step follows: then a single value reaches up to the end of the field.
pub(super) fn read_range(
    kind: Kind,
    written: &str,
    range: &str,
    open: bool,
) -> Result<Vec<u16>, ScheduleError> {
    if range == "*" {
        return Ok((kind.min()..=kind.max()).collect());
    }
    if range.is_empty() {
        return Err(kind.fail(written, "has nothing before the step", "write `*/n`"));
    }
    let sunday = |v: u16| if kind == Kind::DayOfWeek && v == 7 { 0 } else { v };
    let Some((first, last)) = range.split_once('-') else {
        let value = sunday(read_value(kind, written, range)?);
        return Ok(if open { (value..=kind.max()).collect() } else { vec![value] });
    };
    if first.is_empty() || last.is_empty() || last.contains('-') {
        return Err(kind.fail(written, "is not a range", "write it as `first-last`"));
    }
    let (first, last) = (read_value(kind, written, first)?, read_value(kind, written, last)?);
    if first == last {
        return Ok(vec![sunday(first)]);
    }
    if first <= last {
        // `FRI-7` and `0-7` end with the Sunday after the Saturday.
        return Ok((first..=last).map(sunday).collect());
    }
    if kind == Kind::Year {
        return Err(kind.fail(written, "ends before it begins", "write the earlier year first"));
    }
    // `7-2` has nothing up to the end of the week: it begins with the Sunday that 0 is, and counts it once.
    Ok((first..=kind.max()).chain(kind.min()..=last).collect())
}

fn read_step(kind: Kind, written: &str, step: &str) -> Result<usize, ScheduleError> {
    let span = usize::from(kind.max() - kind.min()) + 1;
    if !is_number(step) {
        return Err(kind.fail(
            written,
            "has a step that is not a number",
            format!("write a step of 1-{span}"),
        ));
    }
    match step.parse::<usize>() {
        Ok(0) => Err(kind.fail(written, "has a step of zero", format!("write a step of 1-{span}"))),
        Ok(n) if n <= span => Ok(n),
        _ => {
            let reason = "has a step longer than the field, which would only name its first value";
            Err(kind.fail(written, reason, format!("write a step of 1-{span}, or use `@every`")))
        }
    }
}

/// One value, by number or by name.
pub(super) fn read_value(kind: Kind, written: &str, text: &str) -> Result<u16, ScheduleError> {
    if is_number(text) {
        return match text.parse::<u16>() {
            Ok(v) if (kind.min()..=kind.max_written()).contains(&v) => Ok(v),
            _ => Err(kind.fail(written, "is out of range", kind.allowed())),
        };
    }
    let names = kind.names();
    let found = (kind.min()..).zip(names).find(|(_, name)| **name == text);
    if let Some((value, _)) = found {
        return Ok(value);
    }
    let mend = kind.allowed();
    if names.is_empty() {
        return Err(kind.fail(written, "is not a number", mend));
    }
    // A full name is the usual slip: its first three letters are the name we know.
    let short = text.get(..3).and_then(|t| names.iter().find(|n| **n == t)).map(|n| (*n).to_owned());
    let mend = match short.or_else(|| closest(text, names)) {
        Some(name) => format!("did you mean `{name}`? {mend}"),
        None => mend,
    };
    Err(kind.fail(written, "is neither a number nor a name of this field", mend))
}

/// Digits only: `u8::from_str` would take `+5`.
pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}
