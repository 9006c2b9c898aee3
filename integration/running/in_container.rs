//! Kind `exec`: what it asks of the Engine, what it prints and how it ends.

use tokio::time::sleep;

use crate::support::{
    fake_engine::ExecBehaviour,
    test_agent::{MINUTE, MOMENT, Record, TestAgent, labelled, seconds, with_job},
};

/// One run at one minute past, and its record.
async fn run(agent: &TestAgent) -> Record {
    agent.start(with_job("web", "sync", "1 0 * * *")).await;
    agent.wait_for("run.finished", 1).await
}

#[tokio::test(start_paused = true)]
async fn a_run_has_its_command_user_workdir_environment_and_mark() {
    let agent = TestAgent::new().await;
    let id = agent
        .start(labelled(
            "web",
            &[
                ("exec.sync.schedule", "* * * * *"),
                ("exec.sync.command", "sh -c \"echo 'a b'\" c\\ d"),
                ("exec.sync.user", "33:33"),
                ("exec.sync.workdir", "/srv"),
                ("exec.sync.environment", "[\"A=1\", \"B=x=y\"]"),
            ],
        ))
        .await;
    let finished = agent.wait_for("run.finished", 1).await;
    let exec = agent.engine.execs().remove(0);
    assert_eq!(exec.container_id, id);
    assert_eq!(exec.cmd, ["sh", "-c", "echo 'a b'", "c d"]);
    assert_eq!((exec.user.as_deref(), exec.workdir.as_deref()), (Some("33:33"), Some("/srv")));
    assert_eq!(exec.env, ["A=1", "B=x=y", &format!("WATCHBELL_RUN={}", finished.text("run"))]);
    assert_eq!(finished.text("exit_code"), "0");
    assert_eq!(agent.engine.unknown_requests(), [""; 0]);
}

/// Mistake 25.
#[tokio::test(start_paused = true)]
async fn output_is_told_line_by_line_by_stream_and_without_frames() {
    let agent = TestAgent::new().await;
    agent.engine.on_exec(|_| {
        ExecBehaviour::exit(0)
            .stdout("one\ntw")
            .stderr("warn")
            .stdout_after(seconds(1), "o\n\n")
            .stderr(" ing\r\n")
            .stdout_after(seconds(1), vec![b'\xff', 0, 0, 0, 0, 0, 0, 4, b'\n'])
            .stdout("last, without an end")
    });
    run(&agent).await;
    let lines = agent.output("web.sync");
    assert_eq!(lines[..4], ["stdout: one", "stdout: two", "stdout: ", "stderr: warn ing"]);
    assert_eq!(lines[5], "stdout: last, without an end");
    let odd = &agent.all("run.output")[4];
    assert_eq!(odd.text("line_base64"), "/wAAAAAAAAQ=", "bytes that are no text are told exactly: {odd:?}");
    assert_eq!(lines.len(), 6);
    let printed = lines[..4].concat();
    assert!(!printed.contains(['\u{0}', '\u{1}', '\u{2}']), "{printed:?}");
}

