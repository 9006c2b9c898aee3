//! Health that tells the truth: of an Engine that accepts and never answers too, and within a bounded time.

use std::{
    net::TcpListener,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{
    beside::{Beside, LIMIT, Reply},
    docs,
    silent_engine::SilentEngine,
};

/// What is promised.
const PROMISED: Duration = Duration::from_secs(10);

/// The table of the documentation: the fields of the answer as its schema has them.
pub fn table() -> String {
    let document = watchbell::http::api::described();
    let mut rows = Vec::new();
    fields(&document, "HealthReport", "", &mut rows);
    docs::table(&["field", "value", "meaning"], rows)
}

fn fields(document: &Value, schema: &str, within: &str, rows: &mut Vec<Vec<String>>) {
    let properties = document["components"]["schemas"][schema]["properties"].as_object().unwrap();
    for (name, field) in properties {
        let named = field["$ref"].as_str().and_then(|it| it.rsplit('/').next()).unwrap_or_default();
        let own = &document["components"]["schemas"][named];
        let kind = match (&field["type"], &own["enum"]) {
            (_, Value::Array(words)) => {
                words.iter().map(|it| format!("`{}`", it.as_str().unwrap())).collect::<Vec<_>>().join(", ")
            }
            (Value::Array(kinds), _) => {
                kinds.iter().map(|it| it.as_str().unwrap()).collect::<Vec<_>>().join(" or ")
            }
            (kind, _) => kind.as_str().unwrap_or("object").to_owned(),
        };
        let meaning = field["description"].as_str().unwrap_or_default().replace('\n', " ");
        rows.push(vec![format!("`{within}{name}`"), kind, meaning]);
        if own["properties"].is_object() {
            fields(document, named, &format!("{within}{name}/"), rows);
        }
    }
}

fn start(folder: &Path, engine: &SilentEngine, ini: &str, arguments: &[&str]) -> Beside {
    std::fs::write(folder.join("config.ini"), ini).unwrap();
    Beside::start_as_it_is(folder, &[&["--docker-host", &engine.host()], arguments].concat())
}

#[expect(clippy::disallowed_methods, reason = "the agent is another process and lives in real time")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the agent is another process and lives in real time")]
fn a_moment() {
    std::thread::sleep(Duration::from_millis(50));
}

/// What `/health` says, sooner than promised.
fn health(agent: &Beside) -> (u16, Value) {
    let begun = now();
    let reply: Reply = agent.get("/health");
    assert!(begun.elapsed() < PROMISED, "it took {:?}", begun.elapsed());
    (reply.status, reply.json())
}

/// Exit code and words of `watchbell healthcheck`.
fn healthcheck(folder: &Path) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_watchbell"))
        .args(["healthcheck", "--state-dir"])
        .arg(folder)
        .env_clear()
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn an_engine_that_never_answers_from_the_start_is_down_and_the_agent_lives() {
    let folder = tempfile::tempdir().unwrap();
    let engine = SilentEngine::at(&folder.path().join("engine.sock"));
    engine.silent(true);
    let agent = start(folder.path(), &engine, "", &[]);
    let (status, report) = health(&agent);
    assert_eq!((status, &report["status"]), (503, &"down".into()), "{report}");
    assert_eq!([&report["engine"]["state"], &report["engine"]["status"]], ["waiting", "down"]);
    assert_eq!([&report["agent"]["status"], &report["history"]["status"]], ["ok", "ok"], "{report}");
    assert!(report["events"]["seconds_ago"].is_null() && report["engine"]["listed_seconds_ago"].is_null());
    assert_eq!((agent.get("/live").status, agent.get("/ready").status), (200, 503));
    let (code, said) = healthcheck(folder.path());
    assert!(code == Some(1) && said.contains("engine: it has not answered yet"), "{said}");
}

/// Mistake 51: `/health` was always healthy.
#[test]
fn an_engine_that_answers_no_more_is_down_within_ten_seconds_and_the_agent_lives() {
    let folder = tempfile::tempdir().unwrap();
    let engine = SilentEngine::at(&folder.path().join("engine.sock"));
    let agent = start(folder.path(), &engine, "", &[]);
    agent.wait_for(1, |it| it["event"] == "agent.ready");
    let (status, report) = health(&agent);
    assert_eq!((status, &report["status"]), (200, &"ok".into()), "{report}");
    assert_eq!([&report["engine"]["state"], &report["engine"]["version"]], ["connected", "99.9"]);
    assert_eq!(agent.get("/ready").status, 200);
    for (part, age) in
        [("engine", "listed_seconds_ago"), ("events", "seconds_ago"), ("agent", "reconciled_seconds_ago")]
    {
        assert!(report[part][age].as_f64().is_some_and(|it| it >= 0.0), "{part}: {report}");
    }
    let (code, said) = healthcheck(folder.path());
    assert!(code == Some(0) && said.starts_with("ok: agent ok, engine connected, version 99.9,"), "{said}");

    engine.silent(true);
    // What was answered a moment ago holds for a moment.
    let begun = now();
    let report = loop {
        let (status, report) = health(&agent);
        if status == 503 {
            break report;
        }
        assert!(begun.elapsed() < PROMISED, "{report}");
        a_moment();
    };
    assert!(begun.elapsed() < PROMISED, "it took {:?}", begun.elapsed());
    assert_eq!([&report["status"], &report["engine"]["state"]], ["down", "silent"], "{report}");
    assert_eq!(agent.get("/live").status, 200);
    // However many ask.
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| assert_eq!(health(&agent).0, 503));
        }
    });
    let (code, said) = healthcheck(folder.path());
    assert!(code == Some(1) && said.contains("engine: it accepts and has not answered"), "{said}");

    engine.silent(false);
    while health(&agent).0 != 200 {
        assert!(begun.elapsed() < LIMIT, "it is not well again");
        a_moment();
    }
}

