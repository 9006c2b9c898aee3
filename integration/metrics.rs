//! `/metrics`: the table of the documentation, and what the numbers say.
#![expect(
    clippy::float_cmp,
    clippy::cast_precision_loss,
    reason = "counts are whole numbers, and small ones"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use nix::sys::signal::Signal;
use tokio::time::sleep;
use watchbell::{
    model::{
        channel::{Channel, ChannelKind, Channels},
        name::{JobId, JobKind},
        notification::Cause,
        origin::Origin,
    },
    telemetry::{
        metrics::METRICS,
        report::{self, Notice},
    },
};

use crate::support::{
    beside::Beside,
    docs,
    exposition::Exposition,
    fake_engine::ExecBehaviour,
    test_agent::{MINUTE, MOMENT, Setup, TestAgent, seconds, with_job},
};

/// The table of the documentation.
pub fn table() -> String {
    let rows = METRICS.iter().map(|it| {
        let labels: Vec<String> = it.labels.iter().map(|label| format!("`{label}`")).collect();
        vec![format!("`{}`", it.name), it.shape.as_str().to_owned(), labels.join(", "), it.doc.to_owned()]
    });
    docs::table(&["metric", "type", "labels", "meaning"], rows)
}

fn count(of: &Exposition, job: &str, outcome: &str) -> f64 {
    of.get("watchbell_runs_total", &[("job", job), ("outcome", outcome)])
}

fn skipped(of: &Exposition, job: &str, reason: &str) -> Option<f64> {
    of.find("watchbell_runs_skipped_total", &[("job", job), ("reason", reason)])
}

#[tokio::test(start_paused = true)]
async fn what_is_exposed_is_the_table_name_by_name_with_type_meaning_and_labels() {
    let agent = TestAgent::new().await;
    agent.start(with_job("web", "sync", "* * * * *")).await;
    agent.wait_for("run.finished", 1).await;
    report::notify_channels(&channels(["ops"]));
    let exposed = agent.scrape();
    let names: BTreeSet<&str> = exposed.0.keys().map(String::as_str).collect();
    assert_eq!(names, METRICS.iter().map(|it| it.name).collect());
    for metric in METRICS {
        let family = &exposed.0[metric.name];
        assert_eq!(family.shape, metric.shape.as_str(), "{}", metric.name);
        assert_eq!(family.help, metric.doc, "{}", metric.name);
        for sample in &family.samples {
            let labels = sample.labels.keys().map(String::as_str).filter(|it| *it != "le");
            let wanted: BTreeSet<&str> = metric.labels.iter().copied().collect();
            assert_eq!(labels.collect::<BTreeSet<_>>(), wanted, "{}", metric.name);
        }
    }
}

fn channels<const N: usize>(names: [&str; N]) -> Channels {
    let channel = |name: &str| {
        let (name, values, origin): (Arc<str>, _, _) = (name.into(), BTreeMap::new(), Origin::Default);
        let kind = ChannelKind::Slack;
        let it = Channel { name: name.clone(), kind, on: None, values, origin, from_label: false };
        (name, Arc::new(it))
    };
    names.map(channel).into()
}

#[tokio::test(start_paused = true)]
async fn messages_are_counted_by_channel_and_by_what_became_of_them_from_the_first_scrape_on() {
    let agent = TestAgent::new().await;
    report::notify_channels(&channels(["ops", "mail"]));
    let count = |channel, result| {
        agent.scrape().get("watchbell_notifications_total", &[("channel", channel), ("result", result)])
    };
    for channel in ["ops", "mail"] {
        assert_eq!(["sent", "failed", "given-up"].map(|result| count(channel, result)), [0.0; 3]);
    }
    let job = JobId::plain("backup");
    let notice = Notice {
        channel: "ops",
        cause: Some(Cause::Failure),
        job: Some(&job),
        kind: Some(JobKind::Exec),
        run: Some("01A"),
    };
    let at = "2026-03-02T10:00:00Z".parse().unwrap();
    report::notify_failed(notice, 1, "it does not answer", at);
    report::notify_failed(notice, 2, "it does not answer", at);
    report::notify_sent(notice, 3, seconds(2));
    report::notify_given_up(Notice { channel: "mail", ..notice }, "it is too old");
    assert_eq!(["sent", "failed", "given-up"].map(|result| count("ops", result)), [1.0, 2.0, 0.0]);
    assert_eq!(["sent", "failed", "given-up"].map(|result| count("mail", result)), [0.0, 0.0, 1.0]);
    let failed = &agent.all("notify.failed")[1];
    let said =
        ["channel", "cause", "job", "kind", "run", "reason", "next_attempt"].map(|key| failed.text(key));
    let expected = ["ops", "failure", "backup", "exec", "01A", "it does not answer", "2026-03-02T10:00:00Z"];
    assert_eq!(said, expected);
    assert_eq!(agent.one("notify.given_up").text("channel"), "mail");
    assert_eq!(agent.one("notify.sent").text("attempt"), "3");
}

