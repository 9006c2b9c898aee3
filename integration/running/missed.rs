//! What was missed, with the whole agent and a real store: restarts, sleeps and a clock that is set.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use tokio::time::{advance, sleep};
use watchbell::time::Clock;

use crate::support::{
    fake_engine::{ContainerSpec, ExecBehaviour, FakeEngine},
    test_agent::{HOUR, MINUTE, MOMENT, Setup, TestAgent, engine, labelled, seconds, with_job},
};

const POLICIES: [&str; 3] = ["skip", "once", "all"];

/// A container with a job for each policy, named after it.
fn by_policy(schedule: &str) -> ContainerSpec {
    let labels = POLICIES.iter().flat_map(|policy| {
        [("schedule", schedule), ("command", "work"), ("missed", policy)]
            .map(|(parameter, value)| (format!("exec.{policy}.{parameter}"), value))
    });
    let labels: Vec<(String, &str)> = labels.collect();
    let labels: Vec<(&str, &str)> = labels.iter().map(|(key, value)| (&**key, *value)).collect();
    labelled("web", &labels)
}

/// A state directory and an Engine on which one agent follows the other.
struct Home {
    folder: TempDir,
    clock: Clock,
    engine: FakeEngine,
}

impl Home {
    fn new() -> Self {
        let clock = crate::support::test_agent::clock();
        let engine = engine(&clock);
        Self { folder: tempfile::tempdir().unwrap(), clock, engine }
    }

    /// An agent that has begun and has not seen the Engine yet.
    fn begin(&self) -> TestAgent {
        let state_dir = Some(self.folder.path().to_owned());
        TestAgent::on(self.clock.clone(), self.engine.clone(), Setup { state_dir, ..Setup::default() })
    }

    async fn agent(&self) -> TestAgent {
        let agent = self.begin();
        agent.wait_for("agent.ready", 1).await;
        agent
    }

    /// Ends an agent as SIGTERM does, and lets time pass.
    async fn down(&self, mut agent: TestAgent, length: Duration) {
        agent.signal();
        agent.end().await;
        drop(agent);
        sleep(length).await;
    }
}

/// How each occurrence of a job ended: `outcome trigger occurrence`, with how many more the record speaks for.
fn records(agent: &TestAgent, job: &str) -> Vec<String> {
    let of_job = agent.records().into_iter().filter(|it| it.text("job") == job && it.has("outcome"));
    of_job
        .map(|it| {
            let more = if it.has("and_more") { format!(" +{}", it.text("and_more")) } else { String::new() };
            let time = it.text("occurrence");
            format!("{} {} {}{more}", it.text("outcome"), it.text("trigger"), &time[11..16])
        })
        .collect()
}

/// Three hours of an hourly job without anyone there to run it.
fn three_hours() -> BTreeMap<&'static str, Vec<&'static str>> {
    [
        ("skip", vec!["missed schedule 03:00 +2"]),
        ("once", vec!["missed schedule 02:00 +1", "succeeded catch-up 03:00"]),
        ("all", vec!["succeeded catch-up 01:00", "succeeded catch-up 02:00", "succeeded catch-up 03:00"]),
    ]
    .into()
}

/// Mistake 19.
#[tokio::test(start_paused = true)]
async fn after_three_hours_of_downtime_each_policy_leaves_its_records() {
    let home = Home::new();
    let agent = home.agent().await;
    agent.start(by_policy("0 * * * *")).await;
    agent.sleep_until("00:30").await;
    home.down(agent, 3 * HOUR).await;
    let agent = home.agent().await;
    sleep(MINUTE).await;
    for (policy, expected) in three_hours() {
        assert_eq!(records(&agent, &format!("web.{policy}")), expected);
    }
    assert_eq!(agent.all("config.rejected"), []);
    // And it is over: another restart has nothing to catch up.
    home.down(agent, MINUTE).await;
    let agent = home.agent().await;
    sleep(MINUTE).await;
    assert_eq!(agent.all("run.missed").len() + agent.all("run.started").len(), 0);
}

/// Mistake 19. The agent was there and the machine was not: nothing but the time that passed differs.
#[tokio::test(start_paused = true)]
async fn after_three_hours_of_sleep_each_policy_leaves_the_same_records() {
    let agent = TestAgent::new().await;
    agent.start(by_policy("0 * * * *")).await;
    agent.sleep_until("00:30").await;
    advance(3 * HOUR).await;
    sleep(MINUTE).await;
    for (policy, expected) in three_hours() {
        assert_eq!(records(&agent, &format!("web.{policy}")), expected);
    }
}

