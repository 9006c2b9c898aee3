//! Kind `run`: a container is made, followed and removed, and none is left behind.

use tokio::time::sleep;

use crate::support::{
    fake_engine::{ContainerSpec, RunBehaviour},
    test_agent::{MINUTE, MOMENT, Setup, TestAgent, seconds},
};

const RUN: &str = "[job-run \"backup\"]\nschedule = 1 0 * * *\nimage = backup:1\n";

/// The name of the container of the occurrence at 0:01.
const NAME: &str = "watchbell-backup-1767571260";

async fn agent(behaviour: impl Fn() -> RunBehaviour + Send + Sync + 'static) -> TestAgent {
    let agent = TestAgent::with(Setup::ini(RUN)).await;
    agent.engine.on_run(move |_| behaviour());
    agent
}

#[tokio::test(start_paused = true)]
async fn it_is_made_attached_to_started_waited_for_and_removed_after_the_record() {
    let agent = agent(|| RunBehaviour::exit(3).stdout("out\n").stderr("err\n").takes(seconds(5))).await;
    let removal = agent.engine.hold("DELETE /containers/*");
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!((finished.text("outcome"), finished.text("exit_code")), ("failed".into(), "3".into()));
    sleep(MOMENT).await;
    assert_eq!(
        agent.engine.container_state(NAME).as_deref(),
        Some("exited"),
        "it can still tell how it ended"
    );
    removal.release();
    sleep(MOMENT).await;
    assert_eq!(agent.engine.container_names(), [""; 0]);

    let id = agent.engine.created()[0].id.clone();
    let requests: Vec<_> = agent
        .engine
        .requests()
        .into_iter()
        .filter(|line| line.contains("/containers/") && !line.ends_with("/json"))
        .map(|line| line.replace(&id, "ID"))
        .collect();
    assert_eq!(
        requests,
        [
            "POST /containers/create",
            "POST /containers/ID/attach",
            "POST /containers/ID/start",
            "POST /containers/ID/wait",
            "DELETE /containers/ID",
        ]
    );
    assert_eq!(agent.output("backup"), ["stdout: out", "stderr: err"]);
    assert_eq!(agent.engine.unknown_requests(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn it_carries_its_name_its_labels_and_everything_that_was_asked_for() {
    let agent = TestAgent::with(Setup::ini(
        "[job-run \"backup\"]\nschedule = 1 0 * * *\nimage = backup:1\ncommand = dump --all\nuser = 33\n\
         workdir = /srv\nenvironment = A=1\nenvironment = B=2\nnetwork = front\nnetwork = back\n",
    ))
    .await;
    agent.engine.add_network("front");
    agent.engine.add_network("back");
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "succeeded", "{finished:?}");
    assert_eq!(finished.text("container"), NAME);
    let made = agent.engine.created().remove(0);
    assert_eq!((made.name.as_str(), made.image.as_str()), (NAME, "backup:1"));
    assert_eq!(made.cmd, ["dump", "--all"]);
    assert_eq!(made.env, ["A=1", "B=2", &format!("WATCHBELL_RUN={}", finished.text("run"))]);
    assert_eq!(made.labels["watchbell.job"], "backup");
    assert_eq!(made.labels["watchbell.run"], finished.text("run"));
    assert_eq!(made.labels["watchbell.occurrence"], "2026-01-05T00:01:00Z");
    assert!(made.labels.contains_key("watchbell.agent"));
    assert_eq!((&made.body["User"], &made.body["WorkingDir"]), (&"33".into(), &"/srv".into()));
    assert_ne!(made.body["HostConfig"]["AutoRemove"], true);
    assert_eq!(made.networks[0], "front");
    assert_eq!(agent.engine.count("POST /networks/back/connect"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_taken_means_that_the_occurrence_ran_and_the_other_container_stays() {
    let agent = agent(|| RunBehaviour::exit(0)).await;
    agent.engine.start(ContainerSpec::new(NAME));
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "not-started");
    assert!(finished.text("reason").contains("is not run twice"), "{finished:?}");
    sleep(MINUTE).await;
    assert_eq!(agent.engine.container_state(NAME).as_deref(), Some("running"));
    assert_eq!(agent.engine.count("DELETE /containers/*"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_container_whose_making_was_not_answered_leaves_nothing_behind() {
    let agent = agent(|| RunBehaviour::exit(0)).await;
    agent.engine.lose_answers("POST /containers/create", 1);
    agent.wait_for("run.finished", 1).await;
    sleep(MINUTE).await;
    assert_eq!(agent.outcomes("backup"), ["not-started"]);
    assert_eq!(agent.engine.container_names(), [""; 0]);
}

/// The removal goes by the run's own label: what another run made under that name is none of its business.
#[tokio::test(start_paused = true)]
async fn a_container_of_another_run_is_not_taken_for_one_whose_making_was_not_answered() {
    let agent = agent(|| RunBehaviour::exit(0)).await;
    agent.engine.start(ContainerSpec::new(NAME).label("watchbell.run", "01OTHER"));
    agent.engine.lose_answers("POST /containers/create", 1);
    agent.wait_for("run.finished", 1).await;
    sleep(MINUTE).await;
    assert_eq!(agent.engine.container_names(), [NAME]);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_does_not_start_is_removed() {
    let agent = agent(|| RunBehaviour::missing_command("dump")).await;
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "not-started");
    assert!(finished.text("reason").contains("executable file not found"), "{finished:?}");
    sleep(MOMENT).await;
    assert_eq!(agent.engine.container_names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_network_that_does_not_exist_leaves_no_container() {
    let agent = TestAgent::with(Setup::ini(&format!("{RUN}network = bridge\nnetwork = nowhere\n"))).await;
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "not-started");
    sleep(MOMENT).await;
    assert_eq!(agent.engine.container_names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_not_there_is_told_with_the_mend() {
    let agent = agent(|| RunBehaviour::no_such_image("backup:1")).await;
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "not-started");
    assert!(finished.text("reason").contains("docker pull backup:1"), "{finished:?}");
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_fails_is_tried_again() {
    let agent = agent(|| RunBehaviour::exit(0)).await;
    agent.engine.fail("DELETE /containers/*", 2, 500, "device or resource busy");
    agent.wait_for("run.finished", 1).await;
    sleep(MINUTE).await;
    assert_eq!(agent.engine.container_names(), [""; 0]);
    assert_eq!(agent.all("run.leftover"), []);
    assert_eq!(agent.outcomes("backup"), ["succeeded"], "the record does not wait for it");
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_fails_for_good_is_told() {
    let agent = agent(|| RunBehaviour::exit(0)).await;
    agent.engine.fail("DELETE /containers/*", 100, 500, "device or resource busy");
    agent.wait_for("run.finished", 1).await;
    sleep(MINUTE).await;
    let leftover = agent.one("run.leftover");
    assert_eq!(leftover.text("container"), NAME);
    assert!(leftover.text("reason").contains("device or resource busy"));
    assert_eq!(agent.engine.count("DELETE /containers/*"), 3);
    assert_eq!(agent.outcomes("backup"), ["succeeded"]);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_someone_removes_during_its_run_makes_it_lost_or_failed_and_not_succeeded() {
    let agent = agent(|| RunBehaviour::exit(0).hold_until_killed()).await;
    agent.wait_for("run.started", 1).await;
    sleep(seconds(5)).await;
    agent.engine.remove(NAME);
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!((finished.text("outcome"), finished.text("exit_code")), ("failed".into(), "137".into()));
    assert_eq!(agent.all("run.leftover"), []);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_comes_back_during_a_run_tells_how_the_container_ended() {
    let agent = agent(|| RunBehaviour::exit(4).stdout("x\n").takes(seconds(30))).await;
    agent.wait_for("run.started", 1).await;
    sleep(seconds(5)).await;
    agent.engine.down();
    sleep(seconds(40)).await;
    agent.engine.up();
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!((finished.text("outcome"), finished.text("exit_code")), ("failed".into(), "4".into()));
    sleep(MINUTE).await;
    assert_eq!(agent.engine.container_names(), [""; 0]);
}

/// Each outage counts for itself: the second comes long after the first is over.
#[tokio::test(start_paused = true)]
async fn two_short_outages_far_apart_during_one_run_cost_it_nothing() {
    let agent = agent(|| RunBehaviour::exit(0).takes(10 * MINUTE)).await;
    agent.wait_for("run.started", 1).await;
    for _ in 0..2 {
        sleep(3 * MINUTE).await;
        agent.engine.down();
        sleep(seconds(2)).await;
        agent.engine.up();
    }
    // It is asked again each time, and goes on.
    sleep(MINUTE).await;
    assert_eq!(agent.engine.container_state(NAME).as_deref(), Some("running"));
    assert_eq!(agent.all("run.finished"), []);
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!((finished.text("outcome"), finished.text("exit_code")), ("succeeded".into(), "0".into()));
    assert!((600.0..602.0).contains(&finished.number("duration_seconds")), "{finished:?}");
    sleep(MINUTE).await;
    assert_eq!(agent.outcomes("backup"), ["succeeded"]);
    assert_eq!(agent.engine.container_names(), [""; 0]);
    assert_eq!(agent.all("run.leftover"), []);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_away_is_waited_for_and_tells_how_it_ended() {
    let agent = agent(|| RunBehaviour::exit(0).takes(seconds(30))).await;
    agent.wait_for("run.started", 1).await;
    sleep(seconds(5)).await;
    agent.engine.down();
    sleep(20 * MINUTE).await;
    assert_eq!((agent.outcomes("backup"), agent.handle.snapshot().running), (vec![], 1));
    agent.engine.up();
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!((finished.text("outcome"), finished.text("exit_code")), ("succeeded".into(), "0".into()));
    sleep(MINUTE).await;
    assert_eq!(agent.all("run.leftover"), []);
}
