//! From the due moment to the record.

mod action;
mod adopted;
mod each_replica;
mod ending;
mod for_ever;
mod halts;
mod history;
mod in_container;
mod like;
mod local;
mod made;
mod means;
mod missed;
mod new_container;
mod operator;
mod overlap;
mod pulls;
mod retries;
mod service;

use std::time::Duration;

use tokio::time::{advance, sleep};

use crate::support::{
    fake_engine::ExecBehaviour,
    test_agent::{HOUR, MINUTE, MOMENT, Setup, TestAgent, labelled, seconds, with_job},
};

/// Mistake 14, and the whole of a day: one record an occurrence, neither more nor fewer.
#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "that a day takes little real time is a part of the promise")]
async fn a_day_of_a_job_every_five_minutes_leaves_one_record_for_each_of_288_occurrences() {
    let real = std::time::Instant::now();
    let agent = TestAgent::new().await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(0).stdout("ok\n").takes(seconds(20)));
    agent.start(with_job("web", "sync", "*/5 * * * *")).await;
    sleep(24 * HOUR + MINUTE).await;
    let finished = agent.of("run.finished", "web.sync");
    assert_eq!(finished.len(), 288);
    let mut occurrences: Vec<_> = finished.iter().map(|it| it.text("occurrence")).collect();
    occurrences.dedup();
    assert_eq!(occurrences.len(), 288);
    assert_eq!(occurrences[0], "2026-01-05T00:05:00Z");
    assert_eq!(occurrences[287], "2026-01-06T00:00:00Z");
    assert!(finished.iter().all(|it| it.text("outcome") == "succeeded"));
    let started = agent.all("run.started");
    assert!(started.iter().all(|it| it.number("start_delay_seconds") < 0.1));
    assert_eq!(agent.engine.execs().len(), 288);
    assert_eq!(agent.output("web.sync").len(), 288);
    assert!(real.elapsed() < seconds(60), "{:?}", real.elapsed());
}

/// Mistake 14.
#[tokio::test(start_paused = true)]
async fn five_fields_begin_with_the_minute_and_six_with_the_second() {
    let agent = TestAgent::new().await;
    agent.start(with_job("a", "five", "* * * * *")).await;
    agent.start(with_job("b", "six", "*/10 * * * * *")).await;
    sleep(10 * MINUTE + MOMENT).await;
    assert_eq!(agent.outcomes("a.five").len(), 10);
    assert_eq!(agent.outcomes("b.six").len(), 60);
}

/// Mistake 15. The machine was busy for two seconds when the moment came.
#[tokio::test(start_paused = true)]
async fn a_run_that_is_two_seconds_late_still_runs() {
    let agent = TestAgent::new().await;
    agent.start(with_job("web", "sync", "0 * * * *")).await;
    sleep(seconds(3599)).await;
    advance(seconds(3)).await;
    sleep(seconds(1)).await;
    assert_eq!(agent.outcomes("web.sync"), ["succeeded"]);
    let late = agent.one("run.started").number("start_delay_seconds");
    assert!((1.5..3.0).contains(&late), "{late}");
    assert_eq!(agent.all("run.missed"), []);
}

/// Mistake 15. There was no room when the moment came.
#[tokio::test(start_paused = true)]
async fn a_run_that_waits_for_others_runs_after_them() {
    let agent = TestAgent::with(Setup::ini("[global]\nmax-concurrent-runs = 1\n")).await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(0).takes(seconds(20)));
    for name in ["first", "second", "third", "zero"] {
        agent.engine.start(with_job(name, "sync", "0 * * * *"));
    }
    agent.sleep_until("01:02").await;
    let started: Vec<_> = agent.all("run.started").iter().map(|it| it.text("job")).collect();
    assert_eq!(started, ["first.sync", "second.sync", "third.sync", "zero.sync"], "in order");
    let last = agent.all("run.started")[3].number("start_delay_seconds");
    assert!((60.0..61.0).contains(&last), "{last}");
    assert_eq!(agent.all("run.skipped"), []);
}

/// The clock jumped over the moments: they are told together, and what is due now runs.
#[tokio::test(start_paused = true)]
async fn what_passed_while_the_machine_slept_is_missed_with_one_record_that_speaks_for_all() {
    let agent = TestAgent::new().await;
    agent.start(with_job("web", "sync", "*/10 * * * *")).await;
    sleep(MINUTE).await;
    advance(3 * HOUR + Duration::from_secs(90)).await;
    sleep(seconds(1)).await;
    let missed = agent.one("run.missed");
    assert_eq!(missed.text("outcome"), "missed");
    assert_eq!(missed.text("and_more"), "17", "{missed:?}");
    agent.sleep_until("03:11").await;
    assert_eq!(agent.outcomes("web.sync"), ["missed", "succeeded"]);
}

/// Mistake 20.
#[tokio::test(start_paused = true)]
async fn of_a_hundred_runs_in_one_second_none_is_dropped() {
    for cap in [1, 10, 64] {
        let agent = TestAgent::with(Setup::ini(&format!("[global]\nmax-concurrent-runs = {cap}\n"))).await;
        agent.engine.on_exec(|_| ExecBehaviour::exit(0).takes(seconds(5)));
        for n in 0..100 {
            agent.engine.start(with_job(&format!("web{n}"), "sync", "0 * * * *"));
        }
        agent.sleep_until("01:00").await;
        sleep(MOMENT).await;
        let snapshot = agent.handle.snapshot();
        assert_eq!((snapshot.running, snapshot.waiting), (cap, 100 - cap));
        agent.sleep_until("01:30").await;
        assert_eq!(agent.all("run.finished").len(), 100, "at most {cap} at once");
        assert!(agent.all("run.finished").iter().all(|it| it.text("outcome") == "succeeded"));
        assert_eq!(agent.all("run.skipped"), []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_in_which_the_agent_itself_fails_leaves_a_record_and_the_agent_goes_on() {
    let agent = TestAgent::with(Setup { panic_at: Some("run.output"), ..Setup::default() }).await;
    agent.engine.on_exec(|exec| match exec.cmd[0].as_str() {
        "talk" => ExecBehaviour::exit(0).stdout("x\n").takes(seconds(5)),
        _ => ExecBehaviour::exit(0),
    });
    agent.start(labelled("web", &[("exec.a.schedule", "* * * * *"), ("exec.a.command", "talk")])).await;
    agent.start(with_job("db", "dump", "* * * * *")).await;
    agent.sleep_until("00:02").await;
    sleep(MOMENT).await;
    assert_eq!(agent.outcomes("web.a"), ["lost", "lost"]);
    assert!(agent.of("run.lost", "web.a")[0].text("reason").contains("a mistake of ours"));
    assert_eq!(agent.outcomes("db.dump"), ["succeeded", "succeeded"]);
    assert_eq!(agent.handle.snapshot().running, 0);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_removed_while_it_runs_finishes_its_run() {
    let agent = TestAgent::with(Setup::ini("[global]\nallow-from-labels = run\n")).await;
    agent.engine.on_run(|_| crate::support::fake_engine::RunBehaviour::exit(0).takes(seconds(30)));
    agent
        .start(labelled("web", &[("run.backup.schedule", "* * * * *"), ("run.backup.image", "backup:1")]))
        .await;
    agent.sleep_until("00:01").await;
    sleep(seconds(5)).await;
    agent.engine.remove("web");
    sleep(2 * MINUTE).await;
    assert_eq!(agent.all("job.removed").len(), 1);
    assert_eq!(agent.outcomes("web.backup"), ["succeeded"]);
    assert_eq!(agent.engine.container_names(), [""; 0]);
}
