//! Jobs of kind `service-run` on a real Swarm of one node: a service for each run, and nothing of it afterwards.

use serde_json::{Value, json};

use crate::support::live_engine::{Record, Stage, WORKER, eventually, given_is_manager, manager, text};

/// A stage on a manager; what a failing test leaves of services goes with it.
struct Swarm(Stage);

impl Swarm {
    fn new() -> Self {
        Self(Stage::at(manager()))
    }

    /// Everything of this stage that the Swarm still has, and the containers of its tasks.
    fn left(&self) -> Vec<String> {
        let name = format!("name=watchbell-{}", self.0.name(""));
        let services = self.0.docker(["service", "ls", "-q", "--filter", &name]);
        let containers = self.0.docker(["ps", "-aq", "--filter", &name]);
        services.lines().chain(containers.lines()).map(str::to_owned).collect()
    }

    fn nothing_is_left(&self) {
        eventually("service and containers are gone", || self.left().is_empty());
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        let name = format!("name=watchbell-{}", self.0.name(""));
        let left = self.0.try_docker(["service", "ls", "-q", "--filter", &name]).unwrap_or_default();
        for id in left.lines() {
            let _ = self.0.try_docker(["service", "rm", id]);
        }
    }
}

/// Runs a job of `parameters` once; the agent is told of no other.
fn once(swarm: &Swarm, parameters: &[(&str, &str)]) -> (Record, Vec<Record>) {
    let job = swarm.0.name("report");
    let given = [("schedule", "@every 1s"), ("image", WORKER), ("shell", "true")];
    let given: Vec<(&str, &str)> =
        given.into_iter().filter(|(name, _)| parameters.iter().all(|(it, _)| it != name)).collect();
    let all: Vec<(&str, &str)> = given.into_iter().chain(parameters.iter().copied()).collect();
    let agent = swarm.0.agent().file_job("service-run", &job, &all).start();
    let ended = agent.wait_for_end(&job);
    let run = text(&ended, "run").to_owned();
    let lines = agent.records(|it| it["event"] == "run.output" && it["run"] == *run);
    agent.terminate();
    agent.wait_for_exit();
    assert_eq!(agent.records(|it| it["event"] == "run.leftover"), Vec::<Record>::new());
    assert_eq!(agent.records(|it| it["event"] == "run.output_missing"), Vec::<Record>::new());
    (ended, lines)
}

fn lines(records: &[Record], stream: &str) -> Vec<String> {
    let of_stream = records.iter().filter(|it| it["stream"] == stream);
    of_stream.map(|it| text(it, "line").to_owned()).collect()
}

#[test]
fn a_service_runs_its_task_tells_its_output_and_is_gone() {
    let swarm = Swarm::new();
    let parameters = [
        ("command", "echo $$GREETING $$(id -u) $$(pwd); echo oops >&2; sleep 1; seq 2000"),
        ("environment", "GREETING=a b; c"),
        ("user", "nobody"),
        ("workdir", "/tmp"),
    ];
    let (ended, output) = once(&swarm, &parameters);
    assert_eq!((text(&ended, "outcome"), &ended["exit_code"]), ("succeeded", &0.into()), "{ended}");
    let out = lines(&output, "stdout");
    assert_eq!(
        (out.len(), &*out[0], &*out[2000]),
        (2001, "a b; c 65534 /tmp", "2000"),
        "no line is lost or told twice"
    );
    assert_eq!(lines(&output, "stderr"), ["oops"]);
    assert_eq!(text(&output[0], "task"), "0");
    assert!(text(&output[0], "container").starts_with(&format!("{}.", text(&ended, "container"))));
    swarm.nothing_is_left();
}

