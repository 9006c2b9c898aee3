//! What the agent holds of jobs that went: as much as of those that went just before, however many there were.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    num::NonZeroUsize,
};

use jiff::{SignedDuration, Timestamp};
use watchbell::{
    agent::state::{Effect, Event, State},
    model::{
        container::Inventory,
        name::JobId,
        run::{Outcome, RunId},
        swarm::Services,
    },
    settings::{
        global::layers::Upper,
        ini,
        resolve::{Desired, Sources, View, resolve},
    },
};

/// Jobs that were never there before and never come again: one that runs, one that waits for it, one that waits for what
/// never comes, one that is paused.
fn generation(number: u32, now: Timestamp) -> Desired {
    let mut file = String::new();
    for (name, rest) in [
        ("runs", "schedule = * * * * *\ngroup = g"),
        ("waits", "schedule = * * * * *\ngroup = g"),
        ("gated", "schedule = * * * * *\ndepends-on = never-comes"),
        ("paused", "schedule = * * * * *"),
    ] {
        let _ = writeln!(file, "[job-local \"{name}-{number:05}\"]\ncommand = x\n{rest}");
    }
    let sources = Sources::new(ini::parse("f", &file, &|_| None), Upper::default(), Vec::new());
    let none = Inventory { containers: Vec::new(), own: None, services: Services::none() };
    Desired { settings: None, ..resolve(&sources, View::Observed(&none), now) }
}

/// Mistake 13.
#[test]
fn jobs_that_were_removed_do_not_pile_up() {
    let mut now: Timestamp = "2026-03-02T10:00:00Z".parse().unwrap();
    let mut state = State::new(NonZeroUsize::new(8).unwrap(), HashMap::new());
    let mut made = 0_u64;
    let mut ids = || {
        made += 1;
        RunId(format!("{made:026}").into())
    };
    // Beyond what is remembered on purpose of jobs that may come back, a number of jobs.
    let (settled, last) = (1_500, 3_000);
    let mut size = 0;
    for number in 0..=last {
        let mut begun = Vec::new();
        let mut follow = |effects: Vec<Effect>| {
            begun.extend(effects.into_iter().filter_map(|it| match it {
                Effect::Start(order) => Some(order),
                _ => None,
            }));
        };
        follow(state.handle(Event::Desired(generation(number, now)), now, &mut ids));
        let job = JobId::plain(&format!("paused-{number:05}"));
        follow(state.handle(Event::Pause { job, until: None }, now, &mut ids));
        now += SignedDuration::from_secs(60);
        follow(state.handle(Event::Tick, now, &mut ids));
        // The job of a run that ends is gone by then for one of two.
        let none = Desired { jobs: BTreeMap::new(), diagnostics: Vec::new(), ..generation(number, now) };
        follow(state.handle(Event::Desired(none), now, &mut ids));
        assert!(!begun.is_empty(), "generation {number} ran nothing");
        while let Some(order) = begun.pop() {
            let record = order.record(Some(now), now, None, Outcome::Succeeded { exit_code: Some(0) });
            let ended = Event::RunEnded { record: Box::new(record), goes_on: false };
            let effects = state.handle(ended, now, &mut ids);
            begun.extend(effects.into_iter().filter_map(|it| match it {
                Effect::Start(order) => Some(order),
                _ => None,
            }));
        }
        if number == settled {
            size = format!("{state:?}").len();
        }
    }
    let after = format!("{state:?}").len();
    assert!(size > 10_000, "the state shows what is in it: {size}");
    assert!(after < size + size / 20, "{size} characters of state became {after}");
}
