//! Attempts within one run: how many there are, when they come, and what takes them away.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::sleep;

use crate::support::{
    fake_engine::{ContainerSpec, ExecBehaviour, ExecRequest, RunBehaviour},
    test_agent::{HOUR, MINUTE, MOMENT, Record, Setup, TestAgent, seconds, signalled, with_job},
};

/// A job that is due once an hour, with these parameters.
fn job(parameters: &[(&str, &str)]) -> ContainerSpec {
    parameters.iter().fold(with_job("web", "sync", "0 * * * *"), |container, (name, value)| {
        container.label(format!("watchbell.job-exec.sync.{name}"), *value)
    })
}

/// An agent on whose Engine the commands end with these codes, one after the other, and then with the last.
async fn agent(codes: &'static [i64], parameters: &[(&str, &str)]) -> TestAgent {
    let agent = TestAgent::new().await;
    let count = AtomicUsize::new(0);
    agent.engine.on_exec(move |_: &ExecRequest| {
        let nth = count.fetch_add(1, Ordering::Relaxed);
        let code = codes[nth.min(codes.len() - 1)];
        ExecBehaviour::exit(code).stdout(format!("try {nth}\n")).takes(seconds(2))
    });
    agent.start(job(parameters)).await;
    agent.sleep_until("01:00").await;
    agent
}

fn attempts(records: &[Record]) -> Vec<String> {
    records.iter().map(|it| it.text("attempt")).collect()
}

fn moment(record: &Record) -> f64 {
    let at: jiff::Timestamp = record.text("timestamp").parse().expect("a time");
    at.duration_since("2026-01-05T01:00:00Z".parse().expect("a time")).as_secs_f64()
}

/// Mistake 21.
#[tokio::test(start_paused = true)]
async fn a_job_that_fails_twice_and_then_succeeds_is_one_run_with_three_attempts_that_succeeded() {
    let agent = agent(&[3, 4, 0], &[("retries", "5")]).await;
    let finished = agent.wait_for("run.finished", 1).await;
    let said = ["outcome", "exit_code", "attempt", "reason"].map(|key| finished.text(key));
    assert_eq!(said, ["succeeded", "0", "3", ""]);
    // Two seconds each, and 10 and 20 seconds between them.
    assert!((finished.number("duration_seconds") - 36.0).abs() < 0.5, "{finished:?}");
    let failed = agent.all("run.attempt_failed");
    assert_eq!(attempts(&failed), ["1", "2"]);
    assert_eq!([failed[0].text("exit_code"), failed[1].text("exit_code")], ["3", "4"]);
    assert!(failed[0].text("next_attempt").starts_with("2026-01-05T01:00:12"), "{:?}", failed[0]);
    let started = agent.all("run.started");
    assert_eq!(attempts(&started), ["1", "2", "3"]);
    for (record, at) in started.iter().zip([0.0, 12.0, 34.0]) {
        assert!((moment(record) - at).abs() < 0.5, "{record:?} instead of after {at} s");
    }
    assert!(started[0].has("start_delay_seconds") && !started[1].has("start_delay_seconds"));
    assert_eq!(attempts(&agent.all("run.output")), ["1", "2", "3"]);
    let run = finished.text("run");
    let all = agent.records().into_iter().filter(|it| it.has("run"));
    assert!(all.into_iter().all(|it| it.text("run") == run && it.has("attempt")), "one run, one ID");
    assert_eq!(agent.outcomes("web.sync").len(), 3, "two attempts that failed and one record");
}

