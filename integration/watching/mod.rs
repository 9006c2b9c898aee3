//! What the agent makes of the containers that it sees.

mod changes;
mod outages;
mod pace;
mod replicas;
mod services;
mod trust;

use std::time::Duration;

use tokio::time::sleep;

use crate::support::{
    fake_engine::{ContainerSpec, ExecBehaviour, Gate},
    test_agent::{
        AT_ONCE, HOUR, MINUTE, MOMENT, Setup, TestAgent, clock, engine, labelled, seconds, with_job,
    },
};

/// One job of each kind that needs no label.
const FILE: &str = "[job-exec \"tidy\"]\nschedule = @hourly\ncommand = tidy\ncontainer = web\n\
                    [job-run \"backup\"]\nschedule = @daily\nimage = backup:1\n\
                    [job-local \"rotate\"]\nschedule = @yearly\ncommand = rotate\n";

#[tokio::test(start_paused = true)]
async fn a_labelled_container_that_starts_brings_its_job_at_once() {
    let agent = TestAgent::new().await;
    sleep(seconds(10)).await;
    let before = agent.now();
    agent.start(with_job("web", "sync", "30 4 * * *")).await;
    let added = agent.one("job.added");
    assert!(added.at().duration_since(before) <= AT_ONCE.try_into().unwrap(), "{added:?}");
    assert_eq!(added.text("job"), "web.sync");
    assert_eq!(added.text("origin"), "container web (label watchbell.job-exec.sync.schedule)");
    assert_eq!(added.text("container"), "web");
    assert!(added.text("words").contains("04:30"), "{added:?}");
    let next: Vec<String> = added.next().iter().map(ToString::to_string).collect();
    assert_eq!(next, ["2026-01-05T04:30:00Z", "2026-01-06T04:30:00Z", "2026-01-07T04:30:00Z"]);
    assert_eq!(agent.engine.unknown_requests(), [""; 0]);
}

/// Mistake 2.
#[tokio::test(start_paused = true)]
async fn the_last_labelled_container_takes_its_jobs_along() {
    let agent = TestAgent::new().await;
    agent.start(with_job("web", "sync", "* * * * *")).await;
    agent.engine.remove("web");
    sleep(AT_ONCE).await;
    assert_eq!(agent.job_events(), ["job.added web.sync", "job.removed web.sync"]);
    assert_eq!(agent.handle.snapshot().jobs, 0);
    sleep(HOUR).await;
    assert_eq!(agent.engine.execs(), []);
}

/// Mistake 3.
#[tokio::test(start_paused = true)]
async fn a_change_of_labels_leaves_the_jobs_of_the_file() {
    let agent = TestAgent::with(Setup::ini(FILE)).await;
    assert_eq!(agent.all("job.added").len(), 3);
    agent.start(with_job("web", "sync", "@hourly")).await;
    agent.replace("web", with_job("web", "sync", "@daily"));
    sleep(MINUTE).await;
    agent.engine.remove("web");
    sleep(2 * MINUTE).await;
    let removed: Vec<_> = agent.all("job.removed").iter().map(|it| it.text("job")).collect();
    assert_eq!(removed, ["web.sync"]);
    assert_eq!(agent.handle.snapshot().jobs, 3);
}

