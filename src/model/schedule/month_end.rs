//! Days that are counted from the end of a month: `L`, `L-3`, `LW` and `L-3W`.
//!
//! The engine has no word for most of them, so they are found here.

use jiff::civil::{Date, Weekday};

use super::field::{Field, Special};

/// The day that `special` names in the month of `first`; `None` if the month is too short, or it counts otherwise.
pub(super) fn day(special: Special, first: Date) -> Option<Date> {
    let Special::FromEnd { back, weekday } = special else { return None };
    let back = i8::try_from(back).ok()?;
    let day = first.days_in_month().checked_sub(back).filter(|day| *day >= 1)?;
    let day = Date::new(first.year(), first.month(), day).ok()?;
    if weekday { nearest_weekday(day) } else { Some(day) }
}

/// The Monday to Friday nearest `day` that lies in the same month.
fn nearest_weekday(day: Date) -> Option<Date> {
    let step = match day.weekday() {
        Weekday::Saturday if day.day() == 1 => 2,
        Weekday::Saturday => -1,
        Weekday::Sunday if day.day() == day.days_in_month() => -2,
        Weekday::Sunday => 1,
        _ => 0,
    };
    Date::new(day.year(), day.month(), day.day() + step).ok()
}

/// Whether the day-of-week field names `date`.
pub(super) fn is_named(weekday: &Field, date: Date) -> bool {
    let day = date.weekday().to_sunday_zero_offset();
    let same = |it: u8| i8::try_from(it).is_ok_and(|it| it == day);
    weekday.has(day)
        || weekday.specials.iter().any(|special| match special {
            Special::Nth(it, nth) => {
                same(*it) && i8::try_from(*nth).is_ok_and(|n| (date.day() - 1) / 7 + 1 == n)
            }
            Special::LastOf(it) => same(*it) && date.day() + 7 > date.days_in_month(),
            Special::FromEnd { .. } | Special::Nearest(_) => false,
        })
}
