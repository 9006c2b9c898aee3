//! Jobs of kind `run` that start a container which is there already: it is followed like any other, and stays.

use nix::sys::signal::Signal;

use crate::support::live_engine::{Agent, Record, Stage, WORKER, eventually, text};

/// A container that is there and does not run.
fn made(stage: &Stage, part: &str, arguments: &[&str], script: &str) -> String {
    let name = stage.name(part);
    let label = stage.label();
    let fixed = ["create", "--network", "none", "--label", &label, "--name", &name];
    let all = fixed.into_iter().chain(arguments.iter().copied()).chain([WORKER, "sh", "-c", script]);
    stage.docker(all);
    name
}

fn state(stage: &Stage, name: &str) -> String {
    stage.inspect(name, "{{.State.Status}}")
}

fn lines(agent: &Agent, ended: &Record) -> Vec<String> {
    agent.lines(text(ended, "run"), "stdout")
}

#[test]
fn it_is_started_again_and_again_and_never_removed() {
    let stage = Stage::new();
    let job = stage.name("again");
    let name = made(&stage, "there", &[], "echo once more; echo oops >&2; exit 3");
    let parameters = [("schedule", "@every 2s"), ("container", &*name)];
    let agent = stage.agent().file_job("run", &job, &parameters).start();
    let ends =
        |nth| agent.wait_for_nth("a run ends", nth, |it| it["event"] == "run.finished" && it["job"] == *job);
    for nth in [1, 2] {
        let ended = ends(nth);
        assert_eq!((text(&ended, "outcome"), &ended["exit_code"]), ("failed", &3.into()), "{ended}");
        assert_eq!(text(&ended, "container"), name);
        assert_eq!(lines(&agent, &ended), ["once more"], "and nothing of the run before");
        assert_eq!(agent.lines(text(&ended, "run"), "stderr"), ["oops"]);
    }
    agent.terminate();
    agent.wait_for_exit();
    assert_eq!(state(&stage, &name), "exited");
}

#[test]
fn one_that_runs_is_skipped_one_that_is_not_there_and_one_that_restarts_are_not_started() {
    let stage = Stage::new();
    let (busy, gone, always) = (stage.name("busy"), stage.name("gone"), stage.name("always"));
    let running = stage.worker("running").start();
    let forever = made(&stage, "forever", &["--restart", "always"], "true");
    let nowhere = stage.name("nowhere");
    let of = |name: &'static str| [("schedule", "@every 1s"), ("container", name)];
    let [running_, nowhere_, forever_] = [&running, &nowhere, &forever]
        .map(|name| -> &'static str { Box::leak(name.clone().into_boxed_str()) });
    let agent = stage
        .agent()
        .file_job("run", &busy, &of(running_))
        .file_job("run", &gone, &of(nowhere_))
        .file_job("run", &always, &of(forever_))
        .start();
    let skipped = agent.wait_for_event("run.skipped", &busy);
    assert!(
        text(&skipped, "reason").contains(&format!("container {running} is running already")),
        "{skipped}"
    );
    let ended = agent.wait_for_end(&gone);
    assert_eq!(text(&ended, "outcome"), "not-started", "{ended}");
    assert!(text(&ended, "reason").contains("there is none of this name"), "{ended}");
    let ended = agent.wait_for_end(&always);
    assert_eq!(text(&ended, "outcome"), "not-started", "{ended}");
    assert!(text(&ended, "reason").contains("restart policy is always"), "{ended}");
    assert_eq!((state(&stage, &running), state(&stage, &forever)), ("running".into(), "created".into()));
}

#[test]
fn a_timeout_stops_it_and_leaves_it_there() {
    let stage = Stage::new();
    let job = stage.name("stubborn");
    let name = made(&stage, "there", &[], "trap '' TERM; echo begun; sleep 35; sleep 35");
    let parameters =
        [("schedule", "@every 2s"), ("container", &*name), ("timeout", "1s"), ("grace-period", "1s")];
    let agent = stage.agent().file_job("run", &job, &parameters).start();
    let ended = agent.wait_for_end(&job);
    assert_eq!((text(&ended, "outcome"), text(&ended, "reason")), ("timed-out", ""), "{ended}");
    assert_eq!(lines(&agent, &ended), ["begun"]);
    agent.terminate();
    agent.wait_for_exit();
    eventually("it has ended", || state(&stage, &name) == "exited");
}

#[test]
fn the_next_agent_follows_it_to_its_end_and_tells_nothing_twice() {
    let stage = Stage::new();
    let job = stage.name("long");
    // What it printed before is none of the run's business.
    let name = made(
        &stage,
        "there",
        &[],
        "[ -e /again ] || { touch /again; echo old; exit 0; }; echo one; sleep 6; echo two; exit 4",
    );
    stage.docker(["start", "-a", &name]);
    let parameters = [("schedule", "@every 3s"), ("container", &*name)];
    let agent = stage.agent().file_job("run", &job, &parameters).start();
    let first = agent.wait_for("its first line", |it| it["event"] == "run.output" && it["job"] == *job);
    assert_eq!(text(&first, "line"), "one");
    agent.signal(Signal::SIGKILL);
    agent.wait_for_exit();
    let agent = stage.agent().file_job("run", &job, &parameters).after(&agent).start();
    let adopted = agent.wait_for_event("run.adopted", &job);
    assert_eq!((text(&adopted, "run"), text(&adopted, "container")), (text(&first, "run"), &*name));
    let ended = agent.wait_for("it ends", |it| it["event"] == "run.finished" && it["run"] == first["run"]);
    assert_eq!((text(&ended, "outcome"), &ended["exit_code"]), ("failed", &4.into()), "{ended}");
    // The first line may have been told and not kept when the agent was killed.
    let told = lines(&agent, &ended);
    assert!(told == ["two"] || told == ["one", "two"], "{told:?}");
    assert_eq!(text(&ended, "container"), name);
}
