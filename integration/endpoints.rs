//! Which of the Engine's endpoints are asked, and by what: the table of `labels-spec.md`, and the proof that the agent
//! asks these and no others. Whoever puts a proxy before the Engine relies on it.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    process::{Command, Stdio},
};

use crate::support::{
    docs,
    fake_engine::{ContainerSpec, ExecBehaviour, FakeEngine, RunBehaviour, TaskBehaviour},
    test_agent::{self, Setup, TestAgent, program, signalled, with_job, without_shell},
};

/// What asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Agent,
    Exec,
    /// Commands in containers without a shell, when they are ended; a proxy may refuse it.
    Helper,
    Run,
    Service,
    Action,
    Halt,
    /// The next agent, of what the last one left.
    Left,
}

/// Each endpoint, without the version that a path may begin with, and what it is for.
const ENDPOINTS: [(By, &str, &str, &str); 43] = [
    (By::Agent, "GET", "/info", "who the Engine is, and its clock"),
    (By::Agent, "GET", "/version", "who the Engine is, where a proxy refuses `/info`"),
    (By::Agent, "GET", "/containers/json", "the containers and their labels"),
    (By::Agent, "GET", "/events", "hints that the list has changed"),
    (By::Exec, "GET", "/exec/{id}/json", "how the command ended"),
    (By::Exec, "POST", "/containers/{id}/exec", "the command; a second one ends it at its timeout"),
    (By::Exec, "POST", "/exec/{id}/start", "its start and its output"),
    (
        By::Helper,
        "GET",
        "/containers/{id}/json",
        "where a helper can be copied to that ends it at its timeout",
    ),
    (By::Helper, "PUT", "/containers/{id}/archive", "that helper"),
    (By::Run, "POST", "/containers/create", "the container"),
    (By::Run, "POST", "/networks/{id}/connect", "each network after the first"),
    (By::Run, "POST", "/containers/{id}/attach", "its output"),
    (By::Run, "POST", "/containers/{id}/start", "its start"),
    (By::Run, "POST", "/containers/{id}/wait", "how it ended"),
    (By::Run, "POST", "/containers/{id}/stop", "its end at the timeout"),
    (By::Run, "POST", "/containers/{id}/kill", "its end where it does not listen"),
    (By::Run, "DELETE", "/containers/{id}", "its removal"),
    (By::Service, "POST", "/services/create", "the service"),
    (By::Service, "GET", "/secrets", "the IDs of its secrets"),
    (By::Service, "GET", "/configs", "the IDs of its configs"),
    (By::Service, "GET", "/tasks", "where its tasks stand"),
    (By::Service, "GET", "/services/{id}/logs", "their output as it comes"),
    (By::Service, "GET", "/tasks/{id}/logs", "the rest of their output when they have ended"),
    (By::Service, "GET", "/services/{id}", "its version, without which it cannot be changed"),
    (
        By::Service,
        "POST",
        "/services/{id}/update",
        "the end of its tasks, at the timeout and before its removal",
    ),
    (By::Service, "POST", "/containers/{id}/kill", "the end of those on this node that do not listen"),
    (By::Service, "DELETE", "/services/{id}", "its removal"),
    (By::Service, "DELETE", "/containers/{id}", "the containers that the Engine leaves of it on this node"),
    (By::Action, "GET", "/containers/{id}/json", "how the container is before and after"),
    (By::Action, "GET", "/version", "whether it can be stopped with a `signal`"),
    (By::Action, "POST", "/containers/{id}/start", "`action=start`"),
    (By::Action, "POST", "/containers/{id}/stop", "`action=stop`"),
    (By::Action, "POST", "/containers/{id}/restart", "`action=restart`"),
    (By::Action, "POST", "/containers/{id}/pause", "`action=pause`"),
    (By::Action, "POST", "/containers/{id}/unpause", "`action=unpause`"),
    (By::Action, "POST", "/containers/{id}/kill", "`action=kill`"),
    (By::Halt, "GET", "/containers/{id}/json", "whether what is to be stopped or started runs"),
    (By::Halt, "POST", "/containers/{id}/stop", "its stop before the run"),
    (By::Halt, "POST", "/containers/{id}/start", "its start after the run"),
    (By::Left, "GET", "/containers/{id}/json", "how the container of a run that the last agent began does"),
    (By::Left, "GET", "/containers/{id}/logs", "what it printed and prints"),
    (By::Left, "GET", "/containers/{id}/top", "whether a command whose connection was cut goes on"),
    (By::Left, "GET", "/services", "services that nobody waits for, where the Engine manages a Swarm"),
];

/// Method and path of what an agent with jobs of kind `exec` needs.
pub fn of_exec() -> impl Iterator<Item = (&'static str, &'static str)> {
    let needed = |by: By| matches!(by, By::Agent | By::Exec);
    ENDPOINTS.into_iter().filter(move |(by, ..)| needed(*by)).map(|(_, method, path, _)| (method, path))
}

