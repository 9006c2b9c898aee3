//! The image that has a shell, docker and Compose beside the agent, for jobs of the kinds `local` and `compose`.

use crate::support::live_engine::{Stage, WORKER, text};

use super::image::wait_for;

/// As integration/full-image makes it.
const FULL: &str = "watchbell-full:local";

#[test]
fn the_full_image_runs_local_jobs_with_a_shell_and_compose_jobs() {
    let stage = Stage::new();
    if let Err(why) = stage.try_docker(["image", "inspect", "--format", "{{.Id}}", FULL]) {
        panic!(
            "there is no image {FULL}: run `integration/full-image`, or `make test`, which does it. ({why})"
        );
    }
    let [agent, volume] = [stage.name("agent"), stage.name("state")];
    let project = stage.name("shop").to_ascii_lowercase();
    let shop = "/var/lib/watchbell/shop/compose.yaml";
    let job = |kind: &str, name: &str, rest: &str| {
        format!("[job-{kind} \"{name}\"]\nschedule = @triggered\nrun-on-startup = true\n{rest}\n")
    };
    let config = [
        "[job-defaults]\nenabled = false\n".to_owned(),
        job("local", "shell", "command = id -un; docker --version\nshell = true\nuser = nobody"),
        job("compose", "report", &format!("action = run\nfile = {shop}\nproject = {project}\nservice = web\ncommand = sh -c 'echo of the service; exit 3'")),
    ]
    .concat();
    let label = stage.label();
    let (key, value) = label.split_once('=').expect("a label");
    let file = format!(
        "services:\n  web:\n    image: {WORKER}\n    network_mode: none\n    labels: {{ {key}: '{value}' }}\n"
    );
    let (written, compose) = (stage.dir().join("config.ini"), stage.dir().join("shop"));
    std::fs::write(&written, config).expect("the file can be written");
    std::fs::create_dir(&compose).expect("a folder");
    std::fs::write(compose.join("compose.yaml"), file).expect("the file can be written");
    stage.docker(["volume", "create", "--label", &label, &volume]);
    let mounts = [format!("{}:/var/run/docker.sock", stage.socket()), format!("{volume}:/var/lib/watchbell")];
    stage.docker(
        [
            "create",
            "--name",
            &agent,
            "--label",
            &label,
            "--network",
            "none",
            "-v",
            &mounts[0],
            "-v",
            &mounts[1],
            FULL,
        ]
        .into_iter()
        .chain(["daemon", "--config", "/var/lib/watchbell/config.ini"])
        .chain(["--set", "shell.enabled=true", "--set", "report.enabled=true"]),
    );
    // By another container: Docker 28.5 copies nothing into one with a mount below a link, as /var/run is in Debian.
    let carrier = stage.name("carrier");
    let at = format!("{volume}:/state");
    stage.docker(["create", "--name", &carrier, "--label", &label, "--network", "none", "-v", &at, WORKER]);
    for (path, name) in [(&written, "config.ini"), (&compose, "shop")] {
        stage.docker(["cp", path.to_str().expect("text"), &format!("{carrier}:/state/{name}")]);
    }
    stage.docker(["rm", &carrier]);
    stage.docker(["start", &agent]);
    let ended = wait_for(&stage, &agent, "the local job ends", |it| {
        it["event"] == "run.finished" && it["job"] == "shell"
    });
    assert_eq!(text(&ended, "outcome"), "succeeded", "{ended}");
    let ended = wait_for(&stage, &agent, "the Compose job ends", |it| {
        it["event"] == "run.finished" && it["job"] == "report"
    });
    let logs = stage.docker(["logs", &agent]);
    assert_eq!((text(&ended, "outcome"), &ended["exit_code"]), ("failed", &3.into()), "{logs}");
    for line in ["\"line\":\"nobody\"", "\"line\":\"Docker version", "\"line\":\"of the service\""] {
        assert!(logs.contains(line), "{line}: {logs}");
    }
    assert!(!logs.contains("there is no Compose"), "{logs}");
    let left = "label=watchbell.job=report";
    stage.docker(["stop", &agent]);
    assert_eq!(stage.docker(["ps", "-aq", "--filter", left, "--filter", &format!("label={label}")]), "");
}
