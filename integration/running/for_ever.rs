//! Containers that may take for ever to stop (`--stop-timeout -1`): longer than any other answer is waited for.

use std::path::Path;

use tokio::time::sleep;

use crate::support::{
    fake_engine::{ContainerSpec, RunBehaviour},
    test_agent::{MINUTE, Setup, TestAgent, seconds},
};

const STOP: &str = "POST /containers/*/stop";

/// An agent with these jobs on an Engine with `db`, and with `app`, which ends ten minutes after it was started, well, and
/// not for being asked to.
async fn agent(folder: &Path, ini: &str) -> TestAgent {
    let clock = crate::support::test_agent::clock();
    let engine = crate::support::test_agent::engine(&clock);
    engine.start(ContainerSpec::new("db"));
    let slow = RunBehaviour::exit(0).takes(10 * MINUTE).ignores_term();
    engine.scripted(ContainerSpec::new("app").stop_timeout(-1), slow);
    engine.start_again("app");
    let agent = TestAgent::on(clock, engine, setup(folder, ini));
    agent.wait_for("agent.ready", 1).await;
    agent
}

fn setup(folder: &Path, ini: &str) -> Setup {
    Setup { state_dir: Some(folder.to_owned()), ..Setup::ini(ini) }
}

fn state(agent: &TestAgent) -> String {
    agent.engine.container_state("app").unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn an_action_waits_until_it_has_ended() {
    for (action, after) in [("stop", "exited"), ("restart", "running")] {
        let folder = tempfile::tempdir().unwrap();
        let ini =
            format!("[job-container \"act\"]\nschedule = 1 0 * * *\ncontainer = app\naction = {action}\n");
        let agent = agent(folder.path(), &ini).await;
        agent.wait_for("run.started", 1).await;
        sleep(5 * MINUTE).await;
        assert_eq!((state(&agent), agent.all("run.finished")), ("running".to_owned(), vec![]));
        let finished = agent.wait_for("run.finished", 1).await;
        assert_eq!([finished.text("outcome"), finished.text("reason")], ["succeeded", ""], "{action}");
        assert_eq!(state(&agent), after, "{action}");
    }
}

const DUMP: &str =
    "[job-exec \"dump\"]\nschedule = 1 0 * * *\ncontainer = db\ncommand = work\nstop-during = app\n";

#[tokio::test(start_paused = true)]
async fn a_run_begins_when_it_has_ended_and_starts_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let agent = agent(folder.path(), DUMP).await;
    agent.engine.requested(STOP, 1).await;
    sleep(5 * MINUTE).await;
    assert_eq!((state(&agent), agent.engine.execs().len()), ("running".to_owned(), 0));
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "succeeded", "{finished:?}");
    agent.wait_for("container.restored", 1).await;
    assert_eq!(state(&agent), "running");
}

/// It was asked to stop and will, however late: whoever took it for running would leave it down.
#[tokio::test(start_paused = true)]
async fn the_next_agent_waits_for_its_end_and_starts_it_then() {
    let folder = tempfile::tempdir().unwrap();
    let first = agent(folder.path(), DUMP).await;
    first.engine.requested(STOP, 1).await;
    sleep(seconds(1)).await;
    let (clock, engine) = (first.clock(), first.engine.clone());
    drop(first);
    let second = TestAgent::on(clock, engine, setup(folder.path(), DUMP));
    second.wait_for("agent.ready", 1).await;
    sleep(5 * MINUTE).await;
    assert_eq!((state(&second), second.all("container.restored")), ("running".to_owned(), vec![]));
    let restored = second.wait_for("container.restored", 1).await;
    assert_eq!([restored.text("reason"), state(&second)], ["it was started again", "running"]);
}
