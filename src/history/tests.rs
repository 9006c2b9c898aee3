//! The store as a file: kept, damaged, locked away, written by another version, and within its limits.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use rusqlite::Connection;

use super::{
    output::Chunk,
    query::{Filter, Phase, Reader},
    retain::Left,
    write::Batch,
    *,
};
use crate::model::{
    container::ContainerId,
    halt::Halt,
    job::Retention,
    memory::{Marks, Pause},
    name::JobKind,
    run::{
        Admitted, Item, Outcome, Printed, RunId, RunRecord, StopCause, StopForce, StopRequest, Stream,
        Trigger, WorkHandle,
    },
    unfinished::{GoingOn, Terms},
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
    store.write(&Batch { memory: [(job.clone(), Some(old))].into(), items, output: vec![] }).unwrap();
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

#[test]
fn why_a_command_goes_on_and_why_it_was_not_tried_again_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path());
    let text = |it: &str| Some(it.to_owned());
    let timed_out =
        Outcome::TimedOut { still_running: text("the Swarm did not end it"), waited_for: text("a node") };
    let stopped = Outcome::Stopped { by: StopCause::Operator, still_running: text("no such signal") };
    let no_more = text("an operator stopped it");
    for (n, outcome) in (1..).zip([timed_out.clone(), stopped, Outcome::Succeeded { exit_code: Some(24) }]) {
        let attempt = Item::AttemptEnded { run: id(n), number: 1, at: at(1), outcome: outcome.clone() };
        let begins = Item::Begins(admitted("a", n));
        write(&mut store, vec![begins, attempt, Item::Ended(record("a", n, outcome), None)]);
    }
    let given_up = RunRecord { no_more, ..record("a", 4, timed_out) };
    write(&mut store, vec![Item::Ended(given_up.clone(), None)]);
    let reader = reader(folder.path());
    let end = |n| reader.run(&id(n)).unwrap().unwrap().0.end.unwrap();
    let why = "a node; the command could not be ended and is still running: the Swarm did not end it";
    assert_eq!(end(1).reason.as_deref(), Some(why));
    assert_eq!(reader.run(&id(1)).unwrap().unwrap().1[0].end.as_ref().unwrap().reason, text(why));
    assert!(end(2).reason.unwrap().ends_with("still running: no such signal"));
    assert_eq!((&*end(3).outcome, end(3).exit_code, end(3).reason), ("succeeded", Some(24), None));
    assert_eq!(end(4).reason, given_up.reason());
    assert!(end(4).reason.unwrap().ends_with("no further attempt was made: an operator stopped it"));
}

#[test]
fn the_first_version_of_the_file_is_brought_along_with_what_it_remembers() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/fixtures/history-v1.db");
    std::fs::copy(fixture, folder.path().join(store::FILE)).unwrap();
    assert!(matches!(Reader::open(folder.path()), Err(StoreError::Older { found: 1, .. })));
    let Opened { memory, diagnostics, .. } = opened(folder.path());
    assert_eq!(diagnostics, []);
    let beat = Memory {
        anchor: "2026-11-22T14:39:48Z".parse().unwrap(),
        schedule: (-6_622_323_125_493_278_568_i64).cast_unsigned(),
        seen: "2026-11-22T14:39:52Z".parse().unwrap(),
        idle: false,
        marks: Marks::default(),
    };
    assert_eq!((memory.len(), memory[&JobId::plain("beat")]), (2, beat));
    let mut store = store(folder.path());
    write(&mut store, vec![succeeded("beat", 1)]);
    assert_eq!(all(folder.path()), [1]);
    let vacuum: u32 = store.told(|it| it.pragma_query_value(None, "auto_vacuum", |row| row.get(0))).unwrap();
    assert_eq!(vacuum, 2, "what is freed can be given back");
}

