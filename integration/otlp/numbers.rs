//! Metrics as they are exported: the names, types, labels and values of `/metrics`.

use std::collections::{BTreeMap, BTreeSet};

use tempfile::TempDir;
use watchbell::telemetry::metrics::{METRICS, Shape};

use super::{agent, job};
use crate::support::{
    beside::Beside,
    receiver::{Metric, Receiver, metrics, named},
};

const OFTEN: (&str, &str) = ("OTEL_METRIC_EXPORT_INTERVAL", "50");
const ALONE: (&str, &str) = ("OTEL_TRACES_EXPORTER", "none");

/// The jobs that an exported metric is about.
fn jobs(it: &Metric) -> BTreeSet<String> {
    let points =
        it.sum.iter().flat_map(|it| &it.data_points).chain(it.gauge.iter().flat_map(|it| &it.data_points));
    points.filter_map(|it| named(&it.attributes).remove("job")).collect()
}

fn runs_are_of(receiver: &Receiver, wanted: &[&str]) -> Vec<Metric> {
    let wanted: BTreeSet<String> = wanted.iter().map(|it| (*it).to_owned()).collect();
    receiver.wait_for(&format!("the runs of {wanted:?}"), |requests| {
        let (_, _, all) = metrics(&requests.last()?.body);
        let fits = all.iter().any(|it| it.name == "watchbell_runs_total" && jobs(it) == wanted);
        fits.then_some(all)
    })
}

/// Waits until so much has become of the messages of the channel `ops`.
fn told_is(receiver: &Receiver, wanted: [(&str, f64); 3]) {
    receiver.wait_for(&format!("{wanted:?}"), |requests| {
        let (_, _, all) = metrics(&requests.last()?.body);
        let messages = all.iter().find(|it| it.name == "watchbell_notifications_total")?;
        let mut points: Vec<(String, f64)> = Vec::new();
        for point in &messages.sum.as_ref()?.data_points {
            let labels = named(&point.attributes);
            assert_eq!(labels["channel"], "ops");
            points.push((labels["result"].clone(), point.as_double));
        }
        points.sort_by(|a, b| a.0.cmp(&b.0));
        let is_it = |(a, b): (&(String, f64), &(&str, f64))| a.0 == b.0 && (a.1 - b.1).abs() < f64::EPSILON;
        (points.len() == wanted.len() && points.iter().zip(&wanted).all(is_it)).then_some(())
    });
}

fn is_as_documented(exported: &Metric) {
    let metric = METRICS.iter().find(|it| it.name == exported.name).unwrap_or_else(|| panic!("{exported:?}"));
    assert_eq!(exported.description, metric.doc);
    assert_eq!(exported.unit, if metric.name.ends_with("_seconds") { "s" } else { "" });
    let labels: BTreeSet<String> = metric.labels.iter().map(|it| (*it).to_owned()).collect();
    let has = |it: &BTreeMap<String, String>| assert_eq!(it.keys().cloned().collect::<BTreeSet<_>>(), labels);
    match (metric.shape, &exported.sum, &exported.gauge, &exported.histogram) {
        (Shape::Counter, Some(it), None, None) => {
            assert_eq!((it.aggregation_temporality, it.is_monotonic), (2, true));
            for point in &it.data_points {
                has(&named(&point.attributes));
                assert!(point.start_time_unix_nano.unwrap() <= point.time_unix_nano);
            }
        }
        (Shape::Gauge, None, Some(it), None) => {
            for point in &it.data_points {
                has(&named(&point.attributes));
                assert_eq!(point.start_time_unix_nano, None);
            }
        }
        (Shape::Histogram(bounds), None, None, Some(it)) => {
            assert_eq!(it.aggregation_temporality, 2);
            for point in &it.data_points {
                has(&named(&point.attributes));
                assert!(point.start_time_unix_nano <= point.time_unix_nano && point.sum >= 0.0);
                assert_eq!((&*point.explicit_bounds, point.bucket_counts.len()), (bounds, bounds.len() + 1));
                assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
            }
        }
        other => panic!("{}: {other:?}", metric.name),
    }
}

#[test]
fn what_is_exported_has_the_names_types_and_labels_of_the_table_and_goes_with_its_job() {
    let (folder, receiver) = (TempDir::new().unwrap(), Receiver::new());
    let stays = "[notify \"ops\"]\ntype = exec\ncommand = true\n".to_owned()
        + &job("local", "stays", "command = true\nnotify = ops\nnotify-on = success\ncooldown = 0s");
    let ini = stays.clone() + &job("local", "goes", "command = true");
    let agent = agent(&folder, &ini, &receiver.url(), &[OFTEN, ALONE]);
    // Of a channel there is all from the beginning.
    told_is(&receiver, [("failed", 0.0), ("given-up", 0.0), ("sent", 0.0)]);
    agent.run_to_its_end("stays");
    agent.run_to_its_end("goes");
    told_is(&receiver, [("failed", 0.0), ("given-up", 0.0), ("sent", 1.0)]);
    runs_are_of(&receiver, &["goes", "stays"]);
    let (resource, scope, all) = receiver.wait_for("all that is documented", |requests| {
        let (resource, scope, all) = metrics(&requests.last()?.body);
        let ran = all.iter().any(|it| it.name == "watchbell_job_last_exit_code" && jobs(it).len() == 2);
        ran.then_some((resource, scope, all))
    });
    assert_eq!((&*resource["service.name"], &*scope.name), ("watchbell", "watchbell"));
    all.iter().for_each(is_as_documented);
    let names: Vec<&str> = all.iter().map(|it| &*it.name).collect();
    let once: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(names.len(), once.len(), "each comes once: {names:?}");
    // Nothing of these is due by itself.
    let wanted = METRICS.iter().map(|it| it.name).filter(|it| !it.contains("next_run"));
    assert_eq!(once, wanted.collect());
    let succeeded = |it: &Metric, job: &str| {
        let points = it.sum.as_ref().unwrap().data_points.iter();
        let of = |it: &&crate::support::receiver::NumberPoint| {
            let labels = named(&it.attributes);
            labels["job"] == job && labels["outcome"] == "succeeded"
        };
        points.filter(of).map(|it| it.as_double).sum::<f64>()
    };
    let runs = all.iter().find(|it| it.name == "watchbell_runs_total").unwrap();
    assert!((succeeded(runs, "goes") - 1.0).abs() < f64::EPSILON);

    std::fs::write(folder.path().join("config.ini"), stays).unwrap();
    agent.signal(nix::sys::signal::Signal::SIGHUP);
    agent.wait_for_event("job.removed", "goes");
    let left = runs_are_of(&receiver, &["stays"]);
    assert!(left.iter().all(|it| !jobs(it).contains("goes")), "{left:?}");
}

/// More than go together in one request.
#[test]
fn each_of_many_jobs_keeps_its_label() {
    let (folder, receiver) = (TempDir::new().unwrap(), Receiver::new());
    let ini: String = (0..200).map(|n| job("local", &format!("j{n}"), "command = true")).collect();
    let _agent: Beside = agent(&folder, &ini, &receiver.url(), &[OFTEN, ALONE]);
    receiver.wait_for("all jobs", |requests| {
        let all = requests.iter().flat_map(|it| metrics(&it.body).2);
        let runs = all.filter(|it| it.name == "watchbell_runs_total");
        let jobs: BTreeSet<String> = runs.flat_map(|it| jobs(&it)).collect();
        (jobs.len() == 200).then_some(())
    });
}
