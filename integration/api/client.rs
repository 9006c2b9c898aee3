//! The commands that ask an agent, asking one elsewhere: at an address, with a token, over TLS.

use std::{path::Path, process::Command};

use super::SECRET;
use crate::support::{
    beside::Beside,
    certificates::{Authority, self_signed},
};

const INI: &str = "[job-local \"hello\"]\nschedule = @yearly\ncommand = sh -c \"echo hello; exit 3\"\n\
                   [job-local \"long\"]\nschedule = @yearly\ncommand = sleep 600\n";

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

/// What a command says that knows the agent only by its address.
fn said(url: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_watchbell"))
        .args(arguments)
        .args(["--url", url])
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(!out.contains(SECRET) && !err.contains(SECRET), "{out} {err}");
    Said { code: output.status.code(), out, err }
}

fn token(role: &str) -> String {
    format!("{SECRET}-{role}-0123456789")
}

fn start(folder: &Path, more: &str) -> (Beside, String) {
    let tokens = format!("viewer-token = {}\noperator-token = {}\n", token("viewer"), token("operator"));
    std::fs::write(folder.join("config.ini"), format!("[global]\n{tokens}{more}{INI}")).unwrap();
    std::fs::write(folder.join("token"), token("operator") + "\n").unwrap();
    let agent = Beside::start_as_it_is(folder, &["--listen", "127.0.0.1:0"]);
    agent.wait_for(2, |it| it["event"] == "job.added");
    let port = agent.address(1).port();
    (agent, format!("localhost:{port}"))
}

#[test]
fn the_commands_ask_an_agent_elsewhere_with_what_their_token_may() {
    let folder = tempfile::tempdir().unwrap();
    let (agent, address) = start(folder.path(), "");
    let url = format!("http://{address}");
    let file = folder.path().join("token").display().to_string();
    let operator = |arguments: &[&str]| said(&url, &[arguments, &["--token-file", &file]].concat(), &[]);
    let viewer = |arguments: &[&str]| said(&url, arguments, &[("WATCHBELL_TOKEN", &token("viewer"))]);

    let jobs = viewer(&["jobs"]);
    assert!(jobs.code == Some(0) && jobs.out.contains("hello") && jobs.out.contains("long"), "{}", jobs.err);
    assert!(viewer(&["show", "hello"]).out.contains("@yearly"));
    let refused = viewer(&["run", "hello"]);
    assert!(
        refused.code == Some(1) && refused.err.contains("this is for the role operator"),
        "{}",
        refused.err
    );

    let run = operator(&["run", "hello", "--wait"]);
    assert_eq!((run.code, &*run.out), (Some(3), "hello\n"), "{}", run.err);
    let history = viewer(&["history", "hello", "--output", "json"]);
    let history: serde_json::Value = serde_json::from_str(&history.out).unwrap();
    let id = history["runs"][0]["run"].as_str().unwrap();
    assert_eq!(viewer(&["logs", id]).out, "hello\n");
    assert_eq!(viewer(&["logs", id, "--follow"]).out, "hello\n");
    assert_eq!(operator(&["pause", "hello"]).code, Some(0));
    assert!(viewer(&["jobs", "--state", "paused"]).out.contains("hello"));
    assert_eq!(operator(&["resume", "hello"]).code, Some(0));
    let long = agent.run("long");
    assert_eq!(operator(&["stop", &long]).code, Some(0));
    assert_eq!(viewer(&["problems"]).code, Some(0));
    let told =
        agent.wait_for(4, |it| it["event"] == "audit.written" && it["caller"] == "token operator-token");
    assert_eq!(told[0]["from"], "127.0.0.1");
}

#[test]
fn who_has_no_token_and_who_asks_where_nobody_is_hears_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let (_agent, address) = start(folder.path(), "");
    let url = format!("http://{address}");
    for variables in [&[][..], &[("WATCHBELL_TOKEN", "hunter2-canary-of-somebody-else")]] {
        let it = said(&url, &["jobs"], variables);
        assert!(it.code == Some(1) && it.err.contains("--token-file"), "{}", it.err);
    }
    let missing = said(&url, &["jobs", "--token-file", "/nowhere"], &[]);
    assert!(missing.err.contains("--token-file /nowhere: the file cannot be read"), "{}", missing.err);
    let nobody = said("http://127.0.0.1:1", &["history"], &[]);
    assert!(nobody.err.contains("no agent answers at http://127.0.0.1:1"), "{}", nobody.err);
    assert!(!nobody.err.contains("its history has"), "the history here is another one's: {}", nobody.err);
    let wrong = said("http://user:hunter2-canary@cron", &["jobs"], &[]);
    assert!(wrong.code == Some(1) && wrong.err.contains("--url is no address"), "{}", wrong.err);
    let backup = said(&url, &["backup", "copy.db"], &[]);
    assert!(backup.code == Some(1) && backup.err.contains("without --url"), "{}", backup.err);
    // By the environment alone.
    let output = Command::new(env!("CARGO_BIN_EXE_watchbell"))
        .arg("jobs")
        .env_clear()
        .envs([("WATCHBELL_URL", &*url), ("WATCHBELL_TOKEN", &*token("viewer"))])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("hello"));
}

