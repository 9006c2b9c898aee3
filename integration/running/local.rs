//! Kind `local`. Child processes live in real time, and so do these tests: a paused clock would run away from them.

use tokio::time::sleep;

use crate::support::{
    fake_engine::FakeEngine,
    test_agent::{Record, Setup, TestAgent, clock, engine, seconds},
};

/// Due every second; the first run's record.
async fn first_run(section: &str) -> (TestAgent, Record) {
    let clock = clock();
    let engine: FakeEngine = engine(&clock);
    engine.down();
    let ini = format!("[job-local \"it\"]\nschedule = * * * * * *\n{section}");
    let agent = TestAgent::on(clock, engine, Setup::ini(&ini));
    let finished = agent.wait_for("run.finished", 1).await;
    (agent, finished)
}

#[tokio::test]
async fn a_local_job_runs_without_an_engine_and_its_output_and_code_are_told() {
    let (agent, finished) = first_run(
        "command = echo \"$A-$0\"; pwd; echo bad >&2; exit 3\nshell = true\nworkdir = /\nenvironment = A=x y\n",
    )
    .await;
    assert_eq!((finished.text("outcome"), finished.text("exit_code")), ("failed".into(), "3".into()));
    let run = finished.text("run");
    let mut lines: Vec<_> = agent
        .all("run.output")
        .into_iter()
        .filter(|it| it.text("run") == run)
        .map(|it| format!("{}: {}", it.text("stream"), it.text("line")))
        .collect();
    // The two pipes have no order among each other.
    lines.sort();
    assert_eq!(lines, ["stderr: bad", "stdout: /", "stdout: x y-/bin/sh"]);
}

#[tokio::test]
async fn a_program_that_does_not_exist_was_not_started() {
    let (_, finished) = first_run("command = /nowhere/at-all\n").await;
    assert_eq!(finished.text("outcome"), "not-started");
    assert!(finished.text("reason").contains("there is no program \"/nowhere/at-all\""), "{finished:?}");
}

#[tokio::test]
async fn a_local_command_past_its_timeout_goes_with_its_children() {
    let directory = tempfile::tempdir().unwrap();
    // A file for each run, as further ones begin before the test ends; it is there with its content or not at all.
    let command = format!(
        "cd {}; trap '' TERM; sleep 1000 & echo $! > $WATCHBELL_RUN.new; mv $WATCHBELL_RUN.new $WATCHBELL_RUN; \
         wait; sleep 1000",
        directory.path().display()
    );
    let (_, finished) = first_run(&format!(
        "command = {}\nshell = true\ntimeout = 3s\ngrace-period = 100ms\n",
        command.replace('$', "$$")
    ))
    .await;
    assert_eq!((finished.text("outcome"), finished.text("reason")), ("timed-out".into(), String::new()));
    let child = std::fs::read_to_string(directory.path().join(finished.text("run"))).unwrap();
    let mut state = String::new();
    for _ in 0..300 {
        state = std::fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
        let left = state.rsplit(')').next().unwrap_or_default().trim();
        if left.is_empty() || left.starts_with('Z') {
            return;
        }
        sleep(seconds(1) / 10).await;
    }
    panic!("its child is left: {state}");
}

#[tokio::test]
async fn a_local_command_that_a_signal_ends_has_failed_with_the_shells_code() {
    let (_, finished) =
        first_run("command = kill -9 $$\nshell = true\n".replace("$$", "$$$$").as_str()).await;
    assert_eq!((finished.text("outcome"), finished.text("exit_code")), ("failed".into(), "137".into()));
    assert!(finished.text("reason").contains("SIGKILL"), "{finished:?}");
}
