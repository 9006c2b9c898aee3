//! The images of jobs of kind `run`: when they are pulled, for whom, and what becomes of runs that wait for them.

use std::fs;

use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use tokio::time::sleep;
use watchbell::model::run::{RunId, StopCause};

use crate::support::{
    fake_engine::{FakeEngine, Gate},
    test_agent::{MINUTE, MOMENT, Setup, TestAgent, clock, engine, seconds},
};

const PULL: &str = "POST /images/create";

/// A job that is due every minute, with these parameters.
fn job(name: &str, parameters: &str) -> String {
    format!("[job-run \"{name}\"]\nschedule = * * * * *\nimage = backup:1\n{parameters}\n")
}

/// An agent with this file, on an Engine without the image.
async fn agent(ini: &str) -> TestAgent {
    with(Setup::ini(ini)).await
}

async fn with(setup: Setup) -> TestAgent {
    let agent = TestAgent::with(setup).await;
    agent.engine.without_image("backup:1");
    agent
}

fn slow(engine: &FakeEngine) -> Gate {
    let gate = Gate::new();
    engine.slow_pulls("backup:1", &gate);
    gate
}

#[tokio::test(start_paused = true)]
async fn a_missing_image_is_pulled_once_and_is_there_for_the_next_run() {
    let agent = agent(&job("backup", "")).await;
    agent.wait_for("run.finished", 2).await;
    assert_eq!(agent.outcomes("backup"), ["succeeded", "succeeded"]);
    assert_eq!(agent.engine.pulls(), [("backup:1".to_owned(), None)]);
    assert_eq!(agent.one("image.pulled").text("image"), "backup:1");
    assert_eq!(agent.all("image.pulling").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn never_pulls_nothing_and_always_pulls_before_each_run() {
    let agent = agent(&job("backup", "pull = never")).await;
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "not-started");
    assert!(finished.text("reason").contains("docker pull backup:1"), "{finished:?}");
    assert_eq!(agent.engine.count(PULL), 0);
    drop(agent);

    let agent = TestAgent::with(Setup::ini(&job("backup", "pull = always"))).await;
    agent.wait_for("run.finished", 2).await;
    assert_eq!(agent.engine.count(PULL), 2);
    let asked = agent.engine.requests();
    let first = asked.iter().position(|it| it == PULL);
    assert!(first < asked.iter().position(|it| it == "POST /containers/create"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_fails_is_told_with_the_reason_and_tried_again() {
    let agent = agent(&job("backup", "retries = 2\nretry-delay = 5s")).await;
    agent.engine.refuse_pulls("manifest for backup:1 not found: manifest unknown");
    let failed = agent.wait_for("run.attempt_failed", 1).await;
    assert!(failed.text("reason").contains("manifest unknown"), "{failed:?}");
    assert!(failed.text("reason").contains("look whether docker.io has"), "{failed:?}");
    agent.wait_for("run.finished", 1).await;
    assert_eq!(agent.outcomes("backup").last().map(String::as_str), Some("not-started"));
    assert_eq!(agent.engine.count(PULL), 3);
    assert_eq!(agent.engine.container_names(), [""; 0]);
}

/// As `pull_policy: always` does: what was asked for is the image of the registry, and not whatever is there.
#[tokio::test(start_paused = true)]
async fn always_does_not_run_an_old_image_when_the_registry_is_down() {
    let agent = TestAgent::with(Setup::ini(&job("backup", "pull = always"))).await;
    agent.engine.refuse_pulls("Get https://registry: dial tcp: connect: connection refused");
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "not-started");
    assert!(finished.text("reason").contains("the Engine does not reach docker.io"), "{finished:?}");
    assert_eq!(agent.engine.count("POST /containers/create"), 0);
}

#[tokio::test(start_paused = true)]
async fn runs_of_one_image_share_a_pull_and_one_that_is_stopped_takes_it_from_nobody() {
    let agent = agent(&(job("a", "") + &job("b", "") + &job("c", ""))).await;
    let gate = slow(&agent.engine);
    let waiting = agent.wait_for("image.pulling", 3).await;
    assert_eq!(agent.engine.count(PULL), 1);
    let began = &agent.all("image.pulling")[0];
    assert!(waiting.text("reason").contains(&began.text("run")), "{waiting:?}");
    // The very one that began it.
    let run = RunId(began.text("run").as_str().into());
    agent.handle.stop_run(run, StopCause::Operator).await.unwrap();
    let stopped = agent.wait_for("run.finished", 1).await;
    assert_eq!((stopped.text("outcome"), stopped.text("run")), ("stopped".into(), began.text("run")));
    sleep(seconds(5)).await;
    gate.release();
    agent.wait_for("run.finished", 3).await;
    let ended: Vec<_> = agent.all("run.finished").iter().map(|it| it.text("outcome")).collect();
    assert_eq!(ended, ["stopped", "succeeded", "succeeded"]);
    assert_eq!(agent.engine.count(PULL), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_nobody_waits_for_any_more_is_given_up() {
    let agent = agent(&job("backup", "pull-timeout = 30s\nretries = 0")).await;
    let _gate = slow(&agent.engine);
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "not-started");
    assert!(finished.text("reason").contains("pull-timeout"), "{finished:?}");
    assert_eq!(finished.text("duration_seconds"), "", "the command never began");
    // The next run does not find it going on.
    agent.wait_for("run.finished", 2).await;
    assert_eq!(agent.engine.count(PULL), 2);
}

/// `timeout` is of the command: a pull may take longer.
#[tokio::test(start_paused = true)]
async fn a_pull_is_told_at_intervals_and_does_not_count_for_the_timeout() {
    let agent = agent(&job("backup", "timeout = 20s\noverlap = skip")).await;
    let gate = slow(&agent.engine);
    agent.wait_for("image.pulling", 1).await;
    sleep(5 * MINUTE).await;
    gate.release();
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "succeeded", "{finished:?}");
    let told = agent.all("image.pulling");
    // A layer comes every ten seconds, and is told of at most every fifteen.
    assert!((14..=21).contains(&told.len()), "{}", told.len());
    assert_eq!(told[1].text("layers"), "2");
    let pulled = agent.one("image.pulled");
    assert_eq!((pulled.text("layers"), pulled.text("bytes")), ("30".into(), "30000".into()));
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_says_nothing_of_a_pull_is_not_waited_for_for_ever() {
    let agent = agent(&job("backup", "pull-timeout = 1h")).await;
    let _held = agent.engine.hold(PULL);
    let begun = agent.wait_for("image.pulling", 1).await;
    let finished = agent.wait_for("run.finished", 1).await;
    assert!(finished.text("reason").contains("told nothing of it for 2m"), "{finished:?}");
    assert_eq!(finished.text("run"), begun.text("run"));
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_goes_during_a_pull_leaves_it_not_started() {
    let agent = agent(&job("backup", "")).await;
    let _gate = slow(&agent.engine);
    agent.wait_for("image.pulling", 1).await;
    sleep(seconds(3)).await;
    agent.engine.down();
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "not-started", "{finished:?}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_ends_during_a_pull_ends_in_time_and_the_next_one_records_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let ini = job("backup", "").replace("* * * * *", "1 0 * * *");
    let setup = || Setup { state_dir: Some(folder.path().to_owned()), ..Setup::ini(&ini) };
    let clock = clock();
    let engine = engine(&clock);
    engine.without_image("backup:1");
    let _gate = slow(&engine);
    let mut agent = TestAgent::on(clock.clone(), engine.clone(), setup());
    let begun = agent.wait_for("image.pulling", 1).await;
    agent.signal();
    assert!(agent.end().await < seconds(10));
    drop(agent);
    let agent = TestAgent::on(clock, engine, setup());
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!((finished.text("outcome"), finished.text("run")), ("not-started".into(), begun.text("run")));
    sleep(MOMENT).await;
    assert_eq!(agent.engine.container_names(), [""; 0]);
}

/// A changed file is taken without a restart, and what is in it is told nowhere.
#[tokio::test(start_paused = true)]
async fn the_registry_is_shown_what_the_file_says_at_that_moment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    let log_in = |password: &str| {
        let entry =
            format!(r#"{{"auths": {{"docker.io": {{"username": "anna", "password": "{password}"}}}}}}"#);
        fs::write(&file, entry).unwrap();
    };
    let ini = job("backup", "pull = always");
    let agent = with(Setup { registries: Some(file.clone()), ..Setup::ini(&ini) }).await;
    log_in("canary-1");
    agent.wait_for("run.finished", 1).await;
    log_in("canary-2");
    agent.wait_for("run.finished", 2).await;
    fs::write(&file, "{\"auths\": canary-3").unwrap();
    agent.wait_for("run.finished", 3).await;
    agent.engine.refuse_pulls("denied: requested access to the resource is denied");
    let refused = agent.wait_for("run.finished", 4).await;
    let shown: Vec<Option<String>> = agent.engine.pulls().into_iter().map(|(_, shown)| shown).collect();
    let password = |it: &Option<String>| {
        let text = URL_SAFE.decode(it.as_ref()?).unwrap();
        let it: serde_json::Value = serde_json::from_slice(&text).unwrap();
        it["password"].as_str().map(str::to_owned)
    };
    let passwords: Vec<Option<String>> = shown.iter().map(password).collect();
    assert_eq!(passwords, [Some("canary-1".to_owned()), Some("canary-2".to_owned()), None, None]);
    assert_eq!(agent.outcomes("backup"), ["succeeded", "succeeded", "succeeded", "not-started"]);
    let reason = refused.text("reason");
    assert!(reason.contains("was shown no credentials, because") && reason.contains("no JSON"), "{reason}");
    let told = format!("{:?}", agent.records());
    assert!(!told.contains("canary"), "{told}");
}
