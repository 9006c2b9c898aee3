//! A service of a Swarm that is stopped for runs: it has no tasks for a while. To stop their containers would not do, for
//! the Swarm starts others in their place.

use std::time::Duration;

use humantime::format_duration;
use tokio::time::Instant;

use crate::{
    docker::{changes::Mode, error::EngineError, tasks::TaskState},
    model::{halt::Halt, service::Tasks, swarm::Service},
    telemetry::report,
};

use super::{
    super::{
        halts::{Stop, Waiting},
        looks::Looks,
        service_action::scale_back,
        tasks::name,
        unit::Context,
    },
    STOP_SLACK, keep_rows,
};

/// Its tasks are waited for this much longer than they have to end by themselves: the Swarm has to hear of each.
const TASKS_SLACK: Duration = Duration::from_secs(30);

/// How many tasks it wants now.
pub(super) async fn replicas(service: &Service, context: &Context) -> Result<u64, String> {
    let now = context.engine.service_now(&service.id).await;
    let now = now.map_err(|error| {
        format!("looking at service {}, to stop it before the run: {error}", service.name)
    })?;
    match now.map(|it| it.mode) {
        Some(Mode::Replicated(replicas)) => Ok(replicas),
        // It was removed a moment ago.
        _ => Ok(0),
    }
}

/// Takes its tasks from it. How many it has is looked at once more: it may be long since the run began, for others are
/// stopped before it.
pub(super) async fn stop(id: &str, it: &Halt, context: &Context) -> Result<(), String> {
    let (engine, halts) = (&context.engine, &context.halts);
    let said = |error: EngineError| error.to_string();
    match engine.service_now(id).await.map_err(said)?.map(|now| now.mode) {
        Some(Mode::Replicated(0)) => {
            halts.is_at_rest(&it.what, &it.run, &context.keeper);
            return Ok(());
        }
        Some(Mode::Replicated(replicas)) if it.replicas != Some(replicas) => {
            let again = Halt { replicas: Some(replicas), ..it.clone() };
            keep_rows(&[again], context).await?;
            halts.has_again(&it.what, replicas);
        }
        Some(_) => {}
        None => return Ok(()),
    }
    halts.is_stopped(&it.what, Stop::Asked);
    scale_back(engine, id, None, 0).await.map_err(said)?;
    report::halted(&it.job, &it.run, &it.what, &it.name);
    halts.is_stopped(&it.what, Stop::Done);
    Ok(())
}

/// Waits until its tasks have ended. Also where another run took them away: they may be at their end still.
pub(super) async fn until_stopped(id: &str, context: &Context) -> Result<(), String> {
    let engine = &context.engine;
    let said = |error: EngineError| error.to_string();
    let Some(now) = engine.service_now(id).await.map_err(said)? else { return Ok(()) };
    let limit = now.grace.saturating_add(TASKS_SLACK);
    let (mut looks, since) = (Looks::new(engine, id), Instant::now());
    loop {
        looks.begin();
        let tasks = engine.tasks_of(id, Tasks::Replicas(u16::MAX)).await.map_err(said)?;
        let Some(left) = tasks.iter().find(|it| it.task.state == TaskState::Going) else { return Ok(()) };
        if since.elapsed() > limit {
            let (task, limit) = (name(&left.task, Tasks::Replicas(u16::MAX)), format_duration(limit));
            return Err(format!(
                "the Swarm has not ended {task} within {limit}: docker service ps {id} tells on which node it is"
            ));
        }
        looks.over();
        looks.due().await;
    }
}

/// The answer is what there is to say of it; none while a stop that was asked for may still come.
pub(super) async fn start(
    id: &str,
    it: &Waiting,
    since: Instant,
    context: &Context,
) -> Result<Option<String>, EngineError> {
    let Some(now) = context.engine.service_now(id).await? else {
        return Ok(Some("it was removed meanwhile; what was made in its place is left as it is".to_owned()));
    };
    let wanted = it.replicas.unwrap_or_default();
    match now.mode {
        // Where the service restarts none, a Swarm makes no task in the place of one that it has not forgotten yet (seen on
        // 20.10).
        Mode::Replicated(0) if since.elapsed() < STOP_SLACK && leaves(id, context).await? => Ok(None),
        Mode::Replicated(0) => {
            scale_back(&context.engine, id, Some(0), wanted).await?;
            Ok(Some(format!("it was given its number of tasks again, {wanted}")))
        }
        Mode::Replicated(replicas) => {
            let over = it.stop == Stop::Done || since.elapsed() > STOP_SLACK;
            Ok(over.then(|| format!("it has tasks already, {replicas}, and is left as it is")))
        }
        _ => Ok(Some("it has no number of tasks any more, and is left as it is".to_owned())),
    }
}

async fn leaves(id: &str, context: &Context) -> Result<bool, EngineError> {
    let tasks = context.engine.tasks_of(id, Tasks::Replicas(u16::MAX)).await?;
    Ok(tasks.iter().any(|it| it.leaves))
}
