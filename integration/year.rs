//! A virtual year: each occurrence leaves exactly one record.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::support::year::{END, START, live};

/// Mistakes 17 and 18: nothing loops, nothing runs twice and nothing is left out, in the nights of the changes and at
/// the restarts in between.
#[test]
fn in_a_year_of_many_jobs_and_zones_each_occurrence_leaves_exactly_one_record() {
    let at = |text: &str| -> Timestamp { text.parse().unwrap() };
    let (start, end) = (at(START), at(END));
    let year = live(150);
    assert!(year.count() > 100_000, "{}", year.count());
    for (job, schedule) in &year.schedules {
        let told = year.occurrences.get(job).cloned().unwrap_or_default();
        let all =
            std::iter::successors(schedule.next_after(start, start), |it| schedule.next_after(*it, start));
        let all: Vec<Timestamp> = all.take_while(|it| *it < end).collect();
        // With jitter the very last may fire in the next year.
        let rest = all.strip_prefix(&told[..]).unwrap_or_else(|| panic!("{job}: {}", schedule.words()));
        assert!(rest.len() <= 1, "{job}: {} lacks {rest:?}", schedule.words());
        assert!(rest.iter().all(|it| end.duration_since(*it).as_secs() <= 300), "{job}: {rest:?}");
        // And what can be said without asking the schedule.
        if schedule.text() == "30 2 * * *" {
            let days: BTreeSet<_> =
                told.iter().map(|it| it.to_zoned(schedule.zone().time_zone().clone()).date()).collect();
            assert_eq!(
                (told.len(), days.len()),
                (365, 365),
                "{job}: once each day in {}",
                schedule.zone().name()
            );
        }
        if schedule.text() == "@every 1d" {
            assert_eq!(told.len(), 364, "{job}");
        }
    }
}