#[test]
fn over_tls_only_an_agent_whose_certificate_is_right_is_shown_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, other) = (Authority::new(), Authority::new());
    let certified = authority.certify(&["localhost"]);
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (cert, key) = (put("cert.pem", &certified.certificate), put("key.pem", &certified.key));
    let (ours, others) = (put("ca.pem", &authority.pem()), put("other.pem", &other.pem()));
    let (_agent, address) = start(folder.path(), &format!("tls-cert = {cert}\ntls-key = {key}\n"));
    let url = format!("https://{address}");
    let shown = [("WATCHBELL_TOKEN", &*token("viewer"))];
    let jobs = said(&url, &["jobs", "--tls-ca", &ours], &shown);
    assert!(jobs.code == Some(0) && jobs.out.contains("hello"), "{}", jobs.err);
    for refused in [
        said(&url, &["jobs", "--tls-ca", &others], &shown),
        said(&url.replace("localhost", "127.0.0.1"), &["jobs", "--tls-ca", &ours], &shown),
    ] {
        assert!(refused.code == Some(1) && refused.err.contains("certificate"), "{}", refused.err);
    }
    let nobody = said(&url, &["jobs", "--tls-ca", "/nowhere.pem"], &shown);
    assert!(nobody.err.contains("--tls-ca /nowhere.pem"), "{}", nobody.err);
}

#[test]
fn a_certificate_that_is_named_itself_is_believed_if_its_name_and_its_time_are_right() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let shown = [("WATCHBELL_TOKEN", &*token("viewer"))];
    let authority = Authority::new();
    let here = &["localhost"][..];
    for (what, certified, refused) in [
        ("its own authority", self_signed(here, 2999, true), None),
        ("self-signed", self_signed(here, 2999, false), None),
        ("of an authority that is not named", authority.certify(here), None),
        ("its own authority, expired", self_signed(here, 2001, true), Some("expired")),
        ("expired", authority.certify_until(here, 2001), Some("expired")),
        ("for another name", self_signed(&["elsewhere"], 2999, true), Some("for another name")),
        ("of an authority, for another name", authority.certify(&["elsewhere"]), Some("for another name")),
    ] {
        let (cert, key) = (put("cert.pem", &certified.certificate), put("key.pem", &certified.key));
        let (_agent, address) = start(folder.path(), &format!("tls-cert = {cert}\ntls-key = {key}\n"));
        let url = format!("https://{address}");
        let named = said(&url, &["jobs", "--tls-ca", &cert], &shown);
        match refused {
            None => assert!(named.code == Some(0) && named.out.contains("hello"), "{what}: {}", named.err),
            Some(part) => assert!(named.code == Some(1) && named.err.contains(part), "{what}: {}", named.err),
        }
        // Of the same name and as its own authority is not the same.
        let other = put("other.pem", &self_signed(here, 2999, true).certificate);
        let stranger = said(&url, &["jobs", "--tls-ca", &other], &shown);
        assert_eq!(stranger.code, Some(1), "{what}");
        if refused.is_none() {
            assert!(stranger.err.contains("with the certificate itself, with --tls-ca"), "{}", stranger.err);
        }
    }
}

#[test]
fn who_is_asked_in_the_wrong_way_is_told_apart_from_who_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let certified = self_signed(&["localhost"], 2999, true);
    let put = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let cert = put("cert.pem", certified.certificate.as_bytes());
    let key = put("key.pem", certified.key.as_bytes());
    let (plain, secret) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_plain, in_the_clear) = start(plain.path(), "");
    let (_secret, over_tls) = start(secret.path(), &format!("tls-cert = {cert}\ntls-key = {key}\n"));
    let shown = [("WATCHBELL_TOKEN", &*token("viewer"))];
    let asked = |url: &str, arguments: &[&str]| {
        let it = said(url, arguments, &shown);
        assert_eq!((it.code, &*it.out), (Some(1), ""), "{}", it.err);
        it.err
    };
    let mend = asked(&format!("https://{in_the_clear}"), &["jobs", "--tls-ca", &cert]);
    assert!(mend.contains(&format!("not in TLS: if it is meant to, ask http://{in_the_clear}")), "{mend}");
    let mend = asked(&format!("http://{over_tls}"), &["jobs"]);
    assert!(mend.contains(&format!("if it speaks TLS there, ask https://{over_tls}")), "{mend}");

    let url = format!("https://{over_tls}");
    let none = put("none.pem", b"nothing of that sort\n");
    for (file, part) in [(&*none, "it holds no certificate in PEM"), ("/nowhere.pem", "it cannot be read")] {
        let mend = asked(&url, &["jobs", "--tls-ca", file]);
        assert!(mend.contains(&format!("--tls-ca {file}: {part}")) && mend.contains("name a file"), "{mend}");
    }
    for (content, part) in [
        (&b""[..], "it holds no token: write one line"),
        (b"two lines\nhunter2-canary\n", "it holds no token"),
        ("hunter2-canary-\u{e9}".as_bytes(), "it holds no token"),
        (b"\xff\xfe", "the file is not UTF-8"),
    ] {
        let file = put("token", content);
        let mend = asked(&url, &["jobs", "--tls-ca", &cert, "--token-file", &file]);
        assert!(mend.contains(&format!("--token-file {file}: {part}")), "{mend}");
    }
    let mend = asked(&url, &["jobs", "--tls-ca", &cert, "--token-file", "/nowhere/token"]);
    assert!(mend.contains("--token-file /nowhere/token: the file cannot be read: No such file"), "{mend}");
    let sent = said(&url, &["jobs", "--tls-ca", &cert], &[("WATCHBELL_TOKEN", "hunter2 canary")]);
    assert!(sent.code == Some(1) && sent.err.contains("WATCHBELL_TOKEN: it holds no token"), "{}", sent.err);

    for arguments in [["show", ""], ["run", ""], ["pause", ""], ["resume", ""], ["stop", ""], ["logs", ""]] {
        let it = said(&url, &arguments, &shown);
        assert!(
            it.code == Some(2) && it.err.contains("a value is required for"),
            "{arguments:?}: {}",
            it.err
        );
    }
}