/// The file is one that the second schema's agent left when it was killed.
#[test]
fn the_runs_that_an_agent_of_the_second_schema_left_are_known_with_what_it_kept_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/fixtures/history-v2.db");
    std::fs::copy(fixture, folder.path().join(store::FILE)).unwrap();
    assert!(matches!(Reader::open(folder.path()), Err(StoreError::Older { found: 2, .. })));
    let Opened { memory, legacy, diagnostics, .. } = opened(folder.path());
    assert_eq!((diagnostics, memory.len(), legacy.runs.len()), (vec![], 2, 1));
    let left = &legacy.runs[0];
    let last = left.last.as_ref().unwrap();
    assert_eq!((left.admitted.job.as_str(), left.begun, last.number), ("long", true, 1));
    assert_eq!(last.handle, Some(WorkHandle::Process { pid: 30_588, start: 570_778 }));
    assert_eq!(left.admitted.terms.as_deref(), Some(&Terms::unknown()), "the built-in defaults");
    assert_eq!(reader(folder.path()).runs(&Filter::default(), 99).unwrap().len(), 7);
}

/// The file is one that an agent left when it was killed, in the fourth schema.
#[test]
fn the_runs_that_an_agent_of_the_fourth_schema_left_are_known_and_it_had_nothing_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/fixtures/history-v4.db");
    std::fs::copy(fixture, folder.path().join(store::FILE)).unwrap();
    assert!(matches!(Reader::open(folder.path()), Err(StoreError::Older { found: 4, .. })));
    let Opened { memory, legacy, halts, diagnostics, .. } = opened(folder.path());
    assert_eq!((diagnostics, memory.len(), legacy.runs.len(), halts), (vec![], 2, 1, vec![]));
    let left = &legacy.runs[0];
    let terms = left.admitted.terms.as_ref().unwrap();
    assert_eq!((left.admitted.job.as_str(), left.begun, terms.retries), ("long", true, 2));
    assert_eq!((terms.timeout, &terms.action), (Some(Duration::from_secs(300)), &None));
    assert_eq!(reader(folder.path()).runs(&Filter::default(), 99).unwrap().len(), 28);
}

#[test]
fn what_is_stopped_for_runs_is_read_back_until_it_is_restored_for_each_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path());
    let halt = |container: &str, run, place| Halt {
        container: ContainerId(container.into()),
        name: format!("{container}-name"),
        run: id(run),
        job: JobId::plain("a"),
        place,
        at: Timestamp::UNIX_EPOCH,
    };
    let all = vec![halt("app", 1, 0), halt("db", 1, 1), halt("app", 2, 0)];
    write(&mut store, vec![Item::Halted(all[..2].to_vec()), Item::Halted(all[2..].to_vec())]);
    write(&mut store, vec![Item::Halted(all[..1].to_vec())]);
    assert_eq!(store.halts().unwrap(), all);
    let restored =
        |container: &str, run| Item::Restored { container: ContainerId(container.into()), run: id(run) };
    write(&mut store, vec![restored("app", 1), restored("app", 9)]);
    assert_eq!(store.halts().unwrap(), all[1..]);
    write(&mut store, vec![restored("db", 1), restored("app", 2)]);
    assert_eq!(store.halts().unwrap(), []);
}

#[test]
fn what_was_left_is_read_back_with_its_terms_and_where_its_output_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path());
    let terms = Terms::unknown();
    let terms = Arc::new(Terms { retries: 3, user: Some("www".into()), ..terms });
    let begins = Admitted { terms: Some(terms.clone()), ..admitted("a", 1) };
    let chunk = |sequence, place, text: &str| Chunk {
        run: id(1),
        stream: Stream::Stdout,
        sequence,
        attempt: 1,
        place,
        bytes: text.into(),
        instead_of: None,
    };
    let items = vec![Item::Waits(admitted("a", 2)), Item::Begins(begins)];
    let output = vec![chunk(0, 0, "one\n"), chunk(4, 9, "three")];
    store.write(&Batch { items, output, ..Batch::default() }).unwrap();
    let left = store.legacy().unwrap().runs;
    assert_eq!(left.iter().map(|it| it.begun).collect::<Vec<_>>(), [true, false]);
    assert_eq!(left[0].admitted.terms, Some(terms));
    assert_eq!(crate::model::unfinished::printed(&left[0].output.stdout), 14);
    write(&mut store, vec![succeeded("a", 1), succeeded("a", 2)]);
    assert_eq!(store.legacy().unwrap(), Legacy::default());
}

