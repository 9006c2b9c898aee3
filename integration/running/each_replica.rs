//! A job that runs in each container of its service.

use tokio::time::sleep;
use watchbell::model::name::JobId;

use crate::support::{
    fake_engine::{ContainerSpec, ExecBehaviour},
    test_agent::{AT_ONCE, MINUTE, MOMENT, Record, Setup, TestAgent, clock, engine, labelled, seconds},
};

const JOB: &str = "shop.web.warm";

fn web(number: u32, more: &[(&str, &str)]) -> ContainerSpec {
    let labels =
        [("exec.warm.schedule", "*/10 * * * *"), ("exec.warm.command", "warm"), ("exec.warm.replica", "all")];
    let labels: Vec<_> = labels.iter().chain(more).copied().collect();
    labelled(&format!("shop-web-{number}"), &labels).compose("shop", "web", number)
}

async fn agent(replicas: u32, more: &[(&str, &str)]) -> TestAgent {
    let agent = TestAgent::new().await;
    for number in 1..=replicas {
        agent.engine.start(web(number, more));
    }
    agent.wait_for("job.added", 1).await;
    sleep(seconds(2)).await;
    agent
}

/// The containers of these records, in order.
fn containers(records: &[Record]) -> Vec<String> {
    let mut all: Vec<String> = records.iter().map(|it| it.text("container")).collect();
    all.sort();
    all
}

fn ran(agent: &TestAgent) -> Vec<String> {
    let mut all: Vec<_> = agent.engine.execs().into_iter().map(|exec| exec.container_name).collect();
    all.sort();
    all
}

