//! Live edits: what differs is told by name, and what stays the same stays as it was.

use tokio::time::sleep;
use watchbell::{
    model::name::JobKind,
    settings::params::{self, PARAMS, Param},
};

use crate::support::{
    fake_engine::ContainerSpec,
    test_agent::{AT_ONCE, MINUTE, Setup, TestAgent, seconds, with_job},
};

/// Two values of a parameter of a kind, and the name under which the change is told.
fn values(kind: JobKind, parameter: &str) -> (&'static str, &'static str, &'static str) {
    match parameter {
        "schedule" => ("0 3 * * *", "0 4 * * *", "schedule"),
        "command" => ("work --slow", "work --fast", "command"),
        // Which shell runs it is a part of what is run.
        "shell" => ("/bin/sh", "/bin/bash", "command"),
        "container" => ("web", "db", "container"),
        "user" => ("1000", "1001", "user"),
        "workdir" => ("/a", "/b", "workdir"),
        "environment" => ("A=1", "A=2", "environment"),
        "env-file" => ("/a", "/b", "env-file"),
        "privileged" => ("true", "false", "privileged"),
        "image" => ("app:1", "app:2", "image"),
        "entrypoint" => ("sh -c", "bash -c", "entrypoint"),
        "hostname" => ("one", "two", "hostname"),
        "volume" => ("a:/data", "b:/data", "volume"),
        "network" => ("front", "back", "network"),
        "mount" => ("source=a,target=/data", "source=b,target=/data", "mount"),
        "memory" => ("64m", "65m", "memory"),
        "cpus" => ("1", "1.5", "cpus"),
        "tty" => ("true", "false", "tty"),
        "replica" => ("one", "all", "replica"),
        "tmpfs" => ("/cache", "/cache:size=64m", "tmpfs"),
        "volumes-from" => ("data", "data:ro", "volumes-from"),
        "network-alias" => ("one", "two", "network-alias"),
        "dns" => ("192.0.2.1", "192.0.2.2", "dns"),
        "extra-hosts" => ("db:192.0.2.1", "db:192.0.2.2", "extra-hosts"),
        "pids-limit" => ("100", "unlimited", "pids-limit"),
        "shm-size" => ("64m", "65m", "shm-size"),
        "ulimit" => ("nofile=1024", "nofile=1024:4096", "ulimit"),
        "cap-add" => ("NET_ADMIN", "NET_RAW", "cap-add"),
        "cap-drop" => ("ALL", "CHOWN", "cap-drop"),
        "device" => ("/dev/null", "/dev/null:r", "device"),
        "gpus" => ("all", "1", "gpus"),
        "security-opt" => ("no-new-privileges", "label=disable", "security-opt"),
        "read-only" => ("true", "false", "read-only"),
        "init" => ("true", "false", "init"),
        "label" => ("a=1", "a=2", "label"),
        "stop-signal" => ("SIGINT", "SIGQUIT", "stop-signal"),
        "platform" => ("linux/amd64", "linux/arm64", "platform"),
        "runtime" => ("runc", "crun", "runtime"),
        "log-driver" => ("local", "json-file", "log-driver"),
        "log-opt" => ("max-size=1m", "max-size=2m", "log-opt"),
        "delete" => ("always", "never", "delete"),
        "pull" => ("missing", "never", "pull"),
        "pull-timeout" => ("5m", "6m", "pull-timeout"),
        "like" => ("db", "cache", "like"),
        "secret" => ("a", "b", "secret"),
        "config" => ("a", "b", "config"),
        "constraint" => ("node.role==worker", "node.role==manager", "constraint"),
        "replicas" => ("2", "3", "replicas"),
        // What it takes the place of is gone with it.
        "global" => ("false", "true", "replicas, global"),
        "with-registry-auth" => ("true", "false", "with-registry-auth"),
        "file" => ("/a.yaml", "/b.yaml", "file"),
        "project" => ("shop", "blog", "project"),
        "service" => ("web", "db", "service"),
        "action" if kind == JobKind::Container => ("restart", "stop", "action"),
        "action" => ("run", "exec", "action"),
        "signal" => ("HUP", "USR1", "signal"),
        "stop-during" => ("cache", "queue", "stop-during"),
        "timezone" => ("UTC", "Europe/Berlin", "timezone"),
        "enabled" => ("true", "false", "enabled"),
        "overlap" => ("skip", "queue", "overlap"),
        "timeout" => ("5m", "6m", "timeout"),
        "grace-period" => ("5s", "6s", "grace-period"),
        "group" => ("one", "two", "group"),
        "group-wait" => ("5m", "none", "group-wait"),
        "retries" => ("0", "3", "retries"),
        "retry-delay" => ("5s", "6s", "retry-delay"),
        "retry-backoff" => ("exponential", "fixed", "retry-backoff"),
        "retry-max-delay" => ("5m", "6m", "retry-max-delay"),
        "success-codes" => ("0", "0,1", "success-codes"),
        "depends-on" => ("one", "one,two", "depends-on"),
        "on-success" => ("one", "[]", "on-success"),
        "on-failure" => ("one", "two", "on-failure"),
        "jitter" => ("5s", "6s", "jitter"),
        "missed" => ("skip", "once", "missed"),
        "missed-max" => ("5", "6", "missed-max"),
        "start-deadline" => ("5m", "6m", "start-deadline"),
        "max-output" => ("1MiB", "64KiB", "max-output"),
        "history" => ("5 runs", "5 runs, 7 days", "history"),
        "notify" => ("ops", "pager", "notify"),
        "notify-on" => ("failure", "always", "notify-on"),
        "notify-after" => ("1", "3", "notify-after"),
        "cooldown" => ("5m", "6m", "cooldown"),
        "duration-over" => ("2x", "3x", "duration-over"),
        "expect-every" => ("26h", "27h", "expect-every"),
        "run-on-startup" => ("true", "false", "run-on-startup"),
        other => panic!("the parameter {other} is new: say here how it changes"),
    }
}

