//! Jobs of kind `container`: actions on containers that are there already.

use nix::sys::signal::Signal;

use crate::support::live_engine::{Agent, Record, Stage, WORKER, eventually, text};

const SOON: &str = "@every 1s";

fn state(stage: &Stage, name: &str) -> String {
    stage.inspect(name, "{{.State.Status}}")
}

/// The first run of a job that does this to a container.
fn act(stage: &Stage, container: &str, action: &str, further: &[(&str, &str)]) -> (Agent, Record) {
    let job = stage.name(action);
    let parameters = [("schedule", SOON), ("container", container), ("action", action)];
    let parameters: Vec<_> = parameters.into_iter().chain(further.iter().copied()).collect();
    let agent = stage.agent().file_job("container", &job, &parameters).start();
    let ended = agent.wait_for_end(&job);
    (agent, ended)
}

fn said(record: &Record) -> (&str, bool) {
    (text(record, "outcome"), record.get("exit_code").is_some_and(|it| !it.is_null()))
}

#[test]
fn a_container_is_stopped_started_restarted_paused_unpaused_and_killed() {
    let stage = Stage::new();
    let web = stage.worker("web").start();
    for (action, after) in [
        ("stop", "exited"),
        ("start", "running"),
        ("pause", "paused"),
        ("unpause", "running"),
        ("restart", "running"),
        ("kill", "exited"),
    ] {
        let started = stage.inspect(&web, "{{.State.StartedAt}}");
        let (agent, ended) = act(&stage, &web, action, &[]);
        drop(agent);
        assert_eq!(said(&ended), ("succeeded", false), "{ended}");
        assert_eq!((text(&ended, "kind"), text(&ended, "container")), ("container", &*web), "{ended}");
        assert_eq!(state(&stage, &web), after, "{action}");
        let again = stage.inspect(&web, "{{.State.StartedAt}}") != started;
        assert_eq!(again, matches!(action, "start" | "restart"), "{action}");
    }
}

#[test]
fn a_container_that_was_never_started_is_started_and_one_that_is_not_there_is_told() {
    let stage = Stage::new();
    let web = stage.name("web");
    let job = stage.name("start");
    let parameters = [("schedule", "@every 2s"), ("container", &*web), ("action", "start")];
    let agent = stage.agent().file_job("container", &job, &parameters).start();
    let missing = agent.wait_for_end(&job);
    assert_eq!(said(&missing), ("not-started", false), "{missing}");
    assert_eq!(text(&missing, "reason"), format!("there is no container {web}"));
    stage.docker(["create", "--network", "none", "--label", &stage.label(), "--name", &web, WORKER]);
    let of_job =
        |it: &Record| it["event"] == "run.finished" && it["job"] == *job && it["outcome"] == "succeeded";
    agent.wait_for("it was started", of_job);
    assert_eq!(state(&stage, &web), "running");
    let note = |it: &Record| of_job(it) && text(it, "reason").ends_with("was running already");
    agent.wait_for("that nothing was to be done", note);
}

#[test]
fn a_signal_arrives_and_the_container_goes_on() {
    let stage = Stage::new();
    let web = stage.worker("web").start();
    stage.docker(["exec", "-d", &web, "sh", "-c", "true"]);
    let (_agent, ended) = act(&stage, &web, "kill", &[("signal", "SIGWINCH")]);
    assert_eq!(said(&ended), ("succeeded", false), "{ended}");
    assert_eq!(state(&stage, &web), "running");
}

#[test]
fn a_stopped_container_starts_itself_by_a_label_that_was_granted() {
    let stage = Stage::new();
    let parameters = [("schedule", "@every 2s"), ("action", "start")];
    let web = stage.worker("web").job("container", "up", &parameters).start();
    let job = format!("{web}.up");
    let agent = stage.agent().jobs([&job]).arguments(&["--allow-from-labels", "container"]).start();
    agent.wait_for_event("job.added", &job);
    stage.docker(["stop", "--time", "0", &web]);
    eventually("it runs again", || state(&stage, &web) == "running");
    agent.wait_for("its record", |it| {
        it["job"] == *job && text(it, "outcome") == "succeeded" && text(it, "reason").is_empty()
    });
    assert!(agent.records(|it| it["event"] == "run.skipped" && it["job"] == *job).is_empty());

    // Without the grant the label is refused, and says which switch allows it.
    let other = stage.agent().jobs([&job]).start();
    let rejected = other.wait_for_event("job.rejected", &job);
    assert!(text(&rejected, "reason").contains("allow-from-labels=container"), "{rejected}");
}