/// Mistake 6.
#[tokio::test(start_paused = true)]
async fn a_label_that_cannot_be_understood_costs_its_own_job_only() {
    let agent = TestAgent::new().await;
    let mut container = ContainerSpec::new("web").label("watchbell.enabled", "true");
    for n in 0..10 {
        container = container
            .label(format!("watchbell.job-exec.j{n}.schedule"), "@hourly")
            .label(format!("watchbell.job-exec.j{n}.command"), "work");
    }
    let container = container
        .label("watchbell.job-exec.j1.schedule", "0 0 30 2 *")
        .label("watchbell.job-exec.j2.command", "echo 'open")
        .label("watchbell.job-exec.j3.timeot", "5m")
        .label("watchbell.job-exec.\u{fffd}\u{1}.schedule", "@daily")
        .label("watchbell.job-exec", "\u{0}");
    agent.engine.start(container);
    agent.engine.start(with_job("db", "dump", "@daily"));
    sleep(AT_ONCE).await;
    assert_eq!(agent.all("job.added").len(), 7 + 1);
    let rejected: Vec<_> = agent.all("job.rejected");
    for (job, label, reason) in [
        ("web.j1", "watchbell.job-exec.j1.schedule", "never comes"),
        ("web.j2", "watchbell.job-exec.j2.command", "a quote that is not closed"),
        ("web.j3", "watchbell.job-exec.j3.timeot", "did you mean \"timeout\"?"),
    ] {
        let found: Vec<_> = rejected.iter().filter(|it| it.text("job") == job).collect();
        assert_eq!(found.len(), 1, "{rejected:?}");
        assert_eq!(found[0].text("origin"), format!("container web (label {label})"));
        assert!(found[0].text("reason").contains(reason), "{found:?}");
    }
    assert_eq!(rejected.len(), 3);
    assert_eq!(agent.all("config.rejected").len(), 2, "{:#?}", agent.records());

    let told = agent.records().len();
    agent.engine.start(ContainerSpec::new("other"));
    sleep(10 * MINUTE).await;
    assert_eq!(agent.records().len(), told, "nothing is said twice");
}

/// Mistake 8.
#[tokio::test(start_paused = true)]
async fn a_change_does_not_wait_for_a_run_that_goes_on() {
    let agent = TestAgent::new().await;
    let gate = Gate::new();
    let held = gate.clone();
    agent.engine.on_exec(move |_| ExecBehaviour::exit(0).hold_until_released(&held));
    agent.start(with_job("web", "sync", "* * * * *")).await;
    agent.wait_for("run.started", 1).await;

    agent.engine.start(with_job("db", "dump", "@daily"));
    sleep(AT_ONCE).await;
    assert_eq!(agent.of("job.added", "db.dump").len(), 1);
    agent.engine.remove("db");
    sleep(seconds(1)).await;
    assert_eq!(agent.of("job.removed", "db.dump").len(), 1);
    assert!(agent.handle.ping().await);
    assert_eq!(agent.handle.snapshot().running, 1);
    gate.release();
    agent.wait_for("run.finished", 1).await;
    assert_eq!(agent.outcomes("web.sync"), ["succeeded"]);
}

/// Mistake 12.
#[tokio::test(start_paused = true)]
async fn an_agent_without_jobs_stays() {
    let agent = TestAgent::new().await;
    assert_eq!(agent.handle.snapshot().jobs, 0);
    sleep(24 * HOUR).await;
    assert!(agent.handle.ping().await);
    assert!(!agent.has_ended());
    agent.start(with_job("web", "sync", "* * * * *")).await;
    agent.wait_for("run.finished", 1).await;
}

