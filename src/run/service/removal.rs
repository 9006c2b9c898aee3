//! A run's service, removed with what it left, once the record is kept.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    docker::{client::Engine, error::EngineError},
    model::{container::RUN_LABEL, run::RunId, service::Tasks},
    run::looks::{RESYNC, SOON},
    telemetry::report::RunTags,
};

/// How often removing a run's service is tried.
const REMOVE_ATTEMPTS: u32 = 3;

/// How long what it left in line, and what would not end, may take to be gone.
const GONE_LIMIT: Duration = Duration::from_secs(10);

/// How often, at last, it is asked whether the tasks of a service that could not be ended go on.
const ASK_EVERY: Duration = Duration::from_secs(15);

/// Removes a run's service, over a short absence of the Engine.
pub async fn remove(engine: &Engine, service: &str, tasks: Tasks, tags: &RunTags) -> Result<(), EngineError> {
    let mut attempt = 1;
    loop {
        match clear(engine, service, tasks, tags).await {
            Ok(()) => return Ok(()),
            Err(error) if attempt == REMOVE_ATTEMPTS => return Err(error),
            Err(_) => sleep(Duration::from_secs(attempt.into())).await,
        }
        attempt += 1;
    }
}

/// In this order: an Engine that removes a service in job mode may leave its tasks as they are, one that is in line for
/// a failed one among them; and the containers of those that are over it leaves in any case then.
async fn clear(engine: &Engine, service: &str, tasks: Tasks, tags: &RunTags) -> Result<(), EngineError> {
    engine.end_service(service).await?;
    let label = format!("{RUN_LABEL}={}", tags.run);
    let until = Instant::now() + GONE_LIMIT;
    let mut pause = SOON;
    while Instant::now() < until {
        let list = engine.tasks_with_label(&label, tasks).await?;
        if list.iter().all(|task| task.state.is_over()) {
            break;
        }
        sleep(pause).await;
        pause = (pause * 2).min(RESYNC);
    }
    engine.remove_service(service).await?;
    for container in engine.service_containers(service).await? {
        engine.remove_container(&container).await?;
    }
    Ok(())
}

/// Waits until the tasks of a service that could not be ended are over, and removes it.
pub async fn until_gone(engine: &Engine, id: &str, run: &RunId) {
    let label = format!("{RUN_LABEL}={run}");
    let mut wait = Duration::from_secs(1);
    loop {
        if let Ok(true) = engine.service_is_over(&label).await {
            // One that cannot be removed is found at the next start.
            let _ = engine.remove_service(id).await;
            return;
        }
        sleep(wait).await;
        wait = (wait * 2).min(ASK_EVERY);
    }
}
