//! Containers of the real Engine, by its command-line client.

use std::process::Stdio;

use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use super::Failure;

/// The image that `integration/worker-image` makes.
const IMAGE: &str = "watchbell-worker:local";

/// Where the Engine listens.
pub fn host() -> String {
    std::env::var_os("DOCKER_HOST")
        .and_then(|it| it.into_string().ok())
        .unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned())
}

/// A container that does nothing; it goes when this is dropped.
#[derive(Debug)]
pub struct Worker {
    /// The Engine's ID.
    pub id: String,
    /// The name.
    pub name: String,
}

impl Worker {
    /// One without labels.
    pub async fn start() -> Result<Self, Failure> {
        Self::labelled(&format!("watchbell-bench-{}", std::process::id()), &[]).await
    }

    /// One with these labels.
    pub async fn labelled(name: &str, labels: &[String]) -> Result<Self, Failure> {
        let mut arguments = vec!["run", "--detach", "--network", "none", "--name", name];
        arguments.extend(labels.iter().flat_map(|label| ["--label", label]));
        arguments.push(IMAGE);
        // Made before the container is there, so that a call which fails half way leaves nothing behind.
        let mut worker = Self { id: String::new(), name: name.to_owned() };
        worker.id = docker(&arguments).await?;
        Ok(worker)
    }

    /// Removes it now.
    pub async fn remove(self) -> Result<(), Failure> {
        docker(&["rm", "--force", &self.name]).await.map(drop)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = std::process::Command::new("docker")
            .args(["rm", "--force", &self.name])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

/// Runs one command of the client; what it printed.
pub async fn docker(arguments: &[&str]) -> Result<String, Failure> {
    let output =
        Command::new("docker").args(arguments).stdin(Stdio::null()).kill_on_drop(true).output().await?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        return Err(format!("docker {}: {}", arguments.join(" "), error.trim()).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The Engine's events about containers, as they come.
#[derive(Debug)]
pub struct Events {
    lines: Lines<BufReader<ChildStdout>>,
    /// Killed when this is dropped.
    _client: Child,
}

impl Events {
    /// Follows them from now on.
    pub fn follow() -> Result<Self, Failure> {
        let mut client = Command::new("docker")
            .args(["events", "--filter", "type=container", "--format", "{{json .}}"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = client.stdout.take().ok_or("no pipe")?;
        Ok(Self { lines: BufReader::new(stdout).lines(), _client: client })
    }

    /// When `action` happened to the container with this name, in seconds since 1970; waits for it.
    #[expect(clippy::cast_precision_loss, reason = "a microsecond is as close as it gets")]
    pub async fn moment(&mut self, action: &str, name: &str) -> Result<f64, Failure> {
        while let Some(line) = self.lines.next_line().await? {
            let event: serde_json::Value = serde_json::from_str(&line)?;
            if event["Action"] == action && event["Actor"]["Attributes"]["name"] == name {
                let nanoseconds = event["timeNano"].as_i64().ok_or("an event without a time")?;
                return Ok(nanoseconds as f64 / 1e9);
            }
        }
        Err("the event stream ended".into())
    }
}
