//! Which occurrences run when more are due than may run.

use crate::support::live_engine::{Record, Stage, text};

#[test]
fn a_job_that_is_due_while_its_last_run_goes_on_is_skipped_and_names_that_run() {
    let stage = Stage::new();
    let job = format!("{}.slow", stage.name("web"));
    stage.worker("web").exec("slow", &[("schedule", "@every 1s"), ("command", "sleep 3")]).start();
    let agent = stage.agent().jobs([&job]).start();
    let started = agent.wait_for_event("run.started", &job);
    let skipped = agent.wait_for_event("run.skipped", &job);
    let reason = format!("run {} of {job} is still running", text(&started, "run"));
    assert!(text(&skipped, "reason").starts_with(&reason), "{skipped}");
    assert_ne!(skipped["run"], started["run"], "an occurrence of its own");
    let ended = agent.wait_for_end(&job);
    assert_eq!(text(&ended, "outcome"), "succeeded", "the run itself goes on");
    agent.wait_for_nth("its turn comes again", 2, |it| it["event"] == "run.started" && it["job"] == *job);
}

#[test]
fn eleven_jobs_due_at_once_with_two_allowed_all_run_and_never_three_at_a_time() {
    let stage = Stage::new();
    let web = stage.name("web");
    let jobs: Vec<String> = (0..11).map(|number| format!("{web}.job{number}")).collect();
    let mut worker = stage.worker("web");
    for number in 0..11 {
        let parameters = [("schedule", "*/10 * * * * *"), ("command", "sleep 0.2")];
        worker = worker.exec(&format!("job{number}"), &parameters);
    }
    worker.start();
    let agent = stage.agent().jobs(&jobs).arguments(&["--max-concurrent-runs", "2"]).start();
    // The first occurrence that all of them have: the agent saw the container as a whole.
    let first = agent.wait_for("a run", |it| it["event"] == "run.started");
    let of_first =
        |it: &Record, event: &str| it["event"] == *event && it["occurrence"] == first["occurrence"];
    for job in &jobs {
        // Skipped would be an end as well: told at once, and not after a wait that no run ends.
        let ended = agent.wait_for(&format!("{job} ends"), |it| {
            (of_first(it, "run.finished") || of_first(it, "run.skipped")) && it["job"] == **job
        });
        assert_eq!(text(&ended, "outcome"), "succeeded", "{ended}");
    }
    let records = agent.records(|it| ["run.started", "run.finished"].contains(&text(it, "event")));
    let (mut running, mut most) = (0_i32, 0);
    for record in &records {
        running += if record["event"] == "run.started" { 1 } else { -1 };
        most = most.max(running);
    }
    assert_eq!(most, 2, "{records:?}");
    assert_eq!(records.iter().filter(|it| of_first(it, "run.finished")).count(), 11);
    // Of this occurrence only: a machine that is busy may still be at it when the next one comes.
    assert_eq!(agent.records(|it| of_first(it, "run.skipped")), [Record::Null; 0]);
}
