//! The commands that ask a running agent, and what of them works without one.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use nix::sys::signal::Signal;

use super::{Answer, Desk, SECRET};
use crate::support::{beside::Beside, live_engine::pause};

const INI: &str = "[job-local \"talk\"]\nschedule = 30 3 * * *\ncommand = echo out; echo err >&2; exit 3\nshell = true\n\
                   environment = TOKEN=hunter2-canary\n\
                   [job-local \"fine\"]\nschedule = @daily\ncommand = echo fine\n\
                   [job-local \"long\"]\nschedule = @yearly\ncommand = sleep 600\n\
                   [job-local \"off\"]\nschedule = @daily\ncommand = true\nenabled = no\n";

/// A command asked of the agent of this folder.
fn asked(folder: &Path, arguments: &[&str]) -> Answer {
    let folder = folder.to_str().unwrap();
    let answer = Desk::new().variable("WATCHBELL_STATE_DIR", folder).run(arguments);
    assert!(!answer.out.contains(SECRET) && !answer.err.contains(SECRET), "{answer:?}");
    answer
}

#[test]
fn jobs_and_show_print_tables_and_json() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Beside::start(folder.path(), INI);
    agent.run_to_its_end("fine");
    let jobs = asked(folder.path(), &["jobs"]);
    assert_eq!((jobs.code, &*jobs.err), (0, ""));
    let lines: Vec<Vec<&str>> = jobs.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["JOB", "KIND", "STATE", "SCHEDULE", "NEXT", "LAST"]);
    assert_eq!(lines[1][..5], ["fine", "local", "enabled", "@daily", lines[1][4]]);
    assert_eq!(lines[1][5], "succeeded");
    assert_eq!(lines[3][..3], ["off", "local", "disabled"]);
    // Aligned: each column begins where its title does.
    let at = jobs.out.lines().next().unwrap().find("STATE").unwrap();
    assert!(jobs.out.lines().skip(1).all(|line| line[at - 1..].starts_with(' ')), "{}", jobs.out);
    assert!(!jobs.out.contains('\u{1b}'), "colours are for terminals");
    let json = asked(folder.path(), &["jobs", "--output", "json", "--state", "disabled"]).json();
    assert_eq!([&json["total"], &json["jobs"][0]["name"]], [&1.into(), &serde_json::json!("off")]);
    let show = asked(folder.path(), &["show", "fine"]);
    show.shows("job fine (local) is enabled\nruns at 00:00 (UTC), written as @daily\n");
    show.shows("runs 1: 1 succeeded; median ");
    assert!(show.out.lines().any(|line| line.starts_with("schedule  ") && line.ends_with("config.ini:7")));
    let near = asked(folder.path(), &["show", "fime"]);
    assert_eq!(
        (near.code, &*near.err),
        (1, "watchbell: there is no job \"fime\" now: did you mean \"fine\"?\n")
    );
    assert_eq!(asked(folder.path(), &["show"]).code, 2);
}

#[test]
fn run_wait_prints_what_the_job_prints_and_ends_with_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Beside::start(folder.path(), INI);
    let waited = asked(folder.path(), &["run", "talk", "--wait"]);
    assert_eq!((waited.code, &*waited.out), (3, "out\n"), "{waited:?}");
    assert!(waited.err.starts_with("err\nwatchbell: run ") && waited.err.contains("failed with exit code 3"));
    let fine = asked(folder.path(), &["run", "fine", "--wait", "--output", "json"]);
    let last: serde_json::Value = serde_json::from_str(fine.out.lines().last().unwrap()).unwrap();
    assert_eq!(
        (fine.code, &last["event"], &last["data"]["outcome"]),
        (0, &"end".into(), &"succeeded".into())
    );
    let begun = asked(folder.path(), &["run", "long"]);
    let run = begun.out.trim();
    assert_eq!((begun.code, run.len()), (0, 26));
    let skipped = asked(folder.path(), &["run", "long", "--wait"]);
    assert!(skipped.code == 1 && skipped.err.contains("was skipped: run "), "{skipped:?}");
    let off = asked(folder.path(), &["run", "off"]);
    assert_eq!((off.code, &*off.err), (1, "watchbell: the job \"off\" is not enabled\n"));
    agent.wait_for_event("run.started", "long");
    assert_eq!(asked(folder.path(), &["stop", run]).code, 0);
    agent.wait_for(1, |it| it["event"] == "run.finished" && it["run"] == *run && it["outcome"] == "stopped");
    assert_eq!(asked(folder.path(), &["stop", run]).code, 1);
}

