//! What a job of kind `run` asks for its container, read back from the container that was made.

use serde_json::{Value, json};
use watchbell::{model::name::JobKind, settings::params::PARAMS};

use crate::support::live_engine::{Agent, Record, Stage, WORKER, eventually, text};

/// Parameters that nothing in an inspection shows, and what has no container of its own: other tests try them.
const ELSEWHERE: [&str; 10] = [
    "platform",
    "gpus",
    "delete",
    "pull",
    "pull-timeout",
    "like",
    "container",
    "stop-during",
    "success-codes",
    "max-output",
];

/// What the Engine says of a container.
fn inspected(stage: &Stage, container: &str) -> Value {
    serde_json::from_str(&stage.docker(["inspect", "--format", "{{json .}}", container])).expect("JSON")
}

fn the_end(agent: &Agent, job: &str) -> Record {
    let ended = agent.wait_for_end(job);
    agent.terminate();
    agent.wait_for_exit();
    ended
}

#[test]
fn every_option_is_read_back_from_the_container_that_was_made() {
    let stage = Stage::new();
    let (front, back) = (stage.network("front"), stage.network("back"));
    let other = stage.worker("other").arguments(&["-v", "/shared"]).start();
    let (volume, mounted) = (stage.name("volume"), stage.name("mounted"));
    for name in [&volume, &mounted] {
        stage.docker(["volume", "create", "--label", &stage.label(), name]);
    }
    let env_file = stage.dir().join("env");
    std::fs::write(&env_file, "FROM_FILE=1\n").expect("the file can be written");
    let env_file = env_file.to_str().expect("a path that is text");
    let (volume_at, mount) =
        (format!("{volume}:/data:ro"), format!("source={mounted},target=/long,volume-nocopy"));
    let (networks, from) = (format!("[\"{front}\", \"{back}\"]"), format!("{other}:ro"));

    let security = r#"["no-new-privileges", "seccomp=unconfined", "systempaths=unconfined"]"#;
    let aliases = |network: &str| format!("NetworkSettings/Networks/{network}/Aliases/0");
    let host = |field: &str| format!("HostConfig/{field}");
    let rows: Vec<(&str, &str, String, Value)> = vec![
        ("image", WORKER, "Config/Image".into(), json!(WORKER)),
        ("command", "sleep 20", "Config/Cmd".into(), json!(["/bin/sh", "-c", "sleep 20"])),
        ("shell", "true", "Config/Cmd/0".into(), json!("/bin/sh")),
        ("entrypoint", "env", "Config/Entrypoint".into(), json!(["env"])),
        ("user", "33:34", "Config/User".into(), json!("33:34")),
        ("workdir", "/tmp", "Config/WorkingDir".into(), json!("/tmp")),
        ("hostname", "here", "Config/Hostname".into(), json!("here")),
        ("env-file", env_file, "Config/Env/0".into(), json!("FROM_FILE=1")),
        ("environment", "A=b c", "Config/Env/1".into(), json!("A=b c")),
        ("privileged", "true", host("Privileged"), json!(true)),
        ("volume", &volume_at, host("Binds/0"), json!(volume_at)),
        ("mount", &mount, host("Mounts/0/Source"), json!(mounted)),
        ("mount", &mount, host("Mounts/0/VolumeOptions/NoCopy"), json!(true)),
        ("tmpfs", "/cache:size=8m,mode=1777", host("Tmpfs"), json!({ "/cache": "size=8m,mode=1777" })),
        ("volumes-from", &from, host("VolumesFrom"), json!([from])),
        ("network", &networks, host("NetworkMode"), json!(front)),
        ("network", &networks, format!("NetworkSettings/Networks/{back}/IPAMConfig"), json!(null)),
        ("network-alias", "worker", aliases(&front), json!("worker")),
        ("network-alias", "worker", aliases(&back), json!("worker")),
        ("dns", "192.0.2.53", host("Dns"), json!(["192.0.2.53"])),
        ("extra-hosts", "db:192.0.2.7", host("ExtraHosts"), json!(["db:192.0.2.7"])),
        ("memory", "64m", host("Memory"), json!(64 << 20)),
        ("cpus", "0.5", host("NanoCpus"), json!(500_000_000)),
        ("pids-limit", "50", host("PidsLimit"), json!(50)),
        ("shm-size", "16m", host("ShmSize"), json!(16 << 20)),
        (
            "ulimit",
            "nofile=512:1024",
            host("Ulimits/0"),
            json!({ "Name": "nofile", "Soft": 512, "Hard": 1024 }),
        ),
        ("cap-add", "net_admin", host("CapAdd"), json!(["CAP_NET_ADMIN"])),
        ("cap-drop", "CHOWN", host("CapDrop"), json!(["CAP_CHOWN"])),
        (
            "device",
            "/dev/null:/dev/nothing:rw",
            host("Devices/0"),
            json!({ "PathOnHost": "/dev/null", "PathInContainer": "/dev/nothing", "CgroupPermissions": "rw" }),
        ),
        ("security-opt", security, host("SecurityOpt/0"), json!("no-new-privileges=true")),
        ("security-opt", security, host("SecurityOpt/1"), json!("seccomp=unconfined")),
        ("security-opt", security, host("MaskedPaths"), json!([])),
        ("read-only", "true", host("ReadonlyRootfs"), json!(true)),
        ("init", "true", host("Init"), json!(true)),
        ("label", "com.example/part=report", "Config/Labels/com.example~1part".into(), json!("report")),
        ("stop-signal", "usr1", "Config/StopSignal".into(), json!("SIGUSR1")),
        ("runtime", "io.containerd.runc.v2", host("Runtime"), json!("io.containerd.runc.v2")),
        ("log-driver", "local", host("LogConfig/Type"), json!("local")),
        ("log-opt", "max-size=2m", host("LogConfig/Config/max-size"), json!("2m")),
    ];
    let job = stage.name("all");
    let mut parameters = vec![("schedule", "@every 2s"), ("grace-period", "1s")];
    for (name, value, ..) in &rows {
        if !parameters.contains(&(name, value)) {
            parameters.push((name, value));
        }
    }
    untested(&parameters);
    let agent = stage.agent().file_job("run", &job, &parameters).start();
    let started = agent.wait_for_event("run.started", &job);
    let container = text(&started, "container");
    let found = inspected(&stage, container);
    for (name, value, path, wanted) in rows {
        let pointer = format!("/{path}");
        assert_eq!(found.pointer(&pointer), Some(&wanted), "{name} = {value} at {path} of {found:#}");
    }
    let mounts = found["Mounts"].as_array().expect("mounts");
    assert!(mounts.iter().any(|it| it["Destination"] == "/shared" && it["RW"] == false), "{mounts:?}");
    assert_eq!(found["Config"]["Labels"]["watchbell.run"], started["run"], "ours stay ours");
}

