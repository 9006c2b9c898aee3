//! `plan` and `explain` beside a running agent and its Engine.

use std::process::Command;

use serde_json::Value;

use crate::support::live_engine::{Agent, Stage};

/// Stands where secrets stand, and must never be printed.
const SECRET: &str = "hunter2-canary";

fn ask(stage: &Stage, agent: &Agent, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_watchbell"))
        .args(arguments)
        .args(["--docker-host", stage.host(), "--state-dir", agent.state_dir()])
        .env_clear()
        .output()
        .expect("it runs");
    let text = [output.stdout, output.stderr].map(|it| String::from_utf8(it).expect("text")).concat();
    (output.status.code().expect("it ended"), text)
}

#[test]
fn a_plan_says_what_another_file_would_change_and_changes_nothing() {
    let stage = Stage::new();
    let [stays, edited, gone, new] = ["stays", "edited", "gone", "new"].map(|it| stage.name(it));
    let job =
        |name: &str, more: &str| format!("[job-local \"{name}\"]\nschedule = @yearly\ncommand = x\n{more}");
    // Other tests' containers are on the same Engine and come and go.
    let head = "[job-defaults]\nenabled = false\n";
    let before =
        [job(&stays, ""), job(&edited, &format!("environment = A={SECRET}1\n")), job(&gone, "")].concat();
    let after =
        [job(&stays, ""), job(&edited, &format!("timeout = 5m\nenvironment = A={SECRET}2\n")), job(&new, "")]
            .concat();
    let agent = stage.agent().config(&format!("{head}{before}")).start();
    agent.wait_until_ready();
    let other = stage.dir().join("other.ini");
    std::fs::write(&other, format!("{head}{after}")).expect("it is written");
    let other = other.display().to_string();

    let (_, text) = ask(&stage, &agent, &["plan", "--config", &other]);
    for line in [
        format!("- {gone}\n"),
        format!("~ {edited}\n    environment: [\"A=…\"] (its secret changes)\n    timeout: none -> 5m\n"),
        format!("+ {new} (local) is not enabled and never runs\n"),
    ] {
        assert!(text.contains(&line), "it does not say\n{line}but\n{text}");
    }
    assert!(!text.contains(&stays) && !text.contains(SECRET), "{text}");
    let (_, json) = ask(&stage, &agent, &["plan", "--config", &other, "--output", "json"]);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["agent"], "ok");
    assert!(json["plan"]["removed"].as_array().expect("a list").contains(&gone.clone().into()), "{json}");
    // What it runs with changes nothing.
    let own = agent.config().display().to_string();
    let (_, json) = ask(&stage, &agent, &["plan", "--config", &own, "--output", "json"]);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let touched = |list: &Value| list.to_string().contains(&stage.name(""));
    assert!(!touched(&json["plan"]["added"]) && !touched(&json["plan"]["updated"]), "{json}");
    assert!(!touched(&json["plan"]["removed"]), "{json}");
    assert_eq!(agent.records(|it| it["event"] == "config.reloaded").len(), 0);
    assert_eq!(agent.job_events(&edited), ["job.added"]);
}

#[test]
fn a_labelled_job_is_explained_from_the_engine_and_a_missing_engine_is_said() {
    let stage = Stage::new();
    let web = stage
        .worker("web")
        .exec("sync", &[("schedule", "@yearly"), ("command", "x"), ("env", &format!("A={SECRET}"))])
        .start();
    let job = format!("{web}.sync");
    let agent = stage.agent().jobs([&job]).start();
    agent.wait_for_event("job.added", &job);
    let (code, text) =
        ask(&stage, &agent, &["explain", &job, "--config", &agent.config().display().to_string()]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(&format!("in container {web}")) && text.contains("[\"A=…\"]"), "{text}");
    assert!(!text.contains(SECRET), "{text}");

    let dead = Stage::at("unix:///nonexistent/docker.sock");
    let (code, text) = ask(&dead, &agent, &["plan"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("no plan can be made") && text.contains("watchbell doctor"), "{text}");
}
