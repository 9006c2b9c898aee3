//! The commands as people type them: `docker exec` in the agent's own container.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use super::image::{self, demand_image, wait_for};
use crate::support::live_engine::{IMAGE, Stage, eventually};

/// Stands where secrets stand.
const SECRET: &str = "hunter2-canary";

/// What `docker exec AGENT /watchbell …` comes to: exit code, standard output, standard error.
fn exec(stage: &Stage, agent: &str, arguments: &[&str]) -> (i32, String, String) {
    let output = docker(stage).args(["exec", agent, "/watchbell"]).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(!out.contains(SECRET) && !err.contains(SECRET), "{arguments:?}: {out}{err}");
    (output.status.code().unwrap(), out, err)
}

fn docker(stage: &Stage) -> Command {
    let mut docker = Command::new("docker");
    docker.env("DOCKER_HOST", stage.host());
    docker
}

/// A worker with jobs, and an agent in a container that has them; the answer is the names of both.
fn staged(stage: &Stage) -> (String, String) {
    demand_image(stage);
    let worker = stage.name("worker");
    let never = ("schedule", "@yearly");
    stage
        .worker("worker")
        .exec("fails", &[never, ("command", "echo out; echo err >&2; exit 3"), ("shell", "true")])
        .exec("long", &[never, ("command", "sleep 600"), ("environment", "TOKEN=hunter2-canary")])
        .exec(
            "steps",
            &[never, ("shell", "true"), ("command", "i=0; while [ $i -lt 5 ]; do while [ ! -e /tmp/$i ]; do sleep 0.05; done; echo step $i; i=$((i+1)); done")],
        )
        .start();
    let jobs = ["fails", "long", "steps"].map(|job| format!("{worker}.{job}"));
    let agent = image::agent(stage, &[], &jobs.each_ref().map(String::as_str));
    for job in &jobs {
        wait_for(stage, &agent, "the job is added", |it| it["event"] == "job.added" && it["job"] == **job);
    }
    (worker, agent)
}

#[test]
fn each_command_in_the_agents_container_asks_the_agent() {
    let stage = Stage::new();
    let (worker, agent) = staged(&stage);
    let job = |name: &str| format!("{worker}.{name}");
    let (code, out, _) = exec(&stage, &agent, &["jobs", "--name", &worker]);
    assert!(code == 0 && out.lines().count() == 4 && out.contains(&job("long")), "{out}");
    let (code, out, _) = exec(&stage, &agent, &["show", &job("long")]);
    assert!(code == 0 && out.contains("TOKEN=…") && out.contains(".schedule)"), "{out}");

    let (code, out, err) = exec(&stage, &agent, &["run", &job("fails"), "--wait"]);
    assert_eq!((code, &*out), (3, "out\n"), "{err}");
    assert!(err.starts_with("err\n"), "{err}");

    let (code, out, _) = exec(&stage, &agent, &["run", &job("long")]);
    let run = out.trim();
    assert_eq!(code, 0);
    wait_for(&stage, &agent, "it began", |it| it["event"] == "run.started" && it["run"] == run);
    let (_, out, _) = exec(&stage, &agent, &["jobs", "--state", "running"]);
    assert!(out.contains(&job("long")), "{out}");
    assert_eq!(exec(&stage, &agent, &["stop", run]).0, 0);
    let ended = wait_for(&stage, &agent, "it ended", |it| it["event"] == "run.finished" && it["run"] == run);
    assert_eq!(ended["outcome"], "stopped");

    let (code, out, _) = exec(&stage, &agent, &["history", &job("fails"), "--output", "json"]);
    let history: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &history["runs"][0]["exit_code"]), (0, &3.into()));
    let failed = history["runs"][0]["run"].as_str().unwrap();
    assert_eq!(exec(&stage, &agent, &["logs", failed]), (0, "out\n".to_owned(), "err\n".to_owned()));
    let (code, out, _) = exec(&stage, &agent, &["problems", "--output", "json"]);
    let problems: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, i32::from(!problems["problems"].as_array().unwrap().is_empty()));

    // Without the agent, its state is still there to be read.
    stage.docker(["stop", "-t", "10", &agent]);
    let (agent_volume, label) = (format!("{}:/var/lib/watchbell", stage.name("state")), stage.label());
    let output = docker(&stage)
        .args(["run", "--rm", "--network", "none", "--label", &label, "-v", &agent_volume, IMAGE])
        .args(["history", &job("fails")])
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains(failed), "{out}{err}");
    assert!(err.contains("no agent answers"), "{err}");
}

#[test]
fn logs_follow_shows_each_line_as_it_comes() {
    let stage = Stage::new();
    let (worker, agent) = staged(&stage);
    let (_, run, _) = exec(&stage, &agent, &["run", &format!("{worker}.steps")]);
    let mut logs = docker(&stage)
        .args(["exec", &agent, "/watchbell", "logs", "-f", run.trim()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(logs.stdout.take().unwrap()).lines();
    for n in 0..5 {
        stage.docker(["exec", &worker, "touch", &format!("/tmp/{n}")]);
        assert_eq!(lines.next().unwrap().unwrap(), format!("step {n}"));
    }
    assert!(lines.next().is_none());
    assert!(logs.wait().unwrap().success());
}

#[test]
fn a_pause_outlives_a_restart_of_the_agent_and_its_recreation() {
    let stage = Stage::new();
    let (worker, agent) = staged(&stage);
    let job = format!("{worker}.long");
    let paused = |agent: &str| {
        let (code, out, _) = exec(&stage, agent, &["show", &job, "--output", "json"]);
        let show: serde_json::Value = serde_json::from_str(&out).unwrap_or_default();
        code == 0 && show["state"] == "paused"
    };
    assert_eq!(exec(&stage, &agent, &["pause", &job, "--for", "2h"]).0, 0);
    assert!(paused(&agent));
    stage.docker(["restart", &agent]);
    eventually("it is paused after the restart", || paused(&agent));
    stage.docker(["rm", "-f", &agent]);
    let again = image::agent(&stage, &[], &[&job]);
    eventually("it is paused in the new container", || paused(&again));
    assert_eq!(exec(&stage, &again, &["resume", &job]).0, 0);
    assert!(!paused(&again));
}
