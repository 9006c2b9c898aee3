//! What all commands have in common when they print.

use std::{
    fs::File,
    io::Read,
    process::{Command, Stdio},
};

use super::Desk;

/// Exit code and standard error of a command whose output goes there.
fn run(desk: &Desk, arguments: &[&str], out: Stdio) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_watchbell"))
        .args(arguments)
        .env_clear()
        .current_dir(desk.path())
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_reader_that_has_gone_ends_a_command_quietly_with_its_own_exit_code() {
    let desk = Desk::new()
        .file("good.ini", "[job-local \"a\"]\nschedule = @daily\ncommand = x\n")
        .file("bad.ini", "[glob]\n")
        .file("crontab", "@daily x\n");
    let none = ["--state-dir", "none", "--docker-host", "unix:///nowhere.sock"];
    for (arguments, code) in [
        (&["schema"][..], 0),
        (&["version"], 0),
        (&["completions", "bash"], 0),
        (&["next", "* * * * *", "--count", "10000"], 0),
        (&["validate", "--config", "good.ini"], 0),
        (&["validate", "--config", "bad.ini", "--output", "json"], 1),
        (&["explain", "a", "--config", "good.ini", "--labels", "/dev/null"], 0),
        (&["migrate", "--from", "crontab", "crontab"], 0),
        (&[&["doctor"][..], &none].concat(), 1),
        (&["healthcheck", "--state-dir", "none", "--output", "json"], 1),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (ended, said) = run(&desk, arguments, writer.into());
        assert_eq!(ended, Some(code), "{arguments:?}: {said}");
        assert!(!said.contains("panicked") && !said.contains("pipe"), "{arguments:?}: {said}");
    }
}

#[test]
fn output_that_a_full_disk_does_not_take_is_a_failure_that_is_told() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (ended, said) = run(&Desk::new(), &["schema"], full.into());
    assert_eq!(ended, Some(1));
    assert!(said.starts_with("watchbell: the output cannot be written: "), "{said}");
}

#[test]
fn a_reader_that_goes_in_the_middle_has_what_it_read() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_watchbell"))
        .args(["next", "* * * * *", "--count", "10000"])
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut begin = [0; 2];
    child.stdout.take().unwrap().read_exact(&mut begin).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &*output.stderr, &begin), (Some(0), &b""[..], b"20"));
}

/// What is no text for people: a log, a JSON Schema and a script.
#[test]
fn every_command_that_prints_does_so_in_json_too() {
    let without = ["daemon", "schema", "completions"];
    for (name, command) in crate::spec::typed(&watchbell::cli::args::command()) {
        let there = command.get_arguments().any(|it| it.get_long() == Some("output"));
        assert_eq!(there, !without.contains(&&*name), "{name}");
    }
}

/// What every problem has in JSON, whichever command tells it.
const KEYS: [&str; 7] = ["column", "file", "job", "line", "origin", "reason", "severity"];

#[test]
fn a_problem_has_the_same_shape_in_every_command() {
    let ini = "[job-local \"a\"]\nschedule = @dayly\ncommand = x\n";
    let desk = Desk::new().file("a.ini", ini).file("c.yaml", "services: {web: {image: x}}\n");
    let config = ["--config", "a.ini", "--output", "json"];
    for arguments in [
        &["validate"][..],
        &["explain", "a", "--labels", "c.yaml"],
        &["doctor", "--state-dir", "state", "--docker-host", "unix:///nowhere.sock"],
    ] {
        let answer = desk.run(&[arguments, &config].concat());
        assert_eq!(answer.code, 1, "{answer:?}");
        let json = answer.json();
        let problem = json["problems"][0].as_object().unwrap();
        assert_eq!(problem.keys().collect::<Vec<_>>(), KEYS, "{arguments:?}");
        assert_eq!(
            (&problem["job"], &problem["file"], &problem["line"], &problem["column"]),
            (&"a".into(), &"a.ini".into(), &2.into(), &12.into()),
            "{arguments:?}"
        );
    }
    let desk = desk.file("ofelia.ini", "[global]\nslack-webhook = x\n");
    let answer = desk.run(&["migrate", "--from", "ofelia", "ofelia.ini", "--output", "json"]);
    let json = answer.json();
    let problem = json["problems"][0].as_object().unwrap();
    assert_eq!(problem.keys().collect::<Vec<_>>(), KEYS);
    assert_eq!(problem["line"], 2);
}
