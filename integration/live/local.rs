//! Processes beside the agent, from the INI file.

use crate::support::live_engine::{Record, Stage, eventually, text};

/// The processes of this machine that belong to a run.
pub fn processes_of(run: &str) -> Vec<String> {
    let mark = format!("WATCHBELL_RUN={run}");
    let processes = std::fs::read_dir("/proc").expect("Linux");
    let names = processes.filter_map(|it| it.ok()?.file_name().into_string().ok());
    names
        .filter(|pid| {
            // Whatever cannot be read is not ours.
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|it| it == mark.as_bytes())
        })
        .collect()
}

#[test]
fn a_local_job_has_both_streams_its_environment_and_its_exit_code() {
    let stage = Stage::new();
    let job = stage.name("both");
    let parameters = [
        ("schedule", "@every 1s"),
        ("command", "echo $$GREETING in $$(pwd); echo oops >&2; printf last; exit 5"),
        ("shell", "true"),
        ("workdir", "/tmp"),
        ("environment", "GREETING=hello; # world"),
    ];
    let agent = stage.agent().file_job("local", &job, &parameters).start();
    let ended = agent.wait_for_end(&job);
    assert_eq!((text(&ended, "outcome"), &ended["exit_code"]), ("failed", &5.into()), "{ended}");
    assert_eq!(agent.lines(text(&ended, "run"), "stdout"), ["hello; # world in /tmp", "last"]);
    assert_eq!(agent.lines(text(&ended, "run"), "stderr"), ["oops"]);
}

/// What a local job prints that runs as `user`, with how it ended.
fn printed_as(user: &str, command: &str) -> (Record, Vec<String>) {
    let stage = Stage::new();
    let job = stage.name("who");
    let parameters = [
        ("schedule", "@triggered"),
        ("run-on-startup", "true"),
        ("shell", "true"),
        ("command", command),
        ("user", user),
        ("workdir", "/tmp"),
        ("environment", "GREETING=hello"),
    ];
    let agent = stage.agent().file_job("local", &job, &parameters).start();
    let ended = agent.wait_for_end(&job);
    let lines = agent.lines(text(&ended, "run"), "stdout");
    agent.terminate();
    agent.wait_for_exit();
    (ended, lines)
}

/// As root: no test is run without.
#[test]
fn a_local_job_runs_as_the_user_it_names_with_its_groups_and_nothing_of_the_agents() {
    let facts = "id -u; id -g; id -G; echo $$HOME $$USER $$LOGNAME; echo $$GREETING in $$(pwd); \
                 grep CapEff /proc/self/status; exit 4";
    let none = "CapEff:\t0000000000000000";
    for user in ["daemon", "1"] {
        let (ended, lines) = printed_as(user, facts);
        assert_eq!((text(&ended, "outcome"), &ended["exit_code"]), ("failed", &4.into()), "{ended}");
        assert_eq!(lines, ["1", "1", "1", "/usr/sbin daemon daemon", "hello in /tmp", none], "{user}");
    }
    let (_, lines) = printed_as("daemon:bin", facts);
    assert_eq!(lines[..3], ["1", "2", "2"]);
    let (_, lines) = printed_as("12345", facts);
    assert_eq!(lines[..5], ["12345", "12345", "12345", "/", "hello in /tmp"]);
}

#[test]
fn a_local_job_of_a_user_that_is_not_there_is_not_started_and_a_missing_program_is_a_failure() {
    let (ended, _) = printed_as("nobody-of-that-name", "true");
    assert_eq!(text(&ended, "outcome"), "not-started", "{ended}");
    assert!(text(&ended, "reason").contains("\"nobody-of-that-name\" in /etc/passwd"), "{ended}");
    let stage = Stage::new();
    let job = stage.name("missing");
    let parameters = [
        ("schedule", "@every 1s"),
        ("command", "no-such-program"),
        ("user", "daemon"),
        ("environment", "PATH=/usr/bin:/bin"),
    ];
    let agent = stage.agent().file_job("local", &job, &parameters).start();
    let ended = agent.wait_for_end(&job);
    assert_eq!((text(&ended, "outcome"), &ended["exit_code"]), ("failed", &127.into()), "{ended}");
    let said = agent.lines(text(&ended, "run"), "stderr");
    assert_eq!(said, ["watchbell: there is no program \"no-such-program\" beside the agent"]);
}

