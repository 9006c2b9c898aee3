//! The Engine that goes away and comes back, and what the agent says of its own health meanwhile.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::support::live_engine::{self, LIMIT, Record, Stage, WORKER, eventually, text};

/// An Engine that may be killed. It is stopped, and all that it had is gone, when the test ends.
struct Private {
    dir: tempfile::TempDir,
}

impl Private {
    fn start() -> Self {
        let user = live_engine::run(Command::new("id").arg("-u"));
        assert_eq!(
            user.as_deref(),
            Ok("0"),
            "killing an Engine needs one of our own, and only root can start one: run `make test` as root"
        );
        // Not below the target directory: a socket's path may be only so long.
        let dir = tempfile::Builder::new().prefix("wb-engine.").tempdir().expect("a temporary directory");
        let private = Self { dir };
        private.go("start");
        private
    }

    fn go(&self, action: &str) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/private-engine");
        live_engine::run(Command::new(script).arg(action).arg(self.dir.path()))
            .unwrap_or_else(|why| panic!("{why}"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn host(&self) -> String {
        format!("unix://{}", self.path("docker.sock").display())
    }

    fn kill(&self) {
        let pid = std::fs::read_to_string(self.path("dockerd.pid")).expect("it runs");
        let pid = pid.trim().parse().expect("a process ID");
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it runs");
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/private-engine");
        let _ = live_engine::run(Command::new(script).arg("stop").arg(self.dir.path()));
    }
}

#[test]
fn an_engine_that_is_killed_and_started_again_costs_no_job() {
    let given = Stage::new();
    let private = Private::start();
    let stage = Stage::at(&private.host());
    // The image goes from the Engine that has it to the one that has none.
    live_engine::hand_over(&given, &stage, WORKER);

    let web = stage.name("web");
    let jobs = ["tick", "hourly", "long"].map(|name| format!("{web}.{name}"));
    let agent = stage.agent().jobs(&jobs).start();
    agent.wait_until_ready();
    stage
        .worker("web")
        .arguments(&["--restart", "always"])
        .exec("tick", &[("schedule", "@every 1s"), ("command", "true")])
        .exec("hourly", &[("schedule", "@every 1h"), ("command", "true")])
        .exec("long", &[("schedule", "@every 1s"), ("command", "sleep 300")])
        .start();
    let succeeded = |it: &Record| it["event"] == "run.finished" && it["outcome"] == "succeeded";
    agent.wait_for("a run before", succeeded);
    assert_eq!(healthcheck(agent.state_dir()).map(|it| it.contains("engine connected")), Ok(true));

    let in_flight = agent.wait_for_event("run.started", &jobs[2]);

    private.kill();
    agent.wait_for("the Engine is lost", |it| it["event"] == "engine.lost");
    let down = healthcheck(agent.state_dir()).expect_err("the Engine is away");
    assert!(down.contains("down:") && down.contains("lost"), "{down}");
    private.go("start");
    agent.wait_for_nth("the Engine is back", 2, |it| it["event"] == "engine.connected");
    let before = agent.records(succeeded).len();
    agent.wait_within(LIMIT * 2, "runs go on", |records| {
        (records.iter().filter(|it| succeeded(it)).count() > before + 1).then_some(())
    });
    eventually("it is well again", || healthcheck(agent.state_dir()).is_ok());

    // The Engine ended what was running in it and knows nothing of it any more: that is told, and told once.
    let of_it = |it: &Record| it["event"] == "run.lost" && it["run"] == in_flight["run"];
    assert_eq!(text(&agent.wait_for("the end of the run in flight", of_it), "outcome"), "lost");
    assert_eq!(agent.records(of_it).len(), 1);
    agent.wait_for_nth("its job goes on", 2, |it| it["event"] == "run.started" && it["job"] == *jobs[2]);

    let engine: Vec<String> = agent
        .records(|it| text(it, "event").starts_with("engine."))
        .iter()
        .map(|it| text(it, "event").to_owned())
        .collect();
    assert_eq!(engine, ["engine.connected", "engine.lost", "engine.connected"]);
    for job in &jobs {
        assert_eq!(agent.job_events(job), ["job.added"], "no job is lost, changed or added");
    }
}

/// What `watchbell healthcheck` says: on which of its two exits.
fn healthcheck(state_dir: &str) -> Result<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_watchbell"))
        .env_clear()
        .args(["healthcheck", "--state-dir", state_dir])
        .output()
        .expect("it can be run");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).expect("text");
    match output.status.code() {
        Some(0) => Ok(said),
        Some(1) => Err(said),
        other => panic!("{other:?}: {said}"),
    }
}

#[test]
fn healthcheck_fails_without_an_agent_and_says_where_it_asked() {
    let stage = Stage::new();
    let state_dir = stage.dir().to_str().expect("a path that is text");
    let said = healthcheck(state_dir).expect_err("there is no agent");
    assert!(said.contains("no agent answers at") && said.contains(state_dir), "{said}");
}

#[test]
fn healthcheck_succeeds_with_an_agent_and_fails_again_after_it() {
    let stage = Stage::new();
    let agent = stage.agent().start();
    agent.wait_until_ready();
    let said = healthcheck(agent.state_dir()).expect("it is well");
    // What other tests have wrong on their containers is a reason to be degraded.
    assert!(said.contains(": agent ok, engine connected, version "), "{said}");
    agent.terminate();
    agent.wait_for_exit();
    let said = healthcheck(agent.state_dir()).expect_err("it has ended");
    assert!(said.contains("no agent answers at"), "{said}");
}

#[test]
fn healthcheck_is_down_while_the_engine_was_never_there_and_the_agent_waits_for_it() {
    let stage = Stage::at("unix:///no/such/engine.sock");
    let agent = stage.agent().start();
    agent.wait_for("it has started", |it| it["event"] == "agent.started");
    let mut said = String::new();
    eventually("the agent answers", || {
        said = healthcheck(agent.state_dir()).expect_err("there is no Engine");
        !said.contains("no agent answers")
    });
    assert!(said.starts_with("down: agent ok, engine "), "{said}");
    agent.terminate();
    assert_eq!(agent.wait_for_exit().code(), Some(0));
}
