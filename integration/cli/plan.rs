//! `plan` beside an agent that runs: what other files, flags and variables would change.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use watchbell::{model::password::PasswordHash, time::Clock};

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

/// Nobody is told of it.
const TOKEN: &str = "hunter2-canary-0123456789";

const JOB: &str = "[job-local \"a\"]\nschedule = @yearly\ncommand = x\n";

#[tokio::test]
async fn a_plan_tells_of_settings_too_and_of_those_that_wait_for_the_next_start() {
    let engine = FakeEngine::new(|| Clock::System.now());
    let other = "[global]\nmax-concurrent-runs = 3\nlog-level = debug\nallow-from-labels = local, run\n";
    let desk = Desk::new()
        .file("a.ini", JOB)
        .file("b.ini", format!("{other}{JOB}[job-local \"b\"]\nschedule = @dayly\ncommand = x\n"))
        .file("c.ini", format!("[global]\ntimezone-file = secret\n{JOB}"))
        .file("secret", "Asia/Tokyo\n")
        .file("callers.ini", format!("{JOB}[token \"ci\"]\ntoken = {TOKEN}\nrole = viewer\n"));
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
    let callers = plan(&desk, &["--config", "callers.ini"]).await;
    callers.shows("~ token \"ci\": viewer (new), at callers.ini:4\n");
    let json = plan(&desk, &["--config", "callers.ini", "--output", "json"]).await;
    assert_eq!(
        json.json()["plan"]["settings"],
        serde_json::json!([{
            "setting": "token \"ci\"", "from": null, "to": "viewer", "at_next_start": false, "origin": "callers.ini:4",
        }])
    );
    for it in [&callers, &json] {
        assert!(!it.out.contains("hunter2"), "{}", it.out);
    }
    drop(agent);
}

#[tokio::test]
async fn a_plan_tells_whom_the_files_would_let_in_and_never_by_what() {
    let engine = FakeEngine::new(|| Clock::System.now());
    let ci = |token: &str, role: &str| format!("{JOB}[token \"ci\"]\ntoken = {token}\nrole = {role}\n");
    let (password, other) = ["hunter2", "hunter3"].map(|it| PasswordHash::of(it, &[3; 16]).unwrap()).into();
    let anna =
        |hash: &PasswordHash| format!("[user \"anna\"]\nrole = admin\npassword-hash = {}\n", hash.text());
    let desk = Desk::new()
        .file("a.ini", ci(TOKEN, "viewer") + &anna(&password))
        .file("moved.ini", anna(&password) + &ci(TOKEN, "viewer"))
        .file("b.ini", ci(TOKEN, "admin") + &anna(&other))
        .file("c.ini", JOB);
    engine.listen(&desk.path().join("docker.sock"));
    let agent = Daemon::start(desk.path());
    let desk = Arc::new(desk);
    // Until it listens and has its jobs; where a section stands is no change.
    for _ in 0..200 {
        if plan(&desk, &["--config", "moved.ini"]).await.out
            == "0 to add, 0 to change, 0 to remove, 1 unchanged\n"
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let changed = plan(&desk, &["--config", "b.ini"]).await;
    changed.shows("~ token \"ci\": viewer -> admin, at b.ini:4\n");
    changed.shows("~ user \"anna\": admin (its secret changes), at b.ini:7\n");
    let gone = plan(&desk, &["--config", "c.ini"]).await;
    gone.shows("~ token \"ci\": viewer (goes)\n");
    gone.shows("~ user \"anna\": admin (goes)\n");
    for it in [&changed, &gone] {
        assert!(!it.out.contains("argon2") && !it.out.contains("hunter"), "{}", it.out);
    }
    let explained = desk.run(&["explain", "--config", "a.ini", "--docker-host", "unix:///nowhere.sock"]);
    explained.shows("token \"ci\"");
    assert!(!explained.out.contains("argon2") && !explained.out.contains("hunter"), "{}", explained.out);
    drop(agent);
}

#[tokio::test]
async fn a_plan_tells_which_channels_come_change_and_go_and_nothing_secret() {
    let engine = FakeEngine::new(|| Clock::System.now());
    let ops = |url: &str| format!("[notify \"ops\"]\ntype = slack\nurl = https://x/{url}\n");
    let phone = "[notify \"phone\"]\ntype = ntfy\nurl = https://ntfy.sh/x\npriority = 3\n";
    let desk = Desk::new()
        .file("a.ini", format!("{JOB}{}{phone}", ops("hunter2")))
        .file("moved.ini", format!("{phone}{}{JOB}", ops("hunter2")))
        .file(
            "b.ini",
            format!(
                "{JOB}{}notify-on = always\n[notify \"files\"]\ntype = save\ndirectory = /x\n",
                ops("hunter3")
            ),
        )
        .file("c.ini", JOB);
    engine.listen(&desk.path().join("docker.sock"));
    let agent = Daemon::start(desk.path());
    let desk = Arc::new(desk);
    // Until it listens and has its jobs; where a channel is written is no change.
    for _ in 0..200 {
        if plan(&desk, &["--config", "moved.ini"]).await.out
            == "0 to add, 0 to change, 0 to remove, 1 unchanged\n"
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let same = plan(&desk, &["--config", "moved.ini"]).await;
    assert_eq!(same.out, "0 to add, 0 to change, 0 to remove, 1 unchanged\n");
    let changed = plan(&desk, &["--config", "b.ini"]).await;
    changed.shows("+ channel \"files\" (save), at b.ini:8\n");
    changed.shows("~ channel \"ops\": notify-on, url, at b.ini:4\n");
    changed.shows("- channel \"phone\" (ntfy)\n");
    let json = plan(&desk, &["--config", "b.ini", "--output", "json"]).await;
    assert_eq!(
        json.json()["plan"]["channels"],
        serde_json::json!({
            "added": { "files": "save" },
            "updated": { "ops": ["notify-on", "url"] },
            "removed": { "phone": "ntfy" },
        })
    );
    for it in [&changed, &json] {
        assert!(!it.out.contains("hunter"), "{}", it.out);
    }
    drop(agent);
}
