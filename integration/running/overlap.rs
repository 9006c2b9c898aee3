//! A job that is due while its last run goes on.

use tokio::time::sleep;

use crate::support::{
    fake_engine::{ContainerSpec, ExecBehaviour, RunBehaviour},
    test_agent::{MINUTE, MOMENT, Setup, TestAgent, seconds, signalled, signals, with_job},
};

/// Due every minute, and each run takes 150 seconds.
async fn agent(policy: &str) -> TestAgent {
    let agent = TestAgent::new().await;
    signalled(&agent.engine, &["TERM"], || ExecBehaviour::exit(0).takes(seconds(150)));
    let container: ContainerSpec =
        with_job("web", "sync", "* * * * *").label("watchbell.job-exec.sync.overlap", policy);
    agent.start(container).await;
    agent
}

#[tokio::test(start_paused = true)]
async fn skip_skips_with_the_reason() {
    let agent = agent("skip").await;
    agent.sleep_until("00:04").await;
    sleep(MOMENT).await;
    assert_eq!(agent.outcomes("web.sync"), ["skipped", "skipped", "succeeded"]);
    let started = agent.all("run.started");
    assert_eq!(started.len(), 2);
    let skipped = &agent.all("run.skipped")[1];
    assert_eq!(
        skipped.text("reason"),
        format!("run {} of web.sync is still running after 2m", started[0].text("run"))
    );
    assert_eq!(skipped.text("occurrence"), "2026-01-05T00:03:00Z");
}

#[tokio::test(start_paused = true)]
async fn allow_runs_beside() {
    let agent = agent("allow").await;
    sleep(10 * MINUTE + MOMENT).await;
    assert_eq!(agent.all("run.started").len(), 10);
    assert_eq!(agent.handle.snapshot().running, 3);
    assert!(agent.outcomes("web.sync").iter().all(|it| it == "succeeded"));
}

#[tokio::test(start_paused = true)]
async fn queue_lets_one_wait_and_skips_the_others() {
    let agent = agent("queue").await;
    // Due at 1, 2, 3 and 4: 1 runs until 3:30, 2 until 6:00, and what comes meanwhile waits singly.
    agent.sleep_until("00:06").await;
    sleep(MOMENT).await;
    let waited: Vec<_> = agent.all("run.started").iter().map(|it| it.text("occurrence")).collect();
    assert_eq!(waited, ["2026-01-05T00:01:00Z", "2026-01-05T00:02:00Z", "2026-01-05T00:04:00Z"]);
    assert!(
        agent.all("run.skipped")[0].text("reason").contains("an earlier occurrence waits for it already")
    );
}

#[tokio::test(start_paused = true)]
async fn replace_stops_the_old_run_and_then_starts_the_new_one() {
    let agent = agent("replace").await;
    agent.sleep_until("00:03").await;
    sleep(seconds(1)).await;
    let sent: Vec<_> = signals(&agent.engine).into_iter().filter(|(signal, _)| signal == "TERM").collect();
    assert_eq!(sent, [("TERM".to_owned(), 120), ("TERM".to_owned(), 180)]);
    assert_eq!(agent.outcomes("web.sync"), ["stopped", "stopped"]);
    assert_eq!(agent.all("run.finished")[0].text("reason"), "the next occurrence replaces it");
    assert_eq!(agent.all("run.started").len(), 3);
    let execs = agent.engine.execs();
    let work: Vec<_> = execs.iter().filter(|exec| exec.cmd == ["work"]).collect();
    assert!(work[0].ended <= work[1].started, "never both at once: {work:?}");
}

/// Mistake 34.
#[tokio::test(start_paused = true)]
async fn runs_of_one_job_that_overlap_have_a_container_each_and_remove_their_own() {
    let file = "[job-run \"backup\"]\nschedule = * * * * *\nimage = backup:1\noverlap = allow\n";
    let agent = TestAgent::with(Setup::ini(file)).await;
    agent.engine.on_run(|_| RunBehaviour::exit(0).takes(seconds(150)));
    agent.sleep_until("00:03").await;
    sleep(MOMENT).await;
    let names = |minutes: &[i64]| {
        let start = 1_767_571_200;
        minutes.iter().map(|it| format!("watchbell-backup-{}", start + it * 60)).collect::<Vec<_>>()
    };
    assert_eq!(agent.engine.container_names(), names(&[1, 2, 3]));
    sleep(seconds(31)).await;
    assert_eq!(agent.engine.container_names(), names(&[2, 3]), "the first has removed its own, and no other");
    sleep(MINUTE).await;
    assert_eq!(agent.engine.container_names(), names(&[3, 4]));
    assert_eq!(agent.outcomes("backup"), ["succeeded", "succeeded"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_goes_on_does_not_hold_up_other_jobs() {
    let agent = agent("skip").await;
    agent.start(with_job("db", "dump", "2 * * * *")).await;
    agent.sleep_until("00:02").await;
    sleep(MOMENT).await;
    assert_eq!(agent.of("run.started", "db.dump").len(), 1);
    assert_eq!(agent.handle.snapshot().running, 2);
}
