//! What the history has of runs, with the whole agent: in step with what the Engine was asked to do.

use std::{
    collections::HashSet,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use tempfile::TempDir;
use tokio::time::sleep;
use watchbell::{
    history::query::{Attempt, Filter, KeptRun, Phase, Reader},
    model::run::{Stream, WorkHandle},
};

use crate::support::{
    fake_engine::{ExecBehaviour, RunBehaviour, TaskBehaviour},
    test_agent::{MINUTE, MOMENT, Setup, TestAgent, seconds, with_job},
};

async fn agent(folder: &TempDir, ini: &str) -> TestAgent {
    let state_dir = Some(folder.path().to_owned());
    TestAgent::with(Setup { state_dir, ..Setup::ini(ini) }).await
}

fn reader(folder: &Path) -> Reader {
    Reader::open(folder).unwrap().unwrap()
}

/// All runs with their attempts, the oldest first.
fn kept(folder: &Path) -> Vec<(KeptRun, Vec<Attempt>)> {
    let reader = reader(folder);
    let runs = reader.runs(&Filter::default(), u32::MAX).unwrap();
    runs.into_iter().rev().map(|it| reader.run(&it.run).unwrap().unwrap()).collect()
}

/// What was in the history when the Engine was asked to begin something.
type Seen = Arc<Mutex<Vec<Vec<(KeptRun, Vec<Attempt>)>>>>;

#[tokio::test(start_paused = true)]
async fn a_command_in_a_container_is_in_the_history_with_its_id_before_it_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let agent = agent(&folder, "").await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(3).stdout("one\ntwo\n").stderr("three").takes(seconds(5)));
    let container = agent.start(with_job("web", "sync", "1 0 * * *")).await;
    let creation = agent.engine.hold("POST /containers/*/exec");
    let start = agent.engine.hold("POST /exec/*/start");
    sleep(MINUTE + seconds(1)).await;
    let (run, attempts) = reader(folder.path()).unfinished().unwrap().remove(0);
    assert_eq!(
        (run.phase, attempts),
        (Phase::Running, vec![]),
        "its row is there before the Engine hears of it"
    );
    creation.release();
    sleep(MOMENT).await;
    let (_, attempts) = reader(folder.path()).unfinished().unwrap().remove(0);
    let exec = agent.engine.execs().remove(0);
    assert_eq!(attempts[0].handle, Some(WorkHandle::Exec { exec: exec.id.clone(), container }));
    start.release();
    let told = agent.wait_for("run.finished", 1).await;
    assert_eq!(run.run.to_string(), told.text("run"));
    sleep(MOMENT).await;
    let (run, attempts) = kept(folder.path()).remove(0);
    let end = run.end.unwrap();
    assert_eq!((&*end.outcome, end.exit_code, run.attempts), ("failed", Some(3), 1));
    assert_eq!(end.at.duration_since(run.occurrence).as_secs(), 6);
    assert_eq!(attempts[0].end.as_ref().unwrap().exit_code, Some(3));
    assert_eq!((run.printed.stdout, run.printed.stderr), (8, 5));
    let out = reader(folder.path()).output(&run.run, Stream::Stdout, 0, u64::MAX).unwrap();
    assert_eq!((out.len(), &out[0].bytes[..]), (1, &b"one\ntwo\n"[..]));
}

#[tokio::test(start_paused = true)]
async fn nothing_begins_before_its_row_is_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let agent = agent(&folder, "").await;
    agent.start(with_job("web", "sync", "1,2 0 * * *")).await;
    sleep(seconds(30)).await;
    let asked = while_locked(&folder, &agent, "POST /containers/*/exec");
    sleep(MINUTE).await;
    assert_eq!(asked.join().unwrap(), 0, "the Engine was asked before the run had its row");
    let creation = agent.engine.hold("POST /containers/*/exec");
    sleep(MINUTE).await;
    let asked = while_locked(&folder, &agent, "POST /exec/*/start");
    creation.release();
    sleep(MOMENT).await;
    assert_eq!(asked.join().unwrap(), 1, "the second command began before its ID was written");
    sleep(MINUTE).await;
    assert_eq!(agent.outcomes("web.sync"), ["succeeded", "succeeded"]);
    assert_eq!(agent.all("history.failing").len(), 0);
}

