//! Timeouts that really end the work: whatever the command does, its processes are gone in time, or the record says
//! that they are not.
//!
//! Most agents here are in a container of their own and see no process of the Engine's: what they end, they end from
//! within the command's container. All have the static program, which is the one that can be copied as a helper.

use std::path::{Path, PathBuf};

use super::{image, local::processes_of};
use crate::support::live_engine::{Record, Stage, WORKER, eventually, run, text};

const TIMEOUT: f64 = 2.0;
const GRACE: f64 = 2.0;
/// The timeout, the grace period, and so much more that only a command that was not ended takes longer.
const LIMIT: f64 = TIMEOUT + GRACE + 60.0;

fn program() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/watchbell");
    assert!(
        path.is_file(),
        "there is no static binary dist/watchbell: run `make image`, or `make test`, which does it"
    );
    path
}

/// One job that runs once, when the agent starts.
fn job(kind: &str, name: &str, parameters: &[(&str, &str)]) -> String {
    let lines: String =
        parameters.iter().fold(String::new(), |text, (key, value)| format!("{text}{key} = {value}\n"));
    format!(
        "[job-{kind} \"{name}\"]\nenabled = true\nschedule = @startup\ntimeout = {TIMEOUT}s\ngrace-period = {GRACE}s\n{lines}"
    )
}

/// An agent in a container, which sees no processes but its own.
fn blind_agent(stage: &Stage, jobs: &[String]) -> String {
    let config = stage.dir().join("blind.ini");
    // Foreign labels are seen, and never due here.
    let defaults = "[job-defaults]\nenabled = false\n";
    std::fs::write(&config, format!("{defaults}{}", jobs.concat())).expect("the file can be written");
    let name = stage.name("agent");
    let socket = format!("{}:/var/run/docker.sock", stage.socket());
    stage.docker(
        ["create", "--network", "none", "--label", &stage.label(), "--name", &name, "-v", &socket, WORKER]
            .into_iter()
            .chain(["/watchbell", "daemon", "--config", "/config.ini", "--state-dir", "/tmp/state"])
            .chain(["--log-format", "json"]),
    );
    for (from, to) in [(&program(), "/watchbell"), (&config, "/config.ini")] {
        stage.docker(["cp", from.to_str().expect("text"), &format!("{name}:{to}")]);
    }
    stage.docker(["start", &name]);
    name
}

fn end_of(stage: &Stage, agent: &str, job: &str) -> Record {
    image::wait_for(stage, agent, &format!("{job} ends"), |it| {
        it["event"] == "run.finished" && it["job"] == *job
    })
}

/// Timed out, in time and for good, with nothing of ours and nothing of the command left.
fn assert_gone(stage: &Stage, ended: &Record, container: &str, words: &str) {
    assert_eq!((text(ended, "outcome"), text(ended, "reason")), ("timed-out", ""), "{ended}");
    let took = ended["duration_seconds"].as_f64().expect("a number");
    assert!(took < LIMIT, "{words}: {took} s");
    assert!(!stage.has_process(container, words), "{words}: {}", stage.docker(["top", container]));
    let changed = stage.docker(["diff", container]);
    assert!(!changed.contains("watchbell"), "{changed}");
}

/// An image that holds nothing but one static program, which can only sleep.
struct Shellless<'a> {
    stage: &'a Stage,
    image: String,
}

impl<'a> Shellless<'a> {
    fn new(stage: &'a Stage) -> Self {
        let image = format!("{}:local", stage.name("shellless"));
        let folder = stage.dir().join("shellless");
        std::fs::create_dir(&folder).expect("a directory");
        let worker = stage.name("donor");
        stage.docker(["create", "--label", &stage.label(), "--name", &worker, WORKER]);
        let sleep = folder.join("sleep");
        stage.docker(["cp", &format!("{worker}:/bin/busybox"), sleep.to_str().expect("text")]);
        let tar = stage.dir().join("shellless.tar");
        run(std::process::Command::new("tar").arg("-C").arg(&folder).arg("-cf").arg(&tar).arg("sleep"))
            .expect("tar");
        stage.docker(["import", tar.to_str().expect("text"), &image]);
        Self { stage, image }
    }

