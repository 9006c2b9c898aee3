//! How soon changes are seen, and what that costs the Engine.

use std::time::Duration;

use tokio::time::sleep;

use crate::support::test_agent::{AT_ONCE, HOUR, MOMENT, TestAgent, seconds, with_job};

#[tokio::test(start_paused = true)]
async fn a_burst_of_two_hundred_containers_is_scheduled_within_a_second_by_few_lists() {
    for apart in [0, 1, 5] {
        let agent = TestAgent::new().await;
        sleep(seconds(10)).await;
        let before = agent.lists();
        for n in 0..200 {
            agent.engine.start(with_job(&format!("web{n}"), "sync", "@hourly"));
            if apart > 0 {
                sleep(Duration::from_millis(apart)).await;
            }
        }
        sleep(seconds(1)).await;
        assert_eq!(agent.all("job.added").len(), 200, "{apart} ms apart");
        let lists = agent.lists() - before;
        assert!(lists <= 10, "{lists} lists, {apart} ms apart");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_events_that_change_nothing_cost_no_list_and_tell_no_job() {
    let agent = TestAgent::new().await;
    agent.start(with_job("web", "sync", "@hourly")).await;
    sleep(seconds(5)).await;
    let (lists, told) = (agent.lists(), agent.records().len());
    for _ in 0..10 {
        agent.engine.unrelated_events(10);
        sleep(Duration::from_millis(100)).await;
    }
    sleep(seconds(5)).await;
    assert_eq!((agent.lists(), agent.records().len()), (lists, told));
}

#[tokio::test(start_paused = true)]
async fn containers_without_labels_that_come_and_go_tell_no_job_and_cost_few_lists() {
    let agent = TestAgent::new().await;
    agent.start(with_job("web", "sync", "@hourly")).await;
    sleep(seconds(5)).await;
    let (lists, told) = (agent.lists(), agent.records().len());
    for n in 0..50 {
        let name = format!("other{n}");
        agent.engine.start(crate::support::fake_engine::ContainerSpec::new(&name));
        agent.engine.remove(&name);
        sleep(Duration::from_millis(20)).await;
    }
    sleep(seconds(2)).await;
    assert_eq!(agent.records().len(), told);
    assert!(agent.lists() - lists <= 9, "{} lists", agent.lists() - lists);
}

#[tokio::test(start_paused = true)]
async fn a_death_and_a_removal_shortly_after_are_both_acted_on_at_once() {
    let agent = TestAgent::new().await;
    agent.start(with_job("web", "sync", "@hourly")).await;
    sleep(seconds(5)).await;
    let lists = agent.lists();
    agent.engine.stop("web");
    // A real Engine calls it running for a moment longer.
    sleep(Duration::from_millis(50)).await;
    assert_eq!(agent.lists(), lists + 1);
    let removed = agent.now();
    agent.engine.remove("web");
    let record = agent.wait_for("job.removed", 1).await;
    assert!(record.at().duration_since(removed) <= AT_ONCE.try_into().unwrap(), "{record:?}");
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_replaced_in_three_steps_has_its_job_back_at_once() {
    let agent = TestAgent::new().await;
    agent.start(with_job("web", "sync", "@hourly")).await;
    sleep(seconds(5)).await;
    agent.engine.stop("web");
    sleep(MOMENT).await;
    agent.engine.remove("web");
    sleep(MOMENT).await;
    let started = agent.now();
    agent.engine.start(with_job("web", "sync", "@daily"));
    let added = agent.wait_for("job.added", 2).await;
    assert!(added.at().duration_since(started) <= AT_ONCE.try_into().unwrap(), "{added:?}");
}

#[tokio::test(start_paused = true)]
async fn a_quiet_engine_is_listed_once_a_minute() {
    let agent = TestAgent::new().await;
    sleep(seconds(5)).await;
    let before = agent.lists();
    sleep(HOUR).await;
    let lists = agent.lists() - before;
    assert!((59..=61).contains(&lists), "{lists} lists in an hour");
    assert_eq!(agent.all("engine.connected").len(), 1);
}
