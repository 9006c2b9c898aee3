//! Who may what: each route as each caller, and that what lets someone in is shown nowhere.

use std::{net::SocketAddr, path::Path};

use nix::sys::signal::Signal;
use watchbell::{
    http::rights::{Needs, RIGHTS},
    settings::access::Role,
};

use super::{
    SECRET,
    users::{hash, kept, log_in},
};
use crate::{
    spec,
    support::beside::{Beside, ask_at, status_at},
};

const INI: &str = "[job-local \"hello\"]\nschedule = @yearly\ncommand = echo hello\n";

/// A token for a role, which is in the file of a secret or in the environment.
fn token(role: Role) -> String {
    format!("{SECRET}-{}-0123456789", role.as_str())
}

/// The viewer's token is in a section with a file, the operator's in a section, and the admin's in a variable.
fn start(folder: &Path, more: &str) -> (Beside, SocketAddr) {
    let file = folder.join("viewer");
    std::fs::write(&file, token(Role::Viewer) + "\n").unwrap();
    let ini = format!(
        "[global]\n{more}[token \"looker\"]\ntoken-file = {}\nrole = viewer\n[token \"cook\"]\ntoken = {}\n\
         role = operator\n[user \"root\"]\npassword-hash = {}\nrole = admin\n{INI}",
        file.display(),
        token(Role::Operator),
        hash(SECRET)
    );
    std::fs::write(folder.join("config.ini"), ini).unwrap();
    let admin = token(Role::Admin);
    // An address that others reach may be listened on now.
    let flags = ["--listen", "0.0.0.0:0"];
    let agent = Beside::start_with(folder, &flags, &[("WATCHBELL_ADMIN_TOKEN", &admin)]);
    agent.wait_for(1, |it| it["event"] == "job.added");
    let port = agent.address(1).port();
    (agent, SocketAddr::from(([127, 0, 0, 1], port)))
}

fn asks(address: SocketAddr, method: &str, path: &str, token: Option<&str>, more: &[(&str, &str)]) -> u16 {
    let shown = token.map(|it| format!("Bearer {it}"));
    let shown = shown.as_deref().map(|it| ("authorization", it));
    status_at(address, (method, path), &[&shown.into_iter().collect::<Vec<_>>()[..], more].concat())
}

#[test]
fn every_route_is_for_those_whom_the_table_names_and_for_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let (agent, address) = start(folder.path(), "");
    let (session, csrf) = kept(&log_in(address, "root", SECRET, &[]));
    // One that was over as soon as it began.
    let config = folder.path().join("config.ini");
    let ini = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, ini.replace("[global]\n", "[global]\nsession-lifetime = 1ms\n")).unwrap();
    agent.signal(Signal::SIGHUP);
    agent.wait_for(1, |it| it["event"] == "config.reloaded");
    let (over, over_csrf) = kept(&log_in(address, "root", SECRET, &[]));
    let foreign = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
    let mut wrong = Vec::new();
    for right in RIGHTS {
        let method = right.method.as_str();
        let path = right.path.replace("{name}", "nobody").replace("{id}", "7ZZZ");
        let may = |role: Role| match right.needs {
            Needs::Probe | Needs::Nothing => true,
            Needs::Role(least) => role >= least,
        };
        let open = !matches!(right.needs, Needs::Role(_));
        let mut expect = |who: &str, status: u16, expected: Result<(), u16>| {
            let right = match expected {
                Ok(()) => !matches!(status, 401 | 403 | 405 | 500..503),
                Err(expected) => status == expected,
            };
            if !right {
                wrong.push(format!("{method} {path} as {who}: {status} and not {expected:?}"));
            }
        };
        let stranger = if open { Ok(()) } else { Err(401) };
        expect("nobody", asks(address, method, &path, None, &[]), stranger);
        expect("a stranger", asks(address, method, &path, Some("wrong-token-0123456789"), &[]), stranger);
        for role in Role::ALL {
            let status = asks(address, method, &path, Some(&token(role)), &[]);
            expect(role.as_str(), status, if may(role) { Ok(()) } else { Err(403) });
        }
        let status = asks(address, method, &path, Some(&token(Role::Admin)), &foreign);
        expect("a page of another site", status, if method == "GET" { Ok(()) } else { Err(403) });
        let browser = |cookie: &str, csrf: &str| {
            asks(address, method, &path, None, &[("cookie", cookie), ("x-csrf-token", csrf)])
        };
        let forged = if method == "GET" || open { Ok(()) } else { Err(403) };
        expect("a session with a wrong token", browser(&session, &over_csrf), forged);
        expect("a session that is over", browser(&over, &over_csrf), stranger);
        if path != "/api/logout" {
            expect("a session", browser(&session, &csrf), Ok(()));
        }
    }
    spec::none(&wrong);
    // Not what there is, nor what can be done with it, is for strangers.
    for (method, path) in [("GET", "/api/nothing"), ("DELETE", "/api/jobs"), ("POST", "/live")] {
        assert_eq!(asks(address, method, path, None, &[]), 401, "{method} {path}");
    }
    assert_eq!(asks(address, "GET", "/api/nothing", Some(&token(Role::Viewer)), &[]), 404);
    assert_eq!(asks(address, "DELETE", "/api/jobs", Some(&token(Role::Viewer)), &[]), 405);
    let told = ask_at(address, ("GET", "/api/jobs"), "localhost", &[], "");
    assert_eq!(told.header("www-authenticate"), "Bearer");
    told.refusal(401);
    // On the socket nobody has to say who he is.
    assert_eq!(agent.get("/api/jobs").status, 200);
}

