//! Runs and what they printed: kept, found again, and read back as the last agent left them.

use std::sync::Arc;

use super::*;
use crate::{
    history::query::Phase,
    model::{
        container::ContainerId,
        halt::{Halt, HaltId},
        run::{StopCause, StopForce, StopRequest, WorkHandle},
        unfinished::{GoingOn, Terms},
    },
};

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
fn what_is_stopped_for_runs_is_read_back_until_it_is_restored_for_each_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path());
    let what = |name: &str| match name {
        "web" => HaltId::Service(name.into()),
        _ => HaltId::Container(ContainerId(name.into())),
    };
    let halt = |container: &str, run, place| Halt {
        what: what(container),
        name: format!("{container}-name"),
        replicas: (container == "web").then_some(3),
        run: id(run),
        job: JobId::plain("a"),
        place,
        at: Timestamp::UNIX_EPOCH,
    };
    let all = vec![halt("app", 1, 0), halt("db", 1, 1), halt("app", 2, 0), halt("web", 2, 1)];
    write(&mut store, vec![Item::Halted(all[..2].to_vec()), Item::Halted(all[2..].to_vec())]);
    write(&mut store, vec![Item::Halted(all[..1].to_vec())]);
    assert_eq!(store.halts().unwrap(), all);
    // Of a service the number that was found last counts for all who need it stopped.
    let scaled = Halt { replicas: Some(5), ..halt("web", 3, 0) };
    write(&mut store, vec![Item::Halted(vec![scaled])]);
    let numbers: Vec<_> = store.halts().unwrap().into_iter().map(|it| it.replicas).collect();
    assert_eq!(numbers, [None, None, None, Some(5), Some(5)]);
    write(&mut store, vec![Item::Halted(vec![halt("web", 2, 1)])]);
    write(&mut store, vec![Item::Restored { what: what("web"), run: id(3) }]);
    assert_eq!(store.halts().unwrap(), all);
    let restored = |name: &str, run| Item::Restored { what: what(name), run: id(run) };
    write(&mut store, vec![restored("app", 1), restored("app", 9)]);
    assert_eq!(store.halts().unwrap(), all[1..]);
    write(&mut store, vec![restored("db", 1), restored("app", 2), restored("web", 2)]);
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
