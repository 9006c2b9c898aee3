//! Jobs that are made, changed and removed over the API.

use std::{path::Path, process::Command};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::SECRET;
use crate::support::{
    beside::{Beside, Reply},
    expect,
};

const INI: &str = "[job-local \"filed\"]\nschedule = @yearly\ncommand = true\n\
                   [job-local \"shop.web.sync\"]\nschedule = @yearly\ncommand = true\n";

fn local(command: &str) -> Value {
    json!({ "kind": "local", "parameters": { "schedule": "@yearly", "command": command } })
}

fn make(agent: &Beside, name: &str, definition: &Value) -> Reply {
    let mut body = definition.clone();
    body["name"] = name.into();
    agent.post("/api/jobs", &body.to_string())
}

fn put(agent: &Beside, name: &str, headers: &[(&str, &str)], definition: &Value) -> Reply {
    agent.ask("PUT", &format!("/api/jobs/{name}"), headers, &definition.to_string())
}

fn delete(agent: &Beside, name: &str) -> Reply {
    agent.ask("DELETE", &format!("/api/jobs/{name}"), &[], "")
}

fn get(agent: &Beside, name: &str) -> Reply {
    agent.get(&format!("/api/jobs/{name}"))
}

/// Asks the agent itself to say the word: what it told before that, readers see.
fn settled(agent: &Beside) {
    assert_eq!(agent.get("/live").status, 200);
}

fn parameter(job: &Value, name: &str) -> Value {
    let all = job["parameters"].as_array().unwrap();
    all.iter().find(|it| it["name"] == name).unwrap().clone()
}

fn names(agent: &Beside) -> Vec<String> {
    let list = agent.get("/api/jobs").json();
    list["jobs"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

/// What a command prints of an agent's jobs, which need not run.
fn command(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let asked = Command::new(env!("CARGO_BIN_EXE_watchbell"))
        .args(arguments)
        .arg("--config")
        .arg(folder.join("config.ini"))
        .args(["--docker-host", "unix:///nowhere.sock", "--state-dir"])
        .arg(folder)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = [asked.stdout, asked.stderr].map(|it| String::from_utf8(it).unwrap());
    text.concat()
}

#[test]
fn a_job_that_is_made_is_a_job_like_any_other_until_it_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Beside::start(folder.path(), INI);
    let made = make(&agent, "beat", &local("echo one"));
    assert_eq!((made.status, made.header("location")), (201, "/api/jobs/beat"), "{}", made.text());
    agent.wait_for_event("job.added", "beat");
    let seen = get(&agent, "beat");
    assert!(seen.header("etag").starts_with('"') && seen.header("etag") == made.header("etag"));
    let job = seen.json();
    assert_eq!([&job["state"], &job["origin"]], ["enabled", "API (parameter schedule)"]);
    assert_eq!(parameter(&job, "command")["origin"], "API (parameter command)");
    assert_eq!(job["upcoming"].as_array().unwrap().len(), 5);
    assert_eq!(names(&agent), ["beat", "filed", "shop.web.sync"]);
    agent.run_to_its_end("beat");
    assert_eq!(agent.post("/api/jobs/beat/pause", "").status, 200);
    assert_eq!(get(&agent, "beat").header("etag"), made.header("etag"), "it is the same definition");

    let changed = put(&agent, "beat", &[], &local("echo two"));
    assert_eq!((changed.status, changed.header("location")), (200, ""), "{}", changed.text());
    assert_ne!(changed.header("etag"), made.header("etag"));
    assert_eq!(agent.wait_for_event("job.updated", "beat")["reason"], "changed: command");
    assert_eq!(changed.json()["state"], "paused", "a pause is the job's");
    assert_eq!(agent.post("/api/jobs/beat/resume", "").status, 204);
    let run = agent.run_to_its_end("beat");
    assert_eq!(agent.get(&format!("/api/runs/{run}/output")).text(), "two\n");
    assert!(make(&agent, "beat", &local("x")).refusal(409).contains("PUT /api/jobs/beat"));

    assert_eq!(delete(&agent, "beat").status, 204);
    agent.wait_for_event("job.removed", "beat");
    get(&agent, "beat").refusal(404);
    delete(&agent, "beat").refusal(404);
    assert_eq!(agent.get("/api/jobs/beat/history").json()["runs"].as_array().unwrap().len(), 2);
    assert_eq!(put(&agent, "beat", &[], &local("echo three")).status, 201);
}

/// Mistake 48: editing a job turned it into a local one and lost the rest.
#[test]
fn a_job_that_is_changed_keeps_its_kind_and_all_that_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Beside::start(folder.path(), INI);
    let mut job = json!({
        "kind": "run",
        "parameters": {
            "schedule": "@daily", "image": "worker:1", "command": ["echo", "a b"], "timeout": "90s", "retries": 2,
            "environment": { "A": "1" }, "label": { "team": "x" }, "success-codes": [0, 3], "overlap": "queue",
        },
    });
    assert_eq!(make(&agent, "nightly", &job).status, 201);
    let before = get(&agent, "nightly").json();
    job["parameters"]["schedule"] = "@weekly".into();
    assert_eq!(put(&agent, "nightly", &[], &job).status, 200);
    let after = get(&agent, "nightly").json();
    assert_eq!((&after["kind"], &before["kind"]), (&"run".into(), &"run".into()));
    for (name, value) in job["parameters"].as_object().unwrap() {
        let same = parameter(&after, name) == parameter(&before, name);
        assert_eq!(same, name != "schedule", "{name} is {value}: {after:#}");
        assert_eq!(parameter(&after, name)["origin"], format!("API (parameter {name})"));
    }
    // Nobody says which kind it is now: it is not guessed.
    job.as_object_mut().unwrap().remove("kind");
    put(&agent, "nightly", &[], &job).refusal(400);
    assert_eq!(get(&agent, "nightly").json()["kind"], "run");
}

