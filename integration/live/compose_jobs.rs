//! Jobs of kind `compose` with the Compose that is there, docker-compose 1.29 or the plugin, on a real project.

use std::path::Path;

use nix::sys::signal::Signal;

use super::local::processes_of;
use crate::support::live_engine::{Agent, AgentBuilder, Record, Stage, eventually, text};

/// A project of one stage.
struct Project {
    stage: Stage,
    name: String,
    file: String,
}

impl Project {
    /// One service `web` that waits, and one `odd` whose image nobody has.
    fn new() -> Self {
        let stage = Stage::new();
        let name = stage.name("shop").to_ascii_lowercase();
        let (key, value) = stage.label().split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let service = |image: &str| {
            format!(
                "\n    image: {image}\n    network_mode: none\n    labels: {{ {key}: '{value}' }}\n    stop_grace_period: 1s\n"
            )
        };
        let text = format!(
            "version: '3.7'\nservices:\n  web:{}  odd:{}",
            service("${IMAGE:-watchbell-worker:local}"),
            service("127.0.0.1:9/watchbell-none:1")
        );
        let directory = stage.dir().join("shop");
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("compose.yaml");
        std::fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap().to_owned();
        Self { stage, name, file }
    }

    fn agent(&self) -> AgentBuilder<'_> {
        let agent = self.stage.agent();
        // Where a plugin of docker is installed for one user only.
        match std::env::var_os("DOCKER_CONFIG") {
            Some(folder) => agent.variable("DOCKER_CONFIG", folder.to_string_lossy()),
            None => agent,
        }
    }

    /// Parameters of a job on the project by its file.
    fn job<'a>(&'a self, action: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let given = [("schedule", "@triggered"), ("run-on-startup", "true"), ("action", action)];
        let project = [("file", &*self.file), ("project", &*self.name)];
        let project = project.into_iter().filter(|(name, _)| more.iter().all(|it| it.0 != *name));
        given.into_iter().chain(project).chain(more.iter().copied()).collect()
    }

    /// Runs a job once; how it ended, with the agent, which has ended.
    fn once(&self, job: &str, parameters: &[(&str, &str)]) -> (Record, Agent) {
        let job = self.stage.name(job);
        let agent = self.agent().file_job("compose", &job, parameters).start();
        let ended = agent.wait_for_end(&job);
        agent.terminate();
        agent.wait_for_exit();
        assert_eq!(agent.records(|it| it["event"] == "run.leftover"), Vec::<Record>::new());
        (ended, agent)
    }

    /// Brings the service `web` up as a person would; the answer is its container.
    fn up(&self) -> String {
        let (ended, agent) = self.once("up", &self.job("up", &[("service", "web")]));
        let said = agent.lines(text(&ended, "run"), "stderr");
        assert_eq!(text(&ended, "outcome"), "succeeded", "{ended}: {said:?}");
        let containers = self.containers("web", &["--filter", "status=running"]);
        assert_eq!(containers.len(), 1, "{containers:?}");
        containers.into_iter().next().unwrap()
    }

    /// The names of the containers of a service.
    fn containers(&self, service: &str, more: &[&str]) -> Vec<String> {
        let [project, service] = [
            format!("label=com.docker.compose.project={}", self.name),
            format!("label=com.docker.compose.service={service}"),
        ];
        let arguments = ["ps", "-a", "--format", "{{.Names}}", "--filter", &project, "--filter", &service];
        let listed = self.stage.docker(arguments.into_iter().chain(more.iter().copied()));
        listed.lines().map(str::to_owned).collect()
    }

    /// What runs of this stage left.
    fn nothing_of_runs_is_left(&self) {
        let filter = format!("name=watchbell-{}", self.stage.name(""));
        eventually("no container of a run is left", || {
            self.stage.docker(["ps", "-aq", "--filter", &filter]).is_empty()
        });
    }
}