#[tokio::test(start_paused = true)]
async fn local_jobs_are_on_the_schedule_before_the_engine_appears_and_the_others_when_it_does() {
    let clock = clock();
    let engine = engine(&clock);
    engine.down();
    engine.start(with_job("web", "sync", "@hourly"));
    let agent = TestAgent::on(clock, engine, Setup::ini(FILE));
    sleep(MOMENT).await;
    assert_eq!(agent.job_events(), ["job.added rotate"]);
    sleep(5 * MINUTE).await;
    assert_eq!(agent.job_events(), ["job.added rotate"]);
    let snapshot = agent.handle.snapshot();
    assert_eq!((snapshot.ready, snapshot.jobs), (false, 1));
    assert_eq!(agent.all("engine.lost").len(), 1);

    agent.engine.up();
    agent.wait_for("agent.ready", 1).await;
    let added: Vec<_> = agent.all("job.added").iter().map(|it| it.text("job")).collect();
    assert_eq!(added, ["rotate", "backup", "tidy", "web.sync"]);
    assert!(agent.handle.snapshot().ready);
    assert_eq!(agent.all("engine.connected").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_container_is_stopped_stays_and_its_occurrences_are_skipped_with_the_reason() {
    let agent = TestAgent::new().await;
    agent.start(with_job("web", "sync", "* * * * *")).await;
    agent.sleep_until("00:01").await;
    sleep(MOMENT).await;
    assert_eq!(agent.outcomes("web.sync"), ["succeeded"]);
    agent.engine.stop("web");
    agent.sleep_until("00:02").await;
    sleep(MOMENT).await;
    let skipped = agent.one("run.skipped");
    assert_eq!(skipped.text("reason"), "container web is not running");
    assert_eq!(skipped.text("occurrence"), "2026-01-05T00:02:00Z");
    agent.engine.start_again("web");
    agent.sleep_until("00:03").await;
    sleep(MOMENT).await;
    assert_eq!(agent.outcomes("web.sync"), ["succeeded", "skipped", "succeeded"]);
    assert_eq!(agent.job_events(), ["job.added web.sync"], "the job was there all the time");
}

#[tokio::test(start_paused = true)]
async fn an_occurrence_while_the_container_is_paused_is_skipped_with_the_reason() {
    let agent = TestAgent::new().await;
    agent.start(with_job("web", "sync", "* * * * *")).await;
    agent.engine.pause("web");
    agent.sleep_until("00:01").await;
    sleep(seconds(6)).await;
    let skipped = agent.one("run.skipped");
    assert_eq!(skipped.text("reason"), "container web is paused, and still was after 5s");
    // What lasts a moment costs no occurrence.
    agent.sleep_until("00:02").await;
    sleep(seconds(2)).await;
    agent.engine.unpause("web");
    sleep(seconds(2)).await;
    assert_eq!(agent.outcomes("web.sync"), ["skipped", "succeeded"]);
    assert_eq!(agent.job_events(), ["job.added web.sync"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_agent_makes_itself_defines_no_job_and_is_no_mistake() {
    let agent = TestAgent::with(Setup::ini(
        "[job-run \"backup\"]\nschedule = * * * * *\nimage = backup:1\noverlap = allow\n",
    ))
    .await;
    agent
        .engine
        .on_run(|_| crate::support::fake_engine::RunBehaviour::exit(0).takes(Duration::from_secs(90)));
    sleep(10 * MINUTE).await;
    let doubtful: Vec<_> = agent
        .records()
        .into_iter()
        .filter(|it| it.text("event").starts_with("config.") || it.text("event") == "job.rejected")
        .collect();
    assert_eq!(doubtful, []);
    assert_eq!(agent.job_events(), ["job.added backup"]);
    // An image's labels are those of every container that is made of it.
    assert!(agent.outcomes("backup").len() >= 8);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_not_enabled_is_listed_and_never_due() {
    let agent = TestAgent::new().await;
    let off = with_job("web", "sync", "* * * * *").label("watchbell.job-exec.sync.enabled", "no");
    agent.start(off).await;
    let added = agent.one("job.added");
    assert_eq!((added.text("enabled"), added.next()), ("false".to_owned(), vec![]));
    sleep(HOUR).await;
    assert_eq!(agent.handle.snapshot().jobs, 1);
    assert_eq!(agent.outcomes("web.sync"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_compose_made_for_one_command_is_no_replica() {
    let agent = TestAgent::new().await;
    let job = [("exec.sync.schedule", "@hourly"), ("exec.sync.command", "work")];
    agent.engine.start(
        labelled("shop_web_run_1", &job).compose("shop", "web", 1).label("com.docker.compose.oneoff", "True"),
    );
    sleep(seconds(2)).await;
    assert_eq!(agent.job_events(), [""; 0]);
    agent.start(labelled("shop-web-1", &job).compose("shop", "web", 1)).await;
    agent.engine.remove("shop-web-1");
    sleep(seconds(2)).await;
    assert_eq!(agent.job_events(), ["job.added shop.web.sync", "job.removed shop.web.sync"]);
}