#[test]
fn the_example_of_the_documentation_is_a_job() {
    let text = std::fs::read_to_string(expect::root().join("labels-spec.md")).unwrap();
    let (_, text) = text.split_once("### Jobs of the API").unwrap();
    let body = text.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let agent = Beside::start(folder.path(), INI);
    let made = agent.post("/api/jobs", body);
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.json()["diagnostics"], json!([]));
    assert_eq!(parameter(&made.json(), "environment")["value"], "[\"PGPASSWORD=…\"]");
}

#[test]
fn what_was_answered_is_there_after_a_kill_and_what_was_removed_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut agent = Beside::start(folder.path(), INI);
    let mut expected = Vec::new();
    for n in 0..3 {
        let name = format!("made{n}");
        let made = make(
            &agent,
            &name,
            &json!({ "kind": "local", "parameters": {
                "schedule": "@every 1h", "command": ["echo", SECRET], "retries": 2, "environment": { "A": SECRET },
            }}),
        );
        assert_eq!(made.status, 201, "{}", made.text());
        expected.push(made.header("etag").to_owned());
        // At once: nothing of it may still be on its way.
        agent.end(Signal::SIGKILL);
        agent = Beside::start_as_it_is(folder.path(), &[]);
        agent.wait_for_event("job.added", &name);
        settled(&agent);
        let there: Vec<String> =
            (0..=n).map(|n| get(&agent, &format!("made{n}")).header("etag").to_owned()).collect();
        assert_eq!(there, expected);
    }
    let made = get(&agent, "made1").json();
    assert_eq!(parameter(&made, "retries")["value"], "2");
    assert_eq!(agent.post("/api/jobs/made1/pause", "").status, 200);
    assert_eq!(delete(&agent, "made0").status, 204);
    agent.end(Signal::SIGKILL);
    let agent = Beside::start_as_it_is(folder.path(), &[]);
    agent.wait_for(4, |it| it["event"] == "job.added");
    settled(&agent);
    assert_eq!(names(&agent), ["filed", "made1", "made2", "shop.web.sync"]);
    assert_eq!(get(&agent, "made1").json()["state"], "paused");
    // Whatever becomes of the file.
    std::fs::write(folder.path().join("config.ini"), "").unwrap();
    agent.signal(Signal::SIGHUP);
    agent.wait_for(2, |it| it["event"] == "job.removed");
    settled(&agent);
    assert_eq!(names(&agent), ["made1", "made2"]);
    let changes = agent.wait_for(0, |it| it["event"] == "job.updated");
    assert_eq!(changes, [Value::Null; 0]);
    agent.signal(Signal::SIGTERM);
    agent.wait_for(1, |it| it["event"] == "agent.stopped");
}

