//! Timeouts that really end the work.

use std::time::Duration;

use tokio::time::sleep;

use crate::support::{
    fake_engine::{ExecBehaviour, RunBehaviour},
    test_agent::{MINUTE, MOMENT, Record, Setup, TestAgent, seconds, signalled, signals, with_job},
};

/// A run that never ends by itself, with a timeout of half a minute and a grace of ten seconds, begun at 0:01.
async fn agent(obeys: &'static [&'static str]) -> TestAgent {
    let agent = TestAgent::new().await;
    signalled(&agent.engine, obeys, || ExecBehaviour::exit(0).stdout("begun\n").hold_until_killed());
    let container = with_job("web", "sync", "* * * * *")
        .label("watchbell.job-exec.sync.timeout", "30s")
        .label("watchbell.job-exec.sync.user", "app");
    agent.start(container).await;
    agent.sleep_until("00:01").await;
    agent
}

async fn finished(agent: &TestAgent, after: Duration) -> Record {
    let finished = agent.wait_for("run.finished", 1).await;
    let took = finished.number("duration_seconds");
    assert!((took - after.as_secs_f64()).abs() < 1.1, "{took} s instead of {after:?}");
    finished
}

/// Mistake 23, where it is about the output.
#[tokio::test(start_paused = true)]
async fn a_command_past_its_timeout_is_asked_to_end_by_its_mark() {
    let agent = agent(&["TERM", "KILL"]).await;
    let finished = finished(&agent, seconds(30)).await;
    assert_eq!((finished.text("outcome"), finished.text("reason")), ("timed-out".into(), String::new()));
    // The command has gone at once; what it may have left behind, and prints nothing, is killed.
    assert_eq!(signals(&agent.engine), [("TERM".to_owned(), 90), ("KILL".to_owned(), 90)]);
    let execs = agent.engine.execs();
    assert_eq!(execs[1].cmd[4], format!("WATCHBELL_RUN={}", finished.text("run")));
    assert_eq!(execs[1].env, [""; 0], "what signals must not carry the mark itself");
    assert_eq!(execs[1].user.as_deref(), Some("app"), "the user of the command may signal it");
    assert_eq!(execs[0].exit, Some(143));
    assert_eq!(agent.output("web.sync"), ["stdout: begun"], "output up to then is kept");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_ignores_that_is_killed_after_its_grace() {
    let agent = agent(&["KILL"]).await;
    let finished = finished(&agent, seconds(40)).await;
    assert_eq!((finished.text("outcome"), finished.text("reason")), ("timed-out".into(), String::new()));
    assert_eq!(signals(&agent.engine), [("TERM".to_owned(), 90), ("KILL".to_owned(), 100)]);
    assert_eq!(agent.engine.execs()[0].exit, Some(137));
}

#[tokio::test(start_paused = true)]
async fn a_command_that_cannot_be_ended_is_told_as_still_running() {
    let agent = agent(&[]).await;
    let finished = finished(&agent, seconds(45)).await;
    assert_eq!(finished.text("outcome"), "timed-out");
    let reason = finished.text("reason");
    assert!(
        reason.starts_with("the command could not be ended and is still running: by /bin/sh in"),
        "{reason}"
    );
    assert_eq!(agent.engine.execs()[0].exit, None);
    // It counts as running until it has gone by itself: overlap must not pile up copies of it.
    agent.sleep_until("00:05").await;
    sleep(seconds(1)).await;
    assert_eq!(agent.all("run.started").len(), 1);
    let skipped = agent.all("run.skipped");
    assert!(skipped.len() >= 3 && skipped[0].text("reason").contains(&finished.text("run")), "{skipped:?}");
    agent.engine.end_exec(&agent.engine.execs()[0].id, 0);
    agent.sleep_until("00:07").await;
    sleep(seconds(1)).await;
    assert!(agent.all("run.started").len() > 1, "then the job runs again");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_ends_in_time_is_left_alone() {
    let agent = TestAgent::new().await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(0).takes(seconds(29)));
    agent.start(with_job("web", "sync", "* * * * *").label("watchbell.job-exec.sync.timeout", "30s")).await;
    sleep(10 * MINUTE).await;
    assert_eq!(signals(&agent.engine), []);
    assert!(agent.outcomes("web.sync").iter().all(|it| it == "succeeded"));
}

const RUN: &str = "[job-run \"backup\"]\nschedule = 1 0 * * *\nimage = backup:1\ntimeout = 30s\n";

#[tokio::test(start_paused = true)]
async fn a_container_past_its_timeout_is_stopped_and_removed() {
    let agent = TestAgent::with(Setup::ini(RUN)).await;
    agent.engine.on_run(|_| RunBehaviour::exit(0).stdout("begun\n").hold_until_killed());
    let finished = finished(&agent, seconds(30)).await;
    assert_eq!((finished.text("outcome"), finished.text("reason")), ("timed-out".into(), String::new()));
    assert_eq!(agent.output("backup"), ["stdout: begun"]);
    sleep(MOMENT).await;
    assert_eq!(agent.engine.container_names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_ignores_that_is_killed_after_its_grace_and_removed() {
    let agent = TestAgent::with(Setup::ini(RUN)).await;
    agent.engine.on_run(|_| RunBehaviour::exit(0).hold_until_killed().ignores_term());
    let finished = finished(&agent, seconds(40)).await;
    assert_eq!((finished.text("outcome"), finished.text("reason")), ("timed-out".into(), String::new()));
    sleep(MOMENT).await;
    assert_eq!(agent.engine.container_names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_does_not_answer_a_stop_is_asked_to_kill() {
    let agent = TestAgent::with(Setup::ini(RUN)).await;
    agent.engine.on_run(|_| RunBehaviour::exit(0).hold_until_killed());
    let _stop = agent.engine.hold("POST /containers/*/stop");
    let finished = finished(&agent, seconds(40)).await;
    assert_eq!((finished.text("outcome"), finished.text("reason")), ("timed-out".into(), String::new()));
    assert_eq!(agent.engine.count("POST /containers/*/kill"), 1);
}