    /// Starts a container of it.
    fn start(&self, part: &str, arguments: &[&str]) -> String {
        let stage = self.stage;
        let name = stage.name(part);
        let label = stage.label();
        let usual = ["run", "-d", "--network", "none", "--label", &label, "--name", &name];
        stage.docker(usual.into_iter().chain(arguments.iter().copied()).chain([
            &*self.image,
            "/sleep",
            "100000",
        ]));
        name
    }
}

impl Drop for Shellless<'_> {
    /// Removes it with its containers, which would keep it.
    fn drop(&mut self) {
        let filter = format!("ancestor={}", self.image);
        let containers = self.stage.try_docker(["ps", "-aq", "--filter", &filter]).unwrap_or_default();
        let _ = self.stage.try_docker(["rm", "-fv"].into_iter().chain(containers.lines()));
        let _ = self.stage.try_docker(["image", "rm", &self.image]);
    }
}

struct Case {
    name: &'static str,
    user: &'static str,
    command: &'static str,
    /// In the command lines of its processes.
    words: &'static str,
}

const CASES: &[Case] = &[
    Case { name: "plain", user: "root", command: "echo begun; exec sleep 1001", words: "sleep 1001" },
    Case {
        name: "children",
        user: "nobody",
        command: "echo begun; sleep 1002 & (sleep 1002; sleep 1002) & sleep 1002",
        words: "sleep 1002",
    },
    Case {
        name: "ignores",
        user: "root",
        command: "trap '' TERM; echo begun; sleep 1003 & sleep 1003; sleep 1003",
        words: "sleep 1003",
    },
    Case { name: "drops", user: "root", command: "echo begun; exec env -i sleep 1004", words: "sleep 1004" },
    Case {
        name: "drops-and-ignores",
        user: "nobody",
        command: "echo begun; exec env -i sh -c \"trap '' TERM; sleep 1005 & sleep 1005; sleep 1005\"",
        words: "sleep 1005",
    },
    Case {
        name: "daemonizes",
        user: "root",
        command: "echo begun; setsid sh -c '(sleep 1006 >/dev/null 2>&1 &)'; sleep 1006",
        words: "sleep 1006",
    },
    Case {
        name: "leaves",
        user: "root",
        command: "echo begun; env -i setsid sh -c \"trap '' TERM; sleep 1007; sleep 1007\" & sleep 1007",
        words: "sleep 1007",
    },
    Case {
        name: "changes-user",
        user: "root",
        command: "echo begun; exec su nobody -s /bin/sh -c 'exec env -i sleep 1008'",
        words: "sleep 1008",
    },
    Case {
        name: "becomes-root",
        user: "nobody",
        command: "echo begun; su root -c 'exec env -i sleep 1009' & sleep 1009",
        words: "sleep 1009",
    },
];

/// Everybody may become root in this container.
fn open(stage: &Stage, container: &str) {
    let open = "chmod u+s /bin/busybox && sed -i 's/^root:x:/root::/' /etc/passwd";
    stage.docker(["exec", container, "sh", "-c", open]);
}

/// Runs the cases, each in a container of its own, and checks that they are gone.
fn check(cases: &[&Case], arguments: &[&str]) {
    let stage = Stage::new();
    let mut jobs = Vec::new();
    for case in cases {
        let web = stage.worker(case.name).arguments(arguments).start();
        if case.name == "becomes-root" {
            open(&stage, &web);
        }
        let command =
            [("shell", "true"), ("container", &*web), ("user", case.user), ("command", case.command)];
        jobs.push(job("exec", &stage.name(&format!("{}-job", case.name)), &command));
    }
    let agent = blind_agent(&stage, &jobs);
    for case in cases {
        let ended = end_of(&stage, &agent, &stage.name(&format!("{}-job", case.name)));
        assert_gone(&stage, &ended, &stage.name(case.name), case.words);
        let told = image::told(&stage, &agent);
        let lines = told.iter().filter(|it| it["event"] == "run.output" && it["run"] == ended["run"]);
        // What ends last may say how others ended.
        let first = lines.map(|it| text(it, "line")).next();
        assert_eq!(first, Some("begun"), "output up to then is kept");
    }
}

