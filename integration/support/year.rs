//! A year of many jobs, straight over the state: as fast as it goes, through every change of the clocks and through
//! outages, after each of which another agent goes on with what the store has. The benchmarks measure the same.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    num::NonZeroUsize,
    path::Path,
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use watchbell::{
    agent::state::{Effect, Event, State, Told},
    history::{
        store::{Store, StoreError},
        write::Batch,
    },
    model::{
        job::JobSpec,
        memory::Memory,
        name::JobId,
        run::{Item, Outcome, RunId, RunRecord, Trigger},
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
    "*/20 1-3 * * *",
    "@every 7h",
    "0,30 2 * * *",
    "30 1 * * *",
    "30 2 * * *",
    "@daily",
    "0 0 31 * *",
    "15 6 * * 1-5",
    "30 0 * * *",
    "0 3 * * SUN",
    "45 23 * * *",
    "0 12 L * *",
    "@every 1d",
    "0 4 29 2 *",
];

/// How many of the schedules stand at the front of the list and come often: only the first jobs have one, so that a year
/// stays short.
const OFTEN: usize = 5;

pub const START: &str = "2026-01-01T00:00:00Z";
pub const END: &str = "2027-01-01T00:00:00Z";

/// When no agent runs, in order; some over a change of a clock, one shorter than what counts as late, one a mere restart.
pub const OUTAGES: [(&str, &str); 10] = [
    ("2026-02-01T00:10:00Z", "2026-02-01T03:10:00Z"),
    ("2026-03-08T06:30:00Z", "2026-03-08T07:30:00Z"),
    ("2026-03-29T00:30:00Z", "2026-03-29T02:30:00Z"),
    ("2026-04-04T14:00:00Z", "2026-04-04T16:00:00Z"),
    ("2026-06-10T12:00:00Z", "2026-06-11T14:00:00Z"),
    ("2026-08-03T00:29:30Z", "2026-08-03T00:30:50Z"),
    ("2026-10-25T00:10:00Z", "2026-10-25T01:50:00Z"),
    ("2026-11-01T05:15:00Z", "2026-11-01T06:45:00Z"),
    ("2026-12-15T03:10:00Z", "2026-12-15T03:10:00Z"),
    ("2026-12-31T23:59:59Z", "2026-12-31T23:59:59Z"),
];

/// How often what is to be remembered is written, in the year's own time.
const WRITTEN_EACH: SignedDuration = SignedDuration::from_hours(24 * 7);

/// What became of an occurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// It ran at its time.
    Ran,
    /// It was missed and ran after all.
    CaughtUp,
    /// It was missed, and so many before it with it.
    Missed(u32),
    /// Anything else, which does not happen here.
    Other,
}

/// What there was, and what every record says.
pub struct Year {
    pub jobs: BTreeMap<JobId, Arc<JobSpec>>,
    pub records: HashMap<JobId, Vec<(Timestamp, What)>>,
}

impl Year {
    /// How many records there are.
    pub fn count(&self) -> usize {
        self.records.values().map(Vec::len).sum()
    }
}

fn what(record: &RunRecord) -> What {
    match (&record.outcome, record.trigger) {
        (Outcome::Succeeded { .. }, Trigger::Schedule) => What::Ran,
        (Outcome::Succeeded { .. }, Trigger::CatchUp) => What::CaughtUp,
        (Outcome::Missed { .. }, _) => What::Missed(record.and_more),
        _ => What::Other,
    }
}

fn desired(jobs: usize, now: Timestamp) -> Desired {
    let mut file = String::new();
    let each = SCHEDULES.len() * ZONES.len();
    for job in 0..jobs {
        let schedules = if job < each { &SCHEDULES[..] } else { &SCHEDULES[OFTEN..] };
        let (schedule, zone) = (schedules[job % schedules.len()], ZONES[job / schedules.len() % ZONES.len()]);
        // Some begin a little later than they are due.
        let jitter = if job % 4 == 3 { "5m" } else { "0s" };
        let missed = ["skip", "once", "all\nmissed-max = 3"][job % 7 % 3];
        let _ = writeln!(
            file,
            "[job-local \"j{job:05}\"]\nschedule = {schedule}\ntimezone = {zone}\njitter = {jitter}\n\
             missed = {missed}\ncommand = true"
        );
    }
    let sources = Sources::new(ini::parse("year.ini", &file, &|_| None), Upper::default(), Vec::new());
    resolve(&sources, View::Unknown, now)
}

/// Lives through the year with this many jobs. Every run ends at once.
pub fn live(jobs: usize) -> Year {
    let at = |text: &str| -> Timestamp { text.parse().expect("it is a time") };
    let desired = desired(jobs, at(START));
    let mut year = Year {
        jobs: desired.jobs.iter().map(|(id, job)| (id.clone(), job.spec.clone())).collect(),
        records: HashMap::new(),
    };
    let state_dir = tempfile::tempdir().expect("a directory for the store");
    let mut number = 0_u64;
    let mut now = at(START);
    for (from, to) in OUTAGES.into_iter().chain([(END, END)]) {
        agent(state_dir.path(), &desired, (now, at(from)), &mut year, &mut number);
        now = at(to);
    }
    year
}

/// The rows of runs would be millions, and nobody asks for them here.
fn write(store: &mut Store, memory: HashMap<JobId, Option<Memory>>) -> Result<(), StoreError> {
    store.write(&Batch { memory, ..Batch::default() }).map(drop)
}

/// The life of one agent, with what the one before it kept.
fn agent(
    state_dir: &Path,
    desired: &Desired,
    (from, until): (Timestamp, Timestamp),
    year: &mut Year,
    number: &mut u64,
) {
    let mut ids = || {
        *number += 1;
        RunId(Arc::from(format!("{number:026}")))
    };
    let mut store = Store::open(state_dir, u64::MAX).expect("the store can be opened");
    let mut notes: HashMap<JobId, Option<Memory>> = HashMap::new();
    let mut state = State::new(NonZeroUsize::MAX, store.memory().expect("the store can be read"));
    let mut events = vec![Event::Desired(desired.clone())];
    let (mut now, mut written) = (from, from);
    loop {
        while let Some(event) = events.pop() {
            for effect in state.handle(event, now, &mut ids) {
                match effect {
                    Effect::Start(order) => {
                        let outcome = Outcome::Succeeded { exit_code: Some(0) };
                        let record = order.record(Some(now), now, Some(Duration::ZERO), outcome);
                        events.push(Event::RunEnded { record: Box::new(record), goes_on: false });
                    }
                    Effect::Tell(Told::Record(it)) => {
                        let entry = (it.occurrence, what(&it));
                        year.records.entry(it.job).or_default().push(entry);
                    }
                    Effect::Keep(items) => {
                        notes.extend(items.into_iter().filter_map(|item| match item {
                            Item::Memory(job, memory) => Some((job, memory)),
                            _ => None,
                        }));
                    }
                    Effect::TakeUp(_)
                    | Effect::Notify(_)
                    | Effect::Await(_)
                    | Effect::Answer(_)
                    | Effect::Stop(..)
                    | Effect::Tell(_) => {}
                }
            }
        }
        if now.duration_since(written) >= WRITTEN_EACH {
            write(&mut store, std::mem::take(&mut notes)).expect("the store can be written");
            written = now;
        }
        match state.next_due().filter(|due| *due < until) {
            Some(due) => now = due.max(now),
            None => break,
        }
        events.push(Event::Tick);
    }
    write(&mut store, notes).expect("the store can be written");
}
