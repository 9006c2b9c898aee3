//! What is told of jobs on a real Engine: to a receiver of the test on loopback, and by an agent in a container to one in
//! another container of its network.

use std::{collections::BTreeSet, path::Path, time::Duration};

use serde_json::Value;

use super::image::{agent_as, demand_image, told, wait_for};
use crate::support::{
    beside,
    live_engine::{Record, Stage, WORKER, eventually, pause, text},
    receiver::{Received, Receiver},
};

/// Stands where secrets stand, and must never be told.
const SECRET: &str = "hunter2-canary";

/// Where a cloud serves a machine's credentials.
const METADATA: &str = "169.254.169.254";

/// What the receiver in a container is called in its network.
const RECEIVER: &str = "receiver";

/// Writes down what is posted to `/cgi-bin/hook`, once the file `/tmp/open` is there.
const RECEIVES: &str = r#"mkdir -p /tmp/www/cgi-bin
printf '#!/bin/sh\n{ echo "$HTTP_IDEMPOTENCY_KEY"; cat; echo; } >>/tmp/got\nprintf "\\r\\n"\n' >/tmp/www/cgi-bin/hook
chmod +x /tmp/www/cgi-bin/hook
while [ ! -e /tmp/open ]; do sleep 0.1; done
exec httpd -f -p 8080 -h /tmp/www
"#;

/// The agent's file: foreign jobs are never due, and the channel `ops` is this receiver.
fn file(receiver: &Receiver) -> String {
    format!(
        "[job-defaults]\nenabled = false\n[notify \"ops\"]\ntype = webhook\nurl = {}/{SECRET}\n",
        receiver.url()
    )
}

fn bodies(all: &[Received]) -> Vec<Value> {
    all.iter().map(|it| serde_json::from_str(&it.body).expect("it is JSON")).collect()
}

fn causes(all: &[Received]) -> Vec<String> {
    bodies(all).iter().map(|it| text(it, "cause").to_owned()).collect()
}

/// A receiver in a container of this network, which does not listen yet; the answer is the container's name.
fn receiver_in(stage: &Stage, network: &str) -> String {
    let (name, label) = (stage.name(RECEIVER), stage.label());
    let arguments = ["run", "-d", "--name", &name, "--label", &label, "--network", network];
    stage.docker(arguments.into_iter().chain(["--network-alias", RECEIVER, WORKER, "sh", "-c", RECEIVES]));
    name
}

/// From now on it listens.
fn open(stage: &Stage, receiver: &str) {
    stage.docker(["exec", receiver, "touch", "/tmp/open"]);
    eventually("the receiver listens", || {
        stage.docker(["exec", receiver, "netstat", "-ltn"]).contains(":8080 ")
    });
}

/// What the receiver in a container got: the keys, and the messages.
fn got(stage: &Stage, receiver: &str) -> Vec<(String, Value)> {
    let lines = stage.try_docker(["exec", receiver, "cat", "/tmp/got"]).unwrap_or_default();
    let lines: Vec<&str> = lines.lines().collect();
    let read = |it: &[&str]| (it[0].to_owned(), serde_json::from_str(it[1]).expect("it is JSON"));
    lines.chunks_exact(2).map(read).collect()
}

/// Labels of the agent's own container that make a webhook of this name.
fn webhook(name: &str, host: &str) -> [(String, String); 2] {
    let url = format!("http://{host}:8080/cgi-bin/hook?{SECRET}");
    [("type", "webhook"), ("url", &*url)]
        .map(|(key, value)| (format!("watchbell.notify.{name}.{key}"), value.to_owned()))
}

