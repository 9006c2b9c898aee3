//! A change that another agent was about to make, or had made.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    docker::error::EngineError,
    model::{
        run::{Outcome, Printed, WorkHandle},
        service::Wants,
    },
};

use super::super::{
    adoption,
    clearing::Leftover,
    collect::Again,
    looks::SOON,
    order::TakenUp,
    service,
    takeover::{self, answer_of},
    unit::{Context, KindEnd, Life},
};
use super::{
    Change, Made,
    shows::{Found, found},
    until_gone,
};

/// How long the last agent's request may still be on its way when the Engine answers again.
const ON_ITS_WAY: Duration = Duration::from_secs(2);

/// Follows it like a fresh one, where it was made.
pub(in crate::run) async fn take_up(taken: &TakenUp, context: &Context, life: &mut Life) -> KindEnd {
    let Some(WorkHandle::Change { service, back, followed }) = taken.handle() else {
        return Outcome::Lost { reason: adoption::AS_IT_BEGAN.to_owned() }.into();
    };
    let Some(followed) = *followed else { return unfollowed(taken, (service, *back), context, life).await };
    let name = taken.order.container_name().unwrap_or_else(|| service.clone());
    let made = Made { service: service.clone(), back: *back, followed };
    if let Wants::Ended(_) = followed.wants {
        context.halts.ran_service(service, &taken.order.run, taken.order.job());
    }
    match look(&made, context).await {
        Ok(Found::GoesOn) => {}
        Ok(Found::NotMade) => {
            let error = format!("the agent ended before it changed the service {name}");
            return Outcome::NotStarted { error }.into();
        }
        Ok(Found::Lost(reason)) => {
            let reason = format!("{reason}: docker service ps {name} tells how its tasks do");
            return Outcome::Lost { reason }.into();
        }
        Ok(Found::Gone) => {
            let reason = "the service was removed while no agent ran".to_owned();
            return Outcome::Lost { reason }.into();
        }
        Err(error) => return service::lost(life, format!("its service cannot be asked for: {error}")),
    }
    life.goes_on(taken.began(), "its service was changed for it");
    let known = takeover::known_output(taken);
    let again = match followed.wants {
        // What its tasks print is read when they have ended.
        _ if known == Printed::default() => Again::Nothing,
        Wants::Ended(tasks) => service::comes_again(tasks, known, context, life),
        Wants::RolledOut | Wants::Running(_) => Again::Nothing,
    };
    let good = &taken.order.spec.policies.success_codes;
    let change = Change { engine: &context.engine, made, good, is_taken_up: true };
    change.to_the_end(again, context, life).await
}

/// What is found of it.
async fn look(made: &Made, context: &Context) -> Result<Found, EngineError> {
    let Made { service, followed, .. } = made;
    let engine = &context.engine;
    let mut since = None;
    loop {
        let now = answer_of(|| engine.service_now(service)).await?;
        let tasks = match &now {
            Some(_) => answer_of(|| engine.tasks_of(service, followed.wants.places())).await?,
            None => Vec::new(),
        };
        match found(now.as_ref(), &tasks, followed) {
            Found::NotMade if since.get_or_insert_with(Instant::now).elapsed() < ON_ITS_WAY => {
                sleep(SOON * 10).await;
            }
            found => return Ok(found),
        }
    }
}

/// Takes up the change of an earlier version's agent, which did not say how it is followed: only what the run gave the
/// service is taken back, once its tasks have ended.
async fn unfollowed(
    taken: &TakenUp,
    (service, back): (&str, Option<u64>),
    context: &Context,
    life: &mut Life,
) -> KindEnd {
    let reason = format!(
        "the agent ended while it followed the service {service}, which goes on by itself: docker service ps {service} tells \
         how its tasks did"
    );
    let Some(back) = back else { return Outcome::Lost { reason }.into() };
    life.goes_on(taken.began(), "its service has tasks for it");
    tokio::select! {
        () = until_gone(&context.engine, service) => {}
        // Asked to end before that, its tasks are ended by taking them back, where it had none.
        _ = life.interrupts.next() => {
            if back > 0 {
                return life.interrupts.given_up(Some("its tasks are left to the service".to_owned())).into();
            }
        }
    }
    let reason = format!("{reason}; it has {back} again");
    KindEnd {
        leftover: Some(Leftover::Replicas { service: service.to_owned(), given: None, back }),
        ..Outcome::Lost { reason }.into()
    }
}
