//! Users: how they log in, what their browsers show, and how long they are in.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use nix::sys::signal::Signal;
use watchbell::{history::query::Reader, model::password::PasswordHash};

use super::SECRET;
use crate::support::{
    beside::{Beside, LIMIT, Reply, ask_at},
    live_engine::eventually,
};

const INI: &str = "[job-local \"hello\"]\nschedule = @yearly\ncommand = echo hello\n";

pub(super) fn hash(password: &str) -> String {
    PasswordHash::of(password, &[3; 16]).unwrap().text().to_owned()
}

/// Anna may operate, and Ben look.
fn ini(more: &str) -> String {
    let (anna, ben) = (hash(SECRET), hash("ben's password"));
    format!(
        "[global]\n{more}[user \"anna\"]\npassword-hash = {anna}\nrole = operator\n\
         [user \"ben\"]\npassword-hash = {ben}\nrole = viewer\n{INI}"
    )
}

fn start(folder: &Path, more: &str) -> (Beside, SocketAddr) {
    std::fs::write(folder.join("config.ini"), ini(more)).unwrap();
    begin(folder)
}

fn begin(folder: &Path) -> (Beside, SocketAddr) {
    let agent = Beside::start_as_it_is(folder, &["--listen", "0.0.0.0:0"]);
    agent.wait_for(1, |it| it["event"] == "job.added");
    let port = agent.address(1).port();
    (agent, SocketAddr::from(([127, 0, 0, 1], port)))
}

fn ask(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    ask_at(address, (method, path), "localhost", headers, body)
}

pub(super) fn log_in(address: SocketAddr, user: &str, password: &str, headers: &[(&str, &str)]) -> Reply {
    let body = serde_json::json!({ "user": user, "password": password }).to_string();
    ask(address, "POST", "/api/login", headers, &body)
}

/// What the browser keeps, and what the page does.
pub(super) fn kept(reply: &Reply) -> (String, String) {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let cookie = reply.header("set-cookie").split(';').next().unwrap().to_owned();
    (cookie, reply.json()["csrf"].as_str().unwrap().to_owned())
}

