//! How the agent ends: in stages, in time, and with a record of everything that it had begun.

use std::time::Duration;

use tokio::time::sleep;

use crate::support::{
    fake_engine::{ExecBehaviour, RunBehaviour},
    test_agent::{MINUTE, MOMENT, Setup, TestAgent, labelled, seconds, signalled, signals, with_job},
};

/// What the agent may take from the first signal, with the grace of eight seconds that holds by default.
const LIMIT: Duration = Duration::from_secs(8 + 2);

fn forever() -> ExecBehaviour {
    ExecBehaviour::exit(0).hold_until_killed()
}

#[tokio::test(start_paused = true)]
async fn an_idle_agent_ends_at_once() {
    let mut agent = TestAgent::new().await;
    agent.start(with_job("web", "sync", "@hourly")).await;
    agent.signal();
    assert!(agent.end().await < seconds(1));
    let told = agent.all("agent.stopping");
    assert_eq!(told.iter().map(|it| it.text("stage")).collect::<Vec<_>>(), ["drain", "drain"]);
    assert!(told[1].has("duration_seconds"), "{told:?}");
}

/// Mistake 30.
#[tokio::test(start_paused = true)]
async fn nothing_begins_any_more_although_it_is_due() {
    let mut agent = TestAgent::with(Setup::ini("[global]\nshutdown-grace = 5m\n")).await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(0).takes(4 * MINUTE));
    agent.start(with_job("web", "sync", "0 * * * *")).await;
    agent.start(with_job("db", "dump", "* * * * *").label("watchbell.job-exec.dump.overlap", "allow")).await;
    agent.sleep_until("01:00").await;
    sleep(MOMENT).await;
    let begun = agent.engine.execs().len();
    agent.signal();
    agent.engine.start(with_job("late", "sync", "* * * * *"));
    let took = agent.end().await;
    assert_eq!(agent.engine.execs().len(), begun);
    assert!(took > 3 * MINUTE && took < 5 * MINUTE, "it waits for what runs and no longer: {took:?}");
    assert_eq!(agent.outcomes("web.sync"), ["succeeded"]);
    assert!(agent.outcomes("db.dump").iter().all(|it| it == "succeeded"));
    assert_eq!(agent.of("job.added", "late.sync"), []);
}

#[tokio::test(start_paused = true)]
async fn occurrences_that_wait_their_turn_leave_their_records() {
    let mut agent = TestAgent::with(Setup::ini("[global]\nmax-concurrent-runs = 1\n")).await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(0).takes(seconds(75)));
    let queue = [
        ("exec.a.schedule", "* * * * *"),
        ("exec.a.command", "work"),
        ("exec.a.overlap", "queue"),
        ("exec.b.schedule", "2 * * * *"),
        ("exec.b.command", "work"),
    ];
    agent.engine.start(labelled("web", &queue));
    agent.sleep_until("00:02").await;
    sleep(MOMENT).await;
    assert_eq!(agent.handle.snapshot().waiting, 2);
    sleep(seconds(10)).await;
    agent.signal();
    sleep(MOMENT).await;
    for job in ["web.a", "web.b"] {
        let skipped = agent.of("run.skipped", job);
        assert_eq!(skipped.len(), 1);
        assert_eq!(skipped[0].text("occurrence"), "2026-01-05T00:02:00Z");
        assert!(skipped[0].text("reason").contains("shutting down"), "{skipped:?}");
    }
    agent.end().await;
    assert_eq!(agent.engine.execs().len(), 1);
    assert_eq!(agent.outcomes("web.a"), ["skipped", "succeeded"]);
}

