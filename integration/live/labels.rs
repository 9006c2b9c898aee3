//! From a label to a job, and what becomes of the job when its container changes.

use std::time::Duration;

use crate::support::live_engine::{Stage, pause, text};

#[test]
fn a_labelled_container_makes_a_job_that_runs_and_its_removal_removes_the_job() {
    let stage = Stage::new();
    let job = format!("{}.sync", stage.name("web"));
    let agent = stage.agent().jobs([&job]).start();
    agent.wait_until_ready();
    let web =
        stage.worker("web").exec("sync", &[("schedule", "@every 1s"), ("command", "echo 'one two'")]).start();

    let added = agent.wait_for_event("job.added", &job);
    assert_eq!(text(&added, "kind"), "exec");
    assert_eq!(text(&added, "words"), "every second");
    assert_eq!(added["next"].as_array().map(Vec::len), Some(3), "{added}");
    assert_eq!(text(&added, "container"), web);
    assert_eq!(text(&added, "origin"), format!("container {web} (label watchbell.job-exec.sync.schedule)"));

    let ended = agent.wait_for_end(&job);
    assert_eq!(text(&ended, "outcome"), "succeeded");
    assert_eq!(ended["exit_code"], 0);
    assert_eq!(text(&ended, "container"), web);
    assert_eq!(agent.lines(text(&ended, "run"), "stdout"), ["one two"]);

    stage.docker(["rm", "-f", &web]);
    let removed = agent.wait_for_event("job.removed", &job);
    assert_eq!(text(&removed, "reason"), "nothing defines it any more");
    assert_eq!(agent.job_events(&job), ["job.added", "job.removed"]);
}

#[test]
fn a_container_recreated_with_another_label_keeps_its_jobs_identity_and_gets_its_next_run() {
    let stage = Stage::new();
    let job = format!("{}.who", stage.name("web"));
    let agent = stage.agent().jobs([&job]).start();
    let start = |schedule: &str| {
        let web = stage.worker("web").exec("who", &[("schedule", schedule), ("command", "hostname")]).start();
        stage.inspect(&web, "{{.Config.Hostname}}")
    };
    let printed = |hostname: &str| {
        agent.wait_for(&format!("a run in {hostname}"), |it| {
            it["event"] == "run.output" && it["job"] == *job && it["line"] == *hostname
        });
    };
    let old = start("@every 1s");
    printed(&old);
    stage.docker(["rm", "-f", &stage.name("web")]);
    let new = start("@every 2s");
    printed(&new);

    let schedule = |it: &serde_json::Value| (text(it, "event").to_owned(), text(it, "schedule").to_owned());
    let told: Vec<_> = agent
        .records(|it| it["job"] == *job && text(it, "event").starts_with("job."))
        .iter()
        .map(schedule)
        .collect();
    let event = |event: &str, schedule: &str| (event.to_owned(), schedule.to_owned());
    // Whether the agent looked in between, when there was no such container, is a matter of moments.
    let in_between =
        [event("job.added", "@every 1s"), event("job.removed", ""), event("job.added", "@every 2s")];
    let at_once = [event("job.added", "@every 1s"), event("job.updated", "@every 2s")];
    assert!(told == in_between || told == at_once, "{told:?}");
}

#[test]
fn a_new_definition_during_a_rolling_update_is_an_update_whatever_parameter_changed() {
    let stage = Stage::new();
    let project = stage.name("shop");
    let job = format!("{project}.web.report");
    let agent = stage.agent().jobs([&job]).start();
    let before = [("schedule", "@every 1h"), ("command", "true"), ("timeout", "5m"), ("user", "root")];
    let start = |number: u32, parameters: &[(&str, &str)]| {
        stage
            .worker(&format!("web-{number}"))
            .compose(&project, "web", number)
            .exec("report", parameters)
            .start();
    };
    start(1, &before);
    agent.wait_for_event("job.added", &job);
    // The newest container's definition wins; the Engine counts their age in seconds.
    for (number, (parameter, value)) in
        (2..).zip([("timeout", "6m"), ("user", "nobody"), ("command", "false")])
    {
        pause(Duration::from_millis(1100));
        let now: Vec<_> =
            before.iter().map(|it| if it.0 == parameter { (parameter, value) } else { *it }).collect();
        start(number, &now);
        let updated = agent.wait_for(&format!("a change of {parameter}"), |it| {
            it["event"] == "job.updated" && it["job"] == *job && text(it, "reason").contains(parameter)
        });
        assert_eq!(text(&updated, "container"), stage.name(&format!("web-{number}")));
    }
    assert_eq!(agent.job_events(&job), ["job.added", "job.updated", "job.updated", "job.updated"]);
}

