//! A year of many jobs, straight over the state: as fast as it goes, through every change of the clocks and a restart
//! every month. The benchmarks measure the same.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    num::NonZeroUsize,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use watchbell::{
    agent::state::{Effect, Event, State, Told},
    model::{
        memory::Memory,
        name::JobId,
        run::{Item, Outcome, RunId},
        schedule::Schedule,
    },
    settings::{
        global::layers::Upper,
        ini,
        resolve::{Desired, Sources, View, resolve},
    },
};

/// Zones with changes of an hour, of half an hour, at midnight, several in a year, and none.
const ZONES: [&str; 10] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Beirut",
    "America/Santiago",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "Pacific/Chatham",
    "America/Havana",
];

/// Schedules that the changes of the clocks meet, and some that they do not.
const SCHEDULES: [&str; 15] = [
    "0 * * * *",
    "30 2 * * *",
    "0,30 2 * * *",
    "*/20 1-3 * * *",
    "@daily",
    "30 1 * * *",
    "@every 7h",
    "0 0 31 * *",
    "15 6 * * 1-5",
    "30 0 * * *",
    "0 3 * * SUN",
    "45 23 * * *",
    "0 12 L * *",
    "@every 1d",
    "0 4 29 2 *",
];

pub const START: &str = "2026-01-01T00:00:00Z";
pub const END: &str = "2027-01-01T00:00:00Z";

/// What there was, and every occurrence that left a record.
pub struct Year {
    pub schedules: BTreeMap<JobId, Schedule>,
    pub occurrences: HashMap<JobId, Vec<Timestamp>>,
}

impl Year {
    /// How many records there are.
    pub fn count(&self) -> usize {
        self.occurrences.values().map(Vec::len).sum()
    }
}

fn desired(jobs: usize, now: Timestamp) -> Desired {
    let mut file = String::new();
    for job in 0..jobs {
        let (schedule, zone) = (SCHEDULES[job % SCHEDULES.len()], ZONES[job / SCHEDULES.len() % ZONES.len()]);
        // Some begin a little later than they are due.
        let jitter = if job % 4 == 3 { "5m" } else { "0s" };
        let _ = writeln!(
            file,
            "[job-local \"j{job:05}\"]\nschedule = {schedule}\ntimezone = {zone}\njitter = {jitter}\ncommand = true"
        );
    }
    let sources = Sources::new(ini::parse("year.ini", &file, &|_| None), Upper::default(), Vec::new());
    resolve(&sources, View::Unknown, now)
}

/// Lives through the year with this many jobs. Every run ends at once.
pub fn live(jobs: usize) -> Year {
    let at = |text: &str| -> Timestamp { text.parse().expect("it is a time") };
    let (mut now, end) = (at(START), at(END));
    let desired = desired(jobs, now);
    let schedules = desired.jobs.iter().map(|(id, job)| (id.clone(), job.spec.schedule.clone())).collect();
    let mut memory: HashMap<JobId, Memory> = HashMap::new();
    let mut occurrences: HashMap<JobId, Vec<Timestamp>> = HashMap::new();
    let mut number = 0_u64;
    let mut ids = || {
        number += 1;
        RunId(Arc::from(format!("{number:026}")))
    };
    while now < end {
        // A month, and another agent with what this one kept.
        let until = (now + Duration::from_secs(30 * 86_400)).min(end);
        let mut state = State::new(NonZeroUsize::MAX, std::mem::take(&mut memory));
        let mut events = vec![Event::Desired(desired.clone())];
        loop {
            while let Some(event) = events.pop() {
                for effect in state.handle(event, now, &mut ids) {
                    match effect {
                        Effect::Start(order) => {
                            let record =
                                order.record(Some(now), now, Some(Duration::ZERO), Outcome::Succeeded);
                            events.push(Event::RunEnded { record, goes_on: false });
                        }
                        Effect::Tell(Told::Record(it)) => {
                            let of_job = occurrences.entry(it.job).or_default();
                            // One that speaks for several would be told apart by being too short.
                            of_job.push(it.occurrence);
                        }
                        Effect::Keep(items) => {
                            memory.extend(items.into_iter().filter_map(|item| match item {
                                Item::Memory(job, it) => Some((job, it?)),
                                _ => None,
                            }));
                        }
                        Effect::Stop(..) | Effect::Tell(_) => {}
                    }
                }
            }
            match state.next_due().filter(|due| *due < until) {
                Some(due) => now = due.max(now),
                None => break,
            }
            events.push(Event::Tick);
        }
        now = until;
    }
    Year { schedules, occurrences }
}