#[test]
fn a_job_of_the_file_is_changed_in_the_file_and_goes_over_one_of_the_api() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Beside::start(folder.path(), INI);
    for (name, line) in [("filed", 1), ("shop.web.sync", 4)] {
        for refused in
            [put(&agent, name, &[], &local("x")), delete(&agent, name), make(&agent, name, &local("x"))]
        {
            let detail = refused.refusal(409);
            assert!(detail.contains(&format!("config.ini:{line}: change it there, or pause it")), "{detail}");
        }
    }
    let made = make(&agent, "later", &local("echo api"));
    assert_eq!(made.status, 201);
    let with = format!("{INI}[job-local \"later\"]\nschedule = @yearly\ncommand = echo file\n");
    std::fs::write(folder.path().join("config.ini"), with).unwrap();
    agent.signal(Signal::SIGHUP);
    let told = agent.wait_for_event("config.rejected", "later");
    assert!(told["reason"].as_str().unwrap().contains("config.ini:7 defines a job of this name"), "{told}");
    assert_eq!(told["origin"], "API");
    settled(&agent);
    let now = get(&agent, "later");
    assert_eq!(parameter(&now.json(), "command")["value"], "echo file");
    assert_eq!(now.json()["diagnostics"][0]["origin"], "API");
    assert_eq!(now.header("etag"), made.header("etag"));
    assert_eq!(agent.get("/api/problems").json()["problems"].as_array().unwrap().len(), 1);
    assert!(put(&agent, "later", &[], &local("x")).refusal(409).contains("config.ini:7"));
    // Until the section is gone.
    std::fs::write(folder.path().join("config.ini"), INI).unwrap();
    agent.signal(Signal::SIGHUP);
    agent.wait_for(2, |it| it["event"] == "job.updated" && it["job"] == "later");
    settled(&agent);
    assert_eq!(parameter(&get(&agent, "later").json(), "command")["value"], "echo api");
    assert_eq!(agent.get("/api/problems").json()["problems"], json!([]));
    // Or the job of the API is.
    let with = format!("{INI}[job-exec \"later\"]\ncontainer = db\n");
    std::fs::write(folder.path().join("config.ini"), with).unwrap();
    agent.signal(Signal::SIGHUP);
    agent.wait_for_event("job.removed", "later");
    settled(&agent);
    assert_eq!(delete(&agent, "later").status, 204);
    assert!(!agent.get("/api/problems").text().contains("\"API\""));
    assert!(delete(&agent, "later").refusal(409).contains("config.ini:7"));
}