/// Mistake 49: the login page did not exist.
#[test]
fn a_user_logs_in_does_what_his_role_may_and_logs_out() {
    let folder = tempfile::tempdir().unwrap();
    let (agent, address) = start(folder.path(), "");
    assert_eq!(ask(address, "GET", "/api/session", &[], "").status, 401);
    let reply = log_in(address, "anna", SECRET, &[]);
    let set = reply.header("set-cookie").to_owned();
    for part in ["watchbell-session=", "; Path=/", "; HttpOnly", "; SameSite=Strict", "; Max-Age=604800"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Secure"), "over a way that is not");
    let (cookie, csrf) = kept(&reply);
    let cookie = ("cookie", &*cookie);
    let session = ask(address, "GET", "/api/session", &[cookie], "").json();
    assert_eq!((&session["caller"], &session["role"]), (&"user anna".into(), &"operator".into()));
    assert_eq!(session["csrf"], *csrf);
    assert_eq!(
        ask(address, "GET", "/api/jobs", &[("cookie", &format!("a=b; {}", cookie.1))], "").status,
        200
    );

    // What a proxy in front has the browser send is not for us.
    let with_basic = [cookie, ("authorization", "Basic YW5uYTpodW50ZXIy")];
    assert_eq!(ask(address, "GET", "/api/jobs", &with_basic, "").status, 200);
    assert_eq!(ask(address, "GET", "/api/jobs", &with_basic[1..], "").status, 401);
    let with_token = [cookie, ("authorization", "Bearer wrong-token-0123456789")];
    assert_eq!(ask(address, "GET", "/api/jobs", &with_token, "").status, 401);

    // What changes something needs what only a page of ours knows.
    let run = |more: &[(&str, &str)]| {
        ask(address, "POST", "/api/jobs/hello/run", &[&[cookie][..], more].concat(), "")
    };
    assert!(run(&[]).refusal(403).contains("X-CSRF-Token"));
    run(&[("x-csrf-token", "wrong")]).refusal(403);
    run(&[("x-csrf-token", &csrf), ("x-csrf-token", &csrf)]).refusal(403);
    run(&[("x-csrf-token", &csrf), ("origin", "https://evil.example")]).refusal(403);
    assert_eq!(run(&[("x-csrf-token", &csrf), ("origin", "http://localhost")]).status, 202);

    // Ben may look and no more.
    let (his, his_csrf) = kept(&log_in(address, "ben", "ben's password", &[]));
    assert_eq!(ask(address, "GET", "/api/jobs", &[("cookie", &his)], "").status, 200);
    let refused = [("cookie", &*his), ("x-csrf-token", &*his_csrf)];
    assert!(ask(address, "POST", "/api/jobs/hello/run", &refused, "").refusal(403).contains("role viewer"));
    // The token of one is none for another.
    ask(address, "POST", "/api/jobs/hello/run", &[cookie, ("x-csrf-token", &his_csrf)], "").refusal(403);

    let out = ask(address, "POST", "/api/logout", &[cookie, ("x-csrf-token", &csrf)], "");
    assert!(out.status == 204 && out.header("set-cookie").contains("Max-Age=0"), "{out:?}");
    assert!(ask(address, "GET", "/api/jobs", &[cookie], "").refusal(401).contains("session is over"));
    assert_eq!(ask(address, "GET", "/api/jobs", &[("cookie", &his)], "").status, 200);
    let all = agent.wait_for(0, |_| true);
    let told = format!("{all:?} {}", agent.get("/api/config").text());
    assert!(!told.contains(SECRET) && !told.contains("argon2id") && !told.contains(cookie.1), "{told}");
}

#[test]
fn a_restart_logs_nobody_out_and_another_password_or_a_short_life_does() {
    let folder = tempfile::tempdir().unwrap();
    let (agent, address) = start(folder.path(), "");
    let (annas, _) = kept(&log_in(address, "anna", SECRET, &[]));
    let (bens, _) = kept(&log_in(address, "ben", "ben's password", &[]));
    agent.end(Signal::SIGKILL);
    for name in ["watchbell.db", "watchbell.db-wal"] {
        let stored = std::fs::read(folder.path().join(name)).unwrap_or_default();
        let token = annas.split_once('=').unwrap().1.as_bytes();
        assert!(!stored.windows(token.len()).any(|it| it == token), "only its hash is kept");
    }
    let (agent, address) = begin(folder.path());
    assert_eq!(ask(address, "GET", "/api/jobs", &[("cookie", &annas)], "").status, 200);
    assert_eq!(ask(address, "GET", "/api/jobs", &[("cookie", &bens)], "").status, 200);

    let other = ini("session-lifetime = 1ms\n").replace(&hash("ben's password"), &hash("another"));
    std::fs::write(folder.path().join("config.ini"), other).unwrap();
    agent.signal(Signal::SIGHUP);
    agent.wait_for(1, |it| it["event"] == "config.reloaded");
    assert_eq!(ask(address, "GET", "/api/jobs", &[("cookie", &annas)], "").status, 200);
    assert_eq!(ask(address, "GET", "/api/jobs", &[("cookie", &bens)], "").status, 401);
    let (short, _) = kept(&log_in(address, "anna", SECRET, &[]));
    assert_eq!(ask(address, "GET", "/api/jobs", &[("cookie", &short)], "").status, 401);
}

#[test]
fn who_was_removed_and_is_written_again_has_to_log_in_again() {
    let folder = tempfile::tempdir().unwrap();
    let (agent, address) = start(folder.path(), "");
    let (cookie, _) = kept(&log_in(address, "anna", SECRET, &[]));
    let (cookie, file) = (("cookie", &*cookie), folder.path().join("config.ini"));
    let without = ini("").replace("[user \"anna\"]", "[user \"cleo\"]");
    // Nobody asks in between.
    for (n, text) in [without, ini("")].into_iter().enumerate() {
        std::fs::write(&file, text).unwrap();
        agent.signal(Signal::SIGHUP);
        agent.wait_for(n + 1, |it| it["event"] == "config.reloaded");
        let rows = || Reader::open(folder.path()).unwrap().unwrap().sessions().unwrap();
        eventually("no session is left", || rows().is_empty());
    }
    assert_eq!(ask(address, "GET", "/api/jobs", &[cookie], "").status, 401);
    agent.end(Signal::SIGTERM);
    let (_agent, address) = begin(folder.path());
    assert_eq!(ask(address, "GET", "/api/jobs", &[cookie], "").status, 401);
}

/// Everything that happens, from now on.
fn events(address: SocketAddr, cookie: &str) -> BufReader<TcpStream> {
    let mut stream = opened(address, "/api/events", &format!("cookie: {cookie}"));
    until(&mut stream, "what happens from now on");
    stream
}

/// A stream that was asked for with this header, and whose answer has begun.
fn opened(address: SocketAddr, path: &str, header: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{header}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut stream = BufReader::new(stream);
    until(&mut stream, "200 OK");
    stream
}

/// So long that only what never ends goes on, and not as long as `LIMIT`: what is sent to keep the connection alive ends no
/// waiting for what is read.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// It comes to its end.
#[expect(clippy::disallowed_methods, reason = "the agent is another process and lives in real time")]
fn ends(stream: &mut BufReader<TcpStream>, what: &str) {
    stream.get_ref().set_read_timeout(Some(ENDS_WITHIN)).unwrap();
    let begun = std::time::Instant::now();
    let mut part = [0; 4096];
    while stream.read(&mut part).unwrap_or_else(|error| panic!("{what} it goes on: {error}")) > 0 {
        assert!(begun.elapsed() < ENDS_WITHIN, "{what} it goes on");
    }
}

fn until(stream: &mut BufReader<TcpStream>, part: &str) {
    let mut line = String::new();
    while !line.contains(part) {
        line.clear();
        assert_ne!(stream.read_line(&mut line).unwrap(), 0, "it ended before {part}");
    }
}

#[test]
fn a_stream_ends_when_who_opened_it_is_not_let_in_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let (agent, address) = start(folder.path(), "");
    let (annas, csrf) = kept(&log_in(address, "anna", SECRET, &[]));
    let (others, _) = kept(&log_in(address, "anna", SECRET, &[]));
    let (bens, _) = kept(&log_in(address, "ben", "ben's password", &[]));
    let [mut hers, mut other, mut his] = [&annas, &others, &bens].map(|it| events(address, it));
    ask(address, "POST", "/api/logout", &[("cookie", &annas), ("x-csrf-token", &csrf)], "");
    ends(&mut hers, "after a logout");
    std::fs::write(folder.path().join("config.ini"), ini("").replace("\"ben\"", "\"cleo\"")).unwrap();
    agent.signal(Signal::SIGHUP);
    ends(&mut his, "after the user was removed");
    until(&mut other, "config.reloaded");
}

