//! A reload that leaves nobody who has to say who he is.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use nix::sys::signal::Signal;

use super::SECRET;
use crate::support::beside::{Beside, LIMIT, status_at};

const INI: &str = "[job-local \"hello\"]\nschedule = @yearly\ncommand = echo hello\n";

fn with_token() -> String {
    format!("{INI}[token \"ci\"]\ntoken = {SECRET}-0123456789\nrole = viewer\n")
}

/// An agent that listens there, and what makes this its file.
fn start(folder: &std::path::Path, listen: &str) -> (Beside, impl Fn(&Beside, &str)) {
    let file = folder.join("config.ini");
    std::fs::write(&file, with_token()).unwrap();
    let agent = Beside::start_as_it_is(folder, &["--listen", listen]);
    agent.wait_for(1, |it| it["event"] == "job.added");
    let reloads = std::cell::Cell::new(0);
    let reload = move |agent: &Beside, text: &str| {
        std::fs::write(&file, text).unwrap();
        agent.signal(Signal::SIGHUP);
        reloads.set(reloads.get() + 1);
        agent.wait_for(reloads.get(), |it| it["event"] == "config.reloaded");
    };
    (agent, reload)
}

fn problems(agent: &Beside) -> Vec<serde_json::Value> {
    agent.get("/api/problems").json()["problems"].as_array().unwrap().clone()
}

#[test]
fn that_a_reload_takes_the_last_token_away_is_told_until_there_is_one_again() {
    let folder = tempfile::tempdir().unwrap();
    let (agent, reload) = start(folder.path(), "127.0.0.1:0");
    let address = agent.address(1);
    let asked = || status_at(address, ("GET", "/api/jobs"), &[]);
    assert_eq!((asked(), problems(&agent).len()), (401, 0));

    // As by a slip of `>` for `>>`.
    reload(&agent, "");
    let told = agent.wait_for(1, |it| it["event"] == "config.doubtful").remove(0);
    assert_eq!((&told["level"], &told["origin"]), (&"warn".into(), &"setting listen".into()), "{told}");
    let reason = told["reason"].as_str().unwrap();
    for part in ["the last token and the last user are gone", "the role operator", "admin-token-file"] {
        assert!(reason.contains(part), "{reason}");
    }
    let found = problems(&agent);
    assert_eq!(
        (found.len(), &found[0]["severity"], &found[0]["reason"]),
        (1, &"warning".into(), &told["reason"])
    );
    assert_eq!(asked(), 200);

    reload(&agent, &with_token());
    assert_eq!((asked(), problems(&agent)), (401, vec![]));
    assert_eq!(agent.wait_for(1, |it| it["event"] == "config.doubtful").len(), 1, "it was told once");
    // Whoever starts it like that means it.
    reload(&agent, INI);
    agent.end(Signal::SIGTERM);
    let agent = Beside::start_as_it_is(folder.path(), &["--listen", "127.0.0.1:0"]);
    assert_eq!(status_at(agent.address(1), ("GET", "/api/jobs"), &[]), 200);
    assert_eq!(problems(&agent), [] as [serde_json::Value; 0]);
}

#[test]
fn where_others_reach_it_nobody_is_answered_once_the_last_token_has_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (agent, reload) = start(folder.path(), "0.0.0.0:0");
    let address = SocketAddr::from(([127, 0, 0, 1], agent.address(1).port()));
    let mut kept = TcpStream::connect(address).unwrap();
    kept.set_read_timeout(Some(LIMIT)).unwrap();
    let ask = |kept: &mut TcpStream| kept.write_all(b"GET /api/jobs HTTP/1.1\r\nhost: localhost\r\n\r\n");
    ask(&mut kept).unwrap();
    let mut answer = [0; 12];
    kept.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");

    reload(&agent, INI);
    let told = agent.wait_for(1, |it| it["event"] == "config.rejected").remove(0);
    assert!(told["reason"].as_str().unwrap().contains("does not listen on 0.0.0.0:0"), "{told}");
    let found = problems(&agent);
    assert_eq!((found.len(), &found[0]["reason"]), (1, &told["reason"]), "one of both is enough: {found:?}");
    // What was open is closed, and what it asks for goes nowhere.
    let _ = ask(&mut kept);
    let mut rest = Vec::new();
    let _ = kept.read_to_end(&mut rest);
    assert!(!String::from_utf8_lossy(&rest).contains(" 200 "), "{}", String::from_utf8_lossy(&rest));
    assert!(TcpStream::connect(address).is_err());

    reload(&agent, &with_token());
    let port = agent.address(2).port();
    assert_eq!(status_at(SocketAddr::from(([127, 0, 0, 1], port)), ("GET", "/api/jobs"), &[]), 401);
    assert_eq!(problems(&agent), [] as [serde_json::Value; 0]);
}
