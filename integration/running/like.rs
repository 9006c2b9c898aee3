//! Jobs of kind `run` that are like a container that is there: which one, what they take of it, and what a label may not.

use tokio::time::sleep;

use crate::support::{
    fake_engine::{ContainerSpec, CreateRecord},
    test_agent::{MINUTE, MOMENT, Setup, TestAgent, labelled},
};

/// A container with a job that is like this, and is due every minute.
fn with_job(name: &str, like: &str) -> ContainerSpec {
    labelled(
        name,
        &[("run.dump.schedule", "* * * * *"), ("run.dump.like", like), ("run.dump.command", "dump --all")],
    )
}

async fn agent(grants: &str, ini: &str) -> TestAgent {
    let environment = [("WATCHBELL_ALLOW_FROM_LABELS".to_owned(), grants.to_owned())].into();
    TestAgent::with(Setup { environment, ..Setup::ini(ini) }).await
}

/// What was made for the `n`th run.
fn made(agent: &TestAgent, n: usize) -> CreateRecord {
    agent.engine.created().remove(n)
}

fn image_of(agent: &TestAgent, container: &str) -> String {
    agent.engine.image_id(container)
}

#[tokio::test(start_paused = true)]
async fn it_takes_image_variables_networks_and_mounts_and_what_the_job_says_goes_over_them() {
    let agent = agent(
        "",
        "[job-run \"dump\"]\nschedule = 1 0 * * *\nlike = db\ncommand = dump\nenvironment = A=job\n\
         volume = scratch:/tmp/\n",
    )
    .await;
    agent.engine.add_network("front");
    agent.engine.add_network("back");
    let db = ContainerSpec::new("db").image("postgres:17").networks(["front", "back"]);
    agent.engine.start(db.env("A=db").env("B=db").volume("/data").volume("/tmp").bind("/srv/x:y", "/srv"));
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "succeeded", "{finished:?}");
    let made = made(&agent, 0);
    assert_eq!(made.image, image_of(&agent, "db"));
    assert_eq!(made.cmd, ["dump"]);
    let run = format!("WATCHBELL_RUN={}", finished.text("run"));
    assert_eq!(made.env, ["B=db", "A=job", &run]);
    assert_eq!(made.networks, ["front", "back"]);
    let mounts = made.body["HostConfig"]["Mounts"].as_array().unwrap();
    let targets: Vec<_> = mounts.iter().map(|it| it["Target"].as_str().unwrap()).collect();
    assert_eq!(targets, ["/data", "/srv"], "the job has another /tmp");
    assert_eq!(mounts[1]["Source"], "/srv/x:y");
    assert_eq!(made.labels["watchbell.job"], "dump");
    assert_eq!(agent.engine.pulls(), [], "the image is the one that is there");
}

