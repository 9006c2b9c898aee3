//! `plan` beside an agent that runs: what other files, flags and variables would change.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use watchbell::time::Clock;

use super::{Answer, Desk};
use crate::support::fake_engine::FakeEngine;

/// An agent of its own, which ends with the test.
struct Daemon(Child);

impl Daemon {
    fn start(folder: &Path) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_watchbell"))
            .args([
                "daemon",
                "--listen",
                "none",
                "--config",
                "a.ini",
                "--state-dir",
                "state",
                "--docker-host",
                &host(folder),
            ])
            .env_clear()
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }
}

fn host(folder: &Path) -> String {
    format!("unix://{}", folder.join("docker.sock").display())
}

/// What `plan` says with these arguments.
async fn plan(desk: &Arc<Desk>, more: &[&str]) -> Answer {
    let host = host(desk.path());
    let arguments =
        [&["plan", "--listen", "none", "--state-dir", "state", "--docker-host", &host][..], more].concat();
    let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
    let desk = desk.clone();
    let run = move || desk.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap()
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const JOB: &str = "[job-local \"a\"]\nschedule = @yearly\ncommand = x\n";

#[tokio::test]
async fn a_plan_tells_of_settings_too_and_of_those_that_wait_for_the_next_start() {
    let engine = FakeEngine::new(|| Clock::System.now());
    let other = "[global]\nmax-concurrent-runs = 3\nlog-level = debug\nallow-from-labels = local, run\n";
    let desk = Desk::new()
        .file("a.ini", JOB)
        .file("b.ini", format!("{other}{JOB}[job-local \"b\"]\nschedule = @dayly\ncommand = x\n"))
        .file("c.ini", format!("[global]\ntimezone-file = secret\n{JOB}"))
        .file("secret", "Asia/Tokyo\n");
    engine.listen(&desk.path().join("docker.sock"));
    let agent = Daemon::start(desk.path());
    let desk = Arc::new(desk);
    let mut same = plan(&desk, &["--config", "a.ini"]).await;
    // Until it listens and has its jobs.
    for _ in 0..200 {
        if same.out.contains(" 1 unchanged") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        same = plan(&desk, &["--config", "a.ini"]).await;
    }
    assert_eq!((same.code, &*same.out), (0, "0 to add, 0 to change, 0 to remove, 1 unchanged\n"));

    let text = plan(&desk, &["--config", "b.ini"]).await;
    assert_eq!(text.code, 1);
    text.shows("! error: b.ini:9: job b: schedule: ");
    text.shows("~ setting max-concurrent-runs: 64 -> 3\n");
    text.shows("~ setting log-level: info -> debug (at the next start)\n");
    text.shows("~ setting allow-from-labels: none -> run, local\n");
    let json = plan(&desk, &["--config", "b.ini", "--output", "json"]).await.json();
    assert_eq!(
        json["plan"]["settings"],
        serde_json::json!([
            { "setting": "allow-from-labels", "from": "none", "to": "run, local", "at_next_start": false },
            { "setting": "log-level", "from": "info", "to": "debug", "at_next_start": true },
            { "setting": "max-concurrent-runs", "from": "64", "to": "3", "at_next_start": false },
        ])
    );
    let secret = plan(&desk, &["--config", "c.ini"]).await;
    secret.shows("~ setting timezone: UTC -> …\n");
    drop(agent);
}
