//! An agent behind a proxy that lets through exactly what `watchbell doctor --grants` prints.

use std::{path::Path, process::Command};

use serde_json::Value;
use watchbell::docker::endpoints::{Allowed, ENDPOINTS};

use crate::support::{
    front::Front,
    live_engine::{AgentBuilder, Record, Stage, WORKER, manager, text},
};

/// What `doctor --grants` prints with these arguments: methods, each with the regular expression for the path.
fn printed(arguments: &[&str]) -> Vec<(String, String)> {
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_watchbell"));
    doctor.env_clear().args(["doctor", "--grants", "--output", "json"]).args(arguments);
    let output = doctor.output().expect("it can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let endpoints = answer["endpoints"].as_array().expect("a list");
    endpoints.iter().map(|it| (text(it, "method").to_owned(), text(it, "pattern").to_owned())).collect()
}

/// The list for a file, without those that `leave_out` has.
fn list(stage: &Stage, config: &str, leave_out: impl Fn(&str, &str) -> bool) -> Vec<(String, String)> {
    let file = stage.dir().join("jobs.ini");
    std::fs::write(&file, config).expect("a file");
    let mut all = printed(&["--config", file.to_str().expect("text")]);
    all.retain(|(method, pattern)| !leave_out(method, pattern));
    all
}

/// Nothing of what jobs need. An agent without jobs of services asks an Engine that manages a Swarm for services, and
/// does without where it may not.
fn nothing_was_denied(stage: &Stage, front: &Front) {
    let denied = front.denied();
    let of_jobs: Vec<&String> = denied.iter().filter(|it| *it != "GET /services").collect();
    assert_eq!(of_jobs, [""; 0]);
    let manages = || stage.docker(["info", "--format", "{{.Swarm.ControlAvailable}}"]) == "true";
    assert!(denied.is_empty() || manages(), "{denied:?}");
}

const CONFIG: &str = "[job-defaults]\nenabled = false\n";

/// A job that runs once, at the start of the agent.
fn once(kind: &str, job: &str, rest: &str) -> String {
    format!("[job-{kind} \"{job}\"]\nschedule = @triggered\nrun-on-startup = true\n{rest}\n")
}

#[test]
fn behind_a_proxy_with_exactly_the_list_of_doctor_all_jobs_work_and_nothing_else_is_asked() {
    let stage = Stage::new();
    let web = stage.worker("web").start();
    let (front_net, back_net) = (stage.network("front"), stage.network("back"));
    let [quick, slow, copy, stuck] = ["quick", "slow", "copy", "stuck"].map(|it| stage.name(it));
    let config = format!(
        "{CONFIG}\
         [job-exec \"{quick}\"]\nschedule = @every 1s\ncontainer = {web}\ncommand = echo through\n\
         [job-exec \"{slow}\"]\nschedule = @every 1s\ncontainer = {web}\ncommand = sleep 1050\ntimeout = 1s\n\
         grace-period = 1s\n\
         [job-run \"{copy}\"]\nschedule = @every 1s\nimage = {WORKER}\ncommand = echo through\n\
         network = {front_net}\nnetwork = {back_net}\n\
         [job-run \"{stuck}\"]\nschedule = @every 1s\nimage = {WORKER}\nnetwork = none\ncommand = sleep 1051\n\
         timeout = 1s\ngrace-period = 1s\n"
    );
    let allowed = list(&stage, &config, |_, _| false);
    let socket = stage.dir().join("proxy.sock");
    let front = Front::filter(&socket, allowed.clone(), stage.socket());

    let host = format!("unix://{}", socket.display());
    let jobs = [&quick, &slow, &copy, &stuck];
    let agent = stage.agent().config(&config).host(&host).jobs(jobs).start();
    for (job, outcome) in
        [(&quick, "succeeded"), (&copy, "succeeded"), (&slow, "timed-out"), (&stuck, "timed-out")]
    {
        let ended = agent.wait_for_end(job);
        assert_eq!((text(&ended, "outcome"), text(&ended, "reason")), (outcome, ""), "{ended}");
        if outcome == "succeeded" {
            assert_eq!(agent.lines(text(&ended, "run"), "stdout"), ["through"]);
        }
    }
    assert_eq!(printed(&["--state-dir", agent.state_dir()]), allowed, "the running agent says the same");
    // What it leaves is taken up through the same proxy.
    agent.signal(nix::sys::signal::Signal::SIGKILL);
    agent.wait_for_exit();
    let next = stage.agent().config(&config).host(&host).jobs(jobs).after(&agent).start();
    for job in jobs {
        next.wait_for_end(job);
    }
    nothing_was_denied(&stage, &front);
}

#[test]
fn what_a_proxy_denies_is_told_by_its_name_with_the_mend() {
    let stage = Stage::new();
    let web = stage.worker("web").start();
    let job = stage.name("tick");
    let few = ENDPOINTS.iter().filter(|it| it.path != "/containers/{id}/exec");
    let few = few.map(|it| {
        let one = Allowed { method: it.method, path: it.path, uses: Vec::new() };
        (one.method, one.pattern())
    });
    let socket = stage.dir().join("proxy.sock");
    let front = Front::filter(&socket, few, stage.socket());
    let agent = stage
        .agent()
        .file_job("exec", &job, &[("schedule", "@every 1s"), ("container", &web), ("command", "true")])
        .host(&format!("unix://{}", socket.display()))
        .start();
    let ended = agent.wait_for_end(&job);
    assert_eq!(text(&ended, "outcome"), "not-started", "{ended}");
    let reason = text(&ended, "reason");
    let words = "a proxy before the Engine denies POST /containers/{id}/exec: let it through there";
    assert!(reason.contains(words) && reason.contains("doctor --grants"), "{reason}");
    assert!(front.denied().iter().all(|it| it.ends_with("/exec")), "{:?}", front.denied());
}

/// What a failing test leaves on a Swarm goes with it.
struct OnSwarm(Stage);

impl Drop for OnSwarm {
    fn drop(&mut self) {
        for what in ["service", "secret", "config"] {
            let filter = format!("name={}", self.0.name(""));
            let runs = format!("name=watchbell-{}", self.0.name(""));
            for filter in [filter, runs] {
                let left = self.0.try_docker([what, "ls", "-q", "--filter", &filter]).unwrap_or_default();
                for id in left.lines() {
                    let _ = self.0.try_docker([what, "rm", id]);
                }
            }
        }
    }
}

impl OnSwarm {
    /// A service whose tasks do this.
    fn service(&self, part: &str, options: &[&str], command: &str) -> String {
        let name = self.0.name(part);
        let first = ["service", "create", "-d", "--no-resolve-image", "--name", &name];
        self.0.docker([&first[..], options, &[WORKER, "sh", "-c", command]].concat());
        name
    }

    fn value(&self, what: &str) -> String {
        let (name, file) = (self.0.name(what), self.0.dir().join(what));
        std::fs::write(&file, "value").expect("a file");
        self.0.docker([what, "create", &name, file.to_str().expect("text")]);
        name
    }
}

#[test]
fn behind_such_a_proxy_jobs_on_services_on_containers_and_like_them_work_too() {
    let swarm = OnSwarm(Stage::at(manager()));
    let stage = &swarm.0;
    let soon = ["--stop-timeout", "1"];
    let web = stage.worker("web").start();
    let (app, other) =
        (stage.worker("app").arguments(&soon).start(), stage.worker("other").arguments(&soon).start());
    let again = swarm.service("again", &["--replicas", "0", "--restart-condition", "none"], "echo through");
    let wide = swarm.service("wide", &[], "trap 'exit 0' TERM; while :; do sleep 0.1; done");
    let values = format!("secret = {}\nconfig = {}", swarm.value("secret"), swarm.value("config"));
    let soon = "timeout = 1s\ngrace-period = 1s";
    let jobs = [
        ("service-run", "once", format!("image = {WORKER}\ncommand = echo through\n{values}")),
        ("service-run", "slow", format!("image = {WORKER}\ncommand = sleep 1052\n{soon}")),
        ("service-run", "act", format!("service = {again}\naction = run")),
        ("service-run", "scale", format!("service = {wide}\naction = scale\nreplicas = 2")),
        ("container", "restart", format!("container = {other}\naction = restart")),
        ("exec", "halt", format!("container = {web}\ncommand = echo through\nstop-during = {app}")),
        ("run", "copy", format!("like = {web}\ncommand = echo through")),
    ];
    let sections = jobs.iter().map(|(kind, job, rest)| once(kind, &stage.name(job), rest));
    let config: String = [CONFIG.to_owned()].into_iter().chain(sections).collect();
    let socket = stage.dir().join("proxy.sock");
    let front = Front::filter(&socket, list(stage, &config, |_, _| false), stage.socket());
    let names = jobs.iter().map(|(_, job, _)| stage.name(job));
    let agent =
        stage.agent().config(&config).host(&format!("unix://{}", socket.display())).jobs(names).start();
    for (_, job, _) in &jobs {
        let ended = agent.wait_for_end(&stage.name(job));
        let outcome = if *job == "slow" { "timed-out" } else { "succeeded" };
        assert_eq!(text(&ended, "outcome"), outcome, "{ended}");
        if ["once", "act", "halt", "copy"].contains(job) {
            assert_eq!(agent.lines(text(&ended, "run"), "stdout"), ["through"], "{ended}");
        }
    }
    agent.wait_for("it was started again", |it| {
        it["event"] == "container.restored" && it["container"] == *app
    });
    agent.terminate();
    agent.wait_for_exit();
    let about = |it: &Record| ["run.leftover", "run.output_missing"].contains(&text(it, "event"));
    assert_eq!(agent.records(about), Vec::<Record>::new());
    assert_eq!(front.denied(), [""; 0]);
}

/// A project with what projects have, and with a service `odd` whose image nobody has.
fn shop(stage: &Stage) -> (String, String) {
    let outer = stage.network("outer");
    let label = stage.label().replacen('=', ": ", 1);
    let service = |image: &str, rest: &str| {
        format!("\n    image: {image}\n    labels: {{ {label} }}\n    stop_grace_period: 1s\n{rest}")
    };
    let text = format!(
        "version: '3.7'\nservices:\n  web:{}  db:{}  odd:{}\
         networks:\n  inner: {{ labels: {{ {label} }} }}\n  outer: {{ external: true, name: {outer} }}\n\
         volumes:\n  data: {{ labels: {{ {label} }} }}\n\
         secrets:\n  pass: {{ file: ./pass }}\n",
        service(
            WORKER,
            "    depends_on: [db]\n    networks: [inner, outer]\n    volumes: ['data:/data']\n    secrets: [pass]\n"
        ),
        service(WORKER, "    networks: [inner]\n"),
        service("127.0.0.1:9/watchbell/none:1", "    network_mode: none\n"),
    );
    let folder = stage.dir().join("shop");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("pass"), "hidden").expect("a file");
    let file = folder.join("compose.yaml");
    std::fs::write(&file, text).expect("a file");
    (file.to_str().expect("text").to_owned(), stage.name("shop").to_ascii_lowercase())
}

