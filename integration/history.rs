//! The store on disks that are full, read-only, locked or gone: no run is lost or late, it is told once, and what was to be
//! kept meanwhile is kept when the disk is well again. Also its size and the agent's memory over many runs.
//!
//! File systems are mounted for this, so it needs root, as the tests of a real Engine do.

use std::{collections::HashMap, path::Path, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tracing_subscriber::layer::SubscriberExt;
use watchbell::{
    history::{
        self, Opened,
        keeper::{Condition, Keeper, Recorder},
        query::{Filter, KeptRun, Reader},
        store::Store,
        write::Batch,
    },
    model::{
        job::Retention,
        memory::{Marks, Memory, Pause},
        name::{JobId, JobKind},
        run::{Admitted, Item, Outcome, Printed, RunId, RunRecord, Stream, Trigger},
    },
    telemetry::{
        logging::{self, LogFilter, LogFormat, LogLevel},
        sink::{LogSink, MemoryLog},
    },
    time::Clock,
};

use crate::support::{agent_process::Process, alone::is_alone, disk::Disk, live_engine::eventually};

/// So long that only what never comes takes longer.
const LIMIT: Duration = Duration::from_secs(60);

/// What a run may be held up by the store, with room for a busy machine.
const HELD_UP: Duration = Duration::from_millis(750);

/// The same where the store does not answer at all: the first run has two seconds for it.
const HELD_UP_ONCE: Duration = Duration::from_millis(2_750);

const MIB: u64 = 1 << 20;

/// A store that is written to, and its log.
struct Kept {
    keeper: Keeper,
    condition: watch::Receiver<Condition>,
    writers: JoinSet<()>,
    log: MemoryLog,
    told: String,
    _subscriber: tracing::subscriber::DefaultGuard,
}

impl Kept {
    fn open(directory: &Path, most: u64) -> Self {
        let (sink, log) = LogSink::memory();
        let subscriber = tracing_subscriber::registry()
            .with(LogFilter::new(LogLevel::Info))
            .with(logging::layer(LogFormat::Json, Clock::System, sink, false));
        let subscriber = tracing::subscriber::set_default(subscriber);
        let Opened { keeper, writer, memory, diagnostics, .. } =
            history::open(directory, most, Clock::System);
        assert!(memory.is_empty() && diagnostics.is_empty(), "{diagnostics:?}");
        let mut writers = JoinSet::new();
        writers.spawn(writer.run());
        let condition = keeper.condition();
        Self { keeper, condition, writers, log, told: String::new(), _subscriber: subscriber }
    }

    async fn wait_for(&mut self, what: &str, fits: impl FnMut(&Condition) -> bool) -> Condition {
        let found = timeout(LIMIT, self.condition.wait_for(fits)).await;
        found.unwrap_or_else(|_| panic!("it is not {what}")).unwrap().clone()
    }

    async fn well(&mut self) {
        self.wait_for("well", |it| *it == Condition::Well).await;
    }

    /// Waits until it fails, for this reason.
    async fn fails(&mut self, why: &str) {
        let found = self.wait_for("failing", |it| matches!(it, Condition::Failing { .. })).await;
        let Condition::Failing { reason } = found else { panic!("{found:?}") };
        assert!(reason.contains(why), "{reason}");
    }

    /// How often these were told.
    fn told(&mut self) -> (usize, usize) {
        self.told.push_str(&self.log.take());
        let count = |event: &str| self.told.matches(&format!("\"event\":\"{event}\"")).count();
        (count("history.failing"), count("history.restored"))
    }

    /// A run as it goes through its life; how long the store held it up.
    async fn run(&self, n: u32, output: &[u8]) -> Duration {
        let began = Instant::now();
        let kept = self.keeper.keep([Item::Begins(admitted(n))]);
        let mut recorder = self.keeper.recorder(id(n), MIB);
        recorder.settle(kept).await;
        let held_up = began.elapsed();
        recorder.tap().put(Stream::Stdout, output);
        self.end(&recorder, n);
        held_up
    }

    fn end(&self, recorder: &Recorder, n: u32) {
        recorder.attempt_ended(1, Timestamp::UNIX_EPOCH, Outcome::Succeeded { exit_code: Some(0) });
        let record = RunRecord { printed: recorder.printed(), ..record(n) };
        self.keeper.keep([Item::Ended(record, Some(Retention { runs: None, age: None }))]);
    }

    async fn close(mut self) {
        self.keeper.close();
        timeout(LIMIT, self.writers.join_next()).await.expect("it ends").unwrap().unwrap();
    }
}

fn id(n: u32) -> RunId {
    RunId(format!("01{n:024}").into())
}

fn admitted(n: u32) -> Admitted {
    let at = Timestamp::from_second(n.into()).unwrap();
    let (job, kind) = (JobId::plain(&format!("job-{}", n % 10)), JobKind::Local);
    let trigger = Trigger::Schedule;
    Admitted {
        run: id(n),
        job,
        kind,
        trigger,
        occurrence: at,
        fires: at,
        admitted: at,
        container: None,
        terms: None,
    }
}

fn record(n: u32) -> RunRecord {
    let Admitted { run, job, kind, trigger, occurrence, fires, admitted, container, .. } = admitted(n);
    RunRecord {
        run,
        job,
        kind,
        trigger,
        occurrence,
        fires,
        admitted,
        started: Some(fires),
        ended: fires,
        container,
        duration: Some(Duration::ZERO),
        outcome: Outcome::Succeeded { exit_code: Some(0) },
        attempts: 1,
        printed: Printed::default(),
        no_more: None,
        note: None,
        and_more: 0,
    }
}

fn runs(directory: &Path) -> Vec<KeptRun> {
    let reader = Reader::open(directory).unwrap().expect("there is a file");
    reader.runs(&Filter::default(), u32::MAX).unwrap()
}

#[tokio::test]
async fn what_is_waited_for_is_in_the_file_and_a_run_is_there_with_all_that_it_printed() {
    let folder = tempfile::tempdir().unwrap();
    let it = Kept::open(folder.path(), 64 * MIB);
    let mut kept = it.keeper.keep([Item::Begins(admitted(1))]);
    assert!(kept.within(LIMIT).await);
    assert_eq!(runs(folder.path()).len(), 1);
    let text: Vec<u8> = (0..3 * MIB).flat_map(|n| n.to_string().into_bytes()).take(900_000).collect();
    let held_up = it.run(2, &text).await;
    assert!(held_up < HELD_UP, "{held_up:?}");
    it.close().await;
    let reader = Reader::open(folder.path()).unwrap().unwrap();
    let pieces = reader.output(&id(2), Stream::Stdout, 0, u64::MAX).unwrap();
    let read: Vec<u8> = pieces.into_iter().flat_map(|it| it.bytes).collect();
    assert!(read == text, "{} of {} bytes of a burst are kept", read.len(), text.len());
    assert_eq!(runs(folder.path())[0].printed.stdout, text.len() as u64);
}

#[tokio::test]
async fn a_full_disk_costs_no_run_and_what_happened_meanwhile_is_kept_when_there_is_room() {
    let disk = Disk::new("4m");
    let mut it = Kept::open(disk.path(), 64 * MIB);
    it.run(1, b"before").await;
    let filler = disk.fill();
    for n in 2..50 {
        let held_up = it.run(n, &vec![b'x'; 20_000]).await;
        assert!(held_up < HELD_UP, "run {n} was held up for {held_up:?}");
    }
    it.fails("make room on the state directory's disk").await;
    let held_up = it.run(50, b"").await;
    assert!(
        held_up < Duration::from_millis(100),
        "nobody waits for a store that is known to fail: {held_up:?}"
    );
    assert_eq!(it.told(), (1, 0));
    std::fs::remove_file(filler).unwrap();
    it.well().await;
    it.run(51, b"after").await;
    assert_eq!(it.told(), (1, 1));
    it.close().await;
    let found = runs(disk.path());
    assert_eq!(found.len(), 51, "every one");
    assert!(found.iter().all(|it| it.end.is_some()));
}

#[tokio::test]
async fn a_directory_that_is_read_only_at_first_is_opened_when_it_can_be() {
    let disk = Disk::new("4m");
    disk.mount(&["-o", "remount,ro"]);
    let mut it = Kept::open(disk.path(), 64 * MIB);
    it.fails("make the state directory writable").await;
    let held_up = it.run(1, b"x").await;
    assert!(held_up < Duration::from_millis(100), "{held_up:?}");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(it.told(), (1, 0), "once, however often it is tried");
    disk.mount(&["-o", "remount,rw"]);
    it.well().await;
    assert_eq!(it.told(), (1, 1));
    it.close().await;
    assert_eq!(runs(disk.path()).len(), 1);
}

#[tokio::test]
async fn what_an_agent_left_is_known_also_where_nothing_can_be_written() {
    let left = tempfile::tempdir().unwrap();
    // It stays open: the log of changes is there as an agent leaves it that is killed.
    let mut store = Store::open(left.path(), 64 * MIB).unwrap();
    let job = JobId::plain("a");
    let marks = Marks { paused: Some(Pause { until: None }), ..Marks::default() };
    let memory = Memory {
        anchor: Timestamp::UNIX_EPOCH,
        schedule: 1,
        seen: Timestamp::UNIX_EPOCH,
        idle: false,
        marks,
    };
    let batch = Batch {
        memory: HashMap::from([(job.clone(), Some(memory))]),
        items: vec![Item::Begins(admitted(1))],
        ..Batch::default()
    };
    store.write(&batch).unwrap();
    for full in [false, true] {
        let disk = Disk::new("4m");
        for entry in std::fs::read_dir(left.path()).unwrap().map(Result::unwrap) {
            std::fs::copy(entry.path(), disk.path().join(entry.file_name())).unwrap();
        }
        if full {
            disk.fill();
        } else {
            disk.mount(&["-o", "remount,ro"]);
        }
        let opened = history::open(disk.path(), 64 * MIB, Clock::System);
        let condition = opened.keeper.condition().borrow().clone();
        assert!(matches!(condition, Condition::Failing { .. }), "full: {full}, {condition:?}");
        assert!(opened.memory[&job].marks.paused.is_some(), "a pause holds");
        assert_eq!(opened.legacy.runs.len(), 1, "a run is taken up");
        assert!(opened.keeper.has_row(id(1)).await && !opened.keeper.has_row(id(2)).await);
    }
}

#[tokio::test]
async fn a_file_that_someone_else_has_locked_holds_no_run_up_and_is_written_when_it_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let mut it = Kept::open(folder.path(), 64 * MIB);
    it.run(1, b"x").await;
    it.keeper.keep([]).within(LIMIT).await;
    let other = rusqlite::Connection::open(folder.path().join("watchbell.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let began = Instant::now();
    for n in 2..6 {
        let held_up = it.run(n, b"x").await;
        assert!(held_up < HELD_UP_ONCE, "run {n} was held up for {held_up:?}");
    }
    assert!(began.elapsed() < HELD_UP_ONCE, "one waits for a while, and the next no more");
    it.fails("end the program that keeps it locked").await;
    other.execute_batch("ROLLBACK").unwrap();
    it.well().await;
    it.close().await;
    assert_eq!(runs(folder.path()).len(), 5);
}

#[tokio::test]
async fn a_disk_that_hangs_holds_no_run_up_and_is_written_when_it_goes_on() {
    let disk = Disk::that_can_hang();
    let mut it = Kept::open(disk.path(), 64 * MIB);
    it.run(1, b"before").await;
    it.keeper.keep([]).within(LIMIT).await;
    disk.hang();
    let began = Instant::now();
    for n in 2..50 {
        it.run(n, &vec![b'x'; 20_000]).await;
    }
    let held_up = began.elapsed();
    assert!(held_up < HELD_UP_ONCE, "all of them were held up for {held_up:?}");
    it.fails("the state directory does not answer: look after its disk").await;
    let held_up = it.run(50, b"").await;
    assert!(held_up < Duration::from_millis(100), "nobody waits for it any more: {held_up:?}");
    assert_eq!(it.told(), (1, 0));
    disk.go_on();
    it.well().await;
    it.run(51, b"after").await;
    assert_eq!(it.told(), (1, 1));
    it.close().await;
    let found = runs(disk.path());
    assert_eq!(found.len(), 51, "every one");
    assert!(found.iter().all(|it| it.end.is_some()));
}

/// Else an agent that is killed then leaves a run behind that the next one does not know, and runs again.
#[tokio::test]
async fn a_disk_that_is_busy_for_a_while_is_waited_for() {
    let disk = Disk::that_can_hang();
    let it = Kept::open(disk.path(), 64 * MIB);
    it.run(1, b"before").await;
    it.keeper.keep([]).within(LIMIT).await;
    disk.hang();
    let begins = async {
        let kept = it.keeper.keep([Item::Begins(admitted(2))]);
        it.keeper.recorder(id(2), MIB).settle(kept).await;
        runs(disk.path()).len()
    };
    let busy = async {
        sleep(Duration::from_secs(1)).await;
        disk.go_on();
    };
    let (rows, ()) = tokio::join!(begins, busy);
    assert_eq!(rows, 2, "it begins when its row is in the file");
    it.close().await;
}

/// The whole agent, from its start: it makes its socket there before anything else.
#[test]
fn an_agent_whose_state_directory_hangs_at_its_start_runs_its_jobs() {
    let disk = Disk::that_can_hang();
    // What a killed agent left there is to be removed, and that waits.
    std::fs::write(disk.path().join("agent.sock"), "").unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("config.ini"),
        "[job-local \"beat\"]\nschedule = @every 1s\ncommand = true\n",
    )
    .unwrap();
    disk.hang();
    let agent = Process::start(folder.path(), disk.path(), 1);
    agent.wait_for(2, |it| it["event"] == "run.finished" && it["outcome"] == "succeeded");
    agent.wait_for(1, |it| it["event"] == "history.failing");
    disk.go_on();
    agent.wait_for(1, |it| it["event"] == "history.restored");
    eventually("what happened meanwhile is kept", || {
        runs(disk.path()).iter().filter(|it| it.end.is_some()).count() >= 2
    });
    agent.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_runs_that_print_without_end_at_once_take_a_bounded_memory() {
    if !is_alone("history::twenty_runs_that_print_without_end_at_once_take_a_bounded_memory") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let it = Kept::open(folder.path(), 64 * MIB);
    it.run(0, b"warm").await;
    it.keeper.keep([]).within(LIMIT).await;
    let before = resident();
    let mut most = before;
    let recorders: Vec<Recorder> = (1..=20)
        .map(|n| {
            it.keeper.keep([Item::Begins(admitted(n))]);
            it.keeper.recorder(id(n), MIB)
        })
        .collect();
    let taps: Vec<_> = recorders.iter().map(Recorder::tap).collect();
    let chunk: Vec<u8> = (0..32_768_u32).map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    for _ in 0..512 {
        for tap in &taps {
            tap.put(Stream::Stdout, &chunk);
        }
        most = most.max(resident());
        tokio::task::yield_now().await;
    }
    for (n, recorder) in (1..).zip(&recorders) {
        it.end(recorder, n);
    }
    assert!(most < before + 16 * MIB, "{before} became {most}");
    it.close().await;
    let reader = Reader::open(folder.path()).unwrap().unwrap();
    for n in 1..=20 {
        let (run, _) = reader.run(&id(n)).unwrap().unwrap();
        let pieces = reader.output(&id(n), Stream::Stdout, 0, u64::MAX).unwrap();
        let kept: u64 = pieces.iter().map(|it| it.bytes.len() as u64).sum();
        assert!(kept <= MIB && run.printed.stdout == 16 * MIB, "{kept} of {}", run.printed.stdout);
        let last = pieces.last().unwrap();
        assert_eq!(last.place + last.bytes.len() as u64, 16 * MIB, "the end is the end");
    }
}

#[tokio::test]
async fn a_directory_that_vanishes_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let mut it = Kept::open(&state, 64 * MIB);
    it.keeper.keep([Item::Begins(admitted(1))]).within(LIMIT).await;
    std::fs::remove_dir_all(&state).unwrap();
    let held_up = it.run(2, b"x").await;
    assert!(held_up < HELD_UP, "{held_up:?}");
    it.fails("was removed or replaced").await;
    it.well().await;
    it.close().await;
    assert_eq!(runs(&state).len(), 1);
}

#[tokio::test]
async fn a_file_that_breaks_while_it_is_used_is_put_aside_and_the_next_run_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut it = Kept::open(folder.path(), 64 * MIB);
    for n in 1..300 {
        it.run(n, &[b'x'; 1_000]).await;
    }
    it.keeper.keep([Item::Begins(admitted(300))]).within(LIMIT).await;
    // Both the file and what was not moved into it yet.
    for end in ["", "-wal"] {
        let path = folder.path().join(format!("watchbell.db{end}"));
        let length = std::fs::metadata(&path).unwrap().len();
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        let noise: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
        std::os::unix::fs::FileExt::write_all_at(&file, &noise, 0).unwrap();
    }
    let aside = || {
        let names = std::fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name());
        names.filter(|it| it.to_string_lossy().contains("corrupt")).count()
    };
    let began = Instant::now();
    let mut n = 301;
    while aside() == 0 {
        let held_up = it.run(n, b"x").await;
        assert!(held_up < HELD_UP, "{held_up:?}");
        assert!(began.elapsed() < LIMIT, "nobody notices");
        n += 1;
        sleep(Duration::from_millis(20)).await;
    }
    it.well().await;
    it.run(n, b"the first one that is sure to be there").await;
    it.close().await;
    let found = runs(folder.path());
    assert!(found.iter().any(|it| it.run == id(n) && it.end.is_some()), "{}", found.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_many_runs_neither_the_file_nor_the_memory_grows() {
    if !is_alone("history::over_many_runs_neither_the_file_nor_the_memory_grows") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let most = 2 * MIB;
    let it = Kept::open(folder.path(), most);
    let output: Vec<u8> = (0..1_000_u32).map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let round = async |from: u32, to: u32| {
        for n in from..to {
            it.run(n, &output).await;
        }
        it.keeper.keep([]).within(LIMIT).await;
        resident()
    };
    let before = round(0, 2_000).await;
    let after = round(2_000, 6_000).await;
    assert!(after < before + 5 * MIB, "{before} became {after}");
    let size = std::fs::metadata(folder.path().join("watchbell.db")).unwrap().len();
    assert!(size <= most + 2 * MIB, "{size}");
    it.close().await;
    let found = runs(folder.path());
    assert_eq!(found[0].run, id(5_999));
    assert!(found.len() > 100, "{}", found.len());
}

/// The memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1024
}