#[test]
fn a_stream_ends_with_the_time_of_its_session_and_with_the_token_that_opened_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.ini");
    let token = format!("{SECRET}-0123456789");
    let section = format!("[token \"ci\"]\ntoken = {token}\nrole = viewer\n");
    let long = "[job-local \"long\"]\nschedule = @yearly\nshell = true\n\
                command = while echo still; do sleep 0.05; done\n";
    let (agent, address) = start(folder.path(), "");
    let jobs = |more: &str| std::fs::write(&file, ini(more) + long + &section).unwrap();
    jobs("session-lifetime = 3s\n");
    agent.signal(Signal::SIGHUP);
    // It is told of a moment before it can be asked for.
    eventually("the job is there", || agent.get("/api/jobs/long").status == 200);
    let run = agent.run("long");
    let output = format!("/api/runs/{run}/output?follow=true");
    let bearer = format!("authorization: Bearer {token}");
    let by_token = |path: &str| opened(address, path, &bearer);
    let (mut events_by_token, mut output_by_token) = (by_token("/api/events"), by_token(&output));
    let mut by_hand = by_token("/api/events");

    let (annas, _) = kept(&log_in(address, "anna", SECRET, &[]));
    let cookie = format!("cookie: {annas}");
    let [mut hers, mut her_output] = ["/api/events", &*output].map(|it| opened(address, it, &cookie));
    ends(&mut hers, "after the session's time");
    ends(&mut her_output, "what is printed, after the session's time");
    // It was hers alone.
    until(&mut output_by_token, "still");

    std::fs::write(&file, ini("") + long).unwrap();
    agent.signal(Signal::SIGHUP);
    for (stream, what) in [
        (&mut events_by_token, "events, after the token was removed"),
        (&mut output_by_token, "what is printed, after the token was removed"),
        (&mut by_hand, "another one"),
    ] {
        ends(stream, what);
    }
    // The run had no part in it.
    assert_eq!(agent.get(&format!("/api/runs/{run}")).json()["phase"], "running");
}

#[test]
fn wrong_passwords_are_told_alike_and_too_many_from_one_place_wait() {
    let folder = tempfile::tempdir().unwrap();
    let (agent, address) = start(folder.path(), "trusted-proxies = 127.0.0.0/8\n");
    let from = |place: &str, user: &str, password: &str| {
        log_in(address, user, password, &[("x-forwarded-for", place)])
    };
    let wrong = from("192.0.2.1", "anna", "hunter2-canary-wrong").refusal(401);
    assert_eq!(from("192.0.2.1", "nobody", "x").refusal(401), wrong);
    let told = agent.wait_for(2, |it| it["event"] == "login.refused");
    assert_eq!((&told[0]["user"], &told[0]["from"]), (&"anna".into(), &"192.0.2.1".into()));
    assert!(told[1].get("user").is_none(), "what is typed as a name may be a password: {told:?}");
    for _ in 2..10 {
        from("192.0.2.1", "hunter2-canary", "x").refusal(401);
    }
    let refused = from("192.0.2.1", "anna", SECRET);
    assert!(refused.header("retry-after").parse::<u32>().unwrap() > 0);
    refused.refusal(429);
    kept(&from("192.0.2.2", "anna", SECRET));
    assert!(agent.wait_for(0, |_| true).iter().all(|it| !it.to_string().contains("canary")));

    // Who is believed says whether the way to him is secure, too.
    let secure = [("x-forwarded-for", "192.0.2.3"), ("x-forwarded-proto", "https")];
    let reply = log_in(address, "anna", SECRET, &secure);
    assert!(reply.header("set-cookie").ends_with("; Secure"), "{reply:?}");
}