/// The file is one that the third schema's agent left when it was killed.
#[test]
fn the_runs_that_an_agent_of_the_third_schema_left_are_known_with_their_terms() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/fixtures/history-v3.db");
    std::fs::copy(fixture, folder.path().join(store::FILE)).unwrap();
    assert!(matches!(Reader::open(folder.path()), Err(StoreError::Older { found: 3, .. })));
    let Opened { memory, legacy, diagnostics, .. } = opened(folder.path());
    assert_eq!((diagnostics, memory.len(), legacy.runs.len()), (vec![], 2, 1));
    let left = &legacy.runs[0];
    let last = left.last.as_ref().unwrap();
    assert_eq!((left.admitted.job.as_str(), left.stop, last.timed_out), ("long", None, false));
    assert_eq!(last.handle, Some(WorkHandle::Process { pid: 17_678, start: 284_537 }));
    let terms = left.admitted.terms.as_ref().unwrap();
    let said = (terms.timeout, terms.grace, terms.retries);
    assert_eq!(said, (Some(Duration::from_secs(1200)), Duration::from_secs(3), 2));
    assert_eq!(terms.group.as_ref().unwrap().name.as_ref(), "disk");
    assert_eq!(legacy.going_on, []);
    assert_eq!(reader(folder.path()).runs(&Filter::default(), 99).unwrap().len(), 9);
}

#[test]
fn what_was_asked_to_end_and_what_would_not_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path());
    let group = crate::model::policy::Group { name: "disk".into(), wait: None };
    let terms = Arc::new(Terms { group: Some(group.clone()), ..Terms::unknown() });
    let begins = |n| Item::Begins(Admitted { terms: Some(terms.clone()), ..admitted("a", n) });
    let handle = WorkHandle::Container { id: "c".to_owned() };
    let started = |n, number| Item::AttemptStarted { run: id(n), number, at: at(1), handle: handle.clone() };
    let stops = |force, cause| Item::Stops(id(1), StopRequest { force, cause });
    let kept = |store: &Store| store.legacy().unwrap();

    write(&mut store, vec![begins(1), started(1, 1), stops(StopForce::Finish, StopCause::Shutdown)]);
    assert_eq!(kept(&store).runs[0].stop, None, "the next agent may try again");
    write(&mut store, vec![stops(StopForce::Stop, StopCause::Operator)]);
    write(&mut store, vec![stops(StopForce::Kill, StopCause::Shutdown)]);
    write(&mut store, vec![stops(StopForce::Stop, StopCause::Replaced)]);
    let first = StopRequest { force: StopForce::Kill, cause: StopCause::Operator };
    assert_eq!(kept(&store).runs[0].stop, Some(first), "the first cause, and the hardest force");

    write(&mut store, vec![begins(2), started(2, 1), Item::TimedOut { run: id(2), number: 1 }]);
    assert!(kept(&store).runs[1].last.as_ref().unwrap().timed_out);
    write(&mut store, vec![started(2, 2)]);
    assert!(!kept(&store).runs[1].last.as_ref().unwrap().timed_out, "it is the first attempt's alone");

    let still = Outcome::Stopped { by: StopCause::Operator, still_running: Some("r".to_owned()) };
    let newest = (3..9).map(|n| ended("a", n, Some(1), None));
    let end = Item::Ended(record("a", 1, still), Some(Retention { runs: Some(1), age: None }));
    write(&mut store, std::iter::once(end).chain(newest).collect());
    let going_on = GoingOn {
        run: id(1),
        job: JobId::plain("a"),
        group: Some(group),
        container: Some("web".to_owned()),
        since: at(60),
        handle: handle.clone(),
    };
    assert_eq!(kept(&store).going_on, [going_on], "its row stays for as long, however few are kept");
    write(&mut store, vec![Item::Gone(id(1)), ended("a", 9, Some(1), None)]);
    assert_eq!(kept(&store).going_on, []);
    assert_eq!(all(folder.path()), [9, 2], "the unfinished one stays as well");
}

