//! SIGTERM while runs of each kind go on.

use std::time::Duration;

use crate::support::live_engine::{Agent, Record, Stage, WORKER, eventually, pause, text};

/// What is so short that it would be due again and again while the agent stops.
const TICK: [(&str, &str); 2] = [("schedule", "@every 1s"), ("command", "true")];

/// Where, in the order of all records, the first is that fits.
fn position(records: &[Record], fits: impl Fn(&Record) -> bool) -> usize {
    records.iter().position(fits).expect("it was told")
}

/// When it was told, by the agent's clock, or another time that it tells.
fn at(record: &Record, field: &str) -> jiff::Timestamp {
    text(record, field).parse().expect("a time")
}

/// The promise is that the agent ends within the grace and two seconds; its own records say how long it took.
fn ended_in_time(agent: &Agent, grace: i64) {
    let told = |event: &str| {
        let records = agent.records(|it| it["event"] == *event);
        at(records.first().expect(event), "timestamp")
    };
    let took = told("agent.stopped").duration_since(told("agent.stopping"));
    assert!(took <= jiff::SignedDuration::from_secs(grace + 2), "it took {took:#} with a grace of {grace} s");
}

/// Stops an agent whose job runs, and checks what holds for every kind.
fn stop(agent: &Agent, job: &str, grace: i64) -> Record {
    agent.wait_for_event("run.started", job);
    agent.terminate();
    let status = agent.wait_for_exit();
    assert_eq!(status.code(), Some(0), "{status}");
    let records = agent.records(|_| true);
    let stopping = position(&records, |it| it["event"] == "agent.stopping");
    let stopped_at = at(&records[stopping], "timestamp");
    let begun = records[stopping..].iter().filter(|it| it["event"] == "run.started");
    // A run that was admitted just before may still tell of its start.
    let begun: Vec<_> = begun.filter(|it| at(it, "occurrence") > stopped_at).collect();
    assert!(begun.is_empty(), "nothing begins any more: {begun:?}");
    assert_eq!(records.last().map(|it| text(it, "event")), Some("agent.stopped"));
    ended_in_time(agent, grace);
    let ends = agent.records(|it| it["event"] == "run.finished" && it["job"] == *job);
    assert_eq!(ends.len(), 1, "{ends:?}");
    ends[0].clone()
}

#[test]
fn sigterm_stops_a_command_in_a_container_after_the_grace() {
    let stage = Stage::new();
    let web = stage.worker("web").start();
    let job = stage.name("long");
    let long = [("schedule", "@every 1s"), ("container", &*web), ("command", "sleep 31.5")];
    let agent = stage
        .agent()
        .file_job("exec", &job, &long)
        .file_job("local", &stage.name("tick"), &TICK)
        .arguments(&["--shutdown-grace", "2s"])
        .start();
    let ended = stop(&agent, &job, 2);
    assert_eq!(text(&ended, "outcome"), "stopped", "{ended}");
    assert_eq!(text(&ended, "reason"), "the agent is shutting down");
    eventually("its process is gone", || !stage.has_process(&web, "sleep 31.5"));
}

#[test]
fn sigterm_stops_a_local_process_group_after_the_grace() {
    let stage = Stage::new();
    let job = stage.name("long");
    let long = [("schedule", "@every 1s"), ("command", "sh -c 'sleep 32 & sleep 32'")];
    let agent = stage
        .agent()
        .file_job("local", &job, &long)
        .file_job("local", &stage.name("tick"), &TICK)
        .arguments(&["--shutdown-grace", "1s"])
        .start();
    let ended = stop(&agent, &job, 1);
    assert_eq!(text(&ended, "outcome"), "stopped", "{ended}");
    eventually("its processes are gone", || super::local::processes_of(text(&ended, "run")).is_empty());
}

