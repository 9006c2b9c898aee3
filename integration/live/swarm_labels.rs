//! Labels on the services of a real Swarm of one node.

use crate::support::live_engine::{Record, Stage, WORKER, eventually, manager, text};

/// A stage on a manager, with a service of a stack; what a failing test leaves goes with it.
struct Deployed {
    stage: Stage,
    service: String,
}

impl Deployed {
    /// A service of one task that sleeps, with a job that comes each second.
    fn new() -> Self {
        let stage = Stage::at(manager());
        let service = format!("{}_web", stage.name("shop"));
        let namespace = format!("com.docker.stack.namespace={}", stage.name("shop"));
        stage.docker([
            "service",
            "create",
            "-d",
            "--no-resolve-image",
            "--name",
            &service,
            "--label",
            &namespace,
            "--label",
            "watchbell.enabled=true",
            "--label",
            "watchbell.job-exec.sync.schedule=@every 1s",
            "--label",
            "watchbell.job-exec.sync.command=hostname",
            "--stop-grace-period",
            "1s",
            WORKER,
            "sleep",
            "1000",
        ]);
        let it = Self { stage, service };
        it.until_it_runs();
        it
    }

    fn job(&self) -> String {
        format!("{}.web.sync", self.stage.name("shop"))
    }

    fn containers(&self) -> Vec<String> {
        let filter = format!("label=com.docker.swarm.service.name={}", self.service);
        let running = self.stage.docker(["ps", "--format", "{{.Names}}", "--filter", &filter]);
        running.lines().map(str::to_owned).collect()
    }

    fn until_it_runs(&self) {
        eventually("a task runs", || !self.containers().is_empty());
    }
}

impl Drop for Deployed {
    fn drop(&mut self) {
        let _ = self.stage.try_docker(["service", "rm", &self.service]);
    }
}

fn of_job<'a>(event: &'a str, job: &'a str) -> impl Fn(&Record) -> bool + 'a {
    move |it| it["event"] == event && it["job"] == job
}

#[test]
fn a_job_on_a_service_runs_in_its_task_and_moves_when_that_is_replaced() {
    let deployed = Deployed::new();
    let (stage, job) = (&deployed.stage, deployed.job());
    let [first] = &deployed.containers()[..] else { panic!("one task") };
    let agent = stage.agent().jobs([&job]).start();
    let added = agent.wait_for_event("job.added", &job);
    assert_eq!(
        text(&added, "origin"),
        format!("service {} (label watchbell.job-exec.sync.schedule)", deployed.service)
    );
    let ended = agent.wait_for_end(&job);
    assert_eq!((text(&ended, "outcome"), text(&ended, "container")), ("succeeded", &**first), "{ended}");

    stage.docker(["service", "update", "-d", "--no-resolve-image", "--force", &deployed.service]);
    let moved = agent.wait_for("a run in the new task", |it| {
        of_job("run.finished", &job)(it) && it["container"] != **first
    });
    assert_eq!(text(&moved, "outcome"), "succeeded", "{moved}");
    assert_eq!(agent.records(of_job("job.removed", &job)), Vec::<Record>::new());
    assert_eq!(agent.records(of_job("job.added", &job)).len(), 1);

    stage.docker(["service", "scale", "-d", &format!("{}=0", deployed.service)]);
    let skipped = agent.wait_for("a skipped occurrence", |it| {
        of_job("run.skipped", &job)(it) && text(it, "reason").starts_with("no task of the service")
    });
    assert!(text(&skipped, "reason").contains(&deployed.service), "{skipped}");
}

#[test]
fn labels_of_a_service_are_seen_when_they_change_and_when_it_goes() {
    let deployed = Deployed::new();
    let (stage, job) = (&deployed.stage, deployed.job());
    let agent = stage.agent().jobs([&job]).start();
    agent.wait_for_event("job.added", &job);
    let label = "watchbell.job-exec.sync.schedule=@daily";
    stage.docker(["service", "update", "-d", "--no-resolve-image", "--label-add", label, &deployed.service]);
    let updated = agent.wait_for("the change", |it| {
        of_job("job.updated", &job)(it) && text(it, "reason").contains("schedule")
    });
    assert_eq!(text(&updated, "reason"), "changed: schedule", "{updated}");
    stage.docker(["service", "rm", &deployed.service]);
    agent.wait_for_event("job.removed", &job);
}
