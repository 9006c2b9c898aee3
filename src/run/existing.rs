//! Kind `run` with `container`: a container that is there already is started, followed and left as it is.

use tokio::time::Instant;

use crate::{
    docker::containers::ContainerPhase,
    model::{
        job::StartSpec,
        run::{Outcome, WorkHandle},
        skip::Skip,
    },
};

use super::{
    adoption,
    interrupts::stopped_before,
    new_container::{carry_on, follow, lost},
    order::TakenUp,
    takeover,
    unit::{Context, KindEnd, Life},
};

/// Runs it.
pub async fn run(spec: &StartSpec, context: &Context, life: &mut Life) -> KindEnd {
    let (engine, name) = (&context.engine, &spec.container);
    let not_started =
        |what: &str| Outcome::NotStarted { error: format!("starting container {name}: {what}") };
    let facts = match engine.container_facts(name).await {
        Ok(Some(facts)) => facts,
        Ok(None) => return not_started("there is none of this name: make it first (docker create)").into(),
        Err(error) => return not_started(&error.to_string()).into(),
    };
    if facts.phase == ContainerPhase::Running {
        let since = facts.started.map_or_else(String::new, |at| format!(" since {at:.0}"));
        return Outcome::Skipped {
            by: Skip::Container,
            reason: format!("container {name} is running already{since}"),
        }
        .into();
    }
    if let Some(rule) = facts.always_restarts {
        // Its end would never come.
        let what = format!("its restart policy is {rule}, so that it would be started again: set it to no");
        return not_started(&what).into();
    }
    let id = facts.id;
    life.called(WorkHandle::Existing { id: id.clone() }).await;
    if let Some(by) = life.interrupts.asked() {
        return stopped_before(by);
    }
    let began = Instant::now();
    let output = match engine.attach_container(&id).await {
        Ok(output) => output,
        Err(error) => return not_started(&error.to_string()).into(),
    };
    if let Err(error) = engine.start_container(&id).await {
        return not_started(&error.to_string()).into();
    }
    life.started(began);
    match follow(&id, output, context, life).await {
        Outcome::Lost { reason } => lost(life, reason),
        outcome => outcome.into(),
    }
}

/// Takes up the container of a run that another agent began.
pub async fn take_up(taken: &TakenUp, context: &Context, life: &mut Life) -> KindEnd {
    let Some(WorkHandle::Existing { id }) = taken.handle() else {
        return lost(life, "the agent ended as it began, and which container it is is not known".to_owned());
    };
    let found = match takeover::answer_of(|| context.engine.container_facts(id)).await {
        Ok(found) => found,
        Err(error) => return lost(life, format!("its container cannot be asked for: {error}")),
    };
    let meaning = adoption::of_existing(taken.began(), found.as_ref());
    let since = found.as_ref().and_then(|facts| facts.started);
    carry_on(taken, (found, &meaning), since, context, life).await
}
