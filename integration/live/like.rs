//! Jobs of kind `run` that are like a service of Compose, by whichever Compose is there.

use std::{fs, path::PathBuf};

use crate::support::live_engine::{Stage, WORKER, eventually, text};

use super::compose::{Project, compose};

/// A service with all that a run takes of it.
const COMPOSE: &str = r#"
version: "3.8"
services:
  db:
    image: WORKER
    user: nobody
    working_dir: /tmp
    environment: { GREETING: "a b" }
    secrets: [password]
    networks: { front: { aliases: [database] }, back: {} }
    volumes: ["data:/data"]
    labels:
      watchbell.enabled: "true"
      watchbell.job-run.dump.schedule: "@every 2s"
      watchbell.job-run.dump.like: db
      watchbell.job-run.dump.shell: "true"
      watchbell.job-run.dump.command: >-
        echo "$$GREETING" "$$(cat /run/secrets/password)" "$$(id -u)" "$$(pwd)" "$$(cat /data/file)"; sleep 3
secrets: { password: { file: ./password } }
networks: { front: {}, back: {} }
volumes: { data: {} }
"#;

fn file(stage: &Stage) -> PathBuf {
    let (file, secret) = (stage.dir().join("compose.yaml"), stage.dir().join("password"));
    fs::write(&file, COMPOSE.replace("WORKER", WORKER)).expect("the file can be written");
    fs::write(&secret, "out of a secret").expect("the file can be written");
    file
}

#[test]
fn a_run_like_a_service_of_compose_sees_its_secrets_networks_volumes_and_user() {
    let stage = Stage::new();
    let file = file(&stage);
    let name = stage.name("like");
    let project = Project {
        stage: &stage,
        command: compose().expect("no Compose is installed: run `make test`, which sees to it"),
        name: name.clone(),
        files: vec![file.to_str().expect("text").to_owned()],
    };
    project.run(&["up", "-d"]).unwrap_or_else(|why| panic!("{why}"));
    let own = format!("label=com.docker.compose.project={name}");
    let db = stage.docker(["ps", "-q", "--filter", &own]);
    stage.docker(["exec", "-u", "0", &db, "sh", "-c", "echo in the volume >/data/file"]);

    // What the labels may not have without a grant is refused where it would be had, and nothing is left.
    let job = format!("{name}.db.dump");
    let refused = stage.agent().arguments(&["--allow-from-labels", "run"]).jobs([&job]).start();
    let ended = refused.wait_for_end(&job);
    assert_eq!(text(&ended, "outcome"), "not-started", "{ended}");
    assert!(text(&ended, "reason").contains("allow-from-labels=host-mounts"), "{ended}");
    assert!(text(&ended, "reason").contains("/password"), "the secret is a file of the machine: {ended}");
    drop(refused);

    let agent = stage.agent().arguments(&["--allow-from-labels", "run,host-mounts"]).jobs([&job]).start();
    let started = agent.wait_for_event("run.started", &job);
    let (container, run) = (text(&started, "container"), text(&started, "run"));
    let networks = "{{range $name, $it := .NetworkSettings.Networks}}{{$name}} {{$it.Aliases}} {{end}}";
    let networks = stage.inspect(container, networks);
    assert!(
        networks.contains(&format!("{name}_front")) && networks.contains(&format!("{name}_back")),
        "{networks}"
    );
    // As whole words: the ID that is always among them may have the letters of a name.
    let mut words = networks.split([' ', '[', ']']);
    assert!(!words.any(|it| it == "db" || it == "database"), "who asks for the service: {networks}");
    let image = |it: &str| stage.inspect(it, "{{.Image}}");
    assert_eq!(image(container), image(&db));
    let ended = agent.wait_for("it ends", |it| it["event"] == "run.finished" && it["run"] == *run);
    assert_eq!(text(&ended, "outcome"), "succeeded", "{ended}");
    assert_eq!(agent.lines(run, "stdout"), ["a b out of a secret 65534 /tmp in the volume"]);
    drop(agent);

    // From the file, of a service that has stopped; what the job says itself goes over it.
    project.run(&["stop", "-t", "1"]).unwrap_or_else(|why| panic!("{why}"));
    let job = stage.name("from-file");
    let parameters = [
        ("schedule", "@every 1s"),
        ("like", &*format!("{name}.db")),
        ("shell", "true"),
        ("command", "echo $$GREETING $$(id -u) $$(cat /run/secrets/password) $$(ls /sys/class/net)"),
        ("environment", "GREETING=over"),
        ("user", "0"),
        ("network", "none"),
    ];
    let agent = stage.agent().file_job("run", &job, &parameters).start();
    let ended = agent.wait_for_end(&job);
    assert_eq!(agent.lines(text(&ended, "run"), "stdout"), ["over 0 out of a secret lo"], "{ended}");
    drop(agent);

    // An agent that is killed leaves its runs to the next one, which does not come here.
    for left in stage.docker(["ps", "-aq", "--filter", &format!("name=watchbell-{}", stage.name(""))]).lines()
    {
        stage.docker(["rm", "-f", left]);
    }
    // Its volume is not the run's to remove.
    let volume = stage.docker(["volume", "ls", "-q", "--filter", &own]);
    assert_eq!(volume, format!("{name}_data"));
    project.run(&["down", "-v"]).unwrap_or_else(|why| panic!("{why}"));
    let agent = stage.agent().file_job("run", &job, &parameters).start();
    let skipped = agent.wait_for_event("run.skipped", &job);
    assert!(
        text(&skipped, "reason").contains(&format!("there is no container or service {name}.db")),
        "{skipped}"
    );
    eventually("nothing is left", || {
        stage.docker(["ps", "-aq", "--filter", &format!("name=watchbell-{job}")]).is_empty()
    });
}
