//! The ways to a command that is to be ended: in which order they are tried, and that none holds up another.

use std::path::Path;

use jiff::Timestamp;
use tokio::time::sleep;

use crate::support::{
    fake_engine::{ContainerSpec, ExecBehaviour, ExecRecord, ExecRequest, Gate},
    test_agent::{Record, START, Setup, Signalling, TestAgent, program, seconds, with_job, without_shell},
};

/// Runs a job with a timeout of half a minute at 0:01, in a container that `container` changes. `folder` holds the
/// helper.
async fn agent(
    folder: &Path,
    container: impl FnOnce(ContainerSpec) -> ContainerSpec,
    execs: impl FnOnce(&TestAgent),
) -> TestAgent {
    let agent = TestAgent::with(Setup { program: Some(program(folder)), ..Setup::default() }).await;
    execs(&agent);
    let spec = with_job("web", "sync", "* * * * *").label("watchbell.job-exec.sync.timeout", "30s");
    agent.start(container(spec)).await;
    agent.sleep_until("00:01").await;
    agent
}

fn forever() -> ExecBehaviour {
    ExecBehaviour::exit(0).stdout("begun\n").hold_until_killed()
}

/// Ends as timed out after so many seconds, give or take one, with its output.
async fn timed_out(agent: &TestAgent, after: f64) -> Record {
    let finished = agent.wait_for("run.finished", 1).await;
    let took = finished.number("duration_seconds");
    assert!((took - after).abs() < 1.1, "{took} s instead of {after}");
    assert_eq!(finished.text("outcome"), "timed-out");
    assert_eq!(agent.output("web.sync"), ["stdout: begun"], "output up to then is kept");
    finished
}

/// The execs after the command itself: what each is, the signal and the user.
fn means(agent: &TestAgent) -> Vec<String> {
    let name = |it: &ExecRecord| match (&*it.cmd[0], it.cmd.get(1).map(String::as_str)) {
        ("/bin/sh", _) => format!("shell {}", it.cmd[5]),
        (path, Some("end-the-processes-of-a-run")) => format!("helper in {} {}", folder_of(path), it.cmd[3]),
        _ => it.cmd.join(" "),
    };
    let execs = agent.engine.execs();
    execs[1..].iter().map(|it| format!("{} as {}", name(it), it.user.as_deref().unwrap_or("usual"))).collect()
}

fn folder_of(path: &str) -> &str {
    let folder = path.split_once("/.watchbell-").map_or(path, |(folder, _)| folder);
    if folder.is_empty() { "/" } else { folder }
}