/// Mistake 33.
#[tokio::test(start_paused = true)]
async fn a_command_that_does_not_exist_has_failed() {
    for code in [126, 127] {
        let agent = TestAgent::new().await;
        agent.engine.on_exec(move |exec| ExecBehaviour::missing_command(&exec.cmd[0], code));
        let finished = run(&agent).await;
        assert_eq!(finished.text("outcome"), "failed");
        assert_eq!(finished.text("exit_code"), code.to_string());
        assert!(finished.text("reason").contains("its output says"), "{finished:?}");
        assert!(agent.output("web.sync")[0].contains("executable file not found"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_exit_code_that_comes_late_is_waited_for() {
    let agent = TestAgent::new().await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(7).stdout("x\n").still_running_for(4).without_code_for(3));
    let finished = run(&agent).await;
    assert_eq!((finished.text("outcome"), finished.text("exit_code")), ("failed".into(), "7".into()));
}

#[tokio::test(start_paused = true)]
async fn an_exit_code_that_never_comes_is_told_as_lost_and_not_as_success() {
    let agent = TestAgent::new().await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(0).without_code_for(u32::MAX));
    agent.start(with_job("web", "sync", "1 0 * * *")).await;
    let finished = agent.wait_for("run.lost", 1).await;
    assert_eq!(finished.text("outcome"), "lost");
    assert!(!finished.has("exit_code"));
}

#[tokio::test(start_paused = true)]
async fn an_output_stream_that_is_cut_does_not_hide_the_exit_code() {
    let agent = TestAgent::new().await;
    agent.engine.on_exec(|_| {
        ExecBehaviour::exit(3).stdout("before\n").stdout_after(seconds(20), "after\n").takes(seconds(30))
    });
    agent.start(with_job("web", "sync", "1 0 * * *")).await;
    agent.sleep_until("00:01").await;
    sleep(seconds(10)).await;
    agent.engine.cut_output_streams();
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!((finished.text("outcome"), finished.text("exit_code")), ("failed".into(), "3".into()));
    assert!((29.0..32.0).contains(&finished.number("duration_seconds")), "{finished:?}");
    assert_eq!(agent.output("web.sync"), ["stdout: before"]);
}

#[tokio::test(start_paused = true)]
async fn a_child_in_the_background_that_holds_the_stream_open_does_not_hold_the_run() {
    let agent = TestAgent::new().await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(0).stdout("up\n").stream_outlives_by(60 * MINUTE));
    let finished = run(&agent).await;
    assert_eq!(finished.text("outcome"), "succeeded");
    assert!(finished.number("duration_seconds") < 30.0, "{finished:?}");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_comes_back_during_a_run_tells_how_it_ended() {
    let agent = TestAgent::new().await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(4).stdout("before\n").takes(seconds(30)));
    agent.start(with_job("web", "sync", "1 0 * * *")).await;
    agent.sleep_until("00:01").await;
    sleep(seconds(10)).await;
    agent.engine.down();
    sleep(seconds(40)).await;
    agent.engine.up();
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!((finished.text("outcome"), finished.text("exit_code")), ("failed".into(), "4".into()));
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_away_during_a_run_is_waited_for_however_long_that_is() {
    let agent = TestAgent::new().await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(4).takes(seconds(30)));
    agent.start(with_job("web", "sync", "1 0 * * *")).await;
    agent.sleep_until("00:01").await;
    sleep(seconds(10)).await;
    agent.engine.down();
    sleep(20 * MINUTE).await;
    assert_eq!(agent.outcomes("web.sync"), [""; 0], "nobody knows how it ended");
    assert_eq!(agent.handle.snapshot().running, 1);
    agent.engine.up();
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!((finished.text("outcome"), finished.text("exit_code")), ("failed".into(), "4".into()));
    assert_eq!(agent.handle.snapshot().running, 0);
}

#[tokio::test(start_paused = true)]
async fn while_the_engine_is_away_a_timeout_still_ends_the_run_and_its_record_says_what_is_not_known() {
    let agent = TestAgent::new().await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(0).takes(seconds(30)));
    let timeout = ("exec.sync.timeout", "2m");
    let web = [("exec.sync.schedule", "1 0 * * *"), ("exec.sync.command", "work"), timeout];
    agent.start(labelled("web", &web)).await;
    agent.sleep_until("00:01").await;
    sleep(seconds(10)).await;
    agent.engine.down();
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "timed-out", "{finished:?}");
    assert!(finished.text("reason").contains("still running"), "{finished:?}");
    assert!((120.0..180.0).contains(&finished.number("duration_seconds")), "{finished:?}");
}

#[tokio::test(start_paused = true)]
async fn a_container_that_dies_under_its_run_ends_it() {
    let agent = TestAgent::new().await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(0).hold_until_killed());
    agent.start(with_job("web", "sync", "* * * * *")).await;
    agent.sleep_until("00:01").await;
    sleep(seconds(10)).await;
    agent.engine.kill("web");
    sleep(MOMENT).await;
    let finished = agent.one("run.finished");
    assert_eq!((finished.text("outcome"), finished.text("exit_code")), ("failed".into(), "137".into()));

    agent.engine.start_again("web");
    agent.sleep_until("00:02").await;
    sleep(seconds(10)).await;
    agent.engine.remove("web");
    sleep(seconds(5)).await;
    let last = agent.all("run.lost").pop().unwrap();
    assert_eq!(last.text("outcome"), "lost", "the Engine has forgotten the command");
}

#[tokio::test(start_paused = true)]
async fn what_the_engine_refuses_is_not_started_with_its_words() {
    let agent = TestAgent::new().await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(0).create_error(500, "no such user: nobody"));
    let finished = run(&agent).await;
    assert_eq!(finished.text("outcome"), "not-started");
    assert!(finished.text("reason").contains("no such user: nobody (status 500)"), "{finished:?}");
    assert!(!finished.has("duration_seconds"));
    assert_eq!(agent.all("run.started"), []);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_was_not_answered_is_followed_and_not_told_as_not_started() {
    let agent = TestAgent::new().await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(5).takes(seconds(10)));
    agent.engine.lose_answers("POST /exec/*/start", 1);
    let finished = run(&agent).await;
    assert_eq!((finished.text("outcome"), finished.text("exit_code")), ("failed".into(), "5".into()));
    assert_eq!(agent.engine.execs().len(), 1);
}