#[test]
fn an_exit_code_other_than_0_is_a_failure_and_the_task_runs_once() {
    let swarm = Swarm::new();
    let (ended, output) = once(&swarm, &[("command", "echo once; exit 3")]);
    assert_eq!((text(&ended, "outcome"), &ended["exit_code"]), ("failed", &3.into()), "{ended}");
    assert!(text(&ended, "reason").contains("non-zero exit (3)"), "{ended}");
    assert_eq!(lines(&output, "stdout"), ["once"]);
    swarm.nothing_is_left();
}

#[test]
fn an_image_that_no_node_has_is_not_started_and_says_so() {
    let swarm = Swarm::new();
    let (ended, _) = once(&swarm, &[("image", "watchbell-no-such-image:1"), ("command", "true")]);
    assert_eq!(text(&ended, "outcome"), "not-started", "{ended}");
    assert!(text(&ended, "reason").contains("No such image: watchbell-no-such-image:1"), "{ended}");
    swarm.nothing_is_left();
}

#[test]
fn a_program_that_the_image_does_not_have_is_a_failure_in_the_engines_words() {
    let swarm = Swarm::new();
    let (ended, _) = once(&swarm, &[("shell", "false"), ("command", "no-such-program")]);
    assert_eq!((text(&ended, "outcome"), &ended["exit_code"]), ("failed", &127.into()), "{ended}");
    assert!(text(&ended, "reason").contains("no-such-program"), "{ended}");
    swarm.nothing_is_left();
}

#[test]
fn a_constraint_that_no_node_meets_ends_by_the_timeout_with_the_swarms_reason() {
    for parameters in [
        &[("constraint", "node.labels.nowhere==yes"), ("command", "true"), ("timeout", "3s")][..],
        &[
            ("constraint", "node.labels.nowhere==yes"),
            ("command", "true"),
            ("timeout", "3s"),
            ("global", "true"),
        ],
    ] {
        let swarm = Swarm::new();
        let (ended, _) = once(&swarm, parameters);
        assert_eq!(text(&ended, "outcome"), "timed-out", "{ended}");
        let reason = text(&ended, "reason");
        assert!(reason.contains("constraints") && !reason.contains("still running"), "{ended}");
        swarm.nothing_is_left();
    }
}

/// Mistake 27.
#[test]
fn of_three_tasks_one_that_fails_makes_it_failed_and_none_runs_twice() {
    let swarm = Swarm::new();
    let parameters = [
        ("replicas", "3"),
        ("environment", "SLOT={{.Task.Slot}}"),
        ("command", "echo task $$SLOT; [ $$SLOT != 1 ] || exit 3; sleep 3"),
    ];
    let (ended, output) = once(&swarm, &parameters);
    assert_eq!((text(&ended, "outcome"), &ended["exit_code"]), ("failed", &3.into()), "{ended}");
    assert!(text(&ended, "reason").contains("1 of 3 tasks failed; task 1"), "{ended}");
    let mut told: Vec<&str> = output.iter().map(|it| text(it, "task")).collect();
    told.sort_unstable();
    assert_eq!(told, ["0", "1", "2"], "one line of each: {output:?}");
    // The Swarm has no number for the first in its own templates.
    let others = output.iter().filter(|it| it["task"] != "0");
    assert!(others.clone().all(|it| text(it, "line") == format!("task {}", text(it, "task"))), "{output:?}");
    swarm.nothing_is_left();
}

/// Without care the Swarm would make up for them at once, again and again.
#[test]
fn of_three_tasks_that_all_fail_none_runs_twice() {
    let swarm = Swarm::new();
    let (ended, output) = once(&swarm, &[("replicas", "3"), ("command", "echo once; sleep 1; exit 4")]);
    assert_eq!(ended["exit_code"], 4, "{ended}");
    assert_eq!(lines(&output, "stdout"), ["once"; 3]);
    swarm.nothing_is_left();
}

