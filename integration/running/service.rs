//! Kind `service-run`: a service of a Swarm is made, its tasks are followed, and nothing is left behind.

use serde_json::json;
use tokio::time::sleep;

use crate::support::{
    fake_engine::{RunBehaviour, TaskBehaviour},
    test_agent::{MINUTE, MOMENT, Record, Setup, TestAgent, seconds},
};

const RUN: &str = "[job-service-run \"backup\"]\nschedule = 1 0 * * *\nimage = backup:1\n";

/// The name of the service of the occurrence at 0:01.
const NAME: &str = "watchbell-backup-1767571260";

async fn agent(ini: &str, behaviour: impl Fn(u64) -> TaskBehaviour + Send + Sync + 'static) -> TestAgent {
    let agent = TestAgent::with(Setup::ini(&format!("{RUN}{ini}"))).await;
    agent.engine.manage(&[], &[]);
    agent.engine.on_task(behaviour);
    agent
}

fn runs(behaviour: RunBehaviour) -> TaskBehaviour {
    TaskBehaviour::Runs(behaviour)
}

/// A minute later nothing of the run is left.
async fn nothing_is_left(agent: &TestAgent) {
    sleep(MINUTE).await;
    assert_eq!(agent.engine.service_names(), [""; 0]);
    assert_eq!(agent.engine.container_names(), [""; 0]);
    assert_eq!(agent.all("run.leftover"), []);
    assert_eq!(agent.engine.unknown_requests(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_service_is_made_followed_to_its_end_and_removed_after_the_record() {
    let agent =
        agent("", |_| runs(RunBehaviour::exit(0).stdout("out\n").stderr("err\n").takes(seconds(5)))).await;
    let removal = agent.engine.hold("DELETE /services/*");
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!((finished.text("outcome"), finished.text("exit_code")), ("succeeded".into(), "0".into()));
    assert_eq!((finished.text("container"), finished.text("kind")), (NAME.into(), "service-run".into()));
    assert!((5.0..5.6).contains(&finished.number("duration_seconds")), "{finished:?}");
    sleep(MOMENT).await;
    assert_eq!(agent.engine.service_names(), [NAME], "it can still tell how it ended");
    removal.release();
    assert_eq!(agent.output("backup"), ["stdout: out", "stderr: err"]);
    nothing_is_left(&agent).await;
}

#[tokio::test(start_paused = true)]
async fn the_swarm_is_asked_for_tasks_that_it_does_not_repeat() {
    let agent = agent("", |_| runs(RunBehaviour::exit(0))).await;
    agent.wait_for("run.finished", 1).await;
    let made = agent.engine.services_made().remove(0);
    assert_eq!(made.body["Mode"], json!({ "ReplicatedJob": { "MaxConcurrent": 1, "TotalCompletions": 1 } }));
    let restart = &made.body["TaskTemplate"]["RestartPolicy"];
    assert_eq!(restart["Condition"], "on-failure", "with none it makes up for failed ones at once");
    assert!(restart["Delay"].as_u64().unwrap() > 300 * 24 * 3600 * 1_000_000_000, "and so it never does");
    let labels = &made.body["TaskTemplate"]["ContainerSpec"]["Labels"];
    for label in ["watchbell.agent", "watchbell.job", "watchbell.run", "watchbell.occurrence"] {
        assert!(labels[label].is_string() && labels[label] == made.body["Labels"][label], "{label}");
    }
}

#[tokio::test(start_paused = true)]
async fn everything_that_was_asked_for_is_in_the_service() {
    let agent = TestAgent::with(Setup::ini(
        "[job-service-run \"backup\"]\nschedule = 1 0 * * *\nimage = backup:1\ncommand = dump --all\nuser = 33\n\
         workdir = /srv\nenvironment = A=1\nnetwork = front\nnetwork = back\nmemory = 512m\ncpus = 1.5\n\
         mount = type=bind,source=/srv,target=/data,readonly\nmount = source=db,target=/db,volume-nocopy\n\
         secret = pass\nconfig = source=conf,target=/etc/x,mode=0400\nconstraint = node.role==worker\n\
         replicas = 3\ngrace-period = 4s\n",
    ))
    .await;
    agent.engine.manage(&["password", "pass"], &["conf"]);
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "succeeded", "{finished:?}");
    let body = agent.engine.services_made().remove(0).body;
    let template = &body["TaskTemplate"];
    let container = &template["ContainerSpec"];
    assert_eq!(container["Args"], json!(["dump", "--all"]));
    assert_eq!(container["Env"], json!(["A=1", format!("WATCHBELL_RUN={}", finished.text("run"))]));
    assert_eq!((&container["User"], &container["Dir"]), (&json!("33"), &json!("/srv")));
    assert_eq!(container["StopGracePeriod"], 4_000_000_000_u64);
    assert_eq!(container["Mounts"][0]["Source"], "/srv");
    assert_eq!(
        (&container["Mounts"][0]["Type"], &container["Mounts"][0]["ReadOnly"]),
        (&json!("bind"), &json!(true))
    );
    assert_eq!(container["Mounts"][1]["VolumeOptions"]["NoCopy"], true);
    assert_eq!(container["Secrets"][0]["SecretID"], "id-of-pass", "and not of what begins so");
    assert_eq!(
        container["Secrets"][0]["File"],
        json!({ "Name": "pass", "UID": "0", "GID": "0", "Mode": 0o444 })
    );
    assert_eq!(container["Configs"][0]["File"]["Mode"], 0o400);
    assert_eq!(template["Placement"]["Constraints"], json!(["node.role==worker"]));
    assert_eq!(
        template["Resources"]["Limits"],
        json!({ "NanoCPUs": 1_500_000_000_u64, "MemoryBytes": 512 << 20 })
    );
    assert_eq!(template["Networks"], json!([{ "Target": "front" }, { "Target": "back" }]));
    assert_eq!(body["Mode"]["ReplicatedJob"], json!({ "MaxConcurrent": 3, "TotalCompletions": 3 }));
}

#[tokio::test(start_paused = true)]
async fn an_exit_code_other_than_0_is_a_failure_and_the_task_runs_once() {
    let agent = agent("", |_| runs(RunBehaviour::exit(3).stdout("x\n"))).await;
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!((finished.text("outcome"), finished.text("exit_code")), ("failed".into(), "3".into()));
    assert_eq!(finished.text("reason"), "task: non-zero exit (3)");
    assert_eq!(agent.output("backup"), ["stdout: x"]);
    nothing_is_left(&agent).await;
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_not_there_is_not_started_and_says_so() {
    let agent = agent("", |_| TaskBehaviour::Rejected("No such image: backup:1".into())).await;
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "not-started");
    assert!(finished.text("reason").contains("No such image: backup:1: pull it"), "{finished:?}");
    nothing_is_left(&agent).await;
}

#[tokio::test(start_paused = true)]
async fn of_three_tasks_one_that_fails_makes_it_failed_when_all_have_ended() {
    let agent = agent("replicas = 3\n", |slot| {
        let line = format!("task {slot}\n");
        runs(RunBehaviour::exit(if slot == 1 { 3 } else { 0 }).stdout(line).takes(seconds(5 * (slot + 1))))
    })
    .await;
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!((finished.text("outcome"), finished.text("exit_code")), ("failed".into(), "3".into()));
    assert_eq!(finished.text("reason"), "1 of 3 tasks failed; task 1: task: non-zero exit (3)");
    assert!(finished.number("duration_seconds") > 15.0, "the others were not cut short");
    let lines = agent.all("run.output");
    assert_eq!(lines.len(), 3);
    for line in lines {
        assert_eq!(line.text("line"), format!("task {}", line.text("task")), "each line has its task");
        assert!(line.text("container").starts_with(&format!("{NAME}.")), "{line:?}");
    }
    nothing_is_left(&agent).await;
}

#[tokio::test(start_paused = true)]
async fn a_task_for_which_there_is_no_node_ends_by_the_timeout_with_its_reason() {
    let agent =
        agent("timeout = 30s\n", |_| TaskBehaviour::Pending("no suitable node (1 node)".into())).await;
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "timed-out");
    assert_eq!(finished.text("reason"), "the task: no suitable node (1 node)");
    assert!((30.0..33.0).contains(&finished.number("duration_seconds")), "{finished:?}");
    nothing_is_left(&agent).await;
}

#[tokio::test(start_paused = true)]
async fn a_timeout_ends_the_tasks_and_is_told_when_they_are_gone() {
    let agent = agent("timeout = 30s\nreplicas = 2\ngrace-period = 10s\n", |slot| {
        let run = RunBehaviour::exit(0).stdout("begun\n").hold_until_killed();
        runs(if slot == 0 { run } else { run.ignores_term() })
    })
    .await;
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!((finished.text("outcome"), finished.text("reason")), ("timed-out".into(), String::new()));
    let took = finished.number("duration_seconds");
    assert!((40.0..42.0).contains(&took), "{took}");
    assert_eq!(agent.engine.container_names(), [""; 0], "the record tells the truth");
    assert_eq!(agent.output("backup"), ["stdout: begun", "stdout: begun"]);
    nothing_is_left(&agent).await;
}

#[tokio::test(start_paused = true)]
async fn a_swarm_that_does_not_end_it_makes_it_still_running() {
    let agent = agent("timeout = 30s\n", |_| runs(RunBehaviour::exit(0).hold_until_killed())).await;
    let hold = agent.engine.hold("POST /services/*/update");
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "timed-out");
    assert!(finished.text("reason").contains("still running"), "{finished:?}");
    hold.release();
    nothing_is_left(&agent).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_cut_in_the_middle_costs_neither_outcome_nor_output() {
    let agent = agent("", |_| {
        let run = RunBehaviour::exit(4).stdout("a\n").stdout_after(seconds(10), "b\n");
        runs(run.stdout_after(seconds(10), "c\n").stderr_after(seconds(10), "d\n"))
    })
    .await;
    agent.wait_for("run.output", 1).await;
    agent.engine.cut_output_streams();
    agent.wait_for("run.output", 2).await;
    agent.engine.down();
    sleep(seconds(25)).await;
    agent.engine.up();
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!((finished.text("outcome"), finished.text("exit_code")), ("failed".into(), "4".into()));
    assert_eq!(agent.output("backup"), ["stdout: a", "stdout: b", "stdout: c", "stderr: d"]);
    nothing_is_left(&agent).await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_away_is_waited_for_and_tells_how_it_ended() {
    let agent = agent("", |_| runs(RunBehaviour::exit(0).takes(seconds(30)))).await;
    agent.wait_for("run.started", 1).await;
    sleep(seconds(5)).await;
    agent.engine.down();
    sleep(20 * MINUTE).await;
    assert_eq!((agent.outcomes("backup"), agent.handle.snapshot().running), (vec![], 1));
    agent.engine.up();
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!((finished.text("outcome"), finished.text("exit_code")), ("succeeded".into(), "0".into()));
    sleep(MINUTE).await;
    assert_eq!(agent.all("run.leftover"), []);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_taken_means_that_the_occurrence_ran_and_the_other_service_stays() {
    let agent = agent("", |_| runs(RunBehaviour::exit(0))).await;
    agent.engine.other_service(NAME);
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "not-started");
    assert!(finished.text("reason").contains("is not run twice"), "{finished:?}");
    sleep(MINUTE).await;
    assert_eq!(agent.engine.service_names(), [NAME]);
}

#[tokio::test(start_paused = true)]
async fn a_service_whose_making_was_not_answered_leaves_nothing_behind() {
    let agent = agent("", |_| runs(RunBehaviour::exit(0).hold_until_killed())).await;
    agent.engine.lose_answers("POST /services/create", 1);
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "not-started");
    nothing_is_left(&agent).await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_someone_removes_makes_it_failed_or_lost_and_not_succeeded() {
    let agent = agent("", |_| runs(RunBehaviour::exit(0).hold_until_killed())).await;
    agent.wait_for("run.started", 1).await;
    sleep(seconds(5)).await;
    agent.engine.remove_service(NAME);
    sleep(MINUTE).await;
    let of_run = |it: &Record| ["run.finished", "run.lost"].contains(&&*it.text("event"));
    let finished = agent.records().into_iter().find(of_run).unwrap();
    assert!(["failed", "lost"].contains(&&*finished.text("outcome")), "{finished:?}");
    nothing_is_left(&agent).await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_no_manager_is_told_with_the_mend() {
    let agent = TestAgent::with(Setup::ini(RUN)).await;
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "not-started");
    assert!(finished.text("reason").contains("docker swarm init"), "{finished:?}");
}

#[tokio::test(start_paused = true)]
async fn one_task_on_each_node_is_a_global_job() {
    let agent = agent("global = true\n", |_| runs(RunBehaviour::exit(0).stdout("x\n"))).await;
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "succeeded");
    assert_eq!(agent.engine.services_made()[0].body["Mode"], json!({ "GlobalJob": {} }));
    assert!(agent.one("run.output").text("task").starts_with("node"), "told apart by the node");
    nothing_is_left(&agent).await;
}

#[tokio::test(start_paused = true)]
async fn an_identity_that_is_no_name_of_a_service_becomes_one() {
    let agent = TestAgent::with(Setup::ini("[global]\nallow-from-labels = service-run\n")).await;
    agent.engine.manage(&[], &[]);
    let labels = [("service-run.report.schedule", "1 0 * * *"), ("service-run.report.image", "report:1")];
    agent.start(crate::support::test_agent::labelled("web", &labels).compose("shop", "web", 1)).await;
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "succeeded", "{finished:?}");
    let name = agent.engine.services_made()[0].name.clone();
    assert!(name.starts_with("watchbell-shop_web_report-") && name.ends_with("-1767571260"), "{name}");
}

