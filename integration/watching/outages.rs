//! Unknown is not empty: whatever goes wrong between agent and Engine, no job is lost and nothing is missed for long.

use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::sleep;

use crate::support::{
    fake_engine::ExecBehaviour,
    test_agent::{
        AT_ONCE, HOUR, MINUTE, MOMENT, Setup, TestAgent, clock, engine, engine_off_by, labelled, seconds,
        with_job,
    },
};

/// Longer than the first steps of a backoff take together.
const SOON: Duration = Duration::from_secs(3);

/// Mistake 1.
#[tokio::test(start_paused = true)]
async fn a_list_that_fails_removes_no_job_and_ends_no_run() {
    let agent = TestAgent::new().await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(0).stdout("done\n").takes(2 * MINUTE));
    agent.start(with_job("web", "sync", "0 * * * *")).await;
    agent.sleep_until("01:00").await;
    agent.wait_for("run.started", 1).await;
    agent.engine.fail_lists(3, 500);
    agent.engine.start(with_job("db", "dump", "@daily"));
    sleep(MINUTE).await;
    assert_eq!(agent.job_events(), ["job.added web.sync", "job.added db.dump"]);
    sleep(2 * MINUTE).await;
    assert_eq!(agent.outcomes("web.sync"), ["succeeded"]);
    assert_eq!((agent.all("engine.lost").len(), agent.all("engine.connected").len()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_minutes_is_told_once_removes_nothing_and_costs_few_attempts() {
    let agent = TestAgent::new().await;
    agent.start(with_job("web", "sync", "*/10 * * * *")).await;
    sleep(seconds(90)).await;
    let refused = agent.engine.refused();
    agent.engine.down();
    sleep(5 * MINUTE).await;
    let attempts = agent.engine.refused() - refused;
    assert!((8..=25).contains(&attempts), "{attempts} attempts in five minutes");
    assert_eq!(agent.all("engine.lost").len(), 1);
    assert_eq!(agent.handle.snapshot().jobs, 1);
    agent.engine.up();
    sleep(MINUTE).await;
    assert_eq!(agent.all("engine.connected").len(), 2);
    assert_eq!(agent.all("engine.lost").len(), 1);
    agent.sleep_until("00:10").await;
    sleep(MOMENT).await;
    assert_eq!(agent.outcomes("web.sync"), ["succeeded"]);
    assert_eq!(agent.job_events(), ["job.added web.sync"]);
}

#[tokio::test(start_paused = true)]
async fn what_changed_during_an_outage_is_seen_after_it_although_the_engine_forgot_the_events() {
    let agent = TestAgent::new().await;
    agent.start(with_job("web", "sync", "@hourly")).await;
    sleep(seconds(10)).await;
    agent.engine.down();
    sleep(seconds(20)).await;
    agent.engine.remove("web");
    agent.engine.start(with_job("db", "dump", "@hourly"));
    agent.engine.forget_events();
    agent.engine.up();
    sleep(seconds(31)).await;
    assert_eq!(agent.job_events(), ["job.added web.sync", "job.removed web.sync", "job.added db.dump"]);
}

#[tokio::test(start_paused = true)]
async fn occurrences_during_an_outage_wait_for_its_end_and_leave_their_records() {
    let agent = TestAgent::new().await;
    agent.start(with_job("web", "sync", "*/10 * * * *")).await;
    let dump =
        [("exec.dump.schedule", "*/10 * * * *"), ("exec.dump.command", "work"), ("exec.dump.missed", "once")];
    agent.start(labelled("db", &dump)).await;
    agent.engine.down();
    agent.sleep_until("00:25").await;
    assert_eq!(agent.outcomes("web.sync"), [""; 0], "it has not run, and may yet");
    agent.engine.up();
    agent.sleep_until("00:26").await;
    assert_eq!(agent.outcomes("web.sync"), ["missed"]);
    let missed = agent.of("run.missed", "web.sync");
    assert_eq!(missed[0].text("and_more"), "1", "{missed:?}");
    agent.engine.down();
    agent.sleep_until("00:30").await;
    agent.engine.up();
    agent.sleep_until("00:31").await;
    assert_eq!(agent.outcomes("web.sync"), ["missed", "succeeded"], "half a minute is merely late");
    assert_eq!(agent.outcomes("db.dump"), ["missed", "succeeded", "succeeded"], "the newest ran after all");
}

/// Mistake 4.
#[tokio::test(start_paused = true)]
async fn a_container_that_starts_between_the_list_and_the_subscription_is_not_missed() {
    let clock = clock();
    let engine = engine(&clock);
    let subscription = engine.hold("GET /events");
    let agent = TestAgent::on(clock, engine, Setup::default());
    agent.wait_for("agent.ready", 1).await;
    agent.engine.start(with_job("web", "sync", "@hourly"));
    sleep(seconds(5)).await;
    assert_eq!(agent.job_events(), [""; 0], "nobody could know of it yet");
    subscription.release();
    sleep(AT_ONCE).await;
    assert_eq!(agent.job_events(), ["job.added web.sync"]);
}

/// Mistake 4, where the two clocks do not agree.
#[tokio::test(start_paused = true)]
async fn an_engine_whose_clock_is_wrong_hides_nothing() {
    for hours in [-2, 2] {
        let clock = clock();
        let engine = engine_off_by(&clock, SignedDuration::from_hours(hours));
        let subscription = engine.hold("GET /events");
        let agent = TestAgent::on(clock, engine, Setup::default());
        agent.wait_for("agent.ready", 1).await;
        agent.engine.start(with_job("web", "sync", "@hourly"));
        subscription.release();
        sleep(AT_ONCE).await;
        assert_eq!(agent.job_events(), ["job.added web.sync"], "{hours} hours off");
    }
}

/// Mistake 4, in the list itself.
#[tokio::test(start_paused = true)]
async fn a_container_that_starts_while_the_list_is_on_its_way_is_not_missed() {
    let clock = clock();
    let engine = engine(&clock);
    let answer = engine.hold_answers("GET /containers/json");
    let agent = TestAgent::on(clock, engine, Setup::default());
    agent.engine.requested("GET /containers/json", 1).await;
    sleep(MOMENT).await;
    agent.engine.start(with_job("web", "sync", "@hourly"));
    answer.release();
    agent.wait_for("job.added", 1).await;
}

/// Mistake 5.
#[tokio::test(start_paused = true)]
async fn an_event_stream_that_has_gone_silent_is_noticed_within_a_minute() {
    let agent = TestAgent::new().await;
    sleep(seconds(5)).await;
    agent.engine.wedge_event_streams();
    agent.engine.start(with_job("web", "sync", "@hourly"));
    sleep(seconds(61)).await;
    assert_eq!(agent.job_events(), ["job.added web.sync"]);
    agent.engine.start(with_job("db", "dump", "@hourly"));
    sleep(AT_ONCE).await;
    assert_eq!(agent.all("job.added").len(), 2, "the new stream is alive");
    assert_eq!(agent.engine.event_streams(), 1, "the silent one was let go");
    assert_eq!(agent.all("engine.lost"), []);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_cut_is_begun_again_and_nothing_is_missed() {
    let agent = TestAgent::new().await;
    for n in 0..5 {
        sleep(seconds(45)).await;
        agent.engine.cut_event_streams();
        agent.engine.start(with_job(&format!("web{n}"), "sync", "@hourly"));
        sleep(SOON).await;
        assert_eq!(agent.all("job.added").len(), n + 1);
    }
    assert_eq!(agent.all("engine.lost"), [], "the Engine was there all the time");
    assert_eq!(agent.all("job.removed"), []);
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_cuts_every_stream_at_once_is_not_stormed() {
    let agent = TestAgent::new().await;
    let before = agent.lists();
    for _ in 0..6000 {
        agent.engine.cut_event_streams();
        sleep(Duration::from_millis(50)).await;
    }
    let lists = agent.lists() - before;
    assert!((8..=30).contains(&lists), "{lists} lists in five minutes");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_be_read_means_a_new_list_and_nothing_else() {
    let agent = TestAgent::new().await;
    agent.start(with_job("web", "sync", "@hourly")).await;
    sleep(seconds(10)).await;
    agent.engine.garble_events();
    agent.engine.start(with_job("db", "dump", "@hourly"));
    sleep(SOON).await;
    assert_eq!(agent.job_events(), ["job.added web.sync", "job.added db.dump"]);
    assert_eq!(agent.all("engine.lost"), []);
}

#[tokio::test(start_paused = true)]
async fn an_event_of_a_type_that_nobody_knows_changes_nothing() {
    let agent = TestAgent::new().await;
    agent.start(with_job("web", "sync", "@hourly")).await;
    agent.engine.foreign_event();
    agent.engine.start(with_job("db", "dump", "@hourly"));
    sleep(SOON).await;
    assert_eq!(agent.job_events(), ["job.added web.sync", "job.added db.dump"]);
    assert_eq!(agent.all("engine.lost"), []);
}

#[tokio::test(start_paused = true)]
async fn a_container_in_a_state_that_nobody_knows_hides_no_other_one() {
    let agent = TestAgent::new().await;
    agent.start(with_job("web", "sync", "@hourly")).await;
    agent.engine.start(with_job("odd", "sync", "@hourly"));
    agent.engine.unknown_state("odd");
    agent.engine.start(with_job("db", "dump", "@hourly"));
    sleep(2 * MINUTE).await;
    assert_eq!(agent.of("job.added", "db.dump").len(), 1);
    assert_eq!(agent.of("job.removed", "web.sync"), []);
    assert_eq!(agent.all("engine.lost"), []);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_has_just_stopped_in_podman_hides_no_other_one() {
    let agent = TestAgent::new().await;
    agent.start(with_job("web", "sync", "@hourly")).await;
    agent.engine.start(with_job("odd", "sync", "@hourly"));
    agent.engine.stopped_in_podman("odd");
    agent.engine.start(with_job("db", "dump", "@hourly"));
    sleep(2 * MINUTE).await;
    assert_eq!(agent.of("job.added", "db.dump").len(), 1);
    assert_eq!(agent.of("job.removed", "web.sync"), []);
    assert_eq!(agent.all("engine.lost"), []);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_takes_connections_and_never_answers_counts_as_lost() {
    let agent = TestAgent::new().await;
    agent.start(with_job("web", "sync", "@hourly")).await;
    let hold = agent.engine.hold_lists();
    sleep(3 * MINUTE).await;
    assert_eq!(agent.all("engine.lost").len(), 1);
    assert_eq!(agent.all("job.removed"), []);
    hold.release();
    sleep(MINUTE).await;
    assert_eq!(agent.all("engine.connected").len(), 2);
    sleep(HOUR).await;
    assert_eq!(agent.outcomes("web.sync"), ["succeeded"]);
}