#[test]
fn a_password_becomes_what_the_agent_takes() {
    let hashed = |input: &str, more: &[&str]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_watchbell"))
            .arg("hash-password")
            .args(more)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), output.stderr)
    };
    let (code, first, _) = hashed("hunter2-canary\n", &[]);
    let second = hashed("hunter2-canary", &[]).1;
    assert_ne!(first, second, "each has its own salt");
    for it in [&first, &second] {
        assert!(code == Some(0) && PasswordHash::parse(it.trim()).unwrap().is_of(SECRET), "{it}");
    }
    let json: serde_json::Value = serde_json::from_str(&hashed(SECRET, &["--output", "json"]).1).unwrap();
    assert!(PasswordHash::parse(json["hash"].as_str().unwrap()).unwrap().is_of(SECRET), "{json}");
    let (code, out, err) = hashed("\n", &["--output", "json"]);
    assert_eq!((code, &*out), (Some(1), ""));
    assert!(String::from_utf8(err).unwrap().contains("there is no password"));
    // One that would be cut is none.
    let longest = "a".repeat(4096);
    assert!(PasswordHash::parse(hashed(&format!("{longest}\r\n"), &[]).1.trim()).unwrap().is_of(&longest));
    let (code, out, err) = hashed(&format!("{}é", "a".repeat(4095)), &[]);
    assert_eq!((code, &*out), (Some(1), ""));
    assert!(String::from_utf8(err).unwrap().contains("longer than 4096 bytes"));
}

#[test]
fn each_change_that_is_asked_for_leaves_a_record_of_who_what_and_from_where() {
    let folder = tempfile::tempdir().unwrap();
    let (agent, address) = start(folder.path(), "trusted-proxies = 127.0.0.1\n");
    let far = ("x-forwarded-for", "192.0.2.9");
    let (cookie, csrf) = kept(&log_in(address, "anna", SECRET, &[far]));
    let mine = [("cookie", &*cookie), ("x-csrf-token", &*csrf), far];
    ask(address, "POST", "/api/jobs/hello/pause", &mine, "");
    ask(address, "POST", "/api/jobs/no%20body/run", &mine, "");
    ask(address, "GET", "/api/jobs", &mine, "");
    // What nobody may is none, whoever asks.
    ask(address, "POST", "/api/jobs/hello/run", &[], "");
    log_in(address, "anna", "hunter2-canary-wrong", &[]);
    ask(address, "POST", "/api/logout", &mine, "");
    agent.post("/api/jobs/hello/resume", "");
    let expected = [
        ("socket", None, "/api/jobs/hello/resume", 204),
        ("user anna", Some("192.0.2.9"), "/api/logout", 204),
        ("user anna", Some("192.0.2.9"), "/api/jobs/no%20body/run", 404),
        ("user anna", Some("192.0.2.9"), "/api/jobs/hello/pause", 200),
        ("user anna", Some("192.0.2.9"), "/api/login", 200),
    ];
    let told = agent.wait_for(expected.len(), |it| it["event"] == "audit.written");
    let list = agent.get("/api/audits").json();
    let kept = list["audits"].as_array().unwrap();
    assert_eq!((told.len(), kept.len()), (expected.len(), expected.len()), "{kept:#?}");
    for ((caller, from, path, status), (kept, told)) in
        expected.iter().zip(kept.iter().zip(told.iter().rev()))
    {
        for it in [kept, told] {
            assert_eq!((it["caller"].as_str(), it["path"].as_str()), (Some(*caller), Some(*path)));
            assert_eq!(
                (it["from"].as_str(), &it["status"], &it["method"]),
                (*from, &(*status).into(), &"POST".into())
            );
        }
    }
    assert!(!list.to_string().contains("canary"));
    let first = agent.get("/api/audits?limit=2").json();
    let next = agent.get(&format!("/api/audits?limit=9&cursor={}", first["next_cursor"])).json();
    assert_eq!(next["audits"].as_array().unwrap()[..], kept[2..]);
    assert!(next.get("next_cursor").is_none());
}
