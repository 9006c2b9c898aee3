//! Jobs that are made over the API, on a real Engine.

use std::{path::Path, process::Command};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{
    beside::{ask_in, get},
    live_engine::Stage,
};

#[test]
fn a_job_that_is_made_over_the_socket_runs_outlives_the_agent_and_goes() {
    let stage = Stage::new();
    let container = stage.worker("db").start();
    let job = stage.name("dump");
    let agent = stage.agent().start();
    agent.wait_until_ready();
    let body = json!({ "name": job, "kind": "exec", "parameters": {
        "schedule": "@every 2s", "command": ["sh", "-c", "echo $WORD"], "container": container,
        "environment": { "WORD": "hunter2-canary" }, "max-output": 0, "enabled": true,
    }});
    let made = ask_in(Path::new(agent.state_dir()), ("POST", "/api/jobs"), &body.to_string());
    assert_eq!(made.status, 201, "{}", made.text());
    agent.wait_for_end(&job);
    agent.signal(Signal::SIGKILL);
    agent.wait_for_exit();

    let next = stage.agent().after(&agent).start();
    next.wait_for_event("job.added", &job);
    next.wait_for_end(&job);
    // What the agent told before it answers this, readers see.
    assert_eq!(get(Path::new(next.state_dir()), "/live").status, 200);
    let path = format!("/api/jobs/{job}");
    let seen = get(Path::new(next.state_dir()), &path);
    assert_eq!(seen.header("etag"), made.header("etag"));
    assert_eq!(seen.json()["container"], container);
    assert!(!seen.text().contains("hunter2-canary"), "{}", seen.text());
    // To whom looks at what other files would change, it stays.
    let own = next.config().display().to_string();
    let plan = Command::new(env!("CARGO_BIN_EXE_watchbell"))
        .args(["plan", "--output", "json", "--config", &own])
        .args(["--docker-host", stage.host(), "--state-dir", next.state_dir()])
        .env_clear()
        .output()
        .expect("it runs");
    let plan: serde_json::Value = serde_json::from_slice(&plan.stdout).expect("JSON");
    assert_eq!(plan["agent"], "ok");
    assert!(!plan["plan"].to_string().contains(&job), "{plan}");

    let gone = ask_in(Path::new(next.state_dir()), ("DELETE", &path), "");
    assert_eq!(gone.status, 204, "{}", gone.text());
    next.wait_for_event("job.removed", &job);
    get(Path::new(next.state_dir()), &path).refusal(404);
}
