//! A command that Compose started in a running container: the Engine has no call that ends it, and it goes on when
//! Compose does not. Its mark says which it is, and that is looked for where Compose could have started it.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::{
    docker::client::Engine,
    model::run::RunId,
    run::ending::{Command, Ender, Ending, Program},
};

/// How long looking and signalling may take in all.
const LIMIT: Duration = Duration::from_secs(10);

/// Where it may be.
#[derive(Debug, Clone, Copy)]
pub struct Inside<'a> {
    /// The Engine.
    pub engine: &'a Engine,
    /// What can be copied as a helper.
    pub program: &'a Program,
    /// The run.
    pub run: &'a RunId,
    /// As whom it runs, where that is not the container's own user.
    pub user: Option<&'a str>,
    /// The project, where the job names it.
    pub project: Option<&'a str>,
    /// The service.
    pub service: &'a str,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Reached {
    /// There was nothing to signal.
    Nothing,
    /// It was signalled; what was to be killed is gone.
    All,
    /// It goes on, and why.
    Stays(String),
}

impl Inside<'_> {
    /// Signals all that belongs to the command.
    pub async fn send(&self, signal: Ender) -> Reached {
        match timeout(LIMIT, self.send_everywhere(signal)).await {
            Ok(reached) => reached,
            Err(_) => Reached::Stays(format!("no answer from its container within {} s", LIMIT.as_secs())),
        }
    }

    async fn send_everywhere(&self, signal: Ender) -> Reached {
        let containers = match self.engine.busy_containers(self.project, self.service).await {
            Ok(containers) => containers,
            Err(error) => {
                return Reached::Stays(format!("the Engine cannot be asked for its container: {error}"));
            }
        };
        let mut all = Reached::Nothing;
        for container in &containers {
            let ending = Ending::new(Command {
                engine: self.engine,
                program: self.program,
                run: self.run,
                container,
                user: self.user,
                // Only Compose knows it.
                exec: "",
                since: Instant::now(),
            });
            ending.send(signal, false).await;
            if let Some(copied) = ending.leftover() {
                // It says itself what it is, and goes with the container at the latest.
                let _ = copied.remove(self.engine).await;
            }
            if ending.has_survivors() {
                return Reached::Stays(ending.why());
            }
            if ending.has_found() {
                all = Reached::All;
            }
        }
        all
    }
}