/// Mistake 24, of a container: the Engine goes on with what it was asked for, and the next agent tells what came of it.
#[test]
fn an_agent_that_was_killed_while_the_engine_stops_a_container_is_followed_by_one_that_tells_how_it_is() {
    let stage = Stage::new();
    let script = "trap '' TERM; while :; do sleep 0.2; done";
    let web = stage.name("web");
    stage.docker([
        "run",
        "-d",
        "--network",
        "none",
        "--label",
        &stage.label(),
        "--name",
        &web,
        "--entrypoint",
        "sh",
        WORKER,
        "-c",
        script,
    ]);
    let job = stage.name("stop");
    let parameters =
        [("schedule", "@every 2s"), ("container", &*web), ("action", "stop"), ("grace-period", "6s")];
    let first = stage.agent().file_job("container", &job, &parameters).start();
    let run = text(&first.wait_for_event("run.started", &job), "run").to_owned();
    first.signal(Signal::SIGKILL);
    first.wait_for_exit();
    let second = stage.agent().after(&first).start();
    let told = second.wait_for("its record", |it| it["run"] == *run && !text(it, "outcome").is_empty());
    let stopped = state(&stage, &web) == "exited";
    // An Engine may take a client that went away for a reason to stop waiting: then it says that it runs.
    let expected = if stopped { "succeeded" } else { "lost" };
    assert_eq!(text(&told, "outcome"), expected, "{told}");
    assert!(
        text(&told, "reason").contains("had ended") || text(&told, "reason").contains("is running"),
        "{told}"
    );
}

/// A restart shows in nothing but when the container was started: a record that came before that would be a guess.
#[test]
fn an_agent_that_was_killed_while_the_engine_restarts_a_container_is_followed_by_one_that_tells_when_it_was_done()
 {
    let stage = Stage::new();
    let web = stage.name("web");
    let script = "echo >> /tmp/starts; trap 'touch /tmp/asked; while [ ! -e /tmp/go ]; do sleep 0.1; done; exit 0' TERM; \
                  while :; do sleep 0.1; done";
    let label = stage.label();
    let fixed = ["run", "-d", "--network", "none", "--label", &label, "--name", &web];
    stage.docker([&fixed[..], &[WORKER, "sh", "-c", script]].concat());
    let before = stage.inspect(&web, "{{.State.StartedAt}}");
    let job = stage.name("restart");
    let own = [("container", &*web), ("action", "restart"), ("grace-period", "10s")];
    let once = [&[("schedule", "@triggered"), ("run-on-startup", "true")][..], &own].concat();
    let first = stage.agent().file_job("container", &job, &once).start();
    let run = text(&first.wait_for_event("run.started", &job), "run").to_owned();
    let there = |path: &str| stage.try_docker(["exec", &web, "test", "-e", path]).is_ok();
    eventually("it was asked to stop", || there("/tmp/asked"));
    first.signal(Signal::SIGKILL);
    first.wait_for_exit();

    let after = [&[("schedule", "@triggered")][..], &own].concat();
    let second = stage.agent().file_job("container", &job, &after).after(&first).start();
    second.wait_until_ready();
    stage.docker(["exec", &web, "touch", "/tmp/go"]);
    let told = second.wait_for("its record", |it| it["run"] == *run && !text(it, "outcome").is_empty());
    // As with a stop, an Engine may leave it where its client went away.
    if stage.inspect(&web, "{{.State.StartedAt}}") == before {
        assert_eq!(text(&told, "outcome"), "lost", "{told}");
        return;
    }
    assert_eq!(said(&told), ("succeeded", false), "{told}");
    assert!(text(&told, "reason").contains("this is what the container shows"), "{told}");
    second.terminate();
    second.wait_for_exit();
    assert_eq!(second.records(|it| it["run"] == *run && !text(it, "outcome").is_empty()).len(), 1);
    assert_eq!(state(&stage, &web), "running");
    assert!(stage.docker(["exec", &web, "wc", "-l", "/tmp/starts"]).starts_with("2 "), "once");
}

#[test]
fn whoever_waits_for_an_action_learns_from_the_exit_code_whether_it_was_done() {
    let stage = Stage::new();
    let (web, label) = (stage.worker("web").start(), stage.label());
    let ends = stage.name("ends");
    let fixed = ["create", "--network", "none", "--label", &label, "--name", &ends];
    stage.docker([&fixed[..], &[WORKER, "sh", "-c", "exit 3"]].concat());
    let nowhere = stage.name("nowhere");
    let agent = [("pause", &web), ("stop", &nowhere), ("start", &ends)].into_iter().fold(
        stage.agent(),
        |agent, (action, container)| {
            let parameters = [("schedule", "@triggered"), ("container", &**container), ("action", action)];
            agent.file_job("container", &stage.name(action), &parameters)
        },
    );
    let agent = agent.start();
    agent.wait_until_ready();
    for (action, code) in [("pause", 0), ("stop", 1), ("start", 3)] {
        assert_eq!(agent.run_and_wait(&stage.name(action)), Some(code), "{action}");
    }
}