#[tokio::test(start_paused = true)]
async fn every_counter_is_there_before_anything_happened() {
    let agent = TestAgent::new().await;
    agent.start(with_job("web", "sync", "@yearly")).await;
    let exposed = agent.scrape();
    let outcomes = exposed.all("watchbell_runs_total", &[("job", "web.sync"), ("kind", "exec")]);
    assert_eq!(outcomes.len(), 8);
    assert!(outcomes.iter().all(|it| it.value == 0.0));
    for reason in ["overlap", "container", "paused", "shutdown", "operator"] {
        assert_eq!(skipped(&exposed, "web.sync", reason), Some(0.0), "{reason}");
    }
    assert_eq!(skipped(&exposed, "web.sync", "replaced"), None, "its policy is another one");
    for name in ["engine_events_total", "history_lost_total", "log_dropped_total"] {
        assert!(exposed.find(&format!("watchbell_{name}"), &[]).is_some(), "{name}");
    }
    assert_eq!(exposed.all("watchbell_reconciles_total", &[]).len(), 3);
    assert_eq!(exposed.all("watchbell_export_failures_total", &[]).len(), 2);
    assert!(exposed.find("watchbell_job_last_run_timestamp_seconds", &[("job", "web.sync")]).is_none());
}

#[tokio::test(start_paused = true)]
async fn runs_are_counted_by_their_outcome_and_the_last_one_is_told() {
    let agent = TestAgent::new().await;
    let runs = AtomicI64::new(0);
    agent.engine.on_exec(move |_| {
        let before = runs.fetch_add(1, Ordering::SeqCst);
        ExecBehaviour::exit(3 * before).takes(seconds(20))
    });
    agent.start(with_job("web", "sync", "* * * * *")).await;
    agent.sleep_until("00:01").await;
    sleep(MOMENT).await;
    assert_eq!(agent.scrape().get("watchbell_running_runs", &[]), 1.0);
    agent.wait_for("run.finished", 2).await;
    let exposed = agent.scrape();
    assert_eq!(count(&exposed, "web.sync", "succeeded"), 1.0);
    assert_eq!(count(&exposed, "web.sync", "failed"), 1.0);
    assert_eq!(exposed.get("watchbell_running_runs", &[]), 0.0);
    assert_eq!(exposed.get("watchbell_engine_connected", &[]), 1.0);
    assert_eq!(exposed.get("watchbell_jobs", &[("kind", "exec"), ("state", "enabled")]), 1.0);
    let of_kind = [("kind", "exec")];
    assert_eq!(exposed.get("watchbell_run_duration_seconds_count", &of_kind), 2.0);
    let sum = exposed.get("watchbell_run_duration_seconds_sum", &of_kind);
    assert!((40.0..41.0).contains(&sum), "{sum}");
    assert_eq!(exposed.get("watchbell_start_delay_seconds_count", &[]), 2.0);
    assert_eq!(exposed.get("watchbell_start_delay_seconds_bucket", &[("le", "0.1")]), 2.0);
    let of_job = |name: &str| exposed.get(&format!("watchbell_job_{name}"), &[("job", "web.sync")]);
    let last = agent.all("run.finished")[1].clone();
    let seconds = |at: jiff::Timestamp| at.as_millisecond() as f64 / 1e3;
    assert!((of_job("last_run_timestamp_seconds") - seconds(last.at())).abs() < 0.01);
    assert_eq!(of_job("last_exit_code"), 3.0);
    assert!((of_job("last_duration_seconds") - 20.0).abs() < 0.1);
    assert_eq!(of_job("next_run_timestamp_seconds"), seconds("2026-01-05T00:03:00Z".parse().unwrap()));
    assert!(exposed.get("watchbell_reconciles_total", &[("result", "changed")]) >= 1.0);
    assert!(exposed.get("watchbell_engine_events_total", &[]) >= 1.0);
}

