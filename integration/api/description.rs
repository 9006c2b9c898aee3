//! The description of the API is the API: each operation of it is asked, and answers as it says.

use serde_json::Value;

use super::SECRET;
use crate::{
    spec,
    support::{
        beside::{Beside, Reply},
        docs,
        expect::{self, root},
    },
};

const INI: &str = "[job-local \"hello\"]\nschedule = @yearly\ncommand = sh -c \"echo out; echo err >&2\"\n\
                   environment = TOKEN=hunter2-canary\nnotify = told\n\
                   [notify \"told\"]\ntype = exec\ncommand = true\n\
                   [notify \"nowhere\"]\ntype = webhook\nurl = http://127.0.0.1:9/hunter2-canary\n\
                   [job-local \"long\"]\nschedule = @yearly\ncommand = sleep 600\n\
                   [job-local \"off\"]\nschedule = @yearly\ncommand = true\nenabled = no\n\
                   [job-local \"bad\"] \nschedule = every day\ncommand = true\ncolour = red\n# rejected\n";

const PARAMETERS: &str =
    "{\"schedule\":\"@yearly\",\"command\":\"true\",\"environment\":{\"TOKEN\":\"hunter2-canary\"}}";

/// The table of the documentation.
pub fn table() -> String {
    let rows = operations(&watchbell::http::api::described()).into_iter().map(|(method, path, operation)| {
        let text = |key: &str| operation[key].as_str().unwrap_or_default().replace('\n', " ");
        let what = [text("summary"), text("description")];
        let role = operation["security"][0]["bearer"][0].as_str().unwrap_or("anyone").to_owned();
        vec![format!("`{} {path}`", method.to_uppercase()), role, what.join(" ").trim().to_owned()]
    });
    docs::table(&["endpoint", "role", "answer"], rows)
}

fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let of = |(path, methods): (&String, &Value)| {
        let methods = methods.as_object().unwrap().iter();
        methods
            .filter(|(method, _)| matches!(&***method, "get" | "put" | "post" | "delete" | "patch"))
            .map(|(method, operation)| (method.clone(), path.clone(), operation.clone()))
            .collect::<Vec<_>>()
    };
    paths.flat_map(of).collect()
}

/// A line for each operation and each schema: a change is then seen where it is.
fn in_lines(json: &str) -> String {
    let (mut text, mut depth, mut quoted, mut escaped) = (String::new(), 0, false, false);
    for c in json.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            '{' | '[' if !quoted => depth += 1,
            '}' | ']' if !quoted => depth -= 1,
            _ => {}
        }
        text.push(c);
        if !quoted && depth <= 3 && matches!(c, ',' | '{') {
            text.push('\n');
        }
    }
    text + "\n"
}

/// The binary has the text and not the code that makes it.
#[test]
fn the_description_that_is_served_is_what_the_code_says() {
    let path = root().join("src/http/openapi.json");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let wanted = in_lines(&serde_json::to_string(&watchbell::http::api::document()).unwrap());
    expect::same(&path, &text, &wanted).unwrap_or_else(|difference| panic!("{difference}"));
}

