//! compose.yaml as it stands, by whichever Compose is there.

use std::{path::Path, process::Command};

use crate::support::live_engine::{self, IMAGE, Stage, WORKER, eventually};

/// A Compose project, taken down when the test ends.
pub(super) struct Project<'a> {
    pub stage: &'a Stage,
    pub command: &'static [&'static str],
    pub name: String,
    pub files: Vec<String>,
}

impl Project<'_> {
    pub fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(self.command[0]);
        command.args(&self.command[1..]).args(["-p", &self.name]);
        for file in &self.files {
            command.args(["-f", file]);
        }
        command
            .args(arguments)
            .env("DOCKER_HOST", self.stage.host())
            .env("DOCKER_SOCKET", self.stage.socket())
            .env("WORKER_IMAGE", WORKER);
        live_engine::run(&mut command)
    }
}

impl Drop for Project<'_> {
    fn drop(&mut self) {
        let _ = self.run(&["down", "-v", "-t", "1"]);
    }
}

/// `docker compose` or docker-compose, if there is one.
pub(super) fn compose() -> Option<&'static [&'static str]> {
    let all: [&'static [&'static str]; 2] = [&["docker", "compose"], &["docker-compose"]];
    all.into_iter().find(|it| live_engine::run(Command::new(it[0]).args(&it[1..]).arg("version")).is_ok())
}

#[test]
fn compose_yaml_brings_up_a_healthy_agent_that_runs_the_workers_job() {
    let stage = Stage::new();
    let command = compose().expect("no Compose is installed: run `make test`, which sees to it");
    let there = stage.try_docker(["image", "inspect", "--format", "{{.Id}}", IMAGE]);
    assert!(there.is_ok(), "there is no image {IMAGE}: run `make image`, or `make test`, which does it");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let name = stage.name("compose");
    // Other tests' jobs are not this agent's business; and a log that is read here is JSON, whatever it is elsewhere.
    let (config, own) = (stage.dir().join("config.ini"), stage.dir().join("own.yaml"));
    let variable = format!("{name}.worker.hello.enabled").to_uppercase().replace(['.', '-'], "_");
    let variables =
        format!("WATCHBELL_CONFIG: /var/lib/watchbell/config.ini, WATCHBELL_JOB_{variable}: 'true'");
    std::fs::write(&config, "[job-defaults]\nenabled = false\n").expect("the file can be written");
    std::fs::write(&own, format!("services: {{ watchbell: {{ environment: {{ {variables} }} }} }}\n"))
        .expect("the file can be written");
    let files = [root.join("compose.yaml"), own].map(|it| it.to_str().expect("text").to_owned()).to_vec();
    let project = Project { stage: &stage, command, name: name.clone(), files };
    project.run(&["up", "--no-start", "--no-build"]).unwrap_or_else(|why| panic!("{why}"));
    let own_service = format!("label=com.docker.compose.project={name}");
    let whose = "label=com.docker.compose.service=watchbell";
    let agent = stage.docker(["ps", "-aq", "--filter", &own_service, "--filter", whose]);
    stage.docker(["cp", config.to_str().expect("text"), &format!("{agent}:/var/lib/watchbell/config.ini")]);
    project.run(&["start"]).unwrap_or_else(|why| panic!("{why}"));
    let job = format!("\"job\":\"{name}.worker.hello\"");
    eventually("the job prints", || {
        let logs = stage.docker(["logs", &agent]);
        logs.lines().any(|line| line.contains(&job) && line.contains("\"line\":\"hello from worker\""))
    });
    eventually("it is healthy", || stage.inspect(&agent, "{{.State.Health.Status}}") == "healthy");
    let hardened = stage.inspect(&agent, "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}}");
    assert_eq!(hardened, "true [ALL]");
    project.run(&["stop"]).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(stage.inspect(&agent, "{{.State.ExitCode}}"), "0");
}
