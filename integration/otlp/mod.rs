//! What is exported to a receiver of OpenTelemetry's protocol, read there; and that it costs no run and no end anything.

mod numbers;
mod trouble;

use nix::sys::signal::Signal;
use tempfile::TempDir;
use ulid::Ulid;
use watchbell::{telemetry::otlp, time::Clock};

use crate::support::{
    beside::Beside,
    docs,
    fake_engine::{ExecBehaviour, FakeEngine},
    receiver::{Receiver, Trace},
    test_agent::with_job,
};

/// The table of the documentation.
pub fn table() -> String {
    let rows = otlp::VARIABLES.iter().map(|it| {
        let names: Vec<String> = otlp::names(it).iter().map(|name| format!("`{name}`")).collect();
        let default = if it.default.contains(' ') || it.default == "none" {
            it.default.to_owned()
        } else {
            format!("`{}`", it.default)
        };
        vec![names.join(", "), it.shape.to_owned(), default, it.doc.to_owned()]
    });
    docs::table(&["variable", "value", "default", "meaning"], rows)
}

/// A job that runs when it is asked to.
fn job(kind: &str, name: &str, parameters: &str) -> String {
    format!("[job-{kind} \"{name}\"]\nschedule = @triggered\n{parameters}\n")
}

/// An agent with this file that exports to `url`, at once.
fn agent(folder: &TempDir, ini: &str, url: &str, further: &[(&str, &str)]) -> Beside {
    std::fs::write(folder.path().join("config.ini"), ini).unwrap();
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", url), ("OTEL_BSP_SCHEDULE_DELAY", "1")];
    let agent = Beside::start_with(folder.path(), &["--listen", "none"], &[&variables, further].concat());
    let jobs = ini.matches("[job-").count();
    agent.wait_for(jobs, |it| it["event"] == "job.added");
    assert_eq!(agent.get("/live").status, 200);
    agent
}

/// The trace is of this run, and of nothing else.
fn is_of(trace: &Trace, run: &str) {
    assert_eq!(trace.run().trace_id, format!("{:032x}", u128::from(Ulid::from_string(run).unwrap())));
}

#[test]
fn a_local_run_that_fails_is_one_trace_whose_spans_say_where() {
    let (folder, receiver) = (TempDir::new().unwrap(), Receiver::new());
    let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=the%20lab");
    let ini = job("local", "fails", "command = sh -c 'exit 3'");
    let agent = agent(&folder, &ini, &receiver.url(), &[attributes, ("OTEL_SERVICE_NAME", "cron")]);
    let run = agent.run_to_its_end("fails");
    let trace = receiver.trace(&run);
    is_of(&trace, &run);
    assert_eq!(trace.resource["service.name"], "cron");
    assert_eq!(trace.resource["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(trace.resource["deployment.environment.name"], "the lab");
    assert_eq!((&*trace.scope.name, &*trace.scope.version), ("watchbell", env!("CARGO_PKG_VERSION")));
    assert_eq!(trace.legs(), ["admission", "start", "wait!", "record"]);
    let whole = trace.run();
    assert_eq!(whole.name, "run");
    assert_eq!(whole.status.code, 2);
    assert_eq!(whole.status.message, "failed");
    for (name, value) in [
        ("job", "fails"),
        ("kind", "local"),
        ("run", &run),
        ("trigger", "manual"),
        ("outcome", "failed"),
        ("exit_code", "3"),
        ("attempts", "1"),
    ] {
        assert_eq!(whole.text(&format!("watchbell.{name}")), value, "{name}");
    }
    assert!(trace.spans.iter().filter(|it| it.name != "run").all(|it| it.text("watchbell.attempt") == "1"));
}

#[test]
fn the_attempts_of_a_run_are_in_one_trace() {
    let (folder, receiver) = (TempDir::new().unwrap(), Receiver::new());
    let ini = job("local", "again", "command = sh -c 'exit 1'\nretries = 1\nretry-delay = 1ms");
    let agent = agent(&folder, &ini, &receiver.url(), &[]);
    let trace = receiver.trace(&agent.run_to_its_end("again"));
    assert_eq!(trace.legs(), ["admission", "start", "wait!", "start", "wait!", "record"]);
    let attempts: Vec<String> = ["1", "2"].map(str::to_owned).to_vec();
    let mut waits: Vec<String> =
        trace.spans.iter().filter(|it| it.name == "wait").map(|it| it.text("watchbell.attempt")).collect();
    waits.sort();
    assert_eq!(waits, attempts);
    assert_eq!(trace.run().text("watchbell.attempts"), "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_in_containers_have_spans_for_what_is_asked_of_the_engine() {
    let (folder, receiver) = (TempDir::new().unwrap(), Receiver::new());
    let socket = folder.path().join("docker.sock");
    let engine = FakeEngine::new(|| Clock::System.now());
    engine.listen(&socket);
    engine.on_exec(|_| ExecBehaviour::exit(0));
    engine.without_image("backup:1");
    engine.start(with_job("web", "sync", "@triggered"));
    let host = format!("unix://{}", socket.display());
    let ini = job("run", "backup", "image = backup:1\ncommand = work");
    let agent = agent(&folder, &ini, &receiver.url(), &[("WATCHBELL_DOCKER_HOST", &host)]);
    agent.wait_for_event("job.added", "web.sync");
    // What was told by then can be asked for.
    assert_eq!(agent.get("/live").status, 200);

    let run = agent.run_to_its_end("web.sync");
    let exec = receiver.trace(&run);
    is_of(&exec, &run);
    assert_eq!(exec.legs(), ["admission", "create", "start", "wait", "record"]);
    assert_eq!((exec.run().status.code, &*exec.run().text("watchbell.container")), (0, "web"));

    let pulled = receiver.trace(&agent.run_to_its_end("backup"));
    assert_eq!(pulled.legs(), ["admission", "create", "pull", "create", "start", "wait", "record"]);
    let there = receiver.trace(&agent.run_to_its_end("backup"));
    assert_eq!(there.legs(), ["admission", "create", "start", "wait", "record"]);

    engine.without_image("backup:1");
    engine.refuse_pulls("manifest unknown");
    let refused = receiver.trace(&agent.run_to_its_end("backup"));
    assert_eq!(refused.legs(), ["admission", "create", "pull!", "record"]);
    assert!(refused.run().status.message.contains("manifest unknown"), "{refused:?}");
    agent.end(Signal::SIGTERM);
}

/// Both would be sent in an hour.
#[test]
fn what_is_left_is_exported_at_the_end() {
    let (folder, receiver) = (TempDir::new().unwrap(), Receiver::new());
    let later = [("OTEL_BSP_SCHEDULE_DELAY", "3600000"), ("OTEL_METRIC_EXPORT_INTERVAL", "3600000")];
    let agent = agent(&folder, &job("local", "a", "command = true"), &receiver.url(), &later);
    let run = agent.run_to_its_end("a");
    agent.end(Signal::SIGTERM);
    receiver.trace(&run);
    receiver.wait_for("the metrics", |it| it.iter().find(|it| it.path == "/v1/metrics").map(drop));
}
