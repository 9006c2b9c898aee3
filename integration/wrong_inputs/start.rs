//! What keeps an agent from starting: it says so and ends with exit code 1.

use std::time::Duration;

use super::{Input, SECRET};

/// Exit code and what was said; a broken start that starts all the same would go on for ever.
async fn start(input: &Input) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().unwrap();
    let mut command = tokio::process::Command::from(input.command(directory.path(), "daemon"));
    command.args(["--docker-host", "unix:///nowhere.sock"]).kill_on_drop(true);
    let ended = tokio::time::timeout(Duration::from_secs(30), command.output()).await;
    let output = ended.expect("it has started").unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Mistake 37.
#[tokio::test]
async fn an_agent_does_not_start_with_a_broken_file_and_says_file_line_and_reason() {
    let bytes = [b"[global]\nlog-level = ", SECRET.as_bytes(), b"\xff\n"].concat();
    let wrong: [(&[u8], &str); 9] = [
        (b"nonsense", "config.ini:5: there is no \"=\" in the line"),
        (b"[job-local \"x\"\ncommand = x", "config.ini:5: the section is not closed"),
        (b"[job-local \"x\"]\ncommand = \0", "config.ini:6: the line contains the control character U+0000"),
        (&bytes, "config.ini:6: the line is not UTF-8"),
        (b"[glob]\nlog-level = info", "config.ini:5: unknown section \"glob\""),
        (b"[global]\nlog-levle = info", "config.ini:6: unknown setting \"log-levle\""),
        (b"[global]\nshutdown-grace = 8", "config.ini:6: \"8\" has no unit"),
        (b"[global]\ndocker-host = ${NOWHERE}", "config.ini:6: the variable NOWHERE is not set"),
        (
            b"[notify \"mail\"]\nurl = x",
            "config.ini:5: the channel \"mail\" has no \"type\": add type = slack",
        ),
    ];
    for (wrong, expected) in wrong {
        let (code, said) = start(&Input::file(wrong)).await;
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!((code, lines.len()), (Some(1), 2), "{said}");
        assert!(lines[0].starts_with(&format!("watchbell: {expected}")), "{said}");
        assert!(lines[1].contains("not started") && !said.contains(SECRET), "{said}");
    }
}

#[tokio::test]
async fn an_agent_does_not_start_with_a_wrong_flag_or_variable() {
    let flag = Input::flags(&["--config", "conf.d/*.ini"]);
    assert_eq!(start(&flag).await.0, Some(1));
    for (name, value) in [
        ("WATCHBELL_LOG_LEVEL", SECRET.as_bytes()),
        ("WATCHBELL_LOG_LEVEL_FILE", b"/nowhere"),
        ("WATCHBELL_TIMEZONE", b"\xff"),
        ("WATCHBELL_CONFIG", b"nowhere.ini"),
    ] {
        let (code, said) = start(&Input::environment(&[(name, value)])).await;
        assert_eq!(code, Some(1), "{said}");
        assert!(said.starts_with(&format!("watchbell: environment {name}: ")), "{said}");
    }
}
