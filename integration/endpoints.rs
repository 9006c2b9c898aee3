//! Which of the Engine's endpoints are asked, and by what: the table of `labels-spec.md`, and the proof that the agent
//! asks these and no others. Whoever puts a proxy before the Engine relies on it.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    process::{Command, Stdio},
};

use serde_json::json;
use watchbell::{
    docker::endpoints::{self, By, ENDPOINTS},
    time::Clock,
};

use crate::support::{
    beside::Beside,
    docs,
    fake_engine::{ContainerSpec, ExecBehaviour, FakeEngine, RunBehaviour, TaskBehaviour},
    test_agent::{self, Setup, TestAgent, program, signalled, with_job, without_shell},
};

/// Method and path of what an agent with jobs of kind `exec` needs, each once.
pub fn of_exec() -> Vec<(&'static str, &'static str)> {
    let by = [By::Agent, By::Exec, By::Helper, By::NextExec];
    let needed = ENDPOINTS.iter().filter(|it| by.contains(&it.by)).map(|it| (it.method, it.path));
    needed.fold(Vec::new(), |mut list, it| {
        if !list.contains(&it) {
            list.push(it);
        }
        list
    })
}

/// Those of `requests` that the table does not know: `METHOD /path` without a version.
pub fn not_in_the_table(requests: Vec<String>) -> BTreeSet<String> {
    requests.into_iter().filter(|line| of_the_table(line).is_none()).collect()
}

/// A request as the table has it.
fn of_the_table(line: &str) -> Option<String> {
    let (method, path) = line.split_once(' ')?;
    let row = endpoints::known(method, path)?;
    Some(format!("{} {}", row.method, row.path))
}

/// The table of the documentation.
pub fn table() -> String {
    docs::table(
        &["endpoint", "asked by", "for"],
        ENDPOINTS.iter().map(|it| {
            vec![format!("`{} {}`", it.method, it.path), it.by.words().to_owned(), it.what.to_owned()]
        }),
    )
}

/// The endpoints of `by`, as the request log has them.
fn lines(by: &[By]) -> BTreeSet<String> {
    let rows = ENDPOINTS.iter().filter(|it| by.contains(&it.by));
    rows.map(|it| format!("{} {}", it.method, it.path)).collect()
}