/// Mistake 30.
#[tokio::test(start_paused = true)]
async fn a_run_that_goes_on_after_the_grace_is_stopped_and_recorded() {
    let mut agent = TestAgent::new().await;
    signalled(&agent.engine, &["TERM", "KILL"], forever);
    agent.start(with_job("web", "sync", "* * * * *")).await;
    agent.sleep_until("00:01").await;
    sleep(seconds(5)).await;
    agent.signal();
    let took = agent.end().await;
    assert!(took >= seconds(8) && took < seconds(9), "{took:?}");
    assert_eq!(signals(&agent.engine)[0], ("TERM".to_owned(), 60 + 5 + 8));
    let finished = agent.one("run.finished");
    assert_eq!(finished.text("outcome"), "stopped");
    assert_eq!(finished.text("reason"), "the agent is shutting down");
    assert_eq!(agent.engine.execs()[0].exit, Some(143));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ignores_the_request_is_killed_in_time() {
    let mut agent = TestAgent::new().await;
    signalled(&agent.engine, &["KILL"], forever);
    agent.start(with_job("web", "sync", "* * * * *")).await;
    agent.sleep_until("00:01").await;
    sleep(seconds(5)).await;
    agent.signal();
    let took = agent.end().await;
    assert!(took <= LIMIT, "{took:?}");
    let sent: Vec<_> = signals(&agent.engine).into_iter().map(|(signal, _)| signal).collect();
    assert_eq!(sent, ["TERM", "KILL"]);
    assert_eq!(agent.outcomes("web.sync"), ["stopped"]);
    assert_eq!(agent.engine.execs()[0].exit, Some(137));
}

/// A run that is given up leaves a record as well.
/// Mistake 30.
#[tokio::test(start_paused = true)]
async fn a_run_that_cannot_be_ended_is_left_and_the_record_says_so() {
    let mut agent = TestAgent::new().await;
    signalled(&agent.engine, &[], forever);
    agent.start(with_job("web", "sync", "* * * * *")).await;
    agent.sleep_until("00:01").await;
    sleep(seconds(5)).await;
    agent.signal();
    let took = agent.end().await;
    assert!(took <= LIMIT, "{took:?}");
    let finished = agent.one("run.finished");
    assert_eq!(finished.text("outcome"), "stopped");
    assert!(finished.text("reason").contains("still running"), "{finished:?}");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_answers_nothing_does_not_hold_up_the_end() {
    let mut agent = TestAgent::new().await;
    agent.start(with_job("web", "sync", "* * * * *")).await;
    agent.start(with_job("db", "dump", "* * * * *")).await;
    let _create = agent.engine.hold("POST /containers/*/exec");
    agent.sleep_until("00:01").await;
    sleep(seconds(5)).await;
    agent.signal();
    let took = agent.end().await;
    assert!(took <= LIMIT, "{took:?}");
    assert_eq!(agent.all("run.finished").len(), 2, "each occurrence has its record");
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_is_immediate() {
    let mut agent = TestAgent::new().await;
    signalled(&agent.engine, &["TERM", "KILL"], forever);
    agent.start(with_job("web", "sync", "* * * * *")).await;
    agent.sleep_until("00:01").await;
    sleep(seconds(5)).await;
    agent.signal();
    sleep(seconds(2)).await;
    assert_eq!(signals(&agent.engine), []);
    agent.signal();
    let took = agent.end().await;
    assert!(took < seconds(1), "{took:?}");
    assert_eq!(agent.outcomes("web.sync"), ["stopped"]);
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_is_immediate_even_where_nothing_can_be_ended() {
    let mut agent = TestAgent::new().await;
    signalled(&agent.engine, &[], forever);
    agent.start(with_job("web", "sync", "* * * * *")).await;
    agent.sleep_until("00:01").await;
    sleep(seconds(5)).await;
    agent.signal();
    agent.signal();
    let took = agent.end().await;
    assert!(took < seconds(1), "{took:?}");
    assert_eq!(agent.outcomes("web.sync"), ["stopped"]);
}

const RUN: &str = "[job-run \"backup\"]\nschedule = * * * * *\nimage = backup:1\n";

#[tokio::test(start_paused = true)]
async fn a_container_that_goes_on_after_the_grace_is_left_to_the_next_agent_which_records_it() {
    let folder = tempfile::tempdir().unwrap();
    let setup = || Setup { state_dir: Some(folder.path().to_owned()), ..Setup::ini(RUN) };
    let mut agent = TestAgent::with(setup()).await;
    let (clock, engine) = (agent.clock(), agent.engine.clone());
    engine.on_run(|_| {
        RunBehaviour::exit(3).stdout("one\n").takes(seconds(30)).stdout_after(seconds(20), "two\n")
    });
    agent.sleep_until("00:01").await;
    sleep(seconds(5)).await;
    let run = agent.one("run.started").text("run");
    agent.signal();
    let took = agent.end().await;
    assert!(took >= seconds(8) && took < seconds(9), "{took:?}");
    assert_eq!(agent.outcomes("backup"), [""; 0]);
    assert_eq!(engine.container_names().len(), 1, "it goes on");
    drop(agent);

    let agent = TestAgent::on(clock, engine, setup());
    let adopted = agent.wait_for("run.adopted", 1).await;
    assert_eq!(adopted.text("run"), run);
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!((finished.text("run"), finished.text("outcome")), (run, "failed".into()));
    assert_eq!(agent.output("backup"), ["stdout: two"], "what the last agent told is not told again");
    sleep(MOMENT).await;
    assert_eq!(agent.engine.container_names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ends_by_itself_within_the_grace_has_its_own_outcome() {
    let mut agent = TestAgent::new().await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(3).stdout_after(seconds(9), "late\n"));
    agent.start(with_job("web", "sync", "* * * * *")).await;
    agent.sleep_until("00:01").await;
    sleep(seconds(5)).await;
    agent.signal();
    assert!(agent.end().await < seconds(6));
    assert_eq!(agent.outcomes("web.sync"), ["failed"]);
    assert_eq!(agent.output("web.sync"), ["stdout: late"]);
}

#[tokio::test(start_paused = true)]
async fn every_run_that_began_has_one_record_at_the_end() {
    let mut agent = TestAgent::new().await;
    signalled(&agent.engine, &["KILL"], forever);
    for n in 0..40 {
        agent.engine.start(with_job(&format!("web{n}"), "sync", "* * * * *"));
    }
    sleep(3 * MINUTE).await;
    agent.signal();
    assert!(agent.end().await <= LIMIT);
    let finished = agent.all("run.finished");
    assert_eq!(finished.len(), 40);
    assert!(finished.iter().all(|it| it.text("outcome") == "stopped"));
}
