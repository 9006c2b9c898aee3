//! `schema`: what the documents show passes, and what the agent refuses does not.

use jsonschema::{Draft, JSONSchema};
use serde_json::{Value, json};

use super::Desk;
use crate::support::{docs, example, expect::root};

fn schema() -> JSONSchema {
    let answer = Desk::new().run(&["schema"]);
    assert_eq!(answer.code, 0);
    let text = answer.json();
    JSONSchema::options()
        .with_draft(Draft::Draft202012)
        .compile(&text)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// A file with these labels, as a map and as a list.
fn files<'a>(labels: impl Iterator<Item = (&'a String, &'a String)>) -> [Value; 2] {
    let all: Vec<_> = labels.collect();
    let map: serde_json::Map<_, _> = all.iter().map(|(key, value)| ((*key).clone(), json!(value))).collect();
    let list: Vec<String> = all.iter().map(|(key, value)| format!("{key}={value}")).collect();
    [
        json!({ "services": { "web": { "labels": map } } }),
        json!({ "services": { "web": { "labels": list } } }),
    ]
}

fn refusals(schema: &JSONSchema, file: &Value) -> Vec<String> {
    let Err(errors) = schema.validate(file) else { return Vec::new() };
    errors.map(|error| format!("{}: {error}", error.instance_path)).collect()
}

#[test]
fn the_examples_of_the_documents_pass() {
    let schema = schema();
    let mut tried = 0;
    for name in ["README.md", "labels-spec.md"] {
        let text = std::fs::read_to_string(root().join(name)).unwrap();
        let fences = docs::fences(name, &text).unwrap();
        for example in example::examples(&fences).unwrap() {
            // What an example shows to be wrong may be refused here as well.
            if !example.expected.is_empty() {
                continue;
            }
            for (container, labels) in &example.containers {
                for file in files(labels.iter()) {
                    let place = format!("{} {container}", example.place);
                    assert_eq!(refusals(&schema, &file), [""; 0], "{place}");
                    tried += 1;
                }
            }
        }
    }
    assert!(tried >= 10, "only {tried}");
    let folder = std::fs::read_dir(root().join("examples")).unwrap().map(|it| it.unwrap().path());
    let yaml = folder.filter(|it| it.extension().is_some_and(|it| it == "yaml"));
    let mut tried = 0;
    for path in yaml.chain([root().join("compose.yaml")]) {
        let file: Value = serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(refusals(&schema, &file), [""; 0], "{}", path.display());
        tried += 1;
    }
    assert!(tried >= 2);
}

#[test]
fn what_the_agent_takes_passes_in_every_spelling() {
    let schema = schema();
    for (key, value) in [
        ("WatchBell.Job_Exec.a.GRACE_PERIOD", "5s"),
        ("watchbell.enabled", "Yes"),
        ("watchbell.job-exec.a.environment.12", "A=1"),
        ("watchbell.job-exec.a.environment", "[\"A=1\"]"),
        ("watchbell.job-exec.a.overlap", "Queue"),
        ("watchbell.job-exec.a.overlap", "${POLICY:-skip}"),
        ("watchbell.job-exec.a.timeout", "none"),
        ("watchbell.job-exec.a.timeout", "1h30m"),
        ("watchbell.job-exec.a.shell", "/bin/bash"),
        ("watchbell.job-run.a.command", "a\nb"),
        ("watchbell.TimeZone", "Europe/Berlin"),
        ("traefik.enable", "maybe"),
        ("watchbells", "x"),
        ("maintainer", ""),
    ] {
        for file in files([(&key.to_owned(), &value.to_owned())].into_iter()) {
            assert_eq!(refusals(&schema, &file), [""; 0], "{key}={value}");
        }
    }
    for value in [json!(true), json!(1), json!("on")] {
        let file = json!({ "services": { "web": { "labels": { "watchbell.enabled": value } } } });
        assert_eq!(refusals(&schema, &file), [""; 0], "{value}");
    }
    for file in [json!({}), json!({ "services": { "web": null, "db": { "labels": null } } })] {
        assert_eq!(refusals(&schema, &file), [""; 0], "{file}");
    }
}

#[test]
fn what_the_agent_refuses_by_name_or_type_does_not_pass() {
    let schema = schema();
    for (key, value) in [
        ("watchbell.enabeld", "true"),
        ("watchbell.enabled", "maybe"),
        ("watchbell", "x"),
        ("watchbell.allow-from-labels", "all"),
        ("watchbell.job-exec.a.shedule", "@daily"),
        ("watchbell.job-exce.a.schedule", "@daily"),
        ("watchbell.job-container.a.command", "x"),
        ("watchbell.job-exec.a.image", "x"),
        ("watchbell.job-exec.a.notify-after", "many"),
        ("watchbell.job-exec.a.retries", "-1"),
        ("watchbell.job-exec.a.retry-backoff", "linear"),
        ("watchbell.job-exec.a b.schedule", "@daily"),
        ("watchbell.job-exec.a.b.schedule", "@daily"),
        ("watchbell.job-exec.a.schedule.0", "@daily"),
        ("watchbell.job-exec.a.schedule", " "),
        ("watchbell.job-exec.a.environment.x", "A=1"),
        ("watchbell.job-exec.a.overlap", "never"),
        ("watchbell.job-exec.a.timeout", "90"),
        ("watchbell.job-exec.a.shell", "bash"),
    ] {
        for file in files([(&key.to_owned(), &value.to_owned())].into_iter()) {
            assert_ne!(refusals(&schema, &file), [""; 0], "{key}={value}");
        }
    }
    let list = json!({ "services": { "web": { "labels": { "watchbell.job-exec.a.command": ["a"] } } } });
    assert_ne!(refusals(&schema, &list), [""; 0]);
}
