//! Services of a real Swarm that are there already: copied, run again, restarted and scaled.

mod killed;

use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;

use crate::support::{
    beside,
    live_engine::{Record, Stage, WORKER, eventually, manager, text},
};

/// A stage on a manager with a service; both go when the test ends.
struct Deployed {
    stage: Stage,
    service: String,
}

impl Deployed {
    /// A service that is made with these options, and the command of its tasks.
    fn new(options: &[&str], command: &[&str]) -> Self {
        let stage = Stage::at(manager());
        let service = stage.name("svc");
        let first = [
            "service",
            "create",
            "-d",
            "--no-resolve-image",
            "--stop-grace-period",
            "1s",
            "--name",
            &service,
        ];
        let all: Vec<&str> = [&first[..], options, &[WORKER], command].concat();
        stage.docker(all);
        Self { stage, service }
    }

    /// Runs a job of `parameters` once.
    fn once(&self, parameters: &[(&str, &str)]) -> (Record, Vec<String>) {
        let job = self.stage.name("job");
        let all = [&[("schedule", "@triggered"), ("run-on-startup", "true")], parameters].concat();
        let agent = self.stage.agent().file_job("service-run", &job, &all).start();
        let ended = agent.wait_for_end(&job);
        let lines = agent.lines(text(&ended, "run"), "stdout");
        agent.terminate();
        agent.wait_for_exit();
        assert_eq!(agent.records(|it| it["event"] == "run.leftover"), Vec::<Record>::new());
        (ended, lines)
    }

    fn act(&self, action: &str, more: &[(&str, &str)]) -> (Record, Vec<String>) {
        self.once(&[&[("service", &*self.service), ("action", action)], more].concat())
    }

    fn spec(&self) -> Value {
        let spec = self.stage.docker(["service", "inspect", "--format", "{{json .Spec}}", &self.service]);
        serde_json::from_str(&spec).expect("JSON")
    }

    fn running(&self) -> Vec<String> {
        let filter = format!("label=com.docker.swarm.service.name={}", self.service);
        let ids = self.stage.docker(["ps", "-q", "--filter", &filter]);
        ids.lines().map(str::to_owned).collect()
    }
}

impl Drop for Deployed {
    fn drop(&mut self) {
        let _ = self.stage.try_docker(["service", "rm", &self.service]);
    }
}

fn outcome(ended: &Record) -> (&str, &Value) {
    (text(ended, "outcome"), &ended["exit_code"])
}

const ONCE: [&str; 4] = ["--replicas", "0", "--restart-condition", "none"];

#[test]
fn a_service_that_is_like_another_one_sees_what_that_one_sees_and_runs_another_command() {
    let stage = Stage::at(manager());
    let (secret, file) = (stage.name("secret"), stage.dir().join("value"));
    std::fs::write(&file, "hidden").expect("the file can be written");
    stage.docker(["secret", "create", &secret, file.to_str().expect("text")]);
    let options = [
        "--env",
        "KEPT=1",
        "--env",
        "CHANGED=old",
        "--user",
        "nobody",
        "--workdir",
        "/tmp",
        "--secret",
        &secret,
        "--mount",
        "type=tmpfs,target=/scratch",
        "--replicas",
        "0",
        "--limit-memory",
        "64m",
        "--constraint",
        "node.role==manager",
    ];
    let deployed = Deployed::new(&options, &["sleep", "1000"]);
    let command = format!(
        "echo $$KEPT $$CHANGED $$(id -u) $$(pwd) $$(cat /run/secrets/{secret}); grep -c /scratch /proc/mounts"
    );
    let parameters = [
        ("like", &*deployed.service),
        ("shell", "true"),
        ("command", &command),
        ("environment", "CHANGED=new"),
    ];
    let (ended, lines) = deployed.once(&parameters);
    assert_eq!(outcome(&ended), ("succeeded", &0.into()), "{ended}");
    assert_eq!(lines, ["1 new 65534 /tmp hidden", "1"]);
    // Taken while it is still there: one that finds no node is.
    let job = stage.name("looked-at");
    let nowhere = [
        ("schedule", "@triggered"),
        ("run-on-startup", "true"),
        ("like", &*deployed.service),
        ("constraint", "node.role==worker"),
        ("command", "true"),
        ("timeout", "20s"),
        ("memory", "32m"),
    ];
    let agent = stage.agent().file_job("service-run", &job, &nowhere).start();
    let started = agent.wait_for_event("run.started", &job);
    let made = text(&started, "container").to_owned();
    let spec = stage.docker(["service", "inspect", "--format", "{{json .Spec.TaskTemplate}}", &made]);
    let spec: Value = serde_json::from_str(&spec).expect("JSON");
    assert_eq!(spec["Placement"]["Constraints"], serde_json::json!(["node.role==worker"]), "its own");
    assert_eq!(spec["Resources"]["Limits"]["MemoryBytes"], 32 << 20, "its own");
    assert_eq!(spec["ContainerSpec"]["Image"], WORKER);
    agent.terminate();
    agent.wait_for_exit();
    stage.docker(["service", "rm", &made]);
    drop(deployed);
    eventually("the secret is free", || stage.try_docker(["secret", "rm", &secret]).is_ok());
}