#[test]
fn a_command_in_a_new_container_of_a_service_passes_its_output_and_its_code_and_is_gone() {
    let project = Project::new();
    let command = "echo $$GREETING $$PATHS $$(id -u) $$(pwd) from $$PATH; echo oops >&2; echo last; exit 5";
    let more = [
        ("service", "web"),
        ("command", command),
        ("shell", "true"),
        ("environment", "[\"GREETING=hello; # world\", \"PATHS=a=b\", \"PATH=/bin:/x\"]"),
        ("user", "nobody"),
        ("workdir", "/tmp"),
    ];
    let (ended, agent) = project.once("report", &project.job("run", &more));
    assert_eq!((text(&ended, "outcome"), &ended["exit_code"]), ("failed", &5.into()), "{ended}");
    let run = text(&ended, "run");
    assert_eq!(agent.lines(run, "stdout"), ["hello; # world a=b 65534 /tmp from /bin:/x", "last"]);
    let said = agent.lines(run, "stderr");
    assert_eq!(said.last().map(String::as_str), Some("oops"), "{said:?}");
    assert!(said.iter().all(|line| !line.contains('\u{1b}')), "nothing is coloured or drawn: {said:?}");
    assert!(text(&ended, "container").starts_with(&format!("watchbell-{}-", text(&ended, "job"))), "{ended}");
    project.nothing_of_runs_is_left();
}

#[test]
fn a_command_in_a_service_passes_its_output_and_its_code() {
    let project = Project::new();
    let web = project.up();
    let more = [
        ("service", "web"),
        ("command", "echo $$TOKEN $$(id -u) $$(pwd) $$(hostname); echo oops >&2; exit 3"),
        ("shell", "true"),
        ("environment", "TOKEN=a b"),
        ("user", "65534"),
        ("workdir", "/tmp"),
    ];
    let (ended, agent) = project.once("sync", &project.job("exec", &more));
    let run = text(&ended, "run");
    let told = (agent.lines(run, "stdout"), agent.lines(run, "stderr"));
    assert_eq!((text(&ended, "outcome"), &ended["exit_code"]), ("failed", &3.into()), "{ended} {told:?}");
    let host = project.stage.inspect(&web, "{{.Config.Hostname}}");
    assert_eq!(told.0, [format!("a b 65534 /tmp {host}")]);
    assert_eq!(told.1, ["oops"]);
}

/// By its name alone: the containers say where its files are.
#[test]
fn a_project_is_started_restarted_stopped_and_taken_down_by_its_name() {
    let project = Project::new();
    let web = project.up();
    let state = |template: &str| project.stage.inspect(&web, template);
    let by_name = |action| {
        let parameters = [
            ("schedule", "@triggered"),
            ("run-on-startup", "true"),
            ("action", action),
            ("project", &*project.name),
        ];
        let more: &[(&str, &str)] = if action == "down" { &[] } else { &[("service", "web")] };
        let all: Vec<(&str, &str)> = parameters.into_iter().chain(more.iter().copied()).collect();
        let (ended, agent) = project.once(action, &all);
        let said = agent.lines(text(&ended, "run"), "stderr");
        assert_eq!(text(&ended, "outcome"), "succeeded", "{action}: {ended} {said:?}");
    };
    let started = state("{{.State.StartedAt}}");
    by_name("restart");
    assert_ne!(state("{{.State.StartedAt}}"), started);
    by_name("stop");
    assert_eq!(state("{{.State.Running}}"), "false");
    by_name("start");
    assert_eq!(state("{{.State.Running}}"), "true");
    by_name("down");
    assert_eq!(project.containers("web", &[]), [""; 0]);
}

#[test]
fn what_cannot_be_done_says_why_and_leaves_nothing() {
    let project = Project::new();
    let outcome = |job: &str, parameters: &[(&str, &str)], outcome: &str, reason: &str, said: &str| {
        let (ended, agent) = project.once(job, parameters);
        // Where there is no such container, docker-compose says so on the other stream.
        let lines = ["stdout", "stderr"].map(|it| agent.lines(text(&ended, "run"), it).join("\n")).join("\n");
        assert_eq!(text(&ended, "outcome"), outcome, "{ended} {lines}");
        assert!(text(&ended, "reason").contains(reason), "{ended} {lines}");
        assert!(lines.to_lowercase().contains(said), "{ended} {lines}");
    };
    let pull = project.job("pull", &[("service", "odd")]);
    outcome("pull", &pull, "failed", "", "127.0.0.1:9");
    let odd = project.job("run", &[("service", "odd"), ("command", "true")]);
    outcome("image", &odd, "not-started", "made no container: its output says why", "127.0.0.1:9");
    let unknown = project.job("run", &[("service", "wbe"), ("command", "true")]);
    outcome("service", &unknown, "not-started", "ended with exit code 1 and made no container", "wbe");
    let program = project.job("run", &[("service", "web"), ("command", "no-such-program")]);
    outcome("program", &program, "not-started", "before the container was started", "no-such-program");
    let stopped = project.job("exec", &[("service", "web"), ("command", "true")]);
    outcome("stopped", &stopped, "failed", "no container of the service web is running", "");
    let missing = project.job("up", &[("file", "/no/such/compose.yaml")]);
    outcome("missing", &missing, "not-started", "the compose file /no/such/compose.yaml cannot be read", "");
    let nobody =
        [("schedule", "@triggered"), ("run-on-startup", "true"), ("action", "stop"), ("project", "nobodys")];
    outcome("nobody", &nobody, "not-started", "there is no container of the project nobodys", "");
    std::fs::write(&project.file, "services: [").unwrap();
    let broken = project.job("up", &[]);
    outcome("broken", &broken, "failed", "", "yaml");
    project.nothing_of_runs_is_left();
}