/// Every parameter that the kind has of its own is tried.
fn untested(tried: &[(&str, &str)]) {
    let of_all = |kinds: &[JobKind]| kinds.len() == JobKind::ALL.len();
    let own = PARAMS.iter().filter(|it| it.works_for(JobKind::Run) && !of_all(it.kinds));
    let missing: Vec<&str> = own
        .map(|it| it.name)
        .filter(|name| !ELSEWHERE.contains(name) && tried.iter().all(|(it, _)| it != name))
        .collect();
    assert!(missing.is_empty(), "say here where an inspection shows these: {missing:?}");
}

#[test]
fn each_form_of_a_network_arrives() {
    let stage = Stage::new();
    let other = stage.worker("other").start();
    let id = stage.inspect(&other, "{{.Id}}");
    let joined = format!("container:{other}");
    for (network, mode) in
        [("none", "none".to_owned()), ("host", "host".to_owned()), (&*joined, format!("container:{id}"))]
    {
        let job = stage.name(&network.replace(':', "-"));
        let parameters = [
            ("schedule", "@every 1s"),
            ("image", WORKER),
            ("network", network),
            ("command", "sleep 10"),
            ("grace-period", "0s"),
        ];
        let agent = stage.agent().file_job("run", &job, &parameters).start();
        let started = agent.wait_for_event("run.started", &job);
        assert_eq!(stage.inspect(text(&started, "container"), "{{.HostConfig.NetworkMode}}"), mode);
    }
}

/// Here is no such driver, and the Engine's own words would not say what to do.
#[test]
fn graphics_processors_are_asked_for_and_their_absence_is_told() {
    let stage = Stage::new();
    let job = stage.name("render");
    let parameters = [
        ("schedule", "@every 1s"),
        ("image", WORKER),
        ("network", "none"),
        ("command", "true"),
        ("gpus", "device=0,driver=watchbell-none"),
        ("delete", "never"),
    ];
    let agent = stage.agent().file_job("run", &job, &parameters).start();
    let ended = the_end(&agent, &job);
    assert_eq!(text(&ended, "outcome"), "not-started", "{ended}");
    assert!(text(&ended, "reason").contains("no driver for gpus"), "{ended}");
    let found = inspected(&stage, text(&ended, "container"));
    let asked = &found["HostConfig"]["DeviceRequests"][0];
    assert_eq!(
        (&asked["Driver"], &asked["DeviceIDs"], &asked["Capabilities"]),
        (&json!("watchbell-none"), &json!(["0"]), &json!([["gpu"]])),
        "{found:#}"
    );
}