#[tokio::test(start_paused = true)]
async fn credentials_go_along_and_without_them_it_is_not_started() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    std::fs::write(&file, r#"{"auths": {"r.example": {"auth": "YW5uYTpodW50ZXIy"}}}"#).unwrap();
    for (image, outcome) in [("r.example/x:1", "succeeded"), ("other.example/x:1", "not-started")] {
        let ini = format!(
            "[job-service-run \"backup\"]\nschedule = 1 0 * * *\nimage = {image}\nwith-registry-auth = true\n"
        );
        let setup = Setup { registries: Some(file.clone()), ..Setup::ini(&ini) };
        let agent = TestAgent::with(setup).await;
        agent.engine.manage(&[], &[]);
        let finished = agent.wait_for("run.finished", 1).await;
        assert_eq!(finished.text("outcome"), outcome, "{finished:?}");
        let sent: Vec<_> =
            agent.engine.services_made().into_iter().filter_map(|it| it.registry_auth).collect();
        assert_eq!(sent.len(), usize::from(outcome == "succeeded"));
        assert!(agent.records().iter().all(|it| !format!("{it:?}").contains("hunter2")));
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_leaves_it_to_the_next_agent() {
    let mut agent = agent("", |_| runs(RunBehaviour::exit(0).hold_until_killed())).await;
    agent.wait_for("run.started", 1).await;
    sleep(seconds(2)).await;
    agent.signal();
    agent.end().await;
    assert_eq!(agent.all("run.finished"), []);
    assert_eq!(agent.engine.service_names().len(), 1);
    assert_eq!(agent.all("agent.stopping").iter().filter(|it| it.text("left") == "1").count(), 1);
}
