//! Receivers that are away, do not answer or do not want what they are sent.

use std::{net::TcpListener, process::Command};

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::{agent, job};
use crate::support::{beside::Beside, exposition::Exposition, receiver::Receiver};

const TRACES: (&str, &str) = ("OTEL_METRICS_EXPORTER", "none");
const CANARY: &str = "hunter2-canary";

fn problems(agent: &Beside) -> Vec<Value> {
    agent.get("/api/problems").json()["problems"].as_array().unwrap().clone()
}

fn told(agent: &Beside, event: &str) -> Vec<Value> {
    agent.wait_for(0, |it| it["event"] == event)
}

#[test]
fn a_receiver_that_is_away_is_told_once_and_gets_all_of_it_when_it_is_back() {
    let folder = TempDir::new().unwrap();
    let address = Receiver::new().address();
    let agent = agent(&folder, &job("local", "a", "command = true"), &format!("http://{address}"), &[TRACES]);
    let first = agent.run_to_its_end("a");
    let failing = agent.wait_for(1, |it| it["event"] == "export.failing").remove(0);
    assert_eq!(
        (&failing["signal"], &failing["place"]),
        (&"traces".into(), &format!("http://{address}").into())
    );
    let second = agent.run_to_its_end("a");
    let [problem] = &problems(&agent)[..] else { panic!("{:?}", problems(&agent)) };
    assert_eq!(problem["severity"], "warning");
    assert!(problem["origin"].as_str().unwrap().contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{problem}");

    let receiver = Receiver::at(address);
    receiver.trace(&first);
    receiver.trace(&second);
    let restored = agent.wait_for(1, |it| it["event"] == "export.restored").remove(0);
    assert_eq!(restored["dropped"], 0);
    assert_eq!(problems(&agent), Vec::<Value>::new());
    assert_eq!(told(&agent, "export.failing").len(), 1);
    agent.end(Signal::SIGTERM);
}

/// It would answer in an hour at the earliest: whoever waited for it would not come to the end of this test.
#[test]
fn a_receiver_that_never_answers_delays_no_run_and_no_end_and_what_finds_no_room_is_counted_and_told_once() {
    let folder = TempDir::new().unwrap();
    let hole = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", hole.local_addr().unwrap());
    let patient = [("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000"), ("OTEL_BSP_MAX_QUEUE_SIZE", "12")];
    let agent = agent(&folder, &job("local", "a", "command = true"), &url, &patient);
    // Five spans each: there is room for two.
    for _ in 0..5 {
        agent.run_to_its_end("a");
    }
    agent.wait_for(1, |it| it["event"] == "export.dropped");
    let dropped =
        || Exposition::read(&agent.get("/metrics").text()).get("watchbell_spans_dropped_total", &[]);
    while dropped() < 15.0 {
        assert_eq!(agent.get("/live").status, 200);
    }
    assert!((dropped() - 15.0).abs() < f64::EPSILON);
    assert_eq!(told(&agent, "export.dropped").len(), 1);
    agent.signal(Signal::SIGTERM);
    agent.wait_for(1, |it| it["event"] == "agent.stopped");
    agent.end(Signal::SIGTERM);
    drop(hole);
}

#[test]
fn a_receiver_that_refuses_costs_what_it_refuses_and_the_headers_are_shown_nowhere() {
    let (folder, receiver) = (TempDir::new().unwrap(), Receiver::new());
    receiver.answers(403);
    let header = format!("authorization=Bearer%20{CANARY}");
    let variables = [TRACES, ("OTEL_EXPORTER_OTLP_HEADERS", &*header)];
    let url = format!("{}/{CANARY}?key={CANARY}", receiver.url());
    let agent = agent(&folder, &job("local", "a", "command = true"), &url, &variables);
    agent.run_to_its_end("a");
    let failing = agent.wait_for(1, |it| it["event"] == "export.failing").remove(0);
    let reason = failing["reason"].as_str().unwrap();
    assert_eq!(reason, "it answers with status 403: check OTEL_EXPORTER_OTLP_HEADERS");
    agent.wait_for(1, |it| it["event"] == "export.dropped");
    for path in ["/api/problems", "/api/config", "/api/jobs", "/health", "/metrics"] {
        let said = agent.get(path).text();
        assert!(!said.contains(CANARY), "{path}: {said}");
    }
    receiver.answers(200);
    agent.run_to_its_end("a");
    let sent = receiver.wait_for("the next trace", |it| it.first().cloned());
    assert_eq!(sent.headers["authorization"], format!("Bearer {CANARY}"));
    assert_eq!(sent.headers["content-type"], "application/json");
    agent.wait_for(1, |it| it["event"] == "export.restored");
    let all = agent.wait_for(0, |_| true);
    assert!(!format!("{all:?}").contains(CANARY), "{all:#?}");
}

#[test]
fn a_wrong_variable_is_pointed_out_by_validate_and_the_agent_and_stops_neither() {
    let folder = TempDir::new().unwrap();
    let ini = job("local", "a", "command = true");
    let wrong = [("OTEL_EXPORTER_OTLP_HEADERS", CANARY), ("OTEL_METRIC_EXPORT_INTERVAL", "often")];
    let agent = agent(&folder, &ini, "http://127.0.0.1:1", &wrong);
    agent.run_to_its_end("a");
    let told = problems(&agent);
    for (name, _) in wrong {
        assert!(told.iter().any(|it| it["origin"].as_str().unwrap().contains(name)), "{name}: {told:#?}");
    }
    let validated = Command::new(env!("CARGO_BIN_EXE_watchbell"))
        .args(["validate", "--config"])
        .arg(folder.path().join("config.ini"))
        .env_clear()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
        .envs(wrong)
        .output()
        .unwrap();
    let said = [validated.stdout, validated.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(
        said.contains("OTEL_METRIC_EXPORT_INTERVAL") && said.contains("OTEL_EXPORTER_OTLP_HEADERS"),
        "{said}"
    );
    assert!(!said.contains(CANARY) && !format!("{told:?}").contains(CANARY), "{said}");
}