/// As SIGSTOP does, and SIGCONT three minutes later.
#[tokio::test(start_paused = true)]
async fn an_agent_that_was_stopped_for_three_minutes_catches_up() {
    let agent = TestAgent::new().await;
    agent.start(by_policy("* * * * *")).await;
    sleep(seconds(30)).await;
    advance(3 * MINUTE + seconds(10)).await;
    sleep(seconds(10)).await;
    let due = "succeeded schedule 00:03";
    assert_eq!(records(&agent, "web.skip"), ["missed schedule 00:02 +1", due]);
    assert_eq!(records(&agent, "web.once"), ["missed schedule 00:01", "succeeded catch-up 00:02", due]);
    assert_eq!(records(&agent, "web.all"), ["succeeded catch-up 00:01", "succeeded catch-up 00:02", due]);
}

/// Mistake 18, where the machine's own clock is what goes back.
#[tokio::test(start_paused = true)]
async fn a_clock_set_back_by_half_an_hour_repeats_nothing_and_one_set_forward_by_two_hours_is_a_gap() {
    let agent = TestAgent::new().await;
    agent.start(by_policy("*/15 * * * *")).await;
    agent.sleep_until("00:40").await;
    let ran = ["succeeded schedule 00:15", "succeeded schedule 00:30"];
    for policy in POLICIES {
        assert_eq!(records(&agent, &format!("web.{policy}")), ran);
    }
    agent.step(SignedDuration::from_mins(-30));
    sleep(30 * MINUTE).await;
    for policy in POLICIES {
        assert_eq!(records(&agent, &format!("web.{policy}")), ran, "it is 00:40 once more");
    }
    sleep(10 * MINUTE).await;
    agent.step(SignedDuration::from_hours(2));
    sleep(2 * MINUTE).await;
    let then = |policy: &str| records(&agent, &format!("web.{policy}")).split_off(2);
    let due = "succeeded schedule 00:45";
    assert_eq!(then("skip"), [due, "missed schedule 02:45 +7"]);
    assert_eq!(then("once"), [due, "missed schedule 02:30 +6", "succeeded catch-up 02:45"]);
    let all: Vec<String> = std::iter::once(due.to_owned())
        .chain((4..12).map(|n| format!("succeeded catch-up {:02}:{:02}", n / 4, n % 4 * 15)))
        .collect();
    assert_eq!(then("all"), all);
}

#[tokio::test(start_paused = true)]
async fn caught_up_runs_never_overlap_and_a_scheduled_one_does_not_hold_them_back() {
    let agent = TestAgent::new().await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(0).takes(seconds(50)));
    agent.start(by_policy("*/10 * * * *")).await;
    agent.sleep_until("00:05").await;
    advance(55 * MINUTE).await;
    sleep(9 * MINUTE).await;
    let all = records(&agent, "web.all");
    assert_eq!(all.len(), 6, "{all:?}");
    assert!(all.iter().all(|it| it.starts_with("succeeded")), "{all:?}");
    assert_eq!(all[5], "succeeded schedule 01:00", "what is due now comes last");
    let spans: Vec<(Timestamp, Timestamp)> = agent
        .of("run.started", "web.all")
        .iter()
        .zip(agent.of("run.finished", "web.all"))
        .map(|(started, finished)| (started.at(), finished.at()))
        .collect();
    assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{spans:?}");
}

