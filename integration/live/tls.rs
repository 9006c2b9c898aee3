//! A real Engine that listens over TLS and wants to know its clients.

use std::{
    io::{Read, Write},
    net::SocketAddr,
    path::Path,
    process::Command,
};

use serde_json::Value;

use crate::support::{
    certificates::{Authority, put},
    front::Front,
    live_engine::{self, Record, Stage, WORKER, eventually, text},
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/integration/private-engine");

/// Such an Engine. It is stopped, and all that it had is gone, when the test ends.
struct Secure {
    dir: tempfile::TempDir,
    authority: Authority,
}

impl Secure {
    fn start() -> Self {
        let user = live_engine::run(Command::new("id").arg("-u"));
        assert_eq!(
            user.as_deref(),
            Ok("0"),
            "an Engine with certificates of our own is a private one, and only root can start that: run `make test` \
             as root"
        );
        // Not below the target directory: a socket's path may be only so long.
        let dir = tempfile::Builder::new().prefix("wb-tls.").tempdir().expect("a temporary directory");
        let secure = Self { dir, authority: Authority::new() };
        let server = secure.authority.certify(&["localhost", "127.0.0.1"]);
        put(&secure.path("certs"), &secure.authority, None);
        std::fs::write(secure.path("certs/server.pem"), server.certificate).expect("a file");
        std::fs::write(secure.path("certs/server-key.pem"), server.key).expect("a file");
        secure.go(&["start", "--tls", secure.path("certs").to_str().expect("text")]);
        secure
    }

    fn go(&self, arguments: &[&str]) {
        live_engine::run(Command::new(SCRIPT).args(arguments).arg(self.path("engine")))
            .unwrap_or_else(|why| panic!("{why}"));
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// The same Engine by its unix socket, with the worker's image and its loopback up.
    fn stage(&self) -> Stage {
        let stage = Stage::at(&format!("unix://{}", self.path("engine/docker.sock").display()));
        let given = Stage::new();
        live_engine::hand_over(&given, &stage, WORKER);
        let up = [
            "run",
            "--rm",
            "--network",
            "host",
            "--cap-add",
            "NET_ADMIN",
            WORKER,
            "ip",
            "link",
            "set",
            "lo",
            "up",
        ];
        stage.docker(up);
        stage
    }

    fn pid(&self) -> i32 {
        let pid = std::fs::read_to_string(self.path("engine/dockerd.pid")).expect("it runs");
        pid.trim().parse().expect("a process ID")
    }

    /// What runs a program where the Engine's port is: it has a network of its own, which outlives it in its
    /// containers.
    fn enter(&self) -> Vec<String> {
        let network = format!("--net=/proc/{}/ns/net", self.pid());
        ["nsenter", &network, "--"].map(str::to_owned).to_vec()
    }

    /// What `watchbell doctor` says of the Engine at `host` with the certificates in `directory`.
    fn told(&self, host: &str, directory: Option<&Path>) -> String {
        let words = self.enter();
        let state = self.path("state");
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg(env!("CARGO_BIN_EXE_watchbell")).env_clear();
        command.args(["doctor", "--output", "json", "--docker-host", host, "--state-dir"]).arg(state);
        if let Some(directory) = directory {
            command.env("DOCKER_TLS_VERIFY", "1").env("DOCKER_CERT_PATH", directory);
        }
        engine_check(&mut command)
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        let _ = live_engine::run(Command::new(SCRIPT).arg("stop").arg(self.path("engine")));
    }
}

#[test]
fn over_tls_jobs_run_and_whoever_is_not_known_is_told_why() {
    let engine = Secure::start();
    let stage = engine.stage();
    let (right, host) = (engine.path("right"), "tcp://localhost");
    put(&right, &engine.authority, Some(&engine.authority.certify(&["client"])));

    assert!(
        engine.told(host, Some(&right)).starts_with("ok: version "),
        "{}",
        engine.told(host, Some(&right))
    );
    let (nobody, stranger, astray) = (engine.path("nobody"), engine.path("stranger"), engine.path("astray"));
    let other = Authority::new();
    put(&nobody, &engine.authority, None);
    put(&stranger, &engine.authority, Some(&other.certify(&["client"])));
    put(&astray, &other, Some(&engine.authority.certify(&["client"])));
    for (host, directory, words) in [
        (host, &nobody, "put cert.pem and key.pem into"),
        (host, &stranger, "does not accept this client"),
        (host, &astray, "is not signed by an authority in"),
        ("https://localhost.localdomain:2376", &right, "localhost.localdomain"),
        (host, &engine.path("nowhere"), "nowhere/ca.pem: No such file"),
    ] {
        let told = engine.told(host, Some(directory));
        assert!(told.starts_with("error: ") && told.contains(words), "{words}: {told}");
    }
    let plain = engine.told("tcp://localhost:2376", None);
    assert!(plain.contains("the Engine wants TLS there: set docker-tls-verify"), "{plain}");

    let job = |name: &str| stage.name(name);
    let (tick, copy) = (job("tick"), job("copy"));
    let web = stage.worker("web").arguments(&["--restart", "always"]).start();
    let certificates = ["--docker-tls-verify", "true", "--docker-cert-path", right.to_str().expect("text")];
    let agent = stage
        .agent()
        .file_job(
            "exec",
            &tick,
            &[("schedule", "@every 1s"), ("container", &web), ("command", "echo over tls")],
        )
        .file_job(
            "run",
            &copy,
            &[
                ("schedule", "@every 2s"),
                ("image", WORKER),
                ("network", "none"),
                ("shell", "true"),
                ("command", "echo begun; sleep 1; echo done >&2; exit 3"),
            ],
        )
        .host("tcp://localhost")
        .arguments(&certificates)
        .through(&engine.enter())
        .start();
    let ended = agent.wait_for_end(&tick);
    assert_eq!(text(&ended, "outcome"), "succeeded", "{ended}");
    assert_eq!(agent.lines(text(&ended, "run"), "stdout"), ["over tls"]);
    let ended = agent.wait_for_end(&copy);
    assert_eq!((text(&ended, "outcome"), &ended["exit_code"]), ("failed", &3.into()), "{ended}");
    let run = text(&ended, "run");
    assert_eq!(
        (agent.lines(run, "stdout"), agent.lines(run, "stderr")),
        (vec!["begun".into()], vec!["done".into()])
    );
}

#[test]
fn an_engine_behind_tls_that_goes_away_and_comes_back_costs_no_job_and_a_renewed_certificate_is_taken() {
    let stage = Stage::new();
    let authority = Authority::new();
    let socket = stage.socket().to_owned();
    let right = authority.certify(&["localhost"]);
    let certificates = stage.dir().join("certs");
    put(&certificates, &authority, Some(&authority.certify(&["client"])));
    let (front, address) = Front::tls("127.0.0.1:0", &right, &authority, &socket);

    let (tick, web) = (stage.name("tick"), stage.worker("web").start());
    let parameters = [("schedule", "@every 1s"), ("container", &*web), ("command", "echo over tls")];
    let path = certificates.to_str().expect("text");
    let agent = stage
        .agent()
        .file_job("exec", &tick, &parameters)
        .host(&format!("tcp://localhost:{}", address.port()))
        .arguments(&["--docker-tls-verify", "true", "--docker-cert-path", path])
        .start();
    assert_eq!(text(&agent.wait_for_end(&tick), "outcome"), "succeeded");

    // Each time another reason, the true one, and never an answer.
    drop(front);
    let lost = |nth| agent.wait_for_nth("the Engine is lost", nth, |it| it["event"] == "engine.lost");
    lost(1);
    let expired = authority.certify_until(&["localhost"], 2020);
    let at = address.to_string();
    let (front, _) = Front::tls(&at, &expired, &authority, &socket);
    let told = doctor(&address, path);
    assert!(told.contains("the Engine's certificate has expired: renew it"), "{told}");
    drop(front);
    // For a moment the port may be somebody else's.
    let mut bound = None;
    eventually("the port is free again", || {
        bound = std::net::TcpListener::bind(&at).ok();
        bound.is_some()
    });
    let plain = bound.expect("a port");
    let answers = std::thread::Builder::new().spawn(move || {
        while let Ok((mut stream, _)) = plain.accept() {
            let mut begin = [0; 64];
            let read = stream.read(&mut begin).unwrap_or_default();
            assert!(!begin[..read].starts_with(b"GET "), "asked in the clear");
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            if begin[..read].starts_with(b"enough") {
                break;
            }
        }
    });
    let told = doctor(&address, path);
    assert!(told.contains("what listens there does not speak TLS"), "{told}");
    let mut ending = std::net::TcpStream::connect(address).expect("it listens");
    ending.write_all(b"enough").expect("it listens");
    answers.expect("a thread").join().expect("nobody asked in the clear");

    // Everyone gets certificates of another authority; the agent goes on as it is.
    let newer = Authority::new();
    put(&certificates, &newer, Some(&newer.certify(&["client"])));
    let _front = Front::tls(&at, &newer.certify(&["localhost"]), &newer, &socket);
    agent.wait_for_nth("the Engine is back", 2, |it| it["event"] == "engine.connected");
    let ended = |it: &Record| it["event"] == "run.finished" && it["outcome"] == "succeeded";
    let before = agent.records(ended).len();
    agent.wait_for_nth("runs go on", before + 2, ended);
    assert_eq!(agent.job_events(&tick), ["job.added"], "the job was there all the time");
}

/// What `watchbell doctor` says of the Engine at a port.
fn doctor(address: &SocketAddr, certificates: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchbell"));
    command.env_clear().args(["doctor", "--output", "json", "--state-dir", certificates]);
    command.args(["--docker-tls-verify", "true", "--docker-cert-path", certificates]);
    command.args(["--docker-host", &format!("https://localhost:{}", address.port())]);
    engine_check(&mut command)
}

/// What a `watchbell doctor` found of the Engine.
fn engine_check(doctor: &mut Command) -> String {
    let output = doctor.output().expect("it can be run");
    let answer: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let checks = answer["checks"].as_array().expect("a list");
    let found = checks.iter().find(|it| it["name"] == "engine").expect("it is always looked at");
    format!("{}: {}", text(found, "status"), text(found, "found"))
}

#[test]
fn without_certificates_where_tls_is_asked_for_the_agent_does_not_start() {
    let stage = Stage::at("tcp://localhost:2376");
    let agent =
        stage.agent().arguments(&["--docker-tls-verify", "yes", "--docker-cert-path", "/nowhere"]).start();
    assert_eq!(agent.wait_for_exit().code(), Some(1));
    let why = agent.wait_for("why", |it| text(it, "message").contains("/nowhere/ca.pem: No such file"));
    assert!(text(&why, "message").contains("rather than talk in the clear"), "{why}");
}
