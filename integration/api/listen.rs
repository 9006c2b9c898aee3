//! Over TCP: where the agent listens, whom it refuses, and that nobody takes more than his share of it.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
};

use nix::sys::signal::Signal;

use crate::support::beside::{Beside, LIMIT, Reply, ask_at};

const INI: &str = "[job-local \"hello\"]\nschedule = @yearly\ncommand = echo hello\n";

/// An agent that listens on a free port of this machine.
fn start(folder: &std::path::Path, more: &str) -> Beside {
    std::fs::write(folder.join("config.ini"), format!("{more}{INI}")).unwrap();
    let agent = Beside::start_as_it_is(folder, &["--listen", "127.0.0.1:0"]);
    agent.wait_for(1, |it| it["event"] == "job.added");
    agent
}

fn get(address: SocketAddr, path: &str) -> Reply {
    ask_at(address, ("GET", path), &address.to_string(), &[], "")
}

#[test]
fn what_is_answered_on_the_socket_is_answered_over_tcp() {
    let folder = tempfile::tempdir().unwrap();
    let agent = start(folder.path(), "");
    let address = agent.address(1);
    for path in ["/live", "/api/jobs", "/api/jobs/hello", "/api/openapi.json", "/api/nothing"] {
        let (there, here) = (get(address, path), agent.get(path));
        assert_eq!((there.status, there.body), (here.status, here.body), "{path}");
    }
    assert!(get(address, "/metrics").text().contains("watchbell_build_info"));
    // With what is wanted come its secrets, and bodies of any length.
    let plan = ask_at(address, ("POST", "/plan"), "localhost", &[], "{}");
    plan.refusal(404);
    let run = ask_at(address, ("POST", "/api/jobs/hello/run"), "localhost", &[], "");
    assert_eq!(run.status, 202, "{}", run.text());
    let run = run.json()["run"].clone();
    agent.wait_for(1, |it| it["event"] == "run.finished" && it["run"] == run);
}

#[test]
fn a_name_that_is_not_its_own_and_a_page_of_another_site_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let names = "[global]\nallowed-hosts = watchbell.\npublic-url = https://cron.example.org.\n";
    let agent = start(folder.path(), names);
    let address = agent.address(1);
    for path in ["/api/jobs", "/health", "/metrics", "/nothing"] {
        let refused = ask_at(address, ("GET", path), "evil.example", &[], "");
        assert!(refused.refusal(403).contains("allowed-hosts"), "{path}");
    }
    for host in
        ["watchbell", "watchbell:8080", "watchbell.", "cron.example.org", "cron.example.org.", "10.0.0.1"]
    {
        assert_eq!(ask_at(address, ("GET", "/live"), host, &[], "").status, 200, "{host}");
    }
    let foreign = [("origin", "https://evil.example")];
    let refused = ask_at(address, ("POST", "/api/jobs/hello/run"), "localhost", &foreign, "");
    assert!(refused.refusal(403).contains("another site"));
    // On the socket there is no browser.
    assert_eq!(agent.get("/live").status, 200);
    let runs = agent.get("/api/runs").json();
    assert_eq!(runs["runs"].as_array().unwrap().len(), 0);
}

/// Mistake 46.
#[test]
fn an_address_that_others_reach_is_not_listened_on_until_that_is_said_to_be_safe() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.ini");
    std::fs::write(&file, INI).unwrap();
    let agent = Beside::start_as_it_is(folder.path(), &["--listen", "0.0.0.0:0"]);
    let refused = agent.wait_for(1, |it| it["event"] == "config.rejected").remove(0);
    assert_eq!(refused["origin"], "setting listen");
    let reason = refused["reason"].as_str().unwrap();
    assert!(reason.contains("insecure-no-auth = true") && reason.contains("0.0.0.0:0"), "{reason}");
    assert_eq!(agent.get("/api/problems").json()["problems"][0]["reason"], reason);
    agent.run_to_its_end("hello");
    std::fs::write(&file, format!("[global]\ninsecure-no-auth = true\n{INI}")).unwrap();
    agent.signal(Signal::SIGHUP);
    let port = agent.address(1).port();
    assert_eq!(get(SocketAddr::from(([127, 0, 0, 1], port)), "/live").status, 200);
    assert_eq!(agent.get("/api/problems").json()["problems"], serde_json::json!([]));
}

#[test]
fn who_only_looks_at_the_settings_hears_of_it_too() {
    let folder = tempfile::tempdir().unwrap();
    for (insecure, command, said) in [
        ("false", "validate", "setting listen: the agent does not listen on 0.0.0.0:8080"),
        ("false", "doctor", "error   listen: the agent does not listen on 0.0.0.0:8080"),
        ("true", "validate", "0 errors"),
        ("true", "doctor", "warning listen: whoever reaches 0.0.0.0:8080 can have jobs run"),
    ] {
        let asked = Command::new(env!("CARGO_BIN_EXE_watchbell"))
            .args([command, "--listen", "0.0.0.0:8080", "--insecure-no-auth", insecure])
            .args(["--docker-host", "unix:///nowhere.sock", "--state-dir"])
            .arg(folder.path())
            .env_clear()
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&asked.stdout);
        assert!(out.contains(said), "{command}: {out}");
    }
}