#[test]
fn a_labelled_containers_job_that_fails_and_recovers_is_told_with_its_exit_code_and_its_last_lines() {
    let (stage, receiver) = (Stage::new(), Receiver::new());
    let web = stage.name("web");
    let job = format!("{web}.backup");
    let agent = stage.agent().config(&file(&receiver)).jobs([&job]).start();
    let command = "[ -e /tmp/well ] || { seq 40; echo 'the last words' >&2; exit 3; }";
    let parameters = [("schedule", "@every 1s"), ("shell", "true"), ("notify", "ops"), ("command", command)];
    stage.worker("web").exec("backup", &parameters).start();
    let failed = agent.wait_for_end(&job);
    agent.wait_for_nth("it failed again", 3, |it| it["event"] == "run.finished" && it["job"] == *job);
    stage.docker(["exec", &web, "touch", "/tmp/well"]);
    agent.wait_for("the recovery is told", |it| it["event"] == "notify.sent" && it["cause"] == "recovery");
    let all = receiver.wait_for("both", |it| (it.len() >= 2).then(|| it.to_vec()));
    assert_eq!(causes(&all), ["failure", "recovery"]);
    let [failure, recovery] = &bodies(&all)[..] else { panic!("{all:?}") };
    assert_eq!(text(failure, "job"), job);
    assert_eq!(text(failure, "title"), format!("{job} failed with exit code 3"));
    let run = &failure["run"];
    assert_eq!((&run["id"], &run["container"], &run["exit_code"]), (&failed["run"], &web.into(), &3.into()));
    // With the heads of both streams, and a mark where something is left out.
    let head = |it: &&str| ["stdout:", "stderr:", "…"].contains(it);
    let lines: Vec<&str> = text(failure, "output").lines().filter(|it| !head(it)).collect();
    assert!(lines.len() <= 21 && lines.contains(&"40") && lines.contains(&"the last words"), "{lines:?}");
    assert!(!lines.contains(&"20"), "only the last ones: {lines:?}");
    assert!(text(recovery, "title").starts_with(&format!("{job} succeeds again after ")), "{recovery}");
    assert!(recovery["streak"]["failures"].as_u64().is_some_and(|it| it >= 3), "{recovery}");
}

#[test]
fn labels_of_another_container_make_no_channel_and_are_told_with_their_place_and_the_mend() {
    let (stage, receiver) = (Stage::new(), Receiver::new());
    let web = stage.name("web");
    let job = format!("{web}.bad");
    let channel = stage.name("ops");
    let prefix = format!("watchbell.notify.{channel}");
    let parameters = [("schedule", "@every 1s"), ("command", "false"), ("notify", &*channel)];
    stage
        .worker("web")
        .label(&format!("{prefix}.type"), "webhook")
        .label(&format!("{prefix}.url"), &format!("{}/{SECRET}", receiver.url()))
        .exec("bad", &parameters)
        .start();
    let agent = stage.agent().jobs([&job]).start();
    let ask = |path: &str| beside::get(Path::new(agent.state_dir()), path).json();
    agent.wait_for_nth("it fails", 2, |it| it["event"] == "run.finished" && it["job"] == *job);
    let problems = ask("/api/problems");
    let all = problems["problems"].as_array().expect("a list");
    // Other tests' containers are on the same Engine.
    let of_it: Vec<&Record> = all.iter().filter(|it| text(it, "origin").contains(&prefix)).collect();
    let [problem] = &of_it[..] else { panic!("it is told once: {problems:#}") };
    assert!(text(problem, "origin").starts_with(&format!("container {web} (label {prefix}.")), "{problem}");
    let reason = text(problem, "reason");
    assert!(
        reason.contains("on the agent's own container") && reason.contains("[notify \"name\"]"),
        "{reason}"
    );
    // What the job has for it waits for an operator who makes it.
    let channels = ask("/api/channels");
    let [named] = &channels["channels"].as_array().expect("a list")[..] else { panic!("{channels}") };
    assert_eq!((text(named, "name"), &named["type"], &named["sent"]), (&*channel, &Value::Null, &0.into()));
    // Who is told of it is not there, which is said where the job names it.
    let said = |it: &&Record| text(it, "origin").contains("job-exec.bad.notify");
    assert!(all.iter().any(|it| said(&it) && text(it, "reason").contains(&channel)), "{problems:#}");
    assert!(agent.records(|it| text(it, "event") == "notify.sent").is_empty());
    let waits = agent.wait_for("nothing is sent", |it| it["event"] == "notify.failed");
    assert!(
        text(&waits, "reason").starts_with("there is no such channel: write its [notify] section"),
        "{waits}"
    );
    assert!(agent.records(|it| it.to_string().contains(SECRET)).is_empty());
    assert_eq!(receiver.wait_for("what it got", |it| Some(it.len())), 0);
}

#[test]
fn a_success_that_cannot_come_any_more_because_the_container_is_gone_is_told_once() {
    let (stage, receiver) = (Stage::new(), Receiver::new());
    let job = format!("{}.backup", stage.name("web"));
    let agent = stage.agent().config(&file(&receiver)).jobs([&job]).start();
    let parameters =
        [("schedule", "@every 1s"), ("command", "true"), ("notify", "ops"), ("expect-every", "5s")];
    let web = stage.worker("web").exec("backup", &parameters).start();
    let succeeded = |it: &Record| it["job"] == *job && it["outcome"] == "succeeded";
    agent.wait_for("it succeeds", succeeded);
    stage.docker(["rm", "-f", &web]);
    agent.wait_for_event("job.removed", &job);
    agent.wait_for("it is missed", |it| it["event"] == "notify.sent" && it["cause"] == "expect");
    // Long enough for a second time.
    pause(Duration::from_secs(6));
    stage.worker("web").exec("backup", &parameters).start();
    agent.wait_for("it is back", |it| it["event"] == "notify.sent" && it["cause"] == "recovery");
    let all = receiver.wait_for("both", |it| (it.len() >= 2).then(|| it.to_vec()));
    assert_eq!(causes(&all), ["expect", "recovery"]);
    let expected = &bodies(&all)[0];
    assert_eq!((text(expected, "job"), &expected["expected"]["there"]), (&*job, &false.into()), "{expected}");
}