/// Mistake 24.
#[test]
fn a_timeout_ends_the_new_container_of_a_service() {
    let project = Project::new();
    let more = [
        ("service", "web"),
        ("command", "trap '' TERM; echo begun; sleep 61 & sleep 61; sleep 61"),
        ("shell", "true"),
        ("timeout", "12s"),
        ("grace-period", "500ms"),
    ];
    let (ended, agent) = project.once("stubborn", &project.job("run", &more));
    assert_eq!((text(&ended, "outcome"), text(&ended, "reason")), ("timed-out", ""), "{ended}");
    assert_eq!(agent.lines(text(&ended, "run"), "stdout"), ["begun"]);
    project.nothing_of_runs_is_left();
}

/// Mistake 24: that Compose has gone does not mean that what it started has.
#[test]
fn a_timeout_ends_a_command_in_a_service_with_everything_that_it_began() {
    let project = Project::new();
    let web = project.up();
    let more = [
        ("service", "web"),
        ("command", "trap '' TERM; echo begun; (sleep 62; sleep 62) & sleep 62; sleep 62"),
        ("shell", "true"),
        ("timeout", "12s"),
        ("grace-period", "500ms"),
    ];
    let (ended, agent) = project.once("stubborn", &project.job("exec", &more));
    let run = text(&ended, "run");
    assert_eq!((text(&ended, "outcome"), text(&ended, "reason")), ("timed-out", ""), "{ended}");
    assert_eq!(agent.lines(run, "stdout"), ["begun"]);
    assert!(!project.stage.has_process(&web, "sleep 62"), "it ended with the run");
    assert_eq!(processes_of(run), [""; 0]);
    assert_eq!(project.stage.inspect(&web, "{{.State.Running}}"), "true");
}

/// A command that does as it is asked may say goodbye.
#[test]
fn a_command_in_a_service_is_asked_to_stop_before_it_is_killed() {
    let project = Project::new();
    project.up();
    let more = [
        ("service", "web"),
        ("command", "trap 'echo bye; exit 0' TERM; echo begun; while :; do sleep 0.1; done"),
        ("shell", "true"),
        ("timeout", "12s"),
        ("grace-period", "20s"),
    ];
    let (ended, agent) = project.once("polite", &project.job("exec", &more));
    assert_eq!(text(&ended, "outcome"), "timed-out", "{ended}");
    assert_eq!(agent.lines(text(&ended, "run"), "stdout"), ["begun", "bye"]);
}

/// Mistake 34.
#[test]
fn runs_of_one_job_that_overlap_have_a_container_each() {
    let project = Project::new();
    let job = project.stage.name("twice");
    let parameters = [
        ("schedule", "@every 1s"),
        ("action", "run"),
        ("file", &*project.file),
        ("project", &*project.name),
        ("service", "web"),
        ("command", "sleep 4; hostname"),
        ("shell", "true"),
        ("overlap", "allow"),
    ];
    let agent = project.agent().file_job("compose", &job, &parameters).start();
    let ended =
        |nth| agent.wait_for_nth("an end", nth, |it| it["event"] == "run.finished" && it["job"] == *job);
    for nth in 1..=2 {
        let ended = ended(nth);
        assert_eq!(text(&ended, "outcome"), "succeeded", "{ended}");
        assert_eq!(agent.lines(text(&ended, "run"), "stdout").len(), 1, "{ended}");
    }
    agent.terminate();
    agent.wait_for_exit();
    let filter = format!("name=watchbell-{job}");
    for left in project.stage.docker(["ps", "-aq", "--filter", &filter]).lines() {
        // Those that were going on as the agent ended wait for the next one.
        project.stage.docker(["rm", "-f", left]);
    }
}

