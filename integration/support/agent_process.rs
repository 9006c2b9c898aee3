//! The agent as a process of its own, without an Engine, with its log in a file.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

/// So long that only what never comes takes longer.
const LIMIT: Duration = Duration::from_secs(60);

/// An agent with its log in a file; it is killed if the test ends before it.
pub struct Process {
    child: Child,
    log: std::path::PathBuf,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// The agent's `nth` life with the file in a folder.
    pub fn start(folder: &Path, state_dir: &Path, nth: u32) -> Self {
        let log = folder.join(format!("log-{nth}"));
        let nowhere = format!("unix://{}", folder.join("no-engine.sock").display());
        let child = Command::new(env!("CARGO_BIN_EXE_watchbell"))
            .args([
                "daemon",
                "--listen",
                "none",
                "--log-format",
                "json",
                "--docker-host",
                &nowhere,
                "--config",
            ])
            .arg(folder.join("config.ini"))
            .arg("--state-dir")
            .arg(state_dir)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { child, log }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Ends it without its noticing.
    pub fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        self.child.wait().unwrap();
    }

    /// Whole lines told so far.
    pub fn records(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.log).unwrap();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until there are `n` records that fit, and gives all of them.
    #[expect(clippy::disallowed_methods, reason = "the agent is another process and lives in real time")]
    pub fn wait_for(&self, n: usize, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let found: Vec<Value> = self.records().into_iter().filter(|it| fits(it)).collect();
            if found.len() >= n {
                return found;
            }
            assert!(begun.elapsed() < LIMIT, "{n} of these were not told: {:#?}", self.records());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
