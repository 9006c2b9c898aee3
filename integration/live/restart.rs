//! An agent that was killed, and the next one in its place.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use nix::sys::signal::Signal;

use crate::support::live_engine::{Agent, Record, Stage, pause, text};

fn occurrence(record: &Record) -> Timestamp {
    text(record, "occurrence").parse().expect("a time")
}

/// How often each occurrence of a job was told as ended, and by what.
fn ended(agent: &Agent, job: &str, all: &mut BTreeMap<Timestamp, Vec<String>>) {
    for it in agent.records(|it| text(it, "job") == job && !text(it, "outcome").is_empty()) {
        let what = format!("{} {} {}", text(&it, "trigger"), text(&it, "outcome"), it["and_more"]);
        all.entry(occurrence(&it)).or_default().push(what);
    }
}

#[test]
fn the_next_agent_runs_what_a_killed_one_missed_and_keeps_the_beat() {
    let stage = Stage::new();
    let parameters = [("schedule", "@every 4s"), ("command", "true"), ("missed", "all")];
    let container = stage.worker("web").exec("beat", &parameters).start();
    let job = format!("{container}.beat");
    let first = stage.agent().jobs([&job]).start();
    let of_job = |event: &'static str| {
        let job = job.clone();
        move |it: &Record| it["event"] == event && it["job"] == *job
    };
    first.wait_for_nth("a second run", 2, of_job("run.finished"));
    // What is kept of that run is written within this, and the next occurrence is still to come.
    pause(Duration::from_secs(2));
    first.signal(Signal::SIGKILL);
    first.wait_for_exit();
    // Three moments, of which the newest may be so recent that it is merely late.
    pause(Duration::from_secs(13));

    let second = stage.agent().jobs([&job]).after(&first).start();
    let caught_up = |it: &Record| of_job("run.finished")(it) && text(it, "trigger") == "catch-up";
    second.wait_for_nth("two that were missed", 2, caught_up);
    let on_time = |it: &Record| of_job("run.finished")(it) && text(it, "trigger") == "schedule";
    second.wait_for("one in its time", on_time);

    let mut all = BTreeMap::new();
    ended(&first, &job, &mut all);
    ended(&second, &job, &mut all);
    assert!(all.values().all(|told| told.len() == 1), "each has one record: {all:#?}");
    assert!(all.values().flatten().all(|told| told.contains("succeeded")), "{all:#?}");
    let moments: Vec<&Timestamp> = all.keys().collect();
    for pair in moments.windows(2) {
        assert_eq!(pair[1].duration_since(*pair[0]).as_secs(), 4, "none is left out: {all:#?}");
    }
}