/// The running run's ID and its age are in the reason.
#[tokio::test(start_paused = true)]
async fn each_occurrence_that_a_running_run_makes_skip_is_logged_with_run_and_age_and_counted() {
    let agent = TestAgent::new().await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(0).takes(seconds(330)));
    agent.start(with_job("web", "sync", "* * * * *")).await;
    agent.sleep_until("00:06").await;
    sleep(MOMENT).await;
    let run = agent.all("run.started")[0].text("run");
    let told = agent.of("run.skipped", "web.sync");
    let reasons: Vec<String> = told.iter().map(|it| it.text("reason")).collect();
    let wanted = (1..=5).map(|n| format!("run {run} of web.sync is still running after {n}m"));
    assert_eq!(reasons, wanted.collect::<Vec<_>>());
    let exposed = agent.scrape();
    assert_eq!(skipped(&exposed, "web.sync", "overlap"), Some(5.0));
    assert_eq!(count(&exposed, "web.sync", "skipped"), 5.0);
    assert_eq!(count(&exposed, "web.sync", "succeeded"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn what_else_makes_an_occurrence_skip_is_counted_under_its_own_word() {
    let agent = TestAgent::new().await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(0).takes(seconds(90)));
    let container = with_job("web", "sync", "* * * * *").label("watchbell.job-exec.sync.overlap", "queue");
    agent.start(container).await;
    // One runs and one waits, which an operator gives up.
    agent.sleep_until("00:02").await;
    sleep(MOMENT).await;
    let waiting = agent.handle.snapshot().waiting;
    assert_eq!(waiting, 1);
    // Its container stops while it waits.
    agent.engine.stop("web");
    sleep(2 * MINUTE).await;
    let exposed = agent.scrape();
    assert!(skipped(&exposed, "web.sync", "container").unwrap() >= 1.0, "{:?}", agent.all("run.skipped"));
    assert_eq!(count(&exposed, "web.sync", "skipped"), agent.all("run.skipped").len() as f64);
}

/// Mistake 50.
#[tokio::test(start_paused = true)]
async fn three_thousand_jobs_keep_their_label_in_every_metric_that_has_it() {
    let mut ini = String::new();
    for n in 0..3_000 {
        let _ = write!(ini, "[job-local \"job-{n:04}\"]\nschedule = @yearly\ncommand = true\n");
    }
    let agent = TestAgent::with(Setup::ini(&ini)).await;
    let exposed = agent.scrape();
    let jobs: BTreeSet<String> = (0..3_000).map(|n| format!("job-{n:04}")).collect();
    for name in
        ["watchbell_runs_total", "watchbell_runs_skipped_total", "watchbell_job_next_run_timestamp_seconds"]
    {
        let found = exposed.0[name].samples.iter().map(|it| it.labels["job"].clone());
        assert_eq!(found.collect::<BTreeSet<_>>(), jobs, "{name}");
    }
    assert_eq!(exposed.0["watchbell_runs_total"].samples.len(), 8 * 3_000);
}

#[tokio::test(start_paused = true)]
async fn after_a_thousand_recreated_jobs_there_are_as_many_series_as_before() {
    let agent = TestAgent::new().await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(0));
    agent.start(with_job("web", "sync", "* * * * *")).await;
    agent.wait_for("run.finished", 1).await;
    let before = agent.scrape();
    for round in 0..10 {
        let names: Vec<String> = (0..100).map(|n| format!("once-{round}-{n}")).collect();
        for name in &names {
            agent.engine.start(with_job(name, "sync", "* * * * *"));
        }
        sleep(2 * MINUTE).await;
        assert!(agent.scrape().len() > before.len() + 1_000);
        for name in &names {
            agent.engine.remove(name);
        }
        sleep(MINUTE).await;
    }
    assert_eq!(agent.all("job.removed").len(), 1_000);
    let after = agent.scrape();
    assert_eq!(after.len(), before.len());
    assert!(count(&after, "web.sync", "succeeded") > 9.0);
}