/// The agent, which finds the Compose that the tests have.
fn with_compose<'a>(agent: AgentBuilder<'a>, socket: &Path) -> AgentBuilder<'a> {
    let agent = agent.host(&format!("unix://{}", socket.display()));
    match std::env::var_os("DOCKER_CONFIG") {
        Some(folder) => agent.variable("DOCKER_CONFIG", folder.to_string_lossy()),
        None => agent,
    }
}

/// Each action alone, behind what is printed for it and no more: the Compose that is there asks nothing else.
#[test]
fn behind_such_a_proxy_each_action_of_compose_works_and_asks_nothing_else() {
    let stage = Stage::new();
    let (file, project) = shop(&stage);
    let by_file = format!("file = {file}\nproject = {project}\n");
    let web = format!("{by_file}service = web\n");
    let (echo, sleep) =
        ("command = echo through\n", "command = sleep 1053\ntimeout = 8s\ngrace-period = 1s\n");
    for (job, action, rest) in [
        // Before the service itself runs: with docker-compose, Podman would not have it twice in a network.
        ("run", "run", format!("{web}{echo}")),
        ("slow", "run", format!("{web}{sleep}")),
        ("up", "up", web.clone()),
        ("again", "up", web.clone()),
        ("exec", "exec", format!("{web}{echo}")),
        ("stuck", "exec", format!("{web}{sleep}")),
        ("restart", "restart", by_file.clone()),
        ("stop", "stop", format!("project = {project}\n")),
        ("start", "start", format!("project = {project}\nservice = web\n")),
        ("missing", "run", format!("{by_file}service = odd\n{echo}")),
        ("pull", "pull", format!("{by_file}service = odd\n")),
        ("down", "down", by_file.clone()),
    ] {
        let name = stage.name(job);
        let config = format!("{CONFIG}{}", once("compose", &name, &format!("action = {action}\n{rest}")));
        let socket = stage.dir().join(format!("{job}.sock"));
        let front = Front::filter(&socket, list(&stage, &config, |_, _| false), stage.socket());
        let agent = with_compose(stage.agent().config(&config).jobs([&name]), &socket).start();
        let ended = agent.wait_for_end(&name);
        let run = text(&ended, "run");
        let told = ["stdout", "stderr"].map(|it| agent.lines(run, it));
        match job {
            "slow" | "stuck" => assert_eq!(text(&ended, "outcome"), "timed-out", "{ended} {told:?}"),
            // Nobody has that image; to ask for it was allowed.
            "missing" | "pull" => {}
            _ => assert_eq!(text(&ended, "outcome"), "succeeded", "{ended} {told:?}"),
        }
        if rest.ends_with(echo) && job != "missing" {
            assert_eq!(told[0], ["through"], "{job}: {told:?}");
        }
        agent.terminate();
        agent.wait_for_exit();
        assert_eq!(agent.records(|it| it["event"] == "run.leftover"), Vec::<Record>::new());
        nothing_was_denied(&stage, &front);
    }
}

#[test]
fn what_a_proxy_denies_to_compose_compose_says_in_the_output_of_the_run() {
    let stage = Stage::new();
    let (file, project) = shop(&stage);
    let up = stage.name("up");
    let rest = format!("action = up\nfile = {file}\nproject = {project}\nservice = db");
    let config = format!("{CONFIG}{}", once("compose", &up, &rest));
    let few =
        list(&stage, &config, |method, pattern| method == "POST" && pattern.ends_with("/containers/create"));
    let socket = stage.dir().join("proxy.sock");
    let front = Front::filter(&socket, few, stage.socket());
    let agent = with_compose(stage.agent().config(&config).jobs([&up]), &socket).start();
    let ended = agent.wait_for_end(&up);
    assert_eq!(text(&ended, "outcome"), "failed", "{ended}");
    let told = ["stdout", "stderr"].map(|it| agent.lines(text(&ended, "run"), it).join("\n")).concat();
    assert!(told.contains("Forbidden"), "{told}");
    let denied = front.denied();
    let asked = |it: &String| it.starts_with("POST /v1.") && it.ends_with("/containers/create");
    assert!(denied.iter().any(asked), "{denied:?}");
}
