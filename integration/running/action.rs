//! Kind `container`: what it asks of the Engine, and what is told of it.

use std::path::Path;

use tokio::time::sleep;

use crate::support::{
    fake_engine::{ContainerSpec, RunBehaviour},
    test_agent::{HOUR, MINUTE, Record, Setup, TestAgent, labelled, seconds},
};

/// A job of the file that does this to the container `db` at one minute past midnight.
fn doing(action: &str) -> String {
    format!("[job-container \"act\"]\nschedule = 1 0 * * *\ncontainer = db\naction = {action}\n")
}

/// What was asked of the Engine to change a container.
fn asked(agent: &TestAgent) -> Vec<String> {
    let requests = agent.engine.requests().into_iter().filter(|it| it.starts_with("POST /containers/"));
    requests.map(|it| it.rsplit('/').next().unwrap_or_default().to_owned()).collect()
}

fn said(record: &Record) -> [String; 3] {
    ["outcome", "exit_code", "reason"].map(|key| record.text(key))
}

/// How the container is in a list.
fn state(agent: &TestAgent, name: &str) -> String {
    agent.engine.container_state(name).unwrap_or_default()
}

/// What was said with each request that matches.
fn queries(agent: &TestAgent, pattern: &str) -> Vec<String> {
    let queries = agent.engine.queries(pattern).into_iter();
    let words = |query: std::collections::BTreeMap<String, String>| {
        query.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    };
    queries.map(words).collect()
}

/// A container that does not listen when it is asked to stop.
fn deaf(agent: &TestAgent) {
    let deaf = RunBehaviour::exit(0).hold_until_killed().ignores_term();
    agent.engine.scripted(ContainerSpec::new("db"), deaf);
    agent.engine.start_again("db");
}

