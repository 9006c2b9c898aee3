//! Commands in running containers.

use bollard::{
    exec::{CreateExecOptions, StartExecOptions, StartExecResults},
    query_parameters::TopOptionsBuilder,
};

use super::{
    client::Engine,
    error::EngineError,
    output::{Output, output},
};

/// A command for a running container.
#[derive(Debug, Clone)]
pub struct ExecRequest {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// `NAME=VALUE`.
    pub environment: Vec<String>,
    /// As whom.
    pub user: Option<String>,
    /// Where.
    pub workdir: Option<String>,
    /// With all rights on the machine.
    pub privileged: bool,
    /// On a terminal.
    pub tty: bool,
}

/// Where a command stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecState {
    /// It goes on, and its first process has this ID where the Engine is.
    Running(Option<i32>),
    /// It has ended; the Engine may need a moment to know the code.
    Ended(Option<i64>),
}

/// As much of a frame as is read at once; frames of the Engine are at most 32 KiB.
const READ_CAPACITY: usize = 32 * 1024;

impl Engine {
    /// Prepares a command; the answer is its ID. Nothing runs yet.
    pub async fn create_exec(&self, container: &str, request: ExecRequest) -> Result<String, EngineError> {
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            // The start of it says nothing of a terminal, so its output comes in frames all the same.
            tty: Some(request.tty),
            env: Some(request.environment),
            cmd: Some(request.argv),
            user: request.user,
            working_dir: request.workdir,
            privileged: Some(request.privileged),
            ..CreateExecOptions::default()
        };
        Ok(self.docker()?.create_exec(container, options).await?.id)
    }

    /// Starts it and gives its output as it comes. It goes on when the output is dropped.
    pub async fn start_exec(&self, id: &str) -> Result<Output, EngineError> {
        let options =
            StartExecOptions { output_capacity: Some(READ_CAPACITY), ..StartExecOptions::default() };
        match self.docker()?.start_exec(id, Some(options)).await? {
            StartExecResults::Attached { output: stream, .. } => Ok(output(stream)),
            StartExecResults::Detached => {
                Err(EngineError::Malformed("the command was started without its output".to_owned()))
            }
        }
    }

    /// Whether the first process of a command is among those of its container. What an Engine says of a command whose
    /// connection was cut while it printed is no more than that the connection was.
    pub async fn is_exec_there(&self, container: &str, id: &str) -> Result<bool, EngineError> {
        let Some(pid) = self.docker()?.inspect_exec(id).await?.pid.filter(|pid| *pid > 0) else {
            return Ok(false);
        };
        let options = TopOptionsBuilder::new().ps_args("-o pid").build();
        let found = self.docker()?.top_processes(container, Some(options)).await?;
        let rows = found.processes.unwrap_or_default();
        Ok(rows.iter().flatten().any(|cell| cell.parse() == Ok(pid)))
    }

    /// Asks where it stands.
    pub async fn inspect_exec(&self, id: &str) -> Result<ExecState, EngineError> {
        let answer = self.docker()?.inspect_exec(id).await?;
        Ok(if answer.running.unwrap_or(false) {
            ExecState::Running(answer.pid.and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 0))
        } else {
            ExecState::Ended(answer.exit_code)
        })
    }
}
