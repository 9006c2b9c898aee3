//! The agent as a process, killed and stopped by signals that it cannot see: what it had kept is there for the next one.
//! Without an Engine the file's local jobs are all that runs, and all that this needs.

use std::{fmt::Write as _, time::Duration};

use jiff::Timestamp;
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;
use watchbell::history::query::Filter;

use crate::support::agent_process::Process;

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

fn pause(seconds: u64) {
    pause_millis(seconds * 1_000);
}

#[expect(clippy::disallowed_methods, reason = "the agent is another process and lives in real time")]
fn pause_millis(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}

/// Mistake 19.
#[test]
fn an_agent_that_was_killed_keeps_the_beat_and_catches_up() {
    let folder = folder("missed = once");
    let first = Process::start(folder.path(), folder.path(), 1);
    let before = first.wait_for(3, |it| is(it, "run.finished"));
    // What is kept of the last run needs no longer than this to be written.
    pause(3);
    first.kill();
    pause(4);
    let second = Process::start(folder.path(), folder.path(), 2);
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
        let agent = Process::start(folder.path(), folder.path(), 1);
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

/// Kills an agent at moments that nobody chose, in the middle of whatever it does, and looks at what it left.
#[test]
fn whenever_it_is_killed_each_occurrence_has_one_run_and_the_history_knows_of_each_that_began() {
    const SECRET: &str = "canary-5d1c2b";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let ran = path.join("ran");
    let mut file = String::new();
    for n in 0..8 {
        let command = format!("sh -c 'echo $WATCHBELL_RUN >> {}; echo printed'", ran.display());
        let _ = write!(
            file,
            "[job-local \"beat-{n}\"]\nschedule = * * * * * *\ncommand = {command}\nmissed = all\noverlap = allow\n\
             environment = SECRET={SECRET}\n"
        );
    }
    std::fs::write(path.join("config.ini"), file).unwrap();
    let mut noise = 1_u64;
    for nth in 0..20 {
        let agent = Process::start(path, path, nth);
        agent.wait_for(1, |it| it["event"] == "agent.started");
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        pause_millis(600 + (noise >> 33) % 900);
        agent.kill();
    }
    let opened = watchbell::history::open(path, 256 << 20, watchbell::time::Clock::System);
    assert_eq!(opened.diagnostics, [], "it opens clean");
    let reader = watchbell::history::query::Reader::open(path).unwrap().unwrap();
    let rows = reader.runs(&Filter::default(), u32::MAX).unwrap();
    let mut occurrences: Vec<_> = rows.iter().map(|it| (it.job.to_string(), it.occurrence)).collect();
    let many = occurrences.len();
    occurrences.sort();
    occurrences.dedup();
    assert_eq!(occurrences.len(), many, "an occurrence has two rows");
    let known: std::collections::BTreeSet<String> = rows.iter().map(|it| it.run.to_string()).collect();
    let ran = std::fs::read_to_string(ran).unwrap();
    let mut began: Vec<&str> = ran.lines().collect();
    let unknown: Vec<&&str> = began.iter().filter(|run| !known.contains(**run)).collect();
    assert!(unknown.is_empty(), "they ran, and the history does not know of them: {unknown:?}");
    let many = began.len();
    began.sort_unstable();
    began.dedup();
    assert_eq!(began.len(), many, "a run began twice");
    assert!(began.len() > 80, "only {} runs began", began.len());
    for entry in std::fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(!name.contains("corrupt"), "{name}");
        if name.starts_with("watchbell.db") {
            let bytes = std::fs::read(entry.path()).unwrap();
            let leaked = bytes.windows(SECRET.len()).any(|it| it == SECRET.as_bytes());
            assert!(!leaked, "{name} has a secret value in it");
        }
    }
}
