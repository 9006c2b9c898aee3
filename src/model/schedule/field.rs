//! One field of a cron expression: what may be written in it and which values that names.
//!
//! The cron engine accepts much that cannot have been meant (`*/61`, `1,,2`) and refuses forms we support (`0/15`,
//! `22-2`). So every field is read here first, and the engine only ever sees plain lists of values.

use super::error::{ScheduleError, closest, shown};

/// Which field of a cron expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Second,
    Minute,
    Hour,
    DayOfMonth,
    Month,
    DayOfWeek,
}

/// A day that depends on the month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Special {
    /// `L`: the last day of the month.
    LastDay,
    /// `LW`: the last Monday to Friday of the month.
    LastWeekday,
    /// `15W`: the Monday to Friday nearest that day.
    Nearest(u8),
    /// `MON#2`: a weekday (0 is Sunday) and which one in the month, 1 to 5.
    Nth(u8, u8),
    /// `FRIL`: the last such weekday of the month.
    LastOf(u8),
}

/// A field that was read.
#[derive(Debug, Clone)]
pub(super) struct Field {
    /// Which values are named, as bits; Sunday is 0 only.
    pub values: u64,
    pub specials: Vec<Special>,
    /// The text begins with `*`: for the days this is Vixie cron's "unrestricted", which `1-31` is not.
    pub star: bool,
    /// The text contains `*`: such a field follows the clock through a change to and from daylight saving time.
    pub wild: bool,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::DayOfMonth => "day-of-month",
            Self::Month => "month",
            Self::DayOfWeek => "day-of-week",
        }
    }

    fn min(self) -> u8 {
        u8::from(matches!(self, Self::DayOfMonth | Self::Month))
    }

    /// The largest value once 7 has become 0 in the day-of-week field.
    fn max(self) -> u8 {
        match self {
            Self::Second | Self::Minute => 59,
            Self::Hour => 23,
            Self::DayOfMonth => 31,
            Self::Month => 12,
            Self::DayOfWeek => 6,
        }
    }

    /// The largest value that may be written.
    fn max_written(self) -> u8 {
        if self == Self::DayOfWeek { 7 } else { self.max() }
    }

    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Month => {
                &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
            }
            Self::DayOfWeek => &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
            _ => &[],
        }
    }

    /// Every value of the field, as bits.
    pub(super) fn all(self) -> u64 {
        (self.min()..=self.max()).fold(0, |bits, v| bits | 1 << v)
    }

    fn allowed(self) -> String {
        match self {
            Self::Month => "write 1-12 or JAN-DEC".to_owned(),
            Self::DayOfWeek => "write 0-7 or SUN-SAT (0 and 7 are Sunday)".to_owned(),
            _ => format!("write {}-{}", self.min(), self.max()),
        }
    }

    fn fail(self, text: &str, reason: impl Into<String>, mend: impl Into<String>) -> ScheduleError {
        ScheduleError::Field {
            field: self.name(),
            text: shown(text),
            reason: reason.into(),
            mend: mend.into(),
        }
    }
}

impl Field {
    /// The single value 0, as the second field of a five-field expression has it.
    pub(super) fn zero() -> Self {
        Self { values: 1, specials: Vec::new(), star: false, wild: false }
    }

    /// Reads one field. The text holds no white space.
    pub(super) fn parse(kind: Kind, text: &str) -> Result<Self, ScheduleError> {
        let upper = text.to_ascii_uppercase();
        let mut field =
            Self { values: 0, specials: Vec::new(), star: upper.starts_with('*'), wild: upper.contains('*') };
        if upper == "?" {
            if !matches!(kind, Kind::DayOfMonth | Kind::DayOfWeek) {
                return Err(kind.fail(text, "only has a meaning in the day fields", "write `*`"));
            }
            return Ok(Self { values: kind.all(), star: true, wild: true, ..field });
        }
        // Messages repeat a part as it was written; only its upper case is read.
        for (written, part) in text.split(',').zip(upper.split(',')) {
            if part.is_empty() {
                return Err(kind.fail(text, "has an empty part", "remove the extra comma"));
            }
            if part == "H" || part.starts_with("H(") || part.starts_with("H/") {
                let form = format!("`{}` in the {} field", shown(written), kind.name());
                return Err(ScheduleError::NotYetSupported { form, mend: "write the value itself" });
            }
            if part == "*" && upper != "*" {
                return Err(kind.fail(text, "has `*` beside other parts", "write `*` alone, or remove it"));
            }
            field.part(kind, written, part)?;
        }
        // The engine forgets `L` when `LW` stands beside it, so this pair would lose days in silence.
        if field.specials.contains(&Special::LastDay) && field.specials.contains(&Special::LastWeekday) {
            return Err(kind.fail(text, "has both `L` and `LW`", "write two jobs, one with each"));
        }
        Ok(field)
    }