#[test]
fn neither_a_replica_that_changes_nothing_nor_unrelated_events_are_told() {
    let stage = Stage::new();
    let project = stage.name("shop");
    let [job, last] = ["web", "last"].map(|service| format!("{project}.{service}.sync"));
    let agent = stage.agent().jobs([&job, &last]).start();
    let parameters = [("schedule", "@every 1h"), ("command", "true")];
    let replica = |part: &str, service: &str, number| {
        stage.worker(part).compose(&project, service, number).exec("sync", &parameters).start()
    };
    replica("web-1", "web", 1);
    agent.wait_for_event("job.added", &job);

    replica("web-2", "web", 2);
    let other = stage.worker("unrelated").start();
    // More than a hundred events: a command is three of them.
    for _ in 0..20 {
        stage.docker(["exec", &other, "true"]);
        stage.docker(["pause", &other]);
        stage.docker(["unpause", &other]);
    }
    stage.docker(["restart", "-t", "0", &other]);
    stage.docker(["exec", &stage.name("web-1"), "true"]);

    // Once a later container's job is there, all before it has been looked at.
    replica("last", "last", 1);
    agent.wait_for_event("job.added", &last);
    let told = agent.records(|it| {
        text(it, "event").starts_with("job.") && text(it, "job").starts_with(&project)
            || text(it, "container") == other
    });
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(agent.job_events(&job), ["job.added"]);
}

#[test]
fn a_container_that_is_there_before_the_agent_is_found() {
    let stage = Stage::new();
    let job = format!("{}.sync", stage.name("web"));
    stage.worker("web").exec("sync", &[("schedule", "@yearly"), ("command", "true")]).start();
    let agent = stage.agent().jobs([&job]).start();
    agent.wait_for_event("job.added", &job);
}

#[test]
fn containers_that_start_while_the_agent_does_are_not_missed() {
    let stage = Stage::new();
    let parts = ["a", "b", "c"];
    let jobs = parts.map(|part| format!("{}.sync", stage.name(part)));
    // No waiting in between: some come before its first list, some during it, some before its events.
    let agent = stage.agent().jobs(&jobs).start();
    for part in parts {
        stage.worker(part).exec("sync", &[("schedule", "@yearly"), ("command", "true")]).start();
    }
    for job in &jobs {
        agent.wait_for_event("job.added", job);
    }
}

#[test]
fn jobs_of_the_file_stay_when_the_last_labelled_container_goes() {
    let stage = Stage::new();
    let (job, in_file) = (format!("{}.sync", stage.name("web")), stage.name("file"));
    let every_second = [("schedule", "@every 1s"), ("command", "true")];
    let agent = stage.agent().jobs([&job]).file_job("local", &in_file, &every_second).start();
    let web = stage.worker("web").exec("sync", &every_second).start();
    agent.wait_for_event("job.added", &job);
    stage.docker(["rm", "-f", &web]);
    agent.wait_for_event("job.removed", &job);
    let runs = agent.records(|it| it["event"] == "run.finished" && it["job"] == *in_file).len();
    let goes_on = |it: &serde_json::Value| it["event"] == "run.finished" && it["job"] == *in_file;
    agent.wait_for_nth("the file's job goes on", runs + 1, goes_on);
    assert_eq!(agent.job_events(&in_file), ["job.added"]);
}

#[test]
fn a_schedule_of_five_fields_is_minutes_first() {
    let stage = Stage::new();
    let job = format!("{}.sync", stage.name("web"));
    stage.worker("web").exec("sync", &[("schedule", "*/5 * * * *"), ("command", "true")]).start();
    let agent = stage.agent().jobs([&job]).start();
    let added = agent.wait_for_event("job.added", &job);
    let next: Vec<jiff::Timestamp> = added["next"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| it.as_str().and_then(|it| it.parse().ok()).expect("a time"))
        .collect();
    assert!(next.windows(2).all(|pair| pair[1].duration_since(pair[0]).as_secs() == 300), "{added}");
}