/// The table is whole: what the description has is in it, with the role that the description has.
#[test]
fn every_operation_of_the_description_is_in_the_table() {
    let document = watchbell::http::api::described();
    let mut missing = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let is = |it: &&watchbell::http::rights::Right| {
                it.path == path && it.method.as_str().eq_ignore_ascii_case(method)
            };
            let role = RIGHTS.iter().find(is).and_then(|it| match it.needs {
                Needs::Role(role) => Some(role.as_str()),
                Needs::Probe | Needs::Nothing => None,
            });
            if role != operation["security"][0]["bearer"][0].as_str() {
                missing.push(format!("{method} {path}: {role:?}"));
            }
        }
    }
    spec::none(&missing);
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
}

#[test]
fn a_token_is_shown_nowhere_and_changes_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let (agent, address) = start(folder.path(), "viewer-token = hunter2-canary-of-the-file\n");
    let viewer = token(Role::Viewer);
    assert_eq!(asks(address, "GET", "/api/jobs", Some(&viewer), &[]), 200);
    assert_eq!(asks(address, "GET", "/api/jobs", Some("hunter2-canary-of-the-file"), &[]), 200);
    for path in ["/api/config", "/api/problems", "/api/jobs/hello", "/metrics", "/health"] {
        assert!(!agent.get(path).text().contains(SECRET), "{path}");
    }
    let config = agent.get("/api/config").json();
    let row = |name: &str| {
        let rows = config["settings"].as_array().unwrap();
        rows.iter().find(|it| it["name"] == name).unwrap().to_string()
    };
    assert!(row("admin-token").contains('…') && row("admin-token").contains("WATCHBELL_ADMIN_TOKEN"));
    assert!(row("operator-token").contains("none"));

    let caller = |section: &str, name: &str, role: &str| {
        let rows = config["callers"].as_array().unwrap();
        let row = rows.iter().find(|it| it["section"] == section && it["name"] == name).unwrap();
        row["role"] == role && row["origin"].as_str().unwrap().contains("config.ini:")
    };
    assert!(caller("token", "looker", "viewer") && caller("token", "cook", "operator"), "{config}");
    assert!(caller("user", "root", "admin"), "{config}");
    assert_eq!(config["callers"].as_array().unwrap().len(), 3, "the settings are not among them: {config}");
    assert!(!config.to_string().contains("argon2"), "{config}");

    std::fs::write(folder.path().join("viewer"), format!("{SECRET}-another-token")).unwrap();
    agent.signal(Signal::SIGHUP);
    agent.wait_for(1, |it| it["event"] == "config.reloaded");
    assert_eq!(asks(address, "GET", "/api/jobs", Some(&format!("{SECRET}-another-token")), &[]), 200);
    assert_eq!(asks(address, "GET", "/api/jobs", Some(&viewer), &[]), 401);

    // What cannot be a token changes nothing, and is not repeated.
    std::fs::write(folder.path().join("viewer"), "hunter2-canary").unwrap();
    agent.signal(Signal::SIGHUP);
    let told = agent.wait_for(1, |it| it["event"] == "config.rejected").remove(0);
    assert!(told["reason"].as_str().unwrap().contains("too short"), "{told}");
    assert_eq!(asks(address, "GET", "/api/jobs", Some(&format!("{SECRET}-another-token")), &[]), 200);
    let all = agent.wait_for(0, |_| true);
    assert!(all.iter().all(|it| !it.to_string().contains(SECRET)), "{all:#?}");
}

#[test]
fn health_and_metrics_are_for_everyone_unless_the_operator_says_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let (_agent, address) = start(folder.path(), "metrics-auth = yes\n");
    for path in ["/health", "/live", "/ready", "/metrics"] {
        assert_eq!(asks(address, "GET", path, None, &[]), 401, "{path}");
        assert_ne!(asks(address, "GET", path, Some(&token(Role::Viewer)), &[]), 401, "{path}");
    }
}

