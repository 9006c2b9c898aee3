//! A command is prepared in its container, also in one that takes none just now and may in a moment.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    docker::{client::Engine, error::EngineError, execs::ExecRequest},
    model::{container::Holder, run::StopCause},
};

use super::unit::Life;

/// How long a container that takes no command just now is waited for, and how often it is tried.
const COMING_BACK: Duration = Duration::from_secs(5);
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// A command that can be started.
pub(super) struct Prepared {
    /// The Engine's ID of it.
    pub exec: String,
    /// The container's ID, or its name where it was made anew.
    pub container: String,
    /// When it was prepared.
    pub since: Instant,
}

/// Why there is none.
pub(super) enum Unprepared {
    /// The Engine's.
    Error(EngineError),
    /// The container did not take it.
    Skipped(String),
    /// Someone asked for the end before.
    Stopped(StopCause),
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
        let made = tokio::select! {
            made = engine.create_exec(&place, request.clone()) => made,
            // What the Engine may still prepare is never started.
            by = life.interrupts.is_asked() => return Err(Unprepared::Stopped(by)),
        };
        let error = match made {
            Ok(exec) => return Ok(Prepared { exec, container: place, since }),
            Err(error) => error,
        };
        let Some(state) = passing(&error) else { return Err(Unprepared::Error(error)) };
        if Instant::now() >= until {
            let waited = humantime::format_duration(COMING_BACK);
            let reason = format!("container {} {state}, and still was after {waited}", container.name);
            return Err(Unprepared::Skipped(reason));
        }
        tokio::select! {
            () = sleep(ASK_AGAIN) => {}
            by = life.interrupts.is_asked() => return Err(Unprepared::Stopped(by)),
        }
        if error.is_not_found() {
            // One that was made anew has its name.
            place = container.name.to_string();
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