#[test]
fn what_makes_no_job_is_refused_with_all_that_is_wrong_and_nothing_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Beside::start(folder.path(), INI);
    let refused = make(
        &agent,
        "bad",
        &json!({ "kind": "local", "parameters": {
            "shedule": "@daily", "command": "true", "timeout": "soon", "retries": null, "image": "x",
            "environment": [SECRET],
        }}),
    );
    refused.refusal(422);
    let told = refused.json();
    let mut told: Vec<String> = told["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            assert_eq!(
                [&it["severity"], &it["rejects"], &it["job"]],
                [&json!("error"), &json!(true), &json!("bad")]
            );
            format!("{}: {}", it["parameter"].as_str().unwrap(), it["reason"].as_str().unwrap())
        })
        .collect();
    told.sort();
    let expected = [
        "environment: environment: item 1 is not NAME=VALUE",
        "image: a job of kind local has no parameter \"image\"",
        "retries: retries: it has no value",
        "shedule: unknown parameter \"shedule\": did you mean \"schedule\"?",
        "timeout: timeout: \"soon\"",
    ];
    assert!(told.iter().zip(expected).all(|(told, part)| told.contains(part)), "{told:#?}");
    assert_eq!(told.len(), 5, "{told:#?}");
    for (name, definition, part) in [
        ("bad", json!({ "kind": "local", "parameters": { "command": "true" } }), "it is missing"),
        ("bad", json!({ "kind": "exce", "parameters": {} }), "did you mean \\\"exec\\\"?"),
        ("a.b", local("true"), "contains '.'"),
        ("", local("true"), "has no name"),
        (
            "bad",
            json!({ "kind": "local", "parameters": { "schedule": "0 0 31 2 *", "command": "true" } }),
            "never comes",
        ),
        (
            "bad",
            json!({ "kind": "local", "parameters": {
            "schedule": "@yearly", "command": "true", "depends-on": ["bad"] } }),
            "comes after itself",
        ),
        (
            "bad",
            json!({ "kind": "exec", "parameters": { "schedule": "@yearly", "command": "true" } }),
            "container",
        ),
    ] {
        let refused = make(&agent, name, &definition);
        refused.refusal(422);
        assert!(refused.json()["problems"].to_string().contains(part), "{}", refused.text());
        assert!(!refused.text().contains(SECRET));
    }
    let good = put(&agent, "good", &[], &local("echo good"));
    assert_eq!(good.status, 201);
    put(&agent, "good", &[], &json!({ "kind": "local", "parameters": { "schedule": "x" } })).refusal(422);
    assert!(
        put(&agent, "good", &[], &json!({ "kind": "local", "name": "x" })).refusal(400).contains("\"x\"")
    );
    let twice = "{\"kind\":\"local\",\"parameters\":{\"schedule\":\"@daily\",\"Schedule\":\"@daily\",\"schedule\":\"@daily\"}}";
    let refused = agent.ask("PUT", "/api/jobs/good", &[], twice);
    refused.refusal(422);
    assert_eq!(refused.text().matches("is also given at").count(), 2, "{}", refused.text());
    assert_eq!(get(&agent, "good").header("etag"), good.header("etag"));
    let known = ["filed", "good", "shop.web.sync"];
    assert_eq!(names(&agent), known);
    agent.end(Signal::SIGKILL);
    let agent = Beside::start_as_it_is(folder.path(), &[]);
    agent.wait_for(3, |it| it["event"] == "job.added");
    settled(&agent);
    assert_eq!(names(&agent), known);
    assert_eq!(agent.get("/api/problems").json()["problems"], json!([]));
}

#[test]
fn of_many_who_change_one_job_at_once_those_who_know_it_as_it_was_come_once() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Beside::start(folder.path(), INI);
    let at_once = |headers: &[(&str, &str)], method: &'static str| -> Vec<u16> {
        std::thread::scope(|scope| {
            let ask = |n: usize| {
                let (agent, definition) = (&agent, local(&format!("echo {n}")));
                scope.spawn(move || match method {
                    "PUT" => put(agent, "one", headers, &definition).status,
                    "POST" => make(agent, "one", &definition).status,
                    _ => agent.ask("DELETE", "/api/jobs/one", headers, "").status,
                })
            };
            let asked: Vec<_> = (0..8).map(ask).collect();
            let mut all: Vec<u16> = asked.into_iter().map(|it| it.join().unwrap()).collect();
            all.sort_unstable();
            all
        })
    };
    let once = |first: u16, others: u16| [vec![first], vec![others; 7]].concat();
    assert_eq!(at_once(&[("if-none-match", "*")], "PUT"), once(201, 412));
    let tag = get(&agent, "one").header("etag").to_owned();
    assert_eq!(at_once(&[("if-match", &tag)], "PUT"), once(200, 412));
    assert_ne!(get(&agent, "one").header("etag"), tag);
    assert_eq!(agent.ask("DELETE", "/api/jobs/one", &[("if-match", &tag)], "").status, 412);
    let tag = get(&agent, "one").header("etag").to_owned();
    assert_eq!(at_once(&[("if-match", &format!("\"x\", {tag}"))], "DELETE"), once(204, 404));
    assert_eq!(put(&agent, "one", &[("if-match", &tag)], &local("true")).status, 412);
    assert_eq!(put(&agent, "one", &[("if-match", "*")], &local("true")).status, 412);
    assert_eq!(at_once(&[], "POST"), once(201, 409));
    assert_eq!(at_once(&[], "PUT"), [200; 8]);
    assert_eq!(at_once(&[], "DELETE"), once(204, 404));
    get(&agent, "one").refusal(404);
}

