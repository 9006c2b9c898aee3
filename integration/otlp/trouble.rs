//! Receivers that are away, do not answer or do not want what they are sent.

use std::{net::TcpListener, process::Command};

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::{agent, job};
use crate::support::{beside::Beside, certificates::Authority, exposition::Exposition, receiver::Receiver};

const TRACES: (&str, &str) = ("OTEL_METRICS_EXPORTER", "none");
const CANARY: &str = "hunter2-canary";

fn problems(agent: &Beside) -> Vec<Value> {
    agent.get("/api/problems").json()["problems"].as_array().unwrap().clone()
}

/// How many requests came to nothing.
fn failures(agent: &Beside, signal: &str) -> f64 {
    let exposed = Exposition::read(&agent.get("/metrics").text());
    exposed.get("watchbell_export_failures_total", &[("signal", signal)])
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
    assert!(failures(&agent, "traces") >= 1.0 && failures(&agent, "metrics") < 1.0);
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
fn a_receiver_over_tls_gets_what_there_is_where_its_authority_is_named() {
    let (folder, authority) = (TempDir::new().unwrap(), Authority::new());
    let receiver = Receiver::over_tls(&authority.certify(&["127.0.0.1"]));
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let variables = [("OTEL_EXPORTER_OTLP_CERTIFICATE", file.to_str().unwrap())];
    let agent = agent(&folder, &job("local", "a", "command = true"), &receiver.url(), &variables);
    receiver.trace(&agent.run_to_its_end("a"));
    assert_eq!(problems(&agent), Vec::<Value>::new());
    agent.end(Signal::SIGTERM);
    receiver.wait_for("the metrics", |it| it.iter().find(|it| it.path == "/v1/metrics").map(drop));
}

#[test]
fn a_receiver_with_a_strangers_certificate_gets_nothing_and_is_a_problem_until_it_has_another() {
    let (folder, authority, stranger) = (TempDir::new().unwrap(), Authority::new(), Authority::new());
    let receiver = Receiver::over_tls(&authority.certify(&["127.0.0.1"]));
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, stranger.pem()).unwrap();
    let variables = [TRACES, ("OTEL_EXPORTER_OTLP_CERTIFICATE", file.to_str().unwrap())];
    let agent = agent(&folder, &job("local", "a", "command = true"), &receiver.url(), &variables);
    let run = agent.run_to_its_end("a");
    let failing = agent.wait_for(1, |it| it["event"] == "export.failing").remove(0);
    let reason = failing["reason"].as_str().unwrap();
    assert_eq!(
        reason,
        "its certificate is not signed by anybody who is believed here: name a file with the certificate of who signed \
         it with OTEL_EXPORTER_OTLP_CERTIFICATE"
    );
    let [problem] = &problems(&agent)[..] else { panic!("{:?}", problems(&agent)) };
    assert!(problem["reason"].as_str().unwrap().contains(reason), "{problem}");
    assert!(failures(&agent, "traces") >= 1.0);

    // It is read anew each time.
    std::fs::write(&file, authority.pem()).unwrap();
    receiver.trace(&run);
    agent.wait_for(1, |it| it["event"] == "export.restored");
    assert_eq!(problems(&agent), Vec::<Value>::new());
    agent.end(Signal::SIGTERM);
}

/// What is no place of this machine's is asked for by the proxy.
#[test]
fn a_receiver_behind_a_proxy_is_reached_by_it() {
    let (folder, proxy) = (TempDir::new().unwrap(), Receiver::new());
    let url = proxy.url();
    let variables = [TRACES, ("HTTP_PROXY", &*url)];
    let agent =
        agent(&folder, &job("local", "a", "command = true"), "http://collector.test:4318", &variables);
    agent.run_to_its_end("a");
    let sent = proxy.wait_for("the trace", |it| it.first().cloned());
    assert_eq!(sent.path, "http://collector.test:4318/v1/traces");
    assert_eq!(sent.headers["host"], "collector.test:4318");
    agent.end(Signal::SIGTERM);
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