#[test]
fn pause_and_resume_say_until_when_and_wrong_times_are_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let _agent = Beside::start(folder.path(), INI);
    let paused = asked(folder.path(), &["pause", "fine", "--until", "2099-01-01T00:00:00"]);
    assert_eq!((paused.code, &*paused.out), (0, "fine is paused until 2099-01-01T00:00:00Z\n"));
    asked(folder.path(), &["jobs"]).shows("paused until 2099-01-01T00:00:00Z");
    let paused = asked(folder.path(), &["pause", "talk", "--for", "2h", "--output", "json"]).json();
    assert!(paused["until"].is_string(), "{paused}");
    asked(folder.path(), &["pause", "long"]).shows("long is paused until it is resumed\n");
    assert_eq!(asked(folder.path(), &["resume", "fine"]).out, "fine goes on\n");
    assert_eq!(asked(folder.path(), &["pause", "fine", "--for", "5"]).code, 2);
    assert_eq!(asked(folder.path(), &["pause", "fine", "--until", "soon"]).code, 2);
    assert_eq!(asked(folder.path(), &["pause", "fine", "--until", "2020-01-01"]).code, 1);
    assert_eq!(asked(folder.path(), &["resume", "nobody"]).code, 1);
}

#[test]
fn history_logs_and_show_read_the_store_when_no_agent_answers_and_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Beside::start(folder.path(), INI);
    let run = agent.run_to_its_end("talk");
    agent.run_to_its_end("fine");
    let history = asked(folder.path(), &["history", "talk"]);
    history.shows(&run);
    history.shows("failed (3)");
    assert_eq!(asked(folder.path(), &["history"]).out.lines().count(), 3);
    let logs = asked(folder.path(), &["logs", &run.to_lowercase()]);
    assert_eq!((logs.code, &*logs.out, &*logs.err), (0, "out\n", "err\n"));
    assert_eq!(asked(folder.path(), &["logs", &run, "--output", "json"]).json()["stdout"], "out\n");
    agent.end(Signal::SIGTERM);
    let history = asked(folder.path(), &["history", "talk"]);
    history.shows(&run);
    assert_eq!(history.code, 0);
    assert!(history.err.contains("no agent answers at ") && history.err.contains("what its history has"));
    let logs = asked(folder.path(), &["logs", &run]);
    assert_eq!((logs.code, &*logs.out), (0, "out\n"));
    assert!(logs.err.ends_with("err\n") && logs.err.contains("no agent answers"), "{logs:?}");
    asked(folder.path(), &["show", "talk"]).shows("failed (3)");
    let json = asked(folder.path(), &["history", "--output", "json"]).json();
    assert!(json["agent"].as_str().unwrap().contains("no agent answers"), "{json}");
    assert_eq!(json["runs"].as_array().unwrap().len(), 2);
    for command in [&["jobs"][..], &["run", "fine"], &["pause", "fine"], &["problems"], &["logs", "7ZZZ"]] {
        let answer = asked(folder.path(), command);
        assert!(answer.code == 1 && answer.err.contains("no agent answers"), "{command:?}: {answer:?}");
    }
}

