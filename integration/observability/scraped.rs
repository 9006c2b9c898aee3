//! `/metrics` as a real Prometheus scrapes it, with the configuration of the example.

use std::{collections::BTreeSet, fmt::Write as _, path::Path};

use nix::sys::signal::Signal;
use serde_json::Value;
use watchbell::telemetry::metrics::METRICS;

use crate::{
    spec::read,
    support::{beside::Beside, expect::root, prometheus::Prometheus},
};

/// So many jobs, and one more that runs.
const JOBS: usize = 3_000;
const REPLACED: usize = 1_000;

/// Jobs that are not due, of which the first ones carry a mark in their names, and one of which someone is told.
fn file(mark: &str) -> String {
    let mut file = "[notify \"ops\"]\ntype = exec\ncommand = true\n\
                    [job-local \"runs\"]\nschedule = @triggered\ncommand = true\nnotify = ops\nnotify-on = success\n"
        .to_owned();
    for number in 0..JOBS {
        let mark = if number < REPLACED { mark } else { "kept" };
        write!(file, "[job-local \"{mark}-{number}\"]\nschedule = @yearly\ncommand = true\n").unwrap();
    }
    file
}

/// An agent with these jobs, and a Prometheus that scrapes it as the example says, only more often.
fn scraped(folder: &Path) -> (Beside, Prometheus) {
    std::fs::write(folder.join("config.ini"), file("old")).unwrap();
    let agent = Beside::start_as_it_is(folder, &["--listen", "127.0.0.1:0"]);
    let address = agent.address(1).to_string();
    let example = read("examples/observability/prometheus.yml");
    assert!(example.contains("watchbell:8080\"]") && example.contains("- alerts.yml"), "{example}");
    let alerts = root().join("examples/observability/alerts.yml");
    let config = example
        .replace("watchbell:8080\"]", &format!("{address}\"]"))
        .replace("- alerts.yml", &format!("- {}", alerts.display()));
    let folder = folder.join("prometheus");
    std::fs::create_dir(&folder).unwrap();
    let prometheus = Prometheus::start(
        &folder,
        &format!("global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n{config}"),
    );
    (agent, prometheus)
}

#[test]
fn prometheus_sees_every_metric_as_it_is_documented_and_each_job_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let (agent, prometheus) = scraped(folder.path());
    // Before anyone was told anything.
    let untold = "count(watchbell_notifications_total{channel=\"ops\"} == 0)";
    prometheus.wait_until("what becomes of messages is there", |it| it.number(untold) == Some(3.0));
    agent.run_to_its_end("runs");
    let sent = "increase(watchbell_notifications_total{channel=\"ops\",result=\"sent\"}[1m])";
    prometheus.wait_until("a message was counted", |it| it.number(sent).is_some_and(|it| it > 0.0));
    let succeeded = "watchbell_runs_total{job=\"runs\",kind=\"local\",outcome=\"succeeded\"}";
    prometheus.wait_until("a run was counted", |it| it.number(succeeded) == Some(1.0));
    assert_eq!(prometheus.number("up{job=\"watchbell\"}"), Some(1.0));
    let metadata = prometheus.get("/api/v1/targets/metadata");
    for metric in METRICS {
        let known = metadata.as_array().unwrap().iter().find(|it| it["metric"] == metric.name);
        let known = known.unwrap_or_else(|| panic!("{} was not scraped", metric.name));
        assert_eq!(
            (&known["type"], &known["help"]),
            (&Value::from(metric.shape.as_str()), &Value::from(metric.doc))
        );
        let name = if metric.shape.as_str() == "histogram" {
            format!("{}_count", metric.name)
        } else {
            metric.name.to_owned()
        };
        for series in prometheus.query(&name) {
            let labels = series["metric"].as_object().unwrap().keys().map(String::as_str);
            let labels: BTreeSet<&str> =
                labels.filter(|it| !matches!(*it, "__name__" | "instance" | "le")).collect();
            let mut wanted: BTreeSet<&str> = metric.labels.iter().copied().collect();
            // The target's own, where the agent says nothing of a job.
            wanted.insert("job");
            assert_eq!(labels, wanted, "{name}");
        }
    }
    let named = "count(count by (job) (watchbell_job_next_run_timestamp_seconds{job!=\"watchbell\"}))";
    prometheus.wait_until("each job is there by its name", |it| it.number(named) == Some(3_000.0));
    assert!(prometheus.query("{exported_job!=\"\"}").is_empty());
    let rules = prometheus.get("/api/v1/rules");
    let rules = rules["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() > 10 && rules.iter().all(|it| it["health"] != "err"), "{rules:#?}");
}

#[test]
fn the_series_of_jobs_that_are_gone_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (agent, prometheus) = scraped(folder.path());
    let of = |mark: &str| format!("count(watchbell_job_next_run_timestamp_seconds{{job=~\"{mark}-.*\"}})");
    let all = "scrape_samples_scraped{job=\"watchbell\"}";
    prometheus.wait_until("the jobs are scraped", |it| it.number(&of("old")) == Some(1_000.0));
    let before = prometheus.number(all);
    for mark in ["new", "newer", "newest"] {
        std::fs::write(folder.path().join("config.ini"), file(mark)).unwrap();
        agent.signal(Signal::SIGHUP);
        prometheus.wait_until("the new jobs are scraped", |it| it.number(&of(mark)) == Some(1_000.0));
        assert_eq!(prometheus.number(all), before, "{mark}");
        let gone: Vec<Value> = ["old", "new", "newer", "newest"]
            .iter()
            .filter(|it| **it != mark)
            .flat_map(|it| prometheus.query(&of(it)))
            .collect();
        assert!(gone.is_empty(), "{gone:?}");
    }
}
