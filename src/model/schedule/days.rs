//! The days of a cron expression, on a calendar without a time zone.
//!
//! The engine (croner) finds them, but for those that are counted from the end of a month. It is large, because it has a
//! table of all years: jobs with the same days share one. No search goes past the last year there is, so that one for
//! a day that never comes is short.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use croner::Cron;
use croner::errors::CronError;
use croner::parser::CronParser;
use jiff::civil::{Date, DateTime};

use super::field::{Field, Kind, Special};
use super::month_end;
use super::year::{YEARS, Years};

/// How often a failed search starts again a day later. Five years pass every combination that fails for one date.
const MAX_RETRIES: u32 = 5 * 366;

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
    /// `None` when every day is counted from the end of a month.
    engine: Option<Arc<Cron>>,
}

impl Days {
    /// Fails only when the engine does, which was given nothing that it refuses.
    pub(super) fn new(day: Field, month: Field, weekday: Field, years: Years) -> Result<Self, CronError> {
        let rule = rule(&day, &weekday);
        let plain = day.for_engine(Kind::DayOfMonth);
        // `+` is the engine's word for "both day fields must match"; it only looks for a bare `*` itself.
        let (plain, both) = match (plain.is_empty(), rule) {
            (true, Rule::Both) => (None, ""),
            (true, Rule::Either) => (Some("*".to_owned()), ""),
            (false, Rule::Both) => (Some(plain), "+"),
            (false, Rule::Either) => (Some(plain), ""),
        };
        let engine = plain.map(|plain| {
            let month = month.for_engine(Kind::Month);
            let weekday = weekday.for_engine(Kind::DayOfWeek);
            shared(format!("0 0 0 {plain} {month} {both}{weekday} {}", years.for_engine()))
        });
        Ok(Self { day, month, weekday, years, engine: engine.transpose()? })
    }

    /// How the two day fields go together.
    pub(super) fn rule(&self) -> Rule {
        rule(&self.day, &self.weekday)
    }

    /// The first day after `after` that the fields name; `None` when there is none up to the last year.
    pub(super) fn next(&self, after: Date) -> Option<Date> {
        // Before the first year there is nothing, and the engine looks for it year by year.
        let after = after.max(Date::new(YEARS.0 - 1, 12, 31).ok()?);
        let found = self.engine.as_ref().and_then(|engine| {
            search(after.at(23, 59, 59, 0), |from| engine.find_next_occurrence(&from, false))
        });
        [found.map(DateTime::date), self.next_from_end(after)].into_iter().flatten().min()
    }

    fn next_from_end(&self, after: Date) -> Option<Date> {
        if !self.day.counts_from_end() {
            return None;
        }
        let either = self.rule() == Rule::Either;
        let fits = |date| either || month_end::is_named(&self.weekday, date);
        let specials: &[Special] = &self.day.specials;
        month_end::next(specials, (&self.month, &self.years), fits, after)
    }
}

fn rule(day: &Field, weekday: &Field) -> Rule {
    if day.star || weekday.star { Rule::Both } else { Rule::Either }
}

/// The engine for these days, which is the same for all jobs that have it.
fn shared(days: String) -> Result<Arc<Cron>, CronError> {
    static ENGINES: Mutex<BTreeMap<String, Weak<Cron>>> = Mutex::new(BTreeMap::new());
    let mut engines = ENGINES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(engine) = engines.get(&days).and_then(Weak::upgrade) {
        return Ok(engine);
    }
    let engine = Arc::new(CronParser::new().parse(&days)?);
    // Those that nobody has any more go whenever another comes, so that there are never more than there were jobs.
    engines.retain(|_, it| it.strong_count() > 0);
    engines.insert(days, Arc::downgrade(&engine));
    Ok(engine)
}

/// Searches with `find`, and starts again a day later when it fails or gets nowhere: an error must cost a day at most,
/// never the job. Bounded by [`MAX_RETRIES`].
fn search(wall: DateTime, find: impl Fn(DateTime) -> Result<DateTime, CronError>) -> Option<DateTime> {
    let mut from = wall;
    for _ in 0..MAX_RETRIES {
        match find(from) {
            Ok(found) if found > wall => return Some(found),
            // The engine looked as far as it goes.
            Err(CronError::TimeSearchLimitExceeded) => return None,
            Ok(_) | Err(_) => {
                let end_of_day = from.date().at(23, 59, 59, 0);
                from = if from < end_of_day {
                    end_of_day
                } else {
                    from.date().tomorrow().ok()?.at(23, 59, 59, 0)
                };
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn wall(text: &str) -> DateTime {
        text.parse().unwrap()
    }

    #[test]
    fn an_error_of_the_engine_costs_a_day_and_not_the_job() {
        let found = search(wall("2026-05-01T12:00:00"), |from| {
            if from < wall("2026-05-03T00:00:00") {
                Err(CronError::InvalidDate)
            } else {
                Ok(wall("2026-05-04T03:00:00"))
            }
        });
        assert_eq!(found, Some(wall("2026-05-04T03:00:00")));
    }

    #[test]
    fn an_answer_that_is_not_later_is_not_believed_and_the_search_ends() {
        let calls = Cell::new(0);
        let found = search(wall("2026-05-01T12:00:00"), |_| {
            calls.set(calls.get() + 1);
            Ok(wall("2026-05-01T12:00:00"))
        });
        assert_eq!((found, calls.get()), (None, MAX_RETRIES));
    }
}