    /// The field as the engine is to read it: a plain list.
    pub(super) fn for_engine(&self, kind: Kind) -> String {
        if self.star && self.values == kind.all() {
            return "*".to_owned();
        }
        let values = self.iter().map(|v| v.to_string());
        let specials = self.specials.iter().map(|s| match s {
            Special::LastDay => "L".to_owned(),
            Special::LastWeekday => "LW".to_owned(),
            Special::Nearest(day) => format!("{day}W"),
            Special::Nth(day, nth) => format!("{day}#{nth}"),
            Special::LastOf(day) => format!("{day}#L"),
        });
        values.chain(specials).collect::<Vec<_>>().join(",")
    }

    /// The plain values, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = u8> {
        let bits = self.values;
        (0..64_u8).filter(move |v| bits >> v & 1 == 1)
    }

    /// Whether this is one of the plain values.
    pub(super) fn has(&self, value: i8) -> bool {
        self.from(value) == Some(value)
    }

    /// The first plain value that is not less than this.
    pub(super) fn from(&self, value: i8) -> Option<i8> {
        let rest = self.values.checked_shr(value.try_into().ok()?)?;
        i8::try_from(rest.trailing_zeros()).ok().filter(|_| rest != 0).map(|more| value + more)
    }

    /// How many plain values there are.
    pub(super) fn len(&self) -> usize {
        self.values.count_ones() as usize
    }

    fn part(&mut self, kind: Kind, written: &str, part: &str) -> Result<(), ScheduleError> {
        match kind {
            Kind::DayOfMonth if self.month_day(written, part)? => return Ok(()),
            Kind::DayOfWeek if self.week_day(written, part)? => return Ok(()),
            _ => {}
        }
        let (range, step) = match part.split_once('/') {
            None => (part, None),
            Some((range, step)) => (range, Some(read_step(kind, written, step)?)),
        };
        let values = read_range(kind, written, range, step.is_some())?;
        for value in values.into_iter().step_by(step.unwrap_or(1)) {
            self.values |= 1 << value;
        }
        Ok(())
    }

    /// Reads `L`, `LW` and `15W`; false when the part is none of them.
    fn month_day(&mut self, written: &str, part: &str) -> Result<bool, ScheduleError> {
        let kind = Kind::DayOfMonth;
        let special = if part == "L" {
            Special::LastDay
        } else if part == "LW" {
            Special::LastWeekday
        } else if part.starts_with("L-") {
            let form = format!("`{}` in the day-of-month field", shown(written));
            return Err(ScheduleError::NotYetSupported { form, mend: "write `L` or the day itself" });
        } else if let Some(day) = part.strip_suffix('W') {
            if !is_number(day) {
                return Err(kind.fail(written, "needs one day before the W", "write `15W`, or `LW`"));
            }
            Special::Nearest(read_value(kind, written, day)?)
        } else {
            return Ok(false);
        };
        self.specials.push(special);
        Ok(true)
    }

    /// Reads `MON#2`, `MON-FRI#2`, `FRI#L` and `FRIL`; false when the part is none of them.
    fn week_day(&mut self, written: &str, part: &str) -> Result<bool, ScheduleError> {
        let kind = Kind::DayOfWeek;
        let (days, nth) = if let Some((days, nth)) = part.split_once('#') {
            (days, nth)
        } else if part == "L" {
            return Err(kind.fail(
                written,
                "names no day",
                "write `SAT` for Saturdays, `FRIL` for the last Friday",
            ));
        } else if let Some(days) = part.strip_suffix('L') {
            (days, "L")
        } else {
            return Ok(false);
        };
        if days.contains(['/', '*']) {
            return Err(kind.fail(written, "counts days of a step", "name the day itself, as in `MON#2`"));
        }
        let nth = match nth {
            "L" => None,
            "1" | "2" | "3" | "4" | "5" => Some(nth.bytes().fold(0, |_, b| b - b'0')),
            _ => {
                return Err(kind.fail(
                    part,
                    "must count from 1 to 5",
                    "write `MON#2`, or `MON#L` for the last",
                ));
            }
        };
        for day in read_range(kind, written, days, false)? {
            self.specials.push(nth.map_or(Special::LastOf(day), |nth| Special::Nth(day, nth)));
        }
        Ok(true)
    }
}

