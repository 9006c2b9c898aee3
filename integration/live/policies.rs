//! Attempts and chains: what comes after a command that a real Engine ran.

use crate::support::live_engine::{Stage, text};

/// Fails twice and then succeeds: the file counts. `$$` is how the INI file writes one `$`.
const THIRD_TIME: &str =
    "n=$$(cat /tmp/count 2>/dev/null || echo 0); echo $$((n + 1)) >/tmp/count; echo try $$n; test $$n -ge 2";

#[test]
fn a_command_that_fails_twice_and_then_succeeds_is_one_run_with_three_attempts() {
    let stage = Stage::new();
    let web = stage.worker("web").start();
    let job = stage.name("third");
    let parameters = [
        ("schedule", "@every 1s"),
        ("container", &*web),
        ("shell", "true"),
        ("command", THIRD_TIME),
        ("retries", "5"),
        ("retry-delay", "200ms"),
    ];
    let agent = stage.agent().file_job("exec", &job, &parameters).start();
    let ended = agent.wait_for_end(&job);
    assert_eq!((text(&ended, "outcome"), &ended["attempt"]), ("succeeded", &3.into()), "{ended}");
    let run = text(&ended, "run");
    assert_eq!(agent.lines(run, "stdout"), ["try 0", "try 1", "try 2"]);
    let failed = agent.records(|it| it["event"] == "run.attempt_failed" && it["run"] == *run);
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert!(failed.iter().all(|it| it["exit_code"] == 1), "{failed:?}");
}

#[test]
fn a_container_that_fails_is_made_anew_for_each_attempt_and_none_is_left() {
    let stage = Stage::new();
    let job = stage.name("made");
    let parameters = [
        ("schedule", "@every 1s"),
        ("image", "watchbell-worker:local"),
        ("command", "sh -c \"hostname; exit 4\""),
        ("retries", "1"),
        ("retry-delay", "100ms"),
    ];
    let agent = stage.agent().file_job("run", &job, &parameters).start();
    let ended = agent.wait_for_end(&job);
    assert_eq!((text(&ended, "outcome"), &ended["attempt"]), ("failed", &2.into()), "{ended}");
    let hosts = agent.lines(text(&ended, "run"), "stdout");
    assert!(hosts.len() == 2 && hosts[0] != hosts[1], "two containers of one name: {hosts:?}");
    agent.terminate();
    agent.wait_for_exit();
    let left = stage.docker(["ps", "-aq", "--filter", &format!("label=watchbell.job={job}")]);
    assert_eq!(left.trim(), "");
}

/// Mistake 22.
#[test]
fn a_chain_goes_the_way_that_the_true_outcomes_say() {
    let stage = Stage::new();
    let web = stage.worker("web").start();
    let [first, second, repair, never, gated] =
        ["first", "second", "repair", "never", "gated"].map(|part| stage.name(part));
    let work = |schedule, command| [("schedule", schedule), ("container", &*web), ("command", command)];
    let with = |base: [(&'static str, &str); 3], more: &[(&'static str, &str)]| -> Vec<(String, String)> {
        base.iter().chain(more).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let jobs = [
        (&first, with(work("@every 1s", "true"), &[("on-success", &second)])),
        (&second, with(work("@triggered", "false"), &[("on-success", &never), ("on-failure", &repair)])),
        (&repair, with(work("@triggered", "true"), &[])),
        (&never, with(work("@triggered", "true"), &[])),
        (&gated, with(work("@every 1s", "true"), &[("depends-on", &repair)])),
    ];
    let mut agent = stage.agent();
    for (job, parameters) in &jobs {
        let parameters: Vec<(&str, &str)> =
            parameters.iter().map(|(key, value)| (&**key, &**value)).collect();
        agent = agent.file_job("exec", job, &parameters);
    }
    let agent = agent.start();
    let repaired = agent.wait_for_end(&repair);
    assert_eq!((text(&repaired, "outcome"), text(&repaired, "trigger")), ("succeeded", "dependency"));
    let failed = agent.wait_for_end(&second);
    assert_eq!((text(&failed, "outcome"), text(&failed, "trigger")), ("failed", "dependency"));
    agent.wait_for_end(&gated);
    let order: Vec<String> = agent
        .records(|it| it["event"] == "run.finished")
        .iter()
        .map(|it| text(it, "job").to_owned())
        .collect();
    let at = |job: &String| order.iter().position(|it| it == job);
    assert!(at(&first) < at(&second) && at(&second) < at(&repair) && at(&repair) < at(&gated), "{order:?}");
    assert_eq!(at(&never), None, "{order:?}");
}
