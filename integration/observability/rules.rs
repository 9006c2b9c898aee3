//! The alerts and the dashboard: Prometheus takes them, they ask for what there is, and each alert fires when it should.

use std::{collections::BTreeSet, fmt::Write as _};

use serde_json::Value;
use watchbell::telemetry::metrics::{METRICS, Shape};

use crate::{spec::read, support::prometheus::promtool};

const ALERTS: &str = "examples/observability/alerts.yml";
const DASHBOARD: &str = "examples/observability/dashboard.json";
const TESTS: &str = "integration/fixtures/alerts.test.yml";

fn passes(arguments: &[&str]) {
    let output = promtool(arguments);
    let told = [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned()).concat();
    assert!(output.status.success(), "promtool {}: {told}", arguments.join(" "));
}

fn yaml(place: &str) -> Value {
    serde_saphyr::from_str(&read(place)).unwrap_or_else(|error| panic!("{place}: {error}"))
}

fn alerts() -> Vec<Value> {
    yaml(ALERTS)["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|it| it["rules"].as_array().unwrap().clone())
        .collect()
}

/// What the panels of the dashboard ask for, as Prometheus is asked then.
fn panels() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|it| it["targets"].as_array().unwrap().clone());
    let filled = |it: &str| {
        let it = it.replace("$__rate_interval", "5m").replace("$instance", ".*").replace("$job", ".*");
        assert!(!it.contains('$'), "{it}");
        it
    };
    targets.map(|it| filled(it["expr"].as_str().unwrap())).collect()
}

#[test]
fn prometheus_takes_the_configuration_and_the_rules() {
    passes(&["check", "config", "examples/observability/prometheus.yml"]);
    passes(&["check", "rules", ALERTS]);
}

#[test]
fn each_alert_fires_when_it_should_and_is_silent_else() {
    passes(&["test", "rules", TESTS]);
    // And there is one of each for every alert.
    let cases: Vec<Value> = yaml(TESTS)["tests"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|it| it["alert_rule_test"].as_array().unwrap().clone())
        .collect();
    for alert in alerts() {
        let of_it = || cases.iter().filter(|it| it["alertname"] == alert["alert"]);
        let fires = |it: &&Value| !it["exp_alerts"].as_array().unwrap().is_empty();
        assert!(of_it().any(|it| fires(&it)) && of_it().any(|it| !fires(&it)), "{}", alert["alert"]);
        for field in ["summary", "action"] {
            assert!(alert["annotations"][field].is_string(), "{}: {field}", alert["alert"]);
        }
    }
}

#[test]
fn every_panel_asks_what_prometheus_understands() {
    let folder = tempfile::tempdir().unwrap();
    let mut rules = "groups:\n  - name: panels\n    rules:\n".to_owned();
    for (number, panel) in panels().iter().enumerate() {
        let panel = serde_json::to_string(panel).unwrap();
        writeln!(rules, "      - record: panel_{number}\n        expr: {panel}").unwrap();
    }
    let file = folder.path().join("panels.yml");
    std::fs::write(&file, rules).unwrap();
    passes(&["check", "rules", file.to_str().unwrap()]);
}

#[test]
fn alerts_and_panels_ask_for_what_there_is_and_leave_nothing_out() {
    let asked: Vec<String> =
        alerts().iter().map(|it| it["expr"].as_str().unwrap().to_owned()).chain(panels()).collect();
    let asked = asked.join("\n");
    let words: BTreeSet<&str> = asked
        .split(|it: char| !(it.is_ascii_alphanumeric() || it == '_'))
        .filter(|it| it.starts_with("watchbell_"))
        .collect();
    let exposed: BTreeSet<String> = METRICS
        .iter()
        .map(|it| match it.shape {
            Shape::Histogram(_) => format!("{}_bucket", it.name),
            _ => it.name.to_owned(),
        })
        .collect();
    for word in &words {
        assert!(exposed.contains(*word), "{word} is not exposed");
    }
    // How long a reconcile takes, and which version this is, is for whoever looks closer.
    let left: Vec<&String> = exposed.iter().filter(|it| !words.contains(it.as_str())).collect();
    assert_eq!(left, ["watchbell_build_info", "watchbell_reconcile_duration_seconds_bucket"]);
}
