//! Wrong flags.

use super::{Case, Input, NEIGHBOURS, SECRET, check_all};

fn flag(what: &'static str, flags: &[&str], origin: &str, reason: &'static str) -> Case {
    Case::new(what, Input::flags(flags), format!("flag {origin}"), reason)
}

/// Mistake 35.
#[test]
fn a_wrong_set_is_told_once_with_its_place() {
    let token = format!("TOKEN={SECRET}");
    let bare = format!("behind.environment {SECRET}");
    let unknown_job = format!("nobody.environment={token}");
    let unknown_parameter = format!("web.x.environmnt={token}");
    let mut nobody =
        flag("no such channel", &["--set", "web.x.notify=a"], "--set web.x.notify", "no channel \"a\"");
    let mut named =
        flag("a parameter", &["--set", &unknown_parameter], "--set web.x.environmnt", "\"environment\"?");
    let mut length =
        flag("a length", &["--set", "web.x.timeout=soon"], "--set web.x.timeout", "write for example");
    for case in [&mut nobody, &mut named, &mut length] {
        let good = [("schedule", "@daily"), ("command", "x")];
        case.input
            .labels
            .extend(good.map(|(key, value)| (format!("watchbell.job-exec.x.{key}"), value.into())));
        case.job = Some("web.x");
    }
    let twice = ["--set", "behind.timeout=1m", "--set", "behind.timeout=2m"];
    check_all([
        flag("no equals sign", &["--set", &bare], "--set (number 1)", "it has no \"=\""),
        flag("no parameter", &["--set", &token], "--set (number 1)", "it names no parameter"),
        flag(
            "no such job",
            &["--set", &unknown_job],
            "--set nobody.environment",
            "there is no job \"nobody\"",
        ),
        flag("one twice", &twice, "--set behind.timeout", "given more than once").job("behind").warning(),
        named,
        nobody,
        length,
    ]);
}

#[test]
fn a_wrong_setting_in_a_flag_is_told_once_with_its_name() {
    check_all([
        flag("a word", &["--log-format", "jsn"], "--log-format", "did you mean \"json\"?"),
        flag("a zone", &["--timezone", "Mars/Base"], "--timezone", "Mars/Base"),
        flag("a number", &["--max-concurrent-runs", "many"], "--max-concurrent-runs", "no number from 1"),
        flag("a length", &["--shutdown-grace", "8"], "--shutdown-grace", "has no unit"),
        flag(
            "a grant",
            &["--allow-from-labels", "run,locl"],
            "--allow-from-labels",
            "did you mean \"local\"?",
        ),
        flag("an address", &["--docker-host", "ssh://engine"], "--docker-host", "not supported"),
        flag("a file that is not there", &["--config", "none.ini"], "--config", "none.ini cannot be read"),
        flag(
            "a pattern without a match",
            &["--config", "conf.d/*.ini"],
            "--config",
            "no file matches conf.d/*.ini",
        ),
        flag("a pattern that is none", &["--config", "a**b"], "--config", "it is no pattern"),
    ]);
}

#[test]
fn a_path_that_names_no_file_is_told_once() {
    let without: &[&str] = &NEIGHBOURS[..2];
    let mut empty = Input::environment(&[("WATCHBELL_CONFIG", b" \n")]);
    empty.flags.clear();
    let origin = "environment WATCHBELL_CONFIG";
    check_all([Case::new("an empty path", empty, origin, "it names no file").without(without)]);
}
