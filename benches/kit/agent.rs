//! The agent's binary, as people run it, with its records read back.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    sync::mpsc,
    task::spawn_blocking,
    time::{Instant, timeout},
};

use super::{Failure, engine};

/// A running agent; it is killed when this is dropped.
#[derive(Debug)]
pub struct Agent {
    child: Child,
    records: mpsc::UnboundedReceiver<Value>,
    output: Arc<AtomicU64>,
    directory: TempDir,
}

impl Agent {
    /// Starts one with this file and these further arguments; returns when it is ready.
    pub async fn start(file: &str, arguments: &[&str]) -> Result<Self, Failure> {
        let directory = tempfile::Builder::new().prefix("watchbell-bench.").tempdir()?;
        let config = directory.path().join("config.ini");
        fs::write(&config, file)?;
        let mut child = Command::new(env!("CARGO_BIN_EXE_watchbell"))
            .arg("daemon")
            .arg("--config")
            .arg(&config)
            .arg("--state-dir")
            .arg(directory.path())
            .args([
                "--listen",
                "none",
                "--docker-host",
                &engine::host(),
                "--log-format",
                "json",
                "--timezone",
                "UTC",
            ])
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("no pipe")?;
        let (sender, records) = mpsc::unbounded_channel();
        let output = Arc::new(AtomicU64::new(0));
        let counted = output.clone();
        drop(spawn_blocking(move || read(stdout, &sender, &counted)));
        let mut agent = Self { child, records, output, directory };
        agent.record("agent.ready", Duration::from_secs(30), |_| true).await?;
        Ok(agent)
    }

    /// The next record of this event that `wanted` takes; those before it are passed over.
    pub async fn record(
        &mut self,
        event: &str,
        limit: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, Failure> {
        let until = Instant::now() + limit;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match timeout(left, self.records.recv()).await {
                Ok(Some(record)) if record["event"] == event && wanted(&record) => return Ok(record),
                Ok(Some(_)) => {}
                Ok(None) => return Err(format!("the agent ended before {event}").into()),
                Err(_) => return Err(format!("no {event} within {limit:?}").into()),
            }
        }
    }

    /// Passes over what has been told so far.
    pub fn forget(&mut self) {
        while self.records.try_recv().is_ok() {}
    }

    /// Where it keeps its state and listens.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// How many lines of jobs' output it has logged.
    pub fn output_lines(&self) -> u64 {
        self.output.load(Ordering::Relaxed)
    }

    fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.child.id()))
    }

    /// Memory in MB: `VmRSS` is what it has now, `VmHWM` the most it ever had.
    pub fn memory(&self, field: &str) -> Result<f64, Failure> {
        let status = fs::read_to_string(self.proc("status"))?;
        let line = status.lines().find_map(|it| it.strip_prefix(field)).ok_or("no such field")?;
        let kib: f64 = line.trim_start_matches(':').trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024.0 / 1e6)
    }

    /// Seconds of a core that it has used. The scheduler's own count, because the clock ticks of `stat` are too
    /// coarse for an idle process.
    pub fn cpu(&self) -> Result<f64, Failure> {
        let mut nanoseconds = 0.0;
        for task in fs::read_dir(self.proc("task"))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            nanoseconds += text.split(' ').next().ok_or("no count")?.parse::<f64>()?;
        }
        Ok(nanoseconds / 1e9)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads to the end, as fast as it can: a reader that is slow would be measured with the agent.
fn read(stdout: ChildStdout, records: &mpsc::UnboundedSender<Value>, output: &AtomicU64) {
    let mut stdout = BufReader::with_capacity(64 * 1024, stdout);
    let mut line = Vec::new();
    while stdout.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
        // The event stands near the beginning of every record.
        let head = &line[..line.len().min(100)];
        if head.windows(12).any(|it| it == br#""run.output""#) {
            output.fetch_add(1, Ordering::Relaxed);
        } else if let Ok(record) = serde_json::from_slice(&line) {
            let _ = records.send(record);
        }
        line.clear();
    }
}
