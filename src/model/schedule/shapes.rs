//! Which days of a month the two day fields name.
//!
//! That depends on the *shape* of the month alone: how many days it has (28 to 31) and on which day of the week it
//! begins, so there are 28 cases. The engine (croner) is asked once for each, when it is first needed, and only whether
//! it names a certain day: it never searches, because it looks through thousands of years for a day that does not come.
//! What is counted from the end of a month, for which it has no words, is added here. Jobs with the same days share one.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
};

use croner::Cron;
pub(super) use croner::errors::CronError as EngineError;
use croner::parser::CronParser;
use jiff::civil::Date;

use super::days::Rule;
use super::field::{Field, Kind, Special};
use super::month_end;

/// How many lengths a month can have, from this one, and on how many days of the week it can begin.
const LENGTHS: (i8, i8) = (28, 4);
const WEEKDAYS: i8 = 7;
#[expect(clippy::cast_sign_loss, reason = "both are small and positive")]
const SHAPES: usize = LENGTHS.1 as usize * WEEKDAYS as usize;

/// The days of each shape of month, as far as anybody asked.
#[derive(Debug)]
pub(super) struct Shapes {
    /// `None` when every day is counted from the end of a month.
    engine: Option<Cron>,
    /// What is counted from the end of a month.
    from_end: Vec<Special>,
    /// What such a day must match as well, where both fields must.
    narrowed: Option<Field>,
    /// Bit `n` is day `n`.
    days: [OnceLock<u32>; SHAPES],
}

impl Shapes {
    /// The shapes for these fields, which are the same for all jobs that have them. Fails only when the engine does,
    /// which is given nothing that it refuses.
    pub(super) fn of(day: &Field, weekday: &Field, rule: Rule) -> Result<Arc<Self>, EngineError> {
        static KNOWN: Mutex<BTreeMap<String, Weak<Shapes>>> = Mutex::new(BTreeMap::new());
        let engine = for_engine(day, weekday, rule);
        let from_end: Vec<Special> =
            day.specials.iter().filter(|it| matches!(it, Special::FromEnd { .. })).copied().collect();
        let narrowed = (rule == Rule::Both && !from_end.is_empty()).then(|| weekday.clone());
        let key = format!("{engine:?} {from_end:?} {narrowed:?}");
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shapes) = known.get(&key).and_then(Weak::upgrade) {
            return Ok(shapes);
        }
        let engine = engine.map(|text| CronParser::new().parse(&text)).transpose()?;
        let days = [const { OnceLock::new() }; SHAPES];
        let shapes = Arc::new(Self { engine, from_end, narrowed, days });
        // Those that nobody has any more go whenever another comes, so that there are never more than there were jobs.
        known.retain(|_, it| it.strong_count() > 0);
        known.insert(key, Arc::downgrade(&shapes));
        Ok(shapes)
    }

    /// The days of the month that begins with `first`; bit `n` is day `n`.
    pub(super) fn days(&self, first: Date) -> u32 {
        let engine = |date| self.engine.as_ref().map_or(Ok(false), |engine| ask(engine, date));
        let from_end = self.from_end.iter().filter_map(|it| month_end::day(*it, first));
        let from_end =
            from_end.filter(|day| self.narrowed.as_ref().is_none_or(|it| month_end::is_named(it, *day)));
        remembered(self.slot(first), || {
            let (named, sure) = named(first, engine);
            (from_end.fold(named, |bits, day| bits | bit(day)), sure)
        })
    }

    fn slot(&self, first: Date) -> Option<&OnceLock<u32>> {
        let (least, _) = LENGTHS;
        let shape = (first.days_in_month() - least) * WEEKDAYS + first.weekday().to_monday_zero_offset();
        self.days.get(usize::try_from(shape).ok()?)
    }
}

/// What is known, or what `find` finds; that is kept if it is sure.
fn remembered(slot: Option<&OnceLock<u32>>, find: impl FnOnce() -> (u32, bool)) -> u32 {
    if let Some(days) = slot.and_then(OnceLock::get) {
        return *days;
    }
    let (days, sure) = find();
    if let Some(slot) = slot.filter(|_| sure) {
        // Another thread may have been first, with the same answer.
        let _ = slot.set(days);
    }
    days
}

/// The days of a month for which `ask` says yes, and whether it had an answer for each: an error costs that day in
/// that month, never the job.
fn named(first: Date, ask: impl Fn(Date) -> Result<bool, EngineError>) -> (u32, bool) {
    let days = (1..=first.days_in_month()).filter_map(|day| Date::new(first.year(), first.month(), day).ok());
    days.fold((0, true), |(bits, sure), date| match ask(date) {
        Ok(yes) => (if yes { bits | bit(date) } else { bits }, sure),
        Err(_) => (bits, false),
    })
}

fn bit(date: Date) -> u32 {
    1_u32.checked_shl(date.day().unsigned_abs().into()).unwrap_or(0)
}

/// The only question that the engine is ever asked.
fn ask(engine: &Cron, date: Date) -> Result<bool, EngineError> {
    #[cfg(test)]
    tests::ASKED.set(tests::ASKED.get() + 1);
    engine.is_time_matching(&date.at(0, 0, 0, 0))
}