#[tokio::test(start_paused = true)]
async fn the_series_of_a_job_are_gone_with_it_and_go_on_where_they_were_when_its_container_is_made_anew() {
    let agent = TestAgent::new().await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(0));
    agent.start(with_job("web", "sync", "* * * * *")).await;
    agent.wait_for("run.finished", 2).await;
    agent.engine.remove("web");
    agent.wait_for("job.removed", 1).await;
    let gone = agent.scrape();
    assert!(gone.0.values().flat_map(|it| &it.samples).all(|it| !it.labels.contains_key("job")), "{gone:?}");
    agent.start(with_job("web", "sync", "* * * * *")).await;
    let again = agent.scrape();
    assert_eq!(count(&again, "web.sync", "succeeded"), 2.0);
    assert!(again.find("watchbell_job_last_success_timestamp_seconds", &[("job", "web.sync")]).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_failing_is_a_metric_and_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    // A file where the state directory should be.
    let nowhere = folder.path().join("file");
    std::fs::write(&nowhere, "").unwrap();
    let well = TestAgent::new().await.scrape();
    assert_eq!(well.get("watchbell_history_failing", &[]), 0.0);
    assert_eq!(well.get("watchbell_problems", &[("severity", "error")]), 0.0);
    let agent = TestAgent::with(Setup { state_dir: Some(nowhere), ..Setup::default() }).await;
    agent.wait_for("history.failing", 1).await;
    let exposed = agent.scrape();
    assert_eq!(exposed.get("watchbell_history_failing", &[]), 1.0);
    assert_eq!(exposed.get("watchbell_problems", &[("severity", "error")]), 1.0);
    assert_eq!(exposed.get("watchbell_problems", &[("severity", "warning")]), 0.0);
}

#[test]
fn it_is_served_beside_the_api_and_knows_of_the_runs_of_earlier_agents() {
    let folder = tempfile::tempdir().unwrap();
    let ini = "[job-local \"good\"]\nschedule = @yearly\ncommand = true\n\
               [job-local \"bad\"]\nschedule = @yearly\ncommand = sh -c \"exit 3\"\n\
               [job-local \"never\"]\nschedule = @yearly\ncommand = true\n";
    let scrape = |agent: &Beside| {
        let reply = agent.get("/metrics");
        assert_eq!((reply.status, reply.header("content-type")), (200, "text/plain; version=0.0.4"));
        Exposition::read(&reply.text())
    };
    let agent = Beside::start(folder.path(), ini);
    agent.run_to_its_end("good");
    agent.run_to_its_end("bad");
    let first = scrape(&agent);
    assert_eq!(count(&first, "good", "succeeded"), 1.0);
    assert_eq!(count(&first, "bad", "failed"), 1.0);
    agent.end(Signal::SIGTERM);

    let agent = Beside::start(folder.path(), ini);
    let again = scrape(&agent);
    assert_eq!(count(&again, "good", "succeeded"), 0.0, "it counts since its start");
    assert_eq!(again.get("watchbell_job_last_exit_code", &[("job", "bad")]), 3.0);
    for name in ["last_success_timestamp_seconds", "last_run_timestamp_seconds", "last_duration_seconds"] {
        let (name, of) = (format!("watchbell_job_{name}"), [("job", "good")]);
        let same = (again.get(&name, &of) - first.get(&name, &of)).abs() < 1e-3;
        assert!(same, "{name}: {:?} {:?}", again.find(&name, &of), first.find(&name, &of));
        assert!(again.find(&name, &[("job", "never")]).is_none());
    }
    assert!(again.find("watchbell_job_last_success_timestamp_seconds", &[("job", "bad")]).is_none());
    assert_eq!(again.get("watchbell_engine_connected", &[]), 0.0);
    assert_eq!(again.get("watchbell_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
}
