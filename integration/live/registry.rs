//! Images of jobs of kind `run` from a real registry with a password: what is pulled, and what is told where it cannot be.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::support::live_engine::{Agent, PASSWORD, Record, Stage, USER, text};

/// The parameters of a job with this image.
fn job<'a>(image: &'a str, schedule: &'a str, pull: &'a str) -> [(&'static str, &'a str); 4] {
    [("schedule", schedule), ("image", image), ("network", "none"), ("pull", pull)]
}

/// Waits for a run of this job that ended so, with this in its reason.
fn ended(agent: &Agent, job: &str, outcome: &str, reason: &str) -> Record {
    agent.wait_for(&format!("{outcome} of {job} with \"{reason}\""), |it| {
        it["event"] == "run.finished"
            && it["job"] == job
            && text(it, "outcome") == outcome
            && text(it, "reason").contains(reason)
    })
}

fn printed(agent: &Agent, ended: &Record) -> Vec<String> {
    agent.lines(text(ended, "run"), "stdout")
}

/// Each is taken without a restart of the agent. The password stands in nothing that the agent writes.
#[test]
fn missing_wrong_and_right_credentials_and_those_of_a_helper() {
    let stage = Stage::new();
    let registry = stage.registry();
    registry.put("app:1", "from the registry");
    let image = registry.image("app:1");
    let job_name = stage.name("app");
    let (folder, programs) = (stage.dir().join("docker"), stage.dir().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = format!("{}:{}", programs.display(), path.display());
    let agent = stage
        .agent()
        .variable("DOCKER_CONFIG", folder.to_str().expect("text"))
        .variable("PATH", path)
        .file_job("run", &job_name, &job(&image, "@every 1s", "always"))
        .start();

    ended(&agent, &job_name, "not-started", &format!("there is no {}", folder.join("config.json").display()));
    registry.log_in("docker", USER, "wb-wrong-canary");
    ended(&agent, &job_name, "not-started", "does not take the credentials");
    registry.config("docker", "{\"credsStore\": \"wb-test\"}");
    ended(&agent, &job_name, "not-started", "there is no such program beside the agent");
    fs::create_dir(&programs).expect("a directory");
    let helper = programs.join("docker-credential-wb-test");
    let answer = format!("{{\"ServerURL\":\"\",\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}");
    let script =
        format!("#!/bin/sh\nread server\n[ \"$server\" = {} ] && echo '{answer}'\n", registry.address);
    // Renamed when it is whole: the agent may look for it at any moment.
    let unfinished = programs.join("unfinished");
    fs::write(&unfinished, script).expect("the file can be written");
    fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o755)).expect("it is ours");
    fs::rename(&unfinished, &helper).expect("it is ours");
    let by_helper = ended(&agent, &job_name, "succeeded", "");
    assert_eq!(printed(&agent, &by_helper), ["from the registry"]);
    registry.config("docker", "{\"auths\": {}}");
    ended(&agent, &job_name, "not-started", "it has none for");
    registry.log_in("docker", USER, PASSWORD);
    let so_far = agent.records(|it| it["event"] == "run.finished" && it["outcome"] == "succeeded").len();
    let by_file = agent.wait_for_nth("a run with what stands in the file", so_far + 1, |it| {
        it["event"] == "run.finished" && it["outcome"] == "succeeded"
    });
    assert_eq!(printed(&agent, &by_file), ["from the registry"]);

    agent.terminate();
    agent.wait_for_exit();
    let told: Vec<String> = agent.records(|_| true).iter().map(ToString::to_string).collect();
    assert!(told.iter().all(|it| !it.contains("-canary")), "{}", told.join("\n"));
    for file in fs::read_dir(agent.state_dir()).expect("it is there") {
        let file = file.expect("it can be read").path();
        let kept = if file.is_file() { fs::read(&file).expect("it can be read") } else { Vec::new() };
        assert!(!kept.windows(7).any(|it| it == b"-canary"), "{}", file.display());
    }
}