#[test]
fn a_backup_is_the_history_of_one_moment_for_its_owner_alone_with_and_without_an_agent() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let agent = Beside::start(folder.path(), INI);
    let run = agent.run_to_its_end("talk");
    let place = |name: &str| folder.path().join(name).join("watchbell.db");
    for name in ["with", "without"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    let back_up = |name: &str| asked(folder.path(), &["backup", place(name).to_str().unwrap()]);
    let made = back_up("with");
    assert!(made.code == 0 && made.out.contains(" bytes"), "{made:?}");
    let again = back_up("with");
    assert!(again.code == 1 && again.err.contains("is there already"), "{again:?}");
    let nowhere = back_up("nowhere");
    assert!(nowhere.code == 1 && nowhere.err.contains("cannot be written: "), "{nowhere:?}");
    agent.end(Signal::SIGKILL);
    assert_eq!(back_up("without").code, 0);
    for name in ["with", "without"] {
        let permissions = std::fs::metadata(place(name)).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path().join(name)).unwrap().count(), 1, "and nothing else");
        // It is a store like any other, where it is put in the place of one.
        let logs = asked(&folder.path().join(name), &["logs", &run]);
        assert_eq!((logs.code, &*logs.out), (0, "out\n"));
    }
    let none = asked(&folder.path().join("nowhere"), &["backup", "x"]);
    assert!(none.code == 1 && none.err.contains("no history in"), "{none:?}");
}

/// The socket is no proof that nobody runs: it may have been removed.
#[test]
fn an_agent_whose_socket_was_removed_makes_it_anew_and_no_second_one_runs_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Beside::start(folder.path(), INI);
    std::fs::remove_file(folder.path().join("agent.sock")).unwrap();
    let second = Command::new(env!("CARGO_BIN_EXE_watchbell"))
        .args(["daemon", "--docker-host", "unix:///nowhere.sock", "--state-dir"])
        .arg(folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&second.stdout);
    assert!(second.status.code() == Some(1) && told.contains("another agent runs"), "{told}");
    agent.wait_for(1, |it| it["reason"].as_str().is_some_and(|why| why.contains("socket was removed")));
    agent.wait_until_it_answers();
    assert_eq!(asked(folder.path(), &["jobs"]).code, 0);
    agent.end(Signal::SIGKILL);
    // Whoever is restarted at once after a kill finds the lock of the last one gone.
    for _ in 0..5 {
        let agent = Beside::start(folder.path(), INI);
        agent.end(Signal::SIGKILL);
    }
}

/// The agent lets go of those who take too little; its history has what they missed.
#[test]
fn output_that_is_taken_slowly_comes_whole_and_the_exit_code_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let much = "[job-local \"much\"]\nschedule = @triggered\nshell = true\nmax-output = 64MiB\n\
                command = head -c 12000000 /dev/zero | tr '\\0' x; exit 7\n";
    let _agent = Beside::start(folder.path(), much);
    let mut waits = Command::new(env!("CARGO_BIN_EXE_watchbell"))
        .args(["run", "much", "--wait", "--state-dir"])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut out = waits.stdout.take().unwrap();
    let mut taken = Vec::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        pause(Duration::from_millis(100));
        match out.read(&mut piece).unwrap() {
            0 => break,
            n => taken.extend_from_slice(&piece[..n]),
        }
    }
    assert_eq!(waits.wait().unwrap().code(), Some(7));
    let text = String::from_utf8_lossy(&taken);
    let printed = text.bytes().filter(|byte| *byte == b'x').count();
    // What the store did not take in time is told.
    let dropped =
        text.split("[watchbell: ").skip(1).map(|it| it.split(' ').next().unwrap().parse::<usize>().unwrap());
    assert_eq!(printed + dropped.sum::<usize>(), 12_000_000);
    assert!(printed > 4_000_000, "{printed}");
}