#[tokio::test(start_paused = true)]
async fn the_engine_that_answers_late_after_a_start_is_a_part_of_the_gap() {
    let home = Home::new();
    let agent = home.agent().await;
    agent.start(by_policy("0 * * * *")).await;
    agent.sleep_until("00:30").await;
    home.down(agent, HOUR).await;
    home.engine.down();
    let agent = home.begin();
    sleep(2 * HOUR).await;
    assert_eq!(agent.all("job.added"), [], "nobody knows the jobs yet");
    home.engine.up();
    agent.wait_for("agent.ready", 1).await;
    sleep(MINUTE).await;
    for (policy, expected) in three_hours() {
        assert_eq!(records(&agent, &format!("web.{policy}")), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn every_keeps_its_beat_over_a_restart() {
    let home = Home::new();
    let agent = home.agent().await;
    sleep(seconds(7)).await;
    agent.start(with_job("web", "sync", "@every 7m")).await;
    let first = agent.one("job.added").next()[0];
    home.down(agent, 100 * MINUTE).await;
    let agent = home.agent().await;
    let next = agent.one("job.added").next()[0];
    let since = next.duration_since(first).as_secs();
    assert!(since > 5_000 && since % 420 == 0, "{since}");
    agent.wait_for_job("run.finished", "web.sync", 1).await;
    assert_eq!(agent.of("run.finished", "web.sync")[0].text("occurrence"), next.to_string());
}

/// Mistake 16.
#[tokio::test(start_paused = true)]
async fn jitter_of_minutes_is_minutes_and_the_same_after_a_restart() {
    let home = Home::new();
    let job = || with_job("web", "sync", "0 * * * *").label("watchbell.job-exec.sync.jitter", "50m");
    let agent = home.agent().await;
    agent.start(job()).await;
    agent.sleep_until("06:59").await;
    let started = agent.of("run.started", "web.sync");
    assert_eq!(started.len(), 6);
    let late = |it: &crate::support::test_agent::Record| {
        let occurrence: Timestamp = it.text("occurrence").parse().unwrap();
        it.at().duration_since(occurrence).as_millis() / 100
    };
    assert!(started.iter().any(|it| late(it) > 600 * 10), "{started:?}");
    assert!(
        started.iter().all(|it| it.number("start_delay_seconds") < 0.1),
        "from the moment with its jitter"
    );
    drop(agent);
    // Another agent at the same hours.
    let other = Home::new();
    let again = other.agent().await;
    again.start(job()).await;
    again.sleep_until("03:00").await;
    other.down(again, Duration::ZERO).await;
    let again = other.agent().await;
    again.sleep_until("06:59").await;
    let again: Vec<i128> = again.of("run.started", "web.sync").iter().map(late).collect();
    assert_eq!(again, started.iter().map(late).collect::<Vec<_>>()[2..]);
}

#[tokio::test(start_paused = true)]
async fn a_job_runs_once_at_the_agents_start_and_not_when_its_container_is_made_anew() {
    let home = Home::new();
    let job = || with_job("web", "warm", "@daily").label("watchbell.job-exec.warm.run-on-startup", "true");
    home.engine.start(job());
    let agent = home.agent().await;
    sleep(MINUTE).await;
    agent.replace("web", job());
    agent
        .engine
        .start(with_job("late", "warm", "@daily").label("watchbell.job-exec.warm.run-on-startup", "true"));
    sleep(5 * MINUTE).await;
    let run = agent.one("run.finished");
    assert_eq!((run.text("job"), run.text("trigger")), ("web.warm".into(), "startup".into()));
    home.down(agent, MINUTE).await;
    let agent = home.agent().await;
    sleep(MINUTE).await;
    let mut jobs: Vec<_> = agent.all("run.finished").iter().map(|it| it.text("job")).collect();
    jobs.sort();
    assert_eq!(jobs, ["late.warm", "web.warm"]);
}

#[tokio::test(start_paused = true)]
async fn a_start_deadline_is_told_where_a_run_waited_too_long_for_its_turn() {
    let agent = TestAgent::with(Setup::ini("[global]\nmax-concurrent-runs = 1\n")).await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(0).takes(seconds(40)));
    for name in ["first", "second", "third"] {
        let job = with_job(name, "sync", "0 * * * *");
        agent.engine.start(job.label("watchbell.job-exec.sync.start-deadline", "1m"));
    }
    agent.sleep_until("01:30").await;
    assert_eq!(agent.outcomes("first.sync"), ["succeeded"]);
    assert_eq!(agent.outcomes("second.sync"), ["succeeded"]);
    assert_eq!(agent.one("run.missed").text("reason"), "it could not begin within its start-deadline of 1m");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_damaged_or_cannot_be_used_costs_no_run() {
    let damaged = Home::new();
    std::fs::write(damaged.folder.path().join("watchbell.db"), [7; 10_000]).unwrap();
    let locked = Home::new();
    std::fs::create_dir(locked.folder.path().join("watchbell.db")).unwrap();
    for (home, event, told, problems) in [
        (damaged, "config.rejected", "was put aside", 1),
        // Also which jobs were made over the API is not known.
        (locked, "history.failing", "make the state directory writable", 2),
    ] {
        let agent = home.agent().await;
        let reason = agent.one(event).text("reason");
        assert!(reason.contains(told), "{reason}");
        assert_eq!(agent.handle.snapshot().problems, problems);
        agent.start(with_job("web", "sync", "* * * * *")).await;
        sleep(2 * MINUTE + MOMENT).await;
        assert_eq!(agent.outcomes("web.sync"), ["succeeded", "succeeded"]);
    }
}