/// What each operation answers to some questions; none for one that nobody knows.
fn tried(agent: &Beside, method: &str, path: &str) -> Option<Vec<Reply>> {
    let get = |path: &str| agent.get(path);
    let tagged = |path: &str| {
        let tag = agent.get(path).header("etag").to_owned();
        agent.ask("GET", path, &[("if-none-match", &tag)], "")
    };
    Some(match (method, path) {
        ("get", "/api/jobs") => vec![get("/api/jobs"), tagged("/api/jobs"), get("/api/jobs?limit=0")],
        ("get", "/api/jobs/{name}") => {
            vec![get("/api/jobs/hello"), get("/api/jobs/off"), get("/api/jobs/bad"), get("/api/jobs/nobody")]
        }
        ("post", "/api/jobs/{name}/run") => {
            let run = agent.run_to_its_end("hello");
            assert_eq!(run.len(), 26);
            vec![
                agent.post("/api/jobs/long/run", "{}"),
                // It runs already.
                agent.post("/api/jobs/long/run", ""),
                agent.post("/api/jobs/off/run", ""),
                agent.post("/api/jobs/nobody/run", ""),
                agent.post("/api/jobs/hello/run", "{\"a\":1}"),
            ]
        }
        ("post", "/api/jobs/{name}/pause") => vec![
            agent.post("/api/jobs/hello/pause", "{\"for\":\"2h\"}"),
            agent.post("/api/jobs/hello/pause", "{\"until\":\"yesterday\"}"),
            agent.post("/api/jobs/hello/pause", "{\"until\":\"2020-01-01T00:00:00Z\"}"),
            agent.post("/api/jobs/nobody/pause", ""),
        ],
        ("post", "/api/jobs/{name}/resume") => vec![
            agent.post("/api/jobs/hello/resume", ""),
            agent.post("/api/jobs/nobody/resume", ""),
            agent.post("/api/jobs/hello/resume", "["),
        ],
        ("get", "/api/jobs/{name}/history") => vec![
            get("/api/jobs/hello/history"),
            tagged("/api/jobs/off/history"),
            get("/api/jobs/nobody/history"),
            get("/api/jobs/hello/history?limit=all"),
        ],
        ("get", "/api/runs") => {
            vec![get("/api/runs"), tagged("/api/runs?job=hello"), get("/api/runs?colour=red")]
        }
        ("get", "/api/runs/{id}") => {
            let run = agent.run_to_its_end("hello");
            vec![get(&format!("/api/runs/{run}")), get("/api/runs/7ZZZ"), get("/api/runs/%2f")]
        }
        ("get", "/api/runs/{id}/output") => {
            let path = format!("/api/runs/{}/output", agent.run_to_its_end("hello"));
            let ranged = |range: &str| agent.ask("GET", &path, &[("range", range)], "");
            let begin = &path[.."/api/runs/0".len()];
            vec![
                get(&path),
                ranged("bytes=1-3"),
                ranged("bytes=100-"),
                get("/api/runs/7ZZZ/output"),
                get(&format!("{begin}/output")),
            ]
        }
        ("post", "/api/runs/{id}/stop") => {
            let ended = agent.run_to_its_end("hello");
            let live = agent.get("/api/runs?job=long").json()["runs"][0]["run"].as_str().map(str::to_owned);
            let live = live.unwrap_or_else(|| agent.run("long"));
            vec![
                agent.post(&format!("/api/runs/{live}/stop"), ""),
                agent.post(&format!("/api/runs/{ended}/stop"), ""),
                agent.post("/api/runs/7ZZZ/stop", ""),
                agent.post("/api/runs/-/stop", ""),
            ]
        }
        ("get", "/api/problems") => vec![get("/api/problems"), tagged("/api/problems")],
        ("get", "/api/config") => vec![get("/api/config")],
        ("get", "/api/endpoints") => vec![get("/api/endpoints")],
        ("get", "/api/events") => {
            let mut events = agent.follow("/api/events", &[]);
            agent.post("/api/jobs/off/pause", "");
            let told = events.find(|it| it.name == "job.paused").unwrap();
            assert_eq!(told.json()["job"], "off");
            vec![]
        }
        // As someone with nothing to say; integration/api/users.rs has those who can log in.
        ("post", "/api/login") => vec![
            agent.post("/api/login", ""),
            agent.post("/api/login", "{\"user\":1}"),
            agent.post("/api/login", "{\"user\":\"a\",\"password\":\"b\"}"),
        ],
        ("post", "/api/logout") => vec![agent.post("/api/logout", ""), agent.post("/api/logout", "[")],
        ("get", "/api/audits") => {
            agent.post("/api/jobs/hello/resume", "");
            vec![
                get("/api/audits?limit=1"),
                tagged("/api/audits?limit=1&cursor=1"),
                get("/api/audits?limit=0"),
            ]
        }
        // Without an Engine; integration/api/health.rs has one.
        ("get", "/health" | "/live" | "/ready" | "/metrics") => vec![get(path)],
        ("get", "/api/session") => vec![get("/api/session")],
        ("get", "/api/openapi.json") => vec![get("/api/openapi.json")],
        _ => return made(agent, method, path),
    })
}