#[test]
fn whatever_a_command_does_its_timeout_ends_it_by_the_shell_of_its_container() {
    // A few at a time: it is about the commands, and not about how many an Engine can begin at once.
    for cases in CASES.chunks(3) {
        check(&cases.iter().collect::<Vec<_>>(), &[]);
    }
}

#[test]
fn a_read_only_root_changes_nothing_where_there_is_a_shell() {
    let named = |it: &&Case| ["ignores", "drops", "leaves"].contains(&it.name);
    check(&CASES.iter().filter(named).collect::<Vec<_>>(), &["--read-only"]);
}

const SLEEP: [(&str, &str); 1] = [("command", "/sleep 1020")];

#[test]
fn without_a_shell_a_helper_ends_the_command_and_leaves_nothing() {
    let stage = Stage::new();
    let image = Shellless::new(&stage);
    let volume = stage.name("volume");
    stage.docker(["volume", "create", "--label", &stage.label(), &volume]);
    let mounted = format!("{volume}:/data");
    let plain = image.start("plain", &[]);
    let read_only = image.start("read-only", &["--read-only", "-v", &mounted]);
    let user = image.start("user", &["--user", "1000", "--cap-drop", "ALL"]);
    let names = [&plain, &read_only, &user].map(|it| format!("{it}-job"));
    let jobs: Vec<String> = [&plain, &read_only, &user]
        .iter()
        .zip(&names)
        .map(|(container, name)| job("exec", name, &[("container", container.as_str()), SLEEP[0]]))
        .collect();
    let agent = blind_agent(&stage, &jobs);
    for (container, name) in [&plain, &read_only, &user].into_iter().zip(&names) {
        let ended = end_of(&stage, &agent, name);
        assert_gone(&stage, &ended, container, "/sleep 1020");
    }
    let look = ["run", "--rm", "--network", "none", "--label", &stage.label(), "-v", &mounted, WORKER];
    assert_eq!(
        stage.docker(look.into_iter().chain(["ls", "-A", "/data"])),
        "",
        "nothing of ours is in the volume"
    );
}

#[test]
fn what_truly_cannot_be_ended_is_told_as_still_running_with_what_was_tried() {
    let stage = Stage::new();
    let image = Shellless::new(&stage);
    let container = image.start("web", &["--read-only", "--tmpfs", "/tmp"]);
    let name = stage.name("stuck");
    let agent = blind_agent(&stage, &[job("exec", &name, &[("container", &container), SLEEP[0]])]);
    let ended = end_of(&stage, &agent, &name);
    assert_eq!(text(&ended, "outcome"), "timed-out", "{ended}");
    let reason = text(&ended, "reason");
    for part in [
        "could not be ended and is still running",
        "by /bin/sh in the container: ",
        "by /bin/sh as root: ",
        "by a helper copied into the container: its root is read-only, and no volume is writable",
        "from outside the container: process ",
    ] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    assert!(stage.has_process(&container, "/sleep 1020"), "it is the truth");

    // Who sees the Engine's processes ends even this.
    let other = stage.name("seen");
    let parameters = [
        ("schedule", "@startup"),
        ("container", &*container),
        ("command", "/sleep 1021"),
        ("timeout", "2s"),
        ("grace-period", "2s"),
    ];
    let agent = stage.agent().file_job("exec", &other, &parameters).start();
    let ended = agent.wait_for_end(&other);
    assert_gone(&stage, &ended, &container, "/sleep 1021");
    assert!(stage.has_process(&container, "/sleep 1020"), "and nothing else");
}