#[tokio::test(start_paused = true)]
async fn a_name_is_a_service_of_the_jobs_project_then_a_container_then_one_of_another_project() {
    let agent = agent(
        "all",
        "[job-run \"far\"]\nschedule = * * * * *\nlike = shop.db\n[job-run \"near\"]\nschedule = * * * * *\nlike = db\n",
    )
    .await;
    agent.engine.start(ContainerSpec::new("shop-db-2").image("db:2").compose("shop", "db", 2));
    agent.engine.start(ContainerSpec::new("shop-db-1").image("db:1").compose("shop", "db", 1));
    agent.engine.start(ContainerSpec::new("db").image("elsewhere:1"));
    agent.engine.start(with_job("shop-web-1", "db").compose("shop", "web", 1));
    let one_off = ContainerSpec::new("shop_db_run").image("db:0").compose("shop", "db", 1);
    agent.engine.start(one_off.label("com.docker.compose.oneoff", "True"));
    agent.wait_for("run.finished", 3).await;
    let image = |agent: &TestAgent, job: &str| {
        let created = agent.engine.created();
        created.iter().rev().find(|it| it.labels["watchbell.job"] == job).unwrap().image.clone()
    };
    assert_eq!(image(&agent, "shop.web.dump"), image_of(&agent, "shop-db-1"), "the service of its project");
    assert_eq!(image(&agent, "far"), image_of(&agent, "shop-db-1"));
    assert_eq!(image(&agent, "near"), image_of(&agent, "db"), "the file's job has no project");

    // One that runs is preferred, and a stopped one does where none runs.
    agent.engine.stop("shop-db-1");
    sleep(MINUTE).await;
    assert_eq!(image(&agent, "far"), image_of(&agent, "shop-db-2"));
    agent.engine.stop("shop-db-2");
    sleep(MINUTE).await;
    assert_eq!(image(&agent, "far"), image_of(&agent, "shop-db-2"));
    assert!(agent.all("run.finished").iter().all(|it| it.text("outcome") == "succeeded"));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_not_there_is_skipped_with_the_reason_and_one_that_goes_just_then_is_not_started() {
    let agent = agent("", "[job-run \"dump\"]\nschedule = * * * * *\nlike = db\n").await;
    let skipped = agent.wait_for("run.skipped", 1).await;
    assert_eq!(skipped.text("reason"), "there is no container or service db that it could be like");
    agent.engine.start(ContainerSpec::new("db"));
    sleep(MOMENT).await;
    agent.engine.fail("GET /containers/*/json", 1, 404, "No such container: db");
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "not-started");
    assert!(finished.text("reason").contains("container db was removed just now"), "{finished:?}");
    agent.wait_for("run.finished", 2).await;
    assert_eq!(agent.outcomes("dump").last().map(String::as_str), Some("succeeded"));
    assert_eq!(agent.engine.created().len(), 1);
}

/// Whoever labels a container has what is in it; what it shows of the machine could be had with more rights in a new one.
#[tokio::test(start_paused = true)]
async fn a_label_gets_no_path_of_the_machine_without_its_grant_and_nothing_is_made() {
    let agent = agent("run", "").await;
    agent.start(with_job("web", "web").bind("/var/run/docker.sock", "/sock").volume("/data")).await;
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "not-started");
    let reason = finished.text("reason");
    assert!(
        reason.contains("/var/run/docker.sock") && reason.contains("allow-from-labels=host-mounts"),
        "{reason}"
    );
    assert_eq!(agent.engine.created().len(), 0);
    drop(agent);

    let agent = self::agent("run,host-mounts", "").await;
    agent.start(with_job("web", "web").bind("/var/run/docker.sock", "/sock")).await;
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "succeeded", "{finished:?}");
}

#[tokio::test(start_paused = true)]
async fn a_label_gets_no_network_of_the_machine_by_a_copy_but_may_have_another_one() {
    let agent = agent("run,host-mounts", "").await;
    let web = with_job("web", "web").label("watchbell.job-run.free.schedule", "* * * * *");
    let web = web.label("watchbell.job-run.free.like", "web").label("watchbell.job-run.free.network", "none");
    agent.engine.start(web.networks(["host"]));
    agent.wait_for("run.finished", 2).await;
    assert_eq!(
        (agent.outcomes("web.dump"), agent.outcomes("web.free")),
        (vec!["not-started".into()], vec!["succeeded".into()])
    );
    let reason = agent.of("run.finished", "web.dump")[0].text("reason");
    assert!(reason.contains("allow-from-labels=privileged"), "{reason}");
    assert_eq!(made(&agent, 0).networks, ["none"]);
}

/// Anyone can write the labels of Compose: they make nobody's service one's own.
#[tokio::test(start_paused = true)]
async fn a_label_cannot_copy_a_container_by_saying_that_it_is_of_its_service() {
    let agent = agent("run", "").await;
    agent
        .engine
        .start(ContainerSpec::new("shop-db-1").image("db:1").env("SECRET=x").compose("shop", "db", 1));
    agent.start(with_job("rogue", "db").image("rogue:1").compose("shop", "db", 1)).await;
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "succeeded");
    assert_eq!(made(&agent, 0).image, image_of(&agent, "rogue"));
    agent.engine.remove("rogue");
    sleep(MINUTE).await;
    assert_eq!(agent.engine.created().len(), 1, "without a definition there is no job");
}