/// The same of what makes, changes and removes jobs.
fn made(agent: &Beside, method: &str, path: &str) -> Option<Vec<Reply>> {
    Some(match (method, path) {
        ("post", "/api/jobs") => {
            let job = |name: &str, kind: &str| {
                format!("{{\"name\":\"{name}\",\"kind\":\"{kind}\",\"parameters\":{PARAMETERS}}}")
            };
            vec![
                agent.post("/api/jobs", &job("made", "local")),
                agent.post("/api/jobs", &job("made", "local")),
                agent.post("/api/jobs", &job("hello", "local")),
                agent.post("/api/jobs", &job("other", "exec")),
                agent.post("/api/jobs", "{\"name\":[]}"),
                agent.post("/api/jobs", "{\"parameters\":\"hunter2-canary\"}"),
                agent.post("/api/jobs", ""),
            ]
        }
        ("put", "/api/jobs/{name}") => {
            let body = format!("{{\"kind\":\"local\",\"parameters\":{PARAMETERS}}}");
            let put = |name: &str, headers: &[(&str, &str)], body: &str| {
                agent.ask("PUT", &format!("/api/jobs/{name}"), headers, body)
            };
            vec![
                put("put", &[], &body),
                put("put", &[], &body),
                put("put", &[("if-match", "\"another\"")], &body),
                put("put", &[("if-none-match", "*")], &body),
                put("put", &[("if-none-match", "\"x\"")], &body),
                put("put", &[], "{\"kind\":\"local\"}"),
                put("put", &[], "["),
                put("hello", &[], &body),
                put("a%20b", &[], &body),
            ]
        }
        ("delete", "/api/jobs/{name}") => {
            let delete = |name: &str, headers: &[(&str, &str)]| {
                agent.ask("DELETE", &format!("/api/jobs/{name}"), headers, "")
            };
            let body = format!("{{\"kind\":\"local\",\"parameters\":{PARAMETERS}}}");
            agent.ask("PUT", "/api/jobs/gone", &[], &body);
            vec![
                delete("gone", &[("if-match", "nonsense")]),
                delete("gone", &[("if-match", "\"another\"")]),
                delete("gone", &[]),
                delete("gone", &[]),
                delete("hello", &[]),
            ]
        }
        _ => return tried_of_channels(agent, method, path),
    })
}

fn tried_of_channels(agent: &Beside, method: &str, path: &str) -> Option<Vec<Reply>> {
    let get = |path: &str| agent.get(path);
    Some(match (method, path) {
        ("get", "/api/channels") => vec![get("/api/channels")],
        ("post", "/api/channels/{name}/test") => vec![
            agent.post("/api/channels/told/test", ""),
            agent.post("/api/channels/nowhere/test", "{}"),
            agent.post("/api/channels/nobody/test", ""),
            agent.post("/api/channels/told/test", "{\"a\":1}"),
        ],
        ("get", "/api/jobs/{name}/notification") => vec![
            get("/api/jobs/hello/notification"),
            get("/api/jobs/hello/notification?channel=nowhere&cause=recovery"),
            get("/api/jobs/hello/notification?cause=nonsense"),
            get("/api/jobs/hello/notification?channel=nobody"),
            get("/api/jobs/off/notification"),
            get("/api/jobs/nobody/notification"),
        ],
        _ => return None,
    })
}

/// Mistake 55.
#[test]
fn every_operation_of_the_description_answers_as_it_says_and_shows_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Beside::start(folder.path(), INI);
    let document = agent.get("/api/openapi.json").json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut wrong = Vec::new();
    for (method, path, operation) in operations(&document) {
        let Some(replies) = tried(&agent, &method, &path) else {
            wrong.push(format!("nobody tries {method} {path}"));
            continue;
        };
        let documented = operation["responses"].as_object().unwrap();
        for reply in replies {
            let status = reply.status.to_string();
            let Some(answer) = documented.get(&status) else {
                wrong.push(format!("{method} {path}: {status} is not described: {}", reply.text()));
                continue;
            };
            let kind = reply.header("content-type").split(';').next().unwrap();
            let described = answer["content"].as_object().is_none_or(|it| it.contains_key(kind));
            if !described || reply.text().contains(SECRET) {
                wrong.push(format!("{method} {path}: {status} {kind}: {}", reply.text()));
            }
        }
    }
    spec::none(&wrong);
}

/// A parser of the document finds everything that it refers to.
#[test]
fn every_reference_of_the_description_leads_somewhere() {
    let folder = tempfile::tempdir().unwrap();
    let document = Beside::start(folder.path(), "").get("/api/openapi.json").json();
    let text = document.to_string();
    let references = text.split("\"$ref\":\"#").skip(1).map(|it| it.split('"').next().unwrap());
    let lost: Vec<String> =
        references.filter(|it| document.pointer(it).is_none()).map(str::to_owned).collect();
    spec::none(&lost);
}
