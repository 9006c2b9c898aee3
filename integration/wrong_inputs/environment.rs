//! Wrong variables of the environment.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use super::{Case, Input, SECRET, check_all};

/// A name that is not UTF-8 is told as far as it can be read.
#[test]
fn a_variable_whose_name_is_not_utf_8_is_told_once() {
    let named = |name: &[u8], shown: &str, reason| {
        let mut input = Input::file(b"");
        input.environment = vec![(OsStr::from_bytes(name).to_owned(), SECRET.into())];
        Case::new("a name", input, format!("environment {shown}"), reason)
    };
    check_all([
        named(
            b"WATCHBELL_TIMEZONE\xff",
            "WATCHBELL_TIMEZONE\u{fffd}",
            "did you mean \"WATCHBELL_TIMEZONE\"?",
        )
        .warning(),
        named(b"WATCHBELL_JOB_\xff", "WATCHBELL_JOB_\u{fffd}", "no job and parameter"),
    ]);
}

fn variable(what: &'static str, name: &str, value: impl AsRef<[u8]>, reason: &'static str) -> Case {
    let input = Input::environment(&[(name, value.as_ref())]);
    Case::new(what, input, format!("environment {name}"), reason)
}

/// Mistake 35.
#[test]
fn a_variable_that_matches_nothing_is_told_once_with_its_name() {
    let meant = "did you mean \"WATCHBELL_JOB_WEB_GOOD_TIMEOUT\"?";
    check_all([
        variable("a setting", "WATCHBELL_LOG_LEVLE", SECRET, "did you mean \"WATCHBELL_LOG_LEVEL\"?")
            .warning(),
        variable("a prefix", "WATCHBEL_LOG_LEVEL", SECRET, "did you mean \"WATCHBELL_LOG_LEVEL\"?").warning(),
        variable(
            "a setting's file",
            "WATCHBELL_TIMEZONE_FIL",
            SECRET,
            "did you mean \"WATCHBELL_TIMEZONE_FILE\"?",
        )
        .warning(),
        variable("the word for jobs", "WATCHBELL_JOBS_WEB_GOOD_TIMEOUT", "1m", meant).warning(),
        variable("a job", "WATCHBELL_JOB_WEB_GODO_TIMEOUT", "1m", meant),
        variable("a parameter", "WATCHBELL_JOB_WEB_GOOD_TIMEUOT", SECRET, "did you mean \"timeout\"?")
            .job("web.good"),
        variable("no parameter", "WATCHBELL_JOB_WEB_GOOD", SECRET, "no job and parameter"),
        variable("a job's file", "WATCHBELL_JOB_DB_GOOD_ENVIRONMENT_FILE", SECRET, "only where the operator")
            .job("db.good"),
    ]);
}

#[test]
fn a_wrong_value_of_a_variable_is_told_once_with_its_name() {
    let both =
        Input::environment(&[("WATCHBELL_LOG_LEVEL", b"info"), ("WATCHBELL_LOG_LEVEL_FILE", b"/dev/null")]);
    let odd = [SECRET.as_bytes(), b"\xff"].concat();
    let token = format!("[\"TOKEN={SECRET}\", 5]");
    check_all([
        Case::new(
            "a value and a file",
            both,
            "environment WATCHBELL_LOG_LEVEL_FILE",
            "set together with WATCHBELL_LOG_LEVEL:",
        ),
        variable("a word", "WATCHBELL_LOG_LEVEL", "loud", "is none of error, warn"),
        variable("an empty one", "WATCHBELL_SHUTDOWN_GRACE", "", "write for example"),
        variable("a file that is not there", "WATCHBELL_TIMEZONE_FILE", SECRET, "the file cannot be read"),
        variable("a file without end", "WATCHBELL_TIMEZONE_FILE", "/dev/zero", "larger than 64 KiB"),
        variable("a file of paths", "WATCHBELL_CONFIG_FILE", "config.ini", "write them in WATCHBELL_CONFIG"),
        variable("bytes", "WATCHBELL_TIMEZONE", &odd, "the value is not UTF-8"),
        variable("a zone of others", "TZ", "Mars/Base", "Mars/Base"),
        variable("an address of others", "DOCKER_HOST", "ssh://engine", "not supported"),
        variable("a transport of others", "DOCKER_TLS_VERIFY", "1", "rather than talk in the clear"),
        variable("a job's length", "WATCHBELL_JOB_WEB_GOOD_TIMEOUT", "soon", "write for example 90s")
            .job("web.good")
            .without(&["web.good"]),
        variable("a job's bytes", "WATCHBELL_JOB_BEHIND_ENVIRONMENT", &odd, "the value is not UTF-8")
            .job("behind")
            .without(&["behind"]),
        variable("a job's list", "WATCHBELL_JOB_BEHIND_ENVIRONMENT", token, "must be a JSON array")
            .job("behind")
            .without(&["behind"]),
    ]);
}

#[test]
fn what_a_file_of_secrets_holds_is_never_shown_even_where_it_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    std::fs::write(&path, format!("{SECRET}\n")).unwrap();
    let path = path.to_str().unwrap();
    let settings = ["LOG_LEVEL", "TIMEZONE", "DOCKER_HOST", "MAX_CONCURRENT_RUNS", "ALLOW_FROM_LABELS"];
    let names = settings.map(|it| format!("WATCHBELL_{it}_FILE"));
    check_all(names.iter().map(|name| variable("a secret", name, path, "the value that was read")));
}