#[test]
fn a_timeout_ends_the_tasks_and_the_record_says_so_when_they_are_gone() {
    let swarm = Swarm::new();
    let job = swarm.0.name("stubborn");
    let parameters = [
        ("schedule", "@every 2s"),
        ("image", WORKER),
        ("shell", "true"),
        ("command", "trap '' TERM; echo begun; sleep 35; sleep 35"),
        ("timeout", "2s"),
        ("grace-period", "1s"),
        ("replicas", "2"),
    ];
    let agent = swarm.0.agent().file_job("service-run", &job, &parameters).start();
    let ended = agent.wait_for_end(&job);
    let name = format!("name=^{}", text(&ended, "container"));
    let running = swarm.0.docker(["ps", "-q", "--filter", &name]);
    assert_eq!((text(&ended, "outcome"), text(&ended, "reason")), ("timed-out", ""), "{ended}");
    assert_eq!(running, "", "when it is told they are gone");
    assert_eq!(agent.lines(text(&ended, "run"), "stdout"), ["begun", "begun"]);
    agent.terminate();
    agent.wait_for_exit();
    swarm.nothing_is_left();
}

#[test]
fn one_task_on_each_node_runs_where_there_is_one_node() {
    let swarm = Swarm::new();
    let (ended, output) = once(&swarm, &[("global", "true"), ("command", "echo here")]);
    assert_eq!(text(&ended, "outcome"), "succeeded", "{ended}");
    let node = swarm.0.docker(["node", "ls", "-q"]);
    assert_eq!((lines(&output, "stdout").len(), text(&output[0], "task")), (1, &*node));
    swarm.nothing_is_left();
}

#[test]
fn an_engine_that_is_no_manager_is_told_with_the_mend() {
    // Where the given one manages a Swarm, there is none here that does not.
    if given_is_manager() {
        return;
    }
    let swarm = Swarm(Stage::new());
    let job = swarm.0.name("report");
    let parameters = [("schedule", "@every 1s"), ("image", WORKER), ("command", "true")];
    let agent = swarm.0.agent().file_job("service-run", &job, &parameters).start();
    let ended = agent.wait_for_end(&job);
    assert_eq!(text(&ended, "outcome"), "not-started", "{ended}");
    let mends = ["docker swarm init", "this one has none"];
    assert!(mends.iter().any(|it| text(&ended, "reason").contains(it)), "{ended}");
}