#[test]
fn a_service_that_is_like_none_is_not_started_and_says_so() {
    let deployed = Deployed::new(&ONCE, &["true"]);
    let (ended, _) = deployed.once(&[("like", "no-such-service"), ("command", "true")]);
    assert_eq!(text(&ended, "outcome"), "not-started", "{ended}");
    assert!(text(&ended, "reason").contains("the Swarm has no service no-such-service"), "{ended}");
}

/// Mistake 27.
#[test]
fn a_service_that_is_run_has_the_result_of_its_tasks_and_is_left_as_it_was() {
    let command = "echo task {{.Task.Slot}}; sleep 1; exit $CODE";
    for (code, result) in [("0", "succeeded"), ("3", "failed")] {
        let variable = format!("CODE={code}");
        let deployed = Deployed::new(&[&ONCE[..], &["--env", &variable]].concat(), &["sh", "-c", command]);
        let before = deployed.spec();
        // Twice: it is run anew each time.
        for _ in 0..2 {
            let (ended, lines) = deployed.act("run", &[("replicas", "2")]);
            assert_eq!(outcome(&ended), (result, &code.parse::<i64>().unwrap().into()), "{ended}");
            assert_eq!(lines.len(), 2, "{lines:?}");
            let mut spec = deployed.spec();
            assert_eq!(spec["Mode"]["Replicated"]["Replicas"], 0);
            spec["TaskTemplate"]["ForceUpdate"] = before["TaskTemplate"]["ForceUpdate"].clone();
            assert_eq!(spec, before, "nothing else of it is changed");
        }
        eventually("its tasks are gone", || deployed.running().is_empty());
    }
}

#[test]
fn a_service_in_job_mode_is_run_once_more_to_its_end() {
    let options = ["--mode", "replicated-job", "--replicas", "2", "--restart-condition", "none"];
    let deployed = Deployed::new(&options, &["sh", "-c", "echo ran; sleep 1"]);
    eventually("it ran when it was made", || {
        let tasks =
            deployed.stage.docker(["service", "ps", "--format", "{{.CurrentState}}", &deployed.service]);
        tasks.lines().filter(|it| it.starts_with("Complete")).count() == 2
    });
    let (ended, lines) = deployed.act("run", &[("timeout", "20s")]);
    assert_eq!((outcome(&ended), lines), (("succeeded", &0.into()), vec!["ran".to_owned(); 2]), "{ended}");
}

#[test]
fn a_run_that_takes_too_long_is_ended() {
    let deployed = Deployed::new(&ONCE, &["sleep", "1000"]);
    let (ended, _) = deployed.act("run", &[("timeout", "3s")]);
    assert_eq!((text(&ended, "outcome"), text(&ended, "reason")), ("timed-out", ""), "{ended}");
    eventually("its task is gone", || deployed.running().is_empty());
    assert_eq!(deployed.spec()["Mode"]["Replicated"]["Replicas"], 0);
}