#[test]
fn where_nothing_can_be_kept_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Beside::start(folder.path(), INI);
    let made = make(&agent, "there", &local("echo there"));
    assert_eq!(made.status, 201);
    // A directory in the file's place: whoever writes cannot make a new one.
    let file = folder.path().join("watchbell.db");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    for refused in [
        put(&agent, "there", &[], &local("echo other")),
        make(&agent, "new", &local("true")),
        delete(&agent, "there"),
    ] {
        assert!(refused.refusal(503).starts_with("nothing was changed"), "{}", refused.text());
    }
    assert_eq!(get(&agent, "there").header("etag"), made.header("etag"));
    assert_eq!(names(&agent), ["filed", "shop.web.sync", "there"]);
    agent.run_to_its_end("there");
    std::fs::remove_dir(&file).unwrap();
    agent.wait_for(1, |it| it["event"] == "history.restored");
    assert_eq!(make(&agent, "new", &local("true")).status, 201);
    // The new file has also what was there before.
    agent.end(Signal::SIGKILL);
    let agent = Beside::start_as_it_is(folder.path(), &[]);
    agent.wait_for(4, |it| it["event"] == "job.added");
    settled(&agent);
    assert_eq!(names(&agent), ["filed", "new", "shop.web.sync", "there"]);
    assert_eq!(get(&agent, "there").header("etag"), made.header("etag"));
}

#[test]
fn jobs_of_the_api_and_of_the_file_start_each_other_and_wait_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let ini = format!(
        "{INI}[job-local \"first\"]\nschedule = @yearly\ncommand = true\non-success = second\n\
         [job-local \"third\"]\nschedule = @yearly\ncommand = true\n"
    );
    let agent = Beside::start(folder.path(), &ini);
    let second = json!({ "kind": "local", "parameters": {
        "schedule": "@triggered", "command": "true", "on-success": ["third"], "group": "disk",
    }});
    assert_eq!(make(&agent, "second", &second).status, 201);
    agent.run_to_its_end("first");
    let ended = agent.wait_for_event("run.finished", "third");
    assert_eq!(ended["trigger"], "dependency");
    // The circle would be closed by the new definition, and the file's jobs stay.
    let circle = json!({ "kind": "local", "parameters": {
        "schedule": "@triggered", "command": "true", "on-success": "first" } });
    let refused = put(&agent, "second", &[], &circle);
    refused.refusal(422);
    assert!(refused.text().contains("first → second → first"), "{}", refused.text());
    agent.run_to_its_end("first");
    agent.wait_for(2, |it| it["event"] == "run.finished" && it["job"] == "third");
}