#[test]
fn one_that_may_not_be_signalled_from_within_is_ended_from_outside() {
    let stage = Stage::new();
    // Root that may change its user, and may not signal others then.
    let arguments = ["--cap-drop", "ALL", "--cap-add", "SETUID", "--cap-add", "SETGID"];
    let web = stage.worker("web").arguments(&arguments).start();
    let command = "echo begun; exec su nobody -s /bin/sh -c 'exec env -i sleep 1030'";
    let parameters = [
        ("schedule", "@startup"),
        ("container", &*web),
        ("shell", "true"),
        ("command", command),
        ("timeout", "2s"),
        ("grace-period", "2s"),
    ];
    let jobs = [stage.name("outside"), stage.name("within")];
    let agent = stage.agent().file_job("exec", &jobs[0], &parameters).start();
    let ended = agent.wait_for_end(&jobs[0]);
    assert_gone(&stage, &ended, &web, "sleep 1030");

    let blind = blind_agent(&stage, &[job("exec", &jobs[1], &parameters[1..4])]);
    let ended = end_of(&stage, &blind, &jobs[1]);
    let reason = text(&ended, "reason");
    assert!(reason.contains("by /bin/sh as root: 1 process may not be signalled"), "{reason}");
    assert!(stage.has_process(&web, "sleep 1030"), "it is the truth");
}

#[test]
fn another_command_without_the_mark_is_never_taken_for_the_runs() {
    let stage = Stage::new();
    let web = stage.worker("web").start();
    let name = stage.name("job");
    let command = [("container", &*web), ("command", "env -i sleep 1040")];
    let agent = blind_agent(&stage, &[job("exec", &name, &command)]);
    image::wait_for(&stage, &agent, "it runs", |it| it["event"] == "run.started" && it["job"] == *name);
    stage.docker(["exec", "-d", &web, "sleep", "1041"]);
    let ended = end_of(&stage, &agent, &name);
    assert!(text(&ended, "reason").contains("none of its processes can be told from others"), "{ended}");
    assert!(stage.has_process(&web, "sleep 1040") && stage.has_process(&web, "sleep 1041"));
}

#[test]
fn the_container_of_a_run_is_gone_in_time_whatever_is_in_it() {
    let stage = Stage::new();
    let commands = [
        ("ignores", "trap '' TERM; echo begun; sleep 1050; sleep 1050"),
        (
            "children",
            "echo begun; sleep 1051 & setsid sleep 1051 & env -i sh -c 'trap \"\" TERM; sleep 1051; sleep 1051'",
        ),
    ];
    let mut agent = stage.agent();
    for (name, command) in commands {
        let parameters = [
            ("schedule", "@startup"),
            ("image", WORKER),
            ("network", "none"),
            ("shell", "true"),
            ("command", command),
            ("timeout", "2s"),
            ("grace-period", "2s"),
        ];
        agent = agent.file_job("run", &stage.name(name), &parameters);
    }
    let agent = agent.start();
    for (name, _) in commands {
        let ended = agent.wait_for_end(&stage.name(name));
        assert_eq!((text(&ended, "outcome"), text(&ended, "reason")), ("timed-out", ""), "{ended}");
        let took = ended["duration_seconds"].as_f64().expect("a number");
        assert!(took < LIMIT, "{name}: {took} s");
        assert_eq!(agent.lines(text(&ended, "run"), "stdout"), ["begun"], "output up to then is kept");
        let filter = format!("name=^/{}$", text(&ended, "container"));
        eventually("its container is removed", || {
            stage.docker(["ps", "-aq", "--filter", &filter]).is_empty()
        });
    }
}

#[test]
fn a_local_job_is_ended_with_what_left_its_process_group() {
    let stage = Stage::new();
    let name = stage.name("leaves");
    let command =
        "trap '' TERM; echo begun; setsid sh -c '(sleep 1060 &)'; setsid sleep 1060 & sleep 1060; sleep 1060";
    let parameters = [
        ("schedule", "@startup"),
        ("shell", "true"),
        ("command", command),
        ("timeout", "2s"),
        ("grace-period", "2s"),
    ];
    let agent = stage.agent().file_job("local", &name, &parameters).start();
    let started = agent.wait_for_event("run.started", &name);
    eventually("all of it runs", || processes_of(text(&started, "run")).len() >= 4);
    let ended = agent.wait_for_end(&name);
    assert_eq!((text(&ended, "outcome"), text(&ended, "reason")), ("timed-out", ""), "{ended}");
    let took = ended["duration_seconds"].as_f64().expect("a number");
    assert!(took < LIMIT, "{took} s");
    assert_eq!(processes_of(text(&ended, "run")), [""; 0]);
    assert_eq!(agent.lines(text(&ended, "run"), "stdout"), ["begun"], "output up to then is kept");
}