/// Each parameter of the kind at a value that is not its default, and where the Swarm has it.
#[test]
fn every_option_is_read_back_from_the_service_that_was_made() {
    const SPEC: &str = "TaskTemplate.ContainerSpec";
    let swarm = Swarm::new();
    let network = swarm.0.name("net");
    let (secret, config) = (swarm.0.name("secret"), swarm.0.name("config"));
    swarm.0.docker(["network", "create", "-d", "overlay", "--label", &swarm.0.label(), &network]);
    let value = swarm.0.dir().join("value");
    std::fs::write(&value, "x").expect("the file can be written");
    let value = value.to_str().expect("a path that is text");
    swarm.0.docker(["secret", "create", &secret, value]);
    swarm.0.docker(["config", "create", &config, value]);
    let env_file = swarm.0.dir().join("env");
    std::fs::write(&env_file, "FROM_FILE=1\n").expect("the file can be written");
    let env_file = env_file.to_str().expect("a path that is text");
    let secret_id = swarm.0.docker(["secret", "ls", "-q", "--filter", &format!("name={secret}")]);
    let network_id =
        swarm.0.docker(["network", "ls", "-q", "--no-trunc", "--filter", &format!("name={network}")]);
    let (secret_of, config_of) = (format!("source={secret},target=pw,uid=33,mode=0400"), config.as_str());

    let container = |field: &str| format!("{SPEC}.{field}");
    let rows: Vec<(&str, &str, String, Value)> = vec![
        ("image", WORKER, container("Image"), json!(WORKER)),
        ("command", "sleep 5", container("Args"), json!(["/bin/sh", "-c", "sleep 5"])),
        ("shell", "true", container("Args.0"), json!("/bin/sh")),
        ("user", "33:34", container("User"), json!("33:34")),
        ("workdir", "/tmp", container("Dir"), json!("/tmp")),
        ("env-file", env_file, container("Env.0"), json!("FROM_FILE=1")),
        ("environment", "A=b c", container("Env.1"), json!("A=b c")),
        ("grace-period", "7s", container("StopGracePeriod"), json!(7_000_000_000_u64)),
        (
            "mount",
            "type=bind,source=/srv,target=/data,readonly,bind-propagation=rslave",
            container("Mounts.0"),
            json!({ "Type": "bind", "Source": "/srv", "Target": "/data", "ReadOnly": true,
                    "BindOptions": { "Propagation": "rslave" } }),
        ),
        ("secret", &secret_of, container("Secrets.0.SecretID"), json!(secret_id)),
        (
            "secret",
            &secret_of,
            container("Secrets.0.File"),
            json!({ "Name": "pw", "UID": "33", "GID": "0", "Mode": 0o400 }),
        ),
        ("config", config_of, container("Configs.0.File.Name"), json!(format!("/{config}"))),
        ("network", &network, "TaskTemplate.Networks.0.Target".into(), json!(network_id)),
        (
            "constraint",
            "node.labels.nowhere==yes",
            "TaskTemplate.Placement.Constraints.0".into(),
            json!("node.labels.nowhere==yes"),
        ),
        ("memory", "64m", "TaskTemplate.Resources.Limits.MemoryBytes".into(), json!(64 << 20)),
        ("cpus", "0.5", "TaskTemplate.Resources.Limits.NanoCPUs".into(), json!(500_000_000)),
        ("replicas", "2", "Mode.ReplicatedJob.TotalCompletions".into(), json!(2)),
    ];
    let job = swarm.0.name("all");
    let mut parameters = vec![("schedule", "@every 2s"), ("timeout", "20s")];
    for (name, value, ..) in &rows {
        if !parameters.contains(&(name, value)) {
            parameters.push((name, value));
        }
    }
    untested(&parameters);
    let agent = swarm.0.agent().file_job("service-run", &job, &parameters).start();
    let started = agent.wait_for_event("run.started", &job);
    let spec =
        swarm.0.docker(["service", "inspect", "--format", "{{json .Spec}}", text(&started, "container")]);
    let spec: Value = serde_json::from_str(&spec).expect("JSON");
    for (name, value, path, wanted) in rows {
        let pointer = format!("/{}", path.replace('.', "/"));
        assert_eq!(spec.pointer(&pointer), Some(&wanted), "{name} = {value} at {path} of {spec:#}");
    }
    assert_eq!(spec["Labels"]["watchbell.run"], started["run"]);
    agent.terminate();
    agent.wait_for_exit();
    // It outlives the agent, and no other one comes.
    swarm.0.docker(["service", "rm", text(&started, "container")]);
    swarm.nothing_is_left();
    swarm.0.docker(["secret", "rm", &secret]);
    swarm.0.docker(["config", "rm", &config]);
}

/// Every parameter that the kind has of its own is tried, but for those that other tests here try.
fn untested(tried: &[(&str, &str)]) {
    use watchbell::{model::name::JobKind, settings::params::PARAMS};
    const ELSEWHERE: [&str; 7] =
        ["global", "with-registry-auth", "like", "service", "action", "success-codes", "max-output"];
    let of_all = |kinds: &[JobKind]| kinds.len() == JobKind::ALL.len();
    let own = PARAMS.iter().filter(|it| it.works_for(JobKind::ServiceRun) && !of_all(it.kinds));
    let missing: Vec<&str> = own
        .map(|it| it.name)
        .filter(|name| !ELSEWHERE.contains(name) && tried.iter().all(|(it, _)| it != name))
        .collect();
    assert!(missing.is_empty(), "say here where the Swarm has these: {missing:?}");
}