#[tokio::test(start_paused = true)]
async fn attempts_are_bounded_and_the_last_one_is_the_runs_outcome() {
    let agent = agent(&[7], &[("retries", "3"), ("retry-delay", "1m"), ("retry-backoff", "fixed")]).await;
    let finished = agent.wait_for("run.finished", 1).await;
    let said = ["outcome", "exit_code", "attempt", "reason"].map(|key| finished.text(key));
    assert_eq!(said, ["failed", "7", "4", ""]);
    assert!((moment(&finished) - (4.0 * 2.0 + 3.0 * 60.0)).abs() < 0.5, "{finished:?}");
    sleep(30 * MINUTE).await;
    assert_eq!(agent.engine.execs().len(), 4);
    assert_eq!(agent.all("run.attempt_failed").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_exit_code_that_counts_as_success_is_one_and_is_told() {
    let agent = agent(&[24], &[("retries", "3"), ("success-codes", "0,24")]).await;
    let finished = agent.wait_for("run.finished", 1).await;
    let said = ["outcome", "exit_code", "attempt"].map(|key| finished.text(key));
    assert_eq!(said, ["succeeded", "24", "1"]);
}

#[tokio::test(start_paused = true)]
async fn zero_is_a_failure_where_it_is_not_among_the_codes() {
    let agent = agent(&[0], &[("success-codes", "1")]).await;
    let finished = agent.wait_for("run.finished", 1).await;
    let said = ["outcome", "exit_code", "reason"].map(|key| finished.text(key));
    assert_eq!(said, ["failed", "0", "0 is none of the job's success-codes"]);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_for_each_attempt_and_one_that_was_ended_is_tried_again() {
    let agent = TestAgent::new().await;
    signalled(&agent.engine, &["TERM"], || ExecBehaviour::exit(0).hold_until_killed());
    agent.start(job(&[("retries", "2"), ("timeout", "30s")])).await;
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!([finished.text("outcome"), finished.text("attempt")], ["timed-out", "3"]);
    assert!((finished.number("duration_seconds") - 120.0).abs() < 3.0, "{finished:?}");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_could_not_be_ended_is_not_tried_again() {
    let agent = TestAgent::new().await;
    signalled(&agent.engine, &[], || ExecBehaviour::exit(0).hold_until_killed());
    agent.start(job(&[("retries", "2"), ("timeout", "30s")])).await;
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!([finished.text("outcome"), finished.text("attempt")], ["timed-out", "1"]);
    assert!(finished.text("reason").contains("still running"));
    sleep(30 * MINUTE).await;
    assert_eq!(agent.all("run.started").len(), 1, "two of them at once would be worse than none");
}

/// Overlap looks at the run: its attempts are not there for it.
#[tokio::test(start_paused = true)]
async fn an_occurrence_that_comes_between_two_attempts_is_skipped_like_one_that_comes_in_one() {
    let agent = agent(&[1, 0], &[("retries", "1"), ("retry-delay", "90m")]).await;
    agent.sleep_until("02:45").await;
    assert_eq!(agent.outcomes("web.sync"), ["failed", "skipped", "succeeded"]);
    let skipped = agent.one("run.skipped");
    let run = agent.one("run.finished").text("run");
    assert_eq!(skipped.text("reason"), format!("run {run} of web.sync is still running after 1h"));
}

/// Field note 30: what was cancelled does not read as what it is not.
#[tokio::test(start_paused = true)]
async fn the_agents_end_takes_further_attempts_away_at_once_and_the_failure_stays_a_failure() {
    let mut agent = agent(&[3], &[("retries", "5"), ("retry-delay", "10m")]).await;
    sleep(MINUTE).await;
    agent.signal();
    let took = agent.end().await;
    assert!(took < seconds(1), "it waited {took:?} for an attempt that is ten minutes away");
    let finished = agent.one("run.finished");
    let said = ["outcome", "exit_code", "attempt", "reason"].map(|key| finished.text(key));
    assert_eq!(said, ["failed", "3", "1", "no further attempt was made: the agent is shutting down"]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_goes_on_when_the_agent_ends_is_the_last_one() {
    let mut agent = TestAgent::new().await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(3).takes(seconds(5)));
    agent.start(job(&[("retries", "5"), ("retry-delay", "0s")])).await;
    agent.sleep_until("01:00").await;
    sleep(seconds(1)).await;
    agent.signal();
    let took = agent.end().await;
    assert!(took < seconds(5), "{took:?}");
    let finished = agent.one("run.finished");
    let said = ["outcome", "exit_code", "attempt"].map(|key| finished.text(key));
    assert_eq!(said, ["failed", "3", "1"], "it could end within the grace");
    assert_eq!(agent.engine.execs().len(), 1);
}

const RUN: &str = "[job-run \"backup\"]\nschedule = 0 * * * *\nimage = backup:1\nretries = 2\n";

#[tokio::test(start_paused = true)]
async fn the_container_of_a_failed_attempt_is_removed_before_the_next_is_made() {
    let agent = TestAgent::with(Setup::ini(RUN)).await;
    let count = AtomicUsize::new(0);
    agent.engine.on_run(move |_| {
        let nth = count.fetch_add(1, Ordering::Relaxed);
        RunBehaviour::exit(if nth == 2 { 0 } else { 5 }).takes(seconds(3))
    });
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!([finished.text("outcome"), finished.text("attempt")], ["succeeded", "3"]);
    let steps = agent
        .engine
        .requests()
        .into_iter()
        .filter(|it| it.starts_with("DELETE /containers") || it == "POST /containers/create");
    let steps: Vec<_> = steps.map(|it| it.split(' ').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(steps[..5], ["POST", "DELETE", "POST", "DELETE", "POST"]);
    sleep(seconds(5)).await;
    assert_eq!(agent.engine.container_names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_guard_against_running_twice_is_not_tried_again() {
    let agent = TestAgent::with(Setup::ini(RUN)).await;
    agent.engine.on_run(|_| RunBehaviour::exit(0).create_error(409, "the name is already in use"));
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!([finished.text("outcome"), finished.text("attempt")], ["not-started", "1"]);
    assert!(finished.text("reason").contains("is not run twice"), "{finished:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_could_not_be_started_is_tried_again() {
    let agent = TestAgent::with(Setup::ini(&format!("{RUN}pull = never\n"))).await;
    let count = AtomicUsize::new(0);
    agent.engine.on_run(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => RunBehaviour::no_such_image("backup:1"),
        _ => RunBehaviour::exit(0),
    });
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!([finished.text("outcome"), finished.text("attempt")], ["succeeded", "2"]);
    assert!(agent.one("run.attempt_failed").text("reason").contains("No such image"));
}

#[tokio::test(start_paused = true)]
async fn a_container_that_cannot_be_removed_ends_the_run_with_the_outcome_that_it_had() {
    let agent = TestAgent::with(Setup::ini(RUN)).await;
    agent.engine.on_run(|_| RunBehaviour::exit(5));
    agent.engine.fail("DELETE /containers/*", 3, 500, "device or resource busy");
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!([finished.text("outcome"), finished.text("attempt")], ["failed", "1"]);
    assert!(finished.text("reason").contains("device or resource busy"), "{finished:?}");
    sleep(HOUR / 2).await;
    assert_eq!(agent.engine.container_names(), [""; 0], "it is tried again behind the run");
    sleep(MOMENT).await;
}
