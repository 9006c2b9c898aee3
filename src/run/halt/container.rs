//! A container that is stopped for runs.

use tokio::time::Instant;

use crate::{
    docker::{actions::Stopping, error::EngineError},
    model::{
        container::ContainerId,
        halt::{Halt, HaltId},
    },
    telemetry::report,
};

use super::{
    super::{halts::Stop, unit::Context},
    STOP_SLACK,
};

/// Whether each container would be there afterwards.
pub(super) async fn can_be_started_again(wanted: &[Halt], context: &Context) -> Result<(), String> {
    for Halt { what, name, .. } in wanted {
        let HaltId::Container(id) = what else { continue };
        let standing =
            context.engine.standing(&id.0).await.map_err(|error| {
                format!("looking at container {name}, to stop it before the run: {error}")
            })?;
        if standing.is_some_and(|it| it.auto_remove) {
            return Err(format!(
                "stop-during: the Engine removes container {name} once it stops (--rm), and it could not be started \
                 again: make it without --rm, or take it out of the list"
            ));
        }
    }
    Ok(())
}

pub(super) async fn stop(id: &ContainerId, it: &Halt, context: &Context) -> Result<(), String> {
    let engine = &context.engine;
    let said = |error: EngineError| error.to_string();
    let Some(standing) = engine.standing(&id.0).await.map_err(said)? else { return Ok(()) };
    if standing.state.is_up() {
        context.halts.is_stopped(&it.what, Stop::Asked);
        engine.stop_standing(&standing, Stopping::default()).await.map_err(said)?;
        report::halted(&it.job, &it.run, &it.what, &it.name);
    }
    context.halts.is_stopped(&it.what, Stop::Done);
    Ok(())
}

/// The answer is what there is to say of it; none while a stop that was asked for may still come.
pub(super) async fn start(
    id: &ContainerId,
    stop: Stop,
    since: Instant,
    context: &Context,
) -> Result<Option<String>, EngineError> {
    let engine = &context.engine;
    let Some(standing) = engine.standing(&id.0).await? else {
        return Ok(Some("it was removed meanwhile; what was made in its place is left as it is".to_owned()));
    };
    if !standing.state.is_up() {
        engine.start_container(&standing.id).await?;
        return Ok(Some("it was started again".to_owned()));
    }
    let over = stop == Stop::Done || since.elapsed() > standing.stop_timeout + STOP_SLACK;
    Ok(over.then(|| "it runs already".to_owned()))
}
