//! Containers that are stopped while runs go on (`stop-during`): they run again whatever becomes of run and agent.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::live_engine::{Agent, Record, Stage, WORKER, eventually, pause, text};

fn running(stage: &Stage, name: &str) -> bool {
    stage.inspect(name, "{{.State.Running}}") == "true"
}

/// A container that is to be stopped; it stops at once.
fn app(stage: &Stage, part: &str) -> String {
    stage.worker(part).arguments(&["--stop-timeout", "1"]).start()
}

/// How often the Engine has started it.
fn started(stage: &Stage, name: &str) -> String {
    stage.inspect(name, "{{.State.StartedAt}}")
}

fn stopped(agent: &Agent, container: &str) {
    agent
        .wait_for("it was stopped", |it| it["event"] == "container.stopped" && it["container"] == *container);
}

fn restored(agent: &Agent, container: &str) -> Record {
    let of_it = |it: &Record| it["event"] == "container.restored" && it["container"] == *container;
    agent.wait_for("it was started again", of_it)
}

#[test]
fn they_run_again_after_a_job_that_succeeds_fails_or_takes_too_long() {
    let stage = Stage::new();
    let (db, app) = (stage.worker("db").start(), app(&stage, "app"));
    for (command, timeout, outcome) in
        [("true", "1m", "succeeded"), ("false", "1m", "failed"), ("sleep 77", "1s", "timed-out")]
    {
        let before = started(&stage, &app);
        let job = stage.name(outcome);
        let parameters = [
            ("schedule", "@every 1s"),
            ("container", &*db),
            ("command", command),
            ("timeout", timeout),
            ("grace-period", "1s"),
            ("stop-during", &*app),
        ];
        let agent = stage.agent().file_job("exec", &job, &parameters).start();
        stopped(&agent, &app);
        let ended = agent.wait_for_end(&job);
        assert_eq!(text(&ended, "outcome"), outcome, "{ended}");
        restored(&agent, &app);
        agent.terminate();
        agent.wait_for_exit();
        assert!(running(&stage, &app) && started(&stage, &app) != before, "{outcome}");
    }
}

/// A crash leaves nothing stopped.
#[test]
fn after_a_kill_between_stop_and_start_the_next_agent_starts_it() {
    let stage = Stage::new();
    let (db, app) = (stage.worker("db").start(), app(&stage, "app"));
    let job = stage.name("dump");
    let parameters =
        [("schedule", "@every 1s"), ("container", &*db), ("command", "sleep 78"), ("stop-during", &*app)];
    let first = stage.agent().file_job("exec", &job, &parameters).start();
    first.wait_for_event("run.started", &job);
    assert!(!running(&stage, &app));
    first.signal(Signal::SIGKILL);
    first.wait_for_exit();
    // The command goes with its container, so that the run is not taken up for long.
    stage.docker(["kill", &db]);
    pause(Duration::from_secs(1));
    assert!(!running(&stage, &app));
    let second = stage.agent().after(&first).start();
    restored(&second, &app);
    assert!(running(&stage, &app));
    let third = {
        second.signal(Signal::SIGKILL);
        second.wait_for_exit();
        stage.agent().after(&second).start()
    };
    third.wait_until_ready();
    assert!(third.records(|it| it["event"] == "container.restored").is_empty(), "once is enough");
}

#[test]
fn what_an_adopted_run_needs_stopped_is_started_when_it_has_ended() {
    let stage = Stage::new();
    let app = app(&stage, "app");
    let job = stage.name("copy");
    let parameters = [
        ("schedule", "@every 1s"),
        ("image", WORKER),
        ("command", "sleep 6"),
        ("network", "none"),
        ("stop-during", &*app),
    ];
    let first = stage.agent().file_job("run", &job, &parameters).start();
    let run = text(&first.wait_for_event("run.started", &job), "run").to_owned();
    first.signal(Signal::SIGKILL);
    first.wait_for_exit();
    let second = stage.agent().after(&first).start();
    second.wait_for("it was adopted", |it| it["event"] == "run.adopted" && it["run"] == *run);
    assert!(!running(&stage, &app), "its run goes on");
    second.wait_for("its record", |it| it["event"] == "run.finished" && it["run"] == *run);
    restored(&second, &app);
    assert!(running(&stage, &app));
}

#[test]
fn two_jobs_share_one_that_is_stopped_once_and_started_when_the_last_has_ended() {
    let stage = Stage::new();
    let (db, app) = (stage.worker("db").start(), app(&stage, "app"));
    let before = started(&stage, &app);
    let (short, long) = (stage.name("short"), stage.name("long"));
    let job = |command: &'static str, schedule: &'static str| {
        [("schedule", schedule), ("container", &*db), ("command", command), ("stop-during", &*app)]
    };
    let agent = stage
        .agent()
        .file_job("exec", &long, &job("sh -c 'until [ -e /tmp/go-on ]; do sleep 0.1; done'", "@startup"))
        .file_job("exec", &short, &job("sleep 2", "@startup"))
        .start();
    agent.wait_for_end(&short);
    assert!(!running(&stage, &app), "the other one goes on");
    assert!(agent.records(|it| it["event"] == "run.finished" && it["job"] == *long).is_empty());
    stage.docker(["exec", &db, "touch", "/tmp/go-on"]);
    agent.wait_for_end(&long);
    restored(&agent, &app);
    assert!(running(&stage, &app) && started(&stage, &app) != before);
    assert_eq!(agent.records(|it| it["event"] == "container.stopped").len(), 1);
}