/// The values of `*`, `5`, `1-5` or the wrapped `22-2`, in the order in which a step counts them. `open` is true when a
/// step follows: then a single value reaches up to the end of the field.
fn read_range(kind: Kind, written: &str, range: &str, open: bool) -> Result<Vec<u8>, ScheduleError> {
    if range == "*" {
        return Ok((kind.min()..=kind.max()).collect());
    }
    if range.is_empty() {
        return Err(kind.fail(written, "has nothing before the step", "write `*/n`"));
    }
    let sunday = |v: u8| if kind == Kind::DayOfWeek && v == 7 { 0 } else { v };
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
    let before = (first..=kind.max()).chain((first == 7).then_some(0));
    let after = kind.min()..=last;
    Ok(before.chain(after).collect())
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

fn read_value(kind: Kind, written: &str, text: &str) -> Result<u8, ScheduleError> {
    if is_number(text) {
        return match text.parse::<u8>() {
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
fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(kind: Kind, text: &str) -> Vec<u8> {
        Field::parse(kind, text).unwrap().iter().collect()
    }

    #[test]
    fn lists_ranges_and_steps_name_their_values() {
        assert_eq!(values(Kind::Minute, "0,30,10-12"), [0, 10, 11, 12, 30]);
        assert_eq!(values(Kind::Minute, "*/15"), [0, 15, 30, 45]);
        assert_eq!(values(Kind::Hour, "8-18/5"), [8, 13, 18]);
        assert_eq!(values(Kind::DayOfMonth, "*/10"), [1, 11, 21, 31]);
        assert_eq!(values(Kind::Month, "jan,Jul-SEP"), [1, 7, 8, 9]);
    }

    #[test]
    fn a_step_on_one_value_reaches_to_the_end_of_the_field() {
        assert_eq!(values(Kind::Minute, "0/15"), [0, 15, 30, 45]);
        assert_eq!(values(Kind::Minute, "5/20"), [5, 25, 45]);
        assert_eq!(values(Kind::DayOfWeek, "7/3"), [0, 3, 6]);
    }

    #[test]
    fn ranges_wrap_around_and_steps_count_through_the_turn() {
        assert_eq!(values(Kind::Hour, "22-2"), [0, 1, 2, 22, 23]);
        assert_eq!(values(Kind::Hour, "22-4/2"), [0, 2, 4, 22]);
        assert_eq!(values(Kind::DayOfWeek, "FRI-MON"), [0, 1, 5, 6]);
        assert_eq!(values(Kind::Month, "NOV-FEB"), [1, 2, 11, 12]);
        assert_eq!(values(Kind::DayOfMonth, "30-2"), [1, 2, 30, 31]);
    }

    #[test]
    fn zero_and_seven_are_both_sunday() {
        for (text, days) in [
            ("0", vec![0]),
            ("7", vec![0]),
            ("0,7", vec![0]),
            ("SUN", vec![0]),
            ("5-7", vec![0, 5, 6]),
            ("FRI-SUN", vec![0, 5, 6]),
            ("0-7", vec![0, 1, 2, 3, 4, 5, 6]),
            ("7-2", vec![0, 1, 2]),
            ("SUN-TUE", vec![0, 1, 2]),
            ("*/2", vec![0, 2, 4, 6]),
        ] {
            assert_eq!(values(Kind::DayOfWeek, text), days, "{text}");
        }
    }

    #[test]
    fn days_that_depend_on_the_month_are_kept_apart() {
        let specials = |kind, text| Field::parse(kind, text).unwrap().specials;
        assert_eq!(specials(Kind::DayOfMonth, "L,15w"), [Special::LastDay, Special::Nearest(15)]);
        assert_eq!(specials(Kind::DayOfMonth, "LW"), [Special::LastWeekday]);
        assert_eq!(specials(Kind::DayOfWeek, "mon#2,7#1"), [Special::Nth(1, 2), Special::Nth(0, 1)]);
        assert_eq!(specials(Kind::DayOfWeek, "FRIL,5#L"), [Special::LastOf(5), Special::LastOf(5)]);
        assert_eq!(specials(Kind::DayOfWeek, "THU-FRI#3"), [Special::Nth(4, 3), Special::Nth(5, 3)]);
    }

    #[test]
    fn a_range_over_all_days_is_not_the_same_as_a_star() {
        assert_eq!(Field::parse(Kind::DayOfMonth, "*").unwrap().for_engine(Kind::DayOfMonth), "*");
        assert!(
            Field::parse(Kind::DayOfMonth, "1-31").unwrap().for_engine(Kind::DayOfMonth).starts_with("1,2,")
        );
    }
}