#[test]
fn never_missing_and_always_with_an_image_that_changes_and_a_registry_that_goes() {
    let stage = Stage::new();
    let registry = stage.registry();
    registry.put("app:1", "one");
    let image = registry.image("app:1");
    let config = registry.log_in("docker", USER, PASSWORD);
    let [never, missing, always] = ["never", "missing", "always"].map(|it| stage.name(it));
    let agent = stage
        .agent()
        .variable("DOCKER_CONFIG", config.parent().and_then(|it| it.to_str()).expect("text"))
        .file_job("run", &never, &job(&image, "@manual", "never"))
        .file_job("run", &missing, &job(&image, "@manual", "missing"))
        .file_job("run", &always, &job(&image, "@manual", "always"))
        .start();
    agent.wait_until_ready();
    let run = |job: &str| {
        let so_far = agent.records(|it| it["event"] == "run.finished").len();
        let asked = std::process::Command::new(env!("CARGO_BIN_EXE_watchbell"))
            .args(["run", job, "--state-dir", agent.state_dir()])
            .output()
            .expect("it can be run");
        assert!(asked.status.success(), "{asked:?}");
        agent.wait_for_nth("it ends", so_far + 1, |it| it["event"] == "run.finished")
    };
    let prints = |ended: &Record, line: &str| {
        assert_eq!(
            (text(ended, "outcome"), printed(&agent, ended)),
            ("succeeded", vec![line.to_owned()]),
            "{ended}"
        );
    };

    let refused = run(&never);
    assert_eq!(text(&refused, "outcome"), "not-started", "{refused}");
    assert!(text(&refused, "reason").contains(&format!("docker pull {image}")), "{refused}");
    prints(&run(&missing), "one");
    prints(&run(&never), "one");

    // The Engine has the old one; that is what all but `always` run.
    let id = stage.docker(["image", "inspect", "--format", "{{.Id}}", &image]);
    stage.docker(["tag", &image, &registry.image("old:1")]);
    registry.forget("app:1");
    registry.put("app:1", "two");
    stage.docker(["tag", &id, &image]);
    prints(&run(&missing), "one");
    prints(&run(&always), "two");
    prints(&run(&missing), "two");

    registry.stop();
    let refused = run(&always);
    assert_eq!(text(&refused, "outcome"), "not-started", "{refused}");
    let reason = text(&refused, "reason");
    assert!(
        reason.contains("connection refused") && reason.contains("does not reach 127.0.0.1:"),
        "{refused}"
    );
    prints(&run(&missing), "two");
    registry.forget("app:1");
    let refused = run(&missing);
    assert!(text(&refused, "reason").contains("does not reach"), "{refused}");
    let unknown = agent.records(|it| text(it, "event").starts_with("image.pull"));
    assert!(unknown.iter().all(|it| it["image"] == *image), "{unknown:?}");
}

#[test]
fn an_image_that_the_registry_does_not_have_is_told_as_that() {
    let stage = Stage::new();
    let registry = stage.registry();
    let config = registry.log_in("docker", USER, PASSWORD);
    let job_name = stage.name("app");
    let image = registry.image("nowhere:1");
    let agent = stage
        .agent()
        .variable("DOCKER_CONFIG", config.parent().and_then(|it| it.to_str()).expect("text"))
        .file_job("run", &job_name, &job(&image, "@every 1s", "missing"))
        .start();
    let refused = ended(&agent, &job_name, "not-started", "look whether 127.0.0.1:");
    assert!(text(&refused, "reason").contains("manifest unknown"), "{refused}");
}

#[test]
fn runs_at_the_same_time_share_one_pull() {
    let stage = Stage::new();
    let registry = stage.registry();
    registry.put("app:1", "shared");
    let image = registry.image("app:1");
    let config = registry.log_in("docker", USER, PASSWORD);
    let (a, b) = (stage.name("a"), stage.name("b"));
    let before = registry.given("app");
    // It answers only when both wait.
    registry.hold();
    let agent = stage
        .agent()
        .variable("DOCKER_CONFIG", config.parent().and_then(|it| it.to_str()).expect("text"))
        .file_job("run", &a, &job(&image, "@startup", "missing"))
        .file_job("run", &b, &job(&image, "@startup", "missing"))
        .start();
    agent.wait_for_nth("both wait", 2, |it| it["event"] == "image.pulling");
    registry.release();
    for job in [&a, &b] {
        let ended = agent.wait_for_end(job);
        assert_eq!(
            (text(&ended, "outcome"), printed(&agent, &ended)),
            ("succeeded", vec!["shared".to_owned()])
        );
    }
    assert_eq!(agent.records(|it| it["event"] == "image.pulled").len(), 1);
    // Of one pull: whether it is there, and what it is.
    assert!((1..=2).contains(&(registry.given("app") - before)), "{}", registry.given("app"));
}