#[test]
fn a_damaged_file_is_put_aside_and_a_new_one_is_begun() {
    for damage in
        [b"this is no database at all, but it is long enough to be one".to_vec(), vec![0x5a; 4096 * 3]]
    {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("watchbell.db"), &damage).unwrap();
        let clock = Clock::Anchored {
            wall: "2026-11-22T08:48:21Z".parse().unwrap(),
            at: tokio::time::Instant::now() + Duration::from_secs(3600),
            steps: Arc::default(),
        };
        let it = open(folder.path(), MOST, clock);
        assert_eq!((it.memory.len(), it.diagnostics.len()), (0, 1));
        assert_eq!(*it.keeper.condition().borrow(), Condition::Well);
        let aside = "watchbell.db.corrupt-20261122T084821Z";
        assert!(it.diagnostics[0].reason.contains(aside), "{:?}", it.diagnostics);
        assert_eq!(std::fs::read(folder.path().join(aside)).unwrap(), damage);
        drop(it);
        assert_eq!(opened(folder.path()).diagnostics, []);
    }
}

#[test]
fn a_file_that_was_damaged_in_the_middle_is_found_out_when_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("watchbell.db");
    store(folder.path()).write(&remembered(notes(0..2_000))).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    let opened = opened(folder.path());
    assert!(opened.diagnostics[0].reason.contains("was put aside"), "{opened:?}");
    assert_eq!(*opened.keeper.condition().borrow(), Condition::Well);
}

fn failing(opened: &Opened) -> String {
    match &*opened.keeper.condition().borrow() {
        Condition::Failing { reason } => reason.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_of_a_later_version_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("watchbell.db");
    drop(opened(folder.path()));
    // Bytes 60 to 63 of the header are the schema's version.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[63] = 99;
    std::fs::write(&path, &bytes).unwrap();
    let reason = failing(&opened(folder.path()));
    assert!(reason.contains("a later version") && reason.contains("use that version"), "{reason}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    assert!(matches!(Reader::open(folder.path()), Err(StoreError::Newer { found: 99, .. })));
}

#[test]
fn a_directory_that_cannot_be_made_is_told_with_the_mend() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let reason = failing(&opened(&folder.path().join("file/state")));
    assert!(reason.contains("make the state directory writable"), "{reason}");
}

#[test]
fn a_run_is_kept_from_waiting_to_its_end_and_never_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path());
    let waits = Admitted { container: None, ..admitted("a", 1) };
    write(&mut store, vec![Item::Waits(waits.clone())]);
    let (found, attempts) = reader(folder.path()).run(&id(1)).unwrap().unwrap();
    assert_eq!((found.phase, found.container, attempts.len()), (Phase::Waiting, None, 0));
    let exec = WorkHandle::Exec { exec: "e1".into(), container: "c1".into() };
    let started = Item::AttemptStarted { run: id(1), number: 1, at: at(61), handle: exec.clone() };
    write(&mut store, vec![Item::Begins(admitted("a", 1)), started.clone()]);
    // Whatever is told again, or too late, changes nothing that is further already.
    write(&mut store, vec![Item::Waits(waits), Item::Begins(admitted("a", 1))]);
    let (found, attempts) = &reader(folder.path()).unfinished().unwrap()[0];
    assert_eq!((found.phase, found.started, found.attempts), (Phase::Running, Some(at(61)), 1));
    assert_eq!(found.container.as_deref(), Some("web"));
    assert_eq!((attempts[0].started, attempts[0].handle.clone()), (Some(at(61)), Some(exec.clone())));
    let failed = Outcome::Failed { exit_code: Some(3), reason: Some("no".into()) };
    let ended = Item::AttemptEnded { run: id(1), number: 1, at: at(62), outcome: failed.clone() };
    let process = WorkHandle::Process { pid: 7, start: 8 };
    let second = Item::AttemptStarted { run: id(1), number: 2, at: at(63), handle: process.clone() };
    let last = Item::Ended(RunRecord { attempts: 2, ..record("a", 1, failed) }, None);
    write(&mut store, vec![ended, second, last.clone()]);
    write(&mut store, vec![Item::Begins(admitted("a", 1)), started, last, succeeded("a", 1)]);
    let (found, attempts) = reader(folder.path()).run(&id(1)).unwrap().unwrap();
    let end = found.end.unwrap();
    assert_eq!((&*end.outcome, end.exit_code, end.reason.as_deref()), ("failed", Some(3), Some("no")));
    assert_eq!((found.phase, found.attempts, found.printed.stdout), (Phase::Ended, 2, 7));
    assert_eq!(found.duration, Some(Duration::from_millis(999)));
    assert_eq!(attempts.iter().map(|it| it.end.is_some()).collect::<Vec<_>>(), [true, false]);
    assert_eq!((&attempts[0].handle, &attempts[1].handle), (&Some(exec), &Some(process)));
    let reader = reader(folder.path());
    assert_eq!((reader.unfinished().unwrap().len(), reader.counts(None).unwrap().ended), (0, 1));
    assert_eq!(reader.last_success(&JobId::plain("a")).unwrap(), None);
}