#[test]
fn a_platform_that_the_image_is_not_of_is_told_with_the_mend() {
    let stage = Stage::new();
    let job = stage.name("foreign");
    let parameters = [
        ("schedule", "@every 1s"),
        ("image", WORKER),
        ("network", "none"),
        ("command", "true"),
        ("pull", "never"),
        ("platform", "linux/s390x"),
    ];
    let agent = stage.agent().file_job("run", &job, &parameters).start();
    let ended = the_end(&agent, &job);
    assert_eq!(text(&ended, "outcome"), "not-started", "{ended}");
    assert!(text(&ended, "reason").contains("linux/s390x"), "{ended}");
    assert!(text(&ended, "reason").contains("docker pull --platform"), "{ended}");
}

#[test]
fn a_run_that_is_killed_for_lack_of_memory_says_so_and_one_that_is_stopped_does_not() {
    let stage = Stage::new();
    let (hungry, slow) = (stage.name("hungry"), stage.name("slow"));
    let given = |command: &'static str| {
        [
            ("schedule", "@every 1s"),
            ("image", WORKER),
            ("network", "none"),
            ("memory", "16m"),
            ("shell", "true"),
            ("command", command),
            ("timeout", "20s"),
            ("grace-period", "0s"),
        ]
    };
    // The one grows without end; the other is killed by its timeout, with the same exit code.
    let grow = "x=a; while true; do x=$$x$$x; done";
    let mut short = given("trap '' TERM; sleep 35; sleep 35");
    short[6].1 = "1s";
    let agent = stage.agent().file_job("run", &hungry, &given(grow)).file_job("run", &slow, &short).start();
    let killed = agent.wait_for_end(&hungry);
    assert_eq!((text(&killed, "outcome"), &killed["exit_code"]), ("failed", &137.into()), "{killed}");
    assert_eq!(text(&killed, "reason"), "killed for lack of memory (limit 16MiB)", "{killed}");
    let stopped = agent.wait_for_end(&slow);
    assert_eq!((text(&stopped, "outcome"), text(&stopped, "reason")), ("timed-out", ""), "{stopped}");
}

/// The containers of a job's runs, the newest first: their names end with the second in which they were due. Podman lists
/// them in no order.
fn of_job(stage: &Stage, job: &str) -> Vec<String> {
    let filter = format!("label=watchbell.job={job}");
    let found = stage.docker(["ps", "-a", "--format", "{{.Names}}", "--filter", &filter]);
    let mut names: Vec<String> = found.lines().map(str::to_owned).collect();
    names.sort_unstable_by(|a, b| b.cmp(a));
    names
}

#[test]
fn a_container_that_is_kept_stays_blocks_nothing_and_goes_when_newer_ones_came() {
    let stage = Stage::new();
    let (kept, failed) = (stage.name("kept"), stage.name("failed"));
    let given = |command: &'static str, delete: &'static str| {
        [
            ("schedule", "@every 1s"),
            ("image", WORKER),
            ("network", "none"),
            ("shell", "true"),
            ("command", command),
            ("delete", delete),
            ("history", "2 runs"),
        ]
    };
    let agent = stage
        .agent()
        .file_job("run", &kept, &given("echo done", "never"))
        // Every other one fails.
        .file_job("run", &failed, &given("exit $$(( $$(date +%s) % 2 ))", "on-success"))
        .start();
    let all = |job: &str, count: usize| {
        agent.wait_within(crate::support::live_engine::LIMIT, "runs end", |records| {
            let ended: Vec<Record> = records
                .iter()
                .filter(|it| it["event"] == "run.finished" && it["job"] == *job)
                .cloned()
                .collect();
            (ended.len() >= count).then_some(ended)
        })
    };
    let ended = all(&kept, 5);
    assert!(ended.iter().all(|it| it["outcome"] == "succeeded"), "{ended:?}");
    let ended = all(&failed, 6);
    assert!(ended.iter().any(|it| it["outcome"] == "failed"), "{ended:?}");
    agent.terminate();
    agent.wait_for_exit();
    for container in of_job(&stage, &failed) {
        assert_eq!(stage.inspect(&container, "{{.State.ExitCode}}"), "1", "{container}");
    }
    assert!(!of_job(&stage, &kept).is_empty());
    let newest = of_job(&stage, &kept);

    // The next agent of the same state directory tells them from what was left behind, and keeps to what is to be kept.
    // One run, so that nothing but it takes a place of those that stay.
    let mut once = given("echo done", "never");
    once[0] = ("schedule", "@startup");
    let agent = stage.agent().file_job("run", &kept, &once).after(&agent).start();
    agent.wait_for_end(&kept);
    assert!(of_job(&stage, &kept).contains(&newest[0]), "the newest stay");
    assert_eq!(agent.records(|it| it["event"] == "run.leftover"), Vec::<Record>::new());
    // Two that are kept, and what may just have ended.
    eventually("the oldest go", || of_job(&stage, &kept).len() <= 3);
}