/// The parameters of a kind that can be written together. What `run` has of one that is there already goes with nothing else.
fn together(kind: JobKind) -> impl Iterator<Item = &'static Param> {
    // What goes on in something that is there already leaves most of the others without a meaning.
    let alone = move |param: &Param| {
        matches!(
            (kind, param.name),
            (JobKind::Run, "container") | (JobKind::ServiceRun, "action" | "service")
        )
    };
    PARAMS.iter().filter(move |param| param.works_for(kind) && !alone(param))
}

/// A container whose only job has every parameter of its kind, with the second value of one of them.
fn container(kind: JobKind, changed: Option<&str>) -> ContainerSpec {
    let mut container = ContainerSpec::new("web").label("watchbell.enabled", "true");
    for param in together(kind) {
        let (one, other, _) = values(kind, param.name);
        let value = if changed == Some(param.name) { other } else { one };
        container = container.label(format!("watchbell.job-{kind}.it.{}", param.name), value);
    }
    container
}

/// Mistake 7.
#[tokio::test(start_paused = true)]
async fn every_parameter_that_is_edited_alone_is_told_by_name() {
    let agent = TestAgent::with(Setup::ini("[global]\nallow-from-labels = all\n")).await;
    let mut told = 0;
    for kind in JobKind::ALL {
        agent.start(container(kind, None)).await;
        for param in together(kind) {
            agent.replace("web", container(kind, Some(param.name)));
            sleep(seconds(2)).await;
            let updated = agent.of("job.updated", "web.it");
            told += 1;
            assert_eq!(updated.len(), told, "{kind} {} was not told", param.name);
            let (.., name) = values(kind, param.name);
            assert_eq!(updated[told - 1].text("reason"), format!("changed: {name}"), "{kind} {}", param.name);
            agent.replace("web", container(kind, None));
            sleep(seconds(2)).await;
            told += 1;
            assert_eq!(agent.of("job.updated", "web.it").len(), told, "{kind} {} and back", param.name);
        }
        agent.engine.remove("web");
        sleep(seconds(2)).await;
    }
    assert_eq!(agent.all("job.rejected"), []);
    assert_eq!(agent.all("job.added").len(), JobKind::ALL.len());
    assert!(params::find("schedule").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_change_of_kind_is_a_change() {
    let agent = TestAgent::with(Setup::ini("[global]\nallow-from-labels = all\n")).await;
    agent.start(container(JobKind::Exec, None)).await;
    agent.replace("web", container(JobKind::Run, None));
    sleep(seconds(2)).await;
    assert_eq!(agent.one("job.updated").text("reason"), "changed: kind");
}

#[tokio::test(start_paused = true)]
async fn another_spelling_of_the_same_values_is_no_change() {
    let agent = TestAgent::new().await;
    agent.start(with_job("web", "sync", "@hourly").label("watchbell.job-exec.sync.timeout", "90s")).await;
    let same = ContainerSpec::new("web").label("watchbell.ENABLED", "yes").labels([
        ("watchbell.job-exec.sync.Schedule", "@hourly"),
        ("watchbell.job-exec.sync.COMMAND", "[\"work\"]"),
        ("watchbell.job_exec.sync.timeout", "1m30s"),
    ]);
    agent.replace("web", same);
    sleep(MINUTE).await;
    // That it is another container now is all there is to tell.
    assert_eq!(agent.one("job.updated").text("reason"), "its runs go to container web now");
    assert_eq!(agent.all("job.added").len(), 1);
}

/// Mistake 9.
#[tokio::test(start_paused = true)]
async fn a_container_that_is_replaced_keeps_its_job_and_the_next_occurrence() {
    let agent = TestAgent::new().await;
    let old = agent.start(with_job("web", "sync", "@every 1h")).await;
    let next = agent.one("job.added").next()[0];
    agent.sleep_until("00:40").await;
    let new = agent.replace("web", with_job("web", "sync", "@every 1h"));
    assert_ne!(old, new);
    agent.sleep_until("00:59").await;
    assert_eq!(agent.all("job.removed"), []);
    agent.wait_for("run.finished", 1).await;
    let execs = agent.engine.execs();
    assert_eq!(execs.len(), 1);
    assert_eq!(execs[0].container_id, new, "it runs in the container that is there now");
    let late = execs[0].started.unwrap().duration_since(next);
    assert!(late <= AT_ONCE.try_into().unwrap(), "{late:?} after {next}");
}

/// Mistake 9, with an edit.
#[tokio::test(start_paused = true)]
async fn a_container_that_is_replaced_with_one_label_changed_is_the_same_job_in_the_new_container() {
    let agent = TestAgent::new().await;
    agent.start(with_job("web", "sync", "@every 1h")).await;
    let next = agent.one("job.added").next();
    agent.sleep_until("00:40").await;
    let changed = with_job("web", "sync", "@every 1h").label("watchbell.job-exec.sync.user", "www-data");
    let new = agent.replace("web", changed);
    sleep(AT_ONCE).await;
    let updated = agent.one("job.updated");
    assert_eq!((updated.text("job"), updated.text("reason")), ("web.sync".into(), "changed: user".into()));
    assert_eq!(updated.next(), next);
    agent.sleep_until("01:01").await;
    assert_eq!(agent.engine.execs()[0].container_id, new);
    assert_eq!(agent.engine.execs()[0].user.as_deref(), Some("www-data"));
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_renamed_brings_its_job_under_the_new_name() {
    let agent = TestAgent::new().await;
    agent.start(with_job("web", "sync", "@hourly")).await;
    agent.start(with_job("made_by_compose", "dump", "@hourly").compose("shop", "db", 1)).await;
    agent.engine.rename("web", "site");
    agent.engine.rename("made_by_compose", "shop-db-1");
    sleep(MINUTE).await;
    assert_eq!(
        agent.job_events()[2..],
        ["job.removed web.sync", "job.added site.sync"],
        "a name says nothing about a service"
    );
}

#[tokio::test(start_paused = true)]
async fn another_container_to_start_is_a_change() {
    let agent = TestAgent::with(Setup::ini("[global]\nallow-from-labels = all\n")).await;
    let starts = |name: &str| {
        ContainerSpec::new("web")
            .label("watchbell.enabled", "true")
            .labels([("watchbell.job-run.it.schedule", "@daily"), ("watchbell.job-run.it.container", name)])
    };
    agent.start(starts("one")).await;
    agent.replace("web", starts("two"));
    sleep(seconds(2)).await;
    assert_eq!(agent.one("job.updated").text("reason"), "changed: container");
}