/// Locks the file for a moment in which a row is to be written, and says how often the Engine was asked for this until
/// then. The database waits for its lock in real time, and the agent's paused clock waits for the database.
#[expect(clippy::disallowed_methods, reason = "nothing of the paused clock can see real time pass")]
fn while_locked(
    folder: &TempDir,
    agent: &TestAgent,
    request: &'static str,
) -> std::thread::JoinHandle<usize> {
    let other = rusqlite::Connection::open(folder.path().join("watchbell.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let engine = agent.engine.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(400));
        let asked = engine.count(request);
        other.execute_batch("COMMIT").unwrap();
        asked
    })
}

#[tokio::test(start_paused = true)]
async fn a_new_container_has_its_row_before_it_is_made_and_of_its_output_the_middle_goes() {
    let folder = tempfile::tempdir().unwrap();
    let job = "[job-run \"backup\"]\nschedule = 1 0 * * *\nimage = backup\nmax-output = 16B\n";
    let agent = agent(&folder, job).await;
    let seen = Seen::default();
    let (path, look) = (folder.path().to_owned(), seen.clone());
    agent.engine.on_run(move |_| {
        look.lock().unwrap().push(reader(&path).unfinished().unwrap());
        RunBehaviour::exit(0).stdout("a line that is longer than sixteen bytes\n")
    });
    agent.wait_for("run.finished", 1).await;
    assert_eq!(seen.lock().unwrap()[0].len(), 1, "before it is made");
    sleep(MOMENT).await;
    let (run, attempts) = kept(folder.path()).remove(0);
    assert!(matches!(&attempts[0].handle, Some(WorkHandle::Container { .. })), "{attempts:?}");
    assert_eq!(run.container.as_deref(), Some("watchbell-backup-1767571260"));
    let out = reader(folder.path()).output(&run.run, Stream::Stdout, 0, u64::MAX).unwrap();
    let read: Vec<u8> = out.iter().flat_map(|it| it.bytes.clone()).collect();
    let last = out.last().unwrap();
    assert!(read.starts_with(b"a line t") && read.len() <= 16, "{out:?}");
    assert!(
        last.bytes.ends_with(b"\n") && last.place + last.bytes.len() as u64 == run.printed.stdout,
        "{out:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_waits_what_is_skipped_and_what_is_missed_has_a_row_like_everything_else() {
    let folder = tempfile::tempdir().unwrap();
    let agent = agent(&folder, "[global]\nmax-concurrent-runs = 1\n").await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(0).takes(seconds(90)));
    agent.start(with_job("a", "sync", "1 0 * * *")).await;
    let second = with_job("b", "sync", "1,2 0 * * *").label("watchbell.job-exec.sync.start-deadline", "1m");
    agent.start(second).await;
    sleep(MINUTE + seconds(10)).await;
    let phases = |of: &[(KeptRun, Vec<Attempt>)]| of.iter().map(|(it, _)| it.phase).collect::<Vec<_>>();
    assert_eq!(phases(&kept(folder.path())), [Phase::Running, Phase::Waiting]);
    sleep(4 * MINUTE).await;
    let outcomes: Vec<String> = kept(folder.path())
        .into_iter()
        .map(|(it, _)| format!("{} {}", it.job, it.end.unwrap().outcome))
        .collect();
    assert_eq!(outcomes, ["a.sync succeeded", "b.sync missed", "b.sync skipped"]);
    let told = agent.records().iter().filter(|it| it.has("outcome")).count();
    assert_eq!(told, outcomes.len(), "what is told is what is kept");
}

#[tokio::test(start_paused = true)]
async fn how_many_runs_of_a_job_are_kept_is_what_it_says_now() {
    let folder = tempfile::tempdir().unwrap();
    let agent = agent(&folder, "").await;
    let job = |kept| with_job("web", "sync", "* * * * *").label("watchbell.job-exec.sync.history", kept);
    agent.start(job("5 runs")).await;
    sleep(20 * MINUTE + MOMENT).await;
    assert_eq!(kept(folder.path()).len(), 5);
    agent.replace("web", job("2 runs"));
    sleep(2 * MINUTE).await;
    assert_eq!(kept(folder.path()).len(), 2);
}

