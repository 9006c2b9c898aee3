//! Why a cron expression has no occurrence to come: which field is to blame, and how to mend it.

use jiff::{Timestamp, civil::Date};

use super::cron::CronRule;
use super::days::{Days, Rule};
use super::error::{ScheduleError, shown};
use super::field::{Field, Kind};
use super::year::{YEARS, Years};
use super::zone::Zone;

/// The reason, as a fragment. `expression` is what `rule` was read from, and nothing of it comes after `from`.
///
/// Each field is taken out in turn: the first without which there are days is the one that is in the way.
pub(super) fn why(rule: &CronRule, expression: &str, from: Timestamp, zone: &Zone) -> String {
    let fields: Vec<&str> = expression.split_whitespace().collect();
    let [hour, day, month, weekday, year] = match fields[..] {
        [_, hour, day, month, weekday] | [_, _, hour, day, month, weekday] => {
            [hour, day, month, weekday, "*"]
        }
        [_, _, hour, day, month, weekday, year] => [hour, day, month, weekday, year],
        _ => ["*"; 5],
    };
    let Days { day: days, month: months, weekday: weekdays, years, .. } = &rule.days;
    let comes = |weekday: &Field, years: &Years| {
        let days = Days::new(days.clone(), months.clone(), weekday.clone(), years.clone());
        days.is_ok_and(|days| days.next(Date::MIN).is_some())
    };
    let fail = |kind: Kind, text, reason: &str, mend: &str| ScheduleError::Field {
        field: kind.name(),
        text: shown(text),
        reason: reason.to_owned(),
        mend: mend.to_owned(),
    };
    // There is such a time on a calendar: it is the clock that never shows it.
    let wall = zone.time_zone().to_datetime(from);
    let left_out = if rule.is_fixed() { None } else { rule.next_on_the_wall(wall) };
    let error = if let Some(wall) = left_out {
        let (kind, text) =
            if rule.hour.values == Kind::Hour.all() { (Kind::DayOfMonth, day) } else { (Kind::Hour, hour) };
        let reason = format!("is left out by the clock of {}, as on {}", zone.name(), wall.date());
        let mend = "write another time, or no `*` in second, minute and hour: it then comes at the end of what is \
                    left out";
        fail(kind, text, &reason, mend)
    } else if comes(weekdays, years) {
        let reason = if years.named().is_some() {
            "is past: the last occurrence has been".to_owned()
        } else {
            format!("ends with {}, and that is past", YEARS.1)
        };
        fail(Kind::Year, year, &reason, "write a moment to come")
    } else if years.named().is_some() && comes(weekdays, &Years::default()) {
        let reason = format!("has no day that is `{}` of month `{}`", shown(day), shown(month));
        fail(Kind::Year, year, &reason, "write another year, or another day")
    } else if rule.days.rule() == Rule::Both && comes(&Field::every(Kind::DayOfWeek), &Years::default()) {
        let reason = format!("never falls on day-of-month `{}` in month `{}`", shown(day), shown(month));
        fail(Kind::DayOfWeek, weekday, &reason, "both must match, because one begins with `*`")
    } else {
        let reason = format!("never comes in month `{}`: no such date exists", shown(month));
        fail(Kind::DayOfMonth, day, &reason, "write another day, or `L` for the last")
    };
    error.to_string()
}
