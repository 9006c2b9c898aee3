//! A command is prepared in its container, also in one that takes none just now and may in a moment.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    docker::{client::Engine, error::EngineError, execs::ExecRequest},
    model::{container::Holder, run::Outcome, skip::Skip},
};

use super::unit::Life;

/// How long a container that takes no command just now is waited for, and how often it is tried.
const COMING_BACK: Duration = Duration::from_secs(5);
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// A command that can be started.
pub(super) struct Prepared {
    /// The Engine's ID of it.
    pub exec: String,
    /// The container's.
    pub container: String,
    /// When it was prepared.
    pub since: Instant,
}

/// Why there is none.
pub(super) enum Unprepared {
    /// The Engine's.
    Error(EngineError),
    /// What becomes of the run.
    Outcome(Outcome),
}

/// Prepares the command. A container that is paused, being restarted, stopping or just being made anew may be there again
/// in a moment: it is waited for, a little, and then the occurrence is skipped.
pub(super) async fn prepare(
    engine: &Engine,
    container: &Holder,
    request: ExecRequest,
    life: &mut Life,
) -> Result<Prepared, Unprepared> {
    let until = Instant::now() + COMING_BACK;
    let mut place = container.id.0.to_string();
    loop {
        let since = Instant::now();
        let error = match engine.create_exec(&place, request.clone()).await {
            Ok(exec) => return Ok(Prepared { exec, container: place, since }),
            Err(error) => error,
        };
        let Some(state) = passing(&error) else { return Err(Unprepared::Error(error)) };
        if Instant::now() >= until {
            let waited = humantime::format_duration(COMING_BACK);
            let reason = format!("container {} {state}, and still was after {waited}", container.name);
            return Err(Unprepared::Outcome(Outcome::Skipped { by: Skip::Container, reason }));
        }
        tokio::select! {
            () = sleep(ASK_AGAIN) => {}
            _ = life.interrupts.next() => {
                return Err(Unprepared::Outcome(life.interrupts.given_up(None)));
            }
        }
        if error.is_not_found()
            && let Ok(Some(anew)) = engine.container_facts(&container.name).await
        {
            place = anew.id;
        }
    }
}

/// What keeps a container from taking a command now, and may not in a moment.
fn passing(error: &EngineError) -> Option<&'static str> {
    match error {
        EngineError::Refused { status: 404, .. } => Some("is not there any more"),
        EngineError::Refused { status: 409, message } if message.contains("paused") => Some("is paused"),
        EngineError::Refused { status: 409, message } if message.contains("restarting") => {
            Some("is being restarted")
        }
        EngineError::Refused { status: 409, message } if message.contains("not running") => {
            Some("is not running")
        }
        _ => None,
    }
}
