//! `doctor`: what is wrong with an installation is found, and nothing is changed.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::Value;
use watchbell::time::Clock;

use super::{Answer, Desk, SECRET};
use crate::support::{
    fake_engine::FakeEngine,
    test_agent::{labelled, with_job},
};

/// The checks that there are, in order; programs rely on them.
const NAMES: [&str; 12] = [
    "docker-host",
    "engine",
    "clock",
    "container",
    "timezone",
    "state-dir",
    "agent",
    "files",
    "listen",
    "grants",
    "swarm",
    "problems",
];

/// An Engine whose clock is off by this, and a desk with its socket.
fn engine(skew: SignedDuration) -> (FakeEngine, Arc<Desk>) {
    let engine = FakeEngine::new(move || Clock::System.now() + skew);
    let desk = Desk::new();
    engine.listen(&desk.path().join("docker.sock"));
    (engine, Arc::new(desk))
}

/// What `doctor` says there in JSON, with further arguments.
async fn doctor(desk: &Arc<Desk>, more: &[&str]) -> Answer {
    let host = format!("unix://{}", desk.path().join("docker.sock").display());
    let mut arguments = vec!["doctor", "--output", "json", "--state-dir", "state", "--docker-host"];
    arguments.push(&host);
    arguments.extend(more);
    let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
    let desk = desk.clone();
    let run = move || desk.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn check(answer: &Answer, name: &str) -> Value {
    let json = answer.json();
    let checks = json["checks"].as_array().unwrap();
    let names: Vec<&str> = checks.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, NAMES, "the checks are always the same");
    checks.iter().find(|it| it["name"] == name).unwrap().clone()
}

fn said(check: &Value, key: &str) -> String {
    check[key].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn an_installation_that_is_well_has_no_errors_and_is_not_changed() {
    let (engine, desk) = engine(SignedDuration::ZERO);
    engine.start(with_job("web", "sync", "@daily"));
    let answer = doctor(&desk, &[]).await;
    assert_eq!(answer.code, 0, "{answer:?}");
    for name in
        ["docker-host", "engine", "clock", "timezone", "state-dir", "files", "listen", "grants", "problems"]
    {
        assert_eq!(check(&answer, name)["status"], "ok", "{answer:?}");
    }
    assert!(said(&check(&answer, "engine"), "found").contains("20.10.24"), "{answer:?}");
    assert!(said(&check(&answer, "problems"), "found").starts_with("1 jobs"));
    assert!(engine.requests().iter().all(|it| it.starts_with("GET ")), "{:?}", engine.requests());
    assert!(!desk.path().join("state").exists());
}

#[tokio::test]
async fn a_mistake_in_a_label_is_told_with_its_place() {
    let (engine, desk) = engine(SignedDuration::ZERO);
    engine.start(labelled("web", &[("exec.sync.shedule", "@daily"), ("exec.sync.environment", SECRET)]));
    let answer = doctor(&desk, &[]).await;
    assert_eq!(answer.code, 1);
    assert_eq!(check(&answer, "problems")["status"], "error");
    let problems = answer.json()["problems"].as_array().unwrap().clone();
    let of = |label: &str| {
        let place = format!("container web (label watchbell.job-exec.sync.{label})");
        problems.iter().find(|it| it["origin"] == *place).unwrap_or_else(|| panic!("{place}: {answer:?}"))
    };
    assert!(said(of("shedule"), "reason").contains("did you mean \"schedule\"?"));
    assert!(said(of("environment"), "reason").contains("item 1 is not NAME=VALUE"));
    assert!(!answer.out.contains(SECRET));
}

#[tokio::test]
async fn an_engine_whose_clock_is_off_is_a_warning() {
    let (_engine, desk) = engine(SignedDuration::from_secs(600));
    let answer = doctor(&desk, &[]).await;
    let clock = check(&answer, "clock");
    assert_eq!((&clock["status"], answer.code), (&"warning".into(), 0), "{answer:?}");
    assert!(said(&clock, "found").contains("ahead"), "{clock}");
}

#[tokio::test]
async fn a_proxy_that_does_not_let_the_list_pass_is_told() {
    let (engine, desk) = engine(SignedDuration::ZERO);
    engine.fail("GET /containers/json", 9, 403, "Forbidden");
    let answer = doctor(&desk, &[]).await;
    let found = check(&answer, "engine");
    assert_eq!((&found["status"], answer.code), (&"error".into(), 1), "{answer:?}");
    assert!(said(&found, "advice").contains("GET /containers/json"), "{found}");
}

#[tokio::test]
async fn a_socket_that_is_missing_or_a_directory_is_told_with_what_to_do() {
    let desk = Arc::new(Desk::new());
    let answer = doctor(&desk, &[]).await;
    let missing = check(&answer, "engine");
    assert_eq!((&missing["status"], answer.code), (&"error".into(), 1), "{answer:?}");
    assert!(said(&missing, "advice").contains("mount its socket"), "{missing}");
    std::fs::create_dir(desk.path().join("docker.sock")).unwrap();
    let answer = doctor(&desk, &[]).await;
    assert!(said(&check(&answer, "engine"), "found").contains("is a directory"), "{answer:?}");
    assert_eq!(answer.code, 1);
}

#[tokio::test]
async fn wide_grants_files_that_are_broken_and_a_state_directory_that_cannot_be_are_told() {
    let (_engine, desk) = engine(SignedDuration::ZERO);
    let ini = format!("[global]\nallow-from-labels = all\npassword = {SECRET}\n");
    std::fs::write(desk.path().join("a.ini"), ini).unwrap();
    std::fs::write(desk.path().join("state"), "").unwrap();
    let answer = doctor(&desk, &["--config", "a.ini"]).await;
    assert_eq!(answer.code, 1);
    let files = check(&answer, "files");
    assert!(files["status"] == "error" && said(&files, "found").contains("read a.ini"), "{files}");
    assert_eq!(check(&answer, "grants")["status"], "warning");
    assert!(said(&check(&answer, "state-dir"), "found").contains("is no directory"), "{answer:?}");
    assert!(!answer.out.contains(SECRET) && !answer.err.contains(SECRET));
}

#[tokio::test]
async fn for_people_each_check_is_a_line_with_the_advice_below() {
    let desk = Desk::new();
    let answer =
        desk.run(&["doctor", "--docker-host", "unix:///nowhere/docker.sock", "--state-dir", "state"]);
    assert_eq!((answer.code, &*answer.err), (1, ""));
    answer.shows("error   engine: /nowhere/docker.sock cannot be found");
    answer.shows("\n        start Docker; in a container, mount its socket");
    answer.shows("ok      grants: ");
}