#[test]
fn what_is_to_be_mended_while_jobs_run_is_degraded_and_no_reason_to_start_the_agent_anew() {
    let folder = tempfile::tempdir().unwrap();
    let engine = SilentEngine::at(&folder.path().join("engine.sock")).without_events();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    // No store can be made where there is a directory.
    std::fs::create_dir(folder.path().join("watchbell.db")).unwrap();
    let ini = "[job-local \"bad\"]\nschedule = now and then\ncommand = true\n";
    let agent = start(folder.path(), &engine, ini, &["--listen", &listen]);
    agent.wait_for(1, |it| it["event"] == "agent.ready");
    agent.wait_for(1, |it| it["event"] == "history.failing");
    agent.wait_for(1, |it| it.to_string().contains("nobody answers at"));
    agent.wait_for_event("job.rejected", "bad");
    let begun = now();
    let (status, report) = loop {
        let (status, report) = health(&agent);
        if report["events"]["status"] == "degraded" {
            break (status, report);
        }
        // It was only just asked for.
        assert!(begun.elapsed() < LIMIT, "{report}");
        a_moment();
    };
    assert_eq!((status, &report["status"]), (200, &"degraded".into()), "{report}");
    for part in ["events", "history", "api", "problems"] {
        assert_eq!(report[part]["status"], "degraded", "{part}: {report}");
        assert!(report[part]["reason"].is_string(), "{part}: {report}");
    }
    assert_eq!([&report["agent"]["status"], &report["engine"]["status"]], ["ok", "ok"], "{report}");
    let all = agent.get("/api/problems").json()["problems"].as_array().unwrap().clone();
    let errors = all.iter().filter(|it| it["severity"] == "error").count();
    assert_eq!(report["problems"]["errors"], errors);
    assert_eq!(report["problems"]["warnings"], all.len() - errors);
    let (code, said) = healthcheck(folder.path());
    assert!(code == Some(0) && said.starts_with("degraded: agent ok"), "{said}");
    assert!(said.contains("\nevents: ") && said.contains("\nhistory: "), "{said}");
}
