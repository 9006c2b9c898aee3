//! The agent's image, hardened as compose.yaml does it, and the duties of PID 1.

use std::path::Path;

use crate::support::live_engine::{IMAGE, Record, Stage, WORKER, eventually, text};

/// What a stage's agent has in its file, for one in a container: foreign jobs are never due.
const CONFIG: &str = "[job-defaults]\nenabled = false\n";

pub fn demand_image(stage: &Stage) {
    if let Err(why) = stage.try_docker(["image", "inspect", "--format", "{{.Id}}", IMAGE]) {
        panic!("there is no image {IMAGE}: run `make image`, or `make test`, which does it. ({why})");
    }
}

/// Everything that a container's agent has told so far.
pub fn told(stage: &Stage, container: &str) -> Vec<Record> {
    let logs = stage.docker(["logs", container]);
    logs.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Waits for a record in a container's log.
pub fn wait_for(stage: &Stage, container: &str, what: &str, fits: impl Fn(&Record) -> bool) -> Record {
    let mut found = None;
    eventually(what, || {
        found = told(stage, container).into_iter().find(|it| fits(it));
        found.is_some() || panic_if_ended(stage, container)
    });
    found.expect("it was found")
}

fn panic_if_ended(stage: &Stage, container: &str) -> bool {
    let status = stage.inspect(container, "{{.State.Status}} {{.State.ExitCode}}");
    assert!(status.starts_with("running"), "{status}: {}", stage.docker(["logs", container]));
    false
}

/// Makes a container of the agent's image, hardened; the answer is its name.
pub fn agent(stage: &Stage, labels: &[(String, String)], jobs: &[&str]) -> String {
    agent_as(stage, "agent", "none", labels, jobs)
}

/// The same under this name and in this network; all of a stage have the same state.
pub fn agent_as(
    stage: &Stage,
    part: &str,
    network: &str,
    labels: &[(String, String)],
    jobs: &[&str],
) -> String {
    let name = stage.name(part);
    let volume = stage.name("state");
    stage.docker(["volume", "create", "--label", &stage.label(), &volume]);
    let socket = format!("{}:/var/run/docker.sock", stage.socket());
    let mount = format!("{volume}:/var/lib/watchbell");
    let mut arguments: Vec<String> =
        ["create", "--name", &name, "--label", &stage.label(), "--network", network]
            .into_iter()
            .chain(["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true"])
            .chain(["-v", &socket, "-v", &mount])
            .map(str::to_owned)
            .collect();
    for (key, value) in labels {
        arguments.extend(["--label".to_owned(), format!("{key}={value}")]);
    }
    // The file is copied into the volume: a directory of this machine need not be one of the Engine's.
    arguments.extend([IMAGE, "daemon", "--config", "/var/lib/watchbell/config.ini"].map(str::to_owned));
    for job in jobs {
        arguments.extend(["--set".to_owned(), format!("{job}.enabled=true")]);
    }
    stage.docker(arguments);
    let config = stage.dir().join("config.ini");
    std::fs::write(&config, CONFIG).expect("the file can be written");
    stage.docker(["cp", config.to_str().expect("text"), &format!("{name}:/var/lib/watchbell/config.ini")]);
    stage.docker(["start", &name]);
    name
}

#[test]
fn the_hardened_image_runs_a_labelled_workers_job_is_healthy_and_stops_with_exit_code_0() {
    let stage = Stage::new();
    demand_image(&stage);
    let job = format!("{}.hello", stage.name("worker"));
    stage
        .worker("worker")
        .exec("hello", &[("schedule", "@every 2s"), ("command", "echo hello from worker")])
        .start();
    let agent = agent(&stage, &[], &[&job]);
    wait_for(&stage, &agent, "the job is added", |it| it["event"] == "job.added" && it["job"] == *job);
    let line = wait_for(&stage, &agent, "it prints", |it| it["event"] == "run.output" && it["job"] == *job);
    assert_eq!(text(&line, "line"), "hello from worker");
    wait_for(&stage, &agent, "it succeeds", |it| {
        it["event"] == "run.finished" && it["job"] == *job && it["outcome"] == "succeeded"
    });
    let said = stage.docker(["exec", &agent, "/watchbell", "healthcheck"]);
    // What other tests have wrong on their containers is a reason to be degraded.
    assert!(said.contains(": agent ok, engine connected"), "{said}");
    eventually("it is healthy", || stage.inspect(&agent, "{{.State.Health.Status}}") == "healthy");

    stage.docker(["stop", "-t", "10", &agent]);
    assert_eq!(stage.inspect(&agent, "{{.State.ExitCode}}"), "0");
    let last = told(&stage, &agent).pop();
    assert_eq!(last.as_ref().map(|it| text(it, "event")), Some("agent.stopped"));
}

#[test]
fn labels_on_the_agents_own_container_may_define_every_kind_under_a_plain_name() {
    let stage = Stage::new();
    demand_image(&stage);
    let job = stage.name("report");
    let labels = [
        ("schedule", "@every 2s"),
        ("image", WORKER),
        ("network", "none"),
        ("command", "echo from a new container"),
    ]
    .map(|(parameter, value)| (format!("watchbell.job-run.{job}.{parameter}"), value.to_owned()));
    let agent = agent(&stage, &labels, &[&job]);
    let added =
        wait_for(&stage, &agent, "the job is added", |it| it["event"] == "job.added" && it["job"] == *job);
    assert_eq!(text(&added, "kind"), "run");
    let ended = wait_for(&stage, &agent, "it ends", |it| it["event"] == "run.finished" && it["job"] == *job);
    assert_eq!(text(&ended, "outcome"), "succeeded", "{ended}");
    stage.docker(["stop", "-t", "10", &agent]);
    assert_eq!(stage.inspect(&agent, "{{.State.ExitCode}}"), "0");
}

#[test]
fn the_image_is_small_and_says_what_it_is() {
    let stage = Stage::new();
    demand_image(&stage);
    let size: u64 =
        stage.docker(["image", "inspect", "--format", "{{.Size}}", IMAGE]).parse().expect("a number");
    assert!(size < 12_000_000, "{size} bytes");
    for key in ["title", "description", "licenses", "version", "revision", "created"] {
        let template = format!("{{{{index .Config.Labels \"org.opencontainers.image.{key}\"}}}}");
        let value = stage.docker(["image", "inspect", "--format", &template, IMAGE]);
        assert!(!value.is_empty() && value != "unknown", "{key}: {value}");
    }
    let version =
        stage.docker(["run", "--rm", "--network", "none", "--label", &stage.label(), IMAGE, "version"]);
    assert_eq!(version, format!("watchbell {}", env!("CARGO_PKG_VERSION")));
}

/// Mistake 32.
#[test]
fn as_pid_1_it_reaps_orphans_and_its_own_childrens_exit_codes_stay_right() {
    let stage = Stage::new();
    let binary = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/watchbell");
    assert!(
        binary.is_file(),
        "there is no static binary dist/watchbell: run `make image`, or `make test`, which does it"
    );
    let [orphans, coded] = ["orphans", "coded"].map(|it| stage.name(it));
    let config = stage.dir().join("config.ini");
    // Many short-lived orphans at the same time as children of our own that must keep their codes.
    let text_of_config = format!(
        "[job-local \"{orphans}\"]\nschedule = @every 1s\nshell = true\n\
         command = for i in 1 2 3 4 5 6 7 8; do (sleep 0.0$$i & sleep 0.1$$i &) ; done; true\n\
         [job-local \"{coded}\"]\nschedule = @every 1s\noverlap = allow\ncommand = sh -c 'sleep 0.1; exit 7'\n"
    );
    std::fs::write(&config, text_of_config).expect("the file can be written");
    let name = stage.name("pid1");
    stage.docker(
        ["create", "--network", "none", "--label", &stage.label(), "--name", &name, WORKER]
            .into_iter()
            .chain(["/watchbell", "daemon", "--config", "/config.ini", "--state-dir", "/tmp/state"]),
    );
    for (from, to) in [(&binary, "/watchbell"), (&config, "/config.ini")] {
        stage.docker(["cp", from.to_str().expect("text"), &format!("{name}:{to}")]);
    }
    stage.docker(["start", &name]);

    let ends = |job: &str| {
        let ends = told(&stage, &name).into_iter();
        ends.filter(|it| it["event"] == "run.finished" && it["job"] == *job).collect::<Vec<_>>()
    };
    eventually("both jobs ran several times", || {
        (ends(&orphans).len() >= 4 && ends(&coded).len() >= 4) || panic_if_ended(&stage, &name)
    });
    for it in ends(&orphans) {
        assert_eq!(text(&it, "outcome"), "succeeded", "{it}");
    }
    for it in ends(&coded) {
        assert_eq!((text(&it, "outcome"), &it["exit_code"]), ("failed", &7.into()), "{it}");
    }
    // In the midst of it there may be one that ended just now; what is left when nothing runs any more stays for ever.
    let zombies =
        "for p in /proc/[0-9]*; do grep -q '^State:.Z' $p/status 2>/dev/null && cat $p/stat; done; true";
    eventually("no zombie is there", || stage.docker(["exec", &name, "sh", "-c", zombies]).is_empty());
    stage.docker(["stop", "-t", "10", &name]);
    assert_eq!(stage.inspect(&name, "{{.State.ExitCode}}"), "0");
}

#[test]
fn a_file_that_is_mounted_by_itself_and_replaced_on_the_host_is_warned_about() {
    let stage = Stage::new();
    demand_image(&stage);
    for (number, keep) in [None, Some("config.ini~")].into_iter().enumerate() {
        let folder = stage.dir().join(number.to_string());
        std::fs::create_dir(&folder).expect("a directory");
        let (file, new) = (folder.join("config.ini"), folder.join("new"));
        std::fs::write(&file, CONFIG).expect("it is written");
        std::fs::write(&new, CONFIG).expect("it is written");
        let name = stage.name(&format!("agent{number}"));
        let mount = format!("{}:/etc/watchbell/config.ini:ro", file.display());
        let socket = format!("{}:/var/run/docker.sock", stage.socket());
        let label = stage.label();
        let arguments = ["run", "-d", "--name", &name, "--label", &label, "--network", "none", "-v", &mount];
        stage.docker(arguments.into_iter().chain(["-v", &socket, IMAGE]));
        wait_for(&stage, &name, "it is ready", |it| it["event"] == "agent.ready");
        if let Some(keep) = keep {
            std::fs::rename(&file, folder.join(keep)).expect("the old one is kept");
        }
        std::fs::rename(&new, &file).expect("a new one takes its place");
        // Labels of other tests' containers may be doubtful as well.
        let of_the_file = |it: &Record| {
            it["event"] == "config.doubtful" && it["origin"] == "file /etc/watchbell/config.ini"
        };
        let told = wait_for(&stage, &name, "it is told", of_the_file);
        assert!(text(&told, "reason").contains("mount its directory"), "{told}");
    }
}