/// What was asked of the Engine, with every ID as such.
fn asked(engine: &FakeEngine) -> BTreeSet<String> {
    assert_eq!(engine.unknown_requests(), [""; 0]);
    engine.requests().into_iter().map(|line| of_the_table(&line).unwrap_or(line)).collect()
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
               timeout = 30s\n\n[job-run \"check\"]\nschedule = * * * * *\nimage = check:1\n";
    let agent = behind_proxy(Setup::ini(ini)).await;
    agent.engine.add_network("front");
    agent.engine.add_network("back");
    agent.engine.on_run(|made| match &*made.image {
        "check:1" => RunBehaviour::exit(3),
        _ => RunBehaviour::exit(0).hold_until_killed().ignores_term(),
    });
    agent.wait_for("run.finished", 2).await;
    assert_eq!(
        (agent.outcomes("copy"), agent.outcomes("check")),
        (vec!["timed-out".into()], vec!["failed".into()])
    );
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(asked(&agent.engine), lines(&[By::Agent, By::Run]));
}

#[tokio::test(start_paused = true)]
async fn an_agent_whose_run_jobs_pull_and_are_like_a_container_asks_two_more() {
    let ini = "[job-run \"copy\"]\nschedule = * * * * *\nimage = copy:1\nlike = web\nnetwork = front\nnetwork = back\n\
               timeout = 30s\n";
    let agent = behind_proxy(Setup::ini(ini)).await;
    agent.engine.add_network("front");
    agent.engine.add_network("back");
    agent.engine.without_image("copy:1");
    agent.engine.start(ContainerSpec::new("web"));
    agent.engine.on_run(|_| RunBehaviour::exit(0).hold_until_killed().ignores_term());
    agent.wait_for("run.finished", 1).await;
    assert_eq!(agent.outcomes("copy"), ["timed-out"]);
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(asked(&agent.engine), lines(&[By::Agent, By::Run, By::Pull, By::Like]));
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
    let known = lines(&[By::Agent, By::Run, By::NextRun]);
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

#[tokio::test(start_paused = true)]
async fn an_agent_whose_jobs_stop_services_asks_four_more() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, state_dir) = (test_agent::clock(), Some(folder.path().to_owned()));
    let engine = test_agent::engine(&clock);
    engine.manage(&[], &[]);
    engine.deploy("app", &[]);
    engine.start_task("app", 1);
    engine.start(ContainerSpec::new("web"));
    let job =
        "[job-exec \"sync\"]\nschedule = 5 0 * * *\ncontainer = web\ncommand = work\nstop-during = app\n";
    engine.on_exec(|_| ExecBehaviour::exit(0).takes(std::time::Duration::from_secs(5)));
    let agent = TestAgent::on(clock, engine, Setup { state_dir, ..Setup::ini(job) });
    agent.wait_for("run.started", 1).await;
    assert_eq!(agent.engine.replicas("app"), 0);
    agent.wait_for("service.restored", 1).await;
    assert_eq!((agent.outcomes("sync"), agent.engine.replicas("app")), (vec!["succeeded".into()], 1));
    let asked = asked(&agent.engine);
    let known = lines(&[By::Agent, By::Swarm, By::Exec, By::Halt, By::HaltService]);
    assert!(asked.is_subset(&known), "{:?}", asked.difference(&known));
    assert!(lines(&[By::HaltService]).is_subset(&asked), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_on_a_manager_asks_for_services_and_tasks_and_does_without_where_a_proxy_refuses() {
    for refused in [false, true] {
        let clock = test_agent::clock();
        let engine = test_agent::engine(&clock);
        engine.manage(&[], &[]);
        engine.deploy(
            "web",
            &[
                ("watchbell.enabled", "true"),
                ("watchbell.job-exec.sync.schedule", "* * * * *"),
                ("watchbell.job-exec.sync.command", "work"),
            ],
        );
        engine.start_task("web", 1);
        if refused {
            engine.fail("GET /services", usize::MAX, 403, "Forbidden");
        }
        let agent = TestAgent::on(clock, engine, Setup::default());
        agent.wait_for("agent.ready", 1).await;
        tokio::time::sleep(std::time::Duration::from_secs(90)).await;
        let mut known = lines(&[By::Agent, By::Swarm, By::Exec]);
        known.remove("GET /version");
        if refused {
            known = ["GET /containers/json", "GET /events", "GET /info", "GET /services"]
                .map(str::to_owned)
                .into();
        }
        assert_eq!(asked(&agent.engine), known);
        assert_eq!(agent.handle.snapshot().diagnostics.len(), 0);
        assert_eq!(agent.outcomes("web.sync").len(), usize::from(!refused));
    }
}

/// The rules of a proxy look at the whole path.
#[test]
fn no_path_of_the_agent_has_a_version() {
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

/// What `doctor --grants` prints with these arguments.
fn granted(arguments: &[&str]) -> String {
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_watchbell"));
    let output = doctor.env_clear().args(["doctor", "--grants"]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_a_running_agent_has_what_jobs_of_the_api_need_and_that_of_files_has_not() {
    let engine = FakeEngine::new(|| Clock::System.now());
    let job = json!({
        "name": "copy", "kind": "run", "parameters": { "schedule": "@yearly", "image": "copy:1", "enabled": false },
    });
    let look = move || {
        let folder = tempfile::tempdir().unwrap();
        let (config, socket) = (folder.path().join("config.ini"), folder.path().join("engine.sock"));
        std::fs::write(&config, "[job-local \"filed\"]\nschedule = @yearly\ncommand = true\n").unwrap();
        let host = format!("unix://{}", socket.display());
        let agent = Beside::start_as_it_is(folder.path(), &["--docker-host", &host]);
        let of_agent = ["--state-dir", agent.state_dir().to_str().unwrap()];
        let of_files = [&of_agent[..], &["--config", config.to_str().unwrap()]].concat();
        let has_it =
            |of: &[&str]| granted(of).lines().any(|line| line.starts_with("POST    /containers/create "));
        assert_eq!(agent.post("/api/jobs", &job.to_string()).status, 201);
        assert!(!has_it(&of_agent), "it waits for the Engine");
        engine.listen(&socket);
        agent.wait_for(1, |it| it["event"] == "agent.ready");
        assert!(has_it(&of_agent), "also for one that is not enabled: it can be run by hand");
        assert!(!has_it(&of_files));
        assert_eq!(agent.ask("DELETE", "/api/jobs/copy", &[], "").status, 204);
        assert!(!has_it(&of_agent));
    };
    tokio::task::spawn_blocking(look).await.unwrap();
}

#[test]
fn where_compose_asks_a_version_may_stand_before_the_path_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.ini");
    let list = |action: &str| {
        let job = format!("[job-compose \"shop\"]\nschedule = @yearly\naction = {action}\nproject = shop\n");
        std::fs::write(&config, job).unwrap();
        granted(&["--config", config.to_str().unwrap()])
    };
    let up = list("up");
    let has = |list: &str, start: &str| list.lines().any(|it| it.starts_with(start));
    for start in [
        "HEAD    (/v[0-9.]+)?/_ping ",
        "GET     (/v[0-9.]+)?/containers/json ",
        "GET     (/v[0-9.]+)?/images/.+/json ",
        "POST    (/v[0-9.]+)?/containers/create ",
        "GET     /events ",
        "GET     /_ping ",
    ] {
        assert!(has(&up, start), "{start}: {up}");
    }
    let restart = list("restart");
    assert!(has(&restart, "POST    (/v[0-9.]+)?/containers/[^/]+/restart "), "{restart}");
    assert!(!restart.contains("/create"), "{restart}");
}
