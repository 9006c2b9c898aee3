//! What an operator asks of a running agent, through its handle.

use jiff::Timestamp;
use tokio::time::sleep;
use watchbell::{
    agent::event::Refused,
    model::{
        name::JobId,
        run::{RunId, StopCause},
    },
};

use crate::support::{
    fake_engine::{ContainerSpec, ExecBehaviour},
    test_agent::{MINUTE, MOMENT, Setup, TestAgent, clock, engine, labelled, seconds, signalled, with_job},
};

fn job() -> JobId {
    JobId::plain("web.sync")
}

/// Mistake 9.
#[tokio::test(start_paused = true)]
async fn a_paused_job_stays_paused_when_its_container_is_made_anew_and_goes_on_at_the_moment_that_was_said() {
    let agent = TestAgent::new().await;
    agent.start(with_job("web", "sync", "*/10 * * * *")).await;
    let until: Timestamp = "2026-01-05T01:00:00Z".parse().unwrap();
    agent.handle.pause(job(), Some(until)).await.unwrap();
    assert_eq!(agent.handle.snapshot().paused.get(&job()), Some(&Some(until)));
    agent.replace("web", with_job("web", "sync", "*/10 * * * *"));
    agent.sleep_until("00:59").await;
    assert_eq!(agent.outcomes("web.sync"), [""; 0]);
    agent.sleep_until("01:01").await;
    assert_eq!(agent.outcomes("web.sync"), ["succeeded"], "nothing of the hour was missed");
    assert_eq!(agent.one("run.started").text("occurrence"), "2026-01-05T01:00:00Z");
    assert_eq!(agent.one("job.resumed").text("reason"), "the time of its pause is over");
    assert!(agent.handle.snapshot().paused.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_pause_outlives_the_agent() {
    let folder = tempfile::tempdir().unwrap();
    let setup = || Setup { state_dir: Some(folder.path().to_owned()), ..Setup::default() };
    let clock = clock();
    let engine = engine(&clock);
    engine.start(with_job("web", "sync", "*/10 * * * *"));
    let mut agent = TestAgent::on(clock.clone(), engine.clone(), setup());
    agent.wait_for("agent.ready", 1).await;
    agent.handle.pause(job(), None).await.unwrap();
    agent.signal();
    agent.end().await;
    drop(agent);
    sleep(30 * MINUTE).await;
    let agent = TestAgent::on(clock, engine, setup());
    agent.wait_for("agent.ready", 1).await;
    sleep(30 * MINUTE).await;
    assert_eq!(agent.outcomes("web.sync"), [""; 0]);
    agent.handle.resume(job()).await.unwrap();
    sleep(15 * MINUTE).await;
    assert_eq!(agent.outcomes("web.sync"), ["succeeded"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_asked_for_goes_the_way_of_one_that_is_due() {
    let agent = TestAgent::new().await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(0).takes(seconds(60)));
    agent.start(with_job("web", "sync", "@daily")).await;
    let run = agent.handle.run_now(job()).await.unwrap().remove(0);
    sleep(seconds(30)).await;
    let Err(Refused::Skipped { reason, .. }) = agent.handle.run_now(job()).await else { panic!() };
    assert_eq!(reason, format!("run {run} of web.sync is still running after 30s"));
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!([finished.text("run"), finished.text("trigger")], [run.to_string(), "manual".to_owned()]);
    let nobody = JobId::plain("nobody");
    assert_eq!(agent.handle.run_now(nobody.clone()).await, Err(Refused::NoJob(nobody.clone())));
    assert_eq!(agent.handle.pause(nobody.clone(), None).await, Err(Refused::NoJob(nobody)));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_an_operator_ends_is_stopped_and_says_by_whom_and_starts_nothing() {
    let agent = TestAgent::new().await;
    signalled(&agent.engine, &["TERM"], || ExecBehaviour::exit(0).hold_until_killed());
    let container: ContainerSpec = labelled(
        "web",
        &[
            ("exec.sync.schedule", "@daily"),
            ("exec.sync.command", "work"),
            ("exec.sync.retries", "3"),
            ("exec.sync.on-failure", "alarm"),
            ("exec.sync.on-success", "alarm"),
            ("exec.alarm.schedule", "@triggered"),
            ("exec.alarm.command", "work"),
        ],
    );
    agent.start(container).await;
    let run = agent.handle.run_now(job()).await.unwrap().remove(0);
    sleep(seconds(5)).await;
    agent.handle.stop_run(run.clone(), StopCause::Operator).await.unwrap();
    let finished = agent.wait_for("run.finished", 1).await;
    let said = ["outcome", "reason", "attempt"].map(|key| finished.text(key));
    assert_eq!(said, ["stopped", "an operator stopped it", "1"]);
    sleep(10 * MINUTE).await;
    assert_eq!(agent.all("run.started").len(), 1);
    assert_eq!(agent.handle.stop_run(run.clone(), StopCause::Operator).await, Err(Refused::NoRun(run)));
    let nobody = RunId("nobody".into());
    assert_eq!(agent.handle.stop_run(nobody.clone(), StopCause::Operator).await, Err(Refused::NoRun(nobody)));
}

/// An Engine that hangs has not begun anything yet that had to be ended.
#[tokio::test(start_paused = true)]
async fn a_run_that_is_stopped_while_its_command_is_being_prepared_never_starts_it() {
    let agent = TestAgent::new().await;
    agent.start(with_job("web", "sync", "@daily")).await;
    let hold = agent.engine.hold("POST /containers/*/exec");
    let run = agent.handle.run_now(job()).await.unwrap().remove(0);
    sleep(seconds(5)).await;
    agent.handle.stop_run(run, StopCause::Operator).await.unwrap();
    let finished = agent.wait_for("run.finished", 1).await;
    let said = ["outcome", "reason"].map(|key| finished.text(key));
    assert_eq!(said, ["stopped", "an operator stopped it"]);
    drop(hold);
    sleep(MINUTE).await;
    assert_eq!(agent.all("run.started"), []);
}

/// Who waits for a turn wakes the agent when it has waited long enough, although nothing else is due.
#[tokio::test(start_paused = true)]
async fn a_turn_that_does_not_come_is_given_up_at_its_moment() {
    let agent = TestAgent::new().await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(0).takes(20 * MINUTE));
    let grouped = |name: &str, at: &str| {
        with_job(name, "sync", at)
            .label("watchbell.job-exec.sync.group", "db")
            .label("watchbell.job-exec.sync.group-wait", "70s")
    };
    agent.start(grouped("web", "1 0 * * *")).await;
    agent.start(grouped("db", "2 0 * * *")).await;
    let skipped = agent.wait_for("run.skipped", 1).await;
    let at: Timestamp = skipped.text("timestamp").parse().unwrap();
    let late = at.duration_since("2026-01-05T00:03:10Z".parse().unwrap());
    assert!(late.as_millis() < 100 && !late.is_negative(), "{late:?}");
    let holder = agent.one("run.started").text("run");
    assert_eq!(
        skipped.text("reason"),
        format!(
            "it waited 1m 10s for the group \"db\" (group-wait): run {holder} of web.sync has held it for 2m 10s"
        )
    );
    sleep(MOMENT).await;
}