#[test]
fn a_port_that_is_taken_is_told_and_tried_until_it_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    std::fs::write(folder.path().join("config.ini"), INI).unwrap();
    let agent = Beside::start_as_it_is(folder.path(), &["--listen", &address.to_string()]);
    let told = agent.wait_for(1, |it| it["event"] == "config.rejected").remove(0);
    assert!(told["reason"].as_str().unwrap().contains("another process listens there"), "{told}");
    assert_eq!(agent.get("/api/problems").json()["problems"].as_array().unwrap().len(), 1);
    agent.run_to_its_end("hello");
    drop(taken);
    assert_eq!(agent.address(1), address);
    assert_eq!(get(address, "/api/problems").json()["problems"], serde_json::json!([]));
}

#[test]
fn a_changed_address_is_taken_while_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.ini");
    std::fs::write(&file, INI).unwrap();
    // The flag goes over the file, so here it is the file alone.
    let with = |listen: &str| format!("[global]\nlisten = {listen}\n{INI}");
    std::fs::write(&file, with("localhost:0")).unwrap();
    let agent = Beside::start_by_file(folder.path());
    let first = agent.address(1);
    std::fs::write(&file, with("none")).unwrap();
    agent.signal(Signal::SIGHUP);
    agent.wait_for(1, |it| it["event"] == "config.reloaded");
    let config = agent.get("/api/config").json();
    assert!(config.to_string().contains("\"none\""), "{config}");
    std::fs::write(&file, with("[::1]:0")).unwrap();
    agent.signal(Signal::SIGHUP);
    let second = agent.address(2);
    assert!(second.is_ipv6() && get(second, "/live").status == 200);
    assert!(TcpStream::connect(first).is_err());
}

/// Each of these waits for the agent to lose its patience, and meanwhile jobs run and others are answered.
#[test]
fn slow_senders_floods_of_headers_and_large_bodies_are_let_go_and_jobs_run() {
    let folder = tempfile::tempdir().unwrap();
    let agent = start(folder.path(), "");
    let address = agent.address(1);
    let connect = |text: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    };
    let rest = |mut stream: TcpStream| {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    };
    let idle = connect("");
    let slow_head = connect("GET /live HTTP/1.1\r\nhost: loc");
    let once = connect("GET /live HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let begun = "POST /api/jobs/hello/pause HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n{";
    let slow_body = connect(begun);
    let large = ask_at(address, ("POST", "/api/jobs/hello/run"), "localhost", &[], &" ".repeat(100 << 20));
    large.refusal(413);
    let mut flood = connect("GET /live HTTP/1.1\r\nhost: localhost\r\n");
    let header = format!("x-filler: {}\r\n", "x".repeat(1000));
    let sent = (0..10_000).take_while(|_| flood.write_all(header.as_bytes()).is_ok()).count();
    assert!(sent < 10_000, "it took ten megabytes of headers");
    agent.run_to_its_end("hello");
    assert_eq!(get(address, "/live").status, 200);
    assert!(rest(idle).is_empty());
    assert!(!rest(slow_head).contains("200 OK"));
    // It is kept for a next question, and not for ever.
    assert!(rest(once).starts_with("HTTP/1.1 200 OK"));
    assert!(rest(slow_body).starts_with("HTTP/1.1 408 "));
}

#[test]
fn a_thousand_connections_that_say_nothing_take_little_and_keep_no_job_from_running() {
    let folder = tempfile::tempdir().unwrap();
    let agent = start(folder.path(), "");
    let address = agent.address(1);
    let before = agent.resident();
    let idle: Vec<TcpStream> = (0..1000).map(|_| TcpStream::connect(address).unwrap()).collect();
    agent.run_to_its_end("hello");
    assert_eq!(agent.get("/live").status, 200);
    let grown = agent.resident().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes more");
    // Those that are over the number are let go at once, the others in their time.
    for mut it in idle {
        it.set_read_timeout(Some(LIMIT)).unwrap();
        let _ = it.read_to_end(&mut Vec::new());
    }
    assert_eq!(get(address, "/live").status, 200);
}

/// What is asked from another address of this machine.
fn get_from(from: &str, address: SocketAddr) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from.parse().unwrap(), 0)).unwrap();
        socket.connect(address).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut stream = stream;
    let _ = stream.write_all(b"GET /live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn who_takes_all_connections_that_one_address_may_have_shuts_nobody_else_out() {
    let folder = tempfile::tempdir().unwrap();
    let agent = start(folder.path(), "");
    let address = agent.address(1);
    let held: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(address).unwrap()).collect();
    assert!(get_from("127.0.0.2", address).starts_with("HTTP/1.1 200 OK"));
    let told = agent.wait_for(1, |it| it["event"] == "api.crowded").remove(0);
    assert_eq!(told["from"], "127.0.0.1");
    drop(held);
}