/// The table of the documentation.
pub fn table() -> String {
    docs::table(
        &["endpoint", "asked by", "for"],
        ENDPOINTS.map(|(by, method, path, what)| {
            let by = match by {
                By::Agent => "every agent",
                By::Exec => "jobs of kind `exec`",
                By::Helper => "jobs of kind `exec` without `/bin/sh`",
                By::Run => "jobs of kind `run`",
                By::Service => "jobs of kind `service-run`",
                By::Action => "jobs of kind `container`",
                By::Halt => "jobs with `stop-during`",
                By::Left => "an agent that follows another one",
            };
            vec![format!("`{method} {path}`"), by.to_owned(), what.to_owned()]
        }),
    )
}

/// The endpoints of `by`, as the request log has them.
fn lines(by: &[By]) -> BTreeSet<String> {
    let rows = ENDPOINTS.into_iter().filter(|(it, ..)| by.contains(it));
    rows.map(|(_, method, path, _)| format!("{method} {path}")).collect()
}

/// What was asked of the Engine, with every ID as such.
fn asked(engine: &FakeEngine) -> BTreeSet<String> {
    assert_eq!(engine.unknown_requests(), [""; 0]);
    let ids = |line: String| {
        let segment = |(index, it): (usize, &str)| {
            let known = [
                "json",
                "create",
                "info",
                "version",
                "events",
                "containers",
                "exec",
                "networks",
                "tasks",
                "secrets",
                "configs",
            ];
            let id = index == 2 && !known.contains(&it);
            if id { "{id}".to_owned() } else { it.to_owned() }
        };
        line.split('/').enumerate().map(segment).collect::<Vec<_>>().join("/")
    };
    engine.requests().into_iter().map(ids).collect()
}

/// An agent behind a proxy that refuses the first question.
async fn behind_proxy(setup: Setup) -> TestAgent {
    let clock = test_agent::clock();
    let engine = test_agent::engine(&clock);
    engine.fail("GET /info", usize::MAX, 403, "Forbidden");
    let agent = TestAgent::on(clock, engine, setup);
    agent.wait_for("agent.ready", 1).await;
    agent
}

#[tokio::test(start_paused = true)]
async fn an_agent_with_exec_jobs_asks_the_endpoints_of_the_table_and_no_others() {
    let agent = behind_proxy(Setup::default()).await;
    signalled(&agent.engine, &["KILL"], || ExecBehaviour::exit(0).hold_until_killed());
    agent.start(with_job("web", "sync", "* * * * *").label("watchbell.job-exec.sync.timeout", "30s")).await;
    agent.wait_for("run.finished", 1).await;
    assert_eq!(agent.outcomes("web.sync"), ["timed-out"]);
    assert_eq!(asked(&agent.engine), lines(&[By::Agent, By::Exec]));
}

#[tokio::test(start_paused = true)]
async fn an_agent_with_exec_jobs_in_a_container_without_a_shell_asks_two_more() {
    let folder = tempfile::tempdir().unwrap();
    let agent = behind_proxy(Setup { program: Some(program(folder.path())), ..Setup::default() }).await;
    without_shell(&agent.engine, |_| ExecBehaviour::exit(0).hold_until_killed());
    agent.start(with_job("web", "sync", "* * * * *").label("watchbell.job-exec.sync.timeout", "30s")).await;
    agent.wait_for("run.finished", 1).await;
    assert_eq!(agent.outcomes("web.sync"), ["timed-out"]);
    assert_eq!(asked(&agent.engine), lines(&[By::Agent, By::Exec, By::Helper]));
}

