//! Jobs that are made over the API, beside those of labels, on an Engine.

use serde_json::json;
use tokio::time::sleep;
use watchbell::{
    agent::making::{Done, Expected, Making, NotDone},
    model::name::JobId,
    settings::made::{self, MadeJob},
};

use crate::support::{
    fake_engine::ContainerSpec,
    test_agent::{HOUR, Setup, TestAgent, clock, engine},
};

fn exec(job: &str, schedule: &str, command: &str) -> Making {
    let parameters = json!({ "schedule": schedule, "command": command, "container": "db" });
    let parameters = parameters.as_object().unwrap();
    let parameters = parameters.iter().map(|(name, value)| (name.as_str(), value));
    let job = JobId::plain(job);
    let made: MadeJob = made::read(&job, made::kind("exec").unwrap(), "".into(), parameters);
    Making { job, made: Some(made), expected: Expected::Whatever }
}

/// What an agent may run in, with a job of its own.
fn own(job: &str) -> ContainerSpec {
    ContainerSpec::new("watchbell")
        .label(format!("watchbell.job-exec.{job}.schedule"), "@hourly")
        .label(format!("watchbell.job-exec.{job}.command"), "label")
}

fn removal(job: &str) -> Making {
    Making { job: JobId::plain(job), made: None, expected: Expected::Whatever }
}

#[tokio::test(start_paused = true)]
async fn it_runs_in_the_container_that_it_names_and_is_due_as_before_for_the_next_agent() {
    let folder = tempfile::tempdir().unwrap();
    let setup = || Setup { state_dir: Some(folder.path().to_owned()), ..Setup::default() };
    let clock = clock();
    let engine = engine(&clock);
    engine.start(ContainerSpec::new("db"));
    let mut agent = TestAgent::on(clock.clone(), engine.clone(), setup());
    agent.wait_for("agent.ready", 1).await;
    assert_eq!(agent.handle.make(exec("dump", "@every 40m", "dump")).await, Ok(Done::Created));
    assert!(agent.handle.snapshot().catalog.get(&JobId::plain("dump")).is_some(), "who is answered sees it");
    agent.sleep_until("00:41").await;
    assert_eq!(agent.outcomes("dump"), ["succeeded"]);
    assert_eq!(agent.one("run.started").text("container"), "db");
    agent.signal();
    agent.end().await;
    drop(agent);
    agent = TestAgent::on(clock, engine, setup());
    agent.wait_for("agent.ready", 1).await;
    agent.sleep_until("01:21").await;
    assert_eq!(
        agent.one("run.started").text("occurrence"),
        "2026-01-05T01:20:00Z",
        "where it began to count"
    );
    assert_eq!(agent.handle.make(removal("dump")).await, Ok(Done::Removed));
    sleep(2 * HOUR).await;
    assert_eq!(agent.outcomes("dump"), ["succeeded"]);
}

#[tokio::test(start_paused = true)]
async fn a_label_of_the_agents_own_container_goes_over_it_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock();
    let engine = engine(&clock);
    engine.start(ContainerSpec::new("db"));
    let id = engine.start(own("tidy"));
    let setup = Setup { state_dir: Some(folder.path().to_owned()), own_ids: vec![id], ..Setup::default() };
    let agent = TestAgent::on(clock, engine, setup);
    agent.wait_for("agent.ready", 1).await;
    let place = "container watchbell (label watchbell.job-exec.tidy.schedule)";
    for making in [exec("tidy", "@daily", "api"), removal("tidy")] {
        let refused = agent.handle.make(making).await.unwrap_err();
        assert!(matches!(&refused, NotDone::Elsewhere { by, .. } if by.to_string() == place), "{refused}");
        assert!(refused.to_string().contains("change it there, or pause it"), "{refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_whose_name_a_label_takes_later_waits_until_the_label_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock();
    let engine = engine(&clock);
    engine.start(ContainerSpec::new("db"));
    let id = engine.start(own("late"));
    let setup = |own_ids| Setup { state_dir: Some(folder.path().to_owned()), own_ids, ..Setup::default() };
    // Its labels mean nothing as long as it is not the agent's own.
    let mut agent = TestAgent::on(clock.clone(), engine.clone(), setup(vec![]));
    agent.wait_for("agent.ready", 1).await;
    assert_eq!(agent.handle.make(exec("late", "@daily", "api")).await, Ok(Done::Created));
    agent.signal();
    agent.end().await;
    drop(agent);
    let agent = TestAgent::on(clock, engine, setup(vec![id]));
    agent.wait_for("agent.ready", 1).await;
    let told = agent.one("config.rejected");
    assert_eq!(told.text("origin"), "API");
    assert!(told.text("reason").contains("container watchbell defines a job of this name"), "{told:?}");
    let origin = || {
        let snapshot = agent.handle.snapshot();
        snapshot.catalog.get(&JobId::plain("late")).unwrap().spec.origin.to_string()
    };
    assert_eq!(origin(), "container watchbell (label watchbell.job-exec.late.schedule)");
    agent.engine.remove("watchbell");
    agent.wait_for_job("job.updated", "late", 1).await;
    assert_eq!(origin(), "API (parameter schedule)");
    assert_eq!(agent.handle.snapshot().diagnostics.len(), 0);
}