#[test]
fn an_agents_own_labels_make_channels_for_labelled_jobs_and_lead_to_no_cloud_metadata() {
    let stage = Stage::new();
    demand_image(&stage);
    let job = format!("{}.bad", stage.name("web"));
    let network = stage.network("net");
    let receiver = receiver_in(&stage, &network);
    open(&stage, &receiver);
    let labels = [webhook("ops", RECEIVER), webhook("cloud", METADATA)].concat();
    let agent = agent_as(&stage, "agent", &network, &labels, &[&job]);
    let parameters =
        [("schedule", "@every 1s"), ("command", "sh -c 'echo words; exit 3'"), ("notify", "ops, cloud")];
    let web = stage.worker("web").exec("bad", &parameters).start();
    wait_for(&stage, &agent, "ops is told", |it| it["event"] == "notify.sent" && it["channel"] == "ops");
    let refused = wait_for(&stage, &agent, "cloud is not", |it| {
        it["event"] == "notify.given_up" && it["channel"] == "cloud"
    });
    let reason = text(&refused, "reason");
    assert!(reason.contains(&format!("a label may not lead to {METADATA}")), "{reason}");
    assert!(reason.contains("name it in the operator's file or environment"), "{reason}");
    let [(key, message)] = &got(&stage, &receiver)[..] else { panic!("{:?}", got(&stage, &receiver)) };
    assert_eq!(text(message, "key"), key);
    let run = &message["run"];
    assert_eq!((text(message, "job"), text(run, "container"), &run["exit_code"]), (&*job, &*web, &3.into()));
    assert_eq!(text(message, "output"), "words");
    let log = stage.docker(["logs", &agent]);
    assert!(!log.contains(SECRET) && !message.to_string().contains(SECRET), "{log}");
    assert_eq!(told(&stage, &agent).iter().filter(|it| it["event"] == "notify.failed").count(), 0);
}

#[test]
fn what_waits_when_the_agents_container_is_killed_is_told_once_by_the_next_one_with_its_volume() {
    let stage = Stage::new();
    demand_image(&stage);
    let job = format!("{}.bad", stage.name("web"));
    let network = stage.network("net");
    let receiver = receiver_in(&stage, &network);
    let labels = webhook("ops", RECEIVER);
    let first = agent_as(&stage, "first", &network, &labels, &[&job]);
    let parameters = [("schedule", "@every 1s"), ("command", "false"), ("notify", "ops"), ("cooldown", "0s")];
    let web = stage.worker("web").exec("bad", &parameters).start();
    wait_for(&stage, &first, "nobody listens", |it| it["event"] == "notify.failed");
    let of_job = |it: &&Record| it["event"] == "run.finished" && it["job"] == *job;
    let ended = || {
        let all = told(&stage, &first);
        all.iter().filter(of_job).map(|it| format!("{}:ops:failure", text(it, "run"))).collect::<Vec<_>>()
    };
    eventually("several wait", || ended().len() >= 3);
    // What comes after these may be lost with the container or with the agent.
    let ended = ended();
    stage.docker(["rm", "-f", &web]);
    wait_for(&stage, &first, "no more come", |it| it["event"] == "job.removed" && it["job"] == *job);
    stage.docker(["kill", "-s", "KILL", &first]);
    assert!(told(&stage, &first).iter().all(|it| it["event"] != "notify.sent"));

    open(&stage, &receiver);
    let next = agent_as(&stage, "next", &network, &labels, &[&job]);
    let keys = || got(&stage, &receiver).into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    eventually("all have come", || keys().len() >= ended.len());
    wait_for(&stage, &next, "the last is told", |it| {
        it["event"] == "notify.sent" && ended.last().is_some_and(|key| key.starts_with(text(it, "run")))
    });
    let keys = keys();
    assert_eq!(keys[..ended.len()], ended, "in order");
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "each once: {keys:?}");
    stage.docker(["kill", "-s", "KILL", &next]);
    assert!(!stage.docker(["logs", &next]).contains(SECRET));
}
