//! A virtual year of a thousand jobs: each occurrence leaves exactly one record, at the changes of the clocks and over
//! outages too. What there should be is found by the oracle of `schedules`, and by the documented rule of what is
//! missed; nothing of it asks a `Schedule`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use watchbell::model::job::{JobSpec, MissedPolicy};

use crate::{
    schedules::{
        expression::{Expression, Part},
        oracle,
    },
    support::year::{END, OUTAGES, START, What, live},
};

/// How late an occurrence may come and yet not be missed, in seconds.
const LATE: i64 = 60;

fn at(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_second()
}

/// What the schedule means, written out.
fn expression(text: &str) -> Expression {
    use Part::{FromEnd, One, Range, Star};
    let (one, star) = (|value| vec![One(value, None)], || vec![Star(None)]);
    let [minute, hour, day, month, weekday] = match text {
        "0 * * * *" => [one(0), star(), star(), star(), star()],
        "*/20 1-3 * * *" => [vec![Star(Some(20))], vec![Range(1, 3, None)], star(), star(), star()],
        "0,30 2 * * *" => [vec![One(0, None), One(30, None)], one(2), star(), star(), star()],
        "30 1 * * *" => [one(30), one(1), star(), star(), star()],
        "30 2 * * *" => [one(30), one(2), star(), star(), star()],
        "@daily" => [one(0), one(0), star(), star(), star()],
        "0 0 31 * *" => [one(0), one(0), one(31), star(), star()],
        "15 6 * * 1-5" => [one(15), one(6), star(), star(), vec![Range(1, 5, None)]],
        "30 0 * * *" => [one(30), one(0), star(), star(), star()],
        "0 3 * * SUN" => [one(0), one(3), star(), star(), one(0)],
        "45 23 * * *" => [one(45), one(23), star(), star(), star()],
        "0 12 L * *" => [one(0), one(12), vec![FromEnd(0, false)], star(), star()],
        "0 4 29 2 *" => [one(0), one(4), one(29), one(2), star()],
        _ => panic!("{text} has no meaning here"),
    };
    Expression { second: None, minute, hour, day, month, weekday, year: None }
}

/// Every moment of the year at which such a job comes.
fn moments(spec: &JobSpec) -> Vec<i64> {
    let (start, end) = (at(START), at(END));
    let each = |hours: usize| (start..end).step_by(hours * 3_600).skip(1).collect();
    match spec.schedule.text() {
        "@every 7h" => each(7),
        "@every 1d" => each(24),
        text => {
            let start = Timestamp::from_second(start).unwrap();
            oracle::occurrences(&expression(text), spec.schedule.zone().time_zone(), start, end, usize::MAX)
        }
    }
}

/// What becomes of these moments, by the documented rule: of those in an outage the newest runs if it is hardly late,
/// of the others as many of the newest as the policy says, and the rest leaves one record.
fn expected(spec: &JobSpec, moments: &[i64]) -> Vec<(i64, What)> {
    let wanted = match spec.missed {
        MissedPolicy::Skip => 0,
        MissedPolicy::Once => 1,
        MissedPolicy::All => usize::from(spec.missed_max),
    };
    let mut all: BTreeMap<i64, What> = moments.iter().map(|it| (*it, What::Ran)).collect();
    for (from, to) in OUTAGES.map(|(from, to)| (at(from), at(to))) {
        let within = moments.iter().filter(|it| (from..=to).contains(*it)).copied();
        let missed: Vec<i64> = within.filter(|it| to - it > LATE).collect();
        let (rest, run) = missed.split_at(missed.len().saturating_sub(wanted));
        all.extend(run.iter().map(|it| (*it, What::CaughtUp)));
        all.retain(|it, _| !rest.contains(it));
        if let [before @ .., newest] = rest {
            all.insert(*newest, What::Missed(u32::try_from(before.len()).unwrap()));
        }
    }
    all.into_iter().collect()
}

/// Mistakes 17 and 18: nothing loops, nothing runs twice and nothing is left out, in the nights of the changes and at
/// the restarts in between.
#[test]
fn in_a_year_of_a_thousand_jobs_each_occurrence_leaves_exactly_one_record() {
    let year = live(1_000);
    assert_eq!(year.jobs.len(), 1_000);
    let mut known: BTreeMap<(String, String), Vec<i64>> = BTreeMap::new();
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for (job, spec) in &year.jobs {
        let key = (spec.schedule.text().to_owned(), spec.schedule.zone().name().to_owned());
        let words = format!("{job}: {key:?}, missed={:?}", spec.missed);
        let moments = known.entry(key).or_insert_with(|| moments(spec));
        let records = year.records.get(job).cloned().unwrap_or_default();
        let mut told: Vec<(i64, What)> = records.iter().map(|(at, what)| (at.as_second(), *what)).collect();
        told.sort_unstable();
        for (_, what) in &told {
            let kind = match what {
                What::Ran => "ran",
                What::CaughtUp => "caught up",
                What::Missed(_) => "missed",
                What::Other => "other",
            };
            *kinds.entry(kind).or_default() += 1;
        }
        if spec.jitter.is_zero() {
            assert_eq!(told, expected(spec, moments), "{words}");
        } else {
            with_jitter(&told, moments, &words);
        }
    }
    // All of it was tried, and nothing else happened.
    assert!(kinds["ran"] > 300_000 && kinds["caught up"] > 500 && kinds["missed"] > 400, "{kinds:?}");
    assert_eq!(kinds.len(), 3, "{kinds:?}");
    assert_eq!(known.len(), 150, "each schedule in each zone");
}

/// When it fires only the agent knows, and so on which side of an outage: but each moment is counted once.
fn with_jitter(told: &[(i64, What)], moments: &[i64], words: &str) {
    let named: BTreeSet<i64> = told.iter().map(|(at, _)| *at).collect();
    assert_eq!(named.len(), told.len(), "{words}: a moment has two records");
    assert!(named.iter().all(|it| moments.binary_search(it).is_ok()), "{words}: a record names no moment");
    let counted: usize = told
        .iter()
        .map(|(_, what)| match what {
            What::Missed(more) => 1 + *more as usize,
            _ => 1,
        })
        .sum();
    // The very last may fire in the next year.
    let late = moments.iter().filter(|it| at(END) - **it <= 300).count();
    assert!(
        (moments.len() - late..=moments.len()).contains(&counted),
        "{words}: {counted} of {}",
        moments.len()
    );
}
