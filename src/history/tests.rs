//! The store as a file. What is remembered of jobs is here; runs, files of earlier versions, files that cannot be used and
//! limits have places of their own.

mod asked;
mod limits;
mod made;
mod notices;
mod older;
mod runs;
mod unusable;

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;

use super::{
    output::Chunk,
    query::{Filter, Reader},
    write::Batch,
    *,
};
use crate::model::{
    job::Retention,
    memory::{Marks, Pause},
    name::JobKind,
    run::{Admitted, Item, Outcome, Printed, RunId, RunRecord, Stream, Trigger},
};

const MOST: u64 = 256 << 20;

fn opened(folder: &Path) -> Opened {
    open(folder, MOST, Clock::System)
}

fn store(folder: &Path) -> Store {
    Store::open(folder, MOST).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn memory(n: i64) -> Memory {
    let at = |nanos: i64| Timestamp::from_nanosecond(nanos.into()).unwrap();
    Memory {
        anchor: at(n * 1_000_000_007),
        schedule: u64::MAX - n.unsigned_abs(),
        seen: at(n),
        idle: n % 2 == 0,
        marks: Marks {
            ran: (n % 3 == 0).then(|| at(n + 1)),
            succeeded: (n % 5 == 0).then(|| at(n + 2)),
            paused: (n % 7 == 0).then(|| Pause { until: (n % 2 == 0).then(|| at(n + 3)) }),
        },
    }
}

fn notes(of: impl IntoIterator<Item = i64>) -> HashMap<JobId, Option<Memory>> {
    of.into_iter().map(|n| (JobId::plain(&format!("j{n}")), Some(memory(n)))).collect()
}

fn remembered(memory: HashMap<JobId, Option<Memory>>) -> Batch {
    Batch { memory, ..Batch::default() }
}

fn id(n: u32) -> RunId {
    RunId(format!("01{n:024}").into())
}

/// The `n`th run of a job, each a minute after the one before.
fn admitted(job: &str, n: u32) -> Admitted {
    let minute = at(i64::from(n) * 60);
    Admitted {
        run: id(n),
        job: JobId::plain(job),
        kind: JobKind::Exec,
        trigger: Trigger::Schedule,
        occurrence: minute,
        fires: minute,
        admitted: minute,
        container: Some("web".to_owned()),
        terms: None,
    }
}

fn record(job: &str, n: u32, outcome: Outcome) -> RunRecord {
    let Admitted { run, job, kind, trigger, occurrence, fires, admitted, container, .. } = admitted(job, n);
    RunRecord {
        run,
        job,
        kind,
        trigger,
        occurrence,
        fires,
        admitted,
        started: Some(admitted),
        ended: admitted + Duration::from_secs(1),
        container,
        duration: Some(Duration::from_millis(999)),
        outcome,
        attempts: 1,
        printed: Printed { stdout: 7, stderr: 0 },
        no_more: None,
        note: None,
        and_more: 0,
    }
}

fn succeeded(job: &str, n: u32) -> Item {
    Item::Ended(record(job, n, Outcome::Succeeded { exit_code: Some(0) }), Some(Retention::default()))
}

fn write(store: &mut Store, items: Vec<Item>) {
    store.write(&Batch { items, ..Batch::default() }).unwrap();
}

fn numbers(runs: &[query::KeptRun]) -> Vec<u32> {
    runs.iter().map(|it| it.run.0[2..].parse().unwrap()).collect()
}

fn all(folder: &Path) -> Vec<u32> {
    numbers(&reader(folder).runs(&Filter::default(), u32::MAX).unwrap())
}

fn reader(folder: &Path) -> Reader {
    Reader::open(folder).unwrap().unwrap()
}

/// A record, and so many runs and seconds are kept of its job.
fn ended(job: &str, n: u32, runs: Option<u32>, age: Option<u64>) -> Item {
    let keep = Retention { runs, age: age.map(Duration::from_secs) };
    Item::Ended(record(job, n, Outcome::Succeeded { exit_code: Some(0) }), Some(keep))
}

/// What cannot be made smaller.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn chunk(n: u32, sequence: u32, bytes: Vec<u8>) -> Chunk {
    let place = u64::from(sequence) * bytes.len() as u64;
    Chunk { run: id(n), stream: Stream::Stdout, sequence, attempt: 1, place, bytes, instead_of: None }
}

#[test]
fn what_is_kept_comes_back_to_the_nanosecond() {
    let folder = tempfile::tempdir().unwrap();
    let first = opened(folder.path());
    assert_eq!((first.diagnostics, first.memory), (vec![], HashMap::new()));
    assert_eq!(*first.keeper.condition().borrow(), Condition::Well);
    drop(first.writer);
    let mut store = store(folder.path());
    store.write(&remembered(notes(-3..100))).unwrap();
    store.write(&remembered([(JobId::plain("j7"), None)].into())).unwrap();
    drop(store);
    let again = opened(folder.path());
    let expected: HashMap<_, _> =
        notes((-3..100).filter(|n| *n != 7)).into_iter().map(|(job, it)| (job, it.unwrap())).collect();
    assert_eq!((again.diagnostics, again.memory), (vec![], expected));
}

#[test]
fn an_occurrence_whose_run_is_kept_was_seen_whatever_else_is_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path());
    let job = JobId::plain("a");
    let old = Memory { anchor: at(0), schedule: 1, seen: at(60), idle: false, marks: Marks::default() };
    let startup = Admitted { trigger: Trigger::Startup, ..admitted("a", 9) };
    let items = vec![Item::Begins(admitted("a", 5)), Item::Waits(admitted("a", 4)), Item::Begins(startup)];
    store.write(&Batch { memory: [(job.clone(), Some(old))].into(), items, ..Batch::default() }).unwrap();
    assert_eq!(store.memory().unwrap()[&job], Memory { seen: at(300), ..old });
}

#[test]
fn rows_of_a_clock_that_was_far_ahead_are_not_believed_once_the_agent_has_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path());
    let job = JobId::plain("a");
    let known = |seen| Memory { anchor: at(0), schedule: 1, seen, idle: false, marks: Marks::default() };
    let remember = |seen| Batch { memory: [(job.clone(), Some(known(seen)))].into(), ..Batch::default() };
    let years = Admitted { occurrence: at(4_000_000_000), ..admitted("a", 2) };
    let items = vec![Item::Begins(admitted("a", 1)), Item::Begins(years)];
    store.write(&Batch { items, ..remember(at(4_000_000_000)) }).unwrap();
    assert_eq!(store.memory().unwrap()[&job].seen, at(4_000_000_000));
    store.write(&remember(at(120))).unwrap();
    assert_eq!(store.memory().unwrap()[&job].seen, at(120));
}