#[test]
fn runs_are_found_by_job_and_outcome_page_by_page() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path());
    let failed = |n| Item::Ended(record("a", n, Outcome::Lost { reason: "x".into() }), None);
    write(&mut store, (0..10).map(|n| if n % 3 == 0 { failed(n) } else { succeeded("a", n) }).collect());
    write(&mut store, (10..20).map(|n| succeeded("b", n)).collect());
    let reader = reader(folder.path());
    let ask = |filter: &Filter, limit| numbers(&reader.runs(filter, limit).unwrap());
    assert_eq!(ask(&Filter::default(), 3), [19, 18, 17]);
    assert_eq!(ask(&Filter { before: Some(id(17)), ..Filter::default() }, 2), [16, 15]);
    let of_a = Filter { job: Some(JobId::plain("a")), ..Filter::default() };
    assert_eq!(ask(&of_a, 2), [9, 8]);
    let lost = Filter { outcome: Some("lost".into()), before: Some(id(9)), ..of_a };
    assert_eq!(ask(&lost, 9), [6, 3, 0]);
    assert_eq!(reader.counts(Some(&JobId::plain("a"))).unwrap().ended, 10);
    assert_eq!(reader.counts(None).unwrap().ended, 20);
    assert_eq!(reader.last_success(&JobId::plain("a")).unwrap(), Some(at(8 * 60 + 1)));
    let copy = folder.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    reader.back_up(&copy.join(store::FILE)).unwrap();
    assert_eq!(all(&copy).len(), 20);
    assert!(reader.back_up(&copy.join(store::FILE)).is_err(), "what is there is not written over");
}

/// A record, and so many runs and seconds are kept of its job.
fn ended(job: &str, n: u32, runs: Option<u32>, age: Option<u64>) -> Item {
    let keep = Retention { runs, age: age.map(Duration::from_secs) };
    Item::Ended(record(job, n, Outcome::Succeeded { exit_code: Some(0) }), Some(keep))
}

