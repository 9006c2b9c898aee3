//! The days of a cron expression, on a calendar without a time zone.
//!
//! A search goes from one named month to the next and looks up which days [`Shapes`] has for it. It ends with the last
//! year there is, so that one for a day that never comes is 230 years of looking up and not more.

use std::sync::Arc;

use jiff::civil::Date;

use super::field::Field;
use super::shapes::{EngineError, Shapes};
use super::year::{YEARS, Years};

/// Vixie cron's rule for the two day fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Both are restricted, so either one is enough.
    Either,
    /// One begins with `*`, so both must match.
    Both,
}

/// The four fields that name days.
#[derive(Debug, Clone)]
pub(super) struct Days {
    pub day: Field,
    pub month: Field,
    pub weekday: Field,
    pub years: Years,
    shapes: Arc<Shapes>,
}

impl Days {
    /// Fails only when the engine does, which was given nothing that it refuses.
    pub(super) fn new(day: Field, month: Field, weekday: Field, years: Years) -> Result<Self, EngineError> {
        let shapes = Shapes::of(&day, &weekday, rule(&day, &weekday))?;
        Ok(Self { day, month, weekday, years, shapes })
    }

    /// How the two day fields go together.
    pub(super) fn rule(&self) -> Rule {
        rule(&self.day, &self.weekday)
    }

    /// The first day after `after` that the fields name; `None` when there is none up to the last year.
    pub(super) fn next(&self, after: Date) -> Option<Date> {
        // Before the first year there is nothing.
        let from = after.max(Date::new(YEARS.0 - 1, 12, 31).ok()?).tomorrow().ok()?;
        let (mut year, mut month, mut day) = (from.year(), from.month(), from.day());
        while let Some(named) = self.years.from(year) {
            if named > year {
                (year, month, day) = (named, 1, 1);
            }
            while let Some(named) = self.month.from(month) {
                if named > month {
                    (month, day) = (named, 1);
                }
                if let Some(found) = self.in_month(year, month, day) {
                    return Some(found);
                }
                (month, day) = (month + 1, 1);
            }
            (year, month, day) = (year + 1, 1, 1);
        }
        None
    }

    /// The first day of a month that is named and not earlier than `day`.
    fn in_month(&self, year: i16, month: i8, day: i8) -> Option<Date> {
        let rest = self.shapes.days(Date::new(year, month, 1).ok()?).checked_shr(day.try_into().ok()?)?;
        let more = i8::try_from(rest.trailing_zeros()).ok().filter(|_| rest != 0)?;
        Date::new(year, month, day + more).ok()
    }
}

fn rule(day: &Field, weekday: &Field) -> Rule {
    if day.star || weekday.star { Rule::Both } else { Rule::Either }
}