/// The days as the engine is to read them, in every month and year; `None` when there is nothing that it can tell.
fn for_engine(day: &Field, weekday: &Field, rule: Rule) -> Option<String> {
    let plain = day.for_engine(Kind::DayOfMonth);
    // `+` is the engine's word for "both day fields must match"; it only looks for a bare `*` itself.
    let (plain, both) = match (plain.is_empty(), rule) {
        (true, Rule::Both) => return None,
        (true, Rule::Either) => ("*".to_owned(), ""),
        (false, Rule::Both) => (plain, "+"),
        (false, Rule::Either) => (plain, ""),
    };
    Some(format!("0 0 0 {plain} * {both}{}", weekday.for_engine(Kind::DayOfWeek)))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use jiff::Timestamp;

    use super::*;
    use crate::model::schedule::{Schedule, Zone};

    thread_local! {
        /// How many questions this thread asked the engine.
        pub static ASKED: Cell<usize> = const { Cell::new(0) };
    }

    /// How many questions are asked while `work` is done.
    fn asked<T>(work: impl FnOnce() -> T) -> (T, usize) {
        let before = ASKED.get();
        (work(), ASKED.get() - before)
    }

    fn shapes(day: &str, weekday: &str, rule: Rule) -> Arc<Shapes> {
        let day = Field::parse(Kind::DayOfMonth, day, None).unwrap();
        Shapes::of(&day, &Field::parse(Kind::DayOfWeek, weekday, None).unwrap(), rule).unwrap()
    }

    fn month(text: &str) -> Date {
        format!("{text}-01").parse().unwrap()
    }

    fn days(shapes: &Shapes, first: &str) -> Vec<u32> {
        let bits = shapes.days(month(first));
        (0..32).filter(|day| bits >> day & 1 == 1).collect()
    }

    #[test]
    fn each_shape_of_month_is_asked_for_once() {
        let it = shapes("3,27,28", "*", Rule::Both);
        // Both have 31 days and begin on a Friday; the third begins on a Monday.
        let ((), first) = asked(|| assert_eq!(days(&it, "2026-05"), [3, 27, 28]));
        let ((), again) = asked(|| assert_eq!(days(&it, "2027-01"), [3, 27, 28]));
        let ((), other) = asked(|| assert_eq!(days(&it, "2026-06"), [3, 27, 28]));
        assert_eq!((first, again, other), (31, 0, 30));
    }

    #[test]
    fn those_with_the_same_days_share_one() {
        let (one, same) = (shapes("5,23", "*", Rule::Both), shapes("23,5", "*", Rule::Both));
        assert!(Arc::ptr_eq(&one, &same));
        for (day, weekday) in [("5,23,L", "*"), ("5,23,L", "*/2"), ("5,23,LW", "*"), ("5,23", "*/2")] {
            assert!(!Arc::ptr_eq(&one, &shapes(day, weekday, Rule::Both)), "{day} {weekday}");
        }
        assert!(!Arc::ptr_eq(&shapes("5,L", "*/2", Rule::Both), &shapes("5,L", "*/3", Rule::Both)));
    }

    #[test]
    fn what_is_counted_from_the_end_stands_beside_the_rest() {
        // February 2026 begins on a Sunday and ends on a Saturday.
        assert_eq!(days(&shapes("1,L,LW", "*", Rule::Both), "2026-02"), [1, 27, 28]);
        assert_eq!(days(&shapes("L,LW", "*/5", Rule::Both), "2026-02"), [27]);
        assert_eq!(days(&shapes("L", "MON#1", Rule::Either), "2026-02"), [2, 28]);
    }

    #[test]
    fn an_error_of_the_engine_costs_a_day_of_one_month_and_not_the_job() {
        let slot = OnceLock::new();
        let failing =
            |date: Date| if date.day() == 2 { Err(EngineError::InvalidDate) } else { Ok(date.day() < 4) };
        assert_eq!(remembered(Some(&slot), || named(month("2026-05"), failing)), 0b1010);
        assert_eq!(remembered(Some(&slot), || named(month("2026-05"), |date| Ok(date.day() < 4))), 0b1110);
        assert_eq!(remembered(Some(&slot), || unreachable!("it is known")), 0b1110);
    }

    #[test]
    fn a_day_that_is_rare_or_never_comes_costs_no_more_questions_than_there_are_shapes() {
        let most = SHAPES * 31;
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        for text in [
            "0 0 */15 * FRI#2",
            "0 0 */16 * FRI#2",
            "* * * */31 * MON#2",
            "0 0 0 */15 * FRI#2 2027-2199",
            "0 0 0 */30 2 SUN#3 1970-2199",
            "0 0 29 2 MON#5",
            "0 0 */28 2 SUN#5",
            "0 0 31 2 *",
            "0 0 L-30 2 */6",
        ] {
            let schedule = Schedule::parse(text, &Zone::utc()).unwrap();
            let (found, one) = asked(|| schedule.next_after(now, now));
            assert!(one <= most, "{text}: {one} to find {found:?}");
            let (_, again) = asked(|| schedule.next_after(now, now));
            assert_eq!(again, 0, "{text}");
            // The reason takes out one field after the other: as many searches, each within the same bound.
            let (_, why) = asked(|| schedule.why_never(now));
            assert!(why <= 4 * most, "{text}: {why} for the reason");
        }
    }
}
