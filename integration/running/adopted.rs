//! What an agent that was killed left in the middle of ending something, and what the next one makes of it.

use std::time::Duration;

use tempfile::TempDir;
use tokio::time::sleep;
use watchbell::{
    model::{
        name::JobId,
        run::{RunId, StopCause},
    },
    time::Clock,
};

use crate::support::{
    fake_engine::{ContainerSpec, ExecBehaviour, FakeEngine, RunBehaviour},
    test_agent::{MINUTE, MOMENT, Setup, TestAgent, clock, engine, seconds, signalled, signals, with_job},
};

/// A state directory and an Engine on which one agent follows the other.
struct Home {
    folder: TempDir,
    clock: Clock,
    engine: FakeEngine,
    ini: String,
}

impl Home {
    fn new(ini: &str) -> Self {
        let clock = clock();
        let engine = engine(&clock);
        Self { folder: tempfile::tempdir().unwrap(), clock, engine, ini: ini.to_owned() }
    }

    async fn agent(&self) -> TestAgent {
        let setup = Setup { state_dir: Some(self.folder.path().to_owned()), ..Setup::ini(&self.ini) };
        let agent = TestAgent::on(self.clock.clone(), self.engine.clone(), setup);
        agent.wait_for("agent.ready", 1).await;
        agent
    }

    /// Lets an agent begin a run of this job, asks it to end a second later, and kills the agent half a second after
    /// that.
    async fn stopped(&self, job: &str) -> RunId {
        let agent = self.agent().await;
        let run = agent.handle.run_now(JobId::plain(job)).await.unwrap().remove(0);
        sleep(seconds(1)).await;
        agent.handle.stop_run(run.clone(), StopCause::Operator).await.unwrap();
        sleep(Duration::from_millis(500)).await;
        assert_eq!(agent.outcomes(job), [""; 0]);
        run
    }
}

const RUN: &str =
    "[job-run \"backup\"]\nschedule = @daily\nimage = backup:1\nretries = 2\ngrace-period = 4s\n";

fn stubborn() -> RunBehaviour {
    RunBehaviour::exit(0).hold_until_killed().ignores_term()
}

