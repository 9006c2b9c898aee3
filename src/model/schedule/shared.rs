//! Jobs with the same schedule share it: of thousands of jobs most run at few times.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, LazyLock, Mutex, PoisonError, Weak},
};

use super::Inner;

/// All schedules that there are, by what tells them apart.
#[derive(Debug, Default)]
struct Known {
    hasher: RandomState,
    schedules: HashMap<u64, Weak<Inner>>,
    /// When there are as many, those that nobody has any more are looked for.
    sweep_at: usize,
}

/// The schedule that somebody has already and that is the same, or this one.
pub(super) fn one_of_them(schedule: Inner) -> Arc<Inner> {
    static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).one_of_them(schedule)
}

impl Known {
    fn one_of_them(&mut self, schedule: Inner) -> Arc<Inner> {
        let key = self.hasher.hash_one((&schedule.text, schedule.zone.name(), &schedule.identity));
        if let Some(known) = self.schedules.get(&key).and_then(Weak::upgrade)
            && known.is_same(&schedule)
        {
            return known;
        }
        if self.schedules.len() >= self.sweep_at {
            self.schedules.retain(|_, it| it.strong_count() > 0);
            self.schedules.shrink_to_fit();
            // As much again may come before the next look, so that each costs no more than what came.
            self.sweep_at = (self.schedules.len() * 2).max(64);
        }
        let schedule = Arc::new(schedule);
        self.schedules.insert(key, Arc::downgrade(&schedule));
        schedule
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Schedule, Zone};
    use super::*;

    #[test]
    fn the_same_schedule_is_there_once_and_another_is_another() {
        let (utc, berlin) = (Zone::utc(), Zone::parse("Europe/Berlin").unwrap());
        let of = |text, zone, job| Schedule::of_job(text, zone, job).unwrap();
        let first = of("7 3 * * *", &utc, "a");
        assert!(Arc::ptr_eq(&first.0, &of("7 3 * * *", &utc, "b").0));
        for other in [of("7 3 * * *", &berlin, "a"), of("8 3 * * *", &utc, "a"), of("7  3 * * *", &utc, "a")]
        {
            assert!(!Arc::ptr_eq(&first.0, &other.0), "{other:?}");
        }
        let of_each = [of("H 3 * * *", &utc, "a"), of("H 3 * * *", &utc, "b")];
        assert!(!Arc::ptr_eq(&of_each[0].0, &of_each[1].0), "it follows from the identity");
    }

    #[test]
    fn schedules_that_nobody_has_do_not_pile_up() {
        let mut known = Known::default();
        let schedule = |n: usize| {
            let text = format!("{} {} {} * *", n % 60, n / 60 % 24, n / 1_440 + 1);
            let read = Schedule::of_job(&text, &Zone::utc(), "a").unwrap();
            Arc::into_inner(read.0)
        };
        for n in 0..1_000 {
            // One that another test has just now cannot be taken apart.
            if let Some(schedule) = schedule(n) {
                known.one_of_them(schedule);
            }
            assert!(known.schedules.len() <= 65, "{n}");
        }
    }
}