#[test]
fn sigterm_in_the_middle_starts_them_before_the_agent_ends() {
    let stage = Stage::new();
    let (db, app) = (stage.worker("db").start(), app(&stage, "app"));
    let job = stage.name("dump");
    let parameters =
        [("schedule", "@every 1s"), ("container", &*db), ("command", "sleep 79"), ("stop-during", &*app)];
    let agent =
        stage.agent().file_job("exec", &job, &parameters).arguments(&["--shutdown-grace", "2s"]).start();
    agent.wait_for_event("run.started", &job);
    agent.terminate();
    assert_eq!(agent.wait_for_exit().code(), Some(0));
    let ended = agent.wait_for_end(&job);
    assert_eq!(text(&ended, "outcome"), "stopped", "{ended}");
    restored(&agent, &app);
    assert!(running(&stage, &app));
}

#[test]
fn a_granted_label_stops_a_service_of_its_project_and_a_recreated_one_is_left_as_it_is() {
    let stage = Stage::new();
    let project = stage.name("shop");
    let app = stage.worker("app").arguments(&["--stop-timeout", "1"]).compose(&project, "app", 1).start();
    let parameters = [("schedule", "@startup"), ("command", "sleep 5"), ("stop-during", "app")];
    stage.worker("db").compose(&project, "db", 1).exec("dump", &parameters).start();
    let job = format!("{project}.db.dump");
    let agent =
        stage.agent().jobs([&job]).arguments(&["--allow-from-labels", "container,exec-other"]).start();
    agent.wait_for_event("run.started", &job);
    assert!(!running(&stage, &app));
    // What `docker compose up --force-recreate` does.
    stage.docker(["rm", "-f", &app]);
    let again = stage.worker("app").compose(&project, "app", 1).start();
    let before = started(&stage, &again);
    let told = restored(&agent, &app);
    assert!(text(&told, "reason").contains("left as it is"), "{told}");
    eventually("the store is in step", || running(&stage, &again));
    assert_eq!(started(&stage, &again), before);
}

/// The Engine would remove it, and then nobody could start it again.
#[test]
fn one_that_is_removed_once_it_stops_keeps_the_run_from_starting_with_everything_running() {
    let stage = Stage::new();
    let (db, app) = (stage.worker("db").start(), app(&stage, "app"));
    let fleeting = stage.worker("fleeting").arguments(&["--rm", "--stop-timeout", "1"]).start();
    let before = [&app, &fleeting].map(|name| started(&stage, name));
    let job = stage.name("dump");
    let parameters = [
        ("schedule", "@startup"),
        ("container", &*db),
        ("command", "touch /tmp/ran"),
        ("stop-during", &*app),
        ("stop-during", &*fleeting),
    ];
    let agent = stage.agent().file_job("exec", &job, &parameters).start();
    let ended = agent.wait_for_end(&job);
    assert_eq!(text(&ended, "outcome"), "not-started", "{ended}");
    let reason = text(&ended, "reason");
    assert!(reason.contains(&format!("removes container {fleeting} once it stops (--rm)")), "{ended}");
    assert!(reason.contains("make it without --rm, or take it out of the list"), "{ended}");
    agent.terminate();
    agent.wait_for_exit();
    assert!(agent.records(|it| it["event"] == "container.stopped").is_empty());
    assert!(running(&stage, &app) && running(&stage, &fleeting));
    assert_eq!([&app, &fleeting].map(|name| started(&stage, name)), before);
    assert!(stage.try_docker(["exec", &db, "test", "-e", "/tmp/ran"]).is_err(), "the command did not run");
}

/// Longer than a container has that says nothing of it, so that it would be killed if anyone set it a time.
const SLOW: &str = "trap 'sleep 12; echo orderly >> /tmp/ends; exit 0' TERM; echo >> /tmp/starts; while :; do sleep 0.1; done";

#[test]
fn one_that_may_take_for_ever_to_stop_is_waited_for_and_not_killed() {
    let stage = Stage::new();
    let db = stage.worker("db").start();
    let slow = |part: &str| {
        let (name, label) = (stage.name(part), stage.label());
        let fixed = ["run", "-d", "--network", "none", "--label", &label, "--name", &name];
        stage.docker([&fixed[..], &["--stop-timeout", "-1", WORKER, "sh", "-c", SLOW]].concat());
        name
    };
    let [during, stopped_, restarted] = ["during", "stopped", "restarted"].map(slow);
    let [dump, stop, restart] = ["dump", "stop", "restart"].map(|it| stage.name(it));
    let act = |container, action| [("schedule", "@startup"), ("container", container), ("action", action)];
    let agent = stage
        .agent()
        .file_job(
            "exec",
            &dump,
            &[
                ("schedule", "@startup"),
                ("container", &*db),
                ("command", "touch /tmp/ran"),
                ("stop-during", &*during),
            ],
        )
        .file_job("container", &stop, &act(&stopped_, "stop"))
        .file_job("container", &restart, &act(&restarted, "restart"))
        .start();
    for job in [&dump, &stop, &restart] {
        let ended = agent.wait_for_end(job);
        assert_eq!(text(&ended, "outcome"), "succeeded", "{ended}");
    }
    restored(&agent, &during);
    assert_eq!(stage.inspect(&stopped_, "{{.State.Running}} {{.State.ExitCode}}"), "false 0");
    stage.docker(["start", &stopped_]);
    for name in [&during, &stopped_, &restarted] {
        eventually("it was started again", || {
            stage.docker(["exec", name, "cat", "/tmp/ends"]) == "orderly"
                && stage.docker(["exec", name, "wc", "-l", "/tmp/starts"]).starts_with('2')
        });
    }
    stage.docker(["exec", &db, "test", "-e", "/tmp/ran"]);
}