#[tokio::test(start_paused = true)]
async fn without_a_shell_a_helper_is_copied_and_removes_itself() {
    let folder = tempfile::tempdir().unwrap();
    let agent = agent(folder.path(), |it| it, |agent| without_shell(&agent.engine, |_| forever())).await;
    assert_eq!(timed_out(&agent, 30.0).await.text("reason"), "");
    assert_eq!(
        means(&agent),
        [
            "shell TERM as usual",
            "shell TERM as 0",
            "helper in / TERM as 0",
            // What worked is the first that is tried for what may be left.
            "helper in / KILL as 0",
        ]
    );
    assert_eq!(agent.engine.files("web"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn under_a_read_only_root_the_helper_goes_to_a_volume() {
    let folder = tempfile::tempdir().unwrap();
    let read_only = |it: ContainerSpec| it.read_only().volume("/data");
    let agent = agent(folder.path(), read_only, |agent| without_shell(&agent.engine, |_| forever())).await;
    assert_eq!(timed_out(&agent, 30.0).await.text("reason"), "");
    assert_eq!(means(&agent)[2..], ["helper in /data TERM as usual", "helper in /data KILL as usual"]);
    assert_eq!(agent.engine.files("web"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_can_end_it_the_record_says_what_was_tried_and_why_it_failed() {
    let folder = tempfile::tempdir().unwrap();
    let work = |agent: &TestAgent| without_shell(&agent.engine, |_| forever());
    let agent = agent(folder.path(), ContainerSpec::read_only, work).await;
    let finished = timed_out(&agent, 45.0).await;
    let reason = finished.text("reason");
    for part in [
        "still running: by /bin/sh in the container: OCI runtime exec failed",
        "; by /bin/sh as root: OCI runtime exec failed",
        "; by a helper copied into the container: its root is read-only, and no volume is writable",
        "; from outside the container: process 4243 of the Engine cannot be seen",
    ] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_shell_that_hangs_delays_neither_the_helper_nor_the_kill() {
    let folder = tempfile::tempdir().unwrap();
    let hanging = |exec: &ExecRequest| match Signalling::of(exec) {
        Some(it) if it.by_shell => ExecBehaviour::exit(0).hold_until_released(&Gate::new()),
        Some(it) => it.answered(&["KILL"]),
        None => forever(),
    };
    let agent = agent(folder.path(), |it| it, |agent| agent.engine.on_exec(hanging)).await;
    assert_eq!(timed_out(&agent, 40.0).await.text("reason"), "");
    let start: Timestamp = START.parse().unwrap();
    let begun = |it: &ExecRecord| it.started.map(|at| at.duration_since(start).as_secs());
    let begun: Vec<i64> = agent.engine.execs()[1..].iter().filter_map(begun).collect();
    // A second of patience for each of the two shells, and none when it comes to killing.
    assert_eq!(begun, [90, 91, 92, 100], "{:?}", means(&agent));
    assert_eq!(agent.engine.files("web"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_helper_that_was_cut_off_is_removed_after_the_record() {
    let folder = tempfile::tempdir().unwrap();
    let silent = |exec: &ExecRequest| match (Signalling::of(exec), &exec.cmd[..]) {
        (Some(it), _) if it.by_shell => ExecBehaviour::missing_command("/bin/sh", 127),
        // It says nothing, and its file stays.
        (Some(_), _) => ExecBehaviour::exit(0).hold_until_released(&Gate::new()),
        (None, [_, what, path]) if what == "remove-this-helper" => {
            let (container, path) = (exec.container.clone(), path.clone());
            ExecBehaviour::exit(0).stdout(format!("removed {path}\n")).on_start(move |engine| {
                engine.remove_file(&container, &path);
            })
        }
        _ => forever(),
    };
    let agent = agent(folder.path(), |it| it, |agent| agent.engine.on_exec(silent)).await;
    let finished = timed_out(&agent, 45.0).await;
    let silent = "by a helper copied into the container: no answer within 3 s";
    assert!(finished.text("reason").contains(silent), "{finished:?}");
    sleep(seconds(1)).await;
    assert_eq!(agent.engine.files("web"), [""; 0]);
    assert_eq!(agent.all("run.leftover"), []);
}

#[tokio::test(start_paused = true)]
async fn a_helper_that_cannot_be_removed_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let gone = |exec: &ExecRequest| match Signalling::of(exec) {
        Some(it) if it.by_shell => ExecBehaviour::missing_command("/bin/sh", 127),
        None if exec.cmd[0] == "work" => forever(),
        _ => ExecBehaviour::missing_command(&exec.cmd[0], 126),
    };
    let agent = agent(folder.path(), |it| it, |agent| agent.engine.on_exec(gone)).await;
    timed_out(&agent, 45.0).await;
    let left = agent.wait_for("run.leftover", 1).await;
    let file = agent.engine.files("web").remove(0);
    assert!(left.text("reason").contains(&format!("the helper {file} stays")), "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_user_of_the_command_may_not_signal_root_does() {
    let folder = tempfile::tempdir().unwrap();
    let denied = |exec: &ExecRequest| match Signalling::of(exec) {
        Some(_) if exec.user.is_none() => ExecBehaviour::exit(0).stdout("denied 7:700\nlooked\n"),
        Some(it) => it.answered(&["TERM", "KILL"]),
        None => forever(),
    };
    let agent = agent(folder.path(), |it| it, |agent| agent.engine.on_exec(denied)).await;
    assert_eq!(timed_out(&agent, 30.0).await.text("reason"), "");
    assert_eq!(means(&agent), ["shell TERM as usual", "shell TERM as 0", "shell KILL as 0"]);
    assert_eq!(agent.engine.execs()[3].cmd[8], "7:700", "what was found before is handed on");
}

#[tokio::test(start_paused = true)]
async fn a_child_that_outlives_its_command_and_every_means_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let denied = |exec: &ExecRequest| match Signalling::of(exec) {
        Some(it) if it.signal == "TERM" => it.answered(&["TERM"]),
        Some(_) => ExecBehaviour::exit(0).stdout("denied 8:800\nlooked\n"),
        None => forever(),
    };
    let agent = agent(folder.path(), |it| it, |agent| agent.engine.on_exec(denied)).await;
    let finished = timed_out(&agent, 30.0).await;
    let why = "by /bin/sh as root: 1 process may not be signalled";
    assert!(finished.text("reason").contains(why), "{finished:?}");
}