#[test]
fn a_restart_replaces_the_tasks_and_is_over_when_the_new_ones_run() {
    let deployed = Deployed::new(&["--replicas", "2", "--update-monitor", "1s"], &["sleep", "1000"]);
    eventually("both run", || deployed.running().len() == 2);
    let before = deployed.running();
    let (ended, _) = deployed.act("restart", &[]);
    assert_eq!(outcome(&ended), ("succeeded", &Value::Null), "{ended}");
    let after = deployed.running();
    assert!(after.len() == 2 && after.iter().all(|it| !before.contains(it)), "{before:?} {after:?}");
}

#[test]
fn a_restart_whose_new_task_fails_has_failed_with_the_tasks_error() {
    let volume = Stage::at(manager());
    let name = volume.name("flag");
    let mount = format!("type=volume,source={name},target=/flag");
    // The second start finds what the first has left.
    let command = "[ ! -e /flag/x ] || exit 7; touch /flag/x; sleep 1000";
    let deployed = Deployed::new(&["--mount", &mount, "--restart-delay", "60s"], &["sh", "-c", command]);
    eventually("it runs", || deployed.running().len() == 1);
    let (ended, _) = deployed.act("restart", &[]);
    assert_eq!(outcome(&ended), ("failed", &7.into()), "{ended}");
    assert!(text(&ended, "reason").contains("task 1: task: non-zero exit (7)"), "{ended}");
    drop(deployed);
    eventually("the volume is free", || volume.try_docker(["volume", "rm", &name]).is_ok());
}

#[test]
fn a_service_is_scaled_up_and_down_and_the_record_waits_for_its_tasks() {
    let deployed = Deployed::new(&["--replicas", "1"], &["sleep", "1000"]);
    for count in ["3", "0", "0"] {
        let (ended, _) = deployed.act("scale", &[("replicas", count)]);
        assert_eq!(outcome(&ended), ("succeeded", &Value::Null), "{ended}");
        assert_eq!(deployed.running().len(), count.parse::<usize>().unwrap());
    }
}

#[test]
fn what_cannot_be_done_to_a_service_is_not_started_and_says_why() {
    let deployed = Deployed::new(&["--replicas", "1"], &["sleep", "1000"]);
    let (ended, _) = deployed.act("run", &[]);
    assert_eq!(text(&ended, "outcome"), "not-started", "{ended}");
    assert!(text(&ended, "reason").contains("never ends"), "{ended}");
    let (ended, _) = deployed.once(&[("service", "no-such-service"), ("action", "restart")]);
    assert_eq!(text(&ended, "outcome"), "not-started", "{ended}");
    assert!(text(&ended, "reason").contains("the Swarm has no service no-such-service"), "{ended}");
}

#[test]
fn whoever_waits_for_an_action_learns_from_the_exit_code_whether_it_was_done() {
    let deployed = Deployed::new(&["--replicas", "0"], &["sleep", "1000"]);
    let stage = &deployed.stage;
    let act = |service, count| {
        [("schedule", "@triggered"), ("service", service), ("action", "scale"), ("replicas", count)]
    };
    let (scales, fails) = (stage.name("scales"), stage.name("fails"));
    let agent = stage
        .agent()
        .file_job("service-run", &scales, &act(&deployed.service, "1"))
        .file_job("service-run", &fails, &act("no-such-service", "1"))
        .start();
    agent.wait_until_ready();
    assert_eq!([&scales, &fails].map(|job| agent.run_and_wait(job)), [Some(0), Some(1)]);
    agent.terminate();
    agent.wait_for_exit();
}

