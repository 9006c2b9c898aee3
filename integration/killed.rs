//! The agent as a process, killed and stopped by signals that it cannot see: what it had kept is there for the next one.
//! Without an Engine the file's local jobs are all that runs, and all that this needs.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;

/// So long that only what never comes takes longer.
const LIMIT: Duration = Duration::from_secs(60);

/// An agent with its log in a file; it is killed if the test ends before it.
struct Process {
    child: Child,
    log: std::path::PathBuf,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// The agent's `nth` life in a folder that has its file and its state.
    fn start(folder: &Path, nth: u32) -> Self {
        let log = folder.join(format!("log-{nth}"));
        let nowhere = format!("unix://{}", folder.join("no-engine.sock").display());
        let child = Command::new(env!("CARGO_BIN_EXE_watchbell"))
            .args(["daemon", "--log-format", "json", "--docker-host", &nowhere, "--config"])
            .arg(folder.join("config.ini"))
            .arg("--state-dir")
            .arg(folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { child, log }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        self.child.wait().unwrap();
    }

    /// Whole lines told so far.
    fn records(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.log).unwrap();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until there are `n` records that fit, and gives all of them.
    #[expect(clippy::disallowed_methods, reason = "the agent is another process and lives in real time")]
    fn wait_for(&self, n: usize, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let found: Vec<Value> = self.records().into_iter().filter(|it| fits(it)).collect();
            if found.len() >= n {
                return found;
            }
            assert!(begun.elapsed() < LIMIT, "{n} of these were not told: {:#?}", self.records());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn folder(parameters: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("[job-local \"beat\"]\nschedule = @every 1s\ncommand = true\n{parameters}\n");
    std::fs::write(folder.path().join("config.ini"), file).unwrap();
    folder
}

fn occurrence(record: &Value) -> Timestamp {
    record["occurrence"].as_str().unwrap().parse().unwrap()
}

fn is(record: &Value, event: &str) -> bool {
    record["event"] == event && record["job"] == "beat"
}

/// How many occurrences of the job the records speak for, how many there were between the first and the last of them,
/// and those that ran, in order.
fn told(records: &[Value]) -> (i64, i64, Vec<Timestamp>) {
    let ended: Vec<&Value> =
        records.iter().filter(|it| it["job"] == "beat" && !it["outcome"].is_null()).collect();
    let count = ended.iter().map(|it| 1 + it["and_more"].as_i64().unwrap_or(0)).sum();
    let (first, last) =
        (ended.iter().map(|it| occurrence(it)).min(), ended.iter().map(|it| occurrence(it)).max());
    let between = last.unwrap().duration_since(first.unwrap()).as_secs() + 1;
    let mut ran: Vec<Timestamp> =
        records.iter().filter(|it| is(it, "run.finished")).map(occurrence).collect();
    ran.sort();
    (count, between, ran)
}

#[expect(clippy::disallowed_methods, reason = "the agent is another process and lives in real time")]
fn pause(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}

/// Mistake 19.
#[test]
fn an_agent_that_was_killed_keeps_the_beat_and_catches_up() {
    let folder = folder("missed = once");
    let first = Process::start(folder.path(), 1);
    let before = first.wait_for(3, |it| is(it, "run.finished"));
    // What is kept of the last run needs no longer than this to be written.
    pause(3);
    first.kill();
    pause(4);
    let second = Process::start(folder.path(), 2);
    let caught_up = &second.wait_for(1, |it| is(it, "run.finished") && it["trigger"] == "catch-up")[0];
    let after = second.wait_for(2, |it| is(it, "run.finished") && it["trigger"] == "schedule");
    let anchor = occurrence(&before[0]);
    for it in before.iter().chain(&after).chain([caught_up]) {
        let since = occurrence(it).duration_since(anchor);
        assert_eq!(since.as_millis() % 1_000, 0, "whole periods from one anchor: {it}");
    }
    assert!(occurrence(caught_up) < occurrence(&after[0]), "{caught_up}");
    let missed = second.wait_for(1, |it| is(it, "run.missed"));
    assert!(missed[0]["and_more"].as_i64().unwrap_or(0) >= 1, "{missed:?}");
    second.kill();
}

#[test]
fn a_process_that_was_stopped_and_goes_on_leaves_one_record_for_every_occurrence() {
    for (policy, caught_up_at_all) in [("skip", 0..=0), ("once", 1..=1), ("all", 3..=10)] {
        let folder = folder(&format!("missed = {policy}"));
        let agent = Process::start(folder.path(), 1);
        agent.wait_for(2, |it| is(it, "run.finished"));
        agent.signal(Signal::SIGSTOP);
        pause(6);
        agent.signal(Signal::SIGCONT);
        agent.wait_for(1, |it| it["trigger"] == "catch-up" || it["outcome"] == "missed");
        // Two that come as they should, after all that was late.
        let late = agent.wait_for(1, |it| is(it, "run.finished") || is(it, "run.missed"));
        let newest = late.iter().map(occurrence).max().unwrap() + Duration::from_secs(1);
        agent.wait_for(1, |it| {
            is(it, "run.finished") && it["trigger"] == "schedule" && occurrence(it) > newest
        });
        let records = agent.records();
        let (count, between, ran) = told(&records);
        let distinct = ran.windows(2).all(|pair| pair[0] < pair[1]);
        assert!(distinct, "{policy}: an occurrence ran twice: {ran:?}");
        assert_eq!(count, between, "{policy}: {records:#?}");
        let caught_up =
            records.iter().filter(|it| is(it, "run.finished") && it["trigger"] == "catch-up").count();
        assert!(caught_up_at_all.contains(&caught_up), "{policy}: {caught_up}");
    }
}
