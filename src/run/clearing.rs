//! What an attempt made and left is cleared away.

use std::time::Duration;

use tokio::time::timeout;

use crate::{
    docker::{client::Engine, error::EngineError},
    model::{options::Delete, service::Tasks},
    telemetry::report::{self, RunTags},
};

use super::{ending, new_container, service, service_action};

/// What a run made and leaves behind.
#[derive(Debug)]
pub enum Leftover {
    /// A container.
    Container {
        /// Its ID.
        id: String,
        /// When it goes.
        delete: Delete,
    },
    /// A service of a Swarm, by its ID, with as many tasks.
    Service(String, Tasks),
    /// A service that had another number of tasks before.
    Replicas {
        /// Its ID.
        service: String,
        /// How many the run gave it, where that is known.
        given: Option<u64>,
        /// How many it had.
        back: u64,
    },
    /// What was to end it.
    Helper(ending::Leftover),
}

/// Clears away what a run left, now that its record is kept.
pub async fn clear_away(engine: Engine, leftover: Leftover, tags: RunTags) {
    if let Err(reason) = try_to_clear_away(&engine, &leftover, &tags).await {
        report::run_leftover(&tags, &reason);
    }
}

/// How long a run waits with its record until its service has as many tasks as before.
const GIVE_BACK_LIMIT: Duration = Duration::from_secs(5);

/// Gives a service the tasks back that it had, and gives what is still to be cleared away. This comes before the record:
/// the next agent would not know of it afterwards.
pub(super) async fn give_back(engine: &Engine, leftover: Option<Leftover>) -> Option<Leftover> {
    let Some(Leftover::Replicas { service, given, back }) = &leftover else { return leftover };
    match timeout(GIVE_BACK_LIMIT, service_action::scale_back(engine, service, *given, *back)).await {
        Ok(Ok(())) => None,
        // It is tried again after the record, and what goes wrong then is told.
        Ok(Err(_)) | Err(_) => leftover,
    }
}

/// Clears away what an attempt left; an error says what stays, and why.
pub(super) async fn try_to_clear_away(
    engine: &Engine,
    leftover: &Leftover,
    tags: &RunTags,
) -> Result<(), String> {
    let error = |error: EngineError| error.to_string();
    match leftover {
        Leftover::Container { id, .. } => new_container::remove(engine, id).await.map_err(error),
        Leftover::Service(service, tasks) => {
            service::remove(engine, service, *tasks, tags).await.map_err(error)
        }
        Leftover::Replicas { service, given, back } => {
            service_action::scale_back(engine, service, *given, *back).await.map_err(error)
        }
        Leftover::Helper(helper) => helper.remove(engine).await,
    }
}