#[tokio::test(start_paused = true)]
async fn a_run_that_an_operator_ended_is_stopped_also_where_its_container_ended_without_an_agent() {
    let home = Home::new(RUN);
    home.engine.on_run(|_| stubborn());
    let run = home.stopped("backup").await;
    home.engine.kill(&home.engine.container_names()[0]);
    let agent = home.agent().await;
    let finished = agent.wait_for("run.finished", 1).await;
    let said = ["run", "outcome", "reason", "attempt"].map(|key| finished.text(key));
    assert_eq!(said, [&*run.0, "stopped", "an operator stopped it", "1"]);
    sleep(10 * MINUTE).await;
    assert_eq!(agent.all("run.started").len(), 0, "no further attempt is made");
    assert_eq!(home.engine.container_names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_ended_and_goes_on_is_ended_by_the_next_agent() {
    let home = Home::new(RUN);
    home.engine.on_run(|_| stubborn());
    home.engine.fail("POST /containers/*/stop", 1, 500, "not now");
    let run = home.stopped("backup").await;
    let agent = home.agent().await;
    let finished = agent.wait_for("run.finished", 1).await;
    let said = ["run", "outcome", "reason"].map(|key| finished.text(key));
    assert_eq!(said, [&*run.0, "stopped", "an operator stopped it"]);
    let took = finished.number("duration_seconds");
    assert!((5.0..7.0).contains(&took), "its grace period and no more: {took}");

    let home = Home::new("");
    signalled(&home.engine, &["KILL"], || ExecBehaviour::exit(0).hold_until_killed());
    home.engine.start(with_job("web", "sync", "@daily").label("watchbell.job-exec.sync.retries", "2"));
    let run = home.stopped("web.sync").await;
    let agent = home.agent().await;
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!((finished.text("run"), finished.text("outcome")), (run.to_string(), "stopped".into()));
    let sent: Vec<String> = signals(&home.engine).into_iter().map(|(signal, _)| signal).collect();
    assert_eq!(sent, ["TERM", "TERM", "KILL"], "asked again, and killed after its grace period");
}

#[tokio::test(start_paused = true)]
async fn what_took_too_long_has_timed_out_also_where_its_container_ended_without_an_agent() {
    let home = Home::new(&format!("{RUN}timeout = 5s\n").replace("retries = 2\n", ""));
    home.engine.on_run(|_| stubborn());
    let agent = home.agent().await;
    agent.handle.run_now(JobId::plain("backup")).await.unwrap();
    sleep(seconds(6)).await;
    drop(agent);
    home.engine.kill(&home.engine.container_names()[0]);
    let agent = home.agent().await;
    assert_eq!(agent.wait_for("run.finished", 1).await.text("outcome"), "timed-out");
}

/// What counts as running until it has gone does so whichever agent looks.
async fn is_counted_by_each_agent(home: &Home, job: &str, end: impl FnOnce()) {
    let agent = home.agent().await;
    let gave_up = agent.wait_for_job("run.finished", job, 1).await;
    assert!(gave_up.text("reason").contains("still running"), "{gave_up:?}");
    let run = gave_up.text("run");
    let counted = async |agent: &TestAgent| {
        let skipped = agent.wait_for_job("run.skipped", job, 1).await;
        assert!(
            skipped.text("reason").contains(&format!("run {run} of {job} is still running")),
            "{skipped:?}"
        );
        // Of the same group, and no longer than it waits for that.
        let other = agent.wait_for_job("run.skipped", "other", 1).await;
        assert!(other.text("reason").contains(&run), "{other:?}");
        assert_eq!(agent.of("run.started", "other").len(), 0);
    };
    counted(&agent).await;
    drop(agent);
    for _ in 0..2 {
        let agent = home.agent().await;
        counted(&agent).await;
        assert_eq!(agent.all("run.leftover"), []);
    }
    let agent = home.agent().await;
    end();
    agent.wait_for_job("run.started", job, 1).await;
}

/// It is due while that goes on.
const OTHER: &str =
    "[job-local \"other\"]\nschedule = 30 1-59 * * * *\ncommand = true\ngroup = disk\ngroup-wait = 30s\n";

#[tokio::test(start_paused = true)]
async fn a_command_that_cannot_be_ended_counts_as_running_for_the_next_agents_too() {
    let home = Home::new(OTHER);
    signalled(&home.engine, &[], || ExecBehaviour::exit(0).hold_until_killed());
    let labels = [("timeout", "10s"), ("grace-period", "1s"), ("group", "disk")];
    let labels = labels.map(|(name, value)| (format!("watchbell.job-exec.sync.{name}"), value));
    home.engine.start(with_job("web", "sync", "* * * * *").labels(labels));
    is_counted_by_each_agent(&home, "web.sync", || {
        let exec = home.engine.execs().remove(0).id;
        assert!(home.engine.end_exec(&exec, 0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_container_that_cannot_be_ended_counts_as_running_until_it_has_gone_and_is_removed_then() {
    let job = "[job-run \"backup\"]\nschedule = * * * * *\nimage = backup\ntimeout = 10s\ngrace-period = 1s\ngroup = disk\n";
    let home = Home::new(&format!("{job}{OTHER}"));
    home.engine.on_run(|_| stubborn());
    home.engine.fail("POST /containers/*/stop", 1, 500, "stuck");
    home.engine.fail("POST /containers/*/kill", 1, 500, "stuck");
    home.engine.fail("DELETE /containers/*", 3, 500, "stuck");
    let first = "watchbell-backup-1767571260";
    is_counted_by_each_agent(&home, "backup", || home.engine.kill(first)).await;
    sleep(MOMENT).await;
    assert!(!home.engine.container_names().iter().any(|name| name == first));
}

#[tokio::test(start_paused = true)]
async fn a_container_that_was_there_before_stays_when_it_could_not_be_ended_and_has_gone() {
    let job =
        "[job-run \"report\"]\nschedule = * * * * *\ncontainer = report\ntimeout = 10s\ngrace-period = 1s\n";
    let home = Home::new(job);
    home.engine.create(ContainerSpec::new("report"));
    home.engine.fail("POST /containers/*/stop", 1, 500, "stuck");
    home.engine.fail("POST /containers/*/kill", 1, 500, "stuck");
    let agent = home.agent().await;
    let gave_up = agent.wait_for("run.finished", 1).await;
    assert!(gave_up.text("reason").contains("still running"), "{gave_up:?}");
    drop(agent);
    let agent = home.agent().await;
    agent.wait_for("run.skipped", 1).await;
    home.engine.kill("report");
    agent.wait_for("run.started", 1).await;
    assert_eq!(home.engine.container_names(), ["report"], "it is somebody's, and not ours to remove");
    assert_eq!(home.engine.count("DELETE /containers/*"), 0);
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_while_its_store_is_lost_is_known_by_its_labels_and_holds_off_the_next() {
    let job = "[job-run \"backup\"]\nschedule = * * * * *\nimage = backup\ntimeout = 3m\ngrace-period = 1s\n";
    let home = Home::new(job);
    home.engine.on_run(|_| stubborn().stdout("one\n"));
    let agent = home.agent().await;
    let started = agent.wait_for("run.started", 1).await;
    sleep(MOMENT).await;
    drop(agent);
    sleep(2 * MINUTE).await;
    std::fs::write(home.folder.path().join("watchbell.db"), [0x5a; 4096 * 3]).unwrap();
    for companion in ["watchbell.db-wal", "watchbell.db-shm"] {
        let _ = std::fs::remove_file(home.folder.path().join(companion));
    }
    let agent = home.agent().await;
    let adopted = agent.wait_for("run.adopted", 1).await;
    assert_eq!(adopted.text("run"), started.text("run"));
    let told = agent.one("config.rejected").text("reason");
    assert!(told.contains("put aside") && told.contains("paused"), "{told}");
    assert_eq!(agent.handle.snapshot().problems, 1, "it stays a problem");
    let skipped = agent.wait_for_job("run.skipped", "backup", 1).await;
    assert!(skipped.text("reason").contains(&started.text("run")), "{skipped:?}");
    let ended = agent.wait_for("run.finished", 1).await;
    let said = ["run", "outcome", "trigger"].map(|key| ended.text(key));
    assert_eq!(said, [&*started.text("run"), "timed-out", "schedule"], "by the terms of its job");
    assert!((180.0..183.0).contains(&ended.number("duration_seconds")), "{ended:?}");
    sleep(MOMENT).await;
    let reader = watchbell::history::query::Reader::open(home.folder.path()).unwrap().unwrap();
    let (row, attempts) = reader.run(&RunId(started.text("run").as_str().into())).unwrap().unwrap();
    assert_eq!((row.end.unwrap().outcome.as_str(), attempts.len()), ("timed-out", 1));
    assert_eq!(agent.all("run.leftover"), []);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_whose_container_was_made_and_not_entered_is_made_or_followed() {
    for started in [false, true] {
        let home = Home::new(&format!("{RUN}retry-delay = 10s\n"));
        let tries = std::sync::atomic::AtomicI64::new(0);
        home.engine.on_run(move |_| {
            let nth = tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            RunBehaviour::exit(i64::from(nth == 0)).takes(seconds(1))
        });
        let agent = home.agent().await;
        let run = agent.handle.run_now(JobId::plain("backup")).await.unwrap().remove(0);
        agent.wait_for("run.attempt_failed", 1).await;
        let hold = home.engine.hold_answers("POST /containers/create");
        sleep(seconds(11)).await;
        drop(agent);
        let names = home.engine.container_names();
        assert_eq!(names.len(), 1, "it is made, and nobody knows: {names:?}");
        if started {
            home.engine.start_again(&names[0]);
        }
        hold.release();
        let agent = home.agent().await;
        let finished = agent.wait_for("run.finished", 1).await;
        let said = ["run", "outcome", "attempt"].map(|key| finished.text(key));
        assert_eq!(said, [&*run.0, "succeeded", "2"], "{finished:?}");
        sleep(MOMENT).await;
        assert_eq!(home.engine.container_names(), [""; 0]);
        assert_eq!(home.engine.created().len(), if started { 2 } else { 3 });
    }
}
