//! The JSON of `docker inspect`, read as the Engine's list would be.

use serde_json::{Value, json};

use super::{Answer, Desk};

/// A container with a job `sync`, or what else `labels` say.
fn container(id: &str, name: &str, state: &str, created: &str, schedule: &str) -> Value {
    json!({ "Id": id, "Name": format!("/{name}"), "Created": created, "State": { "Status": state },
        "Config": { "Labels": {
            "watchbell.enabled": "true",
            "watchbell.job-exec.sync.schedule": schedule,
            "watchbell.job-exec.sync.command": "work",
        } } })
}

/// The same as a replica of a compose service.
fn replica(name: &str, created: &str, schedule: &str) -> Value {
    let mut it = container(name, name, "running", created, schedule);
    it["Config"]["Labels"]["com.docker.compose.project"] = "shop".into();
    it["Config"]["Labels"]["com.docker.compose.service"] = "web".into();
    it
}

fn validate(containers: &[Value]) -> Answer {
    Desk::new().run_with(&["validate", "--labels", "-", "--output", "json"], &json!(containers).to_string())
}

/// Jobs with the words of their schedules; and problems, with severity and place.
fn found(answer: &Answer) -> (Vec<String>, Vec<String>) {
    let json = answer.json();
    let text = |it: &Value, key: &str| it[key].as_str().unwrap_or_default().to_owned();
    let list = |key: &str| json[key].as_array().unwrap().clone();
    (
        list("jobs").iter().map(|it| format!("{} {}", text(it, "job"), text(it, "schedule"))).collect(),
        list("problems")
            .iter()
            .map(|it| format!("{}: {}: {}", text(it, "severity"), text(it, "origin"), text(it, "reason")))
            .collect(),
    )
}

const OLD: &str = "2026-01-01T00:00:00.123456789Z";
const NEW: &str = "2026-01-02T00:00:00.123456789Z";

#[test]
fn a_container_that_was_never_started_defines_nothing_and_one_that_has_stopped_does() {
    for (state, defines) in [
        ("running", true),
        ("paused", true),
        ("restarting", true),
        ("exited", true),
        ("created", false),
        ("removing", false),
        ("dead", false),
    ] {
        let answer = validate(&[container("0a", "web", state, OLD, "@daily")]);
        let (jobs, problems) = found(&answer);
        assert_eq!((jobs.len(), problems.len()), (usize::from(defines), usize::from(!defines)), "{state}");
        assert_eq!(answer.code, 0, "{state}");
        if !defines {
            assert!(problems[0].starts_with("warning: container web: it was never started"), "{problems:?}");
        }
    }
    let mut other = container("0a", "web", "created", OLD, "@daily");
    other["Config"]["Labels"] = json!({ "maintainer": "x" });
    assert_eq!(
        found(&validate(&[other])),
        (vec![], vec![]),
        "what has no labels of ours is nobody's business"
    );
}

#[test]
fn labels_are_moved_over_whether_or_not_their_container_was_started() {
    let mut it = container("0a", "web", "created", OLD, "@daily");
    it["Config"]["Labels"] = json!({ "ofelia.enabled": "true",
        "ofelia.job-exec.sync.schedule": "@daily", "ofelia.job-exec.sync.command": "work" });
    let answer = Desk::new().run_with(&["migrate", "--from", "ofelia", "-"], &json!([it]).to_string());
    assert_eq!(answer.code, 0, "{answer:?}");
    answer.shows("watchbell.job-exec.sync.schedule: \"@daily\"");
}

#[test]
fn of_two_definitions_of_one_job_the_newer_is_in_force_and_else_the_first_by_name_and_the_reason_is_true() {
    let (jobs, problems) = found(&validate(&[replica("a", OLD, "@daily"), replica("b", NEW, "@hourly")]));
    assert_eq!(jobs, ["shop.web.sync @hourly"]);
    assert!(problems[0].starts_with("warning: container a: "), "{problems:?}");
    assert!(problems[0].contains("container b, ") && problems[0].ends_with("it is newer"), "{problems:?}");
    let (jobs, problems) = found(&validate(&[replica("b", OLD, "@daily"), replica("a", OLD, "@hourly")]));
    assert_eq!((jobs, problems.len()), (vec!["shop.web.sync @hourly".to_owned()], 1));
    assert!(problems[0].ends_with("container a, whose definition is in force because its name comes first"));
}

#[test]
fn a_name_that_is_given_twice_is_told_with_both_places() {
    let twice =
        [container("0a", "web", "running", OLD, "@daily"), container("0b", "web", "running", NEW, "@hourly")];
    let answer = validate(&twice);
    let (jobs, problems) = found(&answer);
    assert_eq!((answer.code, jobs), (1, vec!["web.sync @daily".to_owned()]));
    assert_eq!(
        problems,
        [
            "error: standard input, container 2: the container web was given before (standard input, container 1), \
          and this one has no effect: give each container once"
        ]
    );
    let again = found(&validate(&[twice[0].clone(), twice[0].clone()]));
    assert_eq!(again, (vec!["web.sync @daily".to_owned()], vec![]), "the same again says nothing new");
}

/// What a terminal obeys, in a name and a label.
#[test]
fn what_someone_wrote_is_shown_to_a_terminal_and_not_obeyed() {
    let name = "we\u{1b}[2Jb\u{9b}31m\u{202e}x";
    let mut it = container("0a", name, "running", OLD, "@daily");
    it["Config"]["Labels"]["watchbell.job-exec.sync.workdir"] = name.into();
    it["Config"]["Labels"]["watchbell.job-exec.sync.user"] = format!("'{name}'").into();
    it["Config"]["Labels"]["watchbell.job-exec.other.schedule"] = name.into();
    it["Config"]["Labels"][format!("watchbell.job-exec.third.{name}")] = name.into();
    let foreign = json!({ "ofelia.enabled": "true", "ofelia.job-exec.sync.schedule": "@daily",
        "ofelia.job-exec.sync.command": name, format!("ofelia.{name}"): name });
    let both = json!([it, { "Id": "0b", "Name": name.to_owned() + "y", "Config": { "Labels": foreign } }]);
    let desk = Desk::new().file("labels.json", both.to_string());
    let job = format!("{name}.sync");
    let set = format!("{job}.timeout=1m");
    for arguments in [
        &["validate", "--labels", "labels.json"][..],
        &["validate", "--labels", "labels.json", "--set", &set, "--timezone", name, "--config", name],
        &["explain", &job, "--labels", "labels.json"],
        &["explain", "--labels", "labels.json", "--timezone", name, "--state-dir", name],
        &["next", name],
        &["next", "@daily", "--from", name],
        &["migrate", "--from", "ofelia", "labels.json"],
        &["migrate", "--from", "ofelia", "labels.json", "--to", "ini"],
        &["migrate", "--from", "ofelia", name],
        &["doctor", "--docker-host", name, "--state-dir", name],
        &["healthcheck", "--state-dir", name],
        &["plan", "--config", name],
        &["daemon", "--timezone", name],
    ] {
        let answer = desk.run(arguments);
        let all = format!("{}{}", answer.out, answer.err);
        assert!(!all.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{arguments:?}: {answer:?}");
        assert!(all.contains("[2J"), "{arguments:?}: {answer:?}");
    }
}