#[test]
fn defaults_lie_under_a_job_of_the_api_and_the_environment_over_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.ini");
    std::fs::write(&file, format!("[job-defaults]\ntimeout = 7m\n{INI}")).unwrap();
    let over = [("WATCHBELL_JOB_BEAT_COMMAND", "echo environment")];
    let agent = Beside::start_with(folder.path(), &["--listen", "none", "--set", "beat.retries=3"], &over);
    assert_eq!(make(&agent, "beat", &local("echo api")).status, 201);
    let job = get(&agent, "beat").json();
    assert_eq!(parameter(&job, "timeout")["value"], "7m");
    assert_eq!(parameter(&job, "retries")["origin"], "flag --set beat.retries");
    let command_row = parameter(&job, "command");
    assert_eq!(command_row["origin"], "environment WATCHBELL_JOB_BEAT_COMMAND");
    assert_eq!(command_row["hides"], json!([{ "value": "echo api", "origin": "API (parameter command)" }]));
    let run = agent.run_to_its_end("beat");
    assert_eq!(agent.get(&format!("/api/runs/{run}/output")).text(), "environment\n");
    // Where a default is wrong, the job that would take it is not made.
    std::fs::write(&file, format!("[job-defaults]\ntimeout = soon\n{INI}")).unwrap();
    agent.signal(Signal::SIGHUP);
    agent.wait_for(1, |it| {
        it["event"] == "config.rejected" && it["reason"].as_str().unwrap().contains("soon")
    });
    settled(&agent);
    let refused = make(&agent, "other", &local("true"));
    refused.refusal(422);
    assert!(refused.text().contains("a default of the file that is wrong"), "{}", refused.text());

    std::fs::write(&file, INI).unwrap();
    let explained = command(folder.path(), &["explain", "beat"], &over);
    assert!(explained.contains("API (parameter command)") && explained.contains("@yearly"), "{explained}");
    // Whoever looks at files alone says nothing of it.
    let valid = command(folder.path(), &["validate"], &[]);
    assert!(valid.contains("2 jobs, 0 errors, 0 warnings") && !valid.contains("beat"), "{valid}");
}

#[test]
fn a_secret_of_a_job_is_shown_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Beside::start(folder.path(), INI);
    let secret = |more: Value| {
        let mut parameters = json!({
            "schedule": "@yearly", "command": "sh -c \"test $TOKEN = hunter2-canary\"",
            "environment": { "TOKEN": SECRET },
        });
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        // The command is for everyone to read.
        parameters["command"] = "sh -c \"test ${#TOKEN} = 14\"".into();
        json!({ "kind": "local", "parameters": parameters })
    };
    let mut answers = vec![make(&agent, "quiet", &secret(json!({})))];
    assert_eq!(answers[0].status, 201, "{}", answers[0].text());
    answers.push(put(&agent, "quiet", &[], &secret(json!({ "timeout": "5m" }))));
    answers.push(put(&agent, "quiet", &[], &secret(json!({ "timeout": "soon" }))));
    answers.push(put(&agent, "quiet", &[], &secret(json!({ "environment": [SECRET] }))));
    answers.push(put(&agent, "quiet", &[], &secret(json!({ "environment": { "A": [SECRET] } }))));
    answers.push(put(&agent, "quiet", &[], &secret(json!({ "environment": format!("[{SECRET}") }))));
    answers.push(agent.ask(
        "PUT",
        "/api/jobs/quiet",
        &[],
        "{\"kind\":\"local\",\"parameters\":\"hunter2-canary\"}",
    ));
    let run = agent.run_to_its_end("quiet");
    assert_eq!(agent.get(&format!("/api/runs/{run}")).json()["outcome"], "succeeded", "it has it");
    for path in [
        "/api/jobs",
        "/api/jobs/quiet",
        "/api/problems",
        "/api/config",
        "/api/runs",
        "/api/jobs/quiet/history",
        "/metrics",
        "/health",
    ] {
        answers.push(agent.get(path));
    }
    for it in &answers {
        assert!(!it.text().contains(SECRET), "{}: {}", it.status, it.text());
    }
    assert!(get(&agent, "quiet").text().contains("TOKEN=…"));
    let log = agent.wait_for(0, |_| true);
    assert!(log.iter().all(|it| !it.to_string().contains(SECRET)), "{log:#?}");
    let explained = command(folder.path(), &["explain", "quiet"], &[]);
    assert!(explained.contains("TOKEN=…") && !explained.contains(SECRET), "{explained}");
}

#[test]
fn a_job_that_the_engine_must_answer_for_is_seen_before_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Beside::start(folder.path(), INI);
    let exec = json!({ "kind": "exec", "parameters": {
        "schedule": "@daily", "command": "true", "container": "db" } });
    let made = make(&agent, "early", &exec);
    assert_eq!(made.status, 201, "{}", made.text());
    let job = get(&agent, "early").json();
    assert!(job["reason"].as_str().unwrap().contains("the Engine has not answered yet"), "{job}");
    assert_eq!(parameter(&job, "container")["value"], "db");
    assert_eq!(delete(&agent, "early").status, 204);
}