/// Lets an agent begin a run, and kills that agent.
fn killed(project: &Project, job: &str, parameters: &[(&str, &str)]) -> (Agent, String) {
    let first = project.agent().file_job("compose", job, parameters).start();
    let begun = first.wait_for("its first line", |it| it["event"] == "run.output" && it["line"] == "line 1");
    let run = text(&begun, "run").to_owned();
    first.signal(Signal::SIGKILL);
    first.wait_for_exit();
    (first, run)
}

const COUNT: &str = "i=0; while [ $$i -lt 12 ]; do i=$$((i+1)); echo line $$i; sleep 0.5; done";

#[test]
fn a_new_container_of_a_service_is_followed_by_the_next_agent() {
    let project = Project::new();
    let job = project.stage.name("count");
    let more = [("service", "web"), ("command", COUNT), ("shell", "true")];
    let parameters = project.job("run", &more);
    let (first, run) = killed(&project, &job, &parameters);
    let later: Vec<_> = parameters.iter().copied().filter(|it| it.0 != "run-on-startup").collect();
    let second = project.agent().file_job("compose", &job, &later).after(&first).start();
    let adopted = second.wait_for_event("run.adopted", &job);
    assert_eq!(text(&adopted, "run"), run, "{adopted}");
    let ended = second.wait_for_end(&job);
    assert_eq!((text(&ended, "outcome"), text(&ended, "run")), ("succeeded", &*run), "{ended}");
    let told: Vec<String> = [&first, &second].iter().flat_map(|it| it.lines(&run, "stdout")).collect();
    assert!((1..=12).all(|n| told.contains(&format!("line {n}"))), "{told:?}");
    second.terminate();
    second.wait_for_exit();
    project.nothing_of_runs_is_left();
}

#[test]
fn a_command_in_a_service_is_lost_with_its_agent_and_goes_on_nowhere() {
    let project = Project::new();
    let web = project.up();
    let job = project.stage.name("count");
    let command = COUNT.replace("-lt 12", "-lt 120");
    let more = [("service", "web"), ("command", &*command), ("shell", "true")];
    let parameters = project.job("exec", &more);
    let (first, run) = killed(&project, &job, &parameters);
    // Compose has nobody to print to any more.
    eventually("Compose has gone", || {
        let commands = processes_of(&run).into_iter().filter_map(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            Some(String::from_utf8_lossy(&line).into_owned())
        });
        commands.into_iter().all(|line| !line.contains("exec"))
    });
    let later: Vec<_> = parameters.iter().copied().filter(|it| it.0 != "run-on-startup").collect();
    let second = project.agent().file_job("compose", &job, &later).after(&first).start();
    let lost = second.wait_for("its end", |it| it["event"] == "run.lost" && it["run"] == *run);
    assert!(text(&lost, "reason").contains("went on and was ended"), "{lost}");
    eventually("nothing of it goes on", || !project.stage.has_process(&web, "line"));
    second.terminate();
    second.wait_for_exit();
}

#[test]
fn without_compose_it_is_said_at_load_and_every_run_says_so_until_it_is_there() {
    let project = Project::new();
    let job = project.stage.name("tick");
    let programs = project.stage.dir().join("programs");
    std::fs::create_dir_all(&programs).unwrap();
    let parameters = [
        ("schedule", "@every 2s"),
        ("action", "stop"),
        ("file", &*project.file),
        ("project", &*project.name),
    ];
    let agent = project
        .stage
        .agent()
        .variable("PATH", programs.to_string_lossy())
        .file_job("compose", &job, &parameters)
        .start();
    let told = agent.wait_for("the mistake", |it| {
        it["job"] == *job && text(it, "reason").contains("there is no Compose beside the agent")
    });
    assert!(text(&told, "reason").contains("docker-compose"), "{told}");
    let ended = agent.wait_for_end(&job);
    assert_eq!(text(&ended, "outcome"), "not-started", "{ended}");
    assert!(text(&ended, "reason").contains("install"), "{ended}");
    let script = programs.join("docker-compose");
    std::fs::write(&script, "#!/bin/sh\necho done by $DOCKER_HOST\n").unwrap();
    executable(&script);
    let ended =
        agent.wait_for("a run succeeds", |it| it["event"] == "run.finished" && it["outcome"] == "succeeded");
    assert_eq!(agent.lines(text(&ended, "run"), "stdout"), [format!("done by {}", project.stage.host())]);
    agent.wait_for("the mistake is gone", |it| it["event"] == "config.reloaded");
    agent.terminate();
    agent.wait_for_exit();
}

fn executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