#[test]
fn an_agent_that_hangs_is_not_waited_for_where_the_store_can_tell() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Beside::start(folder.path(), INI);
    let run = agent.run_to_its_end("talk");
    agent.signal(Signal::SIGSTOP);
    let history = asked(folder.path(), &["history", "talk"]);
    history.shows(&run);
    assert!(history.code == 0 && history.err.contains("did not answer in time"), "{history:?}");
    agent.signal(Signal::SIGCONT);
    let before = asked(folder.path(), &["history", "talk", "--before", &run]);
    assert!(before.code == 0 && !before.out.contains(&run), "{before:?}");
}

/// What is known of the end of a run is told, whatever its row says.
#[test]
fn while_nothing_can_be_written_runs_that_ended_are_told_as_ended() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Beside::start(folder.path(), INI);
    agent.run_to_its_end("fine");
    let other = rusqlite::Connection::open(folder.path().join("watchbell.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let run = agent.run_to_its_end("talk");
    agent.wait_for(1, |it| it["event"] == "history.failing");
    for question in [&["history", "talk"][..], &["history"], &["show", "talk", "--output", "json"], &["jobs"]]
    {
        asked(folder.path(), question).shows("failed");
    }
    let reply = agent.get(&format!("/api/runs/{run}"));
    assert_eq!(reply.json()["outcome"], "failed", "{}", reply.text());
    other.execute_batch("ROLLBACK").unwrap();
    agent.wait_for(1, |it| it["event"] == "history.restored");
}

#[test]
fn without_a_history_a_run_can_still_be_begun_waited_for_and_stopped() {
    let folder = tempfile::tempdir().unwrap();
    // Nothing can be kept in it.
    std::fs::create_dir(folder.path().join("watchbell.db")).unwrap();
    let agent = Beside::start(folder.path(), INI);
    let waited = asked(folder.path(), &["run", "talk", "--wait"]);
    assert!(waited.code == 3 && waited.err.contains("failed with exit code 3"), "{waited:?}");
    let run = agent.run("long");
    agent.wait_for_event("run.started", "long");
    asked(folder.path(), &["show", "long"]).shows(&format!("running: run {run} since "));
    assert_eq!(asked(folder.path(), &["stop", &run[..20]]).code, 0);
    let history = asked(folder.path(), &["history"]);
    assert!(history.code == 1 && history.err.contains("cannot be read now"), "{history:?}");
    assert_eq!(asked(folder.path(), &["problems"]).code, 1);
}

#[test]
fn problems_are_printed_and_are_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Beside::start(folder.path(), INI);
    let none = asked(folder.path(), &["problems"]);
    assert_eq!((none.code, &*none.out), (0, "0 errors, 0 warnings\n"));
    drop(agent);
    let bad = "[job-local \"bad\"]\n# rejected\nschedule = now and then\ncommand = true\n";
    let _agent = Beside::start(folder.path(), bad);
    let some = asked(folder.path(), &["problems"]);
    assert_eq!(some.code, 1);
    some.shows("config.ini:3: job bad: schedule: ");
    some.shows("1 errors, 0 warnings\n");
    let json = asked(folder.path(), &["problems", "--output", "json"]);
    assert_eq!((json.code, &json.json()["problems"][0]["job"]), (1, &"bad".into()));
}

#[test]
fn logs_follow_prints_each_line_as_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("steps");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let job = format!(
        "[job-local \"steps\"]\nschedule = @yearly\nshell = true\ncommand = while read step; do echo $$step; done <{}\n",
        fifo.display()
    );
    let agent = Beside::start(folder.path(), &job);
    let run = agent.run("steps");
    let mut steps = std::fs::OpenOptions::new().write(true).open(&fifo).unwrap();
    let mut logs = Command::new(env!("CARGO_BIN_EXE_watchbell"))
        .args(["logs", "--follow", &run, "--state-dir"])
        .arg(folder.path())
        .env_clear()
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(logs.stdout.take().unwrap()).lines();
    for n in 0..5 {
        writeln!(steps, "step {n}").unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), format!("step {n}"));
    }
    drop(steps);
    assert!(lines.next().is_none());
    assert!(logs.wait().unwrap().success());
}