#[tokio::test(start_paused = true)]
async fn each_action_is_asked_for_once_and_told_as_what_the_container_shows_then() {
    for (action, before, after) in [
        ("start", "exited", "running"),
        ("start", "created", "running"),
        ("stop", "running", "exited"),
        ("stop", "paused", "exited"),
        ("restart", "running", "running"),
        ("restart", "exited", "running"),
        ("pause", "running", "paused"),
        ("unpause", "paused", "running"),
        ("kill", "running", "exited"),
    ] {
        let agent = TestAgent::with(Setup::ini(&doing(action))).await;
        agent.engine.create(ContainerSpec::new("db"));
        if before != "created" {
            agent.engine.start_again("db");
        }
        match before {
            "exited" => agent.engine.stop("db"),
            "paused" => agent.engine.pause("db"),
            _ => {}
        }
        assert_eq!(state(&agent, "db"), before);
        let finished = agent.wait_for("run.finished", 1).await;
        assert_eq!(said(&finished), ["succeeded", "", ""], "{action} of one that is {before}");
        assert_eq!([finished.text("kind"), finished.text("container")], ["container", "db"]);
        assert_eq!((asked(&agent), state(&agent, "db")), (vec![action.to_owned()], after.to_owned()));
        assert_eq!(agent.engine.unknown_requests(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_so_already_is_a_success_that_says_so_and_asks_for_nothing() {
    for (action, before, note) in [
        ("start", "running", "was running already"),
        ("stop", "exited", "was not running"),
        ("pause", "paused", "was paused already"),
        ("unpause", "running", "was not paused"),
        ("kill", "exited", "was not running"),
    ] {
        let agent = TestAgent::with(Setup::ini(&doing(action))).await;
        agent.engine.start(ContainerSpec::new("db"));
        match before {
            "exited" => agent.engine.stop("db"),
            "paused" => agent.engine.pause("db"),
            _ => {}
        }
        let finished = agent.wait_for("run.finished", 1).await;
        let reason = format!("nothing was to be done: container db {note}");
        assert_eq!(said(&finished), ["succeeded", "", &reason], "{action} of one that is {before}");
        assert_eq!(asked(&agent), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_not_there_and_a_refusal_of_the_engine_are_failures_with_their_reasons() {
    let agent = TestAgent::with(Setup::ini(&doing("restart"))).await;
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(said(&finished), ["not-started", "", "there is no container db"]);

    let agent = TestAgent::with(Setup::ini(&doing("kill\nsignal = SIGHUP"))).await;
    agent.engine.create(ContainerSpec::new("db"));
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "not-started");
    assert!(finished.text("reason").starts_with("killing container db: "), "{finished:?}");
    assert!(finished.text("reason").contains("is not running"), "{finished:?}");

    let agent = TestAgent::with(Setup::ini(&doing("pause\nretries = 1"))).await;
    agent.engine.start(ContainerSpec::new("db"));
    agent.engine.fail("POST /containers/*/pause", 1, 500, "cannot freeze");
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!([finished.text("outcome"), finished.text("attempt")], ["succeeded", "2"]);
    assert_eq!(
        agent.one("run.attempt_failed").text("reason"),
        "pausing container db: cannot freeze (status 500)"
    );
}

/// Mistake 27, of a container: an answer of the Engine is not yet a success.
#[tokio::test(start_paused = true)]
async fn a_container_that_ends_as_it_starts_is_a_failure_with_its_exit_code() {
    for (code, outcome) in [(3, "failed"), (0, "succeeded")] {
        let agent = TestAgent::with(Setup::ini(&doing("start"))).await;
        agent.engine.scripted(ContainerSpec::new("db"), RunBehaviour::exit(code));
        let finished = agent.wait_for("run.finished", 1).await;
        assert_eq!(finished.text("outcome"), outcome, "{finished:?}");
        assert!(finished.text("reason").contains(&format!("exit code {code}")), "{finished:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_signal_and_the_time_to_stop_arrive_at_the_engine() {
    let agent = TestAgent::with(Setup::ini(&doing("kill\nsignal = SigUsr1"))).await;
    agent.engine.start(ContainerSpec::new("db"));
    assert_eq!(said(&agent.wait_for("run.finished", 1).await), ["succeeded", "", ""]);
    assert_eq!(queries(&agent, "POST /containers/*/kill"), ["signal=USR1"]);
    assert_eq!(state(&agent, "db"), "running");

    for (parameter, query) in [("", ""), ("grace-period = 1500ms\n", "t=2")] {
        for action in ["stop", "restart"] {
            let agent = TestAgent::with(Setup::ini(&(doing(action) + parameter))).await;
            agent.engine.start(ContainerSpec::new("db"));
            assert_eq!(said(&agent.wait_for("run.finished", 1).await), ["succeeded", "", ""]);
            assert_eq!(queries(&agent, &format!("POST /containers/*/{action}")), [query]);
        }
    }
}

/// This Engine would stop it with its own signal, and say nothing.
#[tokio::test(start_paused = true)]
async fn a_stop_with_a_signal_that_the_engine_cannot_do_is_refused_and_not_ignored() {
    let agent = TestAgent::with(Setup::ini(&doing("stop\nsignal = INT"))).await;
    agent.engine.start(ContainerSpec::new("db"));
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "not-started");
    assert!(finished.text("reason").contains("remove the parameter signal"), "{finished:?}");
    assert_eq!((asked(&agent), state(&agent, "db")), (vec![], "running".to_owned()));
}

/// Mistake 24, of a container: what cannot be taken back is told as how far it has come.
#[tokio::test(start_paused = true)]
async fn a_timeout_ends_the_run_and_says_how_the_container_is() {
    let agent = TestAgent::with(Setup::ini(&(doing("stop") + "timeout = 5s\ngrace-period = 1m\n"))).await;
    deaf(&agent);
    let finished = agent.wait_for("run.finished", 1).await;
    let reason = "stop was asked for and the Engine had not answered: container db is running";
    assert_eq!(said(&finished), ["timed-out", "", reason]);
    assert!((finished.number("duration_seconds") - 5.0).abs() < 0.5, "{finished:?}");
}

/// Mistake 30.
#[tokio::test(start_paused = true)]
async fn an_agent_that_ends_tells_how_far_the_action_has_come() {
    let mut agent = TestAgent::with(Setup::ini(&(doing("stop") + "grace-period = 1m\n"))).await;
    deaf(&agent);
    agent.wait_for("run.started", 1).await;
    sleep(seconds(1)).await;
    agent.signal();
    let took = agent.end().await;
    assert!(took < seconds(11), "{took:?}");
    let finished = agent.one("run.finished");
    assert_eq!(finished.text("outcome"), "stopped");
    let reason = finished.text("reason");
    assert!(reason.starts_with("the agent is shutting down; stop was asked for"), "{finished:?}");
    assert!(reason.ends_with("container db is running"), "{finished:?}");
}

/// An agent on the Engine and in the state directory of one that was killed before the Engine had answered. `does` says
/// whether the Engine does what it was asked for.
async fn after_a_kill(folder: &Path, action: &str, does: bool) -> TestAgent {
    let ini = doing(action) + "grace-period = 20s\n";
    let setup = || Setup { state_dir: Some(folder.to_owned()), ..Setup::ini(&ini) };
    let agent = TestAgent::with(setup()).await;
    agent.engine.start(ContainerSpec::new("db"));
    let pattern = format!("POST /containers/*/{action}");
    let hold = if does { agent.engine.hold_answers(&pattern) } else { agent.engine.hold(&pattern) };
    agent.wait_for("run.started", 1).await;
    sleep(seconds(2)).await;
    let (clock, engine) = (agent.clock(), agent.engine.clone());
    drop(agent);
    sleep(MINUTE).await;
    hold.release();
    TestAgent::on(clock, engine, setup())
}

#[tokio::test(start_paused = true)]
async fn the_next_agent_tells_an_action_as_what_the_container_shows_and_asks_for_it_no_more() {
    for action in ["stop", "restart"] {
        let folder = tempfile::tempdir().unwrap();
        let agent = after_a_kill(folder.path(), action, true).await;
        let finished = agent.wait_for("run.finished", 1).await;
        assert_eq!(finished.text("outcome"), "succeeded");
        assert!(finished.text("reason").contains("this is what the container shows"), "{finished:?}");
        assert_eq!(agent.one("run.adopted").text("container"), "db");
        assert_eq!(asked(&agent), [action]);

        // It runs in either case: what tells a restart is when it was started.
        let folder = tempfile::tempdir().unwrap();
        let agent = after_a_kill(folder.path(), action, false).await;
        let lost = agent.wait_for("run.lost", 1).await;
        assert!(lost.text("reason").ends_with("container db was done: it is running"), "{lost:?}");
        assert_eq!(agent.engine.container_names(), ["db"], "it is nobody's to remove");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stopped_container_starts_itself_by_its_own_label() {
    let agent = TestAgent::with(Setup::ini("[global]\nallow-from-labels = container\n")).await;
    let labels = [("container.up.schedule", "0 1 * * *"), ("container.up.action", "start")];
    agent.start(labelled("web", &labels)).await;
    agent.engine.stop("web");
    agent.wait_for("run.finished", 1).await;
    assert_eq!(agent.outcomes("web.up"), ["succeeded"]);
    assert_eq!(state(&agent, "web"), "running");
    assert_eq!(agent.all("run.skipped"), []);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_done_to_the_agents_own_container_that_would_end_it() {
    let engine_and = async |action: &str| {
        let ini = format!("[job-container \"up\"]\nschedule = @hourly\ncontainer = me\naction = {action}\n");
        let clock = crate::support::test_agent::clock();
        let engine = crate::support::test_agent::engine(&clock);
        let own = engine.start(ContainerSpec::new("me"));
        let agent = TestAgent::on(clock, engine, Setup { own_ids: vec![own], ..Setup::ini(&ini) });
        agent.wait_for("agent.ready", 1).await;
        agent
    };
    for action in ["stop", "restart", "pause", "kill"] {
        let agent = engine_and(action).await;
        let rejected = agent.one("job.rejected");
        assert!(
            rejected.text("reason").starts_with(&format!("action: {action} of the agent's own")),
            "{rejected:?}"
        );
        sleep(2 * HOUR).await;
        assert_eq!((agent.handle.snapshot().jobs, asked(&agent)), (0, vec![]));
    }
    let agent = engine_and("start").await;
    agent.sleep_until("01:01").await;
    assert_eq!(agent.outcomes("up"), ["succeeded"]);
}