/// A rollback lowers the number that tells a run's tasks from others.
#[test]
fn after_a_rollback_a_run_has_the_result_of_its_own_tasks_and_not_of_those_before() {
    let options = ["--replicas", "1", "--restart-condition", "none"];
    let deployed = Deployed::new(&options, &["sh", "-c", "hostname; sleep 2"]);
    let (ended, before) = deployed.act("run", &[]);
    assert_eq!(outcome(&ended), ("succeeded", &0.into()), "{ended}");
    deployed.stage.docker(["service", "rollback", "-d", &deployed.service]);
    eventually("it was rolled back", || deployed.spec()["TaskTemplate"]["ForceUpdate"] == 0);
    let (ended, lines) = deployed.act("run", &[]);
    assert_eq!(outcome(&ended), ("succeeded", &0.into()), "{ended}");
    assert!(lines.len() == 1 && lines != before, "{lines:?} {before:?}");
}

/// A Swarm that forgets a task just when it begins to update its service makes two in its place.
#[test]
fn a_run_begins_when_the_tasks_before_it_are_gone_and_may_be_stopped_until_then() {
    let command = "trap 'sleep 7; exit 0' TERM; sleep 1000 & wait; wait";
    let options = [&ONCE[..], &["--stop-grace-period", "20s"]].concat();
    let deployed = Deployed::new(&options, &["sh", "-c", command]);
    let scale = |count: u8| {
        deployed.stage.docker(["service", "scale", "-d", &format!("{}={count}", deployed.service)]);
    };
    scale(1);
    eventually("a task runs", || deployed.running().len() == 1);
    let (before, spec) = (deployed.running(), || deployed.spec()["TaskTemplate"]["ForceUpdate"].clone());
    let (job, mark) = (deployed.stage.name("job"), spec());
    let all = [
        ("schedule", "@triggered"),
        ("service", &*deployed.service),
        ("action", "run"),
        ("timeout", "6s"),
        ("grace-period", "1s"),
    ];
    let agent = deployed.stage.agent().file_job("service-run", &job, &all).start();
    agent.wait_until_ready();
    scale(0);
    let path = format!("/api/jobs/{job}/run");
    let run = beside::ask_in(Path::new(agent.state_dir()), ("POST", &path), "").json();
    assert_eq!(agent.operate(&["stop", text(&run, "run")]).0, Some(0));
    let stopped = agent.wait_for_end(&job);
    assert_eq!(text(&stopped, "outcome"), "stopped", "{stopped}");
    assert_eq!((deployed.running(), spec()), (before.clone(), mark), "nothing was waited for or changed");
    assert_eq!(agent.operate(&["run", &job]).0, Some(0));
    let started = agent.wait_for_event("run.started", &job);
    assert!(!deployed.running().contains(&before[0]), "it has not ended yet");
    // Its time began when its service was changed, and not with the wait: else it would end at once.
    let is_other = |it: &Record| it["event"] == "run.finished" && it["run"] != stopped["run"];
    let ended = agent.wait_for("its end", is_other);
    assert_eq!(text(&ended, "outcome"), "timed-out", "{ended}");
    let [began, over] = [&started, &ended].map(|it| text(it, "timestamp").parse::<Timestamp>().unwrap());
    assert!(over.duration_since(began).as_secs() >= 4, "{started} {ended}");
}

#[test]
fn a_number_of_tasks_that_someone_else_gives_during_a_run_stays() {
    let deployed = Deployed::new(&ONCE, &["sleep", "5"]);
    let job = deployed.stage.name("job");
    let parameters = [
        ("schedule", "@triggered"),
        ("run-on-startup", "true"),
        ("service", &*deployed.service),
        ("action", "run"),
    ];
    let agent = deployed.stage.agent().file_job("service-run", &job, &parameters).start();
    agent.wait_for_event("run.started", &job);
    deployed.stage.docker(["service", "scale", "-d", &format!("{}=2", deployed.service)]);
    let ended = agent.wait_for_end(&job);
    assert_eq!(outcome(&ended), ("succeeded", &0.into()), "{ended}");
    agent.terminate();
    agent.wait_for_exit();
    assert_eq!(deployed.spec()["Mode"]["Replicated"]["Replicas"], 2);
}