/// What was kept of a stream, piece by piece with the attempt that printed it.
fn printed(folder: &Path, run: &KeptRun, stream: Stream) -> Vec<(u32, String)> {
    let pieces = reader(folder).output(&run.run, stream, 0, u64::MAX).unwrap();
    pieces.into_iter().map(|it| (it.attempt, String::from_utf8(it.bytes).unwrap())).collect()
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_its_row_and_its_output_and_its_container_goes_after_that() {
    let folder = tempfile::tempdir().unwrap();
    let job = "[job-run \"backup\"]\nschedule = 1 0 * * *\nimage = backup\nretries = 2\n";
    let agent = agent(&folder, job).await;
    let tries = AtomicI64::new(0);
    agent.engine.on_run(move |_| {
        let nth = tries.fetch_add(1, Ordering::Relaxed) + 1;
        let code = if nth == 3 { 0 } else { nth };
        RunBehaviour::exit(code).stdout(format!("try {nth}\n")).takes(seconds(30))
    });
    sleep(MINUTE + seconds(20)).await;
    let removed = while_locked(&folder, &agent, "DELETE /containers/*");
    let told = agent.wait_for("run.finished", 1).await;
    assert_eq!(
        removed.join().unwrap(),
        0,
        "the first container went before the row of its attempt was there"
    );
    assert_eq!((told.text("outcome"), told.text("attempt")), ("succeeded".into(), "3".into()));
    sleep(MOMENT).await;
    let (run, attempts) = kept(folder.path()).remove(0);
    assert_eq!((&*run.end.clone().unwrap().outcome, run.attempts), ("succeeded", 3));
    let codes: Vec<_> =
        attempts.iter().map(|it| (it.number, it.end.as_ref().unwrap().exit_code.unwrap())).collect();
    assert_eq!(codes, [(1, 1), (2, 2), (3, 0)]);
    let ids: HashSet<String> = attempts.iter().map(|it| format!("{:?}", it.handle)).collect();
    assert_eq!(ids.len(), 3, "each has a container of its own: {ids:?}");
    assert_eq!(run.started, attempts[0].started);
    let out = printed(folder.path(), &run, Stream::Stdout);
    assert_eq!(out, [1, 2, 3].map(|nth| (nth, format!("try {nth}\n"))));
}

#[tokio::test(start_paused = true)]
async fn what_the_tasks_of_a_service_print_is_kept_with_the_streams_apart() {
    let folder = tempfile::tempdir().unwrap();
    let job = "[job-service-run \"backup\"]\nschedule = 1 0 * * *\nimage = backup:1\n";
    let agent = agent(&folder, job).await;
    agent.engine.manage(&[], &[]);
    agent.engine.on_task(|_| {
        TaskBehaviour::Runs(RunBehaviour::exit(0).stdout("out\n").stderr("err\n").takes(seconds(5)))
    });
    agent.wait_for("run.finished", 1).await;
    sleep(MOMENT).await;
    let (run, attempts) = kept(folder.path()).remove(0);
    assert!(matches!(&attempts[0].handle, Some(WorkHandle::Service { .. })), "{attempts:?}");
    assert_eq!(printed(folder.path(), &run, Stream::Stdout), [(1, "out\n".to_owned())]);
    assert_eq!(printed(folder.path(), &run, Stream::Stderr), [(1, "err\n".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn what_is_held_at_a_gate_waits_in_the_history_and_has_one_row_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let agent = agent(&folder, "").await;
    let second = with_job("b", "sync", "1,3 0 * * *").label("watchbell.job-exec.sync.depends-on", "a.sync");
    agent.start(second).await;
    agent.start(with_job("a", "sync", "2,4 0 * * *")).await;
    sleep(MINUTE + seconds(10)).await;
    let phases = |of: &[(KeptRun, Vec<Attempt>)]| of.iter().map(|(it, _)| it.phase).collect::<Vec<_>>();
    assert_eq!(phases(&kept(folder.path())), [Phase::Waiting]);
    sleep(MINUTE).await;
    assert_eq!(phases(&kept(folder.path())), [Phase::Ended, Phase::Ended]);
    sleep(MINUTE).await;
    assert_eq!(phases(&kept(folder.path())), [Phase::Ended, Phase::Ended, Phase::Waiting]);
}
