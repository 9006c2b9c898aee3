//! `/metrics` of an agent on a real Engine, while it works.
#![expect(clippy::float_cmp, reason = "counts are whole numbers")]

use std::path::Path;

use crate::support::{
    beside,
    exposition::Exposition,
    live_engine::{Agent, Stage, WORKER, eventually},
};

fn scrape(agent: &Agent) -> Exposition {
    let reply = beside::get(Path::new(agent.state_dir()), "/metrics");
    assert_eq!(reply.status, 200, "{}", reply.text());
    Exposition::read(&reply.text())
}

#[test]
fn what_goes_on_and_what_came_of_it_is_scraped_while_it_happens() {
    let stage = Stage::new();
    let (web, label) = (stage.name("web"), "watchbell.job-exec.wait");
    let job = format!("{web}.wait");
    let agent = stage.agent().jobs([&job]).file_job(
        "run",
        &stage.name("fails"),
        &[("image", WORKER), ("network", "none"), ("schedule", "@startup"), ("command", "sh -c 'exit 7'")],
    );
    let agent = agent.start();
    agent.wait_for_end(&stage.name("fails"));
    let known = scrape(&agent).get("watchbell_engine_events_total", &[]);
    stage
        .worker("web")
        .label("watchbell.enabled", "true")
        .label(&format!("{label}.schedule"), "* * * * * *")
        // Until someone says that it is seen.
        .label(&format!("{label}.command"), "while [ ! -e /tmp/seen ]; do sleep 0.1; done")
        .label(&format!("{label}.shell"), "true")
        .start();
    agent.wait_for_event("run.skipped", &job);
    let during = scrape(&agent);
    let of_job = [("job", &*job)];
    assert_eq!(during.get("watchbell_running_runs", &[]), 1.0);
    assert_eq!(during.get("watchbell_engine_connected", &[]), 1.0);
    assert!(during.get("watchbell_engine_events_total", &[]) > known);
    assert!(during.find("watchbell_job_last_run_timestamp_seconds", &of_job).is_none());
    assert!(during.get("watchbell_job_next_run_timestamp_seconds", &of_job) > 1.7e9);
    let overlap = [("job", &*job), ("reason", "overlap")];
    assert!(during.get("watchbell_runs_skipped_total", &overlap) >= 1.0);
    let failed = stage.name("fails");
    assert_eq!(during.get("watchbell_job_last_exit_code", &[("job", &*failed)]), 7.0);
    assert_eq!(during.get("watchbell_run_duration_seconds_count", &[("kind", "run")]), 1.0);

    stage.docker(["exec", &web, "touch", "/tmp/seen"]);
    agent.wait_for_end(&job);
    let after = scrape(&agent);
    let succeeded = [("job", &*job), ("kind", "exec"), ("outcome", "succeeded")];
    assert!(after.get("watchbell_runs_total", &succeeded) >= 1.0);
    assert_eq!(after.get("watchbell_job_last_exit_code", &of_job), 0.0);
    assert!(after.find("watchbell_job_last_success_timestamp_seconds", &of_job).is_some());

    stage.docker(["rm", "-f", &web]);
    eventually("its series are gone with it", || {
        scrape(&agent).find("watchbell_runs_skipped_total", &overlap).is_none()
    });
}
