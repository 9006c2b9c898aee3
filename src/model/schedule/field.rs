//! One field of a cron expression: what may be written in it and which values that names.
//!
//! The cron engine accepts much that cannot have been meant (`*/61`, `1,,2`) and refuses forms we support (`0/15`,
//! `22-2`). So every field is read here first, and the engine only ever sees plain lists of values.

use super::error::{ScheduleError, shown};
use super::part::{self, is_number, read_range, read_value};
use super::year::YEARS;

/// Which field of a cron expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Second,
    Minute,
    Hour,
    DayOfMonth,
    Month,
    DayOfWeek,
    Year,
}

/// A day that depends on the month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Special {
    /// `L`, `L-3`: so many days before the last day of the month. `LW`, `L-3W`: the Monday to Friday nearest that day.
    FromEnd { back: u8, weekday: bool },
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
            Self::Year => "year",
        }
    }

    pub(super) fn min(self) -> u16 {
        match self {
            Self::DayOfMonth | Self::Month => 1,
            Self::Year => YEARS.0.unsigned_abs(),
            _ => 0,
        }
    }

    /// The largest value once 7 has become 0 in the day-of-week field.
    pub(super) fn max(self) -> u16 {
        match self {
            Self::Second | Self::Minute => 59,
            Self::Hour => 23,
            Self::DayOfMonth => 31,
            Self::Month => 12,
            Self::DayOfWeek => 6,
            Self::Year => YEARS.1.unsigned_abs(),
        }
    }

    /// The largest value that may be written.
    pub(super) fn max_written(self) -> u16 {
        if self == Self::DayOfWeek { 7 } else { self.max() }
    }

    pub(super) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Month => {
                &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
            }
            Self::DayOfWeek => &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
            _ => &[],
        }
    }

    /// Every value of the field, as bits; none for years, which are too many.
    pub(super) fn all(self) -> u64 {
        (self.min()..=self.max()).fold(0, |bits, v| bits | 1_u64.checked_shl(v.into()).unwrap_or(0))
    }

    pub(super) fn allowed(self) -> String {
        match self {
            Self::Month => "write 1-12 or JAN-DEC".to_owned(),
            Self::DayOfWeek => "write 0-7 or SUN-SAT (0 and 7 are Sunday)".to_owned(),
            _ => format!("write {}-{}", self.min(), self.max()),
        }
    }

    /// What no part of any field may be.
    pub(super) fn check_part(self, text: &str, upper: &str, part: &str) -> Result<(), ScheduleError> {
        if part.is_empty() {
            return Err(self.fail(text, "has an empty part", "remove the extra comma"));
        }
        if part == "*" && upper != "*" {
            return Err(self.fail(text, "has `*` beside other parts", "write `*` alone, or remove it"));
        }
        Ok(())
    }

    pub(super) fn fail(
        self,
        text: &str,
        reason: impl Into<String>,
        mend: impl Into<String>,
    ) -> ScheduleError {
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

    /// Every value, as `*` has it.
    pub(super) fn every(kind: Kind) -> Self {
        Self { values: kind.all(), specials: Vec::new(), star: true, wild: true }
    }

    /// Reads one field. The text holds no white space.
    ///
    /// `identity` is whose schedule it is, which gives `H` its value; without one `H` is refused.
    pub(super) fn parse(kind: Kind, text: &str, identity: Option<&str>) -> Result<Self, ScheduleError> {
        let upper = text.to_ascii_uppercase();
        let mut field =
            Self { values: 0, specials: Vec::new(), star: upper.starts_with('*'), wild: upper.contains('*') };
        if upper == "?" {
            if !matches!(kind, Kind::DayOfMonth | Kind::DayOfWeek) {
                return Err(kind.fail(text, "only has a meaning in the day fields", "write `*`"));
            }
            return Ok(Self::every(kind));
        }
        // Messages repeat a part as it was written; only its upper case is read.
        for (written, part) in text.split(',').zip(upper.split(',')) {
            kind.check_part(text, &upper, part)?;
            field.part(kind, written, part, identity)?;
        }
        Ok(field)
    }

    /// The field as the engine is to read it: a plain list, without what is counted from the end of the month.
    pub(super) fn for_engine(&self, kind: Kind) -> String {
        if self.star && self.values == kind.all() {
            return "*".to_owned();
        }
        let values = self.iter().map(|v| v.to_string());
        let specials = self.specials.iter().filter_map(|s| match s {
            // The engine forgets some of these beside others, and does not know the rest.
            Special::FromEnd { .. } => None,
            Special::Nearest(day) => Some(format!("{day}W")),
            Special::Nth(day, nth) => Some(format!("{day}#{nth}")),
            Special::LastOf(day) => Some(format!("{day}#L")),
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

    fn part(
        &mut self,
        kind: Kind,
        written: &str,
        part: &str,
        identity: Option<&str>,
    ) -> Result<(), ScheduleError> {
        match kind {
            Kind::DayOfMonth if self.month_day(written, part)? => return Ok(()),
            Kind::DayOfWeek if self.week_day(written, part)? => return Ok(()),
            _ => {}
        }
        for value in part::read(kind, written, part, identity)? {
            self.values |= 1 << value;
        }
        Ok(())
    }

    /// Reads `L`, `L-3`, `LW`, `L-3W` and `15W`; false when the part is none of them.
    fn month_day(&mut self, written: &str, part: &str) -> Result<bool, ScheduleError> {
        let kind = Kind::DayOfMonth;
        let (day, weekday) = part.strip_suffix('W').map_or((part, false), |day| (day, true));
        let special = if day == "L" {
            Special::FromEnd { back: 0, weekday }
        } else if let Some(back) = day.strip_prefix("L-") {
            let back = back.parse().ok().filter(|it| is_number(back) && (1..=30).contains(it));
            let mend = "write `L-1` to `L-30`";
            let back = back.ok_or_else(|| kind.fail(written, "counts no days back from the last", mend))?;
            Special::FromEnd { back, weekday }
        } else if !weekday {
            return Ok(false);
        } else if is_number(day) {
            Special::Nearest(small(read_value(kind, written, day)?))
        } else {
            return Err(kind.fail(written, "needs one day before the W", "write `15W`, or `LW`"));
        };
        if !self.specials.contains(&special) {
            self.specials.push(special);
        }
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
        if days.is_empty() {
            return Err(kind.fail(written, "names no day before the `#`", "write `MON#2`"));
        }
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
        for day in read_range(kind, written, days, false)?.into_iter().map(small) {
            let special = nth.map_or(Special::LastOf(day), |nth| Special::Nth(day, nth));
            if !self.specials.contains(&special) {
                self.specials.push(special);
            }
        }
        Ok(true)
    }
}

/// Every value but a year is.
fn small(value: u16) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(kind: Kind, text: &str) -> Vec<u8> {
        Field::parse(kind, text, Some("job")).unwrap().iter().collect()
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
        assert_eq!(values(Kind::DayOfMonth, "7-5/10"), [7, 17, 27]);
        assert_eq!(values(Kind::Month, "7-6/6"), [1, 7]);
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
            ("7-3/2", vec![0, 2]),
            ("7-SAT/3", vec![0, 3, 6]),
            ("7-0/2", vec![0]),
            ("SUN-WED/2", vec![0, 2]),
            ("5-7/2", vec![0, 5]),
            ("SUN-TUE", vec![0, 1, 2]),
            ("*/2", vec![0, 2, 4, 6]),
        ] {
            assert_eq!(values(Kind::DayOfWeek, text), days, "{text}");
        }
    }

    #[test]
    fn days_that_depend_on_the_month_are_kept_apart() {
        let specials = |kind, text| Field::parse(kind, text, Some("job")).unwrap().specials;
        let end = |back, weekday| Special::FromEnd { back, weekday };
        assert_eq!(specials(Kind::DayOfMonth, "L,15w"), [end(0, false), Special::Nearest(15)]);
        assert_eq!(specials(Kind::DayOfMonth, "LW,L"), [end(0, true), end(0, false)]);
        assert_eq!(specials(Kind::DayOfMonth, "L-3,l-1w"), [end(3, false), end(1, true)]);
        assert_eq!(specials(Kind::DayOfWeek, "mon#2,7#1"), [Special::Nth(1, 2), Special::Nth(0, 1)]);
        assert_eq!(specials(Kind::DayOfWeek, "FRIL,5#L"), [Special::LastOf(5)]);
        assert_eq!(specials(Kind::DayOfWeek, "THU-FRI#3"), [Special::Nth(4, 3), Special::Nth(5, 3)]);
    }

    #[test]
    fn a_range_over_all_days_is_not_the_same_as_a_star() {
        assert_eq!(Field::parse(Kind::DayOfMonth, "*", None).unwrap().for_engine(Kind::DayOfMonth), "*");
        assert!(
            Field::parse(Kind::DayOfMonth, "1-31", None)
                .unwrap()
                .for_engine(Kind::DayOfMonth)
                .starts_with("1,2,")
        );
    }

    #[test]
    fn h_is_one_value_of_its_range_and_always_the_same() {
        for (kind, text, first, last) in [
            (Kind::Second, "H", 0, 59),
            (Kind::Minute, "H(0-29)", 0, 29),
            (Kind::Hour, "h(22-2)", 0, 23),
            (Kind::DayOfMonth, "H", 1, 28),
            (Kind::DayOfMonth, "H(29-31)", 29, 31),
            (Kind::Month, "H(MAR-MAY)", 3, 5),
            (Kind::DayOfWeek, "H(MON-FRI)", 1, 5),
        ] {
            let found = values(kind, text);
            assert!(found.len() == 1 && (first..=last).contains(&found[0]), "{text}: {found:?}");
            assert_eq!(values(kind, text), found);
        }
        let night = values(Kind::Hour, "H(22-2)")[0];
        assert!(!(3..22).contains(&night), "{night}");
    }

    #[test]
    fn h_with_a_step_begins_within_the_first_step() {
        for name in ["a", "b", "shop.web.sync", "backup"] {
            let read = |text| {
                let field = Field::parse(Kind::Minute, text, Some(name)).unwrap();
                field.iter().collect::<Vec<_>>()
            };
            let quarter = read("H/15");
            assert_eq!(quarter, [0, 15, 30, 45].map(|it| it + quarter[0]), "{name}");
            assert!(quarter[0] < 15);
            let half = read("H(0-29)/10");
            assert_eq!(half, [0, 10, 20].map(|it| it + half[0]), "{name}");
            assert_eq!(read("H(0-29),H(30-59)"), [read("H(0-29)")[0], read("H(0-29)")[0] + 30]);
        }
        assert!(Field::parse(Kind::Minute, "H", None).unwrap_err().to_string().contains("name of a job"));
    }
}