#[test]
fn a_timeout_ends_a_local_job_of_another_user_with_everything_that_it_began() {
    let stage = Stage::new();
    let job = stage.name("other");
    let parameters = [
        ("schedule", "@triggered"),
        ("run-on-startup", "true"),
        ("shell", "true"),
        ("command", "trap '' TERM; echo begun; sleep 43 & sleep 43; sleep 43"),
        ("user", "daemon"),
        ("timeout", "4s"),
        ("grace-period", "500ms"),
    ];
    let agent = stage.agent().file_job("local", &job, &parameters).start();
    let ended = agent.wait_for_end(&job);
    assert_eq!((text(&ended, "outcome"), text(&ended, "reason")), ("timed-out", ""), "{ended}");
    eventually("nothing of it is left", || processes_of(text(&ended, "run")).is_empty());
}

#[test]
fn a_local_job_tells_of_a_signal_and_of_a_program_that_is_not_there() {
    let stage = Stage::new();
    let [killed, missing, nowhere] = ["killed", "missing", "nowhere"].map(|it| stage.name(it));
    let agent = stage
        .agent()
        .file_job("local", &killed, &[("schedule", "@every 1s"), ("command", "sh -c 'kill -SEGV $$$$'")])
        .file_job("local", &missing, &[("schedule", "@every 1s"), ("command", "no-such-program --now")])
        .file_job(
            "local",
            &nowhere,
            &[("schedule", "@every 1s"), ("command", "true"), ("workdir", "/no/such/place")],
        )
        .start();
    let ended = agent.wait_for_end(&killed);
    assert_eq!((text(&ended, "outcome"), &ended["exit_code"]), ("failed", &139.into()), "{ended}");
    assert_eq!(text(&ended, "reason"), "ended by signal SIGSEGV");
    for (job, named) in [(&missing, "\"no-such-program\""), (&nowhere, "/no/such/place")] {
        let ended = agent.wait_for_end(job);
        assert_eq!(text(&ended, "outcome"), "not-started", "{ended}");
        assert!(text(&ended, "reason").contains(named), "{ended}");
    }
}

#[test]
fn a_timeout_kills_the_whole_process_group_of_a_local_job() {
    let stage = Stage::new();
    let job = stage.name("stubborn");
    let parameters = [
        ("schedule", "@every 1s"),
        ("shell", "true"),
        ("command", "trap '' TERM; echo begun; sleep 41 & (sleep 41; sleep 41) & sleep 41; sleep 41"),
        ("timeout", "3s"),
        ("grace-period", "500ms"),
    ];
    let agent = stage.agent().file_job("local", &job, &parameters).start();
    // In any of its runs: on a machine that is busy the time of one may pass before all have begun.
    let mut run = String::new();
    eventually("the children of a run are there", || {
        let started = agent.records(|it| it["event"] == "run.started" && it["job"] == *job);
        started.last().is_some_and(|it| {
            text(it, "run").clone_into(&mut run);
            processes_of(&run).len() >= 3
        })
    });
    let run = &*run;
    let ended = agent.wait_for("it ends", |it| it["event"] == "run.finished" && it["run"] == *run);
    assert_eq!(text(&ended, "outcome"), "timed-out", "{ended}");
    assert_eq!(text(&ended, "reason"), "", "it could be ended");
    assert_eq!(agent.lines(run, "stdout"), ["begun"]);
    eventually("nothing of it is left", || processes_of(run).is_empty());
    agent.terminate();
    agent.wait_for_exit();
}

#[test]
fn local_jobs_run_while_there_is_no_engine() {
    let stage = Stage::at("unix:///no/such/engine.sock");
    let job = stage.name("tick");
    let agent =
        stage.agent().file_job("local", &job, &[("schedule", "@every 1s"), ("command", "true")]).start();
    assert_eq!(text(&agent.wait_for_end(&job), "outcome"), "succeeded");
    assert_eq!(agent.records(|it| it["event"] == "agent.ready").len(), 0);
}