#[tokio::test(start_paused = true)]
async fn each_running_replica_has_its_own_run_and_record() {
    let agent = agent(3, &[]).await;
    agent.engine.stop("shop-web-3");
    agent.sleep_until("00:10").await;
    sleep(seconds(1)).await;
    let finished = agent.of("run.finished", JOB);
    assert_eq!(containers(&finished), ["shop-web-1", "shop-web-2"]);
    assert_ne!(finished[0].text("run"), finished[1].text("run"));
    assert!(finished.iter().all(|it| it.text("occurrence") == "2026-01-05T00:10:00Z"));
    agent.engine.start_again("shop-web-3");
    agent.sleep_until("00:20").await;
    sleep(seconds(1)).await;
    assert_eq!(agent.of("run.finished", JOB).len(), 5);
    assert_eq!(agent.job_events(), ["job.added shop.web.warm"]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_replica_holds_up_no_other() {
    let agent = agent(2, &[]).await;
    agent.engine.on_exec(|exec| {
        let takes = if exec.container == "shop-web-1" { 15 * MINUTE } else { seconds(1) };
        ExecBehaviour::exit(0).takes(takes)
    });
    agent.sleep_until("00:21").await;
    assert_eq!(containers(&agent.of("run.started", JOB)), ["shop-web-1", "shop-web-2", "shop-web-2"]);
    let skipped = agent.one("run.skipped");
    assert_eq!(skipped.text("container"), "shop-web-1");
    assert!(skipped.text("reason").contains("is still running after 10m"), "{skipped:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_failed_is_tried_again_in_its_own_container() {
    let agent = agent(2, &[("exec.warm.retries", "1"), ("exec.warm.retry-delay", "5s")]).await;
    agent.engine.on_exec(|exec| ExecBehaviour::exit(i64::from(exec.container == "shop-web-2")));
    agent.sleep_until("00:11").await;
    assert_eq!(ran(&agent), ["shop-web-1", "shop-web-2", "shop-web-2"]);
    let finished = agent.of("run.finished", JOB);
    let outcomes: Vec<_> = finished.iter().map(|it| (it.text("container"), it.text("outcome"))).collect();
    let expected = [("shop-web-1", "succeeded"), ("shop-web-2", "failed")];
    assert_eq!(outcomes, expected.map(|(container, outcome)| (container.to_owned(), outcome.to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_run_by_hand_goes_to_each_and_is_refused_only_where_all_are() {
    let agent = agent(2, &[]).await;
    agent.engine.on_exec(|exec| {
        let takes = if exec.container == "shop-web-1" { 5 * MINUTE } else { seconds(1) };
        ExecBehaviour::exit(0).takes(takes)
    });
    agent.handle.run_now(JobId::plain(JOB)).await.unwrap();
    sleep(MINUTE).await;
    assert_eq!(ran(&agent), ["shop-web-1", "shop-web-2"]);
    let second = agent.handle.run_now(JobId::plain(JOB)).await.unwrap().remove(0);
    sleep(MOMENT).await;
    let started = agent.of("run.started", JOB);
    assert_eq!(started[2].text("container"), "shop-web-2", "the other one goes on in the first");
    assert_eq!(started[2].text("run"), second.to_string());
    let refused = agent.handle.run_now(JobId::plain(JOB)).await.unwrap_err();
    assert!(refused.to_string().contains("is still running"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn where_no_replica_runs_there_is_one_record() {
    let agent = agent(2, &[]).await;
    agent.engine.stop("shop-web-1");
    agent.engine.stop("shop-web-2");
    agent.sleep_until("00:11").await;
    assert_eq!(agent.of("run.skipped", JOB).len(), 1);
    assert!(agent.one("run.skipped").text("reason").contains("is not running"));
    assert_eq!(ran(&agent), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_alone_has_one_run() {
    let agent = TestAgent::new().await;
    let labels =
        [("exec.warm.schedule", "*/10 * * * *"), ("exec.warm.command", "warm"), ("exec.warm.replica", "ALL")];
    agent.start(labelled("web", &labels)).await;
    agent.engine.start(labelled("other", &[]));
    agent.sleep_until("00:11").await;
    assert_eq!(ran(&agent), ["web"]);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_neither_rejects_the_job() {
    let agent = TestAgent::new().await;
    let labels =
        [("exec.warm.schedule", "*/10 * * * *"), ("exec.warm.command", "warm"), ("exec.warm.replica", "al")];
    agent.engine.start(labelled("web", &labels));
    let rejected = agent.wait_for("job.rejected", 1).await;
    let reason = rejected.text("reason");
    assert!(reason.contains("replica: \"al\" is none of one, all; did you mean \"all\"?"), "{reason}");
}

/// What waits its turn when the agent is killed keeps its container, and nothing runs twice.
#[tokio::test(start_paused = true)]
async fn an_agent_that_is_killed_leaves_each_replica_its_one_run() {
    let (clock, folder) = (clock(), tempfile::tempdir().unwrap());
    let engine = engine(&clock);
    engine.on_exec(|_| ExecBehaviour::exit(0).takes(MINUTE));
    for number in 1..=3 {
        engine.start(web(number, &[]));
    }
    let agent = || {
        let ini = "[global]\nmax-concurrent-runs = 1\n";
        let setup = Setup { state_dir: Some(folder.path().to_owned()), ..Setup::ini(ini) };
        TestAgent::on(clock.clone(), engine.clone(), setup)
    };
    let first = agent();
    first.wait_for("job.added", 1).await;
    first.sleep_until("00:10").await;
    sleep(seconds(20)).await;
    assert_eq!(first.of("run.started", JOB).len(), 1, "there is room for one");
    drop(first);

    let second = agent();
    second.wait_for("agent.ready", 1).await;
    sleep(5 * MINUTE + AT_ONCE).await;
    let mut ran: Vec<_> = engine.execs().into_iter().map(|exec| exec.container_name).collect();
    ran.sort();
    assert_eq!(ran, ["shop-web-1", "shop-web-2", "shop-web-3"]);
    assert_eq!(containers(&second.of("run.finished", JOB)), ["shop-web-1", "shop-web-2", "shop-web-3"]);
    assert_eq!(second.outcomes(JOB), ["succeeded"; 3]);
}