#[test]
fn of_each_job_so_many_runs_are_kept_and_the_newest_always() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path());
    write(&mut store, vec![Item::Begins(admitted("a", 0)), succeeded("b", 1)]);
    for n in 2..50 {
        write(&mut store, vec![ended("a", n, Some(5), None)]);
    }
    assert_eq!(all(folder.path()), [49, 48, 47, 46, 45, 1, 0], "what has not ended stays, and others' runs");
    assert_eq!(reader(folder.path()).counts(Some(&JobId::plain("a"))).unwrap().ended, 5);
    // `none` keeps the newest.
    write(&mut store, vec![ended("a", 50, Some(0), None)]);
    assert_eq!(all(folder.path()), [50, 1, 0]);
    // A job that nobody defines when its run ends goes on with what it said last.
    write(&mut store, vec![Item::Ended(record("a", 51, Outcome::Succeeded { exit_code: Some(0) }), None)]);
    assert_eq!(all(folder.path()), [51, 1, 0]);
}

#[test]
fn runs_grow_old_also_where_nothing_runs_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path());
    for n in 0..100 {
        write(&mut store, vec![ended("a", n, None, Some(3600))]);
    }
    assert_eq!(all(folder.path()).len(), 61, "what is within the hour");
    for n in 100..400 {
        write(&mut store, vec![succeeded(&format!("once-{n}"), n)]);
    }
    let month = at(100 * 60 + 31 * 86_400);
    // A few jobs at a time, and then from the beginning again.
    assert_eq!((store.age(month).unwrap(), store.age(month).unwrap()), (Left::More, Left::Nothing));
    assert_eq!(all(folder.path()).len(), 301, "the newest of each job stays");
    // A job that was forgotten goes with its last run.
    write(&mut store, vec![]);
    store.write(&remembered([(JobId::plain("once-100"), None)].into())).unwrap();
    store.age(month).unwrap();
    assert!(!all(folder.path()).contains(&100));
    let rows: u32 = store
        .told(|it| it.query_row("SELECT count(*) FROM jobs WHERE job = 'once-100'", [], |row| row.get(0)))
        .unwrap();
    assert_eq!(rows, 0);
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
fn a_file_that_is_too_large_loses_its_oldest_runs_then_output_and_becomes_small_again() {
    let folder = tempfile::tempdir().unwrap();
    let most = 1 << 20;
    let mut store = Store::open(folder.path(), most).unwrap();
    let largest = |store: &mut Store| {
        let mut steps = 0;
        while store.shrink().unwrap() == Left::More {
            steps += 1;
            assert!(steps < 1_000, "it comes to an end");
        }
        store.checkpoint().unwrap();
        std::fs::metadata(folder.path().join(store::FILE)).unwrap().len()
    };
    let put = |store: &mut Store, job: &str, n: u32| {
        let output = (0..4).map(|it| chunk(n, it, noise(16_000, n.into()))).collect();
        let items = vec![Item::Begins(admitted(job, n)), succeeded(job, n)];
        store.write(&Batch { items, output, ..Batch::default() }).unwrap();
    };
    put(&mut store, "rare", 0);
    for n in 1..100 {
        put(&mut store, "often", n);
        let size = largest(&mut store);
        assert!(size <= most + (256 << 12), "{size} after {n}");
    }
    let left = all(folder.path());
    assert!(left.len() >= 10 && left[..10] == [99, 98, 97, 96, 95, 94, 93, 92, 91, 90], "{left:?}");
    assert_eq!(left.last(), Some(&0), "the newest of the job that runs rarely");
    assert!(!reader(folder.path()).output(&id(0), Stream::Stdout, 0, u64::MAX).unwrap().is_empty());
    // Many jobs that ran once: every run stays, and the oldest give up their output.
    for n in 100..200 {
        put(&mut store, &format!("once-{n}"), n);
        largest(&mut store);
    }
    let size = largest(&mut store);
    assert!(size <= most + (256 << 12), "{size}");
    assert_eq!(all(folder.path()).len(), 102);
    let of = |n| reader(folder.path()).output(&id(n), Stream::Stdout, 0, u64::MAX).unwrap().len();
    assert_eq!((of(0), of(199)), (0, 4));
    // What has not ended is not touched, and what more of it comes is not kept.
    for n in 200..300 {
        let output = (0..4).map(|it| chunk(n, it, noise(16_000, n.into()))).collect();
        let items = vec![Item::Begins(admitted("long", n))];
        store.write(&Batch { items, output, ..Batch::default() }).unwrap();
        largest(&mut store);
    }
    let size = largest(&mut store);
    assert!(size <= most + (256 << 12), "{size}");
    assert_eq!((all(folder.path()).len(), of(299)), (202, 0));
    // And kept again, once there is room.
    write(&mut store, (200..300).map(|n| ended("long", n, Some(1), None)).collect());
    store.age(at(0)).unwrap();
    largest(&mut store);
    put(&mut store, "often", 300);
    assert_eq!(of(300), 4);
}