#[test]
fn who_need_not_say_who_he_is_operates_and_makes_no_jobs_unless_the_operator_says_so() {
    for (settings, status) in [("", 403), ("insecure-no-auth = true\n", 201)] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.ini"), format!("[global]\n{settings}{INI}")).unwrap();
        let agent = Beside::start_as_it_is(folder.path(), &["--listen", "127.0.0.1:0"]);
        agent.wait_for(1, |it| it["event"] == "job.added");
        let address = agent.address(1);
        assert_eq!(asks(address, "POST", "/api/jobs/hello/run", None, &[]), 202);
        let job = r#"{"name":"made","kind":"local","parameters":{"schedule":"@yearly","command":"true"}}"#;
        let json = [("content-type", "application/json")];
        let made = ask_at(address, ("POST", "/api/jobs"), "localhost", &json, job);
        assert_eq!(made.status, status, "{}", made.text());
        if status == 403 {
            assert!(made.refusal(403).contains("set a token or a user"));
            assert_eq!(asks(address, "GET", "/api/audits", None, &[]), 403);
            // The socket is the operator's.
            assert_eq!(agent.post("/api/jobs", job).status, 201);
        }
    }
}

#[test]
fn what_the_agent_was_given_for_itself_reaches_no_job() {
    let folder = tempfile::tempdir().unwrap();
    let ini = "[job-local \"shows\"]\nschedule = @yearly\ncommand = env\n\
         environment = WATCHBELL_OWN=of-the-job\nenvironment = OTEL_EXPORTER_OTLP_METRICS_HEADERS=of-the-job\n";
    std::fs::write(folder.path().join("config.ini"), ini).unwrap();
    let (admin, place) = (token(Role::Admin), folder.path().display().to_string());
    let headers = format!("authorization={SECRET}");
    let variables = [
        ("WATCHBELL_ADMIN_TOKEN", &*admin),
        ("WATCHBELL_STATE_DIR", &*place),
        ("OTEL_EXPORTER_OTLP_HEADERS", &*headers),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", &*headers),
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", &*headers),
        ("OTEL_SERVICE_NAME", "ours"),
        ("OTHER", "other"),
    ];
    let agent = Beside::start_with(folder.path(), &["--listen", "none"], &variables);
    let run = agent.run_to_its_end("shows");
    let printed = agent.get(&format!("/api/runs/{run}/output")).text();
    for there in [
        "WATCHBELL_OWN=of-the-job",
        &format!("WATCHBELL_STATE_DIR={place}"),
        "OTHER=other",
        "OTEL_SERVICE_NAME=ours",
        "OTEL_EXPORTER_OTLP_METRICS_HEADERS=of-the-job",
    ] {
        assert!(printed.lines().any(|line| line == there), "{there}: {printed}");
    }
    assert!(
        !printed.contains("ADMIN_TOKEN") && !printed.contains("OTLP_HEADERS") && !printed.contains(SECRET),
        "{printed}"
    );
}

#[test]
fn what_is_nothing_fills_no_audit_record() {
    let folder = tempfile::tempdir().unwrap();
    let (agent, address) = start(folder.path(), "");
    let viewer = token(Role::Viewer);
    let long = format!("/api/{}", "x".repeat(5_000));
    assert_eq!(asks(address, "POST", &long, Some(&viewer), &[]), 404);
    assert_eq!(asks(address, "PATCH", "/api/jobs/hello", Some(&viewer), &[]), 405);
    let operator = token(Role::Operator);
    let name = "y".repeat(5_000);
    assert_eq!(asks(address, "POST", &format!("/api/jobs/{name}/pause"), Some(&operator), &[]), 404);
    assert_eq!(asks(address, "POST", "/api/jobs/hello/pause", Some(&operator), &[]), 200);
    let told = agent.wait_for(2, |it| it["event"] == "audit.written");
    let paths: Vec<&str> = told.iter().map(|it| it["path"].as_str().unwrap()).collect();
    assert!(paths.len() == 2 && paths[0].len() == 256 && paths[1] == "/api/jobs/hello/pause", "{paths:?}");
}

/// Mistake 53: the UI's own polling hit its rate limit.
#[test]
fn who_asks_often_is_answered_as_often_also_while_passwords_are_tried_from_his_address() {
    let folder = tempfile::tempdir().unwrap();
    let (_agent, address) = start(folder.path(), "");
    let viewer = token(Role::Viewer);
    let (session, _) = kept(&log_in(address, "root", SECRET, &[]));
    let mut refused = 0;
    for _ in 0..12 {
        refused = log_in(address, "root", "wrong", &[]).status;
    }
    assert_eq!(refused, 429, "passwords are not tried for ever");
    for path in ["/api/jobs", "/api/problems", "/live", "/api/runs"] {
        for _ in 0..50 {
            assert_eq!(asks(address, "GET", path, Some(&viewer), &[]), 200, "{path}");
            assert_eq!(asks(address, "GET", path, None, &[("cookie", &session)]), 200, "{path}");
        }
    }
}
