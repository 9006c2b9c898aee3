//! One job for a service, however many containers it has.

use proptest::prelude::*;
use tokio::time::sleep;

use crate::support::{
    fake_engine::{ContainerSpec, Health},
    test_agent::{AT_ONCE, MOMENT, TestAgent, labelled, seconds},
};

fn replica(project: &str, number: u32, command: &str) -> ContainerSpec {
    labelled(
        &format!("{project}-web-{number}"),
        &[("exec.sync.schedule", "@every 1h"), ("exec.sync.command", command)],
    )
    .compose(project, "web", number)
}

/// Mistake 10.
#[tokio::test(start_paused = true)]
async fn two_projects_with_the_same_service_and_job_name_have_two_jobs() {
    let agent = TestAgent::new().await;
    agent.start(replica("shop", 1, "work")).await;
    agent.start(replica("blog", 1, "work")).await;
    assert_eq!(agent.job_events(), ["job.added shop.web.sync", "job.added blog.web.sync"]);
    agent.sleep_until("01:01").await;
    let mut ran: Vec<_> = agent.engine.execs().into_iter().map(|exec| exec.container_name).collect();
    ran.sort();
    assert_eq!(ran, ["blog-web-1", "shop-web-1"]);
    agent.engine.remove("shop-web-1");
    sleep(AT_ONCE).await;
    assert_eq!(agent.one("job.removed").text("job"), "shop.web.sync");
}

#[tokio::test(start_paused = true)]
async fn further_replicas_change_nothing_and_a_run_goes_to_one_of_them() {
    let agent = TestAgent::new().await;
    agent.start(replica("shop", 2, "work")).await;
    agent.engine.start(replica("shop", 1, "work"));
    agent.engine.start(replica("shop", 3, "work"));
    agent.sleep_until("01:01").await;
    assert_eq!(agent.job_events(), ["job.added shop.web.sync"]);
    let ran: Vec<_> = agent.engine.execs().into_iter().map(|exec| exec.container_name).collect();
    assert_eq!(ran, ["shop-web-2"], "it stays where it was first");
}

#[tokio::test(start_paused = true)]
async fn a_job_moves_to_another_replica_and_keeps_its_next_occurrence() {
    let agent = TestAgent::new().await;
    for number in 1..=3 {
        agent.engine.start(replica("shop", number, "work"));
    }
    agent.wait_for("job.added", 1).await;
    let next = agent.one("job.added").next();
    agent.sleep_until("00:30").await;
    agent.engine.stop("shop-web-1");
    sleep(AT_ONCE).await;
    let moved = agent.one("job.updated");
    assert_eq!(moved.text("container"), "shop-web-2");
    assert_eq!(moved.text("reason"), "its runs go to container shop-web-2 now");
    assert_eq!(moved.next(), next);
    agent.sleep_until("01:01").await;
    let ran: Vec<_> = agent.engine.execs().into_iter().map(|exec| exec.container_name).collect();
    assert_eq!(ran, ["shop-web-2"]);
    assert_eq!(agent.outcomes("shop.web.sync"), ["succeeded"]);
}

#[tokio::test(start_paused = true)]
async fn a_healthy_replica_is_preferred() {
    let agent = TestAgent::new().await;
    agent.engine.start(replica("shop", 1, "work").health(Health::Unhealthy));
    agent.engine.start(replica("shop", 2, "work").health(Health::Healthy));
    agent.engine.start(replica("shop", 3, "work").health(Health::Healthy));
    agent.sleep_until("01:01").await;
    assert_eq!(agent.engine.execs()[0].container_name, "shop-web-2");
}

#[tokio::test(start_paused = true)]
async fn during_a_rolling_update_the_newest_definition_wins_and_the_job_moves_there() {
    let agent = TestAgent::new().await;
    agent.engine.start(replica("shop", 1, "old"));
    agent.engine.start(replica("shop", 2, "old"));
    agent.wait_for("job.added", 1).await;
    agent.sleep_until("00:30").await;
    agent.engine.start(replica("shop", 3, "new"));
    sleep(AT_ONCE).await;
    let updated = agent.one("job.updated");
    assert_eq!(updated.text("reason"), "changed: command");
    assert_eq!(updated.text("container"), "shop-web-3");
    let doubtful: Vec<_> = agent.all("config.doubtful").iter().map(|it| it.text("reason")).collect();
    assert!(
        doubtful.len() == 2 && doubtful.iter().all(|it| it.contains("shop-web-3")),
        "both places are told: {doubtful:?}"
    );
    agent.engine.remove("shop-web-1");
    sleep(seconds(1)).await;
    agent.engine.remove("shop-web-2");
    agent.sleep_until("01:00").await;
    sleep(MOMENT).await;
    let ran: Vec<_> = agent.engine.execs().into_iter().map(|exec| (exec.container_name, exec.cmd)).collect();
    assert_eq!(ran, [("shop-web-3".to_owned(), vec!["new".to_owned()])]);
    assert_eq!(
        agent.job_events(),
        ["job.added shop.web.sync", "job.updated shop.web.sync"],
        "never none and never two"
    );
}

/// What the agent has after these containers were started in this order. The client keeps labels in no order at all, and
/// in another one each time.
fn schedule(order: &[u32]) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime can be made").block_on(async {
        let agent = TestAgent::new().await;
        let labels = [
            ("exec.a.schedule", "@hourly"),
            ("exec.a.command", "a"),
            ("exec.a.environment.0", "A=1"),
            ("exec.a.environment.10", "C=3"),
            ("exec.a.environment.2", "B=2"),
            ("exec.b.schedule", "@hourly"),
            ("exec.b.SCHEDULE", "@daily"),
            ("exec.b.command", "b"),
            ("exec.c.schedule", "@daily"),
            ("exec.c.command", "c"),
            ("exec.c.user", "root"),
        ];
        for number in order {
            let name = format!("shop-web-{number}");
            agent.engine.start(labelled(&name, &labels).compose("shop", "web", *number));
        }
        agent.sleep_until("01:00").await;
        sleep(MOMENT).await;
        let execs = agent.engine.execs().into_iter();
        let mut seen: Vec<String> = execs
            .map(|exec| format!("{} {:?} {:?}", exec.container_name, exec.cmd, &exec.env[..3]))
            .collect();
        let mut told = agent.records();
        told.retain(|it| it.text("event").starts_with("job."));
        let mut told: Vec<_> = told
            .iter()
            .map(|it| ["event", "job", "container", "schedule", "reason"].map(|key| it.text(key)).join(" "))
            .collect();
        told.sort();
        seen.append(&mut told);
        seen
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Mistake 11.
    #[test]
    fn the_order_of_labels_and_containers_never_matters(order in Just(vec![1, 2, 3, 4]).prop_shuffle()) {
        prop_assert_eq!(schedule(&order), schedule(&[1, 2, 3, 4]));
    }
}