/// Who takes it up, and how, is in `adoption`.
#[test]
fn sigterm_leaves_a_new_container_to_the_next_agent_after_the_grace() {
    let stage = Stage::new();
    let job = stage.name("long");
    let long = [("schedule", "@every 1s"), ("image", WORKER), ("network", "none"), ("command", "sleep 33")];
    let agent = stage
        .agent()
        .file_job("run", &job, &long)
        .file_job("local", &stage.name("tick"), &TICK)
        .arguments(&["--shutdown-grace", "1s"])
        .start();
    let container = text(&agent.wait_for_event("run.started", &job), "container").to_owned();
    agent.terminate();
    assert_eq!(agent.wait_for_exit().code(), Some(0));
    ended_in_time(&agent, 1);
    assert!(agent.records(|it| it["event"] == "run.finished" && it["job"] == *job).is_empty());
    assert_eq!(stage.inspect(&container, "{{.State.Running}}"), "true");
    let stages = agent.records(|it| it["event"] == "agent.stopping" && !it["duration_seconds"].is_null());
    assert_eq!(text(&stages[0], "stage"), "drain");
    assert_eq!(stages[0]["left"], 1);
}

#[test]
fn a_run_that_ends_within_the_grace_has_succeeded() {
    let stage = Stage::new();
    let web = stage.worker("web").start();
    let jobs = ["exec", "local", "run"].map(|kind| (kind, stage.name(kind)));
    let mut agent = stage.agent().arguments(&["--shutdown-grace", "25s"]);
    for (kind, job) in &jobs {
        let own = match *kind {
            "exec" => [("container", &*web)].to_vec(),
            "run" => [("image", WORKER), ("network", "none")].to_vec(),
            _ => Vec::new(),
        };
        let parameters = [[("schedule", "@every 1s"), ("command", "sleep 3")].to_vec(), own].concat();
        agent = agent.file_job(kind, job, &parameters);
    }
    let agent = agent.start();
    for (_, job) in &jobs {
        agent.wait_for_event("run.started", job);
    }
    agent.terminate();
    assert_eq!(agent.wait_for_exit().code(), Some(0));
    ended_in_time(&agent, 25);
    for (_, job) in &jobs {
        let ends = agent.records(|it| it["event"] == "run.finished" && it["job"] == **job);
        assert!(!ends.is_empty(), "{job}");
        assert!(ends.iter().all(|it| it["outcome"] == "succeeded"), "{ends:?}");
    }
}

#[test]
fn a_second_sigterm_is_immediate() {
    let stage = Stage::new();
    let web = stage.worker("web").start();
    let job = stage.name("long");
    // It ignores the request: only being killed ends it.
    let long = [
        ("schedule", "@every 1s"),
        ("container", &*web),
        ("shell", "true"),
        ("command", "trap '' TERM; sleep 34.5; sleep 34.5"),
    ];
    let agent = stage.agent().file_job("exec", &job, &long).arguments(&["--shutdown-grace", "1h"]).start();
    agent.wait_for_event("run.started", &job);
    agent.terminate();
    agent.wait_for("it stops", |it| it["event"] == "agent.stopping");
    // Two signals that are pending at the same time are one.
    pause(Duration::from_millis(200));
    agent.terminate();
    assert_eq!(agent.wait_for_exit().code(), Some(0));
    let ends = agent.records(|it| it["event"] == "run.finished" && it["job"] == *job);
    assert_eq!(ends.iter().map(|it| text(it, "outcome")).collect::<Vec<_>>(), ["stopped"]);
    eventually("its process is gone", || !stage.has_process(&web, "sleep 34.5"));
}

#[test]
fn sigterm_with_nothing_running_ends_at_once_and_so_does_an_agent_without_jobs() {
    let stage = Stage::new();
    let agent = stage.agent().start();
    agent.wait_until_ready();
    agent.terminate();
    assert_eq!(agent.wait_for_exit().code(), Some(0));
    // Without a run there is no grace to wait for.
    ended_in_time(&agent, 0);
}