#[tokio::test(start_paused = true)]
async fn an_agent_with_run_jobs_asks_the_endpoints_of_the_table_and_no_others() {
    let ini = "[job-run \"copy\"]\nschedule = * * * * *\nimage = copy:1\nnetwork = front\nnetwork = back\n\
               timeout = 30s\n";
    let agent = behind_proxy(Setup::ini(ini)).await;
    agent.engine.add_network("front");
    agent.engine.add_network("back");
    agent.engine.on_run(|_| RunBehaviour::exit(0).hold_until_killed().ignores_term());
    agent.wait_for("run.finished", 1).await;
    assert_eq!(agent.outcomes("copy"), ["timed-out"]);
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(asked(&agent.engine), lines(&[By::Agent, By::Run]));
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_follows_another_one_asks_the_endpoints_of_the_table_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let ini = "[job-run \"copy\"]\nschedule = 1 0 * * *\nimage = copy:1\n";
    let setup = || Setup { state_dir: Some(folder.path().to_owned()), ..Setup::ini(ini) };
    let mut agent = behind_proxy(setup()).await;
    agent.engine.on_run(|_| RunBehaviour::exit(0).takes(std::time::Duration::from_secs(60)));
    agent.wait_for("run.started", 1).await;
    agent.signal();
    agent.end().await;
    let (clock, engine) = (agent.clock(), agent.engine.clone());
    drop(agent);
    let agent = TestAgent::on(clock, engine, setup());
    agent.wait_for("run.finished", 1).await;
    assert_eq!(agent.outcomes("copy"), ["succeeded"]);
    let asked = asked(&agent.engine);
    let known = lines(&[By::Agent, By::Run, By::Left]);
    assert!(asked.is_subset(&known), "{:?}", asked.difference(&known));
    for line in ["GET /containers/{id}/json", "GET /containers/{id}/logs"] {
        assert!(asked.contains(line), "{asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_with_service_run_jobs_asks_the_endpoints_of_the_table_and_no_others() {
    let ini = "[job-service-run \"copy\"]\nschedule = * * * * *\nimage = copy:1\nsecret = pass\nconfig = conf\n\
               timeout = 30s\ngrace-period = 20s\n";
    let agent = behind_proxy(Setup::ini(ini)).await;
    agent.engine.manage(&["pass"], &["conf"]);
    let ends = std::sync::atomic::AtomicBool::new(true);
    agent.engine.on_task(move |_| {
        // The first ends by itself; the next ones have to be ended.
        let run = RunBehaviour::exit(0);
        let first = ends.swap(false, std::sync::atomic::Ordering::Relaxed);
        TaskBehaviour::Runs(if first { run } else { run.hold_until_killed().ignores_term() })
    });
    agent.wait_for("run.finished", 1).await;
    agent.wait_for("run.finished", 2).await;
    assert_eq!(agent.outcomes("copy"), ["succeeded", "timed-out"]);
    assert_eq!(asked(&agent.engine), lines(&[By::Agent, By::Service]));
}

#[tokio::test(start_paused = true)]
async fn an_agent_with_container_jobs_asks_the_endpoints_of_the_table_and_no_others() {
    let actions = ["stop", "start", "restart", "pause", "unpause", "kill"];
    let job = |(minute, action): (usize, &str)| {
        format!(
            "[job-container \"{action}\"]\nschedule = {minute} 0 * * *\ncontainer = db\naction = {action}\n"
        )
    };
    let ini: String = (1..).zip(actions).map(job).collect();
    let agent = behind_proxy(Setup::ini(&(ini + "[job-defaults-container]\nsignal = TERM\n"))).await;
    agent.engine.start(ContainerSpec::new("db"));
    agent.wait_for("run.finished", actions.len()).await;
    let ends: Vec<_> = agent.all("run.finished").iter().map(|it| it.text("outcome")).collect();
    // This Engine cannot stop with a signal.
    let [cannot, well] = ["not-started", "succeeded"];
    assert_eq!(ends, [cannot, well, cannot, well, well, well]);
    agent.engine.start(ContainerSpec::new("web"));
    let actions = ["stop", "start", "restart"];
    let job = |(minute, action): (usize, &str)| {
        format!(
            "[job-container \"{action}\"]\nschedule = {minute} 0 * * *\ncontainer = web\naction = {action}\n"
        )
    };
    let plain: String = (10..).zip(actions).map(job).collect();
    let (clock, engine) = (agent.clock(), agent.engine.clone());
    drop(agent);
    let agent = TestAgent::on(clock, engine, Setup::ini(&plain));
    agent.wait_for("run.finished", actions.len()).await;
    assert_eq!(asked(&agent.engine), lines(&[By::Agent, By::Action]));
}

#[tokio::test(start_paused = true)]
async fn an_agent_whose_jobs_stop_containers_asks_three_more() {
    let folder = tempfile::tempdir().unwrap();
    let state_dir = Some(folder.path().to_owned());
    let agent = behind_proxy(Setup { state_dir, ..Setup::default() }).await;
    let id = agent.engine.start(ContainerSpec::new("app"));
    let job =
        "[job-exec \"sync\"]\nschedule = 5 0 * * *\ncontainer = web\ncommand = work\nstop-during = app\n";
    agent.engine.start(ContainerSpec::new("web"));
    let (clock, engine) = (agent.clock(), agent.engine.clone());
    drop(agent);
    let state_dir = Some(folder.path().to_owned());
    let agent = TestAgent::on(clock, engine, Setup { state_dir, ..Setup::ini(job) });
    agent.wait_for("container.restored", 1).await;
    assert_eq!(agent.outcomes("sync"), ["succeeded"]);
    assert_eq!(agent.engine.count(&format!("POST /containers/{id}/stop")), 1);
    let known = lines(&[By::Agent, By::Exec, By::Halt]);
    assert!(asked(&agent.engine).is_subset(&known), "{:?}", asked(&agent.engine));
    assert!(lines(&[By::Halt]).is_subset(&asked(&agent.engine)), "{:?}", asked(&agent.engine));
}

/// The rules of a proxy look at the whole path.
#[test]
fn no_path_has_a_version() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("tcp://{}", listener.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_watchbell"))
        .args(["doctor", "--docker-host", &host, "--state-dir"])
        .arg(folder.path())
        .env_clear()
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut asked = Vec::new();
    for _ in 0..2 {
        let (mut connection, _) = listener.accept().unwrap();
        let mut request = String::new();
        BufReader::new(&connection).read_line(&mut request).unwrap();
        connection.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}").unwrap();
        asked.push(request.trim_end().to_owned());
    }
    doctor.wait().unwrap();
    assert_eq!(asked, ["GET /info HTTP/1.1", "GET /version HTTP/1.1"]);
}