#[test]
fn output_is_read_by_stream_and_range_with_what_is_missing_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path());
    let text = b"all work and no play makes a dull line of log, ".repeat(20);
    let mut output =
        vec![chunk(1, 0, text.clone()), chunk(1, 2, text.clone()), chunk(1, 1, noise(text.len(), 3))];
    output.push(Chunk { stream: Stream::Stderr, ..chunk(1, 0, b"oh".to_vec()) });
    // The same again with more in it, and one that takes the place of others.
    output.push(Chunk { instead_of: Some((1, 2)), ..chunk(1, 3, text.clone()) });
    output.push(Chunk { stream: Stream::Stderr, ..chunk(1, 0, b"oh no".to_vec()) });
    output.push(chunk(2, 0, b"of a run that is not kept".to_vec()));
    store.write(&Batch { items: vec![Item::Begins(admitted("a", 1))], output, ..Batch::default() }).unwrap();
    let reader = reader(folder.path());
    let read = |stream, from, to| {
        let pieces = reader.output(&id(1), stream, from, to).unwrap();
        pieces.into_iter().map(|it| (it.place, it.bytes)).collect::<Vec<_>>()
    };
    let length = text.len() as u64;
    let all = read(Stream::Stdout, 0, u64::MAX);
    assert_eq!(all, [(0, text.clone()), (2 * length, text.clone()), (3 * length, text.clone())]);
    assert_eq!(read(Stream::Stdout, 4, 8), [(4, b"work".to_vec())]);
    assert_eq!(read(Stream::Stdout, length, 2 * length), []);
    let over_the_gap = read(Stream::Stdout, length - 1, 2 * length + 1);
    assert_eq!(
        over_the_gap,
        [(length - 1, text[text.len() - 1..].to_vec()), (2 * length, text[..1].to_vec())]
    );
    assert_eq!(read(Stream::Stderr, 0, u64::MAX), [(0, b"oh no".to_vec())]);
    let kept: u64 = store
        .told(|it| {
            it.query_row("SELECT sum(length(bytes)) FROM output WHERE stream = 0", [], |row| {
                row.get::<_, i64>(0)
            })
        })
        .unwrap()
        .unsigned_abs();
    assert!(kept < length, "{kept} of {length} three times: it is made smaller");
}

#[test]
fn a_file_that_was_removed_while_it_was_open_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path());
    write(&mut store, vec![succeeded("a", 1)]);
    for end in ["", "-wal", "-shm"] {
        std::fs::remove_file(folder.path().join(format!("watchbell.db{end}"))).unwrap();
    }
    let error = store.write(&remembered(notes(0..1))).unwrap_err();
    assert!(matches!(error, StoreError::Replaced { .. }), "{error}");
}

#[test]
fn nobody_reads_a_file_that_is_not_there_and_everybody_one_in_a_directory_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Reader::open(folder.path()).unwrap().is_none());
    write(&mut store(folder.path()), vec![succeeded("a", 1)]);
    // As from an image of the disk: no file can be made beside it.
    let uri = format!("file:{}?immutable=1", folder.path().join(store::FILE).display());
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_URI;
    let direct = Connection::open_with_flags(uri, flags).unwrap();
    let rows: u32 = direct.query_row("SELECT count(*) FROM runs", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1, "whoever closes it last leaves nothing beside it");
}
